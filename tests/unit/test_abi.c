/* SPDX-License-Identifier: BSD-3-Clause */
/* test_abi.c - what keeps the binary interface stable: sizes first, frozen layouts, result names. */
#include "check.h"

#include <stdlib.h>
#include <string.h>

#include <sys/uio.h>

#include <libvirtiommu/amdvi.h>
#include <libvirtiommu/dma.h>
#include <libvirtiommu/its.h>
#include <libvirtiommu/riscv.h>
#include <libvirtiommu/smmuv3.h>

#include "abi.h"
#include "bits.h"
#include "guest.h"
#include <libvirtiommu/nesting.h>
#include <libvirtiommu/observe.h>
#include <libvirtiommu/routes.h>
#include <libvirtiommu/tce.h>

/* ---- frozen layouts, from the public headers alone ---- */

#define AT(type, member, offset, bytes)                                                            \
	static_assert(offsetof(struct type, member) == (offset) &&                                 \
			      sizeof(((struct type *)0)->member) == (bytes),                       \
		      #type "." #member)

#if UINTPTR_MAX == UINT64_MAX
static_assert(sizeof(struct viommu_request) == 24, "frozen");
AT(viommu_request, first, 0, 8);
AT(viommu_request, last, 8, 8);
AT(viommu_request, pasid, 16, 4);
AT(viommu_request, access, 20, 2);
AT(viommu_request, type, 22, 2);
static_assert(sizeof(struct viommu_fragment) == 32, "frozen");
AT(viommu_fragment, gpa, 0, 8);
AT(viommu_fragment, length, 8, 8);
AT(viommu_fragment, host, 16, 8);
AT(viommu_fragment, perm, 24, 4);
AT(viommu_fragment, flags, 28, 4);
static_assert(sizeof(struct viommu_answer) == 32, "frozen");
AT(viommu_answer, next, 0, 8);
AT(viommu_answer, count, 8, 4);
AT(viommu_answer, reason, 12, 2);
AT(viommu_answer, ats, 14, 2);
AT(viommu_answer, token, 16, 8);
AT(viommu_answer, extent_lg2, 24, 4);
AT(viommu_answer, flags, 28, 4);
static_assert(sizeof(struct viommu_msi) == 40, "frozen");
AT(viommu_msi, index, 24, 4);
AT(viommu_msi, kind, 28, 4);
AT(viommu_msi, intid, 32, 4);
AT(viommu_msi, cpu, 36, 4);
static_assert(sizeof(struct viommu_nested_stage) == 40, "frozen");
AT(viommu_nested_stage, type, 0, 4);
AT(viommu_nested_stage, bytes, 4, 4);
AT(viommu_nested_stage, data, 8, 32);
static_assert(sizeof(struct viommu_nested_range) == 24, "frozen, and the kernel's");
AT(viommu_nested_range, address, 0, 8);
AT(viommu_nested_range, pages, 8, 8);
AT(viommu_nested_range, flags, 16, 4);
AT(viommu_nested_range, reserved, 20, 4);
static_assert(sizeof(struct viommu_section) == 16, "frozen");
AT(viommu_section, device, 0, 8);
AT(viommu_section, state, 8, 8);
static_assert(sizeof(struct viommu_part) == sizeof(struct iovec), "preadv() takes them");
AT(viommu_part, base, offsetof(struct iovec, iov_base), sizeof(void *));
AT(viommu_part, bytes, offsetof(struct iovec, iov_len), sizeof(size_t));
static_assert(sizeof(struct viommu_mapping) == 48, "frozen");
AT(viommu_mapping, parts, 16, 8);
AT(viommu_mapping, gpas, 24, 8);
AT(viommu_mapping, bytes, 32, 8);
static_assert(sizeof(struct viommu_reverse) == 24, "frozen");
AT(viommu_reverse, bytes, 8, 8);
AT(viommu_reverse, perm, 16, 4);
/* The library's: they may grow at the end. */
AT(viommu_step, raw, 8, 64);
AT(viommu_step, words, 72, 4);
AT(viommu_step, reason, 76, 4);
AT(viommu_step, what, 80, 8);
AT(viommu_step, flags, 88, 4);
AT(viommu_trace, kind, 0, 4);
AT(viommu_trace, what, 4, 4);
AT(viommu_trace, device, 8, 8);
AT(viommu_trace, id, 16, 4);
AT(viommu_trace, pasid, 20, 4);
AT(viommu_trace, first, 24, 8);
AT(viommu_trace, last, 32, 8);
AT(viommu_trace, gpa, 40, 8);
AT(viommu_trace, access, 48, 4);
AT(viommu_trace, reason, 52, 4);
AT(viommu_trace, took, 56, 8);
/* The caller's, by its size. */
AT(viommu_statistics, outstanding, 4, 4);
AT(viommu_statistics, misses, 8, 8);
AT(viommu_statistics, device_tlb_invalidations, 48, 8);
AT(viommu_statistics, message_faults, 56, 8);
AT(viommu_statistics, completions, 120, 8);
AT(viommu_statistics, longest_completion, 128, 8);
AT(viommu_mapping, max, 40, 4);
AT(viommu_mapping, count, 44, 4);
static_assert(sizeof(struct viommu_route_change) == 48, "frozen");
AT(viommu_route_change, msi, 8, 40);
static_assert(sizeof(struct viommu_page_request) == 24, "every byte is named");
/* The first release: members that come later go behind these. */
AT(viommu_vm_config, hash_key, 64, 16);
AT(viommu_vm_config, swap, 80, 8);
AT(viommu_vm_config, dirty_region, 88, 8);
AT(viommu_vm_config, arena, 96, 8);
AT(viommu_vm_config, arena_bytes, 104, 8);
AT(viommu_vm_config, arena_windows, 112, 8);
AT(viommu_region, host, 24, 8);
AT(viommu_region, opaque, 32, 8);
AT(viommu_host, message, 32, 8);
AT(viommu_host, now, 40, 8);
AT(viommu_host, line, 56, 8);
AT(viommu_limits, outstanding, 28, 4);
AT(viommu_limits, shadow, 44, 4);
AT(viommu_limits, partitions, 48, 4);
AT(viommu_device_config, partition, 12, 4);
AT(viommu_device_config, page_response, 32, 8);
AT(viommu_device_config, virtio, 40, 8);
AT(viommu_device_config, resume, 48, 8);
AT(viommu_listener_config, interrupts, 32, 8);
AT(viommu_listener_config, complete, 40, 8);
AT(viommu_vtd_config, limits, 40, 8);
AT(viommu_amdvi_config, limits, 40, 8);
AT(viommu_amdvi_msi, messages_lg2, 20, 4);
AT(viommu_riscv_config, limits, 48, 8);
AT(viommu_smmuv3_config, idr, 8, 24);
AT(viommu_smmuv3_config, gbpa, 40, 4);
AT(viommu_smmuv3_config, limits, 56, 8);
AT(viommu_lpis_config, limits, 72, 8);
AT(viommu_its_config, limits, 72, 8);
AT(viommu_lpi, priority, 12, 4);
AT(viommu_tce_config, limits, 88, 8);
AT(viommu_tce_pe, mmio_last, 96, 8);
static_assert(sizeof(struct viommu_tce_window) == 24, "every byte is named");
static_assert(sizeof(struct viommu_tce_fault) == 32, "every byte is named");
#endif

/* ---- viommu_strerror, viommu_version ---- */

static const struct {
	int result;
	const char *name;
} names[] = {
	{ 0, "VIOMMU_OK" },	     { 1, "VIOMMU_FAULT" },
	{ 2, "VIOMMU_PENDING" },     { 3, "VIOMMU_MORE" },
	{ 4, "VIOMMU_INTERRUPT" },   { -1, "VIOMMU_EINVAL" },
	{ -2, "VIOMMU_ESIZE" },	     { -3, "VIOMMU_ENOMEM" },
	{ -4, "VIOMMU_EEXIST" },     { -5, "VIOMMU_ENOENT" },
	{ -6, "VIOMMU_EBUSY" },	     { -7, "VIOMMU_ENOTSUP" },
	{ -8, "VIOMMU_ELIMIT" },     { -9, "VIOMMU_ESTATE" },
	{ -10, "VIOMMU_ENOSPC" },    { -11, "VIOMMU_EINTERNAL" },
	{ 5, "VIOMMU_UNREACHABLE" }, { 6, "VIOMMU_STALLED" },
	{ 7, "VIOMMU_MISS" },	     { 8, "unknown" },
	{ -12, "unknown" },	     { INT32_MAX, "unknown" },
	{ INT32_MIN, "unknown" },
};

static void result_names(void **state)
{
	for (size_t i = 0; i < ARRAY_COUNT(names); i++)
		assert_string_equal(viommu_strerror(names[i].result), names[i].name);
}

static void version(void **state)
{
	assert_int_equal(viommu_version(), VIOMMU_VERSION_MAJOR << 16 | VIOMMU_VERSION_MINOR << 8 |
						   VIOMMU_VERSION_PATCH);
}

/* ---- abi_take: every structure is a multiple of a pointer long ---- */

struct sample {
	uint32_t size;
	uint32_t flags;
	uint64_t old;
	uint64_t newer;
};

static const struct {
	const char *name;
	uint32_t size;
	int tail; /* offset of a byte that is not zero, or 0 */
	int result;
} takes[] = {
	{ "exactly ours", sizeof(struct sample), 0, VIOMMU_OK },
	{ "an older caller", 16, 0, VIOMMU_OK },
	{ "in the middle of a member", 20, 0, VIOMMU_ESIZE },
	{ "no structure has such a size", 23, 0, VIOMMU_ESIZE },
	{ "one byte below the least", 15, 0, VIOMMU_ESIZE },
	{ "only the size itself", 4, 0, VIOMMU_ESIZE },
	{ "less than the size itself", 3, 0, VIOMMU_ESIZE },
	{ "zero", 0, 0, VIOMMU_ESIZE },
	{ "a newer caller, nothing new used", 64, 0, VIOMMU_OK },
	{ "a newer caller, first byte used", 64, 24, VIOMMU_ESIZE },
	{ "a newer caller, last byte used", 64, 63, VIOMMU_ESIZE },
	{ "one byte longer", 25, 0, VIOMMU_ESIZE },
	{ "one member longer, used", 32, 31, VIOMMU_ESIZE },
	{ "not zero behind the size given", 32, 32, VIOMMU_OK },
	{ "as long as can be", 4096, 0, VIOMMU_OK },
	{ "absurdly long", 4097, 0, VIOMMU_ESIZE },
	{ "all ones", UINT32_MAX, 0, VIOMMU_ESIZE },
};

static void take(void **state)
{
	unsigned char *theirs = malloc(4096);

	assert_non_null(theirs);
	for (size_t i = 0; i < ARRAY_COUNT(takes); i++) {
		struct sample given = { takes[i].size, 7, 0x1111111111111111, 0x2222222222222222 };
		struct sample expected = { 0 };
		struct sample ours;
		uint32_t copied = takes[i].size < sizeof(ours) ? takes[i].size : sizeof(ours);

		memset(theirs, 0, 4096);
		memcpy(theirs, &given, sizeof(given));
		if (takes[i].tail)
			theirs[takes[i].tail] = 1;
		memset(&ours, 0xee, sizeof(ours));
		check_eq(takes[i].name, abi_take(&ours, sizeof(ours), 16, theirs), takes[i].result);
		if (takes[i].result)
			continue;
		memcpy(&expected, &given, copied);
		check_eq(takes[i].name, memcmp(&ours, &expected, sizeof(ours)), 0);
	}
	free(theirs);
	assert_int_equal(abi_take(&(struct sample){ 0 }, 24, 16, NULL), VIOMMU_EINVAL);
}

/* Nothing beyond the size that the caller gives is read: the structure ends where its block does. */
static void takes_no_more(void **state)
{
	for (uint32_t size = 16; size <= 64; size += 8) {
		unsigned char *theirs = calloc(1, size);
		struct sample ours;

		assert_non_null(theirs);
		memcpy(theirs, &size, sizeof(size));
		assert_int_equal(abi_take(&ours, sizeof(ours), 16, theirs), VIOMMU_OK);
		free(theirs);
	}
}

/* ---- every public function that takes such a structure ---- */

struct subject {
	struct guest g;
	uint8_t ram[4096] __attribute__((aligned(16)));
};

typedef int attempt(struct subject *s, void *config);

static int new_vm(struct subject *s, void *config)
{
	struct viommu_vm *vm = NULL;
	int result = viommu_vm_new(config, &vm);

	assert_true(!result == !!vm);
	viommu_vm_free(vm);
	return result;
}

static int add_region(struct subject *s, void *config)
{
	int result = viommu_vm_add_region(s->g.vm, config);

	if (!result)
		assert_int_equal(viommu_vm_remove_region(s->g.vm, 0), VIOMMU_OK);
	return result;
}

static int new_vtd(struct subject *s, void *config)
{
	struct viommu *iommu = NULL;
	int result = viommu_vtd_new(s->g.vm, config, &iommu);

	assert_true(!result == !!iommu);
	assert_int_equal(viommu_free(iommu), VIOMMU_OK);
	return result;
}

static int new_riscv(struct subject *s, void *config)
{
	struct viommu *iommu = NULL;
	int result = viommu_riscv_new(s->g.vm, config, &iommu);

	assert_true(!result == !!iommu);
	assert_int_equal(viommu_free(iommu), VIOMMU_OK);
	return result;
}

static int new_vtd_host(struct subject *s, void *host)
{
	struct viommu_vtd_config config = { .size = sizeof(config), .host = host };

	return new_vtd(s, &config);
}

static int new_vtd_limits(struct subject *s, void *limits)
{
	struct viommu_vtd_config config = { .size = sizeof(config), .limits = limits };

	return new_vtd(s, &config);
}

static int new_smmuv3(struct subject *s, void *config)
{
	struct viommu *iommu = NULL;
	int result = viommu_smmuv3_new(s->g.vm, config, &iommu);

	assert_true(!result == !!iommu);
	assert_int_equal(viommu_free(iommu), VIOMMU_OK);
	return result;
}

static int new_amdvi(struct subject *s, void *config)
{
	struct viommu *iommu = NULL;
	int result = viommu_amdvi_new(s->g.vm, config, &iommu);

	assert_true(!result == !!iommu);
	assert_int_equal(viommu_free(iommu), VIOMMU_OK);
	return result;
}

static int set_amdvi_msi(struct subject *s, void *msi)
{
	struct viommu_amdvi_config config = { .size = sizeof(config) };
	struct viommu *iommu;
	int result;

	assert_int_equal(viommu_amdvi_new(s->g.vm, &config, &iommu), VIOMMU_OK);
	result = viommu_amdvi_set_msi(iommu, msi);
	assert_int_equal(viommu_free(iommu), VIOMMU_OK);
	return result;
}

static int new_device(struct subject *s, void *config)
{
	struct viommu_device *device = NULL;
	int result = viommu_device_new(s->g.iommu, config, &device);

	assert_true(!result == !!device);
	assert_int_equal(viommu_device_free(device), VIOMMU_OK);
	return result;
}

static int new_listener(struct subject *s, void *config)
{
	struct viommu_listener *listener = NULL;
	int result = viommu_listener_new(s->g.iommu, NULL, config, &listener);

	assert_true(!result == !!listener);
	assert_int_equal(viommu_listener_free(listener), VIOMMU_OK);
	return result;
}

static int new_lpis(struct subject *s, void *given)
{
	struct viommu_lpis_config config = { .cpus = 1 };
	struct viommu *lpis = NULL;
	struct viommu_lpis_config *theirs = given;
	int result;

	/* one that is all 0 has no redistributor */
	if (theirs && theirs->size >= offsetof(struct viommu_lpis_config, intid_bits))
		theirs->cpus = config.cpus;
	result = viommu_lpis_new(s->g.vm, given, &lpis);
	assert_true(!result == !!lpis);
	assert_int_equal(viommu_free(lpis), VIOMMU_OK);
	return result;
}

static int new_its(struct subject *s, void *given)
{
	struct viommu_lpis_config config = { .size = sizeof(config), .cpus = 1 };
	struct viommu_its_config *theirs = given;
	struct viommu *lpis = NULL;
	struct viommu *its = NULL;
	int result;

	assert_int_equal(viommu_lpis_new(s->g.vm, &config, &lpis), VIOMMU_OK);
	if (theirs && theirs->size >= offsetof(struct viommu_its_config, typer))
		theirs->lpis = lpis;
	result = viommu_its_new(s->g.vm, given, &its);
	assert_true(!result == !!its);
	assert_int_equal(viommu_free(its), VIOMMU_OK);
	assert_int_equal(viommu_free(lpis), VIOMMU_OK);
	return result;
}

/* optional: NULL is fine. flags: a member whose unknown bits are refused; 0: there is none. */
static const struct {
	const char *name;
	attempt *attempt;
	uint32_t size;
	uint32_t least; /* what the first release's callers had to give */
	bool optional;
	uint32_t flags;
	uint32_t known; /* bits of flags that are defined */
} takers[] = {
	{ "viommu_vm_new", new_vm, sizeof(struct viommu_vm_config), 64, false, 4,
	  VIOMMU_VM_MEMBARRIER | VIOMMU_VM_EXT_DEST_ID },
	{ "viommu_vm_add_region", add_region, sizeof(struct viommu_region), 32, false, 4,
	  VIOMMU_REGION_READONLY },
	{ "viommu_riscv_new", new_riscv, sizeof(struct viommu_riscv_config), 8, false, 4, 0 },
	{ "viommu_vtd_new", new_vtd, sizeof(struct viommu_vtd_config), 24, false, 4, 0 },
	{ "viommu_vtd_new host", new_vtd_host, sizeof(struct viommu_host), 4, true, 4, 0 },
	{ "viommu_vtd_new limits", new_vtd_limits, sizeof(struct viommu_limits), 4, true, 0, 0 },
	{ "viommu_smmuv3_new", new_smmuv3, sizeof(struct viommu_smmuv3_config), 32, false, 4, 0 },
	{ "viommu_amdvi_new", new_amdvi, sizeof(struct viommu_amdvi_config), 24, false, 4, 0 },
	{ "viommu_amdvi_set_msi", set_amdvi_msi, sizeof(struct viommu_amdvi_msi),
	  sizeof(struct viommu_amdvi_msi), false, 0, 0 },
	{ "viommu_device_new", new_device, sizeof(struct viommu_device_config), 16, false, 4, 0 },
	{ "viommu_lpis_new", new_lpis, sizeof(struct viommu_lpis_config), 16, false, 4,
	  VIOMMU_LPIS_NO_GUEST_WRITES | VIOMMU_LPIS_DIRECT },
	{ "viommu_its_new", new_its, sizeof(struct viommu_its_config), 16, false, 4, 0 },
	{ "viommu_listener_new", new_listener, sizeof(struct viommu_listener_config), 16, false, 4,
	  0 },
};

static void set_size(unsigned char *config, uint32_t size)
{
	memcpy(config, &size, sizeof(size));
}

static void try_sizes(struct subject *s, size_t i, unsigned char *config)
{
	for (uint32_t size = 0; size < takers[i].size; size++) {
		set_size(config, size);
		check_eq(takers[i].name, takers[i].attempt(s, config),
			 size < takers[i].least || size % 8 ? VIOMMU_ESIZE : VIOMMU_OK);
	}
	for (uint32_t size = takers[i].size; size <= takers[i].size + 40; size += 8) {
		set_size(config, size);
		check_eq(takers[i].name, takers[i].attempt(s, config), VIOMMU_OK);
	}
	for (uint32_t at = takers[i].size; at < takers[i].size + 40; at++) {
		set_size(config, takers[i].size + 40);
		config[at] = 1;
		check_eq(takers[i].name, takers[i].attempt(s, config), VIOMMU_ESIZE);
		set_size(config, at & ~7U); /* behind the end: not looked at */
		check_eq(takers[i].name, takers[i].attempt(s, config), VIOMMU_OK);
		config[at] = 0;
	}
	set_size(config, UINT32_MAX);
	check_eq(takers[i].name, takers[i].attempt(s, config), VIOMMU_ESIZE);
	check_eq(takers[i].name, takers[i].attempt(s, NULL),
		 takers[i].optional ? VIOMMU_OK : VIOMMU_EINVAL);
}

static void try_flags(struct subject *s, size_t i, unsigned char *config)
{
	set_size(config, takers[i].size);
	for (unsigned bit = 0; takers[i].flags && bit < 32; bit++) {
		uint32_t flags = UINT32_C(1) << bit;

		memcpy(config + takers[i].flags, &flags, sizeof(flags));
		check_eq(takers[i].name, takers[i].attempt(s, config),
			 flags & takers[i].known ? VIOMMU_OK : VIOMMU_EINVAL);
	}
}

static void every_taker(void **state)
{
	struct subject s;

	guest_init(&s.g, GUEST_REGION, 16);
	guest_vtd(&s.g, 0, 0);
	for (size_t i = 0; i < ARRAY_COUNT(takers); i++) {
		_Alignas(8) unsigned char config[4096] = { 0 };
		uint64_t blocks = s.g.blocks;

		if (takers[i].attempt == add_region) {
			struct viommu_region region = { .bytes = 4096, .host = s.ram };

			memcpy(config, &region, sizeof(region));
		}
		try_sizes(&s, i, config);
		try_flags(&s, i, config);
		check_eq(takers[i].name, s.g.blocks, blocks);
	}
	guest_fini(&s.g);
}

/* An older caller's host has no callback that came later: what lies behind its size is not used. */
static void short_host_has_no_message(void **state)
{
	struct viommu_vtd_config config = { .size = sizeof(config), .ecap = 1 };
	struct viommu *iommu = NULL;
	struct viommu_host host;
	struct guest g;

	guest_init(&g, GUEST_REGION, 16);
	guest_vtd(&g, 0, 0);
	config.cap = viommu_vtd_default_cap() | VTD_CAP_AFL;
	host = g.host;
	config.host = &host;
	assert_int_equal(viommu_vtd_new(g.vm, &config, &iommu), VIOMMU_ENOTSUP);
	assert_int_equal(g.count[GUEST_ON_MESSAGE], 1);
	host.size = offsetof(struct viommu_host, message);
	assert_int_equal(viommu_vtd_new(g.vm, &config, &iommu), VIOMMU_ENOTSUP);
	assert_int_equal(g.count[GUEST_ON_MESSAGE], 1);
	assert_null(iommu);
	guest_fini(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(result_names), cmocka_unit_test(version),
		cmocka_unit_test(take),		cmocka_unit_test(takes_no_more),
		cmocka_unit_test(every_taker),	cmocka_unit_test(short_host_has_no_message),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
