/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * miss.h - what a channel does not have, from request to answer at once. All of it is inlined into one function of each
 * engine, which says in a constant struct miss_way what is its own.
 *
 * That is for what is usual: a DMA of one piece of RAM, in a section that is open, of a context that the channel has, which
 * the shared TLB knows, or the engine's tables, as they usually are (pt_hurry.h). Whatever is not, is left to channel_ask(),
 * from the beginning; nothing has been written then that anybody sees. The fill rule is that of translate.c.
 */
#ifndef MISS_H
#define MISS_H

#include "channel.h"
#include "dirty_pages.h"
#include "probe.h"
#include "pt_hurry.h"
#include "record_tape.h"

/* One miss. As all of it is inlined, none of this is in memory for long. */
struct miss {
	struct viommu_channel *channel;
	struct viommu *u;
	struct partition *p;
	const struct domain *domain;
	const struct context *context;
	uint64_t iova;
	unsigned access; /* VIOMMU_READ, ... */
	/* Read before anything that they hold for. */
	uint64_t changes;
	uint64_t tag;
	uint64_t map; /* version of the memory map */
	/* Of the smallest size that the domain has. */
	uint64_t page;
	struct tlb_seek seek;
	/* Where the structure cache was looked at; kept: what is to be there, with a host address. */
	struct table_slot *slot;
	uint64_t slot_version;
	uint64_t block;
	struct table_place table;
	/* What was found, and the page of the channel's entry. */
	struct translation found;
	uint64_t first;
	uint64_t last; /* as far as the entry goes */
	uint64_t gpa;
	unsigned char *host;
};

/* What is an engine's own. */
struct miss_way {
	/* Whether nothing but tables of this format has to do with the request. */
	bool (*usual)(const struct miss *m);
	/* The tables that are walked first, and flags of theirs that do not count. */
	const struct pt_config *(*tables)(const struct miss *m);
	uint16_t without;
	const struct pt_format *format;
	/* NULL: where they are. Otherwise m->context.key.stage2 is below them, and tables of it are reached so, */
	pt_reach_fn *reach;
	/* and a page of the first stage becomes the answer. */
	bool (*below)(struct pt_walk *w);
	/* The access as tables see it: what is needed of them, PERM_*, and what is withheld; and what they permit, as requests
	 * have it. */
	unsigned (*need)(const struct miss *m);
	unsigned (*deny)(const struct context *c);
	unsigned (*fold)(const struct context *c, unsigned perm);
	/* Whether what was found holds for all of its block. */
	bool (*whole)(const struct miss *m);
};

/* ---- the request, and its context ---- */

/* See fill_take_domain(). */
ALWAYS_INLINE bool miss_take_domain(struct miss *m)
{
	const struct context_entry *entry = &m->channel->entry;

	m->domain = entry->domain;
	m->context = &entry->context;
	if (UNLIKELY(!entry->whole))
		return false;
	m->changes = atomic_load_explicit(&m->domain->changes, memory_order_acquire);
	m->tag = atomic_load_explicit(&m->domain->tag, memory_order_acquire);
	return !(m->changes & 1) && context_stands(entry, m->channel->device);
}

/* Nobody wants to see more of it than that it is answered. (A context that stands is not one that is counted, and
 * the device's shadows were given up when it was parsed.) */
ALWAYS_INLINE bool miss_is_private(const struct miss *m)
{
	return !dirty_wanted(m->u) && !is_recorded(m->p->vm);
}

ALWAYS_INLINE bool miss_take(struct miss *m, struct viommu_channel *channel,
			     const struct viommu_request *r)
{
	uint64_t access = request_who(r) ^ channel->who;

	access = access >> 32 | access << 32; /* as in a hit */
	if (UNLIKELY(access >= ACCESS_KINDS || channel->state != CHANNEL_OPEN))
		return false;
	m->channel = channel;
	m->access = (unsigned)access;
	m->iova = r->first;
	m->first = r->first & ~bits_low(MICRO_PAGE_LG2);
	m->u = channel->device->iommu;
	m->p = channel->device->partition;
	return miss_take_domain(m) && LIKELY(miss_is_private(m));
}

/* ---- the shared TLB ---- */

ALWAYS_INLINE void miss_found(struct miss *m, uint64_t to, uint64_t size_lg2)
{
	m->found.iova = m->iova & (UINT64_MAX << size_lg2);
	m->found.gpa = tlb_gpa(to, m->found.iova);
	m->found.size_lg2 = (uint8_t)size_lg2;
	m->found.perm = (uint8_t)tlb_perm(to);
}

