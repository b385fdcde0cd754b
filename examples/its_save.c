/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * its_save.c - an Arm VM with an ITS, saved in one way and restored in the other.
 *
 * A guest maps a device's interrupts, and one arrives. Then the VMM saves: into a buffer of its own,
 * which leaves guest memory alone, and, where the guest's memory may be written, into the tables that
 * the guest has given, as KVM does. A second VM gets the one, a third the other; all answer alike.
 */
#include <libvirtiommu/its.h>
#include <libvirtiommu/vm.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RAM_BYTES     (2U << 20)
#define QUEUE	      0x010000U
#define DEVICE_TABLE  0x020000U
#define COLLECTIONS   0x030000U
#define ITT	      0x040000U
#define CONFIGURATION 0x050000U
#define PENDING(cpu)  (0x100000U + 0x10000U * (cpu))
#define GITS	      UINT64_C(0x8080000)
#define VALID	      (UINT64_C(1) << 63)
#define CPUS	      2U

struct vm {
	uint8_t *ram;
	struct viommu_vm *vm;
	struct viommu *lpis;
	struct viommu *its;
	uint32_t tail;
	const char *name;
};

static void check(int result, const char *what)
{
	if (result == VIOMMU_OK)
		return;
	fprintf(stderr, "%s: %s\n", what, viommu_strerror(result));
	exit(1);
}

/* Does what a call has left to do, as a VMM does when the work callback tells it to. */
static void finish(struct viommu *iommu, int result, const char *what)
{
	while (result == VIOMMU_PENDING)
		result = viommu_run(iommu);
	check(result, what);
}

/* ---- the VMM ---- */

static void on_lpi(void *opaque, uint32_t cpu, uint32_t intid, uint32_t priority, uint32_t pending)
{
	const struct vm *m = opaque;

	printf("%s: cpu %u: LPI %u %s, priority %02x\n", m->name, cpu, intid,
	       pending ? "is pending" : "is not pending", priority);
}

static void create(struct vm *m, const char *name)
{
	struct viommu_vm_config vm = { .size = sizeof(vm) };
	struct viommu_region ram = { .size = sizeof(ram), .bytes = RAM_BYTES };
	struct viommu_lpis_config lpis = {
		.size = sizeof(lpis), .cpus = CPUS, .opaque = m, .lpi = on_lpi
	};
	struct viommu_its_config its = { .size = sizeof(its), .base = GITS };

	*m = (struct vm){ .name = name, .ram = aligned_alloc(4096, RAM_BYTES) };
	if (!m->ram)
		check(VIOMMU_ENOMEM, "memory");
	memset(m->ram, 0, RAM_BYTES);
	ram.host = m->ram;
	check(viommu_vm_new(&vm, &m->vm), "viommu_vm_new");
	check(viommu_vm_add_region(m->vm, &ram), "viommu_vm_add_region");
	check(viommu_lpis_new(m->vm, &lpis, &m->lpis), "viommu_lpis_new");
	its.lpis = m->lpis;
	check(viommu_its_new(m->vm, &its, &m->its), "viommu_its_new");
}

static void destroy(struct vm *m)
{
	check(viommu_free(m->its), "viommu_free");
	check(viommu_free(m->lpis), "viommu_free");
	check(viommu_vm_free(m->vm), "viommu_vm_free");
	free(m->ram);
}

static void write_register(struct viommu *iommu, uint64_t offset, uint32_t bytes, uint64_t value)
{
	finish(iommu, viommu_reg_write(iommu, offset, bytes, value), "viommu_reg_write");
}

static uint64_t read_register(struct viommu *iommu, uint64_t offset, uint32_t bytes)
{
	uint64_t value = 0;

	check(viommu_reg_read(iommu, offset, bytes, &value), "viommu_reg_read");
	return value;
}

/* ---- the guest ---- */

static void command(struct vm *m, uint64_t w0, uint64_t w1, uint64_t w2)
{
	const uint64_t words[4] = { w0, w1, w2, 0 };

	memcpy(m->ram + QUEUE + m->tail, words, sizeof(words));
	m->tail += sizeof(words);
	write_register(m->its, 0x88, 8, m->tail); /* GITS_CWRITER */
}

static void start_lpis(struct vm *m, uint64_t ptz)
{
	for (uint32_t cpu = 0; cpu < CPUS; cpu++) {
		write_register(m->lpis, VIOMMU_LPIS_OFFSET(cpu, 0x70), 8, CONFIGURATION | 15);
		write_register(m->lpis, VIOMMU_LPIS_OFFSET(cpu, 0x78), 8, PENDING(cpu) | ptz);
		write_register(m->lpis, VIOMMU_LPIS_OFFSET(cpu, 0), 4, 1);
	}
}

