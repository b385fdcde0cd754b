/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_smmuv3_miss.c - misses of channels that are answered at once (smmuv3_miss.c), of one stage and of both: all that a
 * guest and its VMM can see is as if each had gone the usual way.
 *
 * Two guests do the same. One has a host that traces, whose channels ask for everything.
 */
#include "check.h"

#include <libvirtiommu/observe.h>

#include <string.h>

#include "run.h"
#include "smmuv3_rig.h"
#include "unit.h"

#define SID   8U
#define VMID  3U
#define ASID  5U
#define PAGES 40U
#define IOVA  UINT64_C(0x40000000)
#define LARGE UINT64_C(0x50000000) /* 2 MiB, to gpa 0; and as much, to where nothing is */
#define HOLE  UINT64_C(0x9000000)

struct kind {
	const char *name;
	bool first; /* stages */
	bool second;
	uint64_t cd; /* further bits */
	uint64_t ste2;
	uint32_t tlb;
	uint32_t tables;
};

struct twin {
	struct smmu_rig r;
	struct viommu_device *device;
	struct viommu_channel *channel;
	uint64_t root1;
	uint64_t root2;
	uint64_t pool;
	int result;
	struct viommu_answer answer;
	struct viommu_fragment fragment[4];
};

static struct twin twin[2];
static const struct kind *kind;
static bool inside;
static uint64_t seed;

static uint32_t below(uint32_t n)
{
	seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407U;
	return (uint32_t)((seed >> 33) % n);
}

static void on_trace(void *opaque, const struct viommu_trace *event)
{
	(void)opaque;
	(void)event;
}

/* ---- tables ---- */

static uint64_t usual_bits(void)
{
	return kind->first ? SM_S1_RW : SM_S2_RW;
}

static void map(struct twin *t, unsigned page, uint64_t to, uint64_t bits)
{
	sm_map(&t->r, kind->first ? t->root1 : t->root2, IOVA + page * GUEST_PAGE, to, bits);
}

static void map_large(struct twin *t)
{
	uint64_t root = kind->first ? t->root1 : t->root2;

	guest_put64(&t->r.g, sm_entry(&t->r, root, LARGE, 2), usual_bits() & ~BIT(1));
	guest_put64(&t->r.g, sm_entry(&t->r, root, LARGE + BIT(21), 2),
		    HOLE | (usual_bits() & ~BIT(1)));
}

/* Stage 2 below stage 1: where it is. */
static void map_below(struct twin *t)
{
	for (uint64_t gpa = GUEST_BASE; gpa < GUEST_BASE + t->r.g.bytes; gpa += GUEST_PAGE)
		sm_map(&t->r, t->root2, gpa, gpa, SM_S2_RW);
	guest_put64(&t->r.g, sm_entry(&t->r, t->root2, HOLE, 2), HOLE | (SM_S2_RW & ~BIT(1)));
}

static void put_stream(struct twin *t)
{
	uint64_t cd = kind->first ? sm_cd(&t->r, ASID, t->root1, kind->cd) : 0;
	unsigned config = kind->first && kind->second ? STE_CONFIG_BOTH
			  : kind->first		      ? STE_CONFIG_S1
						      : STE_CONFIG_S2;

	sm_put_ste(&t->r, SID, SM_STE0(config) | cd, 0,
		   kind->second ? SM_STE2(VMID) | kind->ste2 : 0, kind->second ? t->root2 : 0);
}

static void open_twin(struct twin *t)
{
	const struct viommu_limits limits = { .size = sizeof(limits),
					      .tlb_entries = kind->tlb,
					      .tables = kind->tables,
					      .domains = 16,
					      .channel_entries = 16 };
	const struct viommu_host host = { .size = sizeof(host), .trace = on_trace };
	struct viommu_smmuv3_config config;

	sm_everything(&config);
	config.limits = &limits;
	config.host = t == &twin[1] ? &host : NULL;
	sm_open(&t->r, &config);
	t->pool = guest_alloc(&t->r.g, PAGES);
	t->root1 = guest_alloc(&t->r.g, 1);
	t->root2 = guest_alloc(&t->r.g, 1);
	for (unsigned i = 0; i < PAGES; i++)
		map(t, i, t->pool + i * GUEST_PAGE, usual_bits());
	map_large(t);
	if (kind->first && kind->second)
		map_below(t);
	put_stream(t);
	sm_start(&t->r);
	t->device = guest_device(&t->r.g, SID);
	t->channel = guest_channel(&t->r.g, t->device, VIOMMU_NO_PASID);
}

