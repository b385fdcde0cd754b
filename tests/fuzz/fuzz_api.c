/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fuzz_api.c - sequences of public calls with arbitrary arguments: handles that exist or are NULL,
 * created and freed in any order, an allocator that fails, and callbacks that call back in.
 * Register contents are fuzz_vtd_regs' business.
 */
#include <stdlib.h>
#include <string.h>

#include "api_world.h"

/* ---- freeing: refused as long as it is in use ---- */

static void free_one(void)
{
	uint64_t what = take(1);
	unsigned n = (unsigned)take(1);
	int result = VIOMMU_OK;

	switch (what % 5) {
	case 0:
		result = viommu_channel_free(api.channel[n % WAYS_IN]);
		api.channel[n % WAYS_IN] = result ? api.channel[n % WAYS_IN] : NULL;
		break;
	case 1:
		if (api.used)
			return;
		result = viommu_device_free(api.device[n % REQUESTERS]);
		api.device[n % REQUESTERS] = result ? api.device[n % REQUESTERS] : NULL;
		break;
	case 2:
		result = viommu_listener_free(api.listener[n % LISTENERS]);
		api.listener[n % LISTENERS] = result ? api.listener[n % LISTENERS] : NULL;
		break;
	case 3:
		if (api.used)
			return;
		result = viommu_free(api.unit[n % UNITS]);
		api.unit[n % UNITS] = result ? api.unit[n % UNITS] : NULL;
		break;
	default:
		if (api.depth) /* "Alone", and nothing promises to refuse */
			return;
		result = viommu_vm_free(api.vm[n % VMS]);
		api.vm[n % VMS] = result ? api.vm[n % VMS] : NULL;
	}
	CHECK(result == VIOMMU_OK || result == VIOMMU_EBUSY);
}

/* ---- memory ---- */

static void region(void)
{
	uint64_t how = take(1);
	uint64_t n = take(1);
	struct viommu_region r = { .flags = (uint32_t)how >> 7,
				   .gpa = BASE + n % PIECES * PIECE_BYTES,
				   .bytes = PIECE_BYTES,
				   .host = api.ram + n % PIECES * PIECE_BYTES };
	struct viommu_vm *vm = api.vm[n >> 4 & 1];

	api_spoil(&r, sizeof(r));
	r.size = r.size > sizeof(r) ? sizeof(r) : r.size;
	if (how & 8)
		r.gpa ^= take(8);
	if (how & 16)
		r.bytes ^= take(2) << (take(1) & 63);
	/* the library may access all that it was told of */
	if (r.gpa >= BASE &&
	    (r.bytes > sizeof(api.ram) || r.gpa - BASE > sizeof(api.ram) - r.bytes))
		r.bytes = 0;
	if ((how & 3) == 0)
		check(viommu_vm_remove_region(vm, r.gpa));
	else if ((how & 3) == 1)
		check(viommu_vm_quiesce(vm));
	else if (r.bytes <= PIECE_BYTES)
		check(viommu_vm_add_region(vm, how & 32 ? NULL : &r));
}

static void put(void)
{
	uint64_t offset = take(2) % (sizeof(api.ram) / 8) * 8;
	uint64_t value = take(1) & 1 ? take(8) : BASE + (take(1) % 32) * 4096 + take(1);

	memcpy(api.ram + offset, &value, sizeof(value));
}

/* Legacy tables for every bus and function: pages 0 root, 1 contexts, 2 to 5 second stage, 8 queue,
 * and everything switched on. */
