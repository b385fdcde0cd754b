/* SPDX-License-Identifier: BSD-3-Clause */
/* amdvi_queue.c - the command buffer (2.4): checking and executing commands. */

#include "amdvi_engine.h"
#include "mem.h"
#include "probe.h"

bool amdvi_command_ring(const struct amdvi *v, struct ring *ring)
{
	uint64_t base = regs_get(&v->regs, AMD_CMD_BASE);
	unsigned len = (unsigned)bits_get(base, AMD_RING_LEN);

	*ring = (struct ring){ .base = base & AMD_RING_ADDR,
			       .limit = bits_low(52),
			       .entries = UINT32_C(1) << len,
			       .words = 2,
			       .index = RING_BYTES };
	return len >= AMD_RING_LEN_MIN;
}

/* ---- devices that did not answer (2.5.7) ---- */

/* An event. */
#define TIME_OUT_STEPS 4U

/* From any thread, under the core's lock: logged when the thread that owns the registers comes by. Without a time-out
 * the IOMMU waits. */
void amdvi_timed_out(struct viommu *u, struct viommu_device *device)
{
	struct amdvi_device *d = amdvi_device_of(device);
	struct amdvi *v = amdvi_of(u);

	if (amdvi_control(v) & AMD_CTRL_INV_TIME_OUT) {
		if (d->late)
			return;
		d->late = true;
		d->next_late = atomic_load(&v->late);
		atomic_store(&v->late, d);
	} else if (d->unanswered != v->resets + 1) {
		d->unanswered = v->resets + 1;
		atomic_fetch_add(&v->unanswered, 1);
	}
}

bool amdvi_device_failed(struct viommu *u, struct viommu_device *device)
{
	struct amdvi_device *d = amdvi_device_of(device);
	struct amdvi *v = amdvi_of(u);

	if (d->unanswered != v->resets + 1)
		return false;
	d->unanswered = 0;
	atomic_fetch_sub(&v->unanswered, 1);
	return true;
}

/* With devices_lock held, and the list not empty. */
static struct amdvi_device *take_late(struct amdvi *v)
{
	struct amdvi_device *d = atomic_load(&v->late);

	d->late = false;
	atomic_store(&v->late, d->next_late);
	return d;
}

void amdvi_forget_unanswered(struct amdvi *v)
{
	pthread_mutex_lock(&v->unit.devices_lock);
	while (atomic_load(&v->late)) /* at most as many as there are devices, each once */
		take_late(v);
	v->resets++;
	atomic_store(&v->unanswered, 0);
	pthread_mutex_unlock(&v->unit.devices_lock);
}

/* What it did is logged of nobody. With devices_lock held. */
void amdvi_device_gone(struct viommu *u, struct viommu_device *device)
{
	struct amdvi_device *d = amdvi_device_of(device);
	struct amdvi *v = amdvi_of(u);
	struct amdvi_device *at = atomic_load(&v->late);

	amdvi_device_failed(u, device);
	if (!d->late)
		return;
	if (at == d) {
		take_late(v);
		return;
	}
	while (at->next_late != d)
		at = at->next_late;
	at->next_late = d->next_late;
}

/* False: steps ran out, and there are more. */
static bool log_time_outs(struct amdvi *v)
{
	while (atomic_load(&v->late)) {
		struct amdvi_device *d;

		if (!unit_pay(&v->unit, TIME_OUT_STEPS)) {
			unit_work(&v->unit);
			return false;
		}
		pthread_mutex_lock(&v->unit.devices_lock);
		d = atomic_load(&v->late) ? take_late(v) : NULL;
		if (d)
			atomic_fetch_add(&d->device.users, 1);
		pthread_mutex_unlock(&v->unit.devices_lock);
		if (!d)
			break;
		amdvi_fault_timeout(v, viommu_device_get_id(&d->device),
				    atomic_load(&d->iotlb_command));
		device_put(&d->device);
	}
	return true;
}

/* ---- commands ---- */

static uint64_t command_address(const struct amdvi *v)
{
	return ring_address(&v->commands.ring, v->commands.head);
}

static enum ring_executed error(struct amdvi *v, enum amd_event code, uint64_t address)
{
	count_own(&v->unit, COUNT_COMMAND_ERRORS);
	amdvi_fault_command(v, code, address);
	return RING_ERROR;
}

/* 2.4.1: after everything before it, also what devices were asked to drop. */
static enum ring_executed wait_for_all(struct amdvi *v, const uint64_t *word)
{
	uint64_t address = word[0] & AMD_WAIT_ADDR;

