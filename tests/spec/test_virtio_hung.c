/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_virtio_hung.c - an endpoint that does not let go, or says that it failed to: requests that
 * concern it wait until the VMM declares it dead, those of strangers do not (obligations 34, 41).
 */
#include "check.h"

#include <string.h>

#include "trace.h"
#include "virtio_rig.h"

/* Endpoint 2 hangs. It shares domain 7 with endpoint 1; 3 and 4 are strangers in domain 8. */
static struct virtio_rig *open_two(void)
{
	const struct viommu_virtio_config config = { .size = 0 };
	struct virtio_rig *r = vr_open(&config);

	row_equal(vr_attach(r, 7, 1, 0), ST_OK);
	row_equal(vr_attach(r, 7, 2, 0), ST_OK);
	row_equal(vr_attach(r, 8, 3, 0), ST_OK);
	row_equal(vr_attach(r, 8, 4, 0), ST_OK);
	for (uint64_t i = 0; i < 8; i++) {
		row_equal(vr_map(r, 7, i << 12, i << 12 | 0xfff, (16 + i) << 12, 3), ST_OK);
		row_equal(vr_map(r, 8, i << 12, i << 12 | 0xfff, (32 + i) << 12, 3), ST_OK);
	}
	r->completions = 0;
	return r;
}

/* ---- ways to hang ---- */

/* A section that is not closed: of a channel, as of a backend. */
static void hang_section(struct virtio_rig *r)
{
	row_equal(viommu_enter(r->channel[2]), VIOMMU_OK);
}

static void unhang_section(struct virtio_rig *r)
{
	row_equal(viommu_leave(r->channel[2]), VIOMMU_OK);
}

/* Invalidations of its own cache that are not answered, or refused. */
static int how_refused;

static void hang_device(struct virtio_rig *r)
{
	r->g.count[GUEST_ON_INVALIDATE] = 0;
	r->g.invalidate_result = how_refused;
	row_equal(vr_unmap(r, 7, 0x7000, 0x7fff), ST_OK);
	row_equal(r->result, VIOMMU_PENDING);
	/* endpoint 1 answers, late */
	for (unsigned i = 0; i < r->g.count[GUEST_ON_INVALIDATE]; i++) {
		if (r->g.invalidation[i].id == 1)
			row_equal(viommu_invalidation_done(
					  r->device[1], r->g.invalidation[i].what.token, VIOMMU_OK),
				  VIOMMU_OK);
	}
	r->g.invalidate_result = VIOMMU_OK;
}

static void unhang_device(struct virtio_rig *r)
{
	guest_drop(&r->g); /* the VMM takes it away, and the others with it */
}

static const struct {
	const char *name;
	void (*hang)(struct virtio_rig *r);
	void (*unhang)(struct virtio_rig *r);
	int how;
	unsigned before; /* requests that are pending by then */
} ways[] = {
	{ "41 a section stays open", hang_section, unhang_section, 0, 0 },
	{ "41 an invalidation is not answered", hang_device, unhang_device, VIOMMU_PENDING, 1 },
	{ "34 invalidate answers VIOMMU_FAULT", hang_device, unhang_device, VIOMMU_FAULT, 1 },
	{ "34 invalidate answers VIOMMU_MORE", hang_device, unhang_device, VIOMMU_MORE, 1 },
	{ "34 invalidate answers VIOMMU_ENOMEM", hang_device, unhang_device, VIOMMU_ENOMEM, 1 },
	{ "34 invalidate answers -100", hang_device, unhang_device, -100, 1 },
};

static void each_way(void (*test)(struct virtio_rig *r, unsigned before))
{
	for (size_t i = 0; i < VR_ROWS(ways); i++) {
		struct virtio_rig *r = open_two();
		unsigned before = ways[i].before;

		row_name = ways[i].name;
		how_refused = ways[i].how;
		ways[i].hang(r);
		test(r, before);
		row_equal(viommu_run(r->g.iommu), VIOMMU_PENDING);
		before = r->completions;
		ways[i].unhang(r);
		row_equal(viommu_run(r->g.iommu), VIOMMU_OK);
		row_equal(r->completions > before, true);
		vr_close(r);
		vr_rows_run++;
	}
}

