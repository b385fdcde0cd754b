/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_vtd_shadow.c - shadows of a guest's mappings, as VFIO keeps them: what was replayed and stays
 * as it was is never told as unmapped, and everything else is (obligations 31, 38).
 */

#include <string.h>

#include "vtd_unit.h"

#define NONE  VIOMMU_NO_PASID
#define PAGES 64U
#define BASE  UINT64_C(0x40000000)
#define AT(n) (BASE + (uint64_t)(n)*GUEST_PAGE)

/* Two devices with a domain each; what the host has mapped of them, by page. */
static struct {
	struct unit *u;
	struct viommu_device *device[2];
	struct viommu_listener *listener;
	uint64_t root[2];
	uint64_t page[2][PAGES]; /* gpa | perm; 0: not mapped */
	uint32_t pasid;
	unsigned unmaps[2];
	unsigned vanished[2]; /* pages that were unmapped though the tables have them */
	unsigned everything;  /* unmaps of more than these pages */
	struct {
		unsigned who;
		uint64_t first;
		uint64_t last;
	} due[256];
	unsigned dues;
} s;

static uint64_t entry(unsigned who, unsigned n)
{
	return guest_entry(&s.u->g, s.root[who], 4, AT(n), 0, 3);
}

static uint64_t target(unsigned who, unsigned n)
{
	return 0x10000000 + ((uint64_t)who << 24) + n * 2 * GUEST_PAGE;
}

static unsigned who(const struct viommu_device *device)
{
	return device == s.device[1];
}

static int on_mapped(void *opaque, uint64_t iova, const struct viommu_fragment *f)
{
	unsigned w = *(unsigned *)opaque;

	for (unsigned n = 0; n < PAGES; n++) {
		if (AT(n) >= iova && AT(n) - iova < f->length)
			s.page[w][n] = (f->gpa + (AT(n) - iova)) | (f->perm & 3);
	}
	return 0;
}

static void on_unmap(void *opaque, struct viommu_device *device, uint32_t pasid, uint64_t first,
		     uint64_t last)
{
	unsigned w = who(device);

	(void)opaque;
	s.unmaps[w]++;
	if (pasid != VIOMMU_ANY_PASID && pasid != s.pasid)
		return;
	s.everything += pasid == VIOMMU_ANY_PASID;
	for (unsigned n = 0; n < PAGES; n++) {
		if (AT(n) + GUEST_PAGE - 1 < first || AT(n) > last)
			continue;
		s.vanished[w] += s.page[w][n] && s.page[w][n] == guest_get64(&s.u->g, entry(w, n));
		s.page[w][n] = 0;
	}
	assert_true(s.dues < ROWS(s.due));
	s.due[s.dues].who = w;
	s.due[s.dues].first = first;
	s.due[s.dues++].last = last;
}

static void replay(unsigned w, uint64_t first, uint64_t last)
{
	while (viommu_replay(s.device[w], s.pasid, &first, last, 0, on_mapped, &w) == VIOMMU_MORE)
		;
}

static void on_complete(void *opaque)
{
	(void)opaque;
	for (unsigned i = 0; i < s.dues; i++)
		replay(s.due[i].who, s.due[i].first, s.due[i].last);
	s.dues = 0;
}

static void fill(void)
{
	for (unsigned w = 0; w < 2; w++) {
		for (unsigned n = 0; n < PAGES; n++)
			guest_ss_map(&s.u->g, s.root[w], 4, AT(n), target(w, n), 12, 3);
	}
}

static void forget(void)
{
	memset(s.unmaps, 0, sizeof(s.unmaps));
	memset(s.vanished, 0, sizeof(s.vanished));
	s.everything = 0;
}

static void open_shadows(bool scalable, uint32_t pasid, struct viommu_limits *limits)
{
	const struct viommu_listener_config config = { .size = sizeof(config),
						       .unmap = on_unmap,
						       .complete = on_complete };
	struct viommu_vtd_config vtd = { .size = sizeof(vtd), .limits = limits };
	struct unit *u = &unit;

	memset(&s, 0, sizeof(s));
	s.u = u;
	s.pasid = pasid;
	guest_init(&u->g, GUEST_REGION, 400);
	vtd.cap = (scalable ? GUEST_CAP_SCALABLE : GUEST_CAP) | VTD_CAP_CM;
	vtd.ecap = scalable ? GUEST_ECAP_SCALABLE & ~VTD_ECAP_NEST : GUEST_ECAP_LEGACY;
	row_equal(guest_try_vtd_config(&u->g, &vtd), VIOMMU_OK);
	for (unsigned w = 0; w < 2; w++) {
		uint16_t rid = w ? UNIT_RID2 : UNIT_RID;
		struct guest_pasid p = { .did = (uint16_t)(UNIT_DID + w),
					 .pgtt = VTD_PGTT_SECOND,
					 .ss_levels = 4 };

		s.root[w] = p.ss = guest_table(&u->g);
		if (scalable)
			guest_pasid(&u->g, rid, pasid == NONE ? 0 : pasid, &p);
		else
			guest_legacy(&u->g, rid, p.did, p.ss, 4);
		s.device[w] = guest_device(&u->g, rid);
	}
	fill();
	guest_start(&u->g, scalable ? VTD_TTM_SCALABLE : VTD_TTM_LEGACY);
	row_equal(viommu_listener_new(u->g.iommu, NULL, &config, &s.listener), VIOMMU_OK);
	while (viommu_run(u->g.iommu) == VIOMMU_PENDING)
		;
	replay(0, 0, UINT64_MAX);
	replay(1, 0, UINT64_MAX);
	forget();
}

