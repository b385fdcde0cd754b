/* SPDX-License-Identifier: BSD-3-Clause */
/* amdvi_reason.h - why requests, messages and commands are refused, and what the event log says of each. */
#ifndef AMDVI_REASON_H
#define AMDVI_REASON_H

#include <stdint.h>

/* Numbers are this library's: what the specification has are event codes with flags. They stay. */
enum amdvi_reason {
	AMDVI_R_NONE, /* no event */
	/* the device table */
	AMDVI_R_DTE_BOUND,
	AMDVI_R_DTE_FETCH,
	AMDVI_R_DTE_RSVD,
	AMDVI_R_DTE_ENCODING,
	AMDVI_R_TV,
	AMDVI_R_DTE_PERM,
	/* host tables */
	AMDVI_R_HATS,
	AMDVI_R_V1_WIDTH,
	AMDVI_R_V1_FETCH,
	AMDVI_R_V1_ABSENT,
	AMDVI_R_V1_PERM,
	AMDVI_R_V1_LEVEL,
	AMDVI_R_V1_RSVD,
	AMDVI_R_V1_UPDATE,
	/* guest tables */
	AMDVI_R_PASID_WIDTH,
	AMDVI_R_GCR3_FETCH,
	AMDVI_R_GCR3_ABSENT,
	AMDVI_R_GCR3_RSVD,
	AMDVI_R_CANONICAL,
	AMDVI_R_V2_FETCH,
	AMDVI_R_V2_ABSENT,
	AMDVI_R_V2_PERM,
	AMDVI_R_V2_RSVD,
	AMDVI_R_V2_UPDATE,
	/* host tables below guest tables */
	AMDVI_R_NEST_WIDTH,
	AMDVI_R_NEST_FETCH,
	AMDVI_R_NEST_ABSENT,
	AMDVI_R_NEST_PERM,
	AMDVI_R_NEST_LEVEL,
	AMDVI_R_NEST_RSVD,
	AMDVI_R_NEST_UPDATE,
	/* requests that cannot be */
	AMDVI_R_INVALID_READ,
	AMDVI_R_INVALID_TRANSLATED,
	AMDVI_R_INVALID_PORT,
	AMDVI_R_INVALID_SYSMGT,
	AMDVI_R_INVALID_SYSMGT_READ,
	AMDVI_R_INVALID_INTERRUPT,
	AMDVI_R_INVALID_RESERVED,
	AMDVI_R_INVALID_TR,
	AMDVI_R_INVALID_TR_RANGE,
	AMDVI_R_PPR,
	/* interrupts */
	AMDVI_R_IRQ_BOUND,
	AMDVI_R_IRQ_DTE_FETCH,
	AMDVI_R_IRQ_DTE_RSVD,
	AMDVI_R_IRQ_INT_CTL,
	AMDVI_R_IRQ_LENGTH,
	AMDVI_R_IRQ_ABORT,
	AMDVI_R_IRQ_INDEX,
	AMDVI_R_IRQ_FETCH,
	AMDVI_R_IRQ_ABSENT,
	AMDVI_R_IRQ_RSVD,
	AMDVI_R_IRQ_VAPIC,
	AMDVI_REASONS
};

struct amdvi_reason_row {
	uint64_t flags; /* AMD_EVT_* */
	uint8_t event;	/* enum amd_event */
	uint8_t type;
	const char *text;
};

extern const struct amdvi_reason_row amdvi_reasons[AMDVI_REASONS];

const char *amdvi_reason_text(uint32_t reason);

#endif
