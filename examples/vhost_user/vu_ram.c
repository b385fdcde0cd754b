/* SPDX-License-Identifier: BSD-3-Clause */
/* vu_ram.c - guest memory that two processes see. */
#define _GNU_SOURCE
#include "vu_ram.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

bool ram_open(struct vu_ram *ram, uint64_t bytes)
{
	void *p = MAP_FAILED;

	*ram = (struct vu_ram){ .fd = memfd_create("guest", MFD_CLOEXEC), .bytes = bytes };
	if (ram->fd >= 0 && !ftruncate(ram->fd, (off_t)bytes))
		p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ram->fd,
			 0);
	if (p == MAP_FAILED) {
		perror("guest memory");
		return false;
	}
	ram->base = p;
	/* Page 0 stays unused: an address that was forgotten is 0. */
	ram->used = VU_PAGE;
	return true;
}

void ram_close(struct vu_ram *ram)
{
	if (ram->base)
		munmap(ram->base, ram->bytes);
	if (ram->fd >= 0)
		close(ram->fd);
	*ram = (struct vu_ram){ .fd = -1 };
}

uint64_t ram_alloc(struct vu_ram *ram, uint64_t bytes)
{
	uint64_t gpa = ram->used;

	if (bytes > ram->bytes - gpa) {
		fprintf(stderr, "guest memory is used up\n");
		exit(1);
	}
	ram->used = (gpa + bytes + VU_PAGE - 1) & ~(uint64_t)(VU_PAGE - 1);
	return gpa;
}
