/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fuzz_virtio.c - a virtio-iommu, called as the input says; virtio_oracle.h says what must come of
 * it.
 *
 *	byte 0		bits 0-1: granule; 2: narrow ranges; 3: bypass; 4: legacy features;
 *			5: regions; 6: device TLBs answer late; 7: small caps
 *	then, each	what to do, then its operands: see step()
 *
 * Requests are arbitrary bytes in arbitrary parts. No access ever reaches what the oracle does not
 * grant; what is hostile and restored is possible, and goes with a reset.
 */
#include <stdlib.h>
#include <string.h>

#include <libvirtiommu/virtio.h>

#include "harness.h"
#include "virtio_oracle.h"

enum { STEPS = 400, STATE_MAX = 65536, LATE = 64, FRAGMENTS_MAX = 8 };

struct fuzz {
	struct input in;
	struct viommu_vm *vm;
	struct viommu *iommu;
	struct viommu_device *device[4];
	struct viommu_channel *channel[4];
	bool inside[4]; /* a section */
	struct virtio_oracle o;
	bool hostile; /* so may be the records that wait */
	bool lost;    /* a hostile state was restored: the oracle does not know */
	bool late;
	struct {
		unsigned device;
		uint64_t token;
	} owed[LATE];
	unsigned owes;
	uint64_t pending, completed;
	uint64_t tokens[LATE]; /* of pending requests, in order */
	uint64_t token;
};

static struct fuzz *fuzz;

static uint64_t take(struct fuzz *f, unsigned bytes)
{
	return input_take(&f->in, bytes);
}

/* ---- callbacks ---- */

static void complete(void *opaque, uint64_t token)
{
	struct fuzz *f = opaque;

	CHECK(f->completed < f->pending);
	CHECK(f->tokens[f->completed++ % LATE] == token);
}

static int invalidate(void *opaque, const struct viommu_device_invalidation *what)
{
	struct fuzz *f = fuzz;

	CHECK(what->first <= what->last);
	if (!f->late || f->owes == LATE)
		return VIOMMU_OK;
	f->owed[f->owes].device = (unsigned)(uintptr_t)opaque;
	f->owed[f->owes++].token = what->token;
	return VIOMMU_PENDING;
}

/* ---- life ---- */

static void add_regions(struct fuzz *f)
{
	static const struct vo_region regions[2][2] = {
		{ { 0x8000, 0x8fff, false }, { 0x20000, 0x2ffff, true } },
		{ { 0x10003, 0x10004, false }, { 0xb000, 0xbfff, true } },
	};

	for (unsigned i = 0; i < 2; i++) {
		struct viommu_virtio_region given[2];
		struct viommu_virtio_endpoint e = { .size = sizeof(e),
						    .region_count = 2,
						    .regions = given };

		for (unsigned k = 0; k < 2; k++)
			given[k] = (struct viommu_virtio_region){ regions[i][k].first,
								  regions[i][k].last,
								  regions[i][k].msi, 0 };
		memcpy(f->o.endpoint[i].region, regions[i], sizeof(regions[i]));
		f->o.endpoint[i].regions = 2;
		CHECK(viommu_virtio_set_endpoint(f->device[i], &e) == VIOMMU_OK);
	}
}

static void open_devices(struct fuzz *f)
{
	f->o.endpoints = 4;
	for (unsigned i = 0; i < 4; i++) {
		struct viommu_device_config config = { .size = sizeof(config),
						       .id = i + 1,
						       .opaque = (void *)(uintptr_t)i,
						       .invalidate = i & 1 ? invalidate : NULL };

		f->o.endpoint[i].id = i + 1;
		CHECK(viommu_device_new(f->iommu, &config, &f->device[i]) == VIOMMU_OK);
		CHECK(viommu_channel_new(f->device[i], VIOMMU_NO_PASID, &f->channel[i]) ==
		      VIOMMU_OK);
	}
}

