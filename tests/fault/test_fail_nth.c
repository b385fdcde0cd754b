/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_fail_nth.c - the nth access to guest memory fails, for every n: an architected answer, the
 * same that a manual's reader expects, and a unit that works as soon as memory does.
 */
#include "check.h"

#include <stdio.h>
#include <string.h>

#include "fault_world.h"

/* Only the nth access fails, or it and all that come after it. */
static void fail_from(struct guest *g, unsigned nth, bool on)
{
	g->fail_in = nth;
	g->fail_on = on;
}

/* Whether the nth access was reached; memory works again. */
static bool stop_failing(struct guest *g)
{
	bool reached = g->failures != 0;

	g->failures = 0;
	g->fail_in = 0;
	g->fail_on = false;
	return reached;
}

static bool may_give(const struct operation *o, unsigned reason)
{
	for (unsigned i = 0; i < sizeof(o->reasons) && o->reasons[i]; i++) {
		if (o->reasons[i] == reason)
			return true;
	}
	return false;
}

static bool same(const struct outcome *a, const struct outcome *b)
{
	return a->result == b->result && a->reason == b->reason && a->ats == b->ats &&
	       a->gpa == b->gpa && a->perm == b->perm;
}

static bool is_structure(unsigned reason)
{
	return reason == VTD_FR_ROOT_FETCH || reason == VTD_FR_CONTEXT_FETCH ||
	       reason == VTD_FR_CONTEXT_INVALID || reason == VTD_FR_SROOT_FETCH ||
	       reason == VTD_FR_SCONTEXT_FETCH || reason == VTD_FR_PDE_FETCH ||
	       reason == VTD_FR_PE_FETCH;
}

static void check_refused(const char *row, struct fault_world *w, const struct operation *o,
			  const struct outcome *got)
{
	struct guest_fault fault;

	if (o->bytes && got->result == VIOMMU_UNREACHABLE) { /* no fault of the guest's */
		check_that(row, !guest_take_fault(&w->g, &fault));
		return;
	}
	check_eq(row, got->result, VIOMMU_FAULT);
	if (o->bytes) { /* the reason is in the record only */
		check_that(row, guest_take_fault(&w->g, &fault) && may_give(o, fault.reason));
		check_that(row, !guest_take_fault(&w->g, &fault));
		return;
	}
	if (!may_give(o, got->reason))
		fail_msg("%s: reason 0x%x", row, got->reason);
	if (strstr(o->name, "translation request"))
		check_eq(row, got->ats,
			 is_structure(got->reason) ? VIOMMU_ATS_UNSUPPORTED : VIOMMU_ATS_ABORT);
	check_that(row, guest_take_fault(&w->g, &fault));
	check_eq(row, fault.reason, got->reason);
	check_eq(row, fault.sid, RID);
	check_that(row, !guest_take_fault(&w->g, &fault));
}

/* One failing access; then the same operation again. True: the nth access was reached. */
static bool one_operation(const struct operation *o, enum guest_memory memory, unsigned nth,
			  bool on)
{
	struct outcome expected, first, again, warm;
	struct fault_world w;
	char row[96];
	bool reached;

	snprintf(row, sizeof(row), "%s, memory %d, access %u%s", o->name, memory, nth,
		 on ? " and later" : "");
	fault_world_init(&w, memory, o->tables);
	fail_from(&w.g, nth, on);
	first = o->run(&w);
	reached = stop_failing(&w.g);
	if (reached)
		check_refused(row, &w, o, &first);
	again = o->run(&w);
	check_eq(row, again.result, VIOMMU_OK);
	/* what is cached now needs no memory */
	if (strstr(o->name, "read") || strstr(o->name, "write") || strstr(o->name, "PASID")) {
		fail_from(&w.g, 1, true);
		warm = o->run(&w);
		check_that(row, !stop_failing(&w.g) && same(&warm, &again));
	}
	check_eq(row, guest_take_faults(&w.g), 0);
	fault_world_fini(&w);
	/* what came of it is what comes of it where nothing ever failed */
	fault_world_init(&w, memory, o->tables);
	expected = o->run(&w);
	check_that(row, same(reached ? &again : &first, &expected));
	fault_world_fini(&w);
	return reached;
}

