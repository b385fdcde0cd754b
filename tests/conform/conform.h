/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * conform.h - what every engine has to do, whatever its tables and commands look like.
 *
 * A rig is a guest of one engine with two devices, each in a domain of its own. The rows in test_conform.c know
 * nothing else of it. A new engine is one more struct conform_engine in engines[].
 */
#ifndef CONFORM_H
#define CONFORM_H

#include "guest.h"

enum { CONFORM_DEVICES = 2 };

#define CONFORM_PAGES	   64U /* of a domain: pages from address 0x10000 on */
#define CONFORM_IOVA(page) (UINT64_C(0x10000) + (page)*GUEST_PAGE)

struct conform_engine;

struct conform_rig {
	const struct conform_engine *engine;
	struct guest *g;
	struct viommu_device *device[CONFORM_DEVICES];
	struct viommu_channel *channel[CONFORM_DEVICES];
	struct viommu_limits limits;
	void *own; /* of the engine */
};

struct conform_engine {
	const char *name;
	/* r->limits are set, r->g and the devices are made; both are attached to empty domains. */
	void (*open)(struct conform_rig *r);
	void (*close)(struct conform_rig *r);
	/* Domain @d (of device d) maps a page. The guest has invalidated what it has to. */
	void (*map)(struct conform_rig *r, unsigned d, unsigned page, uint64_t gpa,
		    unsigned access);
	/* Takes a page, or the whole domain, away from device d, and asks for completion. VIOMMU_OK or
	 * VIOMMU_PENDING, as the call on the library said. */
	int (*unmap)(struct conform_rig *r, unsigned d, unsigned page);
	int (*detach)(struct conform_rig *r, unsigned d);
	/* Whether the guest has been told that the last of these is complete. */
	bool (*told)(struct conform_rig *r);
	/* Takes the fault records; how many there were. */
	unsigned (*faults)(struct conform_rig *r);
	/* Another IOMMU of the same configuration in r->g->iommu; the old one is answered. Devices are
	 * those of the old one until conform_devices(). */
	struct viommu *(*another)(struct conform_rig *r);
	/* The tables are ours: a state has the mappings, and a reset loses them. */
	bool own_mappings;
};

extern const struct conform_engine conform_toy, conform_vtd, conform_virtio;
extern const struct conform_engine conform_smmuv3, conform_tce, conform_riscv;
extern const struct conform_engine conform_amdvi;

/* Makes the devices (ids 1 and 2) and their channels. */
void conform_devices(struct conform_rig *r);

#endif
