/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_virtio_callbacks.c - calls from inside callbacks, devices that come, go and change their id
 * while something is pending, buffers that lie on each other (obligations 1, 19, 30).
 */
#include "check.h"

#include <string.h>

#include "trace.h"
#include "virtio_rig.h"

#define R	 VIOMMU_READ
#define W	 VIOMMU_WRITE
#define UNMAPPED VR_FAULT(VR_MAPPING)

static struct virtio_rig *rig;
static unsigned calls;

/* What belongs to the owner of the registers is refused, everything else works. */
static void call_everything(void)
{
	struct vr_message m = vr_make_map(7, 0x40000, 0x40fff, 0, 1);
	uint8_t tail[4];
	const struct viommu_part in = { m.bytes, m.count }, out = { tail, sizeof(tail) };
	struct viommu_virtio_endpoint e = { .size = sizeof(e) };
	uint64_t bytes = 0, value = 0;
	uint32_t used;

	calls++;
	row_equal(viommu_reg_read(rig->g.iommu, 0, 8, &value),
		  VIOMMU_OK); /* constants are nobody's */
	row_equal(value,
		  rig->config.page_size_mask ? rig->config.page_size_mask : ~UINT64_C(0xfff));
	row_equal(viommu_virtio_request(rig->g.iommu, &in, 1, &out, 1, 1, &used), VIOMMU_EBUSY);
	row_equal(viommu_virtio_reset(rig->g.iommu), VIOMMU_EBUSY);
	row_equal(viommu_virtio_set_features(rig->g.iommu, 0), VIOMMU_EBUSY);
	row_equal(viommu_virtio_set_endpoint(rig->device[4], &e), VIOMMU_EBUSY);
	row_equal(viommu_reg_write(rig->g.iommu, 0x24, 1, 1), VIOMMU_EBUSY);
	row_equal(viommu_run(rig->g.iommu), VIOMMU_EBUSY);
	row_equal(viommu_reset(rig->g.iommu), VIOMMU_EBUSY);
	row_equal(viommu_save(rig->g.iommu, NULL, &bytes), VIOMMU_EBUSY);
	row_equal(vr_peek(rig, 3, 0x5000, R), 0x5000);
	row_equal(vr_peek(rig, 1, 0x900000, R), UNMAPPED);
	row_equal(vr_drain(rig), 1);
}

static void hook(void *opaque, enum guest_event event)
{
	if (event == GUEST_ON_INVALIDATE)
		call_everything();
}

static void on_unmap(void *opaque, struct viommu_device *device, uint32_t pasid, uint64_t first,
		     uint64_t last)
{
	call_everything();
}

static void on_mode(void *opaque, struct viommu_device *device, uint32_t mode)
{
	call_everything();
}

static int on_map(void *opaque, struct viommu_device *device, uint32_t pasid, uint64_t iova,
		  const struct viommu_fragment *fragment)
{
	call_everything();
	return VIOMMU_OK;
}

/* 1 and 2 in domain 7 with a page, 3 in bypass. */
static void open_rig(void)
{
	rig = vr_open(NULL);
	row_equal(vr_attach(rig, 7, 1, 0), ST_OK);
	row_equal(vr_attach(rig, 7, 2, 0), ST_OK);
	row_equal(vr_attach(rig, 8, 3, VR_BYPASS), ST_OK);
	row_equal(vr_map(rig, 7, 0, 0xfff, 0x10000, VR_RW), ST_OK);
	calls = 0;
}

static void test_listeners(void **state)
{
	const struct viommu_listener_config config = {
		.size = sizeof(config), .unmap = on_unmap, .mode = on_mode, .map = on_map
	};
	struct viommu_listener *listener;

	open_rig();
	row_equal(viommu_listener_new(rig->g.iommu, rig->device[1], &config, &listener), VIOMMU_OK);
	row_name = "19 from inside mode, of a new listener";
	row_equal(calls, 1);
	calls = 0;
	row_name = "19 from inside map";
	row_equal(vr_map(rig, 7, 0x1000, 0x1fff, 0x20000, 1), ST_OK);
	row_equal(calls, 1);
	row_name = "19 from inside unmap";
	row_equal(vr_unmap(rig, 7, 0x1000, 0x1fff), ST_OK);
	row_equal(calls, 2);
	row_equal(viommu_listener_free(listener), VIOMMU_OK);
	vr_close(rig);
}

