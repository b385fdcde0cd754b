/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_virtio_random.c - the engine against virtio_oracle.h: random requests, few ids and few
 * addresses so that they collide, and after each some accesses, cold and warm; now and then whole
 * maps, saved states, resets, sections.
 */
#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "run.h"
#include "trace.h"
#include "virtio_world.h"

enum { WORLDS = 400, REQUESTS = 3000, RANGES = 600, FRAGMENTS = 24, STATE = 65536 };

static unsigned char state[STATE], again[STATE];

/* ---- accesses ---- */

struct pieces {
	struct {
		uint64_t gpa, length;
		uint32_t perm;
	} of[FRAGMENTS];
	unsigned count;
	int result;
	uint64_t next;
	unsigned reason;
};

static void add_piece(struct pieces *p, uint64_t gpa, uint64_t length, uint32_t perm)
{
	unsigned last = p->count - 1;

	if (p->count && p->of[last].gpa + p->of[last].length == gpa && p->of[last].perm == perm) {
		p->of[last].length += length;
		return;
	}
	assert_true(p->count < FRAGMENTS);
	p->of[p->count].gpa = gpa;
	p->of[p->count].length = length;
	p->of[p->count++].perm = perm;
}

static void expect(struct virtio_world *w, uint32_t id, const struct viommu_request *q,
		   struct pieces *p)
{
	p->count = 0;
	p->reason = 0;
	p->result = VIOMMU_OK;
	p->next = q->first;
	do {
		struct vo_place place = vo_access(&w->o, id, p->next, q->access);
		uint64_t last = place.last < q->last ? place.last : q->last;

		if (place.kind != VO_TARGET) {
			p->result = place.kind == VO_MESSAGE ? VIOMMU_INTERRUPT : VIOMMU_FAULT;
			p->reason = place.kind == VO_UNATTACHED ? VR_DOMAIN : VR_MAPPING;
			return;
		}
		add_piece(p, place.gpa, last - p->next + 1, place.perm);
		p->next = last + 1;
	} while (p->next - 1 != q->last);
}

/* Of the channel, or of the device if that is NULL. */
static void ask(struct viommu_device *device, struct viommu_channel *channel,
		const struct viommu_request *given, struct pieces *p)
{
	struct viommu_request q = *given;
	struct viommu_fragment f[4];
	struct viommu_answer a;

	p->count = 0;
	do {
		p->result = channel ? viommu_translate(channel, &q, f, 4, &a)
				    : viommu_device_translate(device, &q, f, 4, &a);
		row_equal(p->result >= 0, true);
		for (unsigned i = 0; i < a.count; i++)
			add_piece(p, f[i].gpa, f[i].length, f[i].perm & VR_RW);
		q.first = a.next;
	} while (p->result == VIOMMU_MORE);
	p->next = a.next;
	p->reason = a.reason;
}

/* An access of the MSI region that is not a write alone: refused or an interrupt. */
static bool same_result(const struct pieces *is, const struct pieces *want, unsigned access)
{
	if (want->result == VIOMMU_INTERRUPT && access != VIOMMU_WRITE &&
	    is->result == VIOMMU_FAULT)
		return is->reason == VR_MAPPING;
	return is->result == want->result &&
	       (is->result != VIOMMU_FAULT || is->reason == want->reason);
}

static void compare(struct virtio_world *w, const char *how, uint32_t id,
		    const struct viommu_request *q, const struct pieces *is,
		    const struct pieces *want)
{
	bool same = same_result(is, want, q->access) && is->next == want->next &&
		    is->count == want->count;
	struct vr_event e;

	for (unsigned i = 0; same && i < is->count; i++)
		same = is->of[i].gpa == want->of[i].gpa && is->of[i].length == want->of[i].length &&
		       is->of[i].perm == want->of[i].perm;
	if (!same)
		print_error("%s: endpoint %u, access %u of %#jx to %#jx: result %d, next %#jx, "
			    "reason %u, %u pieces; wanted %d, %#jx, %u, %u\n",
			    how, id, q->access, (uintmax_t)q->first, (uintmax_t)q->last, is->result,
			    (uintmax_t)is->next, is->reason, is->count, want->result,
			    (uintmax_t)want->next, want->reason, want->count);
	assert_true(same);
	if (is->result != VIOMMU_FAULT)
		return;
	virtio_total.refused++;
	row_equal(vr_event(w->r, &e), true);
	row_equal(e.reason, is->reason);
	row_equal(e.endpoint, id);
	row_equal(e.address, is->next);
	row_equal(e.flags & ~VR_RW, VR_ADDRESS);
	row_equal(e.flags & VR_RW & ~(uint32_t)q->access, 0);
	row_equal((e.flags & VR_RW) != 0, true);
}

