/* SPDX-License-Identifier: BSD-3-Clause */
/* vu_vtd.c - a guest's VT-d driver: tables in guest memory, queued invalidation, fault records.
 * Clauses are of the VT-d specification 4.1. */
#define _GNU_SOURCE
#include <libvirtiommu/vtd.h>

#include <endian.h>
#include <stdlib.h>

#include "vu_engine.h"

/* 11.4 registers, by offset */
#define REG_GCMD   0x018U
#define REG_RTADDR 0x020U
#define REG_FSTS   0x034U
#define REG_IQT	   0x088U
#define REG_IQA	   0x090U
#define REG_FRCD   0x220U /* where the default capability has it */

#define FAULT_RECORDS 8U

/* 11.4.4 global command */
#define GCMD_TE	  ((uint64_t)1 << 31)
#define GCMD_SRTP ((uint64_t)1 << 30)
#define GCMD_QIE  ((uint64_t)1 << 26)

/* 6.5.2 invalidation descriptors */
#define DESC_IOTLB_PAGE	 0x32U
#define DESC_WAIT_STATUS 0x25U

#define QUEUE_BYTES VU_PAGE /* 256 descriptors of 16 bytes */

#define DOMAIN 1U

/* 9.1, 9.3, 9.8 */
#define PRESENT	      ((uint64_t)1)
#define PAGE_SIZE_BIT ((uint64_t)1 << 7)
#define LEVELS	      4U
#define AW	      (LEVELS - 2)
#define ADDRESS	      0x000ffffffffff000U

#define LARGE ((uint64_t)2 << 20)

struct guest {
	uint64_t root; /* of the page tables */
	uint64_t queue;
	uint64_t status;
	uint32_t tail;
	uint32_t ticket;
};

static int write_register(struct vu_engine *e, uint64_t offset, uint32_t bytes, uint64_t value)
{
	return viommu_reg_write(e->iommu, offset, bytes, value);
}

/* ---- page tables ---- */

/* The engine may be walking: an entry is written at once. */
static void store(uint64_t *entry, uint64_t value)
{
	__atomic_store_n(entry, htole64(value), __ATOMIC_RELEASE);
}

static uint64_t *entry_of(struct vu_engine *e, uint64_t iova, unsigned level)
{
	struct guest *g = e->guest;
	uint64_t *table = ram_at(e->ram, g->root);

	for (unsigned l = LEVELS - 1;; l--) {
		uint64_t *entry = &table[iova >> (12 + 9 * l) & 511];

		if (l == level)
			return entry;
		if (!*entry)
			store(entry, ram_alloc(e->ram, VU_PAGE) | VIOMMU_READ | VIOMMU_WRITE);
		table = ram_at(e->ram, le64toh(*entry) & ADDRESS);
	}
}

static bool fits_large(uint64_t iova, uint64_t gpa, uint64_t bytes)
{
	return !((iova | gpa) & (LARGE - 1)) && bytes >= LARGE;
}

static bool map(struct vu_engine *e, uint64_t iova, uint64_t gpa, uint64_t bytes, uint32_t perm)
{
	uint64_t start = engine_now();

	while (bytes) {
		bool large = fits_large(iova, gpa, bytes);
		uint64_t step = large ? LARGE : VU_PAGE;

		store(entry_of(e, iova, large), gpa | perm | (large ? PAGE_SIZE_BIT : 0));
		iova += step;
		gpa += step;
		bytes -= step;
	}
	e->work.table += engine_now() - start;
	return true;
}

static void unmap(struct vu_engine *e, uint64_t iova, uint64_t bytes)
{
	uint64_t start = engine_now();

	for (uint64_t done = 0; done < bytes; done += VU_PAGE)
		store(entry_of(e, iova + done, 0), 0);
	e->work.table += engine_now() - start;
}

/* ---- invalidation ---- */

static void put(struct vu_engine *e, uint64_t low, uint64_t high)
{
	struct guest *g = e->guest;
	uint64_t *desc = ram_at(e->ram, g->queue + g->tail);

	desc[0] = htole64(low);
	desc[1] = htole64(high);
	g->tail = (g->tail + 16) % QUEUE_BYTES;
}

