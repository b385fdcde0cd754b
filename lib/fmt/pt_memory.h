/* SPDX-License-Identifier: BSD-3-Clause */
/* pt_memory.h - how walks reach tables that lie in guest memory as they are. */
#ifndef PT_MEMORY_H
#define PT_MEMORY_H

#include "mem.h"
#include "walk.h"

/* An entry that is not near: w->place, if there is one, is where it is from now on. */
ALWAYS_INLINE enum pt_end pt_load_far(struct pt_walk *w, struct pt_step *s, uint64_t *raw)
{
	uint64_t word = 0;
	bool ok;

	if (w->place) {
		ok = mem_load64_far(w->vm, w->place, s->at, &word);
		s->near = pt_near_place(w->place);
	} else {
		ok = mem_load64(w->vm, s->at, &word);
	}
	*raw = word;
	return ok ? PT_OK : PT_LOAD_FAILED;
}

/* Loads the entry at s->at. */
ALWAYS_INLINE enum pt_end pt_load_at(struct pt_walk *w, struct pt_step *s, uint64_t *raw)
{
	return pt_load_near(s, s->at, raw) ? PT_OK : pt_load_far(w, s, raw);
}

ALWAYS_INLINE enum pt_end pt_plain_load(struct pt_walk *w, struct pt_step *s, uint64_t *raw)
{
	s->at = s->entry;
	return pt_load_at(w, s, raw);
}

ALWAYS_INLINE enum pt_end pt_swapped(enum mem_swap swapped)
{
	switch (swapped) {
	case MEM_SWAPPED:
		return PT_OK;
	case MEM_CHANGED:
		return PT_CHANGED;
	default:
		return PT_TOUCH_FAILED;
	}
}

/* Replaces the entry where it was loaded. */
ALWAYS_INLINE enum pt_end pt_plain_update(struct pt_walk *w, struct pt_step *s, uint64_t raw,
					  uint64_t desired)
{
	if (w->unsnooped)
		return PT_UNSNOOPED;
	return pt_swapped(mem_swap64(w->vm, s->at, &raw, desired));
}

/* The same of entries of 4 bytes. */
ALWAYS_INLINE enum pt_end pt_load32_at(struct pt_walk *w, const struct pt_step *s, uint64_t *raw)
{
	if (w->start) {
		const void *host = w->start->host + (s->entry - w->start->table);

		*raw = le32toh(__atomic_load_n((const uint32_t *)host, __ATOMIC_RELAXED));
		return PT_OK;
	}
	return mem_load32(w->vm, w->place, s->at, raw) ? PT_OK : PT_LOAD_FAILED;
}

ALWAYS_INLINE enum pt_end pt_plain_load32(struct pt_walk *w, struct pt_step *s, uint64_t *raw)
{
	s->at = s->entry;
	return pt_load32_at(w, s, raw);
}

ALWAYS_INLINE enum pt_end pt_plain_update32(struct pt_walk *w, struct pt_step *s, uint64_t raw,
					    uint64_t desired)
{
	if (w->unsnooped)
		return PT_UNSNOOPED;
	return pt_swapped(mem_swap32(w->vm, s->at, &raw, (uint32_t)desired));
}

/* The same load, reported to w->observer. */
ALWAYS_INLINE enum pt_end pt_observed_load(struct pt_walk *w, struct pt_step *s, uint64_t *raw,
					   const char *stage)
{
	enum pt_end end = pt_plain_load(w, s, raw);

	w->observer->saw(w->observer->opaque, stage, s->level, s->at, raw, end == PT_OK);
	return end;
}

#endif
