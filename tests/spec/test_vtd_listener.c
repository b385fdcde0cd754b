/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_vtd_listener.c - viommu_replay(): what is mapped, merged, in pieces; and a shadow that
 * follows a guest by listening and replaying, as with caching mode (obligations 3, 28, 32).
 * Who is told what is test_vtd_notify.c.
 */

#include "vtd_unit.h"

#define NONE VIOMMU_NO_PASID
#define R    VIOMMU_READ
#define W    VIOMMU_WRITE
#define RW   (R | W)
#define X    VIOMMU_EXEC
#define GIB  (UINT64_C(1) << 30)
#define MIB  (UINT64_C(1) << 20)

struct range {
	uint64_t iova;
	uint64_t gpa;
	uint64_t length;
	uint32_t perm; /* R and W */
};

struct ranges {
	struct range range[600];
	unsigned count;
	unsigned stop_after; /* calls; 0: never */
	unsigned calls;
};

static struct ranges found;

static int collect(void *opaque, uint64_t iova, const struct viommu_fragment *f)
{
	struct ranges *r = opaque;
	struct range *last = r->count ? &r->range[r->count - 1] : NULL;
	const uint32_t perm = f->perm & RW;

	r->calls++;
	if (r->stop_after && r->calls % r->stop_after == 0)
		return 1; /* not taken: must come again */
	/* merged with what is before it, so that pieces of a resumed replay compare */
	if (last && last->iova + last->length == iova && last->gpa + last->length == f->gpa &&
	    last->perm == perm) {
		last->length += f->length;
		return 0;
	}
	assert_true(r->count < ROWS(r->range));
	r->range[r->count++] = (struct range){ iova, f->gpa, f->length, perm };
	return 0;
}

/* Everything in [first, last], however many calls it takes. */
static int replay(struct viommu_device *device, uint32_t pasid, uint64_t first, uint64_t last,
		  uint32_t budget, unsigned stop_after)
{
	int result;

	found = (struct ranges){ .stop_after = stop_after };
	for (unsigned calls = 0;; calls++) {
		uint64_t before = first;

		result = viommu_replay(device, pasid, &first, last, budget, collect, &found);
		if (result != VIOMMU_MORE)
			return result;
		row_equal(first >= before, true);
		assert_true(calls < 100000); /* it gets on */
	}
}

static void expect(const struct range *wanted, unsigned count)
{
	for (unsigned i = 0; i < count && i < found.count; i++) {
		row_equal(found.range[i].iova, wanted[i].iova);
		row_equal(found.range[i].gpa, wanted[i].gpa);
		row_equal(found.range[i].length, wanted[i].length);
		row_equal(found.range[i].perm, wanted[i].perm);
	}
	row_equal(found.count, count);
}

/* ---- a table with everything in it ---- */

static const struct {
	uint64_t iova;
	uint64_t gpa;
	unsigned lg2;
	uint64_t bits;
} mappings[] = {
	{ 0, 0x10000000, 12, 3 },
	{ 0x1000, 0x10001000, 12, 3 }, /* continues */
	{ 0x2000, 0x10003000, 12, 3 }, /* another target */
	{ 0x3000, 0x10004000, 12, 1 }, /* another permission */
	{ 0x5000, 0x10006000, 12, 1 }, /* after a hole */
	{ 0x6000, 0x10007000, 12, 2 },
	{ 0x200000, 0x20000000, 21, 3 },
	{ 0x400000, 0x20200000, 21, 3 }, /* continues */
	{ 0x600000, 0x20400000, 12, 3 }, /* continues, another size */
	{ GIB, 8 * GIB, 30, 3 },
	{ 5 * GIB + 0x1ff000, 0x1000, 12, 3 },
	{ 5 * GIB + 0x200000, 0x2000, 12, 3 }, /* continues in the next table */
	{ 9 * GIB, 3 * GIB, 30, 3 },	       /* over the interrupt window */
	{ (UINT64_C(1) << 48) - 0x1000, 0x5000, 12, 3 },
};

