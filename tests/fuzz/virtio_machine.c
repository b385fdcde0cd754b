/* SPDX-License-Identifier: BSD-3-Clause */
/* virtio_machine.c - the machine of fuzz_virtio.c: configurations, and requests compared with what
 * the oracle permits. */
#include "virtio_engine.h"
#include "virtio_machine.h"

#include <stdlib.h>
#include <string.h>

/* Functions that a call may enter for each step, and beside. */
enum { WORK_EACH = 20, WORK_BASE = 600 };

struct virtio_fuzz *virtio_fuzz;

/* ---- callbacks ---- */

static void complete(void *opaque, uint64_t token)
{
	struct virtio_fuzz *f = opaque;

	const unsigned count = (unsigned)(f->pending - f->completed);
	unsigned i = 0;

	/* strangers may overtake each other */
	while (i < count && f->tokens[i] != token)
		i++;
	CHECK(i < count);
	memmove(&f->tokens[i], &f->tokens[i + 1], (count - i - 1) * sizeof(f->tokens[0]));
	f->completed++;
}

/* ---- what listeners are told, which no call may do without end ---- */

static void on_unmap(void *opaque, struct viommu_device *device, uint32_t pasid, uint64_t first,
		     uint64_t last)
{
	CHECK(first <= last);
	virtio_fuzz->told++;
}

static int on_map(void *opaque, struct viommu_device *device, uint32_t pasid, uint64_t iova,
		  const struct viommu_fragment *fragment)
{
	CHECK(fragment->length);
	virtio_fuzz->told++;
	return VIOMMU_OK;
}

static void on_mode(void *opaque, struct viommu_device *device, uint32_t mode)
{
	virtio_fuzz->told++;
}

static void listen_to_all(struct virtio_fuzz *f)
{
	const struct viommu_listener_config config = {
		.size = sizeof(config), .unmap = on_unmap, .map = on_map, .mode = on_mode
	};

	CHECK(viommu_listener_new(f->iommu, NULL, &config, &f->listener) == VIOMMU_OK);
}

void virtio_fuzz_check_steps(struct virtio_fuzz *f)
{
	CHECK(!f->steps || f->told <= f->steps + 4);
	f->told = 0;
}

void virtio_fuzz_run(struct virtio_fuzz *f)
{
	int result = VIOMMU_PENDING;

	/* what is under way is shorter than that; what is held back, after a few calls more, stays so */
	for (unsigned i = 0, more = 0; f->steps && more < 4 && result == VIOMMU_PENDING; i++) {
		CHECK(i < 200);
		more += !virtio_of(f->iommu)->job.phase;
		f->told = 0;
		result = viommu_run(f->iommu);
		CHECK(result == VIOMMU_OK || result == VIOMMU_PENDING);
		virtio_fuzz_check_steps(f);
	}
}

static int invalidate(void *opaque, const struct viommu_device_invalidation *what)
{
	struct virtio_fuzz *f = virtio_fuzz;

	CHECK(what->first <= what->last);
	if (!f->late || f->owes == LATE)
		return VIOMMU_OK;
	f->owed[f->owes].device = (unsigned)(uintptr_t)opaque;
	f->owed[f->owes++].token = what->token;
	return VIOMMU_PENDING;
}

/* ---- life ---- */

static void add_regions(struct virtio_fuzz *f)
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

static void open_devices(struct virtio_fuzz *f)
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

void virtio_fuzz_open(struct virtio_fuzz *f)
{
	static const uint64_t granules[] = { 0x1000, 1, 0x10000, 0x1000 };
	const uint64_t how = take(f, 1);
	const struct viommu_vm_config vm = { .size = sizeof(vm), .hash_key = { 1, 2 } };
	const unsigned steps = how & 0x80 ? 3 : how & 0x40 ? 6 : 0;
	const struct viommu_limits limits = { .size = sizeof(limits),
					      .tlb_entries = 64,
					      .contexts = 16,
					      .domains = 16,
					      .outstanding = how & 0x40 ? 3 : 0,
					      .steps = steps };
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

	work_expect(steps ? steps : 4096, WORK_EACH, WORK_BASE);
	CHECK(viommu_vm_new(&vm, &f->vm) == VIOMMU_OK);
	CHECK(viommu_virtio_new(f->vm, &config, &f->iommu) == VIOMMU_OK);
	vo_init(&f->o, &c);
	open_devices(f);
	f->late = how & 0x40;
	f->steps = steps;
	if (how & 0x20)
		add_regions(f);
	if (f->steps)
		listen_to_all(f);
}

void virtio_fuzz_answer(struct virtio_fuzz *f)
{
	while (f->owes) {
		f->owes--;
		/* a reset may have made it moot */
		int result = viommu_invalidation_done(f->device[f->owed[f->owes].device],
						      f->owed[f->owes].token, VIOMMU_OK);

		CHECK(result == VIOMMU_OK || result == VIOMMU_ENOENT);
	}
}

