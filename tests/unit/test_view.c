/* SPDX-License-Identifier: BSD-3-Clause */
/* test_view.c - views: what they know, what they ask, and what their sections hold back. */
#include "check.h"

#include <libvirtiommu/dirty.h>

#include <stdatomic.h>
#include <string.h>

#include "unit.h"
#include "view_rig.h"

/* ---- translations ---- */

static void misses_and_hits(void **state)
{
	struct view_rig r;

	view_rig_open(&r);
	assert_int_equal(view_rig_get(&r, 0x1008, VIOMMU_READ), VIOMMU_MISS);
	assert_int_equal(r.answer.next, 0x1008);
	assert_int_equal(r.answer.count, 0);
	assert_int_equal(view_rig_ask(&r, 0x1008, VIOMMU_READ), VIOMMU_OK);
	assert_int_equal(r.reply.count, 1);
	assert_true(r.reply.fragment[0].perm & VIOMMU_WRITE);
	assert_int_equal(r.reply.fragment[0].gpa, view_rig_page(&r, 1) + 8);
	assert_ptr_equal(r.reply.fragment[0].host, guest_at(&r.g, view_rig_page(&r, 1) + 8));
	for (unsigned i = 0; i < 3; i++) { /* from the window, and then from what the view keeps */
		assert_int_equal(view_rig_get(&r, 0x1008 + i, VIOMMU_WRITE), VIOMMU_OK);
		assert_int_equal(r.f[0].gpa, view_rig_page(&r, 1) + 8 + i);
		assert_int_equal(r.f[0].length, 8);
		assert_int_equal(r.f[0].perm, r.reply.fragment[0].perm);
		assert_ptr_equal(r.f[0].host, guest_at(&r.g, r.f[0].gpa));
		assert_int_equal(r.answer.next, 0x1010 + i);
		assert_int_equal(r.answer.extent_lg2, 12);
	}
	view_rig_close(&r);
}

/* What does not permit the access is asked of the tables, which record the fault. */
static void refusals(void **state)
{
	const uint64_t last = (VIEW_RIG_PAGES - 1) * GUEST_PAGE;
	struct guest_fault fault;
	struct view_rig r;

	view_rig_open(&r);
	assert_int_equal(view_rig_ask(&r, last, VIOMMU_READ), VIOMMU_OK);
	assert_int_equal(view_rig_get(&r, last, VIOMMU_READ), VIOMMU_OK);
	assert_int_equal(view_rig_get(&r, last, VIOMMU_WRITE), VIOMMU_MISS);
	assert_int_equal(view_rig_ask(&r, last, VIOMMU_WRITE), VIOMMU_FAULT);
	assert_int_equal(r.reply.answer.reason, VTD_FR_WRITE);
	assert_true(guest_take_fault(&r.g, &fault));
	assert_int_equal(fault.sid, VIEW_RIG_RID);
	/* and of the view alone there is no such thing as an access in privileged mode */
	assert_int_equal(view_rig_ask(&r, 0, VIOMMU_READ | VIOMMU_PRIV), VIOMMU_EINVAL);
	assert_int_equal(view_rig_ask(&r, UINT64_C(1) << 40, VIOMMU_READ), VIOMMU_FAULT);
	view_rig_close(&r);
}

static void ranges(void **state)
{
	struct viommu_request list[3];
	struct viommu_answer answers[3];
	struct view_rig r;
	uint32_t done;

	view_rig_open(&r);
	view_rig_ask(&r, 0, VIOMMU_READ);
	view_rig_ask(&r, 0x1000, VIOMMU_READ);
	/* two pages are one piece; the third is not known */
	assert_int_equal(view_rig_translate(&r, 0x10, 0x2800, VIOMMU_READ), VIOMMU_MISS);
	assert_int_equal(r.answer.next, 0x2000);
	assert_int_equal(r.answer.count, 1);
	assert_int_equal(r.f[0].length, 0x1ff0);
	for (unsigned i = 0; i < 3; i++)
		list[i] = view_rig_request(i * GUEST_PAGE, 4, VIOMMU_READ);
	assert_int_equal(viommu_view_translate_list(r.view, list, 3, r.f, 4, answers, &done),
			 VIOMMU_MISS);
	assert_int_equal(done, 2);
	assert_int_equal(r.f[1].gpa, view_rig_page(&r, 1));
	assert_int_equal(viommu_view_translate_list(r.view, list, 2, r.f, 1, answers, &done),
			 VIOMMU_MORE);
	assert_int_equal(done, 1);
	view_rig_close(&r);
}

/* ---- invalidations ---- */

static void an_invalidation_is_seen(void **state)
{
	struct view_rig r;

	view_rig_open(&r);
	view_rig_ask(&r, 0x3000, VIOMMU_READ);
	view_rig_ask(&r, 0x4000, VIOMMU_READ);
	assert_int_equal(view_rig_get(&r, 0x3000, VIOMMU_READ), VIOMMU_OK);
	view_rig_move(&r, 0x3000, view_rig_page(&r, 20));
	assert_int_equal(guest_ring(&r.g), VIOMMU_OK);
	assert_true(guest_waited(&r.g));
	assert_int_equal(view_rig_get(&r, 0x3000, VIOMMU_READ), VIOMMU_MISS);
	assert_int_equal(view_rig_get(&r, 0x4000, VIOMMU_READ), VIOMMU_OK);
	assert_int_equal(view_rig_ask(&r, 0x3000, VIOMMU_READ), VIOMMU_OK);
	assert_int_equal(view_rig_get(&r, 0x3000, VIOMMU_READ), VIOMMU_OK);
	assert_int_equal(r.f[0].gpa, view_rig_page(&r, 20));
	view_rig_close(&r);
}

