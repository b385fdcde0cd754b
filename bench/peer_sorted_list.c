/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * peer_sorted_list.c - the structure of DPDK's vhost IOTLB, from its public description; no line
 * is from there.
 *
 * Up to 2048 ranges from a pool, in a list sorted by address, searched from its head under a read
 * lock. When the pool is empty a random range makes room. A miss walks the tables and inserts
 * under the write lock.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdlib.h>

#include "cycle.h"
#include "peer.h"
#include "plain_walk.h"
#include "shim.h"

#define MAX_RANGES 2048

struct range {
	struct range *prev, *next;
	uint64_t iova, last;
	uint64_t gpa;
	uint64_t permissions;
	uint16_t rid, did;
};

struct sorted_list {
	const struct guest *guest;
	uint64_t root;
	pthread_rwlock_t lock; /* everything below */
	struct range head;     /* of the ring of ranges; its `last` is below any address */
	struct range *unused;
	uint64_t count;
	uint64_t seed;
	struct range pool[MAX_RANGES];
};

static void *create(const struct guest *guest, uint64_t root)
{
	struct sorted_list *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->guest = guest;
	l->root = root;
	pthread_rwlock_init(&l->lock, NULL);
	l->head.prev = l->head.next = &l->head;
	for (unsigned i = 0; i < MAX_RANGES; i++) {
		l->pool[i].next = l->unused;
		l->unused = &l->pool[i];
	}
	return l;
}

static void destroy(void *peer)
{
	struct sorted_list *l = peer;

	pthread_rwlock_destroy(&l->lock);
	free(l);
}

static void unlink_range(struct sorted_list *l, struct range *r)
{
	r->prev->next = r->next;
	r->next->prev = r->prev;
	r->next = l->unused;
	l->unused = r;
	l->count--;
}

/* The first range that ends at or after `iova`, or the head. */
static struct range *seek(struct sorted_list *l, uint64_t iova)
{
	struct range *r = l->head.next;

	while (r != &l->head && r->last < iova)
		r = r->next;
	return r;
}

/* The range of `rid` that holds `iova`, or NULL. Requesters may use the same addresses. */
static const struct range *find(struct sorted_list *l, uint16_t rid, uint64_t iova)
{
	for (struct range *r = seek(l, iova); r != &l->head && r->iova <= iova; r = r->next)
		if (r->rid == rid)
			return r;
	return NULL;
}

static void evict_random(struct sorted_list *l)
{
	uint64_t skip = random_next(&l->seed) % l->count;
	struct range *r = l->head.next;

	while (skip--)
		r = r->next;
	unlink_range(l, r);
}

static void insert(struct sorted_list *l, const struct range *new)
{
	struct range *before, *r;

	if (find(l, new->rid, new->iova)) /* another thread was faster */
		return;
	if (!l->unused)
		evict_random(l);
	before = seek(l, new->iova);
	r = l->unused;
	l->unused = r->next;
	*r = *new;
	r->next = before;
	r->prev = before->prev;
	r->prev->next = r;
	before->prev = r;
	l->count++;
}

static bool walk(const struct sorted_list *l, uint16_t rid, uint64_t iova, struct range *r)
{
	struct plain_context context;
	struct plain_page page;

	if (!plain_context(l->guest, l->root, rid, &context) ||
	    !plain_walk(l->guest, &context, iova, &page))
		return false;
	*r = (struct range){ .iova = iova & ~page.mask,
			     .last = iova | page.mask,
			     .gpa = page.gpa,
			     .permissions = page.permissions,
			     .rid = rid,
			     .did = context.did };
	return true;
}

static bool answer(const struct range *r, uint64_t iova, bool write, uint64_t *gpa)
{
	*gpa = r->gpa + (iova - r->iova);
	return r->permissions & (write ? 2 : 1);
}

static bool translate(void *peer, uint16_t rid, uint64_t iova, bool write, uint64_t *gpa)
{
	struct sorted_list *l = peer;
	const struct range *known;
	struct range new;
	bool ok = false;

	pthread_rwlock_rdlock(&l->lock);
	known = find(l, rid, iova);
	if (known)
		ok = answer(known, iova, write, gpa);
	pthread_rwlock_unlock(&l->lock);
	if (known)
		return ok;
	if (!walk(l, rid, iova, &new))
		return false;
	pthread_rwlock_wrlock(&l->lock);
	insert(l, &new);
	pthread_rwlock_unlock(&l->lock);
	return answer(&new, iova, write, gpa);
}

static void invalidate_page(void *peer, uint16_t did, uint64_t iova)
{
	struct sorted_list *l = peer;
	struct range *r, *next;

	pthread_rwlock_wrlock(&l->lock);
	for (r = seek(l, iova); r != &l->head && r->iova <= iova; r = next) {
		next = r->next;
		if (r->did == did)
			unlink_range(l, r);
	}
	pthread_rwlock_unlock(&l->lock);
}

static void invalidate_domain(void *peer, uint16_t did)
{
	struct sorted_list *l = peer;
	struct range *r, *next;

	pthread_rwlock_wrlock(&l->lock);
	for (r = l->head.next; r != &l->head; r = next) {
		next = r->next;
		if (r->did == did)
			unlink_range(l, r);
	}
	pthread_rwlock_unlock(&l->lock);
}

static uint64_t cached(void *peer)
{
	struct sorted_list *l = peer;

	return l->count;
}

void bench_suite_peer_sorted_list(void)
{
	static const struct peer_ops ops = {
		.create = create,
		.destroy = destroy,
		.translate = translate,
		.invalidate_page = invalidate_page,
		.invalidate_domain = invalidate_domain,
		.cached = cached,
	};

	peer_register("sorted_list", &ops);
}
