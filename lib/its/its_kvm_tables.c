/* SPDX-License-Identifier: BSD-3-Clause */
/* its_kvm_tables.c - mappings in the guest's tables, as KVM has them: table ABI revision 0. */

#include "its_engine.h"
#include "recorder.h"

/* ---- what revision 0 can represent ---- */

static int check(const struct its *its)
{
	if (its->device_bits > 16 ||
	    (its->typer & (ITS_TYPER_VIRTUAL | ITS_TYPER_HCC | ITS_TYPER_PTA)) ||
	    (regs_get(&its->regs, ITS_BASER + 8) & ITS_BASER_INDIRECT))
		return VIOMMU_ENOTSUP;
	return its->commands.held ? VIOMMU_EBUSY : VIOMMU_OK;
}

static bool valid(const struct its *its, unsigned n)
{
	return regs_get(&its->regs, ITS_BASER + 8 * n) & ITS_BASER_VALID;
}

/* ---- save ---- */

static bool write_word(struct its *its, uint64_t gpa, uint64_t word)
{
	uint64_t there;

	return mem_load64(its->unit.vm, gpa, &there) &&
	       (there == word || mem_store(its->unit.vm, gpa, &word, 1));
}

/* An event as it is saved; 0: not at all. */
static uint64_t saved_event(const struct its *its, uint64_t device, uint32_t event)
{
	uint64_t word = atomic_load_explicit(
		&its->event[bits_get(device, DEVICE_BLOCK) * ITS_BLOCK + event],
		memory_order_relaxed);
	uint64_t icid = bits_get(word, EVENT_TARGET);

	if (!(word & EVENT_VALID) || its_target(its, icid) == ITS_NOBODY)
		return 0;
	return bits_put(KVM_ITE_INTID, bits_get(word, EVENT_INTID)) | icid;
}

/* How far it is to the next event that is saved; 0: there is none. */
static uint64_t next_event(const struct its *its, uint64_t device, uint32_t event)
{
	for (uint32_t i = event + 1; i < device_events(device); i++) {
		if (saved_event(its, device, i))
			return i - event;
	}
	return 0;
}

static bool save_events(struct its *its, uint64_t device, uint64_t itt)
{
	for (uint32_t i = 0; i < device_events(device); i++) {
		uint64_t word = saved_event(its, device, i);

		if (word)
			word |= bits_put(KVM_ITE_NEXT, next_event(its, device, i));
		if (!write_word(its, itt + (uint64_t)i * 8, word))
			return false;
	}
	return true;
}

static uint64_t next_device(const struct its *its, uint32_t device)
{
	uint64_t most = bits_get(UINT64_MAX, KVM_DTE_NEXT);

	for (uint32_t i = device + 1; i >> its->device_bits == 0; i++) {
		if (its_device(its, i))
			return i - device < most ? i - device : most;
	}
	return 0;
}

static bool save_device(struct its *its, uint32_t device)
{
	uint64_t word = its_device(its, device);
	bool failed = false;
	uint64_t entry = 0;
	uint64_t itt;
	uint64_t gpa;

	if (!its_table_entry(its, 0, device, &gpa, &failed))
		return !word && !failed;
	if (word) {
		itt = its->owner[bits_get(word, DEVICE_BLOCK)].itt;
		if (!save_events(its, word, itt))
			return false;
		entry = KVM_DTE_VALID | bits_put(KVM_DTE_NEXT, next_device(its, device)) |
			bits_put(KVM_DTE_ITT, itt >> 8) | (bits_get(word, DEVICE_BITS) - 1);
	}
	return write_word(its, gpa, entry);
}

