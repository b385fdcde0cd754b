/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_translate_list.c - iommu.h: viommu_translate_list() is viommu_translate() of its requests, one after the other.
 *
 * Two guests are the same, word for word. One is asked by lists, the other one by one: results, *done, fragments,
 * answers, fault records, what was read of guest memory and in which order, and guest memory afterwards must be equal.
 */
#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bits.h"
#include "guest.h"
#include "run.h"

#define IOVA   UINT64_C(0x40000000)
#define LARGE  (IOVA + 0x200000) /* a page of 2 MiB, to gpa 0: across the border of the region */
#define ROM    UINT64_C(0x8000000)
#define HOLE   UINT64_C(0x9000000)
#define WINDOW UINT64_C(0xfee00000)
#define RID    UINT16_C(0x10)
#define PASID  5U
#define PAGES  64U
#define MOST   200U  /* requests of a list */
#define ROOM   1200U /* fragments */
#define GUARD  UINT64_C(0x5a5a5a5a5a5a5a5a)
#define TRACED 16384U

enum kind { SECOND, QUIET_SECOND, FIRST, PASS, KINDS };

struct side {
	struct guest g;
	struct viommu_device *device;
	struct viommu_channel *channel;
	uint64_t root;
	uint64_t pool; /* pages that are mapped */
	uint64_t trace[TRACED];
	unsigned traced;
	/* What was answered. */
	int result;
	uint32_t done;
	uint32_t used;
	struct viommu_fragment fragment[ROOM + 1];
	struct viommu_answer answer[MOST + 1];
};

struct pair {
	enum kind kind;
	uint64_t seed;
	unsigned step;
	struct side side[2]; /* lists; one by one */
	struct viommu_request request[MOST];
	uint64_t random;
};

static struct pair pair;
static _Alignas(4096) uint8_t rom[2 * 4096];

static uint64_t next(struct pair *p)
{
	p->random ^= p->random << 13;
	p->random ^= p->random >> 7;
	p->random ^= p->random << 17;
	return p->random >> 8;
}

/* ---- the two guests ---- */

static void note_read(void *opaque, uint64_t gpa, void *bytes, uint32_t count)
{
	struct side *s = opaque;

	if (s->traced < TRACED)
		s->trace[s->traced] = gpa << 8 | count;
	s->traced++;
}

static void set_page(struct pair *p, unsigned n, uint64_t target, uint64_t bits)
{
	for (unsigned i = 0; i < 2; i++) {
		struct side *s = &p->side[i];
		uint64_t table = p->kind == FIRST ? GUEST_FS : GUEST_RW;

		guest_put64(&s->g, guest_entry(&s->g, s->root, 4, IOVA + n * GUEST_PAGE, 0, table),
			    bits ? target | bits : 0);
	}
}

/* Absent, protected, ROM, a hole; mostly memory, of which neighbours often continue one another. */
static void random_page(struct pair *p, unsigned n)
{
	uint64_t r = next(p);
	uint64_t pool = p->side[0].pool;
	uint64_t all = p->kind == FIRST ? GUEST_FS : GUEST_RW;
	uint64_t near = pool + (n + (r >> 8 & 7 ? 0 : 3)) % PAGES * GUEST_PAGE;

	switch (r % 16) {
	case 0:
		set_page(p, n, 0, 0);
		break;
	case 1:
		set_page(p, n, near, p->kind == FIRST ? 5 : 1);
		break;
	case 2:
		set_page(p, n, near, p->kind == FIRST ? 3 : 2);
		break;
	case 3:
		set_page(p, n, ROM + (r >> 8 & 1) * GUEST_PAGE, all);
		break;
	case 4:
		set_page(p, n, HOLE + n * GUEST_PAGE, all);
		break;
	default:
		set_page(p, n, near, all);
	}
}