static void at_once(struct virtio_rig *r, unsigned status)
{
	row_equal(status, ST_OK);
	row_equal(r->result, VIOMMU_OK);
}

static void waits(struct virtio_rig *r, unsigned status)
{
	row_equal(status, ST_OK);
	row_equal(r->result, VIOMMU_PENDING);
}

/* Strangers do what they like, for longer than requests can be pending. */
static void strangers(struct virtio_rig *r)
{
	unsigned completions = r->completions;

	for (unsigned i = 0; i < 1100; i++) {
		at_once(r, vr_unmap(r, 8, 0x1000, 0x1fff));
		at_once(r, vr_map(r, 8, 0x1000, 0x1fff, 0x50000, 3));
	}
	at_once(r, vr_unmap(r, 8, 0x100000, 0x1fffff)); /* finds nothing */
	at_once(r, vr_attach(r, 9, 4, 0));
	at_once(r, vr_detach(r, 9, 4));
	at_once(r, vr_attach(r, 8, 4, 0));
	row_equal(r->completions, completions);
}

static void strangers_go_on(struct virtio_rig *r, unsigned before)
{
	waits(r, vr_unmap(r, 7, 0, 0xfff));
	strangers(r);
	/* nor does run() complete what concerns it */
	row_equal(viommu_run(r->g.iommu), VIOMMU_PENDING);
	row_equal(r->completions, 0);
	strangers(r);
}

static void test_strangers(void **state)
{
	each_way(strangers_go_on);
}

/* What a stranger waits for, for a reason of his own, is complete before. */
static void out_of_order(struct virtio_rig *r, unsigned before)
{
	uint64_t token;

	waits(r, vr_unmap(r, 7, 0, 0xfff));
	row_equal(viommu_enter(r->channel[3]), VIOMMU_OK);
	waits(r, vr_unmap(r, 8, 0, 0xfff));
	token = r->token;
	row_equal(viommu_run(r->g.iommu), VIOMMU_PENDING);
	row_equal(r->completions, 0);
	row_equal(viommu_leave(r->channel[3]), VIOMMU_OK);
	row_equal(viommu_run(r->g.iommu), VIOMMU_PENDING);
	row_equal(r->completions, 1);
	row_equal(r->completed[0], token);
}

static void test_out_of_order(void **state)
{
	each_way(out_of_order);
}

/* It leaves the domain, and still uses what it had there. */
static void leaves(struct virtio_rig *r, unsigned before)
{
	row_equal(viommu_enter(r->channel[2]), before ? VIOMMU_OK : VIOMMU_EBUSY);
	waits(r, vr_detach(r, 7, 2));
	waits(r, vr_unmap(r, 7, 0x1000, 0x1fff));
	row_equal(vr_attach(r, 10, 2, 0), ST_OK);
	row_equal(vr_map(r, 10, 0, 0xfff, 0x60000, 3), ST_OK);
	waits(r, vr_attach(r, 11, 2, 0));
	waits(r, vr_unmap(r, 7, 0x2000, 0x2fff)); /* three moves later */
	strangers(r);
	/* the slot of the domain that it left is another's now: of one that it never had */
	at_once(r, vr_attach(r, 12, 4, 0));
	row_equal(vr_map(r, 12, 0, 0xfff, 0x60000, 3), ST_OK);
	at_once(r, vr_unmap(r, 12, 0, 0xfff));
	row_equal(viommu_run(r->g.iommu), VIOMMU_PENDING);
	row_equal(r->completions, 0);
	if (before)
		row_equal(viommu_leave(r->channel[2]), VIOMMU_OK);
}

static void test_leaves(void **state)
{
	each_way(leaves);
}

/* A section that was opened after it left does not hold back what it left. */
static void test_left_before(void **state)
{
	struct virtio_rig *r = open_two();

	row_name = "41 a section in another domain";
	at_once(r, vr_attach(r, 10, 2, 0));
	hang_section(r);
	at_once(r, vr_unmap(r, 7, 0, 0xfff));
	waits(r, vr_detach(r, 10, 2));
	at_once(r, vr_unmap(r, 7, 0x1000, 0x1fff));
	unhang_section(r);
	row_equal(viommu_run(r->g.iommu), VIOMMU_OK);
	row_equal(r->completions, 1);
	row_name = "41 it has let go: what it left is forgotten";
	at_once(r, vr_attach(r, 7, 2, 0));
	at_once(r, vr_attach(r, 10, 2, 0));
	hang_section(r);
	waits(r, vr_attach(r, 11, 2, 0));
	at_once(r, vr_unmap(r, 7, 0x2000, 0x2fff));
	unhang_section(r);
	row_equal(viommu_run(r->g.iommu), VIOMMU_OK);
	vr_close(r);
}

