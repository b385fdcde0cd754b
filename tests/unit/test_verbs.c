/* SPDX-License-Identifier: BSD-3-Clause */
/* test_verbs.c - misuse of every public function: its code, and that nothing has changed. */
#include "check.h"

#include <string.h>

#include "bits.h"
#include "guest.h"

/* One guest for all rows, with everything that a function could want. */
struct world {
	struct guest g;
	struct viommu_device *device;
	struct viommu_channel *channel;
	uint64_t page;
};

static struct world w;

static int setup_world(void **state)
{
	struct guest_pasid p = { .did = 5, .pgtt = VTD_PGTT_SECOND, .ss_levels = 4 };

	guest_init(&w.g, GUEST_REGION, 128);
	guest_vtd(&w.g, GUEST_CAP_SCALABLE, GUEST_ECAP_SCALABLE);
	p.ss = guest_table(&w.g);
	w.page = guest_alloc(&w.g, 1);
	guest_ss_map(&w.g, p.ss, 4, 0x5000, w.page, 12, GUEST_RW);
	guest_pasid(&w.g, 8, 0, &p);
	guest_start(&w.g, VTD_TTM_SCALABLE);
	guest_page_queue_on(&w.g, 0);
	guest_interrupts_on(&w.g, 3, true);
	w.device = guest_device(&w.g, 8);
	w.channel = guest_channel(&w.g, w.device, VIOMMU_NO_PASID);
	return 0;
}

static int end_world(void **state)
{
	guest_fini(&w.g);
	return 0;
}

/* What misuse may not change: the unit's whole state, and what the allocator has given. */
struct picture {
	unsigned char state[8192];
	uint64_t bytes;
	uint64_t blocks;
	unsigned called;
};

static void take_picture(struct picture *p)
{
	memset(p, 0, sizeof(*p));
	p->bytes = sizeof(p->state);
	assert_int_equal(viommu_save(w.g.iommu, p->state, &p->bytes), VIOMMU_OK);
	p->blocks = w.g.blocks;
	for (unsigned i = 0; i < GUEST_EVENTS; i++)
		p->called += w.g.count[i];
}

static void check_picture(const char *row, const struct picture *before)
{
	struct picture now;

	take_picture(&now);
	check_eq(row, memcmp(&now, before, sizeof(now)), 0);
}

/* ---- requests to translate ---- */

#define NONE VIOMMU_NO_PASID
#define MAX  UINT64_MAX
#define R    VIOMMU_READ

static const struct {
	const char *name;
	struct viommu_request request;
	int result; /* negative; else anything that is not */
} requests[] = {
	{ "first > last", { 0x6000, 0x5fff, NONE, R, 0 }, VIOMMU_EINVAL },
	{ "first > last by much", { MAX, 0, NONE, R, 0 }, VIOMMU_EINVAL },
	{ "one byte", { 0x5000, 0x5000, NONE, R, 0 }, 0 },
	{ "last byte of all", { MAX, MAX, NONE, R, 0 }, 0 },
	{ "up to the last byte", { 0x5000, MAX, NONE, R, 0 }, 0 },
	{ "everything", { 0, MAX, NONE, R, 0 }, 0 },
	{ "no access", { 0x5000, 0x5fff, NONE, 0, 0 }, VIOMMU_EINVAL },
	{ "no access, quietly", { 0x5000, 0x5fff, NONE, VIOMMU_QUIET, 0 }, 0 },
	{ "quietly", { 0x5000, 0x5fff, NONE, R | VIOMMU_QUIET, 0 }, 0 },
	{ "privilege only", { 0x5000, 0x5fff, NONE, VIOMMU_PRIV, 0 }, VIOMMU_EINVAL },
	{ "unknown access", { 0x5000, 0x5fff, NONE, R | 0x20, 0 }, VIOMMU_EINVAL },
	{ "unknown access, top bit", { 0x5000, 0x5fff, NONE, R | 0x8000, 0 }, VIOMMU_EINVAL },
	{ "type beyond the last", { 0x5000, 0x5fff, NONE, R, 3 }, VIOMMU_EINVAL },
	{ "type of all ones", { 0x5000, 0x5fff, NONE, R, 0xffff }, VIOMMU_EINVAL },
	{ "PASID of 21 bits", { 0x5000, 0x5fff, BIT(20), R, 0 }, VIOMMU_EINVAL },
	{ "any PASID", { 0x5000, 0x5fff, VIOMMU_ANY_PASID, R, 0 }, VIOMMU_EINVAL },
};

