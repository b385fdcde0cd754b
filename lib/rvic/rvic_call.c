/* SPDX-License-Identifier: BSD-3-Clause */
/* rvic_call.c - what RVIC and RVID have in common. */

#include <stddef.h>

#include "abi.h"
#include "rvic_engine.h"

/* ---- configuration ---- */

/* The CPU with an MPIDR; config->cpus: none has it. At most VIOMMU_RVIC_CPUS_MAX steps. */
static uint32_t cpu_of(const struct viommu_rvic_config *c, uint64_t mpidr)
{
	uint32_t cpu = 0;

	while (cpu < c->cpus && c->mpidr[cpu] != mpidr)
		cpu++;
	return cpu;
}

/* No two CPUs have the same, and none has bits that are not affinity. */
static bool mpidrs_valid(const struct viommu_rvic_config *c)
{
	for (uint32_t cpu = 0; c->mpidr && cpu < c->cpus; cpu++) {
		if (cpu_of(c, c->mpidr[cpu] & RVIC_MPIDR_AFFINITY) != cpu)
			return false;
	}
	return true;
}

int rvic_take_config(struct rvic_interface *f, const struct viommu_rvic_config *given,
		     uint32_t unit)
{
	struct viommu_rvic_config *c = &f->config;
	int result = abi_take(c, sizeof(*c), offsetof(struct viommu_rvic_config, mpidr), given);

	if (result)
		return result;
	c->trusted = c->trusted ? c->trusted : 32;
	c->untrusted = c->untrusted ? c->untrusted : 480;
	c->version = c->version ? c->version : RVIC_VERSION;
	if (!c->base)
		c->base = f->rvid ? RVID_BASE : RVIC_BASE;
	f->total = c->trusted + c->untrusted;
	if ((c->flags & ~VIOMMU_RVIC_ALIGNED_CODES) || c->reserved || c->base % RVIC_RANGE ||
	    c->cpus < 1 || c->cpus > VIOMMU_RVIC_CPUS_MAX || !mpidrs_valid(c) ||
	    c->trusted % unit || c->untrusted % unit || c->trusted > VIOMMU_RVIC_TOTAL_MAX ||
	    c->untrusted > VIOMMU_RVIC_TOTAL_MAX - c->trusted)
		return VIOMMU_EINVAL;
	return VIOMMU_OK;
}

void *rvic_alloc(struct rvic_interface *f, uint64_t bytes)
{
	uint64_t at = (bytes + 7) / 8 * 8; /* of the MPIDRs */
	char *object;
	uint64_t *mpidr;

	f->bytes = at + f->config.cpus * sizeof(*mpidr);
	object = vm_alloc(f->vm, f->bytes, _Alignof(max_align_t));
	if (!object)
		return NULL;
	mpidr = (uint64_t *)(void *)(object + at);
	for (uint32_t cpu = 0; cpu < f->config.cpus; cpu++)
		mpidr[cpu] = f->config.mpidr ? f->config.mpidr[cpu] : cpu;
	f->config.mpidr = mpidr;
	*(struct rvic_interface *)(void *)object = *f;
	return object;
}

/* ---- calls ---- */

/* All 64 bits of an argument count. */
static enum rvic_reason check_argument(const struct rvic_interface *f, unsigned kind, uint64_t x,
				       uint32_t *operand)
{
	bool aligned = f->config.flags & VIOMMU_RVIC_ALIGNED_CODES;
	uint32_t first = kind == ARGUMENT_UNTRUSTED ? f->config.trusted : 0;
	const uint32_t end[] = {
		[ARGUMENT_KEY] = RVIC_INFO_UNTRUSTED + 1,
		[ARGUMENT_CPU] = f->config.cpus,
		[ARGUMENT_INTID] = f->total,
		[ARGUMENT_TRUSTED] = f->config.trusted,
		[ARGUMENT_UNTRUSTED] = f->total,
		[ARGUMENT_INPUT] = f->config.untrusted,
	};

	if (kind == ARGUMENT_CPU && aligned && (x & ~RVIC_MPIDR_AFFINITY))
		return RVIC_ERROR_PARAMETER;
	if (kind == ARGUMENT_CPU)
		x = cpu_of(&f->config, x & RVIC_MPIDR_AFFINITY);
	if (x < first || x >= end[kind])
		return kind == ARGUMENT_CPU && (aligned || !f->rvid) ? RVIC_INVALID_CPU
								     : RVIC_ERROR_PARAMETER;
	*operand = (uint32_t)bits_clamp_index(x, end[kind]);
	return RVIC_SUCCESS;
}

/* The arguments in x1 and behind; a status. */
static uint64_t check(const struct rvic_interface *f, const struct rvic_row *row,
		      const uint64_t x[4], uint32_t operand[ARGUMENT_KINDS])
{
	for (unsigned i = 0; i < ARRAY_COUNT(row->argument) && row->argument[i]; i++) {
		unsigned kind = row->argument[i];
		enum rvic_reason reason = check_argument(f, kind, x[i + 1], &operand[kind]);

		if (reason)
			return RVIC_STATUS(reason, i);
	}
	return RVIC_SUCCESS;
}

int rvic_decode(const struct rvic_interface *f, const struct rvic_row *row, uint32_t count,
		uint64_t x[4], uint32_t operand[ARGUMENT_KINDS])
{
	uint32_t function = (uint32_t)x[0] - f->config.base; /* SMCCC: the low half of x0 */
	uint64_t status = RVIC_NOT_SUPPORTED;

	if (function >= RVIC_RANGE)
		return VIOMMU_ENOENT;
	if (function < count) {
		function = (uint32_t)bits_clamp_index(function, count);
		status = check(f, &row[function], x, operand);
	}
	x[0] = status;
	x[1] = function == RVIC_F_VERSION ? f->config.version : 0;
	x[2] = x[3] = 0;
	return status == RVIC_SUCCESS ? (int)function : VIOMMU_OK;
}

/* ---- state ---- */

bool rvic_save_begin(const struct rvic_interface *f, struct state_writer *state, void *buffer,
		     const uint64_t *bytes)
{
	if (!bytes || (!buffer && *bytes))
		return false;
	state_begin(state, f->rvid ? "rvid" : "rvic", buffer, *bytes);
	state_record(state, "conf");
	state_put32(state, f->config.cpus);
	state_put32(state, f->config.trusted);
	state_put32(state, f->config.untrusted);
	state_record(state, f->rvid ? "maps" : "cpus");
	return true;
}

bool rvic_load_begin(const struct rvic_interface *f, struct state_reader *state, const void *buffer,
		     uint64_t bytes)
{
	return state_open(state, f->rvid ? "rvid" : "rvic", buffer, bytes) &&
	       state_find(state, "conf") && state_get32(state) == f->config.cpus &&
	       state_get32(state) == f->config.trusted &&
	       state_get32(state) == f->config.untrusted && state_left(state) == 0;
}
