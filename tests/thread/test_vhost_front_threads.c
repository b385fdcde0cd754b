/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_vhost_front_threads.c - a guest that maps, unmaps and invalidates; backends that acknowledge
 * when they please; and threads that answer their misses (obligations 12, 13, 18, 31).
 *
 * What must be true: when an invalidation is complete, no backend has a translation that the tables
 * do not grant. The guest thread alone changes the tables, so it can look at once.
 */

#include <libvirtiommu/vhost.h>

#include <sched.h>
#include <string.h>

#include "check.h"
#include "run.h"
#include "thread_world.h"

#define RID	 0x18U
#define DID	 9U
#define PAGES	 32U
#define VERSIONS 4U
#define AT(i)	 (UINT64_C(0x7fff0000) + (i)*PAGE) /* over the border of two tables */
#define BACKENDS 2U
#define WIRE	 32U

struct known {
	uint64_t uaddr; /* 0: nothing */
	uint32_t perm;
};

struct scene;

struct backend {
	struct scene *s;
	struct viommu_vhost *v;
	uint64_t seed;
	uint64_t random; /* of send, under lock */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct viommu_iotlb_msg wire[WIRE];
	unsigned head;
	unsigned count;
	bool stop;
	bool at_once; /* may act upon a message inside send */
	struct known page[PAGES];
	uint64_t seen[4]; /* messages by type */
	pthread_t thread;
	pthread_t misser;
	_Atomic unsigned asked;
	uint64_t refused;
};

struct scene {
	struct world w;
	struct viommu_device *device;
	uint64_t context;
	uint64_t tree[2];
	uint64_t leaf[2][PAGES]; /* gpa of the entries */
	unsigned current;	 /* tree */
	uint64_t entry[2][PAGES];
	uint64_t target; /* gpa of the pages that are mapped */
	struct backend backend[BACKENDS];
	_Atomic bool stop;
	unsigned waited; /* syncs that were not complete at once */
};

static uint8_t targets[2 * PAGES * VERSIONS * 4096] __attribute__((aligned(4096)));

/* ---- a backend ---- */

/* With the lock held. */
static void act(struct backend *b, const struct viommu_iotlb_msg *m)
{
	uint64_t last = m->iova + (m->size - 1);

	for (unsigned i = 0; i < PAGES; i++) {
		if (AT(i) < m->iova || AT(i) > last)
			continue;
		b->page[i].uaddr =
			m->type == VIOMMU_IOTLB_UPDATE ? m->uaddr + (AT(i) - m->iova) : 0;
		b->page[i].perm = m->perm;
	}
	b->seen[m->type & 3]++;
}

static int on_send(void *opaque, const struct viommu_iotlb_msg *message)
{
	struct backend *b = opaque;
	int result = VIOMMU_PENDING;

	pthread_mutex_lock(&b->lock);
	while (b->count == WIRE)
		pthread_cond_wait(&b->changed, &b->lock);
	if (b->at_once && !b->count && world_random(&b->random) % 2) {
		act(b, message);
		result = VIOMMU_OK;
	} else {
		b->wire[(b->head + b->count++) % WIRE] = *message;
	}
	pthread_cond_broadcast(&b->changed);
	pthread_mutex_unlock(&b->lock);
	if (b->s->w.turns++ % 3 == 0) /* let the others have a go between order and arrival */
		sched_yield();
	return result;
}

static void *serve(void *opaque)
{
	struct backend *b = opaque;
	uint64_t random = b->seed + 1;

	pthread_mutex_lock(&b->lock);
	while (b->count || !b->stop) {
		struct viommu_iotlb_msg message;

		if (!b->count) {
			pthread_cond_wait(&b->changed, &b->lock);
			continue;
		}
		message = b->wire[b->head];
		pthread_mutex_unlock(&b->lock);
		for (unsigned i = (unsigned)(world_random(&random) % 4); i > 0; i--)
			sched_yield();
		pthread_mutex_lock(&b->lock);
		act(b, &message);
		b->head = (b->head + 1) % WIRE;
		b->count--;
		pthread_cond_broadcast(&b->changed);
		pthread_mutex_unlock(&b->lock);
		sched_yield();
		if (viommu_vhost_acknowledged(b->v, 1) != VIOMMU_OK)
			world_fail(&b->s->w, "an acknowledgement was refused");
		pthread_mutex_lock(&b->lock);
	}
	pthread_mutex_unlock(&b->lock);
	return NULL;
}

