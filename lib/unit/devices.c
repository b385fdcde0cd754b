/* SPDX-License-Identifier: BSD-3-Clause */
/* devices.c - finding requesters: by id, in lists, and by the domains they use. */

#include "unit.h"

/* ---- by id ---- */

static struct viommu_device **bucket_of(struct viommu *u, uint32_t id)
{
	return &u->devices[(id ^ id >> 8) % DEVICE_BUCKETS];
}

/* By what it is found; with devices_lock held. */
static uint32_t name_of(const struct viommu_device *device)
{
	return device->renamed ? device->next_id
			       : atomic_load_explicit(&device->id, memory_order_relaxed);
}

/* At most limits.devices steps. Who has no id is not found. */
struct viommu_device *device_find(struct viommu *u, uint32_t id)
{
	struct viommu_device *device = *bucket_of(u, id);

	while (device && name_of(device) != id)
		device = device->next;
	return device;
}

struct viommu_device *device_get(struct viommu *u, uint32_t id)
{
	struct viommu_device *device;

	pthread_mutex_lock(&u->devices_lock);
	device = device_find(u, id);
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

static void note_id(struct partition *p, uint32_t id)
{
	if (id < p->first_id)
		p->first_id = id;
	if (id > p->last_id)
		p->last_id = id;
}

uint64_t devices_partitions(struct viommu *u, uint32_t first, uint32_t last)
{
	uint64_t found = 0;

	pthread_mutex_lock(&u->devices_lock);
	for (uint32_t i = 0; i < u->partition_count; i++) {
		const struct partition *p = &u->partition[i];

		found |= (uint64_t)(p->first_id <= last && first <= p->last_id) << i;
	}
	pthread_mutex_unlock(&u->devices_lock);
	return u->apart ? found : UINT64_MAX;
}

void device_link(struct viommu *u, struct viommu_device *device)
{
	struct viommu_device **bucket = bucket_of(u, name_of(device));

	if (name_of(device) == VIOMMU_NO_ID)
		return;
	note_id(device->partition, name_of(device));
	device->next = *bucket;
	*bucket = device;
}

void device_unlink(struct viommu *u, struct viommu_device *device)
{
	struct viommu_device **at = bucket_of(u, name_of(device));

	if (name_of(device) == VIOMMU_NO_ID)
		return;
	while (*at != device)
		at = &(*at)->next;
	*at = device->next;
}

/* ---- lists ---- */

void device_list_add(struct viommu_device *device, enum device_list list)
{
	struct viommu *u = device->iommu;

	if (device->lists & 1U << list)
		return;
	if (list == DEVICES_OWED)
		atomic_fetch_add(&u->owing, 1);
	device->lists |= 1U << list;
	device->previous_of[list] = NULL;
	device->next_of[list] = u->list[list];
	if (u->list[list])
		u->list[list]->previous_of[list] = device;
	u->list[list] = device;
}

void device_list_remove(struct viommu_device *device, enum device_list list)
{
	struct viommu *u = device->iommu;
	struct viommu_device *next = device->next_of[list];

	if (!(device->lists & 1U << list))
		return;
	if (list == DEVICES_OWED)
		atomic_fetch_sub(&u->owing, 1);
	device->lists &= ~(1U << list);
	if (next)
		next->previous_of[list] = device->previous_of[list];
	*(device->previous_of[list] ? &device->previous_of[list]->next_of[list] : &u->list[list]) =
		next;
	if (u->list_at[list] == device)
		u->list_at[list] = next;
	if (list == DEVICES_HEARD && !u->sweep.all && u->sweep.at == device)
		u->sweep.at = next;
}

void devices_begin(struct viommu *u, enum device_list list)
{
	pthread_mutex_lock(&u->devices_lock);
	u->list_at[list] = u->list[list];
	pthread_mutex_unlock(&u->devices_lock);
}

struct viommu_device *devices_take(struct viommu *u, enum device_list list)
{
	struct viommu_device *device;

	pthread_mutex_lock(&u->devices_lock);
	device = u->list_at[list];
	if (device) {
		u->list_at[list] = device->next_of[list];
		atomic_fetch_add(&device->users, 1);
	}
	pthread_mutex_unlock(&u->devices_lock);
	return device;
}

struct viommu_device *devices_take_swept(struct viommu *u)
{
	struct viommu_device *device;

