/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_vtd_queue.c - the invalidation queue (6.5.2): descriptors and their reserved bits, which
 * types are legal when, errors and IQERCD, the ring (obligations 2, 20).
 */

#include "vtd_unit.h"

#define TYPE (BITS(11, 9) | BITS(3, 0)) /* never reserved: part of the type */
#define IQE  VTD_FSTS_IQE

enum { QUEUE_DT = 1, QUEUE_IR = 2, QUEUE_SMTS = 4, QUEUE_PRS = 8 };

/* Notes section 8: the bits of each type. */
static const struct {
	const char *name;
	uint64_t q[2];	     /* a legal descriptor */
	uint64_t allowed[2]; /* in it */
	uint64_t varies;     /* bits of word 0 that select something: not tried one by one */
	unsigned needs;
	bool scalable;
} types[] = {
	{ "1 context cache", { 0x11, 0 }, { UINT64_C(0x0003ffffffff003f), 0 }, 0x30, 0, false },
	{ "2 IOTLB",
	  { 0x12, 0 },
	  { UINT64_C(0x00000000ffff00ff), UINT64_C(0xfffffffffffff07f) },
	  0x30,
	  0,
	  false },
	{ "3 device TLB",
	  { 3, 0 },
	  { UINT64_C(0xfff0ffff001ff00f), UINT64_C(0xfffffffffffff001) },
	  0,
	  QUEUE_DT,
	  false },
	{ "4 interrupt entry cache",
	  { 4, 0 },
	  { UINT64_C(0x0000fffff800001f), 0 },
	  0,
	  QUEUE_IR,
	  false },
	{ "5 wait", { 5, 0 }, { UINT64_C(0xffffffff0000007f), ~UINT64_C(3) }, 0x20, 0, false },
	{ "6 PASID IOTLB",
	  { 0x26, 0 },
	  { UINT64_C(0x000fffffffff003f), UINT64_C(0xfffffffffffff07f) },
	  0x30,
	  QUEUE_SMTS,
	  true },
	{ "7 PASID cache",
	  { 0x37, 0 },
	  { UINT64_C(0x000fffffffff003f), 0 },
	  0x30,
	  QUEUE_SMTS,
	  true },
	{ "8 PASID device TLB",
	  { 8, 0 },
	  { UINT64_C(0xfffffffffffff1ff), UINT64_C(0xfffffffffffff801) },
	  0,
	  QUEUE_SMTS | QUEUE_DT,
	  true },
	{ "9 page group response",
	  { 9, 0 },
	  { UINT64_C(0x000ffffffffff03f), 0xffc },
	  0,
	  QUEUE_PRS,
	  true },
};

/* Executes one descriptor; 0 or the IQEI of the error it stopped with. The ring is left empty. */
static unsigned iqei_of(struct unit *u, const uint64_t q[4])
{
	uint64_t head = guest_read64(&u->g, VTD_IQH);
	unsigned iqei;

	row_equal(submit4(u, q), VIOMMU_OK);
	if (!(fsts(u) & IQE)) {
		row_equal(guest_read64(&u->g, VTD_IQH), u->g.tail);
		return 0;
	}
	row_equal(guest_read64(&u->g, VTD_IQH), head); /* stays at the offender */
	row_equal(guest_read64(&u->g, VTD_IQT), u->g.tail);
	iqei = (unsigned)(guest_read64(&u->g, VTD_IQERCD) & 15);
	row_equal(iqei != 0, true);
	queue_recover(u);
	return iqei;
}

/* Each bit of each word by itself. */
static void check_bits(struct unit *u, size_t type, uint64_t also_allowed)
{
	for (unsigned bit = 0; bit < (u->g.wide ? 256U : 128U); bit++) {
		uint64_t q[4] = { types[type].q[0], types[type].q[1] };
		uint64_t allowed = bit < 128 ? types[type].allowed[bit / 64] : 0;
		uint64_t mask = BIT(bit % 64);

		if (bit < 64 && (mask & (TYPE | types[type].varies)))
			continue;
		if (bit < 64)
			allowed |= also_allowed;
		q[bit / 64] ^= mask;
		if (iqei_of(u, q) != (mask & allowed ? 0 : 4)) {
			print_error("bit %u: ", bit);
			row_equal(fsts(u), mask & allowed ? 0 : IQE);
			fail();
		}
	}
}

