/* SPDX-License-Identifier: BSD-3-Clause */
/* smmu_rig.c - an SMMU, programmed through its registers and its command queue (IHI 0070, 3.5, 4, 6.3). */
#include "in_section.h"
#include "smmu_rig.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include <libvirtiommu/smmuv3.h>

/* 6.2: offsets */
enum {
	CR0 = 0x20,
	CR2 = 0x2c,
	GBPA = 0x44,
	GERROR = 0x60,
	STRTAB_BASE = 0x80,
	STRTAB_BASE_CFG = 0x88,
	CMDQ_BASE = 0x90,
	CMDQ_PROD = 0x98,
	CMDQ_CONS = 0x9c,
	EVENTQ_BASE = 0xa0,
	EVENTQ_PROD = 0x100a8,
	EVENTQ_CONS = 0x100ac,
};
enum { LOG2_COMMANDS = 6, LOG2_EVENTS = 5, EVENTS_AT = 0x8000, QUEUE_BYTES = 0x10000 };

/* ---- memory ---- */

static uint64_t *word_at(struct smmu_rig *rig, uint64_t gpa)
{
	if (gpa < SI_BYTES)
		return &rig->mem.words[gpa / 8];
	if (gpa >= SR_QUEUES && gpa < SR_QUEUES + QUEUE_BYTES)
		return &rig->queues[(gpa - SR_QUEUES) / 8];
	return NULL;
}

static int read_memory(void *opaque, uint64_t gpa, void *to, uint32_t bytes)
{
	uint64_t *w = word_at(opaque, gpa);

	if (!w || gpa % 8 + bytes > 64)
		return 1;
	memcpy(to, (uint8_t *)w + gpa % 8, bytes);
	return 0;
}

static int write_memory(void *opaque, uint64_t gpa, const void *from, uint32_t bytes)
{
	uint64_t *w = word_at(opaque, gpa);

	if (!w || gpa % 8 + bytes > 64)
		return 1;
	memcpy((uint8_t *)w + gpa % 8, from, bytes);
	return 0;
}

static int swap_memory(void *opaque, uint64_t gpa, uint64_t *expected, uint64_t desired)
{
	uint64_t *w = word_at(opaque, gpa);

	if (!w)
		return 1;
	if (*w != *expected)
		*expected = *w;
	else
		*w = desired;
	return 0;
}

static void add_region(struct smmu_rig *rig, uint64_t gpa, uint64_t bytes, void *host)
{
	struct viommu_region region = {
		.size = sizeof(region), .gpa = gpa, .bytes = bytes, .host = host
	};

	assert_int_equal(viommu_vm_add_region(rig->vm, &region), VIOMMU_OK);
}

static void make_vm(struct smmu_rig *rig)
{
	struct viommu_vm_config config = { .size = sizeof(config), .hash_key = { 1, 2 } };

	if (rig->callbacks) {
		config.opaque = rig;
		config.read = read_memory;
		config.write = write_memory;
		config.cmpxchg = swap_memory;
	}
	assert_int_equal(viommu_vm_new(&config, &rig->vm), VIOMMU_OK);
	if (rig->callbacks)
		return;
	add_region(rig, 0, SI_BYTES, rig->mem.words);
	add_region(rig, SR_QUEUES, QUEUE_BYTES, rig->queues);
}

/* ---- registers ---- */

static void run(struct smmu_rig *rig, int result)
{
	for (unsigned i = 0; result == VIOMMU_PENDING && i < 1000; i++)
		result = viommu_run(rig->iommu);
	assert_int_equal(result, VIOMMU_OK);
}

static void write_register(struct smmu_rig *rig, uint64_t offset, uint32_t bytes, uint64_t value)
{
	run(rig, viommu_reg_write(rig->iommu, offset, bytes, value));
}

static uint32_t read_register(struct smmu_rig *rig, uint64_t offset)
{
	uint64_t value;

	assert_int_equal(viommu_reg_read(rig->iommu, offset, 4, &value), VIOMMU_OK);
	return (uint32_t)value;
}

