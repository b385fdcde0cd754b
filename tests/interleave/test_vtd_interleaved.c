/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_vtd_interleaved.c - a translation and an invalidation, one let in at every instruction of the other (obligation 12):
 * what is translated after the guest was told that the invalidation is complete, is as the tables say now; the same in
 * a section that was open at that time; and so is what caches hold afterwards, whoever came first.
 */
#include "check.h"

#include <stdlib.h>
#include <string.h>

#include "bits.h"
#include "channel.h"
#include "guest.h"
#include "interleave.h"

#define RID	0x10U
#define DID	7U
#define IOVA	UINT64_C(0x40003000)
#define NOWHERE UINT64_C(0x40013000)
#define NEAR	UINT64_C(0x40004000)
#define LARGE	UINT64_C(0x80000000) /* gpa of a page of 2 MiB */
#define MANY	(DOMAIN_VISITED_MAX + 2)

/* What the guest changes, and how it invalidates that. CONTEXTS of a domain: where partitions are told apart, those who know
 * it are concerned. */
enum how { PAGE, TABLE, DOMAIN, GLOBAL, CONTEXT, CONTEXTS, LARGER, SMALLER, CHAIN };

/* What is cached of it before, and who translates. */
enum who {
	COLD,
	WARM_MICRO,
	WARM_TLB,
	DEVICE,
	DEVICE_COLD,
	SECTION,
	QUIET, /* in a section: nobody remembers */
	LIST,
	DEVICE_NEAR,
	PAGE_COLD
};

struct row {
	const char *name;
	enum how how;
	enum who who;
	bool invalidator; /* it is the one that is stopped */
	bool paused;	  /* the translation has been stopped at its load of the last entry, too */
	bool early;	  /* before the invalidation began */
};

struct world {
	const struct row *row;
	struct guest g;
	struct viommu_device *device;
	struct viommu_channel *channel;
	uint64_t tree[2];
	uint64_t page[2];
	uint64_t leaf;	 /* gpa of the entry for IOVA; that for NEAR follows */
	uint64_t entry;	 /* gpa of the context entry */
	uint32_t ticket; /* of the wait */
	bool reading;
	bool miss_first; /* what is asked afterwards */
};

static struct world world;

/* ---- the guest ---- */

static uint64_t before(const struct world *w, uint64_t iova)
{
	return w->row->how == SMALLER ? LARGE | (iova & 0x1fffff) : w->page[0];
}

static uint64_t after(const struct world *w, uint64_t iova)
{
	if (w->row->how == LARGER)
		return LARGE | (iova & 0x1fffff);
	/* the guest has only that page invalidated */
	return w->row->how == PAGE && iova == NEAR ? w->page[0] : w->page[1];
}

static bool is_complete(const struct world *w)
{
	return __atomic_load_n((const uint32_t *)guest_at((struct guest *)(uintptr_t)&w->g,
							  w->g.status),
			       __ATOMIC_ACQUIRE) == w->ticket;
}

/* A translation comes to its last entry. */
static void read_entry(void *opaque, uint64_t gpa, void *bytes, uint32_t count)
{
	const struct world *w = opaque;

	(void)bytes;
	if (w->row->paused && w->reading && w->leaf >= gpa && w->leaf < gpa + count)
		interleave_pause();
}

/* Of table entries: many domains of one id are first stages, one for each PASID. */
static uint64_t bits(const struct world *w)
{
	return w->row->how == CHAIN ? GUEST_FS : GUEST_RW;
}

