/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_vhost_message.c - IOTLB messages: where each field is, what is refused, and that what goes
 * out comes back. The layouts are compared with the kernel's headers, where there are some.
 */
#include "check.h"

#include <libvirtiommu/vhost.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "run.h"
#include "vhost_message.h"

#if __has_include(<linux/vhost_types.h>)
#include <linux/vhost_types.h>

static void kernel_layout(void **state)
{
	assert_int_equal(offsetof(struct vhost_iotlb_msg, iova), VHOST_IOTLB_IOVA);
	assert_int_equal(offsetof(struct vhost_iotlb_msg, size), VHOST_IOTLB_SIZE);
	assert_int_equal(offsetof(struct vhost_iotlb_msg, uaddr), VHOST_IOTLB_UADDR);
	assert_int_equal(offsetof(struct vhost_iotlb_msg, perm), VHOST_IOTLB_PERM);
	assert_int_equal(offsetof(struct vhost_iotlb_msg, type), VHOST_IOTLB_TYPE);
	assert_int_equal(sizeof(struct vhost_iotlb_msg), VHOST_IOTLB_BYTES);
	assert_int_equal(offsetof(struct vhost_msg, type), VHOST_MSG_TYPE);
	assert_int_equal(offsetof(struct vhost_msg, iotlb), VHOST_MSG_IOTLB);
	assert_int_equal(sizeof(struct vhost_msg), VHOST_MSG_BYTES);
	assert_int_equal(offsetof(struct vhost_msg_v2, type), VHOST_MSG_TYPE);
	assert_int_equal(offsetof(struct vhost_msg_v2, asid), VHOST_MSG_V2_ASID);
	assert_int_equal(offsetof(struct vhost_msg_v2, iotlb), VHOST_MSG_IOTLB);
	assert_int_equal(sizeof(struct vhost_msg_v2), VHOST_MSG_BYTES);
	assert_int_equal(VHOST_IOTLB_MSG, VHOST_MSG_V1);
	assert_int_equal(VHOST_IOTLB_MSG_V2, VHOST_MSG_V2);
	assert_int_equal(VHOST_IOTLB_MISS, VIOMMU_IOTLB_MISS);
	assert_int_equal(VHOST_IOTLB_UPDATE, VIOMMU_IOTLB_UPDATE);
	assert_int_equal(VHOST_IOTLB_INVALIDATE, VIOMMU_IOTLB_INVALIDATE);
	assert_int_equal(VHOST_IOTLB_ACCESS_FAIL, VIOMMU_IOTLB_ACCESS_FAIL);
#ifdef VHOST_IOTLB_BATCH_BEGIN
	assert_int_equal(VHOST_IOTLB_BATCH_BEGIN, VIOMMU_IOTLB_BATCH_BEGIN);
	assert_int_equal(VHOST_IOTLB_BATCH_END, VIOMMU_IOTLB_BATCH_END);
#endif
	assert_int_equal(VHOST_ACCESS_RO, VIOMMU_READ);
	assert_int_equal(VHOST_ACCESS_WO, VIOMMU_WRITE);
	assert_int_equal(VHOST_ACCESS_RW, VIOMMU_READ | VIOMMU_WRITE);
}
#else
static void kernel_layout(void **state)
{
	skip();
}
#endif

#define V1   VIOMMU_IOTLB_FORM_V1
#define V2   VIOMMU_IOTLB_FORM_V2
#define USER VIOMMU_IOTLB_FORM_USER

#define MISS	   VIOMMU_IOTLB_MISS
#define UPDATE	   VIOMMU_IOTLB_UPDATE
#define INVALIDATE VIOMMU_IOTLB_INVALIDATE
#define FAIL	   VIOMMU_IOTLB_ACCESS_FAIL
#define BEGIN	   VIOMMU_IOTLB_BATCH_BEGIN
#define END	   VIOMMU_IOTLB_BATCH_END

#define R  VIOMMU_READ
#define W  VIOMMU_WRITE
#define RW (VIOMMU_READ | VIOMMU_WRITE)

static uint32_t bytes_of(uint32_t form)
{
	return form == USER ? 32 : 72;
}

static bool equal(const struct viommu_iotlb_msg *a, const struct viommu_iotlb_msg *b)
{
	return a->iova == b->iova && a->size == b->size && a->uaddr == b->uaddr &&
	       a->asid == b->asid && a->perm == b->perm && a->type == b->type;
}

