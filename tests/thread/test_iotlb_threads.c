/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_iotlb_threads.c - the stale-answer checker for device IOTLBs (obligations 12, 13, 18): no
 * lookup that starts after an invalidation or an update returned has what was there before, and no
 * section that is open when the invalidation is acknowledged uses it.
 *
 * Every host address is made of a version and a page. One thread adds and invalidates ranges of
 * pages, each time with a new version, and publishes three versions of each page: what may be
 * found, what must be found at least, and what may still be used. Readers look up all the time and
 * keep what they found until they leave their section.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <libvirtiommu/vhost.h>

#include <sched.h>

#include "run.h"
#include "thread_world.h"

enum { PAGES = 128, LONGEST = 24, READERS = 2, ROUNDS = 24000, KEPT = 6 };

#define BASE UINT64_C(0x7000000)
#define GPA  (UINT64_C(1) << 62)

struct row {
	const char *name;
	uint32_t ranges, misses;
};

struct checker {
	struct world w; /* for the first failure */
	const struct row *row;
	struct viommu_iotlb *t;
	_Atomic uint64_t published[PAGES]; /* added, or about to be */
	_Atomic uint64_t least[PAGES];	   /* lookups that start now find no older one */
	_Atomic uint64_t usable[PAGES];	   /* older ones are not in use any more */
	_Atomic bool stop;
	_Atomic uint64_t found, missing, asked, sections;
	/* Told by the work callback. */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool work;
	_Atomic uint64_t works;
	/* The writer's. */
	uint64_t version;
	uint64_t pending[PAGES]; /* usable when the sections have closed; 0: nothing */
	uint64_t waited;
	pthread_t thread[READERS + 1];
};

/* What a reader found in its section. */
struct kept {
	unsigned page;
	uint64_t version;
};

static uint64_t host_of(unsigned page, uint64_t version)
{
	return version << 24 | (uint64_t)page << 12;
}

static uint32_t perm_of(uint64_t version)
{
	return version % 4 ? VIOMMU_READ | VIOMMU_WRITE : VIOMMU_READ;
}

/* ---- readers ---- */

/* One page of a fragment. Everything in it belongs to one version. */
static void check_page(struct checker *c, const struct viommu_fragment *f, uint64_t offset,
		       unsigned page, uint64_t least, struct kept *kept)
{
	uint64_t host = (uintptr_t)f->host + offset;
	uint64_t most = atomic_load(&c->published[page]);

	*kept = (struct kept){ .page = page, .version = host >> 24 };
	if ((host & 0xffffff) == (uint64_t)page << 12 && f->gpa + offset == (host | GPA) &&
	    f->perm == perm_of(kept->version) && kept->version >= least && kept->version <= most)
		return;
	world_fail(&c->w, "%s: page %u: host %llx, gpa %llx, perm %u, not version %llu to %llu",
		   c->row->name, page, (unsigned long long)host,
		   (unsigned long long)(f->gpa + offset), f->perm, (unsigned long long)least,
		   (unsigned long long)most);
}

/* Looks a few pages up. Returns how many were kept, at most @max. */
static unsigned look_up(struct checker *c, struct viommu_iotlb_reader *reader, uint64_t random,
			struct kept *kept, unsigned max)
{
	unsigned page = (unsigned)(random >> 8) % PAGES;
	unsigned pages = random & 0x30 ? 1 : 1 + (unsigned)(random >> 40) % 5;
	uint64_t least[8];
	struct viommu_fragment f[8];
	struct viommu_answer answer;
	unsigned n = 0;
	int result;

	if (page + pages > PAGES)
		pages = PAGES - page;
	for (unsigned i = 0; i < pages; i++)
		least[i] = atomic_load(&c->least[page + i]);
	result = viommu_iotlb_lookup(reader, BASE + page * PAGE, BASE + (page + pages) * PAGE - 1,
				     VIOMMU_READ, f, 8, &answer);
	if (result != VIOMMU_OK && result != VIOMMU_PENDING)
		world_fail(&c->w, "%s: lookup: %d", c->row->name, result);
	atomic_fetch_add_explicit(result == VIOMMU_OK ? &c->found : &c->missing, 1,
				  memory_order_relaxed);
	if (result < 0)
		return 0;
	for (uint32_t i = 0; i < answer.count; i++) {
		for (uint64_t offset = 0; offset < f[i].length; offset += PAGE, n++) {
			struct kept one;

			check_page(c, &f[i], offset, page + n, least[n], &one);
			if (n < max)
				kept[n] = one;
		}
	}
	if (answer.next != BASE + (page + n) * PAGE)
		world_fail(&c->w, "%s: %u pages, next %llx", c->row->name, n,
			   (unsigned long long)answer.next);
	return n < max ? n : max;
}

