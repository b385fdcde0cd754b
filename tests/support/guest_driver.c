/* SPDX-License-Identifier: BSD-3-Clause */
/* guest_driver.c - what a guest's driver does: registers, queue, faults; and what its devices do. */
#include <sched.h>
#include <time.h>

#include "guest_internal.h"

/* More calls of viommu_run() than any test needs; and how many of them come at once: then the processor is a device's that
 * is in a section, for as long as it takes on a busy machine. */
#define PATIENCE  10000U
#define IMPATIENT 256U

static void be_patient(unsigned tries)
{
	static const struct timespec pause = { .tv_nsec = 1000000 };

	if (tries >= IMPATIENT)
		nanosleep(&pause, NULL);
	else if (tries % 16 == 15)
		sched_yield();
}

/* ---- registers ---- */

static uint64_t reg_read(struct guest *g, uint64_t offset, uint32_t bytes)
{
	uint64_t value = 0;

	assert_int_equal(viommu_reg_read(g->iommu, offset, bytes, &value), VIOMMU_OK);
	return value;
}

static int reg_write(struct guest *g, uint64_t offset, uint32_t bytes, uint64_t value)
{
	int result = viommu_reg_write(g->iommu, offset, bytes, value);

	if (result != VIOMMU_OK && result != VIOMMU_PENDING)
		fail_msg("write of register 0x%jx: %s", (uintmax_t)offset, viommu_strerror(result));
	return result;
}

uint32_t guest_read32(struct guest *g, uint64_t offset)
{
	return (uint32_t)reg_read(g, offset, 4);
}

uint64_t guest_read64(struct guest *g, uint64_t offset)
{
	return reg_read(g, offset, 8);
}

int guest_write32(struct guest *g, uint64_t offset, uint32_t value)
{
	return reg_write(g, offset, 4, value);
}

int guest_write64(struct guest *g, uint64_t offset, uint64_t value)
{
	return reg_write(g, offset, 8, value);
}

void guest_command(struct guest *g, uint64_t bit, bool on)
{
	const uint64_t lasting = VTD_G_TE | VTD_G_QIE | VTD_G_IRE | VTD_G_CFI;
	uint64_t state = guest_read32(g, VTD_GSTS) & lasting;

	guest_write32(g, VTD_GCMD, (uint32_t)(on ? state | bit : state & ~bit));
	for (unsigned i = 0; i < PATIENCE; i++) {
		if (!(guest_read32(g, VTD_GSTS) & bit) == !on)
			return;
		assert_true(viommu_run(g->iommu) >= 0);
		be_patient(i);
	}
	fail_msg("GSTS never shows 0x%jx", (uintmax_t)bit);
}

void guest_events(struct guest *g)
{
	static const uint32_t control[] = { VTD_FECTL, VTD_IECTL, VTD_PECTL };
	const uint64_t needs[] = { 0, VTD_ECAP_QI, VTD_ECAP_PRS };

	for (uint32_t i = 0; i < 3; i++) {
		if ((g->ecap & needs[i]) != needs[i])
			continue;
		guest_write32(g, control[i] + 4, 0x30 + i);
		guest_write32(g, control[i] + 8, 0xfee01000 + 0x1000 * i);
		guest_write32(g, control[i], 0);
	}
}

void guest_root(struct guest *g, unsigned ttm)
{
	if (!g->root)
		g->root = guest_alloc(g, 1);
	g->ttm = ttm;
	guest_write64(g, VTD_RTADDR, g->root | bits_put(VTD_RTADDR_TTM, ttm));
	guest_command(g, VTD_G_RTP, true);
}

void guest_queue_on(struct guest *g, bool wide, unsigned qs)
{
	g->wide = wide;
	g->queue_bytes = GUEST_PAGE << qs;
	g->queue = guest_alloc(g, 1U << qs);
	if (!g->status)
		g->status = guest_alloc(g, 1);
	g->tail = 0;
	guest_write64(g, VTD_IQT, 0);
	guest_write64(g, VTD_IQA, g->queue | (wide ? VTD_IQA_DW : 0) | qs);
	guest_command(g, VTD_G_QIE, true);
}

void guest_page_queue_on(struct guest *g, unsigned pqs)
{
	g->pages = guest_alloc(g, 1U << pqs);
	guest_write64(g, VTD_PQH, 0);
	guest_write64(g, VTD_PQT, 0);
	guest_write64(g, VTD_PQA, g->pages | pqs);
}

uint64_t guest_interrupts_on(struct guest *g, unsigned s, bool eime)
{
	unsigned bytes = 16U << (s + 1);
	uint64_t table = guest_alloc(g, (bytes + 4095) / 4096);

	guest_write64(g, VTD_IRTA, table | (eime ? VTD_IRTA_EIME : 0) | s);
	guest_command(g, VTD_G_IRTP, true);
	guest_command(g, VTD_G_IRE, true);
	return table;
}

void guest_start(struct guest *g, unsigned ttm)
{
	guest_root(g, ttm);
	if (g->ecap & VTD_ECAP_QI)
		guest_queue_on(g, ttm == VTD_TTM_SCALABLE, 0);
	guest_command(g, VTD_G_TE, true);
}

/* ---- queue ---- */

