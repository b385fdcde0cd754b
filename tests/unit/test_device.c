/* SPDX-License-Identifier: BSD-3-Clause */
/* test_device.c - devices and channels: ids, caps, lifetimes, and what a device owes. */
#include "check.h"

#include <string.h>

#include "bits.h"
#include "guest.h"

/* ---- ids ---- */

static void ids(void **state)
{
	struct viommu_device_config config = { .size = sizeof(config), .id = 0x0110 };
	struct viommu_device *device = NULL, *other = NULL;
	struct guest g;

	guest_init(&g, GUEST_REGION, 8);
	guest_vtd(&g, 0, 0);
	assert_int_equal(viommu_device_new(g.iommu, &config, &device), VIOMMU_OK);
	assert_int_equal(viommu_device_new(g.iommu, &config, &other), VIOMMU_EEXIST);
	assert_null(other);
	config.id = 0x0111;
	assert_int_equal(viommu_device_new(g.iommu, &config, &other), VIOMMU_OK);
	assert_int_equal(viommu_device_set_id(device, 0x0111), VIOMMU_EEXIST);
	assert_int_equal(viommu_device_set_id(device, 0x0110), VIOMMU_OK); /* its own */
	assert_int_equal(viommu_device_set_id(device, 0x0210), VIOMMU_OK);
	assert_int_equal(viommu_device_set_id(other, 0x0110), VIOMMU_OK); /* is free now */
	assert_int_equal(viommu_device_free(device), VIOMMU_OK);
	assert_int_equal(viommu_device_set_id(other, 0x0210), VIOMMU_OK);
	assert_int_equal(viommu_device_free(other), VIOMMU_OK);
	guest_fini(&g);
}

/* Several at once: all of them, or none. Devices 0 to 2 have ids 8, 16 and 24, device 3 has none, and 32
 * is another's. */
#define NOT_ONE UINT32_MAX /* of device[]: NULL */

static const struct {
	const char *name;
	uint32_t count;
	uint32_t device[4];
	uint32_t id[4];
	int result;
} renamings[] = {
	{ "a swap", 2, { 0, 1 }, { 16, 8 }, VIOMMU_OK },
	{ "in a circle", 3, { 0, 1, 2 }, { 16, 24, 8 }, VIOMMU_OK },
	{ "the same", 2, { 0, 1 }, { 8, 16 }, VIOMMU_OK },
	{ "taking over", 2, { 0, 1 }, { 16, VIOMMU_NO_ID }, VIOMMU_OK },
	{ "taking over from who has none afterwards",
	  2,
	  { 1, 3 },
	  { VIOMMU_NO_ID, 16 },
	  VIOMMU_OK },
	{ "none, all of them", 4, { 0, 1, 2, 3 }, { -1U, -1U, -1U, -1U }, VIOMMU_OK },
	{ "a first one", 1, { 3 }, { 40 }, VIOMMU_OK },
	{ "one that is in use", 2, { 0, 1 }, { 16, 32 }, VIOMMU_EEXIST },
	{ "one that is in use, first", 2, { 0, 1 }, { 24, 8 }, VIOMMU_EEXIST },
	{ "one id twice", 2, { 0, 1 }, { 40, 40 }, VIOMMU_EEXIST },
	{ "one device twice", 3, { 0, 1, 0 }, { 40, 48, 56 }, VIOMMU_EINVAL },
	{ "one without id twice", 2, { 3, 3 }, { 40, 48 }, VIOMMU_EINVAL },
	{ "beyond the last id", 2, { 0, 1 }, { 40, 0x10000 }, VIOMMU_EINVAL },
	{ "NULL", 2, { 0, NOT_ONE }, { 40, 48 }, VIOMMU_EINVAL },
	{ "NULL, first", 2, { NOT_ONE, 0 }, { 40, 48 }, VIOMMU_EINVAL },
	{ "no devices", 0, { 0 }, { 40 }, VIOMMU_EINVAL },
};

