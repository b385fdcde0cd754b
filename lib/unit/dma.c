/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * dma.c - doing the DMA: bytes and words at a device's addresses.
 *
 * Everything is a copy between a buffer of ours and one piece of guest memory after the other; a
 * word is a copy of its length, which is one access where it is aligned. A piece comes from the
 * channel's micro-TLB, or as a fragment of the translation of all that is left.
 */
#include <libvirtiommu/dma.h>

#include <endian.h>
#include <string.h>

#include "channel.h"
#include "guest_copy.h"
#include "mem.h"
#include "range.h"
#include "section.h"

/* Fragments that are asked for at a time. */
#define PIECES 16U

/* A DMA on its way. */
struct dma {
	struct viommu_device *device;
	struct viommu_channel *channel; /* or NULL */
	struct viommu_request request;	/* of what is left */
	unsigned char *buffer;		/* the same: read into, or written from */
	uint64_t left;
};

static bool writes(const struct dma *d)
{
	return d->request.access & VIOMMU_WRITE;
}

static void advance(struct dma *d, uint64_t bytes)
{
	d->request.first += bytes;
	d->buffer += bytes;
	d->left -= bytes;
}

/* ---- copies ---- */

/* A piece that the host can access. */
static void copy(struct dma *d, unsigned char *host, uint64_t gpa, uint64_t bytes)
{
	if (writes(d)) {
		copy_in(host, d->buffer, bytes);
		mem_dirty(d->device->iommu->vm, gpa, bytes);
	} else {
		copy_out(d->buffer, host, bytes);
	}
	advance(d, bytes);
}

/* Any other piece. */
static int copy_outside(struct dma *d, uint64_t gpa, uint64_t bytes)
{
	struct viommu_vm *vm = d->device->iommu->vm;
	uint64_t done = writes(d) ? mem_write_outside(vm, gpa, d->buffer, bytes)
				  : mem_read_outside(vm, gpa, d->buffer, bytes);

	advance(d, done);
	return done == bytes ? VIOMMU_OK : VIOMMU_UNREACHABLE;
}

/* ---- translation ---- */

static int translate(struct dma *d, struct viommu_fragment *f, uint32_t max,
		     struct viommu_answer *answer)
{
	return d->channel ? channel_translate(d->channel, &d->request, f, max, answer)
			  : viommu_device_translate(d->device, &d->request, f, max, answer);
}

/* What the channel does not have by itself: all that is left, as far as there are fragments. */
static int go_on(struct dma *d)
{
	struct viommu_fragment f[PIECES];
	struct viommu_answer answer;
	int result = translate(d, f, PIECES, &answer);

	if (result < 0)
		return result;
	for (uint32_t i = 0; i < answer.count; i++) {
		int reached = VIOMMU_OK;

		if (f[i].host)
			copy(d, f[i].host, f[i].gpa, f[i].length);
		else
			reached = copy_outside(d, f[i].gpa, f[i].length);
		if (reached)
			return reached;
	}
	return result == VIOMMU_MORE ? VIOMMU_OK : result;
}

/* A piece that the channel has. */
static bool go_on_hit(struct dma *d)
{
	const struct micro_entry *e = channel_entry(d->channel, d->request.first);
	uint64_t first = d->request.first, offset = channel_offset(first);
	uint64_t bytes;

	if (!(e->accepts >> d->request.access & 1) || !channel_holds(d->channel, e, first) ||
	    first > e->last)
		return false;
	bytes = e->last - first < d->left ? e->last - first + 1 : d->left;
	copy(d, e->host + offset, e->gpa + offset, bytes);
	return true;
}

/* In a section. At most as many turns as there are pages. */
static int transfer(struct dma *d)
{
	int result = VIOMMU_OK;

	while (d->left && !result) {
		if (!d->channel || !go_on_hit(d))
			result = go_on(d);
	}
	return result;
}

