/* SPDX-License-Identifier: BSD-3-Clause */
/* amdvi_context.c - from requester id and PASID to parsed context (2.2.2, 2.2.6). Caching is cache/context_cache.c. */

#include "amdvi_engine.h"
#include "mem.h"
#include "pt_amd_v1.h"
#include "pt_structure.h"
#include "pt_x86.h"

/* Physical addresses are as wide as the fields that hold them. */
#define PHYSICAL_BITS 52U

static int refuse(struct query *q, unsigned reason)
{
	q->reason = (uint16_t)reason;
	return VIOMMU_FAULT;
}

/* @pasid: VIOMMU_NO_PASID if the tables do not depend on it */
static void set_domain(struct context *c, uint32_t domain, uint32_t pasid)
{
	c->key.group = domain;
	c->key.id = domain_id(domain, pasid);
}

static void set_kind(struct context *c, enum amdvi_kind kind)
{
	c->key.kind = kind;
}

/* What is forwarded as it is. */
static int pass(struct context *c)
{
	set_domain(c, AMDVI_NO_DOMAIN, VIOMMU_NO_PASID);
	set_kind(c, AMDVI_PASS);
	c->key.flags = (uint32_t)(AMDVI_KEY_IR | AMDVI_KEY_IW | AMDVI_KEY_USER);
	return VIOMMU_OK;
}

/* ---- host tables (2.2.3) ---- */

static struct pt_config host_tables(const struct amdvi *v, const uint64_t raw[4], unsigned levels)
{
	unsigned had = (unsigned)(bits_get(raw[0], AMD_DTE_HAD) &
				  bits_get(amdvi_control(v), AMD_CTRL_HAD_UPDATE));
	unsigned bits = 12 + 9 * levels;

	return (struct pt_config){ .root = raw[0] & AMD_DTE_ROOT,
				   .top = (uint8_t)(levels - 1),
				   .page_lg2 = 12,
				   .index_lg2 = 9,
				   .entry_lg2 = 3,
				   .in_bits = (uint8_t)(bits < 64 ? bits : 64),
				   .out_bits = PHYSICAL_BITS,
				   .flags = (uint16_t)((had & 1 ? PT_AMD_A : 0) |
						       (had == 3 ? PT_AMD_D : 0)) };
}

/* Whether the entry's Mode is one that there can be. 0, or why not */
static unsigned check_mode(const struct amdvi *v, const uint64_t raw[4])
{
	unsigned mode = (unsigned)bits_get(raw[0], AMD_DTE_MODE);
	unsigned hats = (unsigned)bits_get(v->efr, AMD_EFR_HATS);

	if (mode == AMD_DTE_MODE_RSVD)
		return AMDVI_R_DTE_ENCODING;
	if (hats == AMD_HATS_NONE)
		return raw[0] & AMD_DTE_ROOT ? AMDVI_R_DTE_ENCODING : mode ? AMDVI_R_HATS : 0;
	return mode > hats + 4 ? AMDVI_R_HATS : 0;
}

/* ---- guest tables (2.2.6) ---- */

#define GCR3_INDEX_BITS 9U
#define PASID_BITS	20U

static struct pt_config guest_tables(const struct amdvi *v, uint64_t root, unsigned levels)
{
	uint64_t control = amdvi_control(v);
	uint64_t flags =
		PT_X86_1G | PT_X86_WPE | (v->efr & AMD_EFR_NX ? PT_X86_NXE : PT_X86_XD_IGN);

	if (control & AMD_CTRL_GA_UPDATE_DIS)
		flags |= PT_X86_STILL_A;
	if (control & AMD_CTRL_GD_UPDATE_DIS)
		flags |= PT_X86_STILL_D;
	return (struct pt_config){ .root = root,
				   .top = (uint8_t)(levels - 1),
				   .page_lg2 = 12,
				   .index_lg2 = 9,
				   .entry_lg2 = 3,
				   .in_bits = (uint8_t)(12 + 9 * levels),
				   .out_bits = PHYSICAL_BITS,
				   .flags = (uint16_t)flags };
}

/* Why a host walk for a GCR3 table ended. */
static unsigned nested_reason(enum pt_end end)
{
	switch (end) {
	case PT_TOO_WIDE:
		return AMDVI_R_NEST_WIDTH;
	case PT_NOT_PRESENT:
		return AMDVI_R_NEST_ABSENT;
	case PT_DENIED:
		return AMDVI_R_NEST_PERM;
	case PT_BAD_LEVEL:
		return AMDVI_R_NEST_LEVEL;
	case PT_BAD_ENTRY:
		return AMDVI_R_NEST_RSVD;
	default:
		return AMDVI_R_NEST_FETCH;
	}
}

