/* SPDX-License-Identifier: BSD-3-Clause */
/* riscv_regs.c - the register table (6), and what writing to a register does. Where the text leaves a write unspecified, it is
 * ignored. */

#include "riscv_engine.h"

#define LOW32 BITS(31, 0)

static bool low_half(const struct regs_write *w)
{
	return w->mask & LOW32;
}

/* ---- rings ---- */

/* The registers of a queue. */
struct queue {
	uint32_t base;
	uint32_t csr;
	uint32_t software; /* the index that software moves, and ours */
	uint32_t own;
	uint64_t errors;
	uint64_t ipsr;
};

static const struct queue queues[] = {
	{ RISCV_CQB, RISCV_CQCSR, RISCV_CQT, RISCV_CQH, RISCV_CQCSR_CONDITION, RISCV_IPSR_CIP },
	{ RISCV_FQB, RISCV_FQCSR, RISCV_FQH, RISCV_FQT, RISCV_QCSR_CONDITION, RISCV_IPSR_FIP },
	{ RISCV_PQB, RISCV_PQCSR, RISCV_PQH, RISCV_PQT, RISCV_QCSR_CONDITION, RISCV_IPSR_PIP },
};

static const struct queue *queue_of(uint32_t offset)
{
	for (unsigned i = 0; i < ARRAY_COUNT(queues); i++) {
		if (offset == queues[i].base || offset == queues[i].csr ||
		    offset == queues[i].software)
			return &queues[i];
	}
	return &queues[0];
}

static bool is_on(const struct riscv *v, const struct queue *q)
{
	return regs_get(&v->regs, q->csr) & (RISCV_CSR_EN | RISCV_CSR_ON | RISCV_CSR_BUSY);
}

static void write_base(void *engine, const struct regs_write *w)
{
	struct riscv *v = engine;
	const struct queue *q = queue_of(w->offset);

	if (is_on(v, q))
		return;
	regs_put(&v->regs, w->offset, w->written & (RISCV_QB_LOG2SZ | RISCV_QB_PPN));
	regs_put(&v->regs, q->software, 0);
}

static void write_index(void *engine, const struct regs_write *w)
{
	struct riscv *v = engine;

	regs_put(&v->regs, w->offset,
		 w->written & bits_low(riscv_ring_lg2(v, queue_of(w->offset)->base)));
}

/* 6.15: with the lock. Errors of before are gone, and our index is 0. */
static void enable(struct riscv *v, const struct queue *q)
{
	regs_clear_bits(&v->regs, q->csr, q->errors);
	regs_put(&v->regs, q->own, 0);
	if (q->csr == RISCV_CQCSR)
		riscv_queue_start(v);
	else
		ring_records_reset(q->csr == RISCV_FQCSR ? &v->faults : &v->requests);
	if (deferred_of(&v->deferred, q->csr).clear)
		deferred_bits(&v->deferred, &v->regs, q->csr, RISCV_CSR_ON, RISCV_CSR_BUSY);
	else
		regs_set_bits(&v->regs, q->csr, RISCV_CSR_ON);
}

/* It is off when nobody writes records any more: that happens in sections. Commands are executed by this thread. */
static void disable(struct riscv *v, const struct queue *q)
{
	if (q->csr == RISCV_CQCSR)
		regs_clear_bits(&v->regs, q->csr, RISCV_CSR_ON);
	else
		deferred_bits(&v->deferred, &v->regs, q->csr, 0, RISCV_CSR_ON | RISCV_CSR_BUSY);
}

/* With the lock: EN, IE and errors in one write. */
static void write_csr(void *engine, const struct regs_write *w)
{
	struct riscv *v = engine;
	const struct queue *q = queue_of(w->offset);

	if (w->written & ~w->old & RISCV_CSR_EN)
		enable(v, q);
	if (w->old & ~w->written & RISCV_CSR_EN)
		disable(v, q);
	riscv_raise_levels(v, q->ipsr);
}

/* ---- control ---- */

static void write_fctl(void *engine, const struct regs_write *w)
{
	struct riscv *v = engine;
	uint64_t writable = riscv_fctl_writable(v);

	if (bits_get(regs_get(&v->regs, RISCV_DDTP), RISCV_DDTP_MODE) != RISCV_MODE_OFF ||
	    is_on(v, &queues[0]) || is_on(v, &queues[1]) ||
	    ((v->cap & RISCV_CAP_ATS) && is_on(v, &queues[2])))
		return;
	regs_put(&v->regs, RISCV_FCTL, (w->old & ~writable) | (w->written & writable));
}

void riscv_begin(struct riscv *v)
{
	v->unsynced = true;
	notify_forget(&v->unit, true, true);
}

/* 6.5: whether the mode may change like that. From one directory to another it may not. */
static bool mode_may_change(uint64_t old, uint64_t mode)
{
	return mode <= RISCV_MODE_3LVL && (old <= RISCV_MODE_BARE || mode <= RISCV_MODE_BARE);
}