static void a_section_holds_back(void **state)
{
	struct view_rig r;
	unsigned works;

	view_rig_open(&r);
	view_rig_ask(&r, 0x3000, VIOMMU_READ);
	assert_int_equal(viommu_view_enter(r.view), VIOMMU_OK);
	assert_int_equal(viommu_view_enter(r.view), VIOMMU_EBUSY);
	assert_int_equal(view_rig_get(&r, 0x3000, VIOMMU_READ), VIOMMU_OK);
	view_rig_move(&r, 0x3000, view_rig_page(&r, 20));
	assert_int_equal(guest_ring(&r.g), VIOMMU_PENDING);
	assert_int_equal(viommu_run(r.g.iommu), VIOMMU_PENDING);
	assert_false(guest_waited(&r.g));
	assert_int_equal(viommu_view_leave(r.view), VIOMMU_PENDING);
	assert_int_equal(viommu_view_leave(r.view), VIOMMU_EINVAL);
	/* the message says so to the host, and nothing else does */
	works = r.works;
	assert_int_equal(viommu_view_wake(r.view, r.message, sizeof(r.message), &r.length),
			 VIOMMU_OK);
	assert_int_equal(view_rig_exchange(&r), VIOMMU_OK);
	assert_int_equal(r.answer_length, 0);
	assert_true(r.works > works);
	assert_int_equal(viommu_run(r.g.iommu), VIOMMU_OK);
	assert_true(guest_waited(&r.g));
	/* nobody waits: nothing is to be said */
	viommu_view_enter(r.view);
	assert_int_equal(viommu_view_leave(r.view), VIOMMU_OK);
	view_rig_close(&r);
}

/* A wake-up that is withheld costs delay: viommu_run() looks again. */
static void no_wake_up(void **state)
{
	struct view_rig r;

	view_rig_open(&r);
	view_rig_use(&r);
	view_rig_move(&r, 0x3000, view_rig_page(&r, 20));
	assert_int_equal(guest_ring(&r.g), VIOMMU_PENDING);
	assert_int_equal(viommu_view_leave(r.view), VIOMMU_PENDING);
	assert_int_equal(viommu_run(r.g.iommu), VIOMMU_OK);
	assert_true(guest_waited(&r.g));
	view_rig_close(&r);
}

/* ---- sections that never close ---- */

static void time_outs_complete_nothing(void **state)
{
	struct view_rig r;

	view_rig_open(&r);
	view_rig_use(&r);
	view_rig_move(&r, 0x3000, view_rig_page(&r, 20));
	assert_int_equal(guest_ring(&r.g), VIOMMU_PENDING);
	for (unsigned i = 0; i < 4; i++, r.clock += VIEW_RIG_DEADLINE / 2) {
		assert_int_equal(viommu_run(r.g.iommu), VIOMMU_PENDING);
		assert_int_equal(r.expired, i >= 2);
		assert_false(guest_waited(&r.g));
	}
	assert_int_equal(viommu_viewer_free(r.viewer), VIOMMU_EBUSY);
	assert_int_equal(viommu_view_revoke(r.viewer), VIOMMU_OK);
	assert_int_equal(viommu_run(r.g.iommu), VIOMMU_OK);
	assert_true(guest_waited(&r.g));
	/* and its messages are not answered any more */
	viommu_view_wake(r.view, r.message, sizeof(r.message), &r.length);
	assert_int_equal(view_rig_exchange(&r), VIOMMU_ENOENT);
	assert_int_equal(viommu_view_revoke(r.viewer), VIOMMU_OK);
	view_rig_close(&r);
}

/* One that is closed each time is not late, however many there are. */
static void many_sections_are_not_late(void **state)
{
	struct view_rig r;

	view_rig_open(&r);
	for (unsigned i = 0; i < 8; i++, r.clock += VIEW_RIG_DEADLINE / 2) {
		view_rig_use(&r);
		view_rig_move(&r, 0x3000, view_rig_page(&r, 20 + (i & 1)));
		assert_int_equal(guest_ring(&r.g), VIOMMU_PENDING);
		assert_int_equal(viommu_run(r.g.iommu), VIOMMU_PENDING);
		viommu_view_leave(r.view);
		assert_int_equal(viommu_run(r.g.iommu), VIOMMU_OK);
	}
	assert_int_equal(r.expired, 0);
	view_rig_close(&r);
}

/* ---- a section that never closes, and memory that changes ---- */

#define OTHER_RID    UINT16_C(0x0018)
#define OTHER_DOMAIN UINT16_C(9)

/* A device of another partition, with tables of its own. */
static struct viommu_device *another_device(struct view_rig *r)
{
	const struct viommu_device_config config = { .size = sizeof(config),
						     .id = OTHER_RID,
						     .partition = 1 };
	uint64_t ss = guest_table(&r->g);
	struct viommu_device *device;

	guest_ss_map(&r->g, ss, 4, 0, view_rig_page(r, 0), 12, GUEST_RW);
	guest_legacy(&r->g, OTHER_RID, OTHER_DOMAIN, ss, 4);
	assert_int_equal(viommu_device_new(r->g.iommu, &config, &device), VIOMMU_OK);
	assert_int_equal(guest_dma(device, 0, VIOMMU_READ).result, VIOMMU_OK);
	return device;
}

static int complete(struct view_rig *r, uint64_t word)
{
	guest_submit(&r->g, word, 0, 0, 0);
	guest_submit_wait(&r->g);
	return guest_ring(&r->g);
}

/* What the page says while it never closes: a process that is slow, and two that lie. */
static const struct {
	const char *name;
	bool as_noted;
	uint64_t entered;
} held[] = {
	{ "in use", true, 0 },
	{ "as old as can be", false, 1 },
};

