/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_vtd_state.c - save and restore at every point of a long scenario, into the same unit and
 * into another one; what was pending goes on (obligation 29). Refusals: test_vtd_state_refused.c.
 */

#include <string.h>

#include "vtd_unit.h"

#define NONE VIOMMU_NO_PASID
#define CAP  (GUEST_CAP_SCALABLE | VTD_CAP_PLMR | VTD_CAP_PHMR)
#define MAX  65536U

struct saved {
	unsigned char bytes[MAX];
	uint64_t length;
};

static struct saved first, second;

static void save(struct viommu *iommu, struct saved *s)
{
	memset(s->bytes, 0xcc, MAX);
	s->length = MAX;
	row_equal(viommu_save(iommu, s->bytes, &s->length), VIOMMU_OK);
	row_equal(s->length < MAX, true);
	row_equal(s->bytes[s->length], 0xcc);
}

static void same(const struct saved *a, const struct saved *b)
{
	row_equal(a->length, b->length);
	for (uint64_t i = 0; i < a->length; i++) {
		if (a->bytes[i] != b->bytes[i])
			fail_msg("row \"%s\": saved states differ at byte %u", row_name,
				 (unsigned)i);
	}
}

/* ---- the scenario: each step leaves the unit in a state that a VMM may find it in ---- */

static struct viommu_channel *parked;

static void blocked_message(struct unit *u, uint32_t sid)
{
	struct viommu_msi msi;

	viommu_remap_msi(u->g.iommu, sid, 0xfee00000, 0, 0, &msi);
}

static void registers(struct unit *u)
{
	guest_write64(&u->g, VTD_FEADDR, UINT64_C(0x12345678fee01230));
	guest_write32(&u->g, VTD_FEDATA, 0x4321);
	guest_write64(&u->g, 0xf0, UINT64_C(0x123456789abc3045)); /* IVA: write-only */
	guest_write64(&u->g, VTD_CCMD, BIT(61) | 0xabcd);
	guest_write64(&u->g, VTD_PHMBASE, UINT64_C(0x800000000));
}

static void tables(struct unit *u)
{
	guest_root(&u->g, VTD_TTM_SCALABLE);
	guest_write64(&u->g, VTD_RTADDR, 0x55555000); /* not latched */
}

static void queue(struct unit *u)
{
	guest_queue_on(&u->g, true, 0);
	guest_wait(&u->g);
}

static void remapping(struct unit *u)
{
	guest_command(&u->g, VTD_G_TE, true);
	where(u->dev, UNIT_IOVA, VIOMMU_READ);
}

static void interrupts(struct unit *u)
{
	guest_interrupts_on(&u->g, 3, true);
	guest_write64(&u->g, VTD_IRTA, 0x66666000); /* not latched */
}

static void masked_fault(struct unit *u)
{
	blocked_message(u, 0x100);
}

static void overflow(struct unit *u)
{
	for (uint32_t i = 0; i < 12; i++)
		blocked_message(u, 0x200 + i);
}

static void partly_cleared(struct unit *u)
{
	guest_write32(&u->g, 0x220 + 12, UINT32_C(1) << 31);
	guest_write32(&u->g, VTD_FSTS, 1);
}

static void queue_error(struct unit *u)
{
	guest_submit(&u->g, 0xf, 0, 0, 0);
	guest_submit_wait(&u->g);
	guest_ring(&u->g);
}

static void queue_repaired(struct unit *u)
{
	guest_put64(&u->g, u->g.queue + guest_read64(&u->g, VTD_IQH), 4);
	guest_write32(&u->g, VTD_FSTS, (uint32_t)VTD_FSTS_IQE);
}

static void pending_wait(struct unit *u)
{
	viommu_enter(parked);
	guest_submit(&u->g, 0x12, 0, 0, 0);
	guest_submit_wait(&u->g);
	row_equal(guest_ring(&u->g), VIOMMU_PENDING);
}

static void pending_status(struct unit *u)
{
	row_equal(gcmd(u, 0, VTD_G_TE), VIOMMU_PENDING);
}

static void pending_registers(struct unit *u)
{
	guest_write64(&u->g, VTD_CCMD, BIT(63) | BIT(61));
	guest_write64(&u->g, 0xf8, BIT(63) | BIT(60));
}

static void all_done(struct unit *u)
{
	viommu_leave(parked);
	for (unsigned i = 0; i < 100 && viommu_run(u->g.iommu) == VIOMMU_PENDING; i++)
		;
}

static void page_requests(struct unit *u)
{
	const struct viommu_page_request r = {
		.address = 0x1000, .pasid = NONE, .access = VIOMMU_READ, .last = 1
	};

	guest_page_queue_on(&u->g, 0);
	guest_command(&u->g, VTD_G_TE, true);
	row_equal(viommu_request_page(u->dev, &r), VIOMMU_OK);
}

