/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tce_table.c - tables of TCEs: sparse trees of pages from one pool.
 *
 * Readers take no lock and are not waited for. A page that has become empty is unlinked, and may be linked elsewhere at
 * once; a link is never the same twice. So who has read something in a page looks whether the links that led there still
 * stand, from the root on, before he makes anything of it: if one does not, its page was empty at a moment in between, and
 * so the entry was 0. Of a table that is cleared as a whole, that moment is the one in which its root went. (Without that a
 * guest's TCE might be taken for a link, or for one that stands.)
 *
 *	who reads			who changes
 *					the link goes
 *	loads the link			fence
 *	loads what is in the page	stores there for another table
 *	fence
 *	loads the link again
 */

#include "tce_engine.h"

/* ---- pages ---- */

static struct tce_block *block_of(const struct tce_pool *pool, uint32_t page)
{
	return atomic_load_explicit(&pool->block[page / TCE_BLOCK], memory_order_relaxed);
}

static _Atomic uint64_t *words_of(const struct tce_pool *pool, uint32_t page)
{
	return block_of(pool, page)->word[page % TCE_BLOCK];
}

static struct tce_page_info *info_of(const struct tce_pool *pool, uint32_t page)
{
	return &block_of(pool, page)->info[page % TCE_BLOCK];
}

static uint32_t linked_page(uint64_t link)
{
	return (uint32_t)bits_get(link, TCE_LINK_PAGE) - 1;
}

static uint32_t blocks(const struct tce_pool *pool)
{
	return (pool->limit + TCE_BLOCK - 1) / TCE_BLOCK;
}

int tce_pool_init(struct tce_pool *pool, struct viommu_vm *vm, uint64_t bytes)
{
	uint64_t pages = bytes / (TCE_WORDS * sizeof(uint64_t));

	pool->vm = vm;
	pool->limit = pages > TCE_PAGES_MAX ? TCE_PAGES_MAX : (uint32_t)pages;
	pool->block = vm_alloc(vm, blocks(pool) * sizeof(*pool->block), _Alignof(uint64_t));
	return pool->block ? VIOMMU_OK : VIOMMU_ENOMEM;
}

void tce_pool_fini(struct tce_pool *pool)
{
	if (!pool->block)
		return;
	for (uint32_t i = 0; i < blocks(pool); i++)
		vm_dealloc(pool->vm, atomic_load_explicit(&pool->block[i], memory_order_relaxed),
			   sizeof(struct tce_block));
	vm_dealloc(pool->vm, pool->block, blocks(pool) * sizeof(*pool->block));
}

static void push(const struct tce_pool *pool, uint32_t *list, uint32_t page)
{
	info_of(pool, page)->next = *list;
	*list = page + 1;
}

static uint32_t pop(const struct tce_pool *pool, uint32_t *list)
{
	uint32_t page = *list - 1;

	*list = info_of(pool, page)->next;
	return page;
}

/* A page of a table that is gone: those that it led to are garbage in its place. At most TCE_WORDS steps. */
static uint32_t take_garbage(struct tce_pool *pool)
{
	uint32_t page = pop(pool, &pool->garbage);
	bool leads = info_of(pool, page)->level != 0;
	_Atomic uint64_t *word = words_of(pool, page);

	for (uint32_t i = 0; i < TCE_WORDS; i++) {
		uint64_t link = atomic_load_explicit(&word[i], memory_order_relaxed);

		if (leads && link)
			push(pool, &pool->garbage, linked_page(link));
		if (link)
			atomic_store_explicit(&word[i], 0, memory_order_relaxed);
	}
	return page;
}

/* The block of a page is there. */
static bool have_block(struct tce_pool *pool, uint32_t page)
{
	struct tce_block *block = block_of(pool, page);

	if (block)
		return true;
	block = vm_alloc(pool->vm, sizeof(*block), _Alignof(struct tce_block));
	atomic_store_explicit(&pool->block[page / TCE_BLOCK], block, memory_order_release);
	return block != NULL;
}

/* An empty page that nothing leads to; false: there is none, or no memory for it. */
static bool take_page(struct tce_pool *pool, uint32_t *page)
{
	if (pool->free) {
		*page = pop(pool, &pool->free);
		return true;
	}
	if (pool->garbage) {
		*page = take_garbage(pool);
		return true;
	}
	if (pool->fresh == pool->limit || !have_block(pool, pool->fresh))
		return false;
	*page = pool->fresh++;
	return true;
}

bool tce_pool_reserve(struct tce_pool *pool, uint64_t pages)
{
	if (pages > pool->limit)
		return false;
	for (uint32_t page = 0; page < pages; page += TCE_BLOCK) {
		if (!have_block(pool, page))
			return false;
	}
	return true;
}

/* ---- the way to an entry ---- */

uint32_t tce_table_top(uint64_t entries)
{
	uint32_t top = 0;

	while (top < TCE_LEVELS - 1 && (entries - 1) >> (TCE_PAGE_LG2 * (top + 1)))
		top++;
	return top;
}

static uint32_t word_at(uint64_t index, uint32_t level)
{
	return (uint32_t)(index >> (TCE_PAGE_LG2 * level)) & (TCE_WORDS - 1);
}

/* Where the links are that lead to an entry, and what they were. */
struct way {
	_Atomic uint64_t *place[TCE_LEVELS];
	uint64_t link[TCE_LEVELS];
	uint32_t top;	  /* of them */
	uint32_t missing; /* the level of the page to which there is none */
};

/* Whether all links down to a level still stand. */
static bool stands(const struct way *way, uint32_t to)
{
	atomic_thread_fence(memory_order_acquire);
	/* at most TCE_LEVELS steps */
	for (uint32_t level = way->top + 1; level-- > to;) {
		if (atomic_load_explicit(way->place[level], memory_order_relaxed) !=
		    way->link[level])
			return false;
	}
	return true;
}

/* Goes down to the page of a level that has the index; NULL: a link is missing, or does not stand. */
static _Atomic uint64_t *go_down(const struct tce_pool *pool, const struct tce_table *table,
				 uint64_t index, uint32_t to, struct way *way)
{
	_Atomic uint64_t *at = (_Atomic uint64_t *)(uintptr_t)&table->root;
	uint64_t link = atomic_load_explicit(at, memory_order_acquire);
	uint32_t level = link ? (uint32_t)bits_get(link, TCE_LINK_LEVEL)
			      : atomic_load_explicit(&table->top, memory_order_relaxed);

	way->top = level;
	/* at most TCE_LEVELS steps */
	for (;; level--) {
		_Atomic uint64_t *word;

		way->missing = level;
		way->place[level] = at;
		way->link[level] = link;
		if (!link || level < to)
			return NULL;
		word = words_of(pool, linked_page(link));
		if (level == to)
			return word;
		at = &word[word_at(index, level)];
		link = atomic_load_explicit(at, memory_order_acquire);
		if (!stands(way, level))
			link = 0;
	}
}

uint64_t tce_table_get(const struct tce_pool *pool, const struct tce_table *table, uint64_t index)
{
	struct way way;
	const _Atomic uint64_t *word = go_down(pool, table, index, 0, &way);
	uint64_t entry;

	if (!word)
		return 0;
	entry = atomic_load_explicit(&word[word_at(index, 0)], memory_order_relaxed);
	return stands(&way, 0) ? entry : 0;
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
	struct way way;
	const _Atomic uint64_t *word = go_down(pool, table, *index, 0, &way);

	if (*index >> (TCE_PAGE_LG2 * (way.top + 1)))
		return TCE_STEP_END;
	if (!word) {
		*index = behind(*index, way.missing);
		return way.missing == way.top ? TCE_STEP_END : TCE_STEP_PASSED;
	}
	for (uint32_t i = word_at(*index, 0); i < TCE_WORDS; i++, ++*index) {
		*entry = atomic_load_explicit(&word[i], memory_order_relaxed);
		if (*entry)
			return stands(&way, 0) ? TCE_STEP_FOUND : TCE_STEP_PASSED;
	}
	return TCE_STEP_PASSED;
}

/* ---- changes ---- */

/* Takes pages that are empty out of the way to an entry. */
static void unlink_empty(struct tce_pool *pool, struct tce_table *table, uint64_t index)
{
	/* at most TCE_LEVELS steps, each of as many */
	for (uint32_t level = 0; level < TCE_LEVELS; level++) {
		struct way way;
		uint32_t page;

		if (!go_down(pool, table, index, level, &way))
			continue;
		page = linked_page(way.link[level]);
		if (info_of(pool, page)->used)
			return;
		atomic_store_explicit(way.place[level], 0, memory_order_relaxed);
		atomic_thread_fence(memory_order_release);
		push(pool, &pool->free, page);
		if (level < way.top)
			info_of(pool, linked_page(way.link[level + 1]))->used--;
	}
}

/* A page where one is missing. */
static bool link_page(struct tce_pool *pool, const struct way *way)
{
	uint32_t level = way->missing;
	struct tce_page_info *info;
	uint32_t page;

	if (!take_page(pool, &page))
		return false;
	info = info_of(pool, page);
	info->generation++;
	info->used = 0;
	info->level = (uint8_t)level;
	atomic_store_explicit(way->place[level],
			      bits_put(TCE_LINK_GENERATION, info->generation) |
				      bits_put(TCE_LINK_LEVEL, level) | (page + 1),
			      memory_order_release);
	if (level < way->top)
		info_of(pool, linked_page(way->link[level + 1]))->used++;
	return true;
}

/* The page with an entry is there. */
static bool prepare_page(struct tce_pool *pool, struct tce_table *table, uint64_t index)
{
	struct way way;

	/* at most TCE_LEVELS pages */
	while (!go_down(pool, table, index, 0, &way)) {
		if (!link_page(pool, &way)) {
			unlink_empty(pool, table, index);
			return false;
		}
	}
	return true;
}

/* How many of @count entries are in the same page as the first. */
static uint32_t in_page(uint64_t index, uint32_t count)
{
	uint32_t left = TCE_WORDS - word_at(index, 0);

	return count < left ? count : left;
}

bool tce_table_prepare(struct tce_pool *pool, struct tce_table *table, uint64_t index,
		       uint32_t count)
{
	uint64_t end = index + count;

	/* at most two pages */
	for (uint64_t at = index; at < end; at += in_page(at, TCE_WORDS)) {
		if (prepare_page(pool, table, at))
			continue;
		if (at > index)
			unlink_empty(pool, table, index);
		return false;
	}
	return true;
}

void tce_table_read(const struct tce_pool *pool, const struct tce_table *table, uint64_t index,
		    uint32_t count, uint64_t *to)
{
	for (uint32_t run; count; index += run, to += run, count -= run) {
		struct way way;
		const _Atomic uint64_t *word = go_down(pool, table, index, 0, &way);

		run = in_page(index, count);
		for (uint32_t i = 0; i < run; i++)
			to[i] = word ? atomic_load_explicit(&word[word_at(index, 0) + i],
							    memory_order_relaxed)
				     : 0;
	}
}

/* The words that hold entries of one page; NULL: there is none, and nothing to do. */
static _Atomic uint64_t *run_of(struct tce_pool *pool, struct tce_table *table, uint64_t index,
				struct tce_page_info **info)
{
	struct way way;
	_Atomic uint64_t *word = go_down(pool, table, index, 0, &way);

	if (!word)
		return NULL;
	*info = info_of(pool, linked_page(way.link[0]));
	return &word[word_at(index, 0)];
}

bool tce_table_write(struct tce_pool *pool, struct tce_table *table, uint64_t index, uint32_t count,
		     const uint64_t *list)
{
	bool took = false;

	for (uint32_t run; count; index += run, list += run, count -= run) {
		struct tce_page_info *info;
		_Atomic uint64_t *word = run_of(pool, table, index, &info);
		uint32_t used = 0;

		run = in_page(index, count);
		if (!word)
			continue;
		for (uint32_t i = 0; i < run; i++) {
			uint64_t old = atomic_load_explicit(&word[i], memory_order_relaxed);

			took |= tce_is_valid(old) && old != list[i];
			used += (list[i] != 0) - (uint32_t)(old != 0);
			atomic_store_explicit(&word[i], list[i], memory_order_release);
		}
		info->used = (uint16_t)(info->used + used);
		if (!info->used)
			unlink_empty(pool, table, index);
	}
	return took;
}

bool tce_table_fill(struct tce_pool *pool, struct tce_table *table, uint64_t index, uint32_t count,
		    uint64_t entry)
{
	bool took = false;

	for (uint32_t run; count; index += run, count -= run) {
		struct tce_page_info *info;
		_Atomic uint64_t *word = run_of(pool, table, index, &info);
		uint32_t before = 0;
		uint64_t changed = 0;

		run = in_page(index, count);
		if (!word)
			continue;
		for (uint32_t i = 0; i < run; i++) {
			uint64_t old = atomic_load_explicit(&word[i], memory_order_relaxed);

			changed |= old != entry ? old : 0;
			before += old != 0;
			atomic_store_explicit(&word[i], entry, memory_order_release);
		}
		took |= tce_is_valid(changed);
		info->used = (uint16_t)(info->used - before + (entry ? run : 0));
		if (!info->used)
			unlink_empty(pool, table, index);
	}
	return took;
}

bool tce_table_clear(struct tce_pool *pool, struct tce_table *table)
{
	uint64_t link = atomic_load_explicit(&table->root, memory_order_relaxed);

	if (!link)
		return false;
	atomic_store_explicit(&table->root, 0, memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
	push(pool, &pool->garbage, linked_page(link));
	return true;
}
