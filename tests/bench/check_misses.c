/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * check_misses.c - what channels answer at once (lib/unit/miss.h), against what questions without a trace are answered, of every
 * page of the worlds of bench/: after a flush, from the structure cache, from the shared TLB, and from the micro-TLB.
 */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <libvirtiommu/observe.h>

#include "amdvi_guest.h"
#include "riscv_world.h"
#include "smmuv3_world.h"
#include "vtd_world.h"

struct subject {
	void *world;
	const struct guest_pages *pages;
	struct viommu *iommu;
	struct viommu_device *device;
	struct viommu_channel *channel;
	struct viommu_channel *
		other; /* of the same device, for questions: a channel forgets its context over one */
};

/* --- worlds --- */

static struct subject vtd(enum vtd_paging paging, uint64_t stride)
{
	struct vtd_shape shape = { paging, GUEST_SCATTERED, stride, 1, 0, 0 };
	struct vtd_world *w = vtd_world_new(&shape);

	return (struct subject){ w, &w->pages, w->iommu, w->device[0], w->channel[0], NULL };
}

static struct subject vtd_second(uint64_t stride)
{
	return vtd(VTD_SS4, stride);
}

static struct subject vtd_first(uint64_t stride)
{
	return vtd(VTD_FS4, stride);
}

static struct subject vtd_nested(uint64_t stride)
{
	return vtd(VTD_NESTED44, stride);
}

static void vtd_flush(void *world)
{
	vtd_queue_domain(world, 1);
	vtd_finish(world);
}

static void vtd_free(void *world)
{
	vtd_world_free(world);
}

static struct subject smmuv3(enum smmuv3_stages stages, uint64_t stride)
{
	struct smmuv3_world *w = smmuv3_world_new(stages, GUEST_SCATTERED, stride);

	return (struct subject){ w, &w->pages, w->iommu, w->device, w->channel, NULL };
}

static struct subject smmuv3_stage1(uint64_t stride)
{
	return smmuv3(SMMUV3_STAGE1, stride);
}

static struct subject smmuv3_stage2(uint64_t stride)
{
	return smmuv3(SMMUV3_STAGE2, stride);
}

static struct subject smmuv3_nested(uint64_t stride)
{
	return smmuv3(SMMUV3_NESTED, stride);
}

static void smmuv3_flush(void *world)
{
	smmuv3_queue_all(world);
	smmuv3_finish(world);
}

static void smmuv3_free(void *world)
{
	smmuv3_world_free(world);
}

static struct subject riscv(uint64_t stride)
{
	struct riscv_world *w = riscv_world_new(GUEST_SCATTERED, stride);

	return (struct subject){ w, &w->pages, w->iommu, w->device, w->channel, NULL };
}

static void riscv_flush(void *world)
{
	riscv_queue_all(world);
	riscv_finish(world);
}

static void riscv_free(void *world)
{
	riscv_world_free(world);
}

static struct subject amdvi(uint64_t stride)
{
	struct amdvi_guest *w = amdvi_guest_new(GUEST_SCATTERED, stride);

	return (struct subject){ w, &w->pages, w->iommu, w->device, w->channel, NULL };
}

static void amdvi_flush(void *world)
{
	amdvi_guest_flush(world);
}

static void amdvi_free(void *world)
{
	amdvi_guest_free(world);
}

static const struct {
	const char *name;
	struct subject (*make)(uint64_t stride);
	void (*flush)(void *world);
	void (*free)(void *world);
} rows[] = {
	{ "vtd, second stage", vtd_second, vtd_flush, vtd_free },
	{ "vtd, first stage", vtd_first, vtd_flush, vtd_free },
	{ "vtd, nested", vtd_nested, vtd_flush, vtd_free },
	{ "smmuv3, stage 1", smmuv3_stage1, smmuv3_flush, smmuv3_free },
	{ "smmuv3, stage 2", smmuv3_stage2, smmuv3_flush, smmuv3_free },
	{ "smmuv3, nested", smmuv3_nested, smmuv3_flush, smmuv3_free },
	{ "riscv", riscv, riscv_flush, riscv_free },
	{ "amdvi", amdvi, amdvi_flush, amdvi_free },
};

/* --- requests --- */

static const uint64_t strides[] = { GUEST_PAGE, GUEST_SCATTERED_3, GUEST_SCATTERED_4 };

