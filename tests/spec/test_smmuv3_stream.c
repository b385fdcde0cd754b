/* SPDX-License-Identifier: BSD-3-Clause */
/* test_smmuv3_stream.c - stream tables and STEs (IHI 0070, 3.3.2, 5.1, 5.2): what is found, and what is illegal. */
#include "check.h"

#include "smmuv3_rig.h"

#define IOVA   UINT64_C(0x7000)
#define TARGET UINT64_C(0x40000000)

/* ---- where the STE is ---- */

struct place_row {
	const char *name;
	uint64_t cfg;	    /* STRTAB_BASE_CFG */
	uint64_t base_bits; /* set in STRTAB_BASE besides; ignored by the size of the table */
	uint64_t l1std;	    /* of two levels: Span; the table is where the linear one would be */
	uint32_t sid;
	uint32_t at; /* the STE's number in its table */
	unsigned event;
	bool silent; /* without RECINVSID */
};

#define TWO_LEVELS(split, log2size) (BIT(16) | SM_PUT(STRTAB_SPLIT, split) | (log2size))

static const struct place_row places[] = {
	{ "6.3.25 linear, the last one", 6, 0, 0, 63, 63, 0, false },
	{ "6.3.25 linear, beyond LOG2SIZE", 6, 0, 0, 64, 0, C_BAD_STREAMID, false },
	{ "7.3.3 RECINVSID 0: no record", 6, 0, 0, 64, 0, 0, true },
	{ "6.3.24 linear: base bits below the size are 0", 6, 0xfc0, 0, 5, 5, 0, false },
	{ "6.3.24 linear: bit 12 counts with LOG2SIZE 6", 6, 0x1000, 0, 5, 5, C_BAD_STE, false },
	{ "6.3.24 linear: bit 12 does not with LOG2SIZE 7", 7, 0x1000, 0, 5, 5, 0, false },
	{ "6.3.25 FMT 2 acts as linear", BIT(17) | 6, 0, 0, 9, 9, 0, false },
	{ "5.1 Span 0", TWO_LEVELS(6, 8), 0, 0, 8, 8, C_BAD_STREAMID, false },
	{ "5.1 Span 1: one STE", TWO_LEVELS(6, 8), 0, 1, 0, 0, 0, false },
	{ "5.1 Span 1: not the second", TWO_LEVELS(6, 8), 0, 1, 1, 1, C_BAD_STREAMID, false },
	{ "5.1 Span 4: the last of 8", TWO_LEVELS(6, 8), 0, 4, 7, 7, 0, false },
	{ "5.1 Span 4: the ninth", TWO_LEVELS(6, 8), 0, 4, 8, 8, C_BAD_STREAMID, false },
	{ "5.1 Span SPLIT + 1: all of them", TWO_LEVELS(6, 8), 0, 7, 63, 63, 0, false },
	{ "5.1 Span SPLIT + 2", TWO_LEVELS(6, 8), 0, 8, 8, 8, C_BAD_STREAMID, false },
	{ "5.1 Span 11 with SPLIT 10", TWO_LEVELS(10, 12), 0, 11, 63, 63, 0, false },
	{ "5.1 Span 12", TWO_LEVELS(10, 12), 0, 12, 8, 8, C_BAD_STREAMID, false },
	{ "6.3.25 SPLIT 7 acts as 6", TWO_LEVELS(7, 8), 0, 7, 63, 63, 0, false },
	{ "6.3.24 two levels: base bits below 2^(LOG2SIZE-SPLIT+3)", TWO_LEVELS(6, 16), 0x1fc0, 7,
	  5, 5, 0, false },
	{ "6.3.25 two levels, beyond LOG2SIZE", TWO_LEVELS(6, 8), 0, 7, 256, 0, C_BAD_STREAMID,
	  false },
};

