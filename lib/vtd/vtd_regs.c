/* SPDX-License-Identifier: BSD-3-Clause */
/* vtd_regs.c - the register table (11.4), and what writing to a register does. */

#include "vtd_engine.h"

/* Software sees bits of GSTS change when what used the old state has ended (completion.h). */
static void status(struct vtd *v, uint64_t set, uint64_t clear)
{
	deferred_bits(&v->deferred, &v->regs, VTD_GSTS, set, clear);
}

/* ---- global command (11.4.4) ---- */

void vtd_tables_changed(struct vtd *v)
{
	vtd_forget(v, true, true);
}

static void set_root_table(struct vtd *v)
{
	uint64_t te = atomic_load_explicit(&v->root, memory_order_relaxed) & VTD_ROOT_TE;

	atomic_store_explicit(&v->root, regs_get(&v->regs, VTD_RTADDR) | te, memory_order_release);
	vtd_tables_changed(v);
	status(v, VTD_G_RTP, 0);
}

static void set_interrupt_table(struct vtd *v)
{
	uint64_t latch = atomic_load_explicit(&v->irta, memory_order_relaxed) &
			 (VTD_LATCH_IRE | VTD_LATCH_CFI);

	atomic_store_explicit(&v->irta, regs_get(&v->regs, VTD_IRTA) | latch, memory_order_release);
	vtd_interrupts_changed(v);
	status(v, VTD_G_IRTP, 0);
}

static void latch_interrupts(struct vtd *v)
{
	uint64_t irta = atomic_load_explicit(&v->irta, memory_order_relaxed) &
			~(VTD_LATCH_IRE | VTD_LATCH_CFI);

	irta |= (v->gcmd & VTD_G_IRE ? VTD_LATCH_IRE : 0) |
		(v->gcmd & VTD_G_CFI ? VTD_LATCH_CFI : 0);
	atomic_store_explicit(&v->irta, irta, memory_order_release);
	vtd_interrupts_changed(v);
}

/* One bit that stays: @bit of GCMD was asked to change. */
static void change(struct vtd *v, uint64_t bit)
{
	bool on = v->gcmd & bit;

	if (bit == VTD_G_TE) {
		uint64_t root = atomic_load_explicit(&v->root, memory_order_relaxed) & ~VTD_ROOT_TE;

		atomic_store_explicit(&v->root, root | (on ? VTD_ROOT_TE : 0),
				      memory_order_release);
		vtd_tables_changed(v);
	} else if (bit == VTD_G_QIE) {
		if (on)
			vtd_queue_start(v);
		else /* what was queued before is still executed: vtd_queue_run() */
			return;
	} else {
		latch_interrupts(v);
	}
	status(v, on ? bit : 0, on ? 0 : bit);
}

/* Bits of GCMD that this configuration has. */
static uint64_t commands(const struct vtd *v)
{
	uint64_t bits = VTD_G_RTP | VTD_G_TE;

	if (v->ecap & VTD_ECAP_QI)
		bits |= VTD_G_QIE;
	if (v->ecap & VTD_ECAP_IR)
		bits |= VTD_G_IRTP | VTD_G_IRE | VTD_G_CFI;
	return bits;
}

static void write_gcmd(void *engine, const struct regs_write *w)
{
	static const uint64_t lasting[] = { VTD_G_QIE, VTD_G_CFI, VTD_G_IRE, VTD_G_TE };
	struct vtd *v = engine;
	uint64_t written = w->written & commands(v);

	/* Tables before what uses them, if software did not write one bit at a time. WBF completes
	 * at once. */
	if (written & VTD_G_RTP)
		set_root_table(v);
	if (written & VTD_G_IRTP)
		set_interrupt_table(v);
	for (unsigned i = 0; i < ARRAY_COUNT(lasting); i++) {
		if (!((written ^ v->gcmd) & lasting[i]))
			continue;
		v->gcmd ^= lasting[i];
		change(v, lasting[i]);
	}
}

/* ---- register-based invalidation (6.5.1) ---- */

/* Not outside legacy mode, and not on units of version 6 and later. With a queue, software must not; but
 * OpenBSD and Genode do so when it is full, and look at nothing but IVT. */
static bool registers_invalidate(const struct vtd *v)
{
	return v->version >> 4 < 6 &&
	       vtd_ttm(atomic_load_explicit(&v->root, memory_order_relaxed)) == VTD_TTM_LEGACY;
}

