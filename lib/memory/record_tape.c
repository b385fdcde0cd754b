/* SPDX-License-Identifier: BSD-3-Clause */
/* record_tape.c - recording: events, the memory that they access, and the lines that come of it. */

#include <string.h>

#include <libvirtiommu/base.h>

#include "bits.h"
#include "record_tape.h"

/* ---- text ---- */

static bool grow(struct viommu_vm *vm, void **at, uint64_t used, uint64_t *capacity, uint64_t more)
{
	uint64_t wanted = *capacity ? *capacity : 256;
	void *block;

	while (wanted - used < more)
		wanted *= 2;
	if (wanted == *capacity)
		return true;
	block = vm_alloc(vm, wanted, 16);
	if (!block)
		return false;
	if (*at) {
		memcpy(block, *at, used);
		vm_dealloc(vm, *at, *capacity);
	}
	*at = block;
	*capacity = wanted;
	return true;
}

static void put(struct record_text *t, const char *from, uint64_t bytes)
{
	void *at = t->at;

	if (t->failed || !grow(t->vm, &at, t->bytes, &t->capacity, bytes)) {
		t->failed = true;
		return;
	}
	t->at = at;
	memcpy(t->at + t->bytes, from, bytes);
	t->bytes += bytes;
}

static void space(struct record_text *t)
{
	if (t->bytes && t->at[t->bytes - 1] != '\n')
		put(t, " ", 1);
}

void record_word(struct record_text *t, const char *word)
{
	space(t);
	put(t, word, strlen(word));
}

static const char digits[] = "0123456789abcdef";

static void put_hex(struct record_text *t, uint64_t value)
{
	char text[16];
	unsigned at = sizeof(text);

	do {
		text[--at] = digits[value & 15];
		value >>= 4;
	} while (value);
	put(t, text + at, sizeof(text) - at);
}

void record_hex(struct record_text *t, uint64_t value)
{
	space(t);
	put_hex(t, value);
}

void record_decimal(struct record_text *t, uint64_t value)
{
	char text[20];
	unsigned at = sizeof(text);

	do {
		text[--at] = digits[value % 10];
		value /= 10;
	} while (value);
	space(t);
	put(t, text + at, sizeof(text) - at);
}

void record_more(struct record_text *t, const void *bytes, uint64_t count)
{
	const unsigned char *from = bytes;

	for (uint64_t i = 0; i < count; i++) {
		const char pair[2] = { digits[from[i] >> 4], digits[from[i] & 15] };

		put(t, pair, sizeof(pair));
	}
}

void record_bytes(struct record_text *t, const void *bytes, uint64_t count)
{
	space(t);
	if (count == 0)
		put(t, "-", 1);
	record_more(t, bytes, count);
}

void record_zeros(struct record_text *t, uint64_t count)
{
	put(t, "z", 1);
	put_hex(t, count);
	put(t, ".", 1);
}

void record_newline(struct record_text *t)
{
	put(t, "\n", 1);
}

void record_text_fini(struct record_text *t)
{
	if (t->at)
		vm_dealloc(t->vm, t->at, t->capacity);
	t->at = NULL;
	t->bytes = 0;
	t->capacity = 0;
}

/* ---- tapes ---- */

int record_open(struct record_tape *tape)
{
	struct viommu_vm *vm = tape->vm;
	struct recorder *r = vm->recorder;

	tape->text = (struct record_text){ .vm = vm };
	tape->known = vm_alloc(vm, RECORD_KNOWN * sizeof(*tape->known), 16);
	if (tape->known && !r) {
		r = vm_alloc(vm, sizeof(*r), _Alignof(struct recorder));
		if (r)
			pthread_mutex_init(&r->lock, NULL);
	}
	if (!r) {
		if (tape->known)
			vm_dealloc(vm, tape->known, RECORD_KNOWN * sizeof(*tape->known));
		return VIOMMU_ENOMEM;
	}
	tape->next = r->tapes;
	r->tapes = tape;
	vm->recorder = r;
	return VIOMMU_OK;
}

