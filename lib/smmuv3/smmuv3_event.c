/* SPDX-License-Identifier: BSD-3-Clause */
/* smmuv3_event.c - records for software, errors, and the interrupts that tell of them (3.5, 3.18, 6.3.19, 7.2, 7.4, 8.3). */

#include <string.h>

#include "mem.h"
#include "smmuv3_engine.h"

const struct smmu_queue_at smmu_eventq = { .base = SMMU_EVENTQ_BASE,
					   .prod = SMMU_EVENTQ_PROD,
					   .cons = SMMU_EVENTQ_CONS,
					   .irq = SMMU_EVENTQ_IRQ,
					   .words = 4,
					   .enable = CR0_EVENTQEN,
					   .abort = GERROR_EVENTQ_ABT,
					   .msi_abort = GERROR_MSI_EVENTQ,
					   .irq_enable = IRQ_EVENTQ,
					   .line = VIOMMU_SMMUV3_LINE_EVENTQ };

const struct smmu_queue_at smmu_priq = { .base = SMMU_PRIQ_BASE,
					 .prod = SMMU_PRIQ_PROD,
					 .cons = SMMU_PRIQ_CONS,
					 .irq = SMMU_PRIQ_IRQ,
					 .words = 2,
					 .enable = CR0_PRIQEN,
					 .abort = GERROR_PRIQ_ABT,
					 .msi_abort = GERROR_MSI_PRIQ,
					 .irq_enable = IRQ_PRIQ,
					 .line = VIOMMU_SMMUV3_LINE_PRIQ };

static const struct smmu_queue_at gerror_at = { .irq = SMMU_GERROR_IRQ,
						.msi_abort = GERROR_MSI_GERROR,
						.irq_enable = IRQ_GERROR,
						.line = VIOMMU_SMMUV3_LINE_GERROR };

/* ---- interrupts ---- */

/* One that was decided under the lock and is sent without. */
struct interrupt {
	bool due;
	uint64_t address; /* 0: by wire */
	uint32_t data;
};

/* 3.18: an occurrence while the interrupt is off is none. */
static struct interrupt raise(struct smmu *s, const struct smmu_queue_at *at)
{
	struct interrupt i = { .due = regs_get(&s->regs, SMMU_IRQ_CTRL) & at->irq_enable };

	if (i.due && (smmu_idr(s, 0) & IDR0_MSI)) {
		i.address = regs_get(&s->regs, at->irq);
		i.data = (uint32_t)regs_get(&s->regs, at->irq + 8);
	}
	return i;
}

/* What lies in RAM is written there: it may be what software polls. */
bool smmu_message(struct smmu *s, uint64_t address, uint32_t data)
{
	struct mem_place place;

	mem_find(s->unit.vm, address, &place);
	if (place.host)
		return mem_store32(s->unit.vm, address, data);
	unit_msi(&s->unit, address, data);
	return true;
}

static void send(struct smmu *s, const struct smmu_queue_at *at, const struct interrupt *i)
{
	if (!i->due)
		return;
	if (!i->address) {
		unit_edge(&s->unit, at->line);
		unit_lines(&s->unit);
	} else if (!smmu_message(s, i->address, i->data)) {
		smmu_gerror(s, at->msi_abort);
	}
}

/* ---- GERROR (6.3.19) ---- */

bool smmu_gerror_active(const struct smmu *s, uint64_t error)
{
	return (regs_get(&s->regs, SMMU_GERROR) ^ regs_get(&s->regs, SMMU_GERRORN)) & error;
}

/* With event_lock held. Activation of the error of its own message raises nothing. */
static struct interrupt activate(struct smmu *s, uint64_t error)
{
	if (smmu_gerror_active(s, error))
		return (struct interrupt){ .due = false };
	regs_put(&s->regs, SMMU_GERROR, regs_get(&s->regs, SMMU_GERROR) ^ error);
	return error == GERROR_MSI_GERROR ? (struct interrupt){ .due = false }
					  : raise(s, &gerror_at);
}