static void change(struct world *w)
{
	uint64_t upper = guest_entry(&w->g, w->tree[0], 4, IOVA, 1, bits(w));

	if (w->row->how == LARGER)
		guest_put64(&w->g, upper, LARGE | bits(w) | GUEST_LARGE);
	else if (w->row->how == SMALLER)
		guest_put64(&w->g, upper, (w->leaf & ~UINT64_C(0xfff)) | bits(w));
	else if (w->row->how == TABLE)
		guest_put64(&w->g, upper,
			    guest_get64(&w->g,
					guest_entry(&w->g, w->tree[1], 4, IOVA, 1, bits(w))));
	else if (w->row->how == CONTEXT || w->row->how == CONTEXTS)
		guest_put64(&w->g, w->entry, w->tree[1] | 1);
	else
		guest_put64(&w->g, w->leaf, w->page[1] | bits(w));
	if (after(w, NEAR) == w->page[1])
		guest_put64(&w->g, w->leaf + 8, w->page[1] | bits(w));
}

static void invalidate(void *opaque)
{
	struct world *w = opaque;
	/* pages of 4 KiB, as a power of two */
	unsigned am = w->row->how == PAGE ? 0 : w->row->how == TABLE ? 3 : 9;

	change(w);
	if (w->row->how == CONTEXT)
		guest_submit(&w->g, GUEST_CC(VTD_GRAN_LOCAL, DID, RID, 0), 0, 0, 0);
	else if (w->row->how == CONTEXTS)
		guest_submit(&w->g, GUEST_CC(VTD_GRAN_DOMAIN, DID, 0, 0), 0, 0, 0);
	else if (w->row->how == GLOBAL)
		guest_submit(&w->g, GUEST_IOTLB(VTD_GRAN_GLOBAL, 0), 0, 0, 0);
	else if (w->row->how == DOMAIN || w->row->how == CHAIN)
		guest_submit(&w->g, GUEST_IOTLB(VTD_GRAN_DOMAIN, DID), 0, 0, 0);
	else
		guest_submit(&w->g, GUEST_IOTLB(VTD_GRAN_LOCAL, DID),
			     (IOVA & ~bits_low(12 + am)) | am, 0, 0);
	guest_submit_wait(&w->g);
	guest_ring(&w->g);
}

/* ---- a world ---- */

static uint32_t pasid(const struct world *w)
{
	return w->row->how == CHAIN ? 0 : VIOMMU_NO_PASID;
}

static void asked(struct world *w, bool by_channel, uint64_t iova, uint64_t gpa)
{
	struct guest_dma d = by_channel ? guest_channel_dma(w->channel, pasid(w), iova, VIOMMU_READ)
					: guest_dma_pasid(w->device, pasid(w), iova, VIOMMU_READ);

	check_eq(w->row->name, d.result, VIOMMU_OK);
	check_eq(w->row->name, d.f.gpa, gpa);
}

/* So many domains of one id that they are flushed as a whole. */
static void many_domains(struct world *w)
{
	struct guest_pasid p = {
		.did = DID, .pgtt = VTD_PGTT_FIRST, .fs = w->tree[0], .fs_levels = 4, .ss_levels = 4
	};

	for (uint32_t i = 0; i < MANY; i++)
		guest_pasid(&w->g, RID, i, &p);
}

