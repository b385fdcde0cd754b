/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_its_gicv4.c - GICv4 and 4.1: commands of virtual interrupts with their errors, vPEs across
 * ITSs, residency, doorbells, virtual SGIs (IHI 0069 5.3, 5.4, 12.13).
 */
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "its_rig.h"

static struct its_rig rig;

#define CODE(command, reason) VIOMMU_ITS_ERROR(command, reason)
#define REG(cpu, offset)      VIOMMU_LPIS_OFFSET(cpu, offset)
#define VALID		      (UINT64_C(1) << 63)
#define DOORBELL	      (UINT64_C(1) << 62)
#define LAST		      (UINT64_C(1) << 61)
#define NONE		      1023

/* vPE 0 at cpu 0 and vPE 1 at cpu 1 with 16 bits, vPE 2 at cpu 2 with 14 bits; vPE 3 is not mapped. Device
 * 1: event 0: vLPI 8192 of vPE 0, doorbell 9000; 1: 20000 of vPE 1, none; 2: 8193 of vPE 3; 3: LPI 8200;
 * 4: nothing. */
static struct its_rig *open_virtual(bool v41, uint32_t units)
{
	struct its_rig *r = &rig;

	its_open(r, &(struct its_rig_config){ .typer = v41 ? ITS_RIG_TYPER_V41 : ITS_RIG_TYPER_V4,
					      .flags = v41 ? 12 : 4,
					      .vpes = 16,
					      .units = units });
	memset(guest_at(&r->g, ITS_RIG_VCONF), 0x81, 0xe000);
	for (unsigned i = 0; i < 3; i++) {
		unsigned bits = i == 2 ? 14 : 16;

		assert_int_equal(its_command(r, v41 ? VMAPP41(i, i, ITS_RIG_VPT(i), bits, 1, 1,
							      ITS_RIG_VCONF, 9000 + i)
						    : VMAPP(i, i, ITS_RIG_VPT(i), bits)),
				 0);
	}
	assert_int_equal(its_command(r, MAPC(0, 0)), 0);
	assert_int_equal(its_command(r, MAPD(1, 5, ITS_RIG_ITT(1))), 0);
	assert_int_equal(its_command(r, VMAPTI(1, 0, 0, 8192, 9000)), 0);
	assert_int_equal(its_command(r, VMAPTI(1, 1, 1, 20000, NONE)), 0);
	assert_int_equal(its_command(r, VMAPTI(1, 2, 3, 8193, NONE)), 0);
	assert_int_equal(its_command(r, MAPTI(1, 3, 8200, 0)), 0);
	for (unsigned cpu = 0; cpu < ITS_RIG_CPUS; cpu++)
		its_write(r->lpis, REG(cpu, 0x20070), v41 ? VALID : ITS_RIG_VCONF | 15);
	r->told_count = 0;
	return r;
}

/* Makes a vPE resident. */
static void schedule(struct its_rig *r, bool v41, uint32_t cpu, uint32_t vpe)
{
	its_write(r->lpis, REG(cpu, 0x20078), VALID | (v41 ? vpe : ITS_RIG_VPT(vpe)));
}

static uint64_t deschedule(struct its_rig *r, bool v41, uint32_t cpu, uint32_t vpe, uint64_t bits)
{
	its_write(r->lpis, REG(cpu, 0x20078), bits | (v41 ? vpe : ITS_RIG_VPT(vpe)));
	return its_read(r->lpis, REG(cpu, 0x20078)) & (LAST | UINT64_C(1) << 60);
}

/* ---- errors ---- */

#define DEV(op, dev) ((uint64_t)(op) | (uint64_t)(dev) << 32)
#define VPE(vpe)     ((uint64_t)(vpe) << 32)
#define NODB	     (UINT64_C(1023) << 32)

