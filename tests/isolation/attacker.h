/* SPDX-License-Identifier: BSD-3-Clause */
/* attacker.h - what runs in the place of a device process: it has what that would have, and uses it otherwise. */
#ifndef TESTS_ATTACKER_H
#define TESTS_ATTACKER_H

#include <libvirtiommu/view.h>

#include <stdatomic.h>
#include <stdint.h>

#include "job.h"

struct attacker {
	struct job job;
	const void *window;
	_Atomic uint64_t *section;
	struct viommu_view *view;
	unsigned char message[VIOMMU_VIEW_MESSAGE_BYTES];
	struct viommu_view_answer answer;
};

/* In the process: maps what there is, makes the view, and says that it is there. It exits with 100 if it cannot. */
void attacker_open(struct attacker *a);
/* The same, and then it may do no more than a device process. */
void attacker_open_confined(struct attacker *a);
/* A message of one byte to the owner. */
void attacker_say(unsigned char what);
/* Asks the owner for eight bytes; what the reply says of them, or 100 if there is none. */
int attacker_ask(struct attacker *a, uint64_t iova, uint16_t access);
/* The same without sending: what would be sent. */
uint32_t attacker_message(struct attacker *a, uint64_t iova, uint16_t access);

#endif
