/* SPDX-License-Identifier: BSD-3-Clause */
/* its_regs.c - the register table (IHI 0069 12.19), and what writing to a register does. */

#include "its_engine.h"
#include "recorder.h"

/* ---- GITS_CTLR ---- */

static bool valid(const struct its *its, uint32_t offset)
{
	return regs_get(&its->regs, offset) & ITS_BASER_VALID; /* also CBASER's */
}

static bool can_enable(const struct its *its)
{
	return valid(its, ITS_CBASER) && valid(its, ITS_BASER) &&
	       ((its->typer & ITS_TYPER_HCC) || valid(its, ITS_BASER + 8));
}

static void write_ctlr(void *engine, const struct regs_write *w)
{
	struct its *its = engine;
	bool on = w->written & ITS_CTLR_ENABLED;

	if (!((w->old ^ w->written) & ITS_CTLR_ENABLED))
		return;
	if (on && !can_enable(its)) {
		regs_clear_bits(&its->regs, ITS_CTLR, ITS_CTLR_ENABLED);
		return;
	}
	atomic_store_explicit(&its->on, on, memory_order_release);
	its_tell(its, VIOMMU_ANY_SOURCE, 0, UINT32_MAX);
	its->quiescing = on ? 0 : ITS_QUIESCING_OFF;
	its->quiet.epoch = 0;
}

/* ---- tables and queue ---- */

static bool is_on(const struct its *its)
{
	return atomic_load_explicit(&its->on, memory_order_relaxed);
}

/* The queue is another one: a command under way is finished, but CREADR is not its any more. */
static void write_cbaser(void *engine, const struct regs_write *w)
{
	struct its *its = engine;

	if (is_on(its)) {
		regs_put(&its->regs, ITS_CBASER, w->old);
		return;
	}
	regs_put(&its->regs, ITS_CREADR, 0);
	regs_put(&its->regs, ITS_CWRITER, 0);
	ring_restart(&its->commands, 0, false);
}

static void write_cwriter(void *engine, const struct regs_write *w)
{
	struct its *its = engine;

	if ((w->written & ITS_QUEUE_OFFSET) >= its_queue_bytes(its))
		regs_put(&its->regs, ITS_CWRITER, w->old);
	if (w->written & w->mask & ITS_CWRITER_RETRY)
		regs_clear_bits(&its->regs, ITS_CREADR, ITS_CREADR_STALLED);
}

static void write_baser(void *engine, const struct regs_write *w)
{
	struct its *its = engine;
	uint64_t now = regs_get(&its->regs, w->offset);

	if (is_on(its)) {
		regs_put(&its->regs, w->offset, w->old);
		return;
	}
	if (bits_get(now, ITS_BASER_PAGE) > ITS_PAGE_64K)
		regs_put(&its->regs, w->offset,
			 (now & ~ITS_BASER_PAGE) | bits_put(ITS_BASER_PAGE, ITS_PAGE_64K));
	if (!(w->old & ITS_BASER_VALID) || (now & ITS_BASER_VALID))
		return;
	switch (w->offset) {
	case ITS_BASER:
		its_drop_devices(its);
		break;
	case ITS_BASER + 8:
		its_drop_collections(its);
		break;
	default:
		its->dropping = true;
		its->drop_vpe = 0;
		break;
	}
	its_tell(its, VIOMMU_ANY_SOURCE, 0, UINT32_MAX);
}

/* GICv4.1: a virtual SGI. */
static void write_sgir(void *engine, const struct regs_write *w)
{
	struct its *its = engine;
	uint64_t value = (its->sgir & ~w->mask) | (w->written & w->mask);
	uint32_t vpe = (uint32_t)bits_get(value, ITS_SGIR_VPE);

	its->sgir = w->mask & 1 ? 0 : value; /* it acts when its lower half is written */
	if ((w->mask & 1) && is_on(its) && vpe_mapped_by(its->lpis, vpe, its->number))
		vpe_sgi(its->lpis, vpe, (uint32_t)bits_get(value, ITS_SGIR_INTID));
}

/* ---- the table ---- */

#define CBASER_BITS                                                                                \
	(ITS_CBASER_SIZE | ITS_CBASER_SHARE | ITS_CBASER_ADDRESS | ITS_CBASER_OUTER |              \
	 ITS_CBASER_INNER | ITS_CBASER_VALID)
