/* SPDX-License-Identifier: BSD-3-Clause */
/* fault_world.c - the unit, tables and operations of fault_world.h. */
#include "fault_world.h"

#include "check.h"

#include <string.h>

/* ---- tables ---- */

/* An identity map of all RAM, in 4 KiB pages. */
static uint64_t second_stage(struct fault_world *w)
{
	struct guest *g = &w->g;
	uint64_t root;

	w->stage2 = g->used;
	root = guest_table(g);
	for (uint64_t at = GUEST_BASE; at < GUEST_BASE + g->bytes; at += GUEST_PAGE)
		guest_ss_map(g, root, 4, at, at, 12, GUEST_RW);
	w->stage2_end = g->used;
	return root;
}

static void scalable_tables(struct fault_world *w, enum tables tables)
{
	struct guest_pasid p = { .did = 9, .fs_levels = 4, .ss_levels = 4 };

	p.pgtt = tables == SECOND  ? VTD_PGTT_SECOND
		 : tables == FIRST ? VTD_PGTT_FIRST
				   : VTD_PGTT_NESTED;
	if (tables == SECOND) {
		p.ss = guest_table(&w->g);
		guest_ss_map(&w->g, p.ss, 4, IOVA, w->page, 12, GUEST_RW);
	} else {
		p.fs = guest_table(&w->g);
		guest_fs_map(&w->g, p.fs, 4, IOVA, w->page, 12, GUEST_FS);
		p.extra2 = VTD_PE_EAFE;
	}
	if (tables == NESTED)
		p.ss = second_stage(w);
	if (tables != FIRST)
		p.extra0 = VTD_PE_SSADE;
	guest_pasid(&w->g, RID, 0, &p);
	guest_pasid(&w->g, RID, PASID, &p);
}

static void interrupts(struct fault_world *w)
{
	uint64_t table = guest_interrupts_on(&w->g, 3, true);

	w->posted = guest_alloc(&w->g, 1);
	guest_put64(&w->g, table + 16,
		    VTD_IRTE_P | VTD_IRTE_IM | bits_put(VTD_IRTE_V, 0x31) |
			    bits_put(VTD_PIRTE_PDA_LO, w->posted >> 6));
	guest_put64(&w->g, w->posted + 32, bits_put(VTD_PID_NV, 0x41));
	guest_put64(&w->g, table + 32, VTD_IRTE_P | bits_put(VTD_IRTE_V, 0x51));
}

void fault_world_init(struct fault_world *w, enum guest_memory memory, enum tables tables)
{
	struct guest *g = &w->g;

	memset(w, 0, sizeof(*w));
	guest_init(g, memory, 160);
	guest_vtd(g, GUEST_CAP_SCALABLE, GUEST_ECAP_SCALABLE);
	w->page = guest_alloc(g, 1);
	if (tables == LEGACY) {
		uint64_t ss = guest_table(g);

		guest_ss_map(g, ss, 4, IOVA, w->page, 12, GUEST_RW);
		guest_legacy_tt(g, RID, 9, ss, 4, VTD_TT_DEVICE_TLB);
	} else {
		scalable_tables(w, tables);
	}
	guest_events(g);
	guest_page_queue_on(g, 0);
	guest_start(g, tables == LEGACY ? VTD_TTM_LEGACY : VTD_TTM_SCALABLE);
	interrupts(w);
	w->device = guest_device(g, RID);
	memset(g->count, 0, sizeof(g->count));
}

void fault_world_fini(struct fault_world *w)
{
	guest_fini(&w->g);
}

/* ---- operations ---- */

static struct outcome from_dma(struct guest_dma d)
{
	return (struct outcome){ .result = d.result,
				 .reason = d.answer.reason,
				 .ats = d.answer.ats,
				 .gpa = d.f.gpa,
				 .perm = d.f.perm };
}

static struct outcome dma_write(struct fault_world *w)
{
	return from_dma(guest_dma(w->device, IOVA + 8, VIOMMU_WRITE));
}

static struct outcome dma_read(struct fault_world *w)
{
	return from_dma(guest_dma(w->device, IOVA + 8, VIOMMU_READ));
}

static struct outcome dma_pasid(struct fault_world *w)
{
	return from_dma(guest_dma_pasid(w->device, PASID, IOVA + 8, VIOMMU_WRITE));
}

static struct outcome bytes_read(struct fault_world *w)
{
	uint64_t word = 0;
	int result = viommu_device_dma_read(w->device, VIOMMU_NO_PASID, IOVA + 4, &word,
					    sizeof(word), 0, NULL);

	return (struct outcome){ .result = result, .gpa = result ? 0 : word };
}

static struct outcome bytes_written(struct fault_world *w)
{
	static const unsigned char bytes[100] = { 1 };

	return (struct outcome){ .result = viommu_device_dma_write(w->device, VIOMMU_NO_PASID,
								   IOVA + 40, bytes, sizeof(bytes),
								   0, NULL) };
}

static struct outcome word_swapped(struct fault_world *w)
{
	uint64_t word = 7; /* it is 0: the same again */

	return (struct outcome){ .result = viommu_device_dma_cmpxchg(w->device, VIOMMU_NO_PASID,
								     IOVA + 16, 8, 0, &word, 9) };
}

static struct outcome translation_request(struct fault_world *w)
{
	return from_dma(guest_ats(w->device, VIOMMU_NO_PASID, IOVA, VIOMMU_WRITE));
}

static struct outcome translation_request_pasid(struct fault_world *w)
{
	return from_dma(guest_ats(w->device, PASID, IOVA, VIOMMU_WRITE));
}