static void program(struct smmu_rig *rig)
{
	const struct so_unit *u = &rig->image->unit;
	uint32_t cr0 = 1U << 2 | 1U << 3 | (uint32_t)u->atschk << 4;

	rig->command = rig->event = 0;
	write_register(rig, GBPA, 4, u->gbpa | 1U << 31);
	write_register(rig, STRTAB_BASE, 8, u->strtab_base);
	write_register(rig, STRTAB_BASE_CFG, 4, u->strtab_cfg);
	write_register(rig, CMDQ_BASE, 8, SR_QUEUES | LOG2_COMMANDS);
	write_register(rig, CMDQ_PROD, 4, 0);
	write_register(rig, CMDQ_CONS, 4, 0);
	write_register(rig, EVENTQ_BASE, 8, (SR_QUEUES + EVENTS_AT) | LOG2_EVENTS);
	write_register(rig, EVENTQ_PROD, 4, 0);
	write_register(rig, EVENTQ_CONS, 4, 0);
	write_register(rig, CR2, 4,
		       (uint32_t)u->e2h | (uint32_t)u->recinvsid << 1 |
			       (uint32_t)u->rec_cfg_ats << 3);
	write_register(rig, CR0, 4, cr0);
	if (u->enabled)
		write_register(rig, CR0, 4, cr0 | 1);
}

static void ring(struct smmu_rig *rig)
{
	write_register(rig, CMDQ_PROD, 4, rig->command);
	assert_int_equal(read_register(rig, CMDQ_CONS), rig->command);
	assert_int_equal(read_register(rig, GERROR), 0);
}

void smmu_rig_put_command(struct smmu_rig *rig, uint64_t w0, uint64_t w1)
{
	uint32_t index = rig->command & ((1U << LOG2_COMMANDS) - 1);

	if ((w0 & 0xff) != 0x46) {
		rig->last[0] = w0;
		rig->last[1] = w1;
	}
	rig->queues[2 * index] = htole64(w0);
	rig->queues[2 * index + 1] = htole64(w1);
	rig->command = (rig->command + 1) & ((2U << LOG2_COMMANDS) - 1);
	if (index % (1U << (LOG2_COMMANDS - 1)) == 0) /* half of it is in use at most */
		ring(rig);
}

void smmu_rig_sync(struct smmu_rig *rig)
{
	smmu_rig_put_command(rig, 0x46, 0);
	ring(rig);
}

void smmu_rig_flush(struct smmu_rig *rig, enum sr_flush how)
{
	if (how == SR_RESET) {
		run(rig, viommu_reset(rig->iommu));
		program(rig);
	} else if (how == SR_CALL) {
		run(rig, viommu_flush(rig->iommu));
	} else {
		smmu_rig_put_command(rig, 0x04, 31); /* CFGI_ALL */
		if (rig->image->unit.idr[0] >> 9 & 1)
			smmu_rig_put_command(rig, 0x20, 0); /* TLBI_EL2_ALL */
		smmu_rig_put_command(rig, 0x30, 0);	    /* TLBI_NSNH_ALL */
		smmu_rig_sync(rig);
	}
}

/* ---- making ---- */

bool smmu_rig_init(struct smmu_rig *rig)
{
	memset(rig, 0, sizeof(*rig));
	rig->queues = aligned_alloc(4096, QUEUE_BYTES);
	return rig->queues && si_memory_init(&rig->mem);
}

void smmu_rig_fini(struct smmu_rig *rig)
{
	free(rig->queues);
	si_memory_fini(&rig->mem);
}

static void why(void *opaque, const char *text)
{
	((struct smmu_rig *)opaque)->refused = text;
	print_error("refused: %s\n", text);
}

bool smmu_rig_open(struct smmu_rig *rig, const struct si_image *image, bool callbacks)
{
	struct viommu_limits limits = {
		.size = sizeof(limits), .tlb_entries = 256, .contexts = 64, .domains = 64
	};
	struct viommu_host host = { .size = sizeof(host), .opaque = rig, .message = why };
	struct viommu_smmuv3_config config = {
		.size = sizeof(config),
		.aidr = image->unit.minor,
		.host = &host,
		.limits = &limits,
	};

	for (unsigned i = 0; i < 6; i++)
		config.idr[i] = image->unit.idr[i];
	rig->image = image;
	rig->callbacks = callbacks;
	rig->refused = NULL;
	rig->devices = rig->channels = rig->next_device = rig->next_channel = 0;
	memset(rig->queues, 0, QUEUE_BYTES);
	si_load(&rig->mem, image);
	make_vm(rig);
	if (viommu_smmuv3_new(rig->vm, &config, &rig->iommu) != VIOMMU_OK) {
		assert_int_equal(viommu_vm_free(rig->vm), VIOMMU_OK);
		si_unload(&rig->mem, image);
		return false;
	}
	program(rig);
	return true;
}

