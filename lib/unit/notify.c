/* SPDX-License-Identifier: BSD-3-Clause */
/* notify.c - listeners: who is told what. Only the call that has the unit (unit_begin) adds,
 * removes and tells. */

#include <stddef.h>

#include "abi.h"
#include "probe.h"
#include "recorder.h"
#include "unit.h"

/* The same of requests with any PASID and without: what differs from a shadow, or all of it. */
static void tell_changed(struct viommu_device *device, uint64_t first, uint64_t last)
{
	if (!shadow_compare(device, first, last))
		tell_unmap(device, VIOMMU_ANY_PASID, first, last);
}

/* What the device's requests without PASID are subject to now; and where the next invalidation of
 * a domain finds it. */
static uint32_t look(struct viommu_device *device)
{
	struct viommu *u = device->iommu;
	struct query q = {
		.device = device, .pasid = VIOMMU_NO_PASID, .quiet = true, .access = VIOMMU_READ
	};
	struct context context;
	bool blocked;

	if (u->engine->mode)
		return u->engine->mode(u, device);
	blocked = unit_parse(u, &q, &context) != VIOMMU_OK;
	device_has_domain(device, blocked ? DOMAIN_REFUSED : context.key.group, q.entry_pasid);
	if (blocked)
		return VIOMMU_MODE_BLOCK;
	return domain_has_tables(&context.key) ? VIOMMU_MODE_TRANSLATE : VIOMMU_MODE_BYPASS;
}

static void tell_mode_to(struct viommu_listener *l, struct viommu_device *device)
{
	if (!l->config.mode)
		return;
	tell_heard(l);
	l->config.mode(l->config.opaque, device, device->mode);
}

static uint32_t take_owed(struct viommu_device *device)
{
	struct viommu *u = device->iommu;
	uint32_t owed;

	if (!atomic_load(&u->owing))
		return 0;
	pthread_mutex_lock(&u->devices_lock);
	owed = device->owed;
	device->owed = 0;
	device_list_remove(device, DEVICES_OWED);
	pthread_mutex_unlock(&u->devices_lock);
	return owed;
}

/* What is owed, and @owed; and the mode of the device, to those who do not know it. */
static void tell_device(struct viommu_device *device, uint32_t owed)
{
	uint32_t was = device->mode;
	bool all;

	owed |= take_owed(device);
	device->mode = look(device);
	all = device->mode != was || (owed & OWED_MODE);
	for (struct viommu_listener *l = tell_first(device); l; l = tell_next(l)) {
		if (all || l->fresh)
			tell_mode_to(l, device);
	}
	if (owed & OWED_UNMAP)
		tell_changed(device, 0, UINT64_MAX);
}

/* ---- every device ---- */

/* A device is looked at, down to its PASID entry, and told: several structures, each from memory. */
#define LOOK_STEPS 4U

static void sweep_start(struct viommu *u, uint32_t owed)
{
	pthread_mutex_lock(&u->devices_lock);
	u->sweep.owed = owed | (u->sweep.on ? u->sweep.owed : 0);
	u->sweep.on = true;
	u->sweep.all = atomic_load(&u->wide_listeners) != 0;
	u->sweep.at = u->sweep.all ? u->all_devices : u->list[DEVICES_HEARD];
	pthread_mutex_unlock(&u->devices_lock);
}

/* False: steps ran out. */
static bool sweep_on(struct viommu *u)
{
	struct viommu_device *device;

	if (!u->sweep.on)
		return true;
	for (;;) {
		if (!unit_pay(u, LOOK_STEPS))
			return false;
		device = devices_take_swept(u);
		if (!device)
			break;
		tell_device(device, u->sweep.owed);
		device_put(device);
	}
	for (struct viommu_listener *l = u->listeners; l; l = l->next)
		l->fresh = false;
	pthread_mutex_lock(&u->devices_lock);
	u->sweep = (struct sweep){ .on = false };
	pthread_mutex_unlock(&u->devices_lock);
	return true;
}