static struct outcome interrupt(struct fault_world *w, unsigned index)
{
	struct viommu_msi msi;
	int result = viommu_remap_msi(w->g.iommu, RID, 0xfee00010 | index << 5, 0, 0, &msi);

	return (struct outcome){ .result = result,
				 .reason = msi.reason,
				 .gpa = result ? 0 : msi.vector,
				 .perm = msi.flags };
}

static struct outcome posted(struct fault_world *w)
{
	return interrupt(w, 1);
}

static struct outcome remapped(struct fault_world *w)
{
	return interrupt(w, 2);
}

/* Paths on which an access may fail (7.1.3). */
#define STRUCTURES VTD_FR_SROOT_FETCH, VTD_FR_SCONTEXT_FETCH, VTD_FR_PDE_FETCH, VTD_FR_PE_FETCH
#define LEGACY_PATH                                                                                \
	{                                                                                          \
		VTD_FR_ROOT_FETCH, VTD_FR_CONTEXT_FETCH, VTD_FR_CONTEXT_INVALID, VTD_FR_SS_FETCH   \
	}
#define SECOND_PATH                                                                                \
	{                                                                                          \
		STRUCTURES, VTD_FR_SSS_ROOT_FETCH, VTD_FR_SSS_FETCH, VTD_FR_SSS_UPDATE             \
	}
#define FIRST_PATH                                                                                 \
	{                                                                                          \
		STRUCTURES, VTD_FR_FS_ROOT_FETCH, VTD_FR_FS_FETCH, VTD_FR_FS_UPDATE                \
	}
#define NESTED_PATH                                                                                \
	{                                                                                          \
		STRUCTURES, VTD_FR_FS_ROOT_FETCH, VTD_FR_FS_FETCH, VTD_FR_FS_UPDATE,               \
			VTD_FR_SSS_ROOT_FETCH, VTD_FR_SSS_FETCH, VTD_FR_SSS_UPDATE                 \
	}

const struct operation operations[] = {
	{ "legacy, read", LEGACY, dma_read, false, LEGACY_PATH },
	{ "legacy, write", LEGACY, dma_write, false, LEGACY_PATH },
	{ "legacy, translation request", LEGACY, translation_request, false, LEGACY_PATH },
	{ "second stage, read", SECOND, dma_read, false, SECOND_PATH },
	{ "second stage, write", SECOND, dma_write, false, SECOND_PATH },
	{ "second stage, PASID", SECOND, dma_pasid, false, SECOND_PATH },
	{ "first stage, read", FIRST, dma_read, false, FIRST_PATH },
	{ "first stage, write", FIRST, dma_write, false, FIRST_PATH },
	{ "first stage, PASID", FIRST, dma_pasid, false, FIRST_PATH },
	{ "first stage, translation request", FIRST, translation_request_pasid, false, FIRST_PATH },
	{ "nested, read", NESTED, dma_read, false, NESTED_PATH },
	{ "nested, write", NESTED, dma_write, false, NESTED_PATH },
	{ "nested, PASID", NESTED, dma_pasid, false, NESTED_PATH },
	{ "nested, translation request", NESTED, translation_request_pasid, false, NESTED_PATH },
	{ "legacy, bytes from memory", LEGACY, bytes_read, true, LEGACY_PATH },
	{ "first stage, bytes from memory", FIRST, bytes_read, true, FIRST_PATH },
	{ "legacy, bytes to memory", LEGACY, bytes_written, true, LEGACY_PATH },
	{ "nested, bytes to memory", NESTED, bytes_written, true, NESTED_PATH },
	{ "second stage, compare-and-swap", SECOND, word_swapped, true, SECOND_PATH },
	{ "remapped interrupt", LEGACY, remapped, false, { VTD_FR_IR_FETCH } },
	{ "posted interrupt", LEGACY, posted, false, { VTD_FR_IR_FETCH, VTD_FR_IR_PID_FETCH } },
};

const unsigned operation_count = sizeof(operations) / sizeof(operations[0]);

/* ---- the queue ---- */

void fault_world_queue(struct fault_world *w)
{
	struct guest *g = &w->g;

	guest_submit(g, GUEST_CC(VTD_GRAN_LOCAL, 9, RID, 0), 0, 0, 0);
	guest_submit(g, GUEST_IOTLB(VTD_GRAN_LOCAL, 9), IOVA | 2, 0, 0);
	guest_submit(g, GUEST_IOTLB(VTD_GRAN_DOMAIN, 9), 0, 0, 0);
	guest_submit(g, GUEST_DEVTLB(RID), IOVA, 0, 0);
	guest_submit(g, GUEST_IEC(1, 0), 0, 0, 0);
	guest_submit(g, VTD_QI_WAIT | VTD_QI_WAIT_IF, 0, 0, 0);
	if (g->ttm == VTD_TTM_SCALABLE) {
		guest_submit(g, GUEST_PIOTLB(VTD_PIOTLB_PAGES, 9, PASID), IOVA, 0, 0);
		guest_submit(g, GUEST_PIOTLB(VTD_PIOTLB_PASID, 9, PASID), 0, 0, 0);
		guest_submit(g, GUEST_PC(VTD_PC_PASID, 9, PASID), 0, 0, 0);
		guest_submit(g, GUEST_PDEVTLB(RID, PASID), IOVA, 0, 0);
		guest_submit(g, GUEST_PGRESP(RID, PASID, 0), VTD_QI_PGRESP_LPIG, 0, 0);
	}
	guest_submit_wait(g);
}
