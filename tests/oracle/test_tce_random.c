/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_tce_random.c - TCE tables against plain arrays: random hypercalls and RTAS calls, right and wrong, with few windows and few
 * addresses so that they collide; after each some accesses, cold and warm, by device and channel; a listener that maps; now and then
 * saved states, resets, sections, and small budgets. One sequence is one world of the guest's.
 *
 * VIOMMU_TEST_SCALE=50000: a million sequences; VIOMMU_SEED: others.
 */
#include "check.h"

#include <stdlib.h>
#include <string.h>

#include "run.h"
#include "tce_rig.h"

enum { SEQUENCES = 2000, CALLS = 120, ENTRIES = 2048, STATE = 1 << 20, RAM_PAGES = 64 };

#define PAGE GUEST_PAGE
#define RAM  GUEST_BASE
#define END  (RAM + RAM_PAGES * PAGE)

/* ---- what LoPAR says: windows with an array each ---- */

struct model_window {
	bool live, is_default;
	uint32_t liobn, shift;
	uint64_t start, entries;
	uint64_t tce[ENTRIES]; /* the first of them; beyond, all calls of the test leave 0 */
};

struct model_pe {
	uint32_t flags, places;
	uint64_t sizes; /* of pages */
	bool limited;
	struct model_window window[3];
};

/* TR_VIO_TOO has the windows of TR_VIO. */
static struct model_pe pe[TR_PES];
static bool bypass[TR_PES];

static void model_window(struct model_window *w, uint32_t shift, uint64_t start, uint64_t entries,
			 bool is_default)
{
	w->live = true;
	w->is_default = is_default;
	w->shift = shift;
	w->start = start;
	w->entries = entries;
	memset(w->tce, 0, sizeof(w->tce));
}

static void model_reset_pe(unsigned n)
{
	pe[n].window[0].live = pe[n].window[1].live = pe[n].window[2].live = false;
	model_window(&pe[n].window[0], 12, 0, ENTRIES, true);
	pe[n].limited = false;
}

static void model_init(void)
{
	memset(pe, 0, sizeof(pe));
	memset(bypass, 0, sizeof(bypass));
	for (unsigned n = 1; n < TR_PES; n++) {
		const struct viommu_tce_pe c = tr_pe(n);

		pe[n].flags = c.flags;
		pe[n].places = 1 + c.liobn_count;
		pe[n].sizes = c.page_sizes;
		for (unsigned i = 0; i < pe[n].places; i++)
			pe[n].window[i].liobn = i ? c.liobns[i - 1] : c.window.liobn;
		model_reset_pe(n);
	}
}

static struct model_pe *windows_of(unsigned n)
{
	return &pe[n == TR_VIO_TOO ? TR_VIO : n];
}

static struct model_window *by_liobn(uint64_t liobn, unsigned *number)
{
	for (unsigned n = 1; n < TR_PES; n++) {
		for (unsigned i = 0; n != TR_VIO_TOO && i < pe[n].places; i++) {
			if (pe[n].window[i].live && pe[n].window[i].liobn == liobn) {
				*number = n;
				return &pe[n].window[i];
			}
		}
	}
	return NULL;
}

static bool owned(uint64_t tce, uint32_t shift)
{
	uint64_t bytes = UINT64_C(1) << shift;
	uint64_t gpa = tce & ~UINT64_C(0xfff) & ~(bytes - 1);

	return gpa >= RAM && gpa < END && END - gpa >= bytes;
}

static bool range_ok(const struct model_window *w, uint64_t ioba, uint64_t count, uint64_t *index)
{
	if (!w || ioba < w->start || (ioba & ((UINT64_C(1) << w->shift) - 1)))
		return false;
	*index = (ioba - w->start) >> w->shift;
	return *index < w->entries && count <= w->entries - *index;
}

static int64_t model_fill(struct model_window *w, uint64_t ioba, uint64_t tce, uint64_t count)
{
	uint64_t index;

	if (!range_ok(w, ioba, count, &index) || ((tce & 3) && !owned(tce, w->shift)))
		return -4;
	for (uint64_t i = 0; i < count; i++)
		w->tce[index + i] = tce;
	return 0;
}

