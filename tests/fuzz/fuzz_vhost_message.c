/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fuzz_vhost_message.c - bytes of a peer as an IOTLB message.
 *
 *	byte 0		the form, as it is: most do not exist
 *	then		the message, of whatever length
 *
 * What is decoded has only fields that may be acted upon, and is encoded to the same bytes, but for
 * those that mean nothing: these are 0.
 */
#include <stdlib.h>
#include <string.h>

#include <libvirtiommu/vhost.h>

#include "harness.h"
#include "vhost_message.h"

#define WIDE 128U

/* What may be relied upon: no sum of what is in it wraps. */
static void check_message(const struct viommu_iotlb_msg *m)
{
	bool update = m->type == VIOMMU_IOTLB_UPDATE;
	bool range = update || m->type == VIOMMU_IOTLB_INVALIDATE;
	bool asks = m->type == VIOMMU_IOTLB_MISS || m->type == VIOMMU_IOTLB_ACCESS_FAIL;

	CHECK(m->type >= VIOMMU_IOTLB_MISS && m->type <= VIOMMU_IOTLB_BATCH_END);
	CHECK(range ? m->size && m->iova + (m->size - 1) >= m->iova : !m->size);
	CHECK(update ? m->uaddr + (m->size - 1) >= m->uaddr : !m->uaddr);
	CHECK(update || asks ? m->perm >= 1 && m->perm <= 3 : !m->perm);
	CHECK(range || asks || !m->iova);
}

/* Where the given bytes are the same, or mean nothing and are 0 now. */
static void check_bytes(uint32_t form, const struct viommu_iotlb_msg *m, const uint8_t *given,
			const uint8_t *made, uint32_t bytes)
{
	uint32_t head = form == VIOMMU_IOTLB_FORM_USER ? 0 : VHOST_MSG_IOTLB;
	uint32_t fields = head + VHOST_IOTLB_BYTES - 6;

	for (uint32_t i = 0; i < bytes; i++)
		CHECK(made[i] == given[i] || made[i] == 0);
	CHECK(memcmp(given, made, head ? 4 : 0) == 0);
	if (form == VIOMMU_IOTLB_FORM_V2)
		CHECK(memcmp(given + VHOST_MSG_V2_ASID, &m->asid, 4) == 0);
	CHECK(made[head + VHOST_IOTLB_TYPE] == given[head + VHOST_IOTLB_TYPE]);
	if (m->type == VIOMMU_IOTLB_UPDATE)
		CHECK(memcmp(given + head, made + head, fields - head) == 0);
	if (m->type == VIOMMU_IOTLB_INVALIDATE)
		CHECK(memcmp(given + head, made + head, VHOST_IOTLB_UADDR) == 0);
	for (uint32_t i = fields; i < bytes; i++)
		CHECK(made[i] == 0);
}

static void exercise(uint32_t form, const uint8_t *given, uint32_t size)
{
	struct viommu_iotlb_msg m, again;
	uint8_t made[WIDE];
	uint32_t bytes = 0;
	int result = viommu_iotlb_decode(form, given, size, &m);

	CHECK(result == VIOMMU_OK || result == VIOMMU_EINVAL);
	if (result != VIOMMU_OK)
		return;
	check_message(&m);
	memset(made, 0xee, sizeof(made));
	CHECK(viommu_iotlb_encode(&m, form, made, size - 1, &bytes) == VIOMMU_ENOSPC);
	CHECK(viommu_iotlb_encode(&m, form, made, size, &bytes) == VIOMMU_OK);
	CHECK(bytes == size && made[size] == 0xee);
	check_bytes(form, &m, given, made, bytes);
	CHECK(viommu_iotlb_decode(form, made, bytes, &again) == VIOMMU_OK);
	CHECK(memcmp(&m, &again, sizeof(m)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *copy;

	if (size < 1 || size > WIDE)
		return 0;
	/* a block of its own size: what reads beyond it is seen */
	copy = malloc(size);
	CHECK(copy != NULL);
	memcpy(copy, data, size);
	exercise(data[0], copy + 1, (uint32_t)size - 1);
	/* and as every form that exists */
	for (uint32_t form = VIOMMU_IOTLB_FORM_V1; form <= VIOMMU_IOTLB_FORM_USER; form++)
		exercise(form, copy + 1, (uint32_t)size - 1);
	free(copy);
	return 0;
}
