/* SPDX-License-Identifier: BSD-3-Clause */
/* test_regs.c - unit/regs.h: every kind of row, every size at every offset, against a slow model. */
#include "check.h"

#include <pthread.h>
#include <string.h>

#include "bits.h"
#include "guest.h"
#include "regs.h"

#define SPACE 0x80U

struct engine {
	struct guest g;
	struct regs regs;
	pthread_mutex_t lock;
	/* what `then` saw */
	unsigned calls;
	struct regs_write call[4];
	uint64_t stored[4]; /* value of the register when it was called */
};

static void then(void *opaque, const struct regs_write *w)
{
	struct engine *e = opaque;

	assert_true(e->calls < ARRAY_COUNT(e->call));
	e->call[e->calls] = *w;
	e->stored[e->calls++] = regs_get(&e->regs, w->offset);
}

static void then_locked(void *opaque, const struct regs_write *w)
{
	struct engine *e = opaque;

	assert_int_not_equal(pthread_mutex_trylock(&e->lock), 0);
	then(opaque, w);
}

#define SOME64 UINT64_C(0xa5a5f00d12345678)

static const struct regs_row table[] = {
	{ 0x00, 4, 0x10, 0, 0, 0, NULL, "read-only", false },
	{ 0x04, 4, 0x11111111, UINT32_MAX, 0, 0, then, "read-write", false },
	{ 0x08, 8, SOME64, UINT64_MAX, 0, 0, then, "read-write, 64", false },
	{ 0x10, 8, SOME64, 0, 0, 0, then, "read-only with effect", false },
	{ 0x18, 8, 0, BITS(47, 12) | 3, 0, BIT(62), then, "some bits", false },
	{ 0x20, 4, 0xff, 0, 0xf0, 0x0f, then, "write 1 to clear", false },
	{ 0x24, 4, 0xffff, 0xff00, 0x0f, 0xf0, then_locked, "all kinds", 1 },
	{ 0x28, 8, UINT64_MAX, BITS(35, 28), BIT(63) | BIT(31) | BIT(0), 0, then_locked,
	  "both halves", true },
	/* 0x30: nothing */
	{ 0x38, 4, 0x77, UINT32_MAX, 0, 0, NULL, "no effect, neighbour missing", false },
	{ 0x44, 4, 0x88, UINT32_MAX, 0, 0, then, "upper half, neighbour missing", false },
	{ 0x48, 8, 0, UINT64_MAX, UINT64_MAX, 0, then, "written and cleared", false },
	{ SPACE - 8, 8, SOME64, UINT64_MAX, 0, 0, then, "last", false },
};

static void setup_engine(struct engine *e)
{
	memset(e, 0, sizeof(*e));
	pthread_mutex_init(&e->lock, NULL);
	guest_init(&e->g, GUEST_CALLBACKS, 1);
	assert_int_equal(regs_init(&e->regs, e->g.vm, SPACE, ARRAY_COUNT(table), e), VIOMMU_OK);
	e->regs.lock[0] = &e->lock;
	for (size_t i = 0; i < ARRAY_COUNT(table); i++)
		assert_true(regs_add(&e->regs, &table[i]));
}

static void end_engine(struct engine *e)
{
	regs_fini(&e->regs, e->g.vm);
	pthread_mutex_destroy(&e->lock);
	guest_fini(&e->g);
}

/* ---- the model: a row at a time, a byte at a time ---- */

static const struct regs_row *row_at(uint64_t offset)
{
	for (size_t i = 0; i < ARRAY_COUNT(table); i++) {
		if (offset >= table[i].offset && offset - table[i].offset < table[i].bytes)
			return &table[i];
	}
	return NULL;
}

static uint64_t model_read(struct engine *e, uint64_t offset, uint32_t bytes)
{
	uint64_t value = 0;

	for (uint32_t i = 0; i < bytes; i++) {
		const struct regs_row *row = row_at(offset + i);

		if (row)
			value |=
				(regs_get(&e->regs, row->offset) >> 8 * (offset + i - row->offset) &
				 0xff)
				<< 8 * i;
	}
	return value;
}

static uint64_t model_written(const struct regs_row *row, uint64_t old, uint64_t value,
			      uint64_t mask)
{
	uint64_t now = 0;

	for (unsigned bit = 0; bit < 64; bit++) {
		uint64_t b = BIT(bit);
		uint64_t here = old & b;

		if (mask & b & row->writable)
			here = value & b;
		if (mask & b & row->w1c & value)
			here = 0;
		now |= here;
	}
	return now;
}

static bool defined(uint64_t offset, uint32_t bytes)
{
	return (bytes == 4 || bytes == 8) && offset % bytes == 0 && offset < SPACE;
}

