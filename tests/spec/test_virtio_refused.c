/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_virtio_refused.c - saved states that are not whole, not ours or not possible: refused with
 * nothing changed; or they mean something possible (obligation 29).
 */
#include "check.h"

#include <string.h>

#include "trace.h"
#include "virtio_life.h"

#define R   VIOMMU_READ
#define MAX UINT64_MAX

static unsigned char good[LIFE_CAPACITY], bad[LIFE_CAPACITY], now[LIFE_CAPACITY];
static uint64_t length;

/* ---- refused ---- */

/* With something in every part. */
static struct virtio_rig *open_busy(void)
{
	struct virtio_rig *r = life_open();

	vr_steps(r, life, 16);
	vr_peek(r, 1, 0x777000, R); /* a record that waits */
	length = life_save(r, good);
	memcpy(bad, good, length);
	return r;
}

static bool unchanged(struct virtio_rig *r)
{
	return life_save(r, now) == length && memcmp(now, good, length) == 0;
}

static void refused(struct virtio_rig *r, uint64_t bytes)
{
	row_equal(life_restore(r, bad, bytes), VIOMMU_ESTATE);
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
	row_equal(life_restore(r, bad, length), VIOMMU_OK);
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

/* The sum of the format (lib/base/state.h): of all bytes before the end record, rotating. */
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
	struct vr_range ranges[LIFE_RANGES];
	int result;

	vr_bypass(r);
	for (unsigned id = 1; id <= VR_ENDPOINTS; id++) {
		uint64_t mode = vr_peek(r, id, 0x7777777000, R);
		unsigned count;

		if (mode == 0x7777777000)
			continue;
		count = vr_ranges(r, id, 0, MAX, ranges, LIFE_RANGES, &result);
		for (unsigned i = 0; i < count; i++) {
			const struct vr_range *x = &ranges[i];

			row_equal((x->iova | (x->last + 1) | x->gpa) & 0xfff, 0);
			row_equal(x->gpa <= LIFE_GPA_LAST, true);
			row_equal(x->last - x->iova <= LIFE_GPA_LAST - x->gpa, true);
			row_equal(vr_peek(r, id, x->iova, (unsigned)x->perm), x->gpa);
			if (id == 4)
				row_equal(x->iova > life_region.last || x->last < life_region.first,
					  true);
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
	if (life_restore(r, bad, length) == VIOMMU_ESTATE) {
		row_equal(unchanged(r), true);
		return false;
	}
	row_equal(life_save(r, now), length);
	row_equal(life_restore(reference, now, length), VIOMMU_OK);
	life_check_same(r, reference);
	check_possible(r);
	/* the same again, though perhaps in another order */
	row_equal(life_restore(r, good, length), VIOMMU_OK);
	row_equal(life_restore(reference, good, length), VIOMMU_OK);
	life_check_same(r, reference); /* takes the records that waited */
	row_equal(life_restore(reference, good, length), VIOMMU_OK);
	row_equal(life_restore(r, good, length), VIOMMU_OK);
	row_equal(life_save(r, good), length);
	return true;
}

static void test_hostile(void **state)
{
	static const unsigned char changes[] = { 1, 2, 4, 8, 16, 32, 64, 128, 255 };
	struct virtio_rig *r = open_busy();
	unsigned accepted = 0;

	reference = life_open();

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

/* ---- records (lib/base/state.h) that are missing, doubled, too long or too short ---- */

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
	result = life_restore(r, bad, length);
	length = full;
	vr_rows_run++;
	if (result == VIOMMU_ESTATE) {
		row_equal(unchanged(r), true);
		return false;
	}
	check_possible(r);
	row_equal(life_restore(r, good, full), VIOMMU_OK);
	row_equal(life_save(r, good), full);
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

/* A mapping where the endpoint has something reserved now, or that its pages are too large for. */
static void test_described(void **state)
{
	const struct viommu_virtio_endpoint large = { .size = sizeof(large),
						      .page_size_mask = 0xfffffffffff0000 };
	struct virtio_rig *r = vr_open(&life_config);
	struct virtio_rig *other = life_open();

	row_name = "29 endpoints that are described otherwise";
	row_equal(vr_attach(r, 0, 4, 0), ST_OK);
	row_equal(vr_attach(r, 1, 3, 0), ST_OK);
	row_equal(vr_map(r, 1, 0x1000, 0x1fff, 0x5000, VR_RW), ST_OK);
	length = life_save(r, good);
	row_equal(life_restore(other, good, length), VIOMMU_OK);
	row_equal(vr_map(r, 0, 0xfee00000, 0xfee01fff, 0x5000, VR_RW), ST_OK);
	length = life_save(r, good);
	row_equal(life_restore(other, good, length), VIOMMU_ESTATE);
	row_equal(vr_where(other, 4, 0xfee00000, VIOMMU_WRITE), VR_INTERRUPT);
	row_equal(vr_unmap(r, 0, 0, MAX), ST_OK);
	length = life_save(r, good);
	row_equal(vr_detach(other, 1, 3), ST_OK);
	row_equal(viommu_virtio_set_endpoint(other->device[3], &large), VIOMMU_OK);
	row_equal(life_restore(other, good, length), VIOMMU_ESTATE);
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
		bytes = life_save(other, now);
		memcpy(bad, now, bytes);
		row_equal(life_restore(other, good, length), VIOMMU_ESTATE);
		after = life_save(other, now);
		row_equal(after, bytes);
		assert_memory_equal(now, bad, bytes);
		vr_close(other);
		vr_rows_run++;
	}
	row_name = "29 endpoints that are not there";
	r2 = vr_open(&life_config);
	guest_drop(&r2->g);
	row_equal(life_restore(r2, good, length), VIOMMU_ESTATE);
	vr_close(r2);
	row_name = "29 of another engine";
	guest_init(&g, GUEST_REGION, 16);
	guest_vtd(&g, 0, 0);
	row_equal(viommu_restore(g.iommu, good, length), VIOMMU_ESTATE);
	guest_fini(&g);
	vr_close(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_truncated), cmocka_unit_test(test_flipped),
		cmocka_unit_test(test_hostile),	  cmocka_unit_test(test_records),
		cmocka_unit_test(test_described), cmocka_unit_test(test_others),
	};

	return cmocka_run_group_tests(tests, NULL, vr_count_rows);
}
