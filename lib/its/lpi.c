/* SPDX-License-Identifier: BSD-3-Clause */
/* lpi.c - the LPIs of a VM: creation, and the engine's entry points. */

#include <stddef.h>

#include "abi.h"
#include "lpi.h"
#include "lpi_virtual.h"

/* ---- registers of all redistributors ---- */

/* The redistributor, and the offset in its register file; false: nothing of ours is there. */
static bool locate(const struct lpis *l, uint64_t offset, struct lpi_cpu **c, uint64_t *at)
{
	uint64_t cpu = offset / GICR_FRAME;

	offset %= GICR_FRAME;
	if (cpu >= l->cpus)
		return false;
	*c = lpi_cpu_at(l, (uint32_t)cpu);
	*at = offset < GICR_VLPI ? offset : offset - GICR_VLPI_FRAME + GICR_VLPI;
	return offset < GICR_VLPI ||
	       (offset >= GICR_VLPI_FRAME && offset - GICR_VLPI_FRAME < GICR_VLPI);
}

static int reg_read(struct viommu *u, uint64_t offset, uint32_t bytes, uint64_t *value)
{
	struct lpi_cpu *c;
	uint64_t at;

	*value = locate(lpis_of(u), offset, &c, &at) ? regs_guest_read(&c->regs, at, bytes) : 0;
	return VIOMMU_OK;
}

static int reg_write(struct viommu *u, uint64_t offset, uint32_t bytes, uint64_t value)
{
	struct lpi_cpu *c;
	uint64_t at;

	if (locate(lpis_of(u), offset, &c, &at))
		regs_guest_write(&c->regs, at, bytes, value);
	return lpi_progress(lpis_of(u));
}

static int run(struct viommu *u)
{
	return lpi_progress(lpis_of(u));
}

static int reset(struct viommu *u)
{
	lpi_drop(lpis_of(u));
	return VIOMMU_OK;
}

/* ---- creation ---- */

static void free_lpis(struct viommu *u)
{
	struct lpis *l = lpis_of(u);
	struct viommu_vm *vm = u->vm;

	unit_fini(u);
	for (uint32_t i = 0; l->cpu && i < l->cpus; i++) {
		regs_fini(&l->cpu[i].regs, vm);
		vm_dealloc(vm, l->cpu[i].pending, lpi_words(l) * sizeof(uint64_t));
	}
	vpe_free(l);
	vm_dealloc(vm, l->cpu, l->cpus * sizeof(*l->cpu));
	vm_dealloc(vm, l->config, ((UINT64_C(1) << l->bits) - ITS_FIRST_LPI) * sizeof(*l->config));
	vm_dealloc(vm, l, sizeof(*l));
}

/* What is kept of configuration bytes is no part of the state: who restores it reads, and tells, everything anew. */
static void begin_anew(struct lpis *l)
{
	for (uint64_t i = 0; i < (UINT64_C(1) << l->bits) - ITS_FIRST_LPI; i++)
		atomic_store_explicit(&l->config[i], 0, memory_order_relaxed);
	for (uint32_t i = 0; i < l->cpus; i++) {
		if (atomic_load_explicit(&l->cpu[i].latch, memory_order_relaxed) & LPI_LATCH_ON)
			lpi_resume(&l->cpu[i]);
	}
	if (l->tasks)
		unit_work(&l->unit);
}

static void describe(struct viommu *u, struct record_text *text)
{
	lpis_record_headers(u, text);
	begin_anew(lpis_of(u));
	lpis_record_callbacks(lpis_of(u), true);
}

static void leave_tape(struct viommu *u)
{
	lpis_record_callbacks(lpis_of(u), false);
}

const struct engine lpis_engine = {
	.name = "lpis",
	.reg_read = reg_read,
	.reg_write = reg_write,
	.run = run,
	.reset = reset,
	.save = lpi_save,
	.restore = lpi_restore,
	.free = free_lpis,
	.describe = describe,
	.tape_name = "its",
	.leave_tape = leave_tape,
};

static int refuse(const struct viommu_lpis_config *config, const char *text)
{
	struct viommu_host host;

	if (config->host && !abi_take(&host, sizeof(host), sizeof(host.size), config->host) &&
	    host.message)
		host.message(host.opaque, text);
	return VIOMMU_EINVAL;
}

