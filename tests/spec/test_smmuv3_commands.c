/* SPDX-License-Identifier: BSD-3-Clause */
/* test_smmuv3_commands.c - commands (IHI 0070, 4): which are legal, errors (7.1), and what each takes away. */
#include "check.h"

#include "smmuv3_rig.h"

#define IOVA	UINT64_C(0x7000)
#define TARGET	UINT64_C(0x40000000)
#define TARGET2 UINT64_C(0x50000000)

/* ---- 4.1.3: legal, and illegal ---- */

struct op_row {
	const char *name;
	uint64_t w0;
	uint64_t w1;
	uint64_t idr0_off; /* of everything */
	uint64_t idr0_on;
	unsigned error;
};

#define STALL_NONE SM_PUT(IDR0_STALL_MODEL, 1)

static const struct op_row ops[] = {
	{ "4.1.3 00 is reserved", 0, 0, 0, 0, CERROR_ILL },
	{ "4.2.1 PREFETCH_CFG is legal", 0x01, 0, 0, 0, 0 },
	{ "4.2.2 PREFETCH_ADDR is legal", 0x02, 0x1fff, 0, 0, 0 },
	{ "4.3.1 CFGI_STE", 0x03, 1, 0, 0, 0 },
	{ "4.3.2 CFGI_STE_RANGE", 0x04, 5, 0, 0, 0 },
	{ "4.3.2 CFGI_ALL", 0x04, 31, 0, 0, 0 },
	{ "4.3.3 CFGI_CD", 0x05, 1, 0, 0, 0 },
	{ "4.3.3 CFGI_CD without S1P", 0x05, 1, IDR0_S1P | IDR0_HYP, 0, CERROR_ILL },
	{ "4.3.4 CFGI_CD_ALL without S1P", 0x06, 0, IDR0_S1P | IDR0_HYP, 0, CERROR_ILL },
	{ "4.3.5 CFGI_VMS_PIDM without MPAM", 0x07, 0, 0, 0, CERROR_ILL },
	{ "4.4.2 NH_ALL", 0x10, 0, 0, 0, 0 },
	{ "4.4.3 EL3_ALL", 0x18, 0, 0, 0, CERROR_ILL },
	{ "4.4.3 EL3_VA", 0x1a, 0, 0, 0, CERROR_ILL },
	{ "4.4.4 EL2_ALL", 0x20, 0, 0, 0, 0 },
	{ "4.4.4 EL2_VAA without Hyp", 0x23, 0, IDR0_HYP, 0, CERROR_ILL },
	{ "4.4.5 S12_VMALL without S2P", 0x28, 0, IDR0_S2P | IDR0_HYP | IDR0_VMW, 0, CERROR_ILL },
	{ "4.4.6 S2_IPA", 0x2a, 0, 0, 0, 0 },
	{ "4.4.7 NSNH_ALL", 0x30, 0, 0, 0, 0 },
	{ "4.4.8 Secure EL2", 0x50, 0, 0, 0, CERROR_ILL },
	{ "4.4.8 S_SNH_ALL", 0x60, 0, 0, 0, CERROR_ILL },
	{ "4.5.1 ATC_INV", 0x40, 52, 0, 0, 0 },
	{ "4.5.1 ATC_INV of more than everything", 0x40, 53, 0, 0, CERROR_ILL },
	{ "4.5.1 ATC_INV without ATS", 0x40, 52, IDR0_ATS | IDR0_PRI | IDR0_ATSRECERR, 0,
	  CERROR_ILL },
	{ "4.5.2 PRI_RESP", 0x41, 0, 0, 0, 0 },
	{ "4.5.2 PRI_RESP, Resp 3", 0x41, 3 << 12, 0, 0, CERROR_ILL },
	{ "4.5.2 PRI_RESP without PRI", 0x41, 0, IDR0_PRI, 0, CERROR_ILL },
	{ "4.6.1 RESUME of nobody", 0x44 | UINT64_C(8) << 32, 0xffff, 0, 0, 0 },
	{ "4.6.2 STALL_TERM of nobody", 0x45, 0, 0, 0, 0 },
	{ "4.6.1 RESUME with STALL_MODEL 1", 0x44, 0, 0, STALL_NONE, CERROR_ILL },
	{ "4.6.2 STALL_TERM with STALL_MODEL 1", 0x45, 0, 0, STALL_NONE, CERROR_ILL },
	{ "4.7.3 SYNC, CS 0", 0x46, 0, 0, 0, 0 },
	{ "4.7.3 SYNC, CS 2", 0x46 | 2 << 12, 0, 0, 0, 0 },
	{ "4.7.3 SYNC, CS 3", 0x46 | 3 << 12, 0, 0, 0, CERROR_ILL },
	{ "4.8 DPTI_ALL without DPT", 0x70, 0, 0, 0, CERROR_ILL },
	{ "4.1.3 80", 0x80, 0, 0, 0, CERROR_ILL },
	{ "4.1.3 ff", 0xff, 0, 0, 0, CERROR_ILL },
	{ "4.1.2 SSec", 0x03 | BIT(10), 0, 0, 0, CERROR_ILL },
	{ "4.4.1.1 TG with NUM, SCALE and TTL 0", 0x12, 1 << 10, 0, 0, CERROR_ILL },
	{ "4.4.1.1 TG with TTL", 0x12, 1 << 10 | 3 << 8, 0, 0, 0 },
	{ "4.4.1.1 TG with NUM", 0x2a | 1 << 12, 2 << 10, 0, 0, 0 },
};

