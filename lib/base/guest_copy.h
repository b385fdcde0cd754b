/* SPDX-License-Identifier: BSD-3-Clause */
/* guest_copy.h - copies between a buffer of ours and guest memory: what may be one access is one. */
#ifndef GUEST_COPY_H
#define GUEST_COPY_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "bits.h"

static inline bool aligned(const void *at, uint64_t bytes)
{
	return ((uintptr_t)at & (bytes - 1)) == 0;
}

/* Words in one access; the buffer may lie anyhow. */
#define LOAD_AS(type)                                                                              \
	do {                                                                                       \
		type word = __atomic_load_n((const type *)guest, __ATOMIC_ACQUIRE);                \
		memcpy(buffer, &word, sizeof(word));                                               \
	} while (0)
#define STORE_AS(type)                                                                             \
	do {                                                                                       \
		type word;                                                                         \
		memcpy(&word, buffer, sizeof(word));                                               \
		__atomic_store_n((type *)guest, word, __ATOMIC_RELEASE);                           \
	} while (0)

static inline void copy_out(void *buffer, const void *guest, uint64_t bytes)
{
	if (bytes == 8 && LIKELY(aligned(guest, 8)))
		LOAD_AS(uint64_t);
	else if (bytes == 4 && aligned(guest, 4))
		LOAD_AS(uint32_t);
	else if (bytes == 2 && aligned(guest, 2))
		LOAD_AS(uint16_t);
	else if (bytes == 1)
		LOAD_AS(uint8_t);
	else
		memcpy(buffer, guest, bytes);
}

static inline void copy_in(void *guest, const void *buffer, uint64_t bytes)
{
	if (bytes == 8 && LIKELY(aligned(guest, 8)))
		STORE_AS(uint64_t);
	else if (bytes == 4 && aligned(guest, 4))
		STORE_AS(uint32_t);
	else if (bytes == 2 && aligned(guest, 2))
		STORE_AS(uint16_t);
	else if (bytes == 1)
		STORE_AS(uint8_t);
	else
		memcpy(guest, buffer, bytes);
}

#endif
