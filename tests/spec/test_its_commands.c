/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_its_commands.c - commands of an ITS (IHI 0069 5.3): what each does, and every error of each,
 * with the syndrome that is reported; nothing changes then.
 */
#include "check.h"
#include "its_rig.h"

static struct its_rig rig;

/* Device 1: 5 bits. Event 0: LPI 8192 at collection 0 (cpu 0); 1: 8193 at collection 1 (cpu 1);
 * 2: 8194 at collection 2, which is not mapped; 3: not mapped. Collections 3: cpu 0. */
static struct its_rig *open_mapped(uint64_t typer)
{
	struct its_rig *r = &rig;

	its_open(r, &(struct its_rig_config){ .typer = typer });
	assert_int_equal(its_command(r, MAPC(0, 0)), 0);
	assert_int_equal(its_command(r, MAPC(1, 1)), 0);
	assert_int_equal(its_command(r, MAPC(3, 0)), 0);
	assert_int_equal(its_command(r, MAPD(1, 5, ITS_RIG_ITT(1))), 0);
	assert_int_equal(its_command(r, MAPTI(1, 0, 8192, 0)), 0);
	assert_int_equal(its_command(r, MAPTI(1, 1, 8193, 1)), 0);
	assert_int_equal(its_command(r, MAPTI(1, 2, 8194, 2)), 0);
	r->told_count = 0;
	return r;
}

/* ---- errors: the table of the sheet, in its order of checks ---- */

#define CODE(command, reason) VIOMMU_ITS_ERROR(command, reason)

