/* SPDX-License-Identifier: BSD-3-Clause */
/* machine.c - the VM object: allocator, hash key, and changes of its memory map. */

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "abi.h"
#include "machine.h"
#include "mem_map.h"
#include "range.h"
#include "unit.h"

/* Without an allocator of the VMM: calloc(), aligned by hand; the block's own address is kept just
 * below. */
void *vm_default_alloc(void *opaque, uint64_t bytes, uint64_t align)
{
	uint64_t total;
	unsigned char *block;
	uintptr_t at;

	(void)opaque;
	if (!range_add(bytes, align + sizeof(void *), &total) || total > SIZE_MAX)
		return NULL;
	block = calloc(1, (size_t)total);
	if (!block)
		return NULL;
	at = ((uintptr_t)block + sizeof(void *) + (uintptr_t)align - 1) & ~((uintptr_t)align - 1);
	memcpy((void *)(at - sizeof(void *)), &block, sizeof(block));
	return (void *)at;
}

void vm_default_dealloc(void *opaque, void *at, uint64_t bytes)
{
	void *block;

	(void)opaque;
	(void)bytes;
	memcpy(&block, (unsigned char *)at - sizeof(block), sizeof(block));
	free(block);
}

void *vm_alloc(struct viommu_vm *vm, uint64_t bytes, uint64_t align)
{
	return vm->config.alloc(vm->config.opaque, bytes, align);
}

void vm_dealloc(struct viommu_vm *vm, void *block, uint64_t bytes)
{
	if (block)
		vm->config.dealloc(vm->config.opaque, block, bytes);
}

struct mem_map *mem_map_new(struct viommu_vm *vm, uint32_t count)
{
	uint64_t bytes = sizeof(struct mem_map) + (uint64_t)count * sizeof(struct mem_region);
	struct mem_map *map = vm_alloc(vm, bytes, _Alignof(struct mem_map));

	if (map) {
		map->bytes = bytes;
		map->count = count;
	}
	return map;
}

void mem_map_free_all(struct viommu_vm *vm, struct mem_map *map)
{
	while (map) {
		struct mem_map *next = map->next;

		vm_dealloc(vm, map, map->bytes);
		map = next;
	}
}

/* A key of few bits, such as a counter, would make a poor hash: every bit of it reaches every bit.
 */
