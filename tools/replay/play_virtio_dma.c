/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * play_virtio_dma.c - translations by a virtio-iommu (T).
 *
 * An answer is right if it leads to the recorded address and grants at least what was asked for; so does the whole page
 * of the recording, and the way without a channel.
 */

#include <inttypes.h>
#include <stdio.h>

#include "outcome.h"
#include "play_virtio.h"

static uint64_t expected_to(const struct tape_line *l)
{
	return (l->to & ~l->mask) | (l->at & l->mask);
}

static bool in_msi_region(const struct endpoint *e, uint64_t iova)
{
	for (unsigned i = 0; i < e->region_count; i++) {
		if (e->region[i].subtype == VIOMMU_VIRTIO_RESV_MSI && e->region[i].first <= iova &&
		    iova <= e->region[i].last)
			return true;
	}
	return false;
}

/* What the recorder has as a translation to the same address is an interrupt message. */
static bool is_message(const struct endpoint *e, const struct tape_line *l, const struct outcome *o)
{
	return o->result == VIOMMU_INTERRUPT && l->access == VIOMMU_WRITE && l->perm &&
	       expected_to(l) == l->at && in_msi_region(e, l->at);
}

/* What has to be granted; of a translation request (ATS), what there is. */
static uint32_t needed(const struct tape_line *l)
{
	return l->index == 2 ? 0 : l->access & (VIOMMU_READ | VIOMMU_WRITE);
}

static bool agrees(const struct endpoint *e, const struct tape_line *l, const struct outcome *o)
{
	if (o->result == VIOMMU_INTERRUPT)
		return is_message(e, l, o);
	if (o->result < 0 || l->perm == 0)
		return o->result == VIOMMU_FAULT ||
		       (o->result == VIOMMU_OK && l->index == 2 && o->perm == 0);
	return (needed(l) & ~o->perm) == 0 && (l->perm & ~o->perm) == 0 && o->to == expected_to(l);
}

static void differ(struct player *p, const struct tape_line *l, const struct endpoint *e,
		   const char *where, const struct outcome *o)
{
	const struct viommu_request request = outcome_request(l);
	char to[64] = "refused";

	if (l->perm)
		snprintf(to, sizeof(to), "%" PRIx64, expected_to(l));
	outcome_differ(p, l, e->device, &request, where, to, o);
	p->virtio->differs = true;
}

/* Nothing is mapped at the address, but at the next: the recorder looks both up, and goes to the byte before. */
static bool beside_mapping(struct player *p, const struct endpoint *e, const struct tape_line *l,
			   const struct outcome *o)
{
	struct viommu_fragment mapping;

	if (o->result != VIOMMU_FAULT || !l->perm || l->at == UINT64_MAX ||
	    virtio_mapped(e, l->at, &mapping) || !virtio_mapped(e, l->at + 1, &mapping) ||
	    (mapping.perm & l->access) != l->access || expected_to(l) != mapping.gpa - 1)
		return false;
	p->virtio->beside_mapping = true;
	player_deviates(p, DEVIATION_BYTE_BEFORE_MAPPING);
	return true;
}

static void check_page(struct player *p, const struct endpoint *e, const struct tape_line *l)
{
	struct viommu_request request = outcome_request(l);
	struct outcome page;

	request.first &= ~l->mask;
	request.last |= l->mask;
	page = outcome_ask(p, e->channel, &request);
	if (page.result != VIOMMU_OK || (needed(l) & ~page.perm) != 0 ||
	    page.to != (expected_to(l) & ~l->mask) || page.length - 1 != l->mask)
		differ(p, l, e, ", its whole page", &page);
}

void virtio_dma_line(struct player *p, const struct tape_line *l)
{
	const struct viommu_request request = outcome_request(l);
	const struct endpoint *e = virtio_endpoint(p, l->rid);
	struct outcome o;
	struct outcome device;

	p->virtio->beside_mapping = false;
	if (!e) {
		player_differ(p, l->kind, l->number, "an endpoint", "none that a P line has named");
		return;
	}
	/* a channel has no PASID here */
	o = l->pasid == VIOMMU_NO_PASID ? outcome_ask(p, e->channel, &request)
					: outcome_ask_device(e->device, &request);
	if (!agrees(e, l, &o)) {
		if (!beside_mapping(p, e, l, &o))
			differ(p, l, e, "", &o);
		return;
	}
	if (o.result == VIOMMU_FAULT)
		return; /* asking again would be another fault */
	device = outcome_ask_device(e->device, &request);
	if (!outcome_same(&device, &o))
		differ(p, l, e, ", without channel", &device);
	else if (o.result == VIOMMU_OK && o.perm)
		check_page(p, e, l);
}
