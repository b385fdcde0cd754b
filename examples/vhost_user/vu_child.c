/* SPDX-License-Identifier: BSD-3-Clause */
/* vu_child.c - starting and stopping backends. Whatever happens, they do not outlive this program.
 */
#define _GNU_SOURCE
#include "vu_child.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define TESTPMD "dpdk-testpmd"

#define STOP_MILLISECONDS 15000

enum { PROCESSORS = 2 };

/* The first processors that this program was given, before it kept to one of them. */
static unsigned processor[PROCESSORS];
static unsigned processors;

unsigned child_processors(void)
{
	cpu_set_t may;

	if (processors || sched_getaffinity(0, sizeof(may), &may))
		return processors;
	for (unsigned cpu = 0; cpu < CPU_SETSIZE && processors < PROCESSORS; cpu++) {
		if (CPU_ISSET(cpu, &may))
			processor[processors++] = cpu;
	}
	return processors;
}

static void give_processors(unsigned first, unsigned count)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	for (unsigned i = first; i < first + count && i < processors; i++)
		CPU_SET(processor[i], &set);
	if (processors == PROCESSORS)
		sched_setaffinity(0, sizeof(set), &set);
}

void child_pin(unsigned which)
{
	child_processors();
	give_processors(which, 1);
}

static bool is_program(const char *folder, size_t length, const char *name)
{
	char path[512];

	if (snprintf(path, sizeof(path), "%.*s/%s", (int)length, folder, name) >= (int)sizeof(path))
		return false;
	return !access(path, X_OK);
}

bool child_has_testpmd(void)
{
	const char *path = getenv("PATH");

	for (; path && *path; path += strspn(path, ":")) {
		size_t length = strcspn(path, ":");

		if (is_program(path, length, TESTPMD))
			return true;
		path += length;
	}
	return false;
}

/* In $TMPDIR, unless a socket's path is too long there. */
static void name_folder(struct vu_child *child)
{
	const char *temporary = getenv("TMPDIR");
	const char *name = "vhost-user-XXXXXX";

	if (!temporary || !temporary[0] ||
	    snprintf(child->folder, sizeof(child->folder), "%s/%s", temporary, name) >=
		    (int)sizeof(child->folder))
		snprintf(child->folder, sizeof(child->folder), "%s/%s", P_tmpdir, name);
}

static bool open_folder(struct vu_child *child)
{
	name_folder(child);
	if (!mkdtemp(child->folder)) {
		perror(child->folder);
		child->folder[0] = 0;
		return false;
	}
	snprintf(child->socket, sizeof(child->socket), "%s/socket", child->folder);
	snprintf(child->log, sizeof(child->log), "%s/log", child->folder);
	return true;
}

/* In the new process: it ends with its parent. */
static void become_child(pid_t parent)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
}

static void exec_testpmd(const struct vu_child *child, bool iommu, int input)
{
	char device[160], prefix[80], cores[80];
	char *argv[] = { TESTPMD, "--lcores", cores, "--no-huge", "-m", "1024", "--no-pci",
			 "--no-telemetry", "--no-shconf", prefix, "--vdev", device, "--", "-i",
			 "--total-num-mbufs=16384", "--forward-mode=macswap",
			 "--record-core-cycles",
			 /* else it drops all frames that came before its start command */
			 "--no-flush-rx", NULL };
	int log = open(child->log, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	snprintf(device, sizeof(device), "net_vhost0,iface=%s,iommu-support=%d", child->socket,
		 iommu);
	snprintf(cores, sizeof(cores), "0@%u,1@%u", processor[0], processor[1]);
	snprintf(prefix, sizeof(prefix), "--file-prefix=vu%d", (int)getpid());
	if (log < 0 || dup2(input, 0) < 0 || dup2(log, 1) < 0 || dup2(log, 2) < 0)
		_exit(1);
	give_processors(0, PROCESSORS);
	execvp(TESTPMD, argv);
	_exit(127);
}

/* With "retry", it does not drop packets for which the ring has no room or no translation yet. */
static const char start_commands[] = "set fwd macswap retry\n"
				     "set burst tx delay 1 retry 1000000\n"
				     "start\n";

bool child_start_testpmd(struct vu_child *child, bool iommu)
{
	pid_t parent = getpid();
	int ends[2];

	*child = (struct vu_child){ .testpmd = true };
	if (!open_folder(child) || pipe2(ends, O_CLOEXEC))
		return false;
	child->input = ends[1];
	child->pid = fork();
	if (!child->pid) {
		become_child(parent);
		exec_testpmd(child, iommu, ends[0]);
	}
	close(ends[0]);
	return child->pid > 0 &&
	       write(child->input, start_commands, sizeof(start_commands) - 1) > 0;
}

bool child_start_own(struct vu_child *child, int (*main_function)(const char *socket, void *opaque),
		     void *opaque)
{
	pid_t parent = getpid();

	*child = (struct vu_child){ .input = -1 };
	if (!open_folder(child))
		return false;
	child->pid = fork();
	if (!child->pid) {
		become_child(parent);
		child_pin(1);
		_exit(main_function(child->socket, opaque));
	}
	return child->pid > 0;
}

bool child_is_alive(struct vu_child *child)
{
	siginfo_t info = { 0 };

	/* WNOWAIT: child_stop() wants to know how it ended. */
	return child->pid > 0 &&
	       !waitid(P_PID, (id_t)child->pid, &info, WEXITED | WNOHANG | WNOWAIT) && !info.si_pid;
}

static void pause_a_little(void)
{
	struct timespec t = { .tv_nsec = 10000000 };

	nanosleep(&t, NULL);
}

bool child_stop(struct vu_child *child)
{
	static const char stop_commands[] = "stop\nquit\n";
	bool alive = child_is_alive(child);
	int status = -1;

	if (alive && child->testpmd)
		alive = write(child->input, stop_commands, sizeof(stop_commands) - 1) > 0;
	else if (alive)
		kill(child->pid, SIGTERM);
	for (int waited = 0; child_is_alive(child) && waited < STOP_MILLISECONDS; waited += 10)
		pause_a_little();
	if (child->pid > 0) {
		if (child_is_alive(child))
			kill(child->pid, SIGKILL);
		waitpid(child->pid, &status, 0);
	}
	if (child->input > 0)
		close(child->input);
	unlink(child->socket);
	unlink(child->log);
	if (child->folder[0])
		rmdir(child->folder);
	*child = (struct vu_child){ 0 };
	return WIFEXITED(status) && !WEXITSTATUS(status);
}
