/* SPDX-License-Identifier: BSD-3-Clause */
/* tce_translate.c - one DMA, as far as the caches did not answer (LoPAR, "DMA and Interrupts": the order of checks), and
 * every mapping of a PE in order. */

#include "tce_engine.h"

/* The window went while we looked: so often in a row only if the guest does nothing else. */
#define TRIES 16U

/* struct context.flags */
#define OF_VIRTUAL_IO BIT(0)

static void observe(const struct query *q, const char *what, const uint64_t *raw, unsigned words)
{
	if (q->observer)
		q->observer->saw(q->observer->opaque, what, PT_LEVELS, UINT64_MAX, raw, words);
}

/* ---- from device to context ---- */

/* Which windows a device has used, for who waits until nobody does (tce_sync.c). Who takes an entry away starts an epoch and looks
 * at this afterwards; we say so, and look at the entry afterwards. */
static void note_used(struct tce_device *d, uint32_t owner)
{
	uint32_t used = atomic_load_explicit(&d->used, memory_order_relaxed);

	if (used == owner + 1 || used == TCE_SEVERAL)
		return;
	if (used != 0 || !atomic_compare_exchange_strong(&d->used, &used, owner + 1))
		atomic_store(&d->used, used == owner + 1 ? used : TCE_SEVERAL);
	atomic_thread_fence(memory_order_seq_cst);
}

int tce_parse(struct viommu *u, struct query *q, struct context *context)
{
	const struct tce_pe *pe = tce_pe_of(tce_of(u), q->id);
	uint64_t raw[2] = { q->id, 0 };
	uint32_t owner;

	q->reason = TCE_INVALID_ADDRESS;
	if (!pe || q->pasid != VIOMMU_NO_PASID) {
		observe(q, "device, no such PE", raw, 1);
		return VIOMMU_FAULT;
	}
	owner = atomic_load_explicit(&pe->owner, memory_order_relaxed);
	note_used(tce_device_of(q->device), owner);
	*context = (struct context){ .key = { .kind = TCE_KIND_WINDOWS,
					      .group = owner,
					      .id = domain_id(owner, VIOMMU_NO_PASID) } };
	if (atomic_load_explicit(&pe->virtual_io, memory_order_relaxed))
		context->flags = OF_VIRTUAL_IO;
	if (atomic_load_explicit(&pe->bypass, memory_order_acquire))
		context->key.kind = TCE_KIND_PASS;
	raw[1] = owner;
	observe(q, context->key.kind == TCE_KIND_PASS ? "PE, bypass" : "PE", raw, 2);
	return VIOMMU_OK;
}

/* ---- refusals ---- */

const char *tce_reason_text(uint32_t reason)
{
	switch (reason) {
	case 0:
		return "blocked, with nothing to record: the device has no id";
	case TCE_INVALID_ADDRESS:
		return "invalid address: in no window of the PE";
	case TCE_EXTENT:
		return "TCE extent: behind the end of the window";
	case TCE_MAPPING:
		return "page mapping and control mismatch: the TCE does not permit the access";
	default:
		return NULL;
	}
}

static void report(const struct tce *t, const struct query *q, const struct tce_window *w)
{
	const struct tce_pe *pe = tce_pe_of(t, q->id);
	const struct viommu_tce_fault fault = {
		.pe = pe ? (uint32_t)(pe - t->pe) : VIOMMU_NO_ID,
		.liobn = w ? w->liobn : 0,
		.has_window = w != NULL,
		.device = q->id,
		.address = q->iova,
		.access = q->access & (VIOMMU_READ | VIOMMU_WRITE),
		.reason = q->reason,
	};

	t->config.fault(t->config.opaque, &fault);
}

static int refuse(const struct tce *t, struct query *q, unsigned reason, const struct tce_window *w)
{
	q->reason = (uint16_t)reason;
	q->cacheable = false;
	q->ats = VIOMMU_ATS_UNSUPPORTED; /* there is no ATS */
	if (!q->quiet && q->id != VIOMMU_NO_ID && t->config.fault)
		report(t, q, w);
	return VIOMMU_FAULT;
}

/* ---- windows ---- */

/* What a window was at some moment. */
struct seen {
	const struct tce_window *w;
	uint64_t live;
	uint64_t start;
	uint64_t entries;
	uint32_t shift;
};

