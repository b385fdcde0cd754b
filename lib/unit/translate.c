/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * translate.c - translation of requests: caches first, then the engine; pages made into fragments.
 *
 * The fill rule: generation, tag and changes are read before the first table load, and whatever is
 * cached is cached under them. An invalidation in between moves one of them, and what is filled
 * afterwards is never found. Where partitions are told apart, an invalidation of a domain's contexts moves the generation
 * only of those that know the domain, and another word, which no reader sees, for those who are about to:
 * domains_forget_contexts().
 */

#include "abi.h"
#include "micro_tlb.h"
#include "dirty_pages.h"
#include "fill.h"
#include "mem.h"
#include "range.h"
#include "record_tape.h"
#include "probe.h"
#include "unit.h"

/* Pages looked at by one call; more is VIOMMU_MORE, as when the fragments run out. */
#define BLOCKS_MAX 65536U

/* The context was recycled or invalidated while we got it: so often in a row only if someone does
 * nothing else. */
#define CONTEXT_TRIES 4U

/* Asks the cache of contexts. @whole: what the tables say, too, not only the domain. */
__attribute__((noinline)) bool fill_find_context(struct query *q, bool whole)
{
	struct context_entry *e = q->entry;

	q->cacheable = false;
	e->domain = NULL;
	e->whole = whole;
	if ((whole ? context_cache_find(&q->device->partition->contexts, translate_who_asks(q), e)
		   : context_cache_find_domain(&q->device->partition->contexts,
					       translate_who_asks(q), e)) &&
	    fill_take_domain(q))
		return true;
	e->domain = NULL;
	return false;
}

/* Unless there is one that stands: two PASIDs in turn must not write for every request. */
static void remember(struct viommu_device *device, uint32_t pasid, const struct context_entry *e)
{
	struct device_context *last = &device->last;
	struct context_entry old;
	uint64_t version;

	if (!seq_try_lock(&last->version, &version))
		return;
	old.domain = atomic_load_explicit(&last->domain, memory_order_relaxed);
	old.generation = atomic_load_explicit(&last->generation, memory_order_relaxed);
	if (!old.domain || !context_stands(&old, device)) {
		atomic_store_explicit(&last->pasid, pasid, memory_order_relaxed);
		atomic_store_explicit(&last->domain, e->domain, memory_order_relaxed);
		atomic_store_explicit(&last->generation, e->generation, memory_order_relaxed);
	}
	seq_unlock(&last->version, version);
}

/* There is nobody to ask about. */
static __attribute__((noinline, cold)) bool refuse_nobody(struct query *q)
{
	q->cacheable = false;
	q->entry_pasid = VIOMMU_ANY_PASID;
	q->fpd = false;
	q->reason = 0;
	q->ats = q->type == VIOMMU_AT_TRANSLATION ? VIOMMU_ATS_UNSUPPORTED : VIOMMU_ATS_SUCCESS;
	return false;
}

/* What is cached is tied to generations that were read before: whoever changes the id moves them
 * afterwards. */
static inline bool has_id(struct query *q)
{
	q->id = atomic_load_explicit(&q->device->id, memory_order_acquire);
	return LIKELY(q->id != VIOMMU_NO_ID) || refuse_nobody(q);
}

int unit_translate(struct viommu *u, struct query *q)
{
	return has_id(q) ? u->engine->translate(u, q) : VIOMMU_FAULT;
}

int unit_parse(struct viommu *u, struct query *q, struct context *context)
{
	return has_id(q) ? u->engine->parse(u, q, context) : VIOMMU_FAULT;
}

int unit_parse_noted(struct viommu *u, struct query *q, struct context *context)
{
	int result = unit_parse(u, q, context);

	/* nobody remembers what is not translated */
	if (result || q->type != VIOMMU_AT_TRANSLATED || domain_has_tables(&context->key))
		device_uses_domain(q->device, result ? DOMAIN_REFUSED : context->key.group,
				   q->entry_pasid);
	return result;
}

int unit_parse_now(struct viommu *u, struct query *q, struct context *context)
{
	for (unsigned i = 1;; i++) {
		uint64_t parses = device_parses(q->device);
		int result;

		if (i == CONTEXT_TRIES)
			device_may_use_any(q->device);
		result = unit_parse_noted(u, q, context);
		if (i == CONTEXT_TRIES || device_parses(q->device) == parses)
			return result;
	}
}

