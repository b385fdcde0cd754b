/* SPDX-License-Identifier: BSD-3-Clause */
/* tce_rig.h - TCE tables for tests: PEs, devices, hypercalls and RTAS calls of a guest. */
#ifndef TESTS_TCE_RIG_H
#define TESTS_TCE_RIG_H

#include <libvirtiommu/tce.h>

#include "guest.h"
#include "tce_spec.h"

/* PEs, and the devices that they have: device n is of PE n. */
enum {
	TR_BRIDGE = 1, /* dynamic windows of all page sizes, three windows */
	TR_PLAIN,      /* a host bridge without */
	TR_VIO,
	TR_VIO_TOO, /* shares its window */
	TR_SLOT,    /* a slot with dynamic windows, of 4 KiB and 64 KiB pages, two windows */
	TR_PES
};

#define TR_LIOBN(pe) (UINT32_C(0x80000000) | (pe) << 8)
#define TR_VIO_LIOBN UINT32_C(0x71000003)
#define TR_BUID(pe)  (UINT64_C(0x800000020000000) + (pe))
#define TR_SLOT_ADDR 0x10800U
#define TR_ENTRIES   0x10000U
#define TR_DYNAMIC   (UINT64_C(1) << 59)
#define TR_MSI	     UINT64_C(0x40000000000)
#define TR_LOG	     64U

struct tce_rig {
	struct guest g; /* first */
	struct viommu_tce_config config;
	struct viommu_limits limits;
	struct viommu_device *device[TR_PES];
	struct viommu_channel *channel[TR_PES];

	/* The last call. */
	int result;
	uint64_t r4;
	uint32_t ret[8];
	uint64_t token;

	unsigned completions;
	uint64_t completed[TR_LOG];
	int64_t status[TR_LOG]; /* with which */
	unsigned faults;
	struct viommu_tce_fault fault; /* the last one */
	unsigned windows;	       /* that came or went */
	struct viommu_tce_window window;
	uint32_t window_pe;
	uint32_t window_present;
	int window_result;
	uint64_t entries;		/* of default windows; 0: TR_ENTRIES */
	uint64_t owns_first, owns_last; /* memory outside of regions; 0 with owns_last 0: none */
};

/* RAM of @pages at GUEST_BASE, the PEs and their devices. @config: size may be 0; NULL: defaults. */
struct tce_rig *tr_open(const struct viommu_tce_config *config, unsigned pages);
/* The same with guest memory behind callbacks. */
struct tce_rig *tr_open_memory(const struct viommu_tce_config *config, enum guest_memory memory,
			       unsigned pages);
/* The same with default windows of other sizes, and devices that have caches of their own, or not. */
struct tce_rig *tr_open_sized(const struct viommu_tce_config *config, unsigned pages,
			      uint64_t entries, bool caches);
void tr_close(struct tce_rig *r);
/* Another of the same configuration, with its PEs, in r->g.iommu; the old one is answered. */
struct viommu *tr_another(struct tce_rig *r);
int tr_try_new(struct tce_rig *r, const struct viommu_tce_config *config);
void tr_add_pes(struct tce_rig *r);
struct viommu_tce_pe tr_pe(uint32_t number);

/* Status; r->result what the library answered, r->r4 the register. */
int64_t tr_hcall(struct tce_rig *r, uint64_t token, uint64_t a, uint64_t b, uint64_t c, uint64_t d);
int64_t tr_put(struct tce_rig *r, uint64_t liobn, uint64_t ioba, uint64_t tce);
int64_t tr_stuff(struct tce_rig *r, uint64_t liobn, uint64_t ioba, uint64_t tce, uint64_t count);
int64_t tr_indirect(struct tce_rig *r, uint64_t liobn, uint64_t ioba, uint64_t list,
		    uint64_t count);
int64_t tr_get(struct tce_rig *r, uint64_t liobn, uint64_t ioba);
/* The entry, which H_GET_TCE has to find. */
uint64_t tr_entry(struct tce_rig *r, uint64_t liobn, uint64_t ioba);
/* A list of entries at a page of guest memory, big-endian. */
void tr_list(struct tce_rig *r, uint64_t gpa, const uint64_t *entries, unsigned count);

/* Status, or what the library answered if that is negative; r->ret has the results. */
int tr_rtas(struct tce_rig *r, uint32_t call, uint32_t nargs, uint32_t nret,
	    const uint32_t *arguments);
int tr_query(struct tce_rig *r, uint32_t pe, uint32_t nret);
int tr_create(struct tce_rig *r, uint32_t pe, uint32_t page_shift, uint32_t window_shift);
int tr_remove(struct tce_rig *r, uint32_t liobn);
int tr_reset_pe(struct tce_rig *r, uint32_t pe);
int tr_bypass(struct tce_rig *r, uint32_t unit, uint32_t on);
/* Of a created window: its bus address. */
uint64_t tr_address(const struct tce_rig *r);

/* Runs until nothing is left; whether the last call is complete. */
bool tr_told(struct tce_rig *r);

#endif
