/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_riscv_random.c - the RISC-V IOMMU against riscv_oracle.h: random images of device and process directories, first- and
 * second-stage tables and MSI tables, mostly right and a little wrong, and requests to them, each cold and again warm. Compared are
 * answer, permission, the fault record, and every byte of memory afterwards.
 *
 * VIOMMU_TEST_SCALE=25000: more than 10^7 requests; VIOMMU_SEED: others; VIOMMU_RISCV_IMAGE=N: that image alone, with each request
 * printed.
 */
#include "in_section.h"
#include "check.h"

#include <libvirtiommu/irq.h>
#include <libvirtiommu/riscv.h>
#include <libvirtiommu/vm.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "riscv_oracle.h"
#include "run.h"

enum {
	IMAGES = 1600,
	REQUESTS = 24,
	PAGES = 96,
	TABLE_PAGES = 88,
	WRITTEN = 2048,
	DEVICES = 3,
	IOVAS = 6
};

#define PAGE  UINT64_C(4096)
#define BASE  UINT64_C(0x100000)
#define BYTES (PAGES * PAGE)
#define QUEUE (BASE + TABLE_PAGES * PAGE) /* of faults: 64 records */

/* Registers. */
enum {
	R_FCTL = 8,
	R_DDTP = 16,
	R_FQB = 40,
	R_FQH = 48,
	R_FQT = 52,
	R_FQCSR = 76,
};

/* One IOMMU; another for each configuration. */
static struct {
	struct viommu_vm *vm;
	struct viommu *iommu;
	struct viommu_device *device[DEVICES];
	struct viommu_channel *channel[DEVICES];
	uint32_t id[DEVICES];
	uint8_t *ram;
	uint8_t *copy; /* the oracle's */
	struct ro_unit o;
	uint32_t head;
} m;

static uint64_t seed, image_number;
static bool verbose;
static struct {
	uint64_t requests, granted, faults, interrupts, notices;
	uint64_t causes[300];
} total;

static uint64_t pick(uint64_t below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (seed >> 9) % below;
}

static bool one_in(unsigned n)
{
	return pick(n) == 0;
}

static bool has(unsigned capability)
{
	return m.o.capabilities >> capability & 1;
}

/* ---- registers ---- */

static uint64_t get(uint64_t offset, uint32_t bytes)
{
	uint64_t value = 0;

	check_eq("read", viommu_reg_read(m.iommu, offset, bytes, &value), VIOMMU_OK);
	return value;
}

static void set(uint64_t offset, uint32_t bytes, uint64_t value)
{
	int result = viommu_reg_write(m.iommu, offset, bytes, value);

	while (result == VIOMMU_PENDING)
		result = viommu_run(m.iommu);
	check_eq("write", result, VIOMMU_OK);
}

/* ---- configurations ---- */

static uint64_t some_capabilities(void)
{
	uint64_t c = 0x10 | UINT64_C(56) << 32;
	static const uint8_t any[] = { RO_CAP_SV32,   RO_CAP_SVRSW60T59B, RO_CAP_SVPBMT,
				       RO_CAP_SV32X4, RO_CAP_AMO_HWAD,	  RO_CAP_ATS,
				       RO_CAP_END,    RO_CAP_PD8,	  RO_CAP_PD17,
				       RO_CAP_PD20,   RO_CAP_QOSID };

	for (unsigned i = 0; i < sizeof(any); i++)
		c |= (uint64_t)!one_in(3) << any[i];
	for (unsigned i = RO_CAP_SV39, n = (unsigned)pick(4); n; n--, i++)
		c |= UINT64_C(1) << i;
	for (unsigned i = RO_CAP_SV39X4, n = (unsigned)pick(4); n; n--, i++)
		c |= UINT64_C(1) << i;
	if (!one_in(3)) {
		c |= UINT64_C(1) << RO_CAP_MSI_FLAT;
		if (!one_in(3))
			c |= UINT64_C(1) << RO_CAP_MSI_MRIF | (uint64_t)pick(2) << RO_CAP_AMO_MRIF;
	}
	if ((c >> RO_CAP_ATS & 1) && !one_in(3))
		c |= UINT64_C(1) << RO_CAP_T2GPA;
	return c;
}

static void close_unit(void)
{
	for (unsigned i = 0; i < DEVICES; i++) {
		viommu_channel_free(m.channel[i]);
		viommu_device_free(m.device[i]);
	}
	check_eq("free", viommu_free(m.iommu), VIOMMU_OK);
}

