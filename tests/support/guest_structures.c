/* SPDX-License-Identifier: BSD-3-Clause */
/* guest_structures.c - root, context, PASID and page tables in a test guest's memory (9.1 to 9.8). */
#include "guest_internal.h"

#define POINTER BITS(63, 12)

uint64_t guest_table(struct guest *g)
{
	return guest_alloc(g, 1);
}

/* The table that the word at gpa points to; makes one of @pages, with @bits in the word. */
static uint64_t follow(struct guest *g, uint64_t gpa, unsigned pages, uint64_t bits)
{
	if (!guest_get64(g, gpa))
		guest_put64(g, gpa, guest_alloc(g, pages) | bits);
	return guest_get64(g, gpa) & BITS(51, 12);
}

/* ---- page tables ---- */

uint64_t guest_entry(struct guest *g, uint64_t root, unsigned levels, uint64_t iova, unsigned level,
		     uint64_t table)
{
	for (unsigned l = levels - 1;; l--) {
		uint64_t entry = root + (iova >> (12 + 9 * l) & 511) * 8;

		if (l == level)
			return entry;
		root = follow(g, entry, 1, table);
	}
}

static void map(struct guest *g, uint64_t entry, uint64_t gpa, unsigned lg2, uint64_t bits)
{
	guest_put64(g, entry, gpa | bits | (lg2 > 12 ? GUEST_LARGE : 0));
}

void guest_ss_map(struct guest *g, uint64_t root, unsigned levels, uint64_t iova, uint64_t gpa,
		  unsigned lg2, uint64_t bits)
{
	map(g, guest_entry(g, root, levels, iova, (lg2 - 12) / 9, GUEST_RW), gpa, lg2, bits);
}

void guest_fs_map(struct guest *g, uint64_t root, unsigned levels, uint64_t iova, uint64_t gpa,
		  unsigned lg2, uint64_t bits)
{
	map(g, guest_entry(g, root, levels, iova, (lg2 - 12) / 9, GUEST_FS), gpa, lg2, bits);
}

/* ---- root, context, PASID ---- */

static uint64_t root_table(struct guest *g)
{
	if (!g->root)
		g->root = guest_alloc(g, 1);
	return g->root;
}

uint64_t guest_legacy_entry(struct guest *g, uint16_t rid)
{
	uint64_t entry = root_table(g) + (rid >> 8) * 16U;

	return follow(g, entry, 1, VTD_RE_P) + (rid & 0xff) * 16U;
}

uint64_t guest_scalable_entry(struct guest *g, uint16_t rid)
{
	uint64_t half = root_table(g) + (rid >> 8) * 16U + (rid & 0x80 ? 8 : 0);

	return follow(g, half, 1, VTD_RE_P) + (rid & 0x7f) * 32U;
}

uint64_t guest_pasid_entry(struct guest *g, uint16_t rid, uint32_t pasid)
{
	uint64_t bits = VTD_SCE_P | VTD_SCE_PDTS | (g->ecap & VTD_ECAP_PASID ? VTD_SCE_PASIDE : 0) |
			(g->ecap & VTD_ECAP_DT ? VTD_SCE_DTE : 0) |
			(g->ecap & VTD_ECAP_PRS ? VTD_SCE_PRE : 0);
	/* 128 << 7 entries of 8 bytes */
	uint64_t directory = follow(g, guest_scalable_entry(g, rid), 32, bits);

	return follow(g, directory + (pasid >> 6) * 8, 1, VTD_PDE_P) + (pasid & 63) * 64;
}

void guest_legacy_tt(struct guest *g, uint16_t rid, uint16_t did, uint64_t ss, unsigned levels,
		     unsigned tt)
{
	uint64_t entry = guest_legacy_entry(g, rid);

	guest_put64(g, entry + 8, bits_put(VTD_CE_AW, levels - 2) | bits_put(VTD_CE_DID, did));
	guest_put64(g, entry, VTD_CE_P | bits_put(VTD_CE_TT, tt) | (ss & POINTER));
}

void guest_legacy(struct guest *g, uint16_t rid, uint16_t did, uint64_t ss, unsigned levels)
{
	guest_legacy_tt(g, rid, did, ss, levels, VTD_TT_UNTRANSLATED);
}

void guest_pasid(struct guest *g, uint16_t rid, uint32_t pasid, const struct guest_pasid *p)
{
	uint64_t entry = guest_pasid_entry(g, rid, pasid);
	bool first = p->pgtt == VTD_PGTT_FIRST || p->pgtt == VTD_PGTT_NESTED;
	bool second = p->pgtt == VTD_PGTT_SECOND || p->pgtt == VTD_PGTT_NESTED;
	uint64_t snoop = g->ecap & VTD_ECAP_SMPWCS ? VTD_PE_PWSNP : 0;

	guest_put64(g, entry + 16,
		    p->extra2 | (first ? p->fs | bits_put(VTD_PE_FSPM, p->fs_levels - 4) : 0));
	guest_put64(g, entry + 8, bits_put(VTD_PE_DID, p->did) | snoop);
	guest_put64(g, entry,
		    VTD_PE_P | bits_put(VTD_PE_PGTT, p->pgtt) | p->extra0 |
			    (second ? p->ss | bits_put(VTD_PE_AW, p->ss_levels - 2) : 0));
}