static void test_invalidate(void **state)
{
	open_rig();
	row_name = "19 from inside invalidate";
	rig->g.hook = hook;
	row_equal(vr_unmap(rig, 7, 0, 0xfff), ST_OK);
	row_equal(rig->result, VIOMMU_OK);
	row_equal(calls, 2);
	vr_close(rig);
}

/* Mode changes; endpoint 1 may be anything meanwhile. */
static void forbid(void *opaque, struct viommu_device *device, uint32_t mode)
{
	calls++;
	row_equal(viommu_run(rig->g.iommu), VIOMMU_EBUSY);
	row_equal(viommu_virtio_reset(rig->g.iommu), VIOMMU_EBUSY);
	vr_peek(rig, 1, 0, R);
}

static void test_mode(void **state)
{
	const struct viommu_listener_config config = { .size = sizeof(config), .mode = forbid };
	struct viommu_listener *listener;

	open_rig();
	row_name = "19 from inside mode";
	row_equal(viommu_listener_new(rig->g.iommu, rig->device[1], &config, &listener), VIOMMU_OK);
	row_equal(vr_detach(rig, 7, 1), ST_OK);
	row_equal(calls >= 1, true);
	row_equal(vr_set_bypass(rig, 1), VIOMMU_OK);
	row_equal(calls >= 2, true);
	row_equal(viommu_listener_free(listener), VIOMMU_OK);
	vr_close(rig);
}

/* ---- listeners that come inside a callback ---- */

static unsigned heard; /* mappings, by the one that came */
static struct viommu_listener *newcomer;

static int hear(void *opaque, struct viommu_device *device, uint32_t pasid, uint64_t iova,
		const struct viommu_fragment *fragment)
{
	heard++;
	return VIOMMU_OK;
}

static int come(bool map)
{
	const struct viommu_listener_config config = { .size = sizeof(config),
						       .map = map ? hear : NULL };

	return newcomer ? VIOMMU_OK
			: viommu_listener_new(rig->g.iommu, rig->device[4], &config, &newcomer);
}

/* In the midst of mappings nobody comes who would hear of some of them only. */
static int come_while_mapping(void *opaque, struct viommu_device *device, uint32_t pasid,
			      uint64_t iova, const struct viommu_fragment *fragment)
{
	calls++;
	row_equal(come(true), VIOMMU_EBUSY);
	row_equal(newcomer == NULL, true);
	return VIOMMU_OK;
}

static int come_without_map(void *opaque, struct viommu_device *device, uint32_t pasid,
			    uint64_t iova, const struct viommu_fragment *fragment)
{
	calls++;
	row_equal(come(false), VIOMMU_OK);
	return VIOMMU_OK;
}

/* Before the first of them, it hears all. */
static void come_with_mode(void *opaque, struct viommu_device *device, uint32_t mode)
{
	calls++;
	if (mode == VIOMMU_MODE_TRANSLATE)
		row_equal(come(true), VIOMMU_OK);
}

