/* SPDX-License-Identifier: BSD-3-Clause */
/* smmuv3_regs.c - the register table (6.3), what guards a register, and what writing to one does. */

#include "smmuv3_engine.h"

#define EVENT_LOCK 1 /* of struct regs_row */

/* ---- guards: while a bit of CR0 or IRQ_CTRL, or of its acknowledgement, is set, writes are ignored ---- */

static const struct {
	uint32_t first; /* offsets */
	uint32_t last;
	uint32_t guard;
	uint32_t bits;
} guards[] = {
	{ SMMU_CR2, SMMU_CR2, SMMU_CR0, CR0_SMMUEN },
	{ SMMU_GERROR_IRQ, SMMU_GERROR_IRQ + 12, SMMU_IRQ_CTRL, IRQ_GERROR },
	{ SMMU_STRTAB_BASE, SMMU_STRTAB_BASE_CFG, SMMU_CR0, CR0_SMMUEN },
	{ SMMU_CMDQ_BASE, SMMU_CMDQ_BASE + 4, SMMU_CR0, CR0_CMDQEN },
	{ SMMU_CMDQ_CONS, SMMU_CMDQ_CONS, SMMU_CR0, CR0_CMDQEN },
	{ SMMU_EVENTQ_BASE, SMMU_EVENTQ_BASE + 4, SMMU_CR0, CR0_EVENTQEN },
	{ SMMU_EVENTQ_PROD, SMMU_EVENTQ_PROD, SMMU_CR0, CR0_EVENTQEN },
	{ SMMU_EVENTQ_IRQ, SMMU_EVENTQ_IRQ + 12, SMMU_IRQ_CTRL, IRQ_EVENTQ },
	{ SMMU_PRIQ_BASE, SMMU_PRIQ_BASE + 4, SMMU_CR0, CR0_PRIQEN },
	{ SMMU_PRIQ_PROD, SMMU_PRIQ_PROD, SMMU_CR0, CR0_PRIQEN },
	{ SMMU_PRIQ_IRQ, SMMU_PRIQ_IRQ + 12, SMMU_IRQ_CTRL, IRQ_PRIQ },
};

static bool guarded(const struct smmu *s, uint64_t offset)
{
	for (unsigned i = 0; i < ARRAY_COUNT(guards); i++) {
		if (offset < guards[i].first || offset > guards[i].last)
			continue;
		return (regs_get(&s->regs, guards[i].guard) |
			regs_get(&s->regs, guards[i].guard + 4)) &
		       guards[i].bits;
	}
	if (offset >= SMMU_GATOS_SID && offset < SMMU_GATOS_PAR && (smmu_idr(s, 0) & IDR0_ATOS))
		return regs_get(&s->regs, SMMU_GATOS_CTRL) & ATOS_RUN;
	return false;
}

/* 6.1: indices of the event and PRI queues are in page 1; their offsets in page 0 are the same registers. */
static uint64_t canonical(uint64_t offset)
{
	switch (offset) {
	case SMMU_EVENTQ_PROD - SMMU_PAGE1:
	case SMMU_EVENTQ_CONS - SMMU_PAGE1:
	case SMMU_PRIQ_PROD - SMMU_PAGE1:
	case SMMU_PRIQ_CONS - SMMU_PAGE1:
		return offset + SMMU_PAGE1;
	default:
		return offset;
	}
}

static bool is_wide(uint64_t offset)
{
	switch (offset) {
	case SMMU_GERROR_IRQ:
	case SMMU_STRTAB_BASE:
	case SMMU_CMDQ_BASE:
	case SMMU_EVENTQ_BASE:
	case SMMU_EVENTQ_IRQ:
	case SMMU_PRIQ_BASE:
	case SMMU_PRIQ_IRQ:
	case SMMU_GATOS_SID:
	case SMMU_GATOS_ADDR:
	case SMMU_GATOS_PAR:
		return true;
	default:
		return false;
	}
}

void smmu_guest_write(struct smmu *s, uint64_t offset, uint32_t bytes, uint64_t value)
{
	offset = canonical(offset);
	if (bytes == 8 && offset % 8 == 0 && !is_wide(offset)) { /* 6.2: two registers */
		smmu_guest_write(s, offset, 4, value & UINT32_MAX);
		smmu_guest_write(s, offset + 4, 4, value >> 32);
		return;
	}
	if (!guarded(s, offset))
		regs_guest_write(&s->regs, offset, bytes, value);
}

uint64_t smmu_guest_read(const struct smmu *s, uint64_t offset, uint32_t bytes)
{
	offset = canonical(offset);
	if (bytes == 8 && offset % 8 == 0 && !is_wide(offset))
		return smmu_guest_read(s, offset, 4) | smmu_guest_read(s, offset + 4, 4) << 32;
	return regs_guest_read(&s->regs, offset, bytes);
}

