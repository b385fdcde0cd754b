/* SPDX-License-Identifier: BSD-3-Clause */
/* vtd_context.c - from requester id and PASID to parsed context (3.4, 9.1 to 9.6). Caching is
 * cache/context_cache.c. */

#include "mem.h"
#include "pt_vtd_ss.h"
#include "pt_x86.h"
#include "vtd_engine.h"

static int refuse(struct query *q, unsigned reason)
{
	q->reason = (uint16_t)reason;
	return VIOMMU_FAULT;
}

/* Reads a structure once. A pointer above the host address width is a failed fetch. */
static bool fetch(struct vtd *v, const struct query *q, const char *what, uint64_t gpa,
		  uint64_t *raw, unsigned words)
{
	bool ok = !vtd_above_haw(v, gpa) && mem_load(v->unit.vm, gpa, raw, words);

	if (q->observer)
		q->observer->saw(q->observer->opaque, what, PT_LEVELS, gpa, raw, ok ? words : 0);
	return ok;
}

/* @pasid: VIOMMU_NO_PASID if the tables do not depend on it */
static void set_domain(struct context *c, uint32_t did, uint32_t pasid)
{
	c->key.group = did;
	c->key.id = domain_id(did, pasid);
}

static uint32_t requester(const struct query *q)
{
	return q->id & 0xffff;
}

/* Bits of a domain id that the unit has (11.4.2, ND). */
static uint64_t did_reserved(const struct vtd *v)
{
	return ~bits_low((unsigned)(4 + 2 * bits_get(v->cap, VTD_CAP_ND))) & 0xffff;
}

/* AW to levels (9.3): 1 is three levels, 39 bits. 0: the unit does not have it. */
static unsigned levels_of(const struct vtd *v, uint64_t aw)
{
	if (aw < 1 || aw > 3 || !(bits_get(v->cap, VTD_CAP_SAGAW) >> aw & 1))
		return 0;
	return (unsigned)aw + 2;
}

/* 3.7: addresses are as wide as the tables, and no wider than MGAW. */
static struct pt_config second_stage(const struct vtd *v, uint64_t root, unsigned levels,
				     bool accessed)
{
	uint64_t pages = bits_get(v->cap, VTD_CAP_SSLPS);
	unsigned mgaw = (unsigned)bits_get(v->cap, VTD_CAP_MGAW) + 1;
	unsigned agaw = 12 + 9 * levels;
	uint64_t flags = (pages & 1 ? PT_SS_2M : 0) | (pages & 2 ? PT_SS_1G : 0) |
			 (v->ecap & VTD_ECAP_SC ? PT_SS_SNP : 0) |
			 (v->ecap & VTD_ECAP_DT ? PT_SS_TM : 0) | (accessed ? PT_SS_AD : 0);

	return (struct pt_config){ .root = root,
				   .top = (uint8_t)(levels - 1),
				   .page_lg2 = 12,
				   .index_lg2 = 9,
				   .entry_lg2 = 3,
				   .in_bits = (uint8_t)(agaw < mgaw ? agaw : mgaw),
				   .out_bits = (uint8_t)v->haw,
				   .flags = (uint16_t)flags };
}

/* ---- legacy mode ---- */

/* 9.3: what the entry says, once present and without reserved bits. */
static int parse_context(struct vtd *v, struct query *q, const uint64_t raw[2], struct context *c)
{
	uint64_t tt = bits_get(raw[0], VTD_CE_TT);
	unsigned levels = levels_of(v, bits_get(raw[1], VTD_CE_AW));

	/* Without a second stage (SAGAW = 0) there is no AW to be right; only pass-through is left. */
	if (!levels && (tt != VTD_TT_PASS || bits_get(v->cap, VTD_CAP_SAGAW)))
		return refuse(q, VTD_FR_CONTEXT_INVALID);
	if (tt > VTD_TT_PASS || (tt == VTD_TT_PASS && !(v->ecap & VTD_ECAP_PT)) ||
	    (tt == VTD_TT_DEVICE_TLB && !(v->ecap & VTD_ECAP_DT)))
		return refuse(q, VTD_FR_CONTEXT_INVALID);
	set_domain(c, (uint32_t)bits_get(raw[1], VTD_CE_DID), VIOMMU_NO_PASID);
	c->key.flags = (uint32_t)(VTD_KEY_RID | VTD_KEY_USER | VTD_KEY_LEGACY);
	if (tt == VTD_TT_DEVICE_TLB)
		c->flags |= VTD_CONTEXT_DTE;
	if (tt == VTD_TT_PASS) {
		c->key.kind = VTD_PASS;
		return VIOMMU_OK;
	}
	c->key.kind = VTD_SECOND;
	c->key.stage2 = second_stage(v, raw[0] & VTD_CE_SSPTPTR, levels, false);
	return VIOMMU_OK;
}

