/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * riscv_rig.h - a guest of a RISC-V IOMMU: queues, device and process directories, tables of both stages, commands, faults.
 *
 * Fields are written here in the specification's own terms (riscv_spec.h has the masks). With `be`, what fctl.BE governs is
 * written big-endian; what DC.tc.SBE governs is written by rv_put_as().
 */
#ifndef TESTS_RISCV_RIG_H
#define TESTS_RISCV_RIG_H

#include <libvirtiommu/riscv.h>

#include "guest.h"
#include "riscv_spec.h"

/* Everything that there is: a constant, for rows. */
#define RV_ALL                                                                                     \
	((~(RISCV_CAP_RSVD | RISCV_CAP_VERSION | RISCV_CAP_IGS | RISCV_CAP_PAS)) | 0x10 |          \
	 (uint64_t)RISCV_IGS_BOTH << 28 | UINT64_C(56) << 32)

/* Bits of a page's entry. */
#define RV_V	    BIT(0)
#define RV_R	    BIT(1)
#define RV_W	    BIT(2)
#define RV_X	    BIT(3)
#define RV_U	    BIT(4)
#define RV_G	    BIT(5)
#define RV_A	    BIT(6)
#define RV_D	    BIT(7)
#define RV_N	    BIT(63)
#define RV_PAGE	    (RV_V | RV_R | RV_W | RV_U | RV_A | RV_D)
#define RV_PPN(gpa) ((gpa) >> 2 & BITS(53, 10))

enum { RV_LG2 = 6 }; /* entries of the queues */

struct riscv_rig {
	struct guest g;
	struct viommu_riscv_config config;
	bool be;
	uint64_t ddt; /* root of the device directory */
	uint64_t cq;
	uint64_t fq;
	uint64_t pq;
	uint64_t status; /* where fences store */
	uint32_t ticket;
	uint32_t tail;
	uint32_t head;	/* of the fault queue */
	uint32_t lines; /* wires that are high */
	uint64_t time;
};

struct rv_fault {
	uint64_t word[4];
	unsigned cause;
	unsigned ttyp;
};

/* An IOMMU of these capabilities (0: the default), after a reset. */
void rv_open(struct riscv_rig *r, enum guest_memory memory, unsigned pages, uint64_t capabilities);
/* What viommu_riscv_new() answers; r->config is taken. */
int rv_try(struct riscv_rig *r);
void rv_close(struct riscv_rig *r);
/* fctl, if it can be set; queues with interrupts; ddtp with a mode. */
void rv_start(struct riscv_rig *r, uint32_t fctl, enum riscv_mode mode);

uint64_t rv_read(struct riscv_rig *r, uint32_t offset, uint32_t bytes);
int rv_write(struct riscv_rig *r, uint32_t offset, uint32_t bytes, uint64_t value);

/* Words in the byte order of fctl, and as said. */
void rv_put(struct riscv_rig *r, uint64_t gpa, uint64_t word);
uint64_t rv_get(struct riscv_rig *r, uint64_t gpa);
void rv_put_as(struct riscv_rig *r, uint64_t gpa, uint64_t word, bool big_endian);

/* gpa of a device context, with the directory made as needed; and all of it (tc.V is added). */
uint64_t rv_dc(struct riscv_rig *r, uint32_t device);
void rv_put_dc(struct riscv_rig *r, uint32_t device, uint64_t tc, uint64_t iohgatp, uint64_t ta,
	       uint64_t fsc);
void rv_put_files(struct riscv_rig *r, uint32_t device, uint64_t table, uint64_t mask,
		  uint64_t pattern);
/* Values of iosatp, iohgatp and pdtp. */
uint64_t rv_satp(unsigned mode, uint64_t root);
uint64_t rv_hgatp(unsigned mode, unsigned gscid, uint64_t root);

/* An empty top table: 16 KiB of a second stage. */
uint64_t rv_root(struct riscv_rig *r);
/* A tree of tables: how many levels, and how a second stage or 32-bit entries differ. */
struct rv_tree {
	uint64_t root;
	unsigned levels;
	bool narrow;
	bool big_endian;
	bool second;
};
/* gpa of the entry for an address at a level (0: of pages), with the tables above made. */
uint64_t rv_entry(struct riscv_rig *r, const struct rv_tree *tree, uint64_t address,
		  unsigned level);
void rv_map(struct riscv_rig *r, const struct rv_tree *tree, uint64_t address, uint64_t gpa,
	    unsigned level, uint64_t bits);

/* ---- commands ---- */
void rv_command(struct riscv_rig *r, uint64_t word0, uint64_t word1);
int rv_ring(struct riscv_rig *r);
/* A fence that stores a fresh ticket; whether it has. */
int rv_fence(struct riscv_rig *r);
bool rv_fenced(struct riscv_rig *r);
/* One command and a fence, until it is done. */
void rv_do(struct riscv_rig *r, uint64_t word0, uint64_t word1);
/* Drops everything. */
void rv_invalidate(struct riscv_rig *r);

/* Constants, for rows. */
#define RV_OPERATION(opcode, func3) ((uint64_t)(opcode) | (uint64_t)(func3) << 7)
#define RV_VMA			    RV_OPERATION(RISCV_IOTINVAL, RISCV_IOTINVAL_VMA)
#define RV_GVMA			    RV_OPERATION(RISCV_IOTINVAL, RISCV_IOTINVAL_GVMA)
#define RV_FENCE		    RV_OPERATION(RISCV_IOFENCE, RISCV_IOFENCE_C)
#define RV_DDT			    RV_OPERATION(RISCV_IODIR, RISCV_IODIR_DDT)
#define RV_PDT			    RV_OPERATION(RISCV_IODIR, RISCV_IODIR_PDT)
#define RV_INVAL		    RV_OPERATION(RISCV_ATS, RISCV_ATS_INVAL)
#define RV_PRGR			    RV_OPERATION(RISCV_ATS, RISCV_ATS_PRGR)
#define RV_DID(id)		    (RISCV_CMD_DV | (uint64_t)(id) << 40)
#define RV_ADDR(at)		    ((uint64_t)(at) >> 12 << 10)

/* ---- faults ---- */
bool rv_take_fault(struct riscv_rig *r, struct rv_fault *fault);
unsigned rv_take_faults(struct riscv_rig *r);

#endif
