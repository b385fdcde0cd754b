/* SPDX-License-Identifier: BSD-3-Clause */
/* view_request.c - what a view asks its owner, and what it makes of the reply. */

#include <stddef.h>
#include <string.h>

#include "range.h"
#include "view_own.h"

#define PLACE_BITS 8U

static_assert(VIOMMU_VIEW_REQUESTS_MAX <= 1U << PLACE_BITS, "a place of each");

/* A place for a request; NULL: so many have no reply yet. */
static struct view_asked *free_place(struct viommu_view *view)
{
	for (uint32_t i = 0; i < view->requests; i++) {
		if (!view->asked[i].id)
			return &view->asked[i];
	}
	return NULL;
}

/* Makes the message, behind which what is written belongs. */
static int ask(struct viommu_view *view, struct view_ask *a, void *message, uint32_t max,
	       uint32_t *length)
{
	struct view_asked *asked = free_place(view);

	if (!asked)
		return VIOMMU_ELIMIT;
	a->id = ++view->asked_count << PLACE_BITS | (uint64_t)(asked - view->asked);
	*length = view_ask_put(a, message, max);
	if (!*length)
		return VIOMMU_ENOSPC;
	*asked = (struct view_asked){ .id = a->id,
				      .first = a->first,
				      .last = a->kind == VIEW_TRANSLATE ? a->last : a->bytes,
				      .section = view->open ? view->section_count : 0,
				      .kind = a->kind,
				      .access = a->access };
	return VIOMMU_OK;
}

int viommu_view_request(struct viommu_view *view, const struct viommu_request *r, void *message,
			uint32_t max, uint32_t *length)
{
	struct view_ask a = { .kind = VIEW_TRANSLATE };

	if (!view || !r || !message || !length || !translate_well_formed(r) ||
	    r->type != VIOMMU_AT_UNTRANSLATED || r->pasid != view->pasid)
		return VIOMMU_EINVAL;
	a.first = r->first;
	a.last = r->last;
	a.access = r->access;
	return ask(view, &a, message, max, length);
}

int viommu_view_request_copy(struct viommu_view *view, uint64_t iova, uint32_t bytes,
			     uint32_t access, const void *data, void *message, uint32_t max,
			     uint32_t *length)
{
	struct view_ask a = { .first = iova, .bytes = bytes };
	int result;

	if (!view || !message || !length || !bytes || bytes > VIOMMU_VIEW_COPY_BYTES ||
	    (access & ~(VIOMMU_READ | VIOMMU_WRITE | VIOMMU_EXEC | VIOMMU_PRIV)) ||
	    !!(access & VIOMMU_READ) == !!(access & VIOMMU_WRITE) ||
	    !!(access & VIOMMU_WRITE) != !!data ||
	    ((access & VIOMMU_EXEC) && !(access & VIOMMU_READ)))
		return VIOMMU_EINVAL;
	a.kind = data ? VIEW_WRITE : VIEW_READ;
	a.access = (uint16_t)access;
	result = ask(view, &a, message, max, length);
	if (!result && data)
		memcpy((unsigned char *)message + VIEW_ASK_BYTES, data, bytes);
	return result;
}

int viommu_view_wake(struct viommu_view *view, void *message, uint32_t max, uint32_t *length)
{
	struct view_ask a = { .kind = VIEW_WAKE };

	if (!view || !message || !length)
		return VIOMMU_EINVAL;
	*length = view_ask_put(&a, message, max);
	return *length ? VIOMMU_OK : VIOMMU_ENOSPC;
}

/* ---- replies ---- */

/* Fragments cover [first, next), and no more than was asked for. An owner that permits nothing has none. */
static bool covers(const struct view_asked *asked, const struct view_said *s,
		   const struct viommu_fragment *fragments)
{
	uint64_t at = asked->first;

	for (uint32_t i = 0; i < s->count; i++) {
		uint64_t last;

		if ((i && at == 0) || !range_last(at, fragments[i].length, &last) ||
		    last > asked->last)
			return false;
		at = last + 1;
	}
	if (s->result == VIOMMU_OK && (!s->count || at - 1 != asked->last))
		return false;
	return s->next == at;
}

