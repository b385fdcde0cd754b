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
	misses->miss = miss;
}

void iotlb_misses_fini(struct iotlb_misses *misses)
{
	pthread_mutex_destroy(&misses->lock);
}

uint32_t iotlb_misses_note(struct iotlb_misses *misses, uint64_t iova, uint32_t access)
{
	uint64_t page = iova >> PAGE_LG2;

	for (uint32_t i = 0; i < misses->count; i++) {
		if (misses->miss[i].page == page) {
			access &= ~misses->miss[i].access;
			misses->miss[i].access |= access;
			return access;
		}
	}
	if (misses->count == misses->max) {
		misses->count--;
		memmove(misses->miss, misses->miss + 1, misses->count * sizeof(misses->miss[0]));
	}
	misses->miss[misses->count++] = (struct iotlb_miss){ .page = page, .access = access };
	return access;
}

void iotlb_misses_forget(struct iotlb_misses *misses, uint64_t first, uint64_t last)
{
	uint64_t pages = (last >> PAGE_LG2) - (first >> PAGE_LG2);
	uint32_t kept = 0;

	pthread_mutex_lock(&misses->lock);
	for (uint32_t i = 0; i < misses->count; i++) {
		if (misses->miss[i].page - (first >> PAGE_LG2) > pages)
			misses->miss[kept++] = misses->miss[i];
	}
	misses->count = kept;
	pthread_mutex_unlock(&misses->lock);
}
