/* SPDX-License-Identifier: BSD-3-Clause */
/* test_tce_window.c - DMA windows: RTAS calls row by row (LoPAR 2.9, "DMA Window Option"), PEs, bypass, resets. */
#include "check.h"

#include <string.h>

#include "tce_rig.h"

#define PAGE  GUEST_PAGE
#define RAM   GUEST_BASE
#define RW    3U
#define LIOBN TR_LIOBN(TR_BRIDGE)

static struct tce_rig *r;

static bool maps(unsigned pe, uint64_t address)
{
	return guest_dma(r->device[pe], address, VIOMMU_READ).result == VIOMMU_OK;
}

static uint32_t windows(uint32_t pe, struct viommu_tce_window *w)
{
	uint32_t count = 99;

	check_eq("windows", viommu_tce_get_windows(r->g.iommu, pe, w, &count), VIOMMU_OK);
	return count;
}

/* ---- numbers of cells ---- */

static const struct {
	const char *name;
	uint32_t call, nargs, nret;
	int status; /* 1: that of the call itself */
} cells[] = {
	{ "query 3/5", VIOMMU_TCE_RTAS_QUERY, 3, 5, 1 },
	{ "query 3/6", VIOMMU_TCE_RTAS_QUERY, 3, 6, 1 },
	{ "query 3/4", VIOMMU_TCE_RTAS_QUERY, 3, 4, -3 },
	{ "query 3/7", VIOMMU_TCE_RTAS_QUERY, 3, 7, -3 },
	{ "query 2/5", VIOMMU_TCE_RTAS_QUERY, 2, 5, -3 },
	{ "query 4/5", VIOMMU_TCE_RTAS_QUERY, 4, 5, -3 },
	{ "query 0/1", VIOMMU_TCE_RTAS_QUERY, 0, 1, -3 },
	{ "create 5/4", VIOMMU_TCE_RTAS_CREATE, 5, 4, 1 },
	{ "create 4/4", VIOMMU_TCE_RTAS_CREATE, 4, 4, -3 },
	{ "create 5/3", VIOMMU_TCE_RTAS_CREATE, 5, 3, -3 },
	{ "create 5/5", VIOMMU_TCE_RTAS_CREATE, 5, 5, -3 },
	{ "remove 1/1", VIOMMU_TCE_RTAS_REMOVE, 1, 1, 1 },
	{ "remove 2/1", VIOMMU_TCE_RTAS_REMOVE, 2, 1, -3 },
	{ "remove 1/2", VIOMMU_TCE_RTAS_REMOVE, 1, 2, -3 },
	{ "reset 3/1", VIOMMU_TCE_RTAS_RESET, 3, 1, 1 },
	{ "reset 4/1", VIOMMU_TCE_RTAS_RESET, 4, 1, 1 },
	{ "reset 2/1", VIOMMU_TCE_RTAS_RESET, 2, 1, -3 },
	{ "reset 5/1", VIOMMU_TCE_RTAS_RESET, 5, 1, -3 },
	{ "reset 3/2", VIOMMU_TCE_RTAS_RESET, 3, 2, -3 },
	{ "bypass 2/1", VIOMMU_TCE_RTAS_BYPASS, 2, 1, -3 }, /* no such unit */
	{ "bypass 1/1", VIOMMU_TCE_RTAS_BYPASS, 1, 1, -3 },
	{ "quiesce 0/1", VIOMMU_TCE_RTAS_QUIESCE, 0, 1, 0 },
	{ "quiesce 1/1", VIOMMU_TCE_RTAS_QUIESCE, 1, 1, -3 },
};

static void test_cells(void **state)
{
	const struct viommu_tce_pe pe = tr_pe(TR_BRIDGE);

	(void)state;
	for (unsigned i = 0; i < sizeof(cells) / sizeof(cells[0]); i++) {
		uint32_t a[5] = { 0, (uint32_t)(pe.buid >> 32), (uint32_t)pe.buid, 12, 24 };
		int status;

		r = tr_open(NULL, 1);
		if (cells[i].call == VIOMMU_TCE_RTAS_REMOVE)
			a[0] = LIOBN;
		if (cells[i].call == VIOMMU_TCE_RTAS_RESET)
			a[3] = 1;
		status = tr_rtas(r, cells[i].call, cells[i].nargs, cells[i].nret, a);
		check_eq(cells[i].name, r->result, VIOMMU_OK);
		check_eq(cells[i].name, status, cells[i].status == 1 ? 0 : cells[i].status);
		for (uint32_t n = cells[i].nret; n < 8; n++)
			check_eq(cells[i].name, r->ret[n], 0xeeeeeeee);
		tr_close(r);
	}
	r = tr_open(NULL, 1);
	check_eq("no such call", tr_rtas(r, 6, 0, 1, NULL), VIOMMU_EINVAL);
	check_eq("no arguments", tr_rtas(r, VIOMMU_TCE_RTAS_REMOVE, 1, 1, NULL), VIOMMU_EINVAL);
	check_eq("no room for a status", tr_rtas(r, VIOMMU_TCE_RTAS_QUIESCE, 0, 0, NULL),
		 VIOMMU_OK);
	tr_close(r);
}