/* The memory that goes is everybody's: the VMM waits for it, and the guest does not, but for what is about that partition. */
static void others_go_on(void **state)
{
	for (size_t i = 0; i < ARRAY_COUNT(held); i++) {
		struct viommu_region region = { .size = sizeof(region), .gpa = GUEST_BASE };
		struct viommu_device *device;
		const char *name = held[i].name;
		struct view_rig r;

		view_rig_open(&r);
		region.bytes = r.g.bytes;
		region.host = r.g.ram;
		device = another_device(&r);
		view_rig_use(&r);
		check_eq(name, complete(&r, GUEST_IOTLB(VTD_GRAN_DOMAIN, OTHER_DOMAIN)), VIOMMU_OK);
		if (!held[i].as_noted)
			atomic_store(&r.section[0], held[i].entered);
		check_eq(name, viommu_vm_replace_region(r.g.vm, &region), VIOMMU_OK);
		check_eq(name, viommu_vm_quiesce(r.g.vm), VIOMMU_PENDING);
		check_eq(name, complete(&r, GUEST_IOTLB(VTD_GRAN_DOMAIN, OTHER_DOMAIN)), VIOMMU_OK);
		check_that(name, guest_waited(&r.g));
		check_eq(name, complete(&r, GUEST_CC(VTD_GRAN_DOMAIN, OTHER_DOMAIN, 0, 0)),
			 VIOMMU_OK);
		check_eq(name, complete(&r, GUEST_IEC(1, 0)), VIOMMU_OK);
		check_eq(name,
			 guest_write32(&r.g, VTD_GCMD,
				       (guest_read32(&r.g, VTD_GSTS) &
					~(uint32_t)(VTD_G_RTP | VTD_G_IRTP)) |
					       (uint32_t)VTD_G_CFI),
			 VIOMMU_OK);
		/* it is late all the same */
		r.clock += VIEW_RIG_DEADLINE;
		viommu_run(r.g.iommu);
		r.clock += VIEW_RIG_DEADLINE;
		viommu_run(r.g.iommu);
		check_eq(name, r.expired, 1);
		check_eq(name, viommu_vm_quiesce(r.g.vm), VIOMMU_PENDING);
		check_eq(name, complete(&r, GUEST_IOTLB(VTD_GRAN_DOMAIN, VIEW_RIG_DOMAIN)),
			 VIOMMU_PENDING);
		check_that(name, !guest_waited(&r.g));
		assert_int_equal(viommu_view_revoke(r.viewer), VIOMMU_OK);
		check_eq(name, viommu_run(r.g.iommu), VIOMMU_OK);
		check_that(name, guest_waited(&r.g));
		check_eq(name, viommu_vm_quiesce(r.g.vm), VIOMMU_OK);
		assert_int_equal(viommu_device_free(device), VIOMMU_OK);
		view_rig_close(&r);
	}
}

/* What is written into the section page counts as a section that is open, or as none. */
static const struct {
	const char *name;
	uint64_t entered; /* relative to what a section would note */
	bool relative;
	bool holds;
} hostile[] = {
	{ "closed", 0, false, false },
	{ "as old as can be", 1, false, true },
	{ "one too old", UINT64_MAX, true, true },
	{ "of the future", 1000, true, false },
	{ "the largest", UINT64_MAX, false, false },
};

static void what_a_page_says(void **state)
{
	for (size_t i = 0; i < ARRAY_COUNT(hostile); i++) {
		struct view_rig r;

		view_rig_open(&r);
		view_rig_use(&r);
		atomic_store(&r.section[0],
			     hostile[i].entered +
				     (hostile[i].relative ? atomic_load(&r.section[0]) : 0));
		view_rig_move(&r, 0x3000, view_rig_page(&r, 20));
		check_eq(hostile[i].name, guest_ring(&r.g),
			 hostile[i].holds ? VIOMMU_PENDING : VIOMMU_OK);
		check_eq(hostile[i].name, guest_waited(&r.g), !hostile[i].holds);
		atomic_store(&r.section[0], 0);
		check_eq(hostile[i].name, viommu_run(r.g.iommu), VIOMMU_OK);
		check_that(hostile[i].name, guest_waited(&r.g));
		view_rig_close(&r);
	}
}

/* What was seen to be closed cannot be older than that any more: nobody evades the deadline by taking turns. */
static void turns_do_not_help(void **state)
{
	struct view_rig r;

	view_rig_open(&r);
	view_rig_use(&r);
	view_rig_move(&r, 0x3000, view_rig_page(&r, 20));
	assert_int_equal(guest_ring(&r.g), VIOMMU_PENDING);
	atomic_store(&r.section[0], 0);
	assert_int_equal(viommu_run(r.g.iommu), VIOMMU_OK);
	atomic_store(&r.section[0], 1);
	assert_int_equal(viommu_run(r.g.iommu), VIOMMU_OK);
	assert_true(guest_waited(&r.g));
	atomic_store(&r.section[0], 0);
	view_rig_close(&r);
}

/* ---- resets, devices that go ---- */

static void stale_after(struct view_rig *r, const char *what)
{
	check_eq(what, view_rig_get(r, 0x3000, VIOMMU_READ), VIOMMU_MISS);
}

