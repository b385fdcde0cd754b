/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_virtio_config.c - the configuration space (virtio 1.3, 5.13.4), bypass without an
 * attachment, resets, and configurations that are refused (obligations 21, 26).
 */
#include "check.h"

#include <string.h>

#include "trace.h"
#include "virtio_rig.h"

#define R	VIOMMU_READ
#define NOWHERE VR_FAULT(VR_DOMAIN)

static const struct viommu_virtio_config odd = { .page_size_mask = 0xfedcba9876543000,
						 .input_first = 0x0000004444444000,
						 .input_last = 0x8899aabbccddefff,
						 .domain_first = 0x01020304,
						 .domain_last = 0xf1f2f3f4,
						 .probe_size = 0x1344,
						 .bypass = 1 };

/* 5.13.4 */
static void image(uint8_t *bytes)
{
	const uint64_t words[] = { 0xfedcba9876543000, 0x0000004444444000, 0x8899aabbccddefff,
				   0xf1f2f3f401020304, UINT64_C(1) << 32 | 0x1344 };

	for (unsigned i = 0; i < VIOMMU_VIRTIO_CONFIG_BYTES; i++)
		bytes[i] = (uint8_t)(words[i / 8] >> 8 * (i % 8));
}

static uint64_t part(const uint8_t *bytes, uint64_t offset, unsigned count)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < count; i++) {
		if (offset + i < VIOMMU_VIRTIO_CONFIG_BYTES)
			value |= (uint64_t)bytes[offset + i] << 8 * i;
	}
	return value;
}

/* Natural accesses show the bytes; others show them or 0. */
static void test_reads(void **state)
{
	struct virtio_rig *r = vr_open(&odd);
	uint8_t bytes[VIOMMU_VIRTIO_CONFIG_BYTES];
	uint64_t value;

	image(bytes);
	row_name = "5.13.4 every offset, every size";
	for (uint64_t offset = 0; offset < 0x50; offset++) {
		for (unsigned size = 1; size <= 8; size++) {
			bool natural = !(size & (size - 1)) && offset % size == 0;
			uint64_t wanted = part(bytes, offset, size);

			value = 0x5555;
			row_equal(viommu_reg_read(r->g.iommu, offset, size, &value), VIOMMU_OK);
			if (value != wanted && (natural || value))
				print_error("offset %#jx size %u\n", (uintmax_t)offset, size);
			row_equal(value == wanted || (!natural && value == 0), true);
			vr_rows_run++;
		}
	}
	row_name = "far beyond";
	for (unsigned bit = 6; bit < 64; bit++) {
		row_equal(viommu_reg_read(r->g.iommu, UINT64_C(1) << bit, 8, &value), VIOMMU_OK);
		row_equal(value, 0);
		row_equal(viommu_reg_read(r->g.iommu, -(UINT64_C(1) << (63 - bit)), 8, &value),
			  VIOMMU_OK);
		row_equal(value, 0);
	}
	row_name = "sizes that are none read as 0, or are refused";
	for (unsigned size = 0; size < 20; size = size ? size + 1 : 9) {
		int result = viommu_reg_read(r->g.iommu, 0, size, &value);

		row_equal(result == VIOMMU_EINVAL || (result == VIOMMU_OK && !value), true);
	}
	vr_close(r);
}

static void test_defaults(void **state)
{
	static const struct {
		uint64_t offset;
		unsigned size;
		uint64_t want;
	} rows[] = {
		{ 0, 8, 0xfffffffffffff000 },
		{ 8, 8, 0 },
		{ 0x10, 8, UINT64_MAX },
		{ 0x18, 4, 0 },
		{ 0x1c, 4, UINT32_MAX },
		{ 0x20, 4, 512 },
		{ 0x24, 1, 0 },
	};
	struct virtio_rig *r = vr_open(NULL);

	row_name = "5.13.4 defaults";
	for (size_t i = 0; i < VR_ROWS(rows); i++) {
		uint64_t value = 99;

		row_equal(viommu_reg_read(r->g.iommu, rows[i].offset, rows[i].size, &value),
			  VIOMMU_OK);
		row_equal(value, rows[i].want);
		vr_rows_run++;
	}
	vr_close(r);
}

