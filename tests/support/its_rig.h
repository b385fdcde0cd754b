/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * its_rig.h - a guest with an ITS or two, for tests: tables, a queue, and what was told.
 *
 *	struct its_rig r;
 *	its_open(&r, &(struct its_rig_config){ 0 });       4 redistributors with EnableLPIs, ITS on
 *	assert_int_equal(its_command(&r, MAPD(1, 5, ITS_RIG_ITT(1))), 0);
 *	assert_int_equal(its_command(&r, MAPTI(1, 3, 8200, 7)), 0);
 *	assert_int_equal(its_msi(&r, 1, 3), ITS_LPI(8200, cpu));
 *	its_close(&r);                                     leaks fail
 *
 * Commands are built here from the manual's bit numbers.
 */
#ifndef TESTS_ITS_RIG_H
#define TESTS_ITS_RIG_H

#include <libvirtiommu/its.h>

#include "guest.h"

/* Guest memory, 4 MiB from GUEST_BASE. */
#define ITS_RIG_QUEUE	 UINT64_C(0x100000) /* 4 KiB */
#define ITS_RIG_DEVICES	 UINT64_C(0x110000) /* 16 pages of 4 KiB: 8192 DeviceIDs */
#define ITS_RIG_COLL	 UINT64_C(0x120000) /* 4 KiB: 512 ICIDs */
#define ITS_RIG_VPES	 UINT64_C(0x130000) /* 4 KiB: 512 vPEIDs */
#define ITS_RIG_PROP	 UINT64_C(0x140000) /* configuration table, 16 bits */
#define ITS_RIG_PEND(n)	 (UINT64_C(0x150000) + (uint64_t)(n)*0x10000)
#define ITS_RIG_ITT(n)	 (UINT64_C(0x1a0000) + (uint64_t)(n)*0x1000) /* n up to 63 */
#define ITS_RIG_VPT(n)	 (UINT64_C(0x200000) + (uint64_t)(n)*0x10000)
#define ITS_RIG_VCONF	 UINT64_C(0x280000)
#define ITS_RIG_L2	 UINT64_C(0x2a0000) /* for level-2 tables */
#define ITS_RIG_QUEUE2	 UINT64_C(0x2c0000) /* of the second ITS */
#define ITS_RIG_DEVICES2 UINT64_C(0x2d0000)
#define ITS_RIG_COLL2	 UINT64_C(0x2e0000)
#define ITS_RIG_VPES2	 UINT64_C(0x2f0000)
#define ITS_RIG_CPUS	 4U
#define ITS_RIG_BASE	 UINT64_C(0x8080000)

struct its_rig_config {
	enum guest_memory memory;
	uint32_t flags; /* of the LPIs */
	uint64_t typer;
	uint32_t vpes;
	uint32_t units; /* 0: one */
	uint32_t budget;
	uint32_t steps;
	uint32_t devices;
	uint32_t events;
	uint32_t intid_bits;
	uint64_t rd_base;
	uint32_t no_memory_in;
	uint32_t cpus; /* 0: ITS_RIG_CPUS; more have their pending tables on one another */
	bool silent;   /* no lpi, no vlpi callback: for threads */
	bool off;      /* nothing is programmed */
};

/* A call of the lpi or vlpi callback. */
struct its_told {
	uint32_t cpu;
	uint32_t vpe; /* UINT32_MAX: lpi */
	uint32_t intid;
	uint32_t priority;
	uint32_t pending;
};

enum { ITS_RIG_TOLD = 256 };

struct its_rig;

struct its_rig_unit {
	struct its_rig *rig;
	struct viommu *its;
	uint64_t queue;
	uint32_t tail;
	uint32_t code; /* of the last error */
	uint32_t errors;
	uint64_t words[4];
};

struct its_rig {
	struct guest g;
	struct viommu *lpis;
	struct viommu *its; /* of unit[0] */
	struct its_rig_unit unit[2];
	uint32_t units;
	uint32_t cpus;
	struct its_told told[ITS_RIG_TOLD];
	uint32_t told_count;
	_Atomic uint32_t work;
	int result; /* of the last its_command() */
	/* Called in each callback but those of memory, which guest.h has a hook for; or NULL. */
	void (*from)(void *rig);
};

int its_try_open(struct its_rig *r, const struct its_rig_config *config);
void its_open(struct its_rig *r, const struct its_rig_config *config);
void its_close(struct its_rig *r);
/* The driver's part: tables, queue, Enabled; LPI tables and EnableLPIs of every redistributor. */
void its_program(struct its_rig *r, unsigned unit);
void its_program_lpis(struct its_rig *r);

struct its_words {
	uint64_t w[4];
};

/* Queues a command of unit 0 and runs it: 0, or the code that was reported (0 is reported as 1).
 * r->result is what the write of CWRITER answered. */
uint32_t its_command(struct its_rig *r, struct its_words command);
uint32_t its_command_on(struct its_rig *r, unsigned unit, struct its_words command);
/* Queues it only. */
void its_queue(struct its_rig *r, unsigned unit, struct its_words command);
int its_ring(struct its_rig *r, unsigned unit);

uint64_t its_read(struct viommu *iommu, uint64_t offset);
int its_write(struct viommu *iommu, uint64_t offset, uint64_t value);
uint64_t its_read32(struct viommu *iommu, uint64_t offset);
int its_write32(struct viommu *iommu, uint64_t offset, uint64_t value);

