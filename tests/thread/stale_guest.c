/* SPDX-License-Identifier: BSD-3-Clause */
/* stale_guest.c - tables whose targets say which version they are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "stale_guest.h"

const struct stale_page pages[PAGES] = {
	{ 0x40000000, 12 }, { 0x40001000, 12 }, { 0x40200000, 21 }, { 0x80000000, 30 }
};

bool stale_is_first(enum mode mode)
{
	return mode == FIRST || mode == NESTED_FIRST;
}

uint64_t stale_target(unsigned page, uint64_t version)
{
	return BASE + (version << pages[page].lg2);
}

/* The tree whose targets change. */
static void build_tree(struct checker *c, struct subject *s, unsigned i)
{
	struct world *w = &c->w;

	s->tree[i] = world_alloc(w, 1);
	for (unsigned p = 0; p < PAGES; p++)
		s->leaf[i][p] =
			world_map(w, s->tree[i], pages[p].iova, stale_target(p, 0), pages[p].lg2,
				  stale_is_first(c->row->mode) ? GUEST_FS : GUEST_RW);
	if (c->row->mode == NESTED_SECOND) /* the tables of the first stage */
		world_map(w, s->tree[i], 0, 0, 30, GUEST_RW);
}

/* Two tables of 4 KiB pages, of which one is in use: pages 0 and 1. In a region, so that they are remembered. */
static void build_tables(struct checker *c, struct subject *s)
{
	struct world *w = &c->w;
	struct viommu_region region = { .size = sizeof(region), .bytes = PAGE };

	s->above = world_entry(w, s->tree[0], pages[0].iova, 1, 0);
	s->table[0] = world_get64(w, s->above) & BITS(51, 12);
	s->table[1] = world_alloc(w, 1);
	for (unsigned i = 0; c->row->slow && i < 2; i++) {
		region.gpa = s->table[i];
		region.host = w->ram + region.gpa;
		assert_int_equal(viommu_vm_add_region(w->vm, &region), VIOMMU_OK);
	}
}

/* The tree that stays as it is, of the other stage of a nested translation. */
static uint64_t build_fixed(struct checker *c)
{
	struct world *w = &c->w;
	uint64_t tree = world_alloc(w, 1);

	if (c->row->mode == NESTED_SECOND) {
		for (unsigned p = 0; p < PAGES; p++)
			world_map(w, tree, pages[p].iova, pages[p].iova, pages[p].lg2, GUEST_FS);
		return tree;
	}
	world_map(w, tree, 0, 0, 30, GUEST_RW);
	for (uint64_t at = BASE; at < 2 * BASE; at += UINT64_C(1) << 30)
		world_map(w, tree, at, at, 30, GUEST_RW);
	return tree;
}

static void build_legacy(struct checker *c, struct subject *s)
{
	for (unsigned i = 0; i < 2; i++) {
		s->pointer[i] = world_context(&c->w, (uint16_t)(s->rid + i));
		s->pointer_bits = VTD_CE_P;
		world_put64(&c->w, s->pointer[i] + 8,
			    bits_put(VTD_CE_AW, 2) | bits_put(VTD_CE_DID, s->did));
		world_put64(&c->w, s->pointer[i], s->tree[0] | s->pointer_bits);
	}
}

static void build_scalable(struct checker *c, struct subject *s)
{
	static const uint64_t pgtt[] = { [SECOND] = VTD_PGTT_SECOND,
					 [FIRST] = VTD_PGTT_FIRST,
					 [NESTED_FIRST] = VTD_PGTT_NESTED,
					 [NESTED_SECOND] = VTD_PGTT_NESTED };
	enum mode mode = c->row->mode;
	uint64_t fixed = mode >= NESTED_FIRST ? build_fixed(c) : 0;
	uint64_t entry = world_pasid(&c->w, s->rid, s->pasid == VIOMMU_NO_PASID ? 0 : s->pasid);
	uint64_t bits = VTD_PE_P | bits_put(VTD_PE_PGTT, pgtt[mode]) |
			(mode == FIRST ? 0 : bits_put(VTD_PE_AW, 2));
	uint64_t word[3] = { bits, VTD_PE_PWSNP | s->did, 0 };

	s->pointer[0] = s->pointer[1] = entry + (stale_is_first(mode) ? 16 : 0);
	s->pointer_bits = stale_is_first(mode) ? 0 : bits;
	word[0] |= stale_is_first(mode) ? fixed : s->tree[0];
	word[2] |= stale_is_first(mode) ? s->tree[0] : fixed;
	for (unsigned i = 3; i > 0; i--)
		world_put64(&c->w, entry + (i - 1) * 8, word[i - 1]);
}

void stale_build(struct checker *c, unsigned i)
{
	bool pasids = c->row->mode >= FIRST;
	struct subject *s = &c->subject[i];
	struct viommu_device_config config = { .size = sizeof(config) };

	memset(s, 0, sizeof(*s));
	s->rid = pasids ? 8 : (uint16_t)(8 + 4 * i);
	s->pasid = pasids ? i + 1 : VIOMMU_NO_PASID;
	s->did = c->row->mode == FIRST ? 1 : (uint16_t)(i + 1);
	config.id = s->rid;
	config.partition = c->row->partitions ? i % c->row->partitions : 0;
	if (pasids && i)
		s->device = c->subject[0].device;
	else
		assert_int_equal(viommu_device_new(c->w.iommu, &config, &s->device), VIOMMU_OK);
	build_tree(c, s, 0);
	build_tree(c, s, 1);
	if (c->row->upper)
		build_tables(c, s);
	if (c->row->mode == LEGACY)
		build_legacy(c, s);
	else
		build_scalable(c, s);
}
