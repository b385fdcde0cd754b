/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fuzz_virtio.c - a virtio-iommu, called as the input says; virtio_oracle.h says what must come of
 * it.
 *
 *	byte 0		bits 0-1: granule; 2: narrow ranges; 3: bypass; 4: legacy features;
 *			5: regions; 6: device TLBs answer late; 7: small caps, and few steps
 *	then, each	what to do, then its operands: see step()
 *
 * Requests are arbitrary bytes in arbitrary parts. No access ever reaches what the oracle does not
 * grant; what is hostile and restored is possible, and goes with a reset.
 */
#include <stdlib.h>
#include <string.h>

#include "virtio_machine.h"

enum { STEPS = 400, STATE_MAX = 65536, FRAGMENTS_MAX = 8 };

/* ---- accesses ---- */

static void check_fragments(struct virtio_fuzz *f, unsigned i, const struct viommu_request *q,
			    const struct viommu_fragment *fragment, unsigned count, uint64_t next)
{
	uint64_t at = q->first;

	for (unsigned k = 0; k < count; k++) {
		uint64_t end = at + fragment[k].length; /* exclusive, may be 0 */
		uint64_t gpa = fragment[k].gpa;

		CHECK(fragment[k].length && (fragment[k].perm & q->access) == q->access);
		while (at != end) {
			struct vo_place p = vo_access(&f->o, i + 1, at, q->access);
			uint64_t last = p.last < end - 1 ? p.last : end - 1;

			CHECK(p.kind == VO_TARGET && p.gpa == gpa &&
			      p.perm == (fragment[k].perm & 3));
			gpa += last - at + 1;
			at = last + 1;
		}
	}
	CHECK(at == next);
}

static void check_end(struct virtio_fuzz *f, unsigned i, const struct viommu_request *q, int result,
		      const struct viommu_answer *a)
{
	struct vo_place p;

	if (result == VIOMMU_OK) {
		CHECK(a->next - 1 == q->last);
		return;
	}
	p = vo_access(&f->o, i + 1, a->next, q->access);
	if (result == VIOMMU_MORE)
		CHECK(p.kind == VO_TARGET);
	else if (result == VIOMMU_INTERRUPT)
		CHECK(p.kind == VO_MESSAGE);
	else
		CHECK(result == VIOMMU_FAULT && p.kind != VO_TARGET &&
		      a->reason == (p.kind == VO_UNATTACHED ? 1 : 2) &&
		      (p.kind != VO_MESSAGE || q->access != VIOMMU_WRITE));
}

static void translate(struct virtio_fuzz *f)
{
	uint64_t how = take(f, 1);
	unsigned i = how & 3;
	struct viommu_fragment fragment[FRAGMENTS_MAX];
	struct viommu_answer a;
	struct viommu_request q = { .first = virtio_fuzz_address(f) + take(f, 1),
				    .pasid = VIOMMU_NO_PASID,
				    .access = (uint16_t)(1 + (how >> 3) % 3) };
	int result;

	q.last = q.first + take(f, 2);
	if (q.last < q.first)
		q.last = UINT64_MAX;
	result = how & 4 ? viommu_translate(f->channel[i], &q, fragment, FRAGMENTS_MAX, &a)
			 : viommu_device_translate(f->device[i], &q, fragment, FRAGMENTS_MAX, &a);
	CHECK(result >= 0 && a.count <= FRAGMENTS_MAX);
	if (f->lost)
		return;
	check_fragments(f, i, &q, fragment, a.count, a.next);
	check_end(f, i, &q, result, &a);
}

/* Requests that the architecture does not have: any answer, no harm. */
static void translate_strangely(struct virtio_fuzz *f)
{
	struct viommu_fragment fragment[2];
	struct viommu_answer a;
	struct viommu_request q = { .first = take(f, 8),
				    .last = take(f, 8),
				    .pasid = (uint32_t)take(f, 4),
				    .access = (uint16_t)take(f, 2),
				    .type = (uint16_t)(take(f, 1) % 4) };

	viommu_device_translate(f->device[q.first & 3], &q, fragment, 2, &a);
	q.pasid = VIOMMU_NO_PASID;
	viommu_device_translate(f->device[q.first & 3], &q, fragment, 2, &a);
}