static void opcodes(void **state)
{
	static struct smmu_rig r;

	for (unsigned i = 0; i < ARRAY_COUNT(ops); i++) {
		const struct op_row *row = &ops[i];
		struct viommu_smmuv3_config config;

		sm_everything(&config);
		config.idr[0] &= (uint32_t)~row->idr0_off;
		config.idr[0] |= (uint32_t)row->idr0_on;
		if (row->idr0_on & STALL_NONE)
			config.idr[5] &= (uint32_t)~IDR5_STALL_MAX;
		if (!(config.idr[0] & IDR0_S1P))
			config.idr[1] &= (uint32_t)~IDR1_SSIDSIZE;
		if (!(config.idr[0] & IDR0_PRI))
			config.idr[3] &= (uint32_t)~IDR3_PPS;
		sm_open(&r, &config);
		sm_start(&r);
		sm_command(&r, row->w0, row->w1);
		sm_ring(&r);
		sm_run(&r);
		check_eq(row->name, sm_command_error(&r), row->error);
		check_eq(row->name, sm_read(&r, SMMU_CMDQ_CONS, 4) & QUEUE_INDEX,
			 row->error ? 0 : 1);
		check_eq(row->name, r.lines[VIOMMU_SMMUV3_LINE_GERROR], row->error ? 1 : 0);
		sm_close(&r);
	}
}

/* ---- 7.1: the protocol of errors ---- */

static void errors_stop_and_go_on(void **state)
{
	static struct smmu_rig r;

	sm_open(&r, NULL);
	sm_start(&r);
	sm_command(&r, 0xff, 0);
	sm_command(&r, CMD_PREFETCH_CFG, 0);
	sm_ring(&r);
	assert_int_equal(sm_command_error(&r), CERROR_ILL);
	assert_int_equal(sm_read(&r, SMMU_CMDQ_CONS, 4) & QUEUE_INDEX, 0);
	/* nothing is taken meanwhile, and the error is told of once */
	sm_sync(&r);
	assert_false(sm_told(&r));
	assert_int_equal(viommu_run(r.g.iommu), VIOMMU_OK);
	assert_int_equal(r.lines[VIOMMU_SMMUV3_LINE_GERROR], 1);
	/* software rewrites the command and acknowledges: no write of PROD is needed */
	guest_put64(&r.g, r.cmdq, CMD_PREFETCH_CFG);
	sm_acknowledge(&r);
	assert_int_equal(sm_command_error(&r), 0);
	assert_true(sm_told(&r));
	assert_int_equal(sm_read(&r, SMMU_CMDQ_CONS, 4) & QUEUE_INDEX, 3);
	/* acknowledged without being rewritten: the same error again */
	sm_command(&r, 0xff, 0);
	sm_ring(&r);
	assert_int_equal(sm_command_error(&r), CERROR_ILL);
	sm_acknowledge(&r);
	assert_int_equal(sm_command_error(&r), CERROR_ILL);
	assert_int_equal(r.lines[VIOMMU_SMMUV3_LINE_GERROR], 3);
	sm_close(&r);
}

