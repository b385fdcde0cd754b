/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file dma.h - doing the DMA: bytes and words at the addresses that a device uses.
 *
 * For device models that want bytes and not translations. Each function translates, checks what the
 * tables permit, accesses guest memory, reports what it stored to the VM's dirty callback, and has a
 * section open all the while: the channel's if that is open, else one of its own.
 *
 * The same functions exist in a channel (one thread, its own cache: the fastest) and in a device (any
 * thread, any PASID).
 *
 * `access` is 0 for an ordinary DMA. VIOMMU_PRIV: the request claims privileged mode. For reads,
 * VIOMMU_EXEC: an instruction fetch.
 *
 * Results, beside VIOMMU_OK:
 * - VIOMMU_FAULT: the tables refused an address. Recorded, once, as the architecture requires.
 * - VIOMMU_INTERRUPT: the address is one of interrupts. Nothing is stored there; for a write, see
 *   viommu_remap_msi().
 * - VIOMMU_STALLED: it waits for the guest, of a device with a resume callback: ask again when that is called.
 * - VIOMMU_UNREACHABLE: the tables permit it, but there is no such memory: no region, and the VM's
 *   callback failed or is NULL; a write to a region that is VIOMMU_REGION_READONLY; or a range that
 *   runs over the end of the address space. No fault of the guest's is recorded. Most devices drop
 *   such a write, and read as zero or all ones.
 * - VIOMMU_EINVAL: an argument is NULL, or out of range, or access has other bits.
 * - VIOMMU_EBUSY: from inside a callback of a translation or a DMA of the same channel.
 *
 * All that is in a range before the address of which the result is has been done.
 */
#ifndef LIBVIRTIOMMU_DMA_H
#define LIBVIRTIOMMU_DMA_H

#include <libvirtiommu/iommu.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Reads bytes as the channel's device. 1, 2, 4 or 8 bytes that are naturally aligned are read in one
 * access; other lengths in any order and any pieces.
 *
 * One at a time per handle. May call the VM's read callback and, for a fault, the host's.
 * @param channel  the channel
 * @param iova     first address
 * @param buffer   receives the bytes
 * @param bytes    how many; 0: nothing is asked
 * @param access   0, VIOMMU_PRIV, VIOMMU_EXEC
 * @param done     receives how many bytes were read, with a result that is not negative; may be NULL
 * @return VIOMMU_OK, VIOMMU_FAULT, VIOMMU_STALLED, VIOMMU_INTERRUPT, VIOMMU_UNREACHABLE (at iova + *done);
 * VIOMMU_EINVAL, VIOMMU_EBUSY
 */
VIOMMU_API int viommu_dma_read(struct viommu_channel *channel, uint64_t iova, void *buffer,
			       uint64_t bytes, uint32_t access, uint64_t *done);

/**
 * Writes bytes as the channel's device. 1, 2, 4 or 8 bytes that are naturally aligned are written in
 * one access; other lengths in any order and any pieces.
 *
 * One at a time per handle. May call the VM's write and dirty callbacks and, for a fault, the host's.
 * @param channel  the channel
 * @param iova     first address
 * @param buffer   the bytes
 * @param bytes    how many; 0: nothing is asked
 * @param access   0, VIOMMU_PRIV
 * @param done     receives how many bytes were written, with a result that is not negative; may be
 * NULL
 * @return VIOMMU_OK, VIOMMU_FAULT, VIOMMU_STALLED, VIOMMU_INTERRUPT, VIOMMU_UNREACHABLE (at iova + *done);
 * VIOMMU_EINVAL, VIOMMU_EBUSY
 */
VIOMMU_API int viommu_dma_write(struct viommu_channel *channel, uint64_t iova, const void *buffer,
				uint64_t bytes, uint32_t access, uint64_t *done);

/**
 * Loads a little-endian word: naturally aligned, in one access, and what is loaded later is not
 * older (acquire).
 *
 * One at a time per handle. May call the VM's read callback and, for a fault, the host's.
 * @param channel  the channel
 * @param iova     a multiple of bytes; another is loaded byte by byte
 * @param bytes    1, 2, 4, 8
 * @param access   0, VIOMMU_PRIV, VIOMMU_EXEC
 * @param value    receives the word, zero-extended; unchanged with another result than VIOMMU_OK
 * @return VIOMMU_OK, VIOMMU_FAULT, VIOMMU_STALLED, VIOMMU_INTERRUPT, VIOMMU_UNREACHABLE; VIOMMU_EINVAL, VIOMMU_EBUSY
 */
