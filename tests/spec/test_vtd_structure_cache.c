/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_vtd_structure_cache.c - paging-structure caches (VT-d 6.2.5, 6.5.2.3, 6.5.2.4, 6.5.3): what a translation may
 * remember of the tables that led to it, and when it may not.
 *
 * A block is what one table of the lowest level maps, 2 MiB. Upper tables lie behind the callbacks, which count, and
 * the tables of the lowest level in a region of their own: a page that is looked up in a block that is known makes no
 * callback at all, so its one entry is the one load. (Nested: but for the second stage of the result.) Rows also say
 * what must survive.
 */
#include <string.h>

#include <sys/mman.h>

#include "channel.h"
#include "unit.h"
#include "vtd_unit.h"

#define IOVA  UNIT_IOVA
#define BLOCK UINT64_C(0x200000)
#define P     UNIT_PASID
#define GIB   (UINT64_C(1) << 30)

enum who { LEGACY, SECOND, FIRST, NESTED, WHO };

/* What the tables of the lowest level map to: page n of table t at target(t, n). */
enum { OLD, NEW, AFTER, LEAVES };

struct world {
	struct guest g;
	enum who who;
	struct viommu_device *dev;
	struct viommu_channel *channel;
	uint64_t root;	       /* of the tables that are walked first */
	uint64_t below;	       /* nested: of the second stage */
	uint64_t leaf[LEAVES]; /* tables of the block, two of them, and of the one behind it */
	uint64_t entry[4];     /* [level] the entry above that leads to leaf[OLD] */
	uint64_t other[4];     /* [level] what leads to leaf[NEW] instead */
};

static struct world world;

static uint64_t target(unsigned table, unsigned page)
{
	return (table + 1) * GIB + (table == AFTER ? BLOCK : 0) + page * GUEST_PAGE;
}

static bool is_first(enum who who)
{
	return who >= FIRST;
}

/* Entries: present, readable and writable (and accessed and dirty already, so that nothing is written). */
static uint64_t table_bits(enum who who)
{
	return is_first(who) ? GUEST_FS | 0x20 : GUEST_RW;
}

static uint64_t page_bits(enum who who)
{
	return is_first(who) ? GUEST_FS | 0x60 : GUEST_RW;
}

static void fill_leaf(struct world *w, unsigned table)
{
	for (unsigned n = 0; n < 512; n++)
		guest_put64(&w->g, w->leaf[table] + n * 8, target(table, n) | page_bits(w->who));
}

/* Nested: pages of memory one by one, so that they can be moved; what they are mapped to as it is. */
static void build_below(struct world *w)
{
	w->below = guest_table(&w->g);
	for (uint64_t at = GUEST_BASE; at < GUEST_BASE + w->g.bytes; at += GUEST_PAGE)
		guest_ss_map(&w->g, w->below, 4, at, at, 12, GUEST_RW);
	for (uint64_t n = 1; n < 8; n++)
		guest_ss_map(&w->g, w->below, 4, n * GIB, n * GIB, 30, GUEST_RW);
}

static void build_tables(struct world *w)
{
	uint64_t bits = table_bits(w->who);
	struct guest *g = &w->g;

	w->root = guest_table(g);
	guest_put64(g, guest_entry(g, w->root, 4, IOVA, 1, bits), w->leaf[OLD] | bits);
	guest_put64(g, guest_entry(g, w->root, 4, IOVA + BLOCK, 1, bits), w->leaf[AFTER] | bits);
	w->other[1] = w->leaf[NEW];
	for (unsigned level = 1; level < 4; level++)
		w->entry[level] = guest_entry(g, w->root, 4, IOVA, level, bits);
	for (unsigned level = 2; level < 4; level++) {
		unsigned shift = 12 + 9 * (level - 1);

		w->other[level] = guest_table(g);
		guest_put64(g, w->other[level] + (IOVA >> shift & 511) * 8,
			    w->other[level - 1] | bits);
	}
}

static void build_context(struct world *w)
{
	struct guest_pasid p = { .did = UNIT_DID,
				 .pgtt = w->who == SECOND  ? VTD_PGTT_SECOND
					 : w->who == FIRST ? VTD_PGTT_FIRST
							   : VTD_PGTT_NESTED,
				 .fs = is_first(w->who) ? w->root : 0,
				 .fs_levels = 4,
				 .ss = w->who == NESTED ? w->below : w->root,
				 .ss_levels = 4 };

	if (w->who == LEGACY)
		guest_legacy(&w->g, UNIT_RID, UNIT_DID, w->root, 4);
	else
		guest_pasid(&w->g, UNIT_RID, w->who == SECOND ? 0 : P, &p);
}

static uint32_t pasid_of(const struct world *w)
{
	return is_first(w->who) ? P : VIOMMU_NO_PASID;
}

static void add_region(struct world *w, uint64_t gpa, uint64_t pages, void *host)
{
	struct viommu_region r = {
		.size = sizeof(r), .gpa = gpa, .bytes = pages * GUEST_PAGE, .host = host
	};

	assert_int_equal(viommu_vm_add_region(w->g.vm, &r), VIOMMU_OK);
}

/* @region: the tables of the lowest level are in one; @tables: size of the cache, 0: the default. */
static struct world *open_world(enum who who, bool region, uint32_t tables)
{
	const struct viommu_limits limits = { .size = sizeof(limits),
					      .tlb_entries = 4096,
					      .contexts = 64,
					      .domains = 64,
					      .tables = tables };
	struct viommu_vtd_config config = { .size = sizeof(config),
					    .cap = who == LEGACY ? GUEST_CAP : GUEST_CAP_SCALABLE,
					    .ecap = who == LEGACY ? GUEST_ECAP_LEGACY
								  : GUEST_ECAP_SCALABLE,
					    .haw = 46,
					    .limits = &limits };
	struct world *w = &world;

	memset(w, 0, sizeof(*w));
	guest_init(&w->g, GUEST_CALLBACKS, 64);
	w->who = who;
	assert_int_equal(guest_try_vtd_config(&w->g, &config), VIOMMU_OK);
	for (unsigned i = 0; i < LEAVES; i++) {
		w->leaf[i] = guest_alloc(&w->g, 1);
		fill_leaf(w, i);
	}
	if (region)
		add_region(w, w->leaf[0], LEAVES, guest_at(&w->g, w->leaf[0]));
	if (who == NESTED)
		build_below(w);
	build_tables(w);
	build_context(w);
	guest_start(&w->g, who == LEGACY ? VTD_TTM_LEGACY : VTD_TTM_SCALABLE);
	w->dev = guest_device(&w->g, UNIT_RID);
	w->channel = guest_channel(&w->g, w->dev, pasid_of(w));
	return w;
}

