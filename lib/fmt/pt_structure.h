/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pt_structure.h - structures of the guest's whose address another stage translates: context descriptors, tables of
 * processes, roots of first stages that lie in intermediate-physical memory.
 */
#ifndef PT_STRUCTURE_H
#define PT_STRUCTURE_H

#include "walk.h"

struct pt_structure {
	/* In: vm, config, place, unsnooped, deny and observer, as of any walk of the stage. Out, of PT_STAGE2_TABLE: where
	 * that ended, as of any walk; walk.iova is the address. */
	struct pt_walk walk;
	enum pt_end (*stage)(struct pt_walk *walk); /* NULL: addresses are guest-physical */
	const char *what;			    /* to the observer */
	bool big_endian;
	uint64_t gpa;	 /* out: where it lies; PT_OK and PT_LOAD_FAILED */
	enum pt_end end; /* out: of the stage; PT_TOO_WIDE: it does not have the address */
};

/*
 * Reads @words words, as mem_load() does: the first publishes the others. @address: a multiple of their size, which is a
 * power of two. PT_OK, PT_LOAD_FAILED (it lies where nothing can be read), PT_STAGE2_TABLE (s->end says why).
 */
enum pt_end pt_structure_load(struct pt_structure *s, uint64_t address, uint64_t *raw,
			      unsigned words);

#endif
