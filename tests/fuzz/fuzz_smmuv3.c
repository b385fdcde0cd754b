/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fuzz_smmuv3.c - an SMMUv3 programmed by the input: registers, queues, tables, and devices that use it.
 *
 *	byte 0		bit 0: the default identification; 1: few steps; 2: devices cannot wait; 3: memory is behind callbacks
 *	then, each	what to do, then its operands: see step()
 *
 * Memory is small, and everything points into it: any word may be a table. Answers are documented ones, fragments lie where the
 * output size says, the work of a call is bounded, a state that was saved is restored and saved again the same.
 */
#include <stdlib.h>
#include <string.h>

#include <libvirtiommu/irq.h>
#include <libvirtiommu/smmuv3.h>

#include "harness.h"
#include "smmuv3_spec.h"

#define PAGES	16U
#define BYTES	(PAGES * 4096U)
#define STREAMS 3U

struct fuzz {
	struct input in;
	struct viommu_vm *vm;
	struct viommu *iommu;
	struct viommu_smmuv3_config config;
	struct viommu_device *device[STREAMS];
	struct viommu_channel *channel;
	uint8_t *ram;
	unsigned resumes;
	uint32_t steps;
	bool failing;
	bool waits;
	bool entered;
};

/* Functions that a call may enter for each step, and beside. */
enum { WORK_EACH = 150, WORK_BASE = 6000 };

static uint64_t take(struct fuzz *f, unsigned bytes)
{
	return input_take(&f->in, bytes);
}

static int ram_read(void *opaque, uint64_t gpa, void *to, uint32_t bytes)
{
	struct fuzz *f = opaque;

	if (f->failing || gpa >= BYTES || bytes > BYTES - gpa)
		return 1;
	memcpy(to, f->ram + gpa, bytes);
	return 0;
}

static int ram_write(void *opaque, uint64_t gpa, const void *from, uint32_t bytes)
{
	struct fuzz *f = opaque;

	if (f->failing || gpa >= BYTES || bytes > BYTES - gpa)
		return 1;
	memcpy(f->ram + gpa, from, bytes);
	return 0;
}

static int ram_swap(void *opaque, uint64_t gpa, uint64_t *expected, uint64_t desired)
{
	struct fuzz *f = opaque;
	uint64_t now;

	if (f->failing || gpa >= BYTES || BYTES - gpa < 8)
		return 1;
	memcpy(&now, f->ram + gpa, 8);
	if (now == *expected)
		memcpy(f->ram + gpa, &desired, 8);
	*expected = now;
	return 0;
}

static void resume(void *opaque, uint64_t token, uint32_t action)
{
	struct fuzz *f = opaque;

	(void)token;
	CHECK(action <= VIOMMU_RESUME_ZERO);
	f->resumes++;
}

static void line(void *opaque, uint32_t number, uint32_t level)
{
	(void)opaque;
	CHECK(number <= VIOMMU_SMMUV3_LINE_GERROR && level <= 1);
}

static int invalidate(void *opaque, const struct viommu_device_invalidation *what)
{
	(void)opaque;
	CHECK(what->first <= what->last);
	return VIOMMU_OK;
}

static void everything(struct viommu_smmuv3_config *c)
{
	c->idr[0] = (uint32_t)(IDR0_S2P | IDR0_S1P | 2 << 2 | 3 << 6 | IDR0_HYP | IDR0_ATS |
			       IDR0_ASID16 | IDR0_MSI | IDR0_ATOS | IDR0_PRI | IDR0_VMW |
			       IDR0_VMID16 | IDR0_CD2L | IDR0_ATSRECERR | UINT64_C(1) << 27);
	c->idr[1] = (uint32_t)(8 | 10 << 6 | 4 << 11 | 4 << 16 | 4 << 21 | IDR1_PERMS_OVR);
	c->idr[3] = (uint32_t)(IDR3_HAD | IDR3_XNX | IDR3_FWB | IDR3_STT | IDR3_RIL | IDR3_E0PD |
			       IDR3_EPAN);
	c->idr[5] = (uint32_t)(6 | IDR5_GRAN4K | IDR5_GRAN16K | IDR5_GRAN64K | IDR5_DS |
			       UINT64_C(1) << 10 | 3 << 16);
}

