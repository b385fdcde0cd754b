/* SPDX-License-Identifier: BSD-3-Clause */
/* smmuv3_caps.c - what an SMMU may be: identification registers that are consistent, and of features that there are. */

#include "smmuv3_engine.h"

/* What is not there, by name. */
static const struct {
	unsigned idr;
	uint64_t bits;
	const char *message;
} absent[] = {
	{ 0, IDR0_BTM, "IDR0.BTM: TLB maintenance that processors broadcast is not seen" },
	{ 0, IDR0_VATOS, "IDR0.VATOS: not implemented" },
	{ 0, IDR0_RME, "IDR0.RME_IMPL: no Realm state" },
	{ 1, IDR1_QUEUES_PRESET, "IDR1.QUEUES_PRESET: not implemented" },
	{ 1, IDR1_TABLES_PRESET, "IDR1.TABLES_PRESET: not implemented" },
	{ 1, IDR1_ECMDQ, "IDR1.ECMDQ: not implemented" },
	{ 3, IDR3_MPAM, "IDR3.MPAM: not implemented" },
	{ 3, IDR3_PTWNNC, "IDR3.PTWNNC: not implemented" },
	{ 3, IDR3_DPT, "IDR3.DPT: not implemented" },
	{ 3, IDR3_S1PI, "IDR3.S1PI: no permission indirection" },
	{ 3, IDR3_S2PI, "IDR3.S2PI: no permission indirection" },
	{ 3, IDR3_S2PO, "IDR3.S2PO: no permission overlays" },
	{ 3, IDR3_THE, "IDR3.THE: not implemented" },
	{ 3, IDR3_MTEPERM, "IDR3.MTEPERM: not implemented" },
	{ 3, IDR3_AIE, "IDR3.AIE: not implemented" },
	{ 5, IDR5_D128, "IDR5.D128: no descriptors of 128 bits" },
};

/* Bits that are reserved, or whose register is 0. */
static const struct {
	unsigned idr;
	uint64_t bits;
	const char *message;
} reserved[] = {
	{ 0, IDR0_RSVD_29 | IDR0_RSVD_31, "IDR0: bits 29 and 31 are reserved" },
	{ 2, UINT32_MAX, "IDR2: 0 without VATOS" },
	{ 3, IDR3_RSVD_LO | IDR3_RSVD_6 | IDR3_RSVD_HI, "IDR3: reserved bits are set" },
	{ 4, UINT32_MAX, "IDR4: 0" },
	{ 5, IDR5_RSVD_3 | IDR5_RSVD_9 | IDR5_RSVD_12, "IDR5: reserved bits are set" },
};

/* What needs something else of IDR0. (That of a stage that is not there is no matter: machines have it so.) */
static const struct {
	unsigned idr;
	uint64_t bits;
	uint64_t needs;
	const char *message;
} needs[] = {
	{ 0, IDR0_HYP, IDR0_S1P | IDR0_S2P, "IDR0.Hyp: needs S1P and S2P" },
	{ 0, IDR0_PRI, IDR0_ATS, "IDR0.PRI: needs ATS" },
	{ 0, IDR0_NS1ATS, IDR0_ATS, "IDR0.NS1ATS: needs ATS" },
	{ 0, IDR0_ATSRECERR, IDR0_ATS, "IDR0.ATSRECERR: needs ATS" },
	{ 0, IDR0_VMW, IDR0_S2P, "IDR0.VMW: needs S2P" },
	{ 1, IDR1_SSIDSIZE, IDR0_S1P, "IDR1.SSIDSIZE: substreams need S1P" },
	{ 3, IDR3_PPS, IDR0_PRI, "IDR3.PPS: needs PRI" },
	{ 3, IDR3_PASIDTT, IDR0_ATS, "IDR3.PASIDTT: needs ATS" },
};

static int refuse(const struct viommu_host *host, int result, const char *message)
{
	if (host->message)
		host->message(host->opaque, message);
	return result;
}

unsigned smmu_address_bits(uint64_t size)
{
	static const uint8_t bits[] = { 32, 36, 40, 42, 44, 48, 52, 56 };

	return bits[size & 7];
}

static const char *bad_sizes(const struct smmu *s)
{
	uint64_t idr1 = smmu_idr(s, 1);

	if (bits_get(idr1, IDR1_SIDSIZE) > 32)
		return "IDR1.SIDSIZE: at most 32";
	if (bits_get(idr1, IDR1_SIDSIZE) >= 7 && !(smmu_idr(s, 0) & IDR0_ST_LEVEL))
		return "IDR1.SIDSIZE: 7 or more need two levels, IDR0.ST_LEVEL";
	if (bits_get(idr1, IDR1_SSIDSIZE) > 20)
		return "IDR1.SSIDSIZE: at most 20";
	if (bits_get(idr1, IDR1_PRIQS) > 19 || bits_get(idr1, IDR1_EVENTQS) > 19 ||
	    bits_get(idr1, IDR1_CMDQS) > 19)
		return "IDR1: PRIQS, EVENTQS and CMDQS are at most 19";
	return NULL;
}

