/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fuzz_tce.c - TCE tables, called as the input says: hypercalls, RTAS calls, devices, listeners, states.
 *
 *	byte 0		bits 0-1: flags of the configuration; 2: hypercall lists lie behind callbacks; 3: a listener; 4: few pages of tables;
 *			5: device caches answer late; 6-7: steps of a call (0: the default)
 *	then, each	what to do, then its operands: see step()
 *
 * A plain list of what H_PUT_TCE and the like have stored is not kept: H_GET_TCE is the judge of translations, and after each
 * accepted call its own entries are what it asked for. What a refused call names is as it was.
 */
#include <libvirtiommu/tce.h>

#include <stdlib.h>
#include <string.h>

#include "harness.h"

enum { STEPS_MAX = 300, STATE_MAX = 1 << 18, LATE_MAX = 64, PES = 4, NUMBER = 3 };

#define PAGE  UINT64_C(4096)
#define BASE  UINT64_C(0x100000)
#define BYTES (16 * PAGE)

struct tce_fuzz {
	struct input in;
	uint8_t *ram;
	bool region;
	struct viommu_vm *vm;
	struct viommu *iommu;
	struct viommu_device *device[PES];
	struct viommu_channel *channel[PES];
	bool inside[PES];
	struct viommu_listener *listener;
	unsigned refuse; /* of the listener: one mapping in so many, 0: none */
	unsigned maps;
	bool late;
	struct {
		unsigned device;
		uint64_t token;
	} owed[LATE_MAX];
	unsigned owes;
	uint64_t pending, completed;
	unsigned reads; /* of guest memory, since the call began */
};

static struct tce_fuzz *fuzz;

static uint64_t take(unsigned bytes)
{
	return input_take(&fuzz->in, bytes);
}

/* ---- callbacks ---- */

static int on_read(void *opaque, uint64_t gpa, void *to, uint32_t bytes)
{
	fuzz->reads++;
	if (gpa < BASE || gpa >= BASE + BYTES || bytes > BASE + BYTES - gpa)
		return 1;
	memcpy(to, fuzz->ram + (gpa - BASE), bytes);
	/* whoever reads it again gets something else */
	fuzz->ram[gpa - BASE] ^= 0x55;
	return 0;
}

static int on_write(void *opaque, uint64_t gpa, const void *from, uint32_t bytes)
{
	check_failed("nothing is written", __FILE__, __LINE__);
}

static int on_owns(void *opaque, uint64_t gpa, uint64_t bytes)
{
	CHECK(bytes && gpa + (bytes - 1) >= gpa);
	return gpa >= BASE && gpa + (bytes - 1) < BASE + BYTES;
}

static void on_complete(void *opaque, uint64_t token, int64_t status)
{
	fuzz->completed++;
	CHECK(status <= 0 && status >= -57 && fuzz->completed <= fuzz->pending);
}

static void on_fault(void *opaque, const struct viommu_tce_fault *fault)
{
	CHECK(fault->reason >= 2 && fault->reason <= 5 && fault->access);
}

static int on_window(void *opaque, uint32_t pe, const struct viommu_tce_window *w, uint32_t present)
{
	CHECK(w->entries && !(w->start & ((UINT64_C(1) << w->page_shift) - 1)));
	CHECK(w->start + ((w->entries << w->page_shift) - 1) >= w->start);
	return VIOMMU_OK;
}

static int on_invalidate(void *opaque, const struct viommu_device_invalidation *i)
{
	unsigned device = (unsigned)(uintptr_t)opaque;

	CHECK(i->first <= i->last);
	if (!fuzz->late || fuzz->owes == LATE_MAX)
		return VIOMMU_OK;
	fuzz->owed[fuzz->owes].device = device;
	fuzz->owed[fuzz->owes++].token = i->token;
	return VIOMMU_PENDING;
}

static void on_unmap(void *opaque, struct viommu_device *device, uint32_t pasid, uint64_t first,
		     uint64_t last)
{
	CHECK(first <= last);
}

