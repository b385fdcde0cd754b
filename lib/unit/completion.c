/* SPDX-License-Identifier: BSD-3-Clause */
/* completion.c - before a guest is told that something is done. */

#include "completion.h"
#include "probe.h"

enum completion_state completion_poll(struct viommu *u, struct completion *c)
{
	if (!notify_settled(u))
		return COMPLETION_IN_USE;
	if (!c->epoch)
		completion_start(u, c);
	return completion_wait(u, c);
}

/* ---- status bits ---- */

void deferred_bits(struct deferred *d, struct regs *regs, uint32_t offset, uint64_t set,
		   uint64_t clear)
{
	struct deferred_bits *place = NULL;

	for (unsigned i = 0; i < DEFERRED_REGISTERS; i++) {
		struct deferred_bits *b = &d->bits[i];

		if (b->offset == offset && (b->set | b->clear)) {
			place = b;
			break;
		}
		if (!(b->set | b->clear))
			place = b;
	}
	if (NEVER(!place))
		return;
	if (!(place->set | place->clear))
		place->offset = offset;
	place->set = (place->set & ~clear) | set;
	place->clear = (place->clear & ~set) | clear;
	/* An earlier command may have left the status that this one is to bring about. */
	regs_clear_bits(regs, offset, set);
	regs_set_bits(regs, offset, clear);
	deferred_again(d);
}

void deferred_again(struct deferred *d)
{
	d->due = true;
	d->completion.epoch = 0;
}

struct deferred_bits deferred_of(const struct deferred *d, uint32_t offset)
{
	for (unsigned i = 0; i < DEFERRED_REGISTERS; i++) {
		if (d->bits[i].offset == offset)
			return d->bits[i];
	}
	return (struct deferred_bits){ .offset = offset };
}

bool deferred_show(struct viommu *u, struct deferred *d, struct regs *regs)
{
	bool shown = false;

	if (!d->due)
		return true;
	/* what a register switches off, such as a queue of records, anybody may still use */
	unit_wait_for_all(u);
	if (completion_poll(u, &d->completion) != COMPLETION_DONE)
		return false;
	for (unsigned i = 0; i < DEFERRED_REGISTERS; i++) {
		const struct deferred_bits *b = &d->bits[i];

		if (!(b->set | b->clear))
			continue;
		shown = true;
		regs_set_bits(regs, b->offset, b->set);
		regs_clear_bits(regs, b->offset, b->clear);
	}
	*d = (struct deferred){ .due = false };
	if (shown)
		probe_completion(u);
	return true;
}