/* What other threads did. False: steps ran out. */
static bool pay_owed(struct viommu *u)
{
	struct viommu_device *device;

	for (;;) {
		devices_begin(u, DEVICES_OWED);
		device = devices_take(u, DEVICES_OWED);
		if (!device)
			return true;
		if (!unit_pay(u, LOOK_STEPS)) {
			device_put(device);
			return false;
		}
		tell_device(device, 0);
		device_put(device);
	}
}

/* Late: whoever waits for a completion may have begun to before this. */
static bool tell_rest(struct viommu *u)
{
	uint64_t tells = u->tells;
	bool done = sweep_on(u) && (!atomic_load(&u->owing) || pay_owed(u)) && shadow_settle(u);

	u->late |= u->tells != tells;
	return done;
}

static void forget_in(struct viommu *u, uint64_t partitions, bool flush, bool mode)
{
	/* Before the generation: who parses again notes his domain after this. */
	pthread_mutex_lock(&u->devices_lock);
	u->domain_users.era++;
	pthread_mutex_unlock(&u->devices_lock);
	unit_forget_in(u, partitions, flush);
	probe_invalidation(u, flush ? COUNT_FLUSHES : COUNT_CONTEXTS, NULL, 0, VIOMMU_ANY_PASID, 0,
			   UINT64_MAX);
	if (!atomic_load(&u->unmap_listeners))
		return;
	sweep_start(u, OWED_UNMAP | (mode ? OWED_MODE : 0));
	sweep_on(u);
	shadow_settle(u);
}

void notify_forget(struct viommu *u, bool flush, bool mode)
{
	forget_in(u, UINT64_MAX, flush, mode);
}

void notify_forget_ids(struct viommu *u, uint32_t first, uint32_t last)
{
	forget_in(u, devices_partitions(u, first, last), false, false);
}

/* ---- the devices of a domain ---- */

/* Devices that are visited for a domain even when there are no steps left, or a quarter of the steps of a
 * call: rather that than to tell everybody of everything. */
#define VISITS_MIN 64U

/* Notes of others that are passed over for one step. */
#define NOTES_OF_A_STEP 4U

struct visit {
	uint32_t id;
	uint32_t pasid;
	bool contexts; /* are out of date, and everything with them; or: */
	uint64_t first;
	uint64_t last;
	uint32_t visited;
	uint32_t passed;
};

static bool afford(struct viommu *u, const struct visit *v, uint32_t steps)
{
	uint32_t done = v->visited + v->passed / NOTES_OF_A_STEP;

	return unit_pay(u, steps) || done < VISITS_MIN || done < u->limits.steps / 4;
}

static bool visit(struct viommu_device *device, struct visit *v)
{
	struct viommu *u = device->iommu;
	bool ok = afford(u, v, v->contexts ? LOOK_STEPS : 1);

	v->visited++;
	u->awaited_too |= BIT(device->partition->number);
	if (ok && device->visited != u->visits) {
		device->visited = u->visits;
		if (v->contexts) {
			unit_begin_era(device);
			u->concerned |= BIT(device->partition->number);
			tell_device(device, OWED_UNMAP);
		} else {
			tell_changed(device, v->first, v->last);
		}
	}
	device_put(device);
	return ok;
}

static bool visit_noted(struct viommu *u, struct visit *v, bool refused)
{
	struct viommu_device *device;

	while (refused ? devices_take_refused(u, v->pasid, &device)
		       : devices_take_user(u, v->id, v->pasid, &device)) {
		if (device ? !visit(device, v)
			   : !(++v->passed % NOTES_OF_A_STEP || afford(u, v, 1)))
			return false;
	}
	return true;
}

/* Vague ones first: who becomes precise meanwhile is noted, and who becomes vague still is. */
static bool visit_users(struct viommu *u, struct visit *v)
{
	struct viommu_device *device;

	u->visits++;
	devices_begin(u, DEVICES_VAGUE);
	while ((device = devices_take(u, DEVICES_VAGUE)) != NULL) {
		if (!visit(device, v))
			return false;
	}
	devices_begin_users(u, v->id);
	if (!visit_noted(u, v, false))
		return false;
	devices_begin(u, DEVICES_REFUSED);
	return !v->contexts || visit_noted(u, v, true);
}