static bool context_reserved(const struct vtd *v, const uint64_t raw[2])
{
	bool pass = bits_get(raw[0], VTD_CE_TT) == VTD_TT_PASS; /* ignores the pointer */

	return (raw[0] & VTD_CE_RSVD_4) || (raw[1] & (VTD_CE_RSVD_71 | VTD_CE_RSVD_88)) ||
	       (bits_get(raw[1], VTD_CE_DID) & did_reserved(v)) ||
	       (!pass && vtd_above_haw(v, raw[0] & VTD_CE_SSPTPTR));
}

static int parse_legacy(struct vtd *v, struct query *q, uint64_t table, struct context *c)
{
	uint32_t rid = requester(q);
	uint64_t raw[2];

	if (q->pasid != VIOMMU_NO_PASID)
		return refuse(q, VTD_FR_TTM_PASID);
	if (!fetch(v, q, "root entry", table + (rid >> 8) * 16, raw, 2))
		return refuse(q, VTD_FR_ROOT_FETCH);
	if (!(raw[0] & VTD_RE_P))
		return refuse(q, VTD_FR_ROOT_ABSENT);
	if ((raw[0] & VTD_RE_RSVD) || raw[1] || vtd_above_haw(v, raw[0] & VTD_RE_CTP))
		return refuse(q, VTD_FR_ROOT_RSVD);
	if (!fetch(v, q, "context entry", (raw[0] & VTD_RE_CTP) + (rid & 0xff) * 16, raw, 2))
		return refuse(q, VTD_FR_CONTEXT_FETCH);
	q->fpd = raw[0] & VTD_CE_FPD;
	if (!(raw[0] & VTD_CE_P))
		return refuse(q, VTD_FR_CONTEXT_ABSENT);
	if (context_reserved(v, raw))
		return refuse(q, VTD_FR_CONTEXT_RSVD);
	if (q->fpd)
		c->flags |= VTD_CONTEXT_FPD | VTD_CONTEXT_OWN_FPD;
	return parse_context(v, q, raw, c);
}

/* ---- scalable mode ---- */

static bool scalable_context_reserved(const struct vtd *v, const uint64_t raw[4])
{
	uint64_t rsvd = VTD_SCE_RSVD_5;

	if (!(v->ecap & VTD_ECAP_DT))
		rsvd |= VTD_SCE_DTE;
	if (!(v->ecap & VTD_ECAP_PASID))
		rsvd |= VTD_SCE_PASIDE;
	if (!(v->ecap & VTD_ECAP_PRS))
		rsvd |= VTD_SCE_PRE;
	return (raw[0] & rsvd) || vtd_above_haw(v, raw[0] & VTD_SCE_PASIDDIRPTR) ||
	       (raw[1] & VTD_SCE_RSVD_85) ||
	       ((raw[1] & VTD_SCE_RID_PRIV) && !(v->ecap & VTD_ECAP_RPRIVS)) || raw[2] || raw[3];
}

/* 9.2, 9.4: the scalable context entry, present and without reserved bits. */
static int fetch_scalable_context(struct vtd *v, struct query *q, uint64_t table, uint64_t raw[4])
{
	uint32_t rid = requester(q);
	uint64_t half;

	if (!fetch(v, q, "scalable root entry", table + (rid >> 8) * 16 + (rid & 0x80 ? 8 : 0),
		   &half, 1))
		return refuse(q, VTD_FR_SROOT_FETCH);
	if (!(half & VTD_RE_P))
		return refuse(q, VTD_FR_SROOT_ABSENT);
	if ((half & VTD_RE_RSVD) || vtd_above_haw(v, half & VTD_RE_CTP))
		return refuse(q, VTD_FR_SROOT_RSVD);
	if (!fetch(v, q, "scalable context entry", (half & VTD_RE_CTP) + (rid & 0x7f) * 32, raw, 4))
		return refuse(q, VTD_FR_SCONTEXT_FETCH);
	q->fpd = raw[0] & VTD_SCE_FPD;
	if (!(raw[0] & VTD_SCE_P))
		return refuse(q, VTD_FR_SCONTEXT_ABSENT);
	if (scalable_context_reserved(v, raw))
		return refuse(q, VTD_FR_SCONTEXT_RSVD);
	return VIOMMU_OK;
}