static void unreadable_queue(void **state)
{
	static struct smmu_rig r;

	sm_open(&r, NULL);
	r.cmdq = guest_alloc(&r.g, 1);
	sm_start(&r);
	sm_write(&r, SMMU_CR0, 4, 0);
	sm_run(&r);
	sm_write(&r, SMMU_CMDQ_BASE, 8, UINT64_C(0xfff000000000) | SM_QUEUE_LG2);
	sm_write(&r, SMMU_CR0, 4, CR0_CMDQEN);
	sm_write(&r, SMMU_CMDQ_PROD, 4, 1);
	assert_int_equal(sm_command_error(&r), CERROR_ABT);
	sm_close(&r);
}

/* PROD that is no tail of this queue: bounded, never a spin. */
static void producer_anywhere(void **state)
{
	static struct smmu_rig r;

	sm_open(&r, NULL);
	sm_start(&r);
	for (unsigned i = 0; i < 1U << SM_QUEUE_LG2; i++)
		guest_put64(&r.g, r.cmdq + i * 16, CMD_PREFETCH_CFG);
	sm_write(&r, SMMU_CMDQ_PROD, 4, 0xfffff);
	assert_int_equal(sm_run(&r), VIOMMU_OK);
	assert_int_equal(sm_read(&r, SMMU_CMDQ_CONS, 4), (2U << SM_QUEUE_LG2) - 1);
	sm_close(&r);
}

/* ---- 4.3, 4.4: what goes, and what stays ---- */

/* Streams of one table: page 0 not global, page 1 global, page 2 of a second table as page 0. */
enum who { EL1_A, EL1_B, VM2, STAGE2, NESTED, EL2, STREAMS };

struct gone_row {
	const char *name;
	uint64_t w0;
	uint64_t w1;
	unsigned must; /* bit n: stream n's page is forgotten */
	unsigned may;  /* the same, and those that may be */
	unsigned page;
};

#define PAGES	3U
#define PAGE(n) (IOVA + (n)*GUEST_PAGE)
#define S(n)	(1U << (n))
#define ALL_EL1 (S(EL1_A) | S(EL1_B) | S(VM2))

