/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_virtio_requests.c - the status of requests (virtio 1.3, 5.13.6): reserved fields, flags,
 * types, features. What the parts of a buffer may look like is test_virtio_parts.c.
 */
#include "check.h"

#include <string.h>

#include "trace.h"
#include "virtio_rig.h"

#define KNOWN_TYPES 5U

/* ---- reserved fields ---- */

/* Whether the request was carried out is asked afterwards: endpoint 1 can read 0x1000. */
static bool mapped(struct virtio_rig *r)
{
	bool answer = vr_peek(r, 1, 0x1000, VIOMMU_READ) == 0x5000;

	vr_drain(r);
	return answer;
}

/* A rig in which @type is possible, and that request. */
static struct virtio_rig *open_for(unsigned type, struct vr_message *m)
{
	struct virtio_rig *r = vr_open(NULL);

	if (type != VR_ATTACH)
		row_equal(vr_attach(r, 7, 1, 0), ST_OK);
	if (type == VR_DETACH || type == VR_UNMAP)
		row_equal(vr_map(r, 7, 0x1000, 0x1fff, 0x5000, VR_READ), ST_OK);
	*m = type == VR_ATTACH	 ? vr_make_attach(7, 1, 0)
	     : type == VR_DETACH ? vr_make_detach(7, 1)
	     : type == VR_MAP	 ? vr_make_map(7, 0x1000, 0x1fff, 0x5000, VR_READ)
	     : type == VR_UNMAP	 ? vr_make_unmap(7, 0x1000, 0x1fff)
				 : vr_make_probe(1);
	return r;
}

/* What was answered, and what is so. */
static void check_effect(struct virtio_rig *r, unsigned type, unsigned status)
{
	bool done = status == ST_OK;

	switch (type) {
	case VR_ATTACH:
		row_equal(vr_map(r, 7, 0x1000, 0x1fff, 0x5000, VR_READ), done ? ST_OK : ST_NOENT);
		row_equal(mapped(r), done);
		break;
	case VR_MAP:
		row_equal(mapped(r), done);
		break;
	case VR_DETACH:
		row_equal(mapped(r), !done);
		break;
	case VR_UNMAP:
		if (done)
			row_equal(mapped(r), false);
		break;
	default:
		break;
	}
}

static const struct {
	const char *name;
	unsigned type;
	unsigned first, last; /* bytes */
	unsigned want;
} reserved_fields[] = {
	{ "5.13.6.3 ATTACH reserved", VR_ATTACH, 16, 19, IS(INVAL) },
	{ "5.13.6.3 ATTACH head", VR_ATTACH, 1, 3, IS(INVAL) | IS(OK) },
	{ "5.13.6.4 DETACH reserved is ignored", VR_DETACH, 12, 19, IS(OK) },
	{ "5.13.6.4 DETACH head", VR_DETACH, 1, 3, IS(OK) | IS(INVAL) },
	{ "5.13.6.5 MAP head", VR_MAP, 1, 3, IS(OK) | IS(INVAL) },
	{ "5.13.6.6 UNMAP reserved", VR_UNMAP, 24, 27, IS(OK) | IS(INVAL) },
	{ "5.13.6.6 UNMAP head", VR_UNMAP, 1, 3, IS(OK) | IS(INVAL) },
	{ "5.13.6.7 PROBE reserved is ignored", VR_PROBE, 8, 71, IS(OK) },
	{ "5.13.6.7 PROBE head", VR_PROBE, 1, 3, IS(OK) | IS(INVAL) },
};

/* Every byte alone, with a low and a high bit. */
static void test_reserved(void **state)
{
	for (size_t i = 0; i < VR_ROWS(reserved_fields); i++) {
		row_name = reserved_fields[i].name;
		for (unsigned at = reserved_fields[i].first; at <= reserved_fields[i].last; at++) {
			for (unsigned high = 0; high < 2; high++) {
				struct vr_message m;
				struct virtio_rig *r = open_for(reserved_fields[i].type, &m);
				unsigned status;

				m.bytes[at] = high ? 0x80 : 1;
				status = vr_send(r, &m);
				row_equal(reserved_fields[i].want >> status & 1, 1);
				check_effect(r, reserved_fields[i].type, status);
				vr_close(r);
				vr_rows_run++;
			}
		}
	}
}

/* ---- unknown flags: each bit alone ---- */

static void test_flags(void **state)
{
	for (unsigned bit = 0; bit < 32; bit++) {
		struct virtio_rig *r = vr_open(NULL);
		unsigned status;

		row_name = "5.13.6.3 ATTACH flags";
		status = vr_attach(r, 7, 1, 1U << bit);
		row_equal(status, bit == 0 ? ST_OK : ST_INVAL);
		if (bit)
			row_equal(vr_unmap(r, 7, 0, 0xfff), ST_NOENT);
		vr_close(r);

		row_name = "5.13.6.5 MAP flags";
		r = vr_open(NULL);
		row_equal(vr_attach(r, 7, 1, 0), ST_OK);
		status = vr_map(r, 7, 0x1000, 0x1fff, 0x5000, VR_READ | 1U << bit);
		row_equal(status, bit < 3 ? ST_OK : ST_INVAL);
		row_equal(mapped(r), bit < 3);
		vr_close(r);
		vr_rows_run += 2;
	}
}

