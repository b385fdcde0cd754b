/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * play_vtd_irq.c - interrupt requests (I). Delivered as the recording says, with faults recorded or without.
 *
 * Each is resolved first, which records nothing: what the answer will be decides whether a deviation has to be
 * accounted for before the engine records a fault that the recorder did not.
 */

#include <inttypes.h>
#include <stdio.h>

#include "play_vtd.h"

#define REG_GSTS	     0x1cU
#define GSTS_IRES	     (1U << 25)
#define REG_IRTA	     0xb8U
#define IRTA_EIME	     (1ULL << 11)
#define IRTA_TABLE(irta)     ((irta) & ~0xfffULL)
#define REASON_RESERVED	     0x24U
#define REASON_COMPATIBILITY 0x25U

/* 9.10, bits 63:0; those that are reserved in xAPIC mode, of a message that is remapped */
#define IRTE_XAPIC_RSVD 0xffff00ffff00f000ULL
#define IRTE_DST_39_32	0x000000ff00000000ULL
#define REMAPPABLE	0x10U /* bit of the message address */
#define ANY_REQUESTER	0xffffU

struct delivery {
	int result;
	struct viommu_msi msi;
};

static uint32_t requester(const struct player *p, const struct tape_line *l)
{
	if (l->rid == ANY_REQUESTER)
		return (uint32_t)player_header(p, "ioapic", 0, ANY_REQUESTER) & 0xffff;
	return l->rid;
}

static struct delivery ask(struct player *p, const struct tape_line *l, uint32_t flags)
{
	struct delivery d = { 0 };

	d.result = viommu_remap_msi(p->iommu, requester(p, l), l->at, (uint32_t)l->value, flags,
				    &d.msi);
	return d;
}

static bool agrees(const struct tape_line *l, const struct delivery *d)
{
	if (l->fault)
		return d->result == VIOMMU_FAULT;
	return d->result == VIOMMU_OK && d->msi.address == l->to && d->msi.data == l->to_value;
}

static void differ(struct player *p, const struct tape_line *l, const struct delivery *d)
{
	char expected[128];
	char came[128];

	snprintf(expected, sizeof(expected), "%x %" PRIx64 " %" PRIx64 ": %s %" PRIx64 " %" PRIx64,
		 requester(p, l), l->at, l->value, l->fault ? "fault" : "ok", l->to, l->to_value);
	if (d->result == VIOMMU_OK)
		snprintf(came, sizeof(came), "ok %" PRIx64 " %" PRIx32, d->msi.address,
			 d->msi.data);
	else if (d->result == VIOMMU_FAULT)
		snprintf(came, sizeof(came), "fault, reason %x", d->msi.reason);
	else
		snprintf(came, sizeof(came), "%s", viommu_strerror(d->result));
	player_differ(p, TAPE_I, l->number, expected, came);
}

/* ---- deviations ---- */

/* The recorder lets every message in compatibility format pass as it is. We block it, for the reason that says so. */
static bool cfis_never(struct player *p, const struct tape_line *l, const struct delivery *d)
{
	if (l->at & REMAPPABLE || l->fault || l->to != l->at || l->to_value != l->value)
		return false;
	if (d->result != VIOMMU_FAULT || d->msi.reason != REASON_COMPATIBILITY)
		return false;
	if (!(vtd_register(p, REG_GSTS, 4) & GSTS_IRES))
		return false;
	player_deviates(p, DEVIATION_CFIS_NEVER);
	return true;
}

/* What an entry delivers in xAPIC mode. */
static bool delivers(const struct tape_line *l, uint64_t entry)
{
	uint64_t to = 0xfee00000 | (entry >> 40 & 0xff) << 12 | (entry & 0xc);
	uint64_t data =
		(entry >> 16 & 0xff) | (entry >> 5 & 7) << 8 | 0x4000 | (entry & 0x10) << 11;

	return !l->fault && l->to == to && l->to_value == data;
}

