/* SPDX-License-Identifier: BSD-3-Clause */
/* test_vtd_gcmd.c - the global command and status registers (11.4.4): bits, latching, order. */

#include "vtd_unit.h"

#define TE    BIT(31)
#define SRTP  BIT(30)
#define WBF   BIT(27)
#define QIE   BIT(26)
#define IRE   BIT(25)
#define SIRTP BIT(24)
#define CFI   BIT(23)

/* ---- bits ---- */

struct write {
	const char *name;
	uint64_t gcmd; /* what is written */
	uint64_t gsts; /* what is read then, all 32 bits */
};

static void run_writes(struct unit *u, const struct write *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		row_name = rows[i].name;
		row_equal(guest_write32(&u->g, VTD_GCMD, (uint32_t)rows[i].gcmd), VIOMMU_OK);
		row_equal(gsts(u), rows[i].gsts);
		row_equal(guest_read32(&u->g, VTD_GCMD), 0); /* write-only */
	}
}

static void test_one_bit_at_a_time(void **state)
{
	static const struct write rows[] = {
		{ "nothing", 0, 0 },
		{ "WBF completes at once", WBF, 0 },
		{ "QIE on", QIE, QIE },
		{ "SRTP: RTPS, QIES stays", QIE | SRTP, QIE | SRTP },
		{ "RTPS stays when SRTP is not written", QIE, QIE | SRTP },
		{ "SIRTP: IRTPS", QIE | SIRTP, QIE | SRTP | SIRTP },
		{ "IRE on", QIE | IRE, QIE | SRTP | SIRTP | IRE },
		{ "CFI on", QIE | IRE | CFI, QIE | SRTP | SIRTP | IRE | CFI },
		{ "TE on", TE | QIE | IRE | CFI, TE | QIE | SRTP | SIRTP | IRE | CFI },
		{ "SRTP again while TE", TE | QIE | IRE | CFI | SRTP,
		  TE | QIE | SRTP | SIRTP | IRE | CFI },
		{ "CFI off", TE | QIE | IRE, TE | QIE | SRTP | SIRTP | IRE },
		{ "IRE off", TE | QIE, TE | QIE | SRTP | SIRTP },
		{ "TE off", QIE, QIE | SRTP | SIRTP },
		{ "QIE off", 0, SRTP | SIRTP },
	};
	struct unit *u = unit_open(0, GUEST_ECAP_LEGACY);

	run_writes(u, rows, ROWS(rows));
	unit_close(u);
}

static void test_several_at_once(void **state)
{
	static const struct write rows[] = {
		{ "all on", TE | SRTP | WBF | QIE | IRE | SIRTP | CFI,
		  TE | SRTP | QIE | IRE | SIRTP | CFI },
		{ "all off", 0, SRTP | SIRTP },
		{ "TE on, reserved bits too", TE | BITS(22, 0), TE | SRTP | SIRTP },
		{ "TE off and QIE on in one write", QIE, QIE | SRTP | SIRTP },
		{ "SFL and EAFL: no advanced fault log", QIE | BIT(29) | BIT(28),
		  QIE | SRTP | SIRTP },
	};
	struct unit *u = unit_open(0, GUEST_ECAP_LEGACY);

	unit_legacy_tables(u);
	guest_write64(&u->g, VTD_RTADDR, u->g.root);
	run_writes(u, rows, 1);
	row_equal(where(u->dev, UNIT_IOVA, VIOMMU_READ), u->page[0]); /* SRTP before TE */
	run_writes(u, rows, ROWS(rows));
	unit_close(u);
}

static void test_absent_commands(void **state)
{
	static const struct write rows[] = {
		{ "QI=0: QIE", QIE, 0 },
		{ "IR=0: IRE, SIRTP, CFI", IRE | SIRTP | CFI, 0 },
		{ "TE and SRTP always", TE | SRTP | IRE | QIE, TE | SRTP },
	};
	struct unit *u = unit_open(viommu_vtd_default_cap(), bits_put(VTD_ECAP_IRO, 0xf));
	struct viommu_msi msi;

	run_writes(u, rows, ROWS(rows));
	row_name = "IR=0: messages are not remapped";
	row_equal(viommu_remap_msi(u->g.iommu, 0x10, 0xfee00010, 0, 0, &msi), VIOMMU_OK);
	row_equal(msi.flags, VIOMMU_MSI_UNREMAPPED);
	unit_close(u);
}

/* ---- TE and SRTP ---- */