static const struct {
	const char *name;
	struct its_words command;
	uint32_t code;
	unsigned only; /* 1: GICv4.0, 2: 4.1 */
} errors[] = {
	{ "VMAPTI DeviceID", { { DEV(0x2a, 8192), 0, 0, 0 } }, CODE(0x2a, 0x01), 0 },
	{ "VMAPTI vPEID", { { DEV(0x2a, 2), VPE(16), 0, 0 } }, CODE(0x2a, 0x11), 0 },
	{ "VMAPTI device not mapped", { { DEV(0x2a, 2), 0, 0, 0 } }, CODE(0x2a, 0x04), 0 },
	{ "VMAPTI EventID", { { DEV(0x2a, 1), 32, 0, 0 } }, CODE(0x2a, 0x05), 0 },
	{ "VMAPTI vINTID", { { DEV(0x2a, 1), 4, NODB | 8191, 0 } }, CODE(0x2a, 0x13), 0 },
	{ "VMAPTI vINTID above", { { DEV(0x2a, 1), 4, NODB | 65536, 0 } }, CODE(0x2a, 0x13), 0 },
	{ "VMAPTI doorbell",
	  { { DEV(0x2a, 1), 4, UINT64_C(1022) << 32 | 8192, 0 } },
	  CODE(0x2a, 0x06),
	  0 },
	{ "VMAPI DeviceID", { { DEV(0x2b, 8192), 0, 0, 0 } }, CODE(0x2b, 0x01), 0 },
	{ "VMAPI vPEID", { { DEV(0x2b, 2), VPE(16), 0, 0 } }, CODE(0x2b, 0x11), 0 },
	{ "VMAPI device not mapped", { { DEV(0x2b, 2), 0, 0, 0 } }, CODE(0x2b, 0x04), 0 },
	{ "VMAPI EventID", { { DEV(0x2b, 1), 32, 0, 0 } }, CODE(0x2b, 0x05), 0 },
	{ "VMAPI EventID is no LPI", { { DEV(0x2b, 1), 4, NODB, 0 } }, CODE(0x2b, 0x13), 0 },
	{ "VMOVI DeviceID", { { DEV(0x21, 8192), 0, 0, 0 } }, CODE(0x21, 0x01), 0 },
	{ "VMOVI device not mapped", { { DEV(0x21, 2), 0, 0, 0 } }, CODE(0x21, 0x04), 0 },
	{ "VMOVI EventID", { { DEV(0x21, 1), 32, 0, 0 } }, CODE(0x21, 0x05), 0 },
	{ "VMOVI event not mapped", { { DEV(0x21, 1), 4, 0, 0 } }, CODE(0x21, 0x07), 0 },
	{ "VMOVI event is physical", { { DEV(0x21, 1), 3, 0, 0 } }, CODE(0x21, 0x15), 0 },
	{ "VMOVI vPEID", { { DEV(0x21, 1), VPE(16), 0, 0 } }, CODE(0x21, 0x11), 0 },
	{ "VMOVI old vPE not mapped", { { DEV(0x21, 1), VPE(0) | 2, 0, 0 } }, CODE(0x21, 0x16), 0 },
	{ "VMOVI new vPE not mapped", { { DEV(0x21, 1), VPE(3), 0, 0 } }, CODE(0x21, 0x17), 0 },
	{ "VMOVI vINTID not in the new VPT",
	  { { DEV(0x21, 1), VPE(2) | 1, 0, 0 } },
	  CODE(0x21, 0x13),
	  0 },
	{ "VMOVI doorbell",
	  { { DEV(0x21, 1), VPE(1), UINT64_C(5) << 32 | 1, 0 } },
	  CODE(0x21, 0x06),
	  0 },
	{ "MOVI of a virtual event", { { DEV(1, 1), 0, 0, 0 } }, CODE(1, 0x07), 0 },
	{ "INT of a vPE that is not mapped", { { DEV(3, 1), 2, 0, 0 } }, CODE(3, 0x10), 0 },
	{ "CLEAR of a vPE that is not mapped", { { DEV(4, 1), 2, 0, 0 } }, CODE(5, 0x10), 0 },
	{ "INV of a vPE that is not mapped", { { DEV(0xc, 1), 2, 0, 0 } }, CODE(0xc, 0x10), 0 },
	{ "DISCARD of a vPE that is not mapped", { { DEV(0xf, 1), 2, 0, 0 } }, CODE(0xf, 0x10), 0 },
	{ "VMAPP vPEID", { { 0x29, VPE(16), ITS_V, 15 } }, CODE(0x29, 0x11), 0 },
	{ "VMAPP VPT_size", { { 0x29, VPE(4), ITS_V, 16 } }, CODE(0x29, 0x12), 0 },
	{ "VMAPP RDbase", { { 0x29, VPE(4), ITS_V | 4 << 16, 15 } }, CODE(0x29, 0x02), 0 },
	{ "VMAPP V=0 vPEID", { { 0x29, VPE(16), 0, 0 } }, CODE(0x29, 0x11), 0 },
	{ "VMAPP V=0 of what is not mapped", { { 0x29, VPE(4), 9 << 16, 99 } }, 0, 0 },
	{ "VMOVP vPEID", { { 0x22, VPE(16), 0, 0 } }, CODE(0x22, 0x11), 0 },
	{ "VMOVP not mapped", { { 0x22, VPE(3), 0, 0 } }, CODE(0x22, 0x14), 0 },
	{ "VMOVP RDbase", { { 0x22, VPE(0), 4 << 16, 0 } }, CODE(0x22, 0x02), 0 },
	{ "VINVALL vPEID", { { 0x2d, VPE(16), 0, 0 } }, CODE(0x2d, 0x11), 0 },
	{ "VINVALL not mapped", { { 0x2d, VPE(3), 0, 0 } }, CODE(0x2d, 0x14), 0 },
	{ "VSYNC vPEID", { { 0x25, VPE(16), 0, 0 } }, CODE(0x25, 0x11), 0 },
	{ "VSYNC not mapped", { { 0x25, VPE(3), 0, 0 } }, CODE(0x25, 0x14), 0 },
	{ "INVDB is of 4.1", { { 0x2e, VPE(0), 0, 0 } }, 1, 1 },
	{ "VSGI is of 4.1", { { 0x23, VPE(0), 0, 0 } }, 1, 1 },
	{ "INVDB vPEID", { { 0x2e, VPE(16), 0, 0 } }, CODE(0x2e, 0x11), 2 },
	{ "INVDB not mapped", { { 0x2e, VPE(3), 0, 0 } }, CODE(0x2e, 0x14), 2 },
	{ "VSGI vPEID", { { 0x23, VPE(16), 0, 0 } }, CODE(0x23, 0x11), 2 },
	{ "VSGI not mapped", { { 0x23, VPE(3), 0, 0 } }, CODE(0x23, 0x14), 2 },
};

static void every_error(void **state)
{
	for (unsigned v41 = 0; v41 < 2; v41++) {
		struct its_rig *r = open_virtual(v41, 1);

		for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
			if (errors[i].only && errors[i].only != v41 + 1)
				continue;
			check_eq(errors[i].name, its_command(r, errors[i].command), errors[i].code);
			check_eq(errors[i].name, r->result, VIOMMU_OK);
			check_eq(errors[i].name, its_resolve(r, 1, 0), ITS_VLPI(8192, 0));
			check_eq(errors[i].name, its_resolve(r, 1, 1), ITS_VLPI(20000, 1));
			check_eq(errors[i].name, its_resolve(r, 1, 2), ITS_REFUSED(0x10));
			check_eq(errors[i].name, its_resolve(r, 1, 3), ITS_LPI(8200, 0));
			check_eq(errors[i].name, its_resolve(r, 1, 4), ITS_REFUSED(7));
			its_expect_silence(r, errors[i].name);
		}
		its_close(r);
	}
}

/* ---- delivery ---- */

