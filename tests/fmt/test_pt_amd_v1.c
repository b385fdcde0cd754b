/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_pt_amd_v1.c - AMD-Vi host tables: every bit and pair of bits of an entry, of every kind at every level, against
 * the rules of 2.2.3 said once more; and nested below guest tables.
 */
#include "check.h"

#include <stdio.h>
#include <string.h>

#include "pt_amd_v1.h"
#include "pt_rig.h"

#define B(n) (UINT64_C(1) << (n))
#define IR   B(61)
#define IW   B(62)
#define R    VIOMMU_READ
#define W    VIOMMU_WRITE

static struct pt_rig rig;

/* What an entry comes to, from the specification's words alone. */
static enum pt_end expected(uint64_t raw, unsigned level, uint64_t iova, unsigned need,
			    unsigned *lg2)
{
	unsigned next = raw >> 9 & 7;
	unsigned natural = 3 + 9 * level;

	*lg2 = natural;
	if (!(raw & 1))
		return PT_NOT_PRESENT;
	if (((need & R) && !(raw & IR)) || ((need & W) && !(raw & IW)))
		return PT_DENIED;
	if (next == 0 || next == 7) { /* a page */
		if (level == 6)
			return PT_BAD_LEVEL;
		if (next == 7) {
			unsigned zero = 12;

			while (zero < 52 && (raw >> zero & 1))
				zero++;
			*lg2 = zero + 1;
			if (zero > 50 || *lg2 <= natural || *lg2 >= natural + 9)
				return PT_BAD_LEVEL;
		}
		return raw >> 52 & 0x7f ? PT_BAD_ENTRY : PT_OK;
	}
	if (next >= level)
		return PT_BAD_LEVEL;
	if (raw >> 52 & 0x1ff)
		return PT_BAD_ENTRY;
	/* bits of the levels that are passed over: from that of the next level's reach up to this level's */
	if (next + 1 < level && (iova & ((B(3 + 9 * level) - 1) & ~(B(12 + 9 * next) - 1))))
		return PT_BAD_LEVEL;
	return PT_OK;
}

/* The entry under test is in a table of its own, which is the top one. Tables that it leads to hold pages at all levels. */
static void one_entry(uint64_t top, uint64_t raw, unsigned level, uint64_t below, uint64_t iova,
		      unsigned need)
{
	struct pt_walk w = { .vm = rig.vm, .iova = iova, .need = (uint8_t)need };
	struct pt_config c = { .root = top,
			       .top = (uint8_t)(level - 1),
			       .page_lg2 = 12,
			       .index_lg2 = 9,
			       .entry_lg2 = 3,
			       .in_bits = (uint8_t)(level == 6 ? 64 : 12 + 9 * level),
			       .out_bits = 52 };
	unsigned next = raw >> 9 & 7;
	enum pt_end end;
	unsigned lg2;
	char name[80];

	snprintf(name, sizeof(name), "level %u entry %016llx need %u", level,
		 (unsigned long long)raw, need);
	*pt_rig_word(&rig, top + (iova >> (3 + 9 * level) & 0x1ff) * 8) = raw;
	w.config = &c;
	end = pt_amd_v1_peek(&w);
	/* a table whose address was altered leads to nowhere: what it says there is no matter of this entry */
	if (expected(raw, level, iova, need, &lg2) == PT_OK && next && next != 7) {
		if ((raw & BITS(51, 12)) == below)
			check_eq(name, end, PT_OK);
		return;
	}
	check_eq(name, end, expected(raw, level, iova, need, &lg2));
	if (end == PT_OK) {
		check_eq(name, w.found.size_lg2, lg2);
		check_eq(name, w.found.gpa, raw & BITS(51, 12) & ~(B(lg2) - 1));
	}
}

static void test_every_pair_of_bits(void **state)
{
	(void)state;
	pt_rig_init(&rig);
	for (unsigned level = 1; level <= 6; level++) {
		for (unsigned next = 0; next <= 7; next++) {
			uint64_t top, below, iova, raw;

			pt_rig_clear(&rig);
			top = pt_rig_table(&rig);
			below = pt_rig_table(&rig);
			iova = B(3 + 9 * level) | 0x1000; /* no bits of levels between */
			if (level == 1)
				iova = 0x1000;
			/* a page at whatever level the table is; level 6 never is */
			for (unsigned i = 0; i < 512; i++)
				*pt_rig_word(&rig, below + i * 8) = B(51) | IR | IW | 1;
			raw = 1 | IR | IW | (uint64_t)next << 9 |
			      (next && next != 7 ? below : B(48));
			for (unsigned first = 0; first <= 64; first++) {
				for (unsigned second = first; second <= 64; second++) {
					uint64_t flip =
						(first < 64 ? B(first) : 0) ^
						(second < 64 && second != first ? B(second) : 0);

					for (unsigned need = 1; need <= 3; need++)
						one_entry(top, raw ^ flip, level, below, iova,
							  need);
				}
			}
		}
	}
	pt_rig_fini(&rig);
}

