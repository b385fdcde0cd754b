/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * guest_frames.c - inside the guest: frames through its own network driver to a backend that sends
 * each back with its addresses swapped. All of them come back, once, as they were sent.
 *
 *     guest_frames INTERFACE PROCESSOR COUNT
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "vu_packet.h"

#define TYPE 0x88b5 /* of vu_packet.c's frames */

/* On their way at once: fewer than a ring has buffers. */
enum { WINDOW = 32, PATIENCE = 20 };

struct run {
	int socket;
	uint64_t count, sent, back;
	bool on_way[WINDOW];
	uint64_t wrong;
};

/* Every length from the shortest to the longest comes up. */
static unsigned bytes_of(uint64_t number)
{
	return PACKET_MIN + (unsigned)(number * 37 % (PACKET_MAX - PACKET_MIN + 1));
}

static int open_socket(const char *interface)
{
	struct sockaddr_ll address = { .sll_family = AF_PACKET, .sll_protocol = htons(TYPE) };
	int s = socket(AF_PACKET, SOCK_RAW, htons(TYPE));
	/* Nothing may be dropped on this side: not in the socket, which has room for many windows, and not for what we
	 * send; and not in a queueing discipline, which is exchanged when an interface has just come up. */
	const int room = 8 << 20, yes = 1;

	address.sll_ifindex = (int)if_nametoindex(interface);
	if (s < 0 || setsockopt(s, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)) ||
	    setsockopt(s, SOL_PACKET, PACKET_IGNORE_OUTGOING, &yes, sizeof(yes)) ||
	    setsockopt(s, SOL_PACKET, PACKET_QDISC_BYPASS, &yes, sizeof(yes)) ||
	    !address.sll_ifindex || bind(s, (struct sockaddr *)&address, sizeof(address))) {
		perror(interface);
		return -1;
	}
	return s;
}

/* The window moves only as its first frame comes back. */
static bool may_send(const struct run *r)
{
	return r->sent < r->count && !r->on_way[r->sent % WINDOW];
}

static bool send_one(struct run *r)
{
	static uint8_t frame[PACKET_HEADER + PACKET_MAX];
	unsigned bytes = bytes_of(r->sent);

	packet_fill(frame, r->sent, bytes);
	if (send(r->socket, frame + PACKET_HEADER, bytes, 0) != (ssize_t)bytes) {
		perror("send");
		return false;
	}
	r->on_way[r->sent++ % WINDOW] = true;
	return true;
}

static void check_one(struct run *r, const uint8_t *frame, unsigned bytes)
{
	uint64_t number = 0;

	if (!packet_check(frame, &number, bytes) || number >= r->sent ||
	    bytes != bytes_of(number) || !r->on_way[number % WINDOW]) {
		r->wrong++;
		return;
	}
	r->on_way[number % WINDOW] = false;
	r->back++;
}

static bool receive_one(struct run *r)
{
	static uint8_t frame[PACKET_HEADER + 2 * PACKET_MAX];
	struct pollfd p = { .fd = r->socket, .events = POLLIN };
	ssize_t bytes;

	if (poll(&p, 1, PATIENCE * 1000) <= 0)
		return false;
	bytes = recv(r->socket, frame + PACKET_HEADER, 2 * PACKET_MAX, 0);
	if (bytes > 0)
		check_one(r, frame, (unsigned)bytes);
	return bytes > 0;
}

static bool run(struct run *r)
{
	while (r->back < r->count && !r->wrong) {
		if (may_send(r) ? !send_one(r) : !receive_one(r))
			return false;
	}
	return !r->wrong;
}

static void keep_to(int processor)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET((size_t)processor, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		perror("processor");
}

int main(int argc, char **argv)
{
	struct run r = { .socket = -1 };
	bool good;

	if (argc != 4)
		return 2;
	keep_to(atoi(argv[2]));
	r.count = strtoull(argv[3], NULL, 0);
	r.socket = open_socket(argv[1]);
	good = r.count && r.socket >= 0 && run(&r);
	printf("%s: %llu frames sent on processor %s, %llu came back, %llu are wrong\n",
	       good ? "good" : "FAILED", (unsigned long long)r.sent, argv[2],
	       (unsigned long long)r.back, (unsigned long long)r.wrong);
	return !good;
}
