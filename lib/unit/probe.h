/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * probe.h - faults, fills, invalidations and completions: counted, told to the host's trace
 * callback, and static probes, at the same places. None of them is on the way of a hit.
 *
 * No lock may be held: the callback may call whatever it likes.
 */
#ifndef PROBE_H
#define PROBE_H

#include <libvirtiommu/observe.h>

#include "unit.h"

#ifdef VIOMMU_HAVE_SDT
#include <sys/sdt.h>
#define PROBE1(name, a)		       DTRACE_PROBE1(libvirtiommu, name, a)
#define PROBE5(name, a, b, c, d, e)    DTRACE_PROBE5(libvirtiommu, name, a, b, c, d, e)
#define PROBE6(name, a, b, c, d, e, f) DTRACE_PROBE6(libvirtiommu, name, a, b, c, d, e, f)
#else
#define PROBE1(name, a)		       ((void)0)
#define PROBE5(name, a, b, c, d, e)    ((void)0)
#define PROBE6(name, a, b, c, d, e, f) ((void)0)
#endif

static inline void count_event(struct viommu_device *device, enum counter what)
{
	counter_add(&device->counters.of[what]);
	counter_add(&device->shared_counters->of[what]);
}

/* By the call that has the unit. */
static inline void count_own(struct viommu *u, enum counter what)
{
	counter_add_own(&u->counters.own[what - COUNTERS_OF_DEVICE]);
}

static inline void count_own_some(struct viommu *u, enum counter what, uint64_t count)
{
	counter_add_own_some(&u->counters.own[what - COUNTERS_OF_DEVICE], count);
}

/* A request was refused, and not only in a question. */
void probe_fault(const struct query *q);
/* A command was, of an engine whose commands have such reasons. */
void probe_command_error(struct viommu *u, unsigned reason);
/* A message was; of whom. */
void probe_message_fault(struct viommu *u, uint32_t source, uint64_t address, uint32_t data,
			 unsigned reason);

/* q->found is in the shared TLB now. */
void probe_filled(const struct query *q);

static inline __attribute__((always_inline)) void probe_fill(const struct query *q)
{
	count_event(q->device, COUNT_FILLS);
	PROBE6(fill, q->device->iommu, q->id, q->pasid, q->found.iova, q->found.gpa,
	       q->found.size_lg2);
	if (UNLIKELY(q->device->iommu->host.trace))
		probe_filled(q);
}

void probe_invalidated(struct viommu *u, const struct viommu_trace *event);

/* The caches have forgotten something because the guest said so. @what: COUNT_FLUSHES to
 * COUNT_INTERRUPTS; @id: of a domain, or a requester; @device: or NULL */
static inline void probe_invalidation(struct viommu *u, enum counter what,
				      struct viommu_device *device, uint32_t id, uint32_t pasid,
				      uint64_t first, uint64_t last)
{
	count_own(u, what);
	PROBE6(invalidation, u, what - COUNT_FLUSHES + VIOMMU_INVALIDATED_ALL, id, pasid, first,
	       last);
	if (UNLIKELY(u->host.trace))
		probe_invalidated(u, &(struct viommu_trace){ .kind = VIOMMU_TRACE_INVALIDATION,
							     .what = what - COUNT_FLUSHES +
								     VIOMMU_INVALIDATED_ALL,
							     .device = device,
							     .id = id,
							     .pasid = pasid,
							     .first = first,
							     .last = last });
}

/* The same of what is forgotten of domains that are known by their group and PASID. */
static inline uint32_t probe_pasid(const struct domain_flush *f)
{
	return f->match.id == DOMAIN_ANY ? VIOMMU_ANY_PASID : (uint32_t)f->match.id;
}

static inline void probe_flush(struct viommu *u, const struct domain_flush *f)
{
	probe_invalidation(u, f->match.kinds ? COUNT_RANGES : COUNT_DOMAINS, NULL, f->match.group,
			   probe_pasid(f), f->first, f->last);
}

/* Of many, where nobody traces. */
static inline void probe_flushes(struct viommu *u, const struct domain_flush *f, uint32_t count)
{
	uint32_t ranges = 0;

	for (uint32_t i = 0; i < count; i++) {
		ranges += f[i].match.kinds != 0;
		PROBE6(invalidation, u,
		       f[i].match.kinds ? VIOMMU_INVALIDATED_RANGE : VIOMMU_INVALIDATED_DOMAIN,
		       f[i].match.group, probe_pasid(&f[i]), f[i].first, f[i].last);
	}
	count_own_some(u, COUNT_RANGES, ranges);
	count_own_some(u, COUNT_DOMAINS, count - ranges);
}

/* It was pending when viommu_run() looked, or somebody wants to know. */
void probe_completed(struct viommu *u);

/* The guest has been told that something is complete. */
static inline void probe_completion(struct viommu *u)
{
	count_own(u, COUNT_COMPLETIONS);
	if (UNLIKELY(u->counters.since != 0 || u->host.trace))
		probe_completed(u);
	PROBE1(completion, u);
}

#endif
