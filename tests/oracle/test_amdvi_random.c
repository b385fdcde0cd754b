/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_amdvi_random.c - an AMD IOMMU against the oracle, on random guests: each request with empty caches, then all of them in turn
 * with caches that fill, while entries change and are invalidated. VIOMMU_TEST_SCALE=10000 asks 10^7 times.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

#include "amd_oracle.h"
#include "amdvi_rig.h"
#include "run.h"

enum { IMAGES = 1000, COLD = 50, WARM = 60, ADDRESSES = 10, TREES = 3, MAX_FAILURES = 6 };

static const uint32_t ids[] = { 0x10, 0x18, 0x21, 0x7f, 0x80 };
#define DEVICES (sizeof(ids) / sizeof(ids[0]))

struct world {
	struct amdvi_rig r;
	struct viommu_device *device[DEVICES];
	struct viommu_channel *channel[DEVICES]; /* without PASID */
	struct ao_unit oracle;
	uint64_t *pristine;
	uint64_t random;
	uint64_t seed;
	uint64_t iova[ADDRESSES];
	uint64_t host_root[TREES];
	unsigned host_mode[TREES];
	uint64_t identity;   /* a host tree that leads RAM to itself */
	uint64_t entry[600]; /* of tables: those that are edited */
	unsigned entries;
	uint64_t first_table, end;
	uint64_t asked, done, faults, events[16];
	unsigned failures;
	uint64_t where; /* memory differs */
};

static struct world w;

static uint64_t next(void)
{
	w.random ^= w.random << 13;
	w.random ^= w.random >> 7;
	w.random ^= w.random << 17;
	return w.random * UINT64_C(0x2545f4914f6cdd1d);
}

static bool one_in(unsigned n)
{
	return next() >> 33 % 64 && (next() >> 20) % n == 0;
}

static uint64_t below(uint64_t n)
{
	return (next() >> 11) % n;
}

/* ---- tables ---- */

static uint64_t new_table(void)
{
	return guest_table(&w.r.g);
}

static void put(uint64_t at, uint64_t entry)
{
	guest_put64(&w.r.g, at, entry);
	if (w.entries < sizeof(w.entry) / sizeof(w.entry[0]))
		w.entry[w.entries++] = at;
}

static uint64_t rights(void)
{
	return (one_in(12) ? 0 : UINT64_C(1) << 61) | (one_in(8) ? 0 : UINT64_C(1) << 62);
}

static uint64_t anywhere(void)
{
	return below(UINT64_C(1) << 36) << 12;
}

/* A page of a host tree in the table of @level. */
static uint64_t host_leaf(unsigned level)
{
	unsigned shift = 12 + 9 * (level - 1);
	uint64_t entry = 1 | rights() | (one_in(4) ? 1U << 5 : 0) | (one_in(6) ? 1U << 6 : 0);
	unsigned lg2;

	if (one_in(25))
		entry |= UINT64_C(1) << (52 + below(9));
	if (level > 5 || !one_in(3))
		return entry | (anywhere() & ~((UINT64_C(1) << shift) - 1));
	lg2 = shift + 1 + (unsigned)below(one_in(6) ? 12 : 8);
	return entry | 7U << 9 | (anywhere() & ~((UINT64_C(1) << lg2) - 1)) |
	       (((UINT64_C(1) << (lg2 - 1)) - 1) & ~UINT64_C(0xfff));
}

/* How many entries of a table of this level make the page; 1 also where its size is none of this level. */
static uint64_t page_slots(uint64_t entry, unsigned level)
{
	unsigned zero = 12, shift = 12 + 9 * (level - 1);

	while (entry >> zero & 1)
		zero++;
	return zero + 1 > shift && zero + 1 < shift + 9 ? UINT64_C(1) << (zero + 1 - shift) : 1;
}