static void close_world(struct world *w)
{
	guest_fini(&w->g);
}

static uint64_t ask(struct world *w, uint64_t iova, unsigned access)
{
	return where_pasid(w->dev, pasid_of(w), iova, access);
}

static uint64_t page_at(unsigned n)
{
	return IOVA + n * GUEST_PAGE;
}

static void invalidate(struct world *w, uint64_t q0, uint64_t q1)
{
	guest_submit(&w->g, q0, q1, 0, 0);
	guest_wait(&w->g);
}

static int ignore_step(void *opaque, const struct viommu_step *step)
{
	*(unsigned *)opaque = step->reason;
	return 0;
}

/* What the tables say at the moment, without caches: FAULT(reason), or 0. */
static uint64_t refusal(struct world *w, uint64_t iova, unsigned access)
{
	struct viommu_request r = {
		.first = iova, .last = iova, .pasid = pasid_of(w), .access = (uint16_t)access
	};
	unsigned reason = 0;
	int result = viommu_explain(w->dev, &r, 0, ignore_step, &reason);

	return result == VIOMMU_FAULT ? FAULT(reason) : 0;
}

static unsigned loads(const struct world *w)
{
	return w->g.count[GUEST_ON_READ];
}

/* Callbacks that a page in a known block costs: none, or the two levels of the second stage for the result. */
static unsigned known_cost(const struct world *w)
{
	return w->who == NESTED ? 2 : 0;
}

/* ---- that there is such a cache ---- */

static void check_one_load(enum who who, uint32_t tables)
{
	struct world *w = open_world(who, true, tables);
	unsigned full;
	unsigned before;

	before = loads(w);
	row_equal(ask(w, page_at(0), VIOMMU_WRITE), target(OLD, 0));
	full = loads(w) - before;
	row_equal(full >= 3 + known_cost(w), true);
	for (unsigned n = 1; n < 512; n++) {
		before = loads(w);
		if (n % 2)
			row_equal(ask(w, page_at(n), n & 2 ? VIOMMU_READ : VIOMMU_WRITE),
				  target(OLD, n));
		else
			row_equal(where_channel(w->channel, pasid_of(w), page_at(n), VIOMMU_WRITE),
				  target(OLD, n));
		row_equal(loads(w) - before, known_cost(w));
	}
	row_name = "the first page of the next block: a walk; its last: a load";
	before = loads(w);
	row_equal(ask(w, page_at(512), VIOMMU_WRITE), target(AFTER, 0));
	row_equal(loads(w) - before >= 3 + known_cost(w), true);
	before = loads(w);
	row_equal(ask(w, page_at(1023), VIOMMU_WRITE), target(AFTER, 511));
	row_equal(loads(w) - before, known_cost(w));
	close_world(w);
}

static void test_one_load(void **state)
{
	static const char *const names[WHO] = { "one load: legacy", "one load: second stage",
						"one load: first stage", "one load: nested" };

	for (unsigned who = 0; who < WHO; who++) {
		row_name = names[who];
		check_one_load((enum who)who, 0);
		check_one_load((enum who)who, 1);
	}
}

/* A long request, and a list: a walk for each block, a load for each page. */
static void test_long_request(void **state)
{
	struct viommu_request r = { .first = IOVA,
				    .last = IOVA + 2 * BLOCK - 1,
				    .pasid = VIOMMU_NO_PASID,
				    .access = VIOMMU_READ };
	struct world *w = open_world(LEGACY, true, 0);
	struct viommu_fragment f[4];
	struct viommu_answer answer;
	unsigned before;

	row_name = "a request over two blocks";
	row_equal(ask(w, IOVA + 8 * BLOCK, VIOMMU_READ), FAULT(0x06)); /* contexts are cached */
	before = loads(w);
	row_equal(viommu_translate(w->channel, &r, f, 4, &answer), VIOMMU_OK);
	row_equal(answer.count, 2);
	row_equal(f[0].gpa, target(OLD, 0));
	row_equal(f[1].gpa, target(AFTER, 0));
	row_equal(loads(w) - before, 2 * 3);
	close_world(w);
}

/* What is not walked through leaves nothing: faults, translation requests, explanations and replays. */
static int no_mapping(void *opaque, uint64_t iova, const struct viommu_fragment *f)
{
	return 0;
}

static void test_what_fills(void **state)
{
	enum { A_FAULT, A_DENIAL, AN_EXPLANATION, A_REPLAY, WAYS };
	static const char *const names[WAYS] = { "6.5 an absent page leaves nothing",
						 "6.5 a page that denies leaves nothing",
						 "an explanation leaves nothing",
						 "a replay leaves nothing" };

	for (unsigned way = 0; way < WAYS; way++) {
		struct world *w = open_world(LEGACY, true, 0);
		uint64_t first = IOVA;
		unsigned before;

		row_name = names[way];
		guest_put64(&w->g, w->leaf[OLD] + 8, way == A_DENIAL ? target(OLD, 1) | 1 : 0);
		if (way <= A_DENIAL)
			row_equal(ask(w, page_at(1), VIOMMU_WRITE), FAULT(0x05));
		else if (way == AN_EXPLANATION)
			row_equal(refusal(w, page_at(2), VIOMMU_READ), 0);
		else
			row_equal(viommu_replay(w->dev, VIOMMU_NO_PASID, &first, IOVA + BLOCK - 1,
						0, no_mapping, NULL),
				  VIOMMU_OK);
		before = loads(w);
		row_equal(ask(w, page_at(3), VIOMMU_WRITE), target(OLD, 3));
		row_equal(loads(w) - before >= 3, true);
		close_world(w);
	}
}

/* ---- an upper entry changes ---- */

enum change { OTHER, READ_ONLY, ABSENT, RESERVED, CHANGES };

