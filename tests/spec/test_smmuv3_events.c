/* SPDX-License-Identifier: BSD-3-Clause */
/* test_smmuv3_events.c - events (IHI 0070, 7.2, 7.3): fields, the order of checks (7.3.22), overflow, errors, merging, interrupts. */
#include "check.h"

#include "smmuv3_rig.h"

#define IOVA   UINT64_C(0x7123)
#define TARGET UINT64_C(0x40000000)

static struct smmu_rig r;
static uint64_t root1, root2;

static void open_with(const struct viommu_smmuv3_config *config)
{
	sm_open(&r, config);
	sm_start(&r);
	root1 = guest_alloc(&r.g, 1);
	root2 = guest_alloc(&r.g, 1);
}

static void identity(uint64_t bits)
{
	for (uint64_t at = GUEST_BASE; at < GUEST_BASE + 192 * GUEST_PAGE; at += GUEST_PAGE)
		sm_map(&r, root2, at, at, bits);
}

/* ---- 7.3: what a record says ---- */

struct record_row {
	const char *name;
	void (*prepare)(void); /* StreamID 8 */
	uint32_t pasid;
	uint64_t iova;
	unsigned access;
	unsigned event;
	uint64_t word1;
	uint64_t word3; /* what of it counts: UINT64_MAX: not compared */
};

static void unmapped(void)
{
	sm_stage1(&r, 8, 5, root1);
	sm_entry(&r, root1, IOVA, 3);
}

static void read_only(void)
{
	unmapped();
	sm_map(&r, root1, IOVA, TARGET, SM_S1_RO);
}

static void privileged_only(void)
{
	unmapped();
	sm_map(&r, root1, IOVA, TARGET, SM_S1_RW & ~BIT(6));
}

static void not_executable(void)
{
	unmapped();
	sm_map(&r, root1, IOVA, TARGET, SM_S1_RW | BIT(54));
}

static void not_accessed(void)
{
	unmapped();
	sm_map(&r, root1, IOVA, TARGET, SM_S1_RW & ~SM_AF);
}

static void too_large(void)
{
	unmapped();
	/* 7.3.22: neither the access flag nor the permission is looked at before */
	sm_map(&r, root1, IOVA, 0, (SM_S1_RO & ~SM_AF));
	sm_put_ste(&r, 8, SM_STE0(STE_CONFIG_S1) | sm_cd(&r, 5, root1, 0), 0, 0, 0);
	guest_put64(&r.g, sm_entry(&r, root1, IOVA, 3), BIT(46) | (SM_S1_RO & ~SM_AF));
	/* IPS 4: 44 bits */
	guest_put64(&r.g, guest_get64(&r.g, sm_ste(&r, 8)) & STE0_S1CONTEXTPTR,
		    (SM_CD0(5) & ~CD0_IPS) | SM_PUT(CD0_IPS, 4));
}

static void table_lost(void)
{
	unmapped();
	guest_put64(&r.g, sm_entry(&r, root1, IOVA, 2), UINT64_C(0xfff000000) | 3);
}

static void stage2_alone(void)
{
	sm_stage2(&r, 8, 2, root2);
}

static void stage2_read_only(void)
{
	stage2_alone();
	sm_map(&r, root2, IOVA, TARGET, SM_S2_RO);
}

static void stage2_wide(void)
{
	stage2_alone();
}

static void nested_result(void)
{
	sm_nested(&r, 8, 2, 5, root1, root2);
	identity(SM_S2_RW);
	sm_map(&r, root1, IOVA, 0x9000, SM_S1_RW);
}

static void nested_table(void)
{
	nested_result();
	sm_map(&r, root2, root1, 0, 0);
}

static void nested_cd(void)
{
	nested_result();
	sm_map(&r, root2, guest_get64(&r.g, sm_ste(&r, 8)) & STE0_S1CONTEXTPTR, 0, 0);
}

static void nested_stage1(void)
{
	nested_result();
	sm_map(&r, root1, IOVA, 0x9000, SM_S1_RO);
}

static void cd_lost(void)
{
	sm_put_ste(&r, 8, SM_STE0(STE_CONFIG_S1) | UINT64_C(0xff000000), 0, 0, 0);
}

static void cd_bad(void)
{
	unmapped();
	guest_put64(&r.g, guest_get64(&r.g, sm_ste(&r, 8)) & STE0_S1CONTEXTPTR, SM_CD0(5) & ~CD0_V);
}

