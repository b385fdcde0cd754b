/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * interleave.c - stopping one thread at an instruction and letting another in.
 *
 * What is a point: the program's own instructions, but for those of this file, which are in a section of their own. The
 * same instruction counts OCCURRENCES times at most: loops over bytes are not worth more.
 */
#define _GNU_SOURCE /* RTLD_NEXT, registers in signal contexts */
#include "interleave.h"

#include "check.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define __SANITIZE_THREAD__ 1
#endif
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__ 1
#endif
#endif

/* Of so many points one: rounds take a hundred times as long where memory is checked, which is another question than who
 * comes first. */
#ifdef __SANITIZE_ADDRESS__
#define STRIDE 32U
#else
#define STRIDE 1U
#endif

#if !defined(__x86_64__) || defined(__SANITIZE_THREAD__)

static bool possible(void)
{
	print_message(
		"skipped: threads are interleaved on x86-64 only, without the thread sanitizer\n");
	return false;
}

unsigned interleave(const struct interleaving *i, void *world)
{
	(void)i;
	(void)world;
	fail();
	return 0;
}

void interleave_pause(void)
{
}

#else

#include <ucontext.h>

#define OURS	    __attribute__((section("stepper"), noinline))
#define OCCURRENCES 6U
#define POINTS_MAX  100000U
#define TRAP_FLAG   0x100
#define BREAKPOINT  0xcc

extern char __executable_start, etext; /* the linker's */
extern char __start_stepper, __stop_stepper;

enum other { ABSENT, PAUSED, RUNNING, BLOCKED, ENDED };

static struct {
	const struct interleaving *i;
	void *world;
	/* Of the subject. */
	bool learning;
	uintptr_t point[POINTS_MAX];
	unsigned points;
	uintptr_t at; /* where the breakpoint is; 0: none */
	unsigned char byte;
	unsigned passes; /* before the other is let in */
	bool stepping;	 /* over the instruction under the breakpoint */
	bool let_in;
	/* The other thread. */
	enum other other;
	const void *wanted; /* what it waits for: a mutex or a condition */
	sem_t go, back;
} s;

static _Thread_local bool is_other;
static int (*real_lock)(pthread_mutex_t *);
static int (*real_unlock)(pthread_mutex_t *);

/* ---- the code ---- */

static OURS void poke(uintptr_t at, unsigned char byte)
{
	*(volatile unsigned char *)at = byte;
	__builtin___clear_cache((char *)at, (char *)at + 1);
}

static OURS bool is_point(uintptr_t at)
{
	return at >= (uintptr_t)&__executable_start && at < (uintptr_t)&etext &&
	       !(at >= (uintptr_t)&__start_stepper && at < (uintptr_t)&__stop_stepper);
}

static bool open_code(void)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
	uintptr_t first = (uintptr_t)&interleave_main & ~(page - 1);
	FILE *maps = fopen("/proc/self/maps", "r");
	uintptr_t begin, end;
	char rights[5], line[512];
	bool opened = false;

	while (maps && fgets(line, sizeof(line), maps)) {
		if (sscanf(line, "%lx-%lx %4s", &begin, &end, rights) == 3 && first >= begin &&
		    first < end)
			opened = mprotect((void *)begin, end - begin,
					  PROT_READ | PROT_WRITE | PROT_EXEC) == 0;
	}
	if (maps)
		fclose(maps);
	return opened;
}

/* ---- the other thread ---- */

static OURS void wait_for(sem_t *semaphore)
{
	while (sem_wait(semaphore) != 0)
		;
}

static OURS void park(enum other why)
{
	s.other = why;
	sem_post(&s.back);
	wait_for(&s.go);
	s.other = RUNNING;
}

static OURS void *run_other(void *arg)
{
	is_other = true;
	for (;;) {
		wait_for(&s.go);
		if (!s.i)
			return NULL;
		s.other = RUNNING;
		s.i->other(s.world);
		s.other = ENDED;
		sem_post(&s.back);
	}
}

/* Lets the other thread run until it ends or cannot go on. No breakpoint is meant for it. */
static OURS void let_other(void)
{
	uintptr_t at = s.at;

	if (s.other == ENDED)
		return;
	if (at)
		poke(at, s.byte);
	sem_post(&s.go);
	wait_for(&s.back);
	if (at)
		poke(at, BREAKPOINT);
}

OURS void interleave_pause(void)
{
	if (is_other)
		park(PAUSED);
}

/* ---- locks: whoever has to wait lets the one go on who has it ---- */

OURS int pthread_mutex_lock(pthread_mutex_t *mutex)
{
	int result;

	if (!s.i)
		return real_lock ? real_lock(mutex) : pthread_mutex_trylock(mutex);
	while ((result = pthread_mutex_trylock(mutex)) == EBUSY) {
		if (is_other) {
			s.wanted = mutex;
			park(BLOCKED);
		} else if (s.other == ENDED || s.other == ABSENT) {
			fprintf(stderr, "%s: a lock that nobody gives back\n", s.i->name);
			abort();
		} else {
			let_other();
		}
	}
	return result;
}

OURS int pthread_mutex_unlock(pthread_mutex_t *mutex)
{
	int result = real_unlock(mutex);

	if (s.i && !is_other && s.other == BLOCKED && s.wanted == mutex)
		let_other();
	return result;
}

