/* SPDX-License-Identifier: BSD-3-Clause */
/* kvm_rig.c - a guest, the library and a real KVM virtual machine put together as a VMM does. */
#include "kvm_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define MARKER_VECTOR 0xefU
#define MARKER_GSI    (KERNEL_ROUTES - 1U) /* not a route of the library */

/* Fails the test with what the kernel said. */
#define check_kernel(r, condition)                                                                 \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			print_error("%s\n", (r)->kernel.why);                                      \
			_fail(__FILE__, __LINE__);                                                 \
		}                                                                                  \
	} while (0)

/* ---- callbacks ---- */

void rig_update(struct rig *r)
{
	struct viommu_route_change change[8];
	unsigned before = r->changes;
	uint32_t count;
	int result;

	do {
		result = viommu_routes_drain(r->routes, change, 8, &count);
		assert_true(result == VIOMMU_OK || result == VIOMMU_MORE);
		r->changes += count;
		for (uint32_t i = 0; i < count; i++) {
			const struct viommu_msi *msi = &change[i].msi;

			if ((change[i].flags & VIOMMU_ROUTE_VALID) &&
			    !(msi->flags & VIOMMU_MSI_POSTED))
				kernel_route(&r->kernel, change[i].gsi, msi->address, msi->data);
			else
				kernel_unroute(&r->kernel, change[i].gsi);
		}
	} while (result == VIOMMU_MORE);
	if (r->changes != before)
		check_kernel(r, kernel_commit(&r->kernel));
}

static void routes_changed(void *opaque)
{
	struct rig *r = opaque;

	r->changed++;
	rig_update(r);
	if (r->g.ticket && guest_waited(&r->g))
		r->late++;
}

static void deliver(void *opaque, uint32_t pin, const struct viommu_msi *msi)
{
	struct rig *r = opaque;

	r->sent++;
	r->taken = rig_signal(r, msi);
}

static void pin_changed(void *opaque, uint32_t pin)
{
	struct rig *r = opaque;
	struct viommu_route route = {
		.size = sizeof(route), .gsi = pin, .pin = pin, .ioapic = r->ioapic
	};

	rig_set(r, &route);
}

static void pin_acknowledged(void *opaque, uint32_t pin)
{
	struct rig *r = opaque;

	r->acknowledged++;
}

/* ---- life ---- */

static void open_kernel(struct rig *r)
{
	struct kernel *k = &r->kernel;

	check_kernel(r, kernel_open(k));
	check_kernel(r, kernel_add_vcpu(k, 0, false));
	check_kernel(r, kernel_add_vcpu(k, 1, false));
	/* An id that is vCPU 1's if it is cut to 8 bits. */
	check_kernel(r, kernel_add_vcpu(k, k->max_id >= 0x101 ? 0x101 : 2, true));
	kernel_route(k, MARKER_GSI, UINT64_C(0xfee00000), MARKER_VECTOR);
	check_kernel(r, kernel_commit(k));
}

void rig_open(struct rig *r, uint64_t cap, unsigned s, bool eime)
{
	struct viommu_routes_config routes = { .size = sizeof(routes),
					       .gsis = KERNEL_ROUTES,
					       .opaque = r,
					       .changed = routes_changed };
	struct viommu_ioapic_config ioapic = { .size = sizeof(ioapic),
					       .pins = KERNEL_PINS,
					       .source = RIG_IOAPIC,
					       .opaque = r,
					       .deliver = deliver,
					       .changed = pin_changed,
					       .acknowledged = pin_acknowledged };

	*r = (struct rig){ .eime = eime };
	open_kernel(r);
	guest_init(&r->g, GUEST_REGION, 64);
	guest_vtd(&r->g, cap, cap ? viommu_vtd_default_ecap() : 0);
	guest_queue_on(&r->g, false, 0);
	assert_int_equal(viommu_routes_new(r->g.iommu, &routes, &r->routes), VIOMMU_OK);
	assert_int_equal(viommu_ioapic_new(r->g.vm, r->g.iommu, &ioapic, &r->ioapic), VIOMMU_OK);
	r->table = guest_interrupts_on(&r->g, s, eime);
	rig_bind(r, MARKER_GSI);
	rig_forget(r);
}

void rig_close(struct rig *r)
{
	for (unsigned i = 0; i < r->bindings; i++)
		close(r->binding[i].eventfd);
	viommu_ioapic_free(r->ioapic);
	assert_int_equal(viommu_routes_free(r->routes), VIOMMU_OK);
	guest_fini(&r->g);
	kernel_close(&r->kernel);
}

void rig_forget(struct rig *r)
{
	r->changed = r->changes = r->late = 0;
	r->acknowledged = r->sent = r->taken = 0;
	r->kernel.commits = 0;
}

uint32_t rig_apic(const struct rig *r, unsigned cpu)
{
	return r->kernel.vcpu[cpu].id;
}

/* ---- the guest's tables ---- */

