/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * translate.c - translation of requests: caches first, then the engine; pages made into fragments.
 *
 * The fill rule: generation, tag and changes are read before the first table load, and whatever is
 * cached is cached under them. An invalidation in between moves one of them, and what is filled
 * afterwards is never found.
 */

#include <string.h>

#include "channel.h"
#include "mem.h"
#include "range.h"
#include "unit.h"

/* Pages looked at by one call; more is VIOMMU_MORE, as when the fragments run out. */
#define BLOCKS_MAX 65536U

/* The context was recycled or invalidated while we got it: so often in a row only if someone does
 * nothing else. */
#define CONTEXT_TRIES 4U

static uint64_t who(const struct query *q)
{
	return (uint64_t)q->device->serial << 32 | (uint32_t)(q->pasid + 1);
}

/*
 * Reads changes and tag of the domain, and says whether the context still stood afterwards: then
 * the tag was given to this very domain, since a domain that loses its place moves the generation
 * first. Changes first: they are counted once more after the tag has moved, so that whoever has the
 * last count has the new tag.
 */
static bool take_domain(struct query *q)
{
	q->changes = atomic_load_explicit(&q->entry.domain->changes, memory_order_acquire);
	q->tag = atomic_load_explicit(&q->entry.domain->tag, memory_order_acquire);
	q->cacheable = device_generation(q->device) == q->entry.generation;
	return q->cacheable;
}

static bool cached_context(struct viommu *u, struct query *q)
{
	return context_cache_find(&u->contexts, who(q), device_generation(q->device), &q->entry) &&
	       take_domain(q);
}

int unit_context(struct viommu *u, struct query *q)
{
	q->cacheable = false;
	if (q->quiet)
		return u->engine->parse(u, q, &q->entry.context);
	if (cached_context(u, q))
		return VIOMMU_OK;
	for (unsigned i = 0; i < CONTEXT_TRIES; i++) {
		uint64_t flushes;
		int result;

		/* In this order: a flush counts itself before it moves the generation, so that
		 * whoever has the new generation also gives the domain a new tag. */
		q->entry.generation = device_generation(q->device);
		flushes = atomic_load_explicit(&u->flushes, memory_order_acquire);
		result = u->engine->parse(u, q, &q->entry.context);
		if (result)
			return result;
		q->entry.domain = domains_get(&u->domains, &q->entry.context.key, flushes);
		if (take_domain(q)) {
			context_cache_add(&u->contexts, who(q), &q->entry);
			break;
		}
	}
	/* Without luck the answer is as good, only nothing of it is kept. */
	return VIOMMU_OK;
}

void unit_fill(struct viommu *u, const struct query *q)
{
	if (!q->cacheable || q->quiet)
		return;
	/* Before the changes are compared: an invalidation counts a change, then reads the sizes.
	 */
	if (!(atomic_load_explicit(&q->entry.domain->sizes, memory_order_acquire) &
	      BIT(q->found.size_lg2)))
		atomic_fetch_or(&q->entry.domain->sizes, BIT(q->found.size_lg2));
	tlb_add(&u->tlb, q->tag, &q->found, &q->entry.domain->changes, q->changes);
}

static bool permits(unsigned perm, unsigned access)
{
	unsigned need = access_need(access);

	if (access & VIOMMU_WRITE)
		need |= (unsigned)PERM_DIRTY;
	return (perm & need) == need;
}

int unit_translate(struct viommu *u, struct query *q)
{
	/* A hit without sufficient permission is asked of the tables, which also record the fault.
	 */
	if (q->type == VIOMMU_AT_UNTRANSLATED && cached_context(u, q) &&
	    tlb_find(&u->tlb, q->tag,
		     atomic_load_explicit(&q->entry.domain->sizes, memory_order_acquire), q->iova,
		     &q->found) &&
	    permits(q->found.perm, q->access))
		return VIOMMU_OK;
	return u->engine->translate(u, q);
}

/* ---- fragments ---- */

static unsigned fragment_flags(const struct query *q, unsigned granted)
{
	return (granted & VIOMMU_WRITE) && !(q->found.perm & PERM_DIRTY) ? VIOMMU_FRAGMENT_CLEAN
									 : 0;
}

/* The piece of the block from q->iova, no further than last, that is contiguous in host memory too.
 */
static struct viommu_fragment first_piece(const struct query *q, uint64_t last)
{
	unsigned granted = access_granted(q->found.perm, q->access);
	uint64_t offset = q->iova - q->found.iova;
	uint64_t block_last = q->found.iova | bits_low(q->found.size_lg2);
	uint64_t length = (last < block_last ? last : block_last) - q->iova;
	struct viommu_fragment f = { .gpa = q->found.gpa + offset,
				     .perm = granted,
				     .flags = fragment_flags(q, granted) };

