/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_vtd_caps.c - which CAP and ECAP a unit presents: exactly those it was given, or it is
 * refused with a message and a code, and nothing is left behind (11.4.2, 11.4.3, obligation 20).
 */

#include "trace.h"
#include "vtd_register_rows.h"

/* All of scalable mode and all of CAP that is implemented; each bit can be taken away. */
#define FULL_CAP                                                                                   \
	(RV(0, 6) | RB(4) | RB(5) | RB(6) | RB(7) | RV(8, 0xe) | RV(16, 47) | RB(22) |             \
	 RV(24, 0x22) | RV(34, 3) | RB(39) | RV(40, 7) | RV(48, 18) | RB(54) | RB(55) | RB(56) |   \
	 RB(59) | RB(60) | RB(62) | RB(63))
#define FULL_ECAP                                                                                  \
	(RM(4, 0) | RB(6) | RB(7) | RV(8, 0x10) | RV(20, 15) | RB(26) | RB(29) | RM(31, 30) |      \
	 RB(33) | RB(34) | RV(35, 19) | RB(40) | RB(42) | RB(43) | RM(49, 45) | RB(52) | RB(53) |  \
	 RB(58))
/* A legacy unit. */
#define PLAIN_CAP  (RV(0, 6) | RV(8, 6) | RV(16, 47) | RV(24, 0x22))
#define PLAIN_ECAP RV(8, 0xf)

struct row {
	const char *name;
	uint64_t cap;
	uint64_t ecap;
	int result;
	uint32_t version;
	uint32_t haw;
};

#define SAGAW RM(12, 8)
#define MGAW  RM(21, 16)
#define PSS   RM(39, 35)

