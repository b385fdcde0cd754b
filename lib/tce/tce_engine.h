/* SPDX-License-Identifier: BSD-3-Clause */
/* tce_engine.h - the TCE tables of one virtual machine, and what its files call of one another. */
#ifndef TCE_ENGINE_H
#define TCE_ENGINE_H

#include <libvirtiommu/tce.h>

#include "completion.h"
#include "tce_spec.h"
#include "unit.h"

/* struct context.key.kind; the group is the PE that has the windows. */
enum tce_kind { TCE_KIND_WINDOWS, TCE_KIND_PASS };

/* ---- tables (tce_table.c) ---- */

#define TCE_PAGE_LG2  9U
#define TCE_WORDS     (1U << TCE_PAGE_LG2) /* of a page of the pool */
#define TCE_GROUPS    (TCE_WORDS / 64)
#define TCE_BLOCK     64U     /* pages that are allocated together */
#define TCE_LEVELS    6U      /* 2^54 entries */
#define TCE_ENTRIES   BIT(52) /* of a window, at most */
#define TCE_PAGES_MAX (UINT32_C(1) << 26)

/* For the thread that has the unit. */
struct tce_page_info {
	uint32_t generation; /* how often it was linked */
	uint32_t next;	     /* of those that are free, or garbage: page + 1 */
	uint16_t links;	     /* that are not 0, above level 0 */
	uint8_t level;	     /* 0: entries; else links to pages of the level below */
	/* A bit for each entry: it is not 0; it is valid. */
	uint64_t used[TCE_GROUPS];
	uint64_t valid[TCE_GROUPS];
};

struct tce_block {
	_Alignas(4096) _Atomic uint64_t word[TCE_BLOCK][TCE_WORDS];
	struct tce_page_info info[TCE_BLOCK];
};

/* Pages of all tables. Once allocated they stay until the engine is freed, so that readers need not be waited for. */
struct tce_pool {
	struct viommu_vm *vm;
	_Atomic(struct tce_block *) *block;
	uint32_t limit;	  /* pages, at most */
	uint32_t fresh;	  /* pages that were in use once are below */
	uint32_t free;	  /* page + 1; all 0 */
	uint32_t garbage; /* page + 1; roots of tables that are gone */
};

/* A tree, sparse: what is not there is 0. A link is never the same twice: the page, + 1, its level and its generation. */
struct tce_table {
	_Atomic uint64_t root; /* link */
	_Atomic uint32_t top;  /* its level, if there is one; written while there is none */
};

#define TCE_LINK_PAGE	    BITS(27, 0)
#define TCE_LINK_LEVEL	    BITS(31, 28) /* of the page */
#define TCE_LINK_GENERATION BITS(63, 32)

int tce_pool_init(struct tce_pool *pool, struct viommu_vm *vm, uint64_t bytes);
/* There is memory for so many pages, whichever; false: not so many are allowed, or there is no memory. */
bool tce_pool_reserve(struct tce_pool *pool, uint64_t pages);
void tce_pool_fini(struct tce_pool *pool);
/* The level of the root of a table of so many entries. */
uint32_t tce_table_top(uint64_t entries);

/* The entry, as it was at some moment of the call. From any thread. */
uint64_t tce_table_get(const struct tce_pool *pool, const struct tce_table *table, uint64_t index);

/* Looks for an entry that is not 0, in one step of bounded length, from *index on. TCE_STEP_FOUND: *entry is that of
 * *index. TCE_STEP_PASSED: none up to *index, where to go on. TCE_STEP_END: none at all. From any thread. */
enum tce_step { TCE_STEP_FOUND, TCE_STEP_PASSED, TCE_STEP_END };
enum tce_step tce_table_next(const struct tce_pool *pool, const struct tce_table *table,
			     uint64_t *index, uint64_t *entry);

/* From an entry on, one step past entries that are 0 because there is no page for them: where to go on; UINT64_MAX: all
 * are. @index itself: there is a page. By the thread that has the unit, as what follows. */
