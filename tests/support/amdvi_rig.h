/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * amdvi_rig.h - a guest with an AMD IOMMU, for tests: device table, command buffer, logs, and tables.
 *
 *	struct amdvi_rig r;
 *	ar_open(&r, &(struct amdvi_rig_config){ 0 });      the default features; all that there is enabled
 *	uint64_t root = guest_table(&r.g);
 *	ar_map(&r, root, 4, 0x1000, page, 0, AR_RW);
 *	ar_dte(&r, 0x10, AR_V1(root, 4), 7, 0);            domain 7
 *	device = guest_device(&r.g, 0x10);
 *	...
 *	ar_command(&r, AR_PAGES(7), AR_ALL);
 *	ar_sync(&r);                                       COMPLETION_WAIT, until it is complete
 *	assert_false(ar_event(&r, &event));
 *	ar_close(&r);                                      leaks fail
 */
#ifndef TESTS_AMDVI_RIG_H
#define TESTS_AMDVI_RIG_H

#include <libvirtiommu/amdvi.h>

#include "amdvi_spec.h"
#include "guest.h"

/* All that the library has. */
#define AR_EFR_ALL                                                                                 \
	((viommu_amdvi_default_efr() & ~(AMD_EFR_GLX | AMD_EFR_PASMAX)) | AMD_EFR_PREF |           \
	 AMD_EFR_HE | AMD_EFR_GAPPI | bits_put(AMD_EFR_GATS, 1) | bits_put(AMD_EFR_GLX, 2) |       \
	 bits_put(AMD_EFR_GAM, 1) | bits_put(AMD_EFR_PASMAX, 19) | bits_put(AMD_EFR_DEV_SEG, 3) |  \
	 AMD_EFR_PPR_AUTO | AMD_EFR_MSI_CAP | AMD_EFR_PERF_OPT | AMD_EFR_HD_DIS |                  \
	 AMD_EFR_INV_TYPE | AMD_EFR_GA_UPDATE)

struct amdvi_rig_config {
	enum guest_memory memory;
	uint64_t efr; /* 0: the default */
	uint64_t efr2;
	uint32_t capability;
	uint64_t control; /* besides what is enabled always */
	const struct viommu_limits *limits;
	bool off; /* nothing is programmed */
};

struct amdvi_rig {
	struct guest g;
	struct viommu_amdvi_config config;
	uint64_t control;  /* as it was enabled */
	uint64_t table;	   /* of devices: 128 entries */
	uint64_t commands; /* 256 commands */
	uint64_t log[3];   /* events, page requests, guest interrupts: 4 KiB each */
	uint64_t status;   /* where COMPLETION_WAIT stores */
	uint64_t tail;
	uint64_t ticket;
};

void ar_open(struct amdvi_rig *r, const struct amdvi_rig_config *config);
void ar_close(struct amdvi_rig *r);
/* Programs table, buffers and logs, and enables them. */
void ar_start(struct amdvi_rig *r);

uint64_t ar_read(struct amdvi_rig *r, uint64_t offset, uint32_t bytes);
/* VIOMMU_OK or VIOMMU_PENDING; anything else fails the test. */
int ar_write(struct amdvi_rig *r, uint64_t offset, uint32_t bytes, uint64_t value);

/* ---- tables ---- */

#define AR_RW		  (AMD_DTE_IR | AMD_DTE_IW) /* IR and IW are the same bits in entries of tables */
#define AR_VALID	  (AMD_DTE_V | AMD_DTE_TV | AR_RW)
#define AR_V1(root, mode) (AR_VALID | (uint64_t)(mode) << 9 | (root))
/* First and second word of an entry, without PASIDs: the place of the GCR3 table. */
#define AR_GCR3_0(gcr3) (AMD_DTE_GV | bits_put(AMD_DTE_GCR3_LO, (gcr3) >> 12))
#define AR_GCR3_1(gcr3)                                                                            \
	(bits_put(AMD_DTE_GCR3_MID, (gcr3) >> 15) | bits_put(AMD_DTE_GCR3_HI, (gcr3) >> 31))

uint64_t ar_dte_at(const struct amdvi_rig *r, uint32_t id);
/* Words 0 to 2; 3 is 0. */
void ar_dte(struct amdvi_rig *r, uint32_t id, uint64_t w0, uint64_t w1, uint64_t w2);

/* gpa of the entry for iova in the table of @level (1: that of 4 KiB pages), with tables above as needed. */
uint64_t ar_entry(struct amdvi_rig *r, uint64_t root, unsigned mode, uint64_t iova, unsigned level);
/* A page of the natural size of a level (0 and 1: 4 KiB). @bits: of the entry besides PR */
void ar_map(struct amdvi_rig *r, uint64_t root, unsigned mode, uint64_t iova, uint64_t gpa,
	    unsigned level, uint64_t bits);

/* ---- commands ---- */

#define AR_OP(op)	  ((uint64_t)(op) << 60)
#define AR_DEVTAB(id)	  (AR_OP(AMD_INVALIDATE_DEVTAB_ENTRY) | (id))
#define AR_PAGES(domain)  (AR_OP(AMD_INVALIDATE_IOMMU_PAGES) | (uint64_t)(domain) << 32)
#define AR_INTERRUPTS(id) (AR_OP(AMD_INVALIDATE_INTERRUPT_TABLE) | (id))
#define AR_IOTLB(id)	  (AR_OP(AMD_INVALIDATE_IOTLB_PAGES) | (id) | (uint64_t)(id) << 32)
#define AR_ALL		  UINT64_C(0x7ffffffffffff003) /* S, PDE, everything */

void ar_command(struct amdvi_rig *r, uint64_t w0, uint64_t w1);
/* Writes the tail. */
int ar_kick(struct amdvi_rig *r);
/* Adds a COMPLETION_WAIT; whether it has been written. */
void ar_submit_wait(struct amdvi_rig *r);
bool ar_waited(struct amdvi_rig *r);
/* The same, until it is; pending for ever fails the test. */
void ar_sync(struct amdvi_rig *r);

/* ---- logs ---- */

struct ar_event {
	uint64_t w[2];
};

/* Takes the oldest entry of a log; false: there is none. */
bool ar_take(struct amdvi_rig *r, unsigned log, struct ar_event *event);
bool ar_event(struct amdvi_rig *r, struct ar_event *event);
unsigned ar_take_events(struct amdvi_rig *r);

#endif
