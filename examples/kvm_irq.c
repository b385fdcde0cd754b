/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * kvm_irq.c - interrupts of devices, remapped by libvirtiommu and delivered by the kernel's KVM.
 *
 * A VMM with KVM's split irqchip in small: guest memory, a VT-d unit, an I/O APIC, and a route cache whose changes go to
 * KVM_SET_GSI_ROUTING. Devices raise eventfds, which the kernel delivers without asking anyone. The guest is played by
 * kvm_irq/driver.c; no guest code is run, what arrived is read from the local APICs.
 *
 * Status: 0 all is as it should be; 1 something is not; 77 this machine has no KVM that can do it.
 */

#include <libvirtiommu/routes.h>
#include <libvirtiommu/vm.h>
#include <libvirtiommu/vtd.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "driver.h"
#include "kernel.h"

#define UNUSABLE 77

#define NIC    0x0010U /* requester ids: 00:02.0, */
#define OTHER  0x0018U /* 00:03.0, */
#define IOAPIC 0xf0f8U /* and f0:1f.0 */

#define IOAPIC_SELECT	  0x00U
#define IOAPIC_WINDOW	  0x10U
#define IOAPIC_REMOTE_IRR (1U << 14)
#define IOAPIC_MASK	  (1U << 16)

enum { PIN = 5 };

/* The interrupts of devices: each has a GSI, an eventfd on it, and a table entry. */
enum { QUEUE_0, QUEUE_1, MARKER, STRAY, EVENTS };

#define GSI(event)   (KERNEL_PINS + (uint32_t)(event))
#define ENTRY(event) ((uint16_t)(1 + (event)))
#define PIN_ENTRY    ENTRY(EVENTS)

#define MARKER_VECTOR 0xe0U

struct demo {
	struct kernel kernel;
	struct viommu_vm *vm;
	struct viommu *vtd;
	struct viommu_routes *routes;
	struct viommu_ioapic *ioapic;
	struct driver driver;
	int event[EVENTS];
	bool late;	/* the guest was told before the kernel was */
	unsigned taken; /* local APICs that took the I/O APIC's last message */
	bool failed;
};

/* ---- from the library to the kernel ---- */

/* A posted interrupt's message is only a notification: the kernel cannot have it alone. A masked pin's stays there:
 * without it, the kernel would not report that what it has delivered is acknowledged. */
static bool is_for_kernel(const struct viommu_route_change *change)
{
	return (change->flags & VIOMMU_ROUTE_VALID) && !(change->msi.flags & VIOMMU_MSI_POSTED);
}

/* Hands the kernel what has changed since the last time, if anything has. */
static bool update_kernel(struct demo *m)
{
	struct viommu_route_change change[16];
	uint32_t count, all = 0;
	int result;

	do {
		result = viommu_routes_drain(m->routes, change, 16, &count);
		if (result < 0)
			return false;
		all += count;
		for (uint32_t i = 0; i < count; i++) {
			if (is_for_kernel(&change[i]))
				kernel_route(&m->kernel, change[i].gsi, change[i].msi.address,
					     change[i].msi.data);
			else
				kernel_unroute(&m->kernel, change[i].gsi);
		}
	} while (result == VIOMMU_MORE);
	return !all || kernel_commit(&m->kernel);
}

/* The guest invalidated table entries. It waits until this returns. */
static void routes_changed(void *opaque)
{
	struct demo *m = opaque;

	if (!update_kernel(m))
		m->failed = true;
	if (driver_completed(&m->driver))
		m->late = true;
}

static void pin_changed(void *opaque, uint32_t pin)
{
	struct demo *m = opaque;
	struct viommu_route route = {
		.size = sizeof(route), .gsi = pin, .pin = pin, .ioapic = m->ioapic
	};

	if (viommu_routes_set(m->routes, &route) < 0 || !update_kernel(m))
		m->failed = true;
}