static const struct row refused[] = {
	/* not implemented */
	{ "CAP.AFL", FULL_CAP | RB(3), FULL_ECAP, VIOMMU_ENOTSUP, 0, 0 },
	{ "CAP.ECMDS", FULL_CAP | RB(61), FULL_ECAP, VIOMMU_ENOTSUP, 0, 0 },
	{ "ECAP.MTS", FULL_CAP, FULL_ECAP | RB(25), VIOMMU_ENOTSUP, 0, 0 },
	{ "ECAP.DIT", FULL_CAP, FULL_ECAP | RB(41), VIOMMU_ENOTSUP, 0, 0 },
	{ "ECAP.VCS", FULL_CAP, FULL_ECAP | RB(44), VIOMMU_ENOTSUP, 0, 0 },
	{ "ECAP.PMS", FULL_CAP, FULL_ECAP | RB(51), VIOMMU_ENOTSUP, 0, 0 },
	/* reserved in 4.1 */
	{ "CAP 13", FULL_CAP | RB(13), FULL_ECAP, VIOMMU_ENOTSUP, 0, 0 },
	{ "CAP 14", FULL_CAP | RB(14), FULL_ECAP, VIOMMU_ENOTSUP, 0, 0 },
	{ "CAP 15", FULL_CAP | RB(15), FULL_ECAP, VIOMMU_ENOTSUP, 0, 0 },
	{ "CAP 23", FULL_CAP | RB(23), FULL_ECAP, VIOMMU_ENOTSUP, 0, 0 },
	{ "CAP 38", FULL_CAP | RB(38), FULL_ECAP, VIOMMU_ENOTSUP, 0, 0 },
	{ "CAP 57", FULL_CAP | RB(57), FULL_ECAP, VIOMMU_ENOTSUP, 0, 0 },
	{ "CAP 58", FULL_CAP | RB(58), FULL_ECAP, VIOMMU_ENOTSUP, 0, 0 },
	{ "ECAP 5", FULL_CAP, FULL_ECAP | RB(5), VIOMMU_ENOTSUP, 0, 0 },
	{ "ECAP 18", FULL_CAP, FULL_ECAP | RB(18), VIOMMU_ENOTSUP, 0, 0 },
	{ "ECAP 19", FULL_CAP, FULL_ECAP | RB(19), VIOMMU_ENOTSUP, 0, 0 },
	{ "ECAP 24", FULL_CAP, FULL_ECAP | RB(24), VIOMMU_ENOTSUP, 0, 0 },
	{ "ECAP 27", FULL_CAP, FULL_ECAP | RB(27), VIOMMU_ENOTSUP, 0, 0 },
	{ "ECAP 28", FULL_CAP, FULL_ECAP | RB(28), VIOMMU_ENOTSUP, 0, 0 },
	{ "ECAP 32", FULL_CAP, FULL_ECAP | RB(32), VIOMMU_ENOTSUP, 0, 0 },
	{ "ECAP 50", FULL_CAP, FULL_ECAP | RB(50), VIOMMU_ENOTSUP, 0, 0 },
	{ "ECAP 54", FULL_CAP, FULL_ECAP | RB(54), VIOMMU_ENOTSUP, 0, 0 },
	{ "ECAP 55", FULL_CAP, FULL_ECAP | RB(55), VIOMMU_ENOTSUP, 0, 0 },
	{ "ECAP 56", FULL_CAP, FULL_ECAP | RB(56), VIOMMU_ENOTSUP, 0, 0 },
	{ "ECAP 57", FULL_CAP, FULL_ECAP | RB(57), VIOMMU_ENOTSUP, 0, 0 },
	{ "ECAP 59", FULL_CAP, FULL_ECAP | RB(59), VIOMMU_ENOTSUP, 0, 0 },
	{ "ECAP 63", FULL_CAP, FULL_ECAP | RB(63), VIOMMU_ENOTSUP, 0, 0 },
	{ "SAGAW bit 0: 2 levels", FULL_CAP | RB(8), FULL_ECAP, VIOMMU_ENOTSUP, 0, 0 },
	{ "SAGAW bit 4: 6 levels", FULL_CAP | RB(12), FULL_ECAP, VIOMMU_ENOTSUP, 0, 0 },
	/* values */
	{ "ND 7", FULL_CAP | RV(0, 7), FULL_ECAP, VIOMMU_EINVAL, 0, 0 },
	{ "MGAW 58 bits", (FULL_CAP & ~MGAW) | RV(16, 57), FULL_ECAP, VIOMMU_EINVAL, 0, 0 },
	{ "MGAW 64 bits", FULL_CAP | MGAW, FULL_ECAP, VIOMMU_EINVAL, 0, 0 },
	{ "SSLPS 1 GiB without 2 MiB", FULL_CAP & ~RB(34), FULL_ECAP, VIOMMU_EINVAL, 0, 0 },
	{ "SSLPS bit 36", FULL_CAP | RB(36), FULL_ECAP, VIOMMU_EINVAL, 0, 0 },
	{ "SSLPS bit 37", FULL_CAP | RB(37), FULL_ECAP, VIOMMU_EINVAL, 0, 0 },
	{ "PSS 20: 21-bit PASIDs", FULL_CAP, (FULL_ECAP & ~PSS) | RV(35, 20), VIOMMU_EINVAL, 0, 0 },
	{ "PSS 31", FULL_CAP, FULL_ECAP | PSS, VIOMMU_EINVAL, 0, 0 },
	{ "haw 35", FULL_CAP, FULL_ECAP, VIOMMU_EINVAL, 0, 35 },
	{ "haw 53", FULL_CAP, FULL_ECAP, VIOMMU_EINVAL, 0, 53 },
	{ "version above 8 bits", FULL_CAP, FULL_ECAP, VIOMMU_EINVAL, 0x100, 0 },
	{ "ECAP without CAP", 0, FULL_ECAP, VIOMMU_EINVAL, 0, 0 },
	/* what a zero forces to zero (notes section 5) */
	{ "QI=0: IR", PLAIN_CAP, PLAIN_ECAP | RB(3), VIOMMU_EINVAL, 0, 0 },
	{ "QI=0: DT", PLAIN_CAP, PLAIN_ECAP | RB(2), VIOMMU_EINVAL, 0, 0 },
	{ "QI=0: SMTS", PLAIN_CAP, PLAIN_ECAP | RB(43) | RB(46), VIOMMU_EINVAL, 0, 0 },
	{ "IR=0: EIM", PLAIN_CAP, PLAIN_ECAP | RB(1) | RB(4), VIOMMU_EINVAL, 0, 0 },
	{ "IR=0: MHMV", PLAIN_CAP, PLAIN_ECAP | RB(1) | RB(20), VIOMMU_EINVAL, 0, 0 },
	{ "IR=0: CAP.PI", PLAIN_CAP | RB(59), PLAIN_ECAP | RB(1), VIOMMU_EINVAL, 0, 0 },
	{ "DT=0: PRS", FULL_CAP, FULL_ECAP & ~(RB(2) | RB(33) | RB(42)), VIOMMU_EINVAL, 0, 0 },
	{ "DT=0: NWFS", PLAIN_CAP, PLAIN_ECAP | RB(1) | RB(33), VIOMMU_EINVAL, 0, 0 },
	{ "DT=0: PDS", PLAIN_CAP, PLAIN_ECAP | RB(1) | RB(42), VIOMMU_EINVAL, 0, 0 },
	{ "SMTS=0: NEST", PLAIN_CAP, PLAIN_ECAP | RB(1) | RB(26), VIOMMU_EINVAL, 0, 0 },
	{ "SMTS=0: PRS", PLAIN_CAP, PLAIN_ECAP | RM(2, 1) | RB(29), VIOMMU_EINVAL, 0, 0 },
	{ "SMTS=0: SRS", PLAIN_CAP, PLAIN_ECAP | RB(1) | RB(31), VIOMMU_EINVAL, 0, 0 },
	{ "SMTS=0: PSS", PLAIN_CAP, PLAIN_ECAP | RB(1) | RV(35, 7), VIOMMU_EINVAL, 0, 0 },
	{ "SMTS=0: PASID", PLAIN_CAP, PLAIN_ECAP | RB(1) | RB(40), VIOMMU_EINVAL, 0, 0 },
	{ "SMTS=0: SSTS", PLAIN_CAP, PLAIN_ECAP | RB(1) | RB(46), VIOMMU_EINVAL, 0, 0 },
	{ "SMTS=0: FSTS", PLAIN_CAP, PLAIN_ECAP | RB(1) | RB(47), VIOMMU_EINVAL, 0, 0 },
	{ "SMTS=0: SMPWCS", PLAIN_CAP, PLAIN_ECAP | RB(1) | RB(48), VIOMMU_EINVAL, 0, 0 },
	{ "SMTS=0: RPS", PLAIN_CAP, PLAIN_ECAP | RB(1) | RB(49), VIOMMU_EINVAL, 0, 0 },
	{ "PASID=0: ERS", FULL_CAP, FULL_ECAP & ~(RB(40) | PSS), VIOMMU_EINVAL, 0, 0 },
	{ "PASID=0: PSS", FULL_CAP, FULL_ECAP & ~(RB(40) | RB(30)), VIOMMU_EINVAL, 0, 0 },
	{ "SRS=0: RPRIVS", FULL_CAP, FULL_ECAP & ~RB(31), VIOMMU_EINVAL, 0, 0 },
	{ "FSTS=0: NEST", FULL_CAP & ~(RB(56) | RB(60)), FULL_ECAP & ~(RB(47) | RB(34)),
	  VIOMMU_EINVAL, 0, 0 },
	{ "FSTS=0: EAFS", FULL_CAP & ~(RB(56) | RB(60)), FULL_ECAP & ~(RB(47) | RB(26)),
	  VIOMMU_EINVAL, 0, 0 },
	{ "FSTS=0: FS1GP", FULL_CAP & ~RB(60), FULL_ECAP & ~(RB(47) | RB(26) | RB(34)),
	  VIOMMU_EINVAL, 0, 0 },
	{ "FSTS=0: FS5LP", FULL_CAP & ~RB(56), FULL_ECAP & ~(RB(47) | RB(26) | RB(34)),
	  VIOMMU_EINVAL, 0, 0 },
	{ "SSTS=0: NEST", FULL_CAP, FULL_ECAP & ~(RB(46) | RB(45)), VIOMMU_EINVAL, 0, 0 },
	{ "SMPWCS=0: EAFS", FULL_CAP, FULL_ECAP & ~(RB(48) | RB(45)), VIOMMU_EINVAL, 0, 0 },
	{ "SMPWCS=0: SSADS", FULL_CAP, FULL_ECAP & ~(RB(48) | RB(34)), VIOMMU_EINVAL, 0, 0 },
	{ "PRS=0: SMS", FULL_CAP, FULL_ECAP & ~RB(29), VIOMMU_EINVAL, 0, 0 },
	{ "SMTS without FSTS, SSTS and PT", PLAIN_CAP, PLAIN_ECAP | RB(1) | RB(43), VIOMMU_EINVAL,
	  0, 0 },
	/* places of registers */
	{ "FRO 0: on VER", PLAIN_CAP & ~RM(33, 24), PLAIN_ECAP, VIOMMU_EINVAL, 0, 0 },
	{ "FRO 2: on RTADDR", (PLAIN_CAP & ~RM(33, 24)) | RV(24, 2), PLAIN_ECAP, VIOMMU_EINVAL, 0,
	  0 },
	{ "IRO 0: on VER", PLAIN_CAP, 0, VIOMMU_EINVAL, 0, 0 },
	{ "IRO 1: on ECAP", PLAIN_CAP, RV(8, 1), VIOMMU_EINVAL, 0, 0 },
	{ "IRO on the queue", PLAIN_CAP, RV(8, 8) | RB(1), VIOMMU_EINVAL, 0, 0 },
	{ "IRO on the first fault record", PLAIN_CAP, RV(8, 0x22), VIOMMU_EINVAL, 0, 0 },
	{ "IRO on the last of 8 fault records", PLAIN_CAP | RV(40, 7), RV(8, 0x29), VIOMMU_EINVAL,
	  0, 0 },
	{ "the last of 256 fault records on IOTLB", PLAIN_CAP | RV(40, 255), RV(8, 0x121),
	  VIOMMU_EINVAL, 0, 0 },
};