static const struct gone_row gone[] = {
	{ "4.4.2.1 NH_ALL, VMID 0", SM_ASID(CMD_NH_ALL, 0, 0), 0, S(EL1_A) | S(EL1_B), 0, 0 },
	{ "4.4.2.1 NH_ALL, VMID 2", SM_ASID(CMD_NH_ALL, 2, 0), 0, S(VM2) | S(NESTED), 0, 0 },
	{ "4.4.2.1 NH_ALL, global", SM_ASID(CMD_NH_ALL, 0, 0), 0, S(EL1_A) | S(EL1_B), 0, 1 },
	{ "4.4.2.2 NH_ASID 5", SM_ASID(CMD_NH_ASID, 0, 5), 0, S(EL1_A), 0, 0 },
	{ "4.4.2.2 NH_ASID 6", SM_ASID(CMD_NH_ASID, 0, 6), 0, S(EL1_B), 0, 0 },
	{ "4.4.2.2 NH_ASID: global ones may stay", SM_ASID(CMD_NH_ASID, 0, 5), 0, 0, S(EL1_A), 1 },
	{ "4.4.2.4 NH_VA", SM_ASID(CMD_NH_VA, 0, 5), PAGE(0), S(EL1_A), 0, 0 },
	{ "4.4.2.4 NH_VA, Leaf", SM_ASID(CMD_NH_VA, 0, 5), PAGE(0) | 1, S(EL1_A), 0, 0 },
	{ "4.4.2.4 NH_VA, another page", SM_ASID(CMD_NH_VA, 0, 5), PAGE(0), 0, 0, 2 },
	{ "4.4.2.4 NH_VA: global ones of any ASID", SM_ASID(CMD_NH_VA, 0, 5), PAGE(1),
	  S(EL1_A) | S(EL1_B), 0, 1 },
	{ "4.4.2.4 NH_VA, VMID 2", SM_ASID(CMD_NH_VA, 2, 5), PAGE(0), S(VM2) | S(NESTED), 0, 0 },
	{ "4.4.2.3 NH_VAA", SM_ASID(CMD_NH_VAA, 0, 0), PAGE(0), S(EL1_A) | S(EL1_B), 0, 0 },
	{ "4.4.2.3 NH_VAA, global", SM_ASID(CMD_NH_VAA, 0, 0), PAGE(1), S(EL1_A) | S(EL1_B), 0, 1 },
	{ "4.4.1.1 RIL: 1 + 1 pages from the one before", SM_ASID(CMD_NH_VA, 0, 5) | 1 << 12,
	  (PAGE(0) - GUEST_PAGE) | 1 << 10, S(EL1_A), 0, 0 },
	{ "4.4.1.1 RIL: the range ends before", SM_ASID(CMD_NH_VA, 0, 5) | 1 << 12,
	  (PAGE(0) - GUEST_PAGE) | 1 << 10, 0, 0, 2 },
	{ "4.4.1.1 RIL: SCALE, 2^2 pages", SM_ASID(CMD_NH_VA, 0, 5) | 2 << 20,
	  (PAGE(0) - 3 * GUEST_PAGE) | 1 << 10, S(EL1_A), 0, 0 },
	{ "4.4.1.1 RIL: SCALE has 6 bits", SM_ASID(CMD_NH_VA, 0, 5) | UINT64_C(33) << 20, 1 << 10,
	  S(EL1_A), 0, 0 },
	{ "4.4.4 EL2_ALL", CMD_EL2_ALL, 0, S(EL2), 0, 0 },
	{ "4.4.4 EL2_VA", CMD_EL2_VA, PAGE(0), S(EL2), 0, 0 },
	{ "4.4.4 EL2_VAA", CMD_EL2_VAA, PAGE(0), S(EL2), 0, 0 },
	{ "4.4.5 S12_VMALL 2", SM_ASID(CMD_S12_VMALL, 2, 0), 0, S(VM2) | S(STAGE2) | S(NESTED), 0,
	  0 },
	{ "4.4.5 S12_VMALL 0", SM_ASID(CMD_S12_VMALL, 0, 0), 0, S(EL1_A) | S(EL1_B), 0, 0 },
	{ "4.4.6 S2_IPA", SM_ASID(CMD_S2_IPA, 2, 0), PAGE(0), S(STAGE2), S(NESTED), 0 },
	{ "4.4.6 S2_IPA, another page", SM_ASID(CMD_S2_IPA, 2, 0), PAGE(0), 0, S(NESTED), 2 },
	{ "4.4.7 NSNH_ALL", CMD_NSNH_ALL, 0, ALL_EL1 | S(STAGE2) | S(NESTED), S(EL2), 0 },
	/* who is looked for anew is asked of the tables */
	{ "4.3.1 CFGI_STE: translations of others stay", SM_CFGI_STE(1 + EL1_A), 1, 0, S(EL1_A),
	  0 },
};

static struct smmu_rig gr;
static struct viommu_device *stream[STREAMS];
static uint64_t roots[STREAMS], root2;