static bool as_expected(int result, int expected)
{
	return expected ? result == expected : result >= 0;
}

static int no_step(void *opaque, const struct viommu_step *step)
{
	(void)opaque;
	(void)step;
	return 0;
}

static void requests_through_each_door(void **state)
{
	for (unsigned warm = 0; warm < 2; warm++) {
		/* a warm channel must not let a malformed request hit */
		if (warm)
			assert_int_equal(guest_channel_dma(w.channel, NONE, 0x5000, 3).result, 0);
		for (size_t i = 0; i < ARRAY_COUNT(requests); i++) {
			const struct viommu_request *r = &requests[i].request;
			const char *name = requests[i].name;
			struct viommu_fragment f[2];
			struct viommu_answer a;
			struct picture before;
			int result;

			take_picture(&before);
			result = viommu_translate(w.channel, r, f, 2, &a);
			check_that(name, as_expected(result, requests[i].result));
			result = viommu_device_translate(w.device, r, f, 2, &a);
			check_that(name, as_expected(result, requests[i].result));
			result = viommu_explain(w.device, r, 0, no_step, NULL);
			check_that(name, as_expected(result, requests[i].result));
			if (requests[i].result)
				check_picture(name, &before);
			guest_take_faults(&w.g);
		}
	}
}

static void null_in_requests(void **state)
{
	const struct viommu_request r = { 0x5000, 0x5000, NONE, R, 0 };
	struct viommu_fragment f;
	struct viommu_answer a;
	struct picture before;

	take_picture(&before);
	assert_int_equal(viommu_translate(NULL, &r, &f, 1, &a), VIOMMU_EINVAL);
	assert_int_equal(viommu_translate(w.channel, NULL, &f, 1, &a), VIOMMU_EINVAL);
	assert_int_equal(viommu_translate(w.channel, &r, NULL, 1, &a), VIOMMU_EINVAL);
	assert_int_equal(viommu_translate(w.channel, &r, &f, 0, &a), VIOMMU_EINVAL);
	assert_int_equal(viommu_translate(w.channel, &r, &f, 1, NULL), VIOMMU_EINVAL);
	assert_int_equal(viommu_device_translate(NULL, &r, &f, 1, &a), VIOMMU_EINVAL);
	assert_int_equal(viommu_device_translate(w.device, NULL, &f, 1, &a), VIOMMU_EINVAL);
	assert_int_equal(viommu_device_translate(w.device, &r, NULL, 1, &a), VIOMMU_EINVAL);
	assert_int_equal(viommu_device_translate(w.device, &r, &f, 0, &a), VIOMMU_EINVAL);
	assert_int_equal(viommu_device_translate(w.device, &r, &f, 1, NULL), VIOMMU_EINVAL);
	assert_int_equal(viommu_explain(NULL, &r, 0, no_step, NULL), VIOMMU_EINVAL);
	assert_int_equal(viommu_explain(w.device, NULL, 0, no_step, NULL), VIOMMU_EINVAL);
	assert_int_equal(viommu_explain(w.device, &r, 0, NULL, NULL), VIOMMU_EINVAL);
	check_picture("NULL", &before);
}

/* ---- everything else that takes a pointer ---- */

