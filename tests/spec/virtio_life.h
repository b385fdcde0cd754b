/* SPDX-License-Identifier: BSD-3-Clause */
/* virtio_life.h - a virtio-iommu with small caps, the life of a guest in steps, and its saved
 * states. */
#ifndef VIRTIO_LIFE_H
#define VIRTIO_LIFE_H

#include "virtio_rig.h"

enum { LIFE_CAPACITY = 65536, LIFE_RANGES = 64, LIFE_STEPS = 32 };

#define LIFE_GPA_LAST UINT64_C(0xffffffffff)

extern const struct viommu_virtio_config life_config;
/* Of endpoint 4. */
extern const struct viommu_virtio_region life_region;
extern const struct vr_step life[LIFE_STEPS];

struct virtio_rig *life_open(void);
/* The length; it must fit in LIFE_CAPACITY. */
uint64_t life_save(struct virtio_rig *r, unsigned char *to);
/* VIOMMU_OK (and run), or VIOMMU_ESTATE. */
int life_restore(struct virtio_rig *r, const unsigned char *from, uint64_t bytes);
/* Bypass and maps of all endpoints. Takes the records that wait. */
void life_check_same(struct virtio_rig *a, struct virtio_rig *b);

#endif
