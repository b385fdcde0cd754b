/* SPDX-License-Identifier: BSD-3-Clause */
/* local_apic.c - the local APIC that the kernel has for a vCPU (SDM vol. 3, chapter 10). */
#include <errno.h>

#include "kernel.h"

#ifdef __x86_64__

#include <linux/kvm.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

/* Registers, in bytes; the vectors' are eight words, 16 bytes apart. */
#define LAPIC_SVR 0x0f0U /* spurious vector */
#define LAPIC_ISR 0x100U
#define LAPIC_TMR 0x180U
#define LAPIC_IRR 0x200U

#define SVR_ENABLE	   0x100U
#define APIC_BASE_X2APIC   0x400U
#define CPUID_1_ECX_X2APIC (1U << 21)

enum { CPUID_ENTRIES = 256 };

static uint32_t get(const struct kvm_lapic_state *apic, unsigned offset)
{
	uint32_t value;

	memcpy(&value, apic->regs + offset, sizeof(value));
	return value;
}

static void put(struct kvm_lapic_state *apic, unsigned offset, uint32_t value)
{
	memcpy(apic->regs + offset, &value, sizeof(value));
}

static struct kernel_vectors get_vectors(const struct kvm_lapic_state *apic, unsigned offset)
{
	struct kernel_vectors v;

	for (unsigned i = 0; i < KERNEL_VECTOR_WORDS; i++)
		v.word[i] = get(apic, offset + i * 16);
	return v;
}

/* What the host has, with x2APIC, which KVM itself emulates. */
static bool set_cpuid(struct kernel *k, int vcpu)
{
	struct kvm_cpuid2 *cpuid =
		calloc(1, sizeof(*cpuid) + CPUID_ENTRIES * sizeof(cpuid->entries[0]));
	bool done = false;

	if (!cpuid)
		return kernel_failed(k, "CPUID");
	cpuid->nent = CPUID_ENTRIES;
	if (ioctl(k->device, KVM_GET_SUPPORTED_CPUID, cpuid)) {
		kernel_failed(k, "KVM_GET_SUPPORTED_CPUID");
	} else {
		for (uint32_t i = 0; i < cpuid->nent; i++) {
			if (cpuid->entries[i].function == 1)
				cpuid->entries[i].ecx |= CPUID_1_ECX_X2APIC;
		}
		done = !ioctl(vcpu, KVM_SET_CPUID2, cpuid) || kernel_failed(k, "KVM_SET_CPUID2");
	}
	free(cpuid);
	return done;
}

static bool enter_x2apic(struct kernel *k, int vcpu)
{
	struct kvm_sregs sregs = { 0 };

	if (ioctl(vcpu, KVM_GET_SREGS, &sregs))
		return kernel_failed(k, "KVM_GET_SREGS");
	sregs.apic_base |= APIC_BASE_X2APIC;
	return !ioctl(vcpu, KVM_SET_SREGS, &sregs) || kernel_failed(k, "KVM_SET_SREGS");
}

bool local_apic_enable(struct kernel *k, const struct kernel_vcpu *vcpu)
{
	struct kvm_lapic_state apic = { 0 };

	if (!set_cpuid(k, vcpu->fd))
		return false;
	if (vcpu->x2apic && !enter_x2apic(k, vcpu->fd))
		return false;
	if (ioctl(vcpu->fd, KVM_GET_LAPIC, &apic))
		return kernel_failed(k, "KVM_GET_LAPIC");
	put(&apic, LAPIC_SVR, get(&apic, LAPIC_SVR) | SVR_ENABLE);
	return !ioctl(vcpu->fd, KVM_SET_LAPIC, &apic) || kernel_failed(k, "KVM_SET_LAPIC");
}

bool local_apic_read(struct kernel *k, const struct kernel_vcpu *vcpu, struct kernel_vectors *irr,
		     struct kernel_vectors *tmr)
{
	struct kvm_lapic_state apic = { 0 };

	if (ioctl(vcpu->fd, KVM_GET_LAPIC, &apic))
		return kernel_failed(k, "KVM_GET_LAPIC");
	if (irr)
		*irr = get_vectors(&apic, LAPIC_IRR);
	if (tmr)
		*tmr = get_vectors(&apic, LAPIC_TMR);
	return true;
}

bool local_apic_clear(struct kernel *k, const struct kernel_vcpu *vcpu)
{
	struct kvm_lapic_state apic = { 0 };

	if (ioctl(vcpu->fd, KVM_GET_LAPIC, &apic))
		return kernel_failed(k, "KVM_GET_LAPIC");
	for (unsigned i = 0; i < KERNEL_VECTOR_WORDS; i++) {
		put(&apic, LAPIC_IRR + i * 16, 0);
		put(&apic, LAPIC_ISR + i * 16, 0);
		put(&apic, LAPIC_TMR + i * 16, 0);
	}
	return !ioctl(vcpu->fd, KVM_SET_LAPIC, &apic) || kernel_failed(k, "KVM_SET_LAPIC");
}

#else /* Elsewhere, KVM has no KVM_CAP_SPLIT_IRQCHIP, and kernel_open() has said so. */

static bool not_here(struct kernel *k)
{
	errno = ENOSYS;
	return kernel_failed(k, "local APIC");
}

bool local_apic_enable(struct kernel *k, const struct kernel_vcpu *vcpu)
{
	(void)vcpu;
	return not_here(k);
}

bool local_apic_read(struct kernel *k, const struct kernel_vcpu *vcpu, struct kernel_vectors *irr,
		     struct kernel_vectors *tmr)
{
	(void)vcpu;
	(void)irr;
	(void)tmr;
	return not_here(k);
}

bool local_apic_clear(struct kernel *k, const struct kernel_vcpu *vcpu)
{
	(void)vcpu;
	return not_here(k);
}

#endif
