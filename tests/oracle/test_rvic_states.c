/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_rvic_states.c - every state that an RVIC of two CPUs and three interrupts can reach, and from
 * each of them every call and every input: the code itself, compared with a model that is the
 * specification's sentences.
 *
 * A state is a saved state: it is restored, and saved again, before anything is tried from it. The
 * number of states and steps is printed; VIOMMU_TEST_SCALE=200 also explores two trusted
 * interrupts.
 */
#include "check.h"

#include <libvirtiommu/rvic.h>
#include <libvirtiommu/vm.h>

#include <stdlib.h>
#include <string.h>

#include "run.h"
#include "rvic_engine.h"

#define CPUS   2U
#define IRQS   3U
#define NOBODY CPUS

/* ---- the model: sets, and a list ---- */

struct model_cpu {
	bool enabled;
	bool pending[IRQS];
	bool masked[IRQS];
	bool line[IRQS];
	unsigned fifo[IRQS];
	unsigned queued;
};

struct model {
	struct model_cpu cpu[CPUS];
};

static unsigned trusted; /* of the exploration */

static bool in_fifo(const struct model_cpu *c, unsigned i)
{
	for (unsigned at = 0; at < c->queued; at++) {
		if (c->fifo[at] == i)
			return true;
	}
	return false;
}

static void leave_fifo(struct model_cpu *c, unsigned i)
{
	unsigned kept = 0;

	for (unsigned at = 0; at < c->queued; at++) {
		if (c->fifo[at] != i)
			c->fifo[kept++] = c->fifo[at];
	}
	c->queued = kept;
}

static void join_fifo(struct model_cpu *c, unsigned i)
{
	if (c->enabled && c->pending[i] && !c->masked[i] && !in_fifo(c, i))
		c->fifo[c->queued++] = i;
}

static bool can_signal(const struct model_cpu *c)
{
	return c->enabled && c->queued;
}

static void set_pending(struct model_cpu *c, unsigned i)
{
	if (!c->enabled)
		return;
	c->pending[i] = true;
	join_fifo(c, i);
}

/* x0 and x1 of a call; @function from the base, @target already looked up: CPUS if there is none */
static void model_call(struct model *m, unsigned self, unsigned function, unsigned target,
		       uint64_t intid, uint64_t answer[2])
{
	struct model_cpu *c = &m->cpu[self];
	bool targeted = function >= RVIC_F_SET_MASKED && function <= RVIC_F_CLEAR_PENDING;
	unsigned i = (unsigned)intid;

	answer[0] = 0;
	answer[1] = 0;
	if (targeted && target == CPUS) {
		answer[0] = 2; /* INVALID_CPU, argument 0 */
		return;
	}
	if (targeted && intid >= IRQS) {
		answer[0] = 1 | 1 << 8; /* ERROR_PARAMETER, argument 1 */
		return;
	}
	if (targeted)
		c = &m->cpu[target];
	switch (function) {
	case RVIC_F_ENABLE:
		c->enabled = true;
		for (i = 0; i < IRQS; i++)
			join_fifo(c, i);
		break;
	case RVIC_F_DISABLE:
		c->enabled = false;
		break;
	case RVIC_F_SET_MASKED:
		c->masked[i] = true;
		leave_fifo(c, i);
		break;
	case RVIC_F_CLEAR_MASKED:
		c->masked[i] = false;
		join_fifo(c, i);
		break;
	case RVIC_F_IS_PENDING:
		answer[1] = c->pending[i];
		break;
	case RVIC_F_SIGNAL:
		if (!c->enabled)
			answer[0] = 3; /* DISABLED */
		set_pending(c, i);
		break;
	case RVIC_F_CLEAR_PENDING:
		c->pending[i] = false;
		leave_fifo(c, i);
		break;
	case RVIC_F_ACKNOWLEDGE:
		if (!c->enabled) {
			answer[0] = 3;
		} else if (!c->queued) {
			answer[0] = 4; /* NO_INTERRUPTS */
		} else {
			answer[1] = i = c->fifo[0];
			c->masked[i] = true;
			c->pending[i] = false;
			leave_fifo(c, i);
		}
		break;
	case RVIC_F_RESAMPLE:
		if (intid >= trusted)
			answer[0] = 1; /* ERROR_PARAMETER, argument 0 */
		else if (c->line[i])
			set_pending(c, i);
		break;
	default:
		fail();
	}
}

