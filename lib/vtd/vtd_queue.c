/* SPDX-License-Identifier: BSD-3-Clause */
/* vtd_queue.c - the invalidation queue (6.5.2): on, off, and running. Descriptors are vtd_descriptor.c, what of them is complete
 * vtd_queue_sync.c. */

#include "mem.h"
#include "nested.h"
#include "vtd_flush.h"
#include "vtd_queue.h"

struct ring vtd_queue_ring(const struct vtd *v, uint64_t iqa)
{
	bool wide = iqa & VTD_IQA_DW;
	uint32_t entries = UINT32_C(256) << bits_get(iqa, VTD_IQA_QS);

	return (struct ring){ .base = iqa & VTD_IQA_IQA,
			      .limit = bits_low(v->haw),
			      .entries = wide ? entries / 2 : entries,
			      .words = wide ? 4 : 2,
			      .index = RING_BYTES };
}

static bool ttm_known(const struct vtd *v, unsigned ttm)
{
	return ttm == VTD_TTM_LEGACY || (ttm == VTD_TTM_SCALABLE && (v->ecap & VTD_ECAP_SMTS)) ||
	       (ttm == VTD_TTM_ABORT && (v->ecap & VTD_ECAP_ADMS));
}

/* Whether the queue as a whole can be used: its width fits the mode, and the tail is one of it (11.4.9,
 * IQERCD). */
static unsigned queue_error(const struct vtd *v, uint64_t tail, uint32_t *position)
{
	uint64_t root = atomic_load_explicit(&v->root, memory_order_relaxed);
	bool wide = v->commands.ring.words == 4;

	if (!ttm_known(v, vtd_ttm(root)))
		return VTD_IQEI_TTM;
	if (wide && !(v->ecap & (VTD_ECAP_SMTS | VTD_ECAP_ADMS)))
		return VTD_IQEI_WIDTH;
	if (!wide && vtd_ttm(root) == VTD_TTM_SCALABLE)
		return VTD_IQEI_WIDTH;
	if (wide && (tail & 16))
		return VTD_IQEI_ALIGN;
	return ring_position(&v->commands.ring, tail, position) ? 0 : VTD_IQEI_TAIL;
}

int vtd_complete(struct vtd *v)
{
	bool off;

	if (!v->deferred.due) /* the usual case */
		return VIOMMU_OK;
	off = deferred_of(&v->deferred, VTD_GSTS).clear & VTD_G_QIE;
	if (!deferred_show(&v->unit, &v->deferred, &v->regs))
		return VIOMMU_PENDING;
	if (off) { /* 11.4.9.1 */
		ring_restart(&v->commands, 0, true);
		vtd_queue_show_position(v, 0);
	}
	return VIOMMU_OK;
}

/* Nothing is left that can be executed: if software has turned the queue off, now it is. */
static int rest(struct vtd *v)
{
	if (v->gcmd & VTD_G_QIE)
		return VIOMMU_OK;
	v->queue_on = false;
	deferred_bits(&v->deferred, &v->regs, VTD_GSTS, 0, VTD_G_QIE);
	completion_owed(&v->unit, &v->deferred.completion);
	return vtd_complete(v);
}

static bool stopped(const struct vtd *v)
{
	return regs_get(&v->regs, VTD_FSTS) & (VTD_FSTS_IQE | VTD_FSTS_ITE);
}

/* Whether a descriptor is one of this type, with no other bits than that defines. */
static inline bool is(const uint64_t word[2], uint64_t type, uint64_t defined)
{
	uint64_t fixed = ~defined | VTD_QI_TYPE_LO | VTD_QI_TYPE_HI;

	return !(((word[0] ^ type) & fixed) | (word[1] & ~VTD_QI_PAGES));
}

/* What a descriptor forgets, if it is of those that may be in a burst: invalidations of a domain or of pages, which have
 * nothing wrong. */
static inline bool flush_of(const struct vtd *v, const uint64_t *at, bool wide,
			    struct domain_flush *f)
{
	uint64_t word[2], more[2];

