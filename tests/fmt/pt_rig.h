/* SPDX-License-Identifier: BSD-3-Clause */
/* pt_rig.h - tables in memory behind callbacks that count, and every format's walks over them. */
#ifndef PT_RIG_H
#define PT_RIG_H

#include <libvirtiommu/vm.h>

#include "pt_vtd_ss.h"
#include "pt_x86.h"

enum { PT_RIG_PAGES = 64 };

struct pt_rig {
	uint64_t word[PT_RIG_PAGES][512];
	unsigned pages; /* taken, from gpa 0; page 0 is never a table */
	unsigned loads;
	unsigned stores;
	struct viommu_vm *vm;
};

void pt_rig_init(struct pt_rig *rig);
void pt_rig_fini(struct pt_rig *rig);
/* Empty memory. */
void pt_rig_clear(struct pt_rig *rig);
uint64_t pt_rig_table(struct pt_rig *rig);
uint64_t *pt_rig_word(struct pt_rig *rig, uint64_t gpa);

/* How tables of a format are written and walked. */
struct pt_rig_format {
	const char *name;
	unsigned levels;  /* of the tables that rows fill */
	bool first_stage; /* bits of entries: x86, else second stage */
	unsigned nested;  /* levels of the second stage below, which is the identity; 0: none */
	enum pt_end (*walk)(struct pt_walk *w);
	enum pt_end (*peek)(struct pt_walk *w);
	enum pt_visit_end (*visit)(struct pt_visit *v);
};

extern const struct pt_rig_format pt_rig_formats[];
extern const unsigned pt_rig_format_count;

/* The configuration of a tree of this format: all page sizes, HAW 46. */
struct pt_config pt_rig_config(const struct pt_rig_format *f, uint64_t root);

/* The second stage below a nested format: the identity up to 2^39, in 1 GiB pages. */
struct pt_config pt_rig_below(struct pt_rig *rig, const struct pt_rig_format *f);

/* Entries with all permissions. */
uint64_t pt_rig_leaf(const struct pt_rig_format *f, unsigned level, uint64_t gpa);
uint64_t pt_rig_link(const struct pt_rig_format *f, uint64_t table);

/* The entry for iova in the table of @level, making tables above it as needed. */
uint64_t pt_rig_entry(struct pt_rig *rig, const struct pt_rig_format *f, uint64_t root,
		      uint64_t iova, unsigned level);

/* A tree with an empty top table in cleared memory, and what lies below it if nested. */
struct pt_tree {
	const struct pt_rig_format *f;
	struct pt_config config;
	struct pt_config below;
	uint64_t root;
};

struct pt_tree pt_tree_plant(struct pt_rig *rig, const struct pt_rig_format *f);
/* Every entry of the only table points to that table: 512 ^ levels pages. */
struct pt_tree pt_tree_loop(struct pt_rig *rig, const struct pt_rig_format *f);

/* A walk that leaves no trace, for reading; rig->loads counts from 0. */
enum pt_end pt_tree_walk(struct pt_rig *rig, const struct pt_tree *t, uint64_t iova,
			 struct pt_walk *w);

#endif
