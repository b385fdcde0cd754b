/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tce_guest.h - a VM with TCE tables, and hypercalls as a guest makes them.
 *
 * Any answer but the expected one ends the program, so that no benchmark measures a failure.
 */
#ifndef BENCH_TCE_GUEST_H
#define BENCH_TCE_GUEST_H

#include <libvirtiommu/tce.h>
#include <libvirtiommu/vm.h>

#include <stdint.h>

#define TCE_PAGE  UINT64_C(4096)
#define TCE_COUNT 512U /* entries of a large call */

struct tce_world {
	struct viommu_vm *vm;
	struct viommu *iommu;
	struct viommu_device *device;
	struct viommu_channel *channel;
	unsigned char *ram;
	uint64_t pages; /* of RAM, and of the window */
};

/* One PE with a window of @pages, a power of two, and as much RAM. Page n is mapped to page n of RAM, with @filled. */
struct tce_world *tce_world_new(uint64_t pages, int filled);
void tce_world_free(struct tce_world *w);

void tce_put(struct tce_world *w, uint64_t page, uint64_t tce);
void tce_stuff(struct tce_world *w, uint64_t page, uint64_t tce, uint64_t count);
/* From the list in page @list of RAM. */
void tce_indirect(struct tce_world *w, uint64_t page, uint64_t list, uint64_t count);
/* That list: @count pages from @first on. */
void tce_list(struct tce_world *w, uint64_t list, uint64_t first, uint64_t count);

static inline uint64_t tce_of_page(uint64_t page)
{
	return page * TCE_PAGE | 3;
}

#endif