/* ---- CR0 ---- */

void smmu_tables_changed(struct smmu *s)
{
	s->unsynced = true;
	notify_forget(&s->unit, false, true);
}

static void latch(struct smmu *s, uint64_t cr0)
{
	atomic_store_explicit(&s->strtab, regs_get(&s->regs, SMMU_STRTAB_BASE),
			      memory_order_release);
	atomic_store_explicit(&s->strtab_cfg, regs_get(&s->regs, SMMU_STRTAB_BASE_CFG),
			      memory_order_release);
	atomic_store_explicit(&s->control, cr0 | regs_get(&s->regs, SMMU_CR2) << 32,
			      memory_order_release);
}

#define CR0_TRANSLATION (CR0_SMMUEN | CR0_ATSCHK)
#define CR0_RECORDS	(CR0_EVENTQEN | CR0_PRIQEN)

/* 6.3.9, 6.3.18: bits of @slow are acknowledged when requests of before have ended. So is it that one of @sinks is off, since
 * they may be writing to it; commands are executed by this thread. The rest is acknowledged at once. */
static void acknowledge(struct smmu *s, uint32_t ack, uint64_t value, uint64_t old, uint64_t slow,
			uint64_t sinks)
{
	uint64_t going_off = ~value | deferred_of(&s->deferred, ack).clear;
	uint64_t changed = value ^ old;
	uint64_t later = changed & (slow | (sinks & going_off));
	uint64_t now = changed & ~later;

	regs_put(&s->regs, ack, (regs_get(&s->regs, ack) & ~now) | (value & now));
	if (later)
		deferred_bits(&s->deferred, &s->regs, ack, later & value, later & ~value);
}

static void write_cr0(void *engine, const struct regs_write *w)
{
	struct smmu *s = engine;
	uint64_t cr0 = regs_get(&s->regs, SMMU_CR0);
	uint64_t changed = cr0 ^ w->old;

	latch(s, cr0);
	if (changed & CR0_TRANSLATION)
		smmu_tables_changed(s);
	if (changed & w->old & CR0_SMMUEN)
		s->terminate = true;
	if (changed & cr0 & CR0_CMDQEN)
		smmu_queue_start(s);
	/* one that was not off yet goes on where it is: records may be on their way to it */
	if (changed & cr0 & CR0_RECORDS)
		smmu_queues_reset(s, changed & cr0 & ~deferred_of(&s->deferred, SMMU_CR0ACK).clear);
	acknowledge(s, SMMU_CR0ACK, cr0, w->old, CR0_TRANSLATION, CR0_RECORDS);
}

/* 6.3.11: each half of CR1 has a guard of its own. Nothing depends on it. */
static void write_cr1(void *engine, const struct regs_write *w)
{
	struct smmu *s = engine;
	uint64_t cr0 = regs_get(&s->regs, SMMU_CR0) | regs_get(&s->regs, SMMU_CR0ACK);
	uint64_t take = (cr0 & (CR0_CMDQEN | CR0_EVENTQEN | CR0_PRIQEN) ? 0 : CR1_QUEUES) |
			(cr0 & CR0_SMMUEN ? 0 : CR1_TABLES);

	regs_put(&s->regs, SMMU_CR1, (w->old & ~take) | (w->written & take));
}

static void write_cr2(void *engine, const struct regs_write *w)
{
	struct smmu *s = engine;

	(void)w;
	latch(s, regs_get(&s->regs, SMMU_CR0)); /* guarded: the SMMU is off */
}

/* 6.3.14: written with Update, unless an update is under way. */
static void write_gbpa(void *engine, const struct regs_write *w)
{
	struct smmu *s = engine;

	if (!(w->written & GBPA_UPDATE) || (w->old & GBPA_UPDATE)) {
		regs_put(&s->regs, SMMU_GBPA, w->old);
		return;
	}
	atomic_store_explicit(&s->gbpa, w->written & GBPA_FIELDS, memory_order_release);
	smmu_tables_changed(s);
	deferred_bits(&s->deferred, &s->regs, SMMU_GBPA, 0, GBPA_UPDATE);
}

static void write_irq_ctrl(void *engine, const struct regs_write *w)
{
	struct smmu *s = engine;

	acknowledge(s, SMMU_IRQ_CTRLACK, regs_get(&s->regs, SMMU_IRQ_CTRL), w->old, 0,
		    IRQ_GERROR | IRQ_EVENTQ | IRQ_PRIQ);
}

/* With event_lock held: there may be room for events, or errors that held them back are acknowledged. */
static void write_event_room(void *engine, const struct regs_write *w)
{
	struct smmu *s = engine;

	(void)w;
	atomic_store(&s->wake, true);
}