/* ---- golden bytes ---- */

/* Messages are in the byte order of the host; the bytes here are of a little-endian one. */
static void golden_bytes(void **state)
{
#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
	skip();
#endif
	static const struct viommu_iotlb_msg m = { .iova = 0x0807060504030201,
						   .size = 0x1817,
						   .uaddr = 0x2827262524232221,
						   .asid = 0x34333231,
						   .perm = RW,
						   .type = UPDATE };
	static const uint8_t payload[32] = { 1,	   2,	 3,    4,    5,	   6,	 7, 8,	  0x17,
					     0x18, 0,	 0,    0,    0,	   0,	 0, 0x21, 0x22,
					     0x23, 0x24, 0x25, 0x26, 0x27, 0x28, 3, 2 };
	static const uint8_t v1[8] = { 1 };
	static const uint8_t v2[8] = { 2, 0, 0, 0, 0x31, 0x32, 0x33, 0x34 };
	uint8_t zero[32] = { 0 };
	struct viommu_iotlb_msg without = m;
	uint8_t buffer[80];
	uint32_t bytes;

	without.asid = 0;
	memset(buffer, 0xee, sizeof(buffer));
	assert_int_equal(viommu_iotlb_encode(&without, V1, buffer, 80, &bytes), VIOMMU_OK);
	assert_int_equal(bytes, 72);
	assert_memory_equal(buffer, v1, 8);
	assert_memory_equal(buffer + 8, payload, 32);
	assert_memory_equal(buffer + 40, zero, 32);
	assert_int_equal(buffer[72], 0xee);
	memset(buffer, 0xee, sizeof(buffer));
	assert_int_equal(viommu_iotlb_encode(&m, V2, buffer, 72, &bytes), VIOMMU_OK);
	assert_int_equal(bytes, 72);
	assert_memory_equal(buffer, v2, 8);
	assert_memory_equal(buffer + 8, payload, 32);
	assert_memory_equal(buffer + 40, zero, 32);
	assert_int_equal(buffer[72], 0xee);
	memset(buffer, 0xee, sizeof(buffer));
	assert_int_equal(viommu_iotlb_encode(&without, USER, buffer, 32, &bytes), VIOMMU_OK);
	assert_int_equal(bytes, 32);
	assert_memory_equal(buffer, payload, 32);
	assert_int_equal(buffer[32], 0xee);
}

/* ---- rows: each message is good or bad, in both directions ---- */

struct row {
	const char *name;
	struct viommu_iotlb_msg message;
	bool good;
};

#define MSG(type_, iova_, size_, uaddr_, perm_)                                                    \
	{                                                                                          \
		.iova = (iova_), .size = (size_), .uaddr = (uaddr_), .perm = (perm_),              \
		.type = (type_)                                                                    \
	}
#define MAX UINT64_MAX

