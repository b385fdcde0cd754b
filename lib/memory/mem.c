/* SPDX-License-Identifier: BSD-3-Clause */
/* mem.c - guest memory: finding the region of an address, and access to it or through the
 * callbacks. */

#include <endian.h>
#include <string.h>

#include "bits.h"
#include "mem.h"
#include "mem_map.h"
#include "range.h"
#include "record_tape.h"
#include "seqlock.h"

/* A gap is what lies between the ends of the regions around it. */
static void read_gap(const struct mem_map *map, uint32_t count, uint32_t i, struct mem_place *place)
{
	place->first = 0;
	place->last = UINT64_MAX;
	place->host = 0;
	if (i > 0)
		place->first =
			atomic_load_explicit(&map->region[i - 1].last, memory_order_relaxed) + 1;
	if (i < count)
		place->last = atomic_load_explicit(&map->region[i].first, memory_order_relaxed) - 1;
}

/* *opaque: of the region, or NULL */
static void read_map(const struct viommu_vm *vm, uint64_t gpa, struct mem_place *place,
		     void **opaque)
{
	const struct mem_map *map = atomic_load_explicit(&vm->map, memory_order_acquire);
	uint32_t count = atomic_load_explicit(&map->count, memory_order_relaxed);
	uint32_t i = mem_map_search(map, count, gpa);
	const struct mem_region *r = &map->region[i];

	if (UNLIKELY(i == count || atomic_load_explicit(&r->first, memory_order_relaxed) > gpa)) {
		read_gap(map, count, i, place);
		*opaque = NULL;
		return;
	}
	place->first = atomic_load_explicit(&r->first, memory_order_relaxed);
	place->last = atomic_load_explicit(&r->last, memory_order_relaxed);
	place->host = atomic_load_explicit(&r->host, memory_order_relaxed);
	*opaque = atomic_load_explicit(&r->opaque, memory_order_relaxed);
}

/* Nothing changes while the lock is held. */
static __attribute__((noinline, cold)) void search_locked(struct viommu_vm *vm, uint64_t gpa,
							  struct mem_place *place, void **opaque)
{
	pthread_mutex_lock(&vm->lock);
	place->version = seq_read_begin(&vm->map_version);
	read_map(vm, gpa, place, opaque);
	pthread_mutex_unlock(&vm->lock);
}

static void search(const struct viommu_vm *vm, uint64_t gpa, struct mem_place *place, void **opaque)
{
	/* Only the thread that changes regions, for some stores, makes anyone go round again. */
	for (unsigned i = 0; i < SEQ_TRIES; i++, seq_pause()) {
		place->version = seq_read_begin(&vm->map_version);
		read_map(vm, gpa, place, opaque);
		if (LIKELY(seq_read_valid(&vm->map_version, place->version)))
			return;
	}
	search_locked((struct viommu_vm *)(uintptr_t)vm, gpa, place, opaque);
}

void mem_find_again(const struct viommu_vm *vm, uint64_t gpa, struct mem_place *place)
{
	mem_find(vm, gpa, place);
}

void mem_search(const struct viommu_vm *vm, uint64_t gpa, struct mem_place *place)
{
	void *opaque;

	search(vm, gpa, place, &opaque);
}

/* Where [gpa, gpa + bytes) is written, or NULL if no single region has it. bytes <= 64. *opaque: of
 * the region, if somebody wants to know it. */
static void *host_of(const struct viommu_vm *vm, uint64_t gpa, uint64_t bytes, void **opaque)
{
	struct mem_place place;

	*opaque = NULL;
	if (vm->config.dirty_region)
		search(vm, gpa, &place, opaque);
	else
		mem_find(vm, gpa, &place);
	if (place.last - gpa < bytes - 1)
		return NULL;
	return mem_host(&place, gpa, true);
}

/* Whether a region has the address at all: ROM that is written to is not handed to the callbacks.
 */
static bool in_region(const struct viommu_vm *vm, uint64_t gpa)
{
	struct mem_place place;

	mem_find(vm, gpa, &place);
	return place.host != 0;
}

