/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * routes.c - interrupt routes and their cached translations.
 *
 * An invalidation marks the routes that were resolved through the entries (route_marks.c). They are
 * resolved again, once, before any completion is reported (settle); a route that no longer resolves
 * is revoked. A refusal is kept only if the guest announces what was not there before: otherwise
 * the tables are asked each time. Lookups read a route's answer under its own version.
 */

#include "route_cache.h"

#include <stddef.h>
#include <string.h>

#include "abi.h"
#include "msi.h"
#include "seqlock.h"

static void note_change(struct viommu_routes *r, uint32_t gsi)
{
	struct route_slot *s = &r->slot[gsi];

	if (s->changed)
		return;
	s->changed = true;
	s->next_changed = 0;
	if (r->changed_first)
		r->slot[r->changed_last - 1].next_changed = gsi + 1;
	else
		r->changed_first = gsi + 1;
	r->changed_last = gsi + 1;
	r->statistics.pending++;
}

/* ---- answers ---- */

static bool delivers(const struct viommu_route_change *c)
{
	return (c->flags & (VIOMMU_ROUTE_VALID | VIOMMU_ROUTE_MASKED)) == VIOMMU_ROUTE_VALID;
}

/* Makes the answer visible to lookups. */
static void publish(struct route_slot *s, enum route_answer answer)
{
	struct viommu_route_change now = s->now;
	uint64_t word[CHANGE_WORDS];

	now.flags = delivers(&now) ? VIOMMU_ROUTE_VALID : 0;
	memcpy(word, &now, sizeof(word));
	seq_write_begin(&s->version); /* writers hold the cache's lock */
	for (unsigned i = 0; i < CHANGE_WORDS; i++)
		atomic_store_explicit(&s->word[i], word[i], memory_order_relaxed);
	atomic_store_explicit(&s->answer, answer, memory_order_relaxed);
	seq_write_end(&s->version);
}

/* A route that the kernel does not have is the VMM's to deliver if it asks. Who was told to stop (it was removed,
 * masked, or refused for good) has to hear that; of a new one viommu_routes_set() says so. */
static bool alike_outside(uint32_t before, uint32_t now)
{
	return before == 0 || before == now || !(now & VIOMMU_ROUTE_ASK);
}

/* What reaches the kernel: the rest of an answer may differ without anyone having to know. */
static bool alike(const struct viommu_route_change *a, const struct viommu_route_change *b)
{
	if (!((a->flags | b->flags) & VIOMMU_ROUTE_VALID))
		return alike_outside(a->flags, b->flags);
	return a->flags == b->flags && a->msi.address == b->msi.address &&
	       a->msi.data == b->msi.data && a->msi.flags == b->msi.flags &&
	       a->msi.kind == b->msi.kind && a->msi.intid == b->msi.intid &&
	       a->msi.cpu == b->msi.cpu;
}

static void set_answer(struct viommu_routes *r, uint32_t gsi, const struct viommu_route_change *now)
{
	struct route_slot *s = &r->slot[gsi];
	bool same = alike(&s->now, now);

	r->statistics.valid += delivers(now);
	r->statistics.valid -= delivers(&s->now);
	s->now = *now;
	publish(s, now->flags & VIOMMU_ROUTE_ASK ? ROUTE_ASKS : ROUTE_PRECISE);
	if (!same)
		note_change(r, gsi);
}

/* What a route comes to that is not masked, or whose interrupt can still be acknowledged. */
static uint32_t remap(struct viommu_routes *r, const struct route_slot *s, struct viommu_msi *msi)
{
	int result = msi_remap(r->iommu, s->route.source, s->route.address, s->route.data,
			       VIOMMU_MSI_RESOLVE, msi);

	r->statistics.resolved++;
	if (result == VIOMMU_OK)
		return VIOMMU_ROUTE_VALID;
	/* Refused by a table entry, which may be replaced without anyone being told; or by registers
	 * alone. */
	if (r->iommu->keeps_refusals || (r->iommu->engine->remap_msi && msi->index == UINT32_MAX))
		return VIOMMU_ROUTE_REVOKED;
	return VIOMMU_ROUTE_ASK;
}

