/* SPDX-License-Identifier: BSD-3-Clause */
/* vu_link.c - the front end's half of the vhost-user protocol. */
#define _GNU_SOURCE
#include "vu_link.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define ANSWER_MILLISECONDS  10000
#define CONNECT_MILLISECONDS 20000
#define COUNT_MILLISECONDS   100

#define CHANNEL_LOOKS 1024U /* at the ring, for one at the channel, where nothing comes any more */

#define OUTSTANDING_MAX 64U

/* Where a packed ring begins: at 0 with wrap counters of 1, the driver's and the device's (virtio 1.3, 2.8.1). */
#define PACKED_BASE 0x80008000U

static bool fail(struct vu_link *link, const char *what)
{
	if (!link->broken)
		fprintf(stderr, "vhost-user: %s\n", what);
	link->broken = true;
	return false;
}

/* ---- requests ---- */

/* The backend has left if there is something to be read where it has nothing to say. */
static bool is_quiet(struct vu_link *link)
{
	struct pollfd p = { .fd = link->socket, .events = POLLIN };

	return poll(&p, 1, 0) == 0;
}

/* Nobody answers in a ring: the backend counts. */
static bool take_count(struct vu_link *link)
{
	uint32_t refused = 0;
	int r = 0;

	for (int waited = 0; !r && waited < ANSWER_MILLISECONDS; waited += COUNT_MILLISECONDS) {
		r = iotlb_ring_await(&link->ring, COUNT_MILLISECONDS, &refused);
		if (!r && !is_quiet(link))
			return fail(link, "the backend is gone");
	}
	if (r <= 0)
		return fail(link, r ? "the backend's ring is nonsense" : "no answer in the ring");
	link->refused += refused;
	link->answered++;
	return true;
}

/* One answer to a device IOTLB message: 0 is success. */
static bool take_answer(struct vu_link *link)
{
	struct vu_message answer;

	if (link->ring.memory)
		return take_count(link);
	if (vu_receive(link->socket, &answer, ANSWER_MILLISECONDS) != 1)
		return fail(link, "no answer");
	vu_drop_files(&answer);
	if (!(answer.flags & VU_REPLY) || answer.request != VU_IOTLB_MSG || answer.bytes != 8)
		return fail(link, "an answer to something else");
	if (answer.number)
		link->refused++;
	link->answered++;
	return true;
}

static void take_answers(struct vu_link *link)
{
	while (link->answered < link->outstanding && !link->broken && take_answer(link))
		;
}

unsigned link_settle(struct vu_link *link)
{
	unsigned count;

	take_answers(link);
	count = link->answered;
	link->outstanding = link->answered = 0;
	return count;
}

/* Sends a request that has an answer of its own. Earlier answers have to be taken before. */
static bool ask(struct vu_link *link, struct vu_message *message)
{
	uint32_t request = message->request;

	if (link->broken || link->outstanding)
		return fail(link, "a request while answers are outstanding");
	if (!vu_send(link->socket, message) ||
	    vu_receive(link->socket, message, ANSWER_MILLISECONDS) != 1)
		return fail(link, "the backend is gone");
	vu_drop_files(message);
	if (!(message->flags & VU_REPLY) || message->request != request)
		return fail(link, "an answer to something else");
	return true;
}

/* Sends a request, and waits until it has been carried out if the backend can say so. */
static bool tell(struct vu_link *link, struct vu_message *message)
{
	if (link->broken)
		return false;
	if (!(link->protocol & VU_PROTOCOL_REPLY_ACK))
		return vu_send(link->socket, message) || fail(link, "the backend is gone");
	message->flags = VU_NEED_REPLY;
	if (!ask(link, message))
		return false;
	return !message->number || fail(link, "the backend refused a request");
}

static bool tell_number(struct vu_link *link, uint32_t request, uint64_t number)
{
	struct vu_message m = { .request = request, .bytes = 8, .number = number };

	return tell(link, &m);
}

static bool ask_number(struct vu_link *link, uint32_t request, uint64_t *number)
{
	struct vu_message m = { .request = request };

	if (!ask(link, &m))
		return false;
	*number = m.number;
	return m.bytes == 8 || fail(link, "an answer of another size");
}

/* ---- negotiation ---- */