/* ---- what they do ---- */

static uint64_t host_of(const struct twin *t, const struct viommu_fragment *f)
{
	return f->host ? (uint64_t)((const uint8_t *)f->host - t->r.g.ram) : UINT64_MAX;
}

static void compare_answers(void)
{
	const struct viommu_answer *a = &twin[0].answer, *b = &twin[1].answer;

	check_eq(kind->name, twin[0].result, twin[1].result);
	if (twin[0].result < 0)
		return;
	check_eq(kind->name, a->next, b->next);
	check_eq(kind->name, a->count, b->count);
	check_eq(kind->name, a->reason, b->reason);
	check_eq(kind->name, a->extent_lg2, b->extent_lg2);
	check_eq(kind->name, a->flags, b->flags);
	for (uint32_t i = 0; i < a->count; i++) {
		const struct viommu_fragment *f = &twin[0].fragment[i], *g = &twin[1].fragment[i];

		check_eq(kind->name, f->gpa, g->gpa);
		check_eq(kind->name, f->length, g->length);
		check_eq(kind->name, f->perm, g->perm);
		check_eq(kind->name, f->flags, g->flags);
		check_eq(kind->name, host_of(&twin[0], f), host_of(&twin[1], g));
	}
}

static void enter_or_leave(void)
{
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(inside ? viommu_leave(twin[i].channel)
					: viommu_enter(twin[i].channel),
				 VIOMMU_OK);
	inside = !inside;
}

static void dma(void)
{
	static const uint16_t usual[] = { VIOMMU_READ, VIOMMU_WRITE, VIOMMU_READ | VIOMMU_WRITE };
	struct viommu_request r = { .first = IOVA + (uint64_t)below(PAGES + 1) * GUEST_PAGE +
					     below(GUEST_PAGE),
				    .pasid = VIOMMU_NO_PASID,
				    .access = below(4) ? usual[below(3)] : (uint16_t)below(32) };

	if (below(8) == 0)
		r.first = LARGE + below(0x400000);
	if (below(64) == 0)
		r.first |= BIT(48 + below(16));
	r.last = r.first + (below(3) ? below(64) : below(2 * GUEST_PAGE));
	if (!inside && below(4))
		enter_or_leave();
	for (unsigned i = 0; i < 2; i++) {
		memset(&twin[i].answer, 0x5a, sizeof(twin[i].answer));
		memset(twin[i].fragment, 0x5a, sizeof(twin[i].fragment));
		twin[i].result =
			viommu_translate(twin[i].channel, &r, twin[i].fragment, 3, &twin[i].answer);
	}
	compare_answers();
}

static void change_page(void)
{
	unsigned page = below(PAGES), where = below(PAGES + 4);
	uint64_t bits = usual_bits();
	uint64_t flip = below(3) ? 0 : BIT(below(12));

	flip |= below(3) ? 0 : BIT(51 + below(4)); /* DBM, contiguous, PXN, XN */
	for (unsigned i = 0; i < 2; i++)
		map(&twin[i], page, where < PAGES ? twin[i].pool + where * GUEST_PAGE : HOLE,
		    bits ^ flip);
}

static void map_both_below(unsigned page, uint64_t bits)
{
	for (unsigned i = 0; i < 2; i++) {
		uint64_t gpa = twin[i].pool + (uint64_t)page * GUEST_PAGE;

		sm_map(&twin[i].r, twin[i].root2, gpa, gpa, bits);
	}
}

