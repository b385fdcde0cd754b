/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_its_pool.c - room for the events of devices: only their number counts, however devices have come and
 * gone, and whoever is moved keeps what is mapped (its.h: struct viommu_its_config.events).
 */
#include <string.h>

#include "check.h"
#include "its_rig.h"

static struct its_rig rig;

enum { LIMIT = VIOMMU_ITS_ERROR(8, VIOMMU_ITS_ERROR_LIMIT), DEVICES = 256 };

/* By DeviceID: bits of an EventID, 0: not mapped; the INTID of its last event. */
static struct {
	unsigned bits;
	uint32_t intid;
} model[DEVICES];

static uint32_t blocks_of(unsigned bits)
{
	return bits <= 4 ? 1 : 1U << (bits - 4);
}

/* A command to its end, in how many calls. */
static uint32_t finish(struct its_rig *r, struct its_words command, uint32_t *calls)
{
	uint32_t code = its_command(r, command);

	*calls = 1;
	while (r->result == VIOMMU_PENDING) {
		r->result = viommu_run(r->its);
		assert_true(++*calls < 1000000);
	}
	assert_int_equal(r->result, VIOMMU_OK);
	return code ? code : r->unit[0].code;
}

static uint32_t do_command(struct its_rig *r, struct its_words command)
{
	uint32_t calls;

	return finish(r, command, &calls);
}

/* Its last event is mapped, to an LPI that no other has. */
static void map(struct its_rig *r, uint32_t device, unsigned bits, uint32_t wanted)
{
	static uint32_t intid = 8192;
	uint32_t code = do_command(r, MAPD(device, bits, ITS_RIG_ITT(0)));

	assert_int_equal(code, wanted);
	if (wanted)
		return;
	intid = intid == 65535 ? 8192 : intid + 1;
	model[device].bits = bits;
	model[device].intid = intid;
	assert_int_equal(do_command(r, MAPTI(device, (1U << bits) - 1, intid, 0)), 0);
}

static void unmap(struct its_rig *r, uint32_t device)
{
	assert_int_equal(do_command(r, UNMAPD(device)), 0);
	model[device].bits = 0;
}

static void check(struct its_rig *r)
{
	for (uint32_t i = 0; i < DEVICES; i++) {
		uint32_t last = (1U << model[i].bits) - 1;

		if (!model[i].bits) {
			assert_int_equal(its_resolve(r, i, 0), ITS_REFUSED(4));
			continue;
		}
		assert_int_equal(its_resolve(r, i, last), ITS_LPI(model[i].intid, 0));
		assert_int_equal(its_resolve(r, i, last + 1), ITS_REFUSED(5));
		if (last > 1) {
			assert_int_equal(its_resolve(r, i, 0), ITS_REFUSED(7));
			assert_int_equal(its_resolve(r, i, last / 2), ITS_REFUSED(7));
		}
	}
}

static void open_pool(struct its_rig *r, uint32_t events, uint32_t steps)
{
	its_open(r, &(struct its_rig_config){ .events = events, .devices = 4096, .steps = steps });
	assert_int_equal(its_command(r, MAPC(0, 0)), 0);
	memset(model, 0, sizeof(model));
}

/* Every second of the smallest is gone: half is free, and nowhere two in a row. */
static void every_second(void **state)
{
	open_pool(&rig, 1024, 0);
	for (uint32_t i = 0; i < 64; i++)
		map(&rig, i, 4, 0);
	map(&rig, 64, 4, LIMIT);
	for (uint32_t i = 0; i < 64; i += 2)
		unmap(&rig, i);
	map(&rig, 100, 10, LIMIT);
	map(&rig, 100, 9, 0);
	check(&rig);
	map(&rig, 101, 1, LIMIT);
	its_close(&rig);
}

