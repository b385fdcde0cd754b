/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * virtio_state.c - save and restore. The mappings are ours, so they are part of it.
 *
 *	"conf"  features, page sizes, ranges, probe_size: must be those of the one that restores
 *	"virt"  accepted features, config.bypass
 *	"ends"  endpoint id and domain id of each attached endpoint
 *	"doms"  id, bypass, count of mappings of each domain
 *	"maps"  first, last, target, flags of each mapping; of one domain after the other, in order
 *	"evts"  reason, flags, endpoint, address of each fault record that waits
 *
 * Requests that are pending are not: their answers are in their buffers, and nobody on the other
 * side uses what they took away.
 */

#include "range.h"
#include "seqlock.h"
#include "state.h"
#include "virtio_engine.h"

/* ---- save ---- */

static void put_config(const struct virtio *v, struct state_writer *state)
{
	state_record(state, "conf");
	state_put64(state, v->config.features);
	state_put64(state, v->config.page_size_mask);
	state_put64(state, v->config.input_first);
	state_put64(state, v->config.input_last);
	state_put64(state, v->config.gpa_last);
	state_put32(state, v->config.domain_first);
	state_put32(state, v->config.domain_last);
	state_put32(state, v->config.probe_size);
	state_record(state, "virt");
	state_put64(state, v->accepted);
	state_put32(state, v->bypass);
}

/* Endpoints may be freed by other threads: who is attached, and to what, is said of one moment. */
static void put_endpoints(struct virtio *v, struct state_writer *state)
{
	pthread_mutex_lock(&v->unit.devices_lock);
	state_record(state, "ends");
	for (struct viommu_device *device = v->unit.all_devices; device;
	     device = device->next_of_all) {
		const struct virtio_domain *d = virtio_endpoint_of(device)->domain;

		if (!d)
			continue;
		state_put32(state, atomic_load_explicit(&device->id, memory_order_relaxed));
		state_put32(state, atomic_load_explicit(&d->id, memory_order_relaxed));
	}
	state_record(state, "doms");
	for (uint32_t i = 0; i < v->domain_used; i++) {
		struct virtio_domain *d = &v->domain[i];

		d->saved = d->endpoint_count != 0;
		if (!d->saved)
			continue;
		state_put32(state, atomic_load_explicit(&d->id, memory_order_relaxed));
		state_put32(state, virtio_is_pass(d));
		state_put32(state, d->map.count);
	}
	pthread_mutex_unlock(&v->unit.devices_lock);
}

static void put_mappings(const struct virtio *v, const struct range_map *map,
			 struct state_writer *state)
{
	struct range_item item;
	uint64_t at = 0;

	while (range_map_next(v->pool, map, at, &item)) {
		state_put64(state, item.first);
		state_put64(state, item.last);
		state_put64(state, item.target);
		state_put32(state, item.perm);
		at = item.last + 1;
		if (at == 0)
			break;
	}
}

static void put_events(struct virtio *v, struct state_writer *state)
{
	state_record(state, "evts");
	pthread_mutex_lock(&v->event_lock);
	for (uint32_t i = 0; i < v->event_count; i++) {
		const struct virtio_event *event =
			&v->event[(v->event_first + i) % v->config.events];

		state_put32(state, event->reason);
		state_put32(state, event->flags);
		state_put32(state, event->endpoint);
		state_put64(state, event->address);
	}
	pthread_mutex_unlock(&v->event_lock);
}

void virtio_save(struct viommu *u, struct state_writer *state)
{
	struct virtio *v = virtio_of(u);

	virtio_settle(v);
	virtio_decide(v);
	put_config(v, state);
	put_endpoints(v, state);
	state_record(state, "maps");
	for (uint32_t i = 0; i < v->domain_used; i++) {
		if (v->domain[i].saved)
			put_mappings(v, &v->domain[i].map, state);
	}
	put_events(v, state);
}

/* ---- restore: everything is checked and built before anything is changed ---- */

#define ENDPOINT_BYTES 8U
#define DOMAIN_BYTES   12U
#define MAPPING_BYTES  28U
#define EVENT_BYTES    20U

struct loaded_domain {
	uint32_t id;
	uint32_t next; /* in its bucket: index + 1 */
	uint32_t pass;
	uint32_t mappings;
	uint32_t endpoints;
	struct range_map map;
	struct virtio_domain *domain;
};

struct loaded {
	uint64_t accepted;
	uint32_t bypass;
	uint32_t count;
	uint32_t buckets; /* a power of two */
	struct loaded_domain *domain;
	uint32_t *bucket; /* by hash of the id: index + 1 */
};

static bool load_config(const struct virtio *v, struct state_reader *state)
{
	return state_find(state, "conf") && state_get64(state) == v->config.features &&
	       state_get64(state) == v->config.page_size_mask &&
	       state_get64(state) == v->config.input_first &&
	       state_get64(state) == v->config.input_last &&
	       state_get64(state) == v->config.gpa_last &&
	       state_get32(state) == v->config.domain_first &&
	       state_get32(state) == v->config.domain_last &&
	       state_get32(state) == v->config.probe_size && state_left(state) == 0;
}

