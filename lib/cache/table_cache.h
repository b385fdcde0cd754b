/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * table_cache.h - the paging-structure cache of an IOMMU: which table has the entries of an
 * address, so that a miss where something near has been translated before is one load.
 *
 * Direct-mapped slots of one cache line, found by (space, block): the block is what one
 * lowest-level table maps. The fill rule is that of the TLB: domain.changes are compared under the
 * slot's lock; and so is what happens when somebody has that lock. A slot has a host pointer, so it is right for one version of the memory map only,
 * and the cache stays in this process.
 */
#ifndef TABLE_CACHE_H
#define TABLE_CACHE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "machine.h"
#include "pt_config.h"
#include "seqlock.h"
#include "tlb.h"

/* A table of the lowest level, and what the entries that lead to it have in common. */
struct table_place {
	uint64_t table;		   /* its address, as the level above has it */
	uint64_t gpa;		   /* the same in guest-physical memory: after stage 2, if nested */
	const unsigned char *host; /* the same in host memory */
	uint8_t perm;		   /* PERM_* of all levels above */
};

/* The version is odd while a writer has the slot. */
struct table_slot {
	_Alignas(64) _Atomic uint64_t version;
	_Atomic uint64_t tag; /* 0: empty */
	_Atomic uint64_t block;
	_Atomic uint64_t map;
	_Atomic uint64_t table; /* | perm, in the low bits */
	_Atomic uint64_t gpa;
	_Atomic uintptr_t host;
};

static_assert(sizeof(struct table_slot) == 64, "a cache line");

struct table_cache {
	struct table_slot *slot;
	uint64_t mask;
	uint64_t key[2];
};

uint64_t table_cache_bytes(uint32_t entries);

/* @entries: rounded up to a power of two. VIOMMU_OK or VIOMMU_ENOMEM */
int table_cache_init(struct table_cache *cache, struct viommu_vm *vm, uint32_t entries);
void table_cache_fini(struct table_cache *cache, struct viommu_vm *vm);

/* @block: iova >> block_lg2, a number that belongs to one geometry: that of the domain. @map: the
 * version of the memory map, read inside the section that uses the host pointer. */
bool table_cache_find(const struct table_cache *cache, struct tlb_space space, uint64_t block,
		      uint64_t map, struct table_place *found);

/* Keeps a place unless *changes is no longer @seen, or somebody is writing in its slot. */
void table_cache_add(struct table_cache *cache, struct tlb_space space, uint64_t block,
		     uint64_t map, const struct table_place *place, const _Atomic uint64_t *changes,
		     uint64_t seen);

static inline struct table_slot *table_slot_of(const struct table_cache *cache, uint64_t salt,
					       uint64_t block)
{
	return &cache->slot[vm_hash_salted(cache->key, salt, block) & cache->mask];
}

/* table_cache_find() and table_cache_add(), for who is in a hurry: in a slot, whose version is then known. */
ALWAYS_INLINE bool table_slot_look(const struct table_slot *slot, uint64_t tag, uint64_t block,
				   uint64_t map, uint64_t *version, struct table_place *found)
{
	uint64_t table;

	*version = seq_read_begin(&slot->version);
	table = atomic_load_explicit(&slot->table, memory_order_relaxed);
	if (atomic_load_explicit(&slot->tag, memory_order_relaxed) != tag ||
	    atomic_load_explicit(&slot->block, memory_order_relaxed) != block ||
	    atomic_load_explicit(&slot->map, memory_order_relaxed) != map)
		return false;
	found->table = table & ~PERM_BITS;
	found->gpa = atomic_load_explicit(&slot->gpa, memory_order_relaxed);
	found->host =
		(const unsigned char *)atomic_load_explicit(&slot->host, memory_order_relaxed);
	found->perm = (uint8_t)(table & PERM_BITS);
	return seq_read_valid(&slot->version, *version);
}

/* With the lock of the slot, of this version. */
ALWAYS_INLINE void table_slot_put(struct table_slot *slot, uint64_t version, uint64_t tag,
				  uint64_t block, uint64_t map, const struct table_place *place,
				  const _Atomic uint64_t *changes, uint64_t seen)
{
	if (atomic_load_explicit(changes, memory_order_acquire) == seen) {
		atomic_store_explicit(&slot->tag, tag, memory_order_relaxed);
		atomic_store_explicit(&slot->block, block, memory_order_relaxed);
		atomic_store_explicit(&slot->map, map, memory_order_relaxed);
		atomic_store_explicit(&slot->table, place->table | place->perm,
				      memory_order_relaxed);
		atomic_store_explicit(&slot->gpa, place->gpa, memory_order_relaxed);
		atomic_store_explicit(&slot->host, (uintptr_t)place->host, memory_order_relaxed);
	}
	seq_unlock(&slot->version, version);
}

ALWAYS_INLINE bool table_cache_look(const struct table_cache *cache, struct tlb_space space,
				    uint64_t block, uint64_t map, struct table_place *found)
{
	uint64_t version;

	return table_slot_look(table_slot_of(cache, space.salt, block), space.tag, block, map,
			       &version, found);
}

ALWAYS_INLINE void table_cache_put(const struct table_cache *cache, struct tlb_space space,
				   uint64_t block, uint64_t map, const struct table_place *place,
				   const _Atomic uint64_t *changes, uint64_t seen)
{
	struct table_slot *slot = table_slot_of(cache, space.salt, block);
	uint64_t version;

	if (seq_try_lock(&slot->version, &version))
		table_slot_put(slot, version, space.tag, block, map, place, changes, seen);
}

/* Removes the blocks [first, last]; the caller counted a change before, and bounds the number.
 * False: as of tlb_remove(). */
bool table_cache_remove(struct table_cache *cache, struct tlb_space space, uint64_t first,
			uint64_t last);

/* The same, for who is in a hurry. */
static inline __attribute__((always_inline)) bool table_cache_remove_now(
	const struct table_cache *cache, struct tlb_space space, uint64_t first, uint64_t last)
{
	for (uint64_t block = first;; block++) {
		struct table_slot *slot = table_slot_of(cache, space.salt, block);
		uint64_t version;

		if (!seq_lock_soon(&slot->version, &version))
			return false;
		if (atomic_load_explicit(&slot->tag, memory_order_relaxed) == space.tag &&
		    atomic_load_explicit(&slot->block, memory_order_relaxed) == block)
			atomic_store_explicit(&slot->tag, 0, memory_order_relaxed);
		seq_unlock(&slot->version, version);
		if (block == last)
			return true;
	}
}

/* Has the processor fetch what table_cache_find() will look at. */
void table_cache_prefetch(const struct table_cache *cache, uint64_t salt, uint64_t block);

#endif
