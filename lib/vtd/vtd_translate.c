/* SPDX-License-Identifier: BSD-3-Clause */
/* vtd_translate.c - one request, in the manual's order (3.6 to 3.8, 3.14, 4.2), as far as the
 * caches did not answer. */

#include "fill.h"
#include "pt_vtd_ss.h"
#include "pt_x86.h"
#include "range.h"
#include "vtd_access.h"
#include "vtd_engine.h"

static unsigned by_mode(const struct context *c, unsigned legacy, unsigned scalable)
{
	return c->key.flags & VTD_KEY_LEGACY ? legacy : scalable;
}

/* ---- protected memory (11.4.8) ---- */

/* Limits name the last 2 MiB block of the region. */
#define PMR_GRANULE_LG2 21U

static bool region_open(struct query *q, uint64_t base, uint64_t limit)
{
	limit |= bits_low(PMR_GRANULE_LG2);
	return base > limit || translation_avoid(&q->found, q->iova, true, base, limit);
}

/* Cuts q->found so that it touches no protected region; false if the address itself does. */
bool vtd_outside_protected(struct vtd *v, struct query *q)
{
	if (!vtd_protects(v))
		return true;
	if ((v->cap & VTD_CAP_PLMR) &&
	    !region_open(q, regs_get(&v->regs, VTD_PLMBASE), regs_get(&v->regs, VTD_PLMLIMIT)))
		return false;
	return !(v->cap & VTD_CAP_PHMR) ||
	       region_open(q, regs_get(&v->regs, VTD_PHMBASE), regs_get(&v->regs, VTD_PHMLIMIT));
}

/* From major version 2 on every DMA is checked; before, only what is not translated by page tables.
 */
bool vtd_checks_all(const struct vtd *v)
{
	return v->version >> 4 >= 2;
}

/* ---- translation requests (4.2.3) ---- */

/* Whether a translation request may be granted write: NW is the absence of VIOMMU_WRITE (4.2.3). */
static bool wants_write(const struct vtd *v, const struct query *q)
{
	return (q->access & VIOMMU_WRITE) || !(v->ecap & VTD_ECAP_NWFS);
}

/* A completion never grants execution, nor writing to those who said they will not (4.2.3). */
static void grant_translation(const struct vtd *v, struct query *q)
{
	unsigned none = VIOMMU_EXEC | (wants_write(v, q) ? 0 : VIOMMU_WRITE);

	q->found.perm &= (uint8_t) ~(none | none << 3);
	if (!access_granted(q->found.perm, q->access))
		q->found = (struct translation){ .iova = q->iova & ~bits_low(12), .size_lg2 = 12 };
}

/* ---- addresses that are not translated by tables ---- */

/* The largest block around the address, not yet cut: the whole space of @bits bits. */
void vtd_identity(struct query *q, unsigned bits)
{
	q->found = (struct translation){ .iova = q->iova, .gpa = q->iova, .size_lg2 = 0 };
	q->found.iova &= ~bits_low(bits);
	q->found.gpa = q->found.iova;
	q->found.size_lg2 = (uint8_t)bits;
	q->found.perm = (uint8_t)(PERM_ALL | PERM_DIRTY);
}

/* Remapping is off. */
static int untranslated(struct vtd *v, struct query *q)
{
	if (q->type == VIOMMU_AT_TRANSLATION)
		return vtd_fault(v, q, 0);
	q->cacheable = false;
	vtd_identity(q, 63);
	if (!translation_avoid(&q->found, q->iova, false, VTD_WINDOW_FIRST, VTD_WINDOW_LAST) ||
	    !vtd_outside_protected(v, q))
		return vtd_fault(v, q, 0);
	return VIOMMU_OK;
}

/* Pass-through, and addresses that a device has translated before. */
static int pass(struct vtd *v, struct query *q, const struct context *c)
{
	if (vtd_above_haw(v, q->iova))
		return vtd_fault(v, q, by_mode(c, VTD_FR_WIDTH, VTD_FR_HOST_WIDTH));
	vtd_identity(q, v->haw);
	if (!translation_avoid(&q->found, q->iova, true, VTD_WINDOW_FIRST, VTD_WINDOW_LAST))
		return vtd_fault(v, q, by_mode(c, VTD_FR_WINDOW, VTD_FR_SM_WINDOW));
	if (!vtd_outside_protected(v, q))
		return vtd_fault(v, q, 0);
	if (q->type != VIOMMU_AT_TRANSLATED)
		unit_fill(&v->unit, q);
	if (q->type == VIOMMU_AT_TRANSLATION)
		grant_translation(v, q);
	return VIOMMU_OK;
}