/* PASIDs that the directory of a context entry covers. */
static uint64_t pasid_limit(const struct vtd *v, uint64_t context)
{
	uint64_t directory = UINT64_C(1) << (7 + 6 + bits_get(context, VTD_SCE_PDTS));
	uint64_t unit = v->ecap & VTD_ECAP_PASID
				? UINT64_C(1) << (bits_get(v->ecap, VTD_ECAP_PSS) + 1)
				: directory;

	return directory < unit ? directory : unit;
}

/* The PASID whose entry decides: the request's, or RID_PASID (without ECAP.RPS: 0). */
static int choose_pasid(struct vtd *v, struct query *q, const uint64_t raw[4], uint32_t *pasid)
{
	if (q->pasid == VIOMMU_NO_PASID) {
		*pasid = v->ecap & VTD_ECAP_RPS ? (uint32_t)bits_get(raw[1], VTD_SCE_RID_PASID) : 0;
		return *pasid < pasid_limit(v, raw[0]) ? VIOMMU_OK : refuse(q, VTD_FR_RID_PASID);
	}
	*pasid = q->pasid;
	if (!(raw[0] & VTD_SCE_PASIDE))
		return refuse(q, VTD_FR_PASIDE);
	return *pasid < pasid_limit(v, raw[0]) ? VIOMMU_OK : refuse(q, VTD_FR_PASID_WIDTH);
}

/* 9.6: reserved bits of a PASID table entry, among them fields whose capability is absent. */
static bool pasid_entry_reserved(const struct vtd *v, const uint64_t raw[8])
{
	uint64_t rsvd0 = VTD_PE_RSVD_5 | VTD_PE_RSVD_10;
	uint64_t rsvd1 = VTD_PE_RSVD_80 | VTD_PE_RSVD_89;
	uint64_t rsvd2 = VTD_PE_RSVD_136;

	if (!(v->ecap & VTD_ECAP_SSTS))
		rsvd0 |= VTD_PE_SSPTPTR; /* not AW: Linux sets it in every entry */
	if (!(v->ecap & VTD_ECAP_SSADS))
		rsvd0 |= VTD_PE_SSADE;
	if (!(v->ecap & VTD_ECAP_SMPWCS))
		rsvd1 |= VTD_PE_PWSNP;
	if (!(v->ecap & VTD_ECAP_SC))
		rsvd1 |= VTD_PE_PGSNP;
	if (!(v->ecap & VTD_ECAP_FSTS))
		rsvd2 |= VTD_PE_FSPM | VTD_PE_WPE | VTD_PE_EAFE | VTD_PE_FSPTPTR;
	if (!(v->ecap & VTD_ECAP_SRS))
		rsvd2 |= VTD_PE_SRE;
	if (!(v->ecap & VTD_ECAP_ERS))
		rsvd2 |= VTD_PE_ERE;
	if (!(v->ecap & VTD_ECAP_EAFS))
		rsvd2 |= VTD_PE_EAFE;
	return (raw[0] & rsvd0) || (raw[1] & rsvd1) || (raw[2] & rsvd2) ||
	       vtd_above_haw(v, raw[0] & VTD_PE_SSPTPTR) ||
	       vtd_above_haw(v, raw[2] & VTD_PE_FSPTPTR) ||
	       (bits_get(raw[1], VTD_PE_DID) & did_reserved(v)) || raw[3] || raw[4] || raw[5] ||
	       raw[6] || raw[7];
}

static struct pt_config first_stage(const struct vtd *v, const uint64_t raw[8], unsigned levels)
{
	uint64_t flags = (v->cap & VTD_CAP_FS1GP ? PT_X86_1G : 0) |
			 (raw[2] & VTD_PE_WPE ? PT_X86_WPE : 0) |
			 (raw[2] & VTD_PE_EAFE ? PT_X86_EAFE : 0);

	if (!(v->ecap & VTD_ECAP_ERS))
		flags |= PT_X86_XD_IGN;
	else
		flags |= (raw[2] & VTD_PE_NXE ? PT_X86_NXE : 0) |
			 (raw[2] & VTD_PE_SMEP ? PT_X86_SMEP : 0);
	return (struct pt_config){ .root = raw[2] & VTD_PE_FSPTPTR,
				   .top = (uint8_t)(levels - 1),
				   .page_lg2 = 12,
				   .index_lg2 = 9,
				   .entry_lg2 = 3,
				   .in_bits = (uint8_t)(12 + 9 * levels),
				   .out_bits = (uint8_t)v->haw,
				   .flags = (uint16_t)flags };
}