static void change_entry(struct world *w, unsigned level, enum change change)
{
	uint64_t old = guest_get64(&w->g, w->entry[level]);

	switch (change) {
	case OTHER:
		old = w->other[level] | table_bits(w->who);
		break;
	case READ_ONLY:
		old &= ~UINT64_C(2);
		break;
	case ABSENT:
		old = 0;
		break;
	default:
		old |= UINT64_C(1) << 51; /* beyond HAW */
	}
	guest_put64(&w->g, w->entry[level], old);
}

/* The answer of a full walk after the change. */
static uint64_t changed_answer(struct world *w, unsigned page)
{
	uint64_t refused = refusal(w, page_at(page), VIOMMU_WRITE);

	return refused ? refused : target(NEW, page);
}

struct invalidation {
	const char *name;
	unsigned who; /* bits of enum who */
	uint64_t q[2];
	bool gone; /* no page of the block may use the old table */
};

#define ALL	   0xfU
#define SECONDS	   (1U << LEGACY | 1U << SECOND)
#define FIRSTS	   (1U << FIRST | 1U << NESTED)
#define IH	   0x40U
#define PAGES	   Q_IOTLB(3, UNIT_DID)
#define PASID_PAGE Q_PIOTLB(3, UNIT_DID, P)

static const struct invalidation invalidations[] = {
	{ "6.5.2.3 page, first of the block", SECONDS, { PAGES, IOVA }, true },
	{ "6.5.2.3 page, in the middle", SECONDS, { PAGES, IOVA + 0x101000 }, true },
	{ "6.5.2.3 page, last of the block", SECONDS, { PAGES, IOVA + 0x1ff000 }, true },
	{ "6.5.2.3 AM 3", SECONDS, { PAGES, (IOVA + 0x8000) | 3 }, true },
	{ "6.5.2.3 AM 9: the block", SECONDS, { PAGES, IOVA | 9 }, true },
	{ "6.5.2.3 AM 10: two blocks", SECONDS, { PAGES, (IOVA + BLOCK) | 10 }, true },
	{ "6.5.2.3 AM 14: 32 blocks", SECONDS, { PAGES, IOVA | 14 }, true },
	{ "6.5.2.3 AM 18: 1 GiB", SECONDS, { PAGES, IOVA | 18 }, true },
	{ "6.5.2.3 domain", ALL, { Q_IOTLB(2, UNIT_DID), 0 }, true },
	{ "6.5.2.3 global", ALL, { Q_IOTLB(1, 0), 0 }, true },
	{ "6.5.2.3 a page of the second stage, below a first", FIRSTS, { PAGES, 0x1000 }, true },
	{ "6.5.2.3 the same with IH", FIRSTS, { PAGES, 0x1000 | IH }, true },
	{ "6.5.2.4 page, first of the block", FIRSTS, { PASID_PAGE, IOVA }, true },
	{ "6.5.2.4 page, last of the block", FIRSTS, { PASID_PAGE, IOVA + 0x1ff000 }, true },
	{ "6.5.2.4 AM 9: the block", FIRSTS, { PASID_PAGE, IOVA | 9 }, true },
	{ "6.5.2.4 AM 18: 1 GiB", FIRSTS, { PASID_PAGE, IOVA | 18 }, true },
	{ "6.5.2.4 PASID", FIRSTS, { Q_PIOTLB(2, UNIT_DID, P), 0 }, true },
	/* what keeps it: a cache that kept nothing would pass all the others */
	{ "6.5.2.3 IH", SECONDS, { PAGES, (IOVA + 0x5000) | IH }, false },
	{ "6.5.2.3 IH, AM 5", SECONDS, { PAGES, IOVA | IH | 5 }, false },
	{ "6.5.2.3 the block before", SECONDS, { PAGES, IOVA - 0x1000 }, false },
	{ "6.5.2.3 the block behind", SECONDS, { PAGES, IOVA + BLOCK }, false },
	{ "6.5.2.3 AM 5, the block behind", SECONDS, { PAGES, (IOVA + BLOCK) | 5 }, false },
	{ "6.5.2.3 page of another domain", ALL, { Q_IOTLB(3, UNIT_DID2), IOVA }, false },
	{ "6.5.2.3 another domain", ALL, { Q_IOTLB(2, UNIT_DID2), 0 }, false },
	{ "6.5.2.4 IH", FIRSTS, { PASID_PAGE, (IOVA + 0x5000) | IH }, false },
	{ "6.5.2.4 the block behind", FIRSTS, { PASID_PAGE, IOVA + BLOCK }, false },
	{ "6.5.2.4 page of another PASID", FIRSTS, { Q_PIOTLB(3, UNIT_DID, P + 1), IOVA }, false },
	{ "6.5.2.4 another PASID", FIRSTS, { Q_PIOTLB(2, UNIT_DID, P | 0x80000), 0 }, false },
	{ "6.5.2.4 PASID of another domain", FIRSTS, { Q_PIOTLB(2, UNIT_DID2, P), 0 }, false },
};

/* Pages of the block that have not been asked for before, in some order. */
static const unsigned fresh[] = { 511, 1, 5, 255, 256, 510, 7 };

static void check_invalidation(const struct invalidation *row, enum who who, unsigned level,
			       enum change change)
{
	struct world *w = open_world(who, true, 0);
	unsigned before;

	row_name = row->name;
	row_equal(ask(w, page_at(0), VIOMMU_WRITE), target(OLD, 0));
	change_entry(w, level, change);
	invalidate(w, row->q[0], row->q[1]);
	guest_take_faults(&w->g);
	for (unsigned i = 0; i < ROWS(fresh); i++) {
		before = loads(w);
		if (row->gone) {
			row_equal(ask(w, page_at(fresh[i]), VIOMMU_WRITE),
				  changed_answer(w, fresh[i]));
			continue;
		}
		row_equal(ask(w, page_at(fresh[i]), VIOMMU_WRITE), target(OLD, fresh[i]));
		row_equal(loads(w) - before, known_cost(w));
	}
	close_world(w);
}

static void test_invalidations(void **state)
{
	for (unsigned i = 0; i < ROWS(invalidations); i++) {
		for (unsigned n = 0; n < WHO * 3 * CHANGES; n++) {
			unsigned who = n % WHO;

			if (invalidations[i].who >> who & 1)
				check_invalidation(&invalidations[i], (enum who)who,
						   1 + n / WHO % 3, (enum change)(n / WHO / 3));
		}
	}
}