/* A reset concerns all, and what comes after it waits for it. */
static void reset_waits(struct virtio_rig *r, unsigned before)
{
	row_equal(viommu_enter(r->channel[3]), VIOMMU_OK);
	row_equal(viommu_virtio_reset(r->g.iommu), VIOMMU_PENDING);
	row_equal(vr_attach(r, 8, 4, 0), ST_OK);
	row_equal(vr_map(r, 8, 0, 0xfff, 0x60000, 3), ST_OK);
	waits(r, vr_unmap(r, 8, 0, 0xfff));
	row_equal(viommu_leave(r->channel[3]), VIOMMU_OK);
}

static void test_reset(void **state)
{
	each_way(reset_waits);
}

static void bypass_waits(struct virtio_rig *r, unsigned before)
{
	waits(r, vr_unmap(r, 7, 0, 0xfff));
	row_equal(vr_set_bypass(r, 1) >= VIOMMU_OK, true);
	row_equal(vr_set_bypass(r, 0), VIOMMU_PENDING);
	strangers(r);
}

static void test_bypass(void **state)
{
	each_way(bypass_waits);
}

/* ---- those that could not even be told, because too many others had not answered ---- */

static void declare_dead(struct virtio_rig *r, unsigned id)
{
	row_equal(viommu_device_fail(r->device[id]), VIOMMU_OK);
}

/* Endpoint 1 has all that can be outstanding; 3 has not been told of what is 8's. */
static void test_untold(void **state)
{
	static const struct {
		const char *name;
		void (*gone)(struct virtio_rig *r, unsigned id);
	} rows[] = {
		{ "41 it is dead: nobody waits for it, and the host is told", declare_dead },
		{ "41 it is freed: the same", vr_drop },
	};
	const struct viommu_limits limits = { .size = sizeof(limits), .outstanding = 1 };
	const struct viommu_virtio_config config = { .limits = &limits };

	for (size_t i = 0; i < VR_ROWS(rows); i++) {
		struct virtio_rig *r = vr_open(&config);
		unsigned asked, works;
		uint64_t token;

		row_name = rows[i].name;
		row_equal(vr_attach(r, 7, 1, 0), ST_OK);
		row_equal(vr_attach(r, 8, 3, 0), ST_OK);
		row_equal(vr_map(r, 7, 0, 0x1fff, 0x50000, 3), ST_OK);
		row_equal(vr_map(r, 8, 0, 0x1fff, 0x60000, 3), ST_OK);
		r->g.count[GUEST_ON_INVALIDATE] = 0;
		r->g.invalidate_result = VIOMMU_PENDING;
		waits(r, vr_unmap(r, 7, 0, 0x1fff));
		waits(r, vr_unmap(r, 8, 0, 0x1fff));
		token = r->token;
		row_equal(viommu_run(r->g.iommu), VIOMMU_PENDING);
		row_equal(r->completions, 0);
		asked = r->g.count[GUEST_ON_INVALIDATE];
		row_equal(asked, 1);
		works = r->g.count[GUEST_ON_WORK];
		rows[i].gone(r, 3);
		row_equal(r->g.count[GUEST_ON_WORK] > works, true);
		row_equal(viommu_run(r->g.iommu), VIOMMU_PENDING);
		row_equal(r->completions, 1);
		row_equal(r->completed[0], token);
		rows[i].gone(r, 1);
		row_equal(viommu_run(r->g.iommu), VIOMMU_OK);
		row_equal(r->completions, 2);
		row_equal(r->g.count[GUEST_ON_INVALIDATE], asked);
		vr_close(r);
		vr_rows_run++;
	}
}

