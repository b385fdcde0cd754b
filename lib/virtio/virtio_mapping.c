/* SPDX-License-Identifier: BSD-3-Clause */
/* virtio_mapping.c - the mappings of a domain (5.13.6.6, 5.13.6.7). A mapping is never split or
 * merged: what MAP made, UNMAP takes away whole. */

#include "mem.h"
#include "range.h"
#include "virtio_engine.h"

/* ---- listeners ---- */

/* Host memory for what the mapping permits: ROM is no memory to write to. */
static void tell_mapping(struct virtio *v, struct virtio_endpoint *e, const struct range_item *item)
{
	uint64_t end = item->target + (item->last - item->first);
	uint64_t gpa = item->target;

	/* at most two steps a region of the VM, and one more */
	for (;;) {
		struct viommu_fragment f = {
			.gpa = gpa, .perm = virtio_perm(item->perm) & (unsigned)PERM_USER
		};
		uint64_t last = mem_piece(v->unit.vm, gpa, end, f.perm & VIOMMU_WRITE, &f.host);

		f.length = last - gpa + 1;
		notify_device_map(&v->unit, &e->device, item->first + (gpa - item->target), &f);
		if (last == end)
			return;
		gpa = last + 1;
	}
}

void virtio_tell_mappings(struct virtio *v, struct virtio_endpoint *e)
{
	uint64_t attached = virtio_attached(e);
	struct virtio_domain *d = virtio_domain_at(v, attached);
	struct range_item item;
	uint64_t at = 0;

	if (!attached || !notify_wants_map(&v->unit, &e->device))
		return;
	/* as many steps as there are mappings */
	while (range_map_next(v->pool, &d->map, at, &item)) {
		if (item.perm & (VIOMMU_READ | VIOMMU_WRITE))
			tell_mapping(v, e, &item);
		at = item.last + 1;
		if (at == 0)
			break;
	}
}

static void tell_new(struct virtio *v, struct virtio_domain *d, const struct range_item *item)
{
	if (!notify_anybody(&v->unit) || !(item->perm & (VIOMMU_READ | VIOMMU_WRITE)))
		return;
	for (struct virtio_endpoint *e = virtio_next_endpoint(v, d, NULL); e;
	     e = virtio_next_endpoint(v, d, e)) {
		if (notify_wants_map(&v->unit, &e->device))
			tell_mapping(v, e, item);
	}
}

/* ---- MAP ---- */

enum virtio_status virtio_check_item(const struct virtio *v, uint64_t granule,
				     const struct range_item *item)
{
	uint64_t end;

	if (item->first > item->last)
		return VIRTIO_S_INVAL;
	/* last + 1 is 0 for the end of the address space, which counts as aligned */
	if ((item->first | (item->last + 1) | item->target) & (granule - 1))
		return VIRTIO_S_RANGE;
	if (item->first < v->config.input_first || item->last > v->config.input_last)
		return VIRTIO_S_RANGE;
	if (!range_add(item->target, item->last - item->first, &end) || end > v->config.gpa_last)
		return VIRTIO_S_RANGE;
	return VIRTIO_S_OK;
}

static bool overlaps_set(const struct virtio_regions *regions, const struct range_item *item)
{
	for (uint32_t i = 0; regions && i < regions->count; i++) {
		if (range_overlaps(regions->region[i].first, regions->region[i].last, item->first,
				   item->last))
			return true;
	}
	return false;
}

/* Whether the range has a reserved address of an endpoint of the domain. */
static bool overlaps_region(struct virtio *v, const struct virtio_domain *d,
			    const struct range_item *item)
{
	bool found = false;

	if (!d->mixed)
		return overlaps_set(d->regions, item);
	pthread_mutex_lock(&v->unit.devices_lock);
	for (const struct virtio_endpoint *e = d->endpoints; e && !found; e = e->next)
		found = overlaps_set(atomic_load_explicit(&e->regions, memory_order_relaxed), item);
	pthread_mutex_unlock(&v->unit.devices_lock);
	return found;
}

enum virtio_status virtio_map(struct virtio *v, uint32_t id, const struct range_item *item)
{
	struct virtio_domain *d = virtio_domain_find(v, id);
	enum virtio_status status;
	int result;

	if (!d)
		return VIRTIO_S_NOENT;
	if (virtio_is_pass(d))
		return VIRTIO_S_INVAL;
	status = virtio_check_item(v, d->granule, item);
	if (status)
		return status;
	if (overlaps_region(v, d, item))
		return VIRTIO_S_INVAL;
	result = d->map.count >= v->config.domain_mappings ||
				 range_pool_count(v->pool) >= v->config.mappings
			 ? VIOMMU_ELIMIT
			 : range_map_add(v->pool, &d->map, item);
	if (result == VIOMMU_EEXIST)
		return VIRTIO_S_INVAL;
	if (result)
		return VIRTIO_S_NOMEM;
	tell_new(v, d, item);
	return VIRTIO_S_OK;
}

/* ---- UNMAP ---- */

enum virtio_status virtio_unmap(struct virtio *v, uint32_t id, uint64_t first, uint64_t last)
{
	struct virtio_domain *d = virtio_domain_find(v, id);
	struct domain_match match = { .pasid = VIOMMU_ANY_PASID, .kinds = 1U << VIRTIO_KIND_MAP };

	if (!d)
		return VIRTIO_S_NOENT;
	if (virtio_is_pass(d) || first > last)
		return VIRTIO_S_INVAL;
	if (range_map_cuts(v->pool, &d->map, first, last))
		return VIRTIO_S_RANGE;
	virtio_take_from(v, VIRTIO_DOMAIN,
			 atomic_load_explicit(&d->incarnation, memory_order_relaxed));
	if (!range_map_remove(v->pool, &d->map, first, last, NULL, NULL)) {
		/* What was there may be what a request that is pending took away. */
		v->unsynced = v->unsynced || v->pending_count;
		return VIRTIO_S_OK;
	}
	match.id = (uint32_t)(d - v->domain);
	unit_pay(&v->unit, domains_flush_range(&v->unit.domains, &match, first, last, true));
	v->unsynced = true;
	if (!notify_anybody(&v->unit) && !d->caches)
		return VIRTIO_S_OK;
	for (struct virtio_endpoint *e = virtio_next_endpoint(v, d, NULL); e;
	     e = virtio_next_endpoint(v, d, e))
		virtio_take_away(v, e, first, last);
	return VIRTIO_S_OK;
}
