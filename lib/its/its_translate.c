/* SPDX-License-Identifier: BSD-3-Clause */
/* its_translate.c - from (DeviceID, EventID) to an LPI at a redistributor, without a lock (IHI 0069
 * 5.1, 5.2.10). */

#include "explain.h"
#include "its_engine.h"
#include "msi.h"

/* A device was unmapped and its events given to another while we looked: so often in a row only if
 * the guest does nothing else, and at that moment it was not mapped. */
#define TRIES 16U

/* The word of a mapped event; or the reason why there is none. */
struct found {
	uint64_t event;
	unsigned reason;
};

static struct found nothing(unsigned reason)
{
	return (struct found){ 0, reason };
}

/* Three loads one after the other, with resolve()'s: what is masked is masked in one step each, and
 * nothing goes through memory on the way. */
static inline struct found find(const struct its *its, uint32_t source, uint32_t data)
{
	_Atomic uint64_t *at;

	if (UNLIKELY(source >> its->device_bits))
		return nothing(VIOMMU_ITS_ERROR_DEVICE_OOR);
	at = &its->device[bits_wrap_index(source, UINT64_C(1) << its->device_bits)];
	for (unsigned i = 0; i < TRIES; i++) {
		uint64_t device = atomic_load_explicit(at, memory_order_acquire);
		uint64_t event;

		if (UNLIKELY(!device))
			return nothing(VIOMMU_ITS_ERROR_UNMAPPED_DEVICE);
		if (UNLIKELY(data >= device_events(device)))
			return nothing(VIOMMU_ITS_ERROR_ID_OOR);
		event = atomic_load_explicit(
			&its->event[bits_get(device, DEVICE_BLOCK) * ITS_BLOCK +
				    bits_wrap_index(data, device_events(device))],
			memory_order_acquire);
		/* Incarnations are never used twice: what was read is this device's if it stands. */
		atomic_thread_fence(memory_order_acquire);
		if (LIKELY(atomic_load_explicit(at, memory_order_relaxed) == device))
			return event & EVENT_VALID ? (struct found){ event, 0 }
						   : nothing(VIOMMU_ITS_ERROR_UNMAPPED_INTERRUPT);
	}
	return nothing(VIOMMU_ITS_ERROR_UNMAPPED_DEVICE);
}

/* 0 and what the event means, or the reason. */
static inline unsigned resolve(const struct its *its, uint64_t event, struct viommu_msi *msi)
{
	uint32_t target = (uint32_t)bits_get(event, EVENT_TARGET);

	msi->intid = (uint32_t)bits_get(event, EVENT_INTID);
	if (event & EVENT_VIRTUAL) {
		msi->kind = VIOMMU_MSI_KIND_VLPI;
		msi->cpu = target;
		return vpe_mapped_by(its->lpis, target, its->number) ? 0
								     : VIOMMU_ITS_ERROR_ITE_INVALID;
	}
	msi->kind = VIOMMU_MSI_KIND_LPI;
	msi->cpu = its_target(its, target);
	return msi->cpu == ITS_NOBODY ? VIOMMU_ITS_ERROR_ITE_INVALID : 0;
}

unsigned its_signal(struct its *its, uint64_t event)
{
	uint32_t target = (uint32_t)bits_get(event, EVENT_TARGET);
	uint32_t intid = (uint32_t)bits_get(event, EVENT_INTID);
	uint32_t cpu;

	if (event & EVENT_VIRTUAL) {
		if (!vpe_mapped_by(its->lpis, target, its->number))
			return VIOMMU_ITS_ERROR_ITE_INVALID;
		return vpe_deliver(its->lpis, target, intid,
				   (uint32_t)bits_get(event, EVENT_DOORBELL));
	}
	cpu = its_target(its, target);
	return cpu == ITS_NOBODY ? VIOMMU_ITS_ERROR_ITE_INVALID
				 : lpi_deliver(its->lpis, cpu, intid);
}

static bool is_on(const struct its *its)
{
	return atomic_load_explicit(&its->on, memory_order_acquire);
}

