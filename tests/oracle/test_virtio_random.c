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

#include "trace.h"
#include "virtio_oracle.h"
#include "virtio_rig.h"
#include "vtd_run.h"

enum { WORLDS = 400, REQUESTS = 3000, RANGES = 600, FRAGMENTS = 24, STATE = 65536 };

struct world {
	struct virtio_rig *r;
	struct virtio_oracle o;
	uint64_t random;
	uint64_t base[4]; /* around which addresses lie */
	struct viommu_channel *open; /* its section */
	unsigned pending;
	bool snapshot;
	struct virtio_oracle snapshot_oracle;
	uint64_t snapshot_bytes;
};

static unsigned char state[STATE], again[STATE];
static struct {
	uint64_t requests, answers[10], accesses, refused, interrupts, replays, restores, pending;
} total;

static uint64_t next_random(struct world *w)
{
	w->random ^= w->random << 13;
	w->random ^= w->random >> 7;
	w->random ^= w->random << 17;
	return w->random * UINT64_C(0x2545f4914f6cdd1d) >> 8;
}

static unsigned pick(struct world *w, unsigned n)
{
	return (unsigned)(next_random(w) % n);
}

static bool chance(struct world *w, unsigned one_in)
{
	return pick(w, one_in) == 0;
}

/* ---- worlds ---- */

static void choose_config(struct world *w, struct vo_config *c)
{
	static const uint64_t granules[] = { 0x1000, 0x1000, 1, 0x10000 };
	static const uint64_t features[] = { 0x77, 0x77, 0x57, 0x3f, 0x37 };
	static const uint64_t gpa_lasts[] = { 0xfffffffffffff, 0xfffff, UINT64_MAX, 0xffffffff };
	uint64_t granule = granules[pick(w, 4)];

	*c = (struct vo_config){ .granule = granule,
				 .input_last = UINT64_MAX,
				 .gpa_last = gpa_lasts[pick(w, 4)],
				 .domain_last = UINT32_MAX,
				 .domains = 2 + pick(w, 6),
				 .mappings = 4 + pick(w, 100),
				 .domain_mappings = 3 + pick(w, 60),
				 .offered = features[pick(w, 5)] };
	c->bypass = (c->offered & VIOMMU_VIRTIO_F_BYPASS_CONFIG) && chance(w, 2);
	if (chance(w, 3)) {
		c->input_first = 4 * granule;
		c->input_last = (UINT64_C(1) << 33) + 16 * granule - 1;
	}
	if (chance(w, 3)) {
		c->domain_first = 1;
		c->domain_last = 4;
	}
	if (c->domain_mappings > c->mappings)
		c->domain_mappings = c->mappings;
}

/* Up to three regions where mappings want to be, at any byte. */
static void choose_regions(struct world *w, struct vo_endpoint *e)
{
	struct viommu_virtio_region regions[VO_REGIONS];
	uint64_t at = w->base[pick(w, 4)];
	bool msi = false;

	e->regions = chance(w, 2) ? 0 : pick(w, 4);
	for (unsigned i = 0; i < e->regions; i++) {
		struct vo_region *r = &e->region[i];

		r->first = at + pick(w, 8) * w->o.config.granule + (chance(w, 3) ? pick(w, 9) : 0);
		r->last = r->first + (chance(w, 3) ? pick(w, 9)
						   : (1 + pick(w, 3)) * w->o.config.granule - 1);
		r->msi = !msi && chance(w, 2);
		if (r->last < r->first || r->first < at) { /* wrapped */
			e->regions = i;
			break;
		}
		msi = msi || r->msi;
		at = r->last + 1;
		regions[i] = (struct viommu_virtio_region){ r->first, r->last, r->msi, 0 };
	}
	vr_regions(w->r, e->id, regions, e->regions);
}

static void accept(struct world *w)
{
	const uint64_t must = 0x17;

	w->o.accepted = w->o.config.offered & (must | next_random(w));
	row_equal(viommu_virtio_set_features(w->r->g.iommu,
					     w->o.accepted | (next_random(w) & 7) << 32),
		  VIOMMU_OK);
}

