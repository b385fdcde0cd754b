/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fuzz_ioapic.c - an I/O APIC behind a VT-d unit, called as the input says.
 *
 *	byte 0		bits 0-2: pins; 3: version 0x11; 4: no IOMMU; 5: remapping; 6: compatibility
 *			format; 7: the rest is a state to restore, its sum made right
 *	then, each	what to do, then its operands: see step()
 *
 * A call sends a pin one message at most; registers show no reserved bit, and remote IRR only with
 * level; what is saved is restored, and saved again the same.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libvirtiommu/ioapic.h>
#include <libvirtiommu/vm.h>
#include <libvirtiommu/vtd.h>

#include "harness.h"
#include "vtd_spec.h"

#define IOAPIC_RAM 0x2000U
#define TABLE	   0x1000U /* 128 entries, made of the index */

struct fuzz {
	struct viommu_vm *vm;
	struct viommu *iommu;
	struct viommu_ioapic *a;
	struct viommu_ioapic_config config;
	uint8_t *ram;
	struct input in;
	uint16_t messages[240]; /* in this call */
	uint32_t depth;
};

static uint64_t take(struct fuzz *f, unsigned bytes)
{
	return input_take(&f->in, bytes);
}

/* ---- callbacks; some come back ---- */

static void come_back(struct fuzz *f, uint32_t pin, uint64_t what)
{
	if (f->depth >= 4)
		return;
	f->depth++;
	if (what % 8 == 1)
		viommu_ioapic_set_line(f->a, pin, 0);
	if (what % 8 == 2)
		viommu_ioapic_write(f->a, 0x10, 4, what << 13);
	f->depth--;
}

static void deliver(void *opaque, uint32_t pin, const struct viommu_msi *msi)
{
	struct fuzz *f = opaque;

	CHECK(pin < f->config.pins);
	CHECK(!(msi->flags & VIOMMU_MSI_POSTED));
	CHECK(msi->vector == (msi->data & 0xff));
	if (!f->depth)
		CHECK(f->messages[pin]++ == 0);
	come_back(f, pin, msi->data);
}

static void changed(void *opaque, uint32_t pin)
{
	struct viommu_ioapic_message message;
	struct fuzz *f = opaque;

	CHECK(viommu_ioapic_get_message(f->a, pin, &message) == VIOMMU_OK);
	CHECK((message.address & ~UINT64_C(0xffff4)) == 0xfee00000);
	CHECK(!(message.data & ~0x87ffU));
}

static void acknowledged(void *opaque, uint32_t pin)
{
	struct fuzz *f = opaque;

	CHECK(pin < f->config.pins);
	come_back(f, pin, f->in.size - f->in.at);
}

/* ---- the machine ---- */

static void start_remapping(struct fuzz *f, uint8_t how)
{
	uint64_t high = UINT64_C(0x400f8); /* SVT 1, the I/O APIC's source */
	uint32_t command = VTD_G_IRTP;

	for (uint64_t i = 0; i < 128; i++) {
		uint64_t low = (i % 7 != 0) | (i & 1) << 2 | (i % 5) << 5 | (0x20 + i) << 16 |
			       (i & 0xff) << 40;

		memcpy(f->ram + TABLE + 16 * i, &low, sizeof(low));
		memcpy(f->ram + TABLE + 16 * i + 8, &high, sizeof(high));
	}
	viommu_reg_write(f->iommu, VTD_IRTA, 8, TABLE | 6);
	viommu_reg_write(f->iommu, VTD_GCMD, 4, command);
	if (how & 0x40)
		command = VTD_G_CFI;
	viommu_reg_write(f->iommu, VTD_GCMD, 4, command & ~(uint32_t)VTD_G_IRTP);
	viommu_reg_write(f->iommu, VTD_GCMD, 4, (command & ~(uint32_t)VTD_G_IRTP) | VTD_G_IRE);
}

/* Functions that a call may enter for each step, and beside: all pins at once, whose number is the host's. */
enum { WORK_EACH = 200, WORK_BASE = 6000 };

static void start(struct fuzz *f, uint8_t how)
{
	static const uint8_t pins[8] = { 24, 25, 64, 119, 120, 121, 128, 240 };
	struct viommu_vm_config vm = { .size = sizeof(vm) };
	const struct viommu_limits limits = {
		.size = sizeof(limits), .tlb_entries = 64, .contexts = 16, .domains = 16, .steps = 8
	};
	struct viommu_vtd_config vtd = { .size = sizeof(vtd), .limits = &limits };
	struct viommu_region region = { .size = sizeof(region), .bytes = IOAPIC_RAM };

	f->config = (struct viommu_ioapic_config){ .size = sizeof(f->config),
						   .pins = pins[how & 7],
						   .version = how & 8 ? 0x11 : 0x20,
						   .source = 0xf8,
						   .opaque = f,
						   .deliver = deliver,
						   .changed = changed,
						   .acknowledged = acknowledged };
	CHECK(posix_memalign((void **)&f->ram, 4096, IOAPIC_RAM) == 0);
	memset(f->ram, 0, IOAPIC_RAM);
	region.host = f->ram;
	work_expect(limits.steps, WORK_EACH, WORK_BASE);
	CHECK(viommu_vm_new(&vm, &f->vm) == VIOMMU_OK);
	CHECK(viommu_vm_add_region(f->vm, &region) == VIOMMU_OK);
	if (!(how & 0x10)) {
		CHECK(viommu_vtd_new(f->vm, &vtd, &f->iommu) == VIOMMU_OK);
		if (how & 0x20)
			start_remapping(f, how);
	}
	CHECK(viommu_ioapic_new(f->vm, f->iommu, &f->config, &f->a) == VIOMMU_OK);
}

