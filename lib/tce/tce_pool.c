/* SPDX-License-Identifier: BSD-3-Clause */
/* tce_pool.c - the pages of which tables of TCEs are made: one pool for all of them. */

#include "tce_tree.h"

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

void tce_page_push(const struct tce_pool *pool, uint32_t *list, uint32_t page)
{
	tce_info_of(pool, page)->next = *list;
	*list = page + 1;
}

static uint32_t pop(const struct tce_pool *pool, uint32_t *list)
{
	uint32_t page = *list - 1;

	*list = tce_info_of(pool, page)->next;
	return page;
}

/* A page of a table that is gone: those that it led to are garbage in its place. At most TCE_WORDS steps. */
static uint32_t take_garbage(struct tce_pool *pool)
{
	uint32_t page = pop(pool, &pool->garbage);
	bool leads = tce_info_of(pool, page)->level != 0;
	_Atomic uint64_t *word = tce_words_of(pool, page);

	for (uint32_t i = 0; leads && i < TCE_WORDS; i++) {
		uint64_t link = atomic_load_explicit(&word[i], memory_order_relaxed);

		if (link)
			tce_page_push(pool, &pool->garbage, tce_linked_page(link));
	}
	tce_store_words(word, TCE_WORDS, 0);
	return page;
}

/* The block of a page is there. */
static bool have_block(struct tce_pool *pool, uint32_t page)
{
	struct tce_block *block = tce_block_of(pool, page);

	if (block)
		return true;
	block = vm_alloc(pool->vm, sizeof(*block), _Alignof(struct tce_block));
	atomic_store_explicit(&pool->block[page / TCE_BLOCK], block, memory_order_release);
	return block != NULL;
}

bool tce_page_take(struct tce_pool *pool, uint32_t *page)
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