/* ---- page tables ---- */

/* The permission of the tables, as requests of this context have it: users in the low bits,
 * supervisors above. */
uint8_t vtd_fold(const struct context *c, unsigned perm)
{
	const unsigned read = VIOMMU_READ | VIOMMU_READ << 3;
	const unsigned fetch = read << 2; /* VIOMMU_EXEC, of both */
	unsigned both = perm & (unsigned)PERM_ALL;
	uint32_t flags = c->key.flags;

	if (flags & VTD_KEY_SUPERVISOR)
		both = (both & (unsigned)PERM_SUPERVISOR) |
		       (flags & VTD_KEY_NO_SUPERVISOR ? 0 : both >> 3);
	if (flags & VTD_KEY_USER)
		both = (both & (unsigned)PERM_USER) | (both & (unsigned)PERM_USER) << 3;
	if (!(flags & VTD_KEY_EXECUTE))
		both = (both & ~fetch) | (both & read) << 2;
	if (flags & VTD_KEY_NO_EXECUTE)
		both &= ~fetch;
	both &= ~fetch | (both & read) << 2; /* a fetch is a read */
	if ((flags & VTD_KEY_NO_SUPERVISOR) && !(flags & VTD_KEY_USER))
		both &= (unsigned)PERM_USER;
	return (uint8_t)(both | (perm & PERM_DIRTY));
}

/* 3.7, 9.8: why a second-stage walk refused. @perm: what is permitted, if the walk came to a page
 */
static unsigned second_stage_reason(const struct context *c, enum pt_end end, bool top,
				    unsigned perm, unsigned access)
{
	unsigned denied = access & VIOMMU_WRITE && !(perm & VIOMMU_WRITE)
				  ? by_mode(c, VTD_FR_WRITE, VTD_FR_SM_WRITE)
				  : by_mode(c, VTD_FR_READ, VTD_FR_SM_READ);

	switch (end) {
	case PT_TOO_WIDE:
		return by_mode(c, VTD_FR_WIDTH, VTD_FR_SS_WIDTH);
	case PT_NOT_PRESENT:
		return by_mode(c, denied, VTD_FR_SSS_ABSENT);
	case PT_DENIED:
		return perm & (VIOMMU_READ | VIOMMU_WRITE) ? denied
							   : by_mode(c, denied, VTD_FR_SSS_ABSENT);
	case PT_BAD_ENTRY:
	case PT_BAD_LEVEL:
		return by_mode(c, VTD_FR_SS_RSVD, VTD_FR_SSS_RSVD);
	case PT_LOAD_FAILED:
		return top ? by_mode(c, VTD_FR_CONTEXT_INVALID, VTD_FR_SSS_ROOT_FETCH)
			   : by_mode(c, VTD_FR_SS_FETCH, VTD_FR_SSS_FETCH);
	case PT_UNSNOOPED:
		return VTD_FR_SSS_NO_SNOOP;
	default:
		return VTD_FR_SSS_UPDATE;
	}
}

/* 3.8: the second stage refused a table of the first, or the recording of accessed and dirty in it.
 */
static unsigned nested_reason(const struct context *c, const struct pt_walk *w, enum pt_end end)
{
	bool update = end == PT_STAGE2_TOUCH;
	unsigned access = update ? VIOMMU_READ | VIOMMU_WRITE : VIOMMU_READ;

	if (w->stage2 == PT_TOO_WIDE)
		return VTD_FR_NEST_WIDTH;
	if (w->stage2 == PT_DENIED && (w->stage2_perm & (VIOMMU_READ | VIOMMU_WRITE))) {
		if (update && (w->stage2_perm & VIOMMU_READ))
			return VTD_FR_NEST_WRITE;
		return w->level == c->key.stage1.top ? VTD_FR_NEST_ROOT_READ : VTD_FR_NEST_READ;
	}
	return second_stage_reason(c, w->stage2, w->stage2_level == c->key.stage2.top,
				   w->stage2_perm, access);
}

/* 3.6: why a first-stage walk refused. */
static unsigned first_stage_reason(const struct context *c, const struct pt_walk *w,
				   enum pt_end end, unsigned access)
{
	unsigned perm = access_granted(w->found.perm, access);

