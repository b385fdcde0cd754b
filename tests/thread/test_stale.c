/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_stale.c - the stale-answer checker (obligation 12): no translation that started after an
 * invalidation was complete returns the old answer.
 *
 * Every target address encodes a version. One thread changes entries, invalidates, waits for the
 * completion, and publishes the version as completed; others translate all the time, and no answer
 * may be older than what was completed before they asked. Inside a section an answer may not even
 * become older while the section is open (obligation 13).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <sched.h>

#include "run.h"
#include "stale_guest.h"

/* ---- readers ---- */

/* The version of an answer, or a failure. */
static uint64_t version_of(struct checker *c, unsigned page, uint64_t offset, uint64_t gpa)
{
	uint64_t distance = gpa - offset - BASE;
	uint64_t version = distance >> pages[page].lg2;

	if (distance & bits_low(pages[page].lg2))
		world_fail(&c->w, "%s: page %u answers %llx", c->row->name, page,
			   (unsigned long long)gpa);
	return version;
}

static void check_version(struct reader *r, unsigned subject, unsigned page, uint64_t got,
			  uint64_t least)
{
	uint64_t most = atomic_load(&r->c->subject[subject].published[page]);

	if (got < least || got > most)
		world_fail(&r->c->w,
			   "%s: subject %u page %u, reader %u: version %llu, not %llu to %llu",
			   r->c->row->name, subject, page, r->kind, (unsigned long long)got,
			   (unsigned long long)least, (unsigned long long)most);
}

/* In a large page: two pairs that share a place in the micro-TLB, so that there are misses. */
static const uint64_t offsets[4] = { 0x8, 0x40010, 0x5018, 0x45020 };

/* One translation of a page; for a device, of both 4 KiB pages at once now and then. Returns the
 * version. */
static uint64_t read_page(struct reader *r, unsigned subject, unsigned page)
{
	struct checker *c = r->c;
	struct subject *s = &c->subject[subject];
	uint64_t random = world_random(&r->random);
	bool both = r->kind == 2 && page == 0 && (random & 1);
	uint64_t offset = both ? 0 : offsets[random >> 8 & 3] & bits_low(pages[page].lg2);
	struct viommu_request request = { .first = pages[page].iova + offset,
					  .pasid = s->pasid,
					  .access = random & 2 ? VIOMMU_WRITE : VIOMMU_READ };
	uint64_t least[2] = { atomic_load(&s->completed[page]), atomic_load(&s->completed[1]) };
	struct viommu_fragment f[2];
	struct viommu_answer answer;
	uint64_t got;
	int result;

	request.last = request.first + (both ? 2 * PAGE - 1 : 7);
	result = r->channel[subject]
			 ? viommu_translate(r->channel[subject], &request, f, 2, &answer)
			 : viommu_device_translate(s->device, &request, f, 2, &answer);
	if (result != VIOMMU_OK) {
		world_fail(&c->w, "%s: refused: %d, %x", c->row->name, result, answer.reason);
		return UINT64_MAX;
	}
	got = version_of(c, page, offset, f[0].gpa);
	check_version(r, subject, page, got, least[0]);
	if (both)
		check_version(r, subject, 1,
			      version_of(c, 1, 0, answer.count == 2 ? f[1].gpa : f[0].gpa + PAGE),
			      least[1]);
	return got;
}