/* Registers that are write-only, or in part, are kept here: half of one may be written at a time.
 */
static uint64_t take_written(uint64_t *value, const struct regs_write *w)
{
	*value = (*value & ~w->mask) | (w->written & w->mask);
	return *value;
}

static void write_ccmd(void *engine, const struct regs_write *w)
{
	struct vtd *v = engine;
	uint64_t command = take_written(&v->ccmd_value, w);
	unsigned granularity = (unsigned)bits_get(command, VTD_CCMD_CIRG);
	bool done = false;

	if (!(command & w->mask & VTD_CCMD_ICC))
		return;
	if (granularity ==
	    VTD_GRAN_DOMAIN) /* as a global one, and CAIG says so: as guests know it */
		granularity = VTD_GRAN_GLOBAL;
	if (registers_invalidate(v))
		done = vtd_invalidate_contexts(v, granularity,
					       (uint32_t)bits_get(command, VTD_CCMD_DID),
					       (uint32_t)bits_get(command, VTD_CCMD_SID),
					       (unsigned)bits_get(command, VTD_CCMD_FM));
	regs_clear_bits(&v->regs, VTD_CCMD, VTD_CCMD_CAIG);
	regs_set_bits(&v->regs, VTD_CCMD, done ? bits_put(VTD_CCMD_CAIG, granularity) : 0);
	deferred_bits(&v->deferred, &v->regs, VTD_CCMD, 0, VTD_CCMD_ICC);
}

static void write_iva(void *engine, const struct regs_write *w)
{
	struct vtd *v = engine;

	take_written(&v->iva_value, w);
}

static void write_iotlb(void *engine, const struct regs_write *w)
{
	struct vtd *v = engine;
	unsigned granularity = (unsigned)bits_get(w->written, VTD_IOTLB_IIRG);
	bool done = false;

	if (!(w->written & w->mask & VTD_IOTLB_IVT))
		return;
	if (registers_invalidate(v))
		done = vtd_invalidate_iotlb(v, granularity,
					    (uint32_t)bits_get(w->written, VTD_IOTLB_DID),
					    v->iva_value & VTD_IVA_ADDR,
					    (unsigned)bits_get(v->iva_value, VTD_IVA_AM),
					    v->iva_value & VTD_IVA_IH);
	regs_clear_bits(&v->regs, w->offset, VTD_IOTLB_IAIG);
	regs_set_bits(&v->regs, w->offset, done ? bits_put(VTD_IOTLB_IAIG, granularity) : 0);
	deferred_bits(&v->deferred, &v->regs, w->offset, 0, VTD_IOTLB_IVT);
}

/* ---- status and events ---- */

static void write_fault_status(void *engine, const struct regs_write *w)
{
	(void)w;
	vtd_fault_cleared(engine);
}

static void write_event_control(void *engine, const struct regs_write *w)
{
	vtd_event_unmasked(engine, w->offset);
}

/* With fault_lock held. */
static void write_ics(void *engine, const struct regs_write *w)
{
	struct vtd *v = engine;

	(void)w;
	if (!(regs_get(&v->regs, VTD_ICS) & VTD_ICS_IWC))
		regs_clear_bits(&v->regs, VTD_IECTL, VTD_EVENT_IP);
}

/* With page_lock held. */
static void write_prs(void *engine, const struct regs_write *w)
{
	struct vtd *v = engine;

	(void)w;
	if (!(regs_get(&v->regs, VTD_PRS) & (VTD_PRS_PPR | VTD_PRS_PRO)))
		regs_clear_bits(&v->regs, VTD_PECTL, VTD_EVENT_IP);
}

static void protection_changed(struct vtd *v)
{
	vtd_forget(v, true, false);
}

void vtd_defer_protection(struct vtd *v)
{
	bool on = regs_get(&v->regs, VTD_PMEN) & VTD_PMEN_EPM;

	deferred_bits(&v->deferred, &v->regs, VTD_PMEN, on ? VTD_PMEN_PRS : 0,
		      on ? 0 : VTD_PMEN_PRS);
}

static void write_pmen(void *engine, const struct regs_write *w)
{
	(void)w;
	protection_changed(engine);
	vtd_defer_protection(engine);
}

/* A region moves while protection is on: what was cached of its neighbourhood may be open or closed
 * now. */
static void write_region(void *engine, const struct regs_write *w)
{
	struct vtd *v = engine;

	(void)w;
	if (regs_get(&v->regs, VTD_PMEN) & VTD_PMEN_EPM)
		protection_changed(v);
}

