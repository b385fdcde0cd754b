/* SPDX-License-Identifier: BSD-3-Clause */
/* test_vhost_dead.c - backends that do not answer, and memory that goes away under those that do
 * (obligations 13, 34, 41). */

#include "unit.h"
#include "vhost_backend.h"

/* ---- a clock ---- */

static uint64_t clock_now;
static unsigned clock_reads;
static unsigned expirations;
static void (*on_expired)(struct backend *b);

static uint64_t read_clock(void *opaque)
{
	clock_reads++;
	return clock_now;
}

static void expired(void *opaque)
{
	expirations++;
	if (on_expired)
		on_expired(opaque);
}

static struct unit *open_clock(struct layout *l)
{
	struct unit *u = open_layout(l);

	clock_now = 1000;
	clock_reads = 0;
	expirations = 0;
	on_expired = NULL;
	u->g.iommu->host.now = read_clock;
	return u;
}

static struct backend *attach_with(struct unit *u, uint64_t deadline)
{
	struct backend *b = attach_as(
		u, 0, u->dev,
		(struct viommu_vhost_config){
			.pasid = NONE, .reach = 1, .deadline = deadline, .expired = expired });

	b->answer = VIOMMU_PENDING;
	b->answer_updates = VIOMMU_PENDING;
	return b;
}

static void run_at(struct unit *u, uint64_t now, int result)
{
	clock_now = now;
	row_equal(viommu_run(u->g.iommu), (uint64_t)result);
}

/* An invalidation of a page that the backend has, and a wait. */
static void invalidate(struct unit *u, unsigned i, int result)
{
	guest_submit(&u->g, Q_IOTLB(3, UNIT_DID), AT(i), 0, 0);
	guest_submit_wait(&u->g);
	row_equal(guest_ring(&u->g), (uint64_t)result);
}

static void test_deadline(void **state)
{
	struct layout l;
	struct unit *u = open_clock(&l);
	struct backend *b = attach_with(u, 100);

	(void)state;
	row_name = "41 nothing under way";
	run_at(u, 5000, VIOMMU_OK);
	run_at(u, 9000, VIOMMU_OK);
	row_equal(expirations, 0);
	row_name = "41 the time is taken when it is first seen";
	row_equal(viommu_vhost_miss(b->v, AT(0), R), VIOMMU_OK);
	invalidate(u, 0, VIOMMU_PENDING);
	clock_reads = 0;
	run_at(u, 10000, VIOMMU_PENDING);
	row_equal(clock_reads, 1);
	row_equal(statistics(b).oldest, 0);
	run_at(u, 10099, VIOMMU_PENDING);
	row_equal(expirations, 0);
	row_equal(statistics(b).oldest, 99);
	row_name = "41 expired, once, and nothing is complete";
	run_at(u, 10100, VIOMMU_PENDING);
	run_at(u, 90000, VIOMMU_PENDING);
	row_equal(expirations, 1);
	row_equal(statistics(b).expired, 1);
	row_equal(statistics(b).oldest, 80000);
	row_equal(guest_waited(&u->g), false);
	row_name = "41 it answers after all";
	acknowledge(b);
	run_at(u, 90001, VIOMMU_OK);
	row_equal(guest_waited(&u->g), true);
	row_equal(statistics(b).oldest, 0);
	row_name = "41 each in time, and never nothing under way: not expired";
	row_equal(viommu_vhost_miss(b->v, AT(1), R), VIOMMU_OK);
	for (unsigned i = 0; i < 8; i++) {
		run_at(u, 100000 + 60 * i, VIOMMU_OK);
		row_equal(viommu_vhost_miss(b->v, AT(i + 2), R), VIOMMU_OK);
		row_equal(viommu_vhost_acknowledged(b->v, 1), VIOMMU_OK);
		b->unacknowledged--;
	}
	row_equal(expirations, 1);
	row_name = "41 one of many";
	row_equal(viommu_vhost_miss(b->v, AT(20), R), VIOMMU_OK);
	run_at(u, 200000, VIOMMU_OK);
	row_equal(viommu_vhost_acknowledged(b->v, 1), VIOMMU_OK);
	run_at(u, 200100, VIOMMU_OK);
	row_equal(expirations, 2);
	detach(b);
	unit_close(u);
}

