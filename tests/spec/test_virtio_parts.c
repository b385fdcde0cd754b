/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_virtio_parts.c - buffers of requests: every split in parts, too short, too long, no room for
 * the answer (virtio 1.3, 5.13.6, 2.7.4: the device makes no assumption about the framing).
 */
#include "check.h"

#include <stdlib.h>
#include <string.h>

#include "trace.h"
#include "virtio_rig.h"

enum { PARTS = 256, PROBE_SIZE = 32 };

static const struct viommu_virtio_config config = { .probe_size = PROBE_SIZE };
static const struct viommu_virtio_region region = { 0x8000, 0x8fff, VIOMMU_VIRTIO_RESV_RESERVED,
						    0 };

/* A message's bytes in parts, each a block of its own, so that a sanitizer sees reads beside it. */
struct parts {
	struct viommu_part part[PARTS];
	unsigned count;
};

static void add_part(struct parts *p, const uint8_t *from, uint64_t bytes)
{
	struct viommu_part *part = &p->part[p->count++];

	assert_true(p->count <= PARTS);
	*part = (struct viommu_part){ malloc(bytes ? bytes : 1), bytes };
	assert_non_null(part->base);
	if (from)
		memcpy(part->base, from, bytes);
	else
		memset(part->base, VR_UNTOUCHED, bytes);
}

/* Joins the bytes again, and frees them. */
static void take_parts(struct parts *p, uint8_t *to)
{
	for (unsigned i = 0; i < p->count; i++) {
		if (to) {
			memcpy(to, p->part[i].base, p->part[i].bytes);
			to += p->part[i].bytes;
		}
		free(p->part[i].base);
	}
	p->count = 0;
}

static struct parts in, out;

/* What is in @in and @out, sent; the writable bytes come to @answer. Returns the used length. */
static uint32_t send_parts(struct virtio_rig *r, uint8_t *answer)
{
	r->used = 0xdead;
	row_equal(viommu_virtio_request(r->g.iommu, in.part, in.count, out.part, out.count,
					++r->token, &r->used),
		  VIOMMU_OK);
	take_parts(&in, NULL);
	take_parts(&out, answer);
	vr_rows_run++;
	return r->used;
}

/* How to cut bytes: at one place, or in pieces of a size, with empty parts between. */
struct cut {
	unsigned at;	/* 0: none */
	unsigned every; /* 0: none */
	bool empty;
};

static void cut_parts(struct parts *p, const uint8_t *from, unsigned bytes, const struct cut *cut)
{
	unsigned step = cut->every ? cut->every : bytes;

	if (cut->empty)
		add_part(p, from, 0);
	for (unsigned at = 0; at < bytes;) {
		unsigned next = at + step < bytes ? at + step : bytes;

		if (cut->at > at && cut->at < next)
			next = cut->at;
		add_part(p, from ? from + at : NULL, next - at);
		if (cut->empty)
			add_part(p, from, 0);
		at = next;
	}
}

static struct virtio_rig *open_mapped(void)
{
	struct virtio_rig *r = vr_open(&config);

	vr_regions(r, 1, &region, 1);
	row_equal(vr_attach(r, 7, 1, 0), ST_OK);
	return r;
}

static unsigned writable_bytes(const struct vr_message *m)
{
	return m->bytes[0] == VR_PROBE ? PROBE_SIZE + VR_TAIL : VR_TAIL;
}

/* The answer of a request that works must be the same in whatever parts. */
static void check_ok(const struct vr_message *m, const uint8_t *answer, uint32_t used)
{
	static const uint8_t property[24] = { 1,    0, 20, 0, 0, 0, 0, 0,    0,
					      0x80, 0, 0,  0, 0, 0, 0, 0xff, 0x8f };
	unsigned bytes = writable_bytes(m);

	row_equal(used, bytes);
	row_equal(answer[bytes - 4], ST_OK);
	row_equal(answer[bytes - 3] | answer[bytes - 2] | answer[bytes - 1], 0);
	if (bytes == VR_TAIL)
		return;
	assert_memory_equal(answer, property, sizeof(property));
	for (unsigned i = sizeof(property); i < PROBE_SIZE; i++)
		row_equal(answer[i], 0);
}

static const char *const type_names[] = {
	"", "5.13.6.3 ATTACH", "5.13.6.4 DETACH", "5.13.6.5 MAP", "5.13.6.6 UNMAP", "5.13.6.7 PROBE"
};

/* The five in an order in which each works, again and again. */
static struct vr_message turn(unsigned i)
{
	switch (i % 5) {
	case 0:
		return vr_make_map(7, 0x1000, 0x1fff, 0x5000, VR_READ);
	case 1:
		return vr_make_unmap(7, 0x1000, 0x1fff);
	case 2:
		return vr_make_probe(1);
	case 3:
		return vr_make_detach(7, 1);
	default:
		return vr_make_attach(7, 1, 0);
	}
}

