/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pt_arm64.h - VMSAv8-64 tables (Arm DDI 0487, D8) as an SMMU walks them (IHI 0070, 3.4, 3.13, 5.2, 5.4): granules of 4,
 * 16 and 64 KiB, stage 1, stage 2, and stage 1 on stage 2.
 *
 * How a walk ends, and what that is to an SMMU:
 *
 *	PT_NOT_PRESENT, PT_TOO_WIDE	F_TRANSLATION
 *	PT_BAD_ENTRY			F_ADDR_SIZE: of the next table, or of the page
 *	PT_NOT_ACCESSED			F_ACCESS
 *	PT_DENIED			F_PERMISSION
 *	PT_LOAD_FAILED, PT_TOUCH_FAILED	F_WALK_EABT
 *	PT_STAGE2_TABLE			what w->stage2 says, of stage 2, CLASS TT; w->entry is the IPA
 *	PT_STAGE2_TOUCH			the same; stage 1 wanted to write it (TTRnW 0)
 *	PT_STAGE2_RESULT		what w->stage2 says, of stage 2, CLASS IN; the IPA is w->found.gpa | the low
 *					w->found.size_lg2 bits of w->iova
 *
 * w->level is the manual's level 3 - n. w->at is the address of the descriptor that was read last: of PT_STAGE2_* it is one
 * of stage 2, for the FetchAddr of an F_WALK_EABT.
 */
#ifndef PT_ARM64_H
#define PT_ARM64_H

#include "pt_visit.h"

/* struct pt_config.flags, either stage */
#define PT_ARM_HA   BIT(0) /* the access flag is set where it is not */
#define PT_ARM_HD   BIT(1) /* pages that are writable and clean are made dirty; with PT_ARM_HA only */
#define PT_ARM_HAFT BIT(2) /* tables have an access flag; with PT_ARM_HA only */
#define PT_ARM_AFFD BIT(3) /* access flags are not looked at; without PT_ARM_HA only */
#define PT_ARM_DS                                                                                  \
	BIT(4) /* 4 and 16 KiB: addresses of 52 bits in descriptors, 512 GiB or 64 GiB blocks */
#define PT_ARM_LPA BIT(5) /* 64 KiB: the same, 4 TiB blocks (the SMMU has OAS 52) */
#define PT_ARM_BE  BIT(6) /* descriptors are big-endian */
/* stage 1 */
#define PT_ARM_EL2  BIT(7)  /* one privilege only: AP[1] is 1, XN is bit 54 (StreamWorld EL2) */
#define PT_ARM_HPD  BIT(8)  /* tables have no part in permissions (CD.HADx) */
#define PT_ARM_WXN  BIT(9)  /* what is writable is not executed */
#define PT_ARM_PAN  BIT(10) /* privileged data accesses keep out of what is the users' */
#define PT_ARM_EPAN BIT(11) /* and of what users may execute; with PT_ARM_PAN only */
#define PT_ARM_E0PD BIT(12) /* of this half nothing is mapped for users: PT_NOT_PRESENT */
/* stage 2 */
#define PT_ARM_XNX BIT(7) /* XN[1:0]; otherwise XN[1] alone */
#define PT_ARM_FWB BIT(8) /* how a MemAttr says Device */
#define PT_ARM_PTW BIT(9) /* tables of stage 1, and structures, in Device memory are denied */

/*
 * The tables of one half of stage 1, or of its only one. @page_lg2: 12, 14 or 16; @in_bits: 64 - TxSZ, within what 5.4 allows;
 * @out_bits: the smaller of IPS and OAS, here cut to what the descriptors can have. The caller has checked @ttb against it.
 */
struct pt_config pt_arm64_stage1(uint64_t ttb, unsigned page_lg2, unsigned in_bits,
				 unsigned out_bits, unsigned flags);

/* What the addresses of such a table, of either stage, are limited to: @out_bits, or less. */
static inline unsigned pt_arm64_out_bits(unsigned page_lg2, unsigned out_bits, unsigned flags)
{
	bool wide = page_lg2 == 16 ? flags & PT_ARM_LPA : flags & PT_ARM_DS;

	return wide || out_bits < 48 ? out_bits : 48;
}

/* The same of stage 2. @start: STE.S2SL0 | STE.S2SL0_2 << 2. False: that is no level of this granule (level 3 and -1 are
 * the caller's to allow: S2TG, STT, DS), or does not go with the size (at most 16 tables beside one another). */
bool pt_arm64_stage2(struct pt_config *config, uint64_t ttb, unsigned page_lg2, unsigned in_bits,
		     unsigned out_bits, unsigned start, unsigned flags);

/*
 * Stage 1. w->iova has to be within w->config, as domain_fits() says; page_lg2 0 (EPDx) is PT_NOT_PRESENT. w->deny has to
 * be 0: what users may do decides what others may. Users are requests without VIOMMU_PRIV. Execution needs no permission to read.
 */
enum pt_end pt_arm64_s1_walk(struct pt_walk *w);
enum pt_end pt_arm64_s1_peek(struct pt_walk *w);
enum pt_end pt_arm64_s1_observe(struct pt_walk *w);
enum pt_visit_end pt_arm64_s1_visit(struct pt_visit *v);

/* Stage 2, of accesses of devices. w->iova must fit w->config. */
enum pt_end pt_arm64_s2_walk(struct pt_walk *w);
enum pt_end pt_arm64_s2_peek(struct pt_walk *w);
enum pt_end pt_arm64_s2_observe(struct pt_walk *w);
enum pt_visit_end pt_arm64_s2_visit(struct pt_visit *v);

/* Stage 2, of reading context descriptors (pt_structure.h): PT_ARM_PTW counts. */
enum pt_end pt_arm64_s2_walk_for_table(struct pt_walk *w);
enum pt_end pt_arm64_s2_peek_for_table(struct pt_walk *w);
enum pt_end pt_arm64_s2_observe_for_table(struct pt_walk *w);

/* Stage 2 for stage 1, as far as it is usual, in tables that are near: of a table, PT_ARM_PTW counts; of what stage 1
 * gave, it does not. */
bool pt_arm64_s2_hurry(const struct pt_config *c, const struct pt_near *near, uint64_t ipa,
		       unsigned need, bool table, struct translation *found);

/* Stage 1, with every table and every result translated through the stage 2 w->nested. */
enum pt_end pt_arm64_s1_walk_on_s2(struct pt_walk *w);
enum pt_end pt_arm64_s1_peek_on_s2(struct pt_walk *w);
enum pt_end pt_arm64_s1_observe_on_s2(struct pt_walk *w);
/* Pages are those of stage 1: the caller sends each through stage 2. */
enum pt_visit_end pt_arm64_s1_visit_on_s2(struct pt_visit *v);

#endif
