/* SPDX-License-Identifier: BSD-3-Clause */
/* vtd_engine.h - one VT-d unit: its state, and what its files call of one another. */
#ifndef VTD_ENGINE_H
#define VTD_ENGINE_H

#include <stddef.h>

#include <libvirtiommu/irq.h>
#include <libvirtiommu/vtd.h>

#include "completion.h"
#include "irte_cache.h"
#include "regs.h"
#include "ring.h"
#include "seqlock.h"
#include "unit.h"
#include "vtd_spec.h"

/* struct context.key.kind */
enum vtd_kind { VTD_PASS, VTD_SECOND, VTD_FIRST, VTD_NESTED };
#define VTD_KINDS_ALL	 0xfU
#define VTD_KINDS_FIRST	 (1U << VTD_FIRST | 1U << VTD_NESTED)
#define VTD_KINDS_SECOND (1U << VTD_PASS | 1U << VTD_SECOND)

/* struct context.key.flags: what else an answer depends on */
#define VTD_KEY_RID	      BIT(0) /* requests without PASID: the interrupt window is not translated */
#define VTD_KEY_SUPERVISOR    BIT(1) /* all requests are privileged */
#define VTD_KEY_USER	      BIT(2) /* all requests are user requests */
#define VTD_KEY_NO_SUPERVISOR BIT(3) /* privileged requests are refused (SRE = 0) */
#define VTD_KEY_EXECUTE	      BIT(4) /* execute requests are told from reads (ECAP.ERS) */
#define VTD_KEY_NO_EXECUTE    BIT(5) /* and are refused (ERE = 0) */
#define VTD_KEY_LEGACY	      BIT(6) /* fault reasons are those of legacy mode */
#define VTD_KEY_NO_SNOOP      BIT(7) /* accessed and dirty cannot be recorded (PWSNP = 0) */

/* struct context.flags: what concerns the requester */
#define VTD_CONTEXT_FPD	    BIT(0)
#define VTD_CONTEXT_OWN_FPD BIT(2) /* FPD of the context entry itself */
#define VTD_CONTEXT_DTE	    BIT(1) /* translation and translated requests are allowed */

/* Descriptors that have been executed, and are complete when their sections have closed and their devices
 * have answered. */
struct vtd_sync {
	struct completion completion; /* not started: there are none */
	uint32_t head;		      /* behind the last of them */
	bool last;		      /* the queue has not gone on since */
	bool drain;		      /* page requests, too: begun by a wait with PD */
};

/* A message of the unit's own, decided under a lock and sent without. */
struct vtd_message {
	bool due;
	uint64_t address;
	uint32_t data;
};

struct vtd {
	struct viommu unit;
	uint64_t cap;
	uint64_t ecap;
	uint32_t version;
	unsigned haw;
	/* The same in masks: */
	uint64_t beyond; /* bits of addresses above haw */
	uint64_t
		known_addresses; /* bits of addresses, and of domain ids, that invalidations have */
	uint32_t known_domains;
	uint32_t frcd; /* offsets of the registers that have no fixed place */
	uint32_t iva;
	uint32_t frcds; /* how many */
	struct regs regs;

	/* Latched by SRTP, SIRTP and friends; read by everyone who translates. */
	_Atomic uint64_t root; /* RTADDR; bit 0: TE */
	_Atomic uint64_t irta; /* IRTA; VTD_LATCH_IRE, VTD_LATCH_CFI */

	struct irte_cache irtes; /* known, and invalidated, by index */

	/* The thread that owns the registers. */
	uint64_t gcmd;	    /* state that software asked for */
	uint64_t iva_value; /* IVA is write-only, CCMD in part: what was written to them */
	uint64_t ccmd_value;
	uint64_t iqa;		       /* IQA, latched when the queue was enabled */
	bool queue_on;		       /* QIES, or being drained */
	struct ring_commands commands; /* the queue; IQH shows how much of it is complete */
	bool unsynced; /* invalidations have been processed that sync does not cover */
	struct vtd_sync sync;
	struct deferred deferred; /* status bits of GSTS and of register-based invalidations */