static __attribute__((noinline)) int copy_range(struct dma *d, uint64_t bytes, uint64_t *done)
{
	int result = VIOMMU_OK;

	d->left = bytes;
	if (bytes)
		result = range_last(d->request.first, bytes, &d->request.last) ? transfer(d)
									       : VIOMMU_UNREACHABLE;
	if (done)
		*done = bytes - d->left;
	return result;
}

static struct dma new_dma(struct viommu_device *device, uint32_t pasid, uint64_t iova, void *buffer,
			  uint32_t access)
{
	return (struct dma){
		.device = device,
		.request = { .first = iova, .pasid = pasid, .access = (uint16_t)access },
		.buffer = buffer
	};
}

static struct dma channel_dma(struct viommu_channel *channel, uint64_t iova, void *buffer,
			      uint32_t access)
{
	struct dma d = new_dma(channel->device, channel->pasid, iova, buffer, access);

	d.channel = channel;
	return d;
}

/* ---- sections ---- */

/* The channel's section, if it is not open, and its own callbacks are refused: false if this is one of
 * them. */
static inline bool channel_begin(struct viommu_channel *channel, bool *open)
{
	if (UNLIKELY(channel->state & CHANNEL_TRANSLATING))
		return false;
	channel->state |= CHANNEL_TRANSLATING;
	*open = channel->state & CHANNEL_OPEN;
	if (!*open)
		channel_open(channel);
	return true;
}

static inline void channel_end(struct viommu_channel *channel, bool open)
{
	channel->state &= (uint8_t)~CHANNEL_TRANSLATING;
	if (!open)
		channel_close(channel);
}

/* ---- bytes ---- */

/* The entry of the channel that has all of it, as is usual; and where it is. NULL: none has; 0 bytes have none. */
ALWAYS_INLINE const struct micro_entry *find_hit(struct viommu_channel *channel, uint64_t iova,
						 uint64_t bytes, uint32_t access,
						 unsigned char **host)
{
	const struct micro_entry *e = channel_entry(channel, iova);
	uint64_t last = iova + bytes - 1;

	if (!(e->accepts >> access & 1) || !channel_holds(channel, e, iova) || last > e->last ||
	    last < iova)
		return NULL;
	*host = e->host + channel_offset(iova);
	return e;
}

static inline bool copy_hit(struct viommu_channel *channel, uint64_t iova, unsigned char *buffer,
			    uint64_t bytes, uint32_t access)
{
	unsigned char *host;
	const struct micro_entry *e = find_hit(channel, iova, bytes, access, &host);

	if (!e)
		return false;
	if (access & VIOMMU_WRITE) {
		copy_in(host, buffer, bytes);
		mem_dirty(channel->device->iommu->vm, e->gpa + channel_offset(iova), bytes);
	} else {
		copy_out(buffer, host, bytes);
	}
	return true;
}

static __attribute__((noinline)) int channel_copy_range(struct viommu_channel *channel,
							uint64_t iova, void *buffer, uint64_t bytes,
							uint32_t access, uint64_t *done)
{
	struct dma d = channel_dma(channel, iova, buffer, access);

	return copy_range(&d, bytes, done);
}

static __attribute__((noinline)) int channel_copy(struct viommu_channel *channel, uint64_t iova,
						  void *buffer, uint64_t bytes, uint32_t access,
						  uint64_t *done)
{
	int result = VIOMMU_OK;
	bool open;

	if (!channel_begin(channel, &open))
		return VIOMMU_EBUSY;
	if (LIKELY(copy_hit(channel, iova, buffer, bytes, access))) {
		if (done)
			*done = bytes;
	} else {
		result = channel_copy_range(channel, iova, buffer, bytes, access, done);
	}
	channel_end(channel, open);
	return result;
}

static __attribute__((noinline)) int copy_found(void *buffer, const unsigned char *guest,
						uint64_t bytes, uint64_t *done)
{
	copy_out(buffer, guest, bytes);
	if (done)
		*done = bytes;
	return VIOMMU_OK;
}

