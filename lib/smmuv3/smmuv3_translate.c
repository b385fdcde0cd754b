/* SPDX-License-Identifier: BSD-3-Clause */
/* smmuv3_translate.c - one request, in the manual's order (3.3, 7.3.22, 13.6), as far as the caches did not answer. */

#include "pt_arm64.h"
#include "smmuv3_access.h"
#include "smmuv3_engine.h"

/* ---- addresses that are not translated by tables ---- */

void smmu_identity(const struct smmu *s, struct query *q)
{
	q->found = (struct translation){ .iova = q->iova & ~bits_low(s->oas),
					 .gpa = q->iova & ~bits_low(s->oas),
					 .size_lg2 = (uint8_t)s->oas,
					 .perm = (uint8_t)(PERM_ALL | PERM_DIRTY) };
}

/* 3.4: an address beyond what stage 1 could have given out, where it is passed by. */
static int too_wide(struct query *q)
{
	return smmu_fail(q, F_ADDR_SIZE, bits_put(EVENT1_CLASS, CLASS_IN) | SMMU_FAIL_ABORT, 0);
}

/* 6.3.9, SMMUEN = 0: addresses beyond the output size are aborted without a record. */
static int untranslated(struct smmu *s, struct query *q)
{
	q->cacheable = false;
	q->entry->domain = NULL;
	q->entry->context = (struct context){ .flags = 0 };
	if (smmu_parse_off(s, q, &q->entry->context))
		return smmu_fault(s, q);
	if (smmu_above_oas(s, q->iova)) {
		smmu_fail(q, 0, SMMU_FAIL_SILENT, 0);
		return smmu_fault(s, q);
	}
	smmu_identity(s, q);
	return VIOMMU_OK;
}

/* ---- permissions ---- */

uint8_t smmu_fold(const struct context *c, unsigned perm)
{
	return smmu_folded(c, perm);
}

/* ---- translation requests (3.9.1, 13.6.3) ---- */

/* The access whose traces a translation request leaves, and which of R and W it is asked for. */
static void set_need(struct pt_walk *w, const struct query *q, unsigned access)
{
	unsigned shift = access & VIOMMU_PRIV ? 3 : 0;

	if (q->type != VIOMMU_AT_TRANSLATION) {
		w->need = (uint8_t)smmu_needed(access);
		w->dirty = (uint8_t)((access & VIOMMU_WRITE) << shift);
		return;
	}
	w->any = (uint8_t)((VIOMMU_READ | VIOMMU_WRITE | VIOMMU_EXEC) << shift);
	w->dirty = (uint8_t)((q->access & VIOMMU_WRITE) << shift);
}

/* Without NW a page that is writable and clean has been made dirty; with it, it stays clean and is not granted. */
static void grant_translation(struct query *q, unsigned access)
{
	unsigned perm = q->found.perm;
	unsigned granted = (access & VIOMMU_PRIV ? perm >> 3 : perm) & 7;

	if (!(granted & VIOMMU_READ) || q->pasid == VIOMMU_NO_PASID || !(q->access & VIOMMU_EXEC))
		granted &= ~VIOMMU_EXEC;
	if (!(perm & PERM_DIRTY))
		granted &= ~VIOMMU_WRITE;
	q->found.perm = (uint8_t)(granted | granted << 3 | (perm & PERM_DIRTY));
	if (!granted)
		q->found = (struct translation){ .iova = q->iova & ~bits_low(12), .size_lg2 = 12 };
}

static int arrived(struct smmu *s, struct query *q, unsigned access)
{
	if (q->type != VIOMMU_AT_TRANSLATED || !(q->entry->context.flags & SMMU_CONTEXT_PASS))
		unit_fill(&s->unit, q);
	if (q->type == VIOMMU_AT_TRANSLATION)
		grant_translation(q, access);
	return VIOMMU_OK;
}

/* ---- page tables ---- */