static void reset_and_restore(void **state)
{
	unsigned char buffer[65536];
	uint64_t bytes = sizeof(buffer);
	struct view_rig r;

	view_rig_open(&r);
	assert_int_equal(viommu_save(r.g.iommu, buffer, &bytes), VIOMMU_OK);
	view_rig_ask(&r, 0x3000, VIOMMU_READ);
	assert_int_equal(view_rig_get(&r, 0x3000, VIOMMU_READ), VIOMMU_OK);
	viommu_restore(r.g.iommu, buffer, bytes);
	viommu_run(r.g.iommu);
	stale_after(&r, "restore");
	assert_int_equal(view_rig_ask(&r, 0x3000, VIOMMU_READ), VIOMMU_OK);
	assert_int_equal(view_rig_get(&r, 0x3000, VIOMMU_READ), VIOMMU_OK);
	viommu_flush(r.g.iommu);
	stale_after(&r, "flush");
	assert_int_equal(view_rig_ask(&r, 0x3000, VIOMMU_READ), VIOMMU_OK);
	viommu_reset(r.g.iommu);
	stale_after(&r, "reset");
	view_rig_close(&r);
}

/* The view lives on in its process: it finds nothing, of the device that was or of the one in its place. */
static void a_device_that_is_gone(void **state)
{
	struct viommu_view_config config;
	struct viommu_view *old;
	struct view_rig r;

	view_rig_open(&r);
	view_rig_ask(&r, 0x3000, VIOMMU_READ);
	assert_int_equal(view_rig_get(&r, 0x3000, VIOMMU_READ), VIOMMU_OK);
	config = r.view_config;
	assert_int_equal(viommu_device_free(r.device), VIOMMU_EBUSY);
	view_rig_drop_view(&r);
	guest_drop(&r.g);
	assert_int_equal(viommu_view_new(&config, &old), VIOMMU_OK);
	r.view = old;
	stale_after(&r, "freed");
	r.device = guest_device(&r.g, VIEW_RIG_RID);
	view_rig_new_view(&r);
	view_rig_ask(&r, 0x3000, VIOMMU_READ);
	assert_int_equal(view_rig_get(&r, 0x3000, VIOMMU_READ), VIOMMU_OK);
	{
		struct viommu_view *now = r.view;

		r.view = old;
		stale_after(&r, "another device");
		r.view = now;
	}
	assert_int_equal(viommu_view_free(old), VIOMMU_OK);
	view_rig_close(&r);
}

/* ---- memory ---- */

static void regions(void **state)
{
	struct viommu_region region = { .size = sizeof(region), .gpa = GUEST_BASE };
	struct view_rig r;
	uint64_t value;

	view_rig_open(&r);
	region.bytes = r.g.bytes;
	region.host = r.g.ram;
	view_rig_ask(&r, 0x3000, VIOMMU_READ);
	assert_int_equal(viommu_view_map(r.view, &region), VIOMMU_EEXIST);
	viommu_view_enter(r.view);
	assert_int_equal(viommu_view_unmap(r.view, GUEST_BASE), VIOMMU_EBUSY);
	viommu_view_leave(r.view);
	assert_int_equal(viommu_view_unmap(r.view, GUEST_BASE + 4096), VIOMMU_ENOENT);
	assert_int_equal(viommu_view_unmap(r.view, GUEST_BASE), VIOMMU_OK);
	assert_int_equal(view_rig_get(&r, 0x3000, VIOMMU_READ), VIOMMU_OK);
	assert_null(r.f[0].host);
	assert_int_equal(viommu_view_dma_load(r.view, 0x3000, 8, 0, &value), VIOMMU_UNREACHABLE);
	/* only that page; the rest of the region is the owner's */
	region.gpa = view_rig_page(&r, 3);
	region.bytes = GUEST_PAGE;
	region.host = guest_at(&r.g, region.gpa);
	region.flags = VIOMMU_REGION_READONLY;
	assert_int_equal(viommu_view_map(r.view, &region), VIOMMU_OK);
	assert_int_equal(view_rig_get(&r, 0x3000, VIOMMU_READ), VIOMMU_OK);
	assert_ptr_equal(r.f[0].host, region.host);
	assert_int_equal(r.f[0].perm, VIOMMU_READ | VIOMMU_EXEC);
	assert_int_equal(view_rig_get(&r, 0x3000, VIOMMU_WRITE), VIOMMU_OK);
	assert_null(r.f[0].host);
	/* what the owner does not have cannot be mapped */
	region.gpa = GUEST_BASE + r.g.bytes;
	assert_int_equal(viommu_view_map(r.view, &region), VIOMMU_ENOENT);
	view_rig_close(&r);
}

/* The owner puts other memory there: what was mapped is not it any more. */
static void memory_that_is_another(void **state)
{
	struct viommu_region region = { .size = sizeof(region), .gpa = GUEST_BASE };
	struct view_rig r;

	view_rig_open(&r);
	region.bytes = r.g.bytes;
	region.host = r.g.ram;
	view_rig_ask(&r, 0x3000, VIOMMU_READ);
	assert_int_equal(view_rig_get(&r, 0x3000, VIOMMU_READ), VIOMMU_OK);
	viommu_view_enter(r.view);
	assert_int_equal(viommu_vm_replace_region(r.g.vm, &region), VIOMMU_OK);
	assert_int_equal(viommu_vm_quiesce(r.g.vm), VIOMMU_PENDING);
	viommu_view_leave(r.view);
	assert_int_equal(viommu_vm_quiesce(r.g.vm), VIOMMU_OK);
	view_rig_ask(&r, 0x3000, VIOMMU_READ);
	assert_int_equal(view_rig_get(&r, 0x3000, VIOMMU_READ), VIOMMU_OK);
	assert_null(r.f[0].host);
	assert_int_equal(viommu_view_unmap(r.view, GUEST_BASE), VIOMMU_OK);
	assert_int_equal(viommu_view_map(r.view, &region), VIOMMU_OK);
	assert_int_equal(view_rig_get(&r, 0x3000, VIOMMU_READ), VIOMMU_OK);
	assert_ptr_equal(r.f[0].host, guest_at(&r.g, view_rig_page(&r, 3)));
	view_rig_close(&r);
}

