/* SPDX-License-Identifier: BSD-3-Clause */
/* effects.c - lines that wait for the event during which they happened. */

#include <string.h>

#include "effects.h"
#include "grow.h"

bool effects_add(struct effects *e, const struct tape_line *l)
{
	struct tape_line *list = grow(e->list, e->count, &e->capacity, sizeof(*list));
	uint8_t *data = NULL;

	if (!list)
		return false;
	e->list = list;
	if (l->data) {
		data = malloc(l->bytes + 1);
		if (!data)
			return false;
		memcpy(data, l->data, l->bytes);
	}
	e->list[e->count] = *l;
	e->list[e->count++].data = data;
	return true;
}

void effects_forget(struct effects *e)
{
	for (size_t i = 0; i < e->count; i++)
		free((void *)e->list[i].data);
	e->count = 0;
}

void effects_fini(struct effects *e)
{
	effects_forget(e);
	free(e->list);
	*e = (struct effects){ 0 };
}

const struct tape_line *effects_next(const struct effects *e, enum tape_kind kind, size_t *at)
{
	while (*at < e->count) {
		const struct tape_line *l = &e->list[(*at)++];

		if (l->kind == kind)
			return l;
	}
	return NULL;
}