/* Addresses with a bit of a level that is passed over. */
static void test_skipped_bits(void **state)
{
	(void)state;
	pt_rig_init(&rig);
	for (unsigned level = 3; level <= 6; level++) {
		for (unsigned next = 1; next + 1 < level; next++) {
			for (unsigned bit = 12; bit < 3 + 9 * level; bit++) {
				uint64_t top, below;

				pt_rig_clear(&rig);
				top = pt_rig_table(&rig);
				below = pt_rig_table(&rig);
				for (unsigned i = 0; i < 512; i++)
					*pt_rig_word(&rig, below + i * 8) = IR | IW | 1;
				one_entry(top, 1 | IR | IW | (uint64_t)next << 9 | below, level,
					  below, B(bit), R);
			}
		}
	}
	pt_rig_fini(&rig);
}

/* Accessed in every entry, dirty in the page's; and only what the configuration asks for. */
static void test_touch(void **state)
{
	(void)state;
	pt_rig_init(&rig);
	for (unsigned flags = 0; flags < 4; flags++) {
		for (unsigned write = 0; write < 2; write++) {
			struct pt_config c = { .top = 1,
					       .page_lg2 = 12,
					       .index_lg2 = 9,
					       .entry_lg2 = 3,
					       .in_bits = 30,
					       .out_bits = 52,
					       .flags = (uint16_t)flags };
			uint64_t a = flags & PT_AMD_A ? B(5) : 0;
			uint64_t d = (flags & PT_AMD_D) && write ? B(6) : 0;
			struct pt_walk w = { .vm = rig.vm, .config = &c };
			uint64_t top, low;

			pt_rig_clear(&rig);
			top = pt_rig_table(&rig);
			low = pt_rig_table(&rig);
			c.root = top;
			*pt_rig_word(&rig, top) = low | 1 << 9 | IR | IW | 1;
			*pt_rig_word(&rig, low) = 0x5000 | IR | IW | 1;
			w.need = write ? W : R;
			w.dirty = write ? W : 0;
			assert_int_equal(pt_amd_v1_walk(&w), PT_OK);
			assert_int_equal(*pt_rig_word(&rig, top), low | 1 << 9 | IR | IW | 1 | a);
			assert_int_equal(*pt_rig_word(&rig, low), 0x5000 | IR | IW | 1 | a | d);
			assert_int_equal((w.found.perm & PERM_DIRTY) != 0,
					 !(flags & PT_AMD_D) || write);
		}
	}
	pt_rig_fini(&rig);
}

/* A visit finds what walks find, each page once, whatever its size. */
struct visited {
	unsigned count;
	uint64_t bytes;
};

static int on_page(void *opaque, const struct translation *page)
{
	struct visited *v = opaque;

	v->count++;
	v->bytes += B(page->size_lg2);
	return 0;
}

static void test_visit(void **state)
{
	struct pt_config c = { .top = 3,
			       .page_lg2 = 12,
			       .index_lg2 = 9,
			       .entry_lg2 = 3,
			       .in_bits = 48,
			       .out_bits = 52 };
	struct visited v = { .count = 0 };
	struct pt_visit visit = { .walk = { .config = &c },
				  .last = B(48) - 1,
				  .budget = 10000,
				  .page = on_page,
				  .opaque = &v };
	uint64_t low;

	(void)state;
	pt_rig_init(&rig);
	c.root = pt_rig_table(&rig);
	low = pt_rig_table(&rig);
	visit.walk.vm = rig.vm;
	*pt_rig_word(&rig, c.root) = low | 1 << 9 | IR | IW | 1; /* 4 to 1 */
	for (unsigned i = 0; i < 4; i++)			 /* 16 KiB */
		*pt_rig_word(&rig, low + i * 8) = 0x101000 | UINT64_C(7) << 9 | IR | 1;
	*pt_rig_word(&rig, low + 8 * 8) = 0x5000 | IR | 1;
	*pt_rig_word(&rig, c.root + 8) = B(40) | IR | 1; /* 512 GiB */
	assert_int_equal(pt_amd_v1_visit(&visit), PT_VISIT_DONE);
	assert_int_equal(v.count, 3);
	assert_int_equal(v.bytes, 0x4000 + 0x1000 + B(39));
	pt_rig_fini(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_pair_of_bits),
		cmocka_unit_test(test_skipped_bits),
		cmocka_unit_test(test_touch),
		cmocka_unit_test(test_visit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
