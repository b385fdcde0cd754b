/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * nest_host.h - assigned devices whose first stage the host's IOMMU walks: between libvirtiommu and iommufd.
 *
 * The VMM has bound each device to the iommufd (VFIO_DEVICE_BIND_IOMMUFD), and mapped guest memory into an IOAS. All of
 * it belongs to the thread that has the IOMMU's registers, but for reading events and faults, which is any thread's.
 */
#ifndef NEST_HOST_H
#define NEST_HOST_H

#include <libvirtiommu/nesting.h>

#include <pthread.h>
#include <stdbool.h>
#include <sys/types.h>

#include "iommufd_abi.h"

/* The system calls, so that a test can be the kernel. */
struct nest_calls {
	int (*ioctl)(int fd, unsigned long request, void *argument); /* 0, or -errno */
	ssize_t (*read)(int fd, void *buffer, size_t bytes);
	ssize_t (*write)(int fd, const void *buffer, size_t bytes);
	int (*close)(int fd);
};

extern const struct nest_calls nest_kernel;

#define NEST_DEVICES 64U

struct nest_device {
	struct nest_host *host;
	struct viommu_device *device;
	int fd; /* of VFIO */
	uint32_t dev_id;
	uint32_t hwpt;	  /* of its first stage; 0: none */
	uint32_t vdevice; /* SMMUv3 */
	/* Groups of page requests that the guest has not answered: the kernel's cookie of each. */
	struct {
		bool used;
		uint32_t pasid;
		uint32_t group;
		uint32_t cookie;
	} asked[16];
};

/* A host IOMMU: its devices share the parent stage, and with SMMUv3 a vIOMMU. */
struct nest_host {
	const struct nest_calls *calls;
	struct viommu *iommu;
	struct viommu_nesting *nesting;
	int fd;	       /* of the iommufd */
	uint32_t type; /* VIOMMU_NESTED_* */
	uint32_t parent;
	uint32_t viommu; /* SMMUv3 */
	uint32_t event_queue;
	int event_fd; /* -1: none */
	uint32_t fault_queue;
	int fault_fd;
	uint32_t sequence;    /* of the next event */
	uint64_t lost;	      /* events */
	pthread_mutex_t lock; /* guards asked */
	struct nest_device *device[NEST_DEVICES];
};

/* What the host IOMMU of a device is, and a VT-d configuration that it can nest. */
int nest_fit_vtd(const struct nest_calls *calls, int fd, uint32_t dev_id,
		 struct viommu_vtd_config *config);

/*
 * Opens one for the IOMMU of the guest's; @dev_id is any device behind the host IOMMU.
 * 0, or -errno; then nothing is left.
 */
int nest_open(struct nest_host *h, const struct nest_calls *calls, int fd, uint32_t dev_id,
	      uint32_t ioas, struct viommu *iommu, uint32_t type);
/* Without devices. */
void nest_close(struct nest_host *h);

/* Adds a device: from now on it has the guest's tables, or none. device.config.page_response is nest_respond() with
 * the nest_device as opaque, where page requests are presented. */
int nest_add(struct nest_host *h, struct nest_device *d, struct viommu_device *device, int fd,
	     uint32_t dev_id);
void nest_remove(struct nest_device *d);

/* event_fd, fault_fd can be read. 0, or -errno. */
int nest_events(struct nest_host *h);
int nest_faults(struct nest_host *h);

void nest_respond(void *device, const struct viommu_page_response *response);

#endif
