/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * trace.h - what a guest's unit told its host and its listeners, in one order; and assertions that
 * name the row they stand in.
 *
 *	struct trace t;
 *	trace_start(&t, &g);                       after guest_vtd(); takes the guest's hook
 *	trace_listener(&t, NULL);                  of the whole unit
 *	t.watch = guest_at(&g, g.status);          each event remembers what this word was
 *	...
 *	e = trace_nth(&t, TRACE_UNMAP, 0);
 *	trace_stop(&t);                            frees the listeners; before guest_fini()
 *
 * It remembers TRACE_EVENTS of them; beyond that they are counted only.
 */
#ifndef TESTS_TRACE_H
#define TESTS_TRACE_H

#include <stdarg.h>
#include <stddef.h>

#include <setjmp.h>

#include <cmocka.h>

#include "guest.h"

/* Kinds: those of enum guest_event, and listeners' callbacks. */
enum trace_kind { TRACE_UNMAP = GUEST_EVENTS, TRACE_MODE, TRACE_INTERRUPTS, TRACE_KINDS };

struct trace_event {
	unsigned kind;
	unsigned nth;	  /* of the guest's log for that kind */
	uint32_t watched; /* *watch at that time */
	struct viommu_device *device;
	uint32_t pasid;
	uint32_t mode;
	uint64_t first;
	uint64_t last;
};

enum { TRACE_EVENTS = 8192, TRACE_LISTENERS = 4 };

struct trace {
	struct guest *g;
	struct trace_event event[TRACE_EVENTS];
	unsigned events;
	unsigned of_kind[TRACE_KINDS];
	const uint32_t *watch;
	struct viommu_listener *listener[TRACE_LISTENERS];
	unsigned listeners;
};

void trace_start(struct trace *t, struct guest *g);
void trace_stop(struct trace *t);
/* device NULL: of the whole unit, with interrupts. */
struct viommu_listener *trace_listener(struct trace *t, struct viommu_device *device);
void trace_clear(struct trace *t);
unsigned trace_count(const struct trace *t, unsigned kind);
/* The nth event of a kind since trace_clear(), or NULL. */
const struct trace_event *trace_nth(const struct trace *t, unsigned kind, unsigned n);
/* The guest's log entry of the nth event of that kind. */
struct guest_msi trace_msi(const struct trace *t, unsigned n);
const struct viommu_device_invalidation *trace_invalidation(const struct trace *t, unsigned n);
const struct viommu_page_response *trace_response(const struct trace *t, unsigned n);

/* ---- rows ---- */

extern const char *row_name;

/* Compares numbers; a difference names the row. */
#define row_equal(is, wanted)                                                                      \
	do {                                                                                       \
		uint64_t row_is_ = (uint64_t)(is);                                                 \
		uint64_t row_wanted_ = (uint64_t)(wanted);                                         \
		if (row_is_ != row_wanted_)                                                        \
			print_error("row \"%s\": %s is %#jx, wanted %#jx\n", row_name, #is,        \
				    (uintmax_t)row_is_, (uintmax_t)row_wanted_);                   \
		assert_true(row_is_ == row_wanted_);                                               \
	} while (0)

#endif