/* ---- query ---- */

static void test_query(void **state)
{
	(void)state;
	r = tr_open(NULL, 1);
	check_eq("six", tr_query(r, TR_BRIDGE, 6), 0);
	check_eq("available", r->ret[1], 2);
	check_eq("block hi", r->ret[2], 0x20);
	check_eq("block lo", r->ret[3], 0);
	check_eq("page sizes", r->ret[4], 0x107);
	check_eq("migration", r->ret[5], 0);
	check_eq("five", tr_query(r, TR_BRIDGE, 5), 0);
	check_eq("available", r->ret[1], 2);
	check_eq("block", r->ret[2], 0x80000000);
	check_eq("page sizes", r->ret[3], 0x107);
	check_eq("migration", r->ret[4], 0);
	check_eq("five only", tr_query(r, TR_SLOT, 6), -3);
	check_eq("five only", tr_query(r, TR_SLOT, 5), 0);
	check_eq("page sizes", r->ret[3], 0x3);
	check_eq("no dynamic windows", tr_query(r, TR_PLAIN, 5), -3);
	check_eq("virtual I/O", tr_query(r, TR_VIO, 5), -3);
	tr_close(r);
}

static void test_names(void **state)
{
	const struct viommu_tce_pe slot = tr_pe(TR_SLOT);
	const struct viommu_tce_pe bridge = tr_pe(TR_BRIDGE);
	uint32_t a[3] = { 0, (uint32_t)(bridge.buid >> 32), (uint32_t)bridge.buid };

	(void)state;
	r = tr_open(NULL, 1);
	check_eq("any address of a bridge", tr_rtas(r, VIOMMU_TCE_RTAS_QUERY, 3, 5, a), 0);
	a[0] = 0x12300;
	check_eq("any address of a bridge", tr_rtas(r, VIOMMU_TCE_RTAS_QUERY, 3, 5, a), 0);
	a[1]++;
	check_eq("another bridge", tr_rtas(r, VIOMMU_TCE_RTAS_QUERY, 3, 5, a), -3);
	a[0] = TR_SLOT_ADDR;
	a[1] = (uint32_t)(slot.buid >> 32);
	a[2] = (uint32_t)slot.buid;
	check_eq("its slot", tr_rtas(r, VIOMMU_TCE_RTAS_QUERY, 3, 5, a), 0);
	a[0] = 0x10000;
	check_eq("another slot", tr_rtas(r, VIOMMU_TCE_RTAS_QUERY, 3, 5, a), -3);
	tr_close(r);
}

/* ---- create ---- */

static const struct {
	const char *name;
	uint32_t pe, page, window;
	int status;
} creates[] = {
	{ "4 KiB", TR_BRIDGE, 12, 30, 0 },
	{ "64 KiB", TR_BRIDGE, 16, 40, 0 },
	{ "2 MiB", TR_BRIDGE, 21, 58, 0 },
	{ "16 MiB", TR_BRIDGE, 24, 61, 0 },
	{ "one page", TR_BRIDGE, 16, 16, 0 },
	{ "as large as query says", TR_BRIDGE, 12, 49, 0 },
	{ "larger", TR_BRIDGE, 12, 50, -3 },
	{ "smaller than a page", TR_BRIDGE, 16, 15, -3 },
	{ "page size 0", TR_BRIDGE, 0, 30, -3 },
	{ "page size 11", TR_BRIDGE, 11, 30, -3 },
	{ "page size 13", TR_BRIDGE, 13, 30, -3 },
	{ "page size that others have", TR_SLOT, 21, 30, -3 },
	{ "page size 64", TR_BRIDGE, 64, 70, -3 },
	{ "page size 2^32 - 1", TR_BRIDGE, UINT32_MAX, UINT32_MAX, -3 },
	{ "window size 64", TR_BRIDGE, 24, 64, -3 },
	{ "window size 2^32 - 1", TR_BRIDGE, 24, UINT32_MAX, -3 },
	{ "no dynamic windows", TR_PLAIN, 12, 30, -3 },
	{ "virtual I/O", TR_VIO, 12, 30, -3 },
};

