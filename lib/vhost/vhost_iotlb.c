/* SPDX-License-Identifier: BSD-3-Clause */
/* vhost_iotlb.c - a device IOTLB: its life, and the one thread that changes it. */

#include <stddef.h>

#include "abi.h"
#include "bits.h"
#include "machine.h"
#include "range.h"
#include "vhost_iotlb.h"

/* ---- records ---- */

/* The capacity suffices: there is a record for every item that the pool can have. */
static uint32_t record_take(struct viommu_iotlb *t)
{
	uint32_t index = t->unused;

	if (index)
		t->unused = t->record[index].newer;
	else
		index = ++t->used;
	return index;
}

static void record_drop(struct viommu_iotlb *t, uint32_t index)
{
	t->record[index].newer = t->unused;
	t->unused = index;
}

/* Ages are a ring through record 0, whose `newer` is the oldest of all. */
static void age_insert(struct viommu_iotlb *t, uint32_t index, uint32_t older)
{
	uint32_t newer = t->record[older].newer;

	t->record[index].older = older;
	t->record[index].newer = newer;
	t->record[older].newer = index;
	t->record[newer].older = index;
}

static void age_remove(struct viommu_iotlb *t, uint32_t index)
{
	t->record[t->record[index].older].newer = t->record[index].newer;
	t->record[t->record[index].newer].older = t->record[index].older;
}

/* ---- changes ---- */

/* Adds an item that overlaps none, as old as what was added after @older. Readers see it when it is
 * complete. */
static int add(struct viommu_iotlb *t, struct range_item item, uint64_t host, uint64_t gpa,
	       uint32_t older)
{
	uint32_t index = record_take(t);
	struct iotlb_record *r = &t->record[index];
	int result;

	atomic_store_explicit(&r->host, host, memory_order_relaxed);
	atomic_store_explicit(&r->gpa, gpa, memory_order_relaxed);
	r->first = item.first;
	r->last = item.last;
	item.target = index;
	result = range_map_add(t->pool, &t->map, &item);
	if (result == VIOMMU_OK)
		age_insert(t, index, older);
	else
		record_drop(t, index);
	return result;
}

static void on_removed(void *opaque, const struct range_item *item)
{
	struct viommu_iotlb *t = opaque;

	age_remove(t, (uint32_t)item->target);
	record_drop(t, (uint32_t)item->target);
}

static void remove_whole(struct viommu_iotlb *t, uint64_t first, uint64_t last)
{
	range_map_remove(t->pool, &t->map, first, last, on_removed, t);
}

/* What readers copied before this is void. One thread writes: this needs no exchange. */
static void count_change(struct viommu_iotlb *t)
{
	uint64_t changes = atomic_load_explicit(&t->changes, memory_order_relaxed);

	atomic_store_explicit(&t->changes, changes + 1, memory_order_release);
}

/* Makes two of the item that has both @at - 1 and @at, if there is one. If there is no memory for
 * that, a part is forgotten: it can be asked for again. */
static void split(struct viommu_iotlb *t, uint64_t at)
{
	struct range_item item, part;
	uint64_t host, gpa;
	uint32_t older;

	if (!range_map_find(t->pool, &t->map, at, &item) || item.first == at)
		return;
	older = t->record[item.target].older;
	host = atomic_load_explicit(&t->record[item.target].host, memory_order_relaxed);
	gpa = atomic_load_explicit(&t->record[item.target].gpa, memory_order_relaxed);
	remove_whole(t, item.first, item.last);
	part = item;
	part.first = at;
	(void)add(t, part, host, gpa, older);
	part = item;
	part.last = at - 1;
	(void)add(t, part, host, gpa, older);
}

/* The first item of [first, last], if there is any. */
static bool overlaps(const struct viommu_iotlb *t, uint64_t first, uint64_t last,
		     struct range_item *item)
{
	return range_map_next(t->pool, &t->map, first, item) && item->first <= last;
}

