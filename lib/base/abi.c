/* SPDX-License-Identifier: BSD-3-Clause */
/* abi.c - what keeps the binary interface stable: sizes, frozen layouts, names of results. */

#include <libvirtiommu/base.h>
#include <libvirtiommu/dma.h>
#include <libvirtiommu/iommu.h>
#include <libvirtiommu/vhost.h>
#include <libvirtiommu/virtio.h>

#include <assert.h>
#include <stddef.h>
#include <string.h>

#include "abi.h"

static_assert(sizeof(struct viommu_request) == 24, "frozen");
static_assert(offsetof(struct viommu_request, pasid) == 16, "frozen");
static_assert(offsetof(struct viommu_request, type) == 22, "frozen");
static_assert(sizeof(struct viommu_fragment) == 16 + sizeof(void *) + 8, "frozen");
static_assert(sizeof(struct viommu_answer) == 32, "frozen");
static_assert(offsetof(struct viommu_answer, ats) == 14, "frozen");
static_assert(offsetof(struct viommu_answer, flags) == 28, "frozen");
static_assert(sizeof(struct viommu_section) == sizeof(void *) + 8, "frozen");
static_assert(sizeof(struct viommu_mapping) == 16 + 4 * sizeof(void *), "frozen");
static_assert(sizeof(struct viommu_part) == sizeof(void *) + 8, "frozen");
static_assert(sizeof(struct viommu_virtio_region) == 24, "frozen");
static_assert(offsetof(struct viommu_virtio_region, subtype) == 16, "frozen");
static_assert(sizeof(struct viommu_iotlb_msg) == 32, "frozen");
static_assert(offsetof(struct viommu_iotlb_msg, asid) == 24, "frozen");
static_assert(offsetof(struct viommu_iotlb_msg, type) == 30, "frozen");
static_assert(sizeof(struct viommu_iotlb_range) == 32 + sizeof(void *), "frozen");
static_assert(offsetof(struct viommu_iotlb_range, perm) == 24 + sizeof(void *), "frozen");

/* A size field beyond this is a mistake, not a newer caller. */
#define ABI_SIZE_MAX 4096U

int abi_take(void *ours, uint32_t size, uint32_t least, const void *theirs)
{
	const unsigned char *bytes = theirs;
	uint32_t given;

	if (!theirs)
		return VIOMMU_EINVAL;
	memcpy(&given, theirs, sizeof(given));
	if (given < least || given > ABI_SIZE_MAX || given % sizeof(void *))
		return VIOMMU_ESIZE;
	for (uint32_t i = size; i < given; i++) {
		if (bytes[i] != 0)
			return VIOMMU_ESIZE;
	}
	memset(ours, 0, size);
	memcpy(ours, theirs, given < size ? given : size);
	return VIOMMU_OK;
}

int abi_give(void *theirs, const void *ours, uint32_t size)
{
	uint32_t given;

	if (!theirs)
		return VIOMMU_EINVAL;
	memcpy(&given, theirs, sizeof(given));
	if (given < sizeof(void *) || given > ABI_SIZE_MAX || given % sizeof(void *))
		return VIOMMU_ESIZE;
	memset(theirs, 0, given);
	memcpy(theirs, ours, given < size ? given : size);
	memcpy(theirs, &given, sizeof(given));
	return VIOMMU_OK;
}

uint32_t viommu_version(void)
{
	return VIOMMU_VERSION_MAJOR << 16 | VIOMMU_VERSION_MINOR << 8 | VIOMMU_VERSION_PATCH;
}

const char *viommu_strerror(int result)
{
	static const struct {
		int code;
		const char *name;
	} names[] = {
		{ VIOMMU_OK, "VIOMMU_OK" },
		{ VIOMMU_FAULT, "VIOMMU_FAULT" },
		{ VIOMMU_PENDING, "VIOMMU_PENDING" },
		{ VIOMMU_MORE, "VIOMMU_MORE" },
		{ VIOMMU_INTERRUPT, "VIOMMU_INTERRUPT" },
		{ VIOMMU_STALLED, "VIOMMU_STALLED" },
		{ VIOMMU_MISS, "VIOMMU_MISS" },
		{ VIOMMU_UNREACHABLE, "VIOMMU_UNREACHABLE" },
		{ VIOMMU_EINVAL, "VIOMMU_EINVAL" },
		{ VIOMMU_ESIZE, "VIOMMU_ESIZE" },
		{ VIOMMU_ENOMEM, "VIOMMU_ENOMEM" },
		{ VIOMMU_EEXIST, "VIOMMU_EEXIST" },
		{ VIOMMU_ENOENT, "VIOMMU_ENOENT" },
		{ VIOMMU_EBUSY, "VIOMMU_EBUSY" },
		{ VIOMMU_ENOTSUP, "VIOMMU_ENOTSUP" },
		{ VIOMMU_ELIMIT, "VIOMMU_ELIMIT" },
		{ VIOMMU_ESTATE, "VIOMMU_ESTATE" },
		{ VIOMMU_ENOSPC, "VIOMMU_ENOSPC" },
		{ VIOMMU_EINTERNAL, "VIOMMU_EINTERNAL" },
	};

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (names[i].code == result)
			return names[i].name;
	}
	return "unknown";
}
