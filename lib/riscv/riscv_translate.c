/* SPDX-License-Identifier: BSD-3-Clause */
/* riscv_translate.c - one request, in the specification's order (2.3), as far as the caches did not answer. */

#include "pt_riscv.h"
#include "riscv_engine.h"

uint8_t riscv_fold(const struct context *c, unsigned perm)
{
	unsigned user = perm & 7;
	unsigned supervisor = perm >> 3 & 7;

	if (c->key.flags & RISCV_KEY_USER)
		supervisor = user;
	else if ((c->key.flags & RISCV_KEY_PROCESS) && !(c->key.flags & RISCV_KEY_ENS))
		supervisor = 0; /* is asked of us, and refused as a request */
	return (uint8_t)(user | supervisor << 3 | (perm & PERM_DIRTY));
}

/* The half of all addresses that has this one. */
void riscv_identity(struct translation *found, uint64_t iova)
{
	*found = (struct translation){ .iova = iova & ~bits_low(63),
				       .gpa = iova & ~bits_low(63),
				       .size_lg2 = 63,
				       .perm = (uint8_t)(PERM_ALL | PERM_DIRTY) };
}

/* ---- page tables ---- */

/* A request on its way through both stages. What it needs is one of PERM_*, and whether it writes. */
struct attempt {
	struct riscv *v;
	struct query *q;
	const struct context *c;
	uint8_t need;
	uint8_t dirty;
	bool quiet;
	struct mem_place *place;
	/* out */
	struct pt_walk *first; /* config NULL: there is no first stage */
	struct riscv_second *second;
	struct translation found;
	unsigned cause;
	uint64_t iotval2;
};

static enum riscv_end refuse(struct attempt *a, unsigned base, uint64_t iotval2)
{
	a->cause = riscv_cause(a->q, base);
	a->iotval2 = iotval2;
	return RISCV_REFUSED;
}

/* Canonical addresses, or of 32 bits. */
static bool fits_first(const struct context *c, uint64_t iova)
{
	if (c->key.flags & RISCV_KEY_SXL)
		return pt_fits(&c->key.stage1, iova);
	return riscv_is_canonical(c, iova);
}

static enum pt_end walk_first(const struct attempt *a, struct pt_walk *w)
{
	static enum pt_end (*const walks[2][3])(struct pt_walk *) = {
		{ pt_riscv_walk, pt_riscv_peek, pt_riscv_observe },
		{ pt_riscv_walk_above, pt_riscv_peek_above, pt_riscv_observe_above },
	};

	return walks[a->c->key.kind == RISCV_NESTED][a->q->observer ? 2 : a->quiet ? 1 : 0](w);
}

/* Why a first-stage walk refused. */
static enum riscv_end first_refused(struct attempt *a, enum pt_end end)
{
	const struct pt_walk *w = a->first;
	uint64_t implicit = RISCV_IOTVAL2_IMPLICIT;

	switch (end) {
	case PT_LOAD_FAILED:
	case PT_TOUCH_FAILED:
		return refuse(a, RISCV_FAULT_ACCESS_READ, 0);
	case PT_STAGE2_TABLE:
	case PT_STAGE2_TOUCH:
		if (w->stage2 == PT_LOAD_FAILED || w->stage2 == PT_TOUCH_FAILED)
			return refuse(a, RISCV_FAULT_ACCESS_READ, 0);
		if (end == PT_STAGE2_TOUCH)
			implicit |= RISCV_IOTVAL2_WRITE;
		return refuse(a, RISCV_FAULT_GUEST_READ, (w->entry & ~UINT64_C(3)) | implicit);
	default:
		return refuse(a, RISCV_FAULT_PAGE_READ, 0);
	}
}

static enum riscv_end first_stage(struct attempt *a)
{
	struct pt_walk *w = a->first;
	struct table_place start;
	enum pt_end end;

	if (!fits_first(a->c, a->q->iova))
		return refuse(a, RISCV_FAULT_PAGE_READ, 0);
	riscv_count(a->v, a->q, a->c, RISCV_EVENT_FIRST_WALK);
	*w = (struct pt_walk){ .vm = a->v->unit.vm,
			       .config = &a->c->key.stage1,
			       .nested = &a->c->key.stage2,
			       .iova = a->q->iova,
			       .need = a->need,
			       .dirty = a->dirty,
			       .place = a->place,
			       .observer = a->q->observer };
	if (!a->quiet && unit_table_find(&a->v->unit, a->q, w->config, &start))
		w->start = &start;
	end = walk_first(a, w);
	if (end != PT_OK && w->start) { /* upper levels may be others by now */
		w->start = NULL;
		end = walk_first(a, w);
	}
	if (end != PT_OK)
		return first_refused(a, end);
	a->found = w->found;
	return RISCV_THERE;
}