static void test_create(void **state)
{
	struct viommu_tce_window w[VIOMMU_TCE_WINDOWS];

	(void)state;
	for (unsigned i = 0; i < sizeof(creates) / sizeof(creates[0]); i++) {
		const char *name = creates[i].name;
		uint64_t last;

		r = tr_open(NULL, 4096); /* 16 MiB from 1 MiB on */
		check_eq(name, tr_create(r, creates[i].pe, creates[i].page, creates[i].window),
			 creates[i].status);
		if (creates[i].status) {
			check_eq(name, windows(creates[i].pe, w), 1);
			tr_close(r);
			continue;
		}
		check_eq(name, windows(creates[i].pe, w), 2);
		check_eq(name, w[1].liobn, r->ret[1]);
		check_eq(name, w[1].start, tr_address(r));
		check_eq(name, w[1].start, TR_DYNAMIC);
		check_eq(name, w[1].entries, UINT64_C(1) << (creates[i].window - creates[i].page));
		check_eq(name, r->window_present, 1);
		check_eq(name, r->window.liobn, w[1].liobn);
		last = w[1].start + ((w[1].entries - 1) << creates[i].page);
		check_eq(name, tr_entry(r, w[1].liobn, last), 0);
		r->owns_first = 0;
		r->owns_last = UINT32_MAX;
		check_eq(name, tr_put(r, w[1].liobn, last, UINT32_C(0x10000000) | RW), 0);
		check_eq(name, guest_dma(r->device[creates[i].pe], last + 5, 1).f.gpa, 0x10000005);
		check_eq(name, tr_put(r, w[1].liobn, last + (BIT(creates[i].page)), RW), -4);
		check_eq(name, tr_put(r, w[1].liobn, w[1].start - PAGE, RW), -4);
		tr_close(r);
	}
	print_message("%zu rows\n", sizeof(creates) / sizeof(creates[0]));
}

static void test_too_many(void **state)
{
	(void)state;
	r = tr_open(NULL, 1);
	check_eq("second", tr_create(r, TR_BRIDGE, 12, 30), 0);
	check_eq("its LIOBN", r->ret[1], LIOBN + 1);
	check_eq("third", tr_create(r, TR_BRIDGE, 16, 30), 0);
	check_eq("its LIOBN", r->ret[1], LIOBN + 2);
	check_eq("behind the second", tr_address(r), TR_DYNAMIC + (UINT64_C(1) << 30));
	check_eq("none left", tr_query(r, TR_BRIDGE, 5), 0);
	check_eq("none left", r->ret[1], 0);
	check_eq("fourth", tr_create(r, TR_BRIDGE, 12, 30), -3);
	check_eq("the default one goes", tr_remove(r, LIOBN), 0);
	check_eq("one left", tr_query(r, TR_BRIDGE, 5), 0);
	check_eq("one left", r->ret[1], 1);
	check_eq("fourth", tr_create(r, TR_BRIDGE, 12, 30), 0);
	check_eq("LIOBN is used again", r->ret[1], LIOBN);
	check_eq("where the default one was", tr_address(r), 0);
	tr_close(r);
}

/* No window covers messages, or the bridge's own memory. */
static void test_where(void **state)
{
	struct viommu_tce_pe pe = tr_pe(TR_BRIDGE);
	static const uint32_t more[] = { 0x801, 0x802 };

	(void)state;
	r = tr_open(NULL, 1);
	check_eq("the default one goes", tr_remove(r, LIOBN), 0);
	check_eq("4 TiB and more", tr_create(r, TR_BRIDGE, 21, 43), 0);
	check_eq("not over messages", tr_address(r), TR_DYNAMIC);
	pe.number = 9;
	pe.buid = 0x77;
	pe.window.liobn = 0x800;
	pe.liobns = more;
	pe.mmio_first = 0x80000000;
	pe.mmio_last = 0xffffffff;
	check_eq("add", viommu_tce_add_pe(r->g.iommu, &pe), VIOMMU_OK);
	pe.number = 10;
	pe.buid = 0x78;
	pe.window.liobn = 0x810;
	pe.liobn_count = 0;
	pe.mmio_first = 0x1000;
	check_eq("default window over its memory", viommu_tce_add_pe(r->g.iommu, &pe),
		 VIOMMU_EINVAL);
	tr_close(r);
}