static const struct row rows[] = {
	{ "type 0", MSG(0, 0x1000, 0x1000, 0x1000, R), false },
	{ "type 7", MSG(7, 0x1000, 0x1000, 0x1000, R), false },
	{ "type 255", MSG(255, 0x1000, 0x1000, 0x1000, R), false },
	{ "miss, read", MSG(MISS, 0x1000, 0, 0, R), true },
	{ "miss, write", MSG(MISS, 0x1000, 0, 0, W), true },
	{ "miss, both", MSG(MISS, 0x1001, 0, 0, RW), true },
	{ "miss, address 0", MSG(MISS, 0, 0, 0, R), true },
	{ "miss, last address", MSG(MISS, MAX, 0, 0, R), true },
	{ "miss, no permission", MSG(MISS, 0x1000, 0, 0, 0), false },
	{ "miss, permission 4", MSG(MISS, 0x1000, 0, 0, 4), false },
	{ "miss, permission 5", MSG(MISS, 0x1000, 0, 0, 5), false },
	{ "miss, permission 128", MSG(MISS, 0x1000, 0, 0, 128), false },
	{ "fail, read", MSG(FAIL, 0x1000, 0, 0, R), true },
	{ "fail, no permission", MSG(FAIL, 0x1000, 0, 0, 0), false },
	{ "fail, permission 8", MSG(FAIL, 0x1000, 0, 0, 8), false },
	{ "update, read", MSG(UPDATE, 0x1000, 0x1000, 0x7000, R), true },
	{ "update, write", MSG(UPDATE, 0x1000, 0x1000, 0x7000, W), true },
	{ "update, both", MSG(UPDATE, 0x1000, 0x1000, 0x7000, RW), true },
	{ "update, no permission", MSG(UPDATE, 0x1000, 0x1000, 0x7000, 0), false },
	{ "update, permission 4", MSG(UPDATE, 0x1000, 0x1000, 0x7000, 4), false },
	{ "update, permission 7", MSG(UPDATE, 0x1000, 0x1000, 0x7000, 7), false },
	{ "update, size 0", MSG(UPDATE, 0x1000, 0, 0x7000, RW), false },
	{ "update, size 0 at 0", MSG(UPDATE, 0, 0, 0x7000, RW), false },
	{ "update, one byte", MSG(UPDATE, 0x1003, 1, 0x7005, RW), true },
	{ "update, last byte", MSG(UPDATE, MAX, 1, 0x7000, RW), true },
	{ "update, beyond the last byte", MSG(UPDATE, MAX, 2, 0x7000, RW), false },
	{ "update, last page", MSG(UPDATE, MAX - 0xfff, 0x1000, 0, RW), true },
	{ "update, one byte too many", MSG(UPDATE, MAX - 0xfff, 0x1001, 0, RW), false },
	{ "update, everything but one byte", MSG(UPDATE, 0, MAX, 0, RW), true },
	{ "update, everything but the first", MSG(UPDATE, 1, MAX, 0, RW), true },
	{ "update, wraps", MSG(UPDATE, 2, MAX, 0, RW), false },
	{ "update, half and half", MSG(UPDATE, MAX / 2 + 1, MAX / 2 + 1, 0, RW), true },
	{ "update, uaddr to the end", MSG(UPDATE, 0, 0x1000, MAX - 0xfff, RW), true },
	{ "update, uaddr wraps", MSG(UPDATE, 0, 0x1000, MAX - 0xffe, RW), false },
	{ "update, uaddr last byte", MSG(UPDATE, 0, 1, MAX, RW), true },
	{ "update, uaddr 0", MSG(UPDATE, 0x1000, 0x1000, 0, RW), true },
	{ "invalidate", MSG(INVALIDATE, 0x1000, 0x1000, 0, 0), true },
	{ "invalidate, size 0", MSG(INVALIDATE, 0x1000, 0, 0, 0), false },
	{ "invalidate, last byte", MSG(INVALIDATE, MAX, 1, 0, 0), true },
	{ "invalidate, wraps", MSG(INVALIDATE, MAX, 2, 0, 0), false },
	{ "invalidate, lower half", MSG(INVALIDATE, 0, MAX / 2 + 1, 0, 0), true },
	{ "invalidate, upper half", MSG(INVALIDATE, MAX / 2 + 1, MAX / 2 + 1, 0, 0), true },
	{ "invalidate, upper half and one", MSG(INVALIDATE, MAX / 2 + 1, MAX / 2 + 2, 0, 0),
	  false },
	{ "batch begin", MSG(BEGIN, 0, 0, 0, 0), true },
	{ "batch end", MSG(END, 0, 0, 0, 0), true },
};
#define ROWS (sizeof(rows) / sizeof(rows[0]))

/* The bytes of a message, good or not, by the layout alone. */
static void write_bytes(uint8_t *buffer, uint32_t form, const struct viommu_iotlb_msg *m)
{
	uint8_t *at = form == USER ? buffer : buffer + 8;
	uint32_t tag = form;

	memset(buffer, 0, 80);
	if (form != USER)
		memcpy(buffer, &tag, 4);
	if (form == V2)
		memcpy(buffer + 4, &m->asid, 4);
	memcpy(at, &m->iova, 8);
	memcpy(at + 8, &m->size, 8);
	memcpy(at + 16, &m->uaddr, 8);
	at[24] = (uint8_t)m->perm;
	at[25] = (uint8_t)m->type;
}

