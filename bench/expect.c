/* SPDX-License-Identifier: BSD-3-Clause */
/* expect.c - the end of a program that cannot go on. */
#include <stdio.h>
#include <stdlib.h>

#include "expect.h"

void unexpected(const char *what, int result)
{
	fprintf(stderr, "%s: %s\n", what, viommu_strerror(result));
	abort();
}
