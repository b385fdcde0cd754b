/* SPDX-License-Identifier: BSD-3-Clause */
/* test_smmuv3_atos.c - address translation for software (IHI 0070, 9): what PAR says. */
#include "check.h"

#include "smmuv3_rig.h"

#define IOVA   UINT64_C(0x7000)
#define IPA    UINT64_C(0x9000)
#define TARGET UINT64_C(0x40000000)
#define SID    8U

static struct smmu_rig r;
static uint64_t root1, root2, cd;

static void open_atos(unsigned config, uint64_t page1, uint64_t page2)
{
	struct viommu_smmuv3_config all;

	sm_everything(&all);
	sm_open(&r, &all);
	sm_start(&r);
	root1 = guest_alloc(&r.g, 1);
	root2 = guest_alloc(&r.g, 1);
	cd = sm_cd(&r, 5, root1, 0);
	guest_put64(&r.g, cd + 24, UINT64_C(0x0444ff)); /* MAIR: WB, NC, nGnRE, ... */
	for (uint64_t at = GUEST_BASE; at < GUEST_BASE + 192 * GUEST_PAGE; at += GUEST_PAGE)
		sm_map(&r, root2, at, at, SM_S2_RW);
	if (page1)
		sm_map(&r, root1, IOVA, config == 7 ? IPA : TARGET, page1);
	if (page2)
		sm_map(&r, root2, config == 7 ? IPA : IOVA, TARGET, page2);
	sm_put_ste(&r, SID, SM_STE0(config) | cd, 0, SM_STE2(2), root2);
}

static uint64_t ask(uint64_t sid, uint64_t addr)
{
	sm_write(&r, SMMU_GATOS_SID, 8, sid);
	sm_write(&r, SMMU_GATOS_ADDR, 8, addr);
	sm_write(&r, SMMU_GATOS_CTRL, 4, ATOS_RUN);
	assert_int_equal(sm_read(&r, SMMU_GATOS_CTRL, 4), 0);
	return sm_read(&r, SMMU_GATOS_PAR, 8);
}

#define TYPE(n)		 SM_PUT(ATOS_TYPE, n)
#define READ		 ATOS_RNW
#define FAIL(reason, fc) (PAR_FAULT | SM_PUT(PAR_REASON, reason) | SM_PUT(PAR_FAULTCODE, fc))
#define OK(to, attr, sh) ((to) | SM_PUT(PAR_ATTR, attr) | SM_PUT(PAR_SH, sh))
#define RW		 SM_S1_RW
#define ISH		 (UINT64_C(3) << 8)

static const struct {
	const char *name;
	unsigned config;
	uint64_t page1;
	uint64_t page2;
	uint64_t sid;
	uint64_t addr;
	uint64_t par;
} rows[] = {
	{ "TYPE 0", 5, RW, 0, SID, IOVA | READ, FAIL(0, ATOS_INV_REQ) },
	{ "TYPE 2 with SSID", 6, 0, SM_S2_RW, SID | ATOS_SSID_VALID, IOVA | READ | TYPE(2),
	  FAIL(0, ATOS_INV_REQ) },
	{ "beyond the stream table", 5, RW, 0, 64, IOVA | READ | TYPE(1), FAIL(0, C_BAD_STREAMID) },
	{ "no STE", 5, RW, 0, 9, IOVA | READ | TYPE(1), FAIL(0, C_BAD_STE) },
	{ "bypass", 4, RW, 0, SID, IOVA | READ | TYPE(1), FAIL(0, ATOS_INV_STAGE) },
	{ "stage 2 of a stream without", 5, RW, 0, SID, IOVA | READ | TYPE(2),
	  FAIL(0, ATOS_INV_STAGE) },
	{ "both of a stream without", 5, RW, 0, SID, IOVA | READ | TYPE(3),
	  FAIL(0, ATOS_INV_STAGE) },
	{ "substream that there is not", 5, RW, 0, SID | ATOS_SSID_VALID | 3ULL << 32,
	  IOVA | READ | TYPE(1), FAIL(0, C_BAD_SUBSTREAMID) },
	{ "stage 1, inner shareable", 5, RW | ISH, 0, SID, IOVA | READ | TYPE(1),
	  OK(TARGET, 0xff, 3) },
	{ "stage 1, not cached: outer shareable", 5, RW | 1 << 2, 0, SID, IOVA | READ | TYPE(1),
	  OK(TARGET, 0x44, 2) },
	{ "stage 1, Device: outer shareable", 5, RW | 2 << 2, 0, SID, IOVA | READ | TYPE(1),
	  OK(TARGET, 0x04, 2) },
	{ "stage 1, not mapped", 5, 0, 0, SID, IOVA | READ | TYPE(1), FAIL(0, F_TRANSLATION) },
	{ "stage 1, read-only", 5, SM_S1_RO, 0, SID, IOVA | TYPE(1), FAIL(0, F_PERMISSION) },
	{ "stage 1, PnU", 5, RW & ~BIT(6), 0, SID, IOVA | READ | ATOS_PNU | TYPE(1),
	  OK(TARGET, 0xff, 0) },
	{ "stage 1, InD", 5, RW | BIT(54), 0, SID, IOVA | READ | ATOS_IND | TYPE(1),
	  FAIL(0, F_PERMISSION) },
	{ "stage 2", 6, 0, SM_S2_RW | ISH, SID, IOVA | READ | TYPE(2), OK(TARGET, 0xff, 3) },
	{ "stage 2, not mapped: no address", 6, 0, 0, SID, IOVA | READ | TYPE(2),
	  FAIL(3, F_TRANSLATION) },
	{ "stage 2, beyond IAS", 6, 0, 0, SID, BIT(52) | READ | TYPE(2), FAIL(0, F_ADDR_SIZE) },
	{ "nested, stage 1: the intermediate address", 7, RW | ISH, 0, SID, IOVA | READ | TYPE(1),
	  OK(IPA, 0xff, 3) },
	{ "nested, stage 2 alone", 7, RW, SM_S2_RW, SID, IPA | READ | TYPE(2),
	  OK(TARGET, 0xff, 0) },
	{ "nested, both", 7, RW, SM_S2_RW | ISH, SID, IOVA | READ | TYPE(3), OK(TARGET, 0xff, 3) },
	{ "nested, both: Device is stronger", 7, RW | 2 << 2, SM_S2_RW, SID, IOVA | READ | TYPE(3),
	  OK(TARGET, 0x04, 2) },
	{ "nested, both: not mapped in stage 2", 7, RW, 0, SID, IOVA | READ | TYPE(3),
	  FAIL(3, F_TRANSLATION) | IPA },
};

