/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_view_threads.c - views that translate and ask while the guest invalidates: nobody's answer is older than what was complete
 * when he asked, and nothing is complete while he uses it. In one process, for the sake of ThreadSanitizer; in several:
 * tests/isolation/test_processes.c.
 */
#include "check.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "run.h"
#include "view_rig.h"

enum { VIEWS = 3, PAGE_COUNT = 4, ROUNDS = 4000, VERSIONS = 16, ASKED = 200 };

struct owner {
	struct view_rig r;
	uint64_t versions; /* gpa of the first of VERSIONS pages of each page */
	_Atomic uint64_t begun[PAGE_COUNT];
	_Atomic uint64_t complete[PAGE_COUNT];
	_Atomic bool stop;
};

struct reader {
	pthread_t thread;
	struct owner *o;
	struct viommu_viewer *viewer;
	struct viommu_view *view;
	_Alignas(64) _Atomic uint64_t section[VIOMMU_VIEW_SECTION_BYTES / 8];
	_Atomic uint64_t asked; /* looks that the owner had to answer */
	uint64_t known;		/* those that it had not */
	bool holds;		/* an answer that was given in this section */
	unsigned wrong;		/* a line */
};

static int ask(struct reader *reader, const struct viommu_request *r, struct viommu_fragment *f)
{
	unsigned char message[VIOMMU_VIEW_MESSAGE_BYTES], reply[VIOMMU_VIEW_MESSAGE_BYTES];
	struct viommu_view_answer answer;
	uint32_t bytes;

	atomic_fetch_add(&reader->asked, 1);
	if (viommu_view_request(reader->view, r, message, sizeof(message), &bytes) ||
	    viommu_serve(reader->viewer, message, bytes, reply, sizeof(reply), &bytes) ||
	    viommu_view_reply(reader->view, reply, bytes, &answer))
		return VIOMMU_EINVAL;
	*f = answer.fragment[0];
	return answer.result;
}

#define SEEN(condition)                                                                            \
	do {                                                                                       \
		if (!(condition) && !reader->wrong)                                                \
			reader->wrong = __LINE__;                                                  \
	} while (0)

static void look_at(struct reader *reader, unsigned page)
{
	struct viommu_request r = view_rig_request(page * GUEST_PAGE, 8, VIOMMU_READ);
	struct owner *o = reader->o;
	uint64_t complete = atomic_load(&o->complete[page]), begun, version;
	struct viommu_fragment f = { 0 };
	struct viommu_answer answer;
	bool held = reader->holds;

	if (viommu_view_translate(reader->view, &r, &f, 1, &answer) == VIOMMU_OK)
		reader->known++;
	else
		SEEN(ask(reader, &r, &f) == VIOMMU_OK);
	begun = atomic_load(&o->begun[page]);
	/* Before its first answer a section uses nothing: invalidations of what nobody has looked up do not wait for it, so that
	 * the guest may have gone round. */
	reader->holds = true;
	if (!held && begun - complete >= VERSIONS / 2)
		return;
	SEEN(begun - complete < VERSIONS / 2);
	version = (f.gpa - o->versions) / GUEST_PAGE - page * VERSIONS;
	SEEN(version < VERSIONS);
	version = complete + (version - complete) % VERSIONS;
	SEEN(version <= begun);
	SEEN(atomic_load(&o->complete[page]) <= version);
}

static void *read_pages(void *opaque)
{
	struct reader *reader = opaque;
	uint64_t random = (uintptr_t)reader;

	while (!atomic_load(&reader->o->stop)) {
		viommu_view_enter(reader->view);
		reader->holds = false;
		for (unsigned i = 0; i < 4; i++) {
			random = random * 6364136223846793005 + 1442695040888963407;
			look_at(reader, (unsigned)(random >> 33) % PAGE_COUNT);
		}
		viommu_view_leave(reader->view);
		sched_yield(); /* not inside, if there are fewer processors than threads */
	}
	return NULL;
}

static void open_reader(struct reader *reader, struct owner *o)
{
	struct viommu_viewer_config config = o->r.viewer_config;
	struct viommu_view_config view = o->r.view_config;

	reader->o = o;
	config.deadline = 0;
	config.expired = NULL;
	config.section = view.section = reader->section;
	assert_int_equal(viommu_viewer_new(o->r.device, &config, &reader->viewer), VIOMMU_OK);
	assert_int_equal(viommu_view_new(&view, &reader->view), VIOMMU_OK);
}

static void move_page(struct owner *o, unsigned page)
{
	uint64_t version = atomic_fetch_add(&o->begun[page], 1) + 1;

	view_rig_move(&o->r, page * GUEST_PAGE,
		      o->versions + (page * VERSIONS + version % VERSIONS) * GUEST_PAGE);
	if (guest_ring(&o->r.g) == VIOMMU_PENDING) {
		while (viommu_run(o->r.g.iommu) == VIOMMU_PENDING)
			sched_yield();
	}
	assert_true(guest_waited(&o->r.g));
	atomic_store(&o->complete[page], version);
}

static bool all_have_asked(struct reader *reader)
{
	uint64_t fewest = UINT64_MAX;

	for (unsigned i = 0; i < VIEWS; i++) {
		uint64_t asked = atomic_load(&reader[i].asked);

		fewest = asked < fewest ? asked : fewest;
	}
	return fewest >= run_scaled(ASKED);
}

static void no_stale_answers(void **state)
{
	static struct reader reader[VIEWS];
	static struct owner o;

	view_rig_open(&o.r);
	o.versions = guest_alloc(&o.r.g, PAGE_COUNT * VERSIONS);
	for (unsigned page = 0; page < PAGE_COUNT; page++)
		move_page(&o, page);
	for (unsigned i = 0; i < VIEWS; i++)
		open_reader(&reader[i], &o);
	for (unsigned i = 0; i < VIEWS; i++)
		assert_int_equal(pthread_create(&reader[i].thread, NULL, read_pages, &reader[i]),
				 0);
	/* and until everybody has been concerned often enough */
	for (uint64_t i = 0; i < run_scaled(ROUNDS) || !all_have_asked(reader); i++)
		move_page(&o, (unsigned)i % PAGE_COUNT);
	atomic_store(&o.stop, true);
	for (unsigned i = 0; i < VIEWS; i++) {
		pthread_join(reader[i].thread, NULL);
		assert_int_equal(reader[i].wrong, 0);
		assert_true(reader[i].known > 0);
		assert_int_equal(viommu_view_free(reader[i].view), VIOMMU_OK);
		assert_int_equal(viommu_view_revoke(reader[i].viewer), VIOMMU_OK);
		assert_int_equal(viommu_viewer_free(reader[i].viewer), VIOMMU_OK);
	}
	view_rig_close(&o.r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_stale_answers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
