/* SPDX-License-Identifier: BSD-3-Clause */
/* pt_visit.h - every page of a range of addresses, in order, in steps: once for every format, as walk.h is. */
#ifndef PT_VISIT_H
#define PT_VISIT_H

#include "walk.h"

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