void smmu_gerror(struct smmu *s, uint64_t error)
{
	struct interrupt i;

	pthread_mutex_lock(&s->event_lock);
	i = activate(s, error);
	pthread_mutex_unlock(&s->event_lock);
	send(s, &gerror_at, &i);
}

/* ---- queues ---- */

static unsigned size_of(const struct smmu *s, const struct smmu_queue_at *at)
{
	unsigned size = (unsigned)bits_get(regs_get(&s->regs, at->base), QUEUE_LOG2SIZE);
	unsigned max =
		(unsigned)bits_get(smmu_idr(s, 1), at == &smmu_eventq ? IDR1_EVENTQS : IDR1_PRIQS);

	return size < max ? size : max;
}

static struct ring ring_of(const struct smmu *s, const struct smmu_queue_at *at)
{
	unsigned size = size_of(s, at);
	uint64_t base = regs_get(&s->regs, at->base) & QUEUE_ADDR;
	unsigned lg2 = size + (at->words == 4 ? 5 : 4);

	return (struct ring){ .base = base & ~bits_low(lg2 < 5 ? 5 : lg2),
			      .limit = bits_low(s->oas),
			      .entries = UINT32_C(1) << size,
			      .words = at->words,
			      .index = RING_WRAP };
}

/* The bits of PROD or CONS that count. */
static uint32_t index_of(const struct smmu *s, const struct ring *ring, uint32_t offset)
{
	return (uint32_t)regs_get(&s->regs, offset) & (ring_span(ring) - 1);
}

static bool has_overflowed(const struct smmu *s, const struct smmu_queue_at *at)
{
	return (regs_get(&s->regs, at->prod) ^ regs_get(&s->regs, at->cons)) & QUEUE_OVFLG;
}

static struct ring_records *records_of(struct smmu *s, const struct smmu_queue_at *at)
{
	return at == &smmu_eventq ? &s->events : &s->pages;
}

/* With event_lock held, as what follows: takes an entry. 7.4: a full event queue loses this record; 8.3: the PRI queue
 * all of them, until software has noticed. */
static enum smmu_recorded reserve(struct smmu *s, const struct smmu_queue_at *at,
				  const struct ring *ring, bool keep, struct ring_place *place)
{
	uint64_t prod = regs_get(&s->regs, at->prod);

	/* 6.3.9: on when that is acknowledged, which is after what was on its way to the ring of before is forgotten */
	if (!(regs_get(&s->regs, SMMU_CR0) & regs_get(&s->regs, SMMU_CR0ACK) & at->enable) ||
	    smmu_gerror_active(s, at->abort))
		return SMMU_DROPPED;
	if (at == &smmu_priq && has_overflowed(s, at))
		return SMMU_FULL;
	if (ring_reserve(records_of(s, at), ring, index_of(s, ring, at->cons),
			 index_of(s, ring, at->prod), place))
		return SMMU_RECORDED;
	if (!keep && !has_overflowed(s, at))
		regs_put(&s->regs, at->prod, prod ^ QUEUE_OVFLG);
	return SMMU_FULL;
}

/* 3.18.3, 8.4: whether what has just been published raises the interrupt. */
static bool interrupts(const struct smmu *s, const struct smmu_queue_at *at, bool was_empty)
{
	if (at == &smmu_priq && (regs_get(&s->regs, SMMU_PRIQ_IRQ + 12) & PRIQ_LO))
		return s->page_last;
	return was_empty;
}

