/* SPDX-License-Identifier: BSD-3-Clause */
/* ioapic_rig.c - an I/O APIC whose callbacks are logged. */
#include <string.h>

#include "ioapic_rig.h"

static void note(struct rig *r, enum rig_event event, uint32_t pin, const struct viommu_msi *msi)
{
	unsigned total = r->count[RIG_DELIVER] + r->count[RIG_CHANGED] + r->count[RIG_ACKNOWLEDGED];

	if (total < RIG_LOG)
		r->order[total] = "dca"[event];
	if (r->count[event] < RIG_LOG) {
		r->pin[event][r->count[event]] = pin;
		if (msi)
			r->msi[r->count[event]] = *msi;
	}
	r->count[event]++;
	if (r->hook)
		r->hook(r, event, pin);
}

static void deliver(void *opaque, uint32_t pin, const struct viommu_msi *msi)
{
	note(opaque, RIG_DELIVER, pin, msi);
}

static void changed(void *opaque, uint32_t pin)
{
	note(opaque, RIG_CHANGED, pin, NULL);
}

static void acknowledged(void *opaque, uint32_t pin)
{
	note(opaque, RIG_ACKNOWLEDGED, pin, NULL);
}

int rig_try_new(struct rig *r, uint32_t pins, uint32_t version, struct viommu_ioapic **a)
{
	const struct viommu_ioapic_config config = { .size = sizeof(config),
						     .pins = pins,
						     .version = version,
						     .source = RIG_SOURCE,
						     .id = 2,
						     .opaque = r,
						     .deliver = deliver,
						     .changed = changed,
						     .acknowledged = acknowledged };

	return viommu_ioapic_new(r->g.vm, r->g.iommu, &config, a);
}

void rig_open(struct rig *r, enum rig_iommu iommu, uint32_t pins, uint32_t version)
{
	memset(r, 0, sizeof(*r));
	guest_init(&r->g, GUEST_CALLBACKS, 300);
	if (iommu == RIG_VTD)
		guest_vtd(&r->g, GUEST_CAP, GUEST_ECAP_LEGACY);
	assert_int_equal(rig_try_new(r, pins, version, &r->a), VIOMMU_OK);
	r->pins = pins ? pins : 24;
}

void rig_close(struct rig *r)
{
	r->hook = NULL;
	viommu_ioapic_free(r->a);
	guest_fini(&r->g);
}

void rig_forget(struct rig *r)
{
	memset(r->count, 0, sizeof(r->count));
	memset(r->order, 0, sizeof(r->order));
}

void rig_expect(struct rig *r, const char *row, unsigned delivered, unsigned changes,
		unsigned acknowledges)
{
	check_eq(row, r->count[RIG_DELIVER], delivered);
	check_eq(row, r->count[RIG_CHANGED], changes);
	check_eq(row, r->count[RIG_ACKNOWLEDGED], acknowledges);
	rig_forget(r);
}

uint32_t rig_read(struct rig *r, uint32_t index)
{
	uint64_t value;

	assert_int_equal(viommu_ioapic_write(r->a, 0x00, 4, index), VIOMMU_OK);
	assert_int_equal(viommu_ioapic_read(r->a, 0x10, 4, &value), VIOMMU_OK);
	return (uint32_t)value;
}

void rig_write(struct rig *r, uint32_t index, uint32_t value)
{
	assert_int_equal(viommu_ioapic_write(r->a, 0x00, 4, index), VIOMMU_OK);
	assert_int_equal(viommu_ioapic_write(r->a, 0x10, 4, value), VIOMMU_OK);
}

uint64_t rig_entry(struct rig *r, uint32_t pin)
{
	return rig_read(r, 0x10 + 2 * pin) | (uint64_t)rig_read(r, 0x11 + 2 * pin) << 32;
}

void rig_set_entry(struct rig *r, uint32_t pin, uint64_t entry)
{
	rig_write(r, 0x11 + 2 * pin, (uint32_t)(entry >> 32));
	rig_write(r, 0x10 + 2 * pin, (uint32_t)entry);
}

void rig_line(struct rig *r, uint32_t pin, uint32_t level)
{
	assert_int_equal(viommu_ioapic_set_line(r->a, pin, level), VIOMMU_OK);
}

void rig_eoi(struct rig *r, uint32_t vector)
{
	assert_int_equal(viommu_ioapic_eoi(r->a, vector), VIOMMU_OK);
}

uint64_t rig_save(struct viommu_ioapic *a, uint8_t *buffer)
{
	uint64_t bytes = 8192;

	assert_int_equal(viommu_ioapic_save(a, buffer, &bytes), VIOMMU_OK);
	return bytes;
}

void rig_resum(uint8_t *state, uint64_t bytes)
{
	uint64_t total = 0;

	for (uint64_t i = 0; i < bytes - 16; i++)
		total = (total << 1 | total >> 63) + state[i];
	for (unsigned i = 0; i < 8; i++)
		state[bytes - 8 + i] = (uint8_t)(total >> 8 * i);
}
