/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_amdvi_state.c - AMD-Vi: states, resets, explanations and replays (obligation 29): saved at every point of a
 * scenario, into the same IOMMU and another; what a state may not say; what is left of before a reset.
 */
#include "check.h"

#include <libvirtiommu/observe.h>

#include <string.h>

#include "amdvi_rig.h"

#define ID     0x10U
#define DOMAIN 7U
#define IOVA   UINT64_C(0x1000)
#define TARGET UINT64_C(0x40001000)
#define LEVELS 4U
#define OK     VIOMMU_OK
#define NO     VIOMMU_FAULT
#define MAX    16384U

struct saved {
	unsigned char bytes[MAX];
	uint64_t length;
};

static struct amdvi_rig r;
static struct viommu_device *device;
static struct viommu_channel *channel;
static uint64_t root;

static void save(struct saved *s)
{
	s->length = MAX;
	assert_int_equal(viommu_save(r.g.iommu, s->bytes, &s->length), OK);
}

static void open_rig(void)
{
	ar_open(&r, &(struct amdvi_rig_config){ .efr = AR_EFR_ALL, .off = true });
	root = guest_table(&r.g);
	ar_map(&r, root, LEVELS, IOVA, TARGET, 1, AR_RW);
	ar_dte(&r, ID, AR_V1(root, LEVELS), DOMAIN | AMD_DTE_I, 0);
	device = guest_device(&r.g, ID);
	channel = guest_channel(&r.g, device, VIOMMU_NO_PASID);
}

/* ---- the scenario ---- */

static void message(void)
{
	const struct viommu_amdvi_msi msi = { .size = sizeof(msi),
					      .enabled = 1,
					      .address = UINT64_C(0x1fee01000),
					      .data = 0x40,
					      .messages_lg2 = 1 };

	assert_int_equal(viommu_amdvi_set_msi(r.g.iommu, &msi), OK);
}

static void start(void)
{
	ar_start(&r);
}

static void translate(void)
{
	assert_int_equal(guest_dma(device, IOVA, VIOMMU_READ).f.gpa, TARGET);
}

static void fault(void)
{
	guest_dma(device, 0x5000, VIOMMU_READ);
}

static void parked(void)
{
	assert_int_equal(viommu_enter(channel), OK);
	ar_command(&r, AR_PAGES(DOMAIN), AR_ALL);
	ar_submit_wait(&r);
	assert_int_equal(ar_kick(&r), VIOMMU_PENDING);
	assert_false(ar_waited(&r));
}

static void left(void)
{
	assert_int_equal(viommu_leave(channel), OK);
	assert_int_equal(viommu_run(r.g.iommu), OK);
	assert_true(ar_waited(&r));
}

static void illegal(void)
{
	ar_command(&r, 0, 0);
	ar_kick(&r);
}

static void overflow(void)
{
	for (unsigned i = 0; i < 300; i++)
		fault();
}

static void (*const steps[])(void) = { message, start, translate, fault,
				       parked,	left,  illegal,	  overflow };
#define STEPS (sizeof(steps) / sizeof(steps[0]))

/* Saved after step n, and restored at once, into the same IOMMU: nothing is different afterwards. */
static void test_round_trips(void **state)
{
	static struct saved first, second;

	(void)state;
	for (unsigned n = 0; n <= STEPS; n++) {
		int result;

		open_rig();
		for (unsigned i = 0; i < STEPS; i++) {
			if (i == n) {
				save(&first);
				result = viommu_restore(r.g.iommu, first.bytes, first.length);
				check_that("restored", result == OK || result == VIOMMU_PENDING);
				save(&second);
				check_eq("length", second.length, first.length);
				check_eq("bytes", memcmp(first.bytes, second.bytes, first.length),
					 0);
				viommu_run(r.g.iommu);
			}
			steps[i]();
		}
		check_eq("CMD_HEAD", ar_read(&r, AMD_CMD_HEAD, 8), 32);
		check_eq("STATUS", ar_read(&r, AMD_STATUS, 8),
			 AMD_ST_EVT_OVERFLOW | AMD_ST_EVT_INT);
		check_eq("MSI_DATA", ar_read(&r, AMD_MSI_DATA, 4), 0x40);
		ar_close(&r);
	}
}