ALWAYS_INLINE bool miss_look(struct miss *m)
{
	const struct tlb *tlb = &m->p->tlb;
	uint64_t probe = atomic_load_explicit(&m->domain->probe, memory_order_relaxed);
	uint64_t sizes = atomic_load_explicit(&m->domain->sizes, memory_order_relaxed);
	uint64_t to;
	unsigned size_lg2;

	m->page = tlb_block(probe, m->iova);
	if (tlb_seek(tlb_set_of(tlb, m->domain->salt, m->page), m->tag, m->page, &m->seek, &to)) {
		miss_found(m, to, m->page & TLB_SIZE_LG2);
		return true;
	}
	sizes &= sizes - 1;
	if (LIKELY(!sizes))
		return false;
	size_lg2 = tlb_look(tlb, domain_space(m->domain, m->tag), sizes, m->iova, &to);
	if (size_lg2 == TLB_NOTHING)
		return false;
	miss_found(m, to, size_lg2);
	return true;
}

/* ---- tables ---- */

/* The lowest table, for the structure cache, if all of it is where its entry was. */
ALWAYS_INLINE void miss_see_table(struct miss *m, const struct pt_walk *w,
				  const struct pt_config *c, const struct pt_step *s)
{
	uint64_t offset;

	m->table.gpa = s->at - (s->entry - s->table);
	offset = m->table.gpa - s->near.first;
	if (s->level || !c->top ||
	    offset + bits_low(c->index_lg2 + c->entry_lg2) >= s->near.places + 7)
		return;
	m->table.table = s->table;
	m->table.perm = w->table_perm;
	m->table.host = s->near.host + (offset & bits_index_mask(offset, s->near.places));
}

/* Where the tables are that are read as they are. */
ALWAYS_INLINE void miss_find_tables(const struct miss *m, uint64_t root)
{
	struct mem_place *place = &m->channel->tables;

	if (UNLIKELY(place->version != m->map || !mem_is_in(place, root)))
		mem_find_again(m->p->vm, root, place);
}

/* From the top; what is found of the lowest table is kept. */
ALWAYS_INLINE bool miss_walk_down(struct miss *m, const struct miss_way *way,
				  const struct pt_config *c, struct pt_walk *w)
{
	struct pt_step s;

	if (!way->reach)
		miss_find_tables(m, c->root);
	s = pt_begin(c, w);
	if (!pt_hurry_on(way->format, way->reach ? way->reach : pt_reach_near, c, w, &s))
		return false;
	miss_see_table(m, w, c, &s);
	return true;
}

/* From a table that is known. */
ALWAYS_INLINE bool miss_walk_in(const struct miss *m, const struct miss_way *way,
				const struct pt_config *c, struct pt_walk *w,
				const struct table_place *start)
{
	struct pt_step s;

	pt_begin_in(&s, c, start);
	s.entry = pt_next_entry(c, way->reach ? start->gpa : start->table, m->iova, 0);
	return pt_hurry_on(way->format, pt_reach_near, c, w, &s);
}

ALWAYS_INLINE bool miss_walk(struct miss *m, const struct miss_way *way)
{
	struct table_place start;
	struct pt_config config;
	struct pt_lower lower;
	struct pt_walk w;

	pt_walk_init(&w, m->p->vm, way->tables(m), m->iova, &m->channel->tables);
	w.nested = &m->context->key.stage2;
	if (way->reach) {
		miss_find_tables(m, w.nested->root);
		lower = (struct pt_lower){ .near = pt_near_place(w.place), .table = { .iova = 1 } };
		w.lower = &lower;
	}
	config = pt_geometry(way->format, &w);
	config.flags &= (uint16_t)~way->without;
	w.need = (uint8_t)way->need(m);
	w.dirty = w.need & (VIOMMU_WRITE | VIOMMU_WRITE << 3);
	if (way->deny)
		w.deny = (uint8_t)way->deny(m->context);
	m->block = domain_block(&config, m->iova);
	m->slot = table_slot_of(&m->p->tables, m->domain->salt, m->block);
	m->table = (struct table_place){ .host = NULL };
	if (LIKELY(table_slot_look(m->slot, m->tag, m->block, m->map, &m->slot_version, &start))) {
		if (!miss_walk_in(m, way, &config, &w, &start))
			return false;
	} else if (!miss_walk_down(m, way, &config, &w)) {
		return false;
	}
	if ((way->reach && !way->below(&w)) || UNLIKELY(w.found.global))
		return false;
	m->found = w.found;
	m->found.perm = (uint8_t)way->fold(m->context, w.found.perm);
	return way->whole(m) &&
	       atomic_load_explicit(&m->domain->sizes, memory_order_acquire) >> m->found.size_lg2 &
		       1;
}

/* ---- keeping it ---- */

