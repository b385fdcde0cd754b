/* SPDX-License-Identifier: BSD-3-Clause */
/* partition.c - what is cached for the devices of one partition: made and given back as a whole. */

#include <libvirtiommu/base.h>

#include "bits.h"
#include "partition.h"

static uint64_t place_bytes(const struct partition *p)
{
	return (p->place_count + UINT64_C(63)) / 64 * sizeof(*p->places);
}

int partition_init(struct partition *p, struct viommu_vm *vm, const struct window_size *size,
		   uint32_t tables, struct epoch *together)
{
	int result;

	pthread_mutex_init(&p->domains.lock, NULL);
	p->vm = vm;
	p->first_id = UINT32_MAX;
	p->window = window_new(vm, size, atomic_fetch_add(&vm->last_partition, 1));
	if (!p->window)
		return VIOMMU_ENOMEM;
	p->together = together;
	p->part.now = together ? &together->now : &p->window->now;
	atomic_init(&p->part.moved, 1);
	atomic_init(&p->part.told, 1);
	tlb_attach(&p->tlb, p->window);
	result = table_cache_init(&p->tables, vm, tables);
	if (!result)
		result = context_cache_init(&p->contexts, vm, p->window);
	if (!result)
		result = domains_init(&p->domains, vm, p->window, &p->tlb, &p->tables);
	if (result)
		return result;
	p->place_count = size->devices;
	p->places = vm_alloc(vm, place_bytes(p), _Alignof(uint64_t));
	return p->places ? VIOMMU_OK : VIOMMU_ENOMEM;
}

void partition_fini(struct partition *p, struct viommu_vm *vm)
{
	vm_dealloc(vm, p->places, place_bytes(p));
	domains_fini(&p->domains, vm);
	context_cache_fini(&p->contexts, vm);
	table_cache_fini(&p->tables, vm);
	window_free(p->window, vm);
}

/* As many steps as there are devices, by 64. */
bool partition_take_place(struct partition *p, uint32_t *place)
{
	for (uint32_t i = 0; i < place_bytes(p) / sizeof(*p->places); i++) {
		if (p->places[i] == UINT64_MAX)
			continue;
		*place = i * 64 + (uint32_t)__builtin_ctzll(~p->places[i]);
		if (*place >= p->place_count)
			break;
		p->places[i] |= BIT(*place & 63);
		return true;
	}
	return false;
}

void partition_give_place(struct partition *p, uint32_t place)
{
	p->places[place / 64] &= ~BIT(place & 63);
}