static void test_te(void **state)
{
	struct unit *u = unit_open(0, GUEST_ECAP_LEGACY);

	row_name =
		"11.4.4 TE: off is identity, on is translation, and nothing stale is left of either";
	unit_legacy_tables(u);
	guest_root(&u->g, VTD_TTM_LEGACY);
	for (unsigned i = 0; i < 3; i++) {
		row_equal(where(u->dev, UNIT_IOVA, VIOMMU_READ), UNIT_IOVA);
		row_equal(where(u->dev, 0xfee01000, VIOMMU_WRITE), INTERRUPT);
		row_equal(gcmd(u, TE, 0), VIOMMU_OK);
		row_equal(where(u->dev, UNIT_IOVA, VIOMMU_READ), u->page[0]);
		row_equal(where(u->dev, UNIT_IOVA + 0x2000, VIOMMU_READ), FAULT(0x06));
		row_equal(recorded(u), 0x06);
		row_equal(gcmd(u, 0, TE), VIOMMU_OK);
	}
	unit_close(u);
}

/* A second root table in which the first device has the second one's domain. */
static uint64_t other_root(struct unit *u)
{
	uint64_t first = u->g.root;
	uint64_t second;

	u->g.root = 0;
	guest_legacy(&u->g, UNIT_RID, UNIT_DID2, u->ss2, 4);
	second = u->g.root;
	u->g.root = first;
	return second;
}

static void test_srtp(void **state)
{
	struct unit *u = unit_open(0, GUEST_ECAP_LEGACY);
	struct viommu_channel *channel;
	uint64_t second;

	unit_legacy_tables(u);
	guest_start(&u->g, VTD_TTM_LEGACY);
	channel = guest_channel(&u->g, u->dev, VIOMMU_NO_PASID);
	second = other_root(u);
	row_name = "11.4.5 RTADDR without SRTP has no effect";
	row_equal(where(u->dev, UNIT_IOVA, VIOMMU_READ), u->page[0]);
	row_equal(where_channel(channel, VIOMMU_NO_PASID, UNIT_IOVA, VIOMMU_READ), u->page[0]);
	guest_write64(&u->g, VTD_RTADDR, second);
	row_equal(guest_read64(&u->g, VTD_RTADDR), second);
	row_equal(where(u->dev, UNIT_IOVA, VIOMMU_READ), u->page[0]);
	guest_invalidate_all(&u->g);
	row_equal(where(u->dev, UNIT_IOVA, VIOMMU_READ), u->page[0]);
	row_equal(where(u->dev, UNIT_IOVA + 0x1000, VIOMMU_READ), u->page[1]);
	row_name = "ESRTPS: after SRTP nothing of the old tables is left";
	row_equal(gcmd(u, SRTP, 0), VIOMMU_OK);
	row_equal(where(u->dev, UNIT_IOVA, VIOMMU_READ), u->page[2]);
	row_equal(where_channel(channel, VIOMMU_NO_PASID, UNIT_IOVA, VIOMMU_READ), u->page[2]);
	row_name = "TTM is latched with the address";
	guest_write64(&u->g, VTD_RTADDR, second | bits_put(VTD_RTADDR_TTM, VTD_TTM_SCALABLE));
	guest_invalidate_all(&u->g);
	row_equal(where(u->dev, UNIT_IOVA, VIOMMU_READ), u->page[2]);
	row_equal(gcmd(u, SRTP, 0), VIOMMU_OK);
	row_equal(where(u->dev, UNIT_IOVA, VIOMMU_READ), FAULT(0x30));
	unit_close(u);
}

/* ---- TTM (notes sections 1 and 2) ---- */

static void test_ttm(void **state)
{
	const struct {
		const char *name;
		uint64_t ecap;
		unsigned ttm;
		unsigned reason;   /* of an untranslated request */
		unsigned recorded; /* 0: not */
	} rows[] = {
		{ "RTA.1.1 TTM=3 without ADMS", GUEST_ECAP_LEGACY, 3, 0x30, 0x30 },
		{ "RTA.1.2 TTM=2", GUEST_ECAP_SCALABLE, 2, 0x30, 0x30 },
		{ "RTA.1.3 TTM=1 without SMTS", GUEST_ECAP_LEGACY, 1, 0x30, 0x30 },
		{ "2 abort mode blocks and records nothing", GUEST_ECAP_SCALABLE, 3, 0, 0 },
		{ "2 abort mode without scalable mode", GUEST_ECAP_LEGACY | VTD_ECAP_ADMS, 3, 0,
		  0 },
	};

	for (size_t i = 0; i < ROWS(rows); i++) {
		struct unit *u = unit_open(0, rows[i].ecap);

		row_name = rows[i].name;
		u->dev = guest_device(&u->g, UNIT_RID);
		guest_root(&u->g, rows[i].ttm);
		row_equal(where(u->dev, UNIT_IOVA, VIOMMU_READ), UNIT_IOVA); /* TE is off */
		row_equal(gcmd(u, TE, 0), VIOMMU_OK);
		for (unsigned again = 0; again < 2; again++) {
			row_equal(where(u->dev, UNIT_IOVA, VIOMMU_READ), FAULT(rows[i].reason));
			row_equal(recorded(u), rows[i].recorded);
			row_equal(where(u->dev, UNIT_IOVA, VIOMMU_WRITE), FAULT(rows[i].reason));
			row_equal(recorded(u), rows[i].recorded);
		}
		unit_close(u);
	}
}

