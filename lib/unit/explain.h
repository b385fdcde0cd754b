/* SPDX-License-Identifier: BSD-3-Clause */
/* explain.h - an explanation on its way: explain.c says what the tables say, explain_caches.c what the
 * caches would have said. */
#ifndef EXPLAIN_H
#define EXPLAIN_H

#include "unit.h"

struct explanation {
	bool caches;
	struct viommu_channel *channel; /* or NULL */
	uint64_t entry[2]; /* where the entries of the lowest tables were, first and second stage;
			      UINT64_MAX: the walk did not get there */
	int (*step)(void *opaque, const struct viommu_step *step);
	void *opaque;
	bool stopped;
};

static inline void explain_step(struct explanation *e, const struct viommu_step *step)
{
	if (!e->stopped)
		e->stopped = e->step(e->opaque, step) != 0;
}

int explain_request(struct explanation *e, struct viommu_device *device,
		    const struct viommu_request *request);

/* q: the request, as the tables have answered it. In a section. */
void explain_caches(struct explanation *e, const struct query *q);

#endif
