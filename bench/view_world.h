/* SPDX-License-Identifier: BSD-3-Clause */
/* view_world.h - a VT-d guest with one device, and a view of it: in one process, the messages without a transport. */
#ifndef BENCH_VIEW_WORLD_H
#define BENCH_VIEW_WORLD_H

#include <libvirtiommu/view.h>

#include "vtd_world.h"

struct view_world {
	struct vtd_world *vtd;
	struct viommu_viewer *viewer;
	struct viommu_view *view;
	_Alignas(VIOMMU_VIEW_SECTION_BYTES) uint64_t section[VIOMMU_VIEW_SECTION_BYTES / 8];
	unsigned char message[VIOMMU_VIEW_MESSAGE_BYTES];
	unsigned char reply[VIOMMU_VIEW_MESSAGE_BYTES];
};

/* All memory is mapped in the view. */
struct view_world *view_world_new(uint64_t pages);
void view_world_free(struct view_world *w);

/* A page that the view knows. */
static inline uint64_t view_ask(struct viommu_view *view, uint64_t iova)
{
	struct viommu_request request = vtd_read(iova);
	struct viommu_fragment fragment;
	struct viommu_answer answer;
	int r = viommu_view_translate(view, &request, &fragment, 1, &answer);

	if (__builtin_expect(r != VIOMMU_OK, 0))
		unexpected("viommu_view_translate", r);
	return fragment.gpa;
}

/* A page that the owner is asked for: message and reply, as their makers see them. */
uint32_t view_world_request(struct view_world *w, uint64_t iova);
uint64_t view_world_reply(struct view_world *w, uint32_t bytes);

#endif
