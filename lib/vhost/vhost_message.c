/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vhost_message.c - IOTLB messages of vhost and vhost-user, to and from bytes.
 *
 * Two tables: what a form looks like, and which fields a type has. A field that the type does not
 * have is ignored on the way in, because senders leave garbage there, and 0 on the way out.
 */

#include <libvirtiommu/vhost.h>

#include <stdbool.h>
#include <string.h>

#include "bits.h"
#include "range.h"
#include "vhost_message.h"

struct form {
	uint32_t bytes; /* 0: no such form */
	uint32_t tag;	/* at VHOST_MSG_TYPE; 0: the form has no head */
	uint32_t iotlb; /* where struct vhost_iotlb_msg is */
	bool asid;
};

static const struct form forms[] = {
	[VIOMMU_IOTLB_FORM_V1] = { VHOST_MSG_BYTES, VHOST_MSG_V1, VHOST_MSG_IOTLB, false },
	[VIOMMU_IOTLB_FORM_V2] = { VHOST_MSG_BYTES, VHOST_MSG_V2, VHOST_MSG_IOTLB, true },
	[VIOMMU_IOTLB_FORM_USER] = { VHOST_IOTLB_BYTES, 0, 0, false },
};

static_assert(VHOST_MSG_BYTES <= VIOMMU_IOTLB_BYTES_MAX, "the longest form");

#define HAS_IOVA  1U
#define HAS_SIZE  2U /* with iova: a range */
#define HAS_UADDR 4U
#define HAS_PERM  8U

static const uint8_t fields[] = {
	[VIOMMU_IOTLB_MISS] = HAS_IOVA | HAS_PERM,
	[VIOMMU_IOTLB_UPDATE] = HAS_IOVA | HAS_SIZE | HAS_UADDR | HAS_PERM,
	[VIOMMU_IOTLB_INVALIDATE] = HAS_IOVA | HAS_SIZE,
	[VIOMMU_IOTLB_ACCESS_FAIL] = HAS_IOVA | HAS_PERM,
	[VIOMMU_IOTLB_BATCH_BEGIN] = 0,
	[VIOMMU_IOTLB_BATCH_END] = 0,
};

/* Types start at 1. */
static bool type_exists(uint32_t type)
{
	return type - 1 < ARRAY_COUNT(fields) - 1;
}

/* NULL: no such form. */
static const struct form *form_get(uint32_t form)
{
	if (form >= ARRAY_COUNT(forms))
		return NULL;
	form = (uint32_t)bits_clamp_index(form, ARRAY_COUNT(forms));
	return forms[form].bytes ? &forms[form] : NULL;
}

/* The message with nothing in the fields that its type does not have. The type exists. */
static struct viommu_iotlb_msg only_fields(const struct viommu_iotlb_msg *m)
{
	unsigned has = fields[bits_clamp_index(m->type, ARRAY_COUNT(fields))];

	return (struct viommu_iotlb_msg){
		.iova = has & HAS_IOVA ? m->iova : 0,
		.size = has & HAS_SIZE ? m->size : 0,
		.uaddr = has & HAS_UADDR ? m->uaddr : 0,
		.perm = has & HAS_PERM ? m->perm : 0,
		.asid = m->asid,
		.type = m->type,
	};
}

/* Of a message that has been through only_fields(). */
static bool fields_valid(const struct viommu_iotlb_msg *m)
{
	unsigned has = fields[bits_clamp_index(m->type, ARRAY_COUNT(fields))];
	uint64_t last;

	if ((has & HAS_SIZE) && !range_last(m->iova, m->size, &last))
		return false;
	if ((has & HAS_UADDR) && !range_last(m->uaddr, m->size, &last))
		return false;
	return !(has & HAS_PERM) || (m->perm && !(m->perm & ~(VIOMMU_READ | VIOMMU_WRITE)));
}

static void put_message(uint8_t *at, const struct viommu_iotlb_msg *m)
{
	memcpy(at + VHOST_IOTLB_IOVA, &m->iova, sizeof(m->iova));
	memcpy(at + VHOST_IOTLB_SIZE, &m->size, sizeof(m->size));
	memcpy(at + VHOST_IOTLB_UADDR, &m->uaddr, sizeof(m->uaddr));
	at[VHOST_IOTLB_PERM] = (uint8_t)m->perm;
	at[VHOST_IOTLB_TYPE] = (uint8_t)m->type;
}

static void get_message(const uint8_t *at, struct viommu_iotlb_msg *m)
{
	memcpy(&m->iova, at + VHOST_IOTLB_IOVA, sizeof(m->iova));
	memcpy(&m->size, at + VHOST_IOTLB_SIZE, sizeof(m->size));
	memcpy(&m->uaddr, at + VHOST_IOTLB_UADDR, sizeof(m->uaddr));
	m->perm = at[VHOST_IOTLB_PERM];
	m->type = at[VHOST_IOTLB_TYPE];
}

int viommu_iotlb_encode(const struct viommu_iotlb_msg *message, uint32_t form, void *buffer,
			uint32_t capacity, uint32_t *bytes)
{
	const struct form *f = form_get(form);
	struct viommu_iotlb_msg m;
	uint8_t *to = buffer;

	if (!message || !buffer || !bytes || !f || !type_exists(message->type))
		return VIOMMU_EINVAL;
	m = only_fields(message);
	if (!fields_valid(&m) || (m.asid && !f->asid))
		return VIOMMU_EINVAL;
	if (capacity < f->bytes)
		return VIOMMU_ENOSPC;
	memset(to, 0, f->bytes);
	if (f->tag)
		memcpy(to + VHOST_MSG_TYPE, &f->tag, sizeof(f->tag));
	if (f->asid)
		memcpy(to + VHOST_MSG_V2_ASID, &m.asid, sizeof(m.asid));
	put_message(to + f->iotlb, &m);
	*bytes = f->bytes;
	return VIOMMU_OK;
}

int viommu_iotlb_decode(uint32_t form, const void *buffer, uint32_t bytes,
			struct viommu_iotlb_msg *message)
{
	const struct form *f = form_get(form);
	struct viommu_iotlb_msg m = { 0 };
	const uint8_t *from = buffer;
	uint32_t tag = 0;

	if (!buffer || !message || !f || bytes != f->bytes)
		return VIOMMU_EINVAL;
	if (f->tag)
		memcpy(&tag, from + VHOST_MSG_TYPE, sizeof(tag));
	if (f->asid)
		memcpy(&m.asid, from + VHOST_MSG_V2_ASID, sizeof(m.asid));
	get_message(from + f->iotlb, &m);
	if (tag != f->tag || !type_exists(m.type))
		return VIOMMU_EINVAL;
	m = only_fields(&m);
	if (!fields_valid(&m))
		return VIOMMU_EINVAL;
	*message = m;
	return VIOMMU_OK;
}