static void several_ids_at_once(void **state)
{
	for (size_t i = 0; i < ARRAY_COUNT(renamings); i++) {
		uint32_t id[5] = { 8, 16, 24, VIOMMU_NO_ID, 32 };
		const char *name = renamings[i].name;
		struct viommu_device *given[4] = { NULL };
		struct viommu_device *found;
		struct guest g;

		guest_init(&g, GUEST_REGION, 8);
		guest_vtd(&g, 0, 0);
		for (unsigned n = 0; n < 5; n++)
			guest_device(&g, id[n]);
		for (unsigned n = 0; n < renamings[i].count; n++) {
			uint32_t which = renamings[i].device[n];

			given[n] = which == NOT_ONE ? NULL : g.device[which].device;
		}
		check_eq(name, viommu_devices_set_ids(given, renamings[i].id, renamings[i].count),
			 renamings[i].result);
		for (unsigned n = 0; !renamings[i].result && n < renamings[i].count; n++)
			id[renamings[i].device[n]] = renamings[i].id[n];
		for (unsigned n = 0; n < 5; n++) {
			check_eq(name, viommu_device_get_id(g.device[n].device), id[n]);
			check_eq(name, viommu_find_device(g.iommu, id[n], &found),
				 id[n] == VIOMMU_NO_ID ? VIOMMU_ENOENT : VIOMMU_OK);
			check_that(name, id[n] == VIOMMU_NO_ID || found == g.device[n].device);
		}
		guest_fini(&g);
	}
	assert_int_equal(viommu_devices_set_ids(NULL, renamings[0].id, 1), VIOMMU_EINVAL);
}

/* Devices of two IOMMUs are not renamed together. */
static void ids_of_one_iommu(void **state)
{
	struct viommu_vtd_config vtd = { .size = sizeof(vtd) };
	struct viommu_device_config config = { .size = sizeof(config), .id = 8 };
	const uint32_t ids[] = { 16, 24 };
	struct viommu_device *d[2];
	struct viommu *second;
	struct guest g;

	guest_init(&g, GUEST_REGION, 8);
	guest_vtd(&g, 0, 0);
	assert_int_equal(viommu_vtd_new(g.vm, &vtd, &second), VIOMMU_OK);
	assert_int_equal(viommu_device_new(g.iommu, &config, &d[0]), VIOMMU_OK);
	assert_int_equal(viommu_device_new(second, &config, &d[1]), VIOMMU_OK);
	assert_int_equal(viommu_devices_set_ids(d, ids, 2), VIOMMU_EINVAL);
	assert_int_equal(viommu_device_get_id(d[0]), 8);
	assert_int_equal(viommu_device_free(d[1]), VIOMMU_OK);
	assert_int_equal(viommu_free(second), VIOMMU_OK);
	assert_int_equal(viommu_device_free(d[0]), VIOMMU_OK);
	guest_fini(&g);
}

static void note_mode(void *opaque, struct viommu_device *device, uint32_t mode)
{
	*(uint32_t *)opaque = mode;
}

static int nothing_is_mapped(void *opaque, uint64_t iova, const struct viommu_fragment *fragment)
{
	fail();
	return 1;
}

/* Who has no id is refused, unrecorded, also where nothing is translated, and is what its id is as soon as
 * it has one; caches go with it. */
