/* SPDX-License-Identifier: BSD-3-Clause */
/* test_explain.c - explanations: the answer, what caches would have said, messages, and being stopped. */
#include "check.h"

#include <string.h>

#include <libvirtiommu/its.h>

#include "guest.h"
#include "its_rig.h"
#include "virtio_rig.h"

#define RID   0x0010
#define DID   7
#define IOVA  UINT64_C(0x400000)
#define LARGE UINT64_C(0x40000000)

enum { STEPS = 40 };

struct told {
	struct viommu_step step[STEPS];
	unsigned count;
	unsigned stop_at; /* 0: never */
};

static int tell(void *opaque, const struct viommu_step *step)
{
	struct told *t = opaque;

	assert_true(t->count < STEPS);
	t->step[t->count++] = *step;
	return t->count == t->stop_at;
}

/* The step of a name; NULL: there is none. */
static const struct viommu_step *named(const struct told *t, const char *what)
{
	for (unsigned i = 0; i < t->count; i++) {
		if (strcmp(t->step[i].what, what) == 0)
			return &t->step[i];
	}
	return NULL;
}

static const struct viommu_step *last(const struct told *t)
{
	assert_true(t->count > 0);
	assert_int_equal(t->step[t->count - 1].flags, VIOMMU_STEP_ANSWER);
	return &t->step[t->count - 1];
}

struct world {
	struct guest g;
	struct viommu_device *device;
	struct viommu_channel *channel;
	uint64_t ss;
	uint64_t page[2];
	uint64_t leaf; /* gpa of the entry of IOVA */
};

static void open_world(struct world *w)
{
	memset(w, 0, sizeof(*w));
	guest_init(&w->g, GUEST_REGION, 256);
	guest_vtd(&w->g, GUEST_CAP, GUEST_ECAP_LEGACY);
	w->ss = guest_table(&w->g);
	w->page[0] = guest_alloc(&w->g, 1);
	w->page[1] = guest_alloc(&w->g, 1);
	guest_ss_map(&w->g, w->ss, 4, IOVA, w->page[0], 12, GUEST_RW);
	guest_ss_map(&w->g, w->ss, 4, LARGE, 0x200000, 21, 1);
	w->leaf = guest_entry(&w->g, w->ss, 4, IOVA, 0, GUEST_RW);
	guest_legacy(&w->g, RID, DID, w->ss, 4);
	guest_start(&w->g, VTD_TTM_LEGACY);
	w->device = guest_device(&w->g, RID);
	w->channel = guest_channel(&w->g, w->device, VIOMMU_NO_PASID);
}

static int explain(struct world *w, uint64_t iova, unsigned access, uint32_t flags, struct told *t)
{
	struct viommu_request r = {
		.first = iova, .last = iova, .pasid = VIOMMU_NO_PASID, .access = (uint16_t)access
	};

	t->count = 0;
	return viommu_explain(w->device, &r, flags, tell, t);
}

static int explain_caches(struct world *w, struct told *t)
{
	struct viommu_request r = { .first = IOVA + 0x123,
				    .last = IOVA + 0x123,
				    .pasid = VIOMMU_NO_PASID,
				    .access = VIOMMU_READ };

	t->count = 0;
	return viommu_channel_explain(w->channel, &r, VIOMMU_EXPLAIN_CACHES, tell, t);
}

/* ---- the answer ---- */

