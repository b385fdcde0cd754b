/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_vtd_notify.c - every command and control write x every kind of listener: who is told what,
 * and that it happens before the guest can see that the command is complete (obligations 14, 16,
 * 17).
 */

#include "vtd_unit.h"

#define ANY  VIOMMU_ANY_PASID
#define NONE VIOMMU_NO_PASID
#define NO   UINT32_MAX /* no callback of that kind */
#define ALL  0, UINT64_MAX

struct told {
	uint32_t pasid; /* requests that must be covered */
	uint64_t first;
	uint64_t last; /* first > last: no unmap is needed */
	uint32_t mode;
	uint32_t irq_first; /* NO: must not be called */
	uint32_t irq_last;
};

#define NOT_UNMAPPED NONE, 1, 0

/* A listener of everything, one of the device, and the word that a wait writes. */
static void listen(struct unit *u)
{
	trace_listener(&u->t, NULL);
	trace_listener(&u->t, u->dev);
	trace_clear(&u->t);
}

static bool covers(const struct trace_event *e, const struct unit *u, const struct told *want)
{
	return e->kind == TRACE_UNMAP && e->device == u->dev &&
	       (e->pasid == ANY || e->pasid == want->pasid) && e->first <= want->first &&
	       e->last >= want->last;
}

static void check_told(struct unit *u, const struct told *want)
{
	unsigned unmapped = 0;
	unsigned modes = 0;
	unsigned interrupts = 0;

	for (unsigned i = 0; i < u->t.events; i++) {
		const struct trace_event *e = &u->t.event[i];

		unmapped += covers(e, u, want);
		if (e->kind == TRACE_MODE) {
			row_equal(e->mode, want->mode);
			modes += e->device == u->dev;
		}
		if (e->kind == TRACE_INTERRUPTS) {
			interrupts++;
			row_equal(e->first, want->irq_first);
			row_equal(e->last, want->irq_last);
		}
	}
	if (want->first <= want->last)
		row_equal(unmapped >= 2, true); /* each listener */
	row_equal(modes >= 2, want->mode != NO);
	row_equal(interrupts, want->irq_first != NO);
}

/* ---- the queue ---- */

