/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_virtio_moves.c - requests of a virtio-iommu while other threads translate (obligations 12
 * and 18): every answer is one that was right at some moment of its call. A translation that starts
 * after a request has returned never sees what was before.
 *
 * Each request is a version. What the watched address is translated to under each is written down
 * before the request is made; a reader notes which version was complete before its call and which
 * had been started after it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <libvirtiommu/virtio.h>
#include <libvirtiommu/vm.h>
#include <pthread.h>
#include <stdatomic.h>

#include "run.h"
#include "virtio_spec.h"

#define PAGE	UINT64_C(0x1000)
#define IOVA	UINT64_C(0x7000)
#define DENIED	UINT64_MAX
#define WATCHED 1U
#define OTHER	2U

struct stress {
	struct viommu_vm *vm;
	struct viommu *iommu;
	struct viommu_device *watched;
	uint64_t *history;
	uint64_t versions;
	_Atomic uint64_t started, complete;
	_Atomic uint32_t stop, wrong;
	pthread_barrier_t ready;
	_Atomic uint64_t bad[4];
	uint64_t random;
	/* the model */
	uint32_t domain; /* of the watched endpoint; 0: none */
	uint64_t target; /* DENIED: nothing is mapped */
	uint32_t other;	 /* domain of the other */
};

static void put(unsigned char *to, uint64_t value, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		to[i] = (unsigned char)(value >> 8 * i);
}

static void request(struct stress *s, unsigned char *bytes, uint32_t count)
{
	unsigned char tail[4] = { 0xee };
	struct viommu_part in = { bytes, count }, out = { tail, 4 };
	uint32_t written;
	int result;

	while ((result = viommu_virtio_request(s->iommu, &in, 1, &out, 1, 0, &written)) ==
	       VIOMMU_ELIMIT)
		viommu_run(s->iommu);
	assert_true(result == VIOMMU_OK || result == VIOMMU_PENDING);
	assert_int_equal(tail[0], VIRTIO_S_OK);
}

static void attach(struct stress *s, uint32_t domain, uint32_t endpoint)
{
	unsigned char b[20] = { VIRTIO_ATTACH };

	put(b + 4, domain, 4);
	put(b + 8, endpoint, 4);
	request(s, b, sizeof(b));
}

static void detach(struct stress *s, uint32_t domain, uint32_t endpoint)
{
	unsigned char b[20] = { VIRTIO_DETACH };

	put(b + 4, domain, 4);
	put(b + 8, endpoint, 4);
	request(s, b, sizeof(b));
}

static void map(struct stress *s, uint32_t domain, uint64_t target)
{
	unsigned char b[36] = { VIRTIO_MAP };

	put(b + 4, domain, 4);
	put(b + 8, IOVA, 8);
	put(b + 16, IOVA + PAGE - 1, 8);
	put(b + 24, target, 8);
	put(b + 32, 3, 4);
	request(s, b, sizeof(b));
}

static void unmap(struct stress *s, uint32_t domain)
{
	unsigned char b[28] = { VIRTIO_UNMAP };

	put(b + 4, domain, 4);
	put(b + 8, 0, 8);
	put(b + 16, UINT64_MAX, 8);
	request(s, b, sizeof(b));
}

/* The next version has begun: what the watched address comes to under it. */
static void begin(struct stress *s)
{
	uint64_t version = atomic_load(&s->started) + 1;

	s->history[version] = s->domain ? s->target : DENIED;
	atomic_store(&s->started, version);
}

static void end(struct stress *s)
{
	atomic_store(&s->complete, atomic_load(&s->started));
}

/* Another domain in a slot that was just left, with a page of its own at the same address. */
static void other_domain(struct stress *s, uint64_t version)
{
	uint32_t next = s->other ? 0 : 1000 + (uint32_t)(version & 0xff);

	if (s->other)
		detach(s, s->other, OTHER);
	else
		attach(s, next, OTHER);
	s->other = next;
	if (next)
		map(s, next, (UINT64_C(1) << 40) + version * PAGE);
}

static void step(struct stress *s, uint64_t version)
{
	uint32_t was = s->domain;

	s->random = s->random * UINT64_C(6364136223846793005) + 1442695040888963407U;
	switch (s->random >> 61) {
	case 0: /* the domain dies, as it has one endpoint only */
		if (!was)
			break;
		s->domain = 0;
		begin(s);
		detach(s, was, WATCHED);
		end(s);
		break;
	case 1:
	case 2:
		s->domain = 1 + (uint32_t)(version & 3);
		if (s->domain == was)
			break;
		s->target = DENIED;
		begin(s);
		attach(s, s->domain, WATCHED);
		end(s);
		break;
	case 3:
	case 4:
		other_domain(s, version);
		break;
	default:
		if (!was)
			break;
		if (s->target == DENIED) {
			s->target = version * PAGE;
			begin(s);
			map(s, was, s->target);
		} else {
			s->target = DENIED;
			begin(s);
			unmap(s, was);
		}
		end(s);
	}
}

