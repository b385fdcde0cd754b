/* SPDX-License-Identifier: BSD-3-Clause */
/* play_virtio.c - recordings of virtio-iommu: the engine, its configuration space, its endpoints, resets. */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "play_virtio.h"

/* ---- the engine ---- */

static void on_complete(void *opaque, uint64_t token)
{
	struct player *p = opaque;

	(void)token; /* one request at a time */
	p->virtio->complete = true;
}

static int new_engine(struct player *p)
{
	const struct viommu_host host = { .size = sizeof(host),
					  .opaque = p,
					  .message = player_message };
	struct viommu_limits limits;
	const struct viommu_virtio_config config = {
		.size = sizeof(config),
		.features = player_header(p, "features", 0, 0),
		.page_size_mask = player_header(p, "page_size_mask", 0, 0),
		.input_first = player_header(p, "input_range", 0, 0),
		.input_last = player_header(p, "input_range", 1, 0),
		.domain_first = (uint32_t)player_header(p, "domain_range", 0, 0),
		.domain_last = (uint32_t)player_header(p, "domain_range", 1, 0),
		/* who records a guest does not say where its memory ends */
		.gpa_last = player_header(p, "gpa_last", 0, UINT64_MAX),
		.probe_size = (uint32_t)player_header(p, "probe_size", 0, 0),
		.bypass = (uint32_t)player_header(p, "bypass", 0, 0),
		.domains = (uint32_t)player_header(p, "caps", 0, 0),
		.mappings = (uint32_t)player_header(p, "caps", 1, 0),
		.domain_mappings = (uint32_t)player_header(p, "caps", 2, 0),
		.events = (uint32_t)player_header(p, "caps", 3, 0),
		.complete = on_complete,
		.opaque = p,
		.host = &host,
		.limits = player_limits(p, &limits),
	};

	return viommu_virtio_new(p->vm, &config, &p->iommu);
}

static int start(struct player *p)
{
	p->virtio = calloc(1, sizeof(*p->virtio));
	return p->virtio ? new_engine(p) : VIOMMU_ENOMEM;
}

static void free_endpoint(struct endpoint *e)
{
	viommu_channel_free(e->channel);
	viommu_device_free(e->device);
	free(e);
}

static void stop(struct player *p)
{
	struct endpoint *e;
	struct endpoint *next;

	if (!p->virtio)
		return;
	HASH_ITER(hh, p->virtio->endpoints, e, next) {
		HASH_DEL(p->virtio->endpoints, e);
		free_endpoint(e);
	}
	free(p->virtio);
	p->virtio = NULL;
}

/* Says so if a call was not served. */
static void expect_served(struct player *p, const struct tape_line *l, int result)
{
	result = player_finish(p, p->iommu, result);
	if (result != VIOMMU_OK)
		player_differ(p, l->kind, l->number, "to be served", viommu_strerror(result));
}

/* ---- endpoints (P) ---- */

struct endpoint *virtio_endpoint(const struct player *p, uint32_t id)
{
	struct endpoint *e;

	HASH_FIND(hh, p->virtio->endpoints, &id, sizeof(id), e);
	return e;
}

static int found(void *opaque, uint64_t iova, const struct viommu_fragment *f)
{
	struct viommu_fragment *mapping = opaque;

	(void)iova;
	*mapping = *f;
	return 0;
}

bool virtio_mapped(const struct endpoint *e, uint64_t iova, struct viommu_fragment *mapping)
{
	uint64_t first = iova;

	*mapping = (struct viommu_fragment){ 0 };
	viommu_replay(e->device, VIOMMU_NO_PASID, &first, iova, 0, found, mapping);
	return mapping->length != 0;
}

/* P endpoint [subtype first last]... [granule] */
static bool parse_endpoint(struct words *w, struct tape_line *l)
{
	bool granule = w->count > 2 && (w->count - 2) % 3 == 1;

	if (granule && !words_hex(w, --w->count, UINT64_MAX, &l->value))
		return false;
	if (w->count < 2 || (w->count - 2) % 3 != 0)
		return words_fail(w, "%u fields in a line of kind P", w->count);
	if (!words_hex32(w, 1, UINT32_MAX, &l->rid))
		return false;
	l->list = w->list;
	l->listed = w->count - 2;
	for (unsigned i = 0; i < l->listed; i++) {
		if (!words_hex(w, i + 2, i % 3 ? UINT64_MAX : 1, &w->list[i]))
			return false;
	}
	return true;
}

