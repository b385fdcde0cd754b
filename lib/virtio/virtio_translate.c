/* SPDX-License-Identifier: BSD-3-Clause */
/* virtio_translate.c - one request, as far as the caches did not answer (5.13.6.2, 5.13.6.3,
 * 5.13.6.10), and every mapping of an endpoint in order. */

#include "range.h"
#include "virtio_engine.h"

/* The domain of an endpoint was freed while we looked something up in it: so often in a row only if
 * the driver does nothing else. */
#define TRIES 16U

static const struct context *context_of(const struct query *q)
{
	return &q->entry->context;
}

/* ---- from endpoint to context ---- */

/* Which mappings is in flags: a slot serves for many domains, one after the other, and its key is
 * that of the slot. What is cached of a domain is forgotten when it dies. */
static void set_context(struct context *c, uint64_t attached, const struct virtio_regions *regions)
{
	bool pass = !attached || (attached & VIRTIO_ATTACHED_PASS);

	*c = (struct context){ .flags = attached };
	c->key.kind = pass ? VIRTIO_KIND_PASS : VIRTIO_KIND_MAP;
	/* all who bypass share one */
	c->key.group = (uint32_t)(pass ? VIRTIO_ATTACHED_SLOT : attached & VIRTIO_ATTACHED_SLOT);
	c->key.id = domain_id(c->key.group, VIOMMU_NO_PASID);
	c->key.flags = regions ? regions->id : 0;
}

static void observe(const struct query *q, const char *what, const uint64_t *raw, unsigned words)
{
	if (q->observer)
		q->observer->saw(q->observer->opaque, what, PT_LEVELS, UINT64_MAX, raw, words);
}

static void observe_endpoint(const struct virtio *v, const struct query *q, uint64_t attached)
{
	const struct virtio_domain *d = virtio_domain_at(v, attached);
	uint64_t raw[2] = { q->id, atomic_load_explicit(&d->id, memory_order_relaxed) };

	if (!attached || (attached & VIRTIO_ATTACHED_BETWEEN))
		observe(q, "endpoint, not attached", raw, 1);
	else if (attached & VIRTIO_ATTACHED_PASS)
		observe(q, "endpoint, bypass domain", raw, 2);
	else
		observe(q, "endpoint, domain", raw, 2);
}

int virtio_parse(struct viommu *u, struct query *q, struct context *context)
{
	const struct virtio_endpoint *e = virtio_endpoint_of(q->device);
	const struct virtio *v = virtio_of(u);
	uint64_t attached = virtio_attached(e);

	if (q->pasid != VIOMMU_NO_PASID) {
		q->reason = VIRTIO_FAULT_UNKNOWN;
		return VIOMMU_FAULT;
	}
	observe_endpoint(v, q, attached);
	if ((attached & VIRTIO_ATTACHED_BETWEEN) ||
	    (!attached && !atomic_load_explicit(&v->pass, memory_order_acquire))) {
		q->reason = VIRTIO_FAULT_DOMAIN;
		return VIOMMU_FAULT;
	}
	set_context(context, attached, atomic_load_explicit(&e->regions, memory_order_acquire));
	return VIOMMU_OK;
}

/* ---- refusals ---- */

const char *virtio_reason_text(uint32_t reason)
{
	switch (reason) {
	case VIRTIO_FAULT_UNKNOWN:
		return "not a request that the device translates";
	case VIRTIO_FAULT_DOMAIN:
		return "endpoint not attached to a domain";
	case VIRTIO_FAULT_MAPPING:
		return "no mapping, or it does not permit the access";
	default:
		return NULL;
	}
}

/* What of an access is denied where @granted is permitted, as a fault record says it. */
static uint32_t denied(const struct query *q, unsigned granted)
{
	unsigned need = access_need(q->access & ~VIOMMU_PRIV) & (VIOMMU_READ | VIOMMU_WRITE);

	return need & ~granted;
}

static int refuse(struct virtio *v, struct query *q, unsigned reason, unsigned granted)
{
	q->reason = (uint16_t)reason;
	q->found = (struct translation){ .iova = q->iova & ~bits_low(12), .size_lg2 = 12 };
	if (q->type == VIOMMU_AT_TRANSLATION) { /* an answer to a question is not a fault */
		q->cacheable = false;
		q->ats = VIOMMU_ATS_UNSUPPORTED;
		if (reason != VIRTIO_FAULT_MAPPING)
			return VIOMMU_FAULT;
		q->ats = VIOMMU_ATS_SUCCESS;
		q->reason = 0;
		return VIOMMU_OK;
	}
	if (!q->quiet && q->id != VIOMMU_NO_ID) /* it has just lost it */
		virtio_record(v, &(struct virtio_event){ .reason = reason,
							 .flags = denied(q, granted) |
								  VIRTIO_FAULT_F_ADDRESS,
							 .endpoint = q->id,
							 .address = q->iova });
	return VIOMMU_FAULT;
}

