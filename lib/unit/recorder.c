/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * recorder.c - recording an IOMMU: an engine that calls another one and writes down what it did. What it tells the host is
 * record_host.c; how a recording begins and ends, record_start.c.
 */

#include "recorder.h"
#include "state.h"

/* A larger page is not said to be one: tapes have pages of tables. */
#define PAGE_MAX_LG2 21U

static const struct engine *inner(const struct viommu *u)
{
	return u->record->inner;
}

/* ---- registers ---- */

static void access_line(const struct viommu *u, struct record_event *e, const char *kind,
			uint64_t offset, uint32_t bytes, uint64_t value)
{
	uint32_t frame_lg2 = u->record->frame_lg2;

	if (!kind || (bytes != 1 && bytes != 2 && bytes != 4 && bytes != 8))
		return; /* no register, or no access that an architecture has */
	record_word(&e->line, kind);
	if (frame_lg2)
		record_hex(&e->line, offset >> frame_lg2);
	record_hex(&e->line, frame_lg2 ? offset & bits_low(frame_lg2) : offset);
	record_decimal(&e->line, bytes);
	record_hex(&e->line, bytes == 8 ? value : value & bits_low(8 * bytes));
}

static bool on_peek(const struct viommu *u, uint64_t offset, uint32_t bytes, uint64_t *value)
{
	struct record_event e;

	if (!inner(u)->reg_peek(u, offset, bytes, value))
		return false;
	record_begin(u->record->tape, &e, false);
	access_line(u, &e, u->record->read, offset, bytes, *value);
	record_end(&e, RECORD_DONE);
	return true;
}

static int on_read(struct viommu *u, uint64_t offset, uint32_t bytes, uint64_t *value)
{
	struct record_event e;
	int result;

	unit_record_begin(u, &e, false);
	result = inner(u)->reg_read(u, offset, bytes, value);
	if (result == VIOMMU_OK)
		access_line(u, &e, u->record->read, offset, bytes, *value);
	record_end(&e, RECORD_DONE);
	return result;
}

static int on_write(struct viommu *u, uint64_t offset, uint32_t bytes, uint64_t value)
{
	struct record_event e;
	int result;

	unit_record_begin(u, &e, true);
	result = inner(u)->reg_write(u, offset, bytes, value);
	unit_lines(u);
	if (result >= 0)
		access_line(u, &e, u->record->write, offset, bytes, value);
	record_end(&e, record_after(result));
	return result;
}

/* ---- other events ---- */

static int on_run(struct viommu *u)
{
	struct record_event e;
	int result;

	u->record->refused = false;
	unit_record_call(u, &e);
	result = inner(u)->run(u);
	unit_lines(u);
	if (u->record->refused) /* of a request before: whoever replays it has served that */
		unit_record_write_state(u, &e.effects);
	record_end(&e, record_after(result));
	return result;
}

static int on_reset(struct viommu *u)
{
	struct record_event e;
	int result;

	unit_record_begin(u, &e, true);
	result = inner(u)->reset(u);
	unit_lines(u);
	record_word(&e.line, "X");
	record_hex(&e.line, 1);
	record_end(&e, record_after(result));
	return result;
}

static void on_flush(struct viommu *u)
{
	struct record_event e;

	unit_record_begin(u, &e, true);
	if (inner(u)->flush)
		inner(u)->flush(u);
	record_word(&e.line, "FL");
	record_end(&e, RECORD_AS_BEFORE);
}

static uint32_t name_of(const struct viommu *u, const struct viommu_device *device)
{
	return atomic_load_explicit(&device->id, memory_order_relaxed) >> u->record->id_shift;
}

static void page_request_line(const struct viommu *u, struct record_event *e,
			      const struct viommu_device *device,
			      const struct viommu_page_request *r, int result)
{
	record_word(&e->line, "PR");
	record_hex(&e->line, name_of(u, device));
	record_hex(&e->line, r->pasid);
	record_hex(&e->line, r->address);
	record_hex(&e->line, r->group);
	record_hex(&e->line, r->access);
	record_hex(&e->line, r->last);
	record_word(&e->line, result == VIOMMU_OK ? "ok" : "fault");
}

static int on_page_request(struct viommu *u, struct viommu_device *device,
			   const struct viommu_page_request *r)
{
	struct record_event e;
	int result;

	unit_record_begin(u, &e, true);
	result = inner(u)->request_page(u, device, r);
	unit_lines(u);
	if (result >= 0)
		page_request_line(u, &e, device, r, result);
	record_end(&e, RECORD_AS_BEFORE);
	return result;
}

/* ---- DMA ---- */

/* As the caches would have answered it: translate.c does not ask them now. */
static bool is_cached(struct query *q)
{
	return q->type == VIOMMU_AT_UNTRANSLATED && unit_has_context(q) && q->entry->domain &&
	       unit_find(q, q->access);
}

/* A mapping need not be aligned as it is large. */
static uint64_t page_mask(const struct translation *found)
{
	uint64_t differ = found->gpa ^ found->iova;
	unsigned lg2 = found->size_lg2 < PAGE_MAX_LG2 ? found->size_lg2 : PAGE_MAX_LG2;

	if (differ & bits_low(lg2))
		lg2 = (unsigned)__builtin_ctzll(differ);
	return bits_low(lg2);
}

