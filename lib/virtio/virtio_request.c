/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * virtio_request.c - requests of the request queue (5.13.6): from scattered buffers to one of the
 * five, and back to a status.
 *
 * The tail is at the beginning of the writable part, and in PROBE behind probe_size bytes of
 * properties, or, if there is less room, at its end. The used length ends with the tail, and
 * everything before it is written (2.7.8.2). What cannot be understood, because there is no head,
 * no tail, or no such type, is returned with a used length of 0 (5.13.6.1).
 */

#include <endian.h>
#include <string.h>

#include "probe.h"
#include "recorder.h"
#include "virtio_engine.h"

/* ---- scattered buffers ---- */

static __attribute__((noinline)) bool many_parts_bytes(const struct viommu_part *part,
						       uint32_t count, uint64_t *bytes)
{
	uint64_t total = 0;

	for (uint32_t i = 0; i < count; i++) {
		if (part[i].bytes && !part[i].base)
			return false;
		if (__builtin_add_overflow(total, part[i].bytes, &total))
			total = UINT64_MAX;
	}
	*bytes = total;
	return true;
}

/* How many bytes there are, which saturates. False: not valid. */
static inline bool parts_bytes(const struct viommu_part *part, uint32_t count, uint64_t *bytes)
{
	if (count && !part)
		return false;
	if (UNLIKELY(count != 1))
		return many_parts_bytes(part, count, bytes);
	*bytes = part->bytes;
	return part->base || !part->bytes;
}

/* Copies the first @bytes, reading each once. */
static void gather(const struct viommu_part *part, unsigned char *to, uint64_t bytes)
{
	while (bytes) {
		uint64_t piece = part->bytes < bytes ? part->bytes : bytes;

		if (piece)
			memcpy(to, part->base, (size_t)piece);
		to += piece;
		bytes -= piece;
		part++;
	}
}

/* Writes @bytes at an offset; from NULL: zeroes. The parts have room for them. */
static void scatter(const struct viommu_part *part, uint64_t offset, const unsigned char *from,
		    uint64_t bytes)
{
	for (; bytes; part++) {
		uint64_t piece;

		if (offset >= part->bytes) {
			offset -= part->bytes;
			continue;
		}
		piece = part->bytes - offset < bytes ? part->bytes - offset : bytes;
		if (from) {
			memcpy((unsigned char *)part->base + offset, from, (size_t)piece);
			from += piece;
		} else {
			memset((unsigned char *)part->base + offset, 0, (size_t)piece);
		}
		bytes -= piece;
		offset = 0;
	}
}

/* The first part that has something. There is one. */
static const struct viommu_part *first_part(const struct viommu_part *part)
{
	while (!part->bytes)
		part++;
	return part;
}

/* ---- the five ---- */

struct request {
	const unsigned char
		*bytes; /* in the guest's own buffer: each field is read once; or the copy */
	const struct viommu_part *writable;
	uint64_t room; /* for properties, before the tail */
	unsigned char copy[VIRTIO_READ_BYTES];
};

static inline uint32_t get32(const struct request *r, unsigned offset)
{
	uint32_t value;

	memcpy(&value, r->bytes + offset, sizeof(value));
	__asm__ volatile("" : "+r"(value)); /* not to be read again */
	return le32toh(value);
}

static inline uint64_t get64(const struct request *r, unsigned offset)
{
	uint64_t value;

	memcpy(&value, r->bytes + offset, sizeof(value));
	__asm__ volatile("" : "+r"(value));
	return le64toh(value);
}

static inline uint8_t get8(const struct request *r, unsigned offset)
{
	uint32_t value = r->bytes[offset];

	__asm__ volatile("" : "+r"(value));
	return (uint8_t)value;
}

/* The endpoint, in use until device_put(); or NULL. */
static struct virtio_endpoint *endpoint_get(struct virtio *v, uint32_t id)
{
	struct viommu_device *device = device_get(&v->unit, id);

	return device ? virtio_endpoint_of(device) : NULL;
}

/* 5.13.6.4.2 */
static enum virtio_status attach(struct virtio *v, const struct request *r)
{
	uint32_t domain = get32(r, VIRTIO_ATTACH_DOMAIN);
	uint32_t flags = get32(r, VIRTIO_ATTACH_FLAGS);
	uint32_t known = v->accepted & VIOMMU_VIRTIO_F_BYPASS_CONFIG ? VIRTIO_ATTACH_F_BYPASS : 0;
	enum virtio_status status = VIRTIO_S_RANGE;
	struct virtio_endpoint *e;

