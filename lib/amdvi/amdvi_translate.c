/* SPDX-License-Identifier: BSD-3-Clause */
/* amdvi_translate.c - one request, in the order of the specification (2.2.2 to 2.2.6), as far as the caches did not
 * answer. */

#include "amdvi_engine.h"
#include "pt_amd_v1.h"
#include "pt_x86.h"

/* ---- addresses that are not translated by tables ---- */

bool amdvi_exclusion(const struct amdvi *v, uint64_t *first, uint64_t *last)
{
	uint64_t base = regs_get(&v->regs, AMD_EXCL_BASE);

	*first = base & AMD_EXCL_ADDR;
	*last = regs_get(&v->regs, AMD_EXCL_LIMIT) | bits_low(12);
	return (base & AMD_EXCL_EN) && *first <= *last;
}

void amdvi_cut(const struct amdvi *v, const struct context *c, struct query *q)
{
	uint64_t first, last;

	translation_avoid(&q->found, q->iova, false, AMD_WINDOW_FIRST, AMD_WINDOW_LAST);
	if (amdvi_has_ht(v))
		translation_avoid(&q->found, q->iova, false, AMD_HT_FIRST, AMD_HT_LAST);
	if (!(c->key.flags & AMDVI_KEY_EXCLUDED) || !amdvi_exclusion(v, &first, &last))
		return;
	if (q->iova < first || q->iova > last) {
		translation_avoid(&q->found, q->iova, false, first, last);
		return;
	}
	if (first)
		translation_avoid(&q->found, q->iova, false, 0, first - 1);
	if (last != UINT64_MAX)
		translation_avoid(&q->found, q->iova, false, last + 1, UINT64_MAX);
}

/* Translation is off: everything is forwarded. */
static int untranslated(struct amdvi *v, struct query *q)
{
	q->cacheable = false;
	if (q->type == VIOMMU_AT_TRANSLATION)
		return amdvi_fault(v, q, AMDVI_R_NONE, 0);
	if (amdvi_in_window(q->iova) && q->type == VIOMMU_AT_UNTRANSLATED &&
	    (q->access & VIOMMU_WRITE))
		return VIOMMU_INTERRUPT;
	amdvi_identity(q, PERM_ALL | PERM_DIRTY);
	if (!amdvi_in_window(q->iova))
		translation_avoid(&q->found, q->iova, false, AMD_WINDOW_FIRST, AMD_WINDOW_LAST);
	else
		translation_shrink(&q->found, q->iova, 12);
	return VIOMMU_OK;
}

/* ---- permissions ---- */

uint8_t amdvi_denied(const struct context *c)
{
	unsigned denied = (c->key.flags & AMDVI_KEY_IR ? 0U : VIOMMU_READ | VIOMMU_EXEC) |
			  (c->key.flags & AMDVI_KEY_IW ? 0U : VIOMMU_WRITE);

	return (uint8_t)(denied | denied << 3);
}

uint8_t amdvi_fold(const struct context *c, unsigned perm)
{
	unsigned user = perm & 7;
	unsigned supervisor = perm >> 3 & 7;

	if (c->key.flags & AMDVI_KEY_USER)
		supervisor = user;
	if (!(c->key.flags & AMDVI_KEY_EXECUTE)) {
		user = (user & ~VIOMMU_EXEC) | (user & VIOMMU_READ ? VIOMMU_EXEC : 0);
		supervisor =
			(supervisor & ~VIOMMU_EXEC) | (supervisor & VIOMMU_READ ? VIOMMU_EXEC : 0);
	}
	if (!(user & VIOMMU_READ)) /* a fetch is a read */
		user &= ~VIOMMU_EXEC;
	if (!(supervisor & VIOMMU_READ))
		supervisor &= ~VIOMMU_EXEC;
	return (uint8_t)(user | supervisor << 3 | (perm & PERM_DIRTY));
}

/* What a translation request is answered (2.1.3): as much as there is, writing only if it may be wanted. */
static void grant_translation(struct query *q)
{
	unsigned none = q->access & VIOMMU_WRITE ? 0U : VIOMMU_WRITE;

	q->found.perm &= (uint8_t) ~(none | none << 3);
	if (!access_granted(q->found.perm, q->access))
		q->found = (struct translation){ .iova = q->iova & ~bits_low(12), .size_lg2 = 12 };
}