static void model_signal(struct model *m, unsigned cpu, unsigned i, bool level, bool edge)
{
	struct model_cpu *c = &m->cpu[cpu];

	if (i < trusted && !edge)
		c->line[i] = level;
	if (level)
		set_pending(c, i);
}

static void model_reset(struct model_cpu *c)
{
	*c = (struct model_cpu){ .enabled = false };
	for (unsigned i = 0; i < IRQS; i++)
		c->masked[i] = true;
}

/* Every state must be one in which these hold; the model could be wrong, too. */
static void check_invariants(const struct model *m)
{
	for (unsigned n = 0; n < CPUS; n++) {
		const struct model_cpu *c = &m->cpu[n];

		for (unsigned at = 0; at < c->queued; at++) {
			assert_true(c->pending[c->fifo[at]] && !c->masked[c->fifo[at]]);
			for (unsigned other = 0; other < at; other++)
				assert_true(c->fifo[other] != c->fifo[at]);
		}
		for (unsigned i = 0; i < IRQS; i++) {
			/* no interrupt is lost */
			if (c->enabled && c->pending[i] && !c->masked[i])
				assert_true(in_fifo(c, i));
			if (i >= trusted)
				assert_false(c->line[i]);
		}
	}
}

/* ---- a state in 36 bits, and the set of those that were seen ---- */

static uint64_t key_of(const struct model *m)
{
	uint64_t key = 1;

	for (unsigned n = 0; n < CPUS; n++) {
		const struct model_cpu *c = &m->cpu[n];

		key = key << 1 | c->enabled;
		for (unsigned i = 0; i < IRQS; i++) {
			key = key << 3 | (uint64_t)c->pending[i] << 2 |
			      (uint64_t)c->masked[i] << 1 | c->line[i];
			key = key << 2 | (i < c->queued ? c->fifo[i] + 1 : 0);
		}
	}
	return key;
}

#define SLOTS (UINT64_C(1) << 22)

static uint64_t *seen;
static struct model *state;
static size_t states;

/* True if the state is new. */
static bool note(const struct model *m)
{
	uint64_t key = key_of(m);
	uint64_t at = (key * UINT64_C(0x9e3779b97f4a7c15)) >> 42;

	for (; seen[at]; at = (at + 1) % SLOTS) {
		if (seen[at] == key)
			return false;
	}
	seen[at] = key;
	assert_true(states < SLOTS / 2);
	state[states++] = *m;
	return true;
}

/* ---- the code ---- */

static struct viommu_rvic *rvic;
static unsigned char *before; /* the object as it is in the state that is being explored */
static unsigned kicks[CPUS];

static void on_kick(void *opaque, uint32_t cpu)
{
	assert_true(cpu < CPUS);
	kicks[cpu]++;
}

static struct model read_code(void)
{
	struct model m;

	memset(&m, 0, sizeof(m));
	for (unsigned n = 0; n < CPUS; n++) {
		const struct rvic_cpu *c = &rvic->cpu[n];

		m.cpu[n].enabled = c->enabled;
		for (unsigned i = 0; i < IRQS; i++) {
			m.cpu[n].pending[i] = c->irq[i].flags & RVIC_PENDING;
			m.cpu[n].masked[i] = c->irq[i].flags & RVIC_MASKED;
			m.cpu[n].line[i] = c->irq[i].flags & RVIC_LINE;
		}
		for (unsigned at = c->head; at; at = c->irq[at - 1].next) {
			assert_true(m.cpu[n].queued < IRQS);
			assert_true(c->irq[at - 1].flags & RVIC_QUEUED);
			m.cpu[n].fifo[m.cpu[n].queued++] = at - 1;
		}
	}
	return m;
}

