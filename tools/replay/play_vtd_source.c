/* SPDX-License-Identifier: BSD-3-Clause */
/* play_vtd_source.c - what the tables say of a source: its domain, and the entry that translates an address. */

#include <string.h>

#include "play_vtd.h"

void vtd_forget_domains(struct player *p)
{
	for (struct source *s = p->sources; s; s = s->hh.next)
		s->domain = DOMAIN_UNKNOWN;
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
		.first = iova, .last = iova, .pasid = s->key.pasid, .access = VIOMMU_READ
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
