/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * recorder.h - an IOMMU that is recorded.
 *
 * Its engine is another one: a copy whose functions write down what the engine's own do. And it is asked every request
 * (viommu.counted), so that hits are seen as well.
 */
#ifndef RECORDER_H
#define RECORDER_H

#include <libvirtiommu/record.h>

#include "record_tape.h"
#include "unit.h"

struct unit_record {
	struct record_tape tape;
	struct engine engine;	    /* that records */
	const struct engine *inner; /* that works */
	struct viommu_host host;    /* the caller's */
	/* Of this kind of engine, set by engine.describe(). */
	const char *read; /* names of the lines of its registers */
	const char *write;
	uint32_t id_shift; /* of a device's id, to its name */
	bool sends;	   /* S lines */
	bool messages;	   /* interrupt messages are T lines, to the same address */
	bool wires;	   /* WSI lines */
	uint32_t levels;   /* of wires, as the host knows them */
	/* The line that says that there is a device with this id, or that it is gone. NULL: devices are only named. */
	void (*device)(const struct viommu_device *device, uint32_t id, bool gone,
		       struct record_text *text);
};

/* An event of the call's own: what the engine's public verbs do. */
static inline void unit_record_begin(struct viommu *u, struct record_event *event, bool changes)
{
	record_begin(&u->record->tape, event, changes);
}

/* The same of a call that also goes on with what is pending, even if it is refused. */
static inline void unit_record_call(struct viommu *u, struct record_event *event)
{
	unit_record_begin(u, event, true);
	event->goes_on = true;
}

#endif
