/* SPDX-License-Identifier: BSD-3-Clause */
/* unit.c - one IOMMU: its common part, and what brackets a call. */

#include <stddef.h>
#include <string.h>

#include "abi.h"
#include "probe.h"
#include "unit.h"

static void set_default(uint32_t *field, uint32_t value)
{
	if (*field == 0)
		*field = value;
}

#define PARTITIONS_MAX 64U /* bits of viommu.concerned */

int unit_take_limits(struct viommu_limits *limits, const struct viommu_limits *given, bool *apart)
{
	int result =
		given ? abi_take(limits, sizeof(*limits), sizeof(limits->size), given) : VIOMMU_OK;

	*apart = limits->partitions;
	set_default(&limits->tlb_entries, 65536);
	set_default(&limits->contexts, 1024);
	set_default(&limits->domains, 4096);
	set_default(&limits->devices, 65536);
	set_default(&limits->channels, 65536);
	set_default(&limits->queue_budget, 256);
	set_default(&limits->outstanding, 1024);
	set_default(&limits->tables, 4096);
	set_default(&limits->channel_entries, 1024);
	set_default(&limits->steps, 4096);
	set_default(&limits->shadow, UINT32_C(1) << 20);
	set_default(&limits->partitions, 1);
	if (!result &&
	    (limits->tlb_entries > UINT32_C(1) << 28 || limits->contexts > UINT32_C(1) << 24 ||
	     limits->domains > UINT32_C(1) << 24 || limits->outstanding > UINT32_C(1) << 20 ||
	     limits->tables > UINT32_C(1) << 24 || limits->channel_entries > UINT32_C(1) << 16 ||
	     limits->partitions > PARTITIONS_MAX || limits->reserved))
		result = VIOMMU_EINVAL;
	return result;
}

/* Devices of a partition that have a place in its window. */
#define DEVICE_PLACES_MAX (UINT32_C(1) << 20)

void unit_window_size(const struct viommu_limits *limits, struct window_size *size)
{
	*size = (struct window_size){
		.tlb_entries = limits->tlb_entries,
		.contexts = limits->contexts,
		.domains = limits->domains,
		.devices =
			limits->devices < DEVICE_PLACES_MAX ? limits->devices : DEVICE_PLACES_MAX,
	};
}

static int init_partitions(struct viommu *u)
{
	struct window_size size;
	int result = VIOMMU_OK;

	unit_window_size(&u->limits, &size);
	u->partition = vm_alloc(u->vm, u->limits.partitions * sizeof(*u->partition),
				_Alignof(struct partition));
	if (!u->partition)
		return VIOMMU_ENOMEM;
	if (!u->apart)
		u->together = &u->partition->domains;
	/* counted before it is tried: what there is of it is taken back */
	while (!result && u->partition_count < u->limits.partitions) {
		struct partition *p = &u->partition[u->partition_count];

		p->number = u->partition_count++;
		result = partition_init(p, u->vm, &size, u->limits.tables,
					u->apart ? NULL : &u->epoch);
	}
	return result;
}

/* In the order in which unit_fini() can take it back at any point: what was not reached is NULL. */
static int init_caches(struct viommu *u)
{
	int result = init_partitions(u);

	if (!result)
		result = domain_users_init(&u->domain_users, u->vm, u->limits.domains);
	if (result)
		return result;
	u->outstanding = vm_alloc(u->vm, u->limits.outstanding * sizeof(*u->outstanding),
				  _Alignof(struct outstanding));
	return u->outstanding ? VIOMMU_OK : VIOMMU_ENOMEM;
}

/* ---- sections ---- */

#define LOOKS_OF_A_STEP 4U
#define LOOKS_MIN	64U
#define LOOKS_MAX	2048U

/* Looks at sections that there are steps for. */
static uint32_t affordable_looks(const struct viommu *u)
{
	uint32_t steps = u->steps;

	if (steps >= LOOKS_MAX / LOOKS_OF_A_STEP)
		return LOOKS_MAX;
	return steps > LOOKS_MIN / LOOKS_OF_A_STEP ? steps * LOOKS_OF_A_STEP : LOOKS_MIN;
}

