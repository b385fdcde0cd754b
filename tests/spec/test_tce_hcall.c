/* SPDX-License-Identifier: BSD-3-Clause */
/* test_tce_hcall.c - hypercalls of TCE tables, row by row (LoPAR 2.9, "TCE Hypervisor Calls"): what each answers, above all those
 * that fail, and that those change nothing. */
#include "check.h"

#include <string.h>

#include "tce_rig.h"

#define PAGE   GUEST_PAGE
#define RAM    GUEST_BASE
#define PAGES  64U
#define END    (RAM + PAGES * PAGE) /* of RAM */
#define LIOBN  TR_LIOBN(TR_PLAIN)
#define LAST   ((uint64_t)TR_ENTRIES - 1) /* entry of the window */
#define RW     3U
#define BEFORE 0x5a5000U /* what is in the table before each row: poison, and not valid */

static struct tce_rig *r;

/* ---- one call, its status, and whether it changes something ---- */

struct row {
	const char *name;
	uint32_t token;
	uint64_t liobn, ioba, third, count;
	int64_t status;
	uint64_t changed; /* entries, from IOBA on */
};

static const struct row rows[] = {
	/* H_PUT_TCE */
	{ "put: read and write", H_PUT_TCE, LIOBN, 0x3000, RAM | RW, 0, 0, 1 },
	{ "put: last entry", H_PUT_TCE, LIOBN, LAST *PAGE, RAM | RW, 0, 0, 1 },
	{ "put: LIOBN unknown", H_PUT_TCE, 0x1234, 0x3000, RAM | RW, 0, -4, 0 },
	{ "put: LIOBN of a window that is not there", H_PUT_TCE, TR_LIOBN(TR_BRIDGE) + 1, 0x3000,
	  RAM | RW, 0, -4, 0 },
	{ "put: LIOBN beyond 32 bits", H_PUT_TCE, LIOBN | BIT(32), 0x3000, RAM | RW, 0, -4, 0 },
	{ "put: LIOBN negative", H_PUT_TCE, UINT64_MAX, 0x3000, RAM | RW, 0, -4, 0 },
	{ "put: IOBA beyond", H_PUT_TCE, LIOBN, (LAST + 1) * PAGE, RAM | RW, 0, -4, 0 },
	{ "put: IOBA far beyond", H_PUT_TCE, LIOBN, ~(PAGE - 1), RAM | RW, 0, -4, 0 },
	{ "put: IOBA within a page", H_PUT_TCE, LIOBN, 0x3008, RAM | RW, 0, -4, 0 },
	{ "put: address beyond memory", H_PUT_TCE, LIOBN, 0x3000, END | RW, 0, -4, 0 },
	{ "put: address below memory", H_PUT_TCE, LIOBN, 0x3000, (RAM - PAGE) | 1, 0, -4, 0 },
	{ "put: address beyond memory, but no permission", H_PUT_TCE, LIOBN, 0x3000, END | 0xffc, 0,
	  0, 1 },
	{ "put: LIOBN unknown, address beyond", H_PUT_TCE, 0x1234, 0x3000, END | RW, 0, -4, 0 },
	{ "put: write only", H_PUT_TCE, LIOBN, 0x3000, RAM | 2, 0, 0, 1 },
	{ "put: reserved bits", H_PUT_TCE, LIOBN, 0x3000, RAM | 0xc00 | RW, 0, 0, 1 },
	/* H_STUFF_TCE */
	{ "stuff: 512", H_STUFF_TCE, LIOBN, 0x3000, 0, 512, 0, 512 },
	{ "stuff: 513", H_STUFF_TCE, LIOBN, 0x3000, 0, 513, -57, 0 },
	{ "stuff: 2^64 - 1", H_STUFF_TCE, LIOBN, 0x3000, 0, UINT64_MAX, -57, 0 },
	{ "stuff: 513, and LIOBN unknown", H_STUFF_TCE, 0x1234, 0x3000, 0, 513, -4, 0 },
	{ "stuff: 513, and IOBA beyond", H_STUFF_TCE, LIOBN, (LAST + 1) * PAGE, 0, 513, -4, 0 },
	{ "stuff: 513, and the range beyond", H_STUFF_TCE, LIOBN, LAST *PAGE, 0, 513, -57, 0 },
	{ "stuff: range beyond", H_STUFF_TCE, LIOBN, LAST *PAGE, 0, 2, -4, 0 },
	{ "stuff: up to the end", H_STUFF_TCE, LIOBN, (LAST - 9) * PAGE, 0, 10, 0, 10 },
	{ "stuff: valid, all the same", H_STUFF_TCE, LIOBN, 0x3000, RAM | RW, 17, 0, 17 },
	{ "stuff: address beyond memory", H_STUFF_TCE, LIOBN, 0x3000, END | 1, 17, -4, 0 },
	{ "stuff: poison", H_STUFF_TCE, LIOBN, 0x3000, UINT64_C(0xdeadbeef00000000), 3, 0, 3 },
	{ "stuff: none", H_STUFF_TCE, LIOBN, 0x3000, RAM | RW, 0, 0, 0 },
	{ "stuff: none, LIOBN unknown", H_STUFF_TCE, 0x1234, 0x3000, 0, 0, -4, 0 },
	{ "stuff: none, IOBA beyond", H_STUFF_TCE, LIOBN, (LAST + 1) * PAGE, 0, 0, -4, 0 },
	{ "stuff: none, address beyond", H_STUFF_TCE, LIOBN, 0x3000, END | RW, 0, -4, 0 },
	{ "stuff: IOBA within a page", H_STUFF_TCE, LIOBN, 0x3004, 0, 2, -4, 0 },
	/* H_PUT_TCE_INDIRECT; the list has pages from RAM on, in the order of memory */
	{ "indirect: 8", H_PUT_TCE_INDIRECT, LIOBN, 0x3000, RAM, 8, 0, 8 },
	{ "indirect: 512", H_PUT_TCE_INDIRECT, LIOBN, 0x3000, RAM + PAGE, 512, 0, 512 },
	{ "indirect: 513", H_PUT_TCE_INDIRECT, LIOBN, 0x3000, RAM + PAGE, 513, -4, 0 },
	{ "indirect: none", H_PUT_TCE_INDIRECT, LIOBN, 0x3000, RAM, 0, 0, 0 },
	{ "indirect: LIOBN unknown", H_PUT_TCE_INDIRECT, 0x1234, 0x3000, RAM, 8, -4, 0 },
	{ "indirect: several tables, not offered", H_PUT_TCE_INDIRECT, UINT64_MAX, 0x3000, RAM, 8,
	  -2, 0 },
	{ "indirect: many tables, not offered", H_PUT_TCE_INDIRECT, BIT(63), 0x3000, RAM, 513, -2,
	  0 },
	{ "indirect: IOBA beyond", H_PUT_TCE_INDIRECT, LIOBN, (LAST + 1) * PAGE, RAM, 8, -4, 0 },
	{ "indirect: range beyond", H_PUT_TCE_INDIRECT, LIOBN, (LAST - 6) * PAGE, RAM, 8, -4, 0 },
	{ "indirect: IOBA wraps", H_PUT_TCE_INDIRECT, LIOBN, ~(PAGE - 1), RAM, 8, -4, 0 },
	{ "indirect: list within a page", H_PUT_TCE_INDIRECT, LIOBN, 0x3000, RAM + 8, 8, -4, 0 },
	{ "indirect: list beyond memory", H_PUT_TCE_INDIRECT, LIOBN, 0x3000, END, 8, -4, 0 },
	{ "indirect: list at 2^64 - 4096", H_PUT_TCE_INDIRECT, LIOBN, 0x3000, ~(PAGE - 1), 8, -4,
	  0 },
	{ "indirect: first entry leads beyond", H_PUT_TCE_INDIRECT, LIOBN, 0x3000, RAM + 2 * PAGE,
	  8, -4, 0 },
	{ "indirect: last entry leads beyond", H_PUT_TCE_INDIRECT, LIOBN, 0x3000, RAM + 3 * PAGE,
	  512, -4, 0 },
	{ "indirect: all but that", H_PUT_TCE_INDIRECT, LIOBN, 0x3000, RAM + 3 * PAGE, 511, 0,
	  511 },
	{ "indirect: beyond, but no permission", H_PUT_TCE_INDIRECT, LIOBN, 0x3000, RAM + 4 * PAGE,
	  8, 0, 8 },
	/* what is not offered */
	{ "RTCE", H_PUT_RTCE, LIOBN, 0x3000, 0, 1, -2, 0 },
	{ "RTCE indirect", H_PUT_RTCE_INDIRECT, LIOBN, 0x3000, 0, 1, -2, 0 },
	{ "remove RTCE", H_REMOVE_RTCE, LIOBN, 0x3000, 0, 1, -2, 0 },
	{ "RDMA: copy", H_COPY_RDMA, LIOBN, 0x3000, 0, 1, -2, 0 },
	{ "RDMA: write", H_WRITE_RDMA, LIOBN, 0x3000, 0, 1, -2, 0 },
	{ "RDMA: read", H_READ_RDMA, LIOBN, 0x3000, 0, 1, -2, 0 },
	{ "LIOBN attributes", H_LIOBN_ATTRIBUTES, LIOBN, 0x3000, 0, 1, -2, 0 },
	{ "migration", H_MIGRATE_DMA, LIOBN, 0x3000, 0, 1, -2, 0 },
	{ "xlates", H_GET_DMA_XLATES_LIMITED, LIOBN, 0x3000, 0, 1, -2, 0 },
};