	switch (end) {
	case PT_NOT_PRESENT:
		return VTD_FR_FS_ABSENT;
	case PT_BAD_ENTRY:
	case PT_BAD_LEVEL:
		return VTD_FR_FS_RSVD;
	case PT_LOAD_FAILED:
		return w->level == c->key.stage1.top ? VTD_FR_FS_ROOT_FETCH : VTD_FR_FS_FETCH;
	case PT_UNSNOOPED:
		return VTD_FR_FS_NO_SNOOP;
	case PT_STAGE2_TABLE:
	case PT_STAGE2_TOUCH:
		return nested_reason(c, w, end);
	case PT_STAGE2_RESULT:
		return second_stage_reason(c, w->stage2, w->stage2_level == c->key.stage2.top,
					   w->stage2_perm, access);
	case PT_DENIED:
		if (!(perm &
		      VIOMMU_READ)) /* every page is readable to those who may see it at all */
			return VTD_FR_USER;
		if ((access & VIOMMU_WRITE) && !(perm & VIOMMU_WRITE))
			return VTD_FR_SM_WRITE;
		return VTD_FR_EXECUTE;
	default:
		return VTD_FR_FS_UPDATE;
	}
}

/* Three ways of the same walk: with its traces, without, and watched. */
static __attribute__((noinline)) enum pt_end other_walk(const struct context *c,
							const struct query *q, struct pt_walk *w)
{
	static enum pt_end (*const walks[3][3])(struct pt_walk *) = {
		{ pt_vtd_ss_walk, pt_vtd_ss_peek, pt_vtd_ss_observe },
		{ pt_x86_walk, pt_x86_peek, pt_x86_observe },
		{ pt_x86_walk_on_vtd_ss, pt_x86_peek_on_vtd_ss, pt_x86_observe_on_vtd_ss },
	};
	unsigned kind = c->key.kind == VTD_SECOND ? 0 : c->key.kind == VTD_FIRST ? 1 : 2;
	unsigned way = !q->quiet ? 0 : q->observer ? 2 : 1;

	return walks[kind][way](w);
}

/* @second: of the second stage alone */
ALWAYS_INLINE enum pt_end walk(const struct context *c, const struct query *q, struct pt_walk *w,
			       bool second)
{
	return second && LIKELY(!q->quiet) ? pt_vtd_ss_walk(w) : other_walk(c, q, w);
}

/* Whether the address is one that the first of the walks can take; otherwise *reason. */
ALWAYS_INLINE bool address_fits(const struct context *c, uint64_t iova, bool second,
				unsigned *reason)
{
	if (second) {
		*reason = by_mode(c, VTD_FR_WIDTH, VTD_FR_SS_WIDTH);
		return pt_fits(&c->key.stage2, iova);
	}
	*reason = VTD_FR_CANONICAL;
	return vtd_is_canonical(c, iova);
}

/* What a walk is asked for. A translation request asks for whatever there is. */
static inline void set_need(const struct vtd *v, struct pt_walk *w, const struct query *q,
			    unsigned access)
{
	unsigned shift = access & VIOMMU_PRIV ? 3 : 0;
	unsigned any = VIOMMU_READ;

	if (q->type != VIOMMU_AT_TRANSLATION) {
		w->need = (uint8_t)access_need(access);
		w->dirty = (uint8_t)((access & VIOMMU_WRITE) << shift);
		return;
	}
	if (wants_write(v, q)) {
		any |= VIOMMU_WRITE;
		w->dirty = (uint8_t)(VIOMMU_WRITE << shift);
	}
	w->any = (uint8_t)(any << shift);
}

/* A page was found: cuts it to what holds for every address of it, and keeps it. */
ALWAYS_INLINE int arrived(struct vtd *v, struct query *q, const struct context *c,
			  const struct pt_walk *w)
{
	if (c->key.flags & VTD_KEY_RID) /* the window itself never gets here */
		translation_avoid(&q->found, q->iova, false, VTD_WINDOW_FIRST, VTD_WINDOW_LAST);
	if (!translation_avoid(&q->found, q->iova, true, VTD_WINDOW_FIRST, VTD_WINDOW_LAST))
		return vtd_fault(v, q, by_mode(c, VTD_FR_WINDOW, VTD_FR_SM_WINDOW));
	if (vtd_checks_all(v) && !vtd_outside_protected(v, q))
		return vtd_fault(v, q, 0);
	fill_block(&v->unit, q);
	fill_table(&v->unit, q, w);
	if (q->type == VIOMMU_AT_TRANSLATION)
		grant_translation(v, q);
	return VIOMMU_OK;
}