static void bytes(void **state)
{
	unsigned char pattern[3000], found[3000];
	struct view_rig r;
	uint64_t done, value;

	view_rig_open(&r);
	for (unsigned i = 0; i < sizeof(pattern); i++)
		pattern[i] = (unsigned char)(i * 7);
	view_rig_ask(&r, 0x1000, VIOMMU_WRITE);
	assert_int_equal(viommu_view_dma_write(r.view, 0x1800, pattern, 3000, 0, &done),
			 VIOMMU_MISS);
	assert_int_equal(done, 0x800);
	view_rig_ask(&r, 0x2000, VIOMMU_WRITE);
	assert_int_equal(viommu_view_dma_write(r.view, 0x1800, pattern, 3000, 0, &done), VIOMMU_OK);
	assert_int_equal(viommu_view_dma_read(r.view, 0x1800, found, 3000, 0, &done), VIOMMU_OK);
	assert_int_equal(done, 3000);
	assert_memory_equal(found, pattern, 3000);
	assert_memory_equal(guest_at(&r.g, view_rig_page(&r, 1) + 0x800), pattern, 3000);
	assert_int_equal(viommu_view_dma_store(r.view, 0x2ff8, 8, 0, 0x1122334455667788),
			 VIOMMU_OK);
	assert_int_equal(viommu_view_dma_load(r.view, 0x2ffc, 4, 0, &value), VIOMMU_OK);
	assert_int_equal(value, 0x11223344);
	assert_int_equal(viommu_view_dma_load(r.view, 0x2ffd, 4, 0, &value), VIOMMU_EINVAL);
	assert_int_equal(viommu_view_dma_read(r.view, UINT64_MAX, found, 2, 0, NULL),
			 VIOMMU_UNREACHABLE);
	assert_int_equal(viommu_view_dma_read(r.view, 0, NULL, 0, 0, &done), VIOMMU_OK);
	view_rig_close(&r);
}

/* Read and write are both asked for; the word is compared and stored in one access. */
static void a_word_is_swapped(void **state)
{
	struct view_rig r;
	uint64_t value = 5;

	view_rig_open(&r);
	assert_int_equal(viommu_view_dma_cmpxchg(r.view, 0x1008, 8, 0, &value, 6), VIOMMU_MISS);
	assert_int_equal(value, 5);
	view_rig_ask(&r, 0x1000, VIOMMU_READ | VIOMMU_WRITE);
	guest_put64(&r.g, view_rig_page(&r, 1) + 8, 7);
	for (unsigned i = 0; i < 2; i++) { /* the second time from the micro-TLB */
		value = 5;
		assert_int_equal(viommu_view_dma_cmpxchg(r.view, 0x1008, 8, 0, &value, 6),
				 VIOMMU_OK);
		assert_int_equal(value, 7);
		assert_int_equal(guest_get64(&r.g, view_rig_page(&r, 1) + 8), 7);
	}
	assert_int_equal(viommu_view_dma_cmpxchg(r.view, 0x1008, 8, 0, &value, 6), VIOMMU_OK);
	assert_int_equal(guest_get64(&r.g, view_rig_page(&r, 1) + 8), 6);
	value = UINT64_C(0xffffffff00000000); /* of a half, only that counts */
	assert_int_equal(viommu_view_dma_cmpxchg(r.view, 0x100c, 4, 0, &value, 0x12), VIOMMU_OK);
	assert_int_equal(value, 0);
	assert_int_equal(guest_get64(&r.g, view_rig_page(&r, 1) + 8), UINT64_C(0x1200000006));
	/* the last page is read-only: the owner is to refuse it */
	view_rig_ask(&r, (VIEW_RIG_PAGES - 1) * 0x1000, VIOMMU_READ);
	assert_int_equal(viommu_view_dma_cmpxchg(r.view, (VIEW_RIG_PAGES - 1) * 0x1000, 8, 0,
						 &value, 0),
			 VIOMMU_MISS);
	assert_int_equal(viommu_view_dma_cmpxchg(r.view, 0x100a, 4, 0, &value, 0), VIOMMU_EINVAL);
	assert_int_equal(viommu_view_dma_cmpxchg(r.view, 0x1008, 2, 0, &value, 0), VIOMMU_EINVAL);
	assert_int_equal(viommu_view_dma_cmpxchg(r.view, 0x1008, 8, VIOMMU_EXEC, &value, 0),
			 VIOMMU_EINVAL);
	assert_int_equal(viommu_view_dma_cmpxchg(r.view, 0x1008, 8, 0, NULL, 0), VIOMMU_EINVAL);
	view_rig_close(&r);
}

