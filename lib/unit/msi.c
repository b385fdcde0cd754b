/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * msi.c - interrupt messages that no interrupt remapping touches.
 *
 * Where the address of one is translated at all, it is translated as the address of the write that
 * the message is: in a region of message-signalled interrupts, and without translation, it is
 * delivered as it came; elsewhere the mapping decides where the write goes, as guests map the
 * doorbell of an Arm interrupt controller.
 */

#include "bits.h"
#include "msi.h"

/* Messages to local APICs (SDM vol. 3, 11.11.1), and what hypervisors add to them. */
#define MSI_BASE	UINT64_C(0xfee00000)
#define MSI_WINDOW	BITS(39, 20)
#define MSI_DESTINATION BITS(19, 12)
#define MSI_EXTENDED	BITS(11, 5)  /* destination 14:8, if the guest was told that it may */
#define MSI_REMAPPABLE	BIT(4)	     /* VT-d's format bit: never set together with them */
#define MSI_HIGH	BITS(63, 40) /* destination 31:8, as KVM wants it */

/* Destination bits 14:8 to where KVM looks for them. */
static uint64_t swizzle(uint64_t address)
{
	if (address >> 32 || (address & MSI_REMAPPABLE))
		return address;
	return (address & ~MSI_EXTENDED) | bits_get(address, MSI_EXTENDED) << 40;
}

void msi_as_it_is(const struct viommu_vm *vm, uint64_t address, uint32_t data,
		  struct viommu_msi *msi)
{
	*msi = (struct viommu_msi){ .address = address,
				    .data = data,
				    .flags = VIOMMU_MSI_UNREMAPPED,
				    .index = UINT32_MAX };
	if ((address & MSI_WINDOW) != MSI_BASE)
		return;
	if (vm->config.flags & VIOMMU_VM_EXT_DEST_ID)
		msi->address = swizzle(address);
	msi->destination = (uint32_t)(bits_get(msi->address, MSI_DESTINATION) |
				      bits_get(msi->address, MSI_HIGH) << 8);
	msi->vector = (uint8_t)data;
	msi->delivery_mode = data >> 8 & 7;
	msi->logical = address >> 2 & 1;
	msi->level = data >> 15 & 1;
	msi->redirection_hint = address >> 3 & 1;
}

int msi_refuse(uint16_t reason, struct viommu_msi *msi)
{
	*msi = (struct viommu_msi){ .reason = reason, .index = UINT32_MAX };
	return VIOMMU_FAULT;
}

int msi_translate(struct viommu *u, uint32_t source, uint64_t address, uint32_t data,
		  uint32_t flags, struct viommu_msi *msi)
{
	struct context_entry entry = { .domain = NULL };
	struct viommu_device *device;
	struct query q;
	int result;

	if (source > u->engine->last_id)
		return VIOMMU_EINVAL;
	device = address % sizeof(data) ? NULL : device_get(u, source);
	if (!device)
		return msi_refuse(0, msi);
	q = (struct query){ .device = device,
			    .iova = address,
			    .pasid = VIOMMU_NO_PASID,
			    .access = VIOMMU_WRITE,
			    .type = VIOMMU_AT_UNTRANSLATED,
			    .quiet = flags & VIOMMU_MSI_RESOLVE,
			    .entry = &entry };
	result = unit_translate(u, &q);
	if (result == VIOMMU_FAULT && !q.quiet)
		probe_fault(&q);
	if (result == VIOMMU_INTERRUPT && u->engine->store_message) {
		result = u->engine->store_message(u, &q, data, q.quiet, msi);
		device_put(device);
		return result;
	}
	device_put(device);
	if (result == VIOMMU_OK)
		address = q.found.gpa + (address - q.found.iova);
	else if (result != VIOMMU_INTERRUPT)
		return msi_refuse(q.reason, msi);
	msi_as_it_is(u->vm, address, data, msi);
	return VIOMMU_OK;
}
