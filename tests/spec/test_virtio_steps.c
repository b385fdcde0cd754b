/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_virtio_steps.c - requests that are too much for one call: each call takes no more than its
 * steps, later requests wait, and whatever happens in between leaves all or nothing (obligations 27,
 * 28, 38).
 */
#include "check.h"

#include <stdlib.h>
#include <string.h>

#include "trace.h"
#include "virtio_rig.h"

#define R	VIOMMU_READ
#define NOWHERE VR_FAULT(VR_DOMAIN)

enum { STEPS = 8, PAGES = 100, MORE = 300, IDS = 1000, SLACK = 4 };

/* ---- an embedder: endpoints beyond those of the rig, and listeners that count ---- */

static struct virtio_rig *rig;
static struct viommu_device *extra[MORE];
static struct viommu_listener *listener[MORE + VR_ENDPOINTS + 1];
static unsigned listeners;
static unsigned maps, unmaps, modes;
static unsigned refuse_at;     /* the nth map from now on; 0: none */
static bool mapped[PAGES * 2]; /* of endpoint 1 */

static void on_unmap(void *opaque, struct viommu_device *device, uint32_t pasid, uint64_t first,
		     uint64_t last)
{
	unmaps++;
	if (device != rig->device[1])
		return;
	for (uint64_t i = 0; i < PAGES * 2; i++)
		mapped[i] = mapped[i] && (i << 12 < first || i << 12 > last);
}

static int on_map(void *opaque, struct viommu_device *device, uint32_t pasid, uint64_t iova,
		  const struct viommu_fragment *f)
{
	maps++;
	if (refuse_at && --refuse_at == 0)
		return VIOMMU_ENOMEM;
	if (device == rig->device[1])
		mapped[iova >> 12] = true;
	return VIOMMU_OK;
}

static void on_mode(void *opaque, struct viommu_device *device, uint32_t mode)
{
	modes++;
}

static unsigned told(void)
{
	return maps + unmaps + modes;
}

static unsigned mappings_told(void)
{
	unsigned count = 0;

	for (unsigned i = 0; i < PAGES * 2; i++)
		count += mapped[i];
	return count;
}

static void listen_to(struct viommu_device *device)
{
	const struct viommu_listener_config config = {
		.size = sizeof(config), .unmap = on_unmap, .map = on_map, .mode = on_mode
	};

	row_equal(viommu_listener_new(rig->g.iommu, device, &config, &listener[listeners++]),
		  VIOMMU_OK);
}

static void open_rig(unsigned outstanding)
{
	const struct viommu_limits limits = { .size = sizeof(limits),
					      .steps = STEPS,
					      .outstanding = outstanding };
	const struct viommu_virtio_config config = { .limits = &limits };

	rig = vr_open(&config);
	listeners = 0;
	refuse_at = 0;
	memset(mapped, 0, sizeof(mapped));
}

static void close_rig(void)
{
	while (viommu_run(rig->g.iommu) == VIOMMU_PENDING)
		;
	while (listeners)
		row_equal(viommu_listener_free(listener[--listeners]), VIOMMU_OK);
	for (unsigned i = 0; i < MORE; i++) {
		row_equal(viommu_device_free(extra[i]), VIOMMU_OK);
		extra[i] = NULL;
	}
	vr_close(rig);
}

/* MORE endpoints, from IDS on. */
static void make_more(void)
{
	for (unsigned i = 0; i < MORE; i++) {
		const struct viommu_device_config config = { .size = sizeof(config),
							     .id = IDS + i };

		row_equal(viommu_device_new(rig->g.iommu, &config, &extra[i]), VIOMMU_OK);
	}
}

static void map_pages(uint32_t domain, unsigned count)
{
	for (uint64_t i = 0; i < count; i++)
		row_equal(vr_map(rig, domain, i << 12, i << 12 | 0xfff, (16 + i) << 12, VR_RW),
			  ST_OK);
}