/* A process that maps nothing has the owner copy. */
static void the_owner_copies(void **state)
{
	static const char text[] = "what the device says";
	struct view_rig r;

	view_rig_open(&r);
	assert_int_equal(viommu_view_request_copy(r.view, 0x1ff8, sizeof(text), VIOMMU_WRITE, text,
						  r.message, sizeof(r.message), &r.length),
			 VIOMMU_OK);
	assert_int_equal(view_rig_exchange(&r), VIOMMU_OK);
	assert_int_equal(r.reply.result, VIOMMU_OK);
	assert_int_equal(r.reply.done, sizeof(text));
	assert_memory_equal(guest_at(&r.g, view_rig_page(&r, 1) + 0xff8), text, sizeof(text));
	assert_int_equal(viommu_view_request_copy(r.view, 0x1ff8, sizeof(text), VIOMMU_READ, NULL,
						  r.message, sizeof(r.message), &r.length),
			 VIOMMU_OK);
	assert_int_equal(view_rig_exchange(&r), VIOMMU_OK);
	assert_int_equal(r.reply.done, sizeof(text));
	assert_memory_equal(r.reply.data, text, sizeof(text));
	/* as much as there can be, in a section: bytes are no fragments */
	assert_int_equal(viommu_view_enter(r.view), VIOMMU_OK);
	assert_int_equal(viommu_view_request_copy(r.view, 0x1000, VIOMMU_VIEW_COPY_BYTES,
						  VIOMMU_READ, NULL, r.message, sizeof(r.message),
						  &r.length),
			 VIOMMU_OK);
	assert_int_equal(view_rig_exchange(&r), VIOMMU_OK);
	assert_int_equal(r.reply.done, VIOMMU_VIEW_COPY_BYTES);
	assert_memory_equal((const char *)r.reply.data + 0xff8, text, 8);
	assert_int_equal(view_rig_get(&r, 0x1000, VIOMMU_WRITE | VIOMMU_READ), VIOMMU_OK);
	assert_int_equal(viommu_view_leave(r.view), VIOMMU_OK);
	/* as far as the tables permit it: the last page is read-only, and behind it is nothing */
	assert_int_equal(viommu_view_request_copy(r.view, VIEW_RIG_PAGES * GUEST_PAGE - 8, 16,
						  VIOMMU_READ, NULL, r.message, sizeof(r.message),
						  &r.length),
			 VIOMMU_OK);
	assert_int_equal(view_rig_exchange(&r), VIOMMU_OK);
	assert_int_equal(r.reply.result, VIOMMU_FAULT);
	assert_int_equal(r.reply.done, 8);
	view_rig_close(&r);
}

/* ---- what could not be cached ---- */

/* Each write is to be asked for while somebody notes what is written: it is known until the section closes. */
static void known_in_a_section(void **state)
{
	struct viommu_dirty *dirty;
	struct view_rig r;

	view_rig_open(&r);
	view_rig_ask(&r, 0x1000, VIOMMU_WRITE);
	assert_int_equal(view_rig_get(&r, 0x1000, VIOMMU_WRITE), VIOMMU_OK);
	assert_int_equal(viommu_dirty_start(r.g.iommu, NULL, GUEST_BASE, GUEST_BASE + r.g.bytes - 1,
					    &dirty),
			 VIOMMU_OK);
	viommu_run(r.g.iommu);
	assert_int_equal(view_rig_get(&r, 0x1000, VIOMMU_WRITE), VIOMMU_MISS);
	viommu_view_enter(r.view);
	view_rig_ask(&r, 0x1000, VIOMMU_WRITE);
	assert_int_equal(view_rig_get(&r, 0x1000, VIOMMU_WRITE), VIOMMU_OK);
	assert_int_equal(view_rig_get(&r, 0x1008, VIOMMU_WRITE), VIOMMU_MISS);
	viommu_view_leave(r.view);
	assert_int_equal(view_rig_get(&r, 0x1000, VIOMMU_WRITE), VIOMMU_MISS);
	/* asked outside of a section: not known */
	view_rig_ask(&r, 0x1000, VIOMMU_WRITE);
	viommu_view_enter(r.view);
	assert_int_equal(view_rig_get(&r, 0x1000, VIOMMU_WRITE), VIOMMU_MISS);
	viommu_view_leave(r.view);
	assert_int_equal(viommu_dirty_stop(dirty), VIOMMU_OK);
	view_rig_close(&r);
}

/* ---- messages ---- */

static void replies_in_any_order(void **state)
{
	unsigned char reply[3][VIOMMU_VIEW_MESSAGE_BYTES];
	uint32_t length[3];
	struct view_rig r;

	view_rig_open(&r);
	for (unsigned i = 0; i < 3; i++) {
		struct viommu_request request =
			view_rig_request((i + 1) * GUEST_PAGE, 8, VIOMMU_READ);

		assert_int_equal(viommu_view_request(r.view, &request, r.message, sizeof(r.message),
						     &r.length),
				 VIOMMU_OK);
		assert_int_equal(viommu_serve(r.viewer, r.message, r.length, reply[i],
					      sizeof(reply[i]), &length[i]),
				 VIOMMU_OK);
	}
	for (unsigned i = 3; i-- > 0;) {
		assert_int_equal(viommu_view_reply(r.view, reply[i], length[i], &r.reply),
				 VIOMMU_OK);
		assert_int_equal(r.reply.iova, (i + 1) * GUEST_PAGE);
		assert_int_equal(r.reply.fragment[0].gpa, view_rig_page(&r, i + 1));
		/* once */
		assert_int_equal(viommu_view_reply(r.view, reply[i], length[i], &r.reply),
				 VIOMMU_EINVAL);
	}
	view_rig_close(&r);
}

static void caps(void **state)
{
	struct viommu_request request = view_rig_request(0x1000, 8, VIOMMU_READ);
	struct view_rig r;

	view_rig_open(&r);
	for (unsigned i = 0; i < VIOMMU_VIEW_REQUESTS_DEFAULT; i++)
		assert_int_equal(viommu_view_request(r.view, &request, r.message, sizeof(r.message),
						     &r.length),
				 VIOMMU_OK);
	assert_int_equal(viommu_view_request(r.view, &request, r.message, sizeof(r.message),
					     &r.length),
			 VIOMMU_ELIMIT);
	assert_int_equal(view_rig_exchange(&r), VIOMMU_OK);
	assert_int_equal(viommu_view_request(r.view, &request, r.message, 39, &r.length),
			 VIOMMU_ENOSPC);
	assert_int_equal(viommu_view_request(r.view, &request, r.message, 40, &r.length),
			 VIOMMU_OK);
	assert_int_equal(viommu_serve(r.viewer, r.message, r.length, r.answer_bytes, 56,
				      &r.answer_length),
			 VIOMMU_ENOSPC);
	view_rig_close(&r);
}

