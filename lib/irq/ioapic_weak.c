/* SPDX-License-Identifier: BSD-3-Clause */
/* ioapic_weak.c - until the I/O APIC is there: no pin has a message. */
#include <libvirtiommu/ioapic.h>

__attribute__((weak)) int viommu_ioapic_get_message(struct viommu_ioapic *ioapic, uint32_t pin,
						    struct viommu_ioapic_message *message)
{
	(void)ioapic;
	(void)pin;
	(void)message;
	return VIOMMU_EINVAL;
}