static int take_config(struct viommu_lpis_config *config, const struct viommu_lpis_config *given)
{
	const uint32_t known =
		VIOMMU_LPIS_NO_GUEST_WRITES | VIOMMU_LPIS_DIRECT | VIOMMU_LPIS_V4 | VIOMMU_LPIS_V41;
	int result =
		abi_take(config, sizeof(*config), offsetof(struct viommu_lpis_config, vpes), given);

	if (result)
		return result;
	if (!config->intid_bits)
		config->intid_bits = 16;
	if (!config->rd_stride)
		config->rd_stride = config->flags & VIOMMU_LPIS_V4 ? 4 * ITS_FRAME : 2 * ITS_FRAME;
	if ((config->flags & ~known) || config->reserved)
		return refuse(config, "flags, reserved: none but VIOMMU_LPIS_*");
	if (config->cpus < 1 || config->cpus > 1024)
		return refuse(config, "cpus: 1 to 1024");
	if (config->intid_bits < 14 || config->intid_bits > ITS_INTID_BITS_MAX)
		return refuse(config, "intid_bits: 14 to 20");
	if ((config->flags & VIOMMU_LPIS_V41) && !(config->flags & VIOMMU_LPIS_V4))
		return refuse(config, "flags: VIOMMU_LPIS_V41 needs VIOMMU_LPIS_V4");
	if ((config->vpes != 0) != ((config->flags & VIOMMU_LPIS_V4) != 0) || config->vpes > 65536)
		return refuse(config, "vpes: 1 to 65536 with VIOMMU_LPIS_V4, else 0");
	if (config->rd_base % ITS_FRAME || config->rd_stride % ITS_FRAME)
		return refuse(config, "rd_base, rd_stride: multiples of 64 KiB");
	return VIOMMU_OK;
}

static int init(struct lpis *l)
{
	struct viommu_vm *vm = l->unit.vm;
	int result = VIOMMU_OK;

	atomic_init(&l->generation, 1);
	l->config = vm_alloc(vm, ((UINT64_C(1) << l->bits) - ITS_FIRST_LPI) * sizeof(*l->config),
			     _Alignof(uint64_t));
	l->cpu = vm_alloc(vm, l->cpus * sizeof(*l->cpu), _Alignof(struct lpi_cpu));
	if (!l->config || !l->cpu || !vpe_init(l))
		return VIOMMU_ENOMEM;
	for (uint32_t i = 0; !result && i < l->cpus; i++) {
		l->cpu[i].pending =
			vm_alloc(vm, lpi_words(l) * sizeof(uint64_t), _Alignof(uint64_t));
		result = l->cpu[i].pending ? lpi_regs_init(l, i) : VIOMMU_ENOMEM;
	}
	return result;
}

int viommu_lpis_new(struct viommu_vm *vm, const struct viommu_lpis_config *given,
		    struct viommu **out)
{
	struct viommu_lpis_config config;
	struct viommu_limits limits;
	struct lpis *l;
	int result;

	if (!vm || !out)
		return VIOMMU_EINVAL;
	result = take_config(&config, given);
	if (!result)
		result = lpi_take_limits(&limits, config.limits);
	if (result)
		return result;
	l = vm_alloc(vm, sizeof(*l), _Alignof(struct lpis));
	if (!l)
		return VIOMMU_ENOMEM;
	l->flags = config.flags;
	l->cpus = config.cpus;
	l->bits = config.intid_bits;
	l->vpes = config.vpes;
	l->rd_base = config.rd_base;
	l->rd_stride = config.rd_stride;
	l->opaque = config.opaque;
	l->lpi = config.lpi;
	l->vlpi = config.vlpi;
	result = unit_init(&l->unit, &lpis_engine, vm, config.host, &limits);
	if (result) {
		vm_dealloc(vm, l, sizeof(*l));
		return result;
	}
	result = init(l);
	if (result) {
		free_lpis(&l->unit);
		return result;
	}
	l->unit.register_bytes = (uint64_t)l->cpus * GICR_FRAME;
	*out = &l->unit;
	return VIOMMU_OK;
}

int lpi_take_limits(struct viommu_limits *limits, const struct viommu_limits *given)
{
	struct viommu_limits all = { .size = sizeof(all) };
	int result = given ? abi_take(&all, sizeof(all), sizeof(all.size), given) : VIOMMU_OK;

	/* Nothing is translated: the caches are as small as can be. */
	*limits = (struct viommu_limits){ .size = sizeof(*limits),
					  .tlb_entries = 1,
					  .contexts = 1,
					  .domains = 1,
					  .devices = 1,
					  .channels = 1,
					  .queue_budget = all.queue_budget,
					  .outstanding = 1,
					  .tables = 1,
					  .channel_entries = 1,
					  .steps = all.steps,
					  .shadow = 1 };
	return result;
}