/* False: the library does not have such a combination. */
static bool open_unit(void)
{
	const struct viommu_limits limits = { .size = sizeof(limits),
					      .tlb_entries = 640,
					      .contexts = 64,
					      .domains = 64,
					      .tables = 64 };
	struct viommu_riscv_config config = { .size = sizeof(config),
					      .capabilities = some_capabilities(),
					      .limits = &limits };

	if (viommu_riscv_new(m.vm, &config, &m.iommu) != VIOMMU_OK)
		return false;
	m.o.capabilities = get(0, 8);
	set(R_FCTL, 4, 4);
	m.o.gxl_writable = get(R_FCTL, 4) >> 2 & 1;
	set(R_FCTL, 4, 0);
	m.o.gxl_writable = m.o.gxl_writable && !(get(R_FCTL, 4) >> 2 & 1);
	set(R_FCTL, 4, pick(2) | pick(2) << 2);
	m.o.be = get(R_FCTL, 4) & 1;
	m.o.gxl = get(R_FCTL, 4) >> 2 & 1;
	config.size = sizeof(config);
	viommu_riscv_get_config(m.iommu, &config);
	m.o.qosid_bits = config.qosid_bits;
	set(R_FQB, 8, (QUEUE >> 12) << 10 | 5);
	set(R_FQCSR, 4, 1);
	check_that("fault queue", get(R_FQCSR, 4) >> 16 & 1);
	m.head = 0;
	for (unsigned i = 0; i < DEVICES; i++) {
		struct viommu_device_config device = { .size = sizeof(device) };

		m.id[i] = (uint32_t)pick(i == 0	  ? 0x40
					 : i == 1 ? 0x8000
						  : 0x1000000) |
			  1U << (5 * i);
		for (unsigned j = 0; j < i; j++) /* each its own */
			m.id[i] += m.id[i] == m.id[j];
		device.id = m.id[i];
		check_eq("device", viommu_device_new(m.iommu, &device, &m.device[i]), VIOMMU_OK);
		check_eq("channel", viommu_channel_new(m.device[i], VIOMMU_NO_PASID, &m.channel[i]),
			 VIOMMU_OK);
	}
	return true;
}

/* ---- an image ---- */

static uint64_t next_page;
/* Tables may lead to one another: A and D bits that are set may change what has been read as something else. */
static bool tangled;
static struct {
	uint64_t at;
	unsigned bytes;
} written[WRITTEN]; /* so that something can be made wrong */
static unsigned writes;
static uint64_t iovas[IOVAS];
static uint32_t pids[3];
static bool processes[DEVICES]; /* the device has a process directory */

static uint64_t new_pages(unsigned count)
{
	uint64_t at = (next_page + count - 1) / count * count;

	tangled = tangled || at + count > TABLE_PAGES;
	if (at + count > TABLE_PAGES)
		return BASE +
		       pick(TABLE_PAGES / count) * count * PAGE; /* one that is there already */
	next_page = at + count;
	return BASE + at * PAGE;
}

static uint64_t peek(uint64_t pa, unsigned bytes, bool be)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < bytes; i++)
		value |= (uint64_t)m.ram[pa - BASE + (be ? bytes - 1 - i : i)] << 8 * i;
	return value;
}

static void poke(uint64_t pa, unsigned bytes, bool be, uint64_t value)
{
	for (unsigned i = 0; i < bytes; i++)
		m.ram[pa - BASE + (be ? bytes - 1 - i : i)] = (uint8_t)(value >> 8 * i);
	if (writes < WRITTEN) {
		written[writes].at = pa;
		written[writes++].bytes = bytes;
	}
}

/* Sixteen entries that are one page (Svnapot): all alike, and as they will stay. */
static void poke_napot(uint64_t pa, bool be, uint64_t pte)
{
	unsigned kept = writes;

	pte = (pte & ~(UINT64_C(15) << 10)) | UINT64_C(8) << 10 | UINT64_C(1) << 63 | 0xc0;
	for (unsigned i = 0; i < 16; i++)
		poke((pa & ~UINT64_C(127)) + i * 8, 8, be, pte);
	writes = kept;
}

/* Whether nothing is there yet. */
static bool room_for_napot(uint64_t pa)
{
	static const uint8_t none[128];

	return memcmp(m.ram + ((pa & ~UINT64_C(127)) - BASE), none, sizeof(none)) == 0;
}

static uint64_t mode_word(uint64_t mode, uint64_t pa)
{
	return mode << 60 | pa >> 12;
}

/* Of one device. */
static struct {
	bool sbe, sxl;
	unsigned gmode; /* 0: Bare */
	uint64_t groot;
} c;