static void test_host_refuses(void **state)
{
	struct viommu_tce_window w[VIOMMU_TCE_WINDOWS];

	(void)state;
	r = tr_open(NULL, 1);
	r->window_result = VIOMMU_ENOMEM;
	check_eq("create", tr_create(r, TR_BRIDGE, 12, 30), -1);
	check_eq("nothing has changed", windows(TR_BRIDGE, w), 1);
	check_eq("none of its entries", tr_put(r, LIOBN + 1, TR_DYNAMIC, RAM | RW), -4);
	r->window_result = VIOMMU_OK;
	check_eq("create", tr_create(r, TR_BRIDGE, 12, 30), 0);
	r->window_result = VIOMMU_ENOMEM;
	check_eq("reset", tr_reset_pe(r, TR_BRIDGE), 0);
	check_eq("the default one is not asked for", windows(TR_BRIDGE, w), 1);
	tr_close(r);
}

/* ---- remove, reset, and the default window that comes back ---- */

static void test_remove(void **state)
{
	struct viommu_tce_window w[VIOMMU_TCE_WINDOWS];

	(void)state;
	r = tr_open(NULL, 16);
	check_eq("unknown", tr_remove(r, 0x1234), -3);
	check_eq("not there", tr_remove(r, LIOBN + 1), -3);
	check_eq("virtual I/O", tr_remove(r, TR_VIO_LIOBN), -3);
	check_eq("no dynamic windows", tr_remove(r, TR_LIOBN(TR_PLAIN)), -3);
	check_eq("put", tr_put(r, LIOBN, 0x3000, RAM | RW), 0);
	check_eq("mapped", maps(TR_BRIDGE, 0x3000), true);
	check_eq("the default one, with an entry", tr_remove(r, LIOBN), 0);
	check_eq("gone", maps(TR_BRIDGE, 0x3000), false);
	check_eq("gone", r->fault.reason, VIOMMU_TCE_INVALID_ADDRESS);
	check_eq("put", tr_put(r, LIOBN, 0x3000, RAM | RW), -4);
	check_eq("none is there", windows(TR_BRIDGE, w), 0);
	check_eq("again", tr_remove(r, LIOBN), -3);
	/* what takes over its LIOBN and address is not the default one */
	check_eq("create", tr_create(r, TR_BRIDGE, 16, 24), 0);
	check_eq("its LIOBN", r->ret[1], LIOBN);
	check_eq("put", tr_put(r, LIOBN, 0, RAM | RW), 0);
	check_eq("nothing old", tr_entry(r, LIOBN, 0x30000), 0);
	check_eq("last one, not the default", tr_remove(r, LIOBN), 0);
	check_eq("the default one is back", windows(TR_BRIDGE, w), 1);
	check_eq("LIOBN", w[0].liobn, LIOBN);
	check_eq("shift", w[0].page_shift, 12);
	check_eq("start", w[0].start, 0);
	check_eq("entries", w[0].entries, TR_ENTRIES);
	check_eq("empty", maps(TR_BRIDGE, 0), false);
	check_eq("empty", tr_entry(r, LIOBN, 0), 0);
	/* with another there it does not come back */
	check_eq("create", tr_create(r, TR_BRIDGE, 12, 30), 0);
	check_eq("create", tr_create(r, TR_BRIDGE, 12, 30), 0);
	check_eq("remove", tr_remove(r, LIOBN), 0);
	check_eq("remove", tr_remove(r, LIOBN + 1), 0);
	check_eq("one", windows(TR_BRIDGE, w), 1);
	check_eq("one", w[0].liobn, LIOBN + 2);
	check_eq("remove", tr_remove(r, LIOBN + 2), 0);
	check_eq("default", windows(TR_BRIDGE, w), 1);
	check_eq("default", w[0].liobn, LIOBN);
	tr_close(r);
}

static void fill_windows(void)
{
	check_eq("create", tr_create(r, TR_BRIDGE, 12, 30), 0);
	check_eq("put", tr_put(r, LIOBN, 0x3000, RAM | RW), 0);
	check_eq("put", tr_put(r, LIOBN + 1, TR_DYNAMIC + 0x3000, RAM | RW), 0);
	check_eq("put", tr_put(r, TR_LIOBN(TR_PLAIN), 0x3000, RAM | RW), 0);
	check_eq("put", tr_put(r, TR_VIO_LIOBN, 0x3000, RAM | RW), 0);
	check_eq("mapped", maps(TR_BRIDGE, 0x3000), true);
	check_eq("mapped", maps(TR_BRIDGE, TR_DYNAMIC + 0x3000), true);
	check_eq("mapped", maps(TR_PLAIN, 0x3000), true);
	check_eq("mapped", maps(TR_VIO, 0x3000), true);
}

