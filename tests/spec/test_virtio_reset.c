/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_virtio_reset.c - calls that nobody waits for the completion of, such as resets: listeners
 * that gather, backends and devices with caches hear of them all the same (obligations 13, 17, 28).
 */
#include "check.h"

#include <string.h>

#include <libvirtiommu/vhost.h>

#include "trace.h"
#include "virtio_rig.h"

#define R	VIOMMU_READ
#define NOWHERE VR_FAULT(VR_DOMAIN)
#define PAGE	UINT64_C(0x11000) /* mapped to itself, so that bypass translates it alike */

static struct virtio_rig *rig;
static unsigned char empty[4096]; /* a state */
static uint64_t empty_bytes;
static uint8_t ram[0x1000] __attribute__((aligned(16)));

/* ---- calls ---- */

static int device_reset(void)
{
	return viommu_virtio_reset(rig->g.iommu);
}

static int machine_reset(void)
{
	return viommu_reset(rig->g.iommu);
}

static int restore(void)
{
	return viommu_restore(rig->g.iommu, empty, empty_bytes);
}

static int no_features(void)
{
	return viommu_virtio_set_features(rig->g.iommu, 0);
}

static int no_bypass(void)
{
	return vr_set_bypass(rig, 0);
}

static int describe(void)
{
	const struct viommu_virtio_region region = { .first = PAGE, .last = PAGE | 0xfff };

	vr_regions(rig, 4, &region, 1);
	return VIOMMU_OK;
}

static int map(void)
{
	row_equal(vr_map(rig, 7, 0x20000, 0x20fff, 0x20000, VR_RW), ST_OK);
	return rig->result;
}

static int unmap(void)
{
	row_equal(vr_unmap(rig, 7, 0, UINT64_MAX), ST_OK);
	return rig->result;
}

static int detach(void)
{
	row_equal(vr_detach(rig, 7, 1), ST_OK);
	return rig->result;
}

/* Nobody was translated before, so nothing is taken away. */
static int attach(void)
{
	row_equal(vr_set_bypass(rig, 0), VIOMMU_OK);
	row_equal(vr_attach(rig, 7, 2, 0), ST_OK);
	return rig->result;
}

static const struct {
	const char *name;
	int (*call)(void);
	unsigned loses;	   /* the endpoint that loses PAGE; 0: none does */
	uint64_t features; /* 0: the default */
} calls[] = {
	{ "5.13.4.1 reset of the device", device_reset, 1, 0 },
	{ "reset of the machine", machine_reset, 1, 0 },
	{ "reset of the machine, bypass off", machine_reset, 4, 0 },
	{ "a state is restored", restore, 1, 0 },
	{ "a state is restored, bypass off", restore, 4, 0 },
	{ "5.13.6.2 F_BYPASS is not accepted", no_features, 4,
	  VIOMMU_VIRTIO_F_BYPASS | VIOMMU_VIRTIO_F_MAP_UNMAP },
	{ "5.13.4.1 bypass off", no_bypass, 4, 0 },
	{ "5.13.6.10 a region", describe, 4, 0 },
	{ "5.13.6.7 UNMAP", unmap, 1, 0 },
	{ "5.13.6.5 DETACH", detach, 1, 0 },
	{ "5.13.6.6 MAP", map, 0, 0 },
	{ "5.13.6.4 ATTACH", attach, 0, 0 },
};