static const struct {
	const char *name;
	struct its_words command;
	uint32_t code;
} errors[] = {
	{ "MAPD DeviceID beyond the table", { { 0x200000000008, 4, ITS_V, 0 } }, CODE(8, 0x01) },
	{ "MAPD DeviceID beyond Devbits",
	  { { UINT64_C(0x1000000000008), 4, ITS_V, 0 } },
	  CODE(8, 0x01) },
	{ "MAPD Size above ID_bits", { { 0x200000008, 16, ITS_V, 0 } }, CODE(8, 0x02) },
	{ "MAPD V=0, DeviceID beyond the table", { { 0x200000000008, 31, 0, 0 } }, CODE(8, 0x01) },
	{ "MAPD V=0, size is not looked at", { { 0x200000008, 31, 0, 0 } }, 0 },
	{ "MAPD V=0 of a device that is not mapped", { { 0x200000008, 0, 0, 0 } }, 0 },
	{ "MAPC ICID beyond the table", { { 9, 0, ITS_V | 512, 0 } }, CODE(9, 0x03) },
	{ "MAPC V=0, ICID beyond the table", { { 9, 0, 512, 0 } }, CODE(9, 0x03) },
	{ "MAPC RDbase", { { 9, 0, ITS_V | 4 << 16 | 5, 0 } }, CODE(9, 0x02) },
	{ "MAPC V=0, RDbase is not looked at", { { 9, 0, 4 << 16 | 5, 0 } }, 0 },
	{ "MAPTI DeviceID", { { UINT64_C(0x20000000000a), 0, 600, 0 } }, CODE(0xa, 0x01) },
	{ "MAPTI ICID", { { UINT64_C(0x20000000a), 0, 600, 0 } }, CODE(0xa, 0x03) },
	{ "MAPTI device not mapped", { { UINT64_C(0x20000000a), 99, 0, 0 } }, CODE(0xa, 0x04) },
	{ "MAPTI EventID", { { UINT64_C(0x10000000a), 32, 0, 0 } }, CODE(0xa, 0x05) },
	{ "MAPTI INTID below the LPIs",
	  { { UINT64_C(0x10000000a), UINT64_C(8191) << 32 | 3, 0, 0 } },
	  CODE(0xa, 0x06) },
	{ "MAPTI INTID above IDbits",
	  { { UINT64_C(0x10000000a), UINT64_C(65536) << 32 | 3, 0, 0 } },
	  CODE(0xa, 0x06) },
	{ "MAPI DeviceID", { { UINT64_C(0x20000000000b), 0, 600, 0 } }, CODE(0xb, 0x01) },
	{ "MAPI ICID", { { UINT64_C(0x20000000b), 0, 600, 0 } }, CODE(0xb, 0x03) },
	{ "MAPI device not mapped", { { UINT64_C(0x20000000b), 99, 0, 0 } }, CODE(0xb, 0x04) },
	{ "MAPI EventID", { { UINT64_C(0x10000000b), 32, 0, 0 } }, CODE(0xb, 0x05) },
	{ "MAPI EventID is no LPI", { { UINT64_C(0x10000000b), 3, 0, 0 } }, CODE(0xb, 0x06) },
	{ "MOVI DeviceID", { { UINT64_C(0x200000000001), 0, 0, 0 } }, CODE(1, 0x01) },
	{ "MOVI device not mapped", { { UINT64_C(0x200000001), 0, 0, 0 } }, CODE(1, 0x04) },
	{ "MOVI EventID", { { UINT64_C(0x100000001), 32, 0, 0 } }, CODE(1, 0x05) },
	{ "MOVI event not mapped", { { UINT64_C(0x100000001), 3, 600, 0 } }, CODE(1, 0x07) },
	{ "MOVI ICID", { { UINT64_C(0x100000001), 2, 600, 0 } }, CODE(1, 0x03) },
	{ "MOVI old collection not mapped", { { UINT64_C(0x100000001), 2, 0, 0 } }, CODE(1, 0x09) },
	{ "MOVI new collection not mapped", { { UINT64_C(0x100000001), 0, 2, 0 } }, CODE(1, 0x09) },
	{ "INT DeviceID", { { UINT64_C(0x200000000003), 0, 0, 0 } }, CODE(3, 0x01) },
	{ "INT device not mapped", { { UINT64_C(0x200000003), 0, 0, 0 } }, CODE(3, 0x04) },
	{ "INT EventID", { { UINT64_C(0x100000003), 32, 0, 0 } }, CODE(3, 0x05) },
	{ "INT event not mapped", { { UINT64_C(0x100000003), 3, 0, 0 } }, CODE(3, 0x07) },
	{ "INT collection not mapped", { { UINT64_C(0x100000003), 2, 0, 0 } }, CODE(3, 0x10) },
	{ "CLEAR DeviceID", { { UINT64_C(0x200000000004), 0, 0, 0 } }, CODE(5, 0x01) },
	{ "CLEAR device not mapped", { { UINT64_C(0x200000004), 0, 0, 0 } }, CODE(5, 0x04) },
	{ "CLEAR EventID", { { UINT64_C(0x100000004), 32, 0, 0 } }, CODE(5, 0x05) },
	{ "CLEAR event not mapped", { { UINT64_C(0x100000004), 3, 0, 0 } }, CODE(5, 0x07) },
	{ "CLEAR collection not mapped", { { UINT64_C(0x100000004), 2, 0, 0 } }, CODE(5, 0x10) },
	{ "DISCARD DeviceID", { { UINT64_C(0x20000000000f), 0, 0, 0 } }, CODE(0xf, 0x01) },
	{ "DISCARD device not mapped", { { UINT64_C(0x20000000f), 0, 0, 0 } }, CODE(0xf, 0x04) },
	{ "DISCARD EventID", { { UINT64_C(0x10000000f), 32, 0, 0 } }, CODE(0xf, 0x05) },
	{ "DISCARD event not mapped", { { UINT64_C(0x10000000f), 3, 0, 0 } }, CODE(0xf, 0x07) },
	{ "DISCARD collection not mapped",
	  { { UINT64_C(0x10000000f), 2, 0, 0 } },
	  CODE(0xf, 0x10) },
	{ "INV DeviceID", { { UINT64_C(0x20000000000c), 0, 0, 0 } }, CODE(0xc, 0x01) },
	{ "INV device not mapped", { { UINT64_C(0x20000000c), 0, 0, 0 } }, CODE(0xc, 0x04) },
	{ "INV EventID", { { UINT64_C(0x10000000c), 32, 0, 0 } }, CODE(0xc, 0x05) },
	{ "INV event not mapped", { { UINT64_C(0x10000000c), 3, 0, 0 } }, CODE(0xc, 0x07) },
	{ "INV collection not mapped", { { UINT64_C(0x10000000c), 2, 0, 0 } }, CODE(0xc, 0x10) },
	{ "INVALL ICID", { { 0xd, 0, 512, 0 } }, CODE(0xd, 0x03) },
	{ "INVALL collection not mapped", { { 0xd, 0, 2, 0 } }, CODE(0xd, 0x09) },
	{ "MOVALL RDbase1", { { 0xe, 0, 4 << 16, 0 } }, CODE(0xe, 0x01) },
	{ "MOVALL RDbase2", { { 0xe, 0, 0, 4 << 16 } }, CODE(0xe, 0x01) },
	{ "SYNC RDbase is ignored", { { 5, 0, 99 << 16, 0 } }, 0 },
	{ "opcode 0", { { 0, 0, 0, 0 } }, 1 },
	{ "opcode 2", { { 2, 0, 0, 0 } }, 1 },
	{ "opcode ff", { { 0xff, 0, 0, 0 } }, 1 },
	{ "VMAPTI without Virtual", { { UINT64_C(0x10000002a), 0, 0, 0 } }, 1 },
	{ "VMAPP without Virtual", { { 0x29, 0, 0, 0 } }, 1 },
	{ "VSGI without Virtual", { { 0x23, 0, 0, 0 } }, 1 },
};

