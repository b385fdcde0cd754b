/* SPDX-License-Identifier: BSD-3-Clause */
/* test_state.c - base/state.h: what was written is read back, and nothing else is believed. */
#include "check.h"

#include <stdlib.h>
#include <string.h>

#include "bits.h"
#include "guest.h"
#include "state.h"

#define HEADER 16U
#define END    16U

/* A state of two records: "aaaa" with 12 bytes, "bb" with 8. */
static uint64_t sample(unsigned char *buffer, uint64_t capacity)
{
	struct state_writer w;
	uint64_t bytes = 0;

	state_begin(&w, "engine", buffer, capacity);
	state_record(&w, "aaaa");
	state_put32(&w, 0x01020304);
	state_put64(&w, 0x1112131415161718);
	state_record(&w, "bb");
	state_put64(&w, 7);
	assert_int_equal(state_end(&w, &bytes), VIOMMU_OK);
	assert_true(bytes <= capacity);
	return bytes;
}

static void round_trip(void **state)
{
	unsigned char buffer[256];
	struct state_reader r;
	uint64_t bytes = sample(buffer, sizeof(buffer));

	assert_int_equal(bytes, HEADER + 8 + 12 + 8 + 8 + END);
	assert_true(state_open(&r, "engine", buffer, bytes));
	assert_true(state_find(&r, "bb"));
	assert_int_equal(state_left(&r), 8);
	assert_int_equal(state_get64(&r), 7);
	assert_true(state_find(&r, "aaaa"));
	assert_int_equal(state_left(&r), 12);
	assert_int_equal(state_get32(&r), 0x01020304);
	assert_int_equal(state_get64(&r), 0x1112131415161718);
	assert_int_equal(state_left(&r), 0);
	assert_false(r.bad);
}

/* The bytes themselves: little-endian on any host, and what state.h says. */
static void format(void **state)
{
	static const unsigned char expected[] = {
		'v',  'i',  'o',  'm',	'm',  'u',  0,	  1,	'e',  'n',  'g',  'i',
		'n',  'e',  0,	  0,	'a',  'a',  'a',  'a',	12,   0,    0,	  0,
		0x04, 0x03, 0x02, 0x01, 0x18, 0x17, 0x16, 0x15, 0x14, 0x13, 0x12, 0x11,
		'b',  'b',  0,	  0,	8,    0,    0,	  0,	7,    0,    0,	  0,
		0,    0,    0,	  0,	'e',  'n',  'd',  '.',	8,    0,    0,	  0,
	};
	unsigned char buffer[256];

	assert_int_equal(sample(buffer, sizeof(buffer)), sizeof(expected) + 8);
	assert_memory_equal(buffer, expected, sizeof(expected));
}

/* Asked for less than it needs, the writer says how much that is, and writes nothing beyond. */
static void too_small_a_buffer(void **state)
{
	unsigned char whole[256];
	uint64_t need = sample(whole, sizeof(whole));

	for (uint64_t capacity = 0; capacity <= need; capacity++) {
		unsigned char *buffer = malloc(capacity ? capacity : 1);
		struct state_writer w;
		uint64_t bytes = 0;
		int result;

		assert_non_null(buffer);
		state_begin(&w, "engine", capacity ? buffer : NULL, capacity);
		state_record(&w, "aaaa");
		state_put32(&w, 0x01020304);
		state_put64(&w, 0x1112131415161718);
		state_record(&w, "bb");
		state_put64(&w, 7);
		result = state_end(&w, &bytes);
		assert_int_equal(result, capacity < need ? VIOMMU_ENOSPC : VIOMMU_OK);
		assert_int_equal(bytes, need);
		if (capacity == need)
			assert_memory_equal(buffer, whole, need);
		free(buffer);
	}
}