static void write_ddtp(void *engine, const struct regs_write *w)
{
	struct riscv *v = engine;
	uint64_t written = w->written & (RISCV_DDTP_MODE | RISCV_DDTP_PPN);
	uint64_t old = w->old & ~RISCV_DDTP_BUSY;

	/* the upper half comes first, and has no effect by itself */
	if (!low_half(w)) {
		if (bits_get(old, RISCV_DDTP_MODE) <= RISCV_MODE_BARE)
			regs_put(&v->regs, RISCV_DDTP, written | (w->old & RISCV_DDTP_BUSY));
		return;
	}
	if (!mode_may_change(bits_get(old, RISCV_DDTP_MODE), bits_get(written, RISCV_DDTP_MODE)))
		return;
	regs_put(&v->regs, RISCV_DDTP, written | (w->old & RISCV_DDTP_BUSY));
	atomic_store_explicit(&v->ddtp, written, memory_order_release);
	riscv_begin(v);
	deferred_bits(&v->deferred, &v->regs, RISCV_DDTP, 0, RISCV_DDTP_BUSY);
}

/* With the lock: what has been cleared, and still holds, is set again (6.18). */
static void write_ipsr(void *engine, const struct regs_write *w)
{
	riscv_raise_levels(engine, w->written & w->mask & RISCV_IPSR_ALL);
}

/* ---- debug, counters ---- */

static void write_request(void *engine, const struct regs_write *w)
{
	if (low_half(w) && (w->written & RISCV_TR_GO))
		riscv_debug(engine);
}

static void write_counter(void *engine, const struct regs_write *w)
{
	riscv_hpm_written(engine, w->offset);
}

/* Events that are not known are none. */
static void write_event(void *engine, const struct regs_write *w)
{
	struct riscv *v = engine;

	if (w->offset != RISCV_IOCOUNTINH &&
	    bits_get(regs_get(&v->regs, w->offset), RISCV_EVT_ID) >= RISCV_EVENTS)
		regs_clear_bits(&v->regs, w->offset, RISCV_EVT_ID);
	riscv_hpm_changed(v);
}

/* ---- the table ---- */

#define LOCK 1 /* struct regs_row.lock */

#define RO(offset, bytes, own, name)                                                               \
	{                                                                                          \
		offset, bytes, 0, 0, 0, own, NULL, name, 0                                         \
	}
#define RW(offset, bytes, writable, name)                                                          \
	{                                                                                          \
		offset, bytes, 0, writable, 0, 0, NULL, name, 0                                    \
	}
/* What is written goes through @then, which decides. */
#define DECIDED(offset, bytes, bits, then, name, lock)                                             \
	{                                                                                          \
		offset, bytes, 0, 0, 0, bits, then, name, lock                                     \
	}
#define QB (RISCV_QB_LOG2SZ | RISCV_QB_PPN)
#define CSR(offset, errors, name)                                                                  \
	{                                                                                          \
		offset, 4, 0, RISCV_CSR_EN | RISCV_CSR_IE, errors, RISCV_CSR_ON | RISCV_CSR_BUSY,  \
			write_csr, name, LOCK                                                      \
	}

static const struct regs_row always[] = {
	DECIDED(RISCV_CQB, 8, QB, write_base, "cqb", 0),
	RO(RISCV_CQH, 4, LOW32, "cqh"),
	DECIDED(RISCV_CQT, 4, LOW32, write_index, "cqt", 0),
	DECIDED(RISCV_FQB, 8, QB, write_base, "fqb", LOCK),
	DECIDED(RISCV_FQH, 4, LOW32, write_index, "fqh", LOCK),
	RO(RISCV_FQT, 4, LOW32, "fqt"),
	CSR(RISCV_CQCSR, RISCV_CQCSR_CONDITION, "cqcsr"),
	CSR(RISCV_FQCSR, RISCV_QCSR_CONDITION, "fqcsr"),
	{ RISCV_IPSR, 4, 0, 0, RISCV_IPSR_ALL, 0, write_ipsr, "ipsr", LOCK },
};

static const struct regs_row with_pages[] = {
	DECIDED(RISCV_PQB, 8, QB, write_base, "pqb", LOCK),
	DECIDED(RISCV_PQH, 4, LOW32, write_index, "pqh", LOCK),
	RO(RISCV_PQT, 4, LOW32, "pqt"),
	CSR(RISCV_PQCSR, RISCV_QCSR_CONDITION, "pqcsr"),
};

