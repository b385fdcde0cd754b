/* SPDX-License-Identifier: BSD-3-Clause */
/* smmu_image.c - registers, stream table, context descriptors. Trees are in smmu_trees.c. */
#include "smmu_image.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "smmu_trees.h"

#define B(n) (UINT64_C(1) << (n))

uint64_t si_random(struct si_image *image)
{
	uint64_t x = image->rng;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	image->rng = x;
	return x * UINT64_C(2685821657736338717);
}

uint32_t si_pick(struct si_image *image, uint32_t n)
{
	return (uint32_t)((si_random(image) >> 32) * n >> 32);
}

static bool one_in(struct si_image *image, uint32_t n)
{
	return si_pick(image, n) == 0;
}

/* ---- memory ---- */

bool si_memory_init(struct si_memory *m)
{
	m->words = aligned_alloc(4096, SI_BYTES);
	if (m->words)
		memset(m->words, 0, SI_BYTES);
	return m->words;
}

void si_memory_fini(struct si_memory *m)
{
	free(m->words);
}

bool si_read(void *opaque, uint64_t pa, uint64_t *word)
{
	const struct si_memory *m = opaque;

	if (pa >= SI_BYTES)
		return false;
	*word = m->words[pa / 8];
	return true;
}

bool si_write(void *opaque, uint64_t pa, uint64_t word)
{
	struct si_memory *m = opaque;

	if (pa >= SI_BYTES)
		return false;
	m->words[pa / 8] = word;
	return true;
}

struct si_image *si_image_new(void)
{
	struct si_image *image = calloc(1, sizeof(*image));

	if (!image)
		return NULL;
	image->taken = calloc(1, SI_BYTES / 64);
	if (!image->taken || !si_memory_init(&image->mem)) {
		free(image->taken);
		free(image);
		return NULL;
	}
	return image;
}

void si_image_free(struct si_image *image)
{
	si_memory_fini(&image->mem);
	free(image->taken);
	free(image);
}

void si_load(struct si_memory *m, const struct si_image *image)
{
	for (unsigned i = 0; i < image->n; i++)
		m->words[image->slot[i].word] = image->slot[i].value;
}

void si_unload(struct si_memory *m, const struct si_image *image)
{
	for (unsigned i = 0; i < image->n; i++)
		m->words[image->slot[i].word] = 0;
}

bool si_put(struct si_image *image, uint64_t pa, uint64_t word, enum si_kind kind)
{
	uint64_t w = pa / 8;

	if (pa >= SI_BYTES || image->n == SI_SLOTS)
		return false;
	if (!(image->taken[w / 8] >> (w % 8) & 1)) {
		image->taken[w / 8] |= (uint8_t)(1U << (w % 8));
		image->slot[image->n++] =
			(struct si_slot){ .word = (uint32_t)w, .kind = (uint8_t)kind };
	}
	image->mem.words[w] = word;
	return true;
}

uint64_t si_alloc(struct si_image *image, uint64_t bytes)
{
	uint64_t at = (image->next + bytes - 1) / bytes * bytes;

	if (at + bytes > SI_BYTES)
		return 0;
	image->next = at + bytes;
	return at;
}

/* ---- registers ---- */

static uint32_t idr0(struct si_image *image, unsigned stages, unsigned minor)
{
	uint32_t r = stages | 2U << 2 | 1U << 4 | 1U << 13; /* AArch64, coherent, MSI */

	r |= si_pick(image, 4) << 6;
	if (stages == 3 && (minor >= 2 || one_in(image, 2)))
		r |= 1U << 9;
	r |= si_pick(image, 2) << 12 | si_pick(image, 2) << 18 | si_pick(image, 2) << 19;
	r |= (one_in(image, 2) ? 0U : one_in(image, 4) ? 3U : 2U) << 21;
	r |= (uint32_t)(one_in(image, 2)   ? 1
			: one_in(image, 4) ? 2
					   : 0)
		     << 24 |
	     (uint32_t)one_in(image, 2) << 26;
	r |= si_pick(image, 2) << 10 | si_pick(image, 2) << 11; /* ATS, NS1ATS */
	if (!(r >> 10 & 1) || stages != 3)
		r &= ~(1U << 11);
	r |= (r >> 10 & 1) << 23;
	return r | 1U << 27; /* two levels */
}

