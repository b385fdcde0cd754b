/* SPDX-License-Identifier: BSD-3-Clause */
/* riscv_debug.c - translations that software asks for by register (5, 6.24, 6.25). */

#include <string.h>

#include "pt_riscv.h"
#include "riscv_engine.h"

/* Memory types of the pages' entries: the last that were seen of each stage. */
struct types {
	uint64_t first;
	uint64_t second;
};

static void saw(void *opaque, const char *stage, unsigned level, uint64_t gpa, const uint64_t *raw,
		unsigned words)
{
	struct types *t = opaque;

	(void)level;
	(void)gpa;
	if (words && strcmp(stage, "first stage") == 0)
		t->first = bits_get(raw[0], PT_RISCV_PBMT_FIELD);
	else if (words && strcmp(stage, "second stage") == 0)
		t->second = bits_get(raw[0], PT_RISCV_PBMT_FIELD);
	else
		t->second = 0; /* a virtual interrupt file has none */
}

static uint64_t response(const struct riscv *v, const struct query *q, const struct types *types)
{
	struct translation block = q->found;
	uint64_t ppn;

	if (q->entry->context.key.kind == RISCV_PASS)
		translation_shrink(&block, q->iova, 12);
	ppn = block.gpa >> 12;
	if (block.size_lg2 > 12)
		ppn |= bits_low(block.size_lg2 - 13U);
	return bits_put(RISCV_RESPONSE_PPN, ppn) | (block.size_lg2 > 12 ? RISCV_RESPONSE_S : 0) |
	       (v->cap & RISCV_CAP_SVPBMT
			? bits_put(RISCV_RESPONSE_PBMT, types->first ? types->first : types->second)
			: 0);
}

/* The device need not be one that the VMM has made: nothing is kept of what is asked for it, and nobody goes on using it. */
static int ask(struct riscv *v, struct query *q, bool quiet)
{
	int result;

	q->quiet = true;
	result = unit_parse(&v->unit, q, &q->entry->context);
	q->quiet = quiet;
	if (result)
		return riscv_fault(v, q, q->reason, q->found.gpa);
	return riscv_translate_in(v, q);
}

void riscv_debug(struct riscv *v)
{
	uint64_t ctl = regs_get(&v->regs, RISCV_TR_REQ_CTL);
	unsigned access = ctl & RISCV_TR_EXE  ? VIOMMU_EXEC
			  : ctl & RISCV_TR_NW ? VIOMMU_READ
					      : VIOMMU_READ | VIOMMU_WRITE;
	struct viommu_device ghost = { .iommu = &v->unit };
	struct context_entry entry = { .domain = NULL, .whole = true };
	struct types types = { 0, 0 };
	const struct pt_observer observer = { .saw = saw, .opaque = &types };
	struct query q = { .device = &ghost,
			   .iova = regs_get(&v->regs, RISCV_TR_REQ_IOVA) & RISCV_TR_VPN,
			   .pasid = ctl & RISCV_TR_PV ? (uint32_t)bits_get(ctl, RISCV_TR_PID)
						      : VIOMMU_NO_PASID,
			   .access = (uint16_t)(access | (ctl & RISCV_TR_PRIV ? VIOMMU_PRIV : 0)),
			   .entry = &entry };
	int result;

	atomic_init(&ghost.id, (uint32_t)bits_get(ctl, RISCV_TR_DID));
	q.id = (uint32_t)bits_get(ctl, RISCV_TR_DID);
	riscv_count(v, &q, NULL, RISCV_EVENT_UNTRANSLATED);
	result = ask(v, &q, false);
	if (result == VIOMMU_INTERRUPT) /* 5: a memory-resident interrupt file */
		result = riscv_fault(v, &q, RISCV_FAULT_TYPE, 0);
	if (result == VIOMMU_OK) {
		q.observer = &observer;
		result = ask(v, &q, true);
	}
	regs_put(&v->regs, RISCV_TR_RESPONSE,
		 result == VIOMMU_OK ? response(v, &q, &types) : RISCV_RESPONSE_FAULT);
	regs_clear_bits(&v->regs, RISCV_TR_REQ_CTL, RISCV_TR_GO);
}