static void without_an_id(void **state)
{
	uint32_t mode = 99;
	struct viommu_listener_config config = { .size = sizeof(config),
						 .opaque = &mode,
						 .mode = note_mode };
	struct viommu_page_request request = { .pasid = VIOMMU_NO_PASID, .access = 1, .last = 1 };
	struct viommu_listener *listener;
	struct viommu_device *device;
	struct viommu_channel *channel;
	uint64_t first = 0, page, ss;
	struct guest_dma d;
	struct guest g;

	guest_init(&g, GUEST_REGION, 64);
	guest_vtd(&g, GUEST_CAP, GUEST_ECAP_LEGACY);
	ss = guest_table(&g);
	page = guest_alloc(&g, 1);
	guest_ss_map(&g, ss, 4, 0x5000, page, 12, GUEST_RW);
	guest_legacy(&g, 8, 1, ss, 4);
	guest_legacy(&g, 0xffff, 1, ss, 4); /* what its id would be, cut to 16 bits */
	device = guest_device(&g, VIOMMU_NO_ID);
	guest_device(&g, VIOMMU_NO_ID); /* any number have none */
	channel = guest_channel(&g, device, VIOMMU_NO_PASID);
	assert_int_equal(viommu_listener_new(g.iommu, device, &config, &listener), VIOMMU_OK);
	assert_int_equal(mode, VIOMMU_MODE_BLOCK);
	assert_int_equal(guest_dma(device, 0x5000, VIOMMU_READ).result, VIOMMU_FAULT);
	guest_start(&g, VTD_TTM_LEGACY);
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned twice = 0; twice < 2; twice++) {
			d = guest_dma(device, 0x5000, VIOMMU_READ);
			assert_int_equal(d.result, VIOMMU_FAULT);
			assert_int_equal(d.answer.reason, 0);
			d = guest_channel_dma(channel, VIOMMU_NO_PASID, 0x5000, VIOMMU_READ);
			assert_int_equal(d.result, VIOMMU_FAULT);
			d = guest_ats(device, VIOMMU_NO_PASID, 0x5000, VIOMMU_READ);
			assert_int_equal(d.result, VIOMMU_FAULT);
			assert_int_equal(d.answer.ats, VIOMMU_ATS_UNSUPPORTED);
		}
		assert_int_equal(viommu_replay(device, VIOMMU_NO_PASID, &first, 0xffff, 0,
					       nothing_is_mapped, NULL),
				 VIOMMU_FAULT);
		assert_int_equal(viommu_request_page(device, &request), VIOMMU_EINVAL);
		assert_int_equal(guest_take_faults(&g), 0);
		assert_int_equal(viommu_device_set_id(device, 8), VIOMMU_OK);
		assert_int_equal(viommu_run(g.iommu), VIOMMU_OK);
		assert_int_equal(mode, VIOMMU_MODE_TRANSLATE);
		for (unsigned twice = 0; twice < 2; twice++) {
			assert_int_equal(guest_dma(device, 0x5000, VIOMMU_READ).f.gpa, page);
			d = guest_channel_dma(channel, VIOMMU_NO_PASID, 0x5000, VIOMMU_READ);
			assert_int_equal(d.f.gpa, page);
		}
		assert_int_equal(viommu_device_set_id(device, VIOMMU_NO_ID), VIOMMU_OK);
		assert_int_equal(viommu_run(g.iommu), VIOMMU_OK);
		assert_int_equal(mode, VIOMMU_MODE_BLOCK);
	}
	assert_int_equal(viommu_listener_free(listener), VIOMMU_OK);
	guest_fini(&g);
}

/* The same id behind two IOMMUs of a VM is two devices. */
static void ids_are_an_iommus_own(void **state)
{
	struct viommu_vtd_config vtd = { .size = sizeof(vtd) };
	struct viommu_device_config config = { .size = sizeof(config), .id = 8 };
	struct viommu_device *a, *b;
	struct viommu *second;
	struct guest g;

	guest_init(&g, GUEST_REGION, 8);
	guest_vtd(&g, 0, 0);
	assert_int_equal(viommu_vtd_new(g.vm, &vtd, &second), VIOMMU_OK);
	assert_int_equal(viommu_device_new(g.iommu, &config, &a), VIOMMU_OK);
	assert_int_equal(viommu_device_new(second, &config, &b), VIOMMU_OK);
	assert_int_equal(viommu_free(second), VIOMMU_EBUSY);
	assert_int_equal(viommu_device_free(b), VIOMMU_OK);
	assert_int_equal(viommu_free(second), VIOMMU_OK);
	assert_int_equal(viommu_free(g.iommu), VIOMMU_EBUSY);
	assert_int_equal(viommu_device_free(a), VIOMMU_OK);
	guest_fini(&g);
}

