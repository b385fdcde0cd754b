/* SPDX-License-Identifier: BSD-3-Clause */
/* test_kvm_irq.c - interrupts of devices that a real KVM delivers: irqfd, and KVM_SIGNAL_MSI. */
#include "kvm_rig.h"

#define QUEUE (RIG_GSI + 6) /* a GSI of the NIC */
#define INDEX 9U	    /* its table entry */

/* ---- destinations ---- */

#define NOBODY UINT32_MAX

struct destination_row {
	const char *name;
	bool eime;
	bool logical;
	uint32_t destination;
	uint32_t cpu;
	uint8_t vector;
};

/* Logical ids in x2APIC mode (SDM vol. 3, 10.12.10.2): cluster is id 19:4, a bit for id 3:0. */
static const struct destination_row destinations[] = {
	{ "9.10 EIME=0 DST[15:8], APIC 0", false, false, 0, RIG_CPU_0, 0x31 },
	{ "9.10 EIME=0 DST[15:8], APIC 1", false, false, 1, RIG_CPU_1, 0xfe },
	{ "9.10 EIME=0 nobody's id", false, false, 9, NOBODY, 0x41 },
	{ "9.10 EIME=1, APIC 0", true, false, 0, RIG_CPU_0, 0x31 },
	{ "9.10 EIME=1, APIC 1", true, false, 1, RIG_CPU_1, 0x80 },
	{ "9.10 EIME=1, APIC 0x101", true, false, 0x101, RIG_CPU_X2, 0x31 },
	{ "9.10 EIME=1 is not cut to 8 bits", true, false, 0x201, NOBODY, 0x41 },
	{ "9.10 EIME=1 is not cut to 24 bits", true, false, 0x1000001, NOBODY, 0x41 },
	{ "9.10 EIME=1 is not cut to 16 bits", true, false, 0x10101, NOBODY, 0x41 },
	{ "9.10 EIME=1 DM=1, cluster 0x10", true, true, 0x100002, RIG_CPU_X2, 0x55 },
	{ "9.10 EIME=1 DM=1, another in the cluster", true, true, 0x100004, NOBODY, 0x55 },
};

static void check_destination(struct rig *r, const struct destination_row *row)
{
	const struct rig_entry e = { .destination = row->destination,
				     .logical = row->logical,
				     .vector = row->vector };

	rig_put(r, INDEX, &e);
	rig_invalidate(r, INDEX, 0);
	check_eq(row->name, rig_route(r, QUEUE, INDEX), VIOMMU_OK);
	if (row->cpu == NOBODY)
		rig_raise_expect_nothing(r, row->name, QUEUE);
	else
		rig_raise_expect(r, row->name, QUEUE, row->cpu, row->vector);
}

static void test_destinations(void **state)
{
	static struct rig r;

	for (unsigned eime = 0; eime < 2; eime++) {
		rig_open(&r, 0, RIG_S_256, eime);
		rig_bind(&r, QUEUE);
		for (size_t i = 0; i < sizeof(destinations) / sizeof(destinations[0]); i++) {
			/* A kernel without ids above 255 has no such vCPU. */
			if (destinations[i].cpu == RIG_CPU_X2 && rig_apic(&r, RIG_CPU_X2) != 0x101)
				continue;
			if (destinations[i].eime == eime)
				check_destination(&r, &destinations[i]);
		}
		rig_close(&r);
	}
}

static void test_vectors(void **state)
{
	static struct rig r;

	rig_open(&r, 0, RIG_S_256, true);
	rig_bind(&r, QUEUE);
	assert_int_equal(rig_route(&r, QUEUE, INDEX), VIOMMU_FAULT);
	for (unsigned vector = 16; vector < 256; vector++) {
		unsigned cpu = vector % RIG_CPUS;

		rig_redirect(&r, INDEX, cpu, (uint8_t)vector);
		rig_raise_expect(&r, "9.10 V", QUEUE, cpu, vector);
	}
	rig_close(&r);
}