static bool load_features(const struct virtio *v, struct state_reader *state, struct loaded *l)
{
	if (!state_find(state, "virt"))
		return false;
	l->accepted = state_get64(state);
	l->bypass = state_get32(state);
	if (state->bad || state_left(state) || (l->accepted & ~v->config.features))
		return false;
	return l->bypass == 0 ||
	       (l->bypass == 1 && (v->config.features & VIOMMU_VIRTIO_F_BYPASS_CONFIG));
}

static uint32_t *loaded_bucket(const struct virtio *v, const struct loaded *l, uint32_t id)
{
	return &l->bucket[vm_hash(v->unit.vm->key, id, 1) & (l->buckets - 1)];
}

static struct loaded_domain *loaded_find(const struct virtio *v, const struct loaded *l,
					 uint32_t id)
{
	uint32_t at = l->count ? *loaded_bucket(v, l, id) : 0;

	while (at && l->domain[at - 1].id != id)
		at = l->domain[at - 1].next;
	return at ? &l->domain[at - 1] : NULL;
}

static int load_domain(const struct virtio *v, struct state_reader *state, struct loaded *l,
		       uint32_t index)
{
	struct loaded_domain *d = &l->domain[index];
	uint32_t id = state_get32(state);
	uint32_t *bucket = loaded_bucket(v, l, id);

	if (id < v->config.domain_first || id > v->config.domain_last || loaded_find(v, l, id))
		return VIOMMU_ESTATE;
	d->id = id;
	d->pass = state_get32(state);
	d->mappings = state_get32(state);
	d->next = *bucket;
	*bucket = index + 1;
	if (d->pass > 1 || (d->pass && d->mappings) || d->mappings > v->config.domain_mappings ||
	    (d->pass && !(v->config.features & VIOMMU_VIRTIO_F_BYPASS_CONFIG)))
		return VIOMMU_ESTATE;
	return VIOMMU_OK;
}

static int load_domains(const struct virtio *v, struct state_reader *state, struct loaded *l)
{
	uint64_t bytes;

	if (!state_find(state, "doms"))
		return VIOMMU_ESTATE;
	bytes = state_left(state);
	if (bytes % DOMAIN_BYTES || bytes / DOMAIN_BYTES > v->config.domains)
		return VIOMMU_ESTATE;
	l->count = (uint32_t)(bytes / DOMAIN_BYTES);
	if (!l->count)
		return VIOMMU_OK;
	l->buckets = (uint32_t)bits_power_of_two(l->count);
	l->domain =
		vm_alloc(v->unit.vm, l->count * sizeof(*l->domain), _Alignof(struct loaded_domain));
	l->bucket = vm_alloc(v->unit.vm, l->buckets * sizeof(*l->bucket), _Alignof(uint32_t));
	if (!l->domain || !l->bucket)
		return VIOMMU_ENOMEM;
	for (uint32_t i = 0; i < l->count; i++) {
		int result = load_domain(v, state, l, i);

		if (result)
			return result;
	}
	return VIOMMU_OK;
}

static int load_mapping(const struct virtio *v, struct state_reader *state, struct range_map *map)
{
	struct range_item item = { .first = state_get64(state) };
	uint32_t known = VIRTIO_MAP_F_READ | VIRTIO_MAP_F_WRITE |
			 (v->config.features & VIOMMU_VIRTIO_F_MMIO ? VIRTIO_MAP_F_MMIO : 0);
	int result;

	item.last = state_get64(state);
	item.target = state_get64(state);
	item.perm = state_get32(state);
	if ((item.perm & ~known) || virtio_check_item(v, v->granule, &item))
		return VIOMMU_ESTATE;
	result = range_map_add(v->pool, map, &item);
	return result == VIOMMU_EEXIST ? VIOMMU_ESTATE : result ? VIOMMU_ENOMEM : VIOMMU_OK;
}

static int load_mappings(const struct virtio *v, struct state_reader *state, struct loaded *l)
{
	uint64_t total = 0;

	if (!state_find(state, "maps"))
		return VIOMMU_ESTATE;
	for (uint32_t i = 0; i < l->count; i++)
		total += l->domain[i].mappings;
	if (total > v->config.mappings || state_left(state) != total * MAPPING_BYTES ||
	    (total && !(v->config.features & VIOMMU_VIRTIO_F_MAP_UNMAP)))
		return VIOMMU_ESTATE;
	for (uint32_t i = 0; i < l->count; i++) {
		for (uint32_t j = 0; j < l->domain[i].mappings; j++) {
			int result = load_mapping(v, state, &l->domain[i].map);

			if (result)
				return result;
		}
	}
	return VIOMMU_OK;
}

/* An endpoint of the state: one that there is, that has not been named before, and that agrees with
 * the mappings of its domain. */
