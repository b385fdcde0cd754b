/* SPDX-License-Identifier: BSD-3-Clause */
/* device.c - requesters: their life and ids, page requests, and invalidations of their own caches. */

#include <stddef.h>

#include "abi.h"
#include "probe.h"
#include "unit.h"

static int add_device(struct viommu *u, struct viommu_device *device)
{
	int result = VIOMMU_OK;

	pthread_mutex_lock(&u->devices_lock);
	if (u->device_count >= u->limits.devices || u->next_serial == UINT32_MAX) {
		result = VIOMMU_ELIMIT;
	} else if (device_find(u, device->config.id)) {
		result = VIOMMU_EEXIST;
	} else if (!partition_take_place(device->partition, &device->place)) {
		result = VIOMMU_ELIMIT;
	} else {
		u->device_count++;
		device->generation = window_device(device->window, device->place);
		device->serial = ++u->next_serial;
		atomic_store_explicit(&device->id, device->config.id, memory_order_relaxed);
		device->shared_counters = &u->counters.devices[device->serial % COUNTER_PLACES];
		device_link(u, device);
		device->next_of_all = u->all_devices;
		u->all_devices = device;
		unit_record_device(u, device, device->config.id, false);
	}
	pthread_mutex_unlock(&u->devices_lock);
	return result;
}

static bool may_have_id(const struct viommu *u, uint32_t id)
{
	return id <= u->engine->last_id || id == VIOMMU_NO_ID;
}

static uint32_t device_bytes(const struct viommu *u)
{
	return u->engine->device_bytes ? u->engine->device_bytes
				       : (uint32_t)sizeof(struct viommu_device);
}

int viommu_device_new(struct viommu *u, const struct viommu_device_config *given,
		      struct viommu_device **out)
{
	struct viommu_device_config config;
	struct viommu_device *device;
	int result;

	if (!u || !out)
		return VIOMMU_EINVAL;
	result = abi_take(&config, sizeof(config), offsetof(struct viommu_device_config, opaque),
			  given);
	if (result)
		return result;
	if (!u->engine->translate)
		return VIOMMU_ENOTSUP;
	if (config.flags || config.partition >= u->partition_count || !may_have_id(u, config.id) ||
	    (config.virtio && !u->engine->device_new))
		return VIOMMU_EINVAL;
	device = vm_alloc(u->vm, device_bytes(u), _Alignof(struct viommu_device));
	if (!device)
		return VIOMMU_ENOMEM;
	device->iommu = u;
	device->partition = &u->partition[config.partition];
	device->window = device->partition->window;
	device->config = config;
	device->mode = NOTIFY_NO_MODE;
	atomic_init(&device->last.pasid, DEVICE_NO_CONTEXT);
	epoch_group_init(&device->sections, device);
	device->sections.part = partition_part(device->partition);
	if (u->engine->device_new)
		result = u->engine->device_new(u, device);
	device->config.virtio = NULL; /* the caller's */
	if (!result)
		result = add_device(u, device);
	if (result) {
		vm_dealloc(u->vm, device, device_bytes(u));
		return result;
	}
	*out = device;
	if (atomic_load(&u->wide_listeners))
		device_owes(device, OWED_MODE);
	return VIOMMU_OK;
}

/* ---- invalidations that have not been answered ---- */

static struct outstanding *outstanding_at(struct viommu *u, uint32_t place)
{
	return &u->outstanding[place - 1];
}

/* The place of a token is the device's word, hence the mask. */
static struct outstanding *find_outstanding(struct viommu *u, const struct viommu_device *device,
					    uint64_t token)
{
	uint64_t place = token & bits_low(OUTSTANDING_PLACES);
	struct outstanding *o;

	if (place >= u->outstanding_used)
		return NULL;
	o = &u->outstanding[bits_clamp_index(place, u->outstanding_used)];
	return o->device == device && o->token == token ? o : NULL;
}

static uint32_t take_place(struct viommu *u)
{
	uint32_t place = u->outstanding_free;

	if (place)
		u->outstanding_free = outstanding_at(u, place)->next;
	else if (u->outstanding_used < u->limits.outstanding)
		place = ++u->outstanding_used;
	return place;
}

/* With devices_lock held. */
static void drop_outstanding(struct viommu *u, struct outstanding *o)
{
	uint32_t place = (uint32_t)(o - u->outstanding) + 1;

	*(o->previous ? &outstanding_at(u, o->previous)->next : &u->outstanding_first) = o->next;
	*(o->next ? &outstanding_at(u, o->next)->previous : &u->outstanding_last) = o->previous;
	atomic_fetch_sub_explicit(&o->device->outstanding, 1, memory_order_relaxed);
	*o = (struct outstanding){ .next = u->outstanding_free };
	u->outstanding_free = place;
	atomic_fetch_sub(&u->outstanding_count, 1);
}

