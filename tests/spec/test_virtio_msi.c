/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_virtio_msi.c - interrupt messages behind a virtio-iommu, which remaps none: they are the
 * writes that they are (virtio 1.3, 5.13.6.9.1.1: MSI regions; bypass; mappings).
 */
#include <string.h>

#include <libvirtiommu/routes.h>

#include "check.h"
#include "trace.h"
#include "virtio_rig.h"

#define WINDOW	 UINT64_C(0xfee00000)
#define DOORBELL UINT64_C(0x8000040)

static const struct viommu_virtio_region regions[] = {
	{ .first = WINDOW, .last = WINDOW + 0xfffff, .subtype = VIOMMU_VIRTIO_RESV_MSI },
	{ .first = 0xd0000000, .last = 0xd0000fff, .subtype = VIOMMU_VIRTIO_RESV_RESERVED },
};

/* Endpoint 1 has the regions, and 0x8000000 is mapped to 0x12345000, 0x8001000 for reading only;
 * 2 is detached; 3 bypasses. */
static struct virtio_rig *open_rig(void)
{
	struct virtio_rig *r = vr_open(NULL);

	vr_regions(r, 1, regions, 2);
	row_equal(vr_attach(r, 7, 1, 0), ST_OK);
	row_equal(vr_map(r, 7, 0x8000000, 0x8000fff, 0x12345000, VR_RW), ST_OK);
	row_equal(vr_map(r, 7, 0x8001000, 0x8001fff, 0x12346000, VR_READ), ST_OK);
	row_equal(vr_attach(r, 8, 3, VR_BYPASS), ST_OK);
	vr_set_bypass(r, 0);
	return r;
}

static const struct {
	const char *name;
	uint32_t source;
	uint64_t address;
	int result;
	uint64_t to;
	unsigned events; /* fault records, unless resolving */
} messages[] = {
	{ "MSI region: as it came", 1, WINDOW | 0xa5000, VIOMMU_OK, WINDOW | 0xa5000, 0 },
	{ "mapped doorbell", 1, DOORBELL, VIOMMU_OK, 0x12345040, 0 },
	{ "mapped, not aligned", 1, DOORBELL + 2, VIOMMU_FAULT, 0, 0 },
	{ "mapped for reading", 1, 0x8001040, VIOMMU_FAULT, 0, 1 },
	{ "not mapped", 1, 0x9000000, VIOMMU_FAULT, 0, 1 },
	{ "reserved region", 1, 0xd0000000, VIOMMU_FAULT, 0, 1 },
	{ "not attached", 2, WINDOW, VIOMMU_FAULT, 0, 1 },
	{ "bypass", 3, DOORBELL, VIOMMU_OK, DOORBELL, 0 },
	{ "bypass, to a local APIC", 3, WINDOW | 0x5000, VIOMMU_OK, WINDOW | 0x5000, 0 },
	{ "no such endpoint", 9, WINDOW, VIOMMU_FAULT, 0, 0 },
};

static void test_messages(void **state)
{
	struct virtio_rig *r = open_rig();

	for (size_t i = 0; i < ARRAY_COUNT(messages); i++) {
		struct viommu_msi msi;

		row_name = messages[i].name;
		vr_drain(r);
		for (uint32_t flags = 0; flags <= VIOMMU_MSI_RESOLVE; flags++) {
			row_equal(viommu_remap_msi(r->g.iommu, messages[i].source,
						   messages[i].address, 0x4031, flags, &msi),
				  messages[i].result);
			row_equal(vr_drain(r), flags ? 0 : messages[i].events);
			row_equal(msi.index, UINT32_MAX);
			if (messages[i].result)
				continue;
			row_equal(msi.address, messages[i].to);
			row_equal(msi.data, 0x4031);
			row_equal(msi.flags, VIOMMU_MSI_UNREMAPPED);
			row_equal(msi.kind, VIOMMU_MSI_KIND_MESSAGE);
		}
	}
	vr_close(r);
}