static void write_atos(void *engine, const struct regs_write *w)
{
	struct smmu *s = engine;

	if (w->old & ATOS_RUN)
		regs_put(&s->regs, SMMU_GATOS_CTRL, w->old);
	else if (!(regs_get(&s->regs, SMMU_CR0) & CR0_SMMUEN))
		regs_put(&s->regs, SMMU_GATOS_CTRL, 0);
	else if (w->written & ATOS_RUN)
		smmu_atos_run(s);
}

/* ---- the table ---- */

#define CONSTANT(offset, value, name)                                                              \
	{                                                                                          \
		offset, 4, value, 0, 0, 0, NULL, name, 0                                           \
	}

static bool add_constants(struct smmu *s)
{
	const struct regs_row rows[] = {
		CONSTANT(SMMU_IDR0, smmu_idr(s, 0), "IDR0"),
		CONSTANT(SMMU_IDR1, smmu_idr(s, 1), "IDR1"),
		CONSTANT(SMMU_IDR2, 0, "IDR2"),
		CONSTANT(SMMU_IDR3, smmu_idr(s, 3), "IDR3"),
		CONSTANT(SMMU_IDR4, 0, "IDR4"),
		CONSTANT(SMMU_IDR5, smmu_idr(s, 5), "IDR5"),
		CONSTANT(SMMU_IIDR, s->config.iidr, "IIDR"),
		CONSTANT(SMMU_AIDR, s->config.aidr, "AIDR"),
		CONSTANT(SMMU_STATUSR, 0, "STATUSR"),
	};

	return regs_add_rows(&s->regs, rows, ARRAY_COUNT(rows));
}

static bool add_control(struct smmu *s)
{
	uint64_t idr0 = smmu_idr(s, 0);
	uint64_t cr0 = CR0_SMMUEN | CR0_EVENTQEN | CR0_CMDQEN | (idr0 & IDR0_PRI ? CR0_PRIQEN : 0) |
		       (idr0 & IDR0_ATS ? CR0_ATSCHK : 0) | (idr0 & IDR0_VMW ? CR0_VMW : 0);
	uint64_t cr2 = (idr0 & IDR0_HYP ? CR2_E2H : 0) | CR2_RECINVSID |
		       (idr0 & IDR0_BTM ? CR2_PTM : 0) |
		       (idr0 & IDR0_ATSRECERR ? CR2_REC_CFG_ATS : 0);
	uint64_t irqs = IRQ_GERROR | IRQ_EVENTQ | (idr0 & IDR0_PRI ? IRQ_PRIQ : 0);
	const struct regs_row rows[] = {
		{ SMMU_CR0, 4, 0, cr0, 0, 0, write_cr0, "CR0", 0 },
		{ SMMU_CR0ACK, 4, 0, 0, 0, cr0, NULL, "CR0ACK", 0 },
		{ SMMU_CR1, 4, 0, CR1_QUEUES | CR1_TABLES, 0, 0, write_cr1, "CR1", 0 },
		{ SMMU_CR2, 4, 0, cr2, 0, 0, write_cr2, "CR2", 0 },
		{ SMMU_GBPA, 4, s->config.gbpa, GBPA_FIELDS | GBPA_UPDATE, 0, 0, write_gbpa, "GBPA",
		  0 },
		{ SMMU_IRQ_CTRL, 4, 0, irqs, 0, 0, write_irq_ctrl, "IRQ_CTRL", 0 },
		{ SMMU_IRQ_CTRLACK, 4, 0, 0, 0, irqs, NULL, "IRQ_CTRLACK", 0 },
		{ SMMU_GERROR, 4, 0, 0, 0, GERROR_ALL, NULL, "GERROR", EVENT_LOCK },
		{ SMMU_GERRORN, 4, 0, GERROR_ALL, 0, 0, write_event_room, "GERRORN", EVENT_LOCK },
	};

	return regs_add_rows(&s->regs, rows, ARRAY_COUNT(rows));
}