/* Runs to the end; how many calls it takes. */
static unsigned run_all(void)
{
	unsigned calls = 0;
	int result;

	do {
		unsigned before = told();

		row_equal(calls++ < 10000, true);
		result = viommu_run(rig->g.iommu);
		row_equal(told() - before <= STEPS + SLACK, true);
	} while (result == VIOMMU_PENDING);
	row_equal(result, VIOMMU_OK);
	return calls;
}

/* A request that is not taken, without a trace. */
static void check_not_taken(struct vr_message m)
{
	uint8_t tail[4] = { VR_UNTOUCHED, VR_UNTOUCHED, VR_UNTOUCHED, VR_UNTOUCHED };
	const struct viommu_part in = { m.bytes, m.count }, out = { tail, sizeof(tail) };
	unsigned before = told();
	uint32_t used = 77;

	row_equal(viommu_virtio_request(rig->g.iommu, &in, 1, &out, 1, 99, &used), VIOMMU_ELIMIT);
	row_equal(told() - before <= STEPS + SLACK, true);
	row_equal(tail[0], VR_UNTOUCHED);
	row_equal(used, 77);
}

/* ---- ATTACH ---- */

/* Endpoint 2 in domain 7 with PAGES mappings; endpoint 1 with a listener is about to come. */
static void open_attach(void)
{
	open_rig(0);
	row_equal(vr_attach(rig, 7, 2, 0), ST_OK);
	row_equal(vr_attach(rig, 8, 1, 0), ST_OK);
	row_equal(vr_map(rig, 8, 0, 0xfff, 0x90000, VR_RW), ST_OK);
	map_pages(7, PAGES);
	listen_to(rig->device[1]);
	rig->completions = 0;
	maps = unmaps = modes = 0;
}

/* The request's buffer, which is kept. */
static uint8_t kept[4];
static uint64_t kept_token;

static int send_kept(struct vr_message m)
{
	const struct viommu_part in = { m.bytes, m.count }, out = { kept, sizeof(kept) };
	unsigned before = told();
	uint32_t used;
	int result;

	memset(kept, VR_UNTOUCHED, sizeof(kept));
	result = viommu_virtio_request(rig->g.iommu, &in, 1, &out, 1, ++kept_token, &used);
	row_equal(told() - before <= STEPS + SLACK, true);
	row_equal(used, 4);
	return result;
}

static void test_attach(void **state)
{
	open_attach();
	row_name = "38 ATTACH to many mappings";
	row_equal(send_kept(vr_make_attach(7, 1, 0)), VIOMMU_PENDING);
	row_equal(kept[0], ST_OK);
	row_name = "38 detached first";
	row_equal(vr_peek(rig, 1, 0, R), NOWHERE);
	row_equal(vr_set_bypass(rig, 1) >= VIOMMU_OK, true);
	row_equal(vr_peek(rig, 1, 0, R), NOWHERE); /* that it is on its way is no reason */
	row_equal(vr_peek(rig, 3, 0x5000, R), 0x5000);
	row_equal(vr_set_bypass(rig, 0), VIOMMU_PENDING);
	row_name = "38 later requests wait";
	check_not_taken(vr_make_unmap(7, 0, 0xfff));
	check_not_taken(vr_make_map(8, 0x5000, 0x5fff, 0, 1));
	check_not_taken(vr_make_detach(7, 1));
	row_equal(rig->completions, 0);
	row_equal(maps < PAGES, true);
	row_name = "38 attached last";
	row_equal(run_all() > PAGES / STEPS - 8, true);
	row_equal(rig->completions, 1);
	row_equal(rig->completed[0], kept_token);
	row_equal(kept[0], ST_OK);
	row_equal(maps, PAGES);
	row_equal(mappings_told(), PAGES);
	row_equal(vr_peek(rig, 1, 0x3000, R), 0x13000);
	row_name = "38 nothing is left";
	row_equal(viommu_run(rig->g.iommu), VIOMMU_OK);
	row_equal(vr_unmap(rig, 7, 0, 0xfff), ST_OK);
	row_equal(mappings_told(), PAGES - 1);
	close_rig();
}

