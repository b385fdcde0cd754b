/* SPDX-License-Identifier: BSD-3-Clause */
/* vtd_invalidate.c - what invalidations do (6.5), whether they come by queue or by register. */

#include "range.h"
#include "probe.h"
#include "vtd_flush.h"

/* What was translated through a domain may have changed. */
static void tell_domain(struct vtd *v, uint32_t did, uint32_t pasid, uint64_t first, uint64_t last)
{
	v->unsynced = true;
	notify_domain(&v->unit, did, pasid, first, last);
}

/* Contexts are parsed again, at least those of the domain; what they come to then has another domain if anything in them
 * changed. Those who had one of it are told. */
static void forget_contexts(struct vtd *v, uint32_t did, uint32_t pasid)
{
	v->unsynced = true;
	notify_contexts(&v->unit, vtd_known_domain(v, did), pasid);
}

void vtd_forget(struct vtd *v, bool flush, bool mode)
{
	v->unsynced = true;
	notify_forget(&v->unit, flush, mode);
}

/* Function masks of a device-selective invalidation: which bits of the function number are ignored
 * (6.5.2.1). */
static uint32_t function_bits(unsigned function_mask)
{
	static const uint8_t ignored[] = { 0, 4, 6, 7 };

	return 0xffffU & ~(uint32_t)ignored[function_mask & 3];
}

static void forget_functions(struct vtd *v, uint32_t sid, unsigned function_mask)
{
	uint32_t mask = function_bits(function_mask);

	v->unsynced = true;
	for (uint32_t f = 0; f < 8; f++) { /* eight functions at most */
		uint32_t id = (sid & ~7U) | f;
		struct viommu_device *device =
			((id ^ sid) & mask) == 0 ? device_get(&v->unit, id) : NULL;

		if (!device)
			continue;
		unit_forget_device(device, true);
		notify_device_changed(&v->unit, device);
		device_put(device);
	}
}

bool vtd_invalidate_contexts(struct vtd *v, unsigned granularity, uint32_t did, uint32_t sid,
			     unsigned function_mask)
{
	switch (granularity) {
	case VTD_GRAN_GLOBAL:
		vtd_forget(v, false, false);
		return true;
	case VTD_GRAN_DOMAIN:
		/* 9.4: an entry of scalable mode has no domain id. */
		if (vtd_ttm(atomic_load_explicit(&v->root, memory_order_relaxed)) != VTD_TTM_LEGACY)
			unit_forget(&v->unit, false);
		forget_contexts(v, did, VIOMMU_ANY_PASID);
		return true;
	case VTD_GRAN_LOCAL:
		forget_functions(v, sid, function_mask);
		return true;
	default:
		return false;
	}
}

/* One, and those who may have translated through it are told. */
static void forget(struct vtd *v, const struct domain_flush *f)
{
	unit_flush_one(&v->unit, f);
	probe_flush(&v->unit, f);
	v->unit.told_leaf = f->leaf;
	tell_domain(v, f->match.group, probe_pasid(f), f->first, f->last);
	v->unit.told_leaf = false;
}

bool vtd_invalidate_iotlb(struct vtd *v, unsigned granularity, uint32_t did, uint64_t address,
			  unsigned am, bool leaf)
{
	struct domain_flush f;

	if (granularity == VTD_GRAN_GLOBAL) {
		vtd_forget(v, true, false);
		return true;
	}
	if (!vtd_flush_iotlb(v, granularity, did, address, am, leaf, &f))
		return false;
	if (granularity == VTD_GRAN_LOCAL && (v->ecap & VTD_ECAP_NEST))
		tell_domain(v, f.match.group, VIOMMU_ANY_PASID, 0, UINT64_MAX);
	forget(v, &f);
	return true;
}

/* All of a PASID, whether it has a first stage or not. */
static void forget_pasid(struct vtd *v, uint32_t did, uint32_t pasid)
{
	const struct domain_match first = { .group = did,
					    .id = domain_id(did, pasid),
					    .kinds = VTD_KINDS_FIRST };
	const struct domain_match second = { .group = did,
					     .id = domain_id(did, VIOMMU_NO_PASID),
					     .kinds = VTD_KINDS_SECOND };

	unit_flush(&v->unit, &first);
	unit_flush(&v->unit, &second);
	probe_invalidation(&v->unit, COUNT_DOMAINS, NULL, did, pasid, 0, UINT64_MAX);
	tell_domain(v, did, pasid, 0, UINT64_MAX);
}

bool vtd_invalidate_piotlb(struct vtd *v, unsigned granularity, uint32_t did, uint32_t pasid,
			   uint64_t address, unsigned am, bool leaf)
{
	struct domain_flush f;

	if (granularity == VTD_PIOTLB_PASID) {
		forget_pasid(v, vtd_known_domain(v, did), pasid);
		return true;
	}
	if (!vtd_flush_piotlb(v, granularity, did, pasid, address, am, leaf, &f))
		return false;
	forget(v, &f);
	return true;
}

bool vtd_invalidate_pasids(struct vtd *v, unsigned granularity, uint32_t did, uint32_t pasid)
{
	switch (granularity) {
	case VTD_PC_DOMAIN:
		forget_contexts(v, did, VIOMMU_ANY_PASID);
		return true;
	case VTD_PC_PASID:
		forget_contexts(v, did, pasid);
		return true;
	case VTD_PC_GLOBAL:
		vtd_forget(v, false, false);
		return true;
	default:
		return false;
	}
}

static void drop_interrupts(struct vtd *v, uint32_t first, uint32_t last)
{
	v->unsynced = true;
	irte_cache_drop(&v->irtes, first, last);
	notify_interrupts(&v->unit, VIOMMU_ANY_SOURCE, first, last);
}

void vtd_interrupts_changed(struct vtd *v)
{
	drop_interrupts(v, 0, 0xffff);
}

bool vtd_invalidate_interrupts(struct vtd *v, bool global, uint32_t index, unsigned im)
{
	uint32_t mask = (uint32_t)bits_low(im) & 0xffff;

	if (!global && im > bits_get(v->ecap, VTD_ECAP_MHMV))
		return false;
	drop_interrupts(v, global ? 0 : index & ~mask, global ? 0xffff : index | mask);
	return true;
}
