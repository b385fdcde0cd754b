/* SPDX-License-Identifier: BSD-3-Clause */
/* riscv_second.c - from an address of the guest's to memory: virtual interrupt files, then the second stage (2.3, steps 18
 * and 19). */

#include "pt_riscv.h"
#include "riscv_engine.h"

static enum riscv_end refuse(struct riscv_second *s, unsigned cause, uint64_t iotval2)
{
	s->cause = cause;
	s->iotval2 = iotval2;
	return RISCV_REFUSED;
}

static enum pt_end walk(const struct riscv_second *s, struct pt_walk *w)
{
	if (s->query->observer)
		return pt_riscv_observe(w);
	return s->quiet ? pt_riscv_peek(w) : pt_riscv_walk(w);
}

static enum riscv_end through_tables(struct riscv *v, struct riscv_second *s)
{
	const struct query *q = s->query;
	struct table_place start;
	enum pt_end end = PT_TOO_WIDE;

	s->walk = (struct pt_walk){ .vm = v->unit.vm,
				    .config = &s->context->key.stage2,
				    .iova = s->gpa,
				    .need = s->need,
				    .dirty = s->dirty,
				    .place = s->place,
				    .observer = q->observer };
	if (s->context->key.kind == RISCV_SECOND && !s->quiet &&
	    unit_table_find(&v->unit, q, s->walk.config, &start))
		s->walk.start = &start;
	if (pt_fits(s->walk.config, s->gpa))
		end = walk(s, &s->walk);
	if (end != PT_OK && s->walk.start) { /* upper levels may be others by now */
		s->walk.start = NULL;
		end = walk(s, &s->walk);
	}
	if (end == PT_LOAD_FAILED || end == PT_TOUCH_FAILED)
		return refuse(s, riscv_cause(q, RISCV_FAULT_ACCESS_READ), 0);
	if (end != PT_OK)
		return refuse(s, riscv_cause(q, RISCV_FAULT_GUEST_READ),
			      s->gpa & ~(RISCV_IOTVAL2_IMPLICIT | RISCV_IOTVAL2_WRITE));
	s->found = s->walk.found;
	return RISCV_THERE;
}

enum riscv_end riscv_second(struct riscv *v, struct riscv_second *s)
{
	enum riscv_end end;

	if ((s->context->key.flags & RISCV_KEY_MSI) && riscv_is_file(s->context, s->gpa))
		return riscv_msi_page(v, s);
	riscv_count(v, s->query, s->context, RISCV_EVENT_SECOND_WALK);
	end = through_tables(v, s);
	if (end == RISCV_THERE && (s->context->key.flags & RISCV_KEY_MSI))
		riscv_avoid_files(s->context, &s->found, s->gpa, s->gpa);
	return end;
}
