/* SPDX-License-Identifier: BSD-3-Clause */
/* riscv_context.c - from device_id and process_id to parsed context (2.1, 2.3). Caching is cache/context_cache.c. */

#include "mem.h"
#include "pt_riscv.h"
#include "riscv_engine.h"

/* Reads a structure of the device directory once, in the byte order of fctl. */
static bool fetch(struct riscv *v, const struct query *q, const char *what, uint64_t gpa,
		  uint64_t *raw, unsigned words)
{
	bool ok = !riscv_beyond(v, gpa) && mem_load(v->unit.vm, gpa, raw, words);

	for (unsigned i = 0; ok && (riscv_fctl(v) & RISCV_FCTL_BE) && i < words; i++)
		raw[i] = __builtin_bswap64(raw[i]);
	riscv_saw(q, what, gpa, raw, ok ? words : 0);
	return ok;
}

/* ---- 2.1.4: what a device context may say ---- */

static bool second_mode(const struct riscv *v, uint64_t mode)
{
	static const uint64_t caps[] = { RISCV_CAP_SV39X4, RISCV_CAP_SV48X4, RISCV_CAP_SV57X4 };
	bool gxl = riscv_fctl(v) & RISCV_FCTL_GXL;

	if (mode == RISCV_ATP_BARE)
		return true;
	if (mode < RISCV_ATP_FIRST || mode > (gxl ? RISCV_ATP_FIRST : RISCV_ATP_57))
		return false;
	return v->cap & (gxl ? RISCV_CAP_SV32X4 : caps[(mode - RISCV_ATP_FIRST) & 3]);
}

static bool process_mode(const struct riscv *v, uint64_t mode)
{
	switch (mode) {
	case RISCV_PDTP_BARE:
		return true;
	case RISCV_PDTP_PD8:
		return v->cap & RISCV_CAP_PD8;
	case RISCV_PDTP_PD17:
		return v->cap & RISCV_CAP_PD17;
	case RISCV_PDTP_PD20:
		return v->cap & RISCV_CAP_PD20;
	default:
		return false;
	}
}

static bool reserved(const struct riscv *v, const uint64_t *dc)
{
	uint64_t ids = v->cap & RISCV_CAP_QOSID
			       ? bits_put(RISCV_TA_RCID, bits_low(v->config.qosid_bits)) |
					 bits_put(RISCV_TA_MCID, bits_low(v->config.qosid_bits))
			       : 0;

	if ((dc[RISCV_DC_TC] & RISCV_TC_RSVD) || (dc[RISCV_DC_FSC] & RISCV_ATP_GSCID) ||
	    (dc[RISCV_DC_TA] & (RISCV_TA_RSVD | ((RISCV_TA_RCID | RISCV_TA_MCID) & ~ids))))
		return true;
	if (!(v->cap & RISCV_CAP_MSI_FLAT))
		return false;
	return (dc[RISCV_DC_MSIPTP] & RISCV_ATP_GSCID) ||
	       ((dc[RISCV_DC_MASK] | dc[RISCV_DC_PATTERN]) & v->pages_reserved) ||
	       dc[RISCV_DC_RSVD];
}

/* ATS, PRI, and who may be asked for addresses of the guest's. */
static bool ats_misconfigured(const struct riscv *v, uint64_t tc, bool second)
{
	if (!(v->cap & RISCV_CAP_ATS) && (tc & (RISCV_TC_EN_ATS | RISCV_TC_EN_PRI | RISCV_TC_PRPR)))
		return true;
	if (!(tc & RISCV_TC_EN_ATS) && (tc & (RISCV_TC_T2GPA | RISCV_TC_EN_PRI)))
		return true;
	if (!(tc & RISCV_TC_EN_PRI) && (tc & RISCV_TC_PRPR))
		return true;
	return (tc & RISCV_TC_T2GPA) && (!(v->cap & RISCV_CAP_T2GPA) || !second);
}

/* Widths and byte order. */
static bool form_misconfigured(const struct riscv *v, uint64_t tc)
{
	uint64_t fctl = riscv_fctl(v);
	uint64_t writable = riscv_fctl_writable(v);
	bool sxl = tc & RISCV_TC_SXL;
	bool sbe = tc & RISCV_TC_SBE;

	if (!(writable & RISCV_FCTL_BE) && sbe != !!(fctl & RISCV_FCTL_BE))
		return true;
	if (fctl & RISCV_FCTL_GXL)
		return !sxl;
	return sxl && !(writable & RISCV_FCTL_GXL);
}