/* The only run that is large enough has one small device in it. */
static void in_a_pool_that_is_no_power_of_two(void **state)
{
	open_pool(&rig, 3072, 0);
	map(&rig, 0, 4, 0);
	map(&rig, 1, 11, 0);
	map(&rig, 2, 10, LIMIT);
	map(&rig, 2, 9, 0);
	check(&rig);
	its_close(&rig);
}

/* A device that is mapped again gives its own room back first, and keeps it if it asks for too much. */
static void instead_of_itself(void **state)
{
	open_pool(&rig, 1024, 0);
	map(&rig, 0, 9, 0);
	for (uint32_t i = 1; i < 33; i++)
		map(&rig, i, 4, 0);
	map(&rig, 0, 10, LIMIT);
	check(&rig);
	for (uint32_t i = 1; i < 33; i += 2)
		unmap(&rig, i);
	map(&rig, 2, 8, 0);
	map(&rig, 0, 9, 0);
	check(&rig);
	its_close(&rig);
}

/* Half has pairs of blocks, half has single ones, and every second is gone: to move a pair, single ones have to
 * be moved first. */
static void in_steps(void **state)
{
	uint32_t calls;

	open_pool(&rig, 4096, 16);
	for (uint32_t i = 0; i < 192; i++)
		map(&rig, i, i < 64 ? 5 : 4, 0);
	map(&rig, 200, 4, LIMIT);
	for (uint32_t i = 1; i < 192; i += 2)
		unmap(&rig, i);
	assert_int_equal(finish(&rig, MAPD(200, 11, 0), &calls), 0);
	assert_true(calls > 10);
	model[200].bits = 11;
	model[200].intid = 9999;
	assert_int_equal(do_command(&rig, MAPTI(200, 2047, 9999, 0)), 0);
	map(&rig, 201, 4, LIMIT);
	check(&rig);
	its_close(&rig);
}

/* Looking for room in a large pool is paid for, too. */
static void looking_is_paid_for(void **state)
{
	unsigned calls = 1;
	int came;

	open_pool(&rig, 1 << 20, 1024);
	for (uint32_t i = 0; i < 100; i++)
		its_queue(&rig, 0, MAPD(i, 4, 0));
	for (came = its_ring(&rig, 0); came == VIOMMU_PENDING; came = viommu_run(rig.its))
		calls++;
	assert_int_equal(came, VIOMMU_OK);
	assert_true(calls > 5 && calls < 20);
	its_close(&rig);
}

/* ---- at random ---- */

static uint64_t next_random(uint64_t *random)
{
	*random ^= *random << 13;
	*random ^= *random >> 7;
	*random ^= *random << 17;
	return *random >> 11;
}

static void only_counts_decide(void **state)
{
	static const uint32_t pools[] = { 1024, 2048, 3072, 5120, 8192 };
	uint64_t random = UINT64_C(0x9e3779b97f4a7c15);
	uint32_t refused = 0;

	for (size_t p = 0; p < sizeof(pools) / sizeof(pools[0]); p++) {
		open_pool(&rig, pools[p], p % 2 ? 0 : 16);
		for (uint32_t i = 0; i < 4000; i++) {
			uint32_t device = (uint32_t)next_random(&random) % DEVICES;
			unsigned bits = 1 + (unsigned)next_random(&random) % 10;
			uint32_t used = 0;
			bool full;

			for (uint32_t k = 0; k < DEVICES; k++)
				used += model[k].bits && k != device ? blocks_of(model[k].bits) : 0;
			full = used + blocks_of(bits) > pools[p] / 16;
			refused += full;
			if (next_random(&random) % 3)
				map(&rig, device, bits, full ? LIMIT : 0);
			else
				unmap(&rig, device);
			if (i % 50 == 0)
				check(&rig);
		}
		check(&rig);
		its_close(&rig);
	}
	assert_true(refused > 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_second),
		cmocka_unit_test(in_a_pool_that_is_no_power_of_two),
		cmocka_unit_test(instead_of_itself),
		cmocka_unit_test(in_steps),
		cmocka_unit_test(looking_is_paid_for),
		cmocka_unit_test(only_counts_decide),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
