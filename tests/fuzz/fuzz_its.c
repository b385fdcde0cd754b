/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fuzz_its.c - an ITS and its redistributors, called as the input says.
 *
 *	byte 0		bit 0: GICv4.1; 1: GICv4.0; 2: no guest writes; 3: few steps; 4: two ITSs; 5: tiny caps
 *	then, each	what to do, then its operands: see step()
 *
 * Answers are in range; what is refused changes nothing that is looked at; what is saved is restored,
 * and saved again the same; guest memory is not written where that is forbidden; what the lpi callback has
 * been told is what there is, once it was invalidated.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libvirtiommu/its.h>
#include <libvirtiommu/vm.h>

#include "harness.h"

#define RAM   0x200000U
#define BASE  UINT64_C(0x8000000)
#define CPUS  3U
#define VPES  6U
#define QUEUE 0x100000U
#define LPIS  1024U /* that are looked at */

struct fuzz {
	struct viommu_vm *vm;
	struct viommu *lpis;
	struct viommu *its[2];
	uint32_t units;
	uint32_t flags;
	uint8_t *ram;
	struct input in;
	uint32_t tail[2];
	uint32_t writes;
	bool failing;
	uint8_t told[CPUS][LPIS]; /* 0, or 1 | priority */
	uint32_t steps;
};

/* Functions that a call on an ITS may enter for each step, and beside; and one on the LPIs, which reads or writes the whole
 * pending table of a redistributor. */
enum { WORK_EACH = 100, BASE_ITS = 2000, BASE_LPIS = 20000 };

static uint64_t take(struct fuzz *f, unsigned bytes)
{
	return input_take(&f->in, bytes);
}

/* ---- memory ---- */

static int ram_read(void *opaque, uint64_t gpa, void *to, uint32_t bytes)
{
	struct fuzz *f = opaque;

	if (f->failing || gpa >= RAM || bytes > RAM - gpa)
		return 1;
	memcpy(to, f->ram + gpa, bytes);
	return 0;
}

static int ram_write(void *opaque, uint64_t gpa, const void *from, uint32_t bytes)
{
	struct fuzz *f = opaque;

	if (f->failing || gpa >= RAM || bytes > RAM - gpa)
		return 1;
	f->writes++;
	memcpy(f->ram + gpa, from, bytes);
	return 0;
}

/* ---- callbacks ---- */

static void lpi(void *opaque, uint32_t cpu, uint32_t intid, uint32_t priority, uint32_t pending)
{
	struct fuzz *f = opaque;

	CHECK(cpu < CPUS && intid >= 8192 && intid < 65536);
	CHECK(!(priority & ~0xfcU) && pending <= 1);
	if (intid - 8192 < LPIS)
		f->told[cpu][intid - 8192] = pending ? (uint8_t)(1 | priority) : 0;
}

static void vlpi(void *opaque, uint32_t cpu, uint32_t vpe, uint32_t intid, uint32_t priority,
		 uint32_t pending)
{
	(void)opaque;
	CHECK(cpu < CPUS && vpe < VPES && (intid < 16 || (intid >= 8192 && intid < 65536)));
	CHECK(!(priority & ~0xfcU) && pending <= 1);
}

/* ---- life ---- */

static void run(struct viommu *u, int result)
{
	for (unsigned i = 0; result == VIOMMU_PENDING; i++) {
		CHECK(i < 100000);
		result = viommu_run(u);
	}
	CHECK(result == VIOMMU_OK);
}