static bool load_endpoint(struct virtio *v, struct state_reader *state, const struct loaded *l)
{
	struct viommu_device *device = device_get(&v->unit, state_get32(state));
	struct loaded_domain *d = loaded_find(v, l, state_get32(state));
	struct virtio_endpoint *e = device ? virtio_endpoint_of(device) : NULL;
	bool ok = e && d && e->mark != v->restores && virtio_fits(v, &d->map, v->granule, e);

	if (ok) {
		e->mark = v->restores;
		d->endpoints++;
	}
	if (device)
		device_put(device);
	return ok;
}

static bool load_endpoints(struct virtio *v, struct state_reader *state, const struct loaded *l)
{
	uint64_t count;

	if (!state_find(state, "ends") || state_left(state) % ENDPOINT_BYTES)
		return false;
	v->restores++;
	count = state_left(state) / ENDPOINT_BYTES;
	for (uint64_t i = 0; i < count; i++) {
		if (!load_endpoint(v, state, l))
			return false;
	}
	for (uint32_t i = 0; i < l->count; i++) {
		if (!l->domain[i].endpoints)
			return false;
	}
	return true;
}

static void get_event(struct state_reader *state, struct virtio_event *event)
{
	event->reason = state_get32(state);
	event->flags = state_get32(state);
	event->endpoint = state_get32(state);
	event->address = state_get64(state);
}

static bool check_events(const struct virtio *v, struct state_reader *state)
{
	const uint32_t flags = VIRTIO_FAULT_F_READ | VIRTIO_FAULT_F_WRITE | VIRTIO_FAULT_F_ADDRESS;
	uint64_t count;

	if (!state_find(state, "evts") || state_left(state) % EVENT_BYTES)
		return false;
	count = state_left(state) / EVENT_BYTES;
	for (uint64_t i = 0; i < count; i++) {
		struct virtio_event event;

		get_event(state, &event);
		if (event.reason > VIRTIO_FAULT_MAPPING || (event.flags & ~flags))
			return false;
	}
	return count <= v->config.events;
}

static int load(struct virtio *v, struct state_reader *state, struct loaded *l)
{
	int result;

	if (!load_config(v, state) || !load_features(v, state, l) || !check_events(v, state))
		return VIOMMU_ESTATE;
	result = load_domains(v, state, l);
	if (!result)
		result = load_mappings(v, state, l);
	if (!result && !load_endpoints(v, state, l))
		result = VIOMMU_ESTATE;
	return result;
}

static void take_endpoints(struct virtio *v, struct state_reader *state, const struct loaded *l)
{
	state_find(state, "ends");
	while (state_left(state)) {
		struct viommu_device *device = device_get(&v->unit, state_get32(state));
		const struct loaded_domain *d = loaded_find(v, l, state_get32(state));

		if (!device) /* freed since we looked */
			continue;
		if (d && d->domain)
			virtio_join(v, virtio_endpoint_of(device), d->domain);
		device_put(device);
	}
}

static void take_events(struct virtio *v, struct state_reader *state)
{
	pthread_mutex_lock(&v->event_lock);
	state_find(state, "evts");
	/* Who translates meanwhile has recorded that nobody was attached. */
	v->event_first = 0;
	v->event_count = 0;
	while (state_left(state))
		get_event(state, &v->event[v->event_count++]);
	pthread_mutex_unlock(&v->event_lock);
}

static void take(struct virtio *v, struct state_reader *state, struct loaded *l)
{
	virtio_forget(v);
	virtio_detach_all(v);
	v->accepted = l->accepted;
	v->bypass = l->bypass;
	virtio_decide_pass(v);
	for (uint32_t i = 0; i < l->count; i++) {
		struct loaded_domain *d = &l->domain[i];

		d->domain = virtio_domain_new(v, d->id, d->pass);
		if (!NEVER(!d->domain))
			range_map_move(v->pool, &d->domain->map, &d->map);
	}
	take_endpoints(v, state, l);
	/* Domains whose only endpoint was freed since we looked. */
	for (uint32_t i = 0; i < l->count; i++) {
		if (l->domain[i].domain)
			virtio_free_empty(v, l->domain[i].domain);
	}
	take_events(v, state);
	unit_forget(&v->unit, true);
	virtio_begin_telling(v, true);
	virtio_finish_job(&v->unit);
}

int virtio_restore(struct viommu *u, struct state_reader *state)
{
	struct virtio *v = virtio_of(u);
	struct loaded l = { .count = 0 };
	bool tell;
	int result;

	virtio_settle(v);
	result = load(v, state, &l);
	if (!result)
		take(v, state, &l);
	for (uint32_t i = 0; l.domain && i < l.count; i++)
		range_map_clear(v->pool, &l.domain[i].map);
	vm_dealloc(u->vm, l.domain, l.count * sizeof(*l.domain));
	vm_dealloc(u->vm, l.bucket, l.buckets * sizeof(*l.bucket));
	pthread_mutex_lock(&v->event_lock);
	tell = !result && v->event_count;
	pthread_mutex_unlock(&v->event_lock);
	if (tell && v->config.event)
		v->config.event(v->config.opaque);
	if (!result && v->barrier.completion.epoch)
		result = VIOMMU_PENDING; /* what was there before is in use */
	return result;
}
