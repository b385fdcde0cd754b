/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * explain_caches.c - what the caches would have said of a request, and whether that is more than the
 * tables say: then something was changed that the guest has not invalidated (yet).
 *
 * A cache that grants less is not wrong: whoever wants more is answered by the tables.
 */

#include "channel.h"
#include "explain.h"

/* What there is at the address, whatever access was asked for. */
struct truth {
	struct context context;
	struct translation found;
	bool has_context;
	bool has_page;
};

static void ask_tables(const struct query *q, struct truth *truth)
{
	struct viommu *u = q->device->iommu;
	struct context_entry entry = { .domain = NULL };
	struct query all = { .device = q->device,
			     .entry = &entry,
			     .iova = q->iova,
			     .pasid = q->pasid,
			     .type = VIOMMU_AT_UNTRANSLATED,
			     .quiet = true };

	truth->has_page = unit_translate(u, &all) == VIOMMU_OK;
	truth->found = all.found;
	truth->has_context = unit_parse(u, &all, &truth->context) == VIOMMU_OK;
}

static uint64_t gpa_in(const struct translation *t, uint64_t iova)
{
	return t->gpa + (iova - t->iova);
}

/* Whether somebody who believed the cache would do what the tables do not say. */
static bool is_stale(const struct truth *truth, const struct translation *cached, uint64_t iova)
{
	unsigned more = cached->perm & (truth->has_page ? ~(unsigned)truth->found.perm : ~0U);

	if (!(cached->perm & PERM_ALL))
		return false;
	return !truth->has_page || gpa_in(cached, iova) != gpa_in(&truth->found, iova) ||
	       (more & (PERM_ALL | PERM_DIRTY));
}

static void tell(struct explanation *e, const char *what, bool stale, uint32_t words, uint64_t a,
		 uint64_t b, uint64_t c)
{
	explain_step(e, &(struct viommu_step){ .gpa = UINT64_MAX,
					       .raw = { a, b, c },
					       .words = words,
					       .what = what,
					       .flags = VIOMMU_STEP_CACHE |
							(stale ? VIOMMU_STEP_STALE : 0) });
}

static void tell_page(struct explanation *e, const char *what, const struct query *q,
		      const struct truth *truth, const struct translation *cached)
{
	if (!cached)
		tell(e, what, false, 0, 0, 0, 0);
	else
		tell(e, what, is_stale(truth, cached, q->iova), 3, gpa_in(cached, q->iova),
		     access_granted(cached->perm, q->access), BIT(cached->size_lg2));
}

static void explain_context(struct explanation *e, const struct query *q, const struct truth *truth)
{
	struct context_entry entry;
	bool stale;

	if (!context_cache_find(&q->device->partition->contexts, translate_who_asks(q), &entry) ||
	    !context_stands(&entry, q->device)) {
		tell(e, "context cache", false, 0, 0, 0, 0);
		return;
	}
	stale = !truth->has_context ||
		memcmp(&entry.context, &truth->context, sizeof(entry.context)) != 0;
	tell(e, "context cache", stale, 3, entry.context.key.group, entry.context.key.stage1.root,
	     entry.context.key.stage2.root);
}

/* Which table has the page's entry. */
static void explain_table(struct explanation *e, const struct query *q,
			  const struct domain_key *key, struct tlb_space space)
{
	uint64_t iova = domain_canonical(key, q->iova);
	const struct pt_config *config = domain_tables(key, iova);
	const struct viommu *u = q->device->iommu;
	struct table_place place;
	uint64_t entry;

	if (!config->page_lg2 ||
	    !table_cache_find(&q->device->partition->tables, space, domain_block(config, iova),
			      atomic_load_explicit(&u->vm->map_version, memory_order_acquire),
			      &place)) {
		tell(e, "paging-structure cache", false, 0, 0, 0, 0);
		return;
	}
	entry = pt_entry_address(config, place.gpa, iova, 0);
	tell(e, "paging-structure cache", entry != e->entry[config == &key->stage2], 1, place.gpa,
	     0, 0);
}

void explain_caches(struct explanation *e, const struct query *q)
{
	struct context_entry entry;
	struct translation found;
	struct tlb_space space;
	struct truth truth;
	bool known;

	ask_tables(q, &truth);
	explain_context(e, q, &truth);
	known = translate_known_domain(q->device, q->pasid, &entry);
	if (known) {
		space = domain_space(entry.domain, atomic_load_explicit(&entry.domain->tag,
									memory_order_acquire));
		known = context_stands(&entry, q->device);
	}
	if (known && truth.has_context)
		explain_table(e, q, &truth.context.key, space);
	else
		tell(e, "paging-structure cache", false, 0, 0, 0, 0);
	known = known && tlb_find(&q->device->partition->tlb, space,
				  atomic_load_explicit(&entry.domain->sizes, memory_order_relaxed),
				  truth.has_context ? domain_canonical(&truth.context.key, q->iova)
						    : q->iova,
				  &found);
	if (known)
		found.iova = q->iova & ~bits_low(found.size_lg2);
	tell_page(e, "shared TLB", q, &truth, known ? &found : NULL);
	if (e->channel)
		tell_page(e, "micro-TLB", q, &truth,
			  channel_peek(e->channel, q->iova, &found) ? &found : NULL);
}