VIOMMU_API int viommu_dma_load(struct viommu_channel *channel, uint64_t iova, uint32_t bytes,
			       uint32_t access, uint64_t *value);

/**
 * Stores a little-endian word: naturally aligned, in one access, and what was stored earlier is
 * visible by then (release).
 *
 * One at a time per handle. May call the VM's write and dirty callbacks and, for a fault, the host's.
 * @param channel  the channel
 * @param iova     a multiple of bytes; another is stored byte by byte, and what precedes an address
 * that is refused stays stored
 * @param bytes    1, 2, 4, 8
 * @param access   0, VIOMMU_PRIV
 * @param value    the word; bits beyond its size are ignored
 * @return VIOMMU_OK, VIOMMU_FAULT, VIOMMU_STALLED, VIOMMU_INTERRUPT, VIOMMU_UNREACHABLE; VIOMMU_EINVAL, VIOMMU_EBUSY
 */
VIOMMU_API int viommu_dma_store(struct viommu_channel *channel, uint64_t iova, uint32_t bytes,
				uint32_t access, uint64_t value);

/**
 * Compares a little-endian word with *expected and, if it is equal, stores desired, in one access. Asks
 * for permission to read and to write, also if it does not store.
 *
 * One at a time per handle. May call the VM's callbacks and, for a fault, the host's.
 * @param channel   the channel
 * @param iova      a multiple of bytes
 * @param bytes     4 or 8
 * @param access    0, VIOMMU_PRIV
 * @param expected  in: the value compared; out: the value found; it has been stored if they are equal.
 * Unchanged with another result than VIOMMU_OK
 * @param desired   stored
 * @return VIOMMU_OK, VIOMMU_FAULT, VIOMMU_STALLED, VIOMMU_INTERRUPT, VIOMMU_UNREACHABLE; VIOMMU_EINVAL (also: iova is
 * not a multiple), VIOMMU_EBUSY
 */
VIOMMU_API int viommu_dma_cmpxchg(struct viommu_channel *channel, uint64_t iova, uint32_t bytes,
				  uint32_t access, uint64_t *expected, uint64_t desired);

/** A range that is mapped. Zero it, set parts, gpas and max. Layout is frozen: 48 bytes on 64-bit
 * hosts. */
struct viommu_mapping {
	struct viommu_section section; /**< open while something is mapped */
	/** Receives host pointers and lengths. On 64-bit hosts its elements are laid out as struct
	 * iovec. */
	struct viommu_part *parts;
	/** Receives the guest-physical address of each part; room for max, too. May be NULL if the
	 * range is only read. */
	uint64_t *gpas;
	uint64_t bytes; /**< receives how many bytes are mapped, from the first one on */
	uint32_t max;	/**< room in parts, at least 1 */
	uint32_t count; /**< receives how many parts there are */
};

/**
 * Maps a range for direct access, as by preadv(). Until viommu_dma_unmap() the guest is not told that
 * an invalidation is complete that came later, so map for as long as a transfer takes. The section is
 * the map's own: any number of maps may be open, they may overlap, and the channel may be used and
 * freed meanwhile. The device may not.
 *
 * One at a time per handle.
 * @param channel  the channel
 * @param iova     first address
 * @param bytes    how many
 * @param access   VIOMMU_READ, VIOMMU_WRITE or both: what will be done; with VIOMMU_PRIV
 * @param map      receives the parts; not mapped before
 * @return VIOMMU_OK: all of it. VIOMMU_MORE: there is no room for more parts, or 65536 pages have been
 * looked at: what is in map->bytes is mapped, do it first, or map the rest with another map.
 * VIOMMU_FAULT, VIOMMU_STALLED, VIOMMU_INTERRUPT, VIOMMU_UNREACHABLE (also: memory that has no host pointer; use
 * viommu_dma_read() and viommu_dma_write()), of the address iova + map->bytes: what is before it is
 * mapped. As long as map->bytes is not 0 the section is open, whatever the result.
 * VIOMMU_EINVAL, VIOMMU_EBUSY (also: mapped already): the map is unchanged
 */
VIOMMU_API int viommu_dma_map(struct viommu_channel *channel, uint64_t iova, uint64_t bytes,
			      uint32_t access, struct viommu_mapping *map);

/**
 * Reports what was written, and closes the map's section. One that is not mapped may be unmapped.
 *
 * Any thread, one at a time per map. May call the VM's dirty callback and the host's work callback.
 * @param map      can be used again
 * @param written  bytes that have been written, from the first one on; 0 if it was only read
 * @return VIOMMU_OK; VIOMMU_EINVAL (NULL, or more than is mapped, or map->gpas is NULL)
 */
