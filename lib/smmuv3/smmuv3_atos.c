/* SPDX-License-Identifier: BSD-3-Clause */
/* smmuv3_atos.c - address translation for software (9): GATOS_CTRL, SID, ADDR and PAR. */

#include "smmuv3_engine.h"

void smmu_atos_run(struct smmu *s)
{
	regs_put(&s->regs, SMMU_GATOS_PAR, PAR_FAULT | bits_put(PAR_FAULTCODE, ATOS_INTERNAL));
	regs_put(&s->regs, SMMU_GATOS_CTRL, 0);
}
