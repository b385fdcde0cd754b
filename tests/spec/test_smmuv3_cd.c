/* SPDX-License-Identifier: BSD-3-Clause */
/* test_smmuv3_cd.c - context descriptors (IHI 0070, 3.3.2, 3.9, 5.3, 5.4): where they are, what is illegal, substreams. */
#include "check.h"

#include "smmuv3_rig.h"

#define IOVA   UINT64_C(0x7000)
#define TARGET UINT64_C(0x40000000)
#define SID    8U
#define NONE   VIOMMU_NO_PASID

static struct smmu_rig r;
static uint64_t root;

static void open_cd(const uint64_t off[6], const uint64_t on[6])
{
	struct viommu_smmuv3_config config;

	sm_everything(&config);
	for (unsigned i = 0; i < 6; i++) {
		config.idr[i] &= (uint32_t) ~(off ? off[i] : 0);
		config.idr[i] |= (uint32_t)(on ? on[i] : 0);
	}
	sm_open(&r, &config);
	sm_start(&r);
	root = guest_alloc(&r.g, 1);
	sm_map(&r, root, IOVA, TARGET, SM_S1_RW);
}

/* ---- 5.4: legal or not ---- */

struct cd_row {
	const char *name;
	uint64_t set[3]; /* xor with a legal one: words 0 to 2 */
	unsigned event;	 /* 0: translated */
	uint64_t ste1;
	uint64_t idr_off[6];
	uint64_t idr_on[6];
};

#define MODEL1	  SM_PUT(IDR0_STALL_MODEL, 1)
#define MODEL2	  SM_PUT(IDR0_STALL_MODEL, 2)
#define T0(value) SM_PUT(CD0_T0SZ, 16 ^ (value))

