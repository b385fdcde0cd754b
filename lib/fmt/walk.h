/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * walk.h - the page-table walk, once for every format.
 *
 * Geometry is data (struct pt_config), decoding is two small functions per format (struct
 * pt_format), access to the tables is two more (struct pt_memory): plain, nested, or observed.
 * pt_walk() is always inlined into a function that names both as static const tables, so that the
 * compiler calls them directly or folds them. Level 0 holds only pages.
 */
#ifndef WALK_H
#define WALK_H

#include <stdbool.h>
#include <stdint.h>

#include "bits.h"
#include "domain.h"
#include "mem.h"
#include "pt_config.h"
#include "table_cache.h"
#include "tlb.h"

struct viommu_vm;

enum pt_kind { PT_EMPTY, PT_TABLE, PT_LEAF, PT_RESERVED, PT_UNACCESSED };

/* One entry, decoded. */
struct pt_item {
	uint64_t addr; /* of the next table, or of the page */
	unsigned kind; /* enum pt_kind */
	unsigned next; /* PT_TABLE: its level, below this one */
	unsigned lg2;  /* PT_LEAF: size of the page */
	unsigned perm; /* PERM_*; PERM_DIRTY on every entry except a leaf that is not dirty yet */
	bool global;   /* PT_LEAF: the page is the same for all of a group */
	/* PT_LEAF: the page has several entries, alike but for accessed and dirty, which each of them records for
	 * itself: what one of them maps, and no more is cached of it. 0: it is one entry, or nothing is recorded. */
	unsigned own_lg2;
};

struct pt_format {
	/* @beyond: the bits of an address that are above config->out_bits */
	struct pt_item (*decode)(const struct pt_config *config, uint64_t beyond, uint64_t raw,
				 unsigned level);
	/* The entry with accessed, and for a write to a page dirty, set; raw itself if nothing
	 * changes. */
	uint64_t (*touch)(const struct pt_config *config, uint64_t raw, bool leaf, bool write);
	/* What of the folded permission only the whole walk can tell; or NULL. */
	unsigned (*fold)(const struct pt_config *config, unsigned perm);
	/* Geometry that every configuration of the format has, known when the walk is compiled;
	 * index_lg2 0: it differs. */
	uint8_t page_lg2;
	uint8_t index_lg2;
	uint8_t entry_lg2;
	/* Entries may pass over levels: the bits of the address that these would look at have to be 0. */
	bool skips;
	/* Each entry has to permit the access before anything else about it counts: a walk ends at the first that does
	 * not. Otherwise at the page. */
	bool stepwise;
};

/* Whether an entry passes over levels that would have something to look at. */
ALWAYS_INLINE bool pt_skips_bits(const struct pt_config *c, uint64_t iova, unsigned level,
				 unsigned next)
{
	return (iova & bits_low(pt_shift(c, level))) >> pt_shift(c, next + 1) != 0;
}

/* How a walk ends. */
enum pt_end {
	PT_OK,
	PT_NOT_PRESENT, /* an entry is empty */
	PT_BAD_ENTRY,	/* an entry has reserved bits set */
	PT_BAD_LEVEL, /* an entry points to its own level, or past some of which the address has bits */
	PT_NOT_ACCESSED, /* the page is there, and software wants to know of its first access */
	PT_DENIED,	 /* the page is there, and does not permit the access */
	PT_TOO_WIDE,	 /* the address is beyond the input width */
	PT_LOAD_FAILED,	 /* an entry could not be read */
	PT_UNSNOOPED,	 /* accessed or dirty would have to be recorded, and w->unsnooped says no */
	PT_TOUCH_FAILED, /* accessed or dirty could not be recorded */
	PT_STAGE2_TABLE, /* nested: the address of an entry failed in stage 2, pt_walk.stage2 says
			    how */
	PT_STAGE2_TOUCH, /* nested: stage 2 does not let accessed or dirty be recorded, ditto */
	PT_STAGE2_RESULT, /* nested: the address that stage 1 gave failed in stage 2, ditto */
	PT_CHANGED,	  /* internal: an entry changed under our hands, decode it again */
	PT_GOES_ON,	  /* internal: in the next table */
};