static void fail_it(struct backend *b)
{
	row_equal(viommu_vhost_free(b->v), (uint64_t)VIOMMU_EBUSY);
	row_equal(viommu_vhost_fail(b->v), VIOMMU_OK);
}

static void test_fail(void **state)
{
	struct layout l;
	struct unit *u = open_clock(&l);
	struct backend *b = attach_with(u, 100);

	(void)state;
	row_name = "41 declared dead when it has expired: then the wait completes";
	on_expired = fail_it;
	row_equal(viommu_vhost_miss(b->v, AT(0), R), VIOMMU_OK);
	row_equal(viommu_vhost_miss(b->v, AT(1), R), VIOMMU_OK);
	invalidate(u, 0, VIOMMU_PENDING);
	run_at(u, 2000, VIOMMU_PENDING);
	run_at(u, 2100, VIOMMU_OK);
	row_equal(expirations, 1);
	row_equal(guest_waited(&u->g), true);
	row_name = "41 nothing is sent any more";
	b->count = 0;
	row_equal(viommu_vhost_miss(b->v, AT(1), R), (uint64_t)VIOMMU_ENOENT);
	invalidate(u, 1, VIOMMU_OK);
	row_equal(guest_waited(&u->g), true);
	row_equal(viommu_vhost_forget_gpa(b->v, 0, UINT64_MAX), VIOMMU_OK);
	row_equal(viommu_vhost_acknowledged(b->v, 1), (uint64_t)VIOMMU_ENOENT);
	row_equal(viommu_vhost_fail(b->v), VIOMMU_OK);
	row_equal(b->count, 0);
	row_equal(statistics(b).outstanding, 0);
	detach(b);

	row_name = "34 broken, then declared dead";
	b = attach_with(u, 0);
	row_equal(viommu_vhost_miss(b->v, AT(0), R), VIOMMU_OK);
	b->answer = VIOMMU_ENOMEM;
	invalidate(u, 0, VIOMMU_PENDING);
	trace_clear(&u->t);
	row_equal(viommu_vhost_fail(b->v), VIOMMU_OK);
	row_equal(trace_count(&u->t, GUEST_ON_WORK) >= 1, true);
	run_at(u, 3000, VIOMMU_OK);
	row_equal(guest_waited(&u->g), true);
	detach(b);
	row_equal(viommu_vhost_fail(NULL), (uint64_t)VIOMMU_EINVAL);
	unit_close(u);
}

static void fail_inside(struct backend *b, const struct viommu_iotlb_msg *m)
{
	b->inside = NULL;
	row_equal(viommu_vhost_fail(b->v), VIOMMU_OK);
}

static void test_fail_inside(void **state)
{
	(void)state;
	for (unsigned kind = 0; kind < 4; kind++) {
		struct layout l;
		struct unit *u = open_clock(&l);
		struct backend *b = attach_with(u, 0);

		row_name = "41 declared dead while something is being sent";
		row_equal(viommu_vhost_miss(b->v, AT(0), R), VIOMMU_OK);
		b->answer = kind & 1 ? VIOMMU_PENDING : VIOMMU_ENOMEM;
		b->answer_updates = b->answer;
		b->inside = fail_inside;
		b->count = 0;
		if (kind & 2) {
			row_equal(viommu_vhost_miss(b->v, AT(1), R), (uint64_t)VIOMMU_ENOENT);
		} else {
			invalidate(u, 0, VIOMMU_OK);
			row_equal(guest_waited(&u->g), true);
		}
		row_equal(b->count, 1);
		row_equal(statistics(b).outstanding, 0);
		invalidate(u, 0, VIOMMU_OK);
		row_equal(guest_waited(&u->g), true);
		detach(b);
		unit_close(u);
	}
}