static void ends_with_the_answer(void **state)
{
	struct told t = { .count = 0 };
	struct world w;

	open_world(&w);
	assert_int_equal(explain(&w, IOVA + 0x10, VIOMMU_READ, 0, &t), VIOMMU_OK);
	assert_string_equal(last(&t)->what, "translated");
	assert_int_equal(last(&t)->words, 3);
	assert_int_equal(last(&t)->raw[0], w.page[0] + 0x10);
	assert_int_equal(last(&t)->raw[1] & (VIOMMU_READ | VIOMMU_WRITE),
			 VIOMMU_READ | VIOMMU_WRITE);
	assert_int_equal(last(&t)->raw[2], 4096);
	assert_non_null(named(&t, "context entry"));
	assert_null(named(&t, "shared TLB"));
	assert_int_equal(explain(&w, LARGE + 0x5010, VIOMMU_READ, 0, &t), VIOMMU_OK);
	assert_int_equal(last(&t)->raw[0], 0x205010);
	assert_int_equal(last(&t)->raw[1] & (VIOMMU_READ | VIOMMU_WRITE), VIOMMU_READ);
	assert_int_equal(last(&t)->raw[2], 0x200000);
	assert_int_equal(explain(&w, LARGE, VIOMMU_WRITE, 0, &t), VIOMMU_FAULT);
	assert_string_equal(last(&t)->what, "refused");
	assert_int_equal(last(&t)->words, 0);
	assert_int_equal(last(&t)->reason, VTD_FR_WRITE);
	assert_int_equal(explain(&w, 0xfee00000, VIOMMU_WRITE, 0, &t), VIOMMU_INTERRUPT);
	assert_int_equal(explain(&w, IOVA, VIOMMU_READ, 2, &t), VIOMMU_EINVAL);
	assert_int_equal(t.count, 0);
	guest_fini(&w.g);
}

static void a_step_can_stop_it(void **state)
{
	struct told t = { .count = 0 };
	unsigned all;
	struct world w;

	open_world(&w);
	assert_int_equal(explain(&w, IOVA, VIOMMU_READ, VIOMMU_EXPLAIN_CACHES, &t), VIOMMU_OK);
	all = t.count;
	assert_true(all > 8);
	for (t.stop_at = 1; t.stop_at <= all; t.stop_at++) {
		assert_int_equal(explain(&w, IOVA, VIOMMU_READ, VIOMMU_EXPLAIN_CACHES, &t),
				 VIOMMU_MORE);
		assert_int_equal(t.count, t.stop_at);
	}
	guest_fini(&w.g);
}

/* ---- caches ---- */

static const char *const caches[] = { "context cache", "paging-structure cache", "shared TLB",
				      "micro-TLB" };

enum { CONTEXT = 1, TABLE = 2, SHARED = 4, MICRO = 8 };

/* Which of the caches have something, and which of them say more than the tables. */
static void expect(struct world *w, const char *row, int result, unsigned has, unsigned stale)
{
	struct told t = { .count = 0 };

	check_eq(row, explain_caches(w, &t), result);
	for (unsigned i = 0; i < 4; i++) {
		const struct viommu_step *step = named(&t, caches[i]);

		assert_non_null(step);
		check_eq(row, step->flags & VIOMMU_STEP_CACHE, VIOMMU_STEP_CACHE);
		check_eq(row, step->words != 0, has >> i & 1);
		check_eq(row, (step->flags & VIOMMU_STEP_STALE) != 0, stale >> i & 1);
	}
	last(&t);
}

static void dma(struct world *w, unsigned access)
{
	assert_int_equal(guest_channel_dma(w->channel, VIOMMU_NO_PASID, IOVA, access).result,
			 VIOMMU_OK);
}

static void what_caches_say(void **state)
{
	struct told t = { .count = 0 };
	struct world w;

	open_world(&w);
	expect(&w, "before", VIOMMU_OK, 0, 0);
	dma(&w, VIOMMU_READ);
	expect(&w, "cached", VIOMMU_OK, CONTEXT | TABLE | SHARED | MICRO, 0);
	explain_caches(&w, &t);
	assert_int_equal(named(&t, "shared TLB")->raw[0], w.page[0] + 0x123);
	assert_int_equal(named(&t, "micro-TLB")->raw[0], w.page[0] + 0x123);
	assert_int_equal(named(&t, "context cache")->raw[0], DID);
	assert_int_equal(named(&t, "paging-structure cache")->raw[0], w.leaf & ~UINT64_C(0xfff));
	/* explaining caches nothing, and uses nothing up */
	guest_invalidate_all(&w.g);
	expect(&w, "invalidated", VIOMMU_OK, 0, 0);
	expect(&w, "invalidated, again", VIOMMU_OK, 0, 0);
	guest_fini(&w.g);
}