/* The PASID's root, in at most three loads. */
static int find_root(struct amdvi *v, struct query *q, const uint64_t raw[4],
		     const struct pt_config *host, uint32_t pasid, uint64_t *root)
{
	unsigned level = (unsigned)bits_get(raw[0], AMD_DTE_GLX);
	bool nested = host->page_lg2 && (amdvi_control(v) & AMD_CTRL_GCR3_TRP_MODE);
	struct pt_structure s = {
		.walk = { .vm = v->unit.vm, .config = host, .observer = q->observer },
		.stage = !nested       ? NULL
			 : q->observer ? pt_amd_v1_observe
				       : pt_amd_v1_peek,
		.what = "GCR3 table entry"
	};
	uint64_t table = bits_get(raw[0], AMD_DTE_GCR3_LO) << 12 |
			 bits_get(raw[1], AMD_DTE_GCR3_MID) << 15 |
			 bits_get(raw[1], AMD_DTE_GCR3_HI) << 31;

	for (;; level--) {
		uint64_t index = pasid >> (GCR3_INDEX_BITS * level) & bits_low(GCR3_INDEX_BITS);
		uint64_t entry;

		switch (pt_structure_load(&s, table + index * 8, &entry, 1)) {
		case PT_OK:
			break;
		case PT_STAGE2_TABLE:
			q->found.gpa = s.walk.at;
			return refuse(q, nested_reason(s.end));
		default:
			q->found.gpa = s.gpa; /* the event has it */
			return refuse(q, AMDVI_R_GCR3_FETCH);
		}
		if (!(entry & AMD_GCR3_V))
			return refuse(q, AMDVI_R_GCR3_ABSENT);
		if (entry & ~(AMD_GCR3_V | AMD_GCR3_ROOT))
			return refuse(q, AMDVI_R_GCR3_RSVD);
		table = entry & AMD_GCR3_ROOT;
		if (level == 0)
			break;
	}
	*root = table;
	return VIOMMU_OK;
}

static int parse_guest(struct amdvi *v, struct query *q, const uint64_t raw[4], struct context *c)
{
	unsigned levels = (unsigned)bits_get(raw[2], AMD_DTE_PAGING) + 4;
	unsigned glx = (unsigned)bits_get(raw[0], AMD_DTE_GLX);
	unsigned reach = GCR3_INDEX_BITS * (glx + 1);
	unsigned bits = (unsigned)bits_get(v->efr, AMD_EFR_PASMAX) + 1;
	uint32_t pasid = q->pasid == VIOMMU_NO_PASID ? 0 : q->pasid;
	uint64_t root;
	int result;

	q->entry_pasid = pasid;
	set_domain(c, c->key.group, pasid);
	set_kind(c, c->key.stage2.page_lg2 ? AMDVI_NESTED : AMDVI_V2);
	if (c->key.kind == AMDVI_NESTED && !atomic_load(&v->nests)) /* before the tables are read */
		atomic_store(&v->nests, true);
	if (glx > bits_get(v->efr, AMD_EFR_GLX) || levels > 5 ||
	    (levels == 5 && !bits_get(v->efr, AMD_EFR_GATS)))
		return refuse(q, AMDVI_R_DTE_ENCODING);
	if (pasid >> (bits < reach ? bits : reach))
		return refuse(q, AMDVI_R_PASID_WIDTH);
	result = find_root(v, q, raw, &c->key.stage2, pasid, &root);
	if (result)
		return result;
	c->key.stage1 = guest_tables(v, root, levels);
	if (q->pasid != VIOMMU_NO_PASID && (v->efr & AMD_EFR_US))
		c->key.flags &= ~(uint32_t)AMDVI_KEY_USER;
	if (v->efr & AMD_EFR_NX)
		c->key.flags |= (uint32_t)AMDVI_KEY_EXECUTE;
	return VIOMMU_OK;
}

/* ---- the entry ---- */

