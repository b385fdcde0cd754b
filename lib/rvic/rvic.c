/* SPDX-License-Identifier: BSD-3-Clause */
/* rvic.c - the RVIC of a VM: its hypercalls as a table, its inputs, and its life. */

#include "rvic_engine.h"

/* ---- CPUs ---- */

struct rvic_cpu *rvic_lock(struct viommu_rvic *r, uint32_t cpu)
{
	if (!r || cpu >= r->interface.config.cpus)
		return NULL;
	pthread_mutex_lock(&r->cpu[cpu].lock);
	return &r->cpu[cpu];
}

void rvic_unlock(struct viommu_rvic *r, struct rvic_cpu *c, bool self)
{
	const struct viommu_rvic_config *config = &r->interface.config;
	bool can = c->enabled && c->head;
	bool looks = atomic_exchange(&c->can_signal, can) != can && !self;

	pthread_mutex_unlock(&c->lock);
	if (looks && config->kick)
		config->kick(config->opaque, (uint32_t)(c - r->cpu));
}

/* ---- calls ---- */

/* clang-format off */
#define IRQ_OF_CPU { ARGUMENT_CPU, ARGUMENT_INTID }
/* clang-format on */

static const struct rvic_row rows[] = {
	[RVIC_F_INFO] = { .argument = { ARGUMENT_KEY } },
	[RVIC_F_SET_MASKED] = { IRQ_OF_CPU, .set = RVIC_MASKED },
	[RVIC_F_CLEAR_MASKED] = { IRQ_OF_CPU, .clear = RVIC_MASKED },
	[RVIC_F_IS_PENDING] = { .argument = IRQ_OF_CPU },
	[RVIC_F_SIGNAL] = { IRQ_OF_CPU, .set = RVIC_PENDING, .enabled = true },
	[RVIC_F_CLEAR_PENDING] = { IRQ_OF_CPU, .clear = RVIC_PENDING },
	[RVIC_F_ACKNOWLEDGE] = { { 0 }, RVIC_MASKED, RVIC_PENDING, true, true },
	[RVIC_F_RESAMPLE] = { { ARGUMENT_TRUSTED }, .set = RVIC_PENDING },
};

/* What a call does to a CPU, under its lock: the caller's, or that of its argument. @level: of RESAMPLE's
 * line, if it is sampled. What it returns in x1. */
static uint64_t execute(const struct viommu_rvic_config *config, struct rvic_cpu *c,
			unsigned function, const uint32_t operand[ARGUMENT_KINDS], bool level)
{
	uint32_t intid = operand[ARGUMENT_INTID];

	switch (function) {
	case RVIC_F_INFO:
		return operand[ARGUMENT_KEY] == RVIC_INFO_TRUSTED ? config->trusted
								  : config->untrusted;
	case RVIC_F_ENABLE:
	case RVIC_F_DISABLE:
		rvic_cpu_enable(c, function == RVIC_F_ENABLE);
		return 0;
	case RVIC_F_IS_PENDING:
		return c->irq[intid].flags & RVIC_PENDING;
	case RVIC_F_ACKNOWLEDGE:
		intid = c->head - 1U;
		break;
	case RVIC_F_RESAMPLE:
		intid = operand[ARGUMENT_TRUSTED];
		if (!(config->sample ? level : c->irq[intid].flags & RVIC_LINE))
			return 0;
		break;
	}
	rvic_cpu_change(c, intid, rows[function].set, rows[function].clear);
	return function == RVIC_F_ACKNOWLEDGE ? intid : 0;
}

