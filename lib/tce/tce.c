/* SPDX-License-Identifier: BSD-3-Clause */
/* tce.c - the TCE tables of a VM: creation, PEs, reset. */

#include <stddef.h>

#include "abi.h"
#include "probe.h"
#include "recorder.h"
#include "tce_engine.h"

/* ---- PEs ---- */

#define PAGE_SHIFTS (BIT(12) | BIT(16) | BIT(21) | BIT(24))

static bool valid_shift(uint32_t shift)
{
	return shift < 64 && (PAGE_SHIFTS >> shift & 1);
}

static const uint32_t pe_flags = VIOMMU_TCE_PE_VIO | VIOMMU_TCE_PE_DDW | VIOMMU_TCE_PE_SLOT |
				 VIOMMU_TCE_PE_NO_RESET | VIOMMU_TCE_PE_FIVE |
				 VIOMMU_TCE_PE_LIMITED;

static bool pe_is_valid(const struct tce *t, const struct viommu_tce_pe *c)
{
	return !(c->flags & ~pe_flags) && !c->reserved && c->number < t->config.pes &&
	       !((c->flags & VIOMMU_TCE_PE_VIO) &&
		 (c->liobn_count ||
		  (c->flags & (VIOMMU_TCE_PE_DDW | VIOMMU_TCE_PE_SLOT | VIOMMU_TCE_PE_LIMITED)))) &&
	       c->liobn_count < VIOMMU_TCE_WINDOWS && !(c->liobn_count && !c->liobns) &&
	       valid_shift(c->window.page_shift) && c->window.entries <= TCE_ENTRIES &&
	       !(c->page_sizes & ~PAGE_SHIFTS) && c->largest <= TCE_ENTRIES &&
	       c->mmio_first <= c->mmio_last;
}

static int take_pe(const struct tce *t, struct viommu_tce_pe *c, const struct viommu_tce_pe *given)
{
	int result = abi_take(c, sizeof(*c), offsetof(struct viommu_tce_pe, liobns), given);

	if (result)
		return result;
	if (!c->page_sizes)
		c->page_sizes = BIT(12);
	if (!c->largest)
		c->largest = BIT(37);
	if (!c->dynamic_start)
		c->dynamic_start = BIT(59);
	return pe_is_valid(t, c) ? VIOMMU_OK : VIOMMU_EINVAL;
}

/* Whether two PEs would answer to the same RTAS calls. */
static bool same_name(const struct viommu_tce_pe *a, const struct viommu_tce_pe *b)
{
	uint32_t both = a->flags & b->flags;

	return !((a->flags ^ b->flags) & VIOMMU_TCE_PE_VIO) && a->buid == b->buid &&
	       !((both & VIOMMU_TCE_PE_SLOT) && a->config_addr != b->config_addr);
}

static bool liobn_is_taken(const struct tce *t, const struct viommu_tce_pe *c, uint32_t i)
{
	uint32_t liobn = c->liobns[i];

	if (tce_window_find(t, liobn) || liobn == c->window.liobn)
		return true;
	while (i--) {
		if (c->liobns[i] == liobn)
			return true;
	}
	return false;
}

/* The PE whose window a new one shares: itself, or that of another virtual I/O device. */
static int find_owner(const struct tce *t, const struct viommu_tce_pe *c, uint32_t *owner)
{
	const struct tce_window *w = tce_window_find(t, c->window.liobn);
	const struct viommu_tce_window *theirs;

	*owner = c->number;
	if (!w)
		return VIOMMU_OK;
	*owner = tce_owner_of_window(t, w);
	theirs = &t->pe[*owner].config.window;
	if (!(c->flags & t->pe[*owner].config.flags & VIOMMU_TCE_PE_VIO) ||
	    theirs->page_shift != c->window.page_shift || theirs->start != c->window.start ||
	    theirs->entries != c->window.entries)
		return VIOMMU_EEXIST;
	return VIOMMU_OK;
}

