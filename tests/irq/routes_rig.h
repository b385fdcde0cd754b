/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * routes_rig.h - a route cache behind a unit with interrupt remapping, and the guest that writes
 * its table.
 *
 *	struct routes_rig rr;
 *	rr_open(&rr, &(struct rr_shape){ .gsis = 64, .s = 7 });
 *	rr_entry(&rr, 5, 0x31);                         entry 5: vector 0x31 to APIC id 0xa5
 *	check_eq("..", rr_set(&rr, 0, 5), VIOMMU_OK);   route 0 goes through it
 *	rr_expect(&rr, "..", (const struct rr_change[]){ { 0, 0x31 } }, 1);
 *	rr_close(&rr);
 */
#ifndef TESTS_ROUTES_RIG_H
#define TESTS_ROUTES_RIG_H

#include <libvirtiommu/routes.h>

#include "check.h"
#include "guest.h"

#define RR_SOURCE  0x0110U
#define RR_APIC	   0xa5U
#define RR_NONE	   0U	  /* the route does not deliver: it is asked; vectors are at least 16, */
#define RR_MASKED  0x100U /* and at most 255: it is masked, */
#define RR_REVOKED 0x101U /* or revoked or gone */

/* Vectors, as VT-d 5.1.2.2 puts a handle into an address. */
#define RR_ADDRESS(index)                                                                          \
	(UINT64_C(0xfee00010) | (uint64_t)((index)&0x7fff) << 5 |                                  \
	 (uint64_t)((index) >> 15 & 1) << 2)

struct rr_shape {
	enum guest_memory memory;
	uint32_t gsis;	/* 0: the default */
	unsigned s;	/* the table has 2 << s entries */
	bool off;	/* remapping is left off, there is no table */
	unsigned pages; /* of guest memory; 0: 300 */
};

struct routes_rig {
	struct guest g;
	struct viommu_routes *routes;
	uint64_t table;
	unsigned s;
	/* Calls of `changed`; and what else it does. */
	unsigned changed;
	void (*on_changed)(struct routes_rig *rr);
	void *cookie;
};

void rr_open(struct routes_rig *rr, const struct rr_shape *shape);
void rr_close(struct routes_rig *rr);
/* What viommu_routes_new() answers; the callback counts in rr. */
int rr_try_new(struct routes_rig *rr, uint32_t gsis, struct viommu_routes **routes);

/* ---- the guest ---- */

/* A remapped entry, fixed, physical, edge, from any source. Nothing is invalidated. */
void rr_entry(struct routes_rig *rr, uint32_t index, unsigned vector);
void rr_raw_entry(struct routes_rig *rr, uint32_t index, uint64_t low, uint64_t high);
uint64_t rr_low(unsigned vector);
/* P=0 */
void rr_clear(struct routes_rig *rr, uint32_t index);
/* One invalidation, and a wait. */
void rr_invalidate(struct routes_rig *rr, uint64_t descriptor);
/* No fault has been recorded since the last time. */
void rr_no_faults(struct routes_rig *rr, const char *row);

/* ---- routes ---- */

struct viommu_route rr_route(uint32_t gsi, uint32_t index);
int rr_set(struct routes_rig *rr, uint32_t gsi, uint32_t index);
int rr_set_masked(struct routes_rig *rr, uint32_t gsi, uint32_t index);

struct rr_change {
	uint32_t gsi;
	unsigned vector; /* or why it does not deliver: RR_NONE, RR_MASKED, RR_REVOKED */
};

/* Drains, and compares with exactly these, in order; and lookups of these say the same, unless the
 * route is gone. */
void rr_expect(struct routes_rig *rr, const char *row, const struct rr_change *changes,
	       unsigned count);
void rr_expect_none(struct routes_rig *rr, const char *row);
/* A lookup. */
void rr_delivers(struct routes_rig *rr, const char *row, uint32_t gsi, unsigned vector);
struct viommu_routes_statistics rr_statistics(struct routes_rig *rr);
/* Routes resolved since *before, which is moved on. */
uint64_t rr_resolved(struct routes_rig *rr, uint64_t *before);

#endif
