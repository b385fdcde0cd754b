/* SPDX-License-Identifier: BSD-3-Clause */
/* its_engine.h - one ITS: its state, and what its files call of one another. */
#ifndef ITS_ENGINE_H
#define ITS_ENGINE_H

#include "completion.h"
#include "lpi.h"
#include "lpi_virtual.h"
#include "ring.h"

/*
 * A mapped device in one word: where its events are in the pool, how many bits an EventID has, and a
 * number that is never used twice, so that whoever has read an event can see that it was this device's.
 */
#define DEVICE_BITS	   BITS(4, 0)
#define DEVICE_BLOCK	   BITS(20, 5)	/* of ITS_BLOCK events */
#define DEVICE_INCARNATION BITS(63, 21) /* not 0 */
#define ITS_BLOCK	   16U

/* A mapped event in one word; 0: not mapped. INTIDs and doorbells have at most 20 bits. */
#define EVENT_VALID    BIT(0)
#define EVENT_VIRTUAL  BIT(1)
#define EVENT_INTID    BITS(21, 2)
#define EVENT_TARGET   BITS(37, 22) /* ICID or vPEID */
#define EVENT_DOORBELL BITS(57, 38) /* virtual */

/* Whose a block of the pool is, if it is used. */
struct its_owner {
	uint64_t itt; /* address that the guest gave */
	uint32_t device;
	uint32_t first; /* its first block */
};

/* The command that is executed, or waits. */
struct its_current {
	const uint64_t *word; /* what was read of it */
	uint32_t phase;	      /* of the command */
	uint32_t at;	      /* where a phase goes on */
	struct completion completion;
	uint64_t event; /* MOVI, DISCARD, VMOVI: what the event was */
	uint32_t from;	/* redistributor or vPE that it was at */
	uint32_t to;	/* and is now; ITS_NOBODY */
};
#define ITS_NOBODY UINT32_MAX

struct its {
	struct viommu unit;
	struct lpis *lpis;
	uint32_t number; /* in lpis->its and vpe->its */
	uint64_t typer;
	uint64_t translater;
	unsigned device_bits;
	unsigned event_bits;
	unsigned collection_bits;
	uint32_t devices;		 /* cap */
	uint32_t blocks;		 /* of the pool */
	struct viommu_its_config config; /* as presented */
	struct regs regs;

	/* Read by everyone who translates. */
	_Atomic uint32_t on;
	_Atomic uint64_t *device;     /* by DeviceID: DEVICE_* */
	_Atomic uint64_t *event;      /* the pool: EVENT_* */
	_Atomic uint32_t *collection; /* by ICID: redistributor + 1 */

	/* The thread that has the unit. */
	struct its_owner *owner; /* by block */
	uint64_t *used;		 /* blocks, 64 to a word */
	uint32_t used_blocks;
	uint32_t device_count;
	uint64_t incarnations;
	struct ring_commands commands;
	struct its_current current;
	bool unsynced; /* something was taken away since the last SYNC */
	struct completion
		quiet;	    /* of what there was before Enabled became 0, a reset, or a restore */
	uint64_t quiescing; /* ITS_QUIESCING_*: why that is waited for */
	bool dropping;	    /* BASER2 lost Valid: vPEs are unmapped, from this one on */
	uint32_t drop_vpe;
	uint64_t sgir; /* upper half of GITS_SGIR, written before the lower */

	pthread_mutex_t umsi_lock; /* guards UMSIR, and bits of STATUSR being set */
};

#define ITS_QUIESCING_OFF  BIT(0)
#define ITS_QUIESCING_ANEW BIT(1)

extern const struct engine its_engine;

static inline struct its *its_of(struct viommu *u)
{
	return (struct its *)u; /* unit is the first member */
}

static inline bool its_used(const struct its *its, uint32_t block)
{
	return its->used[block / 64] & BIT(block % 64);
}

static inline uint32_t device_events(uint64_t device)
{
	return UINT32_C(1) << bits_get(device, DEVICE_BITS);
}

/* ---- its_regs.c ---- */
int its_regs_init(struct its *its, uint32_t iidr, uint32_t number);
/* What the queue and completions have left; VIOMMU_OK or VIOMMU_PENDING. */
int its_progress(struct its *its);

/* ---- its_tables.c: devices, collections ---- */

/* Whether the guest's table @n (device, collection, vPE) has an entry for an id; *failed: memory
 * could not be read. */
bool its_table_has(struct its *its, unsigned n, uint64_t id, bool *failed);
bool its_device_in_range(struct its *its, uint64_t device, bool *failed);
bool its_collection_in_range(struct its *its, uint64_t icid, bool *failed);
/* Where the entry of an id is; false: nowhere. */
bool its_table_entry(struct its *its, unsigned n, uint64_t id, uint64_t *gpa, bool *failed);

void its_drop_devices(struct its *its);
void its_drop_collections(struct its *its);
/* 0, or the reason: the device, and the word of an event, which is not checked to be valid. */
_Atomic uint64_t *its_event(const struct its *its, uint64_t device, uint64_t event,
			    unsigned *reason);
/* The word of a device, whose number the caller has checked. */
static inline _Atomic uint64_t *its_device_word(const struct its *its, uint32_t device)
{
	return &its->device[bits_wrap_index(device, UINT64_C(1) << its->device_bits)];
}