static void visit_all(struct viommu *u, struct visit *v)
{
	/* More devices than steps: the rest, and everyone, is told of everything, later. */
	if (!visit_users(u, v))
		sweep_start(u, OWED_UNMAP);
}

void notify_users(struct viommu *u, uint32_t id, uint32_t pasid, uint64_t first, uint64_t last)
{
	uint64_t cut = domain_cut_mask(atomic_load(&u->cuts));
	struct visit v = { .id = id, .pasid = pasid, .first = first & ~cut, .last = last | cut };

	visit_all(u, &v);
	shadow_settle(u);
}

void notify_contexts(struct viommu *u, uint32_t id, uint32_t pasid)
{
	struct visit v = { .id = id, .pasid = pasid, .contexts = true };

	/* Before anyone is visited: who has parsed earlier and is noted later sees it. */
	unit_forget_domain(u, id);
	probe_invalidation(u, COUNT_CONTEXTS, NULL, id, pasid, 0, UINT64_MAX);
	if (!atomic_load(&u->unmap_listeners))
		return;
	visit_all(u, &v);
	if (v.visited)
		unit_start(u);
	shadow_settle(u);
}

void notify_tick(struct viommu *u, uint64_t now)
{
	for (const struct viommu_listener *l = u->ticking; l; l = l->next_ticking)
		l->tick(l->config.opaque, now);
}

/* ---- one device ---- */

void notify_device_unmap(struct viommu *u, struct viommu_device *device, uint64_t first,
			 uint64_t last)
{
	(void)u;
	tell_unmap(device, VIOMMU_NO_PASID, first, last);
}

void notify_device_changed(struct viommu *u, struct viommu_device *device)
{
	if (!atomic_load(&u->unmap_listeners))
		return;
	tell_device(device, OWED_UNMAP);
	shadow_settle(u);
}

void notify_device_mode(struct viommu *u, struct viommu_device *device, uint32_t mode)
{
	(void)u;
	if (take_owed(device) & OWED_UNMAP)
		tell_changed(device, 0, UINT64_MAX);
	device->mode = mode;
	for (struct viommu_listener *l = tell_first(device); l; l = tell_next(l))
		tell_mode_to(l, device);
}

bool notify_wants_map(const struct viommu *u, const struct viommu_device *device)
{
	(void)u;
	for (struct viommu_listener *l = tell_first(device); l; l = tell_next(l)) {
		if (l->config.map)
			return true;
	}
	return false;
}

int notify_device_map(struct viommu *u, struct viommu_device *device, uint64_t iova,
		      const struct viommu_fragment *fragment)
{
	int result = VIOMMU_OK;

	u->mapping = true;
	for (struct viommu_listener *l = tell_first(device); l && !result; l = tell_next(l)) {
		if (!l->config.map)
			continue;
		tell_heard(l);
		result = l->config.map(l->config.opaque, device, VIOMMU_NO_PASID, iova, fragment);
	}
	u->mapping = false;
	if (result && u->record)
		unit_record_refusal(u, device, iova);
	return result;
}

/* ---- interrupts, completions ---- */

void notify_interrupts(struct viommu *u, uint32_t source, uint32_t first, uint32_t last)
{
	unit_wait_for_all(u);
	probe_invalidation(u, COUNT_INTERRUPTS, NULL, source, VIOMMU_NO_PASID, first, last);
	for (struct viommu_listener *l = u->listeners; l; l = l->next) {
		if (!l->config.interrupts)
			continue;
		tell_heard(l);
		l->config.interrupts(l->config.opaque, source, first, last);
	}
}

void notify_complete_told(struct viommu *u)
{
	while (u->told) {
		struct viommu_listener *l = u->told;

		u->told = l->next_told;
		l->told = false;
		if (l->config.complete)
			l->config.complete(l->config.opaque);
	}
}

static bool settle_all(struct viommu *u)
{
	bool settled = tell_rest(u);

	/* at most as many steps as there are listeners of the whole IOMMU */
	for (struct viommu_listener *l = u->listeners; settled && l; l = l->next) {
		if (l->settle)
			settled = l->settle(l->config.opaque);
	}
	if (!settled)
		unit_work(u);
	return settled;
}