/* Two stages make one answer: the smaller block, and what both permit. */
static void combine(struct attempt *a, uint64_t gpa)
{
	const struct translation *below = &a->second->found;
	unsigned leaf = a->first->config ? a->found.leaf_lg2 : below->leaf_lg2;
	unsigned lg2 = a->found.size_lg2 < below->size_lg2 ? a->found.size_lg2 : below->size_lg2;

	a->found.iova = a->q->iova & ~bits_low(lg2);
	a->found.gpa = (below->gpa | (gpa & bits_low(below->size_lg2))) & ~bits_low(lg2);
	a->found.size_lg2 = (uint8_t)lg2;
	a->found.leaf_lg2 = (uint8_t)leaf;
	a->found.perm &= below->perm;
	if (a->c->key.flags & RISCV_KEY_GPA) /* the device asks again, with this */
		a->found.gpa = gpa & ~bits_low(lg2);
}

static enum riscv_end second_stage(struct attempt *a)
{
	uint64_t gpa = a->found.gpa | (a->q->iova & bits_low(a->found.size_lg2));
	enum riscv_end end;

	*a->second = (struct riscv_second){ .context = a->c,
					    .query = a->q,
					    .place = a->place,
					    .gpa = gpa,
					    .need = a->need,
					    .dirty = (uint8_t)(a->dirty & a->found.perm),
					    .quiet = a->quiet };
	end = riscv_second(a->v, a->second);
	if (end == RISCV_REFUSED) {
		a->cause = a->second->cause;
		a->iotval2 = a->second->iotval2;
	}
	if (end == RISCV_THERE)
		combine(a, gpa);
	return end;
}

/* What of a permission a completion grants: to execute only with reading, and only who asked for it. */
static unsigned granted(const struct query *q, unsigned perm)
{
	unsigned access = (riscv_privileged(q) ? perm >> 3 : perm) &
			  (VIOMMU_READ | VIOMMU_WRITE | VIOMMU_EXEC);

	if (!(q->access & VIOMMU_WRITE)) /* "no write" */
		access &= ~VIOMMU_WRITE;
	if (!(q->access & VIOMMU_EXEC) || !(access & VIOMMU_READ))
		access &= ~VIOMMU_EXEC;
	return access;
}

/* A translation request that the first stage grants nothing ends there: its page fault is a completion without
 * permissions, and the second stage is not asked (2.3.5). */
static bool denied_by_first(const struct attempt *a)
{
	return a->q->type == VIOMMU_AT_TRANSLATION &&
	       !granted(a->q, riscv_fold(a->c, a->found.perm));
}

static enum riscv_end both_stages(struct attempt *a)
{
	enum riscv_end end = RISCV_THERE;

	a->first->config = NULL;
	a->second->file = false;
	riscv_identity(&a->found, a->q->iova);
	if (a->c->key.stage1.page_lg2) {
		end = first_stage(a);
		if (end == RISCV_THERE && denied_by_first(a))
			return end;
	}
	if (end == RISCV_THERE && a->c->key.stage2.page_lg2)
		end = second_stage(a);
	if (end == RISCV_THERE && riscv_beyond(a->v, a->found.gpa))
		return refuse(a, RISCV_FAULT_ACCESS_READ, 0);
	return end;
}

/* PERM_* of what is asked: a fetch needs no read. */
static uint8_t need_of(const struct query *q, unsigned access)
{
	unsigned need = access & (VIOMMU_READ | VIOMMU_WRITE | VIOMMU_EXEC);

	return (uint8_t)(riscv_privileged(q) ? need << 3 : need);
}

static enum riscv_end attempt(struct attempt *a, unsigned access, bool quiet)
{
	a->need = need_of(a->q, access);
	a->dirty = need_of(a->q, access & VIOMMU_WRITE);
	a->quiet = quiet || a->q->quiet;
	return both_stages(a);
}

/* ---- translation requests (2.3.5) ---- */

