/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_ioapic_threads.c - lines, EOIs and rewritten entries from several threads at once: a level
 * is delivered once until it is acknowledged, and again while it is asserted; an edge is once.
 *
 * A device has work and holds its line while it has any. A processor takes a delivered interrupt,
 * takes a piece of the device's work, and acknowledges. A level that got lost leaves work that
 * nobody will ever take: it is looked for when all other threads are done.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sched.h>
#include <string.h>

#include <libvirtiommu/ioapic.h>

#include "run.h"
#include "thread_world.h"

enum { PINS = 4, DEVICES = 3, PROCESSORS = 2, SOURCE = 0x00f8 };

#define VECTOR(pin) (0x40U + (pin))
#define LEVEL	    UINT32_C(0x8000)
#define MASKED	    UINT32_C(0x10000)

struct line {
	pthread_mutex_t lock; /* of the device: work and line agree */
	unsigned work;
	_Atomic unsigned delivered; /* and not yet taken by a processor */
	_Atomic unsigned in_service;
	_Atomic unsigned rises; /* of edges */
	_Atomic unsigned messages;
};

struct stage {
	struct world w;
	bool remapped;
	bool edge;
	struct viommu_ioapic *a;
	struct line line[PINS];
	uint64_t table;
	uint64_t seed;
	pthread_mutex_t window; /* index and data are two accesses: guests lock them */
	_Atomic bool stop;
	_Atomic unsigned acknowledged;
	_Atomic uint32_t devices; /* started so far */
	unsigned rounds;
};

/* ---- callbacks ---- */

static void deliver(void *opaque, uint32_t pin, const struct viommu_msi *msi)
{
	struct stage *s = opaque;
	struct line *line = &s->line[pin];

	if (msi->vector != VECTOR(pin))
		world_fail(&s->w, "pin %u: vector 0x%x", pin, msi->vector);
	atomic_fetch_add(&line->messages, 1);
	if (s->edge)
		return;
	if (atomic_fetch_add(&line->in_service, 1))
		world_fail(&s->w, "pin %u: delivered again before it was acknowledged", pin);
	atomic_fetch_add(&line->delivered, 1);
}

static void acknowledged(void *opaque, uint32_t pin)
{
	struct stage *s = opaque;

	(void)pin;
	atomic_fetch_add(&s->acknowledged, 1);
}

static void changed(void *opaque, uint32_t pin)
{
	struct stage *s = opaque;
	struct viommu_ioapic_message message;

	if (viommu_ioapic_get_message(s->a, pin, &message) || message.vector != VECTOR(pin))
		world_fail(&s->w, "pin %u: message", pin);
}

/* ---- guest ---- */

static void write_half(struct stage *s, uint32_t index, uint32_t value)
{
	pthread_mutex_lock(&s->window);
	if (viommu_ioapic_write(s->a, 0x00, 4, index) || viommu_ioapic_write(s->a, 0x10, 4, value))
		world_fail(&s->w, "write");
	pthread_mutex_unlock(&s->window);
}

static uint32_t low_half(const struct stage *s, uint32_t pin)
{
	return (s->edge ? 0 : LEVEL) | VECTOR(pin);
}

/* Destination n, or table entry 4n + pin. */
static uint32_t high_half(const struct stage *s, uint32_t pin, uint32_t n)
{
	return s->remapped ? (n * PINS + pin) << 17 | 1U << 16 : n << 24;
}

/* Retargets pins; masks and unmasks level ones. */
static void *rewrite(void *opaque)
{
	struct stage *s = opaque;
	uint64_t random = s->seed ^ 0x5555;

	while (!atomic_load(&s->stop)) {
		uint32_t r = (uint32_t)(world_random(&random) >> 20);
		uint32_t pin = r % PINS;
		uint32_t index = 0x10 + 2 * pin;

		if (r & 0x100 || s->edge) {
			write_half(s, index + 1, high_half(s, pin, r >> 9 & 3));
		} else {
			write_half(s, index, low_half(s, pin) | MASKED);
			if (r & 0x200)
				sched_yield();
			write_half(s, index, low_half(s, pin));
		}
	}
	return NULL;
}