/* A guest whose processors are in x2APIC mode, but whose IOMMU is not, leaves bits of their ids where xAPIC ids are not
 * (Xen 4.17). The recorder lets them pass. */
static bool irte_dst_rsvd(struct player *p, const struct tape_line *l, const struct delivery *d)
{
	uint64_t irta = vtd_register(p, REG_IRTA, 8);
	uint64_t entry;

	if (d->result != VIOMMU_FAULT || d->msi.reason != REASON_RESERVED || (irta & IRTA_EIME))
		return false;
	entry = guest_load64(&p->memory, IRTA_TABLE(irta) + d->msi.index * 16ULL);
	if ((entry & IRTE_XAPIC_RSVD & ~IRTE_DST_39_32) || !(entry & IRTE_DST_39_32) ||
	    !delivers(l, entry))
		return false;
	player_deviates(p, DEVIATION_IRTE_DST_RSVD);
	return true;
}

/* The message is the key: its address above its data. */
static struct history_answer answer_of(const struct player *p, const struct tape_line *l,
				       const struct viommu_msi *msi)
{
	return (struct history_answer){ .interrupt = true,
					.first = l->at << 32 | l->value,
					.to = msi->address,
					.perm = msi->data,
					.rid = requester(p, l),
					.tag = msi->index };
}

/* As cached_by_us() of play_vtd_dma.c: our answer is an earlier one, and the recording has what the table says now. */
static bool cached_by_us(struct player *p, const struct tape_line *l, const struct delivery *d)
{
	struct history_answer answer = answer_of(p, l, &d->msi);
	struct delivery again;

	if (d->result != VIOMMU_OK || !history_has(&p->vtd->history, &answer) ||
	    !vtd_drop_caches(p))
		return false;
	again = ask(p, l, VIOMMU_MSI_RESOLVE);
	if (!agrees(l, &again))
		return false;
	player_deviates(p, DEVIATION_CACHED_BY_US);
	return true;
}

/* ---- the line ---- */

void vtd_interrupt_line(struct player *p, const struct tape_line *l)
{
	struct delivery d = ask(p, l, VIOMMU_MSI_RESOLVE);
	struct history_answer answer;
	bool right, asked = false;

	if (l->record && l->fault && d.result == VIOMMU_OK && (d.msi.flags & VIOMMU_MSI_POSTED)) {
		d = ask(p, l, 0); /* its descriptor cannot be written, as only posting shows */
		asked = true;
	}
	right = agrees(l, &d);
	if (!right && (cfis_never(p, l, &d) || irte_dst_rsvd(p, l, &d)))
		return;
	if (!right && !cached_by_us(p, l, &d)) {
		differ(p, l, &d);
		return;
	}
	if (!asked)
		d = ask(p, l, l->record ? 0 : VIOMMU_MSI_RESOLVE);
	if (!agrees(l, &d))
		differ(p, l, &d);
	answer = answer_of(p, l, &d.msi);
	if (d.result == VIOMMU_OK && !(d.msi.flags & VIOMMU_MSI_UNREMAPPED))
		history_add(&p->vtd->history, &answer);
}

/* 9.10: an entry says whose messages it is for; index 15:0 is the handle of the message (5.1.2.2). */
bool vtd_table_message(const struct player *p, uint64_t n, struct table_message *m)
{
	uint64_t irta = p->iommu ? vtd_register(p, REG_IRTA, 8) : 0;
	uint64_t gpa = IRTA_TABLE(irta) + 16 * n;

	m->present = guest_load64(&p->memory, gpa) & 1;
	m->source = (uint32_t)guest_load64(&p->memory, gpa + 8) & 0xffff;
	m->address = 0xfee00000 | REMAPPABLE | (n & 0x7fff) << 5 | (n >> 15 & 1) << 2;
	m->data = 0;
	return IRTA_TABLE(irta) && n < UINT64_C(2) << (irta & 0xf);
}
