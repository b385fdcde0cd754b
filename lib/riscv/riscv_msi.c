/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * riscv_msi.c - virtual interrupt files: MSI page tables (2.3.3) and memory-resident interrupt files (Advanced Interrupt
 * Architecture, "IOMMU Support for MSIs").
 */

#include <libvirtiommu/irq.h>

#include "mem.h"
#include "riscv_engine.h"

/* Pages of the guest's that differ from the pattern where the mask does not say that they may. */
static uint64_t differs(const struct context *c, uint64_t gpa)
{
	const struct riscv_files files = riscv_files_of(&c->key);

	/* A second stage has no more bits; with Sv32 none of them is above 34. */
	return ((gpa >> 12) ^ files.pattern) & ~files.mask & RISCV_MSI_PAGES;
}

bool riscv_is_file(const struct context *c, uint64_t gpa)
{
	return differs(c, gpa) == 0;
}

/* A block has a file unless one of its own upper bits differs: up to the highest that does, it has none. */
void riscv_avoid_files(const struct context *c, struct translation *block, uint64_t gpa,
		       uint64_t iova)
{
	uint64_t bits = differs(c, gpa);

	if (bits)
		translation_shrink(block, iova, 12U + 63U - (unsigned)__builtin_clzll(bits));
}

/* Number of a file: the bits under the mask, packed. */
static uint64_t file_number(uint64_t page, uint64_t mask)
{
	uint64_t number = 0;

	/* at most 52 rounds */
	for (unsigned n = 0; mask; mask &= mask - 1, n++)
		number |= (page >> __builtin_ctzll(mask) & 1) << n;
	return number;
}

static bool fetch(struct riscv *v, struct riscv_second *s, uint64_t raw[2])
{
	const struct riscv_files files = riscv_files_of(&s->context->key);
	uint64_t at = (s->context->flags & RISCV_CONTEXT_MSI) |
		      file_number(s->gpa >> 12, files.mask) * 16;
	bool ok = !riscv_beyond(v, at) && mem_load_near(v->unit.vm, s->place, at, raw, 2);

	for (unsigned i = 0; ok && (riscv_fctl(v) & RISCV_FCTL_BE) && i < 2; i++)
		raw[i] = __builtin_bswap64(raw[i]);
	riscv_saw(s->query, "MSI page table entry", at, raw, ok ? 2 : 0);
	return ok;
}

static enum riscv_end refuse(struct riscv_second *s, unsigned cause)
{
	s->cause = cause;
	s->iotval2 = 0;
	return RISCV_REFUSED;
}

/* 2.3.3, step 10; AIA: what the entry may say. */
static bool misconfigured(const struct riscv *v, const uint64_t raw[2])
{
	if (raw[0] & RISCV_MSIPTE_C) /* custom: there is none */
		return true;
	switch (bits_get(raw[0], RISCV_MSIPTE_M)) {
	case RISCV_MSIPTE_M_BASIC:
		return raw[0] & RISCV_MSIPTE_RSVD;
	case RISCV_MSIPTE_M_MRIF:
		return !(v->cap & RISCV_CAP_MSI_MRIF) || (raw[0] & RISCV_MSIPTE_MRIF_RSVD) ||
		       (raw[1] & RISCV_MSIPTE_RSVD_HI);
	default:
		return true;
	}
}

enum riscv_end riscv_msi_page(struct riscv *v, struct riscv_second *s)
{
	uint64_t page = s->gpa & ~bits_low(12);
	uint64_t raw[2];

	s->file = true;
	if (!fetch(v, s, raw))
		return refuse(s, RISCV_FAULT_MSI_ACCESS);
	if (!(raw[0] & RISCV_MSIPTE_V))
		return refuse(s, RISCV_FAULT_MSI_INVALID);
	if (misconfigured(v, raw))
		return refuse(s, RISCV_FAULT_MSI_CONFIG);
	if ((s->query->access & VIOMMU_EXEC) && s->query->type != VIOMMU_AT_TRANSLATION)
		return refuse(s, RISCV_FAULT_ACCESS_EXEC);
	s->found = (struct translation){ .iova = page,
					 .gpa = bits_get(raw[0], RISCV_MSIPTE_PPN) << 12,
					 .size_lg2 = 12,
					 .leaf_lg2 = 12 };
	s->found.perm = (uint8_t)(PERM_DIRTY | VIOMMU_READ | VIOMMU_WRITE |
				  (VIOMMU_READ | VIOMMU_WRITE) << 3);
	if (bits_get(raw[0], RISCV_MSIPTE_M) == RISCV_MSIPTE_M_BASIC)
		return RISCV_THERE;
	s->found.iova = bits_get(raw[0], RISCV_MSIPTE_MRIF) << 9;
	s->found.gpa = bits_get(raw[1], RISCV_MSIPTE_NPPN) << 12 |
		       bits_get(raw[1], RISCV_MSIPTE_NID) |
		       (raw[1] & RISCV_MSIPTE_NID10 ? BIT(10) : 0);
	return RISCV_MRIF;
}

/* ---- what a write to a file does (AIA) ---- */

#define MRIF_IDENTITIES 2048U

/* Sets the bit of an identity. False: the file cannot be accessed. */
static bool set_pending(struct riscv *v, uint64_t file, uint32_t identity)
{
	uint64_t at = file + identity / 64 * 16;
	uint64_t bit = BIT(identity % 64);
	uint64_t word;

	if (riscv_beyond(v, at) || !mem_load64(v->unit.vm, at, &word))
		return false;
	for (unsigned i = 0; i < PT_TRIES; i++) {
		enum mem_swap swapped = MEM_SWAPPED;

		if (!(word & bit))
			swapped = mem_swap64(v->unit.vm, at, &word, word | bit);
		if (swapped != MEM_CHANGED)
			return swapped == MEM_SWAPPED;
	}
	return false;
}

/* Whether the file has a register there for what is written: others are accepted, and do nothing. At +4 data is big-endian,
 * which only those have that can be. */
static bool identity_of(const struct riscv *v, uint64_t offset, uint32_t data, uint32_t *identity)
{
	if (offset > 4 || (offset == 4 && !(v->cap & RISCV_CAP_END)))
		return false;
	*identity = offset ? __builtin_bswap32(data) : data;
	return *identity < MRIF_IDENTITIES;
}

int riscv_interrupt(struct viommu *u, struct query *q, uint32_t data, bool resolve,
		    struct viommu_msi *msi)
{
	struct riscv *v = riscv_of(u);
	uint32_t identity;

	*msi = (struct viommu_msi){ .address = q->found.gpa & ~bits_low(12),
				    .data = (uint32_t)(q->found.gpa & bits_low(11)),
				    .index = UINT32_MAX,
				    .kind = VIOMMU_MSI_KIND_NOTICE,
				    .flags = VIOMMU_MSI_POSTED };
	if (resolve || !identity_of(v, q->iova & bits_low(12), data, &identity))
		return VIOMMU_OK;
	if (!set_pending(v, q->found.iova, identity)) {
		riscv_fault(v, q, RISCV_FAULT_MRIF, 0);
		*msi = (struct viommu_msi){ .index = UINT32_MAX, .reason = q->reason };
		return VIOMMU_FAULT;
	}
	msi->flags |= VIOMMU_MSI_NOTIFY;
	return VIOMMU_OK;
}
