/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_device_hit.c - viommu_device_translate() from the context that the device used last: it is that of the PASID asked
 * for and stands, whoever writes it; what is not well-formed is refused as if nothing were cached.
 */
#include "check.h"

#include <string.h>

#include "guest.h"
#include "seqlock.h"
#include "unit.h"
#include "vtd_engine.h"

#define RID    0x10U
#define IOVA   UINT64_C(0x40000000)
#define PASIDS 2U

struct world {
	struct guest g;
	struct viommu_device *device;
	uint64_t page[PASIDS];
	uint64_t root[PASIDS];
};

static struct world world;

static void describe(struct world *w, uint32_t pasid)
{
	struct guest_pasid p = { .did = 7,
				 .pgtt = VTD_PGTT_FIRST,
				 .fs = w->root[pasid],
				 .fs_levels = 4,
				 .ss_levels = 4 };

	guest_pasid(&w->g, RID, pasid, &p);
}

static struct world *open_world(void)
{
	struct viommu_vtd_config config = { .size = sizeof(config),
					    .cap = GUEST_CAP_SCALABLE,
					    .ecap = GUEST_ECAP_SCALABLE };
	struct world *w = &world;

	memset(w, 0, sizeof(*w));
	guest_init(&w->g, GUEST_REGION, 64);
	assert_int_equal(guest_try_vtd_config(&w->g, &config), VIOMMU_OK);
	for (uint32_t i = 0; i < PASIDS; i++) {
		w->root[i] = guest_table(&w->g);
		w->page[i] = guest_alloc(&w->g, 1);
		guest_fs_map(&w->g, w->root[i], 4, IOVA, w->page[i], 12, GUEST_FS);
		describe(w, i);
	}
	guest_start(&w->g, VTD_TTM_SCALABLE);
	w->device = guest_device(&w->g, RID);
	return w;
}

static void asks(struct world *w, const char *row, uint32_t pasid, uint64_t gpa)
{
	struct guest_dma d = guest_dma_pasid(w->device, pasid, IOVA, VIOMMU_READ);

	check_eq(row, d.result, VIOMMU_OK);
	check_eq(row, d.f.gpa, gpa);
}

static uint64_t writes(const struct world *w)
{
	return atomic_load(&w->device->last.version) / 2;
}

/* In turn, over and over: each gets its own, and the line is not written for every request. */
static void two_pasids(void **state)
{
	struct world *w = open_world();
	uint64_t had;

	for (unsigned i = 0; i < 4; i++)
		asks(w, "warming", i % 2, w->page[i % 2]);
	had = writes(w);
	for (unsigned i = 0; i < 8; i++)
		asks(w, "in turn", i % 2, w->page[i % 2]);
	check_eq("in turn: written", writes(w), had);
	check_eq("the first stays", atomic_load(&w->device->last.pasid), 0);
	guest_fini(&w->g);
}

/* What the last context was is void with the contexts; then whoever comes first has the line. */
static void contexts_change(void **state)
{
	struct world *w = open_world();
	uint64_t root = w->root[0];

	asks(w, "before", 0, w->page[0]);
	w->root[0] = w->root[1];
	w->root[1] = root;
	describe(w, 0);
	describe(w, 1);
	guest_invalidate_all(&w->g);
	asks(w, "after", 1, w->page[0]);
	asks(w, "after", 0, w->page[1]);
	check_eq("another one", atomic_load(&w->device->last.pasid), 1);
	guest_fini(&w->g);
}

/* Somebody is writing it, and does not get on: the cache of contexts is asked, and nothing is written. */
static void a_line_that_stays_locked(void **state)
{
	struct world *w = open_world();

	asks(w, "before", 0, w->page[0]);
	seq_write_begin(&w->device->last.version);
	asks(w, "locked", 0, w->page[0]);
	guest_invalidate_all(&w->g);
	asks(w, "locked, void", 1, w->page[1]);
	asks(w, "locked, void", 0, w->page[0]);
	seq_write_end(&w->device->last.version);
	asks(w, "afterwards", 0, w->page[0]);
	guest_fini(&w->g);
}

