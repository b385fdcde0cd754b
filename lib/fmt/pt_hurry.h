/* SPDX-License-Identifier: BSD-3-Clause */
/* pt_hurry.h - the walk of walk.h through entries that are as usual (struct pt_usual): one comparison each. */
#ifndef PT_HURRY_H
#define PT_HURRY_H

#include "walk.h"

ALWAYS_INLINE uint64_t pt_address(const struct pt_format *format, uint64_t raw)
{
	return (raw & format->address) << format->address_up;
}

/* The entry at s->entry, if it can be had in a hurry, and where it is: s->at. */
typedef bool pt_reach_fn(const struct pt_walk *w, struct pt_step *s, uint64_t *raw);

/* In tables that are read where they are. */
ALWAYS_INLINE bool pt_reach_near(const struct pt_walk *w, struct pt_step *s, uint64_t *raw)
{
	(void)w;
	s->at = s->entry;
	return pt_load_near(s, s->entry, raw);
}

/* Through tables that are as usual; where it stops, what is there has not been used. At most as many turns as there are
 * levels. */
ALWAYS_INLINE void pt_hurry_down(const struct pt_format *format, pt_reach_fn *reach,
				 const struct pt_config *c, uint64_t beyond,
				 const struct pt_walk *w, struct pt_step *s)
{
	struct pt_usual usual = format->usual_table(c, beyond, w);
	uint64_t iova = w->iova;
	uint64_t all = UINT64_MAX;
	uint64_t raw;

	while (s->level && reach(w, s, &raw) &&
	       (raw & usual.mask) == usual.value + s->level * format->usual_level) {
		all &= raw ^ format->withdraws;
		s->table = pt_address(format, raw);
		s->level--;
		s->entry = pt_next_entry(c, s->table, iova, s->level);
	}
	s->perm &= format->tables(c, all);
}

/* Whether a page that is as usual is there, and permits what is asked for. */
ALWAYS_INLINE bool pt_hurry_in(const struct pt_format *format, pt_reach_fn *reach,
			       const struct pt_config *c, uint64_t beyond, struct pt_walk *w,
			       struct pt_step *s, unsigned level)
{
	struct pt_usual usual = format->usual_page(c, beyond, w, level);
	unsigned lg2 = pt_shift(c, level);
	bool global = false;
	unsigned perm;
	uint64_t raw;

	if (!reach(w, s, &raw) || (raw & usual.mask) != usual.value)
		return false;
	perm = s->perm & format->page(c, raw, &global);
	if (format->fold)
		perm = format->fold(c, perm);
	if ((perm & w->need) != w->need || UNLIKELY(w->any && !(perm & w->any)))
		return false;
	w->found.iova = w->iova & ~bits_low(lg2);
	w->found.gpa = pt_address(format, raw) & ~bits_low(lg2);
	w->found.size_lg2 = (uint8_t)lg2;
	w->found.perm = (uint8_t)perm;
	w->found.leaf_lg2 = (uint8_t)lg2;
	w->found.global = global;
	w->table = s->table;
	w->table_perm = (uint8_t)s->perm;
	return true;
}

/* As far as all is as usual, from a step on. False: at @s something is not. */
ALWAYS_INLINE bool pt_hurry_on(const struct pt_format *format, pt_reach_fn *reach,
			       const struct pt_config *c, struct pt_walk *w, struct pt_step *s)
{
	uint64_t beyond = ~bits_low(c->out_bits);

	if (s->level)
		pt_hurry_down(format, reach, c, beyond, w, s);
	return LIKELY(!s->level) ? pt_hurry_in(format, reach, c, beyond, w, s, 0)
				 : pt_hurry_in(format, reach, c, beyond, w, s, s->level);
}

/* The same as pt_walk() of tables that are read where they are, the sooner the more is as usual. @go_on: pt_go_on() */
ALWAYS_INLINE enum pt_end pt_hurry(const struct pt_format *format, struct pt_walk *w,
				   enum pt_end (*go_on)(struct pt_walk *w, struct pt_step s))
{
	struct pt_config config = pt_geometry(format, w);
	struct pt_step s;

	if (!w->start && w->place && !w->place->host && !is_recorded(w->vm))
		mem_find(w->vm, config.root, w->place);
	s = pt_begin(&config, w);
	if (!pt_hurry_on(format, pt_reach_near, &config, w, &s))
		return go_on(w, s);
	return pt_end_at(w, &s, PT_OK);
}

#endif
