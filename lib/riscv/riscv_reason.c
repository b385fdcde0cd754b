/* SPDX-License-Identifier: BSD-3-Clause */
/* riscv_reason.c - causes in words (3.2). */

#include "riscv_engine.h"

static const char *const texts[] = {
	[0] = "blocked, with nothing to record: the device has no id",
	[RISCV_FAULT_ACCESS_EXEC] =
		"a page table could not be read, or the page is none to execute (fetch)",
	[RISCV_FAULT_MISALIGNED_READ] = "misaligned read of a memory-resident interrupt file",
	[RISCV_FAULT_ACCESS_READ] = "a page table could not be read (read)",
	[RISCV_FAULT_MISALIGNED_WRITE] = "misaligned write to a memory-resident interrupt file",
	[RISCV_FAULT_ACCESS_WRITE] = "a page table could not be read (write)",
	[RISCV_FAULT_PAGE_EXEC] = "first stage: page fault (fetch)",
	[RISCV_FAULT_PAGE_READ] = "first stage: page fault (read)",
	[RISCV_FAULT_PAGE_WRITE] = "first stage: page fault (write)",
	[RISCV_FAULT_GUEST_EXEC] = "second stage: guest page fault (fetch)",
	[RISCV_FAULT_GUEST_READ] = "second stage: guest page fault (read)",
	[RISCV_FAULT_GUEST_WRITE] = "second stage: guest page fault (write)",
	[RISCV_FAULT_OFF] = "ddtp: Off, all inbound transactions are disallowed",
	[RISCV_FAULT_DDT_ACCESS] = "device directory could not be read",
	[RISCV_FAULT_DDT_INVALID] = "device directory entry not valid",
	[RISCV_FAULT_DDT_CONFIG] = "device directory entry misconfigured",
	[RISCV_FAULT_TYPE] = "transaction type disallowed",
	[RISCV_FAULT_MSI_ACCESS] = "MSI page table could not be read",
	[RISCV_FAULT_MSI_INVALID] = "MSI page table entry not valid",
	[RISCV_FAULT_MSI_CONFIG] = "MSI page table entry misconfigured",
	[RISCV_FAULT_MRIF] = "memory-resident interrupt file could not be accessed",
	[RISCV_FAULT_PDT_ACCESS] = "process directory could not be read",
	[RISCV_FAULT_PDT_INVALID] = "process directory entry not valid",
	[RISCV_FAULT_PDT_CONFIG] = "process directory entry misconfigured",
	[RISCV_FAULT_DDT_POISON] = "device directory: data corruption",
	[RISCV_FAULT_PDT_POISON] = "process directory: data corruption",
	[RISCV_FAULT_MSI_POISON] = "MSI page table: data corruption",
	[RISCV_FAULT_MRIF_POISON] = "memory-resident interrupt file: data corruption",
	[RISCV_FAULT_INTERNAL] = "internal data path error",
	[RISCV_FAULT_OWN_MSI] = "the IOMMU's own message could not be written",
	[RISCV_FAULT_PT_POISON] = "page table: data corruption",
};

const char *riscv_reason_text(uint32_t reason)
{
	return reason < ARRAY_COUNT(texts) ? texts[bits_clamp_index(reason, ARRAY_COUNT(texts))]
					   : NULL;
}
