/* SPDX-License-Identifier: BSD-3-Clause */
/* irq_world.c - what a VMM and a guest do once, before the benchmarks of irq_bench.c begin. */
#define _GNU_SOURCE
#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "counted_memory.h"
#include "irq_world.h"

/* 11.4 registers, by offset */
#define REG_GCMD 0x018U
#define REG_IQT	 0x088U
#define REG_IQA	 0x090U
#define REG_IRTA 0x0b8U

/* 11.4.4 global command */
#define GCMD_IRE   ((uint64_t)1 << 25)
#define GCMD_SIRTP ((uint64_t)1 << 24)
#define GCMD_QIE   ((uint64_t)1 << 26)

/* 11.4.10: the largest table, x2APIC destinations */
#define IRTA_S	  15U
#define IRTA_EIME ((uint64_t)1 << 11)

#define CAP_PI	 ((uint64_t)1 << 59)
#define ECAP_EIM ((uint64_t)1 << 4)

/* 6.5.2 invalidation descriptors */
#define DESC_IEC_ALL	 0x04U
#define DESC_IEC_ONE	 0x14U
#define DESC_WAIT_STATUS 0x25U

/* 9.9, 9.10 table entry: fixed, physical, edge, from one requester id */
#define ENTRY_PRESENT	((uint64_t)1)
#define ENTRY_POSTED	((uint64_t)1 << 15)
#define ENTRY_SID(rid)	((uint64_t)1 << 18 | (rid))
#define ENTRY_VECTOR(v) ((uint64_t)(v) << 16)

/* 9.11 posted descriptor: notification vector and destination */
#define NOTIFY ((uint64_t)0xf2 << 16 | (uint64_t)3 << 32)

#define QUEUE_BYTES GUEST_PAGE
#define DESCRIPTORS 32U

static void *allocate(size_t count, size_t size)
{
	void *p = calloc(count, size);

	if (!p) {
		perror("calloc");
		exit(1);
	}
	return p;
}

/* --- the VMM --- */

/* Of this thread. */
static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000U + (uint64_t)t.tv_nsec;
}

/* What a VMM does before it tells the kernel. */
static void drain(void *opaque)
{
	struct irq_world *w = opaque;
	struct viommu_route_change changes[64];
	uint64_t begun = now_ns();
	uint32_t count;
	int r;

	do {
		r = viommu_routes_drain(w->routes, changes, 64, &count);
		w->changed += count;
	} while (r == VIOMMU_MORE);
	expect_ok("viommu_routes_drain", r);
	w->drained_ns += now_ns() - begun;
}

static void create(struct irq_world *w)
{
	struct viommu_vm_config vm = { .size = sizeof(vm),
				       .opaque = &w->allocated,
				       .alloc = counted_take,
				       .dealloc = counted_give };
	struct viommu_region region = { .size = sizeof(region),
					.bytes = GUEST_LOW_SIZE,
					.host = w->guest.low };
	struct viommu_vtd_config vtd = { .size = sizeof(vtd),
					 .cap = viommu_vtd_default_cap() | CAP_PI,
					 .ecap = viommu_vtd_default_ecap() | ECAP_EIM };

	expect_ok("viommu_vm_new", viommu_vm_new(&vm, &w->vm));
	expect_ok("viommu_vm_add_region", viommu_vm_add_region(w->vm, &region));
	expect_ok("viommu_vtd_new", viommu_vtd_new(w->vm, &vtd, &w->iommu));
}

static void create_routes(struct irq_world *w)
{
	struct viommu_routes_config config = {
		.size = sizeof(config), .gsis = (uint32_t)w->n, .opaque = w, .changed = drain
	};

	expect_ok("viommu_routes_new", viommu_routes_new(w->iommu, &config, &w->routes));
	for (uint32_t i = 0; i < w->n; i++) {
		struct viommu_route route = { .size = sizeof(route),
					      .gsi = i,
					      .source = w->message[i].source,
					      .address = w->message[i].address };

		expect_ok("viommu_routes_set", viommu_routes_set(w->routes, &route));
	}
	drain(w);
}

/* --- the guest --- */

static void write_register(struct irq_world *w, uint64_t offset, uint32_t bytes, uint64_t value)
{
	expect_ok("viommu_reg_write", viommu_reg_write(w->iommu, offset, bytes, value));
}

