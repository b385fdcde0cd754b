/* SPDX-License-Identifier: BSD-3-Clause */
/* source.h - who asks: devices and channels, made when the recording first names them. */
#ifndef REPLAY_SOURCE_H
#define REPLAY_SOURCE_H

#include "player.h"
#include "table.h"

#define DOMAIN_UNKNOWN UINT32_MAX

struct source_key {
	uint32_t rid;
	uint32_t pasid;
};

/* A device with one PASID, or without: a channel each. */
struct source {
	struct source_key key;
	struct viommu_device *device; /* shared by those of one id */
	struct viommu_channel *channel;
	bool owner;	 /* of the device: the first of them, if nobody had made it */
	bool refused;	 /* VT-d: a request has been */
	uint32_t domain; /* VT-d: DOMAIN_UNKNOWN, to be found out again */
	UT_hash_handle hh;
};

/* NULL: the library refused, *result says why. */
struct source *source_find(struct player *player, uint32_t rid, uint32_t pasid, int *result);
/* Of a T line; NULL is a mismatch. */
struct source *source_of(struct player *player, const struct tape_line *line);
void source_free_all(struct player *player);

#endif
