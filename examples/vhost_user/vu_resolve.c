/* SPDX-License-Identifier: BSD-3-Clause */
/* vu_resolve.c - the backend's address spaces: the table of memory regions, and the device IOTLB on
 * top of it. */
#define _GNU_SOURCE
#include "vu_resolve.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FRAGMENTS = 8 };

/* ---- memory regions ---- */

static void unmap_all(struct vu_space *s)
{
	for (unsigned i = 0; i < s->count; i++)
		munmap(s->mapped[i].map, s->mapped[i].map_bytes);
	s->count = 0;
}

/* Also what was asked for and never came. */
void space_forget(struct vu_space *s)
{
	viommu_iotlb_invalidate(s->iotlb, 0, UINT64_MAX);
}

/* Nothing of a region wraps, and the file has all of it. */
static bool is_sane(const struct vu_region *r, int fd)
{
	struct stat file;
	uint64_t end;

	return r->bytes && !__builtin_add_overflow(r->gpa, r->bytes, &end) &&
	       !__builtin_add_overflow(r->uaddr, r->bytes, &end) &&
	       !__builtin_add_overflow(r->offset, r->bytes, &end) && !fstat(fd, &file) &&
	       end <= (uint64_t)file.st_size;
}

static bool map_region(struct vu_space *s, const struct vu_region *r, int fd)
{
	struct vu_mapped *m = &s->mapped[s->count];

	if (!is_sane(r, fd))
		return false;
	m->region = *r;
	m->map_bytes = r->offset + r->bytes;
	m->map = mmap(NULL, m->map_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
	if (m->map == MAP_FAILED)
		return false;
	m->host = (uint8_t *)m->map + r->offset;
	s->count++;
	return true;
}

bool space_set_memory(struct vu_space *s, struct vu_message *message)
{
	const struct vu_memory *memory = &message->memory;
	bool good = memory->count <= VU_REGIONS && memory->count == message->fds &&
		    message->bytes == 8 + memory->count * sizeof(struct vu_region);

	space_forget(s);
	unmap_all(s);
	for (unsigned i = 0; good && i < memory->count; i++)
		good = map_region(s, &memory->region[i], message->fd[i]);
	vu_drop_files(message);
	return good;
}

/* Where [address, address + bytes) is here, if one region has all of it. */
static uint8_t *find(const struct vu_space *s, uint64_t address, uint64_t bytes, bool by_uaddr,
		     uint64_t *gpa)
{
	for (unsigned i = 0; i < s->count; i++) {
		const struct vu_region *r = &s->mapped[i].region;
		uint64_t at = address - (by_uaddr ? r->uaddr : r->gpa);

		if (at < r->bytes && bytes <= r->bytes - at) {
			*gpa = r->gpa + at;
			return s->mapped[i].host + at;
		}
	}
	return NULL;
}

/* ---- the channel ---- */

/* The front end may be waiting for an answer of ours, and must not wait for this to be read: a miss that
 * is lost is repeated. */
static void tell_front_end(struct vu_space *s, uint16_t type, uint64_t iova, uint32_t access)
{
	struct vu_message m = { .request = VU_BACKEND_IOTLB_MSG };
	struct viommu_iotlb_msg iotlb = {
		.type = type, .iova = iova, .size = 1, .perm = (uint16_t)access
	};

	if (viommu_iotlb_encode(&iotlb, VIOMMU_IOTLB_FORM_USER, m.raw, sizeof(m.raw), &m.bytes))
		return;
	pthread_mutex_lock(&s->asking);
	if (s->ring.memory)
		iotlb_ring_ask(&s->ring, &m);
	else if (s->channel >= 0)
		vu_offer(s->channel, &m);
	pthread_mutex_unlock(&s->asking);
}

static void miss(void *opaque, uint64_t iova, uint32_t access)
{
	tell_front_end(opaque, VIOMMU_IOTLB_MISS, iova, access);
}

/* ---- life ---- */

bool space_open(struct vu_space *s)
{
	struct viommu_iotlb_config config = { .size = sizeof(config), .opaque = s, .miss = miss };

	*s = (struct vu_space){ .channel = -1,
				.ring = { .fd = -1 },
				.asking = PTHREAD_MUTEX_INITIALIZER };
	return !viommu_iotlb_new(&config, &s->iotlb);
}

void space_close(struct vu_space *s)
{
	if (s->iotlb)
		viommu_iotlb_free(s->iotlb);
	unmap_all(s);
	if (s->channel >= 0)
		close(s->channel);
	iotlb_ring_close(&s->ring);
	pthread_mutex_destroy(&s->asking);
	*s = (struct vu_space){ .channel = -1 };
}

bool reader_open(struct vu_reader *r, struct vu_space *s)
{
	*r = (struct vu_reader){ .space = s };
	return s->iotlb && !viommu_iotlb_reader_new(s->iotlb, &r->iotlb);
}

void reader_close(struct vu_reader *r)
{
	if (r->iotlb)
		viommu_iotlb_reader_free(r->iotlb);
	r->iotlb = NULL;
}

/* ---- lookups ---- */

void space_enter(struct vu_reader *r)
{
	if (!r->space->iommu)
		return;
	viommu_iotlb_enter(r->iotlb);
	r->range[0].perm = r->range[1].perm = r->range[2].perm = 0;
}

void space_leave(struct vu_reader *r)
{
	if (r->space->iommu)
		viommu_iotlb_leave(r->iotlb);
}

/* What a result of a lookup means. */
static int outcome(struct vu_reader *r, int result, uint64_t address, uint32_t access)
{
	if (result == VIOMMU_OK)
		return RESOLVED;
	if (result == VIOMMU_PENDING)
		return MISSING;
	if (result == VIOMMU_FAULT)
		tell_front_end(r->space, VIOMMU_IOTLB_ACCESS_FAIL, address, access);
	return REFUSED;
}

static int look_up(struct vu_reader *r, uint64_t address, uint64_t bytes, uint32_t access,
		   struct vu_span *spans, unsigned *count)
{
	struct viommu_fragment fragment[FRAGMENTS];
	struct viommu_answer answer;
	unsigned max = *count < FRAGMENTS ? *count : FRAGMENTS;
	int result = viommu_iotlb_lookup(r->iotlb, address, address + bytes - 1, access, fragment,
					 max, &answer);

	if (result != VIOMMU_OK)
		return outcome(r, result, answer.next, access);
	for (unsigned i = 0; i < answer.count; i++)
		spans[i] = (struct vu_span){ fragment[i].host, fragment[i].length };
	*count = answer.count;
	return RESOLVED;
}

/* The usual case: it is in the range that the last one of this direction was in. */
static uint8_t *in_range(const struct viommu_iotlb_range *range, uint64_t address, uint64_t bytes)
{
	uint64_t at = address - range->first;
	uint64_t size = range->last - range->first;

	return range->perm && at <= size && bytes - 1 <= size - at ? (uint8_t *)range->host + at
								   : NULL;
}

static int look_around(struct vu_reader *r, uint64_t address, uint64_t bytes, uint32_t access,
		       struct vu_span *spans, unsigned *count)
{
	struct viommu_iotlb_range *range = &r->range[access - 1];
	int result = viommu_iotlb_get_range(r->iotlb, address, access, range);

	if (result != VIOMMU_OK) {
		range->perm = 0;
		return outcome(r, result, address, access);
	}
	spans[0] = (struct vu_span){ in_range(range, address, bytes), bytes };
	if (!spans[0].base) /* It is in more than one piece, or not there. */
		return look_up(r, address, bytes, access, spans, count);
	*count = 1;
	return RESOLVED;
}

static int resolve_iova(struct vu_reader *r, uint64_t address, uint64_t bytes, uint32_t access,
			struct vu_span *spans, unsigned *count)
{
	uint8_t *base = in_range(&r->range[access - 1], address, bytes);

	if (!base)
		return look_around(r, address, bytes, access, spans, count);
	spans[0].base = base;
	spans[0].bytes = bytes;
	*count = 1;
	return RESOLVED;
}

int space_resolve(struct vu_reader *r, uint64_t address, uint64_t bytes, uint32_t access,
		  struct vu_span *spans, unsigned *count)
{
	uint64_t gpa;

	if (!bytes || !*count)
		return REFUSED;
	if (r->space->iommu)
		return resolve_iova(r, address, bytes, access, spans, count);
	spans[0].base = find(r->space, address, bytes, false, &gpa);
	spans[0].bytes = bytes;
	*count = 1;
	return spans[0].base ? RESOLVED : REFUSED;
}

void *space_resolve_ring(struct vu_reader *r, uint64_t address, uint64_t bytes, uint32_t access,
			 int *result)
{
	struct vu_span span = { NULL, 0 };
	unsigned count = 1;
	uint64_t gpa;

	if (r->space->iommu) {
		*result = resolve_iova(r, address, bytes, access, &span, &count);
		return *result == RESOLVED ? span.base : NULL;
	}
	span.base = find(r->space, address, bytes, true, &gpa);
	*result = span.base ? RESOLVED : REFUSED;
	return span.base;
}

/* ---- messages ---- */

/* The front end's address has to be in the memory that it gave us. */
static int update(struct vu_space *s, const struct viommu_iotlb_msg *m)
{
	uint64_t gpa = 0;
	uint8_t *host = find(s, m->uaddr, m->size, true, &gpa);

	if (!host)
		return 1;
	return viommu_iotlb_insert(s->iotlb, m->iova, m->iova + m->size - 1, host, gpa, m->perm) !=
	       VIOMMU_OK;
}

int space_message(struct vu_space *s, const struct vu_message *message, bool *came)
{
	struct viommu_iotlb_msg m;
	int r;

	if (viommu_iotlb_decode(VIOMMU_IOTLB_FORM_USER, message->raw, message->bytes, &m))
		return 1;
	switch (m.type) {
	case VIOMMU_IOTLB_UPDATE:
		*came = true;
		return update(s, &m);
	case VIOMMU_IOTLB_INVALIDATE:
		if (s->deaf)
			return 0;
		r = viommu_iotlb_invalidate(s->iotlb, m.iova, m.iova + m.size - 1);
		s->owes = r == VIOMMU_PENDING;
		return s->owes ? -1 : r != VIOMMU_OK;
	case VIOMMU_IOTLB_BATCH_BEGIN:
	case VIOMMU_IOTLB_BATCH_END:
		return 0;
	default:
		return 1;
	}
}

bool space_owed(struct vu_space *s)
{
	if (!s->owes || viommu_iotlb_synced(s->iotlb) != VIOMMU_OK)
		return false;
	s->owes = false;
	return true;
}
