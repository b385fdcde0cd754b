/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * owner.h - the process that has the IOMMU: registers, walks, host pointers; and for each device process what it may
 * have.
 *
 *	files		who maps them
 *	window		the owner, writable; one device process, read-only: one for each partition of devices
 *	section page	one device process, writable; the owner, read-only
 *	pool		both, writable: guest memory that the device may touch, and nothing else
 *	(the rest)	of guest memory and of the owner's: the owner alone
 */
#ifndef OWNER_H
#define OWNER_H

#include <libvirtiommu/view.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/types.h>

#include "small_guest.h"
#include "share.h"

enum { OWNER_PARTIES = 2 };

#define OWNER_SECTION_BYTES 4096U
#define OWNER_POOL_BYTES    (UINT64_C(1) << 20)
#define OWNER_DEADLINE_MS   200U

/* A device, and what its process has. */
struct party {
	struct owner *owner;
	struct viommu_device *device;
	struct viommu_viewer *viewer;
	struct share section;
	const void *section_seen; /* the owner's mapping of it: read-only */
	struct share pool;
	uint64_t pool_gpa;
	uint64_t tables; /* of its domain */
	uint16_t rid;
	uint16_t domain;
	int (*instead)(
		void); /* what the process does instead of running the program: a test's; or NULL */
	/* Of the process; what is known of it. */
	pid_t pid;  /* 0: there is none */
	int end;    /* of the last one, as waitpid() says */
	int socket; /* -1 */
	pthread_t server;
	_Atomic uint64_t done; /* jobs; the first one says that it is ready */
	_Atomic uint64_t served;
	_Atomic bool gone;    /* its socket is closed, or it says what cannot be */
	_Atomic bool expired; /* a section of it is not closed */
};

struct owner {
	struct viommu_vm *vm;
	struct viommu *vtd;
	struct small_guest guest;
	struct share window[OWNER_PARTIES]; /* in the order of partitions */
	unsigned windows;
	struct party party[OWNER_PARTIES];
	unsigned parties;
	/* One call on registers at a time. */
	pthread_mutex_t registers;
};

/* Engine, guest, devices, viewers, each device in a partition of its own. False: something said no. */
bool owner_open(struct owner *owner, unsigned parties);
/* Stops the processes, and frees everything. */
void owner_close(struct owner *owner);

/* Starts the program once more, for a party. @mapped: it has the pool. */
bool owner_start(struct party *party, uint64_t ring, bool mapped);
/* A message to it; false: it is not there, or does not read. */
bool owner_tell(struct party *party, const void *message, size_t bytes);
/* Kills the process, waits for its end, and only then promises that it can touch nothing any more. */
void owner_stop(struct party *party);

/* Where the file of a party's window is, and how it is called in there. */
bool owner_window(const struct party *party, struct viommu_window *window, int *fd);

/* Invalidates a page of a party, and goes on when that is complete. A process that holds it up is stopped. */
bool owner_invalidate(struct party *party, uint64_t iova);

#endif
