/* SPDX-License-Identifier: BSD-3-Clause */
/* step.c - a step of an explanation, as text and as JSON. */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "viommu.h"

/* ---- text ---- */

static void print_answer(const struct viommu_step *s, const struct viommu *iommu)
{
	if (s->words == 3)
		printf("  => %" PRIx64 ", may %s, alike for %" PRIu64 " bytes around it\n",
		       s->raw[0], access_text((uint32_t)s->raw[1]), s->raw[2]);
	else if (s->words == 4 && s->raw[2])
		printf("  => LPI %" PRIu64 " at CPU %" PRIu64 "\n", s->raw[2], s->raw[3]);
	else if (s->words == 4)
		printf("  => message %" PRIx64 " %" PRIx64 "\n", s->raw[0], s->raw[1]);
	else if (strcmp(s->what, "refused") == 0)
		printf("  => refused, reason %" PRIx32 ": %s\n", s->reason,
		       viommu_reason_text(iommu, s->reason));
	else
		printf("  => %s\n", s->what);
}

static void print_step(const struct viommu_step *s)
{
	printf("  %-24s", s->what);
	if (s->gpa != UINT64_MAX)
		printf(" at %12" PRIx64 ":", s->gpa);
	else
		printf("%*s", 17, s->flags & VIOMMU_STEP_CACHE ? "(cache):" : ":");
	for (uint32_t i = 0; i < s->words && i < 8; i++)
		printf(" %016" PRIx64, s->raw[i]);
	if (!s->words)
		printf(" nothing");
	printf("%s\n", s->flags & VIOMMU_STEP_STALE ? "  STALE: the tables say otherwise" : "");
}

/* ---- JSON ---- */

static void json_step(const struct viommu_step *s, const struct viommu *iommu,
		      struct json_object *to)
{
	struct json_object *o = ROW(to, "{what:s}", S(s->what));
	struct json_object *raw;

	if (s->gpa != UINT64_MAX)
		ROW(o, "{gpa:x}", N(s->gpa));
	raw = out_list(o, "raw", "");
	for (uint32_t i = 0; i < s->words && i < 8; i++)
		out_hex(raw, s->raw[i]);
	if (s->flags & VIOMMU_STEP_CACHE)
		json_object_object_add(o, "cache", json_object_new_boolean(1));
	if (s->flags & VIOMMU_STEP_STALE)
		json_object_object_add(o, "stale", json_object_new_boolean(1));
	if (s->reason || strcmp(s->what, "refused") == 0)
		ROW(o, "{reason:x}{reason_text:s}", N(s->reason),
		    S(viommu_reason_text(iommu, s->reason)));
}

void step_put(const struct viommu_step *s, const struct viommu *iommu, struct json_object *to)
{
	if (to)
		json_step(s, iommu, to);
	else if (s->flags & VIOMMU_STEP_ANSWER)
		print_answer(s, iommu);
	else
		print_step(s);
}
