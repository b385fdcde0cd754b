/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_virtio_listener.c - a shadow of every endpoint that lives by what listeners are told: right
 * whenever a request has been answered (obligations 14, 17, 28, 31).
 */
#include "check.h"

#include <string.h>

#include "trace.h"
#include "virtio_rig.h"

#define R	     VIOMMU_READ
#define NOWHERE	     VR_FAULT(VR_DOMAIN)
#define MAX	     UINT64_MAX
#define NEVER_MAPPED UINT64_C(0x7ffff0000000)

enum { RANGES = 64 };

struct shadow {
	struct viommu_device *device;
	uint32_t mode;
	struct vr_range range[RANGES];
	unsigned count;
	unsigned unmaps, maps, modes;
};

struct shadows {
	struct virtio_rig *r;
	struct shadow of[VR_ENDPOINTS + 1];
	struct viommu_listener *listener;
};

static struct shadows shadows;
static uint8_t ram[0x1000] __attribute__((aligned(16)));

static struct shadow *find(struct viommu_device *device)
{
	for (unsigned id = 1; id <= VR_ENDPOINTS; id++) {
		if (shadows.of[id].device == device)
			return &shadows.of[id];
	}
	fail_msg("told of a device that is not there");
	return NULL;
}

/* Removes what lies in [first, last]; what reaches out of it is kept so far. */
static void forget(struct shadow *s, uint64_t first, uint64_t last)
{
	const unsigned count = s->count;
	struct vr_range old[RANGES];

	memcpy(old, s->range, sizeof(old));
	s->count = 0;
	for (unsigned i = 0; i < count; i++) {
		struct vr_range rest = old[i];

		if (old[i].last < first || old[i].iova > last) {
			s->range[s->count++] = rest;
			continue;
		}
		if (old[i].iova < first) {
			rest.last = first - 1;
			s->range[s->count++] = rest;
		}
		if (old[i].last > last) {
			rest = old[i];
			rest.gpa += last + 1 - rest.iova;
			rest.iova = last + 1;
			s->range[s->count++] = rest;
		}
		assert_true(s->count < RANGES);
	}
}

static int add(void *opaque, uint64_t iova, const struct viommu_fragment *f)
{
	struct shadow *s = opaque;

	if (!(f->perm & VR_RW))
		return 0;
	assert_true(s->count < RANGES);
	s->range[s->count++] =
		(struct vr_range){ iova, f->gpa, iova + (f->length - 1), f->perm & VR_RW };
	return 0;
}

static void learn(struct shadow *s, uint64_t first, uint64_t last)
{
	int result;

	if (s->mode != VIOMMU_MODE_TRANSLATE)
		return;
	do {
		result = viommu_replay(s->device, VIOMMU_NO_PASID, &first, last, 0, add, s);
	} while (result == VIOMMU_MORE);
	row_equal(result == VIOMMU_OK || result == VIOMMU_FAULT, true);
}

static void on_unmap(void *opaque, struct viommu_device *device, uint32_t pasid, uint64_t first,
		     uint64_t last)
{
	struct shadow *s = find(device);

	row_equal(pasid == VIOMMU_NO_PASID || pasid == VIOMMU_ANY_PASID, true);
	row_equal(first <= last, true);
	s->unmaps++;
	forget(s, first, last);
	learn(s, first, last);
}

static int on_map(void *opaque, struct viommu_device *device, uint32_t pasid, uint64_t iova,
		  const struct viommu_fragment *fragment)
{
	struct shadow *s = find(device);

	row_equal(pasid == VIOMMU_NO_PASID || pasid == VIOMMU_ANY_PASID, true);
	row_equal(fragment->length != 0, true);
	s->maps++;
	forget(s, iova, iova + (fragment->length - 1));
	add(s, iova, fragment);
	return VIOMMU_OK;
}

static void on_mode(void *opaque, struct viommu_device *device, uint32_t mode)
{
	struct shadow *s = find(device);

	row_equal(mode <= VIOMMU_MODE_TRANSLATE, true);
	s->modes++;
	s->mode = mode;
	s->count = 0;
	learn(s, 0, MAX);
}

/* ---- the shadow compared ---- */

static uint32_t true_mode(struct virtio_rig *r, unsigned id)
{
	uint64_t answer = vr_peek(r, id, NEVER_MAPPED, R);

	vr_drain(r);
	return answer == NOWHERE	? VIOMMU_MODE_BLOCK
	       : answer == NEVER_MAPPED ? VIOMMU_MODE_BYPASS
					: VIOMMU_MODE_TRANSLATE;
}