/* One byte or field of a request that is not what it can be: nothing is done. */
static const struct {
	const char *name;
	unsigned at;
	unsigned char value;
} bad_asks[] = {
	{ "magic", 0, 0x6a },
	{ "no such kind", 4, 5 },
	{ "kind 0", 4, 0 },
	{ "a reply", 5, 0x80 },
	{ "reserved after the kind", 6, 1 },
	{ "first above last", 23, 0x80 },
	{ "no access", 32, 0 },
	{ "unknown access", 33, 1 },
	{ "reserved after the access", 34, 1 },
	{ "bytes of a translation", 36, 1 },
};

static void requests_are_checked(void **state)
{
	struct view_rig r;

	view_rig_open(&r);
	for (size_t i = 0; i < ARRAY_COUNT(bad_asks); i++) {
		struct viommu_request request = view_rig_request(0x1000, 8, VIOMMU_READ);

		assert_int_equal(viommu_view_request(r.view, &request, r.message, sizeof(r.message),
						     &r.length),
				 VIOMMU_OK);
		r.message[bad_asks[i].at] = bad_asks[i].value;
		check_eq(bad_asks[i].name, view_rig_exchange(&r), VIOMMU_EINVAL);
		check_eq(bad_asks[i].name, r.answer_length, 0);
		/* nothing came of it */
		check_eq(bad_asks[i].name, view_rig_get(&r, 0x1000, VIOMMU_READ), VIOMMU_MISS);
	}
	r.length--;
	assert_int_equal(view_rig_exchange(&r), VIOMMU_EINVAL);
	r.length += 2;
	assert_int_equal(view_rig_exchange(&r), VIOMMU_EINVAL);
	view_rig_close(&r);
}

static const struct {
	const char *name;
	unsigned at;
	unsigned char value;
} bad_replies[] = {
	{ "magic", 0, 0x6a },
	{ "a request", 5, 0 },
	{ "another kind", 4, 2 },
	{ "another place", 8, 1 },
	{ "another id", 9, 0x7f },
	{ "no such result", 16, 9 },
	{ "unreachable", 16, VIOMMU_UNREACHABLE },
	{ "too many fragments", 20, 9 },
	{ "fewer than it has", 20, 0 },
	{ "next is elsewhere", 24, 0x77 },
	{ "reserved after next", 32, 1 },
	{ "reserved after the reason", 42, 1 },
	{ "stalled", 16, VIOMMU_STALLED },
	{ "extent", 44, 64 },
	{ "unknown flags", 48, 2 },
	{ "reserved after the flags", 52, 1 },
	{ "nothing long", 64, 0 },
	{ "too long", 64, 9 },
	{ "wraps", 71, 0x80 },
	{ "unknown permission", 72, 0x13 },
	{ "unknown flags of a fragment", 76, 2 },
};

static void replies_are_checked(void **state)
{
	struct view_rig r;

	view_rig_open(&r);
	for (size_t i = 0; i < ARRAY_COUNT(bad_replies); i++) {
		struct viommu_request request = view_rig_request(0x1000, 8, VIOMMU_READ);

		assert_int_equal(viommu_view_request(r.view, &request, r.message, sizeof(r.message),
						     &r.length),
				 VIOMMU_OK);
		assert_int_equal(viommu_serve(r.viewer, r.message, r.length, r.answer_bytes,
					      sizeof(r.answer_bytes), &r.answer_length),
				 VIOMMU_OK);
		assert_int_equal(r.answer_length, 80);
		r.answer_bytes[bad_replies[i].at] ^= 0xff;
		r.answer_bytes[bad_replies[i].at] = bad_replies[i].value;
		check_eq(bad_replies[i].name,
			 viommu_view_reply(r.view, r.answer_bytes, r.answer_length, &r.reply),
			 VIOMMU_EINVAL);
	}
	view_rig_close(&r);
}

/* ---- arguments ---- */

static void configurations(void **state)
{
	struct viommu_viewer_config owner;
	struct viommu_view_config c;
	struct viommu_viewer *viewer;
	struct viommu_view *view;
	struct view_rig r;

	view_rig_open(&r);
#define REFUSED(result, field, value)                                                              \
	do {                                                                                       \
		c = r.view_config;                                                                 \
		c.field = value;                                                                   \
		assert_int_equal(viommu_view_new(&c, &view), result);                              \
	} while (0)
	REFUSED(VIOMMU_EINVAL, flags, 1);
	REFUSED(VIOMMU_EINVAL, reserved, 1);
	REFUSED(VIOMMU_EINVAL, window, NULL);
	REFUSED(VIOMMU_EINVAL, window, (const char *)r.view_config.window + 64);
	REFUSED(VIOMMU_EINVAL, section, NULL);
	REFUSED(VIOMMU_EINVAL, section, (char *)r.section + 8);
	REFUSED(VIOMMU_EINVAL, pasid, 1U << 20);
	REFUSED(VIOMMU_EINVAL, entries, 65537);
	REFUSED(VIOMMU_EINVAL, requests, VIOMMU_VIEW_REQUESTS_MAX + 1);
	REFUSED(VIOMMU_ESTATE, window_bytes, r.view_config.window_bytes - 4096);
	REFUSED(VIOMMU_ESTATE, device, UINT64_C(1) << 31);
	REFUSED(VIOMMU_ESIZE, size, 8);
	/* memory of anything else */
	REFUSED(VIOMMU_ESTATE, window, (const void *)guest_at(&r.g, GUEST_BASE));
#undef REFUSED
#define REFUSED(result, field, value)                                                              \
	do {                                                                                       \
		owner = r.viewer_config;                                                           \
		owner.field = value;                                                               \
		assert_int_equal(viommu_viewer_new(r.device, &owner, &viewer), result);            \
	} while (0)
	REFUSED(VIOMMU_EINVAL, flags, 2);
	REFUSED(VIOMMU_EINVAL, section, NULL);
	REFUSED(VIOMMU_EINVAL, section, (char *)r.section + 8);
	REFUSED(VIOMMU_EINVAL, pasid, 1U << 20);
	REFUSED(VIOMMU_EINVAL, requests, VIOMMU_VIEW_REQUESTS_MAX + 1);
	REFUSED(VIOMMU_EINVAL, expired, NULL);
	REFUSED(VIOMMU_ESIZE, size, 8);
#undef REFUSED
	owner = r.viewer_config;
	assert_int_equal(viommu_viewer_new(NULL, &owner, &viewer), VIOMMU_EINVAL);
	assert_int_equal(viommu_view_free(NULL), VIOMMU_OK);
	assert_int_equal(viommu_viewer_free(NULL), VIOMMU_OK);
	assert_int_equal(viommu_view_revoke(NULL), VIOMMU_EINVAL);
	view_rig_close(&r);
}

