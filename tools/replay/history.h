/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * history.h - what the recording has answered and the guest has not invalidated since: what a cache may still hold.
 *
 * A recorder and we cache different things. Between a change of the tables and its invalidation both the old and the new
 * answer are right, but the old one only if it was given before: this is where that is looked up.
 */
#ifndef REPLAY_HISTORY_H
#define REPLAY_HISTORY_H

#include <stdbool.h>
#include <stdint.h>

/* An answer for the block `first` with all low bits of mask. */
struct history_answer {
	uint64_t first;
	uint64_t mask;
	uint64_t to;
	uint32_t perm;
	uint32_t rid;
	uint32_t pasid;
	uint32_t tag;	/* of translations: domain id. Of interrupts: table entry */
	bool interrupt; /* first is the message, to what became of it */
};

/* What is forgotten: answers that match in everything that is given here. */
struct history_match {
	bool interrupt;
	bool by_tag;
	bool by_pasid;
	bool by_rid;
	bool by_range;
	uint32_t tag;
	uint32_t tag_mask; /* bits of the tag that are not compared */
	uint32_t pasid;
	uint32_t rid;
	uint32_t rid_mask; /* bits of the requester id that are not compared */
	uint64_t first;
	uint64_t last;
};

struct history_entry;

/* Zero it before the first use. */
struct history {
	struct history_entry **bucket;
	struct history_entry *free;
	bool exhausted; /* an allocation failed */
};

void history_fini(struct history *history);
void history_add(struct history *history, const struct history_answer *answer);
void history_forget(struct history *history, const struct history_match *match);

/* Whether this very answer was given and may still be cached. Not compared: rid, and tag of interrupts. */
bool history_has(const struct history *history, const struct history_answer *answer);

#endif
