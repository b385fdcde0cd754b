/* SPDX-License-Identifier: BSD-3-Clause */
/* test_rvic.c - RVIC and RVID, row by row: status words, configurations, sequences of guests, saved
 * states. What follows from what is test_rvic_states.c. */
#include "check.h"

#include <libvirtiommu/rvic.h>
#include <libvirtiommu/vm.h>

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bits.h"
#include "rvic_spec.h"

#define RVIC(n) (RVIC_BASE + (n))
#define RVID(n) (RVID_BASE + (n))

static const uint64_t mpidrs[] = { 0, 1, 0x0100000203 };

struct world {
	struct viommu_vm *vm;
	struct viommu_rvic *rvic;
	struct viommu_rvid *rvid;
	unsigned kicks[3];
	uint32_t sample;
	unsigned blocks;
	int allow; /* allocations that succeed; -1: all */
	int wire;  /* of the split */
};

static void *on_alloc(void *opaque, uint64_t bytes, uint64_t align)
{
	struct world *w = opaque;
	void *block;

	if (w->allow == 0)
		return NULL;
	w->allow -= w->allow > 0;
	block = aligned_alloc(align < 16 ? 16 : align, (bytes + 4095) & ~UINT64_C(4095));
	if (block) {
		memset(block, 0, bytes);
		w->blocks++;
	}
	return block;
}

static void on_dealloc(void *opaque, void *block, uint64_t bytes)
{
	((struct world *)opaque)->blocks--;
	free(block);
}

static void on_kick(void *opaque, uint32_t cpu)
{
	((struct world *)opaque)->kicks[cpu]++;
}

static uint32_t on_sample(void *opaque, uint32_t cpu, uint32_t intid)
{
	return ((struct world *)opaque)->sample;
}

static void on_signal(void *opaque, uint32_t cpu, uint32_t intid, uint32_t level)
{
	struct world *w = opaque;

	assert_int_equal(viommu_rvic_signal(w->rvic, cpu, intid, level, VIOMMU_RVIC_UNTRUSTED),
			 VIOMMU_OK);
}

static struct viommu_rvic_config config_of(struct world *w)
{
	return (struct viommu_rvic_config){ .size = sizeof(struct viommu_rvic_config),
					    .cpus = 3,
					    .trusted = 32,
					    .untrusted = 64,
					    .mpidr = mpidrs,
					    .opaque = w,
					    .kick = on_kick,
					    .signal = on_signal };
}

static void open_world(struct world *w, uint32_t flags, bool sample)
{
	struct viommu_vm_config vm = {
		.size = sizeof(vm), .opaque = w, .alloc = on_alloc, .dealloc = on_dealloc
	};
	struct viommu_rvic_config config = config_of(w);

	memset(w, 0, sizeof(*w));
	w->allow = -1;
	config.flags = flags;
	config.sample = sample ? on_sample : NULL;
	assert_int_equal(viommu_vm_new(&vm, &w->vm), VIOMMU_OK);
	assert_int_equal(viommu_rvic_new(w->vm, &config, &w->rvic), VIOMMU_OK);
	assert_int_equal(viommu_rvid_new(w->vm, &config, &w->rvid), VIOMMU_OK);
}

static void close_world(struct world *w)
{
	viommu_rvic_free(w->rvic);
	viommu_rvid_free(w->rvid);
	assert_int_equal(viommu_vm_free(w->vm), VIOMMU_OK);
	assert_int_equal(w->blocks, 0);
}

/* x0 on return; *value: x1 */
static uint64_t call(struct world *w, uint32_t cpu, uint64_t function, uint64_t a, uint64_t b,
		     uint64_t c, uint64_t *value)
{
	uint64_t x[4] = { function, a, b, c };
	bool rvic = ((uint32_t)function & ~0xffU) == RVIC_BASE;

	assert_int_equal(rvic ? viommu_rvic_call(w->rvic, cpu, x) : viommu_rvid_call(w->rvid, x),
			 VIOMMU_OK);
	assert_true(x[2] == 0 && x[3] == 0);
	if (value)
		*value = x[1];
	else
		assert_true(x[1] == 0);
	return x[0];
}