static int on_map(void *opaque, struct viommu_device *device, uint32_t pasid, uint64_t iova,
		  const struct viommu_fragment *f)
{
	CHECK(f->length && f->perm);
	return fuzz->refuse && ++fuzz->maps % fuzz->refuse == 0 ? VIOMMU_ENOMEM : VIOMMU_OK;
}

/* ---- the machine ---- */

static uint32_t liobn_of(unsigned n)
{
	static const uint32_t liobns[] = { 0x800,  0x801,  0x802,  0x900,
					   0x7100, 0x7100, 0x1234, UINT32_MAX };

	return liobns[n & 7];
}

static void add_pe(uint32_t number)
{
	static const uint32_t more[] = { 0x801, 0x802 };
	struct viommu_tce_pe pe = { .size = sizeof(pe),
				    .number = number,
				    .buid = number,
				    .window = { liobn_of(number ? 2 + number : 0), 12, 0,
						0x1000 } };

	if (number == 0) {
		pe.flags = VIOMMU_TCE_PE_DDW | VIOMMU_TCE_PE_LIMITED;
		pe.liobns = more;
		pe.liobn_count = 2;
		pe.page_sizes = 0x1211000;
	} else if (number >= 2) {
		pe.flags = VIOMMU_TCE_PE_VIO;
	}
	CHECK(viommu_tce_add_pe(fuzz->iommu, &pe) == VIOMMU_OK);
}

static void open_machine(struct tce_fuzz *f)
{
	uint64_t head = take(1);
	const struct viommu_vm_config vm = {
		.size = sizeof(vm), .read = on_read, .write = on_write, .hash_key = { 1, 2 }
	};
	const struct viommu_limits limits = { .size = sizeof(limits),
					      .tlb_entries = 80,
					      .contexts = 16,
					      .domains = 16,
					      .outstanding = 8,
					      .steps = (uint32_t)(head >> 6) * 5 };
	const struct viommu_tce_config config = { .size = sizeof(config),
						  .flags = head & 3,
						  .pes = PES,
						  .function_bits = 4,
						  .table_bytes = head & 16 ? 65536 : 1 << 20,
						  .msi_first = UINT64_C(1) << 42,
						  .msi_bytes = PAGE,
						  .complete = on_complete,
						  .fault = on_fault,
						  .owns = on_owns,
						  .window = on_window,
						  .limits = &limits };
	const struct viommu_listener_config listener = { .size = sizeof(listener),
							 .unmap = on_unmap,
							 .map = on_map };
	struct viommu_region region = { .size = sizeof(region), .gpa = BASE, .bytes = BYTES };

	f->ram = aligned_alloc(PAGE, BYTES);
	CHECK(f->ram);
	memset(f->ram, 0, BYTES);
	f->region = !(head & 4);
	f->late = head & 32;
	region.host = f->ram;
	CHECK(viommu_vm_new(&vm, &f->vm) == VIOMMU_OK);
	if (f->region)
		CHECK(viommu_vm_add_region(f->vm, &region) == VIOMMU_OK);
	CHECK(viommu_tce_new(f->vm, &config, &f->iommu) == VIOMMU_OK);
	for (uint32_t n = 0; n < PES; n++)
		add_pe(n);
	for (unsigned n = 0; n < PES; n++) {
		const struct viommu_device_config device = { .size = sizeof(device),
							     .id = n << 4 | n,
							     .opaque = (void *)(uintptr_t)n,
							     .invalidate =
								     n & 1 ? on_invalidate : NULL };

		CHECK(viommu_device_new(f->iommu, &device, &f->device[n]) == VIOMMU_OK);
		CHECK(viommu_channel_new(f->device[n], VIOMMU_NO_PASID, &f->channel[n]) ==
		      VIOMMU_OK);
	}
	if (head & 8)
		CHECK(viommu_listener_new(f->iommu, NULL, &listener, &f->listener) == VIOMMU_OK);
}

static void answer_all(struct tce_fuzz *f)
{
	while (f->owes) {
		f->owes--;
		CHECK(viommu_invalidation_done(f->device[f->owed[f->owes].device],
					       f->owed[f->owes].token, VIOMMU_OK) != VIOMMU_EINVAL);
	}
}