static int make(struct fuzz *f, unsigned how, struct viommu **lpis, struct viommu **its)
{
	struct viommu_limits limits = { .size = sizeof(limits), .steps = how & 8 ? 24 : 0 };
	bool v4 = how & 3;
	struct viommu_lpis_config l = { .size = sizeof(l),
					.flags = (v4 ? VIOMMU_LPIS_V4 : 0) |
						 (how & 1 ? VIOMMU_LPIS_V41 : 0) |
						 (how & 4 ? VIOMMU_LPIS_NO_GUEST_WRITES : 0),
					.cpus = CPUS,
					.vpes = v4 ? VPES : 0,
					.opaque = f,
					.lpi = lpi,
					.vlpi = vlpi,
					.limits = &limits };
	struct viommu_its_config i = { .size = sizeof(i),
				       .typer = how & 1 ? UINT64_C(0x1700012f73) | UINT64_C(3) << 39
						: how & 2
							? UINT64_C(0x1700012f73) | UINT64_C(1) << 37
							: UINT64_C(0x1700012f71),
				       .base = BASE,
				       .devices = how & 32 ? 2 : 0,
				       .events = how & 32 ? 2048 : 65536,
				       .limits = &limits };
	int result;

	f->steps = limits.steps ? limits.steps : 4096;
	work_expect(f->steps, WORK_EACH, BASE_ITS);
	result = viommu_lpis_new(f->vm, &l, lpis);

	for (uint32_t n = 0; !result && n < f->units; n++) {
		i.lpis = *lpis;
		result = viommu_its_new(f->vm, &i, &its[n]);
	}
	return result;
}

static void write_lpis(struct fuzz *f, uint64_t offset, uint32_t bytes, uint64_t value)
{
	work_expect(f->steps, WORK_EACH, BASE_LPIS);
	run(f->lpis, viommu_reg_write(f->lpis, offset, bytes, value));
	work_expect(f->steps, WORK_EACH, BASE_ITS);
}

/* Tables that most commands get on with. */
static void program(struct fuzz *f)
{
	for (uint32_t n = 0; n < f->units; n++) {
		run(f->its[n],
		    viommu_reg_write(f->its[n], 0x100, 8, UINT64_C(1) << 63 | 0x1000 | 1));
		run(f->its[n], viommu_reg_write(f->its[n], 0x108, 8, UINT64_C(1) << 63 | 0x8000));
		run(f->its[n], viommu_reg_write(f->its[n], 0x110, 8, UINT64_C(1) << 63 | 0x9000));
		run(f->its[n], viommu_reg_write(f->its[n], 0x80, 8,
						UINT64_C(1) << 63 | (QUEUE + n * 0x10000)));
		run(f->its[n], viommu_reg_write(f->its[n], 0, 4, 1));
		f->tail[n] = 0;
	}
	for (uint32_t cpu = 0; cpu < CPUS; cpu++) {
		uint64_t at = VIOMMU_LPIS_OFFSET(cpu, 0);

		write_lpis(f, at + 0x70, 8, 0x10000 | 15);
		write_lpis(f, at + 0x78, 8, 0x20000 + 0x10000 * cpu);
		write_lpis(f, at, 4, 1);
	}
}

/* ---- what was told ---- */

/* Of those whose EnableLPIs is 0 the VMM knows that nothing is pending. */
static void forget_disabled(struct fuzz *f)
{
	for (uint32_t cpu = 0; cpu < CPUS; cpu++) {
		uint64_t ctlr = 0;

		CHECK(viommu_reg_read(f->lpis, VIOMMU_LPIS_OFFSET(cpu, 0), 4, &ctlr) == VIOMMU_OK);
		if (!(ctlr & 1))
			memset(f->told[cpu], 0, sizeof(f->told[cpu]));
	}
}

/* INVALLR names all that is pending there. */
static void check_told(struct fuzz *f, uint32_t cpu)
{
	run(f->lpis, viommu_reg_write(f->lpis, VIOMMU_LPIS_OFFSET(cpu, 0xb0), 8, 0));
	for (uint32_t i = 0; i < LPIS; i++) {
		struct viommu_lpi is = { .size = sizeof(is) };
		uint32_t want;

		CHECK(viommu_lpis_get(f->lpis, cpu, 8192 + i, &is) == VIOMMU_OK);
		want = is.pending && is.enabled ? 1 | is.priority : 0;
		CHECK(f->told[cpu][i] == want);
	}
}

/* ---- steps ---- */

