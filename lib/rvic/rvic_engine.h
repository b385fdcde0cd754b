/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * rvic_engine.h - an RVIC, its CPUs, and what it has in common with an RVID: configuration, arguments
 * of hypercalls, the beginnings of saved states.
 */
#ifndef RVIC_ENGINE_H
#define RVIC_ENGINE_H

#include <libvirtiommu/rvic.h>

#include <stdatomic.h>

#include "machine.h"
#include "rvic_spec.h"
#include "state.h"

/* ---- both: rvic_call.c ---- */

/* What every object begins with. */
struct rvic_interface {
	struct viommu_vm *vm;
	uint64_t bytes;			  /* all of the object */
	struct viommu_rvic_config config; /* with the defaults filled in; mpidr is ours */
	uint32_t total;			  /* interrupts of a CPU */
	bool rvid;
};

/* What an argument has to be. */
enum rvic_argument {
	ARGUMENT_NONE,
	ARGUMENT_KEY,
	ARGUMENT_CPU,
	ARGUMENT_INTID,
	ARGUMENT_TRUSTED,
	ARGUMENT_UNTRUSTED,
	ARGUMENT_INPUT,
	ARGUMENT_KINDS,
};

/* A function of a controller; VERSION is the first of both. */
struct rvic_row {
	uint8_t argument[3];
	uint8_t set; /* flags of an interrupt */
	uint8_t clear;
	bool enabled; /* the CPU has to be */
	bool queued;  /* and an interrupt is in its FIFO */
};

/* f->rvid is set. Trusted and untrusted interrupts come in multiples of @unit. VIOMMU_OK,
 * VIOMMU_EINVAL, VIOMMU_ESIZE */
int rvic_take_config(struct rvic_interface *f, const struct viommu_rvic_config *given,
		     uint32_t unit);
/* An object of so many bytes that begins with *f, and is zero otherwise; NULL: no memory. It is freed by
 * vm_dealloc(). */
void *rvic_alloc(struct rvic_interface *f, uint64_t bytes);

/* The function in x0, one of @count, if its arguments are right: they are in operand[] by kind, and x
 * says SUCCESS. VIOMMU_OK: it has been answered; VIOMMU_ENOENT: it is somebody else's. */
int rvic_decode(const struct rvic_interface *f, const struct rvic_row *row, uint32_t count,
		uint64_t x[4], uint32_t operand[ARGUMENT_KINDS]);

/* Configuration, and the beginning of the record that follows. False: misuse. */
bool rvic_save_begin(const struct rvic_interface *f, struct state_writer *state, void *buffer,
		     const uint64_t *bytes);
/* Reads it. False: that of another configuration, or not valid. */
bool rvic_load_begin(const struct rvic_interface *f, struct state_reader *state, const void *buffer,
		     uint64_t bytes);

/* ---- one CPU's controller: rvic_cpu.c. Its lock is the caller's ---- */

#define RVIC_PENDING 1U
#define RVIC_MASKED  2U
#define RVIC_LINE    4U /* trusted: the level that was signalled last */
#define RVIC_QUEUED  8U

/* Links are INTID + 1; 0: none. */
struct rvic_irq {
	uint16_t next;
	uint16_t previous;
	uint8_t flags;
};

/* An interrupt is in the FIFO only if it is pending and not masked; while the CPU is enabled, every
 * such one is. Each operation changes flags and settles: that is all there is to it. */
struct rvic_cpu {
	pthread_mutex_t lock; /* guards what follows */
	bool enabled;
	_Atomic bool can_signal; /* when it was unlocked last; read without the lock */
	uint16_t head;
	uint16_t tail;
	uint32_t total;
	struct rvic_irq *irq; /* total of them */
};

void rvic_cpu_reset(struct rvic_cpu *c);
/* The FIFO survives DISABLE; ENABLE queues, in ascending order, what became deliverable meanwhile. */
void rvic_cpu_enable(struct rvic_cpu *c, bool enabled);
/* Clears and sets flags of an interrupt. A disabled CPU takes no RVIC_PENDING. */
void rvic_cpu_change(struct rvic_cpu *c, uint32_t intid, unsigned set, unsigned clear);

/* It could be in the FIFO, and is not. */
static inline bool rvic_cpu_left_out(const struct rvic_cpu *c, uint32_t intid)
{
	return (c->irq[intid].flags & (RVIC_PENDING | RVIC_MASKED | RVIC_QUEUED)) == RVIC_PENDING;
}

/* ---- the RVIC of a VM: rvic.c, rvic_state.c ---- */

struct viommu_rvic {
	struct rvic_interface interface;
	struct rvic_cpu cpu[]; /* behind them the interrupts of all CPUs */
};

/* As viommu_rvic_new(), with interrupts in multiples of @unit: tests explore few of them. */
int rvic_new(struct viommu_vm *vm, const struct viommu_rvic_config *config, uint32_t unit,
	     struct viommu_rvic **out);

/* Locks a CPU; NULL: there is none, or no RVIC. */
struct rvic_cpu *rvic_lock(struct viommu_rvic *r, uint32_t cpu);
/* Unlocks it. If it can be signalled and could not, or the reverse, it has to look: @self, it does. */
void rvic_unlock(struct viommu_rvic *r, struct rvic_cpu *c, bool self);

#endif
