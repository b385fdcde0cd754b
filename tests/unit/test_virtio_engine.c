/* SPDX-License-Identifier: BSD-3-Clause */
/* test_virtio_engine.c - the virtio-iommu as a whole: requests in every split, who is told, when a
 * request is complete, and saved states. What the specification asks of each request is in
 * tests/spec. */
#include "check.h"

#include <stdlib.h>
#include <string.h>

#include <libvirtiommu/virtio.h>
#include <libvirtiommu/vm.h>

#include "virtio_engine.h"

#define PAGE	 UINT64_C(0x1000)
#define RAM	 (64 * PAGE)
#define MSI	 UINT64_C(0xfee00000)
#define MSI_LAST UINT64_C(0xfeefffff)

struct told {
	char what; /* u, m, M */
	uint64_t first, last;
	uint32_t mode;
	struct viommu_fragment fragment;
};

struct rig {
	struct viommu_vm *vm;
	struct viommu *iommu;
	struct viommu_device *device[8];
	unsigned devices;
	unsigned char *ram;
	uint64_t completed[2048];
	unsigned completions, events, works;
	struct told told[256];
	unsigned tells;
	struct viommu_device_invalidation invalidation[16];
	unsigned invalidations;
	int answer; /* of the device's own cache */
};

static void on_event(void *opaque)
{
	((struct rig *)opaque)->events++;
}

static void on_complete(void *opaque, uint64_t token)
{
	struct rig *r = opaque;

	r->completed[r->completions++ % 2048] = token;
}

static void on_work(void *opaque)
{
	((struct rig *)opaque)->works++;
}

static int on_invalidate(void *opaque, const struct viommu_device_invalidation *invalidation)
{
	struct rig *r = opaque;

	r->invalidation[r->invalidations++ % 16] = *invalidation;
	return r->answer;
}

static struct viommu *new_iommu(struct rig *r, const struct viommu_virtio_config *given)
{
	struct viommu_host host = { .size = sizeof(host), .opaque = r, .work = on_work };
	struct viommu_virtio_config config = { .size = sizeof(config) };
	struct viommu *iommu = NULL;

	if (given)
		config = *given;
	config.size = sizeof(config);
	config.opaque = r;
	config.event = on_event;
	config.complete = on_complete;
	config.host = &host;
	assert_int_equal(viommu_virtio_new(r->vm, &config, &iommu), VIOMMU_OK);
	return iommu;
}

static void rig_init(struct rig *r, const struct viommu_virtio_config *config)
{
	struct viommu_vm_config vm = { .size = sizeof(vm), .hash_key = { 1, 2 } };
	struct viommu_region region = { .size = sizeof(region), .bytes = RAM };

	memset(r, 0, sizeof(*r));
	r->ram = aligned_alloc(4096, RAM);
	region.host = r->ram;
	assert_int_equal(viommu_vm_new(&vm, &r->vm), VIOMMU_OK);
	assert_int_equal(viommu_vm_add_region(r->vm, &region), VIOMMU_OK);
	r->iommu = new_iommu(r, config);
}

static struct viommu_device *add_to(struct rig *r, struct viommu *iommu, uint32_t id, bool cache)
{
	struct viommu_device_config config = { .size = sizeof(config),
					       .id = id,
					       .opaque = r,
					       .invalidate = cache ? on_invalidate : NULL };
	struct viommu_device *device = NULL;

	assert_int_equal(viommu_device_new(iommu, &config, &device), VIOMMU_OK);
	return device;
}

static struct viommu_device *add(struct rig *r, uint32_t id)
{
	return r->device[r->devices++] = add_to(r, r->iommu, id, false);
}

static void rig_fini(struct rig *r)
{
	while (r->devices)
		assert_int_equal(viommu_device_free(r->device[--r->devices]), VIOMMU_OK);
	assert_int_equal(viommu_free(r->iommu), VIOMMU_OK);
	assert_int_equal(viommu_vm_free(r->vm), VIOMMU_OK);
	free(r->ram);
}

/* ---- requests ---- */

static void put(unsigned char *to, uint64_t value, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		to[i] = (unsigned char)(value >> 8 * i);
}

static int result_of;

static unsigned send(struct rig *r, unsigned char *bytes, unsigned count, uint64_t token)
{
	unsigned char tail[4] = { 0xee, 0xee, 0xee, 0xee };
	struct viommu_part in = { bytes, count }, out = { tail, 4 };
	uint32_t written = 77;

	result_of = viommu_virtio_request(r->iommu, &in, 1, &out, 1, token, &written);
	if (result_of < 0)
		return 0x100;
	assert_int_equal(written, 4);
	assert_int_equal(tail[1] | tail[2] | tail[3], 0);
	return tail[0];
}

static unsigned attach(struct rig *r, uint32_t domain, uint32_t endpoint, uint32_t flags)
{
	unsigned char b[20] = { VIRTIO_ATTACH };

	put(b + 4, domain, 4);
	put(b + 8, endpoint, 4);
	put(b + 12, flags, 4);
	return send(r, b, sizeof(b), 1);
}

static unsigned detach(struct rig *r, uint32_t domain, uint32_t endpoint)
{
	unsigned char b[20] = { VIRTIO_DETACH };

	put(b + 4, domain, 4);
	put(b + 8, endpoint, 4);
	return send(r, b, sizeof(b), 2);
}

static void fill_map(unsigned char *b, uint32_t domain, uint64_t first, uint64_t last,
		     uint64_t target, uint32_t flags)
{
	memset(b, 0, 36);
	b[0] = VIRTIO_MAP;
	put(b + 4, domain, 4);
	put(b + 8, first, 8);
	put(b + 16, last, 8);
	put(b + 24, target, 8);
	put(b + 32, flags, 4);
}

static unsigned map(struct rig *r, uint32_t domain, uint64_t first, uint64_t last, uint64_t target,
		    uint32_t flags)
{
	unsigned char b[36];

	fill_map(b, domain, first, last, target, flags);
	return send(r, b, sizeof(b), 3);
}

static unsigned unmap(struct rig *r, uint32_t domain, uint64_t first, uint64_t last, uint64_t token)
{
	unsigned char b[28] = { VIRTIO_UNMAP };

	put(b + 4, domain, 4);
	put(b + 8, first, 8);
	put(b + 16, last, 8);
	return send(r, b, sizeof(b), token);
}

/* gpa, or the negative of result * 16 + reason */
static int64_t at(struct viommu_device *device, uint64_t address, uint16_t access)
{
	struct viommu_request q = {
		.first = address, .last = address, .pasid = VIOMMU_NO_PASID, .access = access
	};
	struct viommu_answer answer;
	struct viommu_fragment f;
	int result = viommu_device_translate(device, &q, &f, 1, &answer);

	return result ? -(result * 16 + answer.reason) : (int64_t)f.gpa;
}

#define DENIED(reason) (-(VIOMMU_FAULT * 16 + (reason)))