	f.length = mem_piece(q->device->iommu->vm, f.gpa, f.gpa + length, q->access & VIOMMU_WRITE,
			     &f.host) -
		   f.gpa + 1;
	if (!granted)
		f.host = NULL;
	return f;
}

/* Whether the next piece continues the fragment in guest memory and in host memory. */
static bool merge(struct viommu_fragment *f, const struct viommu_fragment *next)
{
	uint64_t length;

	if (f->gpa + f->length != next->gpa || f->perm != next->perm || f->flags != next->flags)
		return false;
	if (!f->host != !next->host ||
	    (f->host && (unsigned char *)f->host + f->length != next->host))
		return false;
	if (!range_add(f->length, next->length, &length))
		return false;
	f->length = length;
	return true;
}

static bool well_formed(const struct viommu_request *r)
{
	const unsigned access = VIOMMU_READ | VIOMMU_WRITE | VIOMMU_EXEC;

	return r->first <= r->last && (r->access & access) &&
	       !(r->access & ~(access | VIOMMU_PRIV)) && r->type <= VIOMMU_AT_TRANSLATED &&
	       (r->pasid == VIOMMU_NO_PASID || r->pasid < BIT(20));
}

int translate_range(struct viommu_device *device, struct viommu_channel *channel,
		    const struct viommu_request *request, struct viommu_fragment *fragments,
		    uint32_t max, struct viommu_answer *answer)
{
	struct query q = { .device = device,
			   .iova = request->first,
			   .pasid = request->pasid,
			   .access = request->access,
			   .type = request->type };
	uint32_t count = 0;
	int result = VIOMMU_MORE;

	for (uint32_t i = 0; i < BLOCKS_MAX; i++) {
		struct viommu_fragment piece;
		int end = unit_translate(device->iommu, &q);

		if (end) {
			result = end;
			break;
		}
		piece = first_piece(&q, request->last);
		if (channel)
			channel_keep(channel, &q);
		if (count == 0 || !merge(&fragments[count - 1], &piece)) {
			if (count == max)
				break;
			fragments[count++] = piece;
		}
		q.iova += piece.length;
		if (q.iova - 1 == request->last) {
			result = VIOMMU_OK;
			break;
		}
	}
	*answer = (struct viommu_answer){
		.next = q.iova, .count = count, .reason = q.reason, .ats = q.ats
	};
	return result;
}

int viommu_device_translate(struct viommu_device *device, const struct viommu_request *request,
			    struct viommu_fragment *fragments, uint32_t max,
			    struct viommu_answer *answer)
{
	struct epoch_section *section;
	struct viommu *u;
	int result;

	if (!device || !request || !fragments || !max || !answer || !well_formed(request))
		return VIOMMU_EINVAL;
	u = device->iommu;
	section = epoch_visit(&u->epoch);
	result = translate_range(device, NULL, request, fragments, max, answer);
	if (epoch_visit_end(&u->epoch, section))
		unit_work(u);
	return result;
}

int channel_translate(struct viommu_channel *channel, const struct viommu_request *request,
		      struct viommu_fragment *fragments, uint32_t max, struct viommu_answer *answer)
{
	struct viommu *u = channel->device->iommu;
	bool wake = false;
	int result;

	if (!well_formed(request) || request->pasid != channel->pasid)
		return VIOMMU_EINVAL;
	if (channel->translating)
		return VIOMMU_EBUSY;
	channel->translating = true;
	if (!channel->open)
		epoch_enter(&u->epoch, &channel->section);
	result = translate_range(channel->device, channel, request, fragments, max, answer);
	if (!channel->open)
		wake = epoch_leave(&u->epoch, &channel->section);
	channel->translating = false;
	if (wake)
		unit_work(u);
	return result;
}

/* ---- explanations and replays: from the tables, without a trace ---- */

struct explanation {
	void (*step)(void *opaque, const struct viommu_step *step);
	void *opaque;
};

/* Stages and levels have constant names, so that a step can be kept. */
static const char *stage_name(const char *stage, unsigned level)
{
	static const char *const first[] = { "first stage, level 1", "first stage, level 2",
					     "first stage, level 3", "first stage, level 4",
					     "first stage, level 5", "first stage, level 6" };
	static const char *const second[] = { "second stage, level 1", "second stage, level 2",
					      "second stage, level 3", "second stage, level 4",
					      "second stage, level 5", "second stage, level 6" };

	if (level >= PT_LEVELS)
		return stage;
	if (strcmp(stage, "first stage") == 0)
		return first[level];
	return strcmp(stage, "second stage") == 0 ? second[level] : stage;
}

