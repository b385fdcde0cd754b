/* SPDX-License-Identifier: BSD-3-Clause */
/* vtd_descriptor.c - the descriptors of the invalidation queue (6.5.2): checking and executing them, one at a time. */

#include "mem.h"
#include "probe.h"
#include "vtd_queue.h"

struct descriptor {
	const uint64_t *word; /* 2 of them, or, if it is wide, 4 */
	bool wide;
};

static inline enum ring_executed check(struct vtd *v, bool ok)
{
	return ok ? RING_DONE : vtd_queue_error(v, VTD_IQEI_RESERVED);
}

/* ---- device TLBs (6.5.2.5, 6.5.2.6) ---- */

/* S = 0: one page. S = 1: twice as many pages as there are ones from bit 12 up; all ones:
 * everything. */
static void decode_range(uint64_t address, bool s, uint64_t *first, uint64_t *last)
{
	uint64_t page = address & VTD_QI_ADDR;
	uint64_t mask = bits_low(12);

	if (s) {
		uint64_t ones = (page | bits_low(12)) + 1;

		mask = ones ? (ones ^ (ones - 1)) : UINT64_MAX;
	}
	*first = page & ~mask;
	*last = page | mask;
}

static enum ring_executed tell_device(struct vtd *v, uint32_t sid,
				      struct viommu_device_invalidation *invalidation)
{
	struct viommu_device *device = device_get(&v->unit, sid);
	bool gave_up = false;

	/* No such device: it would have answered Unsupported Request, which completes the
	 * invalidation. */
	if (!device)
		return RING_DONE;
	if (!device_invalidate(device, invalidation, &gave_up))
		v->unsynced = true;
	device_put(device);
	/* So many are outstanding that no more can be noted: try again when some have been
	 * answered. */
	return gave_up ? RING_WAITING : RING_DONE;
}

static enum ring_executed devtlb(struct vtd *v, const struct descriptor *d)
{
	struct viommu_device_invalidation invalidation = { .pasid = VIOMMU_NO_PASID };

	decode_range(d->word[1], d->word[1] & VTD_QI_DEVTLB_S, &invalidation.first,
		     &invalidation.last);
	return tell_device(v, (uint32_t)bits_get(d->word[0], VTD_QI_DEVTLB_SID), &invalidation);
}

static enum ring_executed pasid_devtlb(struct vtd *v, const struct descriptor *d)
{
	struct viommu_device_invalidation invalidation = { .pasid = (uint32_t)bits_get(
								   d->word[0], VTD_QI_PASID) };

	if (d->word[1] & VTD_QI_PDEVTLB_G)
		invalidation.flags = VIOMMU_INVALIDATE_ALL_PASIDS;
	decode_range(d->word[1], d->word[1] & VTD_QI_PDEVTLB_S, &invalidation.first,
		     &invalidation.last);
	return tell_device(v, (uint32_t)bits_get(d->word[0], VTD_QI_PDEVTLB_SID), &invalidation);
}

/* ---- wait (6.5.2.8) ---- */

static void completion_event(struct vtd *v)
{
	struct vtd_message message = { .due = false };

	pthread_mutex_lock(&v->fault_lock);
	if (!(regs_get(&v->regs, VTD_ICS) & VTD_ICS_IWC)) {
		regs_set_bits(&v->regs, VTD_ICS, VTD_ICS_IWC);
		message = vtd_event_raise(v, VTD_IECTL);
	}
	pthread_mutex_unlock(&v->fault_lock);
	vtd_send(v, &message);
}

/* Every wait is a fence here: descriptors are executed in order. Page requests (PD) are queued or
 * answered at once. */
static enum ring_executed wait(struct vtd *v, const struct descriptor *d)
{
	uint64_t address = d->word[1] & VTD_QI_WAIT_ADDR;

	enum vtd_earlier before;

	if ((d->word[0] & VTD_QI_WAIT_PD) && !(v->ecap & VTD_ECAP_PDS))
		return vtd_queue_error(v, VTD_IQEI_RESERVED);
	/* 7.10: page requests that are being queued or answered at the moment are in a section,
	 * too. */
	before = vtd_queue_earlier(v, d->word[0] & VTD_QI_WAIT_PD);
	if (before == VTD_INCOMPLETE)
		return RING_WAITING;
	if (before == VTD_REFUSED)
		return RING_ERROR;
	if (before == VTD_TIMED_OUT) { /* 6.5.2.10: its status is never written */
		vtd_queue_show_time_out(v);
		return RING_ABORTED;
	}
	if ((d->word[0] & VTD_QI_WAIT_SW) &&
	    (vtd_above_haw(v, address) ||
	     !mem_store32(v->unit.vm, address, (uint32_t)bits_get(d->word[0], VTD_QI_WAIT_DATA))))
		return vtd_queue_error(v, VTD_IQEI_FETCH);
	if (d->word[0] & VTD_QI_WAIT_IF)
		completion_event(v);
	probe_completion(&v->unit);
	return RING_DONE;
}

/* ---- the others ---- */

static enum ring_executed contexts(struct vtd *v, const struct descriptor *d)
{
	return check(v, vtd_invalidate_contexts(v, (unsigned)bits_get(d->word[0], VTD_QI_G),
						(uint32_t)bits_get(d->word[0], VTD_QI_DID),
						(uint32_t)bits_get(d->word[0], VTD_QI_CC_SID),
						(unsigned)bits_get(d->word[0], VTD_QI_CC_FM)));
}

static enum ring_executed iotlb(struct vtd *v, const struct descriptor *d)
{
	return check(v, vtd_invalidate_iotlb(v, (unsigned)bits_get(d->word[0], VTD_QI_G),
					     (uint32_t)bits_get(d->word[0], VTD_QI_DID),
					     d->word[1] & VTD_QI_ADDR,
					     (unsigned)bits_get(d->word[1], VTD_QI_AM),
					     d->word[1] & VTD_QI_IH));
}

