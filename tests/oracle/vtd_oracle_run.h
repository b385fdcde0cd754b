/* SPDX-License-Identifier: BSD-3-Clause */
/* vtd_oracle_run.h - one translation of the oracle on its way; shared by vtd_oracle*.c only. */
#ifndef VTD_ORACLE_RUN_H
#define VTD_ORACLE_RUN_H

#include "vtd_oracle.h"

#define BIT(n) (UINT64_C(1) << (n))

/* Answers of a step: 0 go on, VO_FR_* a fault, or blocked with nothing to record. */
enum { GO_ON = 0, BLOCKED_ABORT = 0x100, BLOCKED_DISABLED, BLOCKED_WINDOW, BLOCKED_PMR };

enum { TT_SECOND_STAGE = 0, TT_DEVICE_TLB = 1, TT_PASS_THROUGH = 2 };
enum { PGTT_FIRST = 1, PGTT_SECOND = 2, PGTT_NESTED = 3, PGTT_PASS_THROUGH = 4 };

/* A walk of the second stage: what it found, and what the entries from the root down prove. */
struct ss_walk {
	uint64_t leaf; /* address of the last entry */
	uint64_t out;
	unsigned size_lg2;
	bool r, w;
};

/* A walk of the first stage. */
struct fs_walk {
	uint64_t leaf;		/* where the last entry is in host memory */
	struct ss_walk located; /* PGTT 3: how it was found there */
	uint64_t out;
	unsigned size_lg2;
	bool us, rw, xd;
};

/* One translation from beginning to end. */
struct run {
	const struct vo_memory *mem;
	const struct vo_unit *unit;
	const struct vo_request *req;
	bool scalable;
	bool fpd;
	bool priv, exec; /* what the request is treated as */

	unsigned pgtt; /* legacy TT 0 and 1 count as PGTT_SECOND */
	uint64_t ss_root, fs_root;
	unsigned ss_levels, fs_levels;
	bool ss_ad, pwsnp;
	bool ere, wpe, nxe, smep, eafe;

	struct fs_walk fs;
	struct ss_walk ss;

	uint64_t out;
	unsigned size_lg2;
	bool r, w, x;
};

/* --- Small things --- */

static inline uint64_t field(uint64_t word, unsigned hi, unsigned lo)
{
	return word >> lo & (BIT(hi - lo + 1) - 1);
}

/* Bits 51:lo of a word, or none of them when lo is 52 or more. */
static inline uint64_t bits_51_down_to(unsigned lo)
{
	return lo >= 52 ? 0 : (BIT(52) - 1) & ~(BIT(lo) - 1);
}

static inline uint64_t bits_from(unsigned lo)
{
	return lo >= 64 ? 0 : ~(BIT(lo) - 1);
}

static inline bool in_window(uint64_t addr)
{
	return addr >= 0xfee00000 && addr <= 0xfeefffff;
}

static inline bool is_at(const struct run *t, unsigned at)
{
	return t->req->at == at;
}

static inline unsigned by_mode(const struct run *t, unsigned legacy, unsigned scalable)
{
	return t->scalable ? scalable : legacy;
}

static inline bool load(const struct run *t, uint64_t addr, uint64_t *value)
{
	return t->mem->load64(t->mem->opaque, addr, value);
}

/* 10.4.2, 10.4.3: capability fields. */
static inline bool cap(const struct run *t, unsigned bit)
{
	return t->unit->cap & BIT(bit);
}

static inline bool ecap(const struct run *t, unsigned bit)
{
	return t->unit->ecap & BIT(bit);
}

enum { CAP_SSLPS_2M = 34, CAP_SSLPS_1G = 35, CAP_FS1GP = 56, CAP_FS5LP = 60 };
enum {
	ECAP_DT = 2,
	ECAP_PT = 6,
	ECAP_SC = 7,
	ECAP_NEST = 26,
	ECAP_PRS = 29,
	ECAP_ERS = 30,
	ECAP_SRS = 31,
	ECAP_NWFS = 33,
	ECAP_EAFS = 34,
	ECAP_PASID = 40,
	ECAP_SMTS = 43,
	ECAP_SSADS = 45,
	ECAP_SSTS = 46,
	ECAP_FSTS = 47,
	ECAP_SMPWCS = 48,
	ECAP_RPS = 49,
	ECAP_ADMS = 52,
	ECAP_RPRIVS = 53,
};

static inline bool uses_first_stage(uint64_t pgtt)
{
	return pgtt == PGTT_FIRST || pgtt == PGTT_NESTED;
}

static inline bool uses_second_stage(uint64_t pgtt)
{
	return pgtt == PGTT_SECOND || pgtt == PGTT_NESTED;
}

/* What a request may want to write: all translation requests do, but for NW=1 with ECAP.NWFS. */
static inline bool wants_write(const struct run *t)
{
	if (is_at(t, VO_AT_TRANSLATION_REQUEST))
		return !(t->req->no_write && ecap(t, ECAP_NWFS));
	return t->req->write;
}

/* vtd_oracle_context.c: from the root pointer to ss_root, fs_root and what goes with them. */
unsigned vo_legacy_structures(struct run *t, bool *identity);
unsigned vo_scalable_structures(struct run *t, bool *identity);

/* vtd_oracle_walk.c: from req->iova to out. */
unsigned vo_page_tables(struct run *t);
/* w is granted, and a dirty bit that a write would set is not set. */
bool vo_is_clean(const struct run *t);

#endif
