/* SPDX-License-Identifier: BSD-3-Clause */
/* vu_message.c - a vhost-user message to and from a socket. */
#define _GNU_SOURCE
#include "vu_message.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define HEADER_BYTES (3 * sizeof(uint32_t))

/* A peer that began a message has to end it within this time. */
#define REST_MILLISECONDS 5000

union control {
	struct cmsghdr header;
	char room[CMSG_SPACE(VU_FDS * sizeof(int))];
};

static void put_files(struct msghdr *msg, union control *control, const struct vu_message *message)
{
	size_t bytes = message->fds * sizeof(int);
	struct cmsghdr *c = &control->header;

	memset(control, 0, sizeof(*control));
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(bytes);
	memcpy(CMSG_DATA(c), message->fd, bytes);
	msg->msg_control = control;
	msg->msg_controllen = CMSG_SPACE(bytes);
}

static bool send_with(int socket, const struct vu_message *message, int flags)
{
	uint32_t header[3] = { message->request, message->flags | VU_VERSION, message->bytes };
	struct iovec part[2] = { { header, sizeof(header) },
				 { (void *)(uintptr_t)message->raw, message->bytes } };
	struct msghdr msg = { .msg_iov = part, .msg_iovlen = 2 };
	union control control;
	ssize_t sent;

	if (message->fds)
		put_files(&msg, &control, message);
	do {
		sent = sendmsg(socket, &msg, MSG_NOSIGNAL | flags);
	} while (sent < 0 && errno == EINTR);
	return sent == (ssize_t)(sizeof(header) + message->bytes);
}

bool vu_send(int socket, const struct vu_message *message)
{
	return send_with(socket, message, 0);
}

bool vu_offer(int socket, const struct vu_message *message)
{
	return send_with(socket, message, MSG_DONTWAIT);
}

static bool await(int socket, int milliseconds)
{
	struct pollfd p = { .fd = socket, .events = POLLIN };
	int r;

	do {
		r = poll(&p, 1, milliseconds);
	} while (r < 0 && errno == EINTR);
	return r > 0;
}

static bool receive_all(int socket, void *to, size_t bytes)
{
	uint8_t *at = to;

	while (bytes) {
		ssize_t n = recv(socket, at, bytes, MSG_DONTWAIT);

		if (n < 0 && (errno == EAGAIN || errno == EINTR) &&
		    await(socket, REST_MILLISECONDS))
			continue;
		if (n <= 0)
			return false;
		at += n;
		bytes -= (size_t)n;
	}
	return true;
}

static void take_files(struct msghdr *msg, struct vu_message *message)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		size_t bytes = c->cmsg_len - CMSG_LEN(0);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS ||
		    bytes > sizeof(message->fd))
			continue;
		memcpy(message->fd, CMSG_DATA(c), bytes);
		message->fds = (unsigned)(bytes / sizeof(int));
	}
}

int vu_receive(int socket, struct vu_message *message, int milliseconds)
{
	uint32_t header[3];
	struct iovec part = { header, sizeof(header) };
	union control control;
	struct msghdr msg = { .msg_iov = &part,
			      .msg_iovlen = 1,
			      .msg_control = &control,
			      .msg_controllen = sizeof(control) };
	ssize_t n;

	if (milliseconds && !await(socket, milliseconds))
		return 0;
	n = recvmsg(socket, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	message->fds = 0;
	if (n > 0)
		take_files(&msg, message);
	if (n <= 0 || (msg.msg_flags & MSG_CTRUNC) ||
	    !receive_all(socket, (uint8_t *)header + n, HEADER_BYTES - (size_t)n) ||
	    header[2] > VU_PAYLOAD || (header[1] & 3) != VU_VERSION ||
	    !receive_all(socket, message->raw, header[2])) {
		if (n > 0)
			vu_drop_files(message);
		return -1;
	}
	message->request = header[0];
	message->flags = header[1];
	message->bytes = header[2];
	/* What a short payload does not say is 0. */
	memset(message->raw + header[2], 0, VU_PAYLOAD - header[2]);
	return 1;
}

void vu_drop_files(struct vu_message *message)
{
	for (unsigned i = 0; i < message->fds; i++)
		close(message->fd[i]);
	message->fds = 0;
}