static void test_reset_of_a_pe(void **state)
{
	struct viommu_tce_window w[VIOMMU_TCE_WINDOWS];

	(void)state;
	r = tr_open(NULL, 16);
	fill_windows();
	check_eq("not offered", tr_reset_pe(r, TR_SLOT), -3);
	check_eq("no dynamic windows", tr_reset_pe(r, TR_PLAIN), -3);
	check_eq("reset", tr_reset_pe(r, TR_BRIDGE), 0);
	check_eq("default one only", windows(TR_BRIDGE, w), 1);
	check_eq("empty", maps(TR_BRIDGE, 0x3000), false);
	check_eq("gone", maps(TR_BRIDGE, TR_DYNAMIC + 0x3000), false);
	check_eq("others stay", maps(TR_PLAIN, 0x3000), true);
	check_eq("others stay", maps(TR_VIO, 0x3000), true);
	check_eq("remove", tr_remove(r, LIOBN), 0);
	check_eq("reset", tr_reset_pe(r, TR_BRIDGE), 0);
	check_eq("default one only", windows(TR_BRIDGE, w), 1);
	tr_close(r);
}

static void test_limited_addressing(void **state)
{
	const struct viommu_tce_pe pe = tr_pe(TR_BRIDGE);
	uint32_t a[4] = { 0, (uint32_t)(pe.buid >> 32), (uint32_t)pe.buid, 2 };
	const struct viommu_tce_pe slot = tr_pe(TR_SLOT);
	uint32_t b[4] = { TR_SLOT_ADDR, (uint32_t)(slot.buid >> 32), (uint32_t)slot.buid, 1 };

	(void)state;
	r = tr_open(NULL, 1);
	check_eq("not offered", tr_rtas(r, VIOMMU_TCE_RTAS_RESET, 4, 1, b), -3);
	check_eq("no such mode", tr_rtas(r, VIOMMU_TCE_RTAS_RESET, 4, 1, a), -3);
	a[3] = 1;
	check_eq("on", tr_rtas(r, VIOMMU_TCE_RTAS_RESET, 4, 1, a), 0);
	check_eq("create", tr_create(r, TR_BRIDGE, 16, 32), 0);
	check_eq("from 4 GiB on", tr_address(r), UINT64_C(1) << 32);
	check_eq("off", tr_reset_pe(r, TR_BRIDGE), 0);
	check_eq("create", tr_create(r, TR_BRIDGE, 16, 32), 0);
	check_eq("far above", tr_address(r), TR_DYNAMIC);
	check_eq("on", tr_rtas(r, VIOMMU_TCE_RTAS_RESET, 4, 1, a), 0);
	check_eq("reset of the machine", viommu_reset(r->g.iommu), VIOMMU_OK);
	check_eq("create", tr_create(r, TR_BRIDGE, 16, 32), 0);
	check_eq("far above", tr_address(r), TR_DYNAMIC);
	tr_close(r);
}

static void test_reset_of_the_machine(void **state)
{
	struct viommu_tce_window w[VIOMMU_TCE_WINDOWS];

	(void)state;
	r = tr_open(NULL, 16);
	fill_windows();
	check_eq("bypass", tr_bypass(r, TR_VIO_LIOBN + 1, 1), 0);
	check_eq("reset", viommu_reset(r->g.iommu), VIOMMU_OK);
	check_eq("default one only", windows(TR_BRIDGE, w), 1);
	check_eq("empty", maps(TR_BRIDGE, 0x3000), false);
	check_eq("empty", maps(TR_PLAIN, 0x3000), false);
	check_eq("empty", maps(TR_VIO, 0x3000), false);
	check_eq("no bypass", maps(TR_VIO_TOO, RAM), false);
	check_eq("empty", tr_entry(r, LIOBN, 0x3000), 0);
	tr_close(r);
}

/* ---- virtual I/O ---- */

