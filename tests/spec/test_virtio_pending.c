/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_virtio_pending.c - requests that take something away while it is in use: carried out at
 * once, completed when nobody uses it any more (obligations 13, 17, 27, 30).
 */
#include "check.h"

#include <string.h>

#include "trace.h"
#include "virtio_rig.h"

#define R	 VIOMMU_READ
#define UNMAPPED VR_FAULT(VR_MAPPING)

/* Endpoints 1 and 2 in domain 7, with eight pages; 3 alone in 8. */
static struct virtio_rig *open_shared(uint32_t outstanding)
{
	const struct viommu_limits limits = { .size = sizeof(limits),
					      .tlb_entries = 320,
					      .contexts = 64,
					      .domains = 64,
					      .outstanding = outstanding };
	const struct viommu_virtio_config config = { .limits = outstanding ? &limits : NULL };
	struct virtio_rig *r = vr_open(&config);

	row_equal(vr_attach(r, 7, 1, 0), ST_OK);
	row_equal(vr_attach(r, 7, 2, 0), ST_OK);
	row_equal(vr_attach(r, 8, 3, 0), ST_OK);
	for (uint64_t i = 0; i < 8; i++)
		row_equal(vr_map(r, 7, i << 12, i << 12 | 0xfff, (16 + i) << 12, 3), ST_OK);
	row_equal(vr_map(r, 8, 0, 0xfff, 0x90000, VR_READ), ST_OK);
	r->completions = 0;
	return r;
}

static uint64_t through(struct viommu_channel *channel, uint64_t iova)
{
	struct viommu_request q = {
		.first = iova, .last = iova, .pasid = VIOMMU_NO_PASID, .access = R
	};
	struct viommu_fragment f;
	struct viommu_answer answer;

	return viommu_translate(channel, &q, &f, 1, &answer) ? UNMAPPED : f.gpa;
}

/* ---- what waits for a section ---- */

static const struct {
	const char *name;
	struct vr_step step;
	uint64_t iova; /* was there, and is not afterwards */
} taking[] = {
	{ "13 UNMAP", UNMAP("", 7, 0, 0xfff, 0), 0 },
	{ "13 UNMAP of more", UNMAP("", 7, 0, UINT64_MAX, 0), 0x7000 },
	{ "13 DETACH", DETACH("", 7, 1, 0), 0x1000 },
	{ "13 ATTACH to another domain", ATTACH("", 8, 1, 0, 0), 0x1000 },
	{ "13 ATTACH to a bypass domain", ATTACH("", 9, 1, VR_BYPASS, 0), 0x1000 },
};

static struct vr_message message(const struct vr_step *s)
{
	return s->op == VR_ATTACH   ? vr_make_attach(s->domain, s->endpoint, s->flags)
	       : s->op == VR_DETACH ? vr_make_detach(s->domain, s->endpoint)
				    : vr_make_unmap(s->domain, s->first, s->last);
}

static void test_section(void **state)
{
	for (size_t i = 0; i < VR_ROWS(taking); i++) {
		struct virtio_rig *r = open_shared(0);
		struct vr_message m = message(&taking[i].step);
		unsigned works;

		row_name = taking[i].name;
		row_equal(viommu_enter(r->channel[1]), VIOMMU_OK);
		row_equal(through(r->channel[1], taking[i].iova), taking[i].iova + 0x10000);
		row_equal(vr_send(r, &m), ST_OK);
		row_equal(r->result, VIOMMU_PENDING);
		row_equal(r->used, VR_TAIL);
		row_equal(through(r->channel[1], taking[i].iova) != taking[i].iova + 0x10000, true);
		row_equal(viommu_run(r->g.iommu), VIOMMU_PENDING);
		row_equal(viommu_run(r->g.iommu), VIOMMU_PENDING);
		row_equal(r->completions, 0);
		works = r->g.count[GUEST_ON_WORK];
		row_equal(viommu_leave(r->channel[1]), VIOMMU_OK);
		row_equal(r->g.count[GUEST_ON_WORK] > works, true);
		row_equal(r->completions, 0);
		row_equal(viommu_run(r->g.iommu), VIOMMU_OK);
		row_equal(r->completions, 1);
		row_equal(r->completed[0], r->token);
		row_equal(viommu_run(r->g.iommu), VIOMMU_OK);
		row_equal(r->completions, 1);
		vr_close(r);
		vr_rows_run++;
	}
}