static void test_clock_config(void **state)
{
	struct layout l;
	struct unit *u = open_layout(&l);
	struct viommu_vhost_config config = {
		.size = sizeof(config), .pasid = NONE, .deadline = 1, .send = backend_send
	};
	struct viommu_vhost *v;

	(void)state;
	row_name = "a deadline without anybody to tell";
	row_equal(viommu_vhost_new(u->dev, &config, &v), (uint64_t)VIOMMU_EINVAL);
	row_name = "a deadline without a clock";
	config.expired = expired;
	row_equal(viommu_vhost_new(u->dev, &config, &v), (uint64_t)VIOMMU_ENOTSUP);
	u->g.iommu->host.now = read_clock;
	row_equal(viommu_vhost_new(u->dev, &config, &v), VIOMMU_OK);
	row_equal(viommu_vhost_free(v), VIOMMU_OK);
	unit_close(u);
}

/* ---- memory that goes away ---- */

#define SLOT UINT64_C(0x50000000)

static void map_slot(struct unit *u, unsigned first, unsigned pages)
{
	for (unsigned i = 0; i < pages; i++)
		guest_put64(&u->g, guest_entry(&u->g, u->ss, 4, AT(first + i), 0, 3),
			    (SLOT + i * GUEST_PAGE) | 3);
}

static void test_forget(void **state)
{
	struct layout l;
	struct unit *u = open_layout(&l);
	struct backend *b;

	(void)state;
	add_region(u, SLOT, 0, 8, 0);
	map_slot(u, 16, 8);
	map_slot(u, 40, 4);
	submit(u, Q_IOTLB(2, UNIT_DID), 0);
	b = attach(u, 0, u->dev, NONE, 0, 0);
	row_equal(viommu_vhost_miss(b->v, AT(0), R), VIOMMU_OK);
	row_equal(viommu_vhost_miss(b->v, AT(16), R), VIOMMU_OK);
	row_equal(viommu_vhost_miss(b->v, AT(40), R), VIOMMU_OK);
	row_equal(viommu_vm_quiesce(u->g.vm), VIOMMU_OK);
	row_name = "no such memory";
	b->count = 0;
	row_equal(viommu_vhost_forget_gpa(b->v, SLOT + 8 * GUEST_PAGE, UINT64_MAX), VIOMMU_OK);
	row_equal(viommu_vhost_forget_gpa(b->v, 0, 0xfff), VIOMMU_OK);
	row_equal(b->count, 0);
	row_name = "a part of a region";
	row_equal(viommu_vhost_forget_gpa(b->v, SLOT + 6 * GUEST_PAGE, SLOT + 7 * GUEST_PAGE - 1),
		  VIOMMU_OK);
	row_equal(b->count, 1);
	expect_invalidate(b, 0, AT(22), AT(22) + 0xfff);
	row_name = "17 a region that goes, wherever it was mapped";
	b->answer = VIOMMU_PENDING;
	b->count = 0;
	row_equal(viommu_vm_remove_region(u->g.vm, SLOT), VIOMMU_OK);
	row_equal(viommu_vhost_forget_gpa(b->v, SLOT, SLOT + 8 * GUEST_PAGE - 1), VIOMMU_PENDING);
	row_equal(b->count, 3);
	expect_invalidate(b, 0, AT(16), AT(21) + 0xfff);
	expect_invalidate(b, 1, AT(23), AT(23) + 0xfff);
	expect_invalidate(b, 2, AT(40), AT(43) + 0xfff);
	row_name = "13 its memory is in use until the backend has acknowledged";
	row_equal(viommu_vm_quiesce(u->g.vm), VIOMMU_PENDING);
	row_equal(viommu_vhost_acknowledged(b->v, 2), VIOMMU_OK);
	row_equal(viommu_vm_quiesce(u->g.vm), VIOMMU_PENDING);
	row_equal(viommu_vhost_acknowledged(b->v, 1), VIOMMU_OK);
	row_equal(viommu_vm_quiesce(u->g.vm), VIOMMU_OK);
	row_name = "and is not sent again";
	row_equal(viommu_vhost_miss(b->v, AT(16), R), (uint64_t)VIOMMU_ENOTSUP);
	row_name = "the rest stays";
	row_equal(b->page[0].uaddr != 0, true);
	row_name = "misuse";
	row_equal(viommu_vhost_forget_gpa(NULL, 0, 1), (uint64_t)VIOMMU_EINVAL);
	row_equal(viommu_vhost_forget_gpa(b->v, 1, 0), (uint64_t)VIOMMU_EINVAL);
	detach(b);
	unit_close(u);
}

