/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lpi.h - the LPIs of a VM: per redistributor what is pending, and a cache of configuration bytes.
 *
 * Whoever delivers takes no lock. A pending bit is one bit of an atomic word; the configuration of
 * an INTID one atomic word that says under which generation it was read.
 */
#ifndef LPI_H
#define LPI_H

#include <libvirtiommu/its.h>

#include "its_spec.h"
#include "regs.h"
#include "unit.h"

/* struct lpi_cpu.latch: EnableLPIs and PROPBASER, as they are used */
#define LPI_LATCH_BITS	  BITS(4, 0) /* of an INTID; 0: none is an LPI */
#define LPI_LATCH_ADDRESS GICR_PROPBASER_ADDRESS
#define LPI_LATCH_ON	  BIT(63)

/* What a redistributor still has to do. */
enum lpi_task { LPI_IDLE, LPI_REREAD /* tell of what is pending, its configuration read again */ };

/* What its VLPI frame does: tell of all that is pending for a vPE that has become resident; see whether
 * anything is for one that no longer is. */
enum vpe_task { VPE_IDLE, VPE_ARRIVING, VPE_LEAVING };

struct lpis;

struct lpi_cpu {
	/* Read by everyone who delivers. */
	_Atomic uint64_t latch;
	_Atomic uint64_t *pending; /* by INTID, 64 to a word */
	/* The thread that has the unit. */
	struct lpis *lpis;
	struct regs regs;
	uint64_t table; /* PENDBASER, as it was when EnableLPIs became 1 */
	bool ptz;
	uint64_t half; /* upper half of a register that acts, written before the lower */
	bool changed;  /* the task tells of changes only */
	enum lpi_task task;
	uint32_t word; /* where the task goes on */
	/* VLPI frame */
	enum vpe_task vpe_task;
	uint32_t vpe_word;
	uint32_t vpe;	  /* resident, or leaving: vPEID + 1; 0: none */
	bool vpe_pending; /* the one that leaves has something */
};

/* struct lpis.config: one word an INTID. The byte outlives its generation: it is what the lpi callback has
 * been told under. */
#define LPI_ENTRY_BYTE	     BITS(7, 0)
#define LPI_ENTRY_COUNT	     BITS(15, 8) /* so that a word that was changed and changed back differs */
#define LPI_ENTRY_GENERATION BITS(63, 16) /* 0: never read; too many to begin again */

/* A virtual processor; lpi_virtual.c. */
struct vpe {
	/* Read by everyone who delivers. */
	_Atomic uint64_t its;	   /* bit n: mapped by the ITS with that number */
	_Atomic uint64_t held;	   /* the same, or it still delivers of when it did */
	_Atomic uint32_t cpu;	   /* its redistributor */
	_Atomic uint32_t resident; /* on this redistributor + 1 */
	_Atomic uint64_t vpt;	   /* VPT address | bits of a vINTID */
	_Atomic uint64_t vconf;	   /* 4.1: configuration table */
	_Atomic uint32_t doorbell; /* 4.1: default doorbell */
	_Atomic uint32_t
		ring; /* 4.1: it was asked for when the vPE was descheduled, and has not rung */
	_Atomic uint32_t sgi;		     /* 4.1: pending virtual SGIs */
	_Atomic uint32_t sgi_config[16];     /* LPI_CONFIG_ENABLE, priority, VPE_SGI_GROUP */
	_Atomic(_Atomic uint64_t *) pending; /* once it was mapped */
};
#define VPE_VPT_BITS	BITS(4, 0)
#define VPE_VPT_ADDRESS BITS(51, 16)
#define VPE_VPT_SGIS	BITS(15, 0) /* of the VPT's first word */
#define VPE_SGI_GROUP	BIT(1)

struct lpis {
	struct viommu unit;
	uint32_t flags;
	uint32_t cpus;
	uint32_t bits; /* of an INTID */
	uint32_t vpes;
	uint64_t rd_base;
	uint64_t rd_stride;
	void *opaque;
	void (*lpi)(void *opaque, uint32_t cpu, uint32_t intid, uint32_t priority,
		    uint32_t pending);
	void (*vlpi)(void *opaque, uint32_t cpu, uint32_t vpe, uint32_t intid, uint32_t priority,
		     uint32_t pending);
	/* While it is recorded: the host's, and ours are above. */
	void *opaque_of_host;
	void (*lpi_of_host)(void *opaque, uint32_t cpu, uint32_t intid, uint32_t priority,
			    uint32_t pending);
	void (*vlpi_of_host)(void *opaque, uint32_t cpu, uint32_t vpe, uint32_t intid,
			     uint32_t priority, uint32_t pending);
	struct lpi_cpu *cpu;
	uint32_t tasks; /* redistributors that have one; the thread that has the unit */
	struct vpe *vpe;
	_Atomic uint64_t *config;    /* by INTID - 8192 */
	_Atomic uint64_t generation; /* of config: not 0 */
	uint64_t its; /* bit n: an ITS with that number exists; under unit.devices_lock */
};

