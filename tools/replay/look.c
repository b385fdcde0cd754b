/* SPDX-License-Identifier: BSD-3-Clause */
/* look.c - what an IOMMU has at a line of a tape: its devices, and what each has mapped. */

#include <libvirtiommu/listener.h>

#include "grow.h"
#include "look.h"

/* ---- mappings ---- */

static int mapped(void *opaque, uint64_t iova, const struct viommu_fragment *f)
{
	struct ranges *r = opaque;
	struct range *before = r->count ? &r->list[r->count - 1] : NULL;
	struct range *list;

	if (before && before->last + 1 == iova && before->perm == f->perm &&
	    before->gpa + (before->last - before->first) + 1 == f->gpa) {
		before->last = iova + f->length - 1;
		return 0;
	}
	list = grow(r->list, r->count, &r->capacity, sizeof(*list));
	r->exhausted = !list;
	if (!list)
		return 1;
	r->list = list;
	list[r->count++] = (struct range){
		.first = iova, .last = iova + f->length - 1, .gpa = f->gpa, .perm = f->perm
	};
	return 0;
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

/* Whether the guest's tables have something of it: the last structure above them is not all zero. */
static bool is_there(const struct steps *steps)
{
	const struct viommu_step *last = steps_context(steps);
	uint64_t any = 0;

	for (uint32_t i = 0; last && i < last->words; i++)
		any |= last->raw[i];
	return any != 0;
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

static int look_all(struct session *s, uint32_t last,
		    int (*each)(void *opaque, struct session *s, const struct context *context),
		    void *opaque)
{
	const struct viommu_device_config config = { .size = sizeof(config), .id = VIOMMU_NO_ID };
	const struct part *part = s->player->engine->part[0];
	struct viommu *iommu = player_iommu(s->player, 0);
	struct viommu_device *spare = NULL;
	static struct context context;
	int status = STATUS_SAME;

	if (!iommu)
		return status;
	if (!part->device && viommu_device_new(iommu, &config, &spare) != VIOMMU_OK)
		return unusable(s->path, s->number, "out of memory");
	for (uint64_t id = 0; !status && id <= last; id++) {
		context.id = (uint32_t)id;
		context.device = device_of(iommu, spare, context.id);
		context.name = part->name ? part->name(s->player, context.id) : context.id;
		session_progress(s, "devices", id);
		if (!context.device)
			continue;
		steps_of_request(&context.steps, context.device, &question, 0);
		if (part->device || is_there(&context.steps))
			status = each(opaque, s, &context);
	}
	viommu_device_free(spare);
	return status;
}

int look_devices(struct session *s, const struct look *o,
		 int (*each)(void *opaque, struct session *s, const struct context *context),
		 void *opaque)
{
	static struct context context;
	int result;

	if (!o->one)
		return look_all(s, o->last, each, opaque);
	context.name = context.id = o->device;
	context.device = player_device(s->player, o->device, &result);
	if (!context.device)
		return unusable(s->path, s->number, "there is no such device at this line");
	steps_of_request(&context.steps, context.device, &question, 0);
	return each(opaque, s, &context);
}
