/* SPDX-License-Identifier: BSD-3-Clause */
/* host.h - what an IOMMU asks of its host (struct viommu_host). No lock may be held, unless it says so. */
#ifndef HOST_H
#define HOST_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct viommu;

/* viommu_run() is worthwhile. */
void unit_work(const struct viommu *u);
/* Says to a person why something was refused. */
void unit_message(const struct viommu *u, const char *text);
void unit_msi(const struct viommu *u, uint64_t address, uint32_t data);

/* ---- wired interrupts ---- */

#define LINES 64U /* of an engine, at most */

struct lines {
	_Atomic uint64_t edges; /* bit n: line n is to be told 1, then 0 */
	_Atomic uint32_t calls; /* of unit_lines() since somebody last told; the first one does */
	uint64_t told;		/* levels; of who tells */
};

/* A line of those that are triggered by edges: one that has not been told yet counts once. Locks may be
 * held; unit_lines() follows. */
void unit_edge(struct viommu *u, unsigned number);

/*
 * Tells the host what has changed: edges, and levels as engine.lines() says they are now. Whoever changes a
 * register on which a line depends calls it afterwards, from any thread; for the calls of unit_begin(),
 * unit_end() does. One thread at a time tells, of what others have changed meanwhile, too, so that the last
 * that the host hears is how it is.
 */
void unit_lines(struct viommu *u);

#endif
