/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_escapes.c - a device process that tries to get out: each attempt is a row, and what becomes of the process.
 *
 * Attempts on files are made without a filter: the seals alone have to hold. The owner goes on in any case: afterwards an
 * invalidation of the attacker's page, and one of its neighbour's, are complete.
 */
#define _GNU_SOURCE
#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "attacker.h"
#include "no_syscalls.h"
#include "owner.h"

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif

#define RING UINT64_C(0x40000000)
#define PAGE SMALL_GUEST_PAGE

/* In the attacker: an attempt has failed as it should, or the process says so with the line. */
#define REPELLED(condition)                                                                        \
	do {                                                                                       \
		if (!(condition))                                                                  \
			return __LINE__ % 90 + 1;                                                  \
	} while (0)
#define REFUSED(call, why) REPELLED((call) == -1 && errno == (why))

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct attacker a;

/* ---- files ---- */

static int write_to_the_window(void)
{
	attacker_open(&a);
	*(volatile uint64_t *)(uintptr_t)a.window = 0;
	return 1;
}

static int map_it_writable(void)
{
	attacker_open(&a);
	REPELLED(mmap(NULL, a.job.window_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, JOB_WINDOW,
		      0) == MAP_FAILED &&
		 errno == EPERM);
	REPELLED(mmap(NULL, 4096, PROT_WRITE, MAP_SHARED, JOB_WINDOW, 0) == MAP_FAILED &&
		 errno == EPERM);
	return 0;
}

/* A copy of one's own may be changed; it is not the window. The owner's is compared afterwards. */
static int map_it_privately(void)
{
	volatile uint64_t *at;

	attacker_open(&a);
	at = mmap(NULL, a.job.window_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE, JOB_WINDOW, 0);
	if (at != MAP_FAILED)
		*at = 0;
	REPELLED(*(const volatile uint64_t *)a.window != 0);
	return 0;
}

static int protect_it(void)
{
	attacker_open(&a);
	REFUSED(mprotect((void *)(uintptr_t)a.window, 4096, PROT_READ | PROT_WRITE), EACCES);
	REFUSED(mprotect((void *)(uintptr_t)a.window, a.job.window_bytes, PROT_WRITE), EACCES);
	return 0;
}

static int write_to_its_file(void)
{
	static const char zeros[4096];

	attacker_open(&a);
	REFUSED(pwrite(JOB_WINDOW, zeros, sizeof(zeros), 0), EPERM);
	REFUSED(write(JOB_WINDOW, zeros, 1), EPERM);
	return 0;
}

static int truncate_files(void)
{
	attacker_open(&a);
	REFUSED(ftruncate(JOB_WINDOW, 0), EPERM);
	REFUSED(ftruncate(JOB_WINDOW, (off_t)a.job.window_bytes + 4096), EPERM);
	REFUSED(ftruncate(JOB_SECTION, 0), EPERM);
	REFUSED(ftruncate(JOB_SECTION, 1 << 20), EPERM);
	REFUSED(ftruncate(JOB_POOL, 0), EPERM);
	REFUSED(fallocate(JOB_SECTION, 0, 0, 1 << 20), EPERM);
	return 0;
}

static int punch_holes(void)
{
	attacker_open(&a);
	REFUSED(fallocate(JOB_WINDOW, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096), EPERM);
	REPELLED(madvise((void *)(uintptr_t)a.window, 4096, MADV_REMOVE) == -1);
	/* of its own page: reads as a section that is closed, which it can say anyway */
	fallocate(JOB_SECTION, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096);
	return 0;
}

static int change_seals(void)
{
	attacker_open(&a);
	REFUSED(fcntl(JOB_WINDOW, F_ADD_SEALS, F_SEAL_WRITE), EPERM);
	REFUSED(fcntl(JOB_SECTION, F_ADD_SEALS, F_SEAL_WRITE), EPERM);
	REFUSED(fcntl(JOB_SECTION, F_ADD_SEALS, F_SEAL_FUTURE_WRITE), EPERM);
	REFUSED(fcntl(JOB_POOL, F_ADD_SEALS, F_SEAL_WRITE), EPERM);
	return 0;
}

static int open_it_again(void)
{
	int fd;

	attacker_open(&a);
	REPELLED(open("/proc/self/fd/4", O_RDWR | O_TRUNC) == -1);
	fd = open("/proc/self/fd/4", O_RDWR);
	if (fd < 0)
		return 0;
	REPELLED(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED);
	REPELLED(pwrite(fd, "x", 1, 0) == -1);
	return 0;
}

/* The pages that lie behind: there are none. */
static int read_beyond(void)
{
	const volatile unsigned char *at;

	attacker_open(&a);
	at = mmap(NULL, a.job.window_bytes + 4096, PROT_READ, MAP_SHARED, JOB_WINDOW, 0);
	if (at != MAP_FAILED && at[a.job.window_bytes])
		return 1;
	return 2;
}