static void *miss(void *opaque)
{
	struct backend *b = opaque;
	uint64_t random = b->seed + 2;

	while (!atomic_load(&b->s->stop)) {
		/* a backend asks for what it lacks, when it has seen the answers */
		pthread_mutex_lock(&b->lock);
		while (b->count > 2)
			pthread_cond_wait(&b->changed, &b->lock);
		pthread_mutex_unlock(&b->lock);
		uint64_t iova = AT(world_random(&random) % PAGES) + world_random(&random) % PAGE;
		uint32_t access = 1 + (uint32_t)(world_random(&random) % 3);
		int result = viommu_vhost_miss(b->v, iova, access);

		b->asked++;
		b->refused += result == VIOMMU_FAULT;
		if (result != VIOMMU_OK && result != VIOMMU_FAULT && result != VIOMMU_EBUSY)
			world_fail(&b->s->w, "a miss: %s", viommu_strerror(result));
	}
	return NULL;
}

/* ---- the guest ---- */

static void check_backends(struct scene *s)
{
	for (unsigned n = 0; n < BACKENDS; n++) {
		struct backend *b = &s->backend[n];

		pthread_mutex_lock(&b->lock);
		for (unsigned i = 0; i < PAGES; i++) {
			uint64_t entry = s->entry[s->current][i];
			uint64_t uaddr = (uint64_t)(uintptr_t)targets +
					 ((entry & ~UINT64_C(0xfff)) - s->target);

			if (b->page[i].uaddr && (!(entry & 3) || b->page[i].uaddr != uaddr ||
						 b->page[i].perm & ~entry & 3))
				world_fail(&s->w, "backend %u has page %u although it is complete",
					   n, i);
		}
		pthread_mutex_unlock(&b->lock);
	}
}

static void change(struct scene *s, unsigned tree, unsigned page, uint64_t *random)
{
	uint64_t version = world_random(random) % VERSIONS;
	uint64_t perm = world_random(random) % 8;

	perm = perm > 3 ? 3 : perm;
	s->entry[tree][page] =
		perm ? (s->target + ((tree * VERSIONS + version) * PAGES + page) * PAGE) | perm : 0;
	world_put64(&s->w, s->leaf[tree][page], s->entry[tree][page]);
}

/* Until the guest sees that it is complete. */
static void sync_queue(struct scene *s)
{
	world_submit_wait(&s->w);
	world_ring(&s->w);
	s->waited += !world_waited(&s->w);
	while (!world_waited(&s->w)) {
		world_await_work(&s->w);
		viommu_run(s->w.iommu);
	}
}

static void turn_queue(struct scene *s, uint64_t *random)
{
	unsigned first = (unsigned)(world_random(random) % PAGES);
	unsigned count = 1 + (unsigned)(world_random(random) % 4);

	switch (world_random(random) % 16) {
	case 0: /* another context, whose tables have changed meanwhile */
		for (unsigned i = 0; i < PAGES; i++)
			change(s, !s->current, i, random);
		s->current = !s->current;
		world_put64(&s->w, s->context, s->tree[s->current] | VTD_CE_P);
		world_submit(&s->w, GUEST_CC(VTD_GRAN_LOCAL, DID, RID, 0), 0);
		world_submit(&s->w, GUEST_IOTLB(VTD_GRAN_DOMAIN, DID), 0);
		break;
	case 1:
		for (unsigned i = 0; i < PAGES; i++)
			change(s, s->current, i, random);
		world_submit(&s->w, GUEST_IOTLB(VTD_GRAN_DOMAIN, DID), 0);
		break;
	default:
		for (unsigned i = first; i < first + count && i < PAGES; i++) {
			change(s, s->current, i, random);
			world_submit(&s->w, GUEST_IOTLB(VTD_GRAN_LOCAL, DID), AT(i));
		}
	}
	sync_queue(s);
}

static void turn_registers(struct scene *s, uint64_t *random)
{
	uint32_t iotlb = (uint32_t)world_iotlb_offset(&s->w);
	unsigned page = (unsigned)(world_random(random) % PAGES);

	change(s, s->current, page, random);
	world_write(&s->w, iotlb - 8, 8, AT(page));
	world_invalidate_register(&s->w, iotlb,
				  bits_put(VTD_IOTLB_IIRG, VTD_GRAN_LOCAL) |
					  bits_put(VTD_IOTLB_DID, DID));
}

/* ---- */

