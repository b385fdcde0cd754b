/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * peer_range_map.c - the structure of rust-vmm's IOTLB, from its public description; no line is from there.
 *
 * Each device has an ordered map from ranges to where they are, in nodes of 11 as Rust's maps have them, under a
 * reader-writer lock. It has no cap. What is not in it is walked and added under the write lock.
 *
 * Spared: neighbours are not joined, and nodes are never merged (empty ones stay for the next range).
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "peer.h"
#include "plain_walk.h"
#include "shim.h"

enum { NODE = 11, DEVICES = 256 };

struct range {
	uint64_t first, last;
	uint64_t gpa;
	uint64_t permissions;
};

/* A leaf has ranges; another node has as many children, of which number i has what begins at start[i] or behind. */
struct node {
	unsigned count;
	bool leaf;
	union {
		struct range range[NODE];
		struct {
			uint64_t start[NODE];
			struct node *child[NODE];
		};
	};
};

struct device {
	pthread_rwlock_t lock; /* what follows */
	struct node *root;
	uint64_t count;
};

struct range_maps {
	const struct guest *guest;
	uint64_t root;
	struct device device[DEVICES];	      /* by requester id */
	struct device *of_domain[UINT16_MAX]; /* each has one device; set with its first range */
};

/* ---- an ordered map ---- */

static struct node *new_node(bool leaf)
{
	struct node *n = calloc(1, sizeof(*n));

	if (!n)
		abort();
	n->leaf = leaf;
	return n;
}

static void free_node(struct node *n)
{
	for (unsigned i = 0; !n->leaf && i < n->count; i++)
		free_node(n->child[i]);
	free(n);
}

/* Which child has a range that begins there. */
static unsigned place(const struct node *n, uint64_t first)
{
	unsigned i = 1;

	while (i < n->count && n->start[i] <= first)
		i++;
	return i - 1;
}

/* How many ranges of a leaf begin there or before. */
static unsigned up_to(const struct node *leaf, uint64_t first)
{
	unsigned i = 0;

	while (i < leaf->count && leaf->range[i].first <= first)
		i++;
	return i;
}

/* The last range that begins at an address or before, or NULL. */
static struct range *before(struct node *n, uint64_t iova)
{
	struct range *found = NULL;
	unsigned i;

	if (n->leaf) {
		i = up_to(n, iova);
		return i ? &n->range[i - 1] : NULL;
	}
	for (i = place(n, iova) + 1; !found && i > 0; i--)
		found = before(n->child[i - 1], iova);
	return found;
}

static struct range *find(const struct device *d, uint64_t iova)
{
	struct range *r = before(d->root, iova);

	return r && r->last >= iova ? r : NULL;
}

/* The upper half of a full child becomes the child behind it. The parent has room. */
static void split(struct node *parent, unsigned i)
{
	struct node *low = parent->child[i], *high = new_node(low->leaf);
	unsigned keeps = NODE / 2;

	high->count = low->count - keeps;
	low->count = keeps;
	if (low->leaf) {
		memcpy(high->range, low->range + keeps, high->count * sizeof(high->range[0]));
	} else {
		memcpy(high->start, low->start + keeps, high->count * sizeof(high->start[0]));
		memcpy(high->child, low->child + keeps, high->count * sizeof(high->child[0]));
	}
	for (unsigned k = parent->count++; k > i + 1; k--) {
		parent->start[k] = parent->start[k - 1];
		parent->child[k] = parent->child[k - 1];
	}
	parent->start[i + 1] = high->leaf ? high->range[0].first : high->start[0];
	parent->child[i + 1] = high;
}

static void grow(struct device *d)
{
	struct node *root = new_node(false);

	root->count = 1;
	root->child[0] = d->root;
	d->root = root;
	split(root, 0);
}

static void add(struct device *d, const struct range *r)
{
	struct node *n = d->root;
	unsigned i;

	if (n->count == NODE) {
		grow(d);
		n = d->root;
	}
	while (!n->leaf) {
		i = place(n, r->first);
		if (n->child[i]->count == NODE) {
			split(n, i);
			i = place(n, r->first);
		}
		n = n->child[i];
	}
	i = up_to(n, r->first);
	memmove(&n->range[i + 1], &n->range[i], (n->count - i) * sizeof(n->range[0]));
	n->range[i] = *r;
	n->count++;
	d->count++;
}

