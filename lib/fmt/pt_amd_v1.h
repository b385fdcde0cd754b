/* SPDX-License-Identifier: BSD-3-Clause */
/* pt_amd_v1.h - AMD-Vi host tables (2.2.3): 1 to 6 levels of 512 entries, with levels passed over and page sizes in
 * the address. */
#ifndef PT_AMD_V1_H
#define PT_AMD_V1_H

#include "pt_visit.h"

/* struct pt_config.flags */
#define PT_AMD_A BIT(0) /* accessed is recorded */
#define PT_AMD_D BIT(1) /* dirty is */

/* Translates w->iova; it must fit w->config. */
enum pt_end pt_amd_v1_walk(struct pt_walk *w);

/* The same without a trace: neither accessed nor dirty is recorded. */
enum pt_end pt_amd_v1_peek(struct pt_walk *w);

/* The same, reporting every entry to w->observer. */
enum pt_end pt_amd_v1_observe(struct pt_walk *w);

enum pt_visit_end pt_amd_v1_visit(struct pt_visit *v);

#endif
