/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * job.h - what owner and device process have agreed on: descriptors, messages, and the ring in guest memory.
 *
 * The process is this program, run once more with --device: so that nothing of the owner's memory is in it, as it would be
 * after fork() alone.
 */
#ifndef JOB_H
#define JOB_H

#include <stdint.h>

/* Descriptors that the process is started with; there are no others. */
enum { JOB_SOCKET = 3, JOB_WINDOW, JOB_SECTION, JOB_POOL, JOB_FDS };

/* The first message on the socket, which keeps messages apart (SOCK_SEQPACKET). */
struct job {
	uint64_t window_bytes;
	uint64_t device; /* viommu_window.device */
	uint64_t pool_gpa;
	uint64_t pool_bytes; /* 0: nothing is mapped, the owner copies */
	uint64_t ring;	     /* iova */
	uint64_t section_bytes;
};

/* Messages of one byte, among those of views, which are longer. */
enum {
	JOB_KICK = 'k', /* to the process: there is something in the ring */
	JOB_DONE = 'd', /* to the owner: it is done */
};

/* The ring: indices count up, the guest writes tail, the device head. */
#define JOB_PIECES 32U

struct job_piece {
	uint64_t from; /* iova */
	uint64_t to;   /* iova */
	uint32_t bytes;
	uint32_t result; /* written by the device: 1, or 2 if it was refused */
};

struct job_ring {
	uint32_t tail;
	uint32_t head;
	struct job_piece piece[JOB_PIECES];
};

/* Its exit status if the kernel has no filters for it. */
#define JOB_CANNOT 77

/* All that the process does; its exit status. */
int job_device(void);

#endif