static uint32_t idr3(struct si_image *image, unsigned stages, unsigned minor)
{
	uint32_t r = 0;

	if (stages & 2 && (minor >= 1 || one_in(image, 2)))
		r |= 1U << 2;
	if (stages & 1 && minor >= 1)
		r |= 1U << 4;
	if (minor >= 2) /* RIL, BBML; FWB, STT by chance */
		r |= 1U << 10 | (1U + si_pick(image, 2)) << 11 | (stages & 1 ? 1U << 8 : 0);
	if (minor >= 1)
		r |= si_pick(image, 2) << 9;
	if (stages & 2 && minor >= 3)
		r |= 1U << 13;
	if (stages & 2 && minor >= 4)
		r |= 1U << 17;
	return r;
}

static void pick_unit(struct si_image *image)
{
	struct so_unit *u = &image->unit;
	unsigned stages = one_in(image, 4) ? 1 + si_pick(image, 2) : 3;
	unsigned oas = one_in(image, 3) ? 6 : 4 + si_pick(image, 2);
	unsigned vax = one_in(image, 2);

	memset(u, 0, sizeof(*u));
	u->minor = 1 + si_pick(image, 4);
	u->idr[0] = idr0(image, stages, u->minor);
	u->idr[1] = 16 | (stages & 2 ? si_pick(image, 3) * 4 : 0) << 6 | 16U << 16 | 16U << 21 |
		    si_pick(image, 2) << 26;
	u->idr[3] = idr3(image, stages, u->minor);
	u->idr[5] = oas | 7U << 4 | vax << 10;
	if (vax && oas == 6 && u->minor >= 3)
		u->idr[5] |= si_pick(image, 2) << 7;
	if ((u->idr[0] >> 24 & 3) != 1)
		u->idr[5] |= 16U << 16;
	u->enabled = !one_in(image, 64);
	u->gbpa = si_pick(image, 2) << 20;
	u->recinvsid = si_pick(image, 2);
	u->atschk = (u->idr[0] >> 10 & 1) && si_pick(image, 2);
	u->rec_cfg_ats = (u->idr[0] >> 23 & 1) && si_pick(image, 2);
	u->e2h = (u->idr[0] >> 9 & 1) && one_in(image, 2);
	for (unsigned i = 0; i < 2; i++)
		image->big_endian[i] = (u->idr[0] >> 21 & 3) == 3 ||
				       ((u->idr[0] >> 21 & 3) == 0 && one_in(image, 2));
	image->ds[0] = (u->idr[5] >> 7 & 1) && one_in(image, 2);
	image->ds[1] = (u->idr[5] >> 7 & 1) && one_in(image, 2);
}

/* ---- streams ---- */

static uint64_t size_code(struct si_image *image, unsigned bits)
{
	static const uint8_t sizes[] = { 32, 36, 40, 42, 44, 48, 52 };
	unsigned code = 0;

	while (code < 6 && sizes[code] < bits)
		code++;
	return one_in(image, 8) ? si_pick(image, 8) : code;
}

static uint64_t half_bits(const struct si_tree *tree, unsigned half)
{
	static const uint8_t tg[2][3] = { { 0, 2, 1 }, { 2, 1, 3 } };
	unsigned k = tree->t.kib == 4 ? 0 : tree->t.kib == 16 ? 1 : 2;

	return (64 - tree->t.bits) | (uint64_t)tg[half][k] << 6;
}

/* HA, and HD above it, as IDR0.HTTU allows. */
static unsigned update_bits(struct si_image *image)
{
	unsigned httu = image->unit.idr[0] >> 6 & 3, ha = httu && !one_in(image, 3);

	if (httu >= 2 && one_in(image, 8))
		return 2; /* of no use by itself */

	return ha | (unsigned)(ha && httu >= 2 && !one_in(image, 3)) << 1;
}

/* Bits of a table's address that are ignored, unless the table is very small. */
static uint64_t ignored(struct si_image *image)
{
	return one_in(image, 4) ? (uint64_t)si_pick(image, 4) << 4 : 0;
}

/* Whether a fault is to stall. */
static bool stalls(struct si_image *image)
{
	switch (image->unit.idr[0] >> 24 & 3) {
	case 0:
		return one_in(image, 4);
	case 1:
		return false;
	default:
		return !one_in(image, 32);
	}
}