static const struct {
	const char *name;
	uint64_t q[2];
	struct told told;
} descriptor_rows[] = {
	{ "6.5.2.1 CC global", { Q_CC(1, 0, 0, 0), 0 }, { NONE, ALL, NO, NO, 0 } },
	{ "6.5.2.1 CC domain", { Q_CC(2, 7, 0, 0), 0 }, { NONE, ALL, NO, NO, 0 } },
	{ "6.5.2.1 CC device", { Q_CC(3, 7, UNIT_RID, 0), 0 }, { NONE, ALL, NO, NO, 0 } },
	{ "6.5.2.1 CC device, PASIDs too", { Q_CC(3, 7, UNIT_RID, 0), 0 }, { 5, ALL, NO, NO, 0 } },
	{ "6.5.2.1 CC device, function mask",
	  { Q_CC(3, 7, UNIT_RID | 7, 3), 0 },
	  { NONE, ALL, NO, NO, 0 } },
	{ "6.5.2.2 PASID cache domain", { Q_PC(0, 7, 0), 0 }, { 5, ALL, NO, NO, 0 } },
	{ "6.5.2.2 PASID cache PASID", { Q_PC(1, 7, 5), 0 }, { 5, ALL, NO, NO, 0 } },
	{ "6.5.2.2 PASID cache global", { Q_PC(3, 0, 0), 0 }, { NONE, ALL, NO, NO, 0 } },
	{ "6.5.2.3 IOTLB global", { Q_IOTLB(1, 0), 0 }, { 5, ALL, NO, NO, 0 } },
	{ "6.5.2.3 IOTLB domain", { Q_IOTLB(2, 7), 0 }, { NONE, ALL, NO, NO, 0 } },
	{ "6.5.2.3 IOTLB domain, PASIDs too", { Q_IOTLB(2, 7), 0 }, { 5, ALL, NO, NO, 0 } },
	{ "6.5.2.3 IOTLB page",
	  { Q_IOTLB(3, 7), UNIT_IOVA },
	  { NONE, UNIT_IOVA, UNIT_IOVA + 0xfff, NO, NO, 0 } },
	{ "6.5.2.3 IOTLB pages, AM",
	  { Q_IOTLB(3, 7), UNIT_IOVA | 9 },
	  { NONE, UNIT_IOVA, UNIT_IOVA + 0x1fffff, NO, NO, 0 } },
	{ "6.5.2.3 IOTLB page: all of the domain's nested mappings",
	  { Q_IOTLB(3, 7), UNIT_IOVA },
	  { 6, ALL, NO, NO, 0 } },
	{ "6.5.2.3 IOTLB domain that only a PASID has",
	  { Q_IOTLB(2, 9), 0 },
	  { 9, ALL, NO, NO, 0 } },
	{ "6.5.2.4 PASID-IOTLB PASID", { Q_PIOTLB(2, 7, 5), 0 }, { 5, ALL, NO, NO, 0 } },
	{ "6.5.2.4 PASID-IOTLB page",
	  { Q_PIOTLB(3, 7, 5), UNIT_IOVA },
	  { 5, UNIT_IOVA, UNIT_IOVA + 0xfff, NO, NO, 0 } },
	{ "6.5.2.4 PASID-IOTLB of a domain that only a PASID has",
	  { Q_PIOTLB(2, 9, 9), 0 },
	  { 9, ALL, NO, NO, 0 } },
	{ "6.5.2.7 IEC global", { Q_IEC_GLOBAL, 0 }, { NOT_UNMAPPED, NO, 0, 0xffff } },
	{ "6.5.2.7 IEC index", { Q_IEC(5, 0), 0 }, { NOT_UNMAPPED, NO, 5, 5 } },
	{ "6.5.2.7 IEC index mask", { Q_IEC(0x123, 4), 0 }, { NOT_UNMAPPED, NO, 0x120, 0x12f } },
	{ "6.5.2.7 IEC the last", { Q_IEC(0xffff, 0), 0 }, { NOT_UNMAPPED, NO, 0xffff, 0xffff } },
	{ "6.5.2.7 IEC half of all",
	  { Q_IEC(0x8000, 15), 0 },
	  { NOT_UNMAPPED, NO, 0x8000, 0xffff } },
};

static void test_descriptors(void **state)
{

	for (size_t i = 0; i < ROWS(descriptor_rows); i++) {
		struct unit *u = unit_scalable();
		struct guest_pasid p = { .did = 7,
					 .pgtt = VTD_PGTT_NESTED,
					 .ss = u->ss,
					 .ss_levels = 4,
					 .fs = u->fs,
					 .fs_levels = 4 };

		row_name = descriptor_rows[i].name;
		guest_pasid(&u->g, UNIT_RID, 6, &p);
		p.did = 9;
		guest_pasid(&u->g, UNIT_RID, 9, &p);
		listen(u);
		guest_submit(&u->g, descriptor_rows[i].q[0], descriptor_rows[i].q[1], 0, 0);
		guest_submit_wait(&u->g);
		u->t.watch = guest_at(&u->g, u->g.status);
		row_equal(guest_ring(&u->g), VIOMMU_OK);
		check_told(u, &descriptor_rows[i].told);
		for (unsigned k = 0; k < u->t.events; k++) { /* 14: told first, then the status */
			if (u->t.event[k].kind >= TRACE_UNMAP)
				row_equal(u->t.event[k].watched == u->g.ticket, false);
		}
		row_equal(guest_waited(&u->g), true);
		unit_close(u);
	}
}

#define BIG UINT64_C(0x80000000)

/* Takes a piece into a shadow. */
static int ignore(void *opaque, uint64_t iova, const struct viommu_fragment *fragment)
{
	(void)opaque, (void)iova, (void)fragment;
	return 0;
}

/* Whoever was told of a piece of a page may have it still: an invalidation of any address of the page is
 * told as one of all of it. */
