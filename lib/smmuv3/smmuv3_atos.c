/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * smmuv3_atos.c - address translation for software (9): GATOS_CTRL, SID, ADDR and PAR. It records nothing, does not stall, and is
 * done when the write of RUN returns.
 *
 * Attributes are not kept anywhere: what the descriptors say of them is seen by an observer of the same walk.
 */

#include <string.h>

#include "pt_arm64.h"
#include "smmuv3_engine.h"

/* TYPE */
#define TYPE_S1	  1U
#define TYPE_S2	  2U
#define TYPE_BOTH 3U

struct atos {
	unsigned type;
	struct query q;
	struct context_entry entry;
	struct smmu_ste ste;
	/* What was seen: MAIR and word 0 of the CD, and the last descriptor of each stage. */
	uint64_t cd0;
	uint64_t mair;
	uint64_t leaf[2];
};

static void see(void *opaque, const char *stage, unsigned level, uint64_t gpa, const uint64_t *raw,
		unsigned words)
{
	struct atos *a = opaque;

	(void)level;
	(void)gpa;
	if (words == 8 && strcmp(stage, "CD") == 0) {
		a->cd0 = raw[0];
		a->mair = raw[3];
	}
	if (words == 1 && strcmp(stage, "stage 1") == 0)
		a->leaf[0] = raw[0];
	if (words == 1 && strcmp(stage, "stage 2") == 0)
		a->leaf[1] = raw[0];
}

/* ---- attributes, as MAIR has them (9.1.4) ---- */

#define SH_OUTER     2U
#define ATTR_NC	     0x44U
#define ATTR_WB	     0xffU
#define IS_DEVICE(a) (((a)&0xf0U) == 0)

struct attributes {
	unsigned attr;
	unsigned sh;
};

/* Device, and what is not cached, is shared by all. */
static struct attributes normal(struct attributes a)
{
	if (IS_DEVICE(a.attr) || a.attr == ATTR_NC)
		a.sh = SH_OUTER;
	return a;
}

static struct attributes stage1_attributes(const struct atos *a, const struct pt_config *c,
					   bool upper)
{
	struct attributes out = { .sh = (unsigned)bits_get(a->leaf[0], BITS(9, 8)) };

	out.attr = (unsigned)(a->mair >> 8 * bits_get(a->leaf[0], BITS(4, 2))) & 0xffU;
	if (c->flags & PT_ARM_DS)
		out.sh = (unsigned)bits_get(a->cd0, upper ? CD0_SH1 : CD0_SH0);
	return normal(out);
}

/* A cacheability of stage 2, 1 to 3, as a nibble of MAIR with both allocation hints. */
static unsigned nibble(unsigned cacheability)
{
	static const uint8_t of[] = { 0x4, 0x4, 0xb, 0xf };

	return of[cacheability & 3];
}

/* @first: what stage 1 says, which S2FWB may take as it is */
static struct attributes stage2_attributes(const struct atos *a, const struct context *c,
					   unsigned first)
{
	unsigned m = (unsigned)bits_get(a->leaf[1], BITS(5, 2));
	struct attributes out = { .sh = (unsigned)bits_get(a->leaf[1], BITS(9, 8)) };

	if (c->key.stage2.flags & PT_ARM_DS)
		out.sh = (unsigned)bits_get(a->ste.word[2], STE2_S2SH0);
	if (c->key.stage2.flags & PT_ARM_FWB)
		out.attr = m == 6 ? ATTR_WB : m == 7 ? first : m == 5 ? ATTR_NC : (m & 3) << 2;
	else if (m >> 2 == 0)
		out.attr = (m & 3) << 2;
	else
		out.attr = nibble(m >> 2) << 4 | nibble(m);
	return normal(out);
}

/* 13.1.5: the stronger one of two nibbles that are no Device's. */
static unsigned stronger(unsigned a, unsigned b)
{
	if (a == 4 || b == 4)
		return 4;
	if (!(a & 4) && a)
		return a;
	return !(b & 4) ? (b & 8) | (a & 3) : a;
}

static struct attributes combine(struct attributes a, struct attributes b)
{
	struct attributes out = { .attr = a.attr };