/* Contexts are another matter: of the same tables, the same domain, and nothing was said of it. */
static void test_context_invalidations(void **state)
{
	static const struct {
		const char *name;
		enum who who;
		uint64_t q;
	} rows[] = {
		{ "6.5.2.1 context, global", LEGACY, Q_CC(1, 0, 0, 0) },
		{ "6.5.2.1 context, device", LEGACY, Q_CC(3, UNIT_DID, UNIT_RID, 0) },
		{ "6.5.2.2 PASID cache", FIRST, Q_PC(1, UNIT_DID, P) },
		{ "6.5.2.2 PASID cache, nested", NESTED, Q_PC(3, 0, 0) },
	};

	for (unsigned i = 0; i < ROWS(rows); i++) {
		struct world *w = open_world(rows[i].who, true, 0);

		row_name = rows[i].name;
		row_equal(ask(w, page_at(0), VIOMMU_WRITE), target(OLD, 0));
		invalidate(w, rows[i].q, 0);
		row_equal(ask(w, page_at(0), VIOMMU_WRITE), target(OLD, 0));
		/* another root: another domain */
		w->root = guest_table(&w->g);
		guest_put64(&w->g, guest_entry(&w->g, w->root, 4, IOVA, 1, table_bits(w->who)),
			    w->leaf[NEW] | table_bits(w->who));
		build_context(w);
		invalidate(w, rows[i].q, 0);
		row_equal(ask(w, page_at(1), VIOMMU_WRITE), target(NEW, 1));
		row_equal(ask(w, page_at(0), VIOMMU_WRITE), target(NEW, 0));
		close_world(w);
	}
}

/* ---- without invalidation ---- */

/* Either answer is right, but nothing else, and what is refused is refused as a walk from the root would be, and
 * recorded once. */
static void check_uninvalidated(enum who who, unsigned level, enum change change)
{
	struct world *w = open_world(who, true, 0);

	row_equal(ask(w, page_at(0), VIOMMU_WRITE), target(OLD, 0));
	change_entry(w, level, change);
	for (unsigned i = 0; i < ROWS(fresh); i++) {
		uint64_t now = changed_answer(w, fresh[i]);
		uint64_t got = ask(w, page_at(fresh[i]), VIOMMU_WRITE);

		row_equal(got == now || got == target(OLD, fresh[i]), true);
	}
	guest_take_faults(&w->g);
	/* the old table refuses: then the new answer is the only one */
	for (unsigned n = 0; n < 3; n++) {
		static const uint64_t entry[] = { 0, 1, UINT64_C(1) << 51 | 3 };
		const unsigned access[] = { VIOMMU_READ, VIOMMU_WRITE, VIOMMU_READ | VIOMMU_WRITE };

		for (unsigned a = 0; a < 3; a++) {
			unsigned page = 20 + n * 3 + a;
			struct guest_fault fault = { .reason = 0 };
			uint64_t wanted;

			guest_put64(&w->g, w->leaf[OLD] + page * 8,
				    entry[n] == 1 ? target(OLD, page) | (is_first(who) ? 5 : 1)
						  : entry[n]);
			wanted = refusal(w, page_at(page), access[a]);
			if (entry[n] == 1 && access[a] == VIOMMU_READ)
				continue;
			if (!wanted)
				wanted = target(NEW, page);
			row_equal(ask(w, page_at(page), access[a]), wanted);
			guest_take_fault(&w->g, &fault);
			row_equal(FAULT(fault.reason), wanted >= FAULT(0) ? wanted : FAULT(0));
			row_equal(guest_take_faults(&w->g), 0);
		}
	}
	close_world(w);
}

static void test_uninvalidated(void **state)
{
	static const char *const names[CHANGES] = { "6.5.3 another table", "6.5.3 less permission",
						    "6.5.3 not present", "6.5.3 reserved" };

	for (unsigned n = 0; n < WHO * 3 * CHANGES; n++) {
		row_name = names[n / WHO / 3];
		check_uninvalidated((enum who)(n % WHO), 1 + n / WHO % 3,
				    (enum change)(n / WHO / 3));
	}
}

/* More permission, and presence, need no invalidation: faults are not cached, and neither is the lack of a permission
 * (6.1, CM = 0). */
static void test_upgrades(void **state)
{
	for (unsigned n = 0; n < WHO * 3; n++) {
		struct world *w = open_world((enum who)(n % WHO), true, 0);
		unsigned level = 1 + n / WHO;
		uint64_t old = guest_get64(&w->g, w->entry[level]);

		row_name = "6.5.3 an upper entry that becomes writable";
		guest_put64(&w->g, w->entry[level], old & ~UINT64_C(2));
		row_equal(ask(w, page_at(0), VIOMMU_READ), target(OLD, 0));
		row_equal(ask(w, page_at(1), VIOMMU_READ), target(OLD, 1));
		row_equal(ask(w, page_at(1), VIOMMU_WRITE), refusal(w, page_at(1), VIOMMU_WRITE));
		row_equal(guest_take_faults(&w->g), 1);
		guest_put64(&w->g, w->entry[level], old);
		row_equal(ask(w, page_at(1), VIOMMU_WRITE), target(OLD, 1));
		row_equal(ask(w, page_at(2), VIOMMU_WRITE), target(OLD, 2));
		row_equal(ask(w, page_at(0), VIOMMU_WRITE), target(OLD, 0));
		row_equal(guest_take_faults(&w->g), 0);
		row_name = "6.5.3 a page that becomes present";
		guest_put64(&w->g, w->leaf[OLD] + 30 * 8, 0);
		row_equal(ask(w, page_at(30), VIOMMU_READ), refusal(w, page_at(30), VIOMMU_READ));
		guest_put64(&w->g, w->leaf[OLD] + 30 * 8, target(OLD, 30) | page_bits(w->who));
		row_equal(ask(w, page_at(30), VIOMMU_READ), target(OLD, 30));
		close_world(w);
	}
}

/* 3.7, 9.8: what was refused by the table that is remembered has no part in the reason. */
static void test_reason_is_the_walks(void **state)
{
	struct world *w = open_world(LEGACY, true, 0);
	const unsigned both = VIOMMU_READ | VIOMMU_WRITE;

	row_name = "9.8 a write-only page, then no table: reading and writing";
	row_equal(ask(w, page_at(0), VIOMMU_WRITE), target(OLD, 0));
	guest_put64(&w->g, w->leaf[OLD] + 8, target(OLD, 1) | 2);
	guest_put64(&w->g, w->entry[1], 0);
	row_equal(ask(w, page_at(1), both), refusal(w, page_at(1), both));
	close_world(w);
}

