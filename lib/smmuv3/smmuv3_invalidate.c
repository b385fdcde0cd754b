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
	struct domain_flush flush;
	uint32_t asid; /* VIOMMU_ANY_PASID: any */
	bool ranged;
};

/* Listeners: where global pages were met, an address is that of every ASID; where stages are nested, an intermediate one may
 * be any. */
static void tell(struct smmu *s, const struct what *w)
{
	const struct domain_match *match = &w->flush.match;
	bool all = !w->ranged || (match->whole && smmu_has_seen(s, SMMU_SEEN_NESTED));
	bool any = match->globals && smmu_has_seen(s, SMMU_SEEN_GLOBAL);

	notify_domain(&s->unit, match->group, any ? VIOMMU_ANY_PASID : w->asid,
		      all ? 0 : w->flush.first, all ? UINT64_MAX : w->flush.last);
}

static void forget(struct smmu *s, const struct what *w)
{
	unit_flush_one(&s->unit, &w->flush);
	probe_invalidation(&s->unit, w->ranged ? COUNT_RANGES : COUNT_DOMAINS, NULL,
			   w->flush.match.group, w->asid, w->flush.first, w->flush.last);
	tell(s, w);
}

static void set_group(struct what *w, uint32_t group)
{
	w->flush.match.group = group;
	if (w->flush.match.id != DOMAIN_ANY)
		w->flush.match.id = domain_id(group, w->asid);
}

struct smmu_tlbi_mode smmu_tlbi_mode(const struct smmu *s)
{
	uint64_t vmw = bits_get(regs_get(&s->regs, SMMU_CR0), CR0_VMW);
	bool vmids = smmu_idr(s, 0) & IDR0_S2P;

	return (struct smmu_tlbi_mode){ .e2h = regs_get(&s->regs, SMMU_CR2) & CR2_E2H,
					.groups = vmids && vmw <= 4 ? 1U << vmw : 1,
					.vmids = vmids ? UINT32_MAX : 0 };
}

/* The first of as many groups as the mode says: those whose VMIDs are compared. */
static uint32_t first_group(const struct smmu_tlbi_mode *mode, const uint64_t *word)
{
	return (uint32_t)bits_get(word[0], CMD_VMID) & mode->vmids & ~(mode->groups - 1);
}

/* 4.4.1.1: TG is 0, all that has the address, or a range of pages. False: illegal. Addresses are known by their bit 55, since
 * the bits above it may be ignored. */
static bool take_range(const struct smmu *s, const uint64_t *word, struct domain_flush *f)
{
	uint64_t tg = bits_get(word[1], CMD_TG);
	uint64_t address = word[1] & CMD_ADDR;
	unsigned page_lg2 = 10 + 2 * (unsigned)tg;
	unsigned scale = (unsigned)bits_get(word[0], CMD_SCALE);
	uint64_t pages = bits_get(word[0], CMD_NUM) + 1;

	f->leaf = word[1] & CMD_LEAF;
	address = (uint64_t)((int64_t)(address << 8) >> 8);
	f->first = address;
	f->last = address | bits_low(12);
	if (!(smmu_idr(s, 3) & IDR3_RIL) || tg == 0)
		return true;
	if (pages == 1 && scale == 0 && bits_get(word[1], CMD_TTL) == 0)
		return false;
	f->first &= ~bits_low(page_lg2);
	f->last = UINT64_MAX;
	/* 5 bits of pages: what does not fit is all that follows */
	if (scale + page_lg2 + 5 < 64)
		range_last(f->first, pages << (scale + page_lg2), &f->last);
	if (f->last < f->first)
		f->last = UINT64_MAX;
	return true;
}

/* Opcodes as bits. */
#define OP(op) BIT((op)&63)
static_assert(CMD_NSNH_ALL < 64, "an opcode is a bit");

#define BY_ADDRESS                                                                                 \
	(OP(CMD_NH_VA) | OP(CMD_NH_VAA) | OP(CMD_EL2_VA) | OP(CMD_EL2_VAA) | OP(CMD_S2_IPA))
#define BY_ASID	    (OP(CMD_NH_VA) | OP(CMD_NH_ASID))
#define BY_ASID_E2H (OP(CMD_EL2_VA) | OP(CMD_EL2_ASID))
#define OF_EL2	    (OP(CMD_EL2_ALL) | OP(CMD_EL2_ASID) | OP(CMD_EL2_VA) | OP(CMD_EL2_VAA))

/* But the group. False: illegal. */
static inline bool describe(const struct smmu *s, const struct smmu_tlbi_mode *mode, uint64_t op,
			    const uint64_t *word, struct what *w)
{
	struct domain_flush *f = &w->flush;
	bool by_asid = op & (mode->e2h ? BY_ASID | BY_ASID_E2H : BY_ASID);

	w->asid = by_asid ? (uint32_t)bits_get(word[0], CMD_ASID) : VIOMMU_ANY_PASID;
	w->ranged = op & BY_ADDRESS;
	f->match = (struct domain_match){ .id = by_asid ? 0 : DOMAIN_ANY };
	if (!w->ranged) {
		f->match.whole = op & OP(CMD_S12_VMALL) ? SMMU_KINDS_ALL : SMMU_KINDS_S1;
		f->first = 0;
		f->last = UINT64_MAX;
		f->leaf = false;
		return true;
	}
	f->match.kinds = SMMU_KINDS_S1;
	f->match.globals = by_asid ? SMMU_KINDS_S1 : 0;
	if (op & OP(CMD_S2_IPA)) {
		/* what both stages have come to cannot be found by the intermediate address */
		f->match.kinds = 1U << SMMU_S2;
		f->match.whole = 1U << SMMU_NESTED;
	}
	return take_range(s, word, f);
}

bool smmu_tlbi_flush(const struct smmu *s, const struct smmu_tlbi_mode *mode, unsigned op,
		     const uint64_t *word, struct domain_flush *flush)
{
	struct what w;

	if (op == CMD_NSNH_ALL || mode->groups != 1 || !describe(s, mode, OP(op), word, &w))
		return false;
	set_group(&w, OP(op) & OF_EL2 ? SMMU_GROUP_EL2 : first_group(mode, word));
	*flush = w.flush;
	return true;
}

enum ring_executed smmu_tlbi(struct smmu *s, unsigned op, const uint64_t *word)
{
	const struct smmu_tlbi_mode mode = smmu_tlbi_mode(s);
	uint32_t first = first_group(&mode, word);
	struct what w;

	s->unsynced = true;
	if (op == CMD_NSNH_ALL) {
		notify_forget(&s->unit, true, false);
		return RING_DONE;
	}
	if (!describe(s, &mode, OP(op), word, &w))
		return RING_ERROR;
	if (OP(op) & OF_EL2) {
		set_group(&w, SMMU_GROUP_EL2);
		forget(s, &w);
		return RING_DONE;
	}
	for (uint32_t i = 0; i < mode.groups; i++) { /* 16 at most */
		set_group(&w, first + i);
		forget(s, &w);
	}
	return RING_DONE;
}