static void open_side(struct pair *p, struct side *s, enum guest_memory memory,
		      const struct viommu_limits *limits)
{
	struct viommu_vtd_config config = {
		.size = sizeof(config),
		.cap = p->kind == FIRST ? GUEST_CAP_SCALABLE : GUEST_CAP,
		.ecap = p->kind == FIRST ? GUEST_ECAP_SCALABLE : GUEST_ECAP_LEGACY,
		.limits = limits
	};
	struct viommu_region r = { .size = sizeof(r),
				   .flags = VIOMMU_REGION_READONLY,
				   .gpa = ROM,
				   .bytes = sizeof(rom),
				   .host = rom };
	struct guest_pasid pasid = { .did = 7, .pgtt = VTD_PGTT_FIRST, .fs_levels = 4 };
	struct guest *g = &s->g;

	guest_init(g, memory, 200);
	assert_int_equal(viommu_vm_add_region(g->vm, &r), VIOMMU_OK);
	assert_int_equal(guest_try_vtd_config(g, &config), VIOMMU_OK);
	s->root = guest_table(g);
	s->pool = guest_alloc(g, PAGES);
	pasid.fs = s->root;
	if (p->kind == FIRST) {
		guest_fs_map(g, s->root, 4, LARGE, 0, 21, GUEST_FS);
		guest_pasid(g, RID, PASID, &pasid);
	} else {
		guest_ss_map(g, s->root, 4, LARGE, 0, 21, GUEST_RW);
		guest_legacy_tt(g, RID, 7, s->root, 4,
				p->kind == PASS ? VTD_TT_PASS : VTD_TT_DEVICE_TLB);
	}
	if (p->kind == QUIET_SECOND) {
		uint64_t context = guest_legacy_entry(g, RID);

		guest_put64(g, context, guest_get64(g, context) | VTD_CE_FPD);
	}
	guest_start(g, p->kind == FIRST ? VTD_TTM_SCALABLE : VTD_TTM_LEGACY);
	s->device = guest_device(g, RID);
	s->channel = guest_channel(g, s->device, p->kind == FIRST ? PASID : VIOMMU_NO_PASID);
	g->alter = note_read;
	g->alter_opaque = s;
}

static void open_pair(struct pair *p, enum kind kind, enum guest_memory memory, uint64_t seed)
{
	static const uint32_t channel[] = { 1, 2, 64 };
	struct viommu_limits limits = { .size = sizeof(limits) };

	memset(p, 0, sizeof(*p));
	p->kind = kind;
	p->seed = seed;
	p->random = seed | 1;
	limits.tlb_entries = next(p) & 1 ? 20 : 320;
	limits.tables = next(p) & 1 ? 1 : 64;
	limits.channel_entries = channel[next(p) % 3];
	limits.contexts = 8;
	limits.domains = 8;
	for (unsigned i = 0; i < 2; i++)
		open_side(p, &p->side[i], memory, &limits);
	for (unsigned n = 0; n < PAGES; n++)
		random_page(p, n);
}

static void close_pair(struct pair *p)
{
	for (unsigned i = 0; i < 2; i++)
		guest_fini(&p->side[i].g);
}

/* ---- asking ---- */

static void clear_answers(struct side *s)
{
	for (unsigned i = 0; i <= ROOM; i++)
		s->fragment[i] = (struct viommu_fragment){ .gpa = GUARD, .length = GUARD };
	for (unsigned i = 0; i <= MOST; i++)
		s->answer[i] = (struct viommu_answer){ .next = GUARD };
	s->traced = 0;
}

static void ask_list(struct pair *p, uint32_t count, uint32_t max)
{
	struct side *s = &p->side[0];

	clear_answers(s);
	s->done = UINT32_MAX;
	s->result = viommu_translate_list(s->channel, p->request, count, s->fragment, max,
					  s->answer, &s->done);
	s->used = 0;
	for (unsigned i = 0; i <= MOST && s->answer[i].next != GUARD; i++)
		s->used += s->answer[i].count;
}

/* The meaning of a list. */
static void ask_one_by_one(struct pair *p, uint32_t count, uint32_t max)
{
	struct side *s = &p->side[1];

	clear_answers(s);
	s->result = VIOMMU_OK;
	s->used = 0;
	for (s->done = 0; s->done < count; s->done++) {
		struct viommu_answer *answer = &s->answer[s->done];

		if (s->used == max) {
			*answer = (struct viommu_answer){ .next = p->request[s->done].first };
			s->result = VIOMMU_MORE;
			return;
		}
		s->result = viommu_translate(s->channel, &p->request[s->done],
					     &s->fragment[s->used], max - s->used, answer);
		if (s->result >= 0)
			s->used += answer->count;
		if (s->result)
			return;
	}
}