static void take(struct device *d, uint64_t first)
{
	struct node *n = d->root;
	unsigned i;

	while (!n->leaf)
		n = n->child[place(n, first)];
	i = up_to(n, first);
	memmove(&n->range[i - 1], &n->range[i], (n->count - i) * sizeof(n->range[0]));
	n->count--;
	d->count--;
}

/* ---- the peer ---- */

static void *create(const struct guest *guest, uint64_t root)
{
	struct range_maps *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	m->guest = guest;
	m->root = root;
	for (unsigned i = 0; i < DEVICES; i++) {
		pthread_rwlock_init(&m->device[i].lock, NULL);
		m->device[i].root = new_node(true);
	}
	return m;
}

static void destroy(void *peer)
{
	struct range_maps *m = peer;

	for (unsigned i = 0; i < DEVICES; i++) {
		free_node(m->device[i].root);
		pthread_rwlock_destroy(&m->device[i].lock);
	}
	free(m);
}

static bool answer(const struct range *r, uint64_t iova, bool write, uint64_t *gpa)
{
	*gpa = r->gpa + (iova - r->first);
	return r->permissions & (write ? 2 : 1);
}

static bool walk_and_add(struct range_maps *m, uint16_t rid, uint64_t iova, struct range *r)
{
	struct device *d = &m->device[rid % DEVICES];
	struct plain_context context;
	struct plain_page page;

	if (!plain_context(m->guest, m->root, rid, &context) ||
	    !plain_walk(m->guest, &context, iova, &page))
		return false;
	*r = (struct range){ .first = iova & ~page.mask,
			     .last = iova | page.mask,
			     .gpa = page.gpa,
			     .permissions = page.permissions };
	pthread_rwlock_wrlock(&d->lock);
	m->of_domain[context.did % UINT16_MAX] = d;
	if (!find(d, iova)) /* or another thread was faster */
		add(d, r);
	pthread_rwlock_unlock(&d->lock);
	return true;
}

static bool translate(void *peer, uint16_t rid, uint64_t iova, bool write, uint64_t *gpa)
{
	struct range_maps *m = peer;
	struct device *d = &m->device[rid % DEVICES];
	const struct range *known;
	struct range new;
	bool ok = false;

	pthread_rwlock_rdlock(&d->lock);
	known = find(d, iova);
	if (known)
		ok = answer(known, iova, write, gpa);
	pthread_rwlock_unlock(&d->lock);
	if (known)
		return ok;
	return walk_and_add(m, rid, iova, &new) && answer(&new, iova, write, gpa);
}

static void invalidate_page(void *peer, uint16_t did, uint64_t iova)
{
	struct device *d = ((struct range_maps *)peer)->of_domain[did % UINT16_MAX];
	const struct range *r;

	if (!d)
		return;
	pthread_rwlock_wrlock(&d->lock);
	r = find(d, iova);
	if (r)
		take(d, r->first);
	pthread_rwlock_unlock(&d->lock);
}

static void invalidate_domain(void *peer, uint16_t did)
{
	struct device *d = ((struct range_maps *)peer)->of_domain[did % UINT16_MAX];

	if (!d)
		return;
	pthread_rwlock_wrlock(&d->lock);
	free_node(d->root);
	d->root = new_node(true);
	d->count = 0;
	pthread_rwlock_unlock(&d->lock);
}

static uint64_t cached(void *peer)
{
	const struct range_maps *m = peer;
	uint64_t count = 0;

	for (unsigned i = 0; i < DEVICES; i++)
		count += m->device[i].count;
	return count;
}

void bench_suite_peer_range_map(void)
{
	static const struct peer_ops ops = {
		.create = create,
		.destroy = destroy,
		.translate = translate,
		.invalidate_page = invalidate_page,
		.invalidate_domain = invalidate_domain,
		.cached = cached,
	};

	peer_register("range_map", &ops);
}
