/* SPDX-License-Identifier: BSD-3-Clause */
/* pt_memory.h - how walks reach tables that lie in guest memory as they are. */
#ifndef PT_MEMORY_H
#define PT_MEMORY_H

#include "mem.h"
#include "walk.h"

/* Loads the entry at w->at, which a walk that begins in a known table finds in host memory. */
ALWAYS_INLINE enum pt_end pt_load_at(struct pt_walk *w, uint64_t *raw)
{
	if (w->start) {
		const void *host = w->start->host + (w->entry - w->start->table);

		*raw = le64toh(__atomic_load_n((const uint64_t *)host, __ATOMIC_RELAXED));
		return PT_OK;
	}
	if (w->place ? mem_load64_near(w->vm, w->place, w->at, raw) : mem_load64(w->vm, w->at, raw))
		return PT_OK;
	return PT_LOAD_FAILED;
}

ALWAYS_INLINE enum pt_end pt_plain_load(struct pt_walk *w, uint64_t *raw)
{
	w->at = w->entry;
	return pt_load_at(w, raw);
}

/* Replaces the entry where it was loaded. */
ALWAYS_INLINE enum pt_end pt_plain_update(struct pt_walk *w, uint64_t raw, uint64_t desired)
{
	if (w->unsnooped)
		return PT_UNSNOOPED;
	switch (mem_swap64(w->vm, w->at, &raw, desired)) {
	case MEM_SWAPPED:
		return PT_OK;
	case MEM_CHANGED:
		return PT_CHANGED;
	default:
		return PT_TOUCH_FAILED;
	}
}

/* The same load, reported to w->observer. */
ALWAYS_INLINE enum pt_end pt_observed_load(struct pt_walk *w, uint64_t *raw, const char *stage)
{
	enum pt_end end = pt_plain_load(w, raw);

	w->observer->saw(w->observer->opaque, stage, w->level, w->at, raw, end == PT_OK);
	return end;
}

#endif