/* Small numbers, so that commands meet. */
static void command(struct fuzz *f, uint32_t n)
{
	static const uint8_t ops[] = { 8, 9,	0xa,  0xb,  1,	  3,	4,    0xc,  0xd,  0xe,	0xf,
				       5, 0x29, 0x2a, 0x2b, 0x21, 0x22, 0x2d, 0x25, 0x23, 0x2e, 7 };
	uint64_t op = ops[take(f, 1) % sizeof(ops)];
	uint64_t a = take(f, 2);
	uint64_t b = take(f, 2);
	uint64_t v = UINT64_C(1) << 63;
	uint64_t w[4] = { op | (a & 7) << 32 | (a & 0xff00 & 0x700), (a >> 3 & 31) | (b & 7) << 32,
			  (b >> 3 & 7) | (b >> 6 & 3) << 16 | (b & 0x100 ? v : 0),
			  (b >> 9 & 3) << 16 | 13 };

	if (op == 0xa)
		w[1] = (a >> 3 & 31) | (8192 + (b & 63)) << 32;
	if (op == 0xb || op == 0x2b)
		w[1] = (8190 + (a >> 3 & 7)) | (b & 7) << 32;
	if (op == 8)
		w[1] = b & 0x200 ? 13 : a >> 3 & 7;
	if (op == 0x2a || op == 0x2b || op == 0x21)
		w[2] = (8192 + (b >> 3 & 63)) | (b & 0x1000 ? UINT64_C(1023) : 9000) << 32;
	if (op == 0x29)
		w[3] |= 0x100000 + (b & 7) * 0x10000;
	if (take(f, 1) == 0xff) /* anything at all */
		for (unsigned i = 0; i < 4; i++)
			w[i] = take(f, 8);
	memcpy(f->ram + QUEUE + n * 0x10000 + f->tail[n], w, sizeof(w));
	f->tail[n] = (f->tail[n] + 32) % 4096;
	run(f->its[n], viommu_reg_write(f->its[n], 0x88, 8, f->tail[n] | (a & 1)));
}

static void message(struct fuzz *f, uint32_t n)
{
	uint32_t device = (uint32_t)take(f, 1) % 9;
	uint32_t event = (uint32_t)take(f, 2);
	uint32_t flags = event & 1 ? VIOMMU_MSI_RESOLVE : 0;
	struct viommu_msi msi;
	int result = viommu_remap_msi(f->its[n], device, BASE + 0x10040, event / 2, flags, &msi);

	CHECK(result == VIOMMU_OK || result == VIOMMU_FAULT);
	CHECK(msi.index == event / 2);
	if (result != VIOMMU_OK)
		return;
	CHECK(msi.kind == VIOMMU_MSI_KIND_LPI || msi.kind == VIOMMU_MSI_KIND_VLPI);
	CHECK(msi.intid >= 8192 && msi.intid < 65536);
	CHECK(msi.cpu < (msi.kind == VIOMMU_MSI_KIND_LPI ? CPUS : VPES));
}

static void *save(struct viommu *u, uint64_t *bytes)
{
	void *buffer;

	*bytes = 0;
	CHECK(viommu_save(u, NULL, bytes) == VIOMMU_ENOSPC);
	buffer = malloc(*bytes);
	CHECK(buffer && viommu_save(u, buffer, bytes) == VIOMMU_OK);
	return buffer;
}

/* Into itself: nothing that is saved differs afterwards. */
static void save_and_restore(struct fuzz *f, struct viommu *u)
{
	uint64_t bytes[2];
	uint32_t writes = f->writes;
	void *before = save(u, &bytes[0]);
	int result = viommu_restore(u, before, bytes[0]);
	void *after;

	CHECK(result == VIOMMU_OK || result == VIOMMU_PENDING);
	CHECK(f->writes == writes);
	after = save(u, &bytes[1]);
	/* vPEs are mapped again by the ITSs; registers that say what is under way may differ */
	CHECK(bytes[0] == bytes[1]);
	run(u, viommu_run(u));
	free(before);
	free(after);
}

static void save_tables(struct fuzz *f, uint32_t n)
{
	int result = viommu_its_save_tables(f->its[n]);

	CHECK(result == VIOMMU_OK || result == VIOMMU_FAULT || result == VIOMMU_ENOTSUP);
	if (result != VIOMMU_OK)
		return;
	run(f->its[n], viommu_reg_write(f->its[n], 0, 4, 0));
	result = viommu_its_restore_tables(f->its[n]);
	/* tables that lie on one another say something else now */
	CHECK(result == VIOMMU_OK || result == VIOMMU_ESTATE || result == VIOMMU_FAULT ||
	      result == VIOMMU_ELIMIT);
	run(f->its[n], viommu_reg_write(f->its[n], 0, 4, 1));
}