/* An answer in one number. */
#define ITS_LPI(intid, cpu)  ((uint64_t)(intid) << 32 | (cpu))
#define ITS_VLPI(intid, vpe) (UINT64_C(1) << 62 | (uint64_t)(intid) << 32 | (vpe))
#define ITS_REFUSED(reason)  (UINT64_C(1) << 63 | (reason))
uint64_t its_msi(struct its_rig *r, uint32_t device, uint32_t event);
uint64_t its_resolve(struct its_rig *r, uint32_t device, uint32_t event);
uint64_t its_msi_on(struct its_rig *r, unsigned unit, uint32_t device, uint32_t event,
		    uint32_t flags);

/* Pending bit, enable << 8, priority << 16. */
uint32_t its_lpi(struct its_rig *r, uint32_t cpu, uint32_t intid);
uint32_t its_vlpi(struct its_rig *r, uint32_t vpe, uint32_t intid);
/* The configuration byte in guest memory. */
void its_configure(struct its_rig *r, uint32_t intid, unsigned byte);
/* The only call of lpi or vlpi since the last time is this one; or there was none. */
void its_expect_told(struct its_rig *r, const char *row, struct its_told told);
void its_expect_silence(struct its_rig *r, const char *row);

/* ---- commands (IHI 0069 5.3) ---- */

#define ITS_W(w0, w1, w2, w3)                                                                      \
	((struct its_words){ { (uint64_t)(w0), (uint64_t)(w1), (uint64_t)(w2), (uint64_t)(w3) } })
#define ITS_DEV(op, dev)     ((uint64_t)(op) | (uint64_t)(dev) << 32)
#define ITS_V		     (UINT64_C(1) << 63)
#define MAPD(dev, bits, itt) ITS_W(ITS_DEV(8, dev), (bits)-1, ITS_V | (itt), 0)
#define UNMAPD(dev)	     ITS_W(ITS_DEV(8, dev), 0, 0, 0)
#define MAPC(icid, rd)	     ITS_W(9, 0, ITS_V | (uint64_t)(rd) << 16 | (icid), 0)
#define UNMAPC(icid)	     ITS_W(9, 0, icid, 0)
#define MAPTI(dev, ev, intid, icid)                                                                \
	ITS_W(ITS_DEV(0xa, dev), (uint64_t)(intid) << 32 | (ev), icid, 0)
#define MAPI(dev, ev, icid) ITS_W(ITS_DEV(0xb, dev), ev, icid, 0)
#define MOVI(dev, ev, icid) ITS_W(ITS_DEV(1, dev), ev, icid, 0)
#define INT(dev, ev)	    ITS_W(ITS_DEV(3, dev), ev, 0, 0)
#define CLEAR(dev, ev)	    ITS_W(ITS_DEV(4, dev), ev, 0, 0)
#define INV(dev, ev)	    ITS_W(ITS_DEV(0xc, dev), ev, 0, 0)
#define DISCARD(dev, ev)    ITS_W(ITS_DEV(0xf, dev), ev, 0, 0)
#define INVALL(icid)	    ITS_W(0xd, 0, icid, 0)
#define MOVALL(from, to)    ITS_W(0xe, 0, (uint64_t)(from) << 16, (uint64_t)(to) << 16)
#define SYNC(rd)	    ITS_W(5, 0, (uint64_t)(rd) << 16, 0)
#define VMAPTI(dev, ev, vpe, vintid, db)                                                           \
	ITS_W(ITS_DEV(0x2a, dev), (uint64_t)(vpe) << 32 | (ev), (uint64_t)(db) << 32 | (vintid), 0)
#define VMAPI(dev, ev, vpe, db)                                                                    \
	ITS_W(ITS_DEV(0x2b, dev), (uint64_t)(vpe) << 32 | (ev), (uint64_t)(db) << 32, 0)
#define VMOVI(dev, ev, vpe, d, db)                                                                 \
	ITS_W(ITS_DEV(0x21, dev), (uint64_t)(vpe) << 32 | (ev), (uint64_t)(db) << 32 | (d), 0)
#define VMAPP(vpe, rd, vpt, bits)                                                                  \
	ITS_W(0x29, (uint64_t)(vpe) << 32, ITS_V | (uint64_t)(rd) << 16, (vpt) | ((bits)-1))
#define VMAPP41(vpe, rd, vpt, bits, alloc, ptz, vconf, db)                                         \
	ITS_W(0x29 | (alloc) << 8 | (ptz) << 9 | (vconf), (uint64_t)(vpe) << 32 | (db),            \
	      ITS_V | (uint64_t)(rd) << 16, (vpt) | ((bits)-1))
#define UNVMAPP(vpe)   ITS_W(0x29, (uint64_t)(vpe) << 32, 0, 0)
#define VMOVP(vpe, rd) ITS_W(0x22, (uint64_t)(vpe) << 32, (uint64_t)(rd) << 16, 0)
#define VSYNC(vpe)     ITS_W(0x25, (uint64_t)(vpe) << 32, 0, 0)
#define VINVALL(vpe)   ITS_W(0x2d, (uint64_t)(vpe) << 32, 0, 0)
#define INVDB(vpe)     ITS_W(0x2e, (uint64_t)(vpe) << 32, 0, 0)
#define VSGI(vpe, intid, enable, clear, prio)                                                      \
	ITS_W(0x23 | (enable) << 8 | (clear) << 9 | (prio) << 16 | (uint64_t)(intid) << 32,        \
	      (uint64_t)(vpe) << 32, 0, 0)

/* GITS_TYPER of GICv4.0 and 4.1, 16 bits each. */
#define ITS_RIG_TYPER_V4  (UINT64_C(0x1ef73) | UINT64_C(1) << 37)
#define ITS_RIG_TYPER_V41 (ITS_RIG_TYPER_V4 | UINT64_C(3) << 39)

#endif
