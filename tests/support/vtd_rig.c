/* SPDX-License-Identifier: BSD-3-Clause */
/* vtd_rig.c - one VT-d unit on a bench: creation, guest memory, and the log of what it says. */

#include "vtd_rig.h"

#include <stdlib.h>
#include <string.h>

const char *rig_row;

/* ---- callbacks ---- */

static struct rig_event *log_event(struct rig *r, enum rig_kind kind)
{
	struct rig_event *e;

	assert_true(r->count < RIG_EVENTS);
	e = &r->event[r->count++];
	*e = (struct rig_event){ .kind = kind, .watched = r->watch ? *r->watch : 0 };
	return e;
}

static void on_msi(void *opaque, uint64_t address, uint32_t data)
{
	struct rig_event *e = log_event(opaque, RIG_MSI);

	e->a = address;
	e->b = data;
}

static void on_work(void *opaque)
{
	log_event(opaque, RIG_WORK);
}

static void on_message(void *opaque, const char *text)
{
	struct rig_event *e = log_event(opaque, RIG_MESSAGE);

	e->a = strlen(text);
}

static void on_dirty(void *opaque, uint64_t gpa, uint64_t bytes)
{
	struct rig_event *e = log_event(opaque, RIG_WRITE);

	e->a = gpa;
	e->b = bytes;
}

static int on_invalidate(void *opaque, const struct viommu_device_invalidation *i)
{
	struct rig_device *d = opaque;
	struct rig_event *e = log_event(d->rig, RIG_INVALIDATE);

	e->device = d->device;
	e->a = i->first;
	e->b = i->last;
	e->c = i->token;
	e->pasid = i->pasid;
	e->detail = i->flags;
	return d->rig->invalidate_result;
}

static void on_response(void *opaque, const struct viommu_page_response *response)
{
	struct rig_device *d = opaque;
	struct rig_event *e = log_event(d->rig, RIG_RESPONSE);

	e->device = d->device;
	e->a = response->data[0];
	e->b = response->data[1];
	e->pasid = response->pasid;
	e->detail = (uint32_t)response->code << 16 | response->group;
}

static void on_unmap(void *opaque, struct viommu_device *device, uint32_t pasid, uint64_t first,
		     uint64_t last)
{
	struct rig_event *e = log_event(opaque, RIG_UNMAP);

	e->device = device;
	e->pasid = pasid;
	e->a = first;
	e->b = last;
}

static void on_mode(void *opaque, struct viommu_device *device, uint32_t mode)
{
	struct rig_event *e = log_event(opaque, RIG_MODE);

	e->device = device;
	e->detail = mode;
}

static void on_interrupts(void *opaque, uint32_t first, uint32_t last)
{
	struct rig_event *e = log_event(opaque, RIG_INTERRUPTS);

	e->a = first;
	e->b = last;
}

/* ---- creation ---- */

static void add_region(struct rig *r, uint64_t gpa, uint64_t bytes, void *host, uint32_t flags)
{
	const struct viommu_region region = { .size = sizeof(region),
					      .flags = flags,
					      .gpa = gpa,
					      .bytes = bytes,
					      .host = host };

	assert_int_equal(viommu_vm_add_region(r->vm, &region), VIOMMU_OK);
}

static void open_vm(struct rig *r)
{
	const struct viommu_vm_config config = { .size = sizeof(config),
						 .opaque = r,
						 .dirty = on_dirty,
						 .hash_key = { 0x1234, 0x5678 } };

	r->ram = aligned_alloc(4096, RIG_RAM);
	r->rom = aligned_alloc(4096, RIG_ROM_BYTES);
	assert_non_null(r->ram);
	assert_non_null(r->rom);
	memset(r->rom, 0, RIG_ROM_BYTES);
	r->free = 4096; /* page 0 stays empty: a pointer of 0 is a mistake */
	memset(r->ram, 0, 4096);
	assert_int_equal(viommu_vm_new(&config, &r->vm), VIOMMU_OK);
	add_region(r, 0, RIG_RAM, r->ram, 0);
	add_region(r, RIG_ROM, RIG_ROM_BYTES, r->rom, VIOMMU_REGION_READONLY);
}

static void open_unit(struct rig *r, const struct rig_config *given)
{
	const struct rig_config c = given ? *given : (struct rig_config){ .cap = 0 };
	const struct viommu_host host = { .size = sizeof(host),
					  .opaque = r,
					  .msi = on_msi,
					  .work = on_work,
					  .message = on_message };
	const struct viommu_limits limits = { .size = sizeof(limits),
					      .tlb_entries = 1024,
					      .contexts = 64,
					      .domains = 64,
					      .queue_budget = c.budget,
					      .outstanding = c.outstanding ? c.outstanding : 16 };
	const struct viommu_vtd_config config = { .size = sizeof(config),
						  .cap = c.cap ? c.cap : CAP_COMMON,
						  .ecap = c.cap ? c.ecap : ECAP_LEGACY,
						  .version = c.version,
						  .haw = c.haw,
						  .host = &host,
						  .limits = &limits };

	assert_int_equal(viommu_vtd_new(r->vm, &config, &r->iommu), VIOMMU_OK);
	r->frcd = (uint32_t)(config.cap >> 24 & 0x3ff) * 16;
	r->iotlb = (uint32_t)(config.ecap >> 8 & 0x3ff) * 16;
}

void rig_open(struct rig *r, const struct rig_config *config)
{
	memset(r, 0, sizeof(*r));
	open_vm(r);
	open_unit(r, config);
	r->status = rig_alloc(r, 4096);
}

