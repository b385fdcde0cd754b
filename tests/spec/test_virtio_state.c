/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_virtio_state.c - saved states (obligation 29): at every point of a guest's life what is
 * restored goes on as what was saved would; what is not whole, not ours or not possible is refused
 * with nothing changed, or means something possible.
 */
#include "check.h"

#include <stdlib.h>
#include <string.h>

#include "trace.h"
#include "virtio_rig.h"

#define R   VIOMMU_READ
#define MAX UINT64_MAX

enum { CAPACITY = 65536, RANGES = 64 };

static unsigned char good[CAPACITY], bad[CAPACITY], now[CAPACITY];
static uint64_t length;

static const struct viommu_virtio_config config = { .gpa_last = 0xffffffffff,
						    .domain_last = 1000,
						    .domains = 10,
						    .mappings = 20,
						    .domain_mappings = 10,
						    .bypass = 1 };
#define GPA_LAST UINT64_C(0xffffffffff)

static const struct viommu_virtio_region region = { 0xfee00000, 0xfeefffff, VIOMMU_VIRTIO_RESV_MSI,
						    0 };

static struct virtio_rig *open_one(void)
{
	struct virtio_rig *r = vr_open(&config);

	vr_regions(r, 4, &region, 1);
	return r;
}

static uint64_t save(struct virtio_rig *r, unsigned char *to)
{
	uint64_t bytes = CAPACITY;

	row_equal(viommu_save(r->g.iommu, to, &bytes), VIOMMU_OK);
	return bytes;
}

/* In a block of exactly its size, so that a sanitizer sees reads behind it. */
static int restore(struct virtio_rig *r, const unsigned char *from, uint64_t bytes)
{
	unsigned char *copy = malloc(bytes ? bytes : 1);
	int result;

	assert_non_null(copy);
	memcpy(copy, from, bytes);
	result = viommu_restore(r->g.iommu, copy, bytes);
	free(copy);
	row_equal(result == VIOMMU_OK || result == VIOMMU_PENDING || result == VIOMMU_ESTATE, true);
	if (result == VIOMMU_PENDING)
		row_equal(viommu_run(r->g.iommu), VIOMMU_OK);
	return result > 0 ? VIOMMU_OK : result;
}

/* ---- a life, and how it goes on ---- */

static const struct vr_step life[] = {
	WHERE("29 bypass", 1, 0x5000, R, 0x5000),
	ATTACH("29 ATTACH", 7, 1, 0, IS(OK)),
	MAP("29 MAP", 7, 0x1000, 0x1fff, 0x5000, VR_READ, IS(OK)),
	SET_BYPASS("29 bypass off", 0),
	MAP("29 MAP", 7, 0x2000, 0x2fff, 0x6000, VR_WRITE, IS(OK)),
	MAP("29 MAP, no permission", 7, 0x3000, 0x3fff, 0x6000, 0, IS(OK)),
	MAP("29 MAP, MMIO", 7, MAX - 0xfff, MAX, GPA_LAST - 0xfff, VR_RW | VR_MMIO, IS(OK)),
	WHERE("29 mapped", 1, MAX, R, GPA_LAST),
	ATTACH("29 shared", 7, 2, 0, IS(OK)),
	ATTACH("29 bypass domain", 1000, 3, VR_BYPASS, IS(OK)),
	WHERE("29 bypass domain", 3, 0x123, R, 0x123),
	MAP("29 bypass domain", 1000, 0, 0xfff, 0, 1, IS(INVAL)),
	ATTACH("29 reserved", 0, 4, 0, IS(OK)),
	MAP("29 reserved", 0, 0xfee00000, 0xfee00fff, 0, 1, IS(INVAL)),
	MAP("29 in domain 0", 0, 0x1000, 0x1fff, 0x8000, VR_RW, IS(OK)),
	WHERE("29 in domain 0", 4, 0x1fff, R, 0x8fff),
	MAP("29 an overlap", 7, 0x3000, 0x3fff, 0x6000, VR_READ, IS(INVAL)),
	UNMAP("29 partly", 7, 0x1000, 0x37ff, IS(RANGE)),
	UNMAP("29 UNMAP", 7, 0x1000, 0x2fff, IS(OK)),
	WHERE("29 not mapped", 2, 0x1000, R, VR_FAULT(VR_MAPPING)),
	WHERE("29 mapped", 2, MAX - 0xfff, VIOMMU_WRITE, GPA_LAST - 0xfff),
	DETACH("29 DETACH", 7, 1, IS(OK)),
	WHERE("29 DETACH", 1, MAX, R, VR_FAULT(VR_DOMAIN)),
	WHERE("29 the other stays", 2, MAX, R, GPA_LAST),
	DETACH("29 DETACH, the last", 7, 2, IS(OK)),
	MAP("29 the domain is dead", 7, 0x1000, 0x1fff, 0, 1, IS(NOENT)),
	DETACH("29 DETACH", 1000, 3, IS(OK)),
	ATTACH("29 an ordinary one", 1000, 3, 0, IS(OK)),
	SET_BYPASS("29 bypass on", 1),
	WHERE("29 bypass on", 1, 0x5000, R, 0x5000),
	RESET("29 reset"),
	WHERE("29 reset", 4, 0x5000, R, 0x5000),
};

