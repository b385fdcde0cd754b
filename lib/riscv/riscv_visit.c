/* SPDX-License-Identifier: BSD-3-Clause */
/* riscv_visit.c - every mapping of a context, in order: what requests without a trace would be answered. */

#include "pieces.h"
#include "pt_riscv.h"
#include "riscv_engine.h"

/* Pages of a visit on their way through the second stage, and with the permission that requests have. */
struct pages {
	struct pieces pieces; /* first */
	struct riscv *v;
	const struct context *context;
	int (*page)(void *opaque, const struct translation *page);
	void *opaque;
};

static enum pt_visit_end visit_identity(struct pt_visit *visit)
{
	struct translation found;

	for (;;) { /* two halves */
		if (visit->budget == 0)
			return PT_VISIT_BUDGET;
		visit->budget--;
		riscv_identity(&found, visit->next);
		if (visit->page(visit->opaque, &found))
			return PT_VISIT_STOPPED;
		visit->next |= bits_low(63);
		if (visit->next >= visit->last)
			return PT_VISIT_DONE;
		visit->next++;
	}
}

static int report(void *opaque, const struct translation *page)
{
	const struct pages *p = opaque;
	struct translation t = *page;

	t.perm = riscv_fold(p->context, t.perm);
	if (riscv_beyond(p->v, t.gpa) || !(t.perm & PERM_USER))
		return 0;
	return p->page(p->opaque, &t);
}

/* What is at an address of the guest's, and how much of it is alike. */
static struct translation below(const struct pieces *pieces, uint64_t gpa)
{
	const struct pages *p = (const struct pages *)pieces;
	struct query q = { .access = VIOMMU_READ, .quiet = true };
	struct mem_place place = MEM_NOWHERE;
	struct riscv_second s = {
		.context = p->context, .query = &q, .place = &place, .gpa = gpa, .quiet = true
	};

	if (riscv_second(p->v, &s) == RISCV_THERE)
		return s.found;
	return (struct translation){ .iova = gpa & ~bits_low(12), .size_lg2 = 12 };
}

/* With virtual interrupt files in the way of a second stage, pages are looked at piece by piece. */
static int page_second(void *opaque, const struct translation *page)
{
	struct pages *p = opaque;

	if (!(p->context->key.flags & RISCV_KEY_MSI))
		return report(p, page);
	return pieces_page(&p->pieces, &(struct translation){ .iova = page->iova,
							      .gpa = page->iova,
							      .size_lg2 = page->size_lg2,
							      .leaf_lg2 = page->leaf_lg2,
							      .perm = page->perm });
}

static enum pt_visit_end visit_tables(const struct pages *p)
{
	const struct domain_key *key = &p->context->key;
	struct pt_visit *visit = p->pieces.visit;
	visit_tables_fn *tables = key->kind == RISCV_NESTED ? pt_riscv_visit_above : pt_riscv_visit;
	enum pt_visit_end end;

	visit->walk.config = key->stage1.page_lg2 ? &key->stage1 : &key->stage2;
	visit->walk.nested = &key->stage2;
	if (key->stage1.page_lg2 && !(key->flags & RISCV_KEY_SXL))
		end = visit_canonical(visit, key->stage1.in_bits, tables);
	else
		end = visit_part(visit, 0, bits_low(visit->walk.config->in_bits), tables);
	return p->pieces.out_of_budget ? PT_VISIT_BUDGET : end;
}

enum pt_visit_end riscv_visit(struct viommu *u, const struct context *c, struct pt_visit *visit)
{
	struct pages p = { .pieces = { .visit = visit,
				       .config = &c->key.stage2,
				       .second = below,
				       .page = report,
				       .opaque = &p },
			   .v = riscv_of(u),
			   .context = c,
			   .page = visit->page,
			   .opaque = visit->opaque };
	enum pt_visit_end end;

	if (c->key.kind == RISCV_PASS)
		return visit_identity(visit);
	visit->page = c->key.kind == RISCV_NESTED   ? pieces_page
		      : c->key.kind == RISCV_SECOND ? page_second
						    : report;
	visit->opaque = &p;
	end = visit_tables(&p);
	visit->page = p.page;
	visit->opaque = p.opaque;
	return end;
}
