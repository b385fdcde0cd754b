/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * play_vtd_watch.c - follows the guest's invalidations, so that the history knows which answers may still be cached.
 *
 * What was processed is seen from outside: the queue's head before and after a register write, and the command
 * registers that were written. Clauses 6.5.1 (registers) and 6.5.2 (descriptors).
 */

#include "play_vtd.h"

#define REG_GCMD 0x18U
#define REG_CCMD 0x28U
#define REG_IQH	 0x80U
#define REG_IQA	 0x90U

#define GCMD_TE	   (1U << 31)
#define GCMD_SRTP  (1U << 30)
#define GCMD_IRE   (1U << 25)
#define GCMD_SIRTP (1U << 24)
#define GSTS	   (REG_GCMD + 4)

#define BITS_OF(word, high, low)                                                                   \
	((uint32_t)((word) >> (low)) & (uint32_t)((1ULL << ((high) - (low) + 1)) - 1))

/* The invalidate address register; the IOTLB register follows it. */
static uint64_t reg_iva(const struct player *p)
{
	return (p->vtd->ecap >> 8 & 0x3ff) * 16;
}

static void forget_all(struct player *p, bool interrupts)
{
	history_forget(&p->vtd->history, &(struct history_match){ .interrupt = interrupts });
}

/* 2^am pages around an address. */
static void set_pages(struct history_match *m, uint64_t address, uint32_t am)
{
	uint64_t low = am >= 52 ? UINT64_MAX : (4096ULL << am) - 1;

	m->by_range = true;
	m->first = address & ~low;
	m->last = address | low;
}

/* Granularity of contexts: 1 all, 2 a domain, 3 a device. What was cached under another domain is out of reach then. */
static void contexts(struct player *p, uint32_t granularity, uint32_t did, uint32_t sid,
		     uint32_t function_mask)
{
	static const uint32_t ignored[4] = { 0, 4, 6, 7 };
	struct history_match m = { .by_tag = granularity == 2,
				   .tag = did,
				   .by_rid = granularity == 3,
				   .rid = sid,
				   .rid_mask = ignored[function_mask] };

	history_forget(&p->vtd->history, &m);
	vtd_forget_domains(p);
}

/* Granularity of the IOTLB: 1 all, 2 a domain, 3 pages. */
static void iotlb(struct player *p, uint32_t granularity, uint32_t did, uint64_t address,
		  uint32_t am)
{
	struct history_match m = { .by_tag = granularity != 1, .tag = did };

	if (granularity == 3)
		set_pages(&m, address, am);
	if (granularity != 0)
		history_forget(&p->vtd->history, &m);
}

/* Granularity with PASID: 2 all of it, 3 pages. Requests without PASID use one too, so that it is not compared. */
static void pasid_iotlb(struct player *p, uint32_t granularity, uint32_t did, uint64_t address,
			uint32_t am)
{
	struct history_match m = { .by_tag = true, .tag = did };

	if (granularity == 3)
		set_pages(&m, address, am);
	history_forget(&p->vtd->history, &m);
}

static void interrupts(struct player *p, bool by_index, uint32_t index, uint32_t im)
{
	history_forget(&p->vtd->history,
		       &(struct history_match){ .interrupt = true,
						.by_tag = by_index,
						.tag = index,
						.tag_mask = (uint32_t)((1ULL << im) - 1) });
}

static void descriptor(struct player *p, uint64_t low, uint64_t high)
{
	uint32_t granularity = BITS_OF(low, 5, 4);
	uint32_t did = BITS_OF(low, 31, 16);

	switch (BITS_OF(low, 3, 0) | BITS_OF(low, 11, 9) << 4) {
	case 1:
		contexts(p, granularity, did, BITS_OF(low, 47, 32), BITS_OF(low, 49, 48));
		break;
	case 2:
		iotlb(p, granularity, did, high & ~0xfffULL, BITS_OF(high, 5, 0));
		break;
	case 4:
		interrupts(p, low & 0x10, BITS_OF(low, 47, 32), BITS_OF(low, 31, 27));
		break;
	case 6:
		pasid_iotlb(p, granularity, did, high & ~0xfffULL, BITS_OF(high, 5, 0));
		break;
	case 7:
		contexts(p, granularity == 3 ? 1 : 2, did, 0, 0);
		break;
	default: /* waits, and caches of devices: there are none here */
		break;
	}
}

/* Descriptors in [from, to) of the ring. */
static void queue(struct player *p, uint64_t from, uint64_t to)
{
	uint64_t iqa = vtd_register(p, REG_IQA, 8);
	uint64_t bytes = 4096ULL << (iqa & 7);
	uint64_t step = iqa & 0x800 ? 32 : 16;

	if (from >= bytes || to >= bytes)
		return;
	for (; from != to; from = (from + step) % bytes) {
		uint64_t at = (iqa & ~0xfffULL) + from;

		descriptor(p, guest_load64(&p->memory, at), guest_load64(&p->memory, at + 8));
	}
}

void watch_before(struct player *p)
{
	p->vtd->watch.head = vtd_register(p, REG_IQH, 8);
}

/* A command register is acted on when its upper half is written. */
static bool commands(const struct tape_line *w, uint64_t offset)
{
	return (w->at == offset && w->bytes == 8) || (w->at == offset + 4 && w->bytes == 4);
}

/* Keeps the part of a register that was written: IVA and parts of CCMD cannot be read back. */
static void keep(uint64_t *kept, const struct tape_line *w, uint64_t offset)
{
	if (w->at == offset && w->bytes == 8)
		*kept = w->value;
	else if (w->at == offset && w->bytes == 4)
		*kept = (*kept & ~0xffffffffULL) | w->value;
	else if (w->at == offset + 4 && w->bytes == 4)
		*kept = (*kept & 0xffffffffULL) | w->value << 32;
}

static void registers(struct player *p, const struct tape_line *w)
{
	uint64_t upper = w->bytes == 8 ? w->value : w->value << 32;

	keep(&p->vtd->watch.address, w, reg_iva(p));
	keep(&p->vtd->watch.command, w, REG_CCMD);
	if (commands(w, REG_CCMD) && upper >> 63) {
		uint64_t value = p->vtd->watch.command;

		contexts(p, BITS_OF(upper, 62, 61), BITS_OF(value, 15, 0), BITS_OF(value, 31, 16),
			 BITS_OF(upper, 33, 32));
	}
	if (commands(w, reg_iva(p) + 8) && upper >> 63)
		iotlb(p, BITS_OF(upper, 61, 60), BITS_OF(upper, 47, 32),
		      p->vtd->watch.address & ~0xfffULL, BITS_OF(p->vtd->watch.address, 5, 0));
}

/* The engine drops all that it has cached when tables are set or remapping is switched. */
static void global_command(struct player *p, uint32_t command)
{
	uint32_t status = (uint32_t)vtd_register(p, GSTS, 4);

	if (command & GCMD_SRTP || !(status & GCMD_TE)) {
		forget_all(p, false);
		vtd_forget_domains(p);
	}
	if (command & GCMD_SIRTP || !(status & GCMD_IRE))
		forget_all(p, true);
}

void watch_after(struct player *p, const struct tape_line *w)
{
	uint64_t head = vtd_register(p, REG_IQH, 8);

	if (w->at == REG_GCMD)
		global_command(p, (uint32_t)w->value);
	else
		registers(p, w);
	/* Enabling the queue starts it at 0. */
	if (head != p->vtd->watch.head)
		queue(p, w->at == REG_GCMD ? 0 : p->vtd->watch.head, head);
}