static const struct cd_row cds[] = {
	{ "5.4 as it is", { 0 }, 0, 0, { 0 }, { 0 } },
	{ "5.4 V 0", { CD0_V }, C_BAD_CD, 0, { 0 }, { 0 } },
	{ "5.4 AA64 0", { CD0_AA64 }, C_BAD_CD, 0, { 0 }, { 0 } },
	{ "5.4 S with S1STALLD", { CD0_S }, C_BAD_CD, STE1_S1STALLD, { 0 }, { 0 } },
	{ "5.4 S", { CD0_S }, 0, 0, { 0 }, { 0 } },
	{ "5.4 S with STALL_MODEL 1",
	  { CD0_S },
	  C_BAD_CD,
	  0,
	  { 0, 0, 0, 0, 0, IDR5_STALL_MAX },
	  { MODEL1 } },
	{ "5.4 S 0 with STALL_MODEL 2", { 0 }, C_BAD_CD, 0, { 0 }, { MODEL2 } },
	{ "5.4 A 0", { CD0_A }, 0, 0, { 0 }, { 0 } },
	{ "5.4 A 0 with TERM_MODEL", { CD0_A }, C_BAD_CD, 0, { 0 }, { IDR0_TERM_MODEL } },
	{ "5.4 HA without HTTU", { CD0_HA }, C_BAD_CD, 0, { IDR0_HTTU }, { 0 } },
	{ "5.4 HD with HTTU 1", { CD0_HA | CD0_HD }, C_BAD_CD, 0, { IDR0_HTTU }, { 1 << 6 } },
	{ "5.4 HAFT without HA", { 0, CD1_HAFT }, C_BAD_CD, 0, { 0 }, { 0 } },
	{ "5.4 HAFT", { CD0_HA, CD1_HAFT }, 0, 0, { 0 }, { 0 } },
	{ "5.4 HAFT with HTTU 2 is ignored", { 0, CD1_HAFT }, 0, 0, { IDR0_HTTU }, { 2 << 6 } },
	{ "5.4 ASID of 16 bits without ASID16",
	  { SM_PUT(CD0_ASID, 0x100) },
	  C_BAD_CD,
	  0,
	  { IDR0_ASID16 },
	  { 0 } },
	{ "5.4 ENDI, little-endian only", { CD0_ENDI }, C_BAD_CD, 0, { 0 }, { UINT64_C(2) << 21 } },
	{ "5.4 ENDI 0, big-endian only", { 0 }, C_BAD_CD, 0, { 0 }, { UINT64_C(3) << 21 } },
	{ "5.4 T0SZ 15", { T0(15) }, C_BAD_CD, 0, { 0 }, { 0 } },
	{ "5.4 T0SZ 15 with DS", { T0(15), 0, CD2_DS }, F_TRANSLATION, 0, { 0 }, { 0 } },
	{ "5.4 T0SZ 11 with DS", { T0(11), 0, CD2_DS }, C_BAD_CD, 0, { 0 }, { 0 } },
	{ "5.4 T0SZ 12 with DS, without VAX",
	  { T0(12), 0, CD2_DS },
	  C_BAD_CD,
	  0,
	  { 0, 0, 0, 0, 0, IDR5_VAX | IDR5_DS },
	  { 0 } },
	{ "5.4 T0SZ 40 without STT", { T0(40) }, C_BAD_CD, 0, { 0, 0, 0, IDR3_STT }, { 0 } },
	{ "5.4 T0SZ 48 with STT", { T0(48) }, F_TRANSLATION, 0, { 0 }, { 0 } },
	{ "5.4 T0SZ 49", { T0(49) }, C_BAD_CD, 0, { 0 }, { 0 } },
	{ "5.4 TG0 3", { SM_PUT(CD0_TG0, 3) }, C_BAD_CD, 0, { 0 }, { 0 } },
	{ "5.4 TG0 that is not there", { 0 }, C_BAD_CD, 0, { 0, 0, 0, 0, 0, IDR5_GRAN4K }, { 0 } },
	{ "5.4 TTB0 beyond IPS", { SM_PUT(CD0_IPS, 5), BIT(33) }, C_BAD_CD, 0, { 0 }, { 0 } },
	{ "5.4 TTB0 beyond 48 bits without DS",
	  { SM_PUT(CD0_IPS, 5 ^ 6), BIT(50) },
	  C_BAD_CD,
	  0,
	  { 0 },
	  { 0 } },
	{ "5.4 EPD0: nothing of the half is looked at",
	  { CD0_EPD0 | T0(1) | SM_PUT(CD0_TG0, 3), BIT(51) },
	  F_TRANSLATION,
	  0,
	  { 0 },
	  { 0 } },
	{ "5.4 EPD1: the same",
	  { SM_PUT(CD0_TG1, 0) | SM_PUT(CD0_T1SZ, 63), 0, BIT(51) },
	  0,
	  0,
	  { 0 },
	  { 0 } },
	{ "5.4 TG1 0 is reserved", { CD0_EPD1 | SM_PUT(CD0_T1SZ, 16) }, C_BAD_CD, 0, { 0 }, { 0 } },
	{ "5.4 TG1 2: 4 KiB",
	  { CD0_EPD1 | SM_PUT(CD0_T1SZ, 16) | SM_PUT(CD0_TG1, 2) },
	  0,
	  0,
	  { 0 },
	  { 0 } },
	{ "5.4 T1SZ 15",
	  { CD0_EPD1 | SM_PUT(CD0_T1SZ, 15) | SM_PUT(CD0_TG1, 2) },
	  C_BAD_CD,
	  0,
	  { 0 },
	  { 0 } },
	{ "5.4 TTB1 beyond IPS",
	  { CD0_EPD1 | SM_PUT(CD0_T1SZ, 16) | SM_PUT(CD0_TG1, 2), 0, BIT(49) },
	  C_BAD_CD,
	  0,
	  { 0 },
	  { 0 } },
	{ "5.4 UWXN, ASET, IR and their like are ignored",
	  { CD0_UWXN | CD0_ASET | CD0_IR0 | CD0_OR0 },
	  0,
	  0,
	  { 0 },
	  { 0 } },
};

static void cds_are_legal(void **state)
{
	for (unsigned i = 0; i < ARRAY_COUNT(cds); i++) {
		struct guest_dma dma;
		uint64_t cd;

		open_cd(cds[i].idr_off, cds[i].idr_on);
		cd = sm_cd(&r, 5, root, 0);
		for (unsigned n = 0; n < 3; n++)
			guest_put64(&r.g, cd + n * 8,
				    guest_get64(&r.g, cd + n * 8) ^ cds[i].set[n]);
		sm_put_ste(&r, SID, SM_STE0(STE_CONFIG_S1) | cd, cds[i].ste1, 0, 0);
		dma = guest_dma(guest_device(&r.g, SID), IOVA, VIOMMU_READ);
		check_eq(cds[i].name, dma.result, cds[i].event ? VIOMMU_FAULT : VIOMMU_OK);
		check_eq(cds[i].name, dma.answer.reason, cds[i].event);
		check_eq(cds[i].name, sm_event_type(&r), cds[i].event);
		sm_close(&r);
	}
}

