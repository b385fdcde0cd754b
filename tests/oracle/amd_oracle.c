/* SPDX-License-Identifier: BSD-3-Clause */
/* amd_oracle.c - what an AMD IOMMU answers to a DMA. */

#include "amd_oracle.h"

#define BITS_OF(word, high, low) ((word) >> (low) & (UINT64_MAX >> (63 - (high) + (low))))
#define BIT_OF(word, n)		 ((word) >> (n)&1)
#define ADDRESS(word)		 ((word)&UINT64_C(0x000ffffffffff000))

/* Event codes (2.5). */
enum { ILLEGAL_DTE = 1, PAGE_FAULT = 2, DTE_HARDWARE = 3, TABLE_HARDWARE = 4, INVALID_REQUEST = 8 };

/* What is wrong, as flags of DW1. */
#define GN (1U << 16)
#define PR (1U << 20)
#define RW (1U << 21)
#define PE (1U << 22)
#define RZ (1U << 23)

struct ask {
	const struct ao_unit *u;
	const struct ao_request *q;
	struct ao_answer *a;
	uint64_t dte[4];
	bool still;		  /* a GCR3 table is read: no accessed bit of host tables */
	bool guest;		  /* guest tables are in use: GN */
	bool may_read, may_write; /* as far as it has been found */
};

static uint64_t *word_at(const struct ao_unit *u, uint64_t address)
{
	uint64_t offset = address - AO_BASE;

	return address % 8 == 0 && address >= AO_BASE && offset / 8 < AO_WORDS ? &u->ram[offset / 8]
									       : 0;
}

/* ---- events ---- */

static bool refuse(struct ask *k, unsigned code, uint32_t flags, uint64_t address, uint64_t sure1)
{
	struct ao_answer *a = k->a;
	uint64_t sa = k->dte[1] >> 34 & 1;

	a->result = AO_REFUSED;
	a->event = !(code == PAGE_FAULT && sa);
	a->word[0] = k->q->id | (uint64_t)code << 60 | (uint64_t)flags << 32;
	a->word[1] = address;
	a->sure[0] = 0xffff | UINT64_C(0xf) << 60 | sure1 << 32;
	a->sure[1] = UINT64_MAX;
	return false;
}

static bool page_fault(struct ask *k, uint32_t flags)
{
	const struct ao_request *q = k->q;
	uint64_t low = k->guest ? q->has_pasid ? q->pasid & 0xffff : 0 : k->dte[1] & 0xffff;

	flags |= (q->write ? RW : 0) | (k->guest ? GN : 0);
	refuse(k, PAGE_FAULT, flags, q->address, GN | PR | RW | PE | RZ | 0xffff);
	k->a->word[0] |= low << 32;
	return false;
}

static bool hardware(struct ask *k, unsigned code, uint64_t at)
{
	return refuse(k, code, k->q->write ? RW : 0, at & ~UINT64_C(15), 0);
}

/* ---- host tables (2.2.3) ---- */

/* How much of the address this entry leads past: what a page of this size is aligned to; 0: it is none. */
static uint64_t page_bytes(uint64_t entry, unsigned level)
{
	uint64_t natural = UINT64_C(1) << (12 + 9 * (level - 1));
	unsigned next = (unsigned)BITS_OF(entry, 11, 9);
	unsigned zero = 12;

	if (next == 0)
		return level == 6 ? 0 : natural;
	while (zero < 52 && BIT_OF(entry, zero))
		zero++;
	if (zero > 50 || level == 6)
		return 0;
	natural <<= 1; /* larger than one entry, smaller than one of the next level */
	return (UINT64_C(2) << zero) >= natural && (UINT64_C(2) << zero) < natural << 8
		       ? UINT64_C(2) << zero
		       : 0;
}

/* A and D as DTE.HAD and CONTROL.HADUpdate together want them. */
static unsigned had(const struct ask *k)
{
	return k->still ? 0 : (unsigned)(BITS_OF(k->dte[0], 8, 7) & BITS_OF(k->u->control, 47, 46));
}

