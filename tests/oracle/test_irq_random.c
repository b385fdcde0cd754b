/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_irq_random.c - interrupt remapping against the oracle, on random tables: cold, warm,
 * resolved, and around a change of an entry.
 *
 * Compared: result, message and its fields, reason, fault record, memory. Until the guest has
 * invalidated an entry that it changed the unit may answer as before or as now, but an absent entry
 * is never cached (CAP.CM is 0).
 */
#include <string.h>

#include "check.h"
#include "irq_rig.h"
#include "run.h"

enum { UNITS = 240, TABLES = 48, REQUESTS = 56, CHANGES = 24, FILLED = 160 };

struct world {
	struct irq_rig rig;
	struct vt_rng rng;
	uint32_t filled; /* entries at the start of the table that are not empty */
	uint64_t pairs;
	uint64_t reason[16]; /* answers of the oracle: 0 ok, n: 0x20 + n - 1 */
	uint64_t posted, passed, changed;
};

static const uint16_t sources[] = {
	0x0010, 0x0011, 0x0017, 0x0110, 0x01ff, 0x0200, 0x8000, 0xffff
};

static uint64_t random64(struct world *w)
{
	return vt_random(&w->rng);
}

static unsigned pick(struct world *w, unsigned n)
{
	return (unsigned)(vt_random(&w->rng) >> 33) % n;
}

/* One in n. */
static bool rarely(struct world *w, unsigned n)
{
	return pick(w, n) == 0;
}

static uint16_t any_source(struct world *w)
{
	uint16_t source = sources[pick(w, sizeof(sources) / sizeof(sources[0]))];

	return (uint16_t)(rarely(w, 3) ? source ^ pick(w, 8) : source);
}

/* ---- tables ---- */

static uint64_t any_descriptor(struct world *w)
{
	if (rarely(w, 20))
		return random64(w) & ~UINT64_C(63);
	if (rarely(w, 10))
		return IRQ_END + 64 * pick(w, 64);
	return (rarely(w, 6) ? IRQ_ROM : IRQ_POSTED) + 64 * pick(w, IRQ_DESCRIPTORS);
}

static void any_entry(struct world *w, uint64_t entry[2])
{
	bool eime = w->rig.unit.irta & VTD_IRTA_EIME;
	uint64_t source = any_source(w);

	if (rarely(w, 4))
		source = rarely(w, 4) ? random64(w) & 0xffff : pick(w, 3) << 8 | pick(w, 4);
	entry[0] = 1 | (rarely(w, 4) ? 2 : 0) | (uint64_t)pick(w, 256) << 16 |
		   (uint64_t)pick(w, 16) << 8;
	entry[1] =
		source | (uint64_t)pick(w, 4) << 16 | (uint64_t)pick(w, rarely(w, 8) ? 4 : 3) << 18;
	if (rarely(w, 3)) {
		uint64_t at = any_descriptor(w);

		entry[0] |= BIT(15) | (uint64_t)pick(w, 2) << 14 | (at >> 6 & bits_low(26)) << 38;
		entry[1] |= at >> 32 << 32;
	} else {
		entry[0] |= (uint64_t)pick(w, 64) << 2;
		entry[0] |= eime ? random64(w) << 32 : (uint64_t)pick(w, 256) << 40;
	}
	if (rarely(w, 4))
		entry[pick(w, 2)] ^= UINT64_C(1) << pick(w, 64);
	if (rarely(w, 24))
		entry[pick(w, 2)] = random64(w);
	/* not the unit's queue: a descriptor there would be another one each time */
	if (entry[1] >> 32 == 0 && (entry[0] >> 38) - GUEST_BASE / 64 < (IRQ_RAM - GUEST_BASE) / 64)
		entry[0] ^= BIT(63);
}

static void any_descriptors(struct world *w, uint64_t base)
{
	for (uint64_t at = base; at < base + GUEST_PAGE; at += 64) {
		uint64_t control = (random64(w) & (bits_low(40) << 24 | bits_low(24))) &
				   (BIT(0) | BIT(1) | BITS(23, 16) | BITS(63, 32));

		if (rarely(w, 16))
			control |= UINT64_C(1) << pick(w, 64);
		for (uint64_t i = 0; i < 4; i++)
			irq_put(&w->rig, at + 8 * i, rarely(w, 4) ? random64(w) : 0);
		irq_put(&w->rig, at + 32, control);
		for (uint64_t i = 5; i < 8; i++)
			irq_put(&w->rig, at + 8 * i, rarely(w, 60) ? random64(w) : 0);
	}
}

