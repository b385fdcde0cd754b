/* SPDX-License-Identifier: BSD-3-Clause */
/* its.c - an ITS: creation, and the engine's entry points. */

#include <stddef.h>

#include "abi.h"
#include "its_engine.h"

uint64_t viommu_its_default_typer(void)
{
	return ITS_TYPER_PHYSICAL | bits_put(ITS_TYPER_ENTRY_SIZE, 8 - 1) |
	       bits_put(ITS_TYPER_ID_BITS, 16 - 1) | bits_put(ITS_TYPER_DEVBITS, 16 - 1);
}

/* ---- entry points ---- */

static int reg_read(struct viommu *u, uint64_t offset, uint32_t bytes, uint64_t *value)
{
	*value = regs_guest_read(&its_of(u)->regs, offset, bytes);
	return VIOMMU_OK;
}

static int reg_write(struct viommu *u, uint64_t offset, uint32_t bytes, uint64_t value)
{
	regs_guest_write(&its_of(u)->regs, offset, bytes, value);
	return its_progress(its_of(u));
}

static int run(struct viommu *u)
{
	return its_progress(its_of(u));
}

static int reset(struct viommu *u)
{
	struct its *its = its_of(u);

	pthread_mutex_lock(&its->umsi_lock);
	regs_reset(&its->regs);
	pthread_mutex_unlock(&its->umsi_lock);
	its_drop(its);
	return its_progress(its);
}

/* ---- the LPI object, which counts its ITSs ---- */

static bool take_number(struct its *its)
{
	struct lpis *l = its->lpis;
	bool room;

	pthread_mutex_lock(&l->unit.devices_lock);
	room = ~l->its != 0;
	if (room) {
		its->number = (uint32_t)__builtin_ctzll(~l->its);
		l->its |= BIT(its->number);
		atomic_fetch_add(&l->unit.users, 1);
	}
	pthread_mutex_unlock(&l->unit.devices_lock);
	return room;
}

static void leave(struct its *its)
{
	struct lpis *l = its->lpis;

	vpe_unbind_all(l, its->number);
	pthread_mutex_lock(&l->unit.devices_lock);
	l->its &= ~BIT(its->number);
	atomic_fetch_sub(&l->unit.users, 1);
	pthread_mutex_unlock(&l->unit.devices_lock);
}

/* ---- creation ---- */

static void free_memory(struct its *its)
{
	struct viommu_vm *vm = its->unit.vm;

	regs_fini(&its->regs, vm);
	vm_dealloc(vm, its->device, (UINT64_C(1) << its->device_bits) * sizeof(*its->device));
	vm_dealloc(vm, its->event, (uint64_t)its->blocks * ITS_BLOCK * sizeof(*its->event));
	vm_dealloc(vm, its->collection,
		   (UINT64_C(1) << its->collection_bits) * sizeof(*its->collection));
	vm_dealloc(vm, its->owner, its->blocks * sizeof(*its->owner));
	vm_dealloc(vm, its->used, its->blocks / 64 * sizeof(*its->used));
	pthread_mutex_destroy(&its->umsi_lock);
	vm_dealloc(vm, its, sizeof(*its));
}

/* Of the LPIs, and on their tape if they are recorded. */
static int join(struct its *its)
{
	int result;

	if (!take_number(its))
		return VIOMMU_ELIMIT;
	result = its_record_new(its);
	if (result)
		leave(its);
	return result;
}

static void free_unit(struct viommu *u)
{
	leave(its_of(u));
	unit_fini(u);
	free_memory(its_of(u));
}

const struct engine its_engine = {
	.name = "its",
	.last_id = UINT32_MAX,
	.reg_read = reg_read,
	.reg_write = reg_write,
	.run = run,
	.reset = reset,
	.save = its_save,
	.restore = its_restore,
	.remap_msi = its_remap_msi,
	.own_tables = true,
	.remap_cached = its_remap_cached,
	.explain_msi = its_explain_msi,
	.free = free_unit,
	.reason_text = its_reason_text,
	.tape_of = its_tape_of,
	.join_tape = its_join_tape,
};

/* Before there is a unit: the host is the caller's. */
static int refuse(const struct viommu_its_config *config, int result, const char *text)
{
	struct viommu_host host;

	if (config->host && !abi_take(&host, sizeof(host), sizeof(host.size), config->host) &&
	    host.message)
		host.message(host.opaque, text);
	return result;
}

#define REFUSED                                                                                    \
	(ITS_TYPER_CCT | ITS_TYPER_RSVD_3 | ITS_TYPER_SEIS | ITS_TYPER_RSVD_20 | ITS_TYPER_MPAM |  \
	 ITS_TYPER_NID | ITS_TYPER_UMSIIRQ | ITS_TYPER_RSVD_47)

static int check_typer(const struct viommu_its_config *config, const struct lpis *l)
{
	uint64_t typer = config->typer;

	if (!(typer & ITS_TYPER_PHYSICAL) || (typer & REFUSED))
		return refuse(config, VIOMMU_ENOTSUP,
			      "typer: needs Physical; no CCT, SEIS, MPAM, nID, UMSIirq");
	if (bits_get(typer, ITS_TYPER_ID_BITS) >= ITS_EVENT_BITS_MAX ||
	    bits_get(typer, ITS_TYPER_DEVBITS) >= ITS_DEVICE_BITS_MAX)
		return refuse(config, VIOMMU_ENOTSUP, "typer: ID_bits or Devbits too wide");
	if ((typer & ITS_TYPER_VIRTUAL) && !(l->flags & VIOMMU_LPIS_V4))
		return refuse(config, VIOMMU_EINVAL, "typer: Virtual needs VIOMMU_LPIS_V4");
	if ((typer & (ITS_TYPER_VMAPP | ITS_TYPER_VSGI | ITS_TYPER_SVPET)) &&
	    !((l->flags & VIOMMU_LPIS_V41) && (typer & ITS_TYPER_VIRTUAL)))
		return refuse(config, VIOMMU_EINVAL,
			      "typer: VMAPP, VSGI, SVPET need Virtual and VIOMMU_LPIS_V41");
	if ((typer & ITS_TYPER_VIRTUAL) &&
	    !(typer & ITS_TYPER_VMAPP) != !(l->flags & VIOMMU_LPIS_V41))
		return refuse(config, VIOMMU_EINVAL, "typer: VMAPP goes with VIOMMU_LPIS_V41");
	if (!(typer & ITS_TYPER_CIL) && (typer & ITS_TYPER_CIDBITS))
		return refuse(config, VIOMMU_EINVAL, "typer: CIDbits without CIL");
	return VIOMMU_OK;
}