static void test_newcomers(void **state)
{
	static const struct {
		const char *name;
		int (*map)(void *opaque, struct viommu_device *device, uint32_t pasid,
			   uint64_t iova, const struct viommu_fragment *fragment);
		void (*mode)(void *opaque, struct viommu_device *device, uint32_t mode);
		unsigned heard;
	} rows[] = {
		{ "19 listener with map from inside map", come_while_mapping, NULL, 0 },
		{ "19 listener without map from inside map", come_without_map, NULL, 0 },
		{ "19 listener with map from inside mode", on_map, come_with_mode, 3 },
	};

	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		const struct viommu_listener_config config = { .size = sizeof(config),
							       .mode = rows[i].mode,
							       .map = rows[i].map };
		struct viommu_listener *listener;

		open_rig();
		row_name = rows[i].name;
		newcomer = NULL;
		heard = 0;
		row_equal(vr_map(rig, 7, 0x2000, 0x2fff, 0x40000, VR_RW), ST_OK);
		row_equal(vr_map(rig, 7, 0x4000, 0x4fff, 0x80000, VR_RW), ST_OK);
		row_equal(viommu_listener_new(rig->g.iommu, rig->device[4], &config, &listener),
			  VIOMMU_OK);
		calls = 0;
		row_equal(vr_attach(rig, 7, 4, 0), ST_OK);
		row_equal(calls >= 1, true);
		row_equal(heard, rows[i].heard);
		row_equal(newcomer != NULL, i != 0);
		row_equal(viommu_listener_free(newcomer), VIOMMU_OK);
		row_equal(viommu_listener_free(listener), VIOMMU_OK);
		vr_close(rig);
	}
}

/* ---- devices ---- */

/* Who is attached keeps an id; who has none is refused, whatever config.bypass says, and not recorded. */
static void test_no_id(void **state)
{
	open_rig();
	row_name = "no id while attached";
	row_equal(viommu_device_set_id(rig->device[1], VIOMMU_NO_ID), VIOMMU_EBUSY);
	row_equal(viommu_device_get_id(rig->device[1]) != VIOMMU_NO_ID, true);
	row_equal(vr_peek(rig, 1, 0x10, R), 0x10010);
	row_equal(vr_detach(rig, 7, 1), ST_OK);
	row_equal(vr_set_bypass(rig, 1), VIOMMU_OK);
	row_equal(vr_peek(rig, 1, 0x5000, R), 0x5000);
	row_name = "no id";
	row_equal(viommu_device_set_id(rig->device[1], VIOMMU_NO_ID), VIOMMU_OK);
	row_equal(vr_peek(rig, 1, 0x5000, R), VR_FAULT(0));
	row_equal(vr_peek(rig, 1, 0x5000, W), VR_FAULT(0));
	row_equal(vr_drain(rig), 0);
	row_equal(vr_attach(rig, 7, VIOMMU_NO_ID, 0), ST_NOENT);
	vr_close(rig);
}

/* The device answers before it has said that it will. */
static void answer_at_once(void *opaque, enum guest_event event)
{
	const unsigned n = rig->g.count[GUEST_ON_INVALIDATE] - 1;

	if (event != GUEST_ON_INVALIDATE || calls)
		return;
	/* the guest logs after the hook: tokens of calls before this one are known */
	if (n && rig->g.invalidation[n - 1].id)
		row_equal(viommu_invalidation_done(rig->device[rig->g.invalidation[n - 1].id],
						   rig->g.invalidation[n - 1].what.token,
						   VIOMMU_OK),
			  VIOMMU_OK);
}

static void test_early_answers(void **state)
{
	unsigned last;

	open_rig();
	row_name = "13 a device that answers inside another's callback";
	rig->g.count[GUEST_ON_INVALIDATE] = 0;
	rig->g.invalidate_result = VIOMMU_PENDING;
	rig->g.hook = answer_at_once;
	row_equal(vr_unmap(rig, 7, 0, 0xfff), ST_OK);
	row_equal(rig->result, VIOMMU_PENDING);
	rig->g.hook = NULL;
	last = rig->g.count[GUEST_ON_INVALIDATE] - 1;
	row_equal(last, 1);
	row_equal(viommu_run(rig->g.iommu), VIOMMU_PENDING);
	row_equal(viommu_invalidation_done(rig->device[rig->g.invalidation[last].id],
					   rig->g.invalidation[last].what.token, VIOMMU_OK),
		  VIOMMU_OK);
	row_equal(viommu_run(rig->g.iommu), VIOMMU_OK);
	row_equal(rig->completions, 1);
	row_name = "13 an answer that nobody waits for";
	row_equal(viommu_invalidation_done(rig->device[1], 0x1234567, VIOMMU_OK), VIOMMU_ENOENT);
	vr_close(rig);
}

