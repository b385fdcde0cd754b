/* SPDX-License-Identifier: BSD-3-Clause */
/* vtd_caps_pick.c - which unit a random image belongs to. */
#include "vtd_tables_internal.h"

#define SCALABLE_ALL                                                                               \
	(BIT(E_SMTS) | BIT(E_SSTS) | BIT(E_FSTS) | BIT(E_NEST) | BIT(E_PASID) | BIT(E_PT) |        \
	 BIT(E_DT) | BIT(E_SC) | BIT(E_SRS) | BIT(E_ERS) | BIT(E_PRS) | BIT(E_EAFS) |              \
	 BIT(E_NWFS) | BIT(E_SSADS) | BIT(E_SMPWCS) | BIT(E_RPS) | BIT(E_ADMS) | BIT(E_RPRIVS))

/* Where the registers are, one fault record, and SRTP drops caches: of every unit. */
#define CAP_COMMON  (FRO(0x220) | BIT(PSI) | MAMV(18) | BIT(ESRTPS))
#define ECAP_COMMON (BIT(E_QI) | IRO(0x100))

#define ALL_CAP (SAGAW(0xe) | MGAW(57) | SSLPS | BIT(FS1GP) | BIT(FS5LP))

const struct vt_caps caps_all = { CAP_COMMON | ND(6) | ALL_CAP, 0,
				  ECAP_COMMON | SCALABLE_ALL | PSS(20), 0, 46 };

static const struct vt_caps default_caps[] = {
	/* all there is */
	{ ALL_CAP, 0, SCALABLE_ALL, 0, 46 },
	/* 48 bits, optional pieces at random */
	{ SAGAW(0x4) | MGAW(48), SAGAW(0x2) | SSLPS | BIT(FS1GP),
	  BIT(E_SMTS) | BIT(E_SSTS) | BIT(E_FSTS) | BIT(E_SMPWCS), SCALABLE_ALL, 39 },
	/* everything at random on a wide machine */
	{ SAGAW(0x4) | MGAW(57), SAGAW(0xa) | SSLPS | BIT(FS1GP) | BIT(FS5LP), BIT(E_SMTS),
	  SCALABLE_ALL, 52 },
	/* an early unit: legacy only, narrow */
	{ SAGAW(0x2) | MGAW(39), SAGAW(0x4) | SSLPS, 0, BIT(E_DT) | BIT(E_PT) | BIT(E_SC), 39 },
	/* MGAW smaller than the deepest table */
	{ SAGAW(0xe) | MGAW(42), SSLPS | BIT(FS1GP), SCALABLE_ALL & ~BIT(E_SMPWCS),
	  BIT(E_SMPWCS) | BIT(E_RPS) | BIT(E_NWFS) | BIT(E_RPRIVS), 42 },
	/* and smaller than the host's addresses */
	{ SAGAW(0xe) | MGAW(40), SSLPS | BIT(FS1GP), SCALABLE_ALL, 0, 48 },
};

const struct vt_params vt_params_default = {
	.caps = default_caps,
	.ncaps = sizeof(default_caps) / sizeof(default_caps[0]),
	.mutate_permille = 450,
	.fpd_permille = 60,
};

/* What needs what; bits 0 to 63 of ECAP, or of CAP when marked so. */
static const struct {
	uint64_t cap, ecap;
	uint64_t needs; /* in ECAP, all of it */
} dependency[] = {
	{ 0, BIT(E_PRS) | BIT(E_NWFS), BIT(E_DT) },
	{ 0,
	  BIT(E_NEST) | BIT(E_PRS) | BIT(E_SRS) | BIT(E_PASID) | BIT(E_FSTS) | BIT(E_SSTS) |
		  BIT(E_SSADS) | BIT(E_SMPWCS) | BIT(E_RPS),
	  BIT(E_SMTS) },
	{ 0, PSS(32) | BIT(E_ERS), BIT(E_PASID) },
	{ 0, BIT(E_RPRIVS), BIT(E_SRS) },
	{ BIT(FS1GP) | BIT(FS5LP), BIT(E_NEST) | BIT(E_EAFS), BIT(E_FSTS) },
	{ 0, BIT(E_NEST) | BIT(E_SSADS), BIT(E_SSTS) },
	{ 0, BIT(E_EAFS) | BIT(E_SSADS), BIT(E_SMPWCS) },
};

void make_consistent(struct vo_unit *unit)
{
	if (!(unit->ecap & (BIT(E_FSTS) | BIT(E_SSTS) | BIT(E_PT))))
		unit->ecap &= ~BIT(E_SMTS);
	unit->ecap |= ECAP_COMMON;
	for (unsigned i = 0; i < sizeof(dependency) / sizeof(dependency[0]); i++) {
		if ((unit->ecap & dependency[i].needs) == dependency[i].needs)
			continue;
		unit->cap &= ~dependency[i].cap;
		unit->ecap &= ~dependency[i].ecap;
	}
	if (!(unit->cap & BIT(SSLPS_2M)))
		unit->cap &= ~BIT(SSLPS_1G);
}

static void pick_protected(struct vo_unit *u, struct vt_rng *rng)
{
	u->cap |= BIT(PLMR) | BIT(PHMR);
	u->pmr_enabled = true;
	u->plm_base = BIT(21) * below(rng, 4);
	u->plm_limit = BIT(21) * below(rng, 4) + BIT(21) - 1;
	u->phm_base = BIT(32) + BIT(21) * below(rng, 4);
	u->phm_limit = BIT(32) + BIT(21) * below(rng, 4) + BIT(21) - 1;
}

void build_unit(struct vt_image *image, struct vt_rng *rng)
{
	static const uint64_t pss[] = {
		PSS(20), PSS(20), PSS(20), PSS(16), PSS(8), PSS(7), PSS(1)
	};
	const struct vt_caps *c = &image->params->caps[below(rng, image->params->ncaps)];
	struct vo_unit *u = &image->unit;

	*u = (struct vo_unit){
		.cap = CAP_COMMON | c->cap | (c->cap_random & vt_random(rng)),
		.ecap = ECAP_COMMON | c->ecap | (c->ecap_random & vt_random(rng)),
		.haw = c->haw,
		.version_major = permille(rng, 700) ? 1 : 1 + below(rng, 5),
		.te = !permille(rng, 25),
		.plm_base = 1,
		.phm_base = 1,
	};
	u->cap |= ND(permille(rng, 700) ? 6 : below(rng, 7));
	u->ecap |= pss[below(rng, sizeof(pss) / sizeof(pss[0]))];
	if (permille(rng, 120))
		pick_protected(u, rng);
	make_consistent(u);
}