/* After a step that @self made (NOBODY: an input): the code is where the model is, and those who have
 * to look have been told. */
static void check_step(const char *what, const struct model *was, const struct model *expected,
		       unsigned self)
{
	struct model is = read_code();

	check_eq(what, key_of(&is), key_of(expected));
	for (unsigned n = 0; n < CPUS; n++) {
		bool changed = can_signal(&was->cpu[n]) != can_signal(&expected->cpu[n]);

		check_eq(what, kicks[n], changed && n != self);
		kicks[n] = 0;
		check_eq(what, viommu_rvic_can_signal(rvic, n), can_signal(&expected->cpu[n]));
	}
	check_invariants(expected);
	note(expected);
	memcpy(rvic, before, rvic->interface.bytes);
}

static size_t steps;

static void try_call(const struct model *was, unsigned self, unsigned function, uint64_t mpidr,
		     uint64_t intid)
{
	bool targeted = function >= RVIC_F_SET_MASKED && function <= RVIC_F_CLEAR_PENDING;
	unsigned target = mpidr < CPUS ? (unsigned)mpidr : CPUS;
	uint64_t x[4] = { RVIC_BASE + function, targeted ? mpidr : intid, intid, 0x55 };
	struct model m = *was;
	uint64_t answer[2];

	model_call(&m, self, function, target, intid, answer);
	assert_int_equal(viommu_rvic_call(rvic, self, x), VIOMMU_OK);
	check_eq("status", x[0], answer[0]);
	check_eq("value", x[1], answer[1]);
	check_eq("x2, x3", x[2] | x[3], 0);
	if (function == RVIC_F_ACKNOWLEDGE &&
	    x[0] == 0) /* none is delivered masked or to the disabled */
		assert_true(was->cpu[self].enabled && was->cpu[self].pending[x[1]] &&
			    !was->cpu[self].masked[x[1]]);
	check_step("call", was, &m, self);
	steps++;
}

static void try_calls(const struct model *was, unsigned self)
{
	static const unsigned plain[] = { RVIC_F_ENABLE, RVIC_F_DISABLE, RVIC_F_ACKNOWLEDGE };

	for (unsigned i = 0; i < 3; i++)
		try_call(was, self, plain[i], 0, 0);
	for (uint64_t intid = 0; intid <= IRQS; intid++)
		try_call(was, self, RVIC_F_RESAMPLE, 0, intid);
	for (unsigned f = RVIC_F_SET_MASKED; f <= RVIC_F_CLEAR_PENDING; f++) {
		for (uint64_t cpu = 0; cpu <= CPUS; cpu++) {
			for (uint64_t intid = 0; intid <= IRQS; intid++)
				try_call(was, self, f, cpu, intid);
		}
		try_call(was, self, f, 0, UINT64_C(1) << 32); /* all 64 bits count */
	}
}

static void try_inputs(const struct model *was)
{
	for (unsigned n = 0; n < CPUS * IRQS * 4; n++) {
		unsigned cpu = n % CPUS, i = n / CPUS % IRQS;
		bool level = n / (CPUS * IRQS) & 1, edge = n / (CPUS * IRQS) & 2;
		struct model m = *was;

		model_signal(&m, cpu, i, level, edge);
		assert_int_equal(viommu_rvic_signal(rvic, cpu, i, level,
						    edge ? VIOMMU_RVIC_EDGE : 0),
				 VIOMMU_OK);
		check_step("input", was, &m, NOBODY);
		steps++;
	}
	for (unsigned cpu = 0; cpu < CPUS; cpu++) {
		struct model m = *was;

		model_reset(&m.cpu[cpu]);
		assert_int_equal(viommu_rvic_reset_cpu(rvic, cpu), VIOMMU_OK);
		check_step("reset", was, &m, NOBODY);
		steps++;
	}
}