static int64_t model_stuff(struct model_window *w, uint64_t ioba, uint64_t tce, uint64_t count)
{
	uint64_t index;

	if (!range_ok(w, ioba, 0, &index))
		return -4;
	return count > 512 ? -57 : model_fill(w, ioba, tce, count);
}

static int64_t model_indirect(struct model_window *w, uint64_t ioba, uint64_t list,
			      const uint64_t *tce, uint64_t count)
{
	uint64_t index;

	if (count > 512 || !range_ok(w, ioba, count, &index) || (list & 0xfff) || list < RAM ||
	    list >= END)
		return -4;
	for (uint64_t i = 0; i < count; i++) {
		if ((tce[i] & 3) && !owned(tce[i], w->shift))
			return -4;
	}
	for (uint64_t i = 0; i < count; i++)
		w->tce[index + i] = tce[i];
	return 0;
}

/* What a device gets: 0, or the permission, and where. */
static unsigned model_access(unsigned n, uint64_t iova, uint64_t *gpa)
{
	const struct model_pe *p = windows_of(n);

	if (bypass[n]) {
		*gpa = iova;
		return 3;
	}
	for (unsigned i = 0; i < p->places; i++) {
		const struct model_window *w = &p->window[i];
		uint64_t index = (iova - w->start) >> w->shift;

		if (!w->live || iova < w->start || index >= w->entries)
			continue;
		if (index >= ENTRIES)
			return 0;
		*gpa = (w->tce[index] & ~UINT64_C(0xfff) & ~((UINT64_C(1) << w->shift) - 1)) |
		       (iova & ((UINT64_C(1) << w->shift) - 1));
		return w->tce[index] & 3;
	}
	return 0;
}

/* ---- a sequence ---- */

static struct tce_rig *r;
static uint64_t seed;
static unsigned char state[STATE];
static unsigned open_sections; /* bit n: channel n's */

static uint64_t pick(uint64_t below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (seed >> 11) % below;
}

static uint64_t some_tce(void)
{
	static const uint64_t odd[] = {
		0, 0xdead000, 0xffc, END | 1, (RAM - PAGE) | 2, UINT64_MAX
	};

	if (pick(4) == 0)
		return odd[pick(6)];
	return (RAM + pick(RAM_PAGES) * PAGE) | pick(4) | (pick(8) == 0 ? 0x800 : 0);
}

static uint64_t some_liobn(void)
{
	static const uint64_t known[] = { TR_LIOBN(TR_BRIDGE),
					  TR_LIOBN(TR_BRIDGE) + 1,
					  TR_LIOBN(TR_BRIDGE) + 2,
					  TR_LIOBN(TR_PLAIN),
					  TR_VIO_LIOBN,
					  TR_LIOBN(TR_SLOT),
					  TR_LIOBN(TR_SLOT) + 1 };

	return pick(30) == 0 ? pick(UINT64_MAX) : known[pick(7)] | (pick(60) == 0 ? BIT(32) : 0);
}

static uint64_t some_ioba(const struct model_window *w)
{
	uint64_t entries = w && w->entries < ENTRIES ? w->entries : ENTRIES;
	uint64_t index = pick(3)   ? pick(8)
			 : pick(2) ? entries - 1 - pick(entries < 5 ? entries : 5)
				   : pick(entries);

	if (!w || pick(40) == 0)
		return pick(2) ? pick(UINT64_MAX) : ~UINT64_C(0xfff);
	if (pick(30) == 0)
		index = w->entries;
	return w->start + (index << w->shift) + (pick(40) == 0 ? pick(PAGE) : 0);
}

/* So that nothing of the test lies beyond the arrays. */
static uint64_t some_count(const struct model_window *w, uint64_t ioba)
{
	static const uint64_t odd[] = { 0, 1, 511, 512, 513, 1000, UINT64_MAX };
	uint64_t count = pick(3) ? pick(12) : odd[pick(7)];
	uint64_t index = w && ioba >= w->start ? (ioba - w->start) >> w->shift : 0;

	return w && w->entries > ENTRIES && count <= 512 && index < ENTRIES &&
			       index + count > ENTRIES
		       ? ENTRIES - index
		       : count;
}

