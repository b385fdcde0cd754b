/* SPDX-License-Identifier: BSD-3-Clause */
/* observe.c - what an IOMMU says of itself to people: fault reasons. */

#include <libvirtiommu/observe.h>

#include "unit.h"

const char *viommu_reason_text(const struct viommu *u, uint32_t reason)
{
	const char *text = u && u->engine->reason_text ? u->engine->reason_text(reason) : NULL;

	return text ? text : "unknown";
}
