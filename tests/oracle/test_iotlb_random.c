/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_iotlb_random.c - a device IOTLB against a list that is searched from its beginning: random
 * ranges added, invalidated and looked up by two readers, at every edge of the address space.
 *
 * Compared after each operation: result, fragments, where an answer stops, what is asked for, and
 * how many ranges there are, which says who was evicted as soon as it is looked up.
 */
#include "check.h"

#include <libvirtiommu/vhost.h>

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "run.h"
#include "vhost_iotlb.h"

enum { UNITS = 96, MOST = 64, MOST_MISSES = 8, FRAGMENTS = 6, READERS = 2, OPERATIONS = 1200000 };

struct range {
	uint64_t first, last, host, gpa;
	uint32_t perm;
};

struct miss {
	uint64_t page;
	uint32_t wanted, asked;
	unsigned answers, lookups, repeat;
};

/* Ranges and misses in the order of their age. */
struct model {
	struct range range[MOST + 4];
	unsigned ranges, cap;
	struct miss miss[MOST_MISSES + 1];
	unsigned misses, misses_cap, waited, patience;
};

struct world {
	const struct row *row;
	struct viommu_iotlb *t;
	struct viommu_iotlb_reader *reader[READERS];
	struct model m;
	uint64_t random;
	unsigned asks;
	uint64_t asked;
	uint32_t asked_access;
	uint64_t results[5]; /* of lookups: VIOMMU_OK to VIOMMU_MORE; evictions */
};

struct row {
	const char *name;
	uint64_t base, unit;
	unsigned cap, misses;
};

static uint64_t next_random(struct world *w)
{
	uint64_t z = w->random += 0x9e3779b97f4a7c15U;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
	return z ^ (z >> 31);
}

static unsigned pick(struct world *w, unsigned n)
{
	return (unsigned)(next_random(w) >> 33) % n;
}

/* ---- the model ---- */

/* An update with a permission, or an invalidation. */
static void model_answer(struct model *m, uint64_t first, uint64_t last, uint32_t perm)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < m->misses; i++) {
		struct miss miss = m->miss[i];

		if (miss.page >= first / 4096 && miss.page <= last / 4096) {
			miss.asked = 0;
			miss.wanted &= ~perm;
			miss.answers += perm != 0;
			if (!miss.wanted)
				continue;
		}
		m->miss[kept++] = miss;
	}
	m->misses = kept;
	m->patience = 1;
}

static void model_cut(struct model *m, uint64_t first, uint64_t last)
{
	struct range old[MOST + 4];
	unsigned count = m->ranges;

	memcpy(old, m->range, sizeof(old));
	m->ranges = 0;
	for (unsigned i = 0; i < count; i++) {
		struct range part = old[i];

		if (old[i].last < first || old[i].first > last) {
			m->range[m->ranges++] = part;
			continue;
		}
		if (old[i].first < first) {
			part.last = first - 1;
			m->range[m->ranges++] = part;
		}
		if (old[i].last > last) {
			uint64_t gone = last - old[i].first + 1;

			part = old[i];
			part.first = last + 1;
			part.host += gone;
			part.gpa += part.gpa ? gone : 0;
			m->range[m->ranges++] = part;
		}
	}
}

static unsigned model_evict(struct model *m, unsigned count)
{
	unsigned evicted = 0;

	for (; m->ranges > count; evicted++)
		memmove(m->range, m->range + 1, --m->ranges * sizeof(m->range[0]));
	return evicted;
}

static const struct range *model_find(const struct model *m, uint64_t address)
{
	for (unsigned i = 0; i < m->ranges; i++)
		if (m->range[i].first <= address && address <= m->range[i].last)
			return &m->range[i];
	return NULL;
}