#define DO(w, cpu, function, a, b) call(w, cpu, RVIC(function), a, b, 0, NULL)

/* ---- status words: every call x every argument that can be wrong ---- */

#define ALIGNED 1
#define BIG	(UINT64_C(1) << 32)
#define CPU_2	UINT64_C(0x0100000203)

static const struct {
	const char *name;
	unsigned flags;
	uint64_t function;
	uint64_t a, b, c;
	uint64_t status;
	uint64_t value;
} rows[] = {
	{ "RVIC VERSION", 0, RVIC(0), 9, 9, 9, 0, 3 },
	{ "RVIC INFO trusted", 0, RVIC(1), 0, 9, 9, 0, 32 },
	{ "RVIC INFO untrusted", 0, RVIC(1), 1, 9, 9, 0, 64 },
	{ "RVIC INFO other key", 0, RVIC(1), 2, 0, 0, 1, 0 },
	{ "RVIC INFO key of 64 bits", 0, RVIC(1), BIG, 0, 0, 1, 0 },
	{ "ENABLE ignores arguments", 0, RVIC(2), 9, 9, 9, 0, 0 },
	{ "DISABLE ignores arguments", 0, RVIC(3), 9, 9, 9, 0, 0 },
	{ "SET_MASKED", 0, RVIC(4), CPU_2, 95, 0, 0, 0 },
	{ "SET_MASKED, no such CPU", 0, RVIC(4), 2, 95, 0, 2, 0 },
	{ "SET_MASKED, no such CPU before a wrong INTID", 0, RVIC(4), 2, 96, 0, 2, 0 },
	{ "SET_MASKED, INTID at the end", 0, RVIC(4), 1, 96, 0, 1 | 1 << 8, 0 },
	{ "SET_MASKED, INTID of 64 bits", 0, RVIC(4), 1, BIG | 5, 0, 1 | 1 << 8, 0 },
	{ "SET_MASKED, MPIDR with other bits", 0, RVIC(4), 1 | BIT(31), 95, 0, 0, 0 },
	{ "SET_MASKED, MPIDR with other bits, aligned", ALIGNED, RVIC(4), 1 | BIT(31), 95, 0, 1,
	  0 },
	{ "SET_MASKED, bits above Aff3, aligned", ALIGNED, RVIC(4), 1 | BIT(40), 95, 0, 1, 0 },
	{ "SET_MASKED, no such CPU, aligned", ALIGNED, RVIC(4), 2, 95, 0, 2, 0 },
	{ "CLEAR_MASKED, no such CPU", 0, RVIC(5), 2, 0, 0, 2, 0 },
	{ "CLEAR_MASKED, INTID", 0, RVIC(5), 0, 96, 0, 1 | 1 << 8, 0 },
	{ "IS_PENDING", 0, RVIC(6), 0, 0, 0, 0, 0 },
	{ "IS_PENDING, no such CPU", 0, RVIC(6), 7, 0, 0, 2, 0 },
	{ "IS_PENDING, INTID", 0, RVIC(6), 0, UINT64_MAX, 0, 1 | 1 << 8, 0 },
	{ "SIGNAL to a disabled CPU", 0, RVIC(7), 1, 3, 0, 3, 0 },
	{ "SIGNAL, no such CPU", 0, RVIC(7), 4, 3, 0, 2, 0 },
	{ "SIGNAL, INTID before disabled", 0, RVIC(7), 1, 96, 0, 1 | 1 << 8, 0 },
	{ "CLEAR_PENDING, no such CPU", 0, RVIC(8), 4, 3, 0, 2, 0 },
	{ "CLEAR_PENDING, INTID", 0, RVIC(8), 1, 96, 0, 1 | 1 << 8, 0 },
	{ "ACKNOWLEDGE of a disabled CPU", 0, RVIC(9), 0, 0, 0, 3, 0 },
	{ "RESAMPLE", 0, RVIC(10), 31, 0, 0, 0, 0 },
	{ "RESAMPLE of an untrusted one", 0, RVIC(10), 32, 0, 0, 1, 0 },
	{ "RESAMPLE, INTID of 64 bits", 0, RVIC(10), BIG, 0, 0, 1, 0 },
	{ "RVIC, unknown", 0, RVIC(11), 0, 0, 0, UINT64_MAX, 0 },
	{ "RVIC, last of the range", 0, RVIC(255), 0, 0, 0, UINT64_MAX, 0 },
	{ "the upper half of x0 does not count", 0, BIG | RVIC(0), 0, 0, 0, 0, 3 },
	{ "RVID VERSION", 0, RVID(0), 0, 0, 0, 0, 3 },
	{ "MAP", 0, RVID(1), 63, CPU_2, 95, 0, 0 },
	{ "MAP, input at the end", 0, RVID(1), 64, 0, 32, 1, 0 },
	{ "MAP, input of 64 bits", 0, RVID(1), BIG, 0, 32, 1, 0 },
	{ "MAP, no such CPU", 0, RVID(1), 0, 5, 32, 1 | 1 << 8, 0 },
	{ "MAP, no such CPU, aligned", ALIGNED, RVID(1), 0, 5, 32, 2 | 1 << 8, 0 },
	{ "MAP, MPIDR with other bits, aligned", ALIGNED, RVID(1), 0, BIT(31), 32, 1 | 1 << 8, 0 },
	{ "MAP to a trusted INTID", 0, RVID(1), 0, 0, 31, 1 | 2 << 8, 0 },
	{ "MAP, INTID at the end", 0, RVID(1), 0, 0, 96, 1 | 2 << 8, 0 },
	{ "MAP, INTID of 64 bits", 0, RVID(1), 0, 0, BIG | 32, 1 | 2 << 8, 0 },
	{ "UNMAP of what is not mapped", 0, RVID(2), 63, 9, 9, 0, 0 },
	{ "UNMAP, input at the end", 0, RVID(2), 64, 0, 0, 1, 0 },
	{ "RVID, unknown", 0, RVID(3), 0, 0, 0, UINT64_MAX, 0 },
};