static void open_tables(struct scene *s, uint64_t *random)
{
	struct world *w = &s->w;
	const struct viommu_region region = {
		.size = sizeof(region), .gpa = w->bytes, .bytes = sizeof(targets), .host = targets
	};

	s->target = w->bytes;
	assert_int_equal(viommu_vm_add_region(w->vm, &region), VIOMMU_OK);
	for (unsigned tree = 0; tree < 2; tree++) {
		s->tree[tree] = world_alloc(w, 1);
		for (unsigned i = 0; i < PAGES; i++) {
			s->leaf[tree][i] = world_entry(w, s->tree[tree], AT(i), 0, 3);
			change(s, tree, i, random);
		}
	}
	s->context = world_context(w, RID);
	world_put64(w, s->context + 8, bits_put(VTD_CE_AW, 2) | bits_put(VTD_CE_DID, DID));
	world_put64(w, s->context, s->tree[0] | VTD_CE_P);
}

static void open_backend(struct scene *s, unsigned n, uint64_t random)
{
	struct backend *b = &s->backend[n];
	struct viommu_vhost_config config = { .size = sizeof(config),
					      .pasid = VIOMMU_NO_PASID,
					      .reach = n ? 0 : 8 * PAGE,
					      .ahead = n ? 0 : 4 * PAGE,
					      .opaque = b,
					      .send = on_send };

	b->s = s;
	b->seed = random;
	b->random = random;
	b->at_once = n == 1;
	pthread_mutex_init(&b->lock, NULL);
	pthread_cond_init(&b->changed, NULL);
	assert_int_equal(viommu_vhost_new(s->device, &config, &b->v), VIOMMU_OK);
	world_start(&b->thread, serve, b);
	world_start(&b->misser, miss, b);
}

static void close_backend(struct backend *b)
{
	struct viommu_vhost_statistics now = { .size = sizeof(now) };

	pthread_join(b->misser, NULL);
	pthread_mutex_lock(&b->lock);
	b->stop = true;
	pthread_cond_broadcast(&b->changed);
	pthread_mutex_unlock(&b->lock);
	pthread_join(b->thread, NULL);
	assert_int_equal(viommu_vhost_get_statistics(b->v, &now), VIOMMU_OK);
	assert_int_equal(now.outstanding, 0);
	assert_int_equal(now.updates, b->seen[VIOMMU_IOTLB_UPDATE]);
	assert_int_equal(now.invalidations, b->seen[VIOMMU_IOTLB_INVALIDATE]);
	assert_int_equal(now.faults, b->refused);
	print_message("%ju misses, %ju refused; %ju updates, %ju invalidations, %ju more without\n",
		      (uintmax_t)now.misses, (uintmax_t)now.faults, (uintmax_t)now.updates,
		      (uintmax_t)now.invalidations, (uintmax_t)now.coalesced);
	assert_true(now.updates && now.invalidations);
	assert_int_equal(viommu_vhost_free(b->v), VIOMMU_OK);
	pthread_mutex_destroy(&b->lock);
	pthread_cond_destroy(&b->changed);
}

static void run(bool slow, bool registers, unsigned turns)
{
	static struct scene scene;
	const struct world_config config = { .ttm = VTD_TTM_LEGACY,
					     .registers = registers,
					     .slow = slow };
	struct viommu_device_config device = { .size = sizeof(device), .id = RID };
	struct scene *s = &scene;
	uint64_t random = run_seed(RUN_ANY_SEED);
	struct pace pace;
	unsigned i;

	watchdog();
	memset(s, 0, sizeof(*s));
	world_open(&s->w, &config);
	assert_int_equal(viommu_device_new(s->w.iommu, &device, &s->device), VIOMMU_OK);
	open_tables(s, &random);
	for (unsigned n = 0; n < BACKENDS; n++)
		open_backend(s, n, random + 10 * n);
	pace = pace_begin(turns, 3);
	for (i = 0; pace_on(&pace, i) && !atomic_load(&s->w.failed); i++) {
		/* the guest does not outrun those who ask */
		for (unsigned n = 0; n < BACKENDS; n++) {
			while (s->backend[n].asked < i / 2 + 1)
				sched_yield();
		}
		(registers ? turn_registers : turn_queue)(s, &random);
		check_backends(s);
	}
	atomic_store(&s->stop, true);
	for (unsigned n = 0; n < BACKENDS; n++)
		close_backend(&s->backend[n]);
	print_message("%u of %u waits were held back\n", s->waited, i);
	assert_true(registers || s->waited);
	assert_int_equal(viommu_device_free(s->device), VIOMMU_OK);
	world_close(&s->w);
}

static void test_queue(void **state)
{
	(void)state;
	run(false, false, scaled(4000));
}

static void test_slow_tables(void **state)
{
	(void)state;
	run(true, false, scaled(2000));
}

static void test_registers(void **state)
{
	(void)state;
	run(false, true, scaled(2000));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_queue),
		cmocka_unit_test(test_slow_tables),
		cmocka_unit_test(test_registers),
	};

	return cmocka_run_group_tests_name("vhost_front", tests, NULL, NULL);
}
