/* SPDX-License-Identifier: BSD-3-Clause */
/* virtio_oracle_access.c - where an access goes (virtio 1.3, 5.13.6.9), slowly. */
#include "virtio_oracle.h"

/* 5.13.3 */
#define F_BYPASS	(UINT64_C(1) << 3)
#define F_BYPASS_CONFIG (UINT64_C(1) << 6)

/* ---- 5.13.6.9 ---- */

/* Step 1. Shortens @p to where no region begins. */
static bool in_region(const struct vo_endpoint *e, uint64_t address, uint32_t access,
		      struct vo_place *p)
{
	for (unsigned i = 0; i < e->regions; i++) {
		const struct vo_region *r = &e->region[i];

		if (address >= r->first && address <= r->last) {
			p->kind = r->msi ? VO_MESSAGE : VO_UNMAPPED;
			p->last = r->last;
			return true;
		}
		if (r->first > address && r->first - 1 < p->last)
			p->last = r->first - 1;
	}
	return false;
}

static bool bypassed(const struct virtio_oracle *o, const struct vo_endpoint *e)
{
	if (e->attached)
		return o->domain[vo_find_domain(o, e->domain)].bypass;
	return ((o->config.offered & F_BYPASS_CONFIG) && o->bypass) || (o->accepted & F_BYPASS);
}

/* Step 4. */
static void look_up(const struct virtio_oracle *o, const struct vo_endpoint *e, uint64_t address,
		    uint32_t access, struct vo_place *p)
{
	p->kind = VO_UNMAPPED;
	for (unsigned i = 0; i < VO_MAPPINGS; i++) {
		const struct vo_mapping *m = &o->mapping[i];

		if (!m->used || m->domain != e->domain || address < m->first || address > m->last)
			continue;
		p->gpa = m->phys + (address - m->first);
		p->perm = m->flags & 3;
		if (m->last < p->last)
			p->last = m->last;
		if (!(access & ~p->perm))
			p->kind = VO_TARGET;
	}
}

struct vo_place vo_access(const struct virtio_oracle *o, uint32_t endpoint, uint64_t address,
			  uint32_t access)
{
	const struct vo_endpoint *e = &o->endpoint[vo_find_endpoint(o, endpoint)];
	struct vo_place p = { .kind = VO_UNATTACHED, .last = UINT64_MAX };

	if (in_region(e, address, access, &p))
		return p;
	if (bypassed(o, e)) {
		p.kind = VO_TARGET;
		p.gpa = address;
		p.perm = 3;
		p.anonymous = true;
		return p;
	}
	if (e->attached)
		look_up(o, e, address, access, &p);
	return p;
}

bool vo_next(const struct virtio_oracle *o, uint32_t endpoint, uint64_t address, uint64_t *found,
	     struct vo_place *place)
{
	const struct vo_endpoint *e = &o->endpoint[vo_find_endpoint(o, endpoint)];

	for (;;) {
		uint64_t next = UINT64_MAX;
		bool more = false;

		*place = vo_access(o, endpoint, address, 0);
		if (place->kind == VO_TARGET) {
			*found = address;
			return true;
		}
		/* the next place at which anything begins or a region ends */
		for (unsigned i = 0; i < VO_MAPPINGS; i++) {
			const struct vo_mapping *m = &o->mapping[i];

			if (m->used && m->domain == e->domain && m->first > address &&
			    m->first <= next) {
				next = m->first;
				more = true;
			}
		}
		for (unsigned i = 0; i < e->regions; i++) {
			const uint64_t end = e->region[i].last + 1;

			if (end > address && end <= next) {
				next = end;
				more = true;
			}
		}
		if (!more)
			return false;
		address = next;
	}
}
