/* SPDX-License-Identifier: BSD-3-Clause */
/* rig_amdvi.c - a guest of AMD-Vi with v1 tables, for the rows of test_conform.c. */

#include "check.h"

#include <stdlib.h>

#include "amdvi_rig.h"
#include "conform.h"

struct rig {
	struct amdvi_rig a;
	uint64_t root[CONFORM_DEVICES];
};

#define LEVELS 4U

static void open_rig(struct conform_rig *r)
{
	struct rig *own = calloc(1, sizeof(*own));

	assert_non_null(own);
	r->own = own;
	ar_open(&own->a, &(struct amdvi_rig_config){ .limits = &r->limits });
	r->g = &own->a.g;
	for (unsigned d = 0; d < CONFORM_DEVICES; d++) {
		own->root[d] = guest_table(r->g);
		ar_dte(&own->a, 1 + d, AR_V1(own->root[d], LEVELS), AMD_DTE_I | (5 + d), 0);
	}
	conform_devices(r);
}

static void close_rig(struct conform_rig *r)
{
	struct rig *own = r->own;

	if (ar_read(&own->a, AMD_CONTROL, 8) & AMD_CTRL_CMD_BUF_EN) /* no command was illegal */
		assert_true(ar_read(&own->a, AMD_STATUS, 8) & AMD_ST_CMD_RUN);
	ar_close(&own->a);
	free(own);
}

static void map(struct conform_rig *r, unsigned d, unsigned page, uint64_t gpa, unsigned access)
{
	struct rig *own = r->own;
	uint64_t bits =
		(access & VIOMMU_READ ? AMD_DTE_IR : 0) | (access & VIOMMU_WRITE ? AMD_DTE_IW : 0);

	ar_map(&own->a, own->root[d], LEVELS, CONFORM_IOVA(page), gpa, 1, bits);
}

static int done(struct rig *own, unsigned d)
{
	ar_command(&own->a, AR_IOTLB(UINT64_C(1) + d), AR_ALL & ~AMD_CMD_PDE);
	ar_submit_wait(&own->a);
	return ar_kick(&own->a);
}

static int unmap(struct conform_rig *r, unsigned d, unsigned page)
{
	struct rig *own = r->own;

	guest_put64(r->g, ar_entry(&own->a, own->root[d], LEVELS, CONFORM_IOVA(page), 1), 0);
	ar_command(&own->a, AR_PAGES(5 + d), CONFORM_IOVA(page));
	return done(own, d);
}

static int detach(struct conform_rig *r, unsigned d)
{
	struct rig *own = r->own;

	ar_dte(&own->a, 1 + d, AMD_DTE_V, 0, 0);
	ar_command(&own->a, AR_DEVTAB(UINT64_C(1) + d), 0);
	ar_command(&own->a, AR_PAGES(5 + d), AR_ALL);
	return done(own, d);
}

static bool told(struct conform_rig *r)
{
	return ar_waited(&((struct rig *)r->own)->a);
}

static unsigned faults(struct conform_rig *r)
{
	return ar_take_events(&((struct rig *)r->own)->a);
}

static struct viommu *another(struct conform_rig *r)
{
	struct rig *own = r->own;
	struct viommu *old = r->g->iommu;

	assert_int_equal(viommu_amdvi_new(r->g->vm, &own->a.config, &r->g->iommu), VIOMMU_OK);
	return old;
}

const struct conform_engine conform_amdvi = { "amdvi", open_rig, close_rig, map,     unmap,
					      detach,  told,	 faults,    another, false };