static void open_streams(void)
{
	uint64_t first = GUEST_BASE;

	sm_open(&gr, NULL);
	sm_start(&gr);
	root2 = guest_alloc(&gr.g, 1);
	for (unsigned i = 0; i < STREAMS; i++) {
		uint64_t bits = i == STAGE2 ? SM_S2_RW : SM_S1_RW;

		roots[i] = guest_alloc(&gr.g, 1);
		for (unsigned page = 0; page < PAGES; page++)
			sm_map(&gr, roots[i], PAGE(page),
			       i == NESTED ? PAGE(page) : TARGET + page * GUEST_PAGE,
			       page == 1 && i != STAGE2 ? bits & ~BIT(11) : bits);
	}
	sm_stage1(&gr, 1 + EL1_A, 5, roots[EL1_A]);
	sm_stage1(&gr, 1 + EL1_B, 6, roots[EL1_B]);
	sm_put_ste(&gr, 1 + VM2, SM_STE0(STE_CONFIG_S1) | sm_cd(&gr, 5, roots[VM2], 0), 0, 2, 0);
	sm_stage2(&gr, 1 + STAGE2, 2, roots[STAGE2]);
	sm_nested(&gr, 1 + NESTED, 2, 5, roots[NESTED], root2);
	sm_put_ste(&gr, 1 + EL2, SM_STE0(STE_CONFIG_S1) | sm_cd(&gr, 5, roots[EL2], 0),
		   SM_PUT(STE1_STRW, STRW_EL2), 0, 0);
	for (unsigned page = 0; page < PAGES; page++)
		sm_map(&gr, root2, PAGE(page), TARGET + page * GUEST_PAGE, SM_S2_RW);
	for (; first < gr.g.used; first += GUEST_PAGE)
		sm_map(&gr, root2, first, first, SM_S2_RW);
	for (unsigned i = 0; i < STREAMS; i++)
		stream[i] = guest_device(&gr.g, 1 + i);
}

/* All pages go elsewhere, behind the SMMU's back. */
static void move_pages(unsigned page)
{
	for (unsigned i = 0; i < STREAMS; i++) {
		uint64_t root = i == NESTED ? root2 : roots[i];
		uint64_t entry = sm_entry(&gr, root, PAGE(page), 3);

		guest_put64(&gr.g, entry, guest_get64(&gr.g, entry) ^ TARGET ^ TARGET2);
	}
}

static void what_goes(void **state)
{
	for (unsigned i = 0; i < ARRAY_COUNT(gone); i++) {
		const struct gone_row *row = &gone[i];

		open_streams();
		/* twice: a domain's first global page is not kept */
		for (unsigned n = 0; n < 2 * STREAMS; n++)
			check_eq(row->name,
				 guest_dma(stream[n % STREAMS], PAGE(row->page), VIOMMU_READ).f.gpa,
				 TARGET + row->page * GUEST_PAGE);
		move_pages(row->page);
		sm_do(&gr, row->w0, row->w1);
		for (unsigned n = 0; n < STREAMS; n++) {
			uint64_t gpa = guest_dma(stream[n], PAGE(row->page), VIOMMU_READ).f.gpa;
			bool forgotten = gpa == TARGET2 + row->page * GUEST_PAGE;

			if (!forgotten)
				check_eq(row->name, gpa, TARGET + row->page * GUEST_PAGE);
			if (!(row->may & S(n)) && forgotten != !!(row->must & S(n))) {
				print_message("stream %u\n", n);
				check_eq(row->name, forgotten, !!(row->must & S(n)));
			}
		}
		check_eq(row->name, sm_events(&gr), 0);
		sm_close(&gr);
	}
}

/* D8.7: sixteen neighbours that are cached as one go as one, whichever of them is named. */
static void contiguous(void **state)
{
	static const struct {
		const char *name;
		bool stage2;
		uint64_t w0;
		unsigned page; /* of the command */
		bool forgotten;
	} rows[] = {
		{ "contiguous, NH_VA of another", false, SM_ASID(CMD_NH_VA, 0, 5), 9, true },
		{ "contiguous, NH_VA of its own", false, SM_ASID(CMD_NH_VA, 0, 5), 3, true },
		{ "contiguous, NH_VA of the next group", false, SM_ASID(CMD_NH_VA, 0, 5), 16,
		  false },
		{ "contiguous, S2_IPA of another", true, SM_ASID(CMD_S2_IPA, 2, 0), 15, true },
		{ "contiguous, S2_IPA of the next group", true, SM_ASID(CMD_S2_IPA, 2, 0), 16,
		  false },
	};
	const uint64_t first = 0x10000;
	static struct smmu_rig r;

	for (unsigned i = 0; i < ARRAY_COUNT(rows); i++) {
		uint64_t bits = (rows[i].stage2 ? SM_S2_RW : SM_S1_RW) | BIT(52);
		struct viommu_device *device;
		uint64_t root;

		sm_open(&r, NULL);
		sm_start(&r);
		root = guest_alloc(&r.g, 1);
		if (rows[i].stage2)
			sm_stage2(&r, 8, 2, root);
		else
			sm_stage1(&r, 8, 5, root);
		for (unsigned page = 0; page < 16; page++)
			sm_map(&r, root, first + page * GUEST_PAGE, TARGET + page * GUEST_PAGE,
			       bits);
		device = guest_device(&r.g, 8);
		check_eq(rows[i].name, guest_dma(device, first + 3 * GUEST_PAGE, VIOMMU_READ).f.gpa,
			 TARGET + 3 * GUEST_PAGE);
		for (unsigned page = 0; page < 16; page++)
			sm_map(&r, root, first + page * GUEST_PAGE, TARGET2 + page * GUEST_PAGE,
			       bits);
		sm_do(&r, rows[i].w0, first + rows[i].page * GUEST_PAGE);
		check_eq(rows[i].name, guest_dma(device, first + 3 * GUEST_PAGE, VIOMMU_READ).f.gpa,
			 (rows[i].forgotten ? TARGET2 : TARGET) + 3 * GUEST_PAGE);
		sm_close(&r);
	}
}

