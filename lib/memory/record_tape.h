/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * record_tape.h - recording: what an IOMMU read and wrote of guest memory during an event, and the lines of its tape.
 *
 * An event is one call, by one thread. What it reads and writes, and what it has done otherwise, is kept with it, and becomes
 * lines when it ends, all at once: so lines of several threads are in one order, and each event's stay together. Nothing here is
 * on the way of a call while nobody records: vm->recorder is NULL.
 */
#ifndef RECORD_TAPE_H
#define RECORD_TAPE_H

#include "bits.h"
#include "machine.h"

/* Text that grows. */
struct record_text {
	struct viommu_vm *vm;
	char *at;
	uint64_t bytes;
	uint64_t capacity;
	bool failed; /* out of memory */
};

/* A word of a line: each begins with a space, but the first. */
void record_word(struct record_text *text, const char *word);
void record_hex(struct record_text *text, uint64_t value);
void record_decimal(struct record_text *text, uint64_t value);
/* Bytes in hexadecimal, in their order in memory; none: "-". */
void record_bytes(struct record_text *text, const void *bytes, uint64_t count);
/* The same, more of the same word. */
void record_more(struct record_text *text, const void *bytes, uint64_t count);
/* The same of so many zeros, which are counted: "zCOUNT.", hexadecimal. */
void record_zeros(struct record_text *text, uint64_t count);
void record_newline(struct record_text *text);
/* A line of a word and numbers: a header, or what happened. */
static inline void record_numbers(struct record_text *text, const char *name,
				  const uint64_t *values, uint32_t count)
{
	record_word(text, name);
	for (uint32_t i = 0; i < count; i++)
		record_hex(text, values[i]);
	record_newline(text);
}

/* A header of one number. */
static inline void record_header(struct record_text *text, const char *name, uint64_t value)
{
	record_numbers(text, name, &value, 1);
}

void record_text_fini(struct record_text *text);

/* One access to guest memory. */
struct record_access {
	uint64_t gpa;
	uint8_t kind;  /* RECORD_* */
	uint8_t bytes; /* 4 or 8 of them, or failed as many as that */
	unsigned char data[8];
};

#define RECORD_READ	  0U
#define RECORD_WRITTEN	  1U
#define RECORD_UNREADABLE 2U
#define RECORD_UNWRITABLE 3U
#define RECORD_KNOWN	  16384U /* granules of 4 bytes, direct-mapped */

/* What a tape has said of 4 bytes of memory last. */
struct record_known {
	uint64_t granule; /* gpa / 4 + 1; 0: none */
	uint32_t word;
	uint32_t fails; /* RECORD_UNREADABLE and _UNWRITABLE, as bits */
	uint64_t event; /* that said so, by number */
};

/* The tape of one IOMMU. Under the recorder's lock. */
struct record_tape {
	struct viommu_vm *vm;
	struct record_tape *next;
	void (*write)(void *opaque, struct viommu *iommu, const char *text, uint64_t bytes);
	void *opaque;
	struct viommu *iommu;
	struct record_known *known;
	struct record_text text; /* of the lines that are being written */
	uint32_t selected;	 /* record_event.select of the last line */
	bool lost;		 /* memory ran out: it has ended */
	bool pending;		 /* an event has not ended all that it began */
	uint32_t changing;	 /* events under way that change something */
	uint64_t changed;	 /* how many have ended */
	uint64_t events;	 /* that have been written */
	bool torn;		 /* what the last of them read has changed meanwhile */
};

/* One call that is being recorded, on its caller's stack. */
struct record_event {
	struct record_tape *tape;
	struct record_event *next; /* of those under way; under the recorder's lock */
	pthread_t thread;
	bool changes;
	uint32_t
		select; /* of a tape of several IOMMUs: whose event it is, + 1 (GS lines); 0: there is one */
	bool goes_on; /* without a line of its own it is an N line, if it did something or was to go on */
	bool beside;	  /* another that changes something was under way when it began */
	uint64_t changed; /* tape->changed when it began */
	struct record_access *accesses;
	uint64_t count;
	uint64_t capacity;
	struct record_text effects; /* lines of what it did, but memory */
	struct record_text line;    /* its own */
};

/* Of a VM, while anybody records. */
struct recorder {
	pthread_mutex_t lock; /* guards all of this; write() is called with it held */
	struct record_event *events;
	struct record_tape *tapes;
};

/* Adds a tape that is empty, or takes it away and frees what it has. Nothing else runs on the VM. VIOMMU_OK, VIOMMU_ENOMEM. */
int record_open(struct record_tape *tape);
void record_close(struct record_tape *tape);

/* Hands over lines that are no event's, such as headers: tape->text. */
void record_flush(struct record_tape *tape);

/* @changes: it changes what others are answered. */
void record_begin(struct record_tape *tape, struct record_event *event, bool changes);

/* Whether what was begun has ended, by an event that changes something. */
enum record_after { RECORD_DONE, RECORD_PENDING, RECORD_AS_BEFORE };

/* By the result of a call: one that was refused has changed nothing. */
static inline enum record_after record_after(int result)
{
	return result == VIOMMU_PENDING ? RECORD_PENDING
	       : result < 0		? RECORD_AS_BEFORE
					: RECORD_DONE;
}

/* Writes its lines; event->line is the last one, or is empty. */
void record_end(struct record_event *event, enum record_after after);
/* Whether something has happened during it. */
static inline bool record_is_empty(const struct record_event *event)
{
	return event->count == 0 && event->effects.bytes == 0;
}

/* The event of this thread on a tape, NULL: there is none. */
struct record_event *record_current(struct record_tape *tape);

/* ---- for mem.c ---- */

void record_access(struct viommu_vm *vm, unsigned kind, uint64_t gpa, const void *raw,
		   uint32_t bytes);

/* Somebody records what is read and written. */
static inline bool is_recorded(const struct viommu_vm *vm)
{
	return UNLIKELY(vm->recorder != NULL);
}

#endif
