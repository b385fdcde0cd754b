/* SPDX-License-Identifier: BSD-3-Clause */
/* reverse.c - from guest-physical addresses to those that a device uses for them. */

#include "unit.h"

struct search {
	uint64_t gpa;
	uint64_t first;
	uint64_t last;
	struct viommu_reverse *found;
	uint64_t next; /* after the page that was found; 0: there is none */
};

/* Non-zero: this page has it. */
static int look(void *opaque, const struct translation *page)
{
	struct search *s = opaque;
	uint64_t offset = s->gpa - page->gpa;
	uint64_t page_last = page->iova | bits_low(page->size_lg2);
	uint64_t iova = page->iova + offset;

	/* below the page, offsets wrap to beyond it */
	if (offset > bits_low(page->size_lg2) || iova < s->first || iova > s->last)
		return 0;
	if (page_last > s->last)
		page_last = s->last;
	*s->found = (struct viommu_reverse){ .iova = iova,
					     .bytes = page_last - iova + 1,
					     .perm = page->perm & (unsigned)PERM_USER };
	s->next = (page->iova | bits_low(page->size_lg2)) + 1;
	return 1;
}

int viommu_find_iova(struct viommu_device *device, uint32_t pasid, uint64_t gpa, uint64_t *first,
		     uint64_t last, uint32_t budget, struct viommu_reverse *found)
{
	struct search s = { .gpa = gpa, .last = last, .found = found };
	struct query q = { .device = device, .pasid = pasid, .quiet = true, .access = VIOMMU_READ };
	struct epoch_section *section;
	struct pt_visit visit;
	struct context context;
	enum pt_visit_end end = PT_VISIT_DONE;
	struct viommu *u;
	int result;

	if (!device || !first || !found || *first > last ||
	    (pasid != VIOMMU_NO_PASID && pasid >= BIT(20)))
		return VIOMMU_EINVAL;
	u = device->iommu;
	if (!u->engine->visit)
		return VIOMMU_ENOTSUP;
	s.first = *first;
	visit = (struct pt_visit){ .walk.vm = u->vm,
				   .next = *first,
				   .last = last,
				   .page = look,
				   .opaque = &s,
				   .budget = budget ? budget : VIOMMU_REPLAY_BUDGET_DEFAULT };
	section = epoch_visit(&u->epoch);
	result = unit_parse(u, &q, &context);
	if (!result)
		end = u->engine->visit(u, &context, &visit);
	if (epoch_visit_end(&u->epoch, section))
		unit_work(u);
	if (result)
		return result;
	*first = end == PT_VISIT_STOPPED ? s.next : visit.next;
	return end == PT_VISIT_STOPPED ? VIOMMU_OK
	       : end == PT_VISIT_DONE  ? VIOMMU_ENOENT
				       : VIOMMU_MORE;
}