static void show(const struct pair *p, uint32_t i)
{
	const struct viommu_request *r = &p->request[i];

	print_error("seed 0x%llx, kind %u, step %u, request %u: %llx to %llx, access %u, type %u, "
		    "pasid %x\n",
		    (unsigned long long)p->seed, p->kind, p->step, i, (unsigned long long)r->first,
		    (unsigned long long)r->last, r->access, r->type, r->pasid);
	for (unsigned n = 0; n < 2; n++) {
		const struct side *s = &p->side[n];

		print_error("%s: result %d, done %u, used %u; answer: next %llx, count %u, reason "
			    "%x, ats %u\n",
			    n ? "one by one" : "list", s->result, s->done, s->used,
			    (unsigned long long)s->answer[i].next, s->answer[i].count,
			    s->answer[i].reason, s->answer[i].ats);
	}
}

/* The pointer, as an offset in the guest's memory, or in the ROM, which they share. */
static uint64_t host_of(const struct side *s, const struct viommu_fragment *f)
{
	const uint8_t *host = f->host;

	if (!host)
		return UINT64_MAX;
	return host >= rom && host < rom + sizeof(rom) ? (uint64_t)(host - rom) | BIT(48)
						       : (uint64_t)(host - s->g.ram);
}

static bool same_fragment(const struct pair *p, uint32_t i)
{
	const struct viommu_fragment *a = &p->side[0].fragment[i];
	const struct viommu_fragment *b = &p->side[1].fragment[i];

	return a->gpa == b->gpa && a->length == b->length && a->perm == b->perm &&
	       a->flags == b->flags && host_of(&p->side[0], a) == host_of(&p->side[1], b);
}

static void require(const struct pair *p, bool same, uint32_t i, const char *what)
{
	if (same)
		return;
	show(p, i < MOST ? i : MOST - 1);
	fail_msg("%s differ", what);
}

static void compare_faults(struct pair *p)
{
	for (;;) {
		struct guest_fault fault[2] = { { .info = 0 }, { .info = 0 } };
		bool more[2];

		for (unsigned i = 0; i < 2; i++)
			more[i] = guest_take_fault(&p->side[i].g, &fault[i]);
		require(p,
			more[0] == more[1] && fault[0].info == fault[1].info &&
				fault[0].high == fault[1].high,
			p->side[1].done, "fault records");
		if (!more[0])
			return;
	}
}

/* @max: of fragments; beyond it and beyond the last answer nothing is written. */
static void compare(struct pair *p, uint32_t count, uint32_t max)
{
	struct side *list = &p->side[0];
	struct side *one = &p->side[1];
	uint32_t last = one->done < count ? one->done : count - 1;

	require(p, list->result == one->result && list->done == one->done, one->done, "results");
	for (uint32_t i = 0; count && i <= last; i++) {
		if (one->result < 0 && i == one->done)
			break; /* misuse has no answer */
		require(p, memcmp(&list->answer[i], &one->answer[i], sizeof(one->answer[i])) == 0,
			i, "answers");
	}
	require(p, list->used == one->used && one->used <= max, one->done, "numbers of fragments");
	for (uint32_t i = 0; i < one->used; i++)
		require(p, same_fragment(p, i), one->done, "fragments");
	require(p, list->fragment[max].gpa == GUARD && list->fragment[max].length == GUARD,
		one->done, "fragments beyond the last");
	for (uint32_t i = one->done + 1; i <= MOST; i++)
		require(p, list->answer[i].next == GUARD, one->done, "answers beyond the last");
	require(p,
		list->traced == one->traced && list->traced <= TRACED &&
			memcmp(list->trace, one->trace, list->traced * sizeof(uint64_t)) == 0,
		one->done, "reads of guest memory");
	require(p, memcmp(list->g.ram, one->g.ram, one->g.bytes) == 0, one->done, "guest memories");
	compare_faults(p);
}

static void ask_both(struct pair *p, uint32_t count, uint32_t max)
{
	ask_list(p, count, max);
	ask_one_by_one(p, count, max);
	compare(p, count, max);
	p->step++;
}

/* ---- random lists ---- */

static void misuse(struct pair *p, struct viommu_request *r)
{
	switch (next(p) % 6) {
	case 0:
		r->last = r->first - 1;
		break;
	case 1:
		r->access = (uint16_t)(next(p) & 1 ? 0 : VIOMMU_PRIV);
		break;
	case 2:
		r->access |= 0x10;
		break;
	case 3:
		r->type = 3;
		break;
	case 4:
		r->pasid ^= 1;
		break;
	default:
		r->pasid = r->pasid == VIOMMU_NO_PASID ? PASID : VIOMMU_NO_PASID;
	}
}

