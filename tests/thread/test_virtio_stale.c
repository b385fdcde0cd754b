/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_virtio_stale.c - lookups while another thread maps, unmaps, attaches and detaches
 * (obligations 12, 13, 18): no translation that started after an UNMAP was complete returns the
 * old target, and none that was answered in a section becomes stale before the section closes.
 *
 * Every target encodes its page and a version. One thread owns the requests; it publishes the
 * version that is mapped, and after a completion the lowest version that may still be seen.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include <libvirtiommu/virtio.h>
#include <libvirtiommu/vm.h>

#include "run.h"
#include "thread_world.h"

enum { PAGES = 6, READERS = 3, FILLER = 200 };

enum { ONLY_OK = 1U << 0, OR_INVAL = 1U << 4, OR_NOENT = 1U << 6 };
enum { PARK_NOBODY, PARK_WANTED, PARK_INSIDE };

#define PAGE_BYTES   UINT64_C(0x4000) /* of a mapping */
#define IOVA(page)   (UINT64_C(0x10000) * (1 + (page)))
#define TARGET(p, v) ((uint64_t)(p) << 44 | (uint64_t)(v) << 14)

struct checker {
	struct world w; /* its failure only */
	struct viommu_vm *vm;
	struct viommu *iommu;
	struct viommu_device *device[2];
	_Atomic uint64_t published[PAGES]; /* the newest version that was ever mapped */
	_Atomic uint64_t least[PAGES];	   /* no older one may be seen by who starts now */
	_Atomic uint64_t completed;	   /* requests */
	_Atomic bool stop;
	_Atomic uint64_t plugged;
	uint64_t found;		 /* requests that met the endpoint that comes and goes */
	_Atomic unsigned park;	 /* a reader in a section: PARK_* */
	_Atomic unsigned parked; /* the page that it has */
	unsigned held;		 /* requests that a parked reader held back */
	_Atomic uint64_t answers, misses;
	uint64_t random;
	uint64_t tokens;
};

struct reader {
	struct checker *c;
	pthread_t thread;
	struct viommu_channel *channel; /* NULL: through the device */
	unsigned device;
	uint64_t random;
	_Atomic uint64_t done;
};

static struct checker checker;
static struct reader readers[READERS];

/* ---- readers ---- */

/* The version of an answer; 0: refused. */
static uint64_t look(struct reader *r, unsigned page, uint64_t offset)
{
	struct checker *c = r->c;
	struct viommu_request q = { .first = IOVA(page) + offset,
				    .last = IOVA(page) + offset + 7,
				    .pasid = VIOMMU_NO_PASID,
				    .access = VIOMMU_READ };
	const uint64_t least = atomic_load(&c->least[page]);
	struct viommu_fragment f[2];
	struct viommu_answer answer;
	uint64_t version, most;
	int result = r->channel ? viommu_translate(r->channel, &q, f, 2, &answer)
				: viommu_device_translate(c->device[r->device], &q, f, 2, &answer);

	if (result == VIOMMU_FAULT) {
		atomic_fetch_add(&c->misses, 1);
		return 0;
	}
	if (result != VIOMMU_OK || answer.count != 1) {
		world_fail(&c->w, "page %u: result %d", page, result);
		return 0;
	}
	most = atomic_load(&c->published[page]);
	version = (f[0].gpa - offset - TARGET(page, 0)) >> 14;
	if (f[0].gpa != TARGET(page, version) + offset || version < least || version > most)
		world_fail(&c->w, "page %u answers %llx: version %llu, not %llu to %llu", page,
			   (unsigned long long)f[0].gpa, (unsigned long long)version,
			   (unsigned long long)least, (unsigned long long)most);
	atomic_fetch_add(&c->answers, 1);
	return version;
}

/* Stays in the section while the writer wants somebody there. */
static void park(struct checker *c, unsigned page)
{
	unsigned wanted = PARK_WANTED;

	if (atomic_load(&c->park) != PARK_WANTED)
		return;
	atomic_store(&c->parked, page);
	if (!atomic_compare_exchange_strong(&c->park, &wanted, PARK_INSIDE))
		return;
	while (atomic_load(&c->park) == PARK_INSIDE)
		sched_yield();
}