static const struct regs_row with_debug[] = {
	RW(RISCV_TR_REQ_IOVA, 8, RISCV_TR_VPN, "tr_req_iova"),
	{ RISCV_TR_REQ_CTL, 8, 0,
	  RISCV_TR_GO | RISCV_TR_PRIV | RISCV_TR_EXE | RISCV_TR_NW | RISCV_TR_PID | RISCV_TR_PV |
		  RISCV_TR_DID,
	  0, 0, write_request, "tr_req_ctl", 0 },
	RO(RISCV_TR_RESPONSE, 8,
	   RISCV_RESPONSE_FAULT | RISCV_RESPONSE_PBMT | RISCV_RESPONSE_S | RISCV_RESPONSE_PPN,
	   "tr_response"),
};

#define ADD(v, rows, wanted) (!(wanted) || regs_add_rows(&(v)->regs, rows, ARRAY_COUNT(rows)))

static bool add_messages(struct riscv *v)
{
	bool ok = true;

	for (uint32_t n = 0; ok && n < RISCV_VECTORS; n++) {
		const struct regs_row rows[] = {
			{ RISCV_MSI_ADDR(n), 8, 0, RISCV_MSI_ADDRESS, 0, 0, NULL, "msi_addr",
			  LOCK },
			{ RISCV_MSI_DATA(n), 4, 0, LOW32, 0, 0, NULL, "msi_data", LOCK },
			{ RISCV_MSI_CTL(n), 4, 0, RISCV_MSI_MASKED, 0, 0, NULL, "msi_vec_ctl",
			  LOCK },
		};

		ok = ADD(v, rows, true);
	}
	return ok;
}

static bool add_counters(struct riscv *v)
{
	const struct regs_row rows[] = {
		RO(RISCV_IOCOUNTOVF, 4, LOW32, "iocountovf"),
		{ RISCV_IOCOUNTINH, 4, 0, bits_low(v->config.counters + 1), 0, 0, write_event,
		  "iocountinh", 0 },
		{ RISCV_IOHPMCYCLES, 8, 0, UINT64_MAX, 0, 0, write_counter, "iohpmcycles", 0 },
	};
	bool ok = ADD(v, rows, true);

	for (uint32_t n = 0; ok && n < v->config.counters; n++) {
		const struct regs_row counter[] = {
			{ RISCV_IOHPMCTR(n), 8, 0, UINT64_MAX, 0, 0, write_counter, "iohpmctr", 0 },
			{ RISCV_IOHPMEVT(n), 8, 0, UINT64_MAX, 0, 0, write_event, "iohpmevt", 0 },
		};

		ok = ADD(v, counter, true);
	}
	return ok;
}

static bool add_configured(struct riscv *v)
{
	const uint64_t vector = v->config.vectors - 1;
	const uint64_t ids = bits_low(v->config.qosid_bits);
	const struct regs_row rows[] = {
		{ RISCV_CAPABILITIES, 8, v->cap, 0, 0, 0, NULL, "capabilities", 0 },
		{ RISCV_FCTL, 4, riscv_fctl_reset(v), 0, 0, riscv_fctl_writable(v), write_fctl,
		  "fctl", 0 },
		{ RISCV_DDTP, 8, v->config.ddtp, 0, 0,
		  RISCV_DDTP_MODE | RISCV_DDTP_BUSY | RISCV_DDTP_PPN, write_ddtp, "ddtp", 0 },
		{ RISCV_ICVEC, 8, 0, vector | vector << 4 | vector << 8 | vector << 12, 0, 0, NULL,
		  "icvec", LOCK },
	};
	const struct regs_row qosid[] = { RW(
		RISCV_QOSID, 4, bits_put(RISCV_QOSID_RCID, ids) | bits_put(RISCV_QOSID_MCID, ids),
		"iommu_qosid") };

	return ADD(v, rows, true) && ADD(v, qosid, v->cap & RISCV_CAP_QOSID) &&
	       (bits_get(v->cap, RISCV_CAP_IGS) == RISCV_IGS_WSI || add_messages(v)) &&
	       (!(v->cap & RISCV_CAP_HPM) || add_counters(v));
}

int riscv_regs_init(struct riscv *v)
{
	int result;

	v->unit.register_bytes = RISCV_REGISTERS;
	result = regs_init(&v->regs, v->unit.vm, RISCV_REGISTERS, 192, v);
	if (result)
		return result;
	v->regs.lock[LOCK - 1] = &v->lock;
	return ADD(v, always, true) && ADD(v, with_pages, v->cap & RISCV_CAP_ATS) &&
			       ADD(v, with_debug, v->cap & RISCV_CAP_DBG) && add_configured(v)
		       ? VIOMMU_OK
		       : VIOMMU_EINVAL;
}

int riscv_progress(struct riscv *v)
{
	bool shown = deferred_show(&v->unit, &v->deferred, &v->regs);
	int queue = riscv_queue_run(v);

	riscv_tell(v);
	if (!shown || queue != VIOMMU_OK)
		return VIOMMU_PENDING;
	epoch_done(&v->unit.epoch);
	return VIOMMU_OK;
}
