/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_processes.c - views in other processes while the owner invalidates: nobody uses what is out of date, nobody is held up by
 * a stranger, and nobody finds anything that is not his.
 */
#define _GNU_SOURCE
#include "check.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "attacker.h"
#include "no_syscalls.h"
#include "owner.h"
#include "run.h"
#include "unit.h"

#define RING UINT64_C(0x40000000)
#define PAGE SMALL_GUEST_PAGE

enum { PAGES = 8, VERSIONS = 16, INVALIDATIONS = 1500, SECRET_WORDS = 4 };

static struct attacker a;
static unsigned number; /* of the party whose process this is */

/* ---- no stale answers ---- */

/* Which version of a page the guest has begun to map, and which was complete at last; what readers have seen. */
struct versions {
	_Atomic uint64_t begun[PAGES];
	_Atomic uint64_t complete[PAGES];
	_Atomic bool stop;
	struct {
		_Alignas(64) _Atomic uint64_t looked;
		_Atomic uint64_t known; /* without asking */
		_Atomic uint64_t wrong; /* a line of this file */
	} reader[OWNER_PARTIES];
};
static struct versions *versions;

static uint64_t iova_of(unsigned page)
{
	return RING + page * PAGE;
}

#define SEEN(condition)                                                                            \
	do {                                                                                       \
		if (!(condition))                                                                  \
			atomic_store(&versions->reader[number].wrong, __LINE__);                   \
	} while (0)

/* In a section, where something has been answered (@held). Version v of a page is page v % VERSIONS of its part of the pool. */
static void look_at(unsigned page, bool held)
{
	const struct viommu_request r = { .first = iova_of(page),
					  .last = iova_of(page) + 7,
					  .pasid = VIOMMU_NO_PASID,
					  .access = VIOMMU_READ };
	uint64_t complete = atomic_load(&versions->complete[page]);
	struct viommu_fragment f = { 0 };
	struct viommu_answer answer;
	int result = viommu_view_translate(a.view, &r, &f, 1, &answer);
	uint64_t begun, version;

	if (result == VIOMMU_OK) {
		atomic_fetch_add(&versions->reader[number].known, 1);
	} else {
		SEEN(result == VIOMMU_MISS && attacker_ask(&a, r.first, r.access) == VIOMMU_OK);
		f = a.answer.fragment[0];
	}
	begun = atomic_load(&versions->begun[page]);
	/* Before its first answer a section uses nothing: invalidations of what nobody has looked up do not wait for it, so that
	 * the guest may have gone round. */
	if (!held && begun - complete >= VERSIONS / 2)
		return;
	SEEN(begun - complete < VERSIONS / 2);
	version = (f.gpa - a.job.pool_gpa) / PAGE - page * VERSIONS;
	SEEN(version < VERSIONS);
	version = complete + (version - complete) % VERSIONS;
	SEEN(version <= begun);
	/* and as long as the section is open nobody is told that it is gone */
	for (unsigned i = 0; i < 8; i++)
		SEEN(atomic_load(&versions->complete[page]) <= version);
	atomic_fetch_add(&versions->reader[number].looked, 1);
}

static int read_pages(void)
{
	uint64_t random = number + 1;

	attacker_open_confined(&a);
	while (!atomic_load(&versions->stop)) {
		uint32_t length;

		viommu_view_enter(a.view);
		for (unsigned i = 0; i < 4; i++) {
			random = random * 6364136223846793005 + 1442695040888963407;
			look_at((unsigned)(random >> 33) % PAGES, i > 0);
		}
		if (viommu_view_leave(a.view) == VIOMMU_PENDING &&
		    !viommu_view_wake(a.view, a.message, sizeof(a.message), &length))
			SEEN(write(JOB_SOCKET, a.message, length) == (ssize_t)length);
	}
	return 0;
}

static void map_version(struct party *p, unsigned page, uint64_t version)
{
	small_guest_map(&p->owner->guest, p->tables, iova_of(page),
			p->pool_gpa + (page * VERSIONS + version % VERSIONS) * PAGE);
}

static void wait_ready(const struct party *p)
{
	while (!atomic_load(&p->done) && !atomic_load(&p->gone))
		usleep(100);
}

/* Two processes, with a partition each: what is complete is so for both. */
static void test_no_stale_answers(void **state)
{
	static struct owner o;
	uint64_t count = run_scaled(INVALIDATIONS);

	skip_if_instrumented();
	versions = confined_share(sizeof(*versions));
	assert_true(owner_open(&o, 2));
	for (number = 0; number < 2; number++) {
		struct party *p = &o.party[number];

		for (unsigned page = 0; page < PAGES; page++)
			map_version(p, page, 0);
		p->instead = read_pages;
		assert_true(owner_start(p, RING, true));
		wait_ready(p);
	}
	for (uint64_t i = 0; i < count; i++) {
		unsigned page = (unsigned)(i * 5 % PAGES);
		uint64_t version = atomic_fetch_add(&versions->begun[page], 1) + 1;

		for (unsigned n = 0; n < 2; n++)
			map_version(&o.party[n], page, version);
		for (unsigned n = 0; n < 2; n++)
			assert_true(owner_invalidate(&o.party[n], iova_of(page)));
		atomic_store(&versions->complete[page], version);
	}
	atomic_store(&versions->stop, true);
	for (unsigned n = 0; n < 2; n++) {
		assert_int_equal(versions->reader[n].wrong, 0);
		assert_true(versions->reader[n].looked > count);
		assert_true(versions->reader[n].known > 0);
		assert_int_not_equal(o.party[n].pid, 0); /* nobody was late */
		print_message("process %u: %llu looks, %llu without the owner\n", n,
			      (unsigned long long)versions->reader[n].looked,
			      (unsigned long long)versions->reader[n].known);
	}
	owner_close(&o);
	munmap(versions, sizeof(*versions));
}