/* A renumbered device is judged by its new context entry, and named by its new id, from now on. */
static void renumbered(void **state)
{
	struct viommu_device *device;
	struct viommu_channel *channel;
	struct guest_fault fault;
	uint64_t ss[2], page[2];
	struct guest g;

	guest_init(&g, GUEST_REGION, 64);
	guest_vtd(&g, GUEST_CAP, GUEST_ECAP_LEGACY);
	for (unsigned i = 0; i < 2; i++) {
		ss[i] = guest_table(&g);
		page[i] = guest_alloc(&g, 1);
		guest_ss_map(&g, ss[i], 4, 0x5000, page[i], 12, GUEST_RW);
		guest_legacy(&g, (uint16_t)(0x0100 + i * 8), (uint16_t)(i + 1), ss[i], 4);
	}
	guest_start(&g, VTD_TTM_LEGACY);
	device = guest_device(&g, 0x0100);
	channel = guest_channel(&g, device, VIOMMU_NO_PASID);
	for (unsigned round = 0; round < 4; round++) {
		unsigned now = round & 1;
		uint32_t id = 0x0100 + now * 8;

		assert_int_equal(viommu_device_set_id(device, id), VIOMMU_OK);
		for (unsigned twice = 0; twice < 2; twice++) {
			struct guest_dma d = guest_dma(device, 0x5000, VIOMMU_READ);

			assert_int_equal(d.f.gpa, page[now]);
			d = guest_channel_dma(channel, VIOMMU_NO_PASID, 0x5000, VIOMMU_READ);
			assert_int_equal(d.f.gpa, page[now]);
		}
		assert_int_equal(guest_dma(device, 0x6000, VIOMMU_READ).result, VIOMMU_FAULT);
		assert_true(guest_take_fault(&g, &fault));
		assert_int_equal(fault.sid, id);
	}
	guest_fini(&g);
}

/* What a freed device had cached is not its successor's, although the id is the same. */
static void successors_start_afresh(void **state)
{
	struct viommu_device_config config = { .size = sizeof(config), .id = 8 };
	struct viommu_device *device;
	uint64_t page[2], ss;
	struct guest g;

	guest_init(&g, GUEST_REGION, 64);
	guest_vtd(&g, GUEST_CAP, GUEST_ECAP_LEGACY);
	page[0] = guest_alloc(&g, 2);
	page[1] = page[0] + GUEST_PAGE;
	guest_start(&g, VTD_TTM_LEGACY);
	for (unsigned i = 0; i < 2; i++) {
		ss = guest_table(&g);
		guest_ss_map(&g, ss, 4, 0x5000, page[i], 12, GUEST_RW);
		guest_legacy(&g, 8, 1, ss, 4);
		assert_int_equal(viommu_device_new(g.iommu, &config, &device), VIOMMU_OK);
		assert_int_equal(guest_dma(device, 0x5000, VIOMMU_READ).f.gpa, page[i]);
		assert_int_equal(viommu_device_free(device), VIOMMU_OK);
	}
	guest_fini(&g);
}

/* ---- caps (obligation 27) ---- */

static void setup_limited(struct guest *g, uint32_t devices, uint32_t channels, uint32_t owed)
{
	struct viommu_limits limits = { .size = sizeof(limits),
					.devices = devices,
					.channels = channels,
					.outstanding = owed };
	struct viommu_vtd_config config = { .size = sizeof(config),
					    .limits = &limits,
					    .cap = GUEST_CAP,
					    .ecap = GUEST_ECAP_LEGACY };

	guest_init(g, GUEST_REGION, 64);
	assert_int_equal(guest_try_vtd_config(g, &config), VIOMMU_OK);
}

