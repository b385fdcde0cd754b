/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fuzz_routes.c - sequences of route calls, table entries rewritten, invalidations and switches,
 * beside a simple idea of what must be true after each:
 *
 *	- a route whose entry has been invalidated since it was written answers what remapping its
 *	  message answers now, and no other (obligations 12, 15);
 *	- what was drained is what lookups answer, once everything is drained;
 *	- the guest does not see its status before `changed` has been called (14);
 *	- resolving records no fault, and the counters count.
 */
#include <stdlib.h>
#include <string.h>

#include <libvirtiommu/routes.h>
#include <libvirtiommu/vm.h>
#include <libvirtiommu/vtd.h>

#include "harness.h"
#include "vtd_spec.h"

enum { GSIS = 64, ENTRIES = 64, STEPS = 200, DEPTH = 2 };

/* Functions that a call may enter for each step, and beside. */
enum { WORK_EACH = 100, WORK_BASE = 1500 };

#define PAGE_BYTES UINT64_C(0x1000)
#define STATUS	   UINT64_C(0x0)
#define QUEUE	   UINT64_C(0x1000)
#define TABLE	   UINT64_C(0x2000)
#define POSTED	   UINT64_C(0x3000)
#define RAM	   UINT64_C(0x4000)

static struct fuzz {
	struct input *in;
	struct viommu_vm *vm;
	struct viommu *iommu;
	struct viommu_routes *routes;
	_Alignas(4096) uint64_t ram[RAM / 8];
	uint32_t tail;
	uint32_t ticket;
	bool waiting; /* the guest has asked, and may not know yet */
	bool dirty[ENTRIES];
	bool exists[GSIS];
	struct viommu_route route[GSIS];
	struct viommu_route_change kernel[GSIS];
	uint64_t gcmd;
	unsigned depth;
} f;

static uint64_t take(unsigned bytes)
{
	return input_take(f.in, bytes);
}

static void write_register(uint64_t offset, uint32_t bytes, uint64_t value)
{
	int result = viommu_reg_write(f.iommu, offset, bytes, value);

	/* steps are few, but each call gets on */
	for (unsigned i = 0; result == VIOMMU_PENDING && !f.depth; i++) {
		CHECK(i < 1000);
		result = viommu_run(f.iommu);
	}
	CHECK(result == VIOMMU_OK || (result == VIOMMU_EBUSY && f.depth));
}

/* ---- what must be true ---- */

/* The entry that a message names; ENTRIES or more: none that can be dirty. */
static uint32_t entry_of(const struct viommu_route *route)
{
	uint32_t index = (uint32_t)(bits_get(route->address, VTD_MSI_HANDLE_LO) |
				    bits_get(route->address, VTD_MSI_HANDLE_HI) << 15);

	if (route->address & VTD_MSI_SHV)
		index += route->data & 0xffff;
	return index;
}

/* Whether the kernel has what a lookup answers. What it does not have may resolve by now. */
static bool kernel_agrees(const struct viommu_route_change *got,
			  const struct viommu_route_change *kernel)
{
	if (!(kernel->flags & VIOMMU_ROUTE_VALID) || (kernel->flags & VIOMMU_ROUTE_MASKED))
		return !(kernel->flags & (VIOMMU_ROUTE_MASKED | VIOMMU_ROUTE_REVOKED)) ||
		       !(got->flags & VIOMMU_ROUTE_VALID);
	return (got->flags & VIOMMU_ROUTE_VALID) && got->msi.address == kernel->msi.address &&
	       got->msi.data == kernel->msi.data && got->msi.flags == kernel->msi.flags;
}

static bool alike(const struct viommu_route_change *a, const struct viommu_route_change *b)
{
	if (!(a->flags & VIOMMU_ROUTE_VALID) || !(b->flags & VIOMMU_ROUTE_VALID))
		return a->flags == b->flags;
	return a->msi.address == b->msi.address && a->msi.data == b->msi.data &&
	       a->msi.flags == b->msi.flags;
}