static void test_bypass(void **state)
{
	(void)state;
	r = tr_open(NULL, 16);
	check_eq("unknown unit", tr_bypass(r, 0x1234, 1), -3);
	check_eq("a bridge", tr_bypass(r, (uint32_t)TR_BUID(TR_PLAIN), 1), -3);
	check_eq("neither on nor off", tr_bypass(r, TR_VIO_LIOBN, 2), -3);
	check_eq("put", tr_put(r, TR_VIO_LIOBN, 0x3000, RAM | RW), 0);
	check_eq("table", guest_dma(r->device[TR_VIO], 0x3008, 3).f.gpa, RAM + 8);
	check_eq("on", tr_bypass(r, TR_VIO_LIOBN, 1), 0);
	check_eq("identity", guest_dma(r->device[TR_VIO], RAM + 0x3008, 3).f.gpa, RAM + 0x3008);
	check_eq("identity", guest_dma(r->device[TR_VIO], 0x3008, 3).f.gpa, 0x3008);
	check_eq("the other one is not", guest_dma(r->device[TR_VIO_TOO], 0x3008, 3).f.gpa,
		 RAM + 8);
	check_eq("calls go on", tr_put(r, TR_VIO_LIOBN, 0x4000, (RAM + PAGE) | 1), 0);
	check_eq("off", tr_bypass(r, TR_VIO_LIOBN, 0), 0);
	check_eq("off again", tr_bypass(r, TR_VIO_LIOBN, 0), 0);
	check_eq("table", guest_dma(r->device[TR_VIO], 0x4008, 1).f.gpa, RAM + PAGE + 8);
	check_eq("no identity", maps(TR_VIO, RAM), false);
	tr_close(r);
}

static void test_quiesce(void **state)
{
	(void)state;
	r = tr_open(NULL, 16);
	fill_windows();
	check_eq("quiesce", tr_rtas(r, VIOMMU_TCE_RTAS_QUIESCE, 0, 0, NULL), VIOMMU_OK);
	check_eq("empty", maps(TR_VIO, 0x3000), false);
	check_eq("empty", tr_entry(r, TR_VIO_LIOBN, 0x3000), 0);
	check_eq("others stay", maps(TR_BRIDGE, 0x3000), true);
	tr_close(r);
}

/* Two devices with the same LIOBN have one table. */
static void test_shared_window(void **state)
{
	(void)state;
	r = tr_open(NULL, 16);
	check_eq("put", tr_put(r, TR_VIO_LIOBN, 0x3000, RAM | RW), 0);
	check_eq("one", maps(TR_VIO, 0x3000), true);
	check_eq("and the other", maps(TR_VIO_TOO, 0x3000), true);
	check_eq("put", tr_put(r, TR_VIO_LIOBN, 0x3000, 0), 0);
	check_eq("one", maps(TR_VIO, 0x3000), false);
	check_eq("and the other", maps(TR_VIO_TOO, 0x3000), false);
	tr_close(r);
}

/* ---- PEs ---- */

static int add(void (*change)(struct viommu_tce_pe *pe))
{
	struct viommu_tce_pe pe = {
		.size = sizeof(pe), .number = 9, .buid = 9, .window = { 0x900, 12, 0, 16 }
	};

	change(&pe);
	return viommu_tce_add_pe(r->g.iommu, &pe);
}

static const uint32_t other_liobns[] = { 0x901, 0x901 };

static void nothing(struct viommu_tce_pe *pe)
{
	(void)pe;
}
static void no_size(struct viommu_tce_pe *pe)
{
	pe->size = 4;
}
static void bad_flags(struct viommu_tce_pe *pe)
{
	pe->flags = 64;
}
static void bad_number(struct viommu_tce_pe *pe)
{
	pe->number = 16;
}
static void same_number(struct viommu_tce_pe *pe)
{
	pe->number = TR_PLAIN;
}
static void same_buid(struct viommu_tce_pe *pe)
{
	pe->buid = TR_BUID(TR_PLAIN);
}
static void slot_of_bridge(struct viommu_tce_pe *pe)
{
	pe->buid = TR_BUID(TR_PLAIN);
	pe->flags = VIOMMU_TCE_PE_SLOT;
}
static void other_slot(struct viommu_tce_pe *pe)
{
	pe->buid = TR_BUID(TR_SLOT);
	pe->flags = VIOMMU_TCE_PE_SLOT;
}
static void same_liobn(struct viommu_tce_pe *pe)
{
	pe->window.liobn = TR_LIOBN(TR_PLAIN);
}
static void vio_liobn(struct viommu_tce_pe *pe)
{
	pe->window.liobn = TR_VIO_LIOBN;
}
static void other_vio(struct viommu_tce_pe *pe)
{
	pe->window = (struct viommu_tce_window){ TR_VIO_LIOBN, 12, 0, 16 };
	pe->flags = VIOMMU_TCE_PE_VIO;
}
static void same_vio(struct viommu_tce_pe *pe)
{
	pe->window = (struct viommu_tce_window){ TR_VIO_LIOBN, 12, 0, TR_ENTRIES };
	pe->flags = VIOMMU_TCE_PE_VIO;
}
static void liobn_twice(struct viommu_tce_pe *pe)
{
	pe->liobns = other_liobns;
	pe->liobn_count = 2;
}
static void too_many(struct viommu_tce_pe *pe)
{
	pe->liobns = other_liobns;
	pe->liobn_count = 8;
}
static void no_liobns(struct viommu_tce_pe *pe)
{
	pe->liobn_count = 1;
}
static void no_entries(struct viommu_tce_pe *pe)
{
	pe->window.entries = 0;
}
static void page_size(struct viommu_tce_pe *pe)
{
	pe->window.page_shift = 13;
}
static void page_sizes(struct viommu_tce_pe *pe)
{
	pe->page_sizes = 0x2000;
}
static void within_page(struct viommu_tce_pe *pe)
{
	pe->window.start = 0x800;
}
static void wraps(struct viommu_tce_pe *pe)
{
	pe->window.start = UINT64_C(0xffffffffffff8000);
}
static void to_the_end(struct viommu_tce_pe *pe)
{
	pe->window.start = UINT64_C(0xffffffffffff0000);
}
static void over_messages(struct viommu_tce_pe *pe)
{
	pe->window.start = TR_MSI - PAGE;
}
static void dynamic_vio(struct viommu_tce_pe *pe)
{
	pe->flags = VIOMMU_TCE_PE_VIO | VIOMMU_TCE_PE_DDW;
}

