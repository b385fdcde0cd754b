/* SPDX-License-Identifier: BSD-3-Clause */
/* share.c - memory in a file of its own, that another process may map. */
#define _GNU_SOURCE
#include "share.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif

bool share_new(struct share *s, const char *name, size_t bytes, enum share_kind kind)
{
	int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
	void *at = MAP_FAILED;

	if (kind == SHARE_WINDOW)
		seals |= F_SEAL_FUTURE_WRITE;
	s->bytes = bytes;
	s->fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (s->fd < 0)
		return false;
	if (!ftruncate(s->fd, (off_t)bytes))
		at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, s->fd, 0);
	s->at = at;
	/* a child of the owner would go on using what its parent uses */
	if (at == MAP_FAILED || madvise(at, bytes, MADV_DONTFORK) ||
	    fcntl(s->fd, F_ADD_SEALS, seals)) {
		share_free(s);
		return false;
	}
	return true;
}

void share_free(struct share *s)
{
	if (s->at && s->at != MAP_FAILED)
		munmap(s->at, s->bytes);
	if (s->fd >= 0)
		close(s->fd);
	*s = (struct share){ .fd = -1 };
}

void *share_map(int fd, size_t bytes, bool writable)
{
	void *at =
		mmap(NULL, bytes, writable ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED, fd, 0);

	return at == MAP_FAILED ? NULL : at;
}