static void every_operation(void **state)
{
	for (unsigned i = 0; i < operation_count; i++) {
		for (int memory = GUEST_CALLBACKS; memory <= GUEST_NO_SWAP; memory++) {
			for (unsigned on = 0; on < 2; on++) {
				unsigned nth = 1;

				while (one_operation(&operations[i], (enum guest_memory)memory, nth,
						     on))
					nth++;
				assert_in_range(nth, 2, 100);
			}
		}
	}
}

/* ---- the queue ---- */

/* The head stays on the descriptor that could not be read, or whose status could not be written. */
static bool one_queue(enum tables tables, unsigned nth, bool on)
{
	struct fault_world w;
	bool reached;

	fault_world_init(&w, GUEST_CALLBACKS, tables);
	fail_from(&w.g, nth, on);
	fault_world_queue(&w);
	assert_int_equal(guest_ring(&w.g), VIOMMU_OK);
	for (unsigned i = 0; on && w.g.failures && i < 3; i++) {
		uint64_t head = guest_read64(&w.g, VTD_IQH);

		/* it is tried again when software says so, and fails again */
		guest_write32(&w.g, VTD_FSTS, (uint32_t)VTD_FSTS_IQE);
		assert_int_equal(guest_read64(&w.g, VTD_IQH), head);
	}
	reached = stop_failing(&w.g);
	if (reached) {
		assert_false(guest_waited(&w.g));
		assert_int_equal(guest_read32(&w.g, VTD_FSTS), VTD_FSTS_IQE);
		assert_int_equal(guest_read64(&w.g, VTD_IQERCD), VTD_IQEI_FETCH);
		assert_int_equal(w.g.msi[w.g.count[GUEST_ON_MSI] - 1].data, 0x30);
		guest_write32(&w.g, VTD_FSTS, (uint32_t)VTD_FSTS_IQE);
	}
	assert_true(guest_waited(&w.g));
	assert_int_equal(guest_read64(&w.g, VTD_IQH), w.g.tail);
	assert_int_equal(guest_read32(&w.g, VTD_FSTS), 0);
	/* each descriptor once, none left out */
	assert_int_equal(w.g.count[GUEST_ON_INVALIDATE], tables == LEGACY ? 1 : 2);
	assert_int_equal(w.g.count[GUEST_ON_RESPONSE], tables == LEGACY ? 0 : 1);
	fault_world_fini(&w);
	return reached;
}

static void every_descriptor(void **state)
{
	static const enum tables modes[] = { LEGACY, FIRST };

	for (unsigned m = 0; m < 2; m++) {
		for (unsigned on = 0; on < 2; on++) {
			unsigned nth = 1;

			while (one_queue(modes[m], nth, on))
				nth++;
			assert_in_range(nth, 8, 20);
		}
	}
}

/* ---- page requests ---- */

/* Refused with Response Failure; recorded if a structure could not be read, else the queue could
 * not be written. What is not in the queue is not counted as there. */
static bool one_page_request(unsigned nth, bool on)
{
	const struct viommu_page_request request = {
		.address = IOVA, .pasid = PASID, .access = VIOMMU_READ, .group = 5, .last = 1
	};
	struct guest_fault fault;
	struct fault_world w;
	bool reached;
	int result;

	fault_world_init(&w, GUEST_CALLBACKS, FIRST);
	fail_from(&w.g, nth, on);
	result = viommu_request_page(w.device, &request);
	reached = stop_failing(&w.g);
	assert_int_equal(result, reached ? VIOMMU_FAULT : VIOMMU_OK);
	if (reached) {
		assert_int_equal(w.g.count[GUEST_ON_RESPONSE], 1);
		assert_int_equal(w.g.response[0].what.code, VTD_RESPONSE_FAILURE);
		assert_int_equal(w.g.response[0].what.group, 5);
		assert_int_equal(w.g.response[0].what.pasid, PASID);
		assert_int_equal(guest_read64(&w.g, VTD_PQT), 0);
		assert_int_equal(guest_read32(&w.g, VTD_PRS), 0);
		if (guest_take_fault(&w.g, &fault))
			assert_true(is_structure(fault.reason));
		assert_int_equal(viommu_request_page(w.device, &request), VIOMMU_OK);
	}
	assert_int_equal(guest_read64(&w.g, VTD_PQT), 32);
	assert_int_equal(guest_read32(&w.g, VTD_PRS), VTD_PRS_PPR);
	assert_int_equal(guest_get64(&w.g, w.g.pages + 8), IOVA | 5 << 3 | VTD_PRD_LPIG | 1);
	fault_world_fini(&w);
	return reached;
}