/* What is to be asked for. False: it is refused. */
static bool model_miss(struct model *m, uint64_t address, uint32_t access, uint32_t *ask)
{
	struct miss *miss = NULL;

	for (unsigned i = 0; i < m->misses; i++)
		if (m->miss[i].page == address / 4096)
			miss = &m->miss[i];
	if (miss && miss->answers >= 2 && (access & miss->wanted)) {
		unsigned behind = m->misses-- - (unsigned)(miss - m->miss) - 1;

		memmove(miss, miss + 1, behind * sizeof(*miss));
		return false;
	}
	if (!miss) {
		if (m->misses == m->misses_cap)
			memmove(m->miss, m->miss + 1, --m->misses * sizeof(m->miss[0]));
		miss = &m->miss[m->misses++];
		*miss = (struct miss){ .page = address / 4096 };
	}
	*ask = access & ~miss->asked;
	if (*ask) {
		miss->wanted |= access;
		miss->asked |= access;
		miss->lookups = 0;
		miss->repeat = 512;
	} else if (miss->lookups < miss->repeat - 1) {
		miss->lookups++;
	} else if (++m->waited >= m->patience) {
		*ask = access;
		miss->lookups = 0;
		m->waited = 0;
		m->patience *= 2;
		miss->repeat *= 2;
	}
	return true;
}

/* Byte positions where something changes are few: goes from range to range. */
static int model_look_up(struct model *m, uint64_t first, uint64_t last, uint32_t access,
			 struct viommu_fragment *f, uint32_t max, struct viommu_answer *answer,
			 uint32_t *ask)
{
	uint64_t at = first;

	*answer = (struct viommu_answer){ .next = first };
	*ask = 0;
	for (;;) {
		const struct range *r = model_find(m, at);
		struct viommu_fragment *before = answer->count ? &f[answer->count - 1] : NULL;
		uint64_t end, gpa;
		char *host;

		answer->next = at;
		if (!r || (r->perm & access) != access)
			return model_miss(m, at, access, ask) ? VIOMMU_PENDING : VIOMMU_FAULT;
		end = r->last < last ? r->last : last;
		host = (char *)(uintptr_t)(r->host + (at - r->first));
		gpa = r->gpa ? r->gpa + (at - r->first) : 0;
		if (before && (char *)before->host + before->length == host &&
		    before->perm == r->perm && !before->gpa == !gpa &&
		    (!gpa || before->gpa + before->length == gpa)) {
			before->length += end - at + 1;
		} else {
			if (answer->count == max)
				return VIOMMU_MORE;
			f[answer->count++] = (struct viommu_fragment){
				.gpa = gpa, .length = end - at + 1, .host = host, .perm = r->perm
			};
		}
		answer->next = at = end + 1;
		if (end == last)
			return VIOMMU_OK;
	}
}

/* ---- operations ---- */

static void on_miss(void *opaque, uint64_t iova, uint32_t access)
{
	struct world *w = opaque;

	w->asks++;
	w->asked = iova;
	w->asked_access = access;
}

/* Ranges begin and end at units more often than not. */
static void any_range(struct world *w, unsigned longest, uint64_t *first, uint64_t *last)
{
	unsigned from = pick(w, UNITS);
	unsigned units = 1 + pick(w, longest);

	if (from + units > UNITS)
		units = UNITS - from;
	*first = w->row->base + from * w->row->unit;
	*last = *first + (units * w->row->unit - 1);
	if (pick(w, 8) == 0)
		*first += next_random(w) % w->row->unit;
	if (pick(w, 8) == 0)
		*last -= next_random(w) % w->row->unit;
	if (*first > *last)
		*first = *last;
}

/* Targets that continue each other, and some that do not. */
static uint64_t any_target(struct world *w, uint64_t first)
{
	uint64_t target = first - w->row->base + ((uint64_t)1 + pick(w, 3)) * 0x10000;

	return pick(w, 16) ? target : next_random(w) >> pick(w, 60);
}

static bool wraps(uint64_t start, uint64_t bytes_less_one)
{
	return start > UINT64_MAX - bytes_less_one;
}

