/* SPDX-License-Identifier: BSD-3-Clause */
/* pt_rig.c - tables in memory behind callbacks that count. */
#include "check.h"
#include "pt_rig.h"

#include <string.h>

#include "bits.h"

static int read_words(void *opaque, uint64_t gpa, void *to, uint32_t bytes)
{
	struct pt_rig *rig = opaque;

	rig->loads++;
	if (gpa >= sizeof(rig->word) || bytes > sizeof(rig->word) - gpa)
		return 1;
	memcpy(to, (const uint8_t *)rig->word + gpa, bytes);
	return 0;
}

static int write_words(void *opaque, uint64_t gpa, const void *from, uint32_t bytes)
{
	struct pt_rig *rig = opaque;

	rig->stores++;
	if (gpa >= sizeof(rig->word) || bytes > sizeof(rig->word) - gpa)
		return 1;
	memcpy((uint8_t *)rig->word + gpa, from, bytes);
	return 0;
}

static int swap_words(void *opaque, uint64_t gpa, uint64_t *expected, uint64_t desired)
{
	struct pt_rig *rig = opaque;
	uint64_t *word;

	rig->stores++;
	if (gpa >= sizeof(rig->word))
		return 1;
	word = pt_rig_word(rig, gpa);
	if (*word != *expected)
		*expected = *word;
	else
		*word = desired;
	return 0;
}

void pt_rig_clear(struct pt_rig *rig)
{
	memset(rig->word, 0, sizeof(rig->word));
	rig->pages = 1;
}

void pt_rig_init(struct pt_rig *rig)
{
	struct viommu_vm_config config = {
		.size = sizeof(config),
		.opaque = rig,
		.read = read_words,
		.write = write_words,
		.cmpxchg = swap_words,
		.hash_key = { 1, 2 },
	};

	memset(rig, 0, sizeof(*rig));
	pt_rig_clear(rig);
	assert_int_equal(viommu_vm_new(&config, &rig->vm), VIOMMU_OK);
}

void pt_rig_fini(struct pt_rig *rig)
{
	assert_int_equal(viommu_vm_free(rig->vm), VIOMMU_OK);
}

uint64_t pt_rig_table(struct pt_rig *rig)
{
	assert_true(rig->pages < PT_RIG_PAGES);
	return UINT64_C(4096) * rig->pages++;
}

uint64_t *pt_rig_word(struct pt_rig *rig, uint64_t gpa)
{
	assert_true(gpa < sizeof(rig->word));
	return &rig->word[gpa / 4096][gpa / 8 % 512];
}

/* ---- formats ---- */

const struct pt_rig_format pt_rig_formats[] = {
	{ "second stage, 3 levels", 3, false, 0, pt_vtd_ss_walk, pt_vtd_ss_peek, pt_vtd_ss_visit },
	{ "second stage, 4 levels", 4, false, 0, pt_vtd_ss_walk, pt_vtd_ss_peek, pt_vtd_ss_visit },
	{ "second stage, 5 levels", 5, false, 0, pt_vtd_ss_walk, pt_vtd_ss_peek, pt_vtd_ss_visit },
	{ "first stage, 4 levels", 4, true, 0, pt_x86_walk, pt_x86_peek, pt_x86_visit },
	{ "first stage, 5 levels", 5, true, 0, pt_x86_walk, pt_x86_peek, pt_x86_visit },
	{ "first stage, 4 levels, on 3", 4, true, 3, pt_x86_walk_on_vtd_ss, pt_x86_peek_on_vtd_ss,
	  pt_x86_visit_on_vtd_ss },
	{ "first stage, 4 levels, on 4", 4, true, 4, pt_x86_walk_on_vtd_ss, pt_x86_peek_on_vtd_ss,
	  pt_x86_visit_on_vtd_ss },
	{ "first stage, 5 levels, on 5", 5, true, 5, pt_x86_walk_on_vtd_ss, pt_x86_peek_on_vtd_ss,
	  pt_x86_visit_on_vtd_ss },
};
const unsigned pt_rig_format_count = sizeof(pt_rig_formats) / sizeof(pt_rig_formats[0]);

