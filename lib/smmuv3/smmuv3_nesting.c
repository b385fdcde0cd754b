/* SPDX-License-Identifier: BSD-3-Clause */
/* smmuv3_nesting.c - first stages that the host walks (nesting.h): what it is told of them, what it tells, and what it has to
 * have. The host reads context descriptors by itself. */

#include <stddef.h>

#include "nested.h"
#include "smmuv3_engine.h"

/* Of words 0 and 1 of an STE, what the kernel takes (struct iommu_hwpt_arm_smmuv3). */
#define STE0_HOST (STE0_V | STE0_CONFIG | STE0_S1FMT | STE0_S1CONTEXTPTR | STE0_S1CDMAX)
#define STE1_HOST (STE1_S1DSS | STE1_S1CIR | STE1_S1COR | STE1_S1CSH | STE1_S1STALLD | STE1_EATS)

static void first_stage(const struct smmu *s, const struct smmu_ste *ste,
			struct viommu_nested_stage *stage)
{
	*stage = (struct viommu_nested_stage){ .type = VIOMMU_NESTED_SMMUV3, .bytes = 16 };
	stage->data[0] = htole64(ste->word[0] & STE0_HOST);
	stage->data[1] = htole64(ste->word[1] & STE1_HOST &
				 ~(smmu_idr(s, 0) & IDR0_ATS ? 0 : (uint64_t)STE1_EATS));
}

uint32_t smmu_nest(struct viommu *u, struct viommu_device *device, uint32_t pasid,
		   struct viommu_nested_stage *stage)
{
	struct smmu *s = smmu_of(u);
	struct query q = { .device = device,
			   .id = atomic_load_explicit(&device->id, memory_order_relaxed),
			   .pasid = pasid,
			   .quiet = true };
	struct smmu_ste ste;

	if (pasid != VIOMMU_NO_PASID || q.id == VIOMMU_NO_ID)
		return VIOMMU_MODE_BLOCK;
	if (!(smmu_control(s) & CR0_SMMUEN))
		return atomic_load(&s->gbpa) & GBPA_ABORT ? VIOMMU_MODE_BLOCK : VIOMMU_MODE_BYPASS;
	if (smmu_ste_fetch(s, &q, &ste) != VIOMMU_OK || !smmu_ste_is_legal(s, &ste) ||
	    smmu_ste_config(&ste) < STE_CONFIG_BYPASS)
		return VIOMMU_MODE_BLOCK;
	if (smmu_ste_config(&ste) == STE_CONFIG_BYPASS)
		return VIOMMU_MODE_BYPASS;
	/* a second stage of the guest's, and a hypervisor's StreamWorld, are nothing that the host has */
	if (smmu_ste_config(&ste) == STE_CONFIG_S1 &&
	    !((smmu_idr(s, 0) & IDR0_HYP) && bits_get(ste.word[1], STE1_STRW)))
		first_stage(s, &ste, stage);
	return VIOMMU_MODE_TRANSLATE;
}

/* 7.3: a record as the host has it, of a request that did not stall. */
int smmu_report(struct viommu *u, struct viommu_device *device, const uint64_t *record,
		uint32_t words)
{
	uint64_t word[4];
	uint32_t type;

	if (words != ARRAY_COUNT(word))
		return VIOMMU_EINVAL;
	memcpy(word, record, sizeof(word));
	type = (uint32_t)bits_get(word[0], EVENT0_TYPE);
	if (!type || !smmu_reason_text(type) || (word[1] & EVENT1_STALL))
		return VIOMMU_EINVAL;
	word[0] = (word[0] & ~EVENT0_SID) |
		  bits_put(EVENT0_SID, atomic_load_explicit(&device->id, memory_order_relaxed));
	smmu_record_event(smmu_of(u), word, false, false);
	return VIOMMU_OK;
}

/* ---- commands ---- */

/* An STE is read again, and installed if it is another one; what the host has read of its context descriptors goes, too. */
static void forget_structures(struct smmu *s, const uint64_t *word, unsigned lg2)
{
	uint32_t mask = (uint32_t)bits_low(lg2);
	uint32_t sid = (uint32_t)bits_get(word[0], CMD_SID);

	nesting_each_command(&s->unit, sid & ~mask, sid | mask, CMD_CFGI_CD_ALL);
}

