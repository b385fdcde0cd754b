/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_vtd_miss.c - misses of channels that are answered at once (lib/unit/miss.h): all that a guest and its VMM can see is
 * as if each had gone the usual way.
 *
 * Two guests do the same. One has a host that traces, whose channels ask for everything.
 */
#include "check.h"

#include <libvirtiommu/dirty.h>
#include <libvirtiommu/observe.h>

#include <string.h>

#include "guest.h"
#include "run.h"
#include "unit.h"

#define RID	 0x10U
#define OTHER_ID 0x23U
#define PASID	 5U
#define DID	 7U
#define CHANNELS 3U
#define PAGES	 48U
#define IOVA	 UINT64_C(0x40000000)
#define LARGE	 UINT64_C(0x50000000) /* pages of 2 MiB, the first to gpa 0 */
#define HUGE	 UINT64_C(0x80000000) /* 1 GiB to gpa 0 */
#define WINDOW	 UINT64_C(0xfee00000)
#define ROM	 UINT64_C(0x8000000)
#define HOLE	 UINT64_C(0x9000000)

struct kind {
	const char *name;
	bool scalable;
	bool first; /* stage */
	uint32_t version;
	uint32_t tlb;
	uint32_t tables;
	uint64_t cap;
	uint64_t ecap;
	uint64_t extra0; /* of PASID entries */
	uint64_t extra2;
};

struct twin {
	struct guest g;
	struct viommu_device *device;
	struct viommu_channel *channel[CHANNELS];
	bool open[CHANNELS];
	struct viommu_dirty *dirty;
	uint64_t root;
	bool first;
	uint64_t pool;
	/* What was answered. */
	int result;
	struct viommu_answer answer;
	struct viommu_fragment fragment[4];
};

static struct twin twin[2];
static _Alignas(4096) uint8_t rom[2 * 4096];
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

/* Where pages lead to. */
static uint64_t target(const struct twin *t, unsigned where)
{
	switch (where) {
	case 0:
		return ROM;
	case 1:
		return HOLE;
	case 2:
		return WINDOW;
	case 3:
		return GUEST_BASE + t->g.bytes - GUEST_PAGE;
	default:
		return t->pool + where * GUEST_PAGE;
	}
}

static uint64_t table_bits(const struct twin *t)
{
	return t->first ? GUEST_FS : GUEST_RW;
}

static void map(struct twin *t, unsigned page, unsigned where, uint64_t bits)
{
	guest_put64(&t->g,
		    guest_entry(&t->g, t->root, 4, IOVA + page * GUEST_PAGE, 0, table_bits(t)),
		    target(t, where) | bits);
}

static void map_one(struct twin *t, uint64_t iova, uint64_t gpa, unsigned lg2)
{
	if (t->first)
		guest_fs_map(&t->g, t->root, 4, iova, gpa, lg2, GUEST_FS);
	else
		guest_ss_map(&t->g, t->root, 4, iova, gpa, lg2, GUEST_RW);
}

static void map_large(struct twin *t)
{
	for (unsigned i = 0; i < 6; i++)
		map_one(t, LARGE + i * BIT(21), i * BIT(21), 21);
	map_one(t, HUGE, 0, 30);
	for (unsigned i = 0; i < 3; i++)
		map_one(t, WINDOW - BIT(21) + i * BIT(21), i * BIT(21), 21);
}

static void set_contexts(struct twin *t, const struct kind *k)
{
	struct guest_pasid p = { .did = DID,
				 .pgtt = t->first ? VTD_PGTT_FIRST : VTD_PGTT_SECOND,
				 .fs = t->root,
				 .fs_levels = 4,
				 .ss = t->root,
				 .ss_levels = 4,
				 .extra0 = k->extra0,
				 .extra2 = k->extra2 };

	if (!k->scalable) {
		guest_legacy(&t->g, RID, DID, t->root, 4);
		return;
	}
	guest_pasid(&t->g, RID, 0, &p);
	p.did++;
	guest_pasid(&t->g, RID, PASID, &p);
}

