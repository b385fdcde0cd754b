/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_riscv_counters.c - event counters of the RISC-V IOMMU (6.19 to 6.23) under threads: each channel counts in words of its own, and
 * nothing is lost: sums are exact, what is read never falls, and a counter wraps at the very event that makes it.
 */
#include "check.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "riscv_rig.h"
#include "run.h"

#define DEVICE	     0x10U
#define IOVA	     UINT64_C(0x5000)
#define PMIP	     ((uint64_t)RISCV_IPSR_PMIP)
#define ANY	     1U /* event: untranslated requests */
#define MISS	     4U
#define OF_DEVICE(n) (ANY | RISCV_EVT_DV_GSCV | (uint64_t)(DEVICE + (n)) << 36)

enum { THREADS = 4, DEVICES = 2, REQUESTS = 4000, ROUNDS = 12 };

static struct riscv_rig r;
static struct viommu_device *device[DEVICES];
static _Atomic bool stop;

/* One of those that ask; channel NULL: its device is asked. */
struct asker {
	struct viommu_channel *channel;
	struct viommu_device *device;
	unsigned requests;
	bool refused;
};

static struct asker asker[THREADS];

static void ask(struct asker *a)
{
	const struct viommu_request request = {
		.first = IOVA, .last = IOVA + 7, .pasid = VIOMMU_NO_PASID, .access = VIOMMU_READ
	};
	struct viommu_fragment f;
	struct viommu_answer answer;
	int result = a->channel ? viommu_translate(a->channel, &request, &f, 1, &answer)
				: viommu_device_translate(a->device, &request, &f, 1, &answer);

	a->refused |= result != VIOMMU_OK;
}

static void *run_asker(void *opaque)
{
	struct asker *a = opaque;

	for (unsigned i = 0; i < a->requests; i++)
		ask(a);
	return NULL;
}

static uint64_t count_of(unsigned n)
{
	return rv_read(&r, RISCV_IOHPMCTR(n), 8);
}

/* Two devices with one page each; all askers of a device but the last have a channel. */
static void open_rig(void)
{
	struct rv_tree first;

	rv_open(&r, GUEST_REGION, 64, RV_ALL);
	rv_start(&r, 0, RISCV_MODE_1LVL);
	first = (struct rv_tree){ guest_alloc(&r.g, 1), 3, false, false, false };
	rv_map(&r, &first, IOVA, 0x40003000, 0, RV_PAGE);
	for (unsigned i = 0; i < DEVICES; i++) {
		rv_put_dc(&r, DEVICE + i, 0, 0, bits_put(RISCV_TA_PSCID, 7),
			  rv_satp(8, first.root));
		device[i] = guest_device(&r.g, DEVICE + i);
	}
	for (unsigned i = 0; i < THREADS; i++) {
		asker[i] = (struct asker){ .device = device[i % DEVICES] };
		if (i < THREADS - 1)
			asker[i].channel = guest_channel(&r.g, asker[i].device, VIOMMU_NO_PASID);
	}
}

static void run_askers(void (*meanwhile)(void))
{
	pthread_t thread[THREADS];

	for (unsigned i = 0; i < THREADS; i++)
		pthread_create(&thread[i], NULL, run_asker, &asker[i]);
	if (meanwhile)
		meanwhile();
	for (unsigned i = 0; i < THREADS; i++) {
		pthread_join(thread[i], NULL);
		assert_false(asker[i].refused);
	}
}

static unsigned total(unsigned of)
{
	unsigned sum = 0;

	for (unsigned i = 0; i < THREADS; i++)
		sum += of >= DEVICES || i % DEVICES == of ? asker[i].requests : 0;
	return sum;
}

static void give_requests(unsigned most)
{
	for (unsigned i = 0; i < THREADS; i++)
		asker[i].requests = most / 2 + (unsigned)rand() % (most / 2);
}

static void read_counters(void)
{
	uint64_t before = 0;

	for (unsigned i = 0; i < 200; i++) {
		uint64_t now = count_of(0);

		assert_true(now >= before && now <= total(DEVICES));
		before = now;
	}
}

