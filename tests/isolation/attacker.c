/* SPDX-License-Identifier: BSD-3-Clause */
/* attacker.c - what runs in the place of a device process. */
#include "attacker.h"

#include <signal.h>
#include <unistd.h>

#include "confine.h"
#include "share.h"

enum { CANNOT = 100 };

void attacker_say(unsigned char what)
{
	if (write(JOB_SOCKET, &what, 1) != 1)
		_exit(CANNOT);
}

static void map_all(struct attacker *a)
{
	struct viommu_view_config config = { .size = sizeof(config), .pasid = VIOMMU_NO_PASID };

	signal(SIGSEGV, SIG_DFL); /* the parent has the test's handlers */
	signal(SIGBUS, SIG_DFL);
	if (read(JOB_SOCKET, &a->job, sizeof(a->job)) != (ssize_t)sizeof(a->job))
		_exit(CANNOT);
	a->window = share_map(JOB_WINDOW, (size_t)a->job.window_bytes, false);
	a->section = share_map(JOB_SECTION, (size_t)a->job.section_bytes, true);
	config.window = a->window;
	config.window_bytes = a->job.window_bytes;
	config.section = a->section;
	config.device = a->job.device;
	if (!a->window || !a->section || viommu_view_new(&config, &a->view))
		_exit(CANNOT);
}

void attacker_open(struct attacker *a)
{
	map_all(a);
	attacker_say(JOB_DONE);
}

void attacker_open_confined(struct attacker *a)
{
	map_all(a);
	if (!confine(JOB_SOCKET))
		_exit(77);
	attacker_say(JOB_DONE);
}

uint32_t attacker_message(struct attacker *a, uint64_t iova, uint16_t access)
{
	const struct viommu_request request = {
		.first = iova, .last = iova + 7, .pasid = VIOMMU_NO_PASID, .access = access
	};
	uint32_t length;

	if (viommu_view_request(a->view, &request, a->message, sizeof(a->message), &length))
		_exit(CANNOT);
	return length;
}

int attacker_ask(struct attacker *a, uint64_t iova, uint16_t access)
{
	uint32_t length = attacker_message(a, iova, access);
	ssize_t got = -1;

	if (write(JOB_SOCKET, a->message, length) == (ssize_t)length)
		got = read(JOB_SOCKET, a->message, sizeof(a->message));
	if (got <= 0 || viommu_view_reply(a->view, a->message, (uint32_t)got, &a->answer))
		return CANNOT;
	return a->answer.result;
}
