/* SPDX-License-Identifier: BSD-3-Clause */
/* smmuv3_visit.c - every mapping of a context, in order: what requests without a trace would be answered. */

#include "pieces.h"
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
	struct pieces pieces; /* of nested contexts */
	struct smmu *smmu;
	const struct context *context;
	int (*page)(void *opaque, const struct translation *page);
	void *opaque;
	bool seen_global; /* before anything was read */
	bool again;	  /* what is read next has been read too early */
};

/* The first global page is read again once that has been noted, as those of the caches are. */
static bool is_new_global(struct through *t, const struct translation *page)
{
	if (!page->global || t->seen_global)
		return false;
	smmu_note(t->smmu, SMMU_SEEN_GLOBAL);
	t->again = true;
	return true;
}

static int folded(void *opaque, const struct translation *page)
{
	const struct through *t = opaque;
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

static struct translation second(const struct pieces *p, uint64_t gpa)
{
	return pieces_walk(p, gpa, pt_arm64_s2_peek);
}

static int nested_page(void *opaque, const struct translation *page)
{
	struct through *t = opaque;

	return is_new_global(t, page) ? 1 : pieces_page(&t->pieces, page);
}

/* What tables can have of [first, last], which is within them. */
static enum pt_visit_end visit_half(struct pt_visit *visit, const struct context *c,
				    const struct pt_config *config, uint64_t first, uint64_t last)
{
	if (!config->page_lg2 || (config->flags & PT_ARM_E0PD && c->key.kind != SMMU_S2))
		return PT_VISIT_DONE;
	visit->walk.config = config;
	return visit_part(visit, first, last,
			  c->key.kind == SMMU_NESTED ? pt_arm64_s1_visit_on_s2
			  : c->key.kind == SMMU_S1   ? pt_arm64_s1_visit
						     : pt_arm64_s2_visit);
}

static enum pt_visit_end visit_tables(struct pt_visit *visit, const struct context *c)
{
	const struct domain_key *key = &c->key;
	enum pt_visit_end end;

	visit->walk.nested = &key->stage2;
	if (key->kind == SMMU_S2)
		return visit_half(visit, c, &key->stage2, 0, bits_low(key->stage2.in_bits));
	end = visit_half(visit, c, &key->stage1, 0, bits_low(key->stage1.in_bits));
	if (end != PT_VISIT_DONE || visit->last <= bits_low(key->stage1.in_bits))
		return end;
	return visit_half(visit, c, &key->upper, ~bits_low(key->upper.in_bits), UINT64_MAX);
}

enum pt_visit_end smmu_visit(struct viommu *u, const struct context *c, struct pt_visit *visit)
{
	struct through t = { .pieces = { .visit = visit,
					 .config = &c->key.stage2,
					 .second = second,
					 .page = folded,
					 .opaque = &t },
			     .smmu = smmu_of(u),
			     .context = c,
			     .seen_global = smmu_has_seen(smmu_of(u), SMMU_SEEN_GLOBAL),
			     .page = visit->page,
			     .opaque = visit->opaque };
	enum pt_visit_end end;

	if (c->key.kind == SMMU_PASS)
		return visit_identity(smmu_of(u), visit);
	visit->opaque = &t;
	visit->page = c->key.kind == SMMU_NESTED ? nested_page : fold_page;
	end = visit_tables(visit, c);
	visit->page = t.page;
	visit->opaque = t.opaque;
	return t.again || t.pieces.out_of_budget ? PT_VISIT_BUDGET : end;
}