/* ---- calls ---- */

static const struct call {
	const char *name;
	long number;
	long argument[4];
} calls[] = {
	{ "open", SYS_openat, { AT_FDCWD, (long)"/etc/passwd", O_RDONLY } },
	{ "mmap", SYS_mmap, { 0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS } },
	{ "mprotect", SYS_mprotect, { 0, 4096, PROT_READ } },
	{ "fork", SYS_clone, { SIGCHLD } },
	{ "execve", SYS_execve, { (long)"/bin/sh" } },
	{ "socket", SYS_socket, { AF_UNIX, SOCK_STREAM } },
	{ "recvmsg of descriptors", SYS_recvmsg, { JOB_SOCKET } },
	{ "sendmsg", SYS_sendmsg, { JOB_SOCKET } },
	{ "read of another descriptor", SYS_read, { JOB_POOL } },
	{ "write to another descriptor", SYS_write, { 2 } },
	{ "dup", SYS_dup, { JOB_SOCKET } },
	{ "ptrace", SYS_ptrace, { PTRACE_TRACEME } },
	{ "process_vm_readv", SYS_process_vm_readv, { 1 } },
	{ "kill", SYS_kill, { 0, 0 } },
	{ "memfd_create", SYS_memfd_create, { (long)"x", 0 } },
	{ "ftruncate", SYS_ftruncate, { JOB_SECTION, 0 } },
	{ "seccomp", SYS_seccomp, { 1 } },
	{ "getpid", SYS_getpid, { 0 } },
	{ "a call of another ABI", 0x40000000L + SYS_getpid, { 0 } },
};
static const struct call *call;

static int make_call(void)
{
	attacker_open_confined(&a);
	syscall(call->number, call->argument[0], call->argument[1], call->argument[2],
		call->argument[3], -1, 0);
	return 0;
}

/* ---- messages ---- */

/* The owner stops listening to who sends what no view sends. */
static int expect_silence(void)
{
	unsigned char byte[64];

	return read(JOB_SOCKET, byte, sizeof(byte)) > 0;
}

static int send_random_bytes(void)
{
	uint64_t random = 0x9e3779b97f4a7c15;

	attacker_open_confined(&a);
	for (size_t i = 0; i < sizeof(a.message); i++)
		a.message[i] = (unsigned char)((random *= 6364136223846793005) >> 56);
	(void)!write(JOB_SOCKET, a.message, 200);
	return expect_silence();
}

static int send_half_a_message(void)
{
	attacker_open_confined(&a);
	(void)!write(JOB_SOCKET, a.message, attacker_message(&a, RING, VIOMMU_READ) - 1);
	return expect_silence();
}

static int send_a_reply(void)
{
	attacker_open_confined(&a);
	REPELLED(attacker_ask(&a, RING, VIOMMU_READ) == VIOMMU_OK);
	(void)!write(JOB_SOCKET, a.message, 80);
	return expect_silence();
}

/* Who asks is not in the message: the neighbour's page is a fault, since it is not in this device's tables. */
static int ask_for_the_neighbours(void)
{
	attacker_open_confined(&a);
	REPELLED(attacker_ask(&a, RING + 64 * PAGE, VIOMMU_READ) == VIOMMU_FAULT);
	REPELLED(attacker_ask(&a, RING, VIOMMU_READ | VIOMMU_PRIV) == VIOMMU_EINVAL);
	REPELLED(attacker_ask(&a, RING, VIOMMU_READ) == VIOMMU_OK);
	return 0;
}

static int never_read_replies(void)
{
	uint32_t length;

	attacker_open_confined(&a);
	length = attacker_message(&a, RING, VIOMMU_READ);
	while (write(JOB_SOCKET, a.message, length) > 0)
		;
	return 0; /* the owner has hung up */
}

/* Replies that the owner did not send: as from a transport that was taken over. */
static int believe_wrong_replies(void)
{
	unsigned char reply[VIOMMU_VIEW_MESSAGE_BYTES];
	ssize_t got;

	attacker_open_confined(&a);
	(void)!write(JOB_SOCKET, a.message, attacker_message(&a, RING, VIOMMU_READ));
	got = read(JOB_SOCKET, reply, sizeof(reply));
	REPELLED(got == 80);
	for (unsigned i = 0; i < 80; i++) {
		if (i >= 16 && (i < 20 || (i >= 24 && i < 32) || (i >= 40 && i < 42) || i >= 44))
			continue; /* a value that could be */
		reply[i] ^= 0xff;
		REPELLED(viommu_view_reply(a.view, reply, (uint32_t)got, &a.answer) ==
			 VIOMMU_EINVAL);
		reply[i] ^= 0xff;
	}
	REPELLED(viommu_view_reply(a.view, reply, (uint32_t)got, &a.answer) == VIOMMU_OK);
	REPELLED(viommu_view_reply(a.view, reply, (uint32_t)got, &a.answer) == VIOMMU_EINVAL);
	return 0;
}