/* The shortest way: a section is open already, and no callback is made. Of 8 bytes nothing is called. */
ALWAYS_INLINE int channel_read(struct viommu_channel *channel, uint64_t iova, void *buffer,
			       uint64_t bytes, uint32_t access, uint64_t *done)
{
	unsigned char *guest;

	if (UNLIKELY(channel->state != CHANNEL_OPEN ||
		     !find_hit(channel, iova, bytes, access | VIOMMU_READ, &guest)))
		return channel_copy(channel, iova, buffer, bytes, access | VIOMMU_READ, done);
	if (UNLIKELY(bytes != 8 || !aligned(guest, 8)))
		return copy_found(buffer, guest, bytes, done);
	LOAD_AS(uint64_t);
	if (done)
		*done = 8;
	return VIOMMU_OK;
}

static int device_copy(struct viommu_device *device, uint32_t pasid, uint64_t iova, void *buffer,
		       uint64_t bytes, uint32_t access, uint64_t *done)
{
	struct dma d = new_dma(device, pasid, iova, buffer, access);
	struct viommu_section section;
	int result;

	section_open(&section, device);
	result = copy_range(&d, bytes, done);
	section_close(&section);
	return result;
}

/* Accesses that may be asked for, beside what the function does. */
#define READ_ACCESS  (VIOMMU_PRIV | VIOMMU_EXEC)
#define WRITE_ACCESS VIOMMU_PRIV

static bool is_pasid(uint32_t pasid)
{
	return pasid == VIOMMU_NO_PASID || pasid < BIT(20);
}

int viommu_dma_read(struct viommu_channel *channel, uint64_t iova, void *buffer, uint64_t bytes,
		    uint32_t access, uint64_t *done)
{
	if (!channel || (!buffer && bytes) || (access & ~READ_ACCESS))
		return VIOMMU_EINVAL;
	return channel_read(channel, iova, buffer, bytes, access, done);
}

int viommu_dma_write(struct viommu_channel *channel, uint64_t iova, const void *buffer,
		     uint64_t bytes, uint32_t access, uint64_t *done)
{
	if (!channel || (!buffer && bytes) || (access & ~WRITE_ACCESS))
		return VIOMMU_EINVAL;
	return channel_copy(channel, iova, (void *)(uintptr_t)buffer, bytes, access | VIOMMU_WRITE,
			    done);
}

int viommu_device_dma_read(struct viommu_device *device, uint32_t pasid, uint64_t iova,
			   void *buffer, uint64_t bytes, uint32_t access, uint64_t *done)
{
	if (!device || !is_pasid(pasid) || (!buffer && bytes) || (access & ~READ_ACCESS))
		return VIOMMU_EINVAL;
	return device_copy(device, pasid, iova, buffer, bytes, access | VIOMMU_READ, done);
}

int viommu_device_dma_write(struct viommu_device *device, uint32_t pasid, uint64_t iova,
			    const void *buffer, uint64_t bytes, uint32_t access, uint64_t *done)
{
	if (!device || !is_pasid(pasid) || (!buffer && bytes) || (access & ~WRITE_ACCESS))
		return VIOMMU_EINVAL;
	return device_copy(device, pasid, iova, (void *)(uintptr_t)buffer, bytes,
			   access | VIOMMU_WRITE, done);
}

/* ---- words ---- */

static bool is_word(uint32_t bytes)
{
	return bytes == 1 || bytes == 2 || bytes == 4 || bytes == 8;
}

int viommu_dma_load(struct viommu_channel *channel, uint64_t iova, uint32_t bytes, uint32_t access,
		    uint64_t *value)
{
	uint64_t raw = 0;
	int result;

	if (!channel || !is_word(bytes) || !value || (access & ~READ_ACCESS))
		return VIOMMU_EINVAL;
	result = channel_read(channel, iova, &raw, bytes, access, NULL);
	if (!result)
		*value = le64toh(raw);
	return result;
}

