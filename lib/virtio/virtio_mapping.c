/* SPDX-License-Identifier: BSD-3-Clause */
/* virtio_mapping.c - the mappings of a domain (5.13.6.6, 5.13.6.7). A mapping is never split or
 * merged: what MAP made, UNMAP takes away whole. */

#include "mem.h"
#include "range.h"
#include "virtio_engine.h"

/* ---- listeners ---- */

/* Host memory for what the mapping permits: ROM is no memory to write to. */
enum virtio_told virtio_tell_mapping(struct virtio *v, struct virtio_endpoint *e,
				     const struct range_item *item, uint64_t *at)
{
	uint64_t end = item->target + (item->last - item->first);

	/* at most two steps a region of the VM, and one more */
	for (;;) {
		uint64_t gpa = item->target + (*at - item->first);
		struct viommu_fragment f = {
			.gpa = gpa, .perm = virtio_perm(item->perm) & (unsigned)PERM_USER
		};
		uint64_t last;

		if (!unit_pay(&v->unit, 1))
			return VIRTIO_TOLD_LATER;
		last = mem_piece(v->unit.vm, gpa, end, f.perm & VIOMMU_WRITE, &f.host);
		f.length = last - gpa + 1;
		if (notify_device_map(&v->unit, &e->device, *at, &f))
			return VIRTIO_TOLD_REFUSED;
		*at += f.length;
		if (last == end)
			return VIRTIO_TOLD;
	}
}

enum virtio_told virtio_tell_mappings(struct virtio *v, struct virtio_endpoint *e,
				      const struct virtio_domain *d, uint64_t *at)
{
	struct range_item item;

	if (!notify_wants_map(&v->unit, &e->device))
		return VIRTIO_TOLD;
	/* as many steps as there are mappings */
	while (range_map_next(v->pool, &d->map, *at, &item)) {
		enum virtio_told told = VIRTIO_TOLD;

		if (*at < item.first)
			*at = item.first;
		if (item.perm & (VIOMMU_READ | VIOMMU_WRITE))
			told = virtio_tell_mapping(v, e, &item, at);
		else if (unit_pay(&v->unit, 1))
			*at = item.last + 1;
		else
			told = VIRTIO_TOLD_LATER;
		if (told != VIRTIO_TOLD || *at == 0)
			return told;
	}
	return VIRTIO_TOLD;
}

/* ---- MAP ---- */

enum virtio_status virtio_check_item(const struct virtio *v, uint64_t granule,
				     const struct range_item *item)
{
	uint64_t end;

	if (item->first > item->last)
		return VIRTIO_S_INVAL;
	if (!virtio_aligned(item, granule))
		return VIRTIO_S_RANGE;
	if (item->first < v->config.input_first || item->last > v->config.input_last)
		return VIRTIO_S_RANGE;
	if (!range_add(item->target, item->last - item->first, &end) || end > v->config.gpa_last)
		return VIRTIO_S_RANGE;
	return VIRTIO_S_OK;
}

bool virtio_overlaps(const struct virtio_regions *regions, const struct range_item *item)
{
	for (uint32_t i = 0; regions && i < regions->count; i++) {
		if (range_overlaps(regions->region[i].first, regions->region[i].last, item->first,
				   item->last))
			return true;
	}
	return false;
}

static inline enum virtio_status map_counted(struct virtio *v, struct virtio_domain *d,
					     const struct range_item *item, bool overlaps)
{
	enum virtio_status status = virtio_check_item(v, d->granule, item);
	int result;

	if (status)
		return status;
	if (overlaps)
		return VIRTIO_S_INVAL;
	result = d->map.count >= v->config.domain_mappings ||
				 range_pool_count(v->pool) >= v->config.mappings
			 ? VIOMMU_ELIMIT
			 : range_map_add(v->pool, &d->map, item);
	if (result == VIOMMU_EEXIST)
		return VIRTIO_S_INVAL;
	if (result)
		return VIRTIO_S_NOMEM;
	if (notify_anybody(&v->unit) && (item->perm & (VIOMMU_READ | VIOMMU_WRITE))) {
		virtio_take_from(v, VIRTIO_DOMAIN, virtio_incarnation(d));
		virtio_begin_map(v, d, item);
	}
	return VIRTIO_S_OK;
}

enum virtio_status virtio_map_counted(struct virtio *v, struct virtio_domain *d,
				      const struct range_item *item, bool overlaps)
{
	return map_counted(v, d, item, overlaps);
}

enum virtio_status virtio_map(struct virtio *v, uint32_t id, const struct range_item *item)
{
	struct virtio_domain *d = virtio_domain_find(v, id);

	if (!d)
		return VIRTIO_S_NOENT;
	if (virtio_is_pass(d))
		return VIRTIO_S_INVAL;
	if (!d->stale && !d->mixed)
		return map_counted(v, d, item, virtio_overlaps(d->regions, item));
	virtio_count_anew(v, d);
	virtio_begin_counting(v, d, item);
	return VIRTIO_S_OK;
}

/* ---- UNMAP ---- */

enum virtio_status virtio_unmap(struct virtio *v, uint32_t id, uint64_t first, uint64_t last)
{
	struct virtio_domain *d = virtio_domain_find(v, id);

	if (!d)
		return VIRTIO_S_NOENT;
	if (virtio_is_pass(d) || first > last)
		return VIRTIO_S_INVAL;
	if (range_map_cuts(v->pool, &d->map, first, last))
		return VIRTIO_S_RANGE;
	virtio_take_from(v, VIRTIO_DOMAIN, virtio_incarnation(d));
	virtio_begin_unmap(v, d, first, last);
	return VIRTIO_S_OK;
}