static void resident_and_not(void **state)
{
	for (unsigned v41 = 0; v41 < 2; v41++) {
		struct its_rig *r = open_virtual(v41, 1);

		schedule(r, v41, 0, 0);
		its_expect_silence(r, "nothing is pending");
		assert_int_equal(its_msi(r, 1, 0), ITS_VLPI(8192, 0));
		its_expect_told(r, "resident", (struct its_told){ 0, 0, 8192, 0x80, 1 });
		assert_int_equal(its_vlpi(r, 0, 8192), 0x800101);
		assert_int_equal(its_lpi(r, 0, 9000) & 1, 0);
		assert_int_equal(its_command(r, CLEAR(1, 0)), 0);
		its_expect_told(r, "CLEAR", (struct its_told){ 0, 0, 8192, 0x80, 0 });
		assert_int_equal(deschedule(r, v41, 0, 0, 0), 0);
		/* not resident */
		assert_int_equal(its_msi(r, 1, 0), ITS_VLPI(8192, 0));
		if (v41) { /* no doorbell was asked for */
			its_expect_silence(r, "4.1");
		} else {
			its_expect_told(r, "doorbell",
					(struct its_told){ 0, UINT32_MAX, 9000, 0xa0, 1 });
		}
		assert_int_equal(its_msi(r, 1, 1), ITS_VLPI(20000, 1)); /* without doorbell */
		its_expect_silence(r, "1023");
		schedule(r, v41, 0, 0);
		its_expect_told(r, "becomes resident", (struct its_told){ 0, 0, 8192, 0x80, 1 });
		assert_int_equal(deschedule(r, v41, 0, 0, 0), LAST);
		its_close(r);
	}
}

static void default_doorbell_rings_once(void **state)
{
	struct its_rig *r = open_virtual(true, 1);

	schedule(r, true, 0, 0);
	assert_int_equal(deschedule(r, true, 0, 0, DOORBELL), 0);
	its_msi(r, 1, 0);
	its_expect_told(r, "first", (struct its_told){ 0, UINT32_MAX, 9000, 0xa0, 1 });
	assert_int_equal(viommu_lpis_acknowledge(r->lpis, 0, 9000), VIOMMU_OK);
	assert_int_equal(its_command(r, VMAPTI(1, 5, 0, 8300, NONE)), 0);
	its_msi(r, 1, 5);
	its_expect_silence(r, "second");
	/* with something pending it is not asked for */
	schedule(r, true, 0, 0);
	r->told_count = 0;
	assert_int_equal(deschedule(r, true, 0, 0, DOORBELL), LAST);
	assert_int_equal(its_command(r, VMAPTI(1, 6, 0, 8301, NONE)), 0);
	its_msi(r, 1, 6);
	its_expect_silence(r, "pending anyway");
	its_close(r);
}

static void vmovi_moves_pending(void **state)
{
	struct its_rig *r = open_virtual(false, 1);

	its_msi(r, 1, 0);
	assert_int_equal(its_command(r, VMOVI(1, 0, 1, 1, 9001)), 0);
	assert_int_equal(its_resolve(r, 1, 0), ITS_VLPI(8192, 1));
	assert_int_equal(its_vlpi(r, 0, 8192) & 1, 0);
	assert_int_equal(its_vlpi(r, 1, 8192) & 1, 1);
	assert_int_equal(its_lpi(r, 1, 9001) & 1, 1); /* the new doorbell */
	its_close(r);
}

static void discard_clears(void **state)
{
	struct its_rig *r = open_virtual(false, 1);

	its_msi(r, 1, 0);
	assert_int_equal(its_command(r, DISCARD(1, 0)), 0);
	assert_int_equal(its_vlpi(r, 0, 8192) & 1, 0);
	assert_int_equal(its_resolve(r, 1, 0), ITS_REFUSED(7));
	its_close(r);
}

static void vmapi_has_its_event(void **state)
{
	struct its_rig *r = open_virtual(false, 1);

	assert_int_equal(its_command(r, MAPD(2, 14, 0)), 0);
	assert_int_equal(its_command(r, VMAPI(2, 8200, 1, NONE)), 0);
	assert_int_equal(its_resolve(r, 2, 8200), ITS_VLPI(8200, 1));
	its_close(r);
}

static void configuration(void **state)
{
	for (unsigned v41 = 0; v41 < 2; v41++) {
		struct its_rig *r = open_virtual(v41, 1);
		uint8_t *byte = guest_at(&r->g, ITS_RIG_VCONF);

		schedule(r, v41, 0, 0);
		*byte = 0x40; /* disabled */
		its_msi(r, 1, 0);
		assert_int_equal(r->told[0].pending, 0);
		r->told_count = 0;
		*byte = 0x41;
		assert_int_equal(its_command(r, INV(1, 0)), 0);
		its_expect_told(r, "INV", (struct its_told){ 0, 0, 8192, 0x40, 1 });
		*byte = 0x21;
		assert_int_equal(its_command(r, VINVALL(0)), 0);
		its_expect_told(r, "VINVALL", (struct its_told){ 0, 0, 8192, 0x20, 1 });
		if (v41) {
			*byte = 0x11;
			its_write(r->lpis, REG(3, 0xa0), VALID | UINT64_C(0) << 32 | 8192);
			its_expect_told(r, "INVLPIR", (struct its_told){ 0, 0, 8192, 0x10, 1 });
			*byte = 0x31;
			its_write32(r->lpis, REG(3, 0xa0),
				    8192); /* the upper half was for one write */
			its_expect_silence(r, "INVLPIR, lower half: not of a vPE");
			*byte = 0x11;
			its_write(r->lpis, REG(3, 0xb0), VALID);
			its_expect_told(r, "INVALLR", (struct its_told){ 0, 0, 8192, 0x10, 1 });
		}
		its_close(r);
	}
}

/* ---- vPEs ---- */

static void pending_table(void **state)
{
	struct its_rig *r = open_virtual(false, 1);
	uint64_t word = ITS_RIG_VPT(0) + 8192 / 8;

	its_msi(r, 1, 0);
	assert_int_equal(guest_get64(&r->g, word), 0);
	assert_int_equal(its_command(r, UNVMAPP(0)), 0);
	assert_int_equal(guest_get64(&r->g, word), 1);
	assert_int_equal(its_resolve(r, 1, 0), ITS_REFUSED(0x10));
	assert_int_equal(its_command(r, VMAPP(0, 3, ITS_RIG_VPT(0), 16)), 0);
	assert_int_equal(its_vlpi(r, 0, 8192) & 1, 1);
	schedule(r, false, 3, 0);
	its_command(r, CLEAR(1, 0));
	deschedule(r, false, 3, 0, 0);
	assert_int_equal(guest_get64(&r->g, word), 0); /* written when it leaves */
	its_close(r);
}