/* What a refused command must not have changed. */
static void same_as_mapped(struct its_rig *r, const char *row)
{
	check_eq(row, its_resolve(r, 1, 0), ITS_LPI(8192, 0));
	check_eq(row, its_resolve(r, 1, 1), ITS_LPI(8193, 1));
	check_eq(row, its_resolve(r, 1, 2), ITS_REFUSED(0x10));
	check_eq(row, its_resolve(r, 1, 3), ITS_REFUSED(0x07));
	check_eq(row, its_resolve(r, 1, 32), ITS_REFUSED(0x05));
	check_eq(row, its_resolve(r, 2, 0), ITS_REFUSED(0x04));
	check_eq(row, its_lpi(r, 0, 8192) & 1, 0);
	its_expect_silence(r, row);
}

static void every_error(void **state)
{
	struct its_rig *r = open_mapped(0);

	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		uint64_t read = its_read(r->its, 0x90);

		r->unit[0].errors = 0;
		check_eq(errors[i].name, its_command(r, errors[i].command), errors[i].code);
		check_eq(errors[i].name, r->unit[0].errors, errors[i].code != 0);
		check_eq(errors[i].name, r->result, VIOMMU_OK);
		check_eq(errors[i].name, its_read(r->its, 0x90), (read + 32) % 4096);
		if (errors[i].code)
			check_eq(errors[i].name, r->unit[0].words[0], errors[i].command.w[0]);
		same_as_mapped(r, errors[i].name);
	}
	its_close(r);
}

/* ---- what they do ---- */

static void mapd_starts_empty(void **state)
{
	struct its_rig *r = open_mapped(0);

	assert_int_equal(its_command(r, MAPD(1, 6, ITS_RIG_ITT(2))), 0);
	assert_int_equal(its_resolve(r, 1, 0), ITS_REFUSED(0x07));
	assert_int_equal(its_resolve(r, 1, 63), ITS_REFUSED(0x07));
	assert_int_equal(its_resolve(r, 1, 64), ITS_REFUSED(0x05));
	assert_int_equal(its_command(r, UNMAPD(1)), 0);
	assert_int_equal(its_resolve(r, 1, 0), ITS_REFUSED(0x04));
	its_close(r);
}

static void mapd_leaves_pending(void **state)
{
	struct its_rig *r = open_mapped(0);

	assert_int_equal(its_msi(r, 1, 0), ITS_LPI(8192, 0));
	assert_int_equal(its_command(r, UNMAPD(1)), 0);
	assert_int_equal(its_lpi(r, 0, 8192) & 1, 1);
	its_close(r);
}

/* Two devices with one ITT: theirs are two. */
static void overlapping_itts(void **state)
{
	struct its_rig *r = open_mapped(0);

	assert_int_equal(its_command(r, MAPD(2, 5, ITS_RIG_ITT(1))), 0);
	assert_int_equal(its_command(r, MAPTI(2, 0, 8300, 1)), 0);
	assert_int_equal(its_resolve(r, 1, 0), ITS_LPI(8192, 0));
	assert_int_equal(its_resolve(r, 2, 0), ITS_LPI(8300, 1));
	assert_int_equal(its_command(r, UNMAPD(2)), 0);
	assert_int_equal(its_resolve(r, 1, 0), ITS_LPI(8192, 0));
	its_close(r);
}

