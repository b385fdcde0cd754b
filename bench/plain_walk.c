/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * plain_walk.c - the walk of the peers. Written from the layout in the manual (VT-d 9.1, 9.3,
 * 9.8).
 */
#define _GNU_SOURCE
#include "plain_walk.h"

#include <endian.h>

#define ADDRESS 0x000ffffffffff000U

/* One entry, read once. */
static bool load(const struct guest *g, uint64_t gpa, uint64_t *value)
{
	if (gpa > GUEST_LOW_SIZE - sizeof(*value))
		return false;
	*value = le64toh(__atomic_load_n((uint64_t *)guest_at(g, gpa), __ATOMIC_RELAXED));
	return true;
}

bool plain_context(const struct guest *g, uint64_t root, uint16_t rid, struct plain_context *c)
{
	uint64_t entry, lo, hi;

	if (!load(g, root + (uint64_t)(rid >> 8) * 16, &entry) || !(entry & 1))
		return false;
	entry = (entry & ADDRESS) + (uint64_t)(rid & 0xff) * 16;
	if (!load(g, entry, &lo) || !load(g, entry + 8, &hi) || !(lo & 1))
		return false;
	if ((hi & 7) < 1 || (hi & 7) > 3)
		return false;
	c->table = lo & ADDRESS;
	c->levels = (unsigned)(hi & 7) + 2;
	c->did = (uint16_t)(hi >> 8);
	return true;
}

bool plain_walk(const struct guest *g, const struct plain_context *c, uint64_t iova,
		struct plain_page *page)
{
	uint64_t table = c->table, permissions = 3, entry;

	if (iova >> (12 + 9 * c->levels))
		return false;
	for (unsigned level = c->levels - 1;; level--) {
		if (!load(g, table + (iova >> (12 + 9 * level) & 511) * 8, &entry))
			return false;
		permissions &= entry;
		if (!permissions)
			return false;
		table = entry & ADDRESS;
		if (level == 0 || entry & 0x80) { /* a page, by level or by PS */
			page->level = level;
			page->mask = ((uint64_t)1 << (12 + 9 * level)) - 1;
			page->gpa = table & ~page->mask;
			page->permissions = permissions;
			return level < 3;
		}
	}
}