static void cap_on_devices(void **state)
{
	struct viommu_device_config config = { .size = sizeof(config) };
	struct viommu_device *device[6];
	struct viommu_device *none = NULL;
	struct guest g;

	setup_limited(&g, 5, 0, 0);
	for (unsigned round = 0; round < 3; round++) {
		uint64_t blocks = g.blocks;

		for (config.id = 0; config.id < 5; config.id++)
			assert_int_equal(viommu_device_new(g.iommu, &config, &device[config.id]),
					 0);
		assert_int_equal(viommu_device_new(g.iommu, &config, &none), VIOMMU_ELIMIT);
		assert_null(none);
		assert_int_equal(g.blocks, blocks + 5);
		assert_int_equal(viommu_device_free(device[round]), VIOMMU_OK);
		config.id = round + 100;
		assert_int_equal(viommu_device_new(g.iommu, &config, &device[round]), VIOMMU_OK);
		for (unsigned i = 0; i < 5; i++)
			assert_int_equal(viommu_device_free(device[i]), VIOMMU_OK);
		assert_int_equal(g.blocks, blocks);
	}
	guest_fini(&g);
}

static void cap_on_channels(void **state)
{
	struct viommu_channel *channel[4], *none = NULL;
	struct viommu_device *device;
	struct guest g;

	setup_limited(&g, 0, 3, 0);
	device = guest_device(&g, 8);
	for (unsigned round = 0; round < 2; round++) {
		for (unsigned i = 0; i < 3; i++)
			assert_int_equal(viommu_channel_new(device, i, &channel[i]), VIOMMU_OK);
		assert_int_equal(viommu_channel_new(device, 9, &none), VIOMMU_ELIMIT);
		assert_null(none);
		assert_int_equal(viommu_channel_free(channel[1]), VIOMMU_OK);
		g.no_memory_in = 1; /* running out of memory does not use up the cap */
		assert_int_equal(viommu_channel_new(device, 9, &none), VIOMMU_ENOMEM);
		assert_int_equal(viommu_channel_new(device, 9, &channel[1]), VIOMMU_OK);
		for (unsigned i = 0; i < 3; i++)
			assert_int_equal(viommu_channel_free(channel[i]), VIOMMU_OK);
	}
	guest_fini(&g);
}

/* More device-TLB invalidations than may be outstanding: the queue waits, and none is lost. */
static void cap_on_outstanding_invalidations(void **state)
{
	struct viommu_device *device;
	unsigned answered = 0;
	struct guest g;

	setup_limited(&g, 0, 0, 3);
	device = guest_device(&g, 8);
	guest_start(&g, VTD_TTM_LEGACY);
	g.invalidate_result = VIOMMU_PENDING;
	for (unsigned i = 0; i < 10; i++)
		guest_submit(&g, GUEST_DEVTLB(8), (uint64_t)i << 12, 0, 0);
	guest_submit_wait(&g);
	assert_int_equal(guest_ring(&g), VIOMMU_PENDING);
	assert_int_equal(g.count[GUEST_ON_INVALIDATE], 3);
	while (answered < 10) {
		assert_false(guest_waited(&g));
		assert_true(g.count[GUEST_ON_INVALIDATE] - answered <= 3);
		assert_true(answered < g.count[GUEST_ON_INVALIDATE]);
		assert_int_equal(viommu_invalidation_done(
					 device, g.invalidation[answered].what.token, VIOMMU_OK),
				 VIOMMU_OK);
		answered++;
		assert_int_equal(viommu_run(g.iommu), answered < 10 ? VIOMMU_PENDING : VIOMMU_OK);
	}
	assert_true(guest_waited(&g));
	assert_int_equal(g.count[GUEST_ON_INVALIDATE], 10);
	for (unsigned i = 0; i < 10; i++) {
		assert_int_equal(g.invalidation[i].what.first, (uint64_t)i << 12);
		assert_int_equal(g.invalidation[i].what.last, ((uint64_t)i << 12) + 0xfff);
	}
	guest_fini(&g);
}