static void test_abort_mode(void **state)
{
	const struct viommu_page_request page = {
		.address = UNIT_IOVA, .pasid = UNIT_PASID, .access = VIOMMU_READ, .last = 1
	};
	struct unit *u = unit_scalable();
	struct guest_dma ats;
	struct viommu_msi msi;

	row_name = "2 abort mode takes effect at SRTP, needs no tables";
	row_equal(where(u->dev, UNIT_IOVA, VIOMMU_READ), u->page[0]);
	guest_write64(&u->g, VTD_RTADDR, UINT64_C(0x000ffffffffff000) | 3 << 10);
	row_equal(where(u->dev, UNIT_IOVA, VIOMMU_READ), u->page[0]);
	row_equal(gcmd(u, SRTP, 0), VIOMMU_OK);
	row_equal(where(u->dev, UNIT_IOVA, VIOMMU_READ), FAULT(0));
	row_equal(where_pasid(u->dev, UNIT_PASID, UNIT_IOVA, VIOMMU_WRITE), FAULT(0));
	row_name = "2 translation requests UR, page requests Response Failure";
	ats = guest_ats(u->dev, VIOMMU_NO_PASID, UNIT_IOVA, VIOMMU_READ);
	row_equal(ats.result, VIOMMU_FAULT);
	row_equal(ats.answer.ats, VIOMMU_ATS_UNSUPPORTED);
	trace_clear(&u->t);
	row_equal(viommu_request_page(u->dev, &page), VIOMMU_FAULT);
	row_equal(trace_count(&u->t, GUEST_ON_RESPONSE), 1);
	row_equal(trace_response(&u->t, 0)->code, 15);
	row_name = "2 interrupt requests are no DMA";
	row_equal(where(u->dev, 0xfee01000, VIOMMU_WRITE), INTERRUPT);
	row_equal(viommu_remap_msi(u->g.iommu, UNIT_RID, 0xfee01000, 0x41, 0, &msi), VIOMMU_OK);
	row_equal(fsts(u), 0);
	row_name = "back to scalable mode";
	guest_root(&u->g, VTD_TTM_SCALABLE);
	row_equal(where(u->dev, UNIT_IOVA, VIOMMU_READ), u->page[0]);
	unit_close(u);
}

/* ---- interrupts ---- */

static uint64_t msi_result(struct unit *u, uint64_t address)
{
	struct viommu_msi msi;
	int result = viommu_remap_msi(u->g.iommu, UNIT_RID, address, 0x41, 0, &msi);

	recorded(u);
	if (result)
		return FAULT(msi.reason);
	return msi.flags & VIOMMU_MSI_UNREMAPPED ? INTERRUPT : msi.vector;
}

#define COMPATIBLE UINT64_C(0xfee01000)
#define REMAPPABLE UINT64_C(0xfee00010) /* index 0 */

static void test_sirtp(void **state)
{
	struct unit *u = unit_open(0, GUEST_ECAP_LEGACY);
	uint64_t first = guest_alloc(&u->g, 1);
	uint64_t second = guest_alloc(&u->g, 1);

	guest_put64(&u->g, first, 1 | 0x51 << 16);
	guest_put64(&u->g, second, 1 | 0x52 << 16);
	row_name = "11.4.4 IRE: before it nothing is remapped";
	row_equal(msi_result(u, REMAPPABLE), INTERRUPT);
	row_equal(msi_result(u, COMPATIBLE), INTERRUPT);
	guest_write64(&u->g, VTD_IRTA, first);
	row_equal(gcmd(u, SIRTP, 0), VIOMMU_OK);
	row_equal(msi_result(u, REMAPPABLE), INTERRUPT);
	row_equal(gcmd(u, IRE, 0), VIOMMU_OK);
	row_equal(msi_result(u, REMAPPABLE), 0x51);
	row_name = "11.4.10 IRTA without SIRTP has no effect; SIRTP while IRES=1 is legal";
	guest_write64(&u->g, VTD_IRTA, second);
	row_equal(msi_result(u, REMAPPABLE), 0x51);
	row_equal(gcmd(u, SIRTP, 0), VIOMMU_OK);
	row_equal(msi_result(u, REMAPPABLE), 0x52);
	row_name = "11.4.4 CFI";
	row_equal(msi_result(u, COMPATIBLE), FAULT(0x25));
	row_equal(gcmd(u, CFI, 0), VIOMMU_OK);
	row_equal(msi_result(u, COMPATIBLE), INTERRUPT);
	row_equal(msi_result(u, REMAPPABLE), 0x52);
	row_name = "10 EIME=1: compatibility format is blocked, CFIS mirrors the request";
	guest_write64(&u->g, VTD_IRTA, second | BIT(11));
	row_equal(gcmd(u, SIRTP, 0), VIOMMU_OK);
	row_equal(msi_result(u, COMPATIBLE), FAULT(0x25));
	row_equal(gsts(u) & CFI, CFI);
	row_name = "IRE off again";
	row_equal(gcmd(u, 0, IRE), VIOMMU_OK);
	row_equal(msi_result(u, COMPATIBLE), INTERRUPT);
	row_equal(msi_result(u, REMAPPABLE), INTERRUPT);
	unit_close(u);
}