static void open_twin(struct twin *t, const struct kind *k)
{
	const struct viommu_limits limits = { .size = sizeof(limits),
					      .tlb_entries = k->tlb,
					      .tables = k->tables,
					      .domains = 16,
					      .channel_entries = 16 };
	struct viommu_vtd_config config = { .size = sizeof(config),
					    .cap = k->cap,
					    .ecap = k->ecap,
					    .version = k->version,
					    .limits = &limits };
	const struct viommu_region r = { .size = sizeof(r),
					 .flags = VIOMMU_REGION_READONLY,
					 .gpa = ROM,
					 .bytes = sizeof(rom),
					 .host = rom };

	memset(t, 0, sizeof(*t));
	guest_init(&t->g, GUEST_REGION, 320);
	assert_int_equal(viommu_vm_add_region(t->g.vm, &r), VIOMMU_OK);
	t->g.trace = t == &twin[1] ? on_trace : NULL;
	if (guest_try_vtd_config(&t->g, &config))
		fail_msg("%s: %s", k->name, t->g.message ? t->g.message : "no message");
	t->pool = guest_alloc(&t->g, 64);
	t->root = guest_table(&t->g);
	t->first = k->first;
	for (unsigned i = 0; i < PAGES; i++)
		map(t, i, 4 + i, table_bits(t));
	map_large(t);
	set_contexts(t, k);
	guest_start(&t->g, k->scalable ? VTD_TTM_SCALABLE : VTD_TTM_LEGACY);
	t->device = guest_device(&t->g, RID);
	for (unsigned i = 0; i < CHANNELS; i++)
		t->channel[i] = guest_channel(&t->g, t->device,
					      i == 2 && k->scalable ? PASID : VIOMMU_NO_PASID);
}

/* ---- DMA ---- */

static uint64_t random_address(void)
{
	switch (below(12)) {
	case 0:
		return LARGE + (uint64_t)below(6) * 0x200000 + below(0x200000);
	case 1:
		return HUGE + below(0x40000000);
	case 2:
		return HUGE + (below(2) ? ROM : GUEST_BASE) + below(0x4000);
	case 3:
		return WINDOW - 0x200000 + below(0x600000);
	case 4:
		return below(2) ? UINT64_MAX - below(64) : (uint64_t)below(64) << 46;
	default:
		return IOVA + (uint64_t)below(PAGES) * GUEST_PAGE + below(GUEST_PAGE);
	}
}

static struct viommu_request random_request(unsigned channel, bool scalable)
{
	static const uint16_t usual[] = { VIOMMU_READ, VIOMMU_WRITE, VIOMMU_READ | VIOMMU_WRITE };
	struct viommu_request r = { .first = random_address(),
				    .pasid = channel == 2 && scalable ? PASID : VIOMMU_NO_PASID,
				    .access = usual[below(3)] };

	r.last = r.first + (below(3) ? below(64) : below(3 * GUEST_PAGE));
	if (below(64) == 0)
		r.last = r.first - 1;
	if (below(4) == 0)
		r.access = (uint16_t)below(32);
	if (below(32) == 0)
		r.type = (uint16_t)below(3);
	if (below(64) == 0)
		r.pasid = below(2) ? VIOMMU_NO_PASID : PASID;
	return r;
}

static uint64_t host_of(const struct twin *t, const struct viommu_fragment *f)
{
	const uint8_t *host = f->host;

	if (host >= rom && host < rom + sizeof(rom))
		return ROM + (uint64_t)(host - rom);
	return host ? GUEST_BASE + (uint64_t)(host - t->g.ram) : 0;
}

static void compare_answers(const char *row)
{
	const struct viommu_answer *a = &twin[0].answer, *b = &twin[1].answer;

	check_eq(row, twin[0].result, twin[1].result);
	if (twin[0].result < 0)
		return;
	check_eq(row, a->next, b->next);
	check_eq(row, a->count, b->count);
	check_eq(row, a->reason, b->reason);
	check_eq(row, a->ats, b->ats);
	check_eq(row, a->extent_lg2, b->extent_lg2);
	check_eq(row, a->flags, b->flags);
	for (uint32_t i = 0; i < a->count; i++) {
		const struct viommu_fragment *f = &twin[0].fragment[i], *g = &twin[1].fragment[i];

		check_eq(row, f->gpa, g->gpa);
		check_eq(row, f->length, g->length);
		check_eq(row, f->perm, g->perm);
		check_eq(row, f->flags, g->flags);
		check_eq(row, host_of(&twin[0], f), host_of(&twin[1], g));
	}
}

static void enter_or_leave(unsigned c)
{
	for (unsigned i = 0; i < 2; i++) {
		struct twin *t = &twin[i];

		assert_int_equal(t->open[c] ? viommu_leave(t->channel[c])
					    : viommu_enter(t->channel[c]),
				 VIOMMU_OK);
		t->open[c] = !t->open[c];
	}
}

