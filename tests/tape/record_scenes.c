/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * record_scenes.c - records what no tape and no corpus has: mappings that a listener refuses, PROBE with much room, vLPIs, and an
 * ITS that comes later. A tape of each is left in the folder VIOMMU_TAPES; record.sh replays them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libvirtiommu/listener.h>
#include <libvirtiommu/record.h>

#include "check.h"
#include "its_rig.h"
#include "tce_rig.h"
#include "virtio_rig.h"

static FILE *file;

static void on_write(void *opaque, struct viommu *iommu, const char *text, uint64_t bytes)
{
	(void)opaque;
	(void)iommu;
	assert_int_equal(fwrite(text, 1, bytes, file), bytes);
}

static void start(struct viommu_vm *vm, const char *name)
{
	const char *folder = getenv("VIOMMU_TAPES");
	char path[4096];

	snprintf(path, sizeof(path), "%s/%s.tape", folder ? folder : ".", name);
	file = fopen(folder ? path : "/dev/null", "w");
	assert_non_null(file);
	assert_int_equal(viommu_record(vm, on_write, NULL), VIOMMU_OK);
}

static void stop(struct viommu_vm *vm)
{
	assert_int_equal(viommu_record(vm, NULL, NULL), VIOMMU_OK);
	assert_int_equal(fclose(file), 0);
}

/* ---- listeners that refuse ---- */

static uint64_t refused = UINT64_MAX; /* all from this address on */

static int on_map(void *opaque, struct viommu_device *device, uint32_t pasid, uint64_t iova,
		  const struct viommu_fragment *f)
{
	(void)opaque;
	(void)device;
	(void)pasid;
	return iova + (f->length - 1) >= refused ? VIOMMU_ENOMEM : VIOMMU_OK;
}

static struct viommu_listener *listen(struct viommu *iommu, struct viommu_device *device)
{
	const struct viommu_listener_config config = { .size = sizeof(config), .map = on_map };
	struct viommu_listener *listener;

	assert_int_equal(viommu_listener_new(iommu, device, &config, &listener), VIOMMU_OK);
	return listener;
}

static void test_virtio_refused(void **state)
{
	struct virtio_rig *r = vr_open(&(struct viommu_virtio_config){ .size = 0 });
	struct viommu_listener *listener = listen(r->g.iommu, NULL);

	(void)state;
	start(r->g.vm, "virtio-refused");
	refused = 0x8000;
	assert_int_equal(vr_attach(r, 1, 1, 0), ST_OK);
	assert_int_equal(vr_map(r, 1, 0x1000, 0x2fff, 0x5000, VR_RW), ST_OK);
	assert_int_equal(vr_map(r, 1, 0x8000, 0x8fff, 0x9000, VR_RW), ST_NOMEM);
	assert_int_equal(vr_perm(r, 1, 0x1000), VR_RW);
	assert_int_equal(vr_perm(r, 1, 0x8000), 0);
	refused = 0x2000; /* and who comes to what is mapped */
	assert_int_not_equal(vr_attach(r, 1, 2, 0), ST_OK);
	assert_int_equal(vr_perm(r, 2, 0x1000), 0);
	refused = UINT64_MAX;
	assert_int_equal(vr_map(r, 1, 0x8000, 0x8fff, 0x9000, VR_READ), ST_OK);
	assert_int_equal(vr_attach(r, 1, 2, 0), ST_OK);
	assert_int_equal(vr_perm(r, 2, 0x8000), VR_READ);
	stop(r->g.vm);
	assert_int_equal(viommu_listener_free(listener), VIOMMU_OK);
	vr_close(r);
}