static void pending_table_41(void **state)
{
	struct its_rig *r = open_virtual(true, 1);
	uint64_t word = ITS_RIG_VPT(0) + 8192 / 8;

	its_command(r, UNVMAPP(0));
	guest_put64(&r->g, word, 2);
	its_command(r, VMAPP41(0, 0, ITS_RIG_VPT(0), 16, 1, 1, ITS_RIG_VCONF, NONE));
	assert_int_equal(its_vlpi(r, 0, 8193) & 1, 0); /* PTZ */
	its_command(r, UNVMAPP(0));
	guest_put64(&r->g, word, 2);
	its_command(r, VMAPP41(0, 0, ITS_RIG_VPT(0), 16, 1, 0, ITS_RIG_VCONF, NONE));
	assert_int_equal(its_vlpi(r, 0, 8193) & 1, 1);
	its_close(r);
}

static void never_written_where_forbidden(void **state)
{
	struct its_rig *r = &rig;

	its_open(r, &(struct its_rig_config){ .typer = ITS_RIG_TYPER_V4,
					      .flags = 4 | VIOMMU_LPIS_NO_GUEST_WRITES,
					      .vpes = 4 });
	its_command(r, VMAPP(0, 0, ITS_RIG_VPT(0), 16));
	its_command(r, MAPD(1, 5, 0));
	its_command(r, VMAPTI(1, 0, 0, 8192, NONE));
	*(uint8_t *)guest_at(&r->g, ITS_RIG_VCONF) = 0x81;
	its_write(r->lpis, REG(0, 0x20070), ITS_RIG_VCONF | 15);
	schedule(r, false, 0, 0);
	its_msi(r, 1, 0);
	assert_int_equal(deschedule(r, false, 0, 0, 0), LAST);
	its_command(r, UNVMAPP(0));
	assert_int_equal(r->g.count[GUEST_ON_DIRTY], 0);
	its_close(r);
}

static void vmovp_across_units(void **state)
{
	struct its_rig *r = open_virtual(false, 2);

	assert_int_equal(its_command_on(r, 1, VMAPP(0, 0, ITS_RIG_VPT(0), 16)), 0);
	assert_int_equal(its_command_on(r, 1, MAPD(5, 5, 0)), 0);
	assert_int_equal(its_command_on(r, 1, VMAPTI(5, 0, 0, 8400, 9003)), 0);
	assert_int_equal(its_command(r, VMOVP(0, 2)), 0);
	its_msi_on(r, 1, 5, 0, 0);
	its_expect_told(r, "doorbell", (struct its_told){ 2, UINT32_MAX, 9003, 0xa0, 1 });
	/* the first ITS unmaps it: it is still the other's */
	assert_int_equal(its_command(r, UNVMAPP(0)), 0);
	assert_int_equal(its_resolve(r, 1, 0), ITS_REFUSED(0x10));
	assert_int_equal(its_msi_on(r, 1, 5, 0, VIOMMU_MSI_RESOLVE), ITS_VLPI(8400, 0));
	assert_int_equal(its_vlpi(r, 0, 8400) & 1, 1);
	assert_int_equal(its_command_on(r, 1, UNVMAPP(0)), 0);
	its_close(r);
}

/* BASER2 from Valid to not: this ITS maps no vPE. */
static void table_that_goes(void **state)
{
	struct its_rig *r = open_virtual(false, 1);

	its_msi(r, 1, 0);
	its_write32(r->its, 0, 0);
	its_write(r->its, 0x110, 0);
	its_write32(r->its, 0, 1);
	assert_int_equal(its_resolve(r, 1, 0), ITS_REFUSED(0x10));
	assert_int_equal(guest_get64(&r->g, ITS_RIG_VPT(0) + 1024), 1);
	assert_int_equal(its_command(r, VMAPP(0, 0, ITS_RIG_VPT(0), 16)), CODE(0x29, 0x11));
	its_close(r);
}

static struct {
	bool armed;
	int result;
	uint64_t word;
} around;

static void drop_table(void *opaque, enum guest_event event)
{
	struct its_rig *r = opaque;

	if (event != GUEST_ON_READ || !around.armed)
		return;
	around.armed = false;
	its_write32(r->its, 0, 0);
	around.result = its_write(r->its, 0x110, 0);
	around.word = guest_get64(&r->g, ITS_RIG_VPT(0) + 1024);
}

/* The VPT is written when nobody delivers any more. */
static void table_that_goes_during_a_delivery(void **state)
{
	struct its_rig *r = &rig;

	its_open(r, &(struct its_rig_config){ .typer = ITS_RIG_TYPER_V4,
					      .flags = 4,
					      .vpes = 4,
					      .memory = GUEST_CALLBACKS });
	its_command(r, VMAPP(0, 0, ITS_RIG_VPT(0), 16));
	its_command(r, MAPD(1, 5, ITS_RIG_ITT(1)));
	its_command(r, VMAPTI(1, 0, 0, 8192, 9000));
	around.armed = true;
	r->g.hook = drop_table;
	r->g.hook_opaque = r;
	its_msi(r, 1, 0);
	r->g.hook = NULL;
	assert_false(around.armed);
	assert_int_equal(around.result, VIOMMU_PENDING);
	assert_int_equal(around.word, 0);
	assert_int_equal(viommu_run(r->its), VIOMMU_OK);
	assert_int_equal(guest_get64(&r->g, ITS_RIG_VPT(0) + 1024), 1);
	its_close(r);
}

static void move_vpe(void *opaque, enum guest_event event)
{
	struct its_rig *r = opaque;

	if (event != GUEST_ON_READ || !around.armed)
		return;
	around.armed = false;
	its_queue(r, 0, VMOVP(0, 1));
	its_command(r, VSYNC(0));
	around.result = r->result;
}

/* 2 VSYNC: a delivery that may ring where the vPE was is waited for. */
static void vmovp_during_a_delivery(void **state)
{
	struct its_rig *r = &rig;

	its_open(r, &(struct its_rig_config){ .typer = ITS_RIG_TYPER_V4,
					      .flags = 4,
					      .vpes = 4,
					      .memory = GUEST_CALLBACKS });
	its_command(r, VMAPP(0, 0, ITS_RIG_VPT(0), 16));
	its_command(r, MAPD(1, 5, ITS_RIG_ITT(1)));
	its_command(r, VMAPTI(1, 0, 0, 8192, 9000));
	its_command(r, SYNC(0));
	around.armed = true;
	r->g.hook = move_vpe;
	r->g.hook_opaque = r;
	its_msi(r, 1, 0);
	r->g.hook = NULL;
	assert_false(around.armed);
	assert_int_equal(around.result, VIOMMU_PENDING);
	assert_int_equal(viommu_run(r->its), VIOMMU_OK);
	its_close(r);
}