static void check_route(uint32_t gsi, const struct viommu_route_change *got)
{
	const struct viommu_route *route = &f.route[gsi];
	struct viommu_route_change now = { .gsi = gsi };
	uint32_t entry = entry_of(route);

	CHECK(got->gsi == gsi);
	if (route->flags & VIOMMU_ROUTE_MASKED) {
		CHECK(got->flags == 0);
		return;
	}
	if (entry < ENTRIES && f.dirty[entry])
		return;
	if (viommu_remap_msi(f.iommu, route->source, route->address, route->data,
			     VIOMMU_MSI_RESOLVE, &now.msi) == VIOMMU_OK)
		now.flags = VIOMMU_ROUTE_VALID;
	CHECK(alike(got, &now));
}

static void check_all(void)
{
	struct viommu_routes_statistics statistics = { .size = sizeof(statistics) };
	uint32_t routes = 0, valid = 0;

	CHECK(viommu_routes_get_statistics(f.routes, &statistics) == VIOMMU_OK);
	for (uint32_t gsi = 0; gsi < GSIS; gsi++) {
		struct viommu_route_change got;
		int result = viommu_routes_lookup(f.routes, gsi, &got);

		CHECK(result == (f.exists[gsi] ? VIOMMU_OK : VIOMMU_ENOENT));
		if (result == VIOMMU_OK) {
			check_route(gsi, &got);
			valid += got.flags & VIOMMU_ROUTE_VALID;
			routes++;
		} else {
			got = (struct viommu_route_change){ .gsi = gsi };
		}
		if (!statistics.pending)
			CHECK(kernel_agrees(&got, &f.kernel[gsi]));
	}
	/* those that are asked may deliver beyond what is kept */
	CHECK(statistics.routes == routes && statistics.valid <= valid);
	CHECK(statistics.pending <= GSIS);
}

static void check_registers(void)
{
	uint64_t value;

	CHECK(viommu_reg_read(f.iommu, VTD_FSTS, 4, &value) == VIOMMU_OK);
	CHECK(value == 0);
}

/* ---- steps ---- */

static void drain(uint32_t max)
{
	struct viommu_route_change got[GSIS + 1];
	uint32_t count = UINT32_MAX;
	int result = viommu_routes_drain(f.routes, got, max, &count);

	CHECK(result == VIOMMU_OK || result == VIOMMU_MORE);
	CHECK(count <= max && (result == VIOMMU_OK || count == max));
	for (uint32_t i = 0; i < count; i++) {
		CHECK(got[i].gsi < GSIS);
		f.kernel[got[i].gsi] = got[i];
	}
}

static void set_one(const struct viommu_route *route)
{
	int result = viommu_routes_set(f.routes, route);

	if (result < 0) {
		CHECK(route->gsi >= GSIS || route->source > 0xffff);
		return;
	}
	CHECK(result == VIOMMU_OK || result == VIOMMU_FAULT);
	f.route[route->gsi] = *route;
	f.exists[route->gsi] = true;
}

static void set_route(void)
{
	struct viommu_route route = { .size = sizeof(route),
				      .gsi = (uint32_t)take(1) % (GSIS + 1) };
	uint64_t how = take(1);
	uint32_t index = (uint32_t)take(1) % (ENTRIES + 4);

	route.source = (uint32_t)take(how & 1 ? 3 : 1) & 0x1ffff;
	route.address = VTD_MSI_FEE | VTD_MSI_FORMAT | bits_put(VTD_MSI_HANDLE_LO, index);
	if (how & 2)
		route.flags = VIOMMU_ROUTE_MASKED;
	if (how & 4)
		route.address ^= VTD_MSI_FORMAT;
	if (how & 8) {
		route.address |= VTD_MSI_SHV;
		route.data = (uint32_t)take(how & 0x10 ? 4 : 1);
	}
	if (how & 0x20)
		route.address ^= take(4);
	set_one(&route);
	while (how & 0x40 && ++route.gsi < GSIS) /* all the others, too */
		set_one(&route);
}