void guest_submit(struct guest *g, uint64_t q0, uint64_t q1, uint64_t q2, uint64_t q3)
{
	const uint64_t word[4] = { q0, q1, q2, q3 };
	unsigned words = g->wide ? 4 : 2;
	uint64_t next = (g->tail + words * 8) & (g->queue_bytes - 1);

	assert_int_not_equal(next, guest_read64(g, VTD_IQH));
	for (unsigned i = 0; i < words; i++)
		guest_put64(g, g->queue + g->tail + i * 8, word[i]);
	g->tail = next;
}

int guest_ring(struct guest *g)
{
	return guest_write64(g, VTD_IQT, g->tail);
}

void guest_submit_wait(struct guest *g)
{
	guest_submit(g,
		     VTD_QI_WAIT | VTD_QI_WAIT_SW | VTD_QI_WAIT_FN |
			     bits_put(VTD_QI_WAIT_DATA, ++g->ticket),
		     g->status, 0, 0);
}

bool guest_waited(struct guest *g)
{
	return guest_get32(g, g->status) == g->ticket;
}

void guest_wait(struct guest *g)
{
	guest_submit_wait(g);
	guest_ring(g);
	for (unsigned i = 0; i < PATIENCE && !guest_waited(g); i++) {
		assert_true(viommu_run(g->iommu) >= 0);
		be_patient(i);
	}
	if (!guest_waited(g))
		fail_msg("the wait descriptor is never done: FSTS 0x%x, IQERCD 0x%jx",
			 guest_read32(g, VTD_FSTS), (uintmax_t)guest_read64(g, VTD_IQERCD));
}

void guest_invalidate_all(struct guest *g)
{
	guest_submit(g, GUEST_CC(VTD_GRAN_GLOBAL, 0, 0, 0), 0, 0, 0);
	if (g->ttm == VTD_TTM_SCALABLE)
		guest_submit(g, GUEST_PC(VTD_PC_GLOBAL, 0, 0), 0, 0, 0);
	guest_submit(g, GUEST_IOTLB(VTD_GRAN_GLOBAL, 0), 0, 0, 0);
	if (g->ecap & VTD_ECAP_IR)
		guest_submit(g, GUEST_IEC_GLOBAL, 0, 0, 0);
	guest_wait(g);
}

/* ---- DMA ---- */

static struct viommu_request one_byte(uint32_t pasid, uint64_t iova, unsigned access, unsigned type)
{
	return (struct viommu_request){ .first = iova,
					.last = iova,
					.pasid = pasid,
					.access = (uint16_t)access,
					.type = (uint16_t)type };
}

static struct guest_dma ask(struct viommu_device *device, const struct viommu_request *request)
{
	struct guest_dma d = { .result = 0 };

	d.result = viommu_device_translate(device, request, &d.f, 1, &d.answer);
	return d;
}

struct guest_dma guest_dma(struct viommu_device *device, uint64_t iova, unsigned access)
{
	return guest_dma_pasid(device, VIOMMU_NO_PASID, iova, access);
}

struct guest_dma guest_dma_pasid(struct viommu_device *device, uint32_t pasid, uint64_t iova,
				 unsigned access)
{
	struct viommu_request r = one_byte(pasid, iova, access, VIOMMU_AT_UNTRANSLATED);

	return ask(device, &r);
}

struct guest_dma guest_ats(struct viommu_device *device, uint32_t pasid, uint64_t iova,
			   unsigned access)
{
	struct viommu_request r = one_byte(pasid, iova, access, VIOMMU_AT_TRANSLATION);

	return ask(device, &r);
}

struct guest_dma guest_channel_dma(struct viommu_channel *channel, uint32_t pasid, uint64_t iova,
				   unsigned access)
{
	struct viommu_request r = one_byte(pasid, iova, access, VIOMMU_AT_UNTRANSLATED);
	struct guest_dma d = { .result = 0 };

	d.result = viommu_translate(channel, &r, &d.f, 1, &d.answer);
	return d;
}

/* ---- faults ---- */

bool guest_take_fault(struct guest *g, struct guest_fault *fault)
{
	uint32_t records = (uint32_t)bits_get(g->cap, VTD_CAP_NFR) + 1;
	uint64_t at = bits_get(g->cap, VTD_CAP_FRO) * 16;
	uint32_t status = guest_read32(g, VTD_FSTS);
	uint32_t first = (uint32_t)bits_get(status, VTD_FSTS_FRI);

	for (uint32_t i = 0; (status & VTD_FSTS_PPF) && i < records; i++) {
		uint64_t record = at + (first + i) % records * 16;
		uint64_t high = guest_read64(g, record + 8);

		if (!(high & VTD_FRCD_F))
			continue;
		fault->info = guest_read64(g, record);
		fault->high = high;
		fault->reason = (unsigned)bits_get(high, VTD_FRCD_FR);
		fault->sid = (uint16_t)bits_get(high, VTD_FRCD_SID);
		guest_write32(g, record + 12, (uint32_t)(VTD_FRCD_F >> 32));
		return true;
	}
	if (status & VTD_FSTS_PFO)
		guest_write32(g, VTD_FSTS, (uint32_t)VTD_FSTS_PFO);
	return false;
}

unsigned guest_take_faults(struct guest *g)
{
	struct guest_fault fault;
	unsigned n = 0;

	while (guest_take_fault(g, &fault))
		n++;
	return n;
}