/* Every way to cut a MAP request and its tail into three parts each. */
static void every_split(void **state)
{
	unsigned char b[36], tail[4];
	struct rig r;

	rig_init(&r, NULL);
	add(&r, 5);
	assert_int_equal(attach(&r, 7, 5, 0), VIRTIO_S_OK);
	for (unsigned i = 0; i <= 36; i++) {
		for (unsigned j = i; j <= 36; j++) {
			struct viommu_part in[4] = {
				{ b, i }, { NULL, 0 }, { b + i, j - i }, { b + j, 36 - j }
			};
			struct viommu_part out[3] = { { tail, i % 5 },
						      { tail + i % 5, 4 - i % 5 },
						      { NULL, 0 } };
			uint32_t written = 0;

			fill_map(b, 7, i * PAGE, (i + 1) * PAGE - 1, j * PAGE, VIOMMU_READ);
			memset(tail, 0xee, 4);
			assert_int_equal(viommu_virtio_request(r.iommu, in, 4, out, 3, 0, &written),
					 VIOMMU_OK);
			assert_int_equal(written, 4);
			assert_memory_equal(tail, "\0\0\0", 4);
			assert_int_equal(at(r.device[0], i * PAGE + 9, VIOMMU_READ),
					 (int64_t)(j * PAGE + 9));
			assert_int_equal(unmap(&r, 7, 0, UINT64_MAX, 0), VIRTIO_S_OK);
		}
	}
	rig_fini(&r);
}

/* Nothing is written, and nothing done, if head or tail is not there or the type is none. */
static void not_understood(void **state)
{
	unsigned char b[36], tail[4];
	uint32_t written;
	struct rig r;

	rig_init(&r, NULL);
	for (unsigned type = 0; type < 256; type++) {
		for (unsigned bytes = 0; bytes <= 36; bytes++) {
			for (unsigned room = 0; room <= 4; room++) {
				struct viommu_part in = { b, bytes }, out = { tail, room };
				bool known = type >= VIRTIO_ATTACH && type <= VIRTIO_PROBE;
				bool answered = known && bytes >= 4 && room == 4;

				memset(b, 0xff, sizeof(b));
				b[0] = (unsigned char)type;
				memset(tail, 0xee, 4);
				written = 99;
				assert_int_equal(viommu_virtio_request(r.iommu, &in, 1, &out, 1, 0,
								       &written),
						 VIOMMU_OK);
				assert_int_equal(written, answered ? 4 : 0);
				assert_int_equal(tail[1], answered ? 0 : 0xee);
				if (!answered)
					assert_int_equal(tail[0], 0xee);
				else
					assert_int_not_equal(tail[0], VIRTIO_S_OK);
			}
		}
	}
	rig_fini(&r);
}

static void set_regions(struct viommu_device *device, const struct viommu_virtio_region *region,
			uint32_t count)
{
	struct viommu_virtio_endpoint e = { .size = sizeof(e),
					    .region_count = count,
					    .regions = region };

	assert_int_equal(viommu_virtio_set_endpoint(device, &e), VIOMMU_OK);
}

static const struct viommu_virtio_region msi_region = { MSI, MSI_LAST, VIOMMU_VIRTIO_RESV_MSI, 0 };

/* PROBE with the buffer in pieces of every size. */
static void probe_splits(void **state)
{
	static const struct viommu_virtio_region two[2] = {
		{ MSI, MSI_LAST, VIOMMU_VIRTIO_RESV_MSI, 0 },
		{ 0x8000, 0x8fff, VIOMMU_VIRTIO_RESV_RESERVED, 0 },
	};
	unsigned char b[72] = { VIRTIO_PROBE }, out[516], expected[516] = { 0 };
	struct rig r;

	rig_init(&r, NULL);
	set_regions(add(&r, 5), two, 2);
	b[4] = 5;
	put(expected, 1 | 20 << 16, 4);
	put(expected + 8, 0x8000, 8);
	put(expected + 16, 0x8fff, 8);
	put(expected + 24, 1 | 20 << 16, 4);
	expected[28] = 1;
	put(expected + 32, MSI, 8);
	put(expected + 40, MSI_LAST, 8);
	for (unsigned piece = 1; piece <= 516; piece++) {
		struct viommu_part in = { b, 72 }, parts[516];
		uint32_t count = 0, written = 0;

		memset(out, 0xee, sizeof(out));
		for (unsigned i = 0; i < 516; i += piece)
			parts[count++] =
				(struct viommu_part){ out + i, piece < 516 - i ? piece : 516 - i };
		assert_int_equal(viommu_virtio_request(r.iommu, &in, 1, parts, count, 0, &written),
				 VIOMMU_OK);
		assert_int_equal(written, 516);
		assert_memory_equal(out, expected, 516);
	}
	rig_fini(&r);
}

/* ---- translation ---- */

/* An answer of one endpoint is never found by another for which the address is reserved. */
static void regions_do_not_share(void **state)
{
	static const struct viommu_virtio_region hole = { 0x5000, 0x5fff, 0, 0 };
	struct rig r;

	rig_init(&r, NULL);
	add(&r, 1);
	set_regions(add(&r, 2), &hole, 1);
	set_regions(add(&r, 3), &hole, 1);
	assert_int_equal(attach(&r, 9, 1, 1), VIRTIO_S_OK);
	assert_int_equal(attach(&r, 9, 2, 1), VIRTIO_S_OK);
	assert_int_equal(attach(&r, 9, 3, 1), VIRTIO_S_OK);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(at(r.device[0], 0x5000, VIOMMU_READ), 0x5000);
		assert_int_equal(at(r.device[1], 0x4fff, VIOMMU_READ), 0x4fff);
		assert_int_equal(at(r.device[1], 0x5000, VIOMMU_READ), DENIED(2));
		assert_int_equal(at(r.device[1], 0x5fff, VIOMMU_WRITE), DENIED(2));
		assert_int_equal(at(r.device[2], 0x6000, VIOMMU_READ), 0x6000);
	}
	/* two sets of regions, one of which two endpoints share */
	assert_ptr_equal(atomic_load(&virtio_endpoint_of(r.device[1])->regions),
			 atomic_load(&virtio_endpoint_of(r.device[2])->regions));
	rig_fini(&r);
}

/* Mappings and regions that begin and end anywhere. */
static void odd_bytes(void **state)
{
	struct viommu_virtio_config config = { .page_size_mask = UINT64_MAX };
	static const struct viommu_virtio_region odd = { 0x12345, 0x12377, 0, 0 };
	struct rig r;

	rig_init(&r, &config);
	set_regions(add(&r, 1), &odd, 1);
	assert_int_equal(attach(&r, 9, 1, 0), VIRTIO_S_OK);
	assert_int_equal(map(&r, 9, 0x12000, 0x12345, 7, 1), VIRTIO_S_INVAL);
	assert_int_equal(map(&r, 9, 0x12378, 0x1ffff, 0x333, 3), VIRTIO_S_OK);
	assert_int_equal(map(&r, 9, 0x10007, 0x12344, 0x3, 3), VIRTIO_S_OK);
	for (unsigned warm = 0; warm < 2; warm++) {
		for (uint64_t a = 0xf000; a < 0x21000; a++) {
			int64_t expected = a >= 0x10007 && a <= 0x12344 ? (int64_t)(a - 0x10007 + 3)
					   : a >= 0x12378 && a <= 0x1ffff
						   ? (int64_t)(a - 0x12378 + 0x333)
						   : DENIED(2);

			if (at(r.device[0], a, VIOMMU_WRITE) != expected)
				fail_msg("0x%llx: %lld, not %lld", (unsigned long long)a,
					 (long long)at(r.device[0], a, VIOMMU_WRITE),
					 (long long)expected);
		}
	}
	rig_fini(&r);
}

