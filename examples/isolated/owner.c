/* SPDX-License-Identifier: BSD-3-Clause */
/* owner.c - the process that has the IOMMU: what it is made of, and invalidations. */
#include "owner.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define POOLS (UINT64_C(1) << 32) /* gpa of the first */

/* ---- memory of the library ---- */

/* Windows are the only blocks that are asked for in whole pages: each gets a file of its own, since a descriptor gives all
 * of its file away. */
static void *take_memory(void *opaque, uint64_t bytes, uint64_t align)
{
	struct owner *o = opaque;
	void *at;

	if (align == 4096) {
		if (o->windows == OWNER_PARTIES ||
		    !share_new(&o->window[o->windows], "window", (size_t)bytes, SHARE_WINDOW))
			return NULL;
		return o->window[o->windows++].at;
	}
	if (posix_memalign(&at, align < sizeof(void *) ? sizeof(void *) : (size_t)align,
			   (size_t)bytes))
		return NULL;
	return memset(at, 0, (size_t)bytes);
}

static void give_memory(void *opaque, void *block, uint64_t bytes)
{
	struct owner *o = opaque;

	for (unsigned i = 0; i < o->windows; i++) {
		if (o->window[i].at == block) {
			share_free(&o->window[i]);
			return;
		}
	}
	memset(block, 0, (size_t)bytes);
	free(block);
}

/* ---- the engine ---- */

static uint64_t now(void *opaque)
{
	struct timespec t;

	(void)opaque;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000U + (uint64_t)t.tv_nsec;
}

static bool open_engine(struct owner *o, unsigned parties)
{
	struct viommu_vm_config vm = {
		.size = sizeof(vm), .opaque = o, .alloc = take_memory, .dealloc = give_memory
	};
	struct viommu_host host = { .size = sizeof(host), .opaque = o, .now = now };
	struct viommu_limits limits = { .size = sizeof(limits),
					.tlb_entries = 4096,
					.devices = 16,
					.channels = 16,
					.partitions = parties };
	struct viommu_vtd_config vtd = { .size = sizeof(vtd), .host = &host, .limits = &limits };

	return !viommu_vm_new(&vm, &o->vm) && !viommu_vtd_new(o->vm, &vtd, &o->vtd) &&
	       small_guest_open(&o->guest, o->vm, o->vtd);
}

static void on_expired(void *opaque)
{
	struct party *p = opaque;

	atomic_store(&p->expired, true); /* stopped by who has called viommu_run() */
}

static bool open_viewer(struct party *p)
{
	struct viommu_viewer_config viewer = { .size = sizeof(viewer),
					       .pasid = VIOMMU_NO_PASID,
					       .deadline = OWNER_DEADLINE_MS * UINT64_C(1000000),
					       .expired = on_expired,
					       .opaque = p };
	void *seen;

	if (!share_new(&p->section, "section", OWNER_SECTION_BYTES, SHARE_WRITABLE))
		return false;
	seen = share_map(p->section.fd, p->section.bytes, false);
	if (!seen)
		return false;
	p->section_seen = seen;
	viewer.section = seen;
	return !viommu_viewer_new(p->device, &viewer, &p->viewer);
}

static bool open_party(struct owner *o, unsigned n)
{
	struct party *p = &o->party[n];
	struct viommu_device_config device = { .size = sizeof(device), .partition = n };
	struct viommu_region pool = { .size = sizeof(pool), .bytes = OWNER_POOL_BYTES };

	p->owner = o;
	p->socket = -1;
	p->section.fd = p->pool.fd = -1;
	p->rid = (uint16_t)(0x10 + 8 * n);
	p->domain = (uint16_t)(7 + n);
	p->tables = small_guest_attach(&o->guest, p->rid, p->domain);
	p->pool_gpa = POOLS + n * OWNER_POOL_BYTES;
	if (!share_new(&p->pool, "pool", OWNER_POOL_BYTES, SHARE_WRITABLE))
		return false;
	pool.gpa = p->pool_gpa;
	pool.host = p->pool.at;
	device.id = p->rid;
	o->parties++;
	return !viommu_vm_add_region(o->vm, &pool) &&
	       !viommu_device_new(o->vtd, &device, &p->device);
}

/* When all memory is there: a change of it concerns everybody, and whoever has a section then. */
static bool open_viewers(struct owner *o)
{
	for (unsigned n = 0; n < o->parties; n++) {
		if (!open_viewer(&o->party[n]))
			return false;
	}
	return true;
}

bool owner_open(struct owner *o, unsigned parties)
{
	memset(o, 0, sizeof(*o));
	pthread_mutex_init(&o->registers, NULL);
	if (!open_engine(o, parties))
		return false;
	for (unsigned n = 0; n < parties; n++) {
		if (!open_party(o, n))
			return false;
	}
	return open_viewers(o);
}

static void close_party(struct party *p)
{
	owner_stop(p);
	viommu_viewer_free(p->viewer);
	viommu_device_free(p->device);
	viommu_vm_remove_region(p->owner->vm, p->pool_gpa);
	if (p->section_seen)
		munmap((void *)(uintptr_t)p->section_seen, p->section.bytes);
	share_free(&p->section);
	share_free(&p->pool);
}

void owner_close(struct owner *o)
{
	for (unsigned n = 0; n < o->parties; n++)
		close_party(&o->party[n]);
	if (o->vm)
		small_guest_close(&o->guest, o->vm);
	viommu_free(o->vtd);
	viommu_vm_free(o->vm);
	pthread_mutex_destroy(&o->registers);
}

bool owner_window(const struct party *p, struct viommu_window *w, int *fd)
{
	*w = (struct viommu_window){ .size = sizeof(*w) };
	if (viommu_device_get_window(p->device, w))
		return false;
	for (unsigned i = 0; i < p->owner->windows; i++) {
		if (p->owner->window[i].at == w->base) {
			*fd = p->owner->window[i].fd;
			return true;
		}
	}
	return false;
}

/* ---- invalidations ---- */

/* Whose section has expired goes: the invalidation is complete only then. */
static void stop_expired(struct owner *o)
{
	for (unsigned n = 0; n < o->parties; n++) {
		if (atomic_load(&o->party[n].expired))
			owner_stop(&o->party[n]);
	}
}

bool owner_invalidate(struct party *p, uint64_t iova)
{
	const struct timespec a_moment = { .tv_nsec = 20000 };
	struct owner *o = p->owner;
	bool complete;

	pthread_mutex_lock(&o->registers);
	if (small_guest_invalidate(&o->guest, p->domain, iova) == VIOMMU_PENDING) {
		while (viommu_run(o->vtd) == VIOMMU_PENDING) {
			stop_expired(o);
			nanosleep(&a_moment, NULL);
		}
	}
	complete = small_guest_waited(&o->guest);
	pthread_mutex_unlock(&o->registers);
	return complete;
}