static void test_reserved_bits_narrow(void **state)
{
	struct unit *u = unit_legacy(GUEST_ECAP_LEGACY);

	for (size_t i = 0; i < ROWS(types); i++) {
		row_name = types[i].name;
		if (!types[i].scalable)
			check_bits(u, i, 0);
	}
	unit_close(u);
}

static void test_reserved_bits_wide(void **state)
{
	struct unit *u = unit_scalable();

	for (size_t i = 0; i < ROWS(types); i++) {
		row_name = types[i].name;
		check_bits(u, i, (types[i].q[0] & 15) == 5 ? BIT(7) : 0); /* PD, with PDS */
	}
	row_name = "9 private data needs PDP";
	row_equal(iqei_of(u, (uint64_t[]){ 9, 0, 1, 0 }), 4);
	row_equal(iqei_of(u, (uint64_t[]){ 9, 0, 0, BIT(63) }), 4);
	row_equal(iqei_of(u, (uint64_t[]){ 9 | BIT(5), 0, UINT64_MAX, UINT64_MAX }), 0);
	unit_close(u);
}

/* ---- legality ---- */

/* The code with which each type ends in this queue. */
static void check_types(struct unit *u, unsigned has, bool scalable, unsigned width_error)
{
	for (size_t i = 0; i < ROWS(types); i++) {
		bool legal = !(types[i].needs & ~has) && (scalable || !types[i].scalable);
		uint64_t q[4] = { types[i].q[0], types[i].q[1] };

		row_equal(iqei_of(u, q), width_error ? width_error : legal ? 0 : 3);
	}
	for (uint64_t type = 0; type < 128; type++) {
		uint64_t q[4] = { (type & 15) | (type >> 4) << 9 };

		if (type == 0 || type > 9)
			row_equal(iqei_of(u, q), width_error ? width_error : 3);
	}
}

static void test_types(void **state)
{
	const uint64_t full = GUEST_ECAP_SCALABLE;
	const uint64_t plain = viommu_vtd_default_ecap();
	const unsigned all = QUEUE_DT | QUEUE_IR | QUEUE_SMTS | QUEUE_PRS;
	const uint64_t no_prs = full & ~(VTD_ECAP_PRS | VTD_ECAP_PDS);
	const struct {
		const char *name;
		uint64_t cap;
		uint64_t ecap;
		unsigned ttm;
		bool wide;
		unsigned has;
		bool scalable;
		unsigned error;
	} rows[] = {
		{ "legacy, 128 bits, DT", 0, GUEST_ECAP_LEGACY, 0, false, QUEUE_DT | QUEUE_IR,
		  false, 0 },
		{ "legacy, 128 bits, no DT", 0, plain, 0, false, QUEUE_IR, false, 0 },
		{ "legacy, 128 bits, nothing", viommu_vtd_default_cap(),
		  plain & ~(VTD_ECAP_IR | VTD_ECAP_EIM | VTD_ECAP_MHMV), 0, false, 0, false, 0 },
		{ "legacy TTM, 128 bits, SMTS", 0, full, 0, false, all, false, 0 },
		{ "legacy TTM, 256 bits, SMTS", 0, full, 0, true, all, false, 0 },
		{ "legacy TTM, 256 bits, ADMS", 0, GUEST_ECAP_LEGACY | VTD_ECAP_ADMS, 0, true,
		  QUEUE_DT | QUEUE_IR, false, 0 },
		{ "scalable, 256 bits", 0, full, 1, true, all, true, 0 },
		{ "scalable, 256 bits, no PRS", 0, no_prs, 1, true, all & ~(unsigned)QUEUE_PRS,
		  true, 0 },
		{ "scalable, 128 bits: IQEI 5", 0, full, 1, false, all, true, 5 },
		{ "legacy, 256 bits without SMTS and ADMS: IQEI 5", 0, GUEST_ECAP_LEGACY, 0, true,
		  0, false, 5 },
		{ "abort, 256 bits", 0, full, 3, true, all, true, 0 },
		{ "abort, 128 bits", 0, full, 3, false, all, true, 0 },
		{ "TTM=2: IQEI 7", 0, full, 2, true, all, true, 7 },
		{ "TTM=1 without SMTS: IQEI 7", 0, GUEST_ECAP_LEGACY, 1, false, 0, false, 7 },
		{ "TTM=3 without ADMS: IQEI 7", 0, GUEST_ECAP_LEGACY, 3, false, 0, false, 7 },
	};

	for (size_t i = 0; i < ROWS(rows); i++) {
		struct unit *u = unit_open(rows[i].cap, rows[i].ecap);

		row_name = rows[i].name;
		guest_root(&u->g, rows[i].ttm);
		guest_queue_on(&u->g, rows[i].wide, 0);
		check_types(u, rows[i].has, rows[i].scalable, rows[i].error);
		unit_close(u);
	}
}