static bool see(const struct tce_window *w, struct seen *seen)
{
	seen->w = w;
	seen->live = tce_live(w);
	seen->start = tce_start(w);
	seen->entries = tce_entries(w);
	seen->shift = tce_shift(w);
	return seen->live != 0;
}

/* Whether what was read of it since is of this window. */
static bool stands(const struct seen *seen)
{
	atomic_thread_fence(memory_order_acquire);
	return atomic_load_explicit(&seen->w->live, memory_order_relaxed) == seen->live;
}

static bool has(const struct seen *seen, uint64_t address)
{
	return address >= seen->start && (address - seen->start) >> seen->shift < seen->entries;
}

/* The window that has the address; NULL: none. */
static const struct tce_window *find(const struct tce *t, uint32_t owner, uint64_t address,
				     struct seen *seen)
{
	const struct tce_window *w = tce_windows_of(t, owner);

	for (uint32_t i = 0; i < VIOMMU_TCE_WINDOWS; i++) {
		if (see(&w[i], seen) && has(seen, address))
			return &w[i];
	}
	return NULL;
}

static struct translation page_of(const struct seen *seen, uint64_t address, uint64_t entry)
{
	return (struct translation){ .iova = address & ~bits_low(seen->shift),
				     .gpa = tce_address(entry, seen->shift),
				     .size_lg2 = (uint8_t)seen->shift,
				     .leaf_lg2 = (uint8_t)seen->shift,
				     .perm = tce_perm(entry) };
}

static int through_entry(struct tce *t, struct query *q, const struct seen *seen, uint64_t entry)
{
	unsigned need = access_need(q->access);
	uint64_t window[4] = { seen->w->liobn, seen->start, seen->shift, seen->entries };
	struct translation whole;

	observe(q, "window", window, 4);
	observe(q, "TCE", &entry, 1);
	if (!tce_is_valid(entry) || (tce_perm(entry) & need) != need)
		return refuse(t, q, TCE_MAPPING, seen->w);
	q->found = page_of(seen, q->iova, entry);
	whole = q->found;
	unit_fill(&t->unit, q);
	q->found = whole;
	return VIOMMU_OK;
}

/* Behind the table of a virtual I/O device, or nowhere. */
static int in_no_window(struct tce *t, struct query *q, const struct context *c)
{
	const struct tce_window *w = tce_windows_of(t, c->key.group);

	if ((c->flags & OF_VIRTUAL_IO) && q->iova >= tce_start(w))
		return refuse(t, q, TCE_EXTENT, w);
	return refuse(t, q, TCE_INVALID_ADDRESS, NULL);
}

static int through_windows(struct tce *t, struct query *q)
{
	const struct context *c = &q->entry->context;
	struct seen seen = { .w = NULL };
	uint64_t entry;

	for (unsigned i = 0; i < TRIES; i++) {
		if (!find(t, c->key.group, q->iova, &seen))
			return in_no_window(t, q, c);
		entry = tce_table_get(&t->pool, &seen.w->table,
				      bits_clamp_index((q->iova - seen.start) >> seen.shift,
						       seen.entries));
		if (stands(&seen))
			return through_entry(t, q, &seen, entry);
	}
	return refuse(t, q, TCE_INVALID_ADDRESS, NULL);
}

/* ---- translation ---- */

#define PASS_LG2 63U

static int pass(struct tce *t, struct query *q)
{
	struct translation whole = { .iova = q->iova & ~bits_low(PASS_LG2),
				     .gpa = q->iova & ~bits_low(PASS_LG2),
				     .size_lg2 = PASS_LG2,
				     .perm = (uint8_t)(PERM_ALL | PERM_DIRTY) };

	q->found = whole;
	unit_fill(&t->unit, q);
	q->found = whole;
	return VIOMMU_OK;
}

/* Messages are recognised before TCEs are looked at. */
static bool is_message(const struct tce *t, const struct query *q)
{
	return q->iova - t->config.msi_first < t->config.msi_bytes &&
	       !(q->entry->context.flags & OF_VIRTUAL_IO);
}