static uint64_t leaf_flags(bool sv32, bool second)
{
	static const unsigned rwx[] = { 1, 3, 5, 7, 4, 3, 7, 7, 7, 7, 7, 7 };
	uint64_t flags = 1 | rwx[pick(12)] << 1;

	if (second ? !one_in(20) : !one_in(4))
		flags |= 1 << 4; /* U */
	if (!one_in(has(RO_CAP_AMO_HWAD) ? 2 : 12))
		flags |= 1 << 6;
	if (!one_in(has(RO_CAP_AMO_HWAD) ? 2 : 8))
		flags |= 1 << 7;
	flags |= pick(8) << 8 & 0x300;
	if (!second)
		flags |= (uint64_t)one_in(4) << 5; /* G */
	if (!sv32 && one_in(has(RO_CAP_SVPBMT) ? 4 : 40))
		flags |= pick(3) << 61;
	if (!sv32 && one_in(has(RO_CAP_SVRSW60T59B) ? 4 : 40))
		flags |= pick(4) << 59;
	return flags;
}

/* The path of an address through the second stage, to itself where it has to be in memory. */
static void map_second(uint64_t gpa, bool identity)
{
	bool sv32 = m.o.gxl;
	unsigned levels = sv32 ? 2 : c.gmode - 5, bits = sv32 ? 10 : 9, size = sv32 ? 4 : 8;
	uint64_t table = c.groot;

	if (c.gmode == 0 || gpa >> (12 + levels * bits + 2))
		return;
	for (unsigned level = levels; level-- > 0;) {
		unsigned shift = 12 + bits * level;
		uint64_t index = gpa >> shift &
				 ((UINT64_C(1) << (bits + (level == levels - 1 ? 2 : 0))) - 1);
		uint64_t pa = table + index * size, pte;

		if (pa < BASE || pa >= QUEUE)
			return;
		pte = peek(pa, size, m.o.be);
		if (pte & 1 && !(pte & 0xe)) {
			table = (size == 8 ? pte >> 10 & ((UINT64_C(1) << 44) - 1)
					   : pte >> 10 & 0x3fffff)
				<< 12;
			continue;
		}
		if (pte & 1)
			return;
		if (level && !one_in(identity ? 6 : 5)) {
			table = new_pages(1);
			poke(pa, size, m.o.be, table >> 12 << 10 | 1);
			continue;
		}
		pte = identity ? gpa >> 12 : pick(UINT64_C(1) << 20);
		pte &= ~((UINT64_C(1) << bits * level) - 1);
		pte = pte << 10 | leaf_flags(sv32, true);
		if (identity && !one_in(10))
			pte |= 0xd6; /* tables can be read, and written */
		if (!sv32 && level == 0 && one_in(8) && !identity && room_for_napot(pa)) {
			poke_napot(pa, m.o.be, pte);
			return;
		}
		if (one_in(30))
			pte &= ~UINT64_C(1);
		poke(pa, size, m.o.be, pte);
		return;
	}
}

/* A page that the first stage, or the process directory, is read from. */
static uint64_t new_guest_page(void)
{
	uint64_t page = new_pages(1);

	map_second(page, true);
	return page;
}

static uint64_t some_gpa(void)
{
	static const unsigned widths[] = { 24, 30, 34, 41, 46 };

	return one_in(3) ? BASE + pick(TABLE_PAGES) * PAGE
			 : pick(UINT64_C(1) << widths[pick(5)]) & ~(PAGE - 1);
}

/* Interrupt files of the guest's. */
static struct msi_files {
	uint64_t mask, pattern;
	bool on;
} msi, files[DEVICES];

static uint64_t msi_gpa(void)
{
	return ((msi.pattern & ~msi.mask) | (pick(UINT64_MAX) & msi.mask)) << 12;
}

static void map_first(uint64_t root, unsigned mode, uint64_t iova)
{
	unsigned levels = c.sxl ? 2 : mode - 5, bits = c.sxl ? 10 : 9, size = c.sxl ? 4 : 8;
	uint64_t table = root;

	for (unsigned level = levels; level-- > 0;) {
		uint64_t index = iova >> (12 + bits * level) & ((UINT64_C(1) << bits) - 1);
		uint64_t pa = table + index * size, pte, gpa;

		if (pa < BASE || pa >= QUEUE)
			return;
		pte = peek(pa, size, c.sbe);
		if (pte & 1 && !(pte & 0xe)) {
			table = (size == 8 ? pte >> 10 & ((UINT64_C(1) << 44) - 1)
					   : pte >> 10 & 0x3fffff)
				<< 12;
			continue;
		}
		if (pte & 1)
			return;
		if (level && !one_in(5)) {
			table = new_guest_page();
			poke(pa, size, c.sbe, table >> 12 << 10 | 1 | (uint64_t)one_in(20) << 5);
			continue;
		}
		gpa = msi.on && one_in(3) ? msi_gpa() : some_gpa();
		gpa &= ~((PAGE << bits * level) - 1);
		if (c.sxl)
			gpa &= (UINT64_C(1) << 34) - 1;
		map_second(gpa | (iova & ((PAGE << bits * level) - 1)), false);
		pte = gpa >> 12 << 10 | leaf_flags(c.sxl, false);
		if (!c.sxl && level == 0 && one_in(8) && room_for_napot(pa))
			poke_napot(pa, c.sbe, pte);
		else
			poke(pa, size, c.sbe, pte);
		return;
	}
}

