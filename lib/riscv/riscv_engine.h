/* SPDX-License-Identifier: BSD-3-Clause */
/* riscv_engine.h - one RISC-V IOMMU: its state, and what its files call of one another. */
#ifndef RISCV_ENGINE_H
#define RISCV_ENGINE_H

#include <libvirtiommu/riscv.h>

#include "completion.h"
#include "regs.h"
#include "ring.h"
#include "riscv_spec.h"
#include "unit.h"

/* struct context.key.kind: which stages there are */
enum riscv_kind { RISCV_PASS, RISCV_FIRST, RISCV_SECOND, RISCV_NESTED };
#define RISCV_KINDS_FIRST  (1U << RISCV_FIRST | 1U << RISCV_NESTED)
#define RISCV_KINDS_SECOND (1U << RISCV_SECOND)

/* struct context.key.group of requesters without second stage; of others it is their GSCID */
#define RISCV_HOST UINT32_C(0x10000)

/* struct context.key.flags: what else an answer depends on */
#define RISCV_KEY_USER	  BIT(0) /* no request is privileged */
#define RISCV_KEY_PROCESS BIT(1) /* a process context was found, and */
#define RISCV_KEY_ENS	  BIT(2) /* it lets privileged requests in */
#define RISCV_KEY_SXL	  BIT(3) /* addresses are of 32 bits, the guest's of 34 */
#define RISCV_KEY_MSI	  BIT(4) /* key.upper has mask and pattern of virtual interrupt files */
#define RISCV_KEY_GPA                                                                              \
	BIT(5) /* translation requests are answered with the guest's addresses (T2GPA) */

/* struct context.flags: what concerns the requester; and where its MSI page table is, which is not cached */
#define RISCV_CONTEXT_DTF BIT(0)
#define RISCV_CONTEXT_MSI BITS(55, 12)

/* Pages of the guest's that are virtual interrupt files. In the key, as the tables of an upper half that is not used. */
struct riscv_files {
	uint64_t mask;
	uint64_t pattern;
};
static_assert(sizeof(struct riscv_files) == sizeof(struct pt_config), "in its place");

/* What a lane (struct query.lane) may still count before it asks again: nobody else's channel writes there. */
struct riscv_lane {
	_Alignas(64) _Atomic uint64_t left[RISCV_COUNTERS];
};

#define RISCV_LANES (1 + CHANNEL_LANES)

/* 6.19 to 6.23; riscv_hpm.c */
struct riscv_hpm {
	_Atomic uint32_t on; /* bit n: counter n counts something */
	_Atomic uint64_t event[RISCV_COUNTERS];
	struct riscv_lane *lanes;	/* RISCV_LANES; NULL: there are no counters */
	pthread_mutex_t lock;		/* guards given and lent, and what adds to left */
	uint64_t given[RISCV_COUNTERS]; /* what has been counted, and what lanes may still count */
	uint32_t lent;			/* bit n: some lane may */
	uint64_t cycles;		/* of the call that has the unit: until */
	uint64_t since;			/* this time, or 0 */
};

struct riscv {
	struct viommu unit;
	struct viommu_riscv_config config; /* defaults filled in */
	uint64_t cap;
	unsigned pas;
	uint64_t pages_reserved; /* of msi_addr_mask and msi_addr_pattern */
	struct regs regs;

	_Atomic uint64_t ddtp; /* what translations go by */

	/* The call that has the unit. */
	struct ring_commands commands;
	struct completion sync; /* of the fence at the head; epoch 0: not begun */
	bool unsynced;		/* something was invalidated since the last fence */
	struct deferred deferred;
	struct riscv_hpm hpm;

	/* An ATS invalidation was not answered in time, and no fence has said so. */
	_Atomic bool timed_out;

	/* Guards the registers of fault and page-request queue, ipsr, icvec, msi_cfg_tbl and: */
	pthread_mutex_t lock;
	struct ring_records faults;
	struct ring_records requests;
	uint32_t due; /* vectors whose message is to be sent */
};

static inline struct riscv *riscv_of(struct viommu *u)
{
	return (struct riscv *)u; /* unit is the first member */
}

static inline uint64_t riscv_fctl(const struct riscv *v)
{
	return regs_get(&v->regs, RISCV_FCTL);
}

static inline bool riscv_beyond(const struct riscv *v, uint64_t address)
{
	return (address & ~bits_low(v->pas)) != 0;
}

static inline struct riscv_files riscv_files_of(const struct domain_key *key)
{
	struct riscv_files files;

	memcpy(&files, &key->upper, sizeof(files));
	return files;
}