int tce_translate(struct viommu *u, struct query *q)
{
	struct tce *t = tce_of(u);

	q->cacheable = false;
	/* There are no PASIDs here, nor addresses that somebody has translated before. */
	if (q->pasid != VIOMMU_NO_PASID || q->type != VIOMMU_AT_UNTRANSLATED)
		return refuse(t, q, TCE_INVALID_ADDRESS, NULL);
	if (unit_context(u, q))
		return refuse(t, q, q->reason, NULL);
	if (is_message(t, q))
		return q->access & VIOMMU_WRITE ? VIOMMU_INTERRUPT
						: refuse(t, q, TCE_INVALID_ADDRESS, NULL);
	if (q->entry->context.key.kind == TCE_KIND_PASS)
		return pass(t, q);
	return through_windows(t, q);
}

/* ---- visits ---- */

/* The window that has the address, or the next one after it; false: there is none up to @last. */
static bool find_next(const struct tce *t, uint32_t owner, uint64_t address, uint64_t last,
		      struct seen *found)
{
	const struct tce_window *w = tce_windows_of(t, owner);
	bool is = false;

	for (uint32_t i = 0; i < VIOMMU_TCE_WINDOWS; i++) {
		struct seen seen;

		if (!see(&w[i], &seen) || seen.start > last ||
		    (seen.start < address && !has(&seen, address)))
			continue;
		if (!is || seen.start < found->start)
			*found = seen;
		is = true;
	}
	return is;
}

/* False: stopped. */
static bool visit_page(const struct seen *seen, uint64_t index, uint64_t entry,
		       struct pt_visit *visit)
{
	uint64_t iova = seen->start + (index << seen->shift);
	struct translation page = page_of(seen, iova, entry);

	if (!tce_is_valid(entry) || !stands(seen) || iova > visit->last)
		return true;
	visit->next = iova;
	return visit->page(visit->opaque, &page) == 0;
}

/* One window from visit->next on. */
static enum pt_visit_end visit_window(const struct tce *t, const struct seen *seen,
				      struct pt_visit *visit)
{
	uint64_t index = visit->next < seen->start ? 0 : (visit->next - seen->start) >> seen->shift;
	uint64_t end = seen->start + ((seen->entries - 1) << seen->shift | bits_low(seen->shift));

	while (index < seen->entries && stands(seen)) {
		enum tce_step step;
		uint64_t entry;

		visit->next = seen->start + (index << seen->shift);
		if (visit->next > visit->last)
			return PT_VISIT_DONE;
		if (visit->budget == 0)
			return PT_VISIT_BUDGET;
		visit->budget--;
		step = tce_table_next(&t->pool, &seen->w->table, &index, &entry);
		if (step == TCE_STEP_END)
			break;
		if (step == TCE_STEP_FOUND && index < seen->entries &&
		    !visit_page(seen, index++, entry, visit))
			return PT_VISIT_STOPPED;
	}
	visit->next = end;
	return PT_VISIT_DONE;
}

static enum pt_visit_end visit_pass(struct pt_visit *visit)
{
	/* two steps */
	for (;;) {
		struct translation block = { .iova = visit->next & ~bits_low(PASS_LG2),
					     .gpa = visit->next & ~bits_low(PASS_LG2),
					     .size_lg2 = PASS_LG2,
					     .perm = (uint8_t)(PERM_ALL | PERM_DIRTY) };
		uint64_t end = visit->next | bits_low(PASS_LG2);

		if (visit->budget == 0)
			return PT_VISIT_BUDGET;
		visit->budget--;
		if (visit->page(visit->opaque, &block))
			return PT_VISIT_STOPPED;
		visit->next = end;
		if (end >= visit->last)
			return PT_VISIT_DONE;
		visit->next++;
	}
}

enum pt_visit_end tce_visit(struct viommu *u, const struct context *c, struct pt_visit *visit)
{
	const struct tce *t = tce_of(u);
	struct seen seen = { .w = NULL };

	if (c->key.kind == TCE_KIND_PASS)
		return visit_pass(visit);
	/* a step for each window, and each of those pays for itself */
	while (find_next(t, c->key.group, visit->next, visit->last, &seen)) {
		enum pt_visit_end end = visit_window(t, &seen, visit);

		if (end != PT_VISIT_DONE || visit->next >= visit->last)
			return end;
		visit->next++;
	}
	visit->next = visit->last;
	return PT_VISIT_DONE;
}
