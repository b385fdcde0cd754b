/* SPDX-License-Identifier: BSD-3-Clause */
/* grow.h - lists that grow. */
#ifndef REPLAY_GROW_H
#define REPLAY_GROW_H

#include <stddef.h>
#include <stdlib.h>

/* Room for one more of so many bytes. NULL: out of memory, and the list is as it was. */
static inline void *grow(void *list, size_t count, size_t *capacity, size_t bytes)
{
	size_t more = *capacity ? 2 * *capacity : 16;

	if (count < *capacity)
		return list;
	list = realloc(list, more * bytes);
	if (list)
		*capacity = more;
	return list;
}

#endif