void smmu_hand_over(struct smmu *s, unsigned op, const uint64_t *word)
{
	/* what removes entries of a second stage removes those that hang on it; the host has another one */
	static const uint64_t everything[2] = { CMD_NSNH_ALL };
	struct viommu_device *device;

	if (LIKELY(!s->unit.nestings))
		return;
	switch (op) {
	case CMD_CFGI_CD:
	case CMD_CFGI_CD_ALL:
	case CMD_ATC_INV:
		device = device_get(&s->unit, (uint32_t)bits_get(word[0], CMD_SID));
		if (!device)
			return;
		nesting_device_command(device, word);
		device_put(device);
		return;
	case CMD_NH_ALL:
	case CMD_NH_ASID:
	case CMD_NH_VA:
	case CMD_NH_VAA:
	case CMD_NSNH_ALL:
		nesting_command(&s->unit, word);
		return;
	case CMD_CFGI_STE: /* 4.3.1: with all that hangs on it */
		forget_structures(s, word, 0);
		return;
	case CMD_CFGI_RANGE:
		forget_structures(s, word, (unsigned)bits_get(word[1], CMD_CFGI_RANGE_OF) + 1);
		return;
	case CMD_S12_VMALL:
	case CMD_S2_IPA:
		nesting_command(&s->unit, everything);
		return;
	default: /* EL2 is not nested */
		return;
	}
}

/* ---- what the host has to have ---- */

/* Of each register, what the guest gets only if the host has it; and what the kernel's interface has no place for. Sizes of the
 * stream table and of addresses are the guest's own affair, since the engine reads the one, and the VMM maps the other. */
static const struct {
	uint64_t host;
	uint64_t never;
} fits[6] = {
	[0] = { IDR0_CD2L | IDR0_ASID16, IDR0_S2P | IDR0_HTTU | IDR0_HYP | IDR0_NS1ATS | IDR0_ATOS |
						 IDR0_PRI | IDR0_VMW | IDR0_VMID16 |
						 IDR0_ATSRECERR },
	[3] = { IDR3_RIL, IDR3_HAD | IDR3_PBHA | IDR3_XNX | IDR3_PPS | IDR3_FWB | IDR3_STT |
				  IDR3_E0PD | IDR3_PASIDTT | IDR3_EPAN },
	[5] = { IDR5_GRAN4K | IDR5_GRAN16K | IDR5_GRAN64K, IDR5_DS | IDR5_STALL_MAX },
};

static void fit_least(uint32_t *idr, uint32_t host, uint64_t field)
{
	if (bits_get(*idr, field) > bits_get(host, field))
		*idr = (uint32_t)((*idr & ~field) | (host & field));
}

static void fit_take(uint32_t *idr, uint64_t field, uint64_t value)
{
	*idr = (uint32_t)((*idr & ~field) | bits_put(field, value));
}

int viommu_smmuv3_fit(struct viommu_smmuv3_config *config, const uint32_t host_idr[6])
{
	uint64_t endian;
	uint32_t *idr;
	bool given = false;

	if (!config || !host_idr || config->size < offsetof(struct viommu_smmuv3_config, iidr))
		return VIOMMU_EINVAL;
	idr = config->idr;
	endian = bits_get(host_idr[0], IDR0_TTENDIAN);
	if (bits_get(host_idr[0], IDR0_STALL_MODEL) == 2 || !(bits_get(host_idr[0], IDR0_TTF) & 2))
		return VIOMMU_ENOTSUP;
	for (unsigned i = 0; i < ARRAY_COUNT(fits); i++)
		given |= idr[i] != 0;
	for (unsigned i = 0; i < ARRAY_COUNT(fits); i++) {
		if (!given)
			idr[i] = viommu_smmuv3_default_idr(i);
		idr[i] &= (uint32_t)(~fits[i].never & (host_idr[i] | ~fits[i].host));
	}
	fit_least(&idr[1], host_idr[1], IDR1_SSIDSIZE);
	fit_least(&idr[3], host_idr[3], IDR3_BBML);
	fit_least(&idr[5], host_idr[5], IDR5_VAX);
	fit_take(&idr[0], IDR0_STALL_MODEL, 1);
	fit_take(&idr[0], IDR0_TERM_MODEL, bits_get(host_idr[0], IDR0_TERM_MODEL));
	if (endian)
		fit_take(&idr[0], IDR0_TTENDIAN, endian);
	if (!(idr[0] & IDR0_S1P) || !(idr[5] & fits[5].host))
		return VIOMMU_ENOTSUP;
	return VIOMMU_OK;
}
