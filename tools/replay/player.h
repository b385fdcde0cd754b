/* SPDX-License-Identifier: BSD-3-Clause */
/* player.h - one recording being replayed: the guest around the engine, and what is counted. */
#ifndef REPLAY_PLAYER_H
#define REPLAY_PLAYER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <libvirtiommu/iommu.h>
#include <libvirtiommu/vm.h>

#include "deviation.h"
#include "effects.h"
#include "engine.h"
#include "guest_memory.h"
#include "line.h"
#include "raised.h"
#include "tape.h"

/* Of one kind of lines. */
struct tally {
	uint64_t lines;
	uint64_t mismatches;
};

#define PLAYER_MADE    16U
#define PLAYER_REFUSED 16U

/* A mapping that a listener refuses during an event. */
struct refusal {
	const struct tape_line *line;
	struct viommu_listener *listener; /* NULL: there was no such device */
	bool asked;			  /* about it */
};

struct player {
	const char *path;
	bool verbose; /* mismatches are printed */
	const struct tape_header *header;
	const struct engine *engine;
	struct viommu_vm *vm;
	struct viommu *iommu;	 /* NULL: there is none (yet), or the part keeps it (part.iommu) */
	struct source *sources;	 /* source.h */
	struct raised_list sent; /* messages of its own during the event */
	struct guest_memory memory;
	struct effects effects; /* of the event that comes next */
	struct tally tally[TAPE_KINDS];
	uint64_t deviations[DEVIATIONS];
	uint64_t lines;
	uint64_t translations;
	uint64_t nanoseconds; /* in translations */
	bool exhausted;	      /* out of memory */
	/* The line is marked: it overlapped another event, or what was begun is not complete. Effects are compared with those of the next
	 * event that is not. */
	bool marked;
	/* The line is marked otherwise: memory changed while it was read. What differs is not counted. */
	bool torn;
	uint8_t *state; /* that Z lines are giving */
	uint64_t state_bytes;
	/* Told of each mismatch; NULL: nobody is. */
	void (*mismatch)(void *opaque, enum tape_kind kind, uint64_t number, const char *expected,
			 const char *came);
	void *opaque;
	struct viommu_device *made[PLAYER_MADE]; /* by player_device() */
	unsigned made_count;
	struct refusal refusal[PLAYER_REFUSED];
	unsigned refusals;
	/* What the parts keep, each its own. NULL: not of this recording. */
	struct vtd_play *vtd;
	struct virtio_play *virtio;
	struct amdvi_play *amdvi;
	struct its_play *its;
	struct gic_play *gic;
	struct riscv_play *riscv;
	struct smmu_play *smmu;
	struct tce_play *tce;
};

/* NULL: not possible, and said on stderr. Header and path have to stay. */
struct player *player_new(const char *path, const struct tape_header *header,
			  const struct engine *engine);
void player_free(struct player *player);

/* One line. False: the recording cannot go on, and words->error says why. */
bool player_line(struct player *player, struct words *words, uint64_t number);

/* The recording has ended. False: in the middle of an event. */
bool player_end(const struct player *player);

/* That the headers are those of the engine. False: words->error says what is wrong in line *number. */
bool player_headers(const struct tape_header *header, const struct engine *engine,
		    struct words *words, uint64_t *number);

/* ---- for who looks at it between two lines ---- */

/* The IOMMU; of part 1 the ITS, if there is one. NULL: there is none (yet). */
struct viommu *player_iommu(const struct player *player, unsigned part);
/* The nth ITS, from 0, and where its translation frame is. NULL: there are not so many (yet). */
struct viommu *player_its(const struct player *player, unsigned n, uint64_t *translation);
/* Who has this name on T lines; a new one if none has, and the engine can do without being told more. NULL: *result says
 * why. To be asked when the last line has been played. */
struct viommu_device *player_device(struct player *player, uint32_t name, int *result);

/* ---- for the parts ---- */

/* Counts a mismatch, and prints it if asked to. */
void player_differ(struct player *player, enum tape_kind kind, uint64_t number,
		   const char *expected, const char *came);
void player_deviates(struct player *player, enum deviation deviation);
/* What a register is: a mismatch if it cannot be read, or is not what the line has. */
void player_value(struct player *player, const struct tape_line *line, int result, uint64_t value);
/* Reads the register of a line, and compares it; or writes it, which has to be served. */
void player_register(struct player *player, struct viommu *iommu, const struct tape_line *line);
void player_read_line(struct player *player, const struct tape_line *line);
void player_write_line(struct player *player, const struct tape_line *line);
/* The engine's saved state, NULL: it cannot. And back to it, which frees it; what is cached is forgotten. */
void *player_save(struct player *player, uint64_t *bytes);
bool player_restore(struct player *player, void *state, uint64_t bytes);

bool player_has_header(const struct player *player, const char *name);
/* Number i of a header's value, otherwise if there is no such header. */
uint64_t player_header(const struct player *player, const char *name, unsigned i,
		       uint64_t otherwise);

/* The limits that a tape of the library gives; NULL: it gives none. */
const struct viommu_limits *player_limits(const struct player *player,
					  struct viommu_limits *limits);

/* viommu_host.message, opaque is the player: on stderr. */
void player_message(void *opaque, const char *text);

/* Does what a call on an engine has left to do; of a line that is marked, the N lines behind it do. */
int player_finish(const struct player *player, struct viommu *iommu, int result);

/* play_common.c: listeners that refuse what LR lines say, during the event. */
void player_refuse(struct player *player);
void player_refused(struct player *player, const struct tape_line *event);

/* Serves M lines. */
void memory_line(struct player *player, const struct tape_line *line);

#endif
