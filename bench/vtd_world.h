/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vtd_world.h - a VM with one VT-d unit that a guest has set up: tables, invalidation queue,
 * devices.
 *
 * Everything goes through the public API, as in a VMM. Any answer but the expected one ends the
 * program, so that no benchmark measures a fault.
 */
#ifndef BENCH_VTD_WORLD_H
#define BENCH_VTD_WORLD_H

#include <libvirtiommu/vm.h>
#include <libvirtiommu/vtd.h>

#include <stdbool.h>
#include <stdint.h>

#include "expect.h"
#include "guest_tables.h"

enum vtd_paging { VTD_SS3, VTD_SS4, VTD_FS4, VTD_NESTED44 };

/* What the guest looks like. Device i has requester id i and domain i + 1, or i % domains + 1. */
struct vtd_shape {
	enum vtd_paging paging;
	uint64_t pages;
	uint64_t stride; /* see guest_tables.h */
	uint32_t devices;
	uint32_t domains; /* 0: as many */
	uint32_t partitions;
};

struct vtd_world {
	struct vtd_shape shape;
	struct guest guest;
	struct guest_pages pages;
	struct guest_paging paging; /* of the pages */
	struct viommu_vm *vm;
	struct viommu *iommu;
	struct viommu_device **device;
	struct viommu_channel *channel[2]; /* of device 0, one for each thread */
	uint64_t queue;			   /* gpa of the invalidation queue */
	uint32_t tail;			   /* in bytes, as the register has it */
	uint32_t descriptor_bytes;
	uint64_t status; /* gpa that wait descriptors write to */
	uint32_t ticket; /* what the last one writes */
};

struct vtd_world *vtd_world_new(const struct vtd_shape *shape);
void vtd_world_free(struct vtd_world *w);

/* --- the guest's driver --- */

/* Puts a descriptor in the queue; the unit does not know yet. */
void vtd_queue_page(struct vtd_world *w, uint16_t did, uint64_t iova);
void vtd_queue_domain(struct vtd_world *w, uint16_t did);
void vtd_queue_wait(struct vtd_world *w);

/* Writes the tail register. VIOMMU_OK, or VIOMMU_PENDING: viommu_run() has to go on. */
int vtd_ring(struct vtd_world *w);

/* Whether the last wait descriptor has written its status. */
bool vtd_completed(const struct vtd_world *w);

/* Rings, and sees to it that everything is done. No section may be open. */
void vtd_finish(struct vtd_world *w);

/* --- the devices: one read of the page at `iova`, answered with its gpa --- */

static inline struct viommu_request vtd_read(uint64_t iova)
{
	return (struct viommu_request){ .first = iova,
					.last = iova + (GUEST_PAGE - 1),
					.pasid = VIOMMU_NO_PASID,
					.access = VIOMMU_READ,
					.type = VIOMMU_AT_UNTRANSLATED };
}

static inline uint64_t vtd_ask(struct viommu_channel *channel, uint64_t iova)
{
	struct viommu_request request = vtd_read(iova);
	struct viommu_fragment fragment;
	struct viommu_answer answer;
	int r = viommu_translate(channel, &request, &fragment, 1, &answer);

	if (__builtin_expect(r != VIOMMU_OK, 0))
		unexpected("viommu_translate", r);
	return fragment.gpa;
}

static inline uint64_t vtd_ask_device(struct viommu_device *device, uint64_t iova)
{
	struct viommu_request request = vtd_read(iova);
	struct viommu_fragment fragment;
	struct viommu_answer answer;
	int r = viommu_device_translate(device, &request, &fragment, 1, &answer);

	if (__builtin_expect(r != VIOMMU_OK, 0))
		unexpected("viommu_device_translate", r);
	return fragment.gpa;
}

#endif
