/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fuzz_view.c - a device process that was taken over, an owner that was, and a section page that says anything.
 *
 *	a command each: a byte, and what belongs to it
 *	0 bytes16 message	from the process to the owner, as it is
 *	1 bytes16 message	from the owner to the view, as it is
 *	2 word64		into the section page
 *	3 page access		the view asks, and the owner answers
 *	4 page access at value	the same, with a byte of the message another one
 *	5 page access at value	the same, with a byte of the reply another one
 *	6			a section of the view opens, or closes
 *	7 page			the guest maps the page elsewhere, and waits
 *	8 page access		the view translates
 *
 * Whatever is sent: the owner answers or refuses, the view accepts or refuses, and neither touches what is not the message's. When
 * the page says that no section is open, all that the guest waits for is complete.
 */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "view_rig.h"

/* A copy that ends where the message does: what is read behind it is found. */
static uint8_t *take_message(struct input *in, uint32_t *bytes)
{
	uint32_t count = (uint32_t)input_take(in, 2) % (VIOMMU_VIEW_MESSAGE_BYTES + 16);
	uint8_t *copy;

	if (count > in->size - in->at)
		count = (uint32_t)(in->size - in->at);
	copy = malloc(count ? count : 1);
	memcpy(copy, in->data + in->at, count);
	in->at += count;
	*bytes = count;
	return copy;
}

static void owner_gets(struct view_rig *r, const uint8_t *message, uint32_t bytes)
{
	int result;

	r->answer_length = UINT32_MAX;
	result = viommu_serve(r->viewer, message, bytes, r->answer_bytes, sizeof(r->answer_bytes),
			      &r->answer_length);
	CHECK(result == VIOMMU_OK || result == VIOMMU_EINVAL);
	CHECK(r->answer_length <= sizeof(r->answer_bytes));
	CHECK(result == VIOMMU_OK || r->answer_length == 0);
}

static void view_gets(struct view_rig *r, const uint8_t *message, uint32_t bytes)
{
	int result = viommu_view_reply(r->view, message, bytes, &r->reply);
	uint64_t covered = 0;

	CHECK(result == VIOMMU_OK || result == VIOMMU_EINVAL);
	if (result)
		return;
	CHECK(r->reply.count <= VIOMMU_VIEW_FRAGMENTS && r->reply.done <= VIOMMU_VIEW_COPY_BYTES);
	for (unsigned i = 0; i < r->reply.count; i++) {
		const struct viommu_fragment *f = &r->reply.fragment[i];
		uint64_t offset = (uint64_t)((uint8_t *)f->host - r->g.ram);

		covered += f->length;
		/* a pointer is into what this process has mapped, with all that it is said to be good for */
		CHECK(!f->host || (offset < r->g.bytes && f->length <= r->g.bytes - offset));
	}
	CHECK(r->reply.count == 0 || covered <= 8);
	CHECK(!r->reply.data ||
	      ((const uint8_t *)r->reply.data >= message &&
	       (const uint8_t *)r->reply.data + r->reply.done <= message + bytes));
}

static uint16_t access_of(uint64_t byte)
{
	static const uint16_t accesses[] = { VIOMMU_READ, VIOMMU_WRITE, VIOMMU_READ | VIOMMU_PRIV,
					     VIOMMU_EXEC };

	return accesses[byte % 4];
}

/* @where: 0 none, 1 the message, 2 the reply: a byte of it is another one. */
static void ask(struct view_rig *r, struct input *in, unsigned where)
{
	uint64_t iova = input_take(in, 1) % (VIEW_RIG_PAGES + 2) * GUEST_PAGE;
	struct viommu_request request = view_rig_request(iova, 8, access_of(input_take(in, 1)));
	uint32_t at = where ? (uint32_t)input_take(in, 1) : 0;
	uint8_t value = where ? (uint8_t)input_take(in, 1) : 0;
	uint8_t *copy;

	if (viommu_view_request(r->view, &request, r->message, sizeof(r->message), &r->length))
		return;
	if (where == 1)
		r->message[at % r->length] = value;
	owner_gets(r, r->message, r->length);
	if (!r->answer_length)
		return;
	copy = malloc(r->answer_length);
	memcpy(copy, r->answer_bytes, r->answer_length);
	if (where == 2)
		copy[at % r->answer_length] = value;
	view_gets(r, copy, r->answer_length);
	free(copy);
}

static void remap(struct view_rig *r, uint64_t page)
{
	/* the queue is short: what was waited for before has to be done first */
	if (!guest_waited(&r->g))
		viommu_run(r->g.iommu);
	if (!guest_waited(&r->g))
		return;
	view_rig_move(r, page % VIEW_RIG_PAGES * GUEST_PAGE,
		      view_rig_page(r, (unsigned)(page / 16)));
	guest_ring(&r->g);
}

static void step(struct view_rig *r, struct input *in)
{
	uint64_t what = input_take(in, 1) % 9, iova;
	uint32_t bytes;
	uint8_t *message;

	switch (what) {
	case 0:
	case 1:
		message = take_message(in, &bytes);
		if (what)
			view_gets(r, message, bytes);
		else
			owner_gets(r, message, bytes);
		free(message);
		break;
	case 2:
		atomic_store(&r->section[0], input_take(in, 8));
		break;
	case 3:
	case 4:
	case 5:
		ask(r, in, (unsigned)what - 3);
		break;
	case 6:
		if (viommu_view_enter(r->view))
			viommu_view_leave(r->view);
		break;
	case 7:
		remap(r, input_take(in, 1));
		break;
	default:
		iova = input_take(in, 1) % (VIEW_RIG_PAGES + 2) * GUEST_PAGE;
		view_rig_get(r, iova, access_of(input_take(in, 1)));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct view_rig r;
	struct input in = { data, size, 0 };

	if (size > 8192)
		return 0;
	view_rig_open(&r);
	while (input_left(&in))
		step(&r, &in);
	atomic_store(&r.section[0], 0);
	viommu_view_leave(r.view);
	CHECK(viommu_run(r.g.iommu) == VIOMMU_OK);
	CHECK(guest_waited(&r.g));
	view_rig_close(&r);
	return 0;
}
