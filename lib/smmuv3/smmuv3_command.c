/* SPDX-License-Identifier: BSD-3-Clause */
/* smmuv3_command.c - the command queue (4, 3.5.1): fetching, checking and executing commands, and CMD_SYNC. */

#include "nested.h"
#include "probe.h"
#include "smmuv3_engine.h"

/* ---- errors (7.1) ---- */

static enum ring_executed error(struct smmu *s, unsigned cerror)
{
	count_own(&s->unit, COUNT_COMMAND_ERRORS);
	s->cerror = cerror;
	return RING_ERROR;
}

void smmu_timed_out(struct viommu *u, struct viommu_device *device)
{
	(void)device;
	atomic_store(&smmu_of(u)->timed_out, 1);
}

/* ---- CMD_SYNC (4.7.3) ---- */

static void tell_done(struct smmu *s, const uint64_t *word)
{
	uint64_t address = word[1] & CMD_SYNC_MSIADDR;

	if (bits_get(word[0], CMD_SYNC_CS) != SYNC_IRQ)
		return; /* nobody here waits for an event */
	if (address && (smmu_idr(s, 0) & IDR0_MSI)) {
		if (!smmu_message(s, address, (uint32_t)bits_get(word[0], CMD_SYNC_MSIDATA)))
			smmu_gerror(s, GERROR_MSI_CMDQ);
	} else {
		unit_edge(&s->unit, VIOMMU_SMMUV3_LINE_SYNC);
	}
}

/* A host that nests did not take a command: the queue stops at that one. */
static bool host_refused(struct smmu *s)
{
	uint32_t position;

	if (LIKELY(!s->unit.nestings) || !nesting_refused(&s->unit, &position))
		return false;
	s->commands.head = position;
	s->commands.held = false;
	s->sync = (struct completion){ .epoch = 0 };
	return true;
}

/* All that came before is complete: told to listeners, out of use by sections, dropped by devices. */
static enum ring_executed sync(struct smmu *s, const uint64_t *word)
{
	enum completion_state state;

	if (bits_get(word[0], CMD_SYNC_CS) > SYNC_SEV)
		return error(s, CERROR_ILL);
	if (!s->sync.epoch)
		completion_owed(&s->unit, &s->sync);
	state = completion_poll(&s->unit, &s->sync);
	if (host_refused(s))
		return error(s, CERROR_ILL);
	if (state == COMPLETION_IN_USE)
		return RING_WAITING;
	/* 4.7.3: a time-out is noted before it is over */
	if (atomic_exchange(&s->timed_out, 0)) {
		s->sync = (struct completion){ .epoch = 0 };
		return error(s, CERROR_ATC_INV);
	}
	if (state == COMPLETION_OWED)
		return RING_WAITING;
	s->sync = (struct completion){ .epoch = 0 };
	s->unsynced = false;
	tell_done(s, word);
	probe_completion(&s->unit);
	return RING_DONE;
}

/* ---- ATC_INV, RESUME, STALL_TERM ---- */

static enum ring_executed atc_inv(struct smmu *s, const uint64_t *word)
{
	uint64_t size = bits_get(word[1], CMD_ATC_SIZE);
	uint64_t mask = size == 52 ? UINT64_MAX : bits_low(12 + (unsigned)size);
	struct viommu_device_invalidation what = { .first = word[1] & CMD_ADDR & ~mask,
						   .pasid = VIOMMU_NO_PASID };
	struct viommu_device *device;
	bool gave_up = false;

	if (size > 52)
		return error(s, CERROR_ILL);
	if (!(regs_get(&s->regs, SMMU_CR0) & CR0_SMMUEN))
		return RING_DONE;
	what.last = what.first | mask;
	if (word[0] & CMD_SSV) {
		what.pasid = (uint32_t)bits_get(word[0], CMD_SSID);
		what.flags = word[0] & CMD_ATC_GLOBAL ? VIOMMU_INVALIDATE_ALL_PASIDS : 0;
	}
	/* no such device: nothing is cached */
	device = device_get(&s->unit, (uint32_t)bits_get(word[0], CMD_SID));
	if (!device)
		return RING_DONE;
	if (!device_invalidate(device, &what, &gave_up))
		s->unsynced = true;
	device_put(device);
	/* so many are outstanding that no more can be noted: again when some have been answered */
	return gave_up ? RING_WAITING : RING_DONE;
}

static enum ring_executed page_response(struct smmu *s, const uint64_t *word)
{
	return smmu_page_response(s, word) ? RING_DONE : error(s, CERROR_ILL);
}

static enum ring_executed resume(struct smmu *s, const uint64_t *word)
{
	bool abort = (word[0] & CMD_RESUME_AB) || (smmu_idr(s, 0) & IDR0_TERM_MODEL);

