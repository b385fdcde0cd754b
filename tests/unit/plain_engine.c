/* SPDX-License-Identifier: BSD-3-Clause */
/* plain_engine.c - the core with an engine that has no tables. */
#include "check.h"
#include "plain_engine.h"

#include <string.h>

#include "bits.h"

static struct plain *plain_of(struct viommu *u)
{
	return (struct plain *)u;
}

static int parse(struct viommu *u, struct query *q, struct context *context)
{
	plain_of(u)->parses++;
	*context = plain_of(u)->context;
	if (u->engine->ats_apart)
		context->key.flags = q->type;
	return VIOMMU_OK;
}

static int translate(struct viommu *u, struct query *q)
{
	struct plain *p = plain_of(u);
	int result = unit_context(u, q);
	uint64_t iova;

	if (result)
		return result;
	iova = domain_canonical(&q->entry->context.key, q->iova);
	if ((iova != q->iova || q->type == VIOMMU_AT_TRANSLATION) && unit_find(q, q->access))
		return VIOMMU_OK;
	p->walks++;
	q->found = p->page(iova);
	unit_fill(u, q);
	return VIOMMU_OK;
}

static const struct engine engine = {
	.name = "plain", .last_id = 0xffff, .translate = translate, .parse = parse
};

void plain_open(struct plain_world *w, struct translation (*page)(uint64_t iova))
{
	const struct viommu_device_config config = { .size = sizeof(config), .id = 1 };

	memset(w, 0, sizeof(*w));
	guest_init(&w->g, GUEST_CALLBACKS, 1);
	w->plain.page = page;
	w->engine = engine;
	assert_int_equal(unit_init(&w->plain.unit, &w->engine, w->g.vm, NULL, NULL), VIOMMU_OK);
	assert_int_equal(viommu_device_new(&w->plain.unit, &config, &w->device), VIOMMU_OK);
}

void plain_close(struct plain_world *w)
{
	assert_int_equal(viommu_device_free(w->device), VIOMMU_OK);
	unit_fini(&w->plain.unit);
	guest_fini(&w->g);
}

uint64_t plain_ask(struct plain_world *w, uint64_t iova, uint32_t *extent_lg2)
{
	const struct viommu_request r = {
		.first = iova, .last = iova, .pasid = VIOMMU_NO_PASID, .access = VIOMMU_READ
	};
	struct viommu_fragment f;
	struct viommu_answer answer;

	assert_int_equal(viommu_device_translate(w->device, &r, &f, 1, &answer), VIOMMU_OK);
	*extent_lg2 = answer.extent_lg2;
	return f.gpa;
}

struct domain *plain_domain(struct plain_world *w)
{
	uint64_t life;

	return domains_get(&w->plain.unit.partition->domains, &w->plain.context.key, 0, &life);
}
