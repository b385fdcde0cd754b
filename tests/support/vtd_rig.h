/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vtd_rig.h - one VT-d unit on a bench: a VM with RAM, the unit, its devices, and a log of
 * everything that the unit tells its host, in order.
 *
 *	gpa 0 .. RIG_RAM		RAM; tables and queues are allocated from it, page by page
 *	gpa RIG_ROM .. + 64 KiB		ROM: reads work, writes by the unit fail
 *	everything else			nothing: accesses fail
 *
 * Numbers are the manual's (fact sheet section 1), not those of the library's headers.
 */
#ifndef VTD_RIG_H
#define VTD_RIG_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include <libvirtiommu/irq.h>
#include <libvirtiommu/vm.h>
#include <libvirtiommu/vtd.h>

#define RIG_RAM	      (UINT64_C(8) << 20)
#define RIG_ROM	      (UINT64_C(256) << 20)
#define RIG_ROM_BYTES UINT64_C(65536)
#define RIG_NOWHERE   (UINT64_C(512) << 20)

#define RB(n)	  (UINT64_C(1) << (n))
#define RF(v, at) ((uint64_t)(v) << (at))

/* Register offsets (11.4). */
enum {
	R_VER = 0x00,
	R_CAP = 0x08,
	R_ECAP = 0x10,
	R_GCMD = 0x18,
	R_GSTS = 0x1c,
	R_RTADDR = 0x20,
	R_CCMD = 0x28,
	R_FSTS = 0x34,
	R_FECTL = 0x38,
	R_FEDATA = 0x3c,
	R_FEADDR = 0x40,
	R_FEUADDR = 0x44,
	R_PMEN = 0x64,
	R_PLMBASE = 0x68,
	R_PLMLIMIT = 0x6c,
	R_PHMBASE = 0x70,
	R_PHMLIMIT = 0x78,
	R_IQH = 0x80,
	R_IQT = 0x88,
	R_IQA = 0x90,
	R_ICS = 0x9c,
	R_IECTL = 0xa0,
	R_IEDATA = 0xa4,
	R_IEADDR = 0xa8,
	R_IEUADDR = 0xac,
	R_IQERCD = 0xb0,
	R_IRTA = 0xb8,
	R_PQH = 0xc0,
	R_PQT = 0xc8,
	R_PQA = 0xd0,
	R_PRS = 0xdc,
	R_PECTL = 0xe0,
	R_PEDATA = 0xe4,
	R_PEADDR = 0xe8,
	R_PEUADDR = 0xec,
};

/* GCMD and GSTS (11.4.4). */
#define G_TE   RB(31)
#define G_SRTP RB(30)
#define G_WBF  RB(27)
#define G_QIE  RB(26)
#define G_IRE  RB(25)
#define G_SIRTP RB(24)
#define G_CFI  RB(23)
#define G_LASTING (G_TE | G_QIE | G_IRE | G_CFI)

/* FSTS (11.4.7), event control. */
#define FS_PFO RB(0)
#define FS_PPF RB(1)
#define FS_IQE RB(4)
#define FS_ICE RB(5)
#define FS_ITE RB(6)
#define EV_IP  RB(30)
#define EV_IM  RB(31)

#define TTM_LEGACY   RF(0, 10)
#define TTM_SCALABLE RF(1, 10)
#define TTM_ABORT    RF(3, 10)

/* Fault record, high word (11.4.7). */
#define FR_SID(h)    ((unsigned)((h)&0xffff))
#define FR_T2(h)     ((unsigned)((h) >> 28 & 1))
#define FR_PRIV(h)   ((unsigned)((h) >> 29 & 1))
#define FR_EXE(h)    ((unsigned)((h) >> 30 & 1))
#define FR_PP(h)     ((unsigned)((h) >> 31 & 1))
#define FR_REASON(h) ((unsigned)((h) >> 32 & 0xff))
#define FR_PV(h)     ((unsigned)((h) >> 40 & 0xfffff))
#define FR_AT(h)     ((unsigned)((h) >> 60 & 3))
#define FR_T1(h)     ((unsigned)((h) >> 62 & 1))
#define FR_F(h)	     ((unsigned)((h) >> 63))

