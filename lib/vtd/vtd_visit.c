/* SPDX-License-Identifier: BSD-3-Clause */
/* vtd_visit.c - every mapping of a context, in order: what requests without a trace would be
 * answered. */

#include "pieces.h"
#include "pt_vtd_ss.h"
#include "pt_x86.h"
#include "vtd_engine.h"

/* Identity, in blocks that leave out the interrupt window: some sixty of them. */
static enum pt_visit_end visit_identity(struct vtd *v, struct pt_visit *visit)
{
	bool on = atomic_load_explicit(&v->root, memory_order_acquire) & VTD_ROOT_TE;
	unsigned bits = on ? v->haw : 63;

	if (on && visit->last > bits_low(bits))
		visit->last = bits_low(bits);
	while (visit->next <= visit->last) {
		struct query q = { .iova = visit->next };

		if (visit->budget == 0)
			return PT_VISIT_BUDGET;
		visit->budget--;
		if (vtd_in_window(visit->next)) {
			visit->next = VTD_WINDOW_LAST + 1;
			continue;
		}
		vtd_identity(&q, bits);
		translation_avoid(&q.found, q.iova, true, VTD_WINDOW_FIRST, VTD_WINDOW_LAST);
		if (vtd_outside_protected(v, &q) && visit->page(visit->opaque, &q.found))
			return PT_VISIT_STOPPED;
		visit->next = q.found.iova | bits_low(q.found.size_lg2);
		if (visit->next >= visit->last)
			break;
		visit->next++;
	}
	return PT_VISIT_DONE;
}

static struct translation second(const struct pieces *p, uint64_t gpa)
{
	return pieces_walk(p, gpa, pt_vtd_ss_peek);
}

/* Pages of a visit with the permission that requests of the context have. */
struct folded_visit {
	struct vtd *vtd;
	const struct context *context;
	struct pt_visit *visit;
	int (*page)(void *opaque, const struct translation *page);
	void *opaque;
};

/* The last address up to which a page is closed because of the interrupt window, before or after translation. */
static uint64_t closed_until(const struct folded_visit *f, const struct translation *page,
			     uint64_t iova)
{
	uint64_t gpa = page->gpa + (iova - page->iova);
	uint64_t last = iova;

	if ((f->context->key.flags & VTD_KEY_RID) && vtd_in_window(iova))
		last = VTD_WINDOW_LAST;
	if (vtd_in_window(gpa) && iova + (VTD_WINDOW_LAST - gpa) > last)
		last = iova + (VTD_WINDOW_LAST - gpa);
	return last;
}

/* Reports a page without what lies in the interrupt window before or after translation, or is
 * protected. */
static int folded_page(void *opaque, const struct translation *page)
{
	const struct folded_visit *f = opaque;
	uint64_t end = page->iova | bits_low(page->size_lg2);

	/* some eighty pieces at most, since blocks around the windows double in size, or as many as there are of 2 MiB;
	 * each pays as an entry does */
	for (uint64_t iova = page->iova;; iova++) {
		struct query q = { .iova = iova, .found = *page };
		bool open = true;

		q.found.perm = vtd_fold(f->context, page->perm);
		if (f->context->key.flags & VTD_KEY_RID)
			open = translation_avoid(&q.found, iova, false, VTD_WINDOW_FIRST,
						 VTD_WINDOW_LAST);
		open = translation_avoid(&q.found, iova, true, VTD_WINDOW_FIRST, VTD_WINDOW_LAST) &&
		       open;
		if (vtd_checks_all(f->vtd) && !vtd_outside_protected(f->vtd, &q)) {
			/* protected regions begin and end at multiples of 2 MiB */
			q.found.size_lg2 = page->size_lg2 < 21 ? page->size_lg2 : 21;
			q.found.iova = iova & ~bits_low(q.found.size_lg2);
			open = false;
		}
		if (open && (q.found.perm & PERM_USER) && f->page(f->opaque, &q.found))
			return 1;
		iova = q.found.iova | bits_low(q.found.size_lg2);
		if (!open)
			iova = closed_until(f, page, iova);
		if (iova >= end)
			return 0;
		if (f->visit->budget)
			f->visit->budget--;
	}
}

static enum pt_visit_end visit_tables(const struct context *c, struct pt_visit *visit)
{
	struct pieces n = { .visit = visit, .config = &c->key.stage2, .second = second };

	visit->walk.nested = &c->key.stage2;
	if (c->key.kind == VTD_SECOND) {
		visit->walk.config = &c->key.stage2;
		return visit_part(visit, 0, bits_low(c->key.stage2.in_bits), pt_vtd_ss_visit);
	}
	visit->walk.config = &c->key.stage1;
	if (c->key.kind == VTD_FIRST)
		return visit_canonical(visit, c->key.stage1.in_bits, pt_x86_visit);
	return pieces_canonical(&n, c->key.stage1.in_bits, pt_x86_visit_on_vtd_ss);
}

enum pt_visit_end vtd_visit(struct viommu *u, const struct context *c, struct pt_visit *visit)
{
	struct folded_visit folded = { .vtd = vtd_of(u),
				       .context = c,
				       .visit = visit,
				       .page = visit->page,
				       .opaque = visit->opaque };
	enum pt_visit_end end;

	if (c->key.kind == VTD_PASS)
		return visit_identity(vtd_of(u), visit);
	visit->page = folded_page;
	visit->opaque = &folded;
	end = visit_tables(c, visit);
	visit->page = folded.page;
	visit->opaque = folded.opaque;
	return end;
}
