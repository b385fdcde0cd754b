/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ioapic_rig.h - an I/O APIC whose callbacks are logged, driven as a guest and its devices would.
 *
 * Bits of redirection entries are the data sheet's (82093AA 3.2.4), written down here again.
 */
#ifndef TESTS_IOAPIC_RIG_H
#define TESTS_IOAPIC_RIG_H

#include <libvirtiommu/ioapic.h>

#include "check.h"
#include "guest.h"

#define RTE_MASKED  UINT64_C(0x10000)
#define RTE_LEVEL   UINT64_C(0x8000)
#define RTE_IRR	    UINT64_C(0x4000)
#define RTE_LOW	    UINT64_C(0x2000)
#define RTE_STATUS  UINT64_C(0x1000)
#define RTE_LOGICAL UINT64_C(0x0800)
#define RTE_MODE(n) ((uint64_t)(n) << 8)
#define RTE_DST(n)  ((uint64_t)(n) << 56)
/* VT-d 5.1.5.1: remappable format */
#define RTE_REMAP(index)                                                                           \
	(UINT64_C(1) << 48 | (uint64_t)((index)&0x7fff) << 49 | ((index) >> 15 ? RTE_LOGICAL : 0))

#define RIG_SOURCE 0xf0f8U /* bus 0xf0, device 0x1f, function 0 */

enum rig_event { RIG_DELIVER, RIG_CHANGED, RIG_ACKNOWLEDGED, RIG_EVENTS };

enum { RIG_LOG = 512 };

struct rig {
	struct guest g;
	struct viommu_ioapic *a;
	unsigned pins;
	/* Logs: since the last rig_forget(). */
	unsigned count[RIG_EVENTS];
	uint32_t pin[RIG_EVENTS][RIG_LOG];
	struct viommu_msi msi[RIG_LOG];
	char order[RIG_LOG + 1]; /* d, c, a */
	/* Called after the event is logged. */
	void (*hook)(struct rig *r, enum rig_event event, uint32_t pin);
	uint64_t cookie; /* the hook's */
};

enum rig_iommu { RIG_NONE, RIG_VTD };

/* With 300 pages of guest memory. pins and version 0: the default. */
void rig_open(struct rig *r, enum rig_iommu iommu, uint32_t pins, uint32_t version);
/* The same without failing. */
int rig_try_new(struct rig *r, uint32_t pins, uint32_t version, struct viommu_ioapic **a);
void rig_close(struct rig *r);
void rig_forget(struct rig *r);

uint32_t rig_read(struct rig *r, uint32_t index);
void rig_write(struct rig *r, uint32_t index, uint32_t value);
uint64_t rig_entry(struct rig *r, uint32_t pin);
/* The high half first, so that an entry is not unmasked before it is whole. */
void rig_set_entry(struct rig *r, uint32_t pin, uint64_t entry);
void rig_line(struct rig *r, uint32_t pin, uint32_t level);
void rig_eoi(struct rig *r, uint32_t vector);

/* Counts since the last call, which are then forgotten. */
void rig_expect(struct rig *r, const char *row, unsigned delivered, unsigned changed,
		unsigned acknowledged);

/* Bytes of the saved state, at most 8192. */
uint64_t rig_save(struct viommu_ioapic *a, uint8_t *buffer);

/* Replaces the state's sum after it was changed (state.h: record "end."). */
void rig_resum(uint8_t *state, uint64_t bytes);

static inline uint64_t rig_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

#endif