/* In order, and merged as vr_ranges() merges. */
static void tidy(struct shadow *s)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < s->count; i++) {
		for (unsigned k = i + 1; k < s->count; k++) {
			struct vr_range swap = s->range[i];

			if (s->range[k].iova >= swap.iova)
				continue;
			s->range[i] = s->range[k];
			s->range[k] = swap;
		}
	}
	for (unsigned i = 0; i < s->count; i++) {
		struct vr_range *before = kept ? &s->range[kept - 1] : NULL;
		const struct vr_range *this = &s->range[i];

		if (before && before->last + 1 == this->iova && before->perm == this->perm &&
		    before->gpa + (before->last - before->iova) + 1 == this->gpa)
			before->last = this->last;
		else
			s->range[kept++] = *this;
	}
	s->count = kept;
}

static void check_shadow(unsigned id)
{
	struct shadow *s = &shadows.of[id];
	struct vr_range truth[RANGES];
	unsigned count;
	int result;

	row_equal(s->mode, true_mode(shadows.r, id));
	if (s->mode != VIOMMU_MODE_TRANSLATE)
		return;
	tidy(s);
	count = vr_ranges(shadows.r, id, 0, MAX, truth, RANGES, &result);
	row_equal(s->count, count);
	for (unsigned i = 0; i < count; i++) {
		row_equal(s->range[i].iova, truth[i].iova);
		row_equal(s->range[i].last, truth[i].last);
		row_equal(s->range[i].gpa, truth[i].gpa);
		row_equal(s->range[i].perm, truth[i].perm);
	}
}

static void check_all(void)
{
	for (unsigned id = 1; id <= VR_ENDPOINTS; id++)
		check_shadow(id);
}

static void open_shadows(const struct viommu_virtio_config *config, unsigned device)
{
	struct viommu_listener_config listener = {
		.size = sizeof(listener), .unmap = on_unmap, .map = on_map, .mode = on_mode
	};

	const struct viommu_region memory = {
		.size = sizeof(memory), .gpa = 0x11000, .bytes = 0x1000, .host = ram
	};

	shadows = (struct shadows){ .r = vr_open(config) };
	for (unsigned id = 1; id <= VR_ENDPOINTS; id++) {
		shadows.of[id].device = shadows.r->device[id];
		shadows.of[id].mode = true_mode(shadows.r, id);
	}
	/* what is told comes in pieces that are contiguous in host memory */
	row_equal(viommu_vm_add_region(shadows.r->g.vm, &memory), VIOMMU_OK);
	row_equal(viommu_listener_new(shadows.r->g.iommu, device ? shadows.r->device[device] : NULL,
				      &listener, &shadows.listener),
		  VIOMMU_OK);
}

static void close_shadows(void)
{
	row_equal(viommu_listener_free(shadows.listener), VIOMMU_OK);
	vr_close(shadows.r);
}

/* ---- life of a guest ---- */

static const struct vr_step life[] = {
	ATTACH("17 ATTACH", 7, 1, 0, IS(OK)),
	MAP("17 MAP", 7, 0x1000, 0x1fff, 0x5000, VR_READ, IS(OK)),
	MAP("17 MAP", 7, 0x2000, 0x2fff, 0x6000, VR_RW, IS(OK)),
	MAP("17 MAP, the end", 7, MAX - 0xfff, MAX, 0x9000, VR_RW, IS(OK)),
	ATTACH("17 ATTACH to mappings", 7, 2, 0, IS(OK)),
	MAP("17 MAP for two", 7, 0x4000, 0x7fff, 0x10000, VR_RW, IS(OK)),
	UNMAP("17 UNMAP for two", 7, 0x1000, 0x1fff, IS(OK)),
	UNMAP("17 UNMAP of nothing", 7, 0x1000, 0x1fff, IS(OK)),
	UNMAP("28 UNMAP refused", 7, 0, 0x4fff, IS(RANGE)),
	MAP("28 MAP refused", 7, 0x7000, 0x8fff, 0, 1, IS(INVAL)),
	MAP("31 MAP again, another target", 7, 0x1000, 0x1fff, 0x20000, VR_RW, IS(OK)),
	ATTACH("17 ATTACH of a third", 8, 3, 0, IS(OK)),
	MAP("17 MAP in another domain", 8, 0x1000, 0x1fff, 0x30000, VR_READ, IS(OK)),
	ATTACH("17 moving", 8, 2, 0, IS(OK)),
	ATTACH("17 ATTACH in bypass", 9, 4, VR_BYPASS, IS(OK)),
	ATTACH("17 from mappings to bypass", 9, 2, VR_BYPASS, IS(OK)),
	ATTACH("17 from bypass to mappings", 7, 4, 0, IS(OK)),
	DETACH("17 DETACH", 7, 4, IS(OK)),
	SET_BYPASS("17 bypass on", 1),
	DETACH("17 DETACH into bypass", 8, 3, IS(OK)),
	SET_BYPASS("17 bypass off", 0),
	SET_BYPASS("17 bypass off again", 0),
	ATTACH("17 ATTACH again", 7, 3, 0, IS(OK)),
	UNMAP("17 UNMAP of everything", 7, 0, MAX, IS(OK)),
	MAP("17 MAP", 7, 0x1000, 0x1fff, 0x5000, VR_READ, IS(OK)),
	DETACH("17 DETACH from bypass", 9, 2, IS(OK)),
	SET_BYPASS("17 bypass on", 1),
	RESET("17 reset of the device"),
	ATTACH("17 ATTACH after a reset", 7, 1, 0, IS(OK)),
	MAP("17 MAP after a reset", 7, 0x8000, 0x8fff, 0x5000, VR_READ, IS(OK)),
	ATTACH("17 ATTACH after a reset", 7, 2, 0, IS(OK)),
	DETACH("17 DETACH", 7, 1, IS(OK)),
};