/* ---- what a device owes ---- */

static void answers_of_devices(void **state)
{
	struct viommu_device *device, *other;
	struct guest g;
	uint64_t token;

	setup_limited(&g, 0, 0, 0);
	device = guest_device(&g, 8);
	other = guest_device(&g, 16);
	guest_start(&g, VTD_TTM_LEGACY);
	assert_int_equal(viommu_invalidation_done(device, 1, VIOMMU_OK), VIOMMU_ENOENT);
	guest_write32(&g, VTD_FSTS, 0x73);
	g.invalidate_result = VIOMMU_PENDING;
	guest_submit(&g, GUEST_DEVTLB(8), 0x5000, 0, 0);
	guest_submit_wait(&g);
	assert_int_equal(guest_ring(&g), VIOMMU_PENDING);
	token = g.invalidation[0].what.token;
	assert_int_equal(g.invalidation[0].id, 8);
	assert_int_equal(viommu_invalidation_done(NULL, token, VIOMMU_OK), VIOMMU_EINVAL);
	assert_int_equal(viommu_invalidation_done(device, token, VIOMMU_PENDING), VIOMMU_EINVAL);
	assert_int_equal(viommu_invalidation_done(device, token, -1), VIOMMU_EINVAL);
	assert_int_equal(viommu_invalidation_done(device, token + 1, VIOMMU_OK), VIOMMU_ENOENT);
	assert_int_equal(viommu_invalidation_done(other, token, VIOMMU_OK), VIOMMU_ENOENT);
	assert_int_equal(viommu_run(g.iommu), VIOMMU_PENDING);
	assert_false(guest_waited(&g));
	assert_int_equal(viommu_invalidation_done(device, token, VIOMMU_OK), VIOMMU_OK);
	assert_int_equal(viommu_invalidation_done(device, token, VIOMMU_OK), VIOMMU_ENOENT);
	assert_int_equal(viommu_run(g.iommu), VIOMMU_OK);
	assert_true(guest_waited(&g));
	guest_fini(&g);
}

/* Whatever is neither "done" nor "later" is a time-out (6.5.2.10). */
static void refusals_are_time_outs(void **state)
{
	static const int results[] = { VIOMMU_FAULT, VIOMMU_MORE, VIOMMU_ENOMEM, -100, 77 };
	struct guest g;

	setup_limited(&g, 0, 0, 0);
	guest_device(&g, 8);
	guest_start(&g, VTD_TTM_LEGACY);
	for (unsigned i = 0; i < sizeof(results) / sizeof(results[0]); i++) {
		g.invalidate_result = results[i];
		guest_submit(&g, GUEST_DEVTLB(8), 0x5000, 0, 0);
		guest_submit_wait(&g);
		guest_ring(&g);
		assert_int_equal(guest_read32(&g, VTD_FSTS) & 0xff, VTD_FSTS_ITE);
		assert_int_equal(guest_read64(&g, VTD_IQERCD), UINT64_C(8) << 32);
		assert_false(guest_waited(&g));
		guest_write32(&g, VTD_FSTS, (uint32_t)VTD_FSTS_ITE);
		g.invalidate_result = VIOMMU_OK;
		guest_wait(&g);
	}
	guest_fini(&g);
}