static bool outside_read(struct viommu_vm *vm, uint64_t gpa, void *to, uint32_t bytes)
{
	return vm->config.read && vm->config.read(vm->config.opaque, gpa, to, bytes) == 0;
}

/* @region: the opaque of the region that was written */
static void tell_dirty(struct viommu_vm *vm, void *region, uint64_t gpa, uint64_t bytes)
{
	if (vm->config.dirty_region)
		vm->config.dirty_region(vm->config.opaque, region, gpa, bytes);
	else if (vm->config.dirty)
		vm->config.dirty(vm->config.opaque, gpa, bytes);
}

void mem_tell_dirty(struct viommu_vm *vm, uint64_t gpa, uint64_t bytes)
{
	struct mem_place place;
	void *region = NULL;

	if (vm->config.dirty_region)
		search(vm, gpa, &place, &region);
	tell_dirty(vm, region, gpa, bytes);
}

static bool outside_write(struct viommu_vm *vm, uint64_t gpa, const void *from, uint32_t bytes)
{
	if (in_region(vm, gpa) || !vm->config.write ||
	    vm->config.write(vm->config.opaque, gpa, from, bytes) != 0)
		return false;
	tell_dirty(vm, NULL, gpa, bytes);
	return true;
}

bool mem_load64(struct viommu_vm *vm, uint64_t gpa, uint64_t *word)
{
	struct mem_place place = MEM_NOWHERE;

	return mem_load64_near(vm, &place, gpa, word);
}

/* ---- recording: mem.h must not find the place again, so that every load comes here ---- */

static __attribute__((noinline, cold)) bool record_load(struct viommu_vm *vm,
							struct mem_place *place, uint64_t gpa,
							const void *raw, uint32_t bytes)
{
	*place = (struct mem_place)MEM_NOWHERE;
	record_access(vm, raw ? RECORD_READ : RECORD_UNREADABLE, gpa, raw, bytes);
	return raw != NULL;
}

static __attribute__((noinline, cold)) bool record_store(struct viommu_vm *vm, uint64_t gpa,
							 const void *raw, uint32_t bytes)
{
	record_access(vm, raw ? RECORD_WRITTEN : RECORD_UNWRITABLE, gpa, raw, bytes);
	return raw != NULL;
}

bool mem_load64_far(struct viommu_vm *vm, struct mem_place *place, uint64_t gpa, uint64_t *word)
{
	const uint64_t *host;
	uint64_t raw;

	mem_find(vm, gpa, place);
	host = mem_host(place, gpa, false);
	if (LIKELY(host && place->last - gpa >= sizeof(*host) - 1))
		raw = __atomic_load_n(host, __ATOMIC_RELAXED);
	else if (!outside_read(vm, gpa, &raw, sizeof(raw)))
		return is_recorded(vm) && record_load(vm, place, gpa, NULL, sizeof(raw));
	*word = le64toh(raw);
	if (is_recorded(vm))
		record_load(vm, place, gpa, &raw, sizeof(raw));
	return true;
}

bool mem_load32(struct viommu_vm *vm, struct mem_place *place, uint64_t gpa, uint64_t *word)
{
	struct mem_place own = MEM_NOWHERE;
	const uint32_t *host;
	uint32_t raw;

	if (!place)
		place = &own;
	mem_find_near(vm, gpa, place);
	host = mem_host(place, gpa, false);
	if (LIKELY(host && place->last - gpa >= sizeof(*host) - 1))
		raw = __atomic_load_n(host, __ATOMIC_RELAXED);
	else if (!outside_read(vm, gpa, &raw, sizeof(raw)))
		return is_recorded(vm) && record_load(vm, place, gpa, NULL, sizeof(raw));
	*word = le32toh(raw);
	if (is_recorded(vm))
		record_load(vm, place, gpa, &raw, sizeof(raw));
	return true;
}

