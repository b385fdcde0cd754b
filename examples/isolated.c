/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * isolated.c - a VT-d unit in one process, its devices in others, which may read and write one socket, wait, and exit.
 *
 * Each device copies pages for the guest, by a ring in guest memory. After each round the guest maps another page where the
 * last one was, invalidates, and reuses the old page when it is told that this is complete: no device may have written it
 * since. Device processes have a window with translations, read-only, a section page, and a pool of guest memory, or
 * not even that: then the owner copies. docs/isolation.md says what is protected by this and what is not.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#include "job.h"
#include "owner.h"

/* Pages of a pool, and iovas: the ring, sources, and where is copied to. */
enum { PIECES = 16, RING_PAGE = 0, FROM_PAGE = 1, TO_PAGE = FROM_PAGE + PIECES, SPARE = 64 };

static const char usage[] =
	"isolated [--processes=1|2] [--nothing-mapped] [--rounds=N]\n"
	"    --processes: devices, each in a process of its own (1)\n"
	"    --nothing-mapped: they have no guest memory, and the owner copies for them\n"
	"    --rounds: how often the guest takes pages away (100)\n";

struct options {
	unsigned processes;
	unsigned rounds;
	bool mapped;
};

static unsigned char *page_of(const struct party *p, unsigned page)
{
	return p->pool.at + page * SMALL_GUEST_PAGE;
}

static uint64_t iova_of(unsigned page)
{
	return UINT64_C(0x40000000) + page * SMALL_GUEST_PAGE;
}

static void map_page(struct party *p, unsigned iova_page, unsigned pool_page)
{
	small_guest_map(&p->owner->guest, p->tables, iova_of(iova_page),
			p->pool_gpa + pool_page * SMALL_GUEST_PAGE);
}

static bool wait_for(const struct party *p, uint64_t done)
{
	const struct timespec a_moment = { .tv_nsec = 20000 };

	while (atomic_load(&p->done) < done && !atomic_load(&p->gone))
		nanosleep(&a_moment, NULL);
	return atomic_load(&p->done) >= done;
}

static void post(struct party *p, unsigned round)
{
	struct job_ring *ring = (struct job_ring *)(void *)page_of(p, RING_PAGE);
	_Atomic uint32_t *tail = (_Atomic uint32_t *)&ring->tail;

	for (unsigned i = 0; i < PIECES; i++) {
		memset(page_of(p, FROM_PAGE + i), (int)(round * 7 + i), SMALL_GUEST_PAGE);
		ring->piece[(ring->tail + i) % JOB_PIECES] =
			(struct job_piece){ .from = iova_of(FROM_PAGE + i),
					    .to = iova_of(TO_PAGE + i),
					    .bytes = SMALL_GUEST_PAGE };
	}
	*tail += PIECES;
}

/* Where piece i of a round goes. */
static unsigned target(unsigned round, unsigned i)
{
	return SPARE + (round & 1) * PIECES + i;
}

static bool copied(const struct party *p, unsigned round)
{
	unsigned char expected[SMALL_GUEST_PAGE];

	for (unsigned i = 0; i < PIECES; i++) {
		memset(expected, (int)(round * 7 + i), sizeof(expected));
		if (memcmp(page_of(p, target(round, i)), expected, sizeof(expected)))
			return false;
	}
	return true;
}

/* The next round's pages; what was there is the guest's again, and stays as the guest leaves it. */
static bool remap(struct party *p, unsigned round)
{
	for (unsigned i = 0; i < PIECES; i++) {
		map_page(p, TO_PAGE + i, target(round + 1, i));
		if (!owner_invalidate(p, iova_of(TO_PAGE + i)))
			return false;
		memset(page_of(p, target(round, i)), 0, SMALL_GUEST_PAGE);
	}
	return true;
}

static bool untouched(const struct party *p, unsigned round)
{
	for (unsigned i = 0; i < PIECES; i++) {
		const unsigned char *page = page_of(p, target(round, i));

		if (page[0] || memcmp(page, page + 1, SMALL_GUEST_PAGE - 1))
			return false;
	}
	return true;
}

static bool run_round(struct owner *o, unsigned round)
{
	static const unsigned char kick = JOB_KICK;

	for (unsigned n = 0; n < o->parties; n++) {
		post(&o->party[n], round);
		if (!owner_tell(&o->party[n], &kick, 1))
			return false;
	}
	for (unsigned n = 0; n < o->parties; n++) {
		struct party *p = &o->party[n];

		if (!wait_for(p, round + 2) || !copied(p, round) ||
		    (round && !untouched(p, round - 1)) || !remap(p, round))
			return false;
	}
	return true;
}

static bool start(struct owner *o, const struct options *options)
{
	for (unsigned n = 0; n < options->processes; n++) {
		struct party *p = &o->party[n];

		map_page(p, RING_PAGE, RING_PAGE);
		for (unsigned i = 0; i < PIECES; i++) {
			map_page(p, FROM_PAGE + i, FROM_PAGE + i);
			map_page(p, TO_PAGE + i, target(0, i));
		}
		if (!owner_start(p, iova_of(RING_PAGE), options->mapped) || !wait_for(p, 1))
			return false;
	}
	return true;
}

static int run(const struct options *options)
{
	static struct owner o;
	unsigned round = 0;
	bool good = owner_open(&o, options->processes) && start(&o, options);

	while (good && round < options->rounds)
		good = run_round(&o, round++);
	for (unsigned n = 0; n < o.parties; n++)
		printf("device %u: %llu requests to the owner\n", n,
		       (unsigned long long)atomic_load(&o.party[n].served));
	owner_close(&o);
	if (WIFEXITED(o.party[0].end) && WEXITSTATUS(o.party[0].end) == JOB_CANNOT) {
		printf("skipped: the kernel has no seccomp filters\n");
		return JOB_CANNOT;
	}
	printf("%s: %u round(s) of %u pages, %u process(es), %s\n", good ? "good" : "FAILED", round,
	       PIECES, options->processes, options->mapped ? "pool mapped" : "nothing mapped");
	return good ? 0 : 1;
}

int main(int argc, char **argv)
{
	struct options options = { .processes = 1, .rounds = 100, .mapped = true };
	bool known = true;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--device") == 0)
			return job_device();
		if (strcmp(argv[i], "--nothing-mapped") == 0)
			options.mapped = false;
		else if (sscanf(argv[i], "--processes=%u", &options.processes) != 1 &&
			 sscanf(argv[i], "--rounds=%u", &options.rounds) != 1)
			known = false;
	}
	if (!known || !options.processes || options.processes > OWNER_PARTIES) {
		fputs(usage, stderr);
		return 2;
	}
	return run(&options);
}
