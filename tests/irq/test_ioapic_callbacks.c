/* SPDX-License-Identifier: BSD-3-Clause */
/* test_ioapic_callbacks.c - callbacks of the I/O APIC: no lock is held, each may call every
 * function, and what they change is seen. */
#include <pthread.h>
#include <string.h>

#include "bits.h"
#include "ioapic_rig.h"

#define V 0x61U

/* ---- callback x function ---- */

static void all_functions(struct rig *r)
{
	struct viommu_ioapic_message message;
	uint8_t saved[8192];
	uint64_t value, bytes;

	assert_int_equal(viommu_ioapic_read(r->a, 0x10, 4, &value), VIOMMU_OK);
	assert_int_equal(viommu_ioapic_write(r->a, 0x00, 4, 0x30), VIOMMU_OK);
	assert_int_equal(viommu_ioapic_write(r->a, 0x10, 4, 0x200ff), VIOMMU_OK);
	assert_int_equal(viommu_ioapic_write(r->a, 0x40, 4, 0x7f), VIOMMU_OK);
	assert_int_equal(viommu_ioapic_set_line(r->a, 17, 1), VIOMMU_OK);
	assert_int_equal(viommu_ioapic_set_line(r->a, 17, 0), VIOMMU_OK);
	assert_int_equal(viommu_ioapic_eoi(r->a, 0x7e), VIOMMU_OK);
	assert_int_equal(viommu_ioapic_get_message(r->a, 5, &message), VIOMMU_OK);
	bytes = rig_save(r->a, saved);
	assert_int_equal(viommu_ioapic_restore(r->a, saved, bytes), VIOMMU_OK);
}

static void *on_another_thread(void *opaque)
{
	all_functions(opaque);
	return NULL;
}

/* From inside, and from another thread that would wait for ever for a lock held outside. */
static void call_all(struct rig *r, enum rig_event event, uint32_t pin)
{
	pthread_t thread;

	(void)pin;
	r->cookie |= BIT(event);
	r->hook = NULL;
	all_functions(r);
	assert_int_equal(pthread_create(&thread, NULL, on_another_thread, r), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	r->hook = call_all;
}

/* Guest memory is read while a message is remapped. */
static void in_memory_access(void *opaque, enum guest_event event)
{
	struct rig *r = opaque;

	if (event != GUEST_ON_READ)
		return;
	r->g.hook = NULL;
	call_all(r, RIG_EVENTS, 0);
}

static void test_every_function(void **state)
{
	uint64_t table;
	struct rig r;

	(void)state;
	rig_open(&r, RIG_VTD, 24, 0x20);
	table = guest_interrupts_on(&r.g, 7, false);
	guest_put64(&r.g, table, VTD_IRTE_P | bits_put(VTD_IRTE_V, V));
	r.hook = call_all;
	r.g.hook = in_memory_access;
	r.g.hook_opaque = &r;
	rig_set_entry(&r, 1, RTE_LEVEL | V | RTE_REMAP(0));
	rig_line(&r, 1, 1);
	rig_eoi(&r, V);
	check_eq("every callback was made", r.cookie,
		 BIT(RIG_DELIVER) | BIT(RIG_CHANGED) | BIT(RIG_ACKNOWLEDGED) | BIT(RIG_EVENTS));
	rig_close(&r);
}

/* ---- what callbacks change ---- */

static void lower(struct rig *r, enum rig_event event, uint32_t pin)
{
	if (event == RIG_ACKNOWLEDGED && pin == 4)
		rig_line(r, pin, 0);
}

static void pulse(struct rig *r, enum rig_event event, uint32_t pin)
{
	if (event != RIG_ACKNOWLEDGED || pin != 4)
		return;
	rig_line(r, pin, 0);
	rig_line(r, pin, 1);
}

static void mask(struct rig *r, enum rig_event event, uint32_t pin)
{
	if (event == RIG_ACKNOWLEDGED && pin == 4)
		rig_write(r, 0x10 + 2 * pin, RTE_MASKED | RTE_LEVEL | V);
}

/* Acknowledges at once, twice, as if the processor had nothing else to do. */
static void acknowledge(struct rig *r, enum rig_event event, uint32_t pin)
{
	(void)pin;
	if (event == RIG_DELIVER && r->cookie++ < 2)
		rig_eoi(r, V);
}

static void lower_when_delivered(struct rig *r, enum rig_event event, uint32_t pin)
{
	if (event == RIG_DELIVER)
		rig_line(r, pin, 0);
}

static void raise_another(struct rig *r, enum rig_event event, uint32_t pin)
{
	if (event == RIG_DELIVER && pin == 4)
		rig_line(r, 5, 1);
}

static void unmask_again(struct rig *r, enum rig_event event, uint32_t pin)
{
	/* once: what it writes changes the entry again */
	if (event == RIG_CHANGED && !r->cookie++)
		rig_write(r, 0x10 + 2 * pin, RTE_MASKED | RTE_LEVEL | V);
}

static const struct {
	const char *name;
	void (*hook)(struct rig *r, enum rig_event event, uint32_t pin);
	/* delivered, changed, acknowledged: by set_line(4, 1), by an EOI that pin 5 has too, by a
	 * write that masks */
	unsigned line[3], eoi[3], write[3];
	bool irr; /* at the end */
} reactions[] = {
	{ "none", NULL, { 1, 0, 0 }, { 1, 0, 2 }, { 0, 1, 0 }, true },
	{ "the device has nothing more", lower, { 1, 0, 0 }, { 0, 0, 2 }, { 0, 1, 0 }, false },
	{ "the device has more", pulse, { 1, 0, 0 }, { 1, 0, 2 }, { 0, 1, 0 }, true },
	{ "masked when acknowledged", mask, { 1, 0, 0 }, { 0, 1, 2 }, { 0, 0, 0 }, false },
	{ "acknowledged when delivered", acknowledge, { 3, 0, 4 }, { 1, 0, 2 }, { 0, 1, 0 }, true },
	{ "lowered when delivered",
	  lower_when_delivered,
	  { 1, 0, 0 },
	  { 0, 0, 2 },
	  { 0, 1, 0 },
	  false },
	{ "raises another pin", raise_another, { 2, 0, 0 }, { 2, 0, 2 }, { 0, 1, 0 }, true },
};

static void test_reactions(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(reactions); i++) {
		const char *name = reactions[i].name;
		struct rig r;

		rig_open(&r, RIG_NONE, 24, 0x20);
		rig_set_entry(&r, 4, RTE_LEVEL | V);
		rig_set_entry(&r, 5, RTE_LEVEL | V);
		rig_forget(&r);
		r.hook = reactions[i].hook;
		rig_line(&r, 4, 1);
		rig_expect(&r, name, reactions[i].line[0], reactions[i].line[1],
			   reactions[i].line[2]);
		rig_eoi(&r, V);
		rig_expect(&r, name, reactions[i].eoi[0], reactions[i].eoi[1], reactions[i].eoi[2]);
		rig_write(&r, 0x18, RTE_MASKED | RTE_LEVEL | V);
		rig_expect(&r, name, reactions[i].write[0], reactions[i].write[1],
			   reactions[i].write[2]);
		check_eq(name, (rig_entry(&r, 4) & RTE_IRR) != 0, reactions[i].irr);
		rig_close(&r);
	}
}