/* Of a list: what its entry i is. */
static uint64_t listed(uint64_t list, unsigned i)
{
	if (list == RAM + 4 * PAGE)
		return (END + i * PAGE) | 0xffc;
	if ((list == RAM + 2 * PAGE && i == 0) || (list == RAM + 3 * PAGE && i == 511))
		return END | RW;
	return (RAM + i % PAGES * PAGE) | (1 + i % 3);
}

static void fill_lists(void)
{
	for (uint64_t list = RAM; list < RAM + 5 * PAGE; list += PAGE) {
		uint64_t entry[512];

		for (unsigned i = 0; i < 512; i++)
			entry[i] = listed(list, i);
		tr_list(r, list, entry, 512);
	}
}

/* What the row leaves in entry i, counted from its IOBA. */
static uint64_t expected(const struct row *row, uint64_t i)
{
	if (i >= row->changed)
		return BEFORE;
	return row->token == H_PUT_TCE_INDIRECT ? listed(row->third, (unsigned)i) : row->third;
}

static void check_entries(const struct row *row)
{
	for (uint64_t i = 0; i < 520; i++) {
		uint64_t ioba = (row->ioba & ~(PAGE - 1)) + i * PAGE;

		if (ioba / PAGE <= LAST && ioba < UINT64_MAX - PAGE)
			check_eq(row->name, tr_entry(r, LIOBN, ioba), expected(row, i));
	}
	check_eq(row->name, tr_entry(r, LIOBN, 0x2000), BEFORE);
}

