/* SPDX-License-Identifier: BSD-3-Clause */
/* test_reverse.c - viommu_find_iova(): what a device calls a guest-physical address. */
#include "check.h"

#include <string.h>

#include "guest.h"
#include "virtio_rig.h"

#define RID  0x0010
#define LAST UINT64_MAX
#define NONE VIOMMU_NO_PASID

struct world {
	struct guest g;
	struct viommu_device *device;
	struct viommu_device *pass;
	struct viommu_device *absent;
};

/* 0x5000 twice, a page of 2 MiB, one at the end of the address space. */
static void open_world(struct world *w)
{
	uint64_t ss;

	memset(w, 0, sizeof(*w));
	guest_init(&w->g, GUEST_REGION, 256);
	guest_vtd(&w->g, GUEST_CAP, GUEST_ECAP_LEGACY);
	ss = guest_table(&w->g);
	guest_ss_map(&w->g, ss, 4, 0x400000, 0x5000, 12, GUEST_RW);
	guest_ss_map(&w->g, ss, 4, 0x7000000, 0x5000, 12, 1);
	guest_ss_map(&w->g, ss, 4, 0x40000000, 0x200000, 21, GUEST_RW);
	guest_ss_map(&w->g, ss, 4, UINT64_C(0xfffffffff000), 0x9000, 12, GUEST_RW);
	guest_legacy(&w->g, RID, 7, ss, 4);
	guest_legacy_tt(&w->g, RID + 1, 8, 0, 4, VTD_TT_PASS);
	guest_start(&w->g, VTD_TTM_LEGACY);
	w->device = guest_device(&w->g, RID);
	w->pass = guest_device(&w->g, RID + 1);
	w->absent = guest_device(&w->g, RID + 2);
}

static const struct row {
	const char *name;
	uint64_t gpa;
	uint64_t first;
	uint64_t last;
	int result;
	uint64_t iova;
	uint64_t bytes;
	uint32_t perm; /* R and W of it */
} rows[] = {
	{ "first byte", 0x5000, 0, LAST, VIOMMU_OK, 0x400000, 4096, 3 },
	{ "last byte", 0x5fff, 0, LAST, VIOMMU_OK, 0x400fff, 1, 3 },
	{ "before the page", 0x4fff, 0, LAST, VIOMMU_ENOENT, 0, 0, 0 },
	{ "behind the page", 0x6000, 0, LAST, VIOMMU_ENOENT, 0, 0, 0 },
	{ "the second one", 0x5000, 0x401000, LAST, VIOMMU_OK, 0x7000000, 4096, 1 },
	{ "not before first", 0x5000, 0x400001, LAST, VIOMMU_OK, 0x7000000, 4096, 1 },
	{ "not behind last", 0x5800, 0, 0x4007ff, VIOMMU_ENOENT, 0, 0, 0 },
	{ "up to last", 0x5800, 0, 0x400800, VIOMMU_OK, 0x400800, 1, 3 },
	{ "one byte", 0x5800, 0x400800, 0x400800, VIOMMU_OK, 0x400800, 1, 3 },
	{ "a large page", 0x234567, 0, LAST, VIOMMU_OK, 0x40034567, 0x200000 - 0x34567, 3 },
	{ "from inside a large page", 0x234567, 0x40034567, LAST, VIOMMU_OK, 0x40034567,
	  0x200000 - 0x34567, 3 },
	{ "passed inside a large page", 0x234567, 0x40034568, LAST, VIOMMU_ENOENT, 0, 0, 0 },
	{ "the last page", 0x9000, 0, LAST, VIOMMU_OK, UINT64_C(0xfffffffff000), 4096, 3 },
	{ "beyond memory", UINT64_MAX, 0, LAST, VIOMMU_ENOENT, 0, 0, 0 },
};

static void finds(void **state)
{
	struct world w;

	open_world(&w);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct row *r = &rows[i];
		struct viommu_reverse found = { .iova = 0 };
		uint64_t first = r->first;

		check_eq(r->name,
			 viommu_find_iova(w.device, NONE, r->gpa, &first, r->last, 0, &found),
			 r->result);
		check_eq(r->name, found.iova, r->iova);
		check_eq(r->name, found.bytes, r->bytes);
		check_eq(r->name, found.perm & 3, r->perm);
		if (r->result == VIOMMU_OK)
			check_eq(r->name, first > r->iova && first % 4096 == 0, 1);
	}
	assert_int_equal(guest_take_faults(&w.g), 0);
	guest_fini(&w.g);
}

