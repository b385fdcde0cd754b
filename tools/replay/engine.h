/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * engine.h - what is replayed: a recording names an engine, which is made of parts, and each part has rows of lines.
 *
 * To add an engine, or a part of one (the ITS of an SMMUv3 recording, say):
 *
 *	1. play_NAME.c has its `const struct part part_NAME`: the headers it reads, a row for each kind of line, and
 *	   start() and stop(). What it keeps is a struct of its own, to which struct player has a pointer. The kinds of
 *	   the format are in line.h already; line.c has readers for what a line says, play_virtio.c has some of its own.
 *	2. engine.c names the part under the engines whose recordings have it.
 *	3. Where a recording differs from the manual, deviation.h has a name for it, and deviation.c says what it is.
 *	4. tests/tape has a small recording in data/, and replay_cli.sh an altered line for each kind, which is noticed.
 */
#ifndef REPLAY_ENGINE_H
#define REPLAY_ENGINE_H

#include "line.h"

struct player;
struct viommu;
struct viommu_device;

enum role {
	ROLE_STATE,  /* is applied when it is read: M */
	ROLE_EVENT,  /* the guest, or a device, does something */
	ROLE_EFFECT, /* happened during the event that follows: m, S, GL, E */
};

struct line_row {
	enum tape_kind kind;
	enum role role;
	/* Says what the words behind the kind are; false: words->error says why they are not of the format. */
	bool (*parse)(struct words *words, struct tape_line *line);
	/* States and events: does it, and compares the answer. */
	void (*serve)(struct player *player, const struct tape_line *line);
	/* Effects: compares all of this kind (player->effects) with what the event did, once an event, even if there are none. */
	void (*settle)(struct player *player, const struct tape_line *event);
};

/* A header: its name and one letter for each word of its value. x hexadecimal, d decimal, w a word, * the rest. */
struct header_row {
	const char *name;
	const char *words;
	bool required;
};

struct steps;

/* An interrupt message that an entry of a table is for. */
struct table_message {
	bool present; /* there is something in the entry */
	uint32_t source;
	uint32_t data;
	uint64_t address;
};

struct part {
	const struct header_row *headers; /* up to one without a name; NULL: none */
	const struct line_row *lines;
	unsigned line_count;
	/* Makes the engine; a result of the library. And frees what there is of it. NULL: there is none yet. */
	int (*start)(struct player *player);
	void (*stop)(struct player *player);
	/* NULL: there is none (yet). No such function: of the first part it is player->iommu. */
	struct viommu *(*iommu)(const struct player *player);
	/* The nth ITS, from 0, and where its translation frame is; NULL: there are not so many. No such function: none. */
	struct viommu *(*its)(const struct player *player, unsigned n, uint64_t *translation);
	/* Who has this name on T lines; NULL: nobody. No such function: a device that has it as its id, or may have it. */
	struct viommu_device *(*device)(struct player *player, uint32_t name);
	/* The name of the device of an id. NULL: the id. */
	uint32_t (*name)(const struct player *player, uint32_t id);
	/* The message of the nth entry of the interrupt table; false: it has not so many. NULL: there is none. */
	bool (*message)(const struct player *player, uint64_t n, struct table_message *message);
	/* The same where each device has a table: `source` is the device, and its context has been explained. */
	bool (*device_message)(const struct steps *context, uint64_t n,
			       struct table_message *message);
	/* A state has been restored: what it brought of which lines speak when it comes is over. NULL: there is none. */
	void (*restored)(struct player *player);
};

#define PARTS_MAX 4U

struct engine {
	const char *name;
	const struct part *part[PARTS_MAX]; /* up to NULL */
};

/* NULL: no recordings of it are known. */
const struct engine *engine_find(const char *name);

/* The row of a kind of line, NULL: it is of another engine. */
const struct line_row *engine_row(const struct engine *engine, enum tape_kind kind);

extern const struct part part_vtd;
extern const struct part part_virtio;
extern const struct part part_riscv;
extern const struct part part_smmu;
extern const struct part part_its;
extern const struct part part_gic; /* the same, recorded by the library */
extern const struct part part_tce;
extern const struct part part_amdvi;
extern const struct part part_common; /* play_common.c: what the library records of every engine */
extern const struct part part_reset;  /* the same, where X is not the engine's own */

#endif
