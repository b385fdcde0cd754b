/* SPDX-License-Identifier: BSD-3-Clause */
/* vtd_nesting.c - first stages that the host walks (nesting.h): what it is told of them, what it tells, and what it has to
 * have. */

#include <stddef.h>

#include "pt_x86.h"
#include "vtd_engine.h"

/* The kernel's struct iommu_hwpt_vtd_s1: flags, root, address width. */
#define S1_SRE	BIT(0)
#define S1_EAFE BIT(1)
#define S1_WPE	BIT(2)

static void first_stage(const struct context *c, struct viommu_nested_stage *stage)
{
	const struct pt_config *tables = &c->key.stage1;
	const uint32_t width = tables->in_bits;

	*stage = (struct viommu_nested_stage){ .type = VIOMMU_NESTED_VTD_S1, .bytes = 24 };
	stage->data[0] = (c->key.flags & VTD_KEY_NO_SUPERVISOR ? 0 : S1_SRE) |
			 (tables->flags & PT_X86_EAFE ? S1_EAFE : 0) |
			 (tables->flags & PT_X86_WPE ? S1_WPE : 0);
	stage->data[1] = tables->root;
	memcpy(&stage->data[2], &width, sizeof(width)); /* a word of 32 bits, and one that is 0 */
}

uint32_t vtd_nest(struct viommu *u, struct viommu_device *device, uint32_t pasid,
		  struct viommu_nested_stage *stage)
{
	struct query q = { .device = device, .pasid = pasid, .quiet = true, .access = VIOMMU_READ };
	struct context context;

	if (unit_parse_now(u, &q, &context) != VIOMMU_OK)
		return VIOMMU_MODE_BLOCK;
	if (context.key.kind == VTD_PASS)
		return VIOMMU_MODE_BYPASS;
	if (context.key.kind == VTD_FIRST)
		first_stage(&context, stage);
	return VIOMMU_MODE_TRANSLATE;
}

/* 11.4.14: a record of the host's, as far as it is the request's and not the register's. */
int vtd_report(struct viommu *u, struct viommu_device *device, const uint64_t *record,
	       uint32_t words)
{
	uint64_t high = words == 2 ? record[1] : 0;
	unsigned reason = (unsigned)bits_get(high, VTD_FRCD_FR);
	struct query q = { .device = device,
			   .id = atomic_load_explicit(&device->id, memory_order_relaxed),
			   .iova = words ? record[0] : 0,
			   .pasid = high & VTD_FRCD_PP ? (uint32_t)bits_get(high, VTD_FRCD_PV)
						       : VIOMMU_NO_PASID,
			   .type = (uint16_t)bits_get(high, VTD_FRCD_AT) };

	/* interrupt requests are not nested, and have records of another form */
	if (words != 2 || !reason || !vtd_reason_text(reason) ||
	    (reason >= VTD_FR_IR_REQUEST_RSVD && reason <= VTD_FR_IR_REQUEST) ||
	    q.type > VIOMMU_AT_TRANSLATED)
		return VIOMMU_EINVAL;
	q.access = (uint16_t)((high & VTD_FRCD_T1 ? VIOMMU_READ : VIOMMU_WRITE) |
			      (high & VTD_FRCD_T1 && high & VTD_FRCD_T2 ? VIOMMU_WRITE : 0) |
			      (high & VTD_FRCD_PRIV ? VIOMMU_PRIV : 0) |
			      (high & VTD_FRCD_EXE ? VIOMMU_EXEC : 0));
	vtd_fault(vtd_of(u), &q, reason);
	return VIOMMU_OK;
}

/* ---- what the host has to have ---- */

/* Capabilities of first stages, of which the guest gets those that the host has. */
#define CAP_HOST  (VTD_CAP_FS5LP | VTD_CAP_FS1GP)
#define ECAP_HOST (VTD_ECAP_DT | VTD_ECAP_PRS | VTD_ECAP_SRS | VTD_ECAP_EAFS | VTD_ECAP_PASID)
/* Those that the kernel's interface has no place for: second stages of the guest's, execute permission, whose snooping is
 * the guest's. Page requests that are drained. */
#define ECAP_NEVER                                                                                 \
	(VTD_ECAP_NEST | VTD_ECAP_SSTS | VTD_ECAP_SSADS | VTD_ECAP_ERS | VTD_ECAP_RPRIVS |         \
	 VTD_ECAP_PDS | VTD_ECAP_NWFS | VTD_ECAP_SMS)

static uint64_t fit_ecap(uint64_t ecap, uint64_t host)
{
	uint64_t pss = bits_get(ecap, VTD_ECAP_PSS);

	ecap &= ~ECAP_NEVER & (host | ~(uint64_t)ECAP_HOST);
	if (!(ecap & VTD_ECAP_DT))
		ecap &= ~VTD_ECAP_PRS;
	pss = pss < bits_get(host, VTD_ECAP_PSS) ? pss : bits_get(host, VTD_ECAP_PSS);
	ecap &= ~VTD_ECAP_PSS;
	return ecap | (ecap & VTD_ECAP_PASID ? bits_put(VTD_ECAP_PSS, pss) : 0);
}

int viommu_vtd_fit(struct viommu_vtd_config *config, uint64_t host_cap, uint64_t host_ecap)
{
	const uint64_t needs = VTD_ECAP_SMTS | VTD_ECAP_NEST | VTD_ECAP_FSTS;

	if (!config || config->size < offsetof(struct viommu_vtd_config, version))
		return VIOMMU_EINVAL;
	if ((host_ecap & needs) != needs)
		return VIOMMU_ENOTSUP;
	if (!config->cap) {
		config->cap = viommu_vtd_default_cap();
		config->ecap =
			viommu_vtd_default_ecap() | VTD_ECAP_SMTS | VTD_ECAP_FSTS | VTD_ECAP_SMPWCS;
	}
	if ((config->ecap & (VTD_ECAP_SMTS | VTD_ECAP_FSTS)) != (VTD_ECAP_SMTS | VTD_ECAP_FSTS))
		return VIOMMU_ENOTSUP;
	config->cap &= host_cap | ~(uint64_t)CAP_HOST;
	config->cap |= VTD_CAP_CM;
	config->ecap = fit_ecap(config->ecap, host_ecap);
	return VIOMMU_OK;
}