/* A request over a mapping of awkward alignment is one fragment. */
static void whole_ranges(void **state)
{
	struct viommu_request q = { .first = 0x3000,
				    .last = 0x3000 + UINT64_C(0x40001000) - 1,
				    .pasid = VIOMMU_NO_PASID,
				    .access = VIOMMU_WRITE };
	struct viommu_fragment f[2];
	struct viommu_answer answer;
	struct rig r;

	rig_init(&r, NULL);
	add(&r, 1);
	assert_int_equal(attach(&r, 9, 1, 0), VIRTIO_S_OK);
	assert_int_equal(map(&r, 9, q.first, q.last, 0x100000000, 2), VIRTIO_S_OK);
	for (unsigned warm = 0; warm < 3; warm++) {
		assert_int_equal(viommu_device_translate(r.device[0], &q, f, 2, &answer),
				 VIOMMU_OK);
		assert_int_equal(answer.count, 1);
		assert_int_equal(f[0].gpa, 0x100000000);
		assert_int_equal(f[0].length, 0x40001000);
		assert_int_equal(f[0].perm, VIOMMU_WRITE);
		assert_int_equal(at(r.device[0], 0x3000, VIOMMU_READ), DENIED(2));
	}
	rig_fini(&r);
}

/* ---- completion ---- */

static void open_section(void **state)
{
	struct viommu_channel *channel;
	struct rig r;

	rig_init(&r, NULL);
	add(&r, 1);
	assert_int_equal(viommu_channel_new(r.device[0], VIOMMU_NO_PASID, &channel), VIOMMU_OK);
	assert_int_equal(attach(&r, 9, 1, 0), VIRTIO_S_OK);
	assert_int_equal(map(&r, 9, 0, 0xfff, 0x1000, 3), VIRTIO_S_OK);
	assert_int_equal(map(&r, 9, 0x1000, 0x1fff, 0x1000, 3), VIRTIO_S_OK);
	assert_int_equal(viommu_enter(channel), VIOMMU_OK);
	assert_int_equal(unmap(&r, 9, 0x5000, 0x5fff, 50), VIRTIO_S_OK);
	assert_int_equal(result_of, VIOMMU_OK); /* nothing was taken away */
	assert_int_equal(unmap(&r, 9, 0, 0xfff, 51), VIRTIO_S_OK);
	assert_int_equal(result_of, VIOMMU_PENDING);
	assert_int_equal(unmap(&r, 9, 0x1000, 0x1fff, 52), VIRTIO_S_OK);
	assert_int_equal(result_of, VIOMMU_PENDING);
	assert_int_equal(map(&r, 9, 0, 0xfff, 0x1000, 3), VIRTIO_S_OK);
	assert_int_equal(result_of, VIOMMU_OK);
	assert_int_equal(viommu_run(r.iommu), VIOMMU_PENDING);
	assert_int_equal(r.completions, 0);
	r.works = 0;
	assert_int_equal(viommu_leave(channel), VIOMMU_OK);
	assert_int_equal(r.works, 1);
	assert_int_equal(r.completions, 0);
	assert_int_equal(viommu_run(r.iommu), VIOMMU_OK);
	assert_int_equal(r.completions, 2);
	assert_int_equal(r.completed[0], 51);
	assert_int_equal(r.completed[1], 52);
	assert_int_equal(viommu_enter(channel), VIOMMU_OK);
	assert_int_equal(detach(&r, 9, 1), VIRTIO_S_OK);
	assert_int_equal(result_of, VIOMMU_PENDING);
	assert_int_equal(viommu_virtio_reset(r.iommu), VIOMMU_PENDING);
	assert_int_equal(viommu_leave(channel), VIOMMU_OK);
	assert_int_equal(viommu_run(r.iommu), VIOMMU_OK);
	assert_int_equal(r.completions, 2); /* never */
	assert_int_equal(viommu_channel_free(channel), VIOMMU_OK);
	rig_fini(&r);
}

static void too_many_pending(void **state)
{
	struct viommu_channel *channel;
	struct rig r;

	rig_init(&r, NULL);
	add(&r, 1);
	assert_int_equal(viommu_channel_new(r.device[0], VIOMMU_NO_PASID, &channel), VIOMMU_OK);
	assert_int_equal(attach(&r, 9, 1, 0), VIRTIO_S_OK);
	for (uint64_t i = 0; i < 1025; i++)
		assert_int_equal(map(&r, 9, i * PAGE, i * PAGE + 0xfff, 0x1000, 3), VIRTIO_S_OK);
	assert_int_equal(viommu_enter(channel), VIOMMU_OK);
	for (uint64_t i = 0; i < 1024; i++) {
		assert_int_equal(unmap(&r, 9, i * PAGE, i * PAGE + 0xfff, i), VIRTIO_S_OK);
		assert_int_equal(result_of, VIOMMU_PENDING);
	}
	assert_int_equal(unmap(&r, 9, 1024 * PAGE, 1024 * PAGE + 0xfff, 9999), 0x100);
	assert_int_equal(result_of, VIOMMU_ELIMIT);
	assert_int_equal(viommu_leave(channel), VIOMMU_OK);
	assert_int_equal(at(r.device[0], 1024 * PAGE, VIOMMU_READ), 0x1000);
	assert_int_equal(viommu_run(r.iommu), VIOMMU_OK);
	assert_int_equal(r.completions, 1024);
	for (uint64_t i = 0; i < 1024; i++)
		assert_int_equal(r.completed[i], i);
	assert_int_equal(viommu_channel_free(channel), VIOMMU_OK);
	rig_fini(&r);
}

/* 5.13.6.7: the guest cannot be told of a time-out, so what a device has not dropped is not complete: until
 * it answers after all, or the VMM says that it is dead, or frees it. */
static void device_that_refuses(void **state)
{
	static const int answers[] = { VIOMMU_FAULT, VIOMMU_MORE, VIOMMU_ENOMEM, -100,
				       VIOMMU_PENDING };
	struct rig r;

	for (unsigned i = 0; i < 3 * ARRAY_COUNT(answers); i++) {
		rig_init(&r, NULL);
		r.device[r.devices++] = add_to(&r, r.iommu, 1, true);
		assert_int_equal(attach(&r, 9, 1, 0), VIRTIO_S_OK);
		assert_int_equal(map(&r, 9, 0, 0xfff, 0x1000, 3), VIRTIO_S_OK);
		r.answer = answers[i / 3];
		assert_int_equal(unmap(&r, 9, 0, 0xfff, 1), VIRTIO_S_OK);
		assert_int_equal(result_of, VIOMMU_PENDING);
		assert_int_equal(viommu_invalidation_done(r.device[0], r.invalidation[0].token,
							  VIOMMU_FAULT),
				 VIOMMU_OK);
		assert_int_equal(viommu_run(r.iommu), VIOMMU_PENDING);
		assert_int_equal(r.completions, 0);
		if (i % 3 == 0) {
			assert_int_equal(viommu_invalidation_done(
						 r.device[0], r.invalidation[0].token, VIOMMU_OK),
					 VIOMMU_OK);
		} else if (i % 3 == 1) {
			assert_int_equal(viommu_device_fail(r.device[0]), VIOMMU_OK);
		} else {
			assert_int_equal(viommu_device_free(r.device[0]), VIOMMU_OK);
			r.devices = 0;
		}
		assert_int_equal(viommu_run(r.iommu), VIOMMU_OK);
		assert_int_equal(r.completions, 1);
		rig_fini(&r);
	}
}