/* The others of its domain are waited for, and told, all the same. */
static void test_untold_others(void **state)
{
	const struct viommu_limits limits = { .size = sizeof(limits), .outstanding = 1 };
	const struct viommu_virtio_config config = { .limits = &limits };
	struct virtio_rig *r = vr_open(&config);

	row_name = "34 one of two that are owed is dead";
	for (unsigned id = 1; id <= 3; id++)
		row_equal(vr_attach(r, 7, id, 0), ST_OK);
	row_equal(vr_map(r, 7, 0, 0x1fff, 0x50000, 3), ST_OK);
	r->g.count[GUEST_ON_INVALIDATE] = 0;
	r->g.invalidate_result = VIOMMU_PENDING;
	waits(r, vr_unmap(r, 7, 0, 0x1fff)); /* 3 has been asked, 1 and 2 have not */
	row_equal(r->g.count[GUEST_ON_INVALIDATE], 1);
	row_equal(r->g.invalidation[0].id, 3);
	row_equal(viommu_device_fail(r->device[2]), VIOMMU_OK);
	row_equal(viommu_device_fail(r->device[3]), VIOMMU_OK);
	row_equal(viommu_run(r->g.iommu), VIOMMU_PENDING);
	row_equal(r->completions, 0);
	row_equal(r->g.count[GUEST_ON_INVALIDATE], 2);
	row_equal(r->g.invalidation[1].id, 1);
	row_equal(r->g.invalidation[1].what.last, UINT64_MAX);
	row_equal(viommu_invalidation_done(r->device[1], r->g.invalidation[1].what.token,
					   VIOMMU_OK),
		  VIOMMU_OK);
	row_equal(viommu_run(r->g.iommu), VIOMMU_OK);
	row_equal(r->completions, 1);
	row_equal(r->g.count[GUEST_ON_INVALIDATE], 2);
	row_name = "one that was declared dead is told again of what comes after";
	row_equal(vr_map(r, 7, 0, 0x1fff, 0x50000, 3), ST_OK);
	r->g.invalidate_result = VIOMMU_OK;
	r->g.count[GUEST_ON_INVALIDATE] = 0;
	at_once(r, vr_unmap(r, 7, 0, 0x1fff));
	row_equal(r->g.count[GUEST_ON_INVALIDATE], 3);
	vr_close(r);
	vr_rows_run += 2;
}

/* More are owed than a call has steps for. */
static void test_untold_steps(void **state)
{
	const struct viommu_limits limits = { .size = sizeof(limits),
					      .outstanding = 1,
					      .steps = 1 };
	const struct viommu_virtio_config config = { .limits = &limits };
	struct virtio_rig *r = vr_open(&config);

	row_name = "44 the host is told as long as somebody has not been told";
	for (unsigned id = 1; id <= 4; id++)
		row_equal(vr_attach(r, 7, id, 0), ST_OK);
	row_equal(vr_map(r, 7, 0, 0x1fff, 0x50000, 3), ST_OK);
	r->g.count[GUEST_ON_INVALIDATE] = 0;
	r->g.invalidate_result = VIOMMU_PENDING;
	waits(r, vr_unmap(r, 7, 0, 0x1fff));
	for (unsigned i = 0; i < 8; i++)
		row_equal(viommu_run(r->g.iommu), VIOMMU_PENDING);
	row_equal(r->g.count[GUEST_ON_INVALIDATE], 1);
	r->g.invalidate_result = VIOMMU_OK;
	r->g.count[GUEST_ON_WORK] = 0;
	row_equal(viommu_invalidation_done(r->device[r->g.invalidation[0].id],
					   r->g.invalidation[0].what.token, VIOMMU_OK),
		  VIOMMU_OK);
	while (r->g.count[GUEST_ON_WORK]) {
		r->g.count[GUEST_ON_WORK] = 0;
		row_equal(viommu_run(r->g.iommu) >= VIOMMU_OK, true);
	}
	row_equal(r->g.count[GUEST_ON_INVALIDATE], 4);
	row_equal(r->completions, 1);
	row_equal(viommu_run(r->g.iommu), VIOMMU_OK);
	vr_close(r);
	vr_rows_run++;
}

/* ---- thousands of sections ---- */

enum { CROWD = 9000 };

static struct viommu_channel *crowd[CROWD];

