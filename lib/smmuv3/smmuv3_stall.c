/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * smmuv3_stall.c - transactions that wait for software (3.12.2): one place each, which is its STAG, until CMD_RESUME,
 * CMD_STALL_TERM, SMMUEN = 0 or the end of its device. A transaction that waits holds no section.
 *
 * There are IDR5.STALL_MAX places, and an event queue may have no room. A transaction that cannot be recorded has no place;
 * its device is in a list, and is told to ask again when something has changed.
 */

#include "smmuv3_engine.h"

int smmu_stalls_init(struct smmu *s)
{
	s->stall_max = (uint32_t)bits_get(smmu_idr(s, 5), IDR5_STALL_MAX);
	if (!s->stall_max)
		return VIOMMU_OK;
	s->stalls = vm_alloc(s->unit.vm, s->stall_max * sizeof(*s->stalls),
			     _Alignof(struct smmu_stall));
	return s->stalls ? VIOMMU_OK : VIOMMU_ENOMEM;
}

void smmu_stalls_fini(struct smmu *s)
{
	vm_dealloc(s->unit.vm, s->stalls, s->stall_max * sizeof(*s->stalls));
}

/* ---- places; all with stall_lock held ---- */

/* The place of a new one, at the head of its device's list; 0: there is none. */
static uint32_t take(struct smmu *s, struct smmu_device *device)
{
	uint32_t place = s->stall_free;
	struct smmu_stall *stall;

	if (place)
		s->stall_free = s->stalls[place - 1].next;
	else if (s->stall_used < s->stall_max)
		place = ++s->stall_used;
	else
		return 0;
	stall = &s->stalls[place - 1];
	*stall = (struct smmu_stall){ .device = device,
				      .token = ++s->stall_count << SMMU_STAG_BITS | (place - 1),
				      .next = device->stalls };
	if (device->stalls)
		s->stalls[device->stalls - 1].previous = place;
	device->stalls = place;
	return place;
}

static void drop(struct smmu *s, uint32_t place)
{
	struct smmu_stall *stall = &s->stalls[place - 1];

	*(stall->previous ? &s->stalls[stall->previous - 1].next : &stall->device->stalls) =
		stall->next;
	if (stall->next)
		s->stalls[stall->next - 1].previous = stall->previous;
	*stall = (struct smmu_stall){ .next = s->stall_free };
	s->stall_free = place;
}

/* The same of one that was recorded: its place may be what others wait for. */
static void leave(struct smmu *s, uint32_t place)
{
	drop(s, place);
	if (s->waiting)
		atomic_store(&s->wake, true);
}

static void join(struct smmu *s, struct smmu_device *device)
{
	if (device->waits)
		return;
	device->waits = true;
	device->previous_waiting = NULL;
	device->next_waiting = s->waiting;
	if (s->waiting)
		s->waiting->previous_waiting = device;
	s->waiting = device;
}

static void join_no_more(struct smmu *s, struct smmu_device *device)
{
	struct smmu_device *previous = device->previous_waiting;
	struct smmu_device *next = device->next_waiting;

	if (!device->waits)
		return;
	*(previous		? &previous->next_waiting
	  : s->waking == device ? &s->waking
				: &s->waiting) = next;
	if (next)
		next->previous_waiting = previous;
	device->waits = false;
}

/* ---- a request stalls ---- */

/* False: there is no place, or no room for the event. */
static bool try(struct smmu *s, struct smmu_device *device, uint64_t word[4], uint64_t *token)
{
	uint32_t place;

	pthread_mutex_lock(&s->stall_lock);
	place = take(s, device);
	*token = place ? s->stalls[place - 1].token : 0;
	pthread_mutex_unlock(&s->stall_lock);
	if (!place)
		return false;
	word[1] = (word[1] & ~EVENT1_STAG) | EVENT1_STALL | bits_put(EVENT1_STAG, place - 1);
	if (smmu_record_event(s, word, true, false) == SMMU_RECORDED)
		return true;
	pthread_mutex_lock(&s->stall_lock);
	/* it may have been ended meanwhile, and the place may be another's */
	if (s->stalls[place - 1].device && s->stalls[place - 1].token == *token)
		drop(s, place);
	pthread_mutex_unlock(&s->stall_lock);
	return false;
}

int smmu_stall(struct smmu *s, struct query *q, uint64_t word[4])
{
	struct smmu_device *device = smmu_device_of(q->device);

	if (try(s, device, word, &q->token))
		return VIOMMU_STALLED;
	/* it is in the list before it tries for the last time: whoever makes room afterwards finds it there */
	pthread_mutex_lock(&s->stall_lock);
	join(s, device);
	pthread_mutex_unlock(&s->stall_lock);
	if (!try(s, device, word, &q->token))
		q->token = 0;
	return VIOMMU_STALLED;
}

/* ---- and is ended ---- */

