/* SPDX-License-Identifier: BSD-3-Clause */
/* guest_tables.c - builds a guest's tables. Fields are written here and nowhere read. */
#define _GNU_SOURCE
#include "guest_tables.h"

#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "cycle.h"

#define ADDRESS 0x000ffffffffff000U /* of any entry, bits 51:12 */
#define PRESENT ((uint64_t)1)

/* 9.8 second-stage entry */
#define SS_READ_WRITE ((uint64_t)3)

/* 9.7 first-stage entry: A and D are set already, a walk has nothing to write */
#define FS_TABLE ((uint64_t)0x27) /* P, R/W, U/S, A */
#define FS_PAGE	 ((uint64_t)0x67) /* and D */

/* RISC-V page table entry */
#define RISCV_TABLE ((uint64_t)0x01) /* V */
#define RISCV_PAGE  ((uint64_t)0xd7) /* V, R, W, U, A, D */

/* 9.4, 9.6 scalable-mode context entry and PASID table entry */
#define PASID_AW(levels) ((uint64_t)((levels)-2) << 2)
#define PGTT_FIRST	 ((uint64_t)1 << 6)
#define PGTT_SECOND	 ((uint64_t)2 << 6)
#define PGTT_NESTED	 ((uint64_t)3 << 6)

static void die(const char *what)
{
	perror(what);
	exit(1);
}

/* Address space only: the kernel gives a page when it is first touched. */
static uint8_t *reserve(uint64_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		die("mmap");
	return p;
}

void guest_init(struct guest *g, uint64_t high_size)
{
	g->low = reserve(GUEST_LOW_SIZE);
	/*
	 * Guest memory is usually backed by huge pages; without them the host's own walks are
	 * measured.
	 */
	(void)madvise(g->low, GUEST_LOW_SIZE, MADV_HUGEPAGE);
	g->high = reserve(high_size);
	g->high_size = high_size;
	g->used = GUEST_PAGE;
}

void guest_fini(struct guest *g)
{
	munmap(g->low, GUEST_LOW_SIZE);
	munmap(g->high, g->high_size);
}

uint64_t guest_alloc(struct guest *g, uint64_t size)
{
	uint64_t gpa = g->used;

	if (size > GUEST_LOW_SIZE - gpa) {
		fprintf(stderr, "guest_alloc: tables of more than %ju bytes\n",
			(uintmax_t)GUEST_LOW_SIZE);
		exit(1);
	}
	g->used = (gpa + size + GUEST_PAGE - 1) & ~(uint64_t)(GUEST_PAGE - 1);
	return gpa;
}

static uint64_t get(const uint64_t *entry)
{
	return le64toh(*entry);
}

static void set(uint64_t *entry, uint64_t value)
{
	*entry = htole64(value);
}

/* The table that an entry points to; makes one if there is none. */
static uint64_t *shifted_table_of(struct guest *g, uint64_t *entry, uint64_t bits, unsigned shift)
{
	if (!get(entry))
		set(entry, guest_alloc(g, GUEST_PAGE) >> shift | bits);
	return guest_at(g, get(entry) << shift & ADDRESS);
}

static uint64_t *table_of(struct guest *g, uint64_t *entry, uint64_t bits)
{
	return shifted_table_of(g, entry, bits, 0);
}

/* --- page tables --- */

void guest_first_stage(struct guest *g, struct guest_paging *p, unsigned levels)
{
	*p = (struct guest_paging){ guest_alloc(g, GUEST_PAGE), levels, FS_TABLE, FS_PAGE, 0 };
}

void guest_second_stage(struct guest *g, struct guest_paging *p, unsigned levels)
{
	*p = (struct guest_paging){ guest_alloc(g, GUEST_PAGE), levels, SS_READ_WRITE,
				    SS_READ_WRITE, 0 };
}

void guest_riscv(struct guest *g, struct guest_paging *p, unsigned levels)
{
	*p = (struct guest_paging){ guest_alloc(g, GUEST_PAGE), levels, RISCV_TABLE, RISCV_PAGE,
				    2 };
}

uint64_t *guest_entry(struct guest *g, const struct guest_paging *p, uint64_t iova, unsigned level)
{
	uint64_t *table = guest_at(g, p->root);

	for (unsigned l = p->levels - 1;; l--) {
		uint64_t *entry = &table[iova >> (12 + 9 * l) & 511];

		if (l == level)
			return entry;
		table = shifted_table_of(g, entry, p->table_bits, p->shift);
	}
}

void guest_map(struct guest *g, const struct guest_paging *p, uint64_t iova, uint64_t gpa)
{
	set(guest_entry(g, p, iova, 0), gpa >> p->shift | p->page_bits);
}

/* --- root and context tables --- */

void guest_legacy_device(struct guest *g, uint64_t root, uint16_t rid, uint16_t did,
			 const struct guest_paging *ss)
{
	uint64_t *root_entry = guest_at(g, root + (uint64_t)(rid >> 8) * 16);
	uint64_t *context = table_of(g, root_entry, PRESENT) + (rid & 0xff) * 2;

	set(&context[0], ss->root | PRESENT);
	set(&context[1], (uint64_t)did << 8 | (ss->levels - 2));
}

/* A directory of 128 entries (PDTS 0) and a table of 64; RID_PASID is 0. */
static uint64_t *pasid_entry_0(struct guest *g, uint64_t root, uint16_t rid)
{
	unsigned half = rid >> 7 & 1;
	uint64_t *root_entry = guest_at(g, root + (uint64_t)(rid >> 8) * 16 + half * 8U);
	uint64_t *context = table_of(g, root_entry, PRESENT) + (rid & 0x7f) * 4;
	uint64_t *directory = table_of(g, context, PRESENT);

	return table_of(g, directory, PRESENT);
}

void guest_scalable_device(struct guest *g, uint64_t root, uint16_t rid, uint16_t did,
			   const struct guest_paging *fs, const struct guest_paging *ss)
{
	uint64_t *entry = pasid_entry_0(g, root, rid);
	uint64_t type = fs && ss ? PGTT_NESTED : fs ? PGTT_FIRST : PGTT_SECOND;

	set(&entry[0], PRESENT | type | (ss ? PASID_AW(ss->levels) | ss->root : 0));
	set(&entry[1], did);
	set(&entry[2], fs ? (uint64_t)(fs->levels - 4) << 2 | fs->root : 0);
}

/* --- pages to walk --- */

void guest_pages_init(struct guest_pages *pages, struct guest *g, const struct guest_paging *p,
		      uint64_t n, uint64_t base, uint64_t stride)
{
	uint32_t *next = malloc(n * sizeof(*next));
	uint32_t page = 0;

	*pages = (struct guest_pages){ n, base, stride, malloc(n * sizeof(*pages->iova)) };
	if (!next || !pages->iova)
		die("guest_pages_init");
	cycle_fill(next, (uint32_t)n);
	for (uint64_t i = 0; i < n; i++)
		guest_map(g, p, base + i * stride, GUEST_HIGH + (uint64_t)next[i] * GUEST_PAGE);
	for (uint64_t i = 0; i < n; i++, page = next[page])
		pages->iova[i] = base + page * stride;
	free(next);
}

void guest_pages_fini(struct guest_pages *pages)
{
	free(pages->iova);
}