#define BASER_BITS (UINT64_MAX & ~(ITS_BASER_ENTRY_SIZE | ITS_BASER_TYPE))

static bool add(struct its *its, uint32_t offset, uint32_t bytes, uint64_t reset, uint64_t writable,
		uint64_t own, void (*then)(void *, const struct regs_write *), const char *name)
{
	return regs_add(&its->regs, &(struct regs_row){ .offset = offset,
							.bytes = bytes,
							.reset = reset,
							.writable = writable,
							.own = own,
							.then = then,
							.name = name });
}

static uint64_t baser_reset(unsigned type)
{
	return bits_put(ITS_BASER_ENTRY_SIZE, 8 - 1) | bits_put(ITS_BASER_TYPE, type);
}

static bool add_main(struct its *its, uint32_t iidr, uint32_t number)
{
	bool virtual = its->typer & ITS_TYPER_VIRTUAL;

	return add(its, ITS_CTLR, 4, ITS_CTLR_QUIESCENT | bits_put(ITS_CTLR_NUMBER, number),
		   ITS_CTLR_ENABLED | (virtual ? ITS_CTLR_IMDE : 0), ITS_CTLR_QUIESCENT, write_ctlr,
		   "GITS_CTLR") &&
	       add(its, ITS_IIDR, 4, iidr, 0, 0, NULL, "GITS_IIDR") &&
	       add(its, ITS_TYPER, 8, its->typer, 0, 0, NULL, "GITS_TYPER") &&
	       add(its, ITS_CBASER, 8, 0, CBASER_BITS, 0, write_cbaser, "GITS_CBASER") &&
	       add(its, ITS_CWRITER, 8, 0, ITS_QUEUE_OFFSET, 0, write_cwriter, "GITS_CWRITER") &&
	       add(its, ITS_CREADR, 8, 0, 0, ITS_QUEUE_OFFSET | ITS_CREADR_STALLED, NULL,
		   "GITS_CREADR") &&
	       add(its, ITS_BASER, 8, baser_reset(ITS_TYPE_DEVICE), BASER_BITS, 0, write_baser,
		   "GITS_BASER0") &&
	       add(its, ITS_BASER + 8, 8, baser_reset(ITS_TYPE_COLLECTION), BASER_BITS, 0,
		   write_baser, "GITS_BASER1") &&
	       (!virtual || add(its, ITS_BASER + 16, 8, baser_reset(ITS_TYPE_VPE), BASER_BITS, 0,
				write_baser, "GITS_BASER2"));
}

static bool add_optional(struct its *its)
{
	if ((its->typer & ITS_TYPER_UMSI) &&
	    (!regs_add(&its->regs,
		       &(struct regs_row){ .offset = ITS_STATUSR,
					   .bytes = 4,
					   .w1c = ITS_STATUSR_UMSI | ITS_STATUSR_OVERFLOW,
					   .name = "GITS_STATUSR" }) ||
	     !add(its, ITS_UMSIR, 8, 0, 0, UINT64_MAX, NULL, "GITS_UMSIR")))
		return false;
	if ((its->typer & ITS_TYPER_VMAPP) && !add(its, ITS_MPIDR, 4, 0, 0, 0, NULL, "GITS_MPIDR"))
		return false;
	return !(its->typer & ITS_TYPER_VSGI) ||
	       add(its, ITS_SGIR, 8, 0, 0, 0, write_sgir, "GITS_SGIR");
}

/* 12.19: who it is. */
static bool add_ids(struct its *its)
{
	uint64_t revision = its->lpis->flags & VIOMMU_LPIS_V4 ? 4 : 3;
	const uint64_t ids[] = { 0x94, 0xb4, revision << 4 | 0x0b, 0, 0x0d, 0xf0, 0x05, 0xb1 };
	static const char *const names[] = {
		"GITS_PIDR0", "GITS_PIDR1", "GITS_PIDR2", "GITS_PIDR3",
		"GITS_CIDR0", "GITS_CIDR1", "GITS_CIDR2", "GITS_CIDR3"
	};

	for (uint32_t i = 0; i < ARRAY_COUNT(ids); i++) {
		if (!add(its, ITS_PIDR0 + 4 * i, 4, ids[i], 0, 0, NULL, names[i]))
			return false;
	}
	return add(its, ITS_PIDR4, 4, 0x44, 0, 0, NULL, "GITS_PIDR4");
}

