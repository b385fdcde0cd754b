/* SPDX-License-Identifier: BSD-3-Clause */
/* vtd_rig_io.c - what the guest and its devices do to the unit: registers, queue, requests. */

#include "vtd_rig.h"

#include <string.h>

/* ---- registers ---- */

uint64_t rig_read(struct rig *r, uint64_t offset, uint32_t bytes)
{
	uint64_t value = 0x5a5a5a5a5a5a5a5a;

	assert_int_equal(viommu_reg_read(r->iommu, offset, bytes, &value), VIOMMU_OK);
	return value;
}

uint32_t rig_r32(struct rig *r, uint64_t offset)
{
	return (uint32_t)rig_read(r, offset, 4);
}

uint64_t rig_r64(struct rig *r, uint64_t offset)
{
	return rig_read(r, offset, 8);
}

int rig_w32(struct rig *r, uint64_t offset, uint32_t value)
{
	int result = viommu_reg_write(r->iommu, offset, 4, value);

	assert_true(result == VIOMMU_OK || result == VIOMMU_PENDING);
	return result;
}

int rig_w64(struct rig *r, uint64_t offset, uint64_t value)
{
	int result = viommu_reg_write(r->iommu, offset, 8, value);

	assert_true(result == VIOMMU_OK || result == VIOMMU_PENDING);
	return result;
}

int rig_gcmd(struct rig *r, uint64_t on, uint64_t off)
{
	uint64_t now = rig_r32(r, R_GSTS) & G_LASTING;

	return rig_w32(r, R_GCMD, (uint32_t)((now & ~off) | on));
}

void rig_root(struct rig *r, uint64_t rtaddr)
{
	rig_w64(r, R_RTADDR, rtaddr);
	rig_equal(rig_gcmd(r, G_SRTP, 0), VIOMMU_OK);
	rig_equal(rig_r32(r, R_GSTS) & G_SRTP, G_SRTP);
	if (rig_r32(r, R_GSTS) & G_TE)
		return;
	rig_equal(rig_gcmd(r, G_TE, 0), VIOMMU_OK);
	rig_equal(rig_r32(r, R_GSTS) & G_TE, G_TE);
}

void rig_event_on(struct rig *r, uint32_t control, uint64_t address, uint32_t data)
{
	rig_w32(r, control + 4, data);
	rig_w32(r, control + 8, (uint32_t)address);
	rig_w32(r, control + 12, (uint32_t)(address >> 32));
	rig_w32(r, control, 0);
}

/* ---- queue ---- */

void rig_queue(struct rig *r, unsigned qs, bool wide)
{
	r->queue_bytes = UINT64_C(4096) << qs;
	r->queue = rig_alloc(r, r->queue_bytes);
	r->tail = 0;
	r->wide = wide;
	rig_w64(r, R_IQT, 0);
	rig_w64(r, R_IQA, r->queue | (wide ? RB(11) : 0) | qs);
	rig_equal(rig_gcmd(r, G_QIE, 0), VIOMMU_OK);
	rig_equal(rig_r32(r, R_GSTS) & G_QIE, G_QIE);
	rig_equal(rig_r64(r, R_IQH), 0);
}

void rig_push4(struct rig *r, const uint64_t q[4])
{
	unsigned words = r->wide ? 4 : 2;

	for (unsigned i = 0; i < words; i++)
		rig_at(r, r->queue + r->tail)[i] = q[i];
	r->tail = (r->tail + words * 8) & (r->queue_bytes - 1);
}

void rig_push(struct rig *r, uint64_t q0, uint64_t q1)
{
	const uint64_t q[4] = { q0, q1 };

	rig_push4(r, q);
}

int rig_kick(struct rig *r)
{
	return rig_w64(r, R_IQT, r->tail);
}

int rig_submit(struct rig *r, uint64_t q0, uint64_t q1)
{
	rig_push(r, q0, q1);
	return rig_kick(r);
}

int rig_wait(struct rig *r, uint32_t data)
{
	return rig_submit(r, (uint64_t)data << 32 | RB(5) | 5, r->status);
}

void rig_queue_recover(struct rig *r)
{
	uint64_t head = rig_r64(r, R_IQH);

	/* as software does: the offender is replaced by something harmless, here nothing at all */
	r->tail = head;
	rig_w64(r, R_IQT, head);
	rig_w32(r, R_FSTS, (uint32_t)(FS_IQE | FS_ITE));
	rig_equal(rig_r32(r, R_FSTS) & (FS_IQE | FS_ITE), 0);
	rig_equal(rig_r64(r, R_IQH), head);
}

/* ---- requests ---- */

static struct rig_answer answer_of(int result, const struct viommu_answer *a,
				   const struct viommu_fragment *f)
{
	struct rig_answer answer = { .result = result };

	if (result < 0)
		return answer;
	answer.reason = a->reason;
	answer.ats = a->ats;
	if (a->count) {
		answer.gpa = f->gpa;
		answer.perm = f->perm;
		answer.length = f->length;
	}
	return answer;
}

struct rig_answer rig_dma(struct viommu_channel *channel, uint32_t pasid, uint64_t iova,
			  uint32_t access)
{
	const struct viommu_request request = {
		.first = iova, .last = iova, .pasid = pasid, .access = (uint16_t)access
	};
	struct viommu_fragment f;
	struct viommu_answer a;
	int result = viommu_translate(channel, &request, &f, 1, &a);

	return answer_of(result, &a, &f);
}

struct rig_answer rig_device_dma(struct viommu_device *device, uint32_t pasid, uint64_t iova,
				 uint32_t access, uint32_t type)
{
	const struct viommu_request request = { .first = iova,
						.last = iova,
						.pasid = pasid,
						.access = (uint16_t)access,
						.type = (uint16_t)type };
	struct viommu_fragment f;
	struct viommu_answer a;
	int result = viommu_device_translate(device, &request, &f, 1, &a);

	return answer_of(result, &a, &f);
}