static bool misconfigured(const struct riscv *v, const uint64_t *dc)
{
	uint64_t tc = dc[RISCV_DC_TC];
	uint64_t second = bits_get(dc[RISCV_DC_IOHGATP], RISCV_ATP_MODE);
	uint64_t msi = v->cap & RISCV_CAP_MSI_FLAT ? bits_get(dc[RISCV_DC_MSIPTP], RISCV_ATP_MODE)
						   : RISCV_MSIPTP_OFF;

	if (reserved(v, dc) || ats_misconfigured(v, tc, second != RISCV_ATP_BARE) ||
	    form_misconfigured(v, tc))
		return true;
	if (tc & RISCV_TC_PDTV ? !process_mode(v, bits_get(dc[RISCV_DC_FSC], RISCV_ATP_MODE))
			       : !riscv_first_mode(v, dc[RISCV_DC_FSC], tc & RISCV_TC_SXL))
		return true;
	if ((tc & RISCV_TC_DPE) && !(tc & RISCV_TC_PDTV))
		return true;
	if (!second_mode(v, second) || (second != RISCV_ATP_BARE && (dc[RISCV_DC_IOHGATP] & 3)))
		return true;
	if (msi > RISCV_MSIPTP_FLAT || (msi && second == RISCV_ATP_BARE))
		return true;
	return (tc & (RISCV_TC_SADE | RISCV_TC_GADE)) && !(v->cap & RISCV_CAP_AMO_HWAD);
}

/* ---- 2.3.1: where it is ---- */

struct index {
	unsigned shift;
	unsigned bits;
};

/* DDI[0] to DDI[2], of contexts of 32 and of 64 bytes */
static const struct index indices[2][3] = { { { 0, 7 }, { 7, 9 }, { 16, 8 } },
					    { { 0, 6 }, { 6, 9 }, { 15, 9 } } };

static const struct index *index_at(const struct riscv *v, unsigned level)
{
	bool extended = v->cap & RISCV_CAP_MSI_FLAT;

	return &indices[extended][bits_clamp_index(level, ARRAY_COUNT(indices[0]))];
}

static uint64_t index_of(uint32_t id, const struct index *i)
{
	return id >> i->shift & bits_low(i->bits);
}

static int walk_directory(struct riscv *v, struct query *q, uint64_t ddtp, unsigned levels,
			  uint64_t dc[RISCV_DC_WORDS])
{
	unsigned words = v->cap & RISCV_CAP_MSI_FLAT ? 8 : 4;
	uint64_t table = bits_get(ddtp, RISCV_DDTP_PPN) << 12;
	uint64_t entry;

	/* at most two */
	for (unsigned i = levels - 1; i > 0; i--) {
		if (!fetch(v, q, "device directory entry",
			   table + index_of(q->id, index_at(v, i)) * 8, &entry, 1))
			return riscv_refuse(q, RISCV_FAULT_DDT_ACCESS, 0);
		if (!(entry & RISCV_DIR_V))
			return riscv_refuse(q, RISCV_FAULT_DDT_INVALID, 0);
		if (entry & RISCV_DIR_RSVD)
			return riscv_refuse(q, RISCV_FAULT_DDT_CONFIG, 0);
		table = bits_get(entry, RISCV_DIR_PPN) << 12;
	}
	if (!fetch(v, q, "device context", table + index_of(q->id, index_at(v, 0)) * words * 8, dc,
		   words))
		return riscv_refuse(q, RISCV_FAULT_DDT_ACCESS, 0);
	if (!(dc[RISCV_DC_TC] & RISCV_TC_V))
		return riscv_refuse(q, RISCV_FAULT_DDT_INVALID, 0);
	return misconfigured(v, dc) ? riscv_refuse(q, RISCV_FAULT_DDT_CONFIG, 0) : VIOMMU_OK;
}

int riscv_find_device(struct riscv *v, struct query *q, uint64_t dc[RISCV_DC_WORDS])
{
	uint64_t ddtp = atomic_load_explicit(&v->ddtp, memory_order_acquire);
	uint64_t mode = bits_get(ddtp, RISCV_DDTP_MODE);
	unsigned levels = (unsigned)mode - RISCV_MODE_BARE;

	if (mode == RISCV_MODE_OFF)
		return riscv_refuse(q, RISCV_FAULT_OFF, 0);
	if (mode == RISCV_MODE_BARE || (levels < 3 && q->id >> index_at(v, levels)->shift))
		return riscv_refuse(q, RISCV_FAULT_TYPE, 0);
	riscv_count(v, q, NULL, RISCV_EVENT_DDT_WALK);
	return walk_directory(v, q, ddtp, levels, dc);
}

/* ---- 2.3: what becomes of a request ---- */

