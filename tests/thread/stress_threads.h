/* SPDX-License-Identifier: BSD-3-Clause */
/* stress_threads.h - the threads of test_stress.c that do not own the registers. */
#ifndef TESTS_STRESS_THREADS_H
#define TESTS_STRESS_THREADS_H

#include "thread_world.h"

#define RID	    UINT16_C(0x08)
#define DID	    3U
#define IOVA	    UINT64_C(0x40000000)
#define ABSENT	    UINT64_C(0x50000000)
#define POOL	    (UINT64_C(1) << 40) /* where memory comes and goes */
#define POOL_PAGES  16U
#define IRTES	    64U
#define OWED_MAX    256U
#define PAGE_QUEUE  0U /* PQS: 128 requests */
#define TRANSLATORS 2

struct stress {
	struct world w;
	bool strict; /* no resets: all of what was said above holds */
	struct viommu_device *device;
	struct viommu_channel *channel[TRANSLATORS];
	uint64_t irt;
	uint64_t page_queue;
	pthread_t thread[5];
	_Atomic unsigned started;
	_Atomic bool stop;
	_Atomic uint64_t irte_published[IRTES];
	_Atomic uint64_t irte_completed[IRTES];
	_Atomic uint64_t pages_sent;
	uint64_t pages_seen;
	_Atomic uint64_t responses;
	uint64_t responses_sent;
	uint64_t faults;
	/* Invalidations that the device has not answered yet. */
	pthread_mutex_t owed_lock;
	uint64_t owed[OWED_MAX];
	unsigned owes;
	uint64_t seed;
};

/* Each runs until stop, or the first failure. */
void *stress_translate(void *opaque);
void *stress_interrupt(void *opaque);
void *stress_request_pages(void *opaque);
void *stress_come_and_go(void *opaque);

#endif
