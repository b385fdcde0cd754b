/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * thread_world.h - a guest whose memory, tables and queue may be used by several threads at once.
 *
 * guest.h counts without atomics and fails the test from wherever it is called; here every word of
 * guest memory is accessed atomically, and threads note failures for the main thread to show.
 * Registers and the queue belong to one thread, as the interface demands.
 */
#ifndef TESTS_THREAD_WORLD_H
#define TESTS_THREAD_WORLD_H

#include <libvirtiommu/irq.h>
#include <libvirtiommu/vm.h>
#include <libvirtiommu/vtd.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "guest.h" /* descriptors and capabilities only */
#include "vtd_spec.h"

#define PAGE	       UINT64_C(0x1000)
#define WORLD_MSI_BASE UINT64_C(0xfee01000)
#define WORLD_QUEUE_QS 2U /* 16 KiB */

struct world {
	uint8_t *ram; /* gpa 0 .. bytes - 1 */
	uint64_t bytes;
	_Atomic uint64_t used;
	struct viommu_vm *vm;
	struct viommu *iommu;
	unsigned ttm;
	uint64_t root;
	/* The thread that owns the registers. */
	uint64_t queue;
	uint64_t tail;
	uint64_t status; /* gpa of the word that waits write */
	uint32_t ticket;
	_Atomic uint64_t turns; /* of slow memory */
	/* Callbacks. */
	pthread_mutex_t work_lock;
	pthread_cond_t work_changed;
	unsigned work; /* calls not yet taken, under work_lock */
	_Atomic unsigned works;
	_Atomic unsigned msis;
	/* The first failure. */
	_Atomic bool failed;
	char failure[256];
};

/* Iterations for this run: @count scaled by VIOMMU_TEST_SCALE (per cent), fewer under TSan. */
unsigned scaled(unsigned count);
/*
 * So many rounds, or as many as one of @parts equal parts of two minutes has room for, but at least a fiftieth: a
 * quiet machine does all of them in seconds, one that is busy does fewer, and says so. A round in which threads
 * wait for one another costs time slices there.
 */
struct pace {
	unsigned count;
	double until;
};

struct pace pace_begin(unsigned count, unsigned parts);
/* Whether there is another round. */
bool pace_on(const struct pace *pace, unsigned done);

/* Kills the test if it hangs: it fails by that, nothing is gated on how long it takes. */
void watchdog(void);

struct world_config {
	uint64_t cap; /* 0: GUEST_CAP_SCALABLE, and ecap GUEST_ECAP_SCALABLE */
	uint64_t ecap;
	unsigned ttm;	/* of the root table, which is programmed and switched on */
	bool registers; /* no queue */
	bool tiny;	/* caches of a few entries */
	bool slow; /* memory is behind callbacks, which give other threads a turn now and then */
	bool membarrier;      /* VIOMMU_VM_MEMBARRIER */
	uint32_t budget;      /* of the queue; 0: the default */
	uint32_t outstanding; /* device-TLB invalidations; 0: the default */
	uint32_t partitions;  /* 0: devices are together */
};

void world_open(struct world *w, const struct world_config *config);
/* The same; false, with a word about it, if the kernel has no membarrier. */
bool world_try_open(struct world *w, const struct world_config *config);
void world_close(struct world *w);

/* ---- memory ---- */
uint64_t world_alloc(struct world *w, unsigned pages);
void world_put64(struct world *w, uint64_t gpa, uint64_t word);
uint64_t world_get64(struct world *w, uint64_t gpa);
uint32_t world_get32(struct world *w, uint64_t gpa);

/* gpa of the entry for iova in the table of @level (0 holds pages) of a tree of 4 levels; tables on
 * the way are made with the bits @table. */
uint64_t world_entry(struct world *w, uint64_t root, uint64_t iova, unsigned level, uint64_t table);
/* The same, with a page of 1 << lg2 bytes put there; returns the gpa of its entry. */
uint64_t world_map(struct world *w, uint64_t root, uint64_t iova, uint64_t gpa, unsigned lg2,
		   uint64_t bits);

/* gpa of the legacy context entry of rid, tables made as needed; of the PASID table entry. */
uint64_t world_context(struct world *w, uint16_t rid);
uint64_t world_pasid(struct world *w, uint16_t rid, uint32_t pasid);

/* ---- registers and queue ---- */
uint64_t world_read(struct world *w, uint64_t offset, uint32_t bytes);
int world_write(struct world *w, uint64_t offset, uint32_t bytes, uint64_t value);
/* Changes bits of GCMD; what viommu_reg_write() answered. */
int world_command(struct world *w, uint64_t set, uint64_t clear);
/* The same, and runs until GSTS shows it. */
void world_command_sync(struct world *w, uint64_t set, uint64_t clear);
/* Puts a descriptor into the queue; it is executed at the next ring. */
void world_submit(struct world *w, uint64_t q0, uint64_t q1);
void world_submit_wait(struct world *w);
int world_ring(struct world *w);
/* The last wait has written its status. */
bool world_waited(struct world *w);
/* A wait, and runs until it is complete, yielding the processor to those whom it waits for. */
void world_sync(struct world *w);

/* A register-based invalidation, until its bit has cleared. Registers of @offset are 64-bit. */
void world_invalidate_register(struct world *w, uint64_t offset, uint64_t value);
uint64_t world_iotlb_offset(struct world *w);

/* ---- callbacks ---- */
/* Waits until the host was told that viommu_run() is worthwhile, and takes that. */
void world_await_work(struct world *w);
/* Whether it was; takes it. */
bool world_take_work(struct world *w);

/* ---- threads ---- */
void world_start(pthread_t *thread, void *(*run)(void *), void *opaque);
/* Notes the first failure; for any thread. */
void world_fail(struct world *w, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The main thread: fails the test if any thread has. */
void world_check(struct world *w);

/* xorshift, one state a thread */
static inline uint64_t world_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

#endif