/* 1 in domain 7 with PAGE, the others in no domain, which bypass. */
static void open_rig(uint64_t features, uint32_t outstanding)
{
	const struct viommu_limits limits = { .size = sizeof(limits),
					      .tlb_entries = 320,
					      .contexts = 64,
					      .domains = 64,
					      .outstanding = outstanding };
	const struct viommu_virtio_config config = { .features = features, .limits = &limits };
	const struct viommu_region memory = {
		.size = sizeof(memory), .gpa = PAGE, .bytes = sizeof(ram), .host = ram
	};

	rig = vr_open(&config);
	row_equal(viommu_vm_add_region(rig->g.vm, &memory), VIOMMU_OK);
	empty_bytes = sizeof(empty);
	row_equal(viommu_save(rig->g.iommu, empty, &empty_bytes), VIOMMU_OK);
	if (!features)
		row_equal(vr_set_bypass(rig, 1), VIOMMU_OK);
	row_equal(vr_attach(rig, 7, 1, 0), ST_OK);
	row_equal(vr_map(rig, 7, PAGE, PAGE | 0xfff, PAGE, VR_RW), ST_OK);
}

/* ---- a listener that acts upon what it was told when that is complete ---- */

static unsigned told, gathered;

static void on_unmap(void *opaque, struct viommu_device *device, uint32_t pasid, uint64_t first,
		     uint64_t last)
{
	gathered++;
}

static void on_mode(void *opaque, struct viommu_device *device, uint32_t mode)
{
	gathered++;
}

static int on_map(void *opaque, struct viommu_device *device, uint32_t pasid, uint64_t iova,
		  const struct viommu_fragment *fragment)
{
	gathered++;
	return VIOMMU_OK;
}

static void on_complete(void *opaque)
{
	told += gathered;
	gathered = 0;
}

static void test_gathering(void **state)
{
	const struct viommu_listener_config config = { .size = sizeof(config),
						       .unmap = on_unmap,
						       .mode = on_mode,
						       .map = on_map,
						       .complete = on_complete };

	for (size_t i = 0; i < VR_ROWS(calls); i++) {
		struct viommu_listener *listener;

		row_name = calls[i].name;
		open_rig(calls[i].features, 0);
		row_equal(viommu_listener_new(rig->g.iommu, NULL, &config, &listener), VIOMMU_OK);
		told = 0;
		gathered = 0;
		row_equal(calls[i].call(), VIOMMU_OK);
		row_equal(told != 0, true);
		row_equal(gathered, 0);
		row_equal(viommu_listener_free(listener), VIOMMU_OK);
		vr_close(rig);
		vr_rows_run++;
	}
}

/* ---- a vhost backend ---- */

static bool has_page; /* the backend */

static int on_send(void *opaque, const struct viommu_iotlb_msg *m)
{
	if (m->iova <= PAGE && m->iova + (m->size - 1) >= PAGE)
		has_page = m->type == VIOMMU_IOTLB_UPDATE;
	return VIOMMU_OK;
}

static void test_backend(void **state)
{
	const struct viommu_vhost_config config = { .size = sizeof(config),
						    .pasid = VIOMMU_NO_PASID,
						    .send = on_send };

	for (size_t i = 0; i < VR_ROWS(calls); i++) {
		struct viommu_vhost *vhost;

		if (!calls[i].loses)
			continue;
		row_name = calls[i].name;
		open_rig(calls[i].features, 0);
		row_equal(viommu_vhost_new(rig->device[calls[i].loses], &config, &vhost),
			  VIOMMU_OK);
		row_equal(viommu_vhost_miss(vhost, PAGE, R), VIOMMU_OK);
		row_equal(has_page, true);
		row_equal(calls[i].call(), VIOMMU_OK);
		row_equal(has_page, false);
		row_equal(viommu_vhost_free(vhost), VIOMMU_OK);
		vr_close(rig);
		vr_rows_run++;
	}
}

/* ---- devices with caches ---- */

static const struct {
	const char *name;
	int (*call)(void);
} resets[] = {
	{ "reset of the device", device_reset },
	{ "reset of the machine", machine_reset },
	{ "a state is restored", restore },
};

/* The answer to the nth invalidation that was asked for. */
static int answer(unsigned nth)
{
	const uint32_t id = rig->g.invalidation[nth].id;

	return viommu_invalidation_done(rig->device[id], rig->g.invalidation[nth].what.token,
					VIOMMU_OK);
}