static void program(void)
{
	struct viommu *unit = api.unit[take(1) % UNITS];
	uint64_t *word = (uint64_t *)(void *)api.ram;
	uint64_t tt = take(1) & 0xc;

	for (unsigned i = 0; i < 256; i++) {
		word[2 * i] = (BASE + 0x1000) | 1;
		word[512 + 2 * i] = (BASE + 0x2000) | 1 | tt;
		word[513 + 2 * i] = 2 | (uint64_t)(i & 3) << 8;
	}
	for (unsigned i = 0; i < 512; i++) {
		word[1024 + i] = (BASE + 0x3000) | 3;
		word[1536 + i] = (BASE + 0x4000) | 3;
		word[2048 + i] = (BASE + 0x5000) | 3;
		word[2560 + i] = (BASE + i % 32 * 4096) | 3;
	}
	check(viommu_reg_write(unit, VTD_RTADDR, 8, BASE));
	check(viommu_reg_write(unit, VTD_IQA, 8, BASE + 0x8000));
	check(viommu_reg_write(unit, VTD_GCMD, 4, VTD_G_RTP));
	check(viommu_reg_write(unit, VTD_GCMD, 4, VTD_G_TE | VTD_G_QIE));
}

/* Invalidations of devices, contexts and everything, and a wait. */
static void invalidate(void)
{
	struct viommu *unit = api.unit[take(1) % UNITS];
	uint64_t *queue = (uint64_t *)(void *)(api.ram + 0x8000);
	uint64_t tail = 0;

	check(viommu_reg_read(unit, VTD_IQT, 8, &tail));
	tail &= 0xff0;
	queue[tail / 8] =
		take(1) & 1 ? VTD_QI_DEVTLB | bits_put(VTD_QI_DEVTLB_SID, take(1) & 15) : take(1);
	queue[tail / 8 + 1] = 0;
	tail = (tail + 16) & 0xfff;
	queue[tail / 8] = VTD_QI_WAIT | VTD_QI_WAIT_SW;
	queue[tail / 8 + 1] = BASE + 0x9000;
	tail = (tail + 16) & 0xfff;
	check(viommu_reg_write(unit, VTD_IQT, 8, tail));
}

/* ---- use ---- */

static struct viommu_request request(void)
{
	uint64_t how = take(2);
	struct viommu_request r = { .first = how & 0x8000 ? take(8) : take(2),
				    .pasid = how & 0x4000 ? (uint32_t)take(4) : VIOMMU_NO_PASID,
				    .access = (uint16_t)(1 + (how & 3)),
				    .type = (uint16_t)(how >> 2 & 3) };

	r.last = how & 0x2000 ? take(8) : r.first + (how >> 4 & 0xff) * 32;
	/* a large range is bounded too, but takes its time */
	if (r.last > r.first && r.last - r.first > 0x20000)
		r.last = r.first + 0x20000;
	if (how & 0x1000)
		r.access = (uint16_t)take(2);
	return r;
}

static void translate(void)
{
	uint64_t how = take(1);
	struct viommu_request r = request();
	struct viommu_fragment f[3];
	struct viommu_answer answer;
	uint32_t max = (uint32_t)how >> 6;
	struct viommu_channel *channel = api.channel[how % WAYS_IN];
	int result;

	if (how & 0x20)
		result = viommu_translate(channel, how == 0x3f ? NULL : &r, f, max, &answer);
	else
		result = viommu_device_translate(api.device[how % REQUESTERS], &r,
						 how == 0x1f ? NULL : f, max, &answer);
	check(result);
	CHECK(result <= VIOMMU_EINVAL || max);
	if (result == VIOMMU_OK)
		CHECK(answer.count <= max && answer.next == r.last + 1);
}

static void section(void)
{
	uint64_t how = take(1);
	struct viommu_channel *channel = api.channel[how % WAYS_IN];

	check(how & 0x80 ? viommu_enter(channel) : viommu_leave(channel));
}

