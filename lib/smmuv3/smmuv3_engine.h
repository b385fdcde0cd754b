/* SPDX-License-Identifier: BSD-3-Clause */
/* smmuv3_engine.h - one SMMUv3: its state, and what its files call of one another. */
#ifndef SMMUV3_ENGINE_H
#define SMMUV3_ENGINE_H

#include <libvirtiommu/smmuv3.h>

#include "completion.h"
#include "regs.h"
#include "ring.h"
#include "smmuv3_spec.h"
#include "unit.h"

/* struct context.key.kind */
enum smmu_kind { SMMU_PASS, SMMU_S1, SMMU_S2, SMMU_NESTED };
#define SMMU_KINDS_S1  (1U << SMMU_S1 | 1U << SMMU_NESTED)
#define SMMU_KINDS_ALL 0xfU

/* struct context.key.group: the VMID, or StreamWorld EL2, which has none */
#define SMMU_GROUP_EL2 0x10000U

/* struct context.key.flags: what else an answer depends on */
#define SMMU_KEY_USER  BIT(0) /* PRIVCFG: all requests are unprivileged */
#define SMMU_KEY_PRIV  BIT(1) /* or privileged */
#define SMMU_KEY_DATA  BIT(2) /* INSTCFG: all reads are of data */
#define SMMU_KEY_INSTR BIT(3) /* or of instructions */
#define SMMU_KEY_SPLIT BIT(4) /* the answer is the intermediate address (EATS 2) */
#define SMMU_KEY_EL2   BIT(5)

/* struct context.flags: properties of the requester; those of the STE are there when its CD could not be had, too */
#define SMMU_CONTEXT_A	   BIT(0) /* CD.A, R and S: what becomes of stage 1 faults */
#define SMMU_CONTEXT_R	   BIT(1)
#define SMMU_CONTEXT_S	   BIT(2)
#define SMMU_CONTEXT_S2R   BIT(3) /* STE.S2R, S2S: the same of stage 2 */
#define SMMU_CONTEXT_S2S   BIT(4)
#define SMMU_CONTEXT_MEV   BIT(5)
#define SMMU_CONTEXT_USER  BIT(6) /* as the key has it */
#define SMMU_CONTEXT_PRIV  BIT(7)
#define SMMU_CONTEXT_DATA  BIT(8)
#define SMMU_CONTEXT_INSTR BIT(9)
#define SMMU_CONTEXT_PASS  BIT(10) /* a translated request that is let through */

/*
 * Why a request was refused, until it is recorded: in q->reason (an event of 7.3, 0: none) and, since a refused request has no
 * other answer, in q->found. @bits: of word 1 of the event, and those below. @address: its word 3.
 */
#define SMMU_FAIL_SILENT BIT(63) /* not recorded */
#define SMMU_FAIL_ABORT	 BIT(62) /* whatever A and S say */
#define SMMU_FAIL_NO_SSV BIT(61) /* C_BAD_SUBSTREAMID of substream 0 */
#define SMMU_FAIL_TREQ	 BIT(60) /* a fact of the configuration: REC_CFG_ATS decides */

static inline int smmu_fail(struct query *q, unsigned event, uint64_t bits, uint64_t address)
{
	q->reason = (uint16_t)event;
	q->found.iova = bits;
	q->found.gpa = address;
	return VIOMMU_FAULT;
}

/* A queue of records, EVENTQ or PRIQ: offsets of its registers, what enables it, and what tells of it. */
struct smmu_queue_at {
	uint32_t base;
	uint32_t prod;
	uint32_t cons;
	uint32_t irq;
	uint32_t words;
	uint64_t enable; /* CR0 */
	uint64_t abort;	 /* GERROR: a record could not be written */
	uint64_t msi_abort;
	uint64_t irq_enable; /* IRQ_CTRL */
	unsigned line;
};

extern const struct smmu_queue_at smmu_eventq, smmu_priq;

enum smmu_recorded { SMMU_RECORDED, SMMU_FULL, SMMU_DROPPED };

/* Tokens of stalled transactions: the number of it, and its STAG. */
#define SMMU_STAG_BITS	16U
#define SMMU_STALLS_MAX BIT(63 - SMMU_STAG_BITS)