/* ---- the table ---- */

/* struct regs_row.lock: status bits that other threads set and software clears */
#define FAULT_LOCK 1
#define PAGE_LOCK  2

#define RO(offset, bytes, own, name)                                                               \
	{                                                                                          \
		offset, bytes, 0, 0, 0, own, NULL, name, 0                                         \
	}
#define RW(offset, bytes, writable, name)                                                          \
	{                                                                                          \
		offset, bytes, 0, writable, 0, 0, NULL, name, 0                                    \
	}
#define EVENT(offset, name)                                                                        \
	{                                                                                          \
		offset, 4, VTD_EVENT_IM, VTD_EVENT_IM, 0, VTD_EVENT_IP, write_event_control, name, \
			false                                                                      \
	}

#define LOW32	    BITS(31, 0)
#define PLM_ADDRESS BITS(31, 21)
#define PHM_ADDRESS BITS(63, 21)

static const struct regs_row always[] = {
	{ VTD_GCMD, 4, 0, 0, 0, 0, write_gcmd, "GCMD", 0 },
	RO(VTD_GSTS, 4, VTD_G_TE | VTD_G_RTP | VTD_G_QIE | VTD_G_IRE | VTD_G_IRTP | VTD_G_CFI,
	   "GSTS"),
	RW(VTD_RTADDR, 8, VTD_RTADDR_RTA | VTD_RTADDR_TTM, "RTADDR"),
	/* SID and FM are write-only */
	{ VTD_CCMD, 8, 0, VTD_CCMD_DID | VTD_CCMD_CIRG | VTD_CCMD_ICC, 0, VTD_CCMD_CAIG, write_ccmd,
	  "CCMD", 0 },
	{ VTD_FSTS, 4, 0, 0, VTD_FSTS_PFO | VTD_FSTS_IQE | VTD_FSTS_ICE | VTD_FSTS_ITE,
	  VTD_FSTS_PPF | VTD_FSTS_FRI, write_fault_status, "FSTS", FAULT_LOCK },
	EVENT(VTD_FECTL, "FECTL"),
	RW(VTD_FEDATA, 4, BITS(15, 0), "FEDATA"),
	RW(VTD_FEADDR, 4, BITS(31, 2), "FEADDR"),
};

static const struct regs_row with_low_protection[] = {
	{ VTD_PLMBASE, 4, 0, PLM_ADDRESS, 0, 0, write_region, "PLMBASE", 0 },
	{ VTD_PLMLIMIT, 4, 0, PLM_ADDRESS, 0, 0, write_region, "PLMLIMIT", 0 },
};

static const struct regs_row with_high_protection[] = {
	{ VTD_PHMBASE, 8, 0, PHM_ADDRESS, 0, 0, write_region, "PHMBASE", 0 },
	{ VTD_PHMLIMIT, 8, 0, PHM_ADDRESS, 0, 0, write_region, "PHMLIMIT", 0 },
};

static const struct regs_row with_protection[] = {
	{ VTD_PMEN, 4, 0, VTD_PMEN_EPM, 0, VTD_PMEN_PRS, write_pmen, "PMEN", 0 },
};

static const struct regs_row with_queue[] = {
	RO(VTD_IQH, 8, VTD_IQH_QH, "IQH"),
	RW(VTD_IQT, 8, VTD_IQT_QT, "IQT"),
	{ VTD_ICS, 4, 0, 0, VTD_ICS_IWC, 0, write_ics, "ICS", FAULT_LOCK },
	EVENT(VTD_IECTL, "IECTL"),
	RW(VTD_IEDATA, 4, BITS(15, 0), "IEDATA"),
	RW(VTD_IEADDR, 4, BITS(31, 2), "IEADDR"),
	RO(VTD_IQERCD, 8, VTD_IQERCD_IQEI | VTD_IQERCD_ITESID | VTD_IQERCD_ICESID, "IQERCD"),
};

static const struct regs_row with_page_requests[] = {
	RW(VTD_PQH, 8, VTD_PQ_INDEX, "PQH"),
	RW(VTD_PQT, 8, VTD_PQ_INDEX, "PQT"),
	RW(VTD_PQA, 8, VTD_PQA_PQA | VTD_PQA_PQS, "PQA"),
	{ VTD_PRS, 4, 0, 0, VTD_PRS_PPR | VTD_PRS_PRO, 0, write_prs, "PRS", PAGE_LOCK },
	EVENT(VTD_PECTL, "PECTL"),
	RW(VTD_PEDATA, 4, BITS(15, 0), "PEDATA"),
	RW(VTD_PEADDR, 4, BITS(31, 2), "PEADDR"),
};

