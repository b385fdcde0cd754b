/* SPDX-License-Identifier: BSD-3-Clause */
/* rvic.c - the RVIC of a VM: its hypercalls as one table, its inputs, and its life. */

#include <stddef.h>

#include "rvic_object.h"

/* ---- what each call does, to one CPU, under its lock ---- */

struct call {
	struct viommu_rvic *rvic;
	struct rvic_cpu *cpu; /* the caller's, or that of the CPU argument */
	struct rvic_operands operands;
	unsigned set; /* of its row */
	unsigned clear;
	uint64_t value; /* x1 on return */
};

static void version(struct call *c)
{
	c->value = c->rvic->interface.config.version;
}

static void info(struct call *c)
{
	const struct viommu_rvic_config *config = &c->rvic->interface.config;

	c->value = c->operands.number == RVIC_INFO_TRUSTED ? config->trusted : config->untrusted;
}

static void enable(struct call *c)
{
	rvic_cpu_enable(c->cpu, c->set);
}

static void change(struct call *c)
{
	rvic_cpu_change(c->cpu, c->operands.intid, c->set, c->clear);
}

static void is_pending(struct call *c)
{
	c->value = c->cpu->irq[c->operands.intid].flags & RVIC_PENDING;
}

static void acknowledge(struct call *c)
{
	c->value = c->cpu->head - 1U;
	rvic_cpu_change(c->cpu, (uint32_t)c->value, RVIC_MASKED, RVIC_PENDING);
}

/* What the sample callback said is in c->set. */
static void resample(struct call *c)
{
	if (!c->rvic->interface.config.sample)
		c->set = c->cpu->irq[c->operands.intid].flags & RVIC_LINE;
	rvic_cpu_change(c->cpu, c->operands.intid, c->set ? RVIC_PENDING : 0, 0);
}

static const struct {
	void (*execute)(struct call *c);
	uint8_t argument[RVIC_ARGUMENTS];
	uint8_t set;
	uint8_t clear;
	bool enabled; /* the CPU has to be */
	bool queued;  /* and an interrupt is in its FIFO */
} calls[] = {
	[RVIC_F_VERSION] = { .execute = version },
	[RVIC_F_INFO] = { info, { ARGUMENT_KEY }, 0, 0, false, false },
	[RVIC_F_ENABLE] = { .execute = enable, .set = true },
	[RVIC_F_DISABLE] = { .execute = enable, .set = false },
	[RVIC_F_SET_MASKED] = { change,
				{ ARGUMENT_CPU, ARGUMENT_INTID },
				RVIC_MASKED,
				0,
				false,
				false },
	[RVIC_F_CLEAR_MASKED] = { change,
				  { ARGUMENT_CPU, ARGUMENT_INTID },
				  0,
				  RVIC_MASKED,
				  false,
				  false },
	[RVIC_F_IS_PENDING] = { is_pending, { ARGUMENT_CPU, ARGUMENT_INTID }, 0, 0, false, false },
	[RVIC_F_SIGNAL] = { change,
			    { ARGUMENT_CPU, ARGUMENT_INTID },
			    RVIC_PENDING,
			    0,
			    true,
			    false },
	[RVIC_F_CLEAR_PENDING] = { change,
				   { ARGUMENT_CPU, ARGUMENT_INTID },
				   0,
				   RVIC_PENDING,
				   false,
				   false },
	[RVIC_F_ACKNOWLEDGE] = { .execute = acknowledge, .enabled = true, .queued = true },
	[RVIC_F_RESAMPLE] = { resample, { ARGUMENT_TRUSTED }, 0, 0, false, false },
};

/* ---- calls and inputs ---- */

void rvic_unlock(struct viommu_rvic *r, uint32_t cpu, bool was)
{
	bool is = rvic_cpu_can_signal(&r->cpu[cpu]);

	pthread_mutex_unlock(&r->cpu[cpu].lock);
	if (is != was && r->interface.config.kick)
		r->interface.config.kick(r->interface.config.opaque, cpu);
}

/* The status. */
static uint64_t execute(struct viommu_rvic *r, uint32_t self, uint32_t number, struct call *c)
{
	const struct viommu_rvic_config *config = &r->interface.config;
	enum rvic_reason reason = RVIC_SUCCESS;
	uint32_t target = c->operands.cpu;
	bool was;

	c->set = calls[number].set;
	c->clear = calls[number].clear;
	if (number == RVIC_F_RESAMPLE && config->sample)
		c->set = config->sample(config->opaque, self, c->operands.intid);
	c->cpu = &r->cpu[target];
	pthread_mutex_lock(&c->cpu->lock);
	was = rvic_cpu_can_signal(c->cpu);
	if (calls[number].enabled && !c->cpu->enabled)
		reason = RVIC_DISABLED;
	else if (calls[number].queued && !c->cpu->head)
		reason = RVIC_NO_INTERRUPTS;
	else
		calls[number].execute(c);
	/* the caller looks when it returns */
	rvic_unlock(r, target, target == self ? rvic_cpu_can_signal(c->cpu) : was);
	return RVIC_STATUS(reason, 0);
}