/* What was answered in a section is complete, if at all, after the section. */
static void look_in_section(struct reader *r, unsigned page, uint64_t random)
{
	uint64_t got[3];

	if (viommu_enter(r->channel) != VIOMMU_OK)
		world_fail(&r->c->w, "cannot enter");
	for (unsigned i = 0; i < 3; i++)
		got[i] = look(r, (page + i) % PAGES, (random >> 8 * i & 0x7ff) * 8);
	if (got[0])
		park(r->c, page);
	if ((random & 7) == 0)
		sched_yield();
	for (unsigned i = 0; i < 3; i++) {
		if (got[i] && atomic_load(&r->c->least[(page + i) % PAGES]) > got[i])
			world_fail(&r->c->w, "completed inside a section");
	}
	if (viommu_leave(r->channel) != VIOMMU_OK)
		world_fail(&r->c->w, "cannot leave");
}

/* Records are whole, whoever takes them. */
static void take_records(struct checker *c)
{
	uint8_t record[24];

	while (viommu_virtio_event(c->iommu, record, sizeof(record)) == VIOMMU_OK) {
		uint64_t address = 0;

		for (unsigned i = 0; i < 8; i++)
			address |= (uint64_t)record[16 + i] << 8 * i;
		if (record[0] < 1 || record[0] > 2 || record[4] != 1 || record[5] != 1 ||
		    record[8] < 1 || record[8] > 3 || address < IOVA(0) || address >= IOVA(PAGES))
			world_fail(&c->w, "a record of reason %u, endpoint %u, address %llx",
				   record[0], record[8], (unsigned long long)address);
	}
}

/* An endpoint that is plugged and unplugged, whatever the guest does with it meanwhile. */
static void *plug(void *opaque)
{
	struct checker *c = opaque;
	struct viommu_device_config config = { .size = sizeof(config), .id = 3 };
	struct viommu_request q = {
		.first = IOVA(0), .last = IOVA(0), .pasid = VIOMMU_NO_PASID, .access = VIOMMU_READ
	};

	while (!atomic_load(&c->stop)) {
		struct viommu_fragment f;
		struct viommu_answer answer;
		struct viommu_device *device;
		int result;

		if (viommu_device_new(c->iommu, &config, &device) != VIOMMU_OK)
			world_fail(&c->w, "cannot plug");
		sched_yield();
		result = viommu_device_translate(device, &q, &f, 1, &answer);
		if (result != VIOMMU_OK && result != VIOMMU_FAULT)
			world_fail(&c->w, "plugged: %d", result);
		/* BUSY: a request is looking at it */
		while (viommu_device_free(device) != VIOMMU_OK)
			sched_yield();
		atomic_fetch_add(&c->plugged, 1);
	}
	return NULL;
}

static void *read_all(void *opaque)
{
	struct reader *r = opaque;

	while (!atomic_load(&r->c->stop)) {
		uint64_t random = world_random(&r->random);
		unsigned page = (unsigned)(random >> 40) % PAGES;

		if ((random >> 16 & 15) == 0)
			take_records(r->c);
		if (r->channel && (random & 3))
			look_in_section(r, page, random);
		else
			look(r, page, (random >> 8 & 0x7ff) * 8);
		if (atomic_fetch_add(&r->done, 1) % 4 == 0)
			sched_yield();
	}
	return NULL;
}

/* ---- requests ---- */

static void complete(void *opaque, uint64_t token)
{
	struct checker *c = opaque;

	if (token != atomic_fetch_add(&c->completed, 1) + 1)
		world_fail(&c->w, "completed out of order");
}

static void put(uint8_t *to, uint64_t value, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		to[i] = (uint8_t)(value >> 8 * i);
}

