/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * routes.c - interrupt routes and their cached translations.
 *
 * Each route knows the table entry it was resolved through, and each table entry the routes that
 * used it: an invalidation resolves exactly those again. A route that no longer resolves is
 * revoked. Lookups read a route's answer under its own version and take no lock.
 */

#include <libvirtiommu/routes.h>

#include <stddef.h>
#include <string.h>

#include "abi.h"
#include "seqlock.h"
#include "unit.h"

#define TABLE_ENTRIES 65536U
#define CHANGE_WORDS  (sizeof(struct viommu_route_change) / sizeof(uint64_t))

static_assert(sizeof(struct viommu_route_change) == 48, "frozen");

/* Lists hold gsi + 1; 0 ends them. */
struct slot {
	_Atomic uint64_t version; /* odd while the answer is written; 0: there never was a route */
	_Atomic uint64_t word[CHANGE_WORDS];
	_Atomic uint32_t exists;
	/* under routes.lock */
	uint32_t entry;	   /* table entry it was resolved through + 1; 0: none */
	uint32_t next;	   /* with the same index */
	uint32_t previous; /* 0: it is the first */
	uint32_t next_changed;
	bool changed;
	struct viommu_route route; /* an I/O APIC's message is copied into it */
	struct viommu_route_change now;
};

struct viommu_routes {
	struct viommu *iommu;
	struct viommu_routes_config config;
	struct viommu_listener *listener;
	/* Guards what follows. An error-checking mutex: guest memory is read with it held, and a
	 * callback that comes back here is refused. */
	pthread_mutex_t lock;
	pthread_mutex_t answers; /* held while a version is odd, for lookups that get tired of it */
	struct slot *slot;
	uint32_t *first; /* by table entry */
	uint32_t changed_first;
	uint32_t changed_last;
	bool again; /* an invalidation came from inside a memory callback: resolve all once more */
	struct viommu_routes_statistics statistics;
};

/* ---- lists ---- */

static void unlink_entry(struct viommu_routes *r, uint32_t gsi)
{
	struct slot *s = &r->slot[gsi];

	if (!s->entry)
		return;
	if (s->previous)
		r->slot[s->previous - 1].next = s->next;
	else
		r->first[s->entry - 1] = s->next;
	if (s->next)
		r->slot[s->next - 1].previous = s->previous;
	s->entry = 0;
}

static void link_entry(struct viommu_routes *r, uint32_t gsi, uint32_t index)
{
	struct slot *s = &r->slot[gsi];

	s->entry = index + 1;
	s->previous = 0;
	s->next = r->first[index];
	if (s->next)
		r->slot[s->next - 1].previous = gsi + 1;
	r->first[index] = gsi + 1;
}

