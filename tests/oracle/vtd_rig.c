/* SPDX-License-Identifier: BSD-3-Clause */
/* vtd_rig.c - an engine under test, programmed through its registers. */
#include "in_section.h"
#include "vtd_rig.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define BIT(n) (UINT64_C(1) << (n))

/* 10.4: offsets, and the record at CAP.FRO of every unit of the generator. */
enum {
	GCMD = 0x18,
	RTADDR = 0x20,
	CCMD = 0x28,
	FSTS = 0x34,
	PMEN = 0x64,
	PLMBASE = 0x68,
	PLMLIMIT = 0x6c,
	PHMBASE = 0x70,
	PHMLIMIT = 0x78,
	IOTLB = 0x108,
	FRCD = 0x220,
};
enum { TE = 31, SRTP = 30 };

/* --- Memory --- */

static int read_memory(void *opaque, uint64_t gpa, void *to, uint32_t bytes)
{
	struct vt_memory *m = opaque;

	m->reads++;
	if (gpa > 8 * m->nwords || bytes > 8 * m->nwords - gpa)
		return 1;
	memcpy(to, (const uint8_t *)m->words + gpa, bytes);
	return 0;
}

static int write_memory(void *opaque, uint64_t gpa, const void *from, uint32_t bytes)
{
	struct vt_memory *m = opaque;

	if (gpa > 8 * m->nwords || bytes > 8 * m->nwords - gpa ||
	    (gpa <= m->ro_last && gpa + bytes > m->ro_first))
		return 1;
	memcpy((uint8_t *)m->words + gpa, from, bytes);
	return 0;
}

static int swap_memory(void *opaque, uint64_t gpa, uint64_t *expected, uint64_t desired)
{
	uint64_t now;

	if (!vt_load64(opaque, gpa, &now))
		return 1;
	if (now != *expected) {
		*expected = now;
		return 0;
	}
	return !vt_store64(opaque, gpa, desired);
}

static void add_region(struct rig *rig, uint64_t first, uint64_t end, uint32_t flags)
{
	struct viommu_region region = {
		.size = sizeof(region),
		.flags = flags,
		.gpa = first,
		.bytes = end - first,
		.host = rig->mem.words + first / 8,
	};

	if (first < end)
		assert_int_equal(viommu_vm_add_region(rig->vm, &region), VIOMMU_OK);
}

static void add_memory(struct rig *rig)
{
	uint64_t size = 8 * rig->mem.nwords;
	uint64_t ro = rig->mem.ro_first, ro_end = rig->mem.ro_last + 1;

	if (ro_end <= ro || ro >= size) {
		add_region(rig, 0, size, 0);
		return;
	}
	if (ro_end > size)
		ro_end = size;
	add_region(rig, 0, ro, 0);
	add_region(rig, ro, ro_end, VIOMMU_REGION_READONLY);
	add_region(rig, ro_end, size, 0);
}

/* --- Registers --- */

static void write_register(struct rig *rig, uint64_t offset, uint32_t bytes, uint64_t value)
{
	int result = viommu_reg_write(rig->iommu, offset, bytes, value);

	assert_int_equal(result, VIOMMU_OK);
}

static uint64_t read_register(struct rig *rig, uint64_t offset, uint32_t bytes)
{
	uint64_t value;

	assert_int_equal(viommu_reg_read(rig->iommu, offset, bytes, &value), VIOMMU_OK);
	return value;
}

static void program(struct rig *rig)
{
	const struct vo_unit *u = &rig->unit;

	if (u->pmr_enabled) {
		write_register(rig, PLMBASE, 4, u->plm_base);
		write_register(rig, PLMLIMIT, 4, u->plm_limit);
		write_register(rig, PHMBASE, 8, u->phm_base);
		write_register(rig, PHMLIMIT, 8, u->phm_limit);
		write_register(rig, PMEN, 4, BIT(31));
	}
	write_register(rig, RTADDR, 8, u->rtaddr);
	write_register(rig, GCMD, 4, BIT(SRTP));
	if (u->te)
		write_register(rig, GCMD, 4, BIT(TE));
}