static void invalidate(void)
{
	uint64_t address = IOVA + (uint64_t)below(PAGES) * GUEST_PAGE;
	uint64_t w0 = SM_ASID(CMD_NH_VA, kind->second ? VMID : 0, ASID), w1 = address | below(2);

	switch (below(6)) {
	case 0:
		w0 = SM_ASID(CMD_NH_ASID, kind->second ? VMID : 0, ASID);
		w1 = 0;
		break;
	case 1:
		w0 = SM_ASID(CMD_S12_VMALL, VMID, 0);
		w1 = 0;
		break;
	case 2:
		w0 = SM_ASID(CMD_S2_IPA, VMID, 0);
		break;
	case 3:
		w0 = SM_CFGI_STE(SID);
		w1 = 1;
		break;
	default:
		break;
	}
	for (unsigned i = 0; i < 2; i++) {
		sm_command(&twin[i].r, w0, w1);
		sm_ring(&twin[i].r);
	}
}

/* Of pages, and, for a while, of what comes after them: tables of stage 1, too. */
static void change_below(void)
{
	unsigned page = below(PAGES + 16);
	uint64_t flip = below(2) ? 0 : BIT(2 + below(10));

	flip |= below(2) ? 0 : BIT(4) | BIT(5); /* device memory, where S2PTW wants no tables */
	map_both_below(page, SM_S2_RW ^ flip);
	for (unsigned i = 0; page >= PAGES && i < 4; i++) {
		invalidate();
		dma();
	}
	if (page >= PAGES)
		map_both_below(page, SM_S2_RW);
}

/* ---- what can be seen of it ---- */

static void compare_counts(void)
{
	struct viommu_statistics s[2];

	for (unsigned i = 0; i < 2; i++) {
		s[i] = (struct viommu_statistics){ .size = sizeof(s[i]) };
		assert_int_equal(viommu_get_statistics(twin[i].r.g.iommu, &s[i]), VIOMMU_OK);
	}
	check_eq(kind->name, s[0].misses, s[1].misses);
	check_eq(kind->name, s[0].fills, s[1].fills);
	check_eq(kind->name, s[0].evictions, s[1].evictions);
	check_eq(kind->name, s[0].faults, s[1].faults);
	check_eq(kind->name, s[0].command_errors, 0);
}

static void compare_events(void)
{
	uint64_t a[4], b[4];

	while (sm_event(&twin[0].r, a)) {
		check_that(kind->name, sm_event(&twin[1].r, b));
		for (unsigned i = 0; i < 4; i++)
			check_eq(kind->name, a[i], b[i]);
	}
	check_that(kind->name, !sm_event(&twin[1].r, b));
}

static uint64_t at_once(const struct twin *t)
{
	return counter_get(&t->device->counters.of[COUNT_FILLED_MISSES]);
}

static void one_step(void)
{
	unsigned what = below(100);

	if (what < 5)
		enter_or_leave();
	else if (what < 15)
		change_page();
	else if (what < 20 && kind->first && kind->second)
		change_below();
	else if (what < 30)
		invalidate();
	else
		dma();
}

static void rounds(const struct kind *k)
{
	kind = k;
	open_twin(&twin[0]);
	open_twin(&twin[1]);
	for (unsigned i = 0; i < run_scaled(6000); i++) {
		one_step();
		compare_counts();
		compare_events();
	}
	assert_memory_equal(twin[0].r.g.ram, twin[1].r.g.ram, (size_t)twin[0].r.g.bytes);
	check_that(k->name, at_once(&twin[0]) > run_scaled(200));
	check_eq(k->name, at_once(&twin[1]), 0);
	if (inside)
		enter_or_leave();
	sm_close(&twin[0].r);
	sm_close(&twin[1].r);
}

static void every_kind(void **state)
{
	static const struct kind kinds[] = {
		{ "stage 1", true, false, 0, 0, 64, 8 },
		{ "stage 1, HA and HD, small caches", true, false, CD0_HA | CD0_HD, 0, 20, 2 },
		{ "stage 2", false, true, 0, 0, 64, 8 },
		{ "stage 2, HA and HD, small caches", false, true, 0, STE2_S2HA | STE2_S2HD, 20,
		  2 },
		{ "both", true, true, 0, 0, 64, 8 },
		{ "both, HA and HD, S2PTW, small caches", true, true, CD0_HA | CD0_HD,
		  STE2_S2HA | STE2_S2HD | STE2_S2PTW, 20, 2 },
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_COUNT(kinds); i++)
		rounds(&kinds[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_kind),
	};

	seed = run_seed(1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
