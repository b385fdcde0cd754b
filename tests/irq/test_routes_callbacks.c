/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_routes_callbacks.c - when `changed` is called, and what may be called from it and from guest
 * memory callbacks (obligations 14, 19, 30).
 */
#include <string.h>

#include "routes_rig.h"

static struct routes_rig rr;

enum { RR_GSIS = 64 };

static void open_rig(enum guest_memory memory)
{
	rr_open(&rr, &(struct rr_shape){ .memory = memory, .gsis = RR_GSIS, .s = 7 });
	rr_entry(&rr, 5, 0x31);
	rr_entry(&rr, 6, 0x32);
	assert_int_equal(rr_set(&rr, 3, 5), VIOMMU_OK);
	assert_int_equal(rr_set(&rr, 4, 6), VIOMMU_OK);
	rr_expect(&rr, "open", (const struct rr_change[]){ { 3, 0x31 }, { 4, 0x32 } }, 2);
}

/* ---- obligation 14: routes first, then the status ---- */

static struct {
	unsigned vector;
	unsigned calls;
} order;

/* The guest must not see its status yet; the answers are already the new ones. */
static void check_order(struct routes_rig *r)
{
	struct viommu_route_change got[8];
	uint32_t count;

	check_that("status before the routes", !guest_waited(&r->g));
	rr_delivers(r, "lookup inside the callback", 3, order.vector);
	check_eq("drain", viommu_routes_drain(r->routes, got, 8, &count), VIOMMU_OK);
	check_eq("drain", count, 1);
	check_eq("drain", got[0].msi.vector, order.vector);
	order.calls++;
}

static void one_wait(unsigned vector, bool separately)
{
	order.vector = vector;
	order.calls = 0;
	if (vector)
		rr_entry(&rr, 5, vector);
	else
		rr_clear(&rr, 5);
	guest_submit(&rr.g, GUEST_IEC(5, 0), 0, 0, 0);
	guest_submit_wait(&rr.g);
	guest_ring(&rr.g);
	check_eq("called once", order.calls, 1);
	check_that("and the wait is done", guest_waited(&rr.g));
	if (!separately)
		return;
	guest_wait(&rr.g);
	check_eq("a wait alone changes nothing", order.calls, 1);
}

static void test_before_status(void **state)
{
	(void)state;
	for (unsigned memory = 0; memory < 2; memory++) {
		open_rig(memory ? GUEST_CALLBACKS : GUEST_REGION);
		rr.on_changed = check_order;
		one_wait(0x41, true);
		one_wait(0, true);
		one_wait(0x42, false);
		rr_no_faults(&rr, "order");
		rr_close(&rr);
	}
}

/* Several invalidations before one wait: routes of each are told before the status. */
static void check_pending(struct routes_rig *r)
{
	check_that("status before the routes", !guest_waited(&r->g));
	order.calls++;
}

static void test_batch_before_status(void **state)
{
	(void)state;
	open_rig(GUEST_REGION);
	rr.on_changed = check_pending;
	order.calls = 0;
	rr_entry(&rr, 5, 0x51);
	rr_clear(&rr, 6);
	guest_submit(&rr.g, GUEST_IEC(5, 0), 0, 0, 0);
	guest_submit(&rr.g, GUEST_IEC(6, 0), 0, 0, 0);
	guest_submit_wait(&rr.g);
	guest_ring(&rr.g);
	check_that("called", order.calls >= 1);
	check_that("done", guest_waited(&rr.g));
	rr_expect(&rr, "both", (const struct rr_change[]){ { 3, 0x51 }, { 4, RR_NONE } }, 2);
	rr_close(&rr);
}

/* Called for each invalidation that concerned a route, also if nothing differs, and while something
 * is pending. The others have nothing to do with the VMM. */
static void test_called_again(void **state)
{
	(void)state;
	open_rig(GUEST_REGION);
	rr_invalidate(&rr, GUEST_IEC(100, 0));
	check_eq("no route's entry", rr.changed, 0);
	rr_entry(&rr, 5, 0x61);
	rr_invalidate(&rr, GUEST_IEC(5, 0));
	check_eq("changed", rr.changed, 1);
	rr_invalidate(&rr, GUEST_IEC(100, 0));
	check_eq("still pending", rr.changed, 2);
	rr_expect(&rr, "drain", (const struct rr_change[]){ { 3, 0x61 } }, 1);
	rr_invalidate(&rr, GUEST_IEC(5, 0));
	check_eq("nothing differs", rr.changed, 3);
	rr_invalidate(&rr, GUEST_IEC(100, 0));
	check_eq("nothing is pending", rr.changed, 3);
	rr_close(&rr);
}

