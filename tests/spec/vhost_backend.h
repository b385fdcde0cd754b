/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vhost_backend.h - a backend that remembers, page by page, all that it may, and 64 pages of a
 * device that are mapped as a layout says.
 */
#ifndef VHOST_BACKEND_H
#define VHOST_BACKEND_H

#include <libvirtiommu/vhost.h>

#include "vtd_unit.h"

#define NONE  VIOMMU_NO_PASID
#define R     VIOMMU_READ
#define W     VIOMMU_WRITE
#define RW    (R | W)
#define PAGES 64U
#define AT(i) (UINT64_C(0x80000000) + (i)*GUEST_PAGE)

/* ---- the backend ---- */

struct known {
	uint64_t uaddr; /* 0: nothing */
	uint32_t perm;
	unsigned piece; /* number of the update that it is of */
};

enum { LOG = 512 };

struct backend {
	struct unit *u;
	struct viommu_vhost *v;
	struct viommu_iotlb_msg log[LOG];
	unsigned count;
	int answer; /* of send, to invalidations */
	int answer_updates;
	unsigned unacknowledged;
	struct known page[PAGES];
	void (*inside)(struct backend *b, const struct viommu_iotlb_msg *message);
	bool waited; /* the wait was complete when a message came */
	unsigned scratch;
	unsigned updates;
};

/* viommu_vhost_config.send, of a struct backend. */
int backend_send(void *opaque, const struct viommu_iotlb_msg *message);

/* It forgets what it has of the update that the page is of: as a whole, as backends do. */
void lose(struct backend *b, unsigned page);

/* The nth of three. */
struct backend *attach(struct unit *u, unsigned nth, struct viommu_device *device, uint32_t pasid,
		       uint64_t reach, uint64_t ahead);
struct backend *attach_as(struct unit *u, unsigned nth, struct viommu_device *device,
			  struct viommu_vhost_config config);
void detach(struct backend *b);
struct viommu_vhost_statistics statistics(const struct backend *b);
/* All that send said is pending. */
void acknowledge(struct backend *b);

void expect_update(struct backend *b, unsigned nth, uint64_t iova, uint64_t bytes, uint64_t uaddr,
		   uint32_t perm);
void expect_invalidate(struct backend *b, unsigned nth, uint64_t first, uint64_t last);

/* ---- pages AT(0) to AT(63) of the device ---- */

struct layout {
	uint64_t target[PAGES]; /* page number from target_base */
	uint64_t perm[PAGES];	/* R, W as in the table; 0: not mapped */
};

extern uint64_t target_base;

struct unit *open_layout(struct layout *l);
/* Of a page. */
uint64_t target(const struct layout *l, unsigned i);
/* Writes the entry of a page. */
void map(struct unit *u, const struct layout *l, unsigned i);
uint64_t host(struct unit *u, uint64_t gpa);

/* ---- other memory ---- */

extern uint8_t outside[24 * 4096];

void add_region(struct unit *u, uint64_t gpa, unsigned page, unsigned pages, uint32_t flags);

/* The device passes through. */
struct unit *open_pass_through(void);

/* Tables behind callbacks, four pages of the layout, and all of `outside`. */
struct unit *open_callbacks(struct layout *l);

/* ---- random numbers: VIOMMU_SEED ---- */

unsigned random_rounds(unsigned rounds);
unsigned choose(unsigned n);

#endif
