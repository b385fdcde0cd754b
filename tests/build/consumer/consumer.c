/* SPDX-License-Identifier: BSD-3-Clause */
/* consumer.c - uses every public function of an installed library; compiled as C11 and as C++17. */
#include <stdio.h>

/* Every public header, and PUBLIC_FUNCTIONS: written by consumer.sh. */
#include "everything.h"

static void (*const functions[])(void) = { PUBLIC_FUNCTIONS };

int main(void)
{
	const uint32_t headers = (uint32_t)VIOMMU_VERSION_MAJOR << 16 | VIOMMU_VERSION_MINOR << 8 |
				 VIOMMU_VERSION_PATCH;
	unsigned count = 0;

	for (; count < sizeof(functions) / sizeof(functions[0]); count++) {
		if (!functions[count])
			return 1;
	}
	printf("version 0x%06x, %u functions\n", (unsigned)viommu_version(), count);
	return viommu_version() != headers;
}