static void test_pieces(void **state)
{
	static const struct {
		const char *name;
		struct told told;
	} rows[] = {
		{ "nobody has a piece of 1 GiB", { 6, BIG, BIG | 0xfff, NO, NO, 0 } },
		{ "a piece of 1 GiB was an answer", { 6, BIG, BIG | 0x3fffffff, NO, NO, 0 } },
		{ "a piece of 1 GiB was replayed", { 6, BIG + 0x5000, BIG + 0x5fff, NO, NO, 0 } },
	};

	for (unsigned i = 0; i < ROWS(rows); i++) {
		struct unit *u = unit_scalable();
		struct guest_pasid p = {
			.did = 7, .pgtt = VTD_PGTT_NESTED, .ss_levels = 4, .fs_levels = 4
		};
		uint64_t first = BIG;

		row_name = rows[i].name;
		p.ss = guest_table(&u->g);
		p.fs = guest_table(&u->g);
		guest_ss_map(&u->g, p.ss, 4, 0, 0, 30, GUEST_RW);
		guest_ss_map(&u->g, p.ss, 4, 0x40005000, u->page[0], 12, GUEST_RW);
		guest_fs_map(&u->g, p.fs, 4, BIG, 0x40000000, 30, GUEST_FS);
		guest_pasid(&u->g, UNIT_RID, 6, &p);
		listen(u);
		if (i == 1)
			row_equal(where_pasid(u->dev, 6, BIG + 0x5000, VIOMMU_READ), u->page[0]);
		if (i == 2)
			row_equal(viommu_replay(u->dev, 6, &first, BIG | 0x3fffffff, UINT32_MAX,
						ignore, NULL),
				  VIOMMU_OK);
		trace_clear(&u->t);
		guest_fs_map(&u->g, p.fs, 4, BIG, 0xc0000000, 30, GUEST_FS);
		guest_submit(&u->g, Q_PIOTLB(3, 7, 6), BIG, 0, 0);
		guest_wait(&u->g);
		check_told(u, &rows[i].told);
		for (unsigned k = 0; i == 0 && k < u->t.events; k++) /* and no more than that */
			row_equal(u->t.event[k].kind == TRACE_UNMAP &&
					  u->t.event[k].last > (BIG | 0xfff),
				  false);
		unit_close(u);
	}
}

/* Device caches are asked before the status is written. */
static void test_device_before_status(void **state)
{
	struct unit *u = unit_scalable();

	row_name = "14 device TLBs first, then the status";
	guest_submit(&u->g, Q_DEVTLB(UNIT_RID), 0, 0, 0);
	guest_submit(&u->g, Q_PDEVTLB(UNIT_RID, 5), 0, 0, 0);
	guest_submit_wait(&u->g);
	u->t.watch = guest_at(&u->g, u->g.status);
	row_equal(guest_ring(&u->g), VIOMMU_OK);
	row_equal(guest_waited(&u->g), true);
	for (unsigned i = 0; i < 2; i++)
		row_equal(trace_nth(&u->t, GUEST_ON_INVALIDATE, i)->watched, 0);
	unit_close(u);
}

/* ---- registers ---- */

#define CCMD  0x28U
#define IOTLB 0xf8U /* ECAP.IRO of the default */
#define PMEN  0x64U

