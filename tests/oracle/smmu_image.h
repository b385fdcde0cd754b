/* SPDX-License-Identifier: BSD-3-Clause */
/* smmu_image.h - a guest by chance: registers, stream table, context descriptors, tables of both stages, and what is asked of them. */
#ifndef SMMU_IMAGE_H
#define SMMU_IMAGE_H

#include <stddef.h>

#include "smmu_oracle.h"

enum {
	SI_BYTES = 16 << 20,
	SI_SLOTS = 16384,
	SI_STREAMS = 8,
	SI_CDS = 4,
	SI_TREES = 6,
	SI_ADDRESSES = 24,
};

/* Memory of so many bytes from 0, and words that are not 0 in it. */
struct si_memory {
	uint64_t *words;
};

/* What a word is. */
enum si_kind { SI_TABLE, SI_GROUP, SI_STREAM, SI_CONTEXT };

struct si_slot {
	uint32_t word;
	uint64_t value;
	uint8_t kind;
};

/* A tree, and addresses that lead somewhere in it. */
struct si_tree {
	struct a64_tables t;
	bool stage2, nested;
	uint64_t address[SI_ADDRESSES];
	unsigned n;
};

struct si_stream {
	uint32_t sid;
	unsigned config, cdmax;
	const struct si_tree *half[SI_CDS][2]; /* NULL: none */
	const struct si_tree *stage2;
};

struct si_image {
	uint64_t rng;
	struct so_unit unit;
	struct si_memory mem;
	uint8_t *taken; /* a bit a word: it is a slot */
	struct si_slot slot[SI_SLOTS];
	unsigned n;
	uint64_t next;		   /* free memory */
	uint64_t delta;		   /* of a nested stage 1: IPA minus where it lies */
	bool ds[2], big_endian[2]; /* of stage 1, of stage 2 */
	/* HA, HD: streams that share tables agree on what accesses leave in them, or one would not know the other's */
	unsigned update[2];
	struct si_tree tree[SI_TREES];
	struct si_tree *below; /* the stage 2 that has delta */
	struct si_stream stream[SI_STREAMS];
	unsigned streams;
	unsigned sid_bits;
};

uint64_t si_random(struct si_image *image);
uint32_t si_pick(struct si_image *image, uint32_t n);

bool si_memory_init(struct si_memory *m);
void si_memory_fini(struct si_memory *m);
bool si_read(void *opaque, uint64_t pa, uint64_t *word);
bool si_write(void *opaque, uint64_t pa, uint64_t word);

struct si_image *si_image_new(void);
void si_image_free(struct si_image *image);

/* Another one, from this seed. */
void si_build(struct si_image *image, uint64_t seed);

/* The image's words in an empty memory; again; and no more. */
void si_load(struct si_memory *m, const struct si_image *image);
void si_unload(struct si_memory *m, const struct si_image *image);

/* Something to ask, most of it about what is mapped. */
void si_request(struct si_image *image, struct so_request *q);

#endif