/* Whatever the device still owed is given up. With devices_lock held. Whether there was any. */
static bool give_up(struct viommu *u, struct viommu_device *device)
{
	bool any = u->engine->device_failed && u->engine->device_failed(u, device);

	/* at most limits.outstanding steps */
	for (uint32_t at = u->outstanding_first, next; at; at = next) {
		struct outstanding *o = outstanding_at(u, at);

		next = o->next;
		if (o->device != device)
			continue;
		drop_outstanding(u, o);
		any = true;
	}
	return any;
}

/* Nobody comes by it any more. With devices_lock held. */
static void forget_device(struct viommu *u, struct viommu_device *device)
{
	for (unsigned list = 0; list < DEVICE_LISTS; list++)
		device_list_remove(device, list);
	if (u->sweep.at == device)
		u->sweep.at = device->next_of_all;
	domain_users_drop(&u->domain_users, device);
	shadow_drop(device);
}

/* With devices_lock held. Whether that is something to be told. */
static bool tell_gone(struct viommu *u, const struct viommu_device *device)
{
	uint32_t id = atomic_load_explicit(&device->id, memory_order_relaxed);

	for (const struct viommu_listener *l = u->hear_ids; l; l = l->next_of_ids)
		l->id_gone(l->config.opaque, id);
	return u->hear_ids;
}

int viommu_device_free(struct viommu_device *device)
{
	struct viommu_device **at;
	struct viommu *u;
	bool owed;

	if (!device)
		return VIOMMU_OK;
	u = device->iommu;
	pthread_mutex_lock(&u->devices_lock);
	if (atomic_load(&device->users) || !epoch_group_is_empty(&device->sections)) {
		pthread_mutex_unlock(&u->devices_lock);
		return VIOMMU_EBUSY;
	}
	device_unlink(u, device);
	for (at = &u->all_devices; *at != device; at = &(*at)->next_of_all)
		;
	*at = device->next_of_all;
	forget_device(u, device);
	partition_give_place(device->partition, device->place);
	u->device_count--;
	if (u->engine->device_gone)
		u->engine->device_gone(u, device);
	unit_record_device(u, device, atomic_load_explicit(&device->id, memory_order_relaxed),
			   true);
	owed = give_up(u, device);
	owed |= tell_gone(u, device);
	pthread_mutex_unlock(&u->devices_lock);
	/* a view may outlive it, in a process that nobody has stopped */
	unit_forget_device(device, false);
	epoch_unlist(&u->epoch, &device->sections);
	vm_dealloc(u->vm, device, device_bytes(u));
	if (owed)
		unit_work(u);
	return VIOMMU_OK;
}

int viommu_device_fail(struct viommu_device *device)
{
	struct viommu *u;
	bool owed;

	if (!device)
		return VIOMMU_EINVAL;
	u = device->iommu;
	pthread_mutex_lock(&u->devices_lock);
	owed = give_up(u, device);
	pthread_mutex_unlock(&u->devices_lock);
	if (owed)
		unit_work(u);
	return VIOMMU_OK;
}

/* ---- other ids ---- */

/* All with devices_lock held. Whoever reads device->id meanwhile reads the old or the new one. */

/* Takes a device out of its bucket: VIOMMU_EINVAL (it was there before), VIOMMU_EBUSY. */
static int take_name(struct viommu *u, struct viommu_device *device, uint32_t next_id)
{
	if (device->renamed)
		return VIOMMU_EINVAL;
	if (next_id == VIOMMU_NO_ID && u->engine->keeps_id && u->engine->keeps_id(device))
		return VIOMMU_EBUSY;
	device_unlink(u, device);
	device->renamed = true;
	device->next_id = VIOMMU_NO_ID;
	return VIOMMU_OK;
}

static int give_name(struct viommu *u, struct viommu_device *device, uint32_t next_id)
{
	if (device_find(u, next_id))
		return VIOMMU_EEXIST;
	device->next_id = next_id;
	device_link(u, device);
	return VIOMMU_OK;
}

static void keep_name(struct viommu *u, struct viommu_device *device)
{
	device_unlink(u, device);
	device->renamed = false;
	device_link(u, device);
}