static const struct {
	const char *name;
	uint32_t offset;
	uint32_t bytes;
	uint64_t value;
	unsigned ttm;  /* in RTADDR when it happens */
	uint32_t gcmd; /* what is on before */
	struct told told;
} register_rows[] = {
	{ "11.4.6.1 ICC global", CCMD, 8, BIT(63) | BIT(61), 0, 0, { NONE, ALL, NO, NO, 0 } },
	{ "11.4.6.1 ICC domain", CCMD, 8, BIT(63) | BIT(62) | 7, 0, 0, { NONE, ALL, NO, NO, 0 } },
	{ "11.4.6.1 ICC device",
	  CCMD,
	  8,
	  BIT(63) | BITS(62, 61) | UNIT_RID << 16 | 7,
	  0,
	  0,
	  { NONE, ALL, NO, NO, 0 } },
	{ "11.4.6.2 IVT global", IOTLB, 8, BIT(63) | BIT(60), 0, 0, { NONE, ALL, NO, NO, 0 } },
	{ "11.4.6.2 IVT domain",
	  IOTLB,
	  8,
	  BIT(63) | BIT(61) | UINT64_C(7) << 32,
	  0,
	  0,
	  { NONE, ALL, NO, NO, 0 } },
	{ "11.4.6.2 IVT page",
	  IOTLB,
	  8,
	  BIT(63) | BITS(61, 60) | UINT64_C(7) << 32,
	  0,
	  0,
	  { NONE, UNIT_IOVA, UNIT_IOVA + 0xfff, NO, NO, 0 } },
	{ "11.4.4 TE on", VTD_GCMD, 4, BIT(31), 0, 0, { NONE, ALL, VIOMMU_MODE_TRANSLATE, NO, 0 } },
	{ "11.4.4 TE on, abort mode",
	  VTD_GCMD,
	  4,
	  BIT(31),
	  3,
	  0,
	  { NONE, ALL, VIOMMU_MODE_BLOCK, NO, 0 } },
	{ "11.4.4 TE off", VTD_GCMD, 4, 0, 0, VTD_G_TE, { NONE, ALL, VIOMMU_MODE_BYPASS, NO, 0 } },
	{ "11.4.4 SRTP while TE",
	  VTD_GCMD,
	  4,
	  BIT(31) | BIT(30),
	  0,
	  VTD_G_TE,
	  { NONE, ALL, VIOMMU_MODE_TRANSLATE, NO, 0 } },
	{ "11.4.4 SIRTP", VTD_GCMD, 4, BIT(24), 0, 0, { NOT_UNMAPPED, NO, 0, 0xffff } },
	{ "11.4.4 SIRTP while IRE",
	  VTD_GCMD,
	  4,
	  BIT(25) | BIT(24),
	  0,
	  VTD_G_IRE,
	  { NOT_UNMAPPED, NO, 0, 0xffff } },
	{ "11.4.4 IRE on", VTD_GCMD, 4, BIT(25), 0, 0, { NOT_UNMAPPED, NO, 0, 0xffff } },
	{ "11.4.4 IRE off", VTD_GCMD, 4, 0, 0, VTD_G_IRE, { NOT_UNMAPPED, NO, 0, 0xffff } },
	{ "11.4.4 CFI on",
	  VTD_GCMD,
	  4,
	  BIT(25) | BIT(23),
	  0,
	  VTD_G_IRE,
	  { NOT_UNMAPPED, NO, 0, 0xffff } },
	{ "11.4.4 CFI off",
	  VTD_GCMD,
	  4,
	  BIT(25),
	  0,
	  VTD_G_IRE | VTD_G_CFI,
	  { NOT_UNMAPPED, NO, 0, 0xffff } },
	{ "11.4.8 EPM on", PMEN, 4, BIT(31), 0, 0, { NONE, ALL, NO, NO, 0 } },
	{ "11.4.4 QIE tells nobody", VTD_GCMD, 4, BIT(26), 0, 0, { NOT_UNMAPPED, NO, NO, 0 } },
};

static void test_registers(void **state)
{

	for (size_t i = 0; i < ROWS(register_rows); i++) {
		struct unit *u = unit_open(GUEST_CAP | VTD_CAP_PLMR, GUEST_ECAP_SCALABLE);
		struct viommu_channel *parked;

		row_name = register_rows[i].name;
		unit_legacy_tables(u);
		parked = guest_channel(&u->g, u->dev, NONE);
		guest_root(&u->g, register_rows[i].ttm);
		guest_write64(&u->g, IOTLB - 8, UNIT_IOVA);
		if (register_rows[i].gcmd)
			gcmd(u, register_rows[i].gcmd, 0);
		listen(u);
		viommu_enter(parked);
		viommu_reg_write(u->g.iommu, register_rows[i].offset, register_rows[i].bytes,
				 register_rows[i].value);
		check_told(u, &register_rows[i].told); /* long before the command is complete */
		trace_clear(&u->t);
		viommu_leave(parked);
		row_equal(viommu_run(u->g.iommu), VIOMMU_OK);
		row_equal(trace_count(&u->t, TRACE_UNMAP) + trace_count(&u->t, TRACE_MODE) +
				  trace_count(&u->t, TRACE_INTERRUPTS),
			  0);
		unit_close(u);
	}
}

