/* SPDX-License-Identifier: BSD-3-Clause */
/* test_record.c - recording: when it begins and ends, what is on a tape, and what is not. That tapes replay is tests/tape/record.sh. */
#include "check.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <libvirtiommu/record.h>

#include "bits.h"
#include "guest.h"

#define RID  0x0010
#define IOVA UINT64_C(0x400000)

struct world {
	struct guest g;
	struct viommu_device *device;
	struct viommu_channel *channel;
	uint64_t ss;
	uint64_t page;
	char *text; /* of the tape */
	size_t bytes;
	struct viommu *iommu; /* whose it is */
};

static void on_write(void *opaque, struct viommu *iommu, const char *text, uint64_t bytes)
{
	struct world *w = opaque;

	assert_true(bytes && text[bytes - 1] == '\n');
	w->text = realloc(w->text, w->bytes + bytes + 1);
	assert_non_null(w->text);
	memcpy(w->text + w->bytes, text, bytes);
	w->bytes += bytes;
	w->text[w->bytes] = '\0';
	w->iommu = iommu;
}

static void open_world(struct world *w, enum guest_memory memory)
{
	*w = (struct world){ .bytes = 0 };
	guest_init(&w->g, memory, 64);
	guest_vtd(&w->g, GUEST_CAP, GUEST_ECAP_LEGACY);
	w->ss = guest_table(&w->g);
	w->page = guest_alloc(&w->g, 2);
	guest_ss_map(&w->g, w->ss, 4, IOVA, w->page, 12, GUEST_RW);
	guest_legacy(&w->g, RID, 7, w->ss, 4);
	guest_start(&w->g, VTD_TTM_LEGACY);
	w->device = guest_device(&w->g, RID);
	w->channel = guest_channel(&w->g, w->device, VIOMMU_NO_PASID);
}

static void close_world(struct world *w)
{
	guest_fini(&w->g);
	free(w->text);
}

static void start(struct world *w)
{
	assert_int_equal(viommu_record(w->g.vm, on_write, w), VIOMMU_OK);
}

static void stop(const struct world *w)
{
	assert_int_equal(viommu_record(w->g.vm, NULL, NULL), VIOMMU_OK);
}

static uint64_t dma(const struct world *w, uint64_t iova, uint16_t access)
{
	const struct viommu_request r = {
		.first = iova, .last = iova, .pasid = VIOMMU_NO_PASID, .access = access
	};
	struct viommu_fragment f = { .gpa = 0 };
	struct viommu_answer a;

	viommu_translate(w->channel, &r, &f, 1, &a);
	return f.gpa;
}

/* Lines of a kind, and those that end in a mark. */
static unsigned lines(const struct world *w, const char *kind, bool marked)
{
	unsigned count = 0;

	for (const char *at = w->text; at && *at;) {
		const char *end = strchr(at, '\n');

		if (strncmp(at, kind, strlen(kind)) == 0 && at[strlen(kind)] == ' ')
			count += !marked || end[-1] == '~';
		at = end + 1;
	}
	return count;
}

static void test_misuse(void **state)
{
	struct world w;
	struct guest none;

	assert_int_equal(viommu_record(NULL, on_write, NULL), VIOMMU_EINVAL);
	guest_init(&none, GUEST_REGION, 1);
	assert_int_equal(viommu_record(none.vm, on_write, &w), VIOMMU_ENOENT);
	guest_fini(&none);
	open_world(&w, GUEST_REGION);
	assert_int_equal(viommu_record(w.g.vm, NULL, NULL), VIOMMU_ENOENT);
	start(&w);
	assert_int_equal(viommu_record(w.g.vm, on_write, &w), VIOMMU_EBUSY);
	stop(&w);
	assert_int_equal(viommu_record(w.g.vm, NULL, NULL), VIOMMU_ENOENT);
	start(&w); /* an IOMMU that is freed is recorded no more */
	close_world(&w);
}

/* What had been cached before is asked of the tables again; then of the cache, which is recorded, too. */
static void test_hits(void **state)
{
	struct world w;
	unsigned memory;

	open_world(&w, GUEST_REGION);
	assert_true(dma(&w, IOVA, VIOMMU_READ) == w.page);
	start(&w);
	assert_ptr_equal(w.iommu, w.g.iommu);
	assert_true(strncmp(w.text, "tape 1\nengine vtd\n", 18) == 0);
	assert_int_not_equal(lines(&w, "Z", false), 0);
	assert_true(dma(&w, IOVA, VIOMMU_READ) == w.page);
	memory = lines(&w, "M", false);
	assert_true(memory >=
		    5); /* two entries, and four tables of which some lie beside each other */
	assert_int_equal(lines(&w, "T", false), 1);
	for (unsigned i = 0; i < 3; i++)
		assert_true(dma(&w, IOVA + 8, VIOMMU_WRITE) == w.page + 8);
	assert_int_equal(lines(&w, "T", false), 4);
	assert_int_equal(lines(&w, "T", true), 0);
	assert_int_equal(lines(&w, "M", false), memory);
	dma(&w, IOVA, VIOMMU_READ | VIOMMU_QUIET); /* a question */
	assert_int_equal(lines(&w, "T", false), 4);
	stop(&w);
	dma(&w, IOVA, VIOMMU_READ);
	assert_int_equal(lines(&w, "T", false), 4);
	close_world(&w);
}

