/* SPDX-License-Identifier: BSD-3-Clause */
/* virtio_spec.h - layouts and numbers of virtio 1.3, section 5.13. Everything is little-endian. */
#ifndef VIRTIO_SPEC_H
#define VIRTIO_SPEC_H

#include <libvirtiommu/virtio.h>

#include "bits.h"

/* 5.13.3 Feature bits */
#define VIRTIO_FEATURES_ALL                                                                        \
	(VIOMMU_VIRTIO_F_INPUT_RANGE | VIOMMU_VIRTIO_F_DOMAIN_RANGE | VIOMMU_VIRTIO_F_MAP_UNMAP |  \
	 VIOMMU_VIRTIO_F_BYPASS | VIOMMU_VIRTIO_F_PROBE | VIOMMU_VIRTIO_F_MMIO |                   \
	 VIOMMU_VIRTIO_F_BYPASS_CONFIG)
/* 2.2: bits that belong to the kind of device; the others are the transport's */
#define VIRTIO_FEATURES_OF_DEVICE (BITS(23, 0) | BITS(63, 50))

/* 5.13.4 Configuration space: offsets */
#define VIRTIO_CONFIG_PAGE_SIZE_MASK 0x00U
#define VIRTIO_CONFIG_INPUT_FIRST    0x08U
#define VIRTIO_CONFIG_INPUT_LAST     0x10U
#define VIRTIO_CONFIG_DOMAIN_FIRST   0x18U
#define VIRTIO_CONFIG_DOMAIN_LAST    0x1cU
#define VIRTIO_CONFIG_PROBE_SIZE     0x20U
#define VIRTIO_CONFIG_BYPASS	     0x24U /* 1 byte, the only one that can be written */

/* 5.13.6 Device operations: a request begins with a type and 3 reserved bytes, and its writable
 * part ends with a status and 3 reserved bytes */
#define VIRTIO_HEAD_BYTES 4U
#define VIRTIO_TAIL_BYTES 4U

#define VIRTIO_ATTACH 1U
#define VIRTIO_DETACH 2U
#define VIRTIO_MAP    3U
#define VIRTIO_UNMAP  4U
#define VIRTIO_PROBE  5U

enum virtio_status {
	VIRTIO_S_OK,
	VIRTIO_S_IOERR,
	VIRTIO_S_UNSUPP,
	VIRTIO_S_DEVERR,
	VIRTIO_S_INVAL,
	VIRTIO_S_RANGE,
	VIRTIO_S_NOENT,
	VIRTIO_S_FAULT,
	VIRTIO_S_NOMEM,
};

/* 5.13.6.4 ATTACH: offsets from the head, and length of the readable part */
#define VIRTIO_ATTACH_DOMAIN   4U
#define VIRTIO_ATTACH_ENDPOINT 8U
#define VIRTIO_ATTACH_FLAGS    12U
#define VIRTIO_ATTACH_RESERVED 16U
#define VIRTIO_ATTACH_BYTES    20U
#define VIRTIO_ATTACH_F_BYPASS 1U

/* 5.13.6.5 DETACH */
#define VIRTIO_DETACH_DOMAIN   4U
#define VIRTIO_DETACH_ENDPOINT 8U
#define VIRTIO_DETACH_BYTES    20U

/* 5.13.6.6 MAP */
#define VIRTIO_MAP_DOMAIN  4U
#define VIRTIO_MAP_FIRST   8U
#define VIRTIO_MAP_LAST	   16U
#define VIRTIO_MAP_TARGET  24U
#define VIRTIO_MAP_FLAGS   32U
#define VIRTIO_MAP_BYTES   36U
#define VIRTIO_MAP_F_READ  1U /* the same bits as VIOMMU_READ and VIOMMU_WRITE */
#define VIRTIO_MAP_F_WRITE 2U
#define VIRTIO_MAP_F_MMIO  4U

static_assert(VIRTIO_MAP_F_READ == VIOMMU_READ && VIRTIO_MAP_F_WRITE == VIOMMU_WRITE, "5.13.6.6");

/* 5.13.6.7 UNMAP */
#define VIRTIO_UNMAP_DOMAIN   4U
#define VIRTIO_UNMAP_FIRST    8U
#define VIRTIO_UNMAP_LAST     16U
#define VIRTIO_UNMAP_RESERVED 24U
#define VIRTIO_UNMAP_BYTES    28U

/* 5.13.6.8 PROBE; its 64 reserved bytes are ignored, and never read */
#define VIRTIO_PROBE_ENDPOINT 4U
#define VIRTIO_PROBE_BYTES    72U

/* The longest part of a request that is read. */
#define VIRTIO_READ_BYTES VIRTIO_MAP_BYTES

/* 5.13.6.9 Properties: a type and a length, which does not count these two */
#define VIRTIO_PROPERTY_RESV_MEM   1U
#define VIRTIO_PROPERTY_HEAD_BYTES 4U
/* 5.13.6.10 RESV_MEM: subtype, 3 reserved bytes, first and last address */
#define VIRTIO_RESV_MEM_BYTES 20U
#define VIRTIO_RESV_MEM_TOTAL (VIRTIO_PROPERTY_HEAD_BYTES + VIRTIO_RESV_MEM_BYTES)

/* 5.13.6.12 Fault reporting */
#define VIRTIO_FAULT_UNKNOWN   0U
#define VIRTIO_FAULT_DOMAIN    1U
#define VIRTIO_FAULT_MAPPING   2U
#define VIRTIO_FAULT_F_READ    1U
#define VIRTIO_FAULT_F_WRITE   2U
#define VIRTIO_FAULT_F_ADDRESS (1U << 8)

#endif
