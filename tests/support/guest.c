/* SPDX-License-Identifier: BSD-3-Clause */
/* guest.c - a test's VM: memory, callbacks that count and fail, books of the allocator, devices. */
#define _GNU_SOURCE
#include "guest_internal.h"

#include <stdlib.h>
#include <string.h>

/* ---- counting and failing ---- */

unsigned guest_called(struct guest *g, enum guest_event event)
{
	unsigned n = __atomic_fetch_add(&g->count[event], 1, __ATOMIC_RELAXED);

	if (g->hook)
		g->hook(g->hook_opaque, event);
	return n;
}

static bool counts_down(unsigned *left)
{
	return *left && --*left == 0;
}

static bool access_fails(struct guest *g, enum guest_event event)
{
	if (g->fail_kinds && !(g->fail_kinds >> event & 1))
		return false;
	if (!(g->fail_on && g->fail_in == 1) && !counts_down(&g->fail_in))
		return false;
	g->failures++;
	return true;
}

/* ---- the allocator ---- */

static void *take_block(void *opaque, uint64_t bytes, uint64_t align)
{
	struct guest *g = opaque;
	void *block;

	if (align > 4096 || (align & (align - 1)))
		fail_msg("alignment of %ju", (uintmax_t)align);
	if (counts_down(&g->no_memory_in))
		return NULL;
	if (posix_memalign(&block, align < sizeof(void *) ? sizeof(void *) : (size_t)align,
			   bytes ? (size_t)bytes : 1))
		return NULL;
	memset(block, 0, (size_t)bytes);
	__atomic_fetch_add(&g->blocks, 1, __ATOMIC_RELAXED);
	__atomic_fetch_add(&g->block_bytes, bytes, __ATOMIC_RELAXED);
	__atomic_fetch_add(&g->allocations, 1, __ATOMIC_RELAXED);
	return block;
}

static void give_block(void *opaque, void *block, uint64_t bytes)
{
	struct guest *g = opaque;

	memset(block, 0xa5, (size_t)bytes); /* whoever still uses it is found */
	free(block);
	__atomic_fetch_sub(&g->blocks, 1, __ATOMIC_RELAXED);
	__atomic_fetch_sub(&g->block_bytes, bytes, __ATOMIC_RELAXED);
}

/* ---- memory ---- */

static bool inside(const struct guest *g, uint64_t gpa, uint64_t count)
{
	return gpa >= GUEST_BASE && gpa - GUEST_BASE < g->bytes &&
	       count <= g->bytes - (gpa - GUEST_BASE);
}

static int read_outside(void *opaque, uint64_t gpa, void *to, uint32_t count)
{
	struct guest *g = opaque;

	guest_called(g, GUEST_ON_READ);
	if (access_fails(g, GUEST_ON_READ) || !inside(g, gpa, count))
		return -1;
	memcpy(to, g->ram + (gpa - GUEST_BASE), count);
	if (g->alter)
		g->alter(g->alter_opaque, gpa, to, count);
	return 0;
}

static int write_outside(void *opaque, uint64_t gpa, const void *from, uint32_t count)
{
	struct guest *g = opaque;

	guest_called(g, GUEST_ON_WRITE);
	if (access_fails(g, GUEST_ON_WRITE) || !inside(g, gpa, count))
		return -1;
	memcpy(g->ram + (gpa - GUEST_BASE), from, count);
	return 0;
}

static int swap_outside(void *opaque, uint64_t gpa, uint64_t *expected, uint64_t desired)
{
	struct guest *g = opaque;
	uint64_t found;

	guest_called(g, GUEST_ON_SWAP);
	if (access_fails(g, GUEST_ON_SWAP) || !inside(g, gpa, sizeof(found)))
		return -1;
	found = guest_get64(g, gpa);
	if (found == *expected)
		guest_put64(g, gpa, desired);
	*expected = found;
	return 0;
}

static int swap_raw(void *opaque, uint64_t gpa, void *expected, const void *desired, uint32_t count)
{
	struct guest *g = opaque;
	uint8_t *at = g->ram + (gpa - GUEST_BASE);
	bool equal;

	guest_called(g, GUEST_ON_SWAP);
	if (access_fails(g, GUEST_ON_SWAP) || !inside(g, gpa, count))
		return -1;
	equal = memcmp(at, expected, count) == 0;
	memcpy(equal ? at : expected, equal ? desired : at, count);
	return 0;
}