static void status_words(void **state)
{
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		struct world w;
		uint64_t value;

		open_world(&w, rows[i].flags, false);
		check_eq(rows[i].name,
			 call(&w, 0, rows[i].function, rows[i].a, rows[i].b, rows[i].c, &value),
			 rows[i].status);
		check_eq(rows[i].name, value, rows[i].value);
		close_world(&w);
	}
}

static void not_ours(void **state)
{
	const uint64_t functions[] = { RVIC_BASE - 1, RVIC_BASE + 0x100, 0, UINT32_MAX,
				       0x84000000 };
	struct world w;

	open_world(&w, 0, false);
	for (size_t i = 0; i < ARRAY_COUNT(functions); i++) {
		uint64_t x[4] = { functions[i], 1, 2, 3 };

		assert_int_equal(viommu_rvic_call(w.rvic, 0, x), VIOMMU_ENOENT);
		assert_true(x[0] == functions[i] && x[1] == 1 && x[2] == 2 && x[3] == 3);
	}
	assert_int_equal(viommu_rvid_call(w.rvid, (uint64_t[4]){ RVIC_BASE }), VIOMMU_ENOENT);
	assert_int_equal(viommu_rvic_call(w.rvic, 3, (uint64_t[4]){ RVIC_BASE }), VIOMMU_EINVAL);
	assert_int_equal(viommu_rvic_call(w.rvic, 0, NULL), VIOMMU_EINVAL);
	assert_int_equal(viommu_rvid_call(w.rvid, NULL), VIOMMU_EINVAL);
	close_world(&w);
}

/* ---- configurations ---- */

