/* SPDX-License-Identifier: BSD-3-Clause */
/* notify.c - listeners: who is told what. Only the call that has the unit (unit_begin) adds,
 * removes and tells. */

#include <stddef.h>

#include "abi.h"
#include "unit.h"

int viommu_listener_new(struct viommu *u, struct viommu_device *device,
			const struct viommu_listener_config *given, struct viommu_listener **out)
{
	struct viommu_listener_config config;
	struct viommu_listener *listener;
	int result;

	if (!u || !out || (device && device->iommu != u))
		return VIOMMU_EINVAL;
	result = abi_take(&config, sizeof(config), offsetof(struct viommu_listener_config, unmap),
			  given);
	if (result)
		return result;
	if (config.flags || (device && config.interrupts))
		return VIOMMU_EINVAL;
	if (!unit_begin(u))
		return VIOMMU_EBUSY;
	listener = vm_alloc(u->vm, sizeof(*listener), _Alignof(struct viommu_listener));
	if (listener) {
		*listener = (struct viommu_listener){
			.iommu = u, .device = device, .config = config, .next = u->listeners
		};
		u->listeners = listener;
		if (device)
			atomic_fetch_add(&device->users, 1);
		*out = listener;
	}
	unit_end(u);
	return listener ? VIOMMU_OK : VIOMMU_ENOMEM;
}

int viommu_listener_free(struct viommu_listener *listener)
{
	struct viommu_listener **at;
	struct viommu *u;

	if (!listener)
		return VIOMMU_OK;
	u = listener->iommu;
	if (!unit_begin(u))
		return VIOMMU_EBUSY;
	for (at = &u->listeners; *at != listener; at = &(*at)->next)
		;
	*at = listener->next;
	if (listener->device)
		device_put(listener->device);
	unit_end(u);
	vm_dealloc(u->vm, listener, sizeof(*listener));
	return VIOMMU_OK;
}

/* Whether something that the device, or a cache behind it, may still use was translated through a
 * domain, or would be now. */
static bool has_domain(struct viommu_device *device, uint32_t pasid, uint32_t id)
{
	struct query q = { .device = device,
			   .pasid = pasid == VIOMMU_ANY_PASID ? VIOMMU_NO_PASID : pasid,
			   .quiet = true,
			   .access = VIOMMU_READ };
	struct context context;

	if (atomic_load(&device->domains) & device_domain_bit(id))
		return true;
	/* A device whose tables cannot be read may have had that domain. */
	return device->iommu->engine->parse(device->iommu, &q, &context) != VIOMMU_OK ||
	       context.key.id == id;
}

static bool concerns(struct viommu_device *device, const struct notify *what)
{
	if (what->scope == NOTIFY_DEVICE)
		return ((atomic_load_explicit(&device->id, memory_order_relaxed) ^ what->id) &
			what->id_mask) == 0;
	return what->scope == NOTIFY_ALL || has_domain(device, what->pasid, what->id);
}

/* Calls tell for each device of the listener, which cannot be freed meanwhile; no lock is held. */
static void for_each_device(const struct viommu_listener *l,
			    void (*tell)(const struct viommu_listener *, struct viommu_device *,
					 const void *),
			    const void *what)
{
	struct viommu *u = l->iommu;

	if (l->device) {
		tell(l, l->device, what);
		return;
	}
	for (struct viommu_device *device = device_next(u, NULL); device;
	     device = device_next(u, device))
		tell(l, device, what);
}

static void unmap_one(const struct viommu_listener *l, struct viommu_device *device,
		      const void *opaque)
{
	const struct notify *what = opaque;

	if (concerns(device, what))
		l->config.unmap(l->config.opaque, device, what->pasid, what->first, what->last);
}

void notify_unmap(struct viommu *u, const struct notify *what)
{
	u->told = true;
	for (const struct viommu_listener *l = u->listeners; l; l = l->next) {
		if (l->config.unmap)
			for_each_device(l, unmap_one, what);
	}
}

static void mode_one(const struct viommu_listener *l, struct viommu_device *device,
		     const void *mode)
{
	l->config.mode(l->config.opaque, device, *(const uint32_t *)mode);
}

void notify_mode(struct viommu *u, uint32_t mode)
{
	u->told = true;
	for (const struct viommu_listener *l = u->listeners; l; l = l->next) {
		if (l->config.mode)
			for_each_device(l, mode_one, &mode);
	}
}

void notify_interrupts(struct viommu *u, uint32_t source, uint32_t first, uint32_t last)
{
	u->told = true;
	for (const struct viommu_listener *l = u->listeners; l; l = l->next) {
		if (l->config.interrupts)
			l->config.interrupts(l->config.opaque, source, first, last);
	}
}

void notify_complete(struct viommu *u)
{
	if (!u->told)
		return;
	u->told = false;
	for (const struct viommu_listener *l = u->listeners; l; l = l->next) {
		if (l->config.complete)
			l->config.complete(l->config.opaque);
	}
}

bool notify_settled(struct viommu *u)
{
	bool settled = true;

	for (const struct viommu_listener *l = u->listeners; l; l = l->next) {
		if (l->settle)
			settled = l->settle(l->config.opaque) && settled;
	}
	return settled;
}

/* ---- one device ---- */

static bool hears(const struct viommu_listener *l, const struct viommu_device *device)
{
	return !l->device || l->device == device;
}

void notify_device_unmap(struct viommu *u, struct viommu_device *device, uint64_t first,
			 uint64_t last)
{
	u->told = true;
	for (const struct viommu_listener *l = u->listeners; l; l = l->next) {
		if (l->config.unmap && hears(l, device))
			l->config.unmap(l->config.opaque, device, VIOMMU_NO_PASID, first, last);
	}
}

void notify_device_mode(struct viommu *u, struct viommu_device *device, uint32_t mode)
{
	u->told = true;
	for (const struct viommu_listener *l = u->listeners; l; l = l->next) {
		if (l->config.mode && hears(l, device))
			l->config.mode(l->config.opaque, device, mode);
	}
}

bool notify_wants_map(const struct viommu *u, const struct viommu_device *device)
{
	for (const struct viommu_listener *l = u->listeners; l; l = l->next) {
		if (l->config.map && hears(l, device))
			return true;
	}
	return false;
}

int notify_device_map(struct viommu *u, struct viommu_device *device, uint64_t iova,
		      const struct viommu_fragment *fragment)
{
	int result = VIOMMU_OK;

	u->told = true;
	for (const struct viommu_listener *l = u->listeners; l && !result; l = l->next) {
		if (l->config.map && hears(l, device))
			result = l->config.map(l->config.opaque, device, VIOMMU_NO_PASID, iova,
					       fragment);
	}
	return result;
}
