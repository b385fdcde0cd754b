/* SPDX-License-Identifier: BSD-3-Clause */
/* smmuv3.c - an SMMUv3: creation, and the engine's entry points. */

#include <stddef.h>

#include "recorder.h"
#include "abi.h"
#include "smmuv3_engine.h"

static int reg_read(struct viommu *u, uint64_t offset, uint32_t bytes, uint64_t *value)
{
	*value = smmu_guest_read(smmu_of(u), offset, bytes);
	return VIOMMU_OK;
}

static int reg_write(struct viommu *u, uint64_t offset, uint32_t bytes, uint64_t value)
{
	smmu_guest_write(smmu_of(u), offset, bytes, value);
	return smmu_progress(smmu_of(u));
}

static int run(struct viommu *u)
{
	return smmu_progress(smmu_of(u));
}

static int reset(struct viommu *u)
{
	struct smmu *s = smmu_of(u);

	pthread_mutex_lock(&s->event_lock);
	regs_reset(&s->regs);
	pthread_mutex_unlock(&s->event_lock);
	smmu_begin_anew(s);
	deferred_again(&s->deferred); /* nothing is shown: VIOMMU_PENDING as long as it is */
	return smmu_progress(s);
}

static void free_unit(struct viommu *u)
{
	struct smmu *s = smmu_of(u);
	struct viommu_vm *vm = u->vm;

	smmu_stalls_fini(s);
	unit_fini(u);
	regs_fini(&s->regs, vm);
	pthread_mutex_destroy(&s->event_lock);
	pthread_mutex_destroy(&s->stall_lock);
	vm_dealloc(vm, s, sizeof(*s));
}

static void describe(struct viommu *u, struct record_text *text)
{
	const struct viommu_smmuv3_config *c = &smmu_of(u)->config;
	const uint32_t id[] = { c->idr[0], c->idr[1], c->idr[2], c->idr[3],
				c->idr[4], c->idr[5], c->iidr,	 c->aidr };

	record_header(text, "registers", u->register_bytes);
	record_header(text, "gbpa", c->gbpa);
	u->record->waits = true;
	for (unsigned i = 0; i < ARRAY_COUNT(id); i++) { /* 6.3.1 and further: from 0 on */
		record_word(text, "R");
		record_hex(text, i * sizeof(id[0]));
		record_decimal(text, sizeof(id[0]));
		record_hex(text, id[i]);
		record_newline(text);
	}
}

static const struct engine smmu_engine = {
	.name = "smmuv3",
	.last_id = UINT32_MAX - 1, /* VIOMMU_NO_ID is none */
	.translate = smmu_translate,
	.miss = smmu_miss,
	.parse = smmu_parse,
	.visit = smmu_visit,
	.reg_read = reg_read,
	.reg_write = reg_write,
	.run = run,
	.reset = reset,
	.save = smmu_save,
	.restore = smmu_restore,
	.request_page = smmu_request_page,
	.timed_out = smmu_timed_out,
	.free = free_unit,
	.device_bytes = sizeof(struct smmu_device),
	.device_failed = smmu_device_failed,
	.device_gone = smmu_device_gone,
	.ats_apart = true,
	.by_domain = true,
	.reason_text = smmu_reason_text,
	.nest = smmu_nest,
	.report = smmu_report,
	.describe = describe,
};

static bool is_default(const struct viommu_smmuv3_config *config)
{
	for (unsigned i = 0; i < ARRAY_COUNT(config->idr); i++) {
		if (config->idr[i])
			return false;
	}
	return true;
}

/* Before there is a unit: the host is the caller's. */
static int take_host(struct viommu_host *host, const struct viommu_host *given)
{
	*host = (struct viommu_host){ .size = sizeof(*host) };
	return given ? abi_take(host, sizeof(*host), sizeof(host->size), given) : VIOMMU_OK;
}

static int take_config(struct smmu *s, const struct viommu_smmuv3_config *given,
		       const struct viommu_host **host, const struct viommu_limits **limits)
{
	struct viommu_smmuv3_config *config = &s->config;
	struct viommu_host checked;
	int result = abi_take(config, sizeof(*config), offsetof(struct viommu_smmuv3_config, iidr),
			      given);

	if (result)
		return result;
	*host = config->host;
	*limits = config->limits;
	config->host = NULL;
	config->limits = NULL;
	result = take_host(&checked, *host);
	if (result)
		return result;
	if (config->flags) {
		if (checked.message)
			checked.message(checked.opaque, "flags: none are defined");
		return VIOMMU_EINVAL;
	}
	if (is_default(config)) {
		for (unsigned i = 0; i < ARRAY_COUNT(config->idr); i++)
			config->idr[i] = viommu_smmuv3_default_idr(i);
		config->aidr = config->aidr ? config->aidr : 2;
	}
	s->oas = smmu_address_bits(bits_get(config->idr[5], IDR5_OAS));
	return smmu_check_config(s, &checked);
}

static int start(struct smmu *s)
{
	int result = smmu_regs_init(s);

	if (!result)
		result = smmu_stalls_init(s);
	if (result)
		return result;
	s->unit.announces_contexts = true; /* 4.3: whatever an STE was before */
	s->unit.pasids = bits_get(smmu_idr(s, 1), IDR1_SSIDSIZE) != 0;
	atomic_store(&s->gbpa, s->config.gbpa);
	smmu_queue_start(s);
	return VIOMMU_OK;
}

int viommu_smmuv3_new(struct viommu_vm *vm, const struct viommu_smmuv3_config *given,
		      struct viommu **out)
{
	const struct viommu_limits *limits = NULL;
	const struct viommu_host *host = NULL;
	struct smmu *s;
	int result;

	if (!vm || !out)
		return VIOMMU_EINVAL;
	s = vm_alloc(vm, sizeof(*s), _Alignof(struct smmu));
	if (!s)
		return VIOMMU_ENOMEM;
	result = take_config(s, given, &host, &limits);
	if (!result)
		result = unit_init(&s->unit, &smmu_engine, vm, host, limits);
	if (result) {
		vm_dealloc(vm, s, sizeof(*s));
		return result;
	}
	pthread_mutex_init(&s->event_lock, NULL);
	pthread_mutex_init(&s->stall_lock, NULL);
	result = start(s);
	if (result) {
		free_unit(&s->unit);
		return result;
	}
	*out = &s->unit;
	return VIOMMU_OK;
}

int viommu_smmuv3_get_config(const struct viommu *u, struct viommu_smmuv3_config *config)
{
	const struct smmu *s = (const struct smmu *)u; /* unit is the first member */

	if (!u || !engine_is(u->engine, &smmu_engine))
		return VIOMMU_EINVAL;
	return abi_give(config, &s->config, sizeof(*config));
}
