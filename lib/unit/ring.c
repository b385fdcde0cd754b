/* SPDX-License-Identifier: BSD-3-Clause */
/* ring.c - rings in guest memory: commands that a guest leaves for us, and records that we leave for it. */

#include "ring.h"

#include "mem.h"

bool ring_position(const struct ring *r, uint64_t value, uint32_t *position)
{
	unsigned shift = r->index == RING_BYTES ? 3 + (unsigned)__builtin_ctz(r->words) : 0;
	uint64_t at = value >> shift;

	if ((value & bits_low(shift)) || at >= ring_span(r))
		return false;
	*position = (uint32_t)at;
	return true;
}

/* ---- commands ---- */

void ring_restart(struct ring_commands *c, uint32_t head, bool drop)
{
	c->head = head;
	c->held &= !drop;
	c->apart = c->held;
}

/* ---- records ---- */

bool ring_reserve(struct ring_records *c, const struct ring *r, uint32_t head, uint32_t tail,
		  struct ring_place *place)
{
	if (c->writers == 0)
		c->reserved = tail;
	if (c->lost || ring_full(r, head, c->reserved))
		return false;
	*place = (struct ring_place){ .at = c->reserved, .generation = c->generation };
	c->reserved = ring_next(r, c->reserved);
	c->writers++;
	return true;
}

bool ring_write(struct viommu *u, const struct ring *r, const struct ring_place *place,
		const uint64_t *word)
{
	uint64_t address = ring_address(r, place->at);

	return ring_has(r, address) && mem_store(u->vm, address, word, r->words);
}

enum ring_published ring_publish(struct ring_records *c, const struct ring *r,
				 const struct ring_place *place, bool written, uint32_t *tail)
{
	uint32_t from = *tail;
	bool behind;

	if (place->generation != c->generation)
		return RING_BUSY;
	if (!written &&
	    (!c->lost || ring_used(r, from, place->at) < ring_used(r, from, c->first_lost)))
		c->first_lost = place->at;
	c->lost |= !written;
	if (--c->writers)
		return RING_BUSY;
	*tail = c->lost ? c->first_lost : c->reserved;
	behind = c->lost && ring_next(r, *tail) != c->reserved;
	c->lost = false;
	return behind ? RING_LOST : RING_PUBLISHED;
}

bool ring_record(struct viommu *u, struct ring_records *c, const struct ring *r,
		 const struct ring_registers *at, const uint64_t *word)
{
	enum ring_published published;
	struct ring_place place;
	uint32_t head, tail;
	bool ok;

	pthread_mutex_lock(at->lock);
	ok = ring_position(r, regs_get(at->regs, at->head), &head) &&
	     ring_position(r, regs_get(at->regs, at->tail), &tail) &&
	     ring_reserve(c, r, head, tail, &place);
	pthread_mutex_unlock(at->lock);
	if (!ok)
		return false;
	ok = ring_write(u, r, &place, word);
	pthread_mutex_lock(at->lock);
	published = ring_publish(c, r, &place, ok, &tail);
	if (published != RING_BUSY)
		regs_put(at->regs, at->tail, ring_register(r, tail));
	pthread_mutex_unlock(at->lock);
	return ok && published != RING_LOST;
}

void ring_records_reset(struct ring_records *c)
{
	c->generation++;
	c->writers = 0;
	c->lost = false;
}
