/* SPDX-License-Identifier: BSD-3-Clause */
/* irq_oracle.c - VT-d interrupt remapping, from the manual's order of checks. */
#include "irq_oracle.h"

#include <string.h>

/* Bits hi:lo of a word. */
static uint64_t field(uint64_t word, unsigned hi, unsigned lo)
{
	uint64_t ones = hi - lo == 63 ? UINT64_MAX : (UINT64_C(1) << (hi - lo + 1)) - 1;

	return word >> lo & ones;
}

static void refuse(struct io_answer *ans, uint8_t reason, bool fpd)
{
	ans->ok = false;
	ans->reason = reason;
	ans->recorded = !fpd;
}

/* ---- what goes out ---- */

/* 5.1.5.1: the message that the decoded fields make, with the destination in KVM's two parts. */
static void compose(struct io_answer *ans)
{
	uint64_t address = UINT64_C(0xfee) << 20;
	uint32_t data = ans->vector;

	address |= field(ans->destination, 7, 0) << 12;
	address |= field(ans->destination, 31, 8) << 40;
	if (ans->redirection_hint)
		address |= 1U << 3;
	if (ans->logical)
		address |= 1U << 2;
	data |= (uint32_t)ans->delivery_mode << 8;
	data |= 1U << 14; /* assert */
	if (ans->level)
		data |= 1U << 15;
	ans->address = address;
	ans->data = data;
	ans->ok = true;
}

/* The compatibility format's fields, of a message that leaves as it came. */
static void pass(const struct io_request *req, struct io_answer *ans)
{
	ans->ok = true;
	ans->unremapped = true;
	ans->address = req->address;
	ans->data = req->data;
	ans->destination = (uint32_t)field(req->address, 19, 12);
	ans->redirection_hint = field(req->address, 3, 3);
	ans->logical = field(req->address, 2, 2);
	ans->vector = (uint8_t)field(req->data, 7, 0);
	ans->delivery_mode = (uint8_t)field(req->data, 10, 8);
	ans->level = field(req->data, 15, 15);
}

/* A destination: 32 bits, or 8 in bits 15:8 and the others reserved. False: those are not 0. */
static bool take_destination(const struct io_unit *unit, uint32_t raw, uint32_t *destination)
{
	bool eime = field(unit->irta, 11, 11);

	*destination = eime ? raw : (uint32_t)field(raw, 15, 8);
	return eime || (field(raw, 7, 0) == 0 && field(raw, 31, 16) == 0);
}

/* ---- the table entry ---- */

/* 9.9 and 9.10: bits that have to be 0. */
static bool reserved_is_zero(const struct io_unit *unit, const uint64_t entry[2])
{
	uint32_t unused;

	if (field(entry[0], 15, 15)) {
		if (!unit->posting)
			return false;
		return field(entry[0], 7, 2) == 0 && field(entry[0], 13, 12) == 0 &&
		       field(entry[0], 37, 24) == 0 && field(entry[1], 31, 20) == 0;
	}
	if (!take_destination(unit, (uint32_t)field(entry[0], 63, 32), &unused))
		return false;
	return field(entry[0], 14, 12) == 0 && field(entry[0], 31, 24) == 0 &&
	       field(entry[1], 63, 20) == 0;
}

/* 9.9, SVT, SQ and SID. */
static bool source_is_right(const uint64_t entry[2], uint16_t source)
{
	unsigned sid = (unsigned)field(entry[1], 15, 0);
	unsigned ignored[4] = { 0, 4, 4 + 2, 4 + 2 + 1 };
	unsigned same = ~ignored[field(entry[1], 17, 16)] & 0xffffU;
	unsigned bus = source >> 8;

	switch (field(entry[1], 19, 18)) {
	case 0:
		return true;
	case 1:
		return (source & same) == (sid & same);
	case 2:
		return bus >= sid >> 8 && bus <= (sid & 0xff);
	default:
		return false;
	}
}

static void deliver_remapped(const struct io_unit *unit, const uint64_t entry[2],
			     struct io_answer *ans)
{
	ans->vector = (uint8_t)field(entry[0], 23, 16);
	ans->delivery_mode = (uint8_t)field(entry[0], 7, 5);
	ans->logical = field(entry[0], 2, 2);
	ans->redirection_hint = field(entry[0], 3, 3);
	ans->level = field(entry[0], 4, 4);
	take_destination(unit, (uint32_t)field(entry[0], 63, 32), &ans->destination);
	compose(ans);
}

/* ---- the posted descriptor ---- */