	if (IS_DEVICE(a.attr) && IS_DEVICE(b.attr))
		out.attr = a.attr < b.attr ? a.attr : b.attr;
	else if (IS_DEVICE(b.attr))
		out.attr = b.attr;
	else if (!IS_DEVICE(a.attr))
		out.attr = stronger(a.attr >> 4, b.attr >> 4) << 4 |
			   stronger(a.attr & 0xf, b.attr & 0xf);
	out.sh = a.sh == SH_OUTER || b.sh == SH_OUTER ? SH_OUTER : a.sh > b.sh ? a.sh : b.sh;
	return normal(out);
}

static struct attributes attributes(const struct atos *a, const struct context *c)
{
	bool upper = a->q.iova >> 55 & 1;
	struct attributes first = { .attr = ATTR_WB, .sh = SH_OUTER };
	const struct pt_config *tables = upper ? &c->key.upper : &c->key.stage1;

	if (c->key.kind == SMMU_S1 || c->key.kind == SMMU_NESTED)
		first = stage1_attributes(a, tables, upper);
	if (c->key.kind == SMMU_S1 || a->type == TYPE_S1)
		return first;
	if (a->type == TYPE_S2 || c->key.kind == SMMU_S2)
		return stage2_attributes(a, c, ATTR_WB);
	first.attr = c->key.stage2.flags & PT_ARM_FWB && bits_get(a->leaf[1], BITS(5, 2)) == 6
			     ? ATTR_WB
			     : first.attr;
	return combine(first, stage2_attributes(a, c, first.attr));
}

/* ---- PAR (6.3.40) ---- */

static uint64_t failed(unsigned reason, unsigned code, uint64_t address)
{
	return PAR_FAULT | bits_put(PAR_REASON, reason) | bits_put(PAR_FAULTCODE, code) |
	       (address & PAR_ADDR);
}

/* Size 1: the lowest bit of ADDR says how large the page is. */
static uint64_t succeeded(const struct translation *t, uint64_t iova, struct attributes a)
{
	uint64_t par = bits_put(PAR_SH, a.sh) | bits_put(PAR_ATTR, a.attr);
	unsigned lg2 = t->size_lg2;

	if (lg2 <= 12)
		return par | ((t->gpa + (iova - t->iova)) & PAR_ADDR);
	return par | PAR_SIZE | (t->gpa & ~bits_low(lg2) & PAR_ADDR) | BIT(lg2 - 1);
}

/* 9.1.4: what a fault that would be recorded comes to. */
static uint64_t refused(const struct atos *a)
{
	const struct query *q = &a->q;
	uint64_t class = bits_get(q->found.iova, EVENT1_CLASS);
	unsigned reason = class == CLASS_CD ? 1 : class == CLASS_TT ? 2 : 3;

	if (!(q->found.iova & EVENT1_S2))
		return failed(0, q->reason, 0);
	if (a->type == TYPE_S1)
		return failed(0, class == CLASS_CD ? F_CD_FETCH : F_WALK_EABT, 0);
	if (a->type == TYPE_S2 || q->reason == F_WALK_EABT)
		return failed(reason, q->reason, 0);
	return failed(reason, q->reason, q->found.gpa);
}

/* ---- the translation ---- */

static bool is_invalid(const struct smmu *s, const struct atos *a)
{
	return a->type == 0 || ((a->type & TYPE_S1) && !(smmu_idr(s, 0) & IDR0_S1P)) ||
	       ((a->type & TYPE_S2) && !(smmu_idr(s, 0) & IDR0_S2P)) ||
	       (a->type == TYPE_S2 && a->q.pasid != VIOMMU_NO_PASID);
}

/* A stage that was asked for is not that stream's. */
static bool lacks_stage(const struct atos *a)
{
	return smmu_ste_config(&a->ste) <= STE_CONFIG_BYPASS ||
	       ((a->type & TYPE_S1) && !smmu_ste_s1(&a->ste)) ||
	       ((a->type & TYPE_S2) && !smmu_ste_s2(&a->ste));
}

/* Attributes and overrides of the STE have no part in it. */
static int context_of(struct smmu *s, struct atos *a)
{
	struct context *c = &a->entry.context;
	struct smmu_ste ste = a->ste;
	int result;

	if (a->type == TYPE_S2)
		ste.word[0] = (ste.word[0] & ~STE0_CONFIG) | bits_put(STE0_CONFIG, STE_CONFIG_S2);
	result = smmu_parse_ste(s, &a->q, &ste, c);
	c->flags = 0;
	c->key.flags &= (uint32_t)SMMU_KEY_EL2;
	return result;
}

