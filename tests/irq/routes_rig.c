/* SPDX-License-Identifier: BSD-3-Clause */
/* routes_rig.c - a route cache behind a unit, and the guest that writes its table. */
#include "routes_rig.h"

#include <string.h>

/* ---- life ---- */

static void on_changed(void *opaque)
{
	struct routes_rig *rr = opaque;

	rr->changed++;
	if (rr->on_changed)
		rr->on_changed(rr);
}

int rr_try_new(struct routes_rig *rr, uint32_t gsis, struct viommu_routes **routes)
{
	struct viommu_routes_config config = {
		.size = sizeof(config), .gsis = gsis, .opaque = rr, .changed = on_changed
	};

	return viommu_routes_new(rr->g.iommu, &config, routes);
}

void rr_open(struct routes_rig *rr, const struct rr_shape *shape)
{
	memset(rr, 0, sizeof(*rr));
	guest_init(&rr->g, shape->memory, shape->pages ? shape->pages : 300);
	guest_vtd(&rr->g, GUEST_CAP, GUEST_ECAP_LEGACY | VTD_ECAP_EIM);
	guest_queue_on(&rr->g, false, 1);
	rr->s = shape->s;
	if (!shape->off)
		rr->table = guest_interrupts_on(&rr->g, shape->s, false);
	assert_int_equal(rr_try_new(rr, shape->gsis, &rr->routes), VIOMMU_OK);
}

void rr_close(struct routes_rig *rr)
{
	rr->on_changed = NULL;
	assert_int_equal(viommu_routes_free(rr->routes), VIOMMU_OK);
	guest_fini(&rr->g);
}

/* ---- the guest ---- */

uint64_t rr_low(unsigned vector)
{
	return 1 | (uint64_t)vector << 16 | (uint64_t)RR_APIC << 40;
}

void rr_raw_entry(struct routes_rig *rr, uint32_t index, uint64_t low, uint64_t high)
{
	guest_put64(&rr->g, rr->table + 16 * (uint64_t)index + 8, high);
	guest_put64(&rr->g, rr->table + 16 * (uint64_t)index, low);
}

void rr_entry(struct routes_rig *rr, uint32_t index, unsigned vector)
{
	rr_raw_entry(rr, index, rr_low(vector), 0);
}

void rr_clear(struct routes_rig *rr, uint32_t index)
{
	rr_raw_entry(rr, index, 0, 0);
}

void rr_invalidate(struct routes_rig *rr, uint64_t descriptor)
{
	guest_submit(&rr->g, descriptor, 0, 0, 0);
	guest_wait(&rr->g);
}

void rr_no_faults(struct routes_rig *rr, const char *row)
{
	check_eq(row, guest_read32(&rr->g, VTD_FSTS) & (VTD_FSTS_PPF | VTD_FSTS_PFO), 0);
	check_eq(row, rr->g.count[GUEST_ON_MSI], 0);
}

/* ---- routes ---- */

struct viommu_route rr_route(uint32_t gsi, uint32_t index)
{
	return (struct viommu_route){ .size = sizeof(struct viommu_route),
				      .gsi = gsi,
				      .source = RR_SOURCE,
				      .address = RR_ADDRESS(index) };
}

int rr_set(struct routes_rig *rr, uint32_t gsi, uint32_t index)
{
	struct viommu_route route = rr_route(gsi, index);

	return viommu_routes_set(rr->routes, &route);
}

int rr_set_masked(struct routes_rig *rr, uint32_t gsi, uint32_t index)
{
	struct viommu_route route = rr_route(gsi, index);

	route.flags = VIOMMU_ROUTE_MASKED;
	return viommu_routes_set(rr->routes, &route);
}

/* What a remapped entry of rr_entry() delivers, all of it. */
static void check_change(const char *row, const struct viommu_route_change *c, uint32_t gsi,
			 unsigned vector, uint32_t why)
{
	check_eq(row, c->gsi, gsi);
	check_eq(row, c->flags, vector ? VIOMMU_ROUTE_VALID : why);
	if (!vector)
		return;
	check_eq(row, c->msi.vector, vector);
	if (c->msi.flags & VIOMMU_MSI_UNREMAPPED)
		return;
	check_eq(row, c->msi.data, 0x4000 | vector);
	check_eq(row, c->msi.address, 0xfee00000 | RR_APIC << 12);
	check_eq(row, c->msi.destination, RR_APIC);
}

void rr_delivers(struct routes_rig *rr, const char *row, uint32_t gsi, unsigned vector)
{
	struct viommu_route_change change;

	memset(&change, 0xa5, sizeof(change));
	check_eq(row, viommu_routes_lookup(rr->routes, gsi, &change), VIOMMU_OK);
	check_change(row, &change, gsi, vector, 0);
}

void rr_expect(struct routes_rig *rr, const char *row, const struct rr_change *changes,
	       unsigned count)
{
	struct viommu_route_change got[64];
	struct viommu_route_change looked;
	uint32_t n = 0;

	assert_true(count <= 63);
	check_eq(row, rr_statistics(rr).pending, count);
	check_eq(row, viommu_routes_drain(rr->routes, got, 64, &n), VIOMMU_OK);
	check_eq(row, n, count);
	for (unsigned i = 0; i < count; i++) {
		unsigned vector = changes[i].vector;

		check_change(row, &got[i], changes[i].gsi, vector < RR_MASKED ? vector : RR_NONE,
			     vector == RR_MASKED    ? VIOMMU_ROUTE_MASKED
			     : vector == RR_REVOKED ? VIOMMU_ROUTE_REVOKED
						    : VIOMMU_ROUTE_ASK);
		if (viommu_routes_lookup(rr->routes, got[i].gsi, &looked) == VIOMMU_OK) {
			got[i].flags &= VIOMMU_ROUTE_VALID;
			check_that(row, !memcmp(&looked, &got[i], sizeof(looked)));
		} else
			check_eq(row, vector, RR_REVOKED);
	}
}

void rr_expect_none(struct routes_rig *rr, const char *row)
{
	rr_expect(rr, row, NULL, 0);
}

struct viommu_routes_statistics rr_statistics(struct routes_rig *rr)
{
	struct viommu_routes_statistics statistics = { .size = sizeof(statistics) };

	assert_int_equal(viommu_routes_get_statistics(rr->routes, &statistics), VIOMMU_OK);
	assert_int_equal(statistics.size, sizeof(statistics));
	return statistics;
}

uint64_t rr_resolved(struct routes_rig *rr, uint64_t *before)
{
	uint64_t now = rr_statistics(rr).resolved;
	uint64_t more = now - *before;

	*before = now;
	return more;
}
