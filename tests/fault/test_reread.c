/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_reread.c - memory that answers differently when it is asked again: every structure is read
 * once, so that nobody notices (obligation 1).
 */
#include "check.h"

#include <stdlib.h>
#include <string.h>

#include "fault_world.h"

#define WORDS (160 * 512)

/* Words that the operation under way has read already read as their complement. */
struct memory {
	struct fault_world *w;
	bool seen[WORDS];
	unsigned again;
};

static void alter(void *opaque, uint64_t gpa, void *bytes, uint32_t count)
{
	struct memory *m = opaque;

	/* Each walk of the second stage reads its entries; several walks make a nested one. A posted
	 * interrupt descriptor is no table but a variable that is updated in place. */
	if ((gpa >= m->w->stage2 && gpa < m->w->stage2_end) || gpa / 64 == m->w->posted / 64)
		return;
	for (uint32_t at = 0; at + 8 <= count; at += 8) {
		uint64_t word = (gpa + at - GUEST_BASE) / 8;
		uint64_t value;

		assert_true(word < WORDS);
		if (m->seen[word]) {
			m->again++;
			memcpy(&value, (char *)bytes + at, sizeof(value));
			value = ~value;
			memcpy((char *)bytes + at, &value, sizeof(value));
		}
		m->seen[word] = true;
	}
}

/* What is left behind for software to see. */
static void look(struct guest *g, uint64_t seen[6])
{
	struct guest_fault fault = { .info = 0 };

	seen[0] = guest_take_fault(g, &fault);
	seen[1] = fault.info;
	seen[2] = fault.high;
	seen[3] = guest_read32(g, VTD_FSTS);
	seen[4] = guest_read64(g, VTD_IQERCD);
	seen[5] = guest_read64(g, VTD_IQH);
}

/* Damage to one word of the tables, so that refusals are compared too: where, and which bits. */
struct damage {
	const char *name;
	enum { NOWHERE, ROOT, CONTEXT, DIRECTORY, ENTRY } where;
	unsigned word;
	uint64_t bits;
};

static const struct damage damages[] = {
	{ "none", NOWHERE, 0, 0 },
	{ "root entry absent", ROOT, 0, 1 },
	{ "root entry reserved", ROOT, 0, 2 },
	{ "context entry absent", CONTEXT, 0, 1 },
	{ "context entry reserved", CONTEXT, 1, BIT(40) },
	{ "context entry FPD", CONTEXT, 0, 2 },
	{ "directory entry reserved", DIRECTORY, 0, 4 },
	{ "PASID entry absent", ENTRY, 0, 1 },
	{ "PASID entry reserved", ENTRY, 5, 1 },
	{ "PASID entry, type", ENTRY, 0, BIT(8) },
};

static uint64_t pointer(struct guest *g, uint64_t gpa)
{
	return guest_get64(g, gpa) & VTD_RE_CTP;
}

static void spoil(struct fault_world *w, enum tables tables, const struct damage *d)
{
	struct guest *g = &w->g;
	uint64_t gpa = g->root + (RID >> 8) * 16;

	if (d->where == NOWHERE || (tables == LEGACY && d->where > CONTEXT))
		return;
	if (d->where >= CONTEXT)
		gpa = pointer(g, gpa) + (RID & 0x7f) * (tables == LEGACY ? 16 : 32);
	if (d->where >= DIRECTORY)
		gpa = pointer(g, gpa);
	if (d->where >= ENTRY)
		gpa = pointer(g, gpa);
	gpa += d->word * 8;
	guest_put64(g, gpa, guest_get64(g, gpa) ^ d->bits);
}

static void compare(const struct operation *o, const struct damage *d)
{
	struct outcome outcome[2];
	uint64_t seen[2][6];

	for (unsigned changing = 0; changing < 2; changing++) {
		struct memory *m = calloc(1, sizeof(*m));
		struct fault_world w;

		assert_non_null(m);
		fault_world_init(&w, GUEST_CALLBACKS, o->tables);
		spoil(&w, o->tables, d);
		m->w = &w;
		w.g.alter_opaque = m;
		w.g.alter = changing ? alter : NULL;
		outcome[changing] = o->run(&w);
		w.g.alter = NULL;
		look(&w.g, seen[changing]);
		check_eq(o->name, m->again, 0);
		fault_world_fini(&w);
		free(m);
	}
	check_eq(o->name, outcome[0].result, outcome[1].result);
	check_eq(o->name, outcome[0].reason, outcome[1].reason);
	check_eq(o->name, outcome[0].ats, outcome[1].ats);
	check_eq(o->name, outcome[0].gpa, outcome[1].gpa);
	check_eq(o->name, outcome[0].perm, outcome[1].perm);
	check_eq(d->name, memcmp(seen[0], seen[1], sizeof(seen[0])), 0);
}

static void every_operation(void **state)
{
	for (unsigned i = 0; i < operation_count; i++) {
		for (unsigned d = 0; d < sizeof(damages) / sizeof(damages[0]); d++)
			compare(&operations[i], &damages[d]);
	}
}

/* Each descriptor is read once, whether it is executed or refused. */
static void every_descriptor(void **state)
{
	static const enum tables modes[] = { LEGACY, FIRST };

	for (unsigned mode = 0; mode < 2; mode++) {
		/* the n-th descriptor has a reserved bit; 20: none has */
		for (unsigned bad = 0; bad <= 20; bad++) {
			struct memory *m = calloc(1, sizeof(*m));
			struct fault_world w;
			uint64_t bytes;

			assert_non_null(m);
			fault_world_init(&w, GUEST_CALLBACKS, modes[mode]);
			m->w = &w;
			w.g.alter_opaque = m;
			w.g.alter = alter;
			fault_world_queue(&w);
			bytes = w.g.wide ? 32 : 16;
			if (bad * bytes < w.g.tail)
				guest_put64(&w.g, w.g.queue + bad * bytes + 8,
					    guest_get64(&w.g, w.g.queue + bad * bytes + 8) | 0x802);
			assert_int_equal(guest_ring(&w.g), VIOMMU_OK);
			assert_int_equal(m->again, 0);
			assert_int_equal(guest_waited(&w.g), bad * bytes >= w.g.tail);
			if (bad * bytes < w.g.tail) {
				assert_int_equal(guest_read64(&w.g, VTD_IQH), bad * bytes);
				assert_int_equal(guest_read64(&w.g, VTD_IQERCD), VTD_IQEI_RESERVED);
			}
			fault_world_fini(&w);
			free(m);
		}
	}
}

static void page_request(void **state)
{
	const struct viommu_page_request request = {
		.address = IOVA, .pasid = PASID, .access = VIOMMU_READ, .last = 1
	};
	struct memory *m = calloc(1, sizeof(*m));
	struct fault_world w;

	assert_non_null(m);
	fault_world_init(&w, GUEST_CALLBACKS, FIRST);
	m->w = &w;
	w.g.alter_opaque = m;
	w.g.alter = alter;
	assert_int_equal(viommu_request_page(w.device, &request), VIOMMU_OK);
	assert_int_equal(m->again, 0);
	fault_world_fini(&w);
	free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_operation),
		cmocka_unit_test(every_descriptor),
		cmocka_unit_test(page_request),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