static void open_machine(struct fuzz *f)
{
	static const uint64_t granules[] = { 0x1000, 1, 0x10000, 0x1000 };
	const uint64_t how = take(f, 1);
	const struct viommu_vm_config vm = { .size = sizeof(vm), .hash_key = { 1, 2 } };
	const struct viommu_limits limits = {
		.size = sizeof(limits), .tlb_entries = 64, .contexts = 16, .domains = 16
	};
	const struct vo_config c = { .granule = granules[how & 3],
				     .input_first = how & 4 ? 0x10000 : 0,
				     .input_last = how & 4 ? 0xfffff : UINT64_MAX,
				     .gpa_last = how & 4 ? 0xfffff : 0xfffffffffffff,
				     .domain_first = how & 4 ? 2 : 0,
				     .domain_last = how & 4 ? 9 : UINT32_MAX,
				     .domains = how & 0x80 ? 2 : 60,
				     .mappings = how & 0x80 ? 5 : 250,
				     .domain_mappings = how & 0x80 ? 4 : 250,
				     .offered = how & 0x10 ? 0x1f : 0x77,
				     .bypass = (how & 0x18) == 8 };
	const struct viommu_virtio_config config = { .size = sizeof(config),
						     .features = c.offered,
						     .page_size_mask = -c.granule,
						     .input_first = c.input_first,
						     .input_last = c.input_last,
						     .gpa_last = c.gpa_last,
						     .domain_first = c.domain_first,
						     .domain_last = c.domain_last,
						     .domains = c.domains,
						     .mappings = c.mappings,
						     .domain_mappings = c.domain_mappings,
						     .probe_size = 64,
						     .events = 8,
						     .bypass = c.bypass,
						     .opaque = f,
						     .complete = complete,
						     .limits = &limits };

	CHECK(viommu_vm_new(&vm, &f->vm) == VIOMMU_OK);
	CHECK(viommu_virtio_new(f->vm, &config, &f->iommu) == VIOMMU_OK);
	vo_init(&f->o, &c);
	open_devices(f);
	f->late = how & 0x40;
	if (how & 0x20)
		add_regions(f);
}

static void answer_late(struct fuzz *f)
{
	while (f->owes) {
		f->owes--;
		/* a reset may have made it moot */
		int result = viommu_invalidation_done(f->device[f->owed[f->owes].device],
						      f->owed[f->owes].token, VIOMMU_OK);

		CHECK(result == VIOMMU_OK || result == VIOMMU_ENOENT);
	}
}

static void close_machine(struct fuzz *f)
{
	answer_late(f);
	for (unsigned i = 0; i < 4; i++) {
		if (f->inside[i])
			CHECK(viommu_leave(f->channel[i]) == VIOMMU_OK);
	}
	CHECK(viommu_run(f->iommu) == VIOMMU_OK);
	CHECK(f->completed == f->pending);
	for (unsigned i = 0; i < 4; i++) {
		CHECK(viommu_channel_free(f->channel[i]) == VIOMMU_OK);
		CHECK(viommu_device_free(f->device[i]) == VIOMMU_OK);
	}
	CHECK(viommu_free(f->iommu) == VIOMMU_OK);
	CHECK(viommu_vm_free(f->vm) == VIOMMU_OK);
}

/* ---- requests ---- */

/* In parts as the input says, each a block of its own. */
static unsigned cut(struct fuzz *f, const uint8_t *bytes, uint64_t count, struct viommu_part *parts)
{
	uint64_t how = take(f, 1);
	unsigned n = 0;

	while (count || (how & 1 && n < 2)) {
		uint64_t part = n < 6 ? how >> 1 & 0x1f : count;

		if (part > count || !(how & 0x80))
			part = count;
		parts[n].base = malloc(part ? part : 1);
		parts[n].bytes = part;
		CHECK(parts[n].base);
		if (bytes)
			memcpy(parts[n].base, bytes, part);
		else
			memset(parts[n].base, 0xa5, part);
		bytes = bytes ? bytes + part : NULL;
		count -= part;
		n++;
	}
	return n;
}