/* ---- fields that mean nothing ---- */

static void test_undefined_fields(void **state)
{
	static const struct {
		const char *name;
		uint64_t q[4];
		unsigned iqei;
	} rows[] = {
		{ "6.5.2.1 CC granularity 0", { 0x01, 0 }, 4 },
		{ "6.5.2.1 CC granularity 1", { 0x11, 0 }, 0 },
		{ "6.5.2.1 CC granularity 2", { 0x21, 0 }, 0 },
		{ "6.5.2.1 CC granularity 3", { 0x31, 0 }, 0 },
		{ "6.5.2.3 IOTLB granularity 0", { 0x02, 0 }, 4 },
		{ "6.5.2.3 IOTLB AM = MAMV", { 0x32, 18 }, 0 },
		{ "6.5.2.3 IOTLB AM > MAMV", { 0x32, 19 }, 4 },
		{ "6.5.2.3 IOTLB AM 63", { 0x32, 63 }, 4 },
		{ "6.5.2.3 IOTLB AM counts for pages only", { 0x22, 63 }, 0 },
		{ "6.5.2.4 PASID-IOTLB granularity 0", { 0x06, 0 }, 4 },
		{ "6.5.2.4 PASID-IOTLB granularity 1", { 0x16, 0 }, 4 },
		{ "6.5.2.4 PASID-IOTLB granularity 2", { 0x26, 0 }, 0 },
		{ "6.5.2.4 PASID-IOTLB granularity 3", { 0x36, 0 }, 0 },
		{ "6.5.2.2 PASID-cache granularity 0", { 0x07, 0 }, 0 },
		{ "6.5.2.2 PASID-cache granularity 1", { 0x17, 0 }, 0 },
		{ "6.5.2.2 PASID-cache granularity 2", { 0x27, 0 }, 4 },
		{ "6.5.2.2 PASID-cache granularity 3", { 0x37, 0 }, 0 },
		{ "6.5.2.7 IM = MHMV", { 0x14 | UINT64_C(15) << 27, 0 }, 0 },
		{ "6.5.2.7 IM > MHMV", { 0x14 | UINT64_C(16) << 27, 0 }, 4 },
		{ "6.5.2.7 IM 31", { 0x14 | UINT64_C(31) << 27, 0 }, 4 },
	};
	struct unit *u = unit_scalable();

	for (size_t i = 0; i < ROWS(rows); i++) {
		row_name = rows[i].name;
		row_equal(iqei_of(u, rows[i].q), rows[i].iqei);
	}
	unit_close(u);
	row_name = "PSI=0: page-selective";
	u = unit_open(viommu_vtd_default_cap() & ~VTD_CAP_PSI, viommu_vtd_default_ecap());
	guest_queue_on(&u->g, false, 0);
	row_equal(iqei_of(u, (uint64_t[]){ 0x32, 0, 0, 0 }), 4);
	row_equal(iqei_of(u, (uint64_t[]){ 0x22, 0, 0, 0 }), 0);
	unit_close(u);
}