/* Sends; waits until it is complete. wanted: a set of statuses. Returns the status. */
static unsigned send_request(struct checker *c, uint8_t *bytes, uint32_t count, unsigned wanted)
{
	const struct viommu_part in = { bytes, count };
	uint8_t tail[4] = { 0xff };
	const struct viommu_part out = { tail, sizeof(tail) };
	uint32_t used;
	int result;

	result = viommu_virtio_request(c->iommu, &in, 1, &out, 1, c->tokens + 1, &used);
	if (tail[0] > 31 || !(wanted >> tail[0] & 1) || used != 4)
		world_fail(&c->w, "request %u: %d, status %u", bytes[0], result, tail[0]);
	if (atomic_load(&c->park) == PARK_INSIDE) {
		if (result != VIOMMU_PENDING || viommu_run(c->iommu) != VIOMMU_PENDING ||
		    atomic_load(&c->completed) != c->tokens)
			world_fail(&c->w, "request %u did not wait for a section", bytes[0]);
		c->held++;
		atomic_store(&c->park, PARK_NOBODY);
	}
	if (result != VIOMMU_PENDING)
		return tail[0];
	c->tokens++;
	while (atomic_load(&c->completed) != c->tokens && !atomic_load(&c->w.failed)) {
		if (viommu_run(c->iommu) < 0)
			world_fail(&c->w, "cannot run");
		sched_yield();
	}
	return tail[0];
}

static void map(struct checker *c, uint64_t first, uint64_t last, uint64_t target)
{
	uint8_t bytes[36] = { 3, 0, 0, 0, 7 };

	put(bytes + 8, first, 8);
	put(bytes + 16, last, 8);
	put(bytes + 24, target, 8);
	bytes[32] = 1;
	send_request(c, bytes, sizeof(bytes), ONLY_OK);
}

static void unmap(struct checker *c, uint64_t first, uint64_t last)
{
	uint8_t bytes[28] = { 4, 0, 0, 0, 7 };

	put(bytes + 8, first, 8);
	put(bytes + 16, last, 8);
	send_request(c, bytes, sizeof(bytes), ONLY_OK);
}

static void attach(struct checker *c, unsigned endpoint, unsigned domain)
{
	uint8_t bytes[20] = { 1, 0, 0, 0, (uint8_t)domain, 0, 0, 0, (uint8_t)endpoint };

	send_request(c, bytes, sizeof(bytes), ONLY_OK);
}

/* ---- the writer ---- */

static void map_page(struct checker *c, unsigned page)
{
	uint64_t version = atomic_load(&c->published[page]) + 1;

	atomic_store(&c->published[page], version);
	map(c, IOVA(page), IOVA(page) + PAGE_BYTES - 1, TARGET(page, version));
}

static void unmap_page(struct checker *c, unsigned page)
{
	unmap(c, IOVA(page), IOVA(page) + PAGE_BYTES - 1);
	atomic_store(&c->least[page], atomic_load(&c->published[page]) + 1);
}

/* Somebody is in a section with that page, as long as it is mapped. */
static void unmap_parked(struct checker *c)
{
	unsigned page;

	atomic_store(&c->park, PARK_WANTED);
	while (atomic_load(&c->park) != PARK_INSIDE)
		sched_yield();
	page = atomic_load(&c->parked);
	unmap_page(c, page);
	map_page(c, page);
}

static void unmap_all(struct checker *c)
{
	unmap(c, 0, UINT64_MAX);
	for (unsigned p = 0; p < PAGES; p++)
		atomic_store(&c->least[p], atomic_load(&c->published[p]) + 1);
	for (unsigned p = 0; p < PAGES; p++)
		map_page(c, p);
}

/* Many small mappings beside them: the tree grows, splits, and shrinks again. */
static void fill(struct checker *c, bool on, uint64_t seed)
{
	for (uint64_t i = 0; i < FILLER; i++) {
		uint64_t at = (IOVA(i % PAGES) + PAGE_BYTES) + (i / PAGES) * 0x1000;

		at += (seed % 7 + 1) * UINT64_C(0x100000000) * (i % 3);
		if (i % 3 == 0)
			at = IOVA(PAGES + i);
		if (on)
			map(c, at, at + 0xfff, at);
		else
			unmap(c, at, at + 0xfff);
	}
}

/* The endpoint that comes and goes: in a domain with others, or alone. */
static void meet(struct checker *c, uint64_t random)
{
	uint8_t bytes[20] = { random & 1 ? 1 : 2, 0, 0, 0, random & 2 ? 7 : 11, 0, 0, 0, 3 };

	if (!send_request(c, bytes, sizeof(bytes),
			  ONLY_OK | OR_NOENT | (random & 1 ? 0 : OR_INVAL)))
		c->found++;
}

/* Endpoint 2 leaves and comes back: whoever asks meanwhile is refused, or was there. */
static void move(struct checker *c)
{
	attach(c, 2, 9);
	attach(c, 2, 7);
}