/* Unplugged while its cache is being invalidated: nobody waits for it any more. */
static void test_unplugged(void **state)
{
	uint64_t token;
	int result;

	open_rig();
	row_name = "18 unplugged while something waits for it";
	row_equal(vr_detach(rig, 7, 2), ST_OK);
	rig->g.count[GUEST_ON_INVALIDATE] = 0;
	rig->g.invalidate_result = VIOMMU_PENDING;
	row_equal(vr_unmap(rig, 7, 0, 0xfff), ST_OK);
	row_equal(rig->result, VIOMMU_PENDING);
	token = rig->g.invalidation[0].what.token;
	row_equal(rig->g.invalidation[0].id, 1);
	row_equal(viommu_channel_free(rig->channel[1]), VIOMMU_OK);
	rig->g.channels--;
	memmove(&rig->g.channel[0], &rig->g.channel[1],
		rig->g.channels * sizeof(rig->g.channel[0]));
	rig->g.invalidate_result = VIOMMU_OK;
	result = viommu_device_free(rig->device[1]);
	if (result == VIOMMU_EBUSY) {
		row_equal(viommu_invalidation_done(rig->device[1], token, VIOMMU_OK), VIOMMU_OK);
		result = viommu_device_free(rig->device[1]);
	}
	row_equal(result, VIOMMU_OK);
	rig->g.devices--;
	memmove(&rig->g.device[0], &rig->g.device[1], rig->g.devices * sizeof(rig->g.device[0]));
	row_equal(viommu_run(rig->g.iommu), VIOMMU_OK);
	row_equal(rig->completions, 1);
	row_equal(vr_attach(rig, 7, 1, 0), ST_NOENT);
	vr_close(rig);
}

/* Whatever becomes of its attachment, requests and records know it by its new id only. */
static void test_renumbered(void **state)
{
	struct vr_event event;

	open_rig();
	row_name = "an endpoint with another id";
	row_equal(vr_peek(rig, 1, 0, R), 0x10000);
	row_equal(viommu_device_set_id(rig->device[1], 2), VIOMMU_EEXIST);
	row_equal(viommu_device_set_id(rig->device[1], 0x12345), VIOMMU_OK);
	vr_peek(rig, 1, 0x900000, R);
	row_equal(vr_event(rig, &event), true);
	row_equal(event.endpoint, 0x12345);
	row_equal(vr_attach(rig, 7, 1, 0), ST_NOENT);
	row_equal(vr_detach(rig, 7, 1), ST_NOENT);
	row_equal(vr_attach(rig, 9, 0x12345, 0), ST_OK);
	row_equal(vr_map(rig, 9, 0, 0xfff, 0x70000, 1), ST_OK);
	row_equal(vr_peek(rig, 1, 0, R), 0x70000);
	row_equal(vr_peek(rig, 2, 0, R), 0x10000);
	row_equal(vr_detach(rig, 9, 0x12345), ST_OK);
	row_equal(vr_peek(rig, 1, 0, R), VR_FAULT(VR_DOMAIN));
	vr_drain(rig);
	vr_close(rig);
}

/* ---- buffers ---- */

/* The guest gives the same memory to be read and to be written. */
static void test_aliased(void **state)
{
	for (unsigned at = 0; at + VR_TAIL <= 36; at++) {
		struct vr_message m = vr_make_map(7, 0x1000, 0x1fff, 0x20000, 1);
		const struct viommu_part in = { m.bytes, m.count };
		const struct viommu_part out = { m.bytes + at, VR_TAIL };
		uint32_t used;

		open_rig();
		row_name = "1 the answer lies on the request";
		row_equal(viommu_virtio_request(rig->g.iommu, &in, 1, &out, 1, 1, &used),
			  VIOMMU_OK);
		row_equal(used, VR_TAIL);
		row_equal(m.bytes[at], ST_OK);
		row_equal(vr_where(rig, 1, 0x1fff, R), 0x20fff);
		vr_close(rig);
		vr_rows_run++;
	}
}

