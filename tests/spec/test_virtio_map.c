/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_virtio_map.c - MAP and UNMAP (virtio 1.3, 5.13.6.5, 5.13.6.6): alignment, ranges, overlaps,
 * the examples of the specification, caps; all or nothing (obligations 5, 6, 27, 28).
 */
#include "check.h"

#include "trace.h"
#include "virtio_rig.h"

#define R	 VIOMMU_READ
#define W	 VIOMMU_WRITE
#define UNMAPPED VR_FAULT(VR_MAPPING)
#define MAX	 UINT64_MAX
#define GPA_LAST UINT64_C(0xfffffffffffff) /* 2^52 - 1, the default */

static const struct vr_step map_steps[] = {
	ATTACH("setup", 7, 1, 0, IS(OK)),
	MAP("5.13.6.5 unknown domain", 8, 0x1000, 0x1fff, 0, VR_READ, IS(NOENT)),
	MAP("5.13.6.5 the low half of a domain", 0x10007, 0x1000, 0x1fff, 0, 1, IS(NOENT)),
	MAP("5.13.6.5 virt_start not aligned", 7, 0x1001, 0x1fff, 0, VR_READ, IS(RANGE)),
	MAP("5.13.6.5 virt_start not aligned", 7, 0x1800, 0x27ff, 0, VR_READ, IS(RANGE)),
	MAP("5.13.6.5 virt_end not aligned", 7, 0x1000, 0x1ffe, 0, VR_READ, IS(RANGE)),
	MAP("5.13.6.5 virt_end not aligned", 7, 0x1000, 0x2000, 0, VR_READ, IS(RANGE)),
	MAP("5.13.6.5 virt_end not aligned", 7, 0x1000, 0x1000, 0, VR_READ, IS(RANGE)),
	MAP("5.13.6.5 phys_start not aligned", 7, 0x1000, 0x1fff, 0x800, VR_READ, IS(RANGE)),
	MAP("5.13.6.5 phys_start not aligned", 7, 0x1000, 0x1fff, 1, VR_READ, IS(RANGE)),
	MAP("5 virt_end below virt_start", 7, 0x2000, 0x1fff, 0, 1, IS(RANGE) | IS(INVAL)),
	MAP("5 virt_end below virt_start", 7, 0x2000, 0xfff, 0, 1, IS(RANGE) | IS(INVAL)),
	MAP("5 virt_end below virt_start", 7, 0x1000, 0, 0, 1, IS(RANGE) | IS(INVAL)),
	MAP("5 from the last page to the first", 7, MAX - 0xfff, 0xfff, 0, 1,
	    IS(RANGE) | IS(INVAL)),
	UNMAP("nothing of that was mapped", 7, 0, MAX, IS(OK)),
	WHERE("nothing of that was mapped", 1, 0x1000, R, UNMAPPED),
	WHERE("nothing of that was mapped", 1, 0, R, UNMAPPED),
	MAP("5.13.6.5 no permission", 7, 0x1000, 0x1fff, 0, 0, IS(OK)),
	PERM("5.13.6.5 no permission", 1, 0x1000, 0),
	MAP("5.13.6.5 no permission: it is a mapping", 7, 0x1000, 0x1fff, 0, VR_READ, IS(INVAL)),
	UNMAP("5.13.6.5 no permission", 7, 0x1000, 0x1fff, IS(OK)),
	MAP("5.13.6.5 permissions", 7, 0x1000, 0x1fff, 0x1000, VR_READ, IS(OK)),
	MAP("5.13.6.5 permissions", 7, 0x2000, 0x2fff, 0x2000, VR_RW, IS(OK)),
	MAP("5.13.6.5 permissions, MMIO", 7, 0x3000, 0x3fff, 0x3000, VR_RW | VR_MMIO, IS(OK)),
	PERM("5.13.6.5 permissions", 1, 0x1fff, R),
	PERM("5.13.6.5 permissions", 1, 0x2000, R | W),
	PERM("5.13.6.5 permissions", 1, 0x2fff, R | W),
	PERM("5.13.6.5 permissions", 1, 0x3000, R | W),
	PERM("6 beside", 1, 0xfff, 0),
	PERM("6 beside", 1, 0x4000, 0),
	NEW("5 edges"),
	ATTACH("5 edges", 7, 1, 0, IS(OK)),
	MAP("5 the last page", 7, MAX - 0xfff, MAX, 0x5000, VR_READ, IS(OK)),
	WHERE("5 the last byte", 1, MAX, R, 0x5fff),
	WHERE("5 the last page", 1, MAX - 0xfff, R, 0x5000),
	WHERE("6 beside the last page", 1, MAX - 0x1000, R, UNMAPPED),
	MAP("5 the first page", 7, 0, 0xfff, 0x7000, VR_READ, IS(OK)),
	WHERE("5 the first byte", 1, 0, R, 0x7000),
	WHERE("6 beside the first page", 1, 0x1000, R, UNMAPPED),
	MAP("5.13.6.5 overlap at the end of all", 7, MAX - 0x1fff, MAX, 0, 1, IS(INVAL)),
	MAP("5.13.6.5 overlap: everything", 7, 0, MAX, 0, 1, IS(INVAL) | IS(RANGE)),
	UNMAP("5.13.6.6 partly, at the end of all", 7, MAX, MAX, IS(RANGE)),
	UNMAP("5.13.6.6 the last page", 7, MAX - 0xfff, MAX, IS(OK)),
	WHERE("5.13.6.6 the last page", 1, MAX, R, UNMAPPED),
	UNMAP("5.13.6.6 everything", 7, 0, MAX, IS(OK)),
	WHERE("5.13.6.6 everything", 1, 0, R, UNMAPPED),
	MAP("5 the last target", 7, 0x1000, 0x1fff, GPA_LAST - 0xfff, VR_READ, IS(OK)),
	WHERE("5 the last target", 1, 0x1fff, R, GPA_LAST),
	MAP("5 beyond the last target", 7, 0x2000, 0x3fff, GPA_LAST - 0xfff, 1,
	    IS(RANGE) | IS(INVAL)),
	MAP("5 beyond the last target", 7, 0x2000, 0x2fff, GPA_LAST + 1, 1, IS(RANGE) | IS(INVAL)),
	MAP("5 the target wraps", 7, 0x2000, 0x3fff, MAX - 0xfff, 1, IS(RANGE) | IS(INVAL)),
	MAP("5 the target wraps to 0", 7, 0x2000, 0x2fff, MAX - 0xfff, 1, IS(RANGE) | IS(INVAL)),
	MAP("5 as large as all targets", 7, UINT64_C(1) << 60, (UINT64_C(1) << 60) + GPA_LAST, 0,
	    VR_READ, IS(OK)),
	WHERE("5 as large as all targets", 1, (UINT64_C(1) << 60) + GPA_LAST, R, GPA_LAST),
	MAP("5 a page larger than all targets", 7, UINT64_C(3) << 60,
	    (UINT64_C(3) << 60) + GPA_LAST + 0x1000, 0, 1, IS(RANGE) | IS(INVAL)),
	MAP("5 all addresses", 7, 0, MAX, 0, 1, IS(RANGE) | IS(INVAL)),
	NEW("5.13.6.5 overlaps"),
	ATTACH("5.13.6.5 overlaps", 7, 1, 0, IS(OK)),
	MAP("5.13.6.5 overlaps", 7, 0x5000, 0x8fff, 0x15000, VR_READ, IS(OK)),
	MAP("5.13.6.5 the same", 7, 0x5000, 0x8fff, 0x15000, VR_READ, IS(INVAL)),
	MAP("5.13.6.5 the same, more permission", 7, 0x5000, 0x8fff, 0x15000, VR_RW, IS(INVAL)),
	MAP("5.13.6.5 its first page", 7, 0x5000, 0x5fff, 0x25000, VR_RW, IS(INVAL)),
	MAP("5.13.6.5 its last page", 7, 0x8000, 0x8fff, 0x25000, VR_RW, IS(INVAL)),
	MAP("5.13.6.5 inside", 7, 0x6000, 0x6fff, 0x25000, VR_RW, IS(INVAL)),
	MAP("5.13.6.5 around", 7, 0x4000, 0x9fff, 0x25000, VR_RW, IS(INVAL)),
	MAP("5.13.6.5 over the start", 7, 0x4000, 0x5fff, 0x25000, VR_RW, IS(INVAL)),
	MAP("5.13.6.5 over the end", 7, 0x8000, 0x9fff, 0x25000, VR_RW, IS(INVAL)),
	PERM("5.13.6.5 as it was", 1, 0x5000, R),
	WHERE("5.13.6.5 as it was", 1, 0x8fff, R, 0x18fff),
	PERM("5.13.6.5 as it was", 1, 0x4fff, 0),
	PERM("5.13.6.5 as it was", 1, 0x9000, 0),
	MAP("5.13.6.5 before", 7, 0x4000, 0x4fff, 0x24000, VR_READ, IS(OK)),
	MAP("5.13.6.5 behind", 7, 0x9000, 0x9fff, 0x24000, VR_READ, IS(OK)),
	WHERE("5.13.6.5 the target of two", 1, 0x4000, R, 0x24000),
	WHERE("5.13.6.5 the target of two", 1, 0x9000, R, 0x24000),
	MAP("5.13.6.5 over two", 7, 0x4000, 0x8fff, 0x25000, VR_RW, IS(INVAL)),
};