/* Whether it says what can be said of what was asked. */
static bool answers(const struct view_asked *asked, const struct view_said *s,
		    const struct viommu_fragment *fragments)
{
	if (asked->kind == VIEW_TRANSLATE)
		return s->result != VIOMMU_UNREACHABLE &&
		       (s->result >= 0 ? covers(asked, s, fragments)
				       : !(s->count | s->next | s->reason | s->extent | s->flags));
	return s->result != VIOMMU_MORE && s->count <= asked->last &&
	       (s->result != VIOMMU_OK || s->count == asked->last);
}

/* What was granted, as the caches have it. */
static unsigned perm_of(const struct viommu_fragment *f, unsigned access)
{
	unsigned perm = f->perm;

	if (access & VIOMMU_PRIV)
		perm <<= 3;
	return f->flags & VIOMMU_FRAGMENT_CLEAN ? perm : perm | (unsigned)PERM_DIRTY;
}

/* Until the section closes in which it was asked, nobody is told that it has changed. */
static void hold(struct viommu_view *view, const struct view_asked *asked,
		 const struct view_said *s, const struct viommu_fragment *fragments)
{
	uint64_t at = asked->first;

	if (asked->kind != VIEW_TRANSLATE || !view->open || asked->section != view->section_count ||
	    (asked->access & VIOMMU_QUIET))
		return;
	for (uint32_t i = 0; i < s->count; i++) {
		const struct viommu_fragment *f = &fragments[i];
		struct view_block *held = &view->held[view->held_count++ % VIEW_HELD];

		*held = (struct view_block){ .first = at,
					     .last = at + (f->length - 1),
					     .gpa = f->gpa,
					     .perm = perm_of(f, asked->access),
					     .extent = 0,
					     .section = asked->section };
		at += f->length;
	}
}

static void tell(const struct view_asked *asked, const struct view_said *s,
		 const struct viommu_fragment *fragments, struct viommu_view_answer *reply)
{
	*reply = (struct viommu_view_answer){ .result = s->result, .iova = asked->first };
	if (asked->kind != VIEW_TRANSLATE) {
		reply->done = s->count;
		return;
	}
	reply->answer = (struct viommu_answer){ .next = s->result < 0 ? asked->first : s->next,
						.count = s->count,
						.reason = s->reason,
						.extent_lg2 = s->extent,
						.flags = s->flags };
	reply->count = s->count;
	for (uint32_t i = 0; i < s->count; i++)
		reply->fragment[i] = fragments[i];
}

/* Host addresses of a fragment that this process has mapped as a whole. */
static void locate(struct viommu_view *view, struct viommu_fragment *f, unsigned access)
{
	bool write = access & VIOMMU_WRITE;
	struct mem_place place;

	if (!view_place(view, f->gpa, &place) || f->length - 1 > place.last - f->gpa)
		return;
	f->host = mem_host(&place, f->gpa, write);
	if (f->host && (place.host & MEM_REGION_READONLY))
		f->perm &= ~VIOMMU_WRITE;
}

int viommu_view_reply(struct viommu_view *view, const void *message, uint32_t bytes,
		      struct viommu_view_answer *reply)
{
	struct viommu_fragment fragments[VIOMMU_VIEW_FRAGMENTS];
	struct view_asked *asked;
	struct view_said s;

	if (!view || !message || !reply || !view_said_get(&s, fragments, message, bytes))
		return VIOMMU_EINVAL;
	asked = &view->asked[s.id & bits_low(PLACE_BITS)];
	if (asked->id != s.id || asked->kind != s.kind || !answers(asked, &s, fragments))
		return VIOMMU_EINVAL;
	hold(view, asked, &s, fragments);
	tell(asked, &s, fragments, reply);
	for (uint32_t i = 0; i < reply->count; i++)
		locate(view, &reply->fragment[i], asked->access);
	if (asked->kind == VIEW_READ && s.count)
		reply->data = (const unsigned char *)message + VIEW_REPLY_BYTES;
	asked->id = 0;
	return VIOMMU_OK;
}
