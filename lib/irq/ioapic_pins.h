/* SPDX-License-Identifier: BSD-3-Clause */
/* ioapic_pins.h - an I/O APIC's state, and what follows from a redirection entry alone. */
#ifndef IOAPIC_PINS_H
#define IOAPIC_PINS_H

#include <libvirtiommu/ioapic.h>

#include <pthread.h>

#include "ioapic_spec.h"

struct ioapic_pin {
	uint64_t entry; /* delivery status is never set; remote IRR only with level */
	bool driven;	/* the line has been set; until then it is not asserted */
	bool line;	/* high */
};

struct viommu_ioapic {
	struct viommu_vm *vm;
	struct viommu *iommu;		  /* or NULL */
	struct viommu_listener *listener; /* of it */
	bool retry;	      /* of the call that has the unit: what was refused may pass now */
	_Atomic bool refused; /* a level's message was */
	struct viommu_ioapic_config config; /* with the defaults filled in */
	pthread_mutex_t lock; /* guards what follows; nothing outside is called with it held */
	uint32_t index;	      /* IOREGSEL */
	uint32_t id;
	struct ioapic_pin pin[IOAPIC_PINS_MAX];
};

/*
 * IOREGSEL has 8 bits, which reach the entries of 120 pins. One with more pins than that has 9, so
 * that the table can be used.
 */
static inline uint32_t ioapic_index_mask(const struct viommu_ioapic *a)
{
	return IOAPIC_REDTBL + 2 * a->config.pins > 0x100 ? 0x1ff : 0xff;
}

/* 3.2.4: NMI and INIT are edge-triggered even if programmed otherwise. */
static inline bool ioapic_level(uint64_t entry)
{
	uint64_t delivery = bits_get(entry, IOAPIC_RTE_DELIVERY);

	return (entry & IOAPIC_RTE_LEVEL) && delivery != IOAPIC_DELIVERY_NMI &&
	       delivery != IOAPIC_DELIVERY_INIT;
}

/* 3.2.4, polarity: whether the line is at the level that asserts it. Logical lines have no
 * polarity. A line that nobody has set yet asserts nothing, whatever the polarity. */
static inline bool ioapic_asserted(const struct viommu_ioapic *a, const struct ioapic_pin *pin)
{
	bool low =
		(pin->entry & IOAPIC_RTE_LOW) && !(a->config.flags & VIOMMU_IOAPIC_LOGICAL_LINES);

	return pin->driven && pin->line != low;
}

#endif