/* Two ITSs unmap a vPE at once: who comes last writes what is pending, once. */
static void unmapped_by_two_at_once(void **state)
{
	for (unsigned first = 0; first < 2; first++) {
		struct its_rig *r = &rig;

		its_open(r, &(struct its_rig_config){ .typer = ITS_RIG_TYPER_V4,
						      .flags = 4,
						      .vpes = 4,
						      .units = 2,
						      .steps = 64 });
		its_command(r, VMAPP(0, 0, ITS_RIG_VPT(0), 16));
		its_command_on(r, 1, VMAPP(0, 0, ITS_RIG_VPT(0), 16));
		its_command(r, MAPD(1, 5, ITS_RIG_ITT(1)));
		its_command(r, VMAPTI(1, 0, 0, 8192, NONE));
		its_msi(r, 1, 0);
		its_command_on(r, 0, UNVMAPP(0));
		assert_int_equal(r->result, VIOMMU_PENDING);
		its_command_on(r, 1, UNVMAPP(0));
		assert_int_equal(r->result, VIOMMU_PENDING);
		for (unsigned i = 0; i < 2; i++) {
			while (viommu_run(r->unit[i ^ first].its) == VIOMMU_PENDING)
				;
		}
		assert_int_equal(guest_get64(&r->g, ITS_RIG_VPT(0) + 1024), 1);
		its_close(r);
	}
}

/* 4.0: the VPT says who it is. Of 4096 vPEs that is 64 steps; to look at what is pending takes 56. */
static void scheduling_is_paid(void **state)
{
	for (unsigned many = 0; many < 2; many++) {
		struct its_rig *r = &rig;

		its_open(r, &(struct its_rig_config){ .typer = ITS_RIG_TYPER_V4,
						      .flags = 4,
						      .vpes = many ? 4096 : 4,
						      .steps = 64 });
		its_command(r, VMAPP(0, 0, ITS_RIG_VPT(0), 16));
		assert_int_equal(its_write(r->lpis, REG(0, 0x20078), VALID | ITS_RIG_VPT(0)),
				 many ? VIOMMU_PENDING : VIOMMU_OK);
		while (viommu_run(r->lpis) == VIOMMU_PENDING)
			;
		its_close(r);
	}
}

/* Many vPEs, few steps: each call does some, and no command is executed before all are done. */
static void table_that_goes_in_steps(void **state)
{
	struct its_rig *r = &rig;
	unsigned runs = 0;
	int result;

	its_open(r, &(struct its_rig_config){
			    .typer = ITS_RIG_TYPER_V4, .flags = 4, .vpes = 200, .steps = 500 });
	for (uint32_t i = 0; i < 100; i++)
		its_queue(r, 0, VMAPP(i, 0, ITS_RIG_VPT(0), 16));
	/* each reads a pending table */
	for (result = its_ring(r, 0); result == VIOMMU_PENDING; result = viommu_run(r->its))
		runs++;
	assert_true(runs > 10);
	runs = 0;
	for (uint32_t i = 100; i < 200; i++) {
		its_command(r, VMAPP(i, 0, ITS_RIG_VPT(0), 16));
		assert_int_equal(r->result, VIOMMU_OK);
	}
	its_write32(r->its, 0, 0);
	result = its_write(r->its, 0x110, 0);
	assert_int_equal(result, VIOMMU_PENDING);
	its_write(r->its, 0x110, ITS_RIG_VPES | ITS_V);
	its_write32(r->its, 0, 1);
	its_queue(r, 0, VMAPP(5, 0, ITS_RIG_VPT(0), 16));
	for (result = its_ring(r, 0); result == VIOMMU_PENDING; result = viommu_run(r->its))
		runs++;
	assert_true(runs > 10);
	for (uint32_t i = 0; i < 200; i++)
		assert_int_equal(its_command(r, VSYNC(i)), i == 5 ? 0 : CODE(0x25, 0x14));
	its_close(r);
}

/* INVALLR of a vPE with more pending than a call has steps. */
static void invallr_in_steps(void **state)
{
	struct its_rig *r = &rig;
	uint32_t runs = 0;

	its_open(r, &(struct its_rig_config){
			    .typer = ITS_RIG_TYPER_V41, .flags = 12, .vpes = 4, .steps = 64 });
	memset(guest_at(&r->g, ITS_RIG_VCONF), 0x81, 0xe000);
	memset(guest_at(&r->g, ITS_RIG_VPT(0) + 1024), 0xff, 64); /* 512 vLPIs */
	its_command(r, VMAPP41(0, 0, ITS_RIG_VPT(0), 16, 1, 0, ITS_RIG_VCONF, NONE));
	its_write(r->lpis, REG(0, 0x20078), VALID);
	while (viommu_run(r->lpis) == VIOMMU_PENDING)
		;
	r->told_count = 0;
	assert_int_equal(its_write(r->lpis, REG(1, 0xb0), VALID), VIOMMU_PENDING);
	while (viommu_run(r->lpis) == VIOMMU_PENDING)
		runs++;
	assert_true(runs > 4);
	assert_int_equal(r->told_count, 512);
	its_close(r);
}

static void vpendbaser_rules(void **state)
{
	struct its_rig *r = open_virtual(true, 1);

	schedule(r, true, 0, 0);
	its_write(r->lpis, REG(0, 0x20078), VALID | 1); /* while Valid: ignored */
	assert_int_equal(its_read(r->lpis, REG(0, 0x20078)), VALID);
	its_write(r->lpis, REG(0, 0x20078), 0);
	schedule(r, true, 1, 9); /* not mapped: nobody is resident */
	assert_int_equal(its_read(r->lpis, REG(1, 0x20078)), VALID | 9);
	assert_int_equal(deschedule(r, true, 1, 9, DOORBELL), 0);
	its_close(r);
}

/* ---- virtual SGIs ---- */

