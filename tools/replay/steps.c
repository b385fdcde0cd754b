/* SPDX-License-Identifier: BSD-3-Clause */
/* steps.c - an explanation of the library, kept. */

#include <string.h>

#include "steps.h"

static int keep(void *opaque, const struct viommu_step *step)
{
	struct steps *s = opaque;

	if (s->count == STEPS_MAX)
		return 1;
	s->step[s->count++] = *step;
	return 0;
}

void steps_of_request(struct steps *s, struct viommu_device *device, const struct viommu_request *r,
		      uint32_t flags)
{
	s->count = 0;
	s->result = viommu_explain(device, r, flags, keep, s);
}

void steps_of_message(struct steps *s, struct viommu *iommu, uint32_t source, uint64_t address,
		      uint32_t data, uint32_t flags)
{
	s->count = 0;
	s->result = viommu_explain_msi(iommu, source, address, data, flags, keep, s);
}

const struct viommu_step *steps_answer(const struct steps *s)
{
	return s->count && (s->step[s->count - 1].flags & VIOMMU_STEP_ANSWER)
		       ? &s->step[s->count - 1]
		       : NULL;
}

bool step_is_level(const struct viommu_step *step)
{
	static const char *const names[] = { "stage", "host table", "guest table", "TCE" };

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strstr(step->what, names[i]))
			return true;
	}
	return false;
}

bool step_is_context(const struct viommu_step *step)
{
	return !step_is_level(step) && !(step->flags & VIOMMU_STEP_ANSWER);
}

const struct viommu_step *steps_context(const struct steps *s)
{
	const struct viommu_step *last = NULL;

	for (unsigned i = 0; i < s->count; i++) {
		if (step_is_context(&s->step[i]))
			last = &s->step[i];
	}
	return last;
}
