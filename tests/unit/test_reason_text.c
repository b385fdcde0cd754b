/* SPDX-License-Identifier: BSD-3-Clause */
/* test_reason_text.c - every fault reason that a header of an engine names has a text of its own. */
#include "check.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libvirtiommu/its.h>
#include <libvirtiommu/observe.h>
#include <libvirtiommu/virtio.h>

#include "guest.h"
#include "its_rig.h"
#include "virtio_rig.h"

enum { NAMES_MAX = 256 };

struct named {
	char name[64];
	uint32_t value;
};

/* What a header defines with a prefix, apart from @except and macros with arguments; a value may be on the
 * line after a backslash. */
static unsigned names_of(const char *path, const char *prefix, const char *except,
			 struct named *names)
{
	static char text[1 << 17];
	FILE *file = fopen(path, "r");
	unsigned count = 0;
	size_t bytes;

	assert_non_null(file);
	bytes = fread(text, 1, sizeof(text) - 1, file);
	assert_true(bytes < sizeof(text) - 1);
	text[bytes] = 0;
	fclose(file);
	for (char *at = text; (at = strstr(at, "#define ")) != NULL;) {
		size_t length;

		at += strlen("#define ");
		length = strcspn(at, " \t(\n");
		if (strncmp(at, prefix, strlen(prefix)) != 0 || at[length] == '(' ||
		    (except && strncmp(at, except, strlen(except)) == 0))
			continue;
		assert_true(count < NAMES_MAX && length < sizeof(names->name));
		snprintf(names[count].name, sizeof(names->name), "%.*s", (int)length, at);
		at += length;
		at += strspn(at, " \t\\\n");
		assert_true(isdigit((unsigned char)*at));
		names[count++].value = (uint32_t)strtoul(at, NULL, 0);
	}
	return count;
}

static void check_all(const struct viommu *iommu, const struct named *names, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		const char *text = viommu_reason_text(iommu, names[i].value);

		check_that(names[i].name, strcmp(text, "unknown") != 0 && *text);
		check_that(names[i].name, text[strlen(text) - 1] != '.');
		for (unsigned j = 0; j < i; j++) {
			if (names[j].value != names[i].value)
				check_that(names[i].name,
					   strcmp(text,
						  viommu_reason_text(iommu, names[j].value)) != 0);
		}
	}
}

static void of_vtd(void **state)
{
	struct named names[NAMES_MAX];
	unsigned count = names_of("lib/vtd/vtd_spec.h", "VTD_FR_", NULL, names);
	struct guest g;

	assert_true(count >= 74); /* docs/vtd-notes.md, section 1 */
	guest_init(&g, GUEST_REGION, 16);
	guest_vtd(&g, 0, 0);
	check_all(g.iommu, names, count);
	assert_string_equal(viommu_reason_text(g.iommu, 0x02), "context entry not present");
	assert_string_equal(viommu_reason_text(g.iommu, 0x0f), "unknown");
	assert_string_equal(viommu_reason_text(g.iommu, 0x92), "unknown");
	assert_string_equal(viommu_reason_text(g.iommu, UINT32_MAX), "unknown");
	assert_string_equal(viommu_reason_text(NULL, 1), "unknown");
	guest_fini(&g);
}

static void of_virtio(void **state)
{
	struct named names[NAMES_MAX];
	unsigned count =
		names_of("lib/virtio/virtio_spec.h", "VIRTIO_FAULT_", "VIRTIO_FAULT_F_", names);
	struct virtio_rig *r = vr_open(NULL);

	assert_int_equal(count, 3);
	check_all(r->g.iommu, names, count);
	assert_string_equal(viommu_reason_text(r->g.iommu, 3), "unknown");
	vr_close(r);
}

static void of_its(void **state)
{
	struct named names[NAMES_MAX];
	unsigned count = names_of("include/libvirtiommu/its.h", "VIOMMU_ITS_ERROR_", NULL, names);
	struct its_rig r;

	count += names_of("include/libvirtiommu/its.h", "VIOMMU_ITS_REASON_", NULL, names + count);
	assert_int_equal(count, 21);
	its_open(&r, &(struct its_rig_config){ .off = true });
	check_all(r.its, names, count);
	/* a code says the same as its reason, whatever the command */
	for (unsigned i = 0; i < count; i++) {
		if (names[i].value <= 0xff)
			assert_string_equal(
				viommu_reason_text(r.its, VIOMMU_ITS_ERROR(0x0a, names[i].value)),
				viommu_reason_text(r.its, names[i].value));
	}
	assert_string_equal(viommu_reason_text(r.its, 0x08), "unknown");
	assert_string_equal(viommu_reason_text(r.lpis, 0x01), "unknown");
	its_close(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(of_vtd),
		cmocka_unit_test(of_virtio),
		cmocka_unit_test(of_its),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