static void run_row(const struct row *row)
{
	r = tr_open(NULL, PAGES);
	fill_lists();
	for (uint64_t i = 0; i <= LAST; i += 512)
		check_eq(row->name, tr_stuff(r, LIOBN, i * PAGE, BEFORE, 512), 0);
	check_eq(row->name, tr_hcall(r, row->token, row->liobn, row->ioba, row->third, row->count),
		 row->status);
	check_eq(row->name, r->result, VIOMMU_OK);
	check_entries(row);
	tr_close(r);
}

static void test_rows(void **state)
{
	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		run_row(&rows[i]);
	print_message("%zu rows\n", sizeof(rows) / sizeof(rows[0]));
}

/* ---- what is no hypercall of ours ---- */

static void test_other_tokens(void **state)
{
	static const uint64_t tokens[] = { 0,	  4,	      0x18,
					   0x21,  0x24,	      0x13b,
					   0x328, UINT64_MAX, H_PUT_TCE | BIT(32) };
	uint64_t registers[VIOMMU_TCE_REGISTERS];

	(void)state;
	r = tr_open(NULL, 1);
	for (unsigned i = 0; i < sizeof(tokens) / sizeof(tokens[0]); i++) {
		for (unsigned j = 0; j < VIOMMU_TCE_REGISTERS; j++)
			registers[j] = j ? 77 * j : tokens[i];
		check_eq("token", viommu_tce_hcall(r->g.iommu, registers, 1), VIOMMU_ENOENT);
		for (unsigned j = 0; j < VIOMMU_TCE_REGISTERS; j++)
			check_eq("registers stay", registers[j], j ? 77 * j : tokens[i]);
	}
	check_eq("NULL", viommu_tce_hcall(r->g.iommu, NULL, 1), VIOMMU_EINVAL);
	check_eq("NULL", viommu_tce_hcall(NULL, registers, 1), VIOMMU_EINVAL);
	tr_close(r);
}

