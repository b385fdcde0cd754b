/* SPDX-License-Identifier: BSD-3-Clause */
/* smmu_edits.h - a guest that changes its tables, and tells the SMMU no more than it has to. */
#ifndef SMMU_EDITS_H
#define SMMU_EDITS_H

#include "smmu_rig.h"

struct smmu_edit {
	struct smmu_rig *rig;
	struct si_image *image;
	const struct si_tree *tree; /* NULL: a descriptor of whatever tree */
	uint64_t address;	    /* of the page, as the tree has it */
	unsigned lg2;
	uint64_t word, old, new; /* as they lie there */
	char text[120];		 /* what was done, for reports */
};

/* A descriptor to change. False: not this time. */
bool smmu_edit_pick(struct smmu_edit *e, struct smmu_rig *rig, struct si_image *image);
/* Changes it in both memories, and invalidates what may know the old one. */
void smmu_edit_apply(struct smmu_edit *e, struct si_memory *other);

#endif
