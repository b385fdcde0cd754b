/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_vtd_fault.c - fault records, status and event (7.2, 7.3, 11.4.7; obligations 24, 25).
 *
 * A compatibility-format message that is blocked (reason 25) is a fault of any requester one likes,
 * without tables.
 */

#include "vtd_unit.h"

#define RECORDS 0x220U /* CAP.FRO of the default */
#define F	BIT(63)
#define PFO	1U
#define PPF	2U
#define IQE	0x10U
#define ITE	0x40U
#define IM	BIT(31)
#define IP	BIT(30)

static struct unit *open_records(unsigned count, uint64_t ecap)
{
	uint64_t cap = viommu_vtd_default_cap() & ~VTD_CAP_NFR;
	struct unit *u = unit_open(cap | bits_put(VTD_CAP_NFR, count - 1), ecap);

	guest_queue_on(&u->g, false, 0);
	guest_interrupts_on(&u->g, 0, false);
	trace_clear(&u->t);
	return u;
}

static void fault(struct unit *u, uint32_t sid)
{
	struct viommu_msi msi;

	row_equal(viommu_remap_msi(u->g.iommu, sid, 0xfee00000, 0, 0, &msi), VIOMMU_FAULT);
	row_equal(msi.reason, 0x25);
}

static uint64_t high(struct unit *u, unsigned n)
{
	return guest_read64(&u->g, RECORDS + 16 * n + 8);
}

/* What a compatibility fault leaves. */
static uint64_t record_of(uint32_t sid)
{
	return F | UINT64_C(0x25) << 32 | sid;
}

static void clear_record(struct unit *u, unsigned n)
{
	guest_write32(&u->g, RECORDS + 16 * n + 12, UINT32_C(1) << 31);
}

static uint32_t status(struct unit *u)
{
	return guest_read32(&u->g, VTD_FSTS);
}

/* ---- records ---- */

static void test_round_robin(void **state)
{
	struct unit *u = open_records(8, GUEST_ECAP_LEGACY);

	row_name = "7.2.1 records are used in turn, FRI stays with the first";
	for (uint32_t i = 0; i < 8; i++) {
		fault(u, 0x100 + i);
		for (uint32_t k = 0; k < 8; k++)
			row_equal(high(u, k), k <= i ? record_of(0x100 + k) : 0);
		row_equal(status(u), PPF);
	}
	row_name = "7.2.1 overflow: PFO, nothing is overwritten";
	fault(u, 0x200);
	row_equal(status(u), PPF | PFO);
	for (uint32_t k = 0; k < 8; k++)
		row_equal(high(u, k), record_of(0x100 + k));
	row_name = "PFO stops all recording until it is cleared";
	clear_record(u, 0);
	clear_record(u, 1);
	fault(u, 0x201);
	row_equal(high(u, 0) & F, 0);
	row_equal(status(u), PPF | PFO);
	guest_write32(&u->g, VTD_FSTS, PFO);
	row_equal(status(u), PPF); /* FRI stays */
	row_name = "goes on where it stopped";
	fault(u, 0x202);
	row_equal(high(u, 0), record_of(0x202));
	row_equal(high(u, 1) & F, 0);
	fault(u, 0x203);
	row_equal(high(u, 1), record_of(0x203));
	row_name = "PPF clears with the last F";
	for (uint32_t i = 0; i < 8; i++) {
		row_equal(status(u) & PPF, PPF);
		clear_record(u, i);
	}
	row_equal(status(u) & 0xff, 0);
	row_name = "FRI is the record with which PPF rises";
	fault(u, 0x300);
	row_equal(status(u), PPF | 2 << 8);
	row_equal(high(u, 2), record_of(0x300));
	fault(u, 0x301);
	row_equal(status(u), PPF | 2 << 8);
	clear_record(u, 2);
	row_equal(status(u) & PPF, PPF);
	unit_close(u);
}

static void test_one_record(void **state)
{
	struct unit *u = open_records(1, GUEST_ECAP_LEGACY);

	row_name = "NFR 1";
	for (uint32_t i = 0; i < 3; i++) {
		fault(u, 1 + i);
		row_equal(high(u, 0), record_of(1 + i));
		row_equal(status(u), PPF);
		fault(u, 0x10);
		row_equal(status(u), PPF | PFO);
		clear_record(u, 0);
		row_equal(status(u), PFO);
		fault(u, 0x11);
		row_equal(high(u, 0) & F, 0);
		guest_write32(&u->g, VTD_FSTS, PFO);
		row_equal(status(u), 0);
	}
	unit_close(u);
}

