/* SPDX-License-Identifier: BSD-3-Clause */
/* test_vring.c - the example backend's virtqueues: what a driver may put there, and what it may not (virtio 1.3, 2.7, 2.8). */
#define _GNU_SOURCE
#include "check.h"

#include <endian.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bits.h"
#include "vu_vring.h"

#define UADDR UINT64_C(0x700000000000) /* where the front end has the memory */

enum { SIZE = 8, BYTES = 16384, DESC = 0, AVAIL = 4096, USED = 8192, DATA = 12288 };

#define AV  (1U << VRING_PACKED_DESC_F_AVAIL)
#define US  (1U << VRING_PACKED_DESC_F_USED)
#define NXT VRING_DESC_F_NEXT
#define WR  VRING_DESC_F_WRITE
#define IND VRING_DESC_F_INDIRECT

/* link: id (packed), next (split). */
struct desc {
	uint16_t place, link, flags;
	uint32_t len;
	uint64_t addr;
};

struct row {
	const char *name;
	bool packed;
	uint32_t base;
	uint16_t avail,
		head; /* split: the driver's index, and what is in the ring at every place */
	struct desc desc[SIZE];
	int result;
	uint16_t id, slots;
	uint64_t bytes;
};

#define FIRST 0x80008000U /* the wrap counters are 1 */

/* clang-format off */
static const struct row rows[] = {
	{ "2.7.13 nothing", false, 0, 0, 0, { { 0 } }, NOTHING, 0, 0, 0 },
	{ "2.7.13 one descriptor", false, 0, 1, 3, { { 3, 0, 0, 64, DATA } }, RESOLVED, 3, 1, 64 },
	{ "2.7.13 the index wraps", false, 0xffff, 0, 3, { { 3, 0, 0, 64, DATA } }, RESOLVED, 3, 1, 64 },
	{ "2.7.5 a chain", false, 0, 1, 1, { { 1, 7, NXT, 10, DATA }, { 7, 0, 0, 54, DATA + 64 } }, RESOLVED, 1, 2, 64 },
	{ "2.7.13.3 an index beyond the ring", false, 0, SIZE + 1, 0, { { 0, 0, 0, 64, DATA } }, NOTHING, 0, 0, 0 },
	{ "2.7.5 a head beyond the table", false, 0, 1, SIZE, { { 0, 0, 0, 64, DATA } }, REFUSED, 0, 0, 0 },
	{ "2.7.5 a next beyond the table", false, 0, 1, 0, { { 0, 0xffff, NXT, 64, DATA } }, REFUSED, 0, 0, 0 },
	{ "2.7.5.1 a loop", false, 0, 1, 0, { { 0, 0, NXT, 64, DATA } }, REFUSED, 0, 0, 0 },
	{ "2.7.5.3 indirect, not negotiated", false, 0, 1, 0, { { 0, 0, IND, 64, DATA } }, REFUSED, 0, 0, 0 },
	{ "2.7.5 of the other direction", false, 0, 1, 0, { { 0, 0, WR, 64, DATA } }, REFUSED, 0, 0, 0 },
	{ "2.7.5 in no memory", false, 0, 1, 0, { { 0, 0, 0, 64, BYTES - 63 } }, REFUSED, 0, 0, 0 },
	{ "2.7.5 of no length", false, 0, 1, 0, { { 0, 0, 0, 0, DATA } }, REFUSED, 0, 0, 0 },
	{ "5.1.6 longer than any frame", false, 0, 1, 0, { { 0, 0, 0, VRING_BYTES_MAX + 1, DATA } }, REFUSED, 0, 0, 0 },

	{ "2.8.1 nothing", true, FIRST, 0, 0, { { 0 } }, NOTHING, 0, 0, 0 },
	{ "2.8.1 available, first round", true, FIRST, 0, 0, { { 0, 9, AV, 64, DATA } }, RESOLVED, 9, 1, 64 },
	{ "2.8.1 used, first round", true, FIRST, 0, 0, { { 0, 9, AV | US, 64, DATA } }, NOTHING, 0, 0, 0 },
	{ "2.8.1 available, second round", true, 0, 0, 0, { { 0, 9, US, 64, DATA } }, RESOLVED, 9, 1, 64 },
	{ "2.8.1 of the first round, in the second", true, 0, 0, 0, { { 0, 9, AV, 64, DATA } }, NOTHING, 0, 0, 0 },
	{ "2.8.1 used, second round", true, 0, 0, 0, { { 0, 9, 0, 64, DATA } }, NOTHING, 0, 0, 0 },
	{ "2.8.6 a chain: the last one's id", true, FIRST, 0, 0,
	  { { 0, 1, AV | NXT, 10, DATA }, { 1, 5, AV, 54, DATA + 64 } }, RESOLVED, 5, 2, 64 },
	{ "2.8.6 a chain over the end", true, FIRST | 7 | 7 << 16, 0, 0,
	  { { 7, 1, AV | NXT, 10, DATA }, { 0, 5, US, 54, DATA + 64 } }, RESOLVED, 5, 2, 64 },
	{ "2.8.6 a chain longer than the ring", true, FIRST, 0, 0,
	  { { 0, 0, AV | NXT, 8, DATA }, { 1, 0, AV | NXT, 8, DATA }, { 2, 0, AV | NXT, 8, DATA },
	    { 3, 0, AV | NXT, 8, DATA }, { 4, 0, AV | NXT, 8, DATA }, { 5, 0, AV | NXT, 8, DATA },
	    { 6, 0, AV | NXT, 8, DATA }, { 7, 0, AV | NXT, 8, DATA } }, REFUSED, 0, 0, 0 },
	{ "2.8.7 indirect, not negotiated", true, FIRST, 0, 0, { { 0, 0, AV | IND, 64, DATA } }, REFUSED, 0, 0, 0 },
	{ "2.8.5 of the other direction", true, FIRST, 0, 0, { { 0, 0, AV | WR, 64, DATA } }, REFUSED, 0, 0, 0 },
	{ "2.8.5 in no memory", true, FIRST, 0, 0, { { 0, 0, AV, 64, BYTES - 63 } }, REFUSED, 0, 0, 0 },
	{ "2.8.5 its end wraps", true, FIRST, 0, 0, { { 0, 0, AV, 64, UINT64_MAX - 7 } }, REFUSED, 0, 0, 0 },
};
/* clang-format on */

