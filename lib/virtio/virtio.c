/* SPDX-License-Identifier: BSD-3-Clause */
/* virtio.c - a virtio-iommu: creation, features, configuration space, reset. */

#include <stddef.h>

#include "abi.h"
#include "range.h"
#include "probe.h"
#include "recorder.h"
#include "virtio_engine.h"

/* How endpoints are treated that are not attached may have changed. */
static int pass_changed(struct virtio *v)
{
	if (!virtio_decide_pass(v))
		return VIOMMU_OK;
	unit_forget(&v->unit, false);
	probe_invalidation(&v->unit, COUNT_CONTEXTS, NULL, 0, VIOMMU_ANY_PASID, 0, UINT64_MAX);
	return virtio_tell_pass(v) && !v->quiet.completion.epoch ? VIOMMU_OK : VIOMMU_PENDING;
}

static int reset_all(struct virtio *v)
{
	virtio_forget(v);
	virtio_begin_reset(v);
	return virtio_advance(v) && !v->barrier.completion.epoch ? VIOMMU_OK : VIOMMU_PENDING;
}

/* Of the machine: config.bypass SHOULD be restored (5.13.4.1). */
static int reset(struct viommu *u)
{
	struct virtio *v = virtio_of(u);

	atomic_store_explicit(&v->bypass, v->config.bypass, memory_order_relaxed);
	return reset_all(v);
}

static int run(struct viommu *u)
{
	struct virtio *v = virtio_of(u);

	virtio_settle(v);
	return virtio_complete(v, virtio_advance(v));
}

/* A call whose line is a number. */
static int recorded(struct viommu *u, int (*call)(struct viommu *u, uint64_t value),
		    const char *name, uint64_t value)
{
	struct record_event e;
	int result;

	if (!u || !u->record)
		return call(u, value);
	unit_record_call(u, &e);
	result = call(u, value);
	if (result >= 0) {
		record_word(&e.line, name);
		record_hex(&e.line, value);
	}
	record_end(&e, record_after(result));
	return result;
}

static int reset_device(struct viommu *u, uint64_t kind)
{
	int result = virtio_begin(u);

	(void)kind;
	if (result)
		return result;
	result = reset_all(virtio_of(u));
	unit_end(u);
	return result;
}

int viommu_virtio_reset(struct viommu *u)
{
	return recorded(u, reset_device, "X", 0);
}

static int set_features(struct viommu *u, uint64_t accepted)
{
	struct virtio *v;
	int result = virtio_begin(u);

	if (result)
		return result;
	v = virtio_of(u);
	if (accepted & VIRTIO_FEATURES_OF_DEVICE & ~v->config.features) {
		result = VIOMMU_EINVAL;
	} else {
		v->accepted = accepted & VIRTIO_FEATURES_OF_DEVICE;
		result = pass_changed(v);
	}
	unit_end(u);
	return result;
}

int viommu_virtio_set_features(struct viommu *u, uint64_t accepted)
{
	return recorded(u, set_features, "F", accepted);
}

/* ---- configuration space (5.13.4) ---- */

static void put(unsigned char *to, uint64_t value, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		to[i] = (unsigned char)(value >> 8 * i);
}

/* All of it can be read beside anything. */
static bool reg_peek(const struct viommu *u, uint64_t offset, uint32_t bytes, uint64_t *value)
{
	const struct virtio *v = (const struct virtio *)u;
	unsigned char space[VIOMMU_VIRTIO_CONFIG_BYTES] = { 0 };

	*value = 0;
	if ((bytes != 1 && bytes != 2 && bytes != 4 && bytes != 8) || offset % bytes ||
	    offset >= sizeof(space) || bytes > sizeof(space) - offset)
		return true;
	offset = bits_clamp_index(offset, sizeof(space));
	put(space + VIRTIO_CONFIG_PAGE_SIZE_MASK, v->config.page_size_mask, 8);
	put(space + VIRTIO_CONFIG_INPUT_FIRST, v->config.input_first, 8);
	put(space + VIRTIO_CONFIG_INPUT_LAST, v->config.input_last, 8);
	put(space + VIRTIO_CONFIG_DOMAIN_FIRST, v->config.domain_first, 4);
	put(space + VIRTIO_CONFIG_DOMAIN_LAST, v->config.domain_last, 4);
	put(space + VIRTIO_CONFIG_PROBE_SIZE, v->config.probe_size, 4);
	space[VIRTIO_CONFIG_BYPASS] =
		(unsigned char)atomic_load_explicit(&v->bypass, memory_order_relaxed);
	for (uint32_t i = 0; i < bytes; i++)
		*value |= (uint64_t)space[offset + i] << 8 * i;
	return true;
}

/* Only config.bypass can be written, with one byte (4.2.2.2: fields are accessed at their size),
 * and only 0 and 1 to it (5.13.4.1). */
static int reg_write(struct viommu *u, uint64_t offset, uint32_t bytes, uint64_t value)
{
	struct virtio *v = virtio_of(u);

	if (offset != VIRTIO_CONFIG_BYPASS || bytes != 1 ||
	    !(v->accepted & VIOMMU_VIRTIO_F_BYPASS_CONFIG) || (value & 0xff) > 1)
		return VIOMMU_OK;
	virtio_settle(v);
	atomic_store_explicit(&v->bypass, value & 1, memory_order_relaxed);
	return pass_changed(v);
}