	smmu_resume(s, (uint32_t)bits_get(word[0], CMD_SID), (uint32_t)bits_get(word[1], CMD_STAG),
		    word[0] & CMD_RESUME_AC ? VIOMMU_RESUME_RETRY
		    : abort		    ? VIOMMU_RESUME_ABORT
					    : VIOMMU_RESUME_ZERO);
	return RING_DONE;
}

static enum ring_executed stall_term(struct smmu *s, const uint64_t *word)
{
	return smmu_stall_end(s, (uint32_t)bits_get(word[0], CMD_SID)) ? RING_DONE : RING_WAITING;
}

static enum ring_executed nothing(struct smmu *s, const uint64_t *word)
{
	(void)s;
	(void)word;
	return RING_DONE;
}

/* ---- all of them ---- */

static enum ring_executed cfgi(struct smmu *s, const uint64_t *word)
{
	return smmu_cfgi(s, (unsigned)bits_get(word[0], CMD_OP), word);
}

static enum ring_executed tlbi(struct smmu *s, const uint64_t *word)
{
	return smmu_tlbi(s, (unsigned)bits_get(word[0], CMD_OP), word) == RING_ERROR
		       ? error(s, CERROR_ILL)
		       : RING_DONE;
}

/* 4.1.3: the commands of the Non-secure queue, and the features without which they are illegal. */
static const struct {
	enum ring_executed (*execute)(struct smmu *s, const uint64_t *word);
	uint64_t idr0; /* needed */
	bool stalls;   /* illegal where nothing stalls */
} commands[CMD_OPCODES] = {
	[CMD_PREFETCH_CFG] = { nothing, 0, false },
	[CMD_PREFETCH_ADDR] = { nothing, 0, false },
	[CMD_CFGI_STE] = { cfgi, 0, false },
	[CMD_CFGI_RANGE] = { cfgi, 0, false },
	[CMD_CFGI_CD] = { cfgi, IDR0_S1P, false },
	[CMD_CFGI_CD_ALL] = { cfgi, IDR0_S1P, false },
	[CMD_NH_ALL] = { tlbi, IDR0_S1P, false },
	[CMD_NH_ASID] = { tlbi, IDR0_S1P, false },
	[CMD_NH_VA] = { tlbi, IDR0_S1P, false },
	[CMD_NH_VAA] = { tlbi, IDR0_S1P, false },
	[CMD_EL2_ALL] = { tlbi, IDR0_HYP, false },
	[CMD_EL2_ASID] = { tlbi, IDR0_HYP, false },
	[CMD_EL2_VA] = { tlbi, IDR0_HYP, false },
	[CMD_EL2_VAA] = { tlbi, IDR0_HYP, false },
	[CMD_S12_VMALL] = { tlbi, IDR0_S2P, false },
	[CMD_S2_IPA] = { tlbi, IDR0_S2P, false },
	[CMD_NSNH_ALL] = { tlbi, 0, false },
	[CMD_ATC_INV] = { atc_inv, IDR0_ATS, false },
	[CMD_PRI_RESP] = { page_response, IDR0_PRI, false },
	[CMD_RESUME] = { resume, 0, true },
	[CMD_STALL_TERM] = { stall_term, 0, true },
	[CMD_SYNC] = { sync, 0, false },
};

/* CMD_OPCODES: illegal. */
static inline unsigned legal(const struct smmu *s, const uint64_t *word)
{
	uint64_t op = bits_get(word[0], CMD_OP);

	if (op >= CMD_OPCODES || (word[0] & CMD_SSEC))
		return CMD_OPCODES;
	op = bits_clamp_index(op, CMD_OPCODES);
	if (!commands[op].execute || (commands[op].idr0 & ~smmu_idr(s, 0)) ||
	    (commands[op].stalls && bits_get(smmu_idr(s, 0), IDR0_STALL_MODEL) == 1))
		return CMD_OPCODES;
	return (unsigned)op;
}

static enum ring_executed execute(struct viommu *u, const uint64_t *word)
{
	struct smmu *s = smmu_of(u);
	enum ring_executed executed;
	unsigned op;

	if (!word)
		return error(s, CERROR_ABT);
	op = legal(s, word);
	if (op == CMD_OPCODES)
		return error(s, CERROR_ILL);
	op = (unsigned)bits_clamp_index(op, CMD_OPCODES);
	executed = commands[op].execute(s, word);
	if (executed == RING_DONE)
		smmu_hand_over(s, op, word);
	return executed;
}

