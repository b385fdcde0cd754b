/* SPDX-License-Identifier: BSD-3-Clause */
/* arm64_oracle.c - the rules, one after the other. */
#include "arm64_oracle.h"

#include <endian.h>
#include <string.h>

static unsigned bit(uint64_t word, unsigned n)
{
	return (unsigned)(word >> n) & 1;
}

/* Bits high to low of the word, shifted down. */
static uint64_t field(uint64_t word, unsigned high, unsigned low)
{
	return (word << (63 - high)) >> (63 - high + low);
}

static uint64_t order(const struct a64_tables *t, uint64_t word)
{
	return t->big_endian ? htobe64(le64toh(word)) : word;
}

static unsigned granule_bits(const struct a64_tables *t)
{
	return t->kib == 4 ? 12 : t->kib == 16 ? 14 : 16;
}

/* The lowest bit of the address that a descriptor of this level, if it is no table, gives. */
static unsigned low_bit(const struct a64_tables *t, int level)
{
	static const uint8_t of_4[] = { 48, 39, 30, 21, 12 };
	static const uint8_t of_16[] = { 58, 47, 36, 25, 14 };
	static const uint8_t of_64[] = { 68, 55, 42, 29, 16 };

	return (t->kib == 4 ? of_4 : t->kib == 16 ? of_16 : of_64)[level + 1];
}

static int stage1_start(const struct a64_tables *t)
{
	for (int level = 3;; level--)
		if (t->bits <= low_bit(t, level) + granule_bits(t) - 3)
			return level;
}

bool a64_start_level(unsigned kib, unsigned sl, unsigned bits, int *level)
{
	struct a64_tables t = { .kib = kib };
	unsigned least, most;

	if (kib == 4)
		*level = sl == 0 ? 2 : sl == 1 ? 1 : sl == 2 ? 0 : sl == 3 ? 3 : sl == 4 ? -1 : -2;
	else
		*level = sl < (kib == 16 ? 4U : 3U) ? 3 - (int)sl : -2;
	if (*level == -2)
		return false;
	least = low_bit(&t, *level) + 1;
	most = low_bit(&t, *level) + granule_bits(&t) - 3 + 4;
	return bits >= least && bits <= most;
}

/* Where the first table begins: aligned to all of it, to 64 bytes if addresses have 52 bits. */
static uint64_t first_table(const struct a64_tables *t, int start)
{
	uint64_t bytes = UINT64_C(8) << (t->bits - low_bit(t, start));

	if (t->ps >= 52 && bytes < 64)
		bytes = 64;
	return t->base - t->base % bytes;
}

/* Bits of output addresses that can be told wrong. */
static unsigned output_bits(const struct a64_tables *t)
{
	if (t->ps > 48 && !(t->kib == 64 ? t->wide : t->ds))
		return 48;
	return t->ps;
}

static uint64_t output(const struct a64_tables *t, uint64_t d, unsigned low)
{
	uint64_t address = field(d, 47, 12) << 12;

	if (t->kib == 64)
		address = (field(d, 47, 16) << 16) | (t->wide ? field(d, 15, 12) << 48 : 0);
	else if (t->ds)
		address |= (field(d, 49, 48) << 48) | (field(d, 9, 8) << 50);
	return low >= 64 ? 0 : address >> low << low;
}

enum kind { INVALID, TABLE, BLOCK };

static enum kind kind_of(const struct a64_tables *t, uint64_t d, int level)
{
	if (!bit(d, 0))
		return INVALID;
	if (level == 3)
		return bit(d, 1) ? BLOCK : INVALID;
	if (bit(d, 1))
		return TABLE;
	if (level == 2)
		return BLOCK;
	if (level == 1)
		return t->kib == 4 || (t->kib == 16 ? t->ds : t->wide) ? BLOCK : INVALID;
	return level == 0 && t->kib == 4 && t->ds ? BLOCK : INVALID;
}

/* Six permissions: of users, and of the privileged. */
struct rights {
	bool ur, uw, ux;
	bool pr, pw, px;
};

/* What hierarchical bits have taken away on the way down. */
struct taken {
	bool write, user, px, ux;
};

static struct rights stage1_rights(const struct a64_tables *t, uint64_t d, struct taken taken)
{
	unsigned ap2 = bit(d, 7), ap1 = bit(d, 6);
	struct rights r;
	bool users;

	if (t->ha && t->hd && bit(d, 51))
		ap2 = 0;
	if (t->el2) {
		r.pr = true;
		r.pw = !ap2 && !taken.write;
		r.px = !bit(d, 54) && !taken.ux && !(t->wxn && r.pw);
		r.ur = r.pr;
		r.uw = r.pw;
		r.ux = r.px;
		return r;
	}
	r.pr = true;
	r.pw = !ap2 && !taken.write;
	r.ur = ap1 && !taken.user;
	r.uw = r.ur && r.pw;
	r.ux = !bit(d, 54) && !taken.ux;
	r.px = !bit(d, 53) && !taken.px && !r.uw;
	users = r.ur || r.uw || (t->epan && r.ux);
	if (t->wxn && r.pw)
		r.px = false;
	if (t->wxn && r.uw)
		r.ux = false;
	if (t->pan && users)
		r.pr = r.pw = false;
	return r;
}