/* The device's own cache: asked for what went, and waited for. */
static void device_cache(void **state)
{
	struct viommu_limits limits = { .size = sizeof(limits), .outstanding = 2 };
	struct viommu_virtio_config config = { .limits = &limits };
	struct rig r;

	rig_init(&r, &config);
	r.device[r.devices++] = add_to(&r, r.iommu, 1, true);
	assert_int_equal(attach(&r, 9, 1, 0), VIRTIO_S_OK);
	assert_int_equal(r.invalidations, 0); /* it was blocked */
	for (uint64_t i = 0; i < 4; i++)
		assert_int_equal(map(&r, 9, i * PAGE, i * PAGE + 0xfff, 0x1000, 3), VIRTIO_S_OK);
	assert_int_equal(unmap(&r, 9, 0, 0xfff, 1), VIRTIO_S_OK);
	assert_int_equal(result_of, VIOMMU_OK);
	assert_int_equal(r.invalidations, 1);
	assert_int_equal(r.invalidation[0].last, 0xfff);
	r.answer = VIOMMU_PENDING;
	for (uint64_t i = 1; i < 4; i++) {
		assert_int_equal(unmap(&r, 9, i * PAGE, i * PAGE + 0xfff, 100 + i), VIRTIO_S_OK);
		assert_int_equal(result_of, VIOMMU_PENDING);
	}
	assert_int_equal(r.invalidations, 3); /* no more could be outstanding */
	assert_int_equal(viommu_run(r.iommu), VIOMMU_PENDING);
	assert_int_equal(viommu_invalidation_done(r.device[0], r.invalidation[1].token, VIOMMU_OK),
			 VIOMMU_OK);
	assert_int_equal(viommu_run(r.iommu), VIOMMU_PENDING);
	assert_int_equal(r.invalidations, 4); /* now it is told: of everything */
	assert_int_equal(r.invalidation[3].last, UINT64_MAX);
	assert_int_equal(viommu_invalidation_done(r.device[0], r.invalidation[2].token, VIOMMU_OK),
			 VIOMMU_OK);
	assert_int_equal(viommu_run(r.iommu), VIOMMU_PENDING);
	assert_int_equal(viommu_invalidation_done(r.device[0], r.invalidation[3].token, VIOMMU_OK),
			 VIOMMU_OK);
	assert_int_equal(viommu_run(r.iommu), VIOMMU_OK);
	assert_int_equal(r.completions, 3);
	rig_fini(&r);
}

/* ---- listeners ---- */

static struct told *tell(struct rig *r)
{
	return &r->told[r->tells++ % 256];
}

static void on_unmap(void *opaque, struct viommu_device *device, uint32_t pasid, uint64_t first,
		     uint64_t last)
{
	*tell(opaque) = (struct told){ .what = 'u', .first = first, .last = last };
}

static void on_mode(void *opaque, struct viommu_device *device, uint32_t mode)
{
	*tell(opaque) = (struct told){ .what = 'm', .mode = mode };
}

static int on_map(void *opaque, struct viommu_device *device, uint32_t pasid, uint64_t iova,
		  const struct viommu_fragment *f)
{
	*tell(opaque) = (struct told){
		.what = 'M', .first = iova, .last = iova + f->length - 1, .fragment = *f
	};
	return VIOMMU_OK;
}

static void on_gathered(void *opaque)
{
	*tell(opaque) = (struct told){ .what = 'c' };
}

static void expect(struct rig *r, const char *row, const char *order)
{
	char got[257] = "";

	for (unsigned i = 0; i < r->tells; i++)
		got[i] = r->told[i].what;
	if (strcmp(got, order) != 0)
		fail_msg("%s: %s, not %s", row, got, order);
	r->tells = 0;
}

static void listeners(void **state)
{
	struct viommu_listener_config config = { .size = sizeof(config),
						 .unmap = on_unmap,
						 .mode = on_mode,
						 .map = on_map,
						 .complete = on_gathered };
	struct viommu_listener *listener;
	struct rig r;

	rig_init(&r, NULL);
	add(&r, 1);
	config.opaque = &r;
	assert_int_equal(viommu_listener_new(r.iommu, NULL, &config, &listener), VIOMMU_OK);
	assert_int_equal(r.told[0].mode, VIOMMU_MODE_BLOCK);
	expect(&r, "a new listener", "mc");
	attach(&r, 9, 1, 0);
	assert_int_equal(r.told[0].mode, VIOMMU_MODE_TRANSLATE);
	expect(&r, "attach", "mc");
	/* the end of it is not in RAM */
	map(&r, 9, 0x10000, 0x13fff, RAM - 2 * PAGE, VIOMMU_READ);
	assert_int_equal(r.told[0].first, 0x10000);
	assert_int_equal(r.told[0].last, 0x11fff);
	assert_ptr_equal(r.told[0].fragment.host, r.ram + RAM - 2 * PAGE);
	assert_int_equal(r.told[1].fragment.gpa, RAM);
	assert_null(r.told[1].fragment.host);
	expect(&r, "map", "MMc");
	map(&r, 9, 0x20000, 0x20fff, 0, 0);
	expect(&r, "map without access", "");
	map(&r, 9, 0x13000, 0x14fff, 0, 3);
	expect(&r, "map refused", "");
	unmap(&r, 9, 0, 0x1ffff, 0);
	assert_int_equal(r.told[0].last, 0x1ffff);
	expect(&r, "unmap", "uc");
	unmap(&r, 9, 0, 0x1ffff, 0);
	expect(&r, "unmap of nothing", "");
	map(&r, 9, 0x1000, 0x1fff, 0x3000, 3);
	map(&r, 9, 0x2000, 0x2fff, 0x3000, 3);
	expect(&r, "maps", "McMc");
	add(&r, 2);
	attach(&r, 9, 2, 0);
	expect(&r, "attach to mappings", "mMMc");
	attach(&r, 10, 2, 0);
	expect(&r, "change of domain", "umc");
	detach(&r, 10, 2);
	assert_int_equal(r.told[0].last, UINT64_MAX);
	assert_int_equal(r.told[1].mode, VIOMMU_MODE_BLOCK);
	expect(&r, "detach", "umc");
	viommu_reg_write(r.iommu, VIRTIO_CONFIG_BYPASS, 1, 1);
	assert_int_equal(r.told[1].mode, VIOMMU_MODE_BYPASS);
	expect(&r, "bypass: who is not attached", "umc");
	attach(&r, 10, 2, 1);
	assert_int_equal(r.told[1].mode, VIOMMU_MODE_BYPASS);
	expect(&r, "attach to bypass", "umc");
	viommu_virtio_reset(r.iommu);
	expect(&r, "reset", "umumc");
	assert_int_equal(viommu_listener_free(listener), VIOMMU_OK);
	rig_fini(&r);
}

static int count_ranges(void *opaque, uint64_t iova, const struct viommu_fragment *f)
{
	*tell(opaque) = (struct told){ .what = 'R', .first = iova, .last = iova + f->length - 1 };
	return 0;
}

