/* SPDX-License-Identifier: BSD-3-Clause */
/* small_guest.h - the guest of the example: memory, VT-d tables in it, and the driver of the unit. */
#ifndef SMALL_GUEST_H
#define SMALL_GUEST_H

#include <libvirtiommu/vm.h>
#include <libvirtiommu/vtd.h>

#include <stdbool.h>
#include <stdint.h>

#define SMALL_GUEST_PAGE UINT64_C(4096)

/* Memory of the guest that only the owner maps: tables and queues. */
#define SMALL_GUEST_RAM (UINT64_C(1) << 20)

struct small_guest {
	struct viommu *vtd;
	unsigned char *ram; /* at gpa 0 */
	uint64_t used;	    /* of it */
	uint64_t root;	    /* table */
	uint64_t queue;
	uint32_t tail;	 /* of the queue, in descriptors */
	uint64_t status; /* gpa of the word that waits write */
	uint32_t ticket; /* of the last wait */
};

/* The unit is on afterwards. False: it does not do what a unit does. */
bool small_guest_open(struct small_guest *guest, struct viommu_vm *vm, struct viommu *vtd);
void small_guest_close(struct small_guest *guest, struct viommu_vm *vm);

/* A domain of its own for a requester; what maps pages in it. */
uint64_t small_guest_attach(struct small_guest *guest, uint16_t rid, uint16_t domain);
/* A page is readable and writable; gpa UINT64_MAX: there is none. */
void small_guest_map(struct small_guest *guest, uint64_t tables, uint64_t iova, uint64_t gpa);
/* Invalidates a page, and asks to be told when that is complete; small_small_guest_waited() says whether it is. */
int small_guest_invalidate(struct small_guest *guest, uint16_t domain, uint64_t iova);
bool small_guest_waited(const struct small_guest *guest);

#endif