int viommu_rvic_call(struct viommu_rvic *r, uint32_t cpu, uint64_t x[4])
{
	uint32_t operand[ARGUMENT_KINDS] = { [ARGUMENT_CPU] = cpu };
	const struct viommu_rvic_config *config;
	struct rvic_cpu *c;
	bool level = false;
	int function;

	if (!r || !x || cpu >= r->interface.config.cpus)
		return VIOMMU_EINVAL;
	function = rvic_decode(&r->interface, rows, ARRAY_COUNT(rows), x, operand);
	if (function <= 0)
		return function;
	config = &r->interface.config;
	if (function == RVIC_F_RESAMPLE && config->sample)
		level = config->sample(config->opaque, cpu, operand[ARGUMENT_TRUSTED]);
	c = rvic_lock(r, operand[ARGUMENT_CPU]);
	if (rows[function].enabled && !c->enabled)
		x[0] = RVIC_DISABLED;
	else if (rows[function].queued && !c->head)
		x[0] = RVIC_NO_INTERRUPTS;
	else
		x[1] = execute(config, c, (unsigned)function, operand, level);
	/* the caller looks when it returns */
	rvic_unlock(r, c, operand[ARGUMENT_CPU] == cpu);
	return VIOMMU_OK;
}

/* ---- inputs ---- */

int viommu_rvic_signal(struct viommu_rvic *r, uint32_t cpu, uint32_t intid, uint32_t level,
		       uint32_t flags)
{
	bool trusted = r && intid < r->interface.config.trusted;
	unsigned line = trusted && !(flags & VIOMMU_RVIC_EDGE) ? RVIC_LINE : 0;
	struct rvic_cpu *c = NULL;

	if (r && intid < r->interface.total && level <= 1 &&
	    !(flags & ~(VIOMMU_RVIC_EDGE | VIOMMU_RVIC_UNTRUSTED)) &&
	    !(trusted && (flags & VIOMMU_RVIC_UNTRUSTED)))
		c = rvic_lock(r, cpu);
	if (!c)
		return VIOMMU_EINVAL;
	/* a line that falls is only remembered */
	rvic_cpu_change(c, intid, level ? RVIC_PENDING | line : 0, level ? 0 : line);
	rvic_unlock(r, c, false);
	return VIOMMU_OK;
}

int viommu_rvic_can_signal(struct viommu_rvic *r, uint32_t cpu)
{
	if (!r || cpu >= r->interface.config.cpus)
		return VIOMMU_EINVAL;
	return atomic_load(&r->cpu[cpu].can_signal);
}

int viommu_rvic_reset_cpu(struct viommu_rvic *r, uint32_t cpu)
{
	struct rvic_cpu *c = rvic_lock(r, cpu);

	if (!c)
		return VIOMMU_EINVAL;
	rvic_cpu_reset(c);
	rvic_unlock(r, c, false);
	return VIOMMU_OK;
}

/* ---- life ---- */

int rvic_new(struct viommu_vm *vm, const struct viommu_rvic_config *config, uint32_t unit,
	     struct viommu_rvic **out)
{
	struct rvic_interface f = { .vm = vm };
	int result = rvic_take_config(&f, config, unit);
	uint64_t each = sizeof(struct rvic_cpu) + f.total * sizeof(struct rvic_irq);
	struct viommu_rvic *r;
	struct rvic_irq *irq;

	if (result)
		return result;
	r = rvic_alloc(&f, sizeof(*r) + f.config.cpus * each);
	if (!r)
		return VIOMMU_ENOMEM;
	irq = (struct rvic_irq *)&r->cpu[f.config.cpus];
	for (uint32_t i = 0; i < f.config.cpus; i++) {
		pthread_mutex_init(&r->cpu[i].lock, NULL);
		r->cpu[i].total = f.total;
		r->cpu[i].irq = &irq[(uint64_t)i * f.total];
		rvic_cpu_reset(&r->cpu[i]);
	}
	*out = r;
	return VIOMMU_OK;
}

int viommu_rvic_new(struct viommu_vm *vm, const struct viommu_rvic_config *config,
		    struct viommu_rvic **out)
{
	return vm && out ? rvic_new(vm, config, VIOMMU_RVIC_TRUSTED_MIN, out) : VIOMMU_EINVAL;
}

void viommu_rvic_free(struct viommu_rvic *r)
{
	for (uint32_t i = 0; r && i < r->interface.config.cpus; i++)
		pthread_mutex_destroy(&r->cpu[i].lock);
	if (r)
		vm_dealloc(r->interface.vm, r, r->interface.bytes);
}
