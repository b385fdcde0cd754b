/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_amdvi_irq_random.c - interrupt remapping of an AMD IOMMU against the oracle: random device table entries, tables of both forms and
 * messages; with empty caches, then with caches while entries change and are invalidated. Then every bit and pair of bits of an
 * entry that is right. VIOMMU_TEST_SCALE=2500 asks 10^7 times. Guest form: spec/amdvi_irq.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

#include "amd_oracle.h"
#include "amdvi_rig.h"
#include "run.h"

enum { IMAGES = 2000, MESSAGES = 200, MAX_FAILURES = 6, TABLE_BYTES = 512 * 16 };

static const uint32_t ids[] = { 0x10, 0x18, 0x7f, 0x80 };

struct world {
	struct amdvi_rig r;
	struct ao_unit oracle;
	uint64_t random, seed;
	uint64_t table[2];
	bool wide;
	uint64_t asked, done, unchanged, refused, events[16];
	unsigned failures;
};

static struct world w;

static uint64_t next(void)
{
	w.random ^= w.random << 13;
	w.random ^= w.random >> 7;
	w.random ^= w.random << 17;
	return w.random * UINT64_C(0x2545f4914f6cdd1d);
}

static uint64_t below(uint64_t n)
{
	return (next() >> 11) % n;
}

static bool one_in(unsigned n)
{
	return below(n) == 0;
}

/* ---- structures ---- */

static void put_entry(uint64_t table, unsigned index)
{
	uint64_t w0 = (one_in(6) ? 0U : 1U) | (one_in(4) ? 2U : 0U) |
		      (one_in(8) ? below(8) : below(2)) << 2 | below(2) << 5 | below(2) << 6 |
		      (one_in(20) ? 0x80U : 0U);

	if (w.wide) {
		guest_put64(&w.r.g, table + index * 16,
			    w0 | below(1 << 24) << 8 | (one_in(2) ? below(UINT32_MAX) << 32 : 0));
		guest_put64(&w.r.g, table + index * 16 + 8,
			    below(256) | below(256) << 56 |
				    (one_in(12) ? UINT64_C(1) << below(64) : 0));
	} else {
		uint64_t at = table + index * 4, both = guest_get64(&w.r.g, at & ~UINT64_C(7));
		uint64_t entry =
			(w0 | below(1 << 16) << 8 | (one_in(12) ? 1U << (24 + below(8)) : 0U)) &
			UINT32_MAX;

		both = at & 4 ? (both & UINT32_MAX) | entry << 32
			      : (both & ~(uint64_t)UINT32_MAX) | entry;
		guest_put64(&w.r.g, at & ~UINT64_C(7), both);
	}
}

static void put_device(uint32_t id)
{
	uint64_t w2 = (one_in(8) ? 0U : 1U) | (one_in(10) ? below(16) : 5 + below(7)) << 1 |
		      (one_in(4) ? 1U << 5 : 0U) | w.table[below(2)] | below(8) << 56 |
		      (one_in(4) ? below(4) : 2) << 60;

	if (one_in(20))
		w2 |= UINT64_C(1) << (52 + below(2));
	if (one_in(20))
		w2 = (w2 & ~UINT64_C(0x000ffffffffff000)) | below(UINT64_C(1) << 36) << 12;
	guest_put64(&w.r.g, ar_dte_at(&w.r, id) + 24, one_in(25) ? UINT64_C(1) << below(15) : 0);
	guest_put64(&w.r.g, ar_dte_at(&w.r, id) + 16, w2);
}

static void make_image(void)
{
	struct amdvi_rig_config config = { .memory = GUEST_REGION };

	w.wide = one_in(2);
	config.control = w.wide ? UINT64_C(1) << 17 | below(2) << 50 : 0;
	ar_open(&w.r, &config);
	for (unsigned t = 0; t < 2; t++) {
		w.table[t] = guest_alloc(&w.r.g, TABLE_BYTES / 4096);
		for (unsigned i = 0; i < 512; i++)
			put_entry(w.table[t], i);
	}
	for (unsigned i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		if (ids[i] < 128)
			put_device(ids[i]);
	}
	w.oracle = (struct ao_unit){ .ram = (uint64_t *)(void *)w.r.g.ram,
				     .efr = viommu_amdvi_default_efr(),
				     .control = ar_read(&w.r, 0x18, 8),
				     .devices = w.r.table };
}

/* ---- asking both ---- */

static const char *compare(const struct ao_interrupt *a, const struct ao_message *m, int result,
			   const struct viommu_msi *msi, bool event, const struct ar_event *e)
{
	if (result != (a->result == AO_DONE ? VIOMMU_OK : VIOMMU_FAULT))
		return "result";
	if (event != a->event)
		return "whether there is an event";
	if (event &&
	    (((e->w[0] ^ a->word[0]) & a->sure[0]) || ((e->w[1] ^ a->word[1]) & a->sure[1])))
		return "event";
	if (a->result != AO_DONE)
		return NULL;
	if (a->unchanged)
		return msi->address == m->address && msi->data == m->data ? NULL : "message";
	if (msi->vector != a->vector || msi->delivery_mode != a->delivery ||
	    msi->destination != a->destination || msi->logical != a->logical ||
	    msi->level != a->level)
		return "interrupt";
	return msi->redirection_hint == a->hint ? NULL : "redirection hint";
}

