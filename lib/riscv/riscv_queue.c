/* SPDX-License-Identifier: BSD-3-Clause */
/* riscv_queue.c - the command queue (3.1): fetching, checking and executing commands. */

#include "mem.h"
#include "probe.h"
#include "riscv_engine.h"

static enum ring_executed stop(struct riscv *v, uint64_t condition)
{
	count_own(&v->unit, COUNT_COMMAND_ERRORS);
	riscv_command_condition(v, condition);
	return RING_ERROR;
}

/* ---- IOFENCE (3.1.2) ---- */

/* Every fence is one: commands are executed in order, and what is not waited for has no effect that could be seen. */
static enum completion_state wait_for_earlier(struct riscv *v, const uint64_t *command)
{
	if (!v->sync.epoch) {
		if (!v->unsynced && !(command[0] & (RISCV_FENCE_PR | RISCV_FENCE_PW)) &&
		    !atomic_load(&v->unit.outstanding_count))
			return COMPLETION_DONE;
		if (command[0] & (RISCV_FENCE_PR | RISCV_FENCE_PW))
			unit_wait_for_all(&v->unit);
		completion_owed(&v->unit, &v->sync);
	}
	return completion_poll(&v->unit, &v->sync);
}

static bool store(struct riscv *v, const uint64_t *command)
{
	uint64_t address = bits_get(command[1], RISCV_FENCE_ADDRESS) << 2;
	uint32_t data = (uint32_t)bits_get(command[0], RISCV_FENCE_DATA);

	if (riscv_fctl(v) & RISCV_FCTL_BE)
		data = __builtin_bswap32(data);
	return !riscv_beyond(v, address) && mem_store32(v->unit.vm, address, data);
}

static enum ring_executed fence(struct riscv *v, const uint64_t *command)
{
	if (wait_for_earlier(v, command) != COMPLETION_DONE)
		return RING_WAITING;
	v->sync = (struct completion){ .epoch = 0 };
	v->unsynced = false;
	if (atomic_exchange(&v->timed_out, false))
		return stop(v, RISCV_CQCSR_CMD_TO);
	if ((command[0] & RISCV_CMD_AV) && !store(v, command))
		return stop(v, RISCV_CSR_MF);
	if (command[0] & RISCV_FENCE_WSI)
		riscv_command_condition(v, RISCV_CQCSR_FENCE_W);
	probe_completion(&v->unit);
	return RING_DONE;
}

/* ---- ATS (3.1.4) ---- */

static struct viommu_device *destination(struct riscv *v, const uint64_t *command)
{
	uint64_t id = bits_get(command[0], RISCV_ATS_RID);

	if (command[0] & RISCV_ATS_DSV)
		id |= bits_get(command[0], RISCV_ATS_DSEG) << 16;
	return device_get(&v->unit, (uint32_t)id);
}

/* PCIe: without S one page, with it twice as many as there are ones from bit 12 up; all ones: everything. */
static void set_range(struct viommu_device_invalidation *i, uint64_t payload)
{
	uint64_t page = payload & RISCV_ATS_PAGE;
	uint64_t mask = bits_low(12);

	if (payload & RISCV_ATS_S)
		mask = (page | mask) ^ ((page | mask) + 1);
	i->first = page & ~mask;
	i->last = page | mask;
}

static enum ring_executed invalidate_ats(struct riscv *v, const uint64_t *command)
{
	struct viommu_device_invalidation i = { .pasid = VIOMMU_NO_PASID };
	struct viommu_device *device = destination(v, command);
	bool gave_up = false;

	/* Who is not there answers Unsupported Request, which completes the invalidation. */
	if (!device)
		return RING_DONE;
	if (command[0] & RISCV_ATS_PV)
		i.pasid = (uint32_t)bits_get(command[0], RISCV_CMD_PID);
	if (command[1] & RISCV_ATS_G)
		i.flags = VIOMMU_INVALIDATE_ALL_PASIDS;
	set_range(&i, command[1]);
	if (!device_invalidate(device, &i, &gave_up))
		v->unsynced = true;
	device_put(device);
	/* So many are outstanding that no more can be noted. */
	return gave_up ? RING_WAITING : RING_DONE;
}

void riscv_timed_out(struct viommu *u, struct viommu_device *device)
{
	(void)device;
	atomic_store(&riscv_of(u)->timed_out, true);
}

/* ---- every command ---- */

static enum ring_executed first_stage(struct riscv *v, const uint64_t *command)
{
	riscv_invalidate_first(v, command);
	return RING_DONE;
}