/* Whose mapping would it be: refused, vouched for or not, also where all bypass. */
static void test_no_source(void **state)
{
	struct virtio_rig *r = open_rig();

	row_name = "no source";
	vr_drain(r);
	for (uint32_t flags = 0; flags < 8; flags++) {
		struct viommu_msi msi;

		if (!(flags & VIOMMU_MSI_NO_SOURCE))
			continue;
		row_equal(viommu_remap_msi(r->g.iommu, 3, DOORBELL, 0x4031, flags, &msi),
			  VIOMMU_FAULT);
		row_equal(msi.reason, 0);
		row_equal(msi.index, UINT32_MAX);
		row_equal(vr_drain(r), 0);
	}
	vr_close(r);
}

/* ---- routes ---- */

static unsigned changed;

static void on_changed(void *opaque)
{
	(void)opaque;
	changed++;
}

/* Drains one change, or none. */
static uint32_t drained(struct viommu_routes *routes, uint64_t *address)
{
	struct viommu_route_change change = { 0 };
	uint32_t count;

	assert_int_equal(viommu_routes_drain(routes, &change, 1, &count), VIOMMU_OK);
	*address = change.msi.address;
	return count ? change.flags : 0;
}

static void test_routes(void **state)
{
	struct viommu_routes_config config = { .size = sizeof(config), .changed = on_changed };
	struct viommu_route route = {
		.size = sizeof(route), .gsi = 5, .source = 1, .address = DOORBELL, .data = 0x31
	};
	struct virtio_rig *r = open_rig();
	struct viommu_routes *routes;
	struct viommu_msi msi;
	uint64_t address;

	row_name = "routes";
	changed = 0;
	row_equal(viommu_routes_new(r->g.iommu, &config, &routes), VIOMMU_OK);
	row_equal(viommu_routes_set(routes, &route), VIOMMU_OK);
	row_equal(drained(routes, &address), VIOMMU_ROUTE_VALID);
	row_equal(address, 0x12345040);
	row_name = "unmapping something else concerns no route";
	row_equal(vr_map(r, 7, 0x100000, 0x100fff, 0x5000, VR_RW), ST_OK);
	row_equal(vr_unmap(r, 7, 0x100000, 0x100fff), ST_OK);
	row_equal(changed, 0);
	row_name = "unmapped";
	row_equal(vr_unmap(r, 7, 0x8000000, 0x8000fff), ST_OK);
	row_equal(changed, 1);
	row_equal(drained(routes, &address), VIOMMU_ROUTE_ASK);
	row_name = "mapped elsewhere: nobody has to say so";
	row_equal(vr_map(r, 7, 0x8000000, 0x8000fff, 0x77777000, VR_RW), ST_OK);
	row_equal(viommu_routes_deliver(routes, 5, &msi), VIOMMU_OK);
	row_equal(msi.address, 0x77777040);
	row_equal(drained(routes, &address), VIOMMU_ROUTE_VALID);
	row_equal(address, 0x77777040);
	row_name = "detached";
	row_equal(vr_detach(r, 7, 1), ST_OK);
	row_equal(drained(routes, &address), VIOMMU_ROUTE_ASK);
	row_name = "attached for bypass";
	row_equal(vr_attach(r, 8, 1, VR_BYPASS), ST_OK);
	row_equal(drained(routes, &address), VIOMMU_ROUTE_VALID);
	row_equal(address, DOORBELL);
	row_equal(viommu_routes_free(routes), VIOMMU_OK);
	vr_close(r);
}

/* Routes go with their endpoint, or with its id. Route 5 is that of endpoint 1, route 6 of 3. */
static struct viommu_routes *open_routes(struct virtio_rig *r)
{
	const struct viommu_routes_config config = { .size = sizeof(config),
						     .changed = on_changed };
	struct viommu_routes *routes;
	uint64_t address;