static void null_elsewhere(void **state)
{
	struct viommu_device_config dc = { .size = sizeof(dc), .id = 99 };
	struct viommu_listener_config lc = { .size = sizeof(lc) };
	struct viommu_page_request pr = { .pasid = NONE, .access = R };
	struct viommu_vm_config vc = { .size = sizeof(vc) };
	struct viommu_vtd_config tc = { .size = sizeof(tc) };
	struct viommu_listener *listener;
	struct viommu_channel *channel;
	struct viommu_device *device;
	struct viommu *iommu;
	struct viommu_vm *vm;
	struct viommu_msi msi;
	uint64_t value = 0;
	struct picture before;

	take_picture(&before);
	assert_int_equal(viommu_vm_new(NULL, &vm), VIOMMU_EINVAL);
	assert_int_equal(viommu_vm_new(&vc, NULL), VIOMMU_EINVAL);
	assert_int_equal(viommu_vtd_new(NULL, &tc, &iommu), VIOMMU_EINVAL);
	assert_int_equal(viommu_vtd_new(w.g.vm, NULL, &iommu), VIOMMU_EINVAL);
	assert_int_equal(viommu_vtd_new(w.g.vm, &tc, NULL), VIOMMU_EINVAL);
	assert_int_equal(viommu_device_new(NULL, &dc, &device), VIOMMU_EINVAL);
	assert_int_equal(viommu_device_new(w.g.iommu, NULL, &device), VIOMMU_EINVAL);
	assert_int_equal(viommu_device_new(w.g.iommu, &dc, NULL), VIOMMU_EINVAL);
	assert_int_equal(viommu_device_set_id(NULL, 1), VIOMMU_EINVAL);
	assert_int_equal(viommu_channel_new(NULL, NONE, &channel), VIOMMU_EINVAL);
	assert_int_equal(viommu_channel_new(w.device, NONE, NULL), VIOMMU_EINVAL);
	assert_int_equal(viommu_enter(NULL), VIOMMU_EINVAL);
	assert_int_equal(viommu_leave(NULL), VIOMMU_EINVAL);
	assert_int_equal(viommu_request_page(NULL, &pr), VIOMMU_EINVAL);
	assert_int_equal(viommu_request_page(w.device, NULL), VIOMMU_EINVAL);
	assert_int_equal(viommu_invalidation_done(NULL, 1, VIOMMU_OK), VIOMMU_EINVAL);
	assert_int_equal(viommu_reg_read(NULL, 0, 4, &value), VIOMMU_EINVAL);
	assert_int_equal(viommu_reg_read(w.g.iommu, 0, 4, NULL), VIOMMU_EINVAL);
	assert_int_equal(viommu_reg_write(NULL, 0, 4, 0), VIOMMU_EINVAL);
	assert_int_equal(viommu_run(NULL), VIOMMU_EINVAL);
	assert_int_equal(viommu_reset(NULL), VIOMMU_EINVAL);
	assert_int_equal(viommu_listener_new(NULL, NULL, &lc, &listener), VIOMMU_EINVAL);
	assert_int_equal(viommu_listener_new(w.g.iommu, NULL, NULL, &listener), VIOMMU_EINVAL);
	assert_int_equal(viommu_listener_new(w.g.iommu, NULL, &lc, NULL), VIOMMU_EINVAL);
	assert_int_equal(viommu_save(NULL, &value, &value), VIOMMU_EINVAL);
	assert_int_equal(viommu_save(w.g.iommu, &value, NULL), VIOMMU_EINVAL);
	assert_int_equal(viommu_restore(NULL, &value, 8), VIOMMU_EINVAL);
	assert_int_equal(viommu_restore(w.g.iommu, NULL, 8), VIOMMU_EINVAL);
	assert_int_equal(viommu_remap_msi(NULL, 8, 0, 0, 0, &msi), VIOMMU_EINVAL);
	assert_int_equal(viommu_remap_msi(w.g.iommu, 8, 0, 0, 0, NULL), VIOMMU_EINVAL);
	assert_int_equal(viommu_vm_free(NULL), VIOMMU_OK);
	assert_int_equal(viommu_free(NULL), VIOMMU_OK);
	assert_int_equal(viommu_device_free(NULL), VIOMMU_OK);
	assert_int_equal(viommu_channel_free(NULL), VIOMMU_OK);
	assert_int_equal(viommu_listener_free(NULL), VIOMMU_OK);
	check_picture("NULL", &before);
}

/* ---- replays ---- */

static int count_mapped(void *opaque, uint64_t iova, const struct viommu_fragment *f)
{
	(void)iova;
	(void)f;
	++*(unsigned *)opaque;
	return 0;
}