/* One walk: what is asked, and what came of it. */
struct pt_walk {
	/* in */
	struct viommu_vm *vm;
	const struct pt_config *config;
	const struct pt_config *nested; /* stage 2 below the tables, or NULL */
	uint64_t iova;
	uint8_t need;	/* PERM_* that the access wants */
	uint8_t any;	/* PERM_* of which at least one must be granted; 0: none need be */
	uint8_t deny;	/* PERM_* that the context withholds, before any table is read */
	uint8_t dirty;	/* PERM_* of writing: record dirty if the page permits that; 0: never */
	bool unsnooped; /* table entries cannot be updated atomically */
	const struct pt_observer *observer; /* of an observed walk */
	const struct table_place *start;    /* begin in this table of the lowest level; or NULL */
	struct mem_place *place; /* where tables probably are, kept up to date; or NULL */
	/* out */
	struct translation found; /* PT_OK and PT_DENIED */
	uint8_t level;		  /* where it ended */
	uint8_t stage2;		  /* enum pt_end of stage 2 */
	uint8_t stage2_level;	  /* where that ended, and what it permits */
	uint8_t stage2_perm;
	uint64_t entry; /* address of the last entry */
	uint64_t at;	/* the same in guest-physical memory: after stage 2, if nested */
	uint64_t table; /* it is in, and what all levels above permit, if it is a page's */
	uint8_t table_perm;
	uint8_t at_lg2; /* nested: size of the page of stage 2 around at; 0: there is no stage 2 */
};

/* Where a walk is: at an entry of a table. */
struct pt_step {
	uint64_t table;
	uint64_t entry; /* its address */
	uint64_t at;	/* the same in guest-physical memory: after stage 2, if nested */
	unsigned level;
	unsigned perm; /* what the entries above permit */
};

struct pt_memory {
	/* Reads the entry at s->entry, and says where that is: s->at. PT_OK or why not. */
	enum pt_end (*load)(struct pt_walk *w, struct pt_step *s, uint64_t *raw);
	/* Replaces that entry. PT_OK, PT_CHANGED, or why not. NULL: the walk leaves no trace. */
	enum pt_end (*update)(struct pt_walk *w, struct pt_step *s, uint64_t raw, uint64_t desired);
};

/* An entry that keeps changing while we record accessed or dirty in it is given up after so many
 * tries in a walk. */
#define PT_TRIES 16U

/* Who watches a walk, entry by entry (viommu_explain). */
struct pt_observer {
	/* @words: 0 if it could not be read */
	void (*saw)(void *opaque, const char *stage, unsigned level, uint64_t gpa,
		    const uint64_t *raw, unsigned words);
	void *opaque;
};

/* The page is found: is the access permitted, and has it left its trace? */
ALWAYS_INLINE enum pt_end pt_arrive(const struct pt_format *format, const struct pt_memory *memory,
				    struct pt_walk *w, struct pt_step *s, struct pt_item item,
				    uint64_t raw)
{
	unsigned perm = s->perm & item.perm;

	w->table = s->table;
	w->table_perm = (uint8_t)s->perm;
	w->found.size_lg2 = (uint8_t)item.lg2;
	w->found.leaf_lg2 = (uint8_t)item.lg2;
	w->found.global = item.global;
	w->found.iova = w->iova & ~bits_low(item.lg2);
	w->found.gpa = item.addr;
	if (item.own_lg2)
		translation_shrink(&w->found, w->iova, item.own_lg2);
	if (format->fold)
		perm = format->fold(w->config, perm);
	w->found.perm = (uint8_t)perm;
	if ((perm & w->need) != w->need || (w->any && !(perm & w->any)))
		return PT_DENIED;
	if (!memory->update || !format->touch)
		return PT_OK;
	bool dirty = perm & w->dirty;
	uint64_t desired = format->touch(w->config, raw, true, dirty);

	if (desired != raw) {
		enum pt_end end = memory->update(w, s, raw, desired);

		if (end != PT_OK)
			return end;
		if (dirty)
			w->found.perm |= (uint8_t)PERM_DIRTY;
	}
	return PT_OK;
}