/* Conditions, which nobody else uses here: whoever waits lets the other go on, and then looks again, as after any wake-up
 * that means nothing. */
static OURS int wait_for_turn(const pthread_cond_t *condition, pthread_mutex_t *mutex)
{
	real_unlock(mutex);
	if (is_other) {
		s.wanted = condition;
		park(BLOCKED);
	} else if (s.other == ENDED || s.other == ABSENT) {
		fprintf(stderr, "a condition that nobody changes\n");
		abort();
	} else {
		let_other();
	}
	return pthread_mutex_lock(mutex);
}

OURS int pthread_cond_wait(pthread_cond_t *condition, pthread_mutex_t *mutex)
{
	return wait_for_turn(condition, mutex);
}

OURS int pthread_cond_timedwait(pthread_cond_t *condition, pthread_mutex_t *mutex,
				const struct timespec *until)
{
	return wait_for_turn(condition, mutex);
}

OURS int pthread_cond_broadcast(pthread_cond_t *condition)
{
	if (s.i && !is_other && s.other == BLOCKED && s.wanted == condition)
		let_other();
	return 0;
}

/* ---- the subject ---- */

static OURS void learn(uintptr_t at)
{
	if (is_point(at) && s.points < POINTS_MAX)
		s.point[s.points++] = at;
}

static OURS void come_to_the_breakpoint(greg_t *registers)
{
	registers[REG_RIP] = (greg_t)s.at;
	poke(s.at, s.byte);
	if (s.passes > 0) {
		s.passes--;
		s.stepping = true;
		registers[REG_EFL] |= TRAP_FLAG;
		return;
	}
	s.at = 0;
	s.let_in = true;
	let_other();
}

static OURS void on_trap(int number, siginfo_t *info, void *context)
{
	greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
	int saved = errno;

	if (s.learning) {
		learn((uintptr_t)registers[REG_RIP]);
	} else if (s.stepping) {
		s.stepping = false;
		poke(s.at, BREAKPOINT);
		registers[REG_EFL] &= ~TRAP_FLAG;
	} else if (s.at && (uintptr_t)registers[REG_RIP] == s.at + 1) {
		come_to_the_breakpoint(registers);
	} else {
		registers[REG_EFL] &= ~TRAP_FLAG;
	}
	errno = saved;
}

static OURS void step(void)
{
	__asm__ volatile("sub $128, %%rsp\n\tpushfq\n\torq %0, (%%rsp)\n\tpopfq\n\tadd $128, %%rsp"
			 :
			 : "i"(TRAP_FLAG)
			 : "memory", "cc");
}

/* One round. at 0: the other comes when the subject has ended. */
static OURS void go_through(uintptr_t at, unsigned passes)
{
	s.i->open(s.world);
	s.other = ABSENT;
	s.let_in = false;
	if (s.i->early)
		let_other();
	s.passes = passes;
	s.at = at;
	if (at) {
		s.byte = *(const unsigned char *)at;
		poke(at, BREAKPOINT);
	} else {
		s.learning = true;
		step();
	}
	s.i->subject(s.world);
	s.learning = false;
	if (s.at)
		poke(s.at, s.byte);
	s.at = 0;
	/* as often as it comes to a lock or a pause */
	while (s.other != ENDED)
		let_other();
	s.i->close(s.world);
}

static unsigned occurrence(unsigned n)
{
	unsigned before = 0;

	for (unsigned i = 0; i < n && before < OCCURRENCES; i++)
		before += s.point[i] == s.point[n];
	return before;
}

static unsigned let_in_everywhere(void)
{
	unsigned rounds = 0, let_in = 0;

	go_through(0, 0);
	for (unsigned n = 0; n < s.points; n += STRIDE) {
		unsigned before = occurrence(n);

		if (before == OCCURRENCES)
			continue;
		go_through(s.point[n], before);
		rounds++;
		let_in += s.let_in;
	}
	/* what depends on chance, such as hashes, may take another way now and then */
	if (let_in == 0 || let_in < rounds - rounds / 8)
		fail_msg("%s: let in at %u points of %u", s.i->name, let_in, rounds);
	return let_in;
}

unsigned interleave(const struct interleaving *i, void *world)
{
	const struct sigaction action = { .sa_sigaction = on_trap, .sa_flags = SA_SIGINFO };
	struct sigaction before;
	pthread_t thread;
	unsigned points;

	memset(&s, 0, sizeof(s));
	sem_init(&s.go, 0, 0);
	sem_init(&s.back, 0, 0);
	assert_int_equal(pthread_create(&thread, NULL, run_other, NULL), 0);
	sigaction(SIGTRAP, &action, &before);
	s.i = i;
	s.world = world;
	points = let_in_everywhere();
	s.i = NULL;
	sem_post(&s.go);
	pthread_join(thread, NULL);
	sigaction(SIGTRAP, &before, NULL);
	print_message("%-60s %5u points\n", i->name, points);
	return points;
}

static bool possible(void)
{
	*(void **)&real_lock = dlsym(RTLD_NEXT, "pthread_mutex_lock");
	*(void **)&real_unlock = dlsym(RTLD_NEXT, "pthread_mutex_unlock");
	if (real_lock && real_unlock && open_code())
		return true;
	print_message("skipped: the program may not write to its own code here\n");
	return false;
}

#endif

int interleave_main(void (*test)(void **state))
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test) };

	if (!possible())
		return 77;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
