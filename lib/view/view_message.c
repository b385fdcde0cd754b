/* SPDX-License-Identifier: BSD-3-Clause */
/* view_message.c - messages between a view and its owner, to and from bytes. */

#include <endian.h>
#include <string.h>

#include "bits.h"
#include "range.h"
#include "view_message.h"

/* ---- fields ---- */

static void put(unsigned char *to, unsigned at, unsigned bytes, uint64_t value)
{
	uint64_t raw = htole64(value);

	memcpy(to + at, &raw, bytes);
}

static uint64_t get(const unsigned char *from, unsigned at, unsigned bytes)
{
	uint64_t raw = 0;

	memcpy(&raw, from + at, bytes);
	return le64toh(raw);
}

/* Nothing that is looked at from here on is the sender's any more. */
static void take(unsigned char *copy, const void *from, uint32_t bytes)
{
	memcpy(copy, from, bytes);
	__asm__ volatile("" ::: "memory");
}

/* ---- what is asked ---- */

/* Access that a kind can have, of which it must have something in @needs. */
static const struct {
	uint16_t may;
	uint16_t needs;
} accesses[VIEW_KINDS] = {
	[VIEW_TRANSLATE] = { VIOMMU_READ | VIOMMU_WRITE | VIOMMU_EXEC | VIOMMU_PRIV | VIOMMU_QUIET,
			     VIOMMU_READ | VIOMMU_WRITE | VIOMMU_EXEC | VIOMMU_QUIET },
	[VIEW_READ] = { VIOMMU_READ | VIOMMU_EXEC | VIOMMU_PRIV, VIOMMU_READ },
	[VIEW_WRITE] = { VIOMMU_WRITE | VIOMMU_PRIV, VIOMMU_WRITE },
};

static bool copies(unsigned kind)
{
	return kind == VIEW_READ || kind == VIEW_WRITE;
}

static uint32_t ask_bytes(const struct view_ask *a)
{
	return VIEW_ASK_BYTES + (a->kind == VIEW_WRITE ? a->bytes : 0);
}

uint32_t view_ask_put(const struct view_ask *a, void *to, uint32_t max)
{
	unsigned char copy[VIEW_ASK_BYTES] = { 0 };

	if (max < ask_bytes(a))
		return 0;
	put(copy, 0, 4, VIEW_MAGIC);
	put(copy, 4, 2, a->kind);
	put(copy, 8, 8, a->id);
	put(copy, 16, 8, a->first);
	put(copy, 24, 8, a->last);
	put(copy, 32, 2, a->access);
	put(copy, 36, 4, a->bytes);
	memcpy(to, copy, sizeof(copy));
	return ask_bytes(a);
}

static bool valid_copy(const struct view_ask *a)
{
	return !a->last && a->bytes && a->bytes <= VIOMMU_VIEW_COPY_BYTES;
}

static bool valid_ask(const struct view_ask *a)
{
	unsigned kind = a->kind;

	if (kind == VIEW_WAKE)
		return !(a->id | a->first | a->last | a->access | a->bytes);
	if (kind == VIEW_NONE || kind >= VIEW_KINDS || !a->id)
		return false;
	kind = (unsigned)bits_clamp_index(kind, VIEW_KINDS);
	if ((a->access & ~accesses[kind].may) || !(a->access & accesses[kind].needs))
		return false;
	return copies(kind) ? valid_copy(a) : a->first <= a->last && !a->bytes;
}

bool view_ask_get(struct view_ask *a, const void *from, uint32_t bytes)
{
	unsigned char copy[VIEW_ASK_BYTES];

	if (bytes < VIEW_ASK_BYTES)
		return false;
	take(copy, from, VIEW_ASK_BYTES);
	*a = (struct view_ask){ .id = get(copy, 8, 8),
				.first = get(copy, 16, 8),
				.last = get(copy, 24, 8),
				.bytes = (uint32_t)get(copy, 36, 4),
				.kind = (uint16_t)get(copy, 4, 2),
				.access = (uint16_t)get(copy, 32, 2) };
	return get(copy, 0, 4) == VIEW_MAGIC && !get(copy, 6, 2) && !get(copy, 34, 2) &&
	       valid_ask(a) && bytes == ask_bytes(a);
}

/* ---- what is said ---- */

static uint32_t said_bytes(const struct view_said *s)
{
	if (s->kind == VIEW_TRANSLATE)
		return VIEW_REPLY_BYTES + s->count * VIEW_FRAGMENT_BYTES;
	return VIEW_REPLY_BYTES + (s->kind == VIEW_READ ? s->count : 0);
}