/* A first stage: iosatp, and the tables. */
static uint64_t new_first(void)
{
	static const uint8_t modes[] = { 8, 9, 10 };
	unsigned n = c.sxl ? has(RO_CAP_SV32)
			   : (unsigned)(has(RO_CAP_SV39) + has(RO_CAP_SV48) + has(RO_CAP_SV57));
	unsigned mode;
	uint64_t root;

	if (!n || one_in(4))
		return one_in(20) ? mode_word(pick(16), BASE) : 0;
	mode = modes[pick(n)];
	root = new_guest_page();
	for (unsigned i = 0; i < IOVAS; i++)
		map_first(root, mode, iovas[i]);
	return mode_word(mode, root);
}

/* A process directory: pdtp. */
static uint64_t new_process(void)
{
	static const uint8_t caps[] = { RO_CAP_PD8, RO_CAP_PD17, RO_CAP_PD20 };
	static const unsigned low[] = { 0, 8, 17 }, bits[] = { 8, 9, 3 };
	unsigned mode = 1 + (unsigned)pick(3);
	uint64_t root;

	if (!has(caps[mode - 1]) || one_in(8))
		return one_in(20) ? mode_word(pick(16), BASE) : 0;
	root = new_guest_page();
	for (unsigned i = 0; i < 3; i++) {
		uint64_t table = root, pa;

		for (unsigned level = mode - 1; level > 0; level--) {
			uint64_t entry;

			pa = table + (pids[i] >> low[level] & ((1U << bits[level]) - 1)) * 8;
			entry = peek(pa, 8, c.sbe);
			if (!(entry & 1)) {
				entry = new_guest_page() >> 12 << 10 | 1;
				poke(pa, 8, c.sbe, entry);
			}
			table = (entry >> 10 & ((UINT64_C(1) << 44) - 1)) << 12;
		}
		pa = table + (pids[i] & 0xff) * 16;
		if (pa < BASE || pa >= QUEUE || one_in(10))
			continue;
		poke(pa, 8, c.sbe, 1 | (uint64_t)!one_in(6) << 1 | pick(2) << 2 | pick(4) << 12);
		poke(pa + 8, 8, c.sbe, new_first());
	}
	return mode_word(mode, root);
}

static void new_msi_table(uint64_t *dc)
{
	uint64_t table = new_pages(1), bits = UINT64_C(1) << 22;

	msi.mask = pick(4) | pick(4) << 9;
	msi.pattern = pick(bits);
	msi.on = true;
	dc[4] = mode_word(1, one_in(12) ? BASE + (pick(1 << 20) << 14) + BYTES : table);
	dc[5] = msi.mask;
	dc[6] = msi.pattern;
	for (unsigned i = 0; i < 16; i++) {
		bool mrif = one_in(2) && has(RO_CAP_MSI_MRIF);
		uint64_t pte = one_in(6) ? 0 : 1;

		if (mrif)
			pte |= 1 << 1 |
			       (BASE + pick(one_in(6) ? 1 << 20 : TABLE_PAGES) * PAGE) >> 9 << 7;
		else
			pte |= 3 << 1 | pick(1 << 20) << 10;
		if (one_in(8)) /* another mode, a reserved bit, a custom one, or nothing that matters */
			pte ^= UINT64_C(1) << (1 + pick(63));
		poke(table + i * 16, 8, m.o.be, pte);
		poke(table + i * 16 + 8, 8, m.o.be,
		     pick(1024) | pick(1 << 20) << 10 | pick(2) << 60 |
			     (!mrif	  ? pick(UINT64_MAX)
			      : one_in(8) ? UINT64_C(1) << (54 + pick(10))
					  : 0));
	}
}

