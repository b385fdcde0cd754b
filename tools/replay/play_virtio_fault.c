/* SPDX-License-Identifier: BSD-3-Clause */
/* play_virtio_fault.c - fault records of a virtio-iommu (E, e; 5.13.6.12): their order, and all bytes. */

#include <stdio.h>
#include <string.h>

#include "play_virtio.h"

/* struct virtio_iommu_fault: le8 reason, le32 flags at 4, le32 endpoint at 8, le64 address at 16 */
#define REASON_UNKNOWN 0U
#define REASON_DOMAIN  1U
#define REASON_MAPPING 2U
#define FLAG_ACCESS    3U /* READ and WRITE, both in the first byte of the flags */
#define AT_REASON      0U
#define AT_FLAGS       4U

bool virtio_parse_record(struct words *w, struct tape_line *l)
{
	if (!line_fields(w, 2) || !words_data(w, 1))
		return false;
	l->data = w->data;
	l->bytes = (uint32_t)w->bytes;
	return l->bytes == VIOMMU_VIRTIO_EVENT_BYTES ||
	       words_fail(w, "a fault record of %u bytes", l->bytes);
}

/* ---- deviations: each makes the recorded byte ours if it accounts for the difference ---- */

static void reason_unknown(struct player *p, const struct endpoint *e, const uint8_t *ours,
			   uint8_t *recorded)
{
	if (recorded[AT_REASON] != REASON_UNKNOWN || ours[AT_REASON] != REASON_DOMAIN || e->met)
		return;
	recorded[AT_REASON] = REASON_DOMAIN;
	player_deviates(p, DEVIATION_UNKNOWN_ENDPOINT);
}

/* Ours is what was asked for; the recorder's is nothing, where nothing is mapped. */
static void flags_left_out(struct player *p, const struct endpoint *e,
			   const struct tape_line *event, const uint8_t *ours, uint8_t *recorded)
{
	struct viommu_fragment mapping;

	if ((recorded[AT_FLAGS] & FLAG_ACCESS) || (ours[AT_FLAGS] & FLAG_ACCESS) != event->access ||
	    virtio_mapped(e, event->at, &mapping))
		return;
	recorded[AT_FLAGS] |= (uint8_t)event->access;
	player_deviates(p, DEVIATION_FLAGS_LEFT_OUT);
}

static void account(struct player *p, const struct tape_line *event, const uint8_t *ours,
		    uint8_t *recorded)
{
	const struct endpoint *e = event->kind == TAPE_T ? virtio_endpoint(p, event->rid) : NULL;

	if (!e)
		return;
	reason_unknown(p, e, ours, recorded);
	flags_left_out(p, e, event, ours, recorded);
}

/* ---- records ---- */

static void text_of(char *text, const uint8_t *record)
{
	for (unsigned i = 0; i < VIOMMU_VIRTIO_EVENT_BYTES; i++)
		snprintf(text + 2 * i, 3, "%02x", record[i]);
}

static void differ(struct player *p, enum tape_kind kind, uint64_t number, const uint8_t *recorded,
		   const uint8_t *ours)
{
	char expected[2 * VIOMMU_VIRTIO_EVENT_BYTES + 1] = "no record";
	char came[2 * VIOMMU_VIRTIO_EVENT_BYTES + 1] = "no record";

	if (recorded)
		text_of(expected, recorded);
	if (ours)
		text_of(came, ours);
	player_differ(p, kind, number, expected, came);
}

static bool take(struct player *p, uint8_t *record)
{
	return viommu_virtio_event(p->iommu, record, VIOMMU_VIRTIO_EVENT_BYTES) == VIOMMU_OK;
}

static void compare(struct player *p, const struct tape_line *event, const struct tape_line *e,
		    const uint8_t *ours)
{
	uint8_t recorded[VIOMMU_VIRTIO_EVENT_BYTES];

	memcpy(recorded, e->data, sizeof(recorded));
	if (ours)
		account(p, event, ours, recorded);
	if (!ours || memcmp(recorded, ours, sizeof(recorded)) != 0)
		differ(p, e->kind, e->number, recorded, ours);
	else if (e->kind == TAPE_DROPPED)
		player_deviates(p, DEVIATION_FAULT_WITHOUT_BUFFER);
}

/* A record that the recording does not have: that of the access beside a mapping, and no other. */
static void compare_extra(struct player *p, const struct tape_line *event, const uint8_t *ours)
{
	if (!p->virtio->beside_mapping || ours[AT_REASON] != REASON_MAPPING)
		differ(p, TAPE_E, event->number, NULL, ours);
	p->virtio->beside_mapping = false;
}

static void compare_all(struct player *p, const struct tape_line *event)
{
	uint8_t ours[VIOMMU_VIRTIO_EVENT_BYTES];

	for (size_t i = 0; i < p->effects.count; i++) {
		const struct tape_line *e = &p->effects.list[i];

		if (e->kind == TAPE_E || e->kind == TAPE_DROPPED)
			compare(p, event, e, take(p, ours) ? ours : NULL);
	}
	while (take(p, ours))
		compare_extra(p, event, ours);
}

void virtio_drop_records(struct player *p)
{
	uint8_t ours[VIOMMU_VIRTIO_EVENT_BYTES];

	while (take(p, ours))
		;
}

void virtio_settle_records(struct player *p, const struct tape_line *event)
{
	if (!p->virtio->differs)
		compare_all(p, event);
	virtio_drop_records(p);
	p->virtio->differs = false;
	p->virtio->beside_mapping = false;
}
