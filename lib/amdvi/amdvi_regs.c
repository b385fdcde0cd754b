/* SPDX-License-Identifier: BSD-3-Clause */
/* amdvi_regs.c - the register table (3.4), and what writing to a register does. */

#include "amdvi_engine.h"

#define LOG_LOCK 1 /* struct regs_row.lock */

/* ---- control (3.4.3) ---- */

#define TRANSLATION                                                                                \
	(AMD_CTRL_IOMMU_EN | AMD_CTRL_GT_EN | AMD_CTRL_HAD_UPDATE | AMD_CTRL_GD_UPDATE_DIS |       \
	 AMD_CTRL_GA_UPDATE_DIS | AMD_CTRL_GCR3_TRP_MODE | AMD_CTRL_DEV_SEG_EN)
#define INTERRUPTS                                                                                 \
	(AMD_CTRL_IOMMU_EN | AMD_CTRL_GA_EN | AMD_CTRL_GAM_EN | AMD_CTRL_XT_EN |                   \
	 AMD_CTRL_NUM_INT_REMAP | AMD_CTRL_GAPPI_EN | AMD_CTRL_DEV_SEG_EN)

static bool enabled(uint64_t control, uint64_t bit)
{
	return (control & AMD_CTRL_IOMMU_EN) && (control & bit);
}

/* A log that is enabled runs, unless it has overflowed and software has not seen to it. */
static void switch_log(struct amdvi *v, enum amdvi_log log, uint64_t before, uint64_t now)
{
	uint64_t enable = amdvi_logs[log].enable;

	pthread_mutex_lock(&v->log_lock);
	if (!enabled(now, enable))
		amdvi_log_close(v, log);
	else if (!enabled(before, enable))
		amdvi_log_open(v, log);
	pthread_mutex_unlock(&v->log_lock);
}

static bool has_log(const struct amdvi *v, enum amdvi_log log)
{
	return log == AMDVI_LOG_EVENT || (log == AMDVI_LOG_PPR && (v->efr & AMD_EFR_PPR)) ||
	       (log == AMDVI_LOG_GA && (v->efr & AMD_EFR_GAM));
}

static void write_control(void *engine, const struct regs_write *w)
{
	struct amdvi *v = engine;
	uint64_t now = amdvi_control(v);
	uint64_t changed = now ^ w->old;

	for (unsigned log = 0; log < AMDVI_LOGS; log++) {
		if (has_log(v, log))
			switch_log(v, log, w->old, now);
	}
	if (enabled(now, AMD_CTRL_CMD_BUF_EN) != enabled(w->old, AMD_CTRL_CMD_BUF_EN))
		amdvi_commands_switch(v, enabled(now, AMD_CTRL_CMD_BUF_EN));
	if (changed & TRANSLATION)
		amdvi_forget(v, true);
	if (changed & INTERRUPTS)
		amdvi_interrupts_changed(v);
	if (changed & (TRANSLATION | INTERRUPTS))
		deferred_again(&v->deferred);
}

/* ---- tables and the exclusion range (3.4.1, 3.4.4, 3.4.11) ---- */

static void write_tables(void *engine, const struct regs_write *w)
{
	struct amdvi *v = engine;

	(void)w;
	if (!(amdvi_control(v) & AMD_CTRL_IOMMU_EN))
		return;
	amdvi_forget(v, true);
	amdvi_interrupts_changed(v);
	deferred_again(&v->deferred);
}

static void write_exclusion(void *engine, const struct regs_write *w)
{
	struct amdvi *v = engine;

	(void)w;
	if (!(amdvi_control(v) & AMD_CTRL_IOMMU_EN))
		return;
	amdvi_forget(v, true);
	deferred_again(&v->deferred);
}

/* ---- the command buffer (3.4.2, 3.4.13) ---- */

/* Undefined while the buffer runs: ignored. */
static bool refused(struct amdvi *v, const struct regs_write *w, uint64_t run)
{
	if (!(regs_get(&v->regs, AMD_STATUS) & run))
		return false;
	regs_put(&v->regs, w->offset, w->old);
	return true;
}

static void write_command_base(void *engine, const struct regs_write *w)
{
	struct amdvi *v = engine;

	if (refused(v, w, AMD_ST_CMD_RUN))
		return;
	regs_put(&v->regs, AMD_CMD_HEAD, 0);
	regs_put(&v->regs, AMD_CMD_TAIL, 0);
}

/* Beyond the ring: undefined, ignored. */
static void keep_in(struct amdvi *v, const struct regs_write *w, const struct ring *ring)
{
	uint32_t position;

	if (!ring_position(ring, regs_get(&v->regs, w->offset), &position))
		regs_put(&v->regs, w->offset, w->old);
}