/* Whatever is written wherever, only bypass moves, and shows 0 or 1. */
static void test_writes(void **state)
{
	struct virtio_rig *r = vr_open(&odd);
	uint8_t bytes[VIOMMU_VIRTIO_CONFIG_BYTES];
	static const uint64_t values[] = {
		0,     1,	   2,		0xff,	      0x100,
		0x101, UINT64_MAX, 0x100000000, 0xff00000000, 0x0101010101010101
	};

	image(bytes);
	row_name = "5.13.4 writes";
	for (uint64_t offset = 0; offset < 0x40; offset++) {
		for (unsigned size = 1; size <= 8; size++) {
			bool touches = offset <= 0x24 && offset + size > 0x24;

			for (size_t v = 0; v < VR_ROWS(values); v++) {
				row_equal(vr_set_bypass(r, v & 1), VIOMMU_OK);
				row_equal(viommu_reg_write(r->g.iommu, offset, size, values[v]),
					  VIOMMU_OK);
				if (!touches)
					row_equal(vr_bypass(r), v & 1);
				vr_bypass(r);
				vr_rows_run++;
			}
		}
	}
	row_equal(vr_set_bypass(r, 1), VIOMMU_OK);
	for (unsigned i = 0; i < VIOMMU_VIRTIO_CONFIG_BYTES; i++) {
		uint64_t value;

		row_equal(viommu_reg_read(r->g.iommu, i, 1, &value), VIOMMU_OK);
		row_equal(value, bytes[i]);
	}
	row_name = "5.13.4 bypass: other values are ignored";
	for (unsigned was = 0; was < 2; was++) {
		for (unsigned value = 2; value < 256; value++) {
			row_equal(vr_set_bypass(r, was), VIOMMU_OK);
			row_equal(vr_set_bypass(r, value), VIOMMU_OK);
			row_equal(vr_bypass(r), was);
			vr_rows_run++;
		}
	}
	vr_close(r);
}

/* ---- bypass of endpoints that are not attached ---- */

static const struct vr_step bypass_steps[] = {
	WHERE("26 deny is the default", 1, 0x1000, R, NOWHERE),
	SET_BYPASS("5.13.4 bypass on", 1),
	WHERE("5.13.6.9 bypass", 1, 0x1000, R, 0x1000),
	WHERE("5.13.6.9 bypass", 2, UINT64_MAX, VIOMMU_WRITE, UINT64_MAX),
	ATTACH("5.13.6.9 attached: no bypass", 7, 1, 0, IS(OK)),
	WHERE("5.13.6.9 attached: no bypass", 1, 0x1000, R, VR_FAULT(VR_MAPPING)),
	WHERE("5.13.6.9 the others", 2, 0x1000, R, 0x1000),
	SET_BYPASS("5.13.4 bypass off", 0),
	WHERE("5.13.4 bypass off", 2, 0x1000, R, NOWHERE),
	WHERE("5.13.4 bypass off: attached", 1, 0x1000, R, VR_FAULT(VR_MAPPING)),
	ATTACH("5.13.6.3 a bypass domain", 8, 2, VR_BYPASS, IS(OK)),
	WHERE("5.13.6.9 a bypass domain, bypass off", 2, 0x1000, R, 0x1000),
	DETACH("5.13.6.4 into no bypass", 8, 2, IS(OK)),
	WHERE("5.13.6.4 into no bypass", 2, 0x1000, R, NOWHERE),
	SET_BYPASS("5.13.4 bypass on again", 1),
	WHERE("5.13.4 bypass on again", 2, 0x1000, R, 0x1000),
	DETACH("5.13.6.4 into bypass", 7, 1, IS(OK)),
	WHERE("5.13.6.4 into bypass", 1, 0x1000, R, 0x1000),
	RESET("5.13.4.1 bypass survives a reset of the device"),
	WHERE("5.13.4.1 bypass survives a reset of the device", 1, 0x1000, R, 0x1000),
	ATTACH("5.13.4.1 reset", 7, 1, 0, IS(OK)),
	MAP("5.13.4.1 reset", 7, 0x1000, 0x1fff, 0x5000, VR_READ, IS(OK)),
	WHERE("5.13.4.1 reset", 1, 0x1000, R, 0x5000),
	RESET("5.13.4.1 reset detaches"),
	WHERE("5.13.4.1 reset detaches", 1, 0x1000, R, 0x1000),
	MAP("5.13.4.1 no domain", 7, 0x1000, 0x1fff, 0x5000, VR_READ, IS(NOENT)),
	SET_BYPASS("5.13.4.1 bypass off", 0),
	RESET("5.13.4.1 bypass off survives"),
	WHERE("5.13.4.1 bypass off survives", 1, 0x1000, R, NOWHERE),
};