static void pin_delivers(void *opaque, uint32_t pin, const struct viommu_msi *msi)
{
	struct demo *m = opaque;

	(void)pin;
	if (!kernel_signal(&m->kernel, msi->address, msi->data, &m->taken))
		m->failed = true;
}

/* ---- setting up ---- */

static bool open_kernel(struct demo *m)
{
	struct kernel *k = &m->kernel;

	return kernel_add_vcpu(k, 0, false) && kernel_add_vcpu(k, 1, false) &&
	       kernel_add_vcpu(k, k->max_id >= 0x101 ? 0x101 : 2, true);
}

static bool open_iommu(struct demo *m)
{
	struct viommu_vm_config vm = { .size = sizeof(vm) };
	struct viommu_region ram = { .size = sizeof(ram), .bytes = DRIVER_MEMORY };
	struct viommu_vtd_config vtd = { .size = sizeof(vtd) };
	struct viommu_routes_config routes = { .size = sizeof(routes),
					       .gsis = KERNEL_ROUTES,
					       .opaque = m,
					       .changed = routes_changed };
	struct viommu_ioapic_config ioapic = { .size = sizeof(ioapic),
					       .pins = KERNEL_PINS,
					       .source = IOAPIC,
					       .opaque = m,
					       .deliver = pin_delivers,
					       .changed = pin_changed };

	m->driver.memory = aligned_alloc(4096, DRIVER_MEMORY);
	if (!m->driver.memory)
		return false;
	for (unsigned i = 0; i < DRIVER_MEMORY; i++)
		m->driver.memory[i] = 0;
	ram.host = m->driver.memory;
	if (viommu_vm_new(&vm, &m->vm) || viommu_vm_add_region(m->vm, &ram) ||
	    viommu_vtd_new(m->vm, &vtd, &m->vtd) ||
	    viommu_routes_new(m->vtd, &routes, &m->routes) ||
	    viommu_ioapic_new(m->vm, m->vtd, &ioapic, &m->ioapic))
		return false;
	m->driver.iommu = m->vtd;
	return driver_start(&m->driver);
}

/* A device's message gets a route, and an eventfd that raises it. */
static bool open_event(struct demo *m, unsigned event, uint32_t source, uint16_t entry)
{
	struct viommu_route route = { .size = sizeof(route),
				      .gsi = GSI(event),
				      .source = source,
				      .address = driver_message(entry) };

	m->event[event] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return m->event[event] >= 0 && viommu_routes_set(m->routes, &route) >= 0 &&
	       kernel_bind(&m->kernel, m->event[event], GSI(event));
}

static bool open_events(struct demo *m)
{
	driver_set_entry(&m->driver, ENTRY(QUEUE_0), 0x41, m->kernel.vcpu[1].id, NIC, false);
	driver_set_entry(&m->driver, ENTRY(QUEUE_1), 0x42, m->kernel.vcpu[2].id, NIC, false);
	driver_set_entry(&m->driver, ENTRY(MARKER), MARKER_VECTOR, 0, NIC, false);
	return open_event(m, QUEUE_0, NIC, ENTRY(QUEUE_0)) &&
	       open_event(m, QUEUE_1, NIC, ENTRY(QUEUE_1)) &&
	       open_event(m, MARKER, NIC, ENTRY(MARKER)) &&
	       open_event(m, STRAY, OTHER, ENTRY(QUEUE_1)) && update_kernel(m);
}

static void close_all(struct demo *m)
{
	for (unsigned i = 0; i < EVENTS; i++) {
		if (m->event[i] >= 0)
			close(m->event[i]);
	}
	viommu_ioapic_free(m->ioapic);
	viommu_routes_free(m->routes);
	viommu_free(m->vtd);
	viommu_vm_free(m->vm);
	free(m->driver.memory);
	kernel_close(&m->kernel);
}

/* ---- what is shown ---- */

