/* SPDX-License-Identifier: BSD-3-Clause */
/* lpi_virtual.h - virtual processors (GICv4): what is pending for them, and who is resident where. */
#ifndef LPI_VIRTUAL_H
#define LPI_VIRTUAL_H

#include "lpi.h"

/* A VMAPP that maps. */
struct vpe_map {
	uint32_t vpe;
	uint32_t cpu;
	uint64_t vpt; /* struct vpe.vpt */
	uint64_t vconf;
	uint32_t doorbell;
	bool fresh; /* pending bits are not those of another ITS */
	bool zero;  /* and memory has none */
};

bool vpe_init(struct lpis *l);
void vpe_free(struct lpis *l);
/* No vPE is mapped, resident, or has anything pending. */
void vpe_drop(struct lpis *l);
/* Whether there is memory for what is pending. */
bool vpe_have_pending(struct lpis *l, struct vpe *v);

/* The vPE, if it is mapped by anyone, or by the ITS with that number. */
struct vpe *vpe_mapped(const struct lpis *l, uint32_t vpe);
struct vpe *vpe_mapped_by(const struct lpis *l, uint32_t vpe, uint32_t its);

bool vpe_bind(struct lpis *l, uint32_t its, const struct vpe_map *map);
/* The ITS maps it no longer; when nobody delivers to it any more, vpe_retire(). */
void vpe_unbind(struct lpis *l, uint32_t its, uint32_t vpe);
/* If it was the last one, what is pending goes to memory. */
void vpe_retire(struct lpis *l, uint32_t its, uint32_t vpe);
/* The ITS maps it. True: nobody else did. */
bool vpe_hold(struct lpis *l, uint32_t its, uint32_t vpe);
void vpe_set_cpu(struct lpis *l, uint32_t vpe, uint32_t cpu);
void vpe_set_doorbell(struct lpis *l, uint32_t vpe, uint32_t doorbell);
/* A reset, or a restore: guest memory is left alone. */
void vpe_unbind_all(struct lpis *l, uint32_t its);

/* From any thread, in a section. 0, or the reason why not. @doorbell: of the event (4.0) */
unsigned vpe_deliver(struct lpis *l, uint32_t vpe, uint32_t intid, uint32_t doorbell);
void vpe_clear(struct lpis *l, uint32_t vpe, uint32_t intid);
void vpe_move(struct lpis *l, uint32_t from, uint32_t to, uint32_t intid, uint32_t doorbell);
/* Configuration may have changed: what is pending is announced again. */
void vpe_invalidate(struct lpis *l, uint32_t vpe, uint32_t intid, uint32_t doorbell);
/* The same of all; as lpi_reread(). */
bool vpe_reread(struct viommu *payer, struct lpis *l, uint32_t vpe, uint32_t *word);
void vpe_sgi(struct lpis *l, uint32_t vpe, uint32_t intid);
void vpe_configure_sgi(struct lpis *l, uint32_t vpe, uint32_t intid, uint32_t config);
void vpe_clear_sgi(struct lpis *l, uint32_t vpe, uint32_t intid);
static inline bool vpe_has(const struct vpe *v, uint32_t intid)
{
	return intid >= ITS_FIRST_LPI &&
	       intid >> bits_get(atomic_load_explicit(&v->vpt, memory_order_relaxed),
				 VPE_VPT_BITS) ==
		       0;
}

/* The configuration byte of a vLPI or virtual SGI. @where: 4.0 has it in a table of this redistributor + 1;
 * 0: not known */
unsigned vpe_config(struct lpis *l, const struct vpe *v, uint32_t intid, uint32_t where);
/* One is pending: to the redistributor where the vPE is resident, or by a doorbell. */
void vpe_announce(struct lpis *l, struct vpe *v, uint32_t intid, uint32_t doorbell);

/* A vPE, and the redistributor that looks what is pending for it. */
struct vpe_at {
	struct lpis *l;
	struct vpe *v;
	struct lpi_cpu *c;
};
/* As lpi_for_pending(), with @at for each. */
bool vpe_for_pending(struct viommu *payer, struct vpe_at *at, uint32_t *word,
		     bool (*each)(void *at, uint32_t intid));
bool vpe_announce_each(void *at, uint32_t intid);
/* Unless nothing may be written. */
void vpe_write_vpt(struct lpis *l, struct vpe *v);

/* ---- lpi_vlpi_frame.c ---- */
bool vpe_add_rows(struct lpi_cpu *c);
/* What the VLPI frame has left to do; false: steps ran out. */
bool vpe_finish(struct lpi_cpu *c);
/* What is pending is announced again. */
void vpe_retell(struct lpis *l, uint32_t vpe);
/* After a restore. */
void vpe_resume(struct lpi_cpu *c, bool leaving);

#endif
