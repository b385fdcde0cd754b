/* SPDX-License-Identifier: BSD-3-Clause */
/* riscv_caps.c - what a configuration may present (6.3, 6.4). */

#include "riscv_engine.h"

uint64_t viommu_riscv_default_capabilities(void)
{
	return bits_put(RISCV_CAP_VERSION, 0x10) | RISCV_CAP_SV39 | RISCV_CAP_SV48 |
	       RISCV_CAP_SV57 | RISCV_CAP_SVPBMT | RISCV_CAP_SV39X4 | RISCV_CAP_SV48X4 |
	       RISCV_CAP_SV57X4 | RISCV_CAP_AMO_MRIF | RISCV_CAP_MSI_FLAT | RISCV_CAP_MSI_MRIF |
	       RISCV_CAP_AMO_HWAD | bits_put(RISCV_CAP_IGS, RISCV_IGS_BOTH) | RISCV_CAP_DBG |
	       bits_put(RISCV_CAP_PAS, 56) | RISCV_CAP_PD8 | RISCV_CAP_PD17 | RISCV_CAP_PD20;
}

#define WIDE_FIRST  (RISCV_CAP_SV39 | RISCV_CAP_SV48 | RISCV_CAP_SV57)
#define WIDE_SECOND (RISCV_CAP_SV39X4 | RISCV_CAP_SV48X4 | RISCV_CAP_SV57X4)
#define NARROW	    (RISCV_CAP_SV32 | RISCV_CAP_SV32X4)

/* GXL and, with it, SXL: 32-bit tables only beside others are a choice. */
uint64_t riscv_fctl_writable(const struct riscv *v)
{
	uint64_t bits = 0;

	if (v->cap & RISCV_CAP_END)
		bits |= RISCV_FCTL_BE;
	if (bits_get(v->cap, RISCV_CAP_IGS) == RISCV_IGS_BOTH)
		bits |= RISCV_FCTL_WSI;
	if ((v->cap & NARROW) && (v->cap & (WIDE_FIRST | WIDE_SECOND)))
		bits |= RISCV_FCTL_GXL;
	return bits;
}

uint64_t riscv_fctl_reset(const struct riscv *v)
{
	uint64_t bits = 0;

	if (bits_get(v->cap, RISCV_CAP_IGS) == RISCV_IGS_WSI)
		bits |= RISCV_FCTL_WSI;
	if ((v->cap & NARROW) && !(v->cap & (WIDE_FIRST | WIDE_SECOND)))
		bits |= RISCV_FCTL_GXL;
	return bits;
}

bool riscv_first_mode(const struct riscv *v, uint64_t satp, bool sxl)
{
	static const uint64_t caps[] = { RISCV_CAP_SV39, RISCV_CAP_SV48, RISCV_CAP_SV57 };
	uint64_t mode = bits_get(satp, RISCV_ATP_MODE);

	if (mode == RISCV_ATP_BARE)
		return true;
	if (mode < RISCV_ATP_FIRST || mode > (sxl ? RISCV_ATP_FIRST : RISCV_ATP_57))
		return false;
	return v->cap & (sxl ? RISCV_CAP_SV32 : caps[(mode - RISCV_ATP_FIRST) & 3]);
}

/* A capability that needs others. */
static const struct {
	uint64_t bit;
	uint64_t needs;
	const char *text;
} rules[] = {
	{ RISCV_CAP_SV48, RISCV_CAP_SV39, "capabilities.Sv48: needs Sv39" },
	{ RISCV_CAP_SV57, RISCV_CAP_SV48, "capabilities.Sv57: needs Sv48" },
	{ RISCV_CAP_SV48X4, RISCV_CAP_SV39X4, "capabilities.Sv48x4: needs Sv39x4" },
	{ RISCV_CAP_SV57X4, RISCV_CAP_SV48X4, "capabilities.Sv57x4: needs Sv48x4" },
	{ RISCV_CAP_MSI_MRIF, RISCV_CAP_MSI_FLAT, "capabilities.MSI_MRIF: needs MSI_FLAT" },
	{ RISCV_CAP_AMO_MRIF, RISCV_CAP_MSI_MRIF, "capabilities.AMO_MRIF: needs MSI_MRIF" },
	{ RISCV_CAP_T2GPA, RISCV_CAP_ATS, "capabilities.T2GPA: needs ATS" },
};

static int refuse(const struct riscv *v, int result, const char *text)
{
	unit_message(&v->unit, text);
	return result;
}

int riscv_check_config(struct riscv *v)
{
	const struct viommu_riscv_config *c = &v->config;

	if (v->cap & RISCV_CAP_RSVD)
		return refuse(v, VIOMMU_ENOTSUP,
			      "capabilities: reserved and custom bits are not known");
	if (bits_get(v->cap, RISCV_CAP_VERSION) != 0x10)
		return refuse(v, VIOMMU_ENOTSUP, "capabilities.version: 1.0");
	if (bits_get(v->cap, RISCV_CAP_IGS) > RISCV_IGS_BOTH)
		return refuse(v, VIOMMU_EINVAL, "capabilities.IGS: 0, 1 or 2");
	if (v->pas < 32 || v->pas > 56)
		return refuse(v, VIOMMU_EINVAL, "capabilities.PAS: 32 to 56");
	for (unsigned i = 0; i < ARRAY_COUNT(rules); i++) {
		if ((v->cap & rules[i].bit) && !(v->cap & rules[i].needs))
			return refuse(v, VIOMMU_EINVAL, rules[i].text);
	}
	if (c->ddtp > RISCV_MODE_BARE)
		return refuse(v, VIOMMU_EINVAL, "ddtp: 0 or 1");
	if (c->vectors > RISCV_VECTORS || (c->vectors & (c->vectors - 1)))
		return refuse(v, VIOMMU_EINVAL, "vectors: 1, 2, 4, 8 or 16");
	if (c->counters > RISCV_COUNTERS)
		return refuse(v, VIOMMU_EINVAL, "counters: 1 to 31");
	return c->qosid_bits > 12 ? refuse(v, VIOMMU_EINVAL, "qosid_bits: 1 to 12") : VIOMMU_OK;
}