/* ---- errors of the queue itself ---- */

/* IQERCD after the tail was written; the head must stay at 0x20. */
static void check_tail(bool wide, uint64_t tail, unsigned iqei)
{
	struct unit *u = unit_open(0, GUEST_ECAP_SCALABLE);

	guest_queue_on(&u->g, wide, 0);
	guest_wait(&u->g);
	if (!wide)
		guest_wait(&u->g);
	row_equal(guest_write64(&u->g, VTD_IQT, tail), VIOMMU_OK);
	row_equal(fsts(u), iqei ? IQE : 0);
	row_equal(guest_read64(&u->g, VTD_IQERCD), iqei);
	row_equal(guest_read64(&u->g, VTD_IQH), 0x20);
	/* cleared and not repaired: the same again; repaired: goes on */
	guest_write32(&u->g, VTD_FSTS, (uint32_t)IQE);
	row_equal(fsts(u), iqei ? IQE : 0);
	guest_write64(&u->g, VTD_IQT, 0x20);
	guest_write32(&u->g, VTD_FSTS, (uint32_t)IQE);
	row_equal(fsts(u), 0);
	guest_wait(&u->g);
	unit_close(u);
}

static void test_tail(void **state)
{
	row_name = "11.4.9.9 IQEI 1: tail at the size, and beyond";
	check_tail(false, 0x1000, 1);
	check_tail(false, 0x7fff0, 1);
	check_tail(true, 0x1000, 1);
	check_tail(true, 0x7ffe0, 1);
	row_name = "11.4.9.9 IQEI 6: odd tail with 256-bit descriptors";
	check_tail(true, 0x30, 6);
	check_tail(true, 0xff0, 6);
	row_name = "bits of IQT that do not exist";
	check_tail(false, 0x20 | UINT64_C(0xfffffffffff8000f), 0);
}

static void test_fetch(void **state)
{
	static const uint64_t bases[] = { UINT64_C(0x80000000), UINT64_C(0xfffffffffffff000),
					  BIT(52) };

	for (size_t i = 0; i < ROWS(bases); i++) {
		struct unit *u = unit_open(0, GUEST_ECAP_LEGACY);

		row_name = "11.4.9.9 IQEI 2: fetch failed";
		guest_write64(&u->g, VTD_IQA, bases[i]);
		gcmd(u, VTD_G_QIE, 0);
		row_equal(guest_write64(&u->g, VTD_IQT, 0x10), VIOMMU_OK);
		row_equal(fsts(u), IQE);
		row_equal(guest_read64(&u->g, VTD_IQERCD), 2);
		row_equal(guest_read64(&u->g, VTD_IQH), 0);
		unit_close(u);
	}
}

/* ---- order, restart ---- */

static void test_restart(void **state)
{
	struct unit *u = unit_legacy(GUEST_ECAP_LEGACY);
	uint64_t offender;

	row_name =
		"6.5.2.10 earlier descriptors of the batch have taken effect, later ones have not";
	guest_submit_wait(&u->g);
	offender = u->g.queue + u->g.tail;
	guest_submit(&u->g, 0xb, 0, 0, 0);
	u->g.ticket = 0x77;
	guest_submit_wait(&u->g);
	guest_ring(&u->g);
	row_equal(guest_get32(&u->g, u->g.status), 1);
	row_equal(guest_read64(&u->g, VTD_IQH), 0x10);
	row_equal(guest_read64(&u->g, VTD_IQERCD), 3);
	row_name = "while IQE is set nothing is fetched";
	guest_put64(&u->g, offender, 4);
	guest_ring(&u->g);
	row_equal(viommu_run(u->g.iommu), VIOMMU_OK);
	row_equal(guest_read64(&u->g, VTD_IQH), 0x10);
	row_name = "writing 0 to FSTS does not clear it";
	guest_write32(&u->g, VTD_FSTS, 0);
	row_equal(guest_read64(&u->g, VTD_IQH), 0x10);
	row_name = "clearing IQE goes on at the head, with what is there now";
	row_equal(guest_write32(&u->g, VTD_FSTS, (uint32_t)IQE), VIOMMU_OK);
	row_equal(fsts(u), 0);
	row_equal(guest_waited(&u->g), true);
	row_equal(guest_read64(&u->g, VTD_IQH), 0x30);
	unit_close(u);
}

