/* SPDX-License-Identifier: BSD-3-Clause */
/* recorder.c - recording an IOMMU: an engine that calls another one and writes down what it did. */

#include <stddef.h>

#include "recorder.h"
#include "state.h"

/* Bytes of saved state on a line. */
#define STATE_PIECE 1024U
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

	unit_record_call(u, &e);
	result = inner(u)->run(u);
	unit_lines(u);
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

/* ---- the host ---- */

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

static void listen_to_host(struct viommu *u)
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

/* ---- beginning and end ---- */

static void stop(struct viommu *u);

static void on_free(struct viommu *u)
{
	stop(u);
	u->engine->free(u);
}

static uint64_t save(struct viommu *u, void *buffer, uint64_t capacity)
{
	struct state_writer state;
	uint64_t bytes = capacity;

	state_begin(&state, u->record->inner->name, buffer, capacity);
	u->record->inner->save(u, &state);
	state_end(&state, &bytes);
	return bytes;
}

/* The state, piece by piece; whoever has the last one restores it. */
static void write_state(struct viommu *u, struct record_text *t)
{
	uint64_t bytes = save(u, NULL, 0);
	unsigned char *state = vm_alloc(u->vm, bytes, 16);

	if (!state) {
		t->failed = true;
		return;
	}
	save(u, state, bytes);
	for (uint64_t at = 0; at < bytes; at += STATE_PIECE) {
		uint64_t piece = bytes - at < STATE_PIECE ? bytes - at : STATE_PIECE;

		record_word(t, "Z");
		record_hex(t, bytes);
		record_hex(t, at);
		record_bytes(t, state + at, piece);
		record_newline(t);
	}
	vm_dealloc(u->vm, state, bytes);
}

void unit_record_state(struct viommu *u)
{
	struct record_event e;

	unit_record_begin(u, &e, true);
	write_state(u, &e.effects);
	record_end(&e, RECORD_AS_BEFORE);
}

static int on_restore(struct viommu *u, struct state_reader *state)
{
	struct record_event e;
	int result;

	unit_record_begin(u, &e, true);
	result = inner(u)->restore(u, state);
	unit_lines(u);
	if (result >= 0)
		write_state(u, &e.effects);
	record_end(&e, record_after(result));
	return result;
}

static void make_engine(struct viommu *u)
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

static void write_limits(struct record_text *t, const struct viommu_limits *l)
{
	record_word(t, "limits");
	record_decimal(t, l->tlb_entries);
	record_decimal(t, l->contexts);
	record_decimal(t, l->domains);
	record_decimal(t, l->devices);
	record_decimal(t, l->channels);
	record_decimal(t, l->queue_budget);
	record_decimal(t, l->outstanding);
	record_decimal(t, l->tables);
	record_decimal(t, l->channel_entries);
	record_decimal(t, l->steps);
	record_decimal(t, l->shadow);
	record_newline(t);
}

static void write_beginning(struct viommu *u)
{
	struct record_text *t = &u->record->tape->text;

	record_word(t, "tape 1");
	record_newline(t);
	record_word(t, "engine");
	record_word(t, u->record->inner->tape_name ? u->record->inner->tape_name
						   : u->record->inner->name);
	record_newline(t);
	record_word(t, "producer libvirtiommu");
	record_newline(t);
	write_limits(t, &u->limits);
	u->record->inner->describe(u, t);
	if (u->record->select)
		record_header(t, "GS", u->record->select - 1);
	u->record->tape->selected = u->record->select;
	write_state(u, t);
}

/* Whose caches are empty. */
static void begin(struct viommu *u)
{
	record_flush(u->record->tape);
	make_engine(u);
	listen_to_host(u);
	atomic_store(&u->counted, true);
	unit_forget(u, true);
	u->engine = &u->record->engine;
}

static void stop(struct viommu *u)
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

static struct unit_record *record_new(struct viommu *u)
{
	struct unit_record *r = vm_alloc(u->vm, sizeof(*r), _Alignof(struct unit_record));

	if (!r)
		return NULL;
	r->inner = u->engine;
	r->read = "R";
	r->write = "W";
	return r;
}

static int start(struct viommu *u,
		 void (*write)(void *opaque, struct viommu *iommu, const char *text,
			       uint64_t bytes),
		 void *opaque)
{
	struct unit_record *r = record_new(u);
	int result;

	if (!r)
		return VIOMMU_ENOMEM;
	r->own = (struct record_tape){ .vm = u->vm, .iommu = u, .write = write, .opaque = opaque };
	r->tape = &r->own;
	result = record_open(r->tape);
	if (result) {
		vm_dealloc(u->vm, r, sizeof(*r));
		return result;
	}
	u->record = r;
	write_beginning(u);
	begin(u);
	return VIOMMU_OK;
}

/* On the tape of another one, whose headers speak of this one, too. */
static int start_beside(struct viommu *u, const struct viommu *other)
{
	struct unit_record *r = record_new(u);

	if (!r)
		return VIOMMU_ENOMEM;
	r->tape = other->record->tape;
	u->record = r;
	u->engine->join_tape(u);
	unit_record_state(u);
	begin(u);
	return VIOMMU_OK;
}

static struct viommu *unit_of(struct vm_user *user)
{
	return (struct viommu *)(void *)((char *)user - offsetof(struct viommu, user));
}

static int stop_all(struct viommu_vm *vm)
{
	int result = VIOMMU_ENOENT;

	for (struct vm_user *user = vm->users; user; user = user->next) {
		if (!unit_of(user)->record)
			continue;
		stop(unit_of(user));
		result = VIOMMU_OK;
	}
	return result;
}

static bool may_flush(struct viommu *u, int *result)
{
	*result = viommu_flush(u);
	if (*result == VIOMMU_PENDING)
		*result = VIOMMU_OK;
	return *result == VIOMMU_OK;
}

static int start_all(struct viommu_vm *vm,
		     void (*write)(void *opaque, struct viommu *iommu, const char *text,
				   uint64_t bytes),
		     void *opaque)
{
	int result = VIOMMU_OK;

	if (vm->recorder)
		return VIOMMU_EBUSY;
	for (struct vm_user *user = vm->users; !result && user; user = user->next) {
		struct viommu *u = unit_of(user);

		if (u->engine->describe && may_flush(u, &result))
			result = start(u, write, opaque);
	}
	for (struct vm_user *user = vm->users; !result && user; user = user->next) {
		struct viommu *u = unit_of(user);

		if (u->engine->tape_of && may_flush(u, &result))
			result = start_beside(u, u->engine->tape_of(u));
	}
	if (result != VIOMMU_OK && vm->recorder)
		stop_all(vm);
	return result || vm->recorder ? result : VIOMMU_ENOENT;
}

int viommu_record(struct viommu_vm *vm,
		  void (*write)(void *opaque, struct viommu *iommu, const char *text,
				uint64_t bytes),
		  void *opaque)
{
	if (!vm)
		return VIOMMU_EINVAL;
	return write ? start_all(vm, write, opaque) : stop_all(vm);
}