static void ask(const char *phase, const struct ao_message *m)
{
	struct ao_interrupt a = ao_remap(&w.oracle, m);
	struct ar_event e = { { 0 } };
	struct viommu_msi msi;
	int result = viommu_remap_msi(w.r.g.iommu, m->id, m->address, m->data, 0, &msi);
	bool event = ar_event(&w.r, &e);
	const char *bad = compare(&a, m, result, &msi, event, &e);

	if (!bad && ar_take_events(&w.r))
		bad = "a second event";
	w.asked++;
	w.unchanged += a.unchanged;
	w.done += a.result == AO_DONE && !a.unchanged;
	w.refused += a.result == AO_REFUSED;
	w.events[a.event ? a.word[0] >> 60 : 0]++;
	if (!bad)
		return;
	w.failures++;
	print_error("%s: %s; image 0x%" PRIx64 ", control %" PRIx64 "\n", phase, bad, w.seed,
		    w.oracle.control);
	print_error(" id %x %" PRIx64 " %x, DTE %" PRIx64 "\n", m->id, m->address, m->data,
		    m->id < 128 ? guest_get64(&w.r.g, ar_dte_at(&w.r, m->id) + 16) : 0);
	print_error(
		" oracle %d %d: to %x vector %x mode %u logical %d level %d hint %d; %d %016" PRIx64
		" %016" PRIx64 "\n",
		a.result, a.unchanged, a.destination, a.vector, a.delivery, a.logical, a.level,
		a.hint, a.event, a.word[0], a.word[1]);
	print_error(
		" engine %d: to %x vector %x mode %u logical %d level %d hint %d; %d %016" PRIx64
		" %016" PRIx64 "; %" PRIx64 " %x\n",
		result, msi.destination, msi.vector, msi.delivery_mode, msi.logical, msi.level,
		msi.redirection_hint, event, e.w[0], e.w[1], msi.address, msi.data);
}

static struct ao_message message(void)
{
	return (struct ao_message){
		.id = ids[below(4)],
		.address = UINT64_C(0xfee00000) | below(256) << 12 | below(2) << 3 | below(2) << 2,
		.data = (uint32_t)(below(256) | below(one_in(4) ? 8 : 2) << 8 | below(4) << 14)
	};
}

/* One entry or device changes, and is invalidated. */
static void edit(void)
{
	if (one_in(3))
		put_device(ids[below(3)]);
	else
		put_entry(w.table[below(2)], (unsigned)below(512));
	for (unsigned i = 0; i < 3; i++) {
		ar_command(&w.r, AR_DEVTAB(ids[i]), 0);
		ar_command(&w.r, AR_INTERRUPTS(ids[i]), 0);
	}
	ar_sync(&w.r);
}

static void one_image(void)
{
	make_image();
	for (unsigned i = 0; i < MESSAGES && w.failures < MAX_FAILURES; i++) {
		struct ao_message m = message();

		if (i < MESSAGES / 2)
			viommu_flush(w.r.g.iommu);
		else if (i % 8 == 0)
			edit();
		ask(i < MESSAGES / 2 ? "cold" : "warm", &m);
	}
	ar_close(&w.r);
}

static void test_random(void **state)
{
	uint64_t seed = run_seed(1);
	uint64_t images = run_scaled(IMAGES);

	memset(&w, 0, sizeof(w));
	for (uint64_t i = 0; i < images && w.failures < MAX_FAILURES; i++) {
		w.seed = seed + i;
		w.random = w.seed * UINT64_C(0x9e3779b97f4a7c15) | 1;
		one_image();
	}
	print_message("%" PRIu64 " messages: %" PRIu64 " remapped, %" PRIu64 " unchanged, %" PRIu64
		      " refused; events 1: %" PRIu64 " 2: %" PRIu64 " 4: %" PRIu64 "\n",
		      w.asked, w.done, w.unchanged, w.refused, w.events[1], w.events[2],
		      w.events[4]);
	assert_int_equal(w.failures, 0);
	assert_true(w.done > w.asked / 20 && w.unchanged && w.events[1] && w.events[2] &&
		    w.events[4]);
}

/* An entry of either form that is right, with one or two bits changed. */
static void test_bits(void **state)
{
	memset(&w, 0, sizeof(w));
	w.random = 1;
	for (unsigned form = 0; form < 3 && w.failures < MAX_FAILURES; form++) {
		unsigned bits = form ? 128 : 32;

		make_image();
		ar_close(&w.r);
		w.wide = form > 0;
		ar_open(&w.r,
			&(struct amdvi_rig_config){
				.memory = GUEST_REGION,
				.control = form ? UINT64_C(1) << 17 | (uint64_t)(form - 1) << 50
						: 0 });
		w.table[0] = guest_alloc(&w.r.g, 1);
		ar_dte(&w.r, ids[0], 0, 0, 1 | 8U << 1 | w.table[0] | UINT64_C(2) << 60);
		w.oracle = (struct ao_unit){ .ram = (uint64_t *)(void *)w.r.g.ram,
					     .control = ar_read(&w.r, 0x18, 8),
					     .devices = w.r.table };
		for (unsigned i = 0; i < bits; i++) {
			for (unsigned j = i; j < bits && w.failures < MAX_FAILURES; j++) {
				uint64_t e[2] = { 1, 0 };
				struct ao_message m = { .id = ids[0], .address = 0xfee00000 };

				/* guest form is not the oracle's, unless it is refused */
				e[i / 64] ^= UINT64_C(1) << i % 64;
				if (j != i)
					e[j / 64] ^= UINT64_C(1) << j % 64;
				guest_put64(&w.r.g, w.table[0], e[0]);
				guest_put64(&w.r.g, w.table[0] + 8, e[1]);
				viommu_flush(w.r.g.iommu);
				ask("bits", &m);
			}
		}
		ar_close(&w.r);
	}
	print_message("%" PRIu64 " entries: %" PRIu64 " remap, %" PRIu64 " do not\n", w.asked,
		      w.done, w.refused);
	assert_int_equal(w.failures, 0);
	assert_true(w.asked == 32 * 33 / 2 + 2 * 128 * 129 / 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_random),
					    cmocka_unit_test(test_bits) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
