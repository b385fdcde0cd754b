/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pt_toys.h - small formats with what walk.h can do and no engine of ours has yet: entries that pass over levels and say how
 * large their page is, entries of 4 bytes, tables of several granules.
 */
#ifndef PT_TOYS_H
#define PT_TOYS_H

#include "pt_visit.h"

/*
 * Entries that name the level of what they point to.
 *
 *	0	present
 *	5, 6	accessed, dirty (pages)
 *	11:9	0: a page of the level's size; 7: a page whose size is twice that of the lowest 0 bit of the address;
 *		else a table, of the level below that
 *	51:12	address
 *	61, 62	reading, writing
 *	63	reserved
 */
#define HOP_P	    BIT(0)
#define HOP_A	    BIT(5)
#define HOP_D	    BIT(6)
#define HOP_NEXT(n) ((uint64_t)(n) << 9)
#define HOP_R	    BIT(61)
#define HOP_W	    BIT(62)
#define HOP_RW	    (HOP_R | HOP_W)
#define HOP_RSVD    BIT(63)

enum pt_end pt_hop_walk(struct pt_walk *w);
enum pt_end pt_hop_peek(struct pt_walk *w);
enum pt_visit_end pt_hop_visit(struct pt_visit *v);

/* Entries of 4 bytes: 0 present, 1 reading, 2 writing (neither: a table), 6 accessed, 7 dirty, 31:10 address >> 12. */
#define SHORT_P	 BIT(0)
#define SHORT_R	 BIT(1)
#define SHORT_W	 BIT(2)
#define SHORT_RW (SHORT_R | SHORT_W)
#define SHORT_A	 BIT(6)
#define SHORT_D	 BIT(7)

enum pt_end pt_short_walk(struct pt_walk *w);
enum pt_end pt_short_peek(struct pt_walk *w);
enum pt_visit_end pt_short_visit(struct pt_visit *v);

/* Of whatever granule: 0 present, 1 a table (level 0: a page), 8 global, 47:page address, 52 one page with its neighbours. */
#define GRAIN_P	     BIT(0)
#define GRAIN_TABLE  BIT(1)
#define GRAIN_GLOBAL BIT(8)
#define GRAIN_CONT   BIT(52)

/* Neighbours that form one page. */
static inline unsigned pt_grain_neighbours(const struct pt_config *c, unsigned level)
{
	return c->page_lg2 == 14 ? (level ? 5 : 7) : c->page_lg2 == 16 ? 5 : 4;
}

enum pt_end pt_grain_walk(struct pt_walk *w);
enum pt_end pt_grain_peek(struct pt_walk *w);
enum pt_visit_end pt_grain_visit(struct pt_visit *v);

#endif
