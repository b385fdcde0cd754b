/* SPDX-License-Identifier: BSD-3-Clause */
/* reentry_world.c - the unit of reentry.h, and how each of its callbacks comes about. */
#include "reentry.h"

#include <libvirtiommu/dirty.h>

#include "check.h"

#include <stdlib.h>
#include <string.h>

void reentry_event(struct reentry *r, unsigned event)
{
	if (!r->armed || event != r->event)
		return;
	r->armed = false;
	r->fired++;
	r->result = r->verb(r);
}

static void on_guest(void *opaque, enum guest_event event)
{
	reentry_event(opaque, event);
}

static void on_unmap(void *opaque, struct viommu_device *device, uint32_t pasid, uint64_t first,
		     uint64_t last)
{
	reentry_event(opaque, ON_UNMAP);
}

static void on_mode(void *opaque, struct viommu_device *device, uint32_t mode)
{
	reentry_event(opaque, ON_MODE);
}

static void on_interrupts(void *opaque, uint32_t source, uint32_t first, uint32_t last)
{
	reentry_event(opaque, ON_INTERRUPTS);
}

/* The guest is who the host's callbacks are for. */
static void on_trace(void *opaque, const struct viommu_trace *event)
{
	struct guest *g = opaque;

	if (g->hook_opaque)
		reentry_event(g->hook_opaque, ON_TRACE);
}

int reentry_step(void *opaque, const struct viommu_step *step)
{
	reentry_event(opaque, ON_STEP);
	return 0;
}

int reentry_mapped(void *opaque, uint64_t iova, const struct viommu_fragment *fragment)
{
	reentry_event(opaque, ON_MAPPED);
	return 0;
}

/* Interrupt 1 is posted: entry 1 of the table, and a descriptor. */
static void post_interrupts(struct guest *g)
{
	uint64_t table = guest_interrupts_on(g, 3, true);
	uint64_t descriptor = guest_alloc(g, 1);

	guest_put64(g, table + 16,
		    VTD_IRTE_P | VTD_IRTE_IM | bits_put(VTD_IRTE_V, 0x31) |
			    bits_put(VTD_PIRTE_PDA_LO, descriptor >> 6));
	guest_put64(g, descriptor + 32, bits_put(VTD_PID_NV, 0x41));
}

static void add_tables(struct guest *g, uint16_t rid, uint64_t page)
{
	struct guest_pasid p = { .did = rid, .pgtt = VTD_PGTT_FIRST, .fs_levels = 4 };

	p.fs = guest_table(g);
	guest_fs_map(g, p.fs, 4, IOVA, page, 12, GUEST_FS);
	guest_pasid(g, rid, 0, &p);
}

void reentry_init(struct reentry *r)
{
	struct viommu_limits limits = {
		.size = sizeof(limits),
		.tlb_entries = 320,
		.contexts = 64,
		.domains = 64,
		.queue_budget = 4,
		.outstanding = 4,
	};
	struct viommu_vtd_config config = { .size = sizeof(config),
					    .cap = GUEST_CAP_SCALABLE,
					    .ecap = GUEST_ECAP_SCALABLE,
					    .limits = &limits };
	struct viommu_listener_config ears = { .size = sizeof(ears),
					       .opaque = r,
					       .unmap = on_unmap,
					       .mode = on_mode,
					       .interrupts = on_interrupts };
	uint64_t page;

	memset(r, 0, sizeof(*r));
	r->ram = aligned_alloc(4096, 4096);
	assert_non_null(r->ram);
	guest_init(&r->g, GUEST_CALLBACKS, 200);
	r->g.trace = on_trace;
	assert_int_equal(guest_try_vtd_config(&r->g, &config), VIOMMU_OK);
	page = guest_alloc(&r->g, 1);
	add_tables(&r->g, OWN, page);
	add_tables(&r->g, OTHER, page);
	add_tables(&r->g, BARE, page);
	guest_events(&r->g);
	guest_page_queue_on(&r->g, 0);
	guest_start(&r->g, VTD_TTM_SCALABLE);
	post_interrupts(&r->g);
	r->own = guest_device(&r->g, OWN);
	r->other = guest_device(&r->g, OTHER);
	r->bare = guest_device(&r->g, BARE);
	r->g.devices--; /* may be freed in between */
	r->channel = guest_channel(&r->g, r->own, VIOMMU_NO_PASID);
	r->other_channel = guest_channel(&r->g, r->other, VIOMMU_NO_PASID);
	assert_int_equal(viommu_listener_new(r->g.iommu, NULL, &ears, &r->listener), VIOMMU_OK);
	r->saved_bytes = sizeof(r->saved);
	assert_int_equal(viommu_save(r->g.iommu, r->saved, &r->saved_bytes), VIOMMU_OK);
	r->g.hook = on_guest;
	r->g.hook_opaque = r;
}

