/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_amdvi_irq_random.c - interrupt remapping of an AMD IOMMU against the oracle: random device table entries, tables of both forms and
 * messages; with empty caches, then with caches while entries change and are invalidated. Then every bit and pair of bits of an
 * entry that is right. VIOMMU_TEST_SCALE=2500 asks 10^7 times. In guest form, what is left in the virtual APIC's page and in the log is
 * compared, too, and that resolving a message leaves nothing.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

#include "amd_oracle.h"
#include "amdvi_rig.h"
#include "run.h"

enum { IMAGES = 2000, MESSAGES = 200, MAX_FAILURES = 6, TABLE_BYTES = 512 * 16, VAPICS = 2 };

/* Enables of CONTROL. */
#define GA     (UINT64_C(1) << 17)
#define GAM    (UINT64_C(1) << 25)
#define GA_LOG (UINT64_C(1) << 28)
#define XT     (UINT64_C(1) << 50)
#define GAPPI  (UINT64_C(1) << 55)

static const uint32_t ids[] = { 0x10, 0x18, 0x7f, 0x80 };

struct world {
	struct amdvi_rig r;
	struct ao_unit oracle;
	uint64_t random, seed;
	uint64_t table[2];
	uint64_t vapic[VAPICS];
	uint8_t page[VAPICS][4096]; /* what is in them */
	bool wide;
	uint64_t asked, done, unchanged, refused, posted, notified, logged, events[16];
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

static void put_guest_entry(uint64_t at)
{
	uint64_t root = one_in(20) ? below(UINT64_C(1) << 36) << 12 : w.vapic[below(VAPICS)];

	guest_put64(&w.r.g, at,
		    (one_in(8) ? 0U : 1U) | (one_in(4) ? 2U : 0U) | below(2) << 2 |
			    (one_in(12) ? below(4) : 0) << 3 | below(2) << 5 | below(2) << 6 |
			    0x80U | below(1 << 24) << 8 | below(UINT32_MAX) << 32);
	guest_put64(&w.r.g, at + 8,
		    root | below(256) | below(256) << 56 |
			    (one_in(12) ? UINT64_C(1) << below(64) : 0));
}

static void put_entry(uint64_t table, unsigned index)
{
	uint64_t w0 = (one_in(6) ? 0U : 1U) | (one_in(4) ? 2U : 0U) |
		      (one_in(8) ? below(8) : below(2)) << 2 | below(2) << 5 | below(2) << 6 |
		      (one_in(20) ? 0x80U : 0U);

	if (w.wide && one_in(2)) {
		put_guest_entry(table + index * 16);
	} else if (w.wide) {
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

/* What all images have: virtual APICs, and a place where the tail of the log is left. */
static void open_unit(uint64_t control)
{
	ar_open(&w.r, &(struct amdvi_rig_config){
			      .memory = GUEST_REGION, .efr = AR_EFR_ALL, .control = control });
	ar_write(&w.r, 0xe8, 8, w.r.status + 64);
	for (unsigned i = 0; i < VAPICS; i++)
		w.vapic[i] = guest_alloc(&w.r.g, 1);
	memset(w.page, 0, sizeof(w.page));
	w.oracle = (struct ao_unit){ .ram = (uint64_t *)(void *)w.r.g.ram,
				     .efr = AR_EFR_ALL,
				     .control = ar_read(&w.r, 0x18, 8),
				     .devices = w.r.table };
}

static void make_image(void)
{
	w.wide = one_in(3) ? false : true;
	open_unit(w.wide ? GA | below(2) * XT | (one_in(8) ? below(8) : 1) * GAM |
				   (one_in(4) ? 0 : GA_LOG) | below(2) * GAPPI
			 : 0);
	for (unsigned t = 0; t < 2; t++) {
		w.table[t] = guest_alloc(&w.r.g, TABLE_BYTES / 4096);
		for (unsigned i = 0; i < 512; i++)
			put_entry(w.table[t], i);
	}
	for (unsigned i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		if (ids[i] < 128)
			put_device(ids[i]);
	}
}

/* ---- asking both ---- */

/* In guest form: what the word of IRR was. In what else a root may lead to, the bit is taken back: it is not for this test to spoil. */
static uint64_t *irr_word(const struct ao_interrupt *a)
{
	return a->posted ? &w.oracle.ram[(a->irr - AO_BASE) / 8] : NULL;
}

static const char *check_irr(const struct ao_interrupt *a, uint64_t before)
{
	const char *bad = *irr_word(a) == (before | a->bit) ? NULL : "IRR";

	for (unsigned i = 0; i < VAPICS; i++) {
		uint32_t word;

		if (a->irr - w.vapic[i] >= 4096)
			continue;
		memcpy(&word, w.page[i] + (a->irr - w.vapic[i]), sizeof(word));
		word |= a->bit;
		memcpy(w.page[i] + (a->irr - w.vapic[i]), &word, sizeof(word));
		return bad;
	}
	*irr_word(a) = before;
	return bad;
}

static bool pages_are_right(void)
{
	for (unsigned i = 0; i < VAPICS; i++) {
		if (memcmp(guest_at(&w.r.g, w.vapic[i]), w.page[i], 4096) != 0)
			return false;
	}
	return true;
}

static const char *check_log(const struct ao_interrupt *a)
{
	struct ar_event e;
	uint64_t status = ar_read(&w.r, 0x2020, 8);
	bool there = ar_take(&w.r, 2, &e);

	if (there != a->logged)
		return "whether it is logged";
	if (!(status >> 10 & 1) != !there)
		return "GAInt";
	if (!there)
		return NULL;
	ar_write(&w.r, 0x2020, 8, UINT64_C(1) << 10);
	if (e.w[0] != a->entry)
		return "entry of the log";
	return guest_get64(&w.r.g, w.r.status + 64) == ar_read(&w.r, 0x2048, 8)
		       ? NULL
		       : "tail of the log in memory";
}

static const char *compare_posted(const struct ao_interrupt *a, const struct viommu_msi *msi)
{
	if (!(msi->flags & VIOMMU_MSI_POSTED))
		return "whether it is posted";
	if (!(msi->flags & VIOMMU_MSI_NOTIFY) != !a->notify)
		return "notice";
	if (msi->vector != a->vector || msi->destination != a->destination)
		return "posted interrupt";
	return NULL;
}

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
	if (a->posted)
		return compare_posted(a, msi);
	if (msi->flags & VIOMMU_MSI_POSTED)
		return "whether it is posted";
	if (a->unchanged)
		return msi->address == m->address && msi->data == m->data ? NULL : "message";
	if (msi->vector != a->vector || msi->delivery_mode != a->delivery ||
	    msi->destination != a->destination || msi->logical != a->logical ||
	    msi->level != a->level)
		return "interrupt";
	return msi->redirection_hint == a->hint ? NULL : "redirection hint";
}

/* What resolving a message leaves behind. */
static const char *resolve(const struct ao_message *m)
{
	struct viommu_msi msi;

	viommu_remap_msi(w.r.g.iommu, m->id, m->address, m->data, VIOMMU_MSI_RESOLVE, &msi);
	if (ar_read(&w.r, 0x2018, 8) != ar_read(&w.r, 0x2010, 8) ||
	    ar_read(&w.r, 0x2048, 8) != ar_read(&w.r, 0x2040, 8))
		return "resolving is logged";
	return pages_are_right() ? NULL : "resolving sets a bit";
}

static void ask(const char *phase, const struct ao_message *m)
{
	struct ao_interrupt a = ao_remap(&w.oracle, m);
	struct ar_event e = { { 0 } };
	struct viommu_msi msi;
	const char *bad = one_in(4) ? resolve(m) : NULL;
	uint64_t irr = a.posted ? *irr_word(&a) : 0;
	bool event;
	int result;

	result = viommu_remap_msi(w.r.g.iommu, m->id, m->address, m->data, 0, &msi);
	event = ar_event(&w.r, &e);
	if (!bad)
		bad = compare(&a, m, result, &msi, event, &e);
	if (!bad && ar_take_events(&w.r))
		bad = "a second event";
	if (!bad)
		bad = check_log(&a);
	if (a.posted && !bad)
		bad = check_irr(&a, irr);
	if (!bad && !pages_are_right())
		bad = "virtual APIC's page";
	w.asked++;
	w.unchanged += a.unchanged;
	w.done += a.result == AO_DONE && !a.unchanged && !a.posted;
	w.posted += a.posted;
	w.notified += a.posted && a.notify;
	w.logged += a.logged;
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

/* A virtual processor takes what is pending. */
static void take_pending(void)
{
	unsigned i = (unsigned)below(VAPICS);

	memset(guest_at(&w.r.g, w.vapic[i]), 0, 4096);
	memset(w.page[i], 0, 4096);
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
		if (one_in(8))
			take_pending();
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
	print_message("%" PRIu64 " messages: %" PRIu64 " remapped, %" PRIu64 " posted (%" PRIu64
		      " with a notice, %" PRIu64 " logged), %" PRIu64 " unchanged, %" PRIu64
		      " refused; events 1: %" PRIu64 " 2: %" PRIu64 " 4: %" PRIu64 "\n",
		      w.asked, w.done, w.posted, w.notified, w.logged, w.unchanged, w.refused,
		      w.events[1], w.events[2], w.events[4]);
	assert_int_equal(w.failures, 0);
	assert_true(w.done > w.asked / 20 && w.unchanged && w.events[1] && w.events[2] &&
		    w.events[4]);
	assert_true(w.posted > w.asked / 40 && w.notified && w.logged);
}

/* Forms of entries that are right, each with a bit pattern and the enables under which it is. */
static const struct {
	uint64_t w0, control;
	bool guest;
} right[] = {
	{ 1, 0, false },
	{ 1, GA, false },
	{ 1, GA | XT, false },
	{ 1, GA | GAM | GA_LOG, false },
	{ 0x81, GA | GAM, true },
	{ 0x81, GA | GAM | GA_LOG | XT, true },
	{ 0x85, GA | GAM | GA_LOG, true },
	{ 0x85, GA | GAM | GA_LOG | GAPPI, true },
};

static void one_entry(uint64_t w0, uint64_t w1)
{
	struct ao_message m = { .id = ids[0], .address = 0xfee00000 };

	guest_put64(&w.r.g, w.table[0], w0);
	guest_put64(&w.r.g, w.table[0] + 8, w1);
	viommu_flush(w.r.g.iommu);
	for (unsigned i = 0; i < VAPICS; i++)
		take_pending();
	ask("bits", &m);
}

/* An entry of each form, with one or two bits changed. */
static void test_bits(void **state)
{
	uint64_t asked = 0;

	memset(&w, 0, sizeof(w));
	w.random = 1;
	for (unsigned f = 0; f < sizeof(right) / sizeof(right[0]); f++) {
		unsigned bits = right[f].control ? 128 : 32;

		w.wide = right[f].control;
		open_unit(right[f].control);
		w.table[0] = guest_alloc(&w.r.g, 1);
		ar_dte(&w.r, ids[0], 0, 0, 1 | 8U << 1 | w.table[0] | UINT64_C(2) << 60);
		for (unsigned i = 0; i < bits; i++) {
			for (unsigned j = i; j < bits && w.failures < MAX_FAILURES; j++) {
				uint64_t e[2] = { right[f].w0, right[f].guest ? w.vapic[0] : 0 };

				e[i / 64] ^= UINT64_C(1) << i % 64;
				if (j != i)
					e[j / 64] ^= UINT64_C(1) << j % 64;
				one_entry(e[0], e[1]);
			}
		}
		asked += bits * (bits + 1) / 2;
		ar_close(&w.r);
	}
	print_message("%" PRIu64 " entries: %" PRIu64 " remap, %" PRIu64 " post, %" PRIu64
		      " do not\n",
		      w.asked, w.done, w.posted, w.refused);
	assert_int_equal(w.failures, 0);
	assert_true(w.asked == asked && w.posted && w.logged && w.notified);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_random),
					    cmocka_unit_test(test_bits) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