/* *full: no memory for its entry in the table. */
static int make_endpoint(struct player *p, struct endpoint *e, bool *full)
{
	const struct viommu_device_config config = { .size = sizeof(config), .id = e->id };
	int result = viommu_device_new(p->iommu, &config, &e->device);

	if (!result)
		result = viommu_channel_new(e->device, VIOMMU_NO_PASID, &e->channel);
	if (!result)
		TABLE_ADD(p->virtio->endpoints, id, e, *full);
	return result;
}

static struct endpoint *new_endpoint(struct player *p, uint32_t id, int *result)
{
	struct endpoint *e = calloc(1, sizeof(*e));
	bool full = false;

	*result = VIOMMU_ENOMEM;
	if (!e)
		return NULL;
	e->id = id;
	*result = make_endpoint(p, e, &full);
	if (full)
		*result = VIOMMU_ENOMEM;
	if (!*result)
		return e;
	free_endpoint(e);
	return NULL;
}

static int describe(struct endpoint *e, const struct tape_line *l)
{
	const struct viommu_virtio_endpoint endpoint = { .size = sizeof(endpoint),
							 .region_count = l->listed / 3,
							 .regions = e->region,
							 .page_size_mask = l->value };

	for (unsigned i = 0; i < l->listed / 3; i++)
		e->region[i] = (struct viommu_virtio_region){ .subtype = (uint32_t)l->list[3 * i],
							      .first = l->list[3 * i + 1],
							      .last = l->list[3 * i + 2] };
	e->region_count = l->listed / 3;
	e->granule = l->value;
	return viommu_virtio_set_endpoint(e->device, &endpoint);
}

/* Whether a line only repeats what is known of an endpoint. */
static bool is_described(const struct endpoint *e, const struct tape_line *l)
{
	if (e->region_count != l->listed / 3 || e->granule != l->value)
		return false;
	for (unsigned i = 0; i < e->region_count; i++) {
		if (e->region[i].subtype != l->list[3 * i] ||
		    e->region[i].first != l->list[3 * i + 1] ||
		    e->region[i].last != l->list[3 * i + 2])
			return false;
	}
	return true;
}

static void endpoint_line(struct player *p, const struct tape_line *l)
{
	struct endpoint *e = virtio_endpoint(p, l->rid);
	int result = VIOMMU_OK;

	if (e && is_described(e, l))
		return;
	if (!e)
		e = new_endpoint(p, l->rid, &result);
	if (e)
		result = describe(e, l);
	expect_served(p, l, result);
}

/* PG endpoint */
static void gone_line(struct player *p, const struct tape_line *l)
{
	struct endpoint *e = virtio_endpoint(p, (uint32_t)l->value);

	if (!e) {
		player_differ(p, l->kind, l->number, "an endpoint", "none");
		return;
	}
	HASH_DEL(p->virtio->endpoints, e);
	free_endpoint(e);
}

/* PN [old new]...: all at once */
static bool parse_renamed(struct words *w, struct tape_line *l)
{
	l->list = w->list;
	l->listed = w->count - 1;
	if (l->listed % 2)
		return words_fail(w, "%u fields in a line of kind PN", w->count);
	for (unsigned i = 0; i < l->listed; i++) {
		if (!words_hex(w, i + 1, UINT32_MAX - 1, &w->list[i]))
			return false;
	}
	return true;
}