/* Takes table entries away and gives them back, and tells the lines, as a VMM whose routes have
 * changed. */
static void *rewrite_table(void *opaque)
{
	struct stage *s = opaque;
	uint64_t random = s->seed ^ 0xaaaa;

	while (!atomic_load(&s->stop)) {
		uint32_t index = (uint32_t)(world_random(&random) >> 20) % (4 * PINS);
		uint64_t word = world_get64(&s->w, s->table + index * 16);

		world_put64(&s->w, s->table + index * 16, word & ~VTD_IRTE_P);
		world_submit(&s->w, GUEST_IEC(index, 0), 0);
		world_sync(&s->w);
		world_put64(&s->w, s->table + index * 16, word);
		world_submit(&s->w, GUEST_IEC(index, 0), 0);
		world_sync(&s->w);
	}
	return NULL;
}

/* ---- devices and processors ---- */

static void set_line(struct stage *s, uint32_t pin, uint32_t level)
{
	if (viommu_ioapic_set_line(s->a, pin, level))
		world_fail(&s->w, "set_line");
}

/* Adds work to some pin; now and then lowers and raises a line that has work. */
static void *produce(void *opaque)
{
	struct stage *s = opaque;
	uint64_t random = s->seed + atomic_fetch_add(&s->devices, 1) * UINT64_C(0x9e3779b97f4a7c15);

	for (unsigned i = 0; i < s->rounds; i++) {
		uint32_t r = (uint32_t)(world_random(&random) >> 20);
		struct line *line = &s->line[r % PINS];

		pthread_mutex_lock(&line->lock);
		line->work++;
		if (r & 0x100)
			set_line(s, r % PINS, 0);
		set_line(s, r % PINS, 1);
		pthread_mutex_unlock(&line->lock);
		if (r & 0x600)
			sched_yield();
	}
	return NULL;
}

static bool serve(struct stage *s, uint32_t pin)
{
	struct line *line = &s->line[pin];
	unsigned delivered = atomic_load(&line->delivered);

	/* one processor takes it */
	if (!delivered ||
	    !atomic_compare_exchange_strong(&line->delivered, &delivered, delivered - 1))
		return false;
	pthread_mutex_lock(&line->lock);
	if (line->work && --line->work == 0)
		set_line(s, pin, 0);
	pthread_mutex_unlock(&line->lock);
	atomic_fetch_sub(&line->in_service, 1);
	if (pin & 1 ? viommu_ioapic_eoi(s->a, VECTOR(pin))
		    : viommu_ioapic_write(s->a, 0x40, 4, VECTOR(pin)))
		world_fail(&s->w, "eoi");
	return true;
}

static void *process(void *opaque)
{
	struct stage *s = opaque;

	while (!atomic_load(&s->stop)) {
		bool any = false;

		for (uint32_t pin = 0; pin < PINS; pin++)
			any |= serve(s, pin);
		if (!any)
			sched_yield();
	}
	return NULL;
}

/* Each pin has one thread that moves it; it counts the edges that it makes. */
static void *pulse(void *opaque)
{
	struct stage *s = opaque;
	uint32_t pin = atomic_fetch_add(&s->devices, 1);

	for (unsigned i = 0; i < s->rounds; i++) {
		set_line(s, pin, 1);
		atomic_fetch_add(&s->line[pin].rises, 1);
		set_line(s, pin, 0);
	}
	return NULL;
}

/* ---- stages ---- */