/* Half of the time where something is mapped, by someone who has it if there is one. */
static uint64_t aim(struct virtio_world *w, uint32_t *id)
{
	const struct vo_mapping *m = world_mapping(w);

	*id = 1 + world_pick(w, VR_ENDPOINTS);
	if (!m || world_chance(w, 2))
		return world_address(w);
	for (unsigned i = 0; i < VR_ENDPOINTS; i++) {
		const struct vo_endpoint *e = &w->o.endpoint[(*id + i) % VR_ENDPOINTS];

		if (e->attached && e->domain == m->domain) {
			*id = e->id;
			break;
		}
	}
	if (world_chance(w, 4))
		return m->first + world_random(w) % (m->last - m->first + 1);
	return world_chance(w, 2) ? m->first
				  : m->last - world_pick(w, 9) % (m->last - m->first + 1);
}

static void access_one(struct virtio_world *w)
{
	uint32_t id;
	struct viommu_request q = { .first = aim(w, &id), .pasid = VIOMMU_NO_PASID };
	struct pieces want, is;
	struct vr_event e;

	q.access = (uint16_t)(1 + world_pick(w, 3));
	if (world_chance(w, 3))
		q.first += world_pick(w, 3) - 1;
	q.last = q.first +
		 (!world_chance(w, 4) ? world_pick(w, 9) : world_pick(w, 5) * w->o.config.granule);
	if (q.last < q.first)
		q.last = UINT64_MAX;
	expect(w, id, &q, &want);
	for (unsigned i = 0; i < 3; i++) {
		ask(w->r->device[id], i == 1 ? NULL : w->r->channel[id], &q, &is);
		compare(w, i == 1 ? "device" : "channel", id, &q, &is, &want);
		virtio_total.accesses++;
	}
	virtio_total.interrupts += want.result == VIOMMU_INTERRUPT;
	if (vr_event(w->r, &e))
		fail_msg("a record that nobody caused");
}

static int no_step(void *opaque, const struct viommu_step *step)
{
	return 0;
}

/* Without caches. */
static void explain_one(struct virtio_world *w)
{
	uint32_t id = 1 + world_pick(w, VR_ENDPOINTS);
	uint64_t at = world_address(w);
	struct viommu_request q = {
		.first = at, .last = at, .pasid = VIOMMU_NO_PASID, .access = VIOMMU_WRITE
	};
	struct pieces want;

	expect(w, id, &q, &want);
	row_equal(viommu_explain(w->r->device[id], &q, 0, no_step, NULL), want.result);
}

/* ---- whole maps ---- */

static unsigned expected_ranges(struct virtio_world *w, uint32_t id, struct vr_range *ranges)
{
	struct vo_place p;
	unsigned count = 0;
	uint64_t at = 0, found;

	while (vo_next(&w->o, id, at, &found, &p)) {
		struct vr_range *before = count ? &ranges[count - 1] : NULL;

		if (p.perm && before && before->last + 1 == found && before->perm == p.perm &&
		    before->gpa + (before->last - before->iova) + 1 == p.gpa)
			before->last = p.last;
		else if (p.perm)
			ranges[count++] = (struct vr_range){ found, p.gpa, p.last, p.perm };
		at = p.last + 1;
		if (!at)
			break;
	}
	return count;
}

static void replay_one(struct virtio_world *w, uint32_t id)
{
	static struct vr_range want[RANGES], is[RANGES];
	const struct vo_place p = vo_access(&w->o, id, UINT64_C(0x7777777000000000), 1);
	unsigned count, wanted;
	int result;

	count = vr_ranges(w->r, id, 0, UINT64_MAX, is, RANGES, &result);
	virtio_total.replays++;
	if (p.kind == VO_UNATTACHED) {
		row_equal(result, VIOMMU_FAULT);
		row_equal(count, 0);
		return;
	}
	row_equal(result, VIOMMU_OK);
	wanted = expected_ranges(w, id, want);
	row_equal(count, wanted);
	for (unsigned i = 0; i < count; i++) {
		row_equal(is[i].iova, want[i].iova);
		row_equal(is[i].last, want[i].last);
		row_equal(is[i].gpa, want[i].gpa);
		row_equal(is[i].perm, want[i].perm);
	}
}

/* ---- the rest of a guest's life ---- */

static void close_section(struct virtio_world *w)
{
	if (w->open) {
		row_equal(viommu_leave(w->open), VIOMMU_OK);
		w->open = NULL;
		row_equal(viommu_run(w->r->g.iommu), VIOMMU_OK);
	}
	row_equal(w->r->completions, w->pending);
	virtio_total.pending += w->pending;
	w->r->completions = w->pending = 0;
}

