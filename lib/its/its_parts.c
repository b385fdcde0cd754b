/* SPDX-License-Identifier: BSD-3-Clause */
/* its_parts.c - what commands of GICv3 and of GICv4 are made of (IHI 0069 5.3): their ends, who is told, events, and
 * waiting. */

#include "probe.h"
#include "its_engine.h"

/* ---- ends of commands ---- */

enum ring_executed its_stall(struct its *its)
{
	if (its->config.error)
		its->config.error(its->config.opaque, VIOMMU_ITS_ERROR_MEMORY, its->current.word);
	return RING_ERROR;
}

enum ring_executed its_refuse(struct its *its, unsigned command, unsigned reason)
{
	if (command)
		probe_command_error(&its->unit, reason);
	else
		count_own(&its->unit, COUNT_COMMAND_ERRORS);
	if (its->config.error)
		its->config.error(its->config.opaque,
				  command ? VIOMMU_ITS_ERROR(command, reason) : 0,
				  its->current.word);
	return RING_DONE;
}

enum ring_executed its_check(struct its *its, bool ok, bool failed, unsigned command,
			     unsigned reason)
{
	if (failed)
		return its_stall(its);
	return ok ? RING_DONE : its_refuse(its, command, reason);
}

/* ---- who is told ---- */

void its_tell(struct its *its, uint32_t device, uint32_t first, uint32_t last)
{
	its->unsynced = true;
	notify_interrupts(&its->unit, device, first, last);
}

/* Every event of a block that is mapped to a collection or vPE. */
static bool tell_block(struct its *its, uint32_t block, bool virtual, uint64_t target)
{
	const struct its_owner *owner = &its->owner[block];
	uint32_t first = (block - owner->first) * ITS_BLOCK;

	if (!unit_pay(&its->unit, 1))
		return false;
	for (uint32_t i = 0; i < ITS_BLOCK; i++) {
		uint64_t event = atomic_load_explicit(&its->event[(uint64_t)block * ITS_BLOCK + i],
						      memory_order_relaxed);

		if ((event & EVENT_VALID) && !(event & EVENT_VIRTUAL) == !virtual &&
		    bits_get(event, EVENT_TARGET) == target) {
			(void)unit_pay(&its->unit, 1);
			its_tell(its, owner->device, first + i, first + i);
		}
	}
	return true;
}

enum ring_executed its_tell_target(struct its *its, struct its_current *c, bool virtual,
				   uint64_t target)
{
	its->unsynced = true;
	if (!its->unit.listeners)
		return RING_DONE;
	for (; c->at < its->blocks; c->at++) {
		if (c->at % 64 == 0 && !unit_pay(&its->unit, 1))
			return RING_WAITING;
		if (its_used(its, c->at) && !tell_block(its, c->at, virtual, target))
			return RING_WAITING;
	}
	return RING_DONE;
}

/* ---- events ---- */

/* The common look-up: the event, if it is mapped. False: *end is how the command ends. */
bool its_look_up(struct its *its, unsigned command, _Atomic uint64_t **at, uint64_t *event,
		 enum ring_executed *end)
{
	const struct its_current *c = &its->current;
	bool failed = false;
	bool ok = its_device_in_range(its, its_device_of(c), &failed);
	unsigned reason;

	*end = its_check(its, ok, failed, command, VIOMMU_ITS_ERROR_DEVICE_OOR);
	if (!ok)
		return false;
	*at = its_event(its, its_device_of(c), its_event_of(c), &reason);
	if (*at) {
		*event = atomic_load_explicit(*at, memory_order_relaxed);
		if (*event & EVENT_VALID)
			return true;
		reason = VIOMMU_ITS_ERROR_UNMAPPED_INTERRUPT;
	}
	*end = its_refuse(its, command, reason);
	return false;
}

void its_clear_at(struct its *its, uint64_t event, uint32_t place)
{
	uint32_t intid = (uint32_t)bits_get(event, EVENT_INTID);

	if (event & EVENT_VIRTUAL)
		vpe_clear(its->lpis, place, intid);
	else
		lpi_clear(its->lpis, place, intid);
}

/* Checks that MAPTI, MAPI, VMAPTI and VMAPI share; @reason_between: of what they check after the
 * DeviceID, 0 if that is right. NULL: *end */
_Atomic uint64_t *its_event_to_map(struct its *its, unsigned command, unsigned reason_between,
				   enum ring_executed *end)
{
	const struct its_current *c = &its->current;
	_Atomic uint64_t *at;
	unsigned reason = reason_between;

	if (reason) {
		*end = its_refuse(its, command, reason);
		return NULL;
	}
	at = its_event(its, its_device_of(c), its_event_of(c), &reason);
	if (!at)
		*end = its_refuse(its, command, reason);
	return at;
}

void its_set_event(struct its *its, _Atomic uint64_t *at, uint64_t event)
{
	const struct its_current *c = &its->current;

	atomic_store_explicit(at, event, memory_order_release);
	its_tell(its, (uint32_t)its_device_of(c), (uint32_t)its_event_of(c),
		 (uint32_t)its_event_of(c));
}

/* The last phase of what takes an event away: when nobody delivers it any more. */
enum ring_executed its_settle_pending(struct its *its, const struct its_current *c)
{
	uint32_t intid = (uint32_t)bits_get(c->event, EVENT_INTID);

	if (!its_passed(its))
		return RING_WAITING;
	(void)unit_pay(&its->unit, its->lpis->cpus / 16);
	if (c->to == ITS_NOBODY)
		its_clear_at(its, c->event, c->from);
	else if (c->event & EVENT_VIRTUAL)
		vpe_move(its->lpis, c->from, c->to, intid,
			 (uint32_t)bits_get(c->event, EVENT_DOORBELL));
	else
		lpi_move(its->lpis, c->from, c->to, intid);
	return RING_DONE;
}

enum ring_executed its_take_away(struct its *its, uint64_t event, uint32_t from, uint32_t to)
{
	struct its_current *c = &its->current;

	c->event = event;
	c->from = from;
	c->to = to;
	c->phase = 1;
	return its_settle_pending(its, c);
}

/* ---- waiting ---- */

bool its_passed(struct its *its)
{
	struct completion *c = &its->current.completion;

	if (completion_poll(&its->unit, c) != COMPLETION_DONE)
		return false;
	c->epoch = 0;
	return true;
}

static enum ring_executed synced(struct its *its)
{
	probe_completion(&its->unit);
	return RING_DONE;
}

enum ring_executed its_sync(struct its *its, struct its_current *c)
{
	if (c->phase == 0 && !its->unsynced)
		return synced(its);
	if (c->phase == 0)
		its->unsynced = false;
	c->phase = 1;
	return its_passed(its) ? synced(its) : RING_WAITING;
}

/* ---- everything ---- */

void its_drop(struct its *its)
{
	atomic_store_explicit(&its->on, 0, memory_order_release);
	its_drop_devices(its);
	its_drop_collections(its);
	vpe_unbind_all(its->lpis, its->number);
	ring_restart(&its->commands, 0, true);
	its->dropping = false;
	its->quiet.epoch = 0;
	its->quiescing = ITS_QUIESCING_ANEW;
	its->sgir = 0;
	its_tell(its, VIOMMU_ANY_SOURCE, 0, UINT32_MAX);
	its->unsynced = false;
}