	if (!v->wait.epoch)
		completion_owed(&v->unit, &v->wait);
	if (completion_poll(&v->unit, &v->wait) != COMPLETION_DONE || atomic_load(&v->unanswered))
		return RING_WAITING;
	if (!log_time_outs(v))
		return RING_WAITING;
	v->wait = (struct completion){ .epoch = 0 };
	v->unsynced = false;
	if ((word[0] & AMD_WAIT_S) && !mem_store(v->unit.vm, address, &word[1], 1))
		return error(v, AMD_COMMAND_HARDWARE_ERROR, address);
	if (word[0] & AMD_WAIT_I)
		amdvi_completion_interrupt(v);
	probe_completion(&v->unit);
	return RING_DONE;
}

static enum ring_executed devtab_entry(struct amdvi *v, const uint64_t *word)
{
	amdvi_invalidate_device(v, (uint32_t)bits_get(word[0], AMD_CMD_DEVICE));
	return RING_DONE;
}

static enum ring_executed iommu_pages(struct amdvi *v, const uint64_t *word)
{
	amdvi_invalidate_pages(v, word);
	return RING_DONE;
}

static uint32_t iotlb_pasid(uint64_t word)
{
	return (uint32_t)(bits_get(word, AMD_IOTLB_PASID_LO) |
			  bits_get(word, AMD_IOTLB_PASID_MID) << 8 |
			  bits_get(word, AMD_IOTLB_PASID_HI) << 16);
}

/* 2.4.4. No such device: nothing of it is cached anywhere. */
static enum ring_executed iotlb_pages(struct amdvi *v, const uint64_t *word)
{
	struct viommu_device *device =
		device_get(&v->unit, (uint32_t)bits_get(word[0], AMD_CMD_DEVICE));
	struct viommu_device_invalidation invalidation = { .pasid = VIOMMU_NO_PASID };
	bool gave_up = false;

	if (!device)
		return RING_DONE;
	if (word[1] & AMD_CMD_GN)
		invalidation.pasid = iotlb_pasid(word[0]);
	amdvi_decode_range(word[1], &invalidation.first, &invalidation.last);
	atomic_store(&amdvi_device_of(device)->iotlb_command, command_address(v));
	device_invalidate(device, &invalidation, &gave_up);
	device_put(device);
	/* so many are outstanding that no more can be noted: again when some have been answered */
	return gave_up ? RING_WAITING : RING_DONE;
}

static enum ring_executed interrupt_table(struct amdvi *v, const uint64_t *word)
{
	amdvi_invalidate_interrupts(v, (uint32_t)bits_get(word[0], AMD_CMD_DEVICE));
	return RING_DONE;
}

/* A hint, which is not taken. */
static enum ring_executed prefetch(struct amdvi *v, const uint64_t *word)
{
	(void)v;
	(void)word;
	return RING_DONE;
}

static enum ring_executed complete_ppr(struct amdvi *v, const uint64_t *word)
{
	amdvi_page_response(v, word);
	return RING_DONE;
}

static enum ring_executed iommu_all(struct amdvi *v, const uint64_t *word)
{
	(void)word;
	amdvi_forget(v, false);
	amdvi_interrupts_changed(v);
	return RING_DONE;
}

/* 2.4: what each command does, the bits that it defines, and the features that it needs. */
static const struct {
	enum ring_executed (*execute)(struct amdvi *v, const uint64_t *word);
	uint64_t defined[2];
	uint64_t efr;
	uint32_t capability;
} commands[] = {
	[AMD_COMPLETION_WAIT] = { wait_for_all, { BITS(51, 0), UINT64_MAX }, 0, 0 },
	[AMD_INVALIDATE_DEVTAB_ENTRY] = { devtab_entry, { AMD_CMD_DEVICE, 0 }, 0, 0 },
	[AMD_INVALIDATE_IOMMU_PAGES] = { iommu_pages,
					 { AMD_CMD_PASID | AMD_CMD_DOMAIN, ~BITS(11, 3) },
					 0,
					 0 },
	[AMD_INVALIDATE_IOTLB_PAGES] = { iotlb_pages,
					 { BITS(59, 0),
					   AMD_CMD_S | AMD_CMD_GN | AMD_CMD_TYPE | AMD_CMD_ADDR },
					 0,
					 AMD_CAP_IOTLB },
	[AMD_INVALIDATE_INTERRUPT_TABLE] = { interrupt_table, { AMD_CMD_DEVICE, 0 }, 0, 0 },
	[AMD_PREFETCH_IOMMU_PAGES] = { prefetch,
				       { AMD_CMD_DEVICE | AMD_PREFETCH_COUNT | AMD_CMD_PASID_HI,
					 AMD_CMD_S | AMD_CMD_GN | AMD_CMD_INVAL | AMD_CMD_ADDR },
				       AMD_EFR_PREF,
				       0 },
	[AMD_COMPLETE_PPR_REQUEST] = { complete_ppr,
				       { AMD_CMD_DEVICE | AMD_CMD_PASID_HI,
					 AMD_PPR_GN | AMD_PPR_TAG | AMD_PPR_TAG_RSVD |
						 AMD_PPR_STATUS },
				       AMD_EFR_PPR,
				       0 },
	[AMD_INVALIDATE_IOMMU_ALL] = { iommu_all, { 0, 0 }, AMD_EFR_IA, 0 },
};

