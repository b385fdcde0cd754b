/* SPDX-License-Identifier: BSD-3-Clause */
/* amdvi.c - an AMD IOMMU: creation, and the engine's entry points. */

#include <stddef.h>

#include "recorder.h"
#include "abi.h"
#include "amdvi_engine.h"

/* ---- registers: accesses of 1 and 2 bytes are parts of one of 4 (3.4) ---- */

static bool is_part(uint64_t offset, uint32_t bytes)
{
	return (bytes == 1 || bytes == 2) && offset % bytes == 0 && offset < AMD_REGISTER_BYTES;
}

static int reg_read(struct viommu *u, uint64_t offset, uint32_t bytes, uint64_t *value)
{
	struct amdvi *v = amdvi_of(u);

	if (!is_part(offset, bytes)) {
		*value = regs_guest_read(&v->regs, offset, bytes);
		return VIOMMU_OK;
	}
	*value = regs_guest_read(&v->regs, offset & ~UINT64_C(3), 4) >> (offset % 4 * 8) &
		 bits_low(8 * bytes);
	return VIOMMU_OK;
}

/* The rest of the word is written as it is; where a written 1 clears, nothing of it is. */
static uint64_t rest_of_word(const struct amdvi *v, uint64_t word)
{
	switch (word) {
	case AMD_STATUS:
	case AMD_HE_STATUS:
		return 0;
	default:
		return regs_guest_read(&v->regs, word, 4);
	}
}

static int reg_write(struct viommu *u, uint64_t offset, uint32_t bytes, uint64_t value)
{
	struct amdvi *v = amdvi_of(u);

	if (is_part(offset, bytes)) {
		uint64_t mask = bits_low(8 * bytes) << (offset % 4 * 8);

		value = (rest_of_word(v, offset & ~UINT64_C(3)) & ~mask) |
			(value << (offset % 4 * 8) & mask);
		offset &= ~UINT64_C(3);
		bytes = 4;
	}
	regs_guest_write(&v->regs, offset, bytes, value);
	return amdvi_progress(v);
}

/* ---- the engine ---- */

static int run(struct viommu *u)
{
	return amdvi_progress(amdvi_of(u));
}

static int reset(struct viommu *u)
{
	struct amdvi *v = amdvi_of(u);

	pthread_mutex_lock(&v->log_lock);
	regs_reset(&v->regs);
	v->msi = (struct amdvi_msi){ .enabled = false };
	for (unsigned log = 0; log < AMDVI_LOGS; log++)
		amdvi_log_restart(v, log);
	pthread_mutex_unlock(&v->log_lock);
	amdvi_forget_unanswered(v);
	atomic_store(&v->nests, false);
	amdvi_commands_switch(v, false);
	amdvi_forget(v, true);
	amdvi_interrupts_changed(v);
	v->deferred = (struct deferred){ .due = false };
	deferred_again(
		&v->deferred); /* nothing is shown: VIOMMU_PENDING as long as something is used */
	return deferred_show(u, &v->deferred, &v->regs) ? VIOMMU_OK : VIOMMU_PENDING;
}

static void flush(struct viommu *u)
{
	irte_cache_drop_all(&amdvi_of(u)->irtes);
}

static void free_unit(struct viommu *u)
{
	struct amdvi *v = amdvi_of(u);
	struct viommu_vm *vm = u->vm;

	unit_fini(u);
	regs_fini(&v->regs, vm);
	irte_cache_fini(&v->irtes, vm);
	pthread_mutex_destroy(&v->log_lock);
	vm_dealloc(vm, v, sizeof(*v));
}

static void describe(struct viommu *u, struct record_text *text)
{
	const struct amdvi *v = amdvi_of(u);

	record_header(text, "efr", v->efr);
	record_header(text, "efr2", v->efr2);
	record_header(text, "capability", v->capability);
	record_header(text, "registers", u->register_bytes);
	for (unsigned i = 0; i < AMDVI_LOGS; i++) {
		static const char *const names[AMDVI_LOGS] = { [AMDVI_LOG_EVENT] = "msi_event",
							       [AMDVI_LOG_PPR] = "msi_ppr",
							       [AMDVI_LOG_GA] = "msi_ga" };

		record_header(text, names[i], v->message[i]);
	}
	u->record->sends = true;
}

static const struct engine amdvi_engine = {
	.name = "amdvi",
	.last_id = 0xffff, /* a requester id */
	.translate = amdvi_translate,
	.miss = amdvi_miss,
	.parse = amdvi_parse,
	.visit = amdvi_visit,
	.reg_read = reg_read,
	.reg_write = reg_write,
	.run = run,
	.reset = reset,
	.save = amdvi_save,
	.restore = amdvi_restore,
	.flush = flush,
	.request_page = amdvi_request_page,
	.timed_out = amdvi_timed_out,
	.device_failed = amdvi_device_failed,
	.device_gone = amdvi_device_gone,
	.remap_msi = amdvi_remap_msi,
	.explain_msi = amdvi_explain_msi,
	.remap_cached = amdvi_remap_cached,
	.own_tables = true,
	.free = free_unit,
	.device_bytes = sizeof(struct amdvi_device),
	.by_domain = true,
	.reason_text = amdvi_reason_text,
	.mode = amdvi_mode,
	.describe = describe,
};

/* ---- creation ---- */

