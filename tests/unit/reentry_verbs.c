/* SPDX-License-Identifier: BSD-3-Clause */
/* reentry_verbs.c - every public function, as it is called from inside a callback. */
#include "reentry.h"

#include <libvirtiommu/dirty.h>
#include <libvirtiommu/observe.h>

#include "check.h"

static const struct viommu_request read_page = {
	.first = IOVA, .last = IOVA, .pasid = VIOMMU_NO_PASID, .access = VIOMMU_READ
};

static int through(struct viommu_device *device)
{
	return guest_dma(device, IOVA, VIOMMU_READ).result;
}

static int translate_own_device(struct reentry *r)
{
	return through(r->own);
}

static int translate_other_device(struct reentry *r)
{
	return through(r->other);
}

static int translate_fault(struct reentry *r)
{
	return guest_dma(r->other, IOVA + 0x100000, VIOMMU_WRITE).result;
}

static int translate_own_channel(struct reentry *r)
{
	return guest_channel_dma(r->channel, VIOMMU_NO_PASID, IOVA, VIOMMU_READ).result;
}

static int translate_other_channel(struct reentry *r)
{
	return guest_channel_dma(r->other_channel, VIOMMU_NO_PASID, IOVA, VIOMMU_READ).result;
}

static int dma_own_channel(struct reentry *r)
{
	uint64_t word = 5;

	return viommu_dma_write(r->channel, IOVA + 16, &word, sizeof(word), 0, NULL);
}

static int dma_other_channel(struct reentry *r)
{
	uint64_t word;

	return viommu_dma_load(r->other_channel, IOVA + 16, 8, 0, &word);
}

static int dma_own_device(struct reentry *r)
{
	uint64_t word = 0;

	return viommu_device_dma_cmpxchg(r->own, VIOMMU_NO_PASID, IOVA + 16, 8, 0, &word, 1);
}

static int map_own_channel(struct reentry *r)
{
	struct viommu_part part;
	struct viommu_mapping map = { .parts = &part, .max = 1 };
	int result = viommu_dma_map(r->channel, IOVA, 8, VIOMMU_READ, &map);

	return result < 0 ? result : viommu_dma_unmap(&map, 0);
}

static int enter_device(struct reentry *r)
{
	struct viommu_section section = { .device = NULL };
	int result = viommu_device_enter(r->own, &section);

	return result ? result : viommu_device_leave(&section);
}

static int enter_own(struct reentry *r)
{
	int result = viommu_enter(r->channel);

	return result ? result : viommu_leave(r->channel);
}

static int enter_other(struct reentry *r)
{
	int result = viommu_enter(r->other_channel);

	return result ? result : viommu_leave(r->other_channel);
}

static int leave_own(struct reentry *r)
{
	return viommu_leave(r->channel);
}

static int new_channel(struct reentry *r)
{
	struct viommu_channel *channel;
	int result = viommu_channel_new(r->own, 5, &channel);

	return result ? result : viommu_channel_free(channel);
}

static int new_device(struct reentry *r)
{
	struct viommu_device_config config = { .size = sizeof(config), .id = 0x777 };
	struct viommu_device *device;
	int result = viommu_device_new(r->g.iommu, &config, &device);

	return result ? result : viommu_device_free(device);
}

static int set_id(struct reentry *r)
{
	int result = viommu_device_set_id(r->other, 0x778);

	return result ? result : viommu_device_set_id(r->other, OTHER);
}

static int fail_device(struct reentry *r)
{
	return viommu_device_fail(r->other);
}

static int explain(struct reentry *r)
{
	return viommu_explain(r->own, &read_page, 0, reentry_step, r);
}

/* It is pending in the section that the call which the callback is of has open. */
static int track(struct reentry *r)
{
	struct viommu_dirty *dirty;
	uint64_t bitmap[1] = { 0 };
	int result = viommu_dirty_start(r->g.iommu, NULL, 0, 0x3ffff, &dirty);

	if (result)
		return result;
	result = viommu_dirty_collect(dirty, bitmap);
	return viommu_dirty_stop(dirty) == VIOMMU_PENDING ? (r->tracking = dirty, result) : result;
}

static int find_iova(struct reentry *r)
{
	struct viommu_reverse found;
	uint64_t first = 0;
	int result =
		viommu_find_iova(r->own, VIOMMU_NO_PASID, 0x5000, &first, UINT64_MAX, 0, &found);

	return result == VIOMMU_ENOENT ? VIOMMU_OK : result;
}

