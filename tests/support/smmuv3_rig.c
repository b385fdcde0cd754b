/* SPDX-License-Identifier: BSD-3-Clause */
/* smmuv3_rig.c - a guest of an SMMUv3 for tests. */

#include "smmuv3_rig.h"

#include "check.h"
#include "guest_internal.h"

#include <string.h>

/* ---- the host ---- */

static void note_msi(void *opaque, uint64_t address, uint32_t data)
{
	struct guest *g = opaque;
	unsigned n = guest_called(g, GUEST_ON_MSI);

	if (n < GUEST_LOG)
		g->msi[n] = (struct guest_msi){ address, data };
}

static void note_work(void *opaque)
{
	guest_called(opaque, GUEST_ON_WORK);
}

static void note_message(void *opaque, const char *text)
{
	struct guest *g = opaque;

	guest_called(g, GUEST_ON_MESSAGE);
	g->message = text;
}

static void note_line(void *opaque, uint32_t number, uint32_t level)
{
	struct smmu_rig *r = opaque; /* g is the first member */

	assert_true(number < 4 && level <= 1);
	r->lines[number] += level;
}

/* ---- life ---- */

void sm_everything(struct viommu_smmuv3_config *config)
{
	*config = (struct viommu_smmuv3_config){ .size = sizeof(*config), .aidr = 4 };
	config->idr[0] =
		(uint32_t)(IDR0_S2P | IDR0_S1P | bits_put(IDR0_TTF, 2) | IDR0_COHACC |
			   bits_put(IDR0_HTTU, 3) | IDR0_HYP | IDR0_ATS | IDR0_ASID16 | IDR0_MSI |
			   IDR0_SEV | IDR0_ATOS | IDR0_PRI | IDR0_VMW | IDR0_VMID16 | IDR0_CD2L |
			   IDR0_ATSRECERR | bits_put(IDR0_ST_LEVEL, 1));
	config->idr[1] = (uint32_t)(bits_put(IDR1_SIDSIZE, 32) | bits_put(IDR1_SSIDSIZE, 20) |
				    bits_put(IDR1_PRIQS, 19) | bits_put(IDR1_EVENTQS, 19) |
				    bits_put(IDR1_CMDQS, 19) | IDR1_PERMS_OVR | IDR1_TYPES_OVR);
	config->idr[3] = (uint32_t)(IDR3_HAD | IDR3_XNX | IDR3_PPS | IDR3_FWB | IDR3_STT |
				    IDR3_RIL | bits_put(IDR3_BBML, 2) | IDR3_E0PD | IDR3_EPAN);
	config->idr[5] =
		(uint32_t)(bits_put(IDR5_OAS, 6) | IDR5_GRAN4K | IDR5_GRAN16K | IDR5_GRAN64K |
			   IDR5_DS | bits_put(IDR5_VAX, 1) | bits_put(IDR5_STALL_MAX, 4));
}

static int try_new(struct smmu_rig *r)
{
	static const struct viommu_limits small = { .size = sizeof(small),
						    .tlb_entries = 320,
						    .contexts = 64,
						    .domains = 64,
						    .devices = 64,
						    .channels = 64,
						    .outstanding = 16 };

	r->g.host = (struct viommu_host){ .size = sizeof(r->g.host),
					  .opaque = &r->g,
					  .msi = note_msi,
					  .work = note_work,
					  .message = note_message,
					  .trace = r->g.trace,
					  .line = note_line };
	if (!r->config.host)
		r->config.host = &r->g.host;
	if (!r->config.limits)
		r->config.limits = &small;
	return viommu_smmuv3_new(r->g.vm, &r->config, &r->g.iommu);
}

static int try_open(struct smmu_rig *r, const struct viommu_smmuv3_config *config,
		    enum guest_memory memory)
{
	memset(r, 0, sizeof(*r));
	guest_init(&r->g, memory, 192);
	if (config)
		r->config = *config;
	r->config.size = sizeof(r->config);
	return try_new(r);
}

int sm_try_open(struct smmu_rig *r, const struct viommu_smmuv3_config *config)
{
	return try_open(r, config, GUEST_REGION);
}

void sm_open_memory(struct smmu_rig *r, const struct viommu_smmuv3_config *config,
		    enum guest_memory memory)
{
	int result = try_open(r, config, memory);

	if (result)
		fail_msg("viommu_smmuv3_new: %s: %s", viommu_strerror(result),
			 r->g.message ? r->g.message : "no message");
	r->strtab = guest_alloc(&r->g, 1);
	r->cmdq = guest_alloc(&r->g, 1);
	r->eventq = guest_alloc(&r->g, 1);
	r->priq = guest_alloc(&r->g, 1);
	r->status = guest_alloc(&r->g, 1);
}