static void test_many_records(void **state)
{
	uint64_t cap = (viommu_vtd_default_cap() & ~VTD_CAP_NFR) | bits_put(VTD_CAP_NFR, 255);
	struct unit *u = unit_open(cap, GUEST_ECAP_LEGACY);

	row_name = "NFR 256: FRI has 8 bits";
	guest_interrupts_on(&u->g, 0, false);
	for (uint32_t i = 0; i < 256; i++)
		fault(u, i);
	for (uint32_t i = 0; i < 256; i++)
		row_equal(high(u, i), record_of(i));
	row_equal(status(u), PPF);
	for (uint32_t i = 0; i < 256; i++)
		clear_record(u, i);
	for (uint32_t i = 0; i < 255; i++) {
		fault(u, i);
		row_equal(status(u), PPF | i << 8);
		clear_record(u, i);
	}
	fault(u, 0);
	row_equal(status(u), PPF | 255 << 8);
	fault(u, 1);
	row_equal(high(u, 0), record_of(1));
	unit_close(u);
}

static void test_collapse(void **state)
{
	struct unit *u = open_records(2, GUEST_ECAP_LEGACY);

	row_name = "7.2.1 a requester whose fault is pending is not recorded again";
	fault(u, 0x100);
	fault(u, 0x100);
	row_equal(high(u, 0), record_of(0x100));
	row_equal(high(u, 1), 0);
	fault(u, 0x101);
	row_equal(high(u, 1), record_of(0x101));
	row_name = "collapsing is no overflow";
	fault(u, 0x100);
	fault(u, 0x101);
	row_equal(status(u), PPF);
	row_name = "all 16 bits of the source id count";
	clear_record(u, 0);
	fault(u, 0x8101);
	row_equal(high(u, 0), record_of(0x8101));
	row_name = "cleared: recorded again";
	clear_record(u, 1);
	fault(u, 0x101);
	row_equal(high(u, 1), record_of(0x101));
	unit_close(u);
}

/* ---- W1C and read-only bits ---- */

static void test_writes(void **state)
{
	struct unit *u = open_records(2, GUEST_ECAP_LEGACY);
	uint64_t low;

	row_name = "11.4.7.10 F is W1C, everything else of a record is read-only";
	fault(u, 0x100);
	fault(u, 0x101);
	fault(u, 0x102);
	row_equal(status(u), PPF | PFO);
	low = guest_read64(&u->g, RECORDS);
	guest_write64(&u->g, RECORDS, UINT64_MAX);
	row_equal(guest_read64(&u->g, RECORDS), low);
	guest_write64(&u->g, RECORDS + 8, ~F);
	row_equal(high(u, 0), record_of(0x100));
	guest_write64(&u->g, RECORDS + 8, 0);
	row_equal(high(u, 0), record_of(0x100));
	guest_write32(&u->g, RECORDS + 8, UINT32_MAX); /* the half without F */
	row_equal(high(u, 0), record_of(0x100));
	guest_write64(&u->g, RECORDS + 8, F);
	row_equal(high(u, 0) & F, 0);
	row_equal(high(u, 1), record_of(0x101));
	row_name = "11.4.7.1 FSTS: PFO is W1C, PPF and FRI are read-only";
	guest_write32(&u->g, VTD_FSTS, 0);
	row_equal(status(u), PPF | PFO);
	guest_write32(&u->g, VTD_FSTS, UINT32_MAX & ~PFO);
	row_equal(status(u), PPF | PFO);
	guest_write32(&u->g, VTD_FSTS, PFO);
	row_equal(status(u), PPF);
	guest_write32(&u->g, VTD_FSTS, 0x83); /* what Linux writes */
	row_equal(status(u), PPF);
	row_name = "a fault in a record that was cleared is there whole";
	fault(u, 0x103);
	row_equal(high(u, 0), record_of(0x103));
	unit_close(u);
}

/* ---- events ---- */

struct event_step {
	const char *name;
	enum { FAULT_OF, CLEAR_ALL, CLEAR_F, CLEAR_FSTS, CONTROL, BAD_DESCRIPTOR } what;
	uint64_t with;	/* source id, record, FSTS bits, FECTL */
	unsigned msis;	/* messages that it causes */
	uint32_t fectl; /* after it */
	uint32_t fsts;	/* bits 7:0 */
};