/* Whether listeners are owed something. */
static bool change_name(struct viommu *u, struct viommu_device *device)
{
	bool changed = atomic_load_explicit(&device->id, memory_order_relaxed) != device->next_id;

	if (changed)
		tell_gone(u, device); /* who hears that hears unmap, too */
	atomic_store_explicit(&device->id, device->next_id, memory_order_relaxed);
	device->renamed = false;
	if (!changed)
		return false;
	unit_forget_device(device, false);
	if (!atomic_load(&u->unmap_listeners))
		return false;
	device->owed |= OWED_UNMAP | OWED_MODE;
	device_list_add(device, DEVICES_OWED);
	return true;
}

/* First all are taken out, so that they can have one another's ids. */
static int set_ids(struct viommu *u, struct viommu_device *const *devices, const uint32_t *ids,
		   uint32_t count, bool *owed)
{
	uint32_t taken;
	int result = VIOMMU_OK;

	for (taken = 0; !result && taken < count; taken += !result)
		result = take_name(u, devices[taken], ids[taken]);
	for (uint32_t i = 0; !result && i < count; i++)
		result = give_name(u, devices[i], ids[i]);
	if (!result)
		unit_record_ids(u, devices, count);
	for (uint32_t i = 0; i < taken; i++) {
		if (result)
			keep_name(u, devices[i]);
		else
			*owed |= change_name(u, devices[i]);
	}
	return result;
}

int viommu_devices_set_ids(struct viommu_device *const *devices, const uint32_t *ids,
			   uint32_t count)
{
	struct viommu *u;
	bool owed = false;
	int result;

	if (!devices || !ids || !count || !devices[0])
		return VIOMMU_EINVAL;
	u = devices[0]->iommu;
	for (uint32_t i = 0; i < count; i++) {
		if (!devices[i] || devices[i]->iommu != u || !may_have_id(u, ids[i]))
			return VIOMMU_EINVAL;
	}
	pthread_mutex_lock(&u->devices_lock);
	result = set_ids(u, devices, ids, count, &owed);
	pthread_mutex_unlock(&u->devices_lock);
	if (owed)
		unit_work(u);
	return result;
}

int viommu_device_set_id(struct viommu_device *device, uint32_t id)
{
	return viommu_devices_set_ids(&device, &id, 1);
}

void devices_hear_ids(struct viommu_listener *l, void (*gone)(void *opaque, uint32_t id))
{
	struct viommu *u = l->iommu;

	pthread_mutex_lock(&u->devices_lock);
	l->id_gone = gone;
	l->next_of_ids = u->hear_ids;
	u->hear_ids = l;
	pthread_mutex_unlock(&u->devices_lock);
}

void devices_hear_no_ids(const struct viommu_listener *l)
{
	struct viommu *u = l->iommu;
	struct viommu_listener **at = &u->hear_ids;

	pthread_mutex_lock(&u->devices_lock);
	while (*at != l)
		at = &(*at)->next_of_ids;
	*at = l->next_of_ids;
	pthread_mutex_unlock(&u->devices_lock);
}

/* ---- device-TLB invalidations ---- */

/* Notes that the device owes an answer, before it is asked: it may give it from another thread at
 * once. */
static bool add_outstanding(struct viommu_device *device, uint64_t *token)
{
	struct viommu *u = device->iommu;
	uint32_t place;

	pthread_mutex_lock(&u->devices_lock);
	place = take_place(u);
	if (place) {
		u->last_token = ((u->last_token >> OUTSTANDING_PLACES) + 1) << OUTSTANDING_PLACES |
				(place - 1);
		*token = u->last_token;
		*outstanding_at(u, place) = (struct outstanding){ .device = device,
								  .token = *token,
								  .previous = u->outstanding_last };
		*(u->outstanding_last ? &outstanding_at(u, u->outstanding_last)->next
				      : &u->outstanding_first) = place;
		u->outstanding_last = place;
		atomic_fetch_add(&u->outstanding_count, 1);
		atomic_fetch_add_explicit(&device->outstanding, 1, memory_order_relaxed);
	}
	pthread_mutex_unlock(&u->devices_lock);
	return place != 0;
}

/* What a device did about an invalidation. One that was not done is over only where the guest can be
 * told so: the device may still use what it was to drop. False: nobody asked. */