static const struct range mapped[] = {
	{ 0, 0x10000000, 0x2000, RW },
	{ 0x2000, 0x10003000, 0x1000, RW },
	{ 0x3000, 0x10004000, 0x1000, R },
	{ 0x5000, 0x10006000, 0x1000, R },
	{ 0x6000, 0x10007000, 0x1000, W },
	{ 0x200000, 0x20000000, 0x401000, RW },
	{ GIB, 8 * GIB, GIB, RW },
	{ 5 * GIB + 0x1ff000, 0x1000, 0x2000, RW },
	{ 9 * GIB, 3 * GIB, 0x3ee00000, RW },
	{ 9 * GIB + 0x3ef00000, 0xfef00000, 0x1100000, RW },
	{ (UINT64_C(1) << 48) - 0x1000, 0x5000, 0x1000, RW },
};

static struct unit *open_mappings(void)
{
	struct unit *u = unit_legacy(GUEST_ECAP_LEGACY);

	u->ss = guest_table(&u->g);
	guest_legacy(&u->g, UNIT_RID, UNIT_DID, u->ss, 4);
	guest_invalidate_all(&u->g);
	for (size_t i = 0; i < ROWS(mappings); i++)
		guest_ss_map(&u->g, u->ss, 4, mappings[i].iova, mappings[i].gpa, mappings[i].lg2,
			     mappings[i].bits);
	return u;
}

static void test_second_stage(void **state)
{
	struct unit *u = open_mappings();

	row_name = "all of it, merged where contiguous";
	row_equal(replay(u->dev, NONE, 0, UINT64_MAX, 0, 0), VIOMMU_OK);
	row_equal(found.calls, ROWS(mapped)); /* merged already */
	expect(mapped, ROWS(mapped));
	row_name = "no trace: no fault, nothing written";
	row_equal(fsts(u), 0);
	row_equal(trace_count(&u->t, GUEST_ON_DIRTY) <= 1, true); /* the wait of the setup */
	unit_close(u);
}

static void test_budgets(void **state)
{
	static const uint32_t budgets[] = { 1, 2, 3, 7, 64, 511, 512, 513, 4096 };
	struct unit *u = open_mappings();

	for (size_t i = 0; i < ROWS(budgets); i++) {
		row_name = "3 a budget, resumed: the same ranges, nothing twice";
		row_equal(replay(u->dev, NONE, 0, UINT64_C(0xffffffffffff), budgets[i], 0),
			  VIOMMU_OK);
		expect(mapped, ROWS(mapped));
	}
	for (unsigned stop = 2; stop < 5; stop++) {
		row_name = "stopped by the callback: what it did not take comes again";
		row_equal(replay(u->dev, NONE, 0, UINT64_MAX, 0, stop), VIOMMU_OK);
		expect(mapped, ROWS(mapped));
	}
	unit_close(u);
}

static void test_parts(void **state)
{
	static const struct {
		const char *name;
		uint64_t first;
		uint64_t last;
		struct range range[2];
		unsigned count;
	} rows[] = {
		{ "6 one byte", 0x1fff, 0x1fff, { { 0x1fff, 0x10001fff, 1, RW } }, 1 },
		{ "6 across",
		  0x1800,
		  0x27ff,
		  { { 0x1800, 0x10001800, 0x800, RW }, { 0x2000, 0x10003000, 0x800, RW } },
		  2 },
		{ "a hole", 0x4000, 0x4fff, { { 0, 0, 0, 0 } }, 0 },
		{ "inside a 2 MiB page",
		  0x234567,
		  0x2fffff,
		  { { 0x234567, 0x20034567, 0xcba99, RW } },
		  1 },
		{ "inside a 1 GiB page", GIB + 5, GIB + 6, { { GIB + 5, 8 * GIB + 5, 2, RW } }, 1 },
		{ "5 the last page",
		  (UINT64_C(1) << 48) - 0x1000,
		  UINT64_MAX,
		  { { (UINT64_C(1) << 48) - 0x1000, 0x5000, 0x1000, RW } },
		  1 },
		{ "5 beyond the width", UINT64_C(1) << 48, UINT64_MAX, { { 0, 0, 0, 0 } }, 0 },
	};
	struct unit *u = open_mappings();

	for (size_t i = 0; i < ROWS(rows); i++) {
		row_name = rows[i].name;
		row_equal(replay(u->dev, NONE, rows[i].first, rows[i].last, 0, 0), VIOMMU_OK);
		expect(rows[i].range, rows[i].count);
	}
	unit_close(u);
}