static void protected(struct unit *u)
{
	guest_write32(&u->g, VTD_PMEN, UINT32_C(1) << 31);
}

static void time_out(struct unit *u)
{
	u->g.invalidate_result = VIOMMU_PENDING;
	trace_clear(&u->t);
	submit(u, Q_DEVTLB(UNIT_RID), 0);
	viommu_invalidation_done(u->dev, trace_invalidation(&u->t, 0)->token, VIOMMU_FAULT);
}

static void time_out_shown(struct unit *u)
{
	viommu_run(u->g.iommu);
}

static void completion_event(struct unit *u)
{
	guest_write32(&u->g, VTD_FSTS, (uint32_t)VTD_FSTS_ITE);
	submit(u, 5 | BIT(4), 0);
}

static void nothing(struct unit *u)
{
	(void)u;
}

static const struct {
	const char *name;
	void (*step)(struct unit *);
} scenario[] = {
	{ "power-on", nothing },
	{ "registers are programmed", registers },
	{ "root table, and another RTADDR that is not latched", tables },
	{ "queue on", queue },
	{ "TE on", remapping },
	{ "interrupt table, and another IRTA that is not latched", interrupts },
	{ "a fault while the event is masked", masked_fault },
	{ "records overflow", overflow },
	{ "the first record is cleared, and PFO", partly_cleared },
	{ "an error in the queue", queue_error },
	{ "repaired", queue_repaired },
	{ "a wait that waits for a section", pending_wait },
	{ "TES too", pending_status },
	{ "ICC and IVT too", pending_registers },
	{ "all done", all_done },
	{ "a page request while its event is masked", page_requests },
	{ "protected memory", protected },
	{ "a time-out that is not yet shown", time_out },
	{ "shown", time_out_shown },
	{ "a completion event while masked", completion_event },
};

static struct unit *open_scenario(void)
{
	struct unit *u = unit_open(CAP, GUEST_ECAP_SCALABLE);

	unit_scalable_tables(u);
	parked = guest_channel(&u->g, u->dev, NONE);
	return u;
}

static void read_all(struct viommu *iommu, uint32_t *to)
{
	for (uint32_t at = 0; at < 0x400; at += 4) {
		uint64_t value = 0;

		row_equal(viommu_reg_read(iommu, at, 4, &value), VIOMMU_OK);
		to[at / 4] = (uint32_t)value;
	}
}

/* The same unit, after a reset: every register reads as before, and the state is the same. */
static void test_same_unit(void **state)
{
	struct unit *u = open_scenario();
	uint32_t before[0x100];
	uint32_t after[0x100];

	for (size_t i = 0; i < ROWS(scenario); i++) {
		row_name = scenario[i].name;
		scenario[i].step(u);
		save(u->g.iommu, &first);
		save(u->g.iommu, &second); /* saving changes nothing */
		same(&first, &second);
		read_all(u->g.iommu, before);
		row_equal(viommu_reset(u->g.iommu) >= 0, true);
		row_equal(viommu_restore(u->g.iommu, first.bytes, first.length) >= 0, true);
		read_all(u->g.iommu, after);
		assert_memory_equal(before, after, sizeof(before));
		save(u->g.iommu, &second);
		same(&first, &second);
	}
	unit_close(u);
}

/* Another unit of the same configuration, as on another host. */
static void test_another_unit(void **state)
{
	struct unit *u = open_scenario();
	struct viommu_vtd_config config = { .size = sizeof(config),
					    .cap = CAP,
					    .ecap = GUEST_ECAP_SCALABLE };
	struct viommu *other;

	for (size_t i = 0; i < ROWS(scenario); i++) {
		row_name = scenario[i].name;
		scenario[i].step(u);
		save(u->g.iommu, &first);
		row_equal(viommu_vtd_new(u->g.vm, &config, &other), VIOMMU_OK);
		row_equal(viommu_restore(other, first.bytes, first.length) >= 0, true);
		save(other, &second);
		same(&first, &second);
		row_equal(viommu_free(other), VIOMMU_OK);
	}
	unit_close(u);
}

/* ---- what was pending goes on ---- */

static int move(struct unit *u)
{
	int result;

	save(u->g.iommu, &first);
	row_equal(viommu_reset(u->g.iommu) >= 0, true);
	result = viommu_restore(u->g.iommu, first.bytes, first.length);
	row_equal(result >= 0, true);
	trace_clear(&u->t);
	return result;
}