	mem_load_words(at, word, 2);
	if (wide) {
		mem_load_words(at + 2, more, 2);
		if (more[0] | more[1])
			return false;
	}
	if (LIKELY(is(word, VTD_QI_IOTLB, VTD_QI_IOTLB_BITS)))
		return vtd_flush_iotlb(v, (unsigned)bits_get(word[0], VTD_QI_G),
				       (uint32_t)bits_get(word[0], VTD_QI_DID),
				       word[1] & VTD_QI_ADDR,
				       (unsigned)bits_get(word[1], VTD_QI_AM), word[1] & VTD_QI_IH,
				       f);
	return is(word, VTD_QI_PIOTLB, VTD_QI_PIOTLB_BITS) && (v->ecap & VTD_ECAP_SMTS) &&
	       !vtd_is_legacy(v) &&
	       vtd_flush_piotlb(v, (unsigned)bits_get(word[0], VTD_QI_G),
				(uint32_t)bits_get(word[0], VTD_QI_DID),
				(uint32_t)bits_get(word[0], VTD_QI_PASID), word[1] & VTD_QI_ADDR,
				(unsigned)bits_get(word[1], VTD_QI_AM), word[1] & VTD_QI_IH, f);
}

static uint32_t burst(struct viommu *u, const uint64_t *word, uint32_t count)
{
	struct vtd *v = vtd_of(u);
	struct domain_flush flush[RING_BURST];
	const uint32_t words = v->commands.ring.words;
	uint32_t n = 0;

	while (n < count && flush_of(v, word, words == 4, &flush[n])) {
		word += words;
		n++;
	}
	if (!n)
		return 0;
	v->unsynced = true;
	v->sync.last = false;
	return unit_flush_burst(u, flush, n);
}

/* Runs descriptors until none is left (DONE), one is held back or the budget is used up (WAITING), or
 * something is wrong. */
static enum ring_executed run_ring(struct vtd *v)
{
	uint64_t tail = regs_get(&v->regs, VTD_IQT) & VTD_IQT_QT;
	uint32_t position;
	unsigned iqei;

	if (tail == ring_register(&v->commands.ring, v->commands.head))
		return RING_DONE;
	iqei = queue_error(v, tail, &position);
	/* A wait that is held back is read again: what lies there now counts. */
	v->commands.held = false;
	return iqei ? vtd_queue_error(v, iqei)
		    : ring_run(&v->unit, &v->commands, position, vtd_execute, burst);
}

static int queue_run(struct vtd *v)
{
	enum ring_executed executed;
	bool shown = true;

	vtd_queue_show_unexpected(v);
	if (!v->queue_on) {
		vtd_queue_show_time_out(v);
		return VIOMMU_OK;
	}
	if (stopped(v))
		return rest(v);
	executed = run_ring(v);
	if (executed == RING_ERROR || executed == RING_ABORTED)
		/* also if others are in flight: software looks for waits that are aborted before it */
		vtd_queue_show_position(v, v->commands.head);
	else
		shown = vtd_queue_show_head(v);
	/* Nobody has waited for what was invalidated, but channels shall notice. */
	if (v->unsynced)
		unit_start(&v->unit);
	if (executed == RING_WAITING)
		return VIOMMU_PENDING;
	return rest(v) == VIOMMU_OK && shown ? VIOMMU_OK : VIOMMU_PENDING;
}

void vtd_queue_start(struct vtd *v)
{
	v->iqa = regs_get(&v->regs, VTD_IQA);
	v->unsynced |= v->sync.completion.epoch != 0;
	v->sync = (struct vtd_sync){ .last = false };
	nesting_forget_positions(&v->unit);
	v->commands.ring = vtd_queue_ring(v, v->iqa);
	ring_restart(&v->commands, 0, true);
	v->queue_on = true;
	vtd_queue_show_position(v, 0);
}

int vtd_progress(struct vtd *v)
{
	int completed = vtd_complete(v);
	int queue = queue_run(v);

	if (completed == VIOMMU_OK && queue == VIOMMU_OK)
		epoch_done(&v->unit.epoch);
	return completed ? completed : queue;
}