static void show(struct demo *m, const char *what, bool good)
{
	printf("%s: %s\n", what, good ? "yes" : "NO");
	if (!good) {
		if (m->kernel.why[0])
			printf("    %s\n", m->kernel.why);
		m->failed = true;
		kernel_clear(&m->kernel);
	}
	m->kernel.why[0] = 0;
}

static bool raise_event(const struct demo *m, unsigned event)
{
	const uint64_t one = 1;

	return write(m->event[event], &one, sizeof(one)) == sizeof(one);
}

/* Pending in this vCPU, nothing else in any; then it is taken away. */
static bool arrived(struct demo *m, unsigned vcpu, unsigned vector)
{
	return kernel_await(&m->kernel, vcpu, vector) &&
	       kernel_pending_only(&m->kernel, vcpu, vector) && kernel_clear(&m->kernel);
}

static bool arrives(struct demo *m, unsigned event, unsigned vcpu, unsigned vector)
{
	return raise_event(m, event) && arrived(m, vcpu, vector);
}

/* An interrupt raised later has arrived, and what this one started in the kernel has ended. */
static bool does_not_arrive(struct demo *m, unsigned event)
{
	struct kernel *k = &m->kernel;

	return raise_event(m, event) && raise_event(m, MARKER) &&
	       kernel_await(k, 0, MARKER_VECTOR) && kernel_unbind(k, m->event[event], GSI(event)) &&
	       kernel_bind(k, m->event[event], GSI(event)) && arrived(m, 0, MARKER_VECTOR);
}

static void show_delivery(struct demo *m)
{
	show(m, "(a) eventfd raises vector 0x41 in vCPU 1 (xAPIC)", arrives(m, QUEUE_0, 1, 0x41));
	printf("    vCPU 2 has APIC id 0x%x\n", m->kernel.vcpu[2].id);
	show(m, "(a) eventfd raises vector 0x42 in vCPU 2 (x2APIC)", arrives(m, QUEUE_1, 2, 0x42));
}

static void show_invalidation(struct demo *m)
{
	uint64_t commits = m->kernel.commits;

	driver_set_entry(&m->driver, ENTRY(QUEUE_0), 0x51, m->kernel.vcpu[2].id, NIC, false);
	show(m, "(b) the guest rewrites the entry and invalidates it",
	     driver_invalidate_entry(&m->driver, ENTRY(QUEUE_0)));
	show(m, "(b) the kernel's table is replaced once, before the guest's wait is over",
	     !m->late && m->kernel.commits == commits + 1);
	show(m, "(b) the same eventfd raises vector 0x51 in vCPU 2", arrives(m, QUEUE_0, 2, 0x51));
	driver_clear_entry(&m->driver, ENTRY(QUEUE_0));
	show(m, "(c) the guest clears the entry and invalidates it",
	     driver_invalidate_entry(&m->driver, ENTRY(QUEUE_0)) && !m->late);
	show(m, "(c) the same eventfd raises nothing", does_not_arrive(m, QUEUE_0));
}

static void show_source(struct demo *m)
{
	struct driver_fault fault = { 0 };
	struct viommu_msi msi;

	show(m, "(d) another device with this message raises nothing", does_not_arrive(m, STRAY));
	show(m, "(d) looking at its route recorded no fault",
	     !driver_take_fault(&m->driver, &fault));
	show(m, "(d) delivering its message is refused",
	     viommu_remap_msi(m->vtd, OTHER, driver_message(ENTRY(QUEUE_1)), 0, 0, &msi) ==
		     VIOMMU_FAULT);
	show(m, "(d) and there is a fault record", driver_take_fault(&m->driver, &fault));
	printf("    source 0x%04x, reason 0x%02x, entry %u\n", fault.source, fault.reason,
	       fault.index);
	show(m, "(d) that names the device, source validation, and the entry",
	     fault.source == OTHER && fault.reason == 0x26 && fault.index == ENTRY(QUEUE_1));
}