static uint64_t random_address(struct pair *p)
{
	uint64_t r = next(p);
	uint64_t base = p->kind == PASS ? p->side[0].pool : IOVA;

	if (r % 8 == 0) /* around the border of the region */
		return (p->kind == PASS ? 0 : LARGE) + GUEST_BASE - 0x2000 + (r >> 8) % 0x4000;
	return base + (r >> 8) % PAGES * GUEST_PAGE + (r & 16 ? (r >> 20) % GUEST_PAGE : 0);
}

/* @trouble: about one of so many requests is misuse, an interrupt, or of another type. */
static void random_request(struct pair *p, struct viommu_request *r, unsigned trouble)
{
	static const uint16_t accesses[] = { VIOMMU_READ, VIOMMU_READ, VIOMMU_WRITE,
					     VIOMMU_READ | VIOMMU_WRITE };
	uint64_t x = next(p);

	*r = (struct viommu_request){ .first = random_address(p),
				      .pasid = p->kind == FIRST ? PASID : VIOMMU_NO_PASID,
				      .access = accesses[x & 3] };
	r->last = r->first + (x & 4 ? (x >> 8) % 64 : (x >> 8) % (6 * GUEST_PAGE));
	if (x >> 32 & 1 && p->kind == FIRST)
		r->access |= VIOMMU_PRIV;
	if (next(p) % trouble)
		return;
	switch (next(p) % 6) {
	case 0:
		misuse(p, r);
		break;
	case 1:
		r->first = WINDOW + (x >> 40) % 0x1000;
		r->last = r->first + 3;
		r->access = next(p) & 1 ? VIOMMU_READ : VIOMMU_WRITE;
		break;
	case 2:
		r->type = VIOMMU_AT_TRANSLATION;
		break;
	case 3:
		r->type = VIOMMU_AT_TRANSLATED;
		break;
	case 4:
		r->first = IOVA - 0x800; /* into the mappings from before them */
		break;
	default:
		r->first = BIT(48 + (x & 15)) - 1;
		r->last = r->first + 1;
	}
}

/* Between lists: pages change, with and without invalidation; sections open and close. */
static void disturb(struct pair *p, bool *open)
{
	uint64_t r = next(p);
	unsigned page = (unsigned)(r >> 8) % PAGES;

	if (r % 4 == 0)
		random_page(p, page);
	if (r % 64 == 7 && *open) /* a wait would wait for the section */
		r++;
	for (unsigned i = 0; i < 2; i++) {
		struct guest *g = &p->side[i].g;

		if (r % 8 == 1) {
			guest_submit(g, GUEST_IOTLB(VTD_GRAN_DOMAIN, 7), 0, 0, 0);
			guest_ring(g);
		}
		if (r % 8 == 3 && p->kind != FIRST) {
			guest_submit(g, GUEST_IOTLB(VTD_GRAN_LOCAL, 7), IOVA + page * GUEST_PAGE, 0,
				     0);
			guest_ring(g);
		}
		if (r % 64 == 7)
			guest_invalidate_all(g);
		if (r % 8 == 5)
			assert_int_equal(*open ? viommu_leave(p->side[i].channel)
					       : viommu_enter(p->side[i].channel),
					 VIOMMU_OK);
	}
	if (r % 8 == 5)
		*open = !*open;
}

static void one_pair(enum kind kind, enum guest_memory memory, uint64_t seed, unsigned lists)
{
	struct pair *p = &pair;
	bool open = false;

	open_pair(p, kind, memory, seed);
	for (unsigned n = 0; n < lists; n++) {
		uint32_t count = (uint32_t)(next(p) & 3 ? next(p) % 24 : next(p) % (MOST + 1));
		uint32_t max = next(p) & 1 ? ROOM : 1 + (uint32_t)(next(p) % 32);
		unsigned trouble = next(p) & 1 ? 10 : 400;

		disturb(p, &open);
		for (uint32_t i = 0; i < count; i++)
			random_request(p, &p->request[i], trouble);
		ask_both(p, count, max);
		if (count) /* the same again, warm */
			ask_both(p, count, max);
	}
	for (unsigned i = 0; open && i < 2; i++)
		assert_int_equal(viommu_leave(p->side[i].channel), VIOMMU_OK);
	close_pair(p);
}

