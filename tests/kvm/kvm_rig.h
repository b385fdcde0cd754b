/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * kvm_rig.h - a guest with a VT-d unit, a route cache and an I/O APIC, and a real KVM virtual machine that delivers.
 *
 * What the kernel refuses fails the cmocka test. Routes that changed go to the kernel in the cache's callback; after
 * viommu_routes_set() and _remove(), rig_update() does it.
 */
#ifndef TESTS_KVM_RIG_H
#define TESTS_KVM_RIG_H

#include <libvirtiommu/routes.h>

#include "../../examples/kvm_irq/kernel.h"

#include "check.h"
#include "guest.h"

enum { RIG_CPU_0, RIG_CPU_1, RIG_CPU_X2, RIG_CPUS }; /* two in xAPIC mode, one in x2APIC mode */
enum { RIG_BINDINGS = 16 };

#define RIG_NIC	   0x0010U /* 00:02.0 */
#define RIG_IOAPIC 0xf0f8U /* f0:1f.0 */

/* The first 24 GSIs are the I/O APIC's pins. */
#define RIG_GSI UINT32_C(24)

struct rig {
	struct kernel kernel;
	struct guest g;
	bool eime;
	uint64_t table; /* gpa of the interrupt remapping table */
	struct viommu_routes *routes;
	struct viommu_ioapic *ioapic;
	struct {
		int eventfd;
		uint32_t gsi;
	} binding[RIG_BINDINGS];
	unsigned bindings;

	/* Since the last rig_forget(). */
	unsigned changed;      /* calls of the cache's callback */
	unsigned changes;      /* routes drained in it, or by rig_update() */
	unsigned late;	       /* callbacks made when the guest's wait was over already */
	unsigned acknowledged; /* level-triggered pins */
	unsigned sent;	       /* messages of the I/O APIC */
	unsigned taken;	       /* local APICs that took the last one */
};

/* Table entries: as many as there can be routes, or fewer. cap 0: the unit's default. */
#define RIG_S_4096 11U
#define RIG_S_256  7U
void rig_open(struct rig *r, uint64_t cap, unsigned s, bool eime);
void rig_close(struct rig *r);
void rig_forget(struct rig *r);

/* APIC id of a vCPU. */
uint32_t rig_apic(const struct rig *r, unsigned cpu);

/* A table entry in remapped form; zeroes: fixed, physical, edge, no source validation. */
struct rig_entry {
	uint32_t destination;
	uint8_t vector;
	bool logical;
	bool level;
	unsigned svt;
	unsigned sq;
	uint16_t sid;
};

/* What the guest writes; the unit is not told. NULL: not present. */
void rig_put(struct rig *r, unsigned index, const struct rig_entry *entry);
/* Submits an invalidation of 1 << im entries and a wait, until that is over. */
void rig_invalidate(struct rig *r, unsigned index, unsigned im);
/* Both, for an entry that sends a vector to a vCPU and verifies no source; for one not present. */
void rig_redirect(struct rig *r, unsigned index, unsigned cpu, uint8_t vector);
void rig_remove(struct rig *r, unsigned index);

/* Message address for an entry, without subhandle; the data is 0. */
uint64_t rig_address(unsigned index);

/* A route of the NIC through an entry; the answer of viommu_routes_set(). The kernel is told. */
int rig_route(struct rig *r, uint32_t gsi, unsigned index);
int rig_set(struct rig *r, const struct viommu_route *route);
void rig_update(struct rig *r);

/* Binds an eventfd to a GSI, and raises it. */
void rig_bind(struct rig *r, uint32_t gsi);
void rig_raise(struct rig *r, uint32_t gsi);

/* This vector is or becomes pending in this vCPU, and nothing else in any; then it is removed. */
void rig_expect(struct rig *r, const char *row, unsigned cpu, unsigned vector);
void rig_raise_expect(struct rig *r, const char *row, uint32_t gsi, unsigned cpu, unsigned vector);
/*
 * Nothing is pending. What eventfds started in the kernel has ended: a marker that was raised later
 * has arrived, and all eventfds have been unbound (which waits for their work) and bound again.
 */
void rig_expect_nothing(struct rig *r, const char *row);
void rig_raise_expect_nothing(struct rig *r, const char *row, uint32_t gsi);
/* Delivers a message by KVM_SIGNAL_MSI; how many local APICs took it. */
unsigned rig_signal(struct rig *r, const struct viommu_msi *msi);
/* Local APICs whose vector is level-triggered. */
bool rig_is_level(struct rig *r, unsigned cpu, unsigned vector);

/* Runs the tests, or says why this machine cannot, and returns 77. */
int rig_main(const char *name, const struct CMUnitTest *tests, size_t count);

#endif