/* No domain knows of what is looked up now, perhaps in an open section. */
static __attribute__((noinline, cold)) int parse_and_lose(struct viommu *u, struct query *q,
							  struct context *context)
{
	struct domains *domains = &q->device->partition->domains;

	for (unsigned i = 1;; i++) {
		uint64_t parses = device_parses(q->device);
		int result;

		if (i == CONTEXT_TRIES)
			domains_lose_any(domains);
		result = unit_parse(u, q, context);
		if (result)
			return result;
		domains_lose(domains, context->key.group);
		if (i == CONTEXT_TRIES || device_parses(q->device) == parses)
			return result;
	}
}

static int parse_quietly(struct viommu *u, struct query *q, struct context *context)
{
	return UNLIKELY(u->apart) ? parse_and_lose(u, q, context) : unit_parse(u, q, context);
}

/* What is not kept is used, too. */
static __attribute__((noinline, cold)) void try_last(struct viommu *u, struct viommu_device *device)
{
	device_may_use_any(device);
	if (u->apart)
		domains_lose_any(&device->partition->domains);
}

/* From the tables. */
__attribute__((noinline)) int fill_parse_context(struct viommu *u, struct query *q)
{
	struct context_entry *e = q->entry;
	struct domains *domains = &q->device->partition->domains;
	int result;

	q->cacheable = false;
	e->domain = NULL;
	e->whole = true;
	if (q->quiet)
		return parse_quietly(u, q, &e->context);
	for (unsigned i = 0; i < CONTEXT_TRIES; i++) {
		uint64_t generation;
		uint64_t flushes;
		uint64_t forgets;
		uint64_t life;

		/* In this order: a flush counts itself before it moves the generation, so that
		 * whoever has the new generation also gives the domain a new tag. */
		generation = device_generation(q->device);
		flushes = atomic_load_explicit(&u->flushes, memory_order_acquire);
		forgets = domains_forgets(domains);
		e->domain = NULL;
		if (i == CONTEXT_TRIES - 1)
			try_last(u, q->device);
		result = unit_parse_noted(u, q, &e->context);
		if (result)
			return result;
		e->domain = domains_get(domains, &e->context.key, flushes, &life);
		e->generation = generation + life;
		q->cacheable = fill_take_domain(q) && domains_forgets(domains) == forgets;
		if (q->cacheable) {
			context_cache_add(&q->device->partition->contexts, translate_who_asks(q),
					  e);
			if (translate_contexts(u, q->type) == VIOMMU_AT_UNTRANSLATED)
				remember(q->device, q->pasid, e);
			break;
		}
	}
	/* Without luck the answer is as good, only nothing of it is kept. */
	if (!q->cacheable)
		e->domain = NULL;
	return VIOMMU_OK;
}

int unit_context(struct viommu *u, struct query *q)
{
	return fill_context(u, q);
}

bool unit_has_context(struct query *q)
{
	return !q->quiet && fill_known_context(q, true);
}

#define SIZE_MAX_LG2 30U

/* The size of an entry: each size in use is a probe, so they are few. Otherwise that of a level. */
static __attribute__((noinline)) unsigned size_of_entry(const struct translation *found,
							const struct pt_config *c)
{
	unsigned step = c->page_lg2 ? c->index_lg2 : 9;
	unsigned size_lg2 = c->page_lg2 ? c->page_lg2 : 12;

	if (found->size_lg2 < size_lg2) /* a piece, by another stage */
		return found->size_lg2 < 12 ? found->size_lg2 : 12;
	while (size_lg2 + step <= found->size_lg2 && size_lg2 + step <= SIZE_MAX_LG2)
		size_lg2 += step;
	return size_lg2;
}

void unit_note_piece(struct viommu *u, const struct translation *t)
{
	if (translation_is_piece(t) &&
	    !(atomic_load_explicit(&u->cuts, memory_order_relaxed) >> t->leaf_lg2 & 1))
		atomic_fetch_or(&u->cuts, BIT(t->leaf_lg2));
}

/* What is not a page as it is. */
__attribute__((noinline)) void fill_cut_to_size(struct viommu *u, struct query *q, uint64_t iova)
{
	translation_shrink(&q->found, iova,
			   size_of_entry(&q->found, domain_tables(&q->entry->context.key, iova)));
	unit_note_piece(u, &q->found);
}

/* Each write is to be asked for. */
__attribute__((noinline, cold)) void fill_clean(struct query *q)
{
	uint8_t perm = q->found.perm;

	q->found.perm &= (uint8_t)~PERM_DIRTY;
	fill_add(q);
	q->found.perm = perm;
}