static void note_dirty(void *opaque, uint64_t gpa, uint64_t bytes)
{
	struct guest *g = opaque;
	unsigned n = guest_called(g, GUEST_ON_DIRTY);

	if (n < GUEST_LOG) {
		g->dirty[n].gpa = gpa;
		g->dirty[n].bytes = bytes;
	}
}

int guest_try_init(struct guest *g, enum guest_memory memory, unsigned pages, unsigned no_memory_in)
{
	struct viommu_region region = { .size = sizeof(region),
					.gpa = GUEST_BASE,
					.bytes = pages * GUEST_PAGE };
	int result;

	memset(g, 0, sizeof(*g));
	g->memory = memory;
	g->bytes = region.bytes;
	g->used = GUEST_BASE;
	g->ram = aligned_alloc(GUEST_PAGE, (size_t)g->bytes);
	assert_non_null(g->ram);
	memset(g->ram, 0, (size_t)g->bytes);
	g->no_memory_in = no_memory_in;
	g->vm_config =
		(struct viommu_vm_config){ .size = sizeof(g->vm_config),
					   .opaque = g,
					   .alloc = take_block,
					   .dealloc = give_block,
					   .read = read_outside,
					   .write = write_outside,
					   .cmpxchg = memory >= GUEST_NO_SWAP ? NULL : swap_outside,
					   .swap = memory == GUEST_RAW_SWAP ? swap_raw : NULL,
					   .dirty = note_dirty,
					   .hash_key = { 0x5bd1e995, 0x9747b28c } };
	result = viommu_vm_new(&g->vm_config, &g->vm);
	if (!result && memory == GUEST_REGION) {
		region.host = g->ram;
		result = viommu_vm_add_region(g->vm, &region);
	}
	return result;
}

void guest_init(struct guest *g, enum guest_memory memory, unsigned pages)
{
	assert_int_equal(guest_try_init(g, memory, pages, 0), VIOMMU_OK);
}

void guest_drop_one(struct guest *g, struct viommu_device *device, struct viommu_channel *channel)
{
	for (unsigned i = 0; channel && i < g->channels; i++) {
		if (g->channel[i] == channel)
			g->channel[i] = g->channel[--g->channels];
	}
	for (unsigned i = 0; i < g->devices; i++) {
		if (g->device[i].device == device)
			g->device[i].device = NULL; /* it is what the device's callbacks get */
	}
	assert_int_equal(viommu_channel_free(channel), VIOMMU_OK);
	assert_int_equal(viommu_device_free(device), VIOMMU_OK);
}

void guest_drop(struct guest *g)
{
	for (; g->channels; g->channels--)
		assert_int_equal(viommu_channel_free(g->channel[g->channels - 1]), VIOMMU_OK);
	for (; g->devices; g->devices--)
		assert_int_equal(viommu_device_free(g->device[g->devices - 1].device), VIOMMU_OK);
}

void guest_fini(struct guest *g)
{
	g->hook = NULL;
	guest_drop(g);
	assert_int_equal(viommu_free(g->iommu), VIOMMU_OK);
	assert_int_equal(viommu_vm_free(g->vm), VIOMMU_OK);
	g->iommu = NULL;
	g->vm = NULL;
	free(g->ram);
	g->ram = NULL;
	assert_int_equal(g->blocks, 0);
	assert_int_equal(g->block_bytes, 0);
}

uint64_t guest_alloc(struct guest *g, unsigned pages)
{
	uint64_t gpa = g->used;

	assert_true(inside(g, gpa, pages * GUEST_PAGE));
	g->used += pages * GUEST_PAGE;
	return gpa;
}

void *guest_at(struct guest *g, uint64_t gpa)
{
	assert_true(inside(g, gpa, 1));
	return g->ram + (gpa - GUEST_BASE);
}

/* In one access, as a processor does it: other threads may walk there. */
uint64_t guest_get64(struct guest *g, uint64_t gpa)
{
	void *at = guest_at(g, gpa);
	uint64_t raw;

	if ((uintptr_t)at % sizeof(raw) == 0)
		return le64toh(__atomic_load_n((const uint64_t *)at, __ATOMIC_ACQUIRE));
	memcpy(&raw, at, sizeof(raw));
	return le64toh(raw);
}

uint32_t guest_get32(struct guest *g, uint64_t gpa)
{
	uint32_t raw;

	memcpy(&raw, guest_at(g, gpa), sizeof(raw));
	return le32toh(raw);
}

