/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * its_state.c - save and restore; guest memory is neither read nor written.
 *
 *	"conf"  TYPER: must be that of who restores
 *	"regs"  count, then offset and value of each register
 *	"coll"  ICID and redistributor of each collection that is mapped
 *	"devs"  per device: DeviceID, bits, ITT, number of events, then each: EventID and what it is
 *	"vpes"  vPEIDs that this ITS maps
 *	"curr"  the command under way
 */

#include "its_engine.h"
#include "state.h"

/* ---- save ---- */

static void save_collections(const struct its *its, struct state_writer *state)
{
	state_record(state, "coll");
	for (uint32_t i = 0; i >> its->collection_bits == 0; i++) {
		if (its_target(its, i) == ITS_NOBODY)
			continue;
		state_put32(state, i);
		state_put32(state, its_target(its, i));
	}
}

static uint64_t event_at(const struct its *its, uint64_t device, uint32_t event)
{
	return atomic_load_explicit(&its->event[bits_get(device, DEVICE_BLOCK) * ITS_BLOCK + event],
				    memory_order_relaxed);
}

static void save_device(const struct its *its, uint32_t id, uint64_t device,
			struct state_writer *state)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < device_events(device); i++)
		count += event_at(its, device, i) != 0;
	state_put32(state, id);
	state_put32(state, (uint32_t)bits_get(device, DEVICE_BITS));
	state_put64(state, its->owner[bits_get(device, DEVICE_BLOCK)].itt);
	state_put32(state, count);
	for (uint32_t i = 0; i < device_events(device); i++) {
		if (!event_at(its, device, i))
			continue;
		state_put32(state, i);
		state_put64(state, event_at(its, device, i));
	}
}

#define CURRENT_ACTIVE BIT(0)
#define CURRENT_ORPHAN BIT(1)
#define QUIESCING      BIT(2)
#define DROPPING       BIT(3)

static void save_current(const struct its *its, struct state_writer *state)
{
	const struct ring_commands *commands = &its->commands;
	const struct its_current *c = &its->current;

	state_record(state, "curr");
	state_put64(state, (commands->held ? CURRENT_ACTIVE : 0) |
				   (commands->held && commands->apart ? CURRENT_ORPHAN : 0) |
				   (its->quiescing & ITS_QUIESCING_OFF ? QUIESCING : 0) |
				   (its->dropping ? DROPPING : 0));
	state_put64(state, its->sgir);
	if (!commands->held)
		return;
	state_put32(state, c->phase);
	for (unsigned i = 0; i < 4; i++)
		state_put64(state, c->word[i]);
	state_put64(state, c->event);
	state_put32(state, c->from);
	state_put32(state, c->to);
}

void its_save(struct viommu *u, struct state_writer *state)
{
	struct its *its = its_of(u);

	/* A message that is recorded while we write would be half in it. */
	pthread_mutex_lock(&its->umsi_lock);
	state_record(state, "conf");
	state_put64(state, its->typer);
	state_record(state, "regs");
	regs_save(&its->regs, state);
	pthread_mutex_unlock(&its->umsi_lock);
	save_collections(its, state);
	state_record(state, "devs");
	for (uint32_t i = 0; i >> its->device_bits == 0; i++) {
		if (its_device(its, i))
			save_device(its, i, its_device(its, i), state);
	}
	state_record(state, "vpes");
	for (uint32_t i = 0; i < its->lpis->vpes; i++) {
		if (vpe_mapped_by(its->lpis, i, its->number))
			state_put32(state, i);
	}
	save_current(its, state);
}

/* ---- restore: everything is looked at, and the second time taken ---- */

struct loaded {
	uint64_t value[32]; /* by row */
	uint64_t flags;
	uint64_t sgir;
	uint64_t word[4];
	struct its_current current;
};

static uint64_t value_of(const struct its *its, const struct loaded *l, uint32_t offset)
{
	return l->value[its->regs.at[offset / 4] - 1];
}

