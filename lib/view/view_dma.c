/* SPDX-License-Identifier: BSD-3-Clause */
/* view_dma.c - a device process does the DMA itself, over what it has mapped. */

#include <libvirtiommu/dma.h>

#include <endian.h>

#include "guest_copy.h"
#include "range.h"
#include "view_own.h"

/* What of a block is in this process, for how far. In a section. */
static int find_piece(struct viommu_view *view, uint64_t iova, uint64_t last, unsigned access,
		      struct viommu_fragment *f)
{
	struct view_block block;

	if (!view_find(view, iova, access, &block) ||
	    !view_piece(view, &block, iova, last, access, f))
		return VIOMMU_MISS;
	return f->host ? VIOMMU_OK : VIOMMU_UNREACHABLE;
}

/* Pieces of what is left, until something is not known. In a section. At most as many rounds as there are pages. */
static int transfer(struct viommu_view *view, uint64_t iova, unsigned char *buffer, uint64_t bytes,
		    unsigned access, uint64_t *done)
{
	uint64_t last;

	if (bytes && !range_last(iova, bytes, &last))
		return VIOMMU_UNREACHABLE;
	while (*done < bytes) {
		struct viommu_fragment f;
		int result = find_piece(view, iova + *done, last, access, &f);

		if (result)
			return result;
		if (access & VIOMMU_WRITE)
			copy_in(f.host, buffer + *done, f.length);
		else
			copy_out(buffer + *done, f.host, f.length);
		*done += f.length;
	}
	return VIOMMU_OK;
}

/* The entry that has all of it, as is usual, for an address that this process has mapped. */
static unsigned char *find_hit(struct viommu_view *view, uint64_t iova, uint64_t bytes,
			       unsigned access)
{
	const struct micro_entry *e = view_entry(view, iova);
	uint64_t last = iova + bytes - 1;

	if (!(e->accepts >> access & 1) || !view_holds(view, e, iova) || last > e->last ||
	    last < iova || !e->host)
		return NULL;
	return e->host + (iova & bits_low(MICRO_PAGE_LG2));
}

/* A call that has opened the section itself closes it. */
static int end(struct viommu_view *view, bool open, int result)
{
	int closed = open ? VIOMMU_OK : view_close(view);

	return result ? result : closed;
}

static int copy(struct viommu_view *view, uint64_t iova, void *buffer, uint64_t bytes,
		unsigned access, uint64_t *done)
{
	bool open = view->open;
	int result = VIOMMU_OK;
	uint64_t copied = 0;
	unsigned char *host;

	if (!open)
		view_open(view);
	host = find_hit(view, iova, bytes, access);
	if (!host) {
		result = transfer(view, iova, buffer, bytes, access, &copied);
	} else {
		if (access & VIOMMU_WRITE)
			copy_in(host, buffer, bytes);
		else
			copy_out(buffer, host, bytes);
		copied = bytes;
	}
	if (done)
		*done = copied;
	return end(view, open, result);
}

#define READ_ACCESS  (VIOMMU_PRIV | VIOMMU_EXEC)
#define WRITE_ACCESS VIOMMU_PRIV

int viommu_view_dma_read(struct viommu_view *view, uint64_t iova, void *buffer, uint64_t bytes,
			 uint32_t access, uint64_t *done)
{
	if (!view || (!buffer && bytes) || (access & ~READ_ACCESS))
		return VIOMMU_EINVAL;
	return copy(view, iova, buffer, bytes, access | VIOMMU_READ, done);
}

int viommu_view_dma_write(struct viommu_view *view, uint64_t iova, const void *buffer,
			  uint64_t bytes, uint32_t access, uint64_t *done)
{
	if (!view || (!buffer && bytes) || (access & ~WRITE_ACCESS))
		return VIOMMU_EINVAL;
	return copy(view, iova, (void *)(uintptr_t)buffer, bytes, access | VIOMMU_WRITE, done);
}

/* A word is one access only where it is aligned, and so in one page. */
static bool is_word(uint64_t iova, uint32_t bytes)
{
	return (bytes == 1 || bytes == 2 || bytes == 4 || bytes == 8) && iova % bytes == 0;
}

int viommu_view_dma_load(struct viommu_view *view, uint64_t iova, uint32_t bytes, uint32_t access,
			 uint64_t *value)
{
	uint64_t raw = 0;
	int result;

	if (!view || !value || !is_word(iova, bytes) || (access & ~READ_ACCESS))
		return VIOMMU_EINVAL;
	result = copy(view, iova, &raw, bytes, access | VIOMMU_READ, NULL);
	if (result == VIOMMU_OK || result == VIOMMU_PENDING)
		*value = le64toh(raw);
	return result;
}

int viommu_view_dma_store(struct viommu_view *view, uint64_t iova, uint32_t bytes, uint32_t access,
			  uint64_t value)
{
	uint64_t raw = htole64(value);

	if (!view || !is_word(iova, bytes) || (access & ~WRITE_ACCESS))
		return VIOMMU_EINVAL;
	return copy(view, iova, &raw, bytes, access | VIOMMU_WRITE, NULL);
}

/* ---- compare-and-swap ---- */

/* In a section. */
static int swap(struct viommu_view *view, uint64_t iova, uint32_t bytes, unsigned access,
		uint64_t *expected, uint64_t desired)
{
	unsigned char *host = find_hit(view, iova, bytes, access);
	uint64_t word = *expected;
	struct viommu_fragment f;
	int result;

	if (!host) {
		result = find_piece(view, iova, iova + bytes - 1, access, &f);
		if (result)
			return result;
		if (f.length != bytes) /* only where mappings are smaller than words */
			return VIOMMU_UNREACHABLE;
		host = f.host;
	}
	if ((uintptr_t)host % bytes)
		return VIOMMU_UNREACHABLE;
	mem_swap_host(host, &word, desired, bytes);
	*expected = word;
	return VIOMMU_OK;
}

int viommu_view_dma_cmpxchg(struct viommu_view *view, uint64_t iova, uint32_t bytes,
			    uint32_t access, uint64_t *expected, uint64_t desired)
{
	bool open;
	int result;

	if (!view || !expected || bytes < 4 || !is_word(iova, bytes) || (access & ~WRITE_ACCESS))
		return VIOMMU_EINVAL;
	open = view->open;
	if (!open)
		view_open(view);
	result = swap(view, iova, bytes, access | VIOMMU_READ | VIOMMU_WRITE, expected, desired);
	return end(view, open, result);
}