/* ---- H_GET_TCE ---- */

static void test_get(void **state)
{
	(void)state;
	r = tr_open(NULL, PAGES);
	check_eq("nothing", tr_entry(r, LIOBN, 0x7000), 0);
	check_eq("valid", tr_put(r, LIOBN, 0x7000, (RAM + PAGE) | RW), 0);
	check_eq("valid", tr_entry(r, LIOBN, 0x7000), (RAM + PAGE) | RW);
	check_eq("poison", tr_put(r, LIOBN, 0x7000, UINT64_C(0x123456789abcdef0)), 0);
	check_eq("poison", tr_entry(r, LIOBN, 0x7000), UINT64_C(0x123456789abcdef0));
	check_eq("LIOBN unknown", tr_get(r, 0x1234, 0x7000), -4);
	check_eq("r4", r->r4, 0);
	check_eq("IOBA beyond", tr_get(r, LIOBN, (LAST + 1) * PAGE), -4);
	check_eq("IOBA within a page", tr_get(r, LIOBN, 0x7001), -4);
	/* the memory is taken away */
	r->owns_first = UINT64_C(1) << 40;
	r->owns_last = r->owns_first + (PAGE - 1);
	check_eq("owned by callback", tr_put(r, LIOBN, 0x8000, r->owns_first | 1), 0);
	check_eq("owned by callback", tr_entry(r, LIOBN, 0x8000), r->owns_first | 1);
	r->owns_last = 0;
	check_eq("redirected memory", tr_get(r, LIOBN, 0x8000), 5);
	check_eq("redirected memory", r->r4, UINT64_C(0xfffffffffffff001));
	tr_close(r);
}

/* ---- what a page larger than 4 KiB needs ---- */

static void test_large_pages(void **state)
{
	uint64_t address;

	(void)state;
	r = tr_open(NULL, 512 + 256); /* [1 MiB, 4 MiB) */
	check_eq("create", tr_create(r, TR_BRIDGE, 21, 30), 0);
	address = tr_address(r);
	check_eq("2 MiB in memory", tr_put(r, r->ret[1], address, 0x200000 | RW), 0);
	check_eq("bits within the page", tr_put(r, r->ret[1], address, 0x2ff000 | RW), 0);
	check_eq("kept", tr_entry(r, r->ret[1], address), 0x2ff000 | RW);
	check_eq("no effect", guest_dma(r->device[TR_BRIDGE], address + 0x123, 3).f.gpa, 0x200123);
	check_eq("beginning is not memory", tr_put(r, r->ret[1], address, 0x100000 | RW), -4);
	check_eq("end is not memory", tr_put(r, r->ret[1], address, 0x400000 | RW), -4);
	r->owns_first = 0x400000;
	r->owns_last = 0x4fffff;
	check_eq("half of it is", tr_put(r, r->ret[1], address, 0x400000 | RW), -4);
	r->owns_last = 0x5fffff;
	check_eq("all of it is", tr_put(r, r->ret[1], address, 0x400000 | RW), 0);
	check_eq("IOBA of 4 KiB", tr_put(r, r->ret[1], address + PAGE, 0x200000 | RW), -4);
	tr_close(r);
}

/* ---- permission, exactly; what else a device may not ---- */