static bool save_collections(struct its *its)
{
	uint64_t count = 0;
	bool failed = false;
	uint64_t gpa;

	for (uint32_t i = 0; i >> its->collection_bits == 0; i++) {
		uint32_t cpu = its_target(its, i);

		if (cpu == ITS_NOBODY)
			continue;
		if (!its_table_entry(its, 1, count++, &gpa, &failed) ||
		    !write_word(its, gpa, KVM_CTE_VALID | bits_put(KVM_CTE_RDBASE, cpu) | i))
			return false;
	}
	return !its_table_entry(its, 1, count, &gpa, &failed) || write_word(its, gpa, 0);
}

static bool save(struct its *its)
{
	bool ok = true;

	for (uint32_t i = 0; ok && valid(its, 0) && i >> its->device_bits == 0; i++)
		ok = save_device(its, i);
	return ok && (!valid(its, 1) || save_collections(its));
}

int viommu_its_save_tables(struct viommu *u)
{
	int result;

	if (!u || !engine_is(u->engine, &its_engine))
		return VIOMMU_EINVAL;
	if (its_of(u)->lpis->flags & VIOMMU_LPIS_NO_GUEST_WRITES)
		return VIOMMU_ENOTSUP;
	if (!unit_begin(u))
		return VIOMMU_EBUSY;
	result = check(its_of(u));
	if (!result)
		result = save(its_of(u)) ? VIOMMU_OK : VIOMMU_FAULT;
	unit_end(u);
	return result;
}

/* ---- restore ---- */

#define ICIDS (KVM_CTE_ICID + 1)

/* ICIDs that the collection table has, mapped or not. */
struct seen {
	uint64_t word[ICIDS / 64];
};

static bool has(const struct seen *seen, uint64_t icid)
{
	return seen->word[icid % ICIDS / 64] & BIT(icid % 64);
}

static int restore_collection(struct its *its, struct seen *seen, uint64_t entry)
{
	uint64_t icid = bits_get(entry, KVM_CTE_ICID);
	uint64_t target = bits_get(entry, KVM_CTE_RDBASE);
	bool failed = false;

	if (!its_collection_in_range(its, icid, &failed) || has(seen, icid))
		return VIOMMU_ESTATE;
	if (target != KVM_CTE_UNMAPPED && target >= its->lpis->cpus)
		return VIOMMU_ESTATE;
	seen->word[icid % ICIDS / 64] |= BIT(icid % 64);
	if (target != KVM_CTE_UNMAPPED)
		atomic_store_explicit(its_collection_word(its, icid), (uint32_t)target + 1,
				      memory_order_release);
	return VIOMMU_OK;
}

/* At most as many entries as there are ICIDs: the next one would be there twice. */
static int restore_collections(struct its *its, struct seen *seen)
{
	bool failed = false;
	uint64_t gpa;

	for (uint64_t i = 0; its_table_entry(its, 1, i, &gpa, &failed); i++) {
		uint64_t entry;
		int result;

		if (!mem_load64(its->unit.vm, gpa, &entry))
			return VIOMMU_FAULT;
		if (!(entry & KVM_CTE_VALID))
			return VIOMMU_OK;
		result = restore_collection(its, seen, entry);
		if (result)
			return result;
	}
	return VIOMMU_OK;
}

static int restore_events(struct its *its, const struct seen *seen, uint32_t device, uint64_t itt)
{
	uint64_t word = its_device(its, device);
	uint64_t at = 0;

	while (at < device_events(word)) {
		uint64_t entry;
		uint64_t next;

		if (!mem_load64(its->unit.vm, itt + at * 8, &entry))
			return VIOMMU_FAULT;
		next = bits_get(entry, KVM_ITE_NEXT);
		if (!bits_get(entry, KVM_ITE_INTID)) {
			at++;
			continue;
		}
		if (!lpi_exists(its->lpis, bits_get(entry, KVM_ITE_INTID)) ||
		    at + next >= device_events(word) || !has(seen, bits_get(entry, KVM_ITE_ICID)))
			return VIOMMU_ESTATE;
		atomic_store_explicit(
			&its->event[bits_get(word, DEVICE_BLOCK) * ITS_BLOCK + at],
			EVENT_VALID | bits_put(EVENT_INTID, bits_get(entry, KVM_ITE_INTID)) |
				bits_put(EVENT_TARGET, bits_get(entry, KVM_ITE_ICID)),
			memory_order_release);
		if (!next)
			break;
		at += next;
	}
	return VIOMMU_OK;
}