/* Device 8 has two interrupts: LPI 8192 at CPU 0, LPI 8193 at CPU 1. */
static void boot(struct vm *m)
{
	memset(m->ram + CONFIGURATION, 0xa1, 0xe000); /* enabled, priority a0 */
	start_lpis(m, UINT64_C(1) << 62);
	write_register(m->its, 0x100, 8, DEVICE_TABLE | VALID | 15);
	write_register(m->its, 0x108, 8, COLLECTIONS | VALID);
	write_register(m->its, 0x80, 8, QUEUE | VALID);
	write_register(m->its, 0, 4, 1);
	command(m, 9, 0, VALID | 0 << 16 | 0);				  /* MAPC 0 */
	command(m, 9, 0, VALID | 1 << 16 | 1);				  /* MAPC 1 */
	command(m, 8 | UINT64_C(8) << 32, 4, VALID | ITT);		  /* MAPD 8, 5 bits */
	command(m, 0xa | UINT64_C(8) << 32, UINT64_C(8192) << 32 | 0, 0); /* MAPTI */
	command(m, 0xa | UINT64_C(8) << 32, UINT64_C(8193) << 32 | 1, 1); /* MAPTI */
	command(m, 5, 0, 0);						  /* SYNC */
}

/* ---- devices ---- */

static void show(struct vm *m)
{
	for (uint32_t event = 0; event < 3; event++) {
		struct viommu_lpi lpi = { .size = sizeof(lpi) };
		struct viommu_msi msi;
		int result = viommu_remap_msi(m->its, 8, GITS + 0x10040, event, VIOMMU_MSI_RESOLVE,
					      &msi);

		if (result != VIOMMU_OK) {
			printf("%s: event %u: refused, reason %x\n", m->name, event, msi.reason);
			continue;
		}
		check(viommu_lpis_get(m->lpis, msi.cpu, msi.intid, &lpi), "viommu_lpis_get");
		printf("%s: event %u: LPI %u at cpu %u%s\n", m->name, event, msi.intid, msi.cpu,
		       lpi.pending ? ", pending" : "");
	}
}

/* ---- the caller's buffer: redistributors first, then the ITS ---- */

static void copy_state(struct viommu *from, struct viommu *to)
{
	uint64_t bytes = 0;
	void *buffer;

	viommu_save(from, NULL, &bytes); /* how many */
	buffer = malloc(bytes);
	if (!buffer)
		check(VIOMMU_ENOMEM, "buffer");
	check(viommu_save(from, buffer, &bytes), "viommu_save");
	printf("%llu bytes\n", (unsigned long long)bytes);
	finish(to, viommu_restore(to, buffer, bytes), "viommu_restore");
	free(buffer);
}

/* ---- guest memory, in the order that KVM documents ---- */

static void restore_from_tables(struct vm *from, struct vm *to)
{
	static const uint16_t registers[] = { 0x80, 0x100, 0x108, 0x88, 0x90 };

	start_lpis(to, 0); /* reads the pending tables */
	for (unsigned i = 0; i < sizeof(registers) / sizeof(registers[0]); i++)
		check(viommu_its_set_register(to->its, registers[i],
					      read_register(from->its, registers[i], 8)),
		      "viommu_its_set_register");
	finish(to->its, viommu_its_restore_tables(to->its), "viommu_its_restore_tables");
	finish(to->its, viommu_its_set_register(to->its, 0, read_register(from->its, 0, 4)),
	       "viommu_its_set_register");
}

int main(void)
{
	struct viommu_msi msi;
	struct vm first;
	struct vm second;
	struct vm third;

	create(&first, "first");
	boot(&first);
	check(viommu_remap_msi(first.its, 8, GITS + 0x10040, 1, 0, &msi), "viommu_remap_msi");
	show(&first);

	create(&second, "second");
	memcpy(second.ram, first.ram, RAM_BYTES);
	copy_state(first.lpis, second.lpis);
	copy_state(first.its, second.its);
	show(&second);

	check(viommu_lpis_save_pending(second.lpis), "viommu_lpis_save_pending");
	check(viommu_its_save_tables(second.its), "viommu_its_save_tables");
	create(&third, "third");
	memcpy(third.ram, second.ram, RAM_BYTES);
	restore_from_tables(&second, &third);
	show(&third);

	destroy(&third);
	destroy(&second);
	destroy(&first);
	return 0;
}