void rig_put(struct rig *r, unsigned index, const struct rig_entry *e)
{
	uint64_t gpa = r->table + index * 16;

	guest_put64(&r->g, gpa, 0);
	if (!e)
		return;
	guest_put64(&r->g, gpa + 8,
		    bits_put(VTD_IRTE_SID, e->sid) | bits_put(VTD_IRTE_SQ, e->sq) |
			    bits_put(VTD_IRTE_SVT, e->svt));
	guest_put64(&r->g, gpa,
		    VTD_IRTE_P | bits_put(VTD_IRTE_DM, e->logical) |
			    bits_put(VTD_IRTE_TM, e->level) | bits_put(VTD_IRTE_V, e->vector) |
			    bits_put(r->eime ? VTD_IRTE_DST : VTD_IRTE_DST_XAPIC, e->destination));
}

void rig_invalidate(struct rig *r, unsigned index, unsigned im)
{
	guest_submit(&r->g, GUEST_IEC(index, im), 0, 0, 0);
	guest_wait(&r->g);
}

void rig_redirect(struct rig *r, unsigned index, unsigned cpu, uint8_t vector)
{
	const struct rig_entry e = { .destination = rig_apic(r, cpu), .vector = vector };

	rig_put(r, index, &e);
	rig_invalidate(r, index, 0);
}

void rig_remove(struct rig *r, unsigned index)
{
	rig_put(r, index, NULL);
	rig_invalidate(r, index, 0);
}

/* 5.1.2 */
uint64_t rig_address(unsigned index)
{
	return UINT64_C(0xfee00010) | (uint64_t)(index & 0x7fff) << 5 |
	       (uint64_t)(index >> 15) << 2;
}

/* ---- routes and eventfds ---- */

int rig_set(struct rig *r, const struct viommu_route *route)
{
	int result = viommu_routes_set(r->routes, route);

	rig_update(r);
	return result;
}

int rig_route(struct rig *r, uint32_t gsi, unsigned index)
{
	const struct viommu_route route = {
		.size = sizeof(route), .gsi = gsi, .source = RIG_NIC, .address = rig_address(index)
	};

	return rig_set(r, &route);
}

void rig_bind(struct rig *r, uint32_t gsi)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	assert_true(fd >= 0);
	assert_true(r->bindings < RIG_BINDINGS);
	r->binding[r->bindings].eventfd = fd;
	r->binding[r->bindings].gsi = gsi;
	r->bindings++;
	check_kernel(r, kernel_bind(&r->kernel, fd, gsi));
}

void rig_raise(struct rig *r, uint32_t gsi)
{
	const uint64_t one = 1;
	unsigned i = 0;

	while (i < r->bindings && r->binding[i].gsi != gsi)
		i++;
	assert_true(i < r->bindings);
	assert_int_equal(write(r->binding[i].eventfd, &one, sizeof(one)), sizeof(one));
}

/* ---- what arrived ---- */

static void check_arrived(struct rig *r, const char *row, bool good)
{
	if (good)
		return;
	print_error("%s: %s\n", row, r->kernel.why);
	fail();
}

void rig_expect(struct rig *r, const char *row, unsigned cpu, unsigned vector)
{
	check_arrived(r, row, kernel_await(&r->kernel, cpu, vector));
	check_arrived(r, row, kernel_pending_only(&r->kernel, cpu, vector));
	check_kernel(r, kernel_clear(&r->kernel));
}

void rig_raise_expect(struct rig *r, const char *row, uint32_t gsi, unsigned cpu, unsigned vector)
{
	rig_raise(r, gsi);
	rig_expect(r, row, cpu, vector);
}

void rig_expect_nothing(struct rig *r, const char *row)
{
	rig_raise(r, MARKER_GSI);
	check_arrived(r, row, kernel_await(&r->kernel, RIG_CPU_0, MARKER_VECTOR));
	for (unsigned i = 0; i < r->bindings; i++) {
		int fd = r->binding[i].eventfd;

		check_kernel(r, kernel_unbind(&r->kernel, fd, r->binding[i].gsi));
		check_kernel(r, kernel_bind(&r->kernel, fd, r->binding[i].gsi));
	}
	rig_expect(r, row, RIG_CPU_0, MARKER_VECTOR);
}

void rig_raise_expect_nothing(struct rig *r, const char *row, uint32_t gsi)
{
	rig_raise(r, gsi);
	rig_expect_nothing(r, row);
}

unsigned rig_signal(struct rig *r, const struct viommu_msi *msi)
{
	unsigned taken;

	check_kernel(r, kernel_signal(&r->kernel, msi->address, msi->data, &taken));
	return taken;
}

bool rig_is_level(struct rig *r, unsigned cpu, unsigned vector)
{
	struct kernel_vectors tmr;

	check_kernel(r, kernel_pending(&r->kernel, cpu, NULL, &tmr));
	return kernel_vector_is_set(&tmr, vector);
}

int rig_main(const char *name, const struct CMUnitTest *tests, size_t count)
{
	struct kernel k;
	bool usable = kernel_open(&k);

	if (!usable)
		printf("%s: skipped: %s\n", name, k.why);
	kernel_close(&k);
	return usable ? _cmocka_run_group_tests(name, tests, count, NULL, NULL) : 77;
}
