/* SPDX-License-Identifier: BSD-3-Clause */
/* guest_memory.c - sparse guest memory: a table of 4 KiB pages, and a log of the library's writes. */

#include <stdlib.h>
#include <string.h>

#include "guest_memory.h"
#include "table.h"

#define PAGE_BYTES 4096U

struct guest_page {
	uint64_t number;
	UT_hash_handle hh;
	uint8_t data[PAGE_BYTES];
};

static struct guest_page *find_page(const struct guest_memory *m, uint64_t number)
{
	struct guest_page *page;

	HASH_FIND(hh, m->pages, &number, sizeof(number), page);
	return page;
}

static struct guest_page *need_page(struct guest_memory *m, uint64_t number)
{
	struct guest_page *page = find_page(m, number);
	bool full = false;

	if (page)
		return page;
	page = calloc(1, sizeof(*page));
	if (page) {
		page->number = number;
		TABLE_ADD(m->pages, number, page, full);
	}
	if (page && !full)
		return page;
	free(page);
	m->exhausted = true;
	return NULL;
}

void guest_memory_fini(struct guest_memory *m)
{
	struct guest_page *page;
	struct guest_page *next;

	HASH_ITER(hh, m->pages, page, next) {
		HASH_DEL(m->pages, page);
		free(page);
	}
	free(m->log);
	free(m->holes);
	memset(m, 0, sizeof(*m));
}

/* Bytes from gpa to the end of its page, at most `bytes`. */
static size_t in_page(uint64_t gpa, size_t bytes)
{
	size_t room = PAGE_BYTES - (size_t)(gpa % PAGE_BYTES);

	return bytes < room ? bytes : room;
}

bool guest_hole(struct guest_memory *m, uint64_t gpa, uint64_t bytes, bool write)
{
	struct guest_hole *holes = realloc(m->holes, (m->hole_count + 1) * sizeof(*holes));

	if (!holes)
		return false;
	m->holes = holes;
	holes[m->hole_count++] = (struct guest_hole){ .gpa = gpa, .bytes = bytes, .write = write };
	return true;
}

static bool overlaps(const struct guest_hole *h, uint64_t gpa, uint64_t bytes)
{
	return h->gpa < gpa + bytes && gpa < h->gpa + h->bytes;
}

static bool in_hole(const struct guest_memory *m, uint64_t gpa, uint64_t bytes, bool write)
{
	for (size_t i = 0; i < m->hole_count; i++) {
		if (overlaps(&m->holes[i], gpa, bytes) && (write || !m->holes[i].write))
			return true;
	}
	return false;
}

static void fill_holes(struct guest_memory *m, uint64_t gpa, uint64_t bytes)
{
	for (size_t i = 0; i < m->hole_count;) {
		if (overlaps(&m->holes[i], gpa, bytes))
			m->holes[i] = m->holes[--m->hole_count];
		else
			i++;
	}
}

bool guest_store(struct guest_memory *m, uint64_t gpa, const void *from, size_t bytes)
{
	const uint8_t *at = from;

	fill_holes(m, gpa, bytes);
	while (bytes > 0) {
		struct guest_page *page = need_page(m, gpa / PAGE_BYTES);
		size_t part = in_page(gpa, bytes);

		if (!page)
			return false;
		memcpy(&page->data[gpa % PAGE_BYTES], at, part);
		gpa += part;
		at += part;
		bytes -= part;
	}
	return true;
}

void guest_load(const struct guest_memory *m, uint64_t gpa, void *to, size_t bytes)
{
	uint8_t *at = to;

	while (bytes > 0) {
		const struct guest_page *page = find_page(m, gpa / PAGE_BYTES);
		size_t part = in_page(gpa, bytes);

		if (page)
			memcpy(at, &page->data[gpa % PAGE_BYTES], part);
		else
			memset(at, 0, part);
		gpa += part;
		at += part;
		bytes -= part;
	}
}

uint64_t guest_load64(const struct guest_memory *m, uint64_t gpa)
{
	uint8_t raw[8];
	uint64_t word = 0;

	guest_load(m, gpa, raw, sizeof(raw));
	for (unsigned i = 0; i < 8; i++)
		word |= (uint64_t)raw[i] << (8 * i);
	return word;
}

void guest_log_clear(struct guest_memory *m)
{
	m->logged = 0;
}

static bool log_write(struct guest_memory *m, uint64_t gpa, uint32_t bytes)
{
	struct guest_write *write;

	if (m->logged == m->log_capacity) {
		size_t capacity = m->log_capacity ? 2 * m->log_capacity : 64;
		struct guest_write *log = realloc(m->log, capacity * sizeof(*log));

		if (!log)
			return false;
		m->log = log;
		m->log_capacity = capacity;
	}
	write = &m->log[m->logged++];
	*write = (struct guest_write){ .gpa = gpa, .bytes = bytes };
	guest_load(m, gpa, write->before, bytes);
	return true;
}

int guest_read_callback(void *opaque, uint64_t gpa, void *to, uint32_t bytes)
{
	const struct guest_memory *m = opaque;

	guest_load(m, gpa, to, bytes);
	return in_hole(m, gpa, bytes, false) ? -1 : 0;
}

int guest_write_callback(void *opaque, uint64_t gpa, const void *from, uint32_t bytes)
{
	struct guest_memory *m = opaque;

	if (bytes > GUEST_WRITE_MAX || in_hole(m, gpa, bytes, true))
		return -1;
	if (log_write(m, gpa, bytes) && guest_store(m, gpa, from, bytes))
		return 0;
	m->exhausted = true;
	return -1;
}

/* One thread replays, so that two steps are as good as one. */
int guest_cmpxchg_callback(void *opaque, uint64_t gpa, uint64_t *expected, uint64_t desired)
{
	struct guest_memory *m = opaque;
	uint64_t found = guest_load64(m, gpa);
	uint8_t raw[8];

	if (in_hole(m, gpa, sizeof(raw), true))
		return -1;

	if (found != *expected) {
		*expected = found;
		return 0;
	}
	for (unsigned i = 0; i < 8; i++)
		raw[i] = (uint8_t)(desired >> (8 * i));
	return guest_write_callback(m, gpa, raw, sizeof(raw));
}

/* ---- memory of the library ---- */

#define TAKEN_MAX (UINT64_C(1) << 30)

/* Zeroes, of which untouched pages cost nothing; what calloc() gave is kept before the block. */
void *guest_alloc_callback(void *opaque, uint64_t bytes, uint64_t align)
{
	struct guest_memory *m = opaque;
	uint64_t extra = align + sizeof(void *);
	uintptr_t at;
	void *base;

	if (align > TAKEN_MAX || bytes > TAKEN_MAX - m->taken)
		return NULL;
	base = calloc(1, bytes + extra);
	if (!base)
		return NULL;
	m->taken += bytes;
	at = ((uintptr_t)base + sizeof(void *) + align - 1) & ~(uintptr_t)(align - 1);
	((void **)at)[-1] = base;
	return (void *)at;
}

void guest_dealloc_callback(void *opaque, void *block, uint64_t bytes)
{
	struct guest_memory *m = opaque;

	if (!block)
		return;
	m->taken -= bytes;
	free(((void **)block)[-1]);
}
