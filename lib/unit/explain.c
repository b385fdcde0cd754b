/* SPDX-License-Identifier: BSD-3-Clause */
/* explain.c - explanations and replays: from the tables, past the caches, without a trace. */

#include <string.h>

#include "channel.h"
#include "explain.h"
#include "mem.h"
#include "range.h"

/* ---- explanations ---- */

/* Stages and levels have constant names, so that a step can be kept; each architecture's are its own. */
static const struct {
	const char *stage;
	unsigned number;
	const char *level[PT_LEVELS];
} stages[] = {
	{ "first stage",
	  0,
	  { "first stage, level 1", "first stage, level 2", "first stage, level 3",
	    "first stage, level 4", "first stage, level 5", "first stage, level 6" } },
	{ "second stage",
	  1,
	  { "second stage, level 1", "second stage, level 2", "second stage, level 3",
	    "second stage, level 4", "second stage, level 5", "second stage, level 6" } },
	{ "stage 1",
	  0,
	  { "stage 1, level 3", "stage 1, level 2", "stage 1, level 1", "stage 1, level 0",
	    "stage 1, level -1", "stage 1" } },
	{ "stage 2",
	  1,
	  { "stage 2, level 3", "stage 2, level 2", "stage 2, level 1", "stage 2, level 0",
	    "stage 2, level -1", "stage 2" } },
};

static const char *stage_name(const char *stage, unsigned level)
{
	for (unsigned i = 0; level < PT_LEVELS && i < ARRAY_COUNT(stages); i++) {
		if (strcmp(stage, stages[i].stage) == 0)
			return stages[i].level[level];
	}
	return stage;
}

/* Where the entry of the lowest table is, for the caches of tables. */
static void note_entry(struct explanation *e, const char *stage, uint64_t gpa)
{
	for (unsigned i = 0; i < ARRAY_COUNT(stages); i++) {
		if (strcmp(stage, stages[i].stage) == 0)
			e->entry[stages[i].number] = gpa;
	}
}

static void tell(void *opaque, const char *stage, unsigned level, uint64_t gpa, const uint64_t *raw,
		 unsigned words)
{
	struct explanation *e = opaque;
	struct viommu_step step = { .gpa = gpa, .words = words, .what = stage_name(stage, level) };

	if (level == 0)
		note_entry(e, stage, gpa);
	memcpy(step.raw, raw, words * sizeof(*raw));
	explain_step(e, &step);
}

static void tell_answer(struct explanation *e, const struct query *q, int result)
{
	struct viommu_step step = { .gpa = UINT64_MAX, .flags = VIOMMU_STEP_ANSWER };

	if (result == VIOMMU_OK) {
		step.what = "translated";
		step.words = 3;
		step.raw[0] = q->found.gpa + (q->iova - q->found.iova);
		step.raw[1] = access_granted(q->found.perm, q->access);
		step.raw[2] = BIT(q->found.size_lg2);
	} else if (result == VIOMMU_FAULT) {
		step.what = "refused";
		step.reason = q->reason;
	} else {
		step.what = "interrupt message";
	}
	explain_step(e, &step);
}

int explain_request(struct explanation *e, struct viommu_device *device,
		    const struct viommu_request *request)
{
	struct pt_observer observer = { .saw = tell, .opaque = e };
	struct epoch_section *section;
	struct context_entry entry = { .domain = NULL };
	struct query q;
	int result;

	if (!translate_well_formed(request))
		return VIOMMU_EINVAL;
	q = (struct query){ .device = device,
			    .entry = &entry,
			    .iova = request->first,
			    .pasid = request->pasid,
			    .access = (uint16_t)(request->access & ~VIOMMU_QUIET),
			    .type = request->type,
			    .quiet = true,
			    .observer = &observer };
	section = epoch_visit_part(&device->iommu->epoch, partition_part(device->partition));
	result = unit_translate(device->iommu, &q);
	if (e->caches && q.type == VIOMMU_AT_UNTRANSLATED)
		explain_caches(e, &q);
	if (epoch_visit_end(&device->iommu->epoch, section))
		unit_work(device->iommu);
	tell_answer(e, &q, result);
	return e->stopped ? VIOMMU_MORE : result;
}

int viommu_explain(struct viommu_device *device, const struct viommu_request *request,
		   uint32_t flags, int (*step)(void *opaque, const struct viommu_step *step),
		   void *opaque)
{
	struct explanation e = { .caches = flags & VIOMMU_EXPLAIN_CACHES,
				 .entry = { UINT64_MAX, UINT64_MAX },
				 .step = step,
				 .opaque = opaque };

	if (!device || !request || !step || (flags & ~VIOMMU_EXPLAIN_CACHES))
		return VIOMMU_EINVAL;
	return explain_request(&e, device, request);
}

int viommu_channel_explain(struct viommu_channel *channel, const struct viommu_request *request,
			   uint32_t flags,
			   int (*step)(void *opaque, const struct viommu_step *step), void *opaque)
{
	struct explanation e = { .channel = channel,
				 .caches = flags & VIOMMU_EXPLAIN_CACHES,
				 .entry = { UINT64_MAX, UINT64_MAX },
				 .step = step,
				 .opaque = opaque };

	if (!channel || !request || !step || request->pasid != channel->pasid ||
	    (flags & ~VIOMMU_EXPLAIN_CACHES))
		return VIOMMU_EINVAL;
	return explain_request(&e, channel->device, request);
}

