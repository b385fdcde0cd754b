/* SPDX-License-Identifier: BSD-3-Clause */
/* device.c - requesters: finding them by id, their page requests, and invalidations of their own
 * caches. */

#include <stddef.h>

#include "abi.h"
#include "unit.h"

static struct viommu_device **bucket_of(struct viommu *u, uint32_t id)
{
	return &u->devices[(id ^ id >> 8) % DEVICE_BUCKETS];
}

/* With devices_lock held. At most limits.devices steps. */
static struct viommu_device *find(struct viommu *u, uint32_t id)
{
	struct viommu_device *device = *bucket_of(u, id);

	while (device && atomic_load_explicit(&device->id, memory_order_relaxed) != id)
		device = device->next;
	return device;
}

struct viommu_device *device_get(struct viommu *u, uint32_t id)
{
	struct viommu_device *device;

	pthread_mutex_lock(&u->devices_lock);
	device = find(u, id);
	if (device)
		atomic_fetch_add(&device->users, 1);
	pthread_mutex_unlock(&u->devices_lock);
	return device;
}

struct viommu_device *device_next(struct viommu *u, struct viommu_device *device)
{
	struct viommu_device *next;

	pthread_mutex_lock(&u->devices_lock);
	next = device ? device->next_of_all : u->all_devices;
	if (next)
		atomic_fetch_add(&next->users, 1);
	pthread_mutex_unlock(&u->devices_lock);
	if (device)
		device_put(device);
	return next;
}

void device_put(struct viommu_device *device)
{
	atomic_fetch_sub(&device->users, 1);
}

/* With devices_lock held. */
static void link_device(struct viommu *u, struct viommu_device *device, uint32_t id)
{
	struct viommu_device **bucket = bucket_of(u, id);

	atomic_store_explicit(&device->id, id, memory_order_relaxed);
	device->next = *bucket;
	*bucket = device;
}

static void unlink_device(struct viommu *u, struct viommu_device *device)
{
	struct viommu_device **at =
		bucket_of(u, atomic_load_explicit(&device->id, memory_order_relaxed));

	while (*at != device)
		at = &(*at)->next;
	*at = device->next;
}

static int add_device(struct viommu *u, struct viommu_device *device)
{
	int result = VIOMMU_OK;

	pthread_mutex_lock(&u->devices_lock);
	if (u->device_count >= u->limits.devices || u->next_serial == UINT32_MAX) {
		result = VIOMMU_ELIMIT;
	} else if (find(u, device->config.id)) {
		result = VIOMMU_EEXIST;
	} else {
		u->device_count++;
		device->serial = ++u->next_serial;
		link_device(u, device, device->config.id);
		device->next_of_all = u->all_devices;
		u->all_devices = device;
	}
	pthread_mutex_unlock(&u->devices_lock);
	return result;
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
	if (config.flags || config.reserved || config.id > u->engine->last_id)
		return VIOMMU_EINVAL;
	device = vm_alloc(u->vm, device_bytes(u), _Alignof(struct viommu_device));
	if (!device)
		return VIOMMU_ENOMEM;
	device->iommu = u;
	device->config = config;
	result = add_device(u, device);
	if (result) {
		vm_dealloc(u->vm, device, device_bytes(u));
		return result;
	}
	*out = device;
	return VIOMMU_OK;
}

/* Whatever the device still owed is given up. With devices_lock held. Returns how many. */
static uint32_t drop_outstanding(struct viommu *u, const struct viommu_device *device)
{
	uint32_t dropped = 0;

	for (uint32_t i = 0; i < u->limits.outstanding; i++) {
		if (u->outstanding[i].device == device) {
			u->outstanding[i].device = NULL;
			dropped++;
		}
	}
	atomic_fetch_sub(&u->outstanding_count, dropped);
	return dropped;
}

int viommu_device_free(struct viommu_device *device)
{
	struct viommu_device **at;
	struct viommu *u;
	uint32_t dropped = 0;

	if (!device)
		return VIOMMU_OK;
	u = device->iommu;
	pthread_mutex_lock(&u->devices_lock);
	if (atomic_load(&device->users)) {
		pthread_mutex_unlock(&u->devices_lock);
		return VIOMMU_EBUSY;
	}
	unlink_device(u, device);
	for (at = &u->all_devices; *at != device; at = &(*at)->next_of_all)
		;
	*at = device->next_of_all;
	u->device_count--;
	if (u->engine->device_gone)
		u->engine->device_gone(u, device);
	if (atomic_load(&u->outstanding_count))
		dropped = drop_outstanding(u, device);
	pthread_mutex_unlock(&u->devices_lock);
	vm_dealloc(u->vm, device, device_bytes(u));
	if (dropped)
		unit_work(u);
	return VIOMMU_OK;
}