static void mapd_caps(void **state)
{
	struct its_rig *r = &rig;

	its_open(r, &(struct its_rig_config){ .devices = 2, .events = 2048 });
	assert_int_equal(its_command(r, MAPD(1, 10, 0)), 0);
	assert_int_equal(its_command(r, MAPD(2, 11, 0)), CODE(8, 0xff));
	assert_int_equal(its_command(r, MAPD(1, 11, 0)), 0); /* its own room counts */
	assert_int_equal(its_command(r, MAPD(2, 1, 0)), CODE(8, 0xff));
	assert_int_equal(its_command(r, MAPD(1, 12, 0)), CODE(8, 0xff));
	assert_int_equal(its_resolve(r, 1, 2047), ITS_REFUSED(0x07)); /* and it is still there */
	assert_int_equal(its_command(r, MAPD(1, 1, 0)), 0);
	assert_int_equal(its_command(r, MAPD(2, 10, 0)), 0);
	assert_int_equal(its_command(r, MAPD(3, 1, 0)), CODE(8, 0xff)); /* two devices */
	assert_int_equal(its_command(r, UNMAPD(2)), 0);
	assert_int_equal(its_command(r, MAPD(3, 1, 0)), 0);
	its_close(r);
}

static void mapc_retargets(void **state)
{
	struct its_rig *r = open_mapped(0);

	assert_int_equal(its_msi(r, 1, 0), ITS_LPI(8192, 0));
	assert_int_equal(its_command(r, MAPC(0, 2)), 0);
	assert_int_equal(its_resolve(r, 1, 0), ITS_LPI(8192, 2));
	assert_int_equal(its_lpi(r, 0, 8192) & 1, 1); /* what is pending stays where it is */
	assert_int_equal(its_lpi(r, 2, 8192) & 1, 0);
	assert_int_equal(its_command(r, UNMAPC(0)), 0);
	assert_int_equal(its_resolve(r, 1, 0), ITS_REFUSED(0x10));
	assert_int_equal(its_command(r, MAPC(2, 3)), 0); /* mapped after the event was */
	assert_int_equal(its_resolve(r, 1, 2), ITS_LPI(8194, 3));
	its_close(r);
}

static void mapti_overwrites(void **state)
{
	struct its_rig *r = open_mapped(0);

	assert_int_equal(its_msi(r, 1, 0), ITS_LPI(8192, 0));
	assert_int_equal(its_command(r, MAPTI(1, 0, 8400, 1)), 0);
	assert_int_equal(its_resolve(r, 1, 0), ITS_LPI(8400, 1));
	assert_int_equal(its_lpi(r, 0, 8192) & 1, 1);
	its_close(r);
}

static void mapi_has_its_event(void **state)
{
	struct its_rig *r = open_mapped(0);

	assert_int_equal(its_command(r, MAPD(2, 14, 0)), 0);
	assert_int_equal(its_command(r, MAPI(2, 8192, 1)), 0);
	assert_int_equal(its_resolve(r, 2, 8192), ITS_LPI(8192, 1));
	assert_int_equal(its_command(r, MAPI(2, 16383, 1)), 0);
	assert_int_equal(its_resolve(r, 2, 16383), ITS_LPI(16383, 1));
	its_close(r);
}

static void movi_moves_pending(void **state)
{
	struct its_rig *r = open_mapped(0);

	assert_int_equal(its_msi(r, 1, 0), ITS_LPI(8192, 0));
	its_expect_told(r, "MSI", (struct its_told){ 0, UINT32_MAX, 8192, 0xa0, 1 });
	assert_int_equal(its_command(r, MOVI(1, 0, 1)), 0);
	assert_int_equal(r->told_count, 2);
	assert_int_equal(r->told[0].cpu, 0);
	assert_int_equal(r->told[0].pending, 0);
	assert_int_equal(r->told[1].cpu, 1);
	assert_int_equal(r->told[1].pending, 1);
	assert_int_equal(its_resolve(r, 1, 0), ITS_LPI(8192, 1));
	assert_int_equal(its_lpi(r, 0, 8192) & 1, 0);
	assert_int_equal(its_lpi(r, 1, 8192) & 1, 1);
	its_close(r);
}