static void test_bypass(void **state)
{
	vr_script(NULL, bypass_steps, VR_ROWS(bypass_steps));
}

static void test_not_accepted(void **state)
{
	struct virtio_rig *r = vr_open(&odd);

	row_name = "5.13.4 bypass on, the feature not accepted: offered is enough";
	row_equal(viommu_virtio_set_features(r->g.iommu, VIOMMU_VIRTIO_F_MAP_UNMAP), VIOMMU_OK);
	row_equal(vr_bypass(r), 1);
	row_equal(vr_where(r, 1, 0x1000, R), 0x1000);
	vr_close(r);
}

/* The feature of old devices: with it there is bypass, without there is none. */
static void test_legacy(void **state)
{
	const struct viommu_virtio_config legacy = { .features = VIOMMU_VIRTIO_F_MAP_UNMAP |
								 VIOMMU_VIRTIO_F_BYPASS };
	const struct viommu_virtio_config neither = { .features = VIOMMU_VIRTIO_F_MAP_UNMAP };
	struct virtio_rig *r = vr_open(&legacy);

	row_name = "5.13.3 BYPASS accepted";
	row_equal(viommu_virtio_set_features(r->g.iommu, legacy.features), VIOMMU_OK);
	row_equal(vr_where(r, 1, 0x1000, R), 0x1000);
	row_equal(vr_attach(r, 7, 1, 0), ST_OK);
	row_equal(vr_where(r, 1, 0x1000, R), VR_FAULT(VR_MAPPING));
	row_equal(vr_detach(r, 7, 1), ST_OK);
	row_equal(vr_where(r, 1, 0x1000, R), 0x1000);
	row_equal(vr_attach(r, 7, 1, VR_BYPASS), ST_INVAL);
	row_name = "5.13.3 BYPASS not accepted";
	row_equal(viommu_virtio_set_features(r->g.iommu, VIOMMU_VIRTIO_F_MAP_UNMAP), VIOMMU_OK);
	row_equal(vr_where(r, 1, 0x1000, R), NOWHERE);
	vr_close(r);
	row_name = "26 neither: deny";
	r = vr_open(&neither);
	row_equal(vr_where(r, 1, 0x1000, R), NOWHERE);
	row_equal(vr_set_bypass(r, 1), VIOMMU_OK);
	row_equal(vr_where(r, 1, 0x1000, R), NOWHERE);
	vr_close(r);
}

static void test_machine_reset(void **state)
{
	for (unsigned initial = 0; initial < 2; initial++) {
		const struct viommu_virtio_config config = { .bypass = initial };
		struct virtio_rig *r = vr_open(&config);

		row_name = "5.13.4.1 a reset of the machine";
		row_equal(vr_bypass(r), initial);
		row_equal(vr_attach(r, 7, 1, 0), ST_OK);
		row_equal(vr_map(r, 7, 0, 0xfff, 0x5000, VR_READ), ST_OK);
		row_equal(vr_where(r, 1, 0, R), 0x5000);
		row_equal(vr_set_bypass(r, !initial), VIOMMU_OK);
		vr_peek(r, 1, 0x1000, R);
		row_equal(viommu_reset(r->g.iommu), VIOMMU_OK);
		row_equal(vr_bypass(r), initial);
		row_equal(vr_drain(r), 0);
		row_equal(vr_where(r, 1, 0x123, R), initial ? 0x123 : NOWHERE);
		row_equal(vr_unmap(r, 7, 0, 0xfff), ST_NOENT);
		row_equal(vr_attach(r, 7, 1, 0), ST_OK);
		row_equal(vr_where(r, 1, 0, R), VR_FAULT(VR_MAPPING));
		vr_close(r);
		vr_rows_run++;
	}
}