static void replay(void **state)
{
	struct rig r;
	uint64_t first;

	rig_init(&r, NULL);
	set_regions(add(&r, 1), &msi_region, 1);
	first = 0;
	assert_int_equal(viommu_replay(r.device[0], VIOMMU_NO_PASID, &first, UINT64_MAX, 0,
				       count_ranges, &r),
			 VIOMMU_FAULT);
	viommu_reg_write(r.iommu, VIRTIO_CONFIG_BYPASS, 1, 1);
	for (uint32_t budget = 0; budget < 3; budget++) {
		int result;

		first = 0;
		do {
			result = viommu_replay(r.device[0], VIOMMU_NO_PASID, &first, UINT64_MAX,
					       budget, count_ranges, &r);
		} while (result == VIOMMU_MORE);
		assert_int_equal(result, VIOMMU_OK);
		assert_int_equal(r.told[0].first, 0);
		assert_int_equal(r.told[r.tells - 1].last, UINT64_MAX);
		for (unsigned i = 1; i < r.tells; i++) {
			uint64_t next = r.told[i - 1].last + 1;

			assert_int_equal(r.told[i].first, next == MSI ? MSI_LAST + 1 : next);
		}
		r.tells = 0;
	}
	attach(&r, 9, 1, 0);
	map(&r, 9, 0x1000, 0x6fff, 0x3000, 3);
	map(&r, 9, UINT64_MAX - 0xfff, UINT64_MAX, 0x3000, 1);
	first = 0x2000;
	assert_int_equal(viommu_replay(r.device[0], VIOMMU_NO_PASID, &first, UINT64_MAX, 0,
				       count_ranges, &r),
			 VIOMMU_OK);
	assert_int_equal(r.told[0].first, 0x2000);
	assert_int_equal(r.told[0].last, 0x6fff);
	assert_int_equal(r.told[1].last, UINT64_MAX);
	expect(&r, "replay", "RR");
	rig_fini(&r);
}

/* ---- domains ---- */

static void caps(void **state)
{
	struct viommu_virtio_config config = { .domains = 2, .mappings = 3, .domain_mappings = 2 };
	struct rig r;

	rig_init(&r, &config);
	add(&r, 1);
	add(&r, 2);
	add(&r, 3);
	assert_int_equal(attach(&r, 11, 1, 0), VIRTIO_S_OK);
	assert_int_equal(attach(&r, 12, 2, 0), VIRTIO_S_OK);
	assert_int_equal(attach(&r, 13, 3, 0), VIRTIO_S_NOMEM);
	/* its own domain dies, which makes room */
	for (uint32_t id = 20; id < 30; id++)
		assert_int_equal(attach(&r, id, 2, 0), VIRTIO_S_OK);
	assert_int_equal(map(&r, 11, 0, 0xfff, 0, 1), VIRTIO_S_OK);
	assert_int_equal(map(&r, 11, 0x1000, 0x1fff, 0, 1), VIRTIO_S_OK);
	assert_int_equal(map(&r, 11, 0x2000, 0x2fff, 0, 1), VIRTIO_S_NOMEM);
	assert_int_equal(map(&r, 29, 0x2000, 0x2fff, 0, 1), VIRTIO_S_OK);
	assert_int_equal(map(&r, 29, 0x3000, 0x3fff, 0, 1), VIRTIO_S_NOMEM);
	assert_int_equal(detach(&r, 11, 1), VIRTIO_S_OK);
	assert_int_equal(map(&r, 29, 0x3000, 0x3fff, 0, 1), VIRTIO_S_OK);
	rig_fini(&r);
}

/* An endpoint that is freed leaves its domain, which dies with the last. */
static void freed_endpoints(void **state)
{
	static const struct viommu_virtio_region hole = { 0x5000, 0x5fff, 0, 0 };
	struct rig r;

	rig_init(&r, NULL);
	add(&r, 1);
	set_regions(add(&r, 2), &hole, 1);
	attach(&r, 9, 1, 0);
	attach(&r, 9, 2, 0);
	assert_int_equal(map(&r, 9, 0x5000, 0x5fff, 0, 1), VIRTIO_S_INVAL);
	assert_int_equal(viommu_device_free(r.device[--r.devices]), VIOMMU_OK);
	assert_int_equal(map(&r, 9, 0x5000, 0x5fff, 0, 1), VIRTIO_S_OK);
	set_regions(add(&r, 2), &hole, 1);
	assert_int_equal(attach(&r, 9, 2, 0), VIRTIO_S_UNSUPP);
	assert_int_equal(viommu_device_free(r.device[0]), VIOMMU_OK);
	r.device[0] = r.device[--r.devices];
	assert_int_equal(map(&r, 9, 0x7000, 0x7fff, 0, 1), VIRTIO_S_NOENT);
	assert_int_equal(attach(&r, 9, 2, 0), VIRTIO_S_OK);
	assert_int_equal(range_pool_count(virtio_of(r.iommu)->pool), 0);
	rig_fini(&r);
}

/* MAP minds the regions of all endpoints of the domain, ATTACH those of its own. */
static void regions_and_mappings(void **state)
{
	static const struct viommu_virtio_region region[3] = { { 0x5000, 0x5fff, 0, 0 },
							       { 0x7000, 0x7fff, 0, 0 },
							       { 0x9000, 0x9fff, 1, 0 } };
	struct rig r;

	rig_init(&r, NULL);
	for (uint32_t i = 0; i < 3; i++) {
		set_regions(add(&r, 1 + i), &region[i], 1);
		assert_int_equal(attach(&r, 9, 1 + i, 0), VIRTIO_S_OK);
	}
	add(&r, 4);
	assert_int_equal(attach(&r, 9, 4, 0), VIRTIO_S_OK);
	for (uint32_t i = 0; i < 3; i++) {
		uint64_t first = region[i].first;

		assert_int_equal(map(&r, 9, first, first + 0xfff, 0, 1), VIRTIO_S_INVAL);
		assert_int_equal(map(&r, 9, first - PAGE, first + 0xfff, 0, 1), VIRTIO_S_INVAL);
		assert_int_equal(map(&r, 9, first - PAGE, first - 1, 0, 1), VIRTIO_S_OK);
	}
	assert_int_equal(detach(&r, 9, 2), VIRTIO_S_OK);
	assert_int_equal(map(&r, 9, 0x7000, 0x7fff, 0, 1), VIRTIO_S_OK);
	assert_int_equal(attach(&r, 9, 2, 0), VIRTIO_S_UNSUPP);
	assert_int_equal(unmap(&r, 9, 0x7000, 0x7fff, 0), VIRTIO_S_OK);
	assert_int_equal(attach(&r, 9, 2, 0), VIRTIO_S_OK);
	rig_fini(&r);
}

