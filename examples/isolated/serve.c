/* SPDX-License-Identifier: BSD-3-Clause */
/* serve.c - device processes: how one is started, what it asks for, and how it ends. */
#define _GNU_SOURCE
#include "job.h"
#include "owner.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- the other side of the socket ---- */

static bool answer_one(struct party *p, const unsigned char *message, uint32_t bytes)
{
	unsigned char reply[VIOMMU_VIEW_MESSAGE_BYTES];
	uint32_t length;

	if (bytes == 1) {
		atomic_fetch_add(&p->done, 1);
		return message[0] == JOB_DONE;
	}
	if (viommu_serve(p->viewer, message, bytes, reply, sizeof(reply), &length))
		return false; /* no view sends such a thing */
	if (!length)
		return true;
	atomic_fetch_add(&p->served, 1);
	/* never waits for who does not read */
	return send(p->socket, reply, length, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)length;
}

static void *serve(void *opaque)
{
	unsigned char message[VIOMMU_VIEW_MESSAGE_BYTES + 1];
	struct party *p = opaque;
	ssize_t got;

	do {
		got = recv(p->socket, message, sizeof(message), 0);
	} while (got > 0 && answer_one(p, message, (uint32_t)got));
	atomic_store(&p->gone, true);
	shutdown(p->socket, SHUT_RDWR); /* it waits for nothing that will not come */
	return NULL;
}

/* ---- the process ---- */

/* In the child: what is not named here it does not have. */
static _Noreturn void become(const int fds[JOB_FDS], int (*instead)(void))
{
	char *const arguments[] = { "isolated", "--device", NULL };
	char *const environment[] = { NULL };
	int program = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	int high[JOB_FDS];

	prctl(PR_SET_PDEATHSIG, SIGKILL); /* it does not outlive the owner */
	/* out of the way of each other first */
	program = fcntl(program, F_DUPFD_CLOEXEC, 64);
	for (int fd = JOB_SOCKET; fd < JOB_FDS; fd++)
		high[fd] = fds[fd] < 0 ? -1 : fcntl(fds[fd], F_DUPFD_CLOEXEC, 64);
	for (int fd = JOB_SOCKET; fd < JOB_FDS; fd++) {
		close(fd);
		if (high[fd] >= 0)
			dup2(high[fd], fd);
	}
	if (instead)
		_exit(instead());
	fexecve(program, arguments, environment);
	_exit(4);
}

static bool start_process(struct party *p, const int fds[JOB_FDS])
{
	p->pid = fork();
	if (p->pid == 0)
		become(fds, p->instead);
	if (p->pid < 0)
		p->pid = 0;
	return p->pid > 0;
}

bool owner_start(struct party *p, uint64_t ring, bool mapped)
{
	struct job job = { .ring = ring, .section_bytes = p->section.bytes };
	int fds[JOB_FDS], sockets[2];
	struct viommu_window window;
	bool started;

	if (!owner_window(p, &window, &fds[JOB_WINDOW]) ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets))
		return false;
	job.window_bytes = window.bytes;
	job.device = window.device;
	job.pool_gpa = p->pool_gpa;
	job.pool_bytes = mapped ? p->pool.bytes : 0;
	fds[JOB_SOCKET] = sockets[1];
	fds[JOB_SECTION] = p->section.fd;
	fds[JOB_POOL] = mapped ? p->pool.fd : -1;
	p->socket = sockets[0];
	started = start_process(p, fds);
	close(sockets[1]);
	if (started && send(p->socket, &job, sizeof(job), MSG_NOSIGNAL) == (ssize_t)sizeof(job) &&
	    !pthread_create(&p->server, NULL, serve, p))
		return true;
	if (started) {
		kill(p->pid, SIGKILL);
		waitpid(p->pid, NULL, 0);
		p->pid = 0;
	}
	close(p->socket);
	p->socket = -1;
	return false;
}

bool owner_tell(struct party *p, const void *message, size_t bytes)
{
	return send(p->socket, message, bytes, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)bytes;
}

void owner_stop(struct party *p)
{
	if (p->pid) {
		kill(p->pid, SIGKILL);
		waitpid(p->pid, &p->end, 0);
		shutdown(p->socket, SHUT_RDWR);
		pthread_join(p->server, NULL);
		close(p->socket);
		p->pid = 0;
		p->socket = -1;
	}
	atomic_store(&p->expired, false);
	if (p->viewer)
		viommu_view_revoke(p->viewer);
}