/* ---- types ---- */

static void test_unknown_types(void **state)
{
	struct virtio_rig *r = vr_open(NULL);

	row_name = "5.13.6 unknown type: used length 0";
	for (unsigned type = 0; type < 256; type++) {
		struct vr_message m = vr_make_map(7, 0x1000, 0x1fff, 0x5000, VR_READ);

		if (type >= 1 && type <= KNOWN_TYPES)
			continue;
		m.bytes[0] = (uint8_t)type;
		row_equal(vr_send(r, &m), ST_NOTHING);
		row_equal(r->result, VIOMMU_OK);
		vr_rows_run++;
	}
	vr_close(r);
}

/* ---- features: offered or not, accepted or not ---- */

static unsigned try_type(struct virtio_rig *r, unsigned type)
{
	uint8_t properties[4096];

	switch (type) {
	case VR_MAP:
		return vr_map(r, 7, 0x1000, 0x1fff, 0x5000, VR_READ);
	case VR_UNMAP:
		return vr_unmap(r, 7, 0x1000, 0x1fff);
	default:
		return vr_probe(r, 1, properties);
	}
}

static const struct {
	const char *name;
	uint64_t feature;
	unsigned type;
} typed[] = {
	{ "5.13.3 MAP_UNMAP: MAP", VIOMMU_VIRTIO_F_MAP_UNMAP, VR_MAP },
	{ "5.13.3 MAP_UNMAP: UNMAP", VIOMMU_VIRTIO_F_MAP_UNMAP, VR_UNMAP },
	{ "5.13.3 PROBE", VIOMMU_VIRTIO_F_PROBE, VR_PROBE },
};

#define ALL_FEATURES UINT64_C(0x77) /* all but BYPASS */

static void test_typed_features(void **state)
{
	for (size_t i = 0; i < VR_ROWS(typed); i++) {
		struct viommu_virtio_config without = { .features =
								ALL_FEATURES & ~typed[i].feature };
		struct virtio_rig *r;

		if (typed[i].feature == VIOMMU_VIRTIO_F_MAP_UNMAP)
			without.features &= ~VIOMMU_VIRTIO_F_MMIO;
		row_name = typed[i].name;
		r = vr_open(&without);
		row_equal(vr_attach(r, 7, 1, 0), ST_OK);
		row_equal(try_type(r, typed[i].type), ST_NOTHING);
		vr_close(r);

		r = vr_open(NULL);
		row_equal(viommu_virtio_set_features(r->g.iommu, without.features), VIOMMU_OK);
		row_equal(vr_attach(r, 7, 1, 0), ST_OK);
		row_equal((IS(NOTHING) | IS(UNSUPP)) >> try_type(r, typed[i].type) & 1, 1);
		row_equal(viommu_virtio_set_features(r->g.iommu, ALL_FEATURES), VIOMMU_OK);
		row_equal(try_type(r, typed[i].type), ST_OK);
		vr_close(r);
		vr_rows_run += 3;
	}
}

static void test_flag_features(void **state)
{
	const uint64_t no_mmio = ALL_FEATURES & ~VIOMMU_VIRTIO_F_MMIO;
	const uint64_t no_bypass = ALL_FEATURES & ~VIOMMU_VIRTIO_F_BYPASS_CONFIG;

	for (unsigned offered = 0; offered < 2; offered++) {
		struct viommu_virtio_config config = { .features = offered ? 0 : no_mmio };
		struct virtio_rig *r = vr_open(&config);

		row_name = "5.13.6.5 MMIO without the feature";
		row_equal(viommu_virtio_set_features(r->g.iommu, no_mmio), VIOMMU_OK);
		row_equal(vr_attach(r, 7, 1, 0), ST_OK);
		row_equal(vr_map(r, 7, 0x1000, 0x1fff, 0x5000, VR_READ | VR_MMIO), ST_INVAL);
		row_equal(mapped(r), false);
		vr_close(r);

		row_name = "5.13.6.3 BYPASS without the feature";
		config.features = offered ? 0 : no_bypass;
		r = vr_open(&config);
		row_equal(viommu_virtio_set_features(r->g.iommu, no_bypass), VIOMMU_OK);
		row_equal(vr_attach(r, 7, 1, VR_BYPASS), ST_INVAL);
		row_equal(vr_unmap(r, 7, 0, 0xfff), ST_NOENT);
		vr_close(r);
		vr_rows_run += 2;
	}
}