/* The listener refuses one of them. */
static void test_attach_refused(void **state)
{
	for (unsigned at = 1; at <= PAGES; at += 33) {
		int result;

		open_attach();
		row_name = "28 a listener refuses a mapping of ATTACH";
		refuse_at = at;
		result = send_kept(vr_make_attach(7, 1, 0));
		if (result == VIOMMU_PENDING)
			run_all();
		row_equal(kept[0], ST_NOMEM);
		row_equal(maps, at);
		row_equal(mappings_told(), 0);
		row_equal(rig->completions, result == VIOMMU_PENDING);
		row_equal(vr_peek(rig, 1, 0, R), NOWHERE);
		row_equal(vr_detach(rig, 7, 1), ST_INVAL);
		row_name = "28 again";
		row_equal(send_kept(vr_make_attach(7, 1, 0)), VIOMMU_PENDING);
		run_all();
		row_equal(kept[0], ST_OK);
		row_equal(mappings_told(), PAGES);
		row_equal(vr_peek(rig, 1, 0x3000, R), 0x13000);
		close_rig();
		vr_rows_run++;
	}
}

/* ---- what happens in between ---- */

static unsigned char saved[65536];

static void save_and_restore(void)
{
	uint64_t bytes = sizeof(saved);

	row_equal(viommu_save(rig->g.iommu, saved, &bytes), VIOMMU_OK);
	row_equal(kept[0], ST_OK); /* as if it were done */
	row_equal(viommu_restore(rig->g.iommu, saved, bytes) >= VIOMMU_OK, true);
	row_equal(vr_peek(rig, 1, 0x3000, R), 0x13000);
	row_equal(mappings_told(), PAGES);
}

static void reset_device(void)
{
	row_equal(viommu_virtio_reset(rig->g.iommu), VIOMMU_PENDING);
	run_all();
	row_equal(rig->completions, 0);
	row_equal(vr_peek(rig, 1, 0, R), NOWHERE);
	row_equal(mappings_told(), 0);
}

static void free_endpoint(void)
{
	row_equal(viommu_listener_free(listener[--listeners]), VIOMMU_OK);
	guest_drop(&rig->g);
	row_equal(run_all() <= 2, true);
	row_equal(rig->completions, 1);
}

static void free_others(void)
{
	row_equal(viommu_channel_free(rig->g.channel[1]), VIOMMU_OK);
	rig->g.channel[1] = rig->g.channel[--rig->g.channels];
	row_equal(viommu_device_free(rig->device[2]), VIOMMU_OK);
	rig->g.device[1] = rig->g.device[--rig->g.devices];
	run_all();
	row_equal(rig->completions, 1);
	row_equal(mappings_told(), PAGES);
	row_equal(vr_peek(rig, 1, 0x3000, R), 0x13000);
}

static void one_more_listens(void)
{
	listen_to(rig->device[1]); /* ends what is under way */
	row_equal(mappings_told(), PAGES);
	row_equal(vr_peek(rig, 1, 0x3000, R), 0x13000);
	row_equal(viommu_run(rig->g.iommu), VIOMMU_OK);
	row_equal(rig->completions, 1);
}

static const struct {
	const char *name;
	void (*then)(void);
} between[] = {
	{ "29 saved in the middle of ATTACH", save_and_restore },
	{ "38 a reset in the middle of ATTACH", reset_device },
	{ "38 the endpoint is freed in the middle of ATTACH", free_endpoint },
	{ "38 the domain's others are freed in the middle of ATTACH", free_others },
	{ "38 a listener comes in the middle of ATTACH", one_more_listens },
};