/* Several pages at once, in any order; the first of them again at the end. */
static void read_list(struct reader *r, unsigned subject)
{
	struct checker *c = r->c;
	struct subject *s = &c->subject[subject];
	struct viommu_request request[PAGES + 1];
	struct viommu_answer answer[PAGES + 1];
	struct viommu_fragment f[PAGES + 1];
	unsigned page[PAGES + 1];
	uint64_t least[PAGES + 1];
	uint32_t done;
	int result;

	for (unsigned i = 0; i <= PAGES; i++) {
		uint64_t random = world_random(&r->random);

		page[i] = (unsigned)((r->random >> 20 & 3) ^ i) % PAGES;
		least[i] = atomic_load(&s->completed[page[i]]);
		request[i] = (struct viommu_request){
			.first = pages[page[i]].iova +
				 (offsets[random & 3] & bits_low(pages[page[i]].lg2)),
			.pasid = s->pasid,
			.access = random & 4 ? VIOMMU_WRITE : VIOMMU_READ
		};
		request[i].last = request[i].first + 7;
	}
	result = viommu_translate_list(r->channel[subject], request, PAGES + 1, f, PAGES + 1,
				       answer, &done);
	if (result != VIOMMU_OK || done != PAGES + 1) {
		world_fail(&c->w, "%s: list refused: %d, %u", c->row->name, result, done);
		return;
	}
	for (unsigned i = 0; i <= PAGES; i++)
		check_version(r, subject, page[i],
			      version_of(c, page[i], request[i].first - pages[page[i]].iova,
					 f[i].gpa),
			      least[i]);
}

/* What was answered inside a section stays the newest that is complete, until it closes. */
static void read_in_section(struct reader *r, unsigned subject, unsigned which, unsigned count)
{
	struct checker *c = r->c;
	uint64_t got[3];

	viommu_enter(r->channel[subject]);
	for (unsigned i = 0; i < count; i++)
		got[i] = read_page(r, subject, (which + i) % PAGES);
	if ((r->random & 7) == 0)
		sched_yield();
	for (unsigned i = 0; i < count; i++) {
		if (atomic_load(&c->subject[subject].completed[(which + i) % PAGES]) > got[i])
			world_fail(&c->w, "%s: completed inside a section", c->row->name);
	}
	viommu_leave(r->channel[subject]);
}

static void *read_all(void *opaque)
{
	struct reader *r = opaque;
	struct checker *c = r->c;

	while (!atomic_load(&c->stop)) {
		uint64_t random = world_random(&r->random);
		unsigned which = random & 3 ? atomic_load(&c->focus)
					    : (unsigned)(random >> 8) % (SUBJECTS * PAGES);
		unsigned subject = which / PAGES;
		unsigned count = 1 + (unsigned)((random >> 4) % 3);

		if (r->kind == 1)
			read_in_section(r, subject, which, count);
		if (r->kind == 0 && (random >> 40 & 3) == 0)
			read_list(r, subject);
		for (unsigned i = 0; i < count && r->kind != 1; i++)
			read_page(r, subject, (which + i) % PAGES);
		/* more threads than processors: without this each round would cost time slices */
		if (atomic_fetch_add(&r->done, 1) % 4 == 0)
			sched_yield();
	}
	return NULL;
}

/* Translations that start after this use the new id; the tables under both ids are the same. */
static void *renumber(void *opaque)
{
	struct checker *c = opaque;

	for (unsigned i = 0; !atomic_load(&c->stop); i++, sched_yield()) {
		struct subject *s = &c->subject[atomic_load(&c->focus) / PAGES];

		if (viommu_device_set_id(s->device, s->rid + (i & 1)) != VIOMMU_OK)
			world_fail(&c->w, "cannot renumber");
	}
	return NULL;
}

static void open_reader(struct checker *c, struct reader *r, unsigned kind, uint64_t seed)
{
	*r = (struct reader){ .c = c, .kind = kind, .random = seed | 1 };
	for (unsigned i = 0; i < SUBJECTS && kind != 2; i++)
		assert_int_equal(viommu_channel_new(c->subject[i].device, c->subject[i].pasid,
						    &r->channel[i]),
				 VIOMMU_OK);
}

static void close_reader(struct reader *r)
{
	for (unsigned i = 0; i < SUBJECTS; i++)
		assert_int_equal(viommu_channel_free(r->channel[i]), VIOMMU_OK);
}

/* ---- the writer ---- */