/* A transaction that waits for software (3.12.2). */
struct smmu_stall {
	struct smmu_device *device; /* NULL: free */
	uint64_t token;
	uint32_t previous; /* place + 1 in the list of the device; 0: none */
	uint32_t next;	   /* the same; of free ones, too */
};

struct smmu_device {
	struct viommu_device device; /* first */
	/* Under stall_lock. */
	uint32_t stalls; /* place + 1 of the first; 0: none */
	bool waits; /* it has a transaction that could not be recorded: is in the list of those */
	struct smmu_device *next_waiting;
	struct smmu_device *previous_waiting;
};

struct smmu {
	struct viommu unit;
	struct viommu_smmuv3_config config; /* as presented; without pointers */
	unsigned oas;			    /* bits */
	struct regs regs;

	/* Latched by CR0, CR2 and GBPA; read by everyone who translates. */
	_Atomic uint64_t control; /* CR0 | CR2 << 32 */
	_Atomic uint64_t strtab;  /* STRTAB_BASE */
	_Atomic uint64_t strtab_cfg;
	_Atomic uint64_t gbpa;
	_Atomic uint32_t seen; /* SMMU_SEEN_*, since a reset: whom an invalidation may concern */

	/* The thread that owns the registers. */
	struct ring_commands commands;
	unsigned cerror;	  /* what an executed command says is wrong */
	bool unsynced;		  /* invalidations that no SYNC covers yet */
	struct completion sync;	  /* of the SYNC at the head */
	struct deferred deferred; /* bits of CR0ACK and IRQ_CTRLACK, GBPA.Update */
	bool terminate;		  /* stalled transactions are to end: SMMUEN was cleared */

	_Atomic uint32_t timed_out; /* a device did not answer an ATC_INV in time */

	pthread_mutex_t event_lock; /* guards the queues' PROD and CONS, GERROR and GERRORN, and: */
	struct ring_records events;
	struct ring_records pages;
	bool page_last; /* the last request of a group is among those that are being written */
	uint64_t last_event[4]; /* what was recorded last, for MEV */
	uint32_t last_at;	/* and PROD behind it */
	bool has_last;

	pthread_mutex_t stall_lock; /* may be taken with devices_lock; no other is taken with it */
	struct smmu_stall *stalls;
	uint32_t stall_max;
	uint32_t stall_used;  /* those after it were never used */
	uint32_t stall_free;  /* place + 1 */
	uint32_t ending;      /* of the call that has the unit: smmu_stalls_end() */
	uint64_t stall_count; /* tokens given */
	struct smmu_device *waiting;
	struct smmu_device *waking; /* those of them who are being told */
	_Atomic bool wake;	    /* those who wait can ask again */
};

/* A global page: its translations are those of every ASID of a VMID. Two stages, one on the other: an intermediate address is no
 * address of a device's. Noted before anyone is told what is translated so. */
#define SMMU_SEEN_GLOBAL 1U
#define SMMU_SEEN_NESTED 2U

#define SMMU_CONTROL_CR2(control) ((uint32_t)((control) >> 32))

static inline struct smmu *smmu_of(struct viommu *u)
{
	return (struct smmu *)u; /* unit is the first member */
}

static inline struct smmu_device *smmu_device_of(struct viommu_device *device)
{
	return (struct smmu_device *)device;
}

static inline uint64_t smmu_control(const struct smmu *s)
{
	return atomic_load_explicit(&s->control, memory_order_acquire);
}

static inline bool smmu_has_seen(const struct smmu *s, uint32_t what)
{
	return atomic_load(&s->seen) & what;
}

static inline void smmu_note(struct smmu *s, uint32_t what)
{
	if (UNLIKELY(!smmu_has_seen(s, what)))
		atomic_fetch_or(&s->seen, what);
}

/* Whether an address is beyond the output address size. */
static inline bool smmu_above_oas(const struct smmu *s, uint64_t address)
{
	return (address & ~bits_low(s->oas)) != 0;
}

static inline uint64_t smmu_idr(const struct smmu *s, unsigned number)
{
	return s->config.idr[number];
}

