/* SPDX-License-Identifier: BSD-3-Clause */
/* test_vtd_exhaustive.c - root-to-PASID structures: legacy and scalable context, PASID entry. See vtd_exhaustive.h. */
#include "vtd_exhaustive.h"

int main(void)
{
	return exhaustive_main("vtd/exhaustive", VT_ROW_LEGACY_CONTEXT, VT_ROW_PASID_QW2);
}