static void new_second(uint64_t *dc)
{
	static const uint8_t modes[] = { 8, 9, 10 };
	unsigned n =
		m.o.gxl ? has(RO_CAP_SV32X4)
			: (unsigned)(has(RO_CAP_SV39X4) + has(RO_CAP_SV48X4) + has(RO_CAP_SV57X4));

	c.gmode = 0;
	if (!n || one_in(3))
		return;
	c.gmode = modes[pick(n)];
	c.groot = new_pages(4);
	dc[1] = mode_word(c.gmode, c.groot) | pick(4) << 44;
	if (has(RO_CAP_MSI_FLAT) && !one_in(3))
		new_msi_table(dc);
}

static void new_context(uint64_t *dc, bool *process)
{
	bool ats = has(RO_CAP_ATS) && pick(2);
	bool pdtv = pick(2);

	memset(dc, 0, 8 * sizeof(*dc));
	msi.on = false;
	c.sbe = has(RO_CAP_END) ? pick(2) : m.o.be;
	c.sxl = m.o.gxl || (m.o.gxl_writable && one_in(3));
	new_second(dc);
	dc[0] = 1 | (uint64_t)ats << 1 | (uint64_t)(ats && one_in(3)) << 2 |
		(uint64_t)(ats && c.gmode && has(RO_CAP_T2GPA) && one_in(3)) << 3 |
		(uint64_t)one_in(5) << 4 | (uint64_t)pdtv << 5 | (uint64_t)(pdtv && pick(2)) << 9 |
		(uint64_t)c.sbe << 10 | (uint64_t)c.sxl << 11;
	if (has(RO_CAP_AMO_HWAD))
		dc[0] |= pick(4) << 7;
	*process = pdtv;
	dc[2] = pick(4) << 12;
	dc[3] = pdtv ? new_process() : new_first();
	for (unsigned i = 0; i < IOVAS; i++)
		map_second(iovas[i], false);
}

static void add_device(uint64_t root, unsigned mode, uint32_t id, bool *process)
{
	bool extended = has(RO_CAP_MSI_FLAT);
	unsigned low[3] = { 0, extended ? 6 : 7, extended ? 15 : 16 };
	unsigned words = extended ? 8 : 4;
	uint64_t table = root, dc[8];

	for (unsigned level = mode - 2; level > 0; level--) {
		uint64_t pa = table + (id >> low[level] & (level == 2 ? 0x1ff : 0x1ff)) % 512 * 8,
			 entry;

		entry = peek(pa, 8, m.o.be);
		if (!(entry & 1)) {
			entry = new_pages(1) >> 12 << 10 | 1;
			poke(pa, 8, m.o.be, entry);
		}
		table = (entry >> 10 & ((UINT64_C(1) << 44) - 1)) << 12;
	}
	if (table < BASE || table >= QUEUE)
		return;
	table += (id & ((1U << low[1]) - 1)) * words * 8;
	new_context(dc, process);
	for (unsigned i = 0; i < words; i++)
		poke(table + i * 8, 8, m.o.be, dc[i]);
}

static void spoil(void)
{
	for (unsigned n = (unsigned)pick(6); n > 3 && writes; n--) {
		unsigned i = (unsigned)pick(writes), b = (unsigned)pick(written[i].bytes);

		tangled = true;
		m.ram[written[i].at - BASE + b] ^= (uint8_t)(1U << pick(8));
	}
}

static void pick_addresses(void)
{
	static const unsigned widths[] = { 32, 32, 38, 38, 39, 41, 47, 56, 64 };
	bool small = !one_in(4);

	for (unsigned i = 0; i < IOVAS; i++) {
		unsigned width = widths[pick(9)];

		iovas[i] = pick(UINT64_MAX) >> (64 - width) & ~(PAGE - 1);
		if (width < 64 && width > 32 && one_in(3)) /* the upper half */
			iovas[i] |= UINT64_MAX << (width - 1);
		if (i && one_in(2))
			iovas[i] = iovas[i - 1] + PAGE * (1 + pick(20));
	}
	for (unsigned i = 0; i < 3; i++)
		pids[i] = (uint32_t)pick(i == 0 || small ? 0x100 : i == 1 ? 0x20000 : 0x100000);
	if (one_in(2))
		pids[0] = 0;
}

static void make_image(void)
{
	unsigned mode = one_in(12) ? 2 + (unsigned)pick(2) : 4;
	uint64_t root;

	set(R_DDTP, 8, 0);
	memset(m.ram, 0, (size_t)(TABLE_PAGES * PAGE));
	next_page = 0;
	writes = 0;
	tangled = false;
	pick_addresses();
	root = new_pages(1);
	for (unsigned i = 0; i < DEVICES; i++) {
		msi.on = false;
		if (!one_in(8))
			add_device(root, mode, m.id[i], &processes[i]);
		files[i] = msi;
	}
	spoil();
	if (one_in(40))
		mode = (unsigned)pick(2);
	m.o.ddtp = root >> 12 << 10 | mode;
	set(R_DDTP, 8, m.o.ddtp);
	check_eq("ddtp", get(R_DDTP, 8) & 15, mode);
	check_eq("flush", viommu_flush(m.iommu), VIOMMU_OK);
	memcpy(m.copy, m.ram, BYTES);
}

