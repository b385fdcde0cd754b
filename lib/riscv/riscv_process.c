/* SPDX-License-Identifier: BSD-3-Clause */
/* riscv_process.c - process contexts, whose directory the second stage translates (2.2, 2.3.2). */

#include "pt_riscv.h"
#include "pt_structure.h"
#include "riscv_engine.h"

/* A structure of the directory; its table is at an address of the guest's, if there is a second stage. */
static int fetch(struct query *q, struct pt_structure *s, uint64_t table, uint64_t offset,
		 uint64_t *raw, unsigned words)
{
	enum pt_end end = pt_structure_load(s, table + offset, raw, words);

	if (end == PT_OK)
		return VIOMMU_OK;
	/* What the second stage could not read is no page fault. */
	if (end == PT_STAGE2_TABLE && s->end != PT_LOAD_FAILED && s->end != PT_TOUCH_FAILED)
		return riscv_refuse(q, riscv_cause(q, RISCV_FAULT_GUEST_READ),
				    table | RISCV_IOTVAL2_IMPLICIT);
	return riscv_refuse(q, RISCV_FAULT_PDT_ACCESS, 0);
}

static bool misconfigured(const struct riscv *v, const uint64_t *dc, const uint64_t pc[2])
{
	return (pc[0] & RISCV_PC_RSVD) || (pc[1] & RISCV_ATP_GSCID) ||
	       !riscv_first_mode(v, pc[1], dc[RISCV_DC_TC] & RISCV_TC_SXL);
}

int riscv_find_process(struct riscv *v, struct query *q, const uint64_t *dc,
		       const struct pt_config *stage2, uint32_t process, uint64_t pc[2])
{
	static const uint8_t shift[] = { 0, 8, 17 };
	static const uint16_t entries[] = { 256, 512, 8 };
	struct pt_structure s = {
		.walk = { .vm = v->unit.vm, .config = stage2, .observer = q->observer },
		.stage = !stage2->page_lg2 ? NULL
			 : q->observer	   ? pt_riscv_observe
			 : q->quiet	   ? pt_riscv_peek
					   : pt_riscv_walk,
		.what = "process directory entry",
		.big_endian = dc[RISCV_DC_TC] & RISCV_TC_SBE
	};
	uint64_t table = bits_get(dc[RISCV_DC_FSC], RISCV_ATP_PPN) << 12;
	unsigned level = (unsigned)bits_get(dc[RISCV_DC_FSC], RISCV_ATP_MODE) - RISCV_PDTP_PD8;
	uint64_t entry;
	int result;

	riscv_count(v, q, NULL, RISCV_EVENT_PDT_WALK);
	for (; level > 0; level--) { /* at most two */
		uint64_t index = process >> shift[level & 3] & (entries[level & 3] - 1U);

		result = fetch(q, &s, table, index * 8, &entry, 1);
		if (result)
			return result;
		if (!(entry & RISCV_DIR_V))
			return riscv_refuse(q, RISCV_FAULT_PDT_INVALID, 0);
		if (entry & RISCV_DIR_RSVD)
			return riscv_refuse(q, RISCV_FAULT_PDT_CONFIG, 0);
		table = bits_get(entry, RISCV_DIR_PPN) << 12;
	}
	s.what = "process context";
	result = fetch(q, &s, table, (process & 0xff) * 16, pc, 2);
	if (result)
		return result;
	if (!(pc[0] & RISCV_PC_V))
		return riscv_refuse(q, RISCV_FAULT_PDT_INVALID, 0);
	return misconfigured(v, dc, pc) ? riscv_refuse(q, RISCV_FAULT_PDT_CONFIG, 0) : VIOMMU_OK;
}
