/* SPDX-License-Identifier: BSD-3-Clause */
/* tce_run.c - tables of TCEs: entries that follow one another, page by page. */

#include "tce_tree.h"

void tce_table_read(const struct tce_pool *pool, const struct tce_table *table, uint64_t index,
		    uint32_t count, uint64_t *to)
{
	for (uint32_t run; count; index += run, to += run, count -= run) {
		struct tce_way way;
		const _Atomic uint64_t *word = tce_own_way(pool, table, index, 0, &way);

		run = tce_in_page(index, count);
		for (uint32_t i = 0; i < run; i++)
			to[i] = word ? atomic_load_explicit(&word[tce_word_at(index, 0) + i],
							    memory_order_relaxed)
				     : 0;
	}
}

/* Some entries of one page. */
struct run {
	struct tce_way way;
	_Atomic uint64_t *word; /* of the page; NULL: there is none, and nothing to do */
	struct tce_page_info *info;
	uint32_t first;
	uint32_t count;
};

static void find_run(const struct tce_pool *pool, const struct tce_table *table, uint64_t index,
		     uint32_t count, struct run *run)
{
	run->word = tce_own_way(pool, table, index, 0, &run->way);
	run->first = tce_word_at(index, 0);
	run->count = tce_in_page(index, count);
	if (run->word)
		run->info = tce_info_of(pool, tce_linked_page(run->way.link[0]));
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
		if (tce_page_is_empty(run.info))
			tce_page_unlink_empty(pool, &run.way, 0);
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
ALWAYS_INLINE bool note_run(const struct run *run, uint64_t used, uint64_t valid)
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
	bool empty = tce_page_is_empty(run->info);
	bool dropped = empty && run->count >= DROPPED;

	if (!dropped)
		tce_store_words(&run->word[run->first], run->count, 0);
	if (empty) {
		tce_page_unlink(pool, &run->way, 0, dropped ? &pool->garbage : &pool->free);
		tce_page_unlink_empty(pool, &run->way, 1);
	}
	return took;
}

static bool fill_run(const struct run *run, uint64_t entry)
{
	bool valid = tce_is_valid(entry);
	bool took = note_run(run, UINT64_MAX, valid ? UINT64_MAX : 0) &&
		    (!valid || differs(run, entry));

	tce_store_words(&run->word[run->first], run->count, entry);
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