/* ---- reads ---- */

/* Sizes that no access has, misaligned ones, and offsets beyond the space read as 0 (obligation
 * 21). */
static void every_read(void **state)
{
	struct engine e;

	setup_engine(&e);
	for (uint64_t offset = 0; offset < SPACE + 16; offset++) {
		for (uint32_t bytes = 0; bytes <= 9; bytes++) {
			uint64_t value = regs_guest_read(&e.regs, offset, bytes);

			assert_int_equal(
				value, defined(offset, bytes) ? model_read(&e, offset, bytes) : 0);
		}
	}
	assert_int_equal(e.calls, 0);
	end_engine(&e);
}

static void far_away(void **state)
{
	static const uint64_t offsets[] = { SPACE,   0x1000,	     BIT(32),	     BIT(32) + 8,
					    BIT(63), UINT64_MAX - 7, UINT64_MAX - 3, UINT64_MAX };
	struct engine e;

	setup_engine(&e);
	for (size_t i = 0; i < ARRAY_COUNT(offsets); i++) {
		for (uint32_t bytes = 1; bytes <= 8; bytes++) {
			assert_int_equal(regs_guest_read(&e.regs, offsets[i], bytes), 0);
			regs_guest_write(&e.regs, offsets[i], bytes, UINT64_MAX);
		}
	}
	assert_int_equal(regs_guest_read(&e.regs, 4, UINT32_MAX), 0);
	regs_guest_write(&e.regs, 4, UINT32_MAX, 0);
	assert_int_equal(e.calls, 0);
	for (size_t i = 0; i < ARRAY_COUNT(table); i++)
		assert_int_equal(regs_get(&e.regs, table[i].offset), table[i].reset);
	end_engine(&e);
}

/* ---- writes ---- */

static void check_call(struct engine *e, unsigned n, const struct regs_row *row, uint64_t old,
		       uint64_t value, uint64_t mask)
{
	const struct regs_write *w = &e->call[n];

	check_eq(row->name, w->row, (uint64_t)(row - table));
	check_eq(row->name, w->offset, row->offset);
	check_eq(row->name, w->old, old);
	check_eq(row->name, w->mask, mask);
	check_eq(row->name, w->written, (old & ~mask) | (value & mask));
	check_eq(row->name, e->stored[n], model_written(row, old, value, mask));
}

/* One write: the value of each register afterwards, and the calls of `then`, low half first. */
static void one_write(struct engine *e, uint64_t offset, uint32_t bytes, uint64_t value)
{
	uint64_t expected[ARRAY_COUNT(table)], old[ARRAY_COUNT(table)];
	unsigned calls = 0;

	for (size_t i = 0; i < ARRAY_COUNT(table); i++)
		expected[i] = old[i] = regs_get(&e->regs, table[i].offset);
	e->calls = 0;
	regs_guest_write(&e->regs, offset, bytes, value);
	for (uint32_t at = 0; defined(offset, bytes) && at < bytes;) {
		const struct regs_row *row = row_at(offset + at);
		size_t i = row ? (size_t)(row - table) : 0;
		unsigned shift = row ? (unsigned)(offset + at - row->offset) * 8 : 0;
		uint32_t part = row && row->bytes == 8 && bytes == 8 ? 8 : 4;
		uint64_t mask = bits_low(part * 8) << shift;

		if (row) {
			expected[i] = model_written(row, old[i], value >> at * 8 << shift, mask);
			if (row->then) {
				assert_true(calls < e->calls);
				check_call(e, calls++, row, old[i], value >> at * 8 << shift, mask);
			}
		}
		at += part;
	}
	assert_int_equal(e->calls, calls);
	for (size_t i = 0; i < ARRAY_COUNT(table); i++)
		check_eq(table[i].name, regs_get(&e->regs, table[i].offset), expected[i]);
}

static void every_write(void **state)
{
	static const uint64_t values[] = { 0,
					   UINT64_MAX,
					   0x0123456789abcdef,
					   BIT(63) | BIT(31) | 1,
					   0x00000000ffffffff,
					   0xffffffff00000000 };
	struct engine e;

	setup_engine(&e);
	for (size_t v = 0; v < ARRAY_COUNT(values); v++) {
		for (uint64_t offset = 0; offset < SPACE + 16; offset++) {
			for (uint32_t bytes = 0; bytes <= 9; bytes++) {
				regs_reset(&e.regs);
				one_write(&e, offset, bytes, values[v]);
			}
		}
	}
	/* and without a reset in between */
	for (size_t v = 0; v < ARRAY_COUNT(values); v++) {
		for (uint64_t offset = 0; offset < SPACE; offset += 4) {
			one_write(&e, offset, 4, values[v]);
			one_write(&e, offset & ~UINT64_C(7), 8, values[v] ^ SOME64);
		}
	}
	end_engine(&e);
}