/* What no write could have made of the registers. */
static bool registers_agree(const struct its *its, const struct loaded *l)
{
	uint64_t bytes = (bits_get(value_of(its, l, ITS_CBASER), ITS_CBASER_SIZE) + 1) * 4096;
	bool on = value_of(its, l, ITS_CTLR) & ITS_CTLR_ENABLED;
	bool valid = value_of(its, l, ITS_CBASER) & value_of(its, l, ITS_BASER) & ITS_BASER_VALID;

	if (!(its->typer & ITS_TYPER_HCC))
		valid = valid && (value_of(its, l, ITS_BASER + 8) & ITS_BASER_VALID);
	for (uint32_t i = ITS_BASER; i < ITS_BASER + 24 && its->regs.at[i / 4]; i += 8) {
		if (bits_get(value_of(its, l, i), ITS_BASER_PAGE) > ITS_PAGE_64K)
			return false;
	}
	return (!on || valid) && value_of(its, l, ITS_CWRITER) < bytes &&
	       (value_of(its, l, ITS_CREADR) & ITS_QUEUE_OFFSET) < bytes;
}

static bool load_regs(const struct its *its, struct state_reader *state, struct loaded *l)
{
	if (!state_find(state, "conf") || state_get64(state) != its->typer ||
	    state_left(state) != 0)
		return false;
	return state_find(state, "regs") && regs_load(&its->regs, state, l->value) &&
	       state_left(state) == 0 && registers_agree(its, l);
}

static bool event_possible(const struct its *its, uint64_t event)
{
	uint64_t target = bits_get(event, EVENT_TARGET);
	uint64_t doorbell = bits_get(event, EVENT_DOORBELL);

	if (!(event & EVENT_VALID) || !lpi_exists(its->lpis, bits_get(event, EVENT_INTID)))
		return false;
	if (event & EVENT_VIRTUAL)
		return !(event & ~(EVENT_VALID | EVENT_VIRTUAL | EVENT_INTID | EVENT_TARGET |
				   EVENT_DOORBELL)) &&
		       target < its->lpis->vpes && (its->typer & ITS_TYPER_VIRTUAL) &&
		       (doorbell == ITS_NO_DOORBELL || lpi_exists(its->lpis, doorbell));
	return !(event & ~(EVENT_VALID | EVENT_INTID | EVENT_TARGET)) &&
	       target >> its->collection_bits == 0;
}

static bool load_current(const struct its *its, struct state_reader *state, struct loaded *l)
{
	struct its_current *c = &l->current;

	*c = (struct its_current){ .word = l->word };
	if (!state_find(state, "curr"))
		return false;
	l->flags = state_get64(state);
	l->sgir = state_get64(state);
	if (l->flags & CURRENT_ACTIVE) {
		c->phase = state_get32(state);
		for (unsigned i = 0; i < 4; i++)
			l->word[i] = state_get64(state);
		c->event = state_get64(state);
		c->from = state_get32(state);
		c->to = state_get32(state);
	}
	return !state->bad && state_left(state) == 0 && !(l->sgir & UINT32_MAX) &&
	       !(l->flags & ~(CURRENT_ACTIVE | CURRENT_ORPHAN | QUIESCING | DROPPING)) &&
	       ((l->flags & CURRENT_ACTIVE) || !(l->flags & CURRENT_ORPHAN)) &&
	       its_current_possible(its, event_possible(its, c->event), c);
}

/* In ascending order of ICIDs. */
static bool each_collection(struct its *its, struct state_reader *state, bool take)
{
	uint64_t next = 0;

	if (!state_find(state, "coll"))
		return false;
	while (state_left(state)) {
		uint32_t icid = state_get32(state);
		uint32_t cpu = state_get32(state);

		if (state->bad || icid < next || icid >> its->collection_bits ||
		    cpu >= its->lpis->cpus)
			return false;
		next = (uint64_t)icid + 1;
		if (take)
			atomic_store_explicit(its_collection_word(its, icid), cpu + 1,
					      memory_order_release);
	}
	return true;
}