static const struct {
	const char *name;
	void (*change)(struct viommu_tce_pe *pe);
	int result;
} pes[] = {
	{ "right", nothing, VIOMMU_OK },
	{ "size", no_size, VIOMMU_ESIZE },
	{ "flags", bad_flags, VIOMMU_EINVAL },
	{ "number", bad_number, VIOMMU_EINVAL },
	{ "number of another", same_number, VIOMMU_EEXIST },
	{ "BUID of another", same_buid, VIOMMU_EEXIST },
	{ "a slot below what is a PE", slot_of_bridge, VIOMMU_EEXIST },
	{ "another slot of the bridge", other_slot, VIOMMU_OK },
	{ "LIOBN of another", same_liobn, VIOMMU_EEXIST },
	{ "LIOBN of virtual I/O", vio_liobn, VIOMMU_EEXIST },
	{ "another window of a LIOBN", other_vio, VIOMMU_EEXIST },
	{ "the same window", same_vio, VIOMMU_OK },
	{ "a LIOBN twice", liobn_twice, VIOMMU_EEXIST },
	{ "eight more", too_many, VIOMMU_EINVAL },
	{ "no LIOBNs", no_liobns, VIOMMU_EINVAL },
	{ "no entries", no_entries, VIOMMU_EINVAL },
	{ "page size", page_size, VIOMMU_EINVAL },
	{ "page sizes", page_sizes, VIOMMU_EINVAL },
	{ "within a page", within_page, VIOMMU_EINVAL },
	{ "wraps", wraps, VIOMMU_EINVAL },
	{ "up to the end", to_the_end, VIOMMU_OK },
	{ "over messages", over_messages, VIOMMU_EINVAL },
	{ "dynamic windows of virtual I/O", dynamic_vio, VIOMMU_EINVAL },
};

static void test_add(void **state)
{
	(void)state;
	for (unsigned i = 0; i < sizeof(pes) / sizeof(pes[0]); i++) {
		r = tr_open(NULL, 1);
		check_eq(pes[i].name, add(pes[i].change), pes[i].result);
		if (pes[i].result == VIOMMU_OK) {
			check_eq(pes[i].name, viommu_tce_remove_pe(r->g.iommu, 9), VIOMMU_OK);
			check_eq(pes[i].name, add(pes[i].change), VIOMMU_OK);
		}
		tr_close(r);
	}
	print_message("%zu rows\n", sizeof(pes) / sizeof(pes[0]));
}

static void test_come_and_go(void **state)
{
	const struct viommu_tce_pe pe = tr_pe(TR_PLAIN);

	(void)state;
	r = tr_open(NULL, 16);
	check_eq("put", tr_put(r, TR_LIOBN(TR_PLAIN), 0x3000, RAM | RW), 0);
	check_eq("mapped", maps(TR_PLAIN, 0x3000), true);
	check_eq("has a device", viommu_tce_remove_pe(r->g.iommu, TR_PLAIN), VIOMMU_EBUSY);
	check_eq("shared", viommu_device_set_id(r->device[TR_VIO], 14), VIOMMU_OK);
	check_eq("shared", viommu_tce_remove_pe(r->g.iommu, TR_VIO), VIOMMU_EBUSY);
	check_eq("none", viommu_tce_remove_pe(r->g.iommu, 12), VIOMMU_ENOENT);
	check_eq("none", viommu_tce_remove_pe(r->g.iommu, 16), VIOMMU_ENOENT);
	check_eq("its device goes", viommu_device_set_id(r->device[TR_PLAIN], 13), VIOMMU_OK);
	check_eq("remove", viommu_tce_remove_pe(r->g.iommu, TR_PLAIN), VIOMMU_OK);
	check_eq("no window", tr_put(r, TR_LIOBN(TR_PLAIN), 0x3000, RAM | RW), -4);
	check_eq("device comes back", viommu_device_set_id(r->device[TR_PLAIN], TR_PLAIN),
		 VIOMMU_OK);
	check_eq("refused", maps(TR_PLAIN, 0x3000), false);
	check_eq("PE comes back", viommu_tce_add_pe(r->g.iommu, &pe), VIOMMU_OK);
	check_eq("empty", maps(TR_PLAIN, 0x3000), false);
	check_eq("put", tr_put(r, TR_LIOBN(TR_PLAIN), 0x3000, RAM | RW), 0);
	check_eq("mapped", maps(TR_PLAIN, 0x3000), true);
	tr_close(r);
}

