/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tce_tree.h - the pages of the tables of TCEs, and the way to an entry.
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
#ifndef TCE_TREE_H
#define TCE_TREE_H

#include "tce_engine.h"

static inline struct tce_block *tce_block_of(const struct tce_pool *pool, uint32_t page)
{
	return atomic_load_explicit(&pool->block[page / TCE_BLOCK], memory_order_relaxed);
}

static inline _Atomic uint64_t *tce_words_of(const struct tce_pool *pool, uint32_t page)
{
	return tce_block_of(pool, page)->word[page % TCE_BLOCK];
}

static inline struct tce_page_info *tce_info_of(const struct tce_pool *pool, uint32_t page)
{
	return &tce_block_of(pool, page)->info[page % TCE_BLOCK];
}

static inline uint32_t tce_linked_page(uint64_t link)
{
	return (uint32_t)bits_get(link, TCE_LINK_PAGE) - 1;
}

/* The same for each word, each stored as a whole. Readers may see them in any order. */
static inline void tce_store_words(_Atomic uint64_t *word, uint64_t count, uint64_t entry)
{
#if defined(__x86_64__) && !defined(__SANITIZE_THREAD__)
	/* aligned elements of a string operation are not torn */
	__asm__ volatile("rep stosq" : "+D"(word), "+c"(count) : "a"(entry) : "memory");
#else
	for (uint64_t i = 0; i < count; i++)
		atomic_store_explicit(&word[i], entry, memory_order_release);
#endif
}

static inline uint32_t tce_word_at(uint64_t index, uint32_t level)
{
	return (uint32_t)(index >> (TCE_PAGE_LG2 * level)) & (TCE_WORDS - 1);
}

/* Where the links are that lead to an entry, and what they were. */
struct tce_way {
	_Atomic uint64_t *place[TCE_LEVELS];
	uint64_t link[TCE_LEVELS];
	uint32_t top;	  /* of them */
	uint32_t missing; /* the level of the page to which there is none */
};

/* Whether all links down to a level still stand. */
static inline bool tce_way_stands(const struct tce_way *way, uint32_t to)
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

/* Goes down to the page of a level that has the index; NULL: a link is missing, or (@others change them) does not stand. */
ALWAYS_INLINE _Atomic uint64_t *tce_find_way(const struct tce_pool *pool,
					     const struct tce_table *table, uint64_t index,
					     uint32_t to, struct tce_way *way, bool others)
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
		word = tce_words_of(pool, tce_linked_page(link));
		if (level == to)
			return word;
		at = &word[tce_word_at(index, level)];
		link = atomic_load_explicit(at, memory_order_acquire);
		if (others && !tce_way_stands(way, level))
			link = 0;
	}
}

/* By the thread that has the unit, which makes all changes. */
static inline _Atomic uint64_t *tce_own_way(const struct tce_pool *pool,
					    const struct tce_table *table, uint64_t index,
					    uint32_t to, struct tce_way *way)
{
	return tce_find_way(pool, table, index, to, way, false);
}

/* How many of @count entries are in the same page as the first. */
static inline uint32_t tce_in_page(uint64_t index, uint32_t count)
{
	uint32_t left = TCE_WORDS - tce_word_at(index, 0);

	return count < left ? count : left;
}

static inline bool tce_page_is_empty(const struct tce_page_info *info)
{
	uint64_t any = 0;

	if (info->level)
		return info->links == 0;
#pragma GCC unroll 8
	for (unsigned i = 0; i < TCE_GROUPS; i++)
		any |= info->used[i];
	return any == 0;
}

/* ---- tce_pool.c ---- */

/* Adds a page to a list. */
void tce_page_push(const struct tce_pool *pool, uint32_t *list, uint32_t page);
/* An empty page that nothing leads to; false: there is none, or no memory for it. */
bool tce_page_take(struct tce_pool *pool, uint32_t *page);

/* ---- tce_table.c ---- */

/* Takes a page out of its way, to a list of those that may be used again. */
void tce_page_unlink(struct tce_pool *pool, const struct tce_way *way, uint32_t level,
		     uint32_t *list);
/* The same with those that are empty, from a level that is there upwards. */
void tce_page_unlink_empty(struct tce_pool *pool, const struct tce_way *way, uint32_t level);

#endif
