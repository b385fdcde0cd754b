/* SPDX-License-Identifier: BSD-3-Clause */
/* amdvi_engine.h - one AMD IOMMU: its state, and what its files call of one another. */
#ifndef AMDVI_ENGINE_H
#define AMDVI_ENGINE_H

#include <libvirtiommu/amdvi.h>

#include "amdvi_reason.h"
#include "amdvi_spec.h"
#include "completion.h"
#include "irte_cache.h"
#include "regs.h"
#include "ring.h"
#include "seqlock.h"
#include "unit.h"

/* struct context.key.kind */
enum amdvi_kind {
	AMDVI_PASS,   /* addresses are not translated; IR and IW count */
	AMDVI_V1,     /* host tables */
	AMDVI_V2,     /* guest tables */
	AMDVI_NESTED, /* guest tables, on host tables */
	AMDVI_BLOCKED /* nothing but the exclusion range */
};
#define AMDVI_KINDS_HOST  (1U << AMDVI_PASS | 1U << AMDVI_V1 | 1U << AMDVI_BLOCKED)
#define AMDVI_KINDS_GUEST (1U << AMDVI_V2 | 1U << AMDVI_NESTED)

/* struct context.key.flags: what else an answer depends on */
#define AMDVI_KEY_IR	   BIT(0)
#define AMDVI_KEY_IW	   BIT(1)
#define AMDVI_KEY_EXCLUDED BIT(2) /* the exclusion range is not translated */
#define AMDVI_KEY_USER	   BIT(3) /* all requests are user requests */
#define AMDVI_KEY_EXECUTE  BIT(4) /* execute requests are told from reads */

/* struct context.flags: what concerns the requester */
#define AMDVI_CONTEXT_I	     BIT(0) /* translation and translated requests are allowed */
#define AMDVI_CONTEXT_SE     BIT(1)
#define AMDVI_CONTEXT_SA     BIT(2)
#define AMDVI_CONTEXT_V	     BIT(3) /* there is an entry that says something */
#define AMDVI_CONTEXT_IOCTL  BITS(5, 4)
#define AMDVI_CONTEXT_SYSMGT BITS(7, 6)
#define AMDVI_CONTEXT_REASON BITS(15, 8) /* of AMDVI_BLOCKED: why; enum amdvi_reason */

/* The domain of what no entry names one for: none of a guest's. */
#define AMDVI_NO_DOMAIN 0x10000U

/* A message of the IOMMU's own, decided under a lock and sent without. */
struct amdvi_message {
	bool due;
	uint64_t address;
	uint32_t data;
};

/* The MSI capability, wherever it was programmed. */
struct amdvi_msi {
	bool enabled;
	uint64_t address;
	uint32_t data;
	uint32_t messages_lg2;
};

enum amdvi_log { AMDVI_LOG_EVENT, AMDVI_LOG_PPR, AMDVI_LOG_GA, AMDVI_LOGS };

/* A log takes entries while its Run bit is set, and it is not closed. What closes it leaves the bit for the last
 * writer: 0 says that the log is not written any more. */
struct amdvi_log_state {
	struct ring ring; /* since Run rose: the base register does not count until it has fallen */
	struct ring_records records;
	uint32_t
		writers; /* calls that have an entry, until all of it is shown; whatever its generation */
	bool closed; /* switched off, or overflowed */
};

struct amdvi {
	struct viommu unit;
	uint64_t efr;
	uint64_t efr2;
	uint32_t capability;
	uint8_t message[AMDVI_LOGS]; /* MsiNum and friends */
	struct regs regs;
	/* What is read for every request: values in regs. */
	const _Atomic uint64_t *control;
	const _Atomic uint64_t *device_table;

	struct irte_cache irtes; /* invalidated by requester */

	/* A requester had guest tables on host tables since the last reset: until then an invalidation of host tables
	 * concerns nothing but their own addresses. */
	_Atomic bool nests;

	/* The thread that owns the registers. */
	struct ring_commands commands; /* CmdRun says whether they are executed */
	struct completion wait;	       /* of the COMPLETION_WAIT at the head */
	bool unsynced;		       /* something was invalidated, and nobody has waited for it */
	struct deferred deferred;      /* no status bit: the VMM is told */

	/* The first device whose time-out is not logged yet; NULL: there is none. Changed under devices_lock. */
	_Atomic(struct amdvi_device *) late;
	/* Devices that have not done what they were told, where there is no time-out to say so (InvTimeOut 0): nothing is
	 * complete until they are reset. Changed under devices_lock. */
	_Atomic uint32_t unanswered;
	uint32_t resets; /* under devices_lock: what was unanswered before one counts no more */

	/* Guards STATUS, the logs' registers, and: */
	pthread_mutex_t log_lock;
	struct amdvi_log_state log[AMDVI_LOGS];
	struct amdvi_msi msi;
};

