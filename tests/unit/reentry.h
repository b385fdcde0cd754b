/* SPDX-License-Identifier: BSD-3-Clause */
/* reentry.h - a unit whose every callback calls a verb of the library (obligations 19, 30). */
#ifndef TESTS_REENTRY_H
#define TESTS_REENTRY_H

#include <libvirtiommu/dma.h>

#include "guest.h"

/* Callbacks beyond those of the guest. */
enum {
	ON_UNMAP = GUEST_EVENTS,
	ON_MODE,
	ON_INTERRUPTS,
	ON_MAPPED,
	ON_STEP,
	ON_TRACE,
};

#define OWN   0x08U /* requester with the channel that is used, RID_PASID through a first stage */
#define OTHER 0x10U /* another one, with a channel of its own */
#define BARE  0x18U /* one without a channel: it can be freed */
#define IOVA  UINT64_C(0x5000)

struct reentry {
	struct guest g;
	struct viommu_device *own, *other, *bare;
	struct viommu_channel *channel, *other_channel;
	struct viommu_listener *listener;
	unsigned char saved[8192];
	uint64_t saved_bytes;
	struct viommu_dirty *tracking; /* that could not be stopped inside */
	uint8_t *ram;		       /* a page that comes and goes as a region */
	/* The case. */
	unsigned event;
	int (*verb)(struct reentry *r);
	bool armed;
	unsigned fired;
	int result;
};

/* What the call whose callback it is has hold of. */
enum origin {
	FROM_REGISTERS = 1, /* a call on the unit's registers */
	FROM_CHANNEL = 2,   /* a translation through the channel */
	FROM_BARE = 4,	    /* a callback of the bare device itself */
	ON_BARE = 8,	    /* a call on the bare device, which then may not be freed */
};

/* A way to come into a callback. */
struct occasion {
	const char *name;
	unsigned event;
	unsigned origin;
	void (*happen)(struct reentry *r);
};

extern const struct occasion occasions[];
extern const unsigned occasion_count;

/* What a verb answers. */
enum answer {
	WORKS,		  /* not negative, wherever it is called from */
	ONE_AT_A_TIME,	  /* VIOMMU_EBUSY from a call on registers, otherwise not negative */
	NOT_IN_ITSELF,	  /* VIOMMU_EBUSY from the channel's translation, otherwise not negative */
	IS_BUSY,	  /* VIOMMU_EBUSY */
	NOT_OPEN,	  /* VIOMMU_EINVAL: there is no open section */
	UNKNOWN,	  /* VIOMMU_ENOENT */
	NOT_BY_ITSELF,	  /* VIOMMU_EBUSY from the device's callback; else also VIOMMU_OK */
	MAY_HIT,	  /* as NOT_IN_ITSELF, but what is cached need not be asked */
	MAY_BE_UNDER_WAY, /* not negative, or VIOMMU_EBUSY */
};

struct verb {
	const char *name;
	enum answer answer;
	int (*call)(struct reentry *r);
};

extern const struct verb verbs[];
extern const unsigned verb_count;

void reentry_init(struct reentry *r);
void reentry_fini(struct reentry *r);

/* A callback has been entered. */
void reentry_event(struct reentry *r, unsigned event);

/* For viommu_explain() and viommu_replay(). */
int reentry_step(void *opaque, const struct viommu_step *step);
int reentry_mapped(void *opaque, uint64_t iova, const struct viommu_fragment *fragment);

#endif