/* In a block of exactly that length, so that a sanitizer sees any access beyond it. */
static bool opens(const unsigned char *from, uint64_t bytes)
{
	unsigned char *copy = malloc(bytes ? bytes : 1);
	struct state_reader r;
	bool ok;

	assert_non_null(copy);
	memcpy(copy, from, bytes);
	ok = state_open(&r, "engine", copy, bytes);
	if (ok) {
		state_find(&r, "aaaa");
		state_get64(&r);
		state_find(&r, "none");
		state_get64(&r);
	}
	free(copy);
	return ok;
}

static void truncated(void **state)
{
	unsigned char buffer[256] = { 0 };
	uint64_t bytes = sample(buffer, sizeof(buffer));

	for (uint64_t n = 0; n < bytes; n++)
		assert_false(opens(buffer, n));
	assert_true(opens(buffer, bytes));
	for (uint64_t n = bytes + 1; n < sizeof(buffer); n++)
		assert_false(opens(buffer, n));
}

static void every_bit_flipped(void **state)
{
	unsigned char buffer[256];
	uint64_t bytes = sample(buffer, sizeof(buffer));

	for (uint64_t bit = 0; bit < bytes * 8; bit++) {
		buffer[bit / 8] ^= (unsigned char)(1U << bit % 8);
		assert_false(opens(buffer, bytes));
		buffer[bit / 8] ^= (unsigned char)(1U << bit % 8);
	}
	for (uint64_t at = 0; at < bytes; at++) {
		unsigned char was = buffer[at];

		for (unsigned value = 0; value < 256; value++) {
			buffer[at] = (unsigned char)value;
			assert_int_equal(opens(buffer, bytes), value == was);
		}
		buffer[at] = was;
	}
	assert_true(opens(buffer, bytes));
}

static void another_engine(void **state)
{
	static const char *const names[] = { "", "engin", "engine2", "ENGINE", "engine78", "x" };
	unsigned char buffer[256];
	uint64_t bytes = sample(buffer, sizeof(buffer));
	struct state_reader r;

	for (size_t i = 0; i < ARRAY_COUNT(names); i++)
		assert_false(state_open(&r, names[i], buffer, bytes));
}

/* ---- hostile: the sum is right, the rest is not ---- */

static uint64_t sum_of(const unsigned char *from, uint64_t bytes)
{
	uint64_t total = 0;

	for (uint64_t i = 0; i < bytes; i++)
		total = (total << 1 | total >> 63) + from[i];
	return total;
}

/* Makes the sum right: @bytes of the whole state. */
static void put_sum(unsigned char *buffer, uint64_t bytes)
{
	uint64_t sum = sum_of(buffer, bytes - END);

	for (unsigned i = 0; i < 8; i++)
		buffer[bytes - 8 + i] = (unsigned char)(sum >> 8 * i);
}

/* Header, the given records, and an end record with the right sum. */
static uint64_t forge(unsigned char *buffer, const void *records, uint64_t bytes)
{
	uint64_t at = HEADER + bytes;

	memcpy(buffer, "viommu\0\1engine\0\0", HEADER);
	memcpy(buffer + HEADER, records, bytes);
	memcpy(buffer + at, "end.\10\0\0\0", 8);
	put_sum(buffer, at + END);
	return at + END;
}

