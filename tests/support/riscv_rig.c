/* SPDX-License-Identifier: BSD-3-Clause */
/* riscv_rig.c - a guest of a RISC-V IOMMU. */

#include "check.h"

#include <endian.h>
#include <string.h>

#include "riscv_rig.h"

/* ---- the IOMMU ---- */

static void on_msi(void *opaque, uint64_t address, uint32_t data)
{
	struct riscv_rig *r = opaque;
	unsigned n = __atomic_fetch_add(&r->g.count[GUEST_ON_MSI], 1, __ATOMIC_RELAXED);

	if (n < GUEST_LOG)
		r->g.msi[n] = (struct guest_msi){ address, data };
}

static void on_line(void *opaque, uint32_t number, uint32_t level)
{
	struct riscv_rig *r = opaque;

	r->lines = level ? r->lines | 1U << number : r->lines & ~(1U << number);
}

static void on_work(void *opaque)
{
	struct riscv_rig *r = opaque;

	__atomic_fetch_add(&r->g.count[GUEST_ON_WORK], 1, __ATOMIC_RELAXED);
}

static void on_message(void *opaque, const char *text)
{
	struct riscv_rig *r = opaque;

	r->g.count[GUEST_ON_MESSAGE]++;
	r->g.message = text;
}

static uint64_t now(void *opaque)
{
	struct riscv_rig *r = opaque;

	return r->time;
}

int rv_try(struct riscv_rig *r)
{
	r->g.host = (struct viommu_host){ .size = sizeof(r->g.host),
					  .opaque = r,
					  .msi = on_msi,
					  .line = on_line,
					  .work = on_work,
					  .message = on_message,
					  .now = now };
	r->config.size = sizeof(r->config);
	r->config.host = &r->g.host;
	return viommu_riscv_new(r->g.vm, &r->config, &r->g.iommu);
}

void rv_open(struct riscv_rig *r, enum guest_memory memory, unsigned pages, uint64_t capabilities)
{
	memset(r, 0, sizeof(*r));
	guest_init(&r->g, memory, pages);
	r->time = 1;
	r->config.capabilities = capabilities;
	assert_int_equal(rv_try(r), VIOMMU_OK);
	r->config.capabilities = rv_read(r, RISCV_CAPABILITIES, 8);
}

void rv_close(struct riscv_rig *r)
{
	guest_fini(&r->g);
}

uint64_t rv_read(struct riscv_rig *r, uint32_t offset, uint32_t bytes)
{
	uint64_t value = 0;

	assert_int_equal(viommu_reg_read(r->g.iommu, offset, bytes, &value), VIOMMU_OK);
	return value;
}

int rv_write(struct riscv_rig *r, uint32_t offset, uint32_t bytes, uint64_t value)
{
	int result = viommu_reg_write(r->g.iommu, offset, bytes, value);

	assert_true(result == VIOMMU_OK || result == VIOMMU_PENDING);
	return result;
}

void rv_start(struct riscv_rig *r, uint32_t fctl, enum riscv_mode mode)
{
	rv_write(r, RISCV_FCTL, 4, fctl);
	r->be = rv_read(r, RISCV_FCTL, 4) & RISCV_FCTL_BE;
	if (!r->cq) {
		r->cq = guest_alloc(&r->g, 1);
		r->fq = guest_alloc(&r->g, 1);
		r->pq = guest_alloc(&r->g, 1);
		r->status = guest_alloc(&r->g, 1);
		r->ddt = guest_alloc(&r->g, 1);
	}
	rv_write(r, RISCV_CQB, 8, RV_PPN(r->cq) | (RV_LG2 - 1));
	rv_write(r, RISCV_FQB, 8, RV_PPN(r->fq) | (RV_LG2 - 1));
	rv_write(r, RISCV_PQB, 8, RV_PPN(r->pq) | (RV_LG2 - 1));
	rv_write(r, RISCV_CQCSR, 4, RISCV_CSR_EN | RISCV_CSR_IE);
	rv_write(r, RISCV_FQCSR, 4, RISCV_CSR_EN | RISCV_CSR_IE);
	rv_write(r, RISCV_PQCSR, 4, RISCV_CSR_EN | RISCV_CSR_IE);
	r->tail = 0;
	r->head = 0;
	rv_write(r, RISCV_DDTP, 8, RV_PPN(r->ddt) | mode);
	assert_int_equal(rv_read(r, RISCV_DDTP, 8), RV_PPN(r->ddt) | mode);
}

