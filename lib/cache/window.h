/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * window.h - what hits of one partition of devices need, and nothing else: one block that another process may map
 * read-only, at whatever address.
 *
 *	struct window		sizes, the partition's hash key, offsets of what follows, and the words that move
 *	TLB sets		struct tlb_set (tlb.h)
 *	context slots		struct context_slot (context_cache.h): requester -> domain, by index
 *	domains			struct domain (domain.h): tag, life, sizes
 *	devices			a word each: the generation of its contexts
 *	regions			struct window_region: guest memory, without host pointers
 *
 * There are no pointers here, only offsets from the beginning of the window. What is private to the owner lies beside
 * it, by the same index: keys of domains (domain.c), parsed contexts (context_cache.c). Whoever maps a window makes
 * himself a struct tlb and a struct context_cache for it (tlb_attach(), context_cache_attach()) and uses the functions
 * that the owner uses. A place in a window is never used for another partition, and the words of one partition move
 * only for what concerns it.
 *
 * How a reader in another process translates (the owner does the same, and keeps pointers):
 *
 *	1. its section: window.now, acquire, into the word of its section page; a fence that is one (seq_cst)
 *	2. context_cache_find_domain() under translate_who() -> a domain's index, and a generation
 *	3. domain.tag, acquire; then window.generation + the device's word + domain.life: as in 2, or it is a miss
 *	4. tlb_find() under (tag, salt), in domain.sizes; what does not permit the access is a miss
 *	5. the region of the guest-physical address, under window.region_version (seqlock.h)
 *	6. the section closes: 0, release
 *
 * What it keeps elsewhere is valid as long as window.now is as it was before 2, as in a channel (micro_tlb.h).
 */
#ifndef WINDOW_H
#define WINDOW_H

#include <stdatomic.h>
#include <stdint.h>

#include "machine.h"

#define WINDOW_MAGIC UINT64_C(0x31776f646e697776) /* "vwindow1" */
#define WINDOW_ALIGN 4096U

/* A region of guest memory, sorted by address. What cannot be written is said in the low bit of the stamp. The stamp is of
 * the memory that is there, and never the same twice in a VM: another one is other memory, even at the same address. */
struct window_region {
	_Atomic uint64_t first;
	_Atomic uint64_t last;
	_Atomic uint64_t stamp;
};

#define WINDOW_READONLY UINT64_C(1)

struct window {
	/* Constant. Offsets are from here, in bytes. */
	uint64_t magic;
	uint64_t bytes; /* all of it: a multiple of WINDOW_ALIGN */
	uint64_t key
		[2]; /* of the hashes of this partition: nobody else's, and nothing else comes of it */
	uint64_t sets; /* offset */
	uint64_t set_count;
	uint64_t contexts; /* offset */
	uint64_t context_count;
	uint64_t domains; /* offset */
	uint64_t domain_count;
	uint64_t devices; /* offset */
	uint64_t device_count;
	uint64_t regions; /* offset */
	uint64_t region_count;

	/* Moves after every change below, before anyone learns that it is complete. */
	_Alignas(128) _Atomic uint64_t now;
	_Atomic uint64_t generation;	 /* of all contexts */
	_Atomic uint64_t region_version; /* seqlock.h */
	_Atomic uint64_t regions_used;	 /* regions above are not in the table: a miss */
};

/* How large a window is. */
struct window_size {
	uint32_t tlb_entries;
	uint32_t contexts;
	uint32_t domains;
	uint32_t devices;
};

/* Regions that a window has room for. */
#define WINDOW_REGIONS 1024U

/* Bytes of a window: a multiple of WINDOW_ALIGN. */
uint64_t window_bytes(const struct window_size *size);

/* A window that only the caller knows; NULL: the allocator says no. @number: of the partition, as no other of the VM has
 * one. */
struct window *window_new(struct viommu_vm *vm, const struct window_size *size, uint64_t number);
void window_free(struct window *window, struct viommu_vm *vm);

/* The regions as they are in the VM now. With vm->lock held. */
void window_put_regions(struct window *window, struct viommu_vm *vm);

static inline void *window_at(const struct window *window, uint64_t offset)
{
	return (unsigned char *)(uintptr_t)window + offset;
}

/* The generation of a device's own contexts, by its place. */
static inline _Atomic uint64_t *window_device(const struct window *window, uint32_t place)
{
	return (_Atomic uint64_t *)window_at(window, window->devices) + place;
}

#endif