static void ste_lost(void)
{
	sm_write(&r, SMMU_CR0, 4, CR0_EVENTQEN | CR0_CMDQEN);
	sm_run(&r);
	sm_write(&r, SMMU_STRTAB_BASE, 8, 0xff000000);
	sm_write(&r, SMMU_CR0, 4, CR0_SMMUEN | CR0_EVENTQEN | CR0_CMDQEN);
	sm_run(&r);
}

static void bypassed(void)
{
	sm_put_ste(&r, 8, SM_STE0(STE_CONFIG_BYPASS), 0, 0, 0);
}

/* PRIVCFG privileged, INSTCFG instruction */
static void overridden(void)
{
	sm_put_ste(&r, 8, SM_STE0(STE_CONFIG_S1) | sm_cd(&r, 5, root1, 0),
		   SM_PUT(STE1_PRIVCFG, CFG_PRIV) | SM_PUT(STE1_INSTCFG, CFG_INSTR), 0, 0);
}

#define CLASS(c) SM_PUT(EVENT1_CLASS, c)
#define NONE	 VIOMMU_NO_PASID
#define TT	 (EVENT1_S2 | CLASS(CLASS_TT))

static const struct record_row records[] = {
	{ "7.3.13 F_TRANSLATION", unmapped, NONE, IOVA, VIOMMU_READ, F_TRANSLATION,
	  EVENT1_RNW | CLASS(CLASS_IN), 0 },
	{ "7.3.13 of a write", unmapped, NONE, IOVA, VIOMMU_WRITE, F_TRANSLATION, CLASS(CLASS_IN),
	  0 },
	{ "7.3.13 of a privileged fetch", unmapped, NONE, IOVA, VIOMMU_EXEC | VIOMMU_PRIV,
	  F_TRANSLATION, EVENT1_RNW | EVENT1_IND | EVENT1_PNU | CLASS(CLASS_IN), 0 },
	{ "7.3.13 InD is 0 for writes", unmapped, NONE, IOVA, VIOMMU_EXEC | VIOMMU_WRITE,
	  F_TRANSLATION, CLASS(CLASS_IN), 0 },
	{ "7.3.13 beyond TxSZ", unmapped, NONE, BIT(48), VIOMMU_READ, F_TRANSLATION,
	  EVENT1_RNW | CLASS(CLASS_IN), 0 },
	{ "7.3.13 EPD1", unmapped, NONE, ~UINT64_C(0xfff), VIOMMU_READ, F_TRANSLATION,
	  EVENT1_RNW | CLASS(CLASS_IN), 0 },
	{ "7.3.14 F_ADDR_SIZE, before access and permission", too_large, NONE, IOVA, VIOMMU_WRITE,
	  F_ADDR_SIZE, CLASS(CLASS_IN), 0 },
	{ "7.3.15 F_ACCESS, before permission", not_accessed, NONE, IOVA, VIOMMU_EXEC, F_ACCESS,
	  EVENT1_RNW | EVENT1_IND | CLASS(CLASS_IN), 0 },
	{ "7.3.16 F_PERMISSION: read-only", read_only, NONE, IOVA, VIOMMU_WRITE, F_PERMISSION,
	  CLASS(CLASS_IN), 0 },
	{ "7.3.16 not the user's", privileged_only, NONE, IOVA, VIOMMU_READ, F_PERMISSION,
	  EVENT1_RNW | CLASS(CLASS_IN), 0 },
	{ "7.3.16 UXN", not_executable, NONE, IOVA, VIOMMU_EXEC, F_PERMISSION,
	  EVENT1_RNW | EVENT1_IND | CLASS(CLASS_IN), 0 },
	{ "7.3.12 F_WALK_EABT", table_lost, NONE, IOVA, VIOMMU_READ, F_WALK_EABT,
	  EVENT1_RNW | CLASS(CLASS_TT), UINT64_C(0xfff000038) },
	{ "7.3.13 stage 2: IPA without its low bits", stage2_alone, NONE, IOVA, VIOMMU_READ,
	  F_TRANSLATION, EVENT1_RNW | EVENT1_S2 | CLASS(CLASS_IN), 0x7000 },
	{ "7.3.16 stage 2", stage2_read_only, NONE, IOVA, VIOMMU_WRITE, F_PERMISSION,
	  EVENT1_S2 | CLASS(CLASS_IN), 0x7000 },
	{ "3.4 stage 1 passed by: beyond IAS", stage2_wide, NONE, BIT(52), VIOMMU_READ, F_ADDR_SIZE,
	  EVENT1_RNW | CLASS(CLASS_IN), 0 },
	{ "3.4 stage 2: beyond S2T0SZ", stage2_alone, NONE, BIT(48), VIOMMU_READ, F_TRANSLATION,
	  EVENT1_RNW | EVENT1_S2 | CLASS(CLASS_IN), BIT(48) },
	{ "7.3.13 nested: the result", nested_result, NONE, IOVA, VIOMMU_WRITE, F_TRANSLATION,
	  EVENT1_S2 | CLASS(CLASS_IN), 0x9000 },
	{ "7.3.13 nested: a table", nested_table, NONE, IOVA, VIOMMU_WRITE, F_TRANSLATION, TT,
	  UINT64_MAX },
	{ "7.3.13 nested: the CD", nested_cd, NONE, IOVA, VIOMMU_WRITE, F_TRANSLATION,
	  EVENT1_S2 | CLASS(CLASS_CD), UINT64_MAX },
	{ "7.3.16 nested: stage 1 comes first", nested_stage1, NONE, IOVA, VIOMMU_WRITE,
	  F_PERMISSION, CLASS(CLASS_IN), 0 },
	{ "7.3.10 F_CD_FETCH", cd_lost, NONE, IOVA, VIOMMU_READ, F_CD_FETCH, 0, 0xff000000 },
	{ "7.3.11 C_BAD_CD", cd_bad, NONE, IOVA, VIOMMU_READ, C_BAD_CD, 0, 0 },
	{ "7.3.4 F_STE_FETCH", ste_lost, NONE, IOVA, VIOMMU_READ, F_STE_FETCH, 0, 0xff000200 },
	{ "7.3.9 C_BAD_SUBSTREAMID: none here", unmapped, 3, IOVA, VIOMMU_READ, C_BAD_SUBSTREAMID,
	  0, 0 },
	{ "3.9 the same in bypass", bypassed, 3, IOVA, VIOMMU_READ, C_BAD_SUBSTREAMID, 0, 0 },
	{ "3.4 bypass: beyond OAS", bypassed, NONE, BIT(52), VIOMMU_READ, F_ADDR_SIZE,
	  EVENT1_RNW | CLASS(CLASS_IN), 0 },
	{ "5.2 PRIVCFG, INSTCFG: after the overrides", overridden, NONE, IOVA, VIOMMU_READ,
	  F_TRANSLATION, EVENT1_RNW | EVENT1_IND | EVENT1_PNU | CLASS(CLASS_IN), 0 },
	{ "5.2 INSTCFG: a write is of data", overridden, NONE, IOVA, VIOMMU_WRITE, F_TRANSLATION,
	  EVENT1_PNU | CLASS(CLASS_IN), 0 },
};