/* Capability registers of the configurations that most tests use (11.4.2, 11.4.3). */
#define CAP_COMMON                                                                                 \
	(RF(6, 0) | RF(6, 8) | RF(47, 16) | RF(0x22, 24) | RF(3, 34) | RB(39) | RF(7, 40) |        \
	 RF(18, 48) | RB(54) | RB(55))
#define CAP_ALL                                                                                    \
	(RF(6, 0) | RB(4) | RB(5) | RB(6) | RB(7) | RF(0xe, 8) | RF(47, 16) | RB(22) |             \
	 RF(0x22, 24) | RF(3, 34) | RB(39) | RF(7, 40) | RF(27, 48) | RB(54) | RB(55) | RB(56) |   \
	 RB(59) | RB(60) | RB(62) | RB(63))
#define ECAP_BASE (RB(0) | RB(6) | RB(7) | RF(0x10, 8))
/* Queue, interrupts. */
#define ECAP_LEGACY (ECAP_BASE | RB(1) | RB(3) | RB(4) | RF(15, 20))
/* All that this library has: device TLBs, page requests, PASIDs, both stages. */
#define ECAP_ALL                                                                                   \
	(ECAP_LEGACY | RB(2) | RB(26) | RB(29) | RB(31) | RB(33) | RB(34) | RF(19, 35) | RB(40) |  \
	 RB(42) | RB(43) | RB(45) | RB(46) | RB(47) | RB(48) | RB(49) | RB(52) | RB(53) | RB(58))

/* What the unit told its host. */
enum rig_kind {
	RIG_MSI,	/* a: address, b: data */
	RIG_WORK,
	RIG_INVALIDATE, /* a: first, b: last, pasid, detail: flags, c: token */
	RIG_RESPONSE,	/* a, b: private data, pasid, detail: code << 16 | group */
	RIG_UNMAP,	/* a: first, b: last, pasid */
	RIG_MODE,	/* detail */
	RIG_INTERRUPTS, /* a: first, b: last */
	RIG_WRITE,	/* a: gpa, b: bytes */
	RIG_MESSAGE,
	RIG_KINDS,
};

struct rig_event {
	enum rig_kind kind;
	struct viommu_device *device;
	uint64_t a;
	uint64_t b;
	uint64_t c;
	uint32_t pasid;
	uint32_t detail;
	uint32_t watched; /* what rig.watch pointed to at that time */
};

#define RIG_EVENTS 4096U

struct rig_config {
	uint64_t cap; /* 0: CAP_COMMON, ECAP_LEGACY */
	uint64_t ecap;
	uint32_t version;
	uint32_t haw;
	uint32_t budget;      /* limits.queue_budget */
	uint32_t outstanding; /* limits.outstanding */
};

struct rig_device {
	struct rig *rig;
	struct viommu_device *device;
};

struct rig {
	struct viommu_vm *vm;
	struct viommu *iommu;
	uint8_t *ram;
	uint8_t *rom;
	uint64_t free; /* next unused page of RAM */
	uint32_t iotlb; /* offsets of IVA and the fault records, from ECAP and CAP */
	uint32_t frcd;
	struct rig_event event[RIG_EVENTS];
	uint32_t count;
	const uint32_t *watch;
	struct rig_device device[32];
	uint32_t devices;
	struct viommu_channel *channel[32];
	uint32_t channels;
	struct viommu_listener *listener[8];
	uint32_t listeners;
	int invalidate_result; /* what devices answer to an invalidation */
	uint64_t queue;	       /* gpa of the invalidation queue */
	uint64_t queue_bytes;
	uint64_t tail;
	bool wide;
	uint64_t status; /* gpa of a word for wait descriptors */
};

void rig_open(struct rig *r, const struct rig_config *config);
void rig_close(struct rig *r);
/* The unit alone, on the VM and RAM of another: for restoring. r->vm is shared; close it first. */
void rig_open_beside(struct rig *r, const struct rig *other, const struct rig_config *config);