void virtio_fuzz_fail(struct virtio_fuzz *f, unsigned device)
{
	unsigned left = 0;

	CHECK(viommu_device_fail(f->device[device]) == VIOMMU_OK);
	for (unsigned i = 0; i < f->owes; i++) {
		if (f->owed[i].device != device)
			f->owed[left++] = f->owed[i];
	}
	f->owes = left;
}

/* Those who could not be told before are now. */
static void answer_all(struct virtio_fuzz *f)
{
	for (unsigned i = 0; i < 4; i++) {
		virtio_fuzz_answer(f);
		virtio_fuzz_run(f);
	}
	CHECK(!f->owes);
}

void virtio_fuzz_close(struct virtio_fuzz *f)
{
	for (unsigned i = 0; i < 4; i++) {
		if (f->inside[i])
			CHECK(viommu_leave(f->channel[i]) == VIOMMU_OK);
	}
	answer_all(f);
	CHECK(viommu_run(f->iommu) == VIOMMU_OK);
	CHECK(f->completed == f->pending);
	CHECK(viommu_listener_free(f->listener) == VIOMMU_OK);
	for (unsigned i = 0; i < 4; i++) {
		CHECK(viommu_channel_free(f->channel[i]) == VIOMMU_OK);
		CHECK(viommu_device_free(f->device[i]) == VIOMMU_OK);
	}
	CHECK(viommu_free(f->iommu) == VIOMMU_OK);
	CHECK(viommu_vm_free(f->vm) == VIOMMU_OK);
}

/* ---- requests ---- */

/* In parts as the input says, each a block of its own. */
static unsigned cut(struct virtio_fuzz *f, const uint8_t *bytes, uint64_t count,
		    struct viommu_part *parts)
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

bool virtio_fuzz_busy(const struct virtio_fuzz *f)
{
	return f->inside[0] || f->inside[1] || f->inside[2] || f->inside[3] || f->owes;
}

static void send_bytes(struct virtio_fuzz *f, const uint8_t *bytes, uint64_t count, uint64_t room)
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
	f->told = 0;
	result = viommu_virtio_request(f->iommu, in, in_count, out, out_count, ++f->token, &used);
	virtio_fuzz_check_steps(f);
	join(in, in_count, NULL);
	if (result == VIOMMU_ELIMIT) {
		join(out, out_count, buffer);
		CHECK(f->pending > f->completed);
		return;
	}
	CHECK(result == VIOMMU_OK ||
	      (result == VIOMMU_PENDING && (f->steps || virtio_fuzz_busy(f))));
	if (result == VIOMMU_PENDING)
		f->tokens[f->pending++ - f->completed] = f->token;
	/* what is still decided changes the answer in the buffer, which is the library's meanwhile */
	if (result == VIOMMU_PENDING)
		virtio_fuzz_run(f);
	join(out, out_count, buffer);
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
uint64_t virtio_fuzz_address(struct virtio_fuzz *f)
{
	uint64_t byte = take(f, 1);

	if (byte >= 0xf0)
		return (byte & 1 ? UINT64_MAX : 0) - (byte >> 1 & 7) * f->o.config.granule;
	return f->o.config.input_first + (byte & 0x3f) * f->o.config.granule +
	       (byte & 0x40 ? UINT64_C(1) << 32 : 0);
}

void virtio_fuzz_structured(struct virtio_fuzz *f)
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
		first = virtio_fuzz_address(f);
		put(bytes + 8, first, 8);
		put(bytes + 16, first + (1 + (what >> 4)) * f->o.config.granule - 1, 8);
	}
	if (type == 3) {
		put(bytes + 24, virtio_fuzz_address(f), 8);
		bytes[32] = (uint8_t)(what >> 2 & 7);
	}
	send_bytes(f, bytes, sizes[type - 1], type == 5 ? 68 : 4);
}

void virtio_fuzz_fill(struct virtio_fuzz *f)
{
	const uint64_t what = take(f, 1);
	const uint64_t count = take(f, 1);
	const struct input in = f->in;
	uint64_t first = f->o.config.input_first + (what >> 2 & 1) * f->o.config.granule;

	f->in.size = f->in.at; /* in one part each */
	for (uint64_t i = 0; i < count; i++, first += 2 * f->o.config.granule) {
		uint8_t bytes[36] = { 3 };

		put(bytes + 4, 2 + (what & 3), 4);
		put(bytes + 8, first, 8);
		put(bytes + 16, first + f->o.config.granule - 1, 8);
		bytes[32] = 3;
		send_bytes(f, bytes, sizeof(bytes), 4);
	}
	f->in = in;
}

void virtio_fuzz_arbitrary(struct virtio_fuzz *f)
{
	uint64_t count = take(f, 1) % 96;
	uint64_t room = take(f, 1) % 80;
	uint8_t bytes[96];

	for (uint64_t i = 0; i < count; i++)
		bytes[i] = (uint8_t)take(f, 1);
	send_bytes(f, bytes, count, room);
}