void unit_fill(struct viommu *u, struct query *q)
{
	fill_block(u, q);
}

bool unit_find(struct query *q, unsigned access)
{
	const struct domain *domain = q->entry->domain;

	if (!q->cacheable || q->quiet ||
	    !tlb_find(&q->device->partition->tlb, domain_space(domain, q->tag),
		      atomic_load_explicit(&domain->sizes, memory_order_relaxed),
		      domain_canonical(&q->entry->context.key, q->iova), &q->found) ||
	    !translate_permits(q->found.perm, access))
		return false;
	q->hit = true;
	fill_as_asked(q);
	return true;
}

bool unit_table_find(struct viommu *u, const struct query *q, const struct pt_config *config,
		     struct table_place *found)
{
	return fill_find_table(u, q, config, found);
}

void unit_table_fill(struct viommu *u, const struct query *q, const struct pt_walk *w)
{
	fill_table(u, q, w);
}

/* Whoever has a context of since it is sees that it is: unit.counted is set before the generation moves. */
static inline bool is_counted(const struct viommu *u)
{
	return atomic_load_explicit(&u->counted, memory_order_relaxed);
}

/* One position of a request, from the caches: no section is needed. A hit without sufficient
 * permission is none: it is asked of the tables, which also record the fault. */
static bool cached(struct viommu *u, struct query *q)
{
	const struct domain *domain;

	if (q->type != VIOMMU_AT_UNTRANSLATED || UNLIKELY(is_counted(u)) ||
	    !fill_known_context(q, false))
		return false;
	domain = q->entry->domain;
	return tlb_find(&q->device->partition->tlb, domain_space(domain, q->tag),
			atomic_load_explicit(&domain->sizes, memory_order_relaxed), q->iova,
			&q->found) &&
	       (!access_need(q->access) || translate_permits(q->found.perm, q->access));
}

static __attribute__((noinline)) void open_own_section(struct translating *t)
{
	struct epoch *epoch = &t->query.device->iommu->epoch;

	if (t->channel) {
		t->section = &t->channel->section;
		epoch_enter(epoch, t->section);
	} else {
		t->section = epoch_visit_part(epoch, partition_part(t->query.device->partition));
	}
}

/* From here to the end of the call tables are read. A channel's own section may be open already. */
static inline void open_section(struct translating *t)
{
	if (!t->section && !(t->channel && (t->channel->state & CHANNEL_OPEN)))
		open_own_section(t);
}

bool translate_close(struct translating *t)
{
	struct epoch *epoch = &t->query.device->iommu->epoch;

	if (!t->section)
		return false;
	return t->channel ? epoch_leave(epoch, t->section) : epoch_visit_end(epoch, t->section);
}

/* ---- fragments ---- */

/* The piece of the block from q->iova, no further than last, that is contiguous in host memory too.
 */
static struct viommu_fragment first_piece(struct translating *t, uint64_t last)
{
	const struct query *q = &t->query;
	unsigned granted = access_granted(q->found.perm, q->access);
	uint64_t block_last = q->found.iova | bits_low(q->found.size_lg2);
	uint64_t length = (last < block_last ? last : block_last) - q->iova;
	struct viommu_fragment f = { .gpa = q->found.gpa + (q->iova - q->found.iova) };

	mem_find_near(q->device->iommu->vm, f.gpa, t->place);
	f.length = (length < t->place->last - f.gpa ? length : t->place->last - f.gpa) + 1;
	if (granted)
		fragment_in(&f, t->place, q->found.perm, granted, q->access & VIOMMU_WRITE);
	return f;
}

bool translate_merge(struct viommu_fragment *f, const struct viommu_fragment *next)
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

/* Pages that are fetched ahead of a long request. */
#define AHEAD 8U

void translate_prefetch(const struct translating *t, uint64_t iova)
{
	const struct context_entry *e = t->query.entry;
	const struct partition *p = t->query.device->partition;

	const struct pt_config *tables;

	if (!e->domain)
		return;
	if (e->whole)
		iova = domain_canonical(&e->context.key, iova);
	tlb_prefetch(&p->tlb, e->domain->salt,
		     atomic_load_explicit(&e->domain->sizes, memory_order_relaxed), iova);
	if (!e->whole)
		return;
	tables = domain_tables(&e->context.key, iova);
	if (tables->page_lg2)
		table_cache_prefetch(&p->tables, e->domain->salt, domain_block(tables, iova));
}

