/* SPDX-License-Identifier: BSD-3-Clause */
/* view_rig.c - a guest with a device, its owner's record of a view, and the view. */
#include <string.h>

#include "check.h"
#include "view_rig.h"

static void on_work(void *opaque)
{
	struct view_rig *r = opaque;

	r->works++;
}

static uint64_t on_now(void *opaque)
{
	const struct view_rig *r = opaque;

	return r->clock;
}

static void on_expired(void *opaque)
{
	struct view_rig *r = opaque;

	r->expired++;
}

uint64_t view_rig_page(const struct view_rig *r, unsigned n)
{
	return r->pages + n * GUEST_PAGE;
}

void view_rig_new_view(struct view_rig *r)
{
	struct viommu_region region = {
		.size = sizeof(region), .gpa = GUEST_BASE, .bytes = r->g.bytes, .host = r->g.ram
	};
	struct viommu_window window = { .size = sizeof(window) };

	assert_int_equal(viommu_viewer_new(r->device, &r->viewer_config, &r->viewer), VIOMMU_OK);
	assert_int_equal(viommu_device_get_window(r->device, &window), VIOMMU_OK);
	r->view_config.window = window.base;
	r->view_config.window_bytes = window.bytes;
	r->view_config.device = window.device;
	assert_int_equal(viommu_view_new(&r->view_config, &r->view), VIOMMU_OK);
	assert_int_equal(viommu_view_map(r->view, &region),
			 r->g.memory == GUEST_REGION ? VIOMMU_OK : VIOMMU_ENOENT);
}

void view_rig_drop_view(struct view_rig *r)
{
	if (!r->view)
		return;
	viommu_view_leave(r->view);
	assert_int_equal(viommu_view_free(r->view), VIOMMU_OK);
	assert_int_equal(viommu_view_revoke(r->viewer), VIOMMU_OK);
	assert_int_equal(viommu_viewer_free(r->viewer), VIOMMU_OK);
	r->view = NULL;
}

void view_rig_open_with(struct view_rig *r, enum guest_memory memory)
{
	/* a fuzzer makes hundreds a second: small ones */
	struct viommu_limits limits = { .size = sizeof(limits),
					.partitions = 2,
					.tlb_entries = 512,
					.devices = 64,
					.channels = 16,
					.tables = 256 };
	struct viommu_vtd_config config = { .size = sizeof(config),
					    .cap = GUEST_CAP,
					    .ecap = GUEST_ECAP_LEGACY,
					    .host = &r->host,
					    .limits = &limits };

	memset(r, 0, sizeof(*r));
	r->host = (struct viommu_host){
		.size = sizeof(r->host), .opaque = r, .work = on_work, .now = on_now
	};
	r->clock = 1;
	guest_init(&r->g, memory, 256);
	assert_int_equal(guest_try_vtd_config(&r->g, &config), VIOMMU_OK);
	r->ss = guest_table(&r->g);
	r->pages = guest_alloc(&r->g, 2 * VIEW_RIG_PAGES);
	for (unsigned i = 0; i < VIEW_RIG_PAGES; i++)
		guest_ss_map(&r->g, r->ss, 4, i * GUEST_PAGE, view_rig_page(r, i), 12,
			     i == VIEW_RIG_PAGES - 1 ? 1 : GUEST_RW);
	guest_legacy(&r->g, VIEW_RIG_RID, VIEW_RIG_DOMAIN, r->ss, 4);
	guest_start(&r->g, VTD_TTM_LEGACY);
	r->device = guest_device(&r->g, VIEW_RIG_RID);
	r->viewer_config = (struct viommu_viewer_config){ .size = sizeof(r->viewer_config),
							  .pasid = VIOMMU_NO_PASID,
							  .section = r->section,
							  .deadline = VIEW_RIG_DEADLINE,
							  .expired = on_expired,
							  .opaque = r };
	r->view_config = (struct viommu_view_config){ .size = sizeof(r->view_config),
						      .section = r->section,
						      .pasid = VIOMMU_NO_PASID };
	view_rig_new_view(r);
}

void view_rig_open(struct view_rig *r)
{
	view_rig_open_with(r, GUEST_REGION);
}

void view_rig_close(struct view_rig *r)
{
	view_rig_drop_view(r);
	guest_fini(&r->g);
}

struct viommu_request view_rig_request(uint64_t iova, uint64_t bytes, unsigned access)
{
	return (struct viommu_request){ .first = iova,
					.last = iova + bytes - 1,
					.pasid = VIOMMU_NO_PASID,
					.access = (uint16_t)access };
}

int view_rig_translate(struct view_rig *r, uint64_t iova, uint64_t bytes, unsigned access)
{
	struct viommu_request request = view_rig_request(iova, bytes, access);

	return viommu_view_translate(r->view, &request, r->f, 4, &r->answer);
}

int view_rig_get(struct view_rig *r, uint64_t iova, unsigned access)
{
	return view_rig_translate(r, iova, 8, access);
}

int view_rig_exchange(struct view_rig *r)
{
	int result = viommu_serve(r->viewer, r->message, r->length, r->answer_bytes,
				  sizeof(r->answer_bytes), &r->answer_length);

	if (result || !r->answer_length)
		return result;
	return viommu_view_reply(r->view, r->answer_bytes, r->answer_length, &r->reply);
}

int view_rig_ask(struct view_rig *r, uint64_t iova, unsigned access)
{
	struct viommu_request request = view_rig_request(iova, 8, access);

	assert_int_equal(viommu_view_request(r->view, &request, r->message, sizeof(r->message),
					     &r->length),
			 VIOMMU_OK);
	assert_int_equal(view_rig_exchange(r), VIOMMU_OK);
	return r->reply.result;
}

void view_rig_use(struct view_rig *r)
{
	assert_int_equal(viommu_view_enter(r->view), VIOMMU_OK);
	assert_int_equal(view_rig_ask(r, 0x3000, VIOMMU_READ), VIOMMU_OK);
}

void view_rig_move(struct view_rig *r, uint64_t iova, uint64_t gpa)
{
	guest_ss_map(&r->g, r->ss, 4, iova, gpa, 12, GUEST_RW);
	guest_submit(&r->g, GUEST_IOTLB(3, VIEW_RIG_DOMAIN), iova, 0, 0);
	guest_submit_wait(&r->g);
}