/* Of a page that several entries make, each says the same (2.2.3): whoever has read one knows the page. */
static void put_leaf(uint64_t table, unsigned level, uint64_t at, uint64_t entry)
{
	uint64_t slots = (entry & 1) && (entry >> 9 & 7) == 7 ? page_slots(entry, level) : 1;
	uint64_t first;

	first = (at - table) / 8 & ~(slots - 1);
	for (uint64_t i = 0; i < slots; i++)
		put(table + (first + i) * 8, entry);
}

static void map_host(uint64_t table, unsigned mode, uint64_t iova)
{
	unsigned level = mode;

	while (level > 0) {
		uint64_t at = table + (iova >> (3 + 9 * level) & 511) * 8;
		uint64_t entry = guest_get64(&w.r.g, at);
		unsigned down = (unsigned)(entry >> 9 & 7);

		if ((entry & 1) && (down == 0 || down == 7))
			return;
		if (!(entry & 1) || down >= level) {
			if (level == 1 || one_in(5)) {
				put_leaf(table, level, at,
					 one_in(15) ? host_leaf(level) & ~UINT64_C(1)
						    : host_leaf(level));
				return;
			}
			down = level - 1;
			while (down > 1 && one_in(4))
				down--;
			if (one_in(40))
				down = level + (unsigned)below(3);
			entry = new_table() | (down & 7) << 9 | 1 | rights();
			if (one_in(40))
				entry |= UINT64_C(1) << (52 + below(9));
			if (one_in(50))
				entry = (entry & ~UINT64_C(0xffffffffff000)) | anywhere();
			put(at, entry);
		}
		if (down >= level || down == 0 ||
		    (entry & UINT64_C(0xffffffffff000)) < w.first_table ||
		    (entry & UINT64_C(0xffffffffff000)) >= AO_BASE + AO_WORDS * UINT64_C(8))
			return;
		table = entry & UINT64_C(0xffffffffff000);
		level = down;
	}
}

static void map_guest(uint64_t table, unsigned levels, uint64_t iova)
{
	for (unsigned level = levels; level > 0; level--) {
		uint64_t at = table + (iova >> (3 + 9 * level) & 511) * 8;
		uint64_t entry = guest_get64(&w.r.g, at);
		uint64_t bits = 1 | (one_in(8) ? 0 : 2) | (one_in(8) ? 0 : 4) |
				(one_in(4) ? 0x20 : 0) | (one_in(10) ? UINT64_C(1) << 63 : 0);
		bool leaf = level == 1 || (level < 4 && one_in(6)) || one_in(60);

		if (!(entry & 1) || (entry & 0x80)) {
			uint64_t to = new_table();

			if (leaf) {
				/* within RAM, mostly: host tables lead that to itself */
				to = AO_BASE + (below(256) << 12);
				if (level > 1)
					to = one_in(10) ? anywhere() : 0;
				to &= ~((UINT64_C(1) << (3 + 9 * level)) - 1);
				bits |= level > 1 ? 0x80 : 0;
				bits |= one_in(4) ? 0x40 : 0;
				bits |= one_in(3) ? 0x100 : 0;
			}
			entry = (one_in(25) ? bits & ~UINT64_C(1) : bits) | to;
			put(at, entry);
		}
		if (leaf || !(entry & 1) || (entry & 0x80))
			return;
		table = entry & UINT64_C(0xffffffffff000);
	}
}

static uint64_t make_identity(void)
{
	uint64_t top = new_table(), middle = new_table(), low = new_table();

	put(top, middle | 2U << 9 | 1 | UINT64_C(3) << 61);
	put(middle, low | 1U << 9 | 1 | UINT64_C(3) << 61);
	for (unsigned i = 0; i < 512; i++) {
		uint64_t entry = (uint64_t)i << 12 | 1 | UINT64_C(3) << 61;

		if (one_in(40))
			entry &= ~(one_in(2) ? UINT64_C(1) : UINT64_C(1) << (61 + below(2)));
		put(low + i * 8, entry);
	}
	return top;
}

