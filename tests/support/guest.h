/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * guest.h - a guest for tests: memory, VT-d tables in it, and a driver that programs the unit.
 *
 *	struct guest g;
 *	guest_init(&g, GUEST_REGION, 256);                 256 pages of RAM at GUEST_BASE
 *	guest_vtd(&g, GUEST_CAP, GUEST_ECAP_LEGACY);
 *	uint64_t ss = guest_table(&g);
 *	guest_ss_map(&g, ss, 4, 0x1000, page, 12, GUEST_RW);
 *	guest_legacy(&g, 0x0010, 7, ss, 4);                rid 0:2.0, domain 7, 4 levels
 *	guest_start(&g, VTD_TTM_LEGACY);                   queue, root table, TE
 *	device = guest_device(&g, 0x0010);
 *	struct guest_dma d = guest_dma(device, 0x1000, VIOMMU_READ);
 *	assert_int_equal(d.result, VIOMMU_OK);
 *	guest_invalidate_all(&g);
 *	guest_fini(&g);                                    frees all that was made here; leaks fail
 *
 * Memory is a region, or lies behind the callbacks (which count, can fail at the nth access, and
 * call a hook first). A helper that cannot do what it is asked fails the cmocka test.
 * Fields of guest structures are written here in their own terms (vtd_spec.h has the masks).
 */
#ifndef TESTS_GUEST_H
#define TESTS_GUEST_H

#include <libvirtiommu/irq.h>
#include <libvirtiommu/vm.h>
#include <libvirtiommu/vtd.h>

#include <stdbool.h>
#include <stdint.h>

#include "vtd_spec.h"

#define GUEST_PAGE UINT64_C(0x1000)
#define GUEST_BASE UINT64_C(0x100000) /* gpa of the first page */

enum guest_memory {
	GUEST_REGION,	 /* all of it is a region */
	GUEST_CALLBACKS, /* all of it is behind read, write, cmpxchg */
	GUEST_NO_SWAP,	 /* as GUEST_CALLBACKS, but cmpxchg is NULL */
	GUEST_RAW_SWAP,	 /* as GUEST_NO_SWAP, but there is swap */
};

/* What called the hook. */
enum guest_event {
	GUEST_ON_READ,
	GUEST_ON_WRITE,
	GUEST_ON_SWAP,
	GUEST_ON_DIRTY,
	GUEST_ON_MSI,
	GUEST_ON_WORK,
	GUEST_ON_MESSAGE,
	GUEST_ON_INVALIDATE,
	GUEST_ON_RESPONSE,
	GUEST_EVENTS
};

enum { GUEST_DEVICES = 16, GUEST_CHANNELS = 16, GUEST_LOG = 64 };

struct guest_msi {
	uint64_t address;
	uint32_t data;
};

struct guest;

/* A device, and whose it is: what its callbacks get. */
struct guest_requester {
	struct guest *guest;
	struct viommu_device *device;
	uint32_t id; /* when it was made */
};

struct guest {
	/* Memory: pages * 4096 bytes at GUEST_BASE. */
	enum guest_memory memory;
	struct viommu_vm_config vm_config;
	uint8_t *ram;
	uint64_t bytes;
	uint64_t used; /* gpa after the last allocated page */
	struct viommu_vm *vm;
	struct viommu *iommu;
	uint64_t cap;
	uint64_t ecap;
	struct viommu_host host;

	/* What exists, for guest_fini(). */
	struct guest_requester device[GUEST_DEVICES];
	struct viommu_channel *channel[GUEST_CHANNELS];
	unsigned devices;
	unsigned channels;

	/* Tables and queues; 0: not made yet. */
	uint64_t root;
	unsigned ttm;	/* of the last guest_root() */
	uint64_t queue; /* gpa of the invalidation queue */
	uint64_t queue_bytes;
	uint64_t tail;	 /* in bytes; the register is written by guest_ring() */
	bool wide;	 /* 256-bit descriptors */
	uint64_t status; /* gpa that guest_wait() lets be written */
	uint32_t ticket;
	uint64_t pages; /* gpa of the page request queue */

