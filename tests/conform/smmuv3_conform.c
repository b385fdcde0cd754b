/* SPDX-License-Identifier: BSD-3-Clause */
/* smmuv3_conform.c - a guest of an SMMUv3 for the rows of test_conform.c: two streams, stage 1, ASIDs 5 and 6. */

#include "check.h"

#include <stdlib.h>

#include "conform.h"
#include "smmuv3_rig.h"

struct own {
	struct smmu_rig r;
	uint64_t root[CONFORM_DEVICES];
};

static void open_smmu(struct conform_rig *c)
{
	struct own *o = calloc(1, sizeof(*o));
	struct viommu_smmuv3_config config;

	assert_non_null(o);
	sm_everything(&config);
	config.limits = &c->limits;
	sm_open(&o->r, &config);
	c->own = o;
	c->g = &o->r.g;
	sm_start(&o->r);
	for (unsigned d = 0; d < CONFORM_DEVICES; d++) {
		o->root[d] = guest_alloc(c->g, 1);
		sm_stage1(&o->r, 1 + d, 5 + d, o->root[d]);
	}
	conform_devices(c);
}

static void close_smmu(struct conform_rig *c)
{
	struct own *o = c->own;

	sm_close(&o->r);
	free(o);
}

static void map(struct conform_rig *c, unsigned d, unsigned page, uint64_t gpa, unsigned access)
{
	struct own *o = c->own;

	sm_map(&o->r, o->root[d], CONFORM_IOVA(page), gpa,
	       access & VIOMMU_WRITE ? SM_S1_RW : SM_S1_RO);
}

static int done(struct own *o, unsigned d)
{
	sm_command(&o->r, CMD_ATC_INV | bits_put(CMD_SID, 1 + d), 52);
	return sm_sync(&o->r);
}

static int unmap(struct conform_rig *c, unsigned d, unsigned page)
{
	struct own *o = c->own;

	guest_put64(c->g, sm_entry(&o->r, o->root[d], CONFORM_IOVA(page), 3), 0);
	sm_command(&o->r, SM_ASID(CMD_NH_VA, 0, 5 + d), CONFORM_IOVA(page));
	return done(o, d);
}

static int detach(struct conform_rig *c, unsigned d)
{
	struct own *o = c->own;

	sm_put_ste(&o->r, 1 + d, 0, 0, 0, 0);
	sm_command(&o->r, SM_CFGI_STE(1 + d), CMD_LEAF);
	sm_command(&o->r, SM_ASID(CMD_NH_ASID, 0, 5 + d), 0);
	return done(o, d);
}

static bool told(struct conform_rig *c)
{
	struct own *o = c->own;

	return sm_told(&o->r);
}

static unsigned faults(struct conform_rig *c)
{
	struct own *o = c->own;

	return sm_events(&o->r);
}

static struct viommu *another(struct conform_rig *c)
{
	struct own *o = c->own;

	return sm_another(&o->r);
}

const struct conform_engine conform_smmuv3 = { "smmuv3", open_smmu, close_smmu, map,	 unmap,
					       detach,	 told,	    faults,	another, false };
