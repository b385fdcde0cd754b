/* SPDX-License-Identifier: BSD-3-Clause */
/* rvic_cpu.c - one CPU's controller. */

#include "rvic_engine.h"

static void append(struct rvic_cpu *c, uint32_t intid)
{
	c->irq[intid].next = 0;
	c->irq[intid].previous = c->tail;
	c->irq[intid].flags |= RVIC_QUEUED;
	*(c->tail ? &c->irq[c->tail - 1].next : &c->head) = (uint16_t)(intid + 1);
	c->tail = (uint16_t)(intid + 1);
}

static void take_out(struct rvic_cpu *c, uint32_t intid)
{
	struct rvic_irq *irq = &c->irq[intid];

	*(irq->previous ? &c->irq[irq->previous - 1].next : &c->head) = irq->next;
	*(irq->next ? &c->irq[irq->next - 1].previous : &c->tail) = irq->previous;
	irq->flags &= (uint8_t)~RVIC_QUEUED;
}

static void settle(struct rvic_cpu *c, uint32_t intid)
{
	unsigned flags = c->irq[intid].flags;

	if (c->enabled && rvic_cpu_left_out(c, intid))
		append(c, intid);
	else if ((flags & RVIC_QUEUED) && (flags & (RVIC_PENDING | RVIC_MASKED)) != RVIC_PENDING)
		take_out(c, intid);
}

void rvic_cpu_reset(struct rvic_cpu *c)
{
	c->enabled = false;
	c->head = 0;
	c->tail = 0;
	for (uint32_t i = 0; i < c->total; i++)
		c->irq[i] = (struct rvic_irq){ .flags = RVIC_MASKED };
}

void rvic_cpu_enable(struct rvic_cpu *c, bool enabled)
{
	c->enabled = enabled;
	for (uint32_t i = 0; enabled && i < c->total; i++)
		settle(c, i);
}

void rvic_cpu_change(struct rvic_cpu *c, uint32_t intid, unsigned set, unsigned clear)
{
	struct rvic_irq *irq = &c->irq[intid];

	if (!c->enabled)
		set &= ~RVIC_PENDING;
	irq->flags = (uint8_t)((irq->flags & ~clear) | set);
	settle(c, intid);
}
