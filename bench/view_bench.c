/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * view_bench.c - what a view costs (view.h): hits beside a channel's, and a miss that another process answers, over a socket or
 * over memory that both have.
 *
 * The benchmark is the device process. Who answers is a child with all of the owner's state: each lane has its own.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shim.h"
#include "view_world.h"

/* futex(2) */
#define FUTEX_WAIT 0
#define FUTEX_WAKE 1

enum transport { IN_PROCESS, SOCKET, FUTEX };
enum { LANES = 2 };

/* Memory of both: a turn each. */
struct mailbox {
	_Atomic uint32_t turn; /* odd: the owner's */
	uint32_t bytes;
	unsigned char message[VIOMMU_VIEW_MESSAGE_BYTES];
};

struct lane {
	struct view_world *world;
	pid_t owner; /* 0: there is none */
	int socket;
	struct mailbox *box;
};

struct lanes {
	enum transport transport;
	struct lane lane[LANES];
};

static void check(const char *what, bool good)
{
	if (!good)
		unexpected(what, -1);
}

/* ---- the owner ---- */

static void serve_socket(struct view_world *w, int socket)
{
	ssize_t got;

	while ((got = read(socket, w->message, sizeof(w->message))) > 0) {
		uint32_t bytes = 0;

		viommu_serve(w->viewer, w->message, (uint32_t)got, w->reply, sizeof(w->reply),
			     &bytes);
		if (write(socket, w->reply, bytes) != (ssize_t)bytes)
			return;
	}
}

static void wait_turn(struct mailbox *box, uint32_t turn)
{
	while (atomic_load(&box->turn) == turn)
		syscall(SYS_futex, &box->turn, FUTEX_WAIT, turn, NULL, NULL, 0);
}

static void give_turn(struct mailbox *box)
{
	atomic_fetch_add(&box->turn, 1);
	syscall(SYS_futex, &box->turn, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static _Noreturn void serve_box(struct view_world *w, struct mailbox *box)
{
	for (uint32_t turn = 0;; turn += 2) {
		uint32_t bytes = 0;

		wait_turn(box, turn);
		viommu_serve(w->viewer, box->message, box->bytes, w->reply, sizeof(w->reply),
			     &bytes);
		memcpy(box->message, w->reply, bytes);
		box->bytes = bytes;
		give_turn(box);
	}
}

static void start_owner(struct lane *l)
{
	int sockets[2];

	l->box = mmap(NULL, sizeof(*l->box), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	check("mmap", l->box != MAP_FAILED);
	check("socketpair", !socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sockets));
	l->owner = fork();
	check("fork", l->owner >= 0);
	if (l->owner == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(sockets[0]);
		if (l->socket == SOCKET)
			serve_socket(l->world, sockets[1]);
		else
			serve_box(l->world, l->box);
		_exit(0);
	}
	close(sockets[1]);
	l->socket = sockets[0];
}

/* ---- the device process ---- */

static uint64_t miss(const struct lanes *lanes, const struct lane *l, uint64_t iova)
{
	struct view_world *w = l->world;
	struct viommu_view_answer answer;
	uint32_t bytes = view_world_request(w, iova);
	const void *reply = w->reply;
	uint32_t length;

	if (lanes->transport == IN_PROCESS)
		return view_world_reply(w, bytes);
	if (lanes->transport == SOCKET) {
		ssize_t got;

		check("write", write(l->socket, w->message, bytes) == (ssize_t)bytes);
		got = read(l->socket, w->reply, sizeof(w->reply));
		length = got < 0 ? 0 : (uint32_t)got;
	} else {
		uint32_t turn = atomic_load(&l->box->turn);

		memcpy(l->box->message, w->message, bytes);
		l->box->bytes = bytes;
		give_turn(l->box);
		wait_turn(l->box, turn + 1);
		reply = l->box->message;
		length = l->box->bytes;
	}
	expect_ok("viommu_view_reply", viommu_view_reply(w->view, reply, length, &answer));
	return answer.fragment[0].gpa;
}

static void *prepare(const struct bench *row)
{
	struct lanes *lanes = calloc(1, sizeof(*lanes));

	check("calloc", lanes);
	lanes->transport = (enum transport)(uintptr_t)row->arg;
	for (unsigned i = 0; i < (row->threads ? row->threads : 1); i++) {
		lanes->lane[i].world = view_world_new(GUEST_HOT);
		lanes->lane[i].socket = (int)lanes->transport;
		if (lanes->transport != IN_PROCESS)
			start_owner(&lanes->lane[i]);
	}
	return lanes;
}

static void discard(void *world)
{
	struct lanes *lanes = world;

	for (unsigned i = 0; i < LANES; i++) {
		struct lane *l = &lanes->lane[i];

		if (l->owner) {
			kill(l->owner, SIGKILL);
			waitpid(l->owner, NULL, 0);
			close(l->socket);
			munmap(l->box, sizeof(*l->box));
		}
		if (l->world)
			view_world_free(l->world);
	}
	free(lanes);
}

static void run_hit(struct bench_state *state, void *world)
{
	struct view_world *w = ((struct lanes *)world)->lane[0].world;
	uint64_t k = 0;

	expect_ok("viommu_view_enter", viommu_view_enter(w->view));
	while (bench_next_batch(state, 16))
		for (unsigned i = 0; i < 16; i++)
			bench_use(view_ask(w->view, w->vtd->pages.iova[k++ % GUEST_HOT]));
	expect_ok("viommu_view_leave", viommu_view_leave(w->view));
}

static void run_section(struct bench_state *state, void *world)
{
	struct view_world *w = ((struct lanes *)world)->lane[0].world;

	while (bench_next(state)) {
		expect_ok("viommu_view_enter", viommu_view_enter(w->view));
		expect_ok("viommu_view_leave", viommu_view_leave(w->view));
	}
}

static void run_miss(struct bench_state *state, void *world)
{
	const struct lanes *lanes = world;
	const struct lane *l = &lanes->lane[state->thread];
	uint64_t k = 0;

	while (bench_next(state))
		bench_use(miss(lanes, l, l->world->vtd->pages.iova[k++ % GUEST_HOT]));
}

#define ROW(run_, transport_)                                                                      \
	.run = run_, .prepare = prepare, .discard = discard, .arg = (const void *)transport_

static const struct bench rows[] = {
	{ .name = "view/hit", ROW(run_hit, IN_PROCESS) },
	{ .name = "view/enter_leave", ROW(run_section, IN_PROCESS) },
	{ .name = "view/miss/no_transport", ROW(run_miss, IN_PROCESS) },
	{ .name = "view/miss/socket", ROW(run_miss, SOCKET), .clock = BENCH_WALL },
	{ .name = "view/miss/futex", ROW(run_miss, FUTEX), .clock = BENCH_WALL },
	{ .name = "view/miss/socket/2_processes",
	  ROW(run_miss, SOCKET),
	  .clock = BENCH_WALL,
	  .threads = 2 },
	{ .name = "view/miss/futex/2_processes",
	  ROW(run_miss, FUTEX),
	  .clock = BENCH_WALL,
	  .threads = 2 },
};

void bench_suite_view(void)
{
	bench_register(rows, sizeof(rows) / sizeof(rows[0]));
}