static void check_refused(const struct row *row)
{
	struct guest g;
	struct viommu *before;
	uint64_t blocks;
	struct viommu_vtd_config config = { .size = sizeof(config),
					    .cap = row->cap,
					    .ecap = row->ecap,
					    .version = row->version,
					    .haw = row->haw };

	row_name = row->name;
	guest_init(&g, GUEST_REGION, 1);
	g.iommu = before = (struct viommu *)(void *)&g;
	blocks = g.blocks;
	row_equal(guest_try_vtd_config(&g, &config), row->result);
	row_equal(g.count[GUEST_ON_MESSAGE], 1);
	row_equal(g.message && *g.message, true);
	row_equal(g.iommu == before, true); /* untouched */
	row_equal(g.blocks, blocks);
	g.iommu = NULL;
	guest_fini(&g);
}

static void test_refused(void **state)
{
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
		check_refused(&refused[i]);
}

static const struct row accepted[] = {
	{ "all", FULL_CAP, FULL_ECAP, 0, 0x10, 0 },
	{ "plain", PLAIN_CAP, PLAIN_ECAP, 0, 0, 0 },
	{ "SAGAW with SSTS=0 (QEMU x-flts)", PLAIN_CAP, PLAIN_ECAP | RB(1) | RB(43) | RB(47), 0, 0,
	  0 },
	{ "SAGAW 0: pass-through only (QEMU dma-translation=off)", PLAIN_CAP & ~SAGAW,
	  PLAIN_ECAP | RB(6), 0, 0, 0 },
	{ "SMTS with pass-through only", PLAIN_CAP, PLAIN_ECAP | RB(1) | RB(6) | RB(43), 0, 0, 0 },
	{ "ADMS without SMTS", PLAIN_CAP, PLAIN_ECAP | RB(1) | RB(52), 0, 0, 0 },
	{ "ND 0", PLAIN_CAP & ~RM(2, 0), PLAIN_ECAP, 0, 0, 0 },
	{ "MGAW 57 bits", (PLAIN_CAP & ~MGAW) | RV(16, 56), PLAIN_ECAP, 0, 0, 0 },
	{ "haw 36", PLAIN_CAP, PLAIN_ECAP, 0, 0, 36 },
	{ "haw 52", PLAIN_CAP, PLAIN_ECAP, 0, 0, 52 },
	{ "version 15.15", PLAIN_CAP, PLAIN_ECAP, 0, 0xff, 0 },
	{ "NFR 1", PLAIN_CAP, PLAIN_ECAP, 0, 0, 0 },
	{ "NFR 8", PLAIN_CAP | RV(40, 7), RV(8, 0x2a), 0, 0, 0 },
	{ "NFR 256, IRO just above", PLAIN_CAP | RV(40, 255), RV(8, 0x122), 0, 0, 0 },
	{ "NFR 256 at the end, IRO just below", PLAIN_CAP | RV(24, 0x3ff) | RV(40, 255),
	  RV(8, 0x3fe), 0, 0, 0 },
	{ "IRO at the end", PLAIN_CAP, RV(8, 0x3ff), 0, 0, 0 },
};