/* Whose privilege the requests of this context have, and whether fetches differ from reads (3.6.2).
 */
static uint64_t privilege(const struct vtd *v, const struct query *q, const uint64_t context[4],
			  const uint64_t raw[8], bool first)
{
	uint64_t flags = 0;

	if (q->pasid == VIOMMU_NO_PASID) {
		flags |= VTD_KEY_RID;
		flags |= (context[1] & VTD_SCE_RID_PRIV) ? VTD_KEY_SUPERVISOR : VTD_KEY_USER;
	} else if (!(v->ecap & VTD_ECAP_SRS)) {
		flags |= VTD_KEY_USER;
	}
	if (!first)
		return flags;
	if (!(raw[2] & VTD_PE_SRE))
		flags |= VTD_KEY_NO_SUPERVISOR;
	if (q->pasid != VIOMMU_NO_PASID && (v->ecap & VTD_ECAP_ERS))
		flags |= VTD_KEY_EXECUTE | (raw[2] & VTD_PE_ERE ? 0 : VTD_KEY_NO_EXECUTE);
	return flags;
}

static bool pgtt_known(const struct vtd *v, unsigned pgtt)
{
	switch (pgtt) {
	case VTD_PGTT_FIRST:
		return v->ecap & VTD_ECAP_FSTS;
	case VTD_PGTT_SECOND:
		return v->ecap & VTD_ECAP_SSTS;
	case VTD_PGTT_NESTED:
		return v->ecap & VTD_ECAP_NEST;
	case VTD_PGTT_PASS:
		return v->ecap & VTD_ECAP_PT;
	default:
		return false;
	}
}

/* 9.6: what the entry says, once present and without reserved bits. */
static int parse_pasid_entry(struct vtd *v, struct query *q, const uint64_t context[4],
			     const uint64_t raw[8], uint32_t pasid, struct context *c)
{
	unsigned pgtt = (unsigned)bits_get(raw[0], VTD_PE_PGTT);
	bool first = pgtt == VTD_PGTT_FIRST || pgtt == VTD_PGTT_NESTED;
	bool second = pgtt == VTD_PGTT_SECOND || pgtt == VTD_PGTT_NESTED;
	uint64_t fspm = bits_get(raw[2], VTD_PE_FSPM);
	unsigned levels = levels_of(v, bits_get(raw[0], VTD_PE_AW));
	uint64_t flags = privilege(v, q, context, raw, first);

	if (!pgtt_known(v, pgtt) ||
	    (first && (fspm > 1 || (fspm == 1 && !(v->cap & VTD_CAP_FS5LP)))) ||
	    (second && !levels))
		return refuse(q, VTD_FR_PE_INVALID);
	if (first)
		c->key.stage1 = first_stage(v, raw, fspm ? 5 : 4);
	if (second)
		c->key.stage2 =
			second_stage(v, raw[0] & VTD_PE_SSPTPTR, levels, raw[0] & VTD_PE_SSADE);
	c->key.kind = pgtt == VTD_PGTT_FIRST	? VTD_FIRST
		      : pgtt == VTD_PGTT_SECOND ? VTD_SECOND
		      : pgtt == VTD_PGTT_NESTED ? VTD_NESTED
						: VTD_PASS;
	set_domain(c, (uint32_t)bits_get(raw[1], VTD_PE_DID), first ? pasid : VIOMMU_NO_PASID);
	if ((v->ecap & VTD_ECAP_SMPWCS) && !(raw[1] & VTD_PE_PWSNP))
		flags |= VTD_KEY_NO_SNOOP;
	c->key.flags = (uint32_t)flags;
	return VIOMMU_OK;
}