/* ---- sections that are not what they say ---- */

static int never_close(void)
{
	attacker_open_confined(&a);
	viommu_view_enter(a.view);
	if (attacker_ask(&a, RING, VIOMMU_READ) != VIOMMU_OK)
		return 1;
	attacker_say(JOB_DONE);
	return read(JOB_SOCKET, a.message, sizeof(a.message)) > 0;
}

static int say_old(void)
{
	attacker_open_confined(&a);
	if (attacker_ask(&a, RING, VIOMMU_READ) !=
	    VIOMMU_OK) /* who was told nothing concerns nobody */
		return 1;
	atomic_store(a.section, 1);
	attacker_say(JOB_DONE);
	return read(JOB_SOCKET, a.message, sizeof(a.message)) > 0;
}

static int say_anything(void)
{
	uint64_t random = 88172645463325252;

	attacker_open_confined(&a);
	attacker_say(JOB_DONE);
	while (random) { /* always */
		random ^= random << 13;
		random ^= random >> 7;
		random ^= random << 17;
		atomic_store(a.section, random & 3 ? random >> (random & 63) : 0);
	}
	return 0;
}

static void open_with(struct owner *o, int (*body)(void))
{
	assert_true(owner_open(o, 2));
	for (unsigned n = 0; n < 2; n++)
		small_guest_map(&o->guest, o->party[n].tables, RING, o->party[n].pool_gpa);
	o->party[0].instead = body;
	assert_true(owner_start(&o->party[0], RING, true));
	while (atomic_load(&o->party[0].done) < (body == say_anything ? 1 : 2) &&
	       !atomic_load(&o->party[0].gone))
		usleep(100);
	assert_false(atomic_load(&o->party[0].gone));
}

/* How often viommu_run() has to be called until an invalidation of a party is complete. */
static unsigned runs(struct owner *o, const struct party *p)
{
	unsigned count = 0;

	if (small_guest_invalidate(&o->guest, p->domain, RING) == VIOMMU_PENDING)
		do {
			count++;
		} while (viommu_run(o->vtd) == VIOMMU_PENDING);
	return count;
}

static const struct {
	const char *name;
	int (*body)(void);
	bool holds; /* its own partition's, until it is stopped */
} sections[] = {
	{ "never closed", never_close, true },
	{ "always as old as can be", say_old, true },
	{ "random values", say_anything, false },
};

static void test_sections(void **state)
{
	static struct owner o;

	skip_if_instrumented();
	for (size_t i = 0; i < sizeof(sections) / sizeof(sections[0]); i++) {
		unsigned late = 0;

		open_with(&o, sections[i].body);
		/* others: each in as many steps as without it, that is at once */
		for (unsigned n = 0; n < 1000; n++)
			late += runs(&o, &o.party[1]);
		check_eq(sections[i].name, late, 0);
		/* its own: at the latest when it was stopped, which completes it, and the deadline does not */
		check_that(sections[i].name, owner_invalidate(&o.party[0], RING));
		if (sections[i].holds)
			check_eq(sections[i].name, o.party[0].pid, 0);
		for (unsigned n = 0; n < 1000; n++)
			late += runs(&o, &o.party[1]);
		check_eq(sections[i].name, late, 0);
		owner_close(&o);
	}
}

/* ---- what there is to be found ---- */

/* A row of /proc/self/maps. */
struct range {
	uint64_t first;
	uint64_t end;
};

static unsigned ranges_of(pid_t pid, struct range *range, unsigned max)
{
	unsigned count = 0;
	char line[512];
	FILE *f;

	snprintf(line, sizeof(line), "/proc/%d/maps", (int)pid);
	f = fopen(line, "r");
	assert_non_null(f);
	while (count < max && fgets(line, sizeof(line), f)) {
		unsigned long long first, end;

		if (sscanf(line, "%llx-%llx", &first, &end) == 2)
			range[count++] = (struct range){ first, end };
	}
	fclose(f);
	return count;
}

/* A word that could be one's address. Small numbers are not: no program lies in the first 4 GiB. */
static bool is_host_pointer(const struct range *range, unsigned count, uint64_t word)
{
	bool inside = false;

	for (unsigned i = 0; i < count && word >> 32; i++)
		inside |= word >= range[i].first && word < range[i].end;
	return inside;
}

