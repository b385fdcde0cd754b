/* SPDX-License-Identifier: BSD-3-Clause */
/* vtd_flush.h - what IOTLB invalidations name (6.5.2.3, 6.5.2.4), whether they come by queue, one or many, or by register. */
#ifndef VTD_FLUSH_H
#define VTD_FLUSH_H

#include "vtd_engine.h"

/* 1 << am pages at an address. */
static inline void vtd_flush_pages(struct domain_flush *f, uint64_t address, unsigned am, bool leaf)
{
	uint64_t mask = bits_low(12 + am);

	f->first = address & ~mask;
	f->last = f->first | mask;
	f->leaf = leaf;
}

/* Of a domain, or of pages; false: of neither, or the unit does not have it. */
static inline bool vtd_flush_iotlb(const struct vtd *v, unsigned granularity, uint32_t did,
				   uint64_t address, unsigned am, bool leaf, struct domain_flush *f)
{
	f->match.group = vtd_known_domain(v, did);
	f->match.id = DOMAIN_ANY;
	f->match.globals = 0;
	if (granularity == VTD_GRAN_DOMAIN) {
		f->match.kinds = 0;
		f->match.whole = VTD_KINDS_ALL;
		f->first = 0;
		f->last = UINT64_MAX;
		f->leaf = false;
		return true;
	}
	if (granularity != VTD_GRAN_LOCAL || !(v->cap & VTD_CAP_PSI) ||
	    am > bits_get(v->cap, VTD_CAP_MAMV))
		return false;
	/* The address is one of the second stage: what first stages have cached cannot be
	 * found by it. */
	f->match.kinds = VTD_KINDS_SECOND;
	f->match.whole = VTD_KINDS_FIRST;
	vtd_flush_pages(f, vtd_known_address(v, address), am, leaf);
	return true;
}

/* The same of first stages, of a PASID: pages. */
static inline bool vtd_flush_piotlb(const struct vtd *v, unsigned granularity, uint32_t did,
				    uint32_t pasid, uint64_t address, unsigned am, bool leaf,
				    struct domain_flush *f)
{
	if (granularity != VTD_PIOTLB_PAGES || am > 51)
		return false;
	did = vtd_known_domain(v, did);
	f->match = (struct domain_match){ .group = did,
					  .id = domain_id(did, pasid),
					  .kinds = VTD_KINDS_FIRST };
	vtd_flush_pages(f, address, am, leaf);
	return true;
}

#endif