/* What takes nothing away does not wait. */
static void test_no_wait(void **state)
{
	struct virtio_rig *r = open_shared(0);
	uint8_t properties[512];

	row_equal(viommu_enter(r->channel[1]), VIOMMU_OK);
	row_equal(through(r->channel[1], 0), 0x10000);
	row_name = "MAP does not wait";
	row_equal(vr_map(r, 7, 0x10000, 0x10fff, 0x50000, VR_READ), ST_OK);
	row_equal(r->result, VIOMMU_OK);
	row_equal(through(r->channel[1], 0x10000), 0x50000);
	row_name = "PROBE does not wait";
	row_equal(vr_probe(r, 1, properties), ST_OK);
	row_equal(r->result, VIOMMU_OK);
	row_name = "what is refused does not wait";
	row_equal(vr_unmap(r, 7, 0, 0x7ff), ST_RANGE);
	row_equal(r->result, VIOMMU_OK);
	row_equal(vr_unmap(r, 99, 0, 0xfff), ST_NOENT);
	row_equal(r->result, VIOMMU_OK);
	row_equal(vr_detach(r, 7, 99), ST_NOENT);
	row_equal(r->result, VIOMMU_OK);
	row_equal(vr_map(r, 7, 0, 0xfff, 0, 1), ST_INVAL);
	row_equal(r->result, VIOMMU_OK);
	row_equal(viommu_leave(r->channel[1]), VIOMMU_OK);
	row_equal(viommu_run(r->g.iommu), VIOMMU_OK);
	row_equal(r->completions, 0);
	vr_close(r);
}

static void test_order(void **state)
{
	struct virtio_rig *r = open_shared(0);
	uint64_t tokens[4];

	row_name = "13 in order";
	row_equal(viommu_enter(r->channel[1]), VIOMMU_OK);
	row_equal(through(r->channel[1], 0), 0x10000);
	for (uint64_t i = 0; i < 3; i++) {
		row_equal(vr_unmap(r, 7, i << 12, i << 12 | 0xfff), ST_OK);
		row_equal(r->result, VIOMMU_PENDING);
		tokens[i] = r->token;
	}
	row_equal(viommu_enter(r->channel[2]), VIOMMU_OK); /* younger than the three */
	row_equal(through(r->channel[2], 0x3000), 0x13000);
	row_equal(vr_unmap(r, 7, 0x3000, 0x3fff), ST_OK);
	row_equal(r->result, VIOMMU_PENDING);
	tokens[3] = r->token;
	row_equal(viommu_leave(r->channel[1]), VIOMMU_OK);
	row_equal(viommu_run(r->g.iommu), VIOMMU_PENDING);
	row_name = "13 a section that was opened later holds nothing back";
	row_equal(r->completions, 3);
	row_equal(viommu_leave(r->channel[2]), VIOMMU_OK);
	row_equal(viommu_run(r->g.iommu), VIOMMU_OK);
	row_equal(r->completions, 4);
	for (unsigned i = 0; i < 4; i++)
		row_equal(r->completed[i], tokens[i]);
	row_name = "nothing is held back any more";
	row_equal(vr_unmap(r, 7, 0x4000, 0x4fff), ST_OK);
	row_equal(r->result, VIOMMU_OK);
	row_equal(r->completions, 4);
	vr_close(r);
}