/* IR and IW of the device table are the request's, not the walker's. Where an address of the host tables' side leads. Rights are added up in k->may_read, may_write. */
static bool host(struct ask *k, uint64_t address, bool read, bool write, bool walker, uint64_t *out)
{
	unsigned level = (unsigned)BITS_OF(k->dte[0], 11, 9);
	uint64_t table = ADDRESS(k->dte[0]);
	bool r = walker || BIT_OF(k->dte[0], 61), w = walker || BIT_OF(k->dte[0], 62);

	if (level == 0) {
		*out = address;
		k->may_read = r;
		k->may_write = w;
		return (read && !r) || (write && !w) ? page_fault(k, PR | PE) : true;
	}
	if ((read && !r) || (write && !w))
		return page_fault(k, PR | PE);
	if (level < 6 && address >> (12 + 9 * level))
		return page_fault(k, 0);
	for (;;) {
		unsigned shift = 12 + 9 * (level - 1);
		uint64_t at = table + (address >> shift & 511) * 8;
		uint64_t *word = word_at(k->u, at);
		uint64_t entry, bytes;
		unsigned next;

		if (!word)
			return hardware(k, TABLE_HARDWARE, at);
		entry = *word;
		if (!BIT_OF(entry, 0))
			return page_fault(k, 0);
		r = r && BIT_OF(entry, 61);
		w = w && BIT_OF(entry, 62);
		if ((read && !r) || (write && !w))
			return page_fault(k, PR | PE);
		next = (unsigned)BITS_OF(entry, 11, 9);
		if (next == 0 || next == 7) {
			bytes = page_bytes(entry, level);
			if (!bytes)
				return page_fault(k, PR);
			if (BITS_OF(entry, 58, 52))
				return page_fault(k, PR | RZ);
			*word |= (had(k) & 1 ? 1U << 5 : 0) | (write && had(k) == 3 ? 1U << 6 : 0);
			*out = (ADDRESS(entry) & ~(bytes - 1)) | (address & (bytes - 1));
			k->may_read = r;
			k->may_write = w;
			return true;
		}
		if (next >= level)
			return page_fault(k, PR);
		if (BITS_OF(entry, 60, 52))
			return page_fault(k, PR | RZ);
		/* levels that are passed over have no bits of the address */
		if (address >> (12 + 9 * next) & ((UINT64_C(1) << (9 * (level - 1 - next))) - 1))
			return page_fault(k, PR);
		*word |= had(k) & 1 ? 1U << 5 : 0;
		level = next;
		table = ADDRESS(entry);
	}
}

/* ---- guest tables (2.2.6) ---- */

/* A word of a guest structure, which may be behind host tables. */
static bool fetch(struct ask *k, uint64_t at, bool translated, bool write, uint64_t **word)
{
	if (translated && !host(k, at, true, write, true, &at))
		return false;
	*word = word_at(k->u, at);
	return *word ? true : hardware(k, TABLE_HARDWARE, at);
}

static bool gcr3(struct ask *k, uint32_t pasid, uint64_t *root)
{
	unsigned level = (unsigned)BITS_OF(k->dte[0], 57, 56);
	uint64_t table = BITS_OF(k->dte[0], 60, 58) << 12 | BITS_OF(k->dte[1], 31, 16) << 15 |
			 BITS_OF(k->dte[1], 63, 43) << 31;
	bool nested = BITS_OF(k->dte[0], 11, 9) != 0 && BIT_OF(k->u->control, 58);
	uint64_t *word;

	if ((uint64_t)pasid >> (9 * (level + 1)) || pasid >> (BITS_OF(k->u->efr, 36, 32) + 1))
		return page_fault(k, 0);
	k->still = true;
	for (unsigned l = level + 1; l-- > 0;) {
		if (!fetch(k, table + (pasid >> (9 * l) & 511) * 8, nested, false, &word))
			return false;
		if (!BIT_OF(*word, 0))
			return page_fault(k, 0);
		if (BITS_OF(*word, 11, 1) || BITS_OF(*word, 63, 52))
			return page_fault(k, PR | RZ);
		table = ADDRESS(*word);
	}
	k->still = false;
	*root = table;
	return true;
}

/* Accessed, and with @dirty dirty, in an entry that has been used. */
static bool touch(struct ask *k, uint64_t at, uint64_t seen, bool nested, bool dirty)
{
	uint64_t bits = (BIT_OF(k->u->control, 54) ? 0 : 1U << 5) | (dirty ? 1U << 6 : 0);
	uint64_t *word;

	if ((seen & bits) == bits)
		return true;
	if (!fetch(k, at, nested, true, &word))
		return false;
	*word |= bits;
	return true;
}