static uint64_t make_gcr3(unsigned glx, unsigned levels)
{
	uint64_t top = new_table();

	for (unsigned i = 0; i < 3; i++) {
		uint32_t pasid = (uint32_t)(i == 2 && glx ? 512 + i : i);
		uint64_t table = top, root = new_table();

		for (unsigned l = glx; l > 0; l--) {
			uint64_t at = table + (pasid >> (9 * l) & 511) * 8;

			if (!(guest_get64(&w.r.g, at) & 1))
				put(at, new_table() | 1);
			table = guest_get64(&w.r.g, at) & UINT64_C(0xffffffffff000);
		}
		put(table + (pasid & 511) * 8,
		    root | (one_in(15) ? UINT64_C(0) : 1) |
			    (one_in(30) ? UINT64_C(1) << below(12) : UINT64_C(0)));
		for (unsigned n = 0; n < 4; n++)
			map_guest(root, levels, w.iova[below(ADDRESSES)]);
	}
	return top;
}

/* ---- device table ---- */

static void make_device(uint32_t id)
{
	uint64_t w0 = (one_in(20) ? 0 : 1) | (one_in(20) ? 0 : 2) | below(4) << 7;
	uint64_t w1 = 1 + below(3), w2 = 0;
	unsigned kind = (unsigned)below(8);

	w0 |= (one_in(15) ? 0 : UINT64_C(1) << 61) | (one_in(10) ? 0 : UINT64_C(1) << 62);
	if (one_in(2)) /* HAD 2 is no value */
		w0 &= ~(UINT64_C(3) << 7);
	if ((w0 >> 7 & 3) == 2)
		w0 |= UINT64_C(1) << 7;
	w1 |= (one_in(8) ? UINT64_C(1) << 34 : 0) | (one_in(3) ? UINT64_C(1) << 39 : 0);
	if (kind < 4) {
		unsigned t = (unsigned)below(TREES);

		w0 |= w.host_root[t] | (uint64_t)w.host_mode[t] << 9;
	} else if (kind < 7) {
		unsigned glx = (unsigned)below(3), five = (unsigned)below(2);
		uint64_t table = make_gcr3(glx, 4 + five);

		w0 |= UINT64_C(1) << 55 | (uint64_t)glx << 56 | (table >> 12 & 7) << 58 |
		      (one_in(2) ? UINT64_C(1) << 54 : 0);
		w1 |= (table >> 15 & 0xffff) << 16 | table >> 31 << 43;
		w2 |= (uint64_t)five << 54;
		if (one_in(2))
			w0 |= w.identity | UINT64_C(3) << 9;
	}
	if (one_in(30))
		w0 |= UINT64_C(7) << 9;
	if (one_in(30))
		w0 |= UINT64_C(1) << (one_in(2) ? 2 + below(5) : 63);
	ar_dte(&w.r, id, w0, w1, w2);
}

static uint64_t address_of(void)
{
	uint64_t a = w.iova[below(ADDRESSES)] | below(4096);

	switch (below(12)) {
	case 0:
		return a ^ UINT64_C(1) << below(64);
	case 1:
		return one_in(3) ? UINT64_C(0xfee00000) | below(0x100000) : a + (below(64) << 12);
	default:
		return a;
	}
}