static void close_shadows(void)
{
	row_equal(viommu_listener_free(s.listener), VIOMMU_OK);
	guest_fini(&s.u->g);
}

/* The shadows have what the tables have. */
static void right(void)
{
	for (unsigned w = 0; w < 2; w++) {
		for (unsigned n = 0; n < PAGES; n++) {
			uint64_t e = guest_get64(&s.u->g, entry(w, n));

			row_equal(s.page[w][n], e & 3 ? e : 0);
		}
	}
}

static void invalidate(uint64_t q0, uint64_t q1)
{
	guest_submit(&s.u->g, q0, q1, 0, 0);
	guest_wait(&s.u->g);
}

static const struct {
	const char *name;
	uint64_t q[2];
} ways[] = {
	{ "6.5.2.3 IOTLB page, rounded up to 64", { Q_IOTLB(3, UNIT_DID), BASE | 6 } },
	{ "6.5.2.3 IOTLB domain", { Q_IOTLB(2, UNIT_DID), 0 } },
	{ "6.5.2.3 IOTLB global", { Q_IOTLB(1, 0), 0 } },
	{ "6.5.2.1 CC device", { Q_CC(3, UNIT_DID, UNIT_RID, 0), 0 } },
	{ "6.5.2.1 CC global", { Q_CC(1, 0, 0, 0), 0 } },
};

static const struct {
	bool scalable;
	uint32_t pasid;
} modes[] = { { false, NONE }, { true, NONE }, { true, 9 } };

/* What has changed is told, in one call where nothing lies between that has not; what has not changed
 * is not. */
static void test_differences(void **state)
{
	(void)state;
	for (size_t m = 0; m < ROWS(modes); m++) {
		open_shadows(modes[m].scalable, modes[m].pasid, NULL);
		right();
		for (size_t i = 0; i < ROWS(ways); i++) {
			row_name = ways[i].name;
			fill();
			invalidate(Q_IOTLB(1, 0), 0);
			forget();
			invalidate(ways[i].q[0], ways[i].q[1]); /* nothing */
			row_equal(s.unmaps[0] + s.unmaps[1], 0);
			for (unsigned n = 5; n < 8; n++) /* gone */
				guest_put64(&s.u->g, entry(0, n), 0);
			invalidate(ways[i].q[0], ways[i].q[1]);
			row_equal(s.unmaps[0], 1);
			right();
			guest_put64(&s.u->g, entry(0, 6), target(0, 6) | 3);   /* newly mapped */
			guest_put64(&s.u->g, entry(0, 20), target(0, 50) | 3); /* elsewhere */
			guest_put64(&s.u->g, entry(0, 30), target(0, 30) | 1); /* read only */
			invalidate(ways[i].q[0], ways[i].q[1]);
			row_equal(s.unmaps[0], 4);
			right();
			row_equal(s.vanished[0] + s.vanished[1] + s.unmaps[1] + s.everything, 0);
			invalidate(ways[i].q[0], ways[i].q[1]);
			row_equal(s.unmaps[0], 4);
		}
		close_shadows();
	}
}

/* A context that goes, and comes back. */
static void test_blocked(void **state)
{
	uint64_t context, raw;

	(void)state;
	open_shadows(false, NONE, NULL);
	context = guest_legacy_entry(&s.u->g, UNIT_RID);
	raw = guest_get64(&s.u->g, context);
	row_name = "no context: all of it is gone";
	guest_put64(&s.u->g, context, 0);
	invalidate(Q_CC(3, UNIT_DID, UNIT_RID, 0), 0);
	row_equal(s.unmaps[0], 1);
	for (unsigned n = 0; n < PAGES; n++)
		row_equal(s.page[0][n], 0);
	row_name = "and back";
	guest_put64(&s.u->g, context, raw);
	invalidate(Q_CC(3, UNIT_DID, UNIT_RID, 0), 0);
	right();
	row_name = "TE off: all of it is elsewhere";
	guest_command(&s.u->g, VTD_G_TE, false);
	row_equal(s.page[0][3], AT(3) | 3);
	row_name = "TE on";
	guest_command(&s.u->g, VTD_G_TE, true);
	right();
	close_shadows();
}