static uint64_t context_granularity(enum how how)
{
	return how == CONTEXT_ALL      ? VTD_GRAN_GLOBAL
	       : how == CONTEXT_DOMAIN ? VTD_GRAN_DOMAIN
				       : VTD_GRAN_LOCAL;
}

/* By register: a context change is followed by the IOTLB, as software must. */
static void invalidate_by_register(struct checker *c, const struct subject *s, uint64_t address,
				   unsigned am)
{
	enum how how = c->row->how;
	struct world *w = &c->w;
	uint64_t iotlb = world_iotlb_offset(w);
	unsigned granularity = how == BY_PAGE || how == BY_RANGE       ? VTD_GRAN_LOCAL
			       : how == GLOBALLY || how == CONTEXT_ALL ? VTD_GRAN_GLOBAL
								       : VTD_GRAN_DOMAIN;

	if (how >= CONTEXT_DEVICE)
		world_invalidate_register(w, VTD_CCMD,
					  bits_put(VTD_CCMD_CIRG, context_granularity(how)) |
						  bits_put(VTD_CCMD_DID, s->did) |
						  bits_put(VTD_CCMD_SID, s->rid));
	world_write(w, iotlb - 8, 8, address | am);
	world_invalidate_register(
		w, iotlb, bits_put(VTD_IOTLB_IIRG, granularity) | bits_put(VTD_IOTLB_DID, s->did));
}

static void submit_structures(struct checker *c, const struct subject *s)
{
	struct world *w = &c->w;

	switch (c->row->how) {
	case CONTEXT_DEVICE:
		world_submit(w, GUEST_CC(VTD_GRAN_LOCAL, s->did, s->rid, 0), 0);
		break;
	case CONTEXT_DOMAIN:
		world_submit(w, GUEST_CC(VTD_GRAN_DOMAIN, s->did, 0, 0), 0);
		break;
	case CONTEXT_ALL:
		world_submit(w, GUEST_CC(VTD_GRAN_GLOBAL, 0, 0, 0), 0);
		break;
	case PASID_ONE:
		world_submit(w, GUEST_PC(VTD_PC_PASID, s->did, s->pasid & 0xfffff), 0);
		break;
	case PASID_ALL:
		world_submit(w, GUEST_PC(VTD_PC_DOMAIN, s->did, 0), 0);
		break;
	default:
		break;
	}
}

static void invalidate_by_queue(struct checker *c, const struct subject *s, uint64_t address,
				unsigned am)
{
	bool pages_only = c->row->how == BY_PAGE || c->row->how == BY_RANGE;
	struct world *w = &c->w;

	submit_structures(c, s);
	if (stale_is_first(c->row->mode) && pages_only)
		world_submit(w, GUEST_PIOTLB(VTD_PIOTLB_PAGES, s->did, s->pasid), address | am);
	else if (stale_is_first(c->row->mode) &&
		 (c->row->how == BY_PASID || c->row->how == PASID_ONE))
		world_submit(w, GUEST_PIOTLB(VTD_PIOTLB_PASID, s->did, s->pasid), 0);
	else if (pages_only)
		world_submit(w, GUEST_IOTLB(VTD_GRAN_LOCAL, s->did), address | am);
	else if (c->row->how == GLOBALLY || c->row->how == CONTEXT_ALL)
		world_submit(w, GUEST_IOTLB(VTD_GRAN_GLOBAL, 0), 0);
	else
		world_submit(w, GUEST_IOTLB(VTD_GRAN_DOMAIN, s->did), 0);
	world_sync(w);
}

/* Pages 0 and 1 get another table, whose versions are new as @mask says. */
static void change_table(struct checker *c, struct subject *s, unsigned mask)
{
	uint64_t bits = world_get64(&c->w, s->above) & BITS(11, 0);
	uint64_t table = s->table[!s->table_used];

	for (unsigned p = 0; p < 2; p++) {
		uint64_t at = (pages[p].iova >> 12 & 511) * 8;
		uint64_t keep = stale_is_first(c->row->mode) ? GUEST_FS : GUEST_RW;
		uint64_t version = atomic_load(&s->published[p]) + (mask >> p & 1);

		atomic_store(&s->published[p], version);
		world_put64(&c->w, table + at, stale_target(p, version) | keep);
	}
	world_put64(&c->w, s->above, table | bits);
	s->table_used = !s->table_used;
}