static void put_cd(struct si_image *image, uint64_t at, const struct si_tree *const half[2])
{
	uint64_t w[8] = { 0 }, update = image->update[0];
	unsigned bits = 32;

	for (unsigned h = 0; h < 2; h++) {
		if (!half[h]) {
			w[0] |= B(h ? 30 : 14);
			if (one_in(image, 2)) /* whatever is there is ignored */
				w[0] |= (si_random(image) & 0x3fff) << (h ? 16 : 0);
			continue;
		}
		w[0] |= half_bits(half[h], h) << (h ? 16 : 0);
		if (half[h]->t.ps > bits)
			bits = half[h]->t.ps;
		w[1 + h] |= half[h]->t.base | ignored(image) | (one_in(image, 4) ? B(1) : 0) |
			    (one_in(image, 8) ? B(2) : 0);
		if (half[h]->t.big_endian)
			w[0] |= B(15);
	}
	w[0] |= B(31) | size_code(image, bits) << 32 | B(41) | (update & 1) << 43 |
		(update >> 1) << 42;
	w[0] |= (uint64_t)one_in(image, 8) << 35 | (uint64_t)one_in(image, 4) << 36 |
		(uint64_t)si_pick(image, 4) << 38 | (uint64_t)one_in(image, 4) << 40;
	w[0] |= (uint64_t)!one_in(image, 8) << 45 |
		(uint64_t)((image->unit.idr[0] >> 26 & 1) || !one_in(image, 4)) << 46;
	w[0] |= (uint64_t)stalls(image) << 44;
	w[0] |= (uint64_t)si_pick(image, 2) << 47 | (uint64_t)si_pick(image, 3) << 48;
	w[1] |= (uint64_t)one_in(image, 2) << 59 | (update & 1 && one_in(image, 2) ? B(3) : 0);
	w[2] |= (uint64_t)image->ds[0] << 58;
	for (unsigned i = 0; i < 8; i++)
		si_put(image, at + 8 * i, htole64(w[i]), SI_CONTEXT);
}

/* The table of descriptors, and where it is to the STE. */
static uint64_t put_cds(struct si_image *image, struct si_stream *s, unsigned fmt, bool nested)
{
	uint64_t delta = nested ? image->delta : 0;
	uint64_t leaf = si_alloc(image, fmt == 2 ? 65536 : 4096), l1 = leaf;

	for (unsigned i = 0; i < 1U << s->cdmax; i++)
		put_cd(image, leaf + 64 * i, s->half[i]);
	if (s->cdmax && fmt) {
		l1 = si_alloc(image, 4096);
		si_put(image, l1, htole64((leaf + delta) | 1), SI_CONTEXT);
	}
	if (nested) {
		si_cover(image, leaf);
		si_cover(image, l1);
	}
	return l1 + delta;
}

static const struct si_tree *pick_tree(struct si_image *image, bool stage2, bool nested)
{
	for (unsigned i = 0; i < 32; i++) {
		const struct si_tree *t = &image->tree[si_pick(image, SI_TREES)];

		if (t->n && t->stage2 == stage2 && t->nested == nested)
			return t;
	}
	return NULL;
}

static uint64_t stage2_bits(struct si_image *image, const struct si_tree *tree, uint64_t *w3)
{
	static const uint8_t sl_of_4k[] = { 4, 2, 1, 0, 3 };
	unsigned sl = tree->t.kib == 4 ? sl_of_4k[tree->t.start + 1] : 3U - (unsigned)tree->t.start;
	unsigned tg = tree->t.kib == 4 ? 0 : tree->t.kib == 16 ? 2 : 1;
	uint64_t update = image->update[1], w;

	w = (uint64_t)(64 - tree->t.bits) << 32 | (uint64_t)(sl & 3) << 38 | (uint64_t)tg << 46;
	w |= size_code(image, tree->t.ps) << 48 | B(51) | (tree->t.big_endian ? B(52) : 0);
	w |= (one_in(image, 8) ? B(53) : 0) | (one_in(image, 4) ? B(54) : 0);
	w |= (update >> 1) << 55 | (update & 1) << 56 | (one_in(image, 8) ? 0 : B(58));
	w |= (update & 1 && one_in(image, 2) ? B(59) : 0) | (uint64_t)stalls(image) << 57;
	*w3 = tree->t.base | ignored(image) | (sl & 4) | (uint64_t)image->ds[1] << 3;
	return w;
}

