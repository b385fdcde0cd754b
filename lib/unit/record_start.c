/* SPDX-License-Identifier: BSD-3-Clause */
/* record_start.c - recordings that begin and end: headers, and which IOMMUs of a VM. */

#include <stddef.h>

#include "recorder.h"

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
	unit_record_write_state(u, t);
}

/* Whose caches are empty. */
static void begin(struct viommu *u)
{
	record_flush(u->record->tape);
	unit_record_engine(u);
	unit_record_host(u);
	atomic_store(&u->counted, true);
	unit_forget(u, true);
	u->engine = &u->record->engine;
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

int unit_record_join(struct viommu *u)
{
	const struct viommu *other = u->engine->tape_of(u);
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
		unit_record_stop(unit_of(user));
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
			result = unit_record_join(u);
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