static void open_unit(struct world *w)
{
	const struct viommu_limits limits = { .size = sizeof(limits),
					      .tlb_entries = 640,
					      .tables = 16,
					      .contexts = 1024,
					      .domains = 512,
					      .partitions = w->row->how == CONTEXTS ? 2 : 0 };
	bool scalable = w->row->how == CHAIN;
	struct viommu_vtd_config config = { .size = sizeof(config),
					    .cap = scalable ? GUEST_CAP_SCALABLE : GUEST_CAP,
					    .ecap = scalable ? GUEST_ECAP_SCALABLE
							     : GUEST_ECAP_LEGACY,
					    .limits = &limits };
	void (*map)(struct guest *, uint64_t, unsigned, uint64_t, uint64_t, unsigned, uint64_t) =
		scalable ? guest_fs_map : guest_ss_map;

	guest_init(&w->g, w->row->paused ? GUEST_CALLBACKS : GUEST_REGION, 80);
	assert_int_equal(guest_try_vtd_config(&w->g, &config), VIOMMU_OK);
	for (unsigned i = 0; i < 2; i++) {
		w->tree[i] = guest_table(&w->g);
		w->page[i] = guest_alloc(&w->g, 1);
	}
	for (unsigned i = 0; i < 2; i++) {
		map(&w->g, w->tree[i], 4, IOVA, w->page[i], 12, bits(w));
		map(&w->g, w->tree[i], 4, NEAR, w->page[i], 12, bits(w));
	}
	w->leaf = guest_entry(&w->g, w->tree[0], 4, IOVA, 0, bits(w));
	if (w->row->how == SMALLER) {
		guest_put64(&w->g, w->leaf, w->page[1] | bits(w));
		guest_put64(&w->g, w->leaf + 8, w->page[1] | bits(w));
		guest_put64(&w->g, guest_entry(&w->g, w->tree[0], 4, IOVA, 1, bits(w)),
			    LARGE | bits(w) | GUEST_LARGE);
	}
	if (scalable)
		many_domains(w);
	else
		guest_legacy(&w->g, RID, DID, w->tree[0], 4);
	guest_start(&w->g, scalable ? VTD_TTM_SCALABLE : VTD_TTM_LEGACY);
	if (!scalable)
		w->entry = guest_legacy_entry(&w->g, RID);
}

static void open_world(void *opaque)
{
	struct world *w = opaque;
	const struct row *row = w->row;

	*w = (struct world){ .row = row, .miss_first = w->miss_first };
	open_unit(w);
	w->device = guest_device(&w->g, RID);
	w->channel = guest_channel(&w->g, w->device, pasid(w));
	for (uint32_t i = 1; row->how == CHAIN && i < MANY; i++)
		check_eq(row->name, guest_dma_pasid(w->device, i, NEAR, VIOMMU_READ).result,
			 VIOMMU_OK);
	if (row->who != COLD && row->who != DEVICE_COLD && row->who != SECTION &&
	    row->who != QUIET && row->who != PAGE_COLD)
		asked(w, row->who == WARM_MICRO || row->who == LIST, IOVA, before(w, IOVA));
	if (row->who == WARM_TLB || row->who == DEVICE_NEAR || row->who == PAGE_COLD)
		asked(w, row->who == WARM_TLB, NEAR, before(w, NEAR));
	/* the epoch moves, for another's sake; or the context is not known any more */
	if (row->who == DEVICE_NEAR)
		guest_submit(&w->g, GUEST_CC(VTD_GRAN_LOCAL, DID, RID, 0), 0, 0, 0);
	else
		guest_submit(&w->g, GUEST_IOTLB(VTD_GRAN_DOMAIN, DID + 1), 0, 0, 0);
	guest_wait(&w->g);
	w->ticket = w->g.ticket + 1;
	w->g.alter = read_entry;
	w->g.alter_opaque = w;
}

/* ---- translating ---- */

static struct guest_dma list(struct world *w)
{
	const struct viommu_request r = {
		.first = IOVA, .last = IOVA, .pasid = pasid(w), .access = VIOMMU_READ
	};
	struct guest_dma d = { .result = 0 };
	uint32_t done;

	d.result = viommu_translate_list(w->channel, &r, 1, &d.f, 1, &d.answer, &done);
	return d;
}