static void check_row(const struct row *row, uint32_t form, uint32_t asid)
{
	int expected = row->good ? VIOMMU_OK : VIOMMU_EINVAL;
	struct viommu_iotlb_msg m = row->message;
	struct viommu_iotlb_msg out;
	uint8_t made[80], wanted[80];
	uint32_t bytes = 99;

	m.asid = asid;
	write_bytes(wanted, form, &m);
	memset(made, 0xee, sizeof(made));
	memset(&out, 0xee, sizeof(out));
	check_eq(row->name, viommu_iotlb_encode(&m, form, made, 80, &bytes), expected);
	check_eq(row->name, viommu_iotlb_decode(form, wanted, bytes_of(form), &out), expected);
	if (!row->good) {
		/* nothing was written */
		check_eq(row->name, bytes, 99);
		check_eq(row->name, made[0], 0xee);
		check_eq(row->name, out.asid, 0xeeeeeeee);
		return;
	}
	check_eq(row->name, bytes, bytes_of(form));
	check_eq(row->name, memcmp(made, wanted, bytes), 0);
	check_that(row->name, equal(&m, &out));
}

static void every_row(void **state)
{
	for (unsigned i = 0; i < ROWS; i++) {
		check_row(&rows[i], V1, 0);
		check_row(&rows[i], V2, 0);
		check_row(&rows[i], V2, 1);
		check_row(&rows[i], V2, UINT32_MAX);
		check_row(&rows[i], USER, 0);
	}
}

/* ---- forms, lengths, arguments ---- */

static void forms_and_lengths(void **state)
{
	static const uint32_t forms[] = { V1, V2, USER };
	struct viommu_iotlb_msg m = MSG(UPDATE, 0x1000, 0x1000, 0x7000, RW);
	struct viommu_iotlb_msg out;
	uint8_t buffer[80];
	uint32_t bytes;

	for (unsigned i = 0; i < 3; i++) {
		uint32_t form = forms[i], length = bytes_of(form);

		for (uint32_t n = 0; n < 80; n++) {
			write_bytes(buffer, form, &m);
			check_eq("length", viommu_iotlb_decode(form, buffer, n, &out),
				 n == length ? VIOMMU_OK : VIOMMU_EINVAL);
			check_eq("capacity", viommu_iotlb_encode(&m, form, buffer, n, &bytes),
				 n >= length ? VIOMMU_OK : VIOMMU_ENOSPC);
		}
	}
	for (uint32_t form = 4; form; form = form < 70 ? form + 1 : form << 1) {
		check_eq("form", viommu_iotlb_decode(form, buffer, 72, &out), VIOMMU_EINVAL);
		check_eq("form", viommu_iotlb_decode(form, buffer, 0, &out), VIOMMU_EINVAL);
		check_eq("form", viommu_iotlb_encode(&m, form, buffer, 80, &bytes), VIOMMU_EINVAL);
	}
	check_eq("form 0", viommu_iotlb_decode(0, buffer, 0, &out), VIOMMU_EINVAL);
	check_eq("form 0", viommu_iotlb_encode(&m, 0, buffer, 80, &bytes), VIOMMU_EINVAL);
	assert_int_equal(VIOMMU_IOTLB_BYTES_MAX, 72);
}

/* A message of one kernel form is not one of the other; nor are other numbers. */
static void kernel_type_word(void **state)
{
	static const uint32_t words[] = { 0, 1, 2, 3, 0x100, 0x01000000, 0x80000001, 0xffffffff };
	struct viommu_iotlb_msg m = MSG(UPDATE, 0x1000, 0x1000, 0x7000, RW);
	struct viommu_iotlb_msg out;
	uint8_t buffer[80];

	for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		for (uint32_t form = V1; form <= V2; form++) {
			write_bytes(buffer, form, &m);
			memcpy(buffer, &words[i], 4);
			check_eq("type word", viommu_iotlb_decode(form, buffer, 72, &out),
				 words[i] == form ? VIOMMU_OK : VIOMMU_EINVAL);
		}
	}
}

