/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * irte_cache.h - interrupt table entries that have been read, and the messages that they make.
 *
 * Direct-mapped: the engine says where an entry is, what identifies it, and of which group it is. Only entries that are
 * present and well formed are kept. Readers take no lock.
 *
 * Invalidations are counted, by group and for all. An entry is known by its id and by that count, which is taken before
 * the entry is read: what was read before an invalidation is not found after it. So nothing has to be removed, a fill has
 * nothing to compare, and an invalidation waits for nobody. Both counts only grow: no sum comes twice.
 */
#ifndef IRTE_CACHE_H
#define IRTE_CACHE_H

#include <assert.h>
#include <stddef.h>
#include <string.h>

#include <libvirtiommu/irq.h>

#include "machine.h"
#include "seqlock.h"

#define IRTE_SLOTS	   1024U
#define IRTE_GROUPS	   1024U
#define IRTE_MESSAGE_WORDS 3U

struct irte_slot {
	_Alignas(64) _Atomic uint64_t version; /* odd while a writer has it */
	_Atomic uint64_t id;
	_Atomic uint64_t count; /* of invalidations before the entry was read; 0: there is none */
	_Atomic uint64_t raw[2];
	/* What it makes of messages, as struct viommu_msi has it before the index; word 0 is 0 if they are posted. */
	_Atomic uint64_t message[IRTE_MESSAGE_WORDS];
};
static_assert(sizeof(struct irte_slot) == 64, "a cache line");
static_assert(offsetof(struct viommu_msi, index) == IRTE_MESSAGE_WORDS * sizeof(uint64_t), "");

struct irte_cache {
	_Atomic uint64_t group[IRTE_GROUPS];
	_Atomic uint64_t all; /* from 1 on */
	struct irte_slot *slot;
};

/* Which entry. */
struct irte_key {
	uint32_t slot; /* below IRTE_SLOTS, or anything: the upper bits do not count */
	uint32_t id;
	uint64_t count; /* irte_cache_count() */
};

/* VIOMMU_OK or VIOMMU_ENOMEM */
int irte_cache_init(struct irte_cache *cache, struct viommu_vm *vm);
void irte_cache_fini(struct irte_cache *cache, struct viommu_vm *vm);

/* Before an entry is looked for, or read. */
static inline uint64_t irte_cache_count(const struct irte_cache *cache, uint32_t group)
{
	return atomic_load_explicit(&cache->group[group % IRTE_GROUPS], memory_order_acquire) +
	       atomic_load_explicit(&cache->all, memory_order_acquire);
}

static inline struct irte_slot *irte_slot_of(const struct irte_cache *cache,
					     const struct irte_key *key)
{
	return &cache->slot[key->slot % IRTE_SLOTS];
}

static inline bool irte_slot_is(const struct irte_slot *slot, const struct irte_key *key)
{
	return atomic_load_explicit(&slot->id, memory_order_relaxed) == key->id &&
	       atomic_load_explicit(&slot->count, memory_order_relaxed) == key->count;
}

/* The entry as it was read. */
bool irte_cache_find(const struct irte_cache *cache, const struct irte_key *key, uint64_t raw[2]);

/* The message of an entry that is not posted, without an index, of a local APIC. @high: the entry's upper word, or NULL.
 * False: *msi may be anything. */
static inline __attribute__((always_inline)) bool irte_cache_message(const struct irte_cache *cache,
								     const struct irte_key *key,
								     struct viommu_msi *msi,
								     uint64_t *high)
{
	const struct irte_slot *slot = irte_slot_of(cache, key);
	uint64_t version = seq_read_begin(&slot->version);

	if (!irte_slot_is(slot, key))
		return false;
	if (high)
		*high = atomic_load_explicit(&slot->raw[1], memory_order_relaxed);
	for (unsigned i = 0; i < IRTE_MESSAGE_WORDS; i++) {
		uint64_t word = atomic_load_explicit(&slot->message[i], memory_order_relaxed);

		memcpy((unsigned char *)msi + i * sizeof(word), &word, sizeof(word));
	}
	msi->kind = 0;
	msi->intid = 0;
	msi->cpu = 0;
	return msi->address && seq_read_valid(&slot->version, version);
}

/* @msi: what the entry makes of messages; zeroes if they are posted. Dropped if somebody is writing in the slot. */
static inline void irte_cache_add(struct irte_cache *cache, const struct irte_key *key,
				  const uint64_t raw[2], const struct viommu_msi *msi)
{
	struct irte_slot *slot = irte_slot_of(cache, key);
	uint64_t version;

	if (!seq_try_lock(&slot->version, &version))
		return;
	atomic_store_explicit(&slot->id, key->id, memory_order_relaxed);
	atomic_store_explicit(&slot->count, key->count, memory_order_relaxed);
	atomic_store_explicit(&slot->raw[0], raw[0], memory_order_relaxed);
	atomic_store_explicit(&slot->raw[1], raw[1], memory_order_relaxed);
	for (unsigned i = 0; i < IRTE_MESSAGE_WORDS; i++) {
		uint64_t word;

		memcpy(&word, (const unsigned char *)msi + i * sizeof(word), sizeof(word));
		atomic_store_explicit(&slot->message[i], word, memory_order_relaxed);
	}
	seq_unlock(&slot->version, version);
}

/* Forgets the groups first to last; bounded, however many these are. */
void irte_cache_drop(struct irte_cache *cache, uint32_t first, uint32_t last);
void irte_cache_drop_all(struct irte_cache *cache);

#endif
