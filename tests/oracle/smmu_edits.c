/* SPDX-License-Identifier: BSD-3-Clause */
/* smmu_edits.c - edits of descriptors, and TLBI commands of every kind for them (IHI 0070, 4.4). */
#include "smmu_edits.h"

#include <endian.h>
#include <inttypes.h>
#include <stdio.h>

#include "smmu_trees.h"

#define B(n) (UINT64_C(1) << (n))

/* 4.1.1 */
enum {
	CFGI_ALL = 0x04,
	NH_ALL = 0x10,
	NH_ASID = 0x11,
	NH_VA = 0x12,
	NH_VAA = 0x13,
	EL2_ALL = 0x20,
	EL2_VA = 0x22,
	S12_VMALL = 0x28,
	S2_IPA = 0x2a,
	NSNH_ALL = 0x30,
};

static bool s2p(const struct smmu_edit *e)
{
	return e->image->unit.idr[0] & 1;
}

static void all_cds_again(struct smmu_edit *e)
{
	smmu_rig_put_command(e->rig, CFGI_ALL, 31);
}

/* ---- each VMID, each ASID ---- */

static void of_each_vmid(struct smmu_edit *e, uint64_t op, uint64_t w0, uint64_t w1)
{
	const struct si_image *image = e->image;

	if (!s2p(e)) {
		smmu_rig_put_command(e->rig, op | w0, w1);
		return;
	}
	for (unsigned i = 0; i < image->n; i++) {
		const struct si_slot *s = &image->slot[i];

		if (s->kind == SI_STREAM && s->word % 8 == 2)
			smmu_rig_put_command(e->rig, op | w0 | (le64toh(s->value) & 0xffff) << 32,
					     w1);
	}
}

static void of_each_asid(struct smmu_edit *e, uint64_t op, uint64_t w0, uint64_t w1, bool vmids)
{
	const struct si_image *image = e->image;

	for (unsigned i = 0; i < image->n; i++) {
		const struct si_slot *s = &image->slot[i];
		uint64_t asid = le64toh(s->value) >> 48 << 48;
		bool seen = false;

		if (s->kind != SI_CONTEXT || s->word % 8)
			continue;
		for (unsigned k = 0; k < i && !seen; k++)
			seen = image->slot[k].kind == SI_CONTEXT && !(image->slot[k].word % 8) &&
			       le64toh(image->slot[k].value) >> 48 << 48 == asid;
		if (seen)
			continue;
		if (vmids)
			of_each_vmid(e, op, w0 | asid, w1);
		else
			smmu_rig_put_command(e->rig, op | w0 | asid, w1);
	}
}

/* ---- by address ---- */

/* An address of the page, in the half; with a tag sometimes. */
static uint64_t some_address(struct smmu_edit *e, bool upper)
{
	uint64_t address = e->address ^ (si_random(e->image) & (B(e->lg2) - 1));

	if (upper)
		address |= ~(B(e->tree->t.bits) - 1);
	return address & ~UINT64_C(0xfff);
}

/* 4.4.1: TG, NUM, SCALE so that the range has the page; a length in pages of the granule. */
static void as_range(struct smmu_edit *e, uint64_t *w0, uint64_t *w1)
{
	unsigned page = e->tree->t.kib == 4 ? 12 : e->tree->t.kib == 16 ? 14 : 16;
	unsigned scale = si_pick(e->image, 8), num = si_pick(e->image, 32);
	uint64_t address = *w1 >> page << page;
	uint64_t bytes = (num + UINT64_C(1)) << scale << page;

	/* it begins up to its length before the address, and not before 0 */
	bytes = si_random(e->image) % bytes >> page << page;
	address -= bytes < address ? bytes : address;
	*w0 |= (uint64_t)num << 12 | (uint64_t)scale << 20;
	*w1 = address | (page == 12 ? 1U : page == 14 ? 2U : 3U) << 10;
}

static bool ranges(const struct smmu_edit *e)
{
	return e->image->unit.idr[3] >> 10 & 1;
}

static void by_address(struct smmu_edit *e, bool upper)
{
	bool hyp = e->image->unit.idr[0] >> 9 & 1;
	uint64_t w0 = 0, w1 = some_address(e, upper);

	if (ranges(e) && si_pick(e->image, 2)) {
		as_range(e, &w0, &w1);
		if (!(w0 & UINT64_C(0x3f1f000))) { /* illegal without TTL */
			w0 = 0;
			w1 = some_address(e, upper);
		}
	}
	if (hyp)
		of_each_asid(e, EL2_VA, w0, w1, false);
	if (si_pick(e->image, 2))
		of_each_asid(e, NH_VA, w0, w1, true);
	else
		of_each_vmid(e, NH_VAA, w0, w1);
}

