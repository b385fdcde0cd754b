/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * play_smmu_watch.c - follows the guest's invalidations, so that the history knows which answers may still be cached.
 *
 * What was executed is seen from outside: CMDQ_CONS before and after a register write. Clauses 4.3 and 4.4 of IHI 0070.
 */

#include "play_smmu.h"

#define REG_IDR0       0x00U
#define REG_CR0	       0x20U
#define REG_STRTAB     0x80U
#define REG_STRTAB_CFG 0x88U
#define REG_CMDQ_BASE  0x90U
#define REG_CMDQ_CONS  0x9cU

#define BITS_OF(word, high, low)                                                                   \
	((uint32_t)((word) >> (low)) & (uint32_t)((1ULL << ((high) - (low) + 1)) - 1))
#define ADDRESS(word, low) ((word)&0x00ffffffffffffffULL & ~((1ULL << (low)) - 1))

#define ANY_ASID 0xffffU

static void forget(struct player *p, uint32_t tag, uint32_t tag_mask)
{
	history_forget(&p->smmu->history,
		       &(struct history_match){ .by_tag = true, .tag = tag, .tag_mask = tag_mask });
}

/* 4.4.1.1: pages, in a range if TG says their size. */
static void forget_pages(struct player *p, uint32_t tag, uint32_t tag_mask, uint64_t low,
			 uint64_t high)
{
	uint32_t tg = BITS_OF(high, 11, 10);
	uint64_t first = high & ~0xfffULL;
	uint64_t bytes = 4096;
	struct history_match m = { .by_tag = true, .tag = tag, .tag_mask = tag_mask };

	if (tg) {
		uint32_t shift = BITS_OF(low, 25, 20) + 10 + 2 * tg;

		bytes = shift < 58 ? (uint64_t)(BITS_OF(low, 16, 12) + 1) << shift : 0;
	}
	m.by_range = true;
	m.first = first;
	m.last = bytes && first + bytes - 1 >= first ? first + bytes - 1 : UINT64_MAX;
	history_forget(&p->smmu->history, &m);
}

/* CFGI commands take no translations away (4.3). */
static void command(struct player *p, uint64_t low, uint64_t high)
{
	uint32_t vmid = BITS_OF(low, 47, 32) << 16;
	uint32_t asid = BITS_OF(low, 63, 48);

	switch (low & 0xff) {
	case 0x10: /* NH_ALL, S12_VMALL: a VMID */
	case 0x28:
		forget(p, vmid, ANY_ASID);
		break;
	case 0x11:
		forget(p, vmid | asid, 0);
		break;
	case 0x12:
		forget_pages(p, vmid | asid, 0, low, high);
		break;
	case 0x13: /* NH_VAA; S2_IPA, which is an input address where there is stage 2 alone */
	case 0x2a:
		forget_pages(p, vmid, ANY_ASID, low, high);
		break;
	case 0x20: /* EL2, NSNH_ALL: all of it, to be on the safe side */
	case 0x21:
	case 0x22:
	case 0x23:
	case 0x30:
		history_forget(&p->smmu->history, &(struct history_match){ .by_tag = false });
		break;
	default: /* SYNC, and what takes nothing away */
		break;
	}
}

void smmu_watch_before(struct player *p)
{
	p->smmu->consumed = smmu_register(p, REG_CMDQ_CONS, 4);
}

void smmu_watch_after(struct player *p)
{
	uint64_t base = smmu_register(p, REG_CMDQ_BASE, 8);
	uint64_t entries = 1ULL << (base & 0x1f);
	uint64_t now = smmu_register(p, REG_CMDQ_CONS, 4) & (2 * entries - 1);
	uint64_t at = p->smmu->consumed & (2 * entries - 1);

	for (; at != now; at = (at + 1) & (2 * entries - 1)) {
		uint64_t gpa = ADDRESS(base, 5) + (at & (entries - 1)) * 16;

		command(p, guest_load64(&p->memory, gpa), guest_load64(&p->memory, gpa + 8));
	}
}

/* ---- the tag of a stream ---- */

/* 5.1: where its STE is. */
static uint64_t ste_of(const struct player *p, uint32_t sid)
{
	uint64_t table = ADDRESS(smmu_register(p, REG_STRTAB, 8), 6);
	uint64_t cfg = smmu_register(p, REG_STRTAB_CFG, 4);
	uint32_t split = BITS_OF(cfg, 10, 6);

	if (BITS_OF(cfg, 17, 16) == 1) {
		table = ADDRESS(guest_load64(&p->memory, table + (sid >> split) * 8ULL), 6);
		sid &= (1U << split) - 1;
	}
	return table + sid * 64ULL;
}

bool smmu_bypasses(const struct player *p, uint32_t sid)
{
	return !(smmu_register(p, REG_CR0, 4) & 1) ||
	       BITS_OF(guest_load64(&p->memory, ste_of(p, sid)), 3, 0) == 9;
}

/* Of substream 0, as recordings have no others. */
uint32_t smmu_tag(const struct player *p, uint32_t sid)
{
	uint64_t ste = ste_of(p, sid);
	uint64_t word0 = guest_load64(&p->memory, ste);
	uint32_t vmid = BITS_OF(guest_load64(&p->memory, ste + 16), 15, 0) << 16;
	uint32_t config = BITS_OF(word0, 3, 1);

	if (!(smmu_register(p, REG_IDR0, 4) &
	      1)) /* VMIDs are compared only where there is a stage 2 */
		vmid = 0;
	if (config != 5 && config != 7)
		return vmid;
	return vmid | BITS_OF(guest_load64(&p->memory, ADDRESS(word0, 6)), 63, 48);
}
