/* SPDX-License-Identifier: BSD-3-Clause */
/* its_rig.c - see its_rig.h. */
#include "its_rig.h"

#include <stdatomic.h>
#include <string.h>

#include "check.h"

/* ---- callbacks ---- */

static void note(struct its_rig *r, struct its_told told)
{
	if (r->told_count < ITS_RIG_TOLD)
		r->told[r->told_count] = told;
	r->told_count++;
	if (r->from)
		r->from(r);
}

static void lpi(void *opaque, uint32_t cpu, uint32_t intid, uint32_t priority, uint32_t pending)
{
	note(opaque, (struct its_told){ cpu, UINT32_MAX, intid, priority, pending });
}

static void vlpi(void *opaque, uint32_t cpu, uint32_t vpe, uint32_t intid, uint32_t priority,
		 uint32_t pending)
{
	note(opaque, (struct its_told){ cpu, vpe, intid, priority, pending });
}

static void error(void *opaque, uint32_t code, const uint64_t *command)
{
	struct its_rig_unit *u = opaque;

	u->code = code ? code : 1;
	u->errors++;
	memcpy(u->words, command, sizeof(u->words));
	if (u->rig->from)
		u->rig->from(u->rig);
}

static void work(void *opaque)
{
	struct its_rig *r = opaque;

	atomic_fetch_add(&r->work, 1);
	if (r->from)
		r->from(r);
}

/* ---- life ---- */

static int make(struct its_rig *r, const struct its_rig_config *c)
{
	struct viommu_host host = { .size = sizeof(host), .opaque = r, .work = work };
	struct viommu_limits limits = { .size = sizeof(limits),
					.queue_budget = c->budget,
					.steps = c->steps };
	struct viommu_lpis_config lpis = { .size = sizeof(lpis),
					   .flags = c->flags,
					   .cpus = r->cpus,
					   .intid_bits = c->intid_bits,
					   .vpes = c->vpes,
					   .rd_base = c->rd_base,
					   .opaque = r,
					   .lpi = c->silent ? NULL : lpi,
					   .vlpi = c->silent ? NULL : vlpi,
					   .host = &host,
					   .limits = &limits };
	int result = viommu_lpis_new(r->g.vm, &lpis, &r->lpis);

	for (uint32_t i = 0; !result && i < r->units; i++) {
		struct viommu_its_config its = { .size = sizeof(its),
						 .lpis = r->lpis,
						 .typer = c->typer,
						 .base = ITS_RIG_BASE + i * 0x100000,
						 .devices = c->devices,
						 .events = c->events,
						 .opaque = &r->unit[i],
						 .error = error,
						 .host = &host,
						 .limits = &limits };

		r->unit[i] = (struct its_rig_unit){ .rig = r,
						    .queue = i ? ITS_RIG_QUEUE2 : ITS_RIG_QUEUE };
		result = viommu_its_new(r->g.vm, &its, &r->unit[i].its);
	}
	r->its = r->unit[0].its;
	return result;
}

int its_try_open(struct its_rig *r, const struct its_rig_config *config)
{
	int result;

	memset(r, 0, sizeof(*r));
	r->units = config->units ? config->units : 1;
	r->cpus = config->cpus ? config->cpus : ITS_RIG_CPUS;
	result = guest_try_init(&r->g, config->memory, 1024, 0);
	if (result)
		return result;
	r->g.no_memory_in = config->no_memory_in;
	return make(r, config);
}

void its_open(struct its_rig *r, const struct its_rig_config *config)
{
	assert_int_equal(its_try_open(r, config), VIOMMU_OK);
	if (config->off)
		return;
	its_program_lpis(r);
	for (unsigned i = 0; i < r->units; i++)
		its_program(r, i);
	r->told_count = 0;
}

void its_close(struct its_rig *r)
{
	for (unsigned i = 0; i < r->units; i++)
		assert_int_equal(viommu_free(r->unit[i].its), VIOMMU_OK);
	assert_int_equal(viommu_free(r->lpis), VIOMMU_OK);
	guest_fini(&r->g);
}

/* ---- registers ---- */

static uint64_t read_bytes(struct viommu *iommu, uint64_t offset, uint32_t bytes)
{
	uint64_t value = 0xbad;

	assert_int_equal(viommu_reg_read(iommu, offset, bytes, &value), VIOMMU_OK);
	return value;
}

static int write_bytes(struct viommu *iommu, uint64_t offset, uint32_t bytes, uint64_t value)
{
	int result = viommu_reg_write(iommu, offset, bytes, value);

	assert_true(result == VIOMMU_OK || result == VIOMMU_PENDING);
	return result;
}

uint64_t its_read(struct viommu *iommu, uint64_t offset)
{
	return read_bytes(iommu, offset, 8);
}

uint64_t its_read32(struct viommu *iommu, uint64_t offset)
{
	return read_bytes(iommu, offset, 4);
}

int its_write(struct viommu *iommu, uint64_t offset, uint64_t value)
{
	return write_bytes(iommu, offset, 8, value);
}

int its_write32(struct viommu *iommu, uint64_t offset, uint64_t value)
{
	return write_bytes(iommu, offset, 4, value);
}

