/* SPDX-License-Identifier: BSD-3-Clause */
/* window.c - the block that hits of one partition need: how it is laid out, and the regions in it. */

#include "context_cache.h"
#include "domain.h"
#include "mem_map.h"
#include "seqlock.h"
#include "tlb.h"
#include "window.h"

static uint64_t up(uint64_t bytes, uint64_t align)
{
	return (bytes + align - 1) & ~(align - 1);
}

/* Takes the next piece of a window: a whole number of cache lines in pairs. */
static uint64_t take(uint64_t *end, uint64_t count, uint64_t each)
{
	uint64_t at = *end;

	*end = up(at + count * each, 128);
	return at;
}

static void lay_out(struct window *w, const struct window_size *size)
{
	uint64_t end = up(sizeof(*w), 128);

	w->set_count = tlb_sets(size->tlb_entries);
	w->sets = take(&end, w->set_count, sizeof(struct tlb_set));
	w->context_count = context_cache_slots(size->contexts);
	w->contexts = take(&end, w->context_count, sizeof(struct context_slot));
	w->domain_count = domains_slots(size->domains);
	w->domains = take(&end, w->domain_count, sizeof(struct domain));
	w->device_count = size->devices;
	w->devices = take(&end, w->device_count, sizeof(_Atomic uint64_t));
	w->region_count = WINDOW_REGIONS;
	w->regions = take(&end, w->region_count, sizeof(struct window_region));
	w->bytes = up(end, WINDOW_ALIGN);
}

uint64_t window_bytes(const struct window_size *size)
{
	struct window w;

	lay_out(&w, size);
	return w.bytes;
}

struct window *window_new(struct viommu_vm *vm, const struct window_size *size, uint64_t number)
{
	struct window *w = vm_alloc_window(vm, window_bytes(size));

	if (!w)
		return NULL;
	lay_out(w, size);
	vm_derive_key(vm, number, w->key);
	w->magic = WINDOW_MAGIC;
	atomic_init(&w->now, 1);
	atomic_init(&w->generation, 1);
	return w;
}

void window_free(struct window *window, struct viommu_vm *vm)
{
	if (window)
		vm_dealloc_window(vm, window, window->bytes);
}

static uint64_t load(const _Atomic uint64_t *word)
{
	return atomic_load_explicit(word, memory_order_relaxed);
}

static void store(_Atomic uint64_t *word, uint64_t value)
{
	atomic_store_explicit(word, value, memory_order_relaxed);
}

void window_put_regions(struct window *window, struct viommu_vm *vm)
{
	const struct mem_map *map = atomic_load_explicit(&vm->map, memory_order_relaxed);
	struct window_region *to = window_at(window, window->regions);
	uint32_t count = atomic_load_explicit(&map->count, memory_order_relaxed);

	if (count > window->region_count)
		count = (uint32_t)window->region_count;
	seq_write_begin(&window->region_version);
	/* at most WINDOW_REGIONS steps */
	for (uint32_t i = 0; i < count; i++) {
		uintptr_t host = atomic_load_explicit(&map->region[i].host, memory_order_relaxed);

		store(&to[i].first, load(&map->region[i].first));
		store(&to[i].last, load(&map->region[i].last));
		store(&to[i].stamp, load(&map->region[i].stamp) << 1 |
					    (host & MEM_REGION_READONLY ? WINDOW_READONLY : 0));
	}
	store(&window->regions_used, count);
	seq_write_end(&window->region_version);
}
