/* SPDX-License-Identifier: BSD-3-Clause */
/* observe.c - what an IOMMU says of itself: fault reasons in words, and counters. */

#include <libvirtiommu/observe.h>

#include "abi.h"
#include "unit.h"

const char *viommu_reason_text(const struct viommu *u, uint32_t reason)
{
	const char *text = u && u->engine->reason_text ? u->engine->reason_text(reason) : NULL;

	return text ? text : "unknown";
}

/* What devices have counters of, added up over @count places. */
static struct viommu_statistics of_devices(const struct counters *at, unsigned count)
{
	uint64_t sum[COUNTERS_OF_DEVICE] = { 0 };

	for (unsigned place = 0; place < count; place++) {
		for (unsigned i = 0; i < COUNTERS_OF_DEVICE; i++)
			sum[i] += counter_get(&at[place].of[i]);
	}
	return (struct viommu_statistics){ .misses = sum[COUNT_MISSES] + sum[COUNT_FILLED_MISSES],
					   .fills = sum[COUNT_FILLS] + sum[COUNT_FILLED_MISSES],
					   .evictions = sum[COUNT_EVICTIONS],
					   .faults = sum[COUNT_FAULTS],
					   .page_requests = sum[COUNT_PAGE_REQUESTS],
					   .device_tlb_invalidations = sum[COUNT_DEVICE_TLB] };
}

static uint64_t own(const struct viommu *u, enum counter what)
{
	return counter_get(&u->counters.own[what - COUNTERS_OF_DEVICE]);
}

int viommu_get_statistics(const struct viommu *u, struct viommu_statistics *statistics)
{
	struct viommu_statistics s;

	if (!u)
		return VIOMMU_EINVAL;
	s = of_devices(u->counters.devices, COUNTER_PLACES);
	s.outstanding = atomic_load_explicit(&u->outstanding_count, memory_order_relaxed);
	s.message_faults = counter_get(&u->counters.message_faults);
	s.flushes = own(u, COUNT_FLUSHES);
	s.context_invalidations = own(u, COUNT_CONTEXTS);
	s.domain_invalidations = own(u, COUNT_DOMAINS);
	s.range_invalidations = own(u, COUNT_RANGES);
	s.interrupt_invalidations = own(u, COUNT_INTERRUPTS);
	s.commands = own(u, COUNT_COMMANDS);
	s.command_errors = own(u, COUNT_COMMAND_ERRORS);
	s.completions = own(u, COUNT_COMPLETIONS);
	s.longest_completion = counter_get(&u->counters.longest);
	return abi_give(statistics, &s, sizeof(s));
}

int viommu_device_get_statistics(const struct viommu_device *device,
				 struct viommu_statistics *statistics)
{
	struct viommu_statistics s;

	if (!device)
		return VIOMMU_EINVAL;
	s = of_devices(&device->counters, 1);
	s.outstanding = atomic_load_explicit(&device->outstanding, memory_order_relaxed);
	return abi_give(statistics, &s, sizeof(s));
}

uint64_t viommu_get_faults(const struct viommu *u, uint32_t reason)
{
	if (!u || reason >= COUNTED_REASONS)
		return 0;
	return counter_get(&u->counters.reasons[bits_clamp_index(reason, COUNTED_REASONS)]);
}