	row_equal(viommu_routes_new(r->g.iommu, &config, &routes), VIOMMU_OK);
	for (uint32_t i = 0; i < 2; i++) {
		const struct viommu_route route = { .size = sizeof(route),
						    .gsi = 5 + i,
						    .source = 1 + 2 * i,
						    .address = DOORBELL };

		row_equal(viommu_routes_set(routes, &route), VIOMMU_OK);
		row_equal(drained(routes, &address), VIOMMU_ROUTE_VALID);
	}
	row_equal(viommu_run(r->g.iommu), VIOMMU_OK);
	changed = 0;
	return routes;
}

static uint64_t resolved(struct viommu_routes *routes)
{
	struct viommu_routes_statistics s = { .size = sizeof(s) };

	row_equal(viommu_routes_get_statistics(routes, &s), VIOMMU_OK);
	return s.resolved;
}

static bool looks_valid(struct viommu_routes *routes, uint32_t gsi)
{
	struct viommu_route_change change;

	row_equal(viommu_routes_lookup(routes, gsi, &change), VIOMMU_OK);
	return change.flags & VIOMMU_ROUTE_VALID;
}

/* The host is asked to run, and that changes so many routes, the first of which is then as it says. */
static void run_changes(struct virtio_rig *r, struct viommu_routes *routes, unsigned works,
			uint64_t resolves, uint32_t flags)
{
	const uint64_t before = resolved(routes);
	uint64_t address;

	row_equal(r->g.count[GUEST_ON_WORK] > works, true);
	row_equal(viommu_run(r->g.iommu), VIOMMU_OK);
	row_equal(changed, 1);
	row_equal(resolved(routes), before + resolves);
	row_equal(drained(routes, &address), flags);
	changed = 0;
}

static void test_routes_gone(void **state)
{
	struct virtio_rig *r = open_rig();
	struct viommu_routes *routes = open_routes(r);
	unsigned works = r->g.count[GUEST_ON_WORK];
	uint64_t address;

	row_name = "15 the endpoint is renumbered: routes of the old id are revoked, and no others";
	row_equal(viommu_device_set_id(r->device[1], 9), VIOMMU_OK);
	run_changes(r, routes, works, 1, VIOMMU_ROUTE_ASK);
	row_equal(looks_valid(routes, 5), false);
	row_equal(looks_valid(routes, 6), true);
	row_name = "and are valid again with the id";
	works = r->g.count[GUEST_ON_WORK];
	row_equal(viommu_device_set_id(r->device[1], 1), VIOMMU_OK);
	run_changes(r, routes, works, 1, VIOMMU_ROUTE_VALID);
	row_name = "15 another endpoint takes the id meanwhile";
	row_equal(viommu_routes_remove(routes, 6), VIOMMU_OK);
	row_equal(drained(routes, &address), VIOMMU_ROUTE_REVOKED);
	row_equal(viommu_device_set_id(r->device[1], 9), VIOMMU_OK);
	row_equal(viommu_device_set_id(r->device[3], 1), VIOMMU_OK);
	run_changes(r, routes, works, 1, VIOMMU_ROUTE_VALID); /* elsewhere */
	row_equal(drained(routes, &address), 0);
	row_name = "15 the endpoint is freed";
	works = r->g.count[GUEST_ON_WORK];
	vr_drop(r, 3);
	run_changes(r, routes, works, 1, VIOMMU_ROUTE_ASK);
	row_name = "nobody has routes of it";
	vr_drop(r, 2);
	row_equal(viommu_run(r->g.iommu), VIOMMU_OK);
	row_equal(changed, 0);
	row_equal(viommu_routes_free(routes), VIOMMU_OK);
	row_name = "there are no routes any more";
	vr_drop(r, 4);
	vr_close(r);
}

/* ---- the I/O APIC ---- */

static uint64_t delivered_to;

static void deliver(void *opaque, uint32_t pin, const struct viommu_msi *msi)
{
	(void)opaque, (void)pin;
	delivered_to = msi->address;
}

static void write_pin(struct viommu_ioapic *a, uint32_t low)
{
	viommu_ioapic_write(a, 0x00, 4, 0x11);
	viommu_ioapic_write(a, 0x10, 4, UINT32_C(5) << 24);
	viommu_ioapic_write(a, 0x00, 4, 0x10);
	viommu_ioapic_write(a, 0x10, 4, low);
}

