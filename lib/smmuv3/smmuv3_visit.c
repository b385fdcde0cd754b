/* SPDX-License-Identifier: BSD-3-Clause */
/* smmuv3_visit.c - every mapping of a context, in order: what requests without a trace would be answered. */

#include "pt_arm64.h"
#include "smmuv3_engine.h"

/* All of it is one block. */
static enum pt_visit_end visit_identity(const struct smmu *s, struct pt_visit *visit)
{
	struct query q = { .iova = 0 };

	if (visit->next > bits_low(s->oas))
		return PT_VISIT_DONE;
	smmu_identity(s, &q);
	if (visit->page(visit->opaque, &q.found))
		return PT_VISIT_STOPPED;
	visit->next = bits_low(s->oas);
	return PT_VISIT_DONE;
}

/* Pages with the permission that requests of the context have, and, nested, through stage 2. */
struct through {
	struct smmu *smmu;
	struct pt_visit *visit;
	const struct context *context;
	int (*page)(void *opaque, const struct translation *page);
	void *opaque;
	bool seen_global;   /* before anything was read */
	bool out_of_budget; /* inside a page: visit->next says where to go on */
};

/* The first global page is read again once that has been noted, as those of the caches are. */
static bool is_new_global(struct through *t, const struct translation *page)
{
	if (!page->global || t->seen_global)
		return false;
	smmu_note(t->smmu, SMMU_SEEN_GLOBAL);
	t->out_of_budget = true;
	return true;
}

static int folded(const struct through *t, const struct translation *page)
{
	struct translation f = *page;

	f.perm = smmu_fold(t->context, page->perm);
	return (f.perm & (PERM_USER)) ? t->page(t->opaque, &f) : 0;
}

static int fold_page(void *opaque, const struct translation *page)
{
	if (is_new_global(opaque, page))
		return 1;
	return folded(opaque, page);
}

/* What of a page of stage 1 is at an address. False: stage 2 does not have it; *t is as large as that is known. */
static bool second(const struct through *n, const struct translation *page, uint64_t iova,
		   struct translation *t)
{
	struct pt_walk w = { .vm = n->visit->walk.vm,
			     .config = &n->context->key.stage2,
			     .iova = page->gpa + (iova - page->iova) };
	enum pt_end end = PT_TOO_WIDE;
	unsigned lg2;

	w.found.size_lg2 = w.config->page_lg2;
	if (pt_fits(w.config, w.iova))
		end = pt_arm64_s2_peek(&w);
	lg2 = w.found.size_lg2 < page->size_lg2 ? w.found.size_lg2 : page->size_lg2;
	*t = (struct translation){ .iova = iova & ~bits_low(lg2),
				   .gpa = (w.found.gpa | (w.iova & bits_low(w.found.size_lg2))) &
					  ~bits_low(lg2),
				   .size_lg2 = (uint8_t)lg2,
				   .perm = page->perm & w.found.perm,
				   .leaf_lg2 = page->leaf_lg2 };
	return end == PT_OK;
}

static int nested_page(void *opaque, const struct translation *page)
{
	struct through *n = opaque;
	uint64_t end = page->iova | bits_low(page->size_lg2);
	uint64_t first = page->iova > n->visit->next ? page->iova : n->visit->next;

	if (is_new_global(n, page))
		return 1;
	/* each step pays for itself, as those of stage 1 do; the next visit goes on here */
	for (uint64_t iova = first;; iova++) {
		struct translation t;

		if (n->visit->budget > 0) {
			n->visit->budget--;
		} else if (iova != first) {
			n->visit->next = iova;
			n->out_of_budget = true;
			return 1;
		}
		if (second(n, page, iova, &t) && folded(n, &t))
			return 1;
		iova |= bits_low(t.size_lg2);
		if (iova >= end || iova >= n->visit->last)
			return 0;
	}
}

static enum pt_visit_end visit_one(struct smmu *s, struct pt_visit *visit, const struct context *c)
{
	struct through t = { .smmu = s,
			     .visit = visit,
			     .context = c,
			     .seen_global = smmu_has_seen(s, SMMU_SEEN_GLOBAL),
			     .page = visit->page,
			     .opaque = visit->opaque };
	enum pt_visit_end end;

	visit->opaque = &t;
	visit->page = c->key.kind == SMMU_NESTED ? nested_page : fold_page;
	end = c->key.kind == SMMU_NESTED ? pt_arm64_s1_visit_on_s2(visit)
	      : c->key.kind == SMMU_S1	 ? pt_arm64_s1_visit(visit)
					 : pt_arm64_s2_visit(visit);
	visit->page = t.page;
	visit->opaque = t.opaque;
	return t.out_of_budget ? PT_VISIT_BUDGET : end;
}

/* What tables can have of [first, last], which is within them. */
static enum pt_visit_end visit_part(struct smmu *s, struct pt_visit *visit, const struct context *c,
				    const struct pt_config *config, uint64_t first, uint64_t last)
{
	uint64_t wanted = visit->last;
	enum pt_visit_end end;

	if (visit->next < first)
		visit->next = first;
	if (visit->next > last || visit->next > wanted || !config->page_lg2 ||
	    (config->flags & PT_ARM_E0PD && c->key.kind != SMMU_S2))
		return PT_VISIT_DONE;
	visit->walk.config = config;
	visit->last = wanted < last ? wanted : last;
	end = visit_one(s, visit, c);
	visit->last = wanted;
	return end;
}

enum pt_visit_end smmu_visit(struct viommu *u, const struct context *c, struct pt_visit *visit)
{
	enum pt_visit_end end;

	if (c->key.kind == SMMU_PASS)
		return visit_identity(smmu_of(u), visit);
	visit->walk.nested = &c->key.stage2;
	if (c->key.kind == SMMU_S2)
		return visit_part(smmu_of(u), visit, c, &c->key.stage2, 0,
				  bits_low(c->key.stage2.in_bits));
	end = visit_part(smmu_of(u), visit, c, &c->key.stage1, 0, bits_low(c->key.stage1.in_bits));
	if (end != PT_VISIT_DONE || visit->last <= bits_low(c->key.stage1.in_bits))
		return end;
	return visit_part(smmu_of(u), visit, c, &c->key.upper, ~bits_low(c->key.upper.in_bits),
			  UINT64_MAX);
}
