/* SPDX-License-Identifier: BSD-3-Clause */
/* arena.c - blocks of the memory that a VMM has given. */

#include <assert.h>
#include <pthread.h>
#include <stddef.h>
#include <string.h>

#include "arena.h"
#include "range.h"

/* Free memory, in the order of addresses: at its own beginning. */
struct arena_hole {
	struct arena_hole *next;
	uint64_t bytes;
};

struct arena {
	pthread_mutex_t lock; /* guards all of it */
	struct arena_hole *holes;
	unsigned char *windows; /* the next one */
	uint64_t window_bytes;	/* that are left */
};

static_assert(sizeof(struct arena_hole) <= ARENA_ALIGN, "a hole is no smaller than a block");

static uint64_t up(uint64_t at, uint64_t align)
{
	return (at + align - 1) & ~(align - 1);
}

struct arena *arena_new(void *base, uint64_t bytes, uint64_t windows)
{
	const uint64_t books = up(sizeof(struct arena), ARENA_ALIGN);
	struct arena *a = base;

	if (windows < books + ARENA_ALIGN)
		return NULL;
	pthread_mutex_init(&a->lock, NULL);
	a->holes = (struct arena_hole *)(void *)((unsigned char *)base + books);
	a->holes->next = NULL;
	a->holes->bytes = windows - books;
	a->windows = (unsigned char *)base + windows;
	a->window_bytes = bytes - windows;
	return a;
}

void arena_free(struct arena *a)
{
	if (a->holes)
		memset(a->holes, 0, sizeof(*a->holes));
	pthread_mutex_destroy(&a->lock);
	memset(a, 0, sizeof(*a));
}

/* Where a block of a hole begins; false: it is not large enough. */
static bool fits(const struct arena_hole *hole, uint64_t bytes, uint64_t align, uint64_t *skip)
{
	*skip = up((uintptr_t)hole, align) - (uintptr_t)hole;
	return *skip <= hole->bytes && bytes <= hole->bytes - *skip;
}

/* Takes [skip, skip + bytes) of a hole; what is left of it are up to two. */
static void *cut(struct arena_hole **at, uint64_t skip, uint64_t bytes)
{
	struct arena_hole *hole = *at;
	unsigned char *block = (unsigned char *)hole + skip;
	struct arena_hole *next = hole->next;
	uint64_t rest = hole->bytes - skip - bytes;

	if (rest) {
		struct arena_hole *behind = (struct arena_hole *)(void *)(block + bytes);

		behind->next = next;
		behind->bytes = rest;
		next = behind;
	}
	if (skip) {
		hole->next = next;
		hole->bytes = skip;
	} else {
		*at = next;
		memset(hole, 0, sizeof(*hole));
	}
	return block;
}

/* As many steps as there are holes: blocks are few, and none is a guest's to ask for without a cap. */
void *arena_alloc(struct arena *a, uint64_t bytes, uint64_t align)
{
	void *block = NULL;

	if (bytes > UINT64_MAX - ARENA_ALIGN)
		return NULL;
	bytes = up(bytes ? bytes : 1, ARENA_ALIGN);
	align = align > ARENA_ALIGN ? align : ARENA_ALIGN;
	pthread_mutex_lock(&a->lock);
	for (struct arena_hole **at = &a->holes; *at && !block; at = &(*at)->next) {
		uint64_t skip;

		if (fits(*at, bytes, align, &skip)) {
			block = cut(at, skip, bytes);
			break;
		}
	}
	pthread_mutex_unlock(&a->lock);
	return block;
}

/* A hole and the next one, if nothing lies between them. */
static void join(struct arena_hole *hole)
{
	struct arena_hole *next = hole->next;

	if (!next || (unsigned char *)hole + hole->bytes != (unsigned char *)next)
		return;
	hole->next = next->next;
	hole->bytes += next->bytes;
	memset(next, 0, sizeof(*next));
}

void arena_dealloc(struct arena *a, void *block, uint64_t bytes)
{
	struct arena_hole *before = NULL, *hole = block;

	bytes = up(bytes ? bytes : 1, ARENA_ALIGN);
	memset(block, 0, bytes);
	pthread_mutex_lock(&a->lock);
	for (struct arena_hole *h = a->holes; h && h < hole; h = h->next)
		before = h;
	hole->bytes = bytes;
	hole->next = before ? before->next : a->holes;
	*(before ? &before->next : &a->holes) = hole;
	join(hole);
	if (before)
		join(before);
	pthread_mutex_unlock(&a->lock);
}

void *arena_alloc_window(struct arena *a, uint64_t bytes)
{
	void *window = NULL;

	pthread_mutex_lock(&a->lock);
	if (bytes <= a->window_bytes) {
		window = a->windows;
		a->windows += bytes;
		a->window_bytes -= bytes;
	}
	pthread_mutex_unlock(&a->lock);
	return window;
}

void arena_dealloc_window(struct arena *a, void *window, uint64_t bytes)
{
	(void)a;
	memset(window, 0, bytes);
}