uint64_t tce_table_skip(const struct tce_pool *pool, const struct tce_table *table, uint64_t index);

/* Makes room for @count entries, at most TCE_COUNT_MAX. False: there is none; what was made room for so far reads as
 * 0. */
bool tce_table_prepare(struct tce_pool *pool, struct tce_table *table, uint64_t index,
		       uint32_t count);
/* One entry. False: there is no room for it. *took: one that was valid has changed. */
bool tce_table_put(struct tce_pool *pool, struct tce_table *table, uint64_t index, uint64_t entry,
		   bool *took);
void tce_table_read(const struct tce_pool *pool, const struct tce_table *table, uint64_t index,
		    uint32_t count, uint64_t *to);
/* Stores entries: of a list, or all the same. There is room, or they are 0. True: one that was valid has changed. */
bool tce_table_write(struct tce_pool *pool, struct tce_table *table, uint64_t index, uint32_t count,
		     const uint64_t *list);
bool tce_table_fill(struct tce_pool *pool, struct tce_table *table, uint64_t index, uint32_t count,
		    uint64_t entry);
/* All entries are 0, at once, however many there were. True: there were pages. */
bool tce_table_clear(struct tce_pool *pool, struct tce_table *table);

/* ---- PEs and their windows (tce_window.c) ---- */

/* Place n of a PE has its LIOBN number n. */
struct tce_window {
	/* Read by everyone who translates. live is the incarnation, never the same twice, and 0 while there is no such
	 * window: it ends before the rest changes. */
	_Atomic uint64_t live;
	_Atomic uint64_t start;
	_Atomic uint64_t entries;
	_Atomic uint32_t shift;
	struct tce_table table;
	/* The thread that has the unit. */
	uint32_t liobn;
	uint32_t next; /* in its bucket: place in tce.window, + 1 */
	bool is_default;
};

struct tce_pe {
	/* Read by everyone who translates. */
	_Atomic uint32_t live;
	_Atomic uint32_t
		owner; /* number of the PE that has the windows: itself, or another with the same LIOBN */
	_Atomic uint32_t bypass;
	_Atomic uint32_t virtual_io;
	/* The thread that has the unit. */
	struct viommu_tce_pe config; /* liobns is NULL */
	uint32_t liobns;	     /* windows that it can have */
	uint32_t sharers;	     /* other PEs that use its windows */
	bool limited;		     /* ibm,reset-pe-dma-windows with a fourth argument */
};

#define TCE_PES_MAX 4096U

/* ---- what is under way (tce_job.c) ---- */

enum tce_phase {
	TCE_IDLE,
	TCE_CHECKING,	     /* H_PUT_TCE_INDIRECT: the list */
	TCE_STORING,	     /* entries, in pieces of at most TCE_COUNT_MAX */
	TCE_TELLING,	     /* the piece: each device */
	TCE_UNDOING,	     /* a listener does not take it: telling that all is as it was */
	TCE_TELLING_DEVICES, /* that all may have changed */
};

/* Whom that concerns: TCE_PE those who have the windows of an owner, TCE_NUMBER those of one PE. */
enum tce_scope { TCE_ALL, TCE_VIRTUAL_IO, TCE_PE, TCE_NUMBER };

/* An answer of ours that somebody is waiting for. */
struct tce_pending {
	uint64_t token;
	int64_t status;
	struct completion completion; /* not begun: it waits for nothing */
	enum tce_scope scope;
	uint32_t owner; /* TCE_PE */
};

#define TCE_PENDING_MAX 1024U

