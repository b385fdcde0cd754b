/* SPDX-License-Identifier: BSD-3-Clause */
/* riscv_conform.c - a guest of a RISC-V IOMMU, for the rows of test_conform.c: first stage of each device, with ATS. */

#include "check.h"

#include <stdlib.h>

#include "conform.h"
#include "riscv_rig.h"

struct conform_riscv {
	struct riscv_rig rig; /* first */
	struct rv_tree tree[CONFORM_DEVICES];
};

static void riscv_open(struct conform_rig *r)
{
	struct conform_riscv *c = calloc(1, sizeof(*c));

	assert_non_null(c);
	r->own = c;
	r->g = &c->rig.g;
	guest_init(&c->rig.g, GUEST_REGION, 128);
	c->rig.config.capabilities = RV_ALL;
	c->rig.config.limits = &r->limits;
	assert_int_equal(rv_try(&c->rig), VIOMMU_OK);
	rv_start(&c->rig, 0, RISCV_MODE_3LVL);
	for (unsigned d = 0; d < CONFORM_DEVICES; d++) {
		c->tree[d] = (struct rv_tree){ .root = guest_alloc(&c->rig.g, 1), .levels = 3 };
		rv_put_dc(&c->rig, 1 + d, RISCV_TC_EN_ATS, 0, bits_put(RISCV_TA_PSCID, 5 + d),
			  rv_satp(RISCV_ATP_FIRST, c->tree[d].root));
	}
	conform_devices(r);
}

static void riscv_close(struct conform_rig *r)
{
	struct conform_riscv *c = r->own;

	assert_int_equal(
		rv_read(&c->rig, RISCV_CQCSR, 4) & RISCV_CQCSR_ERRORS & ~RISCV_CQCSR_CMD_TO, 0);
	rv_close(&c->rig);
	free(c);
}

static void riscv_map(struct conform_rig *r, unsigned d, unsigned page, uint64_t gpa,
		      unsigned access)
{
	struct conform_riscv *c = r->own;
	uint64_t bits = RV_V | RV_U | RV_A | RV_D | (access & VIOMMU_READ ? RV_R : 0) |
			(access & VIOMMU_WRITE ? RV_W | RV_R : 0);

	rv_map(&c->rig, &c->tree[d], CONFORM_IOVA(page), gpa, 0, bits);
}

static int done(struct conform_rig *r, unsigned d)
{
	struct conform_riscv *c = r->own;

	rv_command(&c->rig, RV_INVAL | bits_put(RISCV_ATS_RID, 1 + d),
		   (BITS(62, 12)) | RISCV_ATS_S);
	return rv_fence(&c->rig);
}

static int riscv_unmap(struct conform_rig *r, unsigned d, unsigned page)
{
	struct conform_riscv *c = r->own;

	rv_map(&c->rig, &c->tree[d], CONFORM_IOVA(page), 0, 0, 0);
	rv_command(&c->rig,
		   RV_VMA | RISCV_CMD_AV | RISCV_CMD_PSCV | bits_put(RISCV_CMD_PSCID, 5 + d),
		   RV_ADDR(CONFORM_IOVA(page)));
	return done(r, d);
}

static int riscv_detach(struct conform_rig *r, unsigned d)
{
	struct conform_riscv *c = r->own;

	rv_put(&c->rig, rv_dc(&c->rig, 1 + d), 0);
	rv_command(&c->rig, RV_DDT | RV_DID(1 + d), 0);
	rv_command(&c->rig, RV_VMA | RISCV_CMD_PSCV | bits_put(RISCV_CMD_PSCID, 5 + d), 0);
	return done(r, d);
}

static bool riscv_told(struct conform_rig *r)
{
	struct conform_riscv *c = r->own;

	return rv_fenced(&c->rig);
}

static unsigned riscv_faults(struct conform_rig *r)
{
	struct conform_riscv *c = r->own;

	return rv_take_faults(&c->rig);
}

static struct viommu *riscv_another(struct conform_rig *r)
{
	struct conform_riscv *c = r->own;
	struct viommu *old = r->g->iommu;

	assert_int_equal(rv_try(&c->rig), VIOMMU_OK);
	return old;
}

const struct conform_engine conform_riscv = { "riscv",	  riscv_open,	riscv_close,
					      riscv_map,  riscv_unmap,	riscv_detach,
					      riscv_told, riscv_faults, riscv_another,
					      false };
