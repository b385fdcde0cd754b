/* SPDX-License-Identifier: BSD-3-Clause */
/* virtio_regions.c - reserved regions, of which endpoints with equal ones share a set; and how an endpoint
 * is treated. */

#include <string.h>

#include "virtio_engine.h"

const struct virtio_regions *virtio_regions_find(const struct virtio *v, uint32_t id)
{
	const struct virtio_regions *set = atomic_load_explicit(&v->regions, memory_order_acquire);

	/* at most as many steps as the VMM has given different sets */
	while (set && set->id != id)
		set = set->next;
	return set;
}

const struct viommu_virtio_region *virtio_region_at(const struct virtio_regions *regions,
						    uint64_t address, uint64_t *first,
						    uint64_t *last)
{
	*first = 0;
	*last = UINT64_MAX;
	for (uint32_t i = 0; regions && i < regions->count; i++) {
		const struct viommu_virtio_region *r = &regions->region[i];

		if (address < r->first) {
			*last = r->first - 1;
			return NULL;
		}
		if (address <= r->last)
			return r;
		*first = r->last + 1;
	}
	return NULL;
}

uint32_t virtio_mode(const struct virtio *v, const struct virtio_endpoint *endpoint)
{
	uint64_t attached = virtio_attached(endpoint);
	uint32_t id = atomic_load_explicit(&endpoint->device.id, memory_order_relaxed);

	if ((attached & VIRTIO_ATTACHED_BETWEEN) || id == VIOMMU_NO_ID)
		return VIOMMU_MODE_BLOCK;
	if (attached)
		return attached & VIRTIO_ATTACHED_PASS ? VIOMMU_MODE_BYPASS : VIOMMU_MODE_TRANSLATE;
	return atomic_load_explicit(&v->pass, memory_order_acquire) ? VIOMMU_MODE_BYPASS
								    : VIOMMU_MODE_BLOCK;
}

/* ---- sets ---- */

/* Inserts a region where it belongs; false if it overlaps another. */
static bool insert(struct viommu_virtio_region *sorted, uint32_t count,
		   const struct viommu_virtio_region *r)
{
	uint32_t at = count;

	while (at > 0 && sorted[at - 1].first > r->first)
		at--;
	if ((at > 0 && sorted[at - 1].last >= r->first) ||
	    (at < count && sorted[at].first <= r->last))
		return false;
	memmove(&sorted[at + 1], &sorted[at], (count - at) * sizeof(*sorted));
	sorted[at] = *r;
	return true;
}

bool virtio_regions_take(const struct viommu_virtio_endpoint *given,
			 struct viommu_virtio_region *sorted)
{
	uint32_t msis = 0;

	if (given->region_count > VIRTIO_REGIONS_MAX || (given->region_count && !given->regions))
		return false;
	for (uint32_t i = 0; i < given->region_count; i++) {
		const struct viommu_virtio_region *r = &given->regions[i];

		if (r->first > r->last || r->subtype > VIOMMU_VIRTIO_RESV_MSI || r->reserved)
			return false;
		msis += r->subtype == VIOMMU_VIRTIO_RESV_MSI;
		if (!insert(sorted, i, r))
			return false;
	}
	return msis <= 1;
}

static uint64_t regions_bytes(uint32_t count)
{
	return sizeof(struct virtio_regions) + count * sizeof(struct viommu_virtio_region);
}

/* With devices_lock held. */
static struct virtio_regions *regions_known(struct virtio *v,
					    const struct viommu_virtio_region *sorted,
					    uint32_t count)
{
	struct virtio_regions *set = atomic_load_explicit(&v->regions, memory_order_relaxed);

	/* at most as many steps as the VMM has given different sets */
	while (set &&
	       (set->count != count || memcmp(set->region, sorted, count * sizeof(*sorted)) != 0))
		set = set->next;
	return set;
}

/* The set of these regions, known or new; NULL: no memory. */
const struct virtio_regions *virtio_regions_get(struct virtio *v,
						const struct viommu_virtio_region *sorted,
						uint32_t count)
{
	struct virtio_regions *fresh =
		vm_alloc(v->unit.vm, regions_bytes(count), _Alignof(struct virtio_regions));
	struct virtio_regions *first, *set;

	if (!fresh)
		return NULL;
	fresh->count = count;
	memcpy(fresh->region, sorted, count * sizeof(*sorted));
	pthread_mutex_lock(&v->unit.devices_lock);
	set = regions_known(v, sorted, count);
	if (!set) {
		first = atomic_load_explicit(&v->regions, memory_order_relaxed);
		fresh->next = first;
		fresh->id = first ? first->id + 1 : 1;
		atomic_store_explicit(&v->regions, fresh, memory_order_release);
	}
	pthread_mutex_unlock(&v->unit.devices_lock);
	if (set)
		vm_dealloc(v->unit.vm, fresh, regions_bytes(count));
	return set ? set : fresh;
}

void virtio_regions_free(struct virtio *v)
{
	struct virtio_regions *set = atomic_load_explicit(&v->regions, memory_order_relaxed);

	while (set) {
		struct virtio_regions *next = set->next;

		vm_dealloc(v->unit.vm, set, regions_bytes(set->count));
		set = next;
	}
}