static void do_step(struct unit *u, const struct event_step *s)
{
	switch (s->what) {
	case FAULT_OF:
		fault(u, (uint32_t)s->with);
		break;
	case CLEAR_ALL:
		for (unsigned i = 0; i < 2; i++)
			clear_record(u, i);
		guest_write32(&u->g, VTD_FSTS, PFO | IQE | ITE);
		break;
	case CLEAR_F:
		clear_record(u, (unsigned)s->with);
		break;
	case CLEAR_FSTS:
		if (s->with & IQE) { /* and nothing is left to fetch */
			u->g.tail = guest_read64(&u->g, VTD_IQH);
			guest_ring(&u->g);
		}
		guest_write32(&u->g, VTD_FSTS, (uint32_t)s->with);
		break;
	case CONTROL:
		guest_write32(&u->g, VTD_FECTL, (uint32_t)s->with);
		break;
	default:
		submit(u, 0xf, 0);
	}
}

static void run_steps(const struct event_step *steps, size_t count)
{
	struct unit *u = open_records(2, GUEST_ECAP_LEGACY);

	guest_write32(&u->g, VTD_FEDATA, 0x4021);
	guest_write32(&u->g, VTD_FEADDR, 0xfee0100c);
	guest_write32(&u->g, VTD_FEUADDR, 0x12345600);
	for (size_t i = 0; i < count; i++) {
		row_name = steps[i].name;
		trace_clear(&u->t);
		do_step(u, &steps[i]);
		row_equal(trace_count(&u->t, GUEST_ON_MSI), steps[i].msis);
		row_equal(guest_read32(&u->g, VTD_FECTL), steps[i].fectl);
		row_equal(fsts(u), steps[i].fsts);
		for (unsigned k = 0; k < steps[i].msis; k++) { /* obligation 25 */
			row_equal(trace_msi(&u->t, k).address, UINT64_C(0x12345600fee0100c));
			row_equal(trace_msi(&u->t, k).data, 0x4021);
		}
	}
	unit_close(u);
}

static void test_event(void **state)
{
	static const struct event_step steps[] = {
		{ "unmask, nothing pending", CONTROL, 0, 0, 0, 0 },
		{ "7.3 the first fault sends", FAULT_OF, 1, 1, 0, PPF },
		{ "none while PPF is set", FAULT_OF, 2, 0, 0, PPF },
		{ "nor for PFO then", FAULT_OF, 3, 0, 0, PPF | PFO },
		{ "one F cleared", CLEAR_F, 0, 0, 0, PPF | PFO },
		{ "the other: PFO is still pending", CLEAR_F, 1, 0, 0, PFO },
		{ "none while PFO is set", FAULT_OF, 4, 0, 0, PFO },
		{ "IQE: none while PFO is set", BAD_DESCRIPTOR, 0, 0, 0, PFO | IQE },
		{ "PFO cleared", CLEAR_FSTS, PFO, 0, 0, IQE },
		{ "a fault: none while IQE is set", FAULT_OF, 5, 0, 0, IQE | PPF },
		{ "IQE cleared", CLEAR_FSTS, IQE, 0, 0, PPF },
		{ "all cleared", CLEAR_ALL, 0, 0, 0, 0 },
		{ "sends again", FAULT_OF, 6, 1, 0, PPF },
		{ "all cleared again", CLEAR_ALL, 0, 0, 0, 0 },
		{ "queue errors share the event", BAD_DESCRIPTOR, 0, 1, 0, IQE },
	};

	run_steps(steps, ROWS(steps));
}

static void test_event_masked(void **state)
{
	static const struct event_step steps[] = {
		{ "masked: IP", FAULT_OF, 1, 0, IM | IP, PPF },
		{ "IP is read-only", CONTROL, IM, 0, IM | IP, PPF },
		{ "unmasked: sent once, IP clears", CONTROL, 0, 1, 0, PPF },
		{ "unmasked again: nothing", CONTROL, 0, 0, 0, PPF },
		{ "IP cannot be written", CONTROL, IP, 0, 0, PPF },
		{ "masked and unmasked: nothing is pending", CONTROL, IM, 0, IM, PPF },
		{ "PPF is set: no new event", FAULT_OF, 2, 0, IM, PPF },
		{ "unmasked", CONTROL, 0, 0, 0, PPF },
		{ "cleared", CLEAR_ALL, 0, 0, 0, 0 },
		{ "masked", CONTROL, IM, 0, IM, 0 },
		{ "IP again", FAULT_OF, 3, 0, IM | IP, PPF },
		{ "IP clears with the last F", CLEAR_F, 0, 0, IM, 0 },
		{ "nothing to send any more", CONTROL, 0, 0, 0, 0 },
	};

	run_steps(steps, ROWS(steps));
}