void record_close(struct record_tape *tape)
{
	struct viommu_vm *vm = tape->vm;
	struct recorder *r = vm->recorder;
	struct record_tape **at = &r->tapes;

	while (*at != tape)
		at = &(*at)->next;
	*at = tape->next;
	vm_dealloc(vm, tape->known, RECORD_KNOWN * sizeof(*tape->known));
	record_text_fini(&tape->text);
	if (r->tapes)
		return;
	vm->recorder = NULL;
	pthread_mutex_destroy(&r->lock);
	vm_dealloc(vm, r, sizeof(*r));
}

void record_flush(struct record_tape *tape)
{
	tape->lost |= tape->text.failed;
	if (!tape->lost && tape->text.bytes)
		tape->write(tape->opaque, tape->iommu, tape->text.at, tape->text.bytes);
	tape->text.bytes = 0;
}

/* ---- memory in lines ---- */

/* A run of neighbours that becomes one line. */
struct run {
	struct record_tape *tape;
	unsigned kind;
	uint64_t gpa;
	uint32_t bytes;
	unsigned char data[64];
};

static void end_run(struct run *run)
{
	struct record_text *t = &run->tape->text;

	if (!run->bytes)
		return;
	if (run->kind <= RECORD_WRITTEN) {
		record_word(t, run->kind == RECORD_READ ? "M" : "m");
		record_hex(t, run->gpa);
		record_bytes(t, run->data, run->bytes);
	} else {
		record_word(t, "MX");
		record_hex(t, run->gpa);
		record_decimal(t, run->bytes);
		record_decimal(t, run->kind == RECORD_UNREADABLE ? 1 : 2);
	}
	record_newline(t);
	run->bytes = 0;
}

static void add_to_run(struct run *run, unsigned kind, uint64_t gpa, const unsigned char *data)
{
	if (run->bytes && (run->kind != kind || run->gpa + run->bytes != gpa ||
			   run->bytes + 4 > sizeof(run->data)))
		end_run(run);
	if (!run->bytes) {
		run->kind = kind;
		run->gpa = gpa;
	}
	memcpy(run->data + run->bytes, data, 4);
	run->bytes += 4;
}

/* Whether the tape says so already; from now on it does. */
static bool is_known(struct record_tape *tape, unsigned kind, uint64_t gpa,
		     const unsigned char *data)
{
	uint64_t granule = gpa / 4 + 1;
	struct record_known *known = &tape->known[bits_wrap_index(granule, RECORD_KNOWN)];
	struct record_known before = *known;
	uint32_t word;

	memcpy(&word, data, sizeof(word));
	if (before.granule != granule)
		before = (struct record_known){ .granule = 0 };
	/* memory that is read again in one event, and is not what it was */
	tape->torn |= before.granule && before.event == tape->events &&
		      (kind == RECORD_READ ? before.fails || before.word != word
					   : kind == RECORD_UNREADABLE && !before.fails);
	*known = (struct record_known){ .granule = granule, .word = word, .event = tape->events };
	if (kind > RECORD_WRITTEN) {
		*known = before;
		known->granule = granule;
		known->event = tape->events;
		known->fails |= 1U << kind;
		return before.granule && (before.fails >> kind & 1);
	}
	/* who writes compares; what has failed before is memory again */
	return kind == RECORD_READ && before.granule && !before.fails && before.word == word;
}

static void write_access(struct run *run, const struct record_access *a)
{
	for (uint32_t i = 0; i < a->bytes; i += 4) {
		if (!is_known(run->tape, a->kind, a->gpa + i, a->data + i))
			add_to_run(run, a->kind, a->gpa + i, a->data + i);
	}
}

/* ---- events ---- */

void record_begin(struct record_tape *tape, struct record_event *e, bool changes)
{
	struct recorder *r = tape->vm->recorder;

	*e = (struct record_event){ .tape = tape,
				    .thread = pthread_self(),
				    .changes = changes,
				    .effects = { .vm = tape->vm },
				    .line = { .vm = tape->vm } };
	pthread_mutex_lock(&r->lock);
	e->beside = tape->changing != 0;
	e->changed = tape->changed;
	tape->changing += changes;
	e->next = r->events;
	r->events = e;
	pthread_mutex_unlock(&r->lock);
}