static void set_tables(struct smmu_rig *r, const struct place_row *row, uint64_t root)
{
	uint64_t l1 = guest_alloc(&r->g, 2) + GUEST_PAGE;
	bool two = row->cfg >> 16 == 1;

	/* aligned to 64 KiB, for bits that are ignored */
	do
		r->strtab = guest_alloc(&r->g, 1);
	while (r->strtab & 0xffff);
	guest_alloc(&r->g, 1);
	l1 &= ~UINT64_C(0x1fff);
	guest_put64(&r->g, l1, r->strtab | row->l1std);
	sm_stage1(r, row->at, 5, root);
	sm_write(r, SMMU_CR0, 4, 0);
	sm_run(r);
	sm_write(r, SMMU_CR2, 4, row->silent ? 0 : CR2_RECINVSID);
	sm_write(r, SMMU_STRTAB_BASE, 8, (two ? l1 : r->strtab) | row->base_bits);
	sm_write(r, SMMU_STRTAB_BASE_CFG, 4, row->cfg);
	sm_write(r, SMMU_CR0, 4, CR0_SMMUEN | CR0_EVENTQEN | CR0_CMDQEN);
	sm_run(r);
}

static void stes_are_found(void **state)
{
	static struct smmu_rig r;
	struct viommu_smmuv3_config config;

	sm_everything(&config);
	for (unsigned i = 0; i < ARRAY_COUNT(places); i++) {
		const struct place_row *row = &places[i];
		struct guest_dma dma;
		uint64_t root;

		sm_open(&r, &config);
		sm_start(&r);
		root = guest_alloc(&r.g, 1);
		sm_map(&r, root, IOVA, TARGET, SM_S1_RW);
		set_tables(&r, row, root);
		dma = guest_dma(guest_device(&r.g, row->sid), IOVA, VIOMMU_READ);
		check_eq(row->name, dma.result,
			 row->event || row->silent ? VIOMMU_FAULT : VIOMMU_OK);
		if (row->silent)
			check_eq(row->name, dma.answer.reason, C_BAD_STREAMID);
		check_eq(row->name, sm_event_type(&r), row->event);
		sm_close(&r);
	}
}

/* ---- what it may say ---- */

struct ste_row {
	const char *name;
	unsigned config;
	uint64_t set[4]; /* xor with a legal one */
	unsigned event;	 /* 0: translated, or aborted in silence */
	int result;
	uint64_t idr_off[6]; /* bits that this SMMU does not have */
	uint64_t idr_on[6];
};

#define TG(value)      SM_PUT(STE2_S2TG, value)
#define T0SZ(from, to) (SM_PUT(STE2_S2T0SZ, (from) ^ (to)))
#define SL0(from, to)  (SM_PUT(STE2_S2SL0, (from) ^ (to)))
#define MODEL1	       SM_PUT(IDR0_STALL_MODEL, 1)
#define MODEL2	       SM_PUT(IDR0_STALL_MODEL, 2)
#define STALLS	       IDR5_STALL_MAX