/* ---- requests ---- */

static const char *what;
static struct ro_request current;

/* What other accesses would come to, with memory as it is now. */
static unsigned permissions(void)
{
	static uint8_t spare[BYTES];
	struct ro_unit o = m.o;
	unsigned perm = 0;

	for (unsigned access = RO_EXEC; access <= RO_WRITE; access++) {
		struct ro_request q = current;

		memcpy(spare, m.copy, (size_t)(TABLE_PAGES * PAGE));
		o.ram = spare;
		q.access = (enum ro_access)access;
		if (ro_translate(&o, &q).end == RO_OK)
			perm |= access == RO_EXEC   ? VIOMMU_EXEC
				: access == RO_READ ? VIOMMU_READ
						    : VIOMMU_WRITE;
	}
	return perm;
}

static void describe(const struct ro_answer *a, int result, const struct viommu_fragment *f,
		     const struct viommu_answer *answer)
{
	print_message(
		"image %llu: %s: device %x pv %d pid %x priv %d access %d type %d iova %llx\n"
		"  nw %d exec %d: expected end %d cause %u pa %llx iotval2 %llx logged %d size %u rwx %d%d%d ats %u\n"
		"  came result %d reason %u gpa %llx perm %x ats %u extent %u; permitted %x\n",
		(unsigned long long)image_number, what, current.device, current.pv, current.pid,
		current.priv, (int)current.access, (int)current.type,
		(unsigned long long)current.iova, current.no_write, current.exec, (int)a->end,
		a->cause, (unsigned long long)a->pa, (unsigned long long)a->iotval2, a->logged,
		a->size_lg2, a->r, a->w, a->x, a->ats, result, answer->reason,
		(unsigned long long)f->gpa, f->perm, answer->ats, answer->extent_lg2,
		permissions());
}

/* The records that have come. */
static void check_records(const struct ro_answer *a, bool *same)
{
	uint32_t tail = (uint32_t)get(R_FQT, 4);
	uint64_t record[4], came[4] = { 0 };
	unsigned count = (tail - m.head) & 63;

	*same = count == (a->end == RO_FAULT && a->logged);
	if (count) {
		for (unsigned i = 0; i < 4; i++)
			came[i] = peek(QUEUE + (uint64_t)m.head * 32 + i * 8, 8, m.o.be);
		ro_record(&m.o, &current, a, record);
		*same = *same && memcmp(record, came, sizeof(record)) == 0;
		if (!*same)
			print_message(
				"record: %016llx %016llx %016llx %016llx\n    not %016llx %016llx %016llx %016llx\n",
				(unsigned long long)came[0], (unsigned long long)came[1],
				(unsigned long long)came[2], (unsigned long long)came[3],
				(unsigned long long)record[0], (unsigned long long)record[1],
				(unsigned long long)record[2], (unsigned long long)record[3]);
	}
	m.head = tail;
	set(R_FQH, 4, tail);
}

static bool agrees(const struct ro_answer *a, int result, const struct viommu_fragment *f,
		   const struct viommu_answer *answer)
{
	unsigned perm;

	if (current.type == RO_ATS)
		return a->end == RO_FAULT
			       ? (a->ats ? result == VIOMMU_FAULT && answer->ats == a->ats
					 : result == VIOMMU_OK && f->perm == 0)
		       : a->end == RO_MRIF
			       ? result == VIOMMU_INTERRUPT
			       : result == VIOMMU_OK &&
					 f->perm == ((a->r ? 1U : 0) | (a->w ? 2U : 0) |
						     (a->x ? 4U : 0)) &&
					 (!f->perm || has(RO_CAP_T2GPA) || f->gpa == a->pa);
	if (a->end == RO_MRIF)
		return result == VIOMMU_INTERRUPT;
	if (a->end == RO_FAULT)
		return result == VIOMMU_FAULT && answer->reason == a->cause;
	if (result != VIOMMU_OK || f->gpa != a->pa ||
	    (a->size_lg2 < 64 && answer->extent_lg2 > a->size_lg2))
		return false;
	perm = f->perm ^ permissions();
	/* execution may be left out where reading is not permitted; what is clean is asked for before it is written */
	if (perm & VIOMMU_EXEC & ~f->perm)
		perm &= ~VIOMMU_EXEC;
	if (f->flags & VIOMMU_FRAGMENT_CLEAN)
		perm &= ~(f->perm & VIOMMU_WRITE);
	return perm == 0;
}