/* What the backend has been told to drop, and has not dropped yet, is no longer on record. */
static void test_forget_replaced(void **state)
{
	struct layout l;
	struct unit *u = open_layout(&l);
	struct backend *b;

	(void)state;
	row_name = "13 what is being dropped is in use until that is acknowledged";
	add_region(u, SLOT, 0, 8, 0);
	map_slot(u, 5, 1);
	submit(u, Q_IOTLB(2, UNIT_DID), 0);
	b = attach(u, 0, u->dev, NONE, 1, 0);
	row_equal(viommu_vhost_miss(b->v, AT(5), R), VIOMMU_OK);
	b->answer = VIOMMU_PENDING;
	b->answer_updates = VIOMMU_PENDING;
	row_equal(viommu_vm_remove_region(u->g.vm, SLOT), VIOMMU_OK);
	b->count = 0;
	row_equal(viommu_vhost_forget_gpa(b->v, SLOT, SLOT + 0xfff), VIOMMU_PENDING);
	expect_invalidate(b, 0, AT(5), AT(5) + 0xfff);
	row_equal(viommu_vhost_forget_gpa(b->v, SLOT, SLOT + 0xfff), VIOMMU_PENDING);
	row_equal(b->count, 1);
	row_name = "13 and so is what made room";
	acknowledge(b);
	row_equal(viommu_vhost_forget_gpa(b->v, SLOT, SLOT + 0xfff), VIOMMU_OK);
	l.perm[7] = R;
	map(u, &l, 7);
	submit(u, Q_IOTLB(2, UNIT_DID), 0);
	row_equal(viommu_vhost_miss(b->v, AT(7), R), VIOMMU_OK);
	acknowledge(b);
	l.perm[7] = RW;
	map(u, &l, 7);
	b->answer_updates = VIOMMU_OK;
	b->count = 0;
	row_equal(viommu_vhost_miss(b->v, AT(7), W), VIOMMU_OK);
	row_equal(b->count, 2);
	expect_invalidate(b, 0, AT(7), AT(7) + 0xfff);
	row_equal(viommu_vhost_forget_gpa(b->v, SLOT, SLOT + 0xfff), VIOMMU_PENDING);
	row_equal(viommu_vm_quiesce(u->g.vm), VIOMMU_PENDING);
	acknowledge(b);
	row_equal(viommu_vm_quiesce(u->g.vm), VIOMMU_OK);
	row_equal(viommu_vhost_forget_gpa(b->v, SLOT, SLOT + 0xfff), VIOMMU_OK);
	detach(b);
	unit_close(u);
}

/* A translation that was made before the region went is not sent after it. */

struct removal {
	struct unit *u;
	struct backend *b;
	uint64_t entry;
};

static void remove_it(void *opaque, uint64_t gpa, void *bytes, uint32_t count)
{
	struct removal *r = opaque;

	if (gpa != r->entry)
		return;
	r->entry = 0;
	row_equal(viommu_vm_remove_region(r->u->g.vm, UINT64_C(0x40000000)), VIOMMU_OK);
	row_equal(viommu_vhost_forget_gpa(r->b->v, UINT64_C(0x40000000), UINT64_MAX), VIOMMU_OK);
}

static void test_forget_in_a_miss(void **state)
{
	struct layout l;
	struct unit *u = open_callbacks(&l);
	struct removal r = { u, attach(u, 0, u->dev, NONE, 0, 0),
			     guest_entry(&u->g, u->ss, 4, AT(2), 0, 3) };

	(void)state;
	row_name = "12 an update that a removal overtook is not sent";
	u->g.alter = remove_it;
	u->g.alter_opaque = &r;
	row_equal(viommu_vhost_miss(r.b->v, AT(1), R), (uint64_t)VIOMMU_ENOTSUP);
	row_equal(r.entry, 0);
	row_equal(r.b->count, 0);
	detach(r.b);
	guest_fini(&u->g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_deadline),	 cmocka_unit_test(test_fail),
		cmocka_unit_test(test_fail_inside),	 cmocka_unit_test(test_clock_config),
		cmocka_unit_test(test_forget),		 cmocka_unit_test(test_forget_replaced),
		cmocka_unit_test(test_forget_in_a_miss),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