static void open_world(struct world *w, uint64_t seed)
{
	struct viommu_virtio_config config = { .probe_size = 128 };
	struct vo_config c;

	memset(w, 0, sizeof(*w));
	w->random = seed | 1;
	for (unsigned i = 0; i < 4; i++)
		next_random(w);
	choose_config(w, &c);
	config.features = c.offered;
	config.page_size_mask = -c.granule;
	config.input_first = c.input_first;
	config.input_last = c.input_last;
	config.gpa_last = c.gpa_last;
	config.domain_first = c.domain_first;
	config.domain_last = c.domain_last;
	config.domains = c.domains;
	config.mappings = c.mappings;
	config.domain_mappings = c.domain_mappings;
	config.bypass = c.bypass;
	w->r = vr_open(&config);
	vo_init(&w->o, &c);
	w->base[0] = c.input_first;
	w->base[1] = (UINT64_C(1) << 32) - 4 * c.granule;
	w->base[2] = c.input_last - 16 * c.granule + 1;
	w->base[3] = c.input_first + 20 * c.granule;
	w->o.endpoints = VR_ENDPOINTS;
	for (unsigned i = 0; i < VR_ENDPOINTS; i++) {
		w->o.endpoint[i].id = i + 1;
		choose_regions(w, &w->o.endpoint[i]);
	}
	if (chance(w, 2))
		accept(w);
}

/* ---- requests ---- */

static uint64_t some_address(struct world *w)
{
	static const uint64_t edges[] = { 0, UINT64_MAX, 0xfff, 0x1000, UINT64_C(1) << 52 };
	uint64_t at = w->base[pick(w, 4)] + pick(w, 17) * w->o.config.granule;

	if (chance(w, 60))
		return edges[pick(w, 5)];
	return chance(w, 60) ? next_random(w) : at;
}

static uint64_t some_last(struct world *w, uint64_t first)
{
	uint64_t last = first + (1 + pick(w, chance(w, 3) ? 9 : 3)) * w->o.config.granule - 1;

	if (chance(w, 40))
		return last + pick(w, 3) - 1;
	return chance(w, 60) ? some_address(w) : last;
}

static uint32_t some_domain(struct world *w)
{
	static const uint32_t odd[] = { 0, 0x10001, 0x80000002, UINT32_MAX };

	return chance(w, 12) ? odd[pick(w, 4)] : 1 + pick(w, 4);
}

static uint32_t some_endpoint(struct world *w)
{
	static const uint32_t odd[] = { 0, 5, 0x10001, 0x80000002 };

	return chance(w, 30) ? odd[pick(w, 4)] : 1 + pick(w, VR_ENDPOINTS);
}

static uint64_t some_target(struct world *w, uint64_t first, uint64_t last)
{
	uint64_t granule = w->o.config.granule;

	if (chance(w, 12)) /* close to the end */
		return w->o.config.gpa_last - (last - first) + (pick(w, 3) - 1) * granule;
	if (chance(w, 60))
		return next_random(w);
	if (chance(w, 3)) /* continues what may be beside it */
		return first & 0xfffff & -granule;
	return pick(w, 12) * granule;
}

static struct vr_message some_map(struct world *w)
{
	uint64_t first = some_address(w);
	uint64_t last = some_last(w, first);
	uint32_t flags = pick(w, 4) | (chance(w, 8) ? VR_MMIO : 0);

	if (chance(w, 50))
		flags |= 1U << pick(w, 32);
	return vr_make_map(some_domain(w), first, last, some_target(w, first, last), flags);
}

static struct vr_message some_unmap(struct world *w)
{
	uint64_t first = some_address(w);

	if (chance(w, 60))
		return vr_make_unmap(some_domain(w), 0, UINT64_MAX);
	return vr_make_unmap(some_domain(w), first, some_last(w, first));
}

static struct vr_message some_attach(struct world *w)
{
	uint32_t flags = chance(w, 5) ? VR_BYPASS : 0;

	if (chance(w, 30))
		flags |= 1U << pick(w, 32);
	return vr_make_attach(some_domain(w), some_endpoint(w), flags);
}

static struct vr_message some_request(struct world *w)
{
	unsigned dice = pick(w, 100);
	struct vr_message m = dice < 50	  ? some_map(w)
			      : dice < 75 ? some_unmap(w)
			      : dice < 88 ? some_attach(w)
			      : dice < 95 ? vr_make_detach(some_domain(w), some_endpoint(w))
					  : vr_make_probe(some_endpoint(w));

	if (chance(w, 80))
		m.bytes[pick(w, m.count)] ^= (uint8_t)(1U << pick(w, 8));
	if (chance(w, 100))
		m.count = pick(w, m.count + 8);
	return m;
}

/* ---- sending, in random parts ---- */

static unsigned cut(struct world *w, uint8_t *bytes, uint32_t count, struct viommu_part *parts)
{
	unsigned n = 0;

	while (count) {
		uint32_t take = n < 6 && chance(w, 3) ? pick(w, count + 1) : count;

		parts[n++] = (struct viommu_part){ bytes, take };
		bytes += take;
		count -= take;
	}
	return n;
}