int viommu_dma_store(struct viommu_channel *channel, uint64_t iova, uint32_t bytes, uint32_t access,
		     uint64_t value)
{
	uint64_t raw = htole64(value);

	if (!channel || !is_word(bytes) || (access & ~WRITE_ACCESS))
		return VIOMMU_EINVAL;
	return channel_copy(channel, iova, &raw, bytes, access | VIOMMU_WRITE, NULL);
}

int viommu_device_dma_load(struct viommu_device *device, uint32_t pasid, uint64_t iova,
			   uint32_t bytes, uint32_t access, uint64_t *value)
{
	uint64_t raw = 0;
	int result;

	if (!device || !is_pasid(pasid) || !is_word(bytes) || !value || (access & ~READ_ACCESS))
		return VIOMMU_EINVAL;
	result = device_copy(device, pasid, iova, &raw, bytes, access | VIOMMU_READ, NULL);
	if (!result)
		*value = le64toh(raw);
	return result;
}

int viommu_device_dma_store(struct viommu_device *device, uint32_t pasid, uint64_t iova,
			    uint32_t bytes, uint32_t access, uint64_t value)
{
	uint64_t raw = htole64(value);

	if (!device || !is_pasid(pasid) || !is_word(bytes) || (access & ~WRITE_ACCESS))
		return VIOMMU_EINVAL;
	return device_copy(device, pasid, iova, &raw, bytes, access | VIOMMU_WRITE, NULL);
}

/* ---- compare-and-swap ---- */

/* In a section. */
static int swap(struct dma *d, uint32_t bytes, uint64_t *expected, uint64_t desired)
{
	struct viommu_vm *vm = d->device->iommu->vm;
	struct viommu_answer answer;
	struct viommu_fragment f;
	uint64_t word = *expected;
	enum mem_swap swapped;
	int result;

	d->request.last = d->request.first + bytes - 1;
	result = translate(d, &f, 1, &answer);
	if (result && result != VIOMMU_MORE)
		return result;
	/* only where mappings are smaller than words */
	if (f.length != bytes || f.gpa % bytes)
		return VIOMMU_UNREACHABLE;
	if (bytes == 8) {
		swapped = mem_swap64(vm, f.gpa, &word, desired);
	} else {
		word = (uint32_t)word;
		swapped = mem_swap32(vm, f.gpa, &word, (uint32_t)desired);
	}
	if (swapped == MEM_FAILED)
		return VIOMMU_UNREACHABLE;
	*expected = word;
	return VIOMMU_OK;
}

static bool may_swap(uint64_t iova, uint32_t bytes, uint32_t access, const uint64_t *expected)
{
	return (bytes == 4 || bytes == 8) && iova % bytes == 0 && expected &&
	       !(access & ~WRITE_ACCESS);
}

int viommu_dma_cmpxchg(struct viommu_channel *channel, uint64_t iova, uint32_t bytes,
		       uint32_t access, uint64_t *expected, uint64_t desired)
{
	struct dma d;
	int result;
	bool open;

	if (!channel || !may_swap(iova, bytes, access, expected))
		return VIOMMU_EINVAL;
	if (!channel_begin(channel, &open))
		return VIOMMU_EBUSY;
	d = channel_dma(channel, iova, NULL, access | VIOMMU_READ | VIOMMU_WRITE);
	result = swap(&d, bytes, expected, desired);
	channel_end(channel, open);
	return result;
}

int viommu_device_dma_cmpxchg(struct viommu_device *device, uint32_t pasid, uint64_t iova,
			      uint32_t bytes, uint32_t access, uint64_t *expected, uint64_t desired)
{
	struct viommu_section section;
	struct dma d;
	int result;

	if (!device || !is_pasid(pasid) || !may_swap(iova, bytes, access, expected))
		return VIOMMU_EINVAL;
	section_open(&section, device);
	d = new_dma(device, pasid, iova, NULL, access | VIOMMU_READ | VIOMMU_WRITE);
	result = swap(&d, bytes, expected, desired);
	section_close(&section);
	return result;
}