/* 5.4 ASID: StreamWorld EL2 has none, unless E2H is set. */
static void asids_of_el2(void **state)
{
	static const uint64_t off[6] = { IDR0_ASID16 };

	for (unsigned e2h = 0; e2h < 2; e2h++) {
		open_cd(off, NULL);
		sm_write(&r, SMMU_CR0, 4, 0);
		sm_run(&r);
		sm_write(&r, SMMU_CR2, 4, e2h);
		sm_write(&r, SMMU_CR0, 4, CR0_SMMUEN | CR0_EVENTQEN | CR0_CMDQEN);
		sm_run(&r);
		sm_put_ste(&r, SID, SM_STE0(STE_CONFIG_S1) | sm_cd(&r, 0x105, root, 0),
			   SM_PUT(STE1_STRW, STRW_EL2), 0, 0);
		assert_int_equal(
			guest_dma(guest_device(&r.g, SID), IOVA, VIOMMU_READ).answer.reason,
			e2h ? C_BAD_CD : 0);
		sm_close(&r);
	}
}

/* ---- 3.9: substreams ---- */

#define FMT(value)   SM_PUT(STE0_S1FMT, value)
#define CDMAX(value) SM_PUT(STE0_S1CDMAX, value)

static const struct {
	const char *name;
	uint64_t ste0;
	uint64_t dss;
	uint32_t pasid;
	unsigned event;
	uint64_t to; /* of page 0x7000 of the substream's own: TARGET + its number pages; or IOVA */
} substreams[] = {
	{ "S1CDMax 0, with SSID", 0, 0, 0, C_BAD_SUBSTREAMID, 0 },
	{ "linear", CDMAX(4), 0, 3, 0, TARGET + 3 * GUEST_PAGE },
	{ "linear, beyond S1CDMax", CDMAX(4), 0, 16, C_BAD_SUBSTREAMID, 0 },
	{ "linear, SSID 0", CDMAX(4), 0, 0, 0, TARGET },
	{ "S1DSS 0, without SSID", CDMAX(4), 0, NONE, F_STREAM_DISABLED, 0 },
	{ "S1DSS 3, without SSID", CDMAX(4), 3, NONE, F_STREAM_DISABLED, 0 },
	{ "S1DSS 1, without SSID: bypass", CDMAX(4), 1, NONE, 0, IOVA },
	{ "S1DSS 1, with SSID", CDMAX(4), 1, 3, 0, TARGET + 3 * GUEST_PAGE },
	{ "S1DSS 2, without SSID: CD 0", CDMAX(4), 2, NONE, 0, TARGET },
	{ "S1DSS 2, SSID 0", CDMAX(4), 2, 0, F_STREAM_DISABLED, 0 },
	{ "S1DSS 2, beyond S1CDMax comes first", CDMAX(4), 2, 16, C_BAD_SUBSTREAMID, 0 },
	{ "two levels of 4 KiB", FMT(1) | CDMAX(8), 0, 3, 0, TARGET + 3 * GUEST_PAGE },
	{ "two levels of 4 KiB, second table", FMT(1) | CDMAX(8), 0, 66, 0,
	  TARGET + 66 * GUEST_PAGE },
	{ "two levels of 4 KiB, no table", FMT(1) | CDMAX(8), 0, 130, C_BAD_SUBSTREAMID, 0 },
	{ "two levels of 64 KiB", FMT(2) | CDMAX(8), 0, 66, 0, TARGET + 66 * GUEST_PAGE },
	{ "two levels, S1CDMax 0: as linear", FMT(1), 0, NONE, 0, TARGET },
	{ "S1Fmt 3 is linear", FMT(3) | CDMAX(4), 0, 3, 0, TARGET + 3 * GUEST_PAGE },
};

/* The CD of a substream, at an address; its page 0x7000. */
static void put_substream(uint64_t cd, uint32_t ssid)
{
	uint64_t own = guest_alloc(&r.g, 1);

	sm_map(&r, own, IOVA, TARGET + ssid * GUEST_PAGE, SM_S1_RW);
	guest_put64(&r.g, cd + 8, own);
	guest_put64(&r.g, cd, SM_CD0(5 + ssid));
}

static uint64_t put_tables(uint64_t ste0)
{
	static const uint32_t ssids[] = { 0, 3, 66 };
	uint64_t fmt = bits_get(ste0, STE0_S1FMT);
	bool two = (fmt == 1 || fmt == 2) && (ste0 & STE0_S1CDMAX);
	unsigned leaf = fmt == 1 ? 6 : 10;
	uint64_t l1 = guest_alloc(&r.g, 1);
	uint64_t table;

	do
		table = guest_alloc(&r.g, 1);
	while (table & 0xffff);
	guest_alloc(&r.g, 15);
	for (unsigned i = 0; i < 3; i++) {
		uint32_t ssid = ssids[i];
		uint64_t at = table + ssid * 64;

		if (two && (ssid >> leaf)) { /* another table */
			at = guest_alloc(&r.g, 1) + (ssid & 63) * 64;
			guest_put64(&r.g, l1 + 8, (at & ~UINT64_C(0xfff)) | L1CD_V);
		}
		put_substream(at, ssid);
	}
	guest_put64(&r.g, l1, table | L1CD_V);
	return two ? l1 : table;
}