static void write_command_pointer(void *engine, const struct regs_write *w)
{
	struct amdvi *v = engine;
	struct ring ring;

	if (w->offset == AMD_CMD_HEAD && refused(v, w, AMD_ST_CMD_RUN))
		return;
	amdvi_command_ring(v, &ring);
	keep_in(v, w, &ring);
}

/* ---- logs; with log_lock held ---- */

static enum amdvi_log log_of(uint32_t offset)
{
	unsigned log = 0;

	while (amdvi_logs[log].base != offset && amdvi_logs[log].head != offset &&
	       amdvi_logs[log].tail != offset)
		log++; /* every register that comes here is of one */
	return log;
}

static void write_log_base(void *engine, const struct regs_write *w)
{
	struct amdvi *v = engine;
	enum amdvi_log log = log_of(w->offset);

	if (refused(v, w, amdvi_logs[log].run))
		return;
	regs_put(&v->regs, amdvi_logs[log].head, 0);
	regs_put(&v->regs, amdvi_logs[log].tail, 0);
}

static void write_log_pointer(void *engine, const struct regs_write *w)
{
	struct amdvi *v = engine;
	enum amdvi_log log = log_of(w->offset);
	struct ring ring;

	if (w->offset == amdvi_logs[log].tail && refused(v, w, amdvi_logs[log].run))
		return;
	amdvi_log_ring(v, log, &ring);
	keep_in(v, w, &ring);
}

/* ---- messages; with log_lock held ---- */

static void write_msi(void *engine, const struct regs_write *w)
{
	struct amdvi *v = engine;
	uint64_t header = regs_get(&v->regs, AMD_MSI_CAP);
	unsigned lg2 = (unsigned)bits_get(header, AMD_MSI_MULTIPLE);

	(void)w;
	v->msi = (struct amdvi_msi){ .enabled = header & AMD_MSI_ENABLE,
				     .address = regs_get(&v->regs, AMD_MSI_ADDR_LO) |
						regs_get(&v->regs, AMD_MSI_ADDR_HI) << 32,
				     .data = (uint32_t)regs_get(&v->regs, AMD_MSI_DATA),
				     .messages_lg2 = lg2 < 5 ? lg2 : 5 };
}

void amdvi_show_msi(struct amdvi *v)
{
	uint64_t header;

	if (!(v->efr & AMD_EFR_MSI_CAP))
		return;
	header = regs_get(&v->regs, AMD_MSI_CAP) & ~(AMD_MSI_ENABLE | AMD_MSI_MULTIPLE);
	header |= (v->msi.enabled ? AMD_MSI_ENABLE : 0) |
		  bits_put(AMD_MSI_MULTIPLE, v->msi.messages_lg2);
	regs_put(&v->regs, AMD_MSI_CAP, header);
	regs_put(&v->regs, AMD_MSI_ADDR_LO, v->msi.address & BITS(31, 2));
	regs_put(&v->regs, AMD_MSI_ADDR_HI, v->msi.address >> 32);
	regs_put(&v->regs, AMD_MSI_DATA, v->msi.data & BITS(15, 0));
}

/* ---- the table ---- */

#define RING_BASE (AMD_RING_ADDR | AMD_RING_LEN)
#define EXTENDED                                                                                   \
	(AMD_XT_DEST_MODE | AMD_XT_DEST_LO | AMD_XT_VECTOR | AMD_XT_DELIVERY | AMD_XT_DEST_HI)

static const struct regs_row always[] = {
	{ AMD_DEV_TABLE, 8, 0, AMD_DT_ADDR | AMD_DT_SIZE, 0, 0, write_tables, "DEV_TABLE_BASE", 0 },
	{ AMD_CMD_BASE, 8, 0, RING_BASE, 0, 0, write_command_base, "CMD_BUF_BASE", 0 },
	{ AMD_EVT_BASE, 8, 0, RING_BASE, 0, 0, write_log_base, "EVT_LOG_BASE", LOG_LOCK },
	{ AMD_EXCL_BASE, 8, 0, AMD_EXCL_EN | AMD_EXCL_ALLOW | AMD_EXCL_ADDR, 0, 0, write_exclusion,
	  "EXCL_BASE", 0 },
	{ AMD_EXCL_LIMIT, 8, 0, AMD_EXCL_ADDR, 0, 0, write_exclusion, "EXCL_LIMIT", 0 },
	{ AMD_CMD_HEAD, 8, 0, AMD_RING_POINTER, 0, 0, write_command_pointer, "CMD_HEAD", 0 },
	{ AMD_CMD_TAIL, 8, 0, AMD_RING_POINTER, 0, 0, write_command_pointer, "CMD_TAIL", 0 },
	{ AMD_EVT_HEAD, 8, 0, AMD_RING_POINTER, 0, 0, write_log_pointer, "EVT_HEAD", LOG_LOCK },
	{ AMD_EVT_TAIL, 8, 0, AMD_RING_POINTER, 0, 0, write_log_pointer, "EVT_TAIL", LOG_LOCK },
	{ AMD_STATUS, 8, 0, 0, AMD_ST_W1C, AMD_ST_RUN, NULL, "STATUS", LOG_LOCK },
};

