/* SPDX-License-Identifier: BSD-3-Clause */
/* test_vhost_front.c - the VMM's side of a device IOTLB: when the guest learns of an invalidation,
 * calls from inside, life (obligations 13, 19, 27, 28). */

#include "vhost_backend.h"

/* ---- completion ---- */

static void test_acknowledged(void **state)
{
	struct layout l;
	struct unit *u = open_layout(&l);
	struct backend *b = attach(u, 0, u->dev, NONE, 1, 0);

	(void)state;
	b->answer = VIOMMU_PENDING;
	b->answer_updates = VIOMMU_PENDING;
	row_name = "updates hold back nothing";
	for (unsigned i = 0; i < 8; i++)
		row_equal(viommu_vhost_miss(b->v, AT(i), R), VIOMMU_OK);
	row_equal(statistics(b).outstanding, 8);
	submit(u, Q_IOTLB(3, UNIT_DID), AT(50));
	guest_wait(&u->g);
	row_name = "13 the wait completes when the backend has acknowledged, in order";
	guest_submit(&u->g, Q_IOTLB(3, UNIT_DID), AT(0), 0, 0);
	guest_submit_wait(&u->g);
	row_equal(guest_ring(&u->g), VIOMMU_PENDING);
	row_equal(guest_waited(&u->g), false);
	row_equal(viommu_run(u->g.iommu), VIOMMU_PENDING);
	row_equal(viommu_vhost_acknowledged(b->v, 8), VIOMMU_OK);
	row_equal(viommu_run(u->g.iommu), VIOMMU_PENDING);
	row_equal(guest_waited(&u->g), false);
	row_name = "an update behind it does not count";
	row_equal(viommu_vhost_miss(b->v, AT(0), R), VIOMMU_OK);
	trace_clear(&u->t);
	row_equal(viommu_vhost_acknowledged(b->v, 1), VIOMMU_OK);
	row_equal(trace_count(&u->t, GUEST_ON_WORK) >= 1, true);
	row_equal(guest_waited(&u->g), false);
	row_equal(viommu_run(u->g.iommu), VIOMMU_OK);
	row_equal(guest_waited(&u->g), true);
	row_name = "more than are outstanding";
	row_equal(viommu_vhost_acknowledged(b->v, 2), (uint64_t)VIOMMU_EINVAL);
	row_equal(viommu_vhost_acknowledged(b->v, 1), VIOMMU_OK);
	row_equal(viommu_vhost_acknowledged(b->v, 1), (uint64_t)VIOMMU_EINVAL);
	row_equal(viommu_vhost_acknowledged(b->v, 0), VIOMMU_OK);
	row_equal(viommu_vhost_acknowledged(NULL, 0), (uint64_t)VIOMMU_EINVAL);
	row_name = "another invalidation while one is outstanding";
	b->unacknowledged = 0;
	submit(u, Q_IOTLB(3, UNIT_DID), AT(1));
	guest_submit(&u->g, Q_IOTLB(3, UNIT_DID), AT(3), 0, 0);
	guest_submit_wait(&u->g);
	row_equal(guest_ring(&u->g), VIOMMU_PENDING);
	row_equal(b->unacknowledged, 2);
	row_equal(viommu_vhost_acknowledged(b->v, 1), VIOMMU_OK);
	row_equal(viommu_run(u->g.iommu), VIOMMU_PENDING);
	row_equal(viommu_vhost_acknowledged(b->v, 1), VIOMMU_OK);
	row_equal(viommu_run(u->g.iommu), VIOMMU_OK);
	row_equal(guest_waited(&u->g), true);
	row_name = "a range in two messages: both";
	guest_submit(&u->g, Q_IOTLB(2, UNIT_DID), 0, 0, 0);
	guest_submit_wait(&u->g);
	row_equal(guest_ring(&u->g), VIOMMU_PENDING);
	row_equal(viommu_vhost_acknowledged(b->v, 1), VIOMMU_OK);
	row_equal(viommu_run(u->g.iommu), VIOMMU_PENDING);
	row_equal(viommu_vhost_acknowledged(b->v, 1), VIOMMU_OK);
	row_equal(viommu_run(u->g.iommu), VIOMMU_OK);
	row_equal(guest_waited(&u->g), true);
	detach(b);
	unit_close(u);
}

