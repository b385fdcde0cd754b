/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * irq_rig.h - a unit with an interrupt remapping table and posted descriptors, beside it the
 * oracle's own copy of the same memory, and both asked the same request.
 *
 *	gpa	IRQ_RAM		empty pages
 *		IRQ_POSTED	descriptors (IRQ_DESCRIPTORS of 64 bytes, one page)
 *		IRQ_TABLES	what tables are put into, to the end of the RAM
 *		IRQ_ROM		a page of descriptors that cannot be written
 *
 * Everything else fails. The unit's queue and status are in the two pages below, which are not the
 * oracle's.
 */
#ifndef IRQ_RIG_H
#define IRQ_RIG_H

#include "guest.h"
#include "irq_oracle.h"
#include "vtd_tables.h"

enum { IRQ_DESCRIPTORS = 64, IRQ_PAGES = 286 };

#define IRQ_RAM	   (GUEST_BASE + 2 * GUEST_PAGE)
#define IRQ_POSTED (GUEST_BASE + 14 * GUEST_PAGE) /* one wrong bit does not reach the queue */
#define IRQ_TABLES (IRQ_POSTED + GUEST_PAGE)
#define IRQ_END	   (IRQ_RAM + IRQ_PAGES * GUEST_PAGE)
#define IRQ_ROM	   UINT64_C(0x4000000)

struct irq_rig {
	struct guest g;
	struct io_unit unit;
	bool eim;
	_Alignas(4096) uint64_t host_rom[512];
	uint64_t shadow[IRQ_PAGES * 512]; /* the oracle's RAM */
	uint64_t shadow_rom[512];
	struct io_memory memory; /* the oracle's */
};

struct irq_config {
	bool region; /* RAM is a region, not behind callbacks */
	bool posting;
	bool eim;
	unsigned haw;
};

/* What the unit did with one request. */
struct irq_answer {
	int result;
	struct viommu_msi msi;
	unsigned faults; /* recorded */
	struct guest_fault fault;
};

void irq_open(struct irq_rig *rig, const struct irq_config *config);
void irq_close(struct irq_rig *rig);

/* Both memories; ROM included. */
void irq_put(struct irq_rig *rig, uint64_t gpa, uint64_t word);
uint64_t irq_get(const struct irq_rig *rig, uint64_t gpa);
void irq_put_entry(struct irq_rig *rig, uint32_t index, uint64_t low, uint64_t high);

/* The table register, SIRTP, and the wanted state of IRE and CFI. */
void irq_program(struct irq_rig *rig, uint64_t irta, bool enabled, bool cfi);
/* An interrupt entry cache invalidation, and a wait. */
void irq_invalidate(struct irq_rig *rig, uint64_t descriptor);

/* Asks the unit; fault records are taken and cleared. */
void irq_ask(struct irq_rig *rig, const struct io_request *req, struct irq_answer *answer);
/* The same without looking for records. */
void irq_ask_plain(struct irq_rig *rig, const struct io_request *req, struct irq_answer *answer);

/* NULL: they agree; else what differs. Memory is not compared. */
const char *irq_differs(const struct io_answer *oracle, const struct io_request *req,
			const struct irq_answer *engine);
/* Descriptors and ROM; all of it. */
bool irq_memory_agrees(const struct irq_rig *rig);
bool irq_tables_agree(const struct irq_rig *rig);

void irq_print(const struct irq_rig *rig, const struct io_request *req,
	       const struct io_answer *oracle, const struct irq_answer *engine);

/* Asks both and compares all but the tables; a difference is printed and fails the test. */
void irq_compare(struct irq_rig *rig, const char *what, const struct io_request *req);

#endif