/* Two collections of one redistributor: nothing has to move. */
static void movi_within(void **state)
{
	struct its_rig *r = open_mapped(0);

	assert_int_equal(its_msi(r, 1, 0), ITS_LPI(8192, 0));
	r->told_count = 0;
	assert_int_equal(its_command(r, MOVI(1, 0, 3)), 0);
	its_expect_silence(r, "MOVI");
	assert_int_equal(its_lpi(r, 0, 8192) & 1, 1);
	assert_int_equal(its_command(r, UNMAPC(0)), 0);
	assert_int_equal(its_resolve(r, 1, 0), ITS_LPI(8192, 0));
	its_close(r);
}

/* The new redistributor cannot have it: it stays pending where it can be taken. */
static void movi_to_where_lpis_are_off(void **state)
{
	struct its_rig *r = open_mapped(0);

	its_write32(r->lpis, VIOMMU_LPIS_OFFSET(1, 0), 0);
	assert_int_equal(its_msi(r, 1, 0), ITS_LPI(8192, 0));
	assert_int_equal(its_command(r, MOVI(1, 0, 1)), 0);
	assert_int_equal(its_lpi(r, 0, 8192) & 1, 1);
	assert_int_equal(its_msi(r, 1, 0), ITS_REFUSED(VIOMMU_ITS_REASON_LPI_OFF));
	its_close(r);
}

static void movall_moves_pending_only(void **state)
{
	struct its_rig *r = open_mapped(0);

	assert_int_equal(its_command(r, MAPTI(1, 3, 65535, 0)), 0);
	assert_int_equal(its_msi(r, 1, 0), ITS_LPI(8192, 0));
	assert_int_equal(its_msi(r, 1, 3), ITS_LPI(65535, 0));
	assert_int_equal(its_command(r, MOVALL(0, 0)), 0);
	assert_int_equal(its_lpi(r, 0, 8192) & 1, 1);
	assert_int_equal(its_command(r, MOVALL(0, 1)), 0);
	assert_int_equal(its_lpi(r, 0, 8192) & 1, 0);
	assert_int_equal(its_lpi(r, 1, 8192) & 1, 1);
	assert_int_equal(its_lpi(r, 1, 65535) & 1, 1);
	assert_int_equal(its_resolve(r, 1, 0), ITS_LPI(8192, 0));
	its_write32(r->lpis, VIOMMU_LPIS_OFFSET(2, 0), 0);
	assert_int_equal(its_command(r, MOVALL(1, 2)), 0); /* LPIs are off there */
	assert_int_equal(its_lpi(r, 1, 8192) & 1, 1);
	its_close(r);
}

static void int_clear_discard(void **state)
{
	struct its_rig *r = open_mapped(0);

	assert_int_equal(its_command(r, INT(1, 1)), 0);
	its_expect_told(r, "INT", (struct its_told){ 1, UINT32_MAX, 8193, 0xa0, 1 });
	assert_int_equal(its_command(r, INT(1, 1)), 0);
	its_expect_silence(r, "INT of what is pending");
	assert_int_equal(its_command(r, CLEAR(1, 1)), 0);
	its_expect_told(r, "CLEAR", (struct its_told){ 1, UINT32_MAX, 8193, 0xa0, 0 });
	assert_int_equal(its_lpi(r, 1, 8193) & 1, 0);
	assert_int_equal(its_resolve(r, 1, 1), ITS_LPI(8193, 1));
	assert_int_equal(its_command(r, INT(1, 1)), 0);
	r->told_count = 0;
	assert_int_equal(its_command(r, DISCARD(1, 1)), 0);
	its_expect_told(r, "DISCARD", (struct its_told){ 1, UINT32_MAX, 8193, 0xa0, 0 });
	assert_int_equal(its_lpi(r, 1, 8193) & 1, 0);
	assert_int_equal(its_resolve(r, 1, 1), ITS_REFUSED(0x07));
	assert_int_equal(its_command(r, DISCARD(1, 1)), CODE(0xf, 0x07));
	its_close(r);
}

/* ---- configuration bytes ---- */

