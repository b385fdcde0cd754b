/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fuzz_api.c - sequences of public calls with arbitrary arguments: handles that exist or are NULL,
 * created and freed in any order, an allocator that fails, and callbacks that call back in.
 * Register contents are fuzz_vtd_regs' business.
 */
#include <stdlib.h>
#include <string.h>

#include "guest.h" /* capabilities only */
#include "harness.h"

enum { VMS = 2, UNITS = 3, REQUESTERS = 5, WAYS_IN = 5, LISTENERS = 3, PIECES = 8, DEPTH = 3 };

#define PIECE_BYTES UINT64_C(0x4000)
#define BASE	    UINT64_C(0x100000)
#define ALLOC_MAX   (UINT64_C(16) << 20)

static struct world {
	struct input *in;
	struct viommu_vm *vm[VMS];
	struct viommu *unit[UNITS];
	unsigned vm_of[UNITS];
	struct viommu_device *device[REQUESTERS];
	unsigned unit_of[REQUESTERS];
	struct viommu_channel *channel[WAYS_IN];
	unsigned device_of[WAYS_IN];
	struct viommu_listener *listener[LISTENERS];
	unsigned listener_of[LISTENERS];
	uint64_t tokens;
	unsigned depth;	  /* of callbacks */
	unsigned fail_in; /* allocations until one fails; 0: none does */
	uint64_t blocks;
	uint64_t budget; /* of steps, so that an input ends */
	_Alignas(4096) uint8_t ram[PIECES * 0x4000];
} w;

static void step(void);

static uint64_t take(unsigned bytes)
{
	return input_take(w.in, bytes);
}

/* A callback may call anything, or nothing. */
static void reenter(void)
{
	if (w.depth >= DEPTH || !input_left(w.in) || take(1) % 4)
		return;
	w.depth++;
	step();
	w.depth--;
}

static void check(int result)
{
	CHECK(result >= VIOMMU_ENOSPC && result <= VIOMMU_INTERRUPT);
}

/* ---- callbacks ---- */

static void *on_alloc(void *opaque, uint64_t bytes, uint64_t align)
{
	void *block = NULL;

	CHECK(opaque == &w && bytes && align && !(align & (align - 1)) && align <= 4096);
	if ((w.fail_in && --w.fail_in == 0) || bytes > ALLOC_MAX)
		return NULL;
	CHECK(posix_memalign(&block, align < 16 ? 16 : align, bytes) == 0);
	memset(block, 0, bytes);
	w.blocks++;
	return block;
}

static void on_dealloc(void *opaque, void *block, uint64_t bytes)
{
	CHECK(opaque == &w && block && bytes);
	w.blocks--;
	free(block);
}

static uint8_t *at(uint64_t gpa, uint64_t bytes)
{
	return gpa >= BASE && gpa - BASE <= sizeof(w.ram) - bytes ? w.ram + (gpa - BASE) : NULL;
}

static int on_read(void *opaque, uint64_t gpa, void *to, uint32_t bytes)
{
	const uint8_t *from = at(gpa, bytes);

	CHECK(opaque == &w);
	reenter();
	if (!from)
		return 1;
	memcpy(to, from, bytes);
	return 0;
}

static int on_write(void *opaque, uint64_t gpa, const void *from, uint32_t bytes)
{
	uint8_t *to = at(gpa, bytes);

	CHECK(opaque == &w);
	reenter();
	if (!to)
		return 1;
	memcpy(to, from, bytes);
	return 0;
}

static void on_dirty(void *opaque, uint64_t gpa, uint64_t bytes)
{
	CHECK(opaque == &w && at(gpa, bytes));
	reenter();
}

static void on_msi(void *opaque, uint64_t address, uint32_t data)
{
	(void)address;
	(void)data;
	CHECK(opaque == &w);
	reenter();
}

static void on_work(void *opaque)
{
	CHECK(opaque == &w);
	reenter();
}

static void on_message(void *opaque, const char *text)
{
	CHECK(opaque == &w && text && text[0]);
	reenter();
}