static const struct {
	const char *name;
	struct viommu_rvic_config config;
	int rvic;
	int rvid;
} configs[] = {
	{ "defaults", { .cpus = 1, .signal = on_signal }, VIOMMU_OK, VIOMMU_OK },
	{ "an RVID without signal", { .cpus = 1 }, VIOMMU_OK, VIOMMU_EINVAL },
	{ "no CPU", { .signal = on_signal }, VIOMMU_EINVAL, VIOMMU_EINVAL },
	{ "most CPUs", { .cpus = 512, .signal = on_signal }, VIOMMU_OK, VIOMMU_OK },
	{ "one more", { .cpus = 513, .signal = on_signal }, VIOMMU_EINVAL, VIOMMU_EINVAL },
	{ "most interrupts",
	  { .cpus = 1, .trusted = 32, .untrusted = 2016, .signal = on_signal },
	  VIOMMU_OK,
	  VIOMMU_OK },
	{ "one block more",
	  { .cpus = 1, .trusted = 64, .untrusted = 2016, .signal = on_signal },
	  VIOMMU_EINVAL,
	  VIOMMU_EINVAL },
	{ "a sum that wraps",
	  { .cpus = 1, .trusted = 32, .untrusted = 0xffffffe0, .signal = on_signal },
	  VIOMMU_EINVAL,
	  VIOMMU_EINVAL },
	{ "not a multiple of 32",
	  { .cpus = 1, .trusted = 33, .signal = on_signal },
	  VIOMMU_EINVAL,
	  VIOMMU_EINVAL },
	{ "untrusted not a multiple",
	  { .cpus = 1, .untrusted = 40, .signal = on_signal },
	  VIOMMU_EINVAL,
	  VIOMMU_EINVAL },
	{ "an unknown flag",
	  { .cpus = 1, .flags = 2, .signal = on_signal },
	  VIOMMU_EINVAL,
	  VIOMMU_EINVAL },
	{ "reserved",
	  { .cpus = 1, .reserved = 1, .signal = on_signal },
	  VIOMMU_EINVAL,
	  VIOMMU_EINVAL },
	{ "an odd base",
	  { .cpus = 1, .base = 0xc5000201, .signal = on_signal },
	  VIOMMU_EINVAL,
	  VIOMMU_EINVAL },
	{ "two CPUs alike",
	  { .cpus = 2, .mpidr = (const uint64_t[]){ 5, 5 }, .signal = on_signal },
	  VIOMMU_EINVAL,
	  VIOMMU_EINVAL },
	{ "an MPIDR with other bits",
	  { .cpus = 1, .mpidr = (const uint64_t[]){ 0x80000000 }, .signal = on_signal },
	  VIOMMU_EINVAL,
	  VIOMMU_EINVAL },
};

static void configurations(void **state)
{
	for (size_t i = 0; i < ARRAY_COUNT(configs); i++) {
		struct viommu_rvic_config config = configs[i].config;
		struct viommu_rvic *rvic = NULL;
		struct viommu_rvid *rvid = NULL;
		struct world w;

		open_world(&w, 0, false);
		config.size = sizeof(config);
		check_eq(configs[i].name, viommu_rvic_new(w.vm, &config, &rvic), configs[i].rvic);
		check_eq(configs[i].name, viommu_rvid_new(w.vm, &config, &rvid), configs[i].rvid);
		viommu_rvic_free(rvic);
		viommu_rvid_free(rvid);
		close_world(&w);
	}
}

static void chosen_base_and_version(void **state)
{
	uint64_t x[4] = { 0x86000400, 0, 0, 0 };
	struct viommu_rvic_config config;
	struct viommu_rvic *rvic;
	struct world w;

	open_world(&w, 0, false);
	config = config_of(&w);
	config.base = 0x86000400;
	config.version = 0x00020001;
	assert_int_equal(viommu_rvic_new(w.vm, &config, &rvic), VIOMMU_OK);
	assert_int_equal(viommu_rvic_call(rvic, 0, x), VIOMMU_OK);
	assert_true(x[0] == 0 && x[1] == 0x00020001);
	viommu_rvic_free(rvic);
	close_world(&w);
}

static void no_memory(void **state)
{
	struct viommu_rvic_config config;
	struct viommu_rvic *rvic;
	struct viommu_rvid *rvid;
	unsigned char saved[4096];
	uint64_t bytes = sizeof(saved);
	struct world w;

	open_world(&w, 0, false);
	config = config_of(&w);
	assert_int_equal(viommu_rvic_save(w.rvic, saved, &bytes), VIOMMU_OK);
	w.allow = 0;
	assert_int_equal(viommu_rvic_new(w.vm, &config, &rvic), VIOMMU_ENOMEM);
	assert_int_equal(viommu_rvid_new(w.vm, &config, &rvid), VIOMMU_ENOMEM);
	assert_int_equal(viommu_rvic_restore(w.rvic, saved, bytes), VIOMMU_ENOMEM);
	w.allow = -1;
	close_world(&w);
}