/* Where it is, and whether all of the request is there. */
ALWAYS_INLINE bool miss_reach(struct miss *m, uint64_t last)
{
	struct mem_place *place = &m->channel->place;
	uint64_t offset, more, bytes;

	if (UNLIKELY(m->found.size_lg2 < MICRO_PAGE_LG2))
		return false;
	m->gpa = m->found.gpa + (m->first - m->found.iova);
	if (UNLIKELY(place->version != m->map || !mem_is_in(place, m->gpa)))
		mem_find_again(m->p->vm, m->gpa, place);
	if (UNLIKELY(!place->host || (place->host & MEM_REGION_READONLY)))
		return false;
	offset = m->gpa - place->first;
	more = place->last - m->gpa;
	bytes = place->last - place->first + 1;
	m->host = (unsigned char *)place->host + (offset & bits_index_mask(offset, bytes));
	m->last = m->found.iova | ~(UINT64_MAX << m->found.size_lg2);
	if (m->last - m->first > more)
		m->last = m->first + more;
	return last >= m->iova && last <= m->last;
}

ALWAYS_INLINE void miss_count(const struct miss *m, enum tlb_added added)
{
	struct viommu_device *device = m->channel->device;

	if (UNLIKELY(added == TLB_DROPPED)) {
		count_event(device, COUNT_MISSES);
		return;
	}
	count_event(device, COUNT_FILLED_MISSES);
	if (UNLIKELY(added == TLB_EVICTED))
		count_event(device, COUNT_EVICTIONS);
	PROBE6(fill, m->u, atomic_load_explicit(&device->id, memory_order_relaxed),
	       m->channel->pasid, m->found.iova, m->found.gpa, m->found.size_lg2);
}

/* In the shared TLB and in the structure cache. */
ALWAYS_INLINE void miss_keep(struct miss *m)
{
	const _Atomic uint64_t *changes = &m->domain->changes;
	uint64_t to = tlb_to(&m->found);
	enum tlb_added added;

	if (LIKELY(m->found.size_lg2 == (m->page & TLB_SIZE_LG2)))
		added = tlb_keep(&m->seek, m->tag, m->page, to, changes, m->changes);
	else
		added = tlb_add_block(&m->p->tlb, domain_space(m->domain, m->tag),
				      m->found.iova | m->found.size_lg2, to, changes, m->changes);
	if (m->table.host && seq_lock_as_read(&m->slot->version, m->slot_version))
		table_slot_put(m->slot, m->slot_version, m->tag, m->block,
			       m->channel->tables.version, &m->table, changes, m->changes);
	miss_count(m, added);
}

/* In the channel. */
ALWAYS_INLINE void miss_put(const struct miss *m, const struct permit *permit)
{
	struct viommu_channel *channel = m->channel;
	struct micro_entry *e;

	if (UNLIKELY(!channel_is_under(channel, m->changes)))
		channel_renew(channel, m->changes);
	e = channel_entry(channel, m->iova);
	e->tag = m->first | channel->serial;
	e->last = m->last;
	e->gpa = m->gpa;
	e->host = m->host;
	e->grant[0] = permit->grant[0];
	e->grant[1] = permit->grant[1];
	e->extent = answer_extent(m->found.size_lg2);
	e->accepts = (uint32_t)permit->accepts;
	e->outside = 0;
}

/* With what was found. @kept: by the TLB already; known where this is inlined. */
ALWAYS_INLINE int miss_end(struct miss *m, bool kept, const struct viommu_request *r,
			   struct viommu_fragment *f, uint32_t max, struct viommu_answer *answer)
{
	const struct permit *permit = permit_of(m->found.perm);
	uint64_t last = r->last;

	if (UNLIKELY(!(permit->accepts >> m->access & 1)) || UNLIKELY(!miss_reach(m, last)))
		return channel_ask(m->channel, r, f, max, answer);
	if (!kept)
		miss_keep(m);
	miss_put(m, permit);
	f->gpa = m->gpa + channel_offset(m->iova);
	f->length = last - m->iova + 1;
	f->host = m->host + channel_offset(m->iova);
	memcpy(&f->perm, &permit->grant[m->access / VIOMMU_PRIV & 1], sizeof(permit->grant[0]));
	answer_one(answer, last);
	answer_put_extent(answer, answer_extent(m->found.size_lg2));
	return VIOMMU_OK;
}

/* miss_fn */
ALWAYS_INLINE int miss_at_once(const struct miss_way *way, struct viommu_channel *channel,
			       const struct viommu_request *r, struct viommu_fragment *f,
			       uint32_t max, struct viommu_answer *answer)
{
	struct miss m;

	if (!miss_take(&m, channel, r) || !way->usual(&m))
		return channel_ask(channel, r, f, max, answer);
	m.map = seq_read_begin(&m.p->vm->map_version);
	if (miss_look(&m))
		return miss_end(&m, true, r, f, max, answer);
	if (UNLIKELY(!miss_walk(&m, way)))
		return channel_ask(channel, r, f, max, answer);
	return miss_end(&m, false, r, f, max, answer);
}

#endif