/* 3.9.1: what a device has cached of it is taken away by ATC_INV, in the order of the commands; then it asks again. */
static void device_caches(void **state)
{
	static const struct {
		const char *name;
		uint64_t w0;
		uint64_t w1;
		uint64_t first;
		uint64_t last;
		uint32_t pasid;
		uint32_t flags;
	} rows[] = {
		{ "4.5.1 one page", 0, IOVA, IOVA, IOVA + 0xfff, VIOMMU_NO_PASID, 0 },
		{ "4.5.1 Size 4: 64 KiB, aligned", 0, IOVA | 4, 0, 0xffff, VIOMMU_NO_PASID, 0 },
		{ "4.5.1 Size 52: everything", 0, 52, 0, UINT64_MAX, VIOMMU_NO_PASID, 0 },
		{ "4.5.1 SSV", CMD_SSV | SM_PUT(CMD_SSID, 5), 52, 0, UINT64_MAX, 5, 0 },
		{ "4.5.1 Global", CMD_SSV | CMD_ATC_GLOBAL, 52, 0, UINT64_MAX, 0,
		  VIOMMU_INVALIDATE_ALL_PASIDS },
		{ "4.5.1 Global without SSV is ignored", CMD_ATC_GLOBAL, 52, 0, UINT64_MAX,
		  VIOMMU_NO_PASID, 0 },
	};
	struct viommu_smmuv3_config config;
	static struct smmu_rig r;

	sm_everything(&config);
	for (unsigned i = 0; i < ARRAY_COUNT(rows); i++) {
		struct viommu_device *device;
		uint64_t root;

		sm_open(&r, &config);
		sm_start(&r);
		root = guest_alloc(&r.g, 1);
		sm_map(&r, root, IOVA, TARGET, SM_S1_RW);
		sm_put_ste(&r, 8, SM_STE0(STE_CONFIG_S1) | sm_cd(&r, 5, root, 0),
			   SM_PUT(STE1_EATS, EATS_FULL), 0, 0);
		device = guest_device(&r.g, 8);
		check_eq(rows[i].name, guest_ats(device, VIOMMU_NO_PASID, IOVA, 3).f.gpa, TARGET);
		sm_map(&r, root, IOVA, TARGET2, SM_S1_RW);
		sm_command(&r, SM_ASID(CMD_NH_VA, 0, 5), IOVA);
		sm_do(&r, CMD_ATC_INV | SM_PUT(CMD_SID, 8) | rows[i].w0, rows[i].w1);
		check_eq(rows[i].name, r.g.count[GUEST_ON_INVALIDATE], 1);
		check_eq(rows[i].name, r.g.invalidation[0].what.first, rows[i].first);
		check_eq(rows[i].name, r.g.invalidation[0].what.last, rows[i].last);
		check_eq(rows[i].name, r.g.invalidation[0].what.pasid, rows[i].pasid);
		check_eq(rows[i].name, r.g.invalidation[0].what.flags, rows[i].flags);
		check_eq(rows[i].name, guest_ats(device, VIOMMU_NO_PASID, IOVA, 3).f.gpa, TARGET2);
		sm_close(&r);
	}
}

