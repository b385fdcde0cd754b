/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * trace_memory.c - does operations one at a time under a tracer of loads and stores (valgrind's lackey);
 * memory_trace.py runs it, tells what each has touched, and fails if a reader has written what is not its own.
 *
 * The tracer knows no requests: what belongs to an operation lies between stores to two words of this program,
 * whose addresses it prints. After the trace it says which operations these were, and what each may write besides
 * the stack, where its request and its answer are too.
 */
#include <malloc.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libvirtiommu/dma.h>
#include <libvirtiommu/vhost.h>

#include "amdvi_guest.h"
#include "irq_world.h"
#include "its_guest.h"
#include "micro_tlb.h"
#include "riscv_engine.h"
#include "riscv_world.h"
#include "shim.h"
#include "smmuv3_world.h"
#include "tce_guest.h"
#include "vhost_iotlb.h"
#include "view_own.h"
#include "view_world.h"
#include "vtd_world.h"

#define TURNS	 32U
#define MESSAGES 32U

/* In lines of their own. */
static struct {
	_Alignas(64) volatile uint64_t begin;
	volatile uint64_t end;
	_Alignas(64) char rest[64];
} mark;

/* What nobody may write to: see the last rows. */
static _Alignas(64) volatile uint64_t shared;

/* What a reader may write besides its stack; also: words elsewhere, if there are any. */
struct own {
	const void *at;
	size_t bytes;
	const void *also;
	size_t also_bytes;
};

static struct own channel_of(const struct viommu_channel *channel)
{
	return (struct own){ .at = channel,
			     .bytes = sizeof(*channel) +
				      (channel->mask + 1) * sizeof(channel->micro[0]) };
}

/* --- worlds --- */

static struct vtd_world *make(enum vtd_paging paging, uint64_t pages, uint64_t stride,
			      uint32_t devices)
{
	struct vtd_shape shape = { paging, pages, stride, devices, 0, 0 };

	return vtd_world_new(&shape);
}

static void *prepare_hot(void)
{
	struct vtd_world *w = make(VTD_SS4, GUEST_HOT, GUEST_PAGE, 1);

	expect_ok("viommu_enter", viommu_enter(w->channel[0]));
	return w;
}

static void *prepare_closed(void)
{
	return make(VTD_SS4, GUEST_HOT, GUEST_PAGE, 1);
}

static void *prepare_scattered(void)
{
	return make(VTD_SS4, TURNS, GUEST_SCATTERED_4, 1);
}

static void *prepare_nested(void)
{
	return make(VTD_NESTED44, TURNS, GUEST_SCATTERED_4, 1);
}

static void *prepare_domains(void)
{
	return make(VTD_SS4, TURNS, GUEST_PAGE, TURNS);
}

static void *prepare_riscv(void)
{
	return riscv_world_new(GUEST_HOT, GUEST_PAGE);
}

static void *prepare_riscv_counted(void)
{
	struct riscv_world *w = riscv_world_new(GUEST_HOT, GUEST_PAGE);

	riscv_count_requests(w);
	return w;
}

static void *prepare_smmuv3(void)
{
	return smmuv3_world_new(SMMUV3_STAGE1, GUEST_HOT, GUEST_PAGE);
}

static void *prepare_amdvi(void)
{
	return amdvi_guest_new(GUEST_HOT, GUEST_PAGE);
}

static void *prepare_tce(void)
{
	return tce_world_new(64, 1);
}

static void *prepare_messages(void)
{
	return irq_world_new(MESSAGES, false, false);
}

static void *prepare_routes(void)
{
	return irq_world_new(MESSAGES, true, false);
}

static void *prepare_events(void)
{
	return its_guest_with(MESSAGES, MESSAGES);
}

/* --- DMA --- */

static void channel_hit(void *world, uint32_t i)
{
	struct vtd_world *w = world;

	bench_use(vtd_ask(w->channel[0], w->pages.iova[i]));
}

static void device_hit(void *world, uint32_t i)
{
	struct vtd_world *w = world;

	bench_use(vtd_ask_device(w->device[0], w->pages.iova[i]));
}

static void dma_read(void *world, uint32_t i)
{
	struct vtd_world *w = world;
	uint64_t word;

	expect_ok("viommu_dma_read",
		  viommu_dma_read(w->channel[0], w->pages.iova[i], &word, sizeof(word), 0, NULL));
	bench_use(word);
}

static void enter_leave(void *world, uint32_t i)
{
	struct vtd_world *w = world;

	expect_ok("viommu_enter", viommu_enter(w->channel[0]));
	expect_ok("viommu_leave", viommu_leave(w->channel[0]));
}

static void device_enter_leave(void *world, uint32_t i)
{
	struct viommu_section section = { .device = NULL };
	struct vtd_world *w = world;

	expect_ok("viommu_device_enter", viommu_device_enter(w->device[0], &section));
	expect_ok("viommu_device_leave", viommu_device_leave(&section));
}

static struct own own_vtd(void *world)
{
	return channel_of(((struct vtd_world *)world)->channel[0]);
}

/* A device has nothing of its own that a hit may write. */
static struct own own_none(void *world)
{
	return (struct own){ .at = world };
}

/* All of the domain, before each page: nothing of it is known but the context. */
static void flush(void *world, uint32_t i)
{
	vtd_queue_domain(world, 1);
	vtd_finish(world);
}

/* The neighbour's tables are known: each page but the first. */
static void flush_at_first(void *world, uint32_t i)
{
	struct vtd_world *w = world;

	if (i)
		return;
	flush(w, 0);
	bench_use(vtd_ask(w->channel[0], w->pages.base + (TURNS - 1) * w->pages.stride));
}

static void page_in_order(void *world, uint32_t i)
{
	struct vtd_world *w = world;

	bench_use(vtd_ask(w->channel[0], w->pages.base + i % (TURNS - 1) * w->pages.stride));
}

static void queue_page(void *world, uint32_t i)
{
	struct vtd_world *w = world;

	bench_use(vtd_ask_device(w->device[0], w->pages.iova[i]));
	vtd_queue_page(w, 1, w->pages.iova[i]);
	vtd_queue_wait(w);
}

static void queue_domain(void *world, uint32_t i)
{
	struct vtd_world *w = world;

	bench_use(vtd_ask_device(w->device[i], w->pages.iova[i]));
	vtd_queue_domain(w, (uint16_t)(i + 1));
	vtd_queue_wait(w);
}

static void ring(void *world, uint32_t i)
{
	struct vtd_world *w = world;

	expect_ok("invalidation", vtd_ring(w));
	if (!vtd_completed(w))
		unexpected("status", VIOMMU_PENDING);
}

/* --- a view, in one process with its owner --- */

static void *prepare_view(void)
{
	struct view_world *w = view_world_new(GUEST_HOT);

	expect_ok("viommu_view_enter", viommu_view_enter(w->view));
	return w;
}

static void *prepare_view_closed(void)
{
	return view_world_new(GUEST_HOT);
}

static void view_hit(void *world, uint32_t i)
{
	struct view_world *w = world;

	bench_use(view_ask(w->view, w->vtd->pages.iova[i]));
}

static void view_enter_leave(void *world, uint32_t i)
{
	struct view_world *w = world;

	expect_ok("viommu_view_enter", viommu_view_enter(w->view));
	expect_ok("viommu_view_leave", viommu_view_leave(w->view));
}

static void view_flush(void *world, uint32_t i)
{
	flush(((struct view_world *)world)->vtd, 0);
}

/* What the view remembered is void, and the owner has cached it again. */
static void view_forgets(void *world, uint32_t i)
{
	struct view_world *w = world;

	view_flush(w, i);
	bench_use(vtd_ask_device(w->vtd->device[0], w->vtd->pages.iova[i]));
}

/* The message, what the owner does about it, and the reply. */
static void view_request(void *world, uint32_t i)
{
	struct view_world *w = world;

	bench_use(view_world_reply(w, view_world_request(w, w->vtd->pages.iova[i])));
}

static void view_queue_page(void *world, uint32_t i)
{
	queue_page(((struct view_world *)world)->vtd, i);
}

/* Where partitions are told apart. */
static void view_ring(void *world, uint32_t i)
{
	ring(((struct view_world *)world)->vtd, i);
}

static struct own own_view(void *world)
{
	struct view_world *w = world;

	return (struct own){ .at = w->view,
			     .bytes = sizeof(*w->view) +
				      (w->view->mask + 1) * sizeof(w->view->micro[0]),
			     .also = w->section,
			     .also_bytes = sizeof(w->section) };
}

/* --- hits of the other engines --- */

#define HITS(engine, type)                                                                         \
	static void engine##_channel_hit(void *world, uint32_t i)                                  \
	{                                                                                          \
		struct type *w = world;                                                            \
                                                                                                   \
		bench_use(vtd_ask(w->channel, w->pages.iova[i]));                                  \
	}                                                                                          \
                                                                                                   \
	static void engine##_device_hit(void *world, uint32_t i)                                   \
	{                                                                                          \
		struct type *w = world;                                                            \
                                                                                                   \
		bench_use(vtd_ask_device(w->device, w->pages.iova[i]));                            \
	}                                                                                          \
                                                                                                   \
	static struct own own_##engine(void *world)                                                \
	{                                                                                          \
		return channel_of(((struct type *)world)->channel);                                \
	}

HITS(riscv, riscv_world)
/* The channel has words where it counts. */
static struct own own_riscv_counted(void *world)
{
	struct riscv_world *w = world;
	struct own own = own_riscv(w);

	own.also = &((struct riscv *)(void *)w->iommu)->hpm.lanes[w->channel->lane];
	own.also_bytes = sizeof(struct riscv_lane);
	return own;
}

HITS(smmuv3, smmuv3_world)
HITS(amdvi, amdvi_guest)

static void tce_channel_hit(void *world, uint32_t i)
{
	struct tce_world *w = world;

	bench_use(vtd_ask(w->channel, i * TCE_PAGE));
}

static struct own own_tce(void *world)
{
	return channel_of(((struct tce_world *)world)->channel);
}

/* --- interrupts --- */

static void irq_hit(void *world, uint32_t i)
{
	bench_use(irq_send(world, i));
}

static void flush_messages(void *world, uint32_t i)
{
	irq_queue_all(world);
	irq_queue_wait(world);
	irq_ring(world);
}

static void queue_message(void *world, uint32_t i)
{
	irq_queue_one(world, i);
	irq_queue_wait(world);
}

static void ring_messages(void *world, uint32_t i)
{
	irq_ring(world);
}

static void amdvi_irq_hit(void *world, uint32_t i)
{
	bench_use(amdvi_send(world, i));
}

static void route_lookup(void *world, uint32_t i)
{
	struct irq_world *w = world;
	struct viommu_route_change change;

	if (viommu_routes_lookup(w->routes, i, &change) != VIOMMU_OK)
		unexpected("viommu_routes_lookup", VIOMMU_ENOENT);
	bench_use(change.msi.data);
}

static void its_hit(void *world, uint32_t i)
{
	bench_use(its_send(world, i, VIOMMU_MSI_RESOLVE));
}

static void its_deliver(void *world, uint32_t i)
{
	bench_use(its_send(world, i, 0));
}

/* --- a device IOTLB --- */

struct iotlb {
	struct viommu_iotlb *iotlb;
	struct viommu_iotlb_reader *reader;
};

#define IOTLB_PAGE(i) ((i)*UINT64_C(0x2000))

/* One page in two: neighbours do not become one range. */
static void *prepare_iotlb(void)
{
	static char memory[GUEST_PAGE];
	struct viommu_iotlb_config config = { .size = sizeof(config) };
	static struct iotlb w;

	expect_ok("viommu_iotlb_new", viommu_iotlb_new(&config, &w.iotlb));
	expect_ok("viommu_iotlb_reader_new", viommu_iotlb_reader_new(w.iotlb, &w.reader));
	for (uint64_t i = 0; i < TURNS; i++)
		expect_ok("viommu_iotlb_insert",
			  viommu_iotlb_insert(w.iotlb, IOTLB_PAGE(i), IOTLB_PAGE(i) + 0xfff, memory,
					      0, VIOMMU_READ));
	expect_ok("viommu_iotlb_enter", viommu_iotlb_enter(w.reader));
	return &w;
}

static void iotlb_lookup(void *world, uint32_t i)
{
	struct viommu_fragment fragment;
	struct viommu_answer answer;
	struct iotlb *w = world;

	expect_ok("viommu_iotlb_lookup",
		  viommu_iotlb_lookup(w->reader, IOTLB_PAGE(i), IOTLB_PAGE(i), VIOMMU_READ,
				      &fragment, 1, &answer));
	bench_use((uintptr_t)fragment.host);
}

static void iotlb_range(void *world, uint32_t i)
{
	struct viommu_iotlb_range range;
	struct iotlb *w = world;

	expect_ok("viommu_iotlb_get_range",
		  viommu_iotlb_get_range(w->reader, IOTLB_PAGE(i), VIOMMU_READ, &range));
	bench_use((uintptr_t)range.host);
}

static struct own own_reader(void *world)
{
	const struct viommu_iotlb_reader *reader = ((struct iotlb *)world)->reader;

	return (struct own){ .at = reader, .bytes = sizeof(*reader) };
}

/* --- what must be found --- */

/* A hit that counts itself for all threads. */
static void bad_counter(void *world, uint32_t i)
{
	channel_hit(world, i);
	shared++;
}

/* A hit that leaves something in the channel of another thread. */
static void bad_neighbour(void *world, uint32_t i)
{
	struct vtd_world *w = world;

	channel_hit(w, i);
	*(volatile uint64_t *)&w->channel[1]->swept = 0;
}

/* An atomic addition of nothing takes the line all the same. That it is nothing a compiler must not know: it would only
 * load then. */
static void bad_atomic(void *world, uint32_t i)
{
	device_hit(world, i);
	__atomic_fetch_add(&shared, i >> 31, __ATOMIC_RELAXED);
}

/* --- the table --- */

/* READS: writes nothing but its stack and its own. CHANGES: writes what it likes. BAD: is to be found out. */
enum manner { READS, CHANGES, BAD };

static const char *const manners[] = { "reads", "changes", "bad" };

struct operation {
	const char *name;
	enum manner manner;
	void *(*prepare)(void);
	void (*before)(void *world, uint32_t i); /* not traced; may be NULL */
	void (*run)(void *world, uint32_t i);
	struct own (*own)(void *world); /* NULL: as own_none() */
};

static const struct operation operations[] = {
	{ "channel_hit", READS, prepare_hot, NULL, channel_hit, own_vtd },
	{ "device_hit", READS, prepare_closed, NULL, device_hit, NULL },
	{ "dma_read", READS, prepare_hot, NULL, dma_read, own_vtd },
	{ "dma_read_section", READS, prepare_closed, NULL, dma_read, own_vtd },
	{ "enter_leave", READS, prepare_closed, NULL, enter_leave, own_vtd },
	{ "riscv_channel_hit", READS, prepare_riscv, NULL, riscv_channel_hit, own_riscv },
	{ "riscv_counted_hit", READS, prepare_riscv_counted, NULL, riscv_channel_hit,
	  own_riscv_counted },
	{ "riscv_device_hit", READS, prepare_riscv, NULL, riscv_device_hit, NULL },
	{ "smmuv3_channel_hit", READS, prepare_smmuv3, NULL, smmuv3_channel_hit, own_smmuv3 },
	{ "smmuv3_device_hit", READS, prepare_smmuv3, NULL, smmuv3_device_hit, NULL },
	{ "amdvi_channel_hit", READS, prepare_amdvi, NULL, amdvi_channel_hit, own_amdvi },
	{ "amdvi_device_hit", READS, prepare_amdvi, NULL, amdvi_device_hit, NULL },
	{ "tce_channel_hit", READS, prepare_tce, NULL, tce_channel_hit, own_tce },
	{ "irq_hit", READS, prepare_messages, NULL, irq_hit, NULL },
	{ "amdvi_irq_hit", READS, prepare_amdvi, NULL, amdvi_irq_hit, NULL },
	{ "route_lookup", READS, prepare_routes, NULL, route_lookup, NULL },
	{ "its_hit", READS, prepare_events, NULL, its_hit, NULL },
	{ "iotlb_lookup", READS, prepare_iotlb, NULL, iotlb_lookup, own_reader },
	{ "iotlb_range", READS, prepare_iotlb, NULL, iotlb_range, own_reader },
	{ "view_hit", READS, prepare_view, NULL, view_hit, own_view },
	{ "view_enter_leave", READS, prepare_view_closed, NULL, view_enter_leave, own_view },
	{ "view_hit_window", READS, prepare_view_closed, view_forgets, view_hit, own_view },
	{ "view_request", CHANGES, prepare_view_closed, NULL, view_request, NULL },
	{ "view_request_miss", CHANGES, prepare_view_closed, view_flush, view_request, NULL },
	{ "device_enter_leave", CHANGES, prepare_closed, NULL, device_enter_leave, NULL },
	{ "miss_ss4", CHANGES, prepare_scattered, flush, channel_hit, own_vtd },
	{ "miss_structure_cache", CHANGES, prepare_closed, flush_at_first, page_in_order, own_vtd },
	{ "miss_nested44", CHANGES, prepare_nested, flush, channel_hit, own_vtd },
	{ "invalidate_page", CHANGES, prepare_closed, queue_page, ring, NULL },
	{ "invalidate_page_apart", CHANGES, prepare_view_closed, view_queue_page, view_ring, NULL },
	{ "invalidate_domain", CHANGES, prepare_domains, queue_domain, ring, NULL },
	{ "irq_miss", CHANGES, prepare_messages, flush_messages, irq_hit, NULL },
	{ "invalidate_irq", CHANGES, prepare_messages, queue_message, ring_messages, NULL },
	{ "invalidate_route", CHANGES, prepare_routes, queue_message, ring_messages, NULL },
	{ "its_deliver", CHANGES, prepare_events, NULL, its_deliver, NULL },
	{ "bad_counter", BAD, prepare_hot, NULL, bad_counter, own_vtd },
	{ "bad_neighbour", BAD, prepare_hot, NULL, bad_neighbour, own_vtd },
	{ "bad_atomic", BAD, prepare_closed, NULL, bad_atomic, NULL },
};

#define OPERATIONS (sizeof(operations) / sizeof(operations[0]))

static struct own measured[OPERATIONS];

/* Of those that are prepared in the same way, all have the same. They live as long as the process. */
static void *world_of(size_t n)
{
	static void *world[OPERATIONS];

	for (size_t i = 0; i < n && !world[n]; i++)
		if (operations[i].prepare == operations[n].prepare)
			world[n] = world[i];
	if (!world[n])
		world[n] = operations[n].prepare();
	return world[n];
}

/* Once untraced, so that no first time is among it. */
static void measure(size_t n)
{
	const struct operation *o = &operations[n];
	void *world = world_of(n);

	for (uint32_t i = 0; i < 2 * TURNS; i++) {
		if (o->before)
			o->before(world, i % TURNS);
		if (i >= TURNS)
			mark.begin = i;
		o->run(world, i % TURNS);
		if (i >= TURNS)
			mark.end = i;
	}
	measured[n] = o->own ? o->own(world) : own_none(world);
}

int main(void)
{
	char stack;
	uintptr_t here = (uintptr_t)&stack;

	/* What the kernel gives is zero: setting it to zero would be most of the trace. */
	mallopt(M_MMAP_THRESHOLD, 1 << 14);
	for (size_t n = 0; n < OPERATIONS; n++)
		measure(n);
	printf("mark %p %p\n", (void *)&mark.begin, (void *)&mark.end);
	printf("stack %#lx %#lx\n", (unsigned long)here - (1UL << 20),
	       (unsigned long)here + (1UL << 16));
	printf("turns %u\n", TURNS);
	for (size_t n = 0; n < OPERATIONS; n++) {
		const char *at = measured[n].at, *also = measured[n].also;

		printf("operation %s %s %p %p", operations[n].name, manners[operations[n].manner],
		       (const void *)at, (const void *)(at + measured[n].bytes));
		if (also)
			printf(" %p %p", (const void *)also,
			       (const void *)(also + measured[n].also_bytes));
		printf("\n");
	}
	return 0;
}