/* The access as STE.PRIVCFG and INSTCFG make it. */
static inline unsigned smmu_effective(uint64_t flags, unsigned access)
{
	if (flags & SMMU_CONTEXT_USER)
		access &= ~VIOMMU_PRIV;
	if (flags & SMMU_CONTEXT_PRIV)
		access |= VIOMMU_PRIV;
	if ((flags & SMMU_CONTEXT_DATA) && (access & VIOMMU_EXEC))
		access = (access & ~VIOMMU_EXEC) | VIOMMU_READ;
	if ((flags & SMMU_CONTEXT_INSTR) && (access & VIOMMU_READ))
		access = (access & ~VIOMMU_READ) | VIOMMU_EXEC;
	return access;
}

/* ---- smmuv3_caps.c ---- */
int smmu_check_config(const struct smmu *s, const struct viommu_host *host);
unsigned smmu_address_bits(uint64_t size);

/* ---- smmuv3_regs.c ---- */
int smmu_regs_init(struct smmu *s);
void smmu_guest_write(struct smmu *s, uint64_t offset, uint32_t bytes, uint64_t value);
uint64_t smmu_guest_read(const struct smmu *s, uint64_t offset, uint32_t bytes);
/* Whoever remembers translations is told that all may be otherwise. */
void smmu_tables_changed(struct smmu *s);

/* ---- smmuv3_stream.c: from StreamID to STE ---- */
struct smmu_ste {
	uint64_t word[4];
};
/* Reads the STE, which may be anything. VIOMMU_OK, or VIOMMU_FAULT with what smmu_fail() notes. */
int smmu_ste_fetch(struct smmu *s, struct query *q, struct smmu_ste *ste);
/* Whether it is legal (5.2). */
bool smmu_ste_is_legal(const struct smmu *s, const struct smmu_ste *ste);
static inline unsigned smmu_ste_config(const struct smmu_ste *ste)
{
	return (unsigned)bits_get(ste->word[0], STE0_CONFIG);
}
static inline bool smmu_ste_s1(const struct smmu_ste *ste)
{
	return smmu_ste_config(ste) >= STE_CONFIG_BYPASS &&
	       (smmu_ste_config(ste) & STE_CONFIG_S1_ON);
}
static inline bool smmu_ste_s2(const struct smmu_ste *ste)
{
	return smmu_ste_config(ste) >= STE_CONFIG_BYPASS &&
	       (smmu_ste_config(ste) & STE_CONFIG_S2_ON);
}
/* The tables of stage 2. False: they are not legal. */
bool smmu_ste_stage2(const struct smmu *s, const struct smmu_ste *ste, struct pt_config *config);

/* ---- smmuv3_cd.c: from STE and SubstreamID to stage 1 ---- */
int smmu_cd_parse(struct smmu *s, struct query *q, const struct smmu_ste *ste,
		  struct context *context);

/* ---- smmuv3_context.c ---- */
int smmu_parse(struct viommu *u, struct query *q, struct context *context);
/* While the SMMU is off. */
int smmu_parse_off(struct smmu *s, struct query *q, struct context *context);
/* From an STE that is legal, for an ordinary request. */
int smmu_parse_ste(struct smmu *s, struct query *q, const struct smmu_ste *ste,
		   struct context *context);

/* ---- smmuv3_translate.c ---- */
int smmu_translate(struct viommu *u, struct query *q);

/* ---- smmuv3_miss.c ---- */
miss_fn smmu_miss;
/* The permission of the tables as requests of a context have it. */
uint8_t smmu_fold(const struct context *c, unsigned perm);
/* The largest block around q->iova that is translated to itself. */
void smmu_identity(const struct smmu *s, struct query *q);
/* One walk: q->found, or, refused, why: smmu_fail(). @access: effective */
int smmu_walk(struct smmu *s, struct query *q, const struct context *c, unsigned access);

/* ---- smmuv3_visit.c ---- */
enum pt_visit_end smmu_visit(struct viommu *u, const struct context *context,
			     struct pt_visit *visit);

/* ---- smmuv3_fault.c ---- */
/* Records and answers what smmu_fail() has noted. */
int smmu_fault(struct smmu *s, struct query *q);

/* ---- smmuv3_reason.c ---- */
const char *smmu_reason_text(uint32_t reason);

