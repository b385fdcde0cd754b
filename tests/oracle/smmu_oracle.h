/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * smmu_oracle.h - what an Arm SMMUv3 answers to one request, by the manual (IHI 0070 G.b): stream table, STE, context
 * descriptor, then the tables (arm64_oracle.h). No caches, no code and no constants of the library.
 *
 * CHOICES, where the manual leaves some:
 *   1  SMMUEN 0: GBPA.ABORT, or the address as it is; above OAS an abort. No record.
 *   2  What is beyond OAS cannot be read: F_STE_FETCH. STRTAB_BASE is aligned as the raw LOG2SIZE says; FMT other than 1
 *      is linear, SPLIT other than 8 and 10 is 6.
 *   3  S1ContextPtr beyond IAS is C_BAD_STE, L1CD.L2Ptr beyond it C_BAD_SUBSTREAMID, nested or not.
 *   4  Reserved bits are not looked at.
 *   5  Fields of features that are not there are 0: S2DS, DS, HAD, E0PD, EPAN, HAFT, S2FWB, S1CDMax without SSIDSIZE.
 *   6  A refused access leaves no access flag; those of the descriptors before it stay.
 *   7  An access that reads and writes is a write (RnW 0). What is undefined in a record is 0.
 *   8  STE.EATS 3 without device permission tables is 0, and no reason for C_BAD_STE.
 *   9  A translation request without write of a page that is writable and dirty may be granted writing or not; of one that is
 *      clean it is not. EATS 2 leaves the traces in stage 2 that the other ones leave.
 *  10  A translated address beyond OAS is aborted without a record.
 *  11  A device that cannot wait is not stalled: the access ends at once, as A says (5.5), and is recorded with Stall 0.
 *  12  StreamWorld EL2 changes nothing of what records say of privilege.
 */
#ifndef SMMU_ORACLE_H
#define SMMU_ORACLE_H

#include "arm64_oracle.h"

/* What registers say. */
struct so_unit {
	uint32_t idr[6];
	uint32_t minor; /* AIDR */
	uint64_t strtab_base;
	uint32_t strtab_cfg;
	uint32_t gbpa;
	bool enabled; /* SMMUEN */
	bool recinvsid, e2h;
	bool atschk, rec_cfg_ats;
};

/* As PCIe's AT. A translation request always reads; write is that NW is not set. */
enum so_type { SO_UNTRANSLATED, SO_TRANSLATE, SO_TRANSLATED };
/* How a translation request is completed. */
enum so_ats { SO_ATS_SUCCESS, SO_ATS_UR, SO_ATS_CA };

struct so_request {
	uint32_t sid;
	bool ssv;
	uint32_t ssid;
	uint64_t address;
	bool read, write, fetch, privileged;
	enum so_type type;
};

struct so_answer {
	bool ok;
	bool zero;	    /* refused, and the device is not told: RAZ/WI */
	uint8_t event;	    /* SO_*; 0: none */
	bool recorded;	    /* in the event queue */
	uint64_t record[4]; /* then */
	uint64_t pa;
	unsigned lg2;
	bool r, w, x, clean;
	enum so_ats ats;
	bool doubtful; /* neighbours that are one page are not alike: either is right */
};

enum {
	SO_BAD_STREAMID = 0x02,
	SO_STE_FETCH = 0x03,
	SO_BAD_STE = 0x04,
	SO_BAD_ATS_TREQ = 0x05,
	SO_STREAM_DISABLED = 0x06,
	SO_TRANSL_FORBIDDEN = 0x07,
	SO_BAD_SUBSTREAMID = 0x08,
	SO_CD_FETCH = 0x09,
	SO_BAD_CD = 0x0a,
	SO_WALK_EABT = 0x0b,
	SO_TRANSLATION = 0x10,
	SO_ADDR_SIZE = 0x11,
	SO_ACCESS = 0x12,
	SO_PERMISSION = 0x13,
};

void so_translate(const struct a64_memory *m, const struct so_unit *u, const struct so_request *q,
		  struct so_answer *a);

#endif