/* The same mapping in other sizes is the same. */
static void test_sizes(void **state)
{
	uint64_t table;

	(void)state;
	open_shadows(false, NONE, NULL);
	row_name = "a 2 MiB page becomes 512 of 4 KiB";
	guest_ss_map(&s.u->g, s.root[0], 4, BASE + (1 << 21), 0x20000000, 21, 3);
	invalidate(Q_IOTLB(2, UNIT_DID), 0);
	row_equal(s.unmaps[0], 1);
	forget();
	table = guest_table(&s.u->g);
	for (unsigned i = 0; i < 512; i++)
		guest_put64(&s.u->g, table + 8 * i, 0x20000000 | i << 12 | 3);
	guest_put64(&s.u->g, guest_entry(&s.u->g, s.root[0], 4, BASE + (1 << 21), 1, 3), table | 3);
	invalidate(Q_IOTLB(2, UNIT_DID), 0);
	row_equal(s.unmaps[0], 0);
	row_name = "and one of them goes";
	guest_put64(&s.u->g, table + 8 * 77, 0);
	invalidate(Q_IOTLB(3, UNIT_DID), (BASE + (1 << 21)) | 9);
	row_equal(s.unmaps[0], 1);
	row_equal(s.dues, 0);
	row_equal(s.everything, 0);
	close_shadows();
}

/* Who may have more than was replayed is told all of it. */
static void test_fall_back(void **state)
{
	struct viommu_limits limits = { .size = sizeof(limits), .shadow = 16 };

	(void)state;
	open_shadows(false, NONE, NULL);
	row_name = "31 a device that is also translated";
	row_equal(where(s.device[0], AT(3), VIOMMU_READ), target(0, 3));
	invalidate(Q_IOTLB(3, UNIT_DID), AT(3));
	row_equal(s.everything, 1);
	row_equal(s.vanished[0], 1);
	right();
	row_name = "the other is not";
	invalidate(Q_IOTLB(3, UNIT_DID2), AT(3));
	row_equal(s.unmaps[1], 0);
	close_shadows();

	open_shadows(false, NONE, &limits);
	row_name = "27 more ranges than are remembered";
	guest_put64(&s.u->g, entry(0, 3), 0);
	invalidate(Q_IOTLB(2, UNIT_DID), 0);
	row_equal(s.everything, 1);
	right();
	close_shadows();
}

/* A replay that is under way may have read what the invalidation changes. */
static int meddle(void *opaque, uint64_t iova, const struct viommu_fragment *f)
{
	(void)iova;
	(void)f;
	if (++*(unsigned *)opaque == 3) {
		guest_put64(&s.u->g, entry(0, 5), 0);
		guest_submit(&s.u->g, Q_IOTLB(3, UNIT_DID), AT(5), 0, 0);
		guest_ring(&s.u->g);
	}
	return 0;
}

static void test_overtaken(void **state)
{
	uint64_t first = 0;
	unsigned calls = 0;

	(void)state;
	open_shadows(false, NONE, NULL);
	row_name = "12 an invalidation inside of a replay";
	viommu_replay(s.device[0], NONE, &first, UINT64_MAX, 0, meddle, &calls);
	row_equal(s.everything, 1);
	row_equal(s.page[0][5], 0);
	close_shadows();
}

/* As much as a call may not do at once: the rest by viommu_run(), before the guest learns that it is
 * complete. */
static void test_steps(void **state)
{
	static const uint32_t steps[] = { 1, 2, 7, 40 };

	(void)state;
	for (size_t i = 0; i < ROWS(steps); i++) {
		struct viommu_limits limits = { .size = sizeof(limits), .steps = steps[i] };
		unsigned calls = 0;

		open_shadows(false, NONE, &limits);
		row_name = "38 in steps";
		for (unsigned n = 0; n < PAGES; n += 3)
			guest_put64(&s.u->g, entry(0, n), 0);
		guest_submit(&s.u->g, Q_IOTLB(2, UNIT_DID), 0, 0, 0);
		guest_submit_wait(&s.u->g);
		row_equal(guest_ring(&s.u->g), VIOMMU_PENDING);
		while (!guest_waited(&s.u->g)) {
			assert_true(++calls < 500);
			viommu_run(s.u->g.iommu);
		}
		row_equal(calls >= 20 / steps[i], true);
		row_equal(s.vanished[0] + s.everything, 0);
		right();
		close_shadows();
	}
}

/* A device may go while there is something left to compare of it. */
static void test_freed(void **state)
{
	struct viommu_limits limits = { .size = sizeof(limits), .steps = 2 };

	(void)state;
	open_shadows(false, NONE, &limits);
	row_name = "freed between two calls";
	guest_submit(&s.u->g, Q_IOTLB(2, UNIT_DID), 0, 0, 0);
	guest_submit(&s.u->g, Q_IOTLB(2, UNIT_DID2), 0, 0, 0);
	guest_submit_wait(&s.u->g);
	row_equal(guest_ring(&s.u->g), VIOMMU_PENDING);
	guest_drop(&s.u->g); /* fails the test unless all of them go */
	while (!guest_waited(&s.u->g))
		viommu_run(s.u->g.iommu);
	close_shadows();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_differences), cmocka_unit_test(test_blocked),
		cmocka_unit_test(test_sizes),	    cmocka_unit_test(test_fall_back),
		cmocka_unit_test(test_overtaken),   cmocka_unit_test(test_steps),
		cmocka_unit_test(test_freed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