static int mapped(void *opaque, uint64_t iova, const struct viommu_fragment *fragment)
{
	struct virtio_fuzz *f = virtio_fuzz;
	struct vo_place p;
	unsigned i = *(unsigned *)opaque;

	CHECK(fragment->length && iova + (fragment->length - 1) >= iova);
	if (f->lost || !(fragment->perm & 3))
		return 0;
	p = vo_access(&f->o, i + 1, iova, 0);
	CHECK(p.kind == VO_TARGET && p.gpa == fragment->gpa && p.perm == (fragment->perm & 3));
	p = vo_access(&f->o, i + 1, iova + (fragment->length - 1), 0);
	CHECK(p.kind == VO_TARGET && p.gpa == fragment->gpa + (fragment->length - 1));
	return 0;
}

static void replay(struct virtio_fuzz *f)
{
	unsigned i = (unsigned)take(f, 1) & 3;
	uint64_t first = 0;
	uint32_t budget = (uint32_t)take(f, 1);
	int result = VIOMMU_MORE;

	for (unsigned calls = 0; result == VIOMMU_MORE && calls < 2000; calls++)
		result = viommu_replay(f->device[i], VIOMMU_NO_PASID, &first, UINT64_MAX, budget,
				       mapped, &i);
	CHECK(result == VIOMMU_OK || result == VIOMMU_FAULT);
}

/* ---- configuration, resets, states ---- */

static void configuration(struct virtio_fuzz *f)
{
	uint64_t offset = take(f, 1) % 0x30;
	uint32_t bytes = 1 + (uint32_t)take(f, 1) % 8;
	uint64_t value;
	int result;

	if (offset & 1 && f->o.config.offered & VIOMMU_VIRTIO_F_BYPASS_CONFIG) {
		result = viommu_reg_write(f->iommu, offset ^ 1, bytes, take(f, 8));
		CHECK(result == VIOMMU_OK || result == VIOMMU_PENDING);
		virtio_fuzz_run(f);
	} else {
		CHECK(viommu_reg_read(f->iommu, offset, bytes, &value) == VIOMMU_OK);
	}
	CHECK(viommu_reg_read(f->iommu, 0x24, 1, &value) == VIOMMU_OK && value <= 1);
	f->o.bypass = value;
}

/* The oracle knows again. */
static void reset(struct virtio_fuzz *f)
{
	uint64_t how = take(f, 1);
	uint64_t value;

	if (how & 1)
		CHECK(viommu_reset(f->iommu) >= VIOMMU_OK); /* or a section is open */
	else
		CHECK(viommu_virtio_reset(f->iommu) >= VIOMMU_OK);
	vo_reset(&f->o);
	CHECK(viommu_reg_read(f->iommu, 0x24, 1, &value) == VIOMMU_OK);
	if (how & 1)
		CHECK(value == f->o.config.bypass);
	f->o.bypass = value;
	if (how & 2) {
		f->o.accepted = f->o.config.offered & (how | 0x14);
		CHECK(viommu_virtio_set_features(f->iommu, f->o.accepted) >= VIOMMU_OK);
	}
	f->lost = false;
	f->pending = f->completed = 0; /* never completed */
	virtio_fuzz_run(f);
}

/* As state.h describes the end record: the sum of what is before it. */
static void make_sum(uint8_t *state, uint64_t bytes)
{
	uint64_t total = 0;

	for (uint64_t i = 0; bytes >= 16 && i < bytes - 16; i++)
		total = (total << 1 | total >> 63) + state[i];
	for (unsigned i = 0; bytes >= 16 && i < 8; i++)
		state[bytes - 8 + i] = (uint8_t)(total >> 8 * i);
}

static uint64_t save(struct virtio_fuzz *f, uint8_t *state)
{
	uint64_t bytes = STATE_MAX;

	CHECK(viommu_save(f->iommu, state, &bytes) == VIOMMU_OK);
	return bytes;
}