struct pt_config riscv_first_stage(const struct riscv *v, uint64_t satp, const uint64_t *dc,
				   bool sum)
{
	uint64_t tc = dc[RISCV_DC_TC];
	bool sxl = tc & RISCV_TC_SXL;
	unsigned levels =
		sxl ? 2 : 3 + (unsigned)(bits_get(satp, RISCV_ATP_MODE) - RISCV_ATP_FIRST);
	uint64_t flags = (tc & RISCV_TC_SADE ? PT_RISCV_AD : 0) | (sum ? PT_RISCV_SUM : 0) |
			 (tc & RISCV_TC_SBE ? PT_RISCV_BE : 0) |
			 (v->cap & RISCV_CAP_SVPBMT ? PT_RISCV_PBMT : 0) |
			 (v->cap & RISCV_CAP_RSW60 ? PT_RISCV_RSW60 : 0);

	return (struct pt_config){ .root = bits_get(satp, RISCV_ATP_PPN) << 12,
				   .top = (uint8_t)(levels - 1),
				   .page_lg2 = 12,
				   .index_lg2 = sxl ? 10 : 9,
				   .entry_lg2 = sxl ? 2 : 3,
				   .in_bits = (uint8_t)(sxl ? 32 : 12 + 9 * levels),
				   .out_bits = (uint8_t)v->pas,
				   .flags = (uint16_t)flags };
}

static struct pt_config second_stage(const struct riscv *v, const uint64_t *dc)
{
	uint64_t iohgatp = dc[RISCV_DC_IOHGATP];
	bool gxl = riscv_fctl(v) & RISCV_FCTL_GXL;
	unsigned levels =
		gxl ? 2 : 3 + (unsigned)(bits_get(iohgatp, RISCV_ATP_MODE) - RISCV_ATP_FIRST);
	unsigned bits = gxl ? 34 : 14 + 9 * levels;
	uint64_t flags = PT_RISCV_STAGE2 | (dc[RISCV_DC_TC] & RISCV_TC_GADE ? PT_RISCV_AD : 0) |
			 (riscv_fctl(v) & RISCV_FCTL_BE ? PT_RISCV_BE : 0) |
			 (v->cap & RISCV_CAP_SVPBMT ? PT_RISCV_PBMT : 0) |
			 (v->cap & RISCV_CAP_RSW60 ? PT_RISCV_RSW60 : 0);

	if (dc[RISCV_DC_TC] & RISCV_TC_SXL)
		bits = 34;
	return (struct pt_config){ .root = bits_get(iohgatp, RISCV_ATP_PPN) << 12,
				   .top = (uint8_t)(levels - 1),
				   .page_lg2 = 12,
				   .index_lg2 = gxl ? 10 : 9,
				   .entry_lg2 = gxl ? 2 : 3,
				   .in_bits = (uint8_t)bits,
				   .out_bits = (uint8_t)v->pas,
				   .flags = (uint16_t)flags };
}

/* The second stage, and the MSI page table, which needs one. */
static void set_second(const struct riscv *v, const uint64_t *dc, struct context *c)
{
	struct riscv_files files = { dc[RISCV_DC_MASK], dc[RISCV_DC_PATTERN] };

	if (bits_get(dc[RISCV_DC_IOHGATP], RISCV_ATP_MODE) == RISCV_ATP_BARE)
		return;
	c->key.stage2 = second_stage(v, dc);
	c->key.group = (uint32_t)bits_get(dc[RISCV_DC_IOHGATP], RISCV_ATP_GSCID);
	if (!(v->cap & RISCV_CAP_MSI_FLAT) ||
	    bits_get(dc[RISCV_DC_MSIPTP], RISCV_ATP_MODE) == RISCV_MSIPTP_OFF)
		return;
	c->flags |= bits_put(RISCV_CONTEXT_MSI, bits_get(dc[RISCV_DC_MSIPTP], RISCV_ATP_PPN));
	c->key.flags |= (uint32_t)RISCV_KEY_MSI;
	memcpy(&c->key.upper, &files, sizeof(files));
}

/* What the first stage is known by; users of a domain are noted by it, too. */
static void set_first(struct query *q, struct context *c, struct pt_config stage1, uint64_t pscid)
{
	c->key.stage1 = stage1;
	q->entry_pasid = (uint32_t)pscid;
}

static void set_kind(const struct query *q, struct context *c)
{
	bool second = c->key.stage2.page_lg2;

	if (c->key.stage1.page_lg2)
		c->key.kind = second ? RISCV_NESTED : RISCV_FIRST;
	else
		c->key.kind = second ? RISCV_SECOND : RISCV_PASS;
	c->key.id = domain_id(c->key.group, q->entry_pasid == VIOMMU_ANY_PASID ? VIOMMU_NO_PASID
									       : q->entry_pasid);
}