static void inv_reads_again(void **state)
{
	struct its_rig *r = open_mapped(0);

	assert_int_equal(its_lpi(r, 0, 8192), 0xa00100);
	its_configure(r, 8192, 0x40);
	assert_int_equal(its_lpi(r, 0, 8192), 0xa00100); /* kept */
	assert_int_equal(its_command(r, INV(1, 0)), 0);
	assert_int_equal(its_lpi(r, 0, 8192), 0x400000);
	assert_int_equal(its_msi(r, 1, 0), ITS_LPI(8192, 0));
	its_expect_silence(r, "disabled");
	assert_int_equal(its_lpi(r, 0, 8192), 0x400001);
	its_configure(r, 8192, 0x21);
	assert_int_equal(its_command(r, INV(1, 0)), 0);
	its_expect_told(r, "enabled", (struct its_told){ 0, UINT32_MAX, 8192, 0x20, 1 });
	its_configure(r, 8192, 0x31);
	assert_int_equal(its_command(r, INV(1, 0)), 0);
	its_expect_told(r, "priority", (struct its_told){ 0, UINT32_MAX, 8192, 0x30, 1 });
	assert_int_equal(its_command(r, INV(1, 0)), 0);
	its_expect_silence(r, "the same");
	its_configure(r, 8192, 0x30);
	assert_int_equal(its_command(r, INV(1, 0)), 0);
	its_expect_told(r, "disabled", (struct its_told){ 0, UINT32_MAX, 8192, 0x30, 0 });
	assert_int_equal(its_command(r, CLEAR(1, 0)), 0);
	its_expect_silence(r, "not pending, but nobody had been told that it is");
	its_close(r);
}

static void invall_reads_again(void **state)
{
	struct its_rig *r = open_mapped(0);

	assert_int_equal(its_msi(r, 1, 0), ITS_LPI(8192, 0));
	assert_int_equal(its_lpi(r, 1, 8193), 0xa00100);
	r->told_count = 0;
	its_configure(r, 8192, 0x11);
	its_configure(r, 8193, 0x11);
	assert_int_equal(its_command(r, INVALL(0)), 0);
	its_expect_told(r, "INVALL", (struct its_told){ 0, UINT32_MAX, 8192, 0x10, 1 });
	assert_int_equal(its_lpi(r, 1, 8193), 0x100100);
	its_close(r);
}

static void configuration_that_cannot_be_read(void **state)
{
	struct its_rig *r = &rig;

	its_open(r, &(struct its_rig_config){ .memory = GUEST_CALLBACKS });
	assert_int_equal(its_command(r, MAPC(0, 0)), 0);
	assert_int_equal(its_command(r, MAPD(1, 5, 0)), 0);
	assert_int_equal(its_command(r, MAPTI(1, 0, 8192, 0)), 0);
	r->g.fail_in = 1;
	assert_int_equal(its_msi(r, 1, 0), ITS_LPI(8192, 0));
	its_expect_silence(r, "unreadable");
	assert_int_equal(its_lpi(r, 0, 8192), 1);
	assert_int_equal(its_command(r, INV(1, 0)), 0);
	its_expect_told(r, "readable", (struct its_told){ 0, UINT32_MAX, 8192, 0xa0, 1 });
	its_close(r);
}

/* ---- PTA, HCC, CIL ---- */

static void rdbase_is_an_address(void **state)
{
	struct its_rig *r = &rig;

	its_open(r, &(struct its_rig_config){ .typer = UINT64_C(0x9ef71), .rd_base = 0x80a0000 });
	assert_int_equal(its_command(r, MAPD(1, 5, 0)), 0);
	assert_int_equal(its_command(r, MAPTI(1, 0, 8192, 7)), 0);
	assert_int_equal(its_command(r, MAPC(7, 0x80a)), 0);
	assert_int_equal(its_resolve(r, 1, 0), ITS_LPI(8192, 0));
	assert_int_equal(its_command(r, MAPC(7, 0x80a + 6)), 0);
	assert_int_equal(its_resolve(r, 1, 0), ITS_LPI(8192, 3));
	assert_int_equal(its_command(r, MAPC(7, 0x80a + 7)), CODE(9, 0x02));
	assert_int_equal(its_command(r, MAPC(7, 0x80a + 8)), CODE(9, 0x02));
	assert_int_equal(its_command(r, MAPC(7, 0x809)), CODE(9, 0x02));
	its_close(r);
}