int viommu_device_set_id(struct viommu_device *device, uint32_t id)
{
	const struct viommu_device *other;
	struct viommu *u;

	if (!device || id > device->iommu->engine->last_id)
		return VIOMMU_EINVAL;
	u = device->iommu;
	pthread_mutex_lock(&u->devices_lock);
	other = find(u, id);
	if (!other) {
		unlink_device(u, device);
		link_device(u, device, id);
		unit_forget_device(device, false);
	}
	pthread_mutex_unlock(&u->devices_lock);
	return !other || other == device ? VIOMMU_OK : VIOMMU_EEXIST;
}

/* ---- device-TLB invalidations ---- */

static struct outstanding *find_outstanding(struct viommu *u, const struct viommu_device *device,
					    uint64_t token)
{
	for (uint32_t i = 0; i < u->limits.outstanding; i++) {
		if (u->outstanding[i].device == device &&
		    (!device || u->outstanding[i].token == token))
			return &u->outstanding[i];
	}
	return NULL;
}

/* Notes that the device owes an answer, before it is asked: it may give it from another thread at
 * once. */
static bool add_outstanding(struct viommu_device *device, uint64_t *token)
{
	struct viommu *u = device->iommu;
	struct outstanding *o;

	pthread_mutex_lock(&u->devices_lock);
	o = find_outstanding(u, NULL, 0);
	if (o) {
		*token = ++u->next_token;
		*o = (struct outstanding){ .device = device, .token = *token };
		atomic_fetch_add(&u->outstanding_count, 1);
	}
	pthread_mutex_unlock(&u->devices_lock);
	return o != NULL;
}

static bool remove_outstanding(struct viommu_device *device, uint64_t token, int status)
{
	struct viommu *u = device->iommu;
	struct outstanding *o;

	pthread_mutex_lock(&u->devices_lock);
	o = find_outstanding(u, device, token);
	/* Where the architecture has no way to say that it failed, it stays outstanding. */
	if (o && (status == VIOMMU_OK || u->engine->timed_out)) {
		/* first what went wrong, then that it is over: nobody may see only the latter */
		if (status != VIOMMU_OK)
			u->engine->timed_out(u, device);
		o->device = NULL;
		atomic_fetch_sub(&u->outstanding_count, 1);
	}
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
	result = device->config.invalidate(device->config.opaque, invalidation);
	if (result == VIOMMU_PENDING)
		return false;
	/* whatever else it says, it has not dropped it */
	remove_outstanding(device, invalidation->token,
			   result == VIOMMU_OK ? VIOMMU_OK : VIOMMU_FAULT);
	return result == VIOMMU_OK;
}

uint64_t devices_last_token(struct viommu *u)
{
	uint64_t token;

	pthread_mutex_lock(&u->devices_lock);
	token = u->next_token;
	pthread_mutex_unlock(&u->devices_lock);
	return token;
}

void devices_each_outstanding(struct viommu *u,
			      void (*see)(void *opaque, struct viommu_device *device,
					  uint64_t token),
			      void *opaque)
{
	if (!atomic_load(&u->outstanding_count))
		return;
	pthread_mutex_lock(&u->devices_lock);
	for (uint32_t i = 0; i < u->limits.outstanding; i++) {
		if (u->outstanding[i].device)
			see(opaque, u->outstanding[i].device, u->outstanding[i].token);
	}
	pthread_mutex_unlock(&u->devices_lock);
}

void devices_forget_invalidations(struct viommu *u, uint64_t token)
{
	pthread_mutex_lock(&u->devices_lock);
	for (uint32_t i = 0; atomic_load(&u->outstanding_count) && i < u->limits.outstanding; i++) {
		if (u->outstanding[i].device && u->outstanding[i].token <= token) {
			u->outstanding[i].device = NULL;
			atomic_fetch_sub(&u->outstanding_count, 1);
		}
	}
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
	if (!device || (status != VIOMMU_OK && status != VIOMMU_FAULT))
		return VIOMMU_EINVAL;
	if (!remove_outstanding(device, token, status)) {
		if (forgotten(device->iommu, token))
			return VIOMMU_ENOENT;
		if (device->iommu->engine->unexpected)
			device->iommu->engine->unexpected(device->iommu, device);
		unit_work(device->iommu);
		return VIOMMU_ENOENT;
	}
	unit_work(device->iommu);
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
	if (!u->engine->request_page)
		return VIOMMU_ENOTSUP;
	atomic_fetch_add(&device->users, 1);
	section = epoch_visit(&u->epoch);
	result = u->engine->request_page(u, device, request);
	device_put(device);
	if (epoch_visit_end(&u->epoch, section))
		unit_work(u);
	return result;
}
