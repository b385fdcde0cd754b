/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * peer_iotlb.c - device IOTLBs as backends have them, written from descriptions; no line is theirs.
 *
 * sorted_list: DPDK. A list sorted by address, searched from its head; when the pool of entries is empty, a random
 * one makes room.
 *
 * interval_tree: Linux. A balanced search tree whose nodes know the highest last address below
 * them; the oldest entry makes room. Here the balance is that of a treap.
 *
 * Both have a lock for each queue, which whoever looks up takes once for a burst, and whoever changes something takes
 * all of: here it is a reader-writer lock, and a burst is 16 lookups.
 *
 * What the peers are spared: sections, guest-physical addresses, splitting, fragments, misses.
 */
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "iotlb_world.h"

struct range {
	uint64_t first, last;
	uint64_t host;
	uint64_t highest;     /* tree: of all below */
	uint64_t priority;    /* tree */
	struct range *a, *b;  /* list: before and behind; tree: left and right */
	struct range *newer;  /* tree: added next; of unused ones: the next */
	struct range **place; /* list, for a random choice: in all[] */
};

struct queue {
	_Alignas(64) pthread_rwlock_t lock;
};

struct peer {
	const struct peer_kind *kind;
	struct queue queue[IOTLB_QUEUES];
	struct range head; /* of the list */
	struct range *root;
	struct range *oldest, *newest;
	struct range *unused;
	struct range **all;
	uint64_t count, cap, seed;
	struct range pool[];
};

struct peer_kind {
	const char *name;
	void (*init)(struct peer *p); /* may be NULL */
	bool (*lookup)(struct peer *p, uint64_t iova, uint64_t *host);
	void (*insert)(struct peer *p, uint64_t first, uint64_t last, uint64_t host);
	void (*invalidate)(struct peer *p, uint64_t first, uint64_t last);
};

static void lock_all(struct peer *p)
{
	for (unsigned i = 0; i < IOTLB_QUEUES; i++)
		pthread_rwlock_wrlock(&p->queue[i].lock);
}

static void unlock_all(struct peer *p)
{
	for (unsigned i = 0; i < IOTLB_QUEUES; i++)
		pthread_rwlock_unlock(&p->queue[i].lock);
}

static struct range *take(struct peer *p, uint64_t first, uint64_t last, uint64_t host)
{
	struct range *r = p->unused;

	p->unused = r->newer;
	*r = (struct range){ .first = first, .last = last, .host = host, .highest = last };
	p->count++;
	return r;
}

static void give(struct peer *p, struct range *r)
{
	r->newer = p->unused;
	p->unused = r;
	p->count--;
}

/* ---- a sorted list ---- */

static void list_init(struct peer *p)
{
	p->head.a = p->head.b = &p->head;
}

static struct range *list_seek(struct peer *p, uint64_t iova)
{
	struct range *r = p->head.b;

	while (r != &p->head && r->last < iova)
		r = r->b;
	return r;
}

static bool list_lookup(struct peer *p, uint64_t iova, uint64_t *host)
{
	const struct range *r;
	bool found;

	r = list_seek(p, iova);
	found = r != &p->head && r->first <= iova;
	if (found)
		*host = r->host + (iova - r->first);
	return found;
}

static void list_remove(struct peer *p, struct range *r)
{
	r->a->b = r->b;
	r->b->a = r->a;
	*r->place = p->all[p->count - 1];
	(*r->place)->place = r->place;
	give(p, r);
}

static void list_insert(struct peer *p, uint64_t first, uint64_t last, uint64_t host)
{
	struct range *r, *behind;

	if (!p->unused)
		list_remove(p, p->all[random_next(&p->seed) % p->count]);
	behind = list_seek(p, first);
	r = take(p, first, last, host);
	r->place = &p->all[p->count - 1];
	*r->place = r;
	r->b = behind;
	r->a = behind->a;
	r->a->b = behind->a = r;
}

static void list_invalidate(struct peer *p, uint64_t first, uint64_t last)
{
	struct range *r, *next;

	for (r = list_seek(p, first); r != &p->head && r->first <= last; r = next) {
		next = r->b;
		list_remove(p, r);
	}
}

/* ---- an interval tree ---- */

static void update(struct range *r)
{
	r->highest = r->last;
	if (r->a && r->a->highest > r->highest)
		r->highest = r->a->highest;
	if (r->b && r->b->highest > r->highest)
		r->highest = r->b->highest;
}

