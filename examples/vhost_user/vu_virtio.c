/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vu_virtio.c - a guest's virtio-iommu driver (virtio 1.3, 5.13): requests instead of tables.
 *
 * The virtqueue that would carry them is left out: a request is built and given to the engine, as a
 * transport would when it finds it in the ring. A request that the engine keeps is complete when
 * the callback names it.
 */
#define _GNU_SOURCE
#include <libvirtiommu/virtio.h>

#include <endian.h>
#include <linux/virtio_iommu.h>
#include <stddef.h>
#include <stdlib.h>

#include "vu_engine.h"

#define DOMAIN 1U

struct guest {
	uint64_t token; /* of the last request */
	bool pending;	/* the engine keeps it */
	bool refused;
};

static void complete(void *opaque, uint64_t token)
{
	struct vu_engine *e = opaque;
	struct guest *g = e->guest;

	if (token == g->token)
		g->pending = false;
}

/* Hands a request to the engine; the tail is where it answers. */
static int request(struct vu_engine *e, void *head, uint64_t bytes,
		   struct virtio_iommu_req_tail *tail)
{
	struct viommu_part readable = { head, bytes }, writable = { tail, sizeof(*tail) };
	struct guest *g = e->guest;
	uint64_t sending = e->work.message, start = engine_now();
	uint32_t written;
	int r;

	g->pending = true;
	r = viommu_virtio_request(e->iommu, &readable, 1, &writable, 1, ++g->token, &written);
	if (r != VIOMMU_PENDING)
		g->pending = false;
	e->work.invalidation += engine_now() - start - (e->work.message - sending);
	if (r < 0 || tail->status != VIRTIO_IOMMU_S_OK)
		g->refused = true;
	return r;
}

/* ---- requests ---- */

static bool map(struct vu_engine *e, uint64_t iova, uint64_t gpa, uint64_t bytes, uint32_t perm)
{
	struct virtio_iommu_req_map m = {
		.head = { .type = VIRTIO_IOMMU_T_MAP },
		.domain = htole32(DOMAIN),
		.virt_start = htole64(iova),
		.virt_end = htole64(iova + bytes - 1),
		.phys_start = htole64(gpa),
		.flags = htole32((perm & VIOMMU_READ ? VIRTIO_IOMMU_MAP_F_READ : 0) |
				 (perm & VIOMMU_WRITE ? VIRTIO_IOMMU_MAP_F_WRITE : 0)),
	};

	return request(e, &m, offsetof(struct virtio_iommu_req_map, tail), &m.tail) == VIOMMU_OK &&
	       m.tail.status == VIRTIO_IOMMU_S_OK;
}

/* The request that takes mappings away is the one that waits: flush(). */
static void unmap(struct vu_engine *e, uint64_t iova, uint64_t bytes)
{
	(void)e;
	(void)iova;
	(void)bytes;
}

static int flush(struct vu_engine *e, uint64_t iova, uint64_t bytes)
{
	/* The engine may keep the buffer until the request is complete. */
	static struct virtio_iommu_req_unmap m;

	m = (struct virtio_iommu_req_unmap){
		.head = { .type = VIRTIO_IOMMU_T_UNMAP },
		.domain = htole32(DOMAIN),
		.virt_start = htole64(iova),
		.virt_end = htole64(iova + bytes - 1),
	};
	return request(e, &m, offsetof(struct virtio_iommu_req_unmap, tail), &m.tail);
}

static bool flushed(const struct vu_engine *e)
{
	const struct guest *g = e->guest;

	return !g->pending && !g->refused;
}

/* 5.13.6.9: what the event queue would carry. */
static bool take_fault(struct vu_engine *e, struct vu_fault *fault)
{
	struct virtio_iommu_fault record;

	if (viommu_virtio_event(e->iommu, &record, sizeof(record)) != VIOMMU_OK)
		return false;
	*fault = (struct vu_fault){ le64toh(record.address) & ~(uint64_t)0xfff,
				    le32toh(record.endpoint), record.reason };
	return true;
}

/* ---- life ---- */

static bool open_virtio(struct vu_engine *e)
{
	struct viommu_limits limits = { .size = sizeof(limits), .tlb_entries = ENGINE_TLB };
	struct viommu_virtio_config config = {
		.size = sizeof(config), .complete = complete, .opaque = e, .limits = &limits
	};

	e->guest = calloc(1, sizeof(struct guest));
	return e->guest && !viommu_virtio_new(e->vm, &config, &e->iommu);
}

static bool start_virtio(struct vu_engine *e)
{
	struct virtio_iommu_req_attach m = {
		.head = { .type = VIRTIO_IOMMU_T_ATTACH },
		.domain = htole32(DOMAIN),
		.endpoint = htole32(ENGINE_NIC),
	};

	return request(e, &m, offsetof(struct virtio_iommu_req_attach, tail), &m.tail) >= 0 &&
	       m.tail.status == VIRTIO_IOMMU_S_OK;
}

static void close_virtio(struct vu_engine *e)
{
	free(e->guest);
}

const struct vu_engine_type engine_virtio = {
	.name = "virtio",
	.open = open_virtio,
	.start = start_virtio,
	.close = close_virtio,
	.map = map,
	.unmap = unmap,
	.flush = flush,
	.flushed = flushed,
	.take_fault = take_fault,
};