/* A request that finds nothing to take away, because one that is pending has done so. */
static void test_taken_already(void **state)
{
	for (size_t i = 0; i < VR_ROWS(taking); i++) {
		struct virtio_rig *r = open_shared(0);
		struct vr_message m = message(&taking[i].step);
		uint64_t first;

		row_name = "5.13.6.7 UNMAP of nothing, and nothing is pending";
		row_equal(vr_unmap(r, 7, 0x100000, 0x1fffff), ST_OK);
		row_equal(r->result, VIOMMU_OK);
		row_name = "5.13.6.7 UNMAP of what a pending request took away";
		row_equal(vr_unmap(r, 7, 0x1000, 0x1fff), ST_OK);
		row_equal(viommu_enter(r->channel[1]), VIOMMU_OK);
		row_equal(through(r->channel[1], 0), 0x10000);
		row_equal(vr_send(r, &m), ST_OK);
		row_equal(r->result, VIOMMU_PENDING);
		first = r->token;
		row_equal(vr_unmap(r, 7, 0x1000, 0x1fff), ST_OK);
		row_equal(r->result, VIOMMU_PENDING);
		row_equal(viommu_run(r->g.iommu), VIOMMU_PENDING);
		row_equal(r->completions, 0);
		row_equal(viommu_leave(r->channel[1]), VIOMMU_OK);
		row_equal(viommu_run(r->g.iommu), VIOMMU_OK);
		row_equal(r->completions, 2);
		row_equal(r->completed[0], first);
		row_equal(r->completed[1], r->token);
		vr_close(r);
		vr_rows_run++;
	}
}

/* ATTACH to where the endpoint is on its way to. */
static void test_attached_already(void **state)
{
	struct virtio_rig *r = open_shared(0);

	row_name = "5.13.6.4 ATTACH to where it is, and nothing is pending";
	row_equal(vr_attach(r, 7, 1, 0), ST_OK);
	row_equal(r->result, VIOMMU_OK);
	row_name = "5.13.6.4 ATTACH to where a pending request takes it";
	row_equal(viommu_enter(r->channel[1]), VIOMMU_OK);
	row_equal(through(r->channel[1], 0), 0x10000);
	row_equal(vr_attach(r, 8, 1, 0), ST_OK);
	row_equal(r->result, VIOMMU_PENDING);
	row_equal(vr_attach(r, 8, 1, 0), ST_OK);
	row_equal(r->result, VIOMMU_PENDING);
	row_equal(vr_attach(r, 8, 3, 0), ST_OK); /* a stranger */
	row_equal(r->result, VIOMMU_OK);
	row_equal(viommu_run(r->g.iommu), VIOMMU_PENDING);
	row_equal(r->completions, 0);
	row_equal(viommu_leave(r->channel[1]), VIOMMU_OK);
	row_equal(viommu_run(r->g.iommu), VIOMMU_OK);
	row_equal(r->completions, 2);
	vr_close(r);
	vr_rows_run += 2;
}

/* ---- what waits for devices ---- */

static bool covered(const struct virtio_rig *r, uint32_t id, uint64_t first, uint64_t last)
{
	for (unsigned i = 0; i < r->g.count[GUEST_ON_INVALIDATE] && i < GUEST_LOG; i++) {
		if (r->g.invalidation[i].id == id && r->g.invalidation[i].what.first <= first &&
		    r->g.invalidation[i].what.last >= last)
			return true;
	}
	return false;
}

static void forget_invalidations(struct virtio_rig *r)
{
	r->g.count[GUEST_ON_INVALIDATE] = 0;
}

/* To the nth invalidation that was asked for. */
static int answer(struct virtio_rig *r, unsigned nth, int status)
{
	return viommu_invalidation_done(r->device[r->g.invalidation[nth].id],
					r->g.invalidation[nth].what.token, status);
}

static void test_device(void **state)
{
	for (size_t i = 0; i < VR_ROWS(taking); i++) {
		struct virtio_rig *r = open_shared(0);
		struct vr_message m = message(&taking[i].step);
		uint64_t first = taking[i].iova, last = first | 0xfff;
		unsigned calls;

		row_name = taking[i].name;
		forget_invalidations(r);
		r->g.invalidate_result = VIOMMU_PENDING;
		row_equal(vr_send(r, &m), ST_OK);
		row_equal(r->result, VIOMMU_PENDING);
		calls = r->g.count[GUEST_ON_INVALIDATE];
		row_equal(covered(r, 1, first, last), true);
		if (taking[i].step.op == VR_UNMAP)
			row_equal(covered(r, 2, first, last), true);
		row_equal(viommu_run(r->g.iommu), VIOMMU_PENDING);
		row_equal(calls <= 16, true);
		for (unsigned k = 0; k < calls; k++) {
			row_equal(r->completions, 0);
			row_equal(viommu_run(r->g.iommu), VIOMMU_PENDING);
			if (k & 1) { /* 34: it has not dropped anything */
				row_equal(answer(r, k, VIOMMU_FAULT), VIOMMU_OK);
				row_equal(viommu_run(r->g.iommu), VIOMMU_PENDING);
				row_equal(r->completions, 0);
			}
			row_equal(answer(r, k, VIOMMU_OK), VIOMMU_OK);
		}
		row_equal(r->completions, 0);
		row_equal(viommu_run(r->g.iommu), VIOMMU_OK);
		row_equal(r->completions, 1);
		row_equal(r->completed[0], r->token);
		row_name = "17 devices that answer at once";
		r->g.invalidate_result = VIOMMU_OK;
		forget_invalidations(r);
		row_equal(vr_unmap(r, 8, 0, 0xfff), ST_OK);
		row_equal(r->result, VIOMMU_OK);
		row_equal(covered(r, 3, 0, 0xfff), true);
		vr_close(r);
		vr_rows_run += 2;
	}
}

