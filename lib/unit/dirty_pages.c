/* SPDX-License-Identifier: BSD-3-Clause */
/* dirty_pages.c - which guest memory devices write: noting, collecting. */

#include <libvirtiommu/dirty.h>

#include "dirty_pages.h"

#define PAGE_LG2 12

/* Words that are looked at by one call: as many as a step is worth, most of them being empty. */
#define WORDS_OF_A_STEP 8U

struct viommu_dirty {
	/* Read in sections by everyone who translates; written under devices_lock. */
	_Atomic(struct viommu_dirty *) next;
	/* Constant. */
	struct viommu *iommu;
	struct viommu_device *device; /* NULL: all */
	uint64_t first;
	uint64_t last;
	uint64_t words;
	/* Of collect and stop. */
	uint64_t at;	/* words before this one have been taken */
	uint64_t epoch; /* sections from before it are waited for; 0: none */
	bool stopped;
	_Atomic uint64_t bits[];
};

static uint64_t dirty_bytes(uint64_t words)
{
	return sizeof(struct viommu_dirty) + words * sizeof(uint64_t);
}

/* ---- noting ---- */

/* A bit that is set need not be set again: if it is being taken, we are in a section from before that
 * (dirty_pages.h), since who comes later sees it cleared. */
static void set_bits(_Atomic uint64_t *word, uint64_t bits)
{
	if ((atomic_load_explicit(word, memory_order_relaxed) & bits) != bits)
		atomic_fetch_or_explicit(word, bits, memory_order_relaxed);
}

/* [first, last] is within the range. At most one step for each 64 pages of the request. */
static void set_range(struct viommu_dirty *d, uint64_t first, uint64_t last)
{
	uint64_t page = (first - d->first) >> PAGE_LG2;
	uint64_t end = (last - d->first) >> PAGE_LG2;

	for (uint64_t word = page / 64; word <= end / 64; word++) {
		uint64_t bits = UINT64_MAX;

		if (word == page / 64)
			bits &= UINT64_MAX << page % 64;
		if (word == end / 64)
			bits &= UINT64_MAX >> (63 - end % 64);
		set_bits(&d->bits[word], bits);
	}
}

void dirty_note(const struct query *q, const struct viommu_fragment *piece)
{
	uint64_t last = piece->gpa + (piece->length - 1);

	if (!(q->access & VIOMMU_WRITE) || !(piece->perm & VIOMMU_WRITE))
		return;
	for (struct viommu_dirty *d =
		     atomic_load_explicit(&q->device->iommu->dirty, memory_order_acquire);
	     d; d = atomic_load_explicit(&d->next, memory_order_acquire)) {
		if ((d->device && d->device != q->device) || piece->gpa > d->last ||
		    last < d->first)
			continue;
		set_range(d, piece->gpa > d->first ? piece->gpa : d->first,
			  last < d->last ? last : d->last);
	}
}

/* ---- beginning and ending ---- */

static void link_dirty(struct viommu *u, struct viommu_dirty *d)
{
	pthread_mutex_lock(&u->devices_lock);
	atomic_init(&d->next, atomic_load_explicit(&u->dirty, memory_order_relaxed));
	atomic_store(&u->dirty, d);
	pthread_mutex_unlock(&u->devices_lock);
}

/* Who has come to it goes on to the next from there. */
static void unlink_dirty(struct viommu *u, struct viommu_dirty *d)
{
	_Atomic(struct viommu_dirty *) *at = &u->dirty;

	pthread_mutex_lock(&u->devices_lock);
	while (atomic_load_explicit(at, memory_order_relaxed) != d)
		at = &atomic_load_explicit(at, memory_order_relaxed)->next;
	atomic_store(at, atomic_load_explicit(&d->next, memory_order_relaxed));
	pthread_mutex_unlock(&u->devices_lock);
}

int viommu_dirty_start(struct viommu *u, struct viommu_device *device, uint64_t first,
		       uint64_t last, struct viommu_dirty **out)
{
	struct viommu_dirty *d;
	uint64_t words;

	if (!u || !out || (device && device->iommu != u) || first > last ||
	    (first & bits_low(PAGE_LG2)) || (~last & bits_low(PAGE_LG2)))
		return VIOMMU_EINVAL;
	if (!u->engine->translate)
		return VIOMMU_ENOTSUP;
	words = ((last - first) >> PAGE_LG2) / 64 + 1;
	d = vm_alloc(u->vm, dirty_bytes(words), _Alignof(struct viommu_dirty));
	if (!d)
		return VIOMMU_ENOMEM;
	d->iommu = u;
	d->device = device;
	d->first = first;
	d->last = last;
	d->words = words;
	atomic_fetch_add(device ? &device->users : &u->users, 1);
	link_dirty(u, d);
	unit_forget_awaited(u, true); /* entries that are dirty */
	*out = d;
	return VIOMMU_OK;
}

/* Whether sections older than the epoch have closed; if not, the host hears when they have. */
static bool passed(struct viommu_dirty *d)
{
	if (!unit_await(d->iommu, d->epoch))
		return false;
	d->epoch = 0;
	return true;
}

int viommu_dirty_stop(struct viommu_dirty *d)
{
	struct viommu *u;

	if (!d)
		return VIOMMU_OK;
	u = d->iommu;
	if (!d->stopped) {
		unlink_dirty(u, d);
		d->stopped = true;
		d->epoch = epoch_start(&u->epoch);
	}
	if (!passed(d))
		return VIOMMU_PENDING;
	atomic_fetch_sub(d->device ? &d->device->users : &u->users, 1);
	vm_dealloc(u->vm, d, dirty_bytes(d->words));
	return VIOMMU_OK;
}

/* ---- collecting ---- */

/* False: there are more words than one call may look at. */
static bool take(struct viommu_dirty *d, uint64_t *bitmap)
{
	for (uint64_t left = (uint64_t)d->iommu->limits.steps * WORDS_OF_A_STEP; d->at < d->words;
	     d->at++) {
		_Atomic uint64_t *word = &d->bits[d->at];

		if (left-- == 0)
			return false;
		if (atomic_load_explicit(word, memory_order_relaxed))
			bitmap[d->at] |= atomic_exchange_explicit(word, 0, memory_order_relaxed);
	}
	return true;
}

int viommu_dirty_collect(struct viommu_dirty *d, uint64_t *bitmap)
{
	if (!d || !bitmap || d->stopped)
		return VIOMMU_EINVAL;
	if (!d->epoch) {
		if (!take(d, bitmap))
			return VIOMMU_MORE;
		d->epoch = unit_forget_awaited(d->iommu, false); /* what channels keep */
	}
	if (!passed(d))
		return VIOMMU_PENDING;
	d->at = 0;
	return VIOMMU_OK;
}
