/* SPDX-License-Identifier: BSD-3-Clause */
/* amdvi_rig.c - a guest with an AMD IOMMU, for tests. */

#include "check.h"

#include <string.h>

#include "amdvi_rig.h"

static const struct {
	uint32_t base, head, tail, bytes;
} logs[] = {
	{ AMD_EVT_BASE, AMD_EVT_HEAD, AMD_EVT_TAIL, 16 },
	{ AMD_PPR_BASE, AMD_PPR_HEAD, AMD_PPR_TAIL, 16 },
	{ AMD_GA_BASE, AMD_GA_HEAD, AMD_GA_TAIL, 8 },
};

static void on_msi(void *opaque, uint64_t address, uint32_t data)
{
	struct guest *g = opaque;

	if (g->count[GUEST_ON_MSI] < GUEST_LOG)
		g->msi[g->count[GUEST_ON_MSI]] =
			(struct guest_msi){ .address = address, .data = data };
	g->count[GUEST_ON_MSI]++;
	if (g->hook)
		g->hook(g->hook_opaque, GUEST_ON_MSI);
}

static void on_work(void *opaque)
{
	struct guest *g = opaque;

	g->count[GUEST_ON_WORK]++;
	if (g->hook)
		g->hook(g->hook_opaque, GUEST_ON_WORK);
}

void ar_open(struct amdvi_rig *r, const struct amdvi_rig_config *c)
{
	static const struct viommu_limits small = {
		.size = sizeof(small), .tlb_entries = 320, .contexts = 64, .domains = 64
	};

	memset(r, 0, sizeof(*r));
	guest_init(&r->g, c->memory, 256);
	r->g.host = (struct viommu_host){
		.size = sizeof(r->g.host), .opaque = &r->g, .msi = on_msi, .work = on_work
	};
	r->config = (struct viommu_amdvi_config){ .size = sizeof(r->config),
						  .efr = c->efr,
						  .efr2 = c->efr2,
						  .capability = c->capability,
						  .host = &r->g.host,
						  .limits = c->limits ? c->limits : &small };
	assert_int_equal(viommu_amdvi_new(r->g.vm, &r->config, &r->g.iommu), VIOMMU_OK);
	r->table = guest_alloc(&r->g, 1);
	r->commands = guest_alloc(&r->g, 1);
	for (unsigned i = 0; i < 3; i++)
		r->log[i] = guest_alloc(&r->g, 1);
	r->status = guest_alloc(&r->g, 1);
	r->control = AMD_CTRL_IOMMU_EN | AMD_CTRL_EVENT_LOG_EN | AMD_CTRL_CMD_BUF_EN | c->control;
	if (!c->off)
		ar_start(r);
}

void ar_close(struct amdvi_rig *r)
{
	guest_fini(&r->g);
}

void ar_start(struct amdvi_rig *r)
{
	ar_write(r, AMD_DEV_TABLE, 8, r->table);
	ar_write(r, AMD_CMD_BASE, 8, r->commands | UINT64_C(8) << 56);
	for (unsigned i = 0; i < 3; i++)
		ar_write(r, logs[i].base, 8, r->log[i] | UINT64_C(8) << 56);
	r->tail = 0;
	ar_write(r, AMD_CONTROL, 8, r->control);
}

uint64_t ar_read(struct amdvi_rig *r, uint64_t offset, uint32_t bytes)
{
	uint64_t value = UINT64_MAX;

	assert_int_equal(viommu_reg_read(r->g.iommu, offset, bytes, &value), VIOMMU_OK);
	return value;
}

int ar_write(struct amdvi_rig *r, uint64_t offset, uint32_t bytes, uint64_t value)
{
	int result = viommu_reg_write(r->g.iommu, offset, bytes, value);

	assert_true(result == VIOMMU_OK || result == VIOMMU_PENDING);
	return result;
}

/* ---- tables ---- */

uint64_t ar_dte_at(const struct amdvi_rig *r, uint32_t id)
{
	return r->table + (uint64_t)id * 32;
}

void ar_dte(struct amdvi_rig *r, uint32_t id, uint64_t w0, uint64_t w1, uint64_t w2)
{
	assert_true(id < 128);
	guest_put64(&r->g, ar_dte_at(r, id) + 24, 0);
	guest_put64(&r->g, ar_dte_at(r, id) + 16, w2);
	guest_put64(&r->g, ar_dte_at(r, id) + 8, w1);
	guest_put64(&r->g, ar_dte_at(r, id), w0);
}

uint64_t ar_entry(struct amdvi_rig *r, uint64_t root, unsigned mode, uint64_t iova, unsigned level)
{
	for (unsigned at = mode;; at--) {
		uint64_t entry = root + (iova >> (3 + 9 * at) & 0x1ff) * 8;
		uint64_t raw;

		if (at == level)
			return entry;
		raw = guest_get64(&r->g, entry);
		if (!(raw & 1)) {
			raw = guest_table(&r->g) | AR_RW | (uint64_t)(at - 1) << 9 | 1;
			guest_put64(&r->g, entry, raw);
		}
		root = raw & AMD_DTE_ROOT;
	}
}

void ar_map(struct amdvi_rig *r, uint64_t root, unsigned mode, uint64_t iova, uint64_t gpa,
	    unsigned level, uint64_t bits)
{
	guest_put64(&r->g, ar_entry(r, root, mode, iova, level ? level : 1), gpa | bits | 1);
}

/* ---- commands ---- */

void ar_command(struct amdvi_rig *r, uint64_t w0, uint64_t w1)
{
	guest_put64(&r->g, r->commands + r->tail, w0);
	guest_put64(&r->g, r->commands + r->tail + 8, w1);
	r->tail = (r->tail + 16) % 4096;
}

int ar_kick(struct amdvi_rig *r)
{
	return ar_write(r, AMD_CMD_TAIL, 8, r->tail);
}

void ar_submit_wait(struct amdvi_rig *r)
{
	ar_command(r, AR_OP(AMD_COMPLETION_WAIT) | r->status | AMD_WAIT_S, ++r->ticket);
}

bool ar_waited(struct amdvi_rig *r)
{
	return guest_get64(&r->g, r->status) == r->ticket;
}

void ar_sync(struct amdvi_rig *r)
{
	int result;

	ar_submit_wait(r);
	result = ar_kick(r);
	for (unsigned i = 0; i < 1000 && result == VIOMMU_PENDING; i++)
		result = viommu_run(r->g.iommu);
	assert_int_equal(result, VIOMMU_OK);
	assert_true(ar_waited(r));
}

/* ---- logs ---- */

bool ar_take(struct amdvi_rig *r, unsigned log, struct ar_event *event)
{
	uint64_t head = ar_read(r, logs[log].head, 8);

	memset(event, 0, sizeof(*event));
	if (head == ar_read(r, logs[log].tail, 8))
		return false;
	for (unsigned i = 0; i < logs[log].bytes / 8; i++)
		event->w[i] = guest_get64(&r->g, r->log[log] + head + 8 * i);
	ar_write(r, logs[log].head, 8, (head + logs[log].bytes) % 4096);
	return true;
}

bool ar_event(struct amdvi_rig *r, struct ar_event *event)
{
	return ar_take(r, 0, event);
}

unsigned ar_take_events(struct amdvi_rig *r)
{
	struct ar_event event;
	unsigned count = 0;

	while (ar_event(r, &event))
		count++;
	return count;
}
