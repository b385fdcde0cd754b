/* SPDX-License-Identifier: BSD-3-Clause */
/* test_smmuv3_start.c - where walks begin (IHI 0070, 5.2 S2SL0, S2TTB, 5.4 TTB0): start levels, and bits of the first table's address. */
#include "check.h"

#include "smmuv3_rig.h"

#define IOVA   UINT64_C(0x40207000)
#define TARGET UINT64_C(0x50000000)
#define SID    8U
#define ASID   5U

static struct smmu_rig rig;

/* Stage 2 whose tables are nowhere: either the STE is illegal, or the first one is looked for. */
static const struct {
	const char *name;
	unsigned tg, t0sz, sl0, sl0_2, ds;
	unsigned event;
} levels[] = {
	{ "4 KiB, DS: SL0_2 is level -1", 0, 12, 0, 1, 1, F_WALK_EABT },
	{ "4 KiB, DS: SL0_2 and SL0", 0, 12, 1, 1, 1, C_BAD_STE },
	{ "4 KiB without DS: SL0_2 is not looked at", 0, 16, 2, 1, 0, F_WALK_EABT },
	{ "64 KiB, DS: SL0_2 is not looked at", 1, 12, 2, 1, 1, F_WALK_EABT },
	{ "64 KiB without DS: nor here", 1, 12, 2, 1, 0, F_WALK_EABT },
	{ "16 KiB, DS: level 1 has no 52 bits, whatever SL0_2 says", 2, 12, 2, 1, 1, C_BAD_STE },
	{ "16 KiB, DS: level 0", 2, 12, 3, 1, 1, F_WALK_EABT },
	{ "16 KiB, DS: level 1", 2, 24, 2, 1, 1, F_WALK_EABT },
	{ "16 KiB without DS: no level 0", 2, 16, 3, 0, 0, C_BAD_STE },
};

static void start_levels(void **state)
{
	struct viommu_smmuv3_config config;
	struct viommu_device *device;

	sm_everything(&config);
	sm_open(&rig, &config);
	sm_start(&rig);
	device = guest_device(&rig.g, SID);
	for (unsigned i = 0; i < ARRAY_COUNT(levels); i++) {
		uint64_t w2 = bits_put(STE2_S2T0SZ, levels[i].t0sz) |
			      bits_put(STE2_S2SL0, levels[i].sl0) |
			      bits_put(STE2_S2TG, levels[i].tg) | bits_put(STE2_S2PS, 5) |
			      STE2_S2AA64 | STE2_S2R;

		sm_put_ste(&rig, SID, SM_STE0(STE_CONFIG_S2), 0, w2,
			   UINT64_C(0x1000000) | (uint64_t)levels[i].sl0_2 << 2 |
				   (uint64_t)levels[i].ds << 3);
		sm_do(&rig, SM_CFGI_STE(SID), 0);
		sm_do(&rig, CMD_NSNH_ALL, 0);
		check_eq(levels[i].name, guest_dma(device, IOVA, VIOMMU_READ).result, VIOMMU_FAULT);
		check_eq(levels[i].name, sm_event_type(&rig), levels[i].event);
	}
	sm_close(&rig);
}

/* A first table of two entries: with addresses of 52 bits it lies at a multiple of 64 bytes, though 4 KiB descriptors
 * cannot have such addresses; else at one of its size. */
static const struct {
	const char *name;
	unsigned ips;
	uint64_t low; /* bits of TTB */
	bool found;
} roots[] = {
	{ "IPS 48", 5, 0, true },
	{ "IPS 48: bit 4 counts", 5, 0x10, false },
	{ "IPS 48: bit 5 counts", 5, 0x20, false },
	{ "IPS 52", 6, 0, true },
	{ "IPS 52: bit 4 is 0", 6, 0x10, true },
	{ "IPS 52: bit 5 is 0", 6, 0x20, true },
};

static void first_tables(void **state)
{
	struct viommu_smmuv3_config config;

	sm_everything(&config);
	for (unsigned stage2 = 0; stage2 < 2; stage2++) {
		for (unsigned i = 0; i < ARRAY_COUNT(roots); i++) {
			uint64_t root, ps = roots[i].ips;

			sm_open(&rig, &config);
			sm_start(&rig);
			root = guest_alloc(&rig.g, 1);
			sm_map(&rig, root, IOVA, TARGET, stage2 ? SM_S2_RW : SM_S1_RW);
			root |= roots[i].low;
			if (stage2)
				sm_put_ste(&rig, SID, SM_STE0(STE_CONFIG_S2), 0,
					   bits_put(STE2_S2T0SZ, 24) | bits_put(STE2_S2SL0, 2) |
						   bits_put(STE2_S2PS, ps) | STE2_S2AA64 | STE2_S2R,
					   root);
			else
				sm_put_ste(&rig, SID,
					   SM_STE0(STE_CONFIG_S1) |
						   sm_cd(&rig, ASID, root,
							 bits_put(CD0_T0SZ, 24 ^ 16) |
								 bits_put(CD0_IPS, ps ^ 5)),
					   0, 0, 0);
			check_eq(roots[i].name,
				 guest_dma(guest_device(&rig.g, SID), IOVA, VIOMMU_READ).result,
				 roots[i].found ? VIOMMU_OK : VIOMMU_FAULT);
			check_eq(roots[i].name, sm_event_type(&rig),
				 roots[i].found ? 0U : F_TRANSLATION);
			sm_close(&rig);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(start_levels),
		cmocka_unit_test(first_tables),
	};

	return cmocka_run_group_tests_name("spec/smmuv3_start", tests, NULL, NULL);
}
