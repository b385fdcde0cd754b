/* SPDX-License-Identifier: BSD-3-Clause */
/* blocks.h - what the VMM of a page has before its blocks of C begin. */
#ifndef BLOCKS_H
#define BLOCKS_H

#include <inttypes.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#include <libvirtiommu/dma.h>
#include <libvirtiommu/observe.h>
#include <libvirtiommu/record.h>
#include <libvirtiommu/view.h>
#include <libvirtiommu/vm.h>
#include <libvirtiommu/vtd.h>

#ifdef PAGE_README
extern void *me, *ram_pointer;
extern uint64_t ram_bytes, offset, value, iova, length;
extern uint32_t bytes, bus, devfn;
void inject_msi(void *opaque, uint64_t address, uint32_t data);
void kick_io_thread(void *opaque);
void copy(void *host, uint64_t length);
#define DECLARE                                                                                    \
	struct viommu_vm *vm;                                                                      \
	struct viommu *vtd;                                                                        \
	struct viommu_device *nic;                                                                 \
	struct viommu_channel *queue;                                                              \
	struct viommu_request request;                                                             \
	struct viommu_fragment fragment[16];                                                       \
	struct viommu_answer answer;
#endif

#ifdef PAGE_EMBEDDING
struct queue {
	struct viommu_channel *channel;
};
extern struct queue *queue;
extern uint64_t desc, address, length, used, status;
extern void *buffer;
extern int fd;
extern off_t offset;
void stop(struct queue *queue);
struct vmm {
	pthread_mutex_t registers;
	struct viommu *iommu;
	int kick;
};
extern struct viommu *iommu;
#define DECLARE
#endif

#ifdef PAGE_ISOLATION
void stop(int process);
#endif

#endif