static void pars(void **state)
{
	for (unsigned i = 0; i < ARRAY_COUNT(rows); i++) {
		open_atos(rows[i].config, rows[i].page1, rows[i].page2);
		guest_device(&r.g, SID);
		check_eq(rows[i].name, ask(rows[i].sid, rows[i].addr), rows[i].par);
		check_eq(rows[i].name, sm_events(&r), 0);
		sm_close(&r);
	}
}

/* Faults of stage 2 while stage 1 is walked, by what was asked. */
static void stage2_below(void **state)
{
	open_atos(7, RW, SM_S2_RW);
	sm_map(&r, root2, root1, 0, 0);
	assert_int_equal(ask(SID, IOVA | READ | TYPE(3)), FAIL(2, F_TRANSLATION) | root1);
	assert_int_equal(ask(SID, IOVA | READ | TYPE(1)), FAIL(0, F_WALK_EABT));
	sm_map(&r, root2, cd, 0, 0);
	assert_int_equal(ask(SID, IOVA | READ | TYPE(3)), FAIL(1, F_TRANSLATION) | cd);
	assert_int_equal(ask(SID, IOVA | READ | TYPE(1)), FAIL(0, F_CD_FETCH));
	sm_close(&r);
}

static void traces(void **state)
{
	uint64_t entry;

	open_atos(5, (SM_S1_RO | BIT(51)) & ~SM_AF, 0);
	guest_put64(&r.g, cd, guest_get64(&r.g, cd) | CD0_HA | CD0_HD);
	entry = sm_entry(&r, root1, IOVA, 3);
	assert_int_equal(ask(SID, IOVA | TYPE(1) | ATOS_HTTUI), OK(TARGET, 0xff, 0));
	assert_int_equal(guest_get64(&r.g, entry), TARGET | ((SM_S1_RO | BIT(51)) & ~SM_AF));
	assert_int_equal(ask(SID, IOVA | TYPE(1)), OK(TARGET, 0xff, 0));
	assert_int_equal(guest_get64(&r.g, entry), TARGET | SM_S1_RW | BIT(51));
	sm_close(&r);
}

static void size_and_guards(void **state)
{
	open_atos(5, 0, 0);
	/* a block of 2 MiB: ADDR says how large it is */
	guest_put64(&r.g, sm_entry(&r, root1, 0x200000, 2), TARGET | (RW & ~UINT64_C(2)));
	assert_int_equal(ask(SID, 0x2ff000 | READ | TYPE(1)),
			 OK(TARGET, 0xff, 0) | PAR_SIZE | BIT(20));
	/* off: nothing is done */
	sm_write(&r, SMMU_CR0, 4, CR0_EVENTQEN | CR0_CMDQEN);
	sm_run(&r);
	sm_write(&r, SMMU_GATOS_ADDR, 8, READ);
	sm_write(&r, SMMU_GATOS_CTRL, 4, ATOS_RUN);
	assert_int_equal(sm_read(&r, SMMU_GATOS_CTRL, 4), 0);
	assert_int_equal(sm_read(&r, SMMU_GATOS_PAR, 8), OK(TARGET, 0xff, 0) | PAR_SIZE | BIT(20));
	sm_close(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(pars), cmocka_unit_test(stage2_below),
					    cmocka_unit_test(traces),
					    cmocka_unit_test(size_and_guards) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
