/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vtd_oracle.h - what Intel VT-d DMA remapping answers, step by step, from the manual's rules.
 *
 * Slow on purpose: no caches, no tables of functions, one step of the manual after the other, each
 * named by its clause or by the manual's own name of the fault condition (LCT.4, SSS.2, SGN.8 and
 * so on). It is compared with the engine on random and on exhaustive tables (vtd_tables.h) and
 * shares no code, no types and no constants with it.
 *
 * Domain. One address, one request. Interrupt requests (an untranslated write without PASID to
 * 0xFEEx_xxxx), page requests, zero-length reads and accesses across a page boundary are outside;
 * the first is asserted not to come.
 *
 * CHOICES, where the manual leaves latitude or could not be quoted; docs/vtd-notes.md decides.
 *
 * Order and registers
 *   1  TE=0: identity, r=w=x, no check of the address but the protected regions and the interrupt
 *      window, which are blocked without a record. A translated request is identity as well; a
 *      translation request is answered UR, and nothing is recorded.
 *   2  TTM=3 (abort) with ECAP.ADMS: every request is blocked (translation request: UR), reason 0,
 *      nothing recorded, and no table is read. It comes before the PASID check of choice 4.
 *   3  TTM=2, TTM=1 without ECAP.SMTS, TTM=3 without ECAP.ADMS: 30h (RTA.1). Root address at or
 *      above 2^HAW: the root cannot be read, 08 or 38. RTADDR bits 9:0 are ignored.
 *   4  A request with PASID while TTM=0: 31h (RTA.2), before the root table is read.
 *   5  Protected regions: before version 2, only requests that no page table translated (TE=0,
 *      TT=2, PGTT=4, translated); from version 2 on all. The result is compared, last of all
 *      checks; a hit is blocked with reason 0 (translation request: UR).
 *
 * Legacy context
 *   6  Order: P (2), reserved (B), TT value or capability (3), AW (3), request type (D), window
 *      (E), width (4), walk.
 *   7  TT=1 needs ECAP.DT, TT=2 needs ECAP.PT, else 3. TT=3: 3. Translated and translation
 *      requests need TT=1, else D.
 *   8  AW must be 1, 2 or 3 and in CAP.SAGAW for every TT, TT=2 included; it need not be the
 *      largest for TT=2.
 *   9  SSPTPTR bits at or above HAW are reserved (B) for TT=0 and 1; SSPTPTR is ignored for TT=2.
 *      Bits 6:3 of qw1 are ignored. DID bits beyond CAP.ND are reserved, here and in scalable mode.
 *  10  The root page-table page cannot be read: 3 (LCT.4.3); a lower page: 7 (LSS.1).
 *
 * Scalable context, PASID directory, PASID entry
 *  11  Only the half of the root entry that the request uses is checked for P and reserved bits.
 *  12  A field whose capability is absent is reserved, 42h or 5Ah, whatever PGTT says; but AW
 *      without SSTS is not (Linux sets it), and SRE depends on SRS alone. An unsupported PGTT, AW
 *      or FSPM is 5Bh.
 *  13  PRE=1 with DTE=0 is accepted.
 *  14  Order: P (41), reserved (42), DTE (44), PASIDE (45), PASID size (46) or RID_PASID size (48).
 *  15  ECAP.RPS=0: RID_PASID is ignored and PASID 0 is used. RID_PRIV is reserved without RPRIVS. A
 *      request without PASID has the privilege of RID_PRIV and never asks for execution. ECAP.SRS=0:
 *      the privilege of requests is ignored.
 *  16  46h and 48h compare with PDTS and, on a unit with ECAP.PASID, with PSS.
 *  17  A translated request ends at the context entry: the PASID tables are not read, RID_PASID is
 *      not checked, PASIDE and the size of a PASID are.
 *  18  PASID entry order: P (59), reserved (5A), PGTT, AW, FSPM (5B), ERE (5C), SRE (5D), window,
 *      width or canonical form, walk. Fields of a stage that PGTT does not use are ignored, but
 *      bits 63:HAW of both pointers stay reserved.
 *  19  qw0 bit 5 (old SLEE) and qw1 bits 63:25 (memory types, MTS is not supported) are reserved.
 *  20  ECAP.ERS: ERE, NXE (XD is reserved without it) and SMEP are effective, and requests with
 *      PASID may ask for execution. Without ERS: ERE is reserved, NXE, SMEP and XD are ignored, and
 *      such a request is a read. Execution is shown where reading is; with ERS and PASID only where
 *      ERE and the tables grant it.
 *  21  PGTT 3 needs ECAP.NEST only (NEST implies FSTS and SSTS).
 *
 * Interrupt window, 0xFEE0_0000 to 0xFEEF_FFFF
 *  22  Input in the window without PASID: E or 87h, after the context or PASID entry has been
 *      accepted and before width, canonical form and walk. With PASID it is translated like any
 *      other; pass-through and translated requests then meet choice 23.
 *  23  Output in the window: E or 87h, for the final address only, after permissions and A/D
 *      updates. Addresses of tables and guest addresses between the stages are not compared.
 *
 * Second stage
 *  24  An entry is present when R or W is set; X alone does not make it present. Not present, or
 *      nothing left of the permissions at the leaf: in legacy mode 5 (write, also read+write) or 6,
 *      in scalable mode 79h (SSS.2), whatever was being translated. Reserved bits of an entry that
 *      is not present are not looked at.
 *  25  Permission is compared once, after the walk, with the AND of all levels: a reserved bit
 *      below a missing permission is reported as a reserved bit. Write is compared before read.
 *  26  X (bit 2) is ignored: execution needs R only.
 *  27  Reserved: address bits 51:HAW; bit 62 (old TM) at every level; bit 7 at levels 4 and 5, and
 *      at levels 3 and 2 without the SSLPS bit; bit 11 in an entry that points to a table, and in
 *      a leaf without ECAP.SC; low address bits of large pages. Ignored: 6:3, 8 and 9 when not
 *      used for A/D, 10, 61:52, 63, and bit 7 of a level 1 entry.
 *  28  Input at or above 2^min(AW, MGAW+1): 4, 84h.
 *
 * First stage
 *  29  Reserved: bits 51:HAW, nested or not; bit 7 at levels 5 and 4, and at level 3 without FS1GP;
 *      bit 63 by choice 20; low address bits of large pages except bit 12 (PAT). Ignored: 3, 4, 8,
 *      9, 11, 62:52, bit 7 of a level 1 entry, 10 without EAFE.
 *  30  Permission after the walk: user needs U/S at every level (81h); then execution (82h: XD at
 *      any level, or SMEP with a supervisor request and U/S at every level); then write (85h:
 *      user, or supervisor with WPE, needs RW at every level; a supervisor without WPE may write).
 *      There is no SMAP.
 *
 * Nested
 *  31  FSPTPTR and the address in a table entry at or above the second stage's width: 74h. The
 *      leaf's result: 84h.
 *  32  A table page that the second stage does not let be read but written: 75h for the top one,
 *      76h below; faults of the second stage itself (78, 79, 7A, 7B) keep their codes. Reading the
 *      entry fails: 73h top, 70h below (the same without nesting).
 *  33  Order at the end: first-stage permission, its A/D, then the second stage of the result
 *      (width, walk, permission, A/D).
 *  34  Writing A, EA or D into a table page that the second stage does not let be written: 77h,
 *      only when a bit really changes. Such a write is a second-stage write: with SSADE it sets D
 *      in the leaf that maps the table page, before the first-stage entry is stored.
 *
 * Accessed and dirty
 *  35  A (and EA with EAFE) of a table entry as it is followed, also if something below faults; A
 *      and D of a stage's leaf once that stage is known to permit the access. D for a write. The
 *      second stage only with SSADE, never in legacy mode. A translation request counts as a write
 *      where w is granted.
 *  36  An update that is needed with ECAP.SMPWCS=1 and PWSNP=0: 90h (first stage) or 7Ch (second),
 *      after 77h. A store that fails: 91h or 7Dh.
 *
 * Translation requests (ATS)
 *  37  read and write of the request are ignored: the answer grants what the tables grant, for the
 *      privilege asked, never x. NW=1 with ECAP.NWFS clears w and does not set D; without NWFS it is
 *      ignored. Where neither r nor w is left, leaves keep their A.
 *  38  Success without permission (ok, r=w=x=0, gpa 0, size 12, recorded false, reason kept for
 *      information): 4 5 6 71 79 80 81 82 83 84 85 86. CA: 7 C 70 72-78 7A-7D 90 91. UR: all
 *      others, TE=0 and abort. UR and CA are recorded like other faults, with FPD.
 *
 * Recording
 *  39  Never suppressed by FPD: 1 8 9 A 30 31 38 39 3A 40 50 58. All others are qualified:
 *      suppressed when FPD is set in any of context, PASID directory and PASID entry read so far,
 *      FPD being honoured also when P=0.
 *
 * Other
 *  40  Pass-through and translated requests at or above 2^HAW: 4, 83h. Size of identity: 12.
 *      r=w=x=1.
 *  41  size_lg2 is the smaller leaf when nested. After a fault gpa, size_lg2, r, w, x are 0.
 */