/* With nobody in the way all that waits is completed. */
static void settle(struct tce_fuzz *f)
{
	int result = VIOMMU_PENDING;

	for (unsigned n = 0; n < PES; n++) {
		if (f->inside[n])
			CHECK(viommu_leave(f->channel[n]) == VIOMMU_OK);
		f->inside[n] = false;
	}
	for (unsigned i = 0; result == VIOMMU_PENDING; i++) {
		CHECK(i < 100000);
		answer_all(f);
		result = viommu_run(f->iommu);
	}
	CHECK(result == VIOMMU_OK && f->completed == f->pending);
}

static void close_machine(struct tce_fuzz *f)
{
	f->late = false;
	settle(f);
	CHECK(viommu_listener_free(f->listener) == VIOMMU_OK);
	for (unsigned n = 0; n < PES; n++) {
		CHECK(viommu_channel_free(f->channel[n]) == VIOMMU_OK);
		CHECK(viommu_device_free(f->device[n]) == VIOMMU_OK);
	}
	CHECK(viommu_free(f->iommu) == VIOMMU_OK);
	CHECK(viommu_vm_free(f->vm) == VIOMMU_OK);
	free(f->ram);
}

/* ---- calls ---- */

/* VIOMMU_ELIMIT: after something else is done. */
static bool served(int result)
{
	CHECK(result == VIOMMU_OK || result == VIOMMU_PENDING || result == VIOMMU_ELIMIT ||
	      result == VIOMMU_ENOENT);
	fuzz->pending += result == VIOMMU_PENDING;
	return result >= 0;
}

static int64_t get(uint64_t liobn, uint64_t ioba, uint64_t *entry)
{
	uint64_t r[VIOMMU_TCE_REGISTERS] = { 0x1c, liobn, ioba };
	int result = viommu_tce_hcall(fuzz->iommu, r, 0);

	CHECK(result == VIOMMU_OK || result == VIOMMU_ELIMIT);
	*entry = r[1];
	return result ? -1000 : (int64_t)r[0];
}

static uint64_t some_address(void)
{
	uint64_t how = take(1);
	uint64_t at = (how & 0x1f) * PAGE;

	if (how & 32)
		at += UINT64_C(1) << 59;
	if (how & 64)
		at += (uint64_t)0xff0 * PAGE;
	if (how & 128)
		at ^= take(8);
	return at;
}

static uint64_t some_entry(void)
{
	uint64_t how = take(1);

	return how & 0x80 ? take(8) : BASE + (how & 0x1c) / 4 * PAGE + (how & 3);
}

static void hcall(void)
{
	static const uint64_t tokens[] = { 0x20, 0x138, 0x13c, 0x1c, 0x20, 0x138, 0x13c, 0x10c };
	uint64_t how = take(1);
	uint64_t liobn = how & 0x80 ? take(8) : liobn_of((unsigned)how >> 3);
	uint64_t r[VIOMMU_TCE_REGISTERS] = { tokens[how & 7], liobn, some_address() };
	uint64_t before, after;
	int64_t was = get(liobn, r[2], &before);
	uint64_t ioba = r[2];
	int result;

	r[3] = r[0] == 0x13c ? BASE + take(1) % 20 * PAGE : some_entry();
	r[4] = how & 0x40 ? take(2) : take(1) % 40;
	fuzz->reads = 0;
	before = was < 0 ? 0 : before;
	result = viommu_tce_hcall(fuzz->iommu, r, 0);
	CHECK(fuzz->reads <= 512);
	if (!served(result))
		return;
	CHECK((int64_t)r[0] <= 5 && (int64_t)r[0] >= -57);
	if (result == VIOMMU_PENDING)
		return;
	/* refused: as it was */
	if ((int64_t)r[0] < 0 && was >= 0 && get(liobn, ioba, &after) >= 0)
		CHECK(after == before);
}

