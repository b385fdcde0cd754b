/* SPDX-License-Identifier: BSD-3-Clause */
/* regs.c - a register file made from a table. */

#include <libvirtiommu/base.h>

#include "bits.h"
#include "regs.h"

int regs_init(struct regs *r, struct viommu_vm *vm, uint32_t space, uint32_t count, void *engine)
{
	r->space = space;
	r->engine = engine;
	r->count = 0;
	r->capacity = count;
	r->row = vm_alloc(vm, count * sizeof(*r->row), _Alignof(struct regs_row));
	r->value = vm_alloc(vm, count * sizeof(*r->value), _Alignof(uint64_t));
	r->at = vm_alloc(vm, space / 4 * sizeof(*r->at), _Alignof(uint16_t));
	return r->row && r->value && r->at ? VIOMMU_OK : VIOMMU_ENOMEM;
}

void regs_fini(struct regs *r, struct viommu_vm *vm)
{
	vm_dealloc(vm, r->row, r->capacity * sizeof(*r->row));
	vm_dealloc(vm, r->value, r->capacity * sizeof(*r->value));
	vm_dealloc(vm, r->at, r->space / 4 * sizeof(*r->at));
}

bool regs_add(struct regs *r, const struct regs_row *row)
{
	uint32_t at = row->offset / 4;

	if (r->count == r->capacity || row->offset % row->bytes || row->offset > r->space ||
	    row->bytes > r->space - row->offset)
		return false;
	if (r->at[at] || (row->bytes == 8 && r->at[at + 1]))
		return false;
	r->row[r->count] = *row;
	atomic_init(&r->value[r->count], row->reset);
	r->count++;
	r->at[at] = (uint16_t)r->count;
	if (row->bytes == 8)
		r->at[at + 1] = (uint16_t)r->count;
	return true;
}

bool regs_add_rows(struct regs *r, const struct regs_row *rows, size_t count)
{
	bool ok = true;

	for (size_t i = 0; ok && i < count; i++)
		ok = regs_add(r, &rows[i]);
	return ok;
}

bool regs_possible(const struct regs_row *row, uint64_t value)
{
	uint64_t constant = row->reset & ~(row->writable | row->own);

	return !(value & ~(row->writable | row->w1c | row->own | constant)) &&
	       (value & constant) == constant;
}

void regs_reset(struct regs *r)
{
	for (uint32_t i = 0; i < r->count; i++)
		atomic_store_explicit(&r->value[i], r->row[i].reset, memory_order_relaxed);
}

static bool access_ok(const struct regs *r, uint64_t offset, uint32_t bytes)
{
	return (bytes == 4 || bytes == 8) && offset % bytes == 0 && offset < r->space;
}

/* The 32 bits at a multiple of 4. */
static uint32_t read_half(const struct regs *r, uint64_t offset)
{
	uint32_t row = r->at[bits_clamp_index(offset, r->space) / 4];

	if (!row)
		return 0;
	return (uint32_t)(atomic_load_explicit(&r->value[row - 1], memory_order_acquire) >>
			  (offset - r->row[row - 1].offset) * 8);
}

uint64_t regs_guest_read(const struct regs *r, uint64_t offset, uint32_t bytes)
{
	uint32_t row;

	if (!access_ok(r, offset, bytes))
		return 0;
	row = r->at[bits_clamp_index(offset, r->space) / 4];
	if (bytes == 8 && row && r->row[row - 1].bytes == 8)
		return atomic_load_explicit(&r->value[row - 1], memory_order_acquire);
	if (bytes == 8)
		return read_half(r, offset) | (uint64_t)read_half(r, offset + 4) << 32;
	return read_half(r, offset);
}

/* Writes the bits of mask of one register. */
static void write_row(struct regs *r, uint32_t index, uint64_t value, uint64_t mask)
{
	const struct regs_row *row = &r->row[index];
	uint64_t old = atomic_load_explicit(&r->value[index], memory_order_relaxed);
	uint64_t now;

	if (row->lock)
		pthread_mutex_lock(r->lock[row->lock - 1]);
	do { /* again only if another thread recorded something in between */
		uint64_t take = row->writable & mask;

		now = ((old & ~take) | (value & take)) & ~(value & mask & row->w1c);
	} while (!atomic_compare_exchange_weak(&r->value[index], &old, now));
	if (row->then)
		row->then(r->engine,
			  &(struct regs_write){ .row = index,
						.offset = row->offset,
						.old = old,
						.written = (old & ~mask) | (value & mask),
						.mask = mask });
	if (row->lock)
		pthread_mutex_unlock(r->lock[row->lock - 1]);
}

static void write_half(struct regs *r, uint64_t offset, uint64_t value)
{
	uint32_t row = r->at[bits_clamp_index(offset, r->space) / 4];
	unsigned shift;

	if (!row)
		return;
	shift = (unsigned)(offset - r->row[row - 1].offset) * 8;
	write_row(r, row - 1, (value & UINT32_MAX) << shift, (uint64_t)UINT32_MAX << shift);
}

void regs_guest_write(struct regs *r, uint64_t offset, uint32_t bytes, uint64_t value)
{
	uint32_t row;

	if (!access_ok(r, offset, bytes))
		return;
	row = r->at[bits_clamp_index(offset, r->space) / 4];
	if (bytes == 8 && row && r->row[row - 1].bytes == 8) {
		write_row(r, row - 1, value, UINT64_MAX);
		return;
	}
	write_half(r, offset, value);
	if (bytes == 8)
		write_half(r, offset + 4, value >> 32);
}

static _Atomic uint64_t *value_at(const struct regs *r, uint32_t offset)
{
	uint32_t row = offset < r->space ? r->at[offset / 4] : 0;

	if (NEVER(!row))
		return &r->value[0];
	return &r->value[row - 1];
}

uint64_t regs_get(const struct regs *r, uint32_t offset)
{
	return atomic_load_explicit(value_at(r, offset), memory_order_acquire);
}

const _Atomic uint64_t *regs_word(const struct regs *r, uint32_t offset)
{
	return value_at(r, offset);
}

void regs_put(struct regs *r, uint32_t offset, uint64_t value)
{
	atomic_store_explicit(value_at(r, offset), value, memory_order_release);
}

void regs_set_bits(struct regs *r, uint32_t offset, uint64_t bits)
{
	atomic_fetch_or_explicit(value_at(r, offset), bits, memory_order_acq_rel);
}

void regs_clear_bits(struct regs *r, uint32_t offset, uint64_t bits)
{
	atomic_fetch_and_explicit(value_at(r, offset), ~bits, memory_order_acq_rel);
}

/* ---- state ---- */

void regs_save(const struct regs *r, struct state_writer *state)
{
	state_put32(state, r->count);
	for (uint32_t i = 0; i < r->count; i++) {
		state_put32(state, r->row[i].offset);
		state_put64(state, regs_get(r, r->row[i].offset));
	}
}

bool regs_load(const struct regs *r, struct state_reader *state, uint64_t *value)
{
	if (state_get32(state) != r->count)
		return false;
	for (uint32_t i = 0; i < r->count; i++) {
		if (state_get32(state) != r->row[i].offset)
			return false;
		value[i] = state_get64(state);
		if (!regs_possible(&r->row[i], value[i]))
			return false;
	}
	return !state->bad;
}

void regs_take(struct regs *r, const uint64_t *value)
{
	for (uint32_t i = 0; i < r->count; i++)
		regs_put(r, r->row[i].offset, value[i]);
}