#ifndef VTD_ORACLE_H
#define VTD_ORACLE_H

#include <stdbool.h>
#include <stdint.h>

/* Guest memory, by naturally aligned 64-bit words. False: the access failed. */
struct vo_memory {
	void *opaque;
	bool (*load64)(void *opaque, uint64_t gpa, uint64_t *value);
	bool (*store64)(void *opaque, uint64_t gpa, uint64_t value);
};

/* What the registers say. Protected ranges are inclusive and decoded; limit < base is empty. */
struct vo_unit {
	uint64_t cap, ecap;
	uint64_t rtaddr; /* as latched by SRTP, TTM in bits 11:10 */
	bool te;
	bool pmr_enabled;
	uint64_t plm_base, plm_limit;
	uint64_t phm_base, phm_limit;
	unsigned haw;		/* host address width in bits */
	unsigned version_major; /* VER 7:4 */
};

enum { VO_AT_UNTRANSLATED = 0, VO_AT_TRANSLATION_REQUEST = 1, VO_AT_TRANSLATED = 2 };

/* Untranslated: reads, writes, or both (atomic). exec is a read for execution; it needs a PASID. */
struct vo_request {
	uint16_t rid;
	bool has_pasid;
	uint32_t pasid;
	uint64_t iova;
	bool write, read, exec, priv;
	unsigned at;   /* VO_AT_* */
	bool no_write; /* NW of a translation request */
};