	if (get32(r, VIRTIO_ATTACH_RESERVED) || (flags & ~known))
		return VIRTIO_S_INVAL;
	e = endpoint_get(v, get32(r, VIRTIO_ATTACH_ENDPOINT));
	if (!e)
		return VIRTIO_S_NOENT;
	if (domain >= v->config.domain_first && domain <= v->config.domain_last)
		status = virtio_attach(v, e, domain, flags & VIRTIO_ATTACH_F_BYPASS);
	device_put(&e->device);
	return status;
}

/* 5.13.6.5.2: the reserved field is ignored */
static enum virtio_status detach(struct virtio *v, const struct request *r)
{
	struct virtio_endpoint *e = endpoint_get(v, get32(r, VIRTIO_DETACH_ENDPOINT));
	enum virtio_status status;

	if (!e)
		return VIRTIO_S_NOENT;
	status = virtio_detach(v, e, get32(r, VIRTIO_DETACH_DOMAIN));
	device_put(&e->device);
	return status;
}

/* 5.13.6.6.2 */
static enum virtio_status map(struct virtio *v, const struct request *r)
{
	struct range_item item = { .first = get64(r, VIRTIO_MAP_FIRST),
				   .last = get64(r, VIRTIO_MAP_LAST),
				   .target = get64(r, VIRTIO_MAP_TARGET),
				   .perm = get32(r, VIRTIO_MAP_FLAGS) };
	uint32_t known = VIRTIO_MAP_F_READ | VIRTIO_MAP_F_WRITE |
			 (v->accepted & VIOMMU_VIRTIO_F_MMIO ? VIRTIO_MAP_F_MMIO : 0);

	if (item.perm & ~known)
		return VIRTIO_S_INVAL;
	return virtio_map(v, get32(r, VIRTIO_MAP_DOMAIN), &item);
}

/* 5.13.6.7.2: "MAY" be refused if the reserved field is not zero */
static enum virtio_status unmap(struct virtio *v, const struct request *r)
{
	if (get32(r, VIRTIO_UNMAP_RESERVED))
		return VIRTIO_S_INVAL;
	return virtio_unmap(v, get32(r, VIRTIO_UNMAP_DOMAIN), get64(r, VIRTIO_UNMAP_FIRST),
			    get64(r, VIRTIO_UNMAP_LAST));
}

/* 5.13.6.8.2: if there is less room than probe_size, no property is written */
static enum virtio_status probe(struct virtio *v, const struct request *r)
{
	unsigned char list[VIRTIO_REGIONS_MAX * VIRTIO_RESV_MEM_TOTAL];
	struct virtio_endpoint *e = endpoint_get(v, get32(r, VIRTIO_PROBE_ENDPOINT));
	uint32_t bytes;

	scatter(r->writable, 0, NULL, r->room);
	if (!e)
		return VIRTIO_S_NOENT;
	bytes = virtio_properties(e, list);
	device_put(&e->device);
	if (r->room < v->config.probe_size)
		return VIRTIO_S_INVAL;
	scatter(r->writable, 0, list, bytes);
	return VIRTIO_S_OK;
}

static const struct {
	enum virtio_status (*execute)(struct virtio *v, const struct request *r);
	uint32_t bytes;	  /* of the readable part */
	uint64_t feature; /* that has it, or 0 */
} types[] = {
	[VIRTIO_ATTACH] = { attach, VIRTIO_ATTACH_BYTES, 0 },
	[VIRTIO_DETACH] = { detach, VIRTIO_DETACH_BYTES, 0 },
	[VIRTIO_MAP] = { map, VIRTIO_MAP_BYTES, VIOMMU_VIRTIO_F_MAP_UNMAP },
	[VIRTIO_UNMAP] = { unmap, VIRTIO_UNMAP_BYTES, VIOMMU_VIRTIO_F_MAP_UNMAP },
	[VIRTIO_PROBE] = { probe, VIRTIO_PROBE_BYTES, VIOMMU_VIRTIO_F_PROBE },
};

/* Where the properties go: as many bytes as there is room for. */
static uint64_t room_of(const struct virtio *v, uint64_t writable_bytes)
{
	uint64_t room = writable_bytes - VIRTIO_TAIL_BYTES;

	return room < v->config.probe_size ? room : v->config.probe_size;
}