static unsigned answer_of(struct world *w, const uint8_t *buffer, uint32_t room, uint32_t used)
{
	for (uint32_t i = used; i < room; i++)
		row_equal(buffer[i], VR_UNTOUCHED);
	if (!used)
		return VO_NOTHING;
	row_equal(used >= VR_TAIL && used <= room, true);
	row_equal(buffer[used - 3] | buffer[used - 2] | buffer[used - 1], 0);
	if (buffer[used - 4] == VO_OK)
		row_equal(used, room);
	row_equal(buffer[used - 4] <= VO_NOMEM, true);
	return buffer[used - 4];
}

static void print_request(const struct vr_message *m, unsigned answer, unsigned permitted)
{
	print_error("answer %u, not in the set %#x, to a request of %u bytes:", answer, permitted,
		    m->count);
	for (uint32_t i = 0; i < m->count; i++)
		print_error(" %02x", m->bytes[i]);
	print_error("\n");
}

static void send_one(struct world *w)
{
	struct vr_message m = some_request(w);
	unsigned permitted, answer;
	struct viommu_part in[8], out[8];
	uint32_t room = m.bytes[0] == VR_PROBE ? 128 + VR_TAIL : VR_TAIL;
	uint8_t buffer[128 + VR_TAIL];
	uint32_t used = 0xdead;
	int result;
	unsigned in_count = cut(w, m.bytes, m.count, in);
	unsigned out_count = cut(w, buffer, room, out);

	permitted = vo_judge(&w->o, m.bytes, m.count);
	memset(buffer, VR_UNTOUCHED, sizeof(buffer));
	result = viommu_virtio_request(w->r->g.iommu, in, in_count, out, out_count, 0, &used);
	row_equal(result == VIOMMU_OK || (result == VIOMMU_PENDING && w->open), true);
	w->pending += result == VIOMMU_PENDING;
	answer = answer_of(w, buffer, room, used);
	if (!(permitted >> answer & 1))
		print_request(&m, answer, permitted);
	assert_true(permitted >> answer & 1);
	vo_apply(&w->o, m.bytes, m.count, answer);
	total.requests++;
	total.answers[answer]++;
}

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

static void expect(struct world *w, uint32_t id, const struct viommu_request *q, struct pieces *p)
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

static void compare(struct world *w, const char *how, uint32_t id, const struct viommu_request *q,
		    const struct pieces *is, const struct pieces *want)
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
	total.refused++;
	row_equal(vr_event(w->r, &e), true);
	row_equal(e.reason, is->reason);
	row_equal(e.endpoint, id);
	row_equal(e.address, is->next);
	row_equal(e.flags & ~VR_RW, VR_ADDRESS);
	row_equal(e.flags & VR_RW & ~(uint32_t)q->access, 0);
	row_equal((e.flags & VR_RW) != 0, true);
}

static void access_one(struct world *w)
{
	uint32_t id = 1 + pick(w, VR_ENDPOINTS);
	struct viommu_request q = { .first = some_address(w), .pasid = VIOMMU_NO_PASID };
	struct pieces want, is;
	struct vr_event e;

	q.access = (uint16_t)(1 + pick(w, 3));
	if (chance(w, 2))
		q.first += pick(w, 3) - 1;
	q.last = q.first + (chance(w, 2) ? pick(w, 9) : pick(w, 5) * w->o.config.granule);
	if (q.last < q.first)
		q.last = UINT64_MAX;
	expect(w, id, &q, &want);
	for (unsigned i = 0; i < 3; i++) {
		ask(w->r->device[id], i == 1 ? NULL : w->r->channel[id], &q, &is);
		compare(w, i == 1 ? "device" : "channel", id, &q, &is, &want);
		total.accesses++;
	}
	total.interrupts += want.result == VIOMMU_INTERRUPT;
	if (vr_event(w->r, &e))
		fail_msg("a record that nobody caused");
}

static void no_step(void *opaque, const struct viommu_step *step)
{
}

/* Without caches. */
static void explain_one(struct world *w)
{
	uint32_t id = 1 + pick(w, VR_ENDPOINTS);
	uint64_t at = some_address(w);
	struct viommu_request q = {
		.first = at, .last = at, .pasid = VIOMMU_NO_PASID, .access = VIOMMU_WRITE
	};
	struct pieces want;

	expect(w, id, &q, &want);
	row_equal(viommu_explain(w->r->device[id], &q, no_step, NULL), want.result);
}