static const struct {
	uint64_t offset, bytes;
	unsigned access;
} asked[] = {
	{ 0, GUEST_PAGE, VIOMMU_READ },
	{ 0x123, 1, VIOMMU_WRITE },
	{ 0xff8, 8, VIOMMU_READ | VIOMMU_WRITE },
	{ 0, 8, VIOMMU_READ | VIOMMU_PRIV },
	{ 0x800, 0x1000, VIOMMU_READ }, /* over the border */
	{ 8, 8, VIOMMU_EXEC },
	{ 0, 8, VIOMMU_WRITE | VIOMMU_PRIV },
};

#define ASKED (sizeof(asked) / sizeof(asked[0]))

struct told {
	int result;
	struct viommu_fragment f[2];
	struct viommu_answer answer;
};

static struct told ask(struct viommu_channel *channel, uint64_t iova, unsigned n, unsigned quiet)
{
	struct viommu_request request = { .first = iova + asked[n].offset,
					  .last = iova + asked[n].offset + asked[n].bytes - 1,
					  .pasid = VIOMMU_NO_PASID,
					  .access = (uint16_t)(asked[n].access | quiet) };
	struct told t = { .result = 0 };

	t.result = viommu_translate(channel, &request, t.f, 2, &t.answer);
	return t;
}

static bool same_fragments(const struct told *a, const struct told *b)
{
	for (uint32_t i = 0; i < a->answer.count; i++) {
		if (a->f[i].gpa != b->f[i].gpa || a->f[i].length != b->f[i].length ||
		    a->f[i].host != b->f[i].host || a->f[i].perm != b->f[i].perm ||
		    a->f[i].flags != b->f[i].flags)
			return false;
	}
	return true;
}

static bool same(const struct told *a, const struct told *b)
{
	return a->result == b->result && a->answer.next == b->answer.next &&
	       a->answer.count == b->answer.count && a->answer.reason == b->answer.reason &&
	       a->answer.extent_lg2 == b->answer.extent_lg2 && a->answer.flags == b->answer.flags &&
	       a->answer.token == b->answer.token && same_fragments(a, b);
}

static unsigned differs;

static void compare(const char *name, const struct subject *s, uint64_t iova, unsigned n)
{
	struct told quiet = ask(s->other, iova, n, VIOMMU_QUIET);

	for (unsigned again = 0; again < 2; again++) {
		struct told told = ask(s->channel, iova, n, 0);

		if (!same(&told, &quiet) && ++differs < 20)
			printf("%s: %#llx, request %u, time %u: %d at %#llx, not %d at %#llx\n",
			       name, (unsigned long long)iova, n, again, told.result,
			       (unsigned long long)told.f[0].gpa, quiet.result,
			       (unsigned long long)quiet.f[0].gpa);
	}
}

static uint64_t misses(const struct subject *s)
{
	struct viommu_statistics t = { .size = sizeof(t) };

	expect_ok("viommu_get_statistics", viommu_get_statistics(s->iommu, &t));
	return t.misses;
}

/* Each page first by one of the requests, and then by all of them. */
static void check(const char *name, const struct subject *s, unsigned first)
{
	uint64_t before = misses(s);

	expect_ok("viommu_enter", viommu_enter(s->channel));
	for (uint64_t i = 0; i < s->pages->n; i++)
		compare(name, s, s->pages->iova[i], first);
	if (asked[first].access != VIOMMU_EXEC && misses(s) - before < s->pages->n) {
		printf("%s: %llu misses\n", name, (unsigned long long)(misses(s) - before));
		differs++;
	}
	for (uint64_t i = 0; i < s->pages->n; i++) {
		for (unsigned n = 0; n < ASKED; n++)
			compare(name, s, s->pages->iova[i], n);
	}
	expect_ok("viommu_leave", viommu_leave(s->channel));
}

int main(void)
{
	for (size_t row = 0; row < sizeof(rows) / sizeof(rows[0]); row++) {
		for (size_t i = 0; i < sizeof(strides) / sizeof(strides[0]); i++) {
			struct subject s = rows[row].make(strides[i]);

			expect_ok("viommu_channel_new",
				  viommu_channel_new(s.device, VIOMMU_NO_PASID, &s.other));
			for (unsigned first = 0; first < ASKED; first++) {
				rows[row].flush(s.world);
				check(rows[row].name, &s, first);
			}
			expect_ok("viommu_channel_free", viommu_channel_free(s.other));
			rows[row].free(s.world);
		}
	}
	printf("%u differ\n", differs);
	return differs != 0;
}