void sm_open(struct smmu_rig *r, const struct viommu_smmuv3_config *config)
{
	sm_open_memory(r, config, GUEST_REGION);
}

void sm_close(struct smmu_rig *r)
{
	r->g.hook = NULL;
	assert_int_equal(viommu_device_free(r->waits), VIOMMU_OK);
	guest_fini(&r->g);
}

struct viommu *sm_another(struct smmu_rig *r)
{
	struct viommu *old = r->g.iommu;

	assert_int_equal(try_new(r), VIOMMU_OK);
	return old;
}

/* ---- registers ---- */

uint64_t sm_read(struct smmu_rig *r, uint64_t offset, uint32_t bytes)
{
	uint64_t value = 0;

	assert_int_equal(viommu_reg_read(r->g.iommu, offset, bytes, &value), VIOMMU_OK);
	return value;
}

int sm_write(struct smmu_rig *r, uint64_t offset, uint32_t bytes, uint64_t value)
{
	int result = viommu_reg_write(r->g.iommu, offset, bytes, value);

	assert_true(result == VIOMMU_OK || result == VIOMMU_PENDING);
	return result;
}

int sm_run(struct smmu_rig *r)
{
	int result = VIOMMU_PENDING;

	for (unsigned i = 0; i < 1000 && result == VIOMMU_PENDING; i++)
		result = viommu_run(r->g.iommu);
	return result;
}

void sm_start_with(struct smmu_rig *r, uint64_t cr0)
{
	uint64_t enable = CR0_SMMUEN | CR0_EVENTQEN | CR0_CMDQEN | cr0;

	sm_write(r, SMMU_STRTAB_BASE, 8, r->strtab);
	sm_write(r, SMMU_STRTAB_BASE_CFG, 4, SM_STREAMS_LG2);
	sm_write(r, SMMU_CMDQ_BASE, 8, r->cmdq | SM_QUEUE_LG2);
	sm_write(r, SMMU_CMDQ_PROD, 4, 0);
	sm_write(r, SMMU_CMDQ_CONS, 4, 0);
	sm_write(r, SMMU_EVENTQ_BASE, 8, r->eventq | SM_QUEUE_LG2);
	sm_write(r, SMMU_EVENTQ_PROD, 4, 0);
	sm_write(r, SMMU_EVENTQ_CONS, 4, 0);
	sm_write(r, SMMU_PRIQ_BASE, 8, r->priq | SM_QUEUE_LG2);
	sm_write(r, SMMU_IRQ_CTRL, 4, IRQ_GERROR | IRQ_EVENTQ | IRQ_PRIQ);
	sm_write(r, SMMU_CR0, 4, enable);
	sm_run(r);
	assert_int_equal(sm_read(r, SMMU_CR0ACK, 4), sm_read(r, SMMU_CR0, 4));
}

void sm_start(struct smmu_rig *r)
{
	sm_start_with(r, 0);
}

/* ---- structures ---- */

uint64_t sm_ste(const struct smmu_rig *r, uint32_t sid)
{
	return r->strtab + sid * 64;
}

void sm_put_ste(struct smmu_rig *r, uint32_t sid, uint64_t w0, uint64_t w1, uint64_t w2,
		uint64_t w3)
{
	const uint64_t word[4] = { w0, w1, w2, w3 };

	for (unsigned i = 4; i-- > 0;)
		guest_put64(&r->g, sm_ste(r, sid) + i * 8, word[i]);
}

uint64_t sm_cd(struct smmu_rig *r, uint32_t asid, uint64_t root, uint64_t extra)
{
	uint64_t cd = guest_alloc(&r->g, 1);

	guest_put64(&r->g, cd + 8, root);
	guest_put64(&r->g, cd, SM_CD0(asid) | extra);
	return cd;
}

void sm_stage1(struct smmu_rig *r, uint32_t sid, uint32_t asid, uint64_t root)
{
	sm_put_ste(r, sid, SM_STE0(STE_CONFIG_S1) | sm_cd(r, asid, root, 0), 0, 0, 0);
}

void sm_stage2(struct smmu_rig *r, uint32_t sid, uint32_t vmid, uint64_t root)
{
	sm_put_ste(r, sid, SM_STE0(STE_CONFIG_S2), 0, SM_STE2(vmid), root);
}

void sm_nested(struct smmu_rig *r, uint32_t sid, uint32_t vmid, uint32_t asid, uint64_t root1,
	       uint64_t root2)
{
	sm_put_ste(r, sid, SM_STE0(STE_CONFIG_BOTH) | sm_cd(r, asid, root1, 0), 0, SM_STE2(vmid),
		   root2);
}