/* A section and a device: both. */
static void test_both(void **state)
{
	struct virtio_rig *r = open_shared(0);

	row_name = "13 a section and a device";
	row_equal(vr_detach(r, 7, 2), ST_OK);
	forget_invalidations(r);
	r->g.invalidate_result = VIOMMU_PENDING;
	row_equal(viommu_enter(r->channel[1]), VIOMMU_OK);
	row_equal(through(r->channel[1], 0), 0x10000);
	row_equal(vr_unmap(r, 7, 0, 0xfff), ST_OK);
	row_equal(r->result, VIOMMU_PENDING);
	row_equal(viommu_leave(r->channel[1]), VIOMMU_OK);
	row_equal(viommu_run(r->g.iommu), VIOMMU_PENDING);
	row_equal(r->completions, 0);
	row_equal(viommu_invalidation_done(r->device[1], r->g.invalidation[0].what.token,
					   VIOMMU_OK),
		  VIOMMU_OK);
	row_equal(viommu_run(r->g.iommu), VIOMMU_OK);
	row_equal(r->completions, 1);
	vr_close(r);
}

/* ---- caps, resets, callbacks ---- */

static void test_limit(void **state)
{
	struct virtio_rig *r = open_shared(4);
	unsigned pending = 0;
	uint64_t at;

	row_name = "27 too many pending";
	for (uint64_t i = 0; i < 5000; i++)
		row_equal(vr_map(r, 7, (i + 16) << 12, (i + 16) << 12 | 0xfff, 0x50000, 3), ST_OK);
	row_equal(viommu_enter(r->channel[1]), VIOMMU_OK);
	row_equal(through(r->channel[1], 0), 0x10000);
	for (;; pending++) {
		struct vr_message m;
		uint8_t tail[4] = { VR_UNTOUCHED, VR_UNTOUCHED, VR_UNTOUCHED, VR_UNTOUCHED };
		struct viommu_part in, out = { tail, sizeof(tail) };
		uint32_t used = 0;
		int result;

		row_equal(pending < 5000, true);
		at = (uint64_t)(pending + 16) << 12;
		m = vr_make_unmap(7, at, at | 0xfff);
		in = (struct viommu_part){ m.bytes, m.count };
		result = viommu_virtio_request(r->g.iommu, &in, 1, &out, 1, 1000 + pending, &used);
		if (result == VIOMMU_ELIMIT) {
			row_equal(tail[0], VR_UNTOUCHED);
			break;
		}
		row_equal(result, VIOMMU_PENDING);
		row_equal(tail[0], ST_OK);
	}
	print_message("%u pending, no more\n", pending);
	row_equal(through(r->channel[1], at), 0x50000);
	row_equal(viommu_leave(r->channel[1]), VIOMMU_OK);
	while (viommu_run(r->g.iommu) == VIOMMU_PENDING)
		;
	row_equal(r->completions, pending);
	for (unsigned i = 0; i < pending && i < VR_LOG; i++)
		row_equal(r->completed[i], 1000 + i);
	row_name = "27 room again";
	row_equal(vr_unmap(r, 7, at, at | 0xfff), ST_OK);
	row_equal(r->result, VIOMMU_OK);
	row_equal(through(r->channel[1], at), UNMAPPED);
	vr_close(r);
}