static const struct {
	uint64_t tce;
	unsigned access;
	bool permitted;
} accesses[] = {
	{ 0, VIOMMU_READ, false },
	{ 0, VIOMMU_WRITE, false },
	{ 1, VIOMMU_READ, true },
	{ 1, VIOMMU_WRITE, false },
	{ 1, VIOMMU_READ | VIOMMU_WRITE, false },
	{ 2, VIOMMU_READ, false },
	{ 2, VIOMMU_WRITE, true },
	{ 2, VIOMMU_READ | VIOMMU_WRITE, false },
	{ 3, VIOMMU_READ, true },
	{ 3, VIOMMU_WRITE, true },
	{ 3, VIOMMU_READ | VIOMMU_WRITE, true },
	{ 1, VIOMMU_READ | VIOMMU_PRIV, true },
	{ 2, VIOMMU_WRITE | VIOMMU_PRIV, true },
};

static void test_permission(void **state)
{
	(void)state;
	r = tr_open(NULL, PAGES);
	for (unsigned i = 0; i < sizeof(accesses) / sizeof(accesses[0]); i++) {
		check_eq("put", tr_put(r, LIOBN, 0x7000, (RAM + PAGE) | accesses[i].tce), 0);
		for (unsigned warm = 0; warm < 2; warm++) {
			struct guest_dma dma;

			r->faults = 0;
			dma = guest_dma(r->device[TR_PLAIN], 0x7ff8, accesses[i].access);
			check_eq("result", dma.result,
				 accesses[i].permitted ? VIOMMU_OK : VIOMMU_FAULT);
			check_eq("faults", r->faults, !accesses[i].permitted);
			if (accesses[i].permitted) {
				check_eq("gpa", dma.f.gpa, RAM + PAGE + 0xff8);
				check_eq("perm", dma.f.perm & 3, accesses[i].tce);
			} else {
				check_eq("reason", r->fault.reason, VIOMMU_TCE_MAPPING);
				check_eq("liobn", r->fault.liobn, LIOBN);
				check_eq("address", r->fault.address, 0x7ff8);
				check_eq("pe", r->fault.pe, TR_PLAIN);
				check_eq("access", r->fault.access, accesses[i].access & 3);
			}
			/* so that the second time something else is cached */
			guest_dma(r->device[TR_PLAIN], 0x7000, accesses[i].tce & 1 ? 1 : 2);
		}
	}
	tr_close(r);
}

static void test_classes(void **state)
{
	struct guest_dma dma;

	(void)state;
	r = tr_open(NULL, PAGES);
	dma = guest_dma(r->device[TR_PLAIN], (LAST + 1) * PAGE, VIOMMU_READ);
	check_eq("in no window", dma.result, VIOMMU_FAULT);
	check_eq("in no window", r->fault.reason, VIOMMU_TCE_INVALID_ADDRESS);
	check_eq("in no window", r->fault.has_window, 0);
	dma = guest_dma(r->device[TR_VIO], (LAST + 1) * PAGE, VIOMMU_READ);
	check_eq("behind a table", dma.result, VIOMMU_FAULT);
	check_eq("behind a table", r->fault.reason, VIOMMU_TCE_EXTENT);
	check_eq("behind a table", r->fault.liobn, TR_VIO_LIOBN);
	check_eq("message", guest_dma(r->device[TR_PLAIN], TR_MSI + 0x40, VIOMMU_WRITE).result,
		 VIOMMU_INTERRUPT);
	check_eq("no message", guest_dma(r->device[TR_PLAIN], TR_MSI + PAGE, VIOMMU_WRITE).result,
		 VIOMMU_FAULT);
	check_eq("read of messages", guest_dma(r->device[TR_PLAIN], TR_MSI, VIOMMU_READ).result,
		 VIOMMU_FAULT);
	check_eq("virtual I/O has no messages",
		 guest_dma(r->device[TR_VIO], TR_MSI, VIOMMU_WRITE).result, VIOMMU_FAULT);
	dma = guest_dma_pasid(r->device[TR_PLAIN], 1, 0x3000, VIOMMU_READ);
	check_eq("PASID", dma.result, VIOMMU_FAULT);
	dma = guest_ats(r->device[TR_PLAIN], VIOMMU_NO_PASID, 0x3000, VIOMMU_READ);
	check_eq("ATS", dma.result, VIOMMU_FAULT);
	check_eq("ATS", dma.answer.ats, VIOMMU_ATS_UNSUPPORTED);
	r->faults = 0;
	guest_dma(r->device[TR_PLAIN], 0x3000, VIOMMU_READ | VIOMMU_QUIET);
	check_eq("only a question", r->faults, 0);
	/* two pages, of which one is mapped: each part is checked before any of it moves */
	check_eq("put", tr_put(r, LIOBN, 0x3000, RAM | RW), 0);
	check_eq("no PE", viommu_device_set_id(r->device[TR_PLAIN], 12), VIOMMU_OK);
	check_eq("no PE", guest_dma(r->device[TR_PLAIN], 0x3000, VIOMMU_READ).result, VIOMMU_FAULT);
	check_eq("no PE", r->fault.pe, VIOMMU_NO_ID);
	tr_close(r);
}