/* Filters and all, while somebody reads. */
static void test_sums(void **state)
{
	uint64_t before;

	(void)state;
	open_rig();
	for (unsigned i = 0; i < THREADS; i++)
		ask(&asker[i]);
	rv_write(&r, RISCV_IOHPMEVT(0), 8, ANY);
	rv_write(&r, RISCV_IOHPMEVT(1), 8, OF_DEVICE(0));
	rv_write(&r, RISCV_IOHPMEVT(2), 8, OF_DEVICE(1));
	rv_write(&r, RISCV_IOHPMEVT(3), 8, OF_DEVICE(2));
	rv_write(&r, RISCV_IOHPMEVT(4), 8, MISS);
	give_requests((unsigned)run_scaled(REQUESTS));
	run_askers(read_counters);
	assert_int_equal(count_of(0), total(DEVICES));
	assert_int_equal(count_of(1), total(0));
	assert_int_equal(count_of(2), total(1));
	assert_int_equal(count_of(3), 0);
	assert_int_equal(count_of(4), 0);
	assert_int_equal(rv_read(&r, RISCV_IOCOUNTOVF, 4), 0);
	/* what is gone has counted */
	for (unsigned i = 0; i < r.g.channels; i++)
		assert_int_equal(viommu_channel_free(r.g.channel[i]), VIOMMU_OK);
	r.g.channels = 0;
	assert_int_equal(count_of(0), total(DEVICES));
	/* 6.20: what stands still counts no more, and goes on where it was */
	rv_write(&r, RISCV_IOCOUNTINH, 4, 2);
	before = count_of(0);
	for (unsigned i = 0; i < 5; i++)
		ask(&asker[THREADS - 1]);
	assert_int_equal(count_of(0), before);
	assert_int_equal(count_of(2), total(1) + 5);
	rv_close(&r);
}

/* 6.23: OF and the interrupt at the event that wraps, not before, and once. */
static void overflow_after(uint64_t more)
{
	uint64_t last = total(DEVICES);
	bool wraps = last > more;

	rv_write(&r, RISCV_IPSR, 4, PMIP);
	rv_write(&r, RISCV_IOHPMEVT(0), 8, ANY);
	rv_write(&r, RISCV_IOHPMCTR(0), 8, UINT64_MAX - more);
	run_askers(NULL);
	assert_int_equal(rv_read(&r, RISCV_IOCOUNTOVF, 4), wraps ? 2 : 0);
	assert_int_equal(rv_read(&r, RISCV_IPSR, 4), wraps ? PMIP : 0);
	assert_int_equal(count_of(0), UINT64_MAX - more + last);
}

static void test_overflow(void **state)
{
	unsigned most = (unsigned)run_scaled(REQUESTS);

	(void)state;
	srand((unsigned)run_seed(1));
	open_rig();
	for (unsigned i = 0; i < ROUNDS; i++) {
		give_requests(most);
		overflow_after(i % 3 == 0   ? total(DEVICES)
			       : i % 3 == 1 ? total(DEVICES) - 1
					    : (unsigned)rand() % (2 * total(DEVICES)));
	}
	rv_close(&r);
}

/* Somebody asks all the time, and the guest takes the counter to just before its end again and again: each time it wraps once. */
static void *ask_until(void *opaque)
{
	while (!atomic_load(&stop))
		ask(opaque);
	return NULL;
}

static void test_samples(void **state)
{
	unsigned rounds = (unsigned)run_scaled(200);
	pthread_t thread[2];

	(void)state;
	open_rig();
	rv_write(&r, RISCV_IOHPMEVT(0), 8, ANY);
	atomic_store(&stop, false);
	for (unsigned i = 0; i < 2; i++)
		pthread_create(&thread[i], NULL, ask_until, &asker[i]);
	for (unsigned i = 0; i < rounds; i++) {
		rv_write(&r, RISCV_IOHPMEVT(0), 8, ANY);
		rv_write(&r, RISCV_IPSR, 4, PMIP);
		rv_write(&r, RISCV_IOHPMCTR(0), 8, UINT64_MAX - i * 97);
		while (!(rv_read(&r, RISCV_IPSR, 4) & PMIP))
			sched_yield();
		assert_int_equal(rv_read(&r, RISCV_IOHPMEVT(0), 8), RISCV_EVT_OF | ANY);
		assert_true(count_of(0) < UINT64_MAX / 2);
	}
	atomic_store(&stop, true);
	for (unsigned i = 0; i < 2; i++)
		pthread_join(thread[i], NULL);
	rv_close(&r);
}

/* More channels than have words of their own. */
static void test_many_channels(void **state)
{
	enum { MANY = 600 };
	static struct viommu_channel *channel[MANY];

	(void)state;
	open_rig();
	rv_write(&r, RISCV_IOHPMEVT(0), 8, ANY);
	for (unsigned i = 0; i < MANY; i++)
		assert_int_equal(viommu_channel_new(device[0], VIOMMU_NO_PASID, &channel[i]),
				 VIOMMU_OK);
	for (unsigned i = 0; i < 3 * MANY; i++)
		ask(&(struct asker){ .channel = channel[i % MANY] });
	assert_int_equal(count_of(0), 3 * MANY);
	for (unsigned i = 0; i < MANY; i++)
		assert_int_equal(viommu_channel_free(channel[i]), VIOMMU_OK);
	assert_int_equal(count_of(0), 3 * MANY);
	rv_close(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_sums),
					    cmocka_unit_test(test_overflow),
					    cmocka_unit_test(test_samples),
					    cmocka_unit_test(test_many_channels) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
