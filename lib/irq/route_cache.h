/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * route_cache.h - a route cache's state, and the lists by which an invalidation finds its routes.
 *
 * A place is a list of routes: those resolved through one table entry. Where all requesters share a
 * table it is the entry's index. Where each has a table of its own, places are shared by chance, and
 * marks remember whose they are: as long as that is one requester, routes of others stay as they are.
 * Otherwise more routes than concerned are resolved again, never fewer.
 */
#ifndef ROUTE_CACHE_H
#define ROUTE_CACHE_H

#include <libvirtiommu/routes.h>

#include "unit.h"

#define ROUTE_PLACES  65536U
#define ROUTE_NOWHERE ROUTE_PLACES /* the place of routes that came through no entry */
#define ROUTE_WORDS   (ROUTE_PLACES / 64 + 1)
#define ROUTE_ANYONE  UINT64_MAX
#define CHANGE_WORDS  (sizeof(struct viommu_route_change) / sizeof(uint64_t))

static_assert(sizeof(struct viommu_route_change) == 48, "frozen");

/* What lookups find. */
enum route_answer {
	ROUTE_NONE, /* there is no such route */
	ROUTE_PRECISE,
	ROUTE_ASKS, /* not kept: the tables are asked */
};

/* Lists hold gsi + 1; 0 ends them. */
struct route_slot {
	_Atomic uint64_t version; /* odd while the answer is written; 0: there never was a route */
	_Atomic uint64_t word[CHANGE_WORDS]; /* flags: VIOMMU_ROUTE_VALID if it delivers */
	_Atomic uint32_t answer;	     /* enum route_answer */
	/* under the cache's lock */
	uint32_t place;	   /* + 1; 0: in no list */
	uint32_t next;	   /* at the same place, or still to be resolved */
	uint32_t previous; /* 0: it is the first */
	uint32_t next_changed;
	bool changed;
	bool exists;
	bool pin_masked; /* a level-triggered pin's mask: what it delivered can be acknowledged */
	struct viommu_route route; /* an I/O APIC's message is copied into it */
	struct viommu_route_change now;
};

struct viommu_routes {
	struct viommu *iommu;
	struct viommu_routes_config config;
	struct viommu_listener *listener;
	/* Of the call that has the unit. */
	bool marked; /* something is to be resolved, or to be told */
	bool again;  /* an invalidation came from inside a memory callback: resolve all once more */
	_Atomic bool gone; /* a requester is: something is in gone_places */
	/* Guards what follows. An error-checking mutex: guest memory is read with it held, and a
	 * callback that comes back here is refused. */
	pthread_mutex_t lock;
	struct route_slot *slot;
	uint32_t *first;  /* by place */
	uint64_t *used;	  /* places that have routes, a bit each; then those */
	uint64_t *marks;  /* that have been invalidated */
	uint64_t *whose;  /* by word of marks: the requester whose entries they are; ROUTE_ANYONE */
	uint32_t lowest;  /* words of marks below this are 0, */
	uint32_t end;	  /* and from this on */
	uint32_t todo;	  /* routes of a marked place that are left to resolve, */
	uint64_t todo_of; /* and whose of them are concerned */
	bool concerned;	  /* routes have been resolved since the host was told */
	_Atomic uint64_t *gone_places; /* to be marked; set without the lock */
	_Atomic uint64_t
		message_first; /* messages of routes that were ever set are in this range; */
	_Atomic uint64_t message_last; /* none: first > last */
	uint32_t changed_first;
	uint32_t changed_last;
	struct viommu_routes_statistics statistics;
};

/* ---- route_marks.c: all with the lock held ---- */

int route_places_init(struct viommu_routes *r);
void route_places_fini(struct viommu_routes *r);

/* Takes a route out of its list, and puts it where an invalidation of the table entry that its
 * answer names finds it. */
void route_unlink(struct viommu_routes *r, uint32_t gsi);
void route_link(struct viommu_routes *r, uint32_t gsi);

/* Entries [first, last] of a requester's table, or of the table of all, were invalidated:
 * O(last - first) / 64. */
void route_mark(struct viommu_routes *r, uint32_t source, uint32_t first, uint32_t last);
/* A requester is gone: the same of its only entry, from any thread and without the lock. */
void route_mark_gone(struct viommu_routes *r, uint32_t source);
/* Whether one is since the last time: its routes are marked now. */
bool route_take_gone(struct viommu_routes *r);
/* Everything, also routes that came through no entry. */
void route_mark_all(struct viommu_routes *r);

/* A route at a marked place that has not been resolved since, + 1; 0: none is left. */
uint32_t route_next_marked(struct viommu_routes *r);
/* Whether the mark concerns that route. */
bool route_concerned(const struct viommu_routes *r, uint32_t gsi);

#endif
