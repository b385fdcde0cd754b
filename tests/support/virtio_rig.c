/* SPDX-License-Identifier: BSD-3-Clause */
/* virtio_rig.c - a virtio-iommu for tests: making it, its endpoints, scripts. Requests are
 * virtio_driver.c. */
#include "virtio_rig.h"

#include <stdlib.h>
#include <string.h>

#include "guest_internal.h"
#include "trace.h"

unsigned vr_rows_run;

int vr_count_rows(void **state)
{
	(void)state;
	print_message("%u rows\n", vr_rows_run);
	return 0;
}

/* ---- callbacks ---- */

static void note_work(void *opaque)
{
	struct virtio_rig *r = opaque;

	guest_called(&r->g, GUEST_ON_WORK);
}

static void note_message(void *opaque, const char *text)
{
	struct virtio_rig *r = opaque;

	guest_called(&r->g, GUEST_ON_MESSAGE);
	r->g.message = text;
}

static void note_event(void *opaque)
{
	struct virtio_rig *r = opaque;

	__atomic_fetch_add(&r->events, 1, __ATOMIC_RELAXED);
}

static void note_complete(void *opaque, uint64_t token)
{
	struct virtio_rig *r = opaque;

	if (r->completions < VR_LOG)
		r->completed[r->completions] = token;
	r->completions++;
	if (r->on_complete)
		r->on_complete(r);
}

/* ---- life ---- */

int vr_try_open(struct virtio_rig *r, const struct viommu_virtio_config *config)
{
	int result;

	r->config = config ? *config : (struct viommu_virtio_config){ 0 };
	if (!r->config.size)
		r->config.size = sizeof(r->config);
	r->g.host = (struct viommu_host){
		.size = sizeof(r->g.host), .opaque = r, .work = note_work, .message = note_message
	};
	r->limits = (struct viommu_limits){ .size = sizeof(r->limits),
					    .tlb_entries = 320,
					    .contexts = 64,
					    .domains = 64,
					    .devices = 64,
					    .channels = 64,
					    .outstanding = 16 };
	r->config.opaque = r;
	r->config.event = note_event;
	r->config.complete = note_complete;
	if (!r->config.host)
		r->config.host = &r->g.host;
	if (!r->config.limits)
		r->config.limits = &r->limits;
	result = viommu_virtio_new(r->g.vm, &r->config, &r->g.iommu);
	if (!r->config.probe_size)
		r->config.probe_size = 512;
	return result;
}

void vr_endpoints(struct virtio_rig *r)
{
	guest_drop(&r->g);
	for (unsigned id = 1; id <= VR_ENDPOINTS; id++) {
		r->device[id] = guest_device(&r->g, id);
		r->channel[id] = guest_channel(&r->g, r->device[id], VIOMMU_NO_PASID);
	}
}

void vr_drop(struct virtio_rig *r, unsigned id)
{
	guest_drop_one(&r->g, r->device[id], r->channel[id]);
	r->device[id] = NULL;
	r->channel[id] = NULL;
}

struct virtio_rig *vr_open(const struct viommu_virtio_config *config)
{
	struct virtio_rig *r = calloc(1, sizeof(*r));
	int result;

	assert_non_null(r);
	guest_init(&r->g, GUEST_CALLBACKS, 1);
	result = vr_try_open(r, config);
	if (result)
		fail_msg("viommu_virtio_new: %s: %s", viommu_strerror(result),
			 r->g.message ? r->g.message : "no message");
	vr_endpoints(r);
	return r;
}

void vr_close(struct virtio_rig *r)
{
	guest_fini(&r->g);
	free(r);
}

void vr_regions(struct virtio_rig *r, unsigned id, const struct viommu_virtio_region *regions,
		unsigned count)
{
	struct viommu_virtio_endpoint e = { .size = sizeof(e),
					    .region_count = count,
					    .regions = regions };

	row_equal(viommu_virtio_set_endpoint(r->device[id], &e), VIOMMU_OK);
}

/* ---- configuration ---- */

unsigned vr_bypass(struct virtio_rig *r)
{
	uint64_t value = 99;

	row_equal(viommu_reg_read(r->g.iommu, 0x24, 1, &value), VIOMMU_OK);
	row_equal(value <= 1, true);
	return (unsigned)value;
}

int vr_set_bypass(struct virtio_rig *r, unsigned value)
{
	return viommu_reg_write(r->g.iommu, 0x24, 1, value);
}

/* ---- scripts ---- */

static void request_step(struct virtio_rig *r, const struct vr_step *s)
{
	struct vr_message m = s->op == VR_ATTACH ? vr_make_attach(s->domain, s->endpoint, s->flags)
			      : s->op == VR_DETACH ? vr_make_detach(s->domain, s->endpoint)
			      : s->op == VR_MAP
				      ? vr_make_map(s->domain, s->first, s->last, s->phys, s->flags)
				      : vr_make_unmap(s->domain, s->first, s->last);
	unsigned status = vr_send(r, &m);

	if (!(s->want >> status & 1))
		print_error("row \"%s\": status %u is not in the set %#jx\n", s->name, status,
			    (uintmax_t)s->want);
	assert_true(s->want >> status & 1);
}

static void one_step(struct virtio_rig *r, const struct vr_step *s)
{
	row_name = s->name;
	vr_rows_run++;
	switch (s->op) {
	case VR_OP_WHERE:
		row_equal(vr_where(r, s->endpoint, s->first, s->flags), s->want);
		break;
	case VR_OP_PERM:
		row_equal(vr_perm(r, s->endpoint, s->first), s->want);
		break;
	case VR_OP_SET_BYPASS:
		row_equal(vr_set_bypass(r, s->flags), VIOMMU_OK);
		row_equal(vr_bypass(r), s->flags);
		break;
	case VR_OP_RESET:
		row_equal(viommu_virtio_reset(r->g.iommu), VIOMMU_OK);
		break;
	default:
		request_step(r, s);
		break;
	}
}

void vr_steps(struct virtio_rig *r, const struct vr_step *steps, size_t count)
{
	for (size_t i = 0; i < count; i++)
		one_step(r, &steps[i]);
}

void vr_script(const struct viommu_virtio_config *config, const struct vr_step *steps, size_t count)
{
	struct virtio_rig *r = vr_open(config);

	for (size_t i = 0; i < count; i++) {
		if (steps[i].op != VR_OP_NEW) {
			one_step(r, &steps[i]);
			continue;
		}
		vr_close(r);
		r = vr_open(config);
	}
	vr_close(r);
}
