/* SPDX-License-Identifier: BSD-3-Clause */
/* fuzz_irq.c - interrupt remapping table entries, posted descriptors and messages. */
#include "harness.h"

/* Entries with every bit from the input; some of them with P, or P and IM, set. */
static void put_entry(struct machine *m, struct input *in)
{
	uint64_t n = input_take(in, 1);
	uint64_t gpa = (machine_read(m, VTD_IRTA, 8) & VTD_IRTA_IRTA) + (n & 15) * 16;
	uint64_t low = input_take(in, 4) | input_take(in, 4) << 32;

	if (n & 0x10)
		low |= VTD_IRTE_P;
	if (n & 0x20) /* posted, to one of our pages */
		low = (low & 0xff4fff) | VTD_IRTE_P | VTD_IRTE_IM |
		      bits_put(VTD_PIRTE_PDA_LO, (machine_page(m, n & 31) + (n & 7) * 64) >> 6);
	machine_put(m, gpa, low);
	machine_put(m, gpa + 8, input_take(in, 3) | (n & 0x40 ? input_take(in, 8) : 0));
}

static void put_descriptor(struct machine *m, struct input *in)
{
	uint64_t n = input_take(in, 1);
	uint64_t gpa = machine_page(m, n & 31) + (n & 7) * 64;
	unsigned word = (unsigned)input_take(in, 1) & 7;

	machine_put(m, gpa + word * 8, input_take(in, 8));
}

/* 16-bit index, with or without subhandle. */
static void message(struct machine *m, struct input *in)
{
	uint64_t how = input_take(in, 1);
	uint64_t handle = how & 1 ? input_take(in, 2) : input_take(in, 1) & 15;
	uint64_t address = VTD_MSI_FEE | bits_put(VTD_MSI_HANDLE_LO, handle) |
			   (handle >> 15 ? VTD_MSI_HANDLE_HI : 0) | (how & 2 ? VTD_MSI_SHV : 0) |
			   (how & 4 ? 0 : VTD_MSI_FORMAT);

	if (how & 8)
		address ^= input_take(in, 8);
	machine_remap(m, (uint32_t)input_take(in, how & 16 ? 4 : 1), address,
		      (uint32_t)input_take(in, how & 32 ? 4 : 1),
		      how & 64 ? VIOMMU_MSI_RESOLVE : 0);
}

static void invalidate(struct machine *m, struct input *in)
{
	uint64_t tail = machine_read(m, VTD_IQT, 8);
	uint64_t base = machine_read(m, VTD_IQA, 8) & VTD_IQA_IQA;

	machine_put(m, base + tail, VTD_QI_IEC | (input_take(in, 6) & ~UINT64_C(0xf)));
	machine_put(m, base + tail + 8, 0);
	machine_write(m, VTD_IQT, 8, (tail + 16) & 0xfff);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { .data = data, .size = size };
	struct machine m;

	if (!machine_open(&m, &in))
		return 0;
	machine_setup(&m, 0x60 | (input_take(&in, 1) & 0x9f), 0);
	for (unsigned i = 0; i < 100 && input_left(&in); i++) {
		switch (input_take(&in, 1) % 8) {
		case 0:
		case 1:
			put_entry(&m, &in);
			break;
		case 2:
			put_descriptor(&m, &in);
			break;
		case 3:
		case 4:
		case 5:
			message(&m, &in);
			break;
		case 6:
			invalidate(&m, &in);
			break;
		default:
			machine_step(&m, &in);
		}
	}
	for (unsigned i = 0; i < CHANNELS; i++)
		viommu_leave(m.channel[i]);
	machine_close(&m);
	return 0;
}