static void list(void)
{
	uint64_t at = take(2) % (BYTES - 8) & ~UINT64_C(7);
	unsigned count = (unsigned)take(1) % 20;

	for (unsigned i = 0; i < count && at + 8 <= BYTES; i++, at += 8) {
		uint64_t entry = some_entry();

		for (unsigned b = 0; b < 8; b++)
			fuzz->ram[at + b] = (uint8_t)(entry >> (56 - 8 * b));
	}
}

static void rtas(void)
{
	uint64_t how = take(1);
	uint32_t call = (uint32_t)(how & 7);
	uint32_t a[8] = { (uint32_t)take(1), 0, 0, 12, 24 };
	static const uint32_t usual[][2] = { { 3, 6 }, { 5, 4 }, { 1, 1 },
					     { 3, 1 }, { 2, 1 }, { 0, 0 } };
	uint32_t ret[8];
	uint32_t nargs, nret;
	int result;

	call = call > 5 ? 1 : call;
	nargs = how & 0x80 ? (uint32_t)take(1) % 9 : usual[call][0];
	nret = how & 0x80 ? (uint32_t)take(1) % 9 : usual[call][1];
	if (how & 8)
		a[2] = (uint32_t)take(1);
	if (how & 16) {
		a[3] = (uint32_t)take(1);
		a[4] = (uint32_t)take(1);
	}
	if (call == 2)
		a[0] = liobn_of(a[0]);
	if (call == 4) {
		a[0] = 2 + (a[0] & 1);
		a[1] = (uint32_t)(how >> 5 & 1);
	}
	result = viommu_tce_rtas(fuzz->iommu, call, a, nargs, ret, nret, 0);
	if (served(result) && nret)
		CHECK(ret[0] == 0 || ret[0] == (uint32_t)-1 || ret[0] == (uint32_t)-3);
}

/* H_GET_TCE says what a device finds, or nothing is under way. */
static void translate(void)
{
	uint64_t how = take(1);
	unsigned n = how & NUMBER;
	struct viommu_request q = { .first = some_address() + take(1),
				    .pasid = VIOMMU_NO_PASID,
				    .access = (uint16_t)(1 + (how >> 3) % 3) };
	struct viommu_tce_window w[VIOMMU_TCE_WINDOWS];
	struct viommu_fragment f;
	struct viommu_answer a;
	uint32_t count = 0;
	uint64_t entry = 0;
	int result;

	q.last = q.first;
	result = how & 4 ? viommu_translate(fuzz->channel[n], &q, &f, 1, &a)
			 : viommu_device_translate(fuzz->device[n], &q, &f, 1, &a);
	CHECK(result == VIOMMU_OK || result == VIOMMU_FAULT || result == VIOMMU_INTERRUPT);
	if (result != VIOMMU_OK || n >= 2)
		return;
	CHECK((f.perm & q.access) == q.access);
	CHECK(viommu_tce_get_windows(fuzz->iommu, n, w, &count) == VIOMMU_OK);
	for (uint32_t i = 0; i < count; i++) {
		uint64_t bytes = UINT64_C(1) << w[i].page_shift;

		if (q.first < w[i].start || (q.first - w[i].start) / bytes >= w[i].entries)
			continue;
		if (get(w[i].liobn, q.first & ~(bytes - 1), &entry) >= 0)
			CHECK((entry & 3) == (f.perm & 3) &&
			      (entry & ~(bytes - 1) & ~UINT64_C(0xfff)) + (q.first & (bytes - 1)) ==
				      f.gpa);
		return;
	}
	check_failed("a window has it", __FILE__, __LINE__);
}

static int count_pages(void *opaque, uint64_t iova, const struct viommu_fragment *f)
{
	CHECK(f->length && iova + (f->length - 1) >= iova);
	return 0;
}

static void replay(void)
{
	uint64_t first = some_address();
	int result = VIOMMU_MORE;
	unsigned n = (unsigned)take(1) & NUMBER;
	uint32_t budget = (uint32_t)take(1);

	for (unsigned i = 0; result == VIOMMU_MORE && i < 20000; i++)
		result = viommu_replay(fuzz->device[n], VIOMMU_NO_PASID, &first, UINT64_MAX, budget,
				       count_pages, NULL);
	CHECK(result == VIOMMU_OK);
}