static void make_image(void)
{
	static const uint64_t had[] = { 0, 1, 3 };
	uint64_t efr = one_in(4) ? viommu_amdvi_default_efr() : AR_EFR_ALL;
	struct amdvi_rig_config config = { .memory = GUEST_REGION,
					   .efr = efr,
					   .efr2 = viommu_amdvi_default_efr2(),
					   .control = UINT64_C(1) << 16 | had[below(3)] << 46 };

	if (one_in(4))
		config.control |= UINT64_C(1) << 48;
	if (one_in(4))
		config.control |= UINT64_C(1) << 54;
	if (one_in(2))
		config.control |= UINT64_C(1) << 58;
	ar_open(&w.r, &config);
	w.entries = 0;
	w.first_table = w.r.g.used;
	for (unsigned i = 0; i < ADDRESSES; i++)
		w.iova[i] = below(UINT64_C(1) << (21 + below(36))) & ~UINT64_C(0xfff);
	w.identity = make_identity();
	for (unsigned t = 0; t < TREES; t++) {
		w.host_mode[t] = 1 + (unsigned)below(6);
		w.host_root[t] = new_table();
		for (unsigned i = 0; i < 6; i++)
			map_host(w.host_root[t], w.host_mode[t], w.iova[below(ADDRESSES)]);
	}
	for (unsigned i = 0; i < DEVICES; i++) {
		if (ids[i] < 128)
			make_device(ids[i]);
		w.device[i] = guest_device(&w.r.g, ids[i]);
		assert_int_equal(viommu_channel_new(w.device[i], VIOMMU_NO_PASID, &w.channel[i]),
				 0);
	}
	w.oracle = (struct ao_unit){ .ram = w.oracle.ram,
				     .efr = efr,
				     .control = ar_read(&w.r, 0x18, 8),
				     .devices = w.r.table };
	if (one_in(3)) {
		w.oracle.exclusion =
			(w.iova[0] & UINT64_C(0x000ffffffffff000)) | 1 | (one_in(2) ? 2 : 0);
		w.oracle.exclusion_limit = w.iova[0] + (below(3) << 12);
		ar_write(&w.r, 0x28, 8, w.oracle.exclusion_limit & UINT64_C(0x000ffffffffff000));
		ar_write(&w.r, 0x20, 8, w.oracle.exclusion);
	}
	w.end = w.r.g.used;
	assert_true(w.end <= AO_BASE + AO_WORDS * UINT64_C(8));
}

/* ---- asking both ---- */

static uint64_t bytes(void)
{
	return w.end - w.first_table;
}

static uint64_t place(void)
{
	return (w.first_table - AO_BASE) / 8;
}

static struct ao_request make_request(unsigned *device)
{
	struct ao_request q = { .address = address_of(), .user = true };

	*device = (unsigned)below(DEVICES);
	q.id = ids[*device];
	q.has_pasid = one_in(2);
	q.read = !one_in(3);
	q.write = !q.read || one_in(3);
	if (q.has_pasid) {
		q.pasid = (uint32_t)(one_in(6) ? below(1 << 20) : one_in(3) ? 514 : below(3));
		q.execute = one_in(5);
		q.user = !one_in(3);
	}
	return q;
}

static void differs(const char *phase, const char *what, const struct ao_request *q,
		    unsigned device, unsigned access, const struct ao_answer *a,
		    const struct guest_dma *d, const struct ar_event *e)
{
	uint64_t at = ar_dte_at(&w.r, q->id < 128 ? q->id : 0);
	struct guest_dma again;
	struct ar_event event;

	w.failures++;
	print_error("%s: %s; image 0x%" PRIx64 "\n", phase, what, w.seed);
	print_error(" id %x pasid %d %" PRIx64 " %s%s%s%s\n", q->id,
		    q->has_pasid ? (int)q->pasid : -1, q->address, q->read ? "r" : "",
		    q->write ? "w" : "", q->execute ? "x" : "", q->user ? "" : "s");
	print_error(" DTE %" PRIx64 " %" PRIx64 " %" PRIx64 ", efr %" PRIx64 " control %" PRIx64
		    "\n",
		    guest_get64(&w.r.g, at), guest_get64(&w.r.g, at + 8),
		    guest_get64(&w.r.g, at + 16), w.oracle.efr, w.oracle.control);
	print_error(" oracle %d %" PRIx64 " %d%d event %d %016" PRIx64 " %016" PRIx64 "\n",
		    a->result, a->gpa, a->may_read, a->may_write, a->event, a->word[0], a->word[1]);
	if (w.where)
		print_error(" at %" PRIx64 ": %" PRIx64 ", oracle %" PRIx64 ", before %" PRIx64
			    "\n",
			    w.where, guest_get64(&w.r.g, w.where),
			    w.oracle.ram[(w.where - AO_BASE) / 8],
			    w.pristine[(w.where - AO_BASE) / 8]);
	print_error(" engine %d %" PRIx64 " %x event %016" PRIx64 " %016" PRIx64 "\n", d->result,
		    d->f.gpa, d->f.perm, e->w[0], e->w[1]);
	viommu_flush(w.r.g.iommu);
	again = guest_dma_pasid(w.device[device], q->has_pasid ? q->pasid : VIOMMU_NO_PASID,
				q->address, access);
	event = (struct ar_event){ { 0 } };
	ar_event(&w.r, &event);
	print_error(" with empty caches: %d %" PRIx64 " event %016" PRIx64 "\n", again.result,
		    again.f.gpa, event.w[0]);
}