static void fields(void **state)
{
	struct viommu_smmuv3_config config;

	for (unsigned i = 0; i < ARRAY_COUNT(records); i++) {
		const struct record_row *row = &records[i];
		bool address = row->event >= F_WALK_EABT;
		struct guest_dma dma;
		uint64_t word[4];

		sm_everything(&config);
		open_with(&config);
		row->prepare();
		dma = guest_dma_pasid(guest_device(&r.g, 8), row->pasid, row->iova, row->access);
		check_eq(row->name, dma.result, VIOMMU_FAULT);
		check_eq(row->name, dma.answer.reason, row->event);
		check_that(row->name, sm_event(&r, word));
		check_eq(row->name, bits_get(word[0], EVENT0_TYPE), row->event);
		check_eq(row->name, bits_get(word[0], EVENT0_SID), 8);
		check_that(row->name, !(word[0] & EVENT0_SSV));
		check_eq(row->name, bits_get(word[0], EVENT0_SSID),
			 row->pasid == NONE ? 0 : row->pasid);
		check_eq(row->name, word[1], row->word1);
		check_eq(row->name, word[2], address ? row->iova : 0);
		if (row->word3 != UINT64_MAX)
			check_eq(row->name, word[3], row->word3);
		check_eq(row->name, sm_events(&r), 0);
		check_eq(row->name, r.lines[VIOMMU_SMMUV3_LINE_EVENTQ], 1);
		/* a question leaves nothing */
		guest_dma_pasid(r.g.device[0].device, row->pasid, row->iova,
				row->access | VIOMMU_QUIET);
		check_eq(row->name, sm_events(&r), 0);
		sm_close(&r);
	}
}

