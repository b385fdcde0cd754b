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
 *	9 at16 word value8	the view loads a word, stores it, or compares and swaps it
 *	10 at16 bytes16 write	the view reads or writes bytes
 *
 * Whatever is sent: the owner answers or refuses, the view accepts or refuses, and neither touches what is not the message's. When
 * the page says that no section is open, all that the guest waits for is complete. As long as nobody has lied, what the view reads and
 * writes is then where the guest's tables have it.
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

/* ---- DMA of the view ---- */

/* Nobody has changed a message, a reply or the section page. */
static bool honest;

/* Where the guest's tables have bytes of one page; NULL: they do not permit it. */
static uint8_t *place_of(const struct view_rig *r, uint64_t iova, uint64_t bytes, unsigned access)
{
	struct viommu_request request = view_rig_request(iova, bytes, access | VIOMMU_QUIET);
	struct viommu_fragment f;
	struct viommu_answer answer;

	return viommu_device_translate(r->device, &request, &f, 1, &answer) ? NULL : f.host;
}

static uint64_t word_at(const uint8_t *place, uint32_t bytes)
{
	uint64_t word = 0;

	if (place)
		memcpy(&word, place, bytes);
	return word;
}

/* What the word is afterwards, and what the view was told, if the call was not refused. */
struct outcome {
	uint64_t word;
	uint64_t told;
};

enum { LOAD, STORE, SWAP, WORDS };

static struct outcome expected(unsigned kind, uint64_t before, uint64_t given, uint64_t desired)
{
	switch (kind) {
	case LOAD:
		return (struct outcome){ before, before };
	case STORE:
		return (struct outcome){ desired, given };
	default:
		return (struct outcome){ before == given ? desired : before, before };
	}
}

static int do_word(struct view_rig *r, unsigned kind, uint64_t iova, uint32_t bytes,
		   uint64_t *value, uint64_t desired)
{
	switch (kind) {
	case LOAD:
		return viommu_view_dma_load(r->view, iova, bytes, 0, value);
	case STORE:
		return viommu_view_dma_store(r->view, iova, bytes, 0, desired);
	default:
		return viommu_view_dma_cmpxchg(r->view, iova, bytes, 0, value, desired);
	}
}

static void use_word(struct view_rig *r, struct input *in)
{
	static const unsigned accesses[WORDS] = { VIOMMU_READ, VIOMMU_WRITE,
						  VIOMMU_READ | VIOMMU_WRITE };
	uint64_t iova = input_take(in, 2) % ((VIEW_RIG_PAGES + 2) * GUEST_PAGE);
	unsigned what = (unsigned)input_take(in, 1), kind = what % WORDS;
	uint32_t bytes = UINT32_C(1) << (what / WORDS) % 4;
	bool wrong = iova % bytes || (kind == SWAP && bytes < 4);
	uint8_t *place = wrong ? NULL : place_of(r, iova, bytes, accesses[kind]);
	uint64_t before = word_at(place, bytes), all = UINT64_MAX >> (64 - 8 * bytes);
	uint64_t desired = input_take(in, 8) & all;
	/* of a swap, as often as not what is there */
	uint64_t given = what / 128 ? before : desired >> 1, value = given;
	int result = do_word(r, kind, iova, bytes, &value, desired);
	struct outcome now = expected(kind, before, given, desired);

	CHECK((result == VIOMMU_EINVAL) == wrong);
	CHECK(result == VIOMMU_OK || result == VIOMMU_PENDING || result == VIOMMU_MISS ||
	      result == VIOMMU_UNREACHABLE || wrong);
	if (result != VIOMMU_OK && result != VIOMMU_PENDING)
		now = (struct outcome){ before, given };
	else if (!honest || !guest_waited(&r->g))
		return;
	else
		CHECK(place);
	CHECK(value == now.told);
	CHECK(word_at(place, bytes) == now.word);
}

static void use_bytes(struct view_rig *r, struct input *in)
{
	uint64_t iova = input_take(in, 2) % ((VIEW_RIG_PAGES + 2) * GUEST_PAGE);
	uint64_t bytes = input_take(in, 2) % (3 * GUEST_PAGE), done = UINT64_MAX;
	bool write = input_take(in, 1) % 2;
	uint8_t *buffer = calloc(1, bytes ? bytes : 1);
	int result = write ? viommu_view_dma_write(r->view, iova, buffer, bytes, 0, &done)
			   : viommu_view_dma_read(r->view, iova, buffer, bytes, 0, &done);

	if (result == VIOMMU_OK || result == VIOMMU_PENDING)
		CHECK(done == bytes);
	else
		CHECK((result == VIOMMU_MISS || result == VIOMMU_UNREACHABLE) && done < bytes);
	free(buffer);
}

static void step(struct view_rig *r, struct input *in)
{
	uint64_t what = input_take(in, 1) % 11, iova;
	uint32_t bytes;
	uint8_t *message;

	if (what < 3 || what == 4 || what == 5)
		honest = false;
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
	case 9:
		use_word(r, in);
		break;
	case 10:
		use_bytes(r, in);
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
	honest = true;
	while (input_left(&in))
		step(&r, &in);
	atomic_store(&r.section[0], 0);
	viommu_view_leave(r.view);
	CHECK(viommu_run(r.g.iommu) == VIOMMU_OK);
	CHECK(guest_waited(&r.g));
	view_rig_close(&r);
	return 0;
}
