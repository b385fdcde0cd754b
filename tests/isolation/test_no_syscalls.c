/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_no_syscalls.c - translating, invalidating and remapping make no system call but a contended lock's.
 *
 * One thread under SECCOMP_MODE_STRICT, where whatever else than reading, writing and exiting is deadly; four that
 * contend under a filter that lets pass futex(2), and exit. Both do 10^6 operations of each kind; VIOMMU_TEST_SCALE=1000
 * is 10^7. What was done is counted in memory that the parent shares.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guest.h"
#include "no_syscalls.h"
#include "run.h"

enum { OPERATIONS = 1000000, THREADS = 4, PAGES = 2048, RID = 0x0010, DOMAIN = 7, INTERRUPTS = 64 };

/* What the child has done, and the first thing that was not as it should be. */
struct done {
	_Atomic uint64_t translated;
	_Atomic uint64_t missed;
	_Atomic uint64_t invalidated;
	_Atomic uint64_t remapped;
	_Atomic unsigned ended; /* threads */
	_Atomic int wrong;	/* a line of this file */
};

struct owner {
	struct guest g;
	struct viommu_device *device;
	struct viommu_channel *channel[THREADS];
	uint64_t pages; /* gpa of the first one */
	struct done *done;
	uint64_t each; /* operations of each kind, of a thread */
	/* The VMM's: one call on registers at a time. */
	pthread_mutex_t registers;
};

#define EXPECT(owner, condition)                                                                   \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			atomic_store(&(owner)->done->wrong, __LINE__);                             \
			confined_end();                                                            \
		}                                                                                  \
	} while (0)

static void open_owner(struct owner *o, struct done *done)
{
	uint64_t table, ss;

	memset(o, 0, sizeof(*o));
	o->done = done;
	pthread_mutex_init(&o->registers, NULL);
	guest_init(&o->g, GUEST_REGION, PAGES + 128);
	guest_vtd(&o->g, GUEST_CAP, GUEST_ECAP_LEGACY);
	ss = guest_table(&o->g);
	o->pages = guest_alloc(&o->g, PAGES);
	for (uint64_t i = 0; i < PAGES; i++)
		guest_ss_map(&o->g, ss, 4, i * GUEST_PAGE, o->pages + i * GUEST_PAGE, 12, GUEST_RW);
	guest_legacy(&o->g, RID, DOMAIN, ss, 4);
	guest_start(&o->g, VTD_TTM_LEGACY);
	table = guest_interrupts_on(&o->g, 7, true);
	for (uint64_t i = 0; i < INTERRUPTS; i++) {
		guest_put64(&o->g, table + 16 * i, 1 | UINT64_C(0x21) << 16 | (i + 1) << 32);
		guest_put64(&o->g, table + 16 * i + 8, 0);
	}
	o->device = guest_device(&o->g, RID);
	for (unsigned i = 0; i < THREADS; i++)
		o->channel[i] = guest_channel(&o->g, o->device, VIOMMU_NO_PASID);
}

/* ---- one of each ---- */

/* More pages than the caches have room for: hits, and misses that walk. */
static void translate_one(struct owner *o, unsigned thread, uint64_t n)
{
	uint64_t page = n % 8 ? n % 16 : n * UINT64_C(0x9e3779b97f4a7c15) >> 53;
	struct viommu_request r = { .first = page * GUEST_PAGE + 8,
				    .last = page * GUEST_PAGE + 15,
				    .pasid = VIOMMU_NO_PASID,
				    .access = n & 1 ? VIOMMU_WRITE : VIOMMU_READ };
	struct viommu_fragment f;
	struct viommu_answer answer;
	int result = n & 2 ? viommu_translate(o->channel[thread], &r, &f, 1, &answer)
			   : viommu_device_translate(o->device, &r, &f, 1, &answer);

	EXPECT(o, result == VIOMMU_OK && f.gpa == o->pages + r.first);
	atomic_fetch_add_explicit(&o->done->translated, 1, memory_order_relaxed);
}

static void remap_one(struct owner *o, uint64_t n)
{
	uint64_t index = n % INTERRUPTS;
	struct viommu_msi msi;

	EXPECT(o, viommu_remap_msi(o->g.iommu, RID, UINT64_C(0xfee00010) | index << 5, 0, 0,
				   &msi) == VIOMMU_OK &&
			  msi.destination == index + 1);
	atomic_fetch_add_explicit(&o->done->remapped, 1, memory_order_relaxed);
}

