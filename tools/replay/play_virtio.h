/* SPDX-License-Identifier: BSD-3-Clause */
/* play_virtio.h - a recording of virtio-iommu: the engine and its endpoints. */
#ifndef REPLAY_PLAY_VIRTIO_H
#define REPLAY_PLAY_VIRTIO_H

#include <libvirtiommu/virtio.h>

#include "player.h"
#include "table.h"

struct endpoint {
	uint32_t id;
	struct viommu_device *device;
	struct viommu_channel *channel;
	bool met;	  /* in an ATTACH or DETACH since the last reset */
	uint64_t granule; /* 0: as the IOMMU */
	uint32_t region_count;
	struct viommu_virtio_region region[WORDS_MAX / 3];
	UT_hash_handle hh;
};

struct virtio_play {
	struct endpoint *endpoints;    /* by id */
	bool complete;		       /* the engine has said that a pending request is */
	uint8_t reply[WORDS_DATA_MAX]; /* of the last request, which may be pending */
	/* The event's T line was granted where nothing is mapped: our fault record has no counterpart. */
	bool beside_mapping;
	bool differs; /* the event's T line does, so that its fault records will: one difference stays one */
};

/* NULL: no P line has named it. */
struct endpoint *virtio_endpoint(const struct player *player, uint32_t id);
/* What is mapped at an address, whoever may access it; false: nothing. */
bool virtio_mapped(const struct endpoint *endpoint, uint64_t iova, struct viommu_fragment *mapping);

/* play_virtio_request.c: Q lines. */
bool virtio_parse_request(struct words *words, struct tape_line *line);
void virtio_request_line(struct player *player, const struct tape_line *line);

/* play_virtio_dma.c: T lines. */
void virtio_dma_line(struct player *player, const struct tape_line *line);

/* play_virtio_fault.c: E and e lines, which are compared together. */
bool virtio_parse_record(struct words *words, struct tape_line *line);
void virtio_drop_records(struct player *player);
void virtio_settle_records(struct player *player, const struct tape_line *event);

#endif