extern const struct engine lpis_engine;

/* its_record.c: of who is recorded (recorder.h) */
struct record_event;
void lpis_record_headers(struct viommu *u, struct record_text *text);
void lpis_record_acknowledge(struct record_event *event, const char *name, uint32_t at,
			     uint32_t intid, int result);
void lpis_record_callbacks(struct lpis *l, bool on);

static inline struct lpis *lpis_of(struct viommu *u)
{
	return (struct lpis *)u; /* unit is the first member */
}

static inline uint32_t lpi_words(const struct lpis *l)
{
	return UINT32_C(1) << (l->bits - 6);
}

/* Whether there is such an LPI in this VM. */
static inline bool lpi_exists(const struct lpis *l, uint64_t intid)
{
	return intid >= ITS_FIRST_LPI && intid >> l->bits == 0;
}

/* Whether a redistributor has it now: EnableLPIs (a latch of 0 has none), PROPBASER.IDbits. */
static inline bool lpi_in(uint64_t latch, uint32_t intid)
{
	return intid >= ITS_FIRST_LPI && intid >> bits_get(latch, LPI_LATCH_BITS) == 0;
}

static inline struct lpi_cpu *lpi_cpu_at(const struct lpis *l, uint32_t cpu)
{
	return &l->cpu[bits_clamp_index(cpu, l->cpus)];
}

/* Of an engine that has no devices: only queue_budget and steps are the caller's. */
int lpi_take_limits(struct viommu_limits *limits, const struct viommu_limits *given);

/* ---- lpi_pending.c ---- */

/* Makes an LPI pending; 0, or VIOMMU_ITS_REASON_LPI_OFF or VIOMMU_ITS_ERROR_PHYSICALID_OOR. From any
 * thread, in a section. */
unsigned lpi_deliver(struct lpis *l, uint32_t cpu, uint32_t intid);
void lpi_clear(struct lpis *l, uint32_t cpu, uint32_t intid);
/* If it is pending at @from, and @to has it. It is lost by neither. */
void lpi_move(struct lpis *l, uint32_t from, uint32_t to, uint32_t intid);
/* Words of pending bits, and how many steps one bit costs. */
struct lpi_bits {
	const _Atomic uint64_t *pending; /* NULL: nothing is */
	uint32_t words;
	uint32_t cost;
};
/* Calls @each for what is pending until it says false. True: done; false: steps ran out, *word says where
 * to go on. */
bool lpi_for_pending(struct viommu *payer, const struct lpi_bits *bits, uint32_t *word,
		     bool (*each)(void *what, uint32_t intid), void *what);
/* Every LPI; as lpi_for_pending(). */
bool lpi_move_all(struct viommu *payer, struct lpis *l, uint32_t from, uint32_t to, uint32_t *word);
/* The configuration byte is read again. */
void lpi_invalidate(struct lpis *l, uint32_t cpu, uint32_t intid);
/* No configuration byte is known any more. */
void lpi_forget(struct lpis *l);
/* The bytes of what is pending are read again; as lpi_for_pending(). @all: tells also of what has not
 * changed. */
bool lpi_reread(struct viommu *payer, struct lpis *l, uint32_t cpu, bool all, uint32_t *word);
static inline bool lpi_is_pending(const struct lpi_cpu *cpu, uint32_t intid)
{
	return atomic_load_explicit(&cpu->pending[intid / 64], memory_order_relaxed) &
	       BIT(intid % 64);
}

/* ---- lpi_tables.c: pending tables in guest memory ---- */

/* Adds what memory says to @pending. */
void lpi_table_read(struct lpis *l, uint64_t table, unsigned bits, _Atomic uint64_t *pending);
/* Words that differ are written; false: memory cannot be accessed. @pending: NULL: nothing is. @drain: each
 * word is 0 afterwards: a bit is written, or still there */
bool lpi_table_write(struct lpis *l, uint64_t table, unsigned bits, _Atomic uint64_t *pending,
		     bool drain);

/* ---- lpi_regs.c ---- */
/* Everything as after a reset. */
void lpi_drop(struct lpis *l);
int lpi_regs_init(struct lpis *l, uint32_t cpu);
/* What tasks have left; VIOMMU_OK or VIOMMU_PENDING. */
int lpi_progress(struct lpis *l);
/* After a restore, with EnableLPIs: what is pending is told. */
void lpi_resume(struct lpi_cpu *cpu);

/* ---- lpi_state.c ---- */
void lpi_save(struct viommu *u, struct state_writer *state);
int lpi_restore(struct viommu *u, struct state_reader *state);

#endif