/* Resolves one route, with the lock held, inside a section. */
static void resolve(struct viommu_routes *r, uint32_t gsi)
{
	struct route_slot *s = &r->slot[gsi];
	struct viommu_route_change now = { .gsi = gsi, .msi.index = UINT32_MAX };
	bool masked = s->route.flags & VIOMMU_ROUTE_MASKED;

	route_unlink(r, gsi);
	if (masked)
		now.flags = VIOMMU_ROUTE_MASKED;
	else
		now.flags = remap(r, s, &now.msi) | (s->pin_masked ? VIOMMU_ROUTE_MASKED : 0);
	set_answer(r, gsi, &now);
	/* Also one that failed: its entry may become valid. */
	if (!masked)
		route_link(r, gsi);
}

/* ---- invalidations ---- */

static void tell(const struct viommu_routes *r)
{
	if (r->config.changed)
		r->config.changed(r->config.opaque);
}

/* Only marks: what a burst of invalidations concerns is resolved once, before any of them is
 * reported complete. */
static void invalidated(void *opaque, uint32_t source, uint32_t first, uint32_t last)
{
	struct viommu_routes *r = opaque;

	r->marked = true;
	if (pthread_mutex_lock(&r->lock)) {
		/* This very thread is resolving: it reads guest memory, and that came back here. */
		r->again = true;
		return;
	}
	r->statistics.invalidations++;
	route_mark(r, source, first, last);
	pthread_mutex_unlock(&r->lock);
}

/* Without interrupt remapping, a message goes where its address is mapped. */
static void unmapped(void *opaque, struct viommu_device *device, uint32_t pasid, uint64_t first,
		     uint64_t last)
{
	const struct viommu_routes *r = opaque;
	uint32_t id = atomic_load_explicit(&device->id, memory_order_relaxed);

	(void)pasid;
	if (first <= atomic_load(&r->message_last) && last >= atomic_load(&r->message_first))
		invalidated(opaque, id, 0, 0);
}

static void mode_changed(void *opaque, struct viommu_device *device, uint32_t mode)
{
	(void)mode;
	invalidated(opaque, atomic_load_explicit(&device->id, memory_order_relaxed), 0, 0);
}

/* The endpoint has been freed, or has another id. */
static void gone(void *opaque, uint32_t id)
{
	route_mark_gone(opaque, id);
}

/* A table entry, the route, and the note of the change: lines that nobody has in a cache. */
#define RESOLVE_STEPS 2U

/* Resolves what is marked, as far as the call's steps go. True: nothing is left. */
static bool resolve_marked(struct viommu_routes *r)
{
	uint32_t gsi;

	/* at most steps of the call */
	while ((gsi = route_next_marked(r))) {
		bool concerned = route_concerned(r, gsi - 1);

		if (!unit_pay(r->iommu, concerned ? RESOLVE_STEPS : 1))
			return false;
		if (concerned) {
			r->concerned = true;
			resolve(r, gsi - 1);
		} else {
			route_unlink(r, gsi - 1);
			route_link(r, gsi - 1);
		}
	}
	return true;
}

static bool settle(void *opaque)
{
	struct viommu_routes *r = opaque;
	bool done, concerned = false;

	if (!r->marked && !atomic_load(&r->gone))
		return true;
	/* A memory callback has come here while its thread resolves: when that has ended. */
	if (pthread_mutex_lock(&r->lock))
		return false;
	if (r->again) {
		r->again = false;
		route_mark_all(r);
	}
	if (route_take_gone(r))
		r->marked = true;
	done = resolve_marked(r);
	if (done) {
		/* Also if nothing differs: another thread may have drained a change that it has not
		 * passed on. */
		concerned = r->concerned || r->changed_first;
		/* who waits for a completion may have begun to before this */
		r->iommu->late |= r->concerned;
		r->concerned = false;
		r->marked = false;
	}
	pthread_mutex_unlock(&r->lock);
	if (concerned)
		tell(r);
	return done;
}