static void open_stage(struct stage *s)
{
	struct viommu_ioapic_config config = { .size = sizeof(config),
					       .source = SOURCE,
					       .opaque = s,
					       .deliver = deliver,
					       .changed = changed,
					       .acknowledged = acknowledged };

	watchdog();
	s->seed = run_seed(RUN_ANY_SEED);
	world_open(&s->w, &(struct world_config){ .ttm = VTD_TTM_SCALABLE });
	s->table = world_alloc(&s->w, 1);
	for (uint32_t i = 0; i < 4 * PINS; i++)
		world_put64(&s->w, s->table + i * 16,
			    VTD_IRTE_P | (uint64_t)VECTOR(i % PINS) << 16 | VTD_IRTE_TM);
	if (s->remapped) {
		world_write(&s->w, VTD_IRTA, 8, s->table | 7);
		world_command_sync(&s->w, VTD_G_IRTP, 0);
		world_command_sync(&s->w, VTD_G_IRE, 0);
	}
	assert_int_equal(viommu_ioapic_new(s->w.vm, s->w.iommu, &config, &s->a), VIOMMU_OK);
	pthread_mutex_init(&s->window, NULL);
	for (uint32_t pin = 0; pin < PINS; pin++) {
		pthread_mutex_init(&s->line[pin].lock, NULL);
		write_half(s, 0x11 + 2 * pin, high_half(s, pin, 0));
		/* changed() looks at the vector */
		write_half(s, 0x10 + 2 * pin, low_half(s, pin));
	}
	atomic_store(&s->w.failed, false);
}

static void close_stage(struct stage *s)
{
	world_check(&s->w);
	viommu_ioapic_free(s->a);
	pthread_mutex_destroy(&s->window);
	for (uint32_t pin = 0; pin < PINS; pin++)
		pthread_mutex_destroy(&s->line[pin].lock);
	world_close(&s->w);
}

/* Nobody else runs: what is delivered is served, until nothing is; then there must be no work. */
static void finish_levels(struct stage *s, bool kick)
{
	bool any = true;

	for (uint32_t pin = 0; kick && pin < PINS; pin++)
		set_line(s, pin, s->line[pin].work != 0);
	while (any) {
		any = false;
		for (uint32_t pin = 0; pin < PINS; pin++)
			any |= serve(s, pin);
	}
	for (uint32_t pin = 0; pin < PINS; pin++) {
		if (s->line[pin].work)
			fail_msg("pin %u: %u pieces of work, and no interrupt", pin,
				 s->line[pin].work);
		assert_int_equal(s->line[pin].in_service, 0);
	}
}

static void levels(bool remapped, bool refused)
{
	static struct stage s;
	pthread_t devices[DEVICES], processors[PROCESSORS], writers[2];
	unsigned messages = 0;

	memset(&s, 0, sizeof(s));
	s.remapped = remapped;
	s.rounds = scaled(40000);
	open_stage(&s);
	for (unsigned i = 0; i < PROCESSORS; i++)
		world_start(&processors[i], process, &s);
	world_start(&writers[0], rewrite, &s);
	if (refused)
		world_start(&writers[1], rewrite_table, &s);
	for (unsigned i = 0; i < DEVICES; i++)
		world_start(&devices[i], produce, &s);
	for (unsigned i = 0; i < DEVICES; i++)
		pthread_join(devices[i], NULL);
	atomic_store(&s.stop, true);
	for (unsigned i = 0; i < PROCESSORS; i++)
		pthread_join(processors[i], NULL);
	for (unsigned i = 0; i < 1U + refused; i++)
		pthread_join(writers[i], NULL);
	finish_levels(&s, refused);
	for (uint32_t pin = 0; pin < PINS; pin++)
		messages += s.line[pin].messages;
	/* each piece of work needs an interrupt of its own */
	assert_true(messages >= DEVICES * s.rounds);
	assert_int_equal(s.acknowledged, messages);
	print_message("%u messages for %u pieces of work\n", messages, DEVICES * s.rounds);
	close_stage(&s);
}

static void test_levels(void **state)
{
	(void)state;
	levels(false, false);
}

static void test_levels_remapped(void **state)
{
	(void)state;
	levels(true, false);
}

