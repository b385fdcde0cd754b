/* SPDX-License-Identifier: BSD-3-Clause */
/* calls.c - the public calls on an IOMMU as a whole: they check arguments, have the unit while the engine
 * works, and tell listeners. */

#include <string.h>

#include "msi.h"
#include "state.h"
#include "unit.h"

int viommu_free(struct viommu *u)
{
	if (!u)
		return VIOMMU_OK;
	if (u->device_count || atomic_load(&u->listener_count) || atomic_load(&u->users) ||
	    atomic_load(&u->busy) || !epoch_passed(&u->epoch, UINT64_MAX, NULL))
		return VIOMMU_EBUSY;
	u->engine->free(u);
	return VIOMMU_OK;
}

int viommu_reg_read(struct viommu *u, uint64_t offset, uint32_t bytes, uint64_t *value)
{
	int result;

	if (!u || !value)
		return VIOMMU_EINVAL;
	if (u->engine->reg_peek && u->engine->reg_peek(u, offset, bytes, value))
		return VIOMMU_OK;
	if (!u->engine->reg_read)
		return VIOMMU_ENOTSUP;
	if (!unit_begin(u))
		return VIOMMU_EBUSY;
	result = u->engine->reg_read(u, offset, bytes, value);
	unit_end(u);
	return result;
}

int viommu_reg_write(struct viommu *u, uint64_t offset, uint32_t bytes, uint64_t value)
{
	int result;

	if (!u)
		return VIOMMU_EINVAL;
	if (!u->engine->reg_write)
		return VIOMMU_ENOTSUP;
	if (!unit_begin(u))
		return VIOMMU_EBUSY;
	notify_begin(u);
	result = notify_end(u, u->engine->reg_write(u, offset, bytes, value));
	unit_end(u);
	return result;
}

int viommu_run(struct viommu *u)
{
	int result;

	if (!u)
		return VIOMMU_EINVAL;
	if (!unit_begin(u))
		return VIOMMU_EBUSY;
	notify_begin(u);
	if (u->host.now) {
		u->counters.now = u->host.now(u->host.opaque);
		notify_tick(u, u->counters.now);
	}
	result = notify_end(u, u->engine->run(u));
	if (result == VIOMMU_OK)
		u->counters.since = 0;
	else if (!u->counters.since)
		u->counters.since = u->counters.now;
	unit_end(u);
	return result;
}

/* viommu_vm_quiesce() waits, too, for those who use what was there before. */
static void forget_all(struct viommu *u)
{
	uint64_t epoch = unit_forget(u, true);

	pthread_mutex_lock(&u->vm->lock);
	u->map_epoch = epoch;
	pthread_mutex_unlock(&u->vm->lock);
}

int viommu_reset(struct viommu *u)
{
	int result;

	if (!u)
		return VIOMMU_EINVAL;
	if (!unit_begin(u))
		return VIOMMU_EBUSY;
	/* not what the reset itself asks for */
	devices_forget_invalidations(u, devices_last_token(u));
	result = u->engine->reset(u);
	forget_all(u);
	result = notify_end(u, result);
	unit_end(u);
	return result;
}

int viommu_flush(struct viommu *u)
{
	int result;

	if (!u)
		return VIOMMU_EINVAL;
	if (!unit_begin(u))
		return VIOMMU_EBUSY;
	notify_begin(u);
	if (u->engine->flush)
		u->engine->flush(u);
	notify_forget(u, true, false);
	forget_all(u);
	notify_interrupts(u, VIOMMU_ANY_SOURCE, 0, UINT32_MAX);
	result = notify_end(u, VIOMMU_OK);
	unit_end(u);
	return result;
}

int viommu_save(struct viommu *u, void *buffer, uint64_t *bytes)
{
	struct state_writer state;
	int result;

	if (!u || !bytes || (!buffer && *bytes))
		return VIOMMU_EINVAL;
	if (!unit_begin(u))
		return VIOMMU_EBUSY;
	state_begin(&state, u->engine->name, buffer, *bytes);
	u->engine->save(u, &state);
	result = state_end(&state, bytes);
	unit_end(u);
	return result;
}

int viommu_restore(struct viommu *u, const void *buffer, uint64_t bytes)
{
	struct state_reader state;
	int result = VIOMMU_ESTATE;
	uint64_t token;

	if (!u || !buffer)
		return VIOMMU_EINVAL;
	if (!unit_begin(u))
		return VIOMMU_EBUSY;
	token = devices_last_token(u);
	if (state_open(&state, u->engine->name, buffer, bytes))
		result = u->engine->restore(u, &state);
	if (result >= 0) {
		devices_forget_invalidations(u, token);
		forget_all(u);
		result = notify_end(u, result);
	}
	unit_end(u);
	return result;
}

int msi_from_tables(struct viommu *u, uint32_t source, uint64_t address, uint32_t data,
		    uint32_t flags, struct viommu_msi *msi)
{
	struct epoch_section *section;
	int result;

	memset(msi, 0, sizeof(*msi));
	section = epoch_visit(&u->epoch);
	result = msi_remap(u, source, address, data, flags, msi);
	if (epoch_visit_end(&u->epoch, section))
		unit_work(u);
	return result;
}

static int remap_unknown(struct viommu *u, uint64_t address, uint32_t data, uint32_t flags,
			 struct viommu_msi *msi)
{
	if ((flags & ~(VIOMMU_MSI_RESOLVE | VIOMMU_MSI_NO_SOURCE | VIOMMU_MSI_TRUSTED)) ||
	    !(flags & VIOMMU_MSI_NO_SOURCE))
		return VIOMMU_EINVAL;
	if (engine_own_tables(u->engine))
		return msi_refuse(0, msi);
	return msi_from_tables(u, 0, address, data, flags, msi);
}

int viommu_remap_msi(struct viommu *u, uint32_t source, uint64_t address, uint32_t data,
		     uint32_t flags, struct viommu_msi *msi)
{
	if (!u || !msi)
		return VIOMMU_EINVAL;
	if (UNLIKELY(flags & ~VIOMMU_MSI_RESOLVE))
		return remap_unknown(u, address, data, flags, msi);
	if (u->engine->remap_cached)
		return u->engine->remap_cached(u, source, address, data, flags, msi);
	return msi_from_tables(u, source, address, data, flags, msi);
}