static void dma(const char *row, bool scalable)
{
	unsigned c = below(CHANNELS);
	struct viommu_request r = random_request(c, scalable);
	uint32_t max = 1 + below(4);

	if (!twin[0].open[c] && below(4))
		enter_or_leave(c);
	for (unsigned i = 0; i < 2; i++) {
		struct twin *t = &twin[i];

		memset(&t->answer, 0x5a, sizeof(t->answer));
		memset(t->fragment, 0x5a, sizeof(t->fragment));
		t->result = viommu_translate(t->channel[c], &r, t->fragment, max, &t->answer);
	}
	compare_answers(row);
}

/* ---- what changes ---- */

static void change_page(void)
{
	unsigned page = below(PAGES), where = below(40);
	uint64_t bits = below(6) ? table_bits(&twin[0]) : below(8);

	bits |= (uint64_t)(below(4) ? 0 : below(128)) << 5; /* A, D, of either stage; SNP */
	bits |= below(32) ? 0 : BIT(62 + below(2));
	map(&twin[0], page, where, bits);
	map(&twin[1], page, where, bits);
}

static void invalidate(bool scalable)
{
	uint32_t did = DID + below(2);
	uint64_t pages = IOVA + (uint64_t)below(PAGES) * GUEST_PAGE;
	uint64_t q0 = GUEST_IOTLB(3, did), q1 = pages | below(3);
	unsigned kind = below(16);

	if (twin[0].first && below(4))
		q0 = GUEST_PIOTLB(2 + below(2), did, did == DID ? 0 : PASID);
	if (kind == 0)
		q0 = GUEST_IOTLB(1, 0);
	else if (kind < 3)
		q0 = GUEST_IOTLB(2, did);
	else if (kind < 5)
		q0 = GUEST_CC(1 + below(3), did, RID, 0);
	else if (kind == 5 && scalable)
		q0 = GUEST_PC(below(2), did, PASID);
	else if (kind < 8)
		q1 |= 1U << 6;
	if (kind < 6 || (q0 & (VTD_QI_TYPE_LO | VTD_QI_G)) == GUEST_PIOTLB(2, 0, 0))
		q1 = 0;
	for (unsigned i = 0; i < 2; i++) {
		guest_submit(&twin[i].g, q0, q1, 0, 0);
		guest_ring(&twin[i].g);
	}
}

static void close_all(void)
{
	for (unsigned c = 0; c < CHANNELS; c++) {
		if (twin[0].open[c])
			enter_or_leave(c);
	}
}

static void protect(void)
{
	uint32_t on = below(2) << 31;

	close_all();
	for (unsigned i = 0; i < 2; i++) {
		int result = guest_write32(&twin[i].g, VTD_PMEN, on);

		while (result == VIOMMU_PENDING)
			result = viommu_run(twin[i].g.iommu);
	}
}

static void begin_or_end_dirty(void)
{
	uint64_t bits[2][8] = { { 0 } };

	close_all();
	for (unsigned i = 0; i < 2; i++) {
		struct twin *t = &twin[i];

		if (t->dirty) {
			assert_int_equal(viommu_dirty_collect(t->dirty, bits[i]), VIOMMU_OK);
			assert_int_equal(viommu_dirty_stop(t->dirty), VIOMMU_OK);
			t->dirty = NULL;
			continue;
		}
		assert_int_equal(viommu_dirty_start(t->g.iommu, NULL, GUEST_BASE,
						    GUEST_BASE + t->g.bytes - 1, &t->dirty),
				 VIOMMU_OK);
	}
	assert_memory_equal(bits[0], bits[1], sizeof(bits[0]));
}

/* For a while. */
static void rename_device(const struct kind *k)
{
	uint32_t ids[] = { below(2) ? OTHER_ID : VIOMMU_NO_ID, RID };

	for (unsigned n = 0; n < ARRAY_COUNT(ids); n++) {
		for (unsigned i = 0; i < 2; i++)
			assert_int_equal(viommu_device_set_id(twin[i].device, ids[n]), VIOMMU_OK);
		for (unsigned i = 0; i < 4; i++)
			dma(k->name, k->scalable);
	}
}

static void turn_off_and_on(const struct kind *k)
{
	for (unsigned on = 0; on < 2; on++) {
		close_all();
		for (unsigned i = 0; i < 2; i++)
			guest_command(&twin[i].g, VTD_G_TE, on);
		dma(k->name, k->scalable);
	}
}

/* ---- what can be seen of it ---- */