void guest_put64(struct guest *g, uint64_t gpa, uint64_t word)
{
	void *at = guest_at(g, gpa);
	uint64_t raw = htole64(word);

	if ((uintptr_t)at % sizeof(raw) == 0)
		__atomic_store_n((uint64_t *)at, raw, __ATOMIC_RELEASE);
	else
		memcpy(at, &raw, sizeof(raw));
}

/* ---- the unit and its devices ---- */

static void note_msi(void *opaque, uint64_t address, uint32_t data)
{
	struct guest *g = opaque;
	unsigned n = guest_called(g, GUEST_ON_MSI);

	if (n < GUEST_LOG)
		g->msi[n] = (struct guest_msi){ address, data };
}

static void note_work(void *opaque)
{
	guest_called(opaque, GUEST_ON_WORK);
}

static void note_message(void *opaque, const char *text)
{
	struct guest *g = opaque;

	guest_called(g, GUEST_ON_MESSAGE);
	g->message = text;
}

int guest_try_vtd_config(struct guest *g, struct viommu_vtd_config *config)
{
	static const struct viommu_limits small = { .size = sizeof(small),
						    .tlb_entries = 320,
						    .contexts = 64,
						    .domains = 64,
						    .devices = 64,
						    .channels = 64,
						    .outstanding = 16 };
	int result;

	g->host = (struct viommu_host){ .size = sizeof(g->host),
					.opaque = g,
					.msi = note_msi,
					.work = note_work,
					.message = note_message,
					.trace = g->trace };
	if (!config->host)
		config->host = &g->host;
	if (!config->limits)
		config->limits = &small;
	result = viommu_vtd_new(g->vm, config, &g->iommu);
	if (!result) {
		g->cap = guest_read64(g, VTD_CAP);
		g->ecap = guest_read64(g, VTD_ECAP);
	}
	return result;
}

int guest_try_vtd(struct guest *g, uint64_t cap, uint64_t ecap)
{
	struct viommu_vtd_config config = { .size = sizeof(config), .cap = cap, .ecap = ecap };

	return guest_try_vtd_config(g, &config);
}

void guest_vtd(struct guest *g, uint64_t cap, uint64_t ecap)
{
	int result = guest_try_vtd(g, cap, ecap);

	if (result)
		fail_msg("viommu_vtd_new: %s: %s", viommu_strerror(result),
			 g->message ? g->message : "no message");
}

static int note_invalidation(void *opaque, const struct viommu_device_invalidation *what)
{
	struct guest_requester *r = opaque;
	struct guest *g = r->guest;
	unsigned n = guest_called(g, GUEST_ON_INVALIDATE);

	if (n < GUEST_LOG) {
		g->invalidation[n].id = r->id;
		g->invalidation[n].what = *what;
	}
	return g->invalidate_result;
}

static void note_response(void *opaque, const struct viommu_page_response *what)
{
	struct guest_requester *r = opaque;
	struct guest *g = r->guest;
	unsigned n = guest_called(g, GUEST_ON_RESPONSE);

	if (n < GUEST_LOG) {
		g->response[n].id = r->id;
		g->response[n].what = *what;
	}
}

int guest_try_device(struct guest *g, uint32_t id, struct viommu_device **device)
{
	struct guest_requester *r = &g->device[g->devices];
	struct viommu_device_config config = { .size = sizeof(config),
					       .id = id,
					       .opaque = r,
					       .invalidate = note_invalidation,
					       .page_response = note_response };
	int result;

	assert_true(g->devices < GUEST_DEVICES);
	*r = (struct guest_requester){ .guest = g, .id = id };
	result = viommu_device_new(g->iommu, &config, device);
	if (!result) {
		r->device = *device;
		g->devices++;
	}
	return result;
}

struct viommu_device *guest_device(struct guest *g, uint32_t id)
{
	struct viommu_device *device = NULL;

	assert_int_equal(guest_try_device(g, id, &device), VIOMMU_OK);
	return device;
}

int guest_try_channel(struct guest *g, struct viommu_device *device, uint32_t pasid,
		      struct viommu_channel **channel)
{
	int result;

	assert_true(g->channels < GUEST_CHANNELS);
	result = viommu_channel_new(device, pasid, channel);
	if (!result)
		g->channel[g->channels++] = *channel;
	return result;
}

struct viommu_channel *guest_channel(struct guest *g, struct viommu_device *device, uint32_t pasid)
{
	struct viommu_channel *channel = NULL;

	assert_int_equal(guest_try_channel(g, device, pasid, &channel), VIOMMU_OK);
	return channel;
}
