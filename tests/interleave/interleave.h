/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * interleave.h - two threads, of which one is stopped between two instructions and the other let in, at every place
 * where that can be: races by enumeration, not by luck.
 *
 *	static const struct interleaving i = { "row", open, translate, invalidate, close };
 *	points = interleave(&i, &world);
 *
 * The subject is run once, step by step, to learn which instructions of the program it executes. Then, for each of them,
 * everything again from open() to close(), with the other thread let in before that instruction. It runs until it ends, or
 * has to wait for a lock that the subject has, and goes on when the subject unlocks it. Never do both run at a time, so
 * each round is the same every time.
 *
 * The library knows nothing of it: a breakpoint is put into the program's own code, and mutexes and conditions are waited
 * for in functions of our own. x86-64 only, and not under the thread sanitizer.
 */
#ifndef TESTS_INTERLEAVE_H
#define TESTS_INTERLEAVE_H

#include <stdbool.h>

struct interleaving {
	const char *name;
	void (*open)(void *world);
	void (*subject)(void *world);
	void (*other)(void *world);
	void (*close)(void *world);
	bool early; /* the other has begun before the subject, as far as interleave_pause() */
};

/* Runs a group of one test, which calls interleave(). The program's status: 77, having said why, if it cannot be done here. */
int interleave_main(void (*test)(void **state));

/* Returns at how many points the other was let in; fails the test if there were none. */
unsigned interleave(const struct interleaving *i, void *world);

/* The other stops here, until it is let in. Anybody else: nothing. */
void interleave_pause(void);

#endif