static const struct ste_row stes[] = {
	{ "5.2 V = 0", 5, { STE0_V }, C_BAD_STE, VIOMMU_FAULT, { 0 }, { 0 } },
	{ "5.2 Config 0: aborted, no event", 0, { 0 }, 0, VIOMMU_FAULT, { 0 }, { 0 } },
	{ "5.2 Config 1", 1, { 0 }, 0, VIOMMU_FAULT, { 0 }, { 0 } },
	{ "5.2 Config 2", 2, { 0 }, 0, VIOMMU_FAULT, { 0 }, { 0 } },
	{ "5.2 Config 3", 3, { 0 }, 0, VIOMMU_FAULT, { 0 }, { 0 } },
	{ "5.2 Config 4: bypass", 4, { 0 }, 0, VIOMMU_OK, { 0 }, { 0 } },
	{ "5.2 Config 5", 5, { 0 }, 0, VIOMMU_OK, { 0 }, { 0 } },
	{ "5.2 Config 6", 6, { 0 }, 0, VIOMMU_OK, { 0 }, { 0 } },
	{ "5.2 Config 7", 7, { 0 }, 0, VIOMMU_OK, { 0 }, { 0 } },
	{ "5.2 S1 without S1P",
	  5,
	  { 0 },
	  C_BAD_STE,
	  VIOMMU_FAULT,
	  { IDR0_S1P | IDR0_HYP, IDR1_SSIDSIZE },
	  { 0 } },
	{ "5.2 S2 without S2P",
	  6,
	  { 0 },
	  C_BAD_STE,
	  VIOMMU_FAULT,
	  { IDR0_S2P | IDR0_HYP | IDR0_VMW },
	  { 0 } },
	{ "5.2 EATS 2 without stage 2",
	  5,
	  { 0, UINT64_C(2) << 28 },
	  C_BAD_STE,
	  VIOMMU_FAULT,
	  { 0 },
	  { 0 } },
	{ "5.2 EATS 2", 7, { 0, UINT64_C(2) << 28 }, 0, VIOMMU_OK, { 0 }, { 0 } },
	{ "5.2 EATS 2 with NS1ATS",
	  7,
	  { 0, UINT64_C(2) << 28 },
	  C_BAD_STE,
	  VIOMMU_FAULT,
	  { 0 },
	  { IDR0_NS1ATS } },
	{ "5.2 EATS 2 with S2S",
	  7,
	  { 0, UINT64_C(2) << 28, STE2_S2S },
	  C_BAD_STE,
	  VIOMMU_FAULT,
	  { 0 },
	  { 0 } },
	{ "5.2 EATS 1 with S2S",
	  6,
	  { 0, UINT64_C(1) << 28, STE2_S2S },
	  C_BAD_STE,
	  VIOMMU_FAULT,
	  { 0 },
	  { 0 } },
	{ "5.2 EATS 3 with S2S: without DPT it is 0",
	  6,
	  { 0, UINT64_C(3) << 28, STE2_S2S },
	  0,
	  VIOMMU_OK,
	  { 0 },
	  { 0 } },
	{ "5.2 EATS 2 in bypass is ignored",
	  4,
	  { 0, UINT64_C(2) << 28 },
	  0,
	  VIOMMU_OK,
	  { 0 },
	  { 0 } },
	{ "5.2 EATS without ATS is ignored",
	  5,
	  { 0, UINT64_C(2) << 28 },
	  0,
	  VIOMMU_OK,
	  { IDR0_ATS | IDR0_PRI | IDR0_ATSRECERR, 0, 0, IDR3_PPS },
	  { 0 } },
	{ "5.2 STRW 1", 5, { 0, UINT64_C(1) << 30 }, C_BAD_STE, VIOMMU_FAULT, { 0 }, { 0 } },
	{ "5.2 STRW 3", 5, { 0, UINT64_C(3) << 30 }, C_BAD_STE, VIOMMU_FAULT, { 0 }, { 0 } },
	{ "5.2 STRW is not used with stage 2",
	  7,
	  { 0, UINT64_C(1) << 30 },
	  0,
	  VIOMMU_OK,
	  { 0 },
	  { 0 } },
	{ "5.2 STRW without Hyp", 5, { 0, UINT64_C(1) << 30 }, 0, VIOMMU_OK, { IDR0_HYP }, { 0 } },
	{ "5.2 S1STALLD", 5, { 0, STE1_S1STALLD }, 0, VIOMMU_OK, { 0 }, { 0 } },
	{ "5.2 S1STALLD with STALL_MODEL 1",
	  5,
	  { 0, STE1_S1STALLD },
	  C_BAD_STE,
	  VIOMMU_FAULT,
	  { 0, 0, 0, 0, 0, STALLS },
	  { MODEL1 } },
	{ "5.2 S1CDMax above SSIDSIZE",
	  5,
	  { UINT64_C(3) << 59 },
	  C_BAD_STE,
	  VIOMMU_FAULT,
	  { 0, IDR1_SSIDSIZE },
	  { 0, 2 << 6 } },
	{ "5.2 S1Fmt 1 without CD2L",
	  5,
	  { UINT64_C(1) << 4 | UINT64_C(2) << 59 },
	  C_BAD_STE,
	  VIOMMU_FAULT,
	  { IDR0_CD2L },
	  { 0 } },
	{ "5.2 S1Fmt 1 with S1CDMax 0",
	  5,
	  { UINT64_C(1) << 4 },
	  0,
	  VIOMMU_OK,
	  { IDR0_CD2L },
	  { 0 } },
	{ "5.2 S1ContextPtr beyond OAS",
	  5,
	  { BIT(50) },
	  C_BAD_STE,
	  VIOMMU_FAULT,
	  { 0, 0, 0, 0, 0, IDR5_OAS },
	  { 0, 0, 0, 0, 0, 5 } },
	{ "5.2 S2S with STALL_MODEL 1",
	  6,
	  { 0, 0, STE2_S2S },
	  C_BAD_STE,
	  VIOMMU_FAULT,
	  { 0, 0, 0, 0, 0, STALLS },
	  { MODEL1 } },
	{ "5.2 S2S 0 with STALL_MODEL 2", 6, { 0 }, C_BAD_STE, VIOMMU_FAULT, { 0 }, { MODEL2 } },
	{ "5.2 S2AA64 0", 6, { 0, 0, STE2_S2AA64 }, C_BAD_STE, VIOMMU_FAULT, { 0 }, { 0 } },
	{ "5.2 S2HA without HTTU",
	  6,
	  { 0, 0, STE2_S2HA },
	  C_BAD_STE,
	  VIOMMU_FAULT,
	  { IDR0_HTTU },
	  { 0 } },
	{ "5.2 S2HD with HTTU 1",
	  6,
	  { 0, 0, STE2_S2HD },
	  C_BAD_STE,
	  VIOMMU_FAULT,
	  { IDR0_HTTU },
	  { UINT64_C(1) << 6 } },
	{ "5.2 S2HAFT without S2HA",
	  6,
	  { 0, 0, STE2_S2HAFT },
	  C_BAD_STE,
	  VIOMMU_FAULT,
	  { 0 },
	  { 0 } },
	{ "5.2 S2TG reserved", 6, { 0, 0, TG(3) }, C_BAD_STE, VIOMMU_FAULT, { 0 }, { 0 } },
	{ "5.2 S2TG that is not there",
	  6,
	  { 0 },
	  C_BAD_STE,
	  VIOMMU_FAULT,
	  { 0, 0, 0, 0, 0, IDR5_GRAN4K },
	  { 0 } },
	{ "5.2 S2TTB beyond S2PS",
	  6,
	  { 0, 0, UINT64_C(5) << 48, BIT(33) },
	  C_BAD_STE,
	  VIOMMU_FAULT,
	  { 0 },
	  { 0 } },
	{ "5.2 S2T0SZ 15 without S2DS",
	  6,
	  { 0, 0, T0SZ(16, 15) },
	  C_BAD_STE,
	  VIOMMU_FAULT,
	  { 0 },
	  { 0 } },
	{ "5.2 S2T0SZ 49", 6, { 0, 0, T0SZ(16, 49) }, C_BAD_STE, VIOMMU_FAULT, { 0 }, { 0 } },
	{ "5.2 S2T0SZ below 64 - IAS",
	  6,
	  { 0 },
	  C_BAD_STE,
	  VIOMMU_FAULT,
	  { 0, 0, 0, 0, 0, IDR5_OAS },
	  { 0, 0, 0, 0, 0, 4 } },
	{ "5.2 S2SL0 1 with 48 bits",
	  6,
	  { 0, 0, SL0(2, 1) },
	  C_BAD_STE,
	  VIOMMU_FAULT,
	  { 0 },
	  { 0 } },
	{ "5.2 S2SL0 2 with 39 bits",
	  6,
	  { 0, 0, T0SZ(16, 25) },
	  C_BAD_STE,
	  VIOMMU_FAULT,
	  { 0 },
	  { 0 } },
	{ "5.2 S2ENDI, little-endian only",
	  6,
	  { 0, 0, STE2_S2ENDI },
	  C_BAD_STE,
	  VIOMMU_FAULT,
	  { 0 },
	  { UINT64_C(2) << 21 } },
	{ "5.2 S2VMID of 16 bits without VMID16",
	  6,
	  { 0, 0, 0x100 },
	  C_BAD_STE,
	  VIOMMU_FAULT,
	  { IDR0_VMID16 },
	  { 0 } },
	{ "5.2 the same in bypass", 4, { 0, 0, 0x100 }, 0, VIOMMU_OK, { IDR0_VMID16 }, { 0 } },
	{ "5.2 fields of stage 2 are ignored without it",
	  5,
	  { 0, 0, STE2_S2HD | STE2_S2S | TG(3) | STE2_S2AA64 },
	  0,
	  VIOMMU_OK,
	  { IDR0_HTTU },
	  { 0 } },
	{ "5.2 fields of stage 1 are ignored without it",
	  6,
	  { UINT64_C(31) << 59 | UINT64_C(3) << 4, STE1_S1STALLD },
	  0,
	  VIOMMU_OK,
	  { 0 },
	  { 0 } },
	{ "5.2 software fields and hints are ignored",
	  7,
	  { 0, STE1_SW | STE1_S2HWU | STE1_CONT },
	  0,
	  VIOMMU_OK,
	  { 0 },
	  { 0 } },
};

