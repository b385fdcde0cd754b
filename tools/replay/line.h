/* SPDX-License-Identifier: BSD-3-Clause */
/* line.h - the kinds of event lines (../tapes/FORMAT.md), and what a line of each says. */
#ifndef REPLAY_LINE_H
#define REPLAY_LINE_H

#include <stdbool.h>
#include <stdint.h>

#include "words.h"

/* Of all engines. The names are those of the format. */
enum tape_kind {
	TAPE_R,
	TAPE_W,
	TAPE_T,
	TAPE_I,
	TAPE_M,
	TAPE_WRITTEN, /* m */
	TAPE_S,
	/* GICv3 ITS */
	TAPE_GW,
	TAPE_GR,
	TAPE_GRD,
	TAPE_GI,
	TAPE_GL,
	/* virtio-iommu, and X also RISC-V and TCE */
	TAPE_P,
	TAPE_X,
	TAPE_D,
	TAPE_F,
	TAPE_CR,
	TAPE_CW,
	TAPE_Q,
	TAPE_E,
	TAPE_DROPPED, /* e */
	/* RISC-V */
	TAPE_WSI,
	TAPE_MSI,
	/* TCE */
	TAPE_H,
	TAPE_RT,
	TAPE_MEM,
	TAPE_WN,
	TAPE_WG,
	TAPE_WZ,
	TAPE_WB,
	/* recorded by the library */
	TAPE_Z,
	TAPE_N,
	TAPE_FL,
	TAPE_PR,
	TAPE_MX,
	TAPE_PG,
	TAPE_PN,
	TAPE_PE,
	TAPE_PEG,
	TAPE_GS,
	TAPE_GRR,
	TAPE_GA,
	TAPE_GAV,
	TAPE_GLV,
	TAPE_GN,
	TAPE_LR,
	TAPE_KINDS,
};

/* Its name in the file, such as "T". */
const char *tape_kind_name(enum tape_kind kind);
bool tape_kind_find(const char *name, enum tape_kind *kind);

/* One event line. A member that the kind does not have is 0. */
struct tape_line {
	uint64_t number; /* in the file, from 1 */
	enum tape_kind kind;
	uint64_t at;	      /* M m: gpa; R W CR CW: offset; T: iova; I S: address */
	uint64_t value;	      /* R W CR CW: value; I S: data; D X F: the number */
	uint32_t bytes;	      /* R W CR CW: size; M m E e: length of data; Q: of the request */
	uint32_t rid;	      /* T I: requester; T P of other engines than VT-d: endpoint, PE */
	uint32_t pasid;	      /* T */
	uint32_t access;      /* T: 1 read, 2 write, 3 both */
	uint32_t index;	      /* T: 1 already translated */
	uint32_t perm;	      /* T: 0 refused */
	uint32_t record;      /* I: 0 resolved for a route; T: 1 the device can wait (stall) */
	uint32_t fault;	      /* I: 1 refused */
	uint64_t to;	      /* T I: translated address */
	uint64_t mask;	      /* T */
	uint64_t to_value;    /* I: data delivered */
	uint32_t reply_bytes; /* Q: length of the reply, behind the request in data */
	uint32_t used;	      /* Q: used length */
	uint32_t listed;      /* P: numbers in list, three a region; PN: two a device */
	const uint8_t *data;
	const uint64_t *list;
};

/* Readers of a line's words behind the kind; false: not of the format, and words->error says why. */
bool line_memory(struct words *words, struct tape_line *line); /* M m: gpa bytes */
bool line_register(struct words *words,
		   struct tape_line *line); /* R W and their like: off size value */
bool line_translation(struct words *words, struct tape_line *line); /* T of a 16-bit requester id */
bool line_translation32(struct words *words, struct tape_line *line); /* T of anything else */
bool line_interrupt(struct words *words, struct tape_line *line);     /* I */
bool line_message(struct words *words, struct tape_line *line);	      /* S: address data */
bool line_number(struct words *words, struct tape_line *line);	      /* X D F: one number */

/* That the line has exactly so many fields, the kind included. */
bool line_fields(struct words *words, unsigned count);

#endif
