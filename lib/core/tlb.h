/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tlb.h - the shared TLB of an IOMMU: set-associative, keyed, readers without locks or writes.
 *
 * An entry is found by (tag, page): the tag is the generation of a domain (domain.h), a 64-bit
 * number that is never used twice. Flushing a domain gives it another tag, and its entries are
 * never found again. A page invalidation removes entries; it and a fill that it overtakes meet at
 * the lock of the set, where the fill sees that the domain's count of changes has moved and is
 * dropped. Entries are of true size: a 1 GiB page is one entry. There are no pointers here.
 */
#ifndef TLB_H
#define TLB_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "bits.h"
#include "machine.h"

/* What an entry permits. User and supervisor differ only in first-stage tables with a
 * user/supervisor bit. */
#define PERM_USER	BITS(2, 0) /* VIOMMU_READ, _WRITE, _EXEC for requests without VIOMMU_PRIV */
#define PERM_SUPERVISOR BITS(5, 3) /* the same for requests with it */
#define PERM_DIRTY                                                                                 \
	BIT(6) /* dirty is recorded, or nobody keeps it: writes need not ask the tables */
#define PERM_ALL  (PERM_USER | PERM_SUPERVISOR)
#define PERM_BITS BITS(11, 0)

/* A translation of one naturally aligned block of 1 << size_lg2 bytes. */
struct translation {
	uint64_t iova; /* of the block */
	uint64_t gpa;  /* of the block */
	uint8_t size_lg2;
	uint8_t perm; /* PERM_* */
};

#define TLB_WAYS 5U

struct tlb_entry {
	_Atomic uint64_t tag;  /* 0: empty */
	_Atomic uint64_t page; /* iova of the block | size_lg2 */
	_Atomic uint64_t gpa;  /* gpa of the block | PERM_* */
};

/* Two cache lines. The version is odd while a writer has the set, and counts its changes. */
struct tlb_set {
	_Alignas(128) _Atomic uint64_t version;
	struct tlb_entry way[TLB_WAYS];
};

static_assert(sizeof(struct tlb_set) == 128, "a set is two cache lines");

struct tlb {
	struct tlb_set *set;
	uint64_t mask; /* sets - 1 */
	uint64_t key[2];
};

/* @entries: rounded up to a power of two of sets. VIOMMU_OK or VIOMMU_ENOMEM */
int tlb_init(struct tlb *tlb, struct viommu_vm *vm, uint32_t entries);
void tlb_fini(struct tlb *tlb, struct viommu_vm *vm);

/*
 * Whose entry it is: the tag is compared, the salt decides where it is looked for. A domain keeps
 * its salt when it gets another tag, so that what it caches anew takes the places of what has died.
 */
struct tlb_space {
	uint64_t tag;
	uint64_t salt;
};

/*
 * Finds the block of iova, trying the sizes of which @sizes has the bit. Any thread. A set that is
 * being changed at the moment counts as a miss.
 */
bool tlb_find(const struct tlb *tlb, struct tlb_space space, uint64_t sizes, uint64_t iova,
	      struct translation *found);

/* Has the processor fetch what tlb_find() will look at first. */
void tlb_prefetch(const struct tlb *tlb, uint64_t salt, uint64_t sizes, uint64_t iova);

/*
 * Adds a translation, unless *changes is no longer @seen: the caller read it before the first table
 * load. size_lg2 must be in the sizes the domain is searched with. Any thread.
 */
void tlb_add(struct tlb *tlb, struct tlb_space space, const struct translation *add,
	     const _Atomic uint64_t *changes, uint64_t seen);

/* Removes the entries of blocks of 1 << size_lg2 bytes that overlap [first, last]; the caller
 * counted a change before. */
void tlb_remove(struct tlb *tlb, struct tlb_space space, unsigned size_lg2, uint64_t first,
		uint64_t last);

#endif
