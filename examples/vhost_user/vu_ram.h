/* SPDX-License-Identifier: BSD-3-Clause */
/* vu_ram.h - the guest's memory: a memfd that the backend maps too. */
#ifndef EXAMPLES_VHOST_USER_VU_RAM_H
#define EXAMPLES_VHOST_USER_VU_RAM_H

#include <stdbool.h>
#include <stdint.h>

enum { VU_PAGE = 4096 };

struct vu_ram {
	int fd;
	uint8_t *base;	/* guest-physical address 0 */
	uint64_t bytes; /* a multiple of 2 MiB */
	uint64_t used;	/* below it, memory has been given out */
};

bool ram_open(struct vu_ram *ram, uint64_t bytes);
void ram_close(struct vu_ram *ram);

/* Zeroed guest memory of whole pages; there is enough for what this program needs, or it ends. */
uint64_t ram_alloc(struct vu_ram *ram, uint64_t bytes);

static inline void *ram_at(const struct vu_ram *ram, uint64_t gpa)
{
	return ram->base + gpa;
}

#endif
