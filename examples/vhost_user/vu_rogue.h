/* SPDX-License-Identifier: BSD-3-Clause */
/* vu_rogue.h - pages that are watched while a driver gives the device wrong addresses. */
#ifndef EXAMPLES_VHOST_USER_VU_ROGUE_H
#define EXAMPLES_VHOST_USER_VU_ROGUE_H

#include "vu_session.h"

/* Pages, next to each other as guest-physical and as I/O virtual addresses. */
enum { WATCH_READABLE, WATCH_WRITABLE, WATCH_UNMAPPED, WATCH_PAGES };

struct vu_watch {
	struct vu_session *session;
	uint64_t gpa;
};

bool watch_open(struct vu_watch *w, struct vu_session *s);
uint64_t watch_iova(unsigned page);
uint64_t watch_gpa(const struct vu_watch *w, unsigned page);
uint8_t *watch_memory(const struct vu_watch *w, unsigned page);
/* Known content everywhere. */
void watch_renew(struct vu_watch *w);
bool watch_is_untouched(const struct vu_watch *w);

/* Starts the device with one frame to send that is at this address, */
bool rogue_send(struct vu_session *s, uint64_t address, uint32_t bytes);
/* or with a good frame that it can only receive to this address. */
bool rogue_receive(struct vu_session *s, uint64_t address, uint32_t bytes);

/* Shows that a fault is recorded for a page, that nothing leaked, and that the backend goes on. */
bool rogue_show(struct vu_child *child, struct vu_watch *w, const char *what, uint64_t page);
bool rogue_recover(struct vu_child *child, struct vu_watch *w);

#endif