void translate_prefetch_entry(const struct translating *t, uint64_t iova)
{
	const struct context_entry *e = t->query.entry;
	const struct partition *p = t->query.device->partition;
	struct translation found;
	struct table_place place;
	struct tlb_space space;
	const struct pt_config *tables;

	if (!e->domain || !e->whole)
		return;
	iova = domain_canonical(&e->context.key, iova);
	tables = domain_tables(&e->context.key, iova);
	if (!tables->page_lg2)
		return;
	space = domain_space(e->domain,
			     atomic_load_explicit(&e->domain->tag, memory_order_relaxed));
	if (tlb_find(&p->tlb, space, atomic_load_explicit(&e->domain->sizes, memory_order_relaxed),
		     iova, &found))
		return;
	/* Only fetched, never read: no section is needed. */
	if (table_cache_find(&p->tables, space, domain_block(tables, iova),
			     atomic_load_explicit(&p->vm->map_version, memory_order_relaxed),
			     &place))
		__builtin_prefetch(place.host + (pt_entry_address(tables, 0, iova, 0)));
}

/* Of what is noted as written a channel keeps only the page that is. */
static __attribute__((noinline, cold)) void keep_page(const struct translating *t)
{
	const struct query *q = &t->query;
	struct translation found = q->found;

	if (q->access & VIOMMU_WRITE)
		translation_shrink(&found, q->iova, 12);
	channel_keep(t->channel, q->iova, q->changes, &found, t->place);
}

/* What the caches do not have. */
static inline int ask_engine(struct translating *t)
{
	struct query *q = &t->query;
	int end;

	if (UNLIKELY(!atomic_load_explicit(&q->device->told_all, memory_order_relaxed)))
		shadow_lose(q->device);
	open_section(t);
	q->hit = false;
	end = has_id(q) ? q->device->iommu->engine->translate(q->device->iommu, q) : VIOMMU_FAULT;
	q->known = false;
	if (!q->quiet && LIKELY(!q->hit))
		count_event(q->device, COUNT_MISSES);
	return end;
}

/* What is usual of a DMA that the TLB did not have: it is of one piece, and nobody notes what is written. False: go on
 * with q->found. */
static inline bool finish_at_once(struct translating *t, const struct viommu_request *r,
				  struct viommu_fragment *f, struct viommu_answer *answer)
{
	const struct query *q = &t->query;
	const struct translation found = q->found;
	uint64_t iova = r->first, last = r->last, more = last - iova, gpa;
	unsigned access = q->access;
	struct mem_place place;

	if (UNLIKELY(dirty_wanted(q->device->iommu)) || UNLIKELY(is_counted(q->device->iommu)) ||
	    !access_granted(found.perm, access) || last > (found.iova | bits_low(found.size_lg2)))
		return false;
	gpa = found.gpa + (iova - found.iova);
	mem_find_near(q->device->iommu->vm, gpa, t->place);
	place = *t->place;
	if (more > place.last - gpa)
		return false;
	f->gpa = gpa;
	f->length = more + 1;
	fragment_at(f, &place, found.perm, access);
	answer_one(answer, last);
	answer_put_extent(answer, answer_extent(found.size_lg2));
	if (t->channel && q->cacheable)
		channel_put(t->channel, iova, q->changes, &found, &place);
	return true;
}

/* @found: q->found is of the first block already. */
static inline __attribute__((always_inline)) int translate_blocks(struct translating *t, bool found,
								  uint64_t last,
								  struct viommu_fragment *fragments,
								  uint32_t max, uint32_t *count)
{
	struct query *q = &t->query;
	struct viommu *u = q->device->iommu;

	for (uint32_t i = 0; i < BLOCKS_MAX; i++) {
		struct viommu_fragment piece;
		bool noted;

		if (last - q->iova >= BIT(12) * AHEAD)
			translate_prefetch(t, q->iova + BIT(12) * AHEAD);
		if (!(found && i == 0) && !cached(u, q)) {
			int end = ask_engine(t);

			if (end)
				return end;
		}
		noted = UNLIKELY(dirty_wanted(u)) && !q->quiet;
		if (noted && !(q->access & VIOMMU_WRITE)) /* who writes asks first */
			q->found.perm &= (uint8_t)~PERM_DIRTY;
		piece = first_piece(t, last);
		if (noted)
			dirty_note(q, &piece);
		if (*count == 0)
			t->extent_lg2 = q->found.size_lg2;
		if (t->channel && q->cacheable && !q->quiet && q->type == VIOMMU_AT_UNTRANSLATED &&
		    LIKELY(q->entry == &t->channel->entry)) {
			if (UNLIKELY(noted))
				keep_page(t);
			else
				channel_keep(t->channel, q->iova, q->changes, &q->found, t->place);
		}
		if (*count == 0 || !translate_merge(&fragments[*count - 1], &piece)) {
			if (*count == max)
				return VIOMMU_MORE;
			fragments[(*count)++] = piece;
		}
		q->iova += piece.length;
		if (q->iova - 1 == last)
			return VIOMMU_OK;
	}
	return VIOMMU_MORE;
}