static struct record_event *find_event(const struct recorder *r, const struct record_tape *tape)
{
	pthread_t self = pthread_self();

	for (struct record_event *e = r->events; e; e = e->next) {
		if (pthread_equal(e->thread, self) && (!tape || e->tape == tape))
			return e;
	}
	return NULL;
}

struct record_event *record_current(struct record_tape *tape)
{
	struct recorder *r = tape->vm->recorder;
	struct record_event *e;

	pthread_mutex_lock(&r->lock);
	e = find_event(r, tape);
	pthread_mutex_unlock(&r->lock);
	return e;
}

/* Both end in one line, so that nothing of another thread's comes between. */
static void write_event(struct record_event *e, bool marked)
{
	struct record_tape *tape = e->tape;
	struct run run = { .tape = tape };

	tape->events++;
	tape->torn = false;
	if (e->select != tape->selected && (e->line.bytes || e->effects.bytes)) {
		record_header(&tape->text, "GS", e->select - 1);
		tape->selected = e->select;
	}
	for (uint64_t i = 0; i < e->count; i++)
		write_access(&run, &e->accesses[i]);
	end_run(&run);
	if (e->effects.bytes)
		put(&tape->text, e->effects.at, e->effects.bytes);
	if (e->line.bytes) {
		put(&tape->text, e->line.at, e->line.bytes);
		if (marked || tape->torn)
			record_word(&tape->text, marked ? "~" : "!");
		record_newline(&tape->text);
	}
	tape->lost |= e->effects.failed || e->line.failed;
	record_flush(tape);
}

void record_end(struct record_event *e, enum record_after after)
{
	struct record_tape *tape = e->tape;
	struct recorder *r = tape->vm->recorder;
	struct record_event **at = &r->events;

	pthread_mutex_lock(&r->lock);
	while (*at != e)
		at = &(*at)->next;
	*at = e->next;
	tape->changing -= e->changes;
	if (e->goes_on && !e->line.bytes && (tape->pending || !record_is_empty(e)))
		record_word(&e->line, "N");
	if (e->changes && after != RECORD_AS_BEFORE)
		tape->pending = after == RECORD_PENDING;
	write_event(e, e->beside || tape->changing || tape->pending || tape->changed != e->changed);
	tape->changed += e->changes;
	pthread_mutex_unlock(&r->lock);
	if (e->accesses)
		vm_dealloc(tape->vm, e->accesses, e->capacity);
	record_text_fini(&e->effects);
	record_text_fini(&e->line);
}

/* ---- for mem.c ---- */

static void keep(struct record_event *e, const struct record_access *a)
{
	void *at = e->accesses;

	if (!grow(e->tape->vm, &at, e->count * sizeof(*a), &e->capacity, sizeof(*a))) {
		e->effects.failed = true;
		return;
	}
	e->accesses = at;
	e->accesses[e->count++] = *a;
}

/* What is read outside of all events may be remembered, and is the tape's of every IOMMU; nobody is told what is
 * written then: it is a device's. */
static void keep_outside(struct recorder *r, const struct record_access *a)
{
	if (a->kind != RECORD_READ)
		return;
	for (struct record_tape *tape = r->tapes; tape; tape = tape->next) {
		struct run run = { .tape = tape };

		write_access(&run, a);
		end_run(&run);
		record_flush(tape);
	}
}

void record_access(struct viommu_vm *vm, unsigned kind, uint64_t gpa, const void *raw,
		   uint32_t bytes)
{
	struct recorder *r = vm->recorder;
	struct record_access a = { .kind = (uint8_t)kind };
	struct record_event *e;

	pthread_mutex_lock(&r->lock);
	e = find_event(r, NULL);
	for (uint32_t i = 0; i < bytes; i += a.bytes) {
		a.gpa = gpa + i;
		a.bytes = bytes - i < 8 ? 4 : 8;
		if (raw)
			memcpy(a.data, (const unsigned char *)raw + i, a.bytes);
		if (e)
			keep(e, &a);
		else
			keep_outside(r, &a);
	}
	pthread_mutex_unlock(&r->lock);
}
