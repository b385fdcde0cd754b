/* SPDX-License-Identifier: BSD-3-Clause */
/* virtio_record.c - a virtio-iommu that is recorded: what it is, its endpoints, requests, fault records. */

#include "recorder.h"
#include "virtio_engine.h"

/* P endpoint [subtype first last]... [granule] */
void virtio_record_endpoint(const struct viommu_device *device, uint32_t id, bool gone,
			    struct record_text *t)
{
	const struct virtio *v = virtio_of(device->iommu);
	const struct virtio_endpoint *e =
		(const struct virtio_endpoint *)device; /* device is the first member */
	const struct virtio_regions *regions =
		gone ? NULL : atomic_load_explicit(&e->regions, memory_order_relaxed);

	if (id == VIOMMU_NO_ID)
		return;
	record_word(t, gone ? "PG" : "P");
	record_hex(t, id);
	for (uint32_t i = 0; regions && i < regions->count; i++) {
		record_hex(t, regions->region[i].subtype);
		record_hex(t, regions->region[i].first);
		record_hex(t, regions->region[i].last);
	}
	if (!gone && e->granule && e->granule != v->granule)
		record_hex(t, e->granule);
	record_newline(t);
}

void virtio_describe(struct viommu *u, struct record_text *t)
{
	const struct viommu_virtio_config *c = &virtio_of(u)->config;
	const uint64_t caps[] = { c->domains, c->mappings, c->domain_mappings, c->events };

	record_header(t, "features", c->features);
	record_header(t, "page_size_mask", c->page_size_mask);
	record_numbers(t, "input_range", (const uint64_t[]){ c->input_first, c->input_last }, 2);
	record_numbers(t, "domain_range", (const uint64_t[]){ c->domain_first, c->domain_last }, 2);
	record_word(t, "probe_size");
	record_decimal(t, c->probe_size);
	record_newline(t);
	record_header(t, "bypass", c->bypass);
	record_header(t, "gpa_last", c->gpa_last);
	record_numbers(t, "caps", caps, ARRAY_COUNT(caps));
	u->record->read = "CR";
	u->record->write = "CW";
	u->record->messages = true;
	u->record->device = virtio_record_endpoint;
	for (const struct viommu_device *d = u->all_devices; d; d = d->next_of_all)
		virtio_record_endpoint(d, atomic_load_explicit(&d->id, memory_order_relaxed), false,
				       t);
}

/* ---- requests ---- */

/* As many zeros of the writable part are counted, not written: PROBE has few properties in much room. */
#define ZEROS_MIN 128U

static void put_zeros(struct record_text *t, uint64_t count)
{
	if (count >= ZEROS_MIN)
		record_zeros(t, count);
	for (uint64_t i = 0; count < ZEROS_MIN && i < count; i++)
		record_more(t, "", 1);
}

static void put_part(struct record_text *t, const unsigned char *from, uint64_t bytes,
		     uint64_t *zeros)
{
	for (uint64_t i = 0; i < bytes; i++) {
		if (from[i] == 0) {
			++*zeros;
			continue;
		}
		put_zeros(t, *zeros);
		*zeros = 0;
		record_more(t, from + i, 1);
	}
}

static void put_parts(struct record_text *t, const struct viommu_part *part, uint32_t count,
		      uint64_t bytes)
{
	uint64_t zeros = 0;

	record_word(t, bytes ? "" : "-");
	for (uint32_t i = 0; i < count && bytes; i++) {
		uint64_t piece = part[i].bytes < bytes ? part[i].bytes : bytes;

		put_part(t, part[i].base, piece, &zeros);
		bytes -= piece;
	}
	put_zeros(t, zeros);
}

static uint64_t bytes_of(const struct viommu_part *part, uint32_t count, uint64_t most)
{
	uint64_t bytes = 0;

	for (uint32_t i = 0; i < count && bytes < most; i++)
		bytes += part[i].bytes < most ? part[i].bytes : most;
	return bytes < most ? bytes : most;
}

void virtio_record_request(struct viommu *u, struct record_event *e,
			   const struct viommu_part *readable, uint32_t readable_count,
			   const struct viommu_part *writable, uint32_t writable_count,
			   uint32_t written)
{
	uint64_t asked = bytes_of(readable, readable_count, VIRTIO_PROBE_BYTES);
	uint64_t room = virtio_of(u)->config.probe_size + (uint64_t)VIRTIO_TAIL_BYTES;

	room = bytes_of(writable, writable_count, room);
	record_word(&e->line, "Q");
	put_parts(&e->line, readable, readable_count, asked);
	put_parts(&e->line, writable, writable_count, room);
	record_decimal(&e->line, written);
}

/* ---- fault records ---- */

void virtio_record_event(struct virtio *v, const void *bytes, bool dropped)
{
	struct record_event *e = record_current(v->unit.record->tape);

	if (!e)
		return;
	record_word(&e->effects, dropped ? "e" : "E");
	record_bytes(&e->effects, bytes, VIOMMU_VIRTIO_EVENT_BYTES);
	record_newline(&e->effects);
}