static bool guest(struct ask *k, uint32_t pasid, uint64_t *out)
{
	const struct ao_request *q = k->q;
	unsigned levels = BITS_OF(k->dte[2], 55, 54) ? 5 : 4;
	bool nested = BITS_OF(k->dte[0], 11, 9) != 0;
	bool nx = BIT_OF(k->u->efr, 3);
	uint64_t table = 0, path, seen;
	bool user = true, writable = true, fetchable = true;
	unsigned l = levels;
	int64_t high;
	uint64_t *word;

	if (!gcr3(k, pasid, &table))
		return false;
	/* before these tables are read; whose fault it is, is not said */
	if (((q->read || q->execute) && !BIT_OF(k->dte[0], 61)) ||
	    (q->write && !BIT_OF(k->dte[0], 62))) {
		page_fault(k, PR | PE);
		k->a->sure[0] &= ~((uint64_t)(GN | 0xffff) << 32);
		return false;
	}
	high = (int64_t)q->address >> (12 + 9 * levels - 1);
	if (high != 0 && high != -1)
		return page_fault(k, 0);
	for (;;) {
		unsigned shift = 12 + 9 * --l;

		path = table + (q->address >> shift & 511) * 8;
		if (!fetch(k, path, nested, false, &word))
			return false;
		seen = *word;
		if (!BIT_OF(seen, 0))
			return page_fault(k, 0);
		if (l > 2 && BIT_OF(seen, 7))
			return page_fault(k, PR | RZ);
		writable = writable && BIT_OF(seen, 1);
		user = user && BIT_OF(seen, 2);
		fetchable = fetchable && !(nx && BIT_OF(seen, 63));
		table = ADDRESS(seen);
		if (l == 0 || (l < 3 && BIT_OF(seen, 7)))
			break;
		if (!touch(k, path, seen, nested, false))
			return false;
	}
	if (l > 0 && table & ((UINT64_C(1) << (12 + 9 * l)) - 1) & ~UINT64_C(0x1000))
		return page_fault(k, PR | RZ);
	if ((q->user && !user) || (q->write && !writable) || (q->execute && !fetchable))
		return page_fault(k, PR | PE);
	if (!touch(k, path, seen, nested, q->write && !BIT_OF(k->u->control, 48)))
		return false;
	table &= ~((UINT64_C(1) << (12 + 9 * l)) - 1);
	*out = table | (q->address & ((UINT64_C(1) << (12 + 9 * l)) - 1));
	if (!host(k, *out, q->read || q->execute, q->write, false, out))
		return false;
	k->may_read = k->may_read && (!q->user || user);
	k->may_write = k->may_write && writable && (!q->user || user);
	return true;
}

/* ---- the decision ---- */

static bool reserved_bits(const struct ask *k)
{
	uint64_t efr = k->u->efr;

	/* the last one of word 0, those between V/TV and HAD, and what is not presented */
	return BITS_OF(k->dte[0], 6, 2) || BIT_OF(k->dte[0], 63) ||
	       (BIT_OF(k->dte[0], 52) && !BIT_OF(efr, 1)) ||
	       (BIT_OF(k->dte[0], 55) && !BIT_OF(efr, 4)) ||
	       (BIT_OF(k->dte[0], 54) && !BIT_OF(efr, 48)) ||
	       (BIT_OF(k->dte[0], 7) && !BIT_OF(efr, 49)) ||
	       (BIT_OF(k->dte[0], 8) && !BIT_OF(efr, 52));
}

