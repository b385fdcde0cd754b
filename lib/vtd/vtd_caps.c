/* SPDX-License-Identifier: BSD-3-Clause */
/* vtd_caps.c - which capability registers a configuration may present (11.4.2, 11.4.3), and what is
 * the default. */

#include "vtd_engine.h"

/* Features that nothing here implements: presenting them would be a lie. */
static const struct {
	uint64_t bits;
	const char *message;
} cap_absent[] = {
	{ VTD_CAP_AFL, "CAP.AFL: the advanced fault log is not implemented" },
	{ VTD_CAP_ECMDS, "CAP.ECMDS: enhanced commands are not implemented" },
	{ VTD_CAP_RSVD_13 | VTD_CAP_RSVD_23 | VTD_CAP_RSVD_38 | VTD_CAP_RSVD_57, "CAP: a reserved bit is set" },
}, ecap_absent[] = {
	{ VTD_ECAP_MTS, "ECAP.MTS: memory types are not implemented" },
	{ VTD_ECAP_DIT, "ECAP.DIT: invalidation throttling is not implemented" },
	{ VTD_ECAP_VCS, "ECAP.VCS: virtual commands are not implemented" },
	{ VTD_ECAP_PMS, "ECAP.PMS: performance monitoring is not implemented" },
	{ VTD_ECAP_RSVD_5 | VTD_ECAP_RSVD_18 | VTD_ECAP_RSVD_24 | VTD_ECAP_RSVD_27 | VTD_ECAP_RSVD_32 |
		  VTD_ECAP_RSVD_50 | VTD_ECAP_RSVD_54 | VTD_ECAP_RSVD_59,
	  "ECAP: a reserved bit is set" },
};

/* Capabilities that make no sense without another one. */
static const struct {
	uint64_t cap; /* these bits ... */
	uint64_t ecap;
	uint64_t needs; /* ... need all of these in ECAP */
	const char *message;
} needs[] = {
	{ 0, VTD_ECAP_DT | VTD_ECAP_IR | VTD_ECAP_SMTS, VTD_ECAP_QI,
	  "ECAP: DT, IR and SMTS need QI" },
	{ VTD_CAP_PI, VTD_ECAP_EIM | VTD_ECAP_MHMV, VTD_ECAP_IR,
	  "ECAP: EIM, MHMV and CAP.PI need IR" },
	{ 0, VTD_ECAP_PRS | VTD_ECAP_NWFS | VTD_ECAP_PDS, VTD_ECAP_DT,
	  "ECAP: PRS, NWFS and PDS need DT" },
	{ 0,
	  VTD_ECAP_NEST | VTD_ECAP_PRS | VTD_ECAP_SRS | VTD_ECAP_PASID | VTD_ECAP_FSTS |
		  VTD_ECAP_SSTS | VTD_ECAP_SSADS | VTD_ECAP_SMPWCS | VTD_ECAP_RPS,
	  VTD_ECAP_SMTS,
	  "ECAP: NEST, PRS, SRS, PASID, FSTS, SSTS, SSADS, SMPWCS and RPS need SMTS" },
	{ 0, VTD_ECAP_ERS, VTD_ECAP_PASID, "ECAP: ERS needs PASID" },
	{ 0, VTD_ECAP_RPRIVS, VTD_ECAP_SRS, "ECAP: RPRIVS needs SRS" },
	{ VTD_CAP_FS5LP | VTD_CAP_FS1GP, VTD_ECAP_NEST | VTD_ECAP_EAFS, VTD_ECAP_FSTS,
	  "ECAP: NEST, EAFS, CAP.FS5LP and FS1GP need FSTS" },
	{ 0, VTD_ECAP_NEST | VTD_ECAP_SSADS, VTD_ECAP_SSTS, "ECAP: NEST and SSADS need SSTS" },
	{ 0, VTD_ECAP_EAFS | VTD_ECAP_SSADS, VTD_ECAP_SMPWCS, "ECAP: EAFS and SSADS need SMPWCS" },
	{ 0, VTD_ECAP_SMS, VTD_ECAP_PRS, "ECAP: SMS needs PRS" },
};

static int refuse(const struct vtd *v, int result, const char *message)
{
	if (v->unit.host.message)
		v->unit.host.message(v->unit.host.opaque, message);
	return result;
}

