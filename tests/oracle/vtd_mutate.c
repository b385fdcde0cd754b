/* SPDX-License-Identifier: BSD-3-Clause */
/* vtd_mutate.c - damage. */
#include "vtd_tables_internal.h"

static bool pick_slot(const struct vt_image *image, struct vt_rng *rng, unsigned *slot)
{
	unsigned kind = below(rng, VT_KINDS);

	for (unsigned tries = 0; tries < 400; tries++) {
		*slot = below(rng, image->nslots);
		if (image->slot_kind[*slot] == kind)
			return true;
	}
	return false;
}

/* Somewhere below 2^HAW that is not memory. */
static uint64_t unbacked(const struct vt_image *image, struct vt_rng *rng)
{
	return (vt_random(rng) & (BIT(image->unit.haw) - PAGE)) | BIT(image->unit.haw - 2);
}

static void mutate_word(struct vt_image *image, struct vt_rng *rng)
{
	unsigned haw = image->unit.haw;
	unsigned slot;
	uint64_t *word;

	if (!pick_slot(image, rng, &slot))
		return;
	word = &image->mem.words[image->slot[slot]];
	switch (below(rng, 8)) {
	case 0:
		*word ^= BIT(below(rng, 64));
		break;
	case 1:
		*word ^= BIT(below(rng, 12));
		break;
	case 2:
	case 3:
		*word = (*word & (UINT64_C(0xfff) << 52 | 0xfff)) | unbacked(image, rng);
		break;
	case 4:
		*word &= ~UINT64_C(3);
		break;
	case 5:
		*word |= BIT(haw < 52 ? haw + below(rng, 52 - haw) : 51);
		break;
	case 6:
		*word = (*word & (UINT64_C(0xfff) << 52 | 0xfff)) | PAGE * below(rng, VT_PAGES);
		break;
	default:
		*word |= BIT(12 + below(rng, 10)) | maybe(rng, 200, BIT(7));
	}
}

/* A whole unused qword of an entry that ought to be zero. */
static void mutate_reserved_word(struct vt_image *image, struct vt_rng *rng)
{
	unsigned slot;

	if (!pick_slot(image, rng, &slot) || image->slot_kind[slot] > VT_PASID)
		return;
	put(image, (enum vt_kind)image->slot_kind[slot],
	    8 * ((uint64_t)image->slot[slot] + 1 + below(rng, 5)), BIT(below(rng, 64)));
}

static void mutate_unit(struct vt_image *image, struct vt_rng *rng)
{
	struct vo_unit *u = &image->unit;
	unsigned page = below(rng, image->next_page ? image->next_page : 1);

	switch (below(rng, 12)) {
	case 0:
		u->rtaddr ^= BIT(10 + below(rng, 2));
		break;
	case 1:
		u->rtaddr |= BIT(u->haw < 63 ? u->haw : 63);
		break;
	case 2:
		u->rtaddr = (u->rtaddr & 0xfff) | unbacked(image, rng);
		break;
	case 3:
		u->ecap &= ~BIT(below(rng, 64));
		make_consistent(u);
		break;
	default:
		image->mem.ro_first = PAGE * page;
		image->mem.ro_last = PAGE * (page + 1 + below(rng, 24)) - 1;
	}
}

void mutate(struct vt_image *image, struct vt_rng *rng)
{
	image->mutations = 1 + below(rng, 4);
	for (unsigned i = 0; i < image->mutations; i++) {
		unsigned kind = below(rng, 20);

		if (kind == 0)
			mutate_reserved_word(image, rng);
		else if (kind <= 3)
			mutate_unit(image, rng);
		else
			mutate_word(image, rng);
	}
}
