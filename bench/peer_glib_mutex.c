/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * peer_glib_mutex.c - the structure of QEMU's VT-d IOTLB, from its public description; no line is
 * from there.
 *
 * A GHashTable with allocated keys of 64 bits (page number, requester and level in one word) and allocated
 * values, probed once for each page size, 4 KiB, 2 MiB, 1 GiB. 1024 entries; when full, all are dropped.
 * One mutex around everything. An invalidation looks at each entry. Contexts are cached, so a
 * miss walks the second stage only.
 */
#define _GNU_SOURCE
#include <glib.h>
#include <pthread.h>

#include "peer.h"
#include "plain_walk.h"
#include "shim.h"

#define MAX_ENTRIES 1024
#define LEVELS	    3 /* page sizes */
#define CONTEXTS    256

/* A key: level << 52 | requester << 36 | iova >> 12 >> 9 * level, of 48-bit addresses. */
#define KEY_REQUESTER 36
#define KEY_LEVEL     52

struct value {
	uint64_t gpa;
	uint64_t mask;
	uint64_t iova; /* first of the page */
	uint64_t permissions;
	uint16_t did;
};

struct cached_context {
	bool valid;
	uint16_t rid;
	struct plain_context context;
};

struct glib_mutex {
	const struct guest *guest;
	uint64_t root;
	pthread_mutex_t lock; /* everything below */
	GHashTable *entries;
	struct cached_context contexts[CONTEXTS];
};

static guint hash(gconstpointer p)
{
	uint64_t key = *(const uint64_t *)p;

	return (guint)(key ^ key >> 32);
}

static gboolean equal(gconstpointer a, gconstpointer b)
{
	return *(const uint64_t *)a == *(const uint64_t *)b;
}

static uint64_t make_key(uint16_t rid, uint64_t iova, unsigned level)
{
	return (uint64_t)level << KEY_LEVEL | (uint64_t)rid << KEY_REQUESTER |
	       iova >> (12 + 9 * level);
}

static void *create(const struct guest *guest, uint64_t root)
{
	struct glib_mutex *m = g_new0(struct glib_mutex, 1);

	m->guest = guest;
	m->root = root;
	pthread_mutex_init(&m->lock, NULL);
	m->entries = g_hash_table_new_full(hash, equal, g_free, g_free);
	return m;
}

static void destroy(void *peer)
{
	struct glib_mutex *m = peer;

	g_hash_table_destroy(m->entries);
	pthread_mutex_destroy(&m->lock);
	g_free(m);
}

static const struct value *find(struct glib_mutex *m, uint16_t rid, uint64_t iova)
{
	for (unsigned level = 0; level < LEVELS; level++) {
		uint64_t key = make_key(rid, iova, level);
		const struct value *v = g_hash_table_lookup(m->entries, &key);

		if (v)
			return v;
	}
	return NULL;
}

static const struct plain_context *find_context(struct glib_mutex *m, uint16_t rid)
{
	struct cached_context *c = &m->contexts[rid % CONTEXTS];

	if (!c->valid || c->rid != rid) {
		c->rid = rid;
		c->valid = plain_context(m->guest, m->root, rid, &c->context);
	}
	return c->valid ? &c->context : NULL;
}

static const struct value *fill(struct glib_mutex *m, uint16_t rid, uint64_t iova)
{
	const struct plain_context *context = find_context(m, rid);
	struct plain_page page;
	struct value *value;
	uint64_t *key;

	if (!context || !plain_walk(m->guest, context, iova, &page))
		return NULL;
	if (g_hash_table_size(m->entries) >= MAX_ENTRIES)
		g_hash_table_remove_all(m->entries);
	key = g_new(uint64_t, 1);
	*key = make_key(rid, iova, page.level);
	value = g_new(struct value, 1);
	*value = (struct value){ page.gpa, page.mask, iova & ~page.mask, page.permissions,
				 context->did };
	g_hash_table_replace(m->entries, key, value);
	return value;
}

static bool translate(void *peer, uint16_t rid, uint64_t iova, bool write, uint64_t *gpa)
{
	struct glib_mutex *m = peer;
	const struct value *v;
	bool ok;

	pthread_mutex_lock(&m->lock);
	v = find(m, rid, iova);
	if (!v)
		v = fill(m, rid, iova);
	ok = v && (v->permissions & (write ? 2 : 1));
	if (ok)
		*gpa = v->gpa | (iova & v->mask);
	pthread_mutex_unlock(&m->lock);
	return ok;
}

struct victim {
	uint64_t iova;
	uint16_t did;
};

static gboolean in_page(gpointer key, gpointer value, gpointer data)
{
	const struct value *v = value;
	const struct victim *victim = data;

	(void)key;
	return v->did == victim->did && v->iova == (victim->iova & ~v->mask);
}

static gboolean in_domain(gpointer key, gpointer value, gpointer data)
{
	const struct value *v = value;
	const struct victim *victim = data;

	(void)key;
	return v->did == victim->did;
}

static void drop(struct glib_mutex *m, GHRFunc which, struct victim victim)
{
	pthread_mutex_lock(&m->lock);
	g_hash_table_foreach_remove(m->entries, which, &victim);
	pthread_mutex_unlock(&m->lock);
}

static void invalidate_page(void *peer, uint16_t did, uint64_t iova)
{
	drop(peer, in_page, (struct victim){ iova, did });
}

static void invalidate_domain(void *peer, uint16_t did)
{
	drop(peer, in_domain, (struct victim){ 0, did });
}

static uint64_t cached(void *peer)
{
	struct glib_mutex *m = peer;

	return g_hash_table_size(m->entries);
}

void bench_suite_peer_glib_mutex(void)
{
	static const struct peer_ops ops = {
		.create = create,
		.destroy = destroy,
		.translate = translate,
		.invalidate_page = invalidate_page,
		.invalidate_domain = invalidate_domain,
		.cached = cached,
	};

	peer_register("glib_mutex", &ops);
}