/* Tables lie in the RAM, reach over its end, or are elsewhere; a large one fills it. */
static uint64_t any_table(struct world *w, unsigned *s)
{
	uint64_t at;

	*s = rarely(w, 12) ? pick(w, 16) : pick(w, 8);
	if (*s >= 8)
		return rarely(w, 3) ? IRQ_END - 17 * GUEST_PAGE : IRQ_TABLES;
	at = IRQ_TABLES + GUEST_PAGE * pick(w, 270);
	if (rarely(w, 20))
		return (UINT64_C(1) << w->rig.unit.haw) - (rarely(w, 2) ? 0 : GUEST_PAGE);
	if (rarely(w, 40))
		return random64(w) & BITS(63, 12);
	return rarely(w, 4) ? IRQ_END - GUEST_PAGE : at;
}

static void build(struct world *w)
{
	unsigned s;
	uint64_t irta = any_table(w, &s) | s;
	bool eime = w->rig.eim && rarely(w, 2);

	irq_program(&w->rig, irta | (eime ? VTD_IRTA_EIME : 0), !rarely(w, 16), rarely(w, 2));
	w->filled = rarely(w, 16) ? 2U << s : FILLED;
	if (w->filled > 2U << s)
		w->filled = 2U << s;
	for (uint32_t i = 0; i < w->filled; i++) {
		uint64_t entry[2];

		any_entry(w, entry);
		irq_put_entry(&w->rig, i, entry[0], entry[1]);
	}
	any_descriptors(w, IRQ_POSTED);
	any_descriptors(w, IRQ_ROM);
	if (!w->rig.unit.enabled || rarely(w, 2))
		irq_invalidate(&w->rig, GUEST_IEC_GLOBAL);
	else /* the entries were written after SIRTP, but nobody has asked for any since */
		assert_true(irq_tables_agree(&w->rig));
}

/* ---- requests ---- */

static uint32_t any_index(struct world *w)
{
	if (rarely(w, 16))
		return w->filled + pick(w, 4) - 2;
	return rarely(w, 16) ? pick(w, 1U << 17) : pick(w, w->filled);
}

static void any_request(struct world *w, struct io_request *req)
{
	uint32_t index = any_index(w);
	uint32_t subhandle = rarely(w, 6) ? pick(w, 65536) : pick(w, 32);
	uint32_t handle = index;

	*req = (struct io_request){ .source = any_source(w), .address = 0xfee00010 };
	req->data = rarely(w, 8) ? (uint32_t)random64(w) : 0;
	if (rarely(w, 3)) {
		handle = index - subhandle; /* may be negative: the sum overflows */
		req->address |= 8;
		req->data = (rarely(w, 20) ? (uint32_t)random64(w) & ~0xffffU : 0) | subhandle;
	}
	req->address |= (handle & 0x7fff) << 5 | (handle >> 15 & 1) << 2 | pick(w, 4);
	if (rarely(w, 14)) {
		req->address &= ~0x10U;
		req->data = (uint32_t)random64(w);
	}
	req->resolve = rarely(w, 4);
}

static void count(struct world *w, const struct io_request *req)
{
	struct io_request quiet = *req;
	struct io_answer oracle;

	quiet.resolve = true;
	io_remap(&w->rig.memory, &w->rig.unit, &quiet, &oracle);
	w->reason[oracle.ok ? 0 : oracle.reason - 0x1f]++;
	w->posted += oracle.posted;
	w->passed += oracle.unremapped;
	w->pairs++;
}

static void compare(struct world *w, const char *what, const struct io_request *req)
{
	uint64_t before = w->rig.g.count[GUEST_ON_DIRTY];

	count(w, req);
	irq_compare(&w->rig, what, req);
	if (req->resolve)
		assert_true(w->rig.g.count[GUEST_ON_DIRTY] == before);
}