/* Nobody may use the table that was taken away and invalidated: it says that it is none. */
static void spoil_table(struct checker *c, struct subject *s)
{
	for (unsigned p = 0; p < 2; p++)
		world_put64(&c->w, s->table[!s->table_used] + (pages[p].iova >> 12 & 511) * 8,
			    stale_target(p, VERSIONS_MAX + 7) | GUEST_FS);
}

/* Gives the pages of @mask their next version. */
static void change(struct checker *c, struct subject *s, unsigned mask)
{
	bool leaves = c->row->how < CONTEXT_DEVICE;
	unsigned tree = leaves ? s->used : !s->used;

	if (c->row->upper) {
		change_table(c, s, mask);
		return;
	}

	for (unsigned p = 0; p < PAGES; p++) {
		uint64_t keep = world_get64(&c->w, s->leaf[tree][p]) & UINT64_C(0x87);
		uint64_t version = atomic_load(&s->published[p]) + (mask >> p & 1);

		atomic_store(&s->published[p], version);
		if (!leaves || (mask >> p & 1))
			world_put64(&c->w, s->leaf[tree][p], stale_target(p, version) | keep);
	}
	if (leaves)
		return;
	s->used = tree;
	for (unsigned i = 0; i < 2; i++)
		world_put64(&c->w, s->pointer[i], s->tree[tree] | s->pointer_bits);
}

/* Which pages a round changes, and the invalidation that fits: of a large page, any part. */
static unsigned choose(struct checker *c, unsigned page, uint64_t random, uint64_t *address,
		       unsigned *am)
{
	uint64_t inside = (random >> 9) & bits_low(pages[page].lg2) & ~bits_low(12);

	if (c->row->upper)
		page &= 1;
	inside &= bits_low(pages[page].lg2);
	*address = pages[page].iova;
	*am = c->row->how == BY_RANGE ? 1 : pages[page].lg2 - 12;
	if (c->row->how == BY_RANGE) {
		*address = pages[0].iova;
		return 3;
	}
	if (c->row->how != BY_PAGE)
		return c->row->upper ? 3 : (1U << PAGES) - 1;
	if (random >> 8 & 1) {
		*address += inside;
		*am = 0;
	}
	return 1U << page;
}

/* Everybody translates twice or so before the next round. */
static void let_readers(struct checker *c)
{
	for (unsigned i = 0; i < READERS; i++) {
		uint64_t seen = atomic_load(&c->reader[i].done);

		while (atomic_load(&c->reader[i].done) < seen + 2)
			sched_yield();
	}
}

static void round_of(struct checker *c, uint64_t random)
{
	/* one page for a while: then it is being looked up when it changes again */
	unsigned which = random >> 60 ? atomic_load(&c->focus)
				      : (unsigned)(random >> 16) % (SUBJECTS * PAGES);
	unsigned subject = which / PAGES;
	struct subject *s = &c->subject[subject];
	uint64_t address;
	unsigned am;
	unsigned mask = choose(c, which % PAGES, random, &address, &am);

	atomic_store(&c->focus, which);
	for (unsigned p = 0; p < PAGES; p++) {
		if (atomic_load(&s->published[p]) < VERSIONS_MAX)
			continue;
		atomic_store(&c->focus, (which + PAGES) % (SUBJECTS * PAGES));
		return;
	}
	if ((random & 7) == 1)
		let_readers(c);
	change(c, s, mask);
	if (c->row->registers)
		invalidate_by_register(c, s, address, am);
	else
		invalidate_by_queue(c, s, address, am);
	if (c->row->upper)
		spoil_table(c, s);
	for (unsigned p = 0; p < PAGES; p++) {
		atomic_store(&s->completed[p], atomic_load(&s->published[p]));
		if ((random >> 3 & 7) == 0) {
			read_page(&c->self[0], subject, p);
			read_page(&c->self[1], subject, p);
		}
	}
	if ((random >> 6 & 3) == 0)
		let_readers(c);
}

