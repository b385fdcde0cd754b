/* SPDX-License-Identifier: BSD-3-Clause */
/* vhost_reader.c - readers of a device IOTLB: sections and lookups. */

#include <stddef.h>

#include "bits.h"
#include "range.h"
#include "seqlock.h"
#include "vhost_iotlb.h"

int viommu_iotlb_reader_new(struct viommu_iotlb *iotlb, struct viommu_iotlb_reader **out)
{
	struct viommu_iotlb_reader *r;

	if (!iotlb || !out)
		return VIOMMU_EINVAL;
	r = iotlb->config.alloc(iotlb->config.opaque, sizeof(*r),
				_Alignof(struct viommu_iotlb_reader));
	if (!r)
		return VIOMMU_ENOMEM;
	r->iotlb = iotlb;
	iotlb_cache_empty(&r->cache, 0);
	epoch_add(&iotlb->epoch, &r->section);
	atomic_fetch_add(&iotlb->readers, 1);
	*out = r;
	return VIOMMU_OK;
}

int viommu_iotlb_reader_free(struct viommu_iotlb_reader *r)
{
	struct viommu_iotlb *t;

	if (!r)
		return VIOMMU_OK;
	if (r->open)
		return VIOMMU_EBUSY;
	t = r->iotlb;
	epoch_remove(&t->epoch, &r->section);
	t->config.dealloc(t->config.opaque, r, sizeof(*r));
	atomic_fetch_sub(&t->readers, 1);
	return VIOMMU_OK;
}

int viommu_iotlb_enter(struct viommu_iotlb_reader *r)
{
	if (!r)
		return VIOMMU_EINVAL;
	if (r->open)
		return VIOMMU_EBUSY;
	r->open = true;
	epoch_enter(&r->iotlb->epoch, &r->section);
	return VIOMMU_OK;
}

int viommu_iotlb_leave(struct viommu_iotlb_reader *r)
{
	const struct viommu_iotlb_config *config;

	if (!r || !r->open)
		return VIOMMU_EINVAL;
	config = &r->iotlb->config;
	r->open = false;
	if (epoch_leave(&r->iotlb->epoch, &r->section) && config->work)
		config->work(config->opaque);
	return VIOMMU_OK;
}

/* ---- lookups ---- */

/* A record is written before its item is in the map and stays as it is until the item is gone. */
static struct iotlb_piece read_record(const struct viommu_iotlb *t, const struct range_item *item)
{
	const struct iotlb_record *record = &t->record[item->target];

	return (struct iotlb_piece){
		.last = item->last,
		.host = atomic_load_explicit(&record->host, memory_order_relaxed),
		.gpa = atomic_load_explicit(&record->gpa, memory_order_relaxed),
		.perm = item->perm,
	};
}

/* The range that has @iova, from the tree. */
static bool find_in_tree(struct viommu_iotlb_reader *r, uint64_t iova, uint64_t *first,
			 struct iotlb_piece *piece)
{
	struct viommu_iotlb *t = r->iotlb;
	struct range_item item;
	uint64_t changes;
	enum range_look found;
	unsigned tries = 0;

	for (;; range_map_again(t->pool, tries++)) {
		uint64_t version = seq_read_begin(&t->map.version);

		changes = atomic_load_explicit(&t->changes, memory_order_acquire);
		found = range_map_try(t->pool, &t->map, version, iova, &item);
		if (found == RANGE_ITEM)
			*piece = read_record(t, &item);
		if (found != RANGE_CHANGED && seq_read_valid(&t->map.version, version))
			break;
	}
	range_map_found(t->pool, tries);
	if (found == RANGE_NONE)
		return false;
	if (r->cache.changes != changes)
		iotlb_cache_empty(&r->cache, changes);
	iotlb_cache_keep(&r->cache, item.first, piece);
	*first = item.first;
	return true;
}

/* The range that has all of [first, last] and permits the access, if the reader has a copy that is
 * valid. What is no range permits nothing. */