static void tell(void *opaque, const char *stage, unsigned level, uint64_t gpa, const uint64_t *raw,
		 unsigned words)
{
	const struct explanation *e = opaque;
	struct viommu_step step = { .gpa = gpa, .words = words, .what = stage_name(stage, level) };

	memcpy(step.raw, raw, words * sizeof(*raw));
	e->step(e->opaque, &step);
}

int viommu_explain(struct viommu_device *device, const struct viommu_request *request,
		   void (*step)(void *opaque, const struct viommu_step *step), void *opaque)
{
	struct explanation explanation = { .step = step, .opaque = opaque };
	struct pt_observer observer = { .saw = tell, .opaque = &explanation };
	struct epoch_section *section;
	struct query q;
	int result;

	if (!device || !request || !step || !well_formed(request))
		return VIOMMU_EINVAL;
	q = (struct query){ .device = device,
			    .iova = request->first,
			    .pasid = request->pasid,
			    .access = request->access,
			    .type = request->type,
			    .quiet = true,
			    .observer = &observer };
	section = epoch_visit(&device->iommu->epoch);
	result = device->iommu->engine->translate(device->iommu, &q);
	if (epoch_visit_end(&device->iommu->epoch, section))
		unit_work(device->iommu);
	step(opaque,
	     &(struct viommu_step){ .gpa = UINT64_MAX,
				    .reason = q.reason,
				    .what = result == VIOMMU_OK	     ? "translated"
					    : result == VIOMMU_FAULT ? "refused"
								     : "interrupt message" });
	return result;
}

/* Pages of a replay on their way to becoming ranges. */
struct replay {
	struct viommu_vm *vm;
	uint64_t first;
	uint64_t last;
	uint64_t iova; /* of the fragment being built */
	struct viommu_fragment fragment;
	int (*mapped)(void *opaque, uint64_t iova, const struct viommu_fragment *fragment);
	void *opaque;
};

static int replay_flush(struct replay *r)
{
	struct viommu_fragment f = r->fragment;

	r->fragment.length = 0;
	return f.length ? r->mapped(r->opaque, r->iova, &f) : 0;
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
	for (;;) {
		struct viommu_fragment f = { .gpa = page->gpa + (iova - page->iova),
					     .perm = page->perm & (unsigned)PERM_USER };

		if ((f.perm & VIOMMU_WRITE) && !(page->perm & PERM_DIRTY))
			f.flags = VIOMMU_FRAGMENT_CLEAN;
		f.length =
			mem_piece(r->vm, f.gpa, f.gpa + (last - iova), false, &f.host) - f.gpa + 1;
		if (!r->fragment.length || r->iova + r->fragment.length != iova ||
		    !merge(&r->fragment, &f)) {
			if (replay_flush(r))
				return 1;
			r->iova = iova;
			r->fragment = f;
		}
		if (last - iova < f.length)
			return 0;
		iova += f.length;
	}
}

int viommu_replay(struct viommu_device *device, uint32_t pasid, uint64_t *first, uint64_t last,
		  uint32_t budget,
		  int (*mapped)(void *opaque, uint64_t iova,
				const struct viommu_fragment *fragment),
		  void *opaque)
{
	struct replay replay;
	struct pt_visit visit;
	struct query q = { .device = device, .pasid = pasid, .quiet = true, .access = VIOMMU_READ };
	enum pt_visit_end end;
	struct viommu *u;
	int result;

	if (!device || !first || !mapped || *first > last ||
	    (pasid != VIOMMU_NO_PASID && pasid >= BIT(20)))
		return VIOMMU_EINVAL;
	u = device->iommu;
	if (!u->engine->visit)
		return VIOMMU_ENOTSUP;
	replay = (struct replay){
		.vm = u->vm, .first = *first, .last = last, .mapped = mapped, .opaque = opaque
	};
	visit = (struct pt_visit){ .walk.vm = u->vm,
				   .next = *first,
				   .last = last,
				   .page = replay_page,
				   .opaque = &replay,
				   .budget = budget ? budget : VIOMMU_REPLAY_BUDGET_DEFAULT };
	struct epoch_section *section = epoch_visit(&u->epoch);

	result = u->engine->parse(u, &q, &q.entry.context);
	end = result ? PT_VISIT_DONE : u->engine->visit(u, &q.entry.context, &visit);
	if (end != PT_VISIT_STOPPED && replay_flush(&replay))
		end = PT_VISIT_STOPPED;
	if (epoch_visit_end(&u->epoch, section))
		unit_work(u);
	if (result)
		return result;
	*first = end == PT_VISIT_STOPPED ? replay.iova : visit.next;
	return end == PT_VISIT_DONE ? VIOMMU_OK : VIOMMU_MORE;
}