/* ---- pages themselves ---- */

/* IH says that only the page has changed: it is new, and the table is still known. */
static void test_leaf_with_hint(void **state)
{
	for (unsigned who = 0; who < WHO; who++) {
		struct world *w = open_world((enum who)who, true, 0);
		unsigned before;

		row_name = "6.5.2.3 IH: the page";
		row_equal(ask(w, page_at(5), VIOMMU_WRITE), target(OLD, 5));
		guest_put64(&w->g, w->leaf[OLD] + 5 * 8, target(NEW, 5) | page_bits(w->who));
		row_equal(ask(w, page_at(5), VIOMMU_WRITE), target(OLD, 5));
		invalidate(w, is_first(w->who) ? PASID_PAGE : PAGES, page_at(5) | IH);
		before = loads(w);
		row_equal(ask(w, page_at(5), VIOMMU_WRITE), target(NEW, 5));
		row_equal(loads(w) - before, known_cost(w));
		guest_put64(&w->g, w->leaf[OLD] + 5 * 8, 0);
		invalidate(w, is_first(w->who) ? PASID_PAGE : PAGES, page_at(5) | IH);
		row_equal(ask(w, page_at(5), VIOMMU_READ), refusal(w, page_at(5), VIOMMU_READ));
		row_equal(ask(w, page_at(6), VIOMMU_READ), target(OLD, 6));
		close_world(w);
	}
}

/* Large pages come and go where tables were. */
static void test_superpages(void **state)
{
	for (unsigned n = 0; n < WHO * 2; n++) {
		struct world *w = open_world((enum who)(n % WHO), true, 0);
		uint64_t page = is_first(w->who) ? PASID_PAGE : PAGES;
		unsigned level = 1 + n / WHO;
		uint64_t old = guest_get64(&w->g, w->entry[level]);
		uint64_t large = 5 * GIB | page_bits(w->who) | GUEST_LARGE;

		row_name = "6.5.3 a table becomes a large page";
		row_equal(ask(w, page_at(0), VIOMMU_WRITE), target(OLD, 0));
		guest_put64(&w->g, w->entry[level], large);
		invalidate(w, page, page_at(0));
		for (unsigned i = 0; i < ROWS(fresh); i++)
			row_equal(ask(w, page_at(fresh[i]), VIOMMU_WRITE),
				  5 * GIB + fresh[i] * GUEST_PAGE);
		row_name = "6.5.3 a large page becomes a table";
		guest_put64(&w->g, w->entry[level], old);
		invalidate(w, page, page_at(300));
		for (unsigned i = 0; i < ROWS(fresh); i++)
			row_equal(ask(w, page_at(fresh[i]), VIOMMU_WRITE), target(OLD, fresh[i]));
		row_equal(ask(w, page_at(0), VIOMMU_WRITE), target(OLD, 0));
		row_name = "6.5.3 and a table with other contents, used for something else";
		guest_put64(&w->g, w->entry[level], large);
		invalidate(w, page, page_at(100) | 9);
		for (unsigned i = 0; i < 512; i++)
			guest_put64(&w->g, w->leaf[OLD] + i * 8, UINT64_MAX);
		for (unsigned i = 0; i < 512; i++)
			row_equal(ask(w, page_at(i), VIOMMU_WRITE), 5 * GIB + i * GUEST_PAGE);
		row_equal(guest_take_faults(&w->g), 0);
		close_world(w);
	}
}

/* 3.6.2, 3.7.2, 6.5.3.1: accessed and dirty of a page that is found through a known table; after an invalidation of the
 * upper entries theirs are recorded again. */
static void test_accessed_and_dirty(void **state)
{
	for (unsigned who = FIRST; who < WHO; who++) {
		struct world *w = open_world((enum who)who, true, 0);
		uint64_t at = w->leaf[OLD] + 9 * 8;
		uint64_t clean = target(OLD, 9) | GUEST_FS;

		row_name = "3.6.2 accessed, dirty";
		row_equal(ask(w, page_at(0), VIOMMU_WRITE), target(OLD, 0));
		guest_put64(&w->g, at, clean);
		row_equal(ask(w, page_at(9), VIOMMU_READ), target(OLD, 9));
		row_equal(guest_get64(&w->g, at), clean | 0x20);
		row_equal(ask(w, page_at(9), VIOMMU_WRITE), target(OLD, 9));
		row_equal(guest_get64(&w->g, at), clean | 0x60);
		row_name = "6.5.3.1 cleared, and invalidated with IH";
		guest_put64(&w->g, at, clean);
		invalidate(w, PASID_PAGE, page_at(9) | IH);
		row_equal(ask(w, page_at(9), VIOMMU_WRITE), target(OLD, 9));
		row_equal(guest_get64(&w->g, at), clean | 0x60);
		row_name = "6.5.3.1 accessed of the upper entries";
		for (unsigned level = 1; level < 4; level++)
			guest_put64(&w->g, w->entry[level],
				    guest_get64(&w->g, w->entry[level]) & ~UINT64_C(0x20));
		invalidate(w, PASID_PAGE, page_at(10));
		row_equal(ask(w, page_at(10), VIOMMU_READ), target(OLD, 10));
		for (unsigned level = 1; level < 4; level++)
			row_equal(guest_get64(&w->g, w->entry[level]) & 0x20, 0x20);
		close_world(w);
	}
}

/* ---- nested: the second stage moves a table of the first ---- */