static void test_several(void **state)
{
	struct layout l;
	struct unit *u = open_layout(&l);
	struct backend *b[3];

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		b[i] = attach(u, i, i == 2 ? u->dev2 : u->dev, NONE, 0, 0);
		b[i]->answer = VIOMMU_PENDING;
		row_equal(viommu_vhost_miss(b[i]->v, UNIT_IOVA, R), VIOMMU_OK);
	}
	row_name = "two backends of a device, one of another";
	expect_update(b[2], 0, UNIT_IOVA, 2 * GUEST_PAGE, host(u, u->page[2]), RW);
	guest_submit(&u->g, Q_IOTLB(3, UNIT_DID), UNIT_IOVA, 0, 0);
	guest_submit_wait(&u->g);
	row_equal(guest_ring(&u->g), VIOMMU_PENDING);
	for (unsigned i = 0; i < 3; i++)
		row_equal(b[i]->count, i == 2 ? 1 : 2);
	row_name = "13 each has to acknowledge";
	acknowledge(b[0]);
	row_equal(viommu_run(u->g.iommu), VIOMMU_PENDING);
	row_name = "freed with a message outstanding: no longer waited for";
	row_equal(viommu_device_free(u->dev2), (uint64_t)VIOMMU_EBUSY);
	trace_clear(&u->t);
	detach(b[1]);
	row_equal(trace_count(&u->t, GUEST_ON_WORK) >= 1, true);
	row_equal(viommu_run(u->g.iommu), VIOMMU_OK);
	row_equal(guest_waited(&u->g), true);
	detach(b[2]);
	detach(b[0]);
	unit_close(u);
}

static void test_send_fails(void **state)
{
	struct layout l;
	struct unit *u = open_layout(&l);
	struct backend *b = attach(u, 0, u->dev, NONE, 1, 0);

	(void)state;
	row_name = "an update that cannot be sent";
	b->answer_updates = VIOMMU_ENOMEM;
	row_equal(viommu_vhost_miss(b->v, AT(0), R), (uint64_t)VIOMMU_ENOMEM);
	b->answer_updates = VIOMMU_FAULT;
	row_equal(viommu_vhost_miss(b->v, AT(0), R), (uint64_t)VIOMMU_EINVAL);
	b->answer_updates = VIOMMU_OK;
	row_equal(viommu_vhost_miss(b->v, AT(0), R), VIOMMU_OK);
	row_equal(statistics(b).outstanding, 0);
	row_name = "13 an invalidation that cannot be sent: never complete";
	b->answer = VIOMMU_ENOMEM;
	guest_submit(&u->g, Q_IOTLB(2, UNIT_DID), 0, 0, 0);
	guest_submit_wait(&u->g);
	row_equal(guest_ring(&u->g), VIOMMU_PENDING);
	b->answer = VIOMMU_OK;
	row_equal(viommu_run(u->g.iommu), VIOMMU_PENDING);
	row_equal(viommu_vhost_miss(b->v, AT(0), R), (uint64_t)VIOMMU_ENOENT);
	row_equal(viommu_run(u->g.iommu), VIOMMU_PENDING);
	row_equal(b->count, 4);
	row_name = "until the backend is disconnected";
	detach(b);
	row_equal(viommu_run(u->g.iommu), VIOMMU_OK);
	row_equal(guest_waited(&u->g), true);
	unit_close(u);
}

/* ---- calls from inside send ---- */

/* The first update is not sent; while the second is, another miss comes and is refused. */
static void refuse_another(struct backend *b, const struct viommu_iotlb_msg *m)
{
	b->answer_updates = VIOMMU_OK; /* from the next one on */
	if (b->count == 2)
		row_equal(viommu_vhost_miss(b->v, AT(20), R), (uint64_t)VIOMMU_EBUSY);
}

static void test_refused_inside(void **state)
{
	struct layout l;
	struct unit *u = open_layout(&l);
	struct backend *b = attach(u, 0, u->dev, NONE, GUEST_PAGE, GUEST_PAGE);

	(void)state;
	row_name = "19 a miss that is refused changes nothing of the one under way";
	b->inside = refuse_another;
	b->answer_updates = VIOMMU_ENOMEM;
	row_equal(viommu_vhost_miss(b->v, AT(5), R), (uint64_t)VIOMMU_ENOMEM);
	row_equal(b->count, 2);
	row_equal(statistics(b).misses, 1);
	detach(b);
	unit_close(u);
}