/* One of the five, that has all its bytes, or is too short for its type. */
static inline enum virtio_status execute_type(struct virtio *v, struct request *r, uint64_t type,
					      const struct viommu_part *readable,
					      uint64_t readable_bytes)
{
	if (UNLIKELY(readable_bytes < types[type].bytes)) {
		scatter(r->writable, 0, NULL, r->room);
		return VIRTIO_S_INVAL;
	}
	if (UNLIKELY(readable->bytes < types[type].bytes)) {
		gather(readable, r->copy,
		       readable_bytes < sizeof(r->copy) ? readable_bytes : sizeof(r->copy));
		r->bytes = r->copy;
	}
	return types[type].execute(v, r);
}

/* The used length. The first of the parts have something. */
static inline uint32_t execute(struct virtio *v, struct request *r,
			       const struct viommu_part *readable, uint64_t readable_bytes,
			       uint64_t writable_bytes)
{
	unsigned char tail[VIRTIO_TAIL_BYTES] = { 0 };
	uint64_t type;

	r->bytes = readable->base;
	type = bits_clamp_index(get8(r, 0), ARRAY_COUNT(types));
	if (!types[type].execute || (types[type].feature & ~v->accepted))
		return 0;
	r->room = type == VIRTIO_PROBE ? room_of(v, writable_bytes) : 0;
	tail[0] = (unsigned char)execute_type(v, r, type, readable, readable_bytes);
	if (UNLIKELY(tail[0] != VIRTIO_S_OK))
		count_own(&v->unit, COUNT_COMMAND_ERRORS);
	if (LIKELY(!r->room && r->writable->bytes >= sizeof(tail)))
		memcpy(r->writable->base, tail, sizeof(tail));
	else
		scatter(r->writable, r->room, tail, sizeof(tail));
	return (uint32_t)r->room + VIRTIO_TAIL_BYTES;
}

/* The request is the job, and not pending: nothing is under way. What has no head or no tail is no request. */
static inline int begin(struct virtio *v, const struct viommu_part *readable,
			uint64_t readable_bytes, const struct viommu_part *writable,
			uint64_t writable_bytes, uint64_t token, uint32_t *written)
{
	struct request request;
	int result;

	v->unsynced = false;
	v->job.request = true;
	v->job.token = token;
	count_own(&v->unit, COUNT_COMMANDS);
	*written = 0;
	if (LIKELY(readable_bytes >= VIRTIO_HEAD_BYTES && writable_bytes >= VIRTIO_TAIL_BYTES)) {
		request.writable = first_part(writable);
		v->job.status = request.writable->base;
		*written =
			execute(v, &request, first_part(readable), readable_bytes, writable_bytes);
	}
	result = virtio_advance(v) ? virtio_finish(v, token) : VIOMMU_PENDING;
	if (UNLIKELY(v->job.phase))
		v->job.pending = true;
	return result;
}

static __attribute__((noinline)) int serve(struct viommu *u, const struct viommu_part *readable,
					   uint32_t readable_count,
					   const struct viommu_part *writable,
					   uint32_t writable_count, uint64_t token,
					   uint32_t *written)
{
	uint64_t readable_bytes, writable_bytes;
	struct virtio *v;
	int result;

	if (!written || !parts_bytes(readable, readable_count, &readable_bytes) ||
	    !parts_bytes(writable, writable_count, &writable_bytes))
		return VIOMMU_EINVAL;
	result = virtio_begin(u);
	if (result)
		return result;
	v = virtio_of(u);
	if (!virtio_advance(v) || v->pending_count == VIRTIO_PENDING_MAX)
		result = VIOMMU_ELIMIT;
	else
		result = begin(v, readable, readable_bytes, writable, writable_bytes, token,
			       written);
	unit_end(u);
	return result;
}

/* It is not in the way of those who are not recorded. */
static __attribute__((noinline)) int record(struct viommu *u, const struct viommu_part *readable,
					    uint32_t readable_count,
					    const struct viommu_part *writable,
					    uint32_t writable_count, uint64_t token,
					    uint32_t *written)
{
	struct record_event e;
	int result;

	unit_record_call(u, &e);
	result = serve(u, readable, readable_count, writable, writable_count, token, written);
	if (result >= 0)
		virtio_record_request(u, &e, readable, readable_count, writable, writable_count,
				      *written);
	record_end(&e, record_after(result));
	return result;
}

int viommu_virtio_request(struct viommu *u, const struct viommu_part *readable,
			  uint32_t readable_count, const struct viommu_part *writable,
			  uint32_t writable_count, uint64_t token, uint32_t *written)
{
	if (UNLIKELY(u && u->record))
		return record(u, readable, readable_count, writable, writable_count, token,
			      written);
	return serve(u, readable, readable_count, writable, writable_count, token, written);
}