static int restore_device(struct its *its, const struct seen *seen, uint32_t device, uint64_t entry)
{
	unsigned bits = (unsigned)bits_get(entry, KVM_DTE_SIZE) + 1;
	uint64_t itt = bits_get(entry, KVM_DTE_ITT) << 8;

	if (bits > its->event_bits)
		return VIOMMU_ESTATE;
	if (!its_device_fits(its, device, bits))
		return VIOMMU_ELIMIT;
	its_map_device(its, NULL, device, bits, itt);
	return restore_events(its, seen, device, itt);
}

/* The device at an id, if there is one. *next: the id after it that can be one. */
static int restore_id(struct its *its, const struct seen *seen, uint64_t id, uint64_t *next)
{
	bool failed = false;
	uint64_t page = UINT64_C(512)
			<< (bits_get(regs_get(&its->regs, ITS_BASER), ITS_BASER_PAGE) * 2);
	bool indirect = regs_get(&its->regs, ITS_BASER) & ITS_BASER_INDIRECT;
	uint64_t entry;
	uint64_t gpa;
	int result;

	/* a level-1 entry that is not valid has no ids */
	*next = indirect ? (id / page + 1) * page : UINT64_MAX;
	if (!its_table_entry(its, 0, id, &gpa, &failed))
		return failed ? VIOMMU_FAULT : VIOMMU_OK;
	if (!mem_load64(its->unit.vm, gpa, &entry))
		return VIOMMU_FAULT;
	if (!(entry & KVM_DTE_VALID)) {
		*next = id + 1;
		return VIOMMU_OK;
	}
	result = restore_device(its, seen, (uint32_t)id, entry);
	if (!bits_get(entry, KVM_DTE_NEXT))
		*next = UINT64_MAX;
	/* each page of level 2 is gone through by itself */
	else if (id + bits_get(entry, KVM_DTE_NEXT) < *next)
		*next = id + bits_get(entry, KVM_DTE_NEXT);
	return result;
}

static int restore(struct its *its, struct seen *seen)
{
	int result = valid(its, 1) ? restore_collections(its, seen) : VIOMMU_OK;
	uint64_t id = 0;

	/* at most a step an id */
	while (!result && valid(its, 0) && id >> its->device_bits == 0)
		result = restore_id(its, seen, id, &id);
	return result;
}

static int restore_tables(struct its *its)
{
	struct seen *seen;
	int result = check(its);

	if (!result && atomic_load_explicit(&its->on, memory_order_relaxed))
		result = VIOMMU_EBUSY;
	if (result)
		return result;
	seen = vm_alloc(its->unit.vm, sizeof(*seen), _Alignof(struct seen));
	if (!seen)
		return VIOMMU_ENOMEM;
	its_drop_devices(its);
	its_drop_collections(its);
	result = restore(its, seen);
	if (result) {
		its_drop_devices(its);
		its_drop_collections(its);
	}
	vm_dealloc(its->unit.vm, seen, sizeof(*seen));
	its_tell(its, VIOMMU_ANY_SOURCE, 0, UINT32_MAX);
	return result;
}

int viommu_its_restore_tables(struct viommu *u)
{
	int result;

	if (!u || !engine_is(u->engine, &its_engine))
		return VIOMMU_EINVAL;
	if (!unit_begin(u))
		return VIOMMU_EBUSY;
	result = restore_tables(its_of(u));
	notify_complete(u);
	if (u->record)
		unit_record_state(u);
	unit_end(u);
	return result;
}
