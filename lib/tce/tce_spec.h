/* SPDX-License-Identifier: BSD-3-Clause */
/* tce_spec.h - LoPAR 2.9: TCEs, hypercalls and RTAS calls of DMA windows. Bits are numbered from the lowest one, 0. */
#ifndef TCE_SPEC_H
#define TCE_SPEC_H

#include "bits.h"

/* "TCE Definition". With neither permission the other bits have no effect, and are kept. */
#define TCE_READ  BIT(0)       /* the device may read memory */
#define TCE_WRITE BIT(1)       /* the device may write memory */
#define TCE_RSVD  BITS(11, 2)  /* of older formats; no effect */
#define TCE_RPN	  BITS(63, 12) /* logical address; bits within the window's page have no effect */
#define TCE_PERM  (TCE_READ | TCE_WRITE)

static_assert(TCE_READ + TCE_WRITE + TCE_RSVD + TCE_RPN == UINT64_MAX, "TCE Definition");

/* "hcall Tokens" */
#define H_GET_TCE		 0x1cU
#define H_PUT_TCE		 0x20U
#define H_MIGRATE_DMA		 0x78U
#define H_PUT_RTCE		 0x10cU
#define H_COPY_RDMA		 0x110U
#define H_WRITE_RDMA		 0x128U
#define H_READ_RDMA		 0x12cU
#define H_STUFF_TCE		 0x138U
#define H_PUT_TCE_INDIRECT	 0x13cU
#define H_PUT_RTCE_INDIRECT	 0x140U
#define H_LIOBN_ATTRIBUTES	 0x240U
#define H_REMOVE_RTCE		 0x24cU
#define H_GET_DMA_XLATES_LIMITED 0x324U

/* "Hypervisor Call Return Codes" */
#define H_SUCCESS	       0
#define H_PARTIAL	       5
#define H_FUNCTION	       (-2)
#define H_PARAMETER	       (-4)
#define H_NOT_ENOUGH_RESOURCES (-44)
#define H_P4		       (-57)

/* TCEs in one H_STUFF_TCE, or in one page of H_PUT_TCE_INDIRECT. */
#define TCE_COUNT_MAX  512U
#define TCE_LIST_BYTES 4096U

/* RTAS status */
#define RTAS_SUCCESS   0
#define RTAS_HARDWARE  (-1)
#define RTAS_PARAMETER (-3)

/* Page sizes in the reply of ibm,query-pe-dma-window; 2 MiB is newer than LoPAR 2.9. */
#define RTAS_PAGES_4K	BIT(0)
#define RTAS_PAGES_64K	BIT(1)
#define RTAS_PAGES_16M	BIT(2)
#define RTAS_PAGES_32M	BIT(3)
#define RTAS_PAGES_64M	BIT(4)
#define RTAS_PAGES_128M BIT(5)
#define RTAS_PAGES_256M BIT(6)
#define RTAS_PAGES_16G	BIT(7)
#define RTAS_PAGES_2M	BIT(8)

/* "DMA error classes": the reason of a refused translation. */
enum tce_class {
	TCE_INVALID_ADDRESS = 2, /* in no window of the PE */
	TCE_EXTENT = 3,		 /* beyond the end of the table */
	TCE_ACCESS = 4,		 /* the entry cannot be read */
	TCE_MAPPING = 5,	 /* page mapping and control mismatch */
	TCE_TARGET = 6,		 /* the entry leads to a host bridge's I/O space */
};

#endif