static void random_lists(void **state)
{
	uint64_t seed = run_seed(RUN_ANY_SEED);
	unsigned rounds = (unsigned)run_scaled(12);

	for (unsigned i = 0; i < rounds; i++) {
		for (unsigned kind = 0; kind < KINDS; kind++) {
			one_pair((enum kind)kind, GUEST_REGION, seed + i, 60);
			one_pair((enum kind)kind, GUEST_CALLBACKS, seed + i, 60);
		}
	}
}

/* An invalidation that does not concern the channel moves the epoch: what its own cache has stays, for a single
 * request as for a list, also if the shared TLB has lost it. Each of these found that once. */
static void own_cache_stays(void **state)
{
	static const uint64_t seeds[] = { 0xac1c99bd06eb321f, 0x7669fb8fd81f2f92,
					  0x278d239d85df6912 };

	(void)state;
	for (size_t i = 0; i < sizeof(seeds) / sizeof(seeds[0]); i++)
		one_pair(SECOND, GUEST_CALLBACKS, seeds[i], 60);
}

/* Fragments run out at every point: the answer says where to go on, and going on gives the rest. */
static void fragments_run_out(void **state)
{
	struct pair *p = &pair;
	uint32_t total;

	open_pair(p, SECOND, GUEST_REGION, 77);
	for (unsigned n = 0; n < PAGES; n++)
		set_page(p, n, p->side[0].pool + (n * 7 % PAGES) * GUEST_PAGE, GUEST_RW);
	for (unsigned i = 0; i < 2; i++)
		guest_invalidate_all(&p->side[i].g);
	for (uint32_t i = 0; i < 24; i++) {
		p->request[i] = (struct viommu_request){ .first = IOVA + i * 0x1100,
							 .pasid = VIOMMU_NO_PASID,
							 .access = VIOMMU_READ };
		p->request[i].last = p->request[i].first + i % 4 * GUEST_PAGE;
	}
	ask_both(p, 24, ROOM);
	assert_int_equal(p->side[0].result, VIOMMU_OK);
	total = p->side[0].used;
	assert_true(total > 24);
	for (uint32_t max = 1; max <= total + 1; max++) {
		ask_both(p, 24, max);
		assert_int_equal(p->side[0].result, max < total ? VIOMMU_MORE : VIOMMU_OK);
		assert_int_equal(p->side[0].used, max < total ? max : total);
	}
	close_pair(p);
}

/* What goes wrong in the middle: those before it are answered, those behind it are not touched. */
static void trouble_in_the_middle(void **state)
{
	static const struct {
		const char *name;
		struct viommu_request request;
		int result;
	} rows[] = {
		{ "an absent page",
		  { IOVA + 63 * GUEST_PAGE, IOVA + 63 * GUEST_PAGE, VIOMMU_NO_PASID, VIOMMU_READ,
		    0 },
		  VIOMMU_FAULT },
		{ "the second page of it is absent",
		  { IOVA + 62 * GUEST_PAGE, IOVA + 63 * GUEST_PAGE, VIOMMU_NO_PASID, VIOMMU_READ,
		    0 },
		  VIOMMU_FAULT },
		{ "an interrupt",
		  { WINDOW, WINDOW + 3, VIOMMU_NO_PASID, VIOMMU_WRITE, 0 },
		  VIOMMU_INTERRUPT },
		{ "reading where interrupts are",
		  { WINDOW, WINDOW + 3, VIOMMU_NO_PASID, VIOMMU_READ, 0 },
		  VIOMMU_FAULT },
		{ "backwards", { IOVA + 1, IOVA, VIOMMU_NO_PASID, VIOMMU_READ, 0 }, VIOMMU_EINVAL },
		{ "backwards by all",
		  { UINT64_MAX, 0, VIOMMU_NO_PASID, VIOMMU_READ, 0 },
		  VIOMMU_EINVAL },
		{ "no access", { IOVA, IOVA, VIOMMU_NO_PASID, 0, 0 }, VIOMMU_EINVAL },
		{ "unknown access", { IOVA, IOVA, VIOMMU_NO_PASID, 0x21, 0 }, VIOMMU_EINVAL },
		{ "unknown type", { IOVA, IOVA, VIOMMU_NO_PASID, VIOMMU_READ, 3 }, VIOMMU_EINVAL },
		{ "another PASID", { IOVA, IOVA, 3, VIOMMU_READ, 0 }, VIOMMU_EINVAL },
	};
	static const uint32_t places[] = { 0, 1, 31, 32, 33, 63, 64, 99 };

	for (size_t i = 0; i < ARRAY_COUNT(rows) * ARRAY_COUNT(places); i++) {
		size_t n = i / ARRAY_COUNT(places);
		uint32_t at = places[i % ARRAY_COUNT(places)];
		struct pair *p = &pair;

		open_pair(p, SECOND, i & 1 ? GUEST_REGION : GUEST_CALLBACKS, 5);
		for (unsigned k = 0; k < PAGES; k++)
			set_page(p, k, p->side[0].pool + k * GUEST_PAGE, k == 63 ? 0 : GUEST_RW);
		for (uint32_t k = 0; k < 100; k++) {
			p->request[k] =
				(struct viommu_request){ .first = IOVA + k % 60 * GUEST_PAGE,
							 .pasid = VIOMMU_NO_PASID,
							 .access = VIOMMU_READ };
			p->request[k].last = p->request[k].first + 7;
		}
		p->request[at] = rows[n].request;
		ask_both(p, 100, ROOM);
		check_eq(rows[n].name, p->side[0].result, rows[n].result);
		check_eq(rows[n].name, p->side[0].done, at);
		check_eq(rows[n].name, p->side[0].answer[at + 1].next, GUARD);
		close_pair(p);
	}
}

