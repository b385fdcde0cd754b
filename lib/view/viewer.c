/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * viewer.c - the owner's record of a view: its section, what it asks for, and its end.
 *
 * The section is a word in a page that the process writes (struct epoch_outside): as much as it says counts for
 * its own partition, and no lock, no loop and no other's completion depends on it. Nothing of a message says who asks.
 */

#include <stddef.h>
#include <string.h>

#include <libvirtiommu/dma.h>

#include "abi.h"
#include "unit.h"
#include "view_message.h"

struct viommu_viewer {
	struct viommu_device *device;
	struct viommu_viewer_config config;
	struct epoch_section section;
	struct epoch_outside outside;
	struct viommu_listener *listener; /* NULL: no deadline */
	_Atomic uint32_t serving;
	_Atomic bool revoked;
	/* Of viommu_run(): */
	bool held;	/* the section held back completions the last time */
	bool told;	/* expired was called for that */
	uint64_t since; /* when that was first seen */
};

/* ---- deadlines ---- */

static void on_tick(void *opaque, uint64_t now)
{
	struct viommu_viewer *v = opaque;

	if (atomic_load(&v->revoked) ||
	    !epoch_outside_holds(&v->device->iommu->epoch, &v->section)) {
		v->held = false;
		return;
	}
	if (!v->held) {
		v->held = true;
		v->told = false;
		v->since = now;
	}
	if (v->told || now - v->since < v->config.deadline)
		return;
	v->told = true;
	v->config.expired(v->config.opaque);
}

/* ---- life ---- */

static int take_config(struct viommu_viewer_config *config, const struct viommu_device *device,
		       const struct viommu_viewer_config *given)
{
	int result = abi_take(config, sizeof(*config), sizeof(*config), given);

	if (result)
		return result;
	if ((config->flags & ~VIOMMU_VIEWER_PRIV) || !config->section ||
	    (uintptr_t)config->section % VIOMMU_VIEW_SECTION_BYTES ||
	    (config->pasid != VIOMMU_NO_PASID && config->pasid >= BIT(20)) ||
	    config->requests > VIOMMU_VIEW_REQUESTS_MAX || !config->deadline != !config->expired)
		return VIOMMU_EINVAL;
	/* Requests that wait for the guest have places, which one who asks for ever would take from the others. */
	if ((config->deadline && !device->iommu->host.now) || device->config.resume)
		return VIOMMU_ENOTSUP;
	if (!config->requests)
		config->requests = VIOMMU_VIEW_REQUESTS_DEFAULT;
	return VIOMMU_OK;
}

int viommu_viewer_new(struct viommu_device *device, const struct viommu_viewer_config *given,
		      struct viommu_viewer **out)
{
	struct viommu_listener_config listener = { .size = sizeof(listener) };
	struct viommu_viewer_config config;
	struct viommu_viewer *v;
	struct viommu *u;
	int result;

	if (!device || !out)
		return VIOMMU_EINVAL;
	result = take_config(&config, device, given);
	if (result)
		return result;
	u = device->iommu;
	if (!u->apart)
		return VIOMMU_ENOTSUP;
	v = vm_alloc(u->vm, sizeof(*v), _Alignof(struct viommu_viewer));
	if (!v)
		return VIOMMU_ENOMEM;
	v->device = device;
	v->config = config;
	listener.opaque = v;
	if (config.deadline)
		result = listener_new(u, device, &listener, NULL, on_tick, &v->listener);
	if (result) {
		vm_dealloc(u->vm, v, sizeof(*v));
		return result;
	}
	atomic_fetch_add(&device->users, 1);
	v->section.owner = device;
	v->outside.entered = config.section;
	epoch_add_outside(&u->epoch, &v->section, &device->partition->part, &v->outside);
	*out = v;
	return VIOMMU_OK;
}

int viommu_view_revoke(struct viommu_viewer *v)
{
	struct viommu *u;

	if (!v)
		return VIOMMU_EINVAL;
	if (atomic_exchange(&v->revoked, true))
		return VIOMMU_OK;
	u = v->device->iommu;
	epoch_remove(&u->epoch, &v->section);
	unit_work(u);
	return VIOMMU_OK;
}

int viommu_viewer_free(struct viommu_viewer *v)
{
	struct viommu_device *device;

	if (!v)
		return VIOMMU_OK;
	if (!atomic_load(&v->revoked) || atomic_load(&v->serving) || listener_free(v->listener))
		return VIOMMU_EBUSY;
	device = v->device;
	vm_dealloc(device->iommu->vm, v, sizeof(*v));
	atomic_fetch_sub(&device->users, 1);
	return VIOMMU_OK;
}

