/* SPDX-License-Identifier: BSD-3-Clause */
/* test_smmuv3_tags.c - addresses with a tag in the top byte (IHI 0070, 3.4.1, 5.4 TBI0): what they lead to, and who removes it. */
#include "check.h"

#include "smmuv3_rig.h"

#define IOVA   UINT64_C(0x40207000)
#define TAGGED (IOVA | UINT64_C(0xab) << 56)
#define TARGET UINT64_C(0x50000000)
#define SID    8U
#define ASID   5U

static struct smmu_rig rig;

static void open_with_tags(uint64_t root)
{
	sm_put_ste(&rig, SID, SM_STE0(STE_CONFIG_S1) | sm_cd(&rig, ASID, root, CD0_TBI0), 0, 0, 0);
}

/* 4.4.2: a TLBI_NH_VA of the address, with or without a tag, removes what was asked with another one. */
static void tlbi_reaches_what_was_asked_with_a_tag(void **state)
{
	static const uint64_t asked[] = { IOVA, TAGGED, IOVA | UINT64_C(0x7f) << 56 };

	for (unsigned i = 0; i < 9; i++) {
		uint64_t iova = asked[i % 3], named = asked[i / 3], root;
		struct viommu_device *device;
		struct guest_dma dma;

		sm_open(&rig, NULL);
		sm_start(&rig);
		root = guest_alloc(&rig.g, 1);
		sm_map(&rig, root, IOVA, TARGET, SM_S1_RW);
		open_with_tags(root);
		device = guest_device(&rig.g, SID);
		for (unsigned again = 0; again < 2; again++) {
			dma = guest_dma(device, iova | 0x123, VIOMMU_READ);
			check_eq("tag", dma.result, VIOMMU_OK);
			check_eq("tag", dma.f.gpa, TARGET | 0x123);
		}
		sm_map(&rig, root, IOVA, 0, 0);
		sm_do(&rig, SM_ASID(CMD_NH_VA, 0, ASID), named & ~UINT64_C(0xfff));
		dma = guest_dma(device, iova | 0x123, VIOMMU_READ);
		check_eq("tag", dma.result, VIOMMU_FAULT);
		check_eq("tag", sm_event_type(&rig), F_TRANSLATION);
		sm_close(&rig);
	}
}

/* 16 blocks of 1 GiB that are one page are more than is cached in one piece. */
static void pieces_with_a_tag(void **state)
{
	const uint64_t base = UINT64_C(1) << 40;
	struct viommu_device *device;
	struct guest_dma dma;
	uint64_t root;

	sm_open(&rig, NULL);
	sm_start(&rig);
	root = guest_alloc(&rig.g, 1);
	for (uint64_t i = 0; i < 16; i++)
		guest_put64(&rig.g, sm_entry(&rig, root, i << 30, 1),
			    base | i << 30 | BIT(52) | (SM_S1_RW & ~UINT64_C(2)));
	open_with_tags(root);
	device = guest_device(&rig.g, SID);
	for (unsigned i = 0; i < 4; i++) {
		dma = guest_dma(device, (i & 1 ? IOVA : TAGGED) | 0x123, VIOMMU_READ);
		check_eq("piece", dma.result, VIOMMU_OK);
		check_eq("piece", dma.f.gpa, base | IOVA | 0x123);
	}
	sm_close(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tlbi_reaches_what_was_asked_with_a_tag),
		cmocka_unit_test(pieces_with_a_tag),
	};

	return cmocka_run_group_tests_name("spec/smmuv3_tags", tests, NULL, NULL);
}