static void tell(struct smmu_device *device, uint64_t token, uint32_t action)
{
	const struct viommu_device_config *config = &device->device.config;

	if (config->resume)
		config->resume(config->opaque, token, action);
	device_put(&device->device);
}

/* Takes away who has a place, or, 0, the last one of a device; NULL: there is none. Its device is in use. @of: it has to be of
 * this device; NULL: of any */
static struct smmu_device *end(struct smmu *s, uint32_t place, const struct smmu_device *of,
			       uint64_t *token)
{
	struct smmu_device *device = NULL;

	pthread_mutex_lock(&s->unit.devices_lock);
	pthread_mutex_lock(&s->stall_lock);
	if (!place && of)
		place = of->stalls;
	if (place && place <= s->stall_used)
		device = s->stalls[place - 1].device;
	if (of && device != of)
		device = NULL;
	if (device) {
		*token = s->stalls[place - 1].token;
		leave(s, place);
		atomic_fetch_add(&device->device.users, 1);
	}
	pthread_mutex_unlock(&s->stall_lock);
	pthread_mutex_unlock(&s->unit.devices_lock);
	return device;
}

/* 4.6.1: what does not match has no effect. */
void smmu_resume(struct smmu *s, uint32_t sid, uint32_t stag, uint32_t action)
{
	struct viommu_device *asked = device_get(&s->unit, sid);
	struct smmu_device *device = NULL;
	uint64_t token = 0;

	if (!asked)
		return;
	if (stag < s->stall_max)
		device = end(s, (uint32_t)bits_clamp_index(stag, s->stall_max) + 1,
			     smmu_device_of(asked), &token);
	if (device)
		tell(device, token, action);
	device_put(asked);
}

bool smmu_stall_end(struct smmu *s, uint32_t sid)
{
	struct viommu_device *asked = device_get(&s->unit, sid);
	struct smmu_device *device;
	bool paid = true;
	uint64_t token;

	if (!asked)
		return true;
	while ((paid = unit_pay(&s->unit, 1)) &&
	       (device = end(s, 0, smmu_device_of(asked), &token)) != NULL)
		tell(device, token, VIOMMU_RESUME_ABORT);
	device_put(asked);
	if (!paid)
		unit_work(&s->unit);
	return paid;
}

/* Goes on where steps ran out: s->ending. */
bool smmu_stalls_end(struct smmu *s)
{
	struct smmu_device *device;
	uint64_t token;

	for (; s->ending < s->stall_used; s->ending++) {
		if (!unit_pay(&s->unit, 1)) {
			unit_work(&s->unit);
			return false;
		}
		device = end(s, s->ending + 1, NULL, &token);
		if (device)
			tell(device, token, VIOMMU_RESUME_ABORT);
	}
	s->ending = 0;
	return true;
}

/* ---- those without a place ask again ---- */

static struct smmu_device *next_waiting(struct smmu *s)
{
	struct smmu_device *device;

	pthread_mutex_lock(&s->unit.devices_lock);
	pthread_mutex_lock(&s->stall_lock);
	device = s->waking;
	if (device) {
		join_no_more(s, device);
		atomic_fetch_add(&device->device.users, 1);
	}
	pthread_mutex_unlock(&s->stall_lock);
	pthread_mutex_unlock(&s->unit.devices_lock);
	return device;
}

/* Those who wait now: who asks again and has to wait again is in the other list. False: nobody is to be told. */
static bool begin_to_wake(struct smmu *s)
{
	bool any;

	pthread_mutex_lock(&s->stall_lock);
	if (!s->waking && atomic_load(&s->wake)) {
		s->waking = s->waiting;
		s->waiting = NULL;
		atomic_store(&s->wake, false);
	}
	any = s->waking != NULL;
	pthread_mutex_unlock(&s->stall_lock);
	return any;
}

bool smmu_stalls_wake(struct smmu *s)
{
	struct smmu_device *device;

	if (!begin_to_wake(s))
		return true;
	for (;;) {
		if (!unit_pay(&s->unit, 1)) {
			unit_work(&s->unit);
			return false;
		}
		device = next_waiting(s);
		if (!device)
			return true;
		tell(device, 0, VIOMMU_RESUME_RETRY);
	}
}

/* ---- the device ends; with devices_lock held ---- */

bool smmu_device_failed(struct viommu *u, struct viommu_device *device)
{
	struct smmu *s = smmu_of(u);
	struct smmu_device *own = smmu_device_of(device);
	bool any;

	pthread_mutex_lock(&s->stall_lock);
	join_no_more(s, own);
	while (own->stalls) /* STALL_MAX at most */
		leave(s, own->stalls);
	any = atomic_load(&s->wake);
	pthread_mutex_unlock(&s->stall_lock);
	return any;
}

void smmu_device_gone(struct viommu *u, struct viommu_device *device)
{
	smmu_device_failed(u, device);
}