/* One table of 48 bits serves as both stages: stage 2's is of its own, and maps the tables to themselves. */
static void put_legal(struct smmu_rig *r, unsigned config, uint64_t word[4])
{
	uint64_t root1 = guest_alloc(&r->g, 1);
	uint64_t root2 = guest_alloc(&r->g, 1);

	sm_map(r, root1, IOVA, config == 7 ? IOVA : TARGET, SM_S1_RW);
	sm_map(r, root2, IOVA, TARGET, SM_S2_RW);
	word[0] = SM_STE0(config) | sm_cd(r, 5, root1, 0);
	word[1] = 0;
	word[2] = SM_STE2(7);
	word[3] = root2;
	/* the first MiB is all of this guest's memory, and the next one */
	for (uint64_t at = GUEST_BASE; at < GUEST_BASE + 192 * GUEST_PAGE; at += GUEST_PAGE)
		sm_map(r, root2, at, at, SM_S2_RW);
}

static void stes_are_legal(void **state)
{
	static struct smmu_rig r;
	uint64_t word[4];

	for (unsigned i = 0; i < ARRAY_COUNT(stes); i++) {
		const struct ste_row *row = &stes[i];
		struct viommu_smmuv3_config config;
		struct guest_dma dma;

		sm_everything(&config);
		for (unsigned n = 0; n < 6; n++) {
			config.idr[n] &= (uint32_t)~row->idr_off[n];
			config.idr[n] |= (uint32_t)row->idr_on[n];
		}
		sm_open(&r, &config);
		sm_start(&r);
		put_legal(&r, row->config, word);
		sm_put_ste(&r, 8, word[0] ^ row->set[0], word[1] ^ row->set[1],
			   word[2] ^ row->set[2], word[3] ^ row->set[3]);
		dma = guest_dma(guest_device(&r.g, 8), IOVA, VIOMMU_READ);
		check_eq(row->name, dma.result, row->result);
		check_eq(row->name, dma.answer.reason, row->event);
		if (dma.result == VIOMMU_OK)
			check_eq(row->name, dma.f.gpa, row->config == 4 ? IOVA : TARGET);
		check_eq(row->name, sm_event_type(&r), row->event);
		sm_close(&r);
	}
}