static void section(void)
{
	unsigned n = (unsigned)take(1) & NUMBER;

	CHECK((fuzz->inside[n] ? viommu_leave(fuzz->channel[n]) : viommu_enter(fuzz->channel[n])) ==
	      VIOMMU_OK);
	fuzz->inside[n] = !fuzz->inside[n];
}

/* As state.h describes the end record: the sum of what is before it. */
static void make_sum(uint8_t *state, uint64_t bytes)
{
	uint64_t total = 0;

	for (uint64_t i = 0; i < bytes - 16; i++)
		total = (total << 1 | total >> 63) + state[i];
	for (unsigned i = 0; i < 8; i++)
		state[bytes - 8 + i] = (uint8_t)(total >> 8 * i);
}

static uint64_t save(uint8_t *state)
{
	uint64_t bytes = STATE_MAX;

	CHECK(viommu_save(fuzz->iommu, state, &bytes) == VIOMMU_OK);
	return bytes;
}

static void hostile_state(void)
{
	static uint8_t before[STATE_MAX], after[STATE_MAX];
	unsigned changes = (unsigned)take(1) % 8;
	uint64_t bytes;
	uint8_t *state;
	int result;

	settle(fuzz);
	bytes = save(before);
	state = malloc(bytes);
	CHECK(state);
	memcpy(state, before, bytes);
	for (unsigned i = 0; i < changes; i++)
		state[take(2) % bytes] = (uint8_t)take(1);
	make_sum(state, bytes);
	result = viommu_restore(fuzz->iommu, state, bytes);
	free(state);
	CHECK(result == VIOMMU_OK || result == VIOMMU_PENDING || result == VIOMMU_ESTATE);
	if (result == VIOMMU_ESTATE) {
		CHECK(save(after) == bytes && memcmp(before, after, bytes) == 0);
		return;
	}
	settle(fuzz);
	bytes = save(after);
	CHECK(viommu_restore(fuzz->iommu, after, bytes) >= 0);
	settle(fuzz);
	CHECK(save(before) == bytes && memcmp(before, after, bytes) == 0);
}

static void reset(void)
{
	fuzz->owes = 0; /* given up, but what the reset itself asks for */
	CHECK(viommu_reset(fuzz->iommu) >= 0);
	fuzz->pending = fuzz->completed = 0; /* never completed */
}

/* A PE goes with its window, and comes again. */
static void come_and_go(void)
{
	uint32_t number = 1 + (uint32_t)take(1) % 3;
	int result;

	settle(fuzz);
	CHECK(viommu_device_set_id(fuzz->device[number], 0xf0 + number) == VIOMMU_OK);
	settle(fuzz);
	result = viommu_tce_remove_pe(fuzz->iommu, number);
	CHECK(result == VIOMMU_OK || result == VIOMMU_EBUSY);
	settle(fuzz);
	if (result == VIOMMU_OK)
		add_pe(number);
	settle(fuzz);
	CHECK(viommu_device_set_id(fuzz->device[number], number << 4 | number) == VIOMMU_OK);
}

static void step(void)
{
	switch (take(1) % 16) {
	case 0:
		rtas();
		break;
	case 1:
		rtas();
		break;
	case 2:
		section();
		break;
	case 3:
		CHECK(viommu_run(fuzz->iommu) >= 0);
		break;
	case 4:
		hostile_state();
		break;
	case 5:
		reset();
		break;
	case 6:
		replay();
		break;
	case 7:
		answer_all(fuzz);
		break;
	case 8:
		list();
		break;
	case 9:
		fuzz->refuse = (unsigned)take(1);
		break;
	case 10:
		come_and_go();
		break;
	case 11:
	case 12:
		translate();
		break;
	default:
		hcall();
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tce_fuzz *f = calloc(1, sizeof(*f));

	CHECK(f);
	fuzz = f;
	f->in = (struct input){ .data = data, .size = size };
	open_machine(f);
	for (unsigned i = 0; i < STEPS_MAX && input_left(&f->in); i++)
		step();
	close_machine(f);
	free(f);
	return 0;
}