/* iommu.h: VIOMMU_EINVAL, whatever is cached. */
static void not_well_formed(void **state)
{
	static const struct {
		const char *name;
		struct viommu_request r;
	} rows[] = {
		{ "no access", { IOVA, IOVA, 0, 0, 0 } },
		{ "VIOMMU_PRIV alone", { IOVA, IOVA, 0, VIOMMU_PRIV, 0 } },
		{ "an access that does not exist", { IOVA, IOVA, 0, 32 | VIOMMU_READ, 0 } },
		{ "all of them", { IOVA, IOVA, 0, 0xffff, 0 } },
		{ "a type that does not exist", { IOVA, IOVA, 0, VIOMMU_READ, 3 } },
		{ "a type that is 0 in 8 bits", { IOVA, IOVA, 0, VIOMMU_READ, 0x100 } },
		{ "the last before the first", { IOVA + 1, IOVA, 0, VIOMMU_READ, 0 } },
		{ "the same, of another page", { IOVA + 4096, IOVA, 0, VIOMMU_READ, 0 } },
		{ "a PASID of 21 bits", { IOVA, IOVA, 1U << 20, VIOMMU_READ, 0 } },
	};
	struct world *w = open_world();

	asks(w, "warm", 0, w->page[0]);
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		struct viommu_fragment f;
		struct viommu_answer answer;

		check_eq(rows[i].name,
			 viommu_device_translate(w->device, &rows[i].r, &f, 1, &answer),
			 VIOMMU_EINVAL);
	}
	guest_fini(&w->g);
}

/* What each permission answers: as access_need() has it, and dirty for writing; and what a fragment shows of it. */
static void what_suffices(void **state)
{
	for (unsigned perm = 0; perm < PERMITS; perm++) {
		for (unsigned access = 0; access < ACCESS_KINDS; access++) {
			unsigned need = access_need(access) |
					(access & VIOMMU_WRITE ? (unsigned)PERM_DIRTY : 0U);
			unsigned granted = access_granted(perm, access);
			const struct grant *grant = &permits[perm].grant[access / VIOMMU_PRIV];

			check_eq("access", translate_permits(perm, access),
				 need && !(need & ~perm));
			check_eq("perm", grant->perm, granted);
			check_eq("flags", grant->flags, access_clean(perm, granted));
		}
		check_eq("accesses", permits[perm].accepts >> ACCESS_KINDS, 0);
	}
}

/* Two regions are found without a search, others with one. */
static void regions(void **state)
{
	static _Alignas(4096) unsigned char ram[3][3 * 4096];
	const struct viommu_vm_config config = { .size = sizeof(config) };
	const uint64_t gpa[3] = { 0x100000000, 0x200000, 0x10000 };
	struct viommu_region region = { .size = sizeof(region) };
	struct viommu_vm *vm;
	struct mem_place place;

	assert_int_equal(viommu_vm_new(&config, &vm), VIOMMU_OK);
	mem_find(vm, 0, &place);
	check_eq("no region", place.host, 0);
	for (unsigned order = 0; order < 3; order++) {
		for (unsigned n = 0; n < 3; n++) {
			unsigned i = (n + order) % 3;

			region.gpa = gpa[i];
			region.bytes = (i + 1) * UINT64_C(4096);
			region.host = ram[i];
			assert_int_equal(viommu_vm_add_region(vm, &region), VIOMMU_OK);
		}
		check_eq("largest", vm->largest[0][0], gpa[2]);
		check_eq("second", vm->largest[1][0], gpa[1]);
		for (unsigned i = 0; i < 3; i++) {
			uint64_t last = gpa[i] + (i + 1) * UINT64_C(4096) - 1;

			mem_find(vm, last, &place);
			check_eq("its last", (uint64_t)place.host, (uint64_t)(uintptr_t)ram[i]);
			check_eq("its last", place.last, last);
			mem_find(vm, last + 1, &place);
			check_eq("beyond", place.host, 0);
			mem_find(vm, gpa[i] - 1, &place);
			check_eq("before", place.host, 0);
		}
		for (unsigned i = 0; i < 3; i++)
			assert_int_equal(viommu_vm_remove_region(vm, gpa[i]), VIOMMU_OK);
		mem_find(vm, gpa[2], &place);
		check_eq("gone", place.host, 0);
	}
	/* ROM is not one of them: it is not what it seems, for who writes */
	region.flags = VIOMMU_REGION_READONLY;
	assert_int_equal(viommu_vm_add_region(vm, &region), VIOMMU_OK);
	check_eq("ROM", vm->largest[0][1], 0);
	mem_find(vm, region.gpa, &place);
	check_eq("ROM", place.host, (uintptr_t)region.host | MEM_REGION_READONLY);
	assert_int_equal(viommu_vm_remove_region(vm, region.gpa), VIOMMU_OK);
	assert_int_equal(viommu_vm_free(vm), VIOMMU_OK);
}