/* Each bit of each register, alone. */
static void every_bit(void **state)
{
	struct engine e;

	setup_engine(&e);
	for (size_t i = 0; i < ARRAY_COUNT(table); i++) {
		for (unsigned bit = 0; bit < table[i].bytes * 8; bit++) {
			regs_reset(&e.regs);
			one_write(&e, table[i].offset, table[i].bytes, BIT(bit));
			regs_reset(&e.regs);
			one_write(&e, table[i].offset, table[i].bytes, ~BIT(bit));
		}
	}
	end_engine(&e);
}

/* ---- the engine's side ---- */

static void engine_accesses(void **state)
{
	struct engine e;

	setup_engine(&e);
	regs_put(&e.regs, 0x10, 0x1234);
	assert_int_equal(regs_guest_read(&e.regs, 0x10, 8), 0x1234);
	regs_set_bits(&e.regs, 0x10, BIT(63) | BIT(0));
	assert_int_equal(regs_get(&e.regs, 0x10), BIT(63) | 0x1235);
	regs_clear_bits(&e.regs, 0x10, BIT(63) | BIT(2) | BIT(1));
	assert_int_equal(regs_get(&e.regs, 0x10), 0x1231);
	assert_int_equal(e.calls, 0);
	regs_reset(&e.regs);
	for (size_t i = 0; i < ARRAY_COUNT(table); i++)
		assert_int_equal(regs_get(&e.regs, table[i].offset), table[i].reset);
	end_engine(&e);
}

/* ---- building the table ---- */

static const struct {
	const char *name;
	uint32_t offset, bytes;
	bool ok;
} adds[] = {
	{ "free", 0x30, 8, true },
	{ "free low half", 0x40, 4, true },
	{ "free high half", 0x3c, 4, true },
	{ "the same place", 0x04, 4, false },
	{ "64 bits on two 32-bit ones", 0x00, 8, false },
	{ "64 bits, low half taken", 0x38, 8, false },
	{ "64 bits, high half taken", 0x40, 8, false },
	{ "32 bits in the upper half of one", 0x0c, 4, false },
	{ "32 bits in the lower half of one", 0x08, 4, false },
	{ "64 bits, misaligned", 0x34, 8, false },
	{ "32 bits, misaligned", 0x32, 4, false },
	{ "just beyond the space", SPACE, 4, false },
	{ "64 bits beyond the space", SPACE, 8, false },
	{ "far beyond", UINT32_MAX - 3, 4, false },
};

static void adding_rows(void **state)
{
	for (size_t i = 0; i < ARRAY_COUNT(adds); i++) {
		struct regs_row row = {
			adds[i].offset, adds[i].bytes, 5, 0, 0, 0, NULL, "x", false
		};
		struct regs regs;
		struct guest g;

		memset(&regs, 0, sizeof(regs));
		guest_init(&g, GUEST_CALLBACKS, 1);
		assert_int_equal(regs_init(&regs, g.vm, SPACE, ARRAY_COUNT(table) + 1, NULL), 0);
		for (size_t n = 0; n < ARRAY_COUNT(table); n++)
			assert_true(regs_add(&regs, &table[n]));
		check_eq(adds[i].name, regs_add(&regs, &row), adds[i].ok);
		check_eq(adds[i].name, regs.count, ARRAY_COUNT(table) + adds[i].ok);
		if (adds[i].ok)
			check_eq(adds[i].name, regs_get(&regs, adds[i].offset), 5);
		for (size_t n = 0; n < ARRAY_COUNT(table); n++)
			check_eq(adds[i].name, regs_get(&regs, table[n].offset), table[n].reset);
		regs_fini(&regs, g.vm);
		guest_fini(&g);
	}
}

static void no_room_for_a_row(void **state)
{
	struct regs_row row = { 0x30, 8, 0, 0, 0, 0, NULL, "one too many", false };
	struct engine e;

	setup_engine(&e);
	assert_false(regs_add(&e.regs, &row));
	assert_int_equal(regs_guest_read(&e.regs, 0x30, 8), 0);
	end_engine(&e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_read),	     cmocka_unit_test(far_away),
		cmocka_unit_test(every_write),	     cmocka_unit_test(every_bit),
		cmocka_unit_test(engine_accesses),   cmocka_unit_test(adding_rows),
		cmocka_unit_test(no_room_for_a_row),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
