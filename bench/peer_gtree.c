/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * peer_gtree.c - the structure of QEMU's virtio-iommu mappings, from its public description; no
 * line is from there.
 *
 * A GTree whose keys are intervals; two that overlap compare as equal. Keys and values are
 * allocated each by itself. Unmapping looks for any mapping that overlaps until there is none.
 * Lookups take a mutex, since a GTree may not change under them; the peer is spared the mutex where
 * it changes the tree.
 */
#define _GNU_SOURCE
#include <glib.h>
#include <pthread.h>
#include <stdlib.h>

#include "map_world.h"
#include "shim.h"

struct interval {
	uint64_t low;
	uint64_t high;
};

struct mapping {
	uint64_t target;
	uint32_t flags;
};

struct gtree {
	GTree *tree;
	pthread_mutex_t lock; /* the tree, in lookups */
};

static gint compare(gconstpointer a, gconstpointer b, gpointer opaque)
{
	const struct interval *x = a, *y = b;

	(void)opaque;
	if (x->high < y->low)
		return -1;
	return x->low > y->high;
}

static void *create(uint64_t most)
{
	struct gtree *g = g_new0(struct gtree, 1);

	(void)most;
	pthread_mutex_init(&g->lock, NULL);
	g->tree = g_tree_new_full(compare, NULL, g_free, g_free);
	return g;
}

static void destroy(void *store)
{
	struct gtree *g = store;

	g_tree_destroy(g->tree);
	pthread_mutex_destroy(&g->lock);
	g_free(g);
}

static bool add(void *store, uint64_t first, uint64_t last, uint64_t target)
{
	struct gtree *g = store;
	struct interval *key;
	struct mapping *value;

	if (g_tree_lookup(g->tree, &(struct interval){ first, last }))
		return false;
	key = g_new(struct interval, 1);
	*key = (struct interval){ first, last };
	value = g_new(struct mapping, 1);
	*value = (struct mapping){ target, 3 };
	g_tree_insert(g->tree, key, value);
	return true;
}

static bool remove_all(void *store, uint64_t first, uint64_t last)
{
	struct gtree *g = store;
	struct interval range = { first, last };
	gpointer key, value;
	bool any = false;

	while (g_tree_lookup_extended(g->tree, &range, &key, &value)) {
		const struct interval *has = key;
		struct interval whole = *has;

		if (whole.low < first || whole.high > last)
			return false;
		g_tree_remove(g->tree, &whole);
		any = true;
	}
	return any;
}

static bool find(void *store, uint64_t address, uint64_t *target)
{
	struct gtree *g = store;
	struct interval range = { address, address };
	gpointer key, value;
	bool found;

	pthread_mutex_lock(&g->lock);
	found = g_tree_lookup_extended(g->tree, &range, &key, &value);
	if (found) {
		const struct interval *has = key;
		const struct mapping *mapping = value;

		*target = mapping->target + (address - has->low);
	}
	pthread_mutex_unlock(&g->lock);
	return found;
}

void bench_suite_peer_gtree(void)
{
	static const struct map_ops ops = {
		.prefix = "peer/gtree",
		.map = "map",
		.unmap = "unmap",
		.create = create,
		.destroy = destroy,
		.add = add,
		.remove = remove_all,
		.find = find,
	};

	map_register(&ops);
}
