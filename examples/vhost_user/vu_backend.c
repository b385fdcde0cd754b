/* SPDX-License-Identifier: BSD-3-Clause */
/* vu_backend.c - the backend's half of the vhost-user protocol. Nothing that a front end sends is
 * trusted. */
#define _GNU_SOURCE
#include "vu_backend.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define FEATURES                                                                                   \
	(VU_F_NET_MQ | VU_F_PROTOCOL_FEATURES | VU_F_VERSION_1 | VU_F_ACCESS_PLATFORM |            \
	 VU_F_RING_PACKED)
#define PROTOCOL_FEATURES                                                                          \
	(VU_PROTOCOL_MQ | VU_PROTOCOL_REPLY_ACK | VU_PROTOCOL_BACKEND_REQ | VU_PROTOCOL_IOTLB_RING)

#define RING_MAX 32768U

enum {
	SOCKET_ROUNDS =
		32, /* with a ring of device IOTLB messages, the socket has its turn so rarely */
	RING_MESSAGES = 256, /* in a row */
};

/* What becomes of a request. */
enum outcome { DONE, REFUSED_IT, ANSWERED, LATER };

static struct vu_vring *ring_of(struct vu_backend *b, uint64_t index)
{
	return index < VU_RINGS ? device_ring(&b->device, (unsigned)index) : NULL;
}

static bool answer(struct vu_backend *b, uint32_t request, uint64_t number)
{
	struct vu_message m = {
		.request = request, .flags = VU_REPLY, .bytes = 8, .number = number
	};

	return vu_send(b->socket, &m);
}

static enum outcome answer_number(struct vu_backend *b, uint32_t request, uint64_t number)
{
	answer(b, request, number);
	return ANSWERED;
}

/* ---- features ---- */

static enum outcome set_features(struct vu_backend *b, uint64_t features)
{
	if (features & ~FEATURES)
		return REFUSED_IT;
	b->features = features;
	b->device.space.iommu = features & VU_F_ACCESS_PLATFORM;
	for (unsigned i = 0; i < VU_RINGS; i++) {
		struct vu_vring *r = device_ring(&b->device, i);

		r->packed = features & VU_F_RING_PACKED;
		/* Without the protocol's features, rings work as soon as they are started. */
		if (!(features & VU_F_PROTOCOL_FEATURES))
			r->enabled = true;
	}
	return DONE;
}

static enum outcome set_protocol(struct vu_backend *b, uint64_t protocol)
{
	if (protocol & ~PROTOCOL_FEATURES)
		return REFUSED_IT;
	b->protocol = protocol;
	return DONE;
}

static enum outcome set_channel(struct vu_backend *b, struct vu_message *m)
{
	if (m->fds != 1)
		return REFUSED_IT;
	if (b->device.space.channel >= 0)
		close(b->device.space.channel);
	b->device.space.channel = m->fd[0];
	m->fds = 0;
	return DONE;
}

/* Whatever the front end still waits for at its socket, it has asked for without a ring. */
static enum outcome set_iotlb_ring(struct vu_backend *b, struct vu_message *m)
{
	if (!(b->protocol & VU_PROTOCOL_IOTLB_RING) || m->fds != 1 || b->device.space.owes)
		return REFUSED_IT;
	return iotlb_ring_attach(&b->device.space.ring, m->fd[0]) ? DONE : REFUSED_IT;
}

/* ---- rings ---- */

static enum outcome set_num(struct vu_backend *b, const struct vu_vring_state *state)
{
	struct vu_vring *r = ring_of(b, state->index);

	if (!r || !state->num || state->num > RING_MAX || (state->num & (state->num - 1)))
		return REFUSED_IT;
	r->size = state->num;
	return DONE;
}

static enum outcome set_base(struct vu_backend *b, const struct vu_vring_state *state)
{
	struct vu_vring *r = ring_of(b, state->index);

	return r && vring_set_base(r, state->num) ? DONE : REFUSED_IT;
}

/* virtio 1.3, 2.7: descriptors are aligned to 16, the available ring to 2, the used ring to 4; 2.8:
 * in a packed one to 16, 4 and 4. */
static enum outcome set_addr(struct vu_backend *b, const struct vu_vring_addr *addr)
{
	struct vu_vring *r = ring_of(b, addr->index);

	if (!r || addr->desc % 16 || addr->avail % (r->packed ? 4 : 2) || addr->used % 4)
		return REFUSED_IT;
	r->desc_at = addr->desc;
	r->avail_at = addr->avail;
	r->used_at = addr->used;
	return DONE;
}