static void test_between(void **state)
{
	for (size_t i = 0; i < VR_ROWS(between); i++) {
		open_attach();
		row_name = between[i].name;
		row_equal(send_kept(vr_make_attach(7, 1, 0)), VIOMMU_PENDING);
		row_equal(viommu_run(rig->g.iommu), VIOMMU_PENDING);
		between[i].then();
		close_rig();
		vr_rows_run++;
	}
}

/* ---- UNMAP ---- */

static void open_many_pages(unsigned pages)
{
	open_rig(0);
	row_equal(vr_attach(rig, 7, 1, 0), ST_OK);
	listen_to(rig->device[1]);
	for (uint64_t i = 0; i < pages; i++)
		row_equal(vr_map(rig, 7, i << 12, i << 12 | 0xfff, i << 12, VR_RW), ST_OK);
	maps = unmaps = modes = rig->completions = 0;
}

enum { MANY = 2000 }; /* more leaves than steps */

static unsigned left(void)
{
	struct vr_range ranges[4];
	unsigned pages = 0;
	int result;
	unsigned count = vr_ranges(rig, 1, 0, UINT64_MAX, ranges, 4, &result);

	for (unsigned i = 0; i < count; i++)
		pages += (unsigned)((ranges[i].last - ranges[i].iova) >> 12) + 1;
	return pages;
}

static void test_unmap(void **state)
{
	unsigned calls = 0, was;

	row_name = "38 UNMAP of many mappings";
	open_many_pages(PAGES * 2);
	row_equal(vr_unmap(rig, 7, 0x800, UINT64_MAX), ST_RANGE); /* decided before anything goes */
	row_equal(left(), PAGES * 2);
	close_rig();
	open_rig(0);
	row_equal(vr_attach(rig, 7, 1, 0), ST_OK);
	for (uint64_t i = 0; i < MANY; i++)
		row_equal(vr_map(rig, 7, i << 12, i << 12 | 0xfff, i << 12, VR_RW), ST_OK);
	listen_to(rig->device[1]);
	maps = unmaps = modes = rig->completions = 0;
	row_equal(send_kept(vr_make_unmap(7, 0, (uint64_t)(MANY - 1) << 12 | 0xfff)),
		  VIOMMU_PENDING);
	row_equal(kept[0], ST_OK);
	was = left();
	row_equal(was < MANY, true);
	row_equal(was >= MANY - STEPS * 20, true);
	check_not_taken(vr_make_map(7, 0, 0xfff, 0, 1));
	for (; was; calls++) {
		row_equal(viommu_run(rig->g.iommu), VIOMMU_PENDING);
		row_equal(was - left() <= STEPS * 20, true);
		was = left();
	}
	row_equal(calls > 4, true);
	run_all();
	row_equal(unmaps, 1); /* one range, however many mappings */
	row_equal(rig->completions, 1);
	row_equal(vr_map(rig, 7, 0, 0xfff, 0, 1), ST_OK);
	close_rig();
}

static void test_unmap_saved(void **state)
{
	uint64_t bytes = sizeof(saved);

	row_name = "29 saved in the middle of UNMAP";
	open_rig(0);
	row_equal(vr_attach(rig, 7, 1, 0), ST_OK);
	for (uint64_t i = 0; i < MANY; i++)
		row_equal(vr_map(rig, 7, i << 12, i << 12 | 0xfff, i << 12, VR_RW), ST_OK);
	row_equal(send_kept(vr_make_unmap(7, 0x1000, UINT64_MAX)), VIOMMU_PENDING);
	row_equal(viommu_save(rig->g.iommu, saved, &bytes), VIOMMU_OK);
	row_equal(kept[0], ST_OK);
	row_equal(viommu_restore(rig->g.iommu, saved, bytes) >= VIOMMU_OK, true);
	row_equal(left(), 1);
	row_equal(vr_peek(rig, 1, 0x1000, R), VR_FAULT(VR_MAPPING));
	close_rig();
}

/* ---- many endpoints ---- */

