/* SPDX-License-Identifier: BSD-3-Clause */
/* amdvi_reason.c - refusals: the event that each leaves (2.5), and what it is in words. */

#include "amdvi_reason.h"
#include "amdvi_spec.h"

#include <stddef.h>

#define ILLEGAL AMD_ILLEGAL_DEV_TABLE_ENTRY
#define FAULT	AMD_IO_PAGE_FAULT
#define TABLE	AMD_PAGE_TAB_HARDWARE_ERROR
#define INVALID AMD_INVALID_DEVICE_REQUEST
#define PR	AMD_EVT_PR
#define PE	AMD_EVT_PE
#define RZ	AMD_EVT_RZ
#define GN	AMD_EVT_GN
#define I	AMD_EVT_I
#define ABORT	AMD_HARDWARE_TARGET_ABORT

const struct amdvi_reason_row amdvi_reasons[AMDVI_REASONS] = {
	[AMDVI_R_NONE] = { 0, 0, 0,
			   "blocked, with nothing to record: no id, or no interrupt message" },
	[AMDVI_R_DTE_BOUND] = { 0, ILLEGAL, 0, "device id beyond the device table" },
	[AMDVI_R_DTE_FETCH] = { 0, AMD_DEV_TAB_HARDWARE_ERROR, ABORT,
				"device table could not be read" },
	[AMDVI_R_DTE_RSVD] = { RZ, ILLEGAL, 0,
			       "device table entry: reserved bits, or bits of features that are not there, are set" },
	[AMDVI_R_DTE_ENCODING] = { 0, ILLEGAL, 0,
				   "device table entry: Mode, GLX or GuestPagingMode cannot be used" },
	[AMDVI_R_TV] = { 0, FAULT, 0, "device table entry: TV says there is no translation" },
	[AMDVI_R_DTE_PERM] = { PR | PE, FAULT, 0,
			       "device table entry: IR or IW does not permit the access" },
	[AMDVI_R_HATS] = { PR, FAULT, 0, "device table entry: more levels than EFR.HATS" },
	[AMDVI_R_V1_WIDTH] = { 0, FAULT, 0, "address beyond the levels of the host tables" },
	[AMDVI_R_V1_FETCH] = { 0, TABLE, ABORT, "host table could not be read" },
	[AMDVI_R_V1_ABSENT] = { 0, FAULT, 0, "host table entry not present" },
	[AMDVI_R_V1_PERM] = { PR | PE, FAULT, 0, "host table entry does not permit the access" },
	[AMDVI_R_V1_LEVEL] = { PR, FAULT, 0,
			       "host table entry: the next level or the page size cannot be there, or bits of levels passed over are set" },
	[AMDVI_R_V1_RSVD] = { PR | RZ, FAULT, 0, "host table entry: reserved bits are set" },
	[AMDVI_R_V1_UPDATE] = { 0, TABLE, ABORT,
				"host table: accessed or dirty could not be recorded" },
	[AMDVI_R_PASID_WIDTH] = { GN, FAULT, 0, "PASID beyond PASMax or the GCR3 table" },
	[AMDVI_R_GCR3_FETCH] = { GN, TABLE, ABORT, "GCR3 table could not be read" },
	[AMDVI_R_GCR3_ABSENT] = { GN, FAULT, 0, "GCR3 table entry not valid" },
	[AMDVI_R_GCR3_RSVD] = { GN | PR | RZ, FAULT, 0, "GCR3 table entry: reserved bits are set" },
	[AMDVI_R_CANONICAL] = { GN, FAULT, 0, "address not canonical for the guest tables" },
	[AMDVI_R_V2_FETCH] = { GN, TABLE, ABORT, "guest table could not be read" },
	[AMDVI_R_V2_ABSENT] = { GN, FAULT, 0, "guest table entry not present" },
	[AMDVI_R_V2_PERM] = { GN | PR | PE, FAULT, 0, "guest table does not permit the access" },
	[AMDVI_R_V2_RSVD] = { GN | PR | RZ, FAULT, 0, "guest table entry: reserved bits are set" },
	[AMDVI_R_V2_UPDATE] = { GN, TABLE, ABORT,
				"guest table: accessed or dirty could not be recorded" },
	[AMDVI_R_NEST_WIDTH] = { GN, FAULT, 0,
				 "nested: address beyond the levels of the host tables" },
	[AMDVI_R_NEST_FETCH] = { GN, TABLE, ABORT, "nested: host table could not be read" },
	[AMDVI_R_NEST_ABSENT] = { GN, FAULT, 0, "nested: host table entry not present" },
	[AMDVI_R_NEST_PERM] = { GN | PR | PE, FAULT, 0,
				"nested: host table entry does not permit the access" },
	[AMDVI_R_NEST_LEVEL] = { GN | PR, FAULT, 0,
				 "nested: host table entry has a level or a page size that cannot be there" },
	[AMDVI_R_NEST_RSVD] = { GN | PR | RZ, FAULT, 0,
				"nested: host table entry has reserved bits set" },
	[AMDVI_R_NEST_UPDATE] = { GN, TABLE, ABORT,
				  "nested: accessed or dirty could not be recorded" },
	[AMDVI_R_INVALID_READ] = { 0, INVALID, 0, "read of the interrupt range" },
	[AMDVI_R_INVALID_TRANSLATED] = { 0, INVALID, 1,
					 "translated request without permission to (DTE.I)" },
	[AMDVI_R_INVALID_PORT] = { 0, INVALID, 2, "port I/O without permission to (DTE.IoCtl)" },
	[AMDVI_R_INVALID_SYSMGT] = { 0, INVALID, 3,
				     "system management without permission to (DTE.SysMgt)" },
	[AMDVI_R_INVALID_SYSMGT_READ] = { 0, INVALID, 4, "read of the system management range" },
	[AMDVI_R_INVALID_INTERRUPT] = { 0, INVALID, 5,
					"write to the HyperTransport interrupt range" },
	[AMDVI_R_INVALID_RESERVED] = { 0, INVALID, 6, "reserved HyperTransport range" },
	[AMDVI_R_INVALID_TR] = { AMD_EVT_TR, INVALID, 0,
				 "translation request without permission to (DTE.I, V, TV)" },
	[AMDVI_R_INVALID_TR_RANGE] = { AMD_EVT_TR, INVALID, 1,
				       "translation request for an address that is no memory" },
	[AMDVI_R_PPR] = { 0, AMD_INVALID_PPR_REQUEST, 0,
			  "page request without permission to (DTE.PPR)" },
	[AMDVI_R_IRQ_BOUND] = { I, ILLEGAL, 0, "interrupt: device id beyond the device table" },
	[AMDVI_R_IRQ_DTE_FETCH] = { I, AMD_DEV_TAB_HARDWARE_ERROR, ABORT,
				    "interrupt: device table could not be read" },
	[AMDVI_R_IRQ_DTE_RSVD] = { I | RZ, ILLEGAL, 0,
				   "interrupt: device table entry has reserved bits set" },
	[AMDVI_R_IRQ_INT_CTL] = { I | RZ, ILLEGAL, 0,
				  "interrupt: reserved IntCtl in the device table entry" },
	[AMDVI_R_IRQ_LENGTH] = { I, ILLEGAL, 0,
				 "interrupt: reserved IntTabLen in the device table entry" },
	[AMDVI_R_IRQ_ABORT] = { 0, 0, 0,
				"interrupt blocked by the device table entry (IntCtl, pass bits)" },
	[AMDVI_R_IRQ_INDEX] = { I, FAULT, 0, "interrupt: index beyond the interrupt table" },
	[AMDVI_R_IRQ_FETCH] = { I, TABLE, ABORT, "interrupt table could not be read" },
	[AMDVI_R_IRQ_ABSENT] = { I, FAULT, 0, "interrupt table entry: RemapEn is 0" },
	[AMDVI_R_IRQ_RSVD] = { I | PR | RZ, FAULT, 0,
			       "interrupt table entry: reserved bits, type or guest mode cannot be used" },
	[AMDVI_R_IRQ_VAPIC] = { I, TABLE, ABORT,
				"interrupt: virtual APIC page could not be updated" },
};

const char *amdvi_reason_text(uint32_t reason)
{
	return reason < AMDVI_REASONS ? amdvi_reasons[bits_clamp_index(reason, AMDVI_REASONS)].text
				      : NULL;
}