static void test_reset(void **state)
{
	for (unsigned machine = 0; machine < 2; machine++) {
		struct virtio_rig *r = open_shared(0);

		row_name = "a reset: pending requests are never completed";
		row_equal(viommu_enter(r->channel[1]), VIOMMU_OK);
		row_equal(through(r->channel[1], 0), 0x10000);
		row_equal(vr_unmap(r, 7, 0, 0xfff), ST_OK);
		row_equal(r->result, VIOMMU_PENDING);
		/* a driver that reads status 0 may use the memory for something else */
		row_equal(machine ? viommu_reset(r->g.iommu) : viommu_virtio_reset(r->g.iommu),
			  VIOMMU_PENDING);
		row_equal(viommu_run(r->g.iommu), VIOMMU_PENDING);
		row_equal(through(r->channel[1], 0x1000), UNMAPPED);
		row_equal(viommu_leave(r->channel[1]), VIOMMU_OK);
		row_equal(viommu_run(r->g.iommu), VIOMMU_OK);
		row_equal(r->completions, 0);
		row_equal(vr_attach(r, 7, 1, 0), ST_OK);
		row_equal(r->result, VIOMMU_OK);
		vr_close(r);
	}
}

/* Turning bypass off takes everything away from everybody. */
static void test_bypass(void **state)
{
	struct virtio_rig *r = open_shared(0);
	int result;

	row_name = "5.13.4 bypass off with a section open";
	row_equal(vr_set_bypass(r, 1), VIOMMU_OK);
	row_equal(viommu_enter(r->channel[4]), VIOMMU_OK);
	row_equal(through(r->channel[4], 0x5000), 0x5000);
	result = vr_set_bypass(r, 0);
	row_equal(result, VIOMMU_PENDING);
	row_equal(vr_bypass(r), 0);
	row_equal(through(r->channel[4], 0x5000), UNMAPPED);
	row_equal(viommu_leave(r->channel[4]), VIOMMU_OK);
	row_equal(viommu_run(r->g.iommu), VIOMMU_OK);
	vr_close(r);
}

static void call_back(struct virtio_rig *r)
{
	struct vr_message m = vr_make_map(7, 0x40000, 0x40fff, 0, 1);
	uint8_t tail[4];
	const struct viommu_part in = { m.bytes, m.count }, out = { tail, sizeof(tail) };
	struct vr_event event;
	uint64_t value;
	uint32_t used;

	row_equal(viommu_virtio_request(r->g.iommu, &in, 1, &out, 1, 1, &used), VIOMMU_EBUSY);
	row_equal(viommu_virtio_reset(r->g.iommu), VIOMMU_EBUSY);
	row_equal(viommu_virtio_set_features(r->g.iommu, 0), VIOMMU_EBUSY);
	row_equal(viommu_reg_read(r->g.iommu, 0, 8, &value), VIOMMU_OK);
	row_equal(viommu_run(r->g.iommu), VIOMMU_EBUSY);
	row_equal(vr_peek(r, 1, 0x1000, R), 0x11000);
	row_equal(vr_event(r, &event), false);
}

static void test_callbacks(void **state)
{
	struct virtio_rig *r = open_shared(0);

	row_name = "30 calls from inside complete";
	r->on_complete = call_back;
	row_equal(viommu_enter(r->channel[1]), VIOMMU_OK);
	row_equal(through(r->channel[1], 0), 0x10000);
	row_equal(vr_unmap(r, 7, 0, 0xfff), ST_OK);
	row_equal(viommu_leave(r->channel[1]), VIOMMU_OK);
	row_equal(viommu_run(r->g.iommu), VIOMMU_OK);
	row_equal(r->completions, 1);
	vr_close(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_section),
		cmocka_unit_test(test_no_wait),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_device),
		cmocka_unit_test(test_both),
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_reset),
		cmocka_unit_test(test_bypass),
		cmocka_unit_test(test_callbacks),
		cmocka_unit_test(test_taken_already),
		cmocka_unit_test(test_attached_already),
	};

	return cmocka_run_group_tests(tests, NULL, vr_count_rows);
}
