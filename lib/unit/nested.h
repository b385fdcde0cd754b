/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * nested.h - requesters that the host translates: what is handed over, and when.
 *
 * A group listens as a VMM's listener would: what may have changed is looked at again, what is invalidated is gathered.
 * Both are handed over when the group settles, before any completion is reported (completion.h). All of it belongs to
 * the call that has the unit.
 */
#ifndef NESTED_H
#define NESTED_H

#include <libvirtiommu/nesting.h>

#include "unit.h"

/* A command of VIOMMU_NESTED_SMMUV3, which the host executes by itself: for all who nest, or for who has the device. In the
 * order in which they came. */
void nesting_command(struct viommu *u, const uint64_t word[2]);
void nesting_device_command(struct viommu_device *device, const uint64_t word[2]);

/* One with the id of each device of these that nests in its upper half. */
void nesting_each_command(struct viommu *u, uint32_t first, uint32_t last, uint64_t op);

/* After listeners have settled: whether the host did not take something, and the position of the first command that it
 * came from, at which the ring is to stop. It is forgotten. */
bool nesting_refused(struct viommu *u, uint32_t *position);

/* The position of the first command that was gathered and not handed over yet; unchanged if there is none. */
void nesting_gathered(const struct viommu *u, uint32_t *position);

/* The ring begins anew: positions are those of another one. */
void nesting_forget_positions(struct viommu *u);

#endif