/* Messages are refused now and then; a VMM that tells the lines again afterwards loses none. */
static void test_levels_refused(void **state)
{
	(void)state;
	levels(true, true);
}

static void *acknowledge_all(void *opaque)
{
	struct stage *s = opaque;

	while (!atomic_load(&s->stop)) {
		for (uint32_t pin = 0; pin < PINS; pin++)
			viommu_ioapic_eoi(s->a, VECTOR(pin));
	}
	return NULL;
}

static void edges(bool remapped)
{
	static struct stage s;
	pthread_t movers[PINS], writer, processor;

	memset(&s, 0, sizeof(s));
	s.remapped = remapped;
	s.edge = true;
	s.rounds = scaled(10000);
	open_stage(&s);
	world_start(&writer, rewrite, &s);
	world_start(&processor, acknowledge_all, &s);
	for (unsigned i = 0; i < PINS; i++)
		world_start(&movers[i], pulse, &s);
	for (unsigned i = 0; i < PINS; i++)
		pthread_join(movers[i], NULL);
	atomic_store(&s.stop, true);
	pthread_join(writer, NULL);
	pthread_join(processor, NULL);
	for (uint32_t pin = 0; pin < PINS; pin++) {
		assert_int_equal(s.line[pin].rises, s.rounds);
		assert_int_equal(s.line[pin].messages, s.rounds);
	}
	close_stage(&s);
}

static void test_edges(void **state)
{
	(void)state;
	edges(false);
	edges(true);
}

/* ---- every function against every other ---- */

static bool call_one(struct viommu_ioapic *a, uint64_t r, uint8_t *saved, uint64_t *have)
{
	struct viommu_ioapic_message message;
	uint64_t value;

	switch (r >> 32 & 7) {
	case 0:
		return viommu_ioapic_read(a, r >> 40 & 0x10, 4, &value);
	case 1:
		return viommu_ioapic_write(a, 0x00, 4, 0x10 + (r & 7));
	case 2:
	case 3:
		return viommu_ioapic_write(a, 0x10, 4, r & 0xfffe003f);
	case 4:
		return viommu_ioapic_eoi(a, r & 0x3f);
	case 5:
		return viommu_ioapic_get_message(a, r & 3, &message);
	case 6:
		if (*have && (r & 1))
			return viommu_ioapic_restore(a, saved, *have);
		*have = 2048;
		return viommu_ioapic_save(a, saved, have);
	default:
		return viommu_ioapic_set_line(a, r & 3, r >> 2 & 1);
	}
}

static void *call_everything(void *opaque)
{
	struct stage *s = opaque;
	uint64_t random = s->seed + atomic_fetch_add(&s->devices, 1) * UINT64_C(0x9e3779b97f4a7c15);
	uint8_t saved[2048];
	uint64_t have = 0;

	for (unsigned i = 0; i < s->rounds; i++) {
		if (call_one(s->a, world_random(&random), saved, &have))
			world_fail(&s->w, "refused");
	}
	return NULL;
}

/* Nothing to compare with, but for sanitizers to watch; every state that is saved is valid. */
static void test_everything(void **state)
{
	struct viommu_ioapic_config config = { .size = sizeof(config) };
	static struct stage s;
	pthread_t threads[4];

	(void)state;
	memset(&s, 0, sizeof(s));
	s.rounds = scaled(40000);
	open_stage(&s);
	viommu_ioapic_free(s.a);
	assert_int_equal(viommu_ioapic_new(s.w.vm, s.w.iommu, &config, &s.a), VIOMMU_OK);
	for (unsigned i = 0; i < 4; i++)
		world_start(&threads[i], call_everything, &s);
	for (unsigned i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	close_stage(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_levels),	       cmocka_unit_test(test_levels_remapped),
		cmocka_unit_test(test_levels_refused), cmocka_unit_test(test_edges),
		cmocka_unit_test(test_everything),
	};

	return cmocka_run_group_tests_name("ioapic_threads", tests, NULL, NULL);
}