/* ---- smmuv3_event.c: queues of records, errors and interrupts ---- */
/* Leaves a record. @keep: it is not lost to a full queue (SMMU_FULL: no room, and nobody is told of an overflow).
 * @last: of PRI queue entries */
enum smmu_recorded smmu_record(struct smmu *s, const struct smmu_queue_at *at, const uint64_t *word,
			       bool keep, bool last);
/* An event that may be merged with one like it. */
enum smmu_recorded smmu_record_event(struct smmu *s, const uint64_t word[4], bool keep, bool merge);
void smmu_queues_reset(struct smmu *s, uint64_t enable);
/* Makes an error of GERROR active. Not with event_lock held. */
void smmu_gerror(struct smmu *s, uint64_t error);
/* Whether one is. */
bool smmu_gerror_active(const struct smmu *s, uint64_t error);
/* A message: false: it was aborted. */
bool smmu_message(struct smmu *s, uint64_t address, uint32_t data);

/* ---- smmuv3_command.c ---- */
/* Runs commands, completes; VIOMMU_OK: nothing is left to do, VIOMMU_PENDING. */
int smmu_progress(struct smmu *s);
void smmu_queue_start(struct smmu *s);
void smmu_timed_out(struct viommu *u, struct viommu_device *device);

/* ---- smmuv3_invalidate.c: what commands take away; false: illegal ---- */
enum ring_executed smmu_cfgi(struct smmu *s, unsigned op, const uint64_t *word);
enum ring_executed smmu_tlbi(struct smmu *s, unsigned op, const uint64_t *word);

/* What registers say of such commands. 6.3.9 VMW: so many low bits of VMIDs are not compared. */
struct smmu_tlbi_mode {
	bool e2h;
	uint32_t groups; /* that one command is about: 16 at most */
	uint32_t vmids;	 /* bits of VMIDs that there are */
};
struct smmu_tlbi_mode smmu_tlbi_mode(const struct smmu *s);

/* The same of one that may be in a burst: it is about a single group, and nothing is wrong. @op: of a TLB invalidation */
bool smmu_tlbi_flush(const struct smmu *s, const struct smmu_tlbi_mode *mode, unsigned op,
		     const uint64_t *word, struct domain_flush *flush);

/* ---- smmuv3_stall.c ---- */
int smmu_stalls_init(struct smmu *s);
void smmu_stalls_fini(struct smmu *s);
/* A request stalls: VIOMMU_STALLED with q->token, 0 if its event (words) could not be recorded yet. */
int smmu_stall(struct smmu *s, struct query *q, uint64_t word[4]);
/* 4.6: ends one that was recorded. */
void smmu_resume(struct smmu *s, uint32_t sid, uint32_t stag, uint32_t action);
/* Ends all of a StreamID, or of everyone; false: steps ran out. */
bool smmu_stall_end(struct smmu *s, uint32_t sid);
bool smmu_stalls_end(struct smmu *s);
/* Those who could not be recorded ask again; false: steps ran out. */
bool smmu_stalls_wake(struct smmu *s);
bool smmu_device_failed(struct viommu *u, struct viommu_device *device);
void smmu_device_gone(struct viommu *u, struct viommu_device *device);

/* ---- smmuv3_pri.c ---- */
int smmu_request_page(struct viommu *u, struct viommu_device *device,
		      const struct viommu_page_request *request);
/* 4.6.2; false: illegal */
bool smmu_page_response(struct smmu *s, const uint64_t *word);

/* ---- smmuv3_atos.c ---- */
void smmu_atos_run(struct smmu *s);

/* ---- smmuv3_nesting.c ---- */
uint32_t smmu_nest(struct viommu *u, struct viommu_device *device, uint32_t pasid,
		   struct viommu_nested_stage *stage);
int smmu_report(struct viommu *u, struct viommu_device *device, const uint64_t *record,
		uint32_t words);
/* A command that has been executed, to those who nest. */
void smmu_hand_over(struct smmu *s, unsigned op, const uint64_t *word);

/* ---- smmuv3_state.c ---- */
void smmu_save(struct viommu *u, struct state_writer *state);
int smmu_restore(struct viommu *u, struct state_reader *state);
/* Nothing of before counts. */
void smmu_begin_anew(struct smmu *s);

#endif
