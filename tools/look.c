/* SPDX-License-Identifier: BSD-3-Clause */
/* look.c - what an IOMMU has at a line of a tape: its devices, and what each has mapped. */

#include <stdlib.h>
#include <string.h>

#include <libvirtiommu/listener.h>

#include "look.h"

/* ---- mappings ---- */

static bool add_range(struct ranges *r, const struct range *range)
{
	struct range *before = r->count ? &r->list[r->count - 1] : NULL;

	if (before && before->last + 1 == range->first && before->perm == range->perm &&
	    before->gpa + (before->last - before->first) + 1 == range->gpa) {
		before->last = range->last;
		return true;
	}
	if (r->count == r->capacity) {
		size_t capacity = r->capacity ? 2 * r->capacity : 64;
		struct range *list = realloc(r->list, capacity * sizeof(*list));

		if (!list)
			return false;
		r->list = list;
		r->capacity = capacity;
	}
	r->list[r->count++] = *range;
	return true;
}

static int mapped(void *opaque, uint64_t iova, const struct viommu_fragment *f)
{
	struct ranges *r = opaque;
	const struct range range = {
		.first = iova, .last = iova + f->length - 1, .gpa = f->gpa, .perm = f->perm
	};

	if (!add_range(r, &range))
		r->exhausted = true;
	return r->exhausted;
}

/* A fragment has 64 bits of length: all of the address space comes in two. */
int ranges_read(struct ranges *r, struct session *s, struct viommu_device *device, uint32_t pasid)
{
	uint64_t calls = 0;
	uint64_t first = 0;
	int result;

	r->count = 0;
	do {
		result = viommu_replay(device, pasid, &first, UINT64_MAX, 0, mapped, r);
		session_progress(s, "looks at tables", ++calls * 256);
	} while (result == VIOMMU_MORE && !r->exhausted);
	return r->exhausted ? VIOMMU_ENOMEM : result;
}

void ranges_fini(struct ranges *r)
{
	free(r->list);
	*r = (struct ranges){ 0 };
}

/* ---- devices ---- */

static const struct viommu_request question = { .pasid = VIOMMU_NO_PASID, .access = VIOMMU_READ };

static uint32_t name_of(const struct session *s, uint32_t id)
{
	const struct part *part = s->player->engine->part[0];

	return part->name ? part->name(s->player, id) : id;
}

/* Whether the guest's tables have something of it. */
static bool is_there(const struct steps *steps)
{
	const struct viommu_step *last = NULL;

	for (unsigned i = 0; i < steps->count; i++) {
		if (!(steps->step[i].flags & VIOMMU_STEP_ANSWER) && !step_is_level(&steps->step[i]))
			last = &steps->step[i];
	}
	return last && step_is_set(last);
}

/* Device `id`; the spare one takes ids that no other has. */
static struct viommu_device *device_of(struct viommu *iommu, struct viommu_device *spare,
				       uint32_t id)
{
	struct viommu_device *device;

	if (viommu_find_device(iommu, id, &device) == VIOMMU_OK)
		return device;
	return spare && viommu_device_set_id(spare, id) == VIOMMU_OK ? spare : NULL;
}

int state_devices(struct session *s, uint32_t last,
		  int (*each)(void *opaque, struct session *s, const struct context *context),
		  void *opaque)
{
	const struct viommu_device_config config = { .size = sizeof(config), .id = VIOMMU_NO_ID };
	bool told = s->player->engine->part[0]->device != NULL;
	struct viommu *iommu = player_iommu(s->player, 0);
	struct viommu_device *spare = NULL;
	static struct context context;
	int status = STATUS_SAME;

	if (!iommu)
		return status;
	if (!told && viommu_device_new(iommu, &config, &spare) != VIOMMU_OK)
		return unusable(s->path, s->number, "out of memory");
	for (uint64_t id = 0; !status && id <= last; id++) {
		context.device = device_of(iommu, spare, (uint32_t)id);
		context.name = name_of(s, (uint32_t)id);
		session_progress(s, "devices", id);
		if (!context.device)
			continue;
		steps_of_request(&context.steps, context.device, &question, 0);
		if (told || is_there(&context.steps))
			status = each(opaque, s, &context);
	}
	viommu_device_free(spare);
	return status;
}

/* ---- command lines ---- */

bool look_option(struct look *look, int option, char *value)
{
	uint64_t number = 0;

	switch (option) {
	case 'd':
		look->one = parse_hex(value, UINT32_MAX, &number);
		look->device = (uint32_t)number;
		return look->one;
	case 'p':
		if (!parse_hex(value, 0xfffff, &number))
			return false;
		look->pasid = (uint32_t)number;
		return true;
	case 'l':
		if (!parse_hex(value, UINT32_MAX, &number))
			return false;
		look->last = (uint32_t)number;
		return true;
	case 'M':
		if (look->images.count == IMAGES_MAX)
			return false;
		look->images.file[look->images.count++] = value;
		return true;
	case 'r':
		look->registers = value;
		return true;
	case 'j':
		return look->json = true;
	default:
		return false;
	}
}

int look_open(struct session *s, const struct look *look, char *path)
{
	return look->registers ? image_open(s, look->registers, &look->images)
			       : session_at(s, path);
}

int look_devices(struct session *s, const struct look *look,
		 int (*each)(void *opaque, struct session *s, const struct context *context),
		 void *opaque)
{
	static struct context context;
	int result;

	if (!look->one)
		return state_devices(s, look->last, each, opaque);
	context.name = look->device;
	context.device = player_device(s->player, look->device, &result);
	if (!context.device)
		return unusable(s->path, s->number, "there is no such device at this line");
	steps_of_request(&context.steps, context.device, &question, 0);
	return each(opaque, s, &context);
}