static int parse_scalable(struct vtd *v, struct query *q, uint64_t table, struct context *c)
{
	uint64_t context[4];
	uint64_t raw[8];
	uint64_t directory;
	uint32_t pasid;
	int result = fetch_scalable_context(v, q, table, context);

	if (result)
		return result;
	c->flags = (q->fpd ? VTD_CONTEXT_FPD | VTD_CONTEXT_OWN_FPD : 0) |
		   (context[0] & VTD_SCE_DTE ? VTD_CONTEXT_DTE : 0);
	if (q->type != VIOMMU_AT_UNTRANSLATED && !(context[0] & VTD_SCE_DTE))
		return refuse(q, VTD_FR_DTE);
	if (q->type == VIOMMU_AT_TRANSLATED) { /* 4.2.4: the address is the host's */
		c->key.kind = VTD_PASS;
		return q->pasid == VIOMMU_NO_PASID ? VIOMMU_OK
						   : choose_pasid(v, q, context, &pasid);
	}
	result = choose_pasid(v, q, context, &pasid);
	if (result)
		return result;
	q->entry_pasid = pasid;
	if (!fetch(v, q, "PASID directory entry",
		   (context[0] & VTD_SCE_PASIDDIRPTR) + (pasid >> 6) * 8, &directory, 1))
		return refuse(q, VTD_FR_PDE_FETCH);
	q->fpd |= (directory & VTD_PDE_FPD) != 0;
	if (!(directory & VTD_PDE_P))
		return refuse(q, VTD_FR_PDE_ABSENT);
	if ((directory & VTD_PDE_RSVD) || vtd_above_haw(v, directory & VTD_PDE_SMPTBLPTR))
		return refuse(q, VTD_FR_PDE_RSVD);
	if (!fetch(v, q, "PASID table entry", (directory & VTD_PDE_SMPTBLPTR) + (pasid & 63) * 64,
		   raw, 8))
		return refuse(q, VTD_FR_PE_FETCH);
	q->fpd |= (raw[0] & VTD_PE_FPD) != 0;
	if (!(raw[0] & VTD_PE_P))
		return refuse(q, VTD_FR_PE_ABSENT);
	if (pasid_entry_reserved(v, raw))
		return refuse(q, VTD_FR_PE_RSVD);
	c->flags |= q->fpd ? VTD_CONTEXT_FPD : 0;
	return parse_pasid_entry(v, q, context, raw, pasid, c);
}

/* ---- both ---- */

int vtd_parse(struct viommu *u, struct query *q, struct context *context)
{
	struct vtd *v = vtd_of(u);
	uint64_t root = atomic_load_explicit(&v->root, memory_order_acquire);

	*context = (struct context){ .flags = 0 };
	set_domain(context, 0, VIOMMU_NO_PASID);
	q->entry_pasid = VIOMMU_ANY_PASID;
	q->fpd = false;
	if (!(root & VTD_ROOT_TE)) {
		context->key.kind = VTD_PASS;
		context->key.flags = (uint32_t)(VTD_KEY_RID | VTD_KEY_USER | VTD_KEY_LEGACY);
		return VIOMMU_OK;
	}
	switch (vtd_ttm(root)) {
	case VTD_TTM_LEGACY:
		return parse_legacy(v, q, root & VTD_RTADDR_RTA, context);
	case VTD_TTM_SCALABLE:
		if (v->ecap & VTD_ECAP_SMTS)
			return parse_scalable(v, q, root & VTD_RTADDR_RTA, context);
		return refuse(q, VTD_FR_TTM);
	case VTD_TTM_ABORT: /* 3.4.4: everything is blocked, and nothing recorded */
		return refuse(q, v->ecap & VTD_ECAP_ADMS ? 0 : VTD_FR_TTM);
	default:
		return refuse(q, VTD_FR_TTM);
	}
}

int vtd_page_request_allowed(struct vtd *v, struct query *q)
{
	uint64_t root = atomic_load_explicit(&v->root, memory_order_acquire);
	uint64_t raw[4];
	uint32_t pasid;
	int result;

	if (!(root & VTD_ROOT_TE) || (vtd_ttm(root) == VTD_TTM_ABORT && (v->ecap & VTD_ECAP_ADMS)))
		return refuse(q, 0);
	if (vtd_ttm(root) == VTD_TTM_LEGACY)
		return refuse(q, VTD_FR_TTM_PAGE_REQUEST);
	if (vtd_ttm(root) != VTD_TTM_SCALABLE || !(v->ecap & VTD_ECAP_SMTS))
		return refuse(q, VTD_FR_TTM);
	result = fetch_scalable_context(v, q, root & VTD_RTADDR_RTA, raw);
	if (result)
		return result;
	if (!(raw[0] & VTD_SCE_DTE))
		return refuse(q, VTD_FR_DTE);
	if (!(raw[0] & VTD_SCE_PRE))
		return refuse(q, VTD_FR_PRE);
	return choose_pasid(v, q, raw, &pasid);
}