static int check_pe(const struct tce *t, const struct viommu_tce_pe *c, uint32_t *owner)
{
	if (!tce_window_is_free(t, c, &c->window))
		return VIOMMU_EINVAL;
	if (tce_is_there(&t->pe[c->number]))
		return VIOMMU_EEXIST;
	for (uint32_t i = 0; i < t->config.pes; i++) {
		if (tce_is_there(&t->pe[i]) && same_name(&t->pe[i].config, c))
			return VIOMMU_EEXIST;
	}
	for (uint32_t i = 0; i < c->liobn_count; i++) {
		if (liobn_is_taken(t, c, i))
			return VIOMMU_EEXIST;
	}
	return find_owner(t, c, owner);
}

static void add_pe(struct tce *t, const struct viommu_tce_pe *c, uint32_t owner)
{
	struct tce_pe *pe = &t->pe[c->number];
	struct tce_window *w = tce_windows_of(t, c->number);

	pe->config = *c;
	pe->config.liobns = NULL;
	pe->liobns = 1 + c->liobn_count;
	pe->limited = false;
	atomic_store_explicit(&pe->bypass, 0, memory_order_relaxed);
	atomic_store_explicit(&pe->virtual_io, (bool)(c->flags & VIOMMU_TCE_PE_VIO),
			      memory_order_relaxed);
	atomic_store_explicit(&pe->owner, owner, memory_order_relaxed);
	if (owner == c->number) {
		tce_window_know(t, w, c->window.liobn);
		for (uint32_t i = 0; i < c->liobn_count; i++)
			tce_window_know(t, &w[1 + i], c->liobns[i]);
		tce_default_come(t, owner);
	} else {
		t->pe[owner].sharers++;
	}
	atomic_store_explicit(&pe->live, 1, memory_order_release);
}

/* Devices of the PE are refused, or not: they are told so. */
static void pe_changed(struct tce *t, uint32_t number)
{
	unit_forget(&t->unit, false);
	probe_invalidation(&t->unit, COUNT_CONTEXTS, NULL, number, VIOMMU_ANY_PASID, 0, UINT64_MAX);
	t->job.call = false;
	tce_begin_telling(t, TCE_NUMBER, number, 0, UINT64_MAX, true);
	t->job.took = false; /* nobody has used anything of it */
	tce_advance(t);
	notify_end(&t->unit, VIOMMU_OK);
}

static int take_in(struct viommu *u, const struct viommu_tce_pe *given, uint32_t *number)
{
	struct viommu_tce_pe c;
	struct tce *t;
	uint32_t owner;
	int result = tce_begin(u);

	if (result)
		return result;
	t = tce_of(u);
	result = take_pe(t, &c, given);
	if (!result)
		result = check_pe(t, &c, &owner);
	if (!result) {
		add_pe(t, &c, owner);
		pe_changed(t, c.number);
		*number = c.number;
	}
	unit_end(u);
	return result;
}

int viommu_tce_add_pe(struct viommu *u, const struct viommu_tce_pe *given)
{
	struct record_event e;
	uint32_t number;
	int result;

	if (!u || !u->record)
		return take_in(u, given, &number);
	unit_record_call(u, &e);
	result = take_in(u, given, &number);
	if (result >= 0) {
		e.effects.bytes = 0; /* its windows are those of the PE */
		tce_record_pe(tce_of(u), number, &e.effects);
	}
	record_end(&e, record_after(result));
	return result;
}

/* Whether a device has an id of the PE. */
static bool has_devices(struct tce *t, uint32_t number)
{
	const struct viommu_device *d;
	bool has = false;

	pthread_mutex_lock(&t->unit.devices_lock);
	for (d = t->unit.all_devices; d && !has; d = d->next_of_all) {
		uint32_t id = atomic_load_explicit(&d->id, memory_order_relaxed);

		has = id != VIOMMU_NO_ID && id >> t->config.function_bits == number;
	}
	pthread_mutex_unlock(&t->unit.devices_lock);
	return has;
}