static void put_fragment(unsigned char *to, const struct viommu_fragment *f)
{
	put(to, 0, 8, f->gpa);
	put(to, 8, 8, f->length);
	put(to, 16, 4, f->perm);
	put(to, 20, 4, f->flags);
}

uint32_t view_said_put(const struct view_said *s, const struct viommu_fragment *fragments, void *to,
		       uint32_t max)
{
	unsigned char *reply = to;

	if (max < said_bytes(s))
		return 0;
	memset(reply, 0, VIEW_REPLY_BYTES);
	put(reply, 0, 4, VIEW_MAGIC);
	put(reply, 4, 2, s->kind | VIEW_IS_REPLY);
	put(reply, 8, 8, s->id);
	put(reply, 16, 4, (uint32_t)s->result);
	put(reply, 20, 4, s->count);
	put(reply, 24, 8, s->next);
	put(reply, 40, 2, s->reason);
	put(reply, 44, 4, s->extent);
	put(reply, 48, 4, s->flags);
	for (uint32_t i = 0; s->kind == VIEW_TRANSLATE && i < s->count; i++)
		put_fragment(reply + VIEW_REPLY_BYTES + i * VIEW_FRAGMENT_BYTES, &fragments[i]);
	return said_bytes(s);
}

/* Results that an owner's functions have. */
static bool valid_result(int32_t result)
{
	switch (result) {
	case VIOMMU_OK:
	case VIOMMU_FAULT:
	case VIOMMU_MORE:
	case VIOMMU_INTERRUPT:
	case VIOMMU_UNREACHABLE:
	case VIOMMU_EINVAL:
	case VIOMMU_ENOMEM:
	case VIOMMU_EBUSY:
	case VIOMMU_ELIMIT:
		return true;
	default:
		return false;
	}
}

static bool valid_said(const struct view_said *s)
{
	if (!s->id || !valid_result(s->result))
		return false;
	switch (s->kind) {
	case VIEW_TRANSLATE:
		return s->count <= VIOMMU_VIEW_FRAGMENTS && s->extent < 64 &&
		       !(s->flags & ~VIOMMU_ANSWER_ZERO);
	case VIEW_READ:
	case VIEW_WRITE:
		return s->count <= VIOMMU_VIEW_COPY_BYTES &&
		       !(s->next | s->reason | s->extent | s->flags);
	default:
		return false;
	}
}

static bool get_fragment(struct viommu_fragment *f, const unsigned char *from)
{
	uint64_t last;

	*f = (struct viommu_fragment){ .gpa = get(from, 0, 8),
				       .length = get(from, 8, 8),
				       .perm = (uint32_t)get(from, 16, 4),
				       .flags = (uint32_t)get(from, 20, 4) };
	return range_last(f->gpa, f->length, &last) &&
	       !(f->perm & ~(VIOMMU_READ | VIOMMU_WRITE | VIOMMU_EXEC)) &&
	       !(f->flags & ~VIOMMU_FRAGMENT_CLEAN);
}

bool view_said_get(struct view_said *s, struct viommu_fragment *fragments, const void *from,
		   uint32_t bytes)
{
	unsigned char copy[VIEW_REPLY_BYTES + VIOMMU_VIEW_FRAGMENTS * VIEW_FRAGMENT_BYTES];
	unsigned kind;

	if (bytes < VIEW_REPLY_BYTES)
		return false;
	take(copy, from, bytes < sizeof(copy) ? bytes : (uint32_t)sizeof(copy));
	kind = (unsigned)get(copy, 4, 2);
	*s = (struct view_said){ .id = get(copy, 8, 8),
				 .next = get(copy, 24, 8),
				 .result = (int32_t)get(copy, 16, 4),
				 .count = (uint32_t)get(copy, 20, 4),
				 .extent = (uint32_t)get(copy, 44, 4),
				 .flags = (uint32_t)get(copy, 48, 4),
				 .kind = (uint16_t)(kind & ~VIEW_IS_REPLY),
				 .reason = (uint16_t)get(copy, 40, 2) };
	if (get(copy, 0, 4) != VIEW_MAGIC || get(copy, 6, 2) || get(copy, 32, 8) ||
	    get(copy, 42, 2) || get(copy, 52, 4) || !(kind & VIEW_IS_REPLY) || !valid_said(s) ||
	    bytes != said_bytes(s))
		return false;
	for (uint32_t i = 0; s->kind == VIEW_TRANSLATE && i < s->count; i++) {
		if (!get_fragment(&fragments[i], copy + VIEW_REPLY_BYTES + i * VIEW_FRAGMENT_BYTES))
			return false;
	}
	return true;
}
