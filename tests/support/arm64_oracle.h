/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * arm64_oracle.h - VMSAv8-64 said once more: what an SMMU makes of an address, by the rules of the manual alone (DDI 0487, D8
 * and the pseudocode J1; IHI 0070, 3.4, 3.13, 7.3). It has its own numbers, knows no header of the library, caches nothing and
 * counts levels as the manual does, from -1 to 3.
 */
#ifndef ARM64_ORACLE_H
#define ARM64_ORACLE_H

#include <stdbool.h>
#include <stdint.h>

/* Words of memory, as they lie there: little-endian. False: nothing answers. */
struct a64_memory {
	bool (*read)(void *opaque, uint64_t pa, uint64_t *word);
	bool (*write)(void *opaque, uint64_t pa, uint64_t word);
	void *opaque;
};

/* One tree of tables. */
struct a64_tables {
	unsigned kib;	 /* granule: 4, 16, 64 */
	unsigned bits;	 /* of input addresses: 64 - TxSZ */
	uint64_t base;	 /* TTB, not yet aligned */
	unsigned ps;	 /* effective IPS or S2PS, in bits */
	int start;	 /* stage 2: level of the first table */
	bool ds;	 /* descriptors of 4 and 16 KiB have addresses of 52 bits */
	bool wide;	 /* those of 64 KiB have */
	bool big_endian; /* descriptors */
	bool ha, hd;	 /* as they are written: hd without ha does nothing */
	bool haft, affd; /* likewise */
	bool had, wxn;	 /* stage 1 from here */
	bool pan, epan;	 /* likewise */
	bool e0pd, epd;	 /* likewise */
	bool el2;	 /* one privilege */
	bool xnx, fwb;	 /* stage 2 from here */
	bool ptw;	 /* likewise */
};

enum a64_fault { A64_NONE, A64_EABT, A64_TRANSLATION, A64_ADDR_SIZE, A64_ACCESS, A64_PERMISSION };
enum a64_class { A64_CD, A64_TT, A64_IN };

struct a64_request {
	uint64_t address;
	bool read, write, fetch; /* fetch: a read of instructions */
	bool privileged;
	bool trace;		     /* accesses leave their traces */
	bool any;		     /* whatever there is (ATS): refused only if there is nothing */
	bool dirty;		     /* and if it may be written, it is going to be */
	bool none_r, none_w, none_x; /* what is of no use, since another stage refuses it */
};

struct a64_answer {
	enum a64_fault fault;
	unsigned stage; /* of the fault */
	enum a64_class class;
	int level;
	bool table_write; /* stage 2 refused the update of a table of stage 1 */
	uint64_t ipa;	  /* stage 2 */
	uint64_t fetch;	  /* A64_EABT: what could not be read */
	uint64_t pa;	  /* A64_NONE: of the address */
	unsigned lg2;	  /* and of the block that is certainly mapped alike */
	bool r, w, x;	  /* what this privilege may do */
	bool clean;	  /* a write would have to be recorded */
	bool global;
	bool doubtful; /* a page with neighbours that are not what they have to be: they may be taken as one */
};

/* Stage 1 alone: the caller has chosen the half, and checked the address against its range. */
struct a64_answer a64_stage1(const struct a64_memory *m, const struct a64_tables *s1,
			     const struct a64_request *q);
/* Stage 2 alone, of what is asked for @class: CD and TT are tables, IN is what a device accesses. */
struct a64_answer a64_stage2(const struct a64_memory *m, const struct a64_tables *s2,
			     const struct a64_request *q, enum a64_class class);
struct a64_answer a64_nested(const struct a64_memory *m, const struct a64_tables *s1,
			     const struct a64_tables *s2, const struct a64_request *q);

/* STE.S2SL0 with S2SL0_2 above it, and the size: the level of the first table; false: C_BAD_STE. */
bool a64_start_level(unsigned kib, unsigned sl, unsigned bits, int *level);

#endif
