/* SPDX-License-Identifier: BSD-3-Clause */
/* amdvi_caps.c - which features a configuration may present (3.2, 3.4.5), and what is the default. */

#include "amdvi_engine.h"

/* Features that nothing here implements: presenting them would be a lie. */
static const struct {
	uint64_t bits;
	const char *message;
} efr_absent[] = {
	{ AMD_EFR_PC, "EFR.PCSup: performance counters are not implemented" },
	{ AMD_EFR_SMIF | AMD_EFR_SMIFRC, "EFR.SmiFSup: SMI filters are not implemented" },
	{ AMD_EFR_DUAL_PPR, "EFR.DualPprLogSup: a second PPR log is not implemented" },
	{ AMD_EFR_DUAL_EVT, "EFR.DualEventLogSup: a second event log is not implemented" },
	{ AMD_EFR_SATS, "EFR.SATSSup: secure ATS is not implemented" },
	{ AMD_EFR_PPR_EARLY, "EFR.PprOvrflwEarlySup: early warning is not implemented" },
	{ AMD_EFR_MARC, "EFR.MarcSup: memory access routing is not implemented" },
	{ AMD_EFR_BLK_STOP_MRK, "EFR.BlkStopMrkSup: blocking stop markers is not implemented" },
	{ AMD_EFR_EPH, "EFR.EPHSup: enhanced PPR handling is not implemented" },
	{ AMD_EFR_VIOMMU | AMD_EFR_VM_GUARD | AMD_EFR_VM_TABLE, "EFR.vIommuSup: vIOMMU is not implemented" },
	{ AMD_EFR_SNP, "EFR.SNPSup: secure nested paging is not implemented" },
	{ AMD_EFR_RSVD_26 | AMD_EFR_RSVD_30, "EFR: a reserved bit is set" },
}, efr2_absent[] = {
	{ AMD_EFR2_SNP_IO | AMD_EFR2_SNP_AVIC, "EFR2: secure nested paging is not implemented" },
	{ ~(AMD_EFR2_SNP_IO | AMD_EFR2_SNP_AVIC | AMD_EFR2_GCR3_TRP | AMD_EFR2_GAPPI_DIS | AMD_EFR2_INT_REMAP |
	    AMD_EFR2_HT_IGNORE),
	  "EFR2: a reserved bit is set" },
};

/* Features that make no sense without another one. */
static const struct {
	uint64_t efr;	/* these bits ... */
	uint64_t needs; /* ... need all of these */
	const char *message;
} needs[] = {
	{ AMD_EFR_GAM | AMD_EFR_XT, AMD_EFR_GA, "EFR: GAMSup and XTSup need GASup" },
	{ AMD_EFR_GAPPI | AMD_EFR_GA_UPDATE, AMD_EFR_GA,
	  "EFR: GAPPISup and GAUpdateDisSup need GASup" },
	{ AMD_EFR_GIO | AMD_EFR_US | AMD_EFR_HD_DIS, AMD_EFR_GT,
	  "EFR: GIoSup, USSup and v2HDDisSup need GTSup" },
	{ AMD_EFR_PPR_AUTO, AMD_EFR_PPR, "EFR: PprAutoRspSup needs PPRSup" },
	{ AMD_EFR_HD, AMD_EFR_HA, "EFR: HDSup needs HASup" },
};

static int refuse(const struct amdvi *v, int result, const char *message)
{
	unit_message(&v->unit, message);
	return result;
}

static int check_values(const struct amdvi *v)
{
	if (bits_get(v->efr, AMD_EFR_GAM) > AMD_GAM_VAPIC)
		return refuse(v, VIOMMU_ENOTSUP, "EFR.GAMSup: at most 1");
	if (bits_get(v->efr, AMD_EFR_GATS) > 2)
		return refuse(v, VIOMMU_EINVAL, "EFR.GATS: at most 2");
	if (bits_get(v->efr, AMD_EFR_GLX) > 2)
		return refuse(v, VIOMMU_EINVAL, "EFR.GLXSup: at most 2");
	if (bits_get(v->efr, AMD_EFR_PASMAX) > 19)
		return refuse(v, VIOMMU_EINVAL, "EFR.PASMax: at most 19, 20-bit PASIDs");
	if (bits_get(v->efr2, AMD_EFR2_INT_REMAP) > 1)
		return refuse(v, VIOMMU_EINVAL, "EFR2.NumIntRemapSup: at most 1, 2048 entries");
	if (v->capability & AMD_CAP_HT_TUNNEL)
		return refuse(v, VIOMMU_ENOTSUP,
			      "capability: HyperTransport tunnels are not implemented");
	if ((v->capability &
	     ~(uint32_t)(AMD_CAP_IOTLB | AMD_CAP_NP_CACHE | AMD_CAP_EFR | AMD_CAP_EXT)) ||
	    !(v->capability & AMD_CAP_EFR))
		return refuse(v, VIOMMU_EINVAL,
			      "capability: EFR, and IOTLB, NP_CACHE and EXT at will");
	for (unsigned i = 0; i < AMDVI_LOGS; i++) {
		if (v->message[i] > 31)
			return refuse(v, VIOMMU_EINVAL, "msi_event, msi_ppr, msi_ga: at most 31");
	}
	return VIOMMU_OK;
}

int amdvi_check_caps(const struct amdvi *v)
{
	for (unsigned i = 0; i < ARRAY_COUNT(efr_absent); i++) {
		if (v->efr & efr_absent[i].bits)
			return refuse(v, VIOMMU_ENOTSUP, efr_absent[i].message);
	}
	for (unsigned i = 0; i < ARRAY_COUNT(efr2_absent); i++) {
		if (v->efr2 & efr2_absent[i].bits)
			return refuse(v, VIOMMU_ENOTSUP, efr2_absent[i].message);
	}
	for (unsigned i = 0; i < ARRAY_COUNT(needs); i++) {
		if ((v->efr & needs[i].efr) && (v->efr & needs[i].needs) != needs[i].needs)
			return refuse(v, VIOMMU_EINVAL, needs[i].message);
	}
	return check_values(v);
}

/* 48-bit guest addresses, 52-bit physical ones, 64-bit ones of devices. */
uint32_t amdvi_misc0(const struct amdvi *v)
{
	return (uint32_t)(bits_put(AMD_MISC0_MSI, v->message[AMDVI_LOG_EVENT]) |
			  bits_put(AMD_MISC0_GVA, 2) | bits_put(AMD_MISC0_PA, 52) |
			  bits_put(AMD_MISC0_VA, 64) |
			  bits_put(AMD_MISC0_MSI_PPR, v->message[AMDVI_LOG_PPR]));
}

uint32_t amdvi_misc1(const struct amdvi *v)
{
	return (uint32_t)bits_put(AMD_MISC1_MSI_GA, v->message[AMDVI_LOG_GA]);
}

uint64_t viommu_amdvi_default_efr(void)
{
	return AMD_EFR_PPR | AMD_EFR_XT | AMD_EFR_NX | AMD_EFR_GT | AMD_EFR_IA | AMD_EFR_GA |
	       bits_put(AMD_EFR_HATS, 2) | bits_put(AMD_EFR_GLX, 1) | bits_put(AMD_EFR_PASMAX, 15) |
	       AMD_EFR_US | AMD_EFR_GIO | AMD_EFR_HA | AMD_EFR_HD;
}

uint64_t viommu_amdvi_default_efr2(void)
{
	return AMD_EFR2_GCR3_TRP | bits_put(AMD_EFR2_INT_REMAP, 1) | AMD_EFR2_HT_IGNORE;
}