	pthread_mutex_lock(&u->devices_lock);
	device = u->sweep.at;
	if (device) {
		u->sweep.at = u->sweep.all ? device->next_of_all : device->next_of[DEVICES_HEARD];
		atomic_fetch_add(&device->users, 1);
	}
	pthread_mutex_unlock(&u->devices_lock);
	return device;
}

void device_owes(struct viommu_device *device, uint32_t owed)
{
	pthread_mutex_lock(&device->iommu->devices_lock);
	device->owed |= owed;
	device_list_add(device, DEVICES_OWED);
	pthread_mutex_unlock(&device->iommu->devices_lock);
	unit_work(device->iommu);
}

/* ---- users of domains ---- */

void devices_begin_users(struct viommu *u, uint32_t id)
{
	pthread_mutex_lock(&u->devices_lock);
	domain_users_begin(&u->domain_users, id);
	pthread_mutex_unlock(&u->devices_lock);
}

static uint64_t era_of(const struct viommu_device *device)
{
	return device->iommu->domain_users.era + device->era;
}

static bool is_heard(const struct viommu_device *device)
{
	return (device->lists & 1U << DEVICES_HEARD) || atomic_load(&device->iommu->wide_listeners);
}

bool devices_take_user(struct viommu *u, uint32_t id, uint32_t pasid, struct viommu_device **device)
{
	bool more;

	pthread_mutex_lock(&u->devices_lock);
	more = domain_users_next(&u->domain_users, id, pasid, device);
	if (*device && !is_heard(*device))
		*device = NULL;
	if (*device)
		atomic_fetch_add(&(*device)->users, 1);
	pthread_mutex_unlock(&u->devices_lock);
	return more;
}

bool devices_take_refused(struct viommu *u, uint32_t pasid, struct viommu_device **device)
{
	struct viommu_device *next;

	*device = NULL;
	pthread_mutex_lock(&u->devices_lock);
	next = u->list_at[DEVICES_REFUSED];
	if (next) {
		u->list_at[DEVICES_REFUSED] = next->next_of[DEVICES_REFUSED];
		if (next->refused_era != era_of(next) || !is_heard(next))
			device_list_remove(next, DEVICES_REFUSED);
		else if (next->refused_pasids & domain_users_pasids(pasid))
			*device = next;
	}
	if (*device)
		atomic_fetch_add(&(*device)->users, 1);
	pthread_mutex_unlock(&u->devices_lock);
	return next != NULL;
}

static void note_refused(struct viommu_device *device, uint32_t pasid)
{
	if (device->refused_era != era_of(device))
		device->refused_pasids = 0;
	device->refused_era = era_of(device);
	device->refused_pasids |= domain_users_pasids(pasid);
	if (is_heard(device))
		device_list_add(device, DEVICES_REFUSED);
}

/* With devices_lock held. A device without room for a note is full until its era ends. */
static void note_user(struct viommu_device *device, uint32_t id, uint32_t pasid)
{
	uint64_t era = era_of(device);

	if (id == DOMAIN_REFUSED)
		note_refused(device, pasid);
	else if (device->full_era != era &&
		 !domain_users_note(&device->iommu->domain_users, device, id, pasid))
		device->full_era = era;
}

/* With devices_lock held. Devices that nobody hears are not visited; who begins to hear them looks at
 * each first (device_has_domain()). */
static void list_vague(struct viommu_device *device, bool vague)
{
	if (is_heard(device) && (vague || device->full_era == era_of(device)))
		device_list_add(device, DEVICES_VAGUE);
	else
		device_list_remove(device, DEVICES_VAGUE);
}

/* Who has used nothing yet may be about to with a PASID, which nobody has looked at. */
static void list_unless_used(struct viommu_device *device)
{
	list_vague(device, device->iommu->pasids && device->used_era != era_of(device));
}

void device_uses_domain(struct viommu_device *device, uint32_t id, uint32_t pasid)
{
	struct viommu *u = device->iommu;

	if (!u->engine->by_domain || (id == DOMAIN_REFUSED && !atomic_load(&u->unmap_listeners)))
		return;
	pthread_mutex_lock(&u->devices_lock);
	device->used_era = era_of(device);
	note_user(device, id, pasid);
	list_unless_used(device);
	pthread_mutex_unlock(&u->devices_lock);
}

void device_has_domain(struct viommu_device *device, uint32_t id, uint32_t pasid)
{
	struct viommu *u = device->iommu;

	if (!u->engine->by_domain)
		return;
	pthread_mutex_lock(&u->devices_lock);
	note_user(device, id, pasid);
	list_unless_used(device);
	pthread_mutex_unlock(&u->devices_lock);
}

void device_may_use_any(struct viommu_device *device)
{
	struct viommu *u = device->iommu;

	if (!u->engine->by_domain)
		return;
	pthread_mutex_lock(&u->devices_lock);
	device->full_era = era_of(device);
	list_vague(device, true);
	pthread_mutex_unlock(&u->devices_lock);
}
