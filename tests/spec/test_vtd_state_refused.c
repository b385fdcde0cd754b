/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_vtd_state_refused.c - saved states that are not ours, not whole or not possible: refused,
 * with nothing changed; or accepted, and then exactly what they say (obligation 29).
 */

#include <string.h>

#include "run.h"
#include "vtd_unit.h"

#define MAX 65536U

static unsigned char good[MAX], bad[MAX], now[MAX];
static uint64_t length;

/* A unit with something in every part of its state. */
static struct unit *open_busy(void)
{
	struct unit *u = unit_scalable();
	struct viommu_msi msi;

	guest_interrupts_on(&u->g, 3, true);
	guest_page_queue_on(&u->g, 0);
	for (uint32_t i = 0; i < 10; i++)
		viommu_remap_msi(u->g.iommu, i, 0xfee00000, 0, 0, &msi);
	guest_submit(&u->g, 0xf, 0, 0, 0);
	guest_ring(&u->g);
	length = MAX;
	row_equal(viommu_save(u->g.iommu, good, &length), VIOMMU_OK);
	return u;
}

static bool unchanged(struct unit *u)
{
	uint64_t bytes = MAX;

	row_equal(viommu_save(u->g.iommu, now, &bytes), VIOMMU_OK);
	return bytes == length && memcmp(now, good, length) == 0;
}

static void refused(struct unit *u, const void *bytes, uint64_t count)
{
	row_equal(viommu_restore(u->g.iommu, bytes, count), VIOMMU_ESTATE);
	row_equal(unchanged(u), true);
}

static void test_arguments(void **state)
{
	struct unit *u = open_busy();
	uint64_t bytes = 0;

	row_name = "sizes and pointers";
	row_equal(viommu_save(u->g.iommu, NULL, &bytes), VIOMMU_ENOSPC);
	row_equal(bytes, length);
	bytes = length - 1;
	row_equal(viommu_save(u->g.iommu, now, &bytes), VIOMMU_ENOSPC);
	row_equal(bytes, length);
	row_equal(viommu_save(u->g.iommu, now, &bytes), VIOMMU_OK);
	row_equal(viommu_save(NULL, now, &bytes), VIOMMU_EINVAL);
	row_equal(viommu_save(u->g.iommu, now, NULL), VIOMMU_EINVAL);
	row_equal(viommu_save(u->g.iommu, NULL, &bytes), VIOMMU_EINVAL);
	row_equal(viommu_restore(NULL, good, length), VIOMMU_EINVAL);
	row_equal(viommu_restore(u->g.iommu, NULL, length), VIOMMU_EINVAL);
	row_equal(unchanged(u), true);
	unit_close(u);
}

/* Every length but the right one. */
static void test_truncated(void **state)
{
	struct unit *u = open_busy();

	row_name = "truncated";
	memcpy(bad, good, length);
	for (uint64_t n = 0; n < length; n++)
		refused(u, bad, n);
	memset(bad + length, 0, 64);
	row_name = "something behind it";
	for (uint64_t n = length + 1; n < length + 64; n++)
		refused(u, bad, n);
	unit_close(u);
}

/* Every byte is covered by the sum. */
static void test_flipped(void **state)
{
	struct unit *u = open_busy();

	row_name = "one bit flipped";
	memcpy(bad, good, length);
	for (uint64_t i = 0; i < length; i++) {
		for (unsigned bit = 0; bit < 8; bit++) {
			bad[i] ^= (unsigned char)(1U << bit);
			refused(u, bad, length);
			bad[i] = good[i];
		}
	}
	row_equal(viommu_restore(u->g.iommu, bad, length) >= 0, true);
	unit_close(u);
}

/* The sum of the format (lib/base/state.h): of all bytes before the end record, rotating. */
static void seal(unsigned char *bytes)
{
	uint64_t total = 0;

	for (uint64_t i = 0; i < length - 16; i++)
		total = (total << 1 | total >> 63) + bytes[i];
	for (unsigned i = 0; i < 8; i++)
		bytes[length - 8 + i] = (unsigned char)(total >> 8 * i);
}

static void test_seal(void **state)
{
	struct unit *u = open_busy();

	row_name = "the sum is computed here as there";
	memcpy(bad, good, length);
	seal(bad);
	assert_memory_equal(bad, good, length);
	unit_close(u);
}

/*
 * Hostile bytes under a right sum: refused with nothing changed, or taken over, and then saved
 * again the same. Whatever is accepted must not hurt what comes after.
 */