static void open_row(struct guest *g, const struct row *row)
{
	struct viommu_vtd_config config = { .size = sizeof(config),
					    .cap = row->cap,
					    .ecap = row->ecap,
					    .version = row->version,
					    .haw = row->haw };

	row_name = row->name;
	guest_init(g, GUEST_REGION, 2);
	row_equal(guest_try_vtd_config(g, &config), VIOMMU_OK);
}

static void test_accepted(void **state)
{
	for (size_t i = 0; i < sizeof(accepted) / sizeof(accepted[0]); i++) {
		struct guest g;

		open_row(&g, &accepted[i]);
		row_equal(guest_read64(&g, 0x08), accepted[i].cap);
		row_equal(guest_read64(&g, 0x10), accepted[i].ecap);
		row_equal(guest_read32(&g, 0x00), accepted[i].version ? accepted[i].version : 0x10);
		row_equal(g.count[GUEST_ON_MESSAGE], 0);
		guest_fini(&g);
	}
}

/* Every single bit flipped in a full and in a plain configuration: presented exactly, or refused.
 */
static void flip(uint64_t cap, uint64_t ecap)
{
	struct guest g;
	int result;

	guest_init(&g, GUEST_REGION, 1);
	result = guest_try_vtd(&g, cap, ecap);
	if (result) {
		row_equal(result == VIOMMU_EINVAL || result == VIOMMU_ENOTSUP, true);
		row_equal(g.count[GUEST_ON_MESSAGE], 1);
	} else {
		row_equal(guest_read64(&g, 0x08), cap);
		row_equal(guest_read64(&g, 0x10), ecap);
		row_equal(g.count[GUEST_ON_MESSAGE], 0);
	}
	guest_fini(&g);
}

