/* SPDX-License-Identifier: BSD-3-Clause */
/* vtd_tables_internal.h - what the parts of the table generator share (vtd_tables.c, vtd_trees.c,
 * vtd_requests.c, vtd_rows*.c). */
#ifndef VTD_TABLES_INTERNAL_H
#define VTD_TABLES_INTERNAL_H

#include "vtd_tables.h"

#define BIT(n) (UINT64_C(1) << (n))
#define PAGE   UINT64_C(4096)
#define WINDOW UINT64_C(0xfee00000)

enum {
	PLMR = 5,
	PHMR = 6,
	SSLPS_2M = 34,
	SSLPS_1G = 35,
	PSI = 39,
	FS1GP = 56,
	FS5LP = 60,
	ESRTPS = 63,
};
enum {
	E_QI = 1,
	E_DT = 2,
	E_PT = 6,
	E_SC = 7,
	E_NEST = 26,
	E_PRS = 29,
	E_ERS = 30,
	E_SRS = 31,
	E_NWFS = 33,
	E_EAFS = 34,
	E_PASID = 40,
	E_SMTS = 43,
	E_SSADS = 45,
	E_SSTS = 46,
	E_FSTS = 47,
	E_SMPWCS = 48,
	E_RPS = 49,
	E_ADMS = 52,
	E_RPRIVS = 53,
};

/* SAGAW 39, 48, 57; MGAW 56 (57 bits), 47, 38; SSLPS both or random; FS1GP, FS5LP. */
#define SAGAW(bits) ((uint64_t)(bits) << 8)
#define MGAW(bits)  ((uint64_t)((bits)-1) << 16)
#define ND(n)	    ((uint64_t)(n))
#define PSS(bits)   ((uint64_t)((bits)-1) << 35)
#define FRO(offset) ((uint64_t)(offset) / 16 << 24)
#define IRO(offset) ((uint64_t)(offset) / 16 << 8)
#define MAMV(n)	    ((uint64_t)(n) << 48)
#define SSLPS	    (BIT(SSLPS_2M) | BIT(SSLPS_1G))

static inline bool has_cap(const struct vt_image *image, unsigned bit)
{
	return image->unit.cap & BIT(bit);
}

static inline bool has_ecap(const struct vt_image *image, unsigned bit)
{
	return image->unit.ecap & BIT(bit);
}

/* --- vtd_tables.c --- */

unsigned below(struct vt_rng *rng, unsigned n);
bool permille(struct vt_rng *rng, unsigned p);
uint64_t maybe(struct vt_rng *rng, unsigned p, uint64_t bits);

void clear_image(struct vt_image *image);
/* False when the list of slots is full, and for addresses outside. */
bool put(struct vt_image *image, enum vt_kind kind, uint64_t gpa, uint64_t value);
uint64_t get(const struct vt_image *image, uint64_t gpa);
/* A fresh page; when there is none left, a used one. */
uint64_t new_page(struct vt_image *image, struct vt_rng *rng);

/* --- vtd_caps_pick.c --- */

/* A unit with everything there is. */
extern const struct vt_caps caps_all;
void build_unit(struct vt_image *image, struct vt_rng *rng);
/* Takes away what makes no sense without something else that is absent (notes, section 5). */
void make_consistent(struct vo_unit *unit);

/* --- vtd_trees.c --- */

/* Trees 0 and 1 are second-stage; in scalable mode 2 is first-stage, 3 nested on tree 0 or 1. */
void build_trees(struct vt_image *image, struct vt_rng *rng, bool scalable);
uint64_t pick_output(const struct vt_image *image, struct vt_rng *rng);

/* --- vtd_mutate.c --- */

void mutate(struct vt_image *image, struct vt_rng *rng);

/* --- vtd_rows.c, vtd_rows_context.c --- */

struct rows {
	struct vt_image *image;
	vt_row_fn fn;
	void *opaque;
	struct vt_row row;
	uint64_t count;
	bool stopped;
};

/* One kind of access. */
struct access {
	bool has_pasid, read, write, exec, priv;
	unsigned at;
	bool no_write;
};

#define UT VO_AT_UNTRANSLATED
#define TR VO_AT_TRANSLATION_REQUEST
#define TD VO_AT_TRANSLATED

enum { NPLAIN = 6, NPASID = 12 };
extern const struct access plain_access[NPLAIN], pasid_access[NPASID];

/* An entry with every permission. */
enum { SS_FULL = 7, FS_FULL = 7 };

/* Where things are: pages 0 to 3 are four copies of the table below the entry under test. */
enum {
	ROW_RID = 0x0108,
	ROW_PASID = 1,
	ROW_ROOT = 16 * 4096,
	ROW_CONTEXT_TABLE = 17 * 4096,
	ROW_DIRECTORY = 18 * 4096,
	ROW_PASID_TABLE = 19 * 4096,
	ROW_SS_ROOT = 20 * 4096,
	ROW_FS_ROOT = 21 * 4096,
	ROW_FS_HOST = 22 * 4096,
	ROW_TARGET = 23 * 4096,
	ROW_FIRST_FREE = 32,
};

void row_begin(struct rows *rows, unsigned variant, uint64_t no_cap, uint64_t no_ecap,
	       bool scalable);
void row_scalable_context(struct rows *rows);
void row_pasid_entry(struct rows *rows, uint64_t q0, uint64_t q1, uint64_t q2);
void emit(struct rows *rows, const struct access *a, uint32_t pasid, uint64_t iova);
/* Every subset of the masks in one word. */
void all_words(struct rows *rows, enum vt_kind kind, uint64_t addr, const uint64_t *mask,
	       unsigned nmasks, const struct access *access, unsigned naccess, uint64_t iova);

void legacy_context_rows(struct rows *rows);
void scalable_context_rows(struct rows *rows);
void pasid_qw0_rows(struct rows *rows);
void pasid_qw1_rows(struct rows *rows);
void pasid_qw2_rows(struct rows *rows);

#endif
