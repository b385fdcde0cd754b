/* SPDX-License-Identifier: BSD-3-Clause */
/* virtio_guest.c - a VM with one virtio-iommu, see virtio_guest.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "virtio_guest.h"

#define DOMAIN	 1U
#define ENDPOINT 8U

#define ATTACH_BYTES 20U
#define MAP_BYTES    36U
#define UNMAP_BYTES  28U

_Noreturn void virtio_unexpected(const char *what, int result)
{
	fprintf(stderr, "%s: %d\n", what, result);
	exit(1);
}

/* The host of these benchmarks is little-endian, as the requests are. */
static void put32(unsigned char *to, uint32_t value)
{
	memcpy(to, &value, sizeof(value));
}

static void put64(unsigned char *to, uint64_t value)
{
	memcpy(to, &value, sizeof(value));
}

static void request(struct virtio_world *w, unsigned char *bytes, uint32_t count)
{
	unsigned char tail[4] = { 0xff, 0, 0, 0 };
	struct viommu_part in = { bytes, count };
	struct viommu_part out = { tail, sizeof(tail) };
	uint32_t written;

	virtio_expect("viommu_virtio_request",
		      viommu_virtio_request(w->iommu, &in, 1, &out, 1, 0, &written));
	if (tail[0])
		virtio_unexpected("status", tail[0]);
}

void virtio_map(struct virtio_world *w, uint64_t page, uint64_t pages)
{
	unsigned char bytes[MAP_BYTES] = { 3 };

	put32(bytes + 4, DOMAIN);
	put64(bytes + 8, page * VIRTIO_PAGE);
	put64(bytes + 16, (page + pages) * VIRTIO_PAGE - 1);
	put64(bytes + 24, page * VIRTIO_PAGE);
	put32(bytes + 32, 3);
	request(w, bytes, sizeof(bytes));
}

void virtio_unmap(struct virtio_world *w, uint64_t page, uint64_t pages)
{
	unsigned char bytes[UNMAP_BYTES] = { 4 };

	put32(bytes + 4, DOMAIN);
	put64(bytes + 8, page * VIRTIO_PAGE);
	put64(bytes + 16, (page + pages) * VIRTIO_PAGE - 1);
	request(w, bytes, sizeof(bytes));
}

struct virtio_world *virtio_world_new(uint64_t n)
{
	struct viommu_vm_config vm = { .size = sizeof(vm), .hash_key = { 1, 2 } };
	struct viommu_virtio_config config = { .size = sizeof(config) };
	struct viommu_device_config device = { .size = sizeof(device), .id = ENDPOINT };
	unsigned char attach[ATTACH_BYTES] = { 1 };
	struct virtio_world *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	w->n = n;
	virtio_expect("viommu_vm_new", viommu_vm_new(&vm, &w->vm));
	virtio_expect("viommu_virtio_new", viommu_virtio_new(w->vm, &config, &w->iommu));
	virtio_expect("viommu_device_new", viommu_device_new(w->iommu, &device, &w->device));
	put32(attach + 4, DOMAIN);
	put32(attach + 8, ENDPOINT);
	request(w, attach, sizeof(attach));
	for (uint64_t i = 0; i < w->n; i++)
		virtio_map(w, 2 * i, 1);
	return w;
}

void virtio_world_free(struct virtio_world *w)
{
	viommu_device_free(w->device);
	viommu_free(w->iommu);
	viommu_vm_free(w->vm);
	free(w);
}