/* Why an entry leads nowhere. */
ALWAYS_INLINE enum pt_end pt_refusal(unsigned kind)
{
	if (kind == PT_UNACCESSED)
		return PT_NOT_ACCESSED;
	return kind == PT_EMPTY ? PT_NOT_PRESENT : PT_BAD_ENTRY;
}

/* Geometry that is known when the walk is compiled. */
ALWAYS_INLINE void pt_fix_geometry(const struct pt_format *format, struct pt_config *config)
{
	if (!format->index_lg2)
		return;
	config->page_lg2 = format->page_lg2;
	config->index_lg2 = format->index_lg2;
	config->entry_lg2 = format->entry_lg2;
}

/* Whether a walk that goes by steps ends at this entry. @perm: of those above */
ALWAYS_INLINE bool pt_denies(const struct pt_format *format, struct pt_walk *w, struct pt_item item,
			     unsigned perm)
{
	if (!format->stepwise || item.kind == PT_EMPTY || (perm & item.perm & w->need) == w->need)
		return false;
	w->found.perm = (uint8_t)(perm & item.perm);
	return true;
}

/* The entry of a table that the address leads to, which is not the top one. */
ALWAYS_INLINE uint64_t pt_next_entry(const struct pt_config *c, uint64_t table, uint64_t iova,
				     unsigned level)
{
	return table + ((iova >> pt_shift(c, level) & bits_low(c->index_lg2)) << c->entry_lg2);
}

/* The entry leads to another table: there, unless it cannot be left a trace in. */
ALWAYS_INLINE enum pt_end pt_descend(const struct pt_format *format, const struct pt_memory *memory,
				     const struct pt_config *c, struct pt_walk *w,
				     struct pt_step *s, struct pt_item item, uint64_t raw)
{
	uint64_t desired = raw;

	if (item.next >= s->level ||
	    (format->skips && pt_skips_bits(c, w->iova, s->level, item.next)))
		return PT_BAD_LEVEL;
	if (memory->update && format->touch)
		desired = format->touch(c, raw, false, false);
	if (desired != raw) {
		enum pt_end end = memory->update(w, s, raw, desired);

		if (end != PT_OK)
			return end;
	}
	s->perm &= item.perm;
	s->table = item.addr;
	s->level = item.next;
	s->entry = pt_next_entry(c, s->table, w->iova, s->level);
	return PT_GOES_ON;
}

/* One entry. */
ALWAYS_INLINE enum pt_end pt_look(const struct pt_format *format, const struct pt_memory *memory,
				  const struct pt_config *c, uint64_t beyond, struct pt_walk *w,
				  struct pt_step *s)
{
	uint64_t raw;
	struct pt_item item;
	enum pt_end end = memory->load(w, s, &raw);

	if (end != PT_OK)
		return end;
	item = format->decode(c, beyond, raw, s->level);
	if (pt_denies(format, w, item, s->perm))
		return PT_DENIED;
	if (item.kind == PT_TABLE)
		return pt_descend(format, memory, c, w, s, item, raw);
	if (item.kind == PT_LEAF)
		return pt_arrive(format, memory, w, s, item, raw);
	return pt_refusal(item.kind);
}

/*
 * Translates w->iova. The caller has checked that it is within in_bits. At most top + 1 + PT_TRIES
 * loads: levels fall, and an entry is read again only if it changed while it was being updated.
 * Accessed is recorded in each table entry as it is followed, accessed and dirty in the page's
 * entry once the access is known to be permitted.
 */
ALWAYS_INLINE enum pt_end pt_walk(const struct pt_format *format, const struct pt_memory *memory,
				  struct pt_walk *w)
{
	struct pt_config config = *w->config;	      /* in registers, as is all of s: */
	uint64_t beyond = ~bits_low(config.out_bits); /* stores to w cannot change it */
	struct pt_step s = { .table = config.root,
			     .level = config.top,
			     .perm = (PERM_ALL | PERM_DIRTY) & ~(unsigned)w->deny };
	unsigned tries = 0;
	enum pt_end end;