/* Each level points to itself: 512^4 pages (obligation 3). */
static void test_self_reference(void **state)
{
	struct unit *u = open_mappings();
	uint64_t table = guest_table(&u->g);
	uint64_t first = 0;

	row_name = "3 tables that point to themselves: bounded by the budget";
	for (unsigned i = 0; i < 512; i++)
		guest_put64(&u->g, table + 8 * i, table | 3);
	guest_legacy(&u->g, UNIT_RID, UNIT_DID, table, 4);
	found = (struct ranges){ .count = 0 };
	row_equal(viommu_replay(u->dev, NONE, &first, UINT64_MAX, 300, collect, &found),
		  VIOMMU_MORE);
	row_equal(first > 0, true);
	row_equal(first <= 300 * GUEST_PAGE, true);
	unit_close(u);
}

/* ---- other ways to be mapped ---- */

static void identity_but_the_window(struct unit *u, uint64_t last)
{
	const struct range wanted[] = {
		{ 0, 0, 0xfee00000, RW },
		{ 0xfef00000, 0xfef00000, last - 0xfef00000 + 1, RW },
	};

	row_equal(replay(u->dev, NONE, 0, last, 0, 0), VIOMMU_OK);
	expect(wanted, 2);
}

static void test_identity(void **state)
{
	struct unit *u = unit_legacy(GUEST_ECAP_LEGACY);

	row_name = "TE off";
	gcmd(u, 0, VTD_G_TE);
	identity_but_the_window(u, UINT64_C(0xffffffffffff));
	row_name = "pass-through";
	guest_legacy_tt(&u->g, UNIT_RID, UNIT_DID, 0, 4, VTD_TT_PASS);
	gcmd(u, VTD_G_TE, 0);
	identity_but_the_window(u, UINT64_C(0xffffffffff));
	row_name = "pass-through ends at the host address width";
	identity_but_the_window(u, (UINT64_C(1) << 52) - 1);
	unit_close(u);
}

static void test_blocked(void **state)
{
	struct unit *u = unit_scalable();
	uint64_t first = 0;

	found = (struct ranges){ .count = 0 };
	row_name = "a device whose context is absent is blocked";
	guest_put64(&u->g, guest_scalable_entry(&u->g, UNIT_RID), 0);
	row_equal(viommu_replay(u->dev, NONE, &first, UINT64_MAX, 0, collect, &found),
		  VIOMMU_FAULT);
	row_name = "abort mode";
	guest_root(&u->g, VTD_TTM_ABORT);
	row_equal(viommu_replay(u->dev2, NONE, &first, UINT64_MAX, 0, collect, &found),
		  VIOMMU_FAULT);
	row_equal(found.calls, 0);
	row_equal(recorded(u), 0);
	row_name = "misuse";
	row_equal(viommu_replay(NULL, NONE, &first, 1, 0, collect, &found), VIOMMU_EINVAL);
	row_equal(viommu_replay(u->dev, NONE, NULL, 1, 0, collect, &found), VIOMMU_EINVAL);
	row_equal(viommu_replay(u->dev, NONE, &first, 1, 0, NULL, &found), VIOMMU_EINVAL);
	row_equal(viommu_replay(u->dev, 0x100000, &first, 1, 0, collect, &found), VIOMMU_EINVAL);
	first = 2;
	row_equal(viommu_replay(u->dev, NONE, &first, 1, 0, collect, &found), VIOMMU_EINVAL);
	unit_close(u);
}

