/* SPDX-License-Identifier: BSD-3-Clause */
/* nested.c - requesters that the host translates: what is handed over, and when. */

#include "nested.h"

#include <stddef.h>

#include "abi.h"

/* Entries that are gathered at most: then ranges become everything, and commands are handed over. */
#define RANGES	 32U
#define COMMANDS 64U

/* Looking at the tables of a requester, in steps. */
#define LOOK_STEPS 4U

/* The host has been told no mode yet. */
#define MODE_NONE UINT32_MAX

struct nested {
	struct viommu_nesting *nesting;
	struct viommu_device *device;
	uint32_t pasid;
	struct nested *next; /* of the group */
	struct nested *next_of_device;
	struct nested *next_due;
	bool due;   /* is in that list */
	bool stale; /* something else may apply */
	bool anew;  /* what applies is installed anew, even if it is the same */
	uint32_t mode;
	struct viommu_nested_stage stage; /* with VIOMMU_MODE_TRANSLATE; bytes 0: none */
	uint32_t count;
	struct viommu_nested_range range[RANGES];
	struct command_origin origin[RANGES]; /* the command that a range comes from */
};

struct viommu_nesting {
	struct viommu *iommu;
	struct viommu_nesting *next; /* of the IOMMU */
	struct viommu_nesting_config config;
	struct viommu_listener *listener;
	struct nested *first;
	struct nested *due;
	uint32_t count;
	uint64_t command[COMMANDS][2];
	struct command_origin origin[COMMANDS];
};

static_assert(sizeof(struct viommu_nested_stage) == 40, "layout is frozen");
static_assert(sizeof(struct viommu_nested_range) == 24, "layout is frozen");

/* ---- what was not taken ---- */

/* The first of the commands counts, whoever is asked first: the ring executes all from there again. */
static void refused(struct viommu *u, const struct command_origin *from)
{
	if (u->refused.at == COMMAND_NONE || from->order < u->refused.order)
		u->refused = *from;
}

bool nesting_refused(struct viommu *u, uint32_t *position)
{
	if (u->refused.at == COMMAND_NONE)
		return false;
	*position = u->refused.at;
	u->refused.at = COMMAND_NONE;
	return true;
}

void nesting_gathered(const struct viommu *u, uint32_t *position)
{
	const struct command_origin *first = NULL;

	for (const struct viommu_nesting *n = u->nestings; n; n = n->next) {
		for (unsigned i = 0; i < n->count; i++) {
			const struct command_origin *from = &n->origin[i];

			if (from->at == COMMAND_NONE)
				continue;
			if (!first || from->order < first->order)
				first = from;
			break;
		}
	}
	if (first)
		*position = first->at;
}

void nesting_forget_positions(struct viommu *u)
{
	u->refused.at = COMMAND_NONE;
	for (struct viommu_nesting *n = u->nestings; n; n = n->next) {
		for (unsigned i = 0; i < n->count; i++)
			n->origin[i].at = COMMAND_NONE;
		for (struct nested *x = n->due; x; x = x->next_due) {
			for (unsigned i = 0; i < x->count; i++)
				x->origin[i].at = COMMAND_NONE;
		}
	}
}

/* ---- handing over ---- */

static void tell_mode(struct nested *x, uint32_t mode)
{
	x->mode = mode;
	x->stage.bytes = 0;
	x->count = 0;
	x->nesting->config.mode(x->nesting->config.opaque, x->device, x->pasid, mode);
}

static void install(struct nested *x, const struct viommu_nested_stage *stage)
{
	struct viommu_nesting *n = x->nesting;

	x->count = 0; /* nothing of before is used any more */
	if (n->config.install(n->config.opaque, x->device, x->pasid, stage) != VIOMMU_OK) {
		unit_message(n->iommu,
			     "nesting: the host refuses a first stage: the requester is blocked");
		tell_mode(x, VIOMMU_MODE_BLOCK);
		return;
	}
	x->mode = VIOMMU_MODE_TRANSLATE;
	x->stage = *stage;
}