static void endpoint_granule(void **state)
{
	struct viommu_virtio_endpoint e = { .size = sizeof(e), .page_size_mask = 0x10000 };
	struct rig r;

	rig_init(&r, NULL);
	add(&r, 1);
	assert_int_equal(viommu_virtio_set_endpoint(add(&r, 2), &e), VIOMMU_OK);
	attach(&r, 9, 1, 0);
	assert_int_equal(map(&r, 9, 0x1000, 0x1fff, 0, 1), VIRTIO_S_OK);
	assert_int_equal(attach(&r, 9, 2, 0), VIRTIO_S_UNSUPP);
	unmap(&r, 9, 0, UINT64_MAX, 0);
	assert_int_equal(attach(&r, 9, 2, 0), VIRTIO_S_OK);
	assert_int_equal(map(&r, 9, 0x1000, 0x1fff, 0, 1), VIRTIO_S_RANGE);
	assert_int_equal(map(&r, 9, 0x10000, 0x1ffff, 0x20000, 1), VIRTIO_S_OK);
	assert_int_equal(detach(&r, 9, 2), VIRTIO_S_OK);
	assert_int_equal(map(&r, 9, 0x1000, 0x1fff, 0, 1), VIRTIO_S_OK);
	/* each of the three addresses counts */
	for (unsigned i = 0; i < 4; i++) {
		uint64_t first = 0x40000 + (i == 1 ? PAGE : 0);
		uint64_t last = 0x4ffff + (i == 2 ? PAGE : 0);
		uint64_t target = 0x20000 + (i == 3 ? PAGE : 0);

		unmap(&r, 9, 0, UINT64_MAX, 0);
		assert_int_equal(map(&r, 9, first, last, target, 1), VIRTIO_S_OK);
		assert_int_equal(attach(&r, 9, 2, 0), i ? VIRTIO_S_UNSUPP : VIRTIO_S_OK);
		if (i == 0)
			assert_int_equal(detach(&r, 9, 2), VIRTIO_S_OK);
	}
	rig_fini(&r);
}

/* What is known of a domain that died is not known of the next one in its place. */
static void ids_again(void **state)
{
	struct viommu_channel *channel;
	struct rig r;

	rig_init(&r, NULL);
	add(&r, 1);
	assert_int_equal(viommu_channel_new(r.device[0], VIOMMU_NO_PASID, &channel), VIOMMU_OK);
	for (uint64_t i = 1; i < 20; i++) {
		struct viommu_request q = {
			.first = 0x1000, .last = 0x1fff, .pasid = VIOMMU_NO_PASID, .access = 1
		};
		struct viommu_answer answer;
		struct viommu_fragment f;

		assert_int_equal(attach(&r, 9, 1, 0), VIRTIO_S_OK);
		assert_int_equal(map(&r, 9, 0x1000, 0x1fff, i * PAGE, 1), VIRTIO_S_OK);
		assert_int_equal(map(&r, 9, 0x2000, 0x2fff, 2 * i * PAGE, 1), VIRTIO_S_OK);
		/* the first one finds no context, and so does not ask the TLB */
		assert_int_equal(at(r.device[0], 0x2000, 1), (int64_t)(2 * i * PAGE));
		assert_int_equal(at(r.device[0], 0x1000, 1), (int64_t)(i * PAGE));
		assert_int_equal(viommu_translate(channel, &q, &f, 1, &answer), VIOMMU_OK);
		assert_int_equal(f.gpa, i * PAGE);
		assert_int_equal(unmap(&r, 9, 0x1000, 0x1fff, 0), VIRTIO_S_OK);
		assert_int_equal(viommu_translate(channel, &q, &f, 1, &answer), VIOMMU_FAULT);
		assert_int_equal(at(r.device[0], 0x1000, 1), DENIED(2));
		assert_int_equal(map(&r, 9, 0x1000, 0x1fff, i * PAGE, 1), VIRTIO_S_OK);
		assert_int_equal(viommu_translate(channel, &q, &f, 1, &answer), VIOMMU_OK);
		assert_int_equal(detach(&r, 9, 1), VIRTIO_S_OK);
		assert_int_equal(viommu_translate(channel, &q, &f, 1, &answer), VIOMMU_FAULT);
		assert_int_equal(at(r.device[0], 0x1000, 1), DENIED(1));
	}
	assert_int_equal(viommu_channel_free(channel), VIOMMU_OK);
	rig_fini(&r);
}

static int never(void *opaque, const struct translation *page)
{
	fail_msg("0x%llx is shown", (unsigned long long)page->iova);
	return 1;
}

/* Who still has the context of a domain that died finds nothing of the next one in its slot. */
static void context_of_the_dead(void **state)
{
	struct pt_visit visit = { .last = UINT64_MAX, .budget = 10, .page = never };
	struct query q = { .pasid = VIOMMU_NO_PASID, .quiet = true };
	struct context context;
	struct rig r;

	rig_init(&r, NULL);
	q.device = add(&r, 1);
	add(&r, 2);
	attach(&r, 9, 1, 0);
	assert_int_equal(virtio_parse(r.iommu, &q, &context), VIOMMU_OK);
	detach(&r, 9, 1);
	attach(&r, 9, 2, 0);
	map(&r, 9, 0x1000, 0x1fff, 0, 3);
	assert_int_equal(virtio_visit(r.iommu, &context, &visit), PT_VISIT_DONE);
	rig_fini(&r);
}

/* ---- saved states ---- */

static unsigned char *save(struct viommu *iommu, uint64_t *bytes)
{
	unsigned char *buffer;

	*bytes = 0;
	assert_int_equal(viommu_save(iommu, NULL, bytes), VIOMMU_ENOSPC);
	buffer = malloc(*bytes);
	assert_int_equal(viommu_save(iommu, buffer, bytes), VIOMMU_OK);
	return buffer;
}

static void populate(struct rig *r)
{
	add(r, 1);
	set_regions(add(r, 2), &msi_region, 1);
	add(r, 3);
	add(r, 4);
	attach(r, 77, 1, 0);
	attach(r, 77, 2, 0);
	attach(r, UINT32_MAX, 3, 1);
	for (uint64_t i = 0; i < 100; i++)
		map(r, 77, i * 3 * PAGE, i * 3 * PAGE + 2 * PAGE - 1, i * PAGE, i & 3);
	map(r, 77, UINT64_MAX - 0xfff, UINT64_MAX, 0, 7);
	at(r->device[3], 0x1234, VIOMMU_WRITE);
	at(r->device[0], 0x2001, VIOMMU_READ);
	viommu_reg_write(r->iommu, VIRTIO_CONFIG_BYPASS, 1, 1);
}

/* Endpoints 1 to 4 of another IOMMU. */
static void second_rig(struct rig *r)
{
	rig_init(r, NULL);
	add(r, 1);
	set_regions(add(r, 2), &msi_region, 1);
	add(r, 3);
	add(r, 4);
}