static int on_invalidate(void *opaque, const struct viommu_device_invalidation *what)
{
	CHECK(opaque == &w);
	w.tokens = what->token;
	reenter();
	return take(1) & 1 ? VIOMMU_PENDING : VIOMMU_OK;
}

static void on_response(void *opaque, const struct viommu_page_response *response)
{
	CHECK(opaque == &w && response);
	reenter();
}

static void on_unmap(void *opaque, struct viommu_device *device, uint32_t pasid, uint64_t first,
		     uint64_t last)
{
	(void)pasid;
	CHECK(opaque == &w && device && first <= last);
	reenter();
}

static void on_mode(void *opaque, struct viommu_device *device, uint32_t mode)
{
	CHECK(opaque == &w && device && mode <= VIOMMU_MODE_TRANSLATE);
	reenter();
}

static void on_interrupts(void *opaque, uint32_t first, uint32_t last)
{
	CHECK(opaque == &w && first <= last);
	reenter();
}

static int on_mapped(void *opaque, uint64_t iova, const struct viommu_fragment *fragment)
{
	(void)iova;
	CHECK(opaque == &w && fragment->length);
	reenter();
	return take(1) == 1;
}

static void on_step(void *opaque, const struct viommu_step *explained)
{
	CHECK(opaque == &w && explained->what);
	reenter();
}

/* ---- creation: everything may be wrong with a structure ---- */

/* Most structures are as they should be; others have another size, or a bit somewhere. */
static void spoil(void *structure, uint32_t size)
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

static void vm_new(void)
{
	unsigned n = (unsigned)take(1) % VMS;
	struct viommu_vm_config config = { .opaque = &w,
					   .alloc = on_alloc,
					   .dealloc = on_dealloc,
					   .read = on_read,
					   .write = on_write,
					   .dirty = on_dirty,
					   .hash_key = { 1, 1 } };
	uint64_t how = take(1);

	if (w.vm[n])
		return;
	spoil(&config, sizeof(config));
	if (how == 1)
		config.dealloc = NULL;
	if (config.size > sizeof(config)) /* what is behind is not ours */
		config.size = sizeof(config);
	check(viommu_vm_new(how == 2 ? NULL : &config, how == 3 ? NULL : &w.vm[n]));
}

static void unit_new(void)
{
	unsigned n = (unsigned)take(1) % UNITS;
	unsigned vm = (unsigned)take(1) % VMS;
	struct viommu_host host = {
		.opaque = &w, .msi = on_msi, .work = on_work, .message = on_message
	};
	struct viommu_limits limits = { .tlb_entries = (uint32_t)take(1),
					.contexts = 4,
					.domains = 8,
					.devices = (uint32_t)take(1) % 4,
					.channels = (uint32_t)take(1) % 4,
					.queue_budget = 8,
					.outstanding = (uint32_t)take(1) % 4 };
	struct viommu_vtd_config config = { .host = &host, .limits = &limits };
	uint64_t how = take(1);
	struct viommu *unit = NULL;

	spoil(&host, sizeof(host));
	spoil(&limits, sizeof(limits));
	spoil(&config, sizeof(config));
	host.size = host.size > sizeof(host) ? sizeof(host) : host.size;
	limits.size = limits.size > sizeof(limits) ? sizeof(limits) : limits.size;
	config.size = config.size > sizeof(config) ? sizeof(config) : config.size;
	config.cap = how & 1 ? GUEST_CAP_SCALABLE : how & 2 ? take(8) : 0;
	config.ecap = how & 1 ? GUEST_ECAP_SCALABLE : how & 4 ? take(8) : 0;
	check(viommu_vtd_new(w.vm[vm], &config, how == 8 ? NULL : &unit));
	if (!unit)
		return;
	if (w.unit[n]) { /* made by a callback meanwhile, or before */
		CHECK(viommu_free(unit) == VIOMMU_OK);
		return;
	}
	w.unit[n] = unit;
	w.vm_of[n] = vm;
}

