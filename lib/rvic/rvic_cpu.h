/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * rvic_cpu.h - one CPU's controller: which interrupts are pending and masked, and in which order they
 * are delivered. Its lock is the caller's.
 *
 * An interrupt is in the FIFO only if it is pending and not masked; while the CPU is enabled, every
 * such one is. Each operation changes flags and settles: that is all there is to it.
 */
#ifndef RVIC_CPU_H
#define RVIC_CPU_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

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

struct rvic_cpu {
	pthread_mutex_t lock; /* guards what follows */
	bool enabled;
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

static inline bool rvic_cpu_can_signal(const struct rvic_cpu *c)
{
	return c->enabled && c->head;
}

#endif