/* How a translation request is completed; VO_ATS_NONE for other requests. */
enum {
	VO_ATS_NONE = 0,
	VO_ATS_SUCCESS = 1,
	VO_ATS_UNSUPPORTED_REQUEST = 2,
	VO_ATS_COMPLETER_ABORT = 3,
};

struct vo_answer {
	bool ok;
	uint64_t gpa;
	unsigned size_lg2;
	bool r, w, x;
	bool clean;	/* w is granted, and a dirty bit of a write is not set yet */
	uint8_t reason; /* VO_FR_*; 0 with !ok: blocked, and nothing to record */
	bool recorded;
	unsigned ats; /* VO_ATS_* */
};

/* 7.1.3: fault reasons a DMA request can end with. */
enum {
	VO_FR_ROOT_P = 0x01,	     /* LRT.2 */
	VO_FR_CONTEXT_P = 0x02,	     /* LCT.2 */
	VO_FR_CONTEXT_INV = 0x03,    /* LCT.4 */
	VO_FR_ADDR_WIDTH = 0x04,     /* LGN.1 */
	VO_FR_WRITE = 0x05,	     /* LGN.2 */
	VO_FR_READ = 0x06,	     /* LGN.3 */
	VO_FR_SS_ACCESS = 0x07,	     /* LSS.1 */
	VO_FR_ROOT_ACCESS = 0x08,    /* LRT.1 */
	VO_FR_CONTEXT_ACCESS = 0x09, /* LCT.1 */
	VO_FR_ROOT_RSVD = 0x0a,	     /* LRT.3 */
	VO_FR_CONTEXT_RSVD = 0x0b,   /* LCT.3 */
	VO_FR_SS_RSVD = 0x0c,	     /* LSS.2 */
	VO_FR_TT_BLOCKS = 0x0d,	     /* LCT.5 */
	VO_FR_INTERRUPT = 0x0e,	     /* LGN.4 */

