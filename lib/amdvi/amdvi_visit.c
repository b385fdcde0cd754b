/* SPDX-License-Identifier: BSD-3-Clause */
/* amdvi_visit.c - every mapping of a context, in order: what requests without a trace would be answered. */

#include "amdvi_engine.h"
#include "pieces.h"
#include "pt_amd_v1.h"
#include "pt_x86.h"

/* Up to where no address is memory, from one that is not. */
static uint64_t closed_until(const struct amdvi *v, uint64_t iova, uint64_t last)
{
	if (amdvi_in_window(iova))
		return AMD_WINDOW_LAST;
	return amdvi_in_ht(v, iova) ? AMD_HT_LAST : last;
}

static bool closed(const struct amdvi *v, uint64_t iova)
{
	return amdvi_in_window(iova) || amdvi_in_ht(v, iova);
}

/* Identity between two addresses, in blocks that leave out what is no memory: some hundred of them. */
static enum pt_visit_end visit_identity(struct amdvi *v, const struct context *c,
					struct pt_visit *visit, uint64_t last, unsigned perm)
{
	while (visit->next <= last) {
		struct query q = { .iova = visit->next };

		if (visit->budget == 0)
			return PT_VISIT_BUDGET;
		visit->budget--;
		amdvi_identity(&q, perm);
		amdvi_cut(v, c, &q);
		if (closed(v, q.iova)) {
			q.found = (struct translation){ .iova = q.iova, .perm = 0 };
			visit->next = closed_until(v, q.iova, q.iova);
		} else {
			if ((perm & PERM_USER) && visit->page(visit->opaque, &q.found))
				return PT_VISIT_STOPPED;
			visit->next = q.found.iova | bits_low(q.found.size_lg2);
		}
		if (visit->next >= last)
			break;
		visit->next++;
	}
	return PT_VISIT_DONE;
}

static struct translation second(const struct pieces *p, uint64_t gpa)
{
	return pieces_walk(p, gpa, pt_amd_v1_peek);
}

static enum pt_visit_end visit_tables(const struct context *c, struct pt_visit *visit)
{
	struct pieces n = { .visit = visit, .config = &c->key.stage2, .second = second };

	visit->walk.nested = &c->key.stage2;
	if (c->key.kind == AMDVI_V1) {
		visit->walk.config = &c->key.stage2;
		return visit_part(visit, 0, bits_low(c->key.stage2.in_bits), pt_amd_v1_visit);
	}
	visit->walk.config = &c->key.stage1;
	if (c->key.kind == AMDVI_V2)
		return visit_canonical(visit, c->key.stage1.in_bits, pt_x86_visit);
	return pieces_canonical(&n, c->key.stage1.in_bits, pt_x86_visit_on_amd_v1);
}

/* ---- pages with the permission that requests of the context have, without what is no memory ---- */

struct folded_visit {
	struct amdvi *v;
	const struct context *context;
	struct pt_visit *visit;
	int (*page)(void *opaque, const struct translation *page);
	void *opaque;
};

static int folded_page(void *opaque, const struct translation *page)
{
	const struct folded_visit *f = opaque;
	uint64_t end = page->iova | bits_low(page->size_lg2);
	uint64_t first = page->iova > f->visit->next ? page->iova : f->visit->next;

	/* some hundred pieces at most, since blocks around a hole double in size; each pays as an entry does */
	for (uint64_t iova = first;; iova++) {
		struct query q = { .iova = iova, .found = *page };

		q.found.perm = amdvi_fold(f->context, page->perm);
		amdvi_cut(f->v, f->context, &q);
		if (!closed(f->v, iova) && (q.found.perm & PERM_USER) &&
		    f->page(f->opaque, &q.found))
			return 1;
		iova = closed(f->v, iova) ? closed_until(f->v, iova, iova)
					  : q.found.iova | bits_low(q.found.size_lg2);
		if (iova >= end || iova >= f->visit->last)
			return 0;
		if (f->visit->budget)
			f->visit->budget--;
	}
}

/* What is mapped by tables between two addresses, and, of a context without, by nothing. */
static enum pt_visit_end visit_translated(struct amdvi *v, const struct context *c,
					  struct pt_visit *visit, uint64_t last)
{
	struct folded_visit folded = {
		.v = v, .context = c, .visit = visit, .page = visit->page, .opaque = visit->opaque
	};
	uint64_t wanted = visit->last;
	enum pt_visit_end end = PT_VISIT_DONE;

	if (c->key.kind == AMDVI_PASS)
		return visit_identity(v, c, visit, last,
				      (PERM_ALL | PERM_DIRTY) & ~(unsigned)amdvi_denied(c));
	if (c->key.kind == AMDVI_BLOCKED)
		return PT_VISIT_DONE;
	visit->last = last;
	visit->walk.deny = amdvi_denied(c);
	visit->page = folded_page;
	visit->opaque = &folded;
	end = visit_tables(c, visit);
	visit->page = folded.page;
	visit->opaque = folded.opaque;
	visit->last = wanted;
	return end;
}

enum pt_visit_end amdvi_visit(struct viommu *u, const struct context *c, struct pt_visit *visit)
{
	struct amdvi *v = amdvi_of(u);
	enum pt_visit_end end = PT_VISIT_DONE;
	uint64_t first, last;

	if (!(c->key.flags & AMDVI_KEY_EXCLUDED) || !amdvi_exclusion(v, &first, &last) ||
	    visit->last < first || visit->next > last)
		return visit_translated(v, c, visit, visit->last);
	/* before, in, and behind the exclusion range */
	if (visit->next < first) {
		end = visit_translated(v, c, visit, first - 1);
		if (end != PT_VISIT_DONE)
			return end;
		visit->next = first;
	}
	end = visit_identity(v, c, visit, visit->last < last ? visit->last : last,
			     PERM_ALL | PERM_DIRTY);
	if (end != PT_VISIT_DONE || visit->last <= last)
		return end;
	visit->next = last + 1;
	return visit_translated(v, c, visit, visit->last);
}

/* Nothing that is restricted is a bypass. */
uint32_t amdvi_mode(struct viommu *u, struct viommu_device *device)
{
	struct context_entry entry = { .domain = NULL };
	struct query q = {
		.device = device, .pasid = VIOMMU_NO_PASID, .quiet = true, .entry = &entry
	};
	const struct context *c = &entry.context;

	if (unit_parse_now(u, &q, &entry.context) != VIOMMU_OK)
		return VIOMMU_MODE_BLOCK;
	if (c->key.kind == AMDVI_PASS && !amdvi_denied(c))
		return VIOMMU_MODE_BYPASS;
	return c->key.kind == AMDVI_PASS && amdvi_denied(c) == PERM_ALL ? VIOMMU_MODE_BLOCK
									: VIOMMU_MODE_TRANSLATE;
}
