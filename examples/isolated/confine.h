/* SPDX-License-Identifier: BSD-3-Clause */
/* confine.h - a device process that has all it needs gives up everything else. */
#ifndef CONFINE_H
#define CONFINE_H

#include <stdbool.h>

/* From now on this process may read from and write to one descriptor, wait and wake (futex), and exit; any other call kills
 * it. False: the kernel says no. */
bool confine(int fd);

#endif