static void of_stage1(struct smmu_edit *e)
{
	bool hyp = e->image->unit.idr[0] >> 9 & 1;
	/* neither was it global, nor is it */
	uint64_t ng = e->tree->t.big_endian ? B(51) : B(11);
	bool not_global = e->old & ng && e->new &ng && !(e->old & htole64(3) & ~e->new);

	switch (si_pick(e->image, 4)) {
	case 0:
		of_each_vmid(e, NH_ALL, 0, 0);
		if (hyp)
			smmu_rig_put_command(e->rig, EL2_ALL, 0);
		break;
	case 1:
		if (not_global) {
			of_each_asid(e, NH_ASID, 0, 0, true);
			if (hyp)
				smmu_rig_put_command(e->rig, EL2_ALL, 0);
			break;
		}
		/* fall through */
	default:
		by_address(e, false);
		by_address(e, true);
	}
}

static void of_stage2(struct smmu_edit *e)
{
	uint64_t w0 = 0, w1 = e->address & ~UINT64_C(0xfff);

	if (si_pick(e->image, 2)) {
		of_each_vmid(e, S12_VMALL, 0, 0);
		return;
	}
	if (ranges(e) && si_pick(e->image, 2)) {
		as_range(e, &w0, &w1);
		if (!(w0 & UINT64_C(0x3f1f000))) {
			w0 = 0;
			w1 = e->address & ~UINT64_C(0xfff);
		}
	}
	of_each_vmid(e, S2_IPA, w0, w1);
	if (e->image->unit.idr[0] & 2)
		of_each_vmid(e, NH_ALL, 0, 0); /* what both stages made together */
}

static void of_anything(struct smmu_edit *e)
{
	if (e->image->unit.idr[0] >> 9 & 1)
		smmu_rig_put_command(e->rig, EL2_ALL, 0);
	if (si_pick(e->image, 2))
		smmu_rig_put_command(e->rig, NSNH_ALL, 0);
	else
		of_each_vmid(e, s2p(e) ? S12_VMALL : NH_ALL, 0, 0);
}

/* ---- what is edited ---- */

static enum si_kind kind_of(const struct si_image *image, uint64_t word)
{
	for (unsigned i = 0; i < image->n; i++)
		if (image->slot[i].word == word)
			return (enum si_kind)image->slot[i].kind;
	return SI_GROUP;
}

static bool pick_page(struct smmu_edit *e)
{
	struct si_image *image = e->image;
	const struct si_tree *tree = &image->tree[si_pick(image, SI_TREES)];

	if (!tree->n)
		return false;
	e->tree = tree;
	e->address = tree->address[si_pick(image, tree->n)];
	if (!si_find_leaf(image, &e->rig->mem, tree, e->address, &e->word, &e->lg2))
		return false;
	return kind_of(image, e->word) == SI_TABLE;
}

static bool pick_descriptor(struct smmu_edit *e)
{
	const struct si_slot *s = &e->image->slot[si_pick(e->image, e->image->n)];

	e->tree = NULL;
	e->word = s->word;
	return s->kind == SI_TABLE;
}

static uint64_t pick_flip(struct smmu_edit *e)
{
	static const uint8_t bits[] = { 0, 6, 7, 10, 11, 53, 54, 51, 30, 17 };
	unsigned bit = si_pick(e->image, 2) ? bits[si_pick(e->image, sizeof(bits))]
					    : si_pick(e->image, 64);
	uint64_t flip = B(bit);

	if (e->tree && e->tree->t.big_endian)
		flip = __builtin_bswap64(flip);
	/* nothing becomes one page with its neighbours, in either order of bytes; nor a table of what was a page */
	return flip & ~(B(52) | B(12)) & ~(e->tree ? B(1) | B(57) : 0);
}

bool smmu_edit_pick(struct smmu_edit *e, struct smmu_rig *rig, struct si_image *image)
{
	*e = (struct smmu_edit){ .rig = rig, .image = image };
	return si_pick(image, 4) ? pick_page(e) : pick_descriptor(e);
}

void smmu_edit_apply(struct smmu_edit *e, struct si_memory *other)
{
	uint64_t flip = pick_flip(e);

	e->old = e->rig->mem.words[e->word];
	e->new = e->old ^ flip;
	e->rig->mem.words[e->word] ^= flip;
	other->words[e->word] ^= flip;
	(void)snprintf(e->text, sizeof(e->text),
		       "edit of %" PRIx64 " by %" PRIx64 ", %s of %" PRIx64 " (2^%u)", e->word * 8,
		       flip,
		       !e->tree		 ? "any"
		       : e->tree->stage2 ? "stage 2"
					 : "stage 1",
		       e->address, e->lg2);
	if (!e->tree || e->tree->stage2) /* context descriptors may lie elsewhere */
		all_cds_again(e);
	if (!e->tree)
		of_anything(e);
	else if (e->tree->stage2)
		of_stage2(e);
	else
		of_stage1(e);
	smmu_rig_sync(e->rig);
}