static void check_same(struct virtio_rig *a, struct virtio_rig *b)
{
	row_equal(vr_bypass(a), vr_bypass(b));
	for (unsigned id = 1; id <= VR_ENDPOINTS; id++) {
		struct vr_range of_a[RANGES], of_b[RANGES];
		int result_a, result_b;
		unsigned count = vr_ranges(a, id, 0, MAX, of_a, RANGES, &result_a);

		memset(of_b, 0, sizeof(of_b));
		row_equal(vr_ranges(b, id, 0, MAX, of_b, RANGES, &result_b), count);
		row_equal(result_a, result_b);
		assert_memory_equal(of_a, of_b, count * sizeof(of_a[0]));
		row_equal(vr_peek(a, id, 0x5000, R), vr_peek(b, id, 0x5000, R));
		row_equal(vr_peek(a, id, 0xfee00000, 2), vr_peek(b, id, 0xfee00000, 2));
	}
	vr_drain(a);
	vr_drain(b);
}

/* Saved after every step, restored elsewhere, and the rest of the life goes on there. */
static void test_every_point(void **state)
{
	for (size_t i = 0; i <= VR_ROWS(life); i++) {
		struct virtio_rig *a = open_one();
		struct virtio_rig *b = open_one();
		uint64_t needed = 0;

		vr_steps(a, life, i);
		vr_steps(b, life + 1, 10); /* something else, which must go */
		row_name = i ? life[i - 1].name : "29 new";
		length = save(a, good);
		row_equal(viommu_save(a->g.iommu, NULL, &needed), VIOMMU_ENOSPC);
		row_equal(needed, length);
		row_equal(restore(b, good, length), VIOMMU_OK);
		check_same(a, b);
		row_equal(save(b, now), length);
		assert_memory_equal(now, good, length);
		row_equal(restore(a, good, length), VIOMMU_OK); /* and over itself */
		check_same(a, b);
		vr_steps(b, life + i, VR_ROWS(life) - i);
		vr_close(a);
		vr_close(b);
	}
}

/* Features that were accepted are part of it; so is the room that is left. */
static void test_rest(void **state)
{
	struct virtio_rig *a = open_one();
	struct virtio_rig *b = open_one();

	row_name = "29 features";
	row_equal(viommu_virtio_set_features(a->g.iommu, VIOMMU_VIRTIO_F_MAP_UNMAP), VIOMMU_OK);
	row_equal(vr_attach(a, 7, 1, 0), ST_OK);
	for (uint64_t i = 0; i < 9; i++)
		row_equal(vr_map(a, 7, i << 12, i << 12 | 0xfff, 0, 1), ST_OK);
	length = save(a, good);
	row_equal(restore(b, good, length), VIOMMU_OK);
	row_equal(vr_map(b, 7, 0x10000, 0x10fff, 0, 1 | VR_MMIO), ST_INVAL);
	row_equal(vr_attach(b, 8, 2, VR_BYPASS), ST_INVAL);
	row_name = "29 caps";
	row_equal(vr_map(b, 7, 0x10000, 0x10fff, 0, 1), ST_OK);
	row_equal(vr_map(b, 7, 0x11000, 0x11fff, 0, 1), ST_NOMEM);
	vr_close(a);
	vr_close(b);
}