/* ---- configurations ---- */

#define F(x) VIOMMU_VIRTIO_F_##x
#define CONFIG(text, result, ...)                                                                  \
	{                                                                                          \
		text, result,                                                                      \
		{                                                                                  \
			.size = sizeof(refused[0].c), __VA_ARGS__                                  \
		}                                                                                  \
	}

static const struct {
	const char *name;
	int want;
	struct viommu_virtio_config c;
} refused[] = {
	CONFIG("defaults", VIOMMU_OK, .flags = 0),
	CONFIG("flags", VIOMMU_EINVAL, .flags = 1),
	CONFIG("5.13.3 unknown feature", VIOMMU_ENOTSUP, .features = F(MAP_UNMAP) | 0x80),
	CONFIG("5.13.3 unknown feature", VIOMMU_ENOTSUP, .features = UINT64_C(1) << 63 | 4),
	CONFIG("5.13.3 both kinds of bypass", VIOMMU_EINVAL,
	       .features = F(MAP_UNMAP) | F(BYPASS) | F(BYPASS_CONFIG)),
	CONFIG("5.13.4 bypass 2", VIOMMU_EINVAL, .bypass = 2),
	CONFIG("input range", VIOMMU_EINVAL, .input_first = 0x2000, .input_last = 0x1fff),
	CONFIG("input range of a page", VIOMMU_OK, .input_first = 0x2000, .input_last = 0x2fff),
	CONFIG("5.13.3 a range without its feature", VIOMMU_EINVAL, .features = F(MAP_UNMAP),
	       .input_first = 0x1000),
	CONFIG("5.13.3 a range without its feature", VIOMMU_EINVAL, .features = F(MAP_UNMAP),
	       .input_last = 0xffffff),
	CONFIG("5.13.3 a range without its feature", VIOMMU_EINVAL, .features = F(MAP_UNMAP),
	       .domain_first = 1),
	CONFIG("5.13.3 a range without its feature", VIOMMU_EINVAL, .features = F(MAP_UNMAP),
	       .domain_last = 10),
	CONFIG("domain range", VIOMMU_EINVAL, .domain_first = 2, .domain_last = 1),
	CONFIG("domain range of one", VIOMMU_OK, .domain_first = 2, .domain_last = 2),
};

static void test_refused(void **state)
{
	for (size_t i = 0; i < VR_ROWS(refused); i++) {
		static struct virtio_rig r;
		unsigned messages;

		memset(&r, 0, sizeof(r));
		guest_init(&r.g, GUEST_CALLBACKS, 1);
		row_name = refused[i].name;
		messages = r.g.count[GUEST_ON_MESSAGE];
		row_equal(vr_try_open(&r, &refused[i].c), refused[i].want);
		row_equal(r.g.count[GUEST_ON_MESSAGE] > messages, refused[i].want != VIOMMU_OK);
		guest_fini(&r.g);
		vr_rows_run++;
	}
}

static void test_sizes(void **state)
{
	static struct virtio_rig r;
	struct viommu_virtio_config config = { .size = sizeof(config) };
	struct viommu *u;

	guest_init(&r.g, GUEST_CALLBACKS, 1);
	row_name = "sizes and pointers";
	row_equal(viommu_virtio_new(NULL, &config, &u), VIOMMU_EINVAL);
	row_equal(viommu_virtio_new(r.g.vm, NULL, &u), VIOMMU_EINVAL);
	row_equal(viommu_virtio_new(r.g.vm, &config, NULL), VIOMMU_EINVAL);
	config.size = 0;
	row_equal(viommu_virtio_new(r.g.vm, &config, &u), VIOMMU_ESIZE);
	config.size = 4;
	row_equal(viommu_virtio_new(r.g.vm, &config, &u), VIOMMU_ESIZE);
	guest_fini(&r.g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reads),	      cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_writes),	      cmocka_unit_test(test_bypass),
		cmocka_unit_test(test_legacy),	      cmocka_unit_test(test_not_accepted),
		cmocka_unit_test(test_machine_reset), cmocka_unit_test(test_refused),
		cmocka_unit_test(test_sizes),
	};

	return cmocka_run_group_tests(tests, NULL, vr_count_rows);
}
