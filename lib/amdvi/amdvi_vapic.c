/* SPDX-License-Identifier: BSD-3-Clause */
/* amdvi_vapic.c - interrupts for a guest of the guest: the virtual APIC page, and the log (2.2.5.3, 2.7). */

#include "amdvi_engine.h"
#include "mem.h"

/* The guest's hypervisor can write there all the time. */
#define SWAP_TRIES 64U

/* Sets a bit of IRR. *rose: it was not set. */
static bool set_pending(struct amdvi *v, uint64_t page, unsigned vector, bool *rose)
{
	uint64_t gpa = page + AMD_VAPIC_IRR + vector / 32 * 16;
	uint32_t bit = UINT32_C(1) << (vector % 32);
	uint64_t word;

	*rose = false;
	if (!mem_load32(v->unit.vm, NULL, gpa, &word))
		return false;
	for (unsigned i = 0; i < SWAP_TRIES; i++) {
		enum mem_swap swap;

		if (word & bit)
			return true;
		swap = mem_swap32(v->unit.vm, gpa, &word, (uint32_t)word | bit);
		if (swap == MEM_SWAPPED)
			*rose = true;
		if (swap != MEM_CHANGED)
			return swap == MEM_SWAPPED;
	}
	return false;
}

bool amdvi_vapic_deliver(struct amdvi *v, uint32_t source, const uint64_t entry[2], bool *notify)
{
	const uint64_t word = bits_put(AMD_GA_TAG, entry[0] >> 32) |
			      bits_put(AMD_GA_DEVICE, source) |
			      bits_put(AMD_GA_CODE, AMD_GA_CODE_GUEST);
	bool rose;

	*notify = false;
	if (!set_pending(v, entry[1] & AMD_IRTE_GA_ROOT,
			 (unsigned)bits_get(entry[1], AMD_IRTE_VECTOR), &rose))
		return false;
	if (entry[0] & AMD_IRTE_IS_RUN) { /* the doorbell of the processor that runs it */
		*notify = true;
		return true;
	}
	if (!rose)
		return true;
	if ((amdvi_control(v) & AMD_CTRL_GAPPI_EN) && !(entry[0] & AMD_IRTE_GAPPI_DIS))
		*notify = true;
	else if (entry[0] & AMD_IRTE_GA_LOG_INTR)
		amdvi_log_put(v, AMDVI_LOG_GA, &word);
	return true;
}
