/* SPDX-License-Identifier: BSD-3-Clause */
/* play_virtio_request.c - requests to a virtio-iommu (Q): the whole reply, byte by byte, and its used length. */

#include <stdio.h>
#include <string.h>

#include "play_virtio.h"

#define REQUEST_ATTACH 1U
#define REQUEST_DETACH 2U
#define REQUEST_NAMES  12U /* bytes up to the endpoint of both */

/* "-": no bytes. */
static bool part(struct words *w, unsigned i, uint32_t *bytes)
{
	size_t before = w->bytes;

	if (strcmp(w->word[i], "-") != 0 && !words_data_zeros(w, i))
		return false;
	*bytes = (uint32_t)(w->bytes - before);
	return true;
}

bool virtio_parse_request(struct words *w, struct tape_line *l)
{
	l->data = w->data;
	return line_fields(w, 4) && part(w, 1, &l->bytes) &&
	       (l->bytes <= WORDS_BYTES_MAX || words_fail(w, "memory of %u bytes", l->bytes)) &&
	       part(w, 2, &l->reply_bytes) && words_decimal(w, 3, UINT32_MAX, &l->used);
}

static uint32_t word_at(const uint8_t *from)
{
	return (uint32_t)from[0] | (uint32_t)from[1] << 8 | (uint32_t)from[2] << 16 |
	       (uint32_t)from[3] << 24;
}

/* Keeps which endpoints the driver has named. */
static void meet(struct player *p, const struct tape_line *l)
{
	struct endpoint *e;

	if (l->bytes < REQUEST_NAMES ||
	    (l->data[0] != REQUEST_ATTACH && l->data[0] != REQUEST_DETACH))
		return;
	e = virtio_endpoint(p, word_at(l->data + 8));
	if (e)
		e->met = true;
}

/*
 * The buffer before the request. What is used has to be written, so it holds what it must not end as; the rest is as
 * the driver left it.
 */
static void prepare(const struct tape_line *l, uint8_t *reply)
{
	for (uint32_t i = 0; i < l->reply_bytes; i++) {
		uint8_t recorded = l->data[l->bytes + i];

		reply[i] = i < l->used ? (uint8_t)~recorded : recorded;
	}
}

static int ask(struct player *p, const struct tape_line *l, uint32_t *used)
{
	uint8_t request[WORDS_BYTES_MAX];
	const struct viommu_part readable = { .base = request, .bytes = l->bytes };
	const struct viommu_part writable = { .base = p->virtio->reply, .bytes = l->reply_bytes };
	int result;

	memcpy(request, l->data, l->bytes);
	p->virtio->complete = false;
	result = viommu_virtio_request(p->iommu, &readable, 1, &writable, 1, 1, used);
	if (result != VIOMMU_PENDING || p->marked)
		return result < 0 ? result : VIOMMU_OK; /* marked: N lines go on */
	result = player_finish(p, p->iommu, result);
	return result == VIOMMU_OK && !p->virtio->complete ? VIOMMU_PENDING : result;
}

/* Used length, and the first bytes that differ. */
static void differ(struct player *p, const struct tape_line *l, const uint8_t *reply, uint32_t used)
{
	char expected[64];
	char came[64];
	uint32_t i = 0;

	while (i < l->reply_bytes && reply[i] == l->data[l->bytes + i])
		i++;
	if (i == l->reply_bytes) {
		snprintf(expected, sizeof(expected), "%u bytes used", l->used);
		snprintf(came, sizeof(came), "%u", used);
	} else {
		snprintf(expected, sizeof(expected), "%02x in byte %u of the reply",
			 l->data[l->bytes + i], i);
		snprintf(came, sizeof(came), "%02x", reply[i]);
	}
	player_differ(p, l->kind, l->number, expected, came);
}

void virtio_request_line(struct player *p, const struct tape_line *l)
{
	uint8_t *reply = p->virtio->reply;
	uint32_t used = 0;
	int result;

	prepare(l, reply);
	result = ask(p, l, &used);
	meet(p, l);
	if (result != VIOMMU_OK)
		player_differ(p, l->kind, l->number, "an answer", viommu_strerror(result));
	else if (used != l->used || memcmp(reply, l->data + l->bytes, l->reply_bytes) != 0)
		differ(p, l, reply, used);
}