static inline const struct iotlb_piece *find_in_cache(const struct viommu_iotlb_reader *r,
						      uint64_t first, uint64_t last,
						      uint32_t access)
{
	uint64_t changes = atomic_load_explicit(&r->iotlb->changes, memory_order_acquire);
	const struct iotlb_piece *guess = iotlb_cache_guess(&r->cache, first);

	if (UNLIKELY(changes != r->cache.changes || last > guess->last || (access & ~guess->perm)))
		return NULL;
	return guess;
}

/* Field by field: a structure put together elsewhere and copied in larger words has to wait for
 * each of its fields. */
static inline void write_fragment(struct viommu_fragment *f, const struct iotlb_piece *piece,
				  uint64_t first, uint64_t last)
{
	f->gpa = (piece->gpa + first) & (0 - (piece->perm / IOTLB_GPA_KNOWN));
	f->length = last - first + 1;
	f->host = (void *)(uintptr_t)(piece->host + first);
	f->perm = (uint32_t)piece->perm & (VIOMMU_READ | VIOMMU_WRITE);
	f->flags = 0;
}

static inline void write_answer(struct viommu_answer *answer, uint64_t next, uint32_t count)
{
	answer->next = next;
	answer->count = count;
	answer->reason = 0;
	answer->ats = 0;
	answer->token = 0;
	answer->extent_lg2 = 0;
	answer->flags = 0;
}

/* Whether @next, whose address follows, is the same memory going on with the same permission. An
 * unknown guest-physical address goes on with an unknown one. */
static bool continues(const struct viommu_fragment *f, const struct viommu_fragment *next)
{
	return (uintptr_t)f->host + f->length == (uintptr_t)next->host && f->perm == next->perm &&
	       (f->gpa ? f->gpa + f->length == next->gpa : !next->gpa);
}

/* Adds a piece to the answer. False: no room. */
static bool append(struct viommu_fragment *fragments, uint32_t max, struct viommu_answer *answer,
		   const struct viommu_fragment *next)
{
	if (answer->count && continues(&fragments[answer->count - 1], next)) {
		fragments[answer->count - 1].length += next->length;
		return true;
	}
	if (answer->count == max)
		return false;
	fragments[answer->count++] = *next;
	return true;
}

/* What is missing, or lacks a permission. VIOMMU_PENDING, and *ask: the access to ask for, 0 if it has
 * been asked for already; VIOMMU_FAULT: it was refused, or there is nobody to ask; VIOMMU_OK: it came
 * in the meantime. Whoever adds a range answers its misses afterwards, under the same lock: either the
 * range is seen here, or what is noted here is answered. */
static int note_miss(struct viommu_iotlb *t, uint64_t iova, uint32_t access, bool lacks,
		     uint32_t *ask)
{
	struct range_item item;
	bool refused = false;
	bool found;

	if (!t->config.miss)
		return lacks ? VIOMMU_FAULT : VIOMMU_PENDING;
	pthread_mutex_lock(&t->misses.lock);
	found = range_map_find(t->pool, &t->map, iova, &item) && !(access & ~item.perm);
	if (!found)
		*ask = iotlb_misses_note(&t->misses, iova, access, &refused);
	pthread_mutex_unlock(&t->misses.lock);
	if (found)
		return VIOMMU_OK;
	return refused ? VIOMMU_FAULT : VIOMMU_PENDING;
}

/* Goes through the ranges one by one, each step to a higher address: at most as many steps as there
 * are ranges, and one for each time that one comes when it is missed. */
static int collect(struct viommu_iotlb_reader *r, uint64_t last, uint32_t access,
		   struct viommu_fragment *fragments, uint32_t max, struct viommu_answer *answer,
		   uint32_t *ask)
{
	for (;;) {
		const struct iotlb_piece *cached =
			find_in_cache(r, answer->next, answer->next, access);
		struct viommu_fragment f;
		struct iotlb_piece piece;
		uint64_t start;
		bool found = true;

		if (cached)
			piece = *cached;
		else
			found = find_in_tree(r, answer->next, &start, &piece);
		if (!found || (access & ~piece.perm)) {
			int result = note_miss(r->iotlb, answer->next, access, found, ask);

			if (result == VIOMMU_OK)
				continue;
			return result;
		}
		write_fragment(&f, &piece, answer->next, last < piece.last ? last : piece.last);
		if (!append(fragments, max, answer, &f))
			return VIOMMU_MORE;
		answer->next += f.length;
		if (last <= piece.last)
			return VIOMMU_OK;
	}
}

