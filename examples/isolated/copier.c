/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * copier.c - the device process: copies what the ring says, and has nothing but its view, its section page, one socket,
 * and perhaps a pool of guest memory.
 */
#include <libvirtiommu/view.h>

#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "confine.h"
#include "job.h"
#include "share.h"

struct process {
	struct viommu_view *view;
	struct job job;
	uint32_t kicks; /* that came while a reply was waited for */
	unsigned char message[VIOMMU_VIEW_MESSAGE_BYTES];
};

/* ---- what is not known here ---- */

/* Sends what is in p->message, and waits for the reply. What the reply says lies in p->message. */
static int exchange(struct process *p, uint32_t length, struct viommu_view_answer *answer)
{
	if (write(JOB_SOCKET, p->message, length) != (ssize_t)length)
		_exit(3);
	for (;;) {
		ssize_t got = read(JOB_SOCKET, p->message, sizeof(p->message));

		if (got <= 0)
			_exit(0); /* nobody is there any more */
		if (got > 1)
			return viommu_view_reply(p->view, p->message, (uint32_t)got, answer) ? -1
											     : 0;
		p->kicks++;
	}
}

/* Has the owner walk. 0: it is known now, until the section closes. */
static int ask(struct process *p, uint64_t iova, uint16_t access)
{
	struct viommu_request request = {
		.first = iova, .last = iova, .pasid = VIOMMU_NO_PASID, .access = access
	};
	struct viommu_view_answer answer;
	uint32_t length;

	request.last |= 0xfff;
	if (viommu_view_request(p->view, &request, p->message, sizeof(p->message), &length) ||
	    exchange(p, length, &answer))
		return -1;
	return answer.count ? 0 : -1;
}

/* Has the owner copy. How many bytes; 0: it was refused. */
static uint64_t ask_copy(struct process *p, uint64_t iova, unsigned char *buffer, uint32_t bytes,
			 uint16_t access)
{
	struct viommu_view_answer answer;
	uint32_t length;

	if (viommu_view_request_copy(p->view, iova, bytes, access,
				     access == VIOMMU_WRITE ? buffer : NULL, p->message,
				     sizeof(p->message), &length) ||
	    exchange(p, length, &answer))
		return 0;
	if (answer.data)
		memcpy(buffer, answer.data, answer.done);
	return answer.done;
}

/* In a section. True: all bytes. At most two rounds for each page. */
static bool move(struct process *p, uint64_t iova, void *buffer, uint32_t bytes, uint16_t access)
{
	uint32_t at = 0;

	while (at < bytes) {
		unsigned char *here = (unsigned char *)buffer + at;
		uint64_t done;
		int result = access == VIOMMU_WRITE
				     ? viommu_view_dma_write(p->view, iova + at, here, bytes - at,
							     0, &done)
				     : viommu_view_dma_read(p->view, iova + at, here, bytes - at, 0,
							    &done);

		if (result < 0)
			return false;
		at += (uint32_t)done;
		if (result == VIOMMU_MISS && ask(p, iova + at, access))
			return false;
		if (result == VIOMMU_UNREACHABLE) {
			done = ask_copy(p, iova + at, (unsigned char *)buffer + at, bytes - at,
					access);
			if (!done)
				return false;
			at += (uint32_t)done;
		}
	}
	return true;
}

/* ---- the device ---- */

/* A piece is the guest's: its size is looked at once, here. */
static bool copy_piece(struct process *p, const struct job_piece *piece)
{
	unsigned char buffer[VIOMMU_VIEW_COPY_BYTES];

	return piece->bytes <= sizeof(buffer) &&
	       move(p, piece->from, buffer, piece->bytes, VIOMMU_READ) &&
	       move(p, piece->to, buffer, piece->bytes, VIOMMU_WRITE);
}

/* Sections are a piece long, so that a guest which invalidates does not wait for a whole ring. */
static bool do_piece(struct process *p, uint32_t *head, bool *more)
{
	uint64_t ring = p->job.ring;
	struct job_piece piece;
	uint32_t tail;
	uint64_t at;

	*more = false;
	if (!move(p, ring + offsetof(struct job_ring, tail), &tail, sizeof(tail), VIOMMU_READ) ||
	    !move(p, ring + offsetof(struct job_ring, head), head, sizeof(*head), VIOMMU_READ))
		return false;
	if (*head == tail)
		return true;
	at = ring + offsetof(struct job_ring, piece) + *head % JOB_PIECES * sizeof(piece);
	if (!move(p, at, &piece, sizeof(piece), VIOMMU_READ))
		return false;
	piece.result = copy_piece(p, &piece) ? 1 : 2;
	++*head;
	*more = true;
	return move(p, at + offsetof(struct job_piece, result), &piece.result, sizeof(piece.result),
		    VIOMMU_WRITE) &&
	       move(p, ring + offsetof(struct job_ring, head), head, sizeof(*head), VIOMMU_WRITE);
}

static void say(unsigned char what)
{
	if (write(JOB_SOCKET, &what, 1) != 1)
		_exit(3);
}

static void run_ring(struct process *p)
{
	uint32_t head, length;
	bool more = true;

	while (more) {
		viommu_view_enter(p->view);
		if (!do_piece(p, &head, &more))
			more = false; /* what the guest has done is its own affair */
		if (viommu_view_leave(p->view) == VIOMMU_PENDING &&
		    !viommu_view_wake(p->view, p->message, sizeof(p->message), &length) &&
		    write(JOB_SOCKET, p->message, length) != (ssize_t)length)
			_exit(3);
	}
	say(JOB_DONE);
}

/* ---- life ---- */

static bool map_pool(struct process *p)
{
	struct viommu_region region = { .size = sizeof(region),
					.gpa = p->job.pool_gpa,
					.bytes = p->job.pool_bytes };

	if (!region.bytes)
		return true;
	region.host = share_map(JOB_POOL, (size_t)region.bytes, true);
	return region.host && !viommu_view_map(p->view, &region);
}

/* All calls that a process may make in its life, but for four. */
static bool open_process(struct process *p)
{
	struct viommu_view_config config = { .size = sizeof(config), .pasid = VIOMMU_NO_PASID };

	if (read(JOB_SOCKET, &p->job, sizeof(p->job)) != (ssize_t)sizeof(p->job))
		return false;
	config.window = share_map(JOB_WINDOW, (size_t)p->job.window_bytes, false);
	config.window_bytes = p->job.window_bytes;
	config.section = share_map(JOB_SECTION, (size_t)p->job.section_bytes, true);
	config.device = p->job.device;
	if (!config.window || !config.section || viommu_view_new(&config, &p->view) || !map_pool(p))
		return false;
	for (int fd = JOB_WINDOW; fd < JOB_FDS; fd++)
		close(fd);
	return true;
}

int job_device(void)
{
	static struct process p;

	if (!open_process(&p))
		return 2;
	if (!confine(JOB_SOCKET))
		return JOB_CANNOT;
	say(JOB_DONE); /* ready */
	for (;;) {
		unsigned char kick[VIOMMU_VIEW_MESSAGE_BYTES];

		if (p.kicks)
			p.kicks--;
		else if (read(JOB_SOCKET, kick, sizeof(kick)) != 1)
			return 0;
		run_ring(&p);
	}
}