static void check_memory(const struct ro_answer *a, bool *same)
{
	(void)a;
	*same = memcmp(m.ram, m.copy, (size_t)(TABLE_PAGES * PAGE)) == 0;
	for (uint64_t i = 0; !*same && i < TABLE_PAGES * PAGE; i += 8) {
		if (memcmp(m.ram + i, m.copy + i, 8) != 0) {
			print_message("memory at %llx: %016llx not %016llx\n",
				      (unsigned long long)(BASE + i),
				      (unsigned long long)peek(BASE + i, 8, false),
				      (unsigned long long)*(uint64_t *)(void *)(m.copy + i));
			break;
		}
	}
}

/* Of a file that is not there: recorded, unless DTF is set. */
static void check_file_record(const struct ro_answer *a, uint64_t address)
{
	struct ro_request message = current;
	struct ro_answer fault = *a;
	uint32_t tail = (uint32_t)get(R_FQT, 4);
	uint64_t record[4];

	message.iova = address;
	fault.cause = 264;
	fault.iotval2 = 0;
	ro_record(&m.o, &message, &fault, record);
	for (unsigned i = 0; tail != m.head && i < 4; i++)
		check_eq("record", peek(QUEUE + (uint64_t)m.head * 32 + i * 8, 8, m.o.be),
			 record[i]);
	check_that("records", ((tail - m.head) & 63) <= 1);
	m.head = tail;
	set(R_FQH, 4, tail);
}

/* A write to an interrupt file. */
static void deliver(unsigned device, const struct ro_answer *a)
{
	uint32_t data = (uint32_t)pick(one_in(4) ? UINT32_MAX : 2048);
	uint64_t address =
		(current.iova & ~UINT64_C(0xfff)) | (one_in(4) ? pick(0x400) * 4 : pick(2) * 4);
	struct viommu_msi got;
	enum ro_delivered expected;
	bool notice, same;
	int result;

	if (current.pv || current.type != RO_UNTRANSLATED || current.access != RO_WRITE)
		return;
	if ((address & 4) && one_in(2))
		data = __builtin_bswap32(data);
	expected = ro_deliver(&m.o, a, address, data);
	notice = expected == RO_NOTICE;
	result = viommu_remap_msi(m.iommu, m.id[device], address, data, 0, &got);
	if (expected == RO_MRIF_FAULT) {
		check_eq("refused", result, VIOMMU_FAULT);
		check_eq("its cause", got.reason, 264);
		total.causes[264]++;
		check_file_record(a, address);
		check_memory(a, &same);
		check_that("memory", same);
		return;
	}
	check_eq("delivered", result, VIOMMU_OK);
	check_eq("notice", got.flags & VIOMMU_MSI_NOTIFY, notice ? VIOMMU_MSI_NOTIFY : 0);
	if (notice) {
		check_eq("its address", got.address, a->notice);
		check_eq("its data", got.data, a->nid);
		total.notices++;
	}
	check_memory(a, &same);
	check_that("memory", same);
}

static void ask(unsigned device, bool channel)
{
	static const uint16_t accesses[] = { VIOMMU_EXEC, VIOMMU_READ, VIOMMU_WRITE };
	struct viommu_request q = { .first = current.iova,
				    .last = current.iova,
				    .pasid = current.pv ? current.pid : VIOMMU_NO_PASID,
				    .access = accesses[current.access],
				    .type = (uint16_t)current.type };
	struct viommu_fragment f = { 0 };
	struct viommu_answer answer = { 0 };
	struct ro_answer a;
	bool records, memory;
	uint64_t stores;
	int result;

	if (current.type == RO_ATS)
		q.access = (uint16_t)(VIOMMU_READ | (current.no_write ? 0 : VIOMMU_WRITE) |
				      (current.exec ? VIOMMU_EXEC : 0));
	if (current.priv)
		q.access |= VIOMMU_PRIV;
	m.o.ram = m.copy;
	m.o.stores = 0;
	a = ro_translate(&m.o, &current);
	stores = m.o.stores;
	result = channel && !current.pv
			 ? translate_in_section(m.channel[device], &q, &f, 1, &answer)
			 : viommu_device_translate(m.device[device], &q, &f, 1, &answer);
	check_records(&a, &records);
	check_memory(&a, &memory);
	if (verbose || !records || !memory || !agrees(&a, result, &f, &answer))
		describe(&a, result, &f, &answer);
	check_that("record", records);
	check_that("memory", memory);
	check_that("answer", agrees(&a, result, &f, &answer));
	if (tangled && stores)
		check_eq("flush", viommu_flush(m.iommu), VIOMMU_OK);
	total.requests++;
	total.granted += a.end == RO_OK;
	total.faults += a.end == RO_FAULT;
	total.interrupts += a.end == RO_MRIF;
	if (a.end == RO_FAULT)
		total.causes[a.cause]++;
	if (a.end == RO_MRIF)
		deliver(device, &a);
}

