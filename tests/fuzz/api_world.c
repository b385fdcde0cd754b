/* SPDX-License-Identifier: BSD-3-Clause */
/* api_world.c - callbacks that call back in, and creation of everything with arbitrary arguments. */
#include <stdlib.h>
#include <string.h>

#include "api_world.h"

struct api_world api;

/* A callback may call anything, or nothing. @used: a call on some device or unit may be under way that
 * is not told of it being freed, which must be done alone. */
static void reenter(bool used)
{
	struct work paused;

	if (api.depth >= DEPTH || !input_left(api.in) || take(1) % 4)
		return;
	api.depth++;
	api.used += used;
	paused = work_pause();
	api.step();
	work_resume(paused);
	api.used -= used;
	api.depth--;
}

/* ---- callbacks ---- */

static void *on_alloc(void *opaque, uint64_t bytes, uint64_t align)
{
	void *block = NULL;

	CHECK(opaque == &api && bytes && align && !(align & (align - 1)) && align <= 4096);
	if ((api.fail_in && --api.fail_in == 0) || bytes > ALLOC_MAX)
		return NULL;
	CHECK(posix_memalign(&block, align < 16 ? 16 : align, bytes) == 0);
	memset(block, 0, bytes);
	api.blocks++;
	return block;
}

static void on_dealloc(void *opaque, void *block, uint64_t bytes)
{
	CHECK(opaque == &api && block && bytes);
	api.blocks--;
	free(block);
}

static uint8_t *at(uint64_t gpa, uint64_t bytes)
{
	return gpa >= BASE && gpa - BASE <= sizeof(api.ram) - bytes ? api.ram + (gpa - BASE) : NULL;
}

static int on_read(void *opaque, uint64_t gpa, void *to, uint32_t bytes)
{
	const uint8_t *from = at(gpa, bytes);

	CHECK(opaque == &api);
	reenter(true);
	if (!from)
		return 1;
	memcpy(to, from, bytes);
	return 0;
}

static int on_write(void *opaque, uint64_t gpa, const void *from, uint32_t bytes)
{
	uint8_t *to = at(gpa, bytes);

	CHECK(opaque == &api);
	reenter(true);
	if (!to)
		return 1;
	memcpy(to, from, bytes);
	return 0;
}

static void on_dirty(void *opaque, uint64_t gpa, uint64_t bytes)
{
	CHECK(opaque == &api && at(gpa, bytes));
	reenter(true);
}

static void on_msi(void *opaque, uint64_t address, uint32_t data)
{
	(void)address;
	(void)data;
	CHECK(opaque == &api);
	reenter(true);
}

static void on_work(void *opaque)
{
	CHECK(opaque == &api);
	reenter(false);
}

static void on_message(void *opaque, const char *text)
{
	CHECK(opaque == &api && text && text[0]);
	reenter(false);
}

static int on_invalidate(void *opaque, const struct viommu_device_invalidation *what)
{
	CHECK(opaque == &api);
	api.tokens = what->token;
	reenter(false);
	return take(1) & 1 ? VIOMMU_PENDING : VIOMMU_OK;
}

static void on_response(void *opaque, const struct viommu_page_response *response)
{
	CHECK(opaque == &api && response);
	reenter(false);
}

static void on_unmap(void *opaque, struct viommu_device *device, uint32_t pasid, uint64_t first,
		     uint64_t last)
{
	(void)pasid;
	CHECK(opaque == &api && device && first <= last);
	reenter(false);
}

static void on_mode(void *opaque, struct viommu_device *device, uint32_t mode)
{
	CHECK(opaque == &api && device && mode <= VIOMMU_MODE_TRANSLATE);
	reenter(false);
}

static void on_interrupts(void *opaque, uint32_t source, uint32_t first, uint32_t last)
{
	CHECK(opaque == &api && source == VIOMMU_ANY_SOURCE && first <= last);
	reenter(false);
}

int api_mapped(void *opaque, uint64_t iova, const struct viommu_fragment *fragment)
{
	(void)iova;
	CHECK(opaque == &api && fragment->length);
	reenter(true);
	return take(1) == 1;
}

int api_explained(void *opaque, const struct viommu_step *step)
{
	CHECK(opaque == &api && step->what);
	reenter(true);
	return 0;
}

/* ---- creation: everything may be wrong with a structure ---- */

/* Most structures are as they should be; others have another size, or a bit somewhere. */
void api_spoil(void *structure, uint32_t size)
{
	uint64_t how = take(1);
	/* no cut through a pointer: no version of us has such a size */
	uint32_t other = (uint32_t)take(1) & ~7U;

	memcpy(structure, &size, sizeof(size));
	if (how == 1)
		memcpy(structure, &other, sizeof(other) < size ? sizeof(other) : size);
	else if (how == 2)
		((uint8_t *)structure)[sizeof(size) + other / 64] ^=
			(uint8_t)(1U << (other >> 3 & 7));
}