static enum ring_executed second_stage(struct riscv *v, const uint64_t *command)
{
	riscv_invalidate_second(v, command);
	return RING_DONE;
}

/* A process context is its device's: all of these go. */
static enum ring_executed directory(struct riscv *v, const uint64_t *command)
{
	if (command[0] & RISCV_CMD_DV)
		riscv_invalidate_device(v, (uint32_t)bits_get(command[0], RISCV_CMD_DID));
	else
		riscv_invalidate_devices(v);
	return RING_DONE;
}

static enum ring_executed page_response(struct riscv *v, const uint64_t *command)
{
	riscv_page_response(v, command);
	return RING_DONE;
}

#define OPERATION (RISCV_CMD_OPCODE | RISCV_CMD_FUNC3)

/* The bits that it defines, capabilities that it needs, bits that must be 0 or 1 although they are defined. */
struct command_row {
	enum ring_executed (*execute)(struct riscv *v, const uint64_t *command);
	uint64_t defined[2];
	uint64_t capability;
	uint64_t zero;
	uint64_t one;
};

static const struct command_row rows[RISCV_ATS + 1][2] = {
	[RISCV_IOTINVAL] = { [RISCV_IOTINVAL_VMA] = { first_stage,
						      { OPERATION | RISCV_CMD_AV | RISCV_CMD_PSCID |
								RISCV_CMD_PSCV | RISCV_CMD_GV |
								RISCV_CMD_NL | RISCV_CMD_GSCID,
							RISCV_CMD_S | RISCV_CMD_PAGE },
						      0,
						      0,
						      0 },
			     [RISCV_IOTINVAL_GVMA] = { second_stage,
						       { OPERATION | RISCV_CMD_AV |
								 RISCV_CMD_PSCID | RISCV_CMD_PSCV |
								 RISCV_CMD_GV | RISCV_CMD_NL |
								 RISCV_CMD_GSCID,
							 RISCV_CMD_S | RISCV_CMD_PAGE },
						       0,
						       RISCV_CMD_PSCV,
						       0 } },
	[RISCV_IOFENCE] = { [RISCV_IOFENCE_C] = { fence,
						  { OPERATION | RISCV_CMD_AV | RISCV_FENCE_WSI |
							    RISCV_FENCE_PR | RISCV_FENCE_PW |
							    RISCV_FENCE_DATA,
						    RISCV_FENCE_ADDRESS },
						  0,
						  0,
						  0 } },
	[RISCV_IODIR] = { [RISCV_IODIR_DDT] = { directory,
						{ OPERATION | RISCV_CMD_PID | RISCV_CMD_DV |
							  RISCV_CMD_DID,
						  0 },
						0,
						RISCV_CMD_PID,
						0 },
			  [RISCV_IODIR_PDT] = { directory,
						{ OPERATION | RISCV_CMD_PID | RISCV_CMD_DV |
							  RISCV_CMD_DID,
						  0 },
						0,
						0,
						RISCV_CMD_DV } },
	[RISCV_ATS] = { [RISCV_ATS_INVAL] = { invalidate_ats,
					      { OPERATION | RISCV_CMD_PID | RISCV_ATS_PV |
							RISCV_ATS_DSV | RISCV_ATS_RID |
							RISCV_ATS_DSEG,
						UINT64_MAX },
					      RISCV_CAP_ATS,
					      0,
					      0 },
			[RISCV_ATS_PRGR] = { page_response,
					     { OPERATION | RISCV_CMD_PID | RISCV_ATS_PV |
						       RISCV_ATS_DSV | RISCV_ATS_RID |
						       RISCV_ATS_DSEG,
					       UINT64_MAX },
					     RISCV_CAP_ATS,
					     0,
					     0 } },
};

/* 3.1.3: wider than the directory in use, or the process directories that there can be. */
static bool too_wide(const struct riscv *v, const uint64_t *command)
{
	unsigned mode = (unsigned)bits_get(atomic_load_explicit(&v->ddtp, memory_order_relaxed),
					   RISCV_DDTP_MODE);
	bool extended = v->cap & RISCV_CAP_MSI_FLAT;
	unsigned device = mode == RISCV_MODE_1LVL   ? (extended ? 6 : 7)
			  : mode == RISCV_MODE_2LVL ? (extended ? 15 : 16)
						    : 24;
	unsigned process = v->cap & RISCV_CAP_PD20   ? 20
			   : v->cap & RISCV_CAP_PD17 ? 17
			   : v->cap & RISCV_CAP_PD8  ? 8
						     : 0;

	return ((command[0] & RISCV_CMD_DV) && bits_get(command[0], RISCV_CMD_DID) >> device) ||
	       bits_get(command[0], RISCV_CMD_PID) >> process;
}