struct tce_job {
	enum tce_phase phase;
	bool call;    /* somebody gets its status; false: a reset, a restore */
	bool pending; /* he has been told to wait */
	bool took;    /* something that may be in use */
	bool heard;   /* somebody hears of the piece */
	uint64_t token;
	int64_t status;
	enum tce_scope scope;
	uint32_t owner;
	/* Entries of a window. */
	struct tce_window *window;
	uint64_t index;
	uint64_t count;
	bool listed;	/* they are in tce.list */
	uint64_t entry; /* otherwise all are this */
	uint64_t at;	/* those before, from index on, are done */
	uint32_t piece; /* being told */
	/* The device at tce.at. */
	uint32_t serial; /* its own; that at tce.at is another if it was freed */
	uint64_t told;	 /* entries; or where to go on */
	bool unmapped;	 /* it knows that everything may have changed */
	/* TCE_TELLING_DEVICES */
	uint64_t first; /* the range that is told as unmapped */
	uint64_t last;
	bool mode; /* and the mode, and everything that is mapped */
};

struct tce_use {
	uint64_t epoch;
	uint64_t token;
};

struct tce {
	struct viommu unit; /* first */
	struct viommu_tce_config config;

	/* Read by everyone who translates. */
	struct tce_pe *pe;	   /* by number */
	struct tce_window *window; /* VIOMMU_TCE_WINDOWS for each */
	struct tce_pool pool;
	_Atomic uint32_t caching; /* devices with caches of their own */

	/* The thread that has the unit. */
	uint32_t *bucket; /* by LIOBN: place in window, + 1 */
	uint32_t buckets; /* a power of two */
	uint64_t incarnations;
	struct mem_place memory; /* where the last TCE led */
	struct tce_job job;
	struct tce_pending *pending; /* TCE_PENDING_MAX, in the order in which they came */
	uint32_t pending_count;
	struct tce_pending quiet; /* of a reset or restore: calls wait for it; not begun: none */
	struct tce_use *use;	  /* by PE, as it was when it was gathered */
	struct tce_use anybody;
	struct tce_use everybody;
	struct epoch_scan scan; /* gathers them */
	bool gathering;		/* not all sections have been looked at yet */
	uint64_t since;		/* they hold for calls of this epoch and older ones */
	bool asked;		/* ... and since asked() said no */
	bool ask;		/* the same of the next time */
	uint64_t list[TCE_COUNT_MAX];
	uint64_t old[TCE_COUNT_MAX];

	struct tce_device *at; /* the device that the job comes to; under devices_lock */
};

/* Windows that a device has used: those of a PE (number + 1), 0 none, or of several. */
#define TCE_SEVERAL UINT32_MAX

struct tce_device {
	struct viommu_device device; /* first */
	_Atomic uint32_t used;
};

extern const struct engine tce_engine;

static inline struct tce *tce_of(struct viommu *u)
{
	return (struct tce *)u; /* unit is the first member */
}

static inline struct tce_device *tce_device_of(struct viommu_device *device)
{
	return (struct tce_device *)device; /* ditto */
}

static inline bool tce_is_valid(uint64_t entry)
{
	return entry & TCE_PERM;
}

/* What an entry of a window of such pages leads to. */
static inline uint64_t tce_address(uint64_t entry, uint32_t shift)
{
	return entry & TCE_RPN & ~bits_low(shift);
}

/* As the TLB has it: a fetch is a read, and nobody keeps dirty. */
static inline uint8_t tce_perm(uint64_t entry)
{
	unsigned user =
		(unsigned)(entry & TCE_PERM); /* TCE_READ is VIOMMU_READ, TCE_WRITE VIOMMU_WRITE */

	if (user & VIOMMU_READ)
		user |= VIOMMU_EXEC;
	return (uint8_t)(user | user << 3 | PERM_DIRTY);
}

static_assert(TCE_READ == VIOMMU_READ && TCE_WRITE == VIOMMU_WRITE, "tce_perm()");

static inline uint64_t tce_live(const struct tce_window *w)
{
	return atomic_load_explicit(&w->live, memory_order_acquire);
}

static inline struct tce_window *tce_windows_of(const struct tce *t, uint32_t owner)
{
	return &t->window[owner * VIOMMU_TCE_WINDOWS];
}

/* Whether a PE has been added; for the thread that has the unit. */
static inline bool tce_is_there(const struct tce_pe *pe)
{
	return atomic_load_explicit(&pe->live, memory_order_relaxed) != 0;
}