static bool each_event(struct its *its, struct state_reader *state, uint32_t id, uint32_t bits,
		       bool take)
{
	uint32_t count = state_get32(state);
	uint64_t next = 0;

	for (uint32_t i = 0; i < count; i++) {
		uint32_t at = state_get32(state);
		uint64_t event = state_get64(state);

		if (state->bad || at < next || at >> bits || !event_possible(its, event))
			return false;
		next = (uint64_t)at + 1;
		if (take)
			atomic_store_explicit(
				&its->event[bits_get(its_device(its, id), DEVICE_BLOCK) *
						    ITS_BLOCK +
					    at],
				event, memory_order_release);
	}
	return true;
}

/* In ascending order of DeviceIDs. */
static bool each_device(struct its *its, struct state_reader *state, bool take)
{
	uint64_t blocks = 0;
	uint64_t next = 0;
	uint32_t count = 0;

	if (!state_find(state, "devs"))
		return false;
	while (state_left(state)) {
		uint32_t id = state_get32(state);
		uint32_t bits = state_get32(state);
		uint64_t itt = state_get64(state);

		if (state->bad || id < next || id >> its->device_bits || !bits ||
		    bits > its->event_bits || (itt & ~ITS_2_ITT) || ++count > its->devices)
			return false;
		next = (uint64_t)id + 1;
		blocks += bits <= 4 ? 1 : UINT64_C(1) << (bits - 4);
		if (take && NEVER(!its_map_device(its, NULL, id, bits, itt)))
			return false;
		if (!each_event(its, state, id, bits, take))
			return false;
	}
	return blocks <= its->blocks;
}

static bool each_vpe(struct its *its, struct state_reader *state, bool take)
{
	uint64_t next = 0;

	if (!state_find(state, "vpes"))
		return false;
	while (state_left(state)) {
		uint32_t vpe = state_get32(state);

		if (state->bad || vpe < next || vpe >= its->lpis->vpes ||
		    !(its->typer & ITS_TYPER_VIRTUAL) ||
		    !vpe_have_pending(its->lpis, &its->lpis->vpe[vpe]))
			return false;
		next = (uint64_t)vpe + 1;
		if (take)
			vpe_hold(its->lpis, its->number, vpe);
	}
	return true;
}

static bool possible(struct its *its, struct state_reader *state)
{
	return each_collection(its, state, false) && each_device(its, state, false) &&
	       each_vpe(its, state, false);
}

static void take_mappings(struct its *its, struct state_reader *state)
{
	each_collection(its, state, true);
	each_device(its, state, true);
	each_vpe(its, state, true);
}

static void take(struct its *its, const struct loaded *l)
{
	uint32_t unmapped;

	pthread_mutex_lock(&its->umsi_lock);
	regs_take(&its->regs, l->value);
	pthread_mutex_unlock(&its->umsi_lock);
	its->commands.held = l->flags & CURRENT_ACTIVE;
	its->commands.apart = l->flags & CURRENT_ORPHAN;
	memcpy(its->commands.word, l->word, sizeof(l->word));
	its->current = l->current;
	its->current.word = its->commands.word;
	if (its_unmaps_vpe(its, &unmapped)) {
		vpe_hold(its->lpis, its->number, unmapped);
		vpe_unbind(its->lpis, its->number, unmapped);
	}
	its->quiescing |= l->flags & QUIESCING ? ITS_QUIESCING_OFF : 0;
	its->dropping = l->flags & DROPPING;
	its->drop_vpe = 0;
	its->sgir = l->sgir;
}

int its_restore(struct viommu *u, struct state_reader *state)
{
	struct its *its = its_of(u);
	struct loaded l = { .flags = 0 };

	if (!load_regs(its, state, &l) || !load_current(its, state, &l) || !possible(its, state))
		return VIOMMU_ESTATE;
	its_drop(its);
	take_mappings(its, state);
	take(its, &l);
	atomic_store_explicit(&its->on, (value_of(its, &l, ITS_CTLR) & ITS_CTLR_ENABLED) != 0,
			      memory_order_release);
	its_tell(its, VIOMMU_ANY_SOURCE, 0, UINT32_MAX);
	return VIOMMU_PENDING;
}