static void compare_counts(const char *row)
{
	struct viommu_statistics s[2];

	for (unsigned i = 0; i < 2; i++) {
		s[i] = (struct viommu_statistics){ .size = sizeof(s[i]) };
		assert_int_equal(viommu_get_statistics(twin[i].g.iommu, &s[i]), VIOMMU_OK);
	}
	check_eq(row, s[0].misses, s[1].misses);
	check_eq(row, s[0].fills, s[1].fills);
	check_eq(row, s[0].evictions, s[1].evictions);
	check_eq(row, s[0].faults, s[1].faults);
}

static uint64_t at_once(const struct twin *t)
{
	return counter_get(&t->device->counters.of[COUNT_FILLED_MISSES]);
}

static void compare_faults(const char *row)
{
	struct guest_fault a, b;

	for (unsigned i = 0; i < 64 && guest_take_fault(&twin[0].g, &a); i++) {
		check_that(row, guest_take_fault(&twin[1].g, &b));
		check_eq(row, a.info, b.info);
		check_eq(row, a.high, b.high);
	}
	check_that(row, !guest_take_fault(&twin[1].g, &b));
}

static void one_step(const struct kind *k)
{
	unsigned what = below(200);

	if (what < 10)
		enter_or_leave(below(CHANNELS));
	else if (what < 45)
		change_page();
	else if (what < 60)
		invalidate(k->scalable);
	else if (what == 60 || (what < 70 && twin[0].dirty))
		begin_or_end_dirty();
	else if (what == 62)
		rename_device(k);
	else if (what == 63)
		turn_off_and_on(k);
	else if (what == 64 && (k->cap & VTD_CAP_PLMR))
		protect();
	else
		dma(k->name, k->scalable);
}

static void rounds(const struct kind *k)
{
	for (unsigned i = 0; i < 2; i++)
		open_twin(&twin[i], k);
	for (unsigned i = 0; k->cap & VTD_CAP_PLMR && i < 2; i++) {
		guest_write32(&twin[i].g, VTD_PLMBASE, 0x200000);
		guest_write32(&twin[i].g, VTD_PLMLIMIT, 0x200000);
	}
	for (unsigned i = 0; i < run_scaled(10000); i++) {
		one_step(k);
		compare_counts(k->name);
	}
	compare_faults(k->name);
	assert_memory_equal(twin[0].g.ram, twin[1].g.ram, (size_t)twin[0].g.bytes);
	check_that(k->name, at_once(&twin[0]) > run_scaled(200));
	check_eq(k->name, at_once(&twin[1]), 0);
	close_all();
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(viommu_dirty_stop(twin[i].dirty), VIOMMU_OK);
		guest_fini(&twin[i].g);
	}
}

static void every_kind(void **state)
{
	const struct kind kinds[] = {
		{ "legacy", false, false, 0, 4096, 64, GUEST_CAP, GUEST_ECAP_LEGACY, 0, 0 },
		{ "legacy, small caches", false, false, 0, 20, 2, GUEST_CAP, GUEST_ECAP_LEGACY, 0,
		  0 },
		{ "legacy, no large pages, no snoop control", false, false, 0, 64, 64,
		  GUEST_CAP & ~VTD_CAP_SSLPS, GUEST_ECAP_LEGACY & ~VTD_ECAP_SC, 0, 0 },
		{ "scalable", true, false, 0, 64, 4, GUEST_CAP_SCALABLE, GUEST_ECAP_SCALABLE, 0,
		  0 },
		{ "accessed and dirty", true, false, 0, 64, 4, GUEST_CAP_SCALABLE,
		  GUEST_ECAP_SCALABLE, VTD_PE_SSADE, 0 },
		{ "accessed and dirty, SRE and ERE", true, false, 0, 64, 4, GUEST_CAP_SCALABLE,
		  GUEST_ECAP_SCALABLE, VTD_PE_SSADE, VTD_PE_SRE | VTD_PE_ERE },
		{ "first stage", true, true, 0, 64, 4, GUEST_CAP_SCALABLE, GUEST_ECAP_SCALABLE, 0,
		  VTD_PE_ERE },
		{ "first stage, SRE, EAFE, small caches", true, true, 0, 20, 2, GUEST_CAP_SCALABLE,
		  GUEST_ECAP_SCALABLE, 0, VTD_PE_SRE | VTD_PE_EAFE | VTD_PE_WPE },
		{ "protected memory", false, false, 0x20, 64, 4, GUEST_CAP | VTD_CAP_PLMR,
		  GUEST_ECAP_LEGACY, 0, 0 },
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