void smmu_rig_close(struct smmu_rig *rig)
{
	for (unsigned i = 0; i < rig->channels; i++)
		assert_int_equal(viommu_channel_free(rig->channel[i].channel), VIOMMU_OK);
	for (unsigned i = 0; i < rig->devices; i++)
		assert_int_equal(viommu_device_free(rig->device[i].device), VIOMMU_OK);
	assert_int_equal(viommu_free(rig->iommu), VIOMMU_OK);
	assert_int_equal(viommu_vm_free(rig->vm), VIOMMU_OK);
	si_unload(&rig->mem, rig->image);
}

static struct viommu_device *device_of(struct smmu_rig *rig, uint32_t sid)
{
	struct viommu_device_config config = { .size = sizeof(config), .id = sid };
	unsigned i;

	for (i = 0; i < rig->devices; i++)
		if (rig->device[i].sid == sid)
			return rig->device[i].device;
	if (rig->devices < SR_DEVICES) {
		i = rig->devices++;
		assert_int_equal(viommu_device_new(rig->iommu, &config, &rig->device[i].device),
				 VIOMMU_OK);
	} else {
		i = rig->next_device++ % SR_DEVICES;
		assert_int_equal(viommu_device_set_id(rig->device[i].device, sid), VIOMMU_OK);
	}
	rig->device[i].sid = sid;
	return rig->device[i].device;
}

static struct viommu_channel *channel_of(struct smmu_rig *rig, struct viommu_device *device,
					 uint32_t pasid)
{
	struct sr_channel *c;

	for (unsigned i = 0; i < rig->channels; i++)
		if (rig->channel[i].device == device && rig->channel[i].pasid == pasid)
			return rig->channel[i].channel;
	if (rig->channels < SR_CHANNELS) {
		c = &rig->channel[rig->channels++];
	} else {
		c = &rig->channel[rig->next_channel++ % SR_CHANNELS];
		assert_int_equal(viommu_channel_free(c->channel), VIOMMU_OK);
	}
	c->device = device;
	c->pasid = pasid;
	assert_int_equal(viommu_channel_new(device, pasid, &c->channel), VIOMMU_OK);
	return c->channel;
}

/* ---- requests ---- */

static struct viommu_request as_request(const struct so_request *q)
{
	static const uint16_t types[] = { VIOMMU_AT_UNTRANSLATED, VIOMMU_AT_TRANSLATION,
					  VIOMMU_AT_TRANSLATED };

	return (struct viommu_request){
		.first = q->address,
		.last = q->address,
		.pasid = q->ssv ? q->ssid : VIOMMU_NO_PASID,
		.access = (uint16_t)((q->read ? VIOMMU_READ : 0) | (q->write ? VIOMMU_WRITE : 0) |
				     (q->fetch ? VIOMMU_EXEC : 0) |
				     (q->privileged ? VIOMMU_PRIV : 0)),
		.type = types[q->type],
	};
}

static void read_record(struct smmu_rig *rig, struct sr_answer *a)
{
	uint32_t prod = read_register(rig, EVENTQ_PROD);
	const uint64_t *record;

	a->recorded = prod != rig->event;
	if (!a->recorded)
		return;
	record = &rig->queues[EVENTS_AT / 8 + 4 * (rig->event & ((1U << LOG2_EVENTS) - 1))];
	for (unsigned i = 0; i < 4; i++)
		a->record[i] = le64toh(record[i]);
	rig->event = (rig->event + 1) & ((2U << LOG2_EVENTS) - 1);
	assert_int_equal(prod, rig->event); /* one at a time */
	write_register(rig, EVENTQ_CONS, 4, rig->event);
}

void smmu_rig_request(struct smmu_rig *rig, const struct so_request *q, enum sr_way way,
		      struct sr_answer *a)
{
	struct viommu_request request = as_request(q);
	struct viommu_device *device = device_of(rig, q->sid);

