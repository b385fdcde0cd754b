/* SPDX-License-Identifier: BSD-3-Clause */
/* arena_bytes.c - how much memory an IOMMU can take, by its limits. */

#include "micro_tlb.h"

/* What is behind a block in an arena, at most; of an engine, its registers and caches; a device of an engine. */
#define BLOCK_SPARE  64U
#define ENGINE_BYTES (UINT64_C(1) << 20)
#define DEVICE_EXTRA UINT64_C(1024)
#define SHADOW_BYTES 48U

/* Of each partition, beside its window. */
static uint64_t partition_bytes(const struct viommu_limits *l)
{
	uint64_t domains = domains_slots(l->domains);

	return sizeof(struct partition) +
	       context_cache_slots(l->contexts) * sizeof(struct context_words) +
	       domains * (sizeof(struct domain_own) + 2 * sizeof(struct domain_chain)) +
	       table_cache_bytes(l->tables) + l->devices / 8 + 64 + 8 * BLOCK_SPARE;
}

static uint64_t own_bytes(const struct viommu_limits *l)
{
	uint64_t entries = bits_power_of_two(l->channel_entries);

	return ENGINE_BYTES + l->partitions * partition_bytes(l) +
	       (bits_power_of_two(l->domains) + 1) *
		       (sizeof(struct domain_user) + 2 * sizeof(uint32_t)) +
	       l->outstanding * (uint64_t)sizeof(struct outstanding) +
	       l->devices * (sizeof(struct viommu_device) + DEVICE_EXTRA) +
	       l->channels * (channel_bytes(entries - 1) + BLOCK_SPARE) +
	       l->shadow * (uint64_t)SHADOW_BYTES;
}

static uint64_t whole_pages(uint64_t bytes)
{
	return (bytes + WINDOW_ALIGN - 1) & ~(uint64_t)(WINDOW_ALIGN - 1);
}

int viommu_arena_bytes(const struct viommu_limits *given, uint64_t *own, uint64_t *windows)
{
	struct viommu_limits limits = { .size = 0 };
	struct window_size size;
	bool apart;
	int result;

	if (!own || !windows)
		return VIOMMU_EINVAL;
	result = unit_take_limits(&limits, given, &apart);
	if (result)
		return result;
	unit_window_size(&limits, &size);
	*own = whole_pages(own_bytes(&limits));
	*windows = limits.partitions * window_bytes(&size);
	return VIOMMU_OK;
}