/* What applies to the requester now. */
static void look(struct nested *x)
{
	struct viommu *u = x->nesting->iommu;
	struct viommu_nested_stage stage = { .bytes = 0 };
	uint32_t mode = u->engine->nest(u, x->device, x->pasid, &stage);
	bool anew = x->anew;

	x->stale = false;
	x->anew = false;
	if (mode == VIOMMU_MODE_TRANSLATE && stage.bytes) {
		if (anew || x->mode != mode || memcmp(&x->stage, &stage, sizeof(stage)) != 0)
			install(x, &stage);
	} else if (x->mode != mode || x->stage.bytes) {
		tell_mode(x, mode);
	}
}

/* Whether all that was not taken comes from commands, which are executed again. */
static bool comes_again(const struct command_origin *origin, uint32_t from, uint32_t count)
{
	for (uint32_t i = from; i < count; i++) {
		if (origin[i].at == COMMAND_NONE)
			return false;
	}
	return true;
}

static void hand_over_ranges(struct nested *x)
{
	struct viommu_nesting *n = x->nesting;
	uint32_t count = x->count;
	uint32_t taken;

	x->count = 0;
	if (!count || !x->stage.bytes || x->stage.type == VIOMMU_NESTED_SMMUV3)
		return; /* the latter: commands say what */
	taken = n->config.invalidate(n->config.opaque, x->device, x->pasid, x->stage.type, x->range,
				     count);
	if (taken >= count)
		return;
	if (x->origin[bits_clamp_index(taken, RANGES)].at != COMMAND_NONE)
		refused(n->iommu, &x->origin[bits_clamp_index(taken, RANGES)]);
	if (!comes_again(x->origin, taken, count))
		tell_mode(x, VIOMMU_MODE_BLOCK);
}

static void hand_over_commands(struct viommu_nesting *n)
{
	uint32_t count = n->count;
	uint32_t taken;

	n->count = 0;
	if (!count)
		return;
	taken = n->config.invalidate(n->config.opaque, NULL, VIOMMU_NO_PASID, VIOMMU_NESTED_SMMUV3,
				     n->command, count);
	if (taken >= count)
		return;
	if (n->origin[bits_clamp_index(taken, COMMANDS)].at != COMMAND_NONE)
		refused(n->iommu, &n->origin[bits_clamp_index(taken, COMMANDS)]);
	if (!comes_again(n->origin, taken, count)) {
		for (struct nested *x = n->first; x; x = x->next)
			tell_mode(x, VIOMMU_MODE_BLOCK);
	}
}

/* Tables first: what is installed anew has nothing to forget. */
static bool settle(void *opaque)
{
	struct viommu_nesting *n = opaque;

	while (n->due) {
		struct nested *x = n->due;

		if (!unit_pay(n->iommu, (x->stale ? LOOK_STEPS : 1) + x->count))
			return false;
		n->due = x->next_due;
		x->due = false;
		if (x->stale)
			look(x);
		hand_over_ranges(x);
	}
	if (n->count && !unit_pay(n->iommu, n->count))
		return false;
	hand_over_commands(n);
	return true;
}

/* ---- gathering ---- */

static void add_command(struct viommu_nesting *n, const uint64_t word[2])
{
	if (n->count == COMMANDS)
		hand_over_commands(n);
	n->origin[n->count] = n->iommu->command;
	memcpy(n->command[n->count++], word, sizeof(n->command[0]));
}

static void make_due(struct nested *x)
{
	if (x->due)
		return;
	x->due = true;
	x->next_due = x->nesting->due;
	x->nesting->due = x;
}

/* Of all that was gathered, and what comes now: the first command; none, if any of it comes from none. */
static struct command_origin first_origin(const struct nested *x)
{
	const struct command_origin *now = &x->nesting->iommu->command;

	if (!x->count || now->at == COMMAND_NONE)
		return *now;
	return comes_again(x->origin, 0, x->count) ? x->origin[0]
						   : (struct command_origin){ .at = COMMAND_NONE };
}

