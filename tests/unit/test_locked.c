/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_locked.c - locks that somebody has and does not give back (obligation 39): whoever translates or invalidates comes
 * back, with what the tables say. That it comes back at all is the test: before, each of these went round for ever.
 */
#define _GNU_SOURCE /* RUSAGE_THREAD */
#include "check.h"

#include <libvirtiommu/vhost.h>

#include <pthread.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "bits.h"
#include "channel.h"
#include "guest.h"
#include "range_node.h"
#include "seqlock.h"
#include "vhost_iotlb.h"
#include "vtd_engine.h"

#define RID  0x10U
#define IOVA UINT64_C(0x40000000)

struct world {
	struct guest g;
	struct viommu_device *device;
	struct viommu_channel *channel;
	uint64_t ss;
	uint64_t page[2];
};

static struct world world;

static struct world *open_world(void)
{
	const struct viommu_limits limits = {
		.size = sizeof(limits), .tlb_entries = 64, .tables = 16, .contexts = 8
	};
	struct viommu_vtd_config config = { .size = sizeof(config),
					    .cap = GUEST_CAP,
					    .ecap = GUEST_ECAP_LEGACY,
					    .limits = &limits };
	struct world *w = &world;

	memset(w, 0, sizeof(*w));
	guest_init(&w->g, GUEST_REGION, 32);
	assert_int_equal(guest_try_vtd_config(&w->g, &config), VIOMMU_OK);
	w->ss = guest_table(&w->g);
	w->page[0] = guest_alloc(&w->g, 1);
	w->page[1] = guest_alloc(&w->g, 1);
	guest_ss_map(&w->g, w->ss, 4, IOVA, w->page[0], 12, GUEST_RW);
	guest_legacy(&w->g, RID, 7, w->ss, 4);
	guest_start(&w->g, VTD_TTM_LEGACY);
	w->device = guest_device(&w->g, RID);
	w->channel = guest_channel(&w->g, w->device, VIOMMU_NO_PASID);
	return w;
}

static void asked(struct world *w, const char *row, uint64_t gpa)
{
	struct guest_dma d = guest_dma(w->device, IOVA, VIOMMU_READ);
	struct guest_dma c = guest_channel_dma(w->channel, VIOMMU_NO_PASID, IOVA, VIOMMU_READ);

	check_eq(row, d.result, VIOMMU_OK);
	check_eq(row, d.f.gpa, gpa);
	check_eq(row, c.result, VIOMMU_OK);
	check_eq(row, c.f.gpa, gpa);
}

/* ---- caches ---- */

enum held { SETS = 1, TABLES = 2, CONTEXTS = 4 };

static const struct {
	const char *name;
	unsigned held;
	bool warm; /* what is asked for is cached before */
} rows[] = {
	{ "TLB", SETS, false },
	{ "TLB, warm", SETS, true },
	{ "tables", TABLES, false },
	{ "tables, warm", TABLES, true },
	{ "contexts", CONTEXTS, false },
	{ "contexts, warm", CONTEXTS, true },
	{ "all", SETS | TABLES | CONTEXTS, false },
	{ "all, warm", SETS | TABLES | CONTEXTS, true },
};

static void all_locks(struct viommu *u, unsigned held, void (*take)(_Atomic uint64_t *version))
{
	for (uint64_t i = 0;
	     (held & SETS) && i <= u->partition->tlb.places / sizeof(struct tlb_set); i++)
		take(&u->partition->tlb.set[i].version);
	/* a slot is a cache line that begins with its version */
	for (uint64_t i = 0; (held & TABLES) && i <= u->partition->tables.mask; i++)
		take((_Atomic uint64_t *)(void *)((char *)u->partition->tables.slot + 64 * i));
	for (uint64_t i = 0; (held & CONTEXTS) && i <= u->partition->contexts.mask; i++)
		take(&u->partition->contexts.slot[i].version);
	if (held & CONTEXTS)
		take(&world.device->last.version);
}