/* A device that is given up owes nothing, and can be used again. */
static void a_device_that_is_given_up(void **state)
{
	struct viommu_device *device, *other;
	struct guest g;
	unsigned works;

	setup_limited(&g, 0, 0, 0);
	device = guest_device(&g, 8);
	other = guest_device(&g, 16);
	guest_start(&g, VTD_TTM_LEGACY);
	assert_int_equal(viommu_device_fail(NULL), VIOMMU_EINVAL);
	works = g.count[GUEST_ON_WORK];
	assert_int_equal(viommu_device_fail(device), VIOMMU_OK);
	assert_int_equal(g.count[GUEST_ON_WORK], works);
	g.invalidate_result = VIOMMU_PENDING;
	for (unsigned i = 0; i < 3; i++)
		guest_submit(&g, GUEST_DEVTLB(i == 1 ? 16 : 8), 0x5000, 0, 0);
	guest_submit_wait(&g);
	assert_int_equal(guest_ring(&g), VIOMMU_PENDING);
	assert_int_equal(viommu_device_fail(device), VIOMMU_OK);
	assert_int_equal(g.count[GUEST_ON_WORK], works + 1);
	assert_int_equal(viommu_run(g.iommu), VIOMMU_PENDING);
	assert_int_equal(viommu_invalidation_done(other, g.invalidation[1].what.token, VIOMMU_OK),
			 VIOMMU_OK);
	assert_int_equal(viommu_run(g.iommu), VIOMMU_OK);
	assert_true(guest_waited(&g));
	assert_int_equal(guest_read32(&g, VTD_FSTS) & 0xff, 0);
	g.invalidate_result = VIOMMU_OK;
	guest_submit(&g, GUEST_DEVTLB(8), 0x5000, 0, 0);
	guest_wait(&g);
	assert_int_equal(g.count[GUEST_ON_INVALIDATE], 4);
	guest_fini(&g);
}

/* A device that goes away owes nothing any more; the host is told that the queue can go on. */
static void a_device_that_goes_away(void **state)
{
	struct viommu_device *device;
	struct guest g;
	unsigned work;

	setup_limited(&g, 0, 0, 0);
	guest_start(&g, VTD_TTM_LEGACY);
	device = guest_device(&g, 0x100);
	g.devices = 0; /* freed below */
	g.invalidate_result = VIOMMU_PENDING;
	guest_submit(&g, GUEST_DEVTLB(0x100), 0x5000, 0, 0);
	guest_submit(&g, GUEST_DEVTLB(0x100), 0x6000, 0, 0);
	guest_submit_wait(&g);
	assert_int_equal(guest_ring(&g), VIOMMU_PENDING);
	assert_int_equal(g.count[GUEST_ON_INVALIDATE], 2);
	work = g.count[GUEST_ON_WORK];
	assert_int_equal(viommu_device_free(device), VIOMMU_OK);
	assert_true(g.count[GUEST_ON_WORK] > work);
	assert_int_equal(viommu_run(g.iommu), VIOMMU_OK);
	assert_true(guest_waited(&g));
	guest_fini(&g);
}

/* ---- finding devices by id ---- */

/* Ids that fall into the same place of a table are still different devices. */
static void many_devices(void **state)
{
	static const uint32_t id[] = { 0x0000, 0x0101, 0x0202, 0x1010, 0xffff,
				       0x0001, 0x0100, 0x0203, 0xfefe, 0x8080 };
	struct guest g;

	setup_limited(&g, 0, 0, 0);
	for (size_t i = 0; i < ARRAY_COUNT(id); i++)
		guest_device(&g, id[i]);
	guest_start(&g, VTD_TTM_LEGACY);
	for (size_t i = 0; i < ARRAY_COUNT(id); i++) {
		guest_submit(&g, GUEST_DEVTLB(id[i]), 0, 0, 0);
		guest_submit(&g, GUEST_DEVTLB(id[i] ^ 4), 0, 0, 0); /* nobody */
	}
	guest_wait(&g);
	assert_int_equal(g.count[GUEST_ON_INVALIDATE], ARRAY_COUNT(id));
	for (size_t i = 0; i < ARRAY_COUNT(id); i++)
		assert_int_equal(g.invalidation[i].id, id[i]);
	guest_fini(&g);
}

/* ---- in use ---- */