static void test_map(void **state)
{
	vr_script(NULL, map_steps, VR_ROWS(map_steps));
}

/* The specification's examples with addresses as they stand there: a granule of one byte. */
static const struct viommu_virtio_config bytes = { .page_size_mask = UINT64_MAX };

static const struct vr_step example_steps[] = {
	ATTACH("example 1", 1, 1, 0, IS(OK)),
	UNMAP("5.13.6.6 example 1: an empty range", 1, 0, 4, IS(OK)),
	NEW("example 2"),
	ATTACH("example 2", 1, 1, 0, IS(OK)),
	MAP("example 2", 1, 0, 9, 0x100, VR_READ, IS(OK)),
	UNMAP("5.13.6.6 example 2: the mapping", 1, 0, 9, IS(OK)),
	WHERE("example 2", 1, 9, R, UNMAPPED),
	NEW("example 3"),
	ATTACH("example 3", 1, 1, 0, IS(OK)),
	MAP("example 3", 1, 0, 4, 0x100, VR_READ, IS(OK)),
	MAP("example 3", 1, 5, 9, 0x105, VR_READ, IS(OK)),
	WHERE("example 3", 1, 5, R, 0x105),
	UNMAP("5.13.6.6 example 3: two mappings", 1, 0, 9, IS(OK)),
	WHERE("example 3", 1, 0, R, UNMAPPED),
	WHERE("example 3", 1, 5, R, UNMAPPED),
	NEW("example 4"),
	ATTACH("example 4", 1, 1, 0, IS(OK)),
	MAP("example 4", 1, 0, 9, 0x100, VR_READ, IS(OK)),
	UNMAP("5.13.6.6 example 4: partly", 1, 0, 4, IS(RANGE)),
	UNMAP("5.13.6.6 partly, its end", 1, 5, 9, IS(RANGE)),
	UNMAP("5.13.6.6 partly, inside", 1, 4, 5, IS(RANGE)),
	UNMAP("5.13.6.6 partly, and beyond", 1, 9, 20, IS(RANGE)),
	UNMAP("5.13.6.6 partly, all but a byte", 1, 1, 9, IS(RANGE)),
	UNMAP("5.13.6.6 partly, all but a byte", 1, 0, 8, IS(RANGE)),
	WHERE("example 4: nothing removed", 1, 0, R, 0x100),
	WHERE("example 4: nothing removed", 1, 4, R, 0x104),
	WHERE("example 4: nothing removed", 1, 9, R, 0x109),
	WHERE("6 beside", 1, 10, R, UNMAPPED),
	NEW("example 5"),
	ATTACH("example 5", 1, 1, 0, IS(OK)),
	MAP("example 5", 1, 0, 4, 0x100, VR_READ, IS(OK)),
	MAP("example 5", 1, 5, 9, 0x200, VR_READ, IS(OK)),
	UNMAP("5.13.6.6 example 5: the first of two", 1, 0, 4, IS(OK)),
	WHERE("example 5", 1, 4, R, UNMAPPED),
	WHERE("example 5", 1, 5, R, 0x200),
	NEW("example 6"),
	ATTACH("example 6", 1, 1, 0, IS(OK)),
	MAP("example 6", 1, 0, 4, 0x100, VR_READ, IS(OK)),
	UNMAP("5.13.6.6 example 6: more than the mapping", 1, 0, 9, IS(OK)),
	WHERE("example 6", 1, 0, R, UNMAPPED),
	NEW("example 7"),
	ATTACH("example 7", 1, 1, 0, IS(OK)),
	MAP("example 7", 1, 0, 4, 0x100, VR_READ, IS(OK)),
	MAP("example 7", 1, 10, 14, 0x110, VR_READ, IS(OK)),
	UNMAP("5.13.6.6 example 7: a hole", 1, 0, 14, IS(OK)),
	WHERE("example 7", 1, 0, R, UNMAPPED),
	WHERE("example 7", 1, 14, R, UNMAPPED),
	NEW("28 a partial one at the end"),
	ATTACH("28", 1, 1, 0, IS(OK)),
	MAP("28", 1, 0, 4, 0x100, VR_READ, IS(OK)),
	MAP("28", 1, 5, 9, 0x200, VR_READ, IS(OK)),
	MAP("28", 1, 10, 14, 0x300, VR_READ, IS(OK)),
	UNMAP("28 the last of three is partly covered", 1, 0, 13, IS(RANGE)),
	UNMAP("28 the first of three is partly covered", 1, 1, 14, IS(RANGE)),
	WHERE("28 nothing removed", 1, 0, R, 0x100),
	WHERE("28 nothing removed", 1, 5, R, 0x200),
	WHERE("28 nothing removed", 1, 14, R, 0x304),
	MAP("5 one byte", 1, 15, 15, 0x777, VR_READ, IS(OK)),
	WHERE("5 one byte", 1, 15, R, 0x777),
	WHERE("5 one byte", 1, 16, R, UNMAPPED),
	MAP("5 the last byte of all", 1, MAX, MAX, 0x888, VR_READ, IS(OK)),
	WHERE("5 the last byte of all", 1, MAX, R, 0x888),
	WHERE("5 the last byte of all", 1, MAX - 1, R, UNMAPPED),
	MAP("5 virt_end below virt_start", 1, 31, 30, 0, 1, IS(RANGE) | IS(INVAL)),
	UNMAP("5 virt_end below virt_start", 1, 15, 14, IS(OK) | IS(RANGE) | IS(INVAL)),
	UNMAP("5 from the last byte to the first", 1, MAX, 0, IS(OK) | IS(RANGE) | IS(INVAL)),
	WHERE("5 virt_end below virt_start: nothing removed", 1, 0, R, 0x100),
	WHERE("5 virt_end below virt_start: nothing removed", 1, 15, R, 0x777),
	WHERE("5 virt_end below virt_start: nothing removed", 1, MAX, R, 0x888),
	UNMAP("5.13.6.6 unknown domain", 2, 0, MAX, IS(NOENT)),
	UNMAP("5.13.6.6 everything", 1, 0, MAX, IS(OK)),
	WHERE("5.13.6.6 everything", 1, 15, R, UNMAPPED),
	WHERE("5.13.6.6 everything", 1, MAX, R, UNMAPPED),
};

