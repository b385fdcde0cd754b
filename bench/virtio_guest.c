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

/* The buffers stay until the request is complete. */
static int try(struct virtio_world *w, unsigned char *bytes, uint32_t count)
{
	struct viommu_part in = { bytes, count };
	struct viommu_part out = { w->tail, sizeof(w->tail) };
	uint32_t written;
	int result;

	w->tail[0] = 0xff;
	result = viommu_virtio_request(w->iommu, &in, 1, &out, 1, 0, &written);
	if (w->tail[0])
		virtio_unexpected("status", w->tail[0]);
	return result;
}

int virtio_try_map(struct virtio_world *w, uint64_t page, uint64_t pages)
{
	unsigned char bytes[MAP_BYTES] = { 3 };

	put32(bytes + 4, DOMAIN);
	put64(bytes + 8, page * VIRTIO_PAGE);
	put64(bytes + 16, (page + pages) * VIRTIO_PAGE - 1);
	put64(bytes + 24, page * VIRTIO_PAGE);
	put32(bytes + 32, 3);
	return try(w, bytes, sizeof(bytes));
}

int virtio_try_unmap(struct virtio_world *w, uint64_t page, uint64_t pages)
{
	unsigned char bytes[UNMAP_BYTES] = { 4 };

	put32(bytes + 4, DOMAIN);
	put64(bytes + 8, page * VIRTIO_PAGE);
	put64(bytes + 16, (page + pages) * VIRTIO_PAGE - 1);
	return try(w, bytes, sizeof(bytes));
}

int virtio_try_attach(struct virtio_world *w, uint32_t endpoint)
{
	unsigned char bytes[ATTACH_BYTES] = { 1 };

	put32(bytes + 4, DOMAIN);
	put32(bytes + 8, endpoint);
	return try(w, bytes, sizeof(bytes));
}

int virtio_try_detach(struct virtio_world *w, uint32_t endpoint)
{
	unsigned char bytes[ATTACH_BYTES] = { 2 };

	put32(bytes + 4, DOMAIN);
	put32(bytes + 8, endpoint);
	return try(w, bytes, sizeof(bytes));
}

void virtio_map(struct virtio_world *w, uint64_t page, uint64_t pages)
{
	virtio_expect("MAP", virtio_try_map(w, page, pages));
}

void virtio_unmap(struct virtio_world *w, uint64_t page, uint64_t pages)
{
	virtio_expect("UNMAP", virtio_try_unmap(w, page, pages));
}

void virtio_fill(struct virtio_world *w)
{
	for (uint64_t i = 0; i < w->n; i++)
		virtio_map(w, 2 * i, 1);
}

struct virtio_world *virtio_world_new(uint64_t n)
{
	struct viommu_vm_config vm = { .size = sizeof(vm), .hash_key = { 1, 2 } };
	struct viommu_virtio_config config = { .size = sizeof(config) };
	struct viommu_device_config device = { .size = sizeof(device), .id = ENDPOINT };
	struct virtio_world *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	w->n = n;
	virtio_expect("viommu_vm_new", viommu_vm_new(&vm, &w->vm));
	virtio_expect("viommu_virtio_new", viommu_virtio_new(w->vm, &config, &w->iommu));
	virtio_expect("viommu_device_new", viommu_device_new(w->iommu, &device, &w->device));
	virtio_expect("ATTACH", virtio_try_attach(w, ENDPOINT));
	virtio_fill(w);
	return w;
}

void virtio_world_free(struct virtio_world *w)
{
	viommu_device_free(w->device);
	viommu_free(w->iommu);
	viommu_vm_free(w->vm);
	free(w);
}