/* The two halves of a tree: below @first, and the rest. */
static void tree_split(struct range *t, uint64_t first, struct range **below, struct range **rest)
{
	if (!t) {
		*below = *rest = NULL;
	} else if (t->first < first) {
		tree_split(t->b, first, &t->b, rest);
		*below = t;
		update(t);
	} else {
		tree_split(t->a, first, below, &t->a);
		*rest = t;
		update(t);
	}
}

static struct range *tree_join(struct range *below, struct range *rest)
{
	if (!below || !rest)
		return below ? below : rest;
	if (below->priority > rest->priority) {
		below->b = tree_join(below->b, rest);
		update(below);
		return below;
	}
	rest->a = tree_join(below, rest->a);
	update(rest);
	return rest;
}

/* The leftmost range that overlaps [first, last]. */
static struct range *tree_find(struct range *t, uint64_t first, uint64_t last)
{
	while (t && t->highest >= first) {
		if (t->a && t->a->highest >= first)
			t = t->a;
		else if (t->first > last)
			return NULL;
		else if (t->last >= first)
			return t;
		else
			t = t->b;
	}
	return NULL;
}

static bool tree_lookup(struct peer *p, uint64_t iova, uint64_t *host)
{
	const struct range *r;

	r = tree_find(p->root, iova, iova);
	if (r)
		*host = r->host + (iova - r->first);
	return r;
}

static struct range *tree_put(struct range *t, struct range *r)
{
	if (!t)
		return r;
	if (r->priority > t->priority) {
		tree_split(t, r->first, &r->a, &r->b);
		update(r);
		return r;
	}
	if (t->first < r->first)
		t->b = tree_put(t->b, r);
	else
		t->a = tree_put(t->a, r);
	update(t);
	return t;
}

static struct range *tree_cut(struct range *t, const struct range *r)
{
	if (t == r)
		return tree_join(t->a, t->b);
	if (t->first < r->first)
		t->b = tree_cut(t->b, r);
	else
		t->a = tree_cut(t->a, r);
	update(t);
	return t;
}

/* In the list of ages `place` points to the pointer to this one. */
static void tree_remove(struct peer *p, struct range *r)
{
	p->root = tree_cut(p->root, r);
	*r->place = r->newer;
	if (r->newer)
		r->newer->place = r->place;
	else if (r->place == &p->oldest)
		p->newest = NULL;
	else
		p->newest =
			(struct range *)(void *)((char *)r->place - offsetof(struct range, newer));
	give(p, r);
}

static void tree_insert(struct peer *p, uint64_t first, uint64_t last, uint64_t host)
{
	struct range *r;

	if (!p->unused)
		tree_remove(p, p->oldest);
	r = take(p, first, last, host);
	r->priority = random_next(&p->seed);
	r->place = p->newest ? &p->newest->newer : &p->oldest;
	*r->place = r;
	p->newest = r;
	p->root = tree_put(p->root, r);
}

static void tree_invalidate(struct peer *p, uint64_t first, uint64_t last)
{
	struct range *r;

	while ((r = tree_find(p->root, first, last)))
		tree_remove(p, r);
}

/* ---- worlds ---- */

struct iotlb_peer_world {
	struct peer *peer;
	struct iotlb_order *order[IOTLB_QUEUES];
	uint64_t next;
};

static struct iotlb_peer_world *make(const struct bench *row)
{
	struct iotlb_peer_world *w = calloc(1, sizeof(*w));
	size_t bytes = sizeof(struct peer) + row->n * sizeof(struct range);
	struct peer *p = aligned_alloc(64, (bytes + 63) / 64 * 64);

	if (!w || !p)
		abort();
	memset(p, 0, bytes);
	p->all = calloc(row->n, sizeof(p->all[0]));
	if (!p->all)
		abort();
	p->kind = row->arg;
	p->cap = row->n;
	for (uint64_t i = 0; i < row->n; i++) {
		p->pool[i].newer = p->unused;
		p->unused = &p->pool[i];
	}
	for (unsigned i = 0; i < IOTLB_QUEUES; i++)
		pthread_rwlock_init(&p->queue[i].lock, NULL);
	if (p->kind->init)
		p->kind->init(p);
	w->peer = p;
	return w;
}

static void insert(struct peer *p, uint64_t first, uint64_t bytes)
{
	lock_all(p);
	p->kind->insert(p, first, first + bytes - 1, first + IOTLB_HOST);
	unlock_all(p);
}

