/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * smmuv3_rig.h - a guest of an SMMUv3 for tests: its structures, and a driver that programs it.
 *
 *	struct smmu_rig r;
 *	sm_open(&r, NULL);                                  the default identification, and what sm_idr() adds
 *	sm_start(&r);                                       queues, interrupts, stream table, SMMUEN
 *	sm_stage1(&r, 8, 5, root);                          StreamID 8, ASID 5, 48-bit 4 KiB tables
 *	sm_map(&r, root, 0x1000, page, SM_S1_RW);
 *	device = guest_device(&r.g, 8);
 *	sm_close(&r);
 */
#ifndef TESTS_SMMUV3_RIG_H
#define TESTS_SMMUV3_RIG_H

#include <libvirtiommu/smmuv3.h>

#include "guest.h"
#include "smmuv3_spec.h"

/* bits_put() as a constant. */
#define SM_PUT(mask, value) ((uint64_t)(value) * ((mask) & (~(mask) + 1)))

#define SM_STREAMS_LG2 6U /* of the linear stream table */
#define SM_QUEUE_LG2   5U
#define SM_LOG	       32U

struct smmu_rig {
	struct guest g; /* first */
	struct viommu_smmuv3_config config;
	uint64_t strtab;
	uint64_t cmdq;
	uint64_t eventq;
	uint64_t priq;
	uint64_t status; /* what a SYNC writes */
	uint32_t ticket;
	uint32_t prod;	   /* of commands, not yet in the register */
	uint32_t taken;	   /* EVENTQ_CONS */
	unsigned lines[4]; /* how often each was told 1 */
	struct {
		uint64_t token;
		uint32_t action;
	} resumed[SM_LOG];
	unsigned resumes;
	struct viommu_device *waits; /* made by sm_waiting_device() */
};

/* Everything that an SMMUv3 of this library can have: both stages, substreams, ATS, PRI, stalls, ATOS, 52 bits. */
void sm_everything(struct viommu_smmuv3_config *config);
/* @config: NULL: the default. VIOMMU_OK, or what viommu_smmuv3_new() says. */
int sm_try_open(struct smmu_rig *r, const struct viommu_smmuv3_config *config);
void sm_open(struct smmu_rig *r, const struct viommu_smmuv3_config *config);
void sm_open_memory(struct smmu_rig *r, const struct viommu_smmuv3_config *config,
		    enum guest_memory memory);
void sm_close(struct smmu_rig *r);
/* Another SMMU of the same configuration; the old one is answered. */
struct viommu *sm_another(struct smmu_rig *r);

uint64_t sm_read(struct smmu_rig *r, uint64_t offset, uint32_t bytes);
/* VIOMMU_OK or VIOMMU_PENDING */
int sm_write(struct smmu_rig *r, uint64_t offset, uint32_t bytes, uint64_t value);
/* Runs until nothing is left, or that often. */
int sm_run(struct smmu_rig *r);
/* Queues and interrupts on, and the SMMU, with @cr0 besides. */
void sm_start_with(struct smmu_rig *r, uint64_t cr0);
void sm_start(struct smmu_rig *r);

/* ---- structures ---- */

/* gpa of the STE; and writes four words of it, the first one last. */
uint64_t sm_ste(const struct smmu_rig *r, uint32_t sid);
void sm_put_ste(struct smmu_rig *r, uint32_t sid, uint64_t w0, uint64_t w1, uint64_t w2,
		uint64_t w3);
/* A context descriptor of 48-bit 4 KiB tables in the lower half; A and R, as is legal with TERM_MODEL. @extra: of word 0 */
uint64_t sm_cd(struct smmu_rig *r, uint32_t asid, uint64_t root, uint64_t extra);
#define SM_CD0(asid)                                                                               \
	(CD0_V | CD0_AA64 | CD0_A | CD0_R | SM_PUT(CD0_T0SZ, 16) | CD0_EPD1 | SM_PUT(CD0_IPS, 5) | \
	 SM_PUT(CD0_ASID, asid))
#define SM_STE0(config) (STE0_V | SM_PUT(STE0_CONFIG, config))
/* Stage 2: 48-bit intermediate addresses, 4 KiB, four levels. */
#define SM_STE2(vmid)                                                                              \
	(SM_PUT(STE2_S2VMID, vmid) | SM_PUT(STE2_S2T0SZ, 16) | SM_PUT(STE2_S2SL0, 2) |             \
	 SM_PUT(STE2_S2PS, 5) | STE2_S2AA64 | STE2_S2R)
void sm_stage1(struct smmu_rig *r, uint32_t sid, uint32_t asid, uint64_t root);
void sm_stage2(struct smmu_rig *r, uint32_t sid, uint32_t vmid, uint64_t root);
void sm_nested(struct smmu_rig *r, uint32_t sid, uint32_t vmid, uint32_t asid, uint64_t root1,
	       uint64_t root2);

/* Pages of 4 KiB in tables of four levels. */
#define SM_AF	 BIT(10)
#define SM_S1_RW (SM_AF | BIT(6) | BIT(11) | 3) /* everybody, not global */
#define SM_S1_RO (SM_S1_RW | BIT(7))
#define SM_S2_RW (SM_AF | BIT(6) | BIT(7) | BIT(2) | BIT(3) | BIT(4) | BIT(5) | 3)
#define SM_S2_RO (SM_S2_RW & ~BIT(7))
uint64_t sm_entry(struct smmu_rig *r, uint64_t root, uint64_t iova, unsigned level);
void sm_map(struct smmu_rig *r, uint64_t root, uint64_t iova, uint64_t gpa, uint64_t bits);

/* ---- commands ---- */

void sm_command(struct smmu_rig *r, uint64_t w0, uint64_t w1);
/* Writes PROD; VIOMMU_OK or VIOMMU_PENDING. */
int sm_ring(struct smmu_rig *r);
/* A SYNC that writes a ticket, and PROD. */
int sm_sync(struct smmu_rig *r);
bool sm_told(struct smmu_rig *r);
/* One command and a SYNC, which has to complete. */
void sm_do(struct smmu_rig *r, uint64_t w0, uint64_t w1);
/* CONS.ERR, if CMDQ_ERR is active, else 0; and its acknowledgement. */
unsigned sm_command_error(struct smmu_rig *r);
void sm_acknowledge(struct smmu_rig *r);

#define SM_CFGI_STE(sid)	(CMD_CFGI_STE | SM_PUT(CMD_SID, sid))
#define SM_ASID(op, vmid, asid) ((uint64_t)(op) | SM_PUT(CMD_VMID, vmid) | SM_PUT(CMD_ASID, asid))

/* ---- events ---- */

/* The oldest, which is taken; false: none. */
bool sm_event(struct smmu_rig *r, uint64_t word[4]);
/* Takes all; how many there were. */
unsigned sm_events(struct smmu_rig *r);
/* Takes the only event there is, and answers its type; 0: there is none, or another one. */
unsigned sm_event_type(struct smmu_rig *r);

/* ---- devices ---- */

/* One that can wait; one at a time. */
struct viommu_device *sm_waiting_device(struct smmu_rig *r, uint32_t sid);

#endif