/* ---- the list ---- */

static struct {
	uint64_t seen[512];
	unsigned reads;
	unsigned again;
} memory;

/* What has been read once reads otherwise from then on. */
static void alter(void *opaque, uint64_t gpa, void *bytes, uint32_t count)
{
	(void)opaque;
	for (uint32_t at = 0; at + 8 <= count; at += 8) {
		uint64_t *seen = &memory.seen[(gpa + at) % PAGE / 8];

		memory.reads++;
		memory.again += *seen != 0;
		if (*seen)
			memset((char *)bytes + at, 0xff, 8);
		*seen = 1;
	}
}

static void test_list_is_read_once(void **state)
{
	uint64_t entry[512];

	(void)state;
	r = tr_open_memory(NULL, GUEST_CALLBACKS, PAGES);
	r->owns_first = RAM;
	r->owns_last = END - 1;
	for (unsigned i = 0; i < 512; i++)
		entry[i] = (RAM + i % PAGES * PAGE) | RW;
	tr_list(r, RAM, entry, 512);
	memset(&memory, 0, sizeof(memory));
	r->g.alter = alter;
	check_eq("indirect", tr_indirect(r, LIOBN, 0, RAM, 512), 0);
	r->g.alter = NULL;
	check_eq("reads", memory.reads, 512);
	check_eq("again", memory.again, 0);
	for (unsigned i = 0; i < 512; i++)
		check_eq("entry", tr_entry(r, LIOBN, i * PAGE), entry[i]);
	tr_close(r);
}

/* Only as many entries as the call names; the nth read fails. */
static void test_list_cannot_be_read(void **state)
{
	uint64_t entry[16];

	(void)state;
	r = tr_open_memory(NULL, GUEST_CALLBACKS, PAGES);
	r->owns_first = RAM;
	r->owns_last = END - 1;
	for (unsigned i = 0; i < 16; i++)
		entry[i] = (RAM + i * PAGE) | RW;
	tr_list(r, RAM, entry, 16);
	for (unsigned n = 1; n <= 2; n++) { /* of 64 bytes each */
		r->g.fail_in = n;
		check_eq("nth read fails", tr_indirect(r, LIOBN, 0x4000, RAM, 16), -4);
		check_eq("failures", r->g.failures, n);
		for (unsigned i = 0; i < 16; i++)
			check_eq("nothing has changed", tr_entry(r, LIOBN, 0x4000 + i * PAGE), 0);
	}
	r->g.fail_in = 0;
	check_eq("indirect", tr_indirect(r, LIOBN, 0x4000, RAM, 16), 0);
	check_eq("beyond the count", tr_entry(r, LIOBN, 0x4000 + 16 * PAGE), 0);
	tr_close(r);
}

/* ---- switches ---- */