static void round_of(struct checker *c)
{
	uint64_t random = world_random(&c->random);
	unsigned page = (unsigned)(random >> 32) % PAGES;

	switch (random & 31) {
	case 0:
		unmap_all(c);
		break;
	case 1:
		fill(c, true, 3);
		fill(c, false, 3);
		break;
	case 2:
		unmap_parked(c);
		break;
	case 3:
		move(c);
		break;
	case 4:
	case 5:
	case 6:
	case 7:
		meet(c, random >> 24);
		break;
	default:
		unmap_page(c, page);
		if (random & 64)
			sched_yield();
		map_page(c, page);
		break;
	}
	if ((random >> 8 & 15) == 0) {
		uint64_t seen = atomic_load(&readers[0].done);

		while (atomic_load(&readers[0].done) < seen + 2)
			sched_yield();
	}
}

/* ---- the world ---- */

static void open_checker(struct checker *c, bool tiny)
{
	const struct viommu_vm_config vm = { .size = sizeof(vm) };
	const struct viommu_limits limits = { .size = sizeof(limits),
					      .tlb_entries = tiny ? 16 : 1024,
					      .contexts = 16,
					      .domains = 16 };
	const struct viommu_virtio_config config = { .size = sizeof(config),
						     .opaque = c,
						     .complete = complete,
						     .gpa_last = UINT64_MAX,
						     .limits = &limits };
	struct viommu_device_config device = { .size = sizeof(device) };

	memset(c, 0, sizeof(*c));
	assert_int_equal(viommu_vm_new(&vm, &c->vm), VIOMMU_OK);
	assert_int_equal(viommu_virtio_new(c->vm, &config, &c->iommu), VIOMMU_OK);
	for (unsigned i = 0; i < 2; i++) {
		device.id = i + 1;
		assert_int_equal(viommu_device_new(c->iommu, &device, &c->device[i]), VIOMMU_OK);
		attach(c, i + 1, 7);
	}
	for (unsigned p = 0; p < PAGES; p++)
		map_page(c, p);
}

static void run_world(uint64_t seed, bool tiny)
{
	struct checker *c = &checker;
	struct pace pace;
	pthread_t plugger;
	unsigned rounds;

	open_checker(c, tiny);
	c->random = seed;
	for (unsigned i = 0; i < READERS; i++) {
		readers[i] = (struct reader){ .c = c, .device = i & 1, .random = seed + i + 1 };
		if (i != 1)
			assert_int_equal(viommu_channel_new(c->device[i / 2], VIOMMU_NO_PASID,
							    &readers[i].channel),
					 VIOMMU_OK);
	}
	for (unsigned i = 0; i < READERS; i++)
		world_start(&readers[i].thread, read_all, &readers[i]);
	world_start(&plugger, plug, c);
	pace = pace_begin(scaled(20000), 3);
	for (rounds = 0; pace_on(&pace, rounds) && !atomic_load(&c->w.failed); rounds++)
		round_of(c);
	atomic_store(&c->stop, true);
	pthread_join(plugger, NULL);
	for (unsigned i = 0; i < READERS; i++)
		pthread_join(readers[i].thread, NULL);
	print_message("%u rounds, %llu answers, %llu refused, %llu waited for, %u of them parked\n",
		      rounds, (unsigned long long)c->answers, (unsigned long long)c->misses,
		      (unsigned long long)c->tokens, c->held);
	print_message("%llu times plugged, met %llu times\n", (unsigned long long)c->plugged,
		      (unsigned long long)c->found);
	world_check(&c->w);
	assert_true(atomic_load(&c->answers) > 0 && c->held > 0);
	for (unsigned i = 0; i < READERS; i++)
		assert_int_equal(viommu_channel_free(readers[i].channel), VIOMMU_OK);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(viommu_device_free(c->device[i]), VIOMMU_OK);
	assert_int_equal(viommu_free(c->iommu), VIOMMU_OK);
	assert_int_equal(viommu_vm_free(c->vm), VIOMMU_OK);
}

static void test_stale(void **state)
{
	uint64_t seed = run_seed(RUN_ANY_SEED);

	(void)state;
	run_world(seed, false);
	run_world(seed * 3, true);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_stale) };

	watchdog();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