static void put_ste(struct si_image *image, uint64_t at, struct si_stream *s)
{
	uint64_t w[8] = { 0 };
	bool nested = s->config == 7;
	unsigned ssidsize = image->unit.idr[1] >> 6 & 31, fmt = 0;

	w[0] = 1 | s->config << 1;
	if (s->config & 1 && s->config >= 4) {
		if (ssidsize && one_in(image, 2))
			s->cdmax = 1 + si_pick(image, 2);
		if (image->unit.idr[0] >> 19 & 1)
			fmt = si_pick(image, 3);
		for (unsigned i = 0; i < 1U << s->cdmax; i++)
			for (unsigned h = 0; h < 2; h++)
				s->half[i][h] =
					one_in(image, 8) ? NULL : pick_tree(image, false, nested);
		w[0] |= fmt << 4 | put_cds(image, s, fmt, nested) | (uint64_t)s->cdmax << 59;
		w[1] |= si_pick(image, 4);
	}
	if (s->config & 2 && s->config >= 4) {
		s->stage2 = one_in(image, 8) ? pick_tree(image, true, false) : image->below;
		if (!s->stage2)
			s->stage2 = image->below;
		if (s->stage2)
			w[2] |= stage2_bits(image, s->stage2, &w[3]);
	}
	w[1] |= one_in(image, 4) ? B(25) : 0; /* S2FWB */
	w[1] |= (uint64_t)si_pick(image, 4) << 48 | (uint64_t)si_pick(image, 4) << 50;
	w[1] |= (one_in(image, 8) ? 2ULL : 0) << 30 | (one_in(image, 2) ? B(19) : 0);
	w[1] |= (uint64_t)(one_in(image, 4) ? si_pick(image, 4)
			   : s->config == 7 ? 1 + si_pick(image, 2)
					    : 1)
		<< 28; /* EATS */
	if (!(image->unit.idr[0] >> 24 & 3))
		w[1] |= one_in(image, 16) ? B(27) : 0; /* S1STALLD */
	w[2] |= si_pick(image, 3);
	for (unsigned i = 0; i < 8; i++)
		si_put(image, at + 8 * i, htole64(w[i]), SI_STREAM);
}

static unsigned pick_config(struct si_image *image)
{
	unsigned stages = image->unit.idr[0] & 3; /* S2P, S1P */
	unsigned config = si_pick(image, 16);

	if (config < 8)
		config = 7;
	else if (config >= 12)
		config = config >= 14 ? 6 : 5;
	else
		config = one_in(image, 4) ? si_pick(image, 8) : 6;
	if (one_in(image, 32))
		return config; /* supported or not */
	if (config >= 4 && config & 1 && !(stages & 2))
		config &= ~1U;
	if (config >= 4 && config & 2 && !(stages & 1))
		config &= ~2U;
	return config;
}

static void put_streams(struct si_image *image)
{
	struct so_unit *u = &image->unit;
	bool two = one_in(image, 2);
	unsigned split = two ? 6 + 2 * si_pick(image, 2) : 0;
	uint64_t table = si_alloc(image, 65536);

	image->sid_bits = two ? split + 2 : 5;
	u->strtab_base = table;
	u->strtab_cfg = image->sid_bits | split << 6 | (uint32_t)two << 16;
	image->streams = SI_STREAMS;
	for (unsigned i = 0; i < SI_STREAMS; i++) {
		struct si_stream *s = &image->stream[i];

		memset(s, 0, sizeof(*s));
		s->sid = two ? (i & 3) << split | i >> 2 : i;
		s->config = pick_config(image);
	}
	for (unsigned i = 0; i < SI_STREAMS; i++) {
		uint64_t at = table + 64 * i;

		if (two) {
			uint64_t leaf = table + 4096 + 1024 * (i & 3);

			at = leaf + 64 * (i >> 2);
			/* spans of 2 to 4 streams, rarely none or too many */
			si_put(image, table + 8 * (i & 3),
			       htole64(leaf | (one_in(image, 16) ? si_pick(image, 32)
								 : 2 + si_pick(image, 2))),
			       SI_STREAM);
		}
		put_ste(image, at, &image->stream[i]);
	}
}

