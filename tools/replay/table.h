/* SPDX-License-Identifier: BSD-3-Clause */
/* table.h - uthash, for tables whose keys are the recording's: without its exit() when memory runs out. */
#ifndef REPLAY_TABLE_H
#define REPLAY_TABLE_H

#define HASH_NONFATAL_OOM	     1
#define uthash_nonfatal_oom(element) ((void)(element), table_full = true)

#include <stdbool.h>

#include <uthash.h>

/* Adds an entry under its member `key`; `full` becomes true if there is no memory for it. */
#define TABLE_ADD(table, key, entry, full)                                                         \
	do {                                                                                       \
		bool table_full = false;                                                           \
                                                                                                   \
		HASH_ADD(hh, table, key, sizeof((entry)->key), entry);                             \
		(full) = table_full;                                                               \
	} while (0)

#endif