/* A size of properties that no buffer has. */
static void test_large_probe(void **state)
{
	for (uint32_t less = 0; less < 6; less++) {
		struct viommu_virtio_config config = { .probe_size = UINT32_MAX - less };
		static struct virtio_rig r;
		struct viommu_part in, out;
		struct vr_message m = vr_make_probe(1);

		memset(&r, 0, sizeof(r));
		guest_init(&r.g, GUEST_CALLBACKS, 1);
		row_name = "5 probe_size close to 2^32";
		if (vr_try_open(&r, &config) == VIOMMU_OK) {
			vr_endpoints(&r);
			for (uint64_t room = 0; room < 16; room++) {
				uint8_t buffer[16] = { 0 };
				uint32_t used = 99;

				memset(buffer, VR_UNTOUCHED, sizeof(buffer));
				in = (struct viommu_part){ m.bytes, m.count };
				out = (struct viommu_part){ buffer, room };
				row_equal(viommu_virtio_request(r.g.iommu, &in, 1, &out, 1, 1,
								&used),
					  VIOMMU_OK);
				row_equal(used == 0 || used == room, true);
				if (used)
					row_equal(buffer[used - VR_TAIL], ST_INVAL);
			}
		}
		guest_fini(&r.g);
		vr_rows_run++;
	}
}

/* Nobody wants to be told of anything. */
static void test_no_callbacks(void **state)
{
	const struct viommu_virtio_config config = { .size = sizeof(config) };
	const struct viommu_device_config device = { .size = sizeof(device), .id = 1 };
	static unsigned char saved[4096];
	uint64_t bytes = sizeof(saved);
	static struct virtio_rig r;

	memset(&r, 0, sizeof(r));
	guest_init(&r.g, GUEST_CALLBACKS, 1);
	row_name = "no callbacks";
	row_equal(viommu_virtio_new(r.g.vm, &config, &r.g.iommu), VIOMMU_OK);
	row_equal(viommu_device_new(r.g.iommu, &device, &r.device[1]), VIOMMU_OK);
	row_equal(viommu_channel_new(r.device[1], VIOMMU_NO_PASID, &r.channel[1]), VIOMMU_OK);
	row_equal(vr_attach(&r, 7, 1, 0), ST_OK);
	row_equal(vr_map(&r, 7, 0, 0xfff, 0x5000, 1), ST_OK);
	row_equal(vr_peek(&r, 1, 0x1000, R), UNMAPPED);
	row_equal(viommu_save(r.g.iommu, saved, &bytes), VIOMMU_OK);
	row_equal(viommu_enter(r.channel[1]), VIOMMU_OK);
	row_equal(vr_unmap(&r, 7, 0, 0xfff), ST_OK);
	row_equal(r.result, VIOMMU_PENDING);
	row_equal(viommu_leave(r.channel[1]), VIOMMU_OK);
	row_equal(viommu_run(r.g.iommu), VIOMMU_OK);
	row_equal(viommu_restore(r.g.iommu, saved, bytes) >= 0, true);
	row_equal(viommu_run(r.g.iommu), VIOMMU_OK);
	row_equal(vr_peek(&r, 1, 0, R), 0x5000);
	row_equal(vr_drain(&r), 1);
	row_equal(viommu_channel_free(r.channel[1]), VIOMMU_OK);
	row_equal(viommu_device_free(r.device[1]), VIOMMU_OK);
	guest_fini(&r.g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_callbacks),  cmocka_unit_test(test_listeners),
		cmocka_unit_test(test_invalidate),    cmocka_unit_test(test_mode),
		cmocka_unit_test(test_newcomers),     cmocka_unit_test(test_no_id),
		cmocka_unit_test(test_early_answers), cmocka_unit_test(test_unplugged),
		cmocka_unit_test(test_renumbered),    cmocka_unit_test(test_aliased),
		cmocka_unit_test(test_large_probe),
	};

	return cmocka_run_group_tests(tests, NULL, vr_count_rows);
}