bool notify_settle(struct viommu *u)
{
	if (!settle_all(u))
		return false;
	if (u->late) { /* sections that were opened by it hold back, too */
		u->late = false;
		notify_complete(u);
		unit_wait_for_all(u);
		u->told_epoch = unit_start(u);
	}
	if (u->told_epoch && !unit_waited(u, u->told_epoch))
		return false;
	u->told_epoch = 0;
	return true;
}

void notify_begin(struct viommu *u)
{
	if (!notify_idle(u))
		tell_rest(u);
}

int notify_finish(struct viommu *u, int result)
{
	bool told = settle_all(u);

	notify_complete(u);
	return result == VIOMMU_OK && !told ? VIOMMU_PENDING : result;
}

/* ---- life ---- */

static void add(struct viommu_listener *l)
{
	struct viommu *u = l->iommu;
	struct viommu_listener **list = l->device ? &l->device->listeners : &u->listeners;

	l->next = *list;
	*list = l;
	atomic_fetch_add(&u->listener_count, 1);
	if (l->device) {
		atomic_fetch_add(&l->device->users, 1);
		pthread_mutex_lock(&u->devices_lock);
		device_list_add(l->device, DEVICES_HEARD);
		pthread_mutex_unlock(&u->devices_lock);
	}
}

static void take_out(struct viommu_listener *l)
{
	struct viommu *u = l->iommu;
	struct viommu_listener **at = l->device ? &l->device->listeners : &u->listeners;

	for (; *at != l; at = &(*at)->next)
		;
	*at = l->next;
	for (at = &u->told; l->told && *at != l; at = &(*at)->next_told)
		;
	if (l->told)
		*at = l->next_told;
	atomic_fetch_sub(&u->listener_count, 1);
	if (l->device && !l->device->listeners) {
		pthread_mutex_lock(&u->devices_lock);
		device_list_remove(l->device, DEVICES_HEARD);
		pthread_mutex_unlock(&u->devices_lock);
	}
	if (l->device)
		device_put(l->device);
}

static bool hears_devices(const struct viommu_listener *l)
{
	return (l->config.unmap && !l->deaf) || l->config.mode;
}

/* Whoever begins or ceases to hear unmap and mode. */
static void count_in(struct viommu_listener *l, uint32_t by)
{
	if (!hears_devices(l))
		return;
	atomic_fetch_add(&l->iommu->unmap_listeners, by);
	if (!l->device)
		atomic_fetch_add(&l->iommu->wide_listeners, by);
}

/* Learns the mode of the devices that it hears; @inside: when the call ends that is under way, which
 * may be about to tell it. */
static void introduce(struct viommu_listener *l, bool inside)
{
	struct viommu *u = l->iommu;

	if (!hears_devices(l))
		return;
	if (inside && l->device) {
		device_owes(l->device, OWED_MODE);
		return;
	}
	if (l->device) {
		l->device->mode = look(l->device);
		tell_mode_to(l, l->device);
	} else {
		l->fresh = true;
		sweep_start(u, 0);
	}
	if (inside)
		unit_work(u); /* not every call tells */
	else
		notify_end(u, VIOMMU_OK);
}

static void start_ticking(struct viommu_listener *l, void (*tick)(void *opaque, uint64_t now))
{
	l->tick = tick;
	l->next_ticking = l->iommu->ticking;
	l->iommu->ticking = l;
}

static void stop_ticking(const struct viommu_listener *l)
{
	struct viommu_listener **at = &l->iommu->ticking;

	while (*at != l)
		at = &(*at)->next_ticking;
	*at = l->next_ticking;
}

/* With the unit. At the head of a list, where whoever is going through it does not come by. */
static int arrive(struct viommu *u, struct viommu_device *device,
		  const struct viommu_listener_config *config, bool (*settle)(void *opaque),
		  void (*tick)(void *opaque, uint64_t now), bool inside,
		  struct viommu_listener **out)
{
	struct viommu_listener *listener;

