/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_reentry.c - every callback x every public function: works, or is refused as documented, and
 * never hangs (obligations 19 and 30). The unit works afterwards.
 */
#include "check.h"

#include <stdio.h>
#include <unistd.h>

#include "reentry.h"

static bool as_documented(const struct occasion *o, const struct verb *v, int result)
{
	bool registers = o->origin & FROM_REGISTERS;
	bool channel = o->origin & FROM_CHANNEL;

	switch (v->answer) {
	case WORKS:
		return result >= 0;
	case ONE_AT_A_TIME:
		return registers ? result == VIOMMU_EBUSY : result >= 0;
	case NOT_IN_ITSELF:
		return channel ? result == VIOMMU_EBUSY : result >= 0;
	case MAY_HIT:
		return result >= 0 || (channel && result == VIOMMU_EBUSY);
	case MAY_BE_UNDER_WAY:
		return result >= 0 || result == VIOMMU_EBUSY;
	case IS_BUSY:
		return result == VIOMMU_EBUSY;
	case NOT_OPEN:
		return result == VIOMMU_EINVAL;
	case UNKNOWN:
		return result == VIOMMU_ENOENT;
	case NOT_BY_ITSELF:
		return result == VIOMMU_EBUSY || (result == VIOMMU_OK && !(o->origin & FROM_BARE));
	}
	return false;
}

/* From power-on: queue, translation through device and channel, faults. */
static void check_usable(struct reentry *r, const char *row)
{
	struct guest *g = &r->g;
	struct guest_dma d;

	for (unsigned i = 0; i < 100 && viommu_run(g->iommu) == VIOMMU_PENDING; i++)
		;
	check_eq(row, viommu_reset(g->iommu), VIOMMU_OK);
	guest_start(g, VTD_TTM_SCALABLE);
	d = guest_dma(r->own, IOVA, VIOMMU_WRITE);
	check_eq(row, d.result, VIOMMU_OK);
	d = guest_channel_dma(r->channel, VIOMMU_NO_PASID, IOVA, VIOMMU_WRITE);
	check_eq(row, d.result, VIOMMU_OK);
	d = guest_dma(r->other, IOVA + GUEST_PAGE, VIOMMU_READ);
	check_eq(row, d.result, VIOMMU_FAULT);
	check_eq(row, guest_take_faults(g), 1);
	guest_invalidate_all(g);
}

/* Rows that failed: all of them are shown. */
static unsigned failures;

static void one_case(const struct occasion *o, const struct verb *v)
{
	struct reentry r;
	char row[128];

	snprintf(row, sizeof(row), "%s: %s", o->name, v->name);
	reentry_init(&r);
	r.event = o->event;
	r.verb = v->call;
	r.armed = true;
	alarm(60); /* a watchdog: it hangs, it is not slow */
	o->happen(&r);
	alarm(0);
	r.armed = false;
	check_eq(row, r.fired, 1);
	if (!as_documented(o, v, r.result)) {
		print_error("%s: %s\n", row, viommu_strerror(r.result));
		failures++;
	}
	check_usable(&r, row);
	reentry_fini(&r);
}

static void matrix(void **state)
{
	for (unsigned o = 0; o < occasion_count; o++) {
		for (unsigned v = 0; v < verb_count; v++) {
			if (verbs[v].answer != NOT_BY_ITSELF || !(occasions[o].origin & ON_BARE))
				one_case(&occasions[o], &verbs[v]);
		}
	}
	assert_int_equal(failures, 0);
}

/* A channel cannot be freed from inside its own translation, nor with its section open. */
static int free_channel(struct reentry *r)
{
	return viommu_channel_free(r->channel);
}

static void channel_is_busy(void **state)
{
	static const struct verb free_it = { "viommu_channel_free", IS_BUSY, free_channel };

	failures = 0;
	for (unsigned o = 0; o < occasion_count; o++) {
		if (occasions[o].origin & FROM_CHANNEL)
			one_case(&occasions[o], &free_it);
	}
	assert_int_equal(failures, 0);
}

/* Nothing but a call under way keeps this unit: it is not freed from inside it. */
static void free_it(void *opaque, enum guest_event event)
{
	struct guest *g = opaque;

	g->hook = NULL;
	assert_int_equal(viommu_free(g->iommu), VIOMMU_EBUSY);
}

static void unit_without_devices(void **state)
{
	struct viommu_msi msi;
	struct guest g;

	guest_init(&g, GUEST_CALLBACKS, 16);
	guest_vtd(&g, GUEST_CAP, GUEST_ECAP_LEGACY);
	guest_interrupts_on(&g, 3, true);
	g.hook_opaque = &g;
	g.hook = free_it;
	assert_int_equal(viommu_remap_msi(g.iommu, 8, 0xfee00030, 0, 0, &msi), VIOMMU_FAULT);
	assert_null(g.hook);
	guest_fini(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(matrix),
		cmocka_unit_test(channel_is_busy),
		cmocka_unit_test(unit_without_devices),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