/* 5.1.2.2: index is handle plus subhandle, as devices with several vectors use it. */
static void test_subhandles(void **state)
{
	static struct rig r;
	struct viommu_route route = { .size = sizeof(route),
				      .source = RIG_NIC,
				      .address = rig_address(INDEX) | VTD_MSI_SHV };

	rig_open(&r, 0, RIG_S_256, true);
	for (uint32_t i = 0; i < 4; i++) {
		rig_redirect(&r, INDEX + i, RIG_CPU_1, (uint8_t)(0x60 + i));
		route.gsi = QUEUE + i;
		route.data = i;
		assert_int_equal(rig_set(&r, &route), VIOMMU_OK);
		rig_bind(&r, route.gsi);
	}
	for (uint32_t i = 0; i < 4; i++)
		rig_raise_expect(&r, "SHV=1", QUEUE + i, RIG_CPU_1, 0x60 + i);
	rig_close(&r);
}

/* ---- the guest changes its table ---- */

static void test_rewrite(void **state)
{
	static struct rig r;

	rig_open(&r, 0, RIG_S_256, true);
	rig_bind(&r, QUEUE);
	rig_redirect(&r, INDEX, RIG_CPU_1, 0x41);
	assert_int_equal(rig_route(&r, QUEUE, INDEX), VIOMMU_OK);
	rig_raise_expect(&r, "before", QUEUE, RIG_CPU_1, 0x41);

	rig_forget(&r);
	rig_redirect(&r, INDEX, RIG_CPU_X2, 0x42);
	assert_int_equal(r.changed, 1);
	assert_int_equal(r.changes, 1);
	assert_int_equal(r.kernel.commits, 1);
	assert_int_equal(r.late, 0);
	rig_raise_expect(&r, "another vector and vCPU", QUEUE, RIG_CPU_X2, 0x42);

	rig_redirect(&r, INDEX, RIG_CPU_1, 0x41);
	rig_raise_expect(&r, "back", QUEUE, RIG_CPU_1, 0x41);
	rig_close(&r);
}

/* What is raised as soon as the guest's wait is over: obligation 14. */
struct moment {
	struct rig *rig;
	unsigned raised;
	uint64_t commits;
};

static void raise_at_completion(void *opaque, enum guest_event event)
{
	struct moment *m = opaque;

	if (event != GUEST_ON_DIRTY || m->raised || !guest_waited(&m->rig->g))
		return;
	m->raised++;
	m->commits = m->rig->kernel.commits;
	rig_raise(m->rig, QUEUE);
}

static void test_kernel_before_completion(void **state)
{
	static struct rig r;
	struct moment m = { .rig = &r };

	rig_open(&r, 0, RIG_S_256, true);
	rig_bind(&r, QUEUE);
	rig_redirect(&r, INDEX, RIG_CPU_1, 0x41);
	assert_int_equal(rig_route(&r, QUEUE, INDEX), VIOMMU_OK);
	rig_forget(&r);
	r.g.hook = raise_at_completion;
	r.g.hook_opaque = &m;

	rig_redirect(&r, INDEX, RIG_CPU_0, 0x43);
	assert_int_equal(m.raised, 1);
	assert_int_equal(m.commits, 1);
	rig_expect(&r, "changed: new at completion", RIG_CPU_0, 0x43);

	m.raised = 0;
	rig_remove(&r, INDEX);
	assert_int_equal(m.raised, 1);
	assert_int_equal(m.commits, 2);
	rig_expect_nothing(&r, "cleared: nothing at completion");
	r.g.hook = NULL;
	rig_close(&r);
}

static void test_clear_and_set(void **state)
{
	static struct rig r;

	rig_open(&r, 0, RIG_S_256, true);
	rig_bind(&r, QUEUE);
	rig_redirect(&r, INDEX, RIG_CPU_1, 0x41);
	assert_int_equal(rig_route(&r, QUEUE, INDEX), VIOMMU_OK);
	rig_raise_expect(&r, "P=1", QUEUE, RIG_CPU_1, 0x41);
	rig_remove(&r, INDEX);
	rig_raise_expect_nothing(&r, "P=0", QUEUE);
	assert_int_equal(guest_take_faults(&r.g), 0);
	rig_redirect(&r, INDEX, RIG_CPU_0, 0x47);
	rig_raise_expect(&r, "P=1 again", QUEUE, RIG_CPU_0, 0x47);

	guest_put64(&r.g, r.table + INDEX * 16, VTD_IRTE_P | VTD_IRTE_RSVD_24);
	rig_invalidate(&r, INDEX, 0);
	rig_raise_expect_nothing(&r, "reserved bits", QUEUE);
	assert_int_equal(guest_take_faults(&r.g), 0);
	rig_close(&r);
}