struct amdvi_device {
	struct viommu_device device;	/* first */
	_Atomic uint64_t iotlb_command; /* address of the last INVALIDATE_IOTLB_PAGES for it */
	struct amdvi_device *next_late; /* under devices_lock, */
	bool late;			/* in that list */
	uint32_t unanswered; /* under devices_lock: resets + 1 when it did not; 0: never */
	_Atomic uint64_t
		suppressed; /* DTE.SE: generation of contexts + 1 for which a fault was logged */
};

static inline struct amdvi *amdvi_of(struct viommu *u)
{
	return (struct amdvi *)u; /* unit is the first member */
}

static inline struct amdvi_device *amdvi_device_of(struct viommu_device *device)
{
	return (struct amdvi_device *)device; /* the first member */
}

static inline uint64_t amdvi_control(const struct amdvi *v)
{
	return atomic_load_explicit(v->control, memory_order_acquire);
}

static inline bool amdvi_in_window(uint64_t address)
{
	return address >= AMD_WINDOW_FIRST && address <= AMD_WINDOW_LAST;
}

/* 2.1.4: addresses of HyperTransport, unless there are none. */
static inline bool amdvi_has_ht(const struct amdvi *v)
{
	return !(v->efr2 & AMD_EFR2_HT_IGNORE);
}

static inline bool amdvi_in_ht(const struct amdvi *v, uint64_t address)
{
	return amdvi_has_ht(v) && address >= AMD_HT_FIRST && address <= AMD_HT_LAST;
}

/* The access as the tables see it. */
static inline unsigned amdvi_access(const struct context *c, unsigned access)
{
	if (c->key.flags & AMDVI_KEY_USER)
		access &= ~VIOMMU_PRIV;
	if (!(c->key.flags & AMDVI_KEY_EXECUTE) && (access & VIOMMU_EXEC))
		access = (access & ~VIOMMU_EXEC) | VIOMMU_READ;
	return access;
}

#define AMDVI_SPACE_LG2 63U /* half of the address space is a block, too */

/* q->found: the largest block around q->iova that is translated to itself, not yet cut. */
static inline void amdvi_identity(struct query *q, unsigned perm)
{
	uint64_t block = q->iova & ~bits_low(AMDVI_SPACE_LG2);

	q->found = (struct translation){
		.iova = block, .gpa = block, .size_lg2 = AMDVI_SPACE_LG2, .perm = (uint8_t)perm
	};
}

/* ---- amdvi_caps.c ---- */
int amdvi_check_caps(const struct amdvi *v);
/* The miscellaneous information words of the capability block (3.2.5). */
uint32_t amdvi_misc0(const struct amdvi *v);
uint32_t amdvi_misc1(const struct amdvi *v);

/* ---- amdvi_log.c ---- */
/* A log's ring as its base register says, with log_lock held. False: its length is reserved. */
bool amdvi_log_ring(const struct amdvi *v, enum amdvi_log log, struct ring *ring);
/* All of these with log_lock held. The log begins to take entries, or goes on if it has not stopped yet; not while its
 * overflow bit is set, nor with a reserved length. */
void amdvi_log_open(struct amdvi *v, enum amdvi_log log);
/* It takes no more, and stops when nobody writes to it. */
void amdvi_log_close(struct amdvi *v, enum amdvi_log log);
/* All of its registers are other ones. */
void amdvi_log_restart(struct amdvi *v, enum amdvi_log log);
/* Leaves an entry, from any thread. False: the log does not run, or it is full. */
bool amdvi_log_put(struct amdvi *v, enum amdvi_log log, const uint64_t *word);
/* STATUS.ComWaitInt */
void amdvi_completion_interrupt(struct amdvi *v);
/* What a log has in CONTROL, in STATUS, and where its registers are. */
struct amdvi_log_row {
	uint64_t enable;
	uint64_t interrupt_enable;
	uint64_t run;
	uint64_t overflow;
	uint64_t interrupt;
	uint32_t base;
	uint32_t head;
	uint32_t tail;
	uint32_t words;
};
extern const struct amdvi_log_row amdvi_logs[AMDVI_LOGS];

/* ---- amdvi_dte.c ---- */
/* The entry of a requester, as one snapshot. @observer: or NULL. @place: where it probably is, kept up to date. 0, AMDVI_R_DTE_BOUND, AMDVI_R_DTE_FETCH */
unsigned amdvi_dte_load(struct amdvi *v, uint32_t id, const struct pt_observer *observer,
			struct mem_place *place, uint64_t raw[4], uint64_t *gpa);
/* The same of the half that concerns interrupts, words 2 and 3, which guests write in one piece. */
unsigned amdvi_dte_load_interrupts(struct amdvi *v, uint32_t id, const struct pt_observer *observer,
				   uint64_t raw[2], uint64_t *gpa);
/* Whether the half that concerns memory has reserved bits set. */
bool amdvi_dte_reserved(const struct amdvi *v, const uint64_t raw[4]);

/* ---- amdvi_context.c ---- */
int amdvi_parse(struct viommu *u, struct query *q, struct context *context);