static void note_change(struct viommu_routes *r, uint32_t gsi)
{
	struct slot *s = &r->slot[gsi];

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

/* Makes the answer visible to lookups. */
static void publish(struct viommu_routes *r, struct slot *s, const struct viommu_route_change *now,
		    bool exists)
{
	uint64_t word[CHANGE_WORDS];

	memcpy(word, now, sizeof(word));
	pthread_mutex_lock(&r->answers);
	seq_write_begin(&s->version);
	for (unsigned i = 0; i < CHANGE_WORDS; i++)
		atomic_store_explicit(&s->word[i], word[i], memory_order_relaxed);
	atomic_store_explicit(&s->exists, exists, memory_order_relaxed);
	seq_write_end(&s->version);
	pthread_mutex_unlock(&r->answers);
}

/* What reaches the kernel: the rest of an answer may differ without anyone having to know. */
static bool delivers_alike(const struct viommu_route_change *a, const struct viommu_route_change *b)
{
	return a->flags == b->flags &&
	       (!(a->flags & VIOMMU_ROUTE_VALID) ||
		(a->msi.address == b->msi.address && a->msi.data == b->msi.data &&
		 a->msi.flags == b->msi.flags));
}

static void set_answer(struct viommu_routes *r, uint32_t gsi, const struct viommu_route_change *now)
{
	struct slot *s = &r->slot[gsi];
	bool alike = delivers_alike(&s->now, now);

	r->statistics.valid += now->flags & VIOMMU_ROUTE_VALID;
	r->statistics.valid -= s->now.flags & VIOMMU_ROUTE_VALID;
	s->now = *now;
	publish(r, s, now, true);
	if (!alike)
		note_change(r, gsi);
}

/* Resolves one route, with the lock held, inside a section. */
static void resolve(struct viommu_routes *r, uint32_t gsi)
{
	struct slot *s = &r->slot[gsi];
	struct viommu_route_change now = { .gsi = gsi, .msi.index = UINT32_MAX };

	unlink_entry(r, gsi);
	if (!(s->route.flags & VIOMMU_ROUTE_MASKED)) {
		int result =
			r->iommu->engine->remap_msi(r->iommu, s->route.source, s->route.address,
						    s->route.data, VIOMMU_MSI_RESOLVE, &now.msi);

		now.flags = result == VIOMMU_OK ? VIOMMU_ROUTE_VALID : 0;
		r->statistics.resolved++;
	}
	/* Also one that failed: its entry may become valid. */
	if (now.msi.index < TABLE_ENTRIES)
		link_entry(r, gsi, now.msi.index);
	set_answer(r, gsi, &now);
}

/* ---- invalidations ---- */

static void resolve_entry(struct viommu_routes *r, uint32_t index)
{
	uint32_t gsi = r->first[index];

	/* at most as many steps as there are routes: resolving puts a route at the front of a list
	 */
	while (gsi) {
		uint32_t next = r->slot[gsi - 1].next;

		resolve(r, gsi - 1);
		gsi = next;
	}
}

/* So often in a row only if reading guest memory invalidates entries every time. */
#define AGAIN_MAX 8U

static void resolve_all(struct viommu_routes *r)
{
	for (uint32_t gsi = 0; gsi < r->config.gsis; gsi++) {
		if (atomic_load_explicit(&r->slot[gsi].exists, memory_order_relaxed))
			resolve(r, gsi);
	}
}

/* What cannot be resolved while nothing changes delivers nothing, until its entry is invalidated
 * once more. */
static void revoke_all(struct viommu_routes *r)
{
	r->again = false;
	for (uint32_t gsi = 0; gsi < r->config.gsis; gsi++) {
		struct viommu_route_change none = { .gsi = gsi, .msi.index = UINT32_MAX };

		if (atomic_load_explicit(&r->slot[gsi].exists, memory_order_relaxed))
			set_answer(r, gsi, &none);
	}
}

/* Before the lock is given back: what was resolved while an entry was invalidated is resolved once
 * more. True if it was, so that the host has to be told. */
static bool settle(struct viommu_routes *r)
{
	bool again = false;

	for (unsigned i = 0; r->again && i < AGAIN_MAX; i++) {
		r->again = false;
		again = true;
		resolve_all(r);
	}
	if (r->again)
		revoke_all(r);
	return again && r->changed_first != 0;
}

static void tell(const struct viommu_routes *r)
{
	if (r->config.changed)
		r->config.changed(r->config.opaque);
}

static void invalidated(void *opaque, uint32_t source, uint32_t first, uint32_t last)
{
	struct viommu_routes *r = opaque;
	struct epoch_section *section = epoch_visit(&r->iommu->epoch);
	bool everything; /* also routes that came through no entry: remapping may have been switched
			  */
	bool concerned;
	uint64_t before;

	(void)source; /* more routes than concerned are resolved again at worst */
	if (last >= TABLE_ENTRIES)
		last = TABLE_ENTRIES - 1;
	everything = first == 0 && last == TABLE_ENTRIES - 1;
	if (pthread_mutex_lock(&r->lock)) {
		/* This very thread is resolving: it reads guest memory, and that came back here. */
		r->again = true;
		epoch_visit_end(&r->iommu->epoch, section);
		return;
	}
	before = r->statistics.resolved;
	r->statistics.invalidations++;
	if (last - first >= r->config.gsis || everything) {
		for (uint32_t gsi = 0; gsi < r->config.gsis; gsi++) {
			const struct slot *slot = &r->slot[gsi];

			if (!atomic_load_explicit(&slot->exists, memory_order_relaxed))
				continue;
			if (everything || (slot->entry > first && slot->entry <= last + 1))
				resolve(r, gsi);
		}
	} else {
		for (uint32_t index = first; index <= last; index++)
			resolve_entry(r, index);
	}
	settle(r);
	/* Also if nothing differs: another thread may have drained a change that it has not passed
	 * on. */
	concerned = r->statistics.resolved != before || r->changed_first;
	pthread_mutex_unlock(&r->lock);
	if (concerned)
		tell(r);
	if (epoch_visit_end(&r->iommu->epoch, section))
		unit_work(r->iommu);
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

	pthread_mutex_destroy(&r->answers);
	pthread_mutex_destroy(&r->lock);
	vm_dealloc(vm, r->slot, r->config.gsis * sizeof(*r->slot));
	vm_dealloc(vm, r->first, TABLE_ENTRIES * sizeof(*r->first));
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

int viommu_routes_new(struct viommu *iommu, const struct viommu_routes_config *given,
		      struct viommu_routes **out)
{
	struct viommu_listener_config listener = { .size = sizeof(listener),
						   .interrupts = invalidated };
	struct viommu_routes_config config;
	struct viommu_routes *r;
	int result;

	if (!iommu || !out)
		return VIOMMU_EINVAL;
	result = take_config(&config, given);
	if (result)
		return result;
	if (!iommu->engine->remap_msi)
		return VIOMMU_ENOTSUP;
	r = vm_alloc(iommu->vm, sizeof(*r), _Alignof(struct viommu_routes));
	if (!r)
		return VIOMMU_ENOMEM;
	r->iommu = iommu;
	r->config = config;
	init_lock(&r->lock);
	pthread_mutex_init(&r->answers, NULL);
	r->slot = vm_alloc(iommu->vm, config.gsis * sizeof(*r->slot), _Alignof(struct slot));
	r->first = vm_alloc(iommu->vm, TABLE_ENTRIES * sizeof(*r->first), _Alignof(uint32_t));
	listener.opaque = r;
	result = r->slot && r->first ? viommu_listener_new(iommu, NULL, &listener, &r->listener)
				     : VIOMMU_ENOMEM;
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
	result = viommu_listener_free(r->listener);
	if (result)
		return result;
	free_all(r);
	return VIOMMU_OK;
}

/* Fills in what an I/O APIC's pin sends. Lock order: routes, then I/O APIC. */
static int take_pin(struct viommu_route *route)
{
	struct viommu_ioapic_message message;
	int result = viommu_ioapic_get_message(route->ioapic, route->pin, &message);

	if (result)
		return result;
	route->address = message.address;
	route->data = message.data;
	route->source = message.source;
	if (message.masked)
		route->flags |= VIOMMU_ROUTE_MASKED;
	return VIOMMU_OK;
}

static int set_locked(struct viommu_routes *r, struct viommu_route *route)
{
	struct slot *s = &r->slot[route->gsi];
	int result = route->ioapic ? take_pin(route) : VIOMMU_OK;

	if (result)
		return result;
	r->statistics.routes += !atomic_load_explicit(&s->exists, memory_order_relaxed);
	s->route = *route;
	resolve(r, route->gsi);
	return VIOMMU_OK;
}

/* Whether a route that was set delivers, with the lock held. */
static int verdict(const struct viommu_routes *r, uint32_t gsi)
{
	const struct slot *s = &r->slot[gsi];

	if ((s->now.flags & VIOMMU_ROUTE_VALID) || (s->route.flags & VIOMMU_ROUTE_MASKED))
		return VIOMMU_OK;
	return VIOMMU_FAULT;
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
		bool again;

		result = set_locked(r, &route);
		again = settle(r);
		if (!result)
			result = verdict(r, route.gsi);
		pthread_mutex_unlock(&r->lock);
		if (again) /* inside the section, which holds back whoever invalidated */
			tell(r);
	}
	if (epoch_visit_end(&r->iommu->epoch, section))
		unit_work(r->iommu);
	return result;
}

int viommu_routes_remove(struct viommu_routes *r, uint32_t gsi)
{
	struct viommu_route_change none = { .gsi = gsi, .msi.index = UINT32_MAX };
	int result = VIOMMU_OK;

	if (!r || gsi >= r->config.gsis)
		return VIOMMU_EINVAL;
	if (pthread_mutex_lock(&r->lock))
		return VIOMMU_EBUSY;
	if (!atomic_load_explicit(&r->slot[gsi].exists, memory_order_relaxed)) {
		result = VIOMMU_ENOENT;
	} else {
		unlink_entry(r, gsi);
		set_answer(r, gsi, &none);
		publish(r, &r->slot[gsi], &none, false);
		r->statistics.routes--;
	}
	pthread_mutex_unlock(&r->lock);
	return result;
}

static bool read_answer(const struct slot *s, struct viommu_route_change *change)
{
	bool exists = atomic_load_explicit(&s->exists, memory_order_relaxed);

	for (unsigned i = 0; exists && i < CHANGE_WORDS; i++) {
		uint64_t word = atomic_load_explicit(&s->word[i], memory_order_relaxed);

		memcpy((unsigned char *)change + i * sizeof(word), &word, sizeof(word));
	}
	return exists;
}

/* While nothing is published. */
static __attribute__((noinline, cold)) bool read_locked(struct viommu_routes *r,
							const struct slot *s,
							struct viommu_route_change *change)
{
	bool exists;

	pthread_mutex_lock(&r->answers);
	exists = read_answer(s, change);
	pthread_mutex_unlock(&r->answers);
	return exists;
}

int viommu_routes_lookup(const struct viommu_routes *r, uint32_t gsi,
			 struct viommu_route_change *change)
{
	const struct slot *s;
	bool exists;

	if (!r || !change || gsi >= r->config.gsis)
		return VIOMMU_EINVAL;
	s = &r->slot[bits_clamp_index(gsi, r->config.gsis)];
	for (unsigned i = 0; i < SEQ_TRIES; i++, seq_pause()) {
		uint64_t version = seq_read_begin(&s->version);

		exists = read_answer(s, change);
		if (LIKELY(seq_read_valid(&s->version, version)))
			return exists ? VIOMMU_OK : VIOMMU_ENOENT;
	}
	exists = read_locked((struct viommu_routes *)(uintptr_t)r, s, change);
	return exists ? VIOMMU_OK : VIOMMU_ENOENT;
}

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
		struct slot *s = &r->slot[r->changed_first - 1];

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