static void finish(int64_t expected, int64_t status)
{
	check_eq("served", r->result == VIOMMU_OK || r->result == VIOMMU_PENDING, true);
	if (r->result == VIOMMU_OK) {
		check_eq("status", status, expected);
		return;
	}
	for (unsigned n = 1; n < TR_PES; n++) {
		if (open_sections >> n & 1)
			viommu_leave(r->channel[n]);
	}
	open_sections = 0;
	check_that("told", tr_told(r));
	check_eq("status", r->status[(r->completions - 1) % TR_LOG], expected);
}

static void hcall(void)
{
	static const uint64_t tokens[] = { H_PUT_TCE, H_STUFF_TCE, H_PUT_TCE_INDIRECT, H_GET_TCE };
	uint64_t token = tokens[pick(4)];
	uint64_t liobn = some_liobn();
	unsigned number;
	struct model_window *w = by_liobn(liobn, &number);
	uint64_t ioba = some_ioba(w);
	uint64_t count = some_count(w, ioba);
	uint64_t list = RAM + pick(RAM_PAGES) * PAGE, tce[512], third = some_tce(), index;
	int64_t expected, status;

	for (unsigned i = 0; i < 512; i++)
		tce[i] = pick(200) ? (RAM + pick(RAM_PAGES) * PAGE) | pick(4) : some_tce();
	if (token == H_PUT_TCE_INDIRECT) {
		tr_list(r, list, tce, 512);
		third = pick(30) ? list : pick(2) ? list + 8 : END;
	}
	status = tr_hcall(r, token, liobn, ioba, third, count);
	if (token == H_PUT_TCE)
		expected = model_fill(w, ioba, third, 1);
	else if (token == H_STUFF_TCE)
		expected = model_stuff(w, ioba, third, count);
	else if (token == H_PUT_TCE_INDIRECT)
		expected = liobn >> 63 ? -2 : model_indirect(w, ioba, third, tce, count);
	else
		expected = range_ok(w, ioba, 1, &index) ? 0 : -4;
	finish(expected, status);
	if (token == H_GET_TCE && expected == 0)
		check_eq("entry", r->r4, index < ENTRIES ? w->tce[index] : 0);
}

static bool overlaps(const struct model_pe *p, uint64_t start, uint64_t bytes)
{
	for (unsigned i = 0; i < p->places; i++) {
		const struct model_window *w = &p->window[i];

		if (w->live && w->start <= start + (bytes - 1) &&
		    start <= w->start + ((w->entries << w->shift) - 1))
			return true;
	}
	return false;
}

static void create(void)
{
	static const uint32_t shifts[] = { 12, 16, 21, 24, 11, 13, 64 };
	unsigned n = pick(2) ? TR_BRIDGE : pick(2) ? TR_SLOT : TR_PLAIN;
	uint32_t shift = shifts[pick(7) ? pick(4) : pick(7)];
	uint32_t window = shift + (uint32_t)pick(14);
	struct model_pe *p = &pe[n];
	unsigned place = 0;
	uint64_t start, bytes;
	int status = tr_create(r, n, shift, window);

	while (place < p->places && p->window[place].live)
		place++;
	if (!(p->flags & VIOMMU_TCE_PE_DDW) || shift > 24 || !(p->sizes >> shift & 1) ||
	    place == p->places) {
		finish(-3, status);
		return;
	}
	finish(0, status);
	start = (uint64_t)r->ret[2] << 32 | r->ret[3];
	bytes = UINT64_C(1) << window;
	check_eq("LIOBN", r->ret[1], p->window[place].liobn);
	check_eq("aligned", start & ((UINT64_C(1) << shift) - 1), 0);
	check_that("free", !overlaps(p, start, bytes));
	check_that("default address first", p->limited || overlaps(p, 0, bytes) || start == 0);
	check_that("limited", !p->limited || start >= UINT64_C(1) << 32);
	check_that("limited", !p->limited || start < TR_DYNAMIC);
	model_window(&p->window[place], shift, start, UINT64_C(1) << (window - shift), false);
}