/* It has an endpoint of its own; a level that was refused goes out when that is let through. */
static void test_ioapic(void **state)
{
	struct viommu_ioapic_config config = { .size = sizeof(config),
					       .source = 2,
					       .deliver = deliver };
	struct virtio_rig *r = open_rig();
	struct viommu_ioapic *a;

	row_name = "I/O APIC";
	delivered_to = 0;
	row_equal(viommu_ioapic_new(r->g.vm, r->g.iommu, &config, &a), VIOMMU_OK);
	write_pin(a, 0x8031);
	row_equal(viommu_ioapic_set_line(a, 0, 1), VIOMMU_OK);
	row_equal(delivered_to, 0);
	row_equal(vr_attach(r, 8, 2, VR_BYPASS), ST_OK);
	row_equal(viommu_run(r->g.iommu), VIOMMU_OK);
	row_equal(delivered_to, WINDOW | 0x5000);
	row_equal(viommu_free(r->g.iommu), VIOMMU_EBUSY);
	row_equal(viommu_ioapic_free(a), VIOMMU_OK);
	vr_close(r);
}

/* The endpoint is in a domain already, and a doorbell is mapped there later, and another one in its place. */
static void test_ioapic_doorbell(void **state)
{
	struct viommu_ioapic_config config = { .size = sizeof(config),
					       .source = 2,
					       .deliver = deliver };
	struct virtio_rig *r = open_rig();
	struct viommu_ioapic *a;

	row_name = "I/O APIC, the doorbell is mapped later";
	delivered_to = 0;
	row_equal(viommu_ioapic_new(r->g.vm, r->g.iommu, &config, &a), VIOMMU_OK);
	row_equal(vr_attach(r, 9, 2, 0), ST_OK);
	write_pin(a, 0x8031);
	row_equal(viommu_ioapic_set_line(a, 0, 1), VIOMMU_OK);
	row_equal(vr_map(r, 9, 0x1000, 0x1fff, 0x5000, VR_RW), ST_OK); /* another address */
	row_equal(viommu_run(r->g.iommu), VIOMMU_OK);
	row_equal(delivered_to, 0);
	row_equal(vr_map(r, 9, WINDOW, WINDOW + 0xfffff, 0x8000000, VR_RW), ST_OK);
	row_equal(delivered_to, 0x8000000 | 0x5000);
	/* nothing waits any more; then it does once more */
	delivered_to = 0;
	row_equal(viommu_run(r->g.iommu), VIOMMU_OK);
	row_equal(delivered_to, 0);
	row_equal(vr_unmap(r, 9, WINDOW, WINDOW + 0xfffff), ST_OK);
	row_equal(viommu_ioapic_eoi(a, 0x31), VIOMMU_OK);
	row_equal(vr_map(r, 9, WINDOW, WINDOW + 0xfffff, 0x9000000, VR_WRITE), ST_OK);
	row_equal(delivered_to, 0x9000000 | 0x5000);
	/* of a pin that is no longer asserted nothing is sent */
	delivered_to = 0;
	row_equal(vr_unmap(r, 9, WINDOW, WINDOW + 0xfffff), ST_OK);
	row_equal(viommu_ioapic_eoi(a, 0x31), VIOMMU_OK);
	row_equal(viommu_ioapic_set_line(a, 0, 0), VIOMMU_OK);
	row_equal(vr_map(r, 9, WINDOW, WINDOW + 0xfffff, 0x9000000, VR_WRITE), ST_OK);
	row_equal(delivered_to, 0);
	row_equal(viommu_ioapic_free(a), VIOMMU_OK);
	vr_close(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_messages), cmocka_unit_test(test_no_source),
		cmocka_unit_test(test_routes),	 cmocka_unit_test(test_routes_gone),
		cmocka_unit_test(test_ioapic),	 cmocka_unit_test(test_ioapic_doorbell),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
