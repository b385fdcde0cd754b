/* SPDX-License-Identifier: BSD-3-Clause */
/* vu_resolve.h - from the addresses that a guest gives to a backend, to the backend's own memory.
 */
#ifndef EXAMPLES_VHOST_USER_VU_RESOLVE_H
#define EXAMPLES_VHOST_USER_VU_RESOLVE_H

#include <libvirtiommu/vhost.h>
#include <pthread.h>

#include "vu_iotlb_ring.h"

/* A piece of the front end's guest memory, mapped here. */
struct vu_mapped {
	struct vu_region region;
	uint8_t *host; /* of the region's first byte */
	void *map;
	uint64_t map_bytes;
};

struct vu_space {
	struct vu_mapped mapped[VU_REGIONS];
	unsigned count;
	bool iommu;		/* addresses are I/O virtual: ask the device IOTLB */
	int channel;		/* to the front end; -1: none */
	struct iotlb_ring ring; /* the same, and back, if the front end wants that */
	struct viommu_iotlb *iotlb;
	bool deaf;		/* vu_backend_manners */
	bool owes;		/* an invalidation has not been acknowledged yet */
	pthread_mutex_t asking; /* channel, ring: one reader at a time asks */
};

/* One thread's way to the space. */
struct vu_reader {
	struct vu_space *space;
	struct viommu_iotlb_reader *iotlb;
	/* Of what was last read, written, both (VIOMMU_* less 1); within a section. */
	struct viommu_iotlb_range range[3];
};

/* A contiguous piece of memory. */
struct vu_span {
	uint8_t *base;
	uint64_t bytes;
};

#define RESOLVED 0
#define MISSING	 1 /* asked for; try again */
#define REFUSED	 2 /* never: the ring is unusable */

bool space_open(struct vu_space *s);
/* All readers are closed. */
void space_close(struct vu_space *s);

bool reader_open(struct vu_reader *r, struct vu_space *s);
void reader_close(struct vu_reader *r);

/* Takes over the files of a SET_MEM_TABLE. All translations are void; no section is open. */
bool space_set_memory(struct vu_space *s, struct vu_message *message);

/* Drops all translations. No section is open. */
void space_forget(struct vu_space *s);

/* Between these, what was resolved may be used. */
void space_enter(struct vu_reader *r);
void space_leave(struct vu_reader *r);

/* Resolves what a ring or a descriptor names. At most *count spans; *count receives how many. */
int space_resolve(struct vu_reader *r, uint64_t address, uint64_t bytes, uint32_t access,
		  struct vu_span *spans, unsigned *count);

/* A ring's address: without IOMMU, it is one of the front end's own. NULL: MISSING or REFUSED, in
 * *result. */
void *space_resolve_ring(struct vu_reader *r, uint64_t address, uint64_t bytes, uint32_t access,
			 int *result);

/* Carries out a device IOTLB message. 0: done; 1: refused; -1: the answer has to wait, see
 * space_owed(). *came: a translation has come. */
int space_message(struct vu_space *s, const struct vu_message *message, bool *came);

/* Whether an answer that had to wait can be given now. */
bool space_owed(struct vu_space *s);

#endif
