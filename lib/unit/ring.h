/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ring.h - rings in guest memory: commands that a guest leaves for us, and records that we leave for it.
 *
 * A ring has so many entries of 64-bit words. Registers say where it begins and ends in one of three ways
 * (enum ring_index); everything else counts in positions, from 0 to below ring_span(): the number of an
 * entry, and, with RING_WRAP, a round of two. Nothing that a register says is a position before
 * ring_position() has said so.
 */
#ifndef RING_H
#define RING_H

#include "mem.h"
#include "probe.h"
#include "regs.h"
#include "unit.h"

#define RING_WORDS_MAX 8U

enum ring_index {
	RING_BYTES,   /* offset in bytes: VT-d, AMD-Vi, ITS */
	RING_ENTRIES, /* number of the entry: RISC-V */
	RING_WRAP     /* the same, and above it a bit that changes each round: SMMUv3 */
};

struct ring {
	uint64_t base;
	uint64_t limit;	  /* the last address that an entry may have; UINT64_MAX: any */
	uint32_t entries; /* with RING_WRAP a power of two; at most 1 << 30 */
	uint32_t words;	  /* of an entry: 1, 2, 4 or 8 */
	enum ring_index index;
};

static inline uint32_t ring_span(const struct ring *r)
{
	return r->index == RING_WRAP ? 2 * r->entries : r->entries;
}

static inline uint32_t ring_next(const struct ring *r, uint32_t position)
{
	return position + 1 == ring_span(r) ? 0 : position + 1;
}

static inline uint64_t ring_address(const struct ring *r, uint32_t position)
{
	uint64_t entry = position < r->entries ? position : position - r->entries;

	return r->base + entry * r->words * 8;
}

/* As a register has it. */
static inline uint64_t ring_register(const struct ring *r, uint32_t position)
{
	return r->index == RING_BYTES ? (uint64_t)position * r->words * 8 : position;
}

/* What a register says. False: it is outside the ring, or within an entry. */
bool ring_position(const struct ring *r, uint64_t value, uint32_t *position);

/* Whether an entry may be there. */
static inline bool ring_has(const struct ring *r, uint64_t address)
{
	return address >= r->base && address <= r->limit && r->base <= r->limit;
}

/* From head up to tail; more than there are entries if the two are no head and tail of a ring. */
static inline uint32_t ring_used(const struct ring *r, uint32_t head, uint32_t tail)
{
	return tail >= head ? tail - head : tail + ring_span(r) - head;
}

/* Whether no more entry can be left: without a wrap bit, one stays free. */
static inline bool ring_full(const struct ring *r, uint32_t head, uint32_t tail)
{
	return ring_used(r, head, tail) + (r->index == RING_WRAP ? 0 : 1) >= r->entries;
}

/* ---- commands ---- */

/* What became of a command. WAITING: it is executed again later, as it was read. ERROR: the ring stops
 * at it. ABORTED: the ring stops behind it. */
enum ring_executed { RING_DONE, RING_WAITING, RING_ERROR, RING_ABORTED };

/* Of the call that has the unit. */
struct ring_commands {
	struct ring ring;
	uint32_t head; /* position of the first that is not done */
	bool held;     /* word is that command: it has been read, and waits */
	/* The ring was set up anew while a command waits: that is executed, but the head is not its own. */
	bool apart;
	uint64_t word[RING_WORDS_MAX];
};

/* Begins anew at a position. A command that waits goes on (ITS), or is dropped. */
void ring_restart(struct ring_commands *c, uint32_t head, bool drop);

/* The command at the head. False: it cannot be read. */
static inline bool ring_fetch(struct viommu *u, struct ring_commands *c, struct mem_place *place)
{
	uint64_t address = ring_address(&c->ring, c->head);

	if (!ring_has(&c->ring, address))
		return false;
	if (LIKELY(c->ring.words == 2)) /* no loop */
		return mem_load_near(u->vm, place, address, c->word, 2);
	return mem_load_near(u->vm, place, address, c->word, c->ring.words);
}

/* One command, and the head behind it. */
static inline enum ring_executed ring_step(struct viommu *u, struct ring_commands *c,
					   struct mem_place *place,
					   enum ring_executed (*execute)(struct viommu *u,
									 const uint64_t *word))
{
	bool there = c->held || ring_fetch(u, c, place);
	enum ring_executed executed;

	u->command.at = c->head;
	u->command.order++;
	executed = execute(u, there ? c->word : NULL);
	u->command.at = COMMAND_NONE;
	if (executed == RING_WAITING) {
		c->held = there;
		return executed;
	}
	if (executed != RING_ERROR)
		count_own(u, COUNT_COMMANDS);
	if (executed != RING_ERROR && !(c->held && c->apart))
		c->head = ring_next(&c->ring, c->head);
	c->held = false;
	return executed;
}

/*
 * Executes commands together that are next to each other in host memory: as many as it takes, from the first on, one
 * after the other; 0: none, nor is it asked for the last one. Of commands that are not held back, stop nothing, and are no matter to listeners.
 * @word: aligned to 16 bytes; to be loaded by mem_load_pair(), once
 * @count: at most RING_BURST
 */
typedef uint32_t ring_burst(struct viommu *u, const uint64_t *word, uint32_t count);

#define RING_BURST UNIT_BURST