static void arguments(void **state)
{
	struct viommu_iotlb_msg m = MSG(UPDATE, 0x1000, 0x1000, 0x7000, RW);
	struct viommu_iotlb_msg wide = m;
	uint8_t buffer[80];
	uint32_t bytes;

	assert_int_equal(viommu_iotlb_encode(NULL, V1, buffer, 80, &bytes), VIOMMU_EINVAL);
	assert_int_equal(viommu_iotlb_encode(&m, V1, NULL, 80, &bytes), VIOMMU_EINVAL);
	assert_int_equal(viommu_iotlb_encode(&m, V1, buffer, 80, NULL), VIOMMU_EINVAL);
	assert_int_equal(viommu_iotlb_decode(V1, NULL, 72, &m), VIOMMU_EINVAL);
	assert_int_equal(viommu_iotlb_decode(V1, buffer, 72, NULL), VIOMMU_EINVAL);
	m.asid = 1;
	assert_int_equal(viommu_iotlb_encode(&m, V1, buffer, 80, &bytes), VIOMMU_EINVAL);
	assert_int_equal(viommu_iotlb_encode(&m, USER, buffer, 80, &bytes), VIOMMU_EINVAL);
	assert_int_equal(viommu_iotlb_encode(&m, V2, buffer, 80, &bytes), VIOMMU_OK);
	/* more than the byte on the wire holds */
	wide.perm = 0x100 | RW;
	assert_int_equal(viommu_iotlb_encode(&wide, V1, buffer, 80, &bytes), VIOMMU_EINVAL);
	wide.perm = RW;
	wide.type = 0x100 | UPDATE;
	assert_int_equal(viommu_iotlb_encode(&wide, V1, buffer, 80, &bytes), VIOMMU_EINVAL);
}

/* ---- every byte ---- */

/* Which bytes of a message mean something. */
static bool means(uint32_t form, unsigned type, unsigned byte)
{
	static const unsigned last[][2] = { { 7, 0 }, { 15, 1 }, { 23, 2 }, { 24, 3 }, { 25, 4 } };
	static const bool has[7][5] = {
		[MISS] = { 1, 0, 0, 1, 1 },   [FAIL] = { 1, 0, 0, 1, 1 },
		[UPDATE] = { 1, 1, 1, 1, 1 }, [INVALIDATE] = { 1, 1, 0, 0, 1 },
		[BEGIN] = { 0, 0, 0, 0, 1 },  [END] = { 0, 0, 0, 0, 1 }
	};

	if (form != USER) {
		if (byte < 4)
			return true;
		if (byte < 8)
			return form == V2;
		byte -= 8;
	}
	for (unsigned i = 0; i < 5; i++)
		if (byte <= last[i][0])
			return has[type][i];
	return false;
}

/* Changes one byte: the message becomes another or none if the byte means something, and stays the
 * same if it does not. */
static void mutate(uint32_t form, const struct viommu_iotlb_msg *m)
{
	struct viommu_iotlb_msg out;
	uint8_t buffer[80], again[80];
	uint32_t bytes;

	for (unsigned byte = 0; byte < bytes_of(form); byte++) {
		for (unsigned change = 1; change < 256; change++) {
			int result;

			write_bytes(buffer, form, m);
			buffer[byte] ^= (uint8_t)change;
			result = viommu_iotlb_decode(form, buffer, bytes_of(form), &out);
			if (!means(form, m->type, byte)) {
				check_eq("no meaning", result, VIOMMU_OK);
				check_that("no meaning", equal(&out, m));
				continue;
			}
			if (result != VIOMMU_OK)
				continue;
			check_that("meaning", !equal(&out, m));
			check_eq("again", viommu_iotlb_encode(&out, form, again, 80, &bytes),
				 VIOMMU_OK);
			for (unsigned i = 0; i < bytes; i++)
				check_eq("again", again[i],
					 means(form, out.type, i) ? buffer[i] : 0);
		}
	}
}

static void every_byte(void **state)
{
	static const struct viommu_iotlb_msg messages[] = {
		MSG(MISS, 0x123456789000, 0, 0, W),
		MSG(UPDATE, 0x123456789000, 0x2000, 0x7f0000001000, RW),
		MSG(INVALIDATE, 0x123456789000, 0x2000, 0, 0),
		MSG(FAIL, 0x123456789000, 0, 0, R),
		MSG(BEGIN, 0, 0, 0, 0),
		MSG(END, 0, 0, 0, 0),
	};

	for (unsigned i = 0; i < 6; i++)
		for (uint32_t form = V1; form <= USER; form++)
			mutate(form, &messages[i]);
}

