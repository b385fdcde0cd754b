/* SPDX-License-Identifier: BSD-3-Clause */
/* image.h - a guest that was not recorded: its memory in files, and what its IOMMU's registers are. */
#ifndef IMAGE_H
#define IMAGE_H

#include "session.h"

#define IMAGES_MAX 16U

/* Files of guest memory, FILE@GPA each. */
struct images {
	const char *file[IMAGES_MAX];
	unsigned count;
};

/*
 * Makes an engine whose registers are as a file says, which is a tape of R lines: what the guest would read. Guest memory is
 * that of the images.
 */
int image_open(struct session *s, const char *registers, const struct images *images);

#endif