void irq_rewrite(struct irq_world *w, uint64_t i, uint32_t vector)
{
	const struct irq_message *m = &w->message[i];
	uint64_t *entry = guest_at(&w->guest, w->table + 16 * (uint64_t)m->index);
	uint64_t pda = w->descriptor + i % DESCRIPTORS * 64;
	uint64_t low = ENTRY_PRESENT | ENTRY_VECTOR(vector);

	low |= w->descriptor ? ENTRY_POSTED | (pda >> 6) << 38 : (i + 1) << 32;
	__atomic_store_n(&entry[1], htole64(ENTRY_SID(m->source)), __ATOMIC_RELEASE);
	__atomic_store_n(&entry[0], htole64(low), __ATOMIC_RELEASE);
}

static void build(struct irq_world *w, bool posted)
{
	w->table = guest_alloc(&w->guest, IRQ_ENTRIES * 16);
	if (posted) {
		w->descriptor = guest_alloc(&w->guest, GUEST_PAGE);
		for (uint64_t i = 0; i < DESCRIPTORS; i++)
			((uint64_t *)guest_at(&w->guest, w->descriptor + 64 * i))[4] =
				htole64(NOTIFY);
	}
	w->message = allocate(w->n, sizeof(*w->message));
	for (uint64_t i = 0; i < w->n; i++) {
		uint32_t index = (uint32_t)(i * 40503U % IRQ_ENTRIES);

		w->message[i].index = index;
		w->message[i].source = (uint32_t)i;
		w->message[i].address = 0xfee00010U | (uint64_t)(index & 0x7fff) << 5 |
					(uint64_t)(index >> 15) << 2;
		irq_rewrite(w, i, 0x20 + (uint32_t)(i % 200));
	}
}

struct irq_world *irq_world_new(uint64_t n, bool routes, bool posted)
{
	struct irq_world *w = allocate(1, sizeof(*w));

	w->n = n;
	guest_init(&w->guest, GUEST_PAGE);
	create(w);
	build(w, posted);
	w->queue = guest_alloc(&w->guest, QUEUE_BYTES);
	w->status = guest_alloc(&w->guest, GUEST_PAGE);
	write_register(w, REG_IQA, 8, w->queue);
	write_register(w, REG_GCMD, 4, GCMD_QIE);
	write_register(w, REG_IRTA, 8, w->table | IRTA_EIME | IRTA_S);
	write_register(w, REG_GCMD, 4, GCMD_QIE | GCMD_SIRTP);
	write_register(w, REG_GCMD, 4, GCMD_QIE | GCMD_IRE);
	if (routes)
		create_routes(w);
	return w;
}

void irq_world_free(struct irq_world *w)
{
	expect_ok("viommu_routes_free", viommu_routes_free(w->routes));
	expect_ok("viommu_free", viommu_free(w->iommu));
	expect_ok("viommu_vm_free", viommu_vm_free(w->vm));
	guest_fini(&w->guest);
	free(w->message);
	free(w);
}

/* --- the guest's driver --- */

static void put(struct irq_world *w, uint64_t lo, uint64_t hi)
{
	uint64_t *desc = guest_at(&w->guest, w->queue + w->tail);

	desc[0] = htole64(lo);
	desc[1] = htole64(hi);
	w->tail = (w->tail + 16) % QUEUE_BYTES;
}

void irq_queue_all(struct irq_world *w)
{
	put(w, DESC_IEC_ALL, 0);
}

void irq_queue_one(struct irq_world *w, uint64_t i)
{
	put(w, DESC_IEC_ONE | (uint64_t)w->message[i].index << 32, 0);
}

void irq_queue_wait(struct irq_world *w)
{
	put(w, DESC_WAIT_STATUS | (uint64_t)++w->ticket << 32, w->status);
}

void irq_ring(struct irq_world *w)
{
	const uint32_t *status = guest_at(&w->guest, w->status);
	int r = viommu_reg_write(w->iommu, REG_IQT, 8, w->tail);

	while (r == VIOMMU_PENDING)
		r = viommu_run(w->iommu);
	if (r != VIOMMU_OK || le32toh(__atomic_load_n(status, __ATOMIC_ACQUIRE)) != w->ticket)
		unexpected("invalidation", r);
}