static void call_everything(struct backend *b, const struct viommu_iotlb_msg *m)
{
	struct unit *u = b->u;
	bool update = m->type == VIOMMU_IOTLB_UPDATE;
	struct viommu_listener_config quiet = { .size = sizeof(quiet) };
	struct viommu_listener *listener;
	uint64_t value;

	row_name = update ? "19 inside a miss" : "19 inside a register access";
	b->inside = NULL;
	b->scratch++;
	row_equal(viommu_vhost_free(b->v), (uint64_t)VIOMMU_EBUSY);
	row_equal(statistics(b).outstanding, 1);
	row_equal(where(u->dev, AT(1), R), target_base + GUEST_PAGE);
	if (update) {
		row_equal(viommu_vhost_miss(b->v, AT(2), R), (uint64_t)VIOMMU_EBUSY);
		row_equal(viommu_reg_read(u->g.iommu, VTD_GSTS, 4, &value), VIOMMU_OK);
		row_equal(submit(u, Q_IOTLB(2, UNIT_DID), 0), VIOMMU_PENDING);
		guest_submit_wait(&u->g);
		row_name = "13 what is told inside a miss waits until it has been sent";
		row_equal(guest_ring(&u->g), VIOMMU_PENDING);
		row_equal(b->count, 1);
		row_equal(viommu_listener_new(u->g.iommu, u->dev, &quiet, &listener), VIOMMU_OK);
		row_equal(viommu_listener_free(listener), VIOMMU_OK);
	} else {
		row_equal(viommu_reg_read(u->g.iommu, VTD_GSTS, 4, &value), (uint64_t)VIOMMU_EBUSY);
		row_equal(viommu_run(u->g.iommu), (uint64_t)VIOMMU_EBUSY);
		row_equal(viommu_reset(u->g.iommu), (uint64_t)VIOMMU_EBUSY);
		row_equal(viommu_listener_new(u->g.iommu, u->dev, &quiet, &listener), VIOMMU_OK);
		row_equal(viommu_listener_free(listener), VIOMMU_OK);
		row_name = "a miss from inside send is left to the sender";
		row_equal(viommu_vhost_miss(b->v, AT(2), R), VIOMMU_OK);
	}
}

static void acknowledge_inside(struct backend *b, const struct viommu_iotlb_msg *m)
{
	row_equal(viommu_vhost_acknowledged(b->v, 1), VIOMMU_OK);
}

static void test_inside(void **state)
{
	struct layout l;
	struct unit *u = open_layout(&l);
	struct backend *b = attach(u, 0, u->dev, NONE, 1, 0);

	(void)state;
	b->inside = call_everything;
	row_equal(viommu_vhost_miss(b->v, AT(0), R), VIOMMU_OK);
	row_equal(b->scratch, 1);
	row_equal(b->count, 3);
	row_equal(viommu_run(u->g.iommu), VIOMMU_OK);
	row_equal(guest_waited(&u->g), true);
	row_equal(viommu_vhost_miss(b->v, AT(0), R), VIOMMU_OK);
	b->inside = call_everything;
	submit(u, Q_IOTLB(3, UNIT_DID), AT(0));
	row_equal(b->scratch, 2);
	row_equal(b->count, 6);
	expect_update(b, 5, AT(2), GUEST_PAGE, host(u, target(&l, 2)), RW);
	row_name = "acknowledged before send returns";
	b->inside = acknowledge_inside;
	b->answer = VIOMMU_PENDING;
	b->answer_updates = VIOMMU_PENDING;
	row_equal(viommu_vhost_miss(b->v, AT(7), R), VIOMMU_OK);
	guest_submit(&u->g, Q_IOTLB(2, UNIT_DID), 0, 0, 0);
	guest_submit_wait(&u->g);
	row_equal(guest_ring(&u->g), VIOMMU_OK);
	row_equal(guest_waited(&u->g), true);
	row_equal(statistics(b).outstanding, 0);
	detach(b);
	unit_close(u);
}

#define FLOOD 150U

static void flood(struct backend *b, const struct viommu_iotlb_msg *m)
{
	struct unit *u = b->u;

	b->inside = NULL;
	for (unsigned i = 0; i < FLOOD; i++)
		row_equal(submit(u, Q_IOTLB(3, UNIT_DID), GUEST_BASE + 2 * i * GUEST_PAGE),
			  VIOMMU_PENDING);
	guest_submit_wait(&u->g);
	row_equal(guest_ring(&u->g), VIOMMU_PENDING);
	row_equal(b->count, 1);
}

/* More than the queue has places for: less precise, never less. */
static void test_full_queue(void **state)
{
	struct unit *u = open_pass_through();
	struct backend *b = attach(u, 0, u->dev, NONE, 0, 0);

	(void)state;
	b->inside = flood;
	row_name = "27 more invalidations than the queue holds";
	row_equal(viommu_vhost_miss(b->v, GUEST_BASE, R), VIOMMU_OK);
	row_equal(b->count > 10 && b->count < FLOOD, true);
	for (unsigned i = 0; i < FLOOD; i++) {
		uint64_t iova = GUEST_BASE + 2 * i * GUEST_PAGE;
		bool covered = false;

		for (unsigned n = 1; n < b->count; n++)
			covered = covered || (b->log[n].iova <= iova &&
					      iova - b->log[n].iova < b->log[n].size);
		row_equal(covered, true);
	}
	row_equal(viommu_run(u->g.iommu), VIOMMU_OK);
	row_equal(guest_waited(&u->g), true);
	row_equal(statistics(b).outstanding, 0);
	detach(b);
	unit_close(u);
}