static int statistics(struct reentry *r)
{
	struct viommu_statistics now = { .size = sizeof(now) };
	int result = viommu_get_statistics(r->g.iommu, &now);

	return result ? result : viommu_device_get_statistics(r->own, &now);
}

static int explain_channel(struct reentry *r)
{
	return viommu_channel_explain(r->channel, &read_page, VIOMMU_EXPLAIN_CACHES, reentry_step,
				      r);
}

static int explain_msi(struct reentry *r)
{
	return viommu_explain_msi(r->g.iommu, OWN, 0xfee00010, 0, VIOMMU_EXPLAIN_CACHES,
				  reentry_step, r);
}

static int replay(struct reentry *r)
{
	uint64_t first = 0;

	return viommu_replay(r->own, VIOMMU_NO_PASID, &first, 0xffffff, 0, reentry_mapped, r);
}

static int request_page(struct reentry *r)
{
	const struct viommu_page_request request = {
		.address = IOVA, .pasid = VIOMMU_NO_PASID, .access = VIOMMU_READ, .last = 1
	};

	return viommu_request_page(r->other, &request);
}

static int invalidation_done(struct reentry *r)
{
	return viommu_invalidation_done(r->own, UINT64_MAX, VIOMMU_OK);
}

static int remap_msi(struct reentry *r)
{
	struct viommu_msi msi;

	return viommu_remap_msi(r->g.iommu, OWN, 0xfee00030, 0, 0, &msi);
}

static int reg_peek(struct reentry *r)
{
	uint64_t cap = 0, version = 0, none;
	int result = viommu_reg_read(r->g.iommu, VTD_CAP, 8, &cap);

	if (result || viommu_reg_read(r->g.iommu, 0, 4, &version))
		return VIOMMU_EINTERNAL;
	/* beyond them, whatever the width */
	(void)viommu_reg_read(r->g.iommu, VTD_GCMD - 4, 8, &none);
	return cap == r->g.cap && version ? VIOMMU_OK : VIOMMU_EINTERNAL;
}

static int reg_read(struct reentry *r)
{
	uint64_t value;

	return viommu_reg_read(r->g.iommu, VTD_GSTS, 4, &value);
}

static int reg_write(struct reentry *r)
{
	return viommu_reg_write(r->g.iommu, VTD_FEDATA, 4, 0x30);
}

static int ring(struct reentry *r)
{
	return viommu_reg_write(r->g.iommu, VTD_IQT, 8, r->g.tail);
}

static int run(struct reentry *r)
{
	return viommu_run(r->g.iommu);
}

static int reset(struct reentry *r)
{
	return viommu_reset(r->g.iommu);
}

static int save(struct reentry *r)
{
	unsigned char buffer[8192];
	uint64_t bytes = sizeof(buffer);

	return viommu_save(r->g.iommu, buffer, &bytes);
}

static int restore(struct reentry *r)
{
	return viommu_restore(r->g.iommu, r->saved, r->saved_bytes);
}

static int flush(struct reentry *r)
{
	return viommu_flush(r->g.iommu);
}

static int new_listener(struct reentry *r)
{
	struct viommu_listener_config config = { .size = sizeof(config) };
	struct viommu_listener *listener;
	int result = viommu_listener_new(r->g.iommu, r->other, &config, &listener);

	return result ? result : viommu_listener_free(listener);
}

static int enable_listener(struct reentry *r)
{
	return viommu_listener_enable(r->listener, 1);
}

static int free_listener(struct reentry *r)
{
	int result = viommu_listener_free(r->listener);

	if (!result)
		r->listener = NULL;
	return result;
}

static int regions(struct reentry *r)
{
	struct viommu_region region = {
		.size = sizeof(region), .gpa = 0xc0000000, .bytes = 4096, .host = r->ram
	};
	int result = viommu_vm_add_region(r->g.vm, &region);

	return result ? result : viommu_vm_remove_region(r->g.vm, region.gpa);
}

static int quiesce(struct reentry *r)
{
	return viommu_vm_quiesce(r->g.vm);
}

static int new_unit(struct reentry *r)
{
	struct viommu_vtd_config config = { .size = sizeof(config) };
	struct viommu *iommu;
	int result = viommu_vtd_new(r->g.vm, &config, &iommu);

	return result ? result : viommu_free(iommu);
}

