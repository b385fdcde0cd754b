/* SPDX-License-Identifier: BSD-3-Clause */
/* play_vtd_source.c - devices and channels, made when the recording first names them. */

#include <stdlib.h>
#include <string.h>

#include "play_vtd.h"
#include "table.h"

struct requester {
	uint32_t rid;
	struct viommu_device *device;
	bool owner; /* of it */
	struct source *sources;
	UT_hash_handle hh;
};

static struct requester *find(const struct player *p, uint32_t rid)
{
	struct requester *r;

	HASH_FIND(hh, p->vtd->requesters, &rid, sizeof(rid), r);
	return r;
}

static struct requester *new_requester(struct player *p, uint32_t rid, int *result)
{
	struct viommu_device_config config = { .size = sizeof(config), .id = rid };
	struct requester *r = malloc(sizeof(*r));
	bool full = false;

	*result = VIOMMU_ENOMEM;
	if (!r)
		return NULL;
	*r = (struct requester){ .rid = rid };
	r->owner = viommu_find_device(p->vtd->iommu, rid, &r->device) != VIOMMU_OK;
	*result = r->owner ? viommu_device_new(p->vtd->iommu, &config, &r->device) : VIOMMU_OK;
	if (!*result)
		TABLE_ADD(p->vtd->requesters, rid, r, full);
	if (full) {
		if (r->owner)
			viommu_device_free(r->device);
		*result = VIOMMU_ENOMEM;
	}
	if (!*result)
		return r;
	free(r);
	return NULL;
}

static struct source *new_source(struct requester *r, uint32_t pasid, int *result)
{
	struct source *s = malloc(sizeof(*s));

	*result = VIOMMU_ENOMEM;
	if (!s)
		return NULL;
	*s = (struct source){ .next = r->sources,
			      .device = r->device,
			      .rid = r->rid,
			      .pasid = pasid,
			      .domain = DOMAIN_UNKNOWN };
	*result = viommu_channel_new(r->device, pasid, &s->channel);
	if (*result) {
		free(s);
		return NULL;
	}
	r->sources = s;
	return s;
}

struct source *vtd_source(struct player *p, uint32_t rid, uint32_t pasid, int *result)
{
	struct requester *r = find(p, rid);
	struct source *s;

	if (!r)
		r = new_requester(p, rid, result);
	if (!r)
		return NULL;
	s = r->sources;
	while (s && s->pasid != pasid)
		s = s->next;
	return s ? s : new_source(r, pasid, result);
}

const struct source *vtd_sources(const struct player *p, uint32_t rid)
{
	const struct requester *r = find(p, rid);

	return r ? r->sources : NULL;
}

void vtd_free_requesters(struct player *p)
{
	struct requester *r;
	struct requester *next;

	HASH_ITER(hh, p->vtd->requesters, r, next) {
		HASH_DEL(p->vtd->requesters, r);
		while (r->sources) {
			struct source *s = r->sources;

			r->sources = s->next;
			viommu_channel_free(s->channel);
			free(s);
		}
		if (r->owner)
			viommu_device_free(r->device);
		free(r);
	}
}

void vtd_forget_domains(struct player *p)
{
	for (struct requester *r = p->vtd->requesters; r; r = r->hh.next) {
		for (struct source *s = r->sources; s; s = s->next)
			s->domain = DOMAIN_UNKNOWN;
	}
}

/* ---- what viommu_explain() shows ---- */

struct explained {
	uint32_t domain;
	bool first_stage;
	uint64_t leaf;
	bool has_leaf;
};

/* A step of the kind that is given by the beginning of its name. */
static bool is(const struct viommu_step *step, const char *name)
{
	return step->what && strncmp(step->what, name, strlen(name)) == 0;
}

static int look(void *opaque, const struct viommu_step *step)
{
	struct explained *e = opaque;

	if (is(step, "context entry") && step->words == 2)
		e->domain = (uint32_t)(step->raw[1] >> 8) & 0xffff;
	if (is(step, "PASID table entry") && step->words == 8)
		e->domain = (uint32_t)step->raw[1] & 0xffff;
	if ((is(step, "first stage") || is(step, "second stage")) && step->words == 1) {
		e->first_stage = is(step, "first stage");
		e->leaf = step->gpa;
		e->has_leaf = true;
	}
	return 0;
}

static struct explained explain(const struct source *s, uint64_t iova)
{
	struct explained e = { .domain = DOMAIN_UNKNOWN };
	struct viommu_request request = {
		.first = iova, .last = iova, .pasid = s->pasid, .access = VIOMMU_READ
	};

	viommu_explain(s->device, &request, 0, look, &e);
	return e;
}

uint32_t source_domain(struct source *s)
{
	if (s->domain == DOMAIN_UNKNOWN)
		s->domain = explain(s, 0).domain;
	return s->domain;
}

bool source_leaf(const struct source *s, uint64_t iova, bool *first_stage, uint64_t *gpa)
{
	struct explained e = explain(s, iova);

	*first_stage = e.first_stage;
	*gpa = e.leaf;
	return e.has_leaf;
}
