/* SPDX-License-Identifier: BSD-3-Clause */
/** @file vm.h - one virtual machine: its memory map and the memory the library may use. */
#ifndef LIBVIRTIOMMU_VM_H
#define LIBVIRTIOMMU_VM_H

#include <libvirtiommu/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Sections cost no fence: viommu_enter() and viommu_leave() are two plain stores, and whenever an
 * invalidation completes, the library has the kernel execute the fences for all threads of the
 * process (membarrier(2), some microseconds). For guests whose mappings are static. */
#define VIOMMU_VM_MEMBARRIER 1U
/** The guest is told that it may use extended destination ids (KVM_FEATURE_MSI_EXT_DEST_ID): in
 * messages that are not remapped, address bits 11:5 are destination bits 14:8. They are decoded,
 * and encoded as KVM wants them. */
#define VIOMMU_VM_EXT_DEST_ID 2U

/**
 * How to create a VM. Zero the structure, set size, fill in what is wanted.
 *
 * The guest memory callbacks serve addresses that no region covers. They may be called from every
 * thread that translates, must not translate through the same channel, and return 0 or, for an
 * access that fails, anything else.
 */
struct viommu_vm_config {
	uint32_t size;	/**< sizeof(struct viommu_vm_config) */
	uint32_t flags; /**< VIOMMU_VM_* */
	void *opaque;	/**< passed to every callback below */
	/** Zero-filled memory, `bytes` long, aligned to `align` (a power of two, at most 4096);
	 * NULL: exhausted. NULL callback: calloc(). Untouched pages of large blocks should cost
	 * nothing. */
	void *(*alloc)(void *opaque, uint64_t bytes, uint64_t align);
	/** Gives back what alloc returned. Set both or neither. */
	void (*dealloc)(void *opaque, void *block, uint64_t bytes);
	/** Reads `bytes` (1 to 64) guest bytes outside the regions; naturally aligned up to 16. */
	int (*read)(void *opaque, uint64_t gpa, void *to, uint32_t bytes);
	/** Writes `bytes` (1 to 64) guest bytes outside the regions. */
	int (*write)(void *opaque, uint64_t gpa, const void *from, uint32_t bytes);
	/** Atomically compares the little-endian 64-bit word at gpa with *expected and, if equal,
	 * stores desired; *expected receives the value found. NULL: built from read and write,
	 * which is not atomic. */
	int (*cmpxchg)(void *opaque, uint64_t gpa, uint64_t *expected, uint64_t desired);
	/** Told after the library wrote [gpa, gpa + bytes) of guest memory, region or not. */
	void (*dirty)(void *opaque, uint64_t gpa, uint64_t bytes);
	/** Key of the hashes, secret from the guest. Both zero: taken from the system's random
	 * source. */
	uint64_t hash_key[2];
	/** As cmpxchg, and asked instead of it if it is there: for words of `bytes` (1, 2, 4 or 8,
	 * naturally aligned), as they are in guest memory, in whatever byte order the guest has them. */
	int (*swap)(void *opaque, uint64_t gpa, void *expected, const void *desired,
		    uint32_t bytes);
	/** As dirty, and called instead of it if it is there. region: the opaque of the region that was
	 * written, or NULL outside the regions. */
	void (*dirty_region)(void *opaque, void *region, uint64_t gpa, uint64_t bytes);
	/** Instead of alloc and dealloc: zeroed memory, aligned to 4096, in which everything lies that the library
	 * allocates for the VM, as long as the VM exists. Running out of it is VIOMMU_ENOMEM. What is given back is zeroed.
	 * viommu_arena_bytes() says how large it should be. NULL: there is none.
	 *
	 * The first part is private: it has keys, pointers, callbacks and locks, and no other process may map it. Have
	 * the kernel leave it out of children and of core dumps (madvise(2): MADV_DONTFORK, MADV_DONTDUMP); the library
	 * makes no such calls. A child of fork(2) that had it could read all of it, and its locks would be copies. */
	void *arena;
	uint64_t arena_bytes; /**< of all of it: a multiple of 4096 */
	/** Where windows begin (viommu_limits.partitions), from the arena's first byte: a multiple of 4096, such as the length
	 * of a private mapping in front of that of a memfd. Windows are whole pages with nothing else in them, and
	 * each is given once: when its IOMMU is freed its pages are zeroed, and not used again. 0: windows lie among the
	 * rest, and are not for other processes. */
	uint64_t arena_windows;
};

