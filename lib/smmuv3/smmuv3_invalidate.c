/* SPDX-License-Identifier: BSD-3-Clause */
/* smmuv3_invalidate.c - what commands take away: of the configuration (4.3) and of translations (4.4). */

#include "probe.h"
#include "range.h"
#include "smmuv3_engine.h"

/* ---- configuration ---- */

static void forget_stream(struct smmu *s, uint32_t sid)
{
	struct viommu_device *device = device_get(&s->unit, sid);

	if (!device)
		return;
	unit_forget_device(device, true);
	notify_device_changed(&s->unit, device);
	device_put(device);
}

/* Larger ranges are all of the streams of whoever has some there. */
#define RANGE_STREAMS_LG2 6U

static void forget_range(struct smmu *s, uint32_t sid, unsigned lg2)
{
	uint32_t first = sid & ~(uint32_t)bits_low(lg2);

	if (lg2 > RANGE_STREAMS_LG2) {
		notify_forget_ids(&s->unit, first, first | (uint32_t)bits_low(lg2));
		return;
	}
	unit_pay(&s->unit, UINT32_C(1) << lg2);
	for (uint32_t i = 0; i < UINT32_C(1) << lg2; i++) /* 64 at most */
		forget_stream(s, first + i);
}

/* Contexts are of STE and CD together, and nothing of either is cached by itself. */
enum ring_executed smmu_cfgi(struct smmu *s, unsigned op, const uint64_t *word)
{
	uint32_t sid = (uint32_t)bits_get(word[0], CMD_SID);
	unsigned range = (unsigned)bits_get(word[1], CMD_CFGI_RANGE_OF);

	s->unsynced = true;
	if (op == CMD_CFGI_RANGE)
		forget_range(s, sid, range == CMD_CFGI_ALL ? 32 : range + 1);
	else
		forget_stream(s, sid);
	return RING_DONE;
}

/* ---- translations ---- */

/* Which entries, of which addresses. */
struct what {
	struct domain_match match;
	uint32_t asid; /* VIOMMU_ANY_PASID: any */
	bool ranged;
	bool leaf;
	uint64_t first;
	uint64_t last;
};

/* Listeners: where global pages were met, an address is that of every ASID; where stages are nested, an intermediate one may
 * be any. */
static void tell(struct smmu *s, const struct what *w)
{
	bool all = !w->ranged || (w->match.whole && smmu_has_seen(s, SMMU_SEEN_NESTED));
	bool any = w->match.globals && smmu_has_seen(s, SMMU_SEEN_GLOBAL);

	notify_domain(&s->unit, w->match.group, any ? VIOMMU_ANY_PASID : w->asid,
		      all ? 0 : w->first, all ? UINT64_MAX : w->last);
}

static void forget(struct smmu *s, const struct what *w)
{
	struct viommu *u = &s->unit;

	if (w->ranged) {
		unit_flush_range(u, &w->match, w->first, w->last, w->leaf);
		probe_invalidation(u, COUNT_RANGES, NULL, w->match.group, w->asid, w->first,
				   w->last);
	} else {
		unit_flush(u, &w->match);
		probe_invalidation(u, COUNT_DOMAINS, NULL, w->match.group, w->asid, 0, UINT64_MAX);
	}
	tell(s, w);
}

/* 6.3.9 VMW: so many low bits of VMIDs are not compared. Of those of VMIDs 16 at most. */
static void forget_vmids(struct smmu *s, struct what *w, uint32_t vmid)
{
	uint64_t vmw = bits_get(regs_get(&s->regs, SMMU_CR0), CR0_VMW);
	unsigned count = 1U << (vmw <= 4 ? vmw : 0);
	bool any = w->match.id == DOMAIN_ANY;

	if (!(smmu_idr(s, 0) & IDR0_S2P)) {
		vmid = 0;
		count = 1;
	}
	vmid &= ~(count - 1);
	for (unsigned i = 0; i < count; i++) {
		w->match.group = vmid + i;
		w->match.id = any ? DOMAIN_ANY : domain_id(vmid + i, w->asid);
		forget(s, w);
	}
}

/* 4.4.1.1: TG is 0, all that has the address, or a range of pages. False: illegal. Addresses are known by their bit 55, since
 * the bits above it may be ignored. */
static bool take_range(const struct smmu *s, const uint64_t *word, struct what *w)
{
	uint64_t tg = bits_get(word[1], CMD_TG);
	uint64_t address = word[1] & CMD_ADDR;
	unsigned page_lg2 = 10 + 2 * (unsigned)tg;
	unsigned scale = (unsigned)bits_get(word[0], CMD_SCALE);
	uint64_t pages = bits_get(word[0], CMD_NUM) + 1;

	w->ranged = true;
	w->leaf = word[1] & CMD_LEAF;
	address = (uint64_t)((int64_t)(address << 8) >> 8);
	w->first = address;
	w->last = address | bits_low(12);
	if (!(smmu_idr(s, 3) & IDR3_RIL) || tg == 0)
		return true;
	if (pages == 1 && scale == 0 && bits_get(word[1], CMD_TTL) == 0)
		return false;
	w->first &= ~bits_low(page_lg2);
	w->last = UINT64_MAX;
	/* 5 bits of pages: what does not fit is all that follows */
	if (scale + page_lg2 + 5 < 64)
		range_last(w->first, pages << (scale + page_lg2), &w->last);
	if (w->last < w->first)
		w->last = UINT64_MAX;
	return true;
}

static bool by_address(unsigned op)
{
	return op == CMD_NH_VA || op == CMD_NH_VAA || op == CMD_EL2_VA || op == CMD_EL2_VAA ||
	       op == CMD_S2_IPA;
}

static bool by_asid(const struct smmu *s, unsigned op)
{
	bool e2h = regs_get(&s->regs, SMMU_CR2) & CR2_E2H;

	return op == CMD_NH_VA || op == CMD_NH_ASID ||
	       (e2h && (op == CMD_EL2_VA || op == CMD_EL2_ASID));
}

static bool of_el2(unsigned op)
{
	return op >= CMD_EL2_ALL && op <= CMD_EL2_VAA;
}

static struct what describe(const struct smmu *s, unsigned op, const uint64_t *word)
{
	struct what w = { .asid = VIOMMU_ANY_PASID };

	w.match.id = DOMAIN_ANY;
	w.match.kinds = op == CMD_S12_VMALL ? SMMU_KINDS_ALL : SMMU_KINDS_S1;
	if (op == CMD_S2_IPA) {
		/* what both stages have come to cannot be found by the intermediate address */
		w.match.kinds = 1U << SMMU_S2;
		w.match.whole = 1U << SMMU_NESTED;
	}
	if (by_asid(s, op)) {
		w.asid = (uint32_t)bits_get(word[0], CMD_ASID);
		w.match.id = domain_id(SMMU_GROUP_EL2, w.asid);
		w.match.globals = by_address(op) ? SMMU_KINDS_S1 : 0;
	}
	return w;
}

enum ring_executed smmu_tlbi(struct smmu *s, unsigned op, const uint64_t *word)
{
	struct what w = describe(s, op, word);

	if (by_address(op) && !take_range(s, word, &w))
		return RING_ERROR;
	s->unsynced = true;
	if (op == CMD_NSNH_ALL) {
		notify_forget(&s->unit, true, false);
	} else if (of_el2(op)) {
		w.match.group = SMMU_GROUP_EL2;
		forget(s, &w);
	} else {
		forget_vmids(s, &w, (uint32_t)bits_get(word[0], CMD_VMID));
	}
	return RING_DONE;
}