static void join(struct viommu_part *parts, unsigned n, uint8_t *to)
{
	for (unsigned i = 0; i < n; i++) {
		if (to) {
			memcpy(to, parts[i].base, parts[i].bytes);
			to += parts[i].bytes;
		}
		free(parts[i].base);
	}
}

static unsigned answer_of(const uint8_t *buffer, uint64_t room, uint32_t used)
{
	for (uint64_t i = used; i < room; i++)
		CHECK(buffer[i] == 0xa5);
	if (!used)
		return VO_NOTHING;
	CHECK(used >= 4 && used <= room);
	CHECK(!(buffer[used - 3] | buffer[used - 2] | buffer[used - 1]));
	CHECK(buffer[used - 4] <= VO_NOMEM);
	return buffer[used - 4];
}

static bool anybody_inside(const struct fuzz *f)
{
	return f->inside[0] || f->inside[1] || f->inside[2] || f->inside[3] || f->owes;
}

static void send_bytes(struct fuzz *f, const uint8_t *bytes, uint64_t count, uint64_t room)
{
	struct viommu_part in[8], out[8];
	uint8_t buffer[256];
	unsigned in_count, out_count, answer;
	uint32_t used = 0;
	int result;

	if (f->pending - f->completed == LATE)
		return;
	in_count = cut(f, bytes, count, in);
	out_count = cut(f, NULL, room, out);
	result = viommu_virtio_request(f->iommu, in, in_count, out, out_count, ++f->token, &used);
	join(in, in_count, NULL);
	join(out, out_count, buffer);
	if (result == VIOMMU_ELIMIT) {
		CHECK(f->pending > f->completed);
		return;
	}
	CHECK(result == VIOMMU_OK || (result == VIOMMU_PENDING && anybody_inside(f)));
	if (result == VIOMMU_PENDING)
		f->tokens[f->pending++ % LATE] = f->token;
	answer = answer_of(buffer, room, used);
	if (f->lost)
		return;
	if (room >= (count && bytes[0] == 5 ? 68 : 4))
		CHECK(vo_judge(&f->o, bytes, count) >> answer & 1);
	else
		CHECK(answer != VO_OK);
	vo_apply(&f->o, bytes, count, answer);
}

static void put(uint8_t *to, uint64_t value, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		to[i] = (uint8_t)(value >> 8 * i);
}

/* Page numbers, so that they meet. */
static uint64_t address(struct fuzz *f)
{
	uint64_t byte = take(f, 1);

	if (byte >= 0xf0)
		return (byte & 1 ? UINT64_MAX : 0) - (byte >> 1 & 7) * f->o.config.granule;
	return f->o.config.input_first + (byte & 0x3f) * f->o.config.granule +
	       (byte & 0x40 ? UINT64_C(1) << 32 : 0);
}

static void structured(struct fuzz *f)
{
	static const uint8_t sizes[] = { 20, 20, 36, 28, 72 };
	const unsigned type = 1 + (unsigned)take(f, 1) % 5;
	const uint64_t what = take(f, 1);
	uint8_t bytes[72] = { (uint8_t)type };
	uint64_t first;

	put(bytes + 4, type == 5 ? 1 + what % 5 : 2 + (what & 3), 4);
	if (type <= 2) {
		put(bytes + 8, 1 + (what >> 2) % 5, 4);
		bytes[12] = type == 1 ? (uint8_t)(what >> 7) : 0;
	} else if (type <= 4) {
		first = address(f);
		put(bytes + 8, first, 8);
		put(bytes + 16, first + (1 + (what >> 4)) * f->o.config.granule - 1, 8);
	}
	if (type == 3) {
		put(bytes + 24, address(f), 8);
		bytes[32] = (uint8_t)(what >> 2 & 7);
	}
	send_bytes(f, bytes, sizes[type - 1], type == 5 ? 68 : 4);
}

