/* SPDX-License-Identifier: BSD-3-Clause */
/* small_guest.c - the guest of the example: legacy mode, four levels, register writes as a driver makes them. */
#include "small_guest.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { GCMD = 0x18, GSTS = 0x1c, RTADDR = 0x20, IQT = 0x88, IQA = 0x90 };

#define TE   (UINT32_C(1) << 31)
#define SRTP (UINT32_C(1) << 30)
#define QIE  (UINT32_C(1) << 26)

#define LEVELS	      4U
#define QUEUE_ENTRIES 256U

static uint64_t take_page(struct small_guest *g)
{
	uint64_t page = g->used;

	if (page + SMALL_GUEST_PAGE > SMALL_GUEST_RAM)
		abort(); /* the example is too small for what it does */
	g->used += SMALL_GUEST_PAGE;
	return page;
}

static _Atomic uint64_t *word(const struct small_guest *g, uint64_t gpa)
{
	return (_Atomic uint64_t *)(void *)(g->ram + gpa);
}

/* Sets commands one at a time, as drivers do. */
static bool command(struct small_guest *g, uint32_t *on, uint32_t bit)
{
	uint64_t status;

	if (viommu_reg_write(g->vtd, GCMD, 4, *on | bit) < 0)
		return false;
	*on |= bit & ~SRTP;
	return !viommu_reg_read(g->vtd, GSTS, 4, &status) && (status & bit);
}

bool small_guest_open(struct small_guest *g, struct viommu_vm *vm, struct viommu *vtd)
{
	struct viommu_region region = { .size = sizeof(region), .bytes = SMALL_GUEST_RAM };
	uint32_t on = 0;

	memset(g, 0, sizeof(*g));
	g->vtd = vtd;
	g->ram = aligned_alloc(4096, SMALL_GUEST_RAM);
	if (!g->ram)
		return false;
	memset(g->ram, 0, SMALL_GUEST_RAM);
	region.host = g->ram;
	if (viommu_vm_add_region(vm, &region))
		return false;
	take_page(g); /* nothing lies at 0 */
	g->root = take_page(g);
	g->queue = take_page(g);
	g->status = take_page(g);
	viommu_reg_write(vtd, RTADDR, 8, g->root);
	viommu_reg_write(vtd, IQA, 8, g->queue);
	return command(g, &on, SRTP) && command(g, &on, QIE) && command(g, &on, TE);
}

void small_guest_close(struct small_guest *g, struct viommu_vm *vm)
{
	if (g->ram)
		viommu_vm_remove_region(vm, 0);
	free(g->ram);
}

uint64_t small_guest_attach(struct small_guest *g, uint16_t rid, uint16_t domain)
{
	_Atomic uint64_t *root = word(g, g->root + (rid >> 8) * UINT64_C(16));
	uint64_t tables = take_page(g);
	_Atomic uint64_t *context;

	if (!*root)
		*root = take_page(g) | 1;
	context = word(g, (*root & ~UINT64_C(0xfff)) + (rid & 0xff) * UINT64_C(16));
	context[1] = (uint64_t)domain << 8 | (LEVELS - 2);
	context[0] = tables | 1;
	return tables;
}

void small_guest_map(struct small_guest *g, uint64_t tables, uint64_t iova, uint64_t gpa)
{
	for (unsigned level = LEVELS - 1;; level--) {
		_Atomic uint64_t *entry =
			word(g, tables + (iova >> (12 + 9 * level) & 511) * sizeof(uint64_t));

		if (level == 0) {
			*entry = gpa == UINT64_MAX ? 0 : gpa | 3;
			return;
		}
		if (!*entry)
			*entry = take_page(g) | 3;
		tables = *entry & ~UINT64_C(0xfff);
	}
}

static void submit(struct small_guest *g, uint64_t low, uint64_t high)
{
	_Atomic uint64_t *to = word(g, g->queue + g->tail * UINT64_C(16));

	to[0] = low;
	to[1] = high;
	g->tail = (g->tail + 1) % QUEUE_ENTRIES;
}

int small_guest_invalidate(struct small_guest *g, uint16_t domain, uint64_t iova)
{
	submit(g, UINT64_C(2) | 3 << 4 | 3 << 6 | (uint64_t)domain << 16, iova);  /* 6.5.2.3 */
	submit(g, UINT64_C(5) | 1 << 5 | (uint64_t)++g->ticket << 32, g->status); /* 6.5.2.8 */
	return viommu_reg_write(g->vtd, IQT, 8, g->tail * UINT64_C(16));
}

bool small_guest_waited(const struct small_guest *g)
{
	return *(_Atomic uint32_t *)(void *)(g->ram + g->status) == g->ticket;
}