static void test_event_pending_clears(void **state)
{
	static const struct event_step steps[] = {
		{ "IP", FAULT_OF, 1, 0, IM | IP, PPF },
		{ "and IQE", BAD_DESCRIPTOR, 0, 0, IM | IP, PPF | IQE },
		{ "IP stays while IQE is set", CLEAR_F, 0, 0, IM | IP, IQE },
		{ "and goes with it (through FSTS)", CLEAR_FSTS, IQE, 0, IM, 0 },
		{ "by IQE", BAD_DESCRIPTOR, 0, 0, IM | IP, IQE },
		{ "fault 1", FAULT_OF, 2, 0, IM | IP, IQE | PPF },
		{ "fault 2", FAULT_OF, 3, 0, IM | IP, IQE | PPF },
		{ "overflow", FAULT_OF, 4, 0, IM | IP, IQE | PPF | PFO },
		{ "IQE cleared: PPF and PFO remain", CLEAR_FSTS, IQE, 0, IM | IP, PPF | PFO },
		{ "F cleared", CLEAR_F, 0, 0, IM | IP, PPF | PFO },
		{ "F cleared: PFO remains", CLEAR_F, 1, 0, IM | IP, PFO },
		{ "PFO cleared", CLEAR_FSTS, PFO, 0, IM, 0 },
	};

	run_steps(steps, ROWS(steps));
}

/* Without EIM there is no upper half. */
static void test_event_address(void **state)
{
	struct unit *u = open_records(1, GUEST_ECAP_LEGACY & ~VTD_ECAP_EIM);

	row_name = "11.4.7.5 EIM=0: upper address is 0";
	guest_write64(&u->g, VTD_FEADDR, UINT64_MAX);
	guest_write32(&u->g, VTD_FECTL, 0);
	fault(u, 1);
	row_equal(trace_count(&u->t, GUEST_ON_MSI), 1);
	row_equal(trace_msi(&u->t, 0).address, 0xfffffffc);
	unit_close(u);
}

/* Messages of the unit itself do not pass through remapping (notes section 10). */
static void test_event_is_not_remapped(void **state)
{
	struct unit *u = open_records(1, GUEST_ECAP_LEGACY);

	row_name = "10 the unit's own messages are not remapped";
	guest_write64(&u->g, VTD_FEADDR, 0xfee00010); /* remappable format, index 0: not present */
	guest_write32(&u->g, VTD_FECTL, 0);
	fault(u, 1);
	row_equal(trace_count(&u->t, GUEST_ON_MSI), 1);
	row_equal(trace_msi(&u->t, 0).address, 0xfee00010);
	row_equal(status(u), PPF);
	unit_close(u);
}

static void test_resolve_and_reset(void **state)
{
	struct unit *u = open_records(4, GUEST_ECAP_LEGACY);
	struct viommu_msi msi;

	row_name = "7.3 resolving records nothing";
	guest_write32(&u->g, VTD_FECTL, 0);
	row_equal(viommu_remap_msi(u->g.iommu, 1, 0xfee00000, 0, VIOMMU_MSI_RESOLVE, &msi),
		  VIOMMU_FAULT);
	row_equal(status(u), 0);
	row_equal(trace_count(&u->t, GUEST_ON_MSI), 0);
	row_name = "reset forgets what was pending, and where the next record goes";
	fault(u, 1);
	fault(u, 2);
	row_equal(viommu_reset(u->g.iommu), VIOMMU_OK);
	row_equal(status(u), 0);
	row_equal(high(u, 0), 0);
	guest_interrupts_on(&u->g, 0, false);
	fault(u, 3);
	row_equal(high(u, 0), record_of(3));
	row_equal(guest_read32(&u->g, VTD_FECTL), IM | IP);
	unit_close(u);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_robin),
		cmocka_unit_test(test_one_record),
		cmocka_unit_test(test_many_records),
		cmocka_unit_test(test_collapse),
		cmocka_unit_test(test_writes),
		cmocka_unit_test(test_event),
		cmocka_unit_test(test_event_masked),
		cmocka_unit_test(test_event_pending_clears),
		cmocka_unit_test(test_event_address),
		cmocka_unit_test(test_event_is_not_remapped),
		cmocka_unit_test(test_resolve_and_reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
