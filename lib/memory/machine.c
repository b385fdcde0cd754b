/* SPDX-License-Identifier: BSD-3-Clause */
/* machine.c - the VM object: allocator, hash key, and changes of its memory map. */

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "abi.h"
#include "arena.h"
#include "epoch.h"
#include "machine.h"
#include "mem_map.h"
#include "range.h"
#include "seqlock.h"

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
	return vm->arena ? arena_alloc(vm->arena, bytes, align)
			 : vm->config.alloc(vm->config.opaque, bytes, align);
}

void vm_dealloc(struct viommu_vm *vm, void *block, uint64_t bytes)
{
	if (!block)
		return;
	if (vm->arena)
		arena_dealloc(vm->arena, block, bytes);
	else
		vm->config.dealloc(vm->config.opaque, block, bytes);
}

static bool has_windows(const struct viommu_vm *vm)
{
	return vm->arena && vm->config.arena_windows;
}

void *vm_alloc_window(struct viommu_vm *vm, uint64_t bytes)
{
	return has_windows(vm) ? arena_alloc_window(vm->arena, bytes) : vm_alloc(vm, bytes, 4096);
}

void vm_dealloc_window(struct viommu_vm *vm, void *window, uint64_t bytes)
{
	if (has_windows(vm))
		arena_dealloc_window(vm->arena, window, bytes);
	else
		vm_dealloc(vm, window, bytes);
}

static uint64_t map_bytes(uint32_t capacity)
{
	return sizeof(struct mem_map) + (uint64_t)capacity * sizeof(struct mem_region);
}

struct mem_map *mem_map_new(struct viommu_vm *vm, uint32_t capacity)
{
	struct mem_map *map = vm_alloc(vm, map_bytes(capacity), _Alignof(struct mem_map));

	if (map) {
		map->capacity = capacity;
		map->next = vm->maps;
		vm->maps = map;
	}
	return map;
}

