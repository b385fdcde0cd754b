/* SPDX-License-Identifier: BSD-3-Clause */
/* vu_backend.h - a vhost-user backend: one front end at a time, one thread for messages and the first pair of queues. */
#ifndef EXAMPLES_VHOST_USER_VU_BACKEND_H
#define EXAMPLES_VHOST_USER_VU_BACKEND_H

#include "vu_device.h"

/* How a backend may misbehave, for tests of what a front end relies on. */
struct vu_backend_manners {
	/* Having used a buffer for receiving, keeps writing to it, in a section that it leaves so
	 * many milliseconds after it was told to forget the translation. 0: does not. */
	unsigned rude_milliseconds;
	/* And answers at once all the same, which no backend may do. */
	bool cheats;
	/* Answers invalidations, and does not carry them out. */
	bool deaf;
	/* Says at the end what each pair of queues has forwarded. */
	bool reports;
};

struct vu_backend {
	int socket;
	uint64_t features, protocol;
	struct vu_device device;
	struct vu_backend_manners manners;
	uint8_t *held;	     /* what a rude one writes to */
	uint64_t held_until; /* 0: has not been told to leave it */
	bool owed_in_ring;   /* the answer that has to wait is to a message in the ring */
	unsigned rounds;
};

/* Listens at a socket and serves front ends, `count` of them one after another (0: without end). */
int backend_listen(const char *path, unsigned count, const struct vu_backend_manners *manners);

/* Serves the front end at the other end of a socket, until it leaves. */
void backend_serve(int socket, const struct vu_backend_manners *manners);

/* vu_rude.c. Whether an answer that had to wait can be given now. */
bool rude_poll(struct vu_backend *b);
/* Told to forget translations. */
void rude_told(struct vu_backend *b);

#endif
