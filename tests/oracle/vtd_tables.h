/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vtd_tables.h - guest table images and requests for comparing a VT-d engine with vtd_oracle.h.
 *
 * Random:
 *
 *	struct vt_rng rng = { seed };                        the caller prints the seed
 *	struct vt_image *image = vt_image_new(VT_WORDS);
 *	struct vt_memory a, b;                               one for the oracle, one for the engine
 *	vt_memory_init(&a, VT_WORDS), vt_memory_init(&b, VT_WORDS);
 *	for each image:
 *		vt_build(image, &vt_params_default, &rng);   writes image->unit and image->mem
 *		vt_load(&a, image), vt_load(&b, image);
 *		for each request:
 *			vt_request(image, &rng, &req);
 *			vo_translate(&(struct vo_memory)VT_MEMORY(&a), &image->unit, &req, &answer);
 *			... the engine on b, then compare the answers, then
 *			vt_equal(&a, &b, image)              A/D bits
 *			vt_restore(&a, image), vt_restore(&b, image)   to start cold
 *	vt_unload(&a, image), vt_unload(&b, image)           before the image is built again
 *
 * Exhaustive: vt_rows() calls back once for each combination of control bits of one entry format,
 * at each level, for each kind of access; everything else on the path is valid.
 *
 * Memory is flat, from gpa 0; what lies outside fails. A word that is zero in an image is never a
 * present entry, so A/D stores only go to words the image lists (its slots), and restoring and
 * comparing need to look at slots only.
 */
#ifndef VTD_TABLES_H
#define VTD_TABLES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vtd_oracle.h"

/* splitmix64 */
struct vt_rng {
	uint64_t state;
};

uint64_t vt_random(struct vt_rng *rng);

enum { VT_PAGES = 256, VT_WORDS = VT_PAGES * 512 }; /* 1 MiB */

/* Flat guest memory. Stores to [ro_first, ro_last] fail; ro_last < ro_first: none do. */
struct vt_memory {
	uint64_t *words;
	size_t nwords;
	uint64_t ro_first, ro_last;
	uint64_t reads; /* by an engine that has callbacks: vtd_rig.h */
};

bool vt_memory_init(struct vt_memory *m, size_t nwords); /* zeroed; false: no memory */
void vt_memory_fini(struct vt_memory *m);

/* The callbacks of struct vo_memory, and the whole struct. */
bool vt_load64(void *opaque, uint64_t gpa, uint64_t *value);
bool vt_store64(void *opaque, uint64_t gpa, uint64_t value);
#define VT_MEMORY(m)                                                                               \
	{                                                                                          \
		(m), vt_load64, vt_store64                                                         \
	}

/* Capability choices: the fixed bits, and bits that are set at random. SAGAW must not end up 0. */
struct vt_caps {
	uint64_t cap, cap_random;
	uint64_t ecap, ecap_random;
	unsigned haw;
};

struct vt_params {
	const struct vt_caps *caps;
	unsigned ncaps;
	unsigned mutate_permille; /* images that are damaged, by 1 to 4 mutations */
	unsigned fpd_permille;	  /* entries with FPD */
};

extern const struct vt_params vt_params_default;

enum vt_kind {
	VT_ROOT,
	VT_CONTEXT,
	VT_DIRECTORY,
	VT_PASID,
	VT_SS, /* second-stage entry */
	VT_FS, /* first-stage entry */
	VT_KINDS
};

enum {
	VT_MAX_SLOTS = 4096,
	VT_MAX_TREES = 6,
	VT_MAX_TREE_PAGES = 24,
	VT_MAX_MAPS = 16,
	VT_MAX_BINDINGS = 24
};

/* One page-table tree; under nesting its pages also have guest addresses. */
struct vt_tree {
	enum vt_kind kind; /* VT_SS or VT_FS */
	unsigned levels;
	int under;     /* VT_FS: index of the second-stage tree below, or -1 */
	uint64_t root; /* guest address when nested */
	uint64_t page_guest[VT_MAX_TREE_PAGES], page_host[VT_MAX_TREE_PAGES];
	unsigned npages;
	uint64_t map_in[VT_MAX_MAPS]; /* mapped input addresses */
	unsigned map_lg2[VT_MAX_MAPS];
	unsigned nmaps;
};