/* ---- 5.4 A, R, 5.2 S2R ---- */

static void fault_configuration(void **state)
{
	static const struct {
		const char *name;
		bool s2;
		uint64_t clear; /* of CD word 0, or STE word 2 */
		uint64_t term;	/* IDR0 besides */
		unsigned event;
		uint32_t flags;
	} rows[] = {
		{ "A 1, R 1", false, 0, 0, F_TRANSLATION, 0 },
		{ "A 1, R 0: no record", false, CD0_R, 0, 0, 0 },
		{ "A 0, R 1: read as zero", false, CD0_A, 0, F_TRANSLATION, VIOMMU_ANSWER_ZERO },
		{ "A 0, R 0", false, CD0_A | CD0_R, 0, 0, VIOMMU_ANSWER_ZERO },
		{ "A 0 with TERM_MODEL: illegal", false, CD0_A, IDR0_TERM_MODEL, C_BAD_CD, 0 },
		{ "S2R 0: no record", true, STE2_S2R, 0, 0, 0 },
		{ "S2R 1", true, 0, 0, F_TRANSLATION, 0 },
	};
	struct viommu_smmuv3_config config;

	for (unsigned i = 0; i < ARRAY_COUNT(rows); i++) {
		struct guest_dma dma;

		sm_everything(&config);
		config.idr[0] |= (uint32_t)rows[i].term;
		open_with(&config);
		if (rows[i].s2) {
			sm_put_ste(&r, 8, SM_STE0(STE_CONFIG_S2), 0, SM_STE2(2) & ~rows[i].clear,
				   root2);
		} else {
			sm_stage1(&r, 8, 5, root1);
			guest_put64(&r.g, guest_get64(&r.g, sm_ste(&r, 8)) & STE0_S1CONTEXTPTR,
				    SM_CD0(5) & ~rows[i].clear);
		}
		dma = guest_dma(guest_device(&r.g, 8), IOVA, VIOMMU_READ);
		check_eq(rows[i].name, dma.result, VIOMMU_FAULT);
		check_eq(rows[i].name, dma.answer.flags, rows[i].flags);
		check_eq(rows[i].name, sm_event_type(&r), rows[i].event);
		sm_close(&r);
	}
}

/* ---- 7.2, 7.4: the queue ---- */

static void refuse_once(struct viommu_device *device, uint64_t iova)
{
	assert_int_equal(guest_dma(device, iova, VIOMMU_READ).result, VIOMMU_FAULT);
}

static void overflow(void **state)
{
	const unsigned entries = 1U << SM_QUEUE_LG2;
	struct viommu_device *device;

	open_with(NULL);
	sm_stage1(&r, 8, 5, root1);
	device = guest_device(&r.g, 8);
	for (unsigned i = 0; i < entries; i++)
		refuse_once(device, i * GUEST_PAGE);
	assert_int_equal(sm_read(&r, SMMU_EVENTQ_PROD, 4), entries);
	refuse_once(device, IOVA);
	assert_int_equal(sm_read(&r, SMMU_EVENTQ_PROD, 4), entries | QUEUE_OVFLG);
	refuse_once(device, IOVA); /* once only */
	assert_int_equal(sm_read(&r, SMMU_EVENTQ_PROD, 4), entries | QUEUE_OVFLG);
	/* 7.4: an overflow that is not acknowledged does not block what comes later */
	sm_write(&r, SMMU_EVENTQ_CONS, 4, 1);
	refuse_once(device, IOVA);
	assert_int_equal(sm_read(&r, SMMU_EVENTQ_PROD, 4), (entries + 1) | QUEUE_OVFLG);
	refuse_once(device, IOVA);
	assert_int_equal(sm_read(&r, SMMU_EVENTQ_PROD, 4), (entries + 1) | QUEUE_OVFLG);
	sm_write(&r, SMMU_EVENTQ_CONS, 4, 1 | QUEUE_OVFLG);
	refuse_once(device, IOVA);
	assert_int_equal(sm_read(&r, SMMU_EVENTQ_PROD, 4), entries + 1);
	/* one edge: it was empty once */
	assert_int_equal(r.lines[VIOMMU_SMMUV3_LINE_EVENTQ], 1);
	sm_close(&r);
}