static void arbitrary(struct fuzz *f)
{
	uint64_t count = take(f, 1) % 96;
	uint64_t room = take(f, 1) % 80;
	uint8_t bytes[96];

	for (uint64_t i = 0; i < count; i++)
		bytes[i] = (uint8_t)take(f, 1);
	send_bytes(f, bytes, count, room);
}

/* ---- accesses ---- */

static void check_fragments(struct fuzz *f, unsigned i, const struct viommu_request *q,
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

static void check_end(struct fuzz *f, unsigned i, const struct viommu_request *q, int result,
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

static void translate(struct fuzz *f)
{
	uint64_t how = take(f, 1);
	unsigned i = how & 3;
	struct viommu_fragment fragment[FRAGMENTS_MAX];
	struct viommu_answer a;
	struct viommu_request q = { .first = address(f) + take(f, 1),
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
static void translate_strangely(struct fuzz *f)
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
	struct fuzz *f = fuzz;
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

static void replay(struct fuzz *f)
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

static void configuration(struct fuzz *f)
{
	uint64_t offset = take(f, 1) % 0x30;
	uint32_t bytes = 1 + (uint32_t)take(f, 1) % 8;
	uint64_t value;
	int result;

	if (offset & 1 && f->o.config.offered & VIOMMU_VIRTIO_F_BYPASS_CONFIG) {
		result = viommu_reg_write(f->iommu, offset ^ 1, bytes, take(f, 8));
		CHECK(result == VIOMMU_OK || result == VIOMMU_PENDING);
	} else {
		CHECK(viommu_reg_read(f->iommu, offset, bytes, &value) == VIOMMU_OK);
	}
	CHECK(viommu_reg_read(f->iommu, 0x24, 1, &value) == VIOMMU_OK && value <= 1);
	f->o.bypass = value;
}

/* The oracle knows again. */
static void reset(struct fuzz *f)
{
	uint64_t how = take(f, 1);
	uint64_t value;

	CHECK((how & 1 ? viommu_reset(f->iommu) : viommu_virtio_reset(f->iommu)) == VIOMMU_OK);
	vo_reset(&f->o);
	CHECK(viommu_reg_read(f->iommu, 0x24, 1, &value) == VIOMMU_OK);
	if (how & 1)
		CHECK(value == f->o.config.bypass);
	f->o.bypass = value;
	f->o.accepted = f->o.config.offered & (how | 0x14);
	CHECK(viommu_virtio_set_features(f->iommu, f->o.accepted) == VIOMMU_OK);
	f->lost = false;
	f->pending = f->completed = 0; /* never completed */
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

static uint64_t save(struct fuzz *f, uint8_t *state)
{
	uint64_t bytes = STATE_MAX;

	CHECK(viommu_save(f->iommu, state, &bytes) == VIOMMU_OK);
	return bytes;
}

static void hostile_state(struct fuzz *f)
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

static void events(struct fuzz *f)
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

static void section(struct fuzz *f)
{
	unsigned i = (unsigned)take(f, 1) & 3;

	CHECK((f->inside[i] ? viommu_leave(f->channel[i]) : viommu_enter(f->channel[i])) ==
	      VIOMMU_OK);
	f->inside[i] = !f->inside[i];
}

static void run(struct fuzz *f)
{
	int result = viommu_run(f->iommu);

	CHECK(result == VIOMMU_OK || result == VIOMMU_PENDING);
	if (result == VIOMMU_OK)
		CHECK(f->completed == f->pending);
	else
		CHECK(anybody_inside(f));
}

static void step(struct fuzz *f)
{
	switch (take(f, 1) % 20) {
	case 0:
		arbitrary(f);
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
		answer_late(f);
		break;
	case 10:
	case 11:
	case 12:
	case 13:
		translate(f);
		break;
	default:
		structured(f);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz *f = calloc(1, sizeof(*f));

	CHECK(f);
	fuzz = f;
	f->in = (struct input){ .data = data, .size = size };
	open_machine(f);
	for (unsigned i = 0; i < STEPS && input_left(&f->in); i++)
		step(f);
	close_machine(f);
	free(f);
	return 0;
}