static void round_trip(void **state)
{
	unsigned char *first, *second, event[24];
	uint64_t bytes, again, value;
	struct rig a, b;

	rig_init(&a, NULL);
	populate(&a);
	assert_int_equal(a.events, 2);
	first = save(a.iommu, &bytes);
	second_rig(&b);
	/* what was there before goes */
	attach(&b, 5, 1, 0);
	map(&b, 5, 0, 0xfff, 0x7000, 3);
	at(b.device[0], 0, 1);
	assert_int_equal(viommu_restore(b.iommu, first, bytes), VIOMMU_OK);
	second = save(b.iommu, &again);
	assert_int_equal(again, bytes);
	assert_memory_equal(first, second, bytes);
	assert_int_equal(range_pool_count(virtio_of(b.iommu)->pool), 101);
	assert_int_equal(virtio_of(b.iommu)->domain_count, 2);
	for (uint64_t page = 0; page < 310; page++) {
		for (uint16_t access = 1; access <= 3; access++) {
			assert_int_equal(at(a.device[0], page * PAGE, access),
					 at(b.device[0], page * PAGE, access));
			assert_int_equal(at(a.device[1], page * PAGE, access),
					 at(b.device[1], page * PAGE, access));
		}
	}
	assert_int_equal(at(b.device[2], 0x123456, 2), 0x123456);
	assert_int_equal(at(b.device[3], 0x123456, 2), 0x123456);
	assert_int_equal(viommu_reg_read(b.iommu, VIRTIO_CONFIG_BYPASS, 1, &value), VIOMMU_OK);
	assert_int_equal(value, 1);
	assert_int_equal(viommu_virtio_event(b.iommu, event, 24), VIOMMU_OK);
	assert_memory_equal(event, "\1\0\0\0\2\1\0\0\4\0\0\0\0\0\0\0\x34\x12", 18);
	assert_int_equal(unmap(&b, 77, 0, UINT64_MAX, 0), VIRTIO_S_OK);
	assert_int_equal(map(&b, 5, 0, 0xfff, 0x7000, 3), VIRTIO_S_NOENT);
	free(first);
	free(second);
	rig_fini(&a);
	rig_fini(&b);
}

/* The sum at the end of a state, so that a changed one gets further than that. */
static void resum(unsigned char *state, uint64_t bytes)
{
	uint64_t total = 0;

	for (uint64_t i = 0; i < bytes - 16; i++)
		total = (total << 1 | total >> 63) + state[i];
	put(state + bytes - 8, total, 8);
}

/* A state of endpoints that are not there, or that have other regions here. */
/* Restored where the endpoint has larger pages: each of the three addresses of a mapping counts. */
static void granule_of_a_state(void **state)
{
	struct viommu_virtio_endpoint e = { .size = sizeof(e), .page_size_mask = 0x10000 };

	for (unsigned i = 0; i < 4; i++) {
		unsigned char *saved;
		struct rig a, b;
		uint64_t bytes;

		rig_init(&a, NULL);
		add(&a, 1);
		attach(&a, 9, 1, 0);
		assert_int_equal(map(&a, 9, 0x40000 + (i == 1 ? PAGE : 0),
				     0x4ffff + (i == 2 ? PAGE : 0), 0x20000 + (i == 3 ? PAGE : 0),
				     1),
				 VIRTIO_S_OK);
		saved = save(a.iommu, &bytes);
		rig_init(&b, NULL);
		assert_int_equal(viommu_virtio_set_endpoint(add(&b, 1), &e), VIOMMU_OK);
		assert_int_equal(viommu_restore(b.iommu, saved, bytes),
				 i ? VIOMMU_ESTATE : VIOMMU_OK);
		free(saved);
		rig_fini(&a);
		rig_fini(&b);
	}
}

static void other_endpoints(void **state)
{
	static const struct viommu_virtio_region hole = { 0x3000, 0x3fff, 0, 0 };
	struct rig a, b, c;
	unsigned char *good;
	uint64_t bytes;

	rig_init(&a, NULL);
	populate(&a);
	good = save(a.iommu, &bytes);
	rig_init(&b, NULL);
	for (uint32_t id = 1; id < 3; id++) {
		add(&b, id);
		assert_int_equal(viommu_restore(b.iommu, good, bytes), VIOMMU_ESTATE);
	}
	add(&b, 3);
	assert_int_equal(viommu_restore(b.iommu, good, bytes), VIOMMU_OK);
	rig_init(&c, NULL);
	add(&c, 1);
	set_regions(add(&c, 2), &hole, 1);
	add(&c, 3);
	assert_int_equal(viommu_restore(c.iommu, good, bytes), VIOMMU_ESTATE);
	assert_int_equal(range_pool_count(virtio_of(c.iommu)->pool), 0);
	free(good);
	rig_fini(&a);
	rig_fini(&b);
	rig_fini(&c);
}

/* Every byte changed, one at a time: refused whole, or taken whole. */
static void hostile_states(void **state)
{
	unsigned char *good, *bad, *before, *after;
	uint64_t bytes, before_bytes, after_bytes;
	unsigned taken = 0;
	struct rig a, b;

	rig_init(&a, NULL);
	populate(&a);
	unmap(&a, 77, 30 * PAGE, UINT64_MAX, 0);
	good = save(a.iommu, &bytes);
	bad = malloc(bytes);
	second_rig(&b);
	attach(&b, 5, 1, 0);
	map(&b, 5, 0, 0xfff, 0x7000, 3);
	before = save(b.iommu, &before_bytes);
	for (uint64_t i = 16; i < bytes - 16; i++) {
		for (unsigned bit = 0; bit < 8; bit++) {
			int result;

			memcpy(bad, good, bytes);
			bad[i] ^= (unsigned char)(1U << bit);
			resum(bad, bytes);
			result = viommu_restore(b.iommu, bad, bytes);
			after = save(b.iommu, &after_bytes);
			if (result == VIOMMU_OK) {
				taken++;
				assert_int_equal(after_bytes, bytes);
				assert_int_equal(viommu_restore(b.iommu, before, before_bytes),
						 VIOMMU_OK);
			} else {
				assert_int_equal(result, VIOMMU_ESTATE);
				assert_int_equal(after_bytes, before_bytes);
				assert_memory_equal(after, before, before_bytes);
			}
			free(after);
		}
	}
	assert_true(taken > 0);
	assert_int_equal(range_pool_count(virtio_of(b.iommu)->pool), 1);
	free(good);
	free(bad);
	free(before);
	rig_fini(&a);
	rig_fini(&b);
}

/* ---- many endpoints ---- */

enum { MANY = 200 };

/* Epochs that a call has started: with membarrier, each is a system call. */
static uint64_t epochs(const struct rig *r)
{
	return atomic_load(&r->iommu->epoch.now);
}

/* Half of them in domain 7, the others in domains of their own. */
static void attach_many(struct rig *r)
{
	for (uint32_t id = 1; id <= MANY; id++)
		assert_int_equal(attach(r, id % 2 ? 7 : 1000 + id, id, 0), VIRTIO_S_OK);
	assert_int_equal(virtio_of(r->iommu)->domain_count, 1 + MANY / 2);
}

/* The list of a domain has its endpoints, and no others. */
static void check_list(struct rig *r, uint32_t id, uint32_t count)
{
	struct virtio_domain *d = virtio_domain_find(virtio_of(r->iommu), id);
	struct virtio_endpoint **at = &d->endpoints;
	uint32_t found = 0;

	for (; *at && found <= MANY; at = &(*at)->next, found++) {
		assert_ptr_equal((*at)->at, at);
		assert_int_equal(virtio_attached(*at), atomic_load(&d->incarnation));
	}
	assert_int_equal(found, count);
	assert_int_equal(d->endpoint_count, count);
}