struct bench {
	uint8_t *memory;
	struct vu_space space;
	struct vu_reader reader;
	struct vu_vring ring;
};

static void bench_open(struct bench *b, bool packed)
{
	struct vu_message m = { .bytes = 8 + sizeof(struct vu_region), .fds = 1 };
	int fd = memfd_create("guest", MFD_CLOEXEC);

	assert_int_equal(ftruncate(fd, BYTES), 0);
	b->memory = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(b->memory, MAP_FAILED);
	m.memory.count = 1;
	m.memory.region[0] = (struct vu_region){ 0, BYTES, UADDR, 0 };
	m.fd[0] = fd;
	assert_true(space_open(&b->space));
	assert_true(space_set_memory(&b->space, &m));
	assert_true(reader_open(&b->reader, &b->space));
	vring_open(&b->ring);
	b->ring.size = SIZE;
	b->ring.packed = packed;
	b->ring.started = b->ring.enabled = true;
	b->ring.desc_at = UADDR + DESC;
	b->ring.avail_at = UADDR + AVAIL;
	b->ring.used_at = UADDR + USED;
}

static void bench_close(struct bench *b)
{
	vring_close(&b->ring);
	reader_close(&b->reader);
	space_close(&b->space);
	munmap(b->memory, BYTES);
}

static void put_desc(struct bench *b, const struct row *row, const struct desc *d)
{
	if (row->packed)
		((struct vring_packed_desc *)(void *)(b->memory + DESC))[d->place] =
			(struct vring_packed_desc){ htole64(d->addr), htole32(d->len),
						    htole16(d->link), htole16(d->flags) };
	else
		((struct vring_desc *)(void *)(b->memory + DESC))[d->place] =
			(struct vring_desc){ htole64(d->addr), htole32(d->len), htole16(d->flags),
					     htole16(d->link) };
}