/* A device with all callbacks, a channel of it, a listener (device NULL: of the whole unit). */
struct viommu_device *rig_device(struct rig *r, uint32_t id);
/* A device without callbacks. */
struct viommu_device *rig_plain_device(struct rig *r, uint32_t id);
struct viommu_channel *rig_channel(struct rig *r, struct viommu_device *device, uint32_t pasid);
struct viommu_listener *rig_listener(struct rig *r, struct viommu_device *device);

/* ---- guest memory ---- */

uint64_t rig_alloc(struct rig *r, uint64_t bytes);
uint64_t *rig_at(const struct rig *r, uint64_t gpa);
uint32_t rig_load32(const struct rig *r, uint64_t gpa);

/* ---- registers ---- */

uint64_t rig_read(struct rig *r, uint64_t offset, uint32_t bytes);
uint32_t rig_r32(struct rig *r, uint64_t offset);
uint64_t rig_r64(struct rig *r, uint64_t offset);
/* The result of viommu_reg_write(): VIOMMU_OK or VIOMMU_PENDING. */
int rig_w32(struct rig *r, uint64_t offset, uint32_t value);
int rig_w64(struct rig *r, uint64_t offset, uint64_t value);

/* GCMD as software writes it: GSTS' lasting bits, and these on or off. */
int rig_gcmd(struct rig *r, uint64_t on, uint64_t off);
/* RTADDR, SRTP, and TE if it was not on; all must be done when this returns. */
void rig_root(struct rig *r, uint64_t rtaddr);
/* Programs an event (FECTL, IECTL, PECTL): address, data; unmasked. */
void rig_event_on(struct rig *r, uint32_t control, uint64_t address, uint32_t data);

/* ---- queue ---- */

/* Allocates a queue of 4096 << qs bytes and enables it. */
void rig_queue(struct rig *r, unsigned qs, bool wide);
/* Puts a descriptor at the tail, without telling the unit. */
void rig_push(struct rig *r, uint64_t q0, uint64_t q1);
void rig_push4(struct rig *r, const uint64_t q[4]);
/* Writes IQT. */
int rig_kick(struct rig *r);
/* One descriptor, executed. */
int rig_submit(struct rig *r, uint64_t q0, uint64_t q1);
/* Pushes a wait with status write of `data` to r->status, and kicks. */
int rig_wait(struct rig *r, uint32_t data);
/* Frees the queue from an error: the ring is emptied, IQE and ITE cleared. */
void rig_queue_recover(struct rig *r);

/* ---- requests ---- */

struct rig_answer {
	int result;
	uint64_t gpa;
	uint32_t perm;
	uint32_t reason;
	uint32_t ats;
	uint64_t length;
};

/* One byte. A channel, or a device. */
struct rig_answer rig_dma(struct viommu_channel *channel, uint32_t pasid, uint64_t iova,
			  uint32_t access);
struct rig_answer rig_device_dma(struct viommu_device *device, uint32_t pasid, uint64_t iova,
				 uint32_t access, uint32_t type);

/* ---- the log ---- */

void rig_clear(struct rig *r);
uint32_t rig_count(const struct rig *r, enum rig_kind kind);
/* The nth event of a kind, or NULL. */
const struct rig_event *rig_nth(const struct rig *r, enum rig_kind kind, uint32_t n);
/* Fault record n. */
uint64_t rig_frcd_low(struct rig *r, unsigned n);
uint64_t rig_frcd_high(struct rig *r, unsigned n);
/* Clears every fault record and FSTS. */
void rig_faults_clear(struct rig *r);
/* The reason of the only fault recorded, 0 if there is none; clears it. */
unsigned rig_fault_take(struct rig *r);

/* Prints the row that is being tested when an assertion in it fails. */
extern const char *rig_row;
#define RIG_ROW(name) (rig_row = (name))
#define rig_equal(a, b)                                                                            \
	do {                                                                                       \
		uint64_t rig_a_ = (uint64_t)(a), rig_b_ = (uint64_t)(b);                           \
		if (rig_a_ != rig_b_)                                                              \
			print_error("row \"%s\": %s is %#jx, wanted %#jx\n",                       \
				    rig_row ? rig_row : "-", #a, (uintmax_t)rig_a_,                \
				    (uintmax_t)rig_b_);                                            \
		assert_true(rig_a_ == rig_b_);                                                     \
	} while (0)

#endif