/* Three ways of the same walk: with its traces, without, and watched. */
static enum pt_end walk(const struct context *c, const struct query *q, struct pt_walk *w)
{
	static enum pt_end (*const walks[3][3])(struct pt_walk *) = {
		{ pt_arm64_s1_walk, pt_arm64_s1_peek, pt_arm64_s1_observe },
		{ pt_arm64_s2_walk, pt_arm64_s2_peek, pt_arm64_s2_observe },
		{ pt_arm64_s1_walk_on_s2, pt_arm64_s1_peek_on_s2, pt_arm64_s1_observe_on_s2 },
	};
	unsigned kind = c->key.kind == SMMU_S1 ? 0 : c->key.kind == SMMU_S2 ? 1 : 2;
	unsigned way = !q->quiet ? 0 : q->observer ? 2 : 1;

	return walks[kind][way](w);
}

/* 7.3.22: the event of a walk that ended so. */
static unsigned event_of(enum pt_end end)
{
	switch (end) {
	case PT_BAD_ENTRY:
	case PT_BAD_LEVEL:
		return F_ADDR_SIZE;
	case PT_NOT_ACCESSED:
		return F_ACCESS;
	case PT_DENIED:
		return F_PERMISSION;
	case PT_LOAD_FAILED:
	case PT_TOUCH_FAILED:
		return F_WALK_EABT;
	default:
		return F_TRANSLATION;
	}
}

/* A fault of stage 2 while it translated something for stage 1: a table (CLASS TT), or what stage 1 gave (IN). */
static int stage2_fault(struct query *q, const struct pt_walk *w, enum pt_end end)
{
	bool table = end != PT_STAGE2_RESULT;
	unsigned event = event_of(w->stage2);
	uint64_t ipa = table ? w->entry : w->found.gpa | (w->iova & bits_low(w->found.size_lg2));
	uint64_t bits = EVENT1_S2 | bits_put(EVENT1_CLASS, table ? CLASS_TT : CLASS_IN);

	if (event == F_WALK_EABT)
		return smmu_fail(q, event, bits | SMMU_FAIL_TREQ, w->at & EVENT3_FETCH);
	if (event == F_PERMISSION && end == PT_STAGE2_TABLE)
		bits |= EVENT1_TTRNW;
	return smmu_fail(q, event, bits, ipa & EVENT3_IPA);
}

static int refused(struct query *q, const struct context *c, const struct pt_walk *w,
		   enum pt_end end)
{
	bool s2 = c->key.kind == SMMU_S2;
	unsigned event = event_of(end);
	uint64_t bits = s2 ? EVENT1_S2 : 0;

	if (end == PT_STAGE2_TABLE || end == PT_STAGE2_TOUCH || end == PT_STAGE2_RESULT)
		return stage2_fault(q, w, end);
	if (event ==
	    F_WALK_EABT) /* of stage 1 CLASS is TT, of stage 2 alone it is that of its input */
		return smmu_fail(q, event,
				 bits | SMMU_FAIL_TREQ |
					 bits_put(EVENT1_CLASS, s2 ? CLASS_IN : CLASS_TT),
				 w->at & EVENT3_FETCH);
	return smmu_fail(q, event, bits | bits_put(EVENT1_CLASS, CLASS_IN),
			 s2 ? w->iova & EVENT3_IPA : 0);
}

static int see(void *opaque, const struct translation *page)
{
	*(struct translation *)opaque = *page;
	return 1;
}

/* 13.6.3, EATS 2: the answer is the intermediate address, as far as both stages go. Stage 1 once more, by itself. */
static int split(struct smmu *s, struct query *q, const struct context *c, uint64_t iova)
{
	struct translation first = { .size_lg2 = 0 };
	struct pt_visit v = { .walk = { .vm = s->unit.vm,
					.config = domain_tables(&c->key, iova),
					.nested = &c->key.stage2 },
			      .next = iova,
			      .last = iova,
			      .budget = PT_LEVELS,
			      .page = see,
			      .opaque = &first };

	pt_arm64_s1_visit_on_s2(&v);
	if (first.size_lg2 < q->found.size_lg2) /* it has just changed */
		return smmu_fail(q, F_TRANSLATION, bits_put(EVENT1_CLASS, CLASS_IN), 0);
	q->found.gpa =
		(first.gpa | (iova & bits_low(first.size_lg2))) & ~bits_low(q->found.size_lg2);
	return VIOMMU_OK;
}