/* ---- words ---- */

void rv_put_as(struct riscv_rig *r, uint64_t gpa, uint64_t word, bool big_endian)
{
	/* devices may be reading it */
	__atomic_store_n((uint64_t *)guest_at(&r->g, gpa),
			 big_endian ? htobe64(word) : htole64(word), __ATOMIC_RELEASE);
}

void rv_put(struct riscv_rig *r, uint64_t gpa, uint64_t word)
{
	rv_put_as(r, gpa, word, r->be);
}

uint64_t rv_get(struct riscv_rig *r, uint64_t gpa)
{
	uint64_t word = guest_get64(&r->g, gpa);

	return r->be ? __builtin_bswap64(word) : word;
}

/* ---- directories ---- */

static uint64_t next_table(struct riscv_rig *r, uint64_t entry)
{
	uint64_t raw = rv_get(r, entry);

	if (!raw) {
		raw = RV_PPN(guest_alloc(&r->g, 1)) | RISCV_DIR_V;
		rv_put(r, entry, raw);
	}
	return bits_get(raw, RISCV_DIR_PPN) << 12;
}

uint64_t rv_dc(struct riscv_rig *r, uint32_t device)
{
	bool extended = r->config.capabilities & RISCV_CAP_MSI_FLAT;
	unsigned mode = (unsigned)(rv_read(r, RISCV_DDTP, 8) & 15);
	unsigned shift[3] = { 0, extended ? 6 : 7, extended ? 15 : 16 };
	uint64_t table = r->ddt;

	for (unsigned level = mode - RISCV_MODE_1LVL; level > 0; level--)
		table = next_table(r, table + (device >> shift[level] & 0x1ff) * 8);
	return table + (device & (extended ? 0x3fU : 0x7fU)) * (extended ? 64 : 32);
}

void rv_put_dc(struct riscv_rig *r, uint32_t device, uint64_t tc, uint64_t iohgatp, uint64_t ta,
	       uint64_t fsc)
{
	uint64_t at = rv_dc(r, device);

	rv_put(r, at + 8, iohgatp);
	rv_put(r, at + 16, ta);
	rv_put(r, at + 24, fsc);
	rv_put(r, at, tc | RISCV_TC_V);
}

void rv_put_files(struct riscv_rig *r, uint32_t device, uint64_t table, uint64_t mask,
		  uint64_t pattern)
{
	uint64_t at = rv_dc(r, device);

	rv_put(r, at + 32, table >> 12 | bits_put(RISCV_ATP_MODE, RISCV_MSIPTP_FLAT));
	rv_put(r, at + 40, mask);
	rv_put(r, at + 48, pattern);
}

uint64_t rv_satp(unsigned mode, uint64_t root)
{
	return bits_put(RISCV_ATP_MODE, mode) | root >> 12;
}

uint64_t rv_hgatp(unsigned mode, unsigned gscid, uint64_t root)
{
	return rv_satp(mode, root) | bits_put(RISCV_ATP_GSCID, gscid);
}

/* ---- page tables ---- */

uint64_t rv_root(struct riscv_rig *r)
{
	uint64_t at = guest_alloc(&r->g, 7);

	return (at + 0x3fff) & ~UINT64_C(0x3fff);
}

static uint64_t get_entry(struct riscv_rig *r, const struct rv_tree *t, uint64_t at)
{
	uint64_t raw = t->narrow ? guest_get32(&r->g, at) : guest_get64(&r->g, at);

	if (!t->big_endian)
		return raw;
	return t->narrow ? __builtin_bswap32((uint32_t)raw) : __builtin_bswap64(raw);
}