static void insert(struct world *w)
{
	struct range r = { .perm = 1 + pick(w, 3) };
	bool bad;
	int result;

	any_range(w, pick(w, 4) ? 4 : UNITS, &r.first, &r.last);
	if (pick(w, 8) == 0 && w->m.ranges) /* the same again */
		r = w->m.range[pick(w, w->m.ranges)];
	else {
		r.host = any_target(w, r.first);
		r.gpa = pick(w, 2) ? any_target(w, r.first) : 0;
	}
	if (pick(w, 3))
		r.perm = 3;
	bad = !r.host || wraps(r.host, r.last - r.first) || wraps(r.gpa, r.last - r.first);
	result = viommu_iotlb_insert(w->t, r.first, r.last, (void *)(uintptr_t)r.host, r.gpa,
				     r.perm);
	check_eq(w->row->name, result, bad ? VIOMMU_EINVAL : VIOMMU_OK);
	if (bad)
		return;
	model_cut(&w->m, r.first, r.last);
	w->results[4] += model_evict(&w->m, w->m.cap - 1);
	w->m.range[w->m.ranges++] = r;
	model_answer(&w->m, r.first, r.last, r.perm);
}

static void invalidate(struct world *w)
{
	uint64_t first, last;

	any_range(w, pick(w, 16) ? 6 : UNITS, &first, &last);
	check_eq(w->row->name, viommu_iotlb_invalidate(w->t, first, last), VIOMMU_OK);
	model_cut(&w->m, first, last);
	model_answer(&w->m, first, last, 0);
	w->results[4] += model_evict(&w->m, w->m.cap);
}

static void refuse(struct world *w)
{
	struct model *m = &w->m;
	uint32_t access = 1 + pick(w, 3), ask;
	uint64_t first, last;
	unsigned i;

	any_range(w, 1, &first, &last);
	check_eq(w->row->name, viommu_iotlb_refused(w->t, first, access), VIOMMU_OK);
	for (i = 0; i < m->misses && m->miss[i].page != first / 4096; i++)
		;
	if (i == m->misses) { /* as if it were asked for now */
		model_miss(m, first, access, &ask);
		i = m->misses - 1;
	}
	m->miss[i].wanted |= access;
	m->miss[i].asked = 0;
	m->miss[i].answers = 2;
}

static void look_up(struct world *w)
{
	struct viommu_iotlb_reader *reader = w->reader[pick(w, READERS)];
	uint32_t access = 1 + pick(w, 3), max = 1 + pick(w, FRAGMENTS), ask;
	struct viommu_fragment got[FRAGMENTS], wanted[FRAGMENTS];
	struct viommu_answer answer, wanted_answer;
	uint64_t first, last;
	int result, wanted_result;

	any_range(w, pick(w, 4) ? 2 : UNITS, &first, &last);
	if (pick(w, 2))
		last = first;
	if (pick(w, 2))
		access = 1;
	w->asks = 0;
	assert_int_equal(viommu_iotlb_enter(reader), VIOMMU_OK);
	result = viommu_iotlb_lookup(reader, first, last, access, got, max, &answer);
	assert_int_equal(viommu_iotlb_leave(reader), VIOMMU_OK);
	wanted_result =
		model_look_up(&w->m, first, last, access, wanted, max, &wanted_answer, &ask);
	check_eq(w->row->name, result, wanted_result);
	check_eq(w->row->name, answer.next, wanted_answer.next);
	check_eq(w->row->name, answer.count, wanted_answer.count);
	check_eq(w->row->name, answer.reason | answer.ats, 0);
	for (uint32_t i = 0; i < answer.count; i++) {
		check_eq(w->row->name, got[i].gpa, wanted[i].gpa);
		check_eq(w->row->name, got[i].length, wanted[i].length);
		check_eq(w->row->name, (uintptr_t)got[i].host, (uintptr_t)wanted[i].host);
		check_eq(w->row->name, got[i].perm, wanted[i].perm);
		check_eq(w->row->name, got[i].flags, 0);
	}
	check_eq(w->row->name, w->asks, ask != 0);
	if (ask) {
		check_eq(w->row->name, w->asked, answer.next);
		check_eq(w->row->name, w->asked_access, ask);
	}
	w->results[result]++;
}

