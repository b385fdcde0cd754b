/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pt_riscv.h - RISC-V page tables as the IOMMU uses them (Privileged specification, "Supervisor-Level ISA" and
 * "Hypervisor"): Sv32, Sv39, Sv48, Sv57 as first stage, Sv32x4 to Sv57x4 as second, and one on the other.
 */
#ifndef PT_RISCV_H
#define PT_RISCV_H

#include "pt_visit.h"

/* struct pt_config.flags. out_bits is the physical address width: what lies beyond cannot be read. */
#define PT_RISCV_STAGE2 BIT(0) /* pages are judged as users' */
#define PT_RISCV_AD                                                                                \
	BIT(1) /* accessed and dirty are recorded (SADE, GADE); otherwise they have to be set */
#define PT_RISCV_SUM   BIT(2) /* supervisors may read and write user pages */
#define PT_RISCV_BE    BIT(3) /* tables are big-endian (SBE, fctl.BE) */
#define PT_RISCV_PBMT  BIT(4) /* Svpbmt */
#define PT_RISCV_RSW60 BIT(5) /* Svrsw60t59b: bits 60:59 are software's */

/* Memory type of a page's entry. */
#define PT_RISCV_PBMT_FIELD BITS(62, 61)

/*
 * Translates w->iova through the tables of w->config, of whichever stage. The caller has checked that it is one that
 * they can have; its upper bits are not looked at. peek: without a trace; observe: reporting every entry.
 */
enum pt_end pt_riscv_walk(struct pt_walk *w);
enum pt_end pt_riscv_peek(struct pt_walk *w);
enum pt_end pt_riscv_observe(struct pt_walk *w);
enum pt_visit_end pt_riscv_visit(struct pt_visit *v);

/* The first stage alone, whose tables are found through the second stage w->nested: w->found.gpa is an address of
 * the guest's, which the caller sends through that stage, too. PT_STAGE2_TABLE, PT_STAGE2_TOUCH: it refused. */
enum pt_end pt_riscv_walk_above(struct pt_walk *w);
enum pt_end pt_riscv_peek_above(struct pt_walk *w);
enum pt_end pt_riscv_observe_above(struct pt_walk *w);
enum pt_visit_end pt_riscv_visit_above(struct pt_visit *v);

#endif