/* 5.2 STRW: EL2 has a group of its own, and its pages know no privilege. */
static void stream_worlds(void **state)
{
	static struct smmu_rig r;
	struct viommu_device *device;
	uint64_t root;

	sm_open(&r, NULL);
	sm_start(&r);
	root = guest_alloc(&r.g, 1);
	sm_map(&r, root, IOVA, TARGET, SM_S1_RW & ~BIT(6)); /* AP[1] 0: no user access in EL1 */
	sm_put_ste(&r, 8, SM_STE0(STE_CONFIG_S1) | sm_cd(&r, 5, root, 0), 0, 0, 0);
	sm_put_ste(&r, 9, SM_STE0(STE_CONFIG_S1) | sm_cd(&r, 5, root, 0),
		   SM_PUT(STE1_STRW, STRW_EL2), 0, 0);
	device = guest_device(&r.g, 9);
	assert_int_equal(guest_dma(guest_device(&r.g, 8), IOVA, VIOMMU_READ).result, VIOMMU_FAULT);
	assert_int_equal(sm_event_type(&r), F_PERMISSION);
	assert_int_equal(guest_dma(device, IOVA, VIOMMU_READ).result, VIOMMU_OK);
	/* an invalidation of EL1 does not reach it, one of EL2 does */
	guest_put64(&r.g, sm_entry(&r, root, IOVA, 3), 0);
	sm_do(&r, SM_ASID(CMD_NH_ALL, 0, 0), 0);
	assert_int_equal(guest_dma(device, IOVA, VIOMMU_READ).result, VIOMMU_OK);
	sm_do(&r, CMD_EL2_VA | SM_PUT(CMD_ASID, 77), IOVA); /* E2H 0: the ASID is ignored */
	assert_int_equal(guest_dma(device, IOVA, VIOMMU_READ).result, VIOMMU_FAULT);
	/* an address of the upper half has no tables */
	sm_events(&r);
	assert_int_equal(guest_dma(device, ~UINT64_C(0xfff), VIOMMU_READ).result, VIOMMU_FAULT);
	assert_int_equal(sm_event_type(&r), F_TRANSLATION);
	sm_close(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(stes_are_found),
					    cmocka_unit_test(stes_are_legal),
					    cmocka_unit_test(stream_worlds) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