/* ---- what guests do ---- */

static void bring_up(struct world *w, uint32_t cpu)
{
	DO(w, cpu, RVIC_F_DISABLE, 0, 0);
	for (uint64_t i = 0; i < 96; i++) {
		assert_int_equal(DO(w, cpu, RVIC_F_SET_MASKED, mpidrs[cpu], i), 0);
		assert_int_equal(DO(w, cpu, RVIC_F_CLEAR_PENDING, mpidrs[cpu], i), 0);
	}
	assert_int_equal(DO(w, cpu, RVIC_F_ENABLE, 0, 0), 0);
}

/* One ACKNOWLEDGE an exception: the line stays asserted while there are more. */
static void fifo_order(void **state)
{
	static const uint64_t order[] = { 90, 3, 40 };
	struct world w;
	uint64_t value;

	open_world(&w, 0, false);
	bring_up(&w, 1);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(DO(&w, 1, RVIC_F_CLEAR_MASKED, 1, order[i]), 0);
		assert_int_equal(DO(&w, 0, RVIC_F_SIGNAL, 1, order[i]), 0);
	}
	assert_int_equal(DO(&w, 0, RVIC_F_SIGNAL, 1, order[0]), 0); /* again: stays where it is */
	assert_int_equal(w.kicks[1], 1);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(viommu_rvic_can_signal(w.rvic, 1), 1);
		assert_int_equal(call(&w, 1, RVIC(RVIC_F_ACKNOWLEDGE), 0, 0, 0, &value), 0);
		assert_int_equal(value, order[i]);
	}
	assert_int_equal(viommu_rvic_can_signal(w.rvic, 1), 0);
	assert_int_equal(call(&w, 1, RVIC(RVIC_F_ACKNOWLEDGE), 0, 0, 0, &value), 4);
	close_world(&w);
}

/* Falling is a change as well: masking another CPU's only interrupt has it look. */
static void kicks_on_both_edges(void **state)
{
	struct world w;

	open_world(&w, 0, false);
	bring_up(&w, 1);
	DO(&w, 0, RVIC_F_SIGNAL, 1, 5); /* masked */
	assert_int_equal(w.kicks[1], 0);
	DO(&w, 0, RVIC_F_CLEAR_MASKED, 1, 5);
	assert_int_equal(w.kicks[1], 1);
	DO(&w, 0, RVIC_F_SET_MASKED, 1, 5);
	assert_int_equal(w.kicks[1], 2);
	DO(&w, 1, RVIC_F_CLEAR_MASKED, 1, 5); /* its own: it looks by itself */
	assert_int_equal(w.kicks[1], 2);
	assert_int_equal(viommu_rvic_reset_cpu(w.rvic, 1), VIOMMU_OK);
	assert_int_equal(w.kicks[1], 3);
	close_world(&w);
}

/* A level that is still high when it is resampled is pending again, and delivered when unmasked. */
static void level(void **state)
{
	struct world w;
	uint64_t value;

	for (int sampled = 0; sampled < 2; sampled++) {
		open_world(&w, 0, sampled);
		bring_up(&w, 0);
		DO(&w, 0, RVIC_F_CLEAR_MASKED, 0, 20);
		assert_int_equal(viommu_rvic_signal(w.rvic, 0, 20, 1, 0), VIOMMU_OK);
		w.sample = 1;
		call(&w, 0, RVIC(RVIC_F_ACKNOWLEDGE), 0, 0, 0, &value);
		assert_int_equal(value, 20);
		DO(&w, 0, RVIC_F_RESAMPLE, 20, 0);
		assert_int_equal(viommu_rvic_can_signal(w.rvic, 0), 0);
		DO(&w, 0, RVIC_F_CLEAR_MASKED, 0, 20);
		assert_int_equal(viommu_rvic_can_signal(w.rvic, 0), 1);
		call(&w, 0, RVIC(RVIC_F_ACKNOWLEDGE), 0, 0, 0, &value);
		assert_int_equal(viommu_rvic_signal(w.rvic, 0, 20, 0, 0), VIOMMU_OK);
		w.sample = 0;
		DO(&w, 0, RVIC_F_RESAMPLE, 20, 0);
		DO(&w, 0, RVIC_F_CLEAR_MASKED, 0, 20);
		assert_int_equal(viommu_rvic_can_signal(w.rvic, 0), 0);
		close_world(&w);
	}
}