/* ---- the owner ---- */

static void open_owner(struct owner *o)
{
	assert_true(owner_open(o, 2));
	for (unsigned n = 0; n < 2; n++)
		small_guest_map(&o->guest, o->party[n].tables, RING, o->party[n].pool_gpa);
	small_guest_map(&o->guest, o->party[1].tables, RING + 64 * PAGE,
			o->party[1].pool_gpa + PAGE);
}

/* The attacker's end. */
static int run_attacker(struct owner *o, int (*body)(void))
{
	siginfo_t end = { 0 };
	struct party *p = &o->party[0];

	p->instead = body;
	assert_true(owner_start(p, RING, true));
	assert_int_equal(waitid(P_PID, (id_t)p->pid, &end, WEXITED | WNOWAIT), 0);
	if (end.si_code == CLD_EXITED && end.si_status == 77) {
		print_message("skipped: the kernel has no seccomp filters\n");
		skip();
	}
	return end.si_code == CLD_EXITED ? end.si_status : -end.si_status;
}

/* What the attacker leaves behind does not keep the owner from anything. */
static void expect_going_on(const char *row, struct owner *o)
{
	check_that(row, owner_invalidate(&o->party[1], RING));
	check_that(row, owner_invalidate(&o->party[0], RING));
	owner_stop(&o->party[0]);
	check_that(row, owner_invalidate(&o->party[0], RING));
}

#define KILLED(by) (-(by))

static const struct {
	const char *name;
	int (*body)(void);
	int end; /* its exit status, or the signal */
} files[] = {
	{ "writing to the window", write_to_the_window, KILLED(SIGSEGV) },
	{ "a writable mapping of the window", map_it_writable, 0 },
	{ "a private mapping of the window", map_it_privately, 0 },
	{ "mprotect of the window", protect_it, 0 },
	{ "write to the window's file", write_to_its_file, 0 },
	{ "ftruncate of each file", truncate_files, 0 },
	{ "holes in the window and the section page", punch_holes, 0 },
	{ "more seals", change_seals, 0 },
	{ "the window's file, opened again", open_it_again, 0 },
	{ "behind the window", read_beyond, KILLED(SIGBUS) },
};

static void test_files(void **state)
{
	static struct owner o;

	skip_if_instrumented();
	for (size_t i = 0; i < COUNT(files); i++) {
		struct viommu_window w;
		unsigned char *before;
		int fd;

		open_owner(&o);
		assert_true(owner_window(&o.party[0], &w, &fd));
		before = malloc(w.bytes);
		memcpy(before, w.base, w.bytes);
		check_eq(files[i].name, run_attacker(&o, files[i].body), files[i].end);
		check_eq(files[i].name, memcmp(before, w.base, w.bytes), 0);
		expect_going_on(files[i].name, &o);
		free(before);
		owner_close(&o);
	}
}

static void test_calls(void **state)
{
	static struct owner o;

	skip_if_instrumented();
	for (size_t i = 0; i < COUNT(calls); i++) {
		call = &calls[i];
		open_owner(&o);
		check_eq(call->name, run_attacker(&o, make_call), KILLED(SIGSYS));
		expect_going_on(call->name, &o);
		owner_close(&o);
	}
}

static const struct {
	const char *name;
	int (*body)(void);
} messages[] = {
	{ "random bytes", send_random_bytes },
	{ "half a message", send_half_a_message },
	{ "a reply instead of a request", send_a_reply },
	{ "pages of the neighbour, privileged mode", ask_for_the_neighbours },
	{ "replies that are never read", never_read_replies },
	{ "replies that nobody has sent", believe_wrong_replies },
};

static void test_messages(void **state)
{
	static struct owner o;

	skip_if_instrumented();
	signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; i < COUNT(messages); i++) {
		open_owner(&o);
		check_eq(messages[i].name, run_attacker(&o, messages[i].body), 0);
		expect_going_on(messages[i].name, &o);
		owner_close(&o);
	}
}

/* A child of the owner that does not become another program has no window at all. */
static void touch_the_window(void *opaque)
{
	signal(SIGSEGV, SIG_DFL);
	*(volatile uint64_t *)opaque = 0;
	confined_end();
}

static void test_fork(void **state)
{
	static struct owner o;
	struct viommu_window w;
	int fd, status;

	skip_if_instrumented();
	open_owner(&o);
	assert_true(owner_window(&o.party[0], &w, &fd));
	status = confined_run(touch_the_window, (void *)(uintptr_t)w.base);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
	expect_going_on("fork", &o);
	owner_close(&o);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_calls),
		cmocka_unit_test(test_messages),
		cmocka_unit_test(test_fork),
	};

	if (argc > 1 && strcmp(argv[1], "--device") == 0)
		return job_device();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