/* An entry that is masked while its change is told is not sent. */
static void test_masked_when_told(void **state)
{
	struct rig r;

	(void)state;
	rig_open(&r, RIG_NONE, 24, 0x20);
	rig_set_entry(&r, 4, RTE_MASKED | RTE_LEVEL | V);
	rig_line(&r, 4, 1);
	rig_forget(&r);
	r.hook = unmask_again;
	rig_write(&r, 0x18, RTE_LEVEL | V);
	rig_expect(&r, "masked again", 0, 2, 0);
	check_eq("masked again", rig_entry(&r, 4), RTE_MASKED | RTE_LEVEL | V);
	rig_close(&r);
}

/* ---- while the message is remapped ---- */

/* What happens between the look at the table and the delivery. */
static const struct {
	const char *name;
	uint32_t line;	    /* of pin 1: 0 or 1 is set, 2: left alone */
	uint64_t entry;	    /* 0: left alone; one half of it is written */
	unsigned delivered; /* from then on, with what the hook itself caused */
	uint64_t irr;
} meanwhile[] = {
	{ "nothing", 2, 0, 1, RTE_IRR },
	{ "the line falls", 0, 0, 0, 0 },
	{ "the line is set again: one of both delivers", 1, 0, 1, RTE_IRR },
	{ "masked", 2, RTE_MASKED | RTE_LEVEL | V | RTE_REMAP(0), 0, 0 },
	{ "turned to edge", 2, V | RTE_REMAP(0), 0, 0 },
	{ "turned round", 2, RTE_LOW | RTE_LEVEL | V | RTE_REMAP(0), 0, 0 },
	{ "routed elsewhere: once, by the new entry", 2, RTE_LEVEL | V | RTE_REMAP(1), 1, RTE_IRR },
	{ "routed to where nothing is", 2, RTE_LEVEL | V | RTE_REMAP(2), 0, 0 },
	{ "written as it was", 2, RTE_LEVEL | V | RTE_REMAP(0), 1, RTE_IRR },
};