/* One section: what is kept may be used until its end. */
static void one_section(struct checker *c, struct viommu_iotlb_reader *reader, uint64_t *random)
{
	struct kept kept[KEPT];
	unsigned n = 0;

	if (viommu_iotlb_enter(reader) != VIOMMU_OK)
		world_fail(&c->w, "%s: enter", c->row->name);
	for (unsigned i = 0; i < 1 + (*random >> 7) % 12; i++) {
		if (n == KEPT)
			n = 0;
		n += look_up(c, reader, world_random(random), &kept[n], KEPT - n);
	}
	if (world_random(random) % 8 == 0)
		sched_yield();
	for (unsigned i = 0; i < n; i++)
		if (kept[i].version < atomic_load(&c->usable[kept[i].page]))
			world_fail(&c->w, "%s: page %u: version %llu acknowledged and in use",
				   c->row->name, kept[i].page, (unsigned long long)kept[i].version);
	if (viommu_iotlb_leave(reader) != VIOMMU_OK)
		world_fail(&c->w, "%s: leave", c->row->name);
	atomic_fetch_add_explicit(&c->sections, 1, memory_order_relaxed);
}

static void read_with(struct checker *c, uint64_t *random, unsigned sections)
{
	struct viommu_iotlb_reader *reader;

	if (viommu_iotlb_reader_new(c->t, &reader) != VIOMMU_OK) {
		world_fail(&c->w, "%s: no reader", c->row->name);
		return;
	}
	for (unsigned i = 0; i < sections && !atomic_load(&c->stop); i++)
		one_section(c, reader, random);
	if (viommu_iotlb_reader_free(reader) != VIOMMU_OK)
		world_fail(&c->w, "%s: reader_free", c->row->name);
}

static void *read_all(void *opaque)
{
	uint64_t random = (uint64_t)(uintptr_t)&random | 1;

	read_with(opaque, &random, UINT32_MAX);
	return NULL;
}

/* Readers come and go. */
static void *come_and_go(void *opaque)
{
	struct checker *c = opaque;
	uint64_t random = (uint64_t)(uintptr_t)&random | 1;

	while (!atomic_load(&c->stop)) {
		read_with(c, &random, 1 + (unsigned)world_random(&random) % 8);
		sched_yield();
	}
	return NULL;
}

/* ---- callbacks ---- */

static void on_miss(void *opaque, uint64_t iova, uint32_t access)
{
	struct checker *c = opaque;

	if (iova < BASE || iova >= BASE + PAGES * PAGE || access != VIOMMU_READ)
		world_fail(&c->w, "%s: miss of %llx", c->row->name, (unsigned long long)iova);
	atomic_fetch_add_explicit(&c->asked, 1, memory_order_relaxed);
}

static void on_work(void *opaque)
{
	struct checker *c = opaque;

	atomic_fetch_add_explicit(&c->works, 1, memory_order_relaxed);
	pthread_mutex_lock(&c->lock);
	c->work = true;
	pthread_cond_signal(&c->changed);
	pthread_mutex_unlock(&c->lock);
}

static void await_work(struct checker *c)
{
	pthread_mutex_lock(&c->lock);
	while (!c->work)
		pthread_cond_wait(&c->changed, &c->lock);
	c->work = false;
	pthread_mutex_unlock(&c->lock);
	c->waited++;
}

/* ---- the writer ---- */

static void acknowledge(struct checker *c)
{
	for (unsigned i = 0; i < PAGES; i++) {
		if (c->pending[i])
			atomic_store(&c->usable[i], c->pending[i]);
		c->pending[i] = 0;
	}
}

/* Waits as a backend would: until the callback says that it is worth asking. A call that is lost is
 * a test that hangs. */
static void await_sections(struct checker *c)
{
	int result = viommu_iotlb_synced(c->t);

	while (result == VIOMMU_PENDING) {
		await_work(c);
		result = viommu_iotlb_synced(c->t);
	}
	if (result != VIOMMU_OK)
		world_fail(&c->w, "%s: synced: %d", c->row->name, result);
	acknowledge(c);
}

