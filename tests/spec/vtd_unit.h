/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vtd_unit.h - a unit with a traced guest, and answers short enough for a table of rows.
 *
 * In legacy mode (unit_legacy) and scalable mode (unit_scalable) the same device does the same:
 *
 *	rid 0x0010, domain 7, 4 levels	UNIT_IOVA       a page at u->page[0]
 *					UNIT_IOVA + 4K  a page at u->page[1]
 *	rid 0x0110, domain 8		the same tables' own copy, to u->page[2] and [3]
 */
#ifndef VTD_UNIT_H
#define VTD_UNIT_H

#include "trace.h"

#define UNIT_IOVA  UINT64_C(0x40000000)
#define UNIT_RID   0x0010U
#define UNIT_RID2  0x0110U
#define UNIT_DID   7U
#define UNIT_DID2  8U
#define UNIT_PASID 5U /* scalable: first stage, with the same iova */

struct unit {
	struct guest g;
	struct trace t;
	struct viommu_device *dev;
	struct viommu_device *dev2;
	uint64_t ss; /* second-stage root of dev, and of dev2 */
	uint64_t ss2;
	uint64_t fs; /* scalable: first stage of UNIT_PASID of dev */
	uint64_t page[4];
};

/* One at a time: it is large. */
extern struct unit unit;

/* A unit in its power-on state, without devices. cap 0: GUEST_CAP, GUEST_CAP_SCALABLE. */
struct unit *unit_open(uint64_t cap, uint64_t ecap);
/* With limits: budget and outstanding, 0 for the default. */
struct unit *unit_open_limited(uint64_t cap, uint64_t ecap, uint32_t budget, uint32_t outstanding);
void unit_close(struct unit *u);

/* Tables and devices; nothing is programmed. */
void unit_legacy_tables(struct unit *u);
void unit_scalable_tables(struct unit *u);
/* The same, and running: queue (if there is one), root table, TE. */
struct unit *unit_legacy(uint64_t ecap);
struct unit *unit_scalable(void);

/* ---- answers ---- */

#define FAULT(reason) (UINT64_C(1) << 63 | (reason))
#define INTERRUPT     (UINT64_C(1) << 62)
#define MISUSE	      (UINT64_C(1) << 61)

/* gpa, or one of the above. */
uint64_t where(struct viommu_device *device, uint64_t iova, unsigned access);
uint64_t where_pasid(struct viommu_device *device, uint32_t pasid, uint64_t iova, unsigned access);
uint64_t where_channel(struct viommu_channel *channel, uint32_t pasid, uint64_t iova,
		       unsigned access);
/* The reason of the only fault on record, which is cleared; 0: none; 0xfff: several. */
unsigned recorded(struct unit *u);

/* Whole GCMD words: the state and these on, or off. Returns what the write did. */
int gcmd(struct unit *u, uint64_t on, uint64_t off);
uint32_t gsts(struct unit *u);
/* Puts the descriptor in the queue and runs it. */
int submit(struct unit *u, uint64_t q0, uint64_t q1);
int submit4(struct unit *u, const uint64_t q[4]);
/* FSTS bits 7:0. */
uint32_t fsts(struct unit *u);
/* After an error at the head: empties the ring and clears IQE and ITE. */
void queue_recover(struct unit *u);

/* ---- descriptors (6.5.2), constant expressions, from the manual's bit numbers ---- */

#define Q_AT(value, bit) ((uint64_t)(value) << (bit))
#define Q_CC(g, did, sid, fm)                                                                      \
	(UINT64_C(1) | Q_AT(g, 4) | Q_AT(did, 16) | Q_AT(sid, 32) | Q_AT(fm, 48))
#define Q_IOTLB(g, did)		(UINT64_C(2) | Q_AT(g, 4) | Q_AT(did, 16))
#define Q_DEVTLB(sid)		(UINT64_C(3) | Q_AT(sid, 32))
#define Q_IEC_GLOBAL		UINT64_C(4)
#define Q_IEC(index, im)	(UINT64_C(0x14) | Q_AT(im, 27) | Q_AT(index, 32))
#define Q_PIOTLB(g, did, pasid) (UINT64_C(6) | Q_AT(g, 4) | Q_AT(did, 16) | Q_AT(pasid, 32))
#define Q_PC(g, did, pasid)	(UINT64_C(7) | Q_AT(g, 4) | Q_AT(did, 16) | Q_AT(pasid, 32))
#define Q_PDEVTLB(sid, pasid)	(UINT64_C(8) | Q_AT(sid, 16) | Q_AT(pasid, 32))

#define ROWS(rows) (sizeof(rows) / sizeof((rows)[0]))

#endif
