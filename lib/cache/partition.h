/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * partition.h - the devices of an IOMMU that share what is cached of their translations, and its words; all of them,
 * where a VMM does not ask for more. Nothing is shared between partitions: a domain that devices of two of them use is
 * there twice.
 *
 * What hits need is in the partition's window (window.h), and other processes may have it; everything else is here.
 */
#ifndef PARTITION_H
#define PARTITION_H

#include "context_cache.h"
#include "domain.h"
#include "epoch.h"
#include "table_cache.h"
#include "tlb.h"
#include "window.h"

struct partition {
	/* Read by everyone who translates; constant. */
	struct window *window;
	struct viommu_vm *vm;
	struct tlb tlb;
	struct context_cache contexts;
	struct table_cache tables;
	struct domains domains;
	struct epoch_part
		part; /* of readers; together: its word is the epoch, and nobody is of it */
	bool together;
	uint32_t number; /* of those of the IOMMU */
	/* Bit n: a device has place n of the window's devices. Under the IOMMU's devices_lock. */
	uint64_t *places;
	uint32_t place_count;
	/* Ids that its devices have had lie in between; last < first: none has. The same. */
	uint32_t first_id;
	uint32_t last_id;
};

/* @tables: entries of the paging-structure cache. @together: it is the only one, every epoch is about it, and it has no word
 * of its own; NULL: it is told by itself. VIOMMU_OK, or VIOMMU_ENOMEM: what there is is taken back by
 * partition_fini(), of a partition that was all zeros. */
int partition_init(struct partition *partition, struct viommu_vm *vm,
		   const struct window_size *size, uint32_t tables, struct epoch *together);
void partition_fini(struct partition *partition, struct viommu_vm *vm);

/* Whose sections those of its devices are. */
static inline const struct epoch_part *partition_part(const struct partition *partition)
{
	return partition->together ? NULL : &partition->part;
}

/* A place for a device's word, as long as it lives; false: there are no more. The word goes on from where it is. */
bool partition_take_place(struct partition *partition, uint32_t *place);
void partition_give_place(struct partition *partition, uint32_t place);

#endif
