/* SPDX-License-Identifier: BSD-3-Clause */
/* effects.h - lines that wait for the event during which they happened. */
#ifndef REPLAY_EFFECTS_H
#define REPLAY_EFFECTS_H

#include <stddef.h>

#include "line.h"

/* In the order of the recording, with data of their own. */
struct effects {
	struct tape_line *list;
	size_t count;
	size_t capacity;
};

/* False: out of memory. */
bool effects_add(struct effects *effects, const struct tape_line *line);
void effects_forget(struct effects *effects);
void effects_fini(struct effects *effects);

/* The next line of this kind, from *at on, which moves behind it. NULL: no more. */
const struct tape_line *effects_next(const struct effects *effects, enum tape_kind kind,
				     size_t *at);

#endif
