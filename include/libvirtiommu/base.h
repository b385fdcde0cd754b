/* SPDX-License-Identifier: BSD-3-Clause */
/** @file base.h - what every header needs: results, access bits, version. */
#ifndef LIBVIRTIOMMU_BASE_H
#define LIBVIRTIOMMU_BASE_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Marks a function that the shared library exports. */
#if defined(__GNUC__)
#define VIOMMU_API __attribute__((visibility("default")))
#else
#define VIOMMU_API
#endif

/** Version of these headers: major. */
#define VIOMMU_VERSION_MAJOR 0
/** Version of these headers: minor. */
#define VIOMMU_VERSION_MINOR 2
/** Version of these headers: patch. */
#define VIOMMU_VERSION_PATCH 0

/**
 * @name Results
 * Every function that can fail returns an int: 0 done, positive an answer, negative misuse or
 * exhaustion. On a negative result nothing has changed, unless the function says otherwise. Later
 * versions may return others; the type of a result is int.
 * @{
 */
/** Results: the values of these functions, whose type is int. */
enum viommu_result {
	VIOMMU_OK = 0,		/**< done */
	VIOMMU_FAULT = 1,	/**< the guest's tables said no; recorded as required */
	VIOMMU_PENDING = 2,	/**< not finished: see viommu_run() */
	VIOMMU_MORE = 3,	/**< array or budget used up; go on from where it stopped */
	VIOMMU_INTERRUPT = 4,	/**< an interrupt message: see viommu_remap_msi() */
	VIOMMU_UNREACHABLE = 5, /**< permitted, but there is no such memory: see dma.h */
	VIOMMU_STALLED = 6,	/**< waits for the guest: see viommu_device_config.resume */
	VIOMMU_MISS = 7,	/**< not known in this process: see viommu_view_request() */
	VIOMMU_EINVAL = -1,	/**< an argument is NULL, out of range, or has unknown flags */
	VIOMMU_ESIZE = -2,	/**< a size field is wrong, or its unknown tail is not zero */
	VIOMMU_ENOMEM = -3,	/**< the allocator said no */
	VIOMMU_EEXIST = -4,	/**< overlaps or repeats something that exists */
	VIOMMU_ENOENT = -5,	/**< no such thing */
	VIOMMU_EBUSY = -6,	/**< a call is under way, or others still refer to it */
	VIOMMU_ENOTSUP = -7,	/**< not implemented, or not configured */
	VIOMMU_ELIMIT = -8,	/**< a cap of the configuration is reached */
	VIOMMU_ESTATE = -9,	/**< saved state is invalid or of another configuration */
	VIOMMU_ENOSPC = -10,	/**< the buffer is too small */
	VIOMMU_EINTERNAL = -11, /**< a defect in the library; please report it */
};
/** @} */

/**
 * @name Access
 * What a request wants to do, and what a translation permits.
 * @{
 */
#define VIOMMU_READ  1U /**< read */
#define VIOMMU_WRITE 2U /**< write; together with read: an atomic operation */
#define VIOMMU_EXEC  4U /**< instruction fetch */
#define VIOMMU_PRIV  8U /**< the request claims privileged mode (PCIe PMR) */
/** Only a question: no fault is recorded, accessed and dirty bits stay as they are, nothing is cached.
 * Permitted without any other access, or with VIOMMU_PRIV alone: what is there? Then whatever is mapped is an
 * answer, and the fragment says what it permits. */
#define VIOMMU_QUIET 16U
/** @} */

/** No PASID: the request carries none. */
#define VIOMMU_NO_PASID 0xffffffffU

/** A virtual machine: guest memory, allocator, sections. See vm.h. Its regions belong to one thread at a time. */
struct viommu_vm;
/** One IOMMU of any engine. See iommu.h. Its registers, state and listeners belong to one thread at a time; who asks
 * where a DMA or a message goes may be on any. */
struct viommu;
/** A requester behind an IOMMU. See device.h. For any number of threads. */
struct viommu_device;
/** A way to DMA as (device, PASID), for one thread at a time. See device.h. */
struct viommu_channel;
/** Someone who is told of changes. See listener.h. Added, removed and told by the thread that has the registers. */
struct viommu_listener;

/**
 * Version of the library that is running.
 *
 * Any thread, any time.
 * @return major << 16 | minor << 8 | patch
 */
VIOMMU_API uint32_t viommu_version(void);

/**
 * Name of a result code, such as "VIOMMU_EINVAL".
 *
 * Any thread, any time.
 * @param result  a value returned by a function of this library
 * @return a constant string, never NULL; "unknown" for other values
 */
VIOMMU_API const char *viommu_strerror(int result);

#ifdef __cplusplus
}
#endif

#endif