static void open_crowd(void)
{
	open_rig(0);
	make_more();
	for (unsigned i = 0; i < MORE; i++) {
		row_equal(vr_attach(rig, 7, IDS + i, 0), ST_OK);
		listen_to(extra[i]);
	}
	maps = unmaps = modes = rig->completions = 0;
}

static void test_crowd(void **state)
{
	open_crowd();
	row_name = "38 MAP with many endpoints";
	row_equal(send_kept(vr_make_map(7, 0, 0xfff, 0x10000, VR_RW)), VIOMMU_PENDING);
	row_equal(kept[0], ST_OK);
	check_not_taken(vr_make_map(7, 0x1000, 0x1fff, 0, 1));
	run_all();
	row_equal(maps, MORE);
	row_equal(rig->completions, 1);
	row_name = "38 UNMAP with many endpoints";
	row_equal(send_kept(vr_make_unmap(7, 0, UINT64_MAX)), VIOMMU_PENDING);
	check_not_taken(vr_make_map(7, 0x1000, 0x1fff, 0, 1));
	run_all();
	row_equal(unmaps, MORE);
	row_equal(rig->completions, 2);
	row_name = "38 a reset with many endpoints";
	maps = unmaps = modes = 0;
	row_equal(viommu_virtio_reset(rig->g.iommu), VIOMMU_PENDING);
	check_not_taken(vr_make_attach(7, 1, 0));
	run_all();
	row_equal(modes, MORE);
	row_equal(unmaps, MORE);
	row_name = "38 config.bypass with many endpoints";
	maps = unmaps = modes = 0;
	row_equal(vr_set_bypass(rig, 1), VIOMMU_PENDING);
	check_not_taken(vr_make_attach(7, 1, 0));
	row_equal(vr_set_bypass(rig, 0), VIOMMU_PENDING); /* in the middle: once more */
	run_all();
	row_equal(modes >= MORE, true);
	row_equal(rig->completions, 2);
	close_rig();
}

/* MAP is refused by one of many: all are told that it is gone. */
static void test_crowd_refuses(void **state)
{
	static const unsigned ats[] = { 1, 5, 150, MORE };

	for (size_t i = 0; i < VR_ROWS(ats); i++) {
		int result;

		open_crowd();
		row_name = "28 a listener refuses MAP";
		refuse_at = ats[i];
		result = send_kept(vr_make_map(7, 0, 0xfff, 0x10000, VR_RW));
		row_equal(result, VIOMMU_PENDING);
		run_all();
		row_equal(kept[0], ST_NOMEM);
		row_equal(maps, ats[i]);
		row_equal(unmaps, MORE);
		row_equal(rig->completions, 1);
		row_equal(send_kept(vr_make_map(7, 0, 0xfff, 0x10000, VR_RW)), VIOMMU_PENDING);
		run_all();
		row_equal(kept[0], ST_OK);
		close_rig();
		vr_rows_run++;
	}
}

/* One that refuses at once has the request fail at once. */
static void test_refuses_at_once(void **state)
{
	open_rig(0);
	row_name = "28 a listener refuses MAP, nobody else listens";
	row_equal(vr_attach(rig, 7, 1, 0), ST_OK);
	listen_to(rig->device[1]);
	refuse_at = 1;
	row_equal(vr_map(rig, 7, 0, 0xfff, 0x10000, VR_RW), ST_NOMEM);
	row_equal(rig->result, VIOMMU_OK);
	row_equal(mappings_told(), 0);
	row_equal(vr_peek(rig, 1, 0, R), VR_FAULT(VR_MAPPING));
	row_equal(vr_map(rig, 7, 0, 0xfff, 0x20000, VR_RW), ST_OK);
	row_equal(vr_peek(rig, 1, 0, R), 0x20000);
	row_equal(mappings_told(), 1);
	close_rig();
}