static bool add_queues(struct smmu *s)
{
	uint64_t base = QUEUE_HINT | QUEUE_ADDR | QUEUE_LOG2SIZE;
	uint64_t index = QUEUE_INDEX | QUEUE_OVFLG;
	const struct regs_row rows[] = {
		{ SMMU_STRTAB_BASE, 8, 0, STRTAB_RA | STRTAB_ADDR, 0, 0, NULL, "STRTAB_BASE", 0 },
		{ SMMU_STRTAB_BASE_CFG, 4, 0, STRTAB_LOG2SIZE | STRTAB_SPLIT | STRTAB_FMT, 0, 0,
		  NULL, "STRTAB_BASE_CFG", 0 },
		{ SMMU_CMDQ_BASE, 8, 0, base, 0, 0, NULL, "CMDQ_BASE", 0 },
		{ SMMU_CMDQ_PROD, 4, 0, QUEUE_INDEX, 0, 0, NULL, "CMDQ_PROD", 0 },
		{ SMMU_CMDQ_CONS, 4, 0, QUEUE_INDEX, 0, CMDQ_ERR, NULL, "CMDQ_CONS", 0 },
		{ SMMU_EVENTQ_BASE, 8, 0, base, 0, 0, NULL, "EVENTQ_BASE", EVENT_LOCK },
		{ SMMU_EVENTQ_PROD, 4, 0, index, 0, 0, NULL, "EVENTQ_PROD", EVENT_LOCK },
		{ SMMU_EVENTQ_CONS, 4, 0, index, 0, 0, write_event_room, "EVENTQ_CONS",
		  EVENT_LOCK },
	};
	const struct regs_row pri[] = {
		{ SMMU_PRIQ_BASE, 8, 0, base, 0, 0, NULL, "PRIQ_BASE", EVENT_LOCK },
		{ SMMU_PRIQ_PROD, 4, 0, index, 0, 0, NULL, "PRIQ_PROD", EVENT_LOCK },
		{ SMMU_PRIQ_CONS, 4, 0, index, 0, 0, NULL, "PRIQ_CONS", EVENT_LOCK },
	};

	return regs_add_rows(&s->regs, rows, ARRAY_COUNT(rows)) &&
	       (!(smmu_idr(s, 0) & IDR0_PRI) || regs_add_rows(&s->regs, pri, ARRAY_COUNT(pri)));
}

/* 6.3.21: address, data and attributes of an interrupt that can be a message. */
static bool add_interrupt(struct smmu *s, uint32_t at, uint64_t more)
{
	const struct regs_row rows[] = {
		{ at, 8, 0, MSI_ADDR, 0, 0, NULL, "IRQ_CFG0", EVENT_LOCK },
		{ at + 8, 4, 0, UINT32_MAX, 0, 0, NULL, "IRQ_CFG1", EVENT_LOCK },
		{ at + 12, 4, 0, MSI_ATTRS | more, 0, 0, NULL, "IRQ_CFG2", EVENT_LOCK },
	};

	return regs_add_rows(&s->regs, rows, ARRAY_COUNT(rows));
}

static bool add_interrupts(struct smmu *s)
{
	static const struct regs_row lo = { SMMU_PRIQ_IRQ + 12, 4,	   0, PRIQ_LO, 0, 0, NULL,
					    "IRQ_CFG2",		EVENT_LOCK };
	bool pri = smmu_idr(s, 0) & IDR0_PRI;

	if (!(smmu_idr(s, 0) & IDR0_MSI))
		return !pri || regs_add(&s->regs, &lo);
	return add_interrupt(s, SMMU_GERROR_IRQ, 0) && add_interrupt(s, SMMU_EVENTQ_IRQ, 0) &&
	       (!pri || add_interrupt(s, SMMU_PRIQ_IRQ, PRIQ_LO));
}

static bool add_atos(struct smmu *s)
{
	uint64_t sid = ATOS_SID |
		       (bits_get(smmu_idr(s, 1), IDR1_SSIDSIZE) ? ATOS_SSID | ATOS_SSID_VALID : 0);
	const struct regs_row rows[] = {
		{ SMMU_GATOS_CTRL, 4, 0, ATOS_RUN, 0, 0, write_atos, "GATOS_CTRL", 0 },
		{ SMMU_GATOS_SID, 8, 0, sid, 0, 0, NULL, "GATOS_SID", 0 },
		{ SMMU_GATOS_ADDR, 8, 0,
		  ATOS_ADDR | ATOS_TYPE | ATOS_PNU | ATOS_RNW | ATOS_IND | ATOS_HTTUI, 0, 0, NULL,
		  "GATOS_ADDR", 0 },
		{ SMMU_GATOS_PAR, 8, 0, 0, 0, UINT64_MAX, NULL, "GATOS_PAR", 0 },
	};

	return !(smmu_idr(s, 0) & IDR0_ATOS) || regs_add_rows(&s->regs, rows, ARRAY_COUNT(rows));
}

#define ROWS_MAX 48U

int smmu_regs_init(struct smmu *s)
{
	int result = regs_init(&s->regs, s->unit.vm, SMMU_SPACE, ROWS_MAX, s);

	s->regs.lock[EVENT_LOCK - 1] = &s->event_lock;
	s->unit.register_bytes = SMMU_SPACE;
	if (result)
		return result;
	if (NEVER(!add_constants(s) || !add_control(s) || !add_queues(s) || !add_interrupts(s) ||
		  !add_atos(s)))
		return VIOMMU_EINTERNAL;
	return VIOMMU_OK;
}