static enum outcome get_base(struct vu_backend *b, const struct vu_message *m)
{
	struct vu_vring *r = ring_of(b, m->state.index);
	struct vu_message reply = { .request = m->request,
				    .flags = VU_REPLY,
				    .bytes = sizeof(reply.state),
				    .state = { m->state.index, 0 } };

	if (!r)
		return REFUSED_IT;
	r->started = r->broken = false;
	space_forget(&b->device.space);
	reply.state.num = r->size ? vring_base(r) : 0;
	vu_send(b->socket, &reply);
	return ANSWERED;
}

static enum outcome set_enable(struct vu_backend *b, const struct vu_vring_state *state)
{
	struct vu_vring *r = ring_of(b, state->index);

	if (!r)
		return REFUSED_IT;
	r->enabled = state->num == 1;
	return DONE;
}

/* A ring is started by its kick. */
static enum outcome set_file(struct vu_backend *b, struct vu_message *m)
{
	struct vu_vring *r = ring_of(b, m->number & VU_VRING_INDEX);
	bool has_file = !(m->number & VU_VRING_NO_FD);
	int *place;

	if (!r || m->fds != has_file)
		return REFUSED_IT;
	place = m->request == VU_SET_VRING_KICK	  ? &r->kick
		: m->request == VU_SET_VRING_CALL ? &r->call
						  : &r->err;
	if (*place >= 0)
		close(*place);
	*place = has_file ? m->fd[0] : -1;
	m->fds = 0;
	if (m->request != VU_SET_VRING_KICK)
		return DONE;
	r->started = true;
	r->broken = false;
	return device_start_pair(&b->device, (unsigned)(m->number & VU_VRING_INDEX) / PAIR_RINGS)
		       ? DONE
		       : REFUSED_IT;
}

/* ---- messages ---- */

static enum outcome iotlb(struct vu_backend *b, const struct vu_message *m)
{
	bool came = false;
	int r = space_message(&b->device.space, m, &came);

	/* What goes brings nobody what he has asked for. */
	if (came)
		device_told(&b->device);
	if (r < 0)
		rude_told(b);
	/* A rude backend that cheats does not wait for its own section. */
	return r > 0 ? REFUSED_IT : r < 0 && !b->manners.cheats ? LATER : DONE;
}

static enum outcome carry_out(struct vu_backend *b, struct vu_message *m)
{
	switch (m->request) {
	case VU_GET_FEATURES:
		return answer_number(b, m->request, FEATURES);
	case VU_SET_FEATURES:
		return set_features(b, m->number);
	case VU_GET_PROTOCOL_FEATURES:
		return answer_number(b, m->request, PROTOCOL_FEATURES);
	case VU_SET_PROTOCOL_FEATURES:
		return set_protocol(b, m->number);
	case VU_GET_QUEUE_NUM:
		return answer_number(b, m->request, VU_PAIRS);
	case VU_SET_OWNER:
	case VU_RESET_OWNER:
		return DONE;
	case VU_SET_MEM_TABLE:
		return space_set_memory(&b->device.space, m) ? DONE : REFUSED_IT;
	case VU_SET_BACKEND_REQ_FD:
		return set_channel(b, m);
	case VU_SET_IOTLB_RING:
		return set_iotlb_ring(b, m);
	case VU_KICK_IOTLB_RING:
		return DONE;
	case VU_SET_VRING_NUM:
		return set_num(b, &m->state);
	case VU_SET_VRING_BASE:
		return set_base(b, &m->state);
	case VU_SET_VRING_ADDR:
		return set_addr(b, &m->addr);
	case VU_GET_VRING_BASE:
		return get_base(b, m);
	case VU_SET_VRING_ENABLE:
		return set_enable(b, &m->state);
	case VU_SET_VRING_KICK:
	case VU_SET_VRING_CALL:
	case VU_SET_VRING_ERR:
		return set_file(b, m);
	default:
		return REFUSED_IT;
	}
}

/* Translations may come and go while queues work; for all else, they rest. */
static enum outcome carry_out_message(struct vu_backend *b, struct vu_message *m)
{
	enum outcome outcome;

	if (m->request == VU_IOTLB_MSG)
		return iotlb(b, m);
	device_pause(&b->device);
	outcome = carry_out(b, m);
	device_resume(&b->device);
	return outcome;
}