/* A mapping that the guest has changed without an invalidation: the recording has what the device was told. */
static void test_stale(void **state)
{
	struct world w;

	open_world(&w, GUEST_REGION);
	start(&w);
	assert_true(dma(&w, IOVA, VIOMMU_READ) == w.page);
	guest_ss_map(&w.g, w.ss, 4, IOVA, w.page + 0x1000, 12, GUEST_RW);
	assert_true(dma(&w, IOVA, VIOMMU_READ) == w.page);
	guest_invalidate_all(&w.g);
	assert_true(dma(&w, IOVA, VIOMMU_READ) == w.page + 0x1000);
	assert_int_not_equal(lines(&w, "m", false), 0); /* the wait's status */
	close_world(&w);
}

/* Outside of all regions, through the callbacks; memory that is not there is said to be so. */
static void test_callbacks(void **state)
{
	struct world w;

	open_world(&w, GUEST_CALLBACKS);
	start(&w);
	assert_true(dma(&w, IOVA, VIOMMU_READ) == w.page);
	assert_int_not_equal(lines(&w, "M", false), 0);
	assert_int_equal(lines(&w, "MX", false), 0);
	guest_legacy(&w.g, RID, 7, UINT64_C(0x7ffffff000), 4);
	guest_invalidate_all(&w.g);
	dma(&w, IOVA, VIOMMU_READ);
	assert_int_equal(lines(&w, "MX", false), 1);
	close_world(&w);
}

static void on_unmap(void *opaque, struct viommu_device *device, uint32_t pasid, uint64_t first,
		     uint64_t last)
{
	dma(opaque, IOVA, VIOMMU_READ);
}

/* What is answered while an invalidation is under way is marked, and nothing else is. */
static void test_overlapped(void **state)
{
	struct viommu_listener_config config = { .size = sizeof(config), .unmap = on_unmap };
	struct viommu_listener *listener;
	struct world w;

	open_world(&w, GUEST_REGION);
	config.opaque = &w;
	start(&w);
	assert_int_equal(viommu_listener_new(w.g.iommu, w.device, &config, &listener), VIOMMU_OK);
	dma(&w, IOVA, VIOMMU_READ);
	assert_int_equal(lines(&w, "T", true), 0);
	guest_invalidate_all(&w.g);
	assert_int_not_equal(lines(&w, "T", true), 0);
	assert_int_equal(lines(&w, "T", true) + 1, lines(&w, "T", false));
	dma(&w, IOVA, VIOMMU_READ);
	assert_int_equal(lines(&w, "T", true) + 2, lines(&w, "T", false));
	assert_int_equal(viommu_listener_free(listener), VIOMMU_OK);
	close_world(&w);
}

/* An invalidation that a section holds back: from its write on, up to the call that completes it. */
static void test_pending(void **state)
{
	struct world w;

	open_world(&w, GUEST_REGION);
	start(&w);
	assert_int_equal(viommu_enter(w.channel), VIOMMU_OK);
	dma(&w, IOVA, VIOMMU_READ);
	guest_submit(&w.g, GUEST_IOTLB(1, 0), 0, 0, 0);
	guest_submit_wait(&w.g);
	guest_ring(&w.g);
	assert_int_equal(lines(&w, "W", true), 1);
	dma(&w, IOVA, VIOMMU_READ);
	assert_int_equal(lines(&w, "T", true), 1);
	assert_int_equal(viommu_leave(w.channel), VIOMMU_OK);
	assert_int_equal(viommu_run(w.g.iommu), VIOMMU_OK);
	dma(&w, IOVA, VIOMMU_READ);
	assert_int_equal(lines(&w, "T", true), 1);
	close_world(&w);
}

static void *translate_often(void *opaque)
{
	const struct world *w = opaque;
	const struct viommu_request r = {
		.first = IOVA, .last = IOVA, .pasid = VIOMMU_NO_PASID, .access = VIOMMU_READ
	};
	struct viommu_fragment f;
	struct viommu_answer a;

	for (unsigned i = 0; i < 500; i++)
		assert_int_equal(viommu_device_translate(w->device, &r, &f, 1, &a), VIOMMU_OK);
	return NULL;
}

/* Lines of several threads are whole, and none is missing. */
static void test_threads(void **state)
{
	pthread_t thread[2];
	struct world w;

	open_world(&w, GUEST_REGION);
	start(&w);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, translate_often, &w), 0);
	for (unsigned i = 0; i < 50; i++)
		guest_invalidate_all(&w.g);
	for (unsigned i = 0; i < 2; i++)
		pthread_join(thread[i], NULL);
	stop(&w);
	assert_int_equal(lines(&w, "T", false), 1000);
	close_world(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_misuse),	   cmocka_unit_test(test_hits),
		cmocka_unit_test(test_stale),	   cmocka_unit_test(test_callbacks),
		cmocka_unit_test(test_overlapped), cmocka_unit_test(test_pending),
		cmocka_unit_test(test_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