static bool connect_to(struct vu_link *link, const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct timespec pause = { .tv_nsec = 10000000 };

	if (strlen(path) >= sizeof(address.sun_path))
		return fail(link, "the socket's name is too long");
	strcpy(address.sun_path, path);
	link->socket = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	for (int waited = 0; waited < CONNECT_MILLISECONDS; waited += 10) {
		if (!connect(link->socket, (struct sockaddr *)&address, sizeof(address)))
			return true;
		nanosleep(&pause, NULL);
	}
	return fail(link, "nobody listens at the socket");
}

static bool has_pairs(struct vu_link *link)
{
	uint64_t pairs = 1;

	if ((link->protocol & VU_PROTOCOL_MQ) && !ask_number(link, VU_GET_QUEUE_NUM, &pairs))
		return false;
	return link->pairs <= pairs || fail(link, "the backend has fewer queues");
}

/* All protocol features are asked for before the features of the device are fixed. */
static bool negotiate(struct vu_link *link, enum vu_link_wants wants)
{
	bool iommu = wants != LINK_PLAIN;
	uint64_t wanted = VU_F_VERSION_1 | VU_F_PROTOCOL_FEATURES;
	uint64_t protocol = VU_PROTOCOL_REPLY_ACK;
	uint64_t offered;

	if (link->packed)
		wanted |= VU_F_RING_PACKED;
	if (link->pairs > 1) {
		wanted |= VU_F_NET_MQ;
		protocol |= VU_PROTOCOL_MQ;
	}
	if (iommu) {
		wanted |= VU_F_ACCESS_PLATFORM;
		protocol |= VU_PROTOCOL_BACKEND_REQ;
	}
	if (!ask_number(link, VU_GET_FEATURES, &offered))
		return false;
	if (wanted & ~offered)
		return fail(link, "the backend does not offer what is needed");
	link->features = wanted;
	if (!ask_number(link, VU_GET_PROTOCOL_FEATURES, &offered))
		return false;
	if (iommu && (protocol & ~offered))
		return fail(link, "the backend has no channel, or no REPLY_ACK");
	protocol |= wants == LINK_RING ? VU_PROTOCOL_IOTLB_RING : 0;
	protocol &= offered;
	if (!tell_number(link, VU_SET_PROTOCOL_FEATURES, protocol))
		return false;
	link->protocol = protocol;
	return has_pairs(link);
}

/* Backends connect the channel to the device: it comes after SET_OWNER and before the rings. */
static bool open_channel(struct vu_link *link)
{
	struct vu_message m = { .request = VU_SET_BACKEND_REQ_FD, .fds = 1 };
	int ends[2];
	bool done;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends))
		return fail(link, "no socket pair");
	link->channel = ends[0];
	m.fd[0] = ends[1];
	done = tell(link, &m);
	close(ends[1]);
	return done;
}

/* Without one, messages go through the sockets: that is what everybody understands. */
static bool open_ring(struct vu_link *link)
{
	struct vu_message m = { .request = VU_SET_IOTLB_RING, .fds = 1 };

	if (!(link->protocol & VU_PROTOCOL_IOTLB_RING) || !iotlb_ring_create(&link->ring))
		return true;
	m.fd[0] = link->ring.fd;
	return tell(link, &m);
}

static bool send_memory(struct vu_link *link, const struct vu_ram *ram)
{
	struct vu_message m = { .request = VU_SET_MEM_TABLE,
				.bytes = 8 + sizeof(struct vu_region),
				.fds = 1,
				.fd = { ram->fd } };

	m.memory.count = 1;
	m.memory.region[0] = (struct vu_region){ 0, ram->bytes, (uint64_t)(uintptr_t)ram->base, 0 };
	return tell(link, &m);
}

bool link_open(struct vu_link *link, const char *path, const struct vu_ram *ram,
	       enum vu_link_wants wants, unsigned pairs, bool packed)
{
	struct vu_message owner = { .request = VU_SET_OWNER };

	*link = (struct vu_link){
		.socket = -1, .channel = -1, .ring = { .fd = -1 }, .pairs = pairs, .packed = packed
	};
	return connect_to(link, path) && negotiate(link, wants) && tell(link, &owner) &&
	       (wants == LINK_PLAIN || (open_channel(link) && open_ring(link))) &&
	       tell_number(link, VU_SET_FEATURES, link->features) && send_memory(link, ram);
}

