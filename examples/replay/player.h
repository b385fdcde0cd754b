/* SPDX-License-Identifier: BSD-3-Clause */
/* player.h - one recording being replayed: the engine, the guest around it, and what is counted. */
#ifndef REPLAY_PLAYER_H
#define REPLAY_PLAYER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <libvirtiommu/irq.h>
#include <libvirtiommu/vm.h>
#include <libvirtiommu/vtd.h>

#include "deviation.h"
#include "guest_memory.h"
#include "history.h"
#include "tape.h"

#define REQUESTERS     65536U
#define DOMAIN_UNKNOWN UINT32_MAX
#define LEFT_CLEAR     1024U

/* A requester with one PASID, or without: a channel each. */
struct source {
	struct source *next;
	struct viommu_device *device; /* the requester's */
	struct viommu_channel *channel;
	uint32_t rid;
	uint32_t pasid;
	uint32_t domain; /* DOMAIN_UNKNOWN: to be found out again */
	bool refused;	 /* a request has been */
};

struct requester {
	struct viommu_device *device;
	struct source *sources;
};

/* A message-signalled interrupt of the engine's own. */
struct message {
	uint64_t address;
	uint32_t data;
};

/* A line m or S that waits for the event it belongs to. */
struct effect {
	uint64_t number;
	uint64_t at;
	uint64_t value;
	uint32_t bytes;
	uint8_t *data;
};

struct effects {
	struct effect *list;
	size_t count;
	size_t capacity;
};

/* Of one kind of lines. */
struct tally {
	uint64_t lines;
	uint64_t mismatches;
	uint64_t not_yet; /* the engine cannot do it yet */
};

/* What of the queue and the registers has to do with invalidation, before an event. */
struct watch {
	uint64_t head;
	uint64_t address; /* the invalidate address register reads as 0: what the guest wrote */
	uint64_t command; /* of contexts: SID and FM read as 0, too */
};

struct player {
	const char *path;
	bool verbose;
	struct tape_header header;
	struct viommu_vm *vm;
	struct viommu *iommu;
	struct guest_memory memory;
	struct requester *requesters; /* REQUESTERS of them */
	struct message *messages;     /* sent during this event */
	size_t message_count;
	size_t message_capacity;
	struct effects written; /* m and S lines of this event */
	struct effects sent;
	struct history history;
	struct watch watch;
	uint64_t left_clear
		[LEFT_CLEAR]; /* the last addresses of first-stage entries whose D the recording leaves clear */
	unsigned left_clear_next;
	struct tally tally[TAPE_KINDS];
	uint64_t deviations[DEVIATIONS];
	uint64_t lines;
	uint64_t translations;
	uint64_t nanoseconds; /* in translations */
	bool exhausted;	      /* out of memory */
};

/* NULL: not possible, and said on stderr. */
struct player *player_new(const char *path, const struct tape_header *header, bool verbose);
void player_free(struct player *player);

/* One line. False: the recording cannot go on, and *error says why. */
bool player_line(struct player *player, const struct tape_line *line, const char **error);

/* The recording has ended. False: in the middle of an event. */
bool player_end(const struct player *player);

/* ---- between the files of the player ---- */

/* Counts a mismatch, and prints it if asked to. */
void player_differ(struct player *player, enum tape_kind kind, uint64_t number,
		   const char *expected, const char *came);
void player_deviates(struct player *player, enum deviation deviation);

/* The engine's register, 0 if it has none there. */
uint64_t player_register(const struct player *player, uint64_t offset, uint32_t bytes);

/* Drops all that the engine caches, by saving and restoring it, which a guest cannot notice. */
bool player_drop_caches(struct player *player);
/* The engine's saved state, NULL: it cannot. And back to it. */
void *player_save(struct player *player, uint64_t *bytes);
bool player_restore(struct player *player, void *state, uint64_t bytes);

/* requester.c. NULL: the library refused, *result says why. */
struct source *player_source(struct player *player, uint32_t rid, uint32_t pasid, int *result);
uint32_t source_domain(struct source *source);
/* First-stage or second-stage entry that translates iova last, as the tables are now; false: there is none. */
bool source_leaf(const struct source *source, uint64_t iova, bool *first_stage, uint64_t *gpa);
void player_forget_domains(struct player *player);
void player_free_requesters(struct player *player);

/* dma.c, interrupt.c: T and I lines. interrupt_line() is false if the engine cannot remap interrupts yet. */
void dma_line(struct player *player, const struct tape_line *line);
bool interrupt_line(struct player *player, const struct tape_line *line);

/* effects.c: m and S lines. */
bool effects_expect(struct effects *effects, const struct tape_line *line);
/* Compares them with what the event did; event is NULL if it could not be served. Forgets both. */
void effects_settle(struct player *player, const struct tape_line *event);
void effects_fini(struct effects *effects);

/* watch.c: follows the guest's invalidations, around each register write. */
void watch_before(struct player *player);
void watch_after(struct player *player, const struct tape_line *write);

#endif
