/* SPDX-License-Identifier: BSD-3-Clause */
/* outcome.c - what came of asking an engine for a translation. */

#define _POSIX_C_SOURCE 200809L

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "outcome.h"

struct viommu_request outcome_request(const struct tape_line *l)
{
	return (struct viommu_request){ .first = l->at,
					.last = l->at,
					.pasid = l->pasid,
					.access = (uint16_t)l->access,
					.type = l->index == 0	? VIOMMU_AT_UNTRANSLATED
						: l->index == 1 ? VIOMMU_AT_TRANSLATED
								: VIOMMU_AT_TRANSLATION };
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000U + (uint64_t)t.tv_nsec;
}

static struct outcome outcome_of(int result, const struct viommu_fragment *f,
				 const struct viommu_answer *a)
{
	struct outcome o = { .result = result };

	if (result < 0)
		return o;
	o.reason = a->reason;
	o.perm = result == VIOMMU_OK ? f->perm & (VIOMMU_READ | VIOMMU_WRITE) : 0;
	if (result == VIOMMU_OK && f->perm == VIOMMU_EXEC)
		o.perm = VIOMMU_EXEC;
	if (o.perm == 0)
		return o;
	o.to = f->gpa;
	o.length = f->length;
	return o;
}

/* What it takes to look at the clock, which is not counted. */
static uint64_t clock_ns(void)
{
	static uint64_t least;
	static bool known;

	for (unsigned i = 0; !known && i < 1000; i++) {
		uint64_t start = now_ns();
		uint64_t took = now_ns() - start;

		least = i == 0 || took < least ? took : least;
	}
	known = true;
	return least;
}

struct outcome outcome_ask(struct player *p, struct viommu_channel *channel,
			   const struct viommu_request *request)
{
	struct viommu_fragment f = { 0 };
	struct viommu_answer a = { 0 };
	uint64_t clock = clock_ns();
	uint64_t start = now_ns();
	int result = viommu_translate(channel, request, &f, 1, &a);
	uint64_t took = now_ns() - start;

	p->nanoseconds += took > clock ? took - clock : 0;
	p->translations++;
	return outcome_of(result, &f, &a);
}

struct outcome outcome_ask_device(struct viommu_device *device,
				  const struct viommu_request *request)
{
	struct viommu_fragment f = { 0 };
	struct viommu_answer a = { 0 };
	int result = viommu_device_translate(device, request, &f, 1, &a);

	return outcome_of(result, &f, &a);
}

bool outcome_same(const struct outcome *a, const struct outcome *b)
{
	return a->result == b->result && a->perm == b->perm && a->to == b->to;
}

void outcome_text(char *text, size_t size, const struct outcome *o)
{
	if (o->result < 0)
		snprintf(text, size, "%s", viommu_strerror(o->result));
	else if (o->result == VIOMMU_INTERRUPT)
		snprintf(text, size, "an interrupt message");
	else if (o->result == VIOMMU_MORE)
		snprintf(text, size, "an answer in pieces");
	else if (o->perm == 0)
		snprintf(text, size, "refused, reason %x", o->reason);
	else
		snprintf(text, size, "%" PRIx64 " permission %x", o->to, o->perm);
}

int outcome_print_step(void *opaque, const struct viommu_step *step)
{
	(void)opaque;
	printf("    %s", step->what ? step->what : "?");
	if (step->gpa != UINT64_MAX)
		printf(" at %" PRIx64 ":", step->gpa);
	for (uint32_t i = 0; i < step->words && i < 8; i++)
		printf(" %016" PRIx64, step->raw[i]);
	if (step->reason)
		printf(" reason %x", step->reason);
	printf("\n");
	return 0;
}

static int found_now(void *opaque, uint64_t iova, const struct viommu_fragment *f)
{
	struct outcome *o = opaque;

	(void)iova;
	o->perm = f->perm & (VIOMMU_READ | VIOMMU_WRITE);
	o->to = f->gpa;
	return 0;
}

struct outcome outcome_now(struct viommu_device *device, uint32_t pasid, const struct tape_line *l)
{
	struct outcome o = { .result = VIOMMU_OK };
	uint64_t first = l->at;

	viommu_replay(device, pasid, &first, l->at, 0, found_now, &o);
	if ((o.perm & l->access) != l->access)
		o = (struct outcome){ .result = VIOMMU_FAULT };
	return o;
}

void outcome_differ(struct player *p, const struct tape_line *l, struct viommu_device *device,
		    const struct viommu_request *request, const char *where, const char *expected,
		    const struct outcome *o)
{
	char text[300];
	char came[100];

	outcome_text(came, sizeof(came), o);
	snprintf(text, sizeof(text), "%x.%x %" PRIx64 " access %x%s: %s", l->rid, l->pasid, l->at,
		 l->access, where, expected);
	player_differ(p, l->kind, l->number, text, came);
	if (p->verbose)
		viommu_explain(device, request, 0, outcome_print_step, NULL);
}
