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

/* The same for each word, each stored as a whole. Readers may see them in any order. */
static void store_words(_Atomic uint64_t *word, uint64_t count, uint64_t entry)
{
#if defined(__x86_64__) && !defined(__SANITIZE_THREAD__)
	/* aligned elements of a string operation are not torn */
	__asm__ volatile("rep stosq" : "+D"(word), "+c"(count) : "a"(entry) : "memory");
#else
	for (uint64_t i = 0; i < count; i++)
		atomic_store_explicit(&word[i], entry, memory_order_release);
#endif
}

/* A page of a table that is gone: those that it led to are garbage in its place. At most TCE_WORDS steps. */
static uint32_t take_garbage(struct tce_pool *pool)
{
	uint32_t page = pop(pool, &pool->garbage);
	bool leads = info_of(pool, page)->level != 0;
	_Atomic uint64_t *word = words_of(pool, page);

	for (uint32_t i = 0; leads && i < TCE_WORDS; i++) {
		uint64_t link = atomic_load_explicit(&word[i], memory_order_relaxed);

		if (link)
			push(pool, &pool->garbage, linked_page(link));
	}
	store_words(word, TCE_WORDS, 0);
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

/* Goes down to the page of a level that has the index; NULL: a link is missing, or (@others change them) does not stand. */
ALWAYS_INLINE _Atomic uint64_t *find_way(const struct tce_pool *pool, const struct tce_table *table,
					 uint64_t index, uint32_t to, struct way *way, bool others)
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
		if (others && !stands(way, level))
			link = 0;
	}
}

static _Atomic uint64_t *go_down(const struct tce_pool *pool, const struct tce_table *table,
				 uint64_t index, uint32_t to, struct way *way)
{
	return find_way(pool, table, index, to, way, true);
}