/* Endpoints go while the job is about to come to them. */
static void test_crowd_goes(void **state)
{
	open_crowd();
	row_name = "38 endpoints are freed in the middle of MAP";
	row_equal(send_kept(vr_make_map(7, 0, 0xfff, 0x10000, VR_RW)), VIOMMU_PENDING);
	for (unsigned i = MORE; i > 0; i--) { /* the last to come is first in the domain */
		row_equal(viommu_listener_free(listener[--listeners]), VIOMMU_OK);
		row_equal(viommu_device_free(extra[i - 1]), VIOMMU_OK);
		extra[i - 1] = NULL;
		if (i % 50 == 0)
			viommu_run(rig->g.iommu);
	}
	run_all();
	row_equal(rig->completions, 1);
	row_equal(maps < MORE, true);
	close_rig();
}

/* ---- what takes long to decide ---- */

/* Endpoints of one domain that have different regions: MAP asks all. */
static void open_mixed(void)
{
	static const struct viommu_virtio_region regions[2] = { { 0x10000, 0x1ffff, 0, 0 },
								{ 0x20000, 0x2ffff, 0, 0 } };

	open_rig(0);
	for (unsigned i = 0; i < MORE; i++) {
		const struct viommu_virtio_endpoint e = { .size = sizeof(e),
							  .region_count = 1,
							  .regions = &regions[i & 1],
							  .page_size_mask = ~UINT64_C(0x1fff) };
		const struct viommu_device_config config = { .size = sizeof(config),
							     .id = IDS + i,
							     .virtio = &e };

		row_equal(viommu_device_new(rig->g.iommu, &config, &extra[i]), VIOMMU_OK);
		row_equal(vr_attach(rig, 7, IDS + i, 0), ST_OK);
	}
	rig->completions = 0;
}

static void test_mixed(void **state)
{
	static const struct {
		const char *name;
		uint64_t first, last;
		unsigned status;
	} rows[] = {
		{ "38 MAP asks many endpoints", 0x40000, 0x41fff, ST_OK },
		{ "38 MAP into regions of some", 0x1e000, 0x1ffff, ST_INVAL },
		{ "38 MAP into regions of others", 0x2e000, 0x2ffff, ST_INVAL },
		{ "38 MAP that is no multiple", 0x40000, 0x40fff, ST_RANGE },
	};

	for (size_t i = 0; i < VR_ROWS(rows); i++) {
		for (unsigned save = 0; save < 2; save++) {
			uint64_t bytes = sizeof(saved);

			open_mixed();
			row_name = rows[i].name;
			row_equal(send_kept(vr_make_map(7, rows[i].first, rows[i].last, 0, 1)),
				  VIOMMU_PENDING);
			check_not_taken(vr_make_detach(7, IDS));
			if (save) {
				row_equal(viommu_save(rig->g.iommu, saved, &bytes), VIOMMU_OK);
				row_equal(kept[0], rows[i].status);
			}
			run_all();
			row_equal(kept[0], rows[i].status);
			row_equal(rig->completions, 1);
			row_equal(viommu_device_free(extra[0]), VIOMMU_OK);
			extra[0] = NULL;
			row_name = "38 without those that have left";
			for (unsigned k = 1; k < MORE; k += 2)
				row_equal(vr_detach(rig, 7, IDS + k), ST_OK);
			row_equal(send_kept(vr_make_map(7, 0x20000, 0x21fff, 0, 1)),
				  VIOMMU_PENDING);
			run_all();
			row_equal(kept[0], ST_OK);
			close_rig();
			vr_rows_run++;
		}
	}
}

