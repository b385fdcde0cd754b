/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * kernel.h - a KVM virtual machine with the split irqchip: local APICs in the kernel, I/O APIC and interrupt remapping
 * in user space. No guest code is run: what an interrupt did is read from the local APICs.
 *
 * Nothing in here knows libvirtiommu. tests/kvm is built with it, too.
 */
#ifndef EXAMPLES_KVM_IRQ_KERNEL_H
#define EXAMPLES_KVM_IRQ_KERNEL_H

#include <stdbool.h>
#include <stdint.h>

struct kvm_irq_routing;

enum {
	KERNEL_VCPUS = 4,     /* at most */
	KERNEL_ROUTES = 4096, /* GSIs, and entries of the kernel's table */
	KERNEL_PINS = 24,     /* GSIs below are the I/O APIC's */
	KERNEL_VECTOR_WORDS = 8,
};

/* A virtual processor, with its local APIC enabled. */
struct kernel_vcpu {
	int fd;
	uint32_t id; /* APIC id; above 255 only with x2apic */
	bool x2apic;
};

struct kernel {
	int device; /* /dev/kvm */
	int vm;
	unsigned vcpus;
	struct kernel_vcpu vcpu[KERNEL_VCPUS];
	struct kvm_irq_routing *table; /* what the kernel gets at the next commit */
	uint32_t place[KERNEL_ROUTES]; /* of a GSI in the table, + 1; 0: none */
	uint64_t commits;	       /* calls of KVM_SET_GSI_ROUTING */
	uint32_t max_id;	       /* APIC ids are at most this */
	char why[160];		       /* what went wrong last, for a person */
};

/* Bits of a local APIC's 256 vectors, vector 0 first. */
struct kernel_vectors {
	uint32_t word[KERNEL_VECTOR_WORDS];
};

static inline bool kernel_vector_is_set(const struct kernel_vectors *v, unsigned vector)
{
	return v->word[vector / 32] >> vector % 32 & 1;
}

/* False: this machine cannot do it, k->why says what is missing. kernel_close() in any case. */
bool kernel_open(struct kernel *k);
void kernel_close(struct kernel *k);

/* All that follows: false, and k->why is set, if the kernel refuses. */

/* Adds a vCPU and enables its local APIC. Its number is k->vcpus as it was before. */
bool kernel_add_vcpu(struct kernel *k, uint32_t id, bool x2apic);

/* What is pending (IRR), and which of it is level-triggered (TMR). NULL: not wanted. */
bool kernel_pending(struct kernel *k, unsigned vcpu, struct kernel_vectors *irr,
		    struct kernel_vectors *tmr);
/* Looks until a vector is pending, a bounded number of times. False also: it never was. */
bool kernel_await(struct kernel *k, unsigned vcpu, unsigned vector);
/* Whether in all vCPUs just this one is pending, and nothing else. */
bool kernel_pending_only(struct kernel *k, unsigned vcpu, unsigned vector);
/* Nothing is pending any more in any vCPU. */
bool kernel_clear(struct kernel *k);

/* Changes the table that kernel_commit() hands to the kernel whole. */
void kernel_route(struct kernel *k, uint32_t gsi, uint64_t address, uint32_t data);
void kernel_unroute(struct kernel *k, uint32_t gsi);
bool kernel_commit(struct kernel *k);

/* Binds an eventfd to a GSI, and parts them. After it was unbound, what it raised has arrived. */
bool kernel_bind(struct kernel *k, int eventfd, uint32_t gsi);
bool kernel_unbind(struct kernel *k, int eventfd, uint32_t gsi);

/* Delivers a message now. True also if no local APIC took it; *taken: how many did. */
bool kernel_signal(struct kernel *k, uint64_t address, uint32_t data, unsigned *taken);

/* ---- local_apic.c ---- */

/* Switches the mode, and enables the local APIC as software would. */
bool local_apic_enable(struct kernel *k, const struct kernel_vcpu *vcpu);
bool local_apic_read(struct kernel *k, const struct kernel_vcpu *vcpu, struct kernel_vectors *irr,
		     struct kernel_vectors *tmr);
bool local_apic_clear(struct kernel *k, const struct kernel_vcpu *vcpu);

/* Sets k->why to `what` and the reason of errno; returns false. */
bool kernel_failed(struct kernel *k, const char *what);

#endif
