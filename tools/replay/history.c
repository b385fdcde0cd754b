/* SPDX-License-Identifier: BSD-3-Clause */
/* history.c - what the recording has answered and the guest has not invalidated since. */

#include <stdlib.h>
#include <string.h>

#include "history.h"

#define BUCKETS 4096U

struct history_entry {
	struct history_entry *next;
	struct history_answer answer;
};

static uint32_t bucket_of(uint64_t first)
{
	return (uint32_t)((first >> 12 ^ first) * 0x9e3779b97f4a7c15U >> 40) % BUCKETS;
}

static void free_list(struct history_entry *entry)
{
	while (entry) {
		struct history_entry *next = entry->next;

		free(entry);
		entry = next;
	}
}

void history_fini(struct history *h)
{
	for (unsigned i = 0; h->bucket && i < BUCKETS; i++)
		free_list(h->bucket[i]);
	free_list(h->free);
	free(h->bucket);
	memset(h, 0, sizeof(*h));
}

static bool same_block(const struct history_answer *a, const struct history_answer *b)
{
	return a->first == b->first && a->mask == b->mask && a->to == b->to && a->perm == b->perm &&
	       a->pasid == b->pasid && a->interrupt == b->interrupt;
}

static bool same_tag(const struct history_answer *a, const struct history_answer *b)
{
	return a->interrupt ? a->rid == b->rid : a->tag == b->tag;
}

static const struct history_entry *find(const struct history *h,
					const struct history_answer *answer)
{
	const struct history_entry *e = h->bucket ? h->bucket[bucket_of(answer->first)] : NULL;

	while (e && !(same_block(&e->answer, answer) && same_tag(&e->answer, answer)))
		e = e->next;
	return e;
}

bool history_has(const struct history *h, const struct history_answer *answer)
{
	return find(h, answer) != NULL;
}

void history_add(struct history *h, const struct history_answer *answer)
{
	struct history_entry *e = (struct history_entry *)find(h, answer);
	struct history_entry **head;

	if (e)
		return;
	if (!h->bucket)
		h->bucket = calloc(BUCKETS, sizeof(struct history_entry *));
	e = h->free;
	if (e)
		h->free = e->next;
	else
		e = malloc(sizeof(*e));
	if (!h->bucket || !e) {
		free(e);
		h->exhausted = true;
		return;
	}
	head = &h->bucket[bucket_of(answer->first)];
	*e = (struct history_entry){ .next = *head, .answer = *answer };
	*head = e;
}

static bool matches(const struct history_answer *a, const struct history_match *m)
{
	if (a->interrupt != m->interrupt)
		return false;
	if (m->by_tag && (a->tag | m->tag_mask) != (m->tag | m->tag_mask))
		return false;
	if (m->by_pasid && a->pasid != m->pasid)
		return false;
	if (m->by_rid && (a->rid | m->rid_mask) != (m->rid | m->rid_mask))
		return false;
	return !m->by_range || (a->first <= m->last && (a->first | a->mask) >= m->first);
}

void history_forget(struct history *h, const struct history_match *m)
{
	for (unsigned i = 0; h->bucket && i < BUCKETS; i++) {
		struct history_entry **at = &h->bucket[i];

		while (*at) {
			struct history_entry *e = *at;

			if (!matches(&e->answer, m)) {
				at = &e->next;
				continue;
			}
			*at = e->next;
			e->next = h->free;
			h->free = e;
		}
	}
}