static void remove_window(void)
{
	uint64_t liobn = some_liobn();
	unsigned number;
	struct model_window *w = by_liobn((uint32_t)liobn, &number);
	bool is_default = w && w->is_default;
	int status = tr_remove(r, (uint32_t)liobn);

	if (!w || !(pe[number].flags & VIOMMU_TCE_PE_DDW)) {
		finish(-3, status);
		return;
	}
	finish(0, status);
	w->live = false;
	if (!is_default && !pe[number].window[0].live && !pe[number].window[1].live &&
	    !pe[number].window[2].live)
		model_window(&pe[number].window[0], 12, 0, ENTRIES, true);
}

static void reset_pe(void)
{
	const struct viommu_tce_pe c = tr_pe(TR_BRIDGE);
	uint32_t a[4] = { 0, (uint32_t)(c.buid >> 32), (uint32_t)c.buid, (uint32_t)pick(2) };
	uint32_t nargs = 3 + (uint32_t)pick(2);

	finish(0, tr_rtas(r, VIOMMU_TCE_RTAS_RESET, nargs, 1, a));
	model_reset_pe(TR_BRIDGE);
	pe[TR_BRIDGE].limited = nargs == 4 && a[3];
}

static void set_bypass(void)
{
	unsigned n = TR_VIO + (unsigned)pick(2);
	bool on = pick(2);

	finish(0, tr_bypass(r, TR_VIO_LIOBN + (n - TR_VIO), on));
	bypass[n] = on;
}

static void quiesce(void)
{
	finish(0, tr_rtas(r, VIOMMU_TCE_RTAS_QUIESCE, 0, 1, NULL));
	memset(pe[TR_VIO].window[0].tce, 0, sizeof(pe[TR_VIO].window[0].tce));
}

static void reset_machine(void)
{
	int result;

	for (unsigned n = 1; n < TR_PES; n++) {
		if (open_sections >> n & 1)
			viommu_leave(r->channel[n]);
	}
	open_sections = 0;
	result = viommu_reset(r->g.iommu);
	while (result == VIOMMU_PENDING)
		result = viommu_run(r->g.iommu);
	check_eq("reset", result, VIOMMU_OK);
	for (unsigned n = 1; n < TR_PES; n++)
		model_reset_pe(n);
	memset(bypass, 0, sizeof(bypass));
}

/* Into the same one: nothing may have changed. */
static void save_and_restore(void)
{
	uint64_t bytes = STATE;
	int result;

	check_eq("save", viommu_save(r->g.iommu, state, &bytes), VIOMMU_OK);
	reset_machine();
	result = viommu_restore(r->g.iommu, state, bytes);
	while (result == VIOMMU_PENDING)
		result = viommu_run(r->g.iommu);
	check_eq("restore", result, VIOMMU_OK);
}

static struct model_pe kept[TR_PES];
static bool kept_bypass[TR_PES];

static void migrate(void)
{
	memcpy(kept, pe, sizeof(pe));
	memcpy(kept_bypass, bypass, sizeof(bypass));
	save_and_restore();
	memcpy(pe, kept, sizeof(pe));
	memcpy(bypass, kept_bypass, sizeof(bypass));
}

static void sections(void)
{
	unsigned n = 1 + (unsigned)pick(TR_PES - 1);

	check_eq("section",
		 open_sections >> n & 1 ? viommu_leave(r->channel[n]) : viommu_enter(r->channel[n]),
		 VIOMMU_OK);
	open_sections ^= 1U << n;
}

static const struct {
	void (*run)(void);
	unsigned weight;
} actions[] = { { hcall, 100 },	      { create, 8 },	 { remove_window, 6 },
		{ reset_pe, 2 },      { set_bypass, 3 }, { quiesce, 1 },
		{ reset_machine, 1 }, { migrate, 1 },	 { sections, 12 } };

