/* SPDX-License-Identifier: BSD-3-Clause */
/* map_bench.c - what the library's range maps cost, which keep mappings of virtio-iommu and device
 * IOTLBs. map_world.c has the loops. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>

#include <libvirtiommu/base.h>

#include "map_world.h"
#include "range_map.h"
#include "shim.h"

struct store {
	struct range_pool *pool;
	struct range_map map;
};

static void *zeroed(void *opaque, uint64_t bytes, uint64_t align)
{
	void *block = aligned_alloc(align, (bytes + align - 1) / align * align);

	(void)opaque;
	return block ? memset(block, 0, bytes) : NULL;
}

static void dealloc(void *opaque, void *block, uint64_t bytes)
{
	(void)opaque;
	(void)bytes;
	free(block);
}

static void *create(uint64_t most)
{
	struct range_pool_config config = { zeroed, dealloc, NULL, (uint32_t)most };
	struct store *s = calloc(1, sizeof(*s));

	if (s && range_pool_new(&config, &s->pool) == VIOMMU_OK)
		return s;
	free(s);
	return NULL;
}

static void destroy(void *store)
{
	struct store *s = store;

	range_pool_free(s->pool);
	free(s);
}

static bool add(void *store, uint64_t first, uint64_t last, uint64_t target)
{
	struct store *s = store;
	struct range_item item = { first, last, target, 3 };

	return range_map_add(s->pool, &s->map, &item) == VIOMMU_OK;
}

static bool remove_all(void *store, uint64_t first, uint64_t last)
{
	struct store *s = store;

	return !range_map_cuts(s->pool, &s->map, first, last) &&
	       range_map_remove(s->pool, &s->map, first, last, NULL, NULL) > 0;
}

static bool find(void *store, uint64_t address, uint64_t *target)
{
	const struct store *s = store;
	struct range_item item;

	if (!range_map_find(s->pool, &s->map, address, &item))
		return false;
	*target = item.target + (address - item.first);
	return true;
}

static double bytes(void *store)
{
	const struct store *s = store;

	return (double)range_pool_bytes(s->pool) / range_pool_count(s->pool);
}

void bench_suite_map(void)
{
	static const struct map_ops ops = {
		.prefix = "map",
		.map = "add",
		.unmap = "remove",
		.create = create,
		.destroy = destroy,
		.add = add,
		.remove = remove_all,
		.find = find,
		.bytes = bytes,
	};

	map_register(&ops);
}