static void begin_asking(void)
{
	rig->g.count[GUEST_ON_INVALIDATE] = 0;
	rig->g.invalidate_result = VIOMMU_PENDING;
}

/* What a reset asks of devices is waited for afterwards. */
static void test_asked_by_reset(void **state)
{
	for (size_t i = 0; i < VR_ROWS(resets); i++) {
		unsigned asked;

		row_name = resets[i].name;
		open_rig(0, 16);
		begin_asking();
		row_equal(resets[i].call(), VIOMMU_PENDING);
		asked = rig->g.count[GUEST_ON_INVALIDATE];
		row_equal(asked, VR_ENDPOINTS);
		rig->g.invalidate_result = VIOMMU_OK;
		row_equal(vr_attach(rig, 7, 1, 0), ST_OK);
		row_equal(vr_map(rig, 7, PAGE, PAGE | 0xfff, PAGE, VR_RW), ST_OK);
		row_equal(vr_unmap(rig, 7, PAGE, PAGE | 0xfff), ST_OK);
		row_equal(rig->result, VIOMMU_PENDING);
		for (unsigned k = 0; k < asked; k++) {
			row_equal(viommu_run(rig->g.iommu), VIOMMU_PENDING);
			row_equal(rig->completions, 0);
			row_equal(answer(k), VIOMMU_OK);
		}
		row_equal(viommu_run(rig->g.iommu), VIOMMU_OK);
		row_equal(rig->completions != 0, true);
		row_equal(rig->completed[rig->completions - 1], rig->token);
		vr_close(rig);
		vr_rows_run++;
	}
}

/* Runs whenever the host was told that it is worthwhile, and answers all that is asked, but not
 * what was asked before @from. */
static void serve(unsigned from)
{
	static unsigned works;

	for (works = rig->g.count[GUEST_ON_WORK] - 1; works != rig->g.count[GUEST_ON_WORK];) {
		works = rig->g.count[GUEST_ON_WORK];
		viommu_run(rig->g.iommu);
		for (; from < rig->g.count[GUEST_ON_INVALIDATE]; from++)
			answer(from);
	}
}

/* There is room for one that is outstanding: most devices cannot be told at once. */
static void test_no_room(void **state)
{
	for (size_t i = 0; i < VR_ROWS(resets); i++) {
		for (unsigned before = 0; before < 2; before++) {
			unsigned works, asked = 0, told_of = 0;

			row_name = resets[i].name;
			open_rig(0, 1);
			begin_asking();
			if (before) { /* one that is never answered, if it is forgotten */
				unmap();
				asked = rig->g.count[GUEST_ON_INVALIDATE];
				row_equal(asked, 1);
			}
			works = rig->g.count[GUEST_ON_WORK];
			row_equal(resets[i].call(), VIOMMU_PENDING);
			row_equal(rig->g.count[GUEST_ON_WORK] > works, true);
			if (resets[i].call == device_reset)
				asked = 0;
			serve(asked);
			for (unsigned k = 0; k < rig->g.count[GUEST_ON_INVALIDATE]; k++) {
				if (rig->g.invalidation[k].what.last == UINT64_MAX)
					told_of |= 1U << rig->g.invalidation[k].id;
			}
			row_equal(told_of, 0x1e);
			row_name = "nothing is left";
			rig->g.invalidate_result = VIOMMU_OK;
			row_equal(vr_attach(rig, 7, 1, 0), ST_OK);
			row_equal(vr_map(rig, 7, PAGE, PAGE | 0xfff, PAGE, VR_RW), ST_OK);
			row_equal(vr_unmap(rig, 7, PAGE, PAGE | 0xfff), ST_OK);
			row_equal(rig->result, VIOMMU_OK);
			vr_close(rig);
			vr_rows_run++;
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_gathering),
		cmocka_unit_test(test_backend),
		cmocka_unit_test(test_asked_by_reset),
		cmocka_unit_test(test_no_room),
	};

	return cmocka_run_group_tests(tests, NULL, vr_count_rows);
}
