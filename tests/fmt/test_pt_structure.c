/* SPDX-License-Identifier: BSD-3-Clause */
/* test_pt_structure.c - structures whose address another stage translates, and which of the two stages failed. */
#include "check.h"
#include "pt_rig.h"
#include "pt_structure.h"

#include <string.h>

#include "bits.h"
#include "mem.h"

static struct pt_rig rig;

/* A second stage of 3 levels in pages 1 to 3; 0x7000 of the intermediate addresses is page 5. */
static struct pt_config second_stage(void)
{
	const struct pt_rig_format *f = &pt_rig_formats[0];
	struct pt_config c;

	pt_rig_clear(&rig);
	c = pt_rig_config(f, pt_rig_table(&rig));
	*pt_rig_word(&rig, pt_rig_entry(&rig, f, c.root, 0x7000, 0)) = 0x5000 | 3;
	*pt_rig_word(&rig, pt_rig_entry(&rig, f, c.root, 0x8000, 0)) = 0x5000 | 2;
	*pt_rig_word(&rig, pt_rig_entry(&rig, f, c.root, 0x9000, 0)) = UINT64_C(0x100000000) | 3;
	*pt_rig_word(&rig, pt_rig_entry(&rig, f, c.root, 0xa000, 0)) = UINT64_C(1) << 50 | 3;
	for (unsigned i = 0; i < 512; i++)
		rig.word[5][i] = UINT64_C(0x0123456789abcd00) + i;
	return c;
}

struct seen {
	unsigned calls, words;
	uint64_t gpa;
	unsigned entries; /* of the stage */
};

static void saw(void *opaque, const char *stage, unsigned level, uint64_t gpa, const uint64_t *raw,
		unsigned words)
{
	struct seen *s = opaque;

	if (strcmp(stage, "structure") != 0) {
		s->entries++;
		return;
	}
	s->calls++;
	s->words = words;
	s->gpa = gpa;
	assert_int_equal(level, PT_LEVELS);
}

static const struct {
	const char *name;
	uint64_t address;
	unsigned words;
	enum pt_end end;
	enum pt_end stage; /* how the other stage ended */
	uint64_t gpa;
	unsigned level;
} rows[] = {
	{ "one word", 0x7008, 1, PT_OK, PT_OK, 0x5008, 0 },
	{ "eight words", 0x7040, 8, PT_OK, PT_OK, 0x5040, 0 },
	{ "the last eight of a page", 0x7fc0, 8, PT_OK, PT_OK, 0x5fc0, 0 },
	{ "two words", 0x7ff0, 2, PT_OK, PT_OK, 0x5ff0, 0 },
	{ "may not be read", 0x8000, 2, PT_STAGE2_TABLE, PT_DENIED, 0, 0 },
	{ "nothing there", 0xb000, 2, PT_STAGE2_TABLE, PT_NOT_PRESENT, 0, 0 },
	{ "no table there", 0x40000000, 2, PT_STAGE2_TABLE, PT_NOT_PRESENT, 0, 2 },
	{ "a reserved bit", 0xa000, 2, PT_STAGE2_TABLE, PT_BAD_ENTRY, 0, 0 },
	{ "beyond the stage's width", UINT64_C(1) << 39, 2, PT_STAGE2_TABLE, PT_TOO_WIDE, 0, 0 },
	{ "where there is no memory", 0x9000, 2, PT_LOAD_FAILED, PT_OK, 0x100000000, 0 },
};

static void through_another_stage(void **state)
{
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		for (unsigned how = 0; how < 8; how++) { /* big-endian, observed, with a place */
			struct pt_config c = second_stage();
			struct seen seen = { .calls = 0 };
			struct pt_observer observer = { .saw = saw, .opaque = &seen };
			struct mem_place place = MEM_NOWHERE;
			struct pt_structure s = { .walk = { .vm = rig.vm, .config = &c },
						  .stage = pt_vtd_ss_peek,
						  .what = "structure",
						  .big_endian = how & 1 };
			uint64_t raw[8] = { 0 };

			if (how & 2) {
				s.walk.observer = &observer;
				s.stage = pt_vtd_ss_observe;
			}
			if (how & 4)
				s.walk.place = &place;
			check_eq(rows[i].name,
				 pt_structure_load(&s, rows[i].address, raw, rows[i].words),
				 rows[i].end);
			check_eq(rows[i].name, s.end, rows[i].stage);
			if (rows[i].end == PT_STAGE2_TABLE && rows[i].stage != PT_TOO_WIDE)
				check_eq(rows[i].name, s.walk.level, rows[i].level);
			if (rows[i].end != PT_STAGE2_TABLE)
				check_eq(rows[i].name, s.gpa, rows[i].gpa);
			check_eq(rows[i].name, seen.calls,
				 (how & 2) && rows[i].end != PT_STAGE2_TABLE);
			check_eq(rows[i].name, seen.words,
				 rows[i].end == PT_OK ? seen.calls * rows[i].words : 0);
			for (unsigned k = 0; rows[i].end == PT_OK && k < rows[i].words; k++) {
				uint64_t word = rig.word[5][rows[i].gpa % 4096 / 8 + k];

				check_eq(rows[i].name, raw[k],
					 how & 1 ? __builtin_bswap64(word) : word);
			}
		}
	}
}

/* Without another stage the address is where it lies; what the context denies is denied to structures, too. */
static void without_one(void **state)
{
	struct pt_config c = second_stage();
	struct pt_structure s = { .walk = { .vm = rig.vm, .config = &c } };
	uint64_t raw[2];

	assert_int_equal(pt_structure_load(&s, 0x5010, raw, 2), PT_OK);
	assert_int_equal(raw[1], rig.word[5][3]);
	assert_int_equal(pt_structure_load(&s, UINT64_C(0x100000000), raw, 2), PT_LOAD_FAILED);
	assert_int_equal(s.end, PT_OK);
	s.stage = pt_vtd_ss_peek;
	s.walk.deny = VIOMMU_READ;
	assert_int_equal(pt_structure_load(&s, 0x7000, raw, 2), PT_STAGE2_TABLE);
	assert_int_equal(s.end, PT_DENIED);
}

static int setup(void **state)
{
	pt_rig_init(&rig);
	return 0;
}

static int teardown(void **state)
{
	pt_rig_fini(&rig);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(through_another_stage),
		cmocka_unit_test(without_one),
	};

	return cmocka_run_group_tests_name("fmt/pt_structure", tests, setup, teardown);
}