/* Obligation 14, two threads: one has set and drained a route, and has not told the kernel. The
 * guest that invalidates meets the VMM's lock in the callback. */
static void test_drained_not_told(void **state)
{
	struct viommu_route_change got[4];
	uint32_t count;

	(void)state;
	open_rig(GUEST_REGION);
	rr_entry(&rr, 7, 0x62);
	assert_int_equal(rr_set(&rr, 3, 7), VIOMMU_OK);
	assert_int_equal(viommu_routes_drain(rr.routes, got, 4, &count), VIOMMU_OK);
	assert_int_equal(count, 1);
	rr.on_changed = check_pending;
	order.calls = 0;
	rr_invalidate(&rr, GUEST_IEC(7, 0));
	check_eq("the VMM is asked", order.calls, 1);
	rr_close(&rr);
}

/* Without a callback everything else is the same. */
static void test_no_callback(void **state)
{
	struct viommu_routes_config config = { .size = sizeof(config) };
	struct viommu_route_change change;
	struct viommu_route route = rr_route(4095, 5);
	struct viommu_routes *second;

	(void)state;
	open_rig(GUEST_REGION);
	assert_int_equal(viommu_routes_new(rr.g.iommu, &config, &second), VIOMMU_OK);
	assert_int_equal(viommu_routes_set(second, &route), VIOMMU_OK);
	rr_entry(&rr, 5, 0x71);
	rr_invalidate(&rr, GUEST_IEC(5, 0));
	assert_int_equal(viommu_routes_lookup(second, 4095, &change), VIOMMU_OK);
	check_eq("second cache", change.msi.vector, 0x71);
	rr_delivers(&rr, "first cache", 3, 0x71);
	assert_int_equal(viommu_routes_free(second), VIOMMU_OK);
	rr_close(&rr);
}

/* ---- obligation 19: everything may be called from `changed`, or refuses ---- */

static void matrix_routes(struct routes_rig *r)
{
	struct viommu_route_change got[4];
	struct viommu_route_change one;
	struct viommu_routes *another;
	uint32_t count;

	check_eq("lookup", viommu_routes_lookup(r->routes, 3, &one), VIOMMU_OK);
	check_eq("drain", viommu_routes_drain(r->routes, got, 1, &count), VIOMMU_OK);
	check_eq("set", rr_set(r, 10, 6), VIOMMU_OK);
	check_eq("set again", rr_set(r, 3, 5), VIOMMU_OK);
	check_eq("remove", viommu_routes_remove(r->routes, 10), VIOMMU_OK);
	check_eq("statistics", rr_statistics(r).routes, 2);
	check_eq("free", viommu_routes_free(r->routes), VIOMMU_EBUSY);
	check_eq("new", rr_try_new(r, 8, &another), VIOMMU_EBUSY);
}

static void matrix_unit(struct routes_rig *r)
{
	struct viommu_listener_config config = { .size = sizeof(config) };
	struct viommu_listener *listener;
	struct viommu_msi msi;
	uint64_t value = 0;
	uint64_t bytes = 0;

	check_eq("remap", viommu_remap_msi(r->g.iommu, RR_SOURCE, RR_ADDRESS(6), 0, 0, &msi),
		 VIOMMU_OK);
	check_eq("remap", msi.vector, 0x32);
	check_eq("reg_read", viommu_reg_read(r->g.iommu, VTD_GSTS, 4, &value), VIOMMU_EBUSY);
	check_eq("reg_write", viommu_reg_write(r->g.iommu, VTD_GCMD, 4, 0), VIOMMU_EBUSY);
	check_eq("run", viommu_run(r->g.iommu), VIOMMU_EBUSY);
	check_eq("reset", viommu_reset(r->g.iommu), VIOMMU_EBUSY);
	check_eq("save", viommu_save(r->g.iommu, NULL, &bytes), VIOMMU_EBUSY);
	check_eq("restore", viommu_restore(r->g.iommu, "", 0), VIOMMU_EBUSY);
	check_eq("listener_new", viommu_listener_new(r->g.iommu, NULL, &config, &listener),
		 VIOMMU_OK);
	check_eq("listener_free", viommu_listener_free(listener), VIOMMU_OK);
	check_eq("free", viommu_free(r->g.iommu), VIOMMU_EBUSY);
	check_eq("vm_free", viommu_vm_free(r->g.vm), VIOMMU_EBUSY);
}