	/* Callbacks. */
	unsigned count[GUEST_EVENTS];
	/* Calls left until one read, write or swap callback fails; 0: none does. fail_kinds: bit n
	 * counts GUEST_ON_<n>, 0: all three. fail_on: it and all later ones fail. */
	unsigned fail_in;
	unsigned fail_kinds;
	bool fail_on;
	unsigned failures; /* accesses that failed so */
	/* The same for the allocator. */
	unsigned no_memory_in;
	/* Called first in each callback, without the guest's state changed yet. */
	void (*hook)(void *opaque, enum guest_event event);
	void *hook_opaque;
	/* Called with what a read callback is about to return, which it may change. */
	void (*alter)(void *opaque, uint64_t gpa, void *bytes, uint32_t count);
	void *alter_opaque;

	/* Logs: the first GUEST_LOG of each; count[] has the total. */
	struct guest_msi msi[GUEST_LOG];
	struct {
		uint64_t gpa;
		uint64_t bytes;
	} dirty[GUEST_LOG];
	struct {
		uint32_t id; /* of the device */
		struct viommu_device_invalidation what;
	} invalidation[GUEST_LOG];
	struct {
		uint32_t id;
		struct viommu_page_response what;
	} response[GUEST_LOG];
	void (*trace)(void *opaque, const struct viommu_trace *event); /* of the host, or NULL */
	const char *message;					       /* the last one */
	int invalidate_result; /* what the devices' invalidate answers; VIOMMU_OK */

	/* The allocator's books: blocks and bytes that are out, blocks ever given. */
	uint64_t blocks;
	uint64_t block_bytes;
	uint64_t allocations;
};

/* ---- life ---- */

/* The allocator and the VM. @pages of zeroed RAM. */
void guest_init(struct guest *g, enum guest_memory memory, unsigned pages);
/* The same without failing the test: what viommu_vm_new() and viommu_vm_add_region() answer. */
int guest_try_init(struct guest *g, enum guest_memory memory, unsigned pages,
		   unsigned no_memory_in);
/* Frees channels, devices, the unit and the VM; blocks that remain fail the test. */
void guest_fini(struct guest *g);

/* Power-on unit with small caches. cap 0: the defaults. */
void guest_vtd(struct guest *g, uint64_t cap, uint64_t ecap);
int guest_try_vtd(struct guest *g, uint64_t cap, uint64_t ecap);
/* With other limits or configuration. */
int guest_try_vtd_config(struct guest *g, struct viommu_vtd_config *config);

/* Requesters with invalidate and page_response callbacks that log in the guest. Freed at the end,
 * or by guest_drop(). */
struct viommu_device *guest_device(struct guest *g, uint32_t id);
int guest_try_device(struct guest *g, uint32_t id, struct viommu_device **device);
struct viommu_channel *guest_channel(struct guest *g, struct viommu_device *device, uint32_t pasid);
int guest_try_channel(struct guest *g, struct viommu_device *device, uint32_t pasid,
		      struct viommu_channel **channel);
/* Frees a device, and a channel of it or NULL. */
void guest_drop_one(struct guest *g, struct viommu_device *device, struct viommu_channel *channel);
/* Frees all channels and devices now. */
void guest_drop(struct guest *g);

/* ---- capabilities ---- */

/* The default CAP with 5 levels, 57 bits, posted interrupts; and with all that first stages have. */
#define GUEST_CAP                                                                                  \
	((viommu_vtd_default_cap() & ~(VTD_CAP_SAGAW | VTD_CAP_MGAW)) |                            \
	 bits_put(VTD_CAP_SAGAW, 0xe) | bits_put(VTD_CAP_MGAW, 56) | VTD_CAP_PI)
#define GUEST_CAP_SCALABLE (GUEST_CAP | VTD_CAP_FS1GP | VTD_CAP_FS5LP)
#define GUEST_ECAP_LEGACY  (viommu_vtd_default_ecap() | VTD_ECAP_DT)
/* Everything of scalable mode that the library has. */
#define GUEST_ECAP_SCALABLE                                                                        \
	(GUEST_ECAP_LEGACY | VTD_ECAP_NEST | VTD_ECAP_PRS | VTD_ECAP_ERS | VTD_ECAP_SRS |          \
	 VTD_ECAP_NWFS | VTD_ECAP_EAFS | bits_put(VTD_ECAP_PSS, 19) | VTD_ECAP_PASID |             \
	 VTD_ECAP_PDS | VTD_ECAP_SMTS | VTD_ECAP_SSADS | VTD_ECAP_SSTS | VTD_ECAP_FSTS |           \
	 VTD_ECAP_SMPWCS | VTD_ECAP_RPS | VTD_ECAP_ADMS | VTD_ECAP_RPRIVS)

