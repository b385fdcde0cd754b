/* SPDX-License-Identifier: BSD-3-Clause */
/* record_host.c - recording an IOMMU: what it tells the host, which is told, too; until that ends. */

#include "recorder.h"

static void on_msi(void *opaque, uint64_t address, uint32_t data)
{
	struct unit_record *r = opaque;
	struct record_event *e = record_current(r->tape);

	if (e && r->sends) {
		record_word(&e->effects, "S");
		record_hex(&e->effects, address);
		record_hex(&e->effects, data);
		record_newline(&e->effects);
	}
	if (r->host.msi)
		r->host.msi(r->host.opaque, address, data);
}

/* The host is not told what it knows. */
static void on_line(void *opaque, uint32_t number, uint32_t level)
{
	struct unit_record *r = opaque;
	struct record_event *e = record_current(r->tape);

	if (e && level) {
		record_word(&e->effects, "WSI");
		record_hex(&e->effects, number);
		record_hex(&e->effects, 1);
		record_newline(&e->effects);
	}
	if (!r->host.line || (r->levels >> number & 1) == level)
		return;
	r->levels = level ? r->levels | 1U << number : r->levels & ~(1U << number);
	r->host.line(r->host.opaque, number, level);
}

static void on_work(void *opaque)
{
	const struct unit_record *r = opaque;

	if (r->host.work)
		r->host.work(r->host.opaque);
}

static void on_text(void *opaque, const char *text)
{
	const struct unit_record *r = opaque;

	if (r->host.message)
		r->host.message(r->host.opaque, text);
}

static uint64_t on_now(void *opaque)
{
	const struct unit_record *r = opaque;

	return r->host.now(r->host.opaque);
}

static void on_trace(void *opaque, const struct viommu_trace *event)
{
	const struct unit_record *r = opaque;

	r->host.trace(r->host.opaque, event);
}

void unit_record_host(struct viommu *u)
{
	struct unit_record *r = u->record;

	r->host = u->host;
	u->host = (struct viommu_host){ .size = r->host.size,
					.opaque = r,
					.msi = on_msi,
					.work = on_work,
					.message = on_text,
					.now = r->host.now ? on_now : NULL,
					.trace = r->host.trace ? on_trace : NULL,
					.line = r->wires ? on_line : NULL };
	if (!r->wires)
		return;
	r->levels = (uint32_t)u->lines.told;
	u->lines.told = 0; /* who restores the state is told all of them */
}

/* ---- the end ---- */

void unit_record_stop(struct viommu *u)
{
	struct unit_record *r = u->record;

	u->engine = r->inner;
	if (u->engine->leave_tape)
		u->engine->leave_tape(u);
	u->host = r->host;
	if (r->wires)
		u->lines.told = r->levels;
	u->record = NULL;
	atomic_store(&u->counted, u->counts);
	unit_forget(u, true);
	if (r->tape == &r->own)
		record_close(r->tape);
	vm_dealloc(u->vm, r, sizeof(*r));
}

/* ---- listeners ---- */

void unit_record_refusal(struct viommu *u, const struct viommu_device *device, uint64_t iova)
{
	struct record_event *e = record_current(u->record->tape);
	const uint64_t values[] = {
		atomic_load_explicit(&device->id, memory_order_relaxed) >> u->record->id_shift, iova
	};

	u->record->refused = true;
	if (e)
		record_numbers(&e->effects, "LR", values, ARRAY_COUNT(values));
}