/* Before there is a unit: the host is the caller's. */
static int refuse_config(const struct viommu_amdvi_config *config, const char *text)
{
	struct viommu_host host;

	if (config->host && !abi_take(&host, sizeof(host), sizeof(host.size), config->host) &&
	    host.message)
		host.message(host.opaque, text);
	return VIOMMU_EINVAL;
}

static int take_config(struct viommu_amdvi_config *config, const struct viommu_amdvi_config *given)
{
	int result = abi_take(config, sizeof(*config),
			      offsetof(struct viommu_amdvi_config, capability), given);

	if (result)
		return result;
	if (config->flags)
		return refuse_config(config, "flags: none are defined");
	if (config->reserved)
		return refuse_config(config, "reserved: has to be 0");
	if (!config->efr && config->efr2)
		return refuse_config(config, "efr2: needs efr");
	if (!config->efr) {
		config->efr = viommu_amdvi_default_efr();
		config->efr2 = viommu_amdvi_default_efr2();
	}
	if (!config->capability)
		config->capability =
			VIOMMU_AMDVI_CAP_IOTLB | VIOMMU_AMDVI_CAP_EFR | VIOMMU_AMDVI_CAP_EXT;
	return VIOMMU_OK;
}

static void configure(struct amdvi *v, const struct viommu_amdvi_config *config)
{
	v->efr = config->efr;
	v->efr2 = config->efr2;
	v->capability = config->capability;
	v->message[AMDVI_LOG_EVENT] = config->msi_event;
	v->message[AMDVI_LOG_PPR] = config->msi_ppr;
	v->message[AMDVI_LOG_GA] = config->msi_ga;
}

int viommu_amdvi_new(struct viommu_vm *vm, const struct viommu_amdvi_config *given,
		     struct viommu **out)
{
	struct viommu_amdvi_config config;
	struct amdvi *v;
	int result;

	if (!vm || !out)
		return VIOMMU_EINVAL;
	result = take_config(&config, given);
	if (result)
		return result;
	v = vm_alloc(vm, sizeof(*v), _Alignof(struct amdvi));
	if (!v)
		return VIOMMU_ENOMEM;
	configure(v, &config);
	pthread_mutex_init(&v->log_lock, NULL);
	result = unit_init(&v->unit, &amdvi_engine, vm, config.host, config.limits);
	if (result) {
		pthread_mutex_destroy(&v->log_lock);
		vm_dealloc(vm, v, sizeof(*v));
		return result;
	}
	v->unit.keeps_refusals = v->capability & AMD_CAP_NP_CACHE;
	v->unit.pasids = v->efr & AMD_EFR_GT;
	result = amdvi_check_caps(v);
	if (!result)
		result = irte_cache_init(&v->irtes, vm);
	if (!result)
		result = amdvi_regs_init(v);
	if (result) {
		free_unit(&v->unit);
		return result;
	}
	*out = &v->unit;
	return VIOMMU_OK;
}

static const struct amdvi *given_amdvi(const struct viommu *u)
{
	return u && engine_is(u->engine, &amdvi_engine) ? (const struct amdvi *)u : NULL;
}

int viommu_amdvi_get_config(const struct viommu *u, struct viommu_amdvi_config *config)
{
	const struct amdvi *v = given_amdvi(u);

	if (!v)
		return VIOMMU_EINVAL;
	return abi_give(config,
			&(struct viommu_amdvi_config){ .efr = v->efr,
						       .efr2 = v->efr2,
						       .capability = v->capability,
						       .msi_event = v->message[AMDVI_LOG_EVENT],
						       .msi_ppr = v->message[AMDVI_LOG_PPR],
						       .msi_ga = v->message[AMDVI_LOG_GA] },
			sizeof(*config));
}

int viommu_amdvi_get_capability(const struct viommu *u, uint64_t base, uint32_t *words)
{
	const struct amdvi *v = given_amdvi(u);

	if (!v || !words || (base & ~AMD_BASE_ADDR))
		return VIOMMU_EINVAL;
	words[0] = v->capability | 0x0f | (uint32_t)bits_put(AMD_CAP_TYPE, 3) |
		   (uint32_t)bits_put(AMD_CAP_REV, 1);
	words[1] = (uint32_t)base | (uint32_t)AMD_BASE_ENABLE;
	words[2] = (uint32_t)(base >> 32);
	words[3] = 0;
	words[4] = amdvi_misc0(v);
	words[5] = v->capability & AMD_CAP_EXT ? amdvi_misc1(v) : 0;
	return VIOMMU_OK;
}

int viommu_amdvi_set_msi(struct viommu *u, const struct viommu_amdvi_msi *given)
{
	struct viommu_amdvi_msi msi;
	struct amdvi *v;
	int result = abi_take(&msi, sizeof(msi), sizeof(msi), given);

	if (result)
		return result;
	if (!given_amdvi(u) || msi.enabled > 1 || msi.messages_lg2 > 5)
		return VIOMMU_EINVAL;
	v = amdvi_of(u);
	pthread_mutex_lock(&v->log_lock);
	v->msi = (struct amdvi_msi){ .enabled = msi.enabled,
				     .address = msi.address,
				     .data = msi.data,
				     .messages_lg2 = msi.messages_lg2 };
	amdvi_show_msi(v);
	pthread_mutex_unlock(&v->log_lock);
	return VIOMMU_OK;
}