/* GITS_UMSIR has the first unmapped message, until software has cleared it. */
static void record(struct its *its, uint32_t source, uint32_t data)
{
	pthread_mutex_lock(&its->umsi_lock);
	if (regs_get(&its->regs, ITS_STATUSR) & ITS_STATUSR_UMSI) {
		regs_set_bits(&its->regs, ITS_STATUSR, ITS_STATUSR_OVERFLOW);
	} else {
		regs_put(&its->regs, ITS_UMSIR, bits_put(ITS_UMSIR_DEVICE, source) | data);
		regs_set_bits(&its->regs, ITS_STATUSR, ITS_STATUSR_UMSI);
	}
	pthread_mutex_unlock(&its->umsi_lock);
}

int its_remap_msi(struct viommu *u, uint32_t source, uint64_t address, uint32_t data,
		  uint32_t flags, struct viommu_msi *msi)
{
	struct its *its = its_of(u);
	bool deliver = !(flags & VIOMMU_MSI_RESOLVE);
	struct found found;
	unsigned reason;

	msi->index = data;
	if (address != its->translater)
		found = nothing(VIOMMU_ITS_REASON_ADDRESS);
	else if (!is_on(its))
		found = nothing(VIOMMU_ITS_REASON_DISABLED);
	else
		found = find(its, source, data);
	reason = found.reason;
	if (!reason)
		reason = resolve(its, found.event, msi);
	if (!reason && deliver)
		reason = its_signal(its, found.event);
	if (!reason)
		return VIOMMU_OK;
	if (deliver && (its->typer & ITS_TYPER_UMSI) && reason < VIOMMU_ITS_REASON_DISABLED)
		record(its, source, data);
	*msi = (struct viommu_msi){ .index = data, .reason = (uint16_t)reason };
	return VIOMMU_FAULT;
}

static void show(struct explanation *e, const char *what, uint64_t number, uint64_t word)
{
	explain_step(
		e, &(struct viommu_step){
			   .gpa = UINT64_MAX, .raw = { number, word }, .words = 2, .what = what });
}

/* The words are ours (its_engine.h), and what they say is all there is: nothing is cached. */
int its_explain_msi(struct viommu *u, uint32_t source, uint64_t address, uint32_t data,
		    struct explanation *e, struct viommu_msi *msi)
{
	const struct its *its = its_of(u);
	struct found found;

	if (address == its->translater && is_on(its) && !(source >> its->device_bits)) {
		show(e, "device", source,
		     its_device(its, (uint32_t)bits_wrap_index(source, BIT(its->device_bits))));
		found = find(its, source, data);
		if (!found.reason)
			show(e, "event", data, found.event);
		if (!found.reason && !(found.event & EVENT_VIRTUAL))
			show(e, "collection", bits_get(found.event, EVENT_TARGET),
			     its_target(its, bits_get(found.event, EVENT_TARGET)));
	}
	return its_remap_msi(u, source, address, data, VIOMMU_MSI_RESOLVE, msi);
}

static __attribute__((noinline)) int resolve_now(struct viommu *u, uint32_t source,
						 uint64_t address, uint32_t data, uint32_t flags,
						 struct viommu_msi *msi)
{
	const struct its *its = its_of(u);
	struct found found;

	if (address != its->translater || !is_on(its))
		return msi_from_tables(u, source, address, data, flags, msi);
	found = find(its, source, data);
	*msi = (struct viommu_msi){ .index = data };
	if (LIKELY(!found.reason) && LIKELY(!resolve(its, found.event, msi)))
		return VIOMMU_OK;
	return msi_from_tables(u, source, address, data, flags, msi);
}

int its_remap_cached(struct viommu *u, uint32_t source, uint64_t address, uint32_t data,
		     uint32_t flags, struct viommu_msi *msi)
{
	/* What delivers is waited for: it needs a section. */
	if (!(flags & VIOMMU_MSI_RESOLVE))
		return msi_from_tables(u, source, address, data, flags, msi);
	return resolve_now(u, source, address, data, flags, msi);
}