int its_regs_init(struct its *its, uint32_t iidr, uint32_t number)
{
	uint32_t frames = its->typer & ITS_TYPER_VSGI ? 3 : 1;
	int result = regs_init(&its->regs, its->unit.vm, frames * ITS_FRAME, 32, its);

	its->unit.register_bytes = (frames < 2 ? 2 : frames) * ITS_FRAME; /* TRANSLATER has one */
	if (!result && NEVER(!add_main(its, iidr, number) || !add_optional(its) || !add_ids(its)))
		result = VIOMMU_EINTERNAL;
	return result;
}

/* ---- progress ---- */

/* Translations from before Enabled became 0, and from before a reset or a restore. */
static int quiesce(struct its *its)
{
	if (!its->quiescing)
		return VIOMMU_OK;
	if (completion_poll(&its->unit, &its->quiet) != COMPLETION_DONE)
		return VIOMMU_PENDING;
	its->quiescing = 0;
	return VIOMMU_OK;
}

int its_progress(struct its *its)
{
	int queue = its_queue_run(its);
	int quiet = quiesce(its);

	if (queue || quiet)
		regs_clear_bits(&its->regs, ITS_CTLR, ITS_CTLR_QUIESCENT);
	else
		regs_set_bits(&its->regs, ITS_CTLR, ITS_CTLR_QUIESCENT);
	if (!queue && !quiet)
		epoch_done(&its->unit.epoch);
	return queue ? queue : quiet;
}

/* ---- the VMM's writes ---- */

static int set_creadr(struct its *its, uint64_t value)
{
	if (is_on(its))
		return VIOMMU_EBUSY;
	if ((value & ~(ITS_QUEUE_OFFSET | ITS_CREADR_STALLED)) ||
	    (value & ITS_QUEUE_OFFSET) >= its_queue_bytes(its))
		return VIOMMU_EINVAL;
	regs_put(&its->regs, ITS_CREADR, value);
	return VIOMMU_OK;
}

/* What a message has left there: bits that a guest can only clear, or only read. */
static int set_status(struct its *its, const struct regs_row *row, uint64_t value)
{
	if (value & ~(row->w1c | row->own))
		return VIOMMU_EINVAL;
	pthread_mutex_lock(&its->umsi_lock);
	regs_put(&its->regs, row->offset, value);
	pthread_mutex_unlock(&its->umsi_lock);
	return VIOMMU_OK;
}

static int set_register(struct its *its, uint64_t offset, uint64_t value)
{
	uint32_t index = offset < its->regs.space && offset % 4 == 0 ? its->regs.at[offset / 4] : 0;
	const struct regs_row *row = &its->regs.row[index - 1];
	uint64_t now;

	if (!index && offset > ITS_BASER && offset < ITS_BASER_END && offset % 8 == 0)
		return VIOMMU_OK; /* of type 0: whatever it is, it is ignored */
	if (!index || row->offset != offset)
		return VIOMMU_ENOENT;
	if (offset == ITS_CREADR)
		return set_creadr(its, value);
	if (offset == ITS_STATUSR || offset == ITS_UMSIR)
		return set_status(its, row, value);
	if (row->bytes == 4 && value >> 32)
		return VIOMMU_EINVAL;
	if (offset == ITS_IIDR)
		return value & ITS_IIDR_REVISION ? VIOMMU_EINVAL : VIOMMU_OK;
	now = regs_get(&its->regs, row->offset);
	/* bits that come and go by themselves are not asked for */
	if ((value ^ now) & ~(row->writable | row->w1c | row->own))
		return VIOMMU_EINVAL;
	regs_guest_write(&its->regs, offset, row->bytes, value);
	return its_progress(its);
}

int viommu_its_set_register(struct viommu *u, uint64_t offset, uint64_t value)
{
	int result;

	if (!u || !engine_is(u->engine, &its_engine))
		return VIOMMU_EINVAL;
	if (!unit_begin(u))
		return VIOMMU_EBUSY;
	result = set_register(its_of(u), offset, value);
	notify_complete(u);
	if (u->record)
		unit_record_state(u);
	unit_end(u);
	return result;
}