void reentry_fini(struct reentry *r)
{
	assert_int_equal(viommu_dirty_stop(r->tracking), VIOMMU_OK);
	assert_int_equal(viommu_listener_free(r->listener), VIOMMU_OK);
	assert_int_equal(viommu_device_free(r->bare), VIOMMU_OK);
	guest_fini(&r->g);
	free(r->ram);
}

/* ---- occasions ---- */

static void translate(struct reentry *r)
{
	guest_dma(r->own, IOVA, VIOMMU_WRITE);
}

static void translate_channel(struct reentry *r)
{
	guest_channel_dma(r->channel, VIOMMU_NO_PASID, IOVA, VIOMMU_WRITE);
}

static void write_channel(struct reentry *r)
{
	viommu_dma_store(r->channel, IOVA, 8, 0, 1);
}

static void write_device(struct reentry *r)
{
	viommu_device_dma_store(r->own, VIOMMU_NO_PASID, IOVA, 8, 0, 1);
}

static void fault(struct reentry *r)
{
	guest_dma(r->own, IOVA + GUEST_PAGE, VIOMMU_READ);
}

static void fault_channel(struct reentry *r)
{
	guest_channel_dma(r->channel, VIOMMU_NO_PASID, IOVA + GUEST_PAGE, VIOMMU_READ);
}

static void wait(struct reentry *r)
{
	guest_submit_wait(&r->g);
	guest_ring(&r->g);
}

static void wait_for_event(struct reentry *r)
{
	guest_submit(&r->g, VTD_QI_WAIT | VTD_QI_WAIT_IF, 0, 0, 0);
	guest_ring(&r->g);
}

static void bad_descriptor(struct reentry *r)
{
	guest_submit(&r->g, 0, 0, 0, 0);
	guest_ring(&r->g);
}

static void more_than_the_budget(struct reentry *r)
{
	for (unsigned i = 0; i < 6; i++)
		guest_submit(&r->g, GUEST_IEC_GLOBAL, 0, 0, 0);
	guest_ring(&r->g);
}

static void one(struct reentry *r, uint64_t q0)
{
	guest_submit(&r->g, q0, 0, 0, 0);
	guest_ring(&r->g);
}

static void all_translations(struct reentry *r)
{
	one(r, GUEST_IOTLB(VTD_GRAN_GLOBAL, 0));
}

static void all_interrupts(struct reentry *r)
{
	one(r, GUEST_IEC_GLOBAL);
}

static void device_tlb(struct reentry *r)
{
	one(r, GUEST_DEVTLB(BARE));
}

static void page_response(struct reentry *r)
{
	one(r, VTD_QI_PGRESP | bits_put(VTD_QI_PGRESP_RID, BARE));
}

static void new_root(struct reentry *r)
{
	guest_write32(&r->g, VTD_GCMD, (uint32_t)(VTD_G_TE | VTD_G_QIE | VTD_G_IRE | VTD_G_RTP));
}

static void ask_page(struct reentry *r)
{
	const struct viommu_page_request request = {
		.address = IOVA, .pasid = VIOMMU_NO_PASID, .access = VIOMMU_READ, .last = 1
	};

	viommu_request_page(r->bare, &request);
}

static void ask_page_overflow(struct reentry *r)
{
	guest_write64(&r->g, VTD_PQH, 32); /* behind the tail: full */
	ask_page(r);
}

static void post(struct reentry *r)
{
	struct viommu_msi msi;

	assert_int_equal(viommu_remap_msi(r->g.iommu, OWN, 0xfee00030, 0, 0, &msi), VIOMMU_OK);
}

static void leave(struct reentry *r)
{
	assert_int_equal(viommu_enter(r->channel), VIOMMU_OK);
	guest_submit(&r->g, GUEST_IOTLB(VTD_GRAN_GLOBAL, 0), 0, 0, 0);
	wait(r);
	assert_false(guest_waited(&r->g));
	assert_int_equal(viommu_leave(r->channel), VIOMMU_OK);
}

static void done(struct reentry *r)
{
	r->g.invalidate_result = VIOMMU_PENDING;
	device_tlb(r);
	r->g.invalidate_result = VIOMMU_OK;
	assert_int_equal(viommu_invalidation_done(r->bare, r->g.invalidation[0].what.token,
						  VIOMMU_OK),
			 VIOMMU_OK);
}

static void refused_unit(struct reentry *r)
{
	struct viommu_vtd_config config = { .size = sizeof(config),
					    .cap = VTD_CAP_AFL,
					    .host = &r->g.host };
	struct viommu *iommu;

	assert_int_equal(viommu_vtd_new(r->g.vm, &config, &iommu), VIOMMU_ENOTSUP);
}

static void replay(struct reentry *r)
{
	uint64_t first = 0;

	viommu_replay(r->own, VIOMMU_NO_PASID, &first, 0xffffff, 0, reentry_mapped, r);
}

