/* SPDX-License-Identifier: BSD-3-Clause */
/* rvic_call.c - what RVIC and RVID have in common. */

#include <stddef.h>

#include "abi.h"
#include "rvic_call.h"
#include "state.h"

static void set_default(uint32_t *field, uint32_t value)
{
	if (*field == 0)
		*field = value;
}

static bool numbers_valid(const struct viommu_rvic_config *c)
{
	return c->trusted >= VIOMMU_RVIC_TRUSTED_MIN && c->untrusted >= VIOMMU_RVIC_UNTRUSTED_MIN &&
	       (c->trusted | c->untrusted) % 32 == 0 && c->trusted <= VIOMMU_RVIC_TOTAL_MAX &&
	       c->untrusted <= VIOMMU_RVIC_TOTAL_MAX - c->trusted;
}

int rvic_take_config(struct rvic_interface *f, const struct viommu_rvic_config *given, bool any)
{
	struct viommu_rvic_config *c = &f->config;
	int result = abi_take(c, sizeof(*c), offsetof(struct viommu_rvic_config, mpidr), given);

	if (result)
		return result;
	set_default(&c->trusted, 32);
	set_default(&c->untrusted, 480);
	set_default(&c->version, RVIC_VERSION);
	set_default(&c->base, f->rvid ? RVID_BASE : RVIC_BASE);
	f->total = c->trusted + c->untrusted;
	if ((c->flags & ~VIOMMU_RVIC_ALIGNED_CODES) || c->reserved || c->cpus < 1 ||
	    c->cpus > VIOMMU_RVIC_CPUS_MAX || c->base % RVIC_RANGE || (!any && !numbers_valid(c)))
		return VIOMMU_EINVAL;
	return VIOMMU_OK;
}

/* The CPU with an MPIDR, of the first @count; @count: none has it. At most VIOMMU_RVIC_CPUS_MAX steps.
 */
static uint32_t cpu_of(const struct rvic_interface *f, uint32_t count, uint64_t mpidr)
{
	uint32_t cpu = 0;

	while (cpu < count && f->config.mpidr[cpu] != mpidr)
		cpu++;
	return cpu;
}

bool rvic_take_mpidrs(struct rvic_interface *f, uint64_t *to)
{
	const uint64_t *given = f->config.mpidr;

	f->config.mpidr = to;
	for (uint32_t cpu = 0; cpu < f->config.cpus; cpu++) {
		to[cpu] = given ? given[cpu] : cpu;
		if ((to[cpu] & ~RVIC_MPIDR_AFFINITY) || cpu_of(f, cpu, to[cpu]) < cpu)
			return false;
	}
	return true;
}

/* SMCCC: the function number is the low half of x0. */
int rvic_function(const struct rvic_interface *f, uint64_t x[4], uint32_t known, uint32_t *number)
{
	*number = (uint32_t)x[0] - f->config.base;
	if (*number >= RVIC_RANGE)
		return VIOMMU_ENOENT;
	if (*number >= known)
		rvic_answer(x, RVIC_NOT_SUPPORTED, 0);
	return VIOMMU_OK;
}

void rvic_answer(uint64_t x[4], uint64_t status, uint64_t value)
{
	x[0] = status;
	x[1] = value;
	x[2] = 0;
	x[3] = 0;
}

/* ---- arguments ---- */

static enum rvic_reason check_cpu(const struct rvic_interface *f, uint64_t x, uint32_t *cpu)
{
	bool aligned = f->config.flags & VIOMMU_RVIC_ALIGNED_CODES;

	if (aligned && (x & ~RVIC_MPIDR_AFFINITY))
		return RVIC_ERROR_PARAMETER;
	*cpu = cpu_of(f, f->config.cpus, x & RVIC_MPIDR_AFFINITY);
	if (*cpu == f->config.cpus)
		return f->rvid && !aligned ? RVIC_ERROR_PARAMETER : RVIC_INVALID_CPU;
	*cpu = (uint32_t)bits_clamp_index(*cpu, f->config.cpus);
	return RVIC_SUCCESS;
}

uint64_t rvic_check(const struct rvic_interface *f, const uint8_t argument[RVIC_ARGUMENTS],
		    const uint64_t x[4], struct rvic_operands *o)
{
	const struct {
		uint32_t first;
		uint32_t end;
		uint32_t *to;
	} range[] = {
		[ARGUMENT_KEY] = { 0, RVIC_INFO_UNTRUSTED + 1, &o->number },
		[ARGUMENT_INPUT] = { 0, f->config.untrusted, &o->number },
		[ARGUMENT_INTID] = { 0, f->total, &o->intid },
		[ARGUMENT_TRUSTED] = { 0, f->config.trusted, &o->intid },
		[ARGUMENT_UNTRUSTED] = { f->config.trusted, f->total, &o->intid },
	};

	for (unsigned i = 0; i < RVIC_ARGUMENTS && argument[i] != ARGUMENT_NONE; i++) {
		unsigned kind = argument[i];
		uint64_t value = x[i + 1]; /* all 64 bits count */
		enum rvic_reason reason = RVIC_SUCCESS;

		if (kind == ARGUMENT_CPU)
			reason = check_cpu(f, value, &o->cpu);
		else if (value < range[kind].first || value >= range[kind].end)
			reason = RVIC_ERROR_PARAMETER;
		else
			*range[kind].to = (uint32_t)bits_clamp_index(value, range[kind].end);
		if (reason)
			return RVIC_STATUS(reason, i);
	}
	return RVIC_SUCCESS;
}

/* ---- state ---- */

void rvic_save_config(const struct rvic_interface *f, struct state_writer *state)
{
	state_record(state, "conf");
	state_put32(state, f->config.cpus);
	state_put32(state, f->config.trusted);
	state_put32(state, f->config.untrusted);
}

bool rvic_load_config(const struct rvic_interface *f, struct state_reader *state)
{
	return state_find(state, "conf") && state_get32(state) == f->config.cpus &&
	       state_get32(state) == f->config.trusted &&
	       state_get32(state) == f->config.untrusted && state_left(state) == 0;
}
