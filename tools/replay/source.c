/* SPDX-License-Identifier: BSD-3-Clause */
/* source.c - devices and channels, made when the recording first names them. */

#include <stdlib.h>

#include "source.h"

static void free_source(struct source *s)
{
	if (s->owner)
		viommu_device_free(s->device);
	free(s);
}

static int make(struct player *p, struct source *s)
{
	const struct viommu_device_config config = { .size = sizeof(config), .id = s->key.rid };
	int result = viommu_find_device(p->iommu, s->key.rid, &s->device);
	bool full = false;

	if (result != VIOMMU_OK) {
		result = viommu_device_new(p->iommu, &config, &s->device);
		s->owner = result == VIOMMU_OK;
	}
	if (!result)
		result = viommu_channel_new(s->device, s->key.pasid, &s->channel);
	if (!result)
		TABLE_ADD(p->sources, key, s, full);
	if (full)
		viommu_channel_free(s->channel);
	return full ? VIOMMU_ENOMEM : result;
}

struct source *source_find(struct player *p, uint32_t rid, uint32_t pasid, int *result)
{
	const struct source_key key = { rid, pasid };
	struct source *s;

	HASH_FIND(hh, p->sources, &key, sizeof(key), s);
	if (s)
		return s;
	*result = VIOMMU_ENOMEM;
	s = malloc(sizeof(*s));
	if (!s)
		return NULL;
	*s = (struct source){ .key = key, .domain = DOMAIN_UNKNOWN };
	*result = make(p, s);
	if (!*result)
		return s;
	free_source(s);
	return NULL;
}

struct source *source_of(struct player *p, const struct tape_line *l)
{
	int result = VIOMMU_OK;
	struct source *s = source_find(p, l->rid, l->pasid, &result);

	if (!s)
		player_differ(p, l->kind, l->number, "a device and a channel",
			      viommu_strerror(result));
	return s;
}

void source_free_all(struct player *p)
{
	struct source *s, *next;

	HASH_ITER(hh, p->sources, s, next)
		viommu_channel_free(s->channel);
	HASH_ITER(hh, p->sources, s, next) {
		HASH_DEL(p->sources, s);
		free_source(s);
	}
}