static void change_meanwhile(void *opaque, enum guest_event event)
{
	struct rig *r = opaque;
	size_t i = r->cookie;

	if (event != GUEST_ON_READ)
		return;
	r->g.hook = NULL;
	if (meanwhile[i].line < 2)
		rig_line(r, 1, meanwhile[i].line);
	if (meanwhile[i].entry >> 49)
		rig_write(r, 0x13, (uint32_t)(meanwhile[i].entry >> 32));
	else if (meanwhile[i].entry)
		rig_write(r, 0x12, (uint32_t)meanwhile[i].entry);
}

static void test_meanwhile(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(meanwhile); i++) {
		uint64_t table;
		struct rig r;

		rig_open(&r, RIG_VTD, 24, 0x20);
		table = guest_interrupts_on(&r.g, 7, false);
		guest_put64(&r.g, table, VTD_IRTE_P | bits_put(VTD_IRTE_V, 0xa0));
		guest_put64(&r.g, table + 16, VTD_IRTE_P | bits_put(VTD_IRTE_V, 0xa1));
		rig_set_entry(&r, 1, RTE_LEVEL | V | RTE_REMAP(0));
		r.cookie = i;
		r.g.hook = change_meanwhile;
		r.g.hook_opaque = &r;
		rig_forget(&r);
		rig_line(&r, 1, 1);
		check_that(meanwhile[i].name, !r.g.hook);
		check_eq(meanwhile[i].name, r.count[RIG_DELIVER], meanwhile[i].delivered);
		if (meanwhile[i].delivered)
			check_eq(meanwhile[i].name, r.msi[0].vector,
				 0xa0 + (meanwhile[i].entry >> 49));
		check_eq(meanwhile[i].name, rig_entry(&r, 1) & RTE_IRR, meanwhile[i].irr);
		rig_close(&r);
	}
}

/* An edge leaves once, as it was when it was seen. */
static void test_edge_meanwhile(void **state)
{
	uint64_t table;
	struct rig r;

	(void)state;
	rig_open(&r, RIG_VTD, 24, 0x20);
	table = guest_interrupts_on(&r.g, 7, false);
	guest_put64(&r.g, table, VTD_IRTE_P | bits_put(VTD_IRTE_V, 0xa0));
	rig_set_entry(&r, 1, V | RTE_REMAP(0));
	r.cookie = 3; /* masked */
	r.g.hook = change_meanwhile;
	r.g.hook_opaque = &r;
	rig_forget(&r);
	rig_line(&r, 1, 1);
	check_eq("masked", r.count[RIG_DELIVER], 1);
	check_eq("masked", r.msi[0].vector, 0xa0);
	check_eq("masked", rig_entry(&r, 1) & RTE_IRR, 0);
	rig_close(&r);
}

/* What has been posted is notified of, though the pin is no longer due. */
static void test_posted_meanwhile(void **state)
{
	uint64_t table, descriptor;
	struct rig r;

	(void)state;
	rig_open(&r, RIG_VTD, 24, 0x20);
	table = guest_interrupts_on(&r.g, 7, false);
	descriptor = guest_alloc(&r.g, 1);
	guest_put64(&r.g, descriptor + 32, bits_put(VTD_PID_NV, 0xf2));
	guest_put64(&r.g, table,
		    VTD_IRTE_P | VTD_IRTE_IM | bits_put(VTD_IRTE_V, V) |
			    bits_put(VTD_PIRTE_PDA_LO, descriptor >> 6));
	rig_set_entry(&r, 1, RTE_LEVEL | V | RTE_REMAP(0));
	r.cookie = 1; /* the line falls */
	r.g.hook = change_meanwhile;
	r.g.hook_opaque = &r;
	rig_forget(&r);
	rig_line(&r, 1, 1);
	check_eq("posted", r.count[RIG_DELIVER], 1);
	check_eq("posted", r.msi[0].flags, VIOMMU_MSI_POSTED | VIOMMU_MSI_NOTIFY);
	check_eq("posted", rig_entry(&r, 1) & RTE_IRR, 0);
	rig_close(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_function),	 cmocka_unit_test(test_reactions),
		cmocka_unit_test(test_masked_when_told), cmocka_unit_test(test_meanwhile),
		cmocka_unit_test(test_edge_meanwhile),	 cmocka_unit_test(test_posted_meanwhile),
	};

	return cmocka_run_group_tests_name("ioapic_callbacks", tests, NULL, NULL);
}
