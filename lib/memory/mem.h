/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * mem.h - guest memory: loads, stores and compare-and-swap of little-endian words.
 *
 * Every function here may be called from any thread, inside a section (epoch.h) of one of the VM's
 * IOMMUs: regions may be removed at any time, and what a section found stays valid until it closes.
 * An access that fails is an answer.
 */
#ifndef MEM_H
#define MEM_H

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bits.h"
#include "mem_map.h"
#include "seqlock.h"

/* A region, or the gap up to the next one. */
struct mem_place {
	uint64_t first;
	uint64_t last;
	uintptr_t host;	  /* of first, | MEM_REGION_READONLY; 0: a gap */
	uint64_t version; /* of the map; while vm->map_version is this, the place is right */
};

/* Has no address. */
#define MEM_NOWHERE                                                                                \
	{                                                                                          \
		.first = 1                                                                         \
	}

void mem_search(const struct viommu_vm *vm, uint64_t gpa, struct mem_place *place);

/* Where gpa is, if one of the largest regions has it. */
static inline __attribute__((always_inline)) bool mem_in_largest(const struct viommu_vm *vm,
								 unsigned n, uint64_t gpa,
								 struct mem_place *place)
{
	uint64_t bytes = atomic_load_explicit(&vm->largest[n][1], memory_order_relaxed);

	place->first = atomic_load_explicit(&vm->largest[n][0], memory_order_relaxed);
	place->last = place->first + bytes - 1;
	place->host = (uintptr_t)atomic_load_explicit(&vm->largest[n][2], memory_order_relaxed);
	return gpa - place->first < bytes;
}

/* The host address of [gpa, gpa + more], if one of the largest regions has it. To be asked between
 * seq_read_begin() and seq_read_valid() of vm->map_version. */
static inline __attribute__((always_inline)) bool mem_host_in_largest(const struct viommu_vm *vm,
								      unsigned n, uint64_t gpa,
								      uint64_t more,
								      unsigned char **host)
{
	uint64_t offset = gpa - atomic_load_explicit(&vm->largest[n][0], memory_order_relaxed);
	uint64_t bytes = atomic_load_explicit(&vm->largest[n][1], memory_order_relaxed);
	uint64_t mask = bits_index_mask(offset, bytes);

	__asm__("" : "+r"(offset)); /* not to be computed again */
	if (offset >= bytes || more >= bytes - offset)
		return false;
	*host = (unsigned char *)(uintptr_t)atomic_load_explicit(&vm->largest[n][2],
								 memory_order_relaxed) +
		(offset & mask);
	return true;
}

/* Where gpa is. No section is needed to ask. */
static inline void mem_find(const struct viommu_vm *vm, uint64_t gpa, struct mem_place *place)
{
	place->version = seq_read_begin(&vm->map_version);
	if (UNLIKELY((!mem_in_largest(vm, 0, gpa, place) && !mem_in_largest(vm, 1, gpa, place)) ||
		     !seq_read_valid(&vm->map_version, place->version))) {
		struct mem_place found; /* the caller's can be in registers */

		mem_search(vm, gpa, &found);
		*place = found;
	}
}

static inline bool mem_is_in(const struct mem_place *place, uint64_t gpa)
{
	return gpa >= place->first && gpa <= place->last;
}

void mem_find_again(const struct viommu_vm *vm, uint64_t gpa, struct mem_place *place);

/* The same, for one who may have the place already. */
static inline void mem_find_near(const struct viommu_vm *vm, uint64_t gpa, struct mem_place *place)
{
	if (UNLIKELY(!mem_is_in(place, gpa) ||
		     atomic_load_explicit(&vm->map_version, memory_order_acquire) !=
			     place->version))
		mem_find_again(vm, gpa, place);
}