static struct rights stage2_rights(const struct a64_tables *t, uint64_t d, enum a64_class class)
{
	unsigned attr = (unsigned)field(d, 5, 2), xn = (unsigned)field(d, 54, 53);
	bool device = t->fwb ? attr < 5 || attr > 7 : attr < 4;
	struct rights r;

	if (class != A64_IN && t->ptw && device)
		return (struct rights){ .ur = false };
	r.ur = r.pr = bit(d, 6);
	r.uw = r.pw = bit(d, 7) || (t->ha && t->hd && bit(d, 51));
	if (t->xnx) {
		r.ux = xn == 0 || xn == 1;
		r.px = xn == 0 || xn == 3;
	} else {
		r.ux = r.px = xn < 2;
	}
	return r;
}

static bool suffices(const struct a64_request *q, struct a64_answer *a, struct rights r)
{
	a->r = q->privileged ? r.pr : r.ur;
	a->w = q->privileged ? r.pw : r.uw;
	a->x = q->privileged ? r.px : r.ux;
	if (q->any)
		return (a->r && !q->none_r) || (a->w && !q->none_w) || (a->x && !q->none_x);
	return (!q->read || a->r) && (!q->write || a->w) && (!q->fetch || a->x);
}

struct walk {
	const struct a64_memory *m;
	const struct a64_tables *t;
	const struct a64_tables *below; /* stage 2 of what these tables are read through */
	const struct a64_request *q;
	unsigned stage;
	enum a64_class class;
};

/* Where the descriptor at this address of the stage's is in memory. */
static bool locate(const struct walk *w, uint64_t address, bool write, uint64_t *pa,
		   struct a64_answer *a)
{
	struct a64_request q = {
		.address = address, .read = true, .write = write, .trace = w->q->trace
	};
	struct a64_answer below;

	*pa = address;
	if (!w->below)
		return true;
	below = a64_stage2(w->m, w->below, &q, A64_TT);
	below.doubtful |= a->doubtful;
	a->doubtful = below.doubtful;
	*pa = below.pa;
	if (below.fault == A64_NONE)
		return true;
	*a = below;
	a->table_write = write;
	return false;
}

static bool fail(struct a64_answer *a, const struct walk *w, enum a64_fault fault, int level)
{
	a->fault = fault;
	a->stage = w->stage;
	a->class = w->stage == 1 ? A64_IN : w->class;
	a->level = level;
	return false;
}

static bool fetch(const struct walk *w, uint64_t address, uint64_t *d, int level,
		  struct a64_answer *a)
{
	uint64_t pa, word;

	if (!locate(w, address, false, &pa, a))
		return false;
	if (!w->m->read(w->m->opaque, pa, &word)) {
		fail(a, w, A64_EABT, level);
		a->class = w->stage == 1 ? A64_TT : w->class;
		a->fetch = pa;
		return false;
	}
	*d = order(w->t, word);
	return true;
}

static bool store(const struct walk *w, uint64_t address, uint64_t old, uint64_t d, int level,
		  struct a64_answer *a)
{
	uint64_t pa;

	if (old == d || !w->q->trace)
		return true;
	if (!locate(w, address, true, &pa, a))
		return false;
	if (w->m->write(w->m->opaque, pa, order(w->t, d)))
		return true;
	fail(a, w, A64_EABT, level);
	a->class = w->stage == 1 ? A64_TT : w->class;
	a->fetch = pa;
	return false;
}

static bool too_large(const struct a64_tables *t, uint64_t address)
{
	return address >> output_bits(t) != 0;
}

/* How many neighbours, as a power of two, form one page by the Contiguous bit. */
static unsigned neighbours(const struct a64_tables *t, int level)
{
	if (t->kib == 4)
		return level >= 1 ? 4 : 0;
	if (level < 2)
		return 0;
	return t->kib == 16 && level == 3 ? 7 : 5;
}

/* D8.7: whether all of them say the same, and lie side by side. */
static bool alike(const struct walk *w, uint64_t at, uint64_t d, int level)
{
	unsigned n = neighbours(w->t, level), low = low_bit(w->t, level);
	uint64_t first = at >> (n + 3) << (n + 3);
	uint64_t group = output(w->t, d, low);
	/* permissions, attributes, access flag, type: but for what accesses change */
	uint64_t same = UINT64_C(0xfff8000000000cff);
	struct a64_request quietly = *w->q;
	struct walk look = *w;

	if (!bit(d, 52) || !n || low + n > w->t->bits)
		return true;
	if (w->t->ha)
		same &= ~(UINT64_C(1) << 10 | UINT64_C(1) << 7);
	quietly.trace = false;
	look.q = &quietly;
	group = group >> (low + n) << (low + n);
	for (unsigned i = 0; i < 1U << n; i++) {
		struct a64_answer none = { .fault = A64_NONE };
		uint64_t other;

		if (!fetch(&look, first + 8 * i, &other, level, &none) || ((other ^ d) & same) ||
		    output(w->t, other, low) != (group | (uint64_t)i << low))
			return false;
	}
	return true;
}