/* ---- QIE ---- */

static void test_qie(void **state)
{
	struct unit *u = unit_open(0, GUEST_ECAP_LEGACY);
	uint64_t head;

	row_name = "11.4.4 QIE: the head starts at 0, and the queue is where IQA said at that time";
	guest_queue_on(&u->g, false, 0);
	guest_wait(&u->g);
	guest_wait(&u->g);
	row_equal(guest_read64(&u->g, VTD_IQH), 0x20);
	guest_write64(&u->g, VTD_IQA, guest_alloc(&u->g, 1) | 1); /* at the next QIE */
	guest_wait(&u->g);
	row_equal(guest_read64(&u->g, VTD_IQH), 0x30);
	row_name = "QIE off: nothing is fetched";
	row_equal(gcmd(u, 0, QIE), VIOMMU_OK);
	row_equal(gsts(u) & QIE, 0);
	head = guest_read64(&u->g, VTD_IQH);
	guest_submit_wait(&u->g);
	row_equal(guest_ring(&u->g), VIOMMU_OK);
	row_equal(viommu_run(u->g.iommu), VIOMMU_OK);
	row_equal(guest_waited(&u->g), false);
	row_equal(guest_read64(&u->g, VTD_IQH), head);
	row_name = "QIE on again: from 0, with the new IQA";
	guest_queue_on(&u->g, false, 1);
	row_equal(guest_read64(&u->g, VTD_IQH), 0);
	guest_wait(&u->g);
	row_equal(guest_read64(&u->g, VTD_IQH), 0x10);
	unit_close(u);
}

/* Notes section 6, iqt-while-off: a tail that is not zero is run when QIE is set. */
static void test_tail_before_qie(void **state)
{
	struct unit *u = unit_open(0, GUEST_ECAP_LEGACY);

	row_name = "iqt-while-off";
	guest_queue_on(&u->g, false, 0);
	row_equal(gcmd(u, 0, QIE), VIOMMU_OK);
	guest_submit_wait(&u->g);
	guest_ring(&u->g);
	row_equal(guest_waited(&u->g), false);
	row_equal(gcmd(u, QIE, 0), VIOMMU_OK);
	row_equal(guest_waited(&u->g), true);
	row_equal(guest_read64(&u->g, VTD_IQH), 0x10);
	unit_close(u);
}

/* Notes section 6, iq-off-check: the queue is drained, then QIES clears. */
static void test_qie_off_drains(void **state)
{
	struct unit *u = unit_open_limited(0, GUEST_ECAP_LEGACY, 2, 0);
	unsigned calls = 0;

	row_name = "iq-off-check: descriptors before QIE=0 are executed";
	guest_queue_on(&u->g, false, 0);
	for (unsigned i = 0; i < 9; i++)
		guest_submit(&u->g, Q_IEC_GLOBAL, 0, 0, 0);
	guest_submit_wait(&u->g);
	row_equal(guest_ring(&u->g), VIOMMU_PENDING);
	row_equal(guest_waited(&u->g), false);
	if (gcmd(u, 0, QIE) == VIOMMU_PENDING) {
		row_equal(gsts(u) & QIE, QIE);
		while (viommu_run(u->g.iommu) == VIOMMU_PENDING)
			assert_true(++calls < 20);
	}
	row_equal(guest_waited(&u->g), true);
	row_equal(gsts(u) & QIE, 0);
	unit_close(u);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_bit_at_a_time),
		cmocka_unit_test(test_several_at_once),
		cmocka_unit_test(test_absent_commands),
		cmocka_unit_test(test_te),
		cmocka_unit_test(test_srtp),
		cmocka_unit_test(test_ttm),
		cmocka_unit_test(test_abort_mode),
		cmocka_unit_test(test_sirtp),
		cmocka_unit_test(test_qie),
		cmocka_unit_test(test_tail_before_qie),
		cmocka_unit_test(test_qie_off_drains),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