/* ---- misuse of the call ---- */

static void misuse_of_the_call(void **state)
{
	struct viommu_request r = {
		.first = IOVA, .last = IOVA, .pasid = VIOMMU_NO_PASID, .access = VIOMMU_READ
	};
	struct pair *p = &pair;
	struct viommu_channel *c;
	struct viommu_fragment f = { .gpa = GUARD };
	struct viommu_answer a = { .next = GUARD };
	uint32_t done = 99;

	open_pair(p, SECOND, GUEST_REGION, 3);
	set_page(p, 0, p->side[0].pool, GUEST_RW);
	c = p->side[0].channel;
	assert_int_equal(viommu_translate_list(NULL, &r, 1, &f, 1, &a, &done), VIOMMU_EINVAL);
	assert_int_equal(viommu_translate_list(c, NULL, 1, &f, 1, &a, &done), VIOMMU_EINVAL);
	assert_int_equal(viommu_translate_list(c, &r, 1, NULL, 1, &a, &done), VIOMMU_EINVAL);
	assert_int_equal(viommu_translate_list(c, &r, 1, &f, 0, &a, &done), VIOMMU_EINVAL);
	assert_int_equal(viommu_translate_list(c, &r, 1, &f, 1, NULL, &done), VIOMMU_EINVAL);
	assert_int_equal(viommu_translate_list(c, &r, 1, &f, 1, &a, NULL), VIOMMU_EINVAL);
	assert_int_equal(done, 99);
	assert_int_equal(viommu_translate_list(c, &r, 0, &f, 1, &a, &done), VIOMMU_OK);
	assert_int_equal(done, 0);
	assert_true(f.gpa == GUARD && a.next == GUARD);
	assert_int_equal(viommu_translate_list(c, &r, 1, &f, 1, &a, &done), VIOMMU_OK);
	assert_int_equal(done, 1);
	assert_int_equal(f.gpa, p->side[0].pool);
	close_pair(p);
}

/* ---- from inside a callback ---- */

struct inside {
	struct viommu_channel *channel;
	struct viommu_channel *other;
	unsigned calls;
	bool busy;
};

static void from_inside(void *opaque, enum guest_event event)
{
	struct viommu_request r = { .first = IOVA + 50 * GUEST_PAGE, /* not in the list */
				    .last = IOVA + 50 * GUEST_PAGE,
				    .pasid = VIOMMU_NO_PASID,
				    .access = VIOMMU_READ };
	struct inside *in = opaque;
	struct viommu_fragment f = { .gpa = GUARD };
	struct viommu_answer a = { .next = GUARD };
	uint32_t done = 99;

	if (event != GUEST_ON_READ || in->busy)
		return;
	in->busy = true;
	in->calls++;
	assert_int_equal(viommu_translate_list(in->channel, &r, 1, &f, 1, &a, &done), VIOMMU_EBUSY);
	assert_int_equal(done, 0);
	assert_int_equal(viommu_translate_list(in->channel, &r, 0, &f, 1, &a, &done), VIOMMU_EBUSY);
	assert_int_equal(viommu_translate(in->channel, &r, &f, 1, &a), VIOMMU_EBUSY);
	assert_true(f.gpa == GUARD && a.next == GUARD);
	assert_int_equal(viommu_enter(in->channel), VIOMMU_EBUSY);
	assert_int_equal(viommu_leave(in->channel), VIOMMU_EINVAL);
	assert_int_equal(viommu_channel_free(in->channel), VIOMMU_EBUSY);
	/* another channel may */
	assert_int_equal(viommu_translate_list(in->other, &r, 1, &f, 1, &a, &done), VIOMMU_OK);
	assert_int_equal(done, 1);
	in->busy = false;
}