static void pay_looks(struct viommu *u, uint32_t looks)
{
	u->looks += looks;
	if (u->looks < LOOKS_OF_A_STEP)
		return;
	unit_pay(u, u->looks / LOOKS_OF_A_STEP);
	u->looks %= LOOKS_OF_A_STEP;
}

enum epoch_answer unit_look(struct viommu *u, uint64_t epoch)
{
	const uint32_t looks = affordable_looks(u);
	uint32_t left = looks;
	enum epoch_answer answer = epoch_look(&u->epoch, epoch, &u->self, &left);

	pay_looks(u, looks - left);
	return answer;
}

bool unit_waited(struct viommu *u, uint64_t epoch)
{
	const uint32_t looks = affordable_looks(u);
	uint32_t left = looks;
	enum epoch_answer answer = epoch_wait_some(&u->epoch, epoch, &u->self, &left);

	pay_looks(u, looks - left);
	if (UNLIKELY(answer == EPOCH_UNKNOWN))
		unit_work(u);
	return answer == EPOCH_PASSED;
}

enum epoch_answer unit_scan(struct viommu *u, struct epoch_scan *scan,
			    const struct epoch_filter *filter)
{
	const uint32_t looks = affordable_looks(u);
	uint32_t left = looks;
	enum epoch_answer answer = epoch_scan_on(&u->epoch, scan, &u->self, filter, &left);

	pay_looks(u, looks - left);
	return answer;
}

bool unit_passed_for(struct viommu *u, uint64_t epoch, const struct epoch_filter *filter)
{
	const uint32_t looks = affordable_looks(u);
	uint32_t left = looks;
	bool passed = epoch_passed_within(&u->epoch, epoch, &u->self, filter, &left);

	pay_looks(u, looks - left);
	return passed;
}

/* Nobody has to be woken for what has passed. */
static enum epoch_answer await(struct viommu *u, uint64_t epoch, uint32_t looks)
{
	enum epoch_answer answer = epoch_wait_too(&u->epoch, epoch, &looks);

	if (answer == EPOCH_PASSED)
		atomic_compare_exchange_strong(&u->awaited, &epoch, 0);
	return answer;
}

bool unit_await(struct viommu *u, uint64_t epoch)
{
	uint64_t awaited = atomic_load(&u->awaited);

	/* Of several, the last counts: when it has passed, all have. */
	while (awaited < epoch && !atomic_compare_exchange_weak(&u->awaited, &awaited, epoch))
		;
	/* of what there are no more than channels and devices: nobody grows it but the caller */
	return await(u, epoch, UINT32_MAX) == EPOCH_PASSED;
}

/* ---- what the VM tells ---- */

static struct viommu *unit_of(struct vm_user *user)
{
	return (struct viommu *)(void *)((unsigned char *)user - offsetof(struct viommu, user));
}

/* With vm->lock held. */
static void put_regions(struct viommu *u)
{
	for (uint32_t i = 0; i < u->partition_count; i++)
		window_put_regions(u->partition[i].window, u->vm);
}

static void map_changed(struct vm_user *user)
{
	struct viommu *u = unit_of(user);

	put_regions(u);
	/* Channels keep host pointers with their translations, under the generation of contexts. */
	u->map_epoch = unit_forget_awaited(u, false);
}

static bool map_quiet(struct vm_user *user)
{
	struct viommu *u = unit_of(user);

	if (!u->map_epoch)
		return true;
	if (!unit_await(u, u->map_epoch))
		return false;
	u->map_epoch = 0;
	return true;
}

static const struct vm_user_row vm_user_row = { .map_changed = map_changed,
						.map_quiet = map_quiet };