/* All of them, one after the other, with the smallest budget: each call gets on. */
static void all_in_small_steps(void **state)
{
	uint64_t iova[4], first = 0;
	unsigned count = 0, calls = 0;
	struct viommu_reverse found;
	struct world w;
	int result;

	open_world(&w);
	do {
		uint64_t from = first;

		result = viommu_find_iova(w.device, NONE, 0x5123, &first, LAST, 1, &found);
		if (result == VIOMMU_OK) {
			assert_true(count < 4);
			iova[count++] = found.iova;
		}
		if (result != VIOMMU_ENOENT)
			assert_true(first > from);
		calls++;
	} while (result == VIOMMU_OK || result == VIOMMU_MORE);
	assert_int_equal(result, VIOMMU_ENOENT);
	assert_int_equal(count, 2);
	assert_int_equal(iova[0], 0x400123);
	assert_int_equal(iova[1], 0x7000123);
	assert_true(calls > 10);
	guest_fini(&w.g);
}

static void contexts(void **state)
{
	struct viommu_reverse found;
	uint64_t first = 0;
	struct world w;

	open_world(&w);
	assert_int_equal(viommu_find_iova(w.pass, NONE, 0x12345678, &first, LAST, 0, &found),
			 VIOMMU_OK);
	assert_int_equal(found.iova, 0x12345678);
	first = 0;
	assert_int_equal(viommu_find_iova(w.absent, NONE, 0x5000, &first, LAST, 0, &found),
			 VIOMMU_FAULT);
	assert_int_equal(guest_take_faults(&w.g), 0);
	guest_fini(&w.g);
}

static void of_virtio(void **state)
{
	struct virtio_rig *r = vr_open(NULL);
	struct viommu_reverse found;
	uint64_t first = 0;

	assert_int_equal(vr_attach(r, 7, 1, 0), ST_OK);
	assert_int_equal(vr_map(r, 7, 0x1000, 0x3fff, 0x8000, VR_READ), ST_OK);
	assert_int_equal(vr_map(r, 7, UINT64_MAX - 0xfff, UINT64_MAX, 0x9000, VR_RW), ST_OK);
	assert_int_equal(viommu_find_iova(r->device[1], NONE, 0x9010, &first, LAST, 0, &found),
			 VIOMMU_OK);
	assert_int_equal(found.iova, 0x2010);
	assert_int_equal(found.perm & 3, VIOMMU_READ);
	assert_int_equal(viommu_find_iova(r->device[1], NONE, 0x9010, &first, LAST, 0, &found),
			 VIOMMU_OK);
	assert_int_equal(found.iova, UINT64_MAX - 0xfff + 0x10);
	assert_int_equal(found.bytes, 0xff0);
	assert_int_equal(first, 0); /* there is no more */
	first = 0;
	assert_int_equal(viommu_find_iova(r->device[2], NONE, 0x9010, &first, LAST, 0, &found),
			 VIOMMU_FAULT);
	vr_close(r);
}

static void misuse(void **state)
{
	struct viommu_reverse found;
	uint64_t first = 1;
	struct world w;

	open_world(&w);
	assert_int_equal(viommu_find_iova(NULL, NONE, 0, &first, LAST, 0, &found), VIOMMU_EINVAL);
	assert_int_equal(viommu_find_iova(w.device, NONE, 0, NULL, LAST, 0, &found), VIOMMU_EINVAL);
	assert_int_equal(viommu_find_iova(w.device, NONE, 0, &first, LAST, 0, NULL), VIOMMU_EINVAL);
	assert_int_equal(viommu_find_iova(w.device, NONE, 0, &first, 0, 0, &found), VIOMMU_EINVAL);
	assert_int_equal(viommu_find_iova(w.device, 1 << 20, 0, &first, LAST, 0, &found),
			 VIOMMU_EINVAL);
	assert_int_equal(first, 1);
	guest_fini(&w.g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds),    cmocka_unit_test(all_in_small_steps),
		cmocka_unit_test(contexts), cmocka_unit_test(of_virtio),
		cmocka_unit_test(misuse),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
