/* SPDX-License-Identifier: BSD-3-Clause */
/* amdvi_invalidate.c - what invalidation commands take away (2.4), and changes of registers. */

#include "amdvi_engine.h"
#include "probe.h"

/* Indices of a requester's interrupt table. */
#define LAST_INDEX 2047U

void amdvi_forget(struct amdvi *v, bool mode)
{
	v->unsynced = true;
	notify_forget(&v->unit, true, mode);
}

void amdvi_interrupts_changed(struct amdvi *v)
{
	irte_cache_drop_all(&v->irtes);
	notify_interrupts(&v->unit, VIOMMU_ANY_SOURCE, 0, LAST_INDEX);
}

/* 2.4.5, and the half of 2.4.2 */
void amdvi_invalidate_interrupts(struct amdvi *v, uint32_t id)
{
	irte_cache_drop(&v->irtes, id, id);
	notify_interrupts(&v->unit, id, 0, LAST_INDEX);
}

/* 2.4.2 */
void amdvi_invalidate_device(struct amdvi *v, uint32_t id)
{
	struct viommu_device *device = device_get(&v->unit, id);

	amdvi_invalidate_interrupts(v, id);
	if (!device)
		return;
	v->unsynced = true;
	unit_forget_device(device, true);
	notify_device_changed(&v->unit, device);
	device_put(device);
}

/* S = 0: one page. S = 1: twice as many bytes as the lowest 0 from bit 12 on says; from bit 51 on: everything. */
void amdvi_decode_range(uint64_t word, uint64_t *first, uint64_t *last)
{
	uint64_t page = word & AMD_CMD_ADDR;
	uint64_t zeros = ~(page | bits_low(12));
	uint64_t mask = bits_low(12);

	if (word & AMD_CMD_S)
		mask = zeros & bits_low(51) ? bits_low((unsigned)__builtin_ctzll(zeros) + 1)
					    : UINT64_MAX;
	*first = page & ~mask;
	*last = page | mask;
}

static void flush(struct amdvi *v, const struct domain_match *which, uint64_t first, uint64_t last,
		  bool leaf)
{
	uint32_t pasid = which->id == DOMAIN_ANY ? VIOMMU_ANY_PASID : (uint32_t)which->id;
	bool all = first == 0 && last == UINT64_MAX;

	v->unsynced = true;
	if (all)
		unit_flush(&v->unit, which);
	else
		unit_flush_range(&v->unit, which, first, last, leaf);
	probe_invalidation(&v->unit, all ? COUNT_DOMAINS : COUNT_RANGES, NULL, which->group, pasid,
			   first, last);
}

/* Of guest tables: by address before translation. What a GCR3 table says goes with all of a PASID. */
static void guest_pages(struct amdvi *v, const uint64_t *word, uint64_t first, uint64_t last)
{
	uint32_t domain = (uint32_t)bits_get(word[0], AMD_CMD_DOMAIN);
	uint32_t pasid = (uint32_t)bits_get(word[0], AMD_CMD_PASID);
	const struct domain_match which = { .group = domain,
					    .id = domain_id(domain, pasid),
					    .kinds = AMDVI_KINDS_GUEST };

	flush(v, &which, first, last, !(word[1] & AMD_CMD_PDE));
	notify_domain(&v->unit, domain, pasid, first, last);
	if (first == 0 && last == UINT64_MAX)
		notify_contexts(&v->unit, domain, pasid);
}

/* Of host tables: what guest tables lead to cannot be found by their addresses, and all of that goes; GCR3 tables may
 * lie there, too. */
static void host_pages(struct amdvi *v, const uint64_t *word, uint64_t first, uint64_t last)
{
	uint32_t domain = (uint32_t)bits_get(word[0], AMD_CMD_DOMAIN);
	bool nests = atomic_load(&v->nests);
	const struct domain_match which = {
		.group = domain,
		.id = DOMAIN_ANY,
		.kinds = AMDVI_KINDS_HOST |
			 (first == 0 && last == UINT64_MAX ? AMDVI_KINDS_GUEST : 0U),
		.whole = 1U << AMDVI_NESTED
	};

	flush(v, &which, first, last, !(word[1] & AMD_CMD_PDE));
	notify_domain(&v->unit, domain, VIOMMU_ANY_PASID, nests ? 0 : first,
		      nests ? UINT64_MAX : last);
	if (nests && (amdvi_control(v) & AMD_CTRL_GCR3_TRP_MODE))
		notify_contexts(&v->unit, domain, VIOMMU_ANY_PASID);
}

/* 2.4.3 */
void amdvi_invalidate_pages(struct amdvi *v, const uint64_t *word)
{
	uint64_t first, last;

	amdvi_decode_range(word[1], &first, &last);
	if (word[1] & AMD_CMD_GN)
		guest_pages(v, word, first, last);
	else
		host_pages(v, word, first, last);
}