#define ADD(v, rows, wanted) (!(wanted) || regs_add_rows(&(v)->regs, rows, ARRAY_COUNT(rows)))

/* Rows whose content or place the configuration decides. */
static bool add_configured(struct vtd *v)
{
	const uint64_t irta =
		VTD_IRTA_S | VTD_IRTA_IRTA | (v->ecap & VTD_ECAP_EIM ? VTD_IRTA_EIME : 0);
	/* Upper halves of message addresses come with 32-bit APIC ids (11.4.7). */
	const uint64_t upper = v->ecap & VTD_ECAP_EIM ? LOW32 : 0;
	const struct regs_row rows[] = {
		{ VTD_VER, 4, v->version, 0, 0, 0, NULL, "VER", 0 },
		{ VTD_CAP, 8, v->cap, 0, 0, 0, NULL, "CAP", 0 },
		{ VTD_ECAP, 8, v->ecap, 0, 0, 0, NULL, "ECAP", 0 },
		RW(VTD_FEUADDR, 4, upper, "FEUADDR"),
		{ v->iva, 8, 0, 0, 0, 0, write_iva, "IVA", 0 },
		{ v->iva + 8, 8, 0,
		  VTD_IOTLB_DID | VTD_IOTLB_DW | VTD_IOTLB_DR | VTD_IOTLB_IIRG | VTD_IOTLB_IVT, 0,
		  VTD_IOTLB_IAIG, write_iotlb, "IOTLB", 0 },
	};
	const struct regs_row queue[] = { RW(VTD_IQA, 8, VTD_IQA_QS | VTD_IQA_DW | VTD_IQA_IQA,
					     "IQA"),
					  RW(VTD_IEUADDR, 4, upper, "IEUADDR") };
	const struct regs_row pages[] = { RW(VTD_PEUADDR, 4, upper, "PEUADDR") };
	const struct regs_row interrupts[] = { RW(VTD_IRTA, 8, irta, "IRTA") };
	bool ok = ADD(v, rows, true) && ADD(v, queue, v->ecap & VTD_ECAP_QI) &&
		  ADD(v, pages, v->ecap & VTD_ECAP_PRS) &&
		  ADD(v, interrupts, v->ecap & VTD_ECAP_IR);

	for (uint32_t i = 0; ok && i < v->frcds; i++) {
		const struct regs_row record[] = {
			RO(v->frcd + 16 * i, 8, VTD_FRCD_FI, "FRCD"),
			{ v->frcd + 16 * i + 8, 8, 0, 0, VTD_FRCD_F,
			  ~(VTD_FRCD_F | VTD_FRCD_RSVD_16), write_fault_status, "FRCD",
			  FAULT_LOCK },
		};

		ok = ADD(v, record, true);
	}
	return ok;
}

static bool add_all(struct vtd *v)
{
	const bool low = v->cap & VTD_CAP_PLMR;
	const bool high = v->cap & VTD_CAP_PHMR;
	const bool queue = v->ecap & VTD_ECAP_QI;
	const bool pages = v->ecap & VTD_ECAP_PRS;

	return ADD(v, always, true) && ADD(v, with_low_protection, low) &&
	       ADD(v, with_high_protection, high) && ADD(v, with_protection, low || high) &&
	       ADD(v, with_queue, queue) && ADD(v, with_page_requests, pages) && add_configured(v);
}

int vtd_regs_init(struct vtd *v)
{
	uint32_t end = v->frcd + 16 * v->frcds;
	int result;

	if (end < v->iva + 16)
		end = v->iva + 16;
	end = (end + 4095) & ~UINT32_C(4095);
	v->unit.register_bytes = end;
	result = regs_init(&v->regs, v->unit.vm, end, 64 + 2 * v->frcds, v);
	if (result)
		return result;
	v->regs.lock[FAULT_LOCK - 1] = &v->fault_lock;
	v->regs.lock[PAGE_LOCK - 1] = &v->page_lock;
	/* IVA, IOTLB and the fault records are where the configuration says: on another register is
	 * a mistake of it. */
	return add_all(v) ? VIOMMU_OK : VIOMMU_EINVAL;
}