static void test_nested_table_moves(void **state)
{
	static const struct {
		const char *name;
		uint64_t q[2];
	} rows[] = {
		{ "6.5.2.3 nested: page of the second stage", { PAGES, GUEST_BASE } },
		{ "6.5.2.3 nested: the same, IH", { PAGES, GUEST_BASE | IH } },
		{ "6.5.2.3 nested: domain", { Q_IOTLB(2, UNIT_DID), 0 } },
		{ "6.5.2.3 nested: global", { Q_IOTLB(1, 0), 0 } },
	};

	for (unsigned i = 0; i < ROWS(rows); i++) {
		struct world *w = open_world(NESTED, true, 0);
		uint64_t entry = guest_entry(&w->g, w->below, 4, w->leaf[OLD], 0, GUEST_RW);

		row_name = rows[i].name;
		row_equal(ask(w, page_at(0), VIOMMU_WRITE), target(OLD, 0));
		guest_put64(&w->g, entry, w->leaf[NEW] | GUEST_RW);
		invalidate(w, rows[i].q[0],
			   rows[i].q[1] >= GUEST_BASE ? w->leaf[OLD] | (rows[i].q[1] & IH) : 0);
		for (unsigned k = 0; k < ROWS(fresh); k++)
			row_equal(ask(w, page_at(fresh[k]), VIOMMU_WRITE), target(NEW, fresh[k]));
		row_equal(ask(w, page_at(0), VIOMMU_WRITE), target(NEW, 0));
		row_name = "3.8 nested: and takes it away";
		guest_put64(&w->g, entry, 0);
		invalidate(w, rows[i].q[0],
			   rows[i].q[1] >= GUEST_BASE ? w->leaf[OLD] | (rows[i].q[1] & IH) : 0);
		row_equal(ask(w, page_at(400), VIOMMU_READ), refusal(w, page_at(400), VIOMMU_READ));
		row_equal(refusal(w, page_at(400), VIOMMU_READ) >= FAULT(1), true);
		close_world(w);
	}
}

/* Without invalidation, accessed and dirty go to where the second stage has the table now, or nowhere else. */
static void test_nested_update_of_a_moved_table(void **state)
{
	struct world *w = open_world(NESTED, true, 0);
	uint64_t entry = guest_entry(&w->g, w->below, 4, w->leaf[OLD], 0, GUEST_RW);
	const uint64_t clean = target(OLD, 3) | GUEST_FS;
	uint64_t got;

	row_name = "6.5.3 nested: dirty while a table moves";
	row_equal(ask(w, page_at(0), VIOMMU_WRITE), target(OLD, 0));
	guest_put64(&w->g, w->leaf[OLD] + 3 * 8, clean);
	guest_put64(&w->g, entry, w->leaf[NEW] | GUEST_RW);
	got = ask(w, page_at(3), VIOMMU_WRITE);
	row_equal(got == target(OLD, 3) || got == target(NEW, 3), true);
	if (got == target(OLD, 3))
		row_equal(guest_get64(&w->g, w->leaf[OLD] + 3 * 8), clean | 0x60);
	row_equal(guest_get64(&w->g, w->leaf[NEW] + 3 * 8), target(NEW, 3) | page_bits(NESTED));
	row_equal(guest_take_faults(&w->g), 0);
	close_world(w);
}

/* ---- where the tables are ---- */

/* Memory that only the callbacks have is not remembered: every walk begins at the root, and the answers are right. */
static void test_tables_behind_callbacks(void **state)
{
	for (unsigned who = 0; who < WHO; who++) {
		struct world *w = open_world((enum who)who, false, 0);
		unsigned before;

		row_name = "tables behind callbacks";
		row_equal(ask(w, page_at(0), VIOMMU_WRITE), target(OLD, 0));
		for (unsigned i = 0; i < ROWS(fresh); i++) {
			before = loads(w);
			row_equal(ask(w, page_at(fresh[i]), VIOMMU_WRITE), target(OLD, fresh[i]));
			row_equal(loads(w) - before >= 4, true);
		}
		change_entry(w, 1, OTHER);
		for (unsigned i = 100; i < 105; i++)
			row_equal(ask(w, page_at(i), VIOMMU_WRITE), target(NEW, i));
		close_world(w);
	}
}

