/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ioapic_state.c - save and restore of an I/O APIC.
 *
 *	"conf"  pins, version: must be those of the one that restores
 *	"regs"  index register, id
 *	"pins"  redirection entry and line of each: 0 low, 1 high, 2 not set yet
 *
 * A message between its remapping and its delivery is not part of it: a level-triggered pin is
 * saved as due then, and is sent again when it is acknowledged or its line is set.
 */

#include "ioapic_pins.h"
#include "state.h"

#define STATE_NAME   "ioapic"
#define LINE_NOT_SET 2U

int viommu_ioapic_save(struct viommu_ioapic *a, void *buffer, uint64_t *bytes)
{
	struct state_writer state;

	if (!a || !bytes || (!buffer && *bytes))
		return VIOMMU_EINVAL;
	state_begin(&state, STATE_NAME, buffer, *bytes);
	state_record(&state, "conf");
	state_put32(&state, a->config.pins);
	state_put32(&state, a->config.version);
	pthread_mutex_lock(&a->lock);
	state_record(&state, "regs");
	state_put32(&state, a->index);
	state_put32(&state, a->id);
	state_record(&state, "pins");
	for (uint32_t n = 0; n < a->config.pins; n++) {
		state_put64(&state, a->pin[n].entry);
		state_put32(&state, a->pin[n].driven ? a->pin[n].line : LINE_NOT_SET);
	}
	pthread_mutex_unlock(&a->lock);
	return state_end(&state, bytes);
}

/* What a state says, before any of it is believed. */
struct loaded {
	uint32_t index;
	uint32_t id;
	struct ioapic_pin pin[IOAPIC_PINS_MAX];
};

static bool load_config(const struct viommu_ioapic *a, struct state_reader *state)
{
	return state_find(state, "conf") && state_get32(state) == a->config.pins &&
	       state_get32(state) == a->config.version && state_left(state) == 0;
}

static bool load_regs(const struct viommu_ioapic *a, struct state_reader *state, struct loaded *l)
{
	if (!state_find(state, "regs"))
		return false;
	l->index = state_get32(state);
	l->id = state_get32(state);
	return !(l->index & ~ioapic_index_mask(a)) && l->id <= bits_get(UINT64_MAX, IOAPIC_ID_ID) &&
	       !state->bad && state_left(state) == 0;
}

static bool load_pins(const struct viommu_ioapic *a, struct state_reader *state, struct loaded *l)
{
	if (!state_find(state, "pins"))
		return false;
	for (uint32_t n = 0; n < a->config.pins; n++) {
		uint64_t entry = state_get64(state);
		uint32_t line = state_get32(state);

		if ((entry & ~(IOAPIC_RTE_WRITABLE | IOAPIC_RTE_IRR)) || line > LINE_NOT_SET ||
		    ((entry & IOAPIC_RTE_IRR) && !ioapic_level(entry)))
			return false;
		l->pin[n] = (struct ioapic_pin){ .entry = entry,
						 .driven = line != LINE_NOT_SET,
						 .line = line == 1 };
	}
	return !state->bad && state_left(state) == 0;
}

int viommu_ioapic_restore(struct viommu_ioapic *a, const void *buffer, uint64_t bytes)
{
	struct state_reader state;
	struct loaded l;

	if (!a || !buffer)
		return VIOMMU_EINVAL;
	if (!state_open(&state, STATE_NAME, buffer, bytes) || !load_config(a, &state) ||
	    !load_regs(a, &state, &l) || !load_pins(a, &state, &l))
		return VIOMMU_ESTATE;
	pthread_mutex_lock(&a->lock);
	a->index = l.index;
	a->id = l.id;
	for (uint32_t n = 0; n < a->config.pins; n++)
		a->pin[n] = l.pin[n];
	pthread_mutex_unlock(&a->lock);
	for (uint32_t n = 0; a->config.changed && n < a->config.pins; n++)
		a->config.changed(a->config.opaque, n);
	return VIOMMU_OK;
}
