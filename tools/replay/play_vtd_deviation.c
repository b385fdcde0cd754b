/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * play_vtd_deviation.c - registers that a recorder answers otherwise than the manual says.
 *
 * Each is verified: only the bits, and only the situation, that the deviation is about. Clauses are those of the VT-d
 * manual, revision 4.1.
 */

#include "play_vtd.h"

/* ---- fault records, upper half (11.4.7) ---- */

#define FRCD_SID 0xffffULL
#define FRCD_PP	 (1ULL << 31)
#define FRCD_FR	 (0xffULL << 32)
#define FRCD_PV	 (0xfffffULL << 40)

#define REG_RTADDR	     0x20U
#define RTADDR_TTM(rtaddr)   ((rtaddr) >> 10 & 3)
#define RTADDR_TABLE(rtaddr) ((rtaddr) & ~0xfffULL)

/* One read that touches the upper half of a record: all of it, and what was read of it in place. */
struct upper_half {
	uint64_t ours;	    /* the whole register */
	uint64_t recorded;  /* bits that were read */
	uint64_t seen;	    /* which ones */
	unsigned shift;	    /* of the access in the register */
	uint32_t requester; /* SID */
};

static bool read_upper_half(const struct player *p, const struct tape_line *l, struct upper_half *h)
{
	uint64_t first = (p->vtd->cap >> 24 & 0x3ff) * 16;
	uint64_t count = (p->vtd->cap >> 40 & 0xff) + 1;
	uint64_t in = l->at - first;

	if (l->at < first || in / 16 >= count || in % 16 < 8 || in % 8 + l->bytes > 8)
		return false;
	h->shift = (unsigned)(in % 8) * 8;
	h->ours = vtd_register(p, l->at - in % 8, 8);
	h->recorded = l->value << h->shift;
	h->seen = UINT64_MAX >> (64 - 8 * l->bytes) << h->shift;
	h->requester = (uint32_t)(h->ours & FRCD_SID);
	return true;
}

/* Only requests without PASID of this requester were refused. */
static bool without_pasid(const struct player *p, uint32_t rid)
{
	bool without = false;

	for (const struct source *s = p->sources; s; s = s->hh.next) {
		if (s->key.rid != rid || !s->refused)
			continue;
		if (s->key.pasid != VIOMMU_NO_PASID)
			return false;
		without = true;
	}
	return without;
}

/* The PASID of a requester's requests that carry none (9.4); 0 if it has no context. */
static uint64_t rid_pasid(const struct player *p, uint32_t rid)
{
	uint64_t rtaddr = vtd_register(p, REG_RTADDR, 8);
	uint64_t root = RTADDR_TABLE(rtaddr) + (rid >> 8) * 16 + (rid & 0x80 ? 8 : 0);
	uint64_t context = (guest_load64(&p->memory, root) & ~0xfffULL) + (rid & 0x7f) * 32;

	return guest_load64(&p->memory, context + 8) & 0xfffff;
}

static uint64_t pasid_ffff(const struct player *p, const struct upper_half *h)
{
	if (RTADDR_TTM(vtd_register(p, REG_RTADDR, 8)) != 0 || (h->ours & (FRCD_PP | FRCD_PV)) ||
	    (h->seen & FRCD_PV) != FRCD_PV ||
	    (h->recorded & (FRCD_PP | FRCD_PV)) != 0xffffULL << 40)
		return 0;
	return without_pasid(p, h->requester) ? FRCD_PV : 0;
}

static uint64_t pasid_of_rid(const struct player *p, const struct upper_half *h)
{
	uint64_t expected = FRCD_PP | rid_pasid(p, h->requester) << 40;
	uint64_t bits = h->seen & (FRCD_PP | FRCD_PV);

	if (RTADDR_TTM(vtd_register(p, REG_RTADDR, 8)) != 1 || (h->ours & (FRCD_PP | FRCD_PV)) ||
	    (h->recorded & bits) != (expected & bits))
		return 0;
	return without_pasid(p, h->requester) ? bits : 0;
}

/* The reason of scalable mode (ours) that a legacy reason (recorded) stands for. */
static uint64_t legacy_code(const struct player *p, const struct upper_half *h)
{
	static const uint8_t pairs[][2] = { { 0x01, 0x39 }, { 0x02, 0x41 }, { 0x03, 0x43 },
					    { 0x03, 0x7b }, { 0x04, 0x83 }, { 0x04, 0x84 },
					    { 0x05, 0x79 }, { 0x05, 0x85 }, { 0x06, 0x79 },
					    { 0x06, 0x86 }, { 0x07, 0x78 }, { 0x08, 0x38 },
					    { 0x09, 0x40 }, { 0x0a, 0x3a }, { 0x0b, 0x42 },
					    { 0x0c, 0x7a } };
	unsigned recorded = h->recorded >> 32 & 0xff;
	unsigned ours = h->ours >> 32 & 0xff;

	if (RTADDR_TTM(vtd_register(p, REG_RTADDR, 8)) != 1 || (h->seen & FRCD_FR) != FRCD_FR)
		return 0;
	for (unsigned i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		if (pairs[i][0] == recorded && pairs[i][1] == ours)
			return FRCD_FR;
	}
	return 0;
}

/* ---- other registers; bits of the whole register ---- */

#define REG_IQA	    0x90U
#define IQA_ADDRESS (~0xfffULL)
#define REG_GSTS    0x1cU
#define GSTS_QIES   (1U << 26)

/* Bits of `differs` that are explained and not yet in `already`; counts the deviation if there are any. */
static uint64_t counted(struct player *p, enum deviation which, uint64_t bits, uint64_t differs,
			uint64_t already)
{
	bits &= differs & ~already;
	if (bits)
		player_deviates(p, which);
	return already | bits;
}

static uint64_t fault_record(struct player *p, const struct tape_line *l, uint64_t differs)
{
	struct upper_half h;
	uint64_t explained = 0;

	if (!read_upper_half(p, l, &h))
		return 0;
	differs <<= h.shift;
	explained = counted(p, DEVIATION_FRCD_PASID_FFFF, pasid_ffff(p, &h), differs, explained);
	explained = counted(p, DEVIATION_FRCD_RID_PASID, pasid_of_rid(p, &h), differs, explained);
	explained = counted(p, DEVIATION_SM_LEGACY_CODES, legacy_code(p, &h), differs, explained);
	return explained >> h.shift;
}

/* A read of one register, whole or half: the part that was read in place; false: another register. */
static bool part_of(const struct tape_line *l, uint64_t offset, unsigned *shift)
{
	*shift = (unsigned)(l->at - offset) * 8;
	return l->at >= offset && l->at - offset + l->bytes <= 8;
}

static uint64_t queue_address(struct player *p, const struct tape_line *l, uint64_t differs)
{
	unsigned shift;

	if (!part_of(l, REG_IQA, &shift) || (l->value << shift & IQA_ADDRESS) != 0 ||
	    (vtd_register(p, REG_GSTS, 4) & GSTS_QIES))
		return 0;
	return counted(p, DEVIATION_IQA_READ, IQA_ADDRESS, differs << shift, 0) >> shift;
}

uint64_t vtd_deviation(struct player *p, const struct tape_line *l, uint64_t came)
{
	uint64_t differs = l->value ^ came;

	if (differs == 0)
		return 0;
	return fault_record(p, l, differs) | queue_address(p, l, differs);
}