VIOMMU_API int viommu_dma_unmap(struct viommu_mapping *map, uint64_t written);

/**
 * Reads bytes as a device, with the shared TLB only: as viommu_dma_read().
 *
 * Any thread, any time. May call the same callbacks; may be called from all of them.
 * @param device  the device; not freed meanwhile
 * @param pasid   VIOMMU_NO_PASID or a PASID
 * @param iova    first address
 * @param buffer  receives the bytes
 * @param bytes   how many
 * @param access  0, VIOMMU_PRIV, VIOMMU_EXEC
 * @param done    receives how many; may be NULL
 * @return as viommu_dma_read(), without VIOMMU_EBUSY
 */
VIOMMU_API int viommu_device_dma_read(struct viommu_device *device, uint32_t pasid, uint64_t iova,
				      void *buffer, uint64_t bytes, uint32_t access,
				      uint64_t *done);

/**
 * Writes bytes as a device, with the shared TLB only: as viommu_dma_write().
 *
 * Any thread, any time. May call the same callbacks; may be called from all of them.
 * @param device  the device; not freed meanwhile
 * @param pasid   VIOMMU_NO_PASID or a PASID
 * @param iova    first address
 * @param buffer  the bytes
 * @param bytes   how many
 * @param access  0, VIOMMU_PRIV
 * @param done    receives how many; may be NULL
 * @return as viommu_dma_write(), without VIOMMU_EBUSY
 */
VIOMMU_API int viommu_device_dma_write(struct viommu_device *device, uint32_t pasid, uint64_t iova,
				       const void *buffer, uint64_t bytes, uint32_t access,
				       uint64_t *done);

/**
 * Loads a word as a device, with the shared TLB only: as viommu_dma_load().
 *
 * Any thread, any time. May call the same callbacks; may be called from all of them.
 * @param device  the device; not freed meanwhile
 * @param pasid   VIOMMU_NO_PASID or a PASID
 * @param iova    first address
 * @param bytes   how many
 * @param access  0, VIOMMU_PRIV, VIOMMU_EXEC
 * @param value   receives the word
 * @return as viommu_dma_load(), without VIOMMU_EBUSY
 */
VIOMMU_API int viommu_device_dma_load(struct viommu_device *device, uint32_t pasid, uint64_t iova,
				      uint32_t bytes, uint32_t access, uint64_t *value);

/**
 * Stores a word as a device, with the shared TLB only: as viommu_dma_store().
 *
 * Any thread, any time. May call the same callbacks; may be called from all of them.
 * @param device  the device; not freed meanwhile
 * @param pasid   VIOMMU_NO_PASID or a PASID
 * @param iova    first address
 * @param bytes   how many
 * @param access  0, VIOMMU_PRIV
 * @param value   the word
 * @return as viommu_dma_store(), without VIOMMU_EBUSY
 */
VIOMMU_API int viommu_device_dma_store(struct viommu_device *device, uint32_t pasid, uint64_t iova,
				       uint32_t bytes, uint32_t access, uint64_t value);

/**
 * Compares and stores a word as a device, with the shared TLB only: as viommu_dma_cmpxchg().
 *
 * Any thread, any time. May call the same callbacks; may be called from all of them.
 * @param device    the device; not freed meanwhile
 * @param pasid     VIOMMU_NO_PASID or a PASID
 * @param iova      first address
 * @param bytes     how many
 * @param access    0, VIOMMU_PRIV
 * @param expected  in: the value compared; out: the value found
 * @param desired   stored
 * @return as viommu_dma_cmpxchg(), without VIOMMU_EBUSY
 */
VIOMMU_API int viommu_device_dma_cmpxchg(struct viommu_device *device, uint32_t pasid,
					 uint64_t iova, uint32_t bytes, uint32_t access,
					 uint64_t *expected, uint64_t desired);

/**
 * Maps a range as a device, with the shared TLB only: as viommu_dma_map().
 *
 * Any thread, any time. May call the same callbacks; may be called from all of them.
 * @param device  the device; not freed meanwhile
 * @param pasid   VIOMMU_NO_PASID or a PASID
 * @param iova    first address
 * @param bytes   how many
 * @param access  VIOMMU_READ, VIOMMU_WRITE, VIOMMU_PRIV
 * @param map     receives the parts
 * @return as viommu_dma_map(), without VIOMMU_EBUSY of a channel
 */
VIOMMU_API int viommu_device_dma_map(struct viommu_device *device, uint32_t pasid, uint64_t iova,
				     uint64_t bytes, uint32_t access, struct viommu_mapping *map);

#ifdef __cplusplus
}
#endif

#endif