/* ---- public ---- */

static int take_config(struct viommu_routes_config *config,
		       const struct viommu_routes_config *given)
{
	int result = abi_take(config, sizeof(*config),
			      offsetof(struct viommu_routes_config, opaque), given);

	if (result)
		return result;
	if (config->flags || config->reserved || config->gsis > 65536)
		return VIOMMU_EINVAL;
	if (!config->gsis)
		config->gsis = 4096;
	return VIOMMU_OK;
}

static void free_all(struct viommu_routes *r)
{
	struct viommu_vm *vm = r->iommu->vm;

	pthread_mutex_destroy(&r->lock);
	route_places_fini(r);
	vm_dealloc(vm, r->slot, r->config.gsis * sizeof(*r->slot));
	vm_dealloc(vm, r, sizeof(*r));
}

static void init_lock(pthread_mutex_t *lock)
{
	pthread_mutexattr_t attributes;

	pthread_mutexattr_init(&attributes);
	pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_ERRORCHECK);
	pthread_mutex_init(lock, &attributes);
	pthread_mutexattr_destroy(&attributes);
}

static int listen(struct viommu_routes *r)
{
	struct viommu_listener_config listener = { .size = sizeof(listener), .opaque = r };
	int result;

	if (r->iommu->engine->remap_msi) {
		listener.interrupts = invalidated;
	} else {
		listener.unmap = unmapped;
		listener.mode = mode_changed;
	}
	result = listener_new(r->iommu, NULL, &listener, settle, NULL, &r->listener);
	if (!result && listener.unmap)
		devices_hear_ids(r->listener, gone);
	return result;
}

int viommu_routes_new(struct viommu *iommu, const struct viommu_routes_config *given,
		      struct viommu_routes **out)
{
	struct viommu_routes_config config;
	struct viommu_routes *r;
	int result;

	if (!iommu || !out)
		return VIOMMU_EINVAL;
	result = take_config(&config, given);
	if (result)
		return result;
	r = vm_alloc(iommu->vm, sizeof(*r), _Alignof(struct viommu_routes));
	if (!r)
		return VIOMMU_ENOMEM;
	r->iommu = iommu;
	r->config = config;
	atomic_init(&r->message_first, UINT64_MAX);
	init_lock(&r->lock);
	r->slot = vm_alloc(iommu->vm, config.gsis * sizeof(*r->slot), _Alignof(struct route_slot));
	result = route_places_init(r);
	if (!result)
		result = r->slot ? listen(r) : VIOMMU_ENOMEM;
	if (result) {
		free_all(r);
		return result;
	}
	*out = r;
	return VIOMMU_OK;
}

int viommu_routes_free(struct viommu_routes *r)
{
	int result;

	if (!r)
		return VIOMMU_OK;
	result = listener_free(r->listener);
	if (result)
		return result;
	free_all(r);
	return VIOMMU_OK;
}

/* Fills in what an I/O APIC's pin sends. A masked pin delivers nothing, but the interrupt that a
 * level-triggered one has delivered is still to be acknowledged: its message is kept. Lock order:
 * routes, then I/O APIC. */
static int take_pin(struct viommu_route *route, bool *pin_masked)
{
	struct viommu_ioapic_message message;
	int result = viommu_ioapic_get_message(route->ioapic, route->pin, &message);

	if (result)
		return result;
	route->address = message.address;
	route->data = message.data;
	route->source = message.source;
	*pin_masked = message.masked && message.level;
	if (message.masked && !message.level)
		route->flags |= VIOMMU_ROUTE_MASKED;
	return VIOMMU_OK;
}

/* Before the route is resolved: who unmaps what it has seen will know that it concerns routes. */
static void widen(struct viommu_routes *r, uint64_t address)
{
	if (address < atomic_load(&r->message_first))
		atomic_store(&r->message_first, address);
	if (address > atomic_load(&r->message_last))
		atomic_store(&r->message_last, address);
}

