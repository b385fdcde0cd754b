/* SPDX-License-Identifier: BSD-3-Clause */
/* pieces.c - visits of parts of the address space, and of two stages. */

#include "pieces.h"

enum pt_visit_end visit_part(struct pt_visit *visit, uint64_t first, uint64_t last,
			     visit_tables_fn *tables)
{
	uint64_t wanted = visit->last;
	enum pt_visit_end end;

	if (visit->next < first)
		visit->next = first;
	if (visit->next > last || visit->next > wanted)
		return PT_VISIT_DONE;
	visit->last = wanted < last ? wanted : last;
	end = tables(visit);
	visit->last = wanted;
	return end;
}

enum pt_visit_end visit_canonical(struct pt_visit *visit, unsigned bits, visit_tables_fn *tables)
{
	uint64_t half = bits_low(bits - 1U);
	enum pt_visit_end end = visit_part(visit, 0, half, tables);

	if (end != PT_VISIT_DONE || visit->last <= half)
		return end;
	return visit_part(visit, ~half, UINT64_MAX, tables);
}

struct translation pieces_walk(const struct pieces *p, uint64_t gpa,
			       enum pt_end (*peek)(struct pt_walk *w))
{
	struct pt_walk w = { .vm = p->visit->walk.vm, .config = p->config, .iova = gpa };

	w.found.size_lg2 = p->config->page_lg2;
	if (!pt_fits(w.config, gpa) || peek(&w) != PT_OK)
		w.found.perm = 0;
	return w.found;
}

/* What is at an address of the page. */
static struct translation piece_at(const struct pieces *p, const struct translation *page,
				   uint64_t iova)
{
	uint64_t gpa = page->gpa + (iova - page->iova);
	struct translation second = p->second(p, gpa);
	struct translation t = *page;

	if (second.size_lg2 < t.size_lg2)
		t.size_lg2 = second.size_lg2;
	t.iova = iova & ~bits_low(t.size_lg2);
	t.gpa = (second.gpa | (gpa & bits_low(second.size_lg2))) & ~bits_low(t.size_lg2);
	t.perm &= second.perm;
	return t;
}

int pieces_page(void *opaque, const struct translation *page)
{
	struct pieces *p = opaque;
	uint64_t end = page->iova | bits_low(page->size_lg2);
	uint64_t first = page->iova > p->visit->next ? page->iova : p->visit->next;

	for (uint64_t iova = first;; iova++) {
		struct translation t;

		if (p->visit->budget > 0) {
			p->visit->budget--;
		} else if (iova != first) {
			p->visit->next = iova;
			p->out_of_budget = true;
			return 1;
		}
		t = piece_at(p, page, iova);
		if ((t.perm & PERM_ALL) && p->page(p->opaque, &t))
			return 1;
		iova |= bits_low(t.size_lg2);
		if (iova >= end || iova >= p->visit->last)
			return 0;
	}
}

enum pt_visit_end pieces_canonical(struct pieces *p, unsigned bits, visit_tables_fn *tables)
{
	struct pt_visit *visit = p->visit;
	enum pt_visit_end end;

	p->page = visit->page;
	p->opaque = visit->opaque;
	visit->page = pieces_page;
	visit->opaque = p;
	end = visit_canonical(visit, bits, tables);
	visit->page = p->page;
	visit->opaque = p->opaque;
	return p->out_of_budget ? PT_VISIT_BUDGET : end;
}