/* TLB invalidations; not where a host hears of them. */
static uint32_t burst(struct viommu *u, const uint64_t *word, uint32_t count)
{
	struct smmu *s = smmu_of(u);
	struct domain_flush flush[RING_BURST];
	struct smmu_tlbi_mode mode;
	uint32_t n = 0;

	if (s->unit.nestings)
		return 0;
	mode = smmu_tlbi_mode(s);
	for (; n < count; n++) {
		uint64_t pair[2];
		unsigned op;

		mem_load_words(&word[2 * n], pair, 2);
		op = legal(s, pair);
		if (op == CMD_OPCODES ||
		    commands[bits_clamp_index(op, CMD_OPCODES)].execute != tlbi ||
		    !smmu_tlbi_flush(s, &mode, op, pair, &flush[n]))
			break;
	}
	if (!n)
		return 0;
	s->unsynced = true;
	return unit_flush_burst(u, flush, n);
}

/* ---- the queue ---- */

static struct ring queue_ring(const struct smmu *s)
{
	uint64_t base = regs_get(&s->regs, SMMU_CMDQ_BASE);
	unsigned max = (unsigned)bits_get(smmu_idr(s, 1), IDR1_CMDQS);
	unsigned size = (unsigned)bits_get(base, QUEUE_LOG2SIZE);

	size = size < max ? size : max;
	return (struct ring){ .base = base & QUEUE_ADDR & ~bits_low(size + 4),
			      .limit = bits_low(s->oas),
			      .entries = UINT32_C(1) << size,
			      .words = 2,
			      .index = RING_WRAP };
}

static uint32_t position_of(const struct smmu *s, uint32_t offset)
{
	return (uint32_t)regs_get(&s->regs, offset) & (ring_span(&s->commands.ring) - 1);
}

void smmu_queue_start(struct smmu *s)
{
	s->commands.ring = queue_ring(s);
	ring_restart(&s->commands, position_of(s, SMMU_CMDQ_CONS), true);
	nesting_forget_positions(&s->unit);
	s->sync = (struct completion){ .epoch = 0 };
}

/* CONS.ERR is there before GERROR says so. */
static void show(struct smmu *s, enum ring_executed executed)
{
	uint64_t err = regs_get(&s->regs, SMMU_CMDQ_CONS) & CMDQ_ERR;
	uint32_t head = s->commands.head;

	/* the guest may write over what CONS has passed */
	nesting_gathered(&s->unit, &head);
	if (executed == RING_ERROR)
		err = bits_put(CMDQ_ERR, s->cerror);
	regs_put(&s->regs, SMMU_CMDQ_CONS, ring_register(&s->commands.ring, head) | err);
	if (executed == RING_ERROR)
		smmu_gerror(s, GERROR_CMDQ);
}

/* 7.1: nothing is taken while an error is not acknowledged; then the command is read again. PROD and CONS may be anything:
 * what lies between them is executed, a queue's worth and its wrap at most. */
static enum ring_executed run_queue(struct smmu *s)
{
	enum ring_executed executed;
	uint32_t tail;

	if (!(regs_get(&s->regs, SMMU_CR0) & CR0_CMDQEN) || smmu_gerror_active(s, GERROR_CMDQ))
		return RING_DONE;
	tail = position_of(s, SMMU_CMDQ_PROD);
	if (tail == s->commands.head && !s->commands.held && LIKELY(!s->unit.nestings))
		return RING_DONE;
	executed = ring_run(&s->unit, &s->commands, tail, execute, burst);
	if (s->unit.nestings) { /* what no SYNC follows is handed over, too */
		if (!notify_settled(&s->unit) && executed == RING_DONE)
			executed = RING_WAITING;
		if (host_refused(s))
			executed = error(s, CERROR_ILL);
	}
	show(s, executed);
	/* nobody has waited for what was invalidated, but channels shall notice */
	if (s->unsynced)
		unit_start(&s->unit);
	return executed;
}

/* Those who were stalled before the SMMU was switched off, and those who were on their way then. */
static bool end_stalls(struct smmu *s, bool shown)
{
	if (!s->terminate)
		return true;
	if (!smmu_stalls_end(s))
		return false;
	s->terminate = !shown;
	atomic_store(&s->wake, true); /* who could not be recorded asks again, and finds it off */
	return true;
}

int smmu_progress(struct smmu *s)
{
	enum ring_executed executed = run_queue(s);
	bool shown = deferred_show(&s->unit, &s->deferred, &s->regs);
	bool ended = end_stalls(s, shown);
	bool woken = smmu_stalls_wake(s);

	if (executed == RING_WAITING || !shown || !ended || !woken)
		return VIOMMU_PENDING;
	epoch_done(&s->unit.epoch);
	return VIOMMU_OK;
}
