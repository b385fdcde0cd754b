/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * regs.h - a register file made from a table: a row a register, behaviour in its `then`.
 *
 * Values are atomic words: faults are recorded by threads that translate while another one serves
 * the guest's accesses.
 */
#ifndef REGS_H
#define REGS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "machine.h"
#include "state.h"

/* A guest's write, as the row's `then` sees it. */
struct regs_write {
	uint32_t row;	  /* index of the row */
	uint32_t offset;  /* of the register */
	uint64_t old;	  /* before the write */
	uint64_t written; /* what the guest wrote; bits outside mask are those of old */
	uint64_t mask;	  /* bytes that were written: a 32-bit half of a 64-bit register leaves the
			     other out */
};

struct regs_row {
	uint32_t offset;
	uint32_t bytes; /* 4 or 8, naturally aligned */
	uint64_t reset;
	uint64_t writable; /* bits that take the written value */
	uint64_t w1c;	   /* bits that a written 1 clears; the engine sets them */
	uint64_t own;	   /* further bits that the engine changes */
	void (*then)(void *engine,
		     const struct regs_write *write); /* after the value is stored; or NULL */
	const char *name;
	uint32_t lock; /* the write and its `then` happen with regs.lock[lock - 1] held; 0: none */
};

struct regs {
	struct regs_row *row;	 /* copies, in the order given */
	_Atomic uint64_t *value; /* by row */
	uint16_t *at;		 /* row + 1 by offset / 4; 0: none */
	uint32_t count;
	uint32_t capacity;
	uint32_t space; /* bytes, a multiple of 8 */
	void *engine;
	pthread_mutex_t *lock[2]; /* of the engine; for rows that say so */
};

/* Builds a register file of at most @count rows; VIOMMU_OK or VIOMMU_ENOMEM. */
int regs_init(struct regs *regs, struct viommu_vm *vm, uint32_t space, uint32_t count,
	      void *engine);
void regs_fini(struct regs *regs, struct viommu_vm *vm);

/* Adds a row; false if it does not fit the space or lies on another row. */
bool regs_add(struct regs *regs, const struct regs_row *row);
bool regs_add_rows(struct regs *regs, const struct regs_row *rows, size_t count);

/* Whether a register can ever show this value. */
bool regs_possible(const struct regs_row *row, uint64_t value);

/* All values to reset; no `then` is called. */
void regs_reset(struct regs *regs);

/* A guest's accesses. What no row has reads as 0 and ignores writes, as do sizes other than 4 and 8
 * and misaligned accesses. 8 bytes over two 32-bit registers are two accesses, low first. */
uint64_t regs_guest_read(const struct regs *regs, uint64_t offset, uint32_t bytes);
void regs_guest_write(struct regs *regs, uint64_t offset, uint32_t bytes, uint64_t value);

/* The engine's own accesses, by offset of a row that is known to be there. */
uint64_t regs_get(const struct regs *regs, uint32_t offset);
/* The value itself, for who reads it all the time; it stays where it is. */
const _Atomic uint64_t *regs_word(const struct regs *regs, uint32_t offset);
void regs_put(struct regs *regs, uint32_t offset, uint64_t value);
void regs_set_bits(struct regs *regs, uint32_t offset, uint64_t bits);
void regs_clear_bits(struct regs *regs, uint32_t offset, uint64_t bits);

/* All values, into a record that is open: count, then offset and value of each. */
void regs_save(const struct regs *regs, struct state_writer *state);
/* The same from a record that was found, checked (regs_possible()) and not yet believed: @value, by row. */
bool regs_load(const struct regs *regs, struct state_reader *state, uint64_t *value);
void regs_take(struct regs *regs, const uint64_t *value);

#endif
