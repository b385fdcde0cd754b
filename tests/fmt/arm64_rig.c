/* SPDX-License-Identifier: BSD-3-Clause */
/* arm64_rig.c - the words, and the comparison. */
#include "check.h"
#include "arm64_rig.h"

#include <string.h>

#include <libvirtiommu/vm.h>

#include "bits.h"

/* ---- words ---- */

static unsigned find(const struct a64_words *w, uint64_t at)
{
	for (unsigned i = 0; i < w->n; i++)
		if (w->at[i] == at)
			return i;
	return w->n;
}

static bool get(const struct a64_words *w, uint64_t at, uint64_t *word)
{
	unsigned i = find(w, at);

	*word = i < w->n ? w->word[i] : 0;
	return !w->hole || at != w->hole;
}

static bool put(struct a64_words *w, uint64_t at, uint64_t word)
{
	unsigned i = find(w, at);

	assert_true(i < A64_WORDS);
	if (i == w->n)
		w->n++;
	w->at[i] = at;
	w->word[i] = word;
	return true;
}

static int read_words(void *opaque, uint64_t gpa, void *to, uint32_t bytes)
{
	const struct a64_rig *rig = opaque;
	uint64_t word;

	if (bytes != 8 || !get(&rig->mine, gpa, &word))
		return 1;
	memcpy(to, &word, sizeof(word));
	return 0;
}

static int write_words(void *opaque, uint64_t gpa, const void *from, uint32_t bytes)
{
	return 1;
}

static int swap_words(void *opaque, uint64_t gpa, uint64_t *expected, uint64_t desired)
{
	struct a64_rig *rig = opaque;
	uint64_t word;

	if (!get(&rig->mine, gpa, &word))
		return 1;
	if (word != *expected)
		*expected = word;
	else
		put(&rig->mine, gpa, desired);
	return 0;
}

static bool oracle_reads(void *opaque, uint64_t pa, uint64_t *word)
{
	const struct a64_rig *rig = opaque;

	return get(&rig->theirs, pa, word);
}

static bool oracle_writes(void *opaque, uint64_t pa, uint64_t word)
{
	struct a64_rig *rig = opaque;

	return put(&rig->theirs, pa, word);
}

void a64_rig_init(struct a64_rig *rig)
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
	a64_rig_clear(rig);
	assert_int_equal(viommu_vm_new(&config, &rig->vm), VIOMMU_OK);
}

void a64_rig_fini(struct a64_rig *rig)
{
	assert_int_equal(viommu_vm_free(rig->vm), VIOMMU_OK);
}

void a64_rig_clear(struct a64_rig *rig)
{
	rig->mine.n = rig->theirs.n = 0;
	rig->mine.hole = rig->theirs.hole = 0;
	rig->next = 0x100000;
}

uint64_t a64_rig_table(struct a64_rig *rig)
{
	rig->next += 0x100000;
	return rig->next - 0x100000;
}

void a64_rig_put(struct a64_rig *rig, uint64_t at, uint64_t word)
{
	put(&rig->mine, at, word);
	put(&rig->theirs, at, word);
}

uint64_t a64_rig_get(const struct a64_rig *rig, uint64_t at)
{
	uint64_t word;

	get(&rig->mine, at, &word);
	return word;
}

/* ---- tables ---- */

static uint64_t order(const struct a64_tables *t, uint64_t word)
{
	return t->big_endian ? __builtin_bswap64(word) : word;
}

static unsigned granule_lg2(const struct a64_tables *t)
{
	return t->kib == 4 ? 12 : t->kib == 16 ? 14 : 16;
}

unsigned a64_rig_low(const struct a64_tables *t, int level)
{
	return granule_lg2(t) + (unsigned)(3 - level) * (granule_lg2(t) - 3);
}

int a64_rig_start(const struct a64_tables *t, bool stage2)
{
	int level = 3;

	if (stage2)
		return t->start;
	while (a64_rig_low(t, level) + granule_lg2(t) - 3 < t->bits)
		level--;
	return level;
}

/* An address as descriptors have it. */
static uint64_t spread(const struct a64_tables *t, uint64_t address)
{
	if (t->kib == 64)
		return (address & BITS(47, 16)) | (t->wide ? address >> 48 << 12 : 0);
	if (t->ds)
		return (address & BITS(49, 12)) | bits_get(address, BITS(51, 50)) << 8;
	return address & BITS(47, 12);
}