	listener = vm_alloc(u->vm, sizeof(*listener), _Alignof(struct viommu_listener));
	if (listener) {
		*listener = (struct viommu_listener){
			.iommu = u, .device = device, .config = *config, .settle = settle
		};
		*out = listener;
		add(listener);
		count_in(listener, 1);
		if (tick)
			start_ticking(listener, tick);
		introduce(listener, inside);
	}
	return listener ? VIOMMU_OK : VIOMMU_ENOMEM;
}

static bool is_mapping(const struct viommu *u)
{
	return u->mapping || (u->engine->mapping && u->engine->mapping(u));
}

int listener_new(struct viommu *u, struct viommu_device *device,
		 const struct viommu_listener_config *config, bool (*settle)(void *opaque),
		 void (*tick)(void *opaque, uint64_t now), struct viommu_listener **out)
{
	int result;

	if (!unit_begin(u))
		return VIOMMU_EBUSY;
	if (u->engine->finish)
		u->engine->finish(u);
	result = config->map && is_mapping(u) ? VIOMMU_EBUSY
					      : arrive(u, device, config, settle, tick, false, out);
	unit_end(u);
	return result;
}

int viommu_listener_new(struct viommu *u, struct viommu_device *device,
			const struct viommu_listener_config *given, struct viommu_listener **out)
{
	struct viommu_listener_config config;
	int result;

	if (!u || !out || (device && device->iommu != u))
		return VIOMMU_EINVAL;
	result = abi_take(&config, sizeof(config), offsetof(struct viommu_listener_config, unmap),
			  given);
	if (result)
		return result;
	if (config.flags || (device && config.interrupts))
		return VIOMMU_EINVAL;
	if (!unit_is_inside(u))
		return listener_new(u, device, &config, NULL, NULL, out);
	if (config.map && is_mapping(u))
		return VIOMMU_EBUSY;
	return arrive(u, device, &config, NULL, NULL, true, out);
}

int listener_free(struct viommu_listener *listener)
{
	struct viommu *u;

	if (!listener)
		return VIOMMU_OK;
	u = listener->iommu;
	if (!unit_begin(u))
		return VIOMMU_EBUSY;
	if (listener->tick)
		stop_ticking(listener);
	if (listener->id_gone)
		devices_hear_no_ids(listener);
	count_in(listener, UINT32_MAX); /* - 1 */
	take_out(listener);
	unit_end(u);
	vm_dealloc(u->vm, listener, sizeof(*listener));
	return VIOMMU_OK;
}

/* Those that were removed by the call which ends. */
static void bury(struct viommu *u)
{
	u->bury = NULL;
	while (u->gone) {
		struct viommu_listener *listener = u->gone;

		u->gone = listener->next_gone;
		take_out(listener);
		vm_dealloc(u->vm, listener, sizeof(*listener));
	}
}

/* Somebody up the stack may be going through its list: it hears nothing any more, and stays there
 * until the call ends. */
static void leave(struct viommu_listener *listener)
{
	struct viommu *u = listener->iommu;

	count_in(listener, UINT32_MAX); /* - 1 */
	listener->config = (struct viommu_listener_config){ .size = 0 };
	listener->next_gone = u->gone;
	u->gone = listener;
	u->bury = bury;
}

int viommu_listener_free(struct viommu_listener *listener)
{
	if (!listener || !unit_is_inside(listener->iommu))
		return listener_free(listener);
	leave(listener);
	return VIOMMU_OK;
}

int viommu_listener_enable(struct viommu_listener *listener, uint32_t unmap)
{
	struct viommu *u;
	bool inside;

	if (!listener || unmap > 1)
		return VIOMMU_EINVAL;
	u = listener->iommu;
	inside = unit_is_inside(u);
	if (!inside && !unit_begin(u))
		return VIOMMU_EBUSY;
	count_in(listener, UINT32_MAX); /* - 1 */
	listener->deaf = !unmap;
	count_in(listener, 1);
	if (unmap && !listener->device) { /* devices are looked at again: device_has_domain() */
		sweep_start(u, 0);
		if (inside)
			unit_work(u);
		else
			notify_end(u, VIOMMU_OK);
	}
	if (!inside)
		unit_end(u);
	return VIOMMU_OK;
}