/* A level that rose while the CPU was disabled is found by RESAMPLE; an edge is lost. */
static void while_disabled(void **state)
{
	struct world w;
	uint64_t value;

	open_world(&w, 0, false);
	assert_int_equal(viommu_rvic_signal(w.rvic, 0, 20, 1, 0), VIOMMU_OK);
	assert_int_equal(viommu_rvic_signal(w.rvic, 0, 21, 1, VIOMMU_RVIC_EDGE), VIOMMU_OK);
	bring_up(&w, 0);
	DO(&w, 0, RVIC_F_RESAMPLE, 20, 0);
	DO(&w, 0, RVIC_F_RESAMPLE, 21, 0);
	call(&w, 0, RVIC(RVIC_F_IS_PENDING), 0, 20, 0, &value);
	assert_int_equal(value, 1);
	call(&w, 0, RVIC(RVIC_F_IS_PENDING), 0, 21, 0, &value);
	assert_int_equal(value, 0);
	/* what became deliverable meanwhile is queued at ENABLE, in ascending order */
	assert_int_equal(viommu_rvic_signal(w.rvic, 0, 25, 1, 0), VIOMMU_OK);
	DO(&w, 0, RVIC_F_DISABLE, 0, 0);
	DO(&w, 0, RVIC_F_CLEAR_MASKED, 0, 25);
	DO(&w, 0, RVIC_F_CLEAR_MASKED, 0, 20);
	assert_int_equal(viommu_rvic_can_signal(w.rvic, 0), 0);
	DO(&w, 0, RVIC_F_ENABLE, 0, 0);
	call(&w, 0, RVIC(RVIC_F_ACKNOWLEDGE), 0, 0, 0, &value);
	assert_int_equal(value, 20);
	call(&w, 0, RVIC(RVIC_F_ACKNOWLEDGE), 0, 0, 0, &value);
	assert_int_equal(value, 25);
	close_world(&w);
}

/* Who is not trusted signals untrusted interrupts only. */
static void trust(void **state)
{
	struct world w;

	open_world(&w, 0, false);
	assert_int_equal(viommu_rvic_signal(w.rvic, 0, 31, 1, VIOMMU_RVIC_UNTRUSTED),
			 VIOMMU_EINVAL);
	assert_int_equal(viommu_rvic_signal(w.rvic, 0, 32, 1, VIOMMU_RVIC_UNTRUSTED), VIOMMU_OK);
	assert_int_equal(viommu_rvic_signal(w.rvic, 0, 96, 1, 0), VIOMMU_EINVAL);
	assert_int_equal(viommu_rvic_signal(w.rvic, 3, 0, 1, 0), VIOMMU_EINVAL);
	assert_int_equal(viommu_rvic_signal(w.rvic, 0, 0, 2, 0), VIOMMU_EINVAL);
	assert_int_equal(viommu_rvic_signal(w.rvic, 0, 0, 1, 4), VIOMMU_EINVAL);
	assert_int_equal(viommu_rvic_can_signal(w.rvic, 3), VIOMMU_EINVAL);
	assert_int_equal(viommu_rvic_reset_cpu(w.rvic, 3), VIOMMU_EINVAL);
	assert_int_equal(viommu_rvid_input(w.rvid, 64, 1), VIOMMU_EINVAL);
	assert_int_equal(viommu_rvid_input(w.rvid, 0, 2), VIOMMU_EINVAL);
	close_world(&w);
}