/* In a buffer that ends where it should. */
static void dma(void)
{
	uint64_t how = take(2);
	struct viommu_channel *channel = api.channel[how % WAYS_IN];
	struct viommu_device *device = api.device[how % REQUESTERS];
	uint64_t iova = take(how & 0x8000 ? 8 : 2);
	uint64_t bytes = take(how & 0x4000 ? 1 : 0) + (how >> 3 & 7);
	uint32_t access = (uint32_t)(how & 0x2000 ? take(1) : 0);
	uint32_t pasid = how & 0x1000 ? (uint32_t)take(4) : VIOMMU_NO_PASID;
	uint8_t *buffer = malloc(bytes ? bytes : 1);
	uint64_t value = how;

	CHECK(buffer);
	memset(buffer, 1, bytes ? bytes : 1);
	switch (how >> 8 & 15) {
	case 0:
		check(viommu_dma_read(channel, iova, buffer, bytes, access, NULL));
		break;
	case 1:
		check(viommu_dma_write(channel, iova, buffer, bytes, access, &value));
		break;
	case 2:
		check(viommu_dma_load(channel, iova, (uint32_t)bytes, access, &value));
		break;
	case 3:
		check(viommu_dma_store(channel, iova, (uint32_t)bytes, access, value));
		break;
	case 4:
		check(viommu_dma_cmpxchg(channel, iova, (uint32_t)bytes, access, &value, how));
		break;
	case 5:
		check(viommu_device_dma_read(device, pasid, iova, buffer, bytes, access, &value));
		break;
	case 6:
		check(viommu_device_dma_write(device, pasid, iova, buffer, bytes, access, NULL));
		break;
	case 7:
		check(viommu_device_dma_load(device, pasid, iova, (uint32_t)bytes, access, &value));
		break;
	case 8:
		check(viommu_device_dma_store(device, pasid, iova, (uint32_t)bytes, access, how));
		break;
	default:
		check(viommu_device_dma_cmpxchg(device, pasid, iova, (uint32_t)bytes, access,
						&value, how));
	}
	free(buffer);
}

static void map(void)
{
	uint64_t how = take(2);
	unsigned n = (unsigned)how % MAPS;
	struct viommu_mapping *map = &api.map[n];
	uint64_t iova = take(how & 0x8000 ? 8 : 2);
	uint32_t access = (uint32_t)(how >> 4 & 7), pasid = VIOMMU_NO_PASID;
	uint64_t bytes;

	if (how & 0x4000) {
		check(viommu_dma_unmap(map, how & 8 ? map->bytes : take(1)));
		return;
	}
	if (!map->section.device)
		*map = (struct viommu_mapping){ .parts = api.parts[n],
						.gpas = how & 0x2000 ? NULL : api.gpas[n],
						.max = (uint32_t)how >> 2 & 3 };
	if ((how & 0x1800) == 0x800)
		pasid = (uint32_t)take(4);
	bytes = take(2);
	/* the caller's range has so many pages, and each may take a walk of two stages */
	api_expect(2 * (bytes / 4096 + 2));
	if (how & 0x1000)
		check(viommu_dma_map(api.channel[how % WAYS_IN], iova, bytes, access, map));
	else
		check(viommu_device_dma_map(api.device[how % REQUESTERS], pasid, iova, bytes,
					    access, map));
	api_expect(-(2 * (bytes / 4096 + 2)));
}

static void device_section(void)
{
	uint64_t how = take(1);
	struct viommu_section *s = &api.section[how % MAPS];

	check(how & 0x80 ? viommu_device_enter(api.device[how >> 2 & 3], s)
			 : viommu_device_leave(s));
}

static void look(void)
{
	uint64_t how = take(1);
	struct viommu_device *device = api.device[how % REQUESTERS];
	struct viommu_request r = request();
	uint64_t first = r.first;
	uint32_t budget = 1 + (uint32_t)take(1);

	if (how & 0x80)
		check(viommu_explain(device, &r, how & 0x20 ? VIOMMU_EXPLAIN_CACHES : 0,
				     how & 0x40 ? NULL : api_explained, &api));
	else
		check(viommu_replay(device, r.pasid, how & 0x40 ? NULL : &first, r.last, budget,
				    how & 0x20 ? NULL : api_mapped, &api));
}

static void registers(void)
{
	struct viommu *unit = api.unit[take(1) % UNITS];
	uint64_t offset = take(1) * 4;
	uint64_t how = take(1);
	uint64_t value = 0;

	if (how & 0x80)
		check(viommu_reg_read(unit, offset, (uint32_t)how & 15,
				      how & 0x40 ? NULL : &value));
	else
		check(viommu_reg_write(unit, offset, how & 0x40 ? 4 : (uint32_t)how & 15,
				       take(how & 0x20 ? 8 : 1)));
}