bool riscv_disallowed(const struct query *q, const uint64_t dc[RISCV_DC_WORDS])
{
	static const uint8_t bits[] = { 20, 8, 17, 20 };
	uint64_t tc = dc[RISCV_DC_TC];

	if (q->type != VIOMMU_AT_UNTRANSLATED && !(tc & RISCV_TC_EN_ATS))
		return true;
	if (q->pasid == VIOMMU_NO_PASID)
		return false;
	return !(tc & RISCV_TC_PDTV) ||
	       q->pasid >> bits[bits_get(dc[RISCV_DC_FSC], RISCV_ATP_MODE) & 3];
}

/* Steps 10 to 16: the first stage. */
static int find_first(struct riscv *v, struct query *q, const uint64_t *dc, struct context *c)
{
	uint64_t tc = dc[RISCV_DC_TC];
	uint64_t mode = bits_get(dc[RISCV_DC_FSC], RISCV_ATP_MODE);
	uint64_t pc[2];
	int result;

	if (mode == RISCV_ATP_BARE) /* iosatp, and pdtp */
		return VIOMMU_OK;
	if (!(tc & RISCV_TC_PDTV)) {
		set_first(q, c, riscv_first_stage(v, dc[RISCV_DC_FSC], dc, false),
			  bits_get(dc[RISCV_DC_TA], RISCV_TA_PSCID));
		return VIOMMU_OK;
	}
	if (q->pasid == VIOMMU_NO_PASID && !(tc & RISCV_TC_DPE))
		return VIOMMU_OK;
	result = riscv_find_process(v, q, dc, &c->key.stage2,
				    q->pasid == VIOMMU_NO_PASID ? 0 : q->pasid, pc);
	if (result)
		return result;
	c->key.flags |= (uint32_t)(RISCV_KEY_PROCESS | (pc[0] & RISCV_PC_ENS ? RISCV_KEY_ENS : 0));
	if (bits_get(pc[1], RISCV_ATP_MODE) != RISCV_ATP_BARE)
		set_first(q, c, riscv_first_stage(v, pc[1], dc, pc[0] & RISCV_PC_SUM),
			  bits_get(pc[0], RISCV_PC_PSCID));
	return VIOMMU_OK;
}

/* Steps 7 to 16, once there is a device context. */
static int apply(struct riscv *v, struct query *q, const uint64_t *dc, struct context *c)
{
	uint64_t tc = dc[RISCV_DC_TC];
	int result = VIOMMU_OK;

	q->fpd = tc & RISCV_TC_DTF;
	c->flags |= q->fpd ? RISCV_CONTEXT_DTF : 0;
	if (riscv_disallowed(q, dc))
		return riscv_refuse(q, RISCV_FAULT_TYPE, 0);
	if (q->type == VIOMMU_AT_TRANSLATED && !(tc & RISCV_TC_T2GPA))
		return VIOMMU_OK;
	set_second(v, dc, c);
	if (q->type != VIOMMU_AT_TRANSLATED)
		result = find_first(v, q, dc, c);
	if (q->pasid == VIOMMU_NO_PASID || !(c->key.flags & RISCV_KEY_PROCESS))
		c->key.flags |= (uint32_t)RISCV_KEY_USER;
	if (tc & RISCV_TC_SXL)
		c->key.flags |= (uint32_t)RISCV_KEY_SXL;
	if (q->type == VIOMMU_AT_TRANSLATION && (tc & RISCV_TC_T2GPA))
		c->key.flags |= (uint32_t)RISCV_KEY_GPA;
	return result;
}

int riscv_parse(struct viommu *u, struct query *q, struct context *c)
{
	struct riscv *v = riscv_of(u);
	uint64_t mode =
		bits_get(atomic_load_explicit(&v->ddtp, memory_order_acquire), RISCV_DDTP_MODE);
	uint64_t dc[RISCV_DC_WORDS] = { 0 };
	int result = VIOMMU_OK;

	*c = (struct context){ .key.group = RISCV_HOST };
	q->entry_pasid = VIOMMU_ANY_PASID;
	q->fpd = false;
	q->found.gpa = 0;
	if (mode != RISCV_MODE_BARE || q->type != VIOMMU_AT_UNTRANSLATED) {
		result = riscv_find_device(v, q, dc);
		if (!result)
			result = apply(v, q, dc, c);
	} else {
		c->key.flags = (uint32_t)RISCV_KEY_USER;
	}
	set_kind(q, c);
	return result;
}