static const char *bad_tables(const struct smmu *s)
{
	uint64_t idr0 = smmu_idr(s, 0);
	uint64_t idr5 = smmu_idr(s, 5);

	if (!(idr0 & (IDR0_S1P | IDR0_S2P)))
		return "IDR0: neither S1P nor S2P";
	if (bits_get(idr0, IDR0_ST_LEVEL) > 1)
		return "IDR0.ST_LEVEL: 0 or 1";
	if (bits_get(idr0, IDR0_TTENDIAN) == 1)
		return "IDR0.TTENDIAN: 1 is reserved";
	if (!(idr5 & (IDR5_GRAN4K | IDR5_GRAN16K | IDR5_GRAN64K)))
		return "IDR5: no granule";
	if (bits_get(idr5, IDR5_OAS) > 6)
		return "IDR5.OAS: at most 6, 52 bits";
	if (bits_get(idr5, IDR5_VAX) > 1)
		return "IDR5.VAX: 0 or 1, 48 or 52 bits";
	if ((idr5 & IDR5_DS) && bits_get(idr5, IDR5_VAX) == 0)
		return "IDR5.DS: needs VAX";
	return NULL;
}

static const char *bad_stalls(const struct smmu *s)
{
	uint64_t model = bits_get(smmu_idr(s, 0), IDR0_STALL_MODEL);

	if (model == 3)
		return "IDR0.STALL_MODEL: 3 is reserved";
	if ((model == 1) != (bits_get(smmu_idr(s, 5), IDR5_STALL_MAX) == 0))
		return "IDR5.STALL_MAX: how many transactions stall, 0 only if none does (IDR0.STALL_MODEL 1)";
	return NULL;
}

static const char *bad_rest(const struct smmu *s)
{
	if (s->config.aidr > 4)
		return "aidr: 0 to 4, SMMUv3.0 to 3.4";
	if (s->config.gbpa & ~GBPA_FIELDS)
		return "gbpa: reserved bits, or Update";
	if (s->config.reserved)
		return "reserved: 0";
	return NULL;
}

int smmu_check_config(const struct smmu *s, const struct viommu_host *host)
{
	const char *bad = NULL;

	for (unsigned i = 0; i < ARRAY_COUNT(absent); i++) {
		if (smmu_idr(s, absent[i].idr) & absent[i].bits)
			return refuse(host, VIOMMU_ENOTSUP, absent[i].message);
	}
	if (bits_get(smmu_idr(s, 0), IDR0_TTF) != 2)
		return refuse(host, VIOMMU_ENOTSUP, "IDR0.TTF: AArch64 tables only (2)");
	for (unsigned i = 0; i < ARRAY_COUNT(reserved) && !bad; i++) {
		if (smmu_idr(s, reserved[i].idr) & reserved[i].bits)
			bad = reserved[i].message;
	}
	for (unsigned i = 0; i < ARRAY_COUNT(needs) && !bad; i++) {
		if ((smmu_idr(s, needs[i].idr) & needs[i].bits) &&
		    (smmu_idr(s, 0) & needs[i].needs) != needs[i].needs)
			bad = needs[i].message;
	}
	bad = bad ? bad : bad_sizes(s);
	bad = bad ? bad : bad_tables(s);
	bad = bad ? bad : bad_stalls(s);
	bad = bad ? bad : bad_rest(s);
	return bad ? refuse(host, VIOMMU_EINVAL, bad) : VIOMMU_OK;
}

uint32_t viommu_smmuv3_default_idr(uint32_t number)
{
	static const uint64_t idr[] = {
		[0] = IDR0_S2P | IDR0_S1P | UINT64_C(2) << 2 | IDR0_COHACC | UINT64_C(2) << 6 |
		      IDR0_HYP | IDR0_ASID16 | IDR0_MSI | IDR0_VMID16 | UINT64_C(2) << 21 |
		      UINT64_C(1) << 24 | IDR0_TERM_MODEL | UINT64_C(1) << 27,
		[1] = 16 | UINT64_C(19) << 16 | UINT64_C(19) << 21,
		[3] = IDR3_HAD | IDR3_XNX | IDR3_RIL | UINT64_C(2) << 11,
		[5] = 5 | IDR5_GRAN4K | IDR5_GRAN16K | IDR5_GRAN64K,
	};

	return number < ARRAY_COUNT(idr) ? (uint32_t)idr[number] : 0;
}