static uint64_t gather(const struct a64_tables *t, uint64_t word)
{
	if (t->kib == 64)
		return (word & BITS(47, 16)) | (t->wide ? bits_get(word, BITS(15, 12)) << 48 : 0);
	if (t->ds)
		return (word & BITS(49, 12)) | bits_get(word, BITS(9, 8)) << 50;
	return word & BITS(47, 12);
}

uint64_t a64_rig_table_word(const struct a64_tables *t, uint64_t table)
{
	return order(t, spread(t, table) | 3);
}

uint64_t a64_rig_leaf_word(const struct a64_tables *t, uint64_t address, int level)
{
	return order(t, spread(t, address) | (level == 3 ? 3 : 1));
}

uint64_t a64_rig_entry(struct a64_rig *rig, const struct a64_tables *t, int start, uint64_t address,
		       int level)
{
	uint64_t table = t->base;
	unsigned top = t->bits;

	for (int l = start;; l++) {
		unsigned low = a64_rig_low(t, l);
		uint64_t at = table + 8 * bits_get(address, BITS(top - 1, low));

		if (l == level)
			return at;
		if (!a64_rig_get(rig, at))
			a64_rig_put(rig, at, a64_rig_table_word(t, a64_rig_table(rig)));
		table = gather(t, order(t, a64_rig_get(rig, at)));
		top = low;
	}
}

struct pt_config a64_rig_config(const struct a64_tables *t, bool stage2)
{
	unsigned flags = (unsigned)((t->ha ? PT_ARM_HA : 0) | (t->hd ? PT_ARM_HD : 0) |
				    (t->haft ? PT_ARM_HAFT : 0) | (t->affd ? PT_ARM_AFFD : 0) |
				    (t->ds ? PT_ARM_DS : 0) | (t->wide ? PT_ARM_LPA : 0) |
				    (t->big_endian ? PT_ARM_BE : 0));
	static const unsigned starts[] = { 4, 2, 1, 0, 3 };
	struct pt_config c = { .root = 0 };

	if (!stage2) {
		flags |= (unsigned)((t->el2 ? PT_ARM_EL2 : 0) | (t->had ? PT_ARM_HPD : 0) |
				    (t->wxn ? PT_ARM_WXN : 0) | (t->pan ? PT_ARM_PAN : 0) |
				    (t->epan ? PT_ARM_EPAN : 0) | (t->e0pd ? PT_ARM_E0PD : 0));
		return t->epd ? c : pt_arm64_stage1(t->base, granule_lg2(t), t->bits, t->ps, flags);
	}
	flags |= (unsigned)((t->xnx ? PT_ARM_XNX : 0) | (t->fwb ? PT_ARM_FWB : 0) |
			    (t->ptw ? PT_ARM_PTW : 0));
	assert_true(pt_arm64_stage2(&c, t->base, granule_lg2(t), t->bits, t->ps,
				    t->kib == 4 ? starts[t->start + 1] : 3 - (unsigned)t->start,
				    flags));
	return c;
}

/* ---- comparison ---- */

static enum a64_fault fault_of(enum pt_end end)
{
	switch (end) {
	case PT_OK:
		return A64_NONE;
	case PT_NOT_PRESENT:
	case PT_TOO_WIDE:
		return A64_TRANSLATION;
	case PT_BAD_ENTRY:
		return A64_ADDR_SIZE;
	case PT_NOT_ACCESSED:
		return A64_ACCESS;
	case PT_DENIED:
		return A64_PERMISSION;
	case PT_LOAD_FAILED:
		return A64_EABT;
	default:
		return (enum a64_fault)99;
	}
}

static void compare_fault(const char *row, enum a64_rig_kind kind, const struct pt_walk *w,
			  enum pt_end end, const struct a64_answer *a)
{
	bool below = end == PT_STAGE2_TABLE || end == PT_STAGE2_TOUCH || end == PT_STAGE2_RESULT;
	unsigned stage = below || kind == A64_S2 ? 2 : 1;