/* Devices of a PE share its windows; function_bits say which of them it is. */
static void test_functions(void **state)
{
	const struct viommu_tce_config config = { .function_bits = 16 };
	struct viommu_device *a, *b;

	(void)state;
	r = tr_open(&config, 16);
	a = guest_device(&r->g, TR_PLAIN << 16 | 0x10);
	b = guest_device(&r->g, TR_PLAIN << 16 | 0xffff);
	check_eq("put", tr_put(r, TR_LIOBN(TR_PLAIN), 0x3000, RAM | RW), 0);
	check_eq("one", guest_dma(a, 0x3000, 1).result, VIOMMU_OK);
	check_eq("another", guest_dma(b, 0x3000, 1).result, VIOMMU_OK);
	check_eq("of PE 0", maps(TR_PLAIN, 0x3000), false);
	tr_close(r);
}

/* ---- the configuration ---- */

static void test_config(void **state)
{
	struct viommu_tce_config config = { .size = sizeof(config) };
	struct viommu *u = NULL;

	(void)state;
	r = tr_open(NULL, 1);
	check_eq("defaults", viommu_tce_new(r->g.vm, &config, &u), VIOMMU_OK);
	config.size = sizeof(config);
	check_eq("get", viommu_tce_get_config(u, &config), VIOMMU_OK);
	check_eq("pes", config.pes, 256);
	check_eq("table_bytes", config.table_bytes, 1 << 28);
	check_eq("get", viommu_tce_get_config(NULL, &config), VIOMMU_EINVAL);
	check_eq("name", strcmp(viommu_get_engine(u), "tce"), 0);
	viommu_free(u);
	config = (struct viommu_tce_config){ .size = sizeof(config), .flags = 8 };
	check_eq("flags", viommu_tce_new(r->g.vm, &config, &u), VIOMMU_ENOTSUP);
	config = (struct viommu_tce_config){ .size = sizeof(config), .pes = 4097 };
	check_eq("pes", viommu_tce_new(r->g.vm, &config, &u), VIOMMU_EINVAL);
	config = (struct viommu_tce_config){ .size = sizeof(config), .function_bits = 21 };
	check_eq("function_bits", viommu_tce_new(r->g.vm, &config, &u), VIOMMU_EINVAL);
	config = (struct viommu_tce_config){ .size = sizeof(config), .table_bytes = 4096 };
	check_eq("table_bytes", viommu_tce_new(r->g.vm, &config, &u), VIOMMU_EINVAL);
	config = (struct viommu_tce_config){ .size = sizeof(config), .msi_bytes = 5 };
	check_eq("msi", viommu_tce_new(r->g.vm, &config, &u), VIOMMU_EINVAL);
	config = (struct viommu_tce_config){ .size = 4 };
	check_eq("size", viommu_tce_new(r->g.vm, &config, &u), VIOMMU_ESIZE);
	tr_close(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cells),
		cmocka_unit_test(test_query),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_create),
		cmocka_unit_test(test_too_many),
		cmocka_unit_test(test_where),
		cmocka_unit_test(test_host_refuses),
		cmocka_unit_test(test_remove),
		cmocka_unit_test(test_reset_of_a_pe),
		cmocka_unit_test(test_limited_addressing),
		cmocka_unit_test(test_reset_of_the_machine),
		cmocka_unit_test(test_bypass),
		cmocka_unit_test(test_quiesce),
		cmocka_unit_test(test_shared_window),
		cmocka_unit_test(test_add),
		cmocka_unit_test(test_come_and_go),
		cmocka_unit_test(test_functions),
		cmocka_unit_test(test_config),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