/* Word by word, or from the callbacks: what mem_load_near() cannot do in pairs. */
bool mem_load_far(struct viommu_vm *vm, struct mem_place *place, uint64_t gpa, uint64_t *word,
		  unsigned words)
{
	const uint64_t *host = NULL;

	mem_find(vm, gpa, place);
	if (place->last - gpa >= words * sizeof(*host) - 1)
		host = mem_host(place, gpa, false);
	if (UNLIKELY(!host) && !outside_read(vm, gpa, word, words * (uint32_t)sizeof(*word)))
		return is_recorded(vm) &&
		       record_load(vm, place, gpa, NULL, words * (uint32_t)sizeof(*word));
	if (host && ((uintptr_t)host & 15) == 0 && words % 2 == 0) {
		for (unsigned i = 0; i < words; i += 2)
			mem_load_pair(&host[i], &word[i]);
	} else {
		for (unsigned i = 0; host && i < words; i++)
			word[i] = __atomic_load_n(&host[i], __ATOMIC_ACQUIRE);
	}
	if (is_recorded(vm))
		record_load(vm, place, gpa, word, words * (uint32_t)sizeof(*word));
	for (unsigned i = 0; i < words; i++)
		word[i] = le64toh(word[i]);
	return true;
}

bool mem_load(struct viommu_vm *vm, uint64_t gpa, uint64_t *word, unsigned words)
{
	struct mem_place place;

	if (is_recorded(vm))
		place = (struct mem_place)MEM_NOWHERE;
	else
		mem_find(vm, gpa, &place);
	return mem_load_near(vm, &place, gpa, word, words);
}

bool mem_store32(struct viommu_vm *vm, uint64_t gpa, uint32_t word)
{
	void *region;
	uint32_t *host = host_of(vm, gpa, sizeof(*host), &region);
	uint32_t raw = htole32(word);

	if (host)
		__atomic_store_n(host, raw, __ATOMIC_RELEASE);
	else if (!outside_write(vm, gpa, &raw, sizeof(raw)))
		return is_recorded(vm) && record_store(vm, gpa, NULL, sizeof(raw));
	if (is_recorded(vm))
		record_store(vm, gpa, &raw, sizeof(raw));
	if (host)
		tell_dirty(vm, region, gpa, sizeof(raw));
	return true;
}

bool mem_store(struct viommu_vm *vm, uint64_t gpa, const uint64_t *word, unsigned words)
{
	void *region;
	uint64_t *host = host_of(vm, gpa, words * sizeof(*host), &region);
	uint64_t raw[8] = { 0 };

	if (NEVER(words > ARRAY_COUNT(raw)))
		return false;
	for (unsigned i = 0; i < words; i++)
		raw[i] = htole64(word[i]);
	if (!host && !outside_write(vm, gpa, raw, words * (uint32_t)sizeof(raw[0])))
		return is_recorded(vm) &&
		       record_store(vm, gpa, NULL, words * (uint32_t)sizeof(raw[0]));
	for (unsigned i = 0; host && i < words; i++)
		__atomic_store_n(&host[i], raw[i], __ATOMIC_RELEASE);
	if (is_recorded(vm))
		record_store(vm, gpa, raw, words * (uint32_t)sizeof(raw[0]));
	if (host)
		tell_dirty(vm, region, gpa, words * sizeof(raw[0]));
	return true;
}

/* Whether a callback is there for words of @bytes, 4 or 8. */
static bool has_swap(const struct viommu_vm_config *config, uint32_t bytes)
{
	return config->swap || (bytes == 8 && config->cmpxchg);
}

static int callback_swap(const struct viommu_vm_config *config, uint64_t gpa, uint64_t *expected,
			 uint64_t desired, uint32_t bytes)
{
	/* the bytes of a shorter word come first */
	uint64_t raw = htole64(*expected);
	uint64_t raw_desired = htole64(desired);
	int result;

	if (!config->swap)
		return config->cmpxchg(config->opaque, gpa, expected, desired);
	result = config->swap(config->opaque, gpa, &raw, &raw_desired, bytes);
	*expected = le64toh(raw);
	return result;
}

/* Compare-and-swap of 4 or 8 bytes outside the regions: the callback, or a read and a write that
 * together are not atomic. */
