/* SPDX-License-Identifier: BSD-3-Clause */
/* vtd_tables.c - memory, images, and the copies of them that are compared. */
#include "vtd_tables_internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* --- Random numbers --- */

uint64_t vt_random(struct vt_rng *rng)
{
	uint64_t z = rng->state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

unsigned below(struct vt_rng *rng, unsigned n)
{
	return (unsigned)(vt_random(rng) >> 32) % n;
}

bool permille(struct vt_rng *rng, unsigned p)
{
	return below(rng, 1000) < p;
}

uint64_t maybe(struct vt_rng *rng, unsigned p, uint64_t bits)
{
	return permille(rng, p) ? bits : 0;
}

/* --- Memory --- */

bool vt_memory_init(struct vt_memory *m, size_t nwords)
{
	*m = (struct vt_memory){ .words = calloc(nwords, 8), .nwords = nwords, .ro_first = 1 };
	return m->words;
}

void vt_memory_fini(struct vt_memory *m)
{
	free(m->words);
	m->words = NULL;
}

bool vt_load64(void *opaque, uint64_t gpa, uint64_t *value)
{
	const struct vt_memory *m = opaque;

	if (gpa & 7 || gpa / 8 >= m->nwords)
		return false;
	*value = m->words[gpa / 8];
	return true;
}

bool vt_store64(void *opaque, uint64_t gpa, uint64_t value)
{
	struct vt_memory *m = opaque;

	if (gpa & 7 || gpa / 8 >= m->nwords || (gpa >= m->ro_first && gpa <= m->ro_last))
		return false;
	m->words[gpa / 8] = value;
	return true;
}

struct vt_image *vt_image_new(size_t nwords)
{
	struct vt_image *image = calloc(1, sizeof(*image));

	if (!image)
		return NULL;
	image->is_slot = calloc(nwords, 1);
	if (!vt_memory_init(&image->mem, nwords) || !image->is_slot) {
		vt_image_free(image);
		return NULL;
	}
	return image;
}

void vt_image_free(struct vt_image *image)
{
	if (!image)
		return;
	vt_memory_fini(&image->mem);
	free(image->is_slot);
	free(image);
}

void vt_load(struct vt_memory *m, const struct vt_image *image)
{
	assert(m->nwords == image->mem.nwords);
	m->ro_first = image->mem.ro_first;
	m->ro_last = image->mem.ro_last;
	vt_restore(m, image);
}

void vt_restore(struct vt_memory *m, const struct vt_image *image)
{
	for (unsigned i = 0; i < image->nslots; i++)
		m->words[image->slot[i]] = image->mem.words[image->slot[i]];
}

bool vt_equal(const struct vt_memory *a, const struct vt_memory *b, const struct vt_image *image)
{
	for (unsigned i = 0; i < image->nslots; i++)
		if (a->words[image->slot[i]] != b->words[image->slot[i]])
			return false;
	return true;
}

void vt_unload(struct vt_memory *m, const struct vt_image *image)
{
	for (unsigned i = 0; i < image->nslots; i++)
		m->words[image->slot[i]] = 0;
}

/* --- Images --- */

void clear_image(struct vt_image *image)
{
	for (unsigned i = 0; i < image->nslots; i++) {
		image->mem.words[image->slot[i]] = 0;
		image->is_slot[image->slot[i]] = 0;
	}
	image->mem.ro_first = 1;
	image->mem.ro_last = 0;
	image->nslots = image->next_page = image->ntrees = image->nbindings = image->mutations = 0;
}

/* False when the list of slots is full, and for addresses outside. */
bool put(struct vt_image *image, enum vt_kind kind, uint64_t gpa, uint64_t value)
{
	size_t word = gpa / 8;

	if (word >= image->mem.nwords)
		return false;
	if (!image->is_slot[word]) {
		if (image->nslots == VT_MAX_SLOTS)
			return false;
		image->is_slot[word] = 1;
		image->slot[image->nslots] = (uint32_t)word;
		image->slot_kind[image->nslots++] = (uint8_t)kind;
	}
	image->mem.words[word] = value;
	return true;
}

uint64_t get(const struct vt_image *image, uint64_t gpa)
{
	return gpa / 8 < image->mem.nwords ? image->mem.words[gpa / 8] : 0;
}

/* A fresh page; when there is none left, a used one. */
uint64_t new_page(struct vt_image *image, struct vt_rng *rng)
{
	unsigned pages = (unsigned)(image->mem.nwords / 512);

	if (image->next_page < pages)
		return PAGE * image->next_page++;
	return PAGE * below(rng, pages);
}