/* All granularities, of translations, contexts and interrupts; each is complete before it counts. */
static void invalidate_one(struct owner *o, uint64_t n)
{
	struct guest *g = &o->g;
	unsigned tries = 0;

	pthread_mutex_lock(&o->registers);
	switch (n % 8) {
	case 0:
		guest_submit(g, GUEST_IOTLB(1, 0), 0, 0, 0);
		break;
	case 1:
		guest_submit(g, GUEST_IOTLB(2, DOMAIN), 0, 0, 0);
		break;
	case 2:
		guest_submit(g, GUEST_CC(3, DOMAIN, RID, 0), 0, 0, 0);
		break;
	case 3:
		guest_submit(g, GUEST_IEC(n / 8 % INTERRUPTS, 0), 0, 0, 0);
		break;
	default:
		guest_submit(g, GUEST_IOTLB(3, DOMAIN), n / 8 % PAGES * GUEST_PAGE, 0, 0);
		break;
	}
	guest_submit_wait(g);
	guest_ring(g);
	/* threads inside a walk hold it back */
	for (; !guest_waited(g); tries++) {
		EXPECT(o, tries < 100000000);
		viommu_run(g->iommu);
	}
	pthread_mutex_unlock(&o->registers);
	atomic_fetch_add_explicit(&o->done->invalidated, 1, memory_order_relaxed);
}

static void do_all(struct owner *o, unsigned thread)
{
	for (uint64_t i = 0; i < o->each; i++) {
		uint64_t n = i * THREADS + thread;

		translate_one(o, thread, n);
		remap_one(o, n);
		invalidate_one(o, n);
	}
}

/* ---- one thread ---- */

static void body_strict(void *shared)
{
	static struct owner owner;

	open_owner(&owner, shared);
	owner.each = run_scaled_anywhere(OPERATIONS);
	confine_strictly();
	do_all(&owner, 0);
	confined_end();
}

static void expect_ended(const char *what, int status)
{
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
		print_message("skipped: the kernel has no seccomp\n");
		skip();
	}
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		fail_msg("%s: %s %d", what, WIFSIGNALED(status) ? "signal" : "exit status",
			 WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
}

static void expect_done(const struct done *done, uint64_t count)
{
	assert_int_equal(done->wrong, 0);
	assert_int_equal(done->translated, count);
	assert_int_equal(done->remapped, count);
	assert_int_equal(done->invalidated, count);
	print_message("%llu of each\n", (unsigned long long)count);
}

static void test_strict(void **state)
{
	struct done *done = confined_share(sizeof(*done));

	skip_if_instrumented();
	expect_ended("one thread, SECCOMP_MODE_STRICT", confined_run(body_strict, done));
	expect_done(done, run_scaled_anywhere(OPERATIONS));
}

/* ---- four threads ---- */

struct worker {
	struct owner *owner;
	unsigned number;
	pthread_barrier_t *ready; /* they run, and have made the calls by which a thread begins */
	pthread_barrier_t *start;
};

static void *work(void *opaque)
{
	struct worker *w = opaque;

	if (w->number)
		pthread_barrier_wait(w->ready);
	pthread_barrier_wait(w->start);
	do_all(w->owner, w->number);
	atomic_fetch_add(&w->owner->done->ended, 1);
	confined_end();
}

static void body_contending(void *shared)
{
	static const int calls[] = { SYS_futex };
	static struct owner owner;
	static struct worker worker[THREADS];
	static pthread_barrier_t ready, start;

	open_owner(&owner, shared);
	owner.each = run_scaled_anywhere(OPERATIONS) / THREADS;
	pthread_barrier_init(&ready, NULL, THREADS);
	pthread_barrier_init(&start, NULL, THREADS);
	for (unsigned i = 0; i < THREADS; i++) {
		pthread_t thread;

		worker[i] = (struct worker){
			.owner = &owner, .number = i, .ready = &ready, .start = &start
		};
		if (i && pthread_create(&thread, NULL, work, &worker[i]))
			_exit(98);
	}
	pthread_barrier_wait(&ready);
	confine_to(calls, 1);
	work(&worker[0]);
}

static void test_contending(void **state)
{
	struct done *done = confined_share(sizeof(*done));

	skip_if_instrumented();
	expect_ended("four threads, futex only", confined_run(body_contending, done));
	assert_int_equal(done->ended, THREADS);
	expect_done(done, run_scaled_anywhere(OPERATIONS) / THREADS * THREADS);
}

/* ---- and the walls are there ---- */

static void body_strict_call(void *shared)
{
	(void)shared;
	confine_strictly();
	syscall(SYS_getppid);
	confined_end();
}

static void body_filtered_call(void *shared)
{
	static const int calls[] = { SYS_futex };

	(void)shared;
	confine_to(calls, 1);
	syscall(SYS_getppid);
	confined_end();
}

static void test_walls(void **state)
{
	int status;

	skip_if_instrumented();
	status = confined_run(body_strict_call, NULL);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	status = confined_run(body_filtered_call, NULL);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_walls),
		cmocka_unit_test(test_strict),
		cmocka_unit_test(test_contending),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
