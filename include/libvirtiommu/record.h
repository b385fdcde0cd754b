/* SPDX-License-Identifier: BSD-3-Clause */
/** @file record.h - recordings: what IOMMUs see while a guest runs, as tapes that the tool viommu replays and explains. */
#ifndef LIBVIRTIOMMU_RECORD_H
#define LIBVIRTIOMMU_RECORD_H

#include <libvirtiommu/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Records everything from now on, or stops: a tape for each IOMMU of the VM that there is now, as text in the format of
 * examples/tapes/FORMAT.md. LPIs and all ITSs that deliver to them, also those that are created later, are one (of the LPIs), and
 * pending LPIs are told once more when it begins. RVICs have none: they read no tables of the guest, so there is nothing to explain.
 * A tape begins with what the IOMMU is and its saved state (viommu_save()), and has a line for each access
 * to its registers, each request of its guest, each DMA that is translated and each interrupt message, with the answer, and
 * guest memory as far as the IOMMU has read or written it. So a tape may hold what a guest keeps secret in its tables, and
 * addresses, but nothing that a device reads or writes.
 *
 * Lines of several threads are in one order; what overlapped another call that changes something, or an
 * invalidation that is not complete, ends in ` ~`; one whose memory changed while it was read, in ` !`. Questions (VIOMMU_QUIET, viommu_explain(), ...) are not recorded.
 *
 * While it records, no DMA is answered by a channel's own cache, and each line takes a lock: a translation that took some
 * nanoseconds takes about one microsecond. Before and afterwards it costs nothing. Starting and stopping forget all that is cached, as
 * viommu_flush() does.
 *
 * Alone: nothing else may run on this handle, its IOMMUs, their devices and channels.
 * @param vm      the VM
 * @param write   takes the next lines of the tape of an IOMMU, whole ones, which are there during the call only. From the call that they
 * are about, one call at a time: it must not call the library. NULL: stops
 * @param opaque  passed to write
 * @return VIOMMU_OK; VIOMMU_EINVAL; VIOMMU_EBUSY (it is recorded already; a call is under way); VIOMMU_ENOENT (nothing is
 * recorded, or there is no IOMMU that can be); VIOMMU_ENOMEM. If memory runs out later, the tape ends there
 */
VIOMMU_API int viommu_record(struct viommu_vm *vm,
			     void (*write)(void *opaque, struct viommu *iommu, const char *text,
					   uint64_t bytes),
			     void *opaque);

#ifdef __cplusplus
}
#endif

#endif