static void save_or_restore(struct virtio_world *w)
{
	uint64_t bytes = STATE;
	int result;

	if (!w->snapshot) {
		w->snapshot = true;
		w->snapshot_oracle = w->o;
		w->snapshot_bytes = STATE;
		row_equal(viommu_save(w->r->g.iommu, state, &w->snapshot_bytes), VIOMMU_OK);
		return;
	}
	w->snapshot = false;
	result = viommu_restore(w->r->g.iommu, state, w->snapshot_bytes);
	row_equal(result == VIOMMU_OK || result == VIOMMU_PENDING, true);
	row_equal(viommu_run(w->r->g.iommu), VIOMMU_OK);
	w->told = 0; /* a restore is not a call of the guest's */
	w->o = w->snapshot_oracle;
	row_equal(viommu_save(w->r->g.iommu, again, &bytes), VIOMMU_OK);
	row_equal(bytes, w->snapshot_bytes);
	virtio_total.restores++; /* what it means is compared by replays */
}

/* Without the feature accepted the driver should not, and may be ignored. */
static void set_bypass(struct virtio_world *w, unsigned value)
{
	row_equal(world_settle(w, vr_set_bypass(w->r, value)), VIOMMU_OK);
	w->o.bypass = vr_bypass(w->r);
	if (w->o.accepted & VIOMMU_VIRTIO_F_BYPASS_CONFIG)
		row_equal(w->o.bypass, value);
}

static void rare(struct virtio_world *w)
{
	unsigned dice = world_pick(w, 8);

	close_section(w);
	switch (dice) {
	case 0:
		row_equal(world_settle(w, viommu_virtio_reset(w->r->g.iommu)), VIOMMU_OK);
		vo_reset(&w->o);
		break;
	case 1:
		row_equal(viommu_reset(w->r->g.iommu) >= VIOMMU_OK, true);
		row_equal(world_settle(w, VIOMMU_PENDING), w->steps ? VIOMMU_OK : VIOMMU_PENDING);
		vo_machine_reset(&w->o);
		break;
	case 2:
	case 3:
		if (!(w->o.config.offered & VIOMMU_VIRTIO_F_BYPASS_CONFIG))
			break;
		set_bypass(w, world_pick(w, 2));
		break;
	default:
		save_or_restore(w);
		break;
	}
	if (dice < 2 && world_chance(w, 2))
		world_accept(w);
	for (uint32_t id = 1; id <= VR_ENDPOINTS; id++)
		replay_one(w, id);
}

static void open_section(struct virtio_world *w)
{
	struct viommu_channel *channel = w->r->channel[1 + world_pick(w, VR_ENDPOINTS)];

	if (w->open)
		return;
	row_equal(viommu_enter(channel), VIOMMU_OK);
	w->open = channel;
}

static void step(struct virtio_world *w)
{
	unsigned dice = world_pick(w, 256);

	world_request(w);
	for (unsigned i = 0; i < 2; i++)
		access_one(w);
	if (dice < 8)
		replay_one(w, 1 + world_pick(w, VR_ENDPOINTS));
	else if (dice < 20)
		explain_one(w);
	else if (dice < 24)
		open_section(w);
	else if (w->pending > 4 || dice < 60)
		close_section(w);
	else if (dice == 60)
		rare(w);
}

static void test_random(void **nothing)
{
	uint64_t worlds = run_scaled(WORLDS);
	uint64_t seed = run_seed(1);

	for (uint64_t i = 0; i < worlds; i++) {
		static char name[64];
		static struct virtio_world w;

		snprintf(name, sizeof(name), "world %ju", (uintmax_t)i);
		row_name = name;
		world_open(&w, (seed + i) * UINT64_C(0x9e3779b97f4a7c15));
		for (unsigned k = 0; k < REQUESTS; k++)
			step(&w);
		close_section(&w);
		world_close(&w);
	}
	print_message("%ju requests; OK %ju INVAL %ju RANGE %ju NOENT %ju NOMEM %ju UNSUPP %ju "
		      "nothing %ju\n",
		      (uintmax_t)virtio_total.requests, (uintmax_t)virtio_total.answers[VO_OK],
		      (uintmax_t)virtio_total.answers[VO_INVAL],
		      (uintmax_t)virtio_total.answers[VO_RANGE],
		      (uintmax_t)virtio_total.answers[VO_NOENT],
		      (uintmax_t)virtio_total.answers[VO_NOMEM],
		      (uintmax_t)virtio_total.answers[VO_UNSUPP],
		      (uintmax_t)virtio_total.answers[VO_NOTHING]);
	print_message("%ju accesses, %ju refused, %ju interrupts, %ju replays, %ju states, "
		      "%ju pending\n",
		      (uintmax_t)virtio_total.accesses, (uintmax_t)virtio_total.refused,
		      (uintmax_t)virtio_total.interrupts, (uintmax_t)virtio_total.replays,
		      (uintmax_t)virtio_total.restores, (uintmax_t)virtio_total.pending);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_random) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
