/* SPDX-License-Identifier: BSD-3-Clause */
/* virtio_endpoint.c - what is particular to an endpoint: reserved regions, page sizes, and how
 * PROBE tells of them (5.13.6.8 to 5.13.6.10). */

#include <endian.h>
#include <stddef.h>
#include <string.h>

#include "abi.h"
#include "range.h"
#include "recorder.h"
#include "virtio_engine.h"

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

	if (!virtio_regions_take(given, sorted))
		return refuse(v, VIOMMU_EINVAL,
			      "endpoint: more than 64 regions, or one that is empty, overlaps "
			      "another, has no known subtype, or is a second one for MSIs");
	if (given->region_count * VIRTIO_RESV_MEM_TOTAL > v->config.probe_size)
		return refuse(v, VIOMMU_ENOSPC, "endpoint: its regions do not fit in probe_size");
	if (given->region_count) {
		regions = virtio_regions_get(v, sorted, given->region_count);
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

static int set(struct viommu_device *device, const struct viommu_virtio_endpoint *given)
{
	struct viommu_virtio_endpoint endpoint;
	int result;

	result = take_endpoint(virtio_of(device->iommu), &endpoint, given);
	if (!result)
		result = virtio_begin(device->iommu);
	if (result)
		return result;
	result = set_endpoint(virtio_of(device->iommu), virtio_endpoint_of(device), &endpoint);
	unit_end(device->iommu);
	return result;
}

int viommu_virtio_set_endpoint(struct viommu_device *device,
			       const struct viommu_virtio_endpoint *given)
{
	struct record_event e;
	int result;

	if (!device || !engine_is(device->iommu->engine, &virtio_engine))
		return VIOMMU_EINVAL;
	if (!device->iommu->record)
		return set(device, given);
	unit_record_begin(device->iommu, &e, true);
	result = set(device, given);
	if (result >= 0)
		virtio_record_endpoint(device,
				       atomic_load_explicit(&device->id, memory_order_relaxed),
				       false, &e.effects);
	record_end(&e, record_after(result));
	return result;
}
