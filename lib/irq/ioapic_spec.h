/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ioapic_spec.h - the 82093AA I/O APIC: its window, registers and redirection entries. Types only.
 *
 * Clause numbers are those of the 82093AA data sheet (290566). The EOI register is that of the ICH
 * and PCH data sheets; the remappable format of an entry is VT-d 5.1.5.1.
 */
#ifndef IOAPIC_SPEC_H
#define IOAPIC_SPEC_H

#include "bits.h"

/* 3.1 Memory-mapped registers, offsets in the window; EOI: ICH, with version 0x20 */
#define IOAPIC_REGSEL 0x00U
#define IOAPIC_WIN    0x10U
#define IOAPIC_EOI    0x40U

#define IOAPIC_EOI_VECTOR BITS(7, 0)

/* 3.2 Registers behind the window, by index */
#define IOAPIC_ID  0x00U /* 3.2.1 */
#define IOAPIC_VER 0x01U /* 3.2.2 */
#define IOAPIC_ARB 0x02U /* 3.2.3; reserved since the ICH */
#define IOAPIC_REDTBL                                                                              \
	0x10U /* 3.2.4: entry n is 0x10 + 2n, bits 31:0, and 0x11 + 2n, bits 63:32                 \
	       */
#define IOAPIC_PINS_MIN 24U
#define IOAPIC_PINS_MAX 240U /* 3.2.2: the last entry is at most 239 */

#define IOAPIC_VERSION_82093AA 0x11U
#define IOAPIC_VERSION_EOI     0x20U

/* 3.2.1 and 3.2.3: where both have the id */
#define IOAPIC_ID_ID   BITS(27, 24)
#define IOAPIC_ID_RSVD (BITS(31, 28) | BITS(23, 0))

/* 3.2.2 */
#define IOAPIC_VER_VERSION BITS(7, 0)
#define IOAPIC_VER_LAST	   BITS(23, 16) /* number of the last entry */
#define IOAPIC_VER_RSVD	   (BITS(31, 24) | BITS(15, 8))

/* 3.2.4 Redirection entry */
#define IOAPIC_RTE_VECTOR   BITS(7, 0)
#define IOAPIC_RTE_DELIVERY BITS(10, 8) /* IOAPIC_DELIVERY_* */
#define IOAPIC_RTE_LOGICAL  BIT(11)	/* destination mode; remappable: index bit 15 */
#define IOAPIC_RTE_STATUS   BIT(12)	/* delivery status: read-only, idle whenever one looks */
#define IOAPIC_RTE_LOW	    BIT(13)	/* polarity: active low */
#define IOAPIC_RTE_IRR	    BIT(14)	/* remote IRR: read-only */
#define IOAPIC_RTE_LEVEL    BIT(15)	/* trigger mode */
#define IOAPIC_RTE_MASK	    BIT(16)
#define IOAPIC_RTE_RSVD	    BITS(47, 17)
/* Destination 63:56 and extended destination 55:49 with bit 48 = 0; remappable: bit 48 = 1, index
 * bits 14:0 in 63:49. */
#define IOAPIC_RTE_ROUTE BITS(63, 48)

static_assert(IOAPIC_RTE_VECTOR + IOAPIC_RTE_DELIVERY + IOAPIC_RTE_LOGICAL + IOAPIC_RTE_STATUS +
			      IOAPIC_RTE_LOW + IOAPIC_RTE_IRR + IOAPIC_RTE_LEVEL + IOAPIC_RTE_MASK +
			      IOAPIC_RTE_RSVD + IOAPIC_RTE_ROUTE ==
		      UINT64_MAX,
	      "3.2.4");
static_assert(IOAPIC_VER_VERSION + IOAPIC_VER_LAST + IOAPIC_VER_RSVD == UINT32_MAX, "3.2.2");
static_assert(IOAPIC_ID_ID + IOAPIC_ID_RSVD == UINT32_MAX, "3.2.1");

/* What its message is made of, and what software writes. */
#define IOAPIC_RTE_MESSAGE                                                                         \
	(IOAPIC_RTE_VECTOR | IOAPIC_RTE_DELIVERY | IOAPIC_RTE_LOGICAL | IOAPIC_RTE_LEVEL |         \
	 IOAPIC_RTE_ROUTE)
#define IOAPIC_RTE_WRITABLE (IOAPIC_RTE_MESSAGE | IOAPIC_RTE_LOW | IOAPIC_RTE_MASK)

/* 3.2.4 bits 10:8; 3 and 6 are reserved, and pass like the others */
enum {
	IOAPIC_DELIVERY_FIXED = 0,
	IOAPIC_DELIVERY_LOWEST = 1,
	IOAPIC_DELIVERY_SMI = 2,
	IOAPIC_DELIVERY_NMI = 4,
	IOAPIC_DELIVERY_INIT = 5,
	IOAPIC_DELIVERY_EXTINT = 7,
};

/* The message: where the entry's bits go in the address. */
#define IOAPIC_MSI_BASE	   UINT64_C(0xfee00000)
#define IOAPIC_MSI_ROUTE   BITS(19, 4) /* destination 19:12, or index 19:5 and format 4 */
#define IOAPIC_MSI_HINT	   BIT(3)      /* redirection hint; remappable: SHV. The I/O APIC sends 0 */
#define IOAPIC_MSI_LOGICAL BIT(2)      /* remappable: index bit 15 */

#endif