void link_close(struct vu_link *link)
{
	if (link->socket >= 0)
		close(link->socket);
	if (link->channel >= 0)
		close(link->channel);
	link->socket = link->channel = -1;
	iotlb_ring_close(&link->ring);
}

/* ---- rings ---- */

static bool tell_state(struct vu_link *link, uint32_t request, unsigned index, uint32_t num)
{
	struct vu_message m = { .request = request,
				.bytes = sizeof(m.state),
				.state = { index, num } };

	return tell(link, &m);
}

static bool tell_file(struct vu_link *link, uint32_t request, unsigned index, int fd)
{
	struct vu_message m = {
		.request = request, .bytes = 8, .number = index, .fds = 1, .fd = { fd }
	};

	return tell(link, &m);
}

bool link_start_ring(struct vu_link *link, const struct vu_ring_setup *ring)
{
	struct vu_message addr = { .request = VU_SET_VRING_ADDR,
				   .bytes = sizeof(addr.addr),
				   .addr = { .index = ring->index,
					     .desc = ring->desc,
					     .used = ring->used,
					     .avail = ring->avail } };

	return tell_state(link, VU_SET_VRING_NUM, ring->index, ring->size) &&
	       tell_state(link, VU_SET_VRING_BASE, ring->index, link->packed ? PACKED_BASE : 0) &&
	       tell(link, &addr) && tell_file(link, VU_SET_VRING_CALL, ring->index, ring->call) &&
	       tell_file(link, VU_SET_VRING_KICK, ring->index, ring->kick) &&
	       tell_state(link, VU_SET_VRING_ENABLE, ring->index, 1);
}

bool link_stop_ring(struct vu_link *link, unsigned index)
{
	struct vu_message m = { .request = VU_GET_VRING_BASE,
				.bytes = sizeof(m.state),
				.state = { index, 0 } };

	return tell_state(link, VU_SET_VRING_ENABLE, index, 0) && ask(link, &m);
}

/* ---- device IOTLB ---- */

static bool send_iotlb(struct vu_link *link, const struct vu_message *message)
{
	struct vu_message kick = { .request = VU_KICK_IOTLB_RING };
	bool asleep;

	if (!link->ring.memory)
		return vu_send(link->socket, message);
	return iotlb_ring_tell(&link->ring, message, &asleep) &&
	       (!asleep || vu_send(link->socket, &kick));
}

bool link_iotlb(struct vu_link *link, const struct viommu_iotlb_msg *message)
{
	struct vu_message m = { .request = VU_IOTLB_MSG, .flags = VU_NEED_REPLY };

	/* Neither side's socket may fill up: both would wait for the other to read. */
	if (link->outstanding - link->answered >= OUTSTANDING_MAX)
		take_answers(link);
	if (link->broken ||
	    viommu_iotlb_encode(message, VIOMMU_IOTLB_FORM_USER, m.raw, sizeof(m.raw), &m.bytes))
		return false;
	if (!send_iotlb(link, &m))
		return fail(link, "the backend is gone");
	link->outstanding++;
	return true;
}

/* As vu_receive(). */
static int receive_iotlb(struct vu_link *link, struct vu_message *message)
{
	int r;

	if (!link->ring.memory)
		return vu_receive(link->channel, message, 0);
	r = iotlb_ring_take(&link->ring, message);
	return r || ++link->looks % CHANNEL_LOOKS ? r : vu_receive(link->channel, message, 0);
}

bool link_next(struct vu_link *link, struct viommu_iotlb_msg *message)
{
	struct vu_message m;
	int r = receive_iotlb(link, &m);

	if (r <= 0)
		return r < 0 ? fail(link, "the backend closed its channel") : false;
	vu_drop_files(&m);
	if (m.flags & VU_NEED_REPLY) {
		struct vu_message answer = { .request = m.request, .flags = VU_REPLY, .bytes = 8 };

		vu_send(link->channel, &answer);
	}
	if (m.request != VU_BACKEND_IOTLB_MSG ||
	    viommu_iotlb_decode(VIOMMU_IOTLB_FORM_USER, m.raw, m.bytes, message))
		return fail(link, "the backend asks for something unknown");
	return true;
}