/* What a guest changes, and what of the caches is then more than the tables say. */
static const struct change {
	const char *name;
	uint64_t entry; /* of the page, apart from its address; 0: absent */
	unsigned page;
	int result;
	unsigned stale;
} changes[] = {
	{ "the same", 3, 0, VIOMMU_OK, 0 },
	{ "another page", 3, 1, VIOMMU_OK, SHARED | MICRO },
	{ "absent", 0, 0, VIOMMU_FAULT, SHARED | MICRO },
	{ "less permission", 1, 0, VIOMMU_OK, SHARED | MICRO },
};

static void missing_invalidations(void **state)
{
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		const struct change *c = &changes[i];
		struct world w;

		open_world(&w);
		dma(&w, VIOMMU_WRITE);
		guest_put64(&w.g, w.leaf, c->entry ? w.page[c->page] | c->entry : 0);
		expect(&w, c->name, c->result, CONTEXT | TABLE | SHARED | MICRO, c->stale);
		guest_submit(&w.g, GUEST_IOTLB(VTD_GRAN_LOCAL, DID), IOVA, 0, 0);
		guest_wait(&w.g);
		expect(&w, c->name, c->result, CONTEXT, 0);
		guest_fini(&w.g);
	}
}

/* A cache that grants less is not wrong. */
static void more_permission(void **state)
{
	struct world w;

	open_world(&w);
	guest_put64(&w.g, w.leaf, w.page[0] | 1);
	dma(&w, VIOMMU_READ);
	guest_put64(&w.g, w.leaf, w.page[0] | 3);
	expect(&w, "more permission", VIOMMU_OK, CONTEXT | TABLE | SHARED | MICRO, 0);
	guest_fini(&w.g);
}

static void another_table(void **state)
{
	uint64_t above, copy;
	struct world w;

	open_world(&w);
	dma(&w, VIOMMU_READ);
	copy = guest_table(&w.g);
	memcpy(guest_at(&w.g, copy), guest_at(&w.g, w.leaf & ~UINT64_C(0xfff)), 4096);
	above = guest_entry(&w.g, w.ss, 4, IOVA, 1, GUEST_RW);
	guest_put64(&w.g, above, copy | 3);
	expect(&w, "another table", VIOMMU_OK, CONTEXT | TABLE | SHARED | MICRO, TABLE);
	guest_put64(&w.g, above, 0);
	expect(&w, "no table", VIOMMU_FAULT, CONTEXT | TABLE | SHARED | MICRO,
	       TABLE | SHARED | MICRO);
	guest_fini(&w.g);
}

static void another_context(void **state)
{
	struct told t = { .count = 0 };
	uint64_t entry;
	struct world w;

	open_world(&w);
	dma(&w, VIOMMU_READ);
	entry = guest_legacy_entry(&w.g, RID);
	guest_put64(&w.g, entry + 8, guest_get64(&w.g, entry + 8) ^ (DID ^ 9) << 8);
	expect(&w, "another domain", VIOMMU_OK, CONTEXT | TABLE | SHARED | MICRO, CONTEXT);
	guest_put64(&w.g, entry, 0);
	assert_int_equal(explain_caches(&w, &t), VIOMMU_FAULT);
	assert_int_equal(named(&t, "context cache")->flags, VIOMMU_STEP_CACHE | VIOMMU_STEP_STALE);
	assert_int_equal(named(&t, "shared TLB")->flags, VIOMMU_STEP_CACHE | VIOMMU_STEP_STALE);
	guest_fini(&w.g);
}

/* ---- messages ---- */

static int explain_msi(struct viommu *iommu, uint32_t source, uint64_t address, uint32_t data,
		       uint32_t flags, struct told *t)
{
	t->count = 0;
	return viommu_explain_msi(iommu, source, address, data, flags, tell, t);
}

