/* SPDX-License-Identifier: BSD-3-Clause */
/* virtio_endpoint.c - what is particular to an endpoint: reserved regions, page sizes, and how
 * PROBE tells of them (5.13.6.8 to 5.13.6.10). */

#include <endian.h>
#include <stddef.h>
#include <string.h>

#include "abi.h"
#include "range.h"
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

static void put16(unsigned char *to, uint16_t value)
{
	value = htole16(value);
	memcpy(to, &value, sizeof(value));
}

static void put64(unsigned char *to, uint64_t value)
{
	value = htole64(value);
	memcpy(to, &value, sizeof(value));
}

uint32_t virtio_properties(const struct virtio_endpoint *endpoint, unsigned char *to)
{
	const struct virtio_regions *regions =
		atomic_load_explicit(&endpoint->regions, memory_order_relaxed);
	uint32_t bytes = 0;

	for (uint32_t i = 0; regions && i < regions->count; i++) {
		unsigned char *at = to + bytes;

		memset(at, 0, VIRTIO_RESV_MEM_TOTAL);
		put16(at, VIRTIO_PROPERTY_RESV_MEM);
		put16(at + 2, VIRTIO_RESV_MEM_BYTES);
		at[4] = (unsigned char)regions->region[i].subtype;
		put64(at + 8, regions->region[i].first);
		put64(at + 16, regions->region[i].last);
		bytes += VIRTIO_RESV_MEM_TOTAL;
	}
	return bytes;
}

/* ---- viommu_virtio_set_endpoint() ---- */

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

static bool take_regions(const struct viommu_virtio_endpoint *given,
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
static const struct virtio_regions *regions_get(struct virtio *v,
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

static int refuse(struct virtio *v, int result, const char *text)
{
	unit_message(&v->unit, text);
	return result;
}

/* Gives an endpoint that nobody is translating for what is particular to it. */
static int describe(struct virtio *v, struct virtio_endpoint *e,
		    const struct viommu_virtio_endpoint *given)
{
	struct viommu_virtio_region sorted[VIRTIO_REGIONS_MAX];
	const struct virtio_regions *regions = NULL;

	if (!take_regions(given, sorted))
		return refuse(v, VIOMMU_EINVAL,
			      "endpoint: more than 64 regions, or one that is empty, overlaps "
			      "another, has no known subtype, or is a second one for MSIs");
	if (given->region_count * VIRTIO_RESV_MEM_TOTAL > v->config.probe_size)
		return refuse(v, VIOMMU_ENOSPC, "endpoint: its regions do not fit in probe_size");
	if (given->region_count) {
		regions = regions_get(v, sorted, given->region_count);
		if (!regions)
			return VIOMMU_ENOMEM;
	}
	e->granule = given->page_size_mask & -given->page_size_mask;
	atomic_store_explicit(&e->regions, regions, memory_order_release);
	return VIOMMU_OK;
}

static int take_endpoint(struct virtio *v, struct viommu_virtio_endpoint *endpoint,
			 const struct viommu_virtio_endpoint *given)
{
	int result = abi_take(endpoint, sizeof(*endpoint),
			      offsetof(struct viommu_virtio_endpoint, regions), given);

	return result ? refuse(v, result, "endpoint: its size is not one that is known") : result;
}

int virtio_device_new(struct viommu *u, struct viommu_device *device)
{
	struct virtio *v = virtio_of(u);
	struct viommu_virtio_endpoint endpoint;
	int result;

	if (!device->config.virtio)
		return VIOMMU_OK;
	result = take_endpoint(v, &endpoint, device->config.virtio);
	return result ? result : describe(v, virtio_endpoint_of(device), &endpoint);
}

static int set_endpoint(struct virtio *v, struct virtio_endpoint *e,
			const struct viommu_virtio_endpoint *given)
{
	int result;

	if (virtio_attached(e))
		return VIOMMU_EBUSY;
	result = describe(v, e, given);
	if (result)
		return result;
	unit_forget_device(&e->device, false);
	atomic_fetch_add(&e->device.users, 1);
	virtio_tell_mode(v, e, virtio_mode(v, e), virtio_mode(v, e));
	device_put(&e->device);
	virtio_told(v, false);
	return VIOMMU_OK;
}

int viommu_virtio_set_endpoint(struct viommu_device *device,
			       const struct viommu_virtio_endpoint *given)
{
	struct viommu_virtio_endpoint endpoint;
	int result;

	if (!device || device->iommu->engine != &virtio_engine)
		return VIOMMU_EINVAL;
	result = take_endpoint(virtio_of(device->iommu), &endpoint, given);
	if (!result)
		result = virtio_begin(device->iommu);
	if (result)
		return result;
	result = set_endpoint(virtio_of(device->iommu), virtio_endpoint_of(device), &endpoint);
	unit_end(device->iommu);
	return result;
}