static void busy(void **state)
{
	for (unsigned open = 0; open < 2; open++) {
		struct pair *p = &pair;
		struct side *s = &p->side[0];
		struct inside in;

		open_pair(p, SECOND, GUEST_CALLBACKS, 9);
		for (unsigned n = 0; n < PAGES; n++)
			set_page(p, n, s->pool + n * GUEST_PAGE, GUEST_RW);
		in = (struct inside){ .channel = s->channel,
				      .other = guest_channel(&s->g, s->device, VIOMMU_NO_PASID) };
		for (uint32_t i = 0; i < 10; i++)
			p->request[i] = (struct viommu_request){ .first = IOVA + i * GUEST_PAGE,
								 .last = IOVA + i * GUEST_PAGE,
								 .pasid = VIOMMU_NO_PASID,
								 .access = VIOMMU_READ };
		s->g.hook = from_inside;
		s->g.hook_opaque = &in;
		if (open)
			assert_int_equal(viommu_enter(s->channel), VIOMMU_OK);
		ask_list(p, 10, ROOM);
		s->g.hook = NULL;
		if (open)
			assert_int_equal(viommu_leave(s->channel), VIOMMU_OK);
		assert_int_equal(s->result, VIOMMU_OK);
		assert_int_equal(s->done, 10);
		assert_true(in.calls >= 10);
		for (uint32_t i = 0; i < 10; i++)
			assert_int_equal(s->fragment[i].gpa, s->pool + i * GUEST_PAGE);
		close_pair(p);
	}
}

/* ---- sections ---- */

static void end_of_wait(void *opaque, enum guest_event event)
{
	struct side *s = opaque;

	/* an invalidation from inside a list: its wait may not complete before the list is over */
	if (event != GUEST_ON_READ)
		return;
	s->g.hook = NULL;
	guest_submit(&s->g, GUEST_IOTLB(VTD_GRAN_DOMAIN, 7), 0, 0, 0);
	guest_submit_wait(&s->g);
	assert_int_equal(guest_ring(&s->g), VIOMMU_PENDING);
	assert_false(guest_waited(&s->g));
}

/* From the first table that is read to the end of the call, a list is a section. */
static void a_list_is_a_section(void **state)
{
	struct pair *p = &pair;
	struct side *s = &p->side[0];
	unsigned works;

	open_pair(p, SECOND, GUEST_CALLBACKS, 11);
	for (unsigned n = 0; n < PAGES; n++)
		set_page(p, n, s->pool + n * GUEST_PAGE, GUEST_RW);
	for (uint32_t i = 0; i < 40; i++)
		p->request[i] = (struct viommu_request){ .first = IOVA + i * GUEST_PAGE,
							 .last = IOVA + i * GUEST_PAGE,
							 .pasid = VIOMMU_NO_PASID,
							 .access = VIOMMU_READ };
	works = s->g.count[GUEST_ON_WORK];
	s->g.hook = end_of_wait;
	s->g.hook_opaque = s;
	ask_list(p, 40, ROOM);
	assert_int_equal(s->result, VIOMMU_OK);
	/* and its end tells the host */
	assert_int_equal(s->g.count[GUEST_ON_WORK] - works, 1);
	assert_false(guest_waited(&s->g));
	assert_int_equal(viommu_run(s->g.iommu), VIOMMU_OK);
	assert_true(guest_waited(&s->g));
	close_pair(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_lists),	       cmocka_unit_test(own_cache_stays),
		cmocka_unit_test(fragments_run_out),   cmocka_unit_test(trouble_in_the_middle),
		cmocka_unit_test(misuse_of_the_call),  cmocka_unit_test(busy),
		cmocka_unit_test(a_list_is_a_section),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