static inline uint32_t tce_owner_of_window(const struct tce *t, const struct tce_window *w)
{
	return (uint32_t)(w - t->window) / VIOMMU_TCE_WINDOWS;
}

/* For the thread that has the unit. */
static inline uint32_t tce_shift(const struct tce_window *w)
{
	return atomic_load_explicit(&w->shift, memory_order_relaxed);
}

static inline uint64_t tce_start(const struct tce_window *w)
{
	return atomic_load_explicit(&w->start, memory_order_relaxed);
}

static inline uint64_t tce_entries(const struct tce_window *w)
{
	return atomic_load_explicit(&w->entries, memory_order_relaxed);
}

static inline uint64_t tce_last(const struct tce_window *w)
{
	return tce_start(w) + ((tce_entries(w) - 1) << tce_shift(w) | bits_low(tce_shift(w)));
}

/* The PE of a device's id; NULL: there is none. */
static inline struct tce_pe *tce_pe_of(const struct tce *t, uint32_t id)
{
	uint32_t number = id >> t->config.function_bits;
	struct tce_pe *pe;

	if (id == VIOMMU_NO_ID || number >= t->config.pes)
		return NULL;
	pe = &t->pe[bits_clamp_index(number, t->config.pes)];
	return atomic_load_explicit(&pe->live, memory_order_acquire) ? pe : NULL;
}

static inline uint32_t tce_id(const struct tce_device *d)
{
	return atomic_load_explicit(&d->device.id, memory_order_relaxed);
}

/* How devices of a PE, or of none, are treated. */
static inline uint32_t tce_mode_of(const struct tce_pe *pe)
{
	if (!pe)
		return VIOMMU_MODE_BLOCK;
	return atomic_load_explicit(&pe->bypass, memory_order_acquire) ? VIOMMU_MODE_BYPASS
								       : VIOMMU_MODE_TRANSLATE;
}

/* The window of a LIOBN, present or not; NULL: the partition does not have it. */
struct tce_window *tce_window_find(const struct tce *t, uint64_t liobn);
/* The PE that RTAS arguments name; NULL. */
struct tce_pe *tce_pe_find(const struct tce *t, uint32_t config_addr, uint64_t buid);
struct tce_pe *tce_unit_find(const struct tce *t, uint32_t unit);
/* Windows that are present. */
uint32_t tce_windows_active(const struct tce *t, uint32_t owner);
/* A window gets its LIOBN, or loses it. */
void tce_window_know(struct tce *t, struct tce_window *w, uint32_t liobn);
void tce_window_forget(struct tce *t, struct tce_window *w);
/* Whether a PE may have a window there, whatever others there are. */
bool tce_window_is_free(const struct tce *t, const struct viommu_tce_pe *pe,
			const struct viommu_tce_window *window);
/* Where a new one of the PE goes; false: nowhere. */
bool tce_window_place(const struct tce *t, const struct tce_pe *pe, uint32_t shift,
		      uint64_t entries, uint64_t *start);
/* A window comes, empty. The host's callback may refuse one that it is asked for: false. */
enum tce_coming { TCE_WINDOW_ASKED, TCE_WINDOW_CREATED, TCE_WINDOW_DEFAULT };
bool tce_window_come(struct tce *t, struct tce_window *w, uint32_t shift, uint64_t start,
		     uint64_t entries, enum tce_coming coming);
/* One goes; nobody is told but the host. */
void tce_window_go(struct tce *t, struct tce_window *w);
/* Created windows go, the default one comes back, and entries are 0. */
void tce_windows_reset(struct tce *t, uint32_t owner);
void tce_default_come(struct tce *t, uint32_t owner);
/* What is cached of the windows of a PE. */
void tce_flush(struct tce *t, uint32_t owner, uint64_t first, uint64_t last);
/* The same of everything. */
void tce_flush_all(struct tce *t);

/* ---- tce_sync.c ---- */