/* ---- whole maps ---- */

static unsigned expected_ranges(struct world *w, uint32_t id, struct vr_range *ranges)
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

static void replay_one(struct world *w, uint32_t id)
{
	static struct vr_range want[RANGES], is[RANGES];
	const struct vo_place p = vo_access(&w->o, id, UINT64_C(0x7777777000000000), 1);
	unsigned count, wanted;
	int result;

	count = vr_ranges(w->r, id, 0, UINT64_MAX, is, RANGES, &result);
	total.replays++;
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

static void close_section(struct world *w)
{
	if (!w->open)
		return;
	row_equal(viommu_leave(w->open), VIOMMU_OK);
	w->open = NULL;
	row_equal(viommu_run(w->r->g.iommu), VIOMMU_OK);
	row_equal(w->r->completions, w->pending);
	total.pending += w->pending;
	w->r->completions = w->pending = 0;
}

static void save_or_restore(struct world *w)
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
	w->o = w->snapshot_oracle;
	row_equal(viommu_save(w->r->g.iommu, again, &bytes), VIOMMU_OK);
	row_equal(bytes, w->snapshot_bytes);
	total.restores++; /* what it means is compared by replays */
}

/* Without the feature accepted the driver should not, and may be ignored. */
static void set_bypass(struct world *w, unsigned value)
{
	row_equal(vr_set_bypass(w->r, value), VIOMMU_OK);
	w->o.bypass = vr_bypass(w->r);
	if (w->o.accepted & VIOMMU_VIRTIO_F_BYPASS_CONFIG)
		row_equal(w->o.bypass, value);
}

static void rare(struct world *w)
{
	unsigned dice = pick(w, 8);

	close_section(w);
	switch (dice) {
	case 0:
		row_equal(viommu_virtio_reset(w->r->g.iommu), VIOMMU_OK);
		vo_reset(&w->o);
		accept(w);
		break;
	case 1:
		row_equal(viommu_reset(w->r->g.iommu), VIOMMU_OK);
		vo_machine_reset(&w->o);
		accept(w);
		break;
	case 2:
	case 3:
		if (!(w->o.config.offered & VIOMMU_VIRTIO_F_BYPASS_CONFIG))
			break;
		set_bypass(w, pick(w, 2));
		break;
	default:
		save_or_restore(w);
		break;
	}
	for (uint32_t id = 1; id <= VR_ENDPOINTS; id++)
		replay_one(w, id);
}

static void open_section(struct world *w)
{
	struct viommu_channel *channel = w->r->channel[1 + pick(w, VR_ENDPOINTS)];

	if (w->open)
		return;
	row_equal(viommu_enter(channel), VIOMMU_OK);
	w->open = channel;
}

static void step(struct world *w)
{
	unsigned dice = pick(w, 256);

	send_one(w);
	for (unsigned i = 0; i < 2; i++)
		access_one(w);
	if (dice < 8)
		replay_one(w, 1 + pick(w, VR_ENDPOINTS));
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
	uint64_t seed = run_seed();

	for (uint64_t i = 0; i < worlds; i++) {
		static char name[64];
		static struct world w;

		snprintf(name, sizeof(name), "world %ju", (uintmax_t)i);
		row_name = name;
		open_world(&w, (seed + i) * UINT64_C(0x9e3779b97f4a7c15));
		for (unsigned k = 0; k < REQUESTS; k++)
			step(&w);
		close_section(&w);
		vr_close(w.r);
	}
	print_message("%ju requests; OK %ju INVAL %ju RANGE %ju NOENT %ju NOMEM %ju UNSUPP %ju "
		      "nothing %ju\n",
		      (uintmax_t)total.requests, (uintmax_t)total.answers[VO_OK],
		      (uintmax_t)total.answers[VO_INVAL], (uintmax_t)total.answers[VO_RANGE],
		      (uintmax_t)total.answers[VO_NOENT], (uintmax_t)total.answers[VO_NOMEM],
		      (uintmax_t)total.answers[VO_UNSUPP], (uintmax_t)total.answers[VO_NOTHING]);
	print_message("%ju accesses, %ju refused, %ju interrupts, %ju replays, %ju states, "
		      "%ju pending\n",
		      (uintmax_t)total.accesses, (uintmax_t)total.refused,
		      (uintmax_t)total.interrupts, (uintmax_t)total.replays,
		      (uintmax_t)total.restores, (uintmax_t)total.pending);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_random) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
