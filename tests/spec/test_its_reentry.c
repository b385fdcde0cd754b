/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_its_reentry.c - every function of an ITS and its LPIs from inside every callback (obligation
 * 19): it is done, or refused with VIOMMU_EBUSY; nothing waits, and nothing is broken afterwards.
 */
#include <stdlib.h>

#include "check.h"
#include "its_rig.h"

static struct its_rig rig;
static unsigned calls;
static unsigned busy;
static unsigned depth;
static unsigned char state[1 << 16];

static void result(const char *what, int came)
{
	calls++;
	if (came == VIOMMU_EBUSY)
		busy++;
	else if (came < 0 && came != VIOMMU_ENOENT && came != VIOMMU_ENOSPC)
		check_eq(what, came, VIOMMU_OK);
}

/* Everything, on an object that may be in a call. */
static void call_all(void *opaque)
{
	struct viommu_lpi lpi = { .size = sizeof(lpi) };
	struct its_rig *r = opaque;
	struct viommu_msi msi;
	uint64_t value;
	uint64_t bytes;

	if (depth)
		return;
	depth++;
	result("reg_read", viommu_reg_read(r->its, 0, 4, &value));
	result("reg_write", viommu_reg_write(r->its, 0x88, 8, r->unit[0].tail));
	result("run", viommu_run(r->its));
	result("set_register", viommu_its_set_register(r->its, 4, 0x43b));
	bytes = sizeof(state);
	result("save", viommu_save(r->its, state, &bytes));
	result("save_tables", viommu_its_save_tables(r->its));
	result("restore_tables", viommu_its_restore_tables(r->its));
	result("LPIs' reg_read", viommu_reg_read(r->lpis, 0, 4, &value));
	result("INVLPIR", viommu_reg_write(r->lpis, 0xa0, 8, 8192));
	result("INVALLR", viommu_reg_write(r->lpis, 0xb0, 8, 0));
	result("LPIs' run", viommu_run(r->lpis));
	bytes = sizeof(state);
	result("LPIs' save", viommu_save(r->lpis, state, &bytes));
	result("save_pending", viommu_lpis_save_pending(r->lpis));
	result("get", viommu_lpis_get(r->lpis, 0, 8192, &lpi));
	result("acknowledge", viommu_lpis_acknowledge(r->lpis, 3, 9999));
	result("resolve",
	       viommu_remap_msi(r->its, 1, ITS_RIG_BASE + 0x10040, 0, VIOMMU_MSI_RESOLVE, &msi));
	result("deliver", viommu_remap_msi(r->its, 1, ITS_RIG_BASE + 0x10040, 1, 0, &msi));
	result("free", viommu_free(r->lpis));
	depth--;
}

static void on_memory(void *opaque, enum guest_event event)
{
	if (event == GUEST_ON_READ || event == GUEST_ON_WRITE || event == GUEST_ON_DIRTY)
		call_all(opaque);
}

static void settle(int came)
{
	for (unsigned i = 0; came == VIOMMU_PENDING && i < 1000; i++)
		came = viommu_run(rig.its);
	assert_int_equal(came, VIOMMU_OK);
}

static void run(struct its_words command)
{
	its_command(&rig, command);
	settle(rig.result);
}

static void guest_and_devices(void)
{
	run(MAPC(0, 0));
	run(MAPC(1, 1));
	run(MAPD(1, 5, ITS_RIG_ITT(1)));
	run(MAPTI(1, 0, 8192, 0));
	run(MAPTI(1, 1, 8193, 0));
	its_msi(&rig, 1, 0);
	run(INV(1, 0));
	run(MOVI(1, 0, 1));
	run(INVALL(1));
	run(MOVALL(1, 0));
	run(INT(1, 9)); /* refused */
	run(CLEAR(1, 0));
	its_msi(&rig, 1, 0);
	run(DISCARD(1, 0));
	run(SYNC(0));
	its_write(rig.lpis, 0xb0, 0);
	its_write32(rig.lpis, VIOMMU_LPIS_OFFSET(0, 0), 0);
	its_write32(rig.lpis, VIOMMU_LPIS_OFFSET(0, 0), 1);
	viommu_its_save_tables(rig.its);
	settle(viommu_reg_write(rig.its, 0, 4, 0));
	settle(viommu_reg_write(rig.its, 0, 4, 1));
}