/* Host pointer to gpa, which is in the place; NULL in a gap, and for writing to ROM. */
static inline void *mem_host(const struct mem_place *place, uint64_t gpa, bool write)
{
	uint64_t offset = gpa - place->first;

	if (!place->host || (write && (place->host & MEM_REGION_READONLY)))
		return NULL;
	offset &= bits_index_mask(offset, place->last - place->first + 1);
	return (unsigned char *)(place->host & ~(uintptr_t)MEM_REGION_READONLY) + offset;
}

/* One 64-bit word, single-copy-atomic. @gpa: a multiple of 8 */
bool mem_load64(struct viommu_vm *vm, uint64_t gpa, uint64_t *word);
bool mem_load64_far(struct viommu_vm *vm, struct mem_place *place, uint64_t gpa, uint64_t *word);

/* The same, for one who has a place already, of this section, in which the address probably is;
 * otherwise it becomes the place of the address. */
static inline bool mem_load64_near(struct viommu_vm *vm, struct mem_place *place, uint64_t gpa,
				   uint64_t *word)
{
	uint64_t offset = gpa - place->first;
	uint64_t places =
		place->last - place->first - 6; /* where 8 bytes are; regions are larger */
	const unsigned char *host;

	if (UNLIKELY(!place->host || offset >= places))
		return mem_load64_far(vm, place, gpa, word);
	host = (const unsigned char *)(place->host & ~(uintptr_t)MEM_REGION_READONLY) +
	       (offset & bits_index_mask(offset, places));
	*word = le64toh(__atomic_load_n((const uint64_t *)host, __ATOMIC_RELAXED));
	return true;
}

/* One 32-bit word, the same. @place: kept up to date; or NULL. @gpa: a multiple of 4 */
bool mem_load32(struct viommu_vm *vm, struct mem_place *place, uint64_t gpa, uint64_t *word);

/*
 * @words 64-bit words of one structure, of which the first publishes the others: a guest writes
 * these, and then that one, which has the valid bit. It is read first, and the others after it
 * (docs/models). Pairs of words that are aligned to 16 bytes are what the guest stored together.
 * @gpa: a multiple of 8; words <= 8
 */
bool mem_load(struct viommu_vm *vm, uint64_t gpa, uint64_t *word, unsigned words);

/* Who changes a pair more often than this while it is read gets a mixture of what he wrote. */
#define MEM_PAIR_TRIES 8U

/*
 * 16 bytes at an aligned address, the lower word first; what is loaded afterwards comes later.
 * x86 processors with AVX do this in one access, and load in order. Elsewhere: if the lower word is
 * still what it was, it was that when the upper one was read. This needs no instruction that only
 * some processors have, and the second look at a word is only compared.
 */
static inline void mem_load_pair(const void *host, uint64_t *pair)
{
#if defined(__x86_64__) && !defined(__SANITIZE_THREAD__)
	__asm__ volatile("movdqa %1, %%xmm0\n\tmovdqu %%xmm0, %0"
			 : "=m"(*(uint64_t(*)[2])pair)
			 : "m"(*(const uint64_t(*)[2])host)
			 : "xmm0");
#else
	const uint64_t *word = host;

	for (unsigned i = 0; i < MEM_PAIR_TRIES; i++) {
		pair[0] = __atomic_load_n(&word[0], __ATOMIC_ACQUIRE);
		pair[1] = __atomic_load_n(&word[1], __ATOMIC_ACQUIRE);
		if (LIKELY(__atomic_load_n(&word[0], __ATOMIC_RELAXED) == pair[0]))
			return;
	}
#endif
}

/* The same of several pairs, as the guest's words are. */
static inline void mem_load_words(const uint64_t *host, uint64_t *word, unsigned words)
{
	for (unsigned i = 0; i < words; i += 2) {
		mem_load_pair(&host[i], &word[i]);
		word[i] = le64toh(word[i]);
		word[i + 1] = le64toh(word[i + 1]);
	}
}

bool mem_load_far(struct viommu_vm *vm, struct mem_place *place, uint64_t gpa, uint64_t *word,
		  unsigned words);