static void three_ways(struct world *w, struct io_request *req)
{
	if (rarely(w, 3))
		irq_invalidate(&w->rig, GUEST_IEC_GLOBAL);
	compare(w, "cold", req);
	compare(w, "warm", req);
	req->source = any_source(w);
	compare(w, "warm, another source", req);
	req->resolve = !req->resolve;
	compare(w, "warm, the other form", req);
}

/* ---- changes ---- */

/* An invalidation of index. */
static uint64_t covering(struct world *w, uint32_t index)
{
	unsigned im = rarely(w, 3) ? pick(w, 16) : pick(w, 8);

	if (rarely(w, 4))
		return GUEST_IEC_GLOBAL;
	if (rarely(w, 2))
		im = 0;
	return GUEST_IEC(index & ~bits_low(im) & 0xffff, im);
}

/* The unit answers as before, or as now. */
static void either(struct world *w, const struct io_request *req, const struct io_answer *was)
{
	struct io_answer is;
	struct irq_answer engine;

	io_remap(&w->rig.memory, &w->rig.unit, req, &is);
	irq_ask(&w->rig, req, &engine);
	if (!irq_differs(&is, req, &engine))
		return;
	if (was->reason != 0x22 && was->reason != 0x23 && !irq_differs(was, req, &engine))
		return;
	print_message("--- changed, not invalidated: neither the old answer nor the new one\n");
	irq_print(&w->rig, req, was, &engine);
	irq_print(&w->rig, req, &is, &engine);
	fail();
}

static void change(struct world *w)
{
	uint32_t index = pick(w, w->filled);
	struct io_request req = { .source = any_source(w), .resolve = true };
	struct io_answer was;
	uint64_t entry[2];

	req.address = 0xfee00010 | (index & 0x7fff) << 5 | (index >> 15) << 2;
	compare(w, "before the change", &req);
	io_remap(&w->rig.memory, &w->rig.unit, &req, &was);
	any_entry(w, entry);
	if (rarely(w, 4))
		entry[0] &= ~UINT64_C(1);
	irq_put_entry(&w->rig, index, entry[0], entry[1]);
	either(w, &req, &was);
	if (rarely(w, 4)) { /* of others: this one may go too */
		irq_invalidate(&w->rig, GUEST_IEC(index ^ 1, 0));
		either(w, &req, &was);
	}
	irq_invalidate(&w->rig, covering(w, index));
	req.resolve = rarely(w, 2);
	compare(w, "changed and invalidated", &req);
	w->changed++;
}

/* ---- run ---- */

static void one_unit(struct world *w)
{
	static const unsigned haws[] = { 36, 39, 46, 52 };
	const struct irq_config config = { .region = rarely(w, 2),
					   .posting = pick(w, 8),
					   .eim = pick(w, 4),
					   .haw = haws[pick(w, 4)] };

	irq_open(&w->rig, &config);
	for (unsigned t = 0; t < TABLES; t++) {
		build(w);
		for (unsigned i = 0; i < REQUESTS; i++) {
			struct io_request req;

			any_request(w, &req);
			three_ways(w, &req);
		}
		for (unsigned i = 0; w->rig.unit.enabled && i < CHANGES; i++)
			change(w);
		assert_true(irq_tables_agree(&w->rig));
	}
	irq_close(&w->rig);
}

static void random_requests(void **state)
{
	static struct world w;
	uint64_t units = run_scaled(UNITS);

	(void)state;
	w.rng.state = run_seed(1);
	for (uint64_t i = 0; i < units; i++)
		one_unit(&w);
	print_message("%ju requests, %ju changes; %ju delivered (%ju posted, %ju as they came)\n",
		      (uintmax_t)w.pairs, (uintmax_t)w.changed, (uintmax_t)w.reason[0],
		      (uintmax_t)w.posted, (uintmax_t)w.passed);
	for (unsigned i = 1; i <= 9; i++) {
		print_message("%x: %ju\n", 0x1f + i, (uintmax_t)w.reason[i]);
		assert_true(units < 8 || w.reason[i] > units);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(random_requests) };

	return cmocka_run_group_tests_name("irq/random", tests, NULL, NULL);
}
