/* SPDX-License-Identifier: BSD-3-Clause */
/* probe.c - what is told to the host's trace callback, beside being counted. */

#include "probe.h"

static void tell(const struct viommu *u, const struct viommu_trace *event)
{
	if (u->host.trace)
		u->host.trace(u->host.opaque, event);
}

static void count_reason(struct viommu *u, unsigned reason)
{
	uint64_t at = reason < COUNTED_REASONS ? reason : COUNTED_REASONS - 1;

	counter_add(&u->counters.reasons[bits_clamp_index(at, COUNTED_REASONS)]);
}

static uint32_t id_of(const struct viommu_device *device)
{
	return atomic_load_explicit(&device->id, memory_order_relaxed);
}

void probe_fault(const struct query *q)
{
	struct viommu *u = q->device->iommu;
	uint32_t id = id_of(q->device);

	count_event(q->device, COUNT_FAULTS);
	count_reason(u, q->reason);
	PROBE6(fault, u, id, q->pasid, q->iova, q->access, q->reason);
	tell(u, &(struct viommu_trace){ .kind = VIOMMU_TRACE_FAULT,
					.device = q->device,
					.id = id,
					.pasid = q->pasid,
					.first = q->iova,
					.last = q->iova,
					.access = q->access,
					.reason = q->reason });
}

void probe_command_error(struct viommu *u, unsigned reason)
{
	count_own(u, COUNT_COMMAND_ERRORS);
	count_reason(u, reason);
}

void probe_message_fault(struct viommu *u, uint32_t source, uint64_t address, uint32_t data,
			 unsigned reason)
{
	counter_add(&u->counters.message_faults);
	count_reason(u, reason);
	PROBE5(message_fault, u, source, address, data, reason);
	tell(u, &(struct viommu_trace){ .kind = VIOMMU_TRACE_MESSAGE_FAULT,
					.what = data,
					.id = source,
					.pasid = VIOMMU_NO_PASID,
					.first = address,
					.last = address,
					.access = VIOMMU_WRITE,
					.reason = reason });
}

void probe_filled(const struct query *q)
{
	tell(q->device->iommu,
	     &(struct viommu_trace){ .kind = VIOMMU_TRACE_FILL,
				     .device = q->device,
				     .id = id_of(q->device),
				     .pasid = q->pasid,
				     .first = q->found.iova,
				     .last = q->found.iova | bits_low(q->found.size_lg2),
				     .gpa = q->found.gpa,
				     .access = access_granted(q->found.perm, q->access) });
}

void probe_invalidated(struct viommu *u, const struct viommu_trace *event)
{
	tell(u, event);
}

void probe_completed(struct viommu *u)
{
	struct unit_counters *c = &u->counters;
	uint64_t took = c->since ? c->now - c->since : 0;

	if (took > counter_get(&c->longest))
		atomic_store_explicit(&c->longest, took, memory_order_relaxed);
	c->since = 0;
	tell(u, &(struct viommu_trace){
			.kind = VIOMMU_TRACE_COMPLETION, .pasid = VIOMMU_NO_PASID, .took = took });
}