static void every_page_request(void **state)
{
	for (unsigned on = 0; on < 2; on++) {
		unsigned nth = 1;

		while (one_page_request(nth, on))
			nth++;
		assert_in_range(nth, 3, 20);
	}
}

/* ---- a restored unit ---- */

/* Saved with descriptors left in the queue; where it is restored, memory fails at the nth access. */
static bool one_restore(unsigned nth, bool on)
{
	struct viommu_channel *channel;
	unsigned char saved[8192];
	uint64_t bytes = sizeof(saved);
	struct fault_world w;
	bool reached;
	int result;

	fault_world_init(&w, GUEST_CALLBACKS, FIRST);
	channel = guest_channel(&w.g, w.device, VIOMMU_NO_PASID);
	assert_int_equal(viommu_enter(channel), VIOMMU_OK);
	fault_world_queue(&w);
	assert_int_equal(guest_ring(&w.g), VIOMMU_PENDING); /* at the first wait */
	assert_int_equal(viommu_save(w.g.iommu, saved, &bytes), VIOMMU_OK);
	assert_int_equal(viommu_leave(channel), VIOMMU_OK);
	assert_int_equal(viommu_reset(w.g.iommu), VIOMMU_OK);
	fail_from(&w.g, nth, on);
	assert_true(viommu_restore(w.g.iommu, saved, bytes) >= 0);
	result = viommu_run(w.g.iommu);
	assert_int_equal(result, VIOMMU_OK);
	reached = stop_failing(&w.g);
	assert_int_equal(guest_waited(&w.g), !reached);
	assert_int_equal(guest_read32(&w.g, VTD_FSTS), reached ? VTD_FSTS_IQE : 0);
	guest_write32(&w.g, VTD_FSTS, (uint32_t)VTD_FSTS_IQE);
	assert_true(guest_waited(&w.g));
	assert_int_equal(guest_dma(w.device, IOVA, VIOMMU_READ).f.gpa, w.page);
	fault_world_fini(&w);
	return reached;
}

static void every_restore(void **state)
{
	for (unsigned on = 0; on < 2; on++) {
		unsigned nth = 1;

		while (one_restore(nth, on))
			nth++;
		assert_in_range(nth, 6, 20);
	}
}

/* ---- looking without a trace ---- */

static int no_step(void *opaque, const struct viommu_step *step)
{
	++*(unsigned *)opaque;
	return 0;
}

static int add_length(void *opaque, uint64_t iova, const struct viommu_fragment *fragment)
{
	*(uint64_t *)opaque += fragment->length;
	return 0;
}

/* Explanations and replays find out as much as can be read, and record nothing. */
static bool one_look(enum tables tables, unsigned nth, bool replay)
{
	const struct viommu_request request = {
		.first = IOVA, .last = IOVA, .pasid = VIOMMU_NO_PASID, .access = VIOMMU_READ
	};
	uint64_t first = 0, length = 0;
	struct fault_world w;
	unsigned steps = 0;
	bool reached;
	int result;

	fault_world_init(&w, GUEST_CALLBACKS, tables);
	fail_from(&w.g, nth, false);
	result = replay ? viommu_replay(w.device, VIOMMU_NO_PASID, &first, 0xffff, 0, add_length,
					&length)
			: viommu_explain(w.device, &request, 0, no_step, &steps);
	reached = stop_failing(&w.g);
	if (!replay)
		assert_int_equal(result, reached ? VIOMMU_FAULT : VIOMMU_OK);
	else if (!reached)
		assert_int_equal(length, GUEST_PAGE);
	assert_true(result == VIOMMU_OK || result == VIOMMU_FAULT);
	assert_int_equal(guest_read32(&w.g, VTD_FSTS), 0);
	assert_int_equal(w.g.count[GUEST_ON_WRITE] + w.g.count[GUEST_ON_SWAP], 0);
	fault_world_fini(&w);
	return reached;
}

static void every_look(void **state)
{
	for (int tables = LEGACY; tables <= NESTED; tables++) {
		for (unsigned replay = 0; replay < 2; replay++) {
			unsigned nth = 1;

			while (one_look((enum tables)tables, nth, replay))
				nth++;
			assert_in_range(nth, 5, 5000);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_operation),    cmocka_unit_test(every_descriptor),
		cmocka_unit_test(every_page_request), cmocka_unit_test(every_restore),
		cmocka_unit_test(every_look),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
