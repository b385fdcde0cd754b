/* SPDX-License-Identifier: BSD-3-Clause */
/* riscv.c - a RISC-V IOMMU: creation, and the engine's entry points. */

#include <stddef.h>

#include "recorder.h"
#include "abi.h"
#include "riscv_engine.h"

/* Counters are shown when somebody looks. */
static bool is_counter(uint64_t offset)
{
	return offset >= RISCV_IOCOUNTOVF && offset < RISCV_TR_REQ_IOVA;
}

static int reg_read(struct viommu *u, uint64_t offset, uint32_t bytes, uint64_t *value)
{
	struct riscv *v = riscv_of(u);

	if (is_counter(offset))
		riscv_hpm_show(v, offset);
	*value = regs_guest_read(&v->regs, offset, bytes);
	return VIOMMU_OK;
}

static int reg_write(struct viommu *u, uint64_t offset, uint32_t bytes, uint64_t value)
{
	struct riscv *v = riscv_of(u);

	if (is_counter(offset))
		riscv_hpm_show(v, offset);
	regs_guest_write(&v->regs, offset, bytes, value);
	return riscv_progress(v);
}

static int run(struct viommu *u)
{
	return riscv_progress(riscv_of(u));
}

static int reset(struct viommu *u)
{
	struct riscv *v = riscv_of(u);

	pthread_mutex_lock(&v->lock);
	regs_reset(&v->regs);
	ring_records_reset(&v->faults);
	ring_records_reset(&v->requests);
	v->due = 0;
	pthread_mutex_unlock(&v->lock);
	atomic_store_explicit(&v->ddtp, v->config.ddtp, memory_order_release);
	atomic_store(&v->timed_out, false);
	riscv_queue_start(v);
	v->deferred = (struct deferred){ .due = false };
	riscv_hpm_restart(v);
	riscv_begin(v);
	v->unsynced = false;
	deferred_again(&v->deferred); /* nothing is shown: VIOMMU_PENDING as long as it is */
	return riscv_progress(v);
}

static void free_unit(struct viommu *u)
{
	struct riscv *v = riscv_of(u);
	struct viommu_vm *vm = u->vm;

	unit_fini(u);
	regs_fini(&v->regs, vm);
	riscv_hpm_fini(v);
	pthread_mutex_destroy(&v->lock);
	vm_dealloc(vm, v, sizeof(*v));
}

static void describe(struct viommu *u, struct record_text *text)
{
	const struct riscv *v = riscv_of(u);

	record_header(text, "registers", u->register_bytes);
	record_header(text, "capabilities", v->cap);
	record_header(text, "ddtp", v->config.ddtp);
	record_word(text, "vectors");
	record_decimal(text, v->config.vectors);
	record_newline(text);
	record_header(text, "counters", v->config.counters);
	record_header(text, "qosid_bits", v->config.qosid_bits);
	u->record->sends = true;
	u->record->wires = true;
}

static const struct engine riscv_engine = {
	.name = "riscv",
	.last_id = 0xffffff,
	.translate = riscv_translate,
	.miss = riscv_miss,
	.parse = riscv_parse,
	.visit = riscv_visit,
	.reg_read = reg_read,
	.reg_write = reg_write,
	.run = run,
	.reset = reset,
	.save = riscv_save,
	.restore = riscv_restore,
	.request_page = riscv_request_page,
	.timed_out = riscv_timed_out,
	.store_message = riscv_interrupt,
	.lines = riscv_lines,
	.free = free_unit,
	.by_domain = true,
	.ats_apart = true,
	.reason_text = riscv_reason_text,
	.describe = describe,
};

static int take_config(struct viommu_riscv_config *config, const struct viommu_riscv_config *given)
{
	int result = abi_take(config, sizeof(*config),
			      offsetof(struct viommu_riscv_config, capabilities), given);

	if (result)
		return result;
	if (config->flags || config->reserved)
		return VIOMMU_EINVAL;
	if (!config->capabilities)
		config->capabilities = viommu_riscv_default_capabilities();
	if (!config->vectors)
		config->vectors = RISCV_VECTORS;
	if (!config->counters)
		config->counters = RISCV_COUNTERS;
	if (!config->qosid_bits)
		config->qosid_bits = 12;
	return VIOMMU_OK;
}

/* 2.1.3.6: bits of the guest's page numbers that there are. */
static uint64_t pages_reserved(uint64_t cap)
{
	unsigned bits = cap & RISCV_CAP_SV57X4	 ? 59
			: cap & RISCV_CAP_SV48X4 ? 50
			: cap & RISCV_CAP_SV39X4 ? 41
			: cap & RISCV_CAP_SV32X4 ? 34
						 : (unsigned)bits_get(cap, RISCV_CAP_PAS);

	return bits > 12 ? ~bits_low(bits - 12) : UINT64_MAX;
}

static int init(struct riscv *v)
{
	int result = riscv_check_config(v);

	if (!result)
		result = riscv_hpm_init(v) ? riscv_regs_init(v) : VIOMMU_ENOMEM;
	if (!result)
		riscv_queue_start(v);
	return result;
}

int viommu_riscv_new(struct viommu_vm *vm, const struct viommu_riscv_config *given,
		     struct viommu **out)
{
	struct viommu_riscv_config config;
	struct riscv *v;
	int result;

	if (!vm || !out)
		return VIOMMU_EINVAL;
	result = take_config(&config, given);
	if (result)
		return result;
	v = vm_alloc(vm, sizeof(*v), _Alignof(struct riscv));
	if (!v)
		return VIOMMU_ENOMEM;
	v->cap = config.capabilities;
	v->pas = (unsigned)bits_get(v->cap, RISCV_CAP_PAS);
	v->pages_reserved = pages_reserved(v->cap);
	atomic_init(&v->ddtp, config.ddtp);
	result = unit_init(&v->unit, &riscv_engine, vm, config.host, config.limits);
	if (result) {
		vm_dealloc(vm, v, sizeof(*v));
		return result;
	}
	pthread_mutex_init(&v->lock, NULL);
	pthread_mutex_init(&v->hpm.lock, NULL);
	v->config = config;
	v->config.host = NULL;
	v->config.limits = NULL;
	v->unit.pasids = v->cap & (RISCV_CAP_PD8 | RISCV_CAP_PD17 | RISCV_CAP_PD20);
	result = init(v);
	if (result) {
		free_unit(&v->unit);
		return result;
	}
	*out = &v->unit;
	return VIOMMU_OK;
}

int viommu_riscv_get_config(const struct viommu *u, struct viommu_riscv_config *config)
{
	struct viommu_riscv_config mine;

	if (!u || !engine_is(u->engine, &riscv_engine))
		return VIOMMU_EINVAL;
	mine = ((const struct riscv *)u)->config; /* unit is the first member */
	return abi_give(config, &mine, sizeof(*config));
}
