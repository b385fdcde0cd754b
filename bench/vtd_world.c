/* SPDX-License-Identifier: BSD-3-Clause */
/* vtd_world.c - what a VMM and a guest do once, before the benchmarks of vtd_bench.c begin. */
#define _GNU_SOURCE
#include <endian.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "vtd_world.h"

/* 11.4 registers, by offset */
#define REG_GCMD   0x018U
#define REG_RTADDR 0x020U
#define REG_IQT	   0x088U
#define REG_IQA	   0x090U

/* 11.4.4 global command */
#define GCMD_TE	  ((uint64_t)1 << 31)
#define GCMD_SRTP ((uint64_t)1 << 30)
#define GCMD_QIE  ((uint64_t)1 << 26)

/* 11.4.5 root table address: scalable mode */
#define RTADDR_SCALABLE ((uint64_t)1 << 10)

/* 11.4.2 capability: 16-bit domain ids */
#define CAP_ND	  7U
#define CAP_ND_16 6U

/* 11.4.3 extended capability */
#define ECAP_NEST ((uint64_t)1 << 26)
#define ECAP_SMTS ((uint64_t)1 << 43)
#define ECAP_SSTS ((uint64_t)1 << 46)
#define ECAP_FSTS ((uint64_t)1 << 47)

/* 6.5.2 invalidation descriptors */
#define DESC_IOTLB_DOMAIN 0x22U
#define DESC_IOTLB_PAGE	  0x32U
#define DESC_WAIT_STATUS  0x25U

/* 11.4.9 queue address: 256-bit descriptors, which scalable mode asks for */
#define IQA_DW ((uint64_t)1 << 11)

#define QUEUE_PAGES_LG2 2U
#define QUEUE_BYTES	(GUEST_PAGE << QUEUE_PAGES_LG2)

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

static void say(void *opaque, const char *text)
{
	(void)opaque;
	fprintf(stderr, "libvirtiommu: %s\n", text);
}

static void add_region(struct vtd_world *w, uint64_t gpa, void *host, uint64_t bytes)
{
	struct viommu_region region = {
		.size = sizeof(region), .gpa = gpa, .bytes = bytes, .host = host
	};

	expect_ok("viommu_vm_add_region", viommu_vm_add_region(w->vm, &region));
}

/* The same hash key in each run: where entries fall is not part of the noise. */
static void create_vm(struct vtd_world *w)
{
	struct viommu_vm_config config = { .size = sizeof(config),
					   .hash_key = { 0x243f6a8885a308d3, 0x13198a2e03707344 } };

	expect_ok("viommu_vm_new", viommu_vm_new(&config, &w->vm));
	add_region(w, 0, w->guest.low, GUEST_LOW_SIZE);
	add_region(w, GUEST_HIGH, w->guest.high, w->guest.high_size);
}

/* At least the default, and more where the figure is about what is cached. */
static uint32_t at_least(uint64_t n, uint32_t otherwise)
{
	return n > otherwise ? (uint32_t)n : otherwise;
}

static bool is_scalable(const struct vtd_shape *shape)
{
	return shape->paging == VTD_FS4 || shape->paging == VTD_NESTED44;
}

static void create_iommu(struct vtd_world *w)
{
	uint64_t scalable = ECAP_SMTS | ECAP_SSTS | ECAP_FSTS | ECAP_NEST;
	uint64_t most = w->shape.pages > w->shape.devices ? w->shape.pages : w->shape.devices;
	struct viommu_host host = { .size = sizeof(host), .message = say };
	struct viommu_limits limits = {
		.size = sizeof(limits),
		.tlb_entries = at_least(2 * most, 65536),
		.contexts = at_least(2 * (uint64_t)w->shape.devices, 1024),
		.domains = at_least(2 * (uint64_t)w->shape.devices, 4096),
		.partitions = w->shape.partitions,
	};
	struct viommu_vtd_config config = {
		.size = sizeof(config),
		.cap = (viommu_vtd_default_cap() & ~(uint64_t)CAP_ND) | CAP_ND_16,
		.ecap = viommu_vtd_default_ecap() | (is_scalable(&w->shape) ? scalable : 0),
		.host = &host,
		.limits = &limits,
	};

	expect_ok("viommu_vtd_new", viommu_vtd_new(w->vm, &config, &w->iommu));
}

static void create_devices(struct vtd_world *w)
{
	w->device = allocate(w->shape.devices, sizeof(struct viommu_device *));
	for (uint32_t i = 0; i < w->shape.devices; i++) {
		struct viommu_device_config config = { .size = sizeof(config), .id = i };

		expect_ok("viommu_device_new", viommu_device_new(w->iommu, &config, &w->device[i]));
	}
	for (unsigned i = 0; i < 2; i++)
		expect_ok("viommu_channel_new",
			  viommu_channel_new(w->device[0], VIOMMU_NO_PASID, &w->channel[i]));
}

/* --- the guest --- */

static void write_register(struct vtd_world *w, uint64_t offset, uint32_t bytes, uint64_t value)
{
	expect_ok("viommu_reg_write", viommu_reg_write(w->iommu, offset, bytes, value));
}

/*
 * First-stage tables are themselves reached through the second stage: all of them, and the pages.
 */
