/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * amdvi_state.c - save and restore.
 *
 *	"conf"	EFR, EFR2, capability, messages: must be those of the IOMMU that restores
 *	"regs"	count, then offset and value of each register
 *	"msi "	the MSI capability, as it was programmed
 */

#include "amdvi_engine.h"
#include "state.h"

static uint32_t messages(const struct amdvi *v)
{
	return v->message[0] | (uint32_t)v->message[1] << 8 | (uint32_t)v->message[2] << 16;
}

void amdvi_save(struct viommu *u, struct state_writer *state)
{
	struct amdvi *v = amdvi_of(u);

	state_record(state, "conf");
	state_put64(state, v->efr);
	state_put64(state, v->efr2);
	state_put32(state, v->capability);
	state_put32(state, messages(v));
	/* what is logged while we write would be half in it */
	pthread_mutex_lock(&v->log_lock);
	state_record(state, "regs");
	regs_save(&v->regs, state);
	state_record(state, "msi ");
	state_put32(state, v->msi.enabled);
	state_put32(state, v->msi.messages_lg2);
	state_put64(state, v->msi.address);
	state_put32(state, v->msi.data);
	pthread_mutex_unlock(&v->log_lock);
}

static bool load_config(const struct amdvi *v, struct state_reader *state)
{
	return state_find(state, "conf") && state_get64(state) == v->efr &&
	       state_get64(state) == v->efr2 && state_get32(state) == v->capability &&
	       state_get32(state) == messages(v) && state_left(state) == 0;
}

static bool load_msi(struct state_reader *state, struct amdvi_msi *msi)
{
	uint32_t enabled;

	if (!state_find(state, "msi "))
		return false;
	enabled = state_get32(state);
	msi->enabled = enabled;
	msi->messages_lg2 = state_get32(state);
	msi->address = state_get64(state);
	msi->data = state_get32(state);
	return enabled <= 1 && msi->messages_lg2 <= 5 && state_left(state) == 0 && !state->bad;
}

static uint64_t value_of(const struct amdvi *v, const uint64_t *value, uint32_t offset)
{
	return value[v->regs.at[offset / 4] - 1];
}

/* Commands do not run unless they are enabled. Logs may: they were still written to, and stop in
 * amdvi_log_restart(). */
static bool consistent(const struct amdvi *v, const uint64_t *value)
{
	uint64_t control = value_of(v, value, AMD_CONTROL);
	uint64_t status = value_of(v, value, AMD_STATUS);

	return !(status & AMD_ST_CMD_RUN) ||
	       ((control & AMD_CTRL_IOMMU_EN) && (control & AMD_CTRL_CMD_BUF_EN));
}

static void take(struct amdvi *v, const uint64_t *value, const struct amdvi_msi *msi)
{
	bool runs;

	pthread_mutex_lock(&v->log_lock);
	regs_take(&v->regs, value);
	v->msi = *msi;
	for (unsigned log = 0; log < AMDVI_LOGS; log++)
		amdvi_log_restart(v, log);
	runs = regs_get(&v->regs, AMD_STATUS) & AMD_ST_CMD_RUN;
	pthread_mutex_unlock(&v->log_lock);
	amdvi_forget_unanswered(v);
	atomic_store(&v->nests, false);
	amdvi_commands_switch(v, runs);
}

int amdvi_restore(struct viommu *u, struct state_reader *state)
{
	struct amdvi *v = amdvi_of(u);
	uint64_t bytes = v->regs.count * sizeof(uint64_t);
	uint64_t *value = vm_alloc(u->vm, bytes, _Alignof(uint64_t));
	struct amdvi_msi msi;
	bool ok;

	if (!value)
		return VIOMMU_ENOMEM;
	ok = load_config(v, state) && state_find(state, "regs") &&
	     regs_load(&v->regs, state, value) && state_left(state) == 0 && load_msi(state, &msi) &&
	     consistent(v, value);
	if (ok)
		take(v, value, &msi);
	vm_dealloc(u->vm, value, bytes);
	if (!ok)
		return VIOMMU_ESTATE;
	amdvi_forget(v, true);
	amdvi_interrupts_changed(v);
	/* Commands may be left between head and tail, and listeners have something to do. */
	v->deferred = (struct deferred){ .due = false };
	deferred_again(&v->deferred);
	return VIOMMU_PENDING;
}