static const struct regs_row with_ppr[] = {
	{ AMD_PPR_BASE, 8, 0, RING_BASE, 0, 0, write_log_base, "PPR_LOG_BASE", LOG_LOCK },
	{ AMD_PPR_HEAD, 8, 0, AMD_RING_POINTER, 0, 0, write_log_pointer, "PPR_HEAD", LOG_LOCK },
	{ AMD_PPR_TAIL, 8, 0, AMD_RING_POINTER, 0, 0, write_log_pointer, "PPR_TAIL", LOG_LOCK },
};

static const struct regs_row with_ppr_auto[] = {
	{ AMD_PPR_AUTO, 8, 0, AMD_AUTO_CODE | AMD_AUTO_MASK, 0, 0, NULL, "PPR_AUTO_RESP", 0 },
};

static const struct regs_row with_ga_log[] = {
	{ AMD_GA_BASE, 8, 0, RING_BASE, 0, 0, write_log_base, "GA_LOG_BASE", LOG_LOCK },
	{ AMD_GA_TAIL_ADDR, 8, 0, BITS(51, 3), 0, 0, NULL, "GA_LOG_TAIL_ADDR", 0 },
	{ AMD_GA_HEAD, 8, 0, AMD_GA_POINTER, 0, 0, write_log_pointer, "GA_HEAD", LOG_LOCK },
	{ AMD_GA_TAIL, 8, 0, AMD_GA_POINTER, 0, 0, write_log_pointer, "GA_TAIL", LOG_LOCK },
};

static const struct regs_row with_hardware_error[] = {
	{ AMD_HE_UPPER, 8, 0, 0, 0, UINT64_MAX, NULL, "HW_EVENT_UPPER", 0 },
	{ AMD_HE_LOWER, 8, 0, 0, 0, UINT64_MAX, NULL, "HW_EVENT_LOWER", 0 },
	{ AMD_HE_STATUS, 8, 0, 0, AMD_HE_VALID | AMD_HE_OVERFLOW, 0, NULL, "HW_EVENT_STATUS",
	  LOG_LOCK },
};

static const struct regs_row with_x2apic[] = {
	{ AMD_XT_EVENT, 8, 0, EXTENDED, 0, 0, NULL, "XT_GEN_INT", LOG_LOCK },
	{ AMD_XT_PPR, 8, 0, EXTENDED, 0, 0, NULL, "XT_PPR_INT", LOG_LOCK },
	{ AMD_XT_GA, 8, 0, EXTENDED, 0, 0, NULL, "XT_GA_INT", LOG_LOCK },
};

/* Capability 05 with 64-bit addresses, up to 32 messages; capability 08 of HyperTransport, fixed. */
static const struct regs_row with_msi[] = {
	{ AMD_MSI_CAP, 4, 0x05 | AMD_MSI_64 | UINT32_C(5) << 17, AMD_MSI_ENABLE | AMD_MSI_MULTIPLE,
	  0, 0, write_msi, "MSI_CAP", LOG_LOCK },
	{ AMD_MSI_ADDR_LO, 4, 0, BITS(31, 2), 0, 0, write_msi, "MSI_ADDR_LO", LOG_LOCK },
	{ AMD_MSI_ADDR_HI, 4, 0, BITS(31, 0), 0, 0, write_msi, "MSI_ADDR_HI", LOG_LOCK },
	{ AMD_MSI_DATA, 4, 0, BITS(15, 0), 0, 0, write_msi, "MSI_DATA", LOG_LOCK },
	{ AMD_MSI_MAP, 4, 0xa8030008, 0, 0, 0, NULL, "MSI_MAP_CAP", 0 },
};

static const struct regs_row with_perf_opt[] = {
	{ AMD_PERF_OPT, 4, 0, BIT(13), 0, 0, NULL, "PERF_OPT", 0 },
};