/* Whether the address is one that the first of the walks can take. */
static bool address_fits(const struct smmu *s, struct query *q, const struct context *c,
			 uint64_t iova)
{
	if (c->key.kind != SMMU_S2)
		return domain_fits(&c->key, iova);
	if (smmu_above_oas(s, iova)) {
		too_wide(q);
		return false;
	}
	return pt_fits(&c->key.stage2, iova);
}

int smmu_walk(struct smmu *s, struct query *q, const struct context *c, unsigned access)
{
	uint64_t iova = domain_canonical(&c->key, q->iova);
	struct mem_place place = MEM_NOWHERE;
	struct table_place start;
	struct pt_walk w = { .vm = s->unit.vm,
			     .config = domain_tables(&c->key, iova),
			     .nested = &c->key.stage2,
			     .iova = iova,
			     .observer = q->observer,
			     .place = &place };
	bool seen = smmu_has_seen(s, SMMU_SEEN_GLOBAL); /* by now: others may note it, too */
	enum pt_end end = PT_TOO_WIDE;

	q->reason = 0;
	set_need(&w, q, access);
	if (address_fits(s, q, c, iova)) {
		if (w.config->page_lg2 && unit_table_find(&s->unit, q, w.config, &start))
			w.start = &start;
		end = walk(c, q, &w);
		if (end != PT_OK && w.start) { /* upper levels may permit more by now */
			w.start = NULL;
			end = walk(c, q, &w);
		}
	}
	if (end != PT_OK)
		return q->reason ? VIOMMU_FAULT : refused(q, c, &w, end);
	/* the first one is read again once it has been noted: invalidations of before were told to its ASID only */
	if (UNLIKELY(w.found.global && !seen && !q->observer)) {
		smmu_note(s, SMMU_SEEN_GLOBAL);
		return smmu_walk(s, q, c, access);
	}
	q->found = w.found;
	q->found.perm = smmu_fold(c, w.found.perm);
	if (c->key.flags & SMMU_KEY_SPLIT)
		return split(s, q, c, iova);
	unit_table_fill(&s->unit, q, &w);
	return VIOMMU_OK;
}

/* ---- a request ---- */

static int pass(struct smmu *s, struct query *q, const struct context *c, unsigned access)
{
	if (smmu_above_oas(s, q->iova)) {
		if (c->flags & SMMU_CONTEXT_PASS)
			smmu_fail(q, 0, SMMU_FAIL_SILENT, 0);
		else
			too_wide(q);
		return smmu_fault(s, q);
	}
	smmu_identity(s, q);
	return arrived(s, q, access);
}

/* What the caches have, but were not asked for as it was asked: an address with bits that are ignored, a translation
 * request, a translated one that stage 2 translates. */
static bool cached(struct query *q, const struct context *c, unsigned access)
{
	bool ignored = domain_canonical(&c->key, q->iova) != q->iova;

	if (q->type == VIOMMU_AT_UNTRANSLATED ? !ignored : q->type == VIOMMU_AT_TRANSLATION)
		return false; /* what a translation request is granted is asked of the tables */
	return unit_find(q, access);
}

int smmu_translate(struct viommu *u, struct query *q)
{
	struct smmu *s = smmu_of(u);
	const struct context *c = &q->entry->context;
	unsigned access;

	if (!(smmu_control(s) & CR0_SMMUEN))
		return untranslated(s, q);
	if (unit_context(u, q))
		return smmu_fault(s, q);
	access = smmu_effective(c->flags, q->access);
	if (cached(q, c, q->access))
		return VIOMMU_OK;
	if (c->key.kind == SMMU_PASS)
		return pass(s, q, c, access);
	if (smmu_walk(s, q, c, access))
		return smmu_fault(s, q);
	return arrived(s, q, access);
}