static void write_pin(struct demo *m, uint32_t pin, uint64_t entry)
{
	viommu_ioapic_write(m->ioapic, IOAPIC_SELECT, 4, 0x11 + 2 * pin);
	viommu_ioapic_write(m->ioapic, IOAPIC_WINDOW, 4, entry >> 32);
	viommu_ioapic_write(m->ioapic, IOAPIC_SELECT, 4, 0x10 + 2 * pin);
	viommu_ioapic_write(m->ioapic, IOAPIC_WINDOW, 4, entry & UINT32_MAX);
}

static bool remote_irr(struct demo *m, uint32_t pin)
{
	uint64_t low = 0;

	viommu_ioapic_write(m->ioapic, IOAPIC_SELECT, 4, 0x10 + 2 * pin);
	viommu_ioapic_read(m->ioapic, IOAPIC_WINDOW, 4, &low);
	return low & IOAPIC_REMOTE_IRR;
}

/* The kernel leaves KVM_RUN with KVM_EXIT_IOAPIC_EOI when a guest acknowledges the vector. */
static void show_line(struct demo *m)
{
	struct kernel_vectors level = { 0 };

	driver_set_entry(&m->driver, PIN_ENTRY, 0x61, m->kernel.vcpu[1].id, IOAPIC, true);
	driver_invalidate_entry(&m->driver, PIN_ENTRY);
	write_pin(m, PIN, driver_redirection(PIN_ENTRY, 0x61, true));
	viommu_ioapic_set_line(m->ioapic, PIN, 1);
	kernel_pending(&m->kernel, 1, NULL, &level);
	show(m, "(e) the I/O APIC's line raises vector 0x61 in vCPU 1",
	     m->taken == 1 && arrived(m, 1, 0x61));
	show(m, "(e) level-triggered there, and remote IRR is set",
	     kernel_vector_is_set(&level, 0x61) && remote_irr(m, PIN));
	write_pin(m, PIN, driver_redirection(PIN_ENTRY, 0x61, true) | IOAPIC_MASK);
	show(m, "(e) masked before its EOI, the pin's message stays in the kernel's table",
	     m->kernel.place[PIN] != 0);
	write_pin(m, PIN, driver_redirection(PIN_ENTRY, 0x61, true));
	viommu_ioapic_eoi(m->ioapic, 0x61);
	show(m, "(e) after the EOI it is raised again, since the line is still asserted",
	     arrived(m, 1, 0x61) && remote_irr(m, PIN));
	viommu_ioapic_set_line(m->ioapic, PIN, 0);
	viommu_ioapic_eoi(m->ioapic, 0x61);
	show(m, "(e) after the line and another EOI, remote IRR is clear and nothing is raised",
	     !remote_irr(m, PIN) && arrives(m, MARKER, 0, MARKER_VECTOR));
}

static void show_signal(struct demo *m)
{
	struct viommu_msi msi;
	unsigned taken = 0;
	bool good = viommu_remap_msi(m->vtd, NIC, driver_message(ENTRY(QUEUE_1)), 0, 0, &msi) ==
			    VIOMMU_OK &&
		    kernel_signal(&m->kernel, msi.address, msi.data, &taken);

	show(m, "(f) KVM_SIGNAL_MSI of a remapped message raises vector 0x42 in vCPU 2",
	     good && taken == 1 && arrived(m, 2, 0x42));
}

int main(void)
{
	static struct demo m = { .event = { -1, -1, -1, -1 } };
	int status = 1;

	if (!kernel_open(&m.kernel)) {
		printf("skipped: %s\n", m.kernel.why);
		status = UNUSABLE;
	} else if (!open_kernel(&m) || !open_iommu(&m) || !open_events(&m)) {
		printf("cannot be set up: %s\n", m.kernel.why);
	} else {
		show_delivery(&m);
		show_invalidation(&m);
		show_source(&m);
		show_line(&m);
		show_signal(&m);
		status = m.failed;
	}
	close_all(&m);
	return status;
}
