/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * its_guest.h - a VM with a GICv3 ITS whose guest has mapped 65536 events: 32 devices of 2048 each, on 8
 * redistributors, by collections of the same number.
 */
#ifndef BENCH_ITS_GUEST_H
#define BENCH_ITS_GUEST_H

#include <libvirtiommu/its.h>
#include <libvirtiommu/routes.h>
#include <libvirtiommu/vm.h>

#include <stdint.h>

#include "expect.h"

#define ITS_DEVICES 32U
#define ITS_EACH    2048U
#define ITS_EVENTS  (ITS_DEVICES * ITS_EACH)
#define ITS_CPUS    8U
#define ITS_VALID   (UINT64_C(1) << 63)

#define ITS_DOORBELL UINT64_C(0x10040) /* GITS_TRANSLATER */

struct its_guest {
	struct viommu_vm *vm;
	struct viommu *lpis;
	struct viommu *its;
	struct viommu_routes *routes; /* NULL: no routes */
	uint8_t *ram;
	uint64_t allocated; /* bytes that the library has, now */
	uint32_t tail;
};

/* routes: so many of the events have one, the first of them; 0: no routes */
struct its_guest *its_guest_new(uint32_t routes);
/* The same, with so many events only, the first of them. */
struct its_guest *its_guest_with(uint32_t events, uint32_t routes);
void its_guest_free(struct its_guest *g);

/* --- the guest's driver: events are numbered through, device by device --- */

void its_put(struct its_guest *g, uint64_t w0, uint64_t w1, uint64_t w2, uint64_t w3);
void its_queue_mapti(struct its_guest *g, uint64_t k);
void its_queue_movi(struct its_guest *g, uint64_t k, uint64_t icid);
void its_queue_sync(struct its_guest *g);
/* MOVI of one of the first 64 events, and SYNC; each turn's moves one, and all 64 in turn. */
void its_queue_turn(struct its_guest *g, uint64_t turn);
/* Writes the tail register and sees to it that everything is done. */
void its_ring(struct its_guest *g);

/* --- the devices --- */

/* Sends event k, or asks only (VIOMMU_MSI_RESOLVE): LPI << 32 | redistributor. */
static inline uint64_t its_send(const struct its_guest *g, uint64_t k, uint32_t flags)
{
	struct viommu_msi msi;
	int r = viommu_remap_msi(g->its, (uint32_t)(k / ITS_EACH), ITS_DOORBELL,
				 (uint32_t)(k % ITS_EACH), flags, &msi);

	if (__builtin_expect(r != VIOMMU_OK, 0))
		unexpected("viommu_remap_msi", r);
	return (uint64_t)msi.intid << 32 | msi.cpu;
}

#endif
