/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * iotlb_world.h - what a device IOTLB is asked in the benchmarks: the same of ours and of the
 * peers.
 *
 * Ranges of 4 KiB, 64 KiB, 2 MiB and 1 GiB in turn, 2 GiB apart, and random addresses in them.
 */
#ifndef BENCH_IOTLB_WORLD_H
#define BENCH_IOTLB_WORLD_H

#include <stdint.h>
#include <stdlib.h>

#include "cycle.h"
#include "shim.h"

#define IOTLB_RANGES 2048U /* what vhost and vhost-user backends keep */
#define IOTLB_BURST  64U   /* changes between two looks at the clock */
#define IOTLB_QUEUES 2U	   /* threads that look up, at most */
#define IOTLB_HOST   (UINT64_C(1) << 60)
#define IOTLB_PAGES  (UINT64_C(1) << 55) /* pages that come and go, far from the rest */

static inline uint64_t iotlb_first(uint64_t i)
{
	return (i + 1) << 31;
}

static inline uint64_t iotlb_bytes(uint64_t i)
{
	static const uint8_t lg2[] = { 12, 16, 21, 30 };

	return UINT64_C(1) << lg2[i % 4];
}

/* Page i of those that come and go, in no order. */
static inline uint64_t iotlb_page(uint64_t i)
{
	return IOTLB_PAGES + ((i * 0x9e3779b1U & 0xffffffU) << 12);
}

/* Addresses that are looked up: a power of two of them. Few where the ranges are few, so that the
 * list of them stays in the L1 cache too. */
struct iotlb_order {
	uint64_t mask;
	uint64_t at;
	uint64_t iova[];
};

static inline struct iotlb_order *iotlb_order_new(uint64_t ranges)
{
	uint64_t count = ranges < 64 ? 512 : ranges < 65536 ? 1U << 14 : 1U << 17;
	struct iotlb_order *o = malloc(sizeof(*o) + count * sizeof(o->iova[0]));
	uint64_t seed = ranges;

	if (!o)
		abort();
	o->mask = count - 1;
	o->at = 0;
	for (uint64_t i = 0; i < count; i++) {
		uint64_t range = random_next(&seed) % ranges;

		o->iova[i] = iotlb_first(range) + random_next(&seed) % iotlb_bytes(range);
	}
	return o;
}

static inline uint64_t iotlb_order_next(struct iotlb_order *o)
{
	return o->iova[o->at++ & o->mask];
}

#endif