static const struct {
	const char *name;
	uint64_t first, last;
	uint32_t pasid;
	int result;
	unsigned mapped;
} replays[] = {
	{ "first > last", 0x6000, 0x5fff, NONE, VIOMMU_EINVAL, 0 },
	{ "everything", 0, MAX, NONE, VIOMMU_OK, 1 },
	{ "the last byte of all", MAX, MAX, NONE, VIOMMU_OK, 0 },
	{ "one byte of the page", 0x5fff, 0x5fff, NONE, VIOMMU_OK, 1 },
	{ "the byte behind it", 0x6000, 0x6000, NONE, VIOMMU_OK, 0 },
	{ "the byte before it", 0x4fff, 0x4fff, NONE, VIOMMU_OK, 0 },
	{ "beyond the width", BIT(48), MAX, NONE, VIOMMU_OK, 0 },
	{ "PASID of 21 bits", 0, MAX, BIT(20), VIOMMU_EINVAL, 0 },
	{ "any PASID", 0, MAX, VIOMMU_ANY_PASID, VIOMMU_EINVAL, 0 },
	{ "a PASID without entry", 0, MAX, 0x123, VIOMMU_FAULT, 0 },
};

static void replay_arguments(void **state)
{
	uint64_t at = 0;
	unsigned n = 0;

	for (size_t i = 0; i < ARRAY_COUNT(replays); i++) {
		struct picture before;
		unsigned mapped = 0;

		take_picture(&before);
		at = replays[i].first;
		check_eq(replays[i].name,
			 viommu_replay(w.device, replays[i].pasid, &at, replays[i].last, 0,
				       count_mapped, &mapped),
			 replays[i].result);
		check_eq(replays[i].name, mapped, replays[i].mapped);
		if (replays[i].result)
			check_eq(replays[i].name, at, replays[i].first);
		check_picture(replays[i].name, &before); /* records no fault */
	}
	assert_int_equal(viommu_replay(NULL, NONE, &at, MAX, 0, count_mapped, &n), VIOMMU_EINVAL);
	assert_int_equal(viommu_replay(w.device, NONE, NULL, MAX, 0, count_mapped, &n),
			 VIOMMU_EINVAL);
	assert_int_equal(viommu_replay(w.device, NONE, &at, MAX, 0, NULL, &n), VIOMMU_EINVAL);
}

/* ---- page requests ---- */

static const struct {
	const char *name;
	struct viommu_page_request request;
} bad_page_requests[] = {
	{ "address not aligned", { 0x5001, NONE, 0, R, 1, 0 } },
	{ "PASID of 21 bits", { 0x5000, BIT(20), 0, R, 1, 0 } },
	{ "any PASID", { 0x5000, VIOMMU_ANY_PASID, 0, R, 1, 0 } },
	{ "group of 10 bits", { 0x5000, NONE, 0x200, R, 1, 0 } },
	{ "group of all ones", { 0x5000, NONE, 0xffff, R, 1, 0 } },
	{ "unknown access", { 0x5000, NONE, 0, 0x10, 1, 0 } },
	{ "last neither 0 nor 1", { 0x5000, NONE, 0, R, 2, 0 } },
	{ "reserved", { 0x5000, NONE, 0, R, 1, 1 } },
};

static void page_request_arguments(void **state)
{
	for (size_t i = 0; i < ARRAY_COUNT(bad_page_requests); i++) {
		struct picture before;

		take_picture(&before);
		check_eq(bad_page_requests[i].name,
			 viommu_request_page(w.device, &bad_page_requests[i].request),
			 VIOMMU_EINVAL);
		check_picture(bad_page_requests[i].name, &before);
	}
}

/* ---- interrupts ---- */

static void msi_arguments(void **state)
{
	struct picture before;
	struct viommu_msi msi;

	take_picture(&before);
	for (unsigned bit = 2; bit < 32; bit++) /* not _RESOLVE, _NO_SOURCE */
		assert_int_equal(viommu_remap_msi(w.g.iommu, 8, 0xfee00010, 0, (uint32_t)BIT(bit),
						  &msi),
				 VIOMMU_EINVAL);
	check_picture("flags", &before);
	assert_int_equal(viommu_remap_msi(w.g.iommu, 8, 0xfee00010, 0, VIOMMU_MSI_RESOLVE, &msi),
			 VIOMMU_FAULT);
	check_picture("resolving records nothing", &before);
}

/* ---- registers ---- */