int unit_init(struct viommu *u, const struct engine *engine, struct viommu_vm *vm,
	      const struct viommu_host *host, const struct viommu_limits *limits)
{
	int result =
		host ? abi_take(&u->host, sizeof(u->host), sizeof(u->host.size), host) : VIOMMU_OK;

	if (!result && u->host.reserved)
		result = VIOMMU_EINVAL;
	if (!result)
		result = unit_take_limits(&u->limits, limits, &u->apart);
	if (result)
		return result;
	u->engine = engine;
	u->vm = vm;
	u->command.at = COMMAND_NONE;
	u->refused.at = COMMAND_NONE;
	atomic_init(&u->flushes, 1);
	pthread_mutex_init(&u->devices_lock, NULL);
	pthread_mutex_init(&u->shadow_lock, NULL);
	epoch_init(&u->epoch, vm->config.flags & VIOMMU_VM_MEMBARRIER);
	u->self.rare = true; /* an IOMMU rests when the guest does */
	epoch_add(&u->epoch, &u->self);
	u->epoch.own = &u->self;
	result = init_caches(u);
	u->user.row = &vm_user_row;
	vm_add_user(vm, &u->user);
	if (result) {
		unit_fini(u);
		return result;
	}
	pthread_mutex_lock(&vm->lock);
	put_regions(u);
	pthread_mutex_unlock(&vm->lock);
	return result;
}

void unit_fini(struct viommu *u)
{
	vm_remove_user(u->vm, &u->user);
	domain_users_fini(&u->domain_users, u->vm);
	if (u->shadow_pool)
		range_pool_free(u->shadow_pool);
	pthread_mutex_destroy(&u->shadow_lock);
	for (uint32_t i = 0; i < u->partition_count; i++)
		partition_fini(&u->partition[i], u->vm);
	vm_dealloc(u->vm, u->partition, u->limits.partitions * sizeof(*u->partition));
	vm_dealloc(u->vm, u->outstanding, u->limits.outstanding * sizeof(*u->outstanding));
	epoch_fini(&u->epoch);
	pthread_mutex_destroy(&u->devices_lock);
}

bool unit_begin(struct viommu *u)
{
	if (atomic_exchange_explicit(&u->busy, 1, memory_order_acquire))
		return false;
	atomic_store_explicit(&u->caller, (uintptr_t)pthread_self(), memory_order_relaxed);
	epoch_enter_rarely(&u->epoch, &u->self);
	u->steps = u->limits.steps;
	return true;
}

/* The call that ends may have been what unit_await() waits for. */
static __attribute__((noinline, cold)) void go_on_awaiting(struct viommu *u)
{
	uint64_t epoch = atomic_load(&u->awaited);

	/* if it is not known, the next call goes on */
	if (epoch && await(u, epoch, LOOKS_MAX) != EPOCH_HELD)
		unit_work(u);
}

static __attribute__((noinline, cold)) void bury_and_end(struct viommu *u)
{
	u->bury(u);
	unit_end(u);
}

void unit_end(struct viommu *u)
{
	if (UNLIKELY(u->bury)) {
		bury_and_end(u);
		return;
	}
	if (UNLIKELY(u->host.line))
		unit_lines(u);
	atomic_store_explicit(&u->caller, 0, memory_order_relaxed);
	/* The call itself is what completes: nobody waits for it, so its end wakes nobody. */
	epoch_close(&u->self);
	/* and a fence: who asks for sections from now on sees that this one is closed */
	atomic_store(&u->busy, 0);
	if (UNLIKELY(atomic_load(&u->awaited)))
		go_on_awaiting(u);
}

bool unit_is_inside(const struct viommu *u)
{
	return atomic_load_explicit(&u->caller, memory_order_relaxed) == (uintptr_t)pthread_self();
}

/* ---- what was done, and whom it concerns ---- */