/* 9.11: 0 or the reason. */
static uint8_t read_descriptor(const struct io_memory *mem, uint64_t at, uint64_t word[8])
{
	for (unsigned i = 0; i < 8; i++)
		if (!mem->load64(mem->opaque, at + 8 * i, &word[i]))
			return 0x27;
	if (field(word[4], 15, 2) || field(word[4], 31, 24) || word[5] || word[6] || word[7])
		return 0x28;
	return 0;
}

/* Sets the vector's bit in PIR. */
static bool post(const struct io_memory *mem, uint64_t at, const uint64_t word[8], unsigned vector)
{
	uint64_t bit = UINT64_C(1) << vector % 64;
	uint64_t pir = word[vector / 64];

	return (pir & bit) || mem->store64(mem->opaque, at + vector / 64 * 8, pir | bit);
}

/* 5.2.3: the vector is posted; a notification is due once. */
static void deliver_posted(const struct io_memory *mem, const struct io_unit *unit,
			   const struct io_request *req, const uint64_t entry[2],
			   struct io_answer *ans)
{
	uint64_t at = field(entry[0], 63, 38) << 6 | field(entry[1], 63, 32) << 32;
	unsigned vector = (unsigned)field(entry[0], 23, 16);
	bool urgent = field(entry[0], 14, 14);
	bool fpd = field(entry[0], 1, 1);
	uint64_t word[8];
	uint8_t reason = read_descriptor(mem, at, word);
	bool on, sn;

	if (reason) {
		refuse(ans, reason, fpd);
		return;
	}
	on = field(word[4], 0, 0);
	sn = field(word[4], 1, 1);
	ans->posted = true;
	ans->notify = !req->resolve && !on && (urgent || !sn);
	if ((!req->resolve && !post(mem, at, word, vector)) ||
	    (ans->notify && !mem->store64(mem->opaque, at + 32, word[4] | 1))) {
		ans->posted = ans->notify = false;
		refuse(ans, 0x27, fpd);
		return;
	}
	ans->vector = (uint8_t)field(word[4], 23, 16);
	take_destination(unit, (uint32_t)field(word[4], 63, 32), &ans->destination);
	compose(ans);
}

/* ---- 5.1.4: one interrupt request ---- */

/* False: refused. */
static bool find_index(const struct io_unit *unit, const struct io_request *req,
		       struct io_answer *ans)
{
	uint32_t handle = (uint32_t)(field(req->address, 19, 5) | field(req->address, 2, 2) << 15);
	uint32_t index = handle;
	uint64_t base = field(unit->irta, 63, 12) << 12;

	if (field(req->address, 3, 3))
		index += (uint32_t)field(req->data, 15, 0);
	if (field(req->address, 3, 3) && field(req->data, 31, 16)) {
		refuse(ans, 0x20, false);
		return false;
	}
	ans->fi = (uint16_t)index;
	if (index > 0xffff || index >= 2U << field(unit->irta, 3, 0) || base >> unit->haw != 0 ||
	    (base + 16 * (uint64_t)index) >> unit->haw != 0) {
		refuse(ans, 0x21, false);
		return false;
	}
	ans->indexed = true;
	ans->index = (uint16_t)index;
	return true;
}

static void remap(const struct io_memory *mem, const struct io_unit *unit,
		  const struct io_request *req, struct io_answer *ans)
{
	uint64_t at, entry[2];
	bool fpd;

	if (!find_index(unit, req, ans))
		return;
	at = (field(unit->irta, 63, 12) << 12) + 16 * (uint64_t)ans->index;
	if (!mem->load64(mem->opaque, at, &entry[0]) ||
	    !mem->load64(mem->opaque, at + 8, &entry[1])) {
		refuse(ans, 0x23, false);
		return;
	}
	fpd = field(entry[0], 1, 1);
	if (!field(entry[0], 0, 0))
		refuse(ans, 0x22, fpd);
	else if (!reserved_is_zero(unit, entry))
		refuse(ans, 0x24, fpd);
	else if (!source_is_right(entry, req->source))
		refuse(ans, 0x26, fpd);
	else if (field(entry[0], 15, 15))
		deliver_posted(mem, unit, req, entry, ans);
	else
		deliver_remapped(unit, entry, ans);
}

void io_remap(const struct io_memory *mem, const struct io_unit *unit, const struct io_request *req,
	      struct io_answer *ans)
{
	memset(ans, 0, sizeof(*ans));
	if (!unit->enabled)
		pass(req, ans);
	else if (field(req->address, 4, 4))
		remap(mem, unit, req, ans);
	else if (unit->cfi && !field(unit->irta, 11, 11))
		pass(req, ans);
	else
		refuse(ans, 0x25, false);
	if (req->resolve)
		ans->recorded = false;
}