/* Into another IOMMU, with commands between head and tail: they are executed there. */
static void test_migration(void **state)
{
	static struct saved s;
	struct viommu *old;

	(void)state;
	open_rig();
	start();
	parked();
	save(&s);
	assert_int_equal(viommu_leave(channel), OK);
	guest_put64(&r.g, r.status, 0);
	guest_drop(&r.g);
	old = r.g.iommu;
	assert_int_equal(viommu_amdvi_new(r.g.vm, &r.config, &r.g.iommu), OK);
	assert_int_equal(viommu_free(old), OK);
	assert_int_equal(viommu_restore(r.g.iommu, s.bytes, s.length), VIOMMU_PENDING);
	assert_int_equal(viommu_run(r.g.iommu), OK);
	assert_true(ar_waited(&r));
	device = guest_device(&r.g, ID);
	translate();
	ar_close(&r);
}

/* Each bit altered, and cut off anywhere: refused, and the old state stays. */
static void test_altered(void **state)
{
	static struct saved s, t, now;

	(void)state;
	open_rig();
	start();
	fault();
	save(&s);
	for (uint64_t i = 0; i < s.length; i++) {
		for (unsigned bit = 0; bit < 8; bit++) {
			int result;

			t = s;
			t.bytes[i] ^= (unsigned char)(1U << bit);
			result = viommu_restore(r.g.iommu, t.bytes, t.length);
			assert_int_equal(result, VIOMMU_ESTATE);
		}
	}
	for (uint64_t length = 0; length < s.length; length++)
		assert_int_equal(viommu_restore(r.g.iommu, s.bytes, length), VIOMMU_ESTATE);
	save(&now);
	assert_int_equal(memcmp(now.bytes, s.bytes, s.length), 0);
	translate();
	ar_close(&r);
}

/* Another configuration's. */
static void test_another_configuration(void **state)
{
	static struct saved s;
	struct viommu_amdvi_config config;
	struct viommu *other;

	(void)state;
	open_rig();
	save(&s);
	config = r.config;
	config.efr &= ~AMD_EFR_PREF;
	assert_int_equal(viommu_amdvi_new(r.g.vm, &config, &other), OK);
	assert_int_equal(viommu_restore(other, s.bytes, s.length), VIOMMU_ESTATE);
	assert_int_equal(viommu_free(other), OK);
	ar_close(&r);
}

/* ---- reset ---- */

static void test_reset(void **state)
{
	(void)state;
	open_rig();
	message();
	start();
	translate();
	parked();
	assert_int_equal(viommu_reset(r.g.iommu), VIOMMU_PENDING); /* a section is open */
	assert_int_equal(ar_read(&r, AMD_CONTROL, 8), 0);
	assert_int_equal(ar_read(&r, AMD_STATUS, 8), 0);
	assert_int_equal(ar_read(&r, AMD_CMD_TAIL, 8), 0);
	assert_int_equal(guest_dma(device, IOVA, VIOMMU_WRITE).f.gpa, IOVA);
	assert_int_equal(viommu_leave(channel), OK);
	assert_int_equal(viommu_run(r.g.iommu), OK);
	assert_false(ar_waited(&r)); /* the wait went with it */
	start();
	translate();
	ar_sync(&r);
	ar_close(&r);
}

/* The base, or IommuEn, changes while sections are open: the VMM is told when nobody uses the old tables. */
static void test_tables_change(void **state)
{
	(void)state;
	open_rig();
	start();
	translate();
	assert_int_equal(viommu_enter(channel), OK);
	assert_int_equal(ar_write(&r, AMD_CONTROL, 8, r.control & ~AMD_CTRL_IOMMU_EN),
			 VIOMMU_PENDING);
	assert_int_equal(guest_dma(device, IOVA, VIOMMU_READ).f.gpa, IOVA);
	assert_int_equal(viommu_leave(channel), OK);
	assert_int_equal(viommu_run(r.g.iommu), OK);
	assert_int_equal(ar_write(&r, AMD_CONTROL, 8, r.control), OK);
	translate();
	ar_close(&r);
}

/* ---- explanations, replays, modes ---- */

struct seen {
	char text[512];
	unsigned structures;
	uint64_t last; /* first word of the answer */
};

static int on_step(void *opaque, const struct viommu_step *step)
{
	struct seen *s = opaque;

	strncat(s->text, step->what, sizeof(s->text) - strlen(s->text) - 2);
	strcat(s->text, ";");
	s->structures += step->words && !step->flags;
	if (step->flags & VIOMMU_STEP_ANSWER)
		s->last = step->words ? step->raw[0] : 0;
	return 0;
}