/* ---- memory ---- */

/* Zeroed pages, page-aligned. */
uint64_t guest_alloc(struct guest *g, unsigned pages);
/* Host address of gpa, for the guest's own use, whatever the library sees. */
void *guest_at(struct guest *g, uint64_t gpa);
uint64_t guest_get64(struct guest *g, uint64_t gpa);
void guest_put64(struct guest *g, uint64_t gpa, uint64_t word);
uint32_t guest_get32(struct guest *g, uint64_t gpa);

/* ---- page tables ---- */

#define GUEST_RW    UINT64_C(3)	   /* second stage: R, W */
#define GUEST_FS    UINT64_C(7)	   /* first stage: P, R/W, U/S */
#define GUEST_LARGE UINT64_C(0x80) /* PS, both formats */

/* An empty table of any level. */
uint64_t guest_table(struct guest *g);
/*
 * gpa of the entry for iova in the table of @level (0: the one that holds pages), making the tables
 * above with the bits @table. @levels: of the tree.
 */
uint64_t guest_entry(struct guest *g, uint64_t root, unsigned levels, uint64_t iova, unsigned level,
		     uint64_t table);
/* Maps 1 << lg2 bytes (12, 21, 30); @bits of the page's entry, PS is added. */
void guest_ss_map(struct guest *g, uint64_t root, unsigned levels, uint64_t iova, uint64_t gpa,
		  unsigned lg2, uint64_t bits);
void guest_fs_map(struct guest *g, uint64_t root, unsigned levels, uint64_t iova, uint64_t gpa,
		  unsigned lg2, uint64_t bits);

/* ---- root, context and PASID structures; all of them hang off g->root ---- */

/* gpa of the legacy context entry (16 bytes) of rid; of the scalable one (32 bytes). */
uint64_t guest_legacy_entry(struct guest *g, uint16_t rid);
uint64_t guest_scalable_entry(struct guest *g, uint16_t rid);
/* gpa of the PASID table entry (64 bytes), with directory (PDTS 7, all 20 bits) and table made as
 * needed; the context entry gets P, PASIDE, and DTE and PRE if the unit has them. */
uint64_t guest_pasid_entry(struct guest *g, uint16_t rid, uint32_t pasid);

/* Legacy context: TT 0 (TT 1 with @tt), or pass-through with TT 2. */
void guest_legacy_tt(struct guest *g, uint16_t rid, uint16_t did, uint64_t ss, unsigned levels,
		     unsigned tt);
void guest_legacy(struct guest *g, uint16_t rid, uint16_t did, uint64_t ss, unsigned levels);

/* A PASID entry by type. @extra: further bits of words 0 (SSADE, FPD) and 2 (SRE, EAFE, WPE). */
struct guest_pasid {
	uint16_t did;
	unsigned pgtt;	    /* VTD_PGTT_* */
	uint64_t fs;	    /* first-stage root */
	unsigned fs_levels; /* 4 or 5 */
	uint64_t ss;
	unsigned ss_levels; /* 3, 4 or 5 */
	uint64_t extra0;
	uint64_t extra2;
};
void guest_pasid(struct guest *g, uint16_t rid, uint32_t pasid, const struct guest_pasid *p);

/* ---- registers ---- */

uint32_t guest_read32(struct guest *g, uint64_t offset);
uint64_t guest_read64(struct guest *g, uint64_t offset);
/* VIOMMU_OK or VIOMMU_PENDING; anything else fails the test. */
int guest_write32(struct guest *g, uint64_t offset, uint32_t value);
int guest_write64(struct guest *g, uint64_t offset, uint64_t value);

/* One bit of GCMD, set or cleared, and viommu_run() until GSTS shows it. */
void guest_command(struct guest *g, uint64_t bit, bool on);
/* Event messages: fault, invalidation and page request events to distinct addresses, unmasked. */
void guest_events(struct guest *g);
/* Queue if the unit has one, root table with the mode, TE. */
void guest_start(struct guest *g, unsigned ttm);
/* Writes RTADDR, then SRTP. */
void guest_root(struct guest *g, unsigned ttm);
void guest_queue_on(struct guest *g, bool wide, unsigned qs);
void guest_page_queue_on(struct guest *g, unsigned pqs);
/* Interrupt remapping table of 2 << s entries, SIRTP and IRE; returns its gpa. */
uint64_t guest_interrupts_on(struct guest *g, unsigned s, bool eime);