static void many_endpoints(void **state)
{
	struct viommu_device *device[MANY];
	unsigned char *saved;
	uint64_t bytes, before;
	struct rig r;

	(void)state;
	rig_init(&r, NULL);
	for (uint32_t i = 0; i < MANY; i++)
		device[i] = add_to(&r, r.iommu, i + 1, i % 3 == 0);
	attach_many(&r);
	saved = save(r.iommu, &bytes);
	before = epochs(&r);
	assert_int_equal(viommu_virtio_reset(r.iommu), VIOMMU_OK);
	assert_true(epochs(&r) - before <= 4);
	assert_int_equal(virtio_of(r.iommu)->domain_count, 0);
	for (uint32_t i = 0; i < MANY; i++)
		assert_int_equal(virtio_attached(virtio_endpoint_of(device[i])), 0);
	attach_many(&r);
	before = epochs(&r);
	assert_int_equal(viommu_restore(r.iommu, saved, bytes), VIOMMU_OK);
	assert_true(epochs(&r) - before <= 6);
	assert_int_equal(virtio_of(r.iommu)->domain_count, 1 + MANY / 2);
	check_list(&r, 7, MANY / 2);
	/* one after the other: out of the middle, from the ends, and freed while attached */
	for (uint32_t id = 101; id <= MANY; id += 2) {
		assert_int_equal(detach(&r, 7, id), VIRTIO_S_OK);
		check_list(&r, 7, (299 - id) / 2);
	}
	for (uint32_t id = 99; id > 3; id -= 2) {
		assert_int_equal(attach(&r, 8, id, 0), VIRTIO_S_OK);
		check_list(&r, 7, (id - 1) / 2);
		check_list(&r, 8, (101 - id) / 2);
	}
	for (uint32_t i = 0; i < MANY; i++)
		assert_int_equal(viommu_device_free(device[i]), VIOMMU_OK);
	assert_int_equal(viommu_run(r.iommu), VIOMMU_OK);
	assert_int_equal(virtio_of(r.iommu)->domain_count, 0);
	free(saved);
	rig_fini(&r);
}

/* A domain that is used again has nothing of what was in it before. */
/* A device whose cache could not be told, since too many invalidations were outstanding: by the time they have been
 * answered it still has not been told, and what concerns it is not complete. */
static void a_device_that_is_owed(void **state)
{
	for (unsigned way = 0; way < 2; way++) {
		struct viommu_limits limits = { .size = sizeof(limits), .outstanding = 1 };
		struct viommu_virtio_config config = { .limits = &limits };
		struct rig r;

		rig_init(&r, &config);
		r.device[r.devices++] = add_to(&r, r.iommu, 1, true);
		add(&r, 2);
		attach(&r, 9, 1, 0);
		attach(&r, 9, 2, 0);
		for (uint64_t i = 0; i < 3; i++)
			assert_int_equal(map(&r, 9, i * PAGE, i * PAGE + 0xfff, 0x1000, 3),
					 VIRTIO_S_OK);
		r.answer = VIOMMU_PENDING;
		assert_int_equal(unmap(&r, 9, 0, 0xfff, 1), VIRTIO_S_OK);
		assert_int_equal(unmap(&r, 9, PAGE, PAGE + 0xfff, 2), VIRTIO_S_OK);
		assert_int_equal(r.invalidations, 1); /* the second is owed */
		assert_int_equal(viommu_invalidation_done(r.device[0], r.invalidation[0].token,
							  VIOMMU_OK),
				 VIOMMU_OK);
		if (way == 1) { /* it leaves, twice, and still has what it had there */
			assert_int_equal(detach(&r, 9, 1), VIRTIO_S_OK);
			assert_int_equal(attach(&r, 10, 1, 0), VIRTIO_S_OK);
			assert_int_equal(detach(&r, 10, 1), VIRTIO_S_OK);
		}
		assert_int_equal(unmap(&r, 9, 2 * PAGE, 2 * PAGE + 0xfff, 3), VIRTIO_S_OK);
		assert_int_equal(result_of, VIOMMU_PENDING);
		assert_int_equal(viommu_run(r.iommu), VIOMMU_PENDING);
		assert_int_equal(r.invalidations, 2); /* now it is told: of everything */
		assert_int_equal(r.invalidation[1].last, UINT64_MAX);
		assert_int_equal(viommu_invalidation_done(r.device[0], r.invalidation[1].token,
							  VIOMMU_OK),
				 VIOMMU_OK);
		assert_int_equal(viommu_run(r.iommu), VIOMMU_OK);
		rig_fini(&r);
	}
}

static void what_endpoints_bring(void **state)
{
	const struct viommu_virtio_region region = { .first = PAGE, .last = 2 * PAGE - 1 };
	const struct viommu_virtio_endpoint e = {
		.size = sizeof(e), .region_count = 1, .regions = &region, .page_size_mask = 0x10000
	};
	struct virtio_domain *d;
	struct rig r;

	(void)state;
	rig_init(&r, NULL);
	r.device[r.devices++] = add_to(&r, r.iommu, 1, true);
	assert_int_equal(viommu_virtio_set_endpoint(r.device[0], &e), VIOMMU_OK);
	add(&r, 2);
	for (unsigned way = 0; way < 3; way++) {
		assert_int_equal(attach(&r, 7, 2, 0), VIRTIO_S_OK);
		assert_int_equal(attach(&r, 7, 1, 0), VIRTIO_S_OK);
		d = virtio_domain_find(virtio_of(r.iommu), 7);
		assert_int_equal(d->granule, 0x10000);
		assert_true(d->caches && d->regions && !d->mixed);
		if (way == 0) {
			assert_int_equal(detach(&r, 7, 1), VIRTIO_S_OK);
		} else if (way == 1) {
			assert_int_equal(attach(&r, 8, 1, 0), VIRTIO_S_OK);
		} else {
			assert_int_equal(viommu_virtio_reset(r.iommu), VIOMMU_OK);
			assert_int_equal(attach(&r, 7, 2, 0), VIRTIO_S_OK);
		}
		d = virtio_domain_find(virtio_of(r.iommu), 7);
		/* whoever maps looks anew at who is left */
		assert_int_equal(map(&r, 7, PAGE, 2 * PAGE - 1, 0, 1), VIRTIO_S_OK);
		assert_int_equal(d->granule, PAGE);
		assert_true(!d->caches && !d->regions && !d->mixed && !d->stale);
		assert_int_equal(unmap(&r, 7, PAGE, 2 * PAGE - 1, 0), VIRTIO_S_OK);
	}
	rig_fini(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_split),
		cmocka_unit_test(not_understood),
		cmocka_unit_test(probe_splits),
		cmocka_unit_test(regions_do_not_share),
		cmocka_unit_test(odd_bytes),
		cmocka_unit_test(whole_ranges),
		cmocka_unit_test(open_section),
		cmocka_unit_test(too_many_pending),
		cmocka_unit_test(device_cache),
		cmocka_unit_test(device_that_refuses),
		cmocka_unit_test(listeners),
		cmocka_unit_test(replay),
		cmocka_unit_test(caps),
		cmocka_unit_test(freed_endpoints),
		cmocka_unit_test(regions_and_mappings),
		cmocka_unit_test(endpoint_granule),
		cmocka_unit_test(granule_of_a_state),
		cmocka_unit_test(a_device_that_is_owed),
		cmocka_unit_test(ids_again),
		cmocka_unit_test(context_of_the_dead),
		cmocka_unit_test(round_trip),
		cmocka_unit_test(other_endpoints),
		cmocka_unit_test(hostile_states),
		cmocka_unit_test(many_endpoints),
		cmocka_unit_test(what_endpoints_bring),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