static void renamed_line(struct player *p, const struct tape_line *l)
{
	struct viommu_device *device[WORDS_MAX / 2];
	struct endpoint *of[WORDS_MAX / 2];
	uint32_t id[WORDS_MAX / 2];
	unsigned count = l->listed / 2;
	int result = VIOMMU_OK;
	bool full = false;

	for (unsigned i = 0; i < count && !result; i++) {
		of[i] = virtio_endpoint(p, (uint32_t)l->list[2 * i]);
		id[i] = (uint32_t)l->list[2 * i + 1];
		if (of[i])
			device[i] = of[i]->device;
		else
			result = VIOMMU_ENOENT;
	}
	if (!result && count)
		result = viommu_devices_set_ids(device, id, count);
	expect_served(p, l, result);
	for (unsigned i = 0; i < count && !result; i++)
		HASH_DEL(p->virtio->endpoints, of[i]);
	for (unsigned i = 0; i < count && !result; i++) {
		of[i]->id = id[i];
		TABLE_ADD(p->virtio->endpoints, id, of[i], full);
		p->exhausted |= full;
	}
}

/* ---- resets, features, status (X, F, D) ---- */

static void reset_line(struct player *p, const struct tape_line *l)
{
	for (struct endpoint *e = p->virtio->endpoints; e; e = e->hh.next)
		e->met = false;
	expect_served(p, l, l->value ? viommu_reset(p->iommu) : viommu_virtio_reset(p->iommu));
}

static void features_line(struct player *p, const struct tape_line *l)
{
	expect_served(p, l, viommu_virtio_set_features(p->iommu, l->value));
}

/* What follows from the status is on X and F lines. */
static void status_line(struct player *p, const struct tape_line *l)
{
	(void)p;
	(void)l;
}

/* ---- configuration space (CR, CW) ---- */

static void config_read(struct player *p, const struct tape_line *l)
{
	player_register(p, p->iommu, l);
}

static void config_write(struct player *p, const struct tape_line *l)
{
	expect_served(p, l, viommu_reg_write(p->iommu, l->at, l->bytes, l->value));
}

/* ---- rows ---- */

static bool parse_reset(struct words *w, struct tape_line *l)
{
	return line_number(w, l) &&
	       (l->value <= 1 || words_fail(w, "reset of kind '%.40s'", w->word[1]));
}

/* virtio_settle_records() compares both kinds, in the order of the recording. */
static void settled_with_e(struct player *p, const struct tape_line *event)
{
	(void)p;
	(void)event;
}

static const struct header_row headers[] = {
	{ "features", "x", true },     { "page_size_mask", "x", true },
	{ "input_range", "xx", true }, { "domain_range", "xx", true },
	{ "probe_size", "d", true },   { "bypass", "x", true },
	{ "gpa_last", "x", false },    { "caps", "xxxx", false },
	{ NULL, NULL, false }
};

static const struct line_row lines[] = {
	{ TAPE_P, ROLE_STATE, parse_endpoint, endpoint_line, NULL },
	{ TAPE_PG, ROLE_STATE, line_number, gone_line, NULL },
	{ TAPE_PN, ROLE_STATE, parse_renamed, renamed_line, NULL },
	{ TAPE_X, ROLE_EVENT, parse_reset, reset_line, NULL },
	{ TAPE_D, ROLE_STATE, line_number, status_line, NULL },
	{ TAPE_F, ROLE_EVENT, line_number, features_line, NULL },
	{ TAPE_CR, ROLE_EVENT, line_register, config_read, NULL },
	{ TAPE_CW, ROLE_EVENT, line_register, config_write, NULL },
	{ TAPE_Q, ROLE_EVENT, virtio_parse_request, virtio_request_line, NULL },
	{ TAPE_T, ROLE_EVENT, line_translation32, virtio_dma_line, NULL },
	{ TAPE_E, ROLE_EFFECT, virtio_parse_record, NULL, virtio_settle_records },
	{ TAPE_DROPPED, ROLE_EFFECT, virtio_parse_record, NULL, settled_with_e },
};

static struct viommu_device *device_of(struct player *p, uint32_t name)
{
	const struct endpoint *e = virtio_endpoint(p, name);

	return e ? e->device : NULL;
}

const struct part part_virtio = { .headers = headers,
				  .lines = lines,
				  .line_count = sizeof(lines) / sizeof(lines[0]),
				  .start = start,
				  .stop = stop,
				  .device = device_of,
				  .restored = virtio_drop_records };
