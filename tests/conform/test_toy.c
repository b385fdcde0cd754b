/* SPDX-License-Identifier: BSD-3-Clause */
/* test_toy.c - what the toy engine has and not all do: a wired interrupt, and states in the middle of things. */
#include "check.h"

#include <string.h>

#include "guest.h"
#include "toy.h"

static struct guest g;
static uint64_t devices, commands, faults;
static struct viommu_device *device;

/* What the host has heard of its line. */
static unsigned hears, level;

static void line(void *opaque, uint32_t number, uint32_t now)
{
	assert_int_equal(number, 0);
	assert_int_equal(now, !level); /* only changes */
	level = now;
	hears++;
}

static struct viommu *new_toy(void)
{
	struct viommu_host host = { .size = sizeof(host), .line = line };
	struct viommu *iommu;

	assert_int_equal(toy_new(g.vm, &host, NULL, &iommu), VIOMMU_OK);
	return iommu;
}

static uint64_t get(uint64_t offset)
{
	uint64_t value;

	assert_int_equal(viommu_reg_read(g.iommu, offset, 4, &value), VIOMMU_OK);
	return value;
}

static int put(uint64_t offset, uint32_t bytes, uint64_t value)
{
	return viommu_reg_write(g.iommu, offset, bytes, value);
}

static int open_toy(void **state)
{
	hears = level = 0;
	guest_init(&g, GUEST_REGION, 16);
	g.iommu = new_toy();
	devices = guest_alloc(&g, 1);
	commands = guest_alloc(&g, 1);
	faults = guest_alloc(&g, 1);
	put(TOY_TABLE, 8, devices);
	put(TOY_CMD_BASE, 8, commands | 2); /* 4 entries */
	put(TOY_FLT_BASE, 8, faults | 2);
	assert_int_equal(put(TOY_CTRL, 4, TOY_CTRL_EN), VIOMMU_OK);
	device = guest_device(&g, 3);
	return 0;
}

static int close_toy(void **state)
{
	guest_fini(&g);
	return 0;
}

static void ask(void)
{
	assert_int_equal(guest_dma(device, 0x1000, VIOMMU_READ).result, VIOMMU_FAULT);
}

/* High while there are records that have not been taken, whoever left them. */
static void line_of_records(void **state)
{
	assert_int_equal(hears, 0);
	ask();
	assert_int_equal(level, 1);
	ask();
	assert_int_equal(hears, 1);
	put(TOY_FLT_HEAD, 4, 1);
	assert_int_equal(hears, 1);
	put(TOY_FLT_HEAD, 4, 2);
	assert_int_equal(level, 0);
	assert_int_equal(hears, 2);
}

/* A ring of four has room for three; what is lost is said by STATUS. */
static void line_of_status(void **state)
{
	for (unsigned i = 0; i < 4; i++)
		ask();
	assert_int_equal(get(TOY_STATUS), TOY_STATUS_LOST);
	put(TOY_FLT_HEAD, 4, 3);
	assert_int_equal(level, 1);
	put(TOY_STATUS, 4, TOY_STATUS_LOST);
	assert_int_equal(level, 0);
	put(TOY_CMD_TAIL, 4, 1); /* no such command */
	assert_int_equal(get(TOY_STATUS), TOY_STATUS_COMMAND);
	assert_int_equal(get(TOY_CMD_HEAD), 0);
	assert_int_equal(level, 1);
	assert_int_equal(viommu_reset(g.iommu), VIOMMU_OK);
	assert_int_equal(level, 0);
}

/* ---- states ---- */

static uint8_t saved[4096];
static uint64_t bytes;

static void save(void)
{
	bytes = sizeof(saved);
	assert_int_equal(viommu_save(g.iommu, saved, &bytes), VIOMMU_OK);
}

/* Into another one, of which the host has heard nothing yet. */
static void line_of_a_restored_state(void **state)
{
	struct viommu *old = g.iommu;

	ask();
	save();
	guest_drop(&g);
	level = 0;
	g.iommu = new_toy();
	assert_int_equal(viommu_restore(g.iommu, saved, bytes), VIOMMU_OK);
	assert_int_equal(level, 1);
	assert_int_equal(viommu_free(old), VIOMMU_OK);
}

/* CTRL.ON has not followed CTRL.EN when the state is saved: it follows in the restored one. */
static void on_follows_later(void **state)
{
	struct viommu_section section = { 0 };

	assert_int_equal(put(TOY_CTRL, 4, 0), VIOMMU_OK);
	assert_int_equal(viommu_device_enter(device, &section), VIOMMU_OK);
	assert_int_equal(put(TOY_CTRL, 4, TOY_CTRL_EN), VIOMMU_PENDING);
	assert_int_equal(get(TOY_CTRL), TOY_CTRL_EN);
	save();
	assert_int_equal(viommu_restore(g.iommu, saved, bytes), VIOMMU_PENDING);
	assert_int_equal(get(TOY_CTRL), TOY_CTRL_EN);
	assert_int_equal(viommu_device_leave(&section), VIOMMU_OK);
	assert_int_equal(viommu_run(g.iommu), VIOMMU_OK);
	assert_int_equal(get(TOY_CTRL), TOY_CTRL_EN | TOY_CTRL_ON);
}

/* The sum at the end, of what has been changed: all but the last record, of 16 bytes. */
static void seal(void)
{
	uint64_t total = 0;

	for (uint64_t i = 0; i < bytes - 16; i++)
		total = (total << 1 | total >> 63) + saved[i];
	for (unsigned i = 0; i < 8; i++)
		saved[bytes - 8 + i] = (uint8_t)(total >> 8 * i);
}

/* The head is what a state says: outside the ring, it is no command that is executed. */
static void head_outside_the_ring(void **state)
{
	static const uint8_t row[8] = { TOY_CMD_HEAD }; /* its offset; the value is 8 bytes */
	unsigned found = 0;

	save();
	for (uint64_t i = 0; i + 12 <= bytes; i++) {
		if (memcmp(saved + i, row, sizeof(row)) == 0 && !found++)
			saved[i + 4] = 9; /* of 8 positions */
	}
	assert_int_equal(found, 1);
	seal();
	assert_int_equal(viommu_restore(g.iommu, saved, bytes), VIOMMU_OK);
	assert_int_equal(get(TOY_STATUS), TOY_STATUS_COMMAND);
	assert_int_equal(get(TOY_CMD_HEAD), 9);
}

#define TOY_TEST(test) cmocka_unit_test_setup_teardown(test, open_toy, close_toy)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TOY_TEST(line_of_records),	    TOY_TEST(line_of_status),
		TOY_TEST(line_of_a_restored_state), TOY_TEST(on_follows_later),
		TOY_TEST(head_outside_the_ring),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
