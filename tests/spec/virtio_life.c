/* SPDX-License-Identifier: BSD-3-Clause */
/* virtio_life.c - the life of a guest whose state is saved and restored. */
#include "virtio_life.h"

#include "check.h"

#include <stdlib.h>
#include <string.h>

#include "trace.h"

#define R   VIOMMU_READ
#define MAX UINT64_MAX

const struct viommu_virtio_config life_config = { .gpa_last = 0xffffffffff,
						  .domain_last = 1000,
						  .domains = 10,
						  .mappings = 20,
						  .domain_mappings = 10,
						  .bypass = 1 };
const struct viommu_virtio_region life_region = { 0xfee00000, 0xfeefffff, VIOMMU_VIRTIO_RESV_MSI,
						  0 };

struct virtio_rig *life_open(void)
{
	struct virtio_rig *r = vr_open(&life_config);

	vr_regions(r, 4, &life_region, 1);
	return r;
}

uint64_t life_save(struct virtio_rig *r, unsigned char *to)
{
	uint64_t bytes = LIFE_CAPACITY;

	row_equal(viommu_save(r->g.iommu, to, &bytes), VIOMMU_OK);
	return bytes;
}

/* In a block of exactly its size, so that a sanitizer sees reads behind it. */
int life_restore(struct virtio_rig *r, const unsigned char *from, uint64_t bytes)
{
	unsigned char *copy = malloc(bytes ? bytes : 1);
	int result;

	assert_non_null(copy);
	memcpy(copy, from, bytes);
	result = viommu_restore(r->g.iommu, copy, bytes);
	free(copy);
	row_equal(result == VIOMMU_OK || result == VIOMMU_PENDING || result == VIOMMU_ESTATE, true);
	if (result == VIOMMU_PENDING)
		row_equal(viommu_run(r->g.iommu), VIOMMU_OK);
	return result > 0 ? VIOMMU_OK : result;
}

/* ---- a life, and how it goes on ---- */

const struct vr_step life[LIFE_STEPS] = {
	WHERE("29 bypass", 1, 0x5000, R, 0x5000),
	ATTACH("29 ATTACH", 7, 1, 0, IS(OK)),
	MAP("29 MAP", 7, 0x1000, 0x1fff, 0x5000, VR_READ, IS(OK)),
	SET_BYPASS("29 bypass off", 0),
	MAP("29 MAP", 7, 0x2000, 0x2fff, 0x6000, VR_WRITE, IS(OK)),
	MAP("29 MAP, no permission", 7, 0x3000, 0x3fff, 0x6000, 0, IS(OK)),
	MAP("29 MAP, MMIO", 7, MAX - 0xfff, MAX, LIFE_GPA_LAST - 0xfff, VR_RW | VR_MMIO, IS(OK)),
	WHERE("29 mapped", 1, MAX, R, LIFE_GPA_LAST),
	ATTACH("29 shared", 7, 2, 0, IS(OK)),
	ATTACH("29 bypass domain", 1000, 3, VR_BYPASS, IS(OK)),
	WHERE("29 bypass domain", 3, 0x123, R, 0x123),
	MAP("29 bypass domain", 1000, 0, 0xfff, 0, 1, IS(INVAL)),
	ATTACH("29 reserved", 0, 4, 0, IS(OK)),
	MAP("29 reserved", 0, 0xfee00000, 0xfee00fff, 0, 1, IS(INVAL)),
	MAP("29 in domain 0", 0, 0x1000, 0x1fff, 0x8000, VR_RW, IS(OK)),
	WHERE("29 in domain 0", 4, 0x1fff, R, 0x8fff),
	MAP("29 an overlap", 7, 0x3000, 0x3fff, 0x6000, VR_READ, IS(INVAL)),
	UNMAP("29 partly", 7, 0x1000, 0x37ff, IS(RANGE)),
	UNMAP("29 UNMAP", 7, 0x1000, 0x2fff, IS(OK)),
	WHERE("29 not mapped", 2, 0x1000, R, VR_FAULT(VR_MAPPING)),
	WHERE("29 mapped", 2, MAX - 0xfff, VIOMMU_WRITE, LIFE_GPA_LAST - 0xfff),
	DETACH("29 DETACH", 7, 1, IS(OK)),
	WHERE("29 DETACH", 1, MAX, R, VR_FAULT(VR_DOMAIN)),
	WHERE("29 the other stays", 2, MAX, R, LIFE_GPA_LAST),
	DETACH("29 DETACH, the last", 7, 2, IS(OK)),
	MAP("29 the domain is dead", 7, 0x1000, 0x1fff, 0, 1, IS(NOENT)),
	DETACH("29 DETACH", 1000, 3, IS(OK)),
	ATTACH("29 an ordinary one", 1000, 3, 0, IS(OK)),
	SET_BYPASS("29 bypass on", 1),
	WHERE("29 bypass on", 1, 0x5000, R, 0x5000),
	RESET("29 reset"),
	WHERE("29 reset", 4, 0x5000, R, 0x5000),
};

void life_check_same(struct virtio_rig *a, struct virtio_rig *b)
{
	row_equal(vr_bypass(a), vr_bypass(b));
	for (unsigned id = 1; id <= VR_ENDPOINTS; id++) {
		struct vr_range of_a[LIFE_RANGES], of_b[LIFE_RANGES];
		int result_a, result_b;
		unsigned count = vr_ranges(a, id, 0, MAX, of_a, LIFE_RANGES, &result_a);

		memset(of_b, 0, sizeof(of_b));
		row_equal(vr_ranges(b, id, 0, MAX, of_b, LIFE_RANGES, &result_b), count);
		row_equal(result_a, result_b);
		assert_memory_equal(of_a, of_b, count * sizeof(of_a[0]));
		row_equal(vr_peek(a, id, 0x5000, R), vr_peek(b, id, 0x5000, R));
		row_equal(vr_peek(a, id, 0xfee00000, 2), vr_peek(b, id, 0xfee00000, 2));
	}
	vr_drain(a);
	vr_drain(b);
}
