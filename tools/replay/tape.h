/* SPDX-License-Identifier: BSD-3-Clause */
/* tape.h - reading a recording (../tapes/FORMAT.md), plain or compressed, line by line. */
#ifndef REPLAY_TAPE_H
#define REPLAY_TAPE_H

#include <stdbool.h>
#include <stdint.h>

#include "words.h"

#define TAPE_HEADERS_MAX 64U

/* The lines before the first event, in their order: all but `tape 1`. */
struct tape_header {
	struct tape_header_line {
		uint64_t number; /* in the file */
		char *name;
		char *value; /* the rest of the line */
	} line[TAPE_HEADERS_MAX];
	unsigned count;
};

/* The value of the first header of this name, NULL: there is none. */
const char *tape_header_value(const struct tape_header *header, const char *name);
/* The value of what stands for line n of another tape's: the same name, after as many of that name. NULL: there are not so many. */
const char *tape_header_like(const struct tape_header *header, const struct tape_header *other,
			     unsigned n);

struct tape;

/* Opens a file and reads its header. NULL: out of memory. What went wrong otherwise is tape_error(). */
struct tape *tape_open(const char *path);
void tape_close(struct tape *tape);
const struct tape_header *tape_header(const struct tape *tape);

/* Next event line, split. 1: there is one. 0: the end. -1: tape_error() says why there is not. */
int tape_next(struct tape *tape, struct words *words);

/* Why the file cannot be read, NULL if nothing is wrong; and the line where it was noticed. */
const char *tape_error(const struct tape *tape);
uint64_t tape_line_number(const struct tape *tape);

#endif