static bool has_word(const unsigned char *at, size_t bytes, uint64_t word)
{
	return memmem(at, bytes, &word, sizeof(word));
}

/* What is secret of the owner: in its heap, and nowhere else. */
static uint64_t *plant_secret(void)
{
	uint64_t *secret = malloc(SECRET_WORDS * sizeof(*secret));

	assert_non_null(secret);
	for (unsigned i = 0; i < SECRET_WORDS; i++)
		secret[i] = UINT64_C(0x9d3a7c51e8f2b604) * (i + 3) ^ (uint64_t)getpid() << 40;
	return secret;
}

static void look_through(const struct owner *o, const struct party *p, const struct party *other,
			 const unsigned char *at, size_t bytes, const uint64_t *secret)
{
	const struct window *own = p->device->window, *others = other->device->window;
	static struct range range[512];
	unsigned count = ranges_of(getpid(), range, 512);

	for (size_t i = 0; i + 8 <= bytes; i++) {
		uint64_t word;

		memcpy(&word, at + i, sizeof(word));
		if (i % 4 == 0)
			assert_false(is_host_pointer(range, count, word));
	}
	for (unsigned i = 0; i < 2; i++) {
		assert_true(has_word(at, bytes, own->key[i]));
		assert_false(has_word(at, bytes, others->key[i]));
		assert_false(has_word(at, bytes, o->vm->key[i]));
		assert_false(has_word(at, bytes, o->vm->config.hash_key[i]));
	}
	for (unsigned i = 0; i < SECRET_WORDS; i++)
		assert_false(has_word(at, bytes, secret[i]));
}

static void test_windows(void **state)
{
	static struct owner o;
	struct viommu_request r = {
		.first = RING, .last = RING + 7, .pasid = VIOMMU_NO_PASID, .access = VIOMMU_READ
	};
	struct viommu_fragment f;
	struct viommu_answer answer;
	uint64_t *secret;
	unsigned char *copy;
	struct range all[512];
	unsigned count;

	skip_if_instrumented(); /* whose shadows are mapped everywhere */
	secret = plant_secret();
	assert_true(owner_open(&o, 2));
	for (unsigned n = 0; n < 2; n++) {
		small_guest_map(&o.guest, o.party[n].tables, RING, o.party[n].pool_gpa);
		assert_int_equal(viommu_device_translate(o.party[n].device, &r, &f, 1, &answer),
				 VIOMMU_OK);
		assert_int_equal(f.gpa, o.party[n].pool_gpa);
	}
	for (unsigned n = 0; n < 2; n++) {
		struct viommu_window w = { .size = sizeof(w) };

		assert_int_equal(viommu_device_get_window(o.party[n].device, &w), VIOMMU_OK);
		look_through(&o, &o.party[n], &o.party[!n], w.base, w.bytes, secret);
		/* it would be found if it were there */
		copy = malloc(w.bytes);
		memcpy(copy, w.base, w.bytes);
		memcpy(copy + w.bytes / 2 + 1, &secret[n], sizeof(secret[n]));
		assert_true(has_word(copy, w.bytes, secret[n]));
		count = ranges_of(getpid(), all, 512);
		assert_true(is_host_pointer(all, count, (uint64_t)(uintptr_t)secret));
		free(copy);
	}
	owner_close(&o);
	free(secret);
}

/* All that a device process has mapped, as the owner sees it. */
static bool process_has(pid_t pid, uint64_t word)
{
	static struct range range[512];
	unsigned count = ranges_of(pid, range, 512);
	bool found = false;
	char name[64];
	int fd;

	snprintf(name, sizeof(name), "/proc/%d/mem", (int)pid);
	fd = open(name, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	for (unsigned i = 0; i < count; i++) {
		size_t bytes = range[i].end - range[i].first;
		unsigned char *copy = malloc(bytes);
		ssize_t got = pread(fd, copy, bytes, (off_t)range[i].first);

		found |= got > 0 && has_word(copy, (size_t)got, word);
		free(copy);
	}
	close(fd);
	return found;
}

static void test_process(void **state)
{
	static struct owner o;
	uint64_t *secret;

	skip_if_instrumented();
	secret = plant_secret();
	assert_true(owner_open(&o, 2));
	assert_true(owner_start(&o.party[0], RING, true));
	wait_ready(&o.party[0]);
	if (atomic_load(&o.party[0].gone)) {
		print_message("skipped: the kernel has no seccomp filters\n");
		skip();
	}
	for (unsigned i = 0; i < SECRET_WORDS; i++)
		assert_false(process_has(o.party[0].pid, secret[i]));
	for (unsigned i = 0; i < 2; i++) {
		assert_false(process_has(o.party[0].pid, o.vm->key[i]));
		assert_false(process_has(o.party[0].pid, o.party[1].device->window->key[i]));
		assert_true(process_has(o.party[0].pid, o.party[0].device->window->key[i]));
	}
	owner_close(&o);
	free(secret);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_stale_answers),
		cmocka_unit_test(test_sections),
		cmocka_unit_test(test_windows),
		cmocka_unit_test(test_process),
	};

	if (argc > 1 && strcmp(argv[1], "--device") == 0)
		return job_device();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