/* ---- the image ---- */

/* Some bits somewhere. Neighbours that are one page stay as they are, and nothing becomes one. */
static void mutate(struct si_image *image)
{
	unsigned flips = one_in(image, 2) ? 0 : 1 + si_pick(image, 8);

	for (unsigned i = 0; i < flips; i++) {
		struct si_slot *s = &image->slot[si_pick(image, image->n)];
		uint64_t bits = B(si_pick(image, 64));

		if (one_in(image, 4))
			bits |= B(si_pick(image, 64));
		if (s->kind == SI_GROUP)
			continue;
		if (s->kind == SI_TABLE)
			bits &= ~(B(52) | B(12)); /* and where big-endian ones have it */
		if (s->kind == SI_CONTEXT && s->word % 8 == 0)
			bits &= ~(B(42) | B(43)); /* see update */
		if (s->kind == SI_STREAM && s->word % 8 == 2)
			bits &= ~(B(55) | B(56));
		image->mem.words[s->word] ^= bits;
	}
}

void si_build(struct si_image *image, uint64_t seed)
{
	for (unsigned i = 0; i < image->n; i++) {
		uint32_t w = image->slot[i].word;

		image->mem.words[w] = 0;
		image->taken[w / 8] = 0;
	}
	image->n = 0;
	image->rng = seed * 2 + 1;
	for (unsigned i = 0; i < 8; i++)
		si_random(image);
	image->next = 0x10000;
	pick_unit(image);
	image->update[0] = update_bits(image);
	image->update[1] = update_bits(image);
	si_plant(image);
	if (one_in(image, 2))
		image->next = (image->next | 0x1fffff) + 1;
	put_streams(image);
	mutate(image);
	for (unsigned i = 0; i < image->n; i++)
		image->slot[i].value = image->mem.words[image->slot[i].word];
}

/* ---- requests ---- */

static uint64_t pick_address(struct si_image *image, const struct si_tree *tree, unsigned half)
{
	uint64_t address;

	if (!tree)
		return one_in(image, 2) ? si_random(image)
					: si_random(image) >> (12 + si_pick(image, 40));
	address = tree->address[si_pick(image, tree->n)];
	if (!tree->stage2 && half)
		address |= ~(B(tree->t.bits) - 1);
	address ^= si_pick(image, 4096);
	if (one_in(image, 8))
		address ^= (uint64_t)si_pick(image, 64) << 12;
	if (one_in(image, 16))
		address ^= B(12 + si_pick(image, 52));
	if (one_in(image, 8))
		address ^= (uint64_t)si_pick(image, 256) << 56;
	return address;
}

void si_request(struct si_image *image, struct so_request *q)
{
	const struct si_stream *s = &image->stream[si_pick(image, image->streams)];
	unsigned cd = 0, access = si_pick(image, 8), half = si_pick(image, 2);
	const struct si_tree *tree;

	memset(q, 0, sizeof(*q));
	q->sid = s->sid;
	if (one_in(image, 32))
		q->sid = si_pick(image, 2U << image->sid_bits);
	if (s->cdmax ? !one_in(image, 4) : one_in(image, 32)) {
		q->ssv = true;
		cd = si_pick(image, 1U << s->cdmax);
		q->ssid = one_in(image, 16) ? si_pick(image, 64) : cd;
	}
	tree = s->config & 1 ? s->half[cd][half] : s->config == 6 ? s->stage2 : NULL;
	if (one_in(image, 32))
		tree = NULL;
	q->address = pick_address(image, tree, half);
	q->read = access < 3 || access == 6;
	q->write = (access >= 3 && access < 5) || access == 6;
	q->fetch = access == 5 || access == 7;
	if (image->unit.idr[1] >> 26 &
	    1) /* what an atomic access to instructions is, nobody says (INSTCFG) */
		q->read = q->read && !q->write;
	q->privileged = one_in(image, 3);
	if ((image->unit.idr[0] >> 10 & 1) && one_in(image, 3))
		q->type = one_in(image, 3) ? SO_TRANSLATED : SO_TRANSLATE;
	if (q->type == SO_TRANSLATE)
		q->read = true;
	if (q->type == SO_TRANSLATE && !q->ssv) /* PCIe has no such requests (13.7) */
		q->fetch = q->privileged = false;
}