/* An answer: cut to what holds for every address of it, and kept. */
static int arrived(struct amdvi *v, struct query *q, const struct context *c,
		   const struct pt_walk *w)
{
	amdvi_cut(v, c, q);
	if (amdvi_in_ht(v, q->iova))
		q->cacheable = false; /* others of the domain may not be let there */
	if (q->type != VIOMMU_AT_TRANSLATED)
		unit_fill(&v->unit, q);
	if (w)
		unit_table_fill(&v->unit, q, w);
	if (q->type == VIOMMU_AT_TRANSLATION)
		grant_translation(q);
	return VIOMMU_OK;
}

static int pass(struct amdvi *v, struct query *q, const struct context *c, bool all)
{
	unsigned perm = (PERM_ALL | PERM_DIRTY) & ~(all ? 0U : (unsigned)amdvi_denied(c));
	unsigned need = access_need(amdvi_access(c, q->access));

	if (q->type != VIOMMU_AT_TRANSLATION && (perm & need) != need)
		return amdvi_fault(v, q, AMDVI_R_DTE_PERM, 0);
	amdvi_identity(q, perm);
	return arrived(v, q, c, NULL);
}

/* ---- page tables ---- */

static unsigned host_reason(enum pt_end end)
{
	switch (end) {
	case PT_TOO_WIDE:
		return AMDVI_R_V1_WIDTH;
	case PT_LOAD_FAILED:
		return AMDVI_R_V1_FETCH;
	case PT_NOT_PRESENT:
		return AMDVI_R_V1_ABSENT;
	case PT_DENIED:
		return AMDVI_R_V1_PERM;
	case PT_BAD_LEVEL:
		return AMDVI_R_V1_LEVEL;
	case PT_BAD_ENTRY:
		return AMDVI_R_V1_RSVD;
	default:
		return AMDVI_R_V1_UPDATE;
	}
}

/* Reasons of host tables below guest tables are in the same order. */
static unsigned nested_reason(enum pt_end end)
{
	static const uint8_t below[] = {
		[AMDVI_R_V1_WIDTH] = AMDVI_R_NEST_WIDTH,   [AMDVI_R_V1_FETCH] = AMDVI_R_NEST_FETCH,
		[AMDVI_R_V1_ABSENT] = AMDVI_R_NEST_ABSENT, [AMDVI_R_V1_PERM] = AMDVI_R_NEST_PERM,
		[AMDVI_R_V1_LEVEL] = AMDVI_R_NEST_LEVEL,   [AMDVI_R_V1_RSVD] = AMDVI_R_NEST_RSVD,
		[AMDVI_R_V1_UPDATE] = AMDVI_R_NEST_UPDATE
	};

	return below[host_reason(end)];
}

static unsigned guest_reason(const struct pt_walk *w, enum pt_end end)
{
	switch (end) {
	case PT_LOAD_FAILED:
		return AMDVI_R_V2_FETCH;
	case PT_NOT_PRESENT:
		return AMDVI_R_V2_ABSENT;
	case PT_DENIED:
		return AMDVI_R_V2_PERM;
	case PT_BAD_ENTRY:
	case PT_BAD_LEVEL:
		return AMDVI_R_V2_RSVD;
	case PT_STAGE2_TABLE:
	case PT_STAGE2_TOUCH:
	case PT_STAGE2_RESULT:
		return nested_reason((enum pt_end)w->stage2);
	default:
		return AMDVI_R_V2_UPDATE;
	}
}

/* Three ways of the same walk: with its traces, without, and watched. */
static enum pt_end walk(const struct context *c, const struct query *q, struct pt_walk *w)
{
	static enum pt_end (*const walks[3][3])(struct pt_walk *) = {
		{ pt_amd_v1_walk, pt_amd_v1_peek, pt_amd_v1_observe },
		{ pt_x86_walk, pt_x86_peek, pt_x86_observe },
		{ pt_x86_walk_on_amd_v1, pt_x86_peek_on_amd_v1, pt_x86_observe_on_amd_v1 },
	};
	unsigned kind = c->key.kind == AMDVI_V1 ? 0 : c->key.kind == AMDVI_V2 ? 1 : 2;
	unsigned way = !q->quiet ? 0 : q->observer ? 2 : 1;

	return walks[kind][way](w);
}

static bool is_canonical(const struct pt_config *tables, uint64_t iova)
{
	unsigned unused = 64 - tables->in_bits;

	return (uint64_t)((int64_t)(iova << unused) >> unused) == iova;
}