static void make(struct fuzz *f)
{
	const struct viommu_host host = { .size = sizeof(host), .opaque = f, .line = line };
	const struct viommu_limits limits = { .size = sizeof(limits),
					      .tlb_entries = 64,
					      .contexts = 4,
					      .domains = 8,
					      .tables = 16,
					      .steps = f->steps };

	f->config.host = &host;
	f->config.limits = &limits;
	CHECK(viommu_smmuv3_new(f->vm, &f->config, &f->iommu) == VIOMMU_OK);
	for (uint32_t i = 0; i < STREAMS; i++) {
		const struct viommu_device_config config = { .size = sizeof(config),
							     .id = i,
							     .opaque = f,
							     .invalidate = invalidate,
							     .resume = f->waits ? resume : NULL };

		CHECK(viommu_device_new(f->iommu, &config, &f->device[i]) == VIOMMU_OK);
	}
	CHECK(viommu_channel_new(f->device[0], VIOMMU_NO_PASID, &f->channel) == VIOMMU_OK);
}

static void leave(struct fuzz *f)
{
	if (f->entered)
		CHECK(viommu_leave(f->channel) == VIOMMU_OK);
	f->entered = false;
}

static void destroy(struct fuzz *f)
{
	leave(f);
	CHECK(viommu_channel_free(f->channel) == VIOMMU_OK);
	for (unsigned i = 0; i < STREAMS; i++)
		CHECK(viommu_device_free(f->device[i]) == VIOMMU_OK);
	CHECK(viommu_free(f->iommu) == VIOMMU_OK);
}

/* An answer is one of those there are, and nothing lies beyond the output size. */
static void look(int result, const struct viommu_fragment *f, const struct viommu_answer *a)
{
	CHECK(result == VIOMMU_OK || result == VIOMMU_FAULT || result == VIOMMU_MORE ||
	      result == VIOMMU_STALLED);
	CHECK(a->reason <= F_PERMISSION);
	for (uint32_t i = 0; i < a->count; i++)
		CHECK(f[i].length && !((f[i].gpa + f[i].length - 1) >> 52));
}

static void translate(struct fuzz *f, uint8_t how)
{
	struct viommu_fragment fragments[4];
	struct viommu_answer answer;
	struct viommu_request r = { .pasid = how & 4 ? (uint32_t)take(f, 2) & 0x3ff
						     : VIOMMU_NO_PASID,
				    .access = (uint16_t)(take(f, 1) & 0x1f),
				    .type = (uint16_t)(how & 3) };
	int result;

	r.first = take(f, 2) << (take(f, 1) & 63);
	r.last = r.first + (take(f, 1) << 6);
	if (r.last < r.first || !(r.access & 0x17) || r.type > 2)
		return;
	if ((how & 8) && r.pasid == VIOMMU_NO_PASID)
		result = viommu_translate(f->channel, &r, fragments, 4, &answer);
	else
		result =
			viommu_device_translate(f->device[how >> 4 & 1], &r, fragments, 4, &answer);
	look(result, fragments, &answer);
}

static int see(void *opaque, uint64_t iova, const struct viommu_fragment *f)
{
	(void)opaque;
	(void)iova;
	CHECK(f->length);
	return 0;
}

static int step_of(void *opaque, const struct viommu_step *step)
{
	(void)opaque;
	CHECK(step->what && step->words <= 8);
	return 0;
}

static void ask(struct fuzz *f)
{
	struct viommu_request r = { .pasid = VIOMMU_NO_PASID, .access = 1 };
	struct viommu_msi msi;
	uint64_t first = 0;

	r.first = r.last = take(f, 2) << 8;
	viommu_replay(f->device[1], VIOMMU_NO_PASID, &first, UINT64_MAX, 64, see, f);
	viommu_explain(f->device[1], &r, VIOMMU_EXPLAIN_CACHES, step_of, f);
	viommu_remap_msi(f->iommu, 1, r.first & ~UINT64_C(3), 5, 0, &msi);
}

static void page_request(struct fuzz *f)
{
	const struct viommu_page_request request = { .address = take(f, 2) << 12,
						     .pasid = take(f, 1) & 1 ? 3 : VIOMMU_NO_PASID,
						     .access = (uint16_t)(take(f, 1) & 0xf),
						     .last = take(f, 1) & 1 };

	viommu_request_page(f->device[1], &request);
}