static void gather(struct nested *x, uint64_t first, uint64_t last)
{
	struct viommu *u = x->nesting->iommu;
	bool all = first == 0 && last == UINT64_MAX;
	struct viommu_nested_range r = { .address = first & ~bits_low(12), .pages = UINT64_MAX };

	if (!all) {
		r.pages = ((last - r.address) >> 12) + 1;
		r.flags = u->told_leaf ? VIOMMU_NESTED_LEAF : 0;
	}
	if (all ||
	    x->count == RANGES) { /* what was gathered is part of it, and the first of it counts */
		x->origin[0] = first_origin(x);
		x->count = 0;
		r = (struct viommu_nested_range){ .pages = UINT64_MAX };
	} else {
		x->origin[x->count] = u->command;
	}
	x->range[x->count++] = r;
	make_due(x);
}

/* TLBI_NSNH_ALL (4.4) */
static const uint64_t forget_everything[2] = { 0x30 };

/* Not by a command of the guest's: also what the host has read of structures. */
static void forget_all(struct nested *x)
{
	struct viommu_nesting *n = x->nesting;

	x->anew = true;
	if (!n->count || n->origin[n->count - 1].at != COMMAND_NONE ||
	    memcmp(n->command[n->count - 1], forget_everything, 16) != 0)
		add_command(n, forget_everything);
}

static void unmap(void *opaque, struct viommu_device *device, uint32_t pasid, uint64_t first,
		  uint64_t last)
{
	const struct viommu *u = device->iommu;

	for (struct nested *x = device->nested; x; x = x->next_of_device) {
		if (x->nesting != opaque || (pasid != VIOMMU_ANY_PASID && pasid != x->pasid))
			continue;
		if (first == 0 && last == UINT64_MAX) { /* contexts may be others, too */
			x->stale = true;
			if (u->command.at == COMMAND_NONE && x->stage.type == VIOMMU_NESTED_SMMUV3)
				forget_all(x);
		}
		gather(x, first, last);
	}
}

static void mode(void *opaque, struct viommu_device *device, uint32_t mode)
{
	(void)mode;
	for (struct nested *x = device->nested; x; x = x->next_of_device) {
		if (x->nesting != opaque)
			continue;
		x->stale = true;
		make_due(x);
	}
}

void nesting_command(struct viommu *u, const uint64_t word[2])
{
	for (struct viommu_nesting *n = u->nestings; n; n = n->next) {
		if (n->first)
			add_command(n, word);
	}
}

void nesting_device_command(struct viommu_device *device, const uint64_t word[2])
{
	if (device->nested)
		add_command(device->nested->nesting, word);
}

void nesting_each_command(struct viommu *u, uint32_t first, uint32_t last, uint64_t op)
{
	for (struct viommu_nesting *n = u->nestings; n; n = n->next) {
		for (struct nested *x = n->first; x; x = x->next) {
			const uint32_t id =
				atomic_load_explicit(&x->device->id, memory_order_relaxed);
			const uint64_t word[2] = { op | (uint64_t)id << 32 };

			unit_pay(u, 1);
			if (x->stage.bytes && id >= first && id <= last)
				add_command(n, word);
		}
	}
}

/* ---- life ---- */

int viommu_nesting_new(struct viommu *u, const struct viommu_nesting_config *given,
		       struct viommu_nesting **out)
{
	const struct viommu_listener_config listener = { .size = sizeof(listener),
							 .unmap = unmap,
							 .mode = mode };
	struct viommu_listener_config wanted = listener;
	struct viommu_nesting_config config;
	struct viommu_nesting *n;
	int result;

	if (!u || !out)
		return VIOMMU_EINVAL;
	result = abi_take(&config, sizeof(config), sizeof(config), given);
	if (result)
		return result;
	if (config.flags || !config.install || !config.mode || !config.invalidate)
		return VIOMMU_EINVAL;
	if (!u->engine->nest || !u->announces_contexts)
		return VIOMMU_ENOTSUP;
	n = vm_alloc(u->vm, sizeof(*n), _Alignof(struct viommu_nesting));
	if (!n)
		return VIOMMU_ENOMEM;
	n->iommu = u;
	n->config = config;
	wanted.opaque = n;
	result = listener_new(u, NULL, &wanted, settle, NULL, &n->listener);
	if (result) {
		vm_dealloc(u->vm, n, sizeof(*n));
		return result;
	}
	n->next = u->nestings;
	u->nestings = n;
	*out = n;
	return VIOMMU_OK;
}

