/* SPDX-License-Identifier: BSD-3-Clause */
/* requester.c - devices and channels, made when the recording first names them. */

#include <stdlib.h>
#include <string.h>

#include "player.h"

static int new_device(struct player *p, uint32_t rid)
{
	struct viommu_device_config config = { .size = sizeof(config), .id = rid };

	if (p->requesters[rid].device)
		return VIOMMU_OK;
	return viommu_device_new(p->iommu, &config, &p->requesters[rid].device);
}

struct source *player_source(struct player *p, uint32_t rid, uint32_t pasid, int *result)
{
	struct requester *r = &p->requesters[rid];
	struct source *s = r->sources;

	while (s && s->pasid != pasid)
		s = s->next;
	if (s)
		return s;
	*result = new_device(p, rid);
	if (*result)
		return NULL;
	s = malloc(sizeof(*s));
	if (!s) {
		*result = VIOMMU_ENOMEM;
		return NULL;
	}
	*s = (struct source){ .next = r->sources,
			      .device = r->device,
			      .rid = rid,
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

void player_free_requesters(struct player *p)
{
	for (unsigned i = 0; p->requesters && i < REQUESTERS; i++) {
		struct requester *r = &p->requesters[i];

		while (r->sources) {
			struct source *s = r->sources;

			r->sources = s->next;
			viommu_channel_free(s->channel);
			free(s);
		}
		viommu_device_free(r->device);
	}
	free(p->requesters);
	p->requesters = NULL;
}

void player_forget_domains(struct player *p)
{
	for (unsigned i = 0; i < REQUESTERS; i++) {
		for (struct source *s = p->requesters[i].sources; s; s = s->next)
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

static void look(void *opaque, const struct viommu_step *step)
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
}

static struct explained explain(const struct source *s, uint64_t iova)
{
	struct explained e = { .domain = DOMAIN_UNKNOWN };
	struct viommu_request request = {
		.first = iova, .last = iova, .pasid = s->pasid, .access = VIOMMU_READ
	};

	viommu_explain(s->device, &request, look, &e);
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