/* The end of a call: VIOMMU_OK, or VIOMMU_PENDING. */
int tce_finish(struct tce *t, struct tce_pending *p, bool took);
/* The end of a reset or restore: calls wait until nobody uses what was there before. */
void tce_hold_back(struct tce *t);
/* The end of a call that has been answered with VIOMMU_PENDING. */
void tce_finish_later(struct tce *t, struct tce_pending *p, bool took);
/* Completes what can be completed. @done: nothing is under way any more. */
int tce_complete(struct tce *t, bool done);
void tce_drop_pending(struct tce *t);

/* ---- tce_job.c ---- */

/* Begins to store entries of a window; the list has been copied to tce.list, or all are t->job.entry. */
void tce_begin_entries(struct tce *t, struct tce_window *w, uint64_t index, uint64_t count,
		       bool listed, uint64_t entry);
/* Goes on until steps run out. True: nothing is under way. */
bool tce_go_on(struct tce *t);

static inline bool tce_advance(struct tce *t)
{
	return !t->job.phase || tce_go_on(t);
}

/* Regardless of limits.steps. False: what waits for a device's answer stays, and what needs 2^32 steps. */
bool tce_finish_job(struct tce *t);
/* Entries that are valid may lead to such an address. */
bool tce_address_owned(struct tce *t, uint64_t entry, uint32_t shift);

/* Brackets a call of which there is one at a time: VIOMMU_EINVAL (not TCE), VIOMMU_EBUSY, VIOMMU_ELIMIT (something is
 * under way). */
int tce_begin(struct viommu *u);
/* The end of a call whose job has begun, or that has none. */
int tce_answer(struct tce *t);

static inline uint64_t tce_address_of(const struct tce_window *w, uint64_t index)
{
	return tce_start(w) + (index << tce_shift(w));
}

/* Of the piece, by number from its beginning. */
static inline uint64_t tce_entry_of(const struct tce *t, uint64_t i)
{
	return t->job.listed ? t->list[i] : t->job.entry;
}

/* Whether anybody hears of changes. */
static inline bool tce_hears(const struct tce *t)
{
	return notify_anybody(&t->unit) ||
	       atomic_load_explicit(&t->caching, memory_order_relaxed) != 0;
}

/* ---- tce_tell.c: devices, one after the other, as steps of the job. False: they ran out ---- */

/* Begins to tell devices that [first, last] may have changed; @mode: and how they are treated, and what is mapped. */
void tce_begin_telling(struct tce *t, enum tce_scope scope, uint32_t owner, uint64_t first,
		       uint64_t last, bool mode);

/* From the first one on. */
void tce_walk(struct tce *t);
bool tce_go_on_telling(struct tce *t);
bool tce_go_on_undoing(struct tce *t);
bool tce_go_on_telling_devices(struct tce *t);
/* Forgets what is cached of the piece. */
void tce_flush_piece(struct tce *t);

/* ---- tce_record.c: lines of who is recorded (recorder.h) ---- */

struct record_event;
void tce_describe(struct viommu *u, struct record_text *text);
void tce_record_pe(const struct tce *t, uint32_t number, struct record_text *text);
void tce_record_hcall(struct record_event *event, const uint64_t *asked, const uint64_t *answered);
void tce_record_rtas(struct record_event *event, uint32_t call, const uint32_t *arguments,
		     uint32_t nargs, const uint32_t *results, uint32_t nret);
void tce_record_window(struct tce *t, const struct tce_window *w, bool present);
void tce_record_memory(struct tce *t, uint64_t first, uint64_t last, bool owned);

/* ---- tce_translate.c ---- */

int tce_parse(struct viommu *u, struct query *q, struct context *context);
int tce_translate(struct viommu *u, struct query *q);
enum pt_visit_end tce_visit(struct viommu *u, const struct context *context, struct pt_visit *v);
const char *tce_reason_text(uint32_t reason);

/* ---- tce_state.c ---- */

void tce_save(struct viommu *u, struct state_writer *state);
int tce_restore(struct viommu *u, struct state_reader *state);

#endif
