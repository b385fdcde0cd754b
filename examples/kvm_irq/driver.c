/* SPDX-License-Identifier: BSD-3-Clause */
/* driver.c - a guest's driver of VT-d interrupt remapping, as little of it as an example needs. */
#include "driver.h"

#include <string.h>

/* 11.4 registers */
#define GCMD 0x018U
#define GSTS 0x01cU
#define FSTS 0x034U
#define IQT  0x088U
#define IQA  0x090U
#define IRTA 0x0b8U
#define FRCD 0x220U /* where the default CAP.FRO has it */

/* 11.4.4 */
#define G_IRTP (1U << 24) /* take the table's address */
#define G_IRE  (1U << 25) /* remapping on */
#define G_QIE  (1U << 26) /* queue on */

#define IRTA_EIME    (UINT64_C(1) << 11) /* 32-bit destinations */
#define IRTA_256     UINT64_C(7)	 /* 2 << 7 entries */
#define FRCD_FAULT   (UINT64_C(1) << 63)
#define FRCD_ENTRIES 8U /* default CAP.NFR */

/* Guest memory: the table, the queue, and the word that waits write. */
#define TABLE	    0x1000U
#define QUEUE	    0x2000U
#define QUEUE_BYTES 0x1000U
#define STATUS	    0x3000U

static uint64_t read_register(struct driver *d, uint64_t offset, uint32_t bytes)
{
	uint64_t value = 0;

	return viommu_reg_read(d->iommu, offset, bytes, &value) == VIOMMU_OK ? value : 0;
}

static void write_memory(struct driver *d, uint32_t gpa, uint64_t low, uint64_t high)
{
	memcpy(d->memory + gpa, &low, sizeof(low));
	memcpy(d->memory + gpa + 8, &high, sizeof(high));
}

/* 11.4.4: one bit at a time, the others as they are; GSTS shows it when it has been done. */
static bool command(struct driver *d, uint32_t bit)
{
	uint64_t on = read_register(d, GSTS, 4) & (G_IRE | G_QIE);

	if (viommu_reg_write(d->iommu, GCMD, 4, on | bit) < 0)
		return false;
	for (unsigned tries = 0; tries < 1000; tries++) {
		if (read_register(d, GSTS, 4) & bit)
			return true;
		viommu_run(d->iommu);
	}
	return false;
}

bool driver_start(struct driver *d)
{
	return viommu_reg_write(d->iommu, IQA, 8, QUEUE) >= 0 && command(d, G_QIE) &&
	       viommu_reg_write(d->iommu, IRTA, 8, TABLE | IRTA_EIME | IRTA_256) >= 0 &&
	       command(d, G_IRTP) && command(d, G_IRE);
}

/* 9.10: P, TM, V, DST; SVT 1 with SQ 0: the source must be SID. The half with P is written last. */
void driver_set_entry(struct driver *d, uint16_t index, uint8_t vector, uint32_t apic_id,
		      uint16_t source, bool level)
{
	driver_clear_entry(d, index);
	write_memory(d, TABLE + index * 16U,
		     1 | (uint64_t)level << 4 | (uint64_t)vector << 16 | (uint64_t)apic_id << 32,
		     UINT64_C(1) << 18 | source);
}

void driver_clear_entry(struct driver *d, uint16_t index)
{
	write_memory(d, TABLE + index * 16U, 0, 0);
}

/* 6.5.2: descriptors are 16 bytes. */
static void submit(struct driver *d, uint64_t low, uint64_t high)
{
	write_memory(d, QUEUE + d->tail, low, high);
	d->tail = (d->tail + 16) % QUEUE_BYTES;
}

bool driver_invalidate_entry(struct driver *d, uint16_t index)
{
	submit(d, (uint64_t)index << 32 | 1 << 4 | 4, 0);	     /* type 4, by index */
	submit(d, (uint64_t)++d->ticket << 32 | 1 << 5 | 5, STATUS); /* type 5, status write */
	if (viommu_reg_write(d->iommu, IQT, 8, d->tail) < 0)
		return false;
	for (unsigned tries = 0; tries < 1000 && !driver_completed(d); tries++)
		viommu_run(d->iommu);
	return driver_completed(d);
}

bool driver_completed(const struct driver *d)
{
	uint32_t status;

	memcpy(&status, d->memory + STATUS, sizeof(status));
	return status == d->ticket;
}

/* 5.1.2: handle in bits 19:5 and 2, format in bit 4, no subhandle. */
uint64_t driver_message(uint16_t index)
{
	return UINT64_C(0xfee00010) | (index & 0x7fffU) << 5 | (uint64_t)(index >> 15) << 2;
}

/* 5.1.5: index in bits 63:49 and 11, format in bit 48. */
uint64_t driver_redirection(uint16_t index, uint8_t vector, bool level)
{
	return (uint64_t)(index & 0x7fff) << 49 | UINT64_C(1) << 48 | (uint64_t)level << 15 |
	       (uint64_t)(index >> 15) << 11 | vector;
}

/* 11.4.7: FSTS.FRI is the oldest record's; F is cleared by writing it as 1. */
bool driver_take_fault(struct driver *d, struct driver_fault *fault)
{
	uint64_t oldest = read_register(d, FSTS, 4) >> 8 & (FRCD_ENTRIES - 1);
	uint64_t record = FRCD + 16 * oldest;
	uint64_t high = read_register(d, record + 8, 8);

	if (!(high & FRCD_FAULT))
		return false;
	*fault = (struct driver_fault){
		.source = (uint16_t)high,
		.index = (uint16_t)(read_register(d, record, 8) >> 48),
		.reason = (uint8_t)(high >> 32),
	};
	return viommu_reg_write(d->iommu, record + 8, 8, FRCD_FAULT) >= 0;
}