/* Bits for partitions that there are not are left alone. */
static uint64_t start(struct viommu *u, uint64_t moved, uint64_t waited)
{
	uint64_t epoch;

	if (LIKELY(!u->apart))
		return epoch_start(&u->epoch);
	for (uint32_t i = 0; i < u->partition_count; i++) {
		if ((moved | waited) >> i & 1)
			domains_find_lost(&u->partition[i].domains);
		if (moved >> i & 1)
			epoch_tell_part(&u->partition[i].part);
	}
	epoch = epoch_start(&u->epoch);
	for (uint32_t i = 0; i < u->partition_count; i++) {
		if ((moved | waited) >> i & 1)
			epoch_concern_part(&u->partition[i].part, epoch);
	}
	return epoch;
}

uint64_t unit_start_apart(struct viommu *u)
{
	uint64_t moved = u->concerned;
	uint64_t waited = u->awaited_too;

	u->concerned = 0;
	u->awaited_too = 0;
	return start(u, moved, u->all_wait ? UINT64_MAX : waited);
}

/* Partitions that are gone through for a step, even if they have nothing of it. */
#define PARTITIONS_OF_A_STEP 2U

void unit_flush_apart(struct viommu *u, const struct domain_flush *flush)
{
	uint32_t total = u->partition_count / PARTITIONS_OF_A_STEP;

	for (uint32_t i = 0; i < u->partition_count; i++) {
		struct domains *d = &u->partition[i].domains;

		total += domains_flush_one(d, flush);
		u->concerned |= (uint64_t)domains_take_concerned(d, flush->match.group) << i;
	}
	unit_pay(u, total);
}

uint32_t unit_flush_burst(struct viommu *u, const struct domain_flush *flush, uint32_t count)
{
	uint32_t steps;
	uint32_t done = domains_flush_burst(u->together, flush, count, &steps);

	unit_pay(u, steps);
	probe_flushes(u, flush, done);
	return done;
}

static void move_generations(struct viommu *u, uint64_t partitions, bool flush)
{
	if (flush)
		atomic_fetch_add(&u->flushes, 1);
	for (uint32_t i = 0; i < u->partition_count; i++) {
		if (partitions >> i & 1)
			atomic_fetch_add(&u->partition[i].window->generation, 1);
	}
}

uint64_t unit_forget_in(struct viommu *u, uint64_t partitions, bool flush)
{
	move_generations(u, partitions, flush);
	return start(u, partitions, 0);
}

uint64_t unit_forget(struct viommu *u, bool flush)
{
	return unit_forget_in(u, UINT64_MAX, flush);
}

/* Whose domains were lost still is waited for: domains_find_lost() is not for this epoch. */
uint64_t unit_forget_awaited(struct viommu *u, bool flush)
{
	move_generations(u, UINT64_MAX, flush);
	for (uint32_t i = 0; u->apart && i < u->partition_count; i++)
		epoch_move_part(&u->partition[i].part);
	return epoch_start(&u->epoch);
}

void unit_forget_domain(struct viommu *u, uint32_t group)
{
	uint64_t concerned = 0;

	if (!u->apart) {
		unit_forget(u, false);
		return;
	}
	unit_pay(u, u->partition_count / 2);
	for (uint32_t i = 0; i < u->partition_count; i++)
		concerned |= (uint64_t)domains_forget_contexts(&u->partition[i].domains, group)
			     << i;
	start(u, concerned, 0);
}

void unit_begin_era(struct viommu_device *device)
{
	/* before the generation: who parses again notes his domain after this */
	pthread_mutex_lock(&device->iommu->devices_lock);
	device->era++;
	pthread_mutex_unlock(&device->iommu->devices_lock);
	atomic_fetch_add(device->generation, 1);
}

void unit_forget_device(struct viommu_device *device, bool told)
{
	if (told)
		unit_begin_era(device);
	else
		atomic_fetch_add(device->generation, 1);
	start(device->iommu, BIT(device->partition->number), 0);
	if (told)
		probe_invalidation(device->iommu, COUNT_CONTEXTS, device,
				   atomic_load_explicit(&device->id, memory_order_relaxed),
				   VIOMMU_ANY_PASID, 0, UINT64_MAX);
}