/* First stage, alone and on a second stage, both halves of the canonical space. */
static void test_first_stage(void **state)
{
	static const struct range alone[] = {
		{ 0x5000, 0x4000000, 0x1000, RW },
		{ 0x40000000, 0x40000000, 2 * MIB, R },
		{ UINT64_C(0xffff800000000000), 0x4001000, 0x1000, RW },
		{ UINT64_MAX - 0xfff, 0x4002000, 0x1000, RW },
	};
	/* second stage: 0x4000000 .. + 16 KiB at 1T, 0x40000000 .. + 8 KiB at 2T, read-only */
	static const struct range nested[] = {
		{ 0x5000, UINT64_C(1) << 40, 0x1000, RW },
		{ 0x40000000, UINT64_C(1) << 41, 0x2000, R },
		{ UINT64_C(0xffff800000000000), (UINT64_C(1) << 40) + 0x1000, 0x1000, RW },
		{ UINT64_MAX - 0xfff, (UINT64_C(1) << 40) + 0x2000, 0x1000, RW },
	};
	struct unit *u = unit_scalable();
	struct guest_pasid p = { .did = 7, .pgtt = VTD_PGTT_FIRST, .fs_levels = 4, .ss_levels = 4 };

	p.extra2 = VTD_PE_WPE | VTD_PE_NXE;
	p.fs = guest_table(&u->g);
	p.ss = guest_table(&u->g);
	guest_fs_map(&u->g, p.fs, 4, 0x5000, 0x4000000, 12, 7);
	guest_fs_map(&u->g, p.fs, 4, 0x40000000, 0x40000000, 21, BIT(63) | 0x45); /* XD, D */
	guest_fs_map(&u->g, p.fs, 4, UINT64_C(0xffff800000000000), 0x4001000, 12, 7);
	guest_fs_map(&u->g, p.fs, 4, UINT64_MAX - 0xfff, 0x4002000, 12, 7);
	for (unsigned i = 0; i < 4; i++)
		guest_ss_map(&u->g, p.ss, 4, 0x4000000 + i * GUEST_PAGE,
			     (UINT64_C(1) << 40) + i * GUEST_PAGE, 12, 3);
	for (unsigned i = 0; i < 2; i++)
		guest_ss_map(&u->g, p.ss, 4, 0x40000000 + i * GUEST_PAGE,
			     (UINT64_C(1) << 41) + i * GUEST_PAGE, 12, 3);
	/* of what may only be read, what may only be written is nothing */
	guest_ss_map(&u->g, p.ss, 4, 0x40000000 + 2 * GUEST_PAGE, UINT64_C(3) << 40, 12, 2);
	/* the tables of the first stage, which are in the guest's memory, at the same addresses */
	guest_ss_map(&u->g, p.ss, 4, 0, 0, 21, 3);
	guest_ss_map(&u->g, p.ss, 4, 0x200000, 0x200000, 21, 3);
	guest_pasid(&u->g, UNIT_RID, 3, &p);
	p.pgtt = VTD_PGTT_NESTED;
	guest_pasid(&u->g, UNIT_RID, 4, &p);
	for (uint32_t budget = 0; budget < 4; budget++) {
		row_name = "first stage";
		row_equal(replay(u->dev, 3, 0, UINT64_MAX, budget * budget, 0), VIOMMU_OK);
		expect(alone, ROWS(alone));
		row_name = "nested: what the second stage maps of it";
		row_equal(replay(u->dev, 4, 0, UINT64_MAX, budget * 500, 0), VIOMMU_OK);
		expect(nested, ROWS(nested));
	}
	for (uint32_t budget = 1; budget < 40; budget++) {
		row_name = "nested: the callback stops it just as the budget ends";
		row_equal(replay(u->dev, 4, 0, UINT64_MAX, budget, 2), VIOMMU_OK);
		expect(nested, ROWS(nested));
	}
	row_name = "a PASID that is not there";
	row_equal(replay(u->dev, 2, 0, UINT64_MAX, 0, 0), VIOMMU_FAULT);
	unit_close(u);
}

/* ---- a shadow: forget what is unmapped, then replay it, all inside the callback ---- */

struct shadow {
	struct ranges now; /* what the host would have mapped */
	unsigned unmaps;
};

static struct shadow shadow;