static void still_works(void)
{
	rig.g.hook = NULL;
	rig.from = NULL;
	run(MAPC(0, 0));
	run(MAPD(1, 5, ITS_RIG_ITT(1)));
	run(MAPTI(1, 0, 8192, 0));
	assert_int_equal(its_msi(&rig, 1, 0), ITS_LPI(8192, 0));
	assert_int_equal(its_lpi(&rig, 0, 8192) & 1, 1);
	run(DISCARD(1, 0));
	assert_int_equal(its_lpi(&rig, 0, 8192) & 1, 0);
}

static void from_memory(void **unused)
{
	its_open(&rig, &(struct its_rig_config){ .memory = GUEST_CALLBACKS });
	calls = busy = 0;
	rig.g.hook = on_memory;
	rig.g.hook_opaque = &rig;
	guest_and_devices();
	assert_true(calls > 500 && busy > 100 && busy < calls);
	still_works();
	its_close(&rig);
}

static void from_callbacks(void **unused)
{
	its_open(&rig, &(struct its_rig_config){ .budget = 1, .steps = 8 });
	calls = busy = 0;
	rig.from = call_all;
	guest_and_devices();
	assert_true(calls > 100 && busy > 10 && busy < calls);
	still_works();
	its_close(&rig);
}

/* ---- EnableLPIs of where an LPI goes becomes 0 meanwhile ---- */

static uint32_t disabled; /* the redistributor; UINT32_MAX: it was done */

static void disable(void *opaque)
{
	struct its_rig *r = opaque;
	uint32_t cpu = disabled;

	disabled = UINT32_MAX;
	if (cpu != UINT32_MAX)
		its_write32(r->lpis, VIOMMU_LPIS_OFFSET(cpu, 0), 0);
}

static const struct {
	const char *name;
	struct its_words command;
} moves[] = {
	{ "MOVI", ITS_W(ITS_DEV(1, 1), 0, 1, 0) },
	{ "MOVALL", ITS_W(0xe, 0, 0, 1 << 16) },
};

/* 3 MOVI, MOVALL: it stays where it was. */
static void disabled_while_it_moves(void **unused)
{
	for (size_t i = 0; i < sizeof(moves) / sizeof(moves[0]); i++) {
		its_open(&rig, &(struct its_rig_config){ 0 });
		run(MAPC(0, 0));
		run(MAPC(1, 1));
		run(MAPD(1, 5, ITS_RIG_ITT(1)));
		run(MAPTI(1, 0, 8192, 0));
		its_msi(&rig, 1, 0);
		disabled = 1;
		rig.from = disable; /* when it is told that it is gone */
		run(moves[i].command);
		rig.from = NULL;
		check_eq(moves[i].name, its_read32(rig.lpis, VIOMMU_LPIS_OFFSET(1, 0)) & 1, 0);
		check_eq(moves[i].name, its_lpi(&rig, 0, 8192) & 1, 1);
		check_eq(moves[i].name, rig.told[rig.told_count - 1].cpu, 0);
		check_eq(moves[i].name, rig.told[rig.told_count - 1].pending, 1);
		its_close(&rig);
	}
}

static void disable_at_read(void *opaque, enum guest_event event)
{
	if (event == GUEST_ON_READ)
		disable(opaque);
}

/* A message that comes while EnableLPIs becomes 0 is in the pending table, and nobody is told of it. */
static void disabled_while_it_comes(void **unused)
{
	its_open(&rig, &(struct its_rig_config){ .memory = GUEST_CALLBACKS });
	run(MAPC(0, 0));
	run(MAPD(1, 5, ITS_RIG_ITT(1)));
	run(MAPTI(1, 0, 8192, 0));
	rig.told_count = 0;
	disabled = 0;
	rig.g.hook = disable_at_read; /* of its configuration byte */
	rig.g.hook_opaque = &rig;
	its_msi(&rig, 1, 0);
	rig.g.hook = NULL;
	assert_int_equal(guest_get64(&rig.g, ITS_RIG_PEND(0) + 1024), 1);
	its_expect_silence(&rig, "EnableLPIs is 0");
	its_close(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(from_memory),
		cmocka_unit_test(from_callbacks),
		cmocka_unit_test(disabled_while_it_moves),
		cmocka_unit_test(disabled_while_it_comes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