/* ATTACH to domain 1 in pieces: viommu_run() goes on with it. Whether it has succeeded. */
static bool attach_in_pieces(struct virtio_rig *r, uint32_t endpoint)
{
	struct vr_message m = vr_make_attach(1, endpoint, 0);
	unsigned char status[VR_TAIL] = { VR_UNTOUCHED };
	const struct viommu_part readable = { .base = m.bytes, .bytes = m.count };
	const struct viommu_part writable = { .base = status, .bytes = sizeof(status) };
	uint32_t used = 0;
	int result = viommu_virtio_request(r->g.iommu, &readable, 1, &writable, 1, 1, &used);

	assert_int_equal(result, VIOMMU_PENDING);
	while (result == VIOMMU_PENDING)
		result = viommu_run(r->g.iommu);
	return status[0] == ST_OK;
}

static void test_virtio_refused_later(void **state)
{
	const struct viommu_limits limits = { .size = sizeof(limits), .steps = 16 };
	struct virtio_rig *r = vr_open(&(struct viommu_virtio_config){ .limits = &limits });
	struct viommu_listener *listener;

	(void)state;
	assert_int_equal(vr_attach(r, 1, 1, 0), ST_OK);
	for (uint64_t i = 0; i < 64; i++)
		assert_int_equal(vr_map(r, 1, i << 13, (i << 13) + 0xfff, i << 12, VR_RW), ST_OK);
	listener = listen(r->g.iommu, r->device[2]);
	start(r->g.vm, "virtio-refused-later");
	refused = 60 << 13;
	assert_false(attach_in_pieces(r, 2));
	assert_int_equal(vr_perm(r, 2, 0), 0);
	refused = UINT64_MAX;
	assert_true(attach_in_pieces(r, 2));
	assert_int_equal(vr_perm(r, 2, 60 << 13), VR_RW);
	stop(r->g.vm);
	assert_int_equal(viommu_listener_free(listener), VIOMMU_OK);
	vr_close(r);
}

static void test_tce_refused(void **state)
{
	struct tce_rig *r = tr_open(NULL, 16);
	struct viommu_listener *listener = listen(r->g.iommu, r->device[TR_PLAIN]);

	(void)state;
	start(r->g.vm, "tce-refused");
	refused = 0x8000;
	assert_int_equal(tr_put(r, TR_LIOBN(TR_PLAIN), 0x1000, GUEST_BASE | 3), 0);
	assert_int_not_equal(tr_put(r, TR_LIOBN(TR_PLAIN), 0x8000, GUEST_BASE | 3), 0);
	assert_int_equal(tr_entry(r, TR_LIOBN(TR_PLAIN), 0x8000), 0);
	refused = UINT64_MAX;
	assert_int_equal(tr_put(r, TR_LIOBN(TR_PLAIN), 0x8000, GUEST_BASE | 3), 0);
	stop(r->g.vm);
	assert_int_equal(viommu_listener_free(listener), VIOMMU_OK);
	tr_close(r);
}

/* ---- PROBE ---- */

static void test_probe(void **state)
{
	enum { ROOM = 1U << 20 };
	struct virtio_rig *r = vr_open(&(struct viommu_virtio_config){ .probe_size = ROOM });
	const struct viommu_virtio_region region = { .first = 0xfee00000,
						     .last = 0xfeefffff,
						     .subtype = VIOMMU_VIRTIO_RESV_MSI };
	struct vr_message m = vr_make_probe(1);
	unsigned char *properties = malloc(ROOM + VR_TAIL);
	const struct viommu_part readable = { .base = m.bytes, .bytes = m.count };
	const struct viommu_part writable = { .base = properties, .bytes = ROOM + VR_TAIL };
	uint32_t used = 0;

	(void)state;
	assert_non_null(properties);
	memset(properties, VR_UNTOUCHED, ROOM + VR_TAIL);
	start(r->g.vm, "virtio-probe");
	vr_regions(r, 1, &region, 1);
	assert_int_equal(viommu_virtio_request(r->g.iommu, &readable, 1, &writable, 1, 1, &used),
			 VIOMMU_OK);
	assert_int_equal(used, ROOM + VR_TAIL);
	stop(r->g.vm);
	free(properties);
	vr_close(r);
}

/* ---- LPIs ---- */

#define VALID (UINT64_C(1) << 63)
#define REG   VIOMMU_LPIS_OFFSET

