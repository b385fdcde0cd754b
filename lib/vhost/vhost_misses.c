/* SPDX-License-Identifier: BSD-3-Clause */
/* vhost_misses.c - the misses that are outstanding, in an array. At most `max` steps each. */

#include <string.h>

#include "vhost_misses.h"

#define PAGE_LG2 12

void iotlb_misses_init(struct iotlb_misses *misses, struct iotlb_miss *miss, uint32_t max)
{
	pthread_mutex_init(&misses->lock, NULL);
	misses->count = 0;
	misses->max = max;
	misses->waited = 0;
	misses->patience = 1;
	misses->miss = miss;
}

void iotlb_misses_fini(struct iotlb_misses *misses)
{
	pthread_mutex_destroy(&misses->lock);
}

static void drop(struct iotlb_misses *misses, uint32_t i)
{
	misses->count--;
	memmove(&misses->miss[i], &misses->miss[i + 1],
		(misses->count - i) * sizeof(misses->miss[0]));
}

static struct iotlb_miss *find(struct iotlb_misses *misses, uint64_t page)
{
	for (uint32_t i = 0; i < misses->count; i++) {
		if (misses->miss[i].page == page)
			return &misses->miss[i];
	}
	return NULL;
}

static struct iotlb_miss *find_or_add(struct iotlb_misses *misses, uint64_t page)
{
	struct iotlb_miss *miss = find(misses, page);

	if (miss)
		return miss;
	if (misses->count == misses->max)
		drop(misses, 0);
	miss = &misses->miss[misses->count++];
	*miss = (struct iotlb_miss){ .page = page };
	return miss;
}

/* What is outstanding was asked for long ago: perhaps nobody has heard. */
static bool due(struct iotlb_misses *misses, struct iotlb_miss *miss)
{
	if (miss->lookups < miss->repeat - 1) {
		miss->lookups++;
		return false;
	}
	if (++misses->waited < misses->patience)
		return false;
	misses->waited = 0;
	if (misses->patience <= UINT32_MAX / 2)
		misses->patience *= 2;
	miss->lookups = 0;
	if (miss->repeat < IOTLB_SELDOM)
		miss->repeat *= 2;
	return true;
}

uint32_t iotlb_misses_note(struct iotlb_misses *misses, uint64_t iova, uint32_t access,
			   bool *refused)
{
	struct iotlb_miss *miss = find_or_add(misses, iova >> PAGE_LG2);
	uint32_t ask = access & ~(uint32_t)miss->asked;

	*refused = miss->answers >= IOTLB_ANSWERS && (access & miss->wanted);
	if (*refused) {
		drop(misses, (uint32_t)(miss - misses->miss));
		return 0;
	}
	if (!ask)
		return due(misses, miss) ? access : 0;
	miss->wanted |= (uint8_t)access;
	miss->asked |= (uint8_t)access;
	miss->lookups = 0;
	miss->repeat = IOTLB_REPEAT;
	return ask;
}

/* False: all that was wanted is granted. */
static bool answer(struct iotlb_miss *miss, uint32_t perm)
{
	miss->asked = 0;
	miss->wanted &= (uint8_t)~perm;
	if (perm && miss->answers < IOTLB_ANSWERS)
		miss->answers++;
	return miss->wanted != 0;
}

void iotlb_misses_answer(struct iotlb_misses *misses, uint64_t first, uint64_t last, uint32_t perm)
{
	uint64_t pages = (last >> PAGE_LG2) - (first >> PAGE_LG2);
	uint32_t kept = 0;

	pthread_mutex_lock(&misses->lock);
	for (uint32_t i = 0; i < misses->count; i++) {
		struct iotlb_miss miss = misses->miss[i];

		if (miss.page - (first >> PAGE_LG2) > pages || answer(&miss, perm))
			misses->miss[kept++] = miss;
	}
	misses->count = kept;
	misses->patience = 1;
	pthread_mutex_unlock(&misses->lock);
}

void iotlb_misses_refuse(struct iotlb_misses *misses, uint64_t iova, uint32_t access)
{
	struct iotlb_miss *miss;

	pthread_mutex_lock(&misses->lock);
	miss = find_or_add(misses, iova >> PAGE_LG2);
	miss->wanted |= (uint8_t)access;
	miss->asked = 0;
	miss->answers = IOTLB_ANSWERS;
	pthread_mutex_unlock(&misses->lock);
}