static const struct command_row *legal(const struct riscv *v, const uint64_t *command)
{
	uint64_t opcode = bits_get(command[0], RISCV_CMD_OPCODE);
	uint64_t func3 = bits_get(command[0], RISCV_CMD_FUNC3);
	uint64_t none[2] = { v->cap & RISCV_CAP_NL ? 0 : RISCV_CMD_NL,
			     v->cap & RISCV_CAP_S ? 0 : RISCV_CMD_S };
	const struct command_row *row;

	if (opcode >= ARRAY_COUNT(rows) || func3 >= ARRAY_COUNT(rows[0]))
		return NULL;
	row = &rows[bits_clamp_index(opcode, ARRAY_COUNT(rows))]
		   [bits_clamp_index(func3, ARRAY_COUNT(rows[0]))];
	if (!row->execute || (row->capability & ~v->cap) || (command[0] & ~row->defined[0]) ||
	    (command[1] & ~row->defined[1]) || (command[0] & row->zero) ||
	    (command[0] & row->one) != row->one)
		return NULL;
	if (opcode == RISCV_IOTINVAL && ((command[0] & none[0]) || (command[1] & none[1])))
		return NULL;
	if (opcode == RISCV_IOFENCE && (command[0] & RISCV_FENCE_WSI) &&
	    !(riscv_fctl(v) & RISCV_FCTL_WSI))
		return NULL;
	return opcode == RISCV_IODIR && too_wide(v, command) ? NULL : row;
}

static void in_order(const struct riscv *v, const uint64_t *word, uint64_t command[2])
{
	for (unsigned i = 0; i < 2; i++)
		command[i] = riscv_fctl(v) & RISCV_FCTL_BE ? __builtin_bswap64(word[i]) : word[i];
}

static enum ring_executed execute(struct viommu *u, const uint64_t *word)
{
	struct riscv *v = riscv_of(u);
	const struct command_row *row;
	uint64_t command[2];

	if (!word)
		return stop(v, RISCV_CSR_MF);
	in_order(v, word, command);
	row = legal(v, command);
	return row ? row->execute(v, command) : stop(v, RISCV_CQCSR_CMD_ILL);
}

/* IOTINVAL, but of every virtual machine. */
static bool flush_of(const struct riscv *v, const uint64_t *at, struct domain_flush *f)
{
	uint64_t word[2], command[2];
	const struct command_row *row;

	mem_load_words(at, word, 2);
	in_order(v, word, command);
	row = legal(v, command);
	if (row && row->execute == first_stage) {
		riscv_flush_first(command, f);
		return true;
	}
	return row && row->execute == second_stage && riscv_flush_second(command, f);
}

static uint32_t burst(struct viommu *u, const uint64_t *word, uint32_t count)
{
	struct riscv *v = riscv_of(u);
	struct domain_flush flush[RING_BURST];
	uint32_t n = 0;

	while (n < count && flush_of(v, &word[2 * n], &flush[n]))
		n++;
	if (!n)
		return 0;
	v->unsynced = true;
	return unit_flush_burst(u, flush, n);
}

/* ---- the ring ---- */

void riscv_queue_start(struct riscv *v)
{
	v->commands.ring = riscv_ring(v, RISCV_CQB, 2);
	ring_restart(&v->commands, 0, true);
	v->sync = (struct completion){ .epoch = 0 };
	regs_put(&v->regs, RISCV_CQH, 0);
}

int riscv_queue_run(struct riscv *v)
{
	uint64_t csr = regs_get(&v->regs, RISCV_CQCSR);
	enum ring_executed executed;
	uint32_t tail;

	if (!(csr & RISCV_CSR_EN) || !(csr & RISCV_CSR_ON) || (csr & RISCV_CQCSR_ERRORS) ||
	    !ring_position(&v->commands.ring, regs_get(&v->regs, RISCV_CQT), &tail))
		return VIOMMU_OK;
	executed = ring_run(&v->unit, &v->commands, tail, execute, burst);
	regs_put(&v->regs, RISCV_CQH, v->commands.head);
	if (v->unsynced) /* nobody has waited for it, but channels shall notice */
		unit_start(&v->unit);
	return executed == RING_WAITING ? VIOMMU_PENDING : VIOMMU_OK;
}