static int take_config(struct viommu_its_config *config, const struct viommu_its_config *given,
		       struct viommu_vm *vm)
{
	int result =
		abi_take(config, sizeof(*config), offsetof(struct viommu_its_config, typer), given);

	if (result)
		return result;
	if (!config->typer)
		config->typer = viommu_its_default_typer();
	if (!config->iidr)
		config->iidr = 0x43b;
	if (!config->devices)
		config->devices = 4096;
	if (!config->events)
		config->events = 262144;
	if (!config->lpis || !engine_is(config->lpis->engine, &lpis_engine) ||
	    config->lpis->vm != vm)
		return refuse(config, VIOMMU_EINVAL, "lpis: not from viommu_lpis_new() of this VM");
	if (lpis_of(config->lpis)->flags & VIOMMU_LPIS_DIRECT)
		return refuse(config, VIOMMU_EINVAL,
			      "lpis: VIOMMU_LPIS_DIRECT is for VMs without ITS");
	if (config->flags || config->number > 15 ||
	    (config->number && !(config->typer & ITS_TYPER_VIRTUAL)) || config->base % ITS_FRAME)
		return refuse(config, VIOMMU_EINVAL, "flags, number or base");
	if (config->devices > 65536 || config->events > UINT32_C(1) << 20)
		return refuse(config, VIOMMU_EINVAL,
			      "devices: at most 65536; events: at most 2^20");
	return check_typer(config, lpis_of(config->lpis));
}

static void take_typer(struct its *its, uint64_t typer)
{
	its->typer = typer;
	its->device_bits = (unsigned)bits_get(typer, ITS_TYPER_DEVBITS) + 1;
	its->event_bits = (unsigned)bits_get(typer, ITS_TYPER_ID_BITS) + 1;
	its->collection_bits =
		typer & ITS_TYPER_CIL ? (unsigned)bits_get(typer, ITS_TYPER_CIDBITS) + 1 : 16;
}

static int init(struct its *its, const struct viommu_its_config *config)
{
	struct viommu_vm *vm = its->unit.vm;

	its->device = vm_alloc(vm, (UINT64_C(1) << its->device_bits) * sizeof(*its->device),
			       _Alignof(uint64_t));
	its->event = vm_alloc(vm, (uint64_t)its->blocks * ITS_BLOCK * sizeof(*its->event), 64);
	its->collection =
		vm_alloc(vm, (UINT64_C(1) << its->collection_bits) * sizeof(*its->collection),
			 _Alignof(uint32_t));
	its->owner = vm_alloc(vm, its->blocks * sizeof(*its->owner), _Alignof(struct its_owner));
	its->used = vm_alloc(vm, its->blocks / 64 * sizeof(*its->used), _Alignof(uint64_t));
	if (!its->device || !its->event || !its->collection || !its->owner || !its->used)
		return VIOMMU_ENOMEM;
	return its_regs_init(its, config->iidr, config->number);
}

int viommu_its_new(struct viommu_vm *vm, const struct viommu_its_config *given, struct viommu **out)
{
	struct viommu_its_config config;
	struct viommu_limits limits;
	struct its *its;
	int result;

	if (!vm || !out)
		return VIOMMU_EINVAL;
	result = take_config(&config, given, vm);
	if (!result)
		result = lpi_take_limits(&limits, config.limits);
	if (result)
		return result;
	its = vm_alloc(vm, sizeof(*its), _Alignof(struct its));
	if (!its)
		return VIOMMU_ENOMEM;
	take_typer(its, config.typer);
	its->lpis = lpis_of(config.lpis);
	its->translater = config.base + ITS_TRANSLATER;
	its->devices = config.devices;
	its->blocks = (config.events + 1023) / 1024 * 64;
	its->config = config;
	its->config.host = NULL; /* the caller's */
	its->config.limits = NULL;
	result = unit_init(&its->unit, &its_engine, vm, config.host, &limits);
	if (result) {
		vm_dealloc(vm, its, sizeof(*its));
		return result;
	}
	its->unit.all_wait = true; /* interrupts belong to no partition */
	/* Whatever comes to be mapped is told; but with UMSI each refusal is recorded. */
	its->unit.keeps_refusals = !(config.typer & ITS_TYPER_UMSI);
	pthread_mutex_init(&its->umsi_lock, NULL);
	result = init(its, &config);
	if (!result)
		result = join(its);
	if (result) {
		unit_fini(&its->unit);
		free_memory(its);
		return result;
	}
	*out = &its->unit;
	return VIOMMU_OK;
}

int viommu_its_get_config(const struct viommu *u, struct viommu_its_config *config)
{
	const struct its *its = (const struct its *)u; /* unit is the first member */

	if (!u || !engine_is(u->engine, &its_engine))
		return VIOMMU_EINVAL;
	return abi_give(config, &its->config, sizeof(its->config));
}