static void hostile_state(struct virtio_fuzz *f)
{
	static uint8_t before[STATE_MAX], after[STATE_MAX];
	uint64_t bytes = save(f, before);
	uint8_t *state = malloc(bytes);
	uint64_t count = bytes;
	unsigned changes = (unsigned)take(f, 1) % 8;
	int result;

	CHECK(state);
	memcpy(state, before, bytes);
	for (unsigned i = 0; i < changes; i++)
		state[take(f, 2) % bytes] = (uint8_t)take(f, 1);
	if (take(f, 1) % 8)
		make_sum(state, bytes);
	else
		count = take(f, 2) % (bytes + 1);
	result = viommu_restore(f->iommu, state, count);
	free(state);
	CHECK(result == VIOMMU_OK || result == VIOMMU_PENDING || result == VIOMMU_ESTATE);
	if (result == VIOMMU_ESTATE) {
		CHECK(save(f, after) == bytes && memcmp(before, after, bytes) == 0);
		return;
	}
	f->lost = f->lost || changes;
	f->hostile = f->hostile || changes;
	f->pending = f->completed = 0;
	count = save(f, after);
	CHECK(viommu_restore(f->iommu, after, count) >= 0);
	CHECK(save(f, before) == count); /* in whatever order */
}

static void events(struct virtio_fuzz *f)
{
	uint8_t record[24];
	uint32_t capacity = (uint32_t)take(f, 1) % 32;
	uint8_t *buffer = malloc(capacity ? capacity : 1);
	int result = viommu_virtio_event(f->iommu, buffer, capacity);

	CHECK(result == VIOMMU_ENOENT || result == (capacity < 24 ? VIOMMU_ENOSPC : VIOMMU_OK));
	free(buffer);
	while (viommu_virtio_event(f->iommu, record, 24) == VIOMMU_OK) {
		CHECK(f->hostile || (record[8] >= 1 && record[8] <= 4));
		CHECK(f->hostile || record[0] <= 2);
	}
	f->hostile = false;
}

static void section(struct virtio_fuzz *f)
{
	unsigned i = (unsigned)take(f, 1) & 3;

	CHECK((f->inside[i] ? viommu_leave(f->channel[i]) : viommu_enter(f->channel[i])) ==
	      VIOMMU_OK);
	f->inside[i] = !f->inside[i];
}

static void run(struct virtio_fuzz *f)
{
	int result;

	virtio_fuzz_run(f);
	result = viommu_run(f->iommu);
	CHECK(result == VIOMMU_OK || result == VIOMMU_PENDING);
	if (result == VIOMMU_OK)
		CHECK(f->completed == f->pending);
	else
		CHECK(virtio_fuzz_busy(f));
}

static void step(struct virtio_fuzz *f)
{
	switch (take(f, 1) % 20) {
	case 0:
		virtio_fuzz_arbitrary(f);
		break;
	case 1:
		configuration(f);
		break;
	case 2:
		section(f);
		break;
	case 3:
		run(f);
		break;
	case 4:
		hostile_state(f);
		break;
	case 5:
		reset(f);
		break;
	case 6:
		events(f);
		break;
	case 7:
		translate_strangely(f);
		break;
	case 8:
		replay(f);
		break;
	case 9:
		virtio_fuzz_answer(f);
		break;
	case 14:
		virtio_fuzz_fail(f, (unsigned)take(f, 1) & 3);
		break;
	case 15:
		virtio_fuzz_fill(f);
		break;
	case 10:
	case 11:
	case 12:
	case 13:
		translate(f);
		break;
	default:
		virtio_fuzz_structured(f);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct virtio_fuzz *f = calloc(1, sizeof(*f));

	CHECK(f);
	virtio_fuzz = f;
	f->in = (struct input){ .data = data, .size = size };
	virtio_fuzz_open(f);
	for (unsigned i = 0; i < STEPS && input_left(&f->in); i++)
		step(f);
	virtio_fuzz_close(f);
	free(f);
	return 0;
}