/* The guest takes the page away and has it invalidated while the locks are held. */
static void caches(void **state)
{
	for (size_t i = 0; i < 2 * ARRAY_COUNT(rows); i++) {
		const char *row = rows[i / 2].name;
		unsigned held = rows[i / 2].held;
		struct world *w = open_world();
		/* of the page; or, without the hint, of what leads to it too */
		uint64_t hint = i % 2;

		if (rows[i / 2].warm)
			asked(w, row, w->page[0]);
		all_locks(w->g.iommu, held, seq_write_begin);
		asked(w, row, w->page[0]);
		guest_ss_map(&w->g, w->ss, 4, IOVA, w->page[1], 12, GUEST_RW);
		guest_submit(&w->g, GUEST_IOTLB(VTD_GRAN_LOCAL, 7), IOVA | hint << 6, 0, 0);
		guest_wait(&w->g);
		asked(w, row, w->page[1]);
		all_locks(w->g.iommu, held, seq_write_end);
		asked(w, row, w->page[1]);
		guest_ss_map(&w->g, w->ss, 4, IOVA, w->page[0], 12, GUEST_RW);
		guest_submit(&w->g, GUEST_IOTLB(VTD_GRAN_LOCAL, 7), IOVA | hint << 6, 0, 0);
		guest_wait(&w->g);
		asked(w, row, w->page[0]);
		guest_fini(&w->g);
	}
}

/* A fill of an interrupt entry that stops while it stores: a fill of the same slot is dropped, and an invalidation waits for
 * nobody. What is stored later was known by a count that has passed. */
static void interrupt_entries(void **state)
{
	const uint64_t old[2] = { 1, 2 }, new[2] = { 3, 4 };
	const struct viommu_msi msi = { .address = 0 };
	struct irte_cache cache = { .slot = NULL };
	struct irte_key before, after;
	struct irte_slot *slot;
	uint64_t raw[2];
	struct guest g;

	guest_init(&g, GUEST_CALLBACKS, 1);
	assert_int_equal(irte_cache_init(&cache, g.vm), VIOMMU_OK);
	before = (struct irte_key){ 5, 5, irte_cache_count(&cache, 5) };
	slot = irte_slot_of(&cache, &before);
	assert_false(irte_cache_find(&cache,
				     &(struct irte_key){ 0, 0, irte_cache_count(&cache, 0) }, raw));
	irte_cache_add(&cache, &before, old, &msi);
	assert_true(irte_cache_find(&cache, &before, raw));
	seq_write_begin(&slot->version);
	irte_cache_drop(&cache, 5, 5);
	after = (struct irte_key){ 5, 5, irte_cache_count(&cache, 5) };
	irte_cache_add(&cache, &after, new, &msi); /* done without */
	atomic_store(&slot->count, before.count);
	seq_write_end(&slot->version);
	assert_false(irte_cache_find(&cache, &after, raw));
	irte_cache_add(&cache, &after, new, &msi);
	assert_true(irte_cache_find(&cache, &after, raw));
	assert_int_equal(raw[0], 3);
	irte_cache_fini(&cache, g.vm);
	guest_fini(&g);
}

/* Which entries an invalidation forgets: none but those of its groups, as long as these are few. */
static void interrupt_entries_dropped(void **state)
{
	static const struct {
		const char *name;
		uint32_t first, last, group;
		bool kept;
	} drops[] = {
		{ "the first", 7, 9, 7, false },
		{ "the last", 7, 9, 9, false },
		{ "the one before", 7, 9, 6, true },
		{ "the one behind", 7, 9, 10, true },
		{ "of another turn", 1030, 1030, 6, false },
		{ "round the end", 1023, 1024, 0, false },
		{ "as many as are counted", 0, 63, 64, true },
		{ "more", 0, 64, 65, false },
		{ "all there are", 0, UINT32_MAX, 500, false },
	};
	const uint64_t entry[2] = { 1, 2 };
	struct guest g;

	guest_init(&g, GUEST_CALLBACKS, 1);
	for (size_t i = 0; i < ARRAY_COUNT(drops); i++) {
		struct irte_cache cache = { .slot = NULL };
		struct irte_key key;
		uint64_t raw[2];

		assert_int_equal(irte_cache_init(&cache, g.vm), VIOMMU_OK);
		key = (struct irte_key){ drops[i].group, drops[i].group,
					 irte_cache_count(&cache, drops[i].group) };
		irte_cache_add(&cache, &key, entry, &(struct viommu_msi){ .address = 0 });
		irte_cache_drop(&cache, drops[i].first, drops[i].last);
		key.count = irte_cache_count(&cache, drops[i].group);
		check_eq(drops[i].name, irte_cache_find(&cache, &key, raw), drops[i].kept);
		irte_cache_fini(&cache, g.vm);
	}
	guest_fini(&g);
}