/* EPM off, and regions that move while it is on. */
static void test_protected_memory(void **state)
{
	static const struct told all = { NONE, ALL, NO, NO, 0 };
	struct unit *u = unit_open(GUEST_CAP | VTD_CAP_PLMR | VTD_CAP_PHMR, GUEST_ECAP_LEGACY);

	unit_legacy_tables(u);
	guest_write32(&u->g, PMEN, (uint32_t)BIT(31));
	listen(u);
	row_name = "11.4.8 PLMLIMIT while EPM";
	guest_write32(&u->g, 0x6c, 0x200000);
	check_told(u, &all);
	trace_clear(&u->t);
	row_name = "11.4.8 PHMBASE while EPM";
	guest_write64(&u->g, 0x70, 0x200000);
	check_told(u, &all);
	trace_clear(&u->t);
	row_name = "11.4.8 EPM off";
	guest_write32(&u->g, PMEN, 0);
	check_told(u, &all);
	unit_close(u);
}

/* ---- verbs ---- */

static void test_reset(void **state)
{
	static const struct told told = { NONE, ALL, VIOMMU_MODE_BYPASS, 0, 0xffff };
	struct unit *u = unit_scalable();

	row_name = "reset";
	listen(u);
	row_equal(viommu_reset(u->g.iommu), VIOMMU_OK);
	check_told(u, &told);
	unit_close(u);
}

static void test_restore(void **state)
{
	static const struct {
		const char *name;
		unsigned ttm;
		uint32_t gcmd;
		uint32_t mode;
		bool tables;
	} rows[] = {
		{ "restored: TE off", 0, 0, VIOMMU_MODE_BYPASS, false },
		{ "restored: legacy", 0, VTD_G_TE, VIOMMU_MODE_TRANSLATE, true },
		{ "restored: legacy, no context entry", 0, VTD_G_TE, VIOMMU_MODE_BLOCK, false },
		{ "restored: scalable", 1, VTD_G_TE, VIOMMU_MODE_TRANSLATE, true },
		{ "restored: abort mode", 3, VTD_G_TE, VIOMMU_MODE_BLOCK, true },
	};
	static unsigned char saved[65536];

	for (size_t i = 0; i < ROWS(rows); i++) {
		struct told told = { NONE, ALL, rows[i].mode, 0, 0xffff };
		struct unit *u = unit_open(0, GUEST_ECAP_SCALABLE);
		uint64_t bytes = sizeof(saved);

		row_name = rows[i].name;
		if (!rows[i].tables)
			u->dev = guest_device(&u->g, UNIT_RID);
		else if (rows[i].ttm == VTD_TTM_SCALABLE)
			unit_scalable_tables(u);
		else
			unit_legacy_tables(u);
		guest_root(&u->g, rows[i].ttm);
		gcmd(u, rows[i].gcmd, 0);
		row_equal(viommu_save(u->g.iommu, saved, &bytes), VIOMMU_OK);
		row_equal(viommu_reset(u->g.iommu), VIOMMU_OK);
		listen(u);
		row_equal(viommu_restore(u->g.iommu, saved, bytes) >= 0, true);
		check_told(u, &told);
		unit_close(u);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_descriptors),
		cmocka_unit_test(test_pieces),
		cmocka_unit_test(test_device_before_status),
		cmocka_unit_test(test_registers),
		cmocka_unit_test(test_protected_memory),
		cmocka_unit_test(test_reset),
		cmocka_unit_test(test_restore),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
