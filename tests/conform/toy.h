/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * toy.h - the smallest engine there is: what a new one has to write itself.
 *
 *	device table   a word a device id, from 0 to TOY_DEVICES - 1
 *	page table     512 words of 4 KiB pages: it translates addresses below 2 MiB
 *	command ring   16-byte commands, indices with a wrap bit
 *	fault ring     16-byte records, indices in entries
 *
 * A guest writes the bases, then CTRL.EN; CTRL.ON follows when nobody uses what was before. Line 0 is high while there
 * are fault records, or STATUS says something.
 */
#ifndef TOY_H
#define TOY_H

#include <libvirtiommu/iommu.h>

#include "bits.h"

#define TOY_DEVICES 64U

/* ---- registers ---- */

#define TOY_CTRL     0x00 /* 4 bytes */
#define TOY_STATUS   0x04 /* 4; write 1 to clear */
#define TOY_TABLE    0x08 /* 8; device table */
#define TOY_CMD_BASE 0x10 /* 8; TOY_BASE_* */
#define TOY_CMD_HEAD 0x18 /* 4; ours */
#define TOY_CMD_TAIL 0x1c /* 4 */
#define TOY_FLT_BASE 0x20 /* 8; TOY_BASE_* */
#define TOY_FLT_HEAD 0x28 /* 4 */
#define TOY_FLT_TAIL 0x2c /* 4; ours */

#define TOY_CTRL_EN	   BIT(0)
#define TOY_CTRL_ON	   BIT(1)     /* ours */
#define TOY_STATUS_LOST	   BIT(0)     /* a fault record was lost */
#define TOY_STATUS_COMMAND BIT(1)     /* the command at the head is wrong: the ring stops */
#define TOY_BASE_LG2	   BITS(3, 0) /* entries, as a power of two */
#define TOY_BASE_ADDR	   BITS(51, 12)

/* ---- tables ---- */

#define TOY_DEVICE_V	  BIT(0)
#define TOY_DEVICE_DOMAIN BITS(11, 1)
#define TOY_DEVICE_PT	  BITS(51, 12)
#define TOY_DEVICE_RSVD	  BITS(63, 52)

#define TOY_PAGE_R    BIT(0)
#define TOY_PAGE_W    BIT(1)
#define TOY_PAGE_ADDR BITS(51, 12)
#define TOY_PAGE_RSVD (BITS(11, 2) | BITS(63, 52))

/* ---- commands and records: word 0; word 1 is an address ---- */

#define TOY_CMD_TYPE BITS(7, 0)
#define TOY_CMD_ID   BITS(31, 8)
#define TOY_CMD_DATA BITS(63, 32)

enum toy_command {
	TOY_INV_DOMAIN = 1, /* id: domain */
	TOY_INV_PAGE,	    /* id: domain */
	TOY_INV_DEVICE,	    /* id: device, whose entry has changed */
	TOY_DROP,	    /* id: device, whose own cache is to drop everything */
	TOY_SYNC	    /* stores DATA when all before it is complete */
};

#define TOY_FLT_ID     BITS(31, 0)
#define TOY_FLT_REASON BITS(39, 32)

enum toy_reason {
	TOY_OFF = 1,
	TOY_NO_DEVICE,
	TOY_NO_PAGE,
	TOY_PERMISSION,
	TOY_BAD_TABLE,
	TOY_TYPE
};

int toy_new(struct viommu_vm *vm, const struct viommu_host *host,
	    const struct viommu_limits *limits, struct viommu **iommu);

#endif