/* ---- what there is nowhere else ---- */

static void regions(void **state)
{
	struct world *w = open_world();

	seq_write_begin(&w->g.vm->map_version);
	asked(w, "regions", w->page[0]);
	seq_write_end(&w->g.vm->map_version);
	asked(w, "regions", w->page[0]);
	guest_fini(&w->g);
}

/* Whoever changes ranges takes no lock: a reader who meets a change all the time asks, and sleeps until it has ended. */
static void *end_change(void *opaque)
{
	struct viommu_iotlb *t = opaque;

	while (!atomic_load(&t->pool->asking))
		usleep(100);
	usleep(5000); /* of which a reader who goes round uses every one */
	seq_write_end(&t->map.version);
	return NULL;
}

enum look { FIND, FIND_NONE, NEXT, NEXT_NONE, LOOKUP, LOOKS };

static bool look(struct viommu_iotlb *t, struct viommu_iotlb_reader *r, enum look how)
{
	struct viommu_answer answer;
	struct viommu_fragment f;
	struct range_item found;

	switch (how) {
	case FIND:
		return range_map_find(t->pool, &t->map, 0x1800, &found) && found.first == 0x1000;
	case FIND_NONE:
		return !range_map_find(t->pool, &t->map, 0x2000, &found);
	case NEXT:
		return range_map_next(t->pool, &t->map, 0, &found) && found.first == 0x1000;
	case NEXT_NONE:
		return !range_map_next(t->pool, &t->map, 0x2000, &found);
	default:
		return viommu_iotlb_lookup(r, 0x1234, 0x1234, VIOMMU_READ, &f, 1, &answer) ==
			       VIOMMU_OK &&
		       f.gpa == 0x9234;
	}
}

static long slept(void)
{
	struct rusage usage;

	getrusage(RUSAGE_THREAD, &usage);
	return usage.ru_nvcsw;
}

static void ranges(void **state)
{
	struct viommu_iotlb_config config = { .size = sizeof(config), .ranges = 8 };
	struct viommu_iotlb_reader *r;
	struct viommu_iotlb *t;

	assert_int_equal(viommu_iotlb_new(&config, &t), VIOMMU_OK);
	assert_int_equal(viommu_iotlb_reader_new(t, &r), VIOMMU_OK);
	assert_int_equal(viommu_iotlb_insert(t, 0x1000, 0x1fff, &config, 0x9000, VIOMMU_READ),
			 VIOMMU_OK);
	assert_int_equal(viommu_iotlb_enter(r), VIOMMU_OK);
	for (unsigned how = 0; how < LOOKS; how++) {
		long before = slept();
		pthread_t owner;

		seq_write_begin(&t->map.version);
		assert_int_equal(pthread_create(&owner, NULL, end_change, t), 0);
		assert_true(look(t, r, how));
		assert_true(slept() > before);
		pthread_join(owner, NULL);
		assert_int_equal(atomic_load(&t->pool->asking), 0);
	}
	assert_int_equal(viommu_iotlb_leave(r), VIOMMU_OK);
	assert_int_equal(viommu_iotlb_reader_free(r), VIOMMU_OK);
	assert_int_equal(viommu_iotlb_free(t), VIOMMU_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(caches),
		cmocka_unit_test(interrupt_entries),
		cmocka_unit_test(interrupt_entries_dropped),
		cmocka_unit_test(regions),
		cmocka_unit_test(ranges),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