static void matrix_devices(struct routes_rig *r)
{
	struct viommu_device_config config = { .size = sizeof(config), .id = 0x77 };
	struct viommu_region region = { .size = sizeof(region),
					.gpa = UINT64_C(1) << 33,
					.bytes = GUEST_PAGE,
					.host = r->g.ram };
	struct viommu_channel *channel;
	struct viommu_device *device;

	check_eq("device_new", viommu_device_new(r->g.iommu, &config, &device), VIOMMU_OK);
	check_eq("translate", guest_dma(device, 0x1000, VIOMMU_READ).result, VIOMMU_OK);
	check_eq("set_id", viommu_device_set_id(device, 0x78), VIOMMU_OK);
	check_eq("channel_new", viommu_channel_new(device, VIOMMU_NO_PASID, &channel), VIOMMU_OK);
	check_eq("enter", viommu_enter(channel), VIOMMU_OK);
	check_eq("leave", viommu_leave(channel), VIOMMU_OK);
	check_eq("channel_free", viommu_channel_free(channel), VIOMMU_OK);
	check_eq("device_free", viommu_device_free(device), VIOMMU_OK);
	check_eq("add_region", viommu_vm_add_region(r->g.vm, &region), VIOMMU_OK);
	check_eq("remove_region", viommu_vm_remove_region(r->g.vm, region.gpa), VIOMMU_OK);
	check_that("quiesce", viommu_vm_quiesce(r->g.vm) >= 0);
}

static void test_matrix(void **state)
{
	static void (*const parts[])(struct routes_rig *) = { matrix_routes, matrix_unit,
							      matrix_devices };

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		open_rig(GUEST_REGION);
		rr.on_changed = parts[i];
		rr_entry(&rr, 5, 0x81);
		rr_invalidate(&rr, GUEST_IEC(5, 0));
		check_eq("called", rr.changed, 1);
		rr_delivers(&rr, "afterwards", 3, 0x81);
		rr_close(&rr);
	}
}

/* ---- obligation 30: guest memory that calls back ---- */

static struct {
	void (*call)(void);
	uint64_t gpa; /* called when this is read */
	bool done;
} intruder;

static void intrude(void *opaque, uint64_t gpa, void *bytes, uint32_t count)
{
	(void)opaque, (void)bytes;
	if (intruder.done || gpa > intruder.gpa || intruder.gpa >= gpa + count)
		return;
	intruder.done = true;
	intruder.call();
}

static void open_intruded(void (*call)(void))
{
	open_rig(GUEST_CALLBACKS);
	intruder.call = call;
	intruder.gpa = rr.table + 16 * 9;
	intruder.done = false;
	rr.g.alter = intrude;
	rr_entry(&rr, 9, 0x91);
}

/* The entry has been read; now the guest changes it and invalidates. */
static void rewrite_and_invalidate(void)
{
	rr_entry(&rr, 9, 0x92);
	rr_entry(&rr, 5, 0x93);
	guest_submit(&rr.g, GUEST_IEC(9, 0), 0, 0, 0);
	guest_submit(&rr.g, GUEST_IEC(5, 0), 0, 0, 0);
	guest_submit_wait(&rr.g);
	guest_ring(&rr.g);
}

/* The wait is not over before the VMM knows of the routes, and the host is told that there is work
 * as soon as there can be an end of it. */
static unsigned work;

static void note_work(void *opaque, enum guest_event event)
{
	(void)opaque;
	work += event == GUEST_ON_WORK;
}

static void run_until_waited(const char *row)
{
	unsigned patience = 100;

	while (!guest_waited(&rr.g) && patience--)
		check_that(row, viommu_run(rr.g.iommu) >= 0);
	check_that(row, guest_waited(&rr.g));
}

static void test_register_write(void **state)
{
	const char *row = "register write from a memory callback";

	(void)state;
	open_intruded(rewrite_and_invalidate);
	work = order.calls = 0;
	rr.g.hook = note_work;
	rr.on_changed = check_pending;
	rr_set(&rr, 7, 9);
	check_that(row, intruder.done);
	check_that(row, !guest_waited(&rr.g) && work);
	run_until_waited(row);
	check_eq(row, order.calls, 1);
	rr_delivers(&rr, row, 7, 0x92);
	rr_delivers(&rr, row, 3, 0x93);
	/* the lock is in order: another change gets through */
	rr_entry(&rr, 9, 0x94);
	rr_invalidate(&rr, GUEST_IEC(9, 0));
	rr_delivers(&rr, row, 7, 0x94);
	rr_close(&rr);
}