static void substreams_are_found(void **state)
{
	for (unsigned i = 0; i < ARRAY_COUNT(substreams); i++) {
		struct viommu_device *device;
		struct guest_dma dma;
		uint64_t word[4];

		open_cd(NULL, NULL);
		sm_put_ste(&r, SID,
			   SM_STE0(STE_CONFIG_S1) | substreams[i].ste0 |
				   put_tables(substreams[i].ste0),
			   SM_PUT(STE1_S1DSS, substreams[i].dss), 0, 0);
		device = guest_device(&r.g, SID);
		dma = guest_dma_pasid(device, substreams[i].pasid, IOVA, VIOMMU_READ);
		check_eq(substreams[i].name, dma.answer.reason, substreams[i].event);
		check_eq(substreams[i].name, dma.f.gpa, substreams[i].to);
		if (substreams[i].event) {
			bool ssv = substreams[i].pasid != NONE &&
				   substreams[i].event != C_BAD_SUBSTREAMID;

			check_that(substreams[i].name, sm_event(&r, word));
			check_eq(substreams[i].name, !!(word[0] & EVENT0_SSV), ssv);
			check_eq(substreams[i].name, bits_get(word[0], EVENT0_SSID),
				 substreams[i].pasid == NONE ? 0 : substreams[i].pasid);
		}
		/* two substreams never share an answer */
		if (!substreams[i].event && substreams[i].ste0 & STE0_S1CDMAX)
			check_eq(substreams[i].name,
				 guest_dma_pasid(device, 3, IOVA, VIOMMU_READ).f.gpa,
				 TARGET + 3 * GUEST_PAGE);
		check_eq(substreams[i].name, sm_events(&r), 0);
		sm_close(&r);
	}
}

/* ---- halves, TBI, permissions, A and D, as far as they are of the CD ---- */

static void halves(void **state)
{
	const uint64_t upper = ~UINT64_C(0) << 48 | IOVA;
	struct viommu_device *device;
	uint64_t cd, root1;

	open_cd(NULL, NULL);
	root1 = guest_alloc(&r.g, 1);
	sm_map(&r, root1, IOVA, TARGET + GUEST_PAGE, SM_S1_RW);
	cd = sm_cd(&r, 5, root, CD0_TBI0 | SM_PUT(CD0_T1SZ, 16) | SM_PUT(CD0_TG1, 2));
	guest_put64(&r.g, cd + 16, root1);
	guest_put64(&r.g, cd, guest_get64(&r.g, cd) & ~CD0_EPD1);
	sm_put_ste(&r, SID, SM_STE0(STE_CONFIG_S1) | cd, 0, 0, 0);
	device = guest_device(&r.g, SID);
	for (unsigned warm = 0; warm < 2; warm++) {
		assert_int_equal(guest_dma(device, IOVA, VIOMMU_READ).f.gpa, TARGET);
		assert_int_equal(guest_dma(device, upper, VIOMMU_READ).f.gpa, TARGET + GUEST_PAGE);
		/* TBI0: the top byte of the lower half is ignored, that of the upper is not */
		assert_int_equal(guest_dma(device, IOVA | UINT64_C(0x5a) << 56, VIOMMU_READ).f.gpa,
				 TARGET);
		assert_int_equal(guest_dma(device, upper & ~BIT(60), VIOMMU_READ).result,
				 VIOMMU_FAULT);
		assert_int_equal(guest_dma(device, IOVA | BIT(50), VIOMMU_READ).result,
				 VIOMMU_FAULT);
	}
	sm_events(&r);
	/* one invalidation reaches the page under whatever tag it was asked for */
	sm_map(&r, root, IOVA, 0, 0);
	sm_do(&r, SM_ASID(CMD_NH_VA, 0, 5), IOVA | UINT64_C(0x77) << 56);
	assert_int_equal(guest_dma(device, IOVA | UINT64_C(0x5a) << 56, VIOMMU_READ).result,
			 VIOMMU_FAULT);
	assert_int_equal(guest_dma(device, upper, VIOMMU_READ).f.gpa, TARGET + GUEST_PAGE);
	sm_close(&r);
}

