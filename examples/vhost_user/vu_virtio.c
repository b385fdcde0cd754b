/* SPDX-License-Identifier: BSD-3-Clause */
/* vu_virtio.c - a guest's virtio-iommu driver (virtio 1.3, 5.13), and the VMM's transport in between. */
#include "vu_engine.h"
const struct vu_engine_type engine_virtio = { .name = "virtio" };