uint64_t sm_entry(struct smmu_rig *r, uint64_t root, uint64_t iova, unsigned level)
{
	uint64_t table = root;

	for (unsigned at = 0; at < level; at++) {
		uint64_t entry = table + (iova >> (39 - 9 * at) & 0x1ff) * 8;

		if (!(guest_get64(&r->g, entry) & 1))
			guest_put64(&r->g, entry, guest_alloc(&r->g, 1) | 3);
		table = guest_get64(&r->g, entry) & BITS(47, 12);
	}
	return table + (iova >> (39 - 9 * level) & 0x1ff) * 8;
}

void sm_map(struct smmu_rig *r, uint64_t root, uint64_t iova, uint64_t gpa, uint64_t bits)
{
	guest_put64(&r->g, sm_entry(r, root, iova, 3), gpa | bits);
}

/* ---- commands ---- */

void sm_command(struct smmu_rig *r, uint64_t w0, uint64_t w1)
{
	uint64_t at = r->cmdq + (r->prod & ((1U << SM_QUEUE_LG2) - 1)) * 16;

	guest_put64(&r->g, at, w0);
	guest_put64(&r->g, at + 8, w1);
	r->prod = (r->prod + 1) & ((2U << SM_QUEUE_LG2) - 1);
}

int sm_ring(struct smmu_rig *r)
{
	return sm_write(r, SMMU_CMDQ_PROD, 4, r->prod);
}

int sm_sync(struct smmu_rig *r)
{
	sm_command(r,
		   CMD_SYNC | bits_put(CMD_SYNC_CS, SYNC_IRQ) |
			   bits_put(CMD_SYNC_MSIDATA, ++r->ticket),
		   r->status);
	return sm_ring(r);
}

bool sm_told(struct smmu_rig *r)
{
	return guest_get32(&r->g, r->status) == r->ticket;
}

void sm_do(struct smmu_rig *r, uint64_t w0, uint64_t w1)
{
	sm_command(r, w0, w1);
	sm_sync(r);
	sm_run(r);
	assert_true(sm_told(r));
}

unsigned sm_command_error(struct smmu_rig *r)
{
	if (!((sm_read(r, SMMU_GERROR, 4) ^ sm_read(r, SMMU_GERRORN, 4)) & GERROR_CMDQ))
		return 0;
	return (unsigned)bits_get(sm_read(r, SMMU_CMDQ_CONS, 4), CMDQ_ERR);
}

void sm_acknowledge(struct smmu_rig *r)
{
	sm_write(r, SMMU_GERRORN, 4, sm_read(r, SMMU_GERROR, 4));
}

/* ---- events ---- */

bool sm_event(struct smmu_rig *r, uint64_t word[4])
{
	uint32_t mask = (2U << SM_QUEUE_LG2) - 1;
	uint32_t prod = (uint32_t)sm_read(r, SMMU_EVENTQ_PROD, 4);
	uint64_t at = r->eventq + (r->taken & (mask >> 1)) * 32;

	if ((prod & mask) == r->taken)
		return false;
	for (unsigned i = 0; i < 4; i++)
		word[i] = guest_get64(&r->g, at + i * 8);
	r->taken = (r->taken + 1) & mask;
	sm_write(r, SMMU_EVENTQ_CONS, 4, r->taken | (prod & QUEUE_OVFLG));
	return true;
}

unsigned sm_events(struct smmu_rig *r)
{
	uint64_t word[4];
	unsigned n = 0;

	while (sm_event(r, word))
		n++;
	return n;
}

unsigned sm_event_type(struct smmu_rig *r)
{
	uint64_t word[4];

	if (!sm_event(r, word))
		return 0;
	return sm_events(r) ? 0 : (unsigned)bits_get(word[0], EVENT0_TYPE);
}

/* ---- devices ---- */

static void note_resume(void *opaque, uint64_t token, uint32_t action)
{
	struct smmu_rig *r = opaque;

	if (r->resumes < SM_LOG) {
		r->resumed[r->resumes].token = token;
		r->resumed[r->resumes].action = action;
	}
	r->resumes++;
}

struct viommu_device *sm_waiting_device(struct smmu_rig *r, uint32_t sid)
{
	const struct viommu_device_config config = {
		.size = sizeof(config), .id = sid, .opaque = r, .resume = note_resume
	};

	assert_null(r->waits);
	assert_int_equal(viommu_device_new(r->g.iommu, &config, &r->waits), VIOMMU_OK);
	return r->waits;
}
