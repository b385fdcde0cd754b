/* SPDX-License-Identifier: BSD-3-Clause */
/* harness_machine.c - a machine for fuzzers: memory that may misbehave, callbacks, life. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guest.h" /* capabilities only */
#include "harness.h"

void check_failed(const char *condition, const char *file, int line)
{
	fprintf(stderr, "%s:%d: CHECK failed: %s\n", file, line, condition);
	abort();
}

/* ---- memory ---- */

uint64_t machine_page(const struct machine *m, uint64_t n)
{
	n %= RAM_PAGES + ROM_PAGES;
	(void)m;
	return n < RAM_PAGES ? RAM_BASE + n * 4096 : ROM_BASE + (n - RAM_PAGES) * 4096;
}

static bool inside(uint64_t gpa, uint64_t bytes, uint64_t base, uint64_t pages)
{
	uint64_t size = pages * 4096;

	return bytes <= size && gpa >= base && gpa - base <= size - bytes;
}

uint8_t *machine_at(struct machine *m, uint64_t gpa, uint64_t bytes)
{
	if (inside(gpa, bytes, RAM_BASE, RAM_PAGES))
		return m->ram + (gpa - RAM_BASE);
	if (inside(gpa, bytes, ROM_BASE, ROM_PAGES))
		return m->ram + RAM_PAGES * 4096 + (gpa - ROM_BASE);
	return NULL;
}

uint64_t *machine_word(struct machine *m, uint64_t gpa)
{
	return (uint64_t *)(void *)machine_at(m, gpa & ~UINT64_C(7), 8);
}

void machine_put(struct machine *m, uint64_t gpa, uint64_t value)
{
	uint64_t *word = machine_word(m, gpa);

	m->clean = false;
	if (word)
		*word = value;
}

/* What the schedule says of this access: 0 to 3 fail, 4 to 7 change; others are as they are. */
static unsigned misbehaviour(struct machine *m)
{
	if (!m->scheduled)
		return UINT8_MAX;
	return m->schedule[m->turn++ % m->scheduled];
}

static int on_read(void *opaque, uint64_t gpa, void *to, uint32_t bytes)
{
	struct machine *m = opaque;
	const uint8_t *from = machine_at(m, gpa, bytes);
	unsigned how = misbehaviour(m);

	m->accesses++;
	CHECK(bytes >= 1 && bytes <= 64);
	CHECK(bytes > 16 || gpa % bytes == 0);
	if (!from || how < 4)
		return -1;
	memcpy(to, from, bytes);
	if (how < 8)
		((uint8_t *)to)[how % bytes] ^= (uint8_t)(1U << (m->turn & 7));
	return 0;
}

static int on_write(void *opaque, uint64_t gpa, const void *from, uint32_t bytes)
{
	struct machine *m = opaque;
	uint8_t *to = machine_at(m, gpa, bytes);

	m->accesses++;
	CHECK(bytes >= 1 && bytes <= 64);
	if (!to || misbehaviour(m) < 4)
		return -1;
	memcpy(to, from, bytes);
	return 0;
}

static int on_swap(void *opaque, uint64_t gpa, uint64_t *expected, uint64_t desired)
{
	struct machine *m = opaque;
	uint64_t *word = (uint64_t *)(void *)machine_at(m, gpa, 8);
	unsigned how = misbehaviour(m);
	uint64_t found;

	m->accesses++;
	CHECK(gpa % 8 == 0);
	if (!word || how < 4)
		return -1;
	if (how < 8)
		*word ^= UINT64_C(1) << (m->turn & 63);
	found = *word;
	if (found == *expected)
		*word = desired;
	*expected = found;
	return 0;
}

static void on_dirty(void *opaque, uint64_t gpa, uint64_t bytes)
{
	struct machine *m = opaque;

	m->writes++;
	CHECK(m->dma ? bytes >= 1 : bytes >= 4 && bytes <= 64);
	CHECK(machine_at(m, gpa, bytes));
}

/* ---- host ---- */

static void on_msi(void *opaque, uint64_t address, uint32_t data)
{
	struct machine *m = opaque;

	(void)address;
	(void)data;
	m->calls++;
}

static void on_work(void *opaque)
{
	struct machine *m = opaque;

	m->calls++;
}

static int on_invalidate(void *opaque, const struct viommu_device_invalidation *what)
{
	struct machine *m = opaque;
	bool later = m->invalidate_answers & 1;

	m->calls++;
	m->invalidate_answers = m->invalidate_answers >> 1 | (later ? 128U : 0);
	CHECK(what->first <= what->last);
	CHECK(what->first % 4096 == 0 && what->last % 4096 == 4095);
	CHECK(what->pasid == VIOMMU_NO_PASID || what->pasid < 1U << 20);
	if (!later || m->owes == OWED)
		return VIOMMU_OK;
	m->owed[m->owes++] = what->token;
	return VIOMMU_PENDING;
}

static void on_response(void *opaque, const struct viommu_page_response *response)
{
	struct machine *m = opaque;

	m->calls++;
	CHECK(response->code == 0 || response->code == 1 || response->code == 15);
	CHECK(response->group < 512);
}

static void on_unmap(void *opaque, struct viommu_device *device, uint32_t pasid, uint64_t first,
		     uint64_t last)
{
	struct machine *m = opaque;

	m->calls++;
	CHECK(device && first <= last);
	CHECK(pasid < 1U << 20 || pasid == VIOMMU_NO_PASID || pasid == VIOMMU_ANY_PASID);
}

static void on_mode(void *opaque, struct viommu_device *device, uint32_t mode)
{
	struct machine *m = opaque;

	m->calls++;
	CHECK(device && mode <= VIOMMU_MODE_TRANSLATE);
}