/* ---- refused ---- */

/* With something in every part. */
static struct virtio_rig *open_busy(void)
{
	struct virtio_rig *r = open_one();

	vr_steps(r, life, 16);
	vr_peek(r, 1, 0x777000, R); /* a record that waits */
	length = save(r, good);
	memcpy(bad, good, length);
	return r;
}

static bool unchanged(struct virtio_rig *r)
{
	return save(r, now) == length && memcmp(now, good, length) == 0;
}

static void refused(struct virtio_rig *r, uint64_t bytes)
{
	row_equal(restore(r, bad, bytes), VIOMMU_ESTATE);
	row_equal(unchanged(r), true);
	vr_rows_run++;
}

static void test_truncated(void **state)
{
	struct virtio_rig *r = open_busy();

	row_name = "29 truncated";
	for (uint64_t n = 0; n < length; n++)
		refused(r, n);
	row_name = "29 something behind it";
	memset(bad + length, 0, 64);
	for (uint64_t n = 1; n < 64; n++)
		refused(r, length + n);
	row_equal(restore(r, bad, length), VIOMMU_OK);
	vr_close(r);
}

static void test_flipped(void **state)
{
	struct virtio_rig *r = open_busy();

	row_name = "29 one bit flipped";
	for (uint64_t i = 0; i < length; i++) {
		for (unsigned bit = 0; bit < 8; bit++) {
			bad[i] ^= (unsigned char)(1U << bit);
			refused(r, length);
			bad[i] = good[i];
		}
	}
	vr_close(r);
}

/* The sum of the format (lib/core/state.h): of all bytes before the end record, rotating. */
static void seal(unsigned char *bytes)
{
	uint64_t total = 0;

	for (uint64_t i = 0; i < length - 16; i++)
		total = (total << 1 | total >> 63) + bytes[i];
	for (unsigned i = 0; i < 8; i++)
		bytes[length - 8 + i] = (unsigned char)(total >> 8 * i);
}

/* Features that were not offered cannot have been accepted: no other bypass than config.bypass. */
static void check_features(struct virtio_rig *r)
{
	const uint64_t answer = vr_bypass(r) ? 0x5000 : VR_FAULT(VR_DOMAIN);

	for (uint32_t id = 1; id <= 3; id++) {
		if (vr_attach(r, 999, id, 0) != ST_OK)
			return; /* no room for another domain */
		row_equal(vr_detach(r, 999, id), ST_OK);
		row_equal(vr_peek(r, id, 0x5000, R), answer);
	}
	vr_drain(r);
}

/* What has been accepted must be possible: pages, targets, permissions; and must go on. */
static void check_possible(struct virtio_rig *r)
{
	struct vr_range ranges[RANGES];
	int result;

	vr_bypass(r);
	for (unsigned id = 1; id <= VR_ENDPOINTS; id++) {
		uint64_t mode = vr_peek(r, id, 0x7777777000, R);
		unsigned count;

		if (mode == 0x7777777000)
			continue;
		count = vr_ranges(r, id, 0, MAX, ranges, RANGES, &result);
		for (unsigned i = 0; i < count; i++) {
			const struct vr_range *x = &ranges[i];

			row_equal((x->iova | (x->last + 1) | x->gpa) & 0xfff, 0);
			row_equal(x->gpa <= GPA_LAST, true);
			row_equal(x->last - x->iova <= GPA_LAST - x->gpa, true);
			row_equal(vr_peek(r, id, x->iova, (unsigned)x->perm), x->gpa);
			if (id == 4)
				row_equal(x->iova > region.last || x->last < region.first, true);
		}
	}
	check_features(r);
	for (uint32_t domain = 0; domain < 10; domain++)
		vr_unmap(r, domain, 0, MAX);
	vr_drain(r);
	row_equal(viommu_virtio_reset(r->g.iommu), VIOMMU_OK);
	row_equal(vr_attach(r, 7, 1, 0), ST_OK);
	for (uint64_t i = 0; i < 10; i++)
		row_equal(vr_map(r, 7, i << 12, i << 12 | 0xfff, 0, 1), ST_OK);
	row_equal(vr_map(r, 7, 10 << 12, 10 << 12 | 0xfff, 0, 1), ST_NOMEM);
}