/* Whatever it takes to find it: another way of a set, another size, another region, no region, ROM. */
static void all_that_is_cached(void **state)
{
	enum { COUNT = 512 };
	static _Alignas(4096) unsigned char more[3][0x200000];
	static const uint64_t large[] = { 0x80000000, 0xc0000000, 0x100000000, 0x140000000 };
	struct world *w = open_world();
	struct viommu_region region = { .size = sizeof(region), .bytes = 0x200000 };

	for (unsigned i = 0; i < 4; i++) {
		region.gpa = large[i];
		region.host = more[i % 3];
		region.flags = i == 2 ? VIOMMU_REGION_READONLY : 0;
		if (i < 3)
			assert_int_equal(viommu_vm_add_region(w->g.vm, &region), VIOMMU_OK);
		guest_fs_map(&w->g, w->root[0], 4, large[i], large[i], 21, GUEST_FS);
	}
	for (unsigned i = 1; i < COUNT; i++)
		guest_fs_map(&w->g, w->root[0], 4, IOVA + i * 4096, w->page[i % 2], 12, GUEST_FS);
	for (unsigned turn = 0; turn < 2; turn++) {
		for (unsigned i = 0; i < COUNT; i++) {
			uint64_t iova = IOVA + i * 4096;
			struct guest_dma d = guest_dma_pasid(w->device, 0, iova + 8, VIOMMU_WRITE);

			check_eq("page", d.result, VIOMMU_OK);
			check_eq("page", d.f.gpa, w->page[i % 2] + 8);
			check_eq("page", (uintptr_t)d.f.host,
				 (uintptr_t)guest_at(&w->g, w->page[i % 2] + 8));
			check_eq("page", d.answer.extent_lg2, 12);
		}
		for (unsigned i = 0; i < 4; i++) {
			struct viommu_request r = { .first = large[i] + 0x1ffc,
						    .last = large[i] + 0x5000,
						    .access = VIOMMU_READ };
			struct viommu_fragment f;
			struct viommu_answer answer;

			check_eq("large", viommu_device_translate(w->device, &r, &f, 1, &answer),
				 VIOMMU_OK);
			check_eq("large", f.gpa, r.first);
			check_eq("large", f.length, r.last - r.first + 1);
			check_eq("large", (uintptr_t)f.host,
				 i < 3 ? (uintptr_t)&more[i][0x1ffc] : 0);
			check_eq("large", f.perm & VIOMMU_WRITE, i == 2 ? 0 : VIOMMU_WRITE);
			check_eq("large", answer.extent_lg2, 21);
			check_eq("large", answer.next, r.last + 1);
			r.access = VIOMMU_WRITE;
			check_eq("large", viommu_device_translate(w->device, &r, &f, 1, &answer),
				 VIOMMU_OK);
			check_eq("large, to write", (uintptr_t)f.host,
				 i < 2 ? (uintptr_t)&more[i][0x1ffc] : 0);
		}
	}
	guest_fini(&w->g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_pasids),
		cmocka_unit_test(contexts_change),
		cmocka_unit_test(a_line_that_stays_locked),
		cmocka_unit_test(not_well_formed),
		cmocka_unit_test(what_suffices),
		cmocka_unit_test(regions),
		cmocka_unit_test(all_that_is_cached),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