	pthread_mutex_t fault_lock; /* guards FSTS, FECTL, the fault records, and fault_next */
	uint32_t fault_next;
	/* What devices did that is not shown in FSTS yet: source id + 1, or 0. */
	_Atomic uint32_t timed_out;  /* did not answer an invalidation in time */
	_Atomic uint32_t unexpected; /* answered one that nobody asked for */
	/* Guards PQT, PRS, PECTL and those below; guest memory is not accessed with it held. */
	pthread_mutex_t page_lock;
	struct ring_records page_records;
	bool page_last; /* the last request of a group is among those that are being written */
};

#define VTD_ROOT_TE   BIT(0)
#define VTD_LATCH_IRE BIT(5)
#define VTD_LATCH_CFI BIT(6)

static inline struct vtd *vtd_of(struct viommu *u)
{
	return (struct vtd *)u; /* unit is the first member */
}

static inline unsigned vtd_ttm(uint64_t root)
{
	return (unsigned)bits_get(root, VTD_RTADDR_TTM);
}

/* Whether an address is beyond the host address width. */
static inline bool vtd_above_haw(const struct vtd *v, uint64_t address)
{
	return (address & v->beyond) != 0;
}

/* Bits of addresses and domain ids that the unit does not have are ignored in invalidations (11.4.6). */
static inline uint64_t vtd_known_address(const struct vtd *v, uint64_t address)
{
	return address & v->known_addresses;
}

static inline uint32_t vtd_known_domain(const struct vtd *v, uint32_t did)
{
	return did & v->known_domains;
}

/* 3.14 */
static inline bool vtd_in_window(uint64_t address)
{
	return address >= VTD_WINDOW_FIRST && address <= VTD_WINDOW_LAST;
}

/* ---- vtd_caps.c ---- */
int vtd_check_caps(const struct vtd *v);

/* ---- vtd_regs.c ---- */
int vtd_regs_init(struct vtd *v);
/* PMEN.PRS shows what PMEN.EPM asks for when earlier users have left. */
void vtd_defer_protection(struct vtd *v);
/* DMA remapping is off, on, or has other tables: everyone who remembers translations is told. */
void vtd_tables_changed(struct vtd *v);

/* ---- vtd_reason.c ---- */
const char *vtd_reason_text(uint32_t reason);

/* ---- vtd_context.c ---- */
int vtd_parse(struct viommu *u, struct query *q, struct context *context);
/* For a page request: the requester's scalable context entry. VIOMMU_OK, or VIOMMU_FAULT with
 * q->reason. */
int vtd_page_request_allowed(struct vtd *v, struct query *q);

/* ---- vtd_translate.c ---- */
int vtd_translate(struct viommu *u, struct query *q);
/* The permission of the tables, as requests of a context have it: users in the low bits,
 * supervisors above. */
uint8_t vtd_fold(const struct context *c, unsigned perm);
/* q->found: the largest block around q->iova that is translated to itself, not yet cut. */
void vtd_identity(struct query *q, unsigned bits);
/* Cuts q->found so that it touches no protected region; false if the address itself does (11.4.8).
 */
bool vtd_outside_protected(struct vtd *v, struct query *q);
/* From major version 2 on every DMA is checked; before, only what is not translated by page tables.
 */
bool vtd_checks_all(const struct vtd *v);

/* ---- vtd_miss.c ---- */
miss_fn vtd_miss;

/* ---- vtd_visit.c ---- */
enum pt_visit_end vtd_visit(struct viommu *u, const struct context *context,
			    struct pt_visit *visit);