/* ---- whose message it is ---- */

struct source_row {
	const char *name;
	unsigned svt;
	unsigned sq;
	uint16_t sid;
	uint16_t source;
	bool delivered;
};

/* 9.10 SVT, SQ: what is compared; SVT 2: start bus is SID[15:8], end bus SID[7:0] */
static const struct source_row sources[] = {
	{ "SVT=0", 0, 0, 0x0010, 0x0018, true },
	{ "SVT=1 SQ=0, itself", 1, 0, 0x0010, 0x0010, true },
	{ "SVT=1 SQ=0, another device", 1, 0, 0x0010, 0x0018, false },
	{ "SVT=1 SQ=0, another function", 1, 0, 0x0010, 0x0014, false },
	{ "SVT=1 SQ=0, another bus", 1, 0, 0x0010, 0x0110, false },
	{ "SVT=1 SQ=1, function + 4", 1, 1, 0x0010, 0x0014, true },
	{ "SVT=1 SQ=1, function + 2", 1, 1, 0x0010, 0x0012, false },
	{ "SVT=1 SQ=2, function + 6", 1, 2, 0x0010, 0x0016, true },
	{ "SVT=1 SQ=2, function + 1", 1, 2, 0x0010, 0x0011, false },
	{ "SVT=1 SQ=3, function + 7", 1, 3, 0x0010, 0x0017, true },
	{ "SVT=1 SQ=3, next device", 1, 3, 0x0010, 0x0018, false },
	{ "SVT=2, first bus", 2, 0, 0x0305, 0x0300, true },
	{ "SVT=2, last bus", 2, 0, 0x0305, 0x05ff, true },
	{ "SVT=2, bus before", 2, 0, 0x0305, 0x02ff, false },
	{ "SVT=2, bus after", 2, 0, 0x0305, 0x0600, false },
	{ "SVT=3", 3, 0, 0x0010, 0x0010, false },
};

/* The record names source, reason and entry: only delivering makes one, resolving none. */
static void check_source_fault(struct rig *r, const struct source_row *row)
{
	struct guest_fault fault;
	struct viommu_msi msi;

	check_that(row->name, !guest_take_fault(&r->g, &fault));
	check_eq(row->name,
		 viommu_remap_msi(r->g.iommu, row->source, rig_address(INDEX), 0, 0, &msi),
		 VIOMMU_FAULT);
	check_eq(row->name, msi.reason, VTD_FR_IR_SID);
	check_that(row->name, guest_take_fault(&r->g, &fault));
	check_eq(row->name, fault.sid, row->source);
	check_eq(row->name, fault.reason, VTD_FR_IR_SID);
	check_eq(row->name, bits_get(fault.info, VTD_FRCD_FI_INDEX), INDEX);
	check_that(row->name, !guest_take_fault(&r->g, &fault));
}

static void check_source(struct rig *r, const struct source_row *row)
{
	const struct rig_entry e = {
		.destination = 1, .vector = 0x44, .svt = row->svt, .sq = row->sq, .sid = row->sid
	};
	const struct viommu_route route = { .size = sizeof(route),
					    .gsi = QUEUE,
					    .source = row->source,
					    .address = rig_address(INDEX) };

	rig_put(r, INDEX, &e);
	rig_invalidate(r, INDEX, 0);
	check_eq(row->name, rig_set(r, &route), row->delivered ? VIOMMU_OK : VIOMMU_FAULT);
	if (row->delivered) {
		rig_raise_expect(r, row->name, QUEUE, RIG_CPU_1, 0x44);
		return;
	}
	rig_raise_expect_nothing(r, row->name, QUEUE);
	check_source_fault(r, row);
}

static void test_sources(void **state)
{
	static struct rig r;

	rig_open(&r, 0, RIG_S_256, true);
	rig_bind(&r, QUEUE);
	for (size_t i = 0; i < sizeof(sources) / sizeof(sources[0]); i++)
		check_source(&r, &sources[i]);
	rig_close(&r);
}

/* ---- messages without a route ---- */