static bool take_answer(struct viommu_device *device, uint64_t token, int status)
{
	struct viommu *u = device->iommu;
	struct outstanding *o;
	bool over = true;

	pthread_mutex_lock(&u->devices_lock);
	o = find_outstanding(u, device, token);
	if (o && status != VIOMMU_OK) {
		over = u->engine->timed_out != NULL;
		/* first what went wrong, then that it is over: nobody may see only the latter */
		if (over)
			u->engine->timed_out(u, device);
	}
	if (o && over)
		drop_outstanding(u, o);
	pthread_mutex_unlock(&u->devices_lock);
	return o != NULL;
}

bool device_invalidate(struct viommu_device *device,
		       struct viommu_device_invalidation *invalidation, bool *gave_up)
{
	int result;

	*gave_up = false;
	if (!device->config.invalidate)
		return true;
	if (!add_outstanding(device, &invalidation->token)) {
		*gave_up = true;
		return false;
	}
	count_event(device, COUNT_DEVICE_TLB);
	result = device->config.invalidate(device->config.opaque, invalidation);
	if (result != VIOMMU_PENDING)
		take_answer(device, invalidation->token, result);
	return result == VIOMMU_OK;
}

uint64_t devices_last_token(struct viommu *u)
{
	uint64_t token;

	pthread_mutex_lock(&u->devices_lock);
	token = u->last_token;
	pthread_mutex_unlock(&u->devices_lock);
	return token;
}

bool devices_answered(struct viommu *u, uint64_t token)
{
	bool answered;

	if (!atomic_load(&u->outstanding_count))
		return true;
	pthread_mutex_lock(&u->devices_lock);
	answered = !u->outstanding_first || outstanding_at(u, u->outstanding_first)->token > token;
	pthread_mutex_unlock(&u->devices_lock);
	return answered;
}

void devices_each_outstanding(struct viommu *u,
			      void (*see)(void *opaque, struct viommu_device *device,
					  uint64_t token),
			      void *opaque)
{
	const struct outstanding *o;

	if (!atomic_load(&u->outstanding_count))
		return;
	pthread_mutex_lock(&u->devices_lock);
	for (uint32_t at = u->outstanding_first; at; at = o->next) {
		o = outstanding_at(u, at);
		see(opaque, o->device, o->token);
	}
	pthread_mutex_unlock(&u->devices_lock);
}

void devices_forget_invalidations(struct viommu *u, uint64_t token)
{
	pthread_mutex_lock(&u->devices_lock);
	/* at most limits.outstanding steps */
	while (u->outstanding_first && outstanding_at(u, u->outstanding_first)->token <= token)
		drop_outstanding(u, outstanding_at(u, u->outstanding_first));
	u->forgotten_token = token;
	pthread_mutex_unlock(&u->devices_lock);
}

static bool forgotten(struct viommu *u, uint64_t token)
{
	bool old;

	pthread_mutex_lock(&u->devices_lock);
	old = token != 0 && token <= u->forgotten_token;
	pthread_mutex_unlock(&u->devices_lock);
	return old;
}

int viommu_invalidation_done(struct viommu_device *device, uint64_t token, int status)
{
	struct viommu *u;

	if (!device || (status != VIOMMU_OK && status != VIOMMU_FAULT))
		return VIOMMU_EINVAL;
	u = device->iommu;
	if (!take_answer(device, token, status)) {
		if (forgotten(u, token))
			return VIOMMU_ENOENT;
		if (u->engine->unexpected)
			u->engine->unexpected(u, device);
		unit_work(u);
		return VIOMMU_ENOENT;
	}
	unit_work(u);
	return VIOMMU_OK;
}

/* ---- page requests ---- */

int viommu_request_page(struct viommu_device *device, const struct viommu_page_request *request)
{
	const unsigned access = VIOMMU_READ | VIOMMU_WRITE | VIOMMU_EXEC | VIOMMU_PRIV;
	struct epoch_section *section;
	struct viommu *u;
	int result;

	if (!device || !request || request->address % 4096 || request->group > 0x1ff ||
	    request->last > 1 || request->reserved || (request->access & ~access) ||
	    (request->pasid != VIOMMU_NO_PASID && request->pasid >= BIT(20)))
		return VIOMMU_EINVAL;
	u = device->iommu;
	if (viommu_device_get_id(device) == VIOMMU_NO_ID)
		return VIOMMU_EINVAL;
	if (!u->engine->request_page)
		return VIOMMU_ENOTSUP;
	count_event(device, COUNT_PAGE_REQUESTS);
	atomic_fetch_add(&device->users, 1);
	section = epoch_visit_part(&u->epoch, partition_part(device->partition));
	result = u->engine->request_page(u, device, request);
	device_put(device);
	if (epoch_visit_end(&u->epoch, section))
		unit_work(u);
	return result;
}
