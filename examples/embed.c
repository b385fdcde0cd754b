/* SPDX-License-Identifier: BSD-3-Clause */
/* embed.c - the least a hypervisor writes: guest memory, a VT-d unit, one device, one DMA. */
#include <libvirtiommu/vm.h>
#include <libvirtiommu/vtd.h>

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static atomic_int due;

static void inject_msi(void *opaque, uint64_t address, uint32_t data)
{
	printf("%s: interrupt %llx %x\n", (char *)opaque, (unsigned long long)address, data);
}

/* Something that was pending can go on. From any thread: a hypervisor wakes the one that has the registers. */
static void work(void *opaque)
{
	(void)opaque;
	atomic_store(&due, 1);
}

int main(void)
{
	struct viommu_vm_config vm_config = { .size = sizeof(vm_config) };
	struct viommu_region ram = { .size = sizeof(ram), .bytes = 1 << 20 };
	struct viommu_host host = {
		.size = sizeof(host), .opaque = "vtd", .msi = inject_msi, .work = work
	};
	struct viommu_vtd_config vtd_config = { .size = sizeof(vtd_config), .host = &host };
	struct viommu_device_config nic_config = { .size = sizeof(nic_config), .id = 0x0010 };
	struct viommu_request dma = {
		.first = 0x2000, .last = 0x2fff, .pasid = VIOMMU_NO_PASID, .access = VIOMMU_WRITE
	};
	struct viommu_fragment fragment[4];
	struct viommu_answer answer;
	struct viommu_vm *vm;
	struct viommu *vtd;
	struct viommu_device *nic;
	struct viommu_channel *queue;
	uint64_t status;

	ram.host = aligned_alloc(4096, ram.bytes);
	if (!ram.host || viommu_vm_new(&vm_config, &vm) || viommu_vm_add_region(vm, &ram) ||
	    viommu_vtd_new(vm, &vtd_config, &vtd) || viommu_device_new(vtd, &nic_config, &nic) ||
	    viommu_channel_new(nic, VIOMMU_NO_PASID, &queue))
		return 1;

	viommu_reg_read(vtd, 0x1c, 4, &status); /* what the guest does to the registers */

	viommu_enter(queue); /* what a device thread does for each burst */
	if (viommu_translate(queue, &dma, fragment, 4, &answer) == VIOMMU_OK) {
		for (uint32_t i = 0; i < answer.count; i++) {
			if (fragment[i].host) /* else there is no memory of ours: perhaps MMIO */
				memset(fragment[i].host, 0xff, fragment[i].length);
		}
	}
	viommu_leave(queue);

	if (atomic_exchange(&due, 0)) /* what the thread does that has the registers */
		viommu_run(vtd);

	printf("GSTS %llx, %u fragment(s)\n", (unsigned long long)status, answer.count);
	viommu_channel_free(queue);
	viommu_device_free(nic);
	viommu_free(vtd);
	viommu_vm_free(vm);
	free(ram.host);
	return 0;
}