int viommu_device_get_window(const struct viommu_device *device, struct viommu_window *window)
{
	struct viommu_window w = { .size = sizeof(w) };

	if (!device || !window)
		return VIOMMU_EINVAL;
	if (!device->iommu->apart) /* its words do not move */
		return VIOMMU_ENOTSUP;
	w.base = device->window;
	w.bytes = device->window->bytes;
	w.device = (uint64_t)device->serial << 32 | device->place;
	return abi_give(window, &w, sizeof(w));
}

/* ---- requests ---- */

/* A section has closed, it says. Whether that lets someone go on is seen in the section page, as far as whoever closes a
 * section looks. */
static void wake(struct viommu *u)
{
	uint64_t waiting = atomic_load(&u->epoch.waiting);

	if (waiting && epoch_wakes(&u->epoch, NULL, 0, waiting))
		unit_work(u);
}

static void translate(const struct viommu_viewer *v, const struct view_ask *a,
		      struct viommu_fragment *fragments, struct view_said *s)
{
	struct viommu_request r = { .first = a->first,
				    .last = a->last,
				    .pasid = v->config.pasid,
				    .access = a->access,
				    .type = VIOMMU_AT_UNTRANSLATED };
	struct viommu_answer answer;

	s->result =
		viommu_device_translate(v->device, &r, fragments, VIOMMU_VIEW_FRAGMENTS, &answer);
	if (s->result < 0)
		return;
	s->count = answer.count;
	s->next = answer.next;
	s->reason = answer.reason;
	s->extent = answer.extent_lg2 & 63;
	s->flags = answer.flags;
}

/* By the owner, in a section of its own. */
static void copy(const struct viommu_viewer *v, const struct view_ask *a, const void *from,
		 void *to, struct view_said *s)
{
	uint32_t access = a->access & (VIOMMU_PRIV | VIOMMU_EXEC);
	uint64_t done = 0;

	s->result = a->kind == VIEW_READ
			    ? viommu_device_dma_read(v->device, v->config.pasid, a->first, to,
						     a->bytes, access, &done)
			    : viommu_device_dma_write(v->device, v->config.pasid, a->first, from,
						      a->bytes, access, &done);
	s->count = (uint32_t)done;
}

/* What has its turn: @reply has room for all that it can be. */
static uint32_t answer(const struct viommu_viewer *v, const struct view_ask *a, const void *message,
		       unsigned char *reply, uint32_t max, bool refused)
{
	struct viommu_fragment fragments[VIOMMU_VIEW_FRAGMENTS];
	struct view_said s = { .id = a->id, .kind = a->kind };

	if (refused)
		s.result = VIOMMU_ELIMIT;
	else if ((a->access & VIOMMU_PRIV) && !(v->config.flags & VIOMMU_VIEWER_PRIV))
		s.result = VIOMMU_EINVAL;
	else if (a->kind == VIEW_TRANSLATE)
		translate(v, a, fragments, &s);
	else
		copy(v, a, (const unsigned char *)message + VIEW_ASK_BYTES,
		     reply + VIEW_REPLY_BYTES, &s);
	return view_said_put(&s, fragments, reply, max);
}

static uint32_t most_bytes(const struct view_ask *a)
{
	if (a->kind == VIEW_TRANSLATE)
		return VIEW_REPLY_BYTES + VIOMMU_VIEW_FRAGMENTS * VIEW_FRAGMENT_BYTES;
	return VIEW_REPLY_BYTES + (a->kind == VIEW_READ ? a->bytes : 0);
}

static int serve(struct viommu_viewer *v, const void *message, uint32_t bytes, void *reply,
		 uint32_t max, uint32_t *length, bool refused)
{
	struct view_ask a;

	if (!view_ask_get(&a, message, bytes))
		return VIOMMU_EINVAL;
	if (a.kind == VIEW_WAKE) {
		wake(v->device->iommu);
		return VIOMMU_OK;
	}
	if (max < most_bytes(&a))
		return VIOMMU_ENOSPC;
	*length = answer(v, &a, message, reply, max, refused);
	return VIOMMU_OK;
}

int viommu_serve(struct viommu_viewer *v, const void *message, uint32_t bytes, void *reply,
		 uint32_t max, uint32_t *length)
{
	uint32_t serving;
	int result;

	if (!v || !message || !reply || !length)
		return VIOMMU_EINVAL;
	*length = 0;
	serving = atomic_fetch_add(&v->serving, 1);
	result = atomic_load(&v->revoked) ? VIOMMU_ENOENT
					  : serve(v, message, bytes, reply, max, length,
						  serving >= v->config.requests);
	atomic_fetch_sub(&v->serving, 1);
	return result;
}
