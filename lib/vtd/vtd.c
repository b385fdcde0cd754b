/* SPDX-License-Identifier: BSD-3-Clause */
/* vtd.c - a VT-d unit: creation, and the engine's entry points. */

#include <stddef.h>

#include "recorder.h"
#include "abi.h"
#include "nested.h"
#include "vtd_engine.h"

static int reg_read(struct viommu *u, uint64_t offset, uint32_t bytes, uint64_t *value)
{
	*value = regs_guest_read(&vtd_of(u)->regs, offset, bytes);
	return VIOMMU_OK;
}

/* VER, CAP and ECAP: whoever else has the unit. */
static bool reg_peek(const struct viommu *u, uint64_t offset, uint32_t bytes, uint64_t *value)
{
	const struct vtd *v = (const struct vtd *)u; /* unit is the first member */

	if (offset >= VTD_GCMD || bytes > VTD_GCMD - offset)
		return false;
	*value = regs_guest_read(&v->regs, offset, bytes);
	return true;
}

static int reg_write(struct viommu *u, uint64_t offset, uint32_t bytes, uint64_t value)
{
	regs_guest_write(&vtd_of(u)->regs, offset, bytes, value);
	return vtd_progress(vtd_of(u));
}

static int run(struct viommu *u)
{
	return vtd_progress(vtd_of(u));
}

static int reset(struct viommu *u)
{
	struct vtd *v = vtd_of(u);

	pthread_mutex_lock(&v->fault_lock);
	pthread_mutex_lock(&v->page_lock);
	regs_reset(&v->regs);
	vtd_page_queue_reset(v);
	v->fault_next = 0;
	pthread_mutex_unlock(&v->page_lock);
	pthread_mutex_unlock(&v->fault_lock);
	atomic_store_explicit(&v->root, 0, memory_order_release);
	atomic_store_explicit(&v->irta, 0, memory_order_release);
	atomic_store(&v->timed_out, 0);
	atomic_store(&v->unexpected, 0);
	v->gcmd = 0;
	v->iva_value = 0;
	v->ccmd_value = 0;
	v->iqa = 0;
	v->queue_on = false;
	ring_restart(&v->commands, 0, true);
	v->sync = (struct vtd_sync){ .last = false };
	v->deferred = (struct deferred){ .due = false };
	nesting_forget_positions(&v->unit);
	vtd_tables_changed(v);
	vtd_interrupts_changed(v);
	v->unsynced = false;
	deferred_again(&v->deferred); /* nothing is shown: VIOMMU_PENDING as long as it is */
	return vtd_complete(v);
}

static void flush(struct viommu *u)
{
	irte_cache_drop_all(&vtd_of(u)->irtes);
}

static void free_unit(struct viommu *u)
{
	struct vtd *v = vtd_of(u);
	struct viommu_vm *vm = u->vm;

	unit_fini(u);
	regs_fini(&v->regs, vm);
	irte_cache_fini(&v->irtes, vm);
	pthread_mutex_destroy(&v->fault_lock);
	pthread_mutex_destroy(&v->page_lock);
	vm_dealloc(vm, v, sizeof(*v));
}

static void describe(struct viommu *u, struct record_text *text)
{
	const struct vtd *v = vtd_of(u);

	record_header(text, "cap", v->cap);
	record_header(text, "ecap", v->ecap);
	record_header(text, "version", v->version);
	record_header(text, "haw", v->haw);
	record_header(text, "registers", u->register_bytes);
	u->record->sends = true;
}

static const struct engine vtd_engine = {
	.name = "vtd",
	.last_id = 0xffff, /* a requester id */
	.translate = vtd_translate,
	.miss = vtd_miss,
	.parse = vtd_parse,
	.visit = vtd_visit,
	.reg_peek = reg_peek,
	.reg_read = reg_read,
	.reg_write = reg_write,
	.run = run,
	.reset = reset,
	.save = vtd_save,
	.restore = vtd_restore,
	.request_page = vtd_request_page,
	.timed_out = vtd_timed_out,
	.unexpected = vtd_unexpected,
	.remap_msi = vtd_remap_msi,
	.remap_cached = vtd_remap_cached,
	.explain_msi = vtd_explain_msi,
	.flush = flush,
	.free = free_unit,
	.by_domain = true,
	.reason_text = vtd_reason_text,
	.nest = vtd_nest,
	.report = vtd_report,
	.describe = describe,
};