/* ---- invalidation queue ---- */

/* Puts a descriptor in the queue; words 2 and 3 only with 256-bit descriptors. */
void guest_submit(struct guest *g, uint64_t q0, uint64_t q1, uint64_t q2, uint64_t q3);
/* Writes IQT; VIOMMU_OK or VIOMMU_PENDING. */
int guest_ring(struct guest *g);
/* A wait descriptor with a fresh ticket; whether it has been written. */
void guest_submit_wait(struct guest *g);
bool guest_waited(struct guest *g);
/* Submits a wait, rings, runs until done; pending for ever fails the test. */
void guest_wait(struct guest *g);
/* Context, PASID (if scalable), IOTLB and interrupt caches, all of them, and a wait. */
void guest_invalidate_all(struct guest *g);

/* Descriptors, words 0 and 1. */
#define GUEST_CC(gran, did, sid, fm)                                                               \
	(VTD_QI_CC | bits_put(VTD_QI_G, gran) | bits_put(VTD_QI_DID, did) |                        \
	 bits_put(VTD_QI_CC_SID, sid) | bits_put(VTD_QI_CC_FM, fm))
#define GUEST_IOTLB(gran, did) (VTD_QI_IOTLB | bits_put(VTD_QI_G, gran) | bits_put(VTD_QI_DID, did))
#define GUEST_DEVTLB(sid)      (VTD_QI_DEVTLB | bits_put(VTD_QI_DEVTLB_SID, sid))
#define GUEST_IEC(index, im)                                                                       \
	(VTD_QI_IEC | VTD_QI_IEC_G | bits_put(VTD_QI_IEC_IIDX, index) | bits_put(VTD_QI_IEC_IM, im))
#define GUEST_IEC_GLOBAL ((uint64_t)VTD_QI_IEC)
#define GUEST_PIOTLB(gran, did, pasid)                                                             \
	(VTD_QI_PIOTLB | bits_put(VTD_QI_G, gran) | bits_put(VTD_QI_DID, did) |                    \
	 bits_put(VTD_QI_PASID, pasid))
#define GUEST_PC(gran, did, pasid)                                                                 \
	(VTD_QI_PC | bits_put(VTD_QI_G, gran) | bits_put(VTD_QI_DID, did) |                        \
	 bits_put(VTD_QI_PASID, pasid))
#define GUEST_PDEVTLB(sid, pasid)                                                                  \
	(VTD_QI_PDEVTLB | bits_put(VTD_QI_PDEVTLB_SID, sid) | bits_put(VTD_QI_PASID, pasid))
#define GUEST_PGRESP(rid, pasid, code)                                                             \
	(VTD_QI_PGRESP | VTD_QI_PGRESP_PP | bits_put(VTD_QI_PGRESP_RID, rid) |                     \
	 bits_put(VTD_QI_PASID, pasid) | bits_put(VTD_QI_PGRESP_CODE, code))

/* ---- DMA ---- */

struct guest_dma {
	int result;
	struct viommu_fragment f; /* the first one */
	struct viommu_answer answer;
};

/* One byte at iova, untranslated, without PASID; through the device. */
struct guest_dma guest_dma(struct viommu_device *device, uint64_t iova, unsigned access);
struct guest_dma guest_dma_pasid(struct viommu_device *device, uint32_t pasid, uint64_t iova,
				 unsigned access);
/* A translation request (ATS). */
struct guest_dma guest_ats(struct viommu_device *device, uint32_t pasid, uint64_t iova,
			   unsigned access);
struct guest_dma guest_channel_dma(struct viommu_channel *channel, uint32_t pasid, uint64_t iova,
				   unsigned access);

/* ---- faults ---- */

struct guest_fault {
	uint64_t info; /* FI: address, page-aligned */
	uint64_t high; /* VTD_FRCD_* */
	unsigned reason;
	uint16_t sid;
};

/* The oldest recorded fault, which is cleared, as a driver does; false: none. */
bool guest_take_fault(struct guest *g, struct guest_fault *fault);
/* Takes all; returns how many there were. */
unsigned guest_take_faults(struct guest *g);

#endif
