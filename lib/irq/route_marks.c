/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * route_marks.c - which routes an invalidation concerns: lists by table entry, and marks.
 *
 * An invalidation marks the places that have routes; they are resolved later, place by place. A
 * place that is being worked off gives its whole list to todo, and what has been resolved goes back
 * to the place: a place that is marked again meanwhile is worked off again.
 */

#include "bits.h"
#include "route_cache.h"

int route_places_init(struct viommu_routes *r)
{
	struct viommu_vm *vm = r->iommu->vm;

	r->first = vm_alloc(vm, (ROUTE_PLACES + 1) * sizeof(*r->first), _Alignof(uint32_t));
	r->used = vm_alloc(vm, ROUTE_WORDS * sizeof(*r->used), _Alignof(uint64_t));
	r->marks = vm_alloc(vm, ROUTE_WORDS * sizeof(*r->marks), _Alignof(uint64_t));
	r->whose = vm_alloc(vm, ROUTE_WORDS * sizeof(*r->whose), _Alignof(uint64_t));
	r->gone_places = vm_alloc(vm, ROUTE_WORDS * sizeof(*r->gone_places), _Alignof(uint64_t));
	return r->first && r->used && r->marks && r->whose && r->gone_places ? VIOMMU_OK
									     : VIOMMU_ENOMEM;
}

void route_places_fini(struct viommu_routes *r)
{
	struct viommu_vm *vm = r->iommu->vm;

	vm_dealloc(vm, r->first, (ROUTE_PLACES + 1) * sizeof(*r->first));
	vm_dealloc(vm, r->used, ROUTE_WORDS * sizeof(*r->used));
	vm_dealloc(vm, r->marks, ROUTE_WORDS * sizeof(*r->marks));
	vm_dealloc(vm, r->whose, ROUTE_WORDS * sizeof(*r->whose));
	vm_dealloc(vm, r->gone_places, ROUTE_WORDS * sizeof(*r->gone_places));
}

/* Where the entries of a requester's own table begin. */
static uint32_t base_of(const struct viommu_routes *r, uint32_t source)
{
	return engine_own_tables(r->iommu->engine) ? source * UINT32_C(0x9e3779b1) >> 16 : 0;
}

static uint32_t place_of(const struct viommu_routes *r, const struct route_slot *s)
{
	uint32_t index = s->now.msi.index;

	/* What translates a message's address has no table: a requester has one entry. */
	if (!r->iommu->engine->remap_msi)
		index = 0;
	if (index == UINT32_MAX)
		return ROUTE_NOWHERE;
	return (base_of(r, s->route.source) + index) % ROUTE_PLACES;
}

void route_unlink(struct viommu_routes *r, uint32_t gsi)
{
	struct route_slot *s = &r->slot[gsi];
	uint32_t place = s->place - 1;

	if (!s->place)
		return;
	if (s->previous)
		r->slot[s->previous - 1].next = s->next;
	else if (r->first[place] == gsi + 1)
		r->first[place] = s->next;
	else
		r->todo = s->next;
	if (s->next)
		r->slot[s->next - 1].previous = s->previous;
	if (!r->first[place])
		r->used[place / 64] &= ~BIT(place % 64);
	s->place = 0;
}

void route_link(struct viommu_routes *r, uint32_t gsi)
{
	struct route_slot *s = &r->slot[gsi];
	uint32_t place = place_of(r, s);

	s->place = place + 1;
	s->previous = 0;
	s->next = r->first[place];
	if (s->next)
		r->slot[s->next - 1].previous = gsi + 1;
	r->first[place] = gsi + 1;
	r->used[place / 64] |= BIT(place % 64);
}

/* Those of [first, last] that have routes, for entries of a requester or of anyone. */
static void mark_places(struct viommu_routes *r, uint64_t of, uint32_t first, uint32_t last)
{
	for (uint32_t word = first / 64; word <= last / 64; word++) {
		uint64_t mask = UINT64_MAX;

		if (word == first / 64)
			mask &= ~bits_low(first % 64);
		if (word == last / 64)
			mask &= bits_low(last % 64 + 1);
		mask &= r->used[word];
		if (!mask)
			continue;
		r->whose[word] = !r->marks[word] || r->whose[word] == of ? of : ROUTE_ANYONE;
		r->marks[word] |= mask;
	}
	/* one that it concerns can be among them */
	if (r->todo && r->todo_of != of)
		r->todo_of = ROUTE_ANYONE;
	if (r->lowest == r->end)
		r->lowest = r->end = first / 64;
	if (r->lowest > first / 64)
		r->lowest = first / 64;
	if (r->end < last / 64 + 1)
		r->end = last / 64 + 1;
}

void route_mark_all(struct viommu_routes *r)
{
	mark_places(r, ROUTE_ANYONE, 0, ROUTE_NOWHERE);
}

void route_mark(struct viommu_routes *r, uint32_t source, uint32_t first, uint32_t last)
{
	uint64_t of = engine_own_tables(r->iommu->engine) ? source : ROUTE_ANYONE;
	uint32_t base = base_of(r, source);

	if (last - first >= ROUTE_PLACES - 1) {
		/* remapping may have been switched */
		route_mark_all(r);
		return;
	}
	first = (base + first) % ROUTE_PLACES;
	last = (base + last) % ROUTE_PLACES;
	if (first <= last) {
		mark_places(r, of, first, last);
	} else {
		mark_places(r, of, first, ROUTE_PLACES - 1);
		mark_places(r, of, 0, last);
	}
}

void route_mark_gone(struct viommu_routes *r, uint32_t source)
{
	uint32_t place = base_of(r, source);

	atomic_fetch_or(&r->gone_places[place / 64], BIT(place % 64));
	atomic_store(&r->gone, true);
}

bool route_take_gone(struct viommu_routes *r)
{
	if (!atomic_exchange(&r->gone, false))
		return false;
	for (uint32_t word = 0; word < ROUTE_WORDS; word++) {
		uint64_t places = atomic_exchange(&r->gone_places[word], 0);

		for (; places; places &= places - 1) {
			uint32_t place = word * 64 + (uint32_t)__builtin_ctzll(places);

			mark_places(r, ROUTE_ANYONE, place, place);
		}
	}
	return true;
}

uint32_t route_next_marked(struct viommu_routes *r)
{
	/* at most ROUTE_WORDS steps, and as many places as are marked without routes */
	while (!r->todo && r->lowest < r->end) {
		uint64_t marks = r->marks[r->lowest];
		uint32_t place;

		if (!marks) {
			r->lowest++;
			continue;
		}
		place = r->lowest * 64 + (uint32_t)__builtin_ctzll(marks);
		r->marks[r->lowest] &= marks - 1;
		r->todo = r->first[place];
		r->todo_of = r->whose[r->lowest];
		r->first[place] = 0;
		r->used[place / 64] &= ~BIT(place % 64);
	}
	return r->todo;
}

bool route_concerned(const struct viommu_routes *r, uint32_t gsi)
{
	return r->todo_of == ROUTE_ANYONE || r->todo_of == r->slot[gsi].route.source;
}
