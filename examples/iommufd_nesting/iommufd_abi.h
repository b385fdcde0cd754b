/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * iommufd_abi.h - the part of the kernel's iommufd and VFIO interfaces that nesting needs, under names of our own: headers
 * of distributions are often older than the kernels that they are used with (IOMMU_VEVENTQ_ALLOC came with Linux 6.15).
 */
#ifndef IOMMUFD_ABI_H
#define IOMMUFD_ABI_H

#include <stdint.h>

/* Both number their calls as _IO(';', n). */
#define IOMMUFD_CALL(number) ((unsigned long)(';' << 8 | (number)))
#define IOMMUFD_DESTROY	     IOMMUFD_CALL(0x80)
#define IOMMUFD_HWPT_ALLOC   IOMMUFD_CALL(0x89)
#define IOMMUFD_HW_INFO	     IOMMUFD_CALL(0x8a)
#define IOMMUFD_INVALIDATE   IOMMUFD_CALL(0x8d)
#define IOMMUFD_FAULT_ALLOC  IOMMUFD_CALL(0x8e)
#define IOMMUFD_VIOMMU	     IOMMUFD_CALL(0x90)
#define IOMMUFD_VDEVICE	     IOMMUFD_CALL(0x91)
#define IOMMUFD_VEVENTQ	     IOMMUFD_CALL(0x93)
#define IOMMUFD_IOAS_ALLOC   IOMMUFD_CALL(0x81)
#define IOMMUFD_IOAS_MAP     IOMMUFD_CALL(0x85)
#define VFIO_BIND	     IOMMUFD_CALL(100 + 18)
#define VFIO_ATTACH	     IOMMUFD_CALL(100 + 19)
#define VFIO_DETACH	     IOMMUFD_CALL(100 + 20)

struct iommufd_destroy {
	uint32_t size;
	uint32_t id;
};

struct iommufd_ioas_alloc {
	uint32_t size;
	uint32_t flags;
	uint32_t out_ioas_id;
};

#define IOMMUFD_MAP_FIXED 1U
#define IOMMUFD_MAP_WRITE 2U
#define IOMMUFD_MAP_READ  4U

struct iommufd_ioas_map {
	uint32_t size;
	uint32_t flags;
	uint32_t ioas_id;
	uint32_t reserved;
	uint64_t user_va;
	uint64_t length;
	uint64_t iova;
};

#define IOMMUFD_HWPT_NEST_PARENT 1U
#define IOMMUFD_HWPT_FAULT_ID	 4U

struct iommufd_hwpt_alloc {
	uint32_t size;
	uint32_t flags;
	uint32_t dev_id;
	uint32_t pt_id; /* an IOAS, a parent, or a vIOMMU */
	uint32_t out_hwpt_id;
	uint32_t reserved;
	uint32_t data_type; /* 0: none; else VIOMMU_NESTED_* */
	uint32_t data_len;
	uint64_t data;
	uint32_t fault_id;
	uint32_t reserved2;
};

#define IOMMUFD_HW_VTD	  1U
#define IOMMUFD_HW_SMMUV3 2U

struct iommufd_hw_info {
	uint32_t size;
	uint32_t flags;
	uint32_t dev_id;
	uint32_t data_len;
	uint64_t data;
	uint32_t data_type; /* IOMMUFD_HW_* */
	uint8_t max_pasid_lg2;
	uint8_t reserved[3];
	uint64_t capabilities;
};

struct iommufd_hw_vtd {
	uint32_t flags;
	uint32_t reserved;
	uint64_t cap;
	uint64_t ecap;
};

struct iommufd_hw_smmuv3 {
	uint32_t flags;
	uint32_t reserved;
	uint32_t idr[6];
	uint32_t iidr;
	uint32_t aidr;
};

/* What the entries are made of; the numbers are not those of stages. */
#define IOMMUFD_INVALIDATE_VTD	  0U
#define IOMMUFD_INVALIDATE_SMMUV3 1U

struct iommufd_invalidate {
	uint32_t size;
	uint32_t hwpt_id; /* or a vIOMMU */
	uint64_t data;
	uint32_t data_type;
	uint32_t entry_len;
	uint32_t entry_num; /* comes back as how many were taken */
	uint32_t reserved;
};

struct iommufd_fault_alloc {
	uint32_t size;
	uint32_t flags;
	uint32_t out_fault_id;
	uint32_t out_fault_fd;
};

#define IOMMUFD_VIOMMU_SMMUV3 1U

struct iommufd_viommu {
	uint32_t size;
	uint32_t flags;
	uint32_t type;
	uint32_t dev_id;
	uint32_t hwpt_id; /* the parent */
	uint32_t out_viommu_id;
	uint32_t data_len;
	uint32_t reserved;
	uint64_t data;
};

struct iommufd_vdevice {
	uint32_t size;
	uint32_t viommu_id;
	uint32_t dev_id;
	uint32_t out_vdevice_id;
	uint64_t virt_id; /* the requester's id in the guest */
};

#define IOMMUFD_VEVENTQ_SMMUV3 1U

struct iommufd_veventq {
	uint32_t size;
	uint32_t flags;
	uint32_t viommu_id;
	uint32_t type;
	uint32_t depth;
	uint32_t out_veventq_id;
	uint32_t out_veventq_fd;
	uint32_t reserved;
};

/* What is read from an event queue: this, and an event unless some were lost at the end. */
#define IOMMUFD_VEVENT_LOST 1U

struct iommufd_vevent {
	uint32_t flags;
	uint32_t sequence; /* 31 bits */
};

/* What is read from a fault queue, and what is written there for each group. */
#define IOMMUFD_FAULT_PASID 1U
#define IOMMUFD_FAULT_LAST  2U

struct iommufd_fault {
	uint32_t flags;
	uint32_t dev_id;
	uint32_t pasid;
	uint32_t group;
	uint32_t perm; /* VIOMMU_READ, ...: the bits are the same */
	uint32_t reserved;
	uint64_t address;
	uint32_t length;
	uint32_t cookie;
};

struct iommufd_fault_response {
	uint32_t cookie;
	uint32_t code; /* 0: success, 1: invalid */
};

struct vfio_bind {
	uint32_t argsz;
	uint32_t flags;
	int32_t iommufd;
	uint32_t out_devid;
};

struct vfio_attach {
	uint32_t argsz;
	uint32_t flags;
	uint32_t pt_id;
};

struct vfio_detach {
	uint32_t argsz;
	uint32_t flags;
};

#endif