/* Calls until the host has not been told to call again. */
static unsigned calls(struct virtio_rig *r)
{
	unsigned n, seen;

	for (n = 0, seen = ~0U; seen != r->g.count[GUEST_ON_WORK] && n < 100; n++) {
		seen = r->g.count[GUEST_ON_WORK];
		if (viommu_run(r->g.iommu) != VIOMMU_PENDING)
			break;
	}
	return n;
}

/* Endpoint 1 is in domain 7, 3 in 8. One of the crowd is a channel of another endpoint than the rest. */
static struct virtio_rig *open_crowd(unsigned place, unsigned endpoint)
{
	static const struct viommu_limits limits = { .size = sizeof(limits),
						     .tlb_entries = 64,
						     .tables = 16,
						     .contexts = 16,
						     .domains = 16,
						     .channel_entries = 1 };
	const struct viommu_virtio_config config = { .size = sizeof(config), .limits = &limits };
	struct virtio_rig *r = vr_open(&config);

	row_equal(vr_attach(r, 7, 1, 0), ST_OK);
	row_equal(vr_attach(r, 8, 3, 0), ST_OK);
	row_equal(vr_map(r, 7, 0x1000, 0x1fff, 0x5000, VR_RW), ST_OK);
	row_equal(vr_map(r, 8, 0x1000, 0x1fff, 0x5000, VR_RW), ST_OK);
	for (unsigned i = 0; i < CROWD; i++)
		assert_int_equal(viommu_channel_new(r->device[i == place ? endpoint : 2],
						    VIOMMU_NO_PASID, &crowd[i]),
				 VIOMMU_OK);
	return r;
}

static void close_crowd(struct virtio_rig *r)
{
	for (unsigned i = 0; i < CROWD; i++)
		assert_int_equal(viommu_channel_free(crowd[i]), VIOMMU_OK);
	vr_close(r);
}

/* More than a call looks at. A stranger's open section holds back nothing, wherever it is; one of its own does, and who
 * closes that tells the host; requests that come while sections are still being looked at are not taken for older. */
static void test_thousands(void **state)
{
	row_name = "5.13.6.7 UNMAP with thousands of sections";
	for (unsigned at = 0; at < 3; at++) {
		struct virtio_rig *r = open_crowd(at * (CROWD - 1) / 2, 3);
		const unsigned place = at * (CROWD - 1) / 2;
		unsigned before;

		assert_int_equal(viommu_enter(crowd[place]), VIOMMU_OK);
		for (unsigned i = 0; i < 3; i++) {
			vr_map(r, 7, 0x1000, 0x1fff, 0x5000, VR_RW);
			before = r->completions;
			vr_unmap(r, 7, 0x1000, 0x1fff);
			if (r->result == VIOMMU_PENDING) {
				row_equal(calls(r) <= 12, true);
				row_equal(r->completions, before + 1);
			}
		}
		/* its own */
		vr_map(r, 7, 0x1000, 0x1fff, 0x5000, VR_RW);
		assert_int_equal(viommu_enter(r->channel[1]), VIOMMU_OK);
		before = r->completions;
		vr_unmap(r, 7, 0x1000, 0x1fff);
		row_equal(r->result, VIOMMU_PENDING);
		viommu_run(r->g.iommu);
		/* while that is looked at */
		vr_map(r, 8, 0x1000, 0x1fff, 0x5000, VR_RW);
		vr_unmap(r, 8, 0x1000, 0x1fff);
		row_equal(r->result, VIOMMU_PENDING);
		row_equal(calls(r) <= 24, true);
		row_equal(calls(r) <= 24, true);
		row_equal(r->completions, before);
		row_equal(viommu_run(r->g.iommu), VIOMMU_PENDING);
		calls(r);
		viommu_leave(r->channel[1]);
		row_equal(calls(r) <= 24, true);
		row_equal(r->completions, before + 1);
		viommu_leave(crowd[place]);
		row_equal(calls(r) <= 24, true);
		row_equal(r->completions, before + 2);
		close_crowd(r);
	}
}

/* Sections are still being looked at for a stranger's request. One that has been seen to be closed is opened, and then a
 * request comes that it holds back. */