static int complete(struct query *q)
{
	unsigned access = granted(q, q->found.perm);

	q->found.perm = (uint8_t)((q->found.perm & PERM_DIRTY) | access | access << 3);
	if (!access)
		q->found = (struct translation){ .iova = q->iova & ~bits_low(12), .size_lg2 = 12 };
	return VIOMMU_OK;
}

/* Denied permissions are no faults: first what there is, then, with its traces, what of it is granted. */
static enum riscv_end attempt_translation(struct attempt *a)
{
	enum riscv_end end = attempt(a, 0, true);
	unsigned access = 0;

	if (end != RISCV_REFUSED)
		access = granted(a->q,
				 end == RISCV_MRIF ? PERM_ALL : riscv_fold(a->c, a->found.perm));
	if (!access || end == RISCV_MRIF)
		return end;
	return attempt(a, access, false);
}

/* ---- in order ---- */

/* Keeps what was found with its traces; virtual interrupt files are looked up anew, since nobody names them when they
 * change. */
static void keep(struct attempt *a)
{
	struct query *q = a->q;
	const struct pt_walk *w = a->c->key.stage1.page_lg2 ? a->first : &a->second->walk;

	if (a->quiet) {
		unit_note_piece(&a->v->unit, &q->found);
		return;
	}
	if (a->second->file)
		q->cacheable = false;
	unit_fill(&a->v->unit, q);
	if (!a->second->file)
		unit_table_fill(&a->v->unit, q, w);
}

static int through_tables(struct riscv *v, struct query *q, const struct context *c)
{
	struct mem_place place = MEM_NOWHERE;
	struct riscv_second second;
	struct pt_walk first;
	struct attempt a = {
		.v = v, .q = q, .c = c, .place = &place, .first = &first, .second = &second
	};
	enum riscv_end end = q->type == VIOMMU_AT_TRANSLATION ? attempt_translation(&a)
							      : attempt(&a, q->access, false);

	if (end == RISCV_REFUSED)
		return riscv_fault(v, q, a.cause, a.iotval2);
	if (end == RISCV_MRIF) {
		q->cacheable = false;
		q->found = second.found;
		return VIOMMU_INTERRUPT;
	}
	q->found = a.found;
	q->found.perm = riscv_fold(c, a.found.perm);
	keep(&a);
	return q->type == VIOMMU_AT_TRANSLATION ? complete(q) : VIOMMU_OK;
}

/* Whether caches that nobody else asks have the answer: of translation requests, and while requests are counted. */
static bool known(struct riscv *v, struct query *q)
{
	unsigned access = q->access;

	if (q->type == VIOMMU_AT_TRANSLATED ||
	    (q->type == VIOMMU_AT_UNTRANSLATED &&
	     !atomic_load_explicit(&v->unit.counted, memory_order_relaxed)))
		return false;
	if (!riscv_privileged(q))
		access &= ~(unsigned)VIOMMU_PRIV;
	return unit_find(q, access);
}

int riscv_translate_in(struct riscv *v, struct query *q)
{
	const struct context *c = &q->entry->context;

	q->fpd = c->flags & RISCV_CONTEXT_DTF;
	if (riscv_privileged(q) &&
	    (c->key.flags & (RISCV_KEY_PROCESS | RISCV_KEY_ENS)) == RISCV_KEY_PROCESS)
		return riscv_fault(v, q, RISCV_FAULT_TYPE, 0);
	if (known(v, q))
		return q->type == VIOMMU_AT_TRANSLATION ? complete(q) : VIOMMU_OK;
	riscv_count(v, q, c, RISCV_EVENT_TLB_MISS);
	if (c->key.kind != RISCV_PASS)
		return through_tables(v, q, c);
	riscv_identity(&q->found, q->iova);
	q->found.perm = riscv_fold(c, q->found.perm);
	if (q->type != VIOMMU_AT_TRANSLATED && !q->quiet)
		unit_fill(&v->unit, q);
	return q->type == VIOMMU_AT_TRANSLATION ? complete(q) : VIOMMU_OK;
}

int riscv_translate(struct viommu *u, struct query *q)
{
	static const uint8_t events[] = { RISCV_EVENT_UNTRANSLATED, RISCV_EVENT_ATS,
					  RISCV_EVENT_TRANSLATED };
	struct riscv *v = riscv_of(u);

	riscv_count(v, q, NULL, events[q->type]);
	if (unit_context(u, q))
		return riscv_fault(v, q, q->reason, q->found.gpa);
	return riscv_translate_in(v, q);
}