/* Whether a request is one of a supervisor (2.3): only those of processes are. */
static inline bool riscv_is_canonical(const struct context *c, uint64_t iova)
{
	unsigned unused = 64 - c->key.stage1.in_bits;

	return (uint64_t)((int64_t)(iova << unused) >> unused) == iova;
}

static inline bool riscv_privileged(const struct query *q)
{
	return q->pasid != VIOMMU_NO_PASID && (q->access & VIOMMU_PRIV);
}

/* Says to q->observer what was read. */
static inline void riscv_saw(const struct query *q, const char *what, uint64_t gpa,
			     const uint64_t *raw, unsigned words)
{
	if (q->observer)
		q->observer->saw(q->observer->opaque, what, PT_LEVELS, gpa, raw, words);
}

/* A context is refused. Nothing was found: iotval2 is there until riscv_translate() takes it. */
static inline int riscv_refuse(struct query *q, unsigned cause, uint64_t iotval2)
{
	q->reason = (uint16_t)cause;
	q->found.gpa = iotval2;
	return VIOMMU_FAULT;
}

static_assert(RISCV_FAULT_GUEST_WRITE - RISCV_FAULT_GUEST_READ ==
			      RISCV_FAULT_PAGE_WRITE - RISCV_FAULT_PAGE_READ &&
		      RISCV_FAULT_ACCESS_WRITE - RISCV_FAULT_ACCESS_READ ==
			      RISCV_FAULT_PAGE_WRITE - RISCV_FAULT_PAGE_READ &&
		      RISCV_FAULT_PAGE_EXEC == RISCV_FAULT_PAGE_READ - 1 &&
		      RISCV_FAULT_GUEST_EXEC == RISCV_FAULT_GUEST_READ - 1,
	      "3.2, table of causes");

/* Cause of a fault by what was asked. @base: that of reads */
static inline unsigned riscv_cause(const struct query *q, unsigned base)
{
	if (q->type != VIOMMU_AT_TRANSLATION && (q->access & VIOMMU_WRITE))
		return base + (RISCV_FAULT_PAGE_WRITE - RISCV_FAULT_PAGE_READ);
	if (!(q->access & VIOMMU_EXEC))
		return base;
	return base == RISCV_FAULT_ACCESS_READ ? RISCV_FAULT_ACCESS_EXEC : base - 1;
}

/* ---- riscv_caps.c ---- */
int riscv_check_config(struct riscv *v);
uint64_t riscv_fctl_writable(const struct riscv *v);
uint64_t riscv_fctl_reset(const struct riscv *v);
/* Whether a first stage may have this mode. */
bool riscv_first_mode(const struct riscv *v, uint64_t satp, bool sxl);

/* ---- riscv_regs.c ---- */
int riscv_regs_init(struct riscv *v);
/* Everything may be translated otherwise from now on. */
void riscv_begin(struct riscv *v);
/* What waits for sections, and commands. VIOMMU_OK or VIOMMU_PENDING. */
int riscv_progress(struct riscv *v);

/* ---- riscv_ring.c ---- */
/* The ring that a base register says, and how many entries it has. */
struct ring riscv_ring(const struct riscv *v, uint32_t base, uint32_t words);
unsigned riscv_ring_lg2(const struct riscv *v, uint32_t base);

/* ---- riscv_event.c ---- */
/* With the lock: a condition of interrupts has come about. riscv_tell() follows, without it. */
void riscv_raise(struct riscv *v, uint64_t ipsr);
/* With the lock: those of @ipsr whose condition is a level, and holds. */
void riscv_raise_levels(struct riscv *v, uint64_t ipsr);
void riscv_tell(struct riscv *v);
/* A command queue condition, from the call that has the unit. */
void riscv_command_condition(struct riscv *v, uint64_t cqcsr);
uint64_t riscv_lines(struct viommu *u);
/* Leaves a fault record, and tells of it; or drops it. */
void riscv_record(struct riscv *v, const uint64_t word[4]);

/* ---- riscv_context.c ---- */
int riscv_parse(struct viommu *u, struct query *q, struct context *context);
/* 2.3, steps 1 to 6: the device context of a request. VIOMMU_OK, or VIOMMU_FAULT with q->reason. */
int riscv_find_device(struct riscv *v, struct query *q, uint64_t dc[RISCV_DC_WORDS]);
/* Step 7: what the device context refuses. */
bool riscv_disallowed(const struct query *q, const uint64_t dc[RISCV_DC_WORDS]);
struct pt_config riscv_first_stage(const struct riscv *v, uint64_t satp, const uint64_t *dc,
				   bool sum);