static void round_in_parts(struct virtio_rig *r, const struct cut *cut_in,
			   const struct cut *cut_out)
{
	for (unsigned i = 0; i < 5; i++) {
		struct vr_message m = turn(i);
		uint8_t answer[PROBE_SIZE + VR_TAIL];

		row_name = type_names[m.bytes[0]];
		cut_parts(&in, m.bytes, m.count, cut_in);
		cut_parts(&out, NULL, writable_bytes(&m), cut_out);
		check_ok(&m, answer, send_parts(r, answer));
	}
}

static void test_splits(void **state)
{
	struct virtio_rig *r = open_mapped();

	for (unsigned empty = 0; empty < 2; empty++) {
		for (unsigned at = 0; at < VR_PROBE_BYTES; at++) {
			struct cut a = { .at = at, .empty = empty };

			for (unsigned to = 0; to <= VR_TAIL; to++) {
				struct cut b = { .at = to, .empty = empty };

				round_in_parts(r, &a, &b);
			}
		}
		for (unsigned every = 1; every < 9; every++) {
			struct cut a = { .every = every, .empty = empty };

			for (unsigned to = 1; to < PROBE_SIZE + VR_TAIL; to++) {
				struct cut b = { .every = every, .at = to, .empty = empty };

				round_in_parts(r, &a, &b);
			}
		}
	}
	vr_close(r);
}

/* Parts of 0 bytes may have no address. */
static void test_null_parts(void **state)
{
	struct virtio_rig *r = open_mapped();
	struct vr_message m = vr_make_map(7, 0x1000, 0x1fff, 0x5000, VR_READ);
	uint8_t tail[4] = { 0xa5, 0xa5, 0xa5, 0xa5 };
	const struct viommu_part a[] = {
		{ NULL, 0 }, { m.bytes, 5 }, { NULL, 0 }, { m.bytes + 5, 31 }, { NULL, 0 }
	};
	const struct viommu_part b[] = { { NULL, 0 }, { tail, 4 }, { NULL, 0 } };
	uint32_t used = 9;

	row_name = "parts of 0 bytes without an address";
	row_equal(viommu_virtio_request(r->g.iommu, a, 5, b, 3, 1, &used), VIOMMU_OK);
	row_equal(used, 4);
	row_equal(tail[0], ST_OK);
	row_name = "no parts at all";
	row_equal(viommu_virtio_request(r->g.iommu, NULL, 0, NULL, 0, 1, &used), VIOMMU_OK);
	row_equal(used, 0);
	vr_close(r);
}

/* ---- a guest that writes over its request ---- */

struct scribbler {
	uint8_t *bytes;
	unsigned count;
	unsigned told;
	uint64_t iova[4];
	uint64_t gpa[4];
};

static int scribble(void *opaque, struct viommu_device *device, uint32_t pasid, uint64_t iova,
		    const struct viommu_fragment *fragment)
{
	struct scribbler *s = opaque;

	(void)device;
	(void)pasid;
	assert_true(s->told < 4);
	s->iova[s->told] = iova;
	s->gpa[s->told++] = fragment->gpa;
	memset(s->bytes, 0x55, s->count);
	return VIOMMU_OK;
}

/* What it was when it was read counts, in one part or in many: for all who are told, and for what is removed. */
static void test_written_over(void **state)
{
	static const struct cut cuts[] = { { .at = 0 }, { .every = 5 } };

	for (unsigned i = 0; i < VR_ROWS(cuts); i++) {
		struct virtio_rig *r = open_mapped();
		struct scribbler s = { .told = 0 };
		struct viommu_listener_config hears = { .size = sizeof(hears),
							.opaque = &s,
							.map = scribble };
		struct viommu_listener *listener;
		struct vr_message m = vr_make_map(7, 0x2000, 0x2fff, 0x6000, VR_READ);
		uint8_t answer[VR_TAIL];

		row_name = "MAP, written over when the first listener hears of it";
		row_equal(vr_attach(r, 7, 2, 0), ST_OK);
		row_equal(viommu_listener_new(r->g.iommu, NULL, &hears, &listener), VIOMMU_OK);
		cut_parts(&in, m.bytes, m.count, &cuts[i]);
		add_part(&out, NULL, VR_TAIL);
		s.bytes = in.part[0].base;
		s.count = (unsigned)in.part[0].bytes;
		row_equal(send_parts(r, answer), VR_TAIL);
		row_equal(answer[0], ST_OK);
		row_equal(s.told, 2);
		for (unsigned n = 0; n < s.told; n++) {
			row_equal(s.iova[n], 0x2000);
			row_equal(s.gpa[n], 0x6000);
		}
		row_equal(vr_where(r, 1, 0x2000, VIOMMU_READ), 0x6000);
		row_equal(viommu_listener_free(listener), VIOMMU_OK);
		vr_close(r);
	}
}

/* ---- sizes ---- */

