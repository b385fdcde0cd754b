/* SPDX-License-Identifier: BSD-3-Clause */
/* arm64_rig.h - a memory of few words anywhere, twice: for the walks, and for the oracle. Tables of Arm's in it. */
#ifndef ARM64_RIG_H
#define ARM64_RIG_H

#include "arm64_oracle.h"
#include "pt_arm64.h"

enum { A64_WORDS = 128 };

struct a64_words {
	uint64_t at[A64_WORDS];
	uint64_t word[A64_WORDS];
	unsigned n;
	uint64_t hole; /* this address cannot be read; 0: none */
};

struct a64_rig {
	struct a64_words mine;	 /* what walks see */
	struct a64_words theirs; /* what the oracle sees */
	uint64_t next;		 /* table, aligned to 16 of 64 KiB */
	struct viommu_vm *vm;
	unsigned seen[6][3][3]; /* faults, of a stage, of a class */
	unsigned refused_updates;
};

void a64_rig_init(struct a64_rig *rig);
void a64_rig_fini(struct a64_rig *rig);
void a64_rig_clear(struct a64_rig *rig);
uint64_t a64_rig_table(struct a64_rig *rig);
/* The word there, with a place if it has none, in both memories. */
void a64_rig_put(struct a64_rig *rig, uint64_t at, uint64_t word);
uint64_t a64_rig_get(const struct a64_rig *rig, uint64_t at);

/* Where the descriptor of @address is in the table of @level, by tables that are made as needed, and their addresses
 * are @table's own. Nothing above may be a block. */
uint64_t a64_rig_entry(struct a64_rig *rig, const struct a64_tables *t, int start, uint64_t address,
		       int level);
uint64_t a64_rig_table_word(const struct a64_tables *t, uint64_t table);
/* An address in a block or page descriptor, with the type of the level. */
uint64_t a64_rig_leaf_word(const struct a64_tables *t, uint64_t address, int level);

int a64_rig_start(const struct a64_tables *t, bool stage2);
unsigned a64_rig_low(const struct a64_tables *t, int level);
struct pt_config a64_rig_config(const struct a64_tables *t, bool stage2);

enum a64_rig_kind { A64_S1, A64_S2, A64_BOTH };

/* Asks the format, and the oracle, and compares answers and memories. */
void a64_rig_compare(struct a64_rig *rig, const char *row, enum a64_rig_kind kind,
		     const struct a64_tables *s1, const struct a64_tables *s2,
		     const struct a64_request *q, struct a64_answer *a);

#endif