static struct pt_config config(uint64_t root, unsigned levels, unsigned flags)
{
	return (struct pt_config){ .root = root,
				   .top = (uint8_t)(levels - 1),
				   .page_lg2 = 12,
				   .index_lg2 = 9,
				   .entry_lg2 = 3,
				   .in_bits = (uint8_t)(12 + 9 * levels),
				   .out_bits = 46,
				   .flags = (uint16_t)flags };
}

struct pt_config pt_rig_config(const struct pt_rig_format *f, uint64_t root)
{
	return config(root, f->levels,
		      (unsigned)(f->first_stage ? PT_X86_1G | PT_X86_NXE : PT_SS_2M | PT_SS_1G));
}

/* All entries above lead to the same table of 1 GiB pages: addresses below 2^39 are their own. */
struct pt_config pt_rig_below(struct pt_rig *rig, const struct pt_rig_format *f)
{
	uint64_t root = pt_rig_table(rig), table = root;

	for (unsigned level = f->nested - 1; level > 2; level--) {
		uint64_t next = pt_rig_table(rig);

		for (unsigned i = 0; i < 512; i++)
			*pt_rig_word(rig, table + 8 * i) = next | 3;
		table = next;
	}
	for (unsigned i = 0; i < 512; i++) /* 1 GiB pages at their own place */
		*pt_rig_word(rig, table + 8 * i) = (uint64_t)i << 30 | BIT(7) | 3;
	return config(root, f->nested, (unsigned)(PT_SS_2M | PT_SS_1G));
}

uint64_t pt_rig_leaf(const struct pt_rig_format *f, unsigned level, uint64_t gpa)
{
	return gpa | (level ? BIT(7) : 0) | (f->first_stage ? 7 : 3);
}

uint64_t pt_rig_link(const struct pt_rig_format *f, uint64_t table)
{
	return table | (f->first_stage ? 7 : 3);
}

uint64_t pt_rig_entry(struct pt_rig *rig, const struct pt_rig_format *f, uint64_t root,
		      uint64_t iova, unsigned level)
{
	uint64_t table = root;

	for (unsigned l = f->levels - 1;; l--) {
		uint64_t entry = table + 8 * (iova >> (12 + 9 * l) & 511);

		if (l == level)
			return entry;
		if (!*pt_rig_word(rig, entry))
			*pt_rig_word(rig, entry) = pt_rig_link(f, pt_rig_table(rig));
		table = *pt_rig_word(rig, entry) & BITS(51, 12);
	}
}

/* ---- trees ---- */

struct pt_tree pt_tree_plant(struct pt_rig *rig, const struct pt_rig_format *f)
{
	struct pt_tree t = { .f = f };

	pt_rig_clear(rig);
	if (f->nested)
		t.below = pt_rig_below(rig, f);
	t.root = pt_rig_table(rig);
	t.config = pt_rig_config(f, t.root);
	return t;
}

struct pt_tree pt_tree_loop(struct pt_rig *rig, const struct pt_rig_format *f)
{
	struct pt_tree t = pt_tree_plant(rig, f);

	for (unsigned i = 0; i < 512; i++)
		*pt_rig_word(rig, t.root + 8 * i) = pt_rig_link(f, t.root);
	return t;
}

enum pt_end pt_tree_walk(struct pt_rig *rig, const struct pt_tree *t, uint64_t iova,
			 struct pt_walk *w)
{
	*w = (struct pt_walk){ .vm = rig->vm,
			       .config = &t->config,
			       .nested = &t->below,
			       .iova = iova,
			       .need = VIOMMU_READ | VIOMMU_READ << 3 };
	rig->loads = 0;
	return t->f->peek(w);
}
