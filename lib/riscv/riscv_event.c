/* SPDX-License-Identifier: BSD-3-Clause */
/* riscv_event.c - what the IOMMU says by itself: interrupts, that is ipsr and the wires or messages that follow it (6.18, 6.26,
 * 6.27), and the fault queue (3.2). A message that cannot be written is a fault. */

#include "riscv_engine.h"

/* With the lock: the vector of one of RISCV_IPSR_*. */
static unsigned vector_of(const struct riscv *v, unsigned n)
{
	return (unsigned)(regs_get(&v->regs, RISCV_ICVEC) >> 4 * n) & (RISCV_VECTORS - 1);
}

void riscv_raise(struct riscv *v, uint64_t ipsr)
{
	uint64_t fresh = ipsr & ~regs_get(&v->regs, RISCV_IPSR);

	regs_set_bits(&v->regs, RISCV_IPSR, ipsr);
	for (unsigned n = 0; n < RISCV_CAUSES; n++) {
		if (!(riscv_fctl(v) & RISCV_FCTL_WSI) && (fresh >> n & 1))
			v->due |= 1U << vector_of(v, n);
	}
}

void riscv_raise_levels(struct riscv *v, uint64_t ipsr)
{
	uint64_t command = regs_get(&v->regs, RISCV_CQCSR);
	uint64_t fault = regs_get(&v->regs, RISCV_FQCSR);
	uint64_t page = v->cap & RISCV_CAP_ATS ? regs_get(&v->regs, RISCV_PQCSR) : 0;
	uint64_t holds = 0;

	if ((command & RISCV_CSR_IE) && (command & RISCV_CQCSR_CONDITION))
		holds |= RISCV_IPSR_CIP;
	if ((fault & RISCV_CSR_IE) && (fault & RISCV_QCSR_CONDITION))
		holds |= RISCV_IPSR_FIP;
	if ((page & RISCV_CSR_IE) && (page & RISCV_QCSR_CONDITION))
		holds |= RISCV_IPSR_PIP;
	riscv_raise(v, ipsr & holds);
}

void riscv_command_condition(struct riscv *v, uint64_t cqcsr)
{
	pthread_mutex_lock(&v->lock);
	regs_set_bits(&v->regs, RISCV_CQCSR, cqcsr);
	riscv_raise_levels(v, RISCV_IPSR_CIP);
	pthread_mutex_unlock(&v->lock);
	riscv_tell(v);
}

/* With the lock: a message that is due and not masked, with the address and data of now. */
static bool take_message(struct riscv *v, uint64_t *address, uint32_t *data)
{
	for (unsigned n = 0; v->due >> n; n++) {
		if (!(v->due >> n & 1) || (regs_get(&v->regs, RISCV_MSI_CTL(n)) & RISCV_MSI_MASKED))
			continue;
		v->due &= ~(1U << n);
		*address = regs_get(&v->regs, RISCV_MSI_ADDR(n));
		*data = (uint32_t)regs_get(&v->regs, RISCV_MSI_DATA(n));
		return true;
	}
	return false;
}

/* Records raise an interrupt once until software clears it, so that this ends. */
static void own_message_failed(struct riscv *v, uint64_t address)
{
	const uint64_t word[4] = { RISCV_FAULT_OWN_MSI, 0, address, 0 };

	riscv_record(v, word);
}

/* At most as many messages as there are vectors: what becomes due meanwhile is told by who makes it so. */
void riscv_tell(struct riscv *v)
{
	for (unsigned i = 0; i < RISCV_VECTORS; i++) {
		uint64_t address;
		uint32_t data;
		bool there;

		pthread_mutex_lock(&v->lock);
		there = take_message(v, &address, &data);
		pthread_mutex_unlock(&v->lock);
		if (!there)
			break;
		if (riscv_beyond(v, address))
			own_message_failed(v, address);
		else
			unit_msi(&v->unit, address,
				 riscv_fctl(v) & RISCV_FCTL_BE ? __builtin_bswap32(data) : data);
	}
	unit_lines(&v->unit);
}

uint64_t riscv_lines(struct viommu *u)
{
	const struct riscv *v = riscv_of(u);
	uint64_t ipsr = regs_get(&v->regs, RISCV_IPSR);
	uint64_t lines = 0;

	for (unsigned n = 0; n < RISCV_CAUSES && (riscv_fctl(v) & RISCV_FCTL_WSI); n++)
		lines |= (ipsr >> n & 1) << vector_of(v, n);
	return lines;
}

/* ---- fault records (3.2) ---- */

/* With the lock. False: the record is dropped. */
static bool reserve(struct riscv *v, struct ring *ring, struct ring_place *place)
{
	uint64_t csr = regs_get(&v->regs, RISCV_FQCSR);

	if (!(csr & RISCV_CSR_EN) || !(csr & RISCV_CSR_ON) || (csr & RISCV_QCSR_CONDITION))
		return false;
	*ring = riscv_ring(v, RISCV_FQB, 4);
	if (ring_reserve(&v->faults, ring, (uint32_t)regs_get(&v->regs, RISCV_FQH),
			 (uint32_t)regs_get(&v->regs, RISCV_FQT), place))
		return true;
	if (!v->faults.lost) {
		regs_set_bits(&v->regs, RISCV_FQCSR, RISCV_CSR_OF);
		riscv_raise_levels(v, RISCV_IPSR_FIP);
	}
	return false;
}

/* With the lock: the record is written, or could not be. */
static void publish(struct riscv *v, const struct ring *ring, const struct ring_place *place,
		    bool written)
{
	uint32_t tail = (uint32_t)regs_get(&v->regs, RISCV_FQT);
	bool stands = place->generation == v->faults.generation;

	if (ring_publish(&v->faults, ring, place, written, &tail) != RING_BUSY) {
		bool moved = tail != regs_get(&v->regs, RISCV_FQT);

		regs_put(&v->regs, RISCV_FQT, tail);
		if (moved && (regs_get(&v->regs, RISCV_FQCSR) & RISCV_CSR_IE))
			riscv_raise(v, RISCV_IPSR_FIP);
	}
	if (stands && !written) {
		regs_set_bits(&v->regs, RISCV_FQCSR, RISCV_CSR_MF);
		riscv_raise_levels(v, RISCV_IPSR_FIP);
	}
}

void riscv_record(struct riscv *v, const uint64_t word[4])
{
	uint64_t raw[4];
	struct ring_place place;
	struct ring ring;
	bool written;
	bool ok;

	for (unsigned i = 0; i < 4; i++)
		raw[i] = riscv_fctl(v) & RISCV_FCTL_BE ? __builtin_bswap64(word[i]) : word[i];
	pthread_mutex_lock(&v->lock);
	ok = reserve(v, &ring, &place);
	pthread_mutex_unlock(&v->lock);
	if (ok) {
		written = ring_write(&v->unit, &ring, &place, raw);
		pthread_mutex_lock(&v->lock);
		publish(v, &ring, &place, written);
		pthread_mutex_unlock(&v->lock);
	}
	riscv_tell(v);
}