static void remove_pe(struct tce *t, struct tce_pe *pe, uint32_t number)
{
	uint32_t owner = atomic_load_explicit(&pe->owner, memory_order_relaxed);
	struct tce_window *w = tce_windows_of(t, number);

	atomic_store_explicit(&pe->live, 0, memory_order_release);
	if (owner != number) {
		t->pe[owner].sharers--;
	} else {
		for (uint32_t i = 0; i < pe->liobns; i++) {
			if (tce_live(&w[i]))
				tce_window_go(t, &w[i]);
			tce_window_forget(t, &w[i]);
		}
		tce_flush(t, number, 0, UINT64_MAX);
	}
	pe_changed(t, number);
}

static int take_out(struct viommu *u, uint32_t number)
{
	struct tce_pe *pe;
	struct tce *t;
	int result = tce_begin(u);

	if (result)
		return result;
	t = tce_of(u);
	pe = number < t->config.pes ? &t->pe[number] : NULL;
	if (!pe || !tce_is_there(pe))
		result = VIOMMU_ENOENT;
	else if (pe->sharers || has_devices(t, number))
		result = VIOMMU_EBUSY;
	else
		remove_pe(t, pe, number);
	unit_end(u);
	return result;
}

int viommu_tce_remove_pe(struct viommu *u, uint32_t number)
{
	struct record_event e;
	int result;

	if (!u || !u->record)
		return take_out(u, number);
	unit_record_call(u, &e);
	result = take_out(u, number);
	if (result >= 0) {
		e.effects.bytes = 0;
		record_header(&e.effects, "PEG", number);
	}
	record_end(&e, record_after(result));
	return result;
}

int viommu_tce_get_windows(struct viommu *u, uint32_t number, struct viommu_tce_window *windows,
			   uint32_t *count)
{
	const struct tce_window *w;
	struct tce *t;

	if (!u || !engine_is(u->engine, &tce_engine) || !windows || !count)
		return VIOMMU_EINVAL;
	t = tce_of(u);
	if (!unit_begin(u))
		return VIOMMU_EBUSY;
	*count = 0;
	if (number >= t->config.pes || !tce_is_there(&t->pe[number])) {
		unit_end(u);
		return VIOMMU_ENOENT;
	}
	w = tce_windows_of(t, atomic_load_explicit(&t->pe[number].owner, memory_order_relaxed));
	for (uint32_t i = 0; i < VIOMMU_TCE_WINDOWS; i++) {
		if (tce_live(&w[i]))
			windows[(*count)++] =
				(struct viommu_tce_window){ .liobn = w[i].liobn,
							    .page_shift = tce_shift(&w[i]),
							    .start = tce_start(&w[i]),
							    .entries = tce_entries(&w[i]) };
	}
	unit_end(u);
	return VIOMMU_OK;
}

/* ---- the engine ---- */

static uint32_t mode(struct viommu *u, struct viommu_device *device)
{
	return tce_mode_of(tce_pe_of(tce_of(u), tce_id(tce_device_of(device))));
}

/* LoPAR: created windows go, the default ones come back, entries are 0. */
static int reset(struct viommu *u)
{
	struct tce *t = tce_of(u);

	tce_drop_pending(t);
	/* at most TCE_PES_MAX steps */
	for (uint32_t i = 0; i < t->config.pes; i++) {
		struct tce_pe *pe = &t->pe[i];

		if (!tce_is_there(pe))
			continue;
		atomic_store_explicit(&pe->bypass, 0, memory_order_relaxed);
		if (atomic_load_explicit(&pe->owner, memory_order_relaxed) == i)
			tce_windows_reset(t, i);
	}
	tce_flush_all(t);
	t->job = (struct tce_job){ .call = false };
	tce_begin_telling(t, TCE_ALL, 0, 0, UINT64_MAX, true);
	return tce_advance(t) && !t->quiet.completion.epoch ? VIOMMU_OK : VIOMMU_PENDING;
}