/* The affinity sequence of a guest: mask old, mask new, MAP, and what was pending moves by hand. */
static void affinity(void **state)
{
	struct world w;
	uint64_t value;

	open_world(&w, 0, false);
	bring_up(&w, 0);
	bring_up(&w, 1);
	assert_int_equal(viommu_rvid_input(w.rvid, 7, 1), VIOMMU_OK); /* not mapped: ignored */
	call(&w, 0, RVID(RVID_F_MAP), 7, 0, 50, NULL);
	call(&w, 0, RVID(RVID_F_MAP), 8, 0, 50, NULL); /* several inputs may be one interrupt */
	assert_int_equal(viommu_rvid_input(w.rvid, 8, 1), VIOMMU_OK);
	assert_int_equal(viommu_rvid_input(w.rvid, 7, 0), VIOMMU_OK);
	call(&w, 0, RVID(RVID_F_MAP), 7, 1, 50, NULL);
	call(&w, 0, RVIC(RVIC_F_IS_PENDING), 0, 50, 0, &value);
	assert_int_equal(value, 1); /* moves nothing */
	call(&w, 0, RVIC(RVIC_F_IS_PENDING), 1, 50, 0, &value);
	assert_int_equal(value, 0);
	assert_int_equal(DO(&w, 0, RVIC_F_CLEAR_PENDING, 0, 50), 0);
	assert_int_equal(DO(&w, 0, RVIC_F_SIGNAL, 1, 50), 0);
	assert_int_equal(DO(&w, 0, RVIC_F_CLEAR_MASKED, 1, 50), 0);
	assert_int_equal(w.kicks[1], 1);
	call(&w, 0, RVID(RVID_F_UNMAP), 8, 0, 0, NULL);
	assert_int_equal(viommu_rvid_input(w.rvid, 8, 1), VIOMMU_OK);
	call(&w, 0, RVIC(RVIC_F_IS_PENDING), 0, 50, 0, &value);
	assert_int_equal(value, 0);
	close_world(&w);
}

/* ---- the split: RVID in another process, a pipe between them ---- */

static void on_wire(void *opaque, uint32_t cpu, uint32_t intid, uint32_t level)
{
	const uint32_t message[3] = { cpu, intid, level };

	if (write(((struct world *)opaque)->wire, message, sizeof(message)) != sizeof(message))
		_exit(2);
}

static void distributor(int wire)
{
	struct viommu_rvic_config config;
	struct viommu_vm_config vm = { .size = sizeof(vm) };
	struct world w = { .wire = wire };

	config = config_of(&w);
	config.signal = on_wire;
	if (viommu_vm_new(&vm, &w.vm) || viommu_rvid_new(w.vm, &config, &w.rvid))
		_exit(1);
	call(&w, 0, RVID(RVID_F_MAP), 3, CPU_2, 70, NULL);
	_exit(viommu_rvid_input(w.rvid, 3, 1) || viommu_rvid_input(w.rvid, 4, 1));
}