static struct virtio_rig *reference; /* to compare with */

/* Hostile bytes under a right sum. Returns whether they were accepted. */
static bool try_bytes(struct virtio_rig *r)
{
	vr_rows_run++;
	seal(bad);
	if (restore(r, bad, length) == VIOMMU_ESTATE) {
		row_equal(unchanged(r), true);
		return false;
	}
	row_equal(save(r, now), length);
	row_equal(restore(reference, now, length), VIOMMU_OK);
	check_same(r, reference);
	check_possible(r);
	/* the same again, though perhaps in another order */
	row_equal(restore(r, good, length), VIOMMU_OK);
	row_equal(restore(reference, good, length), VIOMMU_OK);
	check_same(r, reference); /* takes the records that waited */
	row_equal(restore(reference, good, length), VIOMMU_OK);
	row_equal(restore(r, good, length), VIOMMU_OK);
	row_equal(save(r, good), length);
	return true;
}

static void test_hostile(void **state)
{
	static const unsigned char changes[] = { 1, 2, 4, 8, 16, 32, 64, 128, 255 };
	struct virtio_rig *r = open_busy();
	unsigned accepted = 0;

	reference = open_one();

	row_name = "29 bytes changed, the sum right";
	row_equal(try_bytes(r), true);
	for (uint64_t i = 0; i < length - 16; i++) {
		for (size_t k = 0; k < sizeof(changes); k++) {
			memcpy(bad, good, length);
			bad[i] ^= changes[k];
			accepted += try_bytes(r);
		}
	}
	row_name = "29 words changed, the sum right";
	for (uint64_t i = 0; i + 8 <= length - 16; i += 4) {
		for (unsigned k = 0; k < 4; k++) {
			memcpy(bad, good, length);
			memset(bad + i, k & 1 ? 0xff : 0, k & 2 ? 8 : 4);
			accepted += try_bytes(r);
		}
	}
	row_name = "29 words exchanged, the sum right";
	for (uint64_t i = 0; i + 4 <= length - 16; i += 4) {
		for (uint64_t k = i + 4; k + 4 <= length - 16 && k < i + 64; k += 4) {
			memcpy(bad, good, length);
			memcpy(bad + i, good + k, 4);
			memcpy(bad + k, good + i, 4);
			accepted += try_bytes(r);
		}
	}
	vr_close(reference);
	print_message("%u hostile states of %u bytes had a meaning\n", accepted, (unsigned)length);
	vr_close(r);
}

/* ---- records (lib/core/state.h) that are missing, doubled, too long or too short ---- */

static uint64_t full; /* length of what is good */

static uint32_t load32(const unsigned char *from)
{
	return (uint32_t)from[0] | (uint32_t)from[1] << 8 | (uint32_t)from[2] << 16 |
	       (uint32_t)from[3] << 24;
}

static void store32(unsigned char *to, uint32_t value)
{
	for (unsigned i = 0; i < 4; i++)
		to[i] = (unsigned char)(value >> 8 * i);
}

/* Bytes [at, at + from) become as many as @to: what was there, then 0. */
static void resize(uint64_t at, uint64_t from, uint64_t to)
{
	memcpy(bad, good, full);
	memset(bad + at, 0, to);
	memcpy(bad + at, good + at, from < to ? from : to);
	memcpy(bad + at + to, good + at + from, full - at - from);
	length = full - from + to;
}

/* Whether it is taken, which must then leave something possible behind. */
static bool try_records(struct virtio_rig *r)
{
	int result;

	seal(bad);
	result = restore(r, bad, length);
	length = full;
	vr_rows_run++;
	if (result == VIOMMU_ESTATE) {
		row_equal(unchanged(r), true);
		return false;
	}
	check_possible(r);
	row_equal(restore(r, good, full), VIOMMU_OK);
	row_equal(save(r, good), full);
	return true;
}