static void virtual_sgis(void **state)
{
	struct its_rig *r = open_virtual(true, 1);

	assert_int_equal(its_command(r, VSGI(0, 3, 1, 0, 0xa0)), 0);
	schedule(r, true, 0, 0);
	its_write(r->its, 0x20020, 3);
	its_expect_told(r, "GITS_SGIR", (struct its_told){ 0, 0, 3, 0xa0, 1 });
	its_write32(r->lpis, REG(2, 0x20080), 0);
	assert_int_equal(its_read32(r->lpis, REG(2, 0x20088)), 8);
	assert_int_equal(its_command(r, VSGI(0, 3, 0, 1, 0)), 0); /* clears only */
	its_expect_told(r, "VSGI Clear", (struct its_told){ 0, 0, 3, 0xa0, 0 });
	assert_int_equal(its_vlpi(r, 0, 3), 0xa00100);
	deschedule(r, true, 0, 0, DOORBELL);
	its_write(r->its, 0x20020, 3);
	its_expect_told(r, "doorbell", (struct its_told){ 0, UINT32_MAX, 9000, 0xa0, 1 });
	schedule(r, true, 0, 0);
	its_expect_told(r, "resident", (struct its_told){ 0, 0, 3, 0xa0, 1 });
	assert_int_equal(viommu_lpis_acknowledge_virtual(r->lpis, 0, 3), VIOMMU_OK);
	assert_int_equal(viommu_lpis_acknowledge_virtual(r->lpis, 0, 3), VIOMMU_ENOENT);
	its_write(r->its, 0x20020, UINT64_C(77) << 32); /* no such vPE */
	its_expect_silence(r, "no vPE");
	its_write32(r->its, 0, 0);
	its_write(r->its, 0x20020, 3); /* Enabled is 0 */
	its_expect_silence(r, "off");
	its_close(r);
}

static void invdb(void **state)
{
	struct its_rig *r = open_virtual(true, 1);

	assert_int_equal(its_lpi(r, 0, 9000), 0xa00100);
	its_configure(r, 9000, 0x10);
	assert_int_equal(its_command(r, INVDB(0)), 0);
	assert_int_equal(its_lpi(r, 0, 9000), 0x100000);
	its_close(r);
}

/* 5 vSGI: what is pending is in the VPT; 3 VMAPP Alloc=1: the configuration is as after power-on. */
static void sgis_go_and_come_with_the_vpt(void **state)
{
	struct its_rig *r = open_virtual(true, 1);

	guest_put64(&r->g, ITS_RIG_VPT(0), UINT64_C(0x70000)); /* not ours */
	assert_int_equal(its_command(r, VSGI(0, 3, 1, 0, 0xa0)), 0);
	its_write(r->its, 0x20020, 3);
	assert_int_equal(its_vlpi(r, 0, 3), 0xa00101);
	assert_int_equal(its_command(r, UNVMAPP(0)), 0);
	assert_int_equal(guest_get64(&r->g, ITS_RIG_VPT(0)), 0x70008);
	/* another VPT has nothing of it */
	its_command(r, VMAPP41(0, 0, ITS_RIG_VPT(4), 16, 1, 0, ITS_RIG_VCONF, NONE));
	assert_int_equal(its_vlpi(r, 0, 3), 0);
	its_command(r, UNVMAPP(0));
	its_command(r, VMAPP41(0, 0, ITS_RIG_VPT(0), 16, 1, 0, ITS_RIG_VCONF, NONE));
	assert_int_equal(its_vlpi(r, 0, 3), 1);
	assert_int_equal(viommu_lpis_acknowledge_virtual(r->lpis, 0, 3), VIOMMU_OK);
	schedule(r, true, 0, 0);
	deschedule(r, true, 0, 0, 0);
	assert_int_equal(guest_get64(&r->g, ITS_RIG_VPT(0)), 0x70000);
	/* PTZ=1: it is not read */
	its_command(r, UNVMAPP(0));
	guest_put64(&r->g, ITS_RIG_VPT(0), 8);
	its_command(r, VMAPP41(0, 0, ITS_RIG_VPT(0), 16, 1, 1, ITS_RIG_VCONF, NONE));
	assert_int_equal(its_vlpi(r, 0, 3), 0);
	its_close(r);
}

/* 3 VMAPP: (re)initialised by the first mapping in any ITS, kept by a further one. */
static void alloc_initialises_sgis(void **state)
{
	struct its_rig *r = open_virtual(true, 2);

	assert_int_equal(its_command(r, VSGI(0, 3, 1, 0, 0xa0)), 0);
	its_command_on(r, 1, VMAPP41(0, 0, ITS_RIG_VPT(0), 16, 0, 0, ITS_RIG_VCONF, NONE));
	assert_int_equal(its_vlpi(r, 0, 3), 0xa00100);
	its_command(r, UNVMAPP(0));
	its_command(r, VMAPP41(0, 0, ITS_RIG_VPT(0), 16, 1, 1, ITS_RIG_VCONF, NONE));
	assert_int_equal(its_vlpi(r, 0, 3), 0xa00100);
	its_command(r, UNVMAPP(0));
	its_command_on(r, 1, UNVMAPP(0));
	its_command(r, VMAPP41(0, 0, ITS_RIG_VPT(0), 16, 1, 1, ITS_RIG_VCONF, NONE));
	assert_int_equal(its_vlpi(r, 0, 3), 0);
	its_close(r);
}

/* 1 GITS_SGIR: of vPEs that this ITS maps. */
static void sgir_of_another_its(void **state)
{
	struct its_rig *r = open_virtual(true, 2);

	its_write(r->unit[1].its, 0x20020, 3);
	assert_int_equal(its_vlpi(r, 0, 3) & 1, 0);
	its_command_on(r, 1, VMAPP41(0, 0, ITS_RIG_VPT(0), 16, 0, 0, ITS_RIG_VCONF, NONE));
	its_write(r->unit[1].its, 0x20020, 3);
	assert_int_equal(its_vlpi(r, 0, 3) & 1, 1);
	its_close(r);
}

/* ---- what software learns of a vPE that has left ---- */

