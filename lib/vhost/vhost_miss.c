/* SPDX-License-Identifier: BSD-3-Clause */
/* vhost_miss.c - what to tell a backend about an address: as much as the tables prove. */

#include "mem.h"
#include "range.h"
#include "vhost_front.h"

/* Bytes of the first look at the tables around an address. */
#define LOOK_FIRST (UINT64_C(64) << 10)

struct vhost_range vhost_block(const struct viommu_vhost *v, uint64_t iova)
{
	uint64_t reach = v->config.reach;

	if (!reach)
		reach = VIOMMU_VHOST_REACH_DEFAULT;
	if (reach < VHOST_PAGE)
		reach = VHOST_PAGE;
	return (struct vhost_range){ iova & ~(reach - 1), iova | (reach - 1) };
}

/* Whether b goes on where a ends: address, guest memory, host memory and permission (obligation
 * 32); in one region, because regions are mapped, and removed, one by one. */
static bool joins(const struct vhost_run *a, const struct vhost_run *b)
{
	uint64_t length = a->range.last - a->range.first + 1;

	return a->range.last + 1 == b->range.first && a->gpa + length == b->gpa &&
	       a->uaddr + length == b->uaddr && a->region == b->region && a->perm == b->perm;
}

/* ---- the tables, in pieces of one host mapping ---- */

struct look {
	struct viommu_vm *vm;
	/* Non-zero: enough has been seen. */
	int (*piece)(struct look *look, const struct vhost_run *piece);
	struct vhost_run *run; /* of collect(): max of them */
	uint32_t count;
	uint32_t max;
};

/* What a backend may do without asking again: not write to ROM. 0 where there is no host memory, and
 * where a write is granted and would have to be recorded first: some backends do not ask again when
 * a range lacks a permission, so the page is sent when it is asked for, with all it is granted. */
static uint32_t usable(const struct viommu_fragment *f, const void *writable)
{
	uint32_t perm = f->perm & (VIOMMU_READ | VIOMMU_WRITE);

	if (!writable)
		perm &= ~VIOMMU_WRITE;
	else if (f->flags & VIOMMU_FRAGMENT_CLEAN)
		return 0;
	return f->host ? perm : 0;
}

/* In pieces of one region. At most as many steps as regions. */
static int split(void *opaque, uint64_t iova, const struct viommu_fragment *f)
{
	struct look *look = opaque;

	for (uint64_t done = 0; done < f->length;) {
		struct vhost_run piece = { .range.first = iova + done,
					   .gpa = f->gpa + done,
					   .uaddr = (uint64_t)(uintptr_t)f->host + done };
		uint64_t bytes = f->length - done;
		struct mem_place place;

		mem_find(look->vm, piece.gpa, &place);
		if (bytes - 1 > place.last - piece.gpa)
			bytes = place.last - piece.gpa + 1;
		piece.range.last = piece.range.first + (bytes - 1);
		piece.region = place.first;
		piece.perm = usable(f, mem_host(&place, piece.gpa, true));
		if (look->piece(look, &piece))
			return 1;
		done += bytes;
	}
	return 0;
}

static void look_at(struct viommu_vhost *v, uint64_t first, uint64_t last, struct look *look)
{
	look->vm = v->device->iommu->vm;
	if (v->looks)
		translate_replay(v->device, v->config.pasid, &first, last, &v->looks, split, look);
}

/* ---- a run ---- */

static int grow_up(struct look *look, const struct vhost_run *piece)
{
	if (!joins(look->run, piece))
		return 1;
	look->run->range.last = piece->range.last;
	return 0;
}

/* Keeps the run that ends with the piece. */
static int keep_last(struct look *look, const struct vhost_run *piece)
{
	if (look->count && joins(look->run, piece))
		look->run->range.last = piece->range.last;
	else
		*look->run = *piece;
	look->count = 1;
	return 0;
}