static void device_new(void)
{
	unsigned n = (unsigned)take(1) % REQUESTERS;
	unsigned unit = (unsigned)take(1) % UNITS;
	struct viommu_device_config config = { .id = (uint32_t)take(1) & 15,
					       .opaque = &w,
					       .invalidate = on_invalidate,
					       .page_response = on_response };

	if (w.device[n])
		return;
	spoil(&config, sizeof(config));
	config.size = config.size > sizeof(config) ? sizeof(config) : config.size;
	w.unit_of[n] = unit;
	check(viommu_device_new(w.unit[unit], &config, take(1) == 1 ? NULL : &w.device[n]));
}

static void channel_new(void)
{
	unsigned n = (unsigned)take(1) % WAYS_IN;
	unsigned device = (unsigned)take(1) % REQUESTERS;
	uint64_t pasid = take(1);

	if (w.channel[n])
		return;
	w.device_of[n] = device;
	check(viommu_channel_new(w.device[device],
				 pasid < 0x80	? VIOMMU_NO_PASID
				 : pasid < 0xf0 ? (uint32_t)pasid & 3
						: (uint32_t)take(4),
				 take(1) == 1 ? NULL : &w.channel[n]));
}

static void listener_new(void)
{
	unsigned n = (unsigned)take(1) % LISTENERS;
	unsigned unit = (unsigned)take(1) % UNITS;
	uint64_t how = take(1);
	struct viommu_listener_config config = {
		.opaque = &w, .unmap = on_unmap, .mode = on_mode, .interrupts = on_interrupts
	};

	if (w.listener[n])
		return;
	spoil(&config, sizeof(config));
	config.size = config.size > sizeof(config) ? sizeof(config) : config.size;
	if (how & 1)
		config.interrupts = NULL;
	w.listener_of[n] = unit;
	check(viommu_listener_new(w.unit[unit], how & 1 ? w.device[how >> 1 & 3] : NULL, &config,
				  &w.listener[n]));
}

/* ---- freeing: refused as long as it is in use ---- */

static void free_one(void)
{
	uint64_t what = take(1);
	unsigned n = (unsigned)take(1);
	int result = VIOMMU_OK;

	switch (what % 5) {
	case 0:
		result = viommu_channel_free(w.channel[n % WAYS_IN]);
		w.channel[n % WAYS_IN] = result ? w.channel[n % WAYS_IN] : NULL;
		break;
	case 1:
		result = viommu_device_free(w.device[n % REQUESTERS]);
		w.device[n % REQUESTERS] = result ? w.device[n % REQUESTERS] : NULL;
		break;
	case 2:
		result = viommu_listener_free(w.listener[n % LISTENERS]);
		w.listener[n % LISTENERS] = result ? w.listener[n % LISTENERS] : NULL;
		break;
	case 3:
		result = viommu_free(w.unit[n % UNITS]);
		w.unit[n % UNITS] = result ? w.unit[n % UNITS] : NULL;
		break;
	default:
		if (w.depth) /* "Alone", and nothing promises to refuse */
			return;
		result = viommu_vm_free(w.vm[n % VMS]);
		w.vm[n % VMS] = result ? w.vm[n % VMS] : NULL;
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
				   .host = w.ram + n % PIECES * PIECE_BYTES };
	struct viommu_vm *vm = w.vm[n >> 4 & 1];

	spoil(&r, sizeof(r));
	r.size = r.size > sizeof(r) ? sizeof(r) : r.size;
	if (how & 8)
		r.gpa ^= take(8);
	if (how & 16)
		r.bytes ^= take(2) << (take(1) & 63);
	/* the library may access all that it was told of */
	if (r.gpa >= BASE && (r.bytes > sizeof(w.ram) || r.gpa - BASE > sizeof(w.ram) - r.bytes))
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
	uint64_t offset = take(2) % (sizeof(w.ram) / 8) * 8;
	uint64_t value = take(1) & 1 ? take(8) : BASE + (take(1) % 32) * 4096 + take(1);

	memcpy(w.ram + offset, &value, sizeof(value));
}

/* Legacy tables for every bus and function: pages 0 root, 1 contexts, 2 to 5 second stage, 8 queue,
 * and everything switched on. */