static enum mem_swap outside_swap(struct viommu_vm *vm, uint64_t gpa, uint64_t *expected,
				  uint64_t desired, uint32_t bytes)
{
	uint64_t wanted = *expected;
	uint64_t raw = 0;

	if (in_region(vm, gpa))
		return MEM_FAILED;
	if (has_swap(&vm->config, bytes)) {
		if (callback_swap(&vm->config, gpa, expected, desired, bytes) != 0)
			return MEM_FAILED;
		if (*expected != wanted)
			return MEM_CHANGED;
		tell_dirty(vm, NULL, gpa, bytes);
		return MEM_SWAPPED;
	}
	if (!outside_read(vm, gpa, &raw, bytes))
		return MEM_FAILED;
	*expected = le64toh(raw);
	if (*expected != wanted)
		return MEM_CHANGED;
	raw = htole64(desired);
	return outside_write(vm, gpa, &raw, bytes) ? MEM_SWAPPED : MEM_FAILED;
}

bool mem_swap_host(void *host, uint64_t *expected, uint64_t desired, uint32_t bytes)
{
	uint64_t whole = htole64(*expected);
	uint32_t half = htole32((uint32_t)*expected);
	bool swapped;

	if (bytes == sizeof(whole)) {
		swapped = __atomic_compare_exchange_n((uint64_t *)host, &whole, htole64(desired),
						      false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED);
		*expected = le64toh(whole);
	} else {
		swapped = __atomic_compare_exchange_n((uint32_t *)host, &half,
						      htole32((uint32_t)desired), false,
						      __ATOMIC_SEQ_CST, __ATOMIC_RELAXED);
		*expected = le32toh(half);
	}
	return swapped;
}

static enum mem_swap swap(struct viommu_vm *vm, uint64_t gpa, uint64_t *expected, uint64_t desired,
			  uint32_t bytes)
{
	void *region;
	void *host = host_of(vm, gpa, bytes, &region);

	if (!host)
		return outside_swap(vm, gpa, expected, desired, bytes);
	if (!mem_swap_host(host, expected, desired, bytes))
		return MEM_CHANGED;
	tell_dirty(vm, region, gpa, bytes);
	return MEM_SWAPPED;
}

static __attribute__((noinline, cold)) void record_swap(struct viommu_vm *vm, enum mem_swap swapped,
							uint64_t gpa, uint64_t found,
							uint64_t desired, uint32_t bytes)
{
	uint64_t raw = htole64(swapped == MEM_SWAPPED ? desired : found);

	if (swapped == MEM_FAILED)
		record_store(vm, gpa, NULL, bytes);
	else
		record_access(vm, swapped == MEM_SWAPPED ? RECORD_WRITTEN : RECORD_READ, gpa, &raw,
			      bytes);
}

enum mem_swap mem_swap(struct viommu_vm *vm, uint64_t gpa, uint64_t *expected, uint64_t desired,
		       uint32_t bytes)
{
	enum mem_swap swapped = swap(vm, gpa, expected, desired, bytes);

	if (is_recorded(vm))
		record_swap(vm, swapped, gpa, *expected, desired, bytes);
	return swapped;
}

/* A naturally aligned piece, as large as the callbacks take it. */
static uint32_t outside_piece(uint64_t gpa, uint64_t bytes)
{
	uint32_t piece = 64;

	while (piece > bytes || gpa % piece)
		piece /= 2;
	return piece;
}

uint64_t mem_read_outside(struct viommu_vm *vm, uint64_t gpa, unsigned char *to, uint64_t bytes)
{
	uint64_t done = 0;
	uint32_t piece;

	for (; done < bytes; done += piece) {
		piece = outside_piece(gpa + done, bytes - done);
		if (!outside_read(vm, gpa + done, to + done, piece))
			break;
	}
	return done;
}

uint64_t mem_write_outside(struct viommu_vm *vm, uint64_t gpa, const unsigned char *from,
			   uint64_t bytes)
{
	uint64_t done = 0;
	uint32_t piece;

	for (; done < bytes; done += piece) {
		piece = outside_piece(gpa + done, bytes - done);
		if (!outside_write(vm, gpa + done, from + done, piece))
			break;
	}
	return done;
}

uint64_t mem_piece(struct viommu_vm *vm, uint64_t gpa, uint64_t last, bool write, void **host)
{
	struct mem_place place;

	mem_find(vm, gpa, &place);
	*host = mem_host(&place, gpa, write);
	return last < place.last ? last : place.last;
}