static void check(struct stress *s, uint64_t before, uint64_t answer)
{
	uint64_t after = atomic_load(&s->started);

	for (uint64_t v = before; v <= after; v++) {
		if (s->history[v] == answer)
			return;
	}
	atomic_store(&s->bad[0], before);
	atomic_store(&s->bad[1], after);
	atomic_store(&s->bad[2], answer);
	atomic_store(&s->wrong, 1);
}

static const struct viommu_request watched_request = {
	.first = IOVA, .last = IOVA, .pasid = VIOMMU_NO_PASID, .access = VIOMMU_READ
};

static void *by_device(void *opaque)
{
	struct stress *s = opaque;

	pthread_barrier_wait(&s->ready);
	while (!atomic_load(&s->stop)) {
		uint64_t before = atomic_load(&s->complete);
		struct viommu_answer answer;
		struct viommu_fragment f;
		int result = viommu_device_translate(s->watched, &watched_request, &f, 1, &answer);

		check(s, before, result == VIOMMU_OK ? f.gpa : DENIED);
	}
	return NULL;
}

static void *by_channel(void *opaque)
{
	struct stress *s = opaque;
	struct viommu_channel *channel;

	if (viommu_channel_new(s->watched, VIOMMU_NO_PASID, &channel) != VIOMMU_OK)
		abort();
	pthread_barrier_wait(&s->ready);
	while (!atomic_load(&s->stop)) {
		uint64_t before = atomic_load(&s->complete);
		struct viommu_answer answer;
		struct viommu_fragment f;
		int result = viommu_translate(channel, &watched_request, &f, 1, &answer);

		check(s, before, result == VIOMMU_OK ? f.gpa : DENIED);
	}
	viommu_channel_free(channel);
	return NULL;
}

static struct viommu_device *add(struct stress *s, uint32_t id)
{
	struct viommu_device_config config = { .size = sizeof(config), .id = id };
	struct viommu_device *device = NULL;

	assert_int_equal(viommu_device_new(s->iommu, &config, &device), VIOMMU_OK);
	return device;
}

static void answers_of_a_moment(void **state)
{
	struct viommu_vm_config vm = { .size = sizeof(vm), .hash_key = { 1, 2 } };
	struct viommu_virtio_config config = { .size = sizeof(config), .domains = 8 };
	struct stress s = { .versions = run_scaled_anywhere(100000), .target = DENIED };
	struct viommu_device *other;
	pthread_t thread[2];

	s.random = run_seed(1);
	s.history = calloc(s.versions + 2, sizeof(*s.history));
	s.history[0] = DENIED;
	assert_int_equal(viommu_vm_new(&vm, &s.vm), VIOMMU_OK);
	assert_int_equal(viommu_virtio_new(s.vm, &config, &s.iommu), VIOMMU_OK);
	s.watched = add(&s, WATCHED);
	other = add(&s, OTHER);

	pthread_barrier_init(&s.ready, NULL, 3);
	pthread_create(&thread[0], NULL, by_device, &s);
	pthread_create(&thread[1], NULL, by_channel, &s);
	pthread_barrier_wait(&s.ready);
	for (uint64_t i = 1; i <= s.versions && !atomic_load(&s.wrong); i++) {
		step(&s, i);
		if (i % 64 == 0)
			viommu_run(s.iommu);
	}
	atomic_store(&s.stop, 1);
	for (unsigned i = 0; i < 2; i++)
		pthread_join(thread[i], NULL);
	pthread_barrier_destroy(&s.ready);
	if (atomic_load(&s.wrong))
		fail_msg("versions %llu to %llu: 0x%llx", (unsigned long long)s.bad[0],
			 (unsigned long long)s.bad[1], (unsigned long long)s.bad[2]);
	assert_int_equal(viommu_run(s.iommu), VIOMMU_OK);
	assert_int_equal(viommu_device_free(other), VIOMMU_OK);
	assert_int_equal(viommu_device_free(s.watched), VIOMMU_OK);
	assert_int_equal(viommu_free(s.iommu), VIOMMU_OK);
	assert_int_equal(viommu_vm_free(s.vm), VIOMMU_OK);
	free(s.history);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_of_a_moment),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