static void test_explain(void **state)
{
	const struct viommu_request request = {
		.first = IOVA, .last = IOVA, .pasid = VIOMMU_NO_PASID, .access = VIOMMU_READ
	};
	struct seen s = { .structures = 0 };

	(void)state;
	open_rig();
	start();
	assert_int_equal(viommu_explain(device, &request, VIOMMU_EXPLAIN_CACHES, on_step, &s), OK);
	assert_int_equal(s.structures, 1 + LEVELS);
	assert_non_null(strstr(s.text, "device table entry;host table"));
	assert_int_equal(s.last, TARGET);
	/* a message */
	s = (struct seen){ .structures = 0 };
	ar_dte(&r, ID, AR_V1(root, LEVELS), DOMAIN, 1 | 2 << 1 | root | UINT64_C(2) << 60);
	assert_int_equal(viommu_explain_msi(r.g.iommu, ID, 0xfee00000, 1, VIOMMU_EXPLAIN_CACHES,
					    on_step, &s),
			 NO);
	assert_non_null(strstr(s.text, "device table entry;interrupt table entry;"));
	assert_int_equal(ar_take_events(&r), 0);
	for (uint32_t reason = 0; reason < AMD_ST_GA_RUN; reason++) {
		const char *text = viommu_reason_text(r.g.iommu, reason);

		assert_true(!text || *text);
		assert_true(text || reason > 20);
	}
	ar_close(&r);
}

struct replay {
	unsigned count;
	uint64_t first, bytes;
	uint32_t perm;
};

static int on_mapped(void *opaque, uint64_t iova, const struct viommu_fragment *f)
{
	struct replay *p = opaque;

	if (!p->count++)
		p->first = iova;
	p->bytes += f->length;
	p->perm = f->perm;
	return 0;
}

static struct replay replay(uint64_t first, uint64_t last)
{
	struct replay p = { .count = 0 };
	int result;

	do
		result = viommu_replay(device, VIOMMU_NO_PASID, &first, last, 0, on_mapped, &p);
	while (result == VIOMMU_MORE);
	assert_true(result == OK || result == NO);
	return p;
}

static uint32_t told_mode;

static void on_mode(void *opaque, struct viommu_device *d, uint32_t mode)
{
	(void)opaque;
	(void)d;
	told_mode = mode;
}

static void set_dte(uint64_t w0, uint64_t w1)
{
	ar_dte(&r, ID, w0, w1, 0);
	ar_command(&r, AR_DEVTAB(ID), 0);
	ar_sync(&r);
}

static void test_replays_and_modes(void **state)
{
	const struct viommu_listener_config config = { .size = sizeof(config), .mode = on_mode };
	struct viommu_listener *listener;
	struct replay p;

	(void)state;
	open_rig();
	assert_int_equal(viommu_listener_new(r.g.iommu, device, &config, &listener), OK);
	assert_int_equal(told_mode, VIOMMU_MODE_BYPASS);
	start();
	assert_int_equal(told_mode, VIOMMU_MODE_TRANSLATE);
	p = replay(0, UINT64_MAX);
	assert_int_equal(p.count, 1);
	assert_int_equal(p.first, IOVA);
	assert_int_equal(p.bytes, GUEST_PAGE);
	/* identity, without what is no memory */
	set_dte(AR_VALID, DOMAIN);
	assert_int_equal(told_mode, VIOMMU_MODE_BYPASS);
	p = replay(0xfed00000, 0xfeffffff);
	assert_int_equal(p.bytes, 0x200000);
	p = replay(0xfc00000000, 0xffffffffff);
	assert_int_equal(p.bytes, UINT64_C(0x100000000)); /* FC only */
	/* read-only identity is no bypass */
	set_dte(AR_VALID & ~AMD_DTE_IW, DOMAIN);
	assert_int_equal(told_mode, VIOMMU_MODE_TRANSLATE);
	assert_int_equal(replay(0x1000, 0x1fff).perm & (VIOMMU_READ | VIOMMU_WRITE), VIOMMU_READ);
	set_dte(AR_VALID & ~AMD_DTE_TV, DOMAIN);
	assert_int_equal(told_mode, VIOMMU_MODE_BLOCK);
	assert_int_equal(replay(0, UINT64_MAX).count, 0);
	/* what is excluded is there nevertheless */
	ar_write(&r, AMD_EXCL_LIMIT, 8, 0x203000);
	ar_write(&r, AMD_EXCL_BASE, 8, 0x201003);
	p = replay(0, UINT64_MAX);
	assert_int_equal(p.first, 0x201000);
	assert_int_equal(p.bytes, 0x3000);
	assert_int_equal(told_mode, VIOMMU_MODE_TRANSLATE);
	assert_int_equal(viommu_listener_free(listener), OK);
	ar_close(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trips), cmocka_unit_test(test_migration),
		cmocka_unit_test(test_altered),	    cmocka_unit_test(test_another_configuration),
		cmocka_unit_test(test_reset),	    cmocka_unit_test(test_tables_change),
		cmocka_unit_test(test_explain),	    cmocka_unit_test(test_replays_and_modes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