static void test_switches(void **state)
{
	struct viommu_tce_config config = { .flags = VIOMMU_TCE_STUFF_UNLIMITED |
						     VIOMMU_TCE_ANY_ADDRESS };

	(void)state;
	r = tr_open(&config, PAGES);
	check_eq("any address", tr_put(r, LIOBN, 0x3000, UINT64_C(0xfffffffffffff000) | RW), 0);
	check_eq("any address", tr_entry(r, LIOBN, 0x3000), UINT64_C(0xfffffffffffff003));
	for (uint64_t i = 1; i < 32; i++) /* pages of the table, of which a call clears eight */
		check_eq("any address", tr_put(r, LIOBN, i * 512 * PAGE, RAM | RW), 0);
	check_eq("valid, more than 512", tr_stuff(r, LIOBN, 0, RAM | 1, 513), -57);
	check_eq("the whole table", tr_stuff(r, LIOBN, 0, 0, TR_ENTRIES), 0);
	check_eq("more than one call may do", r->result, VIOMMU_PENDING);
	check_eq("another one meanwhile", tr_put(r, LIOBN, 0x3000, 0), H_PUT_TCE);
	check_eq("another one meanwhile", r->result, VIOMMU_ELIMIT);
	r->token--;
	check_eq("in the end", tr_told(r), true);
	check_eq("with its status", r->status[0], 0);
	check_eq("more than the table", tr_stuff(r, LIOBN, 0, 0, TR_ENTRIES + 1), -4);
	check_eq("it has gone", tr_entry(r, LIOBN, 0x3000), 0);
	tr_close(r);
	config.flags = VIOMMU_TCE_NO_MULTI;
	r = tr_open(&config, PAGES);
	check_eq("not offered", tr_stuff(r, LIOBN, 0, 0, 1), -2);
	check_eq("not offered", tr_indirect(r, LIOBN, 0, RAM, 1), -2);
	check_eq("offered", tr_put(r, LIOBN, 0, RAM | RW), 0);
	tr_close(r);
}

/* ---- memory of the tables is capped ---- */

static void test_cap(void **state)
{
	const struct viommu_tce_config config = { .table_bytes = 65536 }; /* 16 pages */
	uint64_t entry[2] = { RAM | RW, RAM | RW };
	unsigned mapped = 0;

	(void)state;
	r = tr_open(&config, PAGES);
	tr_list(r, RAM, entry, 2);
	/* each in a page of its own */
	while (tr_put(r, LIOBN, mapped * 512 * PAGE, RAM | RW) == 0)
		mapped++;
	check_eq("15 pages, and one that leads there", mapped, 15);
	check_eq("refused", tr_entry(r, LIOBN, 15 * 512 * PAGE), 0);
	check_eq("poison, too", tr_put(r, LIOBN, 15 * 512 * PAGE, 0x5000), -44);
	check_eq("nothing needs no memory", tr_put(r, LIOBN, 15 * 512 * PAGE, 0), 0);
	/* half of the list would have room */
	check_eq("all or nothing", tr_indirect(r, LIOBN, (15 * 512 - 1) * PAGE, RAM, 2), -44);
	check_eq("all or nothing", tr_entry(r, LIOBN, (15 * 512 - 1) * PAGE), 0);
	check_eq("stuff", tr_stuff(r, LIOBN, (15 * 512 - 1) * PAGE, RAM | RW, 2), -44);
	check_eq("another window", tr_put(r, TR_LIOBN(TR_BRIDGE), 0, RAM | RW), -44);
	check_eq("one goes", tr_put(r, LIOBN, 3 * 512 * PAGE, 0), 0);
	check_eq("then there is room", tr_put(r, LIOBN, 15 * 512 * PAGE, RAM | RW), 0);
	check_eq("reset", viommu_reset(r->g.iommu), VIOMMU_OK);
	check_eq("another window", tr_put(r, TR_LIOBN(TR_BRIDGE), 0, RAM | RW), 0);
	check_eq("empty", tr_entry(r, LIOBN, 15 * 512 * PAGE), 0);
	tr_close(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_other_tokens),
		cmocka_unit_test(test_get),
		cmocka_unit_test(test_large_pages),
		cmocka_unit_test(test_permission),
		cmocka_unit_test(test_classes),
		cmocka_unit_test(test_list_is_read_once),
		cmocka_unit_test(test_list_cannot_be_read),
		cmocka_unit_test(test_switches),
		cmocka_unit_test(test_cap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