static void stop(struct fuzz *f)
{
	viommu_ioapic_free(f->a);
	CHECK(viommu_free(f->iommu) == VIOMMU_OK);
	CHECK(viommu_vm_free(f->vm) == VIOMMU_OK);
	free(f->ram);
}

/* ---- what always holds ---- */

static void check_registers(struct fuzz *f)
{
	uint64_t index, low, high;

	viommu_ioapic_read(f->a, 0x00, 4, &index);
	for (uint32_t n = 0; n < f->config.pins; n++) {
		uint32_t mode;

		viommu_ioapic_write(f->a, 0x00, 4, 0x10 + 2 * n);
		viommu_ioapic_read(f->a, 0x10, 4, &low);
		viommu_ioapic_write(f->a, 0x00, 4, 0x11 + 2 * n);
		viommu_ioapic_read(f->a, 0x10, 8, &high);
		mode = low >> 8 & 7;
		CHECK(!(low & ~UINT64_C(0x1efff)) && !(high & ~UINT64_C(0xffff0000)));
		CHECK(!(low & 0x4000) || ((low & 0x8000) && mode != 4 && mode != 5));
	}
	viommu_ioapic_write(f->a, 0x00, 4, index);
}

static void check_state(struct fuzz *f)
{
	uint8_t first[4096], second[4096];
	uint64_t bytes = sizeof(first), again = sizeof(second);

	CHECK(viommu_ioapic_save(f->a, first, &bytes) == VIOMMU_OK);
	CHECK(viommu_ioapic_restore(f->a, first, bytes) == VIOMMU_OK);
	CHECK(viommu_ioapic_save(f->a, second, &again) == VIOMMU_OK);
	CHECK(bytes == again && !memcmp(first, second, bytes));
}

/* Only a state with its sum right gets anywhere. */
static void restore_hostile(struct fuzz *f)
{
	size_t left = f->in.size - f->in.at;
	uint8_t *state = malloc(left ? left : 1);
	uint64_t total = 0;
	int result;

	CHECK(state != NULL);
	memcpy(state, f->in.data + f->in.at, left);
	for (size_t i = 0; left >= 16 && i < left - 16; i++)
		total = (total << 1 | total >> 63) + state[i];
	for (unsigned i = 0; left >= 8 && i < 8; i++)
		state[left - 8 + i] = (uint8_t)(total >> 8 * i);
	result = viommu_ioapic_restore(f->a, state, left);
	CHECK(result == VIOMMU_OK || result == VIOMMU_ESTATE);
	free(state);
}

static void step(struct fuzz *f)
{
	uint64_t what = take(f, 1);
	uint64_t value;

	memset(f->messages, 0, sizeof(f->messages));
	switch (what & 7) {
	case 0: /* any access */
		value = take(f, 2);
		viommu_ioapic_write(f->a, value & 0xfff, (uint32_t)what >> 4, take(f, 8));
		break;
	case 1:
		viommu_ioapic_read(f->a, take(f, 2), (uint32_t)what >> 4, &value);
		break;
	case 2: /* one half of an entry */
		viommu_ioapic_write(f->a, 0x00, 4, 0x10 + take(f, 1) + 0x100 * (what >> 7));
		viommu_ioapic_write(f->a, 0x10, 4, take(f, 4));
		break;
	case 3: /* a low half of few values: vector 0x20 to 0x27, level, mask */
		value = take(f, 1);
		viommu_ioapic_write(f->a, 0x00, 4, 0x10 + 2 * (value & 0x1f));
		viommu_ioapic_write(f->a, 0x10, 4,
				    (0x20 + (value >> 5)) | (what & 0x10) << 11 |
					    (what & 0x20) << 11 | (what & 0x40) << 7);
		break;
	case 4:
		value = take(f, 1);
		viommu_ioapic_set_line(f->a, (uint32_t)value, what >> 4 & 1);
		break;
	case 5:
		viommu_ioapic_eoi(f->a, (uint32_t)take(f, 1));
		break;
	case 6:
		check_registers(f);
		break;
	default:
		check_state(f);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz f = { .in = { .data = data, .size = size } };
	uint8_t how = (uint8_t)take(&f, 1);

	start(&f, how);
	if (how & 0x80)
		restore_hostile(&f);
	while (!(how & 0x80) && input_left(&f.in))
		step(&f);
	memset(f.messages, 0, sizeof(f.messages));
	check_registers(&f);
	check_state(&f);
	stop(&f);
	return 0;
}