/* Only where nothing is recorded: the registers show no fault at the end. */
static void deliver_route(void)
{
	uint32_t gsi = (uint32_t)take(1) % GSIS;
	const struct viommu_route *route = &f.route[gsi];
	struct viommu_msi msi, now;
	int result;

	if (!f.exists[gsi]) {
		CHECK(viommu_routes_deliver(f.routes, gsi, &msi) == VIOMMU_ENOENT);
		return;
	}
	if (route->flags & VIOMMU_ROUTE_MASKED) {
		CHECK(viommu_routes_deliver(f.routes, gsi, &msi) == VIOMMU_FAULT && !msi.reason);
		return;
	}
	result = viommu_remap_msi(f.iommu, route->source, route->address, route->data,
				  VIOMMU_MSI_RESOLVE, &now);
	if (result != VIOMMU_OK)
		return;
	CHECK(viommu_routes_deliver(f.routes, gsi, &msi) == VIOMMU_OK);
	CHECK(msi.address == now.address && msi.data == now.data);
}

static void remove_route(void)
{
	uint32_t gsi = (uint32_t)take(1) % (GSIS + 1);
	int result = viommu_routes_remove(f.routes, gsi);

	if (gsi == GSIS) {
		CHECK(result == VIOMMU_EINVAL);
		return;
	}
	CHECK(result == (f.exists[gsi] ? VIOMMU_OK : VIOMMU_ENOENT));
	f.exists[gsi] = false;
}

static void rewrite(void)
{
	uint32_t entry = (uint32_t)take(1) % ENTRIES;
	uint64_t how = take(1);
	uint64_t low = VTD_IRTE_P | bits_put(VTD_IRTE_V, take(1)) | bits_put(BITS(47, 40), how);
	uint64_t high = 0;

	if (how & 1)
		low = 0;
	if (how & 2)
		low ^= UINT64_C(1) << take(1) % 64;
	if (how & 4)
		high = take(2) | bits_put(BITS(19, 16), take(1));
	if ((how & 0x30) == 0x30)
		low = VTD_IRTE_P | VTD_IRTE_IM | bits_put(VTD_IRTE_V, take(1)) |
		      bits_put(VTD_PIRTE_PDA_LO, (POSTED + (how & 7) * 64) >> 6);
	f.ram[(TABLE + entry * 16) / 8 + 1] = high;
	f.ram[(TABLE + entry * 16) / 8] = low;
	f.dirty[entry] = true;
}

static void put(uint64_t low, uint64_t high)
{
	f.ram[(QUEUE + f.tail) / 8] = low;
	f.ram[(QUEUE + f.tail) / 8 + 1] = high;
	f.tail = (f.tail + 16) % PAGE_BYTES;
}

static void clean(uint32_t first, uint32_t last)
{
	for (uint32_t i = first; i <= last && i < ENTRIES; i++)
		f.dirty[i] = false;
}

static void invalidate(void)
{
	unsigned n = 1 + (unsigned)take(1) % 3;

	for (unsigned i = 0; i < n; i++) {
		uint64_t how = take(1);
		uint32_t index = (uint32_t)take(1);
		uint32_t mask = (uint32_t)bits_low((unsigned)how & 7);

		if (how & 0x80) {
			put(VTD_QI_IEC, 0);
			clean(0, ENTRIES - 1);
		} else {
			put(VTD_QI_IEC | VTD_QI_IEC_G | bits_put(VTD_QI_IEC_IIDX, index) |
				    bits_put(VTD_QI_IEC_IM, how & 7),
			    0);
			clean(index & ~mask, index | mask);
		}
	}
	put(VTD_QI_WAIT | VTD_QI_WAIT_SW | bits_put(VTD_QI_WAIT_DATA, ++f.ticket), STATUS);
	f.waiting = true;
	write_register(VTD_IQT, 8, f.tail);
	f.waiting = false;
	CHECK((uint32_t)f.ram[STATUS / 8] == f.ticket);
}