static void split(void **state)
{
	uint32_t message[3];
	struct world w;
	uint64_t value;
	int wire[2];
	int status;
	pid_t pid;

	open_world(&w, 0, false);
	bring_up(&w, 2);
	DO(&w, 2, RVIC_F_CLEAR_MASKED, CPU_2, 70);
	assert_int_equal(pipe(wire), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		distributor(wire[1]);
	close(wire[1]);
	assert_int_equal(read(wire[0], message, sizeof(message)), sizeof(message));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	assert_int_equal(read(wire[0], &value, 1), 0); /* one message: input 4 is not mapped */
	close(wire[0]);
	assert_int_equal(viommu_rvic_signal(w.rvic, message[0], message[1], message[2],
					    VIOMMU_RVIC_UNTRUSTED),
			 VIOMMU_OK);
	assert_int_equal(w.kicks[2], 1);
	call(&w, 2, RVIC(RVIC_F_ACKNOWLEDGE), 0, 0, 0, &value);
	assert_int_equal(value, 70);
	close_world(&w);
}

/* ---- saved states that somebody has tampered with ---- */

static void resum(unsigned char *buffer, uint64_t bytes)
{
	uint64_t total = 0;

	for (uint64_t i = 0; i < bytes - 16; i++)
		total = (total << 1 | total >> 63) + buffer[i];
	memcpy(buffer + bytes - 8, &total, 8);
}

/* Every byte of a busy state changed in three ways, with the right sum: refused, with nothing changed,
 * or a state that saves as what was restored. */
static void tampered(void **state)
{
	static unsigned char saved[8192], bad[8192], now[8192];
	uint64_t bytes = sizeof(saved);
	unsigned refused = 0, taken = 0;
	struct world w;

	open_world(&w, 0, false);
	bring_up(&w, 0);
	for (uint64_t i = 10; i < 40; i += 3) {
		DO(&w, 0, RVIC_F_SIGNAL, 0, i);
		DO(&w, 0, RVIC_F_CLEAR_MASKED, 0, i);
	}
	assert_int_equal(viommu_rvic_save(w.rvic, saved, &bytes), VIOMMU_OK);
	for (uint64_t at = 0; at < bytes - 8; at++) {
		for (unsigned how = 0; how < 3; how++) {
			uint64_t size = sizeof(now);
			int result;

			memcpy(bad, saved, bytes);
			bad[at] = how == 0 ? bad[at] ^ 1 : how == 1 ? bad[at] ^ 0x80 : bad[at] + 2;
			resum(bad, bytes);
			result = viommu_rvic_restore(w.rvic, bad, bytes);
			assert_true(result == VIOMMU_OK || result == VIOMMU_ESTATE);
			assert_int_equal(viommu_rvic_save(w.rvic, now, &size), VIOMMU_OK);
			assert_memory_equal(now, result ? saved : bad, bytes);
			assert_int_equal(viommu_rvic_restore(w.rvic, saved, bytes), VIOMMU_OK);
			refused += result != VIOMMU_OK;
			taken += result == VIOMMU_OK;
		}
	}
	assert_true(refused > taken && taken > 100);
	for (uint64_t cut = 0; cut < bytes; cut++)
		assert_int_equal(viommu_rvic_restore(w.rvic, saved, cut), VIOMMU_ESTATE);
	close_world(&w);
}

static const struct {
	const char *name;
	uint64_t word; /* of input 0: CPU + 1, INTID */
	int result;
} maps[] = {
	{ "not mapped", 0, VIOMMU_OK },
	{ "the last CPU", UINT64_C(3) << 32 | 95, VIOMMU_OK },
	{ "one more", UINT64_C(4) << 32 | 95, VIOMMU_ESTATE },
	{ "an INTID without CPU", 50, VIOMMU_ESTATE },
	{ "a trusted INTID", UINT64_C(1) << 32 | 31, VIOMMU_ESTATE },
	{ "an INTID at the end", UINT64_C(1) << 32 | 96, VIOMMU_ESTATE },
	{ "all ones", UINT64_MAX, VIOMMU_ESTATE },
};

static void saved_maps(void **state)
{
	unsigned char saved[2048], again[2048];
	uint64_t bytes = sizeof(saved), more = 0;
	struct world w;

	open_world(&w, 0, false);
	assert_int_equal(viommu_rvid_save(w.rvid, NULL, &more), VIOMMU_ENOSPC);
	assert_int_equal(viommu_rvid_save(w.rvid, saved, &bytes), VIOMMU_OK);
	assert_int_equal(bytes, more);
	for (size_t i = 0; i < ARRAY_COUNT(maps); i++) {
		memcpy(saved + bytes - 16 - 64 * 8, &maps[i].word, 8);
		resum(saved, bytes);
		check_eq(maps[i].name, viommu_rvid_restore(w.rvid, saved, bytes), maps[i].result);
		more = sizeof(again);
		assert_int_equal(viommu_rvid_save(w.rvid, again, &more), VIOMMU_OK);
		check_eq(maps[i].name, memcmp(saved, again, bytes) == 0,
			 maps[i].result == VIOMMU_OK);
	}
	close_world(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(status_words),
		cmocka_unit_test(not_ours),
		cmocka_unit_test(configurations),
		cmocka_unit_test(chosen_base_and_version),
		cmocka_unit_test(no_memory),
		cmocka_unit_test(fifo_order),
		cmocka_unit_test(kicks_on_both_edges),
		cmocka_unit_test(level),
		cmocka_unit_test(while_disabled),
		cmocka_unit_test(trust),
		cmocka_unit_test(affinity),
		cmocka_unit_test(split),
		cmocka_unit_test(tampered),
		cmocka_unit_test(saved_maps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