static void disabled_and_aborted(void **state)
{
	struct viommu_device *device;

	open_with(NULL);
	sm_stage1(&r, 8, 5, root1);
	device = guest_device(&r.g, 8);
	sm_write(&r, SMMU_CR0, 4, CR0_SMMUEN | CR0_CMDQEN);
	refuse_once(device, IOVA);
	assert_int_equal(sm_read(&r, SMMU_EVENTQ_PROD, 4), 0);
	assert_int_equal(sm_read(&r, SMMU_GERROR, 4), 0);
	sm_write(&r, SMMU_EVENTQ_BASE, 8, UINT64_C(0xff0000000) | SM_QUEUE_LG2);
	sm_write(&r, SMMU_CR0, 4, CR0_SMMUEN | CR0_CMDQEN | CR0_EVENTQEN);
	refuse_once(device, IOVA);
	assert_int_equal(sm_read(&r, SMMU_GERROR, 4), GERROR_EVENTQ_ABT);
	assert_int_equal(sm_read(&r, SMMU_EVENTQ_PROD, 4), 0);
	assert_int_equal(r.lines[VIOMMU_SMMUV3_LINE_GERROR], 1);
	refuse_once(device, IOVA); /* dropped while it is active */
	assert_int_equal(r.lines[VIOMMU_SMMUV3_LINE_GERROR], 1);
	sm_acknowledge(&r);
	refuse_once(device, IOVA);
	assert_int_equal(sm_read(&r, SMMU_GERROR, 4), 0); /* toggled */
	assert_int_equal(r.lines[VIOMMU_SMMUV3_LINE_GERROR], 2);
	sm_close(&r);
}

static void merging(void **state)
{
	struct viommu_device *device;

	open_with(NULL);
	sm_put_ste(&r, 8, SM_STE0(STE_CONFIG_S1) | sm_cd(&r, 5, root1, 0), STE1_MEV, 0, 0);
	device = guest_device(&r.g, 8);
	refuse_once(device, 0x5000);
	refuse_once(device, 0x5ff8);
	assert_int_equal(sm_read(&r, SMMU_EVENTQ_PROD, 4), 1);
	refuse_once(device, 0x6000); /* another page */
	assert_int_equal(sm_read(&r, SMMU_EVENTQ_PROD, 4), 2);
	guest_dma(device, 0x6000, VIOMMU_WRITE); /* another access */
	assert_int_equal(sm_read(&r, SMMU_EVENTQ_PROD, 4), 3);
	assert_int_equal(sm_events(&r), 3);
	guest_dma(device, 0x6000, VIOMMU_WRITE); /* it has been taken */
	assert_int_equal(sm_events(&r), 1);
	sm_close(&r);
}

/* 3.18: messages, and that what happened before an interrupt was enabled is never told. */
static void messages(void **state)
{
	struct viommu_device *device;

	open_with(NULL);
	sm_stage1(&r, 8, 5, root1);
	device = guest_device(&r.g, 8);
	sm_write(&r, SMMU_IRQ_CTRL, 4, 0);
	assert_int_equal(sm_read(&r, SMMU_IRQ_CTRLACK, 4), 0);
	sm_write(&r, SMMU_EVENTQ_IRQ, 8, 0x8090040);
	sm_write(&r, SMMU_EVENTQ_IRQ + 8, 4, 0x77);
	refuse_once(device, IOVA);
	sm_write(&r, SMMU_IRQ_CTRL, 4, IRQ_EVENTQ);
	assert_int_equal(r.g.count[GUEST_ON_MSI], 0);
	sm_write(&r, SMMU_EVENTQ_IRQ + 8, 4, 0x78); /* guarded */
	refuse_once(device, IOVA);
	assert_int_equal(r.g.count[GUEST_ON_MSI], 0); /* not empty before */
	sm_events(&r);
	refuse_once(device, IOVA);
	assert_int_equal(r.g.count[GUEST_ON_MSI], 1);
	assert_int_equal(r.g.msi[0].address, 0x8090040);
	assert_int_equal(r.g.msi[0].data, 0x77);
	assert_int_equal(r.lines[VIOMMU_SMMUV3_LINE_EVENTQ], 0);
	sm_close(&r);
}

/* ---- 6.3.9, 6.3.18: a queue or an interrupt is acknowledged to be off when nobody writes to it any more ---- */