static void put_row(struct bench *b, const struct row *row)
{
	struct vring_avail *avail = (void *)(b->memory + AVAIL);

	for (unsigned i = 0; i < SIZE; i++) {
		if (row->desc[i].len || row->desc[i].flags || row->desc[i].addr)
			put_desc(b, row, &row->desc[i]);
	}
	for (unsigned i = 0; i < SIZE && !row->packed; i++)
		avail->ring[i] = htole16(row->head);
	if (!row->packed)
		avail->idx = htole16(row->avail);
}

static void check_row(const struct row *row)
{
	struct vu_buffer buffer;
	struct bench b = { 0 };
	uint16_t at;
	int result;

	bench_open(&b, row->packed);
	put_row(&b, row);
	assert_true(vring_set_base(&b.ring, row->base));
	assert_int_equal(vring_base(&b.ring), row->base);
	assert_int_equal(vring_enter(&b.reader, &b.ring), RESOLVED);
	at = b.ring.next_avail;
	result = vring_get(&b.reader, &b.ring, &at, VIOMMU_READ, &buffer);
	check_eq(row->name, result, row->result);
	check_eq(row->name, b.ring.broken, row->result == REFUSED);
	if (result == RESOLVED) {
		check_eq(row->name, buffer.id, row->id);
		check_eq(row->name, buffer.slots, row->slots);
		check_eq(row->name, buffer.bytes, row->bytes);
		check_eq(row->name, buffer.first, row->desc[0].addr);
		b.ring.next_avail = at;
		check_eq(row->name, vring_get(&b.reader, &b.ring, &at, VIOMMU_READ, &buffer),
			 NOTHING);
	}
	bench_close(&b);
}

static void test_rows(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_COUNT(rows); i++)
		check_row(&rows[i]);
}

/* 2.8.6: given back in order, three rounds; every descriptor has the wrap counter of its round, and the id that it had. */
static void test_packed_rounds(void **state)
{
	struct vring_packed_desc *desc;
	struct vu_buffer buffer;
	struct bench b = { 0 };

	(void)state;
	bench_open(&b, true);
	desc = (void *)(b.memory + DESC);
	assert_true(vring_set_base(&b.ring, FIRST));
	for (uint16_t n = 0; n < 3 * SIZE; n++) {
		bool second = n / SIZE % 2;
		uint16_t at;

		desc[n % SIZE] = (struct vring_packed_desc){ htole64(DATA), htole32(64),
							     htole16((uint16_t)(n * 3)),
							     htole16(second ? US : AV) };
		assert_int_equal(vring_enter(&b.reader, &b.ring), RESOLVED);
		at = b.ring.next_avail;
		assert_int_equal(vring_get(&b.reader, &b.ring, &at, VIOMMU_READ, &buffer),
				 RESOLVED);
		b.ring.next_avail = at;
		vring_use(&b.ring, &buffer, n % 2 ? 100 : 0);
		assert_int_equal(le16toh(desc[n % SIZE].id), n * 3);
		assert_int_equal(le32toh(desc[n % SIZE].len), n % 2 ? 100 : 0);
		assert_int_equal(le16toh(desc[n % SIZE].flags),
				 (second ? 0 : AV | US) | (n % 2 ? WR : 0));
	}
	bench_close(&b);
}

/* vhost-user: positions are in the ring. */
static void test_base(void **state)
{
	struct bench b = { 0 };

	(void)state;
	bench_open(&b, true);
	assert_false(vring_set_base(&b.ring, FIRST | SIZE));
	assert_false(vring_set_base(&b.ring, FIRST | SIZE << 16));
	b.ring.size = 0;
	assert_false(vring_set_base(&b.ring, FIRST));
	bench_close(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_packed_rounds),
		cmocka_unit_test(test_base),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