static void test_signal(void **state)
{
	static struct rig r;
	struct viommu_msi msi;

	rig_open(&r, 0, RIG_S_256, true);
	for (unsigned cpu = 0; cpu < RIG_CPUS; cpu++) {
		rig_redirect(&r, INDEX, cpu, (uint8_t)(0x70 + cpu));
		assert_int_equal(viommu_remap_msi(r.g.iommu, RIG_NIC, rig_address(INDEX), 0, 0,
						  &msi),
				 VIOMMU_OK);
		assert_int_equal(rig_signal(&r, &msi), 1);
		rig_expect(&r, "KVM_SIGNAL_MSI", cpu, 0x70 + cpu);
	}
	rig_close(&r);
}

/* 11.4.7 FEADDR, FEUADDR, FEDATA: the unit's own message, with a 32-bit destination. */
static void test_fault_event(void **state)
{
	static struct rig r;
	struct viommu_msi msi = { 0 };
	uint32_t id;

	rig_open(&r, 0, RIG_S_256, true);
	id = rig_apic(&r, RIG_CPU_X2);
	guest_write32(&r.g, VTD_FEDATA, 0x91);
	guest_write32(&r.g, VTD_FEADDR, 0xfee00000 | (id & 0xff) << 12);
	guest_write32(&r.g, VTD_FEUADDR, id & 0xffffff00);
	guest_write32(&r.g, VTD_FECTL, 0);
	assert_int_equal(viommu_remap_msi(r.g.iommu, RIG_NIC, rig_address(INDEX), 0, 0, &msi),
			 VIOMMU_FAULT);
	assert_int_equal(r.g.count[GUEST_ON_MSI], 1);
	msi.address = r.g.msi[0].address;
	msi.data = r.g.msi[0].data;
	assert_int_equal(rig_signal(&r, &msi), 1);
	rig_expect(&r, "fault event", RIG_CPU_X2, 0x91);
	rig_close(&r);
}

/* ---- posted interrupts ---- */

/* 9.11, 9.12: the bit in the descriptor, and its notification once, until ON is cleared. */
static void test_posted(void **state)
{
	static struct rig r;
	struct viommu_msi msi;
	uint64_t descriptor;

	rig_open(&r, viommu_vtd_default_cap() | VTD_CAP_PI, RIG_S_256, true);
	rig_bind(&r, QUEUE);
	descriptor = guest_alloc(&r.g, 1);
	guest_put64(&r.g, descriptor + 32,
		    bits_put(VTD_PID_NV, 0xf2) | bits_put(VTD_PID_NDST, rig_apic(&r, RIG_CPU_X2)));
	guest_put64(&r.g, r.table + INDEX * 16,
		    VTD_IRTE_P | VTD_IRTE_IM | bits_put(VTD_IRTE_V, 0x45) |
			    bits_put(VTD_PIRTE_PDA_LO, descriptor >> 6));
	rig_invalidate(&r, INDEX, 0);
	rig_route(&r, QUEUE, INDEX);
	rig_raise_expect_nothing(&r, "the kernel has no route", QUEUE);

	assert_int_equal(viommu_remap_msi(r.g.iommu, RIG_NIC, rig_address(INDEX), 0, 0, &msi),
			 VIOMMU_OK);
	assert_int_equal(msi.flags & (VIOMMU_MSI_POSTED | VIOMMU_MSI_NOTIFY),
			 VIOMMU_MSI_POSTED | VIOMMU_MSI_NOTIFY);
	assert_int_equal(rig_signal(&r, &msi), 1);
	rig_expect(&r, "NV, NDST", RIG_CPU_X2, 0xf2);
	assert_int_equal(guest_get64(&r.g, descriptor + 8), UINT64_C(1) << (0x45 - 64));
	assert_int_equal(viommu_remap_msi(r.g.iommu, RIG_NIC, rig_address(INDEX), 0, 0, &msi),
			 VIOMMU_OK);
	assert_int_equal(msi.flags & VIOMMU_MSI_NOTIFY, 0);
	rig_close(&r);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_destinations),
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_subhandles),
		cmocka_unit_test(test_rewrite),
		cmocka_unit_test(test_kernel_before_completion),
		cmocka_unit_test(test_clear_and_set),
		cmocka_unit_test(test_sources),
		cmocka_unit_test(test_signal),
		cmocka_unit_test(test_fault_event),
		cmocka_unit_test(test_posted),
	};

	return rig_main("kvm irq", tests, sizeof(tests) / sizeof(tests[0]));
}
