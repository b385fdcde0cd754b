/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pt_nested.h - walks whose tables and results another stage translates, w->nested. @stage is a walk of that, known when
 * the function is compiled.
 */
#ifndef PT_NESTED_H
#define PT_NESTED_H

#include <libvirtiommu/base.h>

#include "pt_memory.h"

/* The stage below, for an address of this one. */
ALWAYS_INLINE struct pt_walk pt_below(const struct pt_walk *w, uint64_t address, unsigned need)
{
	return (struct pt_walk){ .vm = w->vm,
				 .config = w->nested,
				 .iova = address,
				 .need = (uint8_t)need,
				 .dirty = need & VIOMMU_WRITE,
				 .unsnooped = w->unsnooped,
				 .place = w->place,
				 .observer = w->observer };
}

/* Walks it, and notes how that ended. */
ALWAYS_INLINE enum pt_end pt_walk_below(struct pt_walk *w, struct pt_walk *stage2,
					enum pt_end (*stage)(struct pt_walk *))
{
	enum pt_end end = pt_fits(stage2->config, stage2->iova) ? stage(stage2) : PT_TOO_WIDE;

	w->stage2 = (uint8_t)end;
	w->stage2_level = stage2->level;
	w->stage2_perm = stage2->found.perm;
	return end;
}

ALWAYS_INLINE enum pt_end pt_find_entry(struct pt_walk *w, struct pt_step *s,
					struct pt_walk *stage2,
					enum pt_end (*stage)(struct pt_walk *))
{
	enum pt_end end = pt_walk_below(w, stage2, stage);

	s->at = end == PT_OK ? stage2->found.gpa | (s->entry & bits_low(stage2->found.size_lg2))
			     : stage2->at;
	w->at_lg2 = stage2->found.size_lg2;
	return end;
}

ALWAYS_INLINE enum pt_end pt_nested_load(struct pt_walk *w, struct pt_step *s, uint64_t *raw,
					 enum pt_end (*stage)(struct pt_walk *))
{
	struct pt_walk stage2 = pt_below(w, s->entry, VIOMMU_READ);

	if (w->start)
		s->at = w->start->gpa + (s->entry - w->start->table);
	else if (pt_find_entry(w, s, &stage2, stage) != PT_OK)
		return PT_STAGE2_TABLE;
	return pt_load_at(w, s, raw);
}

/* What is recorded in the table is a write, which the stage below must permit. */
ALWAYS_INLINE enum pt_end pt_nested_update(struct pt_walk *w, struct pt_step *s, uint64_t raw,
					   uint64_t desired, enum pt_end (*stage)(struct pt_walk *))
{
	struct pt_walk stage2 = pt_below(w, s->entry, VIOMMU_READ | VIOMMU_WRITE);

	if (pt_find_entry(w, s, &stage2, stage) != PT_OK)
		return PT_STAGE2_TOUCH;
	return pt_plain_update(w, s, raw, desired);
}

/* Sends the result of a walk, which ended so, through the stage below, and makes one answer of the two. */
ALWAYS_INLINE enum pt_end pt_nested_result(struct pt_walk *w, enum pt_end end,
					   enum pt_end (*stage)(struct pt_walk *))
{
	struct translation *found = &w->found;
	struct pt_walk stage2;
	uint64_t ipa;
	unsigned lg2;

	if (end != PT_OK)
		return end;
	ipa = found->gpa | (w->iova & bits_low(found->size_lg2));
	stage2 = pt_below(w, ipa, w->need);
	stage2.any = w->any & found->perm;
	stage2.dirty = w->dirty & found->perm;
	end = pt_walk_below(w, &stage2, stage);
	if (end != PT_OK) {
		w->at = stage2.at;
		return PT_STAGE2_RESULT;
	}
	lg2 = found->size_lg2 < stage2.found.size_lg2 ? found->size_lg2 : stage2.found.size_lg2;
	found->size_lg2 = (uint8_t)lg2;
	found->iova = w->iova & ~bits_low(lg2);
	found->gpa = (stage2.found.gpa | (ipa & bits_low(stage2.found.size_lg2))) & ~bits_low(lg2);
	found->perm &= stage2.found.perm;
	return PT_OK;
}

#endif
