/* SPDX-License-Identifier: BSD-3-Clause */
/* pt_structure.c - loading structures through another stage. */

#include <libvirtiommu/iommu.h>

#include "mem.h"
#include "pt_structure.h"

/* Where the structure is. */
static enum pt_end find(struct pt_structure *s, uint64_t address)
{
	s->gpa = address;
	s->end = PT_OK;
	if (!s->stage)
		return PT_OK;
	s->walk.iova = address;
	s->walk.need = VIOMMU_READ;
	s->end = pt_fits(s->walk.config, address) ? s->stage(&s->walk) : PT_TOO_WIDE;
	if (s->end != PT_OK)
		return PT_STAGE2_TABLE;
	s->gpa = s->walk.found.gpa | (address & bits_low(s->walk.found.size_lg2));
	return PT_OK;
}

static bool load(const struct pt_structure *s, uint64_t *raw, unsigned words)
{
	struct mem_place own = MEM_NOWHERE;
	struct mem_place *place = s->walk.place ? s->walk.place : &own;

	if (!mem_load_near(s->walk.vm, place, s->gpa, raw, words))
		return false;
	for (unsigned i = 0; s->big_endian && i < words; i++)
		raw[i] = __builtin_bswap64(raw[i]);
	return true;
}

enum pt_end pt_structure_load(struct pt_structure *s, uint64_t address, uint64_t *raw,
			      unsigned words)
{
	const struct pt_observer *observer = s->walk.observer;
	enum pt_end end;
	bool ok;

	/* what lies in two pages would have to be looked for twice */
	if (NEVER(address & (words * sizeof(*raw) - 1)))
		return PT_LOAD_FAILED;
	end = find(s, address);
	if (end != PT_OK)
		return end;
	ok = load(s, raw, words);
	if (observer)
		observer->saw(observer->opaque, s->what, PT_LEVELS, s->gpa, raw, ok ? words : 0);
	return ok ? PT_OK : PT_LOAD_FAILED;
}