static bool decide(struct ask *k)
{
	const struct ao_request *q = k->q;
	const struct ao_unit *u = k->u;
	unsigned mode, most;
	uint64_t page = q->address & ~UINT64_C(0xfff);
	uint64_t *word;

	k->a->gpa = q->address;
	k->may_read = true;
	k->may_write = true;
	if (q->address >> 20 == 0xfee) {
		k->a->result = AO_INTERRUPT;
		return q->write ? false : refuse(k, INVALID_REQUEST, 0, q->address, 7U << 25);
	}
	if (q->id >= 128)
		return refuse(k, ILLEGAL_DTE, q->write ? RW : 0, q->address & ~UINT64_C(3),
			      RZ | RW);
	for (unsigned i = 0; i < 4; i++) {
		word = word_at(u, u->devices + q->id * 32 + i * 8);
		k->dte[i] = *word;
	}
	if (!BIT_OF(k->dte[0], 0))
		return true;
	if (reserved_bits(k))
		return refuse(k, ILLEGAL_DTE, RZ | (q->write ? RW : 0), q->address & ~UINT64_C(3),
			      RZ | RW);
	if (BIT_OF(u->exclusion, 0) && (BIT_OF(u->exclusion, 1) || BIT_OF(k->dte[1], 39)) &&
	    page >= ADDRESS(u->exclusion) && page <= ADDRESS(u->exclusion_limit))
		return true;
	if (!BIT_OF(k->dte[0], 1))
		return page_fault(k, 0);
	mode = (unsigned)BITS_OF(k->dte[0], 11, 9);
	most = 4 + (unsigned)BITS_OF(u->efr, 11, 10);
	if (mode == 7)
		return refuse(k, ILLEGAL_DTE, q->write ? RW : 0, q->address & ~UINT64_C(3),
			      RZ | RW);
	if (mode > most)
		return page_fault(k, PR);
	k->guest = BIT_OF(u->control, 16) && BIT_OF(k->dte[0], 55) &&
		   (q->has_pasid || BIT_OF(k->dte[0], 54));
	if (!k->guest)
		return host(k, q->address, q->read || q->execute, q->write, false, &k->a->gpa);
	if (BITS_OF(k->dte[0], 57, 56) > BITS_OF(u->efr, 15, 14) ||
	    BITS_OF(k->dte[2], 55, 54) > BITS_OF(u->efr, 13, 12))
		return refuse(k, ILLEGAL_DTE, q->write ? RW : 0, q->address & ~UINT64_C(3),
			      RZ | RW);
	return guest(k, q->has_pasid ? q->pasid : 0, &k->a->gpa);
}

struct ao_answer ao_translate(const struct ao_unit *u, const struct ao_request *q)
{
	struct ao_answer a = { .result = AO_DONE };
	struct ask k = { .u = u, .q = q, .a = &a };

	if (decide(&k)) {
		a.may_read = k.may_read;
		a.may_write = k.may_write;
	}
	return a;
}

/* ---- interrupts (2.2.5) ---- */

#define I (1U << 19)

static struct ao_interrupt abort_with(const struct ao_message *m, unsigned code, uint32_t flags,
				      uint64_t address, bool shown)
{
	return (struct ao_interrupt){
		.result = AO_REFUSED,
		.event = shown,
		.word = { m->id | (uint64_t)code << 60 | (uint64_t)flags << 32, address },
		.sure = { 0xffff | UINT64_C(0xf) << 60 | (uint64_t)(I | PR | PE | RZ) << 32,
			  code == TABLE_HARDWARE ? ~UINT64_C(15) : ~UINT64_C(3) }
	};
}

static struct ao_interrupt as_it_came(void)
{
	return (struct ao_interrupt){ .result = AO_DONE, .unchanged = true };
}

static uint32_t destination(const struct ao_unit *u, const uint64_t w[2])
{
	return (uint32_t)(BIT_OF(u->control, 50)
				  ? BITS_OF(w[1], 63, 56) << 24 | BITS_OF(w[0], 31, 8)
				  : BITS_OF(w[0], 15, 8));
}

/*
 * Guest form: the vector's bit in the IRR of a virtual APIC. Its processor runs: a doorbell. It does not: whoever wants to know is told
 * when the bit rises, by an interrupt unless GAPPIDis, or else by the log if GALogIntr.
 */
static struct ao_interrupt post(const struct ao_unit *u, const struct ao_message *m,
				const uint64_t w[2], bool shown)
{
	unsigned vector = (unsigned)BITS_OF(w[1], 7, 0);
	uint64_t irr = ADDRESS(w[1]) + 0x200 + UINT64_C(0x10) * (vector / 32);
	uint32_t bit = (uint32_t)1 << vector % 32;
	bool runs = BIT_OF(w[0], 6), wanted = BIT_OF(w[0], 2);
	bool interrupts = BIT_OF(u->control, 55) && !BIT_OF(w[0], 5);
	const uint64_t *word = word_at(u, irr);
	bool set;

	if (BITS_OF(w[0], 4, 3) || BITS_OF(w[1], 11, 8) || BITS_OF(w[1], 55, 52))
		return abort_with(m, PAGE_FAULT, I | PR | RZ, m->address, shown);
	if (!word) {
		struct ao_interrupt a = abort_with(m, TABLE_HARDWARE, I, irr, true);

		a.sure[1] = ~UINT64_C(0xfff);
		return a;
	}
	set = *word & bit;
	return (struct ao_interrupt){
		.result = AO_DONE,
		.posted = true,
		.vector = vector,
		.destination = destination(u, w),
		.irr = irr,
		.bit = bit,
		.notify = runs || (interrupts && !set),
		.logged = !runs && wanted && !interrupts && !set && BIT_OF(u->control, 28),
		.entry = w[0] >> 32 | (uint64_t)m->id << 32 | UINT64_C(1) << 60,
	};
}

