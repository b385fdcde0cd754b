/* SPDX-License-Identifier: BSD-3-Clause */
/* player.c - the engine of a recording, its registers, and what is counted. */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "player.h"

/* More calls of viommu_run() than any queue of a guest needs. */
#define RUNS_MAX 65536U

/* ---- counting ---- */

void player_differ(struct player *p, enum tape_kind kind, uint64_t number, const char *expected,
		   const char *came)
{
	p->tally[kind].mismatches++;
	if (p->verbose)
		printf("%s:%" PRIu64 ": %s: expected %s, came %s\n", p->path, number,
		       tape_kind_name(kind), expected, came);
}

void player_deviates(struct player *p, enum deviation deviation)
{
	p->deviations[deviation]++;
}

/* ---- the engine ---- */

static void on_msi(void *opaque, uint64_t address, uint32_t data)
{
	struct player *p = opaque;

	if (p->message_count == p->message_capacity) {
		size_t capacity = p->message_capacity ? 2 * p->message_capacity : 16;
		struct message *messages = realloc(p->messages, capacity * sizeof(*messages));

		if (!messages) {
			p->exhausted = true;
			return;
		}
		p->messages = messages;
		p->message_capacity = capacity;
	}
	p->messages[p->message_count++] = (struct message){ .address = address, .data = data };
}

static void on_message(void *opaque, const char *text)
{
	const struct player *p = opaque;

	fprintf(stderr, "%s: %s\n", p->path, text);
}

static int new_vtd(struct player *p)
{
	const struct viommu_host host = {
		.size = sizeof(host), .opaque = p, .msi = on_msi, .message = on_message
	};
	const struct viommu_vtd_config config = {
		.size = sizeof(config), .cap = p->header.cap, .ecap = p->header.ecap, .host = &host
	};

	return viommu_vtd_new(p->vm, &config, &p->iommu);
}

static int new_vm(struct player *p)
{
	const struct viommu_vm_config config = { .size = sizeof(config),
						 .opaque = &p->memory,
						 .read = guest_read_callback,
						 .write = guest_write_callback,
						 .cmpxchg = guest_cmpxchg_callback,
						 .hash_key = { 1, 2 } };

	return viommu_vm_new(&config, &p->vm);
}

struct player *player_new(const char *path, const struct tape_header *header, bool verbose)
{
	struct player *p = calloc(1, sizeof(*p));
	int result = VIOMMU_ENOMEM;

	if (!p)
		goto failed;
	p->path = path;
	p->verbose = verbose;
	p->header = *header;
	p->requesters = calloc(REQUESTERS, sizeof(*p->requesters));
	if (!p->requesters)
		goto failed;
	result = new_vm(p);
	if (!result)
		result = new_vtd(p);
	if (!result)
		return p;
failed:
	fprintf(stderr, "%s: no engine: %s\n", path, viommu_strerror(result));
	player_free(p);
	return NULL;
}

void player_free(struct player *p)
{
	if (!p)
		return;
	player_free_requesters(p);
	viommu_free(p->iommu);
	viommu_vm_free(p->vm);
	guest_memory_fini(&p->memory);
	effects_fini(&p->written);
	effects_fini(&p->sent);
	history_fini(&p->history);
	free(p->messages);
	free(p);
}

/* Does what a call has left to do. */
static int finish(struct player *p, int result)
{
	for (unsigned i = 0; result == VIOMMU_PENDING && i < RUNS_MAX; i++)
		result = viommu_run(p->iommu);
	return result;
}

uint64_t player_register(const struct player *p, uint64_t offset, uint32_t bytes)
{
	uint64_t value = 0;

	return viommu_reg_read(p->iommu, offset, bytes, &value) == VIOMMU_OK ? value : 0;
}

void *player_save(struct player *p, uint64_t *bytes)
{
	void *state;

	*bytes = 0;
	viommu_save(p->iommu, NULL, bytes);
	state = malloc(*bytes ? *bytes : 1);
	if (state && viommu_save(p->iommu, state, bytes) == VIOMMU_OK)
		return state;
	free(state);
	return NULL;
}

bool player_restore(struct player *p, void *state, uint64_t bytes)
{
	int result = state ? viommu_restore(p->iommu, state, bytes) : VIOMMU_ENOMEM;

	free(state);
	return finish(p, result) == VIOMMU_OK;
}

bool player_drop_caches(struct player *p)
{
	uint64_t bytes;
	void *state = player_save(p, &bytes);

	return player_restore(p, state, bytes);
}

/* ---- R and W ---- */

static void register_read(struct player *p, const struct tape_line *l)
{
	uint64_t value = 0;
	int result = viommu_reg_read(p->iommu, l->at, l->bytes, &value);
	uint64_t differs = value ^ l->value;
	char expected[64];
	char came[64];

	if (!result && (differs & ~deviation_register(p, l, value)) == 0)
		return;
	snprintf(expected, sizeof(expected), "%" PRIx64 " at %" PRIx64, l->value, l->at);
	snprintf(came, sizeof(came), "%" PRIx64, value);
	player_differ(p, TAPE_R, l->number, expected, result ? viommu_strerror(result) : came);
}

static void register_write(struct player *p, const struct tape_line *l)
{
	int result;

	watch_before(p);
	result = finish(p, viommu_reg_write(p->iommu, l->at, l->bytes, l->value));
	watch_after(p, l);
	if (result != VIOMMU_OK)
		player_differ(p, TAPE_W, l->number, "the write to be served",
			      viommu_strerror(result));
}

/* ---- lines ---- */

static bool event(struct player *p, const struct tape_line *l)
{
	bool served = true;

	guest_log_clear(&p->memory);
	p->message_count = 0;
	if (l->kind == TAPE_R)
		register_read(p, l);
	else if (l->kind == TAPE_W)
		register_write(p, l);
	else if (l->kind == TAPE_T)
		dma_line(p, l);
	else
		served = interrupt_line(p, l);
	p->tally[l->kind].not_yet += !served;
	effects_settle(p, served ? l : NULL);
	return !p->exhausted && !p->memory.exhausted && !p->history.exhausted;
}

bool player_line(struct player *p, const struct tape_line *l, const char **error)
{
	p->lines++;
	p->tally[l->kind].lines++;
	*error = "out of memory";
	switch (l->kind) {
	case TAPE_M:
		return guest_store(&p->memory, l->at, l->data, l->bytes);
	case TAPE_WRITTEN:
		return effects_expect(&p->written, l);
	case TAPE_S:
		return effects_expect(&p->sent, l);
	case TAPE_R:
	case TAPE_W:
	case TAPE_T:
	case TAPE_I:
		return event(p, l);
	default:
		*error = "a line of another engine";
		return false;
	}
}

bool player_end(const struct player *p)
{
	return p->written.count == 0 && p->sent.count == 0;
}