static void explain(struct reentry *r)
{
	const struct viommu_request request = {
		.first = IOVA, .last = IOVA, .pasid = VIOMMU_NO_PASID, .access = VIOMMU_READ
	};

	viommu_explain(r->own, &request, 0, reentry_step, r);
}

static void restore(struct reentry *r)
{
	viommu_restore(r->g.iommu, r->saved, r->saved_bytes);
}

static void reset(struct reentry *r)
{
	viommu_reset(r->g.iommu);
}

const struct occasion occasions[] = {
	{ "read: translation", GUEST_ON_READ, 0, translate },
	{ "read: channel", GUEST_ON_READ, FROM_CHANNEL, translate_channel },
	{ "read: descriptor", GUEST_ON_READ, FROM_REGISTERS, wait },
	{ "read: interrupt", GUEST_ON_READ, 0, post },
	{ "read: replay", GUEST_ON_READ, 0, replay },
	{ "read: explanation", GUEST_ON_READ, 0, explain },
	{ "write: status", GUEST_ON_WRITE, FROM_REGISTERS, wait },
	{ "write: page request", GUEST_ON_WRITE, ON_BARE, ask_page },
	{ "write: DMA, channel", GUEST_ON_WRITE, FROM_CHANNEL, write_channel },
	{ "write: DMA", GUEST_ON_WRITE, 0, write_device },
	{ "cmpxchg: accessed", GUEST_ON_SWAP, 0, translate },
	{ "cmpxchg: accessed, channel", GUEST_ON_SWAP, FROM_CHANNEL, translate_channel },
	{ "cmpxchg: posted interrupt", GUEST_ON_SWAP, 0, post },
	{ "dirty: accessed", GUEST_ON_DIRTY, 0, translate },
	{ "dirty: accessed, channel", GUEST_ON_DIRTY, FROM_CHANNEL, translate_channel },
	{ "dirty: DMA, channel", GUEST_ON_DIRTY, FROM_CHANNEL, write_channel },
	{ "dirty: DMA", GUEST_ON_DIRTY, 0, write_device },
	{ "dirty: status", GUEST_ON_DIRTY, FROM_REGISTERS, wait },
	{ "dirty: page request", GUEST_ON_DIRTY, ON_BARE, ask_page },
	{ "dirty: posted interrupt", GUEST_ON_DIRTY, 0, post },
	{ "msi: fault", GUEST_ON_MSI, 0, fault },
	{ "msi: fault, channel", GUEST_ON_MSI, FROM_CHANNEL, fault_channel },
	{ "msi: bad descriptor", GUEST_ON_MSI, FROM_REGISTERS, bad_descriptor },
	{ "msi: completion", GUEST_ON_MSI, FROM_REGISTERS, wait_for_event },
	{ "msi: page request", GUEST_ON_MSI, ON_BARE, ask_page },
	{ "work: section closed", GUEST_ON_WORK, 0, leave },
	{ "work: device answered", GUEST_ON_WORK, ON_BARE, done },
	{ "work: budget", GUEST_ON_WORK, FROM_REGISTERS, more_than_the_budget },
	{ "message", GUEST_ON_MESSAGE, 0, refused_unit },
	{ "invalidate", GUEST_ON_INVALIDATE, FROM_REGISTERS | FROM_BARE, device_tlb },
	{ "page_response", GUEST_ON_RESPONSE, FROM_REGISTERS | FROM_BARE, page_response },
	{ "page_response: overflow", GUEST_ON_RESPONSE, FROM_BARE, ask_page_overflow },
	{ "unmap: descriptor", ON_UNMAP, FROM_REGISTERS, all_translations },
	{ "unmap: root table", ON_UNMAP, FROM_REGISTERS, new_root },
	{ "unmap: reset", ON_UNMAP, FROM_REGISTERS, reset },
	{ "mode: root table", ON_MODE, FROM_REGISTERS, new_root },
	{ "mode: restore", ON_MODE, FROM_REGISTERS, restore },
	{ "interrupts: descriptor", ON_INTERRUPTS, FROM_REGISTERS, all_interrupts },
	{ "interrupts: reset", ON_INTERRUPTS, FROM_REGISTERS, reset },
	{ "mapped", ON_MAPPED, 0, replay },
	{ "step", ON_STEP, 0, explain },
	{ "trace: fill", ON_TRACE, 0, translate },
	{ "trace: fill, channel", ON_TRACE, FROM_CHANNEL, translate_channel },
	{ "trace: fault", ON_TRACE, 0, fault },
	{ "trace: fault, channel", ON_TRACE, FROM_CHANNEL, fault_channel },
	{ "trace: invalidation", ON_TRACE, FROM_REGISTERS, all_translations },
	{ "trace: completion", ON_TRACE, FROM_REGISTERS, wait },
};

const unsigned occasion_count = sizeof(occasions) / sizeof(occasions[0]);