static void vlpis(bool v41, const char *name)
{
	static struct its_rig rig;
	struct its_rig *r = &rig;

	its_open(r, &(struct its_rig_config){ .typer = v41 ? ITS_RIG_TYPER_V41 : ITS_RIG_TYPER_V4,
					      .flags = v41 ? 12 : 4,
					      .vpes = 16 });
	memset(guest_at(&r->g, ITS_RIG_VCONF), 0x81, 0xe000);
	start(r->g.vm, name);
	assert_int_equal(
		its_command(r, v41 ? VMAPP41(0, 0, ITS_RIG_VPT(0), 16, 1, 1, ITS_RIG_VCONF, 9000)
				   : VMAPP(0, 0, ITS_RIG_VPT(0), 16)),
		0);
	assert_int_equal(its_command(r, MAPD(1, 5, ITS_RIG_ITT(1))), 0);
	assert_int_equal(its_command(r, VMAPTI(1, 0, 0, 8192, 9000)), 0);
	assert_int_equal(its_command(r, VMAPTI(1, 1, 0, 8193, 1023)), 0);
	its_write(r->lpis, REG(0, 0x20070), v41 ? VALID : ITS_RIG_VCONF | 15);
	its_msi(r, 1, 0); /* is told when the vPE becomes resident */
	r->told_count = 0;
	its_write(r->lpis, REG(0, 0x20078), VALID | (v41 ? 0 : ITS_RIG_VPT(0)));
	assert_int_equal(r->told_count, 1);
	its_msi(r, 1, 1);
	assert_int_equal(r->told_count, 2);
	assert_int_equal(viommu_lpis_acknowledge_virtual(r->lpis, 0, 8193), VIOMMU_OK);
	its_write(r->lpis, REG(0, 0x20078), v41 ? 0 : ITS_RIG_VPT(0));
	stop(r->g.vm);
	its_close(r);
}

static void test_vlpis(void **state)
{
	(void)state;
	vlpis(false, "its-v4");
	vlpis(true, "its-v41");
}

/* One that comes while it is recorded; and again, in the place of that. */
static void test_its_later(void **state)
{
	static struct its_rig rig;
	struct its_rig *r = &rig;

	(void)state;
	its_open(r, &(struct its_rig_config){ .units = 2 });
	assert_int_equal(viommu_free(r->unit[1].its), VIOMMU_OK);
	assert_int_equal(its_command(r, MAPC(0, 0)), 0);
	start(r->g.vm, "its-later");
	for (unsigned i = 0; i < 2; i++) {
		const struct viommu_its_config config = { .size = sizeof(config),
							  .lpis = r->lpis,
							  .base = ITS_RIG_BASE + 0x100000 };

		r->unit[1] = (struct its_rig_unit){ .rig = r, .queue = ITS_RIG_QUEUE2 };
		assert_int_equal(viommu_its_new(r->g.vm, &config, &r->unit[1].its), VIOMMU_OK);
		its_program(r, 1);
		assert_int_equal(its_command_on(r, 1, MAPC(0, 1)), 0);
		assert_int_equal(its_command_on(r, 1, MAPD(1, 5, ITS_RIG_ITT(1 + i))), 0);
		assert_int_equal(its_command_on(r, 1, MAPTI(1, 3, 8200 + i, 0)), 0);
		assert_int_equal(its_msi_on(r, 1, 1, 3, 0), ITS_LPI(8200 + i, 1));
		if (i == 0)
			assert_int_equal(viommu_free(r->unit[1].its), VIOMMU_OK);
	}
	assert_int_equal(its_command(r, MAPD(1, 5, ITS_RIG_ITT(5))),
			 0); /* the first is as it was */
	stop(r->g.vm);
	its_close(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_virtio_refused), cmocka_unit_test(test_virtio_refused_later),
		cmocka_unit_test(test_tce_refused),    cmocka_unit_test(test_probe),
		cmocka_unit_test(test_vlpis),	       cmocka_unit_test(test_its_later),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