/* After this nothing is in [first, last]; the parts outside stay. @item: the first one there */
static void clear(struct viommu_iotlb *t, uint64_t first, uint64_t last,
		  const struct range_item *item)
{
	if (item->first < first)
		split(t, first);
	if (item->last != last && last != UINT64_MAX)
		split(t, last + 1);
	remove_whole(t, first, last);
}

/* The oldest go until @count are left. First in, first out: what readers use most cannot be known
 * without readers that write, and a random choice would be no better; what goes too early comes
 * back by one miss. */
static void evict(struct viommu_iotlb *t, uint32_t count)
{
	while (t->map.count > count) {
		const struct iotlb_record *oldest = &t->record[t->record[0].newer];

		remove_whole(t, oldest->first, oldest->last);
	}
}

/* Whether the item that is there is the very range that is wanted. */
static bool same(const struct viommu_iotlb *t, const struct range_item *item,
		 const struct range_item *wanted, uint64_t host, uint64_t gpa)
{
	const struct iotlb_record *r = &t->record[item->target];

	return item->first == wanted->first && item->last == wanted->last &&
	       item->perm == wanted->perm &&
	       atomic_load_explicit(&r->host, memory_order_relaxed) == host &&
	       atomic_load_explicit(&r->gpa, memory_order_relaxed) == gpa;
}

/* Puts an item in the place of whatever is there. Where there is nothing and enough room, or the
 * same, readers need not forget what they have. */
static int replace(struct viommu_iotlb *t, const struct range_item *item, uint64_t host,
		   uint64_t gpa)
{
	struct range_item other;
	bool occupied = overlaps(t, item->first, item->last, &other);
	bool full = t->map.count >= t->config.ranges;
	int result;

	if (occupied && same(t, &other, item, host, gpa)) {
		age_remove(t, (uint32_t)other.target);
		age_insert(t, (uint32_t)other.target, t->record[0].older);
		return VIOMMU_OK;
	}
	/* the item, and what is cut off on both sides: from here on nothing can fail */
	if (range_map_reserve(t->pool, &t->map, 3) != VIOMMU_OK)
		return VIOMMU_ENOMEM;
	if (occupied)
		clear(t, item->first, item->last, &other);
	evict(t, t->config.ranges - 1);
	result = add(t, *item, host, gpa, t->record[0].older);
	if (occupied || full)
		count_change(t);
	return result;
}

int viommu_iotlb_insert(struct viommu_iotlb *t, uint64_t first, uint64_t last, void *host,
			uint64_t gpa, uint32_t perm)
{
	struct range_item item = { .first = first, .last = last, .perm = perm };
	uint64_t at = (uintptr_t)host;
	uint64_t end;
	int result;

	if (!t || first > last || !host || !perm || (perm & ~(VIOMMU_READ | VIOMMU_WRITE)) ||
	    !range_add(at, last - first, &end) || end > UINTPTR_MAX ||
	    !range_add(gpa, last - first, &end))
		return VIOMMU_EINVAL;
	at -= first;
	if (gpa) {
		item.perm |= IOTLB_GPA_KNOWN;
		gpa -= first;
	}
	result = replace(t, &item, at, gpa);
	if (result == VIOMMU_OK)
		iotlb_misses_answer(&t->misses, first, last, perm);
	return result;
}

int viommu_iotlb_invalidate(struct viommu_iotlb *t, uint64_t first, uint64_t last)
{
	struct range_item item;

	if (!t || first > last)
		return VIOMMU_EINVAL;
	if (overlaps(t, first, last, &item)) {
		clear(t, first, last, &item);
		evict(t, t->config.ranges);
		count_change(t);
	}
	iotlb_misses_answer(&t->misses, first, last, 0);
	/* Also if nothing was there: a section may be using what was replaced or evicted since. */
	t->awaited = epoch_start(&t->epoch);
	return viommu_iotlb_synced(t);
}

int viommu_iotlb_refused(struct viommu_iotlb *t, uint64_t iova, uint32_t access)
{
	if (!t || !access || (access & ~(VIOMMU_READ | VIOMMU_WRITE)))
		return VIOMMU_EINVAL;
	iotlb_misses_refuse(&t->misses, iova, access);
	return VIOMMU_OK;
}