int viommu_nesting_free(struct viommu_nesting *n)
{
	struct viommu_nesting **at;
	struct viommu *u;

	if (!n)
		return VIOMMU_OK;
	u = n->iommu;
	if (n->first || listener_free(n->listener) != VIOMMU_OK)
		return VIOMMU_EBUSY;
	for (at = &u->nestings; *at != n; at = &(*at)->next)
		;
	*at = n->next;
	vm_dealloc(u->vm, n, sizeof(*n));
	return VIOMMU_OK;
}

static struct nested *find(const struct viommu_device *device, uint32_t pasid)
{
	struct nested *x = device->nested;

	while (x && x->pasid != pasid)
		x = x->next_of_device;
	return x;
}

static bool valid(const struct viommu_nesting *n, const struct viommu_device *device,
		  uint32_t pasid)
{
	return n && device && device->iommu == n->iommu &&
	       (pasid == VIOMMU_NO_PASID || pasid < 1U << 20);
}

static int add(struct viommu_nesting *n, struct viommu_device *device, uint32_t pasid)
{
	struct nested *x;

	if (find(device, pasid))
		return VIOMMU_EEXIST;
	x = vm_alloc(n->iommu->vm, sizeof(*x), _Alignof(struct nested));
	if (!x)
		return VIOMMU_ENOMEM;
	x->nesting = n;
	x->device = device;
	x->pasid = pasid;
	x->mode = MODE_NONE;
	x->next = n->first;
	n->first = x;
	x->next_of_device = device->nested;
	device->nested = x;
	atomic_fetch_add(&device->users, 1);
	shadow_lose(device); /* what the host has of it, nobody replayed */
	look(x);
	return VIOMMU_OK;
}

int viommu_nesting_add(struct viommu_nesting *n, struct viommu_device *device, uint32_t pasid)
{
	int result;

	if (!valid(n, device, pasid))
		return VIOMMU_EINVAL;
	if (!unit_begin(n->iommu))
		return VIOMMU_EBUSY;
	result = add(n, device, pasid);
	unit_end(n->iommu);
	return result;
}

static void take_out(struct nested *x)
{
	struct viommu_nesting *n = x->nesting;
	struct nested **at;

	for (at = &n->first; *at != x; at = &(*at)->next)
		;
	*at = x->next;
	for (at = &x->device->nested; *at != x; at = &(*at)->next_of_device)
		;
	*at = x->next_of_device;
	for (at = &n->due; x->due && *at != x; at = &(*at)->next_due)
		;
	if (x->due)
		*at = x->next_due;
	device_put(x->device);
	vm_dealloc(n->iommu->vm, x, sizeof(*x));
}

int viommu_nesting_remove(struct viommu_nesting *n, struct viommu_device *device, uint32_t pasid)
{
	struct nested *x;

	if (!valid(n, device, pasid))
		return VIOMMU_EINVAL;
	if (!unit_begin(n->iommu))
		return VIOMMU_EBUSY;
	x = find(device, pasid);
	if (x && x->nesting == n)
		take_out(x);
	else
		x = NULL;
	unit_end(n->iommu);
	return x ? VIOMMU_OK : VIOMMU_ENOENT;
}

int viommu_report_event(struct viommu_device *device, const uint64_t *record, uint32_t words)
{
	struct epoch_section *section;
	struct viommu *u;
	int result;

	if (!device || !record)
		return VIOMMU_EINVAL;
	u = device->iommu;
	if (!u->engine->report)
		return VIOMMU_ENOTSUP;
	if (atomic_load_explicit(&device->id, memory_order_relaxed) == VIOMMU_NO_ID)
		return VIOMMU_EINVAL;
	section = epoch_visit(&u->epoch); /* as a translation that leaves a record */
	result = u->engine->report(u, device, record, words);
	if (epoch_visit_end(&u->epoch, section))
		unit_work(u);
	return result;
}
