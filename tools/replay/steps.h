/* SPDX-License-Identifier: BSD-3-Clause */
/* steps.h - an explanation of the library (struct viommu_step), kept. */
#ifndef REPLAY_STEPS_H
#define REPLAY_STEPS_H

#include <stdbool.h>

#include <libvirtiommu/iommu.h>
#include <libvirtiommu/irq.h>
#include <libvirtiommu/observe.h>

#define STEPS_MAX 128U

struct steps {
	struct viommu_step step[STEPS_MAX];
	unsigned count;
	int result; /* of the library */
};

/* Explains a DMA, or a message; flags are VIOMMU_EXPLAIN_*. */
void steps_of_request(struct steps *steps, struct viommu_device *device,
		      const struct viommu_request *request, uint32_t flags);
void steps_of_message(struct steps *steps, struct viommu *iommu, uint32_t source, uint64_t address,
		      uint32_t data, uint32_t flags);

/* The last step, NULL: there is none. */
const struct viommu_step *steps_answer(const struct steps *steps);

/* Whether a step is an entry of a page table, and not what says where the tables are. */
bool step_is_level(const struct viommu_step *step);
/* Whether a step is one of those structures above the tables. */
bool step_is_context(const struct viommu_step *step);
/* The last of those, NULL: there is none. */
const struct viommu_step *steps_context(const struct steps *steps);

#endif