static int run(struct viommu *u)
{
	struct tce *t = tce_of(u);

	return tce_complete(t, tce_advance(t));
}

/* There are no registers. */
static bool reg_peek(const struct viommu *u, uint64_t offset, uint32_t bytes, uint64_t *value)
{
	(void)u;
	(void)offset;
	(void)bytes;
	*value = 0;
	return true;
}

static int device_new(struct viommu *u, struct viommu_device *device)
{
	if (device->config.virtio)
		return VIOMMU_EINVAL;
	if (device->config.invalidate)
		atomic_fetch_add(&tce_of(u)->caching, 1);
	return VIOMMU_OK;
}

/* With devices_lock held. */
static void device_gone(struct viommu *u, struct viommu_device *device)
{
	struct tce *t = tce_of(u);

	if (t->at == tce_device_of(device))
		t->at = (struct tce_device *)(void *)device->next_of_all;
	if (device->config.invalidate)
		atomic_fetch_sub(&t->caching, 1);
}

/* As far as there are steps: who comes too early is refused, see mapping(). */
static void finish(struct viommu *u)
{
	tce_advance(tce_of(u));
}

static bool mapping(const struct viommu *u)
{
	const struct tce_job *job = &((const struct tce *)u)->job; /* unit is the first member */

	return job->phase == TCE_TELLING || job->phase == TCE_UNDOING ||
	       job->phase == TCE_TELLING_DEVICES;
}

static void free_unit(struct viommu *u)
{
	struct tce *t = tce_of(u);
	struct viommu_vm *vm = u->vm;
	uint64_t pes = t->config.pes;

	unit_fini(u);
	tce_pool_fini(&t->pool);
	vm_dealloc(vm, t->pe, pes * sizeof(*t->pe));
	vm_dealloc(vm, t->window, pes * VIOMMU_TCE_WINDOWS * sizeof(*t->window));
	vm_dealloc(vm, t->bucket, t->buckets * sizeof(*t->bucket));
	vm_dealloc(vm, t->pending, TCE_PENDING_MAX * sizeof(*t->pending));
	vm_dealloc(vm, t->use, pes * sizeof(*t->use));
	vm_dealloc(vm, t, sizeof(*t));
}

const struct engine tce_engine = {
	.name = "tce",
	.last_id = UINT32_MAX - 1, /* VIOMMU_NO_ID is none */
	.translate = tce_translate,
	.parse = tce_parse,
	.visit = tce_visit,
	.reg_peek = reg_peek,
	.run = run,
	.reset = reset,
	.save = tce_save,
	.restore = tce_restore,
	.finish = finish,
	.mapping = mapping,
	.free = free_unit,
	.device_bytes = sizeof(struct tce_device),
	.device_new = device_new,
	.device_gone = device_gone,
	.mode = mode,
	.reason_text = tce_reason_text,
	.describe = tce_describe,
};

/* ---- creation ---- */

static const char *objection(const struct viommu_tce_config *c)
{
	const struct {
		bool bad;
		const char *text;
	} checks[] = {
		{ c->pes > TCE_PES_MAX, "pes: at most 4096" },
		{ c->function_bits > 20, "function_bits: at most 20" },
		{ c->table_bytes < UINT64_C(1) << 16, "table_bytes: at least 65536" },
		{ c->table_bytes > UINT64_C(1) << 38, "table_bytes: at most 2^38" },
		{ (c->msi_first | c->msi_bytes) & bits_low(12), "msi: a multiple of 4096" },
		{ c->msi_bytes && c->msi_first + (c->msi_bytes - 1) < c->msi_first,
		  "msi: it wraps" },
	};

	for (unsigned i = 0; i < ARRAY_COUNT(checks); i++) {
		if (checks[i].bad)
			return checks[i].text;
	}
	return NULL;
}

/* Before there is a unit: the host is the caller's. */
static int refuse_config(const struct viommu_tce_config *config, int result, const char *text)
{
	struct viommu_host host;

	if (config->host && !abi_take(&host, sizeof(host), sizeof(host.size), config->host) &&
	    host.message)
		host.message(host.opaque, text);
	return result;
}