static void test_younger_request(void **state)
{
	struct virtio_rig *r = open_crowd(CROWD - 1, 1); /* looked at first */

	row_name = "5.13.6.7 a request while sections are looked at";
	assert_int_equal(viommu_enter(r->channel[3]), VIOMMU_OK);
	waits(r, vr_unmap(r, 8, 0x1000, 0x1fff));
	assert_int_equal(viommu_enter(crowd[CROWD - 1]), VIOMMU_OK);
	waits(r, vr_unmap(r, 7, 0x1000, 0x1fff));
	calls(r);
	calls(r);
	row_equal(r->completions, 0);
	viommu_leave(r->channel[3]);
	calls(r);
	row_equal(r->completions, 1);
	viommu_leave(crowd[CROWD - 1]);
	calls(r);
	row_equal(r->completions, 2);
	close_crowd(r);
	vr_rows_run++;
}

/* A stranger closes his section after so many calls. Whoever holds the request back still says when it may go on. */
static void test_stranger_meanwhile(void **state)
{
	row_name = "44 a stranger leaves while sections are looked at";
	for (unsigned n = 0; n < 16; n++) {
		struct virtio_rig *r = open_crowd(CROWD - 1, 1);
		unsigned told;

		assert_int_equal(viommu_enter(crowd[0]), VIOMMU_OK);
		assert_int_equal(viommu_enter(crowd[CROWD - 1]), VIOMMU_OK);
		waits(r, vr_unmap(r, 7, 0x1000, 0x1fff));
		for (unsigned i = 0; i < n; i++)
			row_equal(viommu_run(r->g.iommu), VIOMMU_PENDING);
		viommu_leave(crowd[0]);
		calls(r); /* the host does not call without having been told */
		row_equal(r->completions, 0);
		told = r->g.count[GUEST_ON_WORK];
		viommu_leave(crowd[CROWD - 1]);
		row_equal(r->g.count[GUEST_ON_WORK], told + 1);
		calls(r);
		row_equal(r->completions, 1);
		close_crowd(r);
		vr_rows_run++;
	}
}

/* Who waits is told of a section that was opened after another began to wait, too. */
static void test_second_waiter(void **state)
{
	struct virtio_rig *r = vr_open(NULL);
	unsigned before;

	row_name = "44 a second request, whose section closes first";
	row_equal(vr_attach(r, 7, 1, 0), ST_OK);
	row_equal(vr_attach(r, 8, 3, 0), ST_OK);
	row_equal(vr_map(r, 7, 0x1000, 0x1fff, 0x5000, VR_RW), ST_OK);
	row_equal(vr_map(r, 8, 0x1000, 0x1fff, 0x5000, VR_RW), ST_OK);
	assert_int_equal(viommu_enter(r->channel[3]), VIOMMU_OK);
	waits(r, vr_unmap(r, 8, 0x1000, 0x1fff));
	assert_int_equal(viommu_enter(r->channel[1]), VIOMMU_OK);
	waits(r, vr_unmap(r, 7, 0x1000, 0x1fff));
	before = r->g.count[GUEST_ON_WORK];
	viommu_leave(r->channel[1]);
	row_equal(r->g.count[GUEST_ON_WORK], before + 1);
	row_equal(viommu_run(r->g.iommu), VIOMMU_PENDING);
	row_equal(r->completions, 1);
	before = r->g.count[GUEST_ON_WORK];
	viommu_leave(r->channel[3]);
	row_equal(r->g.count[GUEST_ON_WORK], before + 1);
	row_equal(viommu_run(r->g.iommu), VIOMMU_OK);
	row_equal(r->completions, 2);
	vr_close(r);
	vr_rows_run++;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_strangers),	cmocka_unit_test(test_out_of_order),
		cmocka_unit_test(test_leaves),		cmocka_unit_test(test_left_before),
		cmocka_unit_test(test_reset),		cmocka_unit_test(test_bypass),
		cmocka_unit_test(test_untold),		cmocka_unit_test(test_untold_others),
		cmocka_unit_test(test_untold_steps),	cmocka_unit_test(test_thousands),
		cmocka_unit_test(test_younger_request), cmocka_unit_test(test_stranger_meanwhile),
		cmocka_unit_test(test_second_waiter),
	};

	return cmocka_run_group_tests(tests, NULL, vr_count_rows);
}
