/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * virtio_guest.h - a VM with one virtio-iommu, and requests to it as a driver makes them.
 *
 * Any answer but the expected one ends the program, so that no benchmark measures a failure.
 */
#ifndef BENCH_VIRTIO_GUEST_H
#define BENCH_VIRTIO_GUEST_H

#include <libvirtiommu/virtio.h>
#include <libvirtiommu/vm.h>

#include <stdint.h>

#define VIRTIO_PAGE UINT64_C(4096)

struct virtio_world {
	struct viommu_vm *vm;
	struct viommu *iommu;
	struct viommu_device *device;
	uint64_t n; /* mappings */
	unsigned char tail[4];
};

/* One endpoint in one domain, with @n mappings of a page, at every other page. */
struct virtio_world *virtio_world_new(uint64_t n);
void virtio_world_free(struct virtio_world *w);

/* Makes the mappings again. */
void virtio_fill(struct virtio_world *w);

void virtio_map(struct virtio_world *w, uint64_t page, uint64_t pages);
void virtio_unmap(struct virtio_world *w, uint64_t page, uint64_t pages);

/* The same, which may answer VIOMMU_PENDING: one request at a time. */
int virtio_try_map(struct virtio_world *w, uint64_t page, uint64_t pages);
int virtio_try_unmap(struct virtio_world *w, uint64_t page, uint64_t pages);
int virtio_try_attach(struct virtio_world *w, uint32_t endpoint);
int virtio_try_detach(struct virtio_world *w, uint32_t endpoint);

_Noreturn void virtio_unexpected(const char *what, int result);

static inline void virtio_expect(const char *what, int result)
{
	if (result != VIOMMU_OK)
		virtio_unexpected(what, result);
}

#endif