static void follow(void *opaque, struct viommu_device *device, uint32_t pasid, uint64_t first,
		   uint64_t last)
{
	struct shadow *s = opaque;
	struct ranges kept = { .count = 0 };

	(void)pasid;
	s->unmaps++;
	for (unsigned i = 0; i < s->now.count; i++) {
		const struct range *r = &s->now.range[i];

		/* whole ranges: this guest maps and unmaps them so */
		if (r->iova > last || r->iova + r->length - 1 < first)
			kept.range[kept.count++] = *r;
	}
	s->now = kept;
	while (viommu_replay(device, NONE, &first, last, 0, collect, &s->now) == VIOMMU_MORE)
		;
}

static bool shadowed(uint64_t iova, uint64_t gpa)
{
	for (unsigned i = 0; i < shadow.now.count; i++) {
		const struct range *r = &shadow.now.range[i];

		if (iova >= r->iova && iova - r->iova < r->length)
			return r->gpa + (iova - r->iova) == gpa;
	}
	return gpa == 0;
}

static void test_caching_mode(void **state)
{
	const struct viommu_listener_config config = { .size = sizeof(config),
						       .opaque = &shadow,
						       .unmap = follow };
	struct unit *u = unit_open(GUEST_CAP | VTD_CAP_CM, GUEST_ECAP_LEGACY);
	struct viommu_listener *listener;
	uint64_t leaf;

	shadow = (struct shadow){ .unmaps = 0 };
	unit_legacy_tables(u);
	row_equal(viommu_listener_new(u->g.iommu, u->dev, &config, &listener), VIOMMU_OK);
	guest_start(&u->g, VTD_TTM_LEGACY);
	row_name = "8 caching mode: the shadow has what the tables have";
	row_equal(shadowed(UNIT_IOVA, u->page[0]), true);
	row_equal(shadowed(UNIT_IOVA + 0x1000, u->page[1]), true);
	row_name = "absent to present: the guest invalidates, the shadow follows";
	leaf = guest_entry(&u->g, u->ss, 4, UNIT_IOVA + 0x5000, 0, 3);
	guest_put64(&u->g, leaf, u->page[3] | 3);
	row_equal(shadowed(UNIT_IOVA + 0x5000, 0), true);
	guest_submit(&u->g, Q_IOTLB(3, UNIT_DID), UNIT_IOVA + 0x5000, 0, 0);
	guest_wait(&u->g);
	row_equal(shadowed(UNIT_IOVA + 0x5000, u->page[3]), true);
	row_equal(shadowed(UNIT_IOVA, u->page[0]), true);
	row_name = "31 remapped";
	guest_put64(&u->g, leaf, u->page[2] | 3);
	guest_submit(&u->g, Q_IOTLB(2, UNIT_DID), 0, 0, 0);
	guest_wait(&u->g);
	row_equal(shadowed(UNIT_IOVA + 0x5000, u->page[2]), true);
	row_name = "gone";
	guest_put64(&u->g, leaf, 0);
	guest_submit(&u->g, Q_IOTLB(3, UNIT_DID), UNIT_IOVA + 0x5000, 0, 0);
	guest_wait(&u->g);
	row_equal(shadowed(UNIT_IOVA + 0x5000, 0), true);
	row_name = "another table for the device";
	guest_legacy(&u->g, UNIT_RID, UNIT_DID2, u->ss2, 4);
	guest_submit(&u->g, Q_CC(3, UNIT_DID, UNIT_RID, 0), 0, 0, 0);
	guest_wait(&u->g);
	row_equal(shadowed(UNIT_IOVA, u->page[2]), true);
	row_equal(shadowed(UNIT_IOVA + 0x1000, u->page[3]), true);
	row_equal(viommu_listener_free(listener), VIOMMU_OK);
	unit_close(u);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_second_stage), cmocka_unit_test(test_budgets),
		cmocka_unit_test(test_parts),	     cmocka_unit_test(test_self_reference),
		cmocka_unit_test(test_identity),     cmocka_unit_test(test_blocked),
		cmocka_unit_test(test_first_stage),  cmocka_unit_test(test_caching_mode),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