static unsigned try_bytes(struct unit *u)
{
	uint64_t bytes = MAX;
	uint64_t value;
	int result;

	seal(bad);
	result = viommu_restore(u->g.iommu, bad, length);
	if (result < 0) {
		row_equal(result, VIOMMU_ESTATE);
		row_equal(unchanged(u), true);
		return 0;
	}
	row_equal(viommu_save(u->g.iommu, now, &bytes), VIOMMU_OK);
	row_equal(bytes, length);
	for (uint64_t i = 0; i < length; i++) {
		if (now[i] != bad[i])
			fail_msg("accepted, and saved as something else at byte %u of %u",
				 (unsigned)i, (unsigned)length);
	}
	row_equal(viommu_run(u->g.iommu) >= 0, true);
	where(u->dev, UNIT_IOVA, VIOMMU_WRITE);
	for (uint32_t at = 0; at < 0x400; at += 8)
		row_equal(viommu_reg_read(u->g.iommu, at, 8, &value), VIOMMU_OK);
	row_equal(viommu_restore(u->g.iommu, good, length) >= 0, true);
	row_equal(unchanged(u), true);
	return 1;
}

static void test_hostile_bytes(void **state)
{
	static const unsigned char change[] = { 0x01, 0x10, 0x80, 0xff };
	struct unit *u = open_busy();
	unsigned accepted = 0;

	row_name = "hostile bytes";
	memcpy(bad, good, length);
	for (uint64_t i = 0; i < length - 16; i++) {
		for (size_t k = 0; k < sizeof(change); k++) {
			bad[i] ^= change[k];
			accepted += try_bytes(u);
			memcpy(bad, good, length);
		}
	}
	row_equal(accepted > 0, true); /* otherwise this tested the sum only */
	unit_close(u);
}

static uint64_t next(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

static void test_hostile_random(void **state)
{
	uint64_t seed = run_seed(0x9e3779b97f4a7c15) | 1;
	struct unit *u = open_busy();

	row_name = "hostile bytes, several at once";
	memcpy(bad, good, length);
	for (unsigned i = 0; i < 3000; i++) {
		for (uint64_t n = next(&seed) % 6 + 1; n; n--)
			bad[16 + next(&seed) % (length - 32)] ^= (unsigned char)next(&seed);
		try_bytes(u);
		memcpy(bad, good, length);
	}
	unit_close(u);
}

/* ---- another configuration ---- */

static void test_other_configuration(void **state)
{
	const struct {
		const char *name;
		uint64_t cap;
		uint64_t ecap;
		uint32_t version;
		uint32_t haw;
	} rows[] = {
		{ "CAP", GUEST_CAP_SCALABLE ^ VTD_CAP_ZLR, GUEST_ECAP_SCALABLE, 0, 0 },
		{ "CAP.NFR", GUEST_CAP_SCALABLE ^ bits_put(VTD_CAP_NFR, 4), GUEST_ECAP_SCALABLE, 0,
		  0 },
		{ "ECAP", GUEST_CAP_SCALABLE, GUEST_ECAP_SCALABLE ^ VTD_ECAP_SC, 0, 0 },
		{ "version", GUEST_CAP_SCALABLE, GUEST_ECAP_SCALABLE, 0x20, 0 },
		{ "haw", GUEST_CAP_SCALABLE, GUEST_ECAP_SCALABLE, 0, 46 },
	};
	struct unit *u = open_busy();

	for (size_t i = 0; i < ROWS(rows); i++) {
		struct viommu_vtd_config config = { .size = sizeof(config),
						    .cap = rows[i].cap,
						    .ecap = rows[i].ecap,
						    .version = rows[i].version,
						    .haw = rows[i].haw };
		uint64_t bytes = MAX;
		struct viommu *other;

		row_name = rows[i].name;
		row_equal(viommu_vtd_new(u->g.vm, &config, &other), VIOMMU_OK);
		row_equal(viommu_restore(other, good, length), VIOMMU_ESTATE);
		row_equal(viommu_save(other, bad, &bytes), VIOMMU_OK);
		row_equal(viommu_restore(u->g.iommu, bad, bytes), VIOMMU_ESTATE);
		row_equal(unchanged(u), true);
		row_equal(viommu_free(other), VIOMMU_OK);
	}
	unit_close(u);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_arguments),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_flipped),
		cmocka_unit_test(test_seal),
		cmocka_unit_test(test_hostile_bytes),
		cmocka_unit_test(test_hostile_random),
		cmocka_unit_test(test_other_configuration),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