int viommu_rvic_call(struct viommu_rvic *r, uint32_t cpu, uint64_t x[4])
{
	struct call c = { .rvic = r, .operands.cpu = cpu };
	uint64_t status;
	uint32_t number;
	int result;

	if (!r || !x || cpu >= r->interface.config.cpus)
		return VIOMMU_EINVAL;
	result = rvic_function(&r->interface, x, ARRAY_COUNT(calls), &number);
	if (result || number >= ARRAY_COUNT(calls))
		return result;
	number = (uint32_t)bits_clamp_index(number, ARRAY_COUNT(calls));
	status = rvic_check(&r->interface, calls[number].argument, x, &c.operands);
	if (status == RVIC_SUCCESS)
		status = execute(r, cpu, number, &c);
	rvic_answer(x, status, c.value);
	return VIOMMU_OK;
}

int viommu_rvic_signal(struct viommu_rvic *r, uint32_t cpu, uint32_t intid, uint32_t level,
		       uint32_t flags)
{
	unsigned changed = RVIC_PENDING | RVIC_LINE;
	bool was;

	if (!r || cpu >= r->interface.config.cpus || intid >= r->interface.total || level > 1 ||
	    (flags & ~(VIOMMU_RVIC_EDGE | VIOMMU_RVIC_UNTRUSTED)))
		return VIOMMU_EINVAL;
	if (intid >= r->interface.config.trusted || (flags & VIOMMU_RVIC_EDGE))
		changed = RVIC_PENDING;
	if (intid < r->interface.config.trusted && (flags & VIOMMU_RVIC_UNTRUSTED))
		return VIOMMU_EINVAL;
	pthread_mutex_lock(&r->cpu[cpu].lock);
	was = rvic_cpu_can_signal(&r->cpu[cpu]);
	/* a line that falls is only remembered */
	rvic_cpu_change(&r->cpu[cpu], intid, level ? changed : 0, level ? 0 : changed & RVIC_LINE);
	rvic_unlock(r, cpu, was);
	return VIOMMU_OK;
}

int viommu_rvic_can_signal(struct viommu_rvic *r, uint32_t cpu)
{
	bool can;

	if (!r || cpu >= r->interface.config.cpus)
		return VIOMMU_EINVAL;
	pthread_mutex_lock(&r->cpu[cpu].lock);
	can = rvic_cpu_can_signal(&r->cpu[cpu]);
	rvic_unlock(r, cpu, can);
	return can;
}

int viommu_rvic_reset_cpu(struct viommu_rvic *r, uint32_t cpu)
{
	bool was;

	if (!r || cpu >= r->interface.config.cpus)
		return VIOMMU_EINVAL;
	pthread_mutex_lock(&r->cpu[cpu].lock);
	was = rvic_cpu_can_signal(&r->cpu[cpu]);
	rvic_cpu_reset(&r->cpu[cpu]);
	rvic_unlock(r, cpu, was);
	return VIOMMU_OK;
}

/* ---- life ---- */

int rvic_new(struct viommu_vm *vm, const struct viommu_rvic_config *config, bool any,
	     struct viommu_rvic **out)
{
	struct rvic_interface f = { .rvid = false };
	int result = rvic_take_config(&f, config, any);
	uint64_t bytes = sizeof(struct viommu_rvic) +
			 f.config.cpus * (sizeof(struct rvic_cpu) + sizeof(uint64_t) +
					  (uint64_t)f.total * sizeof(struct rvic_irq));
	struct viommu_rvic *r;
	struct rvic_irq *irq;
	uint64_t *mpidr;

	if (result)
		return result;
	r = vm_alloc(vm, bytes, _Alignof(struct viommu_rvic));
	if (!r)
		return VIOMMU_ENOMEM;
	r->vm = vm;
	r->bytes = bytes;
	r->interface = f;
	mpidr = (uint64_t *)&r->cpu[f.config.cpus];
	irq = (struct rvic_irq *)&mpidr[f.config.cpus];
	if (!rvic_take_mpidrs(&r->interface, mpidr)) {
		vm_dealloc(vm, r, bytes);
		return VIOMMU_EINVAL;
	}
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
	return vm && out ? rvic_new(vm, config, false, out) : VIOMMU_EINVAL;
}

void viommu_rvic_free(struct viommu_rvic *r)
{
	for (uint32_t i = 0; r && i < r->interface.config.cpus; i++)
		pthread_mutex_destroy(&r->cpu[i].lock);
	if (r)
		vm_dealloc(r->vm, r, r->bytes);
}