static void messages_of_vtd(void **state)
{
	const uint64_t present = VTD_IRTE_P | bits_put(VTD_IRTE_V, 0x31);
	struct told t = { .count = 0 };
	struct viommu_msi msi;
	uint64_t table;
	struct world w;

	open_world(&w);
	table = guest_interrupts_on(&w.g, 3, false);
	guest_put64(&w.g, table + 2 * 16, present);
	assert_int_equal(explain_msi(w.g.iommu, RID, 0xfee00050, 0, VIOMMU_EXPLAIN_CACHES, &t),
			 VIOMMU_OK);
	assert_int_equal(t.count, 3);
	assert_string_equal(t.step[0].what, "interrupt remapping entry");
	assert_int_equal(t.step[0].gpa, table + 2 * 16);
	assert_int_equal(t.step[0].raw[0], present);
	assert_string_equal(t.step[1].what, "interrupt entry cache");
	assert_int_equal(t.step[1].words, 0);
	assert_int_equal(viommu_remap_msi(w.g.iommu, RID, 0xfee00050, 0, 0, &msi), VIOMMU_OK);
	assert_int_equal(last(&t)->raw[0], msi.address);
	assert_int_equal(last(&t)->raw[1], msi.data);

	/* another vector, not invalidated */
	guest_put64(&w.g, table + 2 * 16, present ^ bits_put(VTD_IRTE_V, 1));
	assert_int_equal(explain_msi(w.g.iommu, RID, 0xfee00050, 0, VIOMMU_EXPLAIN_CACHES, &t),
			 VIOMMU_OK);
	assert_int_equal(t.step[1].flags, VIOMMU_STEP_CACHE | VIOMMU_STEP_STALE);
	assert_int_equal(t.step[1].raw[0], present);
	assert_int_equal(last(&t)->raw[1] & 0xff, 0x30);
	guest_submit(&w.g, GUEST_IEC(2, 0), 0, 0, 0);
	guest_wait(&w.g);
	assert_int_equal(explain_msi(w.g.iommu, RID, 0xfee00050, 0, VIOMMU_EXPLAIN_CACHES, &t),
			 VIOMMU_OK);
	assert_int_equal(t.step[1].words, 0);

	guest_put64(&w.g, table + 2 * 16, 0);
	assert_int_equal(explain_msi(w.g.iommu, RID, 0xfee00050, 0, 0, &t), VIOMMU_FAULT);
	assert_int_equal(t.count, 2);
	assert_int_equal(last(&t)->reason, VTD_FR_IR_ABSENT);
	assert_int_equal(guest_take_faults(&w.g), 0);
	t.stop_at = 1;
	assert_int_equal(explain_msi(w.g.iommu, RID, 0xfee00050, 0, 0, &t), VIOMMU_MORE);
	assert_int_equal(explain_msi(w.g.iommu, RID, 0xfee00050, 0, 2, &t), VIOMMU_EINVAL);
	assert_int_equal(explain_msi(w.g.iommu, 0x10000, 0xfee00050, 0, 0, &t), VIOMMU_EINVAL);
	assert_int_equal(explain_msi(NULL, RID, 0xfee00050, 0, 0, &t), VIOMMU_EINVAL);
	assert_int_equal(viommu_explain_msi(w.g.iommu, RID, 0xfee00050, 0, 0, NULL, NULL),
			 VIOMMU_EINVAL);
	guest_fini(&w.g);
}