/* An address in a reserved region (5.13.6.10). */
static int reserved(struct virtio *v, struct query *q, const struct viommu_virtio_region *r)
{
	uint64_t raw[3] = { r->first, r->last, r->subtype };

	observe(q, "reserved region", raw, 3);
	if (r->subtype == VIOMMU_VIRTIO_RESV_MSI && q->type == VIOMMU_AT_UNTRANSLATED &&
	    (q->access & VIOMMU_WRITE))
		return VIOMMU_INTERRUPT;
	return refuse(v, q, VIRTIO_FAULT_MAPPING, 0);
}

/* ---- blocks ---- */

/* The largest block around iova in [first, last]; gpa is that of first. */
static struct translation block_in(uint64_t iova, uint64_t first, uint64_t last, uint64_t gpa)
{
	uint64_t size = last - first;
	unsigned lg2 = size ? 64U - (unsigned)__builtin_clzll(size) : 0;

	if (lg2 > 63)
		lg2 = 63;
	/* at most 63 steps, mostly none */
	while (lg2 && ((iova & ~bits_low(lg2)) < first || (iova | bits_low(lg2)) > last))
		lg2--;
	iova &= ~bits_low(lg2);
	return (struct translation){ .iova = iova,
				     .gpa = gpa + (iova - first),
				     .size_lg2 = (uint8_t)lg2 };
}

/* Keeps the block, in one of the sizes that the TLB is searched with. Its permissions are in the
 * low bits of the address there. */
static void keep(struct virtio *v, struct query *q)
{
	struct translation whole = q->found;
	unsigned lg2 = whole.size_lg2;

	if (lg2 < 12 || (whole.gpa & bits_low(12)))
		return;
	unit_fill(&v->unit, q);
	q->found = whole;
}

static int found(struct virtio *v, struct query *q)
{
	unsigned user = q->found.perm & (unsigned)PERM_USER;

	if (q->type == VIOMMU_AT_UNTRANSLATED) {
		keep(v, q);
		return VIOMMU_OK;
	}
	/* A completion never grants execution, nor writing to those who said they will not. */
	user &= VIOMMU_READ | (q->access & VIOMMU_WRITE);
	q->found.perm = (uint8_t)(user | user << 3 | PERM_DIRTY);
	return VIOMMU_OK;
}

/* ---- mappings ---- */

enum lookup { FOUND, ABSENT, STALE };

/* The mapping of an address, or with @next the next one, in the domain that the context is of. */
static enum lookup look_up(const struct virtio *v, const struct context *c, uint64_t address,
			   bool next, struct range_item *item)
{
	const struct virtio_domain *d = virtio_domain_at(v, c->flags);
	bool is = next ? range_map_next(v->pool, &d->map, address, item)
		       : range_map_find(v->pool, &d->map, address, item);

	/* The incarnation ends before the mappings go: what was read is its own if it stands now.
	 */
	atomic_thread_fence(memory_order_acquire);
	if (atomic_load_explicit(&d->incarnation, memory_order_relaxed) != c->flags)
		return STALE;
	return is ? FOUND : ABSENT;
}

/* [first, last] around the address is free of reserved regions. */
static int through_mapping(struct virtio *v, struct query *q, const struct range_item *item,
			   uint64_t first, uint64_t last)
{
	uint64_t raw[4] = { item->first, item->last, item->target, item->perm };
	unsigned need = access_need(q->access);
	uint64_t gpa = item->target;

	observe(q, "mapping", raw, 4);
	if (first < item->first)
		first = item->first;
	else
		gpa += first - item->first;
	if (last > item->last)
		last = item->last;
	q->found = block_in(q->iova, first, last, gpa);
	q->found.perm = virtio_perm(item->perm);
	if (q->type == VIOMMU_AT_UNTRANSLATED && (q->found.perm & need) != need)
		return refuse(v, q, VIRTIO_FAULT_MAPPING,
			      item->perm & (VIOMMU_READ | VIOMMU_WRITE));
	return found(v, q);
}