static void invalidate(struct checker *c, unsigned page, unsigned pages, bool wait)
{
	uint64_t version = ++c->version;
	int result =
		viommu_iotlb_invalidate(c->t, BASE + page * PAGE, BASE + (page + pages) * PAGE - 1);

	for (unsigned i = page; i < page + pages; i++) {
		atomic_store(&c->least[i], version);
		c->pending[i] = version;
	}
	if (result == VIOMMU_OK)
		acknowledge(c);
	else if (result != VIOMMU_PENDING)
		world_fail(&c->w, "%s: invalidate: %d", c->row->name, result);
	else if (wait)
		await_sections(c);
	else if (viommu_iotlb_synced(c->t) == VIOMMU_OK)
		acknowledge(c);
}

static void insert(struct checker *c, unsigned page, unsigned pages)
{
	uint64_t version = ++c->version;
	uint64_t host = host_of(page, version);
	int result;

	for (unsigned i = page; i < page + pages; i++)
		atomic_store(&c->published[i], version);
	result = viommu_iotlb_insert(c->t, BASE + page * PAGE, BASE + (page + pages) * PAGE - 1,
				     (void *)(uintptr_t)host, host | GPA, perm_of(version));
	if (result != VIOMMU_OK)
		world_fail(&c->w, "%s: insert: %d", c->row->name, result);
	for (unsigned i = page; i < page + pages; i++)
		atomic_store(&c->least[i], version);
}

static void one_round(struct checker *c, uint64_t random)
{
	unsigned page = (unsigned)(random >> 8) % PAGES;
	unsigned pages = 1 + (unsigned)(random >> 24) % LONGEST;

	if (page + pages > PAGES)
		pages = PAGES - page;
	if (random % 512 == 0) {
		page = 0;
		pages = PAGES;
	}
	if (random >> 56 & 1)
		insert(c, page, pages);
	else
		invalidate(c, page, random >> 57 & 1 ? pages : 1, random >> 58 & 1);
	if (random >> 59 == 0)
		sched_yield();
}

static void open_checker(struct checker *c, const struct row *row)
{
	struct viommu_iotlb_config config = { .size = sizeof(config),
					      .ranges = row->ranges,
					      .misses = row->misses,
					      .opaque = c,
					      .miss = on_miss,
					      .work = on_work };

	memset(c, 0, sizeof(*c));
	c->row = row;
	c->version = 1;
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->changed, NULL);
	assert_int_equal(viommu_iotlb_new(&config, &c->t), VIOMMU_OK);
	for (unsigned i = 0; i < READERS; i++)
		world_start(&c->thread[i], read_all, c);
	world_start(&c->thread[READERS], come_and_go, c);
	while (atomic_load(&c->sections) < 8 && !atomic_load(&c->w.failed))
		sched_yield();
}

static void close_checker(struct checker *c)
{
	await_sections(c);
	atomic_store(&c->stop, true);
	for (unsigned i = 0; i < READERS + 1; i++)
		pthread_join(c->thread[i], NULL);
	world_check(&c->w);
	assert_int_equal(viommu_iotlb_free(c->t), VIOMMU_OK);
	pthread_cond_destroy(&c->changed);
	pthread_mutex_destroy(&c->lock);
}

static void test_stale_ranges(void **state)
{
	static const struct row rows[] = {
		{ "room for all", 256, 64 },
		{ "many are evicted", 9, 3 },
		{ "one range", 1, 1 },
	};
	static struct checker c;
	uint64_t random = run_seed(RUN_ANY_SEED);

	(void)state;
	watchdog();
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		unsigned rounds = scaled(ROUNDS);

		open_checker(&c, &rows[i]);
		for (unsigned k = 0; k < rounds && !atomic_load(&c.w.failed); k++)
			one_round(&c, world_random(&random));
		close_checker(&c);
		print_message("%s: %u rounds, %ju sections, %ju found, %ju missing, %ju asked, "
			      "waited %ju times, %ju calls\n",
			      rows[i].name, rounds, (uintmax_t)c.sections, (uintmax_t)c.found,
			      (uintmax_t)c.missing, (uintmax_t)c.asked, (uintmax_t)c.waited,
			      (uintmax_t)c.works);
		assert_true(c.found > 0 && c.missing > 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_stale_ranges) };

	return cmocka_run_group_tests_name("thread/iotlb", tests, NULL, NULL);
}