static void take_flags(const struct amdvi *v, const uint64_t raw[4], struct context *c)
{
	uint64_t excluded = regs_get(&v->regs, AMD_EXCL_BASE);

	c->flags = AMDVI_CONTEXT_V | (raw[1] & AMD_DTE_I ? AMDVI_CONTEXT_I : 0) |
		   (raw[1] & AMD_DTE_SE ? AMDVI_CONTEXT_SE : 0) |
		   (raw[1] & AMD_DTE_SA ? AMDVI_CONTEXT_SA : 0) |
		   bits_put(AMDVI_CONTEXT_IOCTL, bits_get(raw[1], AMD_DTE_IOCTL)) |
		   bits_put(AMDVI_CONTEXT_SYSMGT, bits_get(raw[1], AMD_DTE_SYSMGT));
	c->key.flags = (uint32_t)(AMDVI_KEY_USER | (raw[0] & AMD_DTE_IR ? AMDVI_KEY_IR : 0) |
				  (raw[0] & AMD_DTE_IW ? AMDVI_KEY_IW : 0));
	if ((excluded & AMD_EXCL_EN) && ((excluded & AMD_EXCL_ALLOW) || (raw[1] & AMD_DTE_EX)))
		c->key.flags |= (uint32_t)AMDVI_KEY_EXCLUDED;
}

/* Requests that were translated before: who may say so, and nothing else. */
static int parse_translated(struct query *q, struct context *c)
{
	if (!(c->flags & AMDVI_CONTEXT_I))
		return refuse(q, AMDVI_R_INVALID_TRANSLATED);
	set_kind(c, AMDVI_PASS);
	c->key.flags = (uint32_t)(AMDVI_KEY_IR | AMDVI_KEY_IW | AMDVI_KEY_USER);
	return VIOMMU_OK;
}

/* Nothing is translated; what is excluded from translation is still forwarded. */
static int blocked(struct query *q, struct context *c, unsigned reason)
{
	if (!(c->key.flags & AMDVI_KEY_EXCLUDED))
		return refuse(q, reason);
	set_kind(c, AMDVI_BLOCKED);
	c->flags |= bits_put(AMDVI_CONTEXT_REASON, reason);
	c->key.stage1 = (struct pt_config){
		.root = q->found.gpa
	}; /* of no tables: the event may have it */
	return VIOMMU_OK;
}

/* An entry without reserved bits, steps 6 to 10 of the decision in docs/amdvi-notes.md. */
static int parse_entry(struct amdvi *v, struct query *q, const uint64_t raw[4], struct context *c)
{
	bool guest = (raw[0] & AMD_DTE_GV) && (amdvi_control(v) & AMD_CTRL_GT_EN) &&
		     (q->pasid != VIOMMU_NO_PASID || (raw[0] & AMD_DTE_GIOV));
	unsigned levels = (unsigned)bits_get(raw[0], AMD_DTE_MODE);
	unsigned reason = check_mode(v, raw);

	if (!(raw[0] & AMD_DTE_TV))
		return blocked(q, c, AMDVI_R_TV);
	if (reason)
		return blocked(q, c, reason);
	if (levels)
		c->key.stage2 = host_tables(v, raw, levels);
	if (guest) {
		int result = parse_guest(v, q, raw, c);

		return result == VIOMMU_OK ? result : blocked(q, c, q->reason);
	}
	set_kind(c, levels ? AMDVI_V1 : AMDVI_PASS);
	return VIOMMU_OK;
}

int amdvi_parse(struct viommu *u, struct query *q, struct context *context)
{
	struct amdvi *v = amdvi_of(u);
	struct mem_place place = MEM_NOWHERE;
	uint64_t raw[4];
	unsigned reason;

	*context = (struct context){ .flags = 0 };
	set_domain(context, AMDVI_NO_DOMAIN, VIOMMU_NO_PASID);
	q->entry_pasid = VIOMMU_ANY_PASID;
	q->fpd = false;
	if (!(amdvi_control(v) & AMD_CTRL_IOMMU_EN))
		return pass(context);
	reason = amdvi_dte_load(v, q->id, q->observer, &place, raw, &q->found.gpa);
	if (reason)
		return refuse(q, reason);
	if (!(raw[0] & AMD_DTE_V))
		return q->type == VIOMMU_AT_TRANSLATED ? refuse(q, AMDVI_R_INVALID_TRANSLATED)
						       : pass(context);
	set_domain(context, (uint32_t)bits_get(raw[1], AMD_DTE_DOMAIN), VIOMMU_NO_PASID);
	take_flags(v, raw, context);
	if (amdvi_dte_reserved(v, raw))
		return refuse(q, AMDVI_R_DTE_RSVD);
	if (q->type == VIOMMU_AT_TRANSLATED)
		return parse_translated(q, context);
	return parse_entry(v, q, raw, context);
}
