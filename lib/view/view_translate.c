/* SPDX-License-Identifier: BSD-3-Clause */
/* view_translate.c - translations of a view: its micro-TLB, the window, and what the owner has said in this section. */

#include <stddef.h>
#include <string.h>

#include "abi.h"
#include "view_own.h"

/* Blocks looked at by one call, as in translate.c. */
#define BLOCKS_MAX 65536U

/* ---- a hit ---- */

/* Every instruction here is paid by every DMA: tests/bench counts them. */
ALWAYS_INLINE bool hit(struct viommu_view *view, const struct viommu_request *r,
		       struct viommu_fragment *f, struct viommu_answer *answer)
{
	uint64_t first = r->first, more;
	const struct micro_entry *e = view_entry(view, first);
	uint64_t access = request_who(r) ^ view->who;

	/* access and type, as access_and_type() has them, if the PASID is the view's; or more */
	access = access >> 32 | access << 32;
	if (access >= ACCESS_KINDS || !(e->accepts >> access & 1) || !view_holds(view, e, first))
		return false;
	more = r->last;
	if (more > e->last || __builtin_sub_overflow(more, first, &more))
		return false;
	answer_one(answer, first + more);
	answer_put_extent(answer, e->extent);
	f->length = more + 1;
	first &= bits_low(MICRO_PAGE_LG2);
	f->gpa = e->gpa + first;
	f->host = e->host ? e->host + first : NULL;
	memcpy(&f->perm, &e->grant[access / VIOMMU_PRIV], sizeof(e->grant[0]));
	return true;
}

/* ---- the window ---- */

/* The domain of the requester, with its tag, if its context stands: see take_domain(). */
static bool take_domain(struct viommu_view *view, uint64_t *changes, uint64_t *tag)
{
	const struct domain *d = view->entry.domain;

	*changes = atomic_load_explicit(&d->changes, memory_order_acquire);
	*tag = atomic_load_explicit(&d->tag, memory_order_acquire);
	return !(*changes & 1) && view_generation(view) + domain_life(d) == view->entry.generation;
}

static bool find_domain(struct viommu_view *view, uint64_t *changes, uint64_t *tag)
{
	if (view->entry.domain && take_domain(view, changes, tag))
		return true;
	view->entry.domain = NULL;
	if (!context_cache_find_domain(&view->contexts, view->requester, &view->entry))
		return false;
	if (take_domain(view, changes, tag))
		return true;
	view->entry.domain = NULL;
	return false;
}

/* What the owner has cached, and kept here if it can be. */
static bool find_in_window(struct viommu_view *view, uint64_t iova, unsigned access,
			   struct view_block *block)
{
	struct translation found;
	struct mem_place place;
	uint64_t changes, tag;

	view_catch_up(view);
	if (!find_domain(view, &changes, &tag) ||
	    !tlb_find(&view->tlb, domain_space(view->entry.domain, tag),
		      atomic_load_explicit(&view->entry.domain->sizes, memory_order_relaxed), iova,
		      &found) ||
	    !translate_permits(found.perm, access) ||
	    !view_place(view, found.gpa + (iova - found.iova), &place))
		return false;
	view_keep(view, iova, changes, &found, &place);
	*block = (struct view_block){ .first = found.iova,
				      .last = found.iova | bits_low(found.size_lg2),
				      .gpa = found.gpa,
				      .perm = found.perm,
				      .extent = found.size_lg2 };
	return true;
}

/* ---- replies ---- */

static bool find_held(const struct viommu_view *view, uint64_t iova, unsigned access,
		      struct view_block *block)
{
	for (unsigned i = 0; view->open && i < VIEW_HELD; i++) {
		const struct view_block *held = &view->held[i];

		if (held->section == view->section_count && held->first <= iova &&
		    iova <= held->last && translate_permits(held->perm, access)) {
			*block = *held;
			return true;
		}
	}
	return false;
}