static int __attribute__((noinline))
look_up_slowly(struct viommu_iotlb_reader *r, uint64_t first, uint64_t last, uint32_t access,
	       struct viommu_fragment *fragments, uint32_t max, struct viommu_answer *answer)
{
	const struct viommu_iotlb_config *config = &r->iotlb->config;
	uint32_t ask = 0;
	uint64_t missing;
	int result;

	write_answer(answer, first, 0);
	result = collect(r, last, access, fragments, max, answer, &ask);
	missing = answer->next;
	/* Last of all: the callback may do what it likes, also with the answer. */
	if (ask)
		config->miss(config->opaque, missing, ask);
	return result;
}

int viommu_iotlb_lookup(struct viommu_iotlb_reader *r, uint64_t first, uint64_t last,
			uint32_t access, struct viommu_fragment *fragments, uint32_t max,
			struct viommu_answer *answer)
{
	const struct iotlb_piece *piece;

	if (UNLIKELY(!r || !r->open || !fragments || !max || !answer || first > last || !access ||
		     (access & ~(VIOMMU_READ | VIOMMU_WRITE))))
		return VIOMMU_EINVAL;
	piece = find_in_cache(r, first, last, access);
	if (UNLIKELY(!piece))
		return look_up_slowly(r, first, last, access, fragments, max, answer);
	write_fragment(fragments, piece, first, last);
	write_answer(answer, last + 1, 1);
	return VIOMMU_OK;
}

static void write_range(struct viommu_iotlb_range *range, uint64_t first,
			const struct iotlb_piece *piece)
{
	range->first = first;
	range->last = piece->last;
	range->host = (void *)(uintptr_t)(piece->host + first);
	range->gpa = piece->perm & IOTLB_GPA_KNOWN ? piece->gpa + first : 0;
	range->perm = (uint32_t)piece->perm & (VIOMMU_READ | VIOMMU_WRITE);
	range->reserved = 0;
}

static int __attribute__((noinline)) range_slowly(struct viommu_iotlb_reader *r, uint64_t iova,
						  uint32_t access, struct viommu_iotlb_range *range)
{
	struct viommu_fragment f;
	struct viommu_answer answer;
	struct iotlb_piece piece;
	uint64_t first;
	int result = viommu_iotlb_lookup(r, iova, iova, access, &f, 1, &answer);

	if (result)
		return result;
	/* Taken away since: in this section, what was found may be used nevertheless. */
	if (!find_in_tree(r, iova, &first, &piece) || (access & ~piece.perm)) {
		first = iova;
		piece = (struct iotlb_piece){ .last = iova,
					      .host = (uintptr_t)f.host - iova,
					      .gpa = f.gpa - iova,
					      .perm = f.perm | (f.gpa ? IOTLB_GPA_KNOWN : 0) };
	}
	write_range(range, first, &piece);
	return VIOMMU_OK;
}

int viommu_iotlb_get_range(struct viommu_iotlb_reader *r, uint64_t iova, uint32_t access,
			   struct viommu_iotlb_range *range)
{
	const struct iotlb_piece *piece;

	if (UNLIKELY(!r || !r->open || !range || !access ||
		     (access & ~(VIOMMU_READ | VIOMMU_WRITE))))
		return VIOMMU_EINVAL;
	piece = find_in_cache(r, iova, iova, access);
	if (UNLIKELY(!piece))
		return range_slowly(r, iova, access, range);
	write_range(range, r->cache.first[piece - r->cache.piece], piece);
	return VIOMMU_OK;
}
