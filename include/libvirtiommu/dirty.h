/* SPDX-License-Identifier: BSD-3-Clause */
/** @file dirty.h - which guest memory devices write, for migration and snapshots. */
#ifndef LIBVIRTIOMMU_DIRTY_H
#define LIBVIRTIOMMU_DIRTY_H

#include <libvirtiommu/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * A record of the pages that devices write.
 *
 * While there is one, no cache of the library's lets a device write a page that has not been noted: the first
 * write of a channel to a page is noted, and the channel's own cache then lets it write until the pages are
 * collected. The accessed and dirty bits of the guest's tables play no part in it: they are set as always, and
 * neither read nor cleared for this.
 *
 * What is noted are the pages for which viommu_translate(), viommu_device_translate() and the functions of dma.h are
 * asked with VIOMMU_WRITE. So it covers every device model that keeps the rules of sections: it writes only what it asked
 * to write, never a fragment that is VIOMMU_FRAGMENT_CLEAN, and only while the section in which it asked is open.
 * It does not cover
 *
 *  - caches that are not the library's: a device that was answered a translation request (ATS) and a vhost
 *    backend are noted once, when they are granted a page. Have them drop it (viommu_flush() is not
 *    enough), or log by themselves (VHOST_F_LOG_ALL)
 *  - hardware that walks shadowed tables (VFIO, iommufd): the kernel tracks that
 *  - what the library itself writes: viommu_vm_config.dirty tells of it
 */
struct viommu_dirty;

/** Bytes of a page in the bitmap. */
#define VIOMMU_DIRTY_PAGE 4096

/**
 * Begins to note. What was written before is not known: copy all of memory once viommu_dirty_collect() has answered
 * VIOMMU_OK for the first time. Until then a device may be writing what it asked for before.
 *
 * Any thread, any time.
 * @param iommu   the IOMMU
 * @param device  one device of it, or NULL: all of them, also those that come later
 * @param first   first guest-physical address; a multiple of 4096
 * @param last    last one; last + 1 is a multiple of 4096. A bit is allocated for each page
 * @param dirty   receives the handle
 * @return VIOMMU_OK, VIOMMU_EINVAL, VIOMMU_ENOMEM, VIOMMU_ENOTSUP (the engine translates no DMA)
 */
VIOMMU_API int viommu_dirty_start(struct viommu *iommu, struct viommu_device *device,
				  uint64_t first, uint64_t last, struct viommu_dirty **dirty);

/**
 * Collects the pages that were noted since the last time, and has writes noted anew. Call it, with the same
 * bitmap, until it answers VIOMMU_OK; copy no page before that: a device may still be writing it. Once all
 * devices rest, collect one last time.
 *
 * One at a time per handle. Not with a section of the IOMMU's open.
 * @param dirty   the handle
 * @param bitmap  bit n % 64 of word n / 64 is set if page n, from first on, is dirty; other bits stay. One bit
 * for each page, rounded up to words
 * @return VIOMMU_OK: that is all, and whoever wrote these pages has closed the section. VIOMMU_MORE: it is
 * too much for one call. VIOMMU_PENDING: a section from before is still open; the host's work callback says
 * when to ask again. VIOMMU_EINVAL
 */
VIOMMU_API int viommu_dirty_collect(struct viommu_dirty *dirty, uint64_t *bitmap);

/**
 * Notes no more, and frees the handle.
 *
 * One at a time per handle, together with viommu_dirty_collect().
 * @param dirty  may be NULL
 * @return VIOMMU_OK. VIOMMU_PENDING: something may still be noted in a section that is open; all that you can do
 * with the handle is call this again. The host's work callback says when
 */
VIOMMU_API int viommu_dirty_stop(struct viommu_dirty *dirty);

#ifdef __cplusplus
}
#endif

#endif
