/* SPDX-License-Identifier: BSD-3-Clause */
/* dma_map.c - ranges of a device's addresses that are mapped for direct access, each with a section
 * of its own. */
#include <libvirtiommu/dma.h>

#include "channel.h"
#include "mem.h"
#include "range.h"
#include "section.h"

/* Fragments that are asked for at a time. */
#define PIECES 16U

/* False: there is no room. */
static bool add(struct viommu_mapping *map, const struct viommu_fragment *f)
{
	struct viommu_part *last = map->count ? &map->parts[map->count - 1] : NULL;

	if (last && (unsigned char *)last->base + last->bytes == f->host &&
	    (!map->gpas || map->gpas[map->count - 1] + last->bytes == f->gpa)) {
		last->bytes += f->length;
	} else {
		if (map->count == map->max)
			return false;
		map->parts[map->count] = (struct viommu_part){ f->host, f->length };
		if (map->gpas)
			map->gpas[map->count] = f->gpa;
		map->count++;
	}
	map->bytes += f->length;
	return true;
}

static int add_all(struct viommu_mapping *map, const struct viommu_fragment *f, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		if (!f[i].host)
			return VIOMMU_UNREACHABLE;
		if (!add(map, &f[i]))
			return VIOMMU_MORE;
	}
	return VIOMMU_OK;
}

/* In the map's section. At most max + 1 turns. */
static int map_range(struct viommu_device *device, struct viommu_channel *channel,
		     struct viommu_request *request, struct viommu_mapping *map)
{
	struct viommu_fragment f[PIECES];
	struct viommu_answer answer;
	int result;

	do {
		int added;

		result = channel ? viommu_translate(channel, request, f, PIECES, &answer)
				 : viommu_device_translate(device, request, f, PIECES, &answer);
		if (result < 0)
			return result;
		added = add_all(map, f, answer.count);
		if (added)
			return added;
		request->first = answer.next;
	} while (result == VIOMMU_MORE && answer.count == PIECES);
	return result;
}

static int map_section(struct viommu_device *device, struct viommu_channel *channel, uint32_t pasid,
		       uint64_t iova, uint64_t bytes, uint32_t access, struct viommu_mapping *map)
{
	struct viommu_request request = { .first = iova,
					  .pasid = pasid,
					  .access = (uint16_t)access };
	struct viommu_mapping given;
	struct viommu_section section;
	int result;

	if (!map || !map->parts || !map->max || !bytes ||
	    !(access & (VIOMMU_READ | VIOMMU_WRITE)) ||
	    (access & ~(VIOMMU_READ | VIOMMU_WRITE | VIOMMU_PRIV)) ||
	    (pasid != VIOMMU_NO_PASID && pasid >= BIT(20)) ||
	    ((access & VIOMMU_WRITE) && !map->gpas))
		return VIOMMU_EINVAL;
	if (map->section.device)
		return VIOMMU_EBUSY;
	given = *map;
	map->bytes = 0;
	map->count = 0;
	if (!range_last(iova, bytes, &request.last))
		return VIOMMU_UNREACHABLE;
	section_open(&map->section, device);
	result = map_range(device, channel, &request, map);
	if (map->bytes && result >= 0)
		return result;
	section = map->section;
	map->section = given.section; /* closed */
	if (result < 0)
		*map = given;
	section_close(&section);
	return result;
}

int viommu_dma_map(struct viommu_channel *channel, uint64_t iova, uint64_t bytes, uint32_t access,
		   struct viommu_mapping *map)
{
	return channel ? map_section(channel->device, channel, channel->pasid, iova, bytes, access,
				     map)
		       : VIOMMU_EINVAL;
}

int viommu_device_dma_map(struct viommu_device *device, uint32_t pasid, uint64_t iova,
			  uint64_t bytes, uint32_t access, struct viommu_mapping *map)
{
	return device ? map_section(device, NULL, pasid, iova, bytes, access, map) : VIOMMU_EINVAL;
}

static void report(const struct viommu_mapping *map, uint64_t written)
{
	struct viommu_vm *vm = map->section.device->iommu->vm;

	/* at most count turns: written is no more than there is */
	for (uint32_t i = 0; written; i++) {
		uint64_t bytes = map->parts[i].bytes < written ? map->parts[i].bytes : written;

		mem_dirty(vm, map->gpas[i], bytes);
		written -= bytes;
	}
}

int viommu_dma_unmap(struct viommu_mapping *map, uint64_t written)
{
	if (!map || (map->section.device && !section_is_open(&map->section)) ||
	    written > (map->section.device ? map->bytes : 0) || (written && !map->gpas))
		return VIOMMU_EINVAL;
	if (!map->section.device)
		return VIOMMU_OK;
	report(map, written);
	/* first: the host's work callback may map it again */
	map->bytes = 0;
	map->count = 0;
	section_close(&map->section);
	return VIOMMU_OK;
}