void api_vm_new(void)
{
	unsigned n = (unsigned)take(1) % VMS;
	struct viommu_vm_config config = { .opaque = &api,
					   .alloc = on_alloc,
					   .dealloc = on_dealloc,
					   .read = on_read,
					   .write = on_write,
					   .dirty = on_dirty,
					   .hash_key = { 1, 1 } };
	uint64_t how = take(1);

	if (api.vm[n])
		return;
	api_spoil(&config, sizeof(config));
	if (how == 1)
		config.dealloc = NULL;
	if (config.size > sizeof(config)) /* what is behind is not ours */
		config.size = sizeof(config);
	check(viommu_vm_new(how == 2 ? NULL : &config, how == 3 ? NULL : &api.vm[n]));
}

void api_expect(uint64_t more)
{
	api.asked += more;
	work_expect(api.steps + api.asked, WORK_EACH, WORK_BASE);
}

/* Those of a spoilt structure are others. */
static void expect_steps_of(const struct viommu *unit)
{
	struct viommu_limits limits = { .size = sizeof(limits) };

	CHECK(viommu_get_limits(unit, &limits) == VIOMMU_OK);
	if (limits.steps > api.steps)
		api.steps = limits.steps;
	api_expect(0);
}

void api_unit_new(void)
{
	unsigned n = (unsigned)take(1) % UNITS;
	unsigned vm = (unsigned)take(1) % VMS;
	struct viommu_host host = {
		.opaque = &api, .msi = on_msi, .work = on_work, .message = on_message
	};
	struct viommu_limits limits = { .tlb_entries = (uint32_t)take(1),
					.contexts = 4,
					.domains = 8,
					.devices = (uint32_t)take(1) % 4,
					.channels = (uint32_t)take(1) % 4,
					.queue_budget = 8,
					.outstanding = (uint32_t)take(1) % 4,
					.steps = STEPS };
	struct viommu_vtd_config config = { .host = &host, .limits = &limits };
	uint64_t how = take(1);
	struct viommu *unit = NULL;

	api_spoil(&host, sizeof(host));
	api_spoil(&limits, sizeof(limits));
	api_spoil(&config, sizeof(config));
	host.size = host.size > sizeof(host) ? sizeof(host) : host.size;
	limits.size = limits.size > sizeof(limits) ? sizeof(limits) : limits.size;
	config.size = config.size > sizeof(config) ? sizeof(config) : config.size;
	config.cap = how & 1 ? GUEST_CAP_SCALABLE : how & 2 ? take(8) : 0;
	config.ecap = how & 1 ? GUEST_ECAP_SCALABLE : how & 4 ? take(8) : 0;
	check(viommu_vtd_new(api.vm[vm], &config, how == 8 ? NULL : &unit));
	if (!unit)
		return;
	expect_steps_of(unit);
	if (api.unit[n]) { /* made by a callback meanwhile, or before */
		CHECK(viommu_free(unit) == VIOMMU_OK);
		return;
	}
	api.unit[n] = unit;
	api.vm_of[n] = vm;
}

void api_device_new(void)
{
	unsigned n = (unsigned)take(1) % REQUESTERS;
	unsigned unit = (unsigned)take(1) % UNITS;
	struct viommu_device_config config = { .id = (uint32_t)take(1) & 15,
					       .opaque = &api,
					       .invalidate = on_invalidate,
					       .page_response = on_response };

	if (api.device[n])
		return;
	api_spoil(&config, sizeof(config));
	config.size = config.size > sizeof(config) ? sizeof(config) : config.size;
	api.unit_of[n] = unit;
	check(viommu_device_new(api.unit[unit], &config, take(1) == 1 ? NULL : &api.device[n]));
}

void api_channel_new(void)
{
	unsigned n = (unsigned)take(1) % WAYS_IN;
	unsigned device = (unsigned)take(1) % REQUESTERS;
	uint64_t pasid = take(1);

	if (api.channel[n])
		return;
	api.device_of[n] = device;
	check(viommu_channel_new(api.device[device],
				 pasid < 0x80	? VIOMMU_NO_PASID
				 : pasid < 0xf0 ? (uint32_t)pasid & 3
						: (uint32_t)take(4),
				 take(1) == 1 ? NULL : &api.channel[n]));
}

void api_listener_new(void)
{
	unsigned n = (unsigned)take(1) % LISTENERS;
	unsigned unit = (unsigned)take(1) % UNITS;
	uint64_t how = take(1);
	struct viommu_listener_config config = {
		.opaque = &api, .unmap = on_unmap, .mode = on_mode, .interrupts = on_interrupts
	};

	if (api.listener[n])
		return;
	api_spoil(&config, sizeof(config));
	config.size = config.size > sizeof(config) ? sizeof(config) : config.size;
	if (how & 1)
		config.interrupts = NULL;
	api.listener_of[n] = unit;
	check(viommu_listener_new(api.unit[unit], how & 1 ? api.device[how >> 1 & 3] : NULL,
				  &config, &api.listener[n]));
}