static int flush(struct vu_engine *e, uint64_t iova, uint64_t bytes)
{
	struct guest *g = e->guest;
	unsigned mask = (unsigned)__builtin_ctzll(bytes / VU_PAGE);
	uint64_t start = engine_now(), between, sending = e->work.message;
	int r;

	put(e, DESC_IOTLB_PAGE | DOMAIN << 16, iova | mask);
	put(e, DESC_WAIT_STATUS | (uint64_t)++g->ticket << 32, g->status);
	between = engine_now();
	e->work.table += between - start;
	r = write_register(e, REG_IQT, 8, g->tail);
	e->work.invalidation += engine_now() - between - (e->work.message - sending);
	return r;
}

static bool flushed(const struct vu_engine *e)
{
	const struct guest *g = e->guest;
	const uint32_t *status = ram_at(e->ram, g->status);

	return le32toh(__atomic_load_n(status, __ATOMIC_ACQUIRE)) == g->ticket;
}

/* ---- faults ---- */

/* 11.4.14: F is in bit 127, the reason in 103:96, the requester in 79:64, the page in 63:12. */
static bool take_fault(struct vu_engine *e, struct vu_fault *fault)
{
	for (unsigned i = 0; i < FAULT_RECORDS; i++) {
		uint64_t low, high;

		viommu_reg_read(e->iommu, REG_FRCD + 16 * i + 8, 8, &high);
		if (!(high >> 63))
			continue;
		viommu_reg_read(e->iommu, REG_FRCD + 16 * i, 8, &low);
		*fault = (struct vu_fault){ low & ~(uint64_t)0xfff, high & 0xffff,
					    high >> 32 & 0xff };
		write_register(e, REG_FRCD + 16 * i + 8, 8, (uint64_t)1 << 63);
		return true;
	}
	/* No record is left: what did not fit in one is forgotten, too (PFO). */
	write_register(e, REG_FSTS, 4, 1);
	return false;
}

/* ---- life ---- */

static uint64_t build_tables(struct vu_engine *e)
{
	struct guest *g = e->guest;
	uint64_t root = ram_alloc(e->ram, VU_PAGE);
	uint64_t contexts = ram_alloc(e->ram, VU_PAGE);
	uint64_t *root_entry = ram_at(e->ram, root + 16 * (ENGINE_NIC >> 8));
	uint64_t *context = ram_at(e->ram, contexts + 16 * (ENGINE_NIC & 0xff));

	g->root = ram_alloc(e->ram, VU_PAGE);
	g->queue = ram_alloc(e->ram, QUEUE_BYTES);
	g->status = ram_alloc(e->ram, VU_PAGE);
	store(&context[1], DOMAIN << 8 | AW);
	store(&context[0], g->root | PRESENT);
	store(root_entry, contexts | PRESENT);
	return root;
}

static bool open_vtd(struct vu_engine *e)
{
	struct viommu_limits limits = { .size = sizeof(limits), .tlb_entries = ENGINE_TLB };
	struct viommu_vtd_config config = { .size = sizeof(config), .limits = &limits };
	uint64_t root;

	e->guest = calloc(1, sizeof(struct guest));
	if (!e->guest || viommu_vtd_new(e->vm, &config, &e->iommu))
		return false;
	root = build_tables(e);
	return !write_register(e, REG_RTADDR, 8, root) &&
	       !write_register(e, REG_GCMD, 4, GCMD_SRTP) && !write_register(e, REG_IQT, 8, 0) &&
	       !write_register(e, REG_IQA, 8, ((struct guest *)e->guest)->queue) &&
	       !write_register(e, REG_GCMD, 4, GCMD_QIE) &&
	       !write_register(e, REG_GCMD, 4, GCMD_QIE | GCMD_TE);
}

static void close_vtd(struct vu_engine *e)
{
	free(e->guest);
}

const struct vu_engine_type engine_vtd = {
	.name = "vtd",
	.open = open_vtd,
	.close = close_vtd,
	.map = map,
	.unmap = unmap,
	.flush = flush,
	.flushed = flushed,
	.take_fault = take_fault,
};
