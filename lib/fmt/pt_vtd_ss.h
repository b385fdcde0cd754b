/* SPDX-License-Identifier: BSD-3-Clause */
/* pt_vtd_ss.h - VT-d second-stage tables (3.7, 9.8): 3, 4 or 5 levels of 512 entries. */
#ifndef PT_VTD_SS_H
#define PT_VTD_SS_H

#include "pt_visit.h"

/* struct pt_config.flags */
#define PT_SS_2M  BIT(0) /* CAP.SSLPS bit 0 */
#define PT_SS_1G  BIT(1) /* CAP.SSLPS bit 1 */
#define PT_SS_SNP BIT(2) /* ECAP.SC: bit 11 of a page's entry is not reserved */
#define PT_SS_TM  BIT(4) /* ECAP.DT: bit 62 of a page's entry is not reserved */
#define PT_SS_AD  BIT(3) /* accessed and dirty are kept (PASID entry SSADE) */

/* Translates w->iova; it must fit w->config. */
enum pt_end pt_vtd_ss_walk(struct pt_walk *w);

/* The same without a trace: neither accessed nor dirty is recorded. */
enum pt_end pt_vtd_ss_peek(struct pt_walk *w);

/* The same, reporting every entry to w->observer. */
enum pt_end pt_vtd_ss_observe(struct pt_walk *w);

enum pt_visit_end pt_vtd_ss_visit(struct pt_visit *v);

#endif