static void test_examples(void **state)
{
	vr_script(&bytes, example_steps, VR_ROWS(example_steps));
}

/* ---- configured ranges and granules ---- */

static const struct viommu_virtio_config narrow = { .page_size_mask = 0xfffffffffffe0000,
						    .input_first = 0x100000,
						    .input_last = 0x8fffff,
						    .gpa_last = 0xfffffff };

static const struct vr_step narrow_steps[] = {
	ATTACH("5.13.4 narrow", 7, 1, 0, IS(OK)),
	MAP("5.13.4 granule 128 KiB", 7, 0x110000, 0x12ffff, 0, VR_READ, IS(RANGE)),
	MAP("5.13.4 granule 128 KiB", 7, 0x120000, 0x12ffff, 0, VR_READ, IS(RANGE)),
	MAP("5.13.4 granule 128 KiB", 7, 0x120000, 0x13ffff, 0x10000, VR_READ, IS(RANGE)),
	MAP("5.13.4 granule 128 KiB", 7, 0x120000, 0x13ffff, 0x20000, VR_READ, IS(OK)),
	WHERE("5.13.4 granule 128 KiB", 1, 0x13ffff, R, 0x3ffff),
	MAP("5.13.4 below input_range", 7, 0xe0000, 0xfffff, 0, VR_READ, IS(RANGE)),
	MAP("5.13.4 from below into input_range", 7, 0xe0000, 0x11ffff, 0, VR_READ, IS(RANGE)),
	MAP("5.13.4 first of input_range", 7, 0x100000, 0x11ffff, 0, VR_READ, IS(OK)),
	MAP("5.13.4 behind input_range", 7, 0x900000, 0x91ffff, 0, VR_READ, IS(RANGE)),
	MAP("5.13.4 across the end of input_range", 7, 0x8e0000, 0x91ffff, 0, 1, IS(RANGE)),
	MAP("5.13.4 to the end of all", 7, 0x8e0000, MAX, 0, 1, IS(RANGE)),
	MAP("5.13.4 last of input_range", 7, 0x8e0000, 0x8fffff, 0xffe0000, VR_READ, IS(OK)),
	WHERE("5.13.4 last of input_range", 1, 0x8fffff, R, 0xfffffff),
	WHERE("5.13.4 behind input_range", 1, 0x900000, R, UNMAPPED),
	WHERE("5.13.4 below input_range", 1, 0xfffff, R, UNMAPPED),
	MAP("gpa_last", 7, 0x200000, 0x23ffff, 0xffe0000, VR_READ, IS(RANGE) | IS(INVAL)),
	UNMAP("5.13.6.6 more than input_range", 7, 0, MAX, IS(OK) | IS(RANGE)),
};