	memset(a, 0, sizeof(*a));
	a->result = way == SR_DEVICE
			    ? viommu_device_translate(device, &request, &a->fragment, 1, &a->answer)
			    : translate_in_section(channel_of(rig, device, request.pasid), &request,
						   &a->fragment, 1, &a->answer);
	read_record(rig, a);
}

static int no_step(void *opaque, const struct viommu_step *step)
{
	return 0;
}

int smmu_rig_explain(struct smmu_rig *rig, const struct so_request *q)
{
	struct viommu_request request = as_request(q);

	return viommu_explain(device_of(rig, q->sid), &request, 0, no_step, NULL);
}

/* ---- comparison ---- */

static const char *found_differs(const struct so_request *q, const struct so_answer *o,
				 const struct sr_answer *e, bool warm)
{
	uint32_t perm =
		(o->r ? VIOMMU_READ : 0) | (o->w ? VIOMMU_WRITE : 0) | (o->x ? VIOMMU_EXEC : 0);

	if (e->answer.count != 1 || e->fragment.length != 1)
		return "fragments";
	if (e->fragment.gpa != o->pa)
		return "address";
	if (q->type == SO_TRANSLATED) /* is no fetch */
		perm = (perm & ~(uint32_t)VIOMMU_EXEC) | (e->fragment.perm & VIOMMU_EXEC);
	if (e->fragment.perm != perm)
		return "permission";
	if (o->w && e->fragment.perm == perm &&
	    (e->fragment.flags & VIOMMU_FRAGMENT_CLEAN) != (o->clean ? 1U : 0U) &&
	    !(warm && !o->clean))
		return "clean";
	if (e->answer.extent_lg2 < 12)
		return "extent";
	return NULL;
}

/* 7.3.16: TTRnW is unknown unless CLASS is TT. 3.9.1.2: so is RnW of what translation requests record. */
static uint64_t known(const struct so_request *q, const struct so_answer *o, unsigned word)
{
	uint64_t unknown = 0;

	if (word == 1 && (o->record[1] >> 40 & 3) != 1)
		unknown |= UINT64_C(1) << 44;
	if (word == 1 && q->type == SO_TRANSLATE)
		unknown |= UINT64_C(1) << 35;
	return ~unknown;
}

static const char *completion_differs(const struct so_request *q, const struct so_answer *o,
				      const struct sr_answer *e)
{
	static const uint16_t ats[] = { VIOMMU_ATS_SUCCESS, VIOMMU_ATS_UNSUPPORTED,
					VIOMMU_ATS_ABORT };
	uint32_t perm =
		(o->r ? VIOMMU_READ : 0) | (o->w ? VIOMMU_WRITE : 0) | (o->x ? VIOMMU_EXEC : 0);

	if (e->answer.ats != ats[o->ats])
		return "completion";
	if ((e->result == VIOMMU_OK) != (o->ats == SO_ATS_SUCCESS))
		return "result";
	if (o->ats != SO_ATS_SUCCESS)
		return NULL;
	if (e->fragment.perm != perm &&
	    (q->write || e->fragment.perm != (perm & ~(uint32_t)VIOMMU_WRITE)))
		return "permission";
	return e->fragment.perm && e->fragment.gpa != o->pa ? "address" : NULL;
}

const char *smmu_rig_differs(const struct so_request *q, const struct so_answer *o,
			     const struct sr_answer *e, bool warm)
{
	if (o->recorded != e->recorded)
		return o->recorded ? "no record" : "a record";
	for (unsigned i = 0; i < 4 && o->recorded; i++)
		if ((o->record[i] ^ e->record[i]) & known(q, o, i))
			return "record";
	if (q->type == SO_TRANSLATE)
		return completion_differs(q, o, e);
	if (e->result != (o->ok ? VIOMMU_OK : VIOMMU_FAULT))
		return "result";
	if (o->ok)
		return found_differs(q, o, e, warm);
	if (!(e->answer.flags & VIOMMU_ANSWER_ZERO) != !o->zero)
		return "zero";
	return e->answer.reason != o->event && (o->recorded || e->answer.reason) ? "reason" : NULL;
}