static void run_row(const struct row *row, uint64_t seed, unsigned parts)
{
	const struct world_config config = { .ttm = row->mode == LEGACY ? VTD_TTM_LEGACY
									: VTD_TTM_SCALABLE,
					     .registers = row->registers,
					     .tiny = row->tiny,
					     .partitions = row->partitions,
					     .slow = row->slow,
					     .membarrier = row->membarrier };
	static struct checker c;
	struct pace pace;
	uint64_t random = seed;

	memset(&c, 0, sizeof(c));
	c.row = row;
	if (!world_try_open(&c.w, &config))
		return;
	for (unsigned i = 0; i < SUBJECTS; i++)
		stale_build(&c, i);
	for (unsigned i = 0; i < 2; i++)
		open_reader(&c, &c.self[i], 2 * i, world_random(&random));
	for (unsigned i = 0; i < READERS; i++) {
		open_reader(&c, &c.reader[i], i, world_random(&random));
		world_start(&c.reader[i].thread, read_all, &c.reader[i]);
	}
	if (row->renumber)
		world_start(&c.renumberer, renumber, &c);
	pace = pace_begin(scaled(3000), parts);
	for (unsigned i = 0; pace_on(&pace, i) && !atomic_load(&c.w.failed); i++)
		round_of(&c, world_random(&random));
	atomic_store(&c.stop, true);
	if (row->renumber)
		pthread_join(c.renumberer, NULL);
	for (unsigned i = 0; i < READERS; i++)
		pthread_join(c.reader[i].thread, NULL);
	world_check(&c.w);
	for (unsigned i = 0; i < READERS; i++)
		close_reader(&c.reader[i]);
	for (unsigned i = 0; i < 2; i++)
		close_reader(&c.self[i]);
	for (unsigned i = 0; i < SUBJECTS; i++) {
		if (i == 0 || row->mode < FIRST)
			assert_int_equal(viommu_device_free(c.subject[i].device), VIOMMU_OK);
	}
	world_close(&c.w);
}

#define ROW(text, tables, invalidation, ...)                                                       \
	{                                                                                          \
		.name = text, .mode = tables, .how = invalidation, __VA_ARGS__                     \
	}