/* Collections below HCC are there without a table. */
static void hardware_collections(void **state)
{
	struct its_rig *r = &rig;

	its_open(r, &(struct its_rig_config){ .typer = UINT64_C(0x401ef71), .off = true });
	its_program_lpis(r);
	its_write(r->its, 0x100, ITS_RIG_DEVICES | 15 | ITS_V);
	its_write(r->its, 0x80, ITS_RIG_QUEUE | ITS_V);
	its_write32(r->its, 0, 1);
	assert_int_equal(its_read32(r->its, 0) & 1, 1);
	assert_int_equal(its_command(r, MAPC(3, 1)), 0);
	assert_int_equal(its_command(r, MAPC(4, 1)), CODE(9, 0x03));
	its_close(r);
}

static void narrow_collection_ids(void **state)
{
	struct its_rig *r = &rig;

	/* CIL, CIDbits 3: 4 bits */
	its_open(r, &(struct its_rig_config){ .typer = UINT64_C(0x130001ef71) });
	assert_int_equal(its_command(r, MAPC(15, 1)), 0);
	assert_int_equal(its_command(r, MAPC(16, 1)), CODE(9, 0x03));
	its_close(r);
}

/* ---- indirect tables ---- */

static void indirect_device_table(void **state)
{
	struct its_rig *r = &rig;

	its_open(r, &(struct its_rig_config){ .memory = GUEST_CALLBACKS, .off = true });
	its_program_lpis(r);
	/* pages of 4 KiB: 512 entries a page; two level-1 pages */
	its_write(r->its, 0x100, ITS_RIG_DEVICES | 1 | UINT64_C(1) << 62 | ITS_V);
	its_write(r->its, 0x108, ITS_RIG_COLL | ITS_V);
	its_write(r->its, 0x80, ITS_RIG_QUEUE | ITS_V);
	its_write32(r->its, 0, 1);
	assert_int_equal(its_command(r, MAPD(513, 5, 0)), CODE(8, 0x01));
	guest_put64(&r->g, ITS_RIG_DEVICES + 8, ITS_RIG_L2 | ITS_V);
	assert_int_equal(its_command(r, MAPD(513, 5, 0)), 0);
	assert_int_equal(its_resolve(r, 513, 0), ITS_REFUSED(0x07));
	assert_int_equal(its_command(r, MAPD(511, 5, 0)), CODE(8, 0x01));
	/* what is mapped is ours: level 1 is asked for commands only */
	guest_put64(&r->g, ITS_RIG_DEVICES + 8, 0);
	assert_int_equal(its_resolve(r, 513, 0), ITS_REFUSED(0x07));
	assert_int_equal(its_command(r, INT(513, 0)), CODE(3, 0x01));
	guest_put64(&r->g, ITS_RIG_DEVICES + 8, ITS_RIG_L2 | ITS_V);
	/* level 1 cannot be read (the command's two halves come first) */
	r->g.fail_in = 2;
	assert_int_equal(its_command(r, MAPD(513, 6, 0)), VIOMMU_ITS_ERROR_MEMORY);
	its_close(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_error),
		cmocka_unit_test(mapd_starts_empty),
		cmocka_unit_test(mapd_leaves_pending),
		cmocka_unit_test(overlapping_itts),
		cmocka_unit_test(mapd_caps),
		cmocka_unit_test(mapc_retargets),
		cmocka_unit_test(mapti_overwrites),
		cmocka_unit_test(mapi_has_its_event),
		cmocka_unit_test(movi_moves_pending),
		cmocka_unit_test(movi_within),
		cmocka_unit_test(movi_to_where_lpis_are_off),
		cmocka_unit_test(movall_moves_pending_only),
		cmocka_unit_test(int_clear_discard),
		cmocka_unit_test(inv_reads_again),
		cmocka_unit_test(invall_reads_again),
		cmocka_unit_test(configuration_that_cannot_be_read),
		cmocka_unit_test(rdbase_is_an_address),
		cmocka_unit_test(hardware_collections),
		cmocka_unit_test(narrow_collection_ids),
		cmocka_unit_test(indirect_device_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
