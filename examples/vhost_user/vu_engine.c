/* SPDX-License-Identifier: BSD-3-Clause */
/* vu_engine.c - what a VMM puts between an IOMMU of libvirtiommu and a vhost-user backend. */
#define _GNU_SOURCE
#include "vu_engine.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "vu_message.h"

/* Misses that are answered before their acknowledgements are awaited. */
#define SERVED_AT_ONCE 64U

uint64_t engine_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000U + (uint64_t)t.tv_nsec;
}

/* ---- messages ---- */

/* The library has something to tell the backend. Its answer is awaited later: see settle(). */
static int send_message(void *opaque, const struct viommu_iotlb_msg *message)
{
	struct vu_engine *e = opaque;
	uint64_t start = engine_now();
	bool sent = link_iotlb(e->link, message);

	if (message->type == VIOMMU_IOTLB_UPDATE)
		e->work.updates++;
	else
		e->work.invalidations++;
	e->work.message += engine_now() - start;
	/* A backend that is gone has nothing any more. */
	return sent ? VIOMMU_PENDING : VIOMMU_OK;
}

/* Waits for the backend's answers and hands them to the library; the time in there is *library. */
static void settle(struct vu_engine *e, uint64_t *library)
{
	uint64_t start = engine_now(), between;
	unsigned outstanding = e->link->outstanding;

	if (!outstanding)
		return;
	link_settle(e->link);
	between = engine_now();
	e->work.message += between - start;
	/* As above: what a broken backend did not answer is done. */
	viommu_vhost_acknowledged(e->vhost, outstanding);
	*library += engine_now() - between;
}

static void serve_one(struct vu_engine *e, const struct viommu_iotlb_msg *message)
{
	uint64_t sending = e->work.message;
	uint64_t start = engine_now();

	/* ACCESS_FAIL: there is a translation, but not for this; asking records the fault. */
	if (message->type == VIOMMU_IOTLB_MISS || message->type == VIOMMU_IOTLB_ACCESS_FAIL)
		viommu_vhost_miss(e->vhost, message->iova, message->perm);
	e->work.miss += engine_now() - start - (e->work.message - sending);
	e->work.misses++;
}

unsigned engine_serve(struct vu_engine *e)
{
	struct viommu_iotlb_msg message;
	unsigned count = 0;
	uint64_t start;

	for (;;) {
		start = engine_now();
		if (count == SERVED_AT_ONCE || !link_next(e->link, &message))
			break;
		e->work.message += engine_now() - start;
		serve_one(e, &message);
		count++;
	}
	if (count)
		settle(e, &e->work.miss);
	return count;
}

/* ---- the guest's driver ---- */

bool engine_map(struct vu_engine *e, uint64_t iova, uint64_t gpa, uint64_t bytes, uint32_t perm)
{
	return e->type->map(e, iova, gpa, bytes, perm);
}

void engine_unmap(struct vu_engine *e, uint64_t iova, uint64_t bytes)
{
	e->type->unmap(e, iova, bytes);
}

static int run(struct vu_engine *e)
{
	uint64_t sending = e->work.message;
	uint64_t start = engine_now();
	int r = viommu_run(e->iommu);

	e->work.invalidation += engine_now() - start - (e->work.message - sending);
	return r;
}

bool engine_flush(struct vu_engine *e, uint64_t iova, uint64_t bytes)
{
	int r = e->type->flush(e, iova, bytes);

	e->work.flushes++;
	if (!e->type->flushed(e))
		e->work.held++;
	while (r == VIOMMU_PENDING) {
		settle(e, &e->work.invalidation);
		r = run(e);
	}
	if (r || !e->type->flushed(e)) {
		fprintf(stderr, "a flush was not completed: %s\n", viommu_strerror(r));
		return false;
	}
	return !e->link->broken;
}

bool engine_take_fault(struct vu_engine *e, struct vu_fault *fault)
{
	return e->type->take_fault(e, fault);
}

/* ---- life ---- */

static bool open_vm(struct vu_engine *e)
{
	struct viommu_vm_config config = { .size = sizeof(config) };
	struct viommu_region region = { .size = sizeof(region),
					.bytes = e->ram->bytes,
					.host = e->ram->base };

	return !viommu_vm_new(&config, &e->vm) && !viommu_vm_add_region(e->vm, &region);
}

bool engine_open(struct vu_engine *e, const struct vu_engine_type *type, struct vu_ram *ram)
{
	struct viommu_device_config nic = { .size = sizeof(nic), .id = ENGINE_NIC };

	*e = (struct vu_engine){ .type = type, .ram = ram };
	if (!open_vm(e) || !type->open(e) || viommu_device_new(e->iommu, &nic, &e->nic) ||
	    (type->start && !type->start(e))) {
		fprintf(stderr, "the IOMMU cannot be set up\n");
		return false;
	}
	return true;
}

bool engine_connect(struct vu_engine *e, struct vu_link *link, uint64_t reach, uint64_t ahead)
{
	struct viommu_vhost_config config = { .size = sizeof(config),
					      .pasid = VIOMMU_NO_PASID,
					      .reach = reach,
					      .ahead = ahead,
					      .opaque = e,
					      .send = send_message };
	int r;

	e->link = link;
	r = viommu_vhost_new(e->nic, &config, &e->vhost);
	if (r)
		fprintf(stderr, "viommu_vhost_new: %s\n", viommu_strerror(r));
	return !r;
}

void engine_close(struct vu_engine *e)
{
	if (e->vhost)
		viommu_vhost_free(e->vhost);
	if (e->nic)
		viommu_device_free(e->nic);
	viommu_free(e->iommu);
	viommu_vm_free(e->vm);
	if (e->guest)
		e->type->close(e);
	*e = (struct vu_engine){ 0 };
}