/** The region is ROM: writes by the library fail; a translation to it carries a host pointer and no
 * VIOMMU_WRITE, or no host pointer if the request was to write. */
#define VIOMMU_REGION_READONLY 1U

/** A piece of guest memory that the library may access directly. */
struct viommu_region {
	uint32_t size;	/**< sizeof(struct viommu_region) */
	uint32_t flags; /**< VIOMMU_REGION_* */
	uint64_t gpa;	/**< first byte; a multiple of 4096 */
	uint64_t bytes; /**< length; a multiple of 4096, not 0 */
	void *host;	/**< where gpa is mapped; aligned to 16 */
	void *opaque;	/**< passed to dirty_region */
};

/**
 * Creates a VM.
 *
 * Any thread, any time.
 * @param config  copied
 * @param vm      receives the handle
 * @return VIOMMU_OK, VIOMMU_EINVAL, VIOMMU_ESIZE, VIOMMU_ENOMEM; VIOMMU_ENOTSUP
 * (VIOMMU_VM_MEMBARRIER, and the kernel does not have it)
 */
VIOMMU_API int viommu_vm_new(const struct viommu_vm_config *config, struct viommu_vm **vm);

/**
 * Frees a VM.
 *
 * Alone: nothing else may run on this handle.
 * @param vm  may be NULL
 * @return VIOMMU_OK, or VIOMMU_EBUSY while an IOMMU of this VM exists
 */
VIOMMU_API int viommu_vm_free(struct viommu_vm *vm);

/**
 * Adds a region of guest memory. Other threads may be translating.
 *
 * One at a time per handle.
 * @param vm      the VM
 * @param region  copied; may not overlap another region nor wrap
 * @return VIOMMU_OK, VIOMMU_EINVAL, VIOMMU_ESIZE, VIOMMU_EEXIST (overlap), VIOMMU_ENOMEM
 */
VIOMMU_API int viommu_vm_add_region(struct viommu_vm *vm, const struct viommu_region *region);

/**
 * Removes a region. New translations no longer find it; threads that found it before may still use
 * its host pointer until viommu_vm_quiesce() answers VIOMMU_OK.
 *
 * One at a time per handle.
 * @param vm   the VM
 * @param gpa  first byte of a region that was added
 * @return VIOMMU_OK, VIOMMU_EINVAL, VIOMMU_ENOENT
 */
VIOMMU_API int viommu_vm_remove_region(struct viommu_vm *vm, uint64_t gpa);

/**
 * Puts other memory, other flags or another opaque in the place of a region, at once: whoever looks it
 * up finds the old or the new one, never none. Threads that found the old one may still use its host
 * pointer, and report what they write there with its opaque, until viommu_vm_quiesce() answers
 * VIOMMU_OK.
 *
 * One at a time per handle, together with viommu_vm_add_region() and viommu_vm_remove_region().
 * @param vm      the VM
 * @param region  copied; gpa and bytes are those of a region that was added
 * @return VIOMMU_OK, VIOMMU_EINVAL, VIOMMU_ESIZE, VIOMMU_ENOENT (there is no such region)
 */
VIOMMU_API int viommu_vm_replace_region(struct viommu_vm *vm, const struct viommu_region *region);

/**
 * Asks whether every section and every call that was under way at the last change of regions has
 * ended. Never waits. After VIOMMU_PENDING, the work callback of the IOMMU in question says when to ask again (and,
 * as always, to call viommu_run()).
 *
 * One at a time per handle.
 * @param vm  the VM
 * @return VIOMMU_OK: memory of removed regions may be unmapped; VIOMMU_PENDING: ask again later;
 * VIOMMU_EINVAL
 */
VIOMMU_API int viommu_vm_quiesce(struct viommu_vm *vm);

/**
 * Waits until viommu_vm_quiesce() would answer VIOMMU_OK. For threads that may sleep. Do not call it with a section of
 * the VM open, nor from inside a callback: it would wait for itself. It does not do what else is pending: let another
 * thread call viommu_run().
 *
 * One at a time per handle, together with viommu_vm_quiesce().
 * @param vm  the VM
 * @return VIOMMU_OK: memory of removed regions may be unmapped; VIOMMU_EINVAL
 */
VIOMMU_API int viommu_vm_wait(struct viommu_vm *vm);

#ifdef __cplusplus
}
#endif

#endif