/* ---- creation ---- */

static void free_unit(struct viommu *u)
{
	struct virtio *v = virtio_of(u);
	struct viommu_vm *vm = u->vm;

	unit_fini(u);
	if (v->pool)
		range_pool_free(v->pool);
	virtio_regions_free(v);
	vm_dealloc(vm, v->domain, (v->config.domains + UINT64_C(1)) * sizeof(*v->domain));
	vm_dealloc(vm, v->bucket, v->buckets * sizeof(*v->bucket));
	vm_dealloc(vm, v->pending, VIRTIO_PENDING_MAX * sizeof(*v->pending));
	vm_dealloc(vm, v->event, v->config.events * sizeof(*v->event));
	pthread_mutex_destroy(&v->event_lock);
	vm_dealloc(vm, v, sizeof(*v));
}

static uint32_t mode(struct viommu *u, struct viommu_device *device)
{
	return virtio_mode(virtio_of(u), virtio_endpoint_of(device));
}

/* What is attached is so by its id: a state would not know it. */
static bool keeps_id(const struct viommu_device *device)
{
	return ((const struct virtio_endpoint *)device)->domain; /* device is the first member */
}

static bool mapping(const struct viommu *u)
{
	const struct virtio_job *job =
		&((const struct virtio *)u)->job; /* unit is the first member */

	return job->phase == VIRTIO_TELLING_MAP || job->phase == VIRTIO_ATTACHING ||
	       (job->phase == VIRTIO_TELLING && job->everybody);
}

const struct engine virtio_engine = {
	.name = "virtio",
	.last_id = UINT32_MAX - 1, /* VIOMMU_NO_ID is none */
	.translate = virtio_translate,
	.parse = virtio_parse,
	.visit = virtio_visit,
	.reg_peek = reg_peek,
	.reg_write = reg_write,
	.run = run,
	.reset = reset,
	.save = virtio_save,
	.restore = virtio_restore,
	.finish = virtio_finish_job,
	.mapping = mapping,
	.free = free_unit,
	.device_bytes = sizeof(struct virtio_endpoint),
	.device_new = virtio_device_new,
	.keeps_id = keeps_id,
	.device_failed = virtio_device_failed,
	.device_gone = virtio_device_gone,
	.byte_granular = true,
	.mode = mode,
	.reason_text = virtio_reason_text,
	.describe = virtio_describe,
};

/* What a configuration may not say, as (condition, words for a person). */
static const char *objection(const struct viommu_virtio_config *c)
{
	const struct {
		bool bad;
		const char *text;
	} checks[] = {
		{ c->flags, "flags: none are defined" },
		{ (c->features & VIOMMU_VIRTIO_F_BYPASS) &&
			  (c->features & VIOMMU_VIRTIO_F_BYPASS_CONFIG),
		  "features: BYPASS and BYPASS_CONFIG exclude each other" },
		{ c->bypass > 1, "bypass: 0 or 1" },
		{ c->bypass && !(c->features & VIOMMU_VIRTIO_F_BYPASS_CONFIG),
		  "bypass: needs the feature BYPASS_CONFIG" },
		{ c->input_first > c->input_last, "input range: the first is above the last" },
		{ (c->input_first || c->input_last != UINT64_MAX) &&
			  !(c->features & VIOMMU_VIRTIO_F_INPUT_RANGE),
		  "input range: needs the feature INPUT_RANGE" },
		{ c->domain_first > c->domain_last, "domain range: the first is above the last" },
		{ (c->domain_first || c->domain_last != UINT32_MAX) &&
			  !(c->features & VIOMMU_VIRTIO_F_DOMAIN_RANGE),
		  "domain range: needs the feature DOMAIN_RANGE" },
		{ c->probe_size > UINT32_C(1) << 20, "probe_size: at most 2^20" },
		{ c->domains > VIRTIO_ATTACHED_SLOT, "domains: at most 2^20 - 1" },
		{ c->mappings > UINT32_C(1) << 26, "mappings: at most 2^26" },
		{ c->events > UINT32_C(1) << 16, "events: at most 65536" },
	};

	for (unsigned i = 0; i < ARRAY_COUNT(checks); i++) {
		if (checks[i].bad)
			return checks[i].text;
	}
	return NULL;
}

/* Before there is a unit: the host is the caller's. */
static int refuse_config(const struct viommu_virtio_config *config, int result, const char *text)
{
	struct viommu_host host;

	if (config->host && !abi_take(&host, sizeof(host), sizeof(host.size), config->host) &&
	    host.message)
		host.message(host.opaque, text);
	return result;
}

/* A configuration that is longer than ours is refused for what we do not know, and has a host. */
static int refuse_size(const struct viommu_virtio_config *given, int result)
{
	if (given && given->size >= sizeof(*given))
		refuse_config(given, result,
			      "config: a field is set that this version does not have");
	return result;
}

