/* SPDX-License-Identifier: BSD-3-Clause */
/* session.h - a tape that is played up to a line, and what can be asked there. */
#ifndef REPLAY_SESSION_H
#define REPLAY_SESSION_H

#include <stdio.h>

#include "player.h"

#define LINE_END UINT64_MAX

/* How it ends. Of several: the largest. */
enum status {
	STATUS_SAME = 0,      /* as recorded; the same; permitted */
	STATUS_DIFFERENT = 1, /* something differs; refused; an engine is not known */
	STATUS_UNUSABLE = 2,  /* a file cannot be read, or the command line is wrong */
};

static inline int graver(int a, int b)
{
	return a > b ? a : b;
}

/* Says what went wrong with a file; STATUS_UNUSABLE. */
int unusable(const char *path, uint64_t line, const char *why);

struct session {
	const char *path;
	struct tape *tape;
	struct player *player;
	struct words words;
	uint64_t number;   /* of the line that words has and that has not been played; 0: none */
	uint64_t progress; /* when something was said last */
	bool said;	   /* on a terminal: there is a line to be erased */
	FILE *record;	   /* NULL: it is not recorded */
	bool records_its;
};

/* Opens a tape and makes its engine. STATUS_DIFFERENT: the engine is not known. Whatever the status: session_close(). */
int session_open(struct session *s, const char *path);
/* Plays on, up to the event of a line, which is not performed: what the IOMMU read during it is there. A line past
 * the end: all of it. */
int session_play(struct session *s, uint64_t line);
/* Plays the line that session_play() has stopped at. */
int session_step(struct session *s);
void session_close(struct session *s);

/* PATH[:LINE]; the text is cut at the colon. LINE_END: no line was given. */
uint64_t session_split(char *text);
/* All in one: opens, and plays up to the line that the path names. */
int session_at(struct session *s, char *path);

/* Plays on, up to the whichth request that was refused, of T, I and MSI lines. False: there is none. */
bool session_refused(struct session *s, uint64_t which, int *status);

/* The line that has not been played, parsed. False: words->error says why not. */
bool session_line(struct session *s, struct tape_line *line);

/* Tells people who wait longer than a second that it goes on. */
void session_progress(struct session *s, const char *what, uint64_t count);

/* Records what the engine does, or its ITS, from the first line on that has one. And to the end, whatever the status. */
int session_record(struct session *s, const char *path, bool its);
int session_record_end(struct session *s);

/*
 * image.c: makes an engine whose registers are as a file says, which is a tape of R lines: what the guest would read. Guest memory
 * is that of the images, FILE@GPA each.
 */
int image_open(struct session *s, const char *registers, const char *const *images, unsigned count);

#endif
