/* SPDX-License-Identifier: BSD-3-Clause */
/* smmu_trees.h - tables of both stages in an image. */
#ifndef SMMU_TREES_H
#define SMMU_TREES_H

#include "smmu_image.h"

/* A word of the image; false: there is no place. */
bool si_put(struct si_image *image, uint64_t pa, uint64_t word, enum si_kind kind);
/* So many bytes, aligned to them; 0: there is no place. */
uint64_t si_alloc(struct si_image *image, uint64_t bytes);

/* All trees of the image. */
void si_plant(struct si_image *image);
/* Has image->below map the page that the word at @pa lies in, at image->delta above it. */
void si_cover(struct si_image *image, uint64_t pa);

/* The page that an address of the tree's leads to, in this memory: the word of its descriptor, and its size. */
bool si_find_leaf(const struct si_image *image, const struct si_memory *m,
		  const struct si_tree *tree, uint64_t address, uint64_t *word, unsigned *lg2);

#endif