static int new_vm(struct reentry *r)
{
	struct viommu_vm_config config = { .size = sizeof(config) };
	struct viommu_vm *vm;
	int result = viommu_vm_new(&config, &vm);

	return result ? result : viommu_vm_free(vm);
}

static int free_unit(struct reentry *r)
{
	return viommu_free(r->g.iommu);
}

static int free_vm(struct reentry *r)
{
	return viommu_vm_free(r->g.vm);
}

static int free_own_device(struct reentry *r)
{
	return viommu_device_free(r->own);
}

static int free_bare_device(struct reentry *r)
{
	int result = viommu_device_free(r->bare);

	if (!result)
		r->bare = NULL;
	return result;
}

const struct verb verbs[] = {
	{ "viommu_device_translate, the same device", WORKS, translate_own_device },
	{ "viommu_device_translate, another device", WORKS, translate_other_device },
	{ "viommu_device_translate, a fault", WORKS, translate_fault },
	{ "viommu_translate, the same channel", MAY_HIT, translate_own_channel },
	{ "viommu_translate, another channel", WORKS, translate_other_channel },
	{ "viommu_dma_write, the same channel", NOT_IN_ITSELF, dma_own_channel },
	{ "viommu_dma_load, another channel", WORKS, dma_other_channel },
	{ "viommu_device_dma_cmpxchg", WORKS, dma_own_device },
	{ "viommu_dma_map, the same channel", MAY_HIT, map_own_channel },
	{ "viommu_device_enter, viommu_device_leave", WORKS, enter_device },
	{ "viommu_enter, the same channel", NOT_IN_ITSELF, enter_own },
	{ "viommu_enter, another channel", WORKS, enter_other },
	{ "viommu_leave, no section", NOT_OPEN, leave_own },
	{ "viommu_channel_new", WORKS, new_channel },
	{ "viommu_device_new", WORKS, new_device },
	{ "viommu_device_set_id", WORKS, set_id },
	{ "viommu_device_fail", WORKS, fail_device },
	{ "viommu_explain", WORKS, explain },
	{ "viommu_dirty_start, _collect, _stop", WORKS, track },
	{ "viommu_find_iova", WORKS, find_iova },
	{ "viommu_get_statistics", WORKS, statistics },
	{ "viommu_channel_explain", WORKS, explain_channel },
	{ "viommu_explain_msi", WORKS, explain_msi },
	{ "viommu_replay", WORKS, replay },
	{ "viommu_request_page", MAY_BE_UNDER_WAY, request_page },
	{ "viommu_invalidation_done", UNKNOWN, invalidation_done },
	{ "viommu_remap_msi", WORKS, remap_msi },
	{ "viommu_reg_read", ONE_AT_A_TIME, reg_read },
	{ "viommu_reg_read, constants", WORKS, reg_peek },
	{ "viommu_reg_write", ONE_AT_A_TIME, reg_write },
	{ "viommu_reg_write, the queue's tail", ONE_AT_A_TIME, ring },
	{ "viommu_run", ONE_AT_A_TIME, run },
	{ "viommu_reset", ONE_AT_A_TIME, reset },
	{ "viommu_save", ONE_AT_A_TIME, save },
	{ "viommu_restore", ONE_AT_A_TIME, restore },
	{ "viommu_flush", ONE_AT_A_TIME, flush },
	{ "viommu_listener_new", WORKS, new_listener },
	{ "viommu_listener_enable", WORKS, enable_listener },
	{ "viommu_listener_free", WORKS, free_listener },
	{ "viommu_vm_add_region, viommu_vm_remove_region", WORKS, regions },
	{ "viommu_vm_quiesce", WORKS, quiesce },
	{ "viommu_vtd_new, viommu_free", WORKS, new_unit },
	{ "viommu_vm_new, viommu_vm_free", WORKS, new_vm },
	{ "viommu_free", IS_BUSY, free_unit },
	{ "viommu_vm_free", IS_BUSY, free_vm },
	{ "viommu_device_free, in use", IS_BUSY, free_own_device },
	{ "viommu_device_free", NOT_BY_ITSELF, free_bare_device },
};

const unsigned verb_count = sizeof(verbs) / sizeof(verbs[0]);
