/* SPDX-License-Identifier: BSD-3-Clause */
/* tce_table.c - tables of TCEs: sparse trees of pages from one pool. One entry; tce_run.c is about many. */

#include "tce_tree.h"

uint32_t tce_table_top(uint64_t entries)
{
	uint32_t top = 0;

	while (top < TCE_LEVELS - 1 && (entries - 1) >> (TCE_PAGE_LG2 * (top + 1)))
		top++;
	return top;
}

static _Atomic uint64_t *go_down(const struct tce_pool *pool, const struct tce_table *table,
				 uint64_t index, uint32_t to, struct tce_way *way)
{
	return tce_find_way(pool, table, index, to, way, true);
}

uint64_t tce_table_get(const struct tce_pool *pool, const struct tce_table *table, uint64_t index)
{
	struct tce_way way;
	const _Atomic uint64_t *word = go_down(pool, table, index, 0, &way);
	uint64_t entry;

	if (!word)
		return 0;
	entry = atomic_load_explicit(&word[tce_word_at(index, 0)], memory_order_relaxed);
	return tce_way_stands(&way, 0) ? entry : 0;
}

/* Behind what a page of the level is about. */
static uint64_t behind(uint64_t index, uint32_t level)
{
	uint32_t shift = TCE_PAGE_LG2 * (level + 1);

	return ((index >> shift) + 1) << shift;
}

/* At most TCE_WORDS loads, and some for each level. */
enum tce_step tce_table_next(const struct tce_pool *pool, const struct tce_table *table,
			     uint64_t *index, uint64_t *entry)
{
	struct tce_way way;
	const _Atomic uint64_t *word = go_down(pool, table, *index, 0, &way);

	if (*index >> (TCE_PAGE_LG2 * (way.top + 1)))
		return TCE_STEP_END;
	if (!word) {
		*index = behind(*index, way.missing);
		return way.missing == way.top ? TCE_STEP_END : TCE_STEP_PASSED;
	}
	for (uint32_t i = tce_word_at(*index, 0); i < TCE_WORDS; i++, ++*index) {
		*entry = atomic_load_explicit(&word[i], memory_order_relaxed);
		if (*entry)
			return tce_way_stands(&way, 0) ? TCE_STEP_FOUND : TCE_STEP_PASSED;
	}
	return TCE_STEP_PASSED;
}

uint64_t tce_table_skip(const struct tce_pool *pool, const struct tce_table *table, uint64_t index)
{
	struct tce_way way;

	if (tce_own_way(pool, table, index, 0, &way))
		return index;
	return way.missing == way.top ? UINT64_MAX : behind(index, way.missing);
}

/* ---- changes ---- */

void tce_page_unlink(struct tce_pool *pool, const struct tce_way *way, uint32_t level,
		     uint32_t *list)
{
	atomic_store_explicit(way->place[level], 0, memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
	tce_page_push(pool, list, tce_linked_page(way->link[level]));
	if (level < way->top)
		tce_info_of(pool, tce_linked_page(way->link[level + 1]))->links--;
}

void tce_page_unlink_empty(struct tce_pool *pool, const struct tce_way *way, uint32_t level)
{
	/* at most TCE_LEVELS steps */
	for (; level <= way->top; level++) {
		if (!tce_page_is_empty(tce_info_of(pool, tce_linked_page(way->link[level]))))
			return;
		tce_page_unlink(pool, way, level, &pool->free);
	}
}

/* A page where one is missing. */
static bool link_page(struct tce_pool *pool, const struct tce_way *way)
{
	uint32_t level = way->missing;
	struct tce_page_info *info;
	uint32_t page;

	if (!tce_page_take(pool, &page))
		return false;
	info = tce_info_of(pool, page);
	*info = (struct tce_page_info){ .generation = info->generation + 1,
					.level = (uint8_t)level };
	atomic_store_explicit(way->place[level],
			      bits_put(TCE_LINK_GENERATION, info->generation) |
				      bits_put(TCE_LINK_LEVEL, level) | (page + 1),
			      memory_order_release);
	if (level < way->top)
		tce_info_of(pool, tce_linked_page(way->link[level + 1]))->links++;
	return true;
}

/* The page with an entry, which is made if it is missing; NULL: there is no room. */
static _Atomic uint64_t *make_way(struct tce_pool *pool, struct tce_table *table, uint64_t index,
				  struct tce_way *way)
{
	_Atomic uint64_t *word;

	/* at most TCE_LEVELS pages */
	while (!(word = tce_own_way(pool, table, index, 0, way))) {
		if (!link_page(pool, way)) {
			tce_page_unlink_empty(pool, way, way->missing + 1);
			return NULL;
		}
	}
	return word;
}

bool tce_table_prepare(struct tce_pool *pool, struct tce_table *table, uint64_t index,
		       uint32_t count)
{
	uint64_t end = index + count;
	struct tce_way way;

	/* at most two pages */
	for (uint64_t at = index; at < end; at += tce_in_page(at, TCE_WORDS)) {
		if (make_way(pool, table, at, &way))
			continue;
		if (at > index && tce_own_way(pool, table, index, 0, &way))
			tce_page_unlink_empty(pool, &way, 0);
		return false;
	}
	return true;
}

static void note_entry(struct tce_page_info *info, uint32_t i, uint64_t entry)
{
	uint64_t bit = BIT(i % 64);

	info->used[i / 64] = (info->used[i / 64] & ~bit) | (entry ? bit : 0);
	info->valid[i / 64] = (info->valid[i / 64] & ~bit) | (tce_is_valid(entry) ? bit : 0);
}

bool tce_table_put(struct tce_pool *pool, struct tce_table *table, uint64_t index, uint64_t entry,
		   bool *took)
{
	struct tce_way way;
	_Atomic uint64_t *word = tce_own_way(pool, table, index, 0, &way);
	struct tce_page_info *info;
	uint32_t i = tce_word_at(index, 0);
	uint64_t old;

	*took = false;
	if (!word && entry)
		word = make_way(pool, table, index, &way);
	if (!word)
		return !entry;
	info = tce_info_of(pool, tce_linked_page(way.link[0]));
	old = atomic_load_explicit(&word[i], memory_order_relaxed);
	atomic_store_explicit(&word[i], entry, memory_order_release);
	note_entry(info, i, entry);
	*took = tce_is_valid(old) && old != entry;
	if (!entry)
		tce_page_unlink_empty(pool, &way, 0);
	return true;
}

bool tce_table_clear(struct tce_pool *pool, struct tce_table *table)
{
	uint64_t link = atomic_load_explicit(&table->root, memory_order_relaxed);

	if (!link)
		return false;
	atomic_store_explicit(&table->root, 0, memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
	tce_page_push(pool, &pool->garbage, tce_linked_page(link));
	return true;
}
