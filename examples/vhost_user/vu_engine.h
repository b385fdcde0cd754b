/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vu_engine.h - an IOMMU, its guest driver, and what connects it with a backend.
 *
 * The guest's half (tables, invalidations) is vu_vtd.c or vu_virtio.c; vu_engine.c is what a VMM
 * has of it: misses are answered, messages sent, completions awaited. Everything is timed by what
 * it is.
 */
#ifndef EXAMPLES_VHOST_USER_VU_ENGINE_H
#define EXAMPLES_VHOST_USER_VU_ENGINE_H

#include <libvirtiommu/vhost.h>
#include <libvirtiommu/vm.h>

#include "vu_link.h"
#include "vu_ram.h"

#define ENGINE_NIC 0x0010U /* requester id 00:02.0, or the endpoint's number */

/* The backend remembers its translations itself. What the IOMMU remembers besides fits into a
 * processor's cache. */
#define ENGINE_TLB 512U

/* What was recorded for the guest to read. */
struct vu_fault {
	uint64_t iova; /* of the page */
	uint32_t source;
	uint32_t reason;
};

/* Nanoseconds, and how often. */
struct vu_work {
	uint64_t table;	       /* the guest driver: table entries, invalidation descriptors */
	uint64_t invalidation; /* the library: register writes and requests of the guest */
	uint64_t miss;	       /* the library: misses */
	uint64_t message;      /* sending, the backend's work, its answer */
	uint64_t misses, updates, invalidations, flushes;
	uint64_t held; /* flushes that were not complete at once */
};

struct vu_engine;

/* A kind of IOMMU. Addresses and lengths are multiples of pages. */
struct vu_engine_type {
	const char *name;
	bool (*open)(struct vu_engine *e);
	/* The driver finds the device. May be NULL. */
	bool (*start)(struct vu_engine *e);
	void (*close)(struct vu_engine *e);
	bool (*map)(struct vu_engine *e, uint64_t iova, uint64_t gpa, uint64_t bytes,
		    uint32_t perm);
	void (*unmap)(struct vu_engine *e, uint64_t iova, uint64_t bytes);
	/* Begins to invalidate a naturally aligned power of two that was unmapped. */
	int (*flush)(struct vu_engine *e, uint64_t iova, uint64_t bytes);
	/* Whether the guest has been told that the last flush is complete. */
	bool (*flushed)(const struct vu_engine *e);
	bool (*take_fault)(struct vu_engine *e, struct vu_fault *fault);
};

extern const struct vu_engine_type engine_vtd;
extern const struct vu_engine_type engine_virtio;

struct vu_engine {
	const struct vu_engine_type *type;
	struct vu_ram *ram;
	struct vu_link *link;
	struct viommu_vm *vm;
	struct viommu *iommu;
	struct viommu_device *nic;
	struct viommu_vhost *vhost;
	struct vu_work work;
	void *guest; /* of the type */
};

/* Creates the IOMMU and has the guest's driver switch it on, with nothing mapped. */
bool engine_open(struct vu_engine *e, const struct vu_engine_type *type, struct vu_ram *ram);
void engine_close(struct vu_engine *e);

/* reach and ahead as in struct viommu_vhost_config. */
bool engine_connect(struct vu_engine *e, struct vu_link *link, uint64_t reach, uint64_t ahead);

bool engine_map(struct vu_engine *e, uint64_t iova, uint64_t gpa, uint64_t bytes, uint32_t perm);
/* Takes mappings away in the tables only. */
void engine_unmap(struct vu_engine *e, uint64_t iova, uint64_t bytes);
/* Invalidates what was unmapped, and waits until the guest is told that it is complete. */
bool engine_flush(struct vu_engine *e, uint64_t iova, uint64_t bytes);

/* Answers the backend's misses. How many there were. */
unsigned engine_serve(struct vu_engine *e);

bool engine_take_fault(struct vu_engine *e, struct vu_fault *fault);

uint64_t engine_now(void);

#endif