static uint64_t mix(uint64_t x)
{
	x += UINT64_C(0x9e3779b97f4a7c15);
	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

static int take_config(struct viommu_vm_config *config, const struct viommu_vm_config *given)
{
	int result = abi_take(config, sizeof(*config), offsetof(struct viommu_vm_config, hash_key),
			      given);

	if (result)
		return result;
	if (config->flags || !config->alloc != !config->dealloc)
		return VIOMMU_EINVAL;
	if (!config->alloc) {
		config->alloc = vm_default_alloc;
		config->dealloc = vm_default_dealloc;
	}
	if (!config->hash_key[0] && !config->hash_key[1] &&
	    getrandom(config->hash_key, sizeof(config->hash_key), 0) != sizeof(config->hash_key))
		return VIOMMU_ENOMEM;
	return VIOMMU_OK;
}

int viommu_vm_new(const struct viommu_vm_config *given, struct viommu_vm **out)
{
	struct viommu_vm_config config;
	struct mem_map *map;
	struct viommu_vm *vm;
	int result;

	if (!out)
		return VIOMMU_EINVAL;
	result = take_config(&config, given);
	if (result)
		return result;
	vm = config.alloc(config.opaque, sizeof(*vm), _Alignof(struct viommu_vm));
	if (!vm)
		return VIOMMU_ENOMEM;
	vm->config = config;
	vm->key[0] = mix(config.hash_key[0]);
	vm->key[1] = mix(config.hash_key[1] ^ vm->key[0]);
	map = mem_map_new(vm, 0);
	if (!map) {
		config.dealloc(config.opaque, vm, sizeof(*vm));
		return VIOMMU_ENOMEM;
	}
	atomic_init(&vm->map, map);
	pthread_mutex_init(&vm->lock, NULL);
	*out = vm;
	return VIOMMU_OK;
}

int viommu_vm_free(struct viommu_vm *vm)
{
	struct viommu_vm_config config;

	if (!vm)
		return VIOMMU_OK;
	if (vm->iommus)
		return VIOMMU_EBUSY;
	mem_map_free_all(vm, vm->retired);
	mem_map_free_all(vm, atomic_load_explicit(&vm->map, memory_order_relaxed));
	pthread_mutex_destroy(&vm->lock);
	config = vm->config;
	config.dealloc(config.opaque, vm, sizeof(*vm));
	return VIOMMU_OK;
}

/* Makes @map the map of the VM. What was looked up in the old one is invalid once its sections have
 * closed. */
static void publish(struct viommu_vm *vm, struct mem_map *map)
{
	struct mem_map *old = atomic_exchange_explicit(&vm->map, map, memory_order_acq_rel);

	old->next = vm->retired;
	vm->retired = old;
	pthread_mutex_lock(&vm->lock);
	for (struct viommu *u = vm->iommus; u; u = u->next)
		unit_map_changed(u);
	pthread_mutex_unlock(&vm->lock);
	viommu_vm_quiesce(vm);
}

int viommu_vm_add_region(struct viommu_vm *vm, const struct viommu_region *given)
{
	struct viommu_region r;
	const struct mem_map *old;
	struct mem_map *map;
	uint64_t last;
	uint32_t at = 0;
	int result;

	if (!vm)
		return VIOMMU_EINVAL;
	result = abi_take(&r, sizeof(r), sizeof(r), given);
	if (result)
		return result;
	if ((r.flags & ~VIOMMU_REGION_READONLY) || (r.gpa | r.bytes) % 4096 || !r.host ||
	    (uintptr_t)r.host % 16 || !range_last(r.gpa, r.bytes, &last))
		return VIOMMU_EINVAL;
	old = atomic_load_explicit(&vm->map, memory_order_relaxed);
	while (at < old->count && old->region[at].last < r.gpa)
		at++;
	if (at < old->count && old->region[at].first <= last)
		return VIOMMU_EEXIST;
	map = mem_map_new(vm, old->count + 1);
	if (!map)
		return VIOMMU_ENOMEM;
	memcpy(map->region, old->region, at * sizeof(old->region[0]));
	map->region[at] = (struct mem_region){ .first = r.gpa,
					       .last = last,
					       .host = r.host,
					       .readonly = r.flags & VIOMMU_REGION_READONLY };
	memcpy(&map->region[at + 1], &old->region[at], (old->count - at) * sizeof(old->region[0]));
	publish(vm, map);
	return VIOMMU_OK;
}

int viommu_vm_remove_region(struct viommu_vm *vm, uint64_t gpa)
{
	const struct mem_map *old;
	struct mem_map *map;
	uint32_t at = 0;

	if (!vm)
		return VIOMMU_EINVAL;
	old = atomic_load_explicit(&vm->map, memory_order_relaxed);
	while (at < old->count && old->region[at].first != gpa)
		at++;
	if (at == old->count)
		return VIOMMU_ENOENT;
	map = mem_map_new(vm, old->count - 1);
	if (!map)
		return VIOMMU_ENOMEM;
	memcpy(map->region, old->region, at * sizeof(old->region[0]));
	memcpy(&map->region[at], &old->region[at + 1],
	       (old->count - at - 1) * sizeof(old->region[0]));
	publish(vm, map);
	return VIOMMU_OK;
}

int viommu_vm_quiesce(struct viommu_vm *vm)
{
	bool passed = true;

	if (!vm)
		return VIOMMU_EINVAL;
	pthread_mutex_lock(&vm->lock);
	for (struct viommu *u = vm->iommus; passed && u; u = u->next)
		passed = unit_map_quiet(u);
	pthread_mutex_unlock(&vm->lock);
	if (!passed)
		return VIOMMU_PENDING;
	mem_map_free_all(vm, vm->retired);
	vm->retired = NULL;
	return VIOMMU_OK;
}

void vm_add_iommu(struct viommu_vm *vm, struct viommu *iommu)
{
	pthread_mutex_lock(&vm->lock);
	iommu->next = vm->iommus;
	vm->iommus = iommu;
	pthread_mutex_unlock(&vm->lock);
}

void vm_remove_iommu(struct viommu_vm *vm, struct viommu *iommu)
{
	pthread_mutex_lock(&vm->lock);
	for (struct viommu **at = &vm->iommus; *at; at = &(*at)->next) {
		if (*at == iommu) {
			*at = iommu->next;
			break;
		}
	}
	pthread_mutex_unlock(&vm->lock);
}
