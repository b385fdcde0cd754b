/* SPDX-License-Identifier: BSD-3-Clause */
/* test_vtd_exhaustive_paging.c - first- and second-stage entries, alone and nested. See vtd_exhaustive.h. */
#include "vtd_exhaustive.h"

int main(void)
{
	return exhaustive_main("vtd/exhaustive_paging", VT_ROW_SS_LEGACY, VT_ROW_FS_NESTED);
}