/* 5 PendingLast: any pending and enabled. */
static void pending_last_counts_what_is_enabled(void **state)
{
	for (unsigned v41 = 0; v41 < 2; v41++) {
		struct its_rig *r = open_virtual(v41, 1);
		uint8_t *byte = guest_at(&r->g, ITS_RIG_VCONF);

		*byte = 0x40;
		its_msi(r, 1, 0);
		schedule(r, v41, 0, 0);
		assert_int_equal(deschedule(r, v41, 0, 0, 0), 0);
		assert_int_equal(its_vlpi(r, 0, 8192) & 0x101, 1);
		*byte = 0x41;
		schedule(r, v41, 0, 0);
		assert_int_equal(deschedule(r, v41, 0, 0, 0), LAST);
		its_close(r);
	}
}

/* 5: only if Doorbell was 1 when it was descheduled, the last time. */
static void doorbell_of_the_time_before(void **state)
{
	struct its_rig *r = open_virtual(true, 1);

	schedule(r, true, 0, 0);
	assert_int_equal(deschedule(r, true, 0, 0, DOORBELL), 0);
	schedule(r, true, 0, 0);
	its_msi(r, 1, 0);
	assert_int_equal(deschedule(r, true, 0, 0, 0), LAST);
	r->told_count = 0;
	assert_int_equal(its_command(r, VMAPTI(1, 5, 0, 8300, NONE)), 0);
	its_msi(r, 1, 5);
	its_expect_silence(r, "not asked for");
	its_close(r);
}

/* A vLPI that comes while the redistributor looks what is pending is in PendingLast, or rings. */
static void doorbell_while_it_leaves(void **state)
{
	struct its_rig *r = &rig;
	unsigned calls = 0;

	its_open(r, &(struct its_rig_config){
			    .typer = ITS_RIG_TYPER_V41, .flags = 12, .vpes = 4, .steps = 16 });
	memset(guest_at(&r->g, ITS_RIG_VCONF), 0x81, 0xe000);
	its_command(r, VMAPP41(0, 0, ITS_RIG_VPT(0), 16, 1, 1, ITS_RIG_VCONF, 9000));
	its_command(r, MAPD(1, 5, ITS_RIG_ITT(1)));
	its_command(r, VMAPTI(1, 0, 0, 8192, NONE));
	its_write(r->lpis, REG(0, 0x20078), VALID);
	while (viommu_run(r->lpis) == VIOMMU_PENDING)
		;
	r->told_count = 0;
	assert_int_equal(its_write(r->lpis, REG(0, 0x20078), DOORBELL), VIOMMU_PENDING);
	its_msi(r, 1, 0); /* the first LPIs have been looked at */
	while (viommu_run(r->lpis) == VIOMMU_PENDING)
		calls++;
	assert_true(calls > 1);
	assert_int_equal(its_read(r->lpis, REG(0, 0x20078)) & LAST, 0);
	its_expect_told(r, "doorbell", (struct its_told){ 0, UINT32_MAX, 9000, 0xa0, 1 });
	its_close(r);
}

static const struct {
	const char *name;
	struct its_words command;
	bool v40; /* also there: the event has a doorbell of its own */
} enabled_by[] = {
	{ "INV", ITS_W(ITS_DEV(0xc, 1), 0, 0, 0), true },
	{ "VINVALL", ITS_W(0x2d, 0, 0, 0), false },
};

/* What came while it was disabled is enabled by another vPE: whoever waits for a doorbell gets one. */
static void enabled_while_not_resident(void **state)
{
	for (unsigned v41 = 0; v41 < 2; v41++) {
		for (size_t i = 0; i < sizeof(enabled_by) / sizeof(enabled_by[0]); i++) {
			struct its_rig *r = open_virtual(v41, 1);
			uint8_t *byte = guest_at(&r->g, ITS_RIG_VCONF);

			schedule(r, v41, 0, 0);
			*byte = 0x40;
			its_msi(r, 1, 0);
			assert_int_equal(deschedule(r, v41, 0, 0, v41 ? DOORBELL : 0), 0);
			r->told_count = 0;
			*byte = 0x41;
			assert_int_equal(its_command(r, enabled_by[i].command), 0);
			if (v41 || enabled_by[i].v40)
				its_expect_told(r, enabled_by[i].name,
						(struct its_told){ 0, UINT32_MAX, 9000, 0xa0, 1 });
			its_expect_silence(r, enabled_by[i].name);
			its_close(r);
		}
	}
}

static void enabled_by_registers_while_not_resident(void **state)
{
	static const uint32_t offsets[] = { 0xa0, 0xb0 }; /* INVLPIR, INVALLR */

	for (unsigned i = 0; i < 2; i++) {
		struct its_rig *r = open_virtual(true, 1);

		schedule(r, true, 0, 0);
		*(uint8_t *)guest_at(&r->g, ITS_RIG_VCONF) = 0x40;
		its_msi(r, 1, 0);
		assert_int_equal(deschedule(r, true, 0, 0, DOORBELL), 0);
		r->told_count = 0;
		its_write(r->lpis, REG(3, offsets[i]), VALID | (i ? 0 : 8192));
		its_expect_told(r, "doorbell", (struct its_told){ 0, UINT32_MAX, 9000, 0xa0, 1 });
		its_close(r);
	}
}

static void sgi_configured_while_not_resident(void **state)
{
	struct its_rig *r = open_virtual(true, 1);

	its_write(r->its, 0x20020, 3); /* not enabled */
	schedule(r, true, 0, 0);
	assert_int_equal(deschedule(r, true, 0, 0, DOORBELL), 0);
	r->told_count = 0;
	assert_int_equal(its_command(r, VSGI(0, 3, 1, 0, 0xa0)), 0);
	its_expect_told(r, "VSGI", (struct its_told){ 0, UINT32_MAX, 9000, 0xa0, 1 });
	its_close(r);
}

/* 3 VMAPP: VPT_size > ID_bits. */
static void vpt_size_above_id_bits(void **state)
{
	struct its_rig *r = &rig;

	its_open(r, &(struct its_rig_config){ .typer = (ITS_RIG_TYPER_V4 & ~UINT64_C(0x1f00)) |
						       13 << 8,
					      .flags = 4,
					      .vpes = 4 });
	assert_int_equal(its_command(r, VMAPP(0, 0, ITS_RIG_VPT(0), 15)), CODE(0x29, 0x12));
	assert_int_equal(its_command(r, VMAPP(0, 0, ITS_RIG_VPT(0), 14)), 0);
	its_close(r);
}