static void test_narrow(void **state)
{
	vr_script(&narrow, narrow_steps, VR_ROWS(narrow_steps));
}

/* Hints of larger pages change nothing, only the lowest bit counts. */
static const struct viommu_virtio_config sparse = { .page_size_mask = 0x40201000 };

static const struct vr_step sparse_steps[] = {
	ATTACH("5.13.4 hints", 7, 1, 0, IS(OK)),
	MAP("5.13.4 hints", 7, 0x3000, 0x7fff, 0x1000, VR_READ, IS(OK)),
	WHERE("5.13.4 hints", 1, 0x7fff, R, 0x5fff),
	MAP("5.13.4 hints", 7, 0x200800, 0x2017ff, 0x1000, VR_READ, IS(RANGE)),
};

static void test_sparse(void **state)
{
	vr_script(&sparse, sparse_steps, VR_ROWS(sparse_steps));
}

/* ---- caps: NOMEM and nothing changed (obligation 27) ---- */

static const struct viommu_virtio_config caps = { .mappings = 3, .domain_mappings = 2 };

static const struct vr_step cap_steps[] = {
	ATTACH("27", 1, 1, 0, IS(OK)),
	ATTACH("27", 2, 2, 0, IS(OK)),
	MAP("27", 1, 0x1000, 0x1fff, 0x1000, VR_READ, IS(OK)),
	MAP("27", 1, 0x2000, 0x2fff, 0x2000, VR_READ, IS(OK)),
	MAP("27 mappings of a domain", 1, 0x3000, 0x3fff, 0, VR_READ, IS(NOMEM)),
	WHERE("27 mappings of a domain", 1, 0x3000, R, UNMAPPED),
	WHERE("27 mappings of a domain", 1, 0x1000, R, 0x1000),
	MAP("27", 2, 0x1000, 0x1fff, 0x5000, VR_READ, IS(OK)),
	MAP("27 mappings of all", 2, 0x2000, 0x2fff, 0x5000, VR_READ, IS(NOMEM)),
	WHERE("27 mappings of all", 2, 0x2000, R, UNMAPPED),
	WHERE("27 mappings of all", 2, 0x1000, R, 0x5000),
	UNMAP("27 room again", 1, 0x1000, 0x1fff, IS(OK)),
	MAP("27 room again", 2, 0x2000, 0x2fff, 0x6000, VR_READ, IS(OK)),
	WHERE("27 room again", 2, 0x2000, R, 0x6000),
	MAP("27 full again", 1, 0x1000, 0x1fff, 0, VR_READ, IS(NOMEM)),
	DETACH("27 a domain dies", 2, 2, IS(OK)),
	MAP("27 room again", 1, 0x1000, 0x1fff, 0x9000, VR_READ, IS(OK)),
	WHERE("27 room again", 1, 0x1000, R, 0x9000),
	RESET("27 reset"),
	ATTACH("27 reset", 1, 1, 0, IS(OK)),
	MAP("27 reset: room", 1, 0x1000, 0x1fff, 0x9000, VR_READ, IS(OK)),
	MAP("27 reset: room", 1, 0x2000, 0x2fff, 0x9000, VR_READ, IS(OK)),
	MAP("27 reset: full", 1, 0x3000, 0x3fff, 0x9000, VR_READ, IS(NOMEM)),
};