static bool legal(const struct amdvi *v, unsigned opcode, const uint64_t *word)
{
	uint64_t defined = commands[opcode].defined[1];

	if (!commands[opcode].execute || (commands[opcode].efr & ~v->efr) ||
	    (commands[opcode].capability & ~v->capability))
		return false;
	if (opcode == AMD_INVALIDATE_IOTLB_PAGES && !(v->efr & AMD_EFR_INV_TYPE))
		defined &= ~AMD_CMD_TYPE;
	return !(word[0] & ~(commands[opcode].defined[0] | AMD_CMD_OPCODE)) &&
	       !(word[1] & ~defined);
}

static enum ring_executed execute(struct viommu *u, const uint64_t *word)
{
	struct amdvi *v = amdvi_of(u);
	unsigned opcode;

	if (!word)
		return error(v, AMD_COMMAND_HARDWARE_ERROR, command_address(v));
	opcode = (unsigned)bits_get(word[0], AMD_CMD_OPCODE);
	if (opcode >= ARRAY_COUNT(commands))
		return error(v, AMD_ILLEGAL_COMMAND_ERROR, command_address(v));
	opcode = (unsigned)bits_clamp_index(opcode, ARRAY_COUNT(commands));
	if (!legal(v, opcode, word))
		return error(v, AMD_ILLEGAL_COMMAND_ERROR, command_address(v));
	return commands[opcode].execute(v, word);
}

/* ---- the buffer ---- */

void amdvi_commands_switch(struct amdvi *v, bool on)
{
	uint32_t head = 0;
	bool ok = amdvi_command_ring(v, &v->commands.ring) &&
		  ring_position(&v->commands.ring, regs_get(&v->regs, AMD_CMD_HEAD), &head);

	ring_restart(&v->commands, head, true);
	v->wait = (struct completion){ .epoch = 0 };
	if (on && ok)
		regs_set_bits(&v->regs, AMD_STATUS, AMD_ST_CMD_RUN);
	else
		regs_clear_bits(&v->regs, AMD_STATUS, AMD_ST_CMD_RUN);
}

/* An error leaves the head at the command: software replaces it, or steps over it, and starts the buffer again. */
static enum ring_executed run_commands(struct amdvi *v)
{
	enum ring_executed executed;
	uint32_t tail;

	if (!(regs_get(&v->regs, AMD_STATUS) & AMD_ST_CMD_RUN) ||
	    !ring_position(&v->commands.ring, regs_get(&v->regs, AMD_CMD_TAIL), &tail))
		return RING_DONE;
	executed = ring_run(&v->unit, &v->commands, tail, execute, NULL);
	regs_put(&v->regs, AMD_CMD_HEAD, ring_register(&v->commands.ring, v->commands.head));
	if (executed == RING_ERROR)
		regs_clear_bits(&v->regs, AMD_STATUS, AMD_ST_CMD_RUN);
	if (v->unsynced) /* nobody has waited for it, but channels shall notice */
		unit_start(&v->unit);
	return executed;
}

int amdvi_progress(struct amdvi *v)
{
	bool shown = deferred_show(&v->unit, &v->deferred, &v->regs);
	enum ring_executed executed;

	if (!log_time_outs(v))
		return VIOMMU_PENDING;
	executed = run_commands(v);
	if (executed == RING_WAITING || !shown)
		return VIOMMU_PENDING;
	epoch_done(&v->unit.epoch);
	return VIOMMU_OK;
}