/* From the highest address down: the list is not searched for that. */
static void *prepare_ranges(const struct bench *row)
{
	struct iotlb_peer_world *w = make(row);

	for (uint64_t i = row->n; i-- > 0;)
		insert(w->peer, iotlb_first(i), iotlb_bytes(i));
	for (unsigned i = 0; i < IOTLB_QUEUES; i++)
		w->order[i] = iotlb_order_new(row->n);
	return w;
}

static void *prepare_pages(const struct bench *row)
{
	struct iotlb_peer_world *w = make(row);

	for (uint64_t i = 0; i < row->n; i++)
		insert(w->peer, iotlb_page(w->next++), 4096);
	return w;
}

static void discard(void *world)
{
	struct iotlb_peer_world *w = world;

	free(w->peer->all);
	free(w->peer);
	for (unsigned i = 0; i < IOTLB_QUEUES; i++)
		free(w->order[i]);
	free(w);
}

/* ---- loops: those of iotlb_bench.c ---- */

static void look_up(struct peer *p, struct iotlb_order *order)
{
	uint64_t iova = iotlb_order_next(order), host = 0;

	if (!p->kind->lookup(p, iova, &host) || host != iova + IOTLB_HOST)
		abort();
	bench_use(host);
}

static void run_lookup(struct bench_state *state, void *world)
{
	struct iotlb_peer_world *w = world;
	struct queue *queue = &w->peer->queue[state->thread];

	while (bench_next_batch(state, 16)) {
		pthread_rwlock_rdlock(&queue->lock);
		for (unsigned i = 0; i < 16; i++)
			look_up(w->peer, w->order[state->thread]);
		pthread_rwlock_unlock(&queue->lock);
	}
}

static void run_insert(struct bench_state *state, void *world)
{
	struct iotlb_peer_world *w = world;

	while (bench_next_batch(state, 16))
		for (unsigned i = 0; i < 16; i++)
			insert(w->peer, iotlb_page(w->next++), 4096);
}

static void run_invalidate(struct bench_state *state, void *world)
{
	struct iotlb_peer_world *w = world;
	uint64_t at = 0;

	while (bench_next_batch(state, IOTLB_BURST)) {
		bench_start(state);
		for (uint64_t i = at; i < at + IOTLB_BURST; i++) {
			lock_all(w->peer);
			w->peer->kind->invalidate(w->peer, iotlb_page(i), iotlb_page(i) + 4095);
			unlock_all(w->peer);
		}
		bench_stop(state);
		if (w->peer->count != w->peer->cap - IOTLB_BURST)
			abort();
		for (uint64_t i = at; i < at + IOTLB_BURST; i++)
			insert(w->peer, iotlb_page(i), 4096);
		at = (at + IOTLB_BURST) % IOTLB_RANGES;
	}
}

/* ---- rows ---- */

#define RANGES(n_)  .run = run_lookup, .prepare = prepare_ranges, .discard = discard, .n = n_
#define PAGES(run_) .run = run_, .prepare = prepare_pages, .discard = discard, .n = IOTLB_RANGES

static const struct bench templates[] = {
	{ .name = "lookup/16", RANGES(16) },
	{ .name = "lookup/2048", RANGES(2048) },
	{ .name = "lookup/100000", RANGES(100000) },
	{ .name = "threads/lookup/1", RANGES(16), .clock = BENCH_WALL, .threads = 1 },
	{ .name = "threads/lookup/2", RANGES(16), .clock = BENCH_WALL, .threads = 2 },
	{ .name = "insert", PAGES(run_insert) },
	{ .name = "invalidate", PAGES(run_invalidate), .clock = BENCH_STOPWATCH },
};

static const struct peer_kind kinds[] = {
	{ "sorted_list", list_init, list_lookup, list_insert, list_invalidate },
	{ "interval_tree", NULL, tree_lookup, tree_insert, tree_invalidate },
};

void bench_suite_peer_iotlb(void)
{
	char full[80];

	for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++)
		for (size_t i = 0; i < sizeof(templates) / sizeof(templates[0]); i++) {
			struct bench row = templates[i];

			snprintf(full, sizeof(full), "peer/%s/iotlb/%s", kinds[k].name, row.name);
			row.name = full;
			row.arg = &kinds[k];
			bench_register(&row, 1);
		}
}