/* Whether a route that was set delivers, with the lock held. */
static int verdict(const struct route_slot *s)
{
	return s->now.flags & (VIOMMU_ROUTE_VALID | VIOMMU_ROUTE_MASKED) ? VIOMMU_OK : VIOMMU_FAULT;
}

static int set_locked(struct viommu_routes *r, struct viommu_route *route)
{
	struct route_slot *s = &r->slot[route->gsi];
	bool pin_masked = false;
	int result = route->ioapic ? take_pin(route, &pin_masked) : VIOMMU_OK;

	if (result)
		return result;
	r->statistics.routes += !s->exists;
	s->exists = true;
	s->route = *route;
	s->pin_masked = pin_masked;
	widen(r, route->address);
	resolve(r, route->gsi);
	return verdict(s);
}

int viommu_routes_set(struct viommu_routes *r, const struct viommu_route *given)
{
	struct epoch_section *section;
	struct viommu_route route;
	int result = abi_take(&route, sizeof(route), offsetof(struct viommu_route, ioapic), given);

	if (result)
		return result;
	if (!r || (route.flags & ~VIOMMU_ROUTE_MASKED) || route.gsi >= r->config.gsis ||
	    route.source > r->iommu->engine->last_id)
		return VIOMMU_EINVAL;
	section = epoch_visit(&r->iommu->epoch);
	if (pthread_mutex_lock(&r->lock)) {
		result = VIOMMU_EBUSY;
	} else {
		result = set_locked(r, &route);
		pthread_mutex_unlock(&r->lock);
	}
	if (epoch_visit_end(&r->iommu->epoch, section))
		unit_work(r->iommu);
	return result;
}

int viommu_routes_remove(struct viommu_routes *r, uint32_t gsi)
{
	struct viommu_route_change none = { .gsi = gsi,
					    .flags = VIOMMU_ROUTE_REVOKED,
					    .msi.index = UINT32_MAX };
	int result = VIOMMU_OK;

	if (!r || gsi >= r->config.gsis)
		return VIOMMU_EINVAL;
	if (pthread_mutex_lock(&r->lock))
		return VIOMMU_EBUSY;
	if (!r->slot[gsi].exists) {
		result = VIOMMU_ENOENT;
	} else {
		route_unlink(r, gsi);
		set_answer(r, gsi, &none);
		publish(&r->slot[gsi], ROUTE_NONE);
		r->slot[gsi].exists = false;
		r->statistics.routes--;
	}
	pthread_mutex_unlock(&r->lock);
	return result;
}

/* ---- lookups ---- */

/* A copy of a route, to ask the tables without the lock. */
static int take_route(struct viommu_routes *r, uint32_t gsi, struct viommu_route *route,
		      struct viommu_route_change *now)
{
	const struct route_slot *s = &r->slot[gsi];
	int result = VIOMMU_OK;

	if (pthread_mutex_lock(&r->lock))
		return VIOMMU_EBUSY;
	*route = s->route;
	*now = s->now;
	if (!s->exists)
		result = VIOMMU_ENOENT;
	pthread_mutex_unlock(&r->lock);
	return result;
}

/* What is not kept, or has been written all the time that a lookup has tried to read it. */
static __attribute__((noinline)) int ask(struct viommu_routes *r, uint32_t gsi,
					 struct viommu_route_change *change)
{
	struct viommu_route route;
	int result = take_route(r, gsi, &route, change);

	if (result)
		return result;
	if (change->flags & VIOMMU_ROUTE_ASK)
		change->flags = viommu_remap_msi(r->iommu, route.source, route.address, route.data,
						 VIOMMU_MSI_RESOLVE, &change->msi) == VIOMMU_OK
					? VIOMMU_ROUTE_VALID
					: 0;
	change->flags = delivers(change) ? VIOMMU_ROUTE_VALID : 0;
	return VIOMMU_OK;
}