/* What an entry makes of a message; w[1]: of those with 128 bits. */
static struct ao_interrupt apply(const struct ao_unit *u, const struct ao_message *m,
				 const uint64_t w[2], bool wide, bool shown)
{
	bool bad = BITS_OF(w[0], 4, 2) >= 2 || BIT_OF(w[0], 7);

	shown = shown && !BIT_OF(w[0], 1);
	if (!BIT_OF(w[0], 0))
		return abort_with(m, PAGE_FAULT, I, m->address, shown);
	if (wide && BIT_OF(w[0], 7) && BITS_OF(u->control, 27, 25) == 1)
		return post(u, m, w, shown);
	/* of the wide form 63:32 of the first word are the host's, and so is the root of the guest form */
	bad = bad || (wide ? BITS_OF(w[1], 11, 8) || BITS_OF(w[1], 55, 52) : BITS_OF(w[0], 31, 24));
	if (bad)
		return abort_with(m, PAGE_FAULT, I | PR | RZ, m->address, shown);
	return (struct ao_interrupt){
		.result = AO_DONE,
		.vector = (unsigned)(wide ? BITS_OF(w[1], 7, 0) : BITS_OF(w[0], 23, 16)),
		.delivery = (unsigned)BITS_OF(w[0], 4, 2),
		.logical = BIT_OF(w[0], 6),
		.destination = wide ? destination(u, w) : (uint32_t)BITS_OF(w[0], 15, 8),
		.level = BIT_OF(m->data, 15),
		.hint = BIT_OF(m->address, 3)
	};
}

struct ao_interrupt ao_remap(const struct ao_unit *u, const struct ao_message *m)
{
	static const uint8_t pass[8] = { [4] = 58, [5] = 56, [7] = 57 };
	unsigned type = m->data >> 8 & 7;
	bool wide = BIT_OF(u->control, 17);
	uint64_t d[4], w[2] = { 0, 0 }, at;
	uint64_t *word;
	unsigned length;

	if (m->id >= 128)
		return abort_with(m, ILLEGAL_DTE, I, m->address, true);
	for (unsigned i = 0; i < 4; i++)
		d[i] = *word_at(u, u->devices + m->id * 32 + i * 8);
	if (!BIT_OF(d[2], 0))
		return as_it_came();
	if (BITS_OF(d[2], 53, 52) || BITS_OF(d[3], 14, 0))
		return abort_with(m, ILLEGAL_DTE, I | RZ, m->address, true);
	if (type == 2)
		return as_it_came();
	if (type > 1)
		return pass[type] && BIT_OF(d[2], pass[type]) && !BIT_OF(m->address, 2)
			       ? as_it_came()
			       : abort_with(m, 0, 0, 0, false);
	switch (BITS_OF(d[2], 61, 60)) {
	case 0:
		return abort_with(m, 0, 0, 0, false);
	case 1:
		return as_it_came();
	case 3:
		return abort_with(m, ILLEGAL_DTE, I | RZ, m->address, true);
	}
	length = (unsigned)BITS_OF(d[2], 4, 1);
	if (length > 11)
		return abort_with(m, ILLEGAL_DTE, I, m->address, true);
	if ((m->data & 0x7ff) >> length)
		return abort_with(m, PAGE_FAULT, I, m->address, !BIT_OF(d[2], 5));
	at = (d[2] & UINT64_C(0x000fffffffffffc0)) + (m->data & 0x7ff) * (wide ? 16U : 4U);
	for (unsigned i = 0; i < (wide ? 2U : 1U); i++) {
		word = word_at(u, (at & ~UINT64_C(7)) + i * 8);
		if (!word)
			return abort_with(m, TABLE_HARDWARE, I, at, true);
		w[i] = *word;
	}
	if (!wide)
		w[0] = at & 4 ? w[0] >> 32 : w[0] & UINT32_MAX;
	return apply(u, m, w, wide, !BIT_OF(d[2], 5));
}
