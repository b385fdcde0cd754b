/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * peer_walk_always.c - no cache: every request reads the root entry, the context entry and all
 * levels, with atomic loads. Needs no lock, and an invalidation has nothing to do; its figure is
 * that of the call.
 */
#include <stdlib.h>

#include "peer.h"
#include "plain_walk.h"
#include "shim.h"

struct walker {
	const struct guest *guest;
	uint64_t root;
};

static void *create(const struct guest *guest, uint64_t root)
{
	struct walker *w = malloc(sizeof(*w));

	if (w)
		*w = (struct walker){ guest, root };
	return w;
}

static bool translate(void *peer, uint16_t rid, uint64_t iova, bool write, uint64_t *gpa)
{
	const struct walker *w = peer;
	struct plain_context context;
	struct plain_page page;

	if (!plain_context(w->guest, w->root, rid, &context) ||
	    !plain_walk(w->guest, &context, iova, &page))
		return false;
	*gpa = page.gpa | (iova & page.mask);
	return page.permissions & (write ? 2 : 1);
}

static void invalidate_page(void *peer, uint16_t did, uint64_t iova)
{
	(void)peer;
	(void)did;
	(void)iova;
}

static void invalidate_domain(void *peer, uint16_t did)
{
	(void)peer;
	(void)did;
}

static uint64_t cached(void *peer)
{
	(void)peer;
	return 0;
}

void bench_suite_peer_walk_always(void)
{
	static const struct peer_ops ops = {
		.create = create,
		.destroy = free,
		.translate = translate,
		.invalidate_page = invalidate_page,
		.invalidate_domain = invalidate_domain,
		.cached = cached,
	};

	peer_register("walk_always", &ops);
}