static void translate(void *opaque)
{
	struct world *w = opaque;
	uint64_t iova = w->row->who == DEVICE_NEAR ? NEAR : IOVA;
	bool section = w->row->who == SECTION || w->row->who == QUIET;
	bool complete = is_complete(w);
	struct guest_dma d;

	if (section)
		check_eq(w->row->name, viommu_enter(w->channel), VIOMMU_OK);
	w->reading = true;
	if (w->row->who == DEVICE || w->row->who == DEVICE_COLD || w->row->who == DEVICE_NEAR)
		d = guest_dma_pasid(w->device, pasid(w), iova, VIOMMU_READ);
	else if (w->row->who == LIST)
		d = list(w);
	else
		d = guest_channel_dma(w->channel, pasid(w), IOVA,
				      VIOMMU_READ | (w->row->who == QUIET ? VIOMMU_QUIET : 0));
	w->reading = false;
	check_eq(w->row->name, d.result, VIOMMU_OK);
	if (section) /* as long as it is open */
		complete = is_complete(w);
	if (complete || d.f.gpa != before(w, iova))
		check_eq(w->row->name, d.f.gpa, after(w, iova));
	if (section)
		check_eq(w->row->name, viommu_leave(w->channel), VIOMMU_OK);
}

static void close_world(void *opaque)
{
	struct world *w = opaque;

	while (!is_complete(w)) /* until whoever was in a section has left: he has */
		check_that(w->row->name, viommu_run(w->g.iommu) >= 0);
	if (w->miss_first) /* so that the channel has looked what has changed, and keeps nothing */
		check_eq(w->row->name,
			 guest_channel_dma(w->channel, pasid(w), NOWHERE, VIOMMU_READ).result,
			 w->row->how == LARGER ? VIOMMU_OK : VIOMMU_FAULT);
	for (unsigned i = 0; i < 3; i++)
		asked(w, i != 1, IOVA, after(w, IOVA));
	asked(w, false, NEAR, after(w, NEAR));
	guest_fini(&w->g);
}

/* ---- rows ---- */