static enum ring_executed interrupts(struct vtd *v, const struct descriptor *d)
{
	return check(v, vtd_invalidate_interrupts(v, !(d->word[0] & VTD_QI_IEC_G),
						  (uint32_t)bits_get(d->word[0], VTD_QI_IEC_IIDX),
						  (unsigned)bits_get(d->word[0], VTD_QI_IEC_IM)));
}

static enum ring_executed pasid_iotlb(struct vtd *v, const struct descriptor *d)
{
	return check(v, vtd_invalidate_piotlb(v, (unsigned)bits_get(d->word[0], VTD_QI_G),
					      (uint32_t)bits_get(d->word[0], VTD_QI_DID),
					      (uint32_t)bits_get(d->word[0], VTD_QI_PASID),
					      d->word[1] & VTD_QI_ADDR,
					      (unsigned)bits_get(d->word[1], VTD_QI_AM),
					      d->word[1] & VTD_QI_IH));
}

static enum ring_executed pasid_cache(struct vtd *v, const struct descriptor *d)
{
	return check(v, vtd_invalidate_pasids(v, (unsigned)bits_get(d->word[0], VTD_QI_G),
					      (uint32_t)bits_get(d->word[0], VTD_QI_DID),
					      (uint32_t)bits_get(d->word[0], VTD_QI_PASID)));
}

static enum ring_executed page_response(struct vtd *v, const struct descriptor *d)
{
	if (d->wide && !(d->word[0] & VTD_QI_PGRESP_PDP) && (d->word[2] | d->word[3]))
		return vtd_queue_error(v, VTD_IQEI_RESERVED);
	vtd_page_response(v, d->word, d->wide);
	return RING_DONE;
}

/* 6.5.2: every descriptor type: the bits it defines (some of them only with a capability, or another bit: those who
 * execute it look), the capabilities it needs, and what it does. */
static const struct {
	enum ring_executed (*execute)(struct vtd *v, const struct descriptor *d);
	uint64_t defined[4];
	uint64_t ecap; /* needed */
	bool scalable; /* not in legacy mode */
} types[] = {
	[VTD_QI_CC] = { contexts, { UINT64_C(0x0003ffffffff0e3f), 0 }, 0, false },
	[VTD_QI_IOTLB] = { iotlb, { VTD_QI_IOTLB_BITS, VTD_QI_PAGES }, 0, false },
	[VTD_QI_DEVTLB] = { devtlb,
			    { UINT64_C(0xfff0ffff001ffe0f), UINT64_C(0xfffffffffffff001) },
			    VTD_ECAP_DT,
			    false },
	[VTD_QI_IEC] = { interrupts, { UINT64_C(0x0000fffff8000e1f), 0 }, VTD_ECAP_IR, false },
	[VTD_QI_WAIT] = { wait, { UINT64_C(0xffffffff00000eff), VTD_QI_WAIT_ADDR }, 0, false },
	[VTD_QI_PIOTLB] = { pasid_iotlb,
			    { VTD_QI_PIOTLB_BITS, VTD_QI_PAGES },
			    VTD_ECAP_SMTS,
			    true },
	[VTD_QI_PC] = { pasid_cache, { UINT64_C(0x000fffffffff0e3f), 0 }, VTD_ECAP_SMTS, true },
	[VTD_QI_PDEVTLB] = { pasid_devtlb,
			     { UINT64_MAX, UINT64_C(0xfffffffffffff801) },
			     VTD_ECAP_SMTS | VTD_ECAP_DT,
			     true },
	[VTD_QI_PGRESP] = { page_response,
			    { UINT64_C(0x000ffffffffffe3f), UINT64_C(0x0000000000000ffc),
			      UINT64_MAX, UINT64_MAX },
			    VTD_ECAP_PRS,
			    true },
};

/* Bits of a descriptor that its type does not define. */
static inline uint64_t undefined(const struct descriptor *d, const uint64_t defined[4])
{
	uint64_t bits = (d->word[0] & ~defined[0]) | (d->word[1] & ~defined[1]);

	if (d->wide)
		bits |= (d->word[2] & ~defined[2]) | (d->word[3] & ~defined[3]);
	return bits;
}

static enum ring_executed execute(struct vtd *v, const struct descriptor *d)
{
	unsigned type = (unsigned)(bits_get(d->word[0], VTD_QI_TYPE_LO) |
				   bits_get(d->word[0], VTD_QI_TYPE_HI) << 4);

	if (type >= ARRAY_COUNT(types))
		return vtd_queue_error(v, VTD_IQEI_TYPE);
	type = (unsigned)bits_clamp_index(type, ARRAY_COUNT(types));
	if (!types[type].execute || (types[type].ecap & ~v->ecap) ||
	    (UNLIKELY(types[type].scalable) && vtd_is_legacy(v)))
		return vtd_queue_error(v, VTD_IQEI_TYPE);
	if (undefined(d, types[type].defined))
		return vtd_queue_error(v, VTD_IQEI_RESERVED);
	return types[type].execute(v, d);
}

enum ring_executed vtd_execute(struct viommu *u, const uint64_t *word)
{
	struct vtd *v = vtd_of(u);
	const struct descriptor d = { .word = word, .wide = v->commands.ring.words == 4 };
	enum ring_executed executed;

	if (!word)
		return vtd_queue_error(v, VTD_IQEI_FETCH);
	executed = execute(v, &d);
	if (executed == RING_DONE || executed == RING_ABORTED)
		v->sync.last = false;
	return executed;
}