/* An endpoint whose pages are larger than the domain's so far: ATTACH looks at all mappings. */
static void test_fitting(void **state)
{
	const struct viommu_virtio_endpoint e = { .size = sizeof(e),
						  .page_size_mask = ~UINT64_C(0xffff) };

	for (unsigned odd = 0; odd < 2; odd++) {
		for (unsigned save = 0; save < 2; save++) {
			uint64_t bytes = sizeof(saved);

			open_rig(0);
			row_name = odd ? "38 ATTACH, and the last mapping does not fit"
				       : "38 ATTACH, and all mappings fit";
			row_equal(viommu_virtio_set_endpoint(rig->device[1], &e), VIOMMU_OK);
			row_equal(vr_attach(rig, 7, 2, 0), ST_OK);
			for (uint64_t i = 0; i < PAGES; i++)
				row_equal(vr_map(rig, 7, i << 16, i << 16 | 0xffff, i << 16, 3),
					  ST_OK);
			if (odd)
				row_equal(vr_map(rig, 7, PAGES << 16, PAGES << 16 | 0xfff, 0, 3),
					  ST_OK);
			rig->completions = 0;
			row_equal(send_kept(vr_make_attach(7, 1, 0)), VIOMMU_PENDING);
			check_not_taken(vr_make_unmap(7, PAGES << 16, PAGES << 16 | 0xfff));
			if (save) {
				row_equal(viommu_save(rig->g.iommu, saved, &bytes), VIOMMU_OK);
				row_equal(kept[0], odd ? ST_UNSUPP : ST_OK);
				row_equal(vr_peek(rig, 1, 0x30000, R),
					  odd ? NOWHERE : UINT64_C(0x30000));
			}
			run_all();
			row_equal(kept[0], odd ? ST_UNSUPP : ST_OK);
			row_equal(rig->completions, 1);
			row_equal(vr_peek(rig, 1, 0x30000, R), odd ? NOWHERE : UINT64_C(0x30000));
			close_rig();
			vr_rows_run++;
		}
	}
}

/* It or its domain goes while mappings are looked at. */
static void test_fitting_goes(void **state)
{
	const struct viommu_virtio_endpoint e = { .size = sizeof(e),
						  .page_size_mask = ~UINT64_C(0xffff) };

	for (unsigned both = 0; both < 2; both++) {
		open_rig(0);
		row_name = "38 ATTACH, and the domain goes meanwhile";
		row_equal(viommu_virtio_set_endpoint(rig->device[1], &e), VIOMMU_OK);
		row_equal(vr_attach(rig, 7, 2, 0), ST_OK);
		map_pages(7, PAGES);
		rig->completions = 0;
		row_equal(vr_unmap(rig, 7, 0, 0xfff), ST_OK);
		for (uint64_t i = 0; i < PAGES; i++)
			row_equal(vr_map(rig, 7, (i + 16) << 16, (i + 16) << 16 | 0xffff, 0, 3),
				  ST_OK);
		for (uint64_t i = 1; i < PAGES; i++)
			row_equal(vr_unmap(rig, 7, i << 12, i << 12 | 0xfff), ST_OK);
		row_equal(send_kept(vr_make_attach(7, 1, 0)), VIOMMU_PENDING);
		if (both) {
			guest_drop(&rig->g);
		} else {
			row_equal(viommu_channel_free(rig->g.channel[1]), VIOMMU_OK);
			rig->g.channel[1] = rig->g.channel[--rig->g.channels];
			row_equal(viommu_device_free(rig->device[2]), VIOMMU_OK);
			rig->g.device[1] = rig->g.device[--rig->g.devices];
		}
		run_all();
		row_equal(kept[0], both ? ST_NOENT : ST_OK);
		if (!both) /* a new domain of that id */
			row_equal(vr_peek(rig, 1, 0x100000, R), VR_FAULT(VR_MAPPING));
		row_equal(rig->completions, 1);
		close_rig();
		vr_rows_run++;
	}
}

/* ---- what is paid ---- */

/* One by one, by what takes nobody's time but ours: the listeners above would not notice. */
static int map_mixed(void)
{
	return send_kept(vr_make_map(7, 0x40000, 0x41fff, 0, 1));
}