static const struct {
	const char *name;
	const char *records;
	uint64_t bytes;
	bool opens;
	bool found; /* "aaaa", exactly one */
	uint64_t left;
} forged[] = {
	{ "no records", "", 0, true, false, 0 },
	{ "empty record", "aaaa\0\0\0\0", 8, true, true, 0 },
	{ "one more, unknown", "aaaa\0\0\0\0zzzz\2\0\0\0xy", 18, true, true, 0 },
	{ "missing", "bbbb\0\0\0\0", 8, true, false, 0 },
	{ "twice", "aaaa\0\0\0\0aaaa\0\0\0\0", 16, true, false, 0 },
	{ "twice, apart",
	  "aaaa\0\0\0\0bbbb\1\0\0\0x"
	  "aaaa\1\0\0\0x",
	  26, true, false, 0 },
	{ "a longer name is another", "aaa\0\0\0\0\0", 8, true, false, 0 },
	{ "its name inside another's data", "bbbb\10\0\0\0aaaa\0\0\0\0", 16, true, false, 0 },
	{ "half a header", "aaaa\0\0\0", 7, false, false, 0 },
	{ "only a name", "aaaa", 4, false, false, 0 },
	{ "one byte too long", "aaaa\1\0\0\0", 8, false, false, 0 },
	{ "into the end record", "aaaa\20\0\0\0", 8, false, false, 0 },
	{ "length of all ones", "aaaa\377\377\377\377", 8, false, false, 0 },
	{ "length that wraps 32 bits", "aaaa\370\377\377\377aaaa\0\0\0\0", 16, false, false, 0 },
	{ "one byte too short", "aaaa\0\0\0\0x", 9, false, false, 0 },
	{ "odd length", "aaaa\3\0\0\0xyz", 11, true, true, 3 },
	{ "end record in the middle", "end.\10\0\0\0xxxxxxxxaaaa\0\0\0\0", 24, true, true, 0 },
};

static void forged_records(void **state)
{
	for (size_t i = 0; i < ARRAY_COUNT(forged); i++) {
		unsigned char buffer[128];
		uint64_t bytes = forge(buffer, forged[i].records, forged[i].bytes);
		unsigned char *copy = malloc(bytes);
		struct state_reader r;

		assert_non_null(copy);
		memcpy(copy, buffer, bytes);
		check_eq(forged[i].name, state_open(&r, "engine", copy, bytes), forged[i].opens);
		if (forged[i].opens) {
			check_eq(forged[i].name, state_find(&r, "aaaa"), forged[i].found);
			check_eq(forged[i].name, r.bad, !forged[i].found);
			check_eq(forged[i].name, state_left(&r), forged[i].left);
		}
		free(copy);
	}
}

/* Reading beyond a record reads 0, and makes the whole bad; so does a record that is missing. */
static void reading_too_much(void **state)
{
	unsigned char buffer[256];
	uint64_t bytes = sample(buffer, sizeof(buffer));
	struct state_reader r;

	assert_true(state_open(&r, "engine", buffer, bytes));
	assert_true(state_find(&r, "aaaa"));
	assert_int_equal(state_get64(&r), 0x1516171801020304);
	assert_int_equal(state_get64(&r), 0);
	assert_true(r.bad);
	assert_int_equal(state_left(&r), 4);
	assert_true(state_open(&r, "engine", buffer, bytes));
	assert_false(state_find(&r, "cccc"));
	assert_true(r.bad);
	assert_int_equal(state_get32(&r), 0);
	assert_int_equal(state_left(&r), 0);
}

/* ---- a whole unit ---- */

/* Refused whole: after any attempt with a damaged state, the unit is what it was (obligation 29). */
static void damaged_unit_state(void **state)
{
	unsigned char before[8192], damaged[8192], after[8192];
	uint64_t bytes = sizeof(before);
	struct guest g;

	guest_init(&g, GUEST_REGION, 64);
	guest_vtd(&g, GUEST_CAP_SCALABLE, GUEST_ECAP_SCALABLE);
	guest_events(&g);
	guest_start(&g, VTD_TTM_SCALABLE);
	assert_int_equal(viommu_save(g.iommu, before, &bytes), VIOMMU_OK);
	for (uint64_t at = 0; at < bytes; at++) {
		uint64_t again = sizeof(after);

		memcpy(damaged, before, bytes);
		damaged[at] ^= 0x40;
		assert_int_equal(viommu_restore(g.iommu, damaged, bytes), VIOMMU_ESTATE);
		assert_int_equal(viommu_restore(g.iommu, before, at), VIOMMU_ESTATE);
		if (at % 16)
			continue;
		assert_int_equal(viommu_save(g.iommu, after, &again), VIOMMU_OK);
		assert_int_equal(again, bytes);
		assert_memory_equal(after, before, bytes);
	}
	assert_true(viommu_restore(g.iommu, before, bytes) >= 0);
	guest_wait(&g);
	guest_fini(&g);
}