static const struct row rows[] = {
	{ "page, cold", PAGE, COLD, false, false, false },
	{ "page, micro-TLB", PAGE, WARM_MICRO, false, false, false },
	{ "page, TLB", PAGE, WARM_TLB, false, false, false },
	{ "page, device", PAGE, DEVICE, false, false, false },
	{ "page, device, cold", PAGE, DEVICE_COLD, false, false, false },
	{ "page, section", PAGE, SECTION, false, false, false },
	{ "page, list", PAGE, LIST, false, false, false },
	{ "page, another is warm", PAGE, PAGE_COLD, false, false, false },
	{ "table, another is warm", TABLE, PAGE_COLD, false, false, false },
	{ "domain, cold", DOMAIN, COLD, false, false, false },
	{ "domain, micro-TLB", DOMAIN, WARM_MICRO, false, false, false },
	{ "domain, TLB", DOMAIN, WARM_TLB, false, false, false },
	{ "global, cold", GLOBAL, COLD, false, false, false },
	{ "global, micro-TLB", GLOBAL, WARM_MICRO, false, false, false },
	{ "global, TLB", GLOBAL, WARM_TLB, false, false, false },
	{ "global, device", GLOBAL, DEVICE, false, false, false },
	{ "context, cold", CONTEXT, COLD, false, false, false },
	{ "context, micro-TLB", CONTEXT, WARM_MICRO, false, false, false },
	{ "context, device", CONTEXT, DEVICE, false, false, false },
	{ "context, section", CONTEXT, SECTION, false, false, false },
	{ "larger, cold", LARGER, COLD, false, false, false },
	{ "smaller, device, cold", SMALLER, DEVICE_COLD, false, false, false },
	{ "chain, device", CHAIN, DEVICE, false, false, false },
	{ "chain, another page", CHAIN, DEVICE_NEAR, false, false, false },
	{ "global, another page", GLOBAL, DEVICE_NEAR, false, false, false },
	{ "page, section, quiet", PAGE, QUIET, false, false, false },
	{ "contexts, apart, cold", CONTEXTS, COLD, false, false, false },
	{ "contexts, apart, micro-TLB", CONTEXTS, WARM_MICRO, false, false, false },
	{ "contexts, apart, device, cold", CONTEXTS, DEVICE_COLD, false, false, false },
	{ "contexts, apart, section", CONTEXTS, SECTION, false, false, false },
	{ "contexts, apart, section, quiet", CONTEXTS, QUIET, false, false, false },

	{ "let in at contexts, apart, cold", CONTEXTS, COLD, true, false, false },
	{ "let in at contexts, apart, micro-TLB", CONTEXTS, WARM_MICRO, true, false, false },
	{ "let in at contexts, apart, section, quiet", CONTEXTS, QUIET, true, false, false },
	{ "let in at page, cold", PAGE, COLD, true, false, false },
	{ "let in at page, micro-TLB", PAGE, WARM_MICRO, true, false, false },
	{ "let in at page, TLB", PAGE, WARM_TLB, true, false, false },
	{ "let in at page, section", PAGE, SECTION, true, false, false },
	{ "let in at page, another is warm", PAGE, PAGE_COLD, true, false, false },
	{ "let in at table, another is warm", TABLE, PAGE_COLD, true, false, false },
	{ "let in at table, TLB", TABLE, WARM_TLB, true, false, false },
	{ "let in at domain, micro-TLB", DOMAIN, WARM_MICRO, true, false, false },
	{ "let in at domain, TLB", DOMAIN, WARM_TLB, true, false, false },
	{ "let in at global, micro-TLB", GLOBAL, WARM_MICRO, true, false, false },
	{ "let in at global, TLB", GLOBAL, WARM_TLB, true, false, false },
	{ "let in at global, device", GLOBAL, DEVICE, true, false, false },
	{ "let in at context, micro-TLB", CONTEXT, WARM_MICRO, true, false, false },
	{ "let in at context, device", CONTEXT, DEVICE, true, false, false },
	{ "let in at larger, cold", LARGER, COLD, true, false, false },
	{ "let in at chain, micro-TLB", CHAIN, WARM_MICRO, true, false, false },
	{ "let in at chain, device", CHAIN, DEVICE, true, false, false },
	{ "let in at chain, another page", CHAIN, DEVICE_NEAR, true, false, false },
	{ "let in at global, another page", GLOBAL, DEVICE_NEAR, true, false, false },

	/* the translation has read what the guest then changes, and goes on anywhere */
	{ "read before, page, cold", PAGE, COLD, true, true, true },
	{ "read before, page, another is warm", PAGE, PAGE_COLD, true, true, true },
	{ "read before, domain, another is warm", DOMAIN, PAGE_COLD, true, true, true },
	{ "read before, page, device, cold", PAGE, DEVICE_COLD, true, true, true },
	{ "read before, page, section", PAGE, SECTION, true, true, true },
	{ "read before, domain, cold", DOMAIN, COLD, true, true, true },
	{ "read before, global, cold", GLOBAL, COLD, true, true, true },
	{ "read before, context, cold", CONTEXT, COLD, true, true, true },
	{ "read before, larger, cold", LARGER, COLD, true, true, true },
	{ "read before, chain, cold", CHAIN, COLD, true, true, true },

	/* it comes in anywhere, and ends last */
	{ "ends last, page, cold", PAGE, COLD, true, true, false },
	{ "ends last, domain, cold", DOMAIN, COLD, true, true, false },
	{ "ends last, global, device, cold", GLOBAL, DEVICE_COLD, true, true, false },
};

static void every_point(void **state)
{
	const char *only = getenv("VIOMMU_ROW");

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		const struct row *row = &rows[i];
		const struct interleaving plan = {
			.name = row->name,
			.open = open_world,
			.subject = row->invalidator ? invalidate : translate,
			.other = row->invalidator ? translate : invalidate,
			.close = close_world,
			.early = row->early,
		};

		if (only && !strstr(row->name, only))
			continue;
		world.row = row;
		for (unsigned n = 0; n < 2; n++) {
			world.miss_first = n == 1;
			if (n == 0 || row->who == WARM_MICRO || row->who == WARM_TLB ||
			    row->who == LIST)
				interleave(&plan, &world);
		}
	}
}

int main(void)
{
	return interleave_main(every_point);
}