/* Stage 1 alone: of a nested stream its result, which stage 2 may have or not. What it walks is left as it is then. */
static bool stage1_alone(struct smmu *s, struct atos *a, unsigned access)
{
	struct context *c = &a->entry.context;
	bool quiet = a->q.quiet;
	int result;

	if (c->key.kind == SMMU_NESTED) {
		a->q.quiet = true;
		c->key.flags |= (uint32_t)SMMU_KEY_SPLIT;
	}
	result = smmu_walk(s, &a->q, c, access);
	a->q.quiet = quiet;
	if (!result)
		return true;
	if (!(a->q.found.iova & EVENT1_S2) || bits_get(a->q.found.iova, EVENT1_CLASS) != CLASS_IN)
		return false;
	a->q.found =
		(struct translation){ .iova = a->q.iova, .gpa = a->q.found.gpa, .size_lg2 = 12 };
	return true;
}

static bool translated(struct smmu *s, struct atos *a)
{
	struct context *c = &a->entry.context;
	unsigned access = a->q.access;
	bool passes = c->key.kind == SMMU_PASS || (a->type == TYPE_S1 && c->key.kind == SMMU_S2);

	if (passes && smmu_above_oas(s, a->q.iova)) {
		smmu_fail(&a->q, F_ADDR_SIZE, bits_put(EVENT1_CLASS, CLASS_IN), 0);
		return false;
	}
	if (passes) { /* S1DSS 1 */
		a->q.found = (struct translation){ .iova = a->q.iova, .gpa = a->q.iova };
		return true;
	}
	if (a->type == TYPE_S1)
		return stage1_alone(s, a, access);
	return smmu_walk(s, &a->q, c, access) == VIOMMU_OK;
}

/* The same walk, watched. */
static void watch(struct smmu *s, struct atos *a)
{
	struct translation t = a->q.found;

	a->q.quiet = true;
	if (a->entry.context.key.kind != SMMU_PASS)
		smmu_walk(s, &a->q, &a->entry.context, a->q.access);
	a->q.found = t;
}

static uint64_t run(struct smmu *s, struct atos *a)
{
	struct pt_observer observer = { .saw = see, .opaque = a };

	if (is_invalid(s, a))
		return failed(0, ATOS_INV_REQ, 0);
	if (smmu_ste_fetch(s, &a->q, &a->ste))
		return failed(0, a->q.reason, 0);
	if (!smmu_ste_is_legal(s, &a->ste))
		return failed(0, C_BAD_STE, 0);
	if (lacks_stage(a))
		return failed(0, ATOS_INV_STAGE, 0);
	a->q.observer = &observer;
	if (context_of(s, a) || !translated(s, a))
		return refused(a);
	watch(s, a);
	return succeeded(&a->q.found, a->q.iova, attributes(a, &a->entry.context));
}

static unsigned access_of(uint64_t addr)
{
	unsigned access = !(addr & ATOS_RNW) ? VIOMMU_WRITE
			  : addr & ATOS_IND  ? VIOMMU_EXEC
					     : VIOMMU_READ;

	return access | (addr & ATOS_PNU ? VIOMMU_PRIV : 0);
}

void smmu_atos_run(struct smmu *s)
{
	uint64_t addr = regs_get(&s->regs, SMMU_GATOS_ADDR);
	uint64_t sid = regs_get(&s->regs, SMMU_GATOS_SID);
	struct atos a = { .type = (unsigned)bits_get(addr, ATOS_TYPE) };

	a.q = (struct query){ .id = (uint32_t)bits_get(sid, ATOS_SID),
			      .pasid = sid & ATOS_SSID_VALID ? (uint32_t)bits_get(sid, ATOS_SSID)
							     : VIOMMU_NO_PASID,
			      .iova = addr & ATOS_ADDR,
			      .access = (uint16_t)access_of(addr),
			      .type = VIOMMU_AT_UNTRANSLATED,
			      .quiet = addr & ATOS_HTTUI,
			      .entry = &a.entry };
	regs_put(&s->regs, SMMU_GATOS_PAR, run(s, &a));
	regs_put(&s->regs, SMMU_GATOS_CTRL, 0);
}