/* 6.3.9 VMW: so many low bits of VMIDs are not compared. */
static void wildcards(void **state)
{
	static const struct {
		const char *name;
		unsigned vmw;
		uint32_t vmid;	/* of the command */
		bool forgotten; /* of VMID 2 */
	} rows[] = {
		{ "VMW 0", 0, 3, false },	 { "VMW 1", 1, 3, true },
		{ "VMW 1, other", 1, 0, false }, { "VMW 2", 2, 0, true },
		{ "VMW 4", 4, 15, true },	 { "VMW 4, other", 4, 16, false },
		{ "VMW 5 is 0", 5, 3, false },
	};
	struct viommu_smmuv3_config config;
	static struct smmu_rig r;

	sm_everything(&config);
	for (unsigned i = 0; i < ARRAY_COUNT(rows); i++) {
		struct viommu_device *device;
		uint64_t root;

		sm_open(&r, &config);
		sm_start_with(&r, SM_PUT(CR0_VMW, rows[i].vmw));
		root = guest_alloc(&r.g, 1);
		sm_map(&r, root, IOVA, TARGET, SM_S2_RW);
		sm_stage2(&r, 8, 2, root);
		device = guest_device(&r.g, 8);
		check_eq(rows[i].name, guest_dma(device, IOVA, VIOMMU_READ).f.gpa, TARGET);
		sm_map(&r, root, IOVA, TARGET2, SM_S2_RW);
		sm_do(&r, SM_ASID(CMD_S12_VMALL, rows[i].vmid, 0), 0);
		check_eq(rows[i].name, guest_dma(device, IOVA, VIOMMU_READ).f.gpa,
			 rows[i].forgotten ? TARGET2 : TARGET);
		sm_close(&r);
	}
}

/* 4.3: STE and CD are cached until they are invalidated, and then read again. */
static void configuration(void **state)
{
	static const struct {
		const char *name;
		uint64_t w0;
		uint64_t w1;
		bool forgotten; /* StreamID 8 */
	} rows[] = {
		{ "4.3.1 CFGI_STE", SM_CFGI_STE(8), 0, true },
		{ "4.3.1 CFGI_STE of another", SM_CFGI_STE(9), 0, false },
		{ "4.3.2 CFGI_STE_RANGE 8 to 9", CMD_CFGI_RANGE | SM_PUT(CMD_SID, 9), 0, true },
		{ "4.3.2 CFGI_STE_RANGE 10 to 11", CMD_CFGI_RANGE | SM_PUT(CMD_SID, 10), 0, false },
		{ "4.3.2 CFGI_STE_RANGE 0 to 15", CMD_CFGI_RANGE | SM_PUT(CMD_SID, 3), 3, true },
		{ "4.3.2 CFGI_STE_RANGE 16 to 31", CMD_CFGI_RANGE | SM_PUT(CMD_SID, 16), 3, false },
		{ "4.3.2 CFGI_STE_RANGE, 2^31", CMD_CFGI_RANGE | SM_PUT(CMD_SID, 1), 30, true },
		{ "4.3.2 CFGI_ALL", CMD_CFGI_RANGE | SM_PUT(CMD_SID, 77), 31, true },
		{ "4.3.3 CFGI_CD", CMD_CFGI_CD | SM_PUT(CMD_SID, 8), 1, true },
		{ "4.3.4 CFGI_CD_ALL", CMD_CFGI_CD_ALL | SM_PUT(CMD_SID, 8), 0, true },
		{ "4.4.7 NSNH_ALL: not contexts", CMD_NSNH_ALL, 0, false },
	};
	static struct smmu_rig r;

	for (unsigned i = 0; i < ARRAY_COUNT(rows); i++) {
		struct viommu_device *device;
		uint64_t root[2];

		sm_open(&r, NULL);
		sm_start(&r);
		for (unsigned n = 0; n < 2; n++) {
			root[n] = guest_alloc(&r.g, 1);
			sm_map(&r, root[n], IOVA, n ? TARGET2 : TARGET, SM_S1_RW);
		}
		sm_stage1(&r, 8, 5, root[0]);
		device = guest_device(&r.g, 8);
		check_eq(rows[i].name, guest_dma(device, IOVA, VIOMMU_READ).f.gpa, TARGET);
		sm_stage1(&r, 8, 6, root[1]);
		sm_do(&r, rows[i].w0, rows[i].w1);
		if (rows[i].forgotten || rows[i].w0 != CMD_NSNH_ALL)
			check_eq(rows[i].name, guest_dma(device, IOVA, VIOMMU_READ).f.gpa,
				 rows[i].forgotten ? TARGET2 : TARGET);
		sm_close(&r);
	}
}

