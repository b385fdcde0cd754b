/* SPDX-License-Identifier: BSD-3-Clause */
/* amdvi_dte.c - finding and reading device table entries (2.2.2). */

#include "amdvi_engine.h"
#include "mem.h"

/* No access reads 32 bytes at once, and guests write two halves: it is read until two readings agree. */
#define SNAPSHOT_READS 3U

/* 3.4.11: segments are as many as CONTROL says, if there can be so many. */
static unsigned segments_lg2(const struct amdvi *v)
{
	unsigned most = (unsigned)bits_get(v->efr, AMD_EFR_DEV_SEG);
	unsigned lg2;

	if (LIKELY(!most))
		return 0;
	lg2 = (unsigned)bits_get(amdvi_control(v), AMD_CTRL_DEV_SEG_EN);
	return lg2 < most ? lg2 : most;
}

/* Where the entry is (3.4.1, 3.4.11); false: beyond the table, or the segment. */
ALWAYS_INLINE bool locate(const struct amdvi *v, uint32_t id, uint64_t *gpa)
{
	unsigned lg2 = segments_lg2(v);
	uint32_t segment = (id & 0xffff) >> (16 - lg2);
	uint32_t index = id & (uint32_t)bits_low(16 - lg2);
	uint64_t base, entries;

	if (UNLIKELY(segment)) {
		base = regs_get(&v->regs, AMD_DEV_SEGMENT + 8 * (segment - 1));
		entries = (bits_get(base, AMD_DT_SEGMENT_SIZE) + 1) * 128;
	} else {
		base = atomic_load_explicit(v->device_table, memory_order_acquire);
		entries = (bits_get(base, AMD_DT_SIZE) + 1) * 128;
	}
	if (index >= entries)
		return false;
	*gpa = (base & AMD_DT_ADDR) + bits_clamp_index(index, entries) * AMD_DTE_BYTES;
	return true;
}

static bool snapshot(struct amdvi *v, struct mem_place *place, uint64_t gpa, uint64_t raw[4])
{
	uint64_t before[4];

	if (!mem_load_near(v->unit.vm, place, gpa, raw, 4))
		return false;
	for (unsigned i = 1; i < SNAPSHOT_READS; i++) {
		memcpy(before, raw, sizeof(before));
		if (!mem_load_near(v->unit.vm, place, gpa, raw, 4))
			return false;
		if (memcmp(before, raw, sizeof(before)) == 0)
			break;
	}
	return true;
}

unsigned amdvi_dte_load(struct amdvi *v, uint32_t id, const struct pt_observer *observer,
			struct mem_place *place, uint64_t raw[4], uint64_t *gpa)
{
	bool ok;

	if (!locate(v, id, gpa))
		return AMDVI_R_DTE_BOUND;
	ok = snapshot(v, place, *gpa, raw);
	if (observer)
		observer->saw(observer->opaque, "device table entry", PT_LEVELS, *gpa, raw,
			      ok ? 4 : 0);
	return ok ? 0 : AMDVI_R_DTE_FETCH;
}

unsigned amdvi_dte_load_interrupts(struct amdvi *v, uint32_t id, const struct pt_observer *observer,
				   uint64_t raw[2], uint64_t *gpa)
{
	bool ok;

	if (!locate(v, id, gpa))
		return AMDVI_R_DTE_BOUND;
	ok = mem_load_soon(v->unit.vm, *gpa + 16, raw, 2);
	if (observer)
		observer->saw(observer->opaque, "device table entry", PT_LEVELS, *gpa + 16, raw,
			      ok ? 2 : 0);
	return ok ? 0 : AMDVI_R_DTE_FETCH;
}

bool amdvi_dte_reserved(const struct amdvi *v, const uint64_t raw[4])
{
	uint64_t rsvd = AMD_DTE_RSVD_2 | AMD_DTE_RSVD_63;
	unsigned had = (unsigned)bits_get(raw[0], AMD_DTE_HAD);

	if (!(v->efr & AMD_EFR_PPR))
		rsvd |= AMD_DTE_PPR | AMD_DTE_GPRP;
	if (!(v->efr & AMD_EFR_GT))
		rsvd |= AMD_DTE_GV;
	if (!(v->efr & AMD_EFR_GIO))
		rsvd |= AMD_DTE_GIOV;
	if (had == 2 || (had && !(v->efr & AMD_EFR_HA)) || (had == 3 && !(v->efr & AMD_EFR_HD)))
		return true;
	return (raw[0] & rsvd) || (raw[1] & AMD_DTE_SATS) ||
	       ((raw[1] & AMD_DTE_I) && !(v->capability & AMD_CAP_IOTLB));
}