static void translation_line(const struct viommu *u, struct record_event *e, const struct query *q,
			     int result)
{
	static const uint32_t index[] = { [VIOMMU_AT_UNTRANSLATED] = 0,
					  [VIOMMU_AT_TRANSLATED] = 1,
					  [VIOMMU_AT_TRANSLATION] = 2 };
	unsigned granted = result == VIOMMU_OK ? access_granted(q->found.perm, q->access) : 0;
	uint64_t mask = granted ? page_mask(&q->found) : 0;
	uint64_t to = granted ? (q->found.gpa + (q->iova - q->found.iova)) & ~mask : 0;

	if ((result == VIOMMU_INTERRUPT && !u->record->messages) || result < 0)
		return;
	if (result == VIOMMU_INTERRUPT) {
		granted = VIOMMU_WRITE;
		to = q->iova;
	}
	if (granted & (VIOMMU_READ | VIOMMU_WRITE))
		granted &= VIOMMU_READ | VIOMMU_WRITE;
	record_word(&e->line, "T");
	record_hex(&e->line, name_of(u, q->device));
	record_hex(&e->line, q->pasid);
	record_hex(&e->line, q->iova);
	record_hex(&e->line, q->access | (u->record->waits && q->stalls ? 0x10U : 0));
	record_hex(&e->line, index[q->type % 3]);
	record_hex(&e->line, granted);
	record_hex(&e->line, to);
	record_hex(&e->line, mask);
}

static int on_translate(struct viommu *u, struct query *q)
{
	struct record_event e;
	int result = VIOMMU_OK;

	if (q->quiet)
		return inner(u)->translate(u, q);
	unit_record_begin(u, &e, false);
	if (!is_cached(q))
		result = inner(u)->translate(u, q);
	unit_lines(u);
	translation_line(u, &e, q, result);
	record_end(&e, RECORD_DONE);
	return result;
}

/* ---- messages ---- */

static void message_line(const struct viommu *u, struct record_event *e,
			 const struct record_message *m)
{
	(void)u;
	record_word(&e->line, "I");
	record_hex(&e->line, m->flags & VIOMMU_MSI_NO_SOURCE ? 0xffff : m->source);
	record_hex(&e->line, m->address);
	record_hex(&e->line, m->data);
	record_hex(&e->line, !(m->flags & VIOMMU_MSI_RESOLVE));
	record_word(&e->line, m->msi ? "ok" : "fault");
	record_hex(&e->line, m->msi ? m->msi->address : 0);
	record_hex(&e->line, m->msi ? m->msi->data : 0);
}

static int on_message(struct viommu *u, uint32_t source, uint64_t address, uint32_t data,
		      uint32_t flags, struct viommu_msi *msi)
{
	struct record_message m = {
		.source = source, .address = address, .data = data, .flags = flags
	};
	const struct unit_record *r = u->record;
	struct record_event e;
	int result;

	/* one that is made pending here is acknowledged here */
	unit_record_begin(u, &e, r->message && !(flags & VIOMMU_MSI_RESOLVE));
	result = inner(u)->remap_msi(u, source, address, data, flags, msi);
	m.msi = result == VIOMMU_OK ? msi : NULL;
	if (result >= 0)
		(r->message ? r->message : message_line)(u, &e, &m);
	record_end(&e, RECORD_AS_BEFORE);
	return result;
}

static int on_store_message(struct viommu *u, struct query *q, uint32_t data, bool resolve,
			    struct viommu_msi *msi)
{
	struct record_event e;
	int result;

	if (resolve)
		return inner(u)->store_message(u, q, data, resolve, msi);
	unit_record_begin(u, &e, false);
	result = inner(u)->store_message(u, q, data, resolve, msi);
	unit_lines(u);
	if (result >= 0) {
		record_word(&e.line, "MSI");
		record_hex(&e.line, name_of(u, q->device));
		record_hex(&e.line, q->iova);
		record_decimal(&e.line, 4);
		record_hex(&e.line, data);
		record_word(&e.line, result == VIOMMU_OK ? "ok" : "fault");
	}
	record_end(&e, RECORD_DONE);
	return result;
}

/* ---- the engine that records ---- */

static void on_free(struct viommu *u)
{
	unit_record_stop(u);
	u->engine->free(u);
}

static int on_restore(struct viommu *u, struct state_reader *state)
{
	struct record_event e;
	int result;

	unit_record_begin(u, &e, true);
	result = inner(u)->restore(u, state);
	unit_lines(u);
	if (result >= 0)
		unit_record_write_state(u, &e.effects);
	record_end(&e, record_after(result));
	return result;
}

void unit_record_engine(struct viommu *u)
{
	struct unit_record *r = u->record;
	struct engine *e = &r->engine;

	*e = *r->inner;
	e->translate = e->translate ? on_translate : NULL;
	e->reg_peek = e->reg_peek ? on_peek : NULL;
	e->reg_read = e->reg_read ? on_read : NULL;
	e->reg_write = e->reg_write ? on_write : NULL;
	e->run = on_run;
	e->reset = on_reset;
	e->restore = on_restore;
	e->flush = on_flush;
	e->request_page = e->request_page ? on_page_request : NULL;
	e->remap_msi = e->remap_msi ? on_message : NULL;
	e->remap_cached = NULL;
	e->store_message = e->store_message ? on_store_message : NULL;
	e->free = on_free;
}