static void channels(void **state)
{
	struct viommu_channel *channel, *other;
	struct viommu_device *device;
	struct guest g;

	setup_limited(&g, 0, 0, 0);
	guest_legacy_tt(&g, 8, 1, 0, 4, VTD_TT_PASS);
	guest_start(&g, VTD_TTM_LEGACY);
	device = guest_device(&g, 8);
	g.devices = 0; /* freed below */
	assert_int_equal(viommu_channel_new(device, VIOMMU_NO_PASID, &channel), VIOMMU_OK);
	assert_int_equal(viommu_channel_new(device, VIOMMU_NO_PASID, &other), VIOMMU_OK);
	assert_int_equal(viommu_device_free(device), VIOMMU_EBUSY);
	assert_int_equal(viommu_leave(channel), VIOMMU_EINVAL);
	assert_int_equal(viommu_enter(channel), VIOMMU_OK);
	assert_int_equal(viommu_enter(channel), VIOMMU_EBUSY);
	assert_int_equal(viommu_enter(other), VIOMMU_OK);
	assert_int_equal(viommu_channel_free(channel), VIOMMU_EBUSY);
	/* it still works after all that */
	assert_int_equal(guest_channel_dma(channel, VIOMMU_NO_PASID, 0x1234, 1).f.gpa, 0x1234);
	assert_int_equal(viommu_leave(channel), VIOMMU_OK);
	assert_int_equal(viommu_leave(channel), VIOMMU_EINVAL);
	assert_int_equal(viommu_channel_free(channel), VIOMMU_OK);
	assert_int_equal(viommu_device_free(device), VIOMMU_EBUSY);
	assert_int_equal(viommu_leave(other), VIOMMU_OK);
	assert_int_equal(viommu_channel_free(other), VIOMMU_OK);
	assert_int_equal(viommu_device_free(device), VIOMMU_OK);
	guest_fini(&g);
}

static void channel_pasids(void **state)
{
	static const struct {
		const char *name;
		uint32_t pasid;
		int result;
	} rows[] = {
		{ "none", VIOMMU_NO_PASID, VIOMMU_OK },	    { "0", 0, VIOMMU_OK },
		{ "the largest", BIT(20) - 1, VIOMMU_OK },  { "one more", BIT(20), VIOMMU_EINVAL },
		{ "any", VIOMMU_ANY_PASID, VIOMMU_EINVAL }, { "bit 31", BIT(31), VIOMMU_EINVAL },
	};
	struct viommu_device *device;
	struct guest g;

	setup_limited(&g, 0, 0, 0);
	device = guest_device(&g, 8);
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		struct viommu_channel *channel = NULL;
		struct guest_dma d;

		check_eq(rows[i].name, viommu_channel_new(device, rows[i].pasid, &channel),
			 rows[i].result);
		check_eq(rows[i].name, channel != NULL, !rows[i].result);
		if (!channel)
			continue;
		d = guest_channel_dma(channel, rows[i].pasid, 0x1000, VIOMMU_READ);
		check_that(rows[i].name, d.result >= 0);
		d = guest_channel_dma(channel, rows[i].pasid ^ 1, 0x1000, VIOMMU_READ);
		check_eq(rows[i].name, d.result, VIOMMU_EINVAL);
		check_eq(rows[i].name, viommu_channel_free(channel), VIOMMU_OK);
	}
	guest_fini(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ids),
		cmocka_unit_test(several_ids_at_once),
		cmocka_unit_test(ids_of_one_iommu),
		cmocka_unit_test(without_an_id),
		cmocka_unit_test(ids_are_an_iommus_own),
		cmocka_unit_test(renumbered),
		cmocka_unit_test(successors_start_afresh),
		cmocka_unit_test(cap_on_devices),
		cmocka_unit_test(cap_on_channels),
		cmocka_unit_test(cap_on_outstanding_invalidations),
		cmocka_unit_test(refusals_are_time_outs),
		cmocka_unit_test(a_device_that_is_given_up),
		cmocka_unit_test(answers_of_devices),
		cmocka_unit_test(a_device_that_goes_away),
		cmocka_unit_test(many_devices),
		cmocka_unit_test(channels),
		cmocka_unit_test(channel_pasids),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