/* Why the tables refused. */
static __attribute__((noinline)) int refused(struct vtd *v, struct query *q,
					     const struct context *c, const struct pt_walk *w,
					     enum pt_end end, unsigned access)
{
	if (c->key.kind == VTD_SECOND)
		return vtd_fault(v, q,
				 second_stage_reason(c, end, w->level == c->key.stage2.top,
						     w->found.perm, access));
	return vtd_fault(v, q, first_stage_reason(c, w, end, access));
}

/* @second: known where this is inlined */
ALWAYS_INLINE int through_stage(struct vtd *v, struct query *q, const struct context *c,
				bool second)
{
	unsigned access = vtd_access(c, q->access);
	struct mem_place place;
	struct table_place start;
	struct pt_walk w;
	unsigned reason;
	enum pt_end end;

	if (!address_fits(c, q->iova, second, &reason))
		return vtd_fault(v, q, reason);
	pt_walk_init(&w, v->unit.vm, second ? &c->key.stage2 : &c->key.stage1, q->iova, &place);
	w.nested = &c->key.stage2;
	w.unsnooped = c->key.flags & VTD_KEY_NO_SNOOP;
	w.observer = q->observer;
	set_need(v, &w, q, access);
	place = (struct mem_place)MEM_NOWHERE;
	if (fill_find_table(&v->unit, q, w.config, &start))
		w.start = &start;
	end = walk(c, q, &w, second);
	if (UNLIKELY(end != PT_OK) && w.start) { /* upper levels may permit more by now */
		w.start = NULL;
		w.found = (struct translation){ .perm = 0 }; /* no part in the reason */
		end = walk(c, q, &w, second);
	}
	if (UNLIKELY(end != PT_OK))
		return refused(v, q, c, &w, end, access);
	q->found = w.found;
	q->found.perm = vtd_fold_soon(c, w.found.perm);
	return arrived(v, q, c, &w);
}

static __attribute__((noinline)) int through_first(struct vtd *v, struct query *q,
						   const struct context *c)
{
	return through_stage(v, q, c, false);
}

static inline int through_tables(struct vtd *v, struct query *q, const struct context *c)
{
	return c->key.kind == VTD_SECOND ? through_stage(v, q, c, true) : through_first(v, q, c);
}

/* Refusals that need no walk (3.14, 4.2, 9.6). 0: none */
static unsigned early_reason(const struct context *c, struct query *q)
{
	/* A check of the context entry: what PASID structures say of recording does not count. */
	q->fpd = c->flags & VTD_CONTEXT_OWN_FPD;
	if (q->type != VIOMMU_AT_UNTRANSLATED && !(c->flags & VTD_CONTEXT_DTE))
		return by_mode(c, VTD_FR_REQUEST_TYPE, VTD_FR_DTE);
	q->fpd = c->flags & VTD_CONTEXT_FPD;
	if (c->key.kind == VTD_FIRST || c->key.kind == VTD_NESTED) {
		if ((c->key.flags & VTD_KEY_NO_EXECUTE) && (q->access & VIOMMU_EXEC))
			return VTD_FR_ERE;
		if ((c->key.flags & VTD_KEY_NO_SUPERVISOR) && vtd_is_privileged(c, q->access))
			return VTD_FR_SRE;
	}
	if ((c->key.flags & VTD_KEY_RID) && vtd_in_window(q->iova))
		return by_mode(c, VTD_FR_WINDOW, VTD_FR_SM_WINDOW);
	return 0;
}

int vtd_translate(struct viommu *u, struct query *q)
{
	struct vtd *v = vtd_of(u);
	const struct context *c = &q->entry->context;
	unsigned reason;
	int result;

	if (vtd_in_window(q->iova) && q->type == VIOMMU_AT_UNTRANSLATED &&
	    q->pasid == VIOMMU_NO_PASID && (q->access & VIOMMU_WRITE))
		return VIOMMU_INTERRUPT;
	if (!(atomic_load_explicit(&v->root, memory_order_acquire) & VTD_ROOT_TE))
		return untranslated(v, q);
	result = fill_context(u, q);
	if (result)
		return vtd_fault(v, q, q->reason);
	reason = early_reason(c, q);
	if (reason)
		return vtd_fault(v, q, reason);
	if (q->type == VIOMMU_AT_TRANSLATION &&
	    unit_find(q, q->access | (wants_write(v, q) ? VIOMMU_WRITE : 0))) {
		grant_translation(v, q);
		return VIOMMU_OK;
	}
	if (q->type == VIOMMU_AT_TRANSLATED || c->key.kind == VTD_PASS)
		return pass(v, q, c);
	return through_tables(v, q, c);
}