static void command(uint64_t set, uint64_t clear)
{
	f.gcmd = (f.gcmd | set) & ~clear;
	write_register(VTD_GCMD, 4, f.gcmd);
	f.gcmd &= ~(uint64_t)VTD_G_IRTP;
}

/* Entries are read again when remapping or the table is switched; CFI has nothing to do with
 * them. */
static void switch_something(void)
{
	uint64_t how = take(1);
	bool on = how & 4;

	switch (how & 3) {
	case 0:
		write_register(VTD_IRTA, 8, TABLE | (how >> 2) % 6);
		clean(0, ENTRIES - 1);
		command(VTD_G_IRTP, 0);
		break;
	case 1:
	case 2:
		if (on != !!(f.gcmd & VTD_G_IRE))
			clean(0, ENTRIES - 1);
		command(on ? VTD_G_IRE : 0, on ? 0 : VTD_G_IRE);
		break;
	default:
		command(on ? VTD_G_CFI : 0, on ? 0 : VTD_G_CFI);
	}
}

/* Inside `changed` the registers are busy; routes are not. */
static void step(bool inside)
{
	switch (take(1) % (inside ? 6 : 9)) {
	case 0:
	case 1:
		set_route();
		break;
	case 5:
		deliver_route();
		break;
	case 2:
		remove_route();
		break;
	case 3:
		drain(1 + (uint32_t)take(1) % GSIS);
		break;
	case 4:
		rewrite();
		break;
	case 6:
	case 7:
		invalidate();
		break;
	default:
		switch_something();
	}
}

static void changed(void *opaque)
{
	(void)opaque;
	CHECK(!f.waiting || (uint32_t)f.ram[STATUS / 8] != f.ticket);
	struct work paused;

	if (f.depth >= DEPTH || !input_left(f.in))
		return;
	f.depth++;
	paused = work_pause();
	if (take(1) & 1)
		step(true);
	drain(GSIS);
	work_resume(paused);
	f.depth--;
}

/* ---- run ---- */

static void open_all(void)
{
	struct viommu_vm_config vm = { .size = sizeof(vm), .hash_key = { 1, 2 } };
	struct viommu_region region = { .size = sizeof(region), .bytes = RAM, .host = f.ram };
	struct viommu_limits limits = { .size = sizeof(limits),
					.steps = 1 + (uint32_t)take(1) % 32 };
	struct viommu_vtd_config vtd = { .size = sizeof(vtd),
					 .limits = &limits,
					 .cap = viommu_vtd_default_cap() | VTD_CAP_PI,
					 .ecap = viommu_vtd_default_ecap() };
	struct viommu_routes_config routes = { .size = sizeof(routes),
					       .gsis = GSIS,
					       .changed = changed };

	work_expect(limits.steps, WORK_EACH, WORK_BASE);
	CHECK(viommu_vm_new(&vm, &f.vm) == VIOMMU_OK);
	CHECK(viommu_vm_add_region(f.vm, &region) == VIOMMU_OK);
	CHECK(viommu_vtd_new(f.vm, &vtd, &f.iommu) == VIOMMU_OK);
	write_register(VTD_IQA, 8, QUEUE);
	command(VTD_G_QIE, 0);
	write_register(VTD_IRTA, 8, TABLE | 5);
	command(VTD_G_IRTP, 0);
	if (take(1) & 1)
		command(VTD_G_IRE, 0);
	CHECK(viommu_routes_new(f.iommu, &routes, &f.routes) == VIOMMU_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { .data = data, .size = size };

	memset(&f, 0, sizeof(f));
	f.in = &in;
	open_all();
	for (unsigned i = 0; i < STEPS && input_left(&in); i++) {
		step(false);
		check_all();
	}
	check_registers();
	drain(GSIS);
	check_all();
	CHECK(viommu_routes_free(f.routes) == VIOMMU_OK);
	CHECK(viommu_free(f.iommu) == VIOMMU_OK);
	CHECK(viommu_vm_free(f.vm) == VIOMMU_OK);
	return 0;
}