/* @asked: the engine has been asked for the first block, with this @result. */
static __attribute__((noinline)) int translate_rest(struct translating *t, bool asked, int result,
						    const struct viommu_request *request,
						    struct viommu_fragment *fragments, uint32_t max,
						    struct viommu_answer *answer)
{
	struct query *q = &t->query;
	struct context_entry *kept = q->entry;
	struct context_entry other;
	uint32_t count = 0;

	if (!asked && translate_contexts(q->device->iommu, q->type) != VIOMMU_AT_UNTRANSLATED) {
		other.domain = NULL;
		q->entry = &other; /* a channel keeps that of its DMA */
		q->known = false;
	}
	if (!result)
		result = translate_blocks(t, asked, request->last, fragments, max, &count);
	q->entry = kept;
	if (UNLIKELY(is_counted(q->device->iommu))) /* from when it was not */
		kept->domain = NULL;
	if (result != VIOMMU_FAULT && result != VIOMMU_STALLED)
		q->reason = 0; /* engines set one ahead of each check */
	else if (!q->quiet)
		probe_fault(q);
	*answer = (struct viommu_answer){ .next = q->iova,
					  .count = count,
					  .reason = q->reason,
					  .ats = q->ats,
					  .token = q->token,
					  .extent_lg2 = t->extent_lg2,
					  .flags = q->flags };
	return result;
}

/* What is asked; the answer is empty. */
static inline void take_request(struct query *q, const struct viommu_request *request)
{
	q->iova = request->first;
	q->pasid = request->pasid;
	q->access = (uint16_t)(request->access & ~VIOMMU_QUIET);
	q->quiet = request->access & VIOMMU_QUIET;
	q->type = request->type;
	q->reason = 0;
	q->ats = 0;
	q->flags = 0;
	q->token = 0;
	q->stalls = q->device->config.resume != NULL;
}

int translate_range(struct translating *t, const struct viommu_request *request,
		    struct viommu_fragment *fragments, uint32_t max, struct viommu_answer *answer)
{
	bool asked = t->missed && LIKELY(!is_counted(t->query.device->iommu));
	int result = VIOMMU_OK;

	take_request(&t->query, request);
	t->extent_lg2 = 0;
	if (LIKELY(asked)) { /* DMA, which leaves its traces */
		result = ask_engine(t);
		if (LIKELY(!result && finish_at_once(t, request, fragments, answer)))
			return VIOMMU_OK;
	}
	return translate_rest(t, asked, result, request, fragments, max, answer);
}

/* The context of the last one, if it is of the same PASID. */
static bool last_context(const struct viommu_device *device, uint32_t pasid,
			 struct context_entry *entry)
{
	const struct device_context *last = &device->last;
	uint64_t version = seq_read_begin(&last->version);

	entry->domain = atomic_load_explicit(&last->domain, memory_order_relaxed);
	entry->generation = atomic_load_explicit(&last->generation, memory_order_relaxed);
	return atomic_load_explicit(&last->pasid, memory_order_relaxed) == pasid &&
	       seq_read_valid(&last->version, version);
}

static __attribute__((noinline)) bool other_context(const struct viommu_device *device,
						    uint32_t pasid, struct context_entry *entry)
{
	return context_cache_find_domain(&device->partition->contexts,
					 translate_who(device, pasid, VIOMMU_AT_UNTRANSLATED),
					 entry);
}

bool translate_known_domain(const struct viommu_device *device, uint32_t pasid,
			    struct context_entry *entry)
{
	return last_context(device, pasid, entry) || other_context(device, pasid, entry);
}

/* A request of one piece, from the caches. What is not well-formed is none. */
static __attribute__((noinline)) enum cached device_cached(struct viommu_device *device,
							   const struct viommu_request *r,
							   struct viommu_fragment *f,
							   struct viommu_answer *answer)
{
	struct context_entry entry;
	struct translation found;
	struct mem_place place;
	uint64_t tag;