	check_eq(row, fault_of(below ? w->stage2 : end), a->fault);
	check_eq(row, a->stage, stage);
	if (!(below && w->stage2 == PT_TOO_WIDE) && end != PT_TOO_WIDE)
		check_eq(row, 3 - (int)(below ? w->stage2_level : w->level), a->level);
	if (a->fault == A64_EABT)
		check_eq(row, w->at, a->fetch);
	if (!below)
		return;
	check_eq(row, a->class, end == PT_STAGE2_RESULT ? A64_IN : A64_TT);
	check_eq(row, a->table_write, end == PT_STAGE2_TOUCH);
	check_eq(row, a->ipa,
		 end == PT_STAGE2_RESULT ? w->found.gpa | (w->iova & bits_low(w->found.size_lg2))
					 : w->entry);
}

/* Of neighbours that are one page the address inside is that of the request. */
static void compare_found(const char *row, const struct pt_walk *w, bool privileged,
			  const struct a64_answer *a)
{
	unsigned perm = w->found.perm >> (privileged ? 3 : 0) & 7;
	uint64_t within = bits_low(w->found.size_lg2);

	check_that(row, w->found.size_lg2 >= a->lg2);
	check_eq(row, w->found.gpa & within, 0);
	check_eq(row, w->found.iova, w->iova & ~within);
	if (w->found.size_lg2 == a->lg2)
		check_eq(row, w->found.gpa | (w->iova & within), a->pa);
	else
		check_eq(row, w->found.gpa, a->pa & ~within);
	check_eq(row, perm,
		 (a->r ? VIOMMU_READ : 0U) | (a->w ? VIOMMU_WRITE : 0U) |
			 (a->x ? VIOMMU_EXEC : 0U));
	check_eq(row, !(w->found.perm & PERM_DIRTY), a->clean);
}

static enum pt_end walk_of(enum a64_rig_kind kind, struct pt_walk *w, bool trace)
{
	static enum pt_end (*const walks[3][2])(struct pt_walk *) = {
		{ pt_arm64_s1_peek, pt_arm64_s1_walk },
		{ pt_arm64_s2_peek, pt_arm64_s2_walk },
		{ pt_arm64_s1_peek_on_s2, pt_arm64_s1_walk_on_s2 },
	};

	if (kind == A64_S2 && !pt_fits(w->config, w->iova))
		return PT_TOO_WIDE;
	return walks[kind][trace](w);
}

void a64_rig_compare(struct a64_rig *rig, const char *row, enum a64_rig_kind kind,
		     const struct a64_tables *s1, const struct a64_tables *s2,
		     const struct a64_request *q, struct a64_answer *a)
{
	struct a64_memory m = { oracle_reads, oracle_writes, rig };
	struct pt_config config = a64_rig_config(kind == A64_S2 ? s2 : s1, kind == A64_S2);
	struct pt_config nested = { .root = 0 };
	unsigned need = (q->read ? VIOMMU_READ : 0U) | (q->write ? VIOMMU_WRITE : 0U) |
			(q->fetch ? VIOMMU_EXEC : 0U);
	unsigned shift = q->privileged ? 3 : 0;
	struct pt_walk w = { .vm = rig->vm,
			     .config = &config,
			     .nested = &nested,
			     .iova = q->address,
			     .need = (uint8_t)(need << shift),
			     .dirty = (uint8_t)((need & VIOMMU_WRITE) << shift) };
	enum pt_end end;

	if (kind == A64_BOTH)
		nested = a64_rig_config(s2, true);
	end = walk_of(kind, &w, q->trace);
	*a = kind == A64_S1   ? a64_stage1(&m, s1, q)
	     : kind == A64_S2 ? a64_stage2(&m, s2, q, A64_IN)
			      : a64_nested(&m, s1, s2, q);
	if (end == PT_OK) {
		check_eq(row, a->fault, A64_NONE);
		compare_found(row, &w, q->privileged, a);
		if (kind != A64_S2)
			check_eq(row, w.found.global, a->global);
	} else {
		compare_fault(row, kind, &w, end, a);
	}
	rig->seen[a->fault][a->fault ? a->stage : 0][a->fault ? a->class : 0]++;
	rig->refused_updates += a->table_write;
	check_eq(row, rig->mine.n, rig->theirs.n);
	for (unsigned i = 0; i < rig->mine.n; i++)
		check_eq(row, rig->mine.word[i], rig->theirs.word[i]);
}