/* What a walk is asked for. A translation request asks for whatever there is. */
static void set_need(struct pt_walk *w, const struct query *q, unsigned access)
{
	unsigned shift = access & VIOMMU_PRIV ? 3 : 0;

	w->dirty = (uint8_t)((access & VIOMMU_WRITE) << shift);
	if (q->type != VIOMMU_AT_TRANSLATION)
		w->need = (uint8_t)access_need(access);
	else
		w->any = (uint8_t)((VIOMMU_READ | (access & VIOMMU_WRITE)) << shift);
}

/* Reasons that need no walk. 0: none */
static unsigned early_reason(const struct context *c, const struct query *q,
			     const struct pt_walk *w)
{
	bool v1 = c->key.kind == AMDVI_V1;

	if (w->need & w->deny)
		return AMDVI_R_DTE_PERM;
	if (v1)
		return pt_fits(w->config, q->iova) ? 0 : AMDVI_R_V1_WIDTH;
	return is_canonical(w->config, q->iova) ? 0 : AMDVI_R_CANONICAL;
}

static int through_tables(struct amdvi *v, struct query *q, const struct context *c)
{
	bool v1 = c->key.kind == AMDVI_V1;
	struct pt_walk w = { .vm = v->unit.vm,
			     .config = v1 ? &c->key.stage2 : &c->key.stage1,
			     .nested = &c->key.stage2,
			     .iova = q->iova,
			     .deny = amdvi_denied(c),
			     .observer = q->observer };
	struct mem_place place = MEM_NOWHERE;
	struct table_place start;
	unsigned reason;
	enum pt_end end;

	set_need(&w, q, amdvi_access(c, q->access));
	reason = early_reason(c, q, &w);
	if (reason)
		return amdvi_fault(v, q, reason, 0);
	w.place = &place;
	if (unit_table_find(&v->unit, q, w.config, &start))
		w.start = &start;
	end = walk(c, q, &w);
	if (end != PT_OK && w.start) { /* upper levels may permit more by now */
		w.start = NULL;
		w.found = (struct translation){ .perm = 0 };
		end = walk(c, q, &w);
	}
	if (end != PT_OK)
		return amdvi_fault(v, q, v1 ? host_reason(end) : guest_reason(&w, end), w.at);
	q->found = w.found;
	q->found.perm = amdvi_fold(c, w.found.perm);
	return arrived(v, q, c, &w);
}

/* ---- one request ---- */

static bool is_excluded(const struct amdvi *v, const struct context *c, uint64_t iova)
{
	uint64_t first, last;

	return (c->key.flags & AMDVI_KEY_EXCLUDED) && amdvi_exclusion(v, &first, &last) &&
	       iova >= first && iova <= last;
}

/* 2.1.3: who may ask for translations at all. */
static bool may_ask(const struct context *c, const struct query *q, int result)
{
	bool valid = result == VIOMMU_OK ? (c->key.kind != AMDVI_BLOCKED) : q->reason != AMDVI_R_TV;

	/* what keeps the entry from being read has its own event */
	if (result && !(c->flags & AMDVI_CONTEXT_V))
		return true;
	return valid && (c->flags & AMDVI_CONTEXT_I);
}

int amdvi_translate(struct viommu *u, struct query *q)
{
	struct amdvi *v = amdvi_of(u);
	const struct context *c = &q->entry->context;
	int result;

	if (!(amdvi_control(v) & AMD_CTRL_IOMMU_EN))
		return untranslated(v, q);
	if (UNLIKELY(amdvi_in_window(q->iova) || amdvi_in_ht(v, q->iova)) &&
	    amdvi_special(v, q, &result))
		return result;
	result = unit_context(u, q);
	if (q->type == VIOMMU_AT_TRANSLATION && !may_ask(c, q, result))
		return amdvi_fault(v, q, AMDVI_R_INVALID_TR, 0);
	if (result)
		return amdvi_fault(v, q, q->reason, q->found.gpa);
	if (q->type == VIOMMU_AT_TRANSLATION && unit_find(q, q->access)) {
		grant_translation(q);
		return VIOMMU_OK;
	}
	if (UNLIKELY(is_excluded(v, c, q->iova)))
		return pass(v, q, c, true);
	switch (c->key.kind) {
	case AMDVI_PASS:
		return pass(v, q, c, false);
	case AMDVI_BLOCKED:
		return amdvi_fault(v, q, (unsigned)bits_get(c->flags, AMDVI_CONTEXT_REASON),
				   c->key.stage1.root);
	default:
		return through_tables(v, q, c);
	}
}