/* What the context says; STALE: it is one of a domain that has died. */
static enum lookup through_context(struct virtio *v, struct query *q, uint64_t first, uint64_t last,
				   int *result)
{
	const struct context *c = context_of(q);
	struct range_item item;
	enum lookup looked;

	if (c->key.kind == VIRTIO_KIND_PASS) {
		q->found = block_in(q->iova, first, last, first);
		q->found.perm = (uint8_t)(PERM_ALL | PERM_DIRTY);
		*result = found(v, q);
		return FOUND;
	}
	looked = look_up(v, c, q->iova, false, &item);
	if (looked == FOUND)
		*result = through_mapping(v, q, &item, first, last);
	else if (looked == ABSENT)
		*result = refuse(v, q, VIRTIO_FAULT_MAPPING, 0);
	return looked;
}

int virtio_translate(struct viommu *u, struct query *q)
{
	const struct virtio_endpoint *e = virtio_endpoint_of(q->device);
	const struct virtio_regions *regions =
		atomic_load_explicit(&e->regions, memory_order_acquire);
	struct virtio *v = virtio_of(u);
	const struct viommu_virtio_region *r;
	uint64_t first;
	uint64_t last;

	q->cacheable = false;
	/* There are no PASIDs here, nor addresses that somebody has translated before. */
	if (q->pasid != VIOMMU_NO_PASID || q->type == VIOMMU_AT_TRANSLATED)
		return refuse(v, q, VIRTIO_FAULT_UNKNOWN, 0);
	r = virtio_region_at(regions, q->iova, &first, &last);
	if (r)
		return reserved(v, q, r);
	for (unsigned i = 0; i < TRIES; i++) {
		int result = unit_context(u, q);

		if (result)
			return refuse(v, q, q->reason, 0);
		/* The endpoint has been given other regions meanwhile. */
		if (context_of(q)->key.flags != (regions ? regions->id : 0))
			q->cacheable = false;
		if (through_context(v, q, first, last, &result) != STALE)
			return result;
	}
	return refuse(v, q, VIRTIO_FAULT_MAPPING, 0);
}

/* ---- visits ---- */

/* Shows [first, last], which gpa is that of first, from visit->next on, block by block. */
static enum pt_visit_end visit_range(struct pt_visit *visit, uint64_t first, uint64_t last,
				     uint64_t gpa, uint8_t perm)
{
	for (;;) {
		struct translation block = block_in(visit->next, first, last, gpa);
		uint64_t end = block.iova | bits_low(block.size_lg2);

		block.perm = perm;
		if (visit->budget == 0)
			return PT_VISIT_BUDGET;
		visit->budget--;
		if (visit->page(visit->opaque, &block))
			return PT_VISIT_STOPPED;
		visit->next = end;
		if (end >= last || end >= visit->last)
			return PT_VISIT_DONE;
		visit->next++;
	}
}

static enum pt_visit_end visit_identity(const struct virtio *v, const struct context *c,
					struct pt_visit *visit)
{
	const struct virtio_regions *regions =
		c->key.flags ? virtio_regions_find(v, c->key.flags) : NULL;

	/* some hundred blocks a region */
	for (;;) {
		uint64_t first;
		uint64_t last;
		const struct viommu_virtio_region *r =
			virtio_region_at(regions, visit->next, &first, &last);
		enum pt_visit_end end = PT_VISIT_DONE;

		if (r)
			visit->next = r->last;
		else
			end = visit_range(visit, first, last, first,
					  (uint8_t)(PERM_ALL | PERM_DIRTY));
		if (end != PT_VISIT_DONE || visit->next >= visit->last)
			return end;
		visit->next++;
	}
}

enum pt_visit_end virtio_visit(struct viommu *u, const struct context *c, struct pt_visit *visit)
{
	const struct virtio *v = virtio_of(u);
	struct range_item item;

	if (c->key.kind == VIRTIO_KIND_PASS)
		return visit_identity(v, c, visit);
	/* A domain that has died has no mappings. Each step pays for itself. */
	while (look_up(v, c, visit->next, true, &item) == FOUND && item.first <= visit->last) {
		enum pt_visit_end end = PT_VISIT_DONE;

		if (visit->next < item.first)
			visit->next = item.first;
		if (visit->budget == 0)
			return PT_VISIT_BUDGET;
		if (item.perm & (VIOMMU_READ | VIOMMU_WRITE)) {
			end = visit_range(visit, item.first, item.last, item.target,
					  virtio_perm(item.perm));
		} else {
			visit->budget--;
			visit->next = item.last;
		}
		if (end != PT_VISIT_DONE || visit->next >= visit->last)
			return end;
		visit->next++;
	}
	visit->next = visit->last;
	return PT_VISIT_DONE;
}