/* ---- riscv_process.c ---- */
int riscv_find_process(struct riscv *v, struct query *q, const uint64_t *dc,
		       const struct pt_config *stage2, uint32_t process, uint64_t pc[2]);

/* ---- riscv_translate.c ---- */
int riscv_translate(struct viommu *u, struct query *q);

/* ---- riscv_miss.c ---- */
miss_fn riscv_miss;
/* The same once the context is known. */
int riscv_translate_in(struct riscv *v, struct query *q);
/* The permission of the tables as requests of a context have it. */
uint8_t riscv_fold(const struct context *c, unsigned perm);
void riscv_identity(struct translation *found, uint64_t iova);

/* ---- riscv_second.c: from an address of the guest's to memory ---- */
enum riscv_end { RISCV_THERE, RISCV_REFUSED, RISCV_MRIF };

struct riscv_second {
	/* in */
	const struct context *context;
	const struct query *query;
	struct mem_place *place;
	uint64_t gpa;
	uint8_t need; /* PERM_*, as of struct pt_walk */
	uint8_t dirty;
	bool quiet;
	/* out */
	struct translation
		found; /* THERE: around gpa. MRIF: iova the file, gpa the notice and its number in the low bits */
	unsigned cause; /* REFUSED */
	uint64_t iotval2;
	struct pt_walk walk; /* of the second stage, if it was walked */
	bool file;	     /* a virtual interrupt file: found is not to be cached */
};
enum riscv_end riscv_second(struct riscv *v, struct riscv_second *s);

/* ---- riscv_msi.c ---- */
bool riscv_is_file(const struct context *c, uint64_t gpa);
/* Makes a block around gpa, which is no file, so small that it has none. */
void riscv_avoid_files(const struct context *c, struct translation *block, uint64_t gpa,
		       uint64_t iova);
enum riscv_end riscv_msi_page(struct riscv *v, struct riscv_second *s);
int riscv_interrupt(struct viommu *u, struct query *q, uint32_t data, bool resolve,
		    struct viommu_msi *msi);

/* ---- riscv_visit.c ---- */
enum pt_visit_end riscv_visit(struct viommu *u, const struct context *context,
			      struct pt_visit *visit);

/* ---- riscv_queue.c ---- */
/* VIOMMU_OK: nothing is left to do, VIOMMU_PENDING. */
int riscv_queue_run(struct riscv *v);
void riscv_queue_start(struct riscv *v);
void riscv_timed_out(struct viommu *u, struct viommu_device *device);

/* ---- riscv_invalidate.c ---- */
/* What IOTINVAL forgets; false: of every virtual machine. */
void riscv_flush_first(const uint64_t *command, struct domain_flush *flush);
bool riscv_flush_second(const uint64_t *command, struct domain_flush *flush);
void riscv_invalidate_first(struct riscv *v, const uint64_t *command);
void riscv_invalidate_second(struct riscv *v, const uint64_t *command);
void riscv_invalidate_device(struct riscv *v, uint32_t id);
void riscv_invalidate_devices(struct riscv *v);

/* ---- riscv_fault.c ---- */
/* Records the fault of a query, unless it is quiet or DTF says so. What the request is answered. */
int riscv_fault(struct riscv *v, struct query *q, unsigned cause, uint64_t iotval2);
void riscv_fault_message(struct riscv *v, const struct query *q, unsigned cause);

/* ---- riscv_page_request.c ---- */
int riscv_request_page(struct viommu *u, struct viommu_device *device,
		       const struct viommu_page_request *request);
void riscv_page_response(struct riscv *v, const uint64_t *command);

/* ---- riscv_hpm.c ---- */
void riscv_count(struct riscv *v, const struct query *q, const struct context *c,
		 enum riscv_event event);
/* A counter, its event, or what is inhibited was written: whether anything counts. */
void riscv_hpm_changed(struct riscv *v);
void riscv_hpm_written(struct riscv *v, uint32_t offset);
bool riscv_hpm_init(struct riscv *v);
void riscv_hpm_fini(struct riscv *v);
/* Before a register is read or written: it shows what has been counted. RISCV_REGISTERS: all of them. */
void riscv_hpm_show(struct riscv *v, uint64_t offset);
void riscv_hpm_restart(struct riscv *v);

/* ---- riscv_debug.c ---- */
void riscv_debug(struct riscv *v);

/* ---- riscv_reason.c ---- */
const char *riscv_reason_text(uint32_t reason);

/* ---- riscv_state.c ---- */
void riscv_save(struct viommu *u, struct state_writer *state);
int riscv_restore(struct viommu *u, struct state_reader *state);

#endif
