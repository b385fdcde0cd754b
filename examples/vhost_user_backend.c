/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vhost_user_backend.c - a vhost-user network backend for any front end: every frame goes back with
 * its MAC addresses swapped. With VIRTIO_F_ACCESS_PLATFORM, each address it uses comes from
 * libvirtiommu's device IOTLB.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vu_backend.h"

static const char usage[] =
	"vhost_user_backend [--once] [--report] [--deaf] SOCKET\n"
	"    listens at SOCKET and serves one front end after another\n"
	"    --once: one only\n"
	"    --report: says of each how many frames came through each pair of queues\n"
	"    --deaf: answers invalidations and does not carry them out, for tests that have to notice\n";

int main(int argc, char **argv)
{
	struct vu_backend_manners manners = { 0 };
	unsigned count = 0;
	int at = 1;

	for (; at < argc && argv[at][0] == '-'; at++) {
		if (!strcmp(argv[at], "--once"))
			count = 1;
		else if (!strcmp(argv[at], "--report"))
			manners.reports = true;
		else if (!strcmp(argv[at], "--deaf"))
			manners.deaf = true;
		else
			break;
	}
	if (at + 1 != argc || argv[at][0] == '-') {
		fputs(usage, stderr);
		return 2;
	}
	return backend_listen(argv[at], count, &manners);
}