static void step(struct fuzz *f)
{
	uint32_t what = (uint32_t)take(f, 1);
	uint32_t n = what >> 7 & (f->units - 1);
	uint64_t at;

	switch (what & 15) {
	case 0: /* registers */
		at = take(f, 1);
		run(f->its[n],
		    viommu_reg_write(f->its[n], (at & 0x3f) * 8, at & 0x40 ? 4 : 8, take(f, 8)));
		break;
	case 1:
		at = take(f, 1);
		write_lpis(f, VIOMMU_LPIS_OFFSET(at & 3, (at >> 2 & 31) * 8), at & 0x80 ? 4 : 8,
			   take(f, 8));
		forget_disabled(f);
		break;
	case 2:
		at = take(f, 1);
		write_lpis(f, VIOMMU_LPIS_OFFSET(at & 3, 0x20070 + (at >> 2 & 3) * 8), 8,
			   take(f, 1) | (take(f, 2) << 12) | (at & 0x40 ? UINT64_C(1) << 63 : 0));
		break;
	case 3: /* memory */
		at = take(f, 3) % (RAM - 8);
		for (unsigned i = 0; i < 8; i++)
			f->ram[at + i] = (uint8_t)take(f, 1);
		break;
	case 4:
		f->failing = take(f, 1) & 1;
		break;
	case 5:
		save_and_restore(f, f->its[n]);
		break;
	case 6:
		save_tables(f, n);
		break;
	case 7: {
		uint32_t cpu = (uint32_t)take(f, 1);
		uint32_t i = (uint32_t)take(f, 1);

		if (viommu_lpis_acknowledge(f->lpis, cpu, 8192 + i) == VIOMMU_OK)
			f->told[cpu][i] = 0;
		break;
	}
	case 8:
		if (take(f, 1) == 0) {
			/* PENDING: routes have not all been told */
			CHECK(what & 16 ? viommu_reset(f->lpis) == VIOMMU_OK
					: viommu_reset(f->its[n]) >= 0);
			if (what & 16)
				memset(f->told, 0, sizeof(f->told));
			program(f);
		}
		break;
	case 9:
		if (!(f->flags & 3)) { /* an ITS says which vPEs it maps */
			memset(f->told, 0, sizeof(f->told));
			save_and_restore(f, f->lpis);
		}
		break;
	case 14:
		if (!f->failing)
			check_told(f, (uint32_t)take(f, 1) % CPUS);
		break;
	case 10:
	case 11:
		message(f, n);
		break;
	default:
		command(f, n);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz f = { .in = { .data = data, .size = size } };
	struct viommu_vm_config vm = { .size = sizeof(vm),
				       .opaque = &f,
				       .read = ram_read,
				       .write = ram_write,
				       .hash_key = { 1, 2 } };

	f.ram = calloc(1, RAM);
	CHECK(f.ram && viommu_vm_new(&vm, &f.vm) == VIOMMU_OK);
	f.flags = (uint32_t)take(&f, 1);
	f.units = f.flags & 16 ? 2 : 1;
	CHECK(make(&f, f.flags, &f.lpis, f.its) == VIOMMU_OK);
	memset(f.ram + 0x10000, 0xa1, 0xe000);
	program(&f);
	while (input_left(&f.in))
		step(&f);
	f.failing = false;
	for (uint32_t cpu = 0; cpu < CPUS; cpu++)
		check_told(&f, cpu);
	CHECK(!(f.flags & 4) || f.writes == 0);
	for (uint32_t n = 0; n < f.units; n++)
		CHECK(viommu_free(f.its[n]) == VIOMMU_OK);
	CHECK(viommu_free(f.lpis) == VIOMMU_OK && viommu_vm_free(f.vm) == VIOMMU_OK);
	free(f.ram);
	return 0;
}