/* ---- vtd_queue.c ---- */
/* Finishes what waits for sections; VIOMMU_OK or VIOMMU_PENDING. */
int vtd_complete(struct vtd *v);
/* The same, and processes descriptors; VIOMMU_OK: nothing is left to do, VIOMMU_PENDING. */
int vtd_progress(struct vtd *v);
void vtd_queue_start(struct vtd *v);
/* The ring that a value of IQA says. */
struct ring vtd_queue_ring(const struct vtd *v, uint64_t iqa);
void vtd_timed_out(struct viommu *u, struct viommu_device *device);
void vtd_unexpected(struct viommu *u, struct viommu_device *device);

/* ---- vtd_invalidate.c: what descriptors and registers ask for; false: undefined, nothing was done
 * ---- */
/* notify_forget(), and the next wait has to wait. */
void vtd_forget(struct vtd *v, bool flush, bool mode);
bool vtd_invalidate_contexts(struct vtd *v, unsigned granularity, uint32_t did, uint32_t sid,
			     unsigned function_mask);
bool vtd_invalidate_iotlb(struct vtd *v, unsigned granularity, uint32_t did, uint64_t address,
			  unsigned am, bool leaf);
bool vtd_invalidate_piotlb(struct vtd *v, unsigned granularity, uint32_t did, uint32_t pasid,
			   uint64_t address, unsigned am, bool leaf);
bool vtd_invalidate_pasids(struct vtd *v, unsigned granularity, uint32_t did, uint32_t pasid);
/* All of the table, or the IRTA latch has changed: cached entries are void, routes are told. */
void vtd_interrupts_changed(struct vtd *v);
bool vtd_invalidate_interrupts(struct vtd *v, bool global, uint32_t index, unsigned im);

/* ---- vtd_fault.c ---- */
/* Records the fault of a query, unless it is quiet or FPD says so. Returns VIOMMU_FAULT. */
int vtd_fault(struct vtd *v, struct query *q, unsigned reason);
void vtd_fault_interrupt(struct vtd *v, uint32_t sid, uint32_t index, unsigned reason, bool fpd);
void vtd_fault_page_request(struct vtd *v, const struct query *q, unsigned reason);
/* Sets FSTS.IQE, ICE or ITE, and raises the fault event. */
void vtd_fault_queue(struct vtd *v, uint64_t fsts);
/* With fault_lock held: FSTS or a record was written by software. */
void vtd_fault_cleared(struct vtd *v);
/* An event control register was written: sends what was pending and is no longer masked. */
void vtd_event_unmasked(struct vtd *v, uint32_t control);
/* With the lock that guards the control register: raise its event. */
struct vtd_message vtd_event_raise(struct vtd *v, uint32_t control);
void vtd_send(struct vtd *v, const struct vtd_message *message);

/* ---- vtd_page_request.c ---- */
int vtd_request_page(struct viommu *u, struct viommu_device *device,
		     const struct viommu_page_request *request);
/* With page_lock held: requests under way belong to a queue that is no more. */
void vtd_page_queue_reset(struct vtd *v);
void vtd_page_response(struct vtd *v, const uint64_t *descriptor, bool wide);

/* ---- vtd_irq.c ---- */
int vtd_remap_msi(struct viommu *u, uint32_t source, uint64_t address, uint32_t data,
		  uint32_t flags, struct viommu_msi *msi);

int vtd_explain_msi(struct viommu *u, uint32_t source, uint64_t address, uint32_t data,
		    struct explanation *e, struct viommu_msi *msi);
int vtd_remap_cached(struct viommu *u, uint32_t source, uint64_t address, uint32_t data,
		     uint32_t flags, struct viommu_msi *msi);

/* ---- vtd_nesting.c ---- */
uint32_t vtd_nest(struct viommu *u, struct viommu_device *device, uint32_t pasid,
		  struct viommu_nested_stage *stage);
int vtd_report(struct viommu *u, struct viommu_device *device, const uint64_t *record,
	       uint32_t words);

/* ---- vtd_state.c ---- */
void vtd_save(struct viommu *u, struct state_writer *state);
int vtd_restore(struct viommu *u, struct state_reader *state);

#endif