/* Before there is a unit: the host is the caller's. */
static int refuse_config(const struct viommu_vtd_config *config, const char *text)
{
	struct viommu_host host;

	if (config->host && !abi_take(&host, sizeof(host), sizeof(host.size), config->host) &&
	    host.message)
		host.message(host.opaque, text);
	return VIOMMU_EINVAL;
}

static int take_config(struct viommu_vtd_config *config, const struct viommu_vtd_config *given)
{
	int result = abi_take(config, sizeof(*config), offsetof(struct viommu_vtd_config, version),
			      given);

	if (result)
		return result;
	if (config->flags)
		return refuse_config(config, "flags: none are defined");
	if (!config->cap && config->ecap)
		return refuse_config(config, "ecap: needs cap");
	if (!config->cap) {
		config->cap = viommu_vtd_default_cap();
		config->ecap = viommu_vtd_default_ecap();
	}
	if (!config->version)
		config->version = 0x10;
	if (!config->haw) {
		uint64_t mgaw = bits_get(config->cap, VTD_CAP_MGAW) + 1;

		config->haw = mgaw > 52 ? 52 : mgaw < 36 ? 36 : (uint32_t)mgaw;
	}
	return VIOMMU_OK;
}

int viommu_vtd_new(struct viommu_vm *vm, const struct viommu_vtd_config *given, struct viommu **out)
{
	struct viommu_vtd_config config;
	struct vtd *v;
	int result;

	if (!vm || !out)
		return VIOMMU_EINVAL;
	result = take_config(&config, given);
	if (result)
		return result;
	v = vm_alloc(vm, sizeof(*v), _Alignof(struct vtd));
	if (!v)
		return VIOMMU_ENOMEM;
	v->cap = config.cap;
	v->ecap = config.ecap;
	v->version = config.version;
	v->haw = config.haw;
	v->beyond = ~bits_low(v->haw);
	v->known_addresses = bits_low((unsigned)bits_get(v->cap, VTD_CAP_MGAW) + 1);
	v->known_domains = (uint32_t)bits_low((unsigned)(4 + 2 * bits_get(v->cap, VTD_CAP_ND)));
	v->frcd = (uint32_t)bits_get(v->cap, VTD_CAP_FRO) * 16;
	v->frcds = (uint32_t)bits_get(v->cap, VTD_CAP_NFR) + 1;
	v->iva = (uint32_t)bits_get(v->ecap, VTD_ECAP_IRO) * 16;
	pthread_mutex_init(&v->fault_lock, NULL);
	pthread_mutex_init(&v->page_lock, NULL);
	result = unit_init(&v->unit, &vtd_engine, vm, config.host, config.limits);
	v->unit.keeps_refusals = v->cap & VTD_CAP_CM; /* 6.1 */
	v->unit.announces_contexts = v->unit.keeps_refusals;
	if (result) {
		pthread_mutex_destroy(&v->fault_lock);
		pthread_mutex_destroy(&v->page_lock);
		vm_dealloc(vm, v, sizeof(*v));
		return result;
	}
	v->unit.pasids = v->ecap & VTD_ECAP_PASID;
	result = vtd_check_caps(v);
	if (!result)
		result = irte_cache_init(&v->irtes, vm);
	if (!result) {
		result = vtd_regs_init(v);
		if (result == VIOMMU_EINVAL && v->unit.host.message)
			v->unit.host.message(v->unit.host.opaque,
					     "CAP.FRO or ECAP.IRO: registers lie on one another");
	}
	if (result) {
		free_unit(&v->unit);
		return result;
	}
	*out = &v->unit;
	return VIOMMU_OK;
}

int viommu_vtd_get_config(const struct viommu *u, struct viommu_vtd_config *config)
{
	const struct vtd *v = (const struct vtd *)u; /* unit is the first member */

	if (!u || !engine_is(u->engine, &vtd_engine))
		return VIOMMU_EINVAL;
	return abi_give(
		config,
		&(struct viommu_vtd_config){
			.cap = v->cap, .ecap = v->ecap, .version = v->version, .haw = v->haw },
		sizeof(*config));
}