int viommu_routes_lookup(struct viommu_routes *r, uint32_t gsi, struct viommu_route_change *change)
{
	const struct route_slot *s;

	if (!r || !change || gsi >= r->config.gsis)
		return VIOMMU_EINVAL;
	s = &r->slot[bits_clamp_index(gsi, r->config.gsis)];
	for (unsigned n = 0; n < SEQ_TRIES; n++) {
		uint64_t version = seq_read_begin(&s->version);
		uint32_t answer = atomic_load_explicit(&s->answer, memory_order_relaxed);

		for (unsigned i = 0; i < CHANGE_WORDS; i++) {
			uint64_t word = atomic_load_explicit(&s->word[i], memory_order_relaxed);

			memcpy((unsigned char *)change + i * sizeof(word), &word, sizeof(word));
		}
		if (!seq_read_valid(&s->version, version))
			continue;
		if (answer == ROUTE_PRECISE)
			return VIOMMU_OK;
		if (answer == ROUTE_NONE)
			return VIOMMU_ENOENT;
		break;
	}
	return ask(r, gsi, change);
}

/* The tables have an answer again for a route that had none. */
static void known_again(struct viommu_routes *r, uint32_t gsi)
{
	struct epoch_section *section = epoch_visit(&r->iommu->epoch);
	bool changed = false;

	if (!pthread_mutex_lock(&r->lock)) {
		const struct route_slot *s = &r->slot[gsi];

		if (s->exists && !(s->now.flags & (VIOMMU_ROUTE_VALID | VIOMMU_ROUTE_MASKED)))
			resolve(r, gsi);
		changed = s->changed;
		pthread_mutex_unlock(&r->lock);
	}
	if (changed) /* inside the section, which holds back whoever invalidates meanwhile */
		tell(r);
	if (epoch_visit_end(&r->iommu->epoch, section))
		unit_work(r->iommu);
}

int viommu_routes_deliver(struct viommu_routes *r, uint32_t gsi, struct viommu_msi *msi)
{
	struct viommu_route_change now;
	struct viommu_route route;
	int result;

	if (!r || !msi || gsi >= r->config.gsis)
		return VIOMMU_EINVAL;
	gsi = (uint32_t)bits_clamp_index(gsi, r->config.gsis);
	result = take_route(r, gsi, &route, &now);
	if (result)
		return result;
	if (now.flags & VIOMMU_ROUTE_MASKED) {
		*msi = (struct viommu_msi){ .index = UINT32_MAX };
		return VIOMMU_FAULT;
	}
	result = viommu_remap_msi(r->iommu, route.source, route.address, route.data, 0, msi);
	if (result == VIOMMU_OK && !(now.flags & VIOMMU_ROUTE_VALID))
		known_again(r, gsi);
	return result;
}

/* ---- changes and counters ---- */

int viommu_routes_drain(struct viommu_routes *r, struct viommu_route_change *changes, uint32_t max,
			uint32_t *count)
{
	int result;

	if (!r || !changes || !max || !count)
		return VIOMMU_EINVAL;
	if (pthread_mutex_lock(&r->lock))
		return VIOMMU_EBUSY;
	*count = 0;
	while (r->changed_first && *count < max) {
		struct route_slot *s = &r->slot[r->changed_first - 1];

		s->changed = false;
		r->changed_first = s->next_changed;
		r->statistics.pending--;
		changes[(*count)++] = s->now;
	}
	result = r->changed_first ? VIOMMU_MORE : VIOMMU_OK;
	pthread_mutex_unlock(&r->lock);
	return result;
}

int viommu_routes_get_statistics(struct viommu_routes *r,
				 struct viommu_routes_statistics *statistics)
{
	struct viommu_routes_statistics now;
	int result;

	if (!r || !statistics)
		return VIOMMU_EINVAL;
	result = abi_take(&now, sizeof(now), sizeof(now), statistics);
	if (result)
		return result;
	if (pthread_mutex_lock(&r->lock))
		return VIOMMU_EBUSY;
	now = r->statistics;
	pthread_mutex_unlock(&r->lock);
	now.size = statistics->size;
	memcpy(statistics, &now, sizeof(now));
	return VIOMMU_OK;
}