void mem_map_free_all(struct viommu_vm *vm)
{
	while (vm->maps) {
		struct mem_map *next = vm->maps->next;

		vm_dealloc(vm, vm->maps, map_bytes(vm->maps->capacity));
		vm->maps = next;
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

/* SipHash-2-4 of two words: of a key that is nobody's to know comes one that tells nothing of it. */
static void sip_round(uint64_t v[4])
{
	v[0] += v[1], v[2] += v[3];
	v[1] = (v[1] << 13 | v[1] >> 51) ^ v[0];
	v[3] = (v[3] << 16 | v[3] >> 48) ^ v[2];
	v[0] = v[0] << 32 | v[0] >> 32;
	v[2] += v[1], v[0] += v[3];
	v[1] = (v[1] << 17 | v[1] >> 47) ^ v[2];
	v[3] = (v[3] << 21 | v[3] >> 43) ^ v[0];
	v[2] = v[2] << 32 | v[2] >> 32;
}

static uint64_t sip_hash(const uint64_t key[2], uint64_t a, uint64_t b)
{
	const uint64_t word[3] = { a, b, UINT64_C(16) << 56 };
	uint64_t v[4] = { key[0] ^ UINT64_C(0x736f6d6570736575),
			  key[1] ^ UINT64_C(0x646f72616e646f6d),
			  key[0] ^ UINT64_C(0x6c7967656e657261),
			  key[1] ^ UINT64_C(0x7465646279746573) };

	for (unsigned i = 0; i < 3; i++) {
		v[3] ^= word[i];
		sip_round(v);
		sip_round(v);
		v[0] ^= word[i];
	}
	v[2] ^= 0xff;
	for (unsigned i = 0; i < 4; i++)
		sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

void vm_derive_key(const struct viommu_vm *vm, uint64_t number, uint64_t key[2])
{
	key[0] = sip_hash(vm->config.hash_key, number, 0) | 1;
	key[1] = sip_hash(vm->config.hash_key, number, 1);
}

static bool valid_arena(const struct viommu_vm_config *c)
{
	if (!c->arena)
		return !c->arena_bytes && !c->arena_windows;
	return !c->alloc && ((uintptr_t)c->arena | c->arena_bytes | c->arena_windows) % 4096 == 0 &&
	       c->arena_windows <= c->arena_bytes;
}

static int take_config(struct viommu_vm_config *config, const struct viommu_vm_config *given)
{
	int result = abi_take(config, sizeof(*config), offsetof(struct viommu_vm_config, hash_key),
			      given);

	if (result)
		return result;
	if ((config->flags & ~(VIOMMU_VM_MEMBARRIER | VIOMMU_VM_EXT_DEST_ID)) ||
	    !config->alloc != !config->dealloc || !valid_arena(config))
		return VIOMMU_EINVAL;
	if ((config->flags & VIOMMU_VM_MEMBARRIER) && !epoch_membarrier_register())
		return VIOMMU_ENOTSUP;
	if (!config->alloc) {
		config->alloc = vm_default_alloc;
		config->dealloc = vm_default_dealloc;
	}
	if (!config->hash_key[0] && !config->hash_key[1] &&
	    getrandom(config->hash_key, sizeof(config->hash_key), 0) != sizeof(config->hash_key))
		return VIOMMU_ENOMEM;
	return VIOMMU_OK;
}

/* Regions there is room for at first; it doubles. */
#define MAP_CAPACITY 8U

/* Where the VM itself is to lie; NULL: there is no room. */
static struct viommu_vm *take_vm(const struct viommu_vm_config *config)
{
	struct viommu_vm *vm;
	struct arena *arena = NULL;

	if (config->arena) {
		arena = arena_new(config->arena, config->arena_bytes,
				  config->arena_windows ? config->arena_windows
							: config->arena_bytes);
		vm = arena ? arena_alloc(arena, sizeof(*vm), _Alignof(struct viommu_vm)) : NULL;
	} else {
		vm = config->alloc(config->opaque, sizeof(*vm), _Alignof(struct viommu_vm));
	}
	if (vm) {
		vm->config = *config;
		vm->arena = arena;
	} else if (arena) {
		arena_free(arena);
	}
	return vm;
}

static void give_vm(struct viommu_vm *vm)
{
	struct viommu_vm_config config = vm->config;
	struct arena *arena = vm->arena;

	if (!arena) {
		config.dealloc(config.opaque, vm, sizeof(*vm));
		return;
	}
	arena_dealloc(arena, vm, sizeof(*vm));
	arena_free(arena);
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
	vm = take_vm(&config);
	if (!vm)
		return VIOMMU_ENOMEM;
	vm->key[0] = mix(config.hash_key[0]) | 1;
	vm->key[1] = mix(config.hash_key[1] ^ vm->key[0]);
	map = mem_map_new(vm, MAP_CAPACITY);
	if (!map) {
		give_vm(vm);
		return VIOMMU_ENOMEM;
	}
	atomic_init(&vm->map, map);
	pthread_mutex_init(&vm->lock, NULL);
	pthread_cond_init(&vm->moved, NULL);
	*out = vm;
	return VIOMMU_OK;
}

int viommu_vm_free(struct viommu_vm *vm)
{
	if (!vm)
		return VIOMMU_OK;
	if (vm->users)
		return VIOMMU_EBUSY;
	mem_map_free_all(vm);
	pthread_cond_destroy(&vm->moved);
	pthread_mutex_destroy(&vm->lock);
	give_vm(vm);
	return VIOMMU_OK;
}

static void put_region(struct mem_region *to, uint64_t first, uint64_t last, uintptr_t host,
		       void *opaque, uint64_t stamp)
{
	atomic_store_explicit(&to->first, first, memory_order_relaxed);
	atomic_store_explicit(&to->last, last, memory_order_relaxed);
	atomic_store_explicit(&to->host, host, memory_order_relaxed);
	atomic_store_explicit(&to->opaque, opaque, memory_order_relaxed);
	atomic_store_explicit(&to->stamp, stamp, memory_order_relaxed);
}

static void copy_region(struct mem_region *to, const struct mem_region *from)
{
	put_region(to, atomic_load_explicit(&from->first, memory_order_relaxed),
		   atomic_load_explicit(&from->last, memory_order_relaxed),
		   atomic_load_explicit(&from->host, memory_order_relaxed),
		   atomic_load_explicit(&from->opaque, memory_order_relaxed),
		   atomic_load_explicit(&from->stamp, memory_order_relaxed));
}

static uintptr_t host_word(const struct viommu_region *r)
{
	return (uintptr_t)r->host | (r->flags & VIOMMU_REGION_READONLY ? MEM_REGION_READONLY : 0);
}

static void set_count(struct mem_map *map, uint32_t count)
{
	atomic_store_explicit(&map->count, count, memory_order_relaxed);
}

/* Most addresses are in the largest regions: they are found without a search. */
static void note_largest(struct viommu_vm *vm, const struct mem_map *map)
{
	uint32_t count = atomic_load_explicit(&map->count, memory_order_relaxed);
	uint64_t most[2][3] = { { 0 } };

	for (uint32_t i = 0; i < count; i++) {
		const struct mem_region *r = &map->region[i];
		uint64_t first = atomic_load_explicit(&r->first, memory_order_relaxed);
		uint64_t last = atomic_load_explicit(&r->last, memory_order_relaxed);
		uint64_t it[3] = { first, last - first + 1,
				   atomic_load_explicit(&r->host, memory_order_relaxed) };

		if (it[2] & MEM_REGION_READONLY)
			continue;
		if (it[1] > most[0][1]) {
			memcpy(most[1], most[0], sizeof(it));
			memcpy(most[0], it, sizeof(it));
		} else if (it[1] > most[1][1]) {
			memcpy(most[1], it, sizeof(it));
		}
	}
	for (unsigned i = 0; i < 6; i++)
		atomic_store_explicit(&vm->largest[i / 3][i % 3], most[i / 3][i % 3],
				      memory_order_relaxed);
}

/* One thread at a time changes regions; the lock is for readers who get tired of it. */
static void change_begin(struct viommu_vm *vm)
{
	pthread_mutex_lock(&vm->lock);
	seq_write_begin(&vm->map_version);
}

static void change_end(struct viommu_vm *vm)
{
	seq_write_end(&vm->map_version);
	pthread_mutex_unlock(&vm->lock);
}

/* Inserts a region at @at; into @bigger, if there is no room in the map. */
static void insert(struct viommu_vm *vm, struct mem_map *bigger, uint32_t at,
		   const struct viommu_region *r)
{
	struct mem_map *old = atomic_load_explicit(&vm->map, memory_order_relaxed);
	uint32_t count = atomic_load_explicit(&old->count, memory_order_relaxed);
	struct mem_map *map = bigger ? bigger : old;

	change_begin(vm);
	for (uint32_t i = 0; bigger && i < at; i++)
		copy_region(&map->region[i], &old->region[i]);
	for (uint32_t i = count; i > at; i--)
		copy_region(&map->region[i], &old->region[i - 1]);
	put_region(&map->region[at], r->gpa, r->gpa + (r->bytes - 1), host_word(r), r->opaque,
		   ++vm->last_stamp);
	set_count(map, count + 1);
	note_largest(vm, map);
	atomic_store_explicit(&vm->map, map, memory_order_release);
	change_end(vm);
}

static void erase(struct viommu_vm *vm, uint32_t at)
{
	struct mem_map *map = atomic_load_explicit(&vm->map, memory_order_relaxed);
	uint32_t count = atomic_load_explicit(&map->count, memory_order_relaxed);

	change_begin(vm);
	for (uint32_t i = at; i + 1 < count; i++)
		copy_region(&map->region[i], &map->region[i + 1]);
	set_count(map, count - 1);
	note_largest(vm, map);
	change_end(vm);
}

/* What was looked up before is invalid once the sections it was looked up in have closed. */
static void map_changed(struct viommu_vm *vm)
{
	pthread_mutex_lock(&vm->lock);
	for (struct vm_user *user = vm->users; user; user = user->next)
		user->row->map_changed(user);
	pthread_mutex_unlock(&vm->lock);
}

void vm_await(struct viommu_vm *vm, struct vm_user *user)
{
	pthread_mutex_lock(&vm->lock);
	user->row->map_changed(user);
	pthread_mutex_unlock(&vm->lock);
}

static int take_region(const struct viommu_vm *vm, const struct viommu_region *given,
		       struct viommu_region *r, uint64_t *last)
{
	int result;

	if (!vm)
		return VIOMMU_EINVAL;
	result = abi_take(r, sizeof(*r), offsetof(struct viommu_region, opaque), given);
	if (result)
		return result;
	if ((r->flags & ~VIOMMU_REGION_READONLY) || (r->gpa | r->bytes) % 4096 || !r->host ||
	    (uintptr_t)r->host % 16 || !range_last(r->gpa, r->bytes, last))
		return VIOMMU_EINVAL;
	return VIOMMU_OK;
}

int viommu_vm_add_region(struct viommu_vm *vm, const struct viommu_region *given)
{
	struct mem_map *bigger = NULL;
	struct viommu_region r;
	struct mem_map *map;
	uint32_t count;
	uint64_t last;
	uint32_t at;
	int result;

	result = take_region(vm, given, &r, &last);
	if (result)
		return result;
	map = atomic_load_explicit(&vm->map, memory_order_relaxed);
	count = atomic_load_explicit(&map->count, memory_order_relaxed);
	at = mem_map_search(map, count, r.gpa);
	if (at < count &&
	    atomic_load_explicit(&map->region[at].first, memory_order_relaxed) <= last)
		return VIOMMU_EEXIST;
	if (count == map->capacity) {
		bigger = mem_map_new(vm, 2 * count);
		if (!bigger)
			return VIOMMU_ENOMEM;
	}
	insert(vm, bigger, at, &r);
	map_changed(vm);
	return VIOMMU_OK;
}

/* The region that begins at gpa; NULL: none does. */
static struct mem_region *region_from(const struct viommu_vm *vm, uint64_t gpa, uint32_t *at)
{
	struct mem_map *map = atomic_load_explicit(&vm->map, memory_order_relaxed);
	uint32_t count = atomic_load_explicit(&map->count, memory_order_relaxed);

	*at = mem_map_search(map, count, gpa);
	if (*at == count ||
	    atomic_load_explicit(&map->region[*at].first, memory_order_relaxed) != gpa)
		return NULL;
	return &map->region[*at];
}

int viommu_vm_replace_region(struct viommu_vm *vm, const struct viommu_region *given)
{
	struct mem_region *region;
	struct viommu_region r;
	uint64_t last;
	uint32_t at;
	int result;

	result = take_region(vm, given, &r, &last);
	if (result)
		return result;
	region = region_from(vm, r.gpa, &at);
	if (!region || atomic_load_explicit(&region->last, memory_order_relaxed) != last)
		return VIOMMU_ENOENT;
	change_begin(vm);
	put_region(region, r.gpa, last, host_word(&r), r.opaque, ++vm->last_stamp);
	note_largest(vm, atomic_load_explicit(&vm->map, memory_order_relaxed));
	change_end(vm);
	map_changed(vm);
	return VIOMMU_OK;
}

int viommu_vm_remove_region(struct viommu_vm *vm, uint64_t gpa)
{
	uint32_t at;

	if (!vm)
		return VIOMMU_EINVAL;
	if (!region_from(vm, gpa, &at))
		return VIOMMU_ENOENT;
	erase(vm, at);
	map_changed(vm);
	return VIOMMU_OK;
}

/* With vm->lock held. */
static bool quiet(struct viommu_vm *vm)
{
	bool passed = true;

	for (struct vm_user *user = vm->users; passed && user; user = user->next)
		passed = user->row->map_quiet(user);
	return passed;
}

int viommu_vm_quiesce(struct viommu_vm *vm)
{
	bool passed;

	if (!vm)
		return VIOMMU_EINVAL;
	pthread_mutex_lock(&vm->lock);
	passed = quiet(vm);
	pthread_mutex_unlock(&vm->lock);
	return passed ? VIOMMU_OK : VIOMMU_PENDING;
}

int viommu_vm_wait(struct viommu_vm *vm)
{
	if (!vm)
		return VIOMMU_EINVAL;
	pthread_mutex_lock(&vm->lock);
	atomic_store(&vm->waiter, 1);
	/* Whoever closes a section after quiet() has asked for it takes the lock to say so, and finds
	 * us asleep. */
	while (!quiet(vm))
		pthread_cond_wait(&vm->moved, &vm->lock);
	atomic_store(&vm->waiter, 0);
	pthread_mutex_unlock(&vm->lock);
	return VIOMMU_OK;
}

void vm_moved(struct viommu_vm *vm)
{
	if (!atomic_load(&vm->waiter))
		return;
	pthread_mutex_lock(&vm->lock);
	pthread_cond_broadcast(&vm->moved);
	pthread_mutex_unlock(&vm->lock);
}

void vm_add_user(struct viommu_vm *vm, struct vm_user *user)
{
	pthread_mutex_lock(&vm->lock);
	user->next = vm->users;
	vm->users = user;
	pthread_mutex_unlock(&vm->lock);
}

void vm_remove_user(struct viommu_vm *vm, struct vm_user *user)
{
	pthread_mutex_lock(&vm->lock);
	for (struct vm_user **at = &vm->users; *at; at = &(*at)->next) {
		if (*at == user) {
			*at = user->next;
			break;
		}
	}
	pthread_mutex_unlock(&vm->lock);
}