static void test_presented_exactly(void **state)
{
	row_name = "presented exactly";
	for (unsigned bit = 0; bit < 64; bit++) {
		flip(FULL_CAP ^ RB(bit), FULL_ECAP);
		flip(FULL_CAP, FULL_ECAP ^ RB(bit));
		flip(PLAIN_CAP ^ RB(bit), PLAIN_ECAP);
		flip(PLAIN_CAP, PLAIN_ECAP ^ RB(bit));
	}
}

/* CAP.FRO, CAP.NFR and ECAP.IRO place registers: a fault is recorded there, IOTLB works there. */
static void check_places(const struct row *row)
{
	struct guest g;
	uint64_t frcd = (row->cap >> 24 & 0x3ff) * 16;
	uint64_t iotlb = (row->ecap >> 8 & 0x3ff) * 16 + 8;
	unsigned records = (row->cap >> 40 & 0xff) + 1;

	open_row(&g, row);
	guest_root(&g, 0);
	guest_command(&g, RB(31), true);
	for (unsigned i = 0; i < records; i++) { /* one requester each: no two collapse */
		struct viommu_device *device = guest_device(&g, 0x100 + i);
		uint64_t at = frcd + 16 * i;

		row_equal(guest_dma(device, 0x1000, VIOMMU_READ).answer.reason, 0x01);
		row_equal(guest_read64(&g, at), 0x1000);
		row_equal(guest_read64(&g, at + 8), RB(63) | RB(62) | RV(32, 1) | (0x100 + i));
		guest_drop(&g);
	}
	row_equal(guest_read32(&g, 0x34), 2);
	guest_write64(&g, iotlb, RB(63) | RV(60, 1));
	row_equal(guest_read64(&g, iotlb) >> 57,
		  RV(3, 1) | 1); /* IVT clear, IIRG as written, IAIG 1 */
	guest_fini(&g);
}

static void test_places(void **state)
{
	for (size_t i = 0; i < sizeof(accepted) / sizeof(accepted[0]); i++) {
		if (!(accepted[i].ecap & RB(1)) && accepted[i].version < 0x60)
			check_places(&accepted[i]);
	}
}

/* Structures and pointers. */
static void test_arguments(void **state)
{
	struct viommu_vtd_config config = { .size = sizeof(config) };
	struct guest g;
	struct viommu *iommu = NULL;

	row_name = "arguments";
	guest_init(&g, GUEST_REGION, 1);
	row_equal(viommu_vtd_new(NULL, &config, &iommu), VIOMMU_EINVAL);
	row_equal(viommu_vtd_new(g.vm, NULL, &iommu), VIOMMU_EINVAL);
	row_equal(viommu_vtd_new(g.vm, &config, NULL), VIOMMU_EINVAL);
	config.size = 4;
	row_equal(viommu_vtd_new(g.vm, &config, &iommu), VIOMMU_ESIZE);
	config.size = sizeof(config);
	config.flags = 1;
	row_equal(viommu_vtd_new(g.vm, &config, &iommu), VIOMMU_EINVAL);
	row_equal(iommu == NULL, true);
	config.flags = 0;
	row_equal(viommu_vtd_new(g.vm, &config, &iommu), VIOMMU_OK); /* neither host nor limits */
	row_equal(viommu_free(iommu), VIOMMU_OK);
	guest_fini(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refused),		  cmocka_unit_test(test_accepted),
		cmocka_unit_test(test_presented_exactly), cmocka_unit_test(test_places),
		cmocka_unit_test(test_arguments),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