	if (access_and_type(r) >= ACCESS_KINDS || !translate_known_domain(device, r->pasid, &entry))
		return CACHED_OTHERWISE;
	tag = atomic_load_explicit(&entry.domain->tag, memory_order_acquire);
	if (UNLIKELY(!context_stands(&entry, device)))
		return CACHED_OTHERWISE;
	return translate_cached(device->partition, entry.domain, tag, r, &found, &place, false, f,
				answer);
}

/*
 * What is usual of that: of the last context, of the smallest size there is, in the first way of a set, and in one of
 * the largest regions. Every instruction here is paid by every DMA: tests/bench counts them. So nothing is called, and
 * what is at hand in memory is loaded again: registers that have to be saved cost more.
 */
static inline __attribute__((always_inline)) bool device_hit(struct viommu_device *device,
							     const struct viommu_request *r,
							     struct viommu_fragment *f,
							     struct viommu_answer *answer)
{
	const struct device_context *last = &device->last;
	const struct domain *domain;
	uint64_t access, version, generation, probe, block, to, more, gpa;
	const struct permit *permit;
	const struct viommu_vm *vm;
	unsigned char *host;

	version = seq_read_begin(&last->version);
	domain = atomic_load_explicit(&last->domain, memory_order_relaxed);
	generation = atomic_load_explicit(&last->generation, memory_order_relaxed);
	access = request_who(r) ^ atomic_load_explicit(&last->pasid, memory_order_relaxed);
	/* access and type, as access_and_type() has them, if the PASID is that one; or more */
	access = access >> 32 | access << 32;
	if (access >= ACCESS_KINDS || !seq_read_valid(&last->version, version))
		return false;
	version = atomic_load_explicit(&domain->tag, memory_order_acquire);
	if (device_generation(device) + domain_life(domain) != generation)
		return false;
	probe = atomic_load_explicit(&domain->probe, memory_order_relaxed);
	block = tlb_block(probe, r->first);
	if (block != tlb_block(probe, r->last) ||
	    !tlb_probe_first(tlb_set_of(&device->partition->tlb, domain->salt, block), version,
			     block, &to))
		return false;
	permit = permit_of(tlb_perm(to));
	__asm__("" : "+r"(permit)); /* computed once */
	if (!(permit->accepts >> access & 1) || __builtin_sub_overflow(r->last, r->first, &more))
		return false;
	memcpy(&f->perm, &permit->grant[access / VIOMMU_PRIV], sizeof(permit->grant[0]));
	answer_put_extent(answer, answer_extent(block & TLB_SIZE_LG2));
	f->length = more + 1;
	gpa = tlb_gpa(to, r->first);
	f->gpa = gpa;
	vm = device->partition->vm;
	version = seq_read_begin(&vm->map_version);
	if (UNLIKELY(!mem_host_in_largest(vm, 0, gpa, more, &host)) &&
	    !mem_host_in_largest(vm, 1, gpa, more, &host))
		return false;
	f->host = host;
	answer_one(answer, r->last);
	return seq_read_valid(&vm->map_version, version);
}

static __attribute__((noinline)) int device_translate(struct viommu_device *device,
						      const struct viommu_request *request,
						      struct viommu_fragment *fragments,
						      uint32_t max, struct viommu_answer *answer)
{
	struct mem_place place = MEM_NOWHERE;
	struct context_entry entry;
	struct translating t;
	enum cached cached;
	int result;

	cached = device_cached(device, request, fragments, answer);
	if (cached == CACHED)
		return VIOMMU_OK;
	if (!translate_well_formed(request))
		return VIOMMU_EINVAL;
	entry.domain = NULL;
	translate_begin(&t, device, &entry, &place, NULL);
	t.missed = cached == CACHED_NOT;
	result = translate_range(&t, request, fragments, max, answer);
	if (translate_close(&t))
		unit_work(device->iommu);
	return result;
}

int viommu_device_translate(struct viommu_device *device, const struct viommu_request *request,
			    struct viommu_fragment *fragments, uint32_t max,
			    struct viommu_answer *answer)
{
	if (is_null(device) || is_null(request) || is_null(fragments) || is_null(answer) || !max)
		return VIOMMU_EINVAL;
	if (LIKELY(device_hit(device, request, fragments, answer)))
		return VIOMMU_OK;
	return device_translate(device, request, fragments, max, answer);
}