/* Whether the front end is still there. */
static bool serve_message(struct vu_backend *b, bool *served)
{
	struct vu_message m;
	int r = vu_receive(b->socket, &m, 0);
	enum outcome outcome;

	*served = r > 0;
	if (r <= 0)
		return !r;
	outcome = carry_out_message(b, &m);
	vu_drop_files(&m);
	if (outcome == REFUSED_IT)
		fprintf(stderr, "backend: request %u refused\n", m.request);
	if ((outcome == DONE || outcome == REFUSED_IT) && (m.flags & VU_NEED_REPLY))
		return answer(b, m.request, outcome == REFUSED_IT);
	/* A request that is refused and that nobody asks about: this cannot go on. */
	return outcome != REFUSED_IT;
}

/* The same messages in shared memory. Whether the front end can be dealt with. */
static bool serve_ring(struct vu_backend *b)
{
	struct iotlb_ring *ring = &b->device.space.ring;
	struct vu_message m;

	for (unsigned i = 0; ring->memory && i < RING_MESSAGES && !b->device.space.owes; i++) {
		int r = iotlb_ring_next(ring, &m);
		enum outcome outcome;

		if (r <= 0)
			return !r;
		outcome = iotlb(b, &m);
		b->owed_in_ring = outcome == LATER;
		if (outcome != LATER)
			iotlb_ring_done(ring, outcome == REFUSED_IT);
	}
	return true;
}

/* Nothing uses any more what an invalidation was about. */
static bool answer_owed(struct vu_backend *b)
{
	if (b->manners.cheats)
		return true;
	if (!b->owed_in_ring)
		return answer(b, VU_IOTLB_MSG, 0);
	b->owed_in_ring = false;
	iotlb_ring_done(&b->device.space.ring, false);
	return true;
}

/* ---- life ---- */

/* Nothing else is waited for while something else has to happen first. */
static int patience(const struct vu_backend *b)
{
	return b->held || b->device.space.owes ? 0 : pair_patience(&b->device.pair[0]);
}

/* Sleeps only if nothing moves, and nothing is in the ring. */
static bool serve_socket(struct vu_backend *b, bool *served)
{
	struct iotlb_ring *ring = &b->device.space.ring;
	int milliseconds = patience(b);

	if (milliseconds && (!ring->memory || iotlb_ring_idle(ring, true)))
		pair_sleep(&b->device.pair[0], b->socket, milliseconds);
	if (milliseconds && ring->memory)
		iotlb_ring_idle(ring, false);
	return serve_message(b, served);
}

/* Messages have their turn when the rings are empty, and every few bursts. */
static bool round_of(struct vu_backend *b)
{
	bool served = true;

	if (!b->held)
		pair_poll(&b->device.pair[0]);
	if ((rude_poll(b) && !answer_owed(b)) || !serve_ring(b))
		return false;
	if (b->device.space.ring.memory && !patience(b) && ++b->rounds % SOCKET_ROUNDS)
		return true;
	/* An answer that is owed comes before those to later messages. */
	while (served && !b->device.space.owes) {
		if (!serve_socket(b, &served))
			return false;
	}
	return true;
}

static void report(struct vu_backend *b)
{
	device_pause(&b->device);
	for (unsigned i = 0; i < VU_PAIRS; i++)
		fprintf(stderr, "backend: %llu frames in pair %u\n",
			(unsigned long long)b->device.pair[i].frames, i);
	device_resume(&b->device);
}

void backend_serve(int socket, const struct vu_backend_manners *manners)
{
	static struct vu_backend b;

	b = (struct vu_backend){ .socket = socket };
	if (manners)
		b.manners = *manners;
	if (device_open(&b.device)) {
		b.device.space.deaf = b.manners.deaf;
		while (round_of(&b))
			;
	}
	if (b.manners.reports)
		report(&b);
	device_close(&b.device);
	close(socket);
}

int backend_listen(const char *path, unsigned count, const struct vu_backend_manners *manners)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (strlen(path) >= sizeof(address.sun_path)) {
		fprintf(stderr, "%s: too long\n", path);
		return 1;
	}
	strcpy(address.sun_path, path);
	if (bind(listener, (struct sockaddr *)&address, sizeof(address)) || listen(listener, 1)) {
		perror(path);
		return 1;
	}
	for (unsigned served = 0; !count || served < count; served++) {
		int socket = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

		if (socket < 0)
			break;
		backend_serve(socket, manners);
	}
	close(listener);
	unlink(path);
	return 0;
}