/* ---- amdvi_fault.c ---- */
/* Records the fault of a query, unless it is quiet. @at: of a hardware error: what could not be accessed. Returns
 * VIOMMU_FAULT, or VIOMMU_OK for a translation request that is answered without access. */
int amdvi_fault(struct amdvi *v, struct query *q, unsigned reason, uint64_t at);
/* The same of an interrupt. */
void amdvi_fault_interrupt(struct amdvi *v, uint32_t source, unsigned reason, uint64_t address);
/* The same of a command, at an address. */
void amdvi_fault_command(struct amdvi *v, enum amd_event code, uint64_t address);
void amdvi_fault_timeout(struct amdvi *v, uint32_t id, uint64_t address);
void amdvi_fault_page_request(struct amdvi *v, uint32_t id,
			      const struct viommu_page_request *request);

/* ---- amdvi_window.c ---- */
/* A request for an address that is no memory: of interrupts, or of HyperTransport. False: it is translated as any
 * other. */
bool amdvi_special(struct amdvi *v, struct query *q, int *result);

/* ---- amdvi_translate.c ---- */
int amdvi_translate(struct viommu *u, struct query *q);

/* ---- amdvi_miss.c ---- */
miss_fn amdvi_miss;
/* The permission of the tables, as requests of a context have it. */
uint8_t amdvi_fold(const struct context *c, unsigned perm);
/* PERM_* that the entry withholds. */
uint8_t amdvi_denied(const struct context *c);
/* The exclusion range (2.2.4); false: there is none. */
bool amdvi_exclusion(const struct amdvi *v, uint64_t *first, uint64_t *last);
/* Cuts q->found, around q->iova, so that no special address is in it, nor the edge of the exclusion range. */
void amdvi_cut(const struct amdvi *v, const struct context *c, struct query *q);

/* ---- amdvi_visit.c ---- */
enum pt_visit_end amdvi_visit(struct viommu *u, const struct context *context,
			      struct pt_visit *visit);
uint32_t amdvi_mode(struct viommu *u, struct viommu_device *device);

/* ---- amdvi_invalidate.c ---- */
/* Everything may be translated otherwise from now on. */
void amdvi_forget(struct amdvi *v, bool mode);
/* Interrupts, of everyone. */
void amdvi_interrupts_changed(struct amdvi *v);
void amdvi_invalidate_device(struct amdvi *v, uint32_t id);
void amdvi_invalidate_interrupts(struct amdvi *v, uint32_t id);
void amdvi_invalidate_pages(struct amdvi *v, const uint64_t *word);
/* The range of an address with S. */
void amdvi_decode_range(uint64_t word, uint64_t *first, uint64_t *last);

/* ---- amdvi_queue.c ---- */
/* Executes commands; VIOMMU_OK: nothing is left to do, VIOMMU_PENDING. */
int amdvi_progress(struct amdvi *v);
/* The command buffer as its base register says. False: its length is reserved. */
bool amdvi_command_ring(const struct amdvi *v, struct ring *ring);
/* CmdRun rises or falls: commands are taken from the head on, or no more. */
void amdvi_commands_switch(struct amdvi *v, bool on);
void amdvi_timed_out(struct viommu *u, struct viommu_device *device);
bool amdvi_device_failed(struct viommu *u, struct viommu_device *device);
/* A reset or restore: devices owe nothing. */
void amdvi_forget_unanswered(struct amdvi *v);
void amdvi_device_gone(struct viommu *u, struct viommu_device *device);

/* ---- amdvi_regs.c ---- */
int amdvi_regs_init(struct amdvi *v);
/* The MSI registers, if there are any, show what is programmed. With log_lock held. */
void amdvi_show_msi(struct amdvi *v);

/* ---- amdvi_page_request.c ---- */
int amdvi_request_page(struct viommu *u, struct viommu_device *device,
		       const struct viommu_page_request *request);
void amdvi_page_response(struct amdvi *v, const uint64_t *word);

/* ---- amdvi_vapic.c ---- */
/* Stores a guest interrupt, logs or announces it. @entry: guest form. False: the page cannot be updated. */
bool amdvi_vapic_deliver(struct amdvi *v, uint32_t source, const uint64_t entry[2], bool *notify);

/* ---- amdvi_irq.c ---- */
int amdvi_remap_msi(struct viommu *u, uint32_t source, uint64_t address, uint32_t data,
		    uint32_t flags, struct viommu_msi *msi);
int amdvi_explain_msi(struct viommu *u, uint32_t source, uint64_t address, uint32_t data,
		      struct explanation *e, struct viommu_msi *msi);
int amdvi_remap_cached(struct viommu *u, uint32_t source, uint64_t address, uint32_t data,
		       uint32_t flags, struct viommu_msi *msi);

/* ---- amdvi_state.c ---- */
void amdvi_save(struct viommu *u, struct state_writer *state);
int amdvi_restore(struct viommu *u, struct state_reader *state);

#endif
