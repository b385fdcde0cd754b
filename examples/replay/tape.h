/* SPDX-License-Identifier: BSD-3-Clause */
/* tape.h - reading a recording (../tapes/FORMAT.md), plain or compressed, line by line. */
#ifndef REPLAY_TAPE_H
#define REPLAY_TAPE_H

#include <stdbool.h>
#include <stdint.h>

/* What a line says. The first letters are those of the format. */
enum tape_kind {
	TAPE_R,
	TAPE_W,
	TAPE_T,
	TAPE_I,
	TAPE_M,
	TAPE_WRITTEN, /* m */
	TAPE_S,
	TAPE_GW,
	TAPE_GR,
	TAPE_GRD,
	TAPE_GI,
	TAPE_GL,
	TAPE_KINDS,
};

/* Its name in the file, such as "T". */
const char *tape_kind_name(enum tape_kind kind);

#define TAPE_BYTES_MAX 4096U
#define TAPE_TEXT_MAX  256U

/* The lines before the first event. Registers that a header does not give are 0. */
struct tape_header {
	char engine[TAPE_TEXT_MAX];
	char producer[TAPE_TEXT_MAX];
	char guest[TAPE_TEXT_MAX];
	char note[TAPE_TEXT_MAX];
	uint64_t cap;
	uint64_t ecap;
	uint64_t efr;
	uint64_t registers;
	uint64_t ioapic;
	bool has_cap;
	bool has_ecap;
	bool has_ioapic;
};

/* One event line. A member that the kind does not have is 0. */
struct tape_line {
	uint64_t number; /* in the file, from 1 */
	enum tape_kind kind;
	uint64_t at;	   /* M m: gpa; R W: offset; T: iova; I S: address */
	uint64_t value;	   /* R W: value; I S: data */
	uint32_t bytes;	   /* R W: size; M m: length of data */
	uint32_t rid;	   /* T I */
	uint32_t pasid;	   /* T */
	uint32_t access;   /* T: 1 read, 2 write, 3 both */
	uint32_t index;	   /* T: 1 already translated */
	uint32_t perm;	   /* T: 0 refused */
	uint32_t record;   /* I: 0 resolved for a route */
	uint32_t fault;	   /* I: 1 refused */
	uint64_t to;	   /* T I: translated address */
	uint64_t mask;	   /* T */
	uint64_t to_value; /* I: data delivered */
	uint8_t data[TAPE_BYTES_MAX];
};

struct tape;

/* Opens a file and reads its header. NULL: out of memory. What went wrong otherwise is tape_error(). */
struct tape *tape_open(const char *path);
void tape_close(struct tape *tape);
const struct tape_header *tape_header(const struct tape *tape);

/* Next event line. 1: there is one. 0: the end. -1: tape_error() says why there is not. */
int tape_next(struct tape *tape, struct tape_line *line);

/* Why the file cannot be read, NULL if nothing is wrong; and the line where it was noticed. */
const char *tape_error(const struct tape *tape);
uint64_t tape_line_number(const struct tape *tape);

#endif