/* Entries from the head on, up to the tail, that are in one piece in the ring and in host memory: at most @most. */
static inline const uint64_t *ring_piece(struct viommu *u, const struct ring_commands *c,
					 struct mem_place *place, uint32_t tail, uint32_t most,
					 uint32_t *count)
{
	uint32_t end = c->head < c->ring.entries ? c->ring.entries : 2 * c->ring.entries;
	uint32_t there = (tail > c->head && tail < end ? tail : end) - c->head;
	uint64_t address = ring_address(&c->ring, c->head);
	uint64_t offset, last;

	*count = there < most ? there : most;
	last = address + (uint64_t)*count * c->ring.words * 8 - 1;
	if (!ring_has(&c->ring, address) || !ring_has(&c->ring, last) || (address & 15))
		return NULL;
	mem_find_near(u->vm, address, place);
	if (!place->host || last > place->last)
		return NULL;
	/* all of it: a region is larger than a burst */
	offset = address - place->first;
	offset &= bits_index_mask(last - place->first, place->last - place->first + 1);
	return (const uint64_t *)((place->host & ~(uintptr_t)MEM_REGION_READONLY) + offset);
}

/* Some commands at once, and the head behind them: at most @most, and as there are steps, of which the first command has
 * been paid for. Returns how many. */
static inline uint32_t ring_step_burst(struct viommu *u, struct ring_commands *c,
				       struct mem_place *place, uint32_t tail, uint32_t most,
				       ring_burst *burst)
{
	const uint64_t *word;
	uint32_t count, done;

	if (c->held || ring_next(&c->ring, c->head) == tail || u->vm->recorder ||
	    !unit_may_burst(u))
		return 0;
	most = most < RING_BURST ? most : RING_BURST;
	most = u->steps < most ? u->steps + 1 : most;
	word = ring_piece(u, c, place, tail, most, &count);
	done = word ? burst(u, word, count) : 0;
	if (!done)
		return 0;
	unit_pay(u, done - 1);
	u->command.order += done;
	count_own_some(u, COUNT_COMMANDS, done);
	c->head += done;
	if (c->head == ring_span(&c->ring))
		c->head = 0;
	return done;
}

/*
 * Executes commands from the head to a tail, each after the ones before it; at most
 * limits.queue_budget, and as many as there are steps. RING_DONE: none is left. RING_WAITING: the
 * budget is used up (unit_work() has been called), or a command waits. Or what stopped it.
 * @tail: a position
 * @execute: word NULL: the command cannot be read
 * @burst: or NULL
 */
static inline enum ring_executed ring_run(struct viommu *u, struct ring_commands *c, uint32_t tail,
					  enum ring_executed (*execute)(struct viommu *u,
									const uint64_t *word),
					  ring_burst *burst)
{
	struct mem_place place = MEM_NOWHERE;

	for (uint32_t done = 0; c->held || c->head != tail; done++) {
		enum ring_executed executed;

		/* the first is free: what it waits for may need the only step that a call has */
		if (done == u->limits.queue_budget || (done && !unit_pay(u, 1))) {
			unit_work(u);
			return RING_WAITING;
		}
		if (burst) {
			uint32_t some = ring_step_burst(u, c, &place, tail,
							u->limits.queue_budget - done, burst);

			if (some) {
				done += some - 1;
				continue;
			}
		}
		executed = ring_step(u, c, &place, execute);
		if (executed != RING_DONE)
			return executed;
	}
	return RING_DONE;
}

/* ---- records ---- */

/*
 * Records are left from any thread: an entry is reserved, written without a lock, and published in the order
 * in which they were reserved, when nobody writes any more. Under a lock of the engine's, which guards the
 * registers of the ring, too; guest memory is not accessed with it held.
 */
struct ring_records {
	uint32_t reserved;   /* the tail, with entries that are still being written */
	uint32_t writers;    /* how many are */
	bool lost;	     /* an entry could not be written: */
	uint32_t first_lost; /* the first such */
	uint64_t generation; /* ring_records_reset() begins another */
};

struct ring_place {
	uint32_t at; /* position */
	uint64_t generation;
};

/* What has become of the tail. */
enum ring_published {
	RING_BUSY,	/* others still write: the last of them publishes */
	RING_PUBLISHED, /* *tail is to be shown */
	RING_LOST	/* so it is, and a record behind it was lost: an overflow */
};

/* Takes an entry. False: there is none. */
bool ring_reserve(struct ring_records *c, const struct ring *r, uint32_t head, uint32_t tail,
		  struct ring_place *place);

/* Without the lock. False: it cannot be written. */
bool ring_write(struct viommu *u, const struct ring *r, const struct ring_place *place,
		const uint64_t *word);

/* The entry is written, or could not be. @tail: what the register shows, and is to show */
enum ring_published ring_publish(struct ring_records *c, const struct ring *r,
				 const struct ring_place *place, bool written, uint32_t *tail);

/* All of this, for a ring whose head and tail are registers under a lock. False: the record is lost, or one
 * behind it. */
struct ring_registers {
	struct regs *regs;
	pthread_mutex_t *lock;
	uint32_t head; /* offsets */
	uint32_t tail;
};

bool ring_record(struct viommu *u, struct ring_records *c, const struct ring *r,
		 const struct ring_registers *at, const uint64_t *word);

/* The ring is another one: entries that are being written do not count. */
void ring_records_reset(struct ring_records *c);

#endif
