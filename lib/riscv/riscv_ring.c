/* SPDX-License-Identifier: BSD-3-Clause */
/* riscv_ring.c - the queues as their base registers say (6.6, 6.9, 6.12). */

#include "riscv_engine.h"

/* Larger rings are used as far as this (docs/riscv-notes.md). */
#define RING_LG2_MAX 30U

unsigned riscv_ring_lg2(const struct riscv *v, uint32_t base)
{
	unsigned lg2 = (unsigned)bits_get(regs_get(&v->regs, base), RISCV_QB_LOG2SZ) + 1;

	return lg2 < RING_LG2_MAX ? lg2 : RING_LG2_MAX;
}

struct ring riscv_ring(const struct riscv *v, uint32_t base, uint32_t words)
{
	return (struct ring){ .base = bits_get(regs_get(&v->regs, base), RISCV_QB_PPN) << 12,
			      .limit = bits_low(v->pas),
			      .entries = UINT32_C(1) << riscv_ring_lg2(v, base),
			      .words = words,
			      .index = RING_ENTRIES };
}