static void program(void)
{
	struct viommu *unit = w.unit[take(1) % UNITS];
	uint64_t *word = (uint64_t *)(void *)w.ram;
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
	struct viommu *unit = w.unit[take(1) % UNITS];
	uint64_t *queue = (uint64_t *)(void *)(w.ram + 0x8000);
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
	struct viommu_channel *channel = w.channel[how % WAYS_IN];
	int result;

	if (how & 0x20)
		result = viommu_translate(channel, how == 0x3f ? NULL : &r, f, max, &answer);
	else
		result = viommu_device_translate(w.device[how % REQUESTERS], &r,
						 how == 0x1f ? NULL : f, max, &answer);
	check(result);
	CHECK(result <= VIOMMU_EINVAL || max);
	if (result == VIOMMU_OK)
		CHECK(answer.count <= max && answer.next == r.last + 1);
}

static void section(void)
{
	uint64_t how = take(1);
	struct viommu_channel *channel = w.channel[how % WAYS_IN];

	check(how & 0x80 ? viommu_enter(channel) : viommu_leave(channel));
}

static void look(void)
{
	uint64_t how = take(1);
	struct viommu_device *device = w.device[how % REQUESTERS];
	struct viommu_request r = request();
	uint64_t first = r.first;
	uint32_t budget = 1 + (uint32_t)take(1);

	if (how & 0x80)
		check(viommu_explain(device, &r, how & 0x40 ? NULL : on_step, &w));
	else
		check(viommu_replay(device, r.pasid, how & 0x40 ? NULL : &first, r.last, budget,
				    how & 0x20 ? NULL : on_mapped, &w));
}

static void registers(void)
{
	struct viommu *unit = w.unit[take(1) % UNITS];
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
	struct viommu_device *device = w.device[how % REQUESTERS];
	struct viommu_page_request r = { .address = take(1) * 4096,
					 .pasid = VIOMMU_NO_PASID,
					 .group = (uint16_t)take(1),
					 .access = (uint16_t)(take(1) & 15),
					 .last = (uint32_t)how >> 5 & 1 };

	if (how & 0x80)
		check(viommu_device_set_id(device, (uint32_t)take(how & 0x40 ? 4 : 1) & 15));
	else if (how & 0x40)
		check(viommu_request_page(device, &r));
	else
		check(viommu_invalidation_done(device, w.tokens,
					       how & 0x10 ? VIOMMU_OK
					       : how & 8  ? VIOMMU_FAULT
							  : (int)take(1)));
}

static void unit_calls(void)
{
	static uint8_t state[16384];
	struct viommu *unit = w.unit[take(1) % UNITS];
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
	w.fail_in = (unsigned)take(1) & 15;
}

static void step(void)
{
	static void (*const calls[])(
		void) = { vm_new,    unit_new,	   device_new, channel_new,  free_one,	region,
			  put,	     program,	   invalidate, translate,    section,	look,
			  registers, device_calls, unit_calls, listener_new, allocator, translate };

	if (!w.budget)
		return;
	w.budget--;
	calls[take(1) % ARRAY_COUNT(calls)]();
}

/* In the one order that is never refused. */
static void free_all(void)
{
	w.budget = 0;
	w.depth = DEPTH;
	for (unsigned i = 0; i < LISTENERS; i++)
		CHECK(viommu_listener_free(w.listener[i]) == VIOMMU_OK);
	for (unsigned i = 0; i < WAYS_IN; i++) {
		viommu_leave(w.channel[i]);
		CHECK(viommu_channel_free(w.channel[i]) == VIOMMU_OK);
	}
	for (unsigned i = 0; i < REQUESTERS; i++)
		CHECK(viommu_device_free(w.device[i]) == VIOMMU_OK);
	for (unsigned i = 0; i < UNITS; i++)
		CHECK(viommu_free(w.unit[i]) == VIOMMU_OK);
	for (unsigned i = 0; i < VMS; i++)
		CHECK(viommu_vm_free(w.vm[i]) == VIOMMU_OK);
	CHECK(w.blocks == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { .data = data, .size = size };

	memset(&w, 0, sizeof(w));
	w.in = &in;
	w.budget = 300;
	while (input_left(&in) && w.budget)
		step();
	free_all();
	return 0;
}
