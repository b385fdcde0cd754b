/* SPDX-License-Identifier: BSD-3-Clause */
/* vtd_unit.c - a unit with a traced guest, its usual tables, and short answers. */

#include "vtd_unit.h"

struct unit unit;

struct unit *unit_open_limited(uint64_t cap, uint64_t ecap, uint32_t budget, uint32_t outstanding)
{
	const struct viommu_limits limits = { .size = sizeof(limits),
					      .tlb_entries = 320,
					      .contexts = 64,
					      .domains = 64,
					      .queue_budget = budget,
					      .outstanding = outstanding ? outstanding : 16 };
	struct viommu_vtd_config config = { .size = sizeof(config),
					    .cap = cap			  ? cap
						   : ecap & VTD_ECAP_FSTS ? GUEST_CAP_SCALABLE
									  : GUEST_CAP,
					    .ecap = ecap,
					    .limits = &limits };
	struct unit *u = &unit;

	guest_init(&u->g, GUEST_REGION, 400);
	assert_int_equal(guest_try_vtd_config(&u->g, &config), VIOMMU_OK);
	trace_start(&u->t, &u->g);
	u->dev = NULL;
	u->dev2 = NULL;
	return u;
}

struct unit *unit_open(uint64_t cap, uint64_t ecap)
{
	return unit_open_limited(cap, ecap, 0, 0);
}

void unit_close(struct unit *u)
{
	trace_stop(&u->t);
	guest_fini(&u->g);
}

static void second_stages(struct unit *u)
{
	for (unsigned i = 0; i < 4; i++)
		u->page[i] = guest_alloc(&u->g, 1);
	u->ss = guest_table(&u->g);
	u->ss2 = guest_table(&u->g);
	for (unsigned i = 0; i < 2; i++) {
		guest_ss_map(&u->g, u->ss, 4, UNIT_IOVA + i * GUEST_PAGE, u->page[i], 12, GUEST_RW);
		guest_ss_map(&u->g, u->ss2, 4, UNIT_IOVA + i * GUEST_PAGE, u->page[2 + i], 12,
			     GUEST_RW);
	}
	u->dev = guest_device(&u->g, UNIT_RID);
	u->dev2 = guest_device(&u->g, UNIT_RID2);
}

void unit_legacy_tables(struct unit *u)
{
	unsigned tt = u->g.ecap & VTD_ECAP_DT ? VTD_TT_DEVICE_TLB : VTD_TT_UNTRANSLATED;

	second_stages(u);
	guest_legacy_tt(&u->g, UNIT_RID, UNIT_DID, u->ss, 4, tt);
	guest_legacy_tt(&u->g, UNIT_RID2, UNIT_DID2, u->ss2, 4, tt);
}

void unit_scalable_tables(struct unit *u)
{
	struct guest_pasid p = {
		.did = UNIT_DID, .pgtt = VTD_PGTT_SECOND, .ss_levels = 4, .fs_levels = 4
	};

	second_stages(u);
	u->fs = guest_table(&u->g);
	for (unsigned i = 0; i < 2; i++)
		guest_fs_map(&u->g, u->fs, 4, UNIT_IOVA + i * GUEST_PAGE, u->page[i], 12, GUEST_FS);
	p.ss = u->ss;
	guest_pasid(&u->g, UNIT_RID, 0, &p);
	p.ss = u->ss2;
	p.did = UNIT_DID2;
	guest_pasid(&u->g, UNIT_RID2, 0, &p);
	p.pgtt = VTD_PGTT_FIRST;
	p.did = UNIT_DID;
	p.fs = u->fs;
	guest_pasid(&u->g, UNIT_RID, UNIT_PASID, &p);
}

struct unit *unit_legacy(uint64_t ecap)
{
	struct unit *u = unit_open(0, ecap);

	unit_legacy_tables(u);
	guest_start(&u->g, VTD_TTM_LEGACY);
	trace_clear(&u->t);
	return u;
}

struct unit *unit_scalable(void)
{
	struct unit *u = unit_open(0, GUEST_ECAP_SCALABLE);

	unit_scalable_tables(u);
	guest_start(&u->g, VTD_TTM_SCALABLE);
	trace_clear(&u->t);
	return u;
}

/* ---- answers ---- */

static uint64_t word(const struct guest_dma *d)
{
	switch (d->result) {
	case VIOMMU_OK:
		return d->f.gpa;
	case VIOMMU_FAULT:
		return FAULT(d->answer.reason);
	case VIOMMU_INTERRUPT:
		return INTERRUPT;
	default:
		return MISUSE;
	}
}

uint64_t where_pasid(struct viommu_device *device, uint32_t pasid, uint64_t iova, unsigned access)
{
	struct guest_dma d = guest_dma_pasid(device, pasid, iova, access);

	return word(&d);
}

uint64_t where(struct viommu_device *device, uint64_t iova, unsigned access)
{
	return where_pasid(device, VIOMMU_NO_PASID, iova, access);
}

uint64_t where_channel(struct viommu_channel *channel, uint32_t pasid, uint64_t iova,
		       unsigned access)
{
	struct guest_dma d = guest_channel_dma(channel, pasid, iova, access);

	return word(&d);
}

unsigned recorded(struct unit *u)
{
	struct guest_fault fault;
	unsigned reason = 0;

	if (guest_take_fault(&u->g, &fault))
		reason = fault.reason;
	return guest_take_faults(&u->g) ? 0xfff : reason;
}

int gcmd(struct unit *u, uint64_t on, uint64_t off)
{
	const uint64_t lasting = VTD_G_TE | VTD_G_QIE | VTD_G_IRE | VTD_G_CFI;
	uint64_t now = gsts(u) & lasting;

	return guest_write32(&u->g, VTD_GCMD, (uint32_t)((now & ~off) | on));
}

uint32_t gsts(struct unit *u)
{
	return guest_read32(&u->g, VTD_GSTS);
}

int submit(struct unit *u, uint64_t q0, uint64_t q1)
{
	guest_submit(&u->g, q0, q1, 0, 0);
	return guest_ring(&u->g);
}

int submit4(struct unit *u, const uint64_t q[4])
{
	guest_submit(&u->g, q[0], q[1], q[2], q[3]);
	return guest_ring(&u->g);
}

uint32_t fsts(struct unit *u)
{
	return guest_read32(&u->g, VTD_FSTS) & 0xff;
}

void queue_recover(struct unit *u)
{
	u->g.tail = guest_read64(&u->g, VTD_IQH);
	guest_ring(&u->g);
	guest_write32(&u->g, VTD_FSTS, (uint32_t)(VTD_FSTS_IQE | VTD_FSTS_ITE));
	row_equal(fsts(u) & (VTD_FSTS_IQE | VTD_FSTS_ITE), 0);
	row_equal(guest_read64(&u->g, VTD_IQH), u->g.tail);
}