static const uint32_t config_flags =
	VIOMMU_TCE_STUFF_UNLIMITED | VIOMMU_TCE_ANY_ADDRESS | VIOMMU_TCE_NO_MULTI;

static int take_config(struct viommu_tce_config *c, const struct viommu_tce_config *given)
{
	const char *text;
	int result = abi_take(c, sizeof(*c), offsetof(struct viommu_tce_config, pes), given);

	if (result && given && given->size >= sizeof(*given))
		return refuse_config(given, result,
				     "config: a field is set that this version does not have");
	if (result)
		return result;
	if (c->flags & ~config_flags)
		return refuse_config(c, VIOMMU_ENOTSUP, "flags: an unknown bit");
	if (!c->pes)
		c->pes = 256;
	if (!c->table_bytes)
		c->table_bytes = UINT64_C(1) << 28;
	text = objection(c);
	return text ? refuse_config(c, VIOMMU_EINVAL, text) : VIOMMU_OK;
}

/* In the order in which free_unit() can take it back at any point: what was not reached is NULL. */
static int init_store(struct tce *t)
{
	struct viommu_vm *vm = t->unit.vm;
	uint64_t pes = t->config.pes;

	t->buckets = (uint32_t)bits_power_of_two(2 * pes);
	t->pe = vm_alloc(vm, pes * sizeof(*t->pe), _Alignof(struct tce_pe));
	t->window = vm_alloc(vm, pes * VIOMMU_TCE_WINDOWS * sizeof(*t->window),
			     _Alignof(struct tce_window));
	t->bucket = vm_alloc(vm, t->buckets * sizeof(*t->bucket), _Alignof(uint32_t));
	t->pending =
		vm_alloc(vm, TCE_PENDING_MAX * sizeof(*t->pending), _Alignof(struct tce_pending));
	t->use = vm_alloc(vm, pes * sizeof(*t->use), _Alignof(struct tce_use));
	if (!t->pe || !t->window || !t->bucket || !t->pending || !t->use)
		return VIOMMU_ENOMEM;
	return tce_pool_init(&t->pool, vm, t->config.table_bytes);
}

int viommu_tce_new(struct viommu_vm *vm, const struct viommu_tce_config *given, struct viommu **out)
{
	struct viommu_tce_config config;
	struct tce *t;
	int result;

	if (!vm || !out)
		return VIOMMU_EINVAL;
	result = take_config(&config, given);
	if (result)
		return result;
	t = vm_alloc(vm, sizeof(*t), _Alignof(struct tce));
	result = t ? unit_init(&t->unit, &tce_engine, vm, config.host, config.limits)
		   : VIOMMU_ENOMEM;
	if (!result) {
		t->config = config;
		t->memory = (struct mem_place)MEM_NOWHERE;
		t->unit.all_wait = true; /* tce_sync.c decides whom a call concerns */
		epoch_scan_add(&t->unit.epoch, &t->scan);
		result = init_store(t);
		if (result)
			free_unit(&t->unit);
	} else if (t) {
		vm_dealloc(vm, t, sizeof(*t));
	}
	if (result)
		return refuse_config(
			&config, result,
			result == VIOMMU_ENOMEM
				? "no memory for what the limits and caps ask for"
				: "host or limits: a reserved field is not 0, a size is not one "
				  "that is known, or a number is too large");
	*out = &t->unit;
	return VIOMMU_OK;
}

int viommu_tce_get_config(const struct viommu *u, struct viommu_tce_config *config)
{
	const struct tce *t = (const struct tce *)u; /* unit is the first member */
	struct viommu_tce_config now;

	if (!u || !engine_is(u->engine, &tce_engine))
		return VIOMMU_EINVAL;
	now = t->config;
	now.host = NULL; /* the caller's */
	now.limits = NULL;
	return abi_give(config, &now, sizeof(now));
}