static void register_arguments(void **state)
{
	static const uint64_t offsets[] = { 0, 1, 4, 0xffc, 0x1000, BIT(32), MAX - 7, MAX };
	uint64_t value;

	for (size_t i = 0; i < ARRAY_COUNT(offsets); i++) {
		for (uint32_t bytes = 0; bytes < 20; bytes++) {
			int result;

			value = 0x55;
			result = viommu_reg_read(w.g.iommu, offsets[i], bytes, &value);
			assert_true(result == VIOMMU_OK || result == VIOMMU_EINVAL);
			if (!result && bytes < 8)
				assert_int_equal(value & ~bits_low(bytes * 8), 0);
			result = viommu_reg_write(w.g.iommu, offsets[i], bytes, 0);
			assert_true(result == VIOMMU_OK || result == VIOMMU_EINVAL);
		}
	}
}

/* ---- configurations ---- */

static void reserved_members(void **state)
{
	struct viommu_device_config dc = { .size = sizeof(dc), .id = 99, .partition = 1 };
	struct viommu_host host = { .size = sizeof(host), .reserved = 1 };
	struct viommu_vtd_config tc = { .size = sizeof(tc), .host = &host };
	struct viommu_device *device = NULL;
	struct viommu *iommu = NULL;
	struct picture before;

	take_picture(&before);
	assert_int_equal(viommu_device_new(w.g.iommu, &dc, &device), VIOMMU_EINVAL);
	assert_int_equal(viommu_vtd_new(w.g.vm, &tc, &iommu), VIOMMU_EINVAL);
	assert_null(device);
	assert_null(iommu);
	check_picture("reserved", &before);
}

/* ---- save and restore ---- */

static void save_arguments(void **state)
{
	unsigned char buffer[8192];
	uint64_t bytes = 0;
	uint64_t need;

	assert_int_equal(viommu_save(w.g.iommu, NULL, &bytes), VIOMMU_ENOSPC);
	need = bytes;
	assert_true(need > 0 && need <= sizeof(buffer));
	bytes = 1;
	assert_int_equal(viommu_save(w.g.iommu, NULL, &bytes), VIOMMU_EINVAL);
	bytes = need - 1;
	assert_int_equal(viommu_save(w.g.iommu, buffer, &bytes), VIOMMU_ENOSPC);
	assert_int_equal(bytes, need);
	assert_int_equal(viommu_save(w.g.iommu, buffer, &bytes), VIOMMU_OK);
	assert_int_equal(bytes, need);
	bytes = sizeof(buffer);
	assert_int_equal(viommu_save(w.g.iommu, buffer, &bytes), VIOMMU_OK);
	assert_int_equal(bytes, need);
	assert_int_equal(viommu_restore(w.g.iommu, buffer, 0), VIOMMU_ESTATE);
	assert_int_equal(viommu_restore(w.g.iommu, buffer, need - 1), VIOMMU_ESTATE);
	assert_int_equal(viommu_restore(w.g.iommu, buffer, need + 1), VIOMMU_ESTATE);
}

/* A unit of another configuration does not take it. */
static void restore_elsewhere(void **state)
{
	unsigned char buffer[8192];
	uint64_t bytes = sizeof(buffer);
	struct guest g;

	assert_int_equal(viommu_save(w.g.iommu, buffer, &bytes), VIOMMU_OK);
	guest_init(&g, GUEST_REGION, 8);
	guest_vtd(&g, GUEST_CAP_SCALABLE, GUEST_ECAP_SCALABLE & ~VTD_ECAP_NWFS);
	assert_int_equal(viommu_restore(g.iommu, buffer, bytes), VIOMMU_ESTATE);
	guest_fini(&g);
}

/* A unit without page requests. */
static void not_supported(void **state)
{
	const struct viommu_page_request pr = { .pasid = NONE, .access = R, .last = 1 };
	struct guest g;

	guest_init(&g, GUEST_REGION, 8);
	guest_vtd(&g, GUEST_CAP, GUEST_ECAP_LEGACY);
	assert_int_equal(viommu_request_page(guest_device(&g, 8), &pr), VIOMMU_ENOTSUP);
	guest_fini(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests_through_each_door),
		cmocka_unit_test(null_in_requests),
		cmocka_unit_test(null_elsewhere),
		cmocka_unit_test(replay_arguments),
		cmocka_unit_test(page_request_arguments),
		cmocka_unit_test(msi_arguments),
		cmocka_unit_test(register_arguments),
		cmocka_unit_test(reserved_members),
		cmocka_unit_test(save_arguments),
		cmocka_unit_test(restore_elsewhere),
		cmocka_unit_test(not_supported),
	};

	return cmocka_run_group_tests(tests, setup_world, end_world);
}