static const struct row rows[] = {
	ROW("6.5.2.3 legacy, page", LEGACY, BY_PAGE, ),
	ROW("6.5.2.3 legacy, page, tiny", LEGACY, BY_PAGE, .tiny = true),
	ROW("6.5.2.3 legacy, page, slow", LEGACY, BY_PAGE, .slow = true),
	ROW("6.5.2.3 legacy, domain, slow", LEGACY, BY_DOMAIN, .slow = true),
	ROW("6.5.2.3 legacy, global, slow", LEGACY, GLOBALLY, .slow = true, .tiny = true),
	ROW("6.5.2.1 legacy, context, slow", LEGACY, CONTEXT_DEVICE, .slow = true),
	ROW("6.5.2.4 first stage, page, slow", FIRST, BY_PAGE, .slow = true),
	ROW("6.5.2.2 first stage, PASID cache, slow", FIRST, PASID_ONE, .slow = true),
	ROW("6.5.2.3 nested, second stage, page, slow", NESTED_SECOND, BY_PAGE, .slow = true),
	ROW("6.5.2.3 legacy, range", LEGACY, BY_RANGE, ),
	ROW("6.5.2.3 legacy, domain", LEGACY, BY_DOMAIN, ),
	ROW("6.5.2.3 legacy, domain, tiny", LEGACY, BY_DOMAIN, .tiny = true),
	ROW("6.5.2.3 legacy, global", LEGACY, GLOBALLY, ),
	ROW("6.5.2.3 legacy, global, renumbered", LEGACY, GLOBALLY, .renumber = true),
	ROW("6.5.2.3 legacy, domain, renumbered", LEGACY, BY_DOMAIN, .renumber = true),
	ROW("6.5.2.1 legacy, context of a device", LEGACY, CONTEXT_DEVICE, ),
	ROW("6.5.2.1 legacy, contexts of a domain, tiny", LEGACY, CONTEXT_DOMAIN, .tiny = true),
	ROW("6.5.2.1 legacy, all contexts, tiny", LEGACY, CONTEXT_ALL, .tiny = true),
	ROW("6.5.1.2 registers, page", LEGACY, BY_PAGE, .registers = true),
	ROW("6.5.1.2 registers, domain, tiny", LEGACY, BY_DOMAIN, .registers = true, .tiny = true),
	ROW("6.5.1.2 registers, global", LEGACY, GLOBALLY, .registers = true),
	ROW("6.5.1.1 registers, context of a device", LEGACY, CONTEXT_DEVICE, .registers = true),
	ROW("6.5.1.1 registers, all contexts", LEGACY, CONTEXT_ALL, .registers = true),
	ROW("6.5.2.3 second stage, page", SECOND, BY_PAGE, ),
	ROW("6.5.2.3 second stage, domain", SECOND, BY_DOMAIN, ),
	ROW("6.5.2.2 second stage, PASID cache", SECOND, PASID_ALL, ),
	ROW("6.5.2.4 first stage, page", FIRST, BY_PAGE, ),
	ROW("6.5.2.4 first stage, page, tiny", FIRST, BY_PAGE, .tiny = true),
	ROW("6.5.2.4 first stage, range", FIRST, BY_RANGE, ),
	ROW("6.5.2.4 first stage, PASID", FIRST, BY_PASID, ),
	ROW("6.5.2.3 first stage, domain, tiny", FIRST, BY_DOMAIN, .tiny = true),
	ROW("6.5.2.2 first stage, PASID cache", FIRST, PASID_ONE, ),
	ROW("6.5.2.2 first stage, PASID cache of a domain", FIRST, PASID_ALL, .tiny = true),
	ROW("6.5.2.4 nested, first stage, page", NESTED_FIRST, BY_PAGE, ),
	ROW("6.5.2.4 nested, first stage, PASID, tiny", NESTED_FIRST, BY_PASID, .tiny = true),
	ROW("6.5.2.3 nested, second stage, page", NESTED_SECOND, BY_PAGE, ),
	ROW("6.5.2.3 nested, second stage, domain", NESTED_SECOND, BY_DOMAIN, .tiny = true),
	ROW("6.5.2.2 nested, second stage, PASID cache", NESTED_SECOND, PASID_ALL, ),
	/* 6.5.2.3, 6.5.2.4, IH clear: the entry above has changed, too */
	ROW("6.5.3 legacy, table, page", LEGACY, BY_PAGE, .upper = true),
	ROW("6.5.3 legacy, table, page, tiny", LEGACY, BY_PAGE, .upper = true, .tiny = true),
	ROW("6.5.3 legacy, table, page, slow", LEGACY, BY_PAGE, .upper = true, .slow = true),
	ROW("6.5.3 legacy, table, page, tiny, slow", LEGACY, BY_PAGE, .upper = true, .slow = true,
	    .tiny = true),
	ROW("6.5.3 legacy, table, range, tiny", LEGACY, BY_RANGE, .upper = true, .tiny = true),
	ROW("6.5.3 legacy, table, domain, tiny", LEGACY, BY_DOMAIN, .upper = true, .tiny = true),
	ROW("6.5.3 legacy, table, global, tiny, slow", LEGACY, GLOBALLY, .upper = true,
	    .tiny = true, .slow = true),
	ROW("6.5.3 registers, table, page, tiny", LEGACY, BY_PAGE, .upper = true, .tiny = true,
	    .registers = true),
	ROW("6.5.3 first stage, table, page, tiny", FIRST, BY_PAGE, .upper = true, .tiny = true),
	ROW("6.5.3 first stage, table, page, slow", FIRST, BY_PAGE, .upper = true, .slow = true),
	ROW("6.5.3 first stage, table, PASID, tiny", FIRST, BY_PASID, .upper = true, .tiny = true),
	ROW("6.5.3 nested, table, page, tiny", NESTED_FIRST, BY_PAGE, .upper = true, .tiny = true),
	ROW("6.5.3 nested, table of the second stage", NESTED_SECOND, BY_PAGE, .upper = true,
	    .tiny = true),
	/* devices that are told apart */
	ROW("partitions: legacy, page", LEGACY, BY_PAGE, .partitions = 3),
	ROW("partitions: legacy, domain, tiny", LEGACY, BY_DOMAIN, .partitions = 12, .tiny = true),
	ROW("partitions: legacy, page, slow", LEGACY, BY_PAGE, .partitions = 12, .slow = true),
	ROW("partitions: legacy, global, renumbered", LEGACY, GLOBALLY, .partitions = 5,
	    .renumber = true),
	ROW("partitions: legacy, context of a device, slow", LEGACY, CONTEXT_DEVICE,
	    .partitions = 3, .slow = true),
	ROW("partitions: legacy, contexts of a domain, tiny, slow", LEGACY, CONTEXT_DOMAIN,
	    .partitions = 2, .tiny = true, .slow = true),
	ROW("partitions: legacy, contexts of a domain, renumbered", LEGACY, CONTEXT_DOMAIN,
	    .partitions = 12, .renumber = true),
	ROW("partitions: registers, contexts of a domain, tiny", LEGACY, CONTEXT_DOMAIN,
	    .partitions = 5, .tiny = true, .registers = true),
	ROW("partitions: second stage, PASID cache of a domain, tiny, slow", SECOND, PASID_ALL,
	    .partitions = 2, .tiny = true, .slow = true),
	ROW("partitions: first stage, PASID, tiny", FIRST, BY_PASID, .partitions = 2, .tiny = true),
	ROW("partitions: legacy, table, page, tiny", LEGACY, BY_PAGE, .partitions = 12,
	    .upper = true, .tiny = true),
	ROW("partitions: registers, domain", LEGACY, BY_DOMAIN, .partitions = 3, .registers = true),
	ROW("partitions: membarrier, page", LEGACY, BY_PAGE, .partitions = 12, .membarrier = true),
	/* readers without fences */
	ROW("membarrier: legacy, page", LEGACY, BY_PAGE, .membarrier = true),
	ROW("membarrier: legacy, page, tiny", LEGACY, BY_PAGE, .membarrier = true, .tiny = true),
	ROW("membarrier: legacy, global", LEGACY, GLOBALLY, .membarrier = true),
	ROW("membarrier: legacy, context, slow", LEGACY, CONTEXT_DEVICE, .membarrier = true,
	    .slow = true),
	ROW("membarrier: legacy, table, page, slow", LEGACY, BY_PAGE, .membarrier = true,
	    .upper = true, .slow = true),
	ROW("membarrier: first stage, table, PASID, tiny", FIRST, BY_PASID, .membarrier = true,
	    .upper = true, .tiny = true),
	ROW("membarrier: registers, domain, renumbered", LEGACY, BY_DOMAIN, .membarrier = true,
	    .registers = true, .renumber = true),
};

static void test_rows(void **state)
{
	uint64_t seed = run_seed(RUN_ANY_SEED);

	(void)state;
	for (unsigned i = 0; i < ARRAY_COUNT(rows); i++) {
		print_message("%s\n", rows[i].name);
		run_row(&rows[i], seed, ARRAY_COUNT(rows));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_rows) };

	return cmocka_run_group_tests_name("stale", tests, NULL, NULL);
}
