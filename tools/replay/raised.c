/* SPDX-License-Identifier: BSD-3-Clause */
/* raised.c - what an IOMMU has raised during an event. */

#include <inttypes.h>
#include <stdio.h>

#include "grow.h"
#include "player.h"

void raised_add(struct player *p, struct raised_list *r, uint64_t address, uint32_t data)
{
	struct raised *list = grow(r->list, r->count, &r->capacity, sizeof(*list));

	if (!list) {
		p->exhausted = true;
		return;
	}
	r->list = list;
	list[r->count++] = (struct raised){ address, data };
}

static void raised_text(char *text, size_t size, uint64_t address, uint64_t data)
{
	snprintf(text, size, "%" PRIx64 " %" PRIx64, address, data);
}

static void compare(struct player *p, enum tape_kind kind, const struct tape_line *event,
		    const struct tape_line *e, const struct raised *r)
{
	char expected[64] = "no interrupt";
	char came[64] = "no interrupt";

	if (e && r && e->at == r->address && e->value == r->data)
		return;
	if (e)
		raised_text(expected, sizeof(expected), e->at, e->value);
	if (r)
		raised_text(came, sizeof(came), r->address, r->data);
	player_differ(p, kind, e ? e->number : event->number, expected, came);
}

void raised_settle(struct player *p, enum tape_kind kind, const struct tape_line *event,
		   struct raised_list *r)
{
	const struct tape_line *e;
	size_t at = 0;

	for (size_t i = 0; (e = effects_next(&p->effects, kind, &at)) || i < r->count; i++)
		compare(p, kind, event, e, i < r->count ? &r->list[i] : NULL);
	r->count = 0;
}

void raised_on_msi(void *opaque, uint64_t address, uint32_t data)
{
	struct player *p = opaque;

	raised_add(p, &p->sent, address, data);
}

void raised_settle_sent(struct player *p, const struct tape_line *event)
{
	raised_settle(p, TAPE_S, event, &p->sent);
}