void rig_flush(struct rig *rig, enum rig_flush how)
{
	bool legacy = !(rig->unit.rtaddr & (BIT(10) | BIT(11)));

	if (how == RIG_RESET) {
		assert_int_equal(viommu_reset(rig->iommu), VIOMMU_OK);
		program(rig);
	} else if (how == RIG_REGISTERS && legacy && rig->unit.version_major < 6) {
		write_register(rig, CCMD, 8, BIT(63) | BIT(61));
		write_register(rig, IOTLB, 8, BIT(63) | BIT(60));
		assert_int_equal(read_register(rig, IOTLB, 8) >> 57 & 3, 1);
	} else {
		write_register(rig, GCMD, 4, BIT(SRTP) | (rig->unit.te ? BIT(TE) : 0));
	}
}

/* --- Making and unmaking --- */

bool rig_init(struct rig *rig, size_t nwords)
{
	*rig = (struct rig){ .vm = NULL };
	return vt_memory_init(&rig->mem, nwords);
}

void rig_fini(struct rig *rig)
{
	vt_memory_fini(&rig->mem);
}

static void why(void *opaque, const char *text)
{
	((struct rig *)opaque)->refused = text;
}

static void make_vm(struct rig *rig)
{
	struct viommu_vm_config config = { .size = sizeof(config), .hash_key = { 1, 2 } };

	if (rig->callbacks) {
		config.opaque = &rig->mem;
		config.read = read_memory;
		config.write = write_memory;
		config.cmpxchg = swap_memory;
	}
	assert_int_equal(viommu_vm_new(&config, &rig->vm), VIOMMU_OK);
	if (!rig->callbacks)
		add_memory(rig);
}

bool rig_open(struct rig *rig, const struct vt_image *image, bool callbacks)
{
	struct viommu_limits limits = {
		.size = sizeof(limits), .tlb_entries = 256, .contexts = 64, .domains = 64
	};
	struct viommu_host host = { .size = sizeof(host), .opaque = rig, .message = why };
	struct viommu_vtd_config config = {
		.size = sizeof(config),
		.cap = image->unit.cap,
		.ecap = image->unit.ecap,
		.version = image->unit.version_major << 4,
		.haw = image->unit.haw,
		.host = &host,
		.limits = &limits,
	};

	vt_load(&rig->mem, image);
	rig->unit = image->unit;
	rig->callbacks = callbacks;
	rig->refused = NULL;
	rig->ndevices = rig->nchannels = rig->next_device = rig->next_channel = 0;
	make_vm(rig);
	if (viommu_vtd_new(rig->vm, &config, &rig->iommu) != VIOMMU_OK) {
		viommu_vm_free(rig->vm);
		vt_unload(&rig->mem, image);
		return false;
	}
	program(rig);
	return true;
}

void rig_close(struct rig *rig, const struct vt_image *image)
{
	for (unsigned i = 0; i < rig->nchannels; i++)
		assert_int_equal(viommu_channel_free(rig->channel[i].channel), VIOMMU_OK);
	for (unsigned i = 0; i < rig->ndevices; i++)
		assert_int_equal(viommu_device_free(rig->device[i].device), VIOMMU_OK);
	assert_int_equal(viommu_free(rig->iommu), VIOMMU_OK);
	assert_int_equal(viommu_vm_free(rig->vm), VIOMMU_OK);
	vt_unload(&rig->mem, image);
}

/* One of few devices; when all are taken, one of them is given another requester id. */
struct viommu_device *rig_device(struct rig *rig, uint16_t rid)
{
	struct viommu_device_config config = { .size = sizeof(config), .id = rid };
	struct rig_device *d;

	for (unsigned i = 0; i < rig->ndevices; i++)
		if (rig->device[i].rid == rid)
			return rig->device[i].device;
	if (rig->ndevices < RIG_DEVICES) {
		d = &rig->device[rig->ndevices++];
		assert_int_equal(viommu_device_new(rig->iommu, &config, &d->device), VIOMMU_OK);
	} else {
		d = &rig->device[rig->next_device++ % RIG_DEVICES];
		assert_int_equal(viommu_device_set_id(d->device, rid), VIOMMU_OK);
	}
	d->rid = rid;
	return d->device;
}