static void map_identity(struct vtd_world *w, const struct guest_paging *ss)
{
	uint64_t tables = w->guest.used;

	for (uint64_t gpa = 0; gpa < tables; gpa += GUEST_PAGE)
		guest_map(&w->guest, ss, gpa, gpa);
	for (uint64_t i = 0; i < w->shape.pages; i++)
		guest_map(&w->guest, ss, GUEST_HIGH + i * GUEST_PAGE, GUEST_HIGH + i * GUEST_PAGE);
}

/* The pages, and the devices that see them. All devices share the tables, each has its domain. */
static uint64_t build_tables(struct vtd_world *w)
{
	const struct vtd_shape *shape = &w->shape;
	uint64_t root = guest_alloc(&w->guest, GUEST_PAGE);
	uint32_t domains = shape->domains ? shape->domains : UINT16_MAX;
	struct guest_paging fs, ss;

	guest_first_stage(&w->guest, &fs, 4);
	guest_second_stage(&w->guest, &ss, shape->paging == VTD_SS3 ? 3 : 4);
	guest_pages_init(&w->pages, &w->guest, is_scalable(shape) ? &fs : &ss, shape->pages,
			 GUEST_IOVA, shape->stride);
	w->paging = is_scalable(shape) ? fs : ss;
	if (shape->paging == VTD_NESTED44)
		map_identity(w, &ss);
	for (uint32_t i = 0; i < shape->devices; i++) {
		uint16_t did = (uint16_t)(i % domains + 1);

		if (is_scalable(shape))
			guest_scalable_device(&w->guest, root, (uint16_t)i, did, &fs,
					      shape->paging == VTD_NESTED44 ? &ss : NULL);
		else
			guest_legacy_device(&w->guest, root, (uint16_t)i, did, &ss);
	}
	return root | (is_scalable(shape) ? RTADDR_SCALABLE : 0);
}

static void boot(struct vtd_world *w, uint64_t rtaddr)
{
	w->queue = guest_alloc(&w->guest, QUEUE_BYTES);
	w->descriptor_bytes = is_scalable(&w->shape) ? 32 : 16;
	w->status = guest_alloc(&w->guest, GUEST_PAGE);
	write_register(w, REG_RTADDR, 8, rtaddr);
	write_register(w, REG_GCMD, 4, GCMD_SRTP);
	write_register(w, REG_IQT, 8, 0);
	write_register(w, REG_IQA, 8,
		       w->queue | QUEUE_PAGES_LG2 | (is_scalable(&w->shape) ? IQA_DW : 0));
	write_register(w, REG_GCMD, 4, GCMD_QIE);
	write_register(w, REG_GCMD, 4, GCMD_QIE | GCMD_TE);
}

struct vtd_world *vtd_world_new(const struct vtd_shape *shape)
{
	struct vtd_world *w = allocate(1, sizeof(*w));
	uint64_t rtaddr;

	w->shape = *shape;
	guest_init(&w->guest, shape->pages * GUEST_PAGE);
	rtaddr = build_tables(w);
	create_vm(w);
	create_iommu(w);
	create_devices(w);
	boot(w, rtaddr);
	vtd_finish(w);
	return w;
}

void vtd_world_free(struct vtd_world *w)
{
	for (unsigned i = 0; i < 2; i++)
		expect_ok("viommu_channel_free", viommu_channel_free(w->channel[i]));
	for (uint32_t i = 0; i < w->shape.devices; i++)
		expect_ok("viommu_device_free", viommu_device_free(w->device[i]));
	expect_ok("viommu_free", viommu_free(w->iommu));
	expect_ok("viommu_vm_free", viommu_vm_free(w->vm));
	free(w->device);
	guest_pages_fini(&w->pages);
	guest_fini(&w->guest);
	free(w);
}

/* --- the guest's driver --- */

static void put(struct vtd_world *w, uint64_t lo, uint64_t hi)
{
	uint64_t *desc = guest_at(&w->guest, w->queue + w->tail);

	/* The upper half of a wide descriptor stays zero. */
	desc[0] = htole64(lo);
	desc[1] = htole64(hi);
	w->tail = (w->tail + w->descriptor_bytes) % QUEUE_BYTES;
}

void vtd_queue_page(struct vtd_world *w, uint16_t did, uint64_t iova)
{
	put(w, DESC_IOTLB_PAGE | (uint64_t)did << 16, iova);
}

void vtd_queue_domain(struct vtd_world *w, uint16_t did)
{
	put(w, DESC_IOTLB_DOMAIN | (uint64_t)did << 16, 0);
}

void vtd_queue_wait(struct vtd_world *w)
{
	put(w, DESC_WAIT_STATUS | (uint64_t)++w->ticket << 32, w->status);
}

int vtd_ring(struct vtd_world *w)
{
	return viommu_reg_write(w->iommu, REG_IQT, 8, w->tail);
}

bool vtd_completed(const struct vtd_world *w)
{
	const uint32_t *status = guest_at(&w->guest, w->status);

	return le32toh(__atomic_load_n(status, __ATOMIC_ACQUIRE)) == w->ticket;
}

void vtd_finish(struct vtd_world *w)
{
	int r;

	vtd_queue_wait(w);
	r = vtd_ring(w);
	while (r == VIOMMU_PENDING)
		r = viommu_run(w->iommu);
	expect_ok("invalidation", r);
	if (!vtd_completed(w)) {
		fprintf(stderr, "invalidation: no status\n");
		abort();
	}
}
