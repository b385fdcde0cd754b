/* SPDX-License-Identifier: BSD-3-Clause */
/* vu_child.h - the backend's process: dpdk-testpmd, or our own backend. */
#ifndef EXAMPLES_VHOST_USER_VU_CHILD_H
#define EXAMPLES_VHOST_USER_VU_CHILD_H

#include <stdbool.h>
#include <sys/types.h>

struct vu_child {
	pid_t pid; /* 0: none */
	int input; /* testpmd's */
	bool testpmd;
	char folder[96];
	char socket[108]; /* as long as its path may be */
	char log[108];
};

/* Whether this machine has dpdk-testpmd. */
bool child_has_testpmd(void);

/* How many processors there are for front end and backend; more than 2 count as 2. */
unsigned child_processors(void);

/* Starts a backend that listens at child->socket; testpmd needs 2 processors. */
bool child_start_testpmd(struct vu_child *child, bool iommu);
/* main_function runs in the new process, with the socket as its argument. */
bool child_start_own(struct vu_child *child, int (*main_function)(const char *socket, void *opaque),
		     void *opaque);

/* Whether it still runs. */
bool child_is_alive(struct vu_child *child);

/* Stops it, in the way it asks for, and removes its files. Whether it ended well. */
bool child_stop(struct vu_child *child);

/* Keeps to one of the processors, if there are two: the front end to the first, its backend to the
 * other. */
void child_pin(unsigned which);

#endif