static void on_interrupts(void *opaque, uint32_t source, uint32_t first, uint32_t last)
{
	struct machine *m = opaque;

	m->calls++;
	CHECK(source == VIOMMU_ANY_SOURCE && first <= last);
}

/* ---- life ---- */

static void preset(struct viommu_vtd_config *config, unsigned which)
{
	const uint64_t none = VTD_ECAP_QI | VTD_ECAP_IR | VTD_ECAP_EIM | VTD_ECAP_MHMV;

	config->cap = GUEST_CAP;
	config->ecap = GUEST_ECAP_LEGACY;
	if (which == 0) {
		config->cap = GUEST_CAP_SCALABLE;
		config->ecap = GUEST_ECAP_SCALABLE;
	} else if (which == 1) { /* the default */
		config->cap = viommu_vtd_default_cap();
		config->ecap = viommu_vtd_default_ecap();
	} else if (which == 2) { /* no queue, protected memory */
		config->cap = viommu_vtd_default_cap() | VTD_CAP_PLMR | VTD_CAP_PHMR;
		config->ecap = viommu_vtd_default_ecap() & ~(none & ~VTD_ECAP_QI);
	}
}

static void open_devices(struct machine *m)
{
	struct viommu_listener_config listener = { .size = sizeof(listener),
						   .opaque = m,
						   .unmap = on_unmap,
						   .mode = on_mode,
						   .interrupts = on_interrupts };

	for (unsigned i = 0; i < DEVICES; i++) {
		struct viommu_device_config config = { .size = sizeof(config),
						       .id = i * 8,
						       .opaque = m,
						       .invalidate = on_invalidate,
						       .page_response = on_response };

		CHECK(viommu_device_new(m->iommu, &config, &m->device[i]) == VIOMMU_OK);
		CHECK(viommu_channel_new(m->device[i], i == 1 ? 1 : VIOMMU_NO_PASID,
					 &m->channel[i]) == VIOMMU_OK);
	}
	CHECK(viommu_listener_new(m->iommu, NULL, &listener, &m->listener) == VIOMMU_OK);
}

static void open_memory(struct machine *m)
{
	struct viommu_vm_config config = { .size = sizeof(config),
					   .opaque = m,
					   .read = on_read,
					   .write = on_write,
					   .cmpxchg = on_swap,
					   .dirty = on_dirty,
					   .hash_key = { 1, 2 } };
	struct viommu_region ram = { .size = sizeof(ram),
				     .gpa = RAM_BASE,
				     .bytes = RAM_PAGES * 4096 };
	struct viommu_region rom = { .size = sizeof(rom),
				     .flags = VIOMMU_REGION_READONLY,
				     .gpa = ROM_BASE,
				     .bytes = ROM_PAGES * 4096 };

	m->ram = aligned_alloc(4096, RAM_BYTES);
	CHECK(m->ram);
	memset(m->ram, 0, RAM_BYTES);
	ram.host = m->ram;
	rom.host = m->ram + RAM_PAGES * 4096;
	CHECK(viommu_vm_new(&config, &m->vm) == VIOMMU_OK);
	if (m->region) {
		CHECK(viommu_vm_add_region(m->vm, &ram) == VIOMMU_OK);
		CHECK(viommu_vm_add_region(m->vm, &rom) == VIOMMU_OK);
	}
}

bool machine_open(struct machine *m, struct input *in)
{
	struct viommu_host host = {
		.size = sizeof(host), .opaque = m, .msi = on_msi, .work = on_work
	};
	struct viommu_limits limits = { .size = sizeof(limits),
					.tlb_entries = 16,
					.contexts = 4,
					.domains = 8,
					.queue_budget = MACHINE_BUDGET,
					.outstanding = 4 };
	struct viommu_vtd_config config = { .size = sizeof(config),
					    .host = &host,
					    .limits = &limits };
	uint64_t head = input_take(in, 1);
	int result;

	memset(m, 0, sizeof(*m));
	m->region = head & 0x10;
	preset(&config, head & 3);
	if (head & 4) { /* bits of both capabilities turned */
		config.cap ^= UINT64_C(1) << (input_take(in, 1) & 63);
		config.ecap ^= UINT64_C(1) << (input_take(in, 1) & 63);
	}
	if (head & 8)
		config.haw = (uint32_t)input_take(in, 1) % 64;
	config.version = head & 0x20 ? 0x40 : 0x10;
	m->steps = head & 0x80 ? 4 : head & 0x40 ? 32 : 4096;
	limits.steps = m->steps;
	work_expect(m->steps, MACHINE_EACH, MACHINE_BASE);
	open_memory(m);
	m->cap = config.cap;
	m->ecap = config.ecap;
	result = viommu_vtd_new(m->vm, &config, &m->iommu);
	if (result != VIOMMU_OK) {
		CHECK(result == VIOMMU_EINVAL || result == VIOMMU_ENOTSUP);
		machine_close(m);
		return false;
	}
	open_devices(m);
	return true;
}

void machine_close(struct machine *m)
{
	if (m->iommu) {
		machine_release(m);
		CHECK(viommu_listener_free(m->listener) == VIOMMU_OK);
		for (unsigned i = 0; i < DEVICES; i++) {
			CHECK(viommu_channel_free(m->channel[i]) == VIOMMU_OK);
			CHECK(viommu_device_free(m->device[i]) == VIOMMU_OK);
		}
		CHECK(viommu_free(m->iommu) == VIOMMU_OK);
	}
	CHECK(viommu_vm_free(m->vm) == VIOMMU_OK);
	free(m->ram);
}