static void act(void)
{
	unsigned total = 0, at;

	for (unsigned i = 0; i < sizeof(actions) / sizeof(actions[0]); i++)
		total += actions[i].weight;
	at = (unsigned)pick(total);
	for (unsigned i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
		if (at < actions[i].weight) {
			actions[i].run();
			return;
		}
		at -= actions[i].weight;
	}
}

/* ---- accesses ---- */

static void check_access(unsigned n, uint64_t iova, unsigned access)
{
	uint64_t gpa = 0;
	unsigned perm = model_access(n, iova, &gpa);

	for (unsigned warm = 0; warm < 3; warm++) {
		struct guest_dma d =
			warm == 1 ? guest_channel_dma(r->channel[n], VIOMMU_NO_PASID, iova, access)
				  : guest_dma(r->device[n], iova, access);

		check_eq("result", d.result, access & ~perm ? VIOMMU_FAULT : VIOMMU_OK);
		if (d.result == VIOMMU_OK) {
			check_eq("gpa", d.f.gpa, gpa);
			check_eq("perm", d.f.perm & 3, perm);
		}
	}
}

static void look(void)
{
	for (unsigned i = 0; i < 4; i++) {
		unsigned n = 1 + (unsigned)pick(TR_PES - 1);
		const struct model_pe *p = windows_of(n);
		const struct model_window *w = &p->window[pick(p->places)];
		uint64_t iova = some_ioba(w->live ? w : NULL) + pick(PAGE);

		if (iova < TR_MSI || iova >= TR_MSI + PAGE)
			check_access(n, iova, 1 + (unsigned)pick(3));
	}
}

/* ---- a listener's picture: all pages of the bridge's device, small enough to compare whole ---- */

static int count_mapped(void *opaque, uint64_t iova, const struct viommu_fragment *f)
{
	uint64_t *sum = opaque;

	(void)iova;
	*sum += f->length;
	return 0;
}

/* viommu_replay() tells all that is mapped, and no more. */
static void check_replay(void)
{
	for (unsigned n = 1; n < TR_PES; n++) {
		const struct model_pe *p = windows_of(n);
		uint64_t expected = 0, sum = 0, first = 0;

		if (bypass[n])
			continue;
		for (unsigned i = 0; i < p->places; i++) {
			for (uint64_t e = 0;
			     p->window[i].live && e < ENTRIES && e < p->window[i].entries; e++)
				expected += p->window[i].tce[e] & 3
						    ? UINT64_C(1) << p->window[i].shift
						    : 0;
		}
		while (viommu_replay(r->device[n], VIOMMU_NO_PASID, &first, UINT64_MAX,
				     1 + (uint32_t)pick(300), count_mapped, &sum) == VIOMMU_MORE)
			;
		check_eq("replay", sum, expected);
	}
}

static void sequence(uint64_t number)
{
	struct viommu_limits limits = {
		.size = sizeof(limits), .tlb_entries = 320, .contexts = 64, .domains = 16
	};
	struct viommu_tce_config config = { .limits = &limits };

	seed = (number + 1) * UINT64_C(0x9e3779b97f4a7c15);
	pick(1);
	limits.steps = pick(3) ? 0 : 1 + (uint32_t)pick(40);
	model_init();
	open_sections = 0;
	r = tr_open_sized(&config, RAM_PAGES, ENTRIES, pick(2));
	for (unsigned i = 0; i < CALLS; i++) {
		act();
		look();
	}
	check_replay();
	for (unsigned n = 1; n < TR_PES; n++) {
		if (open_sections >> n & 1)
			viommu_leave(r->channel[n]);
	}
	tr_close(r);
}

static void test_random(void **unused)
{
	uint64_t first = run_seed(1);
	uint64_t count = run_scaled(SEQUENCES);

	(void)unused;
	for (uint64_t i = 0; i < count; i++)
		sequence(first + i);
	print_message("%llu sequences of %u calls\n", (unsigned long long)count, (unsigned)CALLS);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_random) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
