/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * rvid.c - an RVID: inputs, and the map from each to (CPU, INTID).
 *
 * A mapping is one word, so that inputs need no lock. Remapping moves nothing: it is in force for
 * inputs that come later. Saved state: "conf" as an RVIC's; "maps", the word of each input.
 */

#include "rvic_engine.h"

/* 0: not mapped */
#define MAP_CPU	  BITS(63, 32) /* + 1 */
#define MAP_INTID BITS(31, 0)

struct viommu_rvid {
	struct rvic_interface interface;
	_Atomic uint64_t map[]; /* config.untrusted of them */
};

/* ---- calls ---- */

static const struct rvic_row rows[] = {
	[RVID_F_MAP] = { .argument = { ARGUMENT_INPUT, ARGUMENT_CPU, ARGUMENT_UNTRUSTED } },
	[RVID_F_UNMAP] = { .argument = { ARGUMENT_INPUT } },
};

int viommu_rvid_call(struct viommu_rvid *r, uint64_t x[4])
{
	uint32_t operand[ARGUMENT_KINDS];
	uint64_t to = 0;
	int function;

	if (!r || !x)
		return VIOMMU_EINVAL;
	function = rvic_decode(&r->interface, rows, ARRAY_COUNT(rows), x, operand);
	if (function <= 0)
		return function;
	if (function == RVID_F_MAP)
		to = bits_put(MAP_CPU, operand[ARGUMENT_CPU] + 1) | operand[ARGUMENT_UNTRUSTED];
	atomic_store_explicit(&r->map[operand[ARGUMENT_INPUT]], to, memory_order_release);
	return VIOMMU_OK;
}

int viommu_rvid_input(struct viommu_rvid *r, uint32_t input, uint32_t level)
{
	uint64_t to;

	if (!r || input >= r->interface.config.untrusted || level > 1)
		return VIOMMU_EINVAL;
	to = atomic_load_explicit(&r->map[bits_clamp_index(input, r->interface.config.untrusted)],
				  memory_order_acquire);
	if (to)
		r->interface.config.signal(r->interface.config.opaque,
					   (uint32_t)bits_get(to, MAP_CPU) - 1,
					   (uint32_t)bits_get(to, MAP_INTID), level);
	return VIOMMU_OK;
}

/* ---- state ---- */

int viommu_rvid_save(struct viommu_rvid *r, void *buffer, uint64_t *bytes)
{
	struct state_writer state;

	if (!r || !rvic_save_begin(&r->interface, &state, buffer, bytes))
		return VIOMMU_EINVAL;
	for (uint32_t i = 0; i < r->interface.config.untrusted; i++)
		state_put64(&state, atomic_load_explicit(&r->map[i], memory_order_acquire));
	return state_end(&state, bytes);
}

/* Reads the map; with @take it is believed. */
static bool load_map(struct viommu_rvid *r, struct state_reader *state, bool take)
{
	if (!state_find(state, "maps"))
		return false;
	for (uint32_t i = 0; i < r->interface.config.untrusted; i++) {
		uint64_t to = state_get64(state);
		uint64_t intid = bits_get(to, MAP_INTID);

		if (to && (to < BIT(32) || bits_get(to, MAP_CPU) > r->interface.config.cpus ||
			   intid < r->interface.config.trusted || intid >= r->interface.total))
			return false;
		if (take)
			atomic_store_explicit(&r->map[i], to, memory_order_release);
	}
	return !state->bad && state_left(state) == 0;
}

int viommu_rvid_restore(struct viommu_rvid *r, const void *buffer, uint64_t bytes)
{
	struct state_reader state;

	if (!r || !buffer)
		return VIOMMU_EINVAL;
	if (!rvic_load_begin(&r->interface, &state, buffer, bytes) || !load_map(r, &state, false) ||
	    !load_map(r, &state, true))
		return VIOMMU_ESTATE;
	return VIOMMU_OK;
}

/* ---- life ---- */

int viommu_rvid_new(struct viommu_vm *vm, const struct viommu_rvic_config *config,
		    struct viommu_rvid **out)
{
	struct rvic_interface f = { .vm = vm, .rvid = true };
	int result =
		vm && out ? rvic_take_config(&f, config, VIOMMU_RVIC_UNTRUSTED_MIN) : VIOMMU_EINVAL;
	struct viommu_rvid *r;

	if (result || !f.config.signal)
		return result ? result : VIOMMU_EINVAL;
	r = rvic_alloc(&f, sizeof(*r) + f.config.untrusted * sizeof(r->map[0]));
	if (!r)
		return VIOMMU_ENOMEM;
	*out = r;
	return VIOMMU_OK;
}

void viommu_rvid_free(struct viommu_rvid *r)
{
	if (r)
		vm_dealloc(r->interface.vm, r, r->interface.bytes);
}
