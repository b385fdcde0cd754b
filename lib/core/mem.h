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

#include <stdbool.h>
#include <stdint.h>

struct viommu_vm;

/* One 64-bit word, single-copy-atomic. @gpa: a multiple of 8 */
bool mem_load64(struct viommu_vm *vm, uint64_t gpa, uint64_t *word);

/*
 * @words 64-bit words of one structure, each read once: pairs of words that are aligned to 16 bytes
 * atomically where the host can, and in ascending order. @gpa: a multiple of 8; words <= 8
 */
bool mem_load(struct viommu_vm *vm, uint64_t gpa, uint64_t *word, unsigned words);

/* @gpa: a multiple of 4 */
bool mem_store32(struct viommu_vm *vm, uint64_t gpa, uint32_t word);

/* @words words in ascending order. @gpa: a multiple of 8; words <= 8 */
bool mem_store(struct viommu_vm *vm, uint64_t gpa, const uint64_t *word, unsigned words);

enum mem_swap { MEM_FAILED, MEM_CHANGED, MEM_SWAPPED };

/* Stores @desired if the word at @gpa is *expected; *expected receives what was found. @gpa: a
 * multiple of 8 */
enum mem_swap mem_swap64(struct viommu_vm *vm, uint64_t gpa, uint64_t *expected, uint64_t desired);

/*
 * How far the memory at @gpa is one contiguous piece of host memory: *host points to gpa, or is
 * NULL where there is no region or the access is not allowed (@write to ROM). Returns the last gpa,
 * at most @last, for which that holds.
 */
uint64_t mem_piece(struct viommu_vm *vm, uint64_t gpa, uint64_t last, bool write, void **host);

#endif