void rig_open_beside(struct rig *r, const struct rig *other, const struct rig_config *config)
{
	memset(r, 0, sizeof(*r));
	r->vm = other->vm;
	r->ram = other->ram;
	r->free = other->free;
	open_unit(r, config);
	r->status = other->status;
	r->queue = other->queue;
	r->queue_bytes = other->queue_bytes;
	r->tail = other->tail;
	r->wide = other->wide;
}

void rig_close(struct rig *r)
{
	for (uint32_t i = 0; i < r->listeners; i++)
		assert_int_equal(viommu_listener_free(r->listener[i]), VIOMMU_OK);
	for (uint32_t i = 0; i < r->channels; i++)
		assert_int_equal(viommu_channel_free(r->channel[i]), VIOMMU_OK);
	for (uint32_t i = 0; i < r->devices; i++)
		assert_int_equal(viommu_device_free(r->device[i].device), VIOMMU_OK);
	assert_int_equal(viommu_free(r->iommu), VIOMMU_OK);
	if (!r->rom) /* beside another one */
		return;
	assert_int_equal(viommu_vm_free(r->vm), VIOMMU_OK);
	free(r->ram);
	free(r->rom);
}

static struct viommu_device *new_device(struct rig *r, uint32_t id, bool callbacks)
{
	struct viommu_device_config config = { .size = sizeof(config), .id = id };
	struct rig_device *d;

	assert_true(r->devices < sizeof(r->device) / sizeof(r->device[0]));
	d = &r->device[r->devices++];
	d->rig = r;
	config.opaque = d;
	if (callbacks) {
		config.invalidate = on_invalidate;
		config.page_response = on_response;
	}
	assert_int_equal(viommu_device_new(r->iommu, &config, &d->device), VIOMMU_OK);
	return d->device;
}

struct viommu_device *rig_device(struct rig *r, uint32_t id)
{
	return new_device(r, id, true);
}

struct viommu_device *rig_plain_device(struct rig *r, uint32_t id)
{
	return new_device(r, id, false);
}

struct viommu_channel *rig_channel(struct rig *r, struct viommu_device *device, uint32_t pasid)
{
	struct viommu_channel *channel;

	assert_true(r->channels < sizeof(r->channel) / sizeof(r->channel[0]));
	assert_int_equal(viommu_channel_new(device, pasid, &channel), VIOMMU_OK);
	r->channel[r->channels++] = channel;
	return channel;
}

struct viommu_listener *rig_listener(struct rig *r, struct viommu_device *device)
{
	const struct viommu_listener_config config = { .size = sizeof(config),
						       .opaque = r,
						       .unmap = on_unmap,
						       .mode = on_mode,
						       .interrupts = device ? NULL
									    : on_interrupts };
	struct viommu_listener *listener;

	assert_true(r->listeners < sizeof(r->listener) / sizeof(r->listener[0]));
	assert_int_equal(viommu_listener_new(r->iommu, device, &config, &listener), VIOMMU_OK);
	r->listener[r->listeners++] = listener;
	return listener;
}

/* ---- guest memory ---- */

uint64_t rig_alloc(struct rig *r, uint64_t bytes)
{
	uint64_t gpa = r->free;

	bytes = (bytes + 4095) & ~UINT64_C(4095);
	assert_true(gpa + bytes <= RIG_RAM);
	r->free += bytes;
	memset(r->ram + gpa, 0, bytes);
	return gpa;
}

uint64_t *rig_at(const struct rig *r, uint64_t gpa)
{
	assert_true(gpa < RIG_RAM && gpa % 8 == 0);
	return (uint64_t *)(void *)(r->ram + gpa);
}

uint32_t rig_load32(const struct rig *r, uint64_t gpa)
{
	uint32_t word;

	assert_true(gpa < RIG_RAM && gpa % 4 == 0);
	memcpy(&word, r->ram + gpa, sizeof(word));
	return word;
}

/* ---- the log ---- */

void rig_clear(struct rig *r)
{
	r->count = 0;
}

uint32_t rig_count(const struct rig *r, enum rig_kind kind)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < r->count; i++)
		n += r->event[i].kind == kind;
	return n;
}

const struct rig_event *rig_nth(const struct rig *r, enum rig_kind kind, uint32_t n)
{
	for (uint32_t i = 0; i < r->count; i++) {
		if (r->event[i].kind == kind && n-- == 0)
			return &r->event[i];
	}
	return NULL;
}

uint64_t rig_frcd_low(struct rig *r, unsigned n)
{
	return rig_r64(r, r->frcd + 16 * n);
}

uint64_t rig_frcd_high(struct rig *r, unsigned n)
{
	return rig_r64(r, r->frcd + 16 * n + 8);
}

static unsigned records(struct rig *r)
{
	return (unsigned)(rig_r64(r, R_CAP) >> 40 & 0xff) + 1;
}

void rig_faults_clear(struct rig *r)
{
	for (unsigned i = 0; i < records(r); i++)
		rig_w64(r, r->frcd + 16 * i + 8, RB(63));
	rig_w32(r, R_FSTS, (uint32_t)(FS_PFO | FS_IQE | FS_ICE | FS_ITE));
	rig_equal(rig_r32(r, R_FSTS) & 0xff, 0);
}

unsigned rig_fault_take(struct rig *r)
{
	unsigned reason = 0;
	unsigned found = 0;

	for (unsigned i = 0; i < records(r); i++) {
		uint64_t high = rig_frcd_high(r, i);

		if (FR_F(high)) {
			reason = FR_REASON(high);
			found++;
		}
	}
	rig_equal(found <= 1, true);
	rig_equal(!found, !(rig_r32(r, R_FSTS) & FS_PPF));
	rig_faults_clear(r);
	return reason;
}