int viommu_iotlb_synced(struct viommu_iotlb *t)
{
	if (!t)
		return VIOMMU_EINVAL;
	if (!t->awaited)
		return VIOMMU_OK;
	if (!epoch_passed(&t->epoch, t->awaited, NULL) && !epoch_wait(&t->epoch, t->awaited, NULL))
		return VIOMMU_PENDING;
	epoch_done(&t->epoch);
	t->awaited = 0;
	return VIOMMU_OK;
}

/* ---- life ---- */

static void *take_memory(const struct viommu_iotlb_config *config, uint64_t bytes, uint64_t align)
{
	return config->alloc(config->opaque, bytes, align);
}

static int take_config(struct viommu_iotlb_config *config, const struct viommu_iotlb_config *given)
{
	int result = abi_take(config, sizeof(*config), sizeof(*config), given);

	if (result)
		return result;
	if (config->flags || !config->alloc != !config->dealloc ||
	    config->ranges > VIOMMU_IOTLB_RANGES_MAX || config->misses > VIOMMU_IOTLB_MISSES_MAX)
		return VIOMMU_EINVAL;
	if (!config->ranges)
		config->ranges = IOTLB_RANGES_DEFAULT;
	if (!config->misses)
		config->misses = IOTLB_MISSES_DEFAULT;
	if (!config->alloc) {
		config->alloc = vm_default_alloc;
		config->dealloc = vm_default_dealloc;
	}
	return VIOMMU_OK;
}

static uint64_t records_bytes(const struct viommu_iotlb *t)
{
	return (uint64_t)t->capacity * sizeof(t->record[0]);
}

static uint64_t misses_bytes(const struct viommu_iotlb *t)
{
	return (uint64_t)t->config.misses * sizeof(t->misses.miss[0]);
}

/* Gives back what init_memory() got, complete or not, and the device IOTLB itself. */
static void free_all(struct viommu_iotlb *t, struct iotlb_miss *miss)
{
	struct viommu_iotlb_config config = t->config;

	if (t->pool)
		range_pool_free(t->pool);
	if (miss)
		config.dealloc(config.opaque, miss, misses_bytes(t));
	if (t->record)
		config.dealloc(config.opaque, t->record, records_bytes(t));
	config.dealloc(config.opaque, t, sizeof(*t));
}

int viommu_iotlb_new(const struct viommu_iotlb_config *given, struct viommu_iotlb **out)
{
	struct viommu_iotlb_config config;
	struct range_pool_config pool;
	struct iotlb_miss *miss;
	struct viommu_iotlb *t;
	int result;

	if (!out)
		return VIOMMU_EINVAL;
	result = take_config(&config, given);
	if (result)
		return result;
	t = take_memory(&config, sizeof(*t), _Alignof(struct viommu_iotlb));
	if (!t)
		return VIOMMU_ENOMEM;
	t->config = config;
	/* Two parts more while ranges are replaced, and number 0. */
	pool = (struct range_pool_config){ .alloc = config.alloc,
					   .dealloc = config.dealloc,
					   .opaque = config.opaque,
					   .items = config.ranges + 2 };
	t->capacity = pool.items + 1;
	t->record = take_memory(&config, records_bytes(t), _Alignof(struct iotlb_record));
	miss = take_memory(&config, misses_bytes(t), _Alignof(struct iotlb_miss));
	if (!t->record || !miss || range_pool_new(&pool, &t->pool) != VIOMMU_OK) {
		free_all(t, miss);
		return VIOMMU_ENOMEM;
	}
	iotlb_misses_init(&t->misses, miss, config.misses);
	epoch_init(&t->epoch, false);
	*out = t;
	return VIOMMU_OK;
}

int viommu_iotlb_free(struct viommu_iotlb *t)
{
	if (!t)
		return VIOMMU_OK;
	if (atomic_load(&t->readers))
		return VIOMMU_EBUSY;
	epoch_fini(&t->epoch);
	iotlb_misses_fini(&t->misses);
	free_all(t, t->misses.miss);
	return VIOMMU_OK;
}