static void put_entry(struct riscv_rig *r, const struct rv_tree *t, uint64_t at, uint64_t raw)
{
	if (t->narrow) {
		uint32_t word = t->big_endian ? htobe32((uint32_t)raw) : htole32((uint32_t)raw);

		memcpy(guest_at(&r->g, at), &word, sizeof(word));
	} else {
		rv_put_as(r, at, raw, t->big_endian);
	}
}

uint64_t rv_entry(struct riscv_rig *r, const struct rv_tree *t, uint64_t address, unsigned level)
{
	unsigned index = t->narrow ? 10 : 9;
	uint64_t table = t->root;

	for (unsigned l = t->levels - 1;; l--) {
		unsigned bits = index + (t->second && l == t->levels - 1 ? 2 : 0);
		uint64_t entry = table + ((address >> (12 + index * l) & bits_low(bits))
					  << (t->narrow ? 2 : 3));
		uint64_t raw;

		if (l == level)
			return entry;
		raw = get_entry(r, t, entry);
		if (!raw) {
			raw = RV_PPN(guest_alloc(&r->g, 1)) | RV_V;
			put_entry(r, t, entry, raw);
		}
		table = bits_get(raw, BITS(53, 10)) << 12;
	}
}

void rv_map(struct riscv_rig *r, const struct rv_tree *t, uint64_t address, uint64_t gpa,
	    unsigned level, uint64_t bits)
{
	put_entry(r, t, rv_entry(r, t, address, level), RV_PPN(gpa) | bits);
}

/* ---- commands ---- */

void rv_command(struct riscv_rig *r, uint64_t word0, uint64_t word1)
{
	uint64_t at = r->cq + (uint64_t)r->tail * 16;

	rv_put(r, at, word0);
	rv_put(r, at + 8, word1);
	r->tail = (r->tail + 1) % (1U << RV_LG2);
}

int rv_ring(struct riscv_rig *r)
{
	return rv_write(r, RISCV_CQT, 4, r->tail);
}

int rv_fence(struct riscv_rig *r)
{
	rv_command(r,
		   RV_FENCE | RISCV_CMD_AV | RISCV_FENCE_PR | RISCV_FENCE_PW |
			   bits_put(RISCV_FENCE_DATA, ++r->ticket),
		   r->status >> 2);
	return rv_ring(r);
}

bool rv_fenced(struct riscv_rig *r)
{
	uint32_t raw = guest_get32(&r->g, r->status);

	return (r->be ? __builtin_bswap32(raw) : raw) == r->ticket;
}

void rv_do(struct riscv_rig *r, uint64_t word0, uint64_t word1)
{
	int result;

	rv_command(r, word0, word1);
	result = rv_fence(r);
	for (unsigned i = 0; result == VIOMMU_PENDING && i < 1000; i++)
		result = viommu_run(r->g.iommu);
	assert_int_equal(result, VIOMMU_OK);
	assert_true(rv_fenced(r));
}

void rv_invalidate(struct riscv_rig *r)
{
	rv_command(r, RV_DDT, 0);
	rv_command(r, RV_VMA, 0);
	rv_do(r, RV_GVMA, 0);
}

/* ---- faults ---- */

bool rv_take_fault(struct riscv_rig *r, struct rv_fault *fault)
{
	uint32_t tail = (uint32_t)rv_read(r, RISCV_FQT, 4);

	memset(fault, 0, sizeof(*fault));
	if (r->head == tail)
		return false;
	for (unsigned i = 0; i < 4; i++)
		fault->word[i] = rv_get(r, r->fq + (uint64_t)r->head * 32 + 8 * i);
	fault->cause = (unsigned)bits_get(fault->word[0], RISCV_FR_CAUSE);
	fault->ttyp = (unsigned)bits_get(fault->word[0], RISCV_FR_TTYP);
	r->head = (r->head + 1) % (1U << RV_LG2);
	rv_write(r, RISCV_FQH, 4, r->head);
	return true;
}

unsigned rv_take_faults(struct riscv_rig *r)
{
	struct rv_fault fault;
	unsigned n = 0;

	while (rv_take_fault(r, &fault))
		n++;
	return n;
}
