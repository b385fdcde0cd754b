/* SPDX-License-Identifier: BSD-3-Clause */
/* view_world.c - a VT-d guest with one device, and a view of it. */
#include "view_world.h"

#include <stdlib.h>
#include <string.h>

static void open_view(struct view_world *w)
{
	struct viommu_viewer_config viewer = { .size = sizeof(viewer),
					       .pasid = VIOMMU_NO_PASID,
					       .section = w->section };
	struct viommu_view_config view = { .size = sizeof(view),
					   .section = w->section,
					   .pasid = VIOMMU_NO_PASID };
	struct viommu_window window = { .size = sizeof(window) };
	struct viommu_region low = { .size = sizeof(low),
				     .bytes = GUEST_LOW_SIZE,
				     .host = w->vtd->guest.low };
	struct viommu_region high = { .size = sizeof(high),
				      .gpa = GUEST_HIGH,
				      .bytes = w->vtd->guest.high_size,
				      .host = w->vtd->guest.high };

	expect_ok("viommu_device_get_window", viommu_device_get_window(w->vtd->device[0], &window));
	view.window = window.base;
	view.window_bytes = window.bytes;
	view.device = window.device;
	expect_ok("viommu_viewer_new", viommu_viewer_new(w->vtd->device[0], &viewer, &w->viewer));
	expect_ok("viommu_view_new", viommu_view_new(&view, &w->view));
	expect_ok("viommu_view_map", viommu_view_map(w->view, &low));
	expect_ok("viommu_view_map", viommu_view_map(w->view, &high));
}

struct view_world *view_world_new(uint64_t pages)
{
	const struct vtd_shape shape = { .paging = VTD_SS4,
					 .pages = pages,
					 .stride = GUEST_PAGE,
					 .devices = 1,
					 .partitions = 1 };
	struct view_world *w = aligned_alloc(_Alignof(struct view_world), sizeof(*w));

	if (!w)
		abort();
	memset(w, 0, sizeof(*w));
	w->vtd = vtd_world_new(&shape);
	open_view(w);
	for (uint64_t i = 0; i < pages; i++)
		view_world_reply(w, view_world_request(w, w->vtd->pages.iova[i]));
	return w;
}

void view_world_free(struct view_world *w)
{
	expect_ok("viommu_view_free", viommu_view_free(w->view));
	expect_ok("viommu_view_revoke", viommu_view_revoke(w->viewer));
	expect_ok("viommu_viewer_free", viommu_viewer_free(w->viewer));
	vtd_world_free(w->vtd);
	free(w);
}

uint32_t view_world_request(struct view_world *w, uint64_t iova)
{
	const struct viommu_request request = vtd_read(iova);
	uint32_t bytes;

	expect_ok("viommu_view_request",
		  viommu_view_request(w->view, &request, w->message, sizeof(w->message), &bytes));
	return bytes;
}

uint64_t view_world_reply(struct view_world *w, uint32_t bytes)
{
	struct viommu_view_answer answer;
	uint32_t length;

	expect_ok("viommu_serve",
		  viommu_serve(w->viewer, w->message, bytes, w->reply, sizeof(w->reply), &length));
	expect_ok("viommu_view_reply", viommu_view_reply(w->view, w->reply, length, &answer));
	expect_ok("the owner's answer", answer.result);
	return answer.fragment[0].gpa;
}