/* ---- the ring ---- */

static void check_ring(unsigned qs, bool wide)
{
	struct unit *u = unit_open(0, GUEST_ECAP_SCALABLE);
	uint64_t bytes = wide ? 32 : 16;
	uint64_t entries = UINT64_C(1) << (qs + (wide ? 7 : 8));

	guest_queue_on(&u->g, wide, qs);
	for (unsigned round = 0; round < 2; round++) { /* as full as it gets, from everywhere */
		for (uint64_t i = 0; i < entries - 2; i++) {
			guest_put64(&u->g, u->g.queue + u->g.tail, 4);
			guest_put64(&u->g, u->g.queue + u->g.tail + 8, 0);
			u->g.tail = (u->g.tail + bytes) & (entries * bytes - 1);
		}
		guest_wait(&u->g);
		row_equal(fsts(u), 0);
		row_equal(guest_read64(&u->g, VTD_IQH), u->g.tail);
		row_equal(u->g.tail, (round + 1) * (entries - 1) * bytes % (entries * bytes));
	}
	unit_close(u);
}

static void test_ring(void **state)
{
	row_name = "11.4.9.3 QS: 2^(QS+8) or 2^(QS+7) entries, and around";
	for (unsigned qs = 0; qs < 8; qs++) {
		check_ring(qs, false);
		check_ring(qs, true);
	}
}

/* ---- bounded work ---- */

static void test_budget(void **state)
{
	struct unit *u = unit_open_limited(0, GUEST_ECAP_LEGACY, 4, 0);

	row_name = "each call processes at most the budget";
	guest_queue_on(&u->g, false, 0);
	for (unsigned i = 0; i < 9; i++)
		guest_submit(&u->g, 4, 0, 0, 0);
	guest_submit_wait(&u->g);
	trace_clear(&u->t);
	row_equal(guest_ring(&u->g), VIOMMU_PENDING);
	row_equal(trace_count(&u->t, GUEST_ON_WORK) >= 1, true);
	row_equal(guest_read64(&u->g, VTD_IQH), 4 * 16);
	trace_clear(&u->t);
	row_equal(viommu_run(u->g.iommu), VIOMMU_PENDING);
	row_equal(trace_count(&u->t, GUEST_ON_WORK) >= 1, true);
	row_equal(guest_read64(&u->g, VTD_IQH), 8 * 16);
	row_equal(guest_waited(&u->g), false);
	trace_clear(&u->t);
	row_equal(viommu_run(u->g.iommu), VIOMMU_OK);
	row_equal(guest_read64(&u->g, VTD_IQH), 10 * 16);
	row_equal(guest_waited(&u->g), true);
	row_equal(trace_count(&u->t, GUEST_ON_WORK), 0);
	row_name = "exactly the budget is not more than it";
	for (unsigned i = 0; i < 4; i++)
		guest_submit(&u->g, 4, 0, 0, 0);
	row_equal(guest_ring(&u->g), VIOMMU_OK);
	row_name = "any register write goes on with what is left";
	for (unsigned i = 0; i < 5; i++)
		guest_submit(&u->g, 4, 0, 0, 0);
	row_equal(guest_ring(&u->g), VIOMMU_PENDING);
	row_equal(guest_write32(&u->g, VTD_IECTL, 0), VIOMMU_OK);
	row_equal(guest_read64(&u->g, VTD_IQH), u->g.tail);
	unit_close(u);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reserved_bits_narrow),
		cmocka_unit_test(test_reserved_bits_wide),
		cmocka_unit_test(test_types),
		cmocka_unit_test(test_undefined_fields),
		cmocka_unit_test(test_tail),
		cmocka_unit_test(test_fetch),
		cmocka_unit_test(test_restart),
		cmocka_unit_test(test_ring),
		cmocka_unit_test(test_budget),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
