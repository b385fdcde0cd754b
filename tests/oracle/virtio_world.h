/* SPDX-License-Identifier: BSD-3-Clause */
/* virtio_world.h - a random virtio-iommu beside its oracle, and random requests to both. */
#ifndef VIRTIO_WORLD_H
#define VIRTIO_WORLD_H

#include "virtio_oracle.h"
#include "virtio_rig.h"

struct virtio_world {
	struct virtio_rig *r;
	struct virtio_oracle o;
	uint64_t random;
	uint64_t base[4];	     /* around which addresses lie */
	struct viommu_channel *open; /* its section */
	unsigned pending;
	struct viommu_listener *listener; /* of all, or NULL */
	unsigned steps;			  /* that a call may take; 0: more than there ever are */
	unsigned told;			  /* to listeners, by this call */
	bool snapshot;
	struct virtio_oracle snapshot_oracle;
	uint64_t snapshot_bytes;
};

struct virtio_totals {
	uint64_t requests, answers[10], accesses, refused, interrupts, replays, restores, pending;
};

extern struct virtio_totals virtio_total;

void world_open(struct virtio_world *w, uint64_t seed);
/* Some of the features that are offered. */
void world_accept(struct virtio_world *w);
void world_close(struct virtio_world *w);
/* After a call: goes on with what is under way. VIOMMU_PENDING: a section holds it back. */
int world_settle(struct virtio_world *w, int result);
/* A random request to both, compared. */
void world_request(struct virtio_world *w);

uint64_t world_random(struct virtio_world *w);
unsigned world_pick(struct virtio_world *w, unsigned n);
bool world_chance(struct virtio_world *w, unsigned one_in);
/* Where something may be. */
uint64_t world_address(struct virtio_world *w);
/* A mapping that exists; NULL: there is none. */
const struct vo_mapping *world_mapping(struct virtio_world *w);

#endif