/* ---- replays ---- */

/* Pages of a replay on their way to becoming ranges. */
struct replay {
	struct viommu *u;
	uint64_t first;
	uint64_t last;
	uint64_t iova; /* of the fragment being built */
	struct viommu_fragment fragment;
	uint32_t perm; /* shadow_perm() of it */
	struct shadow *shadow;
	int (*mapped)(void *opaque, uint64_t iova, const struct viommu_fragment *fragment);
	void *opaque;
};

static int replay_flush(struct replay *r)
{
	struct viommu_fragment f = r->fragment;

	r->fragment.length = 0;
	if (!f.length)
		return 0;
	if (r->mapped(r->opaque, r->iova, &f))
		return 1;
	if (r->shadow)
		shadow_note(r->shadow, r->iova, r->iova + f.length - 1, f.gpa, r->perm);
	return 0;
}

/* Adds [first, last] of a page, piece by piece of host memory. Non-zero: stop, everything before
 * *first is reported. */
static int replay_page(void *opaque, const struct translation *page)
{
	struct replay *r = opaque;
	uint64_t block_last = page->iova | bits_low(page->size_lg2);
	uint64_t iova = page->iova > r->first ? page->iova : r->first;
	uint64_t last = block_last < r->last ? block_last : r->last;

	if (!range_overlaps(page->iova, block_last, r->first, r->last))
		return 0;
	unit_note_piece(r->u, page);
	for (;;) {
		struct viommu_fragment f = { .gpa = page->gpa + (iova - page->iova) };
		struct mem_place place;

		mem_find(r->u->vm, f.gpa, &place);
		fragment_in(&f, &place, page->perm, page->perm & (unsigned)PERM_USER, false);
		f.length =
			(last - iova < place.last - f.gpa ? last - iova : place.last - f.gpa) + 1;
		if (!r->fragment.length || r->iova + r->fragment.length != iova ||
		    r->perm != shadow_perm(page->perm) || !translate_merge(&r->fragment, &f)) {
			if (replay_flush(r))
				return 1;
			r->iova = iova;
			r->fragment = f;
			r->perm = shadow_perm(page->perm);
		}
		if (last - iova < f.length)
			return 0;
		iova += f.length;
	}
}

/* r: mapped, opaque and shadow are the caller's. */
static int replay(struct replay *r, struct viommu_device *device, uint32_t pasid, uint64_t *first,
		  uint64_t last, uint32_t *budget)
{
	struct pt_visit visit;
	struct query q = { .device = device, .pasid = pasid, .quiet = true, .access = VIOMMU_READ };
	struct context context;
	enum pt_visit_end end;
	struct viommu *u = device->iommu;
	int result;

	r->u = u;
	r->first = *first;
	r->last = last;
	visit = (struct pt_visit){ .walk.vm = u->vm,
				   .next = *first,
				   .last = last,
				   .page = replay_page,
				   .opaque = r,
				   .budget = *budget };
	struct epoch_section *section = epoch_visit(&u->epoch);

	result = unit_parse_now(u, &q, &context);
	end = result ? PT_VISIT_DONE : u->engine->visit(u, &context, &visit);
	if (end != PT_VISIT_STOPPED && replay_flush(r))
		end = PT_VISIT_STOPPED;
	if (epoch_visit_end(&u->epoch, section))
		unit_work(u);
	*budget = visit.budget;
	if (result)
		return result;
	*first = end == PT_VISIT_STOPPED ? r->iova : visit.next;
	return end == PT_VISIT_DONE ? VIOMMU_OK : VIOMMU_MORE;
}

int translate_replay(struct viommu_device *device, uint32_t pasid, uint64_t *first, uint64_t last,
		     uint32_t *budget,
		     int (*mapped)(void *opaque, uint64_t iova,
				   const struct viommu_fragment *fragment),
		     void *opaque)
{
	struct replay r = { .mapped = mapped, .opaque = opaque };

	return replay(&r, device, pasid, first, last, budget);
}

int viommu_replay(struct viommu_device *device, uint32_t pasid, uint64_t *first, uint64_t last,
		  uint32_t budget,
		  int (*mapped)(void *opaque, uint64_t iova,
				const struct viommu_fragment *fragment),
		  void *opaque)
{
	struct replay r = { .mapped = mapped, .opaque = opaque };
	int result;

	if (!device || !first || !mapped || *first > last ||
	    (pasid != VIOMMU_NO_PASID && pasid >= BIT(20)))
		return VIOMMU_EINVAL;
	if (!device->iommu->engine->visit)
		return VIOMMU_ENOTSUP;
	if (!budget)
		budget = VIOMMU_REPLAY_BUDGET_DEFAULT;
	r.shadow = shadow_begin(device, pasid);
	result = replay(&r, device, pasid, first, last, &budget);
	shadow_end(r.shadow);
	return result;
}