/* ---- what fails ---- */

/* The nth access of the owner to guest memory, for what it is asked: a fault that the guest is told of, and no message that says
 * anything else. Then it works. */
static void guest_memory_fails(void **state)
{
	unsigned nth = 1;
	bool reached;

	do {
		struct guest_fault fault;
		struct view_rig r;

		view_rig_open_with(&r, GUEST_CALLBACKS);
		r.g.fail_in = nth++;
		view_rig_ask(&r, 0x3000, VIOMMU_READ);
		reached = r.g.failures != 0;
		r.g.fail_in = 0;
		assert_int_equal(r.reply.result, reached ? VIOMMU_FAULT : VIOMMU_OK);
		assert_int_equal(guest_take_fault(&r.g, &fault), reached);
		assert_int_equal(view_rig_get(&r, 0x3000, VIOMMU_READ),
				 reached ? VIOMMU_MISS : VIOMMU_OK);
		assert_int_equal(view_rig_ask(&r, 0x3000, VIOMMU_READ), VIOMMU_OK);
		assert_int_equal(view_rig_get(&r, 0x3000, VIOMMU_READ), VIOMMU_OK);
		view_rig_close(&r);
	} while (reached);
	assert_true(nth > 4);
}

static void memory_runs_out(void **state)
{
	struct viommu_viewer *viewer;
	struct view_rig r;
	unsigned nth = 1;
	uint64_t blocks;
	int result;

	view_rig_open(&r);
	view_rig_drop_view(&r);
	blocks = r.g.blocks;
	do {
		r.g.no_memory_in = nth++;
		result = viommu_viewer_new(r.device, &r.viewer_config, &viewer);
		assert_true(result == VIOMMU_OK || result == VIOMMU_ENOMEM);
		assert_int_equal(r.g.blocks == blocks, result != VIOMMU_OK);
	} while (result);
	assert_int_equal(nth, 4); /* the record, and the deadline's listener */
	r.g.no_memory_in = 0;
	viommu_view_revoke(viewer);
	assert_int_equal(viommu_viewer_free(viewer), VIOMMU_OK);
	assert_int_equal(r.g.blocks, blocks);
	guest_fini(&r.g);
}

static void no_resume(void *opaque, uint64_t token, uint32_t action)
{
}

/* Devices of an IOMMU without partitions, and devices whose requests may wait for the guest, have no views. */
static void devices_without(void **state)
{
	static struct view_rig r;
	struct viommu_viewer_config config;
	struct viommu_window window = { .size = sizeof(window) };
	struct viommu_viewer *viewer;
	struct viommu_device *device;
	struct guest g;

	view_rig_open(&r);
	config = r.viewer_config;
	config.deadline = 0;
	config.expired = NULL;
	guest_init(&g, GUEST_REGION, 64);
	guest_vtd(&g, GUEST_CAP, GUEST_ECAP_LEGACY);
	device = guest_device(&g, VIEW_RIG_RID);
	assert_int_equal(viommu_device_get_window(device, &window), VIOMMU_ENOTSUP);
	assert_int_equal(viommu_viewer_new(device, &config, &viewer), VIOMMU_ENOTSUP);
	config = r.viewer_config;
	device = r.device;
	device->config.resume = no_resume;
	assert_int_equal(viommu_viewer_new(device, &config, &viewer), VIOMMU_ENOTSUP);
	device->config.resume = NULL;
	guest_fini(&g);
	view_rig_close(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(misses_and_hits),
		cmocka_unit_test(refusals),
		cmocka_unit_test(ranges),
		cmocka_unit_test(an_invalidation_is_seen),
		cmocka_unit_test(a_section_holds_back),
		cmocka_unit_test(no_wake_up),
		cmocka_unit_test(time_outs_complete_nothing),
		cmocka_unit_test(many_sections_are_not_late),
		cmocka_unit_test(others_go_on),
		cmocka_unit_test(what_a_page_says),
		cmocka_unit_test(turns_do_not_help),
		cmocka_unit_test(reset_and_restore),
		cmocka_unit_test(a_device_that_is_gone),
		cmocka_unit_test(regions),
		cmocka_unit_test(memory_that_is_another),
		cmocka_unit_test(bytes),
		cmocka_unit_test(a_word_is_swapped),
		cmocka_unit_test(the_owner_copies),
		cmocka_unit_test(known_in_a_section),
		cmocka_unit_test(replies_in_any_order),
		cmocka_unit_test(caps),
		cmocka_unit_test(requests_are_checked),
		cmocka_unit_test(replies_are_checked),
		cmocka_unit_test(configurations),
		cmocka_unit_test(devices_without),
		cmocka_unit_test(guest_memory_fails),
		cmocka_unit_test(memory_runs_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
