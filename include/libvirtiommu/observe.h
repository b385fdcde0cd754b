/* SPDX-License-Identifier: BSD-3-Clause */
/** @file observe.h - what goes on in an IOMMU, for people and tools: texts of fault reasons. */
#ifndef LIBVIRTIOMMU_OBSERVE_H
#define LIBVIRTIOMMU_OBSERVE_H

#include <libvirtiommu/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * What a fault reason means, for a person to read: one line without a full stop.
 *
 * Any thread, any time.
 * @param iommu   the IOMMU that gave the reason
 * @param reason  viommu_answer.reason, viommu_msi.reason, viommu_step.reason; of an ITS also the code that
 * its error callback was given
 * @return a constant string, never NULL; "unknown" if the engine has no such reason, and for NULL
 */
VIOMMU_API const char *viommu_reason_text(const struct viommu *iommu, uint32_t reason);

#ifdef __cplusplus
}
#endif

#endif
