/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vu_rude.c - a backend that does not let go at once of what it has resolved, for tests: it stays
 * in a section, writing to a buffer that it has used already. It may do so until it acknowledges
 * the invalidation, and not a moment longer.
 */
#define _GNU_SOURCE
#include <time.h>

#include "vu_backend.h"

#define WRITE_AT 3072U /* in the buffer's page, beyond what frames use */

static uint64_t now_milliseconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void write_on(struct vu_backend *b)
{
	__atomic_fetch_add((uint32_t *)(void *)(b->held + WRITE_AT), 1, __ATOMIC_RELAXED);
}

/* Resolves the last buffer again, and stays where it may be used. */
static void hold(struct vu_backend *b)
{
	struct vu_pair *p = &b->device.pair[0];
	struct vu_span span;
	unsigned count = 1;

	space_enter(&p->reader);
	if (space_resolve(&p->reader, p->last_rx & ~UINT64_C(4095), 4096, VIOMMU_WRITE, &span,
			  &count) == RESOLVED)
		b->held = span.base;
	else
		space_leave(&p->reader);
	p->has_last_rx = false;
}

void rude_told(struct vu_backend *b)
{
	if (b->held && !b->held_until)
		b->held_until = now_milliseconds() + b->manners.rude_milliseconds;
}

bool rude_poll(struct vu_backend *b)
{
	if (!b->manners.rude_milliseconds)
		return space_owed(&b->device.space);
	if (!b->held && b->device.pair[0].has_last_rx)
		hold(b);
	while (b->held) {
		write_on(b);
		if (!b->held_until)
			return false;
		if (now_milliseconds() < b->held_until)
			continue;
		space_leave(&b->device.pair[0].reader);
		b->held = NULL;
		b->held_until = 0;
	}
	return space_owed(&b->device.space);
}