/* By the thread that has the unit, which makes all changes. */
static _Atomic uint64_t *own_way(const struct tce_pool *pool, const struct tce_table *table,
				 uint64_t index, uint32_t to, struct way *way)
{
	return find_way(pool, table, index, to, way, false);
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

static bool is_empty(const struct tce_page_info *info)
{
	uint64_t any = 0;

	if (info->level)
		return info->links == 0;
	for (unsigned i = 0; i < TCE_GROUPS; i++)
		any |= info->used[i];
	return any == 0;
}

/* Takes a page out of its way, to a list of those that may be used again. */
static void unlink_page(struct tce_pool *pool, const struct way *way, uint32_t level,
			uint32_t *list)
{
	atomic_store_explicit(way->place[level], 0, memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
	push(pool, list, linked_page(way->link[level]));
	if (level < way->top)
		info_of(pool, linked_page(way->link[level + 1]))->links--;
}

/* The same with those that are empty, from a level that is there upwards. */
static void unlink_empty(struct tce_pool *pool, const struct way *way, uint32_t level)
{
	/* at most TCE_LEVELS steps */
	for (; level <= way->top; level++) {
		if (!is_empty(info_of(pool, linked_page(way->link[level]))))
			return;
		unlink_page(pool, way, level, &pool->free);
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
	*info = (struct tce_page_info){ .generation = info->generation + 1,
					.level = (uint8_t)level };
	atomic_store_explicit(way->place[level],
			      bits_put(TCE_LINK_GENERATION, info->generation) |
				      bits_put(TCE_LINK_LEVEL, level) | (page + 1),
			      memory_order_release);
	if (level < way->top)
		info_of(pool, linked_page(way->link[level + 1]))->links++;
	return true;
}

/* The page with an entry, which is made if it is missing; NULL: there is no room. */
static _Atomic uint64_t *make_way(struct tce_pool *pool, struct tce_table *table, uint64_t index,
				  struct way *way)
{
	_Atomic uint64_t *word;

	/* at most TCE_LEVELS pages */
	while (!(word = own_way(pool, table, index, 0, way))) {
		if (!link_page(pool, way)) {
			unlink_empty(pool, way, way->missing + 1);
			return NULL;
		}
	}
	return word;
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
	struct way way;

	/* at most two pages */
	for (uint64_t at = index; at < end; at += in_page(at, TCE_WORDS)) {
		if (make_way(pool, table, at, &way))
			continue;
		if (at > index && own_way(pool, table, index, 0, &way))
			unlink_empty(pool, &way, 0);
		return false;
	}
	return true;
}

void tce_table_read(const struct tce_pool *pool, const struct tce_table *table, uint64_t index,
		    uint32_t count, uint64_t *to)
{
	for (uint32_t run; count; index += run, to += run, count -= run) {
		struct way way;
		const _Atomic uint64_t *word = own_way(pool, table, index, 0, &way);

		run = in_page(index, count);
		for (uint32_t i = 0; i < run; i++)
			to[i] = word ? atomic_load_explicit(&word[word_at(index, 0) + i],
							    memory_order_relaxed)
				     : 0;
	}
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
	struct way way;
	_Atomic uint64_t *word = own_way(pool, table, index, 0, &way);
	struct tce_page_info *info;
	uint32_t i = word_at(index, 0);
	uint64_t old;

	*took = false;
	if (!word && entry)
		word = make_way(pool, table, index, &way);
	if (!word)
		return !entry;
	info = info_of(pool, linked_page(way.link[0]));
	old = atomic_load_explicit(&word[i], memory_order_relaxed);
	atomic_store_explicit(&word[i], entry, memory_order_release);
	note_entry(info, i, entry);
	*took = tce_is_valid(old) && old != entry;
	if (!entry && is_empty(info))
		unlink_empty(pool, &way, 0);
	return true;
}

/* Some entries of one page. */
struct run {
	struct way way;
	_Atomic uint64_t *word; /* of the page; NULL: there is none, and nothing to do */
	struct tce_page_info *info;
	uint32_t first;
	uint32_t count;
};

static void find_run(const struct tce_pool *pool, const struct tce_table *table, uint64_t index,
		     uint32_t count, struct run *run)
{
	run->word = own_way(pool, table, index, 0, &run->way);
	run->first = word_at(index, 0);
	run->count = in_page(index, count);
	if (run->word)
		run->info = info_of(pool, linked_page(run->way.link[0]));
}

static uint32_t last_of(const struct run *run)
{
	return run->first + run->count - 1;
}

static uint32_t last_group(const struct run *run)
{
	return last_of(run) / 64;
}

/* Of the 64 entries of a group, those that the run has. */
static inline uint64_t group_mask(const struct run *run, uint32_t group)
{
	uint64_t mask = UINT64_MAX;

	if (group == run->first / 64)
		mask <<= run->first % 64;
	if (group == last_group(run))
		mask &= UINT64_MAX >> (63 - last_of(run) % 64);
	return mask;
}

/* Stores a list; whether one that was valid has changed. */
static bool write_run(const struct run *run, const uint64_t *list)
{
	bool took = false;
	uint32_t i = 0;

	/* at most TCE_GROUPS steps, of 64 each */
	for (uint32_t group = run->first / 64; group <= last_group(run); group++) {
		uint64_t mask = group_mask(run, group);
		uint64_t used = 0, valid = 0;
		uint32_t end = i + (uint32_t)__builtin_popcountll(mask);

		for (uint64_t bit = mask & -mask; i < end; bit <<= 1, i++) {
			_Atomic uint64_t *word = &run->word[run->first + i];
			uint64_t old = atomic_load_explicit(word, memory_order_relaxed);

			took |= tce_is_valid(old) && old != list[i];
			used |= list[i] ? bit : 0;
			valid |= tce_is_valid(list[i]) ? bit : 0;
			atomic_store_explicit(word, list[i], memory_order_release);
		}
		run->info->used[group] = (run->info->used[group] & ~mask) | used;
		run->info->valid[group] = (run->info->valid[group] & ~mask) | valid;
	}
	return took;
}

bool tce_table_write(struct tce_pool *pool, struct tce_table *table, uint64_t index, uint32_t count,
		     const uint64_t *list)
{
	bool took = false;
	struct run run;

	for (; count; index += run.count, list += run.count, count -= run.count) {
		find_run(pool, table, index, count, &run);
		if (!run.word)
			continue;
		took |= write_run(&run, list);
		if (is_empty(run.info))
			unlink_empty(pool, &run.way, 0);
	}
	return took;
}

/* Whether one of the run is valid, and not this. */
static bool differs(const struct run *run, uint64_t entry)
{
	for (uint32_t i = 0; i < run->count; i++) {
		uint64_t old =
			atomic_load_explicit(&run->word[run->first + i], memory_order_relaxed);

		if (tce_is_valid(old) && old != entry)
			return true;
	}
	return false;
}

/* Notes the same for some entries of a group; those of them that were valid. */
static inline uint64_t note_some(struct tce_page_info *info, uint32_t group, uint64_t mask,
				 uint64_t used, uint64_t valid)
{
	uint64_t was = info->valid[group] & mask;

	info->used[group] = (info->used[group] & ~mask) | (used & mask);
	info->valid[group] = (info->valid[group] & ~mask) | (valid & mask);
	return was;
}

/* The same for all; whether one was valid. At most TCE_GROUPS steps. */
static inline bool note_run(const struct run *run, uint64_t used, uint64_t valid)
{
	struct tce_page_info *info = run->info;
	uint32_t group = run->first / 64, last = last_group(run);
	uint64_t was = note_some(info, group, group_mask(run, group), used, valid);

	if (group == last)
		return was != 0;
	while (++group < last) {
		was |= info->valid[group];
		info->used[group] = used;
		info->valid[group] = valid;
	}
	was |= note_some(info, last, group_mask(run, last), used, valid);
	return was != 0;
}

/* From so many entries on that are the last of their page, it goes as it is: they are cleared when it is used again. */
#define DROPPED (TCE_WORDS / 2)

static bool clear_run(struct tce_pool *pool, const struct run *run)
{
	bool took = note_run(run, 0, 0);

	if (!is_empty(run->info)) {
		store_words(&run->word[run->first], run->count, 0);
	} else if (run->count >= DROPPED) {
		unlink_page(pool, &run->way, 0, &pool->garbage);
		unlink_empty(pool, &run->way, 1);
	} else {
		store_words(&run->word[run->first], run->count, 0);
		unlink_empty(pool, &run->way, 0);
	}
	return took;
}

static bool fill_run(const struct run *run, uint64_t entry)
{
	bool valid = tce_is_valid(entry);
	bool took = note_run(run, UINT64_MAX, valid ? UINT64_MAX : 0) &&
		    (!valid || differs(run, entry));

	store_words(&run->word[run->first], run->count, entry);
	return took;
}

bool tce_table_fill(struct tce_pool *pool, struct tce_table *table, uint64_t index, uint32_t count,
		    uint64_t entry)
{
	bool took = false;
	struct run run;

	for (; count; index += run.count, count -= run.count) {
		find_run(pool, table, index, count, &run);
		if (run.word)
			took |= entry ? fill_run(&run, entry) : clear_run(pool, &run);
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
