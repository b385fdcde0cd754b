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

/* A message, and what it became; msi NULL: it was refused. */
struct record_message {
	uint32_t source;
	uint32_t data;
	uint64_t address;
	uint32_t flags;
	const struct viommu_msi *msi;
};

struct unit_record {
	struct record_tape *tape; /* its own, or that of another IOMMU (engine.tape_of) */
	struct record_tape own;
	struct engine engine;	    /* that records */
	const struct engine *inner; /* that works */
	struct viommu_host host;    /* the caller's */
	/* Of this kind of engine, set by engine.describe(). */
	const char *read; /* names of the lines of its registers */
	const char *write;
	uint32_t id_shift; /* of a device's id, to its name */
	uint32_t
		frame_lg2; /* registers are those of CPUs, in frames of this size; 0: they are not */
	uint32_t select;   /* record_event.select */
	bool sends;	   /* S lines */
	bool waits;	   /* T lines say of a device that it can wait for the guest */
	bool messages;	   /* interrupt messages are T lines, to the same address */
	bool wires;	   /* WSI lines */
	uint32_t levels;   /* of wires, as the host knows them */
	bool refused;	   /* a listener has refused a mapping */
	/* The line of a message that an event is of; NULL: I. */
	void (*message)(const struct viommu *u, struct record_event *event,
			const struct record_message *message);
	/* The line that says that there is a device with this id, or that it is gone. NULL: devices are only named. */
	void (*device)(const struct viommu_device *device, uint32_t id, bool gone,
		       struct record_text *text);
};

/* An event of the call's own: what the engine's public verbs do. */
static inline void unit_record_begin(struct viommu *u, struct record_event *event, bool changes)
{
	record_begin(u->record->tape, event, changes);
	event->select = u->record->select;
}

/* The same of a call that also goes on with what is pending, even if it is refused. */
static inline void unit_record_call(struct viommu *u, struct record_event *event)
{
	unit_record_begin(u, event, true);
	event->goes_on = true;
}

/* For a call that no line is of: what has come of it, as a state. For who has the unit. */
void unit_record_state(struct viommu *u);
/* The state, piece by piece; whoever has the last one restores it. */
void unit_record_write_state(struct viommu *u, struct record_text *text);
/* A listener has refused a mapping of a device. */
void unit_record_refusal(struct viommu *u, const struct viommu_device *device, uint64_t iova);

/* Begins on the tape of another one (engine.tape_of), which speaks of this one already. VIOMMU_OK, VIOMMU_ENOMEM. */
int unit_record_join(struct viommu *u);
void unit_record_stop(struct viommu *u);

/* For record_start.c: u->record->engine, and the host's callbacks. */
void unit_record_engine(struct viommu *u);
void unit_record_host(struct viommu *u);

#endif