/* Nothing written and used length 0, or a refusal in the last four bytes written. */
static void check_refused(const uint8_t *answer, unsigned room, uint32_t used, bool nothing)
{
	for (unsigned i = used; i < room; i++)
		row_equal(answer[i], VR_UNTOUCHED);
	if (nothing)
		row_equal(used, 0);
	if (!used)
		return;
	row_equal(used >= VR_TAIL && used <= room, true);
	row_equal(answer[used - 4] != ST_OK && answer[used - 4] <= ST_NOMEM, true);
	row_equal(answer[used - 3] | answer[used - 2] | answer[used - 1], 0);
}

static bool is_mapped(struct virtio_rig *r)
{
	bool answer = vr_peek(r, 1, 0x1000, VIOMMU_READ) == 0x5000;

	vr_drain(r);
	return answer;
}

/* One of the five, with so many bytes to read and to write; nothing may have happened. */
static void send_sized(unsigned which, unsigned readable, unsigned room, bool nothing)
{
	struct virtio_rig *r = open_mapped();
	uint8_t answer[PROBE_SIZE + 64];
	struct vr_message m;
	bool before = which == 1 || which == 3;
	const struct cut whole = { 0 };

	m = turn(which);
	if (which == 4) {
		row_equal(vr_detach(r, 7, 1), ST_OK);
		before = false;
	}
	if (before)
		row_equal(vr_map(r, 7, 0x1000, 0x1fff, 0x5000, VR_READ), ST_OK);
	row_name = type_names[m.bytes[0]];
	cut_parts(&in, m.bytes, readable, &whole);
	cut_parts(&out, NULL, room, &whole);
	check_refused(answer, room, send_parts(r, answer), nothing);
	row_equal(is_mapped(r), before);
	if (which == 4)
		row_equal(vr_map(r, 7, 0x1000, 0x1fff, 0x5000, VR_READ), ST_NOENT);
	if (which == 3)
		row_equal(vr_detach(r, 7, 1), ST_OK);
	vr_close(r);
}

/* What a request lacks in readable bytes cannot be made up; with room for an answer there may be
 * one. */
static void test_short(void **state)
{
	for (unsigned which = 0; which < 5; which++) {
		struct vr_message m = turn(which);

		for (unsigned n = 0; n < m.count; n++)
			send_sized(which, n, writable_bytes(&m), n == 0);
	}
}

/* 5.13.6: no tail can be reached. */
static void test_no_tail(void **state)
{
	for (unsigned which = 0; which < 5; which++) {
		struct vr_message m = turn(which);

		for (unsigned room = 0; room < VR_TAIL; room++) {
			send_sized(which, m.count, room, true);
			send_sized(which, 3, room, true);
			send_sized(which, 0, room, true);
		}
	}
}

/* More than the structure: what is behind it is not ours. Done or refused, but not half. */
static void test_long(void **state)
{
	for (unsigned which = 0; which < 5; which++) {
		for (unsigned more = 1; more <= 16; more += 5) {
			struct virtio_rig *r = open_mapped();
			uint8_t answer[PROBE_SIZE + 64];
			struct vr_message m = turn(which);
			const struct cut whole = { 0 };
			unsigned bytes = writable_bytes(&m);
			uint32_t used;

			if (which == 1 || which == 3)
				row_equal(vr_map(r, 7, 0x1000, 0x1fff, 0x5000, 1), ST_OK);
			if (which == 4)
				row_equal(vr_detach(r, 7, 1), ST_OK);
			row_name = type_names[m.bytes[0]];
			memset(m.bytes + m.count, 0xff, more);
			cut_parts(&in, m.bytes, m.count + more, &whole);
			cut_parts(&out, NULL, bytes, &whole);
			used = send_parts(r, answer);
			if (used == bytes && answer[bytes - 4] == ST_OK)
				check_ok(&m, answer, used);
			else
				check_refused(answer, bytes, used, false);
			vr_close(r);
		}
	}
}

/* A large writable part: the tail is where it always is, and what is behind it stays. */
static void test_room(void **state)
{
	struct virtio_rig *r = open_mapped();
	const struct cut whole = { 0 };

	for (unsigned more = 1; more <= 16; more++) {
		for (unsigned i = 0; i < 5; i++) {
			struct vr_message m = turn(i);
			unsigned bytes = writable_bytes(&m);
			uint8_t answer[PROBE_SIZE + 64];
			uint32_t used;

			row_name = type_names[m.bytes[0]];
			cut_parts(&in, m.bytes, m.count, &whole);
			cut_parts(&out, NULL, bytes + more, &whole);
			used = send_parts(r, answer);
			check_ok(&m, answer, used);
			for (unsigned k = 0; k < more; k++)
				row_equal(answer[bytes + k], VR_UNTOUCHED);
		}
	}
	vr_close(r);
}

static int count_rows(void **state)
{
	print_message("%u requests\n", vr_rows_run);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_splits),	     cmocka_unit_test(test_null_parts),
		cmocka_unit_test(test_written_over), cmocka_unit_test(test_short),
		cmocka_unit_test(test_no_tail),	     cmocka_unit_test(test_long),
		cmocka_unit_test(test_room),
	};

	return cmocka_run_group_tests(tests, NULL, count_rows);
}