static void test_records(void **state)
{
	struct virtio_rig *r = open_busy();
	unsigned records = 0;
	uint32_t size;

	full = length;
	for (uint64_t at = 16; at < full - 16; at += 8 + size) {
		size = load32(good + at + 4);
		records++;
		row_name = "29 a record is missing";
		resize(at, 8 + size, 0);
		row_equal(try_records(r), false);
		row_name = "29 a record twice";
		resize(at, 0, 8 + size);
		memcpy(bad + at, good + at, 8 + size);
		row_equal(try_records(r), false);
		row_name = "29 a record too short";
		for (uint32_t less = 1; less <= size && less <= 48; less++) {
			resize(at + 8 + size - less, less, 0);
			store32(bad + at + 4, size - less);
			try_records(r);
		}
		row_name = "29 a record too long";
		for (uint32_t more = 1; more <= 48; more++) {
			resize(at + 8 + size, 0, more);
			store32(bad + at + 4, size + more);
			try_records(r);
		}
	}
	row_equal(records >= 2, true);
	length = full;
	vr_close(r);
}

/* A mapping where the endpoint has something reserved now: refused, or out of reach. */
static void test_described(void **state)
{
	struct virtio_rig *r = vr_open(&config);
	struct virtio_rig *other = open_one();

	row_name = "29 endpoints that are described otherwise";
	row_equal(vr_attach(r, 0, 4, 0), ST_OK);
	row_equal(vr_map(r, 0, 0xfee00000, 0xfee01fff, 0x5000, VR_RW), ST_OK);
	length = save(r, good);
	restore(other, good, length);
	row_equal(vr_where(other, 4, 0xfee00000, VIOMMU_WRITE), VR_INTERRUPT);
	row_equal(vr_where(other, 4, 0xfee01000, VIOMMU_WRITE), VR_INTERRUPT);
	vr_close(other);
	vr_close(r);
}

/* ---- of another configuration, or of another engine ---- */

static const struct {
	const char *name;
	struct viommu_virtio_config c;
} others[] = {
	{ "29 larger granule", { .page_size_mask = 0xffffffffffff0000 } },
	{ "29 less input range", { .input_last = 0xffffffff } },
	{ "29 fewer targets", { .gpa_last = 0xffff } },
	{ "29 fewer domains", { .domain_last = 900 } },
	{ "29 fewer mappings", { .mappings = 2 } },
	{ "29 fewer features", { .features = VIOMMU_VIRTIO_F_MAP_UNMAP } },
};

static void test_others(void **state)
{
	struct virtio_rig *r = open_busy();
	struct virtio_rig *r2;
	static struct guest g;

	for (size_t i = 0; i < VR_ROWS(others); i++) {
		struct virtio_rig *other = vr_open(&others[i].c);
		uint64_t bytes, after;

		row_name = others[i].name;
		bytes = save(other, now);
		memcpy(bad, now, bytes);
		row_equal(restore(other, good, length), VIOMMU_ESTATE);
		after = save(other, now);
		row_equal(after, bytes);
		assert_memory_equal(now, bad, bytes);
		vr_close(other);
		vr_rows_run++;
	}
	row_name = "29 endpoints that are not there";
	r2 = vr_open(&config);
	guest_drop(&r2->g);
	row_equal(restore(r2, good, length), VIOMMU_ESTATE);
	vr_close(r2);
	row_name = "29 of another engine";
	guest_init(&g, GUEST_REGION, 16);
	guest_vtd(&g, 0, 0);
	row_equal(viommu_restore(g.iommu, good, length), VIOMMU_ESTATE);
	guest_fini(&g);
	vr_close(r);
}

static int count_rows(void **state)
{
	print_message("%u rows\n", vr_rows_run);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_point), cmocka_unit_test(test_rest),
		cmocka_unit_test(test_truncated),   cmocka_unit_test(test_flipped),
		cmocka_unit_test(test_described),   cmocka_unit_test(test_records),
		cmocka_unit_test(test_hostile),	    cmocka_unit_test(test_others),
	};

	return cmocka_run_group_tests(tests, NULL, count_rows);
}