static void some_request(unsigned device)
{
	unsigned type = (unsigned)pick(has(RO_CAP_ATS) ? 10 : 30);

	current =
		(struct ro_request){ .device = m.id[device],
				     .pv = one_in(12) ? one_in(2) : processes[device] && !one_in(4),
				     .access = (enum ro_access)pick(3),
				     .type = type < 8	? RO_UNTRANSLATED
					     : type < 9 ? RO_TRANSLATED
							: RO_ATS,
				     .iova = iovas[pick(IOVAS)] + pick(PAGE) };
	if (current.pv) {
		current.pid = one_in(10) ? (uint32_t)pick(0x100000) : pids[pick(3)];
		current.priv = pick(2);
	}
	msi = files[device];
	if (one_in(msi.on ? 2 : 12))
		current.iova = msi.on ? msi_gpa() + pick(4) * 4 : some_gpa() + pick(PAGE);
	if (current.type == RO_ATS) {
		current.no_write = pick(2);
		current.exec = current.pv && pick(2);
		current.access = current.exec ? RO_EXEC : RO_READ;
	}
}

static void image(uint64_t number)
{
	image_number = number;
	make_image();
	for (unsigned i = 0; i < REQUESTS; i++) {
		unsigned device = (unsigned)pick(DEVICES);

		some_request(device);
		what = "cold";
		ask(device, false);
		what = "warm";
		ask(device, i & 1);
	}
}

/* 3.2, table of causes, but those of accesses that are not aligned, of memory that is corrupted, and of the IOMMU's own: each has been
 * reached, and its record with iotval and iotval2 compared. */
static void check_causes(bool some)
{
	static const uint16_t causes[] = { 1,	5,   7,	  12,  13,  15,	 20,  21,  23,	256, 257,
					   258, 259, 260, 261, 262, 263, 264, 265, 266, 267 };

	for (unsigned i = 0; i < sizeof(causes) / sizeof(causes[0]); i++) {
		print_message("cause %u: %llu\n", causes[i],
			      (unsigned long long)total.causes[causes[i]]);
		check_that("reached", some || RUN_SLOW || total.causes[causes[i]]);
	}
}

static void test_random(void **state)
{
	const struct viommu_vm_config vm = { .size = sizeof(vm), .hash_key = { 1, 2 } };
	struct viommu_region region = { .size = sizeof(region), .gpa = BASE, .bytes = BYTES };
	const char *only = getenv("VIOMMU_RISCV_IMAGE");
	uint64_t first = run_seed(1), count = run_scaled(IMAGES), units = 0;

	(void)state;
	m.ram = aligned_alloc(PAGE, BYTES);
	m.copy = aligned_alloc(PAGE, BYTES);
	assert_non_null(m.ram);
	assert_non_null(m.copy);
	region.host = m.ram;
	m.o.base = BASE;
	m.o.bytes = BYTES;
	check_eq("vm", viommu_vm_new(&vm, &m.vm), VIOMMU_OK);
	check_eq("region", viommu_vm_add_region(m.vm, &region), VIOMMU_OK);
	verbose = only != NULL;
	for (uint64_t i = only ? strtoull(only, NULL, 0) : 0; i < count; i++) {
		uint64_t tries = 0;

		/* eight images of a configuration */
		seed = (first + i / 8 + 1) * UINT64_C(0x9e3779b97f4a7c15);
		while (!open_unit())
			check_that("some configuration", tries++ < 1000);
		units++;
		for (uint64_t k = i % 8; k < 8 && i < count; k++, i++) {
			seed = (first * 1000003 + i + 1) * UINT64_C(0x9e3779b97f4a7c15);
			image(i);
			if (only)
				break;
		}
		close_unit();
		i--;
		if (only)
			break;
	}
	print_message(
		"%llu requests to %llu units: %llu granted, %llu refused, %llu interrupts, %llu notices\n",
		(unsigned long long)total.requests, (unsigned long long)units,
		(unsigned long long)total.granted, (unsigned long long)total.faults,
		(unsigned long long)total.interrupts, (unsigned long long)total.notices);
	check_causes(only != NULL);
	viommu_vm_free(m.vm);
	free(m.ram);
	free(m.copy);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_random) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