/* Fields whose value has to make sense by itself. */
static int check_values(const struct vtd *v)
{
	uint64_t sslps = bits_get(v->cap, VTD_CAP_SSLPS);
	uint64_t mgaw = bits_get(v->cap, VTD_CAP_MGAW) + 1;

	if (bits_get(v->cap, VTD_CAP_ND) > 6)
		return refuse(v, VIOMMU_EINVAL, "CAP.ND: at most 6, 16-bit domain ids");
	if (bits_get(v->cap, VTD_CAP_SAGAW) & ~UINT64_C(0xe))
		return refuse(v, VIOMMU_ENOTSUP,
			      "CAP.SAGAW: 3, 4 and 5 levels only (bits 9 to 11)");
	if (mgaw > 57)
		return refuse(v, VIOMMU_EINVAL, "CAP.MGAW: at most 57 bits");
	if (sslps != 0 && sslps != 1 && sslps != 3)
		return refuse(v, VIOMMU_EINVAL, "CAP.SSLPS: none, 2 MiB, or 2 MiB and 1 GiB");
	if (bits_get(v->cap, VTD_CAP_MAMV) > 51)
		return refuse(v, VIOMMU_EINVAL, "CAP.MAMV: at most 51");
	if (bits_get(v->ecap, VTD_ECAP_PSS) > 19 ||
	    (bits_get(v->ecap, VTD_ECAP_PSS) && !(v->ecap & VTD_ECAP_PASID)))
		return refuse(v, VIOMMU_EINVAL,
			      "ECAP.PSS: at most 19, 20-bit PASIDs, and 0 without PASID");
	if ((v->ecap & VTD_ECAP_SMTS) && !(v->ecap & (VTD_ECAP_FSTS | VTD_ECAP_SSTS | VTD_ECAP_PT)))
		return refuse(v, VIOMMU_EINVAL, "ECAP.SMTS: needs FSTS, SSTS or PT");
	if (v->haw < 36 || v->haw > 52)
		return refuse(v, VIOMMU_EINVAL, "haw: 36 to 52 bits");
	if (v->version & ~0xffU)
		return refuse(v, VIOMMU_EINVAL, "version: major in bits 7:4, minor in bits 3:0");
	return VIOMMU_OK;
}

int vtd_check_caps(const struct vtd *v)
{
	for (unsigned i = 0; i < ARRAY_COUNT(cap_absent); i++) {
		if (v->cap & cap_absent[i].bits)
			return refuse(v, VIOMMU_ENOTSUP, cap_absent[i].message);
	}
	for (unsigned i = 0; i < ARRAY_COUNT(ecap_absent); i++) {
		if (v->ecap & ecap_absent[i].bits)
			return refuse(v, VIOMMU_ENOTSUP, ecap_absent[i].message);
	}
	for (unsigned i = 0; i < ARRAY_COUNT(needs); i++) {
		bool wanted = (v->cap & needs[i].cap) || (v->ecap & needs[i].ecap);

		if (wanted && (v->ecap & needs[i].needs) != needs[i].needs)
			return refuse(v, VIOMMU_EINVAL, needs[i].message);
	}
	return check_values(v);
}

uint64_t viommu_vtd_default_cap(void)
{
	return bits_put(VTD_CAP_ND, 6) | bits_put(VTD_CAP_SAGAW, 6) | bits_put(VTD_CAP_MGAW, 47) |
	       bits_put(VTD_CAP_FRO, 0x22) | bits_put(VTD_CAP_SSLPS, 3) | VTD_CAP_PSI |
	       bits_put(VTD_CAP_NFR, 7) | bits_put(VTD_CAP_MAMV, 18) | VTD_CAP_DWD | VTD_CAP_DRD |
	       VTD_CAP_ESIRTPS | VTD_CAP_ESRTPS;
}

uint64_t viommu_vtd_default_ecap(void)
{
	return VTD_ECAP_C | VTD_ECAP_QI | VTD_ECAP_IR | VTD_ECAP_EIM | VTD_ECAP_PT | VTD_ECAP_SC |
	       bits_put(VTD_ECAP_IRO, 0xf) | bits_put(VTD_ECAP_MHMV, 15);
}
