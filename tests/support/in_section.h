/* SPDX-License-Identifier: BSD-3-Clause */
/* in_section.h - a request of a channel in a section of its own: misses are then answered at once (lib/unit/miss.h). */
#ifndef IN_SECTION_H
#define IN_SECTION_H

#include <libvirtiommu/iommu.h>

static inline int translate_in_section(struct viommu_channel *channel,
				       const struct viommu_request *request,
				       struct viommu_fragment *fragments, uint32_t max,
				       struct viommu_answer *answer)
{
	int result = viommu_enter(channel);

	if (result)
		return result;
	result = viommu_translate(channel, request, fragments, max, answer);
	return viommu_leave(channel) ? VIOMMU_EINTERNAL : result;
}

#endif
