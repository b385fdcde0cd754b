/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * view_rig.h - a guest with a device, its owner's record of a view, and the view: in one process, without a transport.
 *
 *	struct view_rig r;
 *	view_rig_open(&r);			pages at iova 0 to VIEW_RIG_PAGES - 1, of which the last is read-only
 *	view_rig_get(&r, 0x1008, VIOMMU_READ)	VIOMMU_MISS
 *	view_rig_ask(&r, 0x1008, VIOMMU_READ)	the owner's answer, in r.reply
 *	view_rig_get(&r, 0x1008, VIOMMU_READ)	VIOMMU_OK, in r.f and r.answer
 *	view_rig_close(&r);
 */
#ifndef TESTS_VIEW_RIG_H
#define TESTS_VIEW_RIG_H

#include <libvirtiommu/view.h>

#include "guest.h"

#define VIEW_RIG_PAGES	  16U
#define VIEW_RIG_RID	  UINT16_C(0x0010)
#define VIEW_RIG_DOMAIN	  UINT16_C(7)
#define VIEW_RIG_DEADLINE UINT64_C(1000)

struct view_rig {
	struct guest g;
	struct viommu_host host; /* the guest's, with a clock */
	uint64_t clock;
	unsigned expired;
	unsigned works; /* of host.work */
	uint64_t ss;	/* tables */
	uint64_t pages; /* gpa of the first one */
	struct viommu_device *device;
	struct viommu_viewer_config viewer_config;
	struct viommu_viewer *viewer;
	struct viommu_view_config view_config;
	struct viommu_view *view;
	_Alignas(64) _Atomic uint64_t section[VIOMMU_VIEW_SECTION_BYTES / 8];
	/* The last message, reply and what was made of it. */
	unsigned char message[VIOMMU_VIEW_MESSAGE_BYTES];
	uint32_t length;
	unsigned char answer_bytes[VIOMMU_VIEW_MESSAGE_BYTES];
	uint32_t answer_length;
	struct viommu_view_answer reply;
	/* The last translation. */
	struct viommu_fragment f[4];
	struct viommu_answer answer;
};

void view_rig_open(struct view_rig *r);
/* With memory that is not a region, the view has none mapped. */
void view_rig_open_with(struct view_rig *r, enum guest_memory memory);
/* Revokes what there is, and frees it. */
void view_rig_close(struct view_rig *r);

/* A viewer and a view of r->device, by viewer_config and view_config; the guest's memory is mapped. */
void view_rig_new_view(struct view_rig *r);
void view_rig_drop_view(struct view_rig *r);

struct viommu_request view_rig_request(uint64_t iova, uint64_t bytes, unsigned access);
/* Eight bytes, and any. */
int view_rig_get(struct view_rig *r, uint64_t iova, unsigned access);
int view_rig_translate(struct view_rig *r, uint64_t iova, uint64_t bytes, unsigned access);

/* Asks the owner; what the translation came to. */
int view_rig_ask(struct view_rig *r, uint64_t iova, unsigned access);
/* A section, in which the page at 0x3000 is used: who has looked nothing up concerns nobody. */
void view_rig_use(struct view_rig *r);
/* The message that is in r->message, to the owner and back. */
int view_rig_exchange(struct view_rig *r);

/* The page at an iova is another one from now on; the guest invalidates it, and submits a wait. */
void view_rig_move(struct view_rig *r, uint64_t iova, uint64_t gpa);
uint64_t view_rig_page(const struct view_rig *r, unsigned n);

#endif