static inline uint64_t its_device(const struct its *its, uint32_t device)
{
	return atomic_load_explicit(its_device_word(its, device), memory_order_relaxed);
}
/* The word of a collection, whose number the caller has checked. */
static inline _Atomic uint32_t *its_collection_word(const struct its *its, uint64_t icid)
{
	return &its->collection[bits_wrap_index(icid, UINT64_C(1) << its->collection_bits)];
}
/* The redistributor of a collection, or ITS_NOBODY. */
static inline uint32_t its_target(const struct its *its, uint64_t icid)
{
	return atomic_load_explicit(its_collection_word(its, icid), memory_order_acquire) - 1;
}
/* The redistributor that an RDbase names, or ITS_NOBODY. */
uint32_t its_rdbase(const struct its *its, uint64_t field);

/* ---- its_pool.c: where the events of devices are ---- */

/* Whether the caps allow it. */
bool its_device_fits(const struct its *its, uint32_t device, unsigned bits);
/* The events of a device that fits and is not mapped, all unmapped. False: steps ran out, call again.
 * @payer: NULL: nobody */
bool its_map_device(struct its *its, struct viommu *payer, uint32_t device, unsigned bits,
		    uint64_t itt);
void its_unmap_device(struct its *its, uint32_t device);

/* ---- its_parts.c ---- */
static inline uint64_t its_device_of(const struct its_current *c)
{
	return bits_get(c->word[0], ITS_0_DEVICE);
}

static inline uint64_t its_event_of(const struct its_current *c)
{
	return bits_get(c->word[1], ITS_1_EVENT);
}

/* Memory could not be read: CREADR.Stalled. */
enum ring_executed its_stall(struct its *its);
/* Sections that were open when this was first asked have closed. */
bool its_passed(struct its *its);
enum ring_executed its_refuse(struct its *its, unsigned command, unsigned reason);
/* DONE, or the command's end: refused with a reason, or because memory failed. */
enum ring_executed its_check(struct its *its, bool ok, bool failed, unsigned command,
			     unsigned reason);
/* Listeners: events of a device may have changed. */
void its_tell(struct its *its, uint32_t device, uint32_t first, uint32_t last);
/* The same for every event of a collection or a vPE, from block current.at on. */
enum ring_executed its_tell_target(struct its *its, struct its_current *c, bool virtual,
				   uint64_t target);
bool its_look_up(struct its *its, unsigned command, _Atomic uint64_t **at, uint64_t *event,
		 enum ring_executed *end);
_Atomic uint64_t *its_event_to_map(struct its *its, unsigned command, unsigned reason_between,
				   enum ring_executed *end);
void its_set_event(struct its *its, _Atomic uint64_t *at, uint64_t event);
void its_clear_at(struct its *its, uint64_t event, uint32_t place);
/* The last phase of what takes an event away: when nobody delivers it any more. */
enum ring_executed its_settle_pending(struct its *its, const struct its_current *c);
/* When nobody delivers @event any more, its pending bit goes from @from to @to. */
enum ring_executed its_take_away(struct its *its, uint64_t event, uint32_t from, uint32_t to);
enum ring_executed its_sync(struct its *its, struct its_current *c);
/* Nothing is mapped, enabled or under way; listeners are told. */
void its_drop(struct its *its);

/* ---- its_queue.c ---- */
/* VIOMMU_OK: nothing is left to do, VIOMMU_PENDING. */
int its_queue_run(struct its *its);
uint64_t its_queue_bytes(const struct its *its);

/* ---- its_command.c ---- */
/* For ring_run(). */
enum ring_executed its_execute(struct viommu *u, const uint64_t *word);
/* Whether a command under way can be what a saved state says; @event: c->event can be one */
bool its_current_possible(const struct its *its, bool event, const struct its_current *c);

/* ---- its_reason.c ---- */
const char *its_reason_text(uint32_t reason);

/* ---- its_gicv4.c ---- */
enum ring_executed its_vmovi(struct its *its, struct its_current *c);
enum ring_executed its_vmovp(struct its *its, struct its_current *c);
enum ring_executed its_vsgi(struct its *its, struct its_current *c);
enum ring_executed its_vsync(struct its *its, struct its_current *c);
/* A command that is not in the queue begins: it unmaps this vPE. */
void its_begin_unmap(struct its *its, uint32_t vpe);
/* Whether a command under way has taken a vPE away. */
bool its_unmaps_vpe(const struct its *its, uint32_t *vpe);
enum ring_executed its_vmapp(struct its *its, struct its_current *c);
enum ring_executed its_vmapti(struct its *its, struct its_current *c);
enum ring_executed its_vinvall(struct its *its, struct its_current *c);
enum ring_executed its_invdb(struct its *its, struct its_current *c);

/* ---- its_translate.c ---- */
/* The LPI or vLPI of a valid event is made pending, from any thread, in a section: 0, or why not. */
unsigned its_signal(struct its *its, uint64_t event);
int its_remap_msi(struct viommu *u, uint32_t source, uint64_t address, uint32_t data,
		  uint32_t flags, struct viommu_msi *msi);
/* its_record.c: unit_engine.h */
struct viommu *its_tape_of(struct viommu *u);
void its_join_tape(struct viommu *u);
/* One that is new, of LPIs that are recorded: it is on their tape from now on. VIOMMU_OK, VIOMMU_ENOMEM. */
int its_record_new(struct its *its);
int its_explain_msi(struct viommu *u, uint32_t source, uint64_t address, uint32_t data,
		    struct explanation *e, struct viommu_msi *msi);
int its_remap_cached(struct viommu *u, uint32_t source, uint64_t address, uint32_t data,
		     uint32_t flags, struct viommu_msi *msi);

/* ---- its_state.c ---- */
void its_save(struct viommu *u, struct state_writer *state);
int its_restore(struct viommu *u, struct state_reader *state);

#endif
