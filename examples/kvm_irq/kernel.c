/* SPDX-License-Identifier: BSD-3-Clause */
/* kernel.c - a KVM virtual machine: creation, the table of GSI routes, eventfds, messages. */
#include "kernel.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

bool kernel_failed(struct kernel *k, const char *what)
{
	snprintf(k->why, sizeof(k->why), "%s: %s", what, strerror(errno));
	return false;
}

static int extension(const struct kernel *k, unsigned long capability)
{
	int value = ioctl(k->vm, KVM_CHECK_EXTENSION, capability);

	return value < 0 ? 0 : value;
}

/* What interrupts of a VMM with interrupt remapping cannot do without. */
static bool check_extensions(struct kernel *k)
{
	static const struct {
		unsigned long capability;
		int least;
		const char *name;
	} wanted[] = {
		{ KVM_CAP_SPLIT_IRQCHIP, 1, "KVM_CAP_SPLIT_IRQCHIP" },
		{ KVM_CAP_X2APIC_API, 3, "KVM_CAP_X2APIC_API" },
		{ KVM_CAP_IRQ_ROUTING, KERNEL_ROUTES, "KVM_CAP_IRQ_ROUTING with 4096 routes" },
		{ KVM_CAP_IRQFD, 1, "KVM_CAP_IRQFD" },
		{ KVM_CAP_SIGNAL_MSI, 1, "KVM_CAP_SIGNAL_MSI" },
		{ KVM_CAP_EXT_CPUID, 1, "KVM_CAP_EXT_CPUID" },
	};
	int ids = extension(k, KVM_CAP_MAX_VCPU_ID);

	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		if (extension(k, wanted[i].capability) < wanted[i].least) {
			snprintf(k->why, sizeof(k->why), "/dev/kvm has no %s", wanted[i].name);
			return false;
		}
	}
	k->max_id = ids > 0 ? (uint32_t)ids - 1 : 255;
	return true;
}

static bool enable(struct kernel *k, uint32_t capability, uint64_t argument, const char *name)
{
	struct kvm_enable_cap cap = { .cap = capability, .args = { argument } };

	return ioctl(k->vm, KVM_ENABLE_CAP, &cap) == 0 || kernel_failed(k, name);
}

bool kernel_open(struct kernel *k)
{
	*k = (struct kernel){ .device = -1, .vm = -1 };
	k->table = calloc(1, sizeof(*k->table) + KERNEL_ROUTES * sizeof(k->table->entries[0]));
	if (!k->table)
		return kernel_failed(k, "table of routes");
	k->device = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (k->device < 0)
		return kernel_failed(k, "/dev/kvm");
	if (ioctl(k->device, KVM_GET_API_VERSION, 0) != KVM_API_VERSION) {
		errno = EPROTO;
		return kernel_failed(k, "/dev/kvm: version of the API");
	}
	k->vm = ioctl(k->device, KVM_CREATE_VM, 0);
	if (k->vm < 0)
		return kernel_failed(k, "KVM_CREATE_VM");
	/* Without 32-bit ids, destinations above 255 are cut; with the quirk, 0xff is everyone. */
	return check_extensions(k) &&
	       enable(k, KVM_CAP_SPLIT_IRQCHIP, KERNEL_PINS, "KVM_CAP_SPLIT_IRQCHIP") &&
	       enable(k, KVM_CAP_X2APIC_API,
		      KVM_X2APIC_API_USE_32BIT_IDS | KVM_X2APIC_API_DISABLE_BROADCAST_QUIRK,
		      "KVM_CAP_X2APIC_API");
}

void kernel_close(struct kernel *k)
{
	for (unsigned i = 0; i < k->vcpus; i++)
		close(k->vcpu[i].fd);
	if (k->vm >= 0)
		close(k->vm);
	if (k->device >= 0)
		close(k->device);
	free(k->table);
	k->table = NULL;
}

/* ---- vCPUs ---- */

bool kernel_add_vcpu(struct kernel *k, uint32_t id, bool x2apic)
{
	struct kernel_vcpu *vcpu = &k->vcpu[k->vcpus];

	if (k->vcpus == KERNEL_VCPUS) {
		errno = ENOSPC;
		return kernel_failed(k, "vCPUs");
	}
	*vcpu = (struct kernel_vcpu){ .id = id, .x2apic = x2apic };
	vcpu->fd = ioctl(k->vm, KVM_CREATE_VCPU, (unsigned long)id);
	if (vcpu->fd < 0)
		return kernel_failed(k, "KVM_CREATE_VCPU");
	k->vcpus++;
	return local_apic_enable(k, vcpu);
}