/* What unit_init() and init_store() say. */
static int refuse_unit(const struct viommu_virtio_config *config, int result)
{
	return refuse_config(
		config, result,
		result == VIOMMU_ENOMEM
			? "no memory for what the limits and caps ask for"
			: "host or limits: a reserved field is not 0, a size is not one "
			  "that is known, or a number is too large");
}

static void set_default(uint32_t *field, uint32_t value)
{
	if (*field == 0)
		*field = value;
}

static int take_config(struct viommu_virtio_config *c, const struct viommu_virtio_config *given)
{
	const char *text;
	int result =
		abi_take(c, sizeof(*c), offsetof(struct viommu_virtio_config, features), given);

	if (result)
		return refuse_size(given, result);
	if (!c->features)
		c->features = VIRTIO_FEATURES_ALL & ~VIOMMU_VIRTIO_F_BYPASS;
	if (c->features & ~VIRTIO_FEATURES_ALL)
		return refuse_config(c, VIOMMU_ENOTSUP, "features: an unknown bit");
	if (!c->page_size_mask)
		c->page_size_mask = ~bits_low(12);
	if (!c->input_last)
		c->input_last = UINT64_MAX;
	if (!c->gpa_last)
		c->gpa_last = bits_low(52);
	set_default(&c->domain_last, UINT32_MAX);
	set_default(&c->probe_size, 512);
	set_default(&c->domains, 65536);
	set_default(&c->mappings, UINT32_C(1) << 22);
	set_default(&c->domain_mappings, c->mappings);
	set_default(&c->events, 256);
	text = objection(c);
	return text ? refuse_config(c, VIOMMU_EINVAL, text) : VIOMMU_OK;
}

static void *pool_alloc(void *vm, uint64_t bytes, uint64_t align)
{
	return vm_alloc(vm, bytes, align);
}

static void pool_dealloc(void *vm, void *block, uint64_t bytes)
{
	vm_dealloc(vm, block, bytes);
}

/* In the order in which free_unit() can take it back at any point: what was not reached is NULL. */
static int init_store(struct virtio *v)
{
	struct viommu_vm *vm = v->unit.vm;
	struct range_pool_config pool = {
		.alloc = pool_alloc,
		.dealloc = pool_dealloc,
		.opaque = vm,
		/* while a state is being restored, what it has is beside what there was */
		.items = 2 * v->config.mappings,
	};

	v->buckets = (uint32_t)bits_power_of_two(v->config.domains);
	v->domain = vm_alloc(vm, (v->config.domains + UINT64_C(1)) * sizeof(*v->domain),
			     _Alignof(struct virtio_domain));
	v->bucket = vm_alloc(vm, v->buckets * sizeof(*v->bucket), _Alignof(uint32_t));
	v->pending = vm_alloc(vm, VIRTIO_PENDING_MAX * sizeof(*v->pending),
			      _Alignof(struct virtio_pending));
	v->event =
		vm_alloc(vm, v->config.events * sizeof(*v->event), _Alignof(struct virtio_event));
	if (!v->domain || !v->bucket || !v->pending || !v->event)
		return VIOMMU_ENOMEM;
	return range_pool_new(&pool, &v->pool);
}

int viommu_virtio_new(struct viommu_vm *vm, const struct viommu_virtio_config *given,
		      struct viommu **out)
{
	struct viommu_virtio_config config;
	struct virtio *v;
	int result;

	if (!vm || !out)
		return VIOMMU_EINVAL;
	result = take_config(&config, given);
	if (result)
		return result;
	v = vm_alloc(vm, sizeof(*v), _Alignof(struct virtio));
	if (!v)
		return refuse_unit(&config, VIOMMU_ENOMEM);
	v->config = config;
	v->granule = config.page_size_mask & -config.page_size_mask;
	v->accepted = config.features;
	v->bypass = config.bypass;
	virtio_decide_pass(v);
	pthread_mutex_init(&v->event_lock, NULL);
	result = unit_init(&v->unit, &virtio_engine, vm, config.host, config.limits);
	if (result) {
		pthread_mutex_destroy(&v->event_lock);
		vm_dealloc(vm, v, sizeof(*v));
		return refuse_unit(&config, result);
	}
	v->unit.all_wait = true; /* virtio_use.c decides whom a request concerns */
	epoch_scan_add(&v->unit.epoch, &v->uses.scan);
	result = init_store(v);
	if (result) {
		free_unit(&v->unit);
		return refuse_unit(&config, result);
	}
	v->unit.register_bytes = VIOMMU_VIRTIO_CONFIG_BYTES;
	*out = &v->unit;
	return VIOMMU_OK;
}

int viommu_virtio_get_config(const struct viommu *u, struct viommu_virtio_config *config)
{
	const struct virtio *v = (const struct virtio *)u; /* unit is the first member */
	struct viommu_virtio_config now;

	if (!u || !engine_is(u->engine, &virtio_engine))
		return VIOMMU_EINVAL;
	now = v->config;
	now.host = NULL; /* the caller's */
	now.limits = NULL;
	return abi_give(config, &now, sizeof(now));
}