static const char *compare(const struct ao_answer *a, const struct guest_dma *d, bool event,
			   const struct ar_event *e)
{
	static const int results[] = { VIOMMU_OK, VIOMMU_FAULT, VIOMMU_INTERRUPT };

	if (d->result != results[a->result])
		return "result";
	if (a->result == AO_DONE && d->f.gpa != a->gpa)
		return "address";
	if (a->result == AO_DONE &&
	    (d->f.perm & 3) != (a->may_read ? 1U : 0) + (a->may_write ? 2U : 0))
		return "permission";
	if (event != a->event)
		return "whether there is an event";
	if (event &&
	    (((e->w[0] ^ a->word[0]) & a->sure[0]) || ((e->w[1] ^ a->word[1]) & a->sure[1])))
		return "event";
	return NULL;
}

/* Accessed bits, and dirty ones of tables that have them, of what a refused request has passed are nobody's business. */
static const char *compare_memory(const struct ao_answer *a)
{
	w.where = 0;
	uint64_t *ours = w.oracle.ram + place();
	const uint64_t *theirs = (const uint64_t *)(const void *)w.r.g.ram + place();

	if (memcmp(ours, theirs, bytes()) == 0)
		return NULL;
	for (uint64_t i = 0; i < bytes() / 8; i++) {
		if (ours[i] != theirs[i])
			w.where = (place() + i) * 8 + AO_BASE;
		/* of a page that several entries make, those of the entry that was read; software looks at all */
		if ((ours[i] ^ theirs[i]) & ~UINT64_C(0x60) ||
		    (ours[i] != theirs[i] && a->result == AO_DONE && (ours[i] >> 9 & 7) != 7))
			return "memory";
	}
	memcpy(ours, theirs, bytes());
	return NULL;
}

/* Through a channel as often as not. */
static struct guest_dma dma(unsigned device, const struct ao_request *q, unsigned access)
{
	uint32_t pasid = q->has_pasid ? q->pasid : VIOMMU_NO_PASID;
	struct viommu_channel *channel = w.channel[device];
	struct guest_dma d;

	if (q->has_pasid || one_in(2))
		return guest_dma_pasid(w.device[device], pasid, q->address, access);
	assert_int_equal(viommu_enter(channel), VIOMMU_OK);
	d = guest_channel_dma(channel, pasid, q->address, access);
	assert_int_equal(viommu_leave(channel), VIOMMU_OK);
	return d;
}

static void ask(const char *phase)
{
	unsigned device;
	struct ao_request q = make_request(&device);
	unsigned access = (q.read ? VIOMMU_READ : 0) | (q.write ? VIOMMU_WRITE : 0) |
			  (q.execute ? VIOMMU_EXEC : 0) | (q.user ? 0 : VIOMMU_PRIV);
	struct ar_event e = { { 0 } };
	struct ao_answer a;
	struct guest_dma d;
	const char *bad;
	bool event;

	/* what the engine writes by itself: entries may lead there */
	memcpy(w.oracle.ram, w.r.g.ram, place() * 8);
	a = ao_translate(&w.oracle, &q);
	d = dma(device, &q, access);
	event = ar_event(&w.r, &e);
	bad = compare(&a, &d, event, &e);
	if (!bad)
		bad = compare_memory(&a);
	if (!bad && ar_take_events(&w.r))
		bad = "a second event";
	if (bad)
		differs(phase, bad, &q, device, access, &a, &d, &e);
	w.asked++;
	w.done += a.result == AO_DONE;
	w.faults += a.result == AO_REFUSED;
	w.events[a.event ? a.word[0] >> 60 : 0]++;
}

