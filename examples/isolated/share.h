/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * share.h - memory in a file of its own, that another process may map: sealed, so that it stays as it is, whatever the other
 * process does.
 *
 *	window		FUTURE_WRITE: nobody maps it writable any more; the owner's own mapping stays as it is
 *	section page	the process writes it
 *	pool		guest memory, written by both
 *
 * Each is sealed against SHRINK (the owner would get SIGBUS), GROW and further seals. Whoever has the descriptor has all of
 * the file: so there is nothing else in it.
 */
#ifndef SHARE_H
#define SHARE_H

#include <stdbool.h>
#include <stddef.h>

struct share {
	int fd;
	unsigned char *at;
	size_t bytes;
};

enum share_kind { SHARE_WINDOW, SHARE_WRITABLE };

/* Mapped where the owner writes; false: the kernel says no, and why is in errno. The owner's children do not have it. */
bool share_new(struct share *share, const char *name, size_t bytes, enum share_kind kind);
void share_free(struct share *share);

/* In the other process: all of the file. NULL: the kernel says no. */
void *share_map(int fd, size_t bytes, bool writable);

#endif