static void test_caps(void **state)
{
	vr_script(&caps, cap_steps, VR_ROWS(cap_steps));
}

/* Many mappings, removed in several ways; each is as it was put, and none is left. */
static void test_many(void **state)
{
	enum { COUNT = 5000 };
	struct virtio_rig *r = vr_open(NULL);

	row_name = "many mappings";
	row_equal(vr_attach(r, 1, 1, 0), ST_OK);
	for (uint64_t i = 0; i < COUNT; i++) {
		uint64_t at = (i * 1237 % COUNT) * 0x2000;

		row_equal(vr_map(r, 1, at, at + 0xfff, at + 0x100000, VR_READ), ST_OK);
	}
	for (uint64_t i = 0; i < COUNT; i++) {
		row_equal(vr_peek(r, 1, i * 0x2000 + 0xfff, R), i * 0x2000 + 0x100fff);
		row_equal(vr_peek(r, 1, i * 0x2000 + 0x1000, R), UNMAPPED);
	}
	row_equal(vr_unmap(r, 1, 0x2000, 0x2000 * (COUNT - 1)), ST_RANGE);
	row_equal(vr_peek(r, 1, 0x2000, R), 0x102000);
	row_equal(vr_unmap(r, 1, 0x2000, 0x2000 * (COUNT - 1) - 1), ST_OK);
	for (uint64_t i = 0; i < COUNT; i++)
		row_equal(vr_peek(r, 1, i * 0x2000, R),
			  i && i < COUNT - 1 ? UNMAPPED : i * 0x2000 + 0x100000);
	vr_close(r);
}