bool view_find(struct viommu_view *view, uint64_t iova, unsigned access, struct view_block *block)
{
	return find_in_window(view, iova, access, block) || find_held(view, iova, access, block);
}

bool view_piece(struct viommu_view *view, const struct view_block *block, uint64_t iova,
		uint64_t last, unsigned access, struct viommu_fragment *f)
{
	uint64_t length = (last < block->last ? last : block->last) - iova;
	struct mem_place place;

	*f = (struct viommu_fragment){ .gpa = block->gpa + (iova - block->first) };
	if (!view_place(view, f->gpa, &place))
		return false;
	f->length = (length < place.last - f->gpa ? length : place.last - f->gpa) + 1;
	fragment_in(f, &place, block->perm, access_granted(block->perm, access),
		    access & VIOMMU_WRITE);
	return true;
}

/* ---- requests ---- */

/* At most BLOCKS_MAX rounds. */
static int translate_blocks(struct viommu_view *view, const struct viommu_request *r,
			    struct viommu_fragment *fragments, uint32_t max,
			    struct viommu_answer *answer)
{
	uint64_t iova = r->first;
	struct view_block block;
	struct viommu_fragment piece;

	for (uint32_t i = 0; i < BLOCKS_MAX; i++) {
		answer->next = iova;
		if (!view_find(view, iova, r->access, &block) ||
		    !view_piece(view, &block, iova, r->last, r->access, &piece))
			return VIOMMU_MISS;
		if (answer->count == 0)
			answer->extent_lg2 = block.extent;
		if (answer->count == 0 || !translate_merge(&fragments[answer->count - 1], &piece)) {
			if (answer->count == max)
				return VIOMMU_MORE;
			fragments[answer->count++] = piece;
		}
		iova += piece.length;
		if (iova - 1 == r->last) {
			answer->next = iova;
			return VIOMMU_OK;
		}
	}
	answer->next = iova;
	return VIOMMU_MORE;
}

/* What the micro-TLB cannot answer. */
static __attribute__((noinline)) int translate(struct viommu_view *view,
					       const struct viommu_request *r,
					       struct viommu_fragment *fragments, uint32_t max,
					       struct viommu_answer *answer)
{
	if (!translate_well_formed(r) || r->type != VIOMMU_AT_UNTRANSLATED ||
	    r->pasid != view->pasid)
		return VIOMMU_EINVAL;
	*answer = (struct viommu_answer){ .next = r->first };
	if (r->access & VIOMMU_QUIET) /* asked of the tables */
		return VIOMMU_MISS;
	return translate_blocks(view, r, fragments, max, answer);
}

int viommu_view_translate(struct viommu_view *view, const struct viommu_request *request,
			  struct viommu_fragment *fragments, uint32_t max,
			  struct viommu_answer *answer)
{
	if (is_null(view) || is_null(request) || is_null(fragments) || is_null(answer) || !max)
		return VIOMMU_EINVAL;
	if (LIKELY(hit(view, request, fragments, answer)))
		return VIOMMU_OK;
	return translate(view, request, fragments, max, answer);
}

int viommu_view_translate_list(struct viommu_view *view, const struct viommu_request *requests,
			       uint32_t count, struct viommu_fragment *fragments, uint32_t max,
			       struct viommu_answer *answers, uint32_t *done)
{
	uint32_t used = 0;
	int result = VIOMMU_OK;

	if (!view || !requests || !fragments || !max || !answers || !done)
		return VIOMMU_EINVAL;
	for (*done = 0; *done < count; ++*done) {
		struct viommu_answer *answer = &answers[*done];

		if (used == max) {
			*answer = (struct viommu_answer){ .next = requests[*done].first };
			return VIOMMU_MORE;
		}
		result = viommu_view_translate(view, &requests[*done], &fragments[used], max - used,
					       answer);
		if (result < 0)
			return result;
		used += answer->count;
		if (result)
			return result;
	}
	return VIOMMU_OK;
}