	VO_FR_RTADDR = 0x30,		/* RTA.1 */
	VO_FR_PASID_IN_LEGACY = 0x31,	/* RTA.2 */
	VO_FR_SM_ROOT_ACCESS = 0x38,	/* SRT.1 */
	VO_FR_SM_ROOT_P = 0x39,		/* SRT.2 */
	VO_FR_SM_ROOT_RSVD = 0x3a,	/* SRT.3 */
	VO_FR_SM_CONTEXT_ACCESS = 0x40, /* SCT.1 */
	VO_FR_SM_CONTEXT_P = 0x41,	/* SCT.2 */
	VO_FR_SM_CONTEXT_RSVD = 0x42,	/* SCT.3 */
	VO_FR_SM_CONTEXT_INV = 0x43,	/* SCT.4 */
	VO_FR_SM_DTE = 0x44,		/* SCT.5 */
	VO_FR_SM_PASIDE = 0x45,		/* SCT.6 */
	VO_FR_SM_PASID_SIZE = 0x46,	/* SCT.7 */
	VO_FR_SM_RID_PASID = 0x48,	/* SCT.9 */
	VO_FR_DIR_ACCESS = 0x50,	/* SPD.1 */
	VO_FR_DIR_P = 0x51,		/* SPD.2 */
	VO_FR_DIR_RSVD = 0x52,		/* SPD.3 */
	VO_FR_PASID_ACCESS = 0x58,	/* SPT.1 */
	VO_FR_PASID_P = 0x59,		/* SPT.2 */
	VO_FR_PASID_RSVD = 0x5a,	/* SPT.3 */
	VO_FR_PASID_INV = 0x5b,		/* SPT.4 */
	VO_FR_PASID_ERE = 0x5c,		/* SPT.5 */
	VO_FR_PASID_SRE = 0x5d,		/* SPT.6 */
	VO_FR_FS_ACCESS = 0x70,		/* SFS.1 */
	VO_FR_FS_P = 0x71,		/* SFS.2 */
	VO_FR_FS_RSVD = 0x72,		/* SFS.3 */
	VO_FR_FS_ROOT_ACCESS = 0x73,	/* SFS.4 */
	VO_FR_FS_TABLE_WIDTH = 0x74,	/* SFS.5 */
	VO_FR_FS_ROOT_READ = 0x75,	/* SFS.6 */
	VO_FR_FS_TABLE_READ = 0x76,	/* SFS.7 */
	VO_FR_FS_TABLE_WRITE = 0x77,	/* SFS.8 */
	VO_FR_SM_SS_ACCESS = 0x78,	/* SSS.1 */
	VO_FR_SM_SS_P = 0x79,		/* SSS.2 */
	VO_FR_SM_SS_RSVD = 0x7a,	/* SSS.3 */
	VO_FR_SM_SS_ROOT_ACCESS = 0x7b, /* SSS.4 */
	VO_FR_SM_SS_NO_SNOOP = 0x7c,	/* SSS.5 */
	VO_FR_SM_SS_UPDATE = 0x7d,	/* SSS.6 */
	VO_FR_SM_CANONICAL = 0x80,	/* SGN.1 */
	VO_FR_SM_USER = 0x81,		/* SGN.2 */
	VO_FR_SM_EXECUTE = 0x82,	/* SGN.3 */
	VO_FR_SM_HAW = 0x83,		/* SGN.4 */
	VO_FR_SM_ADDR_WIDTH = 0x84,	/* SGN.5 */
	VO_FR_SM_WRITE = 0x85,		/* SGN.6 */
	VO_FR_SM_READ = 0x86,		/* SGN.7 */
	VO_FR_SM_INTERRUPT = 0x87,	/* SGN.8 */
	VO_FR_FS_NO_SNOOP = 0x90,	/* SFS.9 */
	VO_FR_FS_UPDATE = 0x91,		/* SFS.10 */
};

/*
 * vo_translate() - what the hardware answers to one request, and does to memory (A/D bits).
 *
 * @mem:  guest memory; load64 and store64 may fail, and failing is an architected fault
 * @unit: register state; nothing is remembered between calls
 * @req:  the request
 * @ans:  wholly written
 */
void vo_translate(const struct vo_memory *mem, const struct vo_unit *unit,
		  const struct vo_request *req, struct vo_answer *ans);

/* An untranslated write without PASID to 0xFEEx_xxxx: not to be given to vo_translate(). */
bool vo_is_interrupt_request(const struct vo_request *req);

#endif