static void device_calls(void)
{
	uint64_t how = take(1);
	struct viommu_device *device = api.device[how % REQUESTERS];
	struct viommu_page_request r = { .address = take(1) * 4096,
					 .pasid = VIOMMU_NO_PASID,
					 .group = (uint16_t)take(1),
					 .access = (uint16_t)(take(1) & 31),
					 .last = (uint32_t)how >> 5 & 1 };

	if (how & 0x80)
		check(viommu_device_set_id(device, (uint32_t)take(how & 0x40 ? 4 : 1) & 15));
	else if (how & 0x40)
		check(viommu_request_page(device, &r));
	else
		check(viommu_invalidation_done(device, api.tokens,
					       how & 0x10 ? VIOMMU_OK
					       : how & 8  ? VIOMMU_FAULT
							  : (int)take(1)));
}

static void unit_calls(void)
{
	static uint8_t state[16384];
	struct viommu *unit = api.unit[take(1) % UNITS];
	uint64_t how = take(1);
	uint64_t bytes = how & 0x80 ? sizeof(state) : take(2) % sizeof(state);
	struct viommu_msi msi;

	switch (how % 6) {
	case 0:
		check(viommu_run(unit));
		break;
	case 1:
		check(viommu_reset(unit));
		break;
	case 2:
		check(viommu_save(unit, how & 0x40 ? NULL : state, how & 0x20 ? NULL : &bytes));
		break;
	case 3:
		check(viommu_restore(unit, how & 0x40 ? NULL : state, bytes));
		break;
	default:
		check(viommu_remap_msi(unit, (uint32_t)take(2), take(1) & 1 ? 0xfee00000 : take(8),
				       (uint32_t)take(4), (uint32_t)take(1) & 3,
				       how & 0x40 ? NULL : &msi));
	}
}

static void allocator(void)
{
	api.fail_in = (unsigned)take(1) & 15;
}

static void step(void)
{
	static void (*const calls[])(void) = {
		api_vm_new, api_unit_new, api_device_new, api_channel_new,  free_one,  region,
		put,	    program,	  invalidate,	  translate,	    section,   look,
		registers,  device_calls, unit_calls,	  api_listener_new, allocator, translate
	};

	static void (*const later[])(void) = { dma, map, device_section };
	uint64_t op;

	if (!api.budget)
		return;
	api.budget--;
	op = take(1);
	/* came later: inputs that are kept mean what they did */
	if (op >= 0xe8)
		later[op % ARRAY_COUNT(later)]();
	else
		calls[op % ARRAY_COUNT(calls)]();
}

/* In the one order that is never refused. */
static void free_all(void)
{
	api.budget = 0;
	api.depth = DEPTH;
	for (unsigned i = 0; i < MAPS; i++) {
		CHECK(viommu_dma_unmap(&api.map[i], 0) == VIOMMU_OK);
		if (api.section[i].device)
			CHECK(viommu_device_leave(&api.section[i]) == VIOMMU_OK);
	}
	for (unsigned i = 0; i < LISTENERS; i++)
		CHECK(viommu_listener_free(api.listener[i]) == VIOMMU_OK);
	for (unsigned i = 0; i < WAYS_IN; i++) {
		viommu_leave(api.channel[i]);
		CHECK(viommu_channel_free(api.channel[i]) == VIOMMU_OK);
	}
	for (unsigned i = 0; i < REQUESTERS; i++)
		CHECK(viommu_device_free(api.device[i]) == VIOMMU_OK);
	for (unsigned i = 0; i < UNITS; i++)
		CHECK(viommu_free(api.unit[i]) == VIOMMU_OK);
	for (unsigned i = 0; i < VMS; i++)
		CHECK(viommu_vm_free(api.vm[i]) == VIOMMU_OK);
	CHECK(api.blocks == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { .data = data, .size = size };

	memset(&api, 0, sizeof(api));
	api.in = &in;
	api.step = step;
	api.budget = 300;
	api.steps = STEPS;
	api_expect(0);
	while (input_left(&in) && api.budget)
		step();
	free_all();
	return 0;
}