static struct interrupt publish(struct smmu *s, const struct smmu_queue_at *at,
				const struct ring *ring, const struct ring_place *place,
				bool written)
{
	uint32_t cons = index_of(s, ring, at->cons);
	uint32_t tail = index_of(s, ring, at->prod);
	uint32_t before = tail;
	uint64_t rest = regs_get(&s->regs, at->prod) & QUEUE_OVFLG;
	struct interrupt i = { .due = false };

	if (ring_publish(records_of(s, at), ring, place, written, &tail) == RING_BUSY)
		return i;
	regs_put(&s->regs, at->prod, rest | ring_register(ring, tail));
	if (tail != before && interrupts(s, at, before == cons))
		i = raise(s, at);
	s->page_last = false;
	return i;
}

enum smmu_recorded smmu_record(struct smmu *s, const struct smmu_queue_at *at, const uint64_t *word,
			       bool keep, bool last)
{
	struct interrupt i = { .due = false };
	struct interrupt error = { .due = false };
	enum smmu_recorded recorded;
	struct ring_place place;
	struct ring ring;
	bool written;

	pthread_mutex_lock(&s->event_lock);
	ring = ring_of(s, at);
	recorded = reserve(s, at, &ring, keep, &place);
	/* 8.4: the last of a group is told of even if there is no room for it */
	if (recorded == SMMU_FULL && last && (regs_get(&s->regs, SMMU_PRIQ_IRQ + 12) & PRIQ_LO))
		i = raise(s, at);
	pthread_mutex_unlock(&s->event_lock);
	if (recorded == SMMU_RECORDED) {
		written = ring_write(&s->unit, &ring, &place, word);
		pthread_mutex_lock(&s->event_lock);
		s->page_last |= last && written;
		i = publish(s, at, &ring, &place, written);
		if (!written) {
			error = activate(s, at->abort);
			recorded = SMMU_DROPPED;
		}
		pthread_mutex_unlock(&s->event_lock);
	}
	send(s, at, &i);
	send(s, &gerror_at, &error);
	return recorded;
}

/* 7.3.1, MEV: like the last one, which software has not taken yet. */
static bool is_merged(struct smmu *s, const uint64_t word[4])
{
	uint64_t now[4] = { word[0], word[1], word[2] & ~bits_low(12), word[3] };
	struct ring ring;
	bool same;

	pthread_mutex_lock(&s->event_lock);
	ring = ring_of(s, &smmu_eventq);
	same = s->has_last && memcmp(now, s->last_event, sizeof(now)) == 0 &&
	       index_of(s, &ring, SMMU_EVENTQ_PROD) == s->last_at &&
	       index_of(s, &ring, SMMU_EVENTQ_CONS) != s->last_at;
	pthread_mutex_unlock(&s->event_lock);
	return same;
}

static void remember(struct smmu *s, const uint64_t word[4])
{
	struct ring ring;

	pthread_mutex_lock(&s->event_lock);
	ring = ring_of(s, &smmu_eventq);
	memcpy(s->last_event, word, sizeof(s->last_event));
	s->last_event[2] &= ~bits_low(12);
	s->last_at = index_of(s, &ring, SMMU_EVENTQ_PROD);
	/* not if another one has come in between */
	s->has_last = s->events.writers == 0;
	pthread_mutex_unlock(&s->event_lock);
}

enum smmu_recorded smmu_record_event(struct smmu *s, const uint64_t word[4], bool keep, bool merge)
{
	enum smmu_recorded recorded;

	merge = merge && !keep;
	if (merge && is_merged(s, word))
		return SMMU_RECORDED;
	recorded = smmu_record(s, &smmu_eventq, word, keep, false);
	if (merge && recorded == SMMU_RECORDED)
		remember(s, word);
	return recorded;
}

void smmu_queues_reset(struct smmu *s, uint64_t enable)
{
	pthread_mutex_lock(&s->event_lock);
	if (enable & CR0_EVENTQEN) {
		ring_records_reset(&s->events);
		s->has_last = false;
	}
	if (enable & CR0_PRIQEN) {
		ring_records_reset(&s->pages);
		s->page_last = false;
	}
	pthread_mutex_unlock(&s->event_lock);
	atomic_store(&s->wake, true);
}