static void test_set_features(void **state)
{
	struct virtio_rig *r = vr_open(NULL);

	row_name = "viommu_virtio_set_features";
	row_equal(viommu_virtio_set_features(NULL, 0), VIOMMU_EINVAL);
	row_equal(viommu_virtio_set_features(r->g.iommu, VIOMMU_VIRTIO_F_BYPASS), VIOMMU_EINVAL);
	row_equal(viommu_virtio_set_features(r->g.iommu, UINT64_C(1) << 7), VIOMMU_EINVAL);
	row_equal(viommu_virtio_set_features(r->g.iommu, UINT64_C(1) << 23), VIOMMU_EINVAL);
	/* the transport's */
	row_equal(viommu_virtio_set_features(r->g.iommu, ALL_FEATURES | UINT64_C(1) << 32 |
								 UINT64_C(1) << 33 |
								 UINT64_C(1) << 36),
		  VIOMMU_OK);
	row_equal(vr_attach(r, 7, 1, VR_BYPASS), ST_OK);
	row_name = "features after a reset: as before they were accepted";
	for (unsigned machine = 0; machine < 2; machine++) {
		row_equal(viommu_virtio_set_features(r->g.iommu, 0), VIOMMU_OK);
		row_equal(vr_attach(r, 8, 1, VR_BYPASS), ST_INVAL);
		row_equal(machine ? viommu_reset(r->g.iommu) : viommu_virtio_reset(r->g.iommu),
			  VIOMMU_OK);
		row_equal(vr_attach(r, 8, 1, VR_BYPASS), ST_OK);
	}
	vr_close(r);
}

/* ---- misuse ---- */

static void test_misuse(void **state)
{
	struct virtio_rig *r = vr_open(NULL);
	struct viommu_part in[1], out[1];
	uint8_t tail[4];
	uint32_t used;
	struct vr_message m = vr_make_attach(7, 1, 0);

	in[0] = (struct viommu_part){ m.bytes, m.count };
	out[0] = (struct viommu_part){ tail, sizeof(tail) };
	row_name = "bad arguments";
	row_equal(viommu_virtio_request(NULL, in, 1, out, 1, 0, &used), VIOMMU_EINVAL);
	row_equal(viommu_virtio_request(r->g.iommu, NULL, 1, out, 1, 0, &used), VIOMMU_EINVAL);
	row_equal(viommu_virtio_request(r->g.iommu, in, 1, NULL, 1, 0, &used), VIOMMU_EINVAL);
	row_equal(viommu_virtio_request(r->g.iommu, in, 1, out, 1, 0, NULL), VIOMMU_EINVAL);
	row_equal(vr_unmap(r, 7, 0, 0xfff), ST_NOENT);
	row_equal(viommu_virtio_reset(NULL), VIOMMU_EINVAL);
	row_equal(viommu_virtio_event(NULL, tail, 4), VIOMMU_EINVAL);
	vr_close(r);
}

/* Functions of virtio on a unit of another engine, and of other engines on this one. */
static void test_other_engines(void **state)
{
	static struct guest g;
	struct viommu_part in[1], out[1];
	uint8_t bytes[64] = { 1 };
	uint32_t used;
	struct viommu_virtio_endpoint e = { .size = sizeof(e) };
	struct viommu_page_request page = { .pasid = VIOMMU_NO_PASID, .access = 1, .last = 1 };
	struct virtio_rig *r;

	row_name = "another engine";
	guest_init(&g, GUEST_REGION, 16);
	guest_vtd(&g, 0, 0);
	in[0] = (struct viommu_part){ bytes, 20 };
	out[0] = (struct viommu_part){ bytes + 32, 4 };
	row_equal(viommu_virtio_request(g.iommu, in, 1, out, 1, 0, &used), VIOMMU_EINVAL);
	row_equal(viommu_virtio_reset(g.iommu), VIOMMU_EINVAL);
	row_equal(viommu_virtio_set_features(g.iommu, 0), VIOMMU_EINVAL);
	row_equal(viommu_virtio_event(g.iommu, bytes, 64), VIOMMU_EINVAL);
	row_equal(viommu_virtio_set_endpoint(guest_device(&g, 8), &e), VIOMMU_EINVAL);
	guest_fini(&g);
	r = vr_open(NULL);
	row_equal(viommu_request_page(r->device[1], &page), VIOMMU_ENOTSUP);
	vr_close(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reserved),      cmocka_unit_test(test_flags),
		cmocka_unit_test(test_unknown_types), cmocka_unit_test(test_typed_features),
		cmocka_unit_test(test_flag_features), cmocka_unit_test(test_set_features),
		cmocka_unit_test(test_misuse),	      cmocka_unit_test(test_other_engines),
	};

	return cmocka_run_group_tests(tests, NULL, vr_count_rows);
}