static struct viommu_channel *channel_of(struct rig *rig, struct viommu_device *device,
					 uint32_t pasid)
{
	struct rig_channel *c;

	for (unsigned i = 0; i < rig->nchannels; i++)
		if (rig->channel[i].device == device && rig->channel[i].pasid == pasid)
			return rig->channel[i].channel;
	if (rig->nchannels < RIG_CHANNELS) {
		c = &rig->channel[rig->nchannels++];
	} else {
		c = &rig->channel[rig->next_channel++ % RIG_CHANNELS];
		assert_int_equal(viommu_channel_free(c->channel), VIOMMU_OK);
	}
	c->device = device;
	c->pasid = pasid;
	assert_int_equal(viommu_channel_new(device, pasid, &c->channel), VIOMMU_OK);
	return c->channel;
}

/* --- Requests --- */

static struct viommu_request as_request(const struct vo_request *req, uint64_t last)
{
	static const uint16_t type[] = {
		[VO_AT_UNTRANSLATED] = VIOMMU_AT_UNTRANSLATED,
		[VO_AT_TRANSLATION_REQUEST] = VIOMMU_AT_TRANSLATION,
		[VO_AT_TRANSLATED] = VIOMMU_AT_TRANSLATED,
	};
	bool ats = req->at == VO_AT_TRANSLATION_REQUEST;
	bool read = ats || req->read || req->exec;
	bool write = ats ? !req->no_write : req->write;

	return (struct viommu_request){
		.first = req->iova,
		.last = last,
		.pasid = req->has_pasid ? req->pasid : VIOMMU_NO_PASID,
		.access = (uint16_t)((read ? VIOMMU_READ : 0) | (write ? VIOMMU_WRITE : 0) |
				     (req->exec ? VIOMMU_EXEC : 0) | (req->priv ? VIOMMU_PRIV : 0)),
		.type = type[req->at],
	};
}

int rig_range(struct rig *rig, const struct vo_request *req, uint64_t last, enum rig_way way,
	      struct viommu_fragment *fragment, uint32_t max, struct viommu_answer *answer)
{
	struct viommu_request request = as_request(req, last);
	struct viommu_device *device = rig_device(rig, req->rid);

	if (way == RIG_DEVICE)
		return viommu_device_translate(device, &request, fragment, max, answer);
	return translate_in_section(channel_of(rig, device, request.pasid), &request, fragment, max,
				    answer);
}

/* 10.4.14: the only record of the unit. */
void rig_read_record(struct rig *rig, struct rig_record *record)
{
	uint64_t lo, hi;

	*record = (struct rig_record){ .present = read_register(rig, FSTS, 4) & BIT(1) };
	if (!record->present)
		return;
	lo = read_register(rig, FRCD, 8);
	hi = read_register(rig, FRCD + 8, 8);
	record->page = lo;
	record->sid = (uint16_t)hi;
	record->type = (uint8_t)((hi >> 62 & 1) << 1 | (hi >> 28 & 1));
	record->priv = hi >> 29 & 1;
	record->exec = hi >> 30 & 1;
	record->has_pasid = hi >> 31 & 1;
	record->reason = (uint8_t)(hi >> 32);
	record->pasid = (uint32_t)(hi >> 40 & 0xfffff);
	record->at = (uint8_t)(hi >> 60 & 3);
	write_register(rig, FRCD + 12, 4, BIT(31));
}

void rig_request(struct rig *rig, const struct vo_request *req, enum rig_way way,
		 struct rig_answer *answer)
{
	memset(answer, 0, sizeof(*answer));
	answer->result = rig_range(rig, req, req->iova, way, &answer->fragment, 1, &answer->answer);
	rig_read_record(rig, &answer->record);
}

static int no_step(void *opaque, const struct viommu_step *step)
{
	return 0;
}

int rig_explain(struct rig *rig, const struct vo_request *req)
{
	struct viommu_request request = as_request(req, req->iova);

	return viommu_explain(rig_device(rig, req->rid), &request, 0, no_step, NULL);
}
