/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * rvid.c - an RVID: inputs, and the map from each to (CPU, INTID).
 *
 * A mapping is one word, so that inputs need no lock. Remapping moves nothing: it is in force for
 * inputs that come later. Saved state: "conf" as an RVIC's; "maps", the word of each input.
 */

#include <stdatomic.h>

#include "rvic_call.h"
#include "state.h"

/* 0: not mapped */
#define MAP_CPU	   BITS(63, 32) /* + 1 */
#define MAP_INTID  BITS(31, 0)
#define STATE_NAME "rvid"

struct viommu_rvid {
	struct viommu_vm *vm;
	uint64_t bytes;
	struct rvic_interface interface;
	_Atomic uint64_t map[]; /* config.untrusted of them, and behind them MPIDRs */
};

/* ---- calls ---- */

static const uint8_t arguments[][RVIC_ARGUMENTS] = {
	[RVID_F_VERSION] = { 0 },
	[RVID_F_MAP] = { ARGUMENT_INPUT, ARGUMENT_CPU, ARGUMENT_UNTRUSTED },
	[RVID_F_UNMAP] = { ARGUMENT_INPUT },
};

int viommu_rvid_call(struct viommu_rvid *r, uint64_t x[4])
{
	struct rvic_operands o = { 0 };
	uint64_t status, to = 0;
	uint32_t number;
	int result;

	if (!r || !x)
		return VIOMMU_EINVAL;
	result = rvic_function(&r->interface, x, ARRAY_COUNT(arguments), &number);
	if (result || number >= ARRAY_COUNT(arguments))
		return result;
	number = (uint32_t)bits_clamp_index(number, ARRAY_COUNT(arguments));
	status = rvic_check(&r->interface, arguments[number], x, &o);
	if (number == RVID_F_MAP)
		to = bits_put(MAP_CPU, o.cpu + 1) | o.intid;
	if (status == RVIC_SUCCESS && number != RVID_F_VERSION)
		atomic_store_explicit(&r->map[o.number], to, memory_order_release);
	rvic_answer(x, status, number == RVID_F_VERSION ? r->interface.config.version : 0);
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

	if (!r || !bytes || (!buffer && *bytes))
		return VIOMMU_EINVAL;
	state_begin(&state, STATE_NAME, buffer, *bytes);
	rvic_save_config(&r->interface, &state);
	state_record(&state, "maps");
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
	if (!state_open(&state, STATE_NAME, buffer, bytes) ||
	    !rvic_load_config(&r->interface, &state) || !load_map(r, &state, false))
		return VIOMMU_ESTATE;
	load_map(r, &state, true);
	return VIOMMU_OK;
}

/* ---- life ---- */

int viommu_rvid_new(struct viommu_vm *vm, const struct viommu_rvic_config *config,
		    struct viommu_rvid **out)
{
	struct rvic_interface f = { .rvid = true };
	int result = vm && out ? rvic_take_config(&f, config, false) : VIOMMU_EINVAL;
	uint64_t bytes = sizeof(struct viommu_rvid) +
			 ((uint64_t)f.config.untrusted + f.config.cpus) * sizeof(uint64_t);
	struct viommu_rvid *r;

	if (result || !f.config.signal)
		return result ? result : VIOMMU_EINVAL;
	r = vm_alloc(vm, bytes, _Alignof(struct viommu_rvid));
	if (!r)
		return VIOMMU_ENOMEM;
	r->vm = vm;
	r->bytes = bytes;
	r->interface = f;
	if (!rvic_take_mpidrs(&r->interface, (uint64_t *)(void *)&r->map[f.config.untrusted])) {
		vm_dealloc(vm, r, bytes);
		return VIOMMU_EINVAL;
	}
	*out = r;
	return VIOMMU_OK;
}

void viommu_rvid_free(struct viommu_rvid *r)
{
	if (r)
		vm_dealloc(r->vm, r, r->bytes);
}