/* PRIVCFG and INSTCFG, cold and warm, and other streams of the same ASID. */
static void overrides(void **state)
{
	static const struct {
		const char *name;
		uint64_t ste1;
		uint64_t page; /* bits */
		unsigned access;
		int result;
	} rows[] = {
		{ "incoming: unprivileged", 0, SM_S1_RW & ~BIT(6), VIOMMU_READ, VIOMMU_FAULT },
		{ "incoming: privileged", 0, SM_S1_RW & ~BIT(6), VIOMMU_READ | VIOMMU_PRIV,
		  VIOMMU_OK },
		{ "PRIVCFG 3", SM_PUT(STE1_PRIVCFG, 3), SM_S1_RW & ~BIT(6), VIOMMU_READ,
		  VIOMMU_OK },
		{ "PRIVCFG 2", SM_PUT(STE1_PRIVCFG, 2), SM_S1_RW & ~BIT(6),
		  VIOMMU_READ | VIOMMU_PRIV, VIOMMU_FAULT },
		{ "PRIVCFG 1 is incoming", SM_PUT(STE1_PRIVCFG, 1), SM_S1_RW & ~BIT(6),
		  VIOMMU_READ | VIOMMU_PRIV, VIOMMU_OK },
		{ "UXN, a fetch", 0, SM_S1_RO | BIT(54), VIOMMU_EXEC, VIOMMU_FAULT },
		{ "INSTCFG 2: data", SM_PUT(STE1_INSTCFG, 2), SM_S1_RO | BIT(54), VIOMMU_EXEC,
		  VIOMMU_OK },
		{ "INSTCFG 3: instructions", SM_PUT(STE1_INSTCFG, 3), SM_S1_RO | BIT(54),
		  VIOMMU_READ, VIOMMU_FAULT },
		{ "INSTCFG 3: writes are data", SM_PUT(STE1_INSTCFG, 3), SM_S1_RW | BIT(54),
		  VIOMMU_WRITE, VIOMMU_OK },
		/* AP 0: users may not read, but fetch */
		{ "execute-only", 0, SM_S1_RW & ~BIT(6), VIOMMU_EXEC, VIOMMU_OK },
	};

	for (unsigned i = 0; i < ARRAY_COUNT(rows); i++) {
		struct viommu_device *device;

		open_cd(NULL, NULL);
		sm_map(&r, root, IOVA, TARGET, rows[i].page);
		sm_put_ste(&r, SID, SM_STE0(STE_CONFIG_S1) | sm_cd(&r, 5, root, 0), rows[i].ste1, 0,
			   0);
		sm_put_ste(&r, SID + 1, SM_STE0(STE_CONFIG_S1) | sm_cd(&r, 5, root, 0), 0, 0, 0);
		guest_dma(guest_device(&r.g, SID + 1), IOVA, VIOMMU_READ | VIOMMU_PRIV);
		device = guest_device(&r.g, SID);
		for (unsigned warm = 0; warm < 2; warm++) {
			struct guest_dma dma = guest_dma(device, IOVA, rows[i].access);

			check_eq(rows[i].name, dma.result, rows[i].result);
			if (dma.result)
				check_eq(rows[i].name, dma.answer.reason, F_PERMISSION);
			guest_dma(device, IOVA, rows[i].access ^ VIOMMU_PRIV);
		}
		sm_close(&r);
	}
}

/* 3.13: dirty is recorded by the first write, also after reads have filled the caches. */
static void dirty(void **state)
{
	struct viommu_device *device;
	uint64_t entry;

	open_cd(NULL, NULL);
	entry = sm_entry(&r, root, IOVA, 3);
	guest_put64(&r.g, entry, TARGET | ((SM_S1_RO | BIT(51)) & ~SM_AF));
	sm_put_ste(&r, SID, SM_STE0(STE_CONFIG_S1) | sm_cd(&r, 5, root, CD0_HA | CD0_HD), 0, 0, 0);
	device = guest_device(&r.g, SID);
	assert_int_equal(guest_dma(device, IOVA, VIOMMU_READ).f.flags, VIOMMU_FRAGMENT_CLEAN);
	assert_int_equal(guest_get64(&r.g, entry), TARGET | SM_S1_RO | BIT(51));
	assert_int_equal(guest_dma(device, IOVA, VIOMMU_WRITE).result, VIOMMU_OK);
	assert_int_equal(guest_get64(&r.g, entry), TARGET | SM_S1_RW | BIT(51));
	sm_close(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(cds_are_legal),
					    cmocka_unit_test(asids_of_el2),
					    cmocka_unit_test(substreams_are_found),
					    cmocka_unit_test(halves),
					    cmocka_unit_test(overrides),
					    cmocka_unit_test(dirty) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