/* Saved, restored and saved again: the same. */
static void travel(struct fuzz *f)
{
	unsigned char state[2][4096];
	uint64_t bytes[2] = { sizeof(state[0]), sizeof(state[1]) };
	int result;

	leave(f);
	CHECK(viommu_save(f->iommu, state[0], &bytes[0]) == VIOMMU_OK);
	destroy(f);
	make(f);
	result = viommu_restore(f->iommu, state[0], bytes[0]);
	CHECK(result == VIOMMU_OK || result == VIOMMU_PENDING);
	CHECK(viommu_save(f->iommu, state[1], &bytes[1]) == VIOMMU_OK);
	CHECK(bytes[0] == bytes[1] && memcmp(state[0], state[1], bytes[0]) == 0);
}

static void poke(struct fuzz *f, unsigned bytes)
{
	uint64_t at = take(f, 2) * 8 % BYTES;
	uint64_t word = take(f, bytes);

	memcpy(f->ram + at, &word, 8);
}

static void write_register(struct fuzz *f)
{
	static const uint32_t page1[] = { SMMU_EVENTQ_PROD, SMMU_EVENTQ_CONS, SMMU_PRIQ_PROD,
					  SMMU_PRIQ_CONS };
	uint8_t where = (uint8_t)take(f, 1);
	uint64_t offset = where < 0xf0 ? where * 4U : page1[where & 3];
	uint64_t value = take(f, 4);
	int result;

	result = viommu_reg_write(f->iommu, offset, where & 1 ? 4 : 8, value);
	CHECK(result == VIOMMU_OK || result == VIOMMU_PENDING);
}

static void run(struct fuzz *f)
{
	for (unsigned i = 0; i < 10000 && viommu_run(f->iommu) == VIOMMU_PENDING && !f->entered;
	     i++)
		;
}

static void step(struct fuzz *f)
{
	uint8_t op = (uint8_t)take(f, 1);
	uint64_t value;

	switch (op & 0xf) {
	case 0:
	case 1:
	case 2:
		write_register(f);
		break;
	case 3:
		viommu_reg_read(f->iommu, take(f, 2) * 4, 4, &value);
		break;
	case 4:
	case 5:
		poke(f, 8);
		break;
	case 6:
		poke(f, 2);
		break;
	case 7:
	case 8:
	case 9:
		translate(f, (uint8_t)take(f, 1));
		break;
	case 10:
		run(f);
		break;
	case 11:
		ask(f);
		break;
	case 12:
		page_request(f);
		break;
	case 13:
		if (op & 0x10)
			travel(f);
		else
			viommu_reset(f->iommu);
		break;
	case 14:
		if (f->entered)
			leave(f);
		else
			f->entered = viommu_enter(f->channel) == VIOMMU_OK;
		break;
	default:
		f->failing = !f->failing && (op & 0x10);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz f = { .in = { .data = data, .size = size },
			  .config = { .size = sizeof(f.config), .aidr = 4 } };
	struct viommu_vm_config vm = { .size = sizeof(vm),
				       .opaque = &f,
				       .read = ram_read,
				       .write = ram_write,
				       .cmpxchg = ram_swap,
				       .hash_key = { 1, 2 } };
	struct viommu_region region = { .size = sizeof(region), .bytes = BYTES };
	uint8_t how = (uint8_t)take(&f, 1);

	f.ram = aligned_alloc(4096, BYTES);
	CHECK(f.ram && viommu_vm_new(&vm, &f.vm) == VIOMMU_OK);
	memset(f.ram, 0, BYTES);
	region.host = f.ram;
	if (!(how & 8))
		CHECK(viommu_vm_add_region(f.vm, &region) == VIOMMU_OK);
	f.steps = how & 2 ? 8 : 0;
	f.waits = !(how & 4);
	work_expect(f.steps ? f.steps : 4096, WORK_EACH, WORK_BASE);
	if (!(how & 1))
		everything(&f.config);
	make(&f);
	while (input_left(&f.in))
		step(&f);
	destroy(&f);
	CHECK(viommu_vm_free(f.vm) == VIOMMU_OK);
	free(f.ram);
	return 0;
}