/* An entry changes, and everything that may hang on it is invalidated. */
static void edit(void)
{
	uint64_t at = w.entry[below(w.entries)];
	uint64_t entry = guest_get64(&w.r.g, at);

	static const uint8_t bit[] = { 0, 0, 61, 62, 1, 2, 20, 21, 63 };

	if ((entry >> 9 & 7) == 7) /* the others would have to change, too */
		return;
	entry ^= UINT64_C(1) << bit[below(sizeof(bit))];
	guest_put64(&w.r.g, at, entry);
	w.oracle.ram[(at - AO_BASE) / 8] = entry;
	for (unsigned domain = 1; domain < 4; domain++) {
		ar_command(&w.r, AR_PAGES(domain), AR_ALL);
		for (unsigned pasid = 0; pasid < 3; pasid++)
			ar_command(&w.r, AR_PAGES(domain) | (pasid == 2 ? 514 : pasid), AR_ALL | 4);
		ar_command(&w.r, AR_PAGES(domain) | 2, AR_ALL | 4);
	}
	for (unsigned i = 0; i < DEVICES; i++)
		ar_command(&w.r, AR_DEVTAB(ids[i]), 0);
	ar_sync(&w.r);
}

static void one_image(void)
{
	make_image();
	memcpy(w.pristine, w.r.g.ram, AO_WORDS * 8);
	for (unsigned i = 0; i < COLD && w.failures < MAX_FAILURES; i++) {
		memcpy(w.r.g.ram + place() * 8, w.pristine + place(), bytes());
		memcpy(w.oracle.ram, w.r.g.ram, AO_WORDS * 8);
		viommu_flush(w.r.g.iommu);
		ask("cold");
	}
	memcpy(w.r.g.ram + place() * 8, w.pristine + place(), bytes());
	memcpy(w.oracle.ram, w.r.g.ram, AO_WORDS * 8);
	viommu_flush(w.r.g.iommu);
	for (unsigned i = 0, before = w.failures; i < WARM && w.failures == before; i++) {
		if (i % 10 == 9)
			edit();
		ask("warm");
	}
	for (unsigned i = 0; i < DEVICES; i++)
		assert_int_equal(viommu_channel_free(w.channel[i]), 0);
	ar_close(&w.r);
}

static void test_random(void **state)
{
	uint64_t seed = run_seed(1);
	uint64_t images = run_scaled(IMAGES);

	w.oracle.ram = malloc(AO_WORDS * 8);
	w.pristine = malloc(AO_WORDS * 8);
	assert_true(w.oracle.ram && w.pristine);
	for (uint64_t i = 0; i < images && w.failures < MAX_FAILURES; i++) {
		w.seed = seed + i;
		w.random = w.seed * UINT64_C(0x9e3779b97f4a7c15) | 1;
		next();
		one_image();
	}
	print_message("%" PRIu64 " requests: %" PRIu64 " translated, %" PRIu64 " refused; events",
		      w.asked, w.done, w.faults);
	for (unsigned i = 1; i < 16; i++)
		print_message(" %u: %" PRIu64, i, w.events[i]);
	print_message("\n");
	free(w.oracle.ram);
	free(w.pristine);
	assert_int_equal(w.failures, 0);
	assert_true(w.done > w.asked / 10 && w.faults > w.asked / 10);
	assert_true(images < 100 || (w.events[1] && w.events[2] && w.events[4] && w.events[8]));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_random) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