static void finish(struct viommu *iommu, int result)
{
	for (unsigned i = 0; result == VIOMMU_PENDING && i < 10000; i++)
		result = viommu_run(iommu);
	assert_int_equal(result, VIOMMU_OK);
}

void its_program_lpis(struct its_rig *r)
{
	memset(guest_at(&r->g, ITS_RIG_PROP), 0xa1, 0xe000); /* priority a0, enabled */
	for (uint32_t i = 0; i < r->cpus; i++) {
		its_write(r->lpis, VIOMMU_LPIS_OFFSET(i, 0x70), ITS_RIG_PROP | 15);
		its_write(r->lpis, VIOMMU_LPIS_OFFSET(i, 0x78),
			  ITS_RIG_PEND(i) | UINT64_C(1) << 62);
		finish(r->lpis, its_write32(r->lpis, VIOMMU_LPIS_OFFSET(i, 0), 1));
	}
}

void its_program(struct its_rig *r, unsigned unit)
{
	struct viommu *its = r->unit[unit].its;

	its_write(its, 0x100, (unit ? ITS_RIG_DEVICES2 : ITS_RIG_DEVICES) | 15 | ITS_V);
	its_write(its, 0x108, (unit ? ITS_RIG_COLL2 : ITS_RIG_COLL) | ITS_V);
	its_write(its, 0x110, (unit ? ITS_RIG_VPES2 : ITS_RIG_VPES) | ITS_V);
	its_write(its, 0x80, r->unit[unit].queue | ITS_V);
	r->unit[unit].tail = 0;
	finish(its, its_write32(its, 0, 1));
}

/* ---- commands ---- */

void its_queue(struct its_rig *r, unsigned unit, struct its_words command)
{
	struct its_rig_unit *u = &r->unit[unit];

	for (unsigned i = 0; i < 4; i++)
		guest_put64(&r->g, u->queue + u->tail + i * 8, command.w[i]);
	u->tail = (u->tail + 32) % 4096;
}

int its_ring(struct its_rig *r, unsigned unit)
{
	return its_write(r->unit[unit].its, 0x88, r->unit[unit].tail);
}

uint32_t its_command_on(struct its_rig *r, unsigned unit, struct its_words command)
{
	its_queue(r, unit, command);
	r->unit[unit].code = 0;
	r->result = its_ring(r, unit);
	return r->unit[unit].code;
}

uint32_t its_command(struct its_rig *r, struct its_words command)
{
	return its_command_on(r, 0, command);
}

/* ---- messages ---- */

uint64_t its_msi_on(struct its_rig *r, unsigned unit, uint32_t device, uint32_t event,
		    uint32_t flags)
{
	struct viommu_msi msi;
	int result = viommu_remap_msi(r->unit[unit].its, device,
				      ITS_RIG_BASE + unit * 0x100000 + 0x10040, event, flags, &msi);

	assert_int_equal(msi.index, event);
	if (result == VIOMMU_FAULT)
		return ITS_REFUSED(msi.reason);
	assert_int_equal(result, VIOMMU_OK);
	if (msi.kind == VIOMMU_MSI_KIND_VLPI)
		return ITS_VLPI(msi.intid, msi.cpu);
	assert_int_equal(msi.kind, VIOMMU_MSI_KIND_LPI);
	return ITS_LPI(msi.intid, msi.cpu);
}

uint64_t its_msi(struct its_rig *r, uint32_t device, uint32_t event)
{
	return its_msi_on(r, 0, device, event, 0);
}

uint64_t its_resolve(struct its_rig *r, uint32_t device, uint32_t event)
{
	return its_msi_on(r, 0, device, event, VIOMMU_MSI_RESOLVE);
}

static uint32_t state_of(const struct viommu_lpi *lpi)
{
	return lpi->pending | lpi->enabled << 8 | lpi->priority << 16;
}

uint32_t its_lpi(struct its_rig *r, uint32_t cpu, uint32_t intid)
{
	struct viommu_lpi lpi = { .size = sizeof(lpi) };

	assert_int_equal(viommu_lpis_get(r->lpis, cpu, intid, &lpi), VIOMMU_OK);
	return state_of(&lpi);
}

uint32_t its_vlpi(struct its_rig *r, uint32_t vpe, uint32_t intid)
{
	struct viommu_lpi lpi = { .size = sizeof(lpi) };

	assert_int_equal(viommu_lpis_get_virtual(r->lpis, vpe, intid, &lpi), VIOMMU_OK);
	return state_of(&lpi);
}

void its_configure(struct its_rig *r, uint32_t intid, unsigned byte)
{
	*(uint8_t *)guest_at(&r->g, ITS_RIG_PROP + intid - 8192) = (uint8_t)byte;
}

void its_expect_told(struct its_rig *r, const char *row, struct its_told told)
{
	check_eq(row, r->told_count, 1);
	check_eq(row, r->told[0].cpu, told.cpu);
	check_eq(row, r->told[0].vpe, told.vpe);
	check_eq(row, r->told[0].intid, told.intid);
	check_eq(row, r->told[0].priority, told.priority);
	check_eq(row, r->told[0].pending, told.pending);
	r->told_count = 0;
}

void its_expect_silence(struct its_rig *r, const char *row)
{
	check_eq(row, r->told_count, 0);
}
