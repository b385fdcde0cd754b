/* SPDX-License-Identifier: BSD-3-Clause */
/* bits.h - masks of fields, and values in and out of them. */
#ifndef BITS_H
#define BITS_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

/* One bit, and the closed range of bits high..low, as 64-bit masks usable in constant expressions.
 */
#define BIT(n)		(UINT64_C(1) << (n))
#define BITS(high, low) ((UINT64_MAX >> (63 - (high))) & (UINT64_MAX << (low)))

/* A condition that only a defect of this library can make true: stops a debug build, survives in a
 * release build. */
#ifdef NDEBUG
#define NEVER(condition) __builtin_expect(!!(condition), 0)
#else
#define NEVER(condition) (assert(!(condition)), false)
#endif

#define LIKELY(condition)   __builtin_expect(!!(condition), 1)
#define UNLIKELY(condition) __builtin_expect(!!(condition), 0)

#define ARRAY_COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* The field's value, shifted down. @mask: one contiguous run of bits, not 0 */
static inline uint64_t bits_get(uint64_t word, uint64_t mask)
{
	return (word & mask) >> __builtin_ctzll(mask);
}

/* The value shifted up into the field; bits that do not fit are dropped. */
static inline uint64_t bits_put(uint64_t mask, uint64_t value)
{
	return (value << __builtin_ctzll(mask)) & mask;
}

/* The low @count bits set, 0 <= count <= 64. */
static inline uint64_t bits_low(unsigned count)
{
	return count >= 64 ? UINT64_MAX : BIT(count) - 1;
}

/* The least power of two that is not below @count; 1 for 0. @count: at most 2^63 */
static inline uint64_t bits_power_of_two(uint64_t count)
{
	uint64_t power = 1;

	while (power < count)
		power *= 2;
	return power;
}

/*
 * All ones if @index is below @count, else 0, computed without a branch that a processor could
 * mispredict and without what the compiler knows from earlier checks: guest-chosen indices that
 * have been bound-checked are masked with it before they are used (speculation, design 5). @count:
 * 1 to 2^63
 */
static inline uint64_t bits_index_mask(uint64_t index, uint64_t count)
{
#ifdef VIOMMU_NO_INDEX_MASKS
	(void)index;
	(void)count;
	return UINT64_MAX;
#elif defined(__x86_64__)
	uint64_t mask;

	__asm__("cmp %2, %1\n\tsbb %0, %0" : "=r"(mask) : "r"(index), "rm"(count) : "cc");
	return mask;
#elif defined(__aarch64__)
	uint64_t mask;

	/* hint 20 is CSDB: what follows does not use a guess of the comparison */
	__asm__("cmp %1, %2\n\tcsetm %0, lo\n\thint #20"
		: "=r"(mask)
		: "r"(index), "r"(count)
		: "cc");
	return mask;
#else
	__asm__("" : "+r"(index));
	return (uint64_t)((int64_t)(~(index | (count - 1 - index))) >> 63);
#endif
}

/* @index if it is below @count, else 0. */
static inline uint64_t bits_clamp_index(uint64_t index, uint64_t count)
{
	return index & bits_index_mask(index, count);
}

/* The same in one step where @count is a power of two: what is not below it comes out as something
 * that is. */
static inline uint64_t bits_wrap_index(uint64_t index, uint64_t count)
{
#ifdef VIOMMU_NO_INDEX_MASKS
	(void)count;
	return index;
#else
	__asm__("" : "+r"(count)); /* nothing is known from earlier checks */
	return index & (count - 1);
#endif
}

#endif