static void open_fitting(void)
{
	static const struct viommu_virtio_endpoint e = { .size = sizeof(e),
							 .page_size_mask = ~UINT64_C(0xffff) };

	open_rig(0);
	row_equal(viommu_virtio_set_endpoint(rig->device[1], &e), VIOMMU_OK);
	row_equal(vr_attach(rig, 7, 2, 0), ST_OK);
	for (uint64_t i = 0; i < MORE; i++)
		row_equal(vr_map(rig, 7, i << 16, i << 16 | 0xffff, i << 16, 3), ST_OK);
}

static int attach_fitting(void)
{
	return send_kept(vr_make_attach(7, 1, 0));
}

static void open_attached(unsigned domains)
{
	open_rig(0);
	make_more();
	for (unsigned i = 0; i < MORE; i++)
		row_equal(vr_attach(rig, 7 + i % domains, IDS + i, 0), ST_OK);
	while (viommu_run(rig->g.iommu) == VIOMMU_PENDING)
		;
}

static void open_one_domain(void)
{
	open_attached(1);
}

static void open_domains(void)
{
	open_attached(MORE);
}

static int reset_all(void)
{
	return viommu_virtio_reset(rig->g.iommu);
}

static void open_leaves(void)
{
	open_rig(0);
	row_equal(vr_attach(rig, 7, 1, 0), ST_OK);
	for (uint64_t i = 0; i < 10 * (uint64_t)MORE; i++)
		row_equal(vr_map(rig, 7, i << 12, i << 12 | 0xfff, i << 13, 3), ST_OK);
}

static int unmap_leaves(void)
{
	return send_kept(vr_make_unmap(7, 0, UINT64_MAX));
}

/* What a call takes is its steps, so the calls say what was paid. After a reset, everybody is told: 2 each, of MORE
 * and those of the rig. */
static void test_paid(void **state)
{
	enum { TOLD = 2 * (MORE + VR_ENDPOINTS) };
	static const struct {
		const char *name;
		void (*open)(void);
		int (*begin)(void);
		unsigned steps;
		unsigned slack;
	} rows[] = {
		{ "38 an endpoint that MAP asks: 2", open_mixed, map_mixed, 2 * MORE, 16 },
		{ "38 a mapping that ATTACH looks at: 1", open_fitting, attach_fitting, MORE, 16 },
		{ "38 an endpoint that a reset detaches: 1", open_one_domain, reset_all,
		  MORE + TOLD, 32 },
		{ "38 a domain that a reset frees: 2", open_domains, reset_all,
		  2 * MORE + 2 * MORE + TOLD, 32 },
		/* a leaf has 12 to 24 mappings */
		{ "38 a leaf that UNMAP removes: 2", open_leaves, unmap_leaves, 2 * 10 * MORE / 18,
		  2 * 10 * MORE / 48 },
	};

	for (size_t i = 0; i < VR_ROWS(rows); i++) {
		unsigned calls = 1;

		rows[i].open();
		row_name = rows[i].name;
		for (int result = rows[i].begin(); result == VIOMMU_PENDING; calls++)
			result = viommu_run(rig->g.iommu);
		row_equal(calls * STEPS + rows[i].slack >= rows[i].steps, true);
		row_equal(calls * STEPS <= rows[i].steps + rows[i].slack, true);
		close_rig();
		vr_rows_run++;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_attach),	      cmocka_unit_test(test_attach_refused),
		cmocka_unit_test(test_between),	      cmocka_unit_test(test_unmap),
		cmocka_unit_test(test_unmap_saved),   cmocka_unit_test(test_crowd),
		cmocka_unit_test(test_crowd_refuses), cmocka_unit_test(test_refuses_at_once),
		cmocka_unit_test(test_crowd_goes),    cmocka_unit_test(test_mixed),
		cmocka_unit_test(test_fitting),	      cmocka_unit_test(test_fitting_goes),
		cmocka_unit_test(test_paid),
	};

	return cmocka_run_group_tests(tests, NULL, vr_count_rows);
}