	pt_fix_geometry(format, &config);
	if (w->start) {
		s.table = w->start->table;
		s.level = 0;
		s.perm = w->start->perm;
	}
	s.entry = pt_entry_address(&config, s.table, w->iova, s.level);
	do
		end = pt_look(format, memory, &config, beyond, w, &s);
	while (end == PT_GOES_ON || (end == PT_CHANGED && tries++ < PT_TRIES));
	w->level = (uint8_t)s.level;
	w->entry = s.entry;
	w->at = s.at;
	return end == PT_CHANGED ? PT_TOUCH_FAILED : end;
}

/* One step of a visit: a page, or a hole of some size. */
struct pt_visit {
	struct pt_walk
		walk;  /* vm, config, nested and observer are the caller's; the rest is ours */
	uint64_t next; /* where to go on */
	uint64_t last;
	uint32_t budget; /* entries that may still be read */
	/* Called for each page; non-zero stops. */
	int (*page)(void *opaque, const struct translation *page);
	void *opaque;
};

enum pt_visit_end { PT_VISIT_DONE, PT_VISIT_BUDGET, PT_VISIT_STOPPED };

/*
 * Calls page for every page in [next, last], in order. Holes, and tables that cannot be read, are
 * passed over whole. At most budget + PT_LEVELS loads; each step that looks at an entry pays 1.
 */
ALWAYS_INLINE enum pt_visit_end pt_visit(const struct pt_format *format,
					 const struct pt_memory *memory, struct pt_visit *v)
{
	const struct pt_config *c = v->walk.config;
	uint64_t beyond = ~bits_low(c->out_bits);
	uint64_t table[PT_LEVELS];
	uint8_t perm[PT_LEVELS];
	unsigned level = c->top;
	bool moved = false; /* whoever comes with a small budget gets on nevertheless */

	table[level] = c->root;
	perm[level] = (uint8_t)((PERM_ALL | PERM_DIRTY) & ~(unsigned)v->walk.deny);
	for (;;) {
		struct pt_step step = { .table = table[level], .level = level };
		struct pt_item item = { .kind = PT_EMPTY };
		unsigned size_lg2 = pt_shift(c, level);
		uint64_t raw;

		if (v->budget > 0)
			v->budget--;
		else if (moved)
			return PT_VISIT_BUDGET;
		v->walk.iova = v->next;
		step.entry = pt_entry_address(c, table[level], v->next, level);
		if (memory->load(&v->walk, &step, &raw) == PT_OK)
			item = format->decode(c, beyond, raw, level);
		if (item.kind == PT_TABLE && item.next < level &&
		    !(format->skips && pt_skips_bits(c, v->next, level, item.next))) {
			table[item.next] = item.addr;
			perm[item.next] = (uint8_t)(perm[level] & item.perm);
			level = item.next;
			continue;
		}
		if (item.kind == PT_LEAF) {
			struct translation t = { .iova = v->next & ~bits_low(item.lg2),
						 .gpa = item.addr,
						 .size_lg2 = (uint8_t)item.lg2,
						 .perm = (uint8_t)(perm[level] & item.perm),
						 .leaf_lg2 = (uint8_t)item.lg2,
						 .global = item.global };

			if (item.own_lg2)
				translation_shrink(&t, v->next, item.own_lg2);
			size_lg2 = t.size_lg2;
			if (format->fold)
				t.perm = (uint8_t)format->fold(c, t.perm);
			if (v->page(v->opaque, &t))
				return PT_VISIT_STOPPED;
		}
		v->next |= bits_low(size_lg2);
		if (v->next >= v->last)
			return PT_VISIT_DONE;
		v->next++;
		moved = true;
		/* A table is left where its index wraps: start over from the top, which is cheap
		 * and always right. */
		if ((v->next & bits_low(pt_shift(c, level) + c->index_lg2)) == 0)
			level = c->top;
	}
}

#endif
