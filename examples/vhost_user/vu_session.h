/* SPDX-License-Identifier: BSD-3-Clause */
/* vu_session.h - one guest with one backend: everything that a mode needs, set up and taken down.
 */
#ifndef EXAMPLES_VHOST_USER_VU_SESSION_H
#define EXAMPLES_VHOST_USER_VU_SESSION_H

#include "vu_child.h"
#include "vu_driver.h"
#include "vu_message.h"

enum vu_mode {
	MODE_NONE,		 /* no IOMMU */
	MODE_STATIC,		 /* guest memory is mapped once */
	MODE_DYNAMIC,		 /* map, use, unmap, flush for every buffer */
	MODE_BATCHED,		 /* one flush for 64 buffers */
	MODE_TIMED,		 /* so many are measured */
	MODE_ROGUE = MODE_TIMED, /* rings point where they may not */
	MODE_UNMAPPED,		 /* a backend tries what it could reach before */
	MODE_HELD,		 /* our backend does not let go at once */
	MODES,
};

extern const char *const mode_names[MODES];

enum vu_kind { KIND_TESTPMD, KIND_OWN, KIND_SOCKET };

struct vu_options {
	enum vu_mode mode;
	bool all;   /* every mode */
	bool table; /* every timed mode, `runs` times, interleaved */
	enum vu_kind kind;
	const char *socket; /* KIND_SOCKET */
	const struct vu_engine_type *engine;
	double seconds;
	uint64_t packets;
	unsigned runs;
	unsigned frame_bytes;
	unsigned ahead;	 /* pages of read-ahead in batched mode */
	bool ring;	 /* device IOTLB messages go through shared memory, if the backend can */
	bool write_only; /* buffers for receiving are mapped without read permission */
	unsigned pairs;	 /* of queues, in timed modes */
	bool packed;	 /* rings */
	bool gaps;	 /* an unmapped page between two mappings */
	bool cheat;	 /* own backend: acknowledges before it lets go; the test has to notice */
	const char *json;
};

struct vu_session {
	struct vu_ram ram;
	struct vu_engine engine;
	struct vu_link link;
	struct vu_driver driver[VU_PAIRS]; /* one for each pair of queues */
	unsigned pairs;
	bool iommu;
};

/* Connects to the backend at a socket; nothing is started. */
bool session_open(struct vu_session *s, const char *socket, enum vu_mode mode,
		  const struct vu_options *options);
void session_close(struct vu_session *s);

/* Figures of one run. */
struct vu_result {
	enum vu_mode mode;
	double seconds;
	uint64_t packets, lost, wrong;
	uint64_t refused; /* messages that the backend refused */
	bool ring;	  /* they went through shared memory */
	struct vu_work work;
	bool good;
};

/* A timed mode: warms up, measures, drains. */
struct vu_result session_measure(const char *socket, enum vu_mode mode,
				 const struct vu_options *options);

/* vu_rogue.c: prints a line for each thing that is tried; whether all was as it should be. */
bool rogue_run(struct vu_child *child, const char *socket, const struct vu_options *options);

/* vu_unmapped.c: the same. held_run() needs our own backend in its rude manner. */
bool unmapped_run(struct vu_child *child, const char *socket, const struct vu_options *options);
bool held_run(const char *socket, const struct vu_options *options);

/* Tells what was tried and how it went. */
bool session_show(const char *what, bool good);

#endif