/* Whenever the entry is read it is invalidated, if registers can be written: that ends, and before
 * the wait is over nothing is left standing that may be old (obligation 15). */
static void invalidate_again(void)
{
	if (viommu_reg_write(rr.g.iommu, VTD_IQT, 8, rr.g.tail) < 0)
		return;
	rr_entry(&rr, 9, 0x80 + ++work);
	intruder.done = false;
}

static void test_always_invalidated(void **state)
{
	(void)state;
	open_intruded(invalidate_again);
	work = 0;
	guest_submit(&rr.g, GUEST_IEC(9, 0), 0, 0, 0);
	guest_submit_wait(&rr.g);
	check_eq("as it was read", rr_set(&rr, 7, 9), VIOMMU_OK);
	check_that("invalidated under it", work == 1 && !guest_waited(&rr.g));
	run_until_waited("always invalidated");
	check_eq("not invalidated by what is busy", work, 1);
	rr_delivers(&rr, "read again", 7, 0x81);
	rr_entry(&rr, 9, 0x99);
	rr.g.alter = NULL;
	rr_invalidate(&rr, GUEST_IEC_GLOBAL);
	rr_delivers(&rr, "what is there now", 7, 0x99);
	rr_delivers(&rr, "and the others", 3, 0x31);
	rr_no_faults(&rr, "always invalidated");
	rr_close(&rr);
}

/* Obligation 12: what was read before an invalidation does not stay in the cache behind it. */
static void invalidate_under_remap(void)
{
	rr_entry(&rr, 9, 0x92);
	guest_submit(&rr.g, GUEST_IEC(9, 0), 0, 0, 0);
	guest_ring(&rr.g);
}

static void test_fill_rule(void **state)
{
	struct viommu_msi msi;

	(void)state;
	open_intruded(invalidate_under_remap);
	check_eq("began before", viommu_remap_msi(rr.g.iommu, RR_SOURCE, RR_ADDRESS(9), 0, 0, &msi),
		 VIOMMU_OK);
	check_that("called", intruder.done);
	check_that("old or new", msi.vector == 0x91 || msi.vector == 0x92);
	guest_wait(&rr.g);
	check_eq("begins later", viommu_remap_msi(rr.g.iommu, RR_SOURCE, RR_ADDRESS(9), 0, 0, &msi),
		 VIOMMU_OK);
	check_eq("begins later", msi.vector, 0x92);
	rr_close(&rr);
}

/* Routes refuse while one is being resolved on the same thread; lookups and remapping do not. */
static void call_routes(void)
{
	struct viommu_routes_statistics statistics = { .size = sizeof(statistics) };
	struct viommu_route_change change;
	struct viommu_msi msi;
	uint32_t count;

	check_eq("set", rr_set(&rr, 8, 6), VIOMMU_EBUSY);
	check_eq("remove", viommu_routes_remove(rr.routes, 3), VIOMMU_EBUSY);
	check_eq("drain", viommu_routes_drain(rr.routes, &change, 1, &count), VIOMMU_EBUSY);
	check_eq("statistics", viommu_routes_get_statistics(rr.routes, &statistics), VIOMMU_EBUSY);
	rr_delivers(&rr, "lookup", 3, 0x31);
	check_eq("remap", viommu_remap_msi(rr.g.iommu, RR_SOURCE, RR_ADDRESS(6), 0, 0, &msi),
		 VIOMMU_OK);
}

static void test_nested_routes(void **state)
{
	(void)state;
	open_intruded(call_routes);
	check_eq("set", rr_set(&rr, 7, 9), VIOMMU_OK);
	check_that("called", intruder.done);
	rr_expect(&rr, "after", (const struct rr_change[]){ { 7, 0x91 } }, 1);
	check_eq("set", rr_set(&rr, 8, 6), VIOMMU_OK);
	rr_close(&rr);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_before_status),	 cmocka_unit_test(test_batch_before_status),
		cmocka_unit_test(test_called_again),	 cmocka_unit_test(test_no_callback),
		cmocka_unit_test(test_drained_not_told), cmocka_unit_test(test_always_invalidated),
		cmocka_unit_test(test_fill_rule),	 cmocka_unit_test(test_matrix),
		cmocka_unit_test(test_register_write),	 cmocka_unit_test(test_nested_routes),
	};

	return cmocka_run_group_tests_name("irq/routes_callbacks", tests, NULL, NULL);
}