static void *new_pages(void)
{
	void *host = mmap(NULL, LEAVES * GUEST_PAGE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(host, MAP_FAILED);
	return host;
}

/* The tables of the lowest level, in host memory of their own: those of table @as. */
static void *copy_of_leaves(struct world *w, unsigned as)
{
	uint64_t *host = new_pages();

	for (unsigned n = 0; n < 512; n++) {
		host[n] = target(as, n) | page_bits(w->who);
		host[512 + n] = host[n];
		host[1024 + n] = target(AFTER, n) | page_bits(w->who);
	}
	return host;
}

static void replace_region(struct world *w, void *host)
{
	assert_int_equal(viommu_vm_remove_region(w->g.vm, w->leaf[0]), VIOMMU_OK);
	if (host)
		add_region(w, w->leaf[0], LEAVES, host);
}

/* The memory of the tables is taken away between two misses, without a word from the guest: what was quiesced is
 * unmapped, and whoever still had its host pointer would die of that. */
static void test_region_replaced(void **state)
{
	for (unsigned n = 0; n < WHO * 2; n++) {
		struct world *w = open_world((enum who)(n % WHO), false, 0);
		bool again = n / WHO;
		void *host = copy_of_leaves(w, OLD);
		void *next = again ? copy_of_leaves(w, NEW) : NULL;
		unsigned before;

		row_name = again ? "vm.h another region" : "vm.h no region";
		add_region(w, w->leaf[0], LEAVES, host);
		row_equal(ask(w, page_at(0), VIOMMU_WRITE), target(OLD, 0));
		before = loads(w);
		row_equal(where_channel(w->channel, pasid_of(w), page_at(1), VIOMMU_WRITE),
			  target(OLD, 1));
		row_equal(loads(w) - before, known_cost(w));
		replace_region(w, next);
		row_equal(viommu_vm_quiesce(w->g.vm), VIOMMU_OK);
		munmap(host, LEAVES * GUEST_PAGE);
		for (unsigned i = 0; i < ROWS(fresh); i++) {
			unsigned page = 100 + fresh[i]; /* which no TLB has */
			uint64_t got =
				i % 2 ? ask(w, IOVA + page * GUEST_PAGE, VIOMMU_WRITE)
				      : where_channel(w->channel, pasid_of(w),
						      IOVA + page * GUEST_PAGE, VIOMMU_WRITE);

			if (page < 512)
				row_equal(got, target(again ? NEW : OLD, page));
		}
		/* and the new place is remembered */
		before = loads(w);
		row_equal(ask(w, page_at(99), VIOMMU_WRITE), target(again ? NEW : OLD, 99));
		row_equal(loads(w) - before == known_cost(w), again);
		if (next)
			replace_region(w, NULL);
		close_world(w);
		if (next)
			munmap(next, LEAVES * GUEST_PAGE);
	}
}

static struct {
	struct world *w;
	void *next;
} swapping;

/* Called when accessed has been recorded in the page's entry: the walk has found it, and nothing is filled yet. */
static void swap_region(void *opaque, enum guest_event event)
{
	struct world *w = swapping.w;

	if (event != GUEST_ON_DIRTY || !swapping.next)
		return;
	replace_region(w, swapping.next);
	swapping.next = NULL;
}

/* The memory goes between the walk and what is kept of it. */
static void test_region_replaced_in_a_walk(void **state)
{
	struct world *w = open_world(FIRST, false, 0);
	uint64_t *host = copy_of_leaves(w, OLD);
	void *next = copy_of_leaves(w, NEW);
	uint64_t got;

	row_name = "vm.h another region, before a walk is remembered";
	host[0] &= ~UINT64_C(0x60);
	add_region(w, w->leaf[0], LEAVES, host);
	row_equal(ask(w, IOVA + BLOCK, VIOMMU_READ), target(AFTER, 0)); /* the upper entries */
	guest_put64(&w->g, w->entry[1], guest_get64(&w->g, w->entry[1]) | 0x20);
	swapping.w = w;
	swapping.next = next;
	w->g.hook = swap_region;
	got = ask(w, page_at(0), VIOMMU_READ);
	w->g.hook = NULL;
	row_equal(got == target(OLD, 0) || got == target(NEW, 0), true);
	assert_null(swapping.next);
	row_equal(viommu_vm_quiesce(w->g.vm), VIOMMU_OK);
	munmap(host, LEAVES * GUEST_PAGE);
	for (unsigned i = 0; i < ROWS(fresh); i++)
		row_equal(ask(w, page_at(fresh[i]), VIOMMU_WRITE), target(NEW, fresh[i]));
	replace_region(w, NULL);
	close_world(w);
	munmap(next, LEAVES * GUEST_PAGE);
}

/* vm.h: a section that is open holds the memory back, also that of tables it has only walked; and in it the new
 * memory is used from the next translation on. */
static void test_quiesce(void **state)
{
	struct world *w = open_world(LEGACY, false, 0);
	void *host = copy_of_leaves(w, OLD);
	void *next = copy_of_leaves(w, NEW);

	row_name = "vm.h quiesce";
	add_region(w, w->leaf[0], LEAVES, host);
	assert_int_equal(viommu_enter(w->channel), VIOMMU_OK);
	row_equal(where_channel(w->channel, pasid_of(w), page_at(0), VIOMMU_WRITE), target(OLD, 0));
	replace_region(w, next);
	row_equal(viommu_vm_quiesce(w->g.vm), (uint64_t)VIOMMU_PENDING);
	row_equal(where_channel(w->channel, pasid_of(w), page_at(2), VIOMMU_WRITE), target(NEW, 2));
	row_equal(viommu_vm_quiesce(w->g.vm), (uint64_t)VIOMMU_PENDING);
	assert_int_equal(viommu_leave(w->channel), VIOMMU_OK);
	row_equal(viommu_vm_quiesce(w->g.vm), VIOMMU_OK);
	munmap(host, LEAVES * GUEST_PAGE);
	row_equal(where_channel(w->channel, pasid_of(w), page_at(3), VIOMMU_WRITE), target(NEW, 3));
	replace_region(w, NULL);
	close_world(w);
	munmap(next, LEAVES * GUEST_PAGE);
}

/* A table that the region has only in part cannot be: regions are whole pages. But where the entry above leads can
 * move to another region, with an invalidation. */
static void test_table_in_another_region(void **state)
{
	struct world *w = open_world(LEGACY, true, 0);
	uint64_t far = UINT64_C(1) << 36;
	void *host = copy_of_leaves(w, NEW);
	unsigned before;

	row_name = "6.5.3 a table in another region";
	add_region(w, far, LEAVES, host);
	row_equal(ask(w, page_at(0), VIOMMU_WRITE), target(OLD, 0));
	guest_put64(&w->g, w->entry[1], far | GUEST_RW);
	invalidate(w, PAGES, page_at(17));
	row_equal(ask(w, page_at(1), VIOMMU_WRITE), target(NEW, 1));
	before = loads(w);
	row_equal(ask(w, page_at(2), VIOMMU_WRITE), target(NEW, 2));
	row_equal(loads(w) - before, 0);
	assert_int_equal(viommu_vm_remove_region(w->g.vm, far), VIOMMU_OK);
	row_equal(viommu_vm_quiesce(w->g.vm), VIOMMU_OK);
	munmap(host, LEAVES * GUEST_PAGE);
	row_equal(ask(w, page_at(3), VIOMMU_WRITE), FAULT(0x07)); /* a table that cannot be read */
	row_equal(refusal(w, page_at(3), VIOMMU_WRITE), FAULT(0x07));
	close_world(w);
}

/* Unrelated regions come and go: that costs a walk, nothing else. */
static void test_unrelated_region(void **state)
{
	static _Alignas(4096) uint8_t page[4096];
	struct world *w = open_world(LEGACY, true, 0);
	unsigned before;

	row_name = "vm.h an unrelated region";
	row_equal(ask(w, page_at(0), VIOMMU_WRITE), target(OLD, 0));
	add_region(w, UINT64_C(1) << 40, 1, page);
	row_equal(ask(w, page_at(1), VIOMMU_WRITE), target(OLD, 1));
	before = loads(w);
	row_equal(ask(w, page_at(2), VIOMMU_WRITE), target(OLD, 2));
	row_equal(loads(w) - before, 0);
	close_world(w);
}

/* ---- invalidations that come while something is under way ---- */

static struct {
	struct world *w;
	unsigned left; /* callbacks until it happens */
	uint64_t q[2];
} overtaking;

static void overtake(void *opaque, enum guest_event event)
{
	struct world *w = overtaking.w;

	if (event != GUEST_ON_READ || !overtaking.left || --overtaking.left)
		return;
	change_entry(w, 1, OTHER);
	guest_submit(&w->g, overtaking.q[0], overtaking.q[1], 0, 0);
	guest_ring(&w->g);
}

/* 6.5: a walk that an invalidation overtakes may answer what was, but leaves nothing of it. */
static void test_overtaken_walk(void **state)
{
	static const struct {
		const char *name;
		uint64_t q[2];
	} rows[] = {
		{ "6.5.2.3 a page overtakes a walk", { PAGES, IOVA } },
		{ "6.5.2.3 a domain overtakes a walk", { Q_IOTLB(2, UNIT_DID), 0 } },
		{ "6.5.2.3 all overtakes a walk", { Q_IOTLB(1, 0), 0 } },
	};

	for (unsigned i = 0; i < ROWS(rows) * 3; i++) {
		struct world *w = open_world(LEGACY, true, 0);
		uint64_t got;

		row_name = rows[i / 3].name;
		row_equal(ask(w, IOVA + BLOCK, VIOMMU_READ), target(AFTER, 0)); /* contexts */
		overtaking.w = w;
		overtaking.left = 1 + i % 3;
		memcpy(overtaking.q, rows[i / 3].q, sizeof(overtaking.q));
		w->g.hook = overtake;
		got = where_channel(w->channel, VIOMMU_NO_PASID, page_at(0), VIOMMU_READ);
		w->g.hook = NULL;
		row_equal(overtaking.left, 0);
		row_equal(got == target(OLD, 0) || got == target(NEW, 0), true);
		for (unsigned page = 0; page < 3; page++) {
			row_equal(ask(w, page_at(page), VIOMMU_READ), target(NEW, page));
			row_equal(where_channel(w->channel, VIOMMU_NO_PASID, page_at(page),
						VIOMMU_READ),
				  target(NEW, page));
		}
		close_world(w);
	}
}

/* Counts a change of every domain, as an invalidation does before it begins and when it has ended. */
static void count_changes(struct world *w)
{
	struct domains *d = &w->g.iommu->partition->domains;

	for (uint32_t i = 0; i < d->count; i++)
		atomic_fetch_add(&d->slot[i].changes, 1);
	unit_start(w->g.iommu);
}

static unsigned kept(const struct viommu_channel *c)
{
	unsigned count = 0;

	for (uint64_t i = 0; i <= c->mask; i++)
		count += c->micro[i].tag && c->micro[i].tag % 4096 == c->serial;
	return count;
}

static unsigned upper_loads; /* of the entry that leads to the table */

static void note_upper(void *opaque, uint64_t gpa, void *bytes, uint32_t count)
{
	struct world *w = opaque;

	upper_loads += gpa == w->entry[1];
}

/* domain.h: while an invalidation is being done, what one cache still has may be gone from another: nothing is used
 * to fill, and nothing is filled. */
static void test_nothing_is_kept_meanwhile(void **state)
{
	for (unsigned way = 0; way < 3; way++) {
		struct world *w = open_world(LEGACY, true, 0);
		unsigned before;

		row_name = "while an invalidation is being done";
		row_equal(ask(w, page_at(0), VIOMMU_WRITE), target(OLD, 0));
		row_equal(where_channel(w->channel, VIOMMU_NO_PASID, page_at(0), VIOMMU_WRITE),
			  target(OLD, 0));
		count_changes(w);
		w->g.alter = note_upper;
		w->g.alter_opaque = w;
		upper_loads = 0;
		if (way == 0)
			row_equal(ask(w, page_at(1), VIOMMU_WRITE), target(OLD, 1));
		else
			row_equal(where_channel(w->channel, VIOMMU_NO_PASID,
						page_at(way == 1 ? 1 : 0), VIOMMU_WRITE),
				  target(OLD, way == 1 ? 1 : 0));
		if (way != 2) /* that one the TLB has */
			row_equal(upper_loads, 1);
		row_equal(kept(w->channel), way == 0); /* it has not looked yet */
		row_equal(ask(w, IOVA + BLOCK, VIOMMU_READ), target(AFTER, 0));
		count_changes(w);
		row_name = "and afterwards";
		guest_put64(&w->g, w->leaf[OLD] + 8, target(NEW, 1) | GUEST_RW);
		row_equal(ask(w, page_at(1), VIOMMU_WRITE), target(NEW, 1));
		guest_put64(&w->g, w->leaf[AFTER], target(NEW, 7) | GUEST_RW);
		before = loads(w);
		row_equal(ask(w, IOVA + BLOCK, VIOMMU_READ), target(NEW, 7));
		row_equal(loads(w) - before >= 3, true);
		close_world(w);
	}
}

/* ---- many ---- */

/* More blocks than the cache has places, from one to many: nothing is found but its own. */
static void test_conflicts(void **state)
{
	static const uint32_t sizes[] = { 1, 2, 4, 4096 };

	for (unsigned i = 0; i < ROWS(sizes); i++) {
		struct world *w = open_world(LEGACY, true, sizes[i]);

		row_name = "blocks that take one another's places";
		for (unsigned n = 0; n < 3 * 512; n++) {
			unsigned page = n * 5 % 512;
			bool after = n & 1;

			row_equal(ask(w, IOVA + (after ? BLOCK : 0) + page * GUEST_PAGE,
				      VIOMMU_READ),
				  target(after ? AFTER : OLD, page));
			if (n % 97 == 0)
				invalidate(w, Q_IOTLB(2, UNIT_DID), 0);
		}
		close_world(w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_load),
		cmocka_unit_test(test_long_request),
		cmocka_unit_test(test_what_fills),
		cmocka_unit_test(test_invalidations),
		cmocka_unit_test(test_context_invalidations),
		cmocka_unit_test(test_uninvalidated),
		cmocka_unit_test(test_upgrades),
		cmocka_unit_test(test_reason_is_the_walks),
		cmocka_unit_test(test_leaf_with_hint),
		cmocka_unit_test(test_superpages),
		cmocka_unit_test(test_accessed_and_dirty),
		cmocka_unit_test(test_nested_table_moves),
		cmocka_unit_test(test_nested_update_of_a_moved_table),
		cmocka_unit_test(test_tables_behind_callbacks),
		cmocka_unit_test(test_region_replaced),
		cmocka_unit_test(test_region_replaced_in_a_walk),
		cmocka_unit_test(test_quiesce),
		cmocka_unit_test(test_table_in_another_region),
		cmocka_unit_test(test_unrelated_region),
		cmocka_unit_test(test_overtaken_walk),
		cmocka_unit_test(test_nothing_is_kept_meanwhile),
		cmocka_unit_test(test_conflicts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