bool kernel_pending(struct kernel *k, unsigned vcpu, struct kernel_vectors *irr,
		    struct kernel_vectors *tmr)
{
	return local_apic_read(k, &k->vcpu[vcpu], irr, tmr);
}

bool kernel_await(struct kernel *k, unsigned vcpu, unsigned vector)
{
	const struct timespec millisecond = { .tv_nsec = 1000000 };
	struct kernel_vectors irr;

	for (unsigned tries = 0; tries < 2000; tries++) {
		if (!kernel_pending(k, vcpu, &irr, NULL))
			return false;
		if (kernel_vector_is_set(&irr, vector))
			return true;
		nanosleep(&millisecond, NULL);
	}
	snprintf(k->why, sizeof(k->why), "vector %u never became pending in vCPU %u", vector,
		 k->vcpu[vcpu].id);
	return false;
}

bool kernel_pending_only(struct kernel *k, unsigned vcpu, unsigned vector)
{
	for (unsigned i = 0; i < k->vcpus; i++) {
		struct kernel_vectors irr;

		if (!kernel_pending(k, i, &irr, NULL))
			return false;
		for (unsigned v = 0; v < 256; v++) {
			if (kernel_vector_is_set(&irr, v) == (i == vcpu && v == vector))
				continue;
			snprintf(k->why, sizeof(k->why), "vector %u in vCPU %u is %spending", v,
				 k->vcpu[i].id, i == vcpu && v == vector ? "not " : "");
			return false;
		}
	}
	return true;
}

bool kernel_clear(struct kernel *k)
{
	for (unsigned i = 0; i < k->vcpus; i++) {
		if (!local_apic_clear(k, &k->vcpu[i]))
			return false;
	}
	return true;
}

/* ---- routes ---- */

void kernel_route(struct kernel *k, uint32_t gsi, uint64_t address, uint32_t data)
{
	if (!k->place[gsi])
		k->place[gsi] = ++k->table->nr;
	k->table->entries[k->place[gsi] - 1] = (struct kvm_irq_routing_entry){
		.gsi = gsi,
		.type = KVM_IRQ_ROUTING_MSI,
		.u.msi = { .address_lo = (uint32_t)address,
			   .address_hi = (uint32_t)(address >> 32),
			   .data = data },
	};
}

/* The last one takes the place that becomes free. */
void kernel_unroute(struct kernel *k, uint32_t gsi)
{
	uint32_t place = k->place[gsi];
	const struct kvm_irq_routing_entry *last;

	if (!place)
		return;
	last = &k->table->entries[--k->table->nr];
	k->place[last->gsi] = place;
	k->table->entries[place - 1] = *last;
	k->place[gsi] = 0;
}

bool kernel_commit(struct kernel *k)
{
	k->commits++;
	return ioctl(k->vm, KVM_SET_GSI_ROUTING, k->table) == 0 ||
	       kernel_failed(k, "KVM_SET_GSI_ROUTING");
}

static bool irqfd(struct kernel *k, int eventfd, uint32_t gsi, uint32_t flags)
{
	struct kvm_irqfd binding = { .fd = (uint32_t)eventfd, .gsi = gsi, .flags = flags };

	return ioctl(k->vm, KVM_IRQFD, &binding) == 0 || kernel_failed(k, "KVM_IRQFD");
}

bool kernel_bind(struct kernel *k, int eventfd, uint32_t gsi)
{
	return irqfd(k, eventfd, gsi, 0);
}

bool kernel_unbind(struct kernel *k, int eventfd, uint32_t gsi)
{
	return irqfd(k, eventfd, gsi, KVM_IRQFD_FLAG_DEASSIGN);
}

bool kernel_signal(struct kernel *k, uint64_t address, uint32_t data, unsigned *taken)
{
	struct kvm_msi msi = { .address_lo = (uint32_t)address,
			       .address_hi = (uint32_t)(address >> 32),
			       .data = data };
	int result = ioctl(k->vm, KVM_SIGNAL_MSI, &msi);

	/* -1 with EPERM is not a refusal: no local APIC has the destination */
	*taken = result > 0 ? (unsigned)result : 0;
	return result >= 0 || errno == EPERM || kernel_failed(k, "KVM_SIGNAL_MSI");
}