static void test_pending_goes_on(void **state)
{
	struct unit *u = open_scenario();

	tables(u);
	queue(u);
	remapping(u);
	pending_wait(u);
	row_equal(gcmd(u, 0, VTD_G_TE), VIOMMU_PENDING);
	pending_registers(u);
	row_name = "29 a wait, TES, ICC and IVT that were pending complete";
	row_equal(move(u), VIOMMU_PENDING);
	row_equal(guest_waited(&u->g), false);
	row_equal(gsts(u) & VTD_G_TE, VTD_G_TE);
	viommu_leave(parked);
	row_equal(viommu_run(u->g.iommu), VIOMMU_OK);
	row_equal(guest_waited(&u->g), true);
	row_equal(gsts(u) & VTD_G_TE, 0);
	row_equal(guest_read64(&u->g, VTD_CCMD) >> 63, 0);
	row_equal(guest_read64(&u->g, 0xf8) >> 63, 0);
	row_equal(guest_read64(&u->g, VTD_IQH), u->g.tail);
	unit_close(u);
}

static void test_latches(void **state)
{
	struct unit *u = open_scenario();
	uint64_t table;

	row_name = "29 what SRTP and SIRTP latched counts, not what the registers say";
	tables(u);
	queue(u);
	remapping(u);
	table = guest_interrupts_on(&u->g, 3, true);
	guest_put64(&u->g, table, 1 | 0x99 << 16);
	guest_write64(&u->g, VTD_IRTA, 0x66666000);
	row_equal(where(u->dev, UNIT_IOVA, VIOMMU_READ), u->page[0]);
	for (unsigned i = 0; i < 2; i++) {
		struct viommu_msi msi;

		row_equal(guest_read64(&u->g, VTD_RTADDR), 0x55555000);
		row_equal(where(u->dev, UNIT_IOVA, VIOMMU_READ), u->page[0]);
		row_equal(viommu_remap_msi(u->g.iommu, 1, 0xfee00010, 0, 0, &msi), VIOMMU_OK);
		row_equal(msi.vector, 0x99);
		move(u);
		viommu_run(u->g.iommu);
	}
	row_name = "29 nothing that was cached before is used";
	guest_ss_map(&u->g, u->ss, 4, UNIT_IOVA, u->page[3], 12, GUEST_RW);
	move(u);
	row_equal(where(u->dev, UNIT_IOVA, VIOMMU_READ), u->page[3]);
	unit_close(u);
}

static void test_events_go_on(void **state)
{
	struct unit *u = open_scenario();

	queue(u);
	interrupts(u);
	registers(u);
	masked_fault(u);
	row_name = "29 a pending fault event is sent when unmasked";
	move(u);
	row_equal(guest_read32(&u->g, VTD_FECTL), BIT(31) | BIT(30));
	row_equal(trace_count(&u->t, GUEST_ON_MSI), 0);
	guest_write32(&u->g, VTD_FECTL, 0);
	row_equal(trace_count(&u->t, GUEST_ON_MSI), 1);
	row_equal(trace_msi(&u->t, 0).address, UINT64_C(0x12345678fee01230));
	row_equal(trace_msi(&u->t, 0).data, 0x4321);
	row_name = "29 records go on at the next one";
	move(u);
	blocked_message(u, 0x300);
	row_equal(guest_read64(&u->g, 0x220 + 16 + 8) & 0xffff, 0x300);
	row_name = "29 overflow still drops";
	overflow(u);
	move(u);
	guest_write32(&u->g, 0x220 + 12, UINT32_C(1) << 31);
	blocked_message(u, 0x400);
	row_equal(guest_read64(&u->g, 0x228) >> 63, 0);
	guest_write32(&u->g, VTD_FSTS, 1);
	blocked_message(u, 0x400);
	row_equal(guest_read64(&u->g, 0x228) & 0xffff, 0x400);
	unit_close(u);
}

static void test_queue_error_goes_on(void **state)
{
	struct unit *u = open_scenario();

	queue(u);
	queue_error(u);
	row_name = "29 a queue that stopped stays stopped, and restarts";
	move(u);
	row_equal(viommu_run(u->g.iommu), VIOMMU_OK);
	row_equal(fsts(u), VTD_FSTS_IQE);
	row_equal(guest_read64(&u->g, VTD_IQERCD), 3);
	row_equal(guest_waited(&u->g), false);
	queue_repaired(u);
	row_equal(guest_waited(&u->g), true);
	row_name = "29 the queue is where it was latched";
	guest_write64(&u->g, VTD_IQA, 0x77777000);
	move(u);
	guest_wait(&u->g);
	row_name = "29 a time-out that was not yet shown";
	time_out(u);
	move(u);
	viommu_run(u->g.iommu);
	row_equal(fsts(u), VTD_FSTS_ITE);
	unit_close(u);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same_unit),	cmocka_unit_test(test_another_unit),
		cmocka_unit_test(test_pending_goes_on), cmocka_unit_test(test_latches),
		cmocka_unit_test(test_events_go_on),	cmocka_unit_test(test_queue_error_goes_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