/* The last descriptor: faults in their order, then its traces. */
static bool finish(const struct walk *w, uint64_t at, uint64_t d, int level, struct taken taken,
		   struct a64_answer *a)
{
	unsigned low = low_bit(w->t, level);
	uint64_t address = output(w->t, d, low);
	uint64_t updated = d;
	bool clean, written;

	a->doubtful |= !alike(w, at, d, level);
	if (too_large(w->t, address))
		return fail(a, w, A64_ADDR_SIZE, level);
	if (!bit(d, 10) && !w->t->ha && !w->t->affd)
		return fail(a, w, A64_ACCESS, level);
	if (!suffices(w->q, a,
		      w->stage == 1 ? stage1_rights(w->t, d, taken)
				    : stage2_rights(w->t, d, w->class)))
		return fail(a, w, A64_PERMISSION, level);
	if (w->t->ha)
		updated |= UINT64_C(1) << 10;
	clean = w->t->ha && w->t->hd && bit(d, 51) && bit(d, 7) == (w->stage == 1);
	written = w->q->any ? w->q->dirty && a->w : w->q->write;
	if (clean && written)
		updated ^= UINT64_C(1) << 7;
	if (!store(w, at, d, updated, level, a))
		return false;
	a->clean = clean && !(written && w->q->trace);
	a->pa = address | (w->q->address & ((UINT64_C(1) << low) - 1));
	a->lg2 = low;
	a->level = level;
	a->global = !bit(d, 11);
	return true;
}

static void walk(const struct walk *w, int level, struct a64_answer *a)
{
	unsigned stride = granule_bits(w->t) - 3;
	uint64_t table = first_table(w->t, level);
	unsigned top = w->t->bits; /* the address's bits below this one have not been used */
	struct taken taken = { .write = false };

	for (;; level++) {
		unsigned low = low_bit(w->t, level);
		uint64_t at = table + (field(w->q->address, top - 1, low) << 3);
		uint64_t d;
		enum kind kind;

		if (!fetch(w, at, &d, level, a))
			return;
		kind = kind_of(w->t, d, level);
		if (kind == BLOCK) {
			finish(w, at, d, level, taken, a);
			return;
		}
		if (kind == INVALID) {
			fail(a, w, A64_TRANSLATION, level);
			return;
		}
		table = output(w->t, d, stride + 3);
		if (too_large(w->t, table)) {
			fail(a, w, A64_ADDR_SIZE, level);
			return;
		}
		if (w->stage == 1 && !w->t->had) {
			taken.ux |= bit(d, 60);
			taken.write |= bit(d, 62);
			taken.px |= bit(d, 59);
			taken.user |= bit(d, 61);
		}
		if (w->t->ha && w->t->haft && !store(w, at, d, d | UINT64_C(1) << 10, level, a))
			return;
		top = low;
	}
}

static struct a64_answer first_stage(const struct a64_memory *m, const struct a64_tables *s1,
				     const struct a64_tables *s2, const struct a64_request *q)
{
	struct walk w = { m, s1, s2, q, 1, A64_IN };
	struct a64_answer a = { .fault = A64_NONE };
	int start = stage1_start(s1);

	if (s1->epd || (s1->e0pd && !q->privileged)) {
		fail(&a, &w, A64_TRANSLATION, start);
		return a;
	}
	walk(&w, start, &a);
	return a;
}

struct a64_answer a64_stage1(const struct a64_memory *m, const struct a64_tables *s1,
			     const struct a64_request *q)
{
	return first_stage(m, s1, NULL, q);
}

struct a64_answer a64_stage2(const struct a64_memory *m, const struct a64_tables *s2,
			     const struct a64_request *q, enum a64_class class)
{
	struct walk w = { m, s2, NULL, q, 2, class };
	struct a64_answer a = { .fault = A64_NONE };

	if (q->address >> s2->bits)
		fail(&a, &w, A64_TRANSLATION, s2->start);
	else
		walk(&w, s2->start, &a);
	a.ipa = q->address;
	return a;
}

struct a64_answer a64_nested(const struct a64_memory *m, const struct a64_tables *s1,
			     const struct a64_tables *s2, const struct a64_request *q)
{
	struct a64_answer a = first_stage(m, s1, s2, q), b;
	struct a64_request second = *q;

	if (a.fault != A64_NONE)
		return a;
	second.address = a.pa;
	second.dirty = q->dirty && a.w;
	second.none_r = !a.r;
	second.none_w = !a.w;
	second.none_x = !a.x;
	b = a64_stage2(m, s2, &second, A64_IN);
	b.doubtful |= a.doubtful;
	if (b.fault != A64_NONE)
		return b;
	b.r = b.r && a.r;
	b.w = b.w && a.w;
	b.x = b.x && a.x;
	b.clean |= a.clean;
	b.global = a.global;
	if (a.lg2 < b.lg2)
		b.lg2 = a.lg2;
	return b;
}