/* ---- life ---- */

static void test_config(void **state)
{
	static const struct {
		const char *name;
		struct viommu_vhost_config config;
		int result;
	} rows[] = {
		{ "no size", { .send = backend_send }, VIOMMU_ESIZE },
		{ "no send", { .size = sizeof(rows->config), .pasid = NONE }, VIOMMU_EINVAL },
		{ "flags",
		  { .size = sizeof(rows->config), .pasid = NONE, .flags = 1, .send = backend_send },
		  VIOMMU_EINVAL },
		{ "more ranges than the cap",
		  { .size = sizeof(rows->config),
		    .pasid = NONE,
		    .send = backend_send,
		    .ranges = VIOMMU_VHOST_RANGES_MAX + 1 },
		  VIOMMU_EINVAL },
		{ "reserved",
		  { .size = sizeof(rows->config),
		    .pasid = NONE,
		    .send = backend_send,
		    .reserved = 1 },
		  VIOMMU_EINVAL },
		{ "PASID of 21 bits",
		  { .size = sizeof(rows->config), .pasid = 1 << 20, .send = backend_send },
		  VIOMMU_EINVAL },
		{ "reach is no power of two",
		  { .size = sizeof(rows->config),
		    .pasid = NONE,
		    .reach = 12288,
		    .send = backend_send },
		  VIOMMU_EINVAL },
	};
	struct unit *u = unit_legacy(GUEST_ECAP_LEGACY);
	const struct viommu_vhost_config good = { .size = sizeof(good),
						  .pasid = NONE,
						  .send = backend_send };
	struct viommu_vhost_statistics s = { .size = 8 };
	struct viommu_vhost *v = NULL;

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		row_name = rows[i].name;
		row_equal(viommu_vhost_new(u->dev, &rows[i].config, &v), (uint64_t)rows[i].result);
	}
	row_name = "misuse";
	row_equal(viommu_vhost_new(NULL, &good, &v), (uint64_t)VIOMMU_EINVAL);
	row_equal(viommu_vhost_new(u->dev, NULL, &v), (uint64_t)VIOMMU_EINVAL);
	row_equal(viommu_vhost_new(u->dev, &good, NULL), (uint64_t)VIOMMU_EINVAL);
	row_equal(viommu_vhost_free(NULL), VIOMMU_OK);
	row_equal(viommu_vhost_get_statistics(NULL, &s), (uint64_t)VIOMMU_EINVAL);
	row_name = "28 no memory: nothing is left behind";
	for (unsigned i = 1; i <= 3; i++) {
		u->g.no_memory_in = i;
		row_equal(viommu_vhost_new(u->dev, &good, &v), (uint64_t)VIOMMU_ENOMEM);
		u->g.no_memory_in = 0;
	}
	row_name = "a caller of 0.1";
	struct viommu_vhost_config old = good;

	old.size = offsetof(struct viommu_vhost_config, ranges);
	row_equal(viommu_vhost_new(u->dev, &old, &v), VIOMMU_OK);
	row_equal(viommu_vhost_free(v), VIOMMU_OK);
	row_name = "28 no memory for the record: nothing is sent";
	row_equal(viommu_vhost_new(u->dev, &good, &v), VIOMMU_OK);
	u->g.no_memory_in = 1;
	row_equal(viommu_vhost_miss(v, UNIT_IOVA, R), (uint64_t)VIOMMU_ENOMEM);
	u->g.no_memory_in = 0;
	row_equal(viommu_vhost_free(v), VIOMMU_OK);
	row_name = "a device that has a backend is not freed";
	row_equal(viommu_vhost_new(u->dev, &good, &v), VIOMMU_OK);
	row_equal(viommu_vhost_get_statistics(v, &s), (uint64_t)VIOMMU_ESIZE);
	row_equal(viommu_device_free(u->dev), (uint64_t)VIOMMU_EBUSY);
	row_equal(viommu_vhost_free(v), VIOMMU_OK);
	unit_close(u);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_acknowledged), cmocka_unit_test(test_several),
		cmocka_unit_test(test_send_fails),   cmocka_unit_test(test_refused_inside),
		cmocka_unit_test(test_inside),	     cmocka_unit_test(test_full_queue),
		cmocka_unit_test(test_config),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
