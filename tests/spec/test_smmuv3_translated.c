/* SPDX-License-Identifier: BSD-3-Clause */
/* test_smmuv3_translated.c - ATS translated transactions that are checked (IHI 0070, 3.9.1.3, 13.6.3, 13.7): what they are taken for. */
#include "check.h"

#include "smmuv3_rig.h"

#define IOVA   UINT64_C(0x40207000)
#define TARGET UINT64_C(0x50000000)
#define SID    8U
#define VMID   3U

static struct smmu_rig rig;

static const struct {
	const char *name;
	unsigned eats, privcfg, instcfg;
	uint64_t page; /* of stage 2, at IOVA */
	uint32_t pasid;
	unsigned access;
	unsigned event;
	uint64_t kind; /* PnU, InD and RnW of it */
} rows[] = {
	{ "3.9.1.3 EATS 0: no PASID is named", 0, 0, 0, SM_S2_RW, 5, VIOMMU_READ,
	  F_TRANSL_FORBIDDEN, EVENT1_RNW },
	{ "3.9.1.3 split stage, a PASID: is not looked at", 2, 0, 0, SM_S2_RW, 5, VIOMMU_READ, 0,
	  0 },
	{ "3.9.1.3 split stage: a fault is recorded as of others, without PASID", 2, 0, 0, 0, 5,
	  VIOMMU_READ, F_TRANSLATION, EVENT1_RNW },
	{ "3.9.1.3 split stage: not privileged, and data", 2, 0, 0, SM_S2_RO, 5,
	  VIOMMU_WRITE | VIOMMU_PRIV, F_PERMISSION, 0 },
	{ "3.9.1.3 split stage: a table that cannot be read is recorded, too", 2, 0, 0, 1, 5,
	  VIOMMU_READ, F_WALK_EABT, EVENT1_RNW },
	{ "13.7 INSTCFG: a read is a fetch", 2, 0, 3, SM_S2_RW | BIT(54), VIOMMU_NO_PASID,
	  VIOMMU_READ, F_PERMISSION, EVENT1_RNW | EVENT1_IND },
	{ "13.7 INSTCFG: which is permitted", 2, 0, 3, SM_S2_RW & ~BIT(6), VIOMMU_NO_PASID,
	  VIOMMU_READ, 0, 0 },
	{ "13.7 PRIVCFG: a fetch of the privileged", 2, 3, 3, SM_S2_RW | BIT(53), VIOMMU_NO_PASID,
	  VIOMMU_READ, F_PERMISSION, EVENT1_RNW | EVENT1_IND | EVENT1_PNU },
	{ "13.7 and one of users", 2, 0, 3, SM_S2_RW | BIT(53), VIOMMU_NO_PASID, VIOMMU_READ, 0,
	  0 },
};

static void put_tables(uint64_t page, unsigned row_eats, unsigned privcfg, unsigned instcfg)
{
	uint64_t root = guest_alloc(&rig.g, 1), below = guest_alloc(&rig.g, 1);

	sm_map(&rig, below, IOVA, TARGET, page == 1 ? 0 : page);
	if (page == 1) /* a table that is nowhere */
		guest_put64(&rig.g, sm_entry(&rig, below, IOVA, 2), BIT(46) | 3);
	sm_put_ste(&rig, SID, SM_STE0(STE_CONFIG_BOTH) | sm_cd(&rig, 5, root, 0),
		   bits_put(STE1_EATS, row_eats) | bits_put(STE1_PRIVCFG, privcfg) |
			   bits_put(STE1_INSTCFG, instcfg),
		   SM_STE2(VMID), below);
}

static void translated(void **state)
{
	struct viommu_smmuv3_config config;

	sm_everything(&config);
	for (unsigned i = 0; i < ARRAY_COUNT(rows); i++) {
		struct viommu_request request = { .first = IOVA,
						  .last = IOVA,
						  .pasid = rows[i].pasid,
						  .access = (uint16_t)rows[i].access,
						  .type = VIOMMU_AT_TRANSLATED };
		struct viommu_fragment fragment;
		struct viommu_answer answer;
		uint64_t word[4];

		sm_open(&rig, &config);
		sm_start_with(&rig, CR0_ATSCHK);
		put_tables(rows[i].page, rows[i].eats, rows[i].privcfg, rows[i].instcfg);
		check_eq(rows[i].name,
			 viommu_device_translate(guest_device(&rig.g, SID), &request, &fragment, 1,
						 &answer),
			 rows[i].event ? VIOMMU_FAULT : VIOMMU_OK);
		check_eq(rows[i].name, sm_event(&rig, word), rows[i].event != 0);
		if (rows[i].event) {
			check_eq(rows[i].name, bits_get(word[0], EVENT0_TYPE), rows[i].event);
			check_eq(rows[i].name, word[0] & (EVENT0_SSV | EVENT0_SSID), 0);
			check_eq(rows[i].name, word[1] & (EVENT1_PNU | EVENT1_IND | EVENT1_RNW),
				 rows[i].kind);
		}
		sm_close(&rig);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(translated),
	};

	return cmocka_run_group_tests_name("spec/smmuv3_translated", tests, NULL, NULL);
}