/* Goes to a state by way of a saved one: first the code is put there by hand, saved, disturbed, and
 * restored; then saving again yields the same bytes. */
static void go_to(const struct model *m)
{
	unsigned char saved[512], again[512];
	uint64_t bytes = sizeof(saved), more = sizeof(again);

	for (unsigned n = 0; n < CPUS; n++) {
		struct rvic_cpu *c = &rvic->cpu[n];

		rvic_cpu_reset(c);
		c->enabled = true;
		for (unsigned i = 0; i < IRQS; i++)
			c->irq[i].flags = (uint8_t)((m->cpu[n].pending[i] ? RVIC_PENDING : 0) |
						    (m->cpu[n].masked[i] ? RVIC_MASKED : 0) |
						    (m->cpu[n].line[i] ? RVIC_LINE : 0));
		for (unsigned at = 0; at < m->cpu[n].queued; at++)
			rvic_cpu_change(c, m->cpu[n].fifo[at], 0, 0);
		c->enabled = m->cpu[n].enabled;
	}
	assert_int_equal(viommu_rvic_save(rvic, saved, &bytes), VIOMMU_OK);
	for (unsigned n = 0; n < CPUS; n++)
		viommu_rvic_reset_cpu(rvic, n);
	assert_int_equal(viommu_rvic_restore(rvic, saved, bytes), VIOMMU_OK);
	assert_int_equal(viommu_rvic_save(rvic, again, &more), VIOMMU_OK);
	assert_int_equal(bytes, more);
	assert_memory_equal(saved, again, bytes);
	memset(kicks, 0, sizeof(kicks));
	memcpy(before, rvic, rvic->interface.bytes);
	struct model is = read_code();

	assert_true(key_of(&is) == key_of(m));
}

static void explore(unsigned trusted_irqs)
{
	struct viommu_vm_config vm_config = { .size = sizeof(vm_config) };
	struct viommu_rvic_config config = { .size = sizeof(config),
					     .cpus = CPUS,
					     .trusted = trusted_irqs,
					     .untrusted = IRQS - trusted_irqs,
					     .kick = on_kick };
	struct viommu_vm *vm;
	struct model first;

	trusted = trusted_irqs;
	states = 0;
	steps = 0;
	seen = calloc(SLOTS, sizeof(*seen));
	state = malloc(SLOTS / 2 * sizeof(*state));
	assert_true(seen && state);
	assert_int_equal(viommu_vm_new(&vm_config, &vm), VIOMMU_OK);
	assert_int_equal(viommu_rvic_new(vm, &config, &rvic),
			 VIOMMU_EINVAL); /* too few for a guest */
	assert_int_equal(rvic_new(vm, &config, 1, &rvic), VIOMMU_OK);
	before = malloc(rvic->interface.bytes);
	assert_non_null(before);
	first = read_code();
	for (unsigned n = 0; n < CPUS; n++) {
		struct model_cpu c;

		model_reset(&c);
		assert_memory_equal(first.cpu[n].masked, c.masked, sizeof(c.masked));
	}
	note(&first);
	for (size_t i = 0; i < states; i++) {
		struct model m = state[i];

		go_to(&m);
		for (unsigned self = 0; self < CPUS; self++)
			try_calls(&m, self);
		try_inputs(&m);
	}
	print_message("%u trusted and %u untrusted interrupts, %u CPUs: %zu states, %zu steps\n",
		      trusted, IRQS - trusted, CPUS, states, steps);
	free(before);
	viommu_rvic_free(rvic);
	assert_int_equal(viommu_vm_free(vm), VIOMMU_OK);
	free(seen);
	free(state);
}

static void one_trusted(void **unused)
{
	explore(1);
}

static void two_trusted(void **unused)
{
	if (run_percent(100) < 200) {
		print_message("two trusted interrupts: with VIOMMU_TEST_SCALE=200\n");
		skip();
	}
	explore(2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_trusted),
		cmocka_unit_test(two_trusted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