/* ---- 4.7.3 ---- */

static void sync_signals(void **state)
{
	static struct smmu_rig r;

	sm_open(&r, NULL);
	sm_start(&r);
	sm_command(&r, CMD_SYNC | SM_PUT(CMD_SYNC_CS, SYNC_IRQ), 0); /* no address: by wire */
	sm_ring(&r);
	assert_int_equal(r.lines[VIOMMU_SMMUV3_LINE_SYNC], 1);
	sm_command(&r, CMD_SYNC | SM_PUT(CMD_SYNC_CS, SYNC_IRQ) | SM_PUT(CMD_SYNC_MSIDATA, 0x1234),
		   0x8090040);
	sm_ring(&r);
	assert_int_equal(r.g.count[GUEST_ON_MSI], 1);
	assert_int_equal(r.g.msi[0].address, 0x8090040);
	assert_int_equal(r.g.msi[0].data, 0x1234);
	sm_command(&r, CMD_SYNC | SM_PUT(CMD_SYNC_MSIDATA, 7), r.status); /* CS 0: nothing */
	sm_ring(&r);
	assert_int_equal(guest_get32(&r.g, r.status), 0);
	assert_int_equal(r.lines[VIOMMU_SMMUV3_LINE_SYNC], 1);
	assert_int_equal(sm_read(&r, SMMU_CMDQ_CONS, 4), 3);
	sm_close(&r);
}

/* 4.7.3: a device that does not answer is an error of the SYNC, which is executed again. */
static void device_times_out(void **state)
{
	struct viommu_smmuv3_config config;
	static struct smmu_rig r;
	struct viommu_device *device;

	sm_everything(&config);
	sm_open(&r, &config);
	sm_start(&r);
	device = guest_device(&r.g, 8);
	r.g.invalidate_result = VIOMMU_PENDING;
	sm_command(&r, CMD_ATC_INV | SM_PUT(CMD_SID, 8) | CMD_SSV | SM_PUT(CMD_SSID, 3),
		   0x5000 | 1);
	assert_int_equal(sm_sync(&r), VIOMMU_PENDING);
	assert_int_equal(r.g.count[GUEST_ON_INVALIDATE], 1);
	assert_int_equal(r.g.invalidation[0].what.first, 0x4000);
	assert_int_equal(r.g.invalidation[0].what.last, 0x5fff);
	assert_int_equal(r.g.invalidation[0].what.pasid, 3);
	assert_int_equal(r.g.invalidation[0].what.flags, 0);
	assert_int_equal(viommu_invalidation_done(device, r.g.invalidation[0].what.token,
						  VIOMMU_FAULT),
			 VIOMMU_OK);
	sm_run(&r);
	assert_int_equal(sm_command_error(&r), CERROR_ATC_INV);
	assert_false(sm_told(&r));
	sm_acknowledge(&r);
	sm_run(&r);
	assert_true(sm_told(&r));
	sm_close(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(opcodes),	    cmocka_unit_test(errors_stop_and_go_on),
		cmocka_unit_test(unreadable_queue), cmocka_unit_test(producer_anywhere),
		cmocka_unit_test(what_goes),	    cmocka_unit_test(wildcards),
		cmocka_unit_test(configuration),    cmocka_unit_test(sync_signals),
		cmocka_unit_test(device_times_out), cmocka_unit_test(contiguous),
		cmocka_unit_test(device_caches),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