/* What one (requester, PASID) is bound to. */
struct vt_binding {
	uint16_t rid;
	bool has_pasid;
	uint32_t pasid;
	int tree; /* -1: pass-through */
};

struct vt_image {
	struct vo_unit unit;
	struct vt_memory mem;
	uint32_t slot[VT_MAX_SLOTS]; /* index of every word that was written */
	uint8_t slot_kind[VT_MAX_SLOTS];
	unsigned nslots;
	uint8_t *is_slot; /* one byte a word */
	unsigned next_page;
	const struct vt_params *params;
	struct vt_tree tree[VT_MAX_TREES];
	unsigned ntrees;
	struct vt_binding binding[VT_MAX_BINDINGS];
	unsigned nbindings;
	unsigned mutations;
};

struct vt_image *vt_image_new(size_t nwords); /* NULL: no memory */
void vt_image_free(struct vt_image *image);

/* vt_build() - a new random unit and tables; the former contents are dropped. */
void vt_build(struct vt_image *image, const struct vt_params *params, struct vt_rng *rng);

/* vt_request() - one request: mostly along a path of the image, sometimes at an edge or nowhere.
 * Never an interrupt request. Alignment of iova is a byte. */
void vt_request(const struct vt_image *image, struct vt_rng *rng, struct vo_request *req);

/* Copies: load into a zeroed memory, bring the slots back, compare the slots, zero them again. */
void vt_load(struct vt_memory *m, const struct vt_image *image);
void vt_restore(struct vt_memory *m, const struct vt_image *image);
bool vt_equal(const struct vt_memory *a, const struct vt_memory *b, const struct vt_image *image);
void vt_unload(struct vt_memory *m, const struct vt_image *image);

/* --- Exhaustive rows --- */

enum vt_format {
	VT_ROW_SS_LEGACY,	 /* second-stage entry, levels 1-5, under a legacy context */
	VT_ROW_SS_SCALABLE,	 /* the same under PGTT 2, SSADE 0 and 1 */
	VT_ROW_SS_NESTED,	 /* the same, mapping a first-stage table and mapping its result */
	VT_ROW_FS,		 /* first-stage entry, levels 1-5, PGTT 1, all WPE NXE SMEP EAFE */
	VT_ROW_FS_NESTED,	 /* the same, PGTT 3 */
	VT_ROW_LEGACY_CONTEXT,	 /* qw0 bits 11:0, AW, reserved bits of qw1 */
	VT_ROW_SCALABLE_CONTEXT, /* qw0 bits 11:0, RID_PASID, RID_PRIV, a reserved bit of qw1-3 */
	VT_ROW_PASID_QW0,	 /* bits 11:0 */
	VT_ROW_PASID_QW1,	 /* snoop, memory type and reserved bits, every PGTT */
	VT_ROW_PASID_QW2,	 /* bits 11:0, PGTT 1, 2, 3 */
	VT_ROW_FORMATS
};

/* One combination. Valid until the callback returns, which must not change the image. */
struct vt_row {
	enum vt_format format;
	unsigned level;	    /* of a paging entry, else 0 */
	uint64_t bits;	    /* the word under test */
	uint64_t word_addr; /* where it is; two words or more vary in the context formats */
	unsigned variant;   /* which capabilities and settings around it */
	const struct vt_image *image; /* unit, and memory to copy from: vt_load() */
	const struct vo_request *req;
};

/* False: stop. */
typedef bool (*vt_row_fn)(void *opaque, const struct vt_row *row);

/*
 * vt_rows() - call @fn for every row of @format; returns the number of rows.
 *
 * @image is scratch: it is emptied first, and left as the last row made it. Slots are only added
 * while it runs, so a callback that keeps a copy (vt_memory_init() before) calls vt_load() on every
 * row, and its owner calls vt_unload() after vt_rows() has returned.
 */
uint64_t vt_rows(struct vt_image *image, enum vt_format format, vt_row_fn fn, void *opaque);

const char *vt_format_name(enum vt_format format);

#endif