static void test_life(void **state)
{
	for (unsigned device = 0; device <= 2; device++) {
		open_shadows(NULL, device);
		for (size_t i = 0; i < VR_ROWS(life); i++) {
			vr_steps(shadows.r, &life[i], 1);
			row_name = life[i].name;
			if (device)
				check_shadow(device);
			else
				check_all();
		}
		row_name = "17 reset of the machine";
		row_equal(viommu_reset(shadows.r->g.iommu), VIOMMU_OK);
		if (device)
			check_shadow(device);
		else
			check_all();
		close_shadows();
	}
}

/* A listener that comes to a device with mappings can ask, and is told from then on. */
static void test_who(void **state)
{
	open_shadows(NULL, 0);
	row_name = "17 MAP and UNMAP: told once, and only who has the domain";
	vr_steps(shadows.r, life, 1);
	for (unsigned id = 1; id <= VR_ENDPOINTS; id++)
		shadows.of[id].unmaps = shadows.of[id].maps = shadows.of[id].modes = 0;
	row_equal(vr_map(shadows.r, 7, 0x1000, 0x1fff, 0, 1), ST_OK);
	row_equal(vr_unmap(shadows.r, 7, 0x1000, 0x1fff), ST_OK);
	for (unsigned id = 1; id <= VR_ENDPOINTS; id++) {
		row_equal(shadows.of[id].modes, 0);
		row_equal(shadows.of[id].maps, id == 1);
		row_equal(shadows.of[id].unmaps, id == 1);
	}
	row_name = "17 ATTACH: told of each mapping";
	vr_steps(shadows.r, life + 1, 3);
	for (unsigned id = 1; id <= VR_ENDPOINTS; id++)
		shadows.of[id].maps = 0;
	row_equal(vr_attach(shadows.r, 7, 2, 0), ST_OK);
	row_equal(shadows.of[2].maps, 3);
	row_equal(vr_attach(shadows.r, 7, 2, 0), ST_OK); /* is there */
	row_equal(shadows.of[2].maps, 3);
	row_equal(shadows.of[1].maps, 0);
	close_shadows();
}

static void test_restore(void **state)
{
	static unsigned char saved[65536];
	uint64_t bytes = sizeof(saved);

	open_shadows(NULL, 0);
	vr_steps(shadows.r, life, 15);
	row_equal(viommu_save(shadows.r->g.iommu, saved, &bytes), VIOMMU_OK);
	vr_steps(shadows.r, life + 15, VR_ROWS(life) - 15);
	row_name = "17 a state is restored";
	row_equal(viommu_restore(shadows.r->g.iommu, saved, bytes) >= 0, true);
	row_equal(viommu_run(shadows.r->g.iommu), VIOMMU_OK);
	check_all();
	close_shadows();
}

/* While a section holds the completion back, the shadow is told already. */
static uint64_t told_at_completion;

static void note_shadow(struct virtio_rig *r)
{
	told_at_completion = shadows.of[1].count;
}

static void test_before_completion(void **state)
{
	open_shadows(NULL, 0);
	row_name = "17 listeners first, then completion";
	vr_steps(shadows.r, life, 2);
	row_equal(shadows.of[1].count, 1);
	shadows.r->on_complete = note_shadow;
	told_at_completion = 99;
	row_equal(viommu_enter(shadows.r->channel[1]), VIOMMU_OK);
	row_equal(vr_unmap(shadows.r, 7, 0, MAX), ST_OK);
	row_equal(shadows.r->result, VIOMMU_PENDING);
	row_equal(viommu_leave(shadows.r->channel[1]), VIOMMU_OK);
	row_equal(viommu_run(shadows.r->g.iommu), VIOMMU_OK);
	row_equal(told_at_completion, 0);
	check_all();
	close_shadows();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_life),
		cmocka_unit_test(test_who),
		cmocka_unit_test(test_restore),
		cmocka_unit_test(test_before_completion),
	};

	return cmocka_run_group_tests(tests, NULL, vr_count_rows);
}