static const struct off_row {
	const char *name;
	enum guest_event in; /* the first of it is what is on its way */
	uint32_t offset;
	uint32_t ack;
	uint64_t off;
	uint64_t prod; /* register of the queue whose record it is */
	bool page;
	bool again; /* on again, before it was off */
} off_rows[] = {
	{ "CR0ACK.EVENTQEN", GUEST_ON_WRITE, SMMU_CR0, SMMU_CR0ACK, CR0_EVENTQEN, SMMU_EVENTQ_PROD,
	  false, false },
	{ "CR0ACK.PRIQEN", GUEST_ON_WRITE, SMMU_CR0, SMMU_CR0ACK, CR0_PRIQEN, SMMU_PRIQ_PROD, true,
	  false },
	{ "IRQ_CTRLACK", GUEST_ON_MSI, SMMU_IRQ_CTRL, SMMU_IRQ_CTRLACK, IRQ_EVENTQ,
	  SMMU_EVENTQ_PROD, false, false },
	{ "CR0ACK.EVENTQEN, on again", GUEST_ON_WRITE, SMMU_CR0, SMMU_CR0ACK, CR0_EVENTQEN,
	  SMMU_EVENTQ_PROD, false, true },
	{ "CR0ACK.PRIQEN, on again", GUEST_ON_WRITE, SMMU_CR0, SMMU_CR0ACK, CR0_PRIQEN,
	  SMMU_PRIQ_PROD, true, true },
};

static const struct off_row *off_row;
static unsigned off_count;

static void switch_off(void *opaque, enum guest_event event)
{
	const struct off_row *row = off_row;
	uint64_t now;

	(void)opaque;
	if (event != row->in || off_count++)
		return;
	now = sm_read(&r, row->offset, 4);
	check_eq(row->name, sm_write(&r, row->offset, 4, now & ~row->off), VIOMMU_PENDING);
	check_eq(row->name, sm_read(&r, row->ack, 4), now);
	sm_write(&r, SMMU_EVENTQ_BASE, 8, 0); /* guarded */
	sm_write(&r, SMMU_PRIQ_BASE, 8, 0);
	if (row->again)
		sm_write(&r, row->offset, 4, now);
}

static void one_record(const struct off_row *row, struct viommu_device *device)
{
	const struct viommu_page_request page = {
		.address = 0x5000, .pasid = VIOMMU_NO_PASID, .access = VIOMMU_READ, .last = 1
	};

	if (row->page)
		assert_true(viommu_request_page(device, &page) >= 0);
	else
		refuse_once(device, IOVA);
}

static void off_is_acknowledged_last(void **state)
{
	struct viommu_smmuv3_config config;

	sm_everything(&config);
	for (unsigned i = 0; i < ARRAY_COUNT(off_rows); i++) {
		const struct off_row *row = &off_rows[i];
		struct viommu_device *device;
		uint64_t on;

		sm_open_memory(&r, &config, GUEST_CALLBACKS);
		sm_write(&r, SMMU_EVENTQ_IRQ, 8, 0x8090040);
		sm_start_with(&r, CR0_PRIQEN);
		root1 = guest_alloc(&r.g, 1);
		sm_put_ste(&r, 8, SM_STE0(STE_CONFIG_S1) | sm_cd(&r, 5, root1, 0),
			   SM_PUT(STE1_EATS, 1), 0, 0);
		device = guest_device(&r.g, 8);
		on = sm_read(&r, row->ack, 4);
		off_row = row;
		off_count = 0;
		r.g.hook = switch_off;
		one_record(row, device);
		r.g.hook = NULL;
		assert_int_equal(sm_run(&r), VIOMMU_OK);
		assert_true(off_count > 0);
		check_eq(row->name, sm_read(&r, row->ack, 4), row->again ? on : on & ~row->off);
		check_eq(row->name, sm_read(&r, row->prod, 4), 1);
		one_record(row, device);
		check_eq(row->name, sm_read(&r, row->prod, 4),
			 row->again || row->offset == SMMU_IRQ_CTRL ? 2 : 1);
		sm_close(&r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fields),
		cmocka_unit_test(fault_configuration),
		cmocka_unit_test(overflow),
		cmocka_unit_test(disabled_and_aborted),
		cmocka_unit_test(merging),
		cmocka_unit_test(messages),
		cmocka_unit_test(off_is_acknowledged_last),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