/* One damaged state: taken or refused, and refused means unchanged. Whatever was taken, the unit
 * serves, goes on, and can be reset. True: taken. */
static bool one_forged_state(struct guest *g, const unsigned char *before, uint64_t bytes,
			     const unsigned char *damaged)
{
	unsigned char after[8192];
	uint64_t again = sizeof(after);
	int result = viommu_restore(g->iommu, damaged, bytes);

	assert_true(result >= 0 || result == VIOMMU_ESTATE);
	if (result >= 0) {
		assert_true(guest_dma(g->device[0].device, 0x5000, 1).result >= 0);
		assert_true(viommu_run(g->iommu) >= 0);
		assert_true(viommu_reg_write(g->iommu, VTD_FSTS, 4, UINT32_MAX) >= 0);
		assert_int_equal(viommu_reset(g->iommu), VIOMMU_OK);
		assert_true(viommu_restore(g->iommu, before, bytes) >= 0);
		assert_int_equal(viommu_run(g->iommu), VIOMMU_OK);
	} else {
		assert_int_equal(viommu_save(g->iommu, after, &again), VIOMMU_OK);
		assert_memory_equal(after, before, bytes);
	}
	return result >= 0;
}

/* Every byte of a unit's state, with several values, and the sum made right again. */
static void forged_unit_state(uint64_t cap, uint64_t ecap, unsigned ttm)
{
	static const unsigned char flips[] = { 0x01, 0x10, 0x80, 0xff };
	unsigned char before[8192], damaged[8192];
	uint64_t bytes = sizeof(before);
	unsigned taken = 0, refused = 0;
	struct guest g;

	guest_init(&g, GUEST_REGION, 64);
	guest_vtd(&g, cap, ecap);
	guest_device(&g, 8);
	guest_start(&g, ttm);
	assert_int_equal(viommu_save(g.iommu, before, &bytes), VIOMMU_OK);
	for (uint64_t at = HEADER; at < bytes - END; at++) {
		for (size_t i = 0; i < ARRAY_COUNT(flips); i++) {
			memcpy(damaged, before, bytes);
			damaged[at] ^= flips[i];
			put_sum(damaged, bytes);
			if (one_forged_state(&g, before, bytes, damaged))
				taken++;
			else
				refused++;
		}
	}
	assert_true(taken && refused > taken / 4);
	if (ecap & VTD_ECAP_QI)
		guest_wait(&g);
	guest_fini(&g);
}

static void forged_scalable_unit(void **state)
{
	forged_unit_state(GUEST_CAP_SCALABLE, GUEST_ECAP_SCALABLE, VTD_TTM_SCALABLE);
}

static void forged_legacy_unit(void **state)
{
	forged_unit_state(GUEST_CAP | VTD_CAP_PLMR | VTD_CAP_PHMR, GUEST_ECAP_LEGACY,
			  VTD_TTM_LEGACY);
}

/* Without queue and interrupt remapping. */
static void forged_small_unit(void **state)
{
	forged_unit_state(GUEST_CAP & ~VTD_CAP_PI, VTD_ECAP_PT | bits_put(VTD_ECAP_IRO, 0xf),
			  VTD_TTM_LEGACY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(round_trip),	      cmocka_unit_test(format),
		cmocka_unit_test(too_small_a_buffer), cmocka_unit_test(truncated),
		cmocka_unit_test(every_bit_flipped),  cmocka_unit_test(another_engine),
		cmocka_unit_test(forged_records),     cmocka_unit_test(reading_too_much),
		cmocka_unit_test(damaged_unit_state), cmocka_unit_test(forged_scalable_unit),
		cmocka_unit_test(forged_legacy_unit), cmocka_unit_test(forged_small_unit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
