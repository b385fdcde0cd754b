/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * written.h - what an event leaves in guest memory (m lines).
 *
 * A line is kept if memory ends with its bytes and the engine wrote some of them. Bytes that the engine changed and no m
 * line has are a mismatch, too.
 */
#ifndef REPLAY_WRITTEN_H
#define REPLAY_WRITTEN_H

#include "player.h"

/* Whether the engine wrote a byte of the line. */
bool written_touched(const struct player *player, const struct tape_line *line);
/* The byte at gpa after the event, as recorded: later lines of an event overwrite earlier ones. False: no line has it. */
bool written_recorded(const struct player *player, uint64_t gpa, uint8_t *byte);
/* Writes at most the first 32 bytes in hexadecimal. */
void written_text(char *text, size_t size, uint64_t gpa, const uint8_t *data, uint32_t bytes);

/* What an engine knows of its recorder; counted by who says so. Either may be NULL. */
struct written_deviations {
	/* A line that is not kept. */
	bool (*line)(struct player *player, const struct tape_line *event,
		     const struct tape_line *line);
	/* A write that no line has. */
	bool (*write)(struct player *player, const struct tape_line *event,
		      const struct guest_write *write);
};

/* Compares all of an event. What no line has is undone, last first, so that one mistake is one mismatch. */
void written_settle(struct player *player, const struct tape_line *event,
		    const struct written_deviations *deviations);
/* The same without deviations: a row of m lines. */
void written_settle_all(struct player *player, const struct tape_line *event);

#endif