static void posted_messages_of_vtd(void **state)
{
	struct told t = { .count = 0 };
	uint64_t table, descriptor;
	struct world w;

	open_world(&w);
	table = guest_interrupts_on(&w.g, 3, false);
	descriptor = guest_alloc(&w.g, 1);
	guest_put64(&w.g, descriptor + 32, bits_put(VTD_PID_NV, 0x41));
	guest_put64(&w.g, table + 2 * 16,
		    VTD_IRTE_P | VTD_IRTE_IM | bits_put(VTD_IRTE_V, 0x31) |
			    bits_put(VTD_PIRTE_PDA_LO, descriptor >> 6));
	assert_int_equal(explain_msi(w.g.iommu, RID, 0xfee00050, 0, 0, &t), VIOMMU_OK);
	assert_int_equal(t.count, 3);
	assert_string_equal(t.step[1].what, "posted-interrupt descriptor");
	assert_int_equal(t.step[1].gpa, descriptor);
	assert_int_equal(t.step[1].words, 8);
	assert_int_equal(last(&t)->raw[1] & 0xff, 0x41);
	assert_int_equal(guest_get64(&w.g, descriptor), 0); /* nothing is posted */
	guest_fini(&w.g);
}

static void messages_of_virtio(void **state)
{
	struct virtio_rig *r = vr_open(NULL);
	struct told t = { .count = 0 };

	assert_int_equal(vr_attach(r, 7, 1, 0), ST_OK);
	assert_int_equal(vr_map(r, 7, 0x1000, 0x1fff, 0x5000, VR_RW), ST_OK);
	assert_int_equal(explain_msi(r->g.iommu, 1, 0x1040, 3, 0, &t), VIOMMU_OK);
	assert_int_equal(last(&t)->raw[0], 0x5040);
	assert_int_equal(explain_msi(r->g.iommu, 1, 0x3040, 3, 0, &t), VIOMMU_FAULT);
	assert_int_equal(last(&t)->reason, VR_MAPPING);
	assert_int_equal(explain_msi(r->g.iommu, 99, 0x1040, 3, 0, &t), VIOMMU_FAULT);
	assert_int_equal(t.count, 1);
	assert_int_equal(vr_drain(r), 0);
	vr_close(r);
}

static void messages_of_its(void **state)
{
	const uint64_t doorbell = ITS_RIG_BASE + 0x10040;
	struct told t = { .count = 0 };
	struct its_rig r;

	its_open(&r, &(struct its_rig_config){ 0 });
	assert_int_equal(its_command(&r, MAPD(1, 5, ITS_RIG_ITT(1))), 0);
	assert_int_equal(its_command(&r, MAPC(7, 2)), 0);
	assert_int_equal(its_command(&r, MAPTI(1, 3, 8200, 7)), 0);
	assert_int_equal(explain_msi(r.its, 1, doorbell, 3, VIOMMU_EXPLAIN_CACHES, &t), VIOMMU_OK);
	assert_int_equal(t.count, 4);
	assert_string_equal(t.step[2].what, "collection");
	assert_int_equal(t.step[2].raw[0], 7);
	assert_int_equal(t.step[2].raw[1], 2);
	assert_int_equal(last(&t)->raw[2], 8200);
	assert_int_equal(last(&t)->raw[3], 2);
	assert_int_equal(its_lpi(&r, 2, 8200) & 1, 0); /* nothing has become pending */
	assert_int_equal(explain_msi(r.its, 1, doorbell, 4, 0, &t), VIOMMU_FAULT);
	assert_int_equal(last(&t)->reason, VIOMMU_ITS_ERROR_UNMAPPED_INTERRUPT);
	assert_int_equal(explain_msi(r.its, 1, doorbell + 4, 3, 0, &t), VIOMMU_FAULT);
	assert_int_equal(last(&t)->reason, VIOMMU_ITS_REASON_ADDRESS);
	assert_int_equal(explain_msi(r.lpis, 0, doorbell, 3, 0, &t), VIOMMU_ENOTSUP);
	its_close(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ends_with_the_answer),	  cmocka_unit_test(a_step_can_stop_it),
		cmocka_unit_test(what_caches_say),	  cmocka_unit_test(missing_invalidations),
		cmocka_unit_test(more_permission),	  cmocka_unit_test(another_table),
		cmocka_unit_test(another_context),	  cmocka_unit_test(messages_of_vtd),
		cmocka_unit_test(posted_messages_of_vtd), cmocka_unit_test(messages_of_virtio),
		cmocka_unit_test(messages_of_its),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