/* Bits of CONTROL that features bring; others have no effect, and are kept as written. */
static uint64_t control_bits(const struct amdvi *v)
{
	static const struct {
		uint64_t efr, bits;
	} features[] = {
		{ AMD_EFR_PPR, AMD_CTRL_PPR_LOG_EN | AMD_CTRL_PPR_INT_EN | AMD_CTRL_PPR_EN },
		{ AMD_EFR_GT, AMD_CTRL_GT_EN },
		{ AMD_EFR_GA, AMD_CTRL_GA_EN },
		{ AMD_EFR_GAM,
		  BIT(25) | AMD_CTRL_GA_LOG_EN | AMD_CTRL_GA_INT_EN | AMD_CTRL_SLF_WB_DIS },
		{ AMD_EFR_DEV_SEG, AMD_CTRL_DEV_SEG_EN },
		{ AMD_EFR_PPR_AUTO, AMD_CTRL_PPR_AUTO_RSP | AMD_CTRL_PPR_AUTO_AON },
		{ AMD_EFR_HA, AMD_CTRL_HAD_UPDATE },
		{ AMD_EFR_HD_DIS, AMD_CTRL_GD_UPDATE_DIS },
		{ AMD_EFR_GA_UPDATE, AMD_CTRL_GA_UPDATE_DIS },
		{ AMD_EFR_XT, AMD_CTRL_XT_EN | AMD_CTRL_INT_CAP_XT_EN },
		{ AMD_EFR_GAPPI, AMD_CTRL_GAPPI_EN },
	};
	uint64_t bits = AMD_CTRL_IOMMU_EN | AMD_CTRL_HT_TUN_EN | AMD_CTRL_EVENT_LOG_EN |
			AMD_CTRL_EVENT_INT_EN | AMD_CTRL_COM_WAIT_INT_EN | AMD_CTRL_INV_TIME_OUT |
			AMD_CTRL_PASS_PW | AMD_CTRL_RES_PASS_PW | AMD_CTRL_COHERENT |
			AMD_CTRL_ISOC | AMD_CTRL_CMD_BUF_EN | AMD_CTRL_IRT_CACHE_DIS;

	for (unsigned i = 0; i < ARRAY_COUNT(features); i++)
		bits |= v->efr & features[i].efr ? features[i].bits : 0;
	bits |= v->efr2 & AMD_EFR2_INT_REMAP ? bits_put(AMD_CTRL_NUM_INT_REMAP, 1) : 0;
	bits |= v->efr2 & AMD_EFR2_GCR3_TRP ? AMD_CTRL_GCR3_TRP_MODE : 0;
	return bits;
}

static bool add_configured(struct amdvi *v)
{
	const struct regs_row rows[] = {
		{ AMD_CONTROL, 8, 0, control_bits(v), 0, 0, write_control, "CONTROL", 0 },
		{ AMD_EFR, 8, v->efr, 0, 0, 0, NULL, "EXT_FEATURES", 0 },
		{ AMD_EFR2, 8, v->efr2, 0, 0, 0, NULL, "EXT_FEATURES2", 0 },
		{ AMD_MISC0, 4, amdvi_misc0(v), 0, 0, 0, NULL, "MISC0", 0 },
		{ AMD_MISC1, 4, amdvi_misc1(v), 0, 0, 0, NULL, "MISC1", 0 },
	};
	uint32_t segments = UINT32_C(1) << bits_get(v->efr, AMD_EFR_DEV_SEG);
	bool ok = regs_add_rows(&v->regs, rows, ARRAY_COUNT(rows));

	for (uint32_t i = 0; ok && i + 1 < segments; i++) {
		const struct regs_row row = { AMD_DEV_SEGMENT + 8 * i,
					      8,
					      0,
					      AMD_DT_ADDR | AMD_DT_SEGMENT_SIZE,
					      0,
					      0,
					      write_tables,
					      "DEV_TABLE_SEG",
					      0 };

		ok = regs_add(&v->regs, &row);
	}
	return ok;
}

#define ADD(v, rows, wanted) (!(wanted) || regs_add_rows(&(v)->regs, rows, ARRAY_COUNT(rows)))

static bool add_all(struct amdvi *v)
{
	return ADD(v, always, true) && ADD(v, with_ppr, v->efr & AMD_EFR_PPR) &&
	       ADD(v, with_ppr_auto, v->efr & AMD_EFR_PPR_AUTO) &&
	       ADD(v, with_ga_log, v->efr & AMD_EFR_GAM) &&
	       ADD(v, with_hardware_error, v->efr & AMD_EFR_HE) &&
	       ADD(v, with_x2apic, v->efr & AMD_EFR_XT) &&
	       ADD(v, with_msi, v->efr & AMD_EFR_MSI_CAP) &&
	       ADD(v, with_perf_opt, v->efr & AMD_EFR_PERF_OPT) && add_configured(v);
}

int amdvi_regs_init(struct amdvi *v)
{
	int result;

	v->unit.register_bytes = AMD_REGISTER_BYTES;
	result = regs_init(&v->regs, v->unit.vm, AMD_REGISTER_BYTES, 64, v);
	if (result)
		return result;
	v->regs.lock[LOG_LOCK - 1] = &v->log_lock;
	if (!add_all(v))
		return VIOMMU_EINVAL;
	v->control = regs_word(&v->regs, AMD_CONTROL);
	v->device_table = regs_word(&v->regs, AMD_DEV_TABLE);
	return VIOMMU_OK;
}
