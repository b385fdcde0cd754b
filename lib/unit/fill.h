/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fill.h - the context that a request has, and keeping what it came to: unit_context(), unit_fill(), unit_table_find()
 * and unit_table_fill(), for engines whose misses are in a hurry. See translate.c for the fill rule.
 */
#ifndef FILL_H
#define FILL_H

#include "dirty_pages.h"
#include "mem.h"
#include "probe.h"
#include "record_tape.h"
#include "unit.h"

/* ---- translate.c: what is not as usual ---- */

bool fill_find_context(struct query *q, bool whole);
int fill_parse_context(struct viommu *u, struct query *q);
void fill_cut_to_size(struct viommu *u, struct query *q, uint64_t iova);
void fill_clean(struct query *q);

/* ---- the context ---- */

/*
 * Reads changes and tag of the domain, and says whether the context still stood afterwards and the
 * domain still lived: then the tag was given to this very domain, since one that loses its place
 * has another life before it has another count or tag. Changes first: they are counted once more
 * after the tag has moved, so that whoever has the last count has the new tag. Nothing is filled
 * while an invalidation is under way.
 */
static inline bool fill_take_domain(struct query *q)
{
	q->changes = atomic_load_explicit(&q->entry->domain->changes, memory_order_acquire);
	q->tag = atomic_load_explicit(&q->entry->domain->tag, memory_order_acquire);
	q->cacheable = !(q->changes & 1) && context_stands(q->entry, q->device);
	return q->cacheable;
}

/* Whether the entry has a context that stands. */
static inline bool fill_known_context(struct query *q, bool whole)
{
	const struct context_entry *e = q->entry;

	return (LIKELY(e->domain && (e->whole || !whole)) && LIKELY(fill_take_domain(q))) ||
	       fill_find_context(q, whole);
}

/* unit_context() */
ALWAYS_INLINE int fill_context(struct viommu *u, struct query *q)
{
	if (LIKELY(q->known)) {
		q->known = false;
		return VIOMMU_OK;
	}
	return LIKELY(!q->quiet && fill_known_context(q, true)) ? VIOMMU_OK
								: fill_parse_context(u, q);
}

/* ---- the TLB ---- */

/* Sizes that whole pages have: of levels of 4 KiB tables, and of sixteen neighbours and the like that
 * are one page. */
#define FILL_SIZES (BIT(12) | BIT(16) | BIT(21) | BIT(25) | BIT(30))

ALWAYS_INLINE void fill_add(struct query *q)
{
	struct domain *domain = q->entry->domain;
	enum tlb_added added = tlb_put(&q->device->partition->tlb, domain_space(domain, q->tag),
				       tlb_page(q->found.iova, q->found.size_lg2),
				       tlb_to(&q->found), &domain->changes, q->changes);

	if (added == TLB_DROPPED)
		return;
	if (added == TLB_EVICTED)
		count_event(q->device, COUNT_EVICTIONS);
	probe_fill(q);
}

/* Keeps q->found, of an address that may not be as it was asked. */
ALWAYS_INLINE void fill_found(struct viommu *u, struct query *q)
{
	struct domain *domain = q->entry->domain;

	if (!q->cacheable || q->quiet)
		return;
	if (UNLIKELY(!domain_expects(domain, &q->found)))
		domains_announce(&q->device->partition->domains, domain, &q->found);
	if (UNLIKELY(dirty_wanted(u)))
		fill_clean(q);
	else
		fill_add(q);
}

/* The block around the address as it was asked. */
static inline void fill_as_asked(struct query *q)
{
	q->found.iova = q->iova & ~bits_low(q->found.size_lg2);
}

/* unit_fill() */
ALWAYS_INLINE void fill_block(struct viommu *u, struct query *q)
{
	uint64_t iova = domain_canonical(&q->entry->context.key, q->iova);

	if (UNLIKELY(q->found.size_lg2 != q->found.leaf_lg2 ||
		     !(FILL_SIZES >> q->found.size_lg2 & 1)))
		fill_cut_to_size(u, q, iova);
	fill_found(u, q);
	if (UNLIKELY(iova != q->iova))
		fill_as_asked(q);
}

/* ---- tables ---- */

/* unit_table_find() */
ALWAYS_INLINE bool fill_find_table(struct viommu *u, const struct query *q,
				   const struct pt_config *config, struct table_place *found)
{
	/* The version is read inside the section: what belongs to it stays until the section
	 * ends. */
	return q->cacheable && !q->quiet &&
	       table_cache_look(
		       &q->device->partition->tables, domain_space(q->entry->domain, q->tag),
		       domain_block(config, domain_canonical(&q->entry->context.key, q->iova)),
		       atomic_load_explicit(&u->vm->map_version, memory_order_acquire), found);
}

/* unit_table_fill() */
ALWAYS_INLINE void fill_table(struct viommu *u, const struct query *q, const struct pt_walk *w)
{
	const struct domain *domain = q->entry->domain;
	struct mem_place *memory = w->place;
	struct table_place found;

	if (!q->cacheable || q->quiet || w->start || w->level != 0 || w->config->top == 0 ||
	    is_recorded(u->vm))
		return;
	if (w->at_lg2 && w->at_lg2 < w->config->index_lg2 + w->config->entry_lg2)
		return; /* the rest of it lies elsewhere */
	found.table = w->table;
	found.gpa = w->at - (w->entry - w->table);
	found.perm = w->table_perm;
	mem_find_near(u->vm, found.gpa, memory);
	found.host = mem_host(memory, found.gpa, false);
	if (!found.host ||
	    (memory->last - found.gpa + 1) >> (w->config->index_lg2 + w->config->entry_lg2) == 0)
		return;
	table_cache_put(&q->device->partition->tables, domain_space(domain, q->tag),
			domain_block(w->config, w->iova), memory->version, &found, &domain->changes,
			q->changes);
}

#endif
