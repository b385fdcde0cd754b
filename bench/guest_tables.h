/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * guest_tables.h - a guest's memory with VT-d tables in it, and the pages that a benchmark walks.
 *
 *	gpa 0 .. GUEST_LOW_SIZE		RAM, holds the tables, in the order they were allocated
 *	gpa GUEST_HIGH ..		RAM, the pages that DMA goes to; its memory is never touched
 *
 * Whatever cannot be allocated ends the program: a benchmark has nothing better to do.
 */
#ifndef BENCH_GUEST_TABLES_H
#define BENCH_GUEST_TABLES_H

#include <stdint.h>

#define GUEST_PAGE     0x1000U
#define GUEST_LOW_SIZE ((uint64_t)256 << 20)
#define GUEST_HIGH     ((uint64_t)4 << 30) /* above the interrupt window at 0xfee00000 */

struct guest {
	uint8_t *low;
	uint8_t *high;
	uint64_t high_size;
	uint64_t used; /* end of the last table */
};

void guest_init(struct guest *g, uint64_t high_size);
void guest_fini(struct guest *g);

/* `size` bytes of zeroed tables, page aligned. Never 0. */
uint64_t guest_alloc(struct guest *g, uint64_t size);

static inline void *guest_at(const struct guest *g, uint64_t gpa)
{
	return g->low + gpa;
}

/* --- page tables (VT-d 9.7 first stage, 9.8 second stage; RISC-V): 4 KiB pages, all permissions --- */

struct guest_paging {
	uint64_t root;
	unsigned levels;
	uint64_t table_bits;
	uint64_t page_bits;
	unsigned shift; /* by which addresses are shifted down in entries: 2 with RISC-V */
};

void guest_first_stage(struct guest *g, struct guest_paging *p, unsigned levels);
void guest_second_stage(struct guest *g, struct guest_paging *p, unsigned levels);
/* RISC-V: Sv39, Sv48 or Sv57, accessed and dirty set. */
void guest_riscv(struct guest *g, struct guest_paging *p, unsigned levels);
void guest_map(struct guest *g, const struct guest_paging *p, uint64_t iova, uint64_t gpa);

/*
 * The entry for `iova` in the table of `level`, 0 being the one that holds pages; makes the
 * tables above.
 */
uint64_t *guest_entry(struct guest *g, const struct guest_paging *p, uint64_t iova, unsigned level);

/* --- root and context tables --- */

/* Legacy mode (9.1, 9.3): TT = 0, multi-level second stage for untranslated requests. */
void guest_legacy_device(struct guest *g, uint64_t root, uint16_t rid, uint16_t did,
			 const struct guest_paging *ss);

/*
 * Scalable mode (9.2, 9.4 - 9.6): requests without PASID use PASID 0, whose entry says first stage,
 * second stage or, with both, nested.
 */
void guest_scalable_device(struct guest *g, uint64_t root, uint16_t rid, uint16_t did,
			   const struct guest_paging *fs, const struct guest_paging *ss);

/* --- pages to walk --- */

/*
 * n pages at base, base + stride, ... A page is mapped to the one in high memory whose number is
 * that of the next page to visit, in a random cycle over all of them; so a walk that depends on
 * the last answer and one that reads iova[] visit the same pages in the same order.
 */
struct guest_pages {
	uint64_t n;
	uint64_t base;
	uint64_t stride;
	uint64_t *iova;
};

#define GUEST_IOVA ((uint64_t)1 << 32)

/* Pages of the figures called "hit": a few buffers and rings, fewer than any cache holds. */
#define GUEST_HOT 32U

/*
 * Of the pages of the figures called "invalidate/domain" the first ones belong to a domain each,
 * which is used and flushed again and again; all others to one more domain, and they stay cached
 * meanwhile.
 */
#define GUEST_DOMAINS 64U

/*
 * Strides that give each of 512 pages a table of its own on the lower levels, and entries all
 * over those tables, so that a walk shares little with the one before: 39-bit and 47-bit
 * (canonical) input addresses. The about 1600 entries, each in a line of its own, are too many
 * for an L1 cache.
 */
#define GUEST_SCATTERED	  512U
#define GUEST_SCATTERED_3 (((uint64_t)1 << 29) + ((uint64_t)101 << 21) + ((uint64_t)211 << 12))
#define GUEST_SCATTERED_4                                                                          \
	(((uint64_t)1 << 37) + ((uint64_t)57 << 30) + ((uint64_t)173 << 21) + ((uint64_t)211 << 12))

void guest_pages_init(struct guest_pages *pages, struct guest *g, const struct guest_paging *p,
		      uint64_t n, uint64_t base, uint64_t stride);
void guest_pages_fini(struct guest_pages *pages);

/* From a page's answer to the next page. */
static inline uint64_t guest_pages_next(const struct guest_pages *pages, uint64_t gpa)
{
	return pages->base + (gpa - GUEST_HIGH) / GUEST_PAGE * pages->stride;
}

#endif