static void widen_up(struct viommu_vhost *v, uint64_t limit, struct vhost_run *run)
{
	for (uint64_t bytes = LOOK_FIRST; run->range.last != limit; bytes *= 4) {
		struct look look = { .piece = grow_up, .run = run };
		uint64_t left = limit - run->range.last;
		uint64_t last = run->range.last + (bytes < left ? bytes : left);

		look_at(v, run->range.last + 1, last, &look);
		if (run->range.last != last)
			return;
	}
}

static void widen_down(struct viommu_vhost *v, uint64_t limit, struct vhost_run *run)
{
	for (uint64_t bytes = LOOK_FIRST; run->range.first != limit; bytes *= 4) {
		struct vhost_run below;
		struct look look = { .piece = keep_last, .run = &below };
		uint64_t left = run->range.first - limit;
		uint64_t first = run->range.first - (bytes < left ? bytes : left);

		look_at(v, first, run->range.first - 1, &look);
		if (!look.count || !joins(&below, run))
			return;
		below.range.last = run->range.last;
		*run = below;
		if (run->range.first != first)
			return;
	}
}

void vhost_widen(struct viommu_vhost *v, const struct vhost_range *block, struct vhost_run *run)
{
	/* Looks grow with what they find, so that small mappings cost little. */
	widen_up(v, block->last, run);
	widen_down(v, block->first, run);
}

/* Translates iova as the device does. */
static int translate(const struct viommu_vhost *v, uint64_t iova, uint32_t access,
		     struct viommu_fragment *f)
{
	const struct viommu_request request = {
		.first = iova, .last = iova, .pasid = v->config.pasid, .access = (uint16_t)access
	};
	struct viommu_answer answer;

	return viommu_device_translate(v->device, &request, f, 1, &answer);
}

int vhost_translate(const struct viommu_vhost *v, uint64_t iova, uint32_t access,
		    struct vhost_run *run)
{
	/* A page if no mapping is smaller (no region of memory is), or the byte. */
	uint64_t proven = v->device->iommu->engine->byte_granular ? 0 : VHOST_PAGE - 1;
	uint64_t offset = iova & proven;
	struct viommu_fragment f;
	struct mem_place place;
	int result = translate(v, iova, access, &f);

	if (result)
		return result;
	mem_find(v->device->iommu->vm, f.gpa, &place);
	if ((f.flags & VIOMMU_FRAGMENT_CLEAN) && mem_host(&place, f.gpa, true)) {
		/* As ATS has it, where a request that does not say "no write" makes a page dirty
		 * that may be written: the device does not ask before it writes. */
		struct viommu_fragment dirty;

		if (translate(v, iova, access | VIOMMU_WRITE, &dirty) == VIOMMU_OK &&
		    dirty.gpa == f.gpa)
			f = dirty;
		else
			f.perm &= ~VIOMMU_WRITE;
		f.flags = 0;
	}
	*run = (struct vhost_run){ .range = { iova - offset, iova | proven },
				   .gpa = f.gpa - offset,
				   .uaddr = (uint64_t)(uintptr_t)f.host - offset,
				   .region = place.first,
				   .perm = usable(&f, mem_host(&place, f.gpa, true)) };
	return run->perm ? VIOMMU_OK : VIOMMU_ENOTSUP;
}

/* ---- without being asked ---- */

static int note_readable(struct look *look, const struct vhost_run *piece)
{
	look->count = (piece->perm & VIOMMU_READ) != 0;
	return 1;
}

bool vhost_readable(struct viommu_vhost *v, uint64_t iova)
{
	struct look look = { .piece = note_readable };

	look_at(v, iova, iova, &look);
	return look.count;
}

static int collect(struct look *look, const struct vhost_run *piece)
{
	if (!piece->perm)
		return 0;
	if (look->count && joins(&look->run[look->count - 1], piece)) {
		look->run[look->count - 1].range.last = piece->range.last;
		return 0;
	}
	if (look->count == look->max)
		return 1;
	look->run[look->count++] = *piece;
	return 0;
}

uint32_t vhost_read_ahead(struct viommu_vhost *v, uint64_t first, uint64_t last,
			  struct vhost_run *run, uint32_t max)
{
	struct look look = { .piece = collect, .run = run, .max = max };

	look_at(v, first, last, &look);
	return look.count;
}
