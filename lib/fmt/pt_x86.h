/* SPDX-License-Identifier: BSD-3-Clause */
/* pt_x86.h - x86-64 tables as VT-d first-stage tables (3.6, 9.7) and AMD-Vi guest tables (2.2.6): 4 or 5 levels of 512
 * entries. */
#ifndef PT_X86_H
#define PT_X86_H

#include "pt_visit.h"

/* struct pt_config.flags */
#define PT_X86_1G      BIT(0) /* 1 GiB pages */
#define PT_X86_WPE     BIT(1) /* supervisor writes respect read-only entries */
#define PT_X86_NXE     BIT(2) /* XD disables execution; otherwise it is reserved */
#define PT_X86_SMEP    BIT(3) /* supervisors do not execute user pages */
#define PT_X86_XD_IGN  BIT(5) /* XD is ignored, whatever NXE says */
#define PT_X86_EAFE    BIT(4) /* extended-accessed is recorded along with accessed */
#define PT_X86_STILL_A BIT(6) /* accessed is not recorded */
#define PT_X86_STILL_D BIT(7) /* dirty is not */

/* Translates w->iova, of which only the low in_bits are used: canonical form is the caller's
 * business. */
enum pt_end pt_x86_walk(struct pt_walk *w);
enum pt_end pt_x86_peek(struct pt_walk *w);
enum pt_end pt_x86_observe(struct pt_walk *w);
enum pt_visit_end pt_x86_visit(struct pt_visit *v);

/* The same, with every table and every result translated through the VT-d second stage w->nested.
 */
enum pt_end pt_x86_walk_on_vtd_ss(struct pt_walk *w);
enum pt_end pt_x86_peek_on_vtd_ss(struct pt_walk *w);
enum pt_end pt_x86_observe_on_vtd_ss(struct pt_walk *w);
/* Pages are those of the first stage: the caller sends each through the second. */
enum pt_visit_end pt_x86_visit_on_vtd_ss(struct pt_visit *v);

/* The same on AMD-Vi host tables. */
enum pt_end pt_x86_walk_on_amd_v1(struct pt_walk *w);
enum pt_end pt_x86_peek_on_amd_v1(struct pt_walk *w);
enum pt_end pt_x86_observe_on_amd_v1(struct pt_walk *w);
enum pt_visit_end pt_x86_visit_on_amd_v1(struct pt_visit *v);

#endif