static void run_row(const struct row *row, uint64_t seed, uint64_t operations)
{
	struct world w = { .row = row, .random = seed, .m = { .cap = row->cap, .patience = 1 } };
	struct viommu_iotlb_config config = { .size = sizeof(config),
					      .ranges = row->cap,
					      .misses = row->misses,
					      .opaque = &w,
					      .miss = on_miss };

	w.m.misses_cap = row->misses;
	assert_int_equal(viommu_iotlb_new(&config, &w.t), VIOMMU_OK);
	for (unsigned i = 0; i < READERS; i++)
		assert_int_equal(viommu_iotlb_reader_new(w.t, &w.reader[i]), VIOMMU_OK);
	for (uint64_t i = 0; i < operations; i++) {
		unsigned what = pick(&w, 16);

		if (what < 3)
			insert(&w);
		else if (what < 4)
			invalidate(&w);
		else if (what < 5 && pick(&w, 4) == 0)
			refuse(&w);
		else
			look_up(&w);
		check_eq(row->name, w.t->map.count, w.m.ranges);
		check_eq(row->name, range_pool_count(w.t->pool), w.m.ranges);
	}
	print_message("%s: %llu found, %llu refused, %llu missing, %llu more, %llu evicted\n",
		      row->name, (unsigned long long)w.results[VIOMMU_OK],
		      (unsigned long long)w.results[VIOMMU_FAULT],
		      (unsigned long long)w.results[VIOMMU_PENDING],
		      (unsigned long long)w.results[VIOMMU_MORE], (unsigned long long)w.results[4]);
	for (unsigned i = 0; i < 4 && operations >= 10000; i++)
		check_that(row->name, w.results[i] > 0 || (i == VIOMMU_MORE && row->cap == 1));
	check_that(row->name, w.results[4] > 0 || operations < 10000 || row->cap > 33);
	for (unsigned i = 0; i < READERS; i++)
		assert_int_equal(viommu_iotlb_reader_free(w.reader[i]), VIOMMU_OK);
	assert_int_equal(viommu_iotlb_free(w.t), VIOMMU_OK);
}

static void random_operations(void **state)
{
	static const struct row rows[] = {
		{ "bytes at 0", 0, 1, MOST, MOST_MISSES },
		{ "bytes at the end", UINT64_MAX - UNITS + 1, 1, MOST, MOST_MISSES },
		{ "bytes around a page", 0x1000 - UNITS / 2, 1, 20, 2 },
		{ "pages", 0x100000, 4096, MOST, MOST_MISSES },
		{ "pages, few ranges", 0x100000, 4096, 7, 3 },
		{ "pages, one range", 0, 4096, 1, 1 },
		{ "pages at the end", UINT64_MAX - UNITS * 4096 + 1, 4096, 40, 4 },
		{ "pages around the sign", INT64_MAX - UNITS / 2 * 4096 + 1, 4096, 33, 5 },
		{ "large", UINT64_MAX / 4, UINT64_C(1) << 45, 50, MOST_MISSES },
		{ "half of the space", 0, UINT64_MAX / 2 / UNITS, 50, MOST_MISSES },
	};
	enum { ROWS = sizeof(rows) / sizeof(rows[0]) };
	uint64_t first = run_seed(1);
	uint64_t count = run_scaled(OPERATIONS / ROWS);

	for (unsigned i = 0; i < ROWS; i++)
		run_row(&rows[i], first + i, count);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(random_operations) };

	return cmocka_run_group_tests_name("oracle/iotlb_random", tests, NULL, NULL);
}
