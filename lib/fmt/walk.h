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
#include "record_tape.h"
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

/*
 * An entry of which no more than a look is necessary: it is present, no reserved bit is set, it permits what is asked
 * for, and nothing is to be recorded in it. That is so if (raw & mask) == value.
 */
struct pt_usual {
	uint64_t mask;
	uint64_t value;
};

#define PT_UNUSUAL ((struct pt_usual){ .value = 1 })

struct pt_walk;
struct pt_lower;

struct pt_format {
	/* @beyond: the bits of an address that are above config->out_bits */
	struct pt_item (*decode)(const struct pt_config *config, uint64_t beyond, uint64_t raw,
				 unsigned level);
	/* The entry with accessed, and for a write to a page dirty, set; raw itself if nothing
	 * changes. */
	uint64_t (*touch)(const struct pt_config *config, uint64_t raw, bool leaf, bool write);
	/* What of the folded permission only the whole walk can tell; or NULL. */
	unsigned (*fold)(const struct pt_config *config, unsigned perm);
	/* For pt_hurry(), of formats with entries of 8 bytes, each of which leads to the next level: usual tables, where
	 * the level times usual_level is added to the value, and usual pages of a level, for this walk; the bits of an
	 * address, and how far up they are to be moved; what tables permit together, by all of them and'ed, before which
	 * bits are turned over that take something away; what a page permits. */
	struct pt_usual (*usual_table)(const struct pt_config *config, uint64_t beyond,
				       const struct pt_walk *w);
	struct pt_usual (*usual_page)(const struct pt_config *config, uint64_t beyond,
				      const struct pt_walk *w, unsigned level);
	uint64_t usual_level;
	uint64_t address;
	uint8_t address_up;
	uint64_t withdraws;
	unsigned (*tables)(const struct pt_config *config, uint64_t all);
	unsigned (*page)(const struct pt_config *config, uint64_t raw, bool *global);
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
	struct pt_lower
		*lower; /* of a walk in a hurry whose tables are reached through another stage */
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

/* A walk of these tables; what is asked of it, and what is rare, is still to be said. What comes of it is 0 so far. */
ALWAYS_INLINE void pt_walk_init(struct pt_walk *w, struct viommu_vm *vm,
				const struct pt_config *config, uint64_t iova,
				struct mem_place *place)
{
	w->vm = vm;
	w->config = config;
	w->nested = NULL;
	w->iova = iova;
	w->need = 0;
	w->any = 0;
	w->deny = 0;
	w->dirty = 0;
	w->unsnooped = false;
	w->observer = NULL;
	w->start = NULL;
	w->place = place;
	w->lower = NULL;
	w->found = (struct translation){ .iova = 0 };
	w->level = 0;
	w->stage2 = 0;
	w->stage2_level = 0;
	w->stage2_perm = 0;
	w->entry = 0;
	w->at = 0;
	w->table = 0;
	w->table_perm = 0;
	w->at_lg2 = 0;
}

/* Host memory in which the next entry probably is, of this section; a copy that a walk can keep in registers. */
struct pt_near {
	uint64_t first;	 /* guest-physical */
	uint64_t places; /* addresses from there that have 8 bytes; 0: none is known */
	const unsigned char *host;
};

/* The stage below a walk in a hurry: where its tables are, and what it has said last of a table above: most of them are in
 * one of its pages. */
struct pt_lower {
	struct pt_near near;
	struct translation table; /* iova 1, of one byte: there is none */
};

/* Where a walk is: at an entry of a table. */
struct pt_step {
	uint64_t table;
	uint64_t entry; /* its address */
	uint64_t at;	/* the same in guest-physical memory: after stage 2, if nested */
	unsigned level;
	unsigned perm; /* what the entries above permit */
	struct pt_near near;
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

/* Regions are larger than a word. */
ALWAYS_INLINE struct pt_near pt_near_place(const struct mem_place *place)
{
	if (!place->host)
		return (struct pt_near){ .places = 0 };
	return (struct pt_near){ .first = place->first,
				 .places = place->last - place->first - 6,
				 .host = (const unsigned char *)(place->host &
								 ~(uintptr_t)MEM_REGION_READONLY) };
}

/* A table of the lowest level that is known. */
ALWAYS_INLINE void pt_begin_in(struct pt_step *s, const struct pt_config *c,
			       const struct table_place *start)
{
	s->table = start->table;
	s->level = 0;
	s->perm = start->perm;
	s->near.first = start->gpa;
	s->near.places = BIT(c->index_lg2 + c->entry_lg2) - 7;
	s->near.host = start->host;
}

/* Where it begins. */
ALWAYS_INLINE struct pt_step pt_begin(const struct pt_config *c, const struct pt_walk *w)
{
	struct pt_step s = { .table = c->root,
			     .level = c->top,
			     .perm = (PERM_ALL | PERM_DIRTY) & ~(unsigned)w->deny };

	if (w->start)
		pt_begin_in(&s, c, w->start);
	else if (w->place)
		s.near = pt_near_place(w->place);
	s.entry = pt_entry_address(c, s.table, w->iova, s.level);
	return s;
}

ALWAYS_INLINE enum pt_end pt_end_at(struct pt_walk *w, const struct pt_step *s, enum pt_end end)
{
	w->level = (uint8_t)s->level;
	w->entry = s->entry;
	w->at = s->at;
	return end;
}

/* Geometry in registers, as all of a step is: stores to the walk cannot change it. */
ALWAYS_INLINE struct pt_config pt_geometry(const struct pt_format *format, const struct pt_walk *w)
{
	struct pt_config config = *w->config;

	pt_fix_geometry(format, &config);
	return config;
}

/* From a step on. */
ALWAYS_INLINE enum pt_end pt_go_on(const struct pt_format *format, const struct pt_memory *memory,
				   struct pt_walk *w, struct pt_step s)
{
	struct pt_config config = pt_geometry(format, w);
	uint64_t beyond = ~bits_low(config.out_bits);
	unsigned tries = 0;
	enum pt_end end;

	do
		end = pt_look(format, memory, &config, beyond, w, &s);
	while (end == PT_GOES_ON || (end == PT_CHANGED && tries++ < PT_TRIES));
	return pt_end_at(w, &s, end == PT_CHANGED ? PT_TOUCH_FAILED : end);
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
	struct pt_config config = pt_geometry(format, w);

	return pt_go_on(format, memory, w, pt_begin(&config, w));
}

/* A word of guest memory, if it is near. */
ALWAYS_INLINE bool pt_load_near(const struct pt_step *s, uint64_t gpa, uint64_t *raw)
{
	uint64_t offset = gpa - s->near.first;

	if (UNLIKELY(offset >= s->near.places))
		return false;
	offset &= bits_index_mask(offset, s->near.places);
	*raw = le64toh(
		__atomic_load_n((const uint64_t *)(s->near.host + offset), __ATOMIC_RELAXED));
	return true;
}

#endif