/* The same, for one who reads several structures in a section: @place is kept up to date. */
static inline bool mem_load_near(struct viommu_vm *vm, struct mem_place *place, uint64_t gpa,
				 uint64_t *word, unsigned words)
{
	const uint64_t *host;

	if (UNLIKELY(!place->host || !mem_is_in(place, gpa) ||
		     place->last - gpa < words * sizeof(*word) - 1 || (gpa & 15) || words % 2))
		return mem_load_far(vm, place, gpa, word, words);
	host = mem_host(place, gpa, false);
	mem_load_words(host, word, words);
	return true;
}

/* The same as mem_load(), sooner for what the largest region has. @gpa: a multiple of 16, words of 2 */
static inline bool mem_load_soon(struct viommu_vm *vm, uint64_t gpa, uint64_t *word, unsigned words)
{
	uint64_t version = seq_read_begin(&vm->map_version);
	unsigned char *host;

	if (UNLIKELY(vm->recorder || /* it sees what mem.c loads */
		     !mem_host_in_largest(vm, 0, gpa, words * sizeof(*word) - 1, &host) ||
		     !seq_read_valid(&vm->map_version, version)))
		return mem_load(vm, gpa, word, words);
	for (unsigned i = 0; i < words; i += 2) {
		mem_load_pair(host + i * sizeof(*word), &word[i]);
		word[i] = le64toh(word[i]);
		word[i + 1] = le64toh(word[i + 1]);
	}
	return true;
}

/* @gpa: a multiple of 4 */
bool mem_store32(struct viommu_vm *vm, uint64_t gpa, uint32_t word);

/* @words words in ascending order. @gpa: a multiple of 8; words <= 8 */
bool mem_store(struct viommu_vm *vm, uint64_t gpa, const uint64_t *word, unsigned words);

enum mem_swap { MEM_FAILED, MEM_CHANGED, MEM_SWAPPED };

/* Stores @desired if the word at @gpa is *expected; *expected receives what was found. @bytes: 4 or 8, of which
 * @gpa is a multiple */
enum mem_swap mem_swap(struct viommu_vm *vm, uint64_t gpa, uint64_t *expected, uint64_t desired,
		       uint32_t bytes);

/* The same of a word in this process; true: it is stored. */
bool mem_swap_host(void *host, uint64_t *expected, uint64_t desired, uint32_t bytes);

static inline enum mem_swap mem_swap64(struct viommu_vm *vm, uint64_t gpa, uint64_t *expected,
				       uint64_t desired)
{
	return mem_swap(vm, gpa, expected, desired, 8);
}

static inline enum mem_swap mem_swap32(struct viommu_vm *vm, uint64_t gpa, uint64_t *expected,
				       uint32_t desired)
{
	return mem_swap(vm, gpa, expected, desired, 4);
}

/* Bytes that no region has, in naturally aligned pieces of at most 64: how many could be accessed.
 * Writes to ROM fail. */
uint64_t mem_read_outside(struct viommu_vm *vm, uint64_t gpa, unsigned char *to, uint64_t bytes);
uint64_t mem_write_outside(struct viommu_vm *vm, uint64_t gpa, const unsigned char *from,
			   uint64_t bytes);

/* Something was written. */
void mem_tell_dirty(struct viommu_vm *vm, uint64_t gpa, uint64_t bytes);
static inline void mem_dirty(struct viommu_vm *vm, uint64_t gpa, uint64_t bytes)
{
	if (vm->config.dirty || vm->config.dirty_region)
		mem_tell_dirty(vm, gpa, bytes);
}

/*
 * How far the memory at @gpa is one contiguous piece of host memory: *host points to gpa, or is
 * NULL where there is no region or the access is not allowed (@write to ROM). Returns the last gpa,
 * at most @last, for which that holds.
 */
uint64_t mem_piece(struct viommu_vm *vm, uint64_t gpa, uint64_t last, bool write, void **host);

#endif