/* Senders leave garbage in fields that a type does not have: it is ignored, and never passed on. */
static void garbage(void **state)
{
	struct viommu_iotlb_msg m = MSG(INVALIDATE, 0x1000, 0x1000, MAX, 0xff);
	struct viommu_iotlb_msg out;
	uint8_t buffer[80];
	uint32_t bytes;

	write_bytes(buffer, V2, &m);
	memset(buffer + 34, 0xff, 38);
	assert_int_equal(viommu_iotlb_decode(V2, buffer, 72, &out), VIOMMU_OK);
	assert_true(out.uaddr == 0 && out.perm == 0 && out.iova == 0x1000 && out.size == 0x1000);
	assert_int_equal(viommu_iotlb_encode(&m, V2, buffer, 80, &bytes), VIOMMU_OK);
	for (unsigned i = 24; i < 33; i++)
		assert_int_equal(buffer[i], 0);
	m = (struct viommu_iotlb_msg)MSG(BEGIN, 5, 0, MAX, 0xff);
	write_bytes(buffer, USER, &m);
	assert_int_equal(viommu_iotlb_decode(USER, buffer, 32, &out), VIOMMU_OK);
	assert_true(!out.iova && !out.size && !out.uaddr && !out.perm && out.type == BEGIN);
}

/* ---- random ---- */

static uint64_t random_next(uint64_t *s)
{
	uint64_t z = *s += 0x9e3779b97f4a7c15U;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
	return z ^ (z >> 31);
}

/* What a good message is, in other words than the library's. */
static bool expected_good(const struct viommu_iotlb_msg *m)
{
	bool ranged = m->type == UPDATE || m->type == INVALIDATE;

	if (m->type < 1 || m->type > 6)
		return false;
	if (m->type >= BEGIN)
		return true;
	if (ranged && (m->size == 0 || m->size - 1 > MAX - m->iova))
		return false;
	if (m->type == INVALIDATE)
		return true;
	if (m->type == UPDATE && m->size - 1 > MAX - m->uaddr)
		return false;
	return m->perm >= 1 && m->perm <= 3;
}

static uint64_t any_word(uint64_t *s)
{
	uint64_t a = random_next(s);

	switch (a & 7) {
	case 0:
		return a >> 60;
	case 1:
		return 0 - (a >> 60);
	case 2:
		return UINT64_C(1) << (a >> 58);
	default:
		return random_next(s) >> (a >> 58);
	}
}

static void round_trip(void **state)
{
	uint64_t s = run_seed(1);
	uint64_t count = run_scaled(200000);
	uint64_t good = 0;

	for (uint64_t i = 0; i < count; i++) {
		uint32_t form = 1 + (uint32_t)(random_next(&s) % 3);
		struct viommu_iotlb_msg m = {
			.iova = any_word(&s),
			.size = any_word(&s),
			.uaddr = any_word(&s),
			.asid = form == V2 ? (uint32_t)random_next(&s) : 0,
			.perm = (uint16_t)(random_next(&s) % 5),
			.type = (uint16_t)(random_next(&s) % 8),
		};
		struct viommu_iotlb_msg out, last;
		uint8_t wanted[80], made[80];
		uint32_t bytes;
		int result;

		write_bytes(wanted, form, &m);
		result = viommu_iotlb_decode(form, wanted, bytes_of(form), &out);
		check_eq("decode", result == VIOMMU_OK, expected_good(&m));
		check_eq("encode", viommu_iotlb_encode(&m, form, made, 80, &bytes), result);
		if (result != VIOMMU_OK)
			continue;
		good++;
		for (unsigned k = 0; k < bytes; k++)
			check_eq("bytes", made[k], means(form, m.type, k) ? wanted[k] : 0);
		check_eq("decode", viommu_iotlb_decode(form, made, bytes, &last), VIOMMU_OK);
		check_that("round trip", equal(&out, &last));
	}
	check_that("some were good, some were not", good > count / 10 && good < count * 9 / 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kernel_layout),    cmocka_unit_test(golden_bytes),
		cmocka_unit_test(every_row),	    cmocka_unit_test(forms_and_lengths),
		cmocka_unit_test(kernel_type_word), cmocka_unit_test(arguments),
		cmocka_unit_test(every_byte),	    cmocka_unit_test(garbage),
		cmocka_unit_test(round_trip),
	};

	return cmocka_run_group_tests_name("unit/vhost_message", tests, NULL, NULL);
}