/* ---- saved ---- */

static void *save_one(struct viommu *u, uint64_t *bytes)
{
	void *buffer;

	*bytes = 0;
	assert_int_equal(viommu_save(u, NULL, bytes), VIOMMU_ENOSPC);
	buffer = malloc(*bytes);
	assert_int_equal(viommu_save(u, buffer, bytes), VIOMMU_OK);
	return buffer;
}

static void saved(void **state)
{
	static struct its_rig other;
	struct its_rig *r = open_virtual(true, 1);
	uint64_t bytes[4];
	void *lpis;
	void *its;
	void *again;

	its_command(r, VSGI(0, 3, 1, 0, 0xa0));
	schedule(r, true, 0, 0);
	its_msi(r, 1, 0);
	its_msi(r, 1, 1);
	its_write(r->its, 0x20020, 3);
	lpis = save_one(r->lpis, &bytes[0]);
	its = save_one(r->its, &bytes[1]);
	its_open(&other,
		 &(struct its_rig_config){
			 .typer = ITS_RIG_TYPER_V41, .flags = 12, .vpes = 16, .off = true });
	memcpy(other.g.ram, r->g.ram, r->g.bytes);
	assert_int_equal(viommu_restore(other.lpis, lpis, bytes[0]), VIOMMU_PENDING);
	assert_int_equal(viommu_restore(other.its, its, bytes[1]), VIOMMU_PENDING);
	assert_int_equal(viommu_run(other.lpis), VIOMMU_OK);
	assert_int_equal(viommu_run(other.its), VIOMMU_OK);
	assert_int_equal(other.told_count, 2); /* vLPI 8192 and the SGI of the resident vPE */
	for (uint32_t event = 0; event < 5; event++)
		assert_int_equal(its_resolve(&other, 1, event), its_resolve(r, 1, event));
	assert_int_equal(its_vlpi(&other, 0, 8192), its_vlpi(r, 0, 8192));
	assert_int_equal(its_vlpi(&other, 1, 20000), its_vlpi(r, 1, 20000));
	assert_int_equal(its_vlpi(&other, 0, 3), its_vlpi(r, 0, 3));
	again = save_one(other.lpis, &bytes[2]);
	assert_int_equal(bytes[0], bytes[2]);
	assert_memory_equal(lpis, again, bytes[0]);
	free(again);
	again = save_one(other.its, &bytes[3]);
	assert_memory_equal(its, again, bytes[1]);
	free(again);
	free(lpis);
	free(its);
	its_close(&other);
	its_close(r);
}

/* In the middle of VMAPP V=0, when nothing is pending any more of what the VPT still has. */
static void saved_while_unmapping(void **state)
{
	static struct its_rig other;
	struct its_rig_config config = {
		.typer = ITS_RIG_TYPER_V4, .flags = 4, .vpes = 4, .steps = 64
	};
	struct its_rig *r = &rig;
	uint64_t word = ITS_RIG_VPT(0) + 8192 / 8;
	uint64_t bytes[2];
	void *lpis;
	void *its;

	its_open(r, &config);
	its_command(r, VMAPP(0, 0, ITS_RIG_VPT(0), 16));
	its_command(r, MAPD(1, 5, ITS_RIG_ITT(1)));
	its_command(r, VMAPTI(1, 0, 0, 8192, NONE));
	its_msi(r, 1, 0);
	schedule(r, false, 0, 0);
	deschedule(r, false, 0, 0, 0);
	while (viommu_run(r->lpis) == VIOMMU_PENDING)
		;
	assert_int_equal(guest_get64(&r->g, word), 1);
	assert_int_equal(viommu_lpis_acknowledge_virtual(r->lpis, 0, 8192), VIOMMU_OK);
	its_command(r, UNVMAPP(0));
	assert_int_equal(r->result, VIOMMU_PENDING);
	lpis = save_one(r->lpis, &bytes[0]);
	its = save_one(r->its, &bytes[1]);
	config.off = true;
	its_open(&other, &config);
	memcpy(other.g.ram, r->g.ram, r->g.bytes);
	assert_true(viommu_restore(other.lpis, lpis, bytes[0]) >= 0);
	assert_int_equal(viommu_restore(other.its, its, bytes[1]), VIOMMU_PENDING);
	while (viommu_run(other.its) == VIOMMU_PENDING)
		;
	assert_int_equal(guest_get64(&other.g, word), 0);
	free(lpis);
	free(its);
	its_close(&other);
	its_close(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_error),
		cmocka_unit_test(resident_and_not),
		cmocka_unit_test(default_doorbell_rings_once),
		cmocka_unit_test(vmovi_moves_pending),
		cmocka_unit_test(discard_clears),
		cmocka_unit_test(vmapi_has_its_event),
		cmocka_unit_test(configuration),
		cmocka_unit_test(pending_table),
		cmocka_unit_test(pending_table_41),
		cmocka_unit_test(never_written_where_forbidden),
		cmocka_unit_test(vmovp_across_units),
		cmocka_unit_test(table_that_goes),
		cmocka_unit_test(scheduling_is_paid),
		cmocka_unit_test(table_that_goes_in_steps),
		cmocka_unit_test(table_that_goes_during_a_delivery),
		cmocka_unit_test(vmovp_during_a_delivery),
		cmocka_unit_test(unmapped_by_two_at_once),
		cmocka_unit_test(invallr_in_steps),
		cmocka_unit_test(vpendbaser_rules),
		cmocka_unit_test(virtual_sgis),
		cmocka_unit_test(invdb),
		cmocka_unit_test(sgis_go_and_come_with_the_vpt),
		cmocka_unit_test(alloc_initialises_sgis),
		cmocka_unit_test(sgir_of_another_its),
		cmocka_unit_test(pending_last_counts_what_is_enabled),
		cmocka_unit_test(doorbell_of_the_time_before),
		cmocka_unit_test(doorbell_while_it_leaves),
		cmocka_unit_test(enabled_while_not_resident),
		cmocka_unit_test(enabled_by_registers_while_not_resident),
		cmocka_unit_test(sgi_configured_while_not_resident),
		cmocka_unit_test(vpt_size_above_id_bits),
		cmocka_unit_test(saved),
		cmocka_unit_test(saved_while_unmapping),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