/* Mappings made and removed again and again, in several ways, take no more memory. */
static void test_recycled(void **state)
{
	enum { COUNT = 700, WARM = 8, ROUNDS = 60 };
	struct virtio_rig *r = vr_open(NULL);
	uint64_t used = 0;

	row_name = "27 nodes used again";
	for (uint64_t round = 0; round < ROUNDS; round++) {
		row_equal(vr_attach(r, 1, 1, 0), ST_OK);
		for (uint64_t i = 0; i < COUNT; i++) {
			uint64_t at = (i * (round * 2 + 1) % COUNT) << 12;

			vr_map(r, 1, at, at | 0xfff, at, VR_READ);
		}
		if (round % 3 == 0)
			row_equal(vr_unmap(r, 1, 0, MAX), ST_OK);
		for (uint64_t i = 0; i < COUNT && round % 3 == 1; i++)
			row_equal(vr_unmap(r, 1, i << 12, i << 12 | 0xfff), ST_OK);
		row_equal(vr_detach(r, 1, 1), ST_OK);
		if (round < WARM)
			used = r->g.block_bytes;
		row_equal(r->g.block_bytes, used);
	}
	vr_close(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_map),	 cmocka_unit_test(test_examples),
		cmocka_unit_test(test_narrow),	 cmocka_unit_test(test_sparse),
		cmocka_unit_test(test_caps),	 cmocka_unit_test(test_many),
		cmocka_unit_test(test_recycled),
	};

	return cmocka_run_group_tests(tests, NULL, vr_count_rows);
}
