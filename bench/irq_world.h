/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * irq_world.h - a VM with one VT-d unit whose guest has set up interrupt remapping: a full table,
 * devices with messages of their own, posted descriptors, an invalidation queue.
 *
 * Message i goes through a table entry of its own, far from that of message i + 1, that lets only
 * requester id i pass.
 */
#ifndef BENCH_IRQ_WORLD_H
#define BENCH_IRQ_WORLD_H

#include <libvirtiommu/routes.h>
#include <libvirtiommu/vm.h>
#include <libvirtiommu/vtd.h>

#include <stdbool.h>
#include <stdint.h>

#include "expect.h"
#include "guest_tables.h"

#define IRQ_ENTRIES 65536U

struct irq_message {
	uint64_t address;
	uint32_t source;
	uint32_t index;
};

struct irq_world {
	struct guest guest;
	struct viommu_vm *vm;
	struct viommu *iommu;
	struct viommu_routes *routes; /* NULL: no routes */
	uint64_t table;
	uint64_t descriptor; /* gpa of the posted descriptors; 0: entries are remapped */
	uint64_t n;	     /* messages */
	struct irq_message *message;
	uint64_t allocated;  /* bytes that the library has, now */
	uint64_t changed;    /* routes drained, ever, */
	uint64_t drained_ns; /* and what that took */
	uint64_t queue;
	uint32_t tail;
	uint64_t status;
	uint32_t ticket;
};

/* n messages, with routes of them or not; posted to 32 descriptors in turn, or remapped. */
struct irq_world *irq_world_new(uint64_t n, bool routes, bool posted);
void irq_world_free(struct irq_world *w);

/* --- the guest's driver --- */

/* Gives message i another vector, without telling the unit. */
void irq_rewrite(struct irq_world *w, uint64_t i, uint32_t vector);
void irq_queue_all(struct irq_world *w);
void irq_queue_one(struct irq_world *w, uint64_t i);
void irq_queue_wait(struct irq_world *w);
/* Writes the tail register and sees to it that everything is done. */
void irq_ring(struct irq_world *w);

/* --- the devices --- */

static inline uint64_t irq_send(const struct irq_world *w, uint64_t i)
{
	const struct irq_message *m = &w->message[i];
	struct viommu_msi msi;
	int r = viommu_remap_msi(w->iommu, m->source, m->address, 0, 0, &msi);

	if (__builtin_expect(r != VIOMMU_OK, 0))
		unexpected("viommu_remap_msi", r);
	return msi.data;
}

#endif
