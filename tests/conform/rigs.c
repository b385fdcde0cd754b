/* SPDX-License-Identifier: BSD-3-Clause */
/* rigs.c - guests of the toy engine, of VT-d, of virtio-iommu and of TCE tables, for the rows of test_conform.c. */

#include "check.h"

#include <stdlib.h>

#include "conform.h"
#include "tce_rig.h"
#include "toy.h"
#include "virtio_rig.h"

void conform_devices(struct conform_rig *r)
{
	for (unsigned d = 0; d < CONFORM_DEVICES; d++) {
		r->device[d] = guest_device(r->g, 1 + d);
		r->channel[d] = guest_channel(r->g, r->device[d], VIOMMU_NO_PASID);
	}
}

static void *zeroed(size_t bytes)
{
	void *p = calloc(1, bytes);

	assert_non_null(p);
	return p;
}

/* ---- the toy ---- */

struct toy_rig {
	struct guest g;
	uint64_t devices;
	uint64_t pt[CONFORM_DEVICES];
	uint64_t commands;
	uint64_t faults;
	uint64_t status; /* where SYNC stores */
	uint32_t tail;
	uint32_t ticket;
	uint32_t fault_head;
};

#define TOY_LG2 6U /* entries of the rings */

static uint64_t toy_read(struct toy_rig *t, uint64_t offset, uint32_t bytes)
{
	uint64_t value;

	assert_int_equal(viommu_reg_read(t->g.iommu, offset, bytes, &value), VIOMMU_OK);
	return value;
}

static int toy_write(struct toy_rig *t, uint64_t offset, uint32_t bytes, uint64_t value)
{
	int result = viommu_reg_write(t->g.iommu, offset, bytes, value);

	assert_true(result == VIOMMU_OK || result == VIOMMU_PENDING);
	return result;
}

static void toy_command(struct toy_rig *t, unsigned type, uint32_t id, uint64_t data,
			uint64_t address)
{
	uint64_t at = t->commands + (t->tail % (1U << TOY_LG2)) * 16;

	guest_put64(&t->g, at,
		    bits_put(TOY_CMD_TYPE, type) | bits_put(TOY_CMD_ID, id) |
			    bits_put(TOY_CMD_DATA, data));
	guest_put64(&t->g, at + 8, address);
	t->tail = (t->tail + 1) % (2U << TOY_LG2);
}

static int toy_sync(struct toy_rig *t)
{
	toy_command(t, TOY_SYNC, 0, ++t->ticket, t->status);
	return toy_write(t, TOY_CMD_TAIL, 4, t->tail);
}

static bool toy_told(struct conform_rig *r)
{
	struct toy_rig *t = r->own;

	return guest_get32(&t->g, t->status) == t->ticket;
}

static void toy_start(struct toy_rig *t)
{
	toy_write(t, TOY_TABLE, 8, t->devices);
	toy_write(t, TOY_CMD_BASE, 8, t->commands | TOY_LG2);
	toy_write(t, TOY_FLT_BASE, 8, t->faults | TOY_LG2);
	toy_write(t, TOY_CTRL, 4, TOY_CTRL_EN);
	assert_true(toy_read(t, TOY_CTRL, 4) & TOY_CTRL_ON);
}

static void toy_work(void *opaque)
{
	struct toy_rig *t = opaque;

	t->g.count[GUEST_ON_WORK]++;
}

static void toy_open(struct conform_rig *r)
{
	struct toy_rig *t = zeroed(sizeof(*t));

	r->own = t;
	r->g = &t->g;
	guest_init(&t->g, GUEST_REGION, 64);
	t->g.host =
		(struct viommu_host){ .size = sizeof(t->g.host), .opaque = t, .work = toy_work };
	assert_int_equal(toy_new(t->g.vm, &t->g.host, &r->limits, &t->g.iommu), VIOMMU_OK);
	t->devices = guest_alloc(&t->g, 1);
	t->commands = guest_alloc(&t->g, 1);
	t->faults = guest_alloc(&t->g, 1);
	t->status = guest_alloc(&t->g, 1);
	for (unsigned d = 0; d < CONFORM_DEVICES; d++) {
		t->pt[d] = guest_alloc(&t->g, 1);
		guest_put64(&t->g, t->devices + (1 + d) * 8,
			    TOY_DEVICE_V | bits_put(TOY_DEVICE_DOMAIN, 5 + d) | t->pt[d]);
	}
	toy_start(t);
	conform_devices(r);
}

static void toy_close(struct conform_rig *r)
{
	struct toy_rig *t = r->own;

	assert_false(toy_read(t, TOY_STATUS, 4) & TOY_STATUS_COMMAND);
	guest_fini(&t->g);
	free(t);
}

static void toy_put(struct toy_rig *t, unsigned d, unsigned page, uint64_t entry)
{
	guest_put64(&t->g, t->pt[d] + (CONFORM_IOVA(page) >> 12) * 8, entry);
}

static void toy_map(struct conform_rig *r, unsigned d, unsigned page, uint64_t gpa, unsigned access)
{
	toy_put(r->own, d, page, gpa | access);
}

static int toy_unmap(struct conform_rig *r, unsigned d, unsigned page)
{
	struct toy_rig *t = r->own;

	toy_put(t, d, page, 0);
	toy_command(t, TOY_INV_PAGE, 5 + d, 0, CONFORM_IOVA(page));
	toy_command(t, TOY_DROP, 1 + d, 0, 0);
	return toy_sync(t);
}

static int toy_detach(struct conform_rig *r, unsigned d)
{
	struct toy_rig *t = r->own;

	guest_put64(&t->g, t->devices + (1 + d) * 8, 0);
	toy_command(t, TOY_INV_DEVICE, 1 + d, 0, 0);
	toy_command(t, TOY_INV_DOMAIN, 5 + d, 0, 0);
	toy_command(t, TOY_DROP, 1 + d, 0, 0);
	return toy_sync(t);
}

static unsigned toy_faults(struct conform_rig *r)
{
	struct toy_rig *t = r->own;
	uint32_t tail = (uint32_t)toy_read(t, TOY_FLT_TAIL, 4);
	unsigned count = (tail - t->fault_head) % (1U << TOY_LG2);

	t->fault_head = tail;
	toy_write(t, TOY_FLT_HEAD, 4, tail);
	return count;
}

static struct viommu *toy_another(struct conform_rig *r)
{
	struct toy_rig *t = r->own;
	struct viommu *old = t->g.iommu;

	assert_int_equal(toy_new(t->g.vm, &t->g.host, &r->limits, &t->g.iommu), VIOMMU_OK);
	return old;
}

const struct conform_engine conform_toy = { "toy",	 toy_open,   toy_close, toy_map,
					    toy_unmap,	 toy_detach, toy_told,	toy_faults,
					    toy_another, false };

/* ---- VT-d, legacy mode ---- */

struct vtd_rig {
	struct guest g;
	uint64_t ss[CONFORM_DEVICES];
};

static struct viommu_vtd_config vtd_config(const struct conform_rig *r)
{
	return (struct viommu_vtd_config){ .size = sizeof(struct viommu_vtd_config),
					   .limits = &r->limits,
					   .cap = GUEST_CAP,
					   .ecap = GUEST_ECAP_LEGACY };
}

static void vtd_open(struct conform_rig *r)
{
	struct vtd_rig *v = zeroed(sizeof(*v));
	struct viommu_vtd_config config = vtd_config(r);

	r->own = v;
	r->g = &v->g;
	guest_init(&v->g, GUEST_REGION, 128);
	assert_int_equal(guest_try_vtd_config(&v->g, &config), VIOMMU_OK);
	for (unsigned d = 0; d < CONFORM_DEVICES; d++) {
		v->ss[d] = guest_table(&v->g);
		guest_legacy_tt(&v->g, (uint16_t)(1 + d), (uint16_t)(5 + d), v->ss[d], 4, 1);
	}
	guest_start(&v->g, VTD_TTM_LEGACY);
	conform_devices(r);
}

static void vtd_close(struct conform_rig *r)
{
	guest_fini(r->g);
	free(r->own);
}

static void vtd_map(struct conform_rig *r, unsigned d, unsigned page, uint64_t gpa, unsigned access)
{
	const struct vtd_rig *v = r->own;

	guest_ss_map(r->g, v->ss[d], 4, CONFORM_IOVA(page), gpa, 12, access);
}

static int vtd_done(struct conform_rig *r, unsigned d)
{
	guest_submit(r->g, GUEST_DEVTLB(1 + d), (VTD_QI_ADDR & INT64_MAX) | VTD_QI_DEVTLB_S, 0, 0);
	guest_submit_wait(r->g);
	return guest_ring(r->g);
}

static int vtd_unmap(struct conform_rig *r, unsigned d, unsigned page)
{
	const struct vtd_rig *v = r->own;
	uint64_t iova = CONFORM_IOVA(page);

	guest_put64(r->g, guest_entry(r->g, v->ss[d], 4, iova, 0, GUEST_RW), 0);
	guest_submit(r->g, GUEST_IOTLB(VTD_GRAN_LOCAL, 5 + d), iova, 0, 0);
	return vtd_done(r, d);
}

static int vtd_detach(struct conform_rig *r, unsigned d)
{
	uint64_t entry = guest_legacy_entry(r->g, (uint16_t)(1 + d));

	guest_put64(r->g, entry, 0);
	guest_submit(r->g, GUEST_CC(VTD_GRAN_LOCAL, 5 + d, 1 + d, 0), 0, 0, 0);
	guest_submit(r->g, GUEST_IOTLB(VTD_GRAN_DOMAIN, 5 + d), 0, 0, 0);
	return vtd_done(r, d);
}

static bool vtd_told(struct conform_rig *r)
{
	return guest_waited(r->g);
}

static unsigned vtd_faults(struct conform_rig *r)
{
	return guest_take_faults(r->g);
}

static struct viommu *vtd_another(struct conform_rig *r)
{
	struct viommu_vtd_config config = vtd_config(r);
	struct viommu *old = r->g->iommu;

	assert_int_equal(guest_try_vtd_config(r->g, &config), VIOMMU_OK);
	return old;
}

const struct conform_engine conform_vtd = { "vtd",	 vtd_open,   vtd_close, vtd_map,
					    vtd_unmap,	 vtd_detach, vtd_told,	vtd_faults,
					    vtd_another, false };

/* ---- virtio-iommu ---- */

static void virtio_open(struct conform_rig *r)
{
	const struct viommu_virtio_config config = { .size = sizeof(config), .limits = &r->limits };
	struct virtio_rig *v = vr_open(&config);

	r->own = v;
	r->g = &v->g;
	for (unsigned d = 0; d < CONFORM_DEVICES; d++) {
		r->device[d] = v->device[1 + d];
		r->channel[d] = v->channel[1 + d];
		assert_int_equal(vr_attach(v, 5 + d, 1 + d, 0), ST_OK);
	}
}

static void virtio_close(struct conform_rig *r)
{
	vr_close(r->own);
}

static void virtio_map(struct conform_rig *r, unsigned d, unsigned page, uint64_t gpa,
		       unsigned access)
{
	uint64_t iova = CONFORM_IOVA(page);

	assert_int_equal(vr_map(r->own, 5 + d, iova, iova + GUEST_PAGE - 1, gpa, access), ST_OK);
}

static int virtio_unmap(struct conform_rig *r, unsigned d, unsigned page)
{
	struct virtio_rig *v = r->own;
	uint64_t iova = CONFORM_IOVA(page);

	vr_unmap(v, 5 + d, iova, iova + GUEST_PAGE - 1);
	return v->result;
}

static int virtio_detach(struct conform_rig *r, unsigned d)
{
	struct virtio_rig *v = r->own;

	vr_detach(v, 5 + d, 1 + d);
	return v->result;
}

static bool virtio_told(struct conform_rig *r)
{
	const struct virtio_rig *v = r->own;

	return v->result == VIOMMU_OK ||
	       (v->completions && v->completed[v->completions - 1] == v->token);
}

static unsigned virtio_faults(struct conform_rig *r)
{
	return vr_drain(r->own);
}

static struct viommu *virtio_another(struct conform_rig *r)
{
	struct virtio_rig *v = r->own;
	struct viommu *old = v->g.iommu;

	assert_int_equal(viommu_virtio_new(v->g.vm, &v->config, &v->g.iommu), VIOMMU_OK);
	return old;
}

const struct conform_engine conform_virtio = { "virtio",    virtio_open,   virtio_close,
					       virtio_map,  virtio_unmap,  virtio_detach,
					       virtio_told, virtio_faults, virtio_another,
					       true };

/* ---- TCE tables ---- */

static const uint32_t tce_liobn[CONFORM_DEVICES] = { TR_LIOBN(TR_BRIDGE), TR_LIOBN(TR_PLAIN) };

static void tce_open(struct conform_rig *r)
{
	const struct viommu_tce_config config = { .limits = &r->limits };
	struct tce_rig *t = tr_open(&config, 16);

	t->owns_last = UINT64_MAX;
	r->own = t;
	r->g = &t->g;
	for (unsigned d = 0; d < CONFORM_DEVICES; d++) {
		r->device[d] = t->device[1 + d];
		r->channel[d] = t->channel[1 + d];
	}
}

static void tce_close(struct conform_rig *r)
{
	tr_close(r->own);
}

static void tce_map(struct conform_rig *r, unsigned d, unsigned page, uint64_t gpa, unsigned access)
{
	assert_int_equal(tr_put(r->own, tce_liobn[d], CONFORM_IOVA(page), gpa | access), H_SUCCESS);
	assert_true(tr_told(r->own));
}

static int tce_unmap(struct conform_rig *r, unsigned d, unsigned page)
{
	struct tce_rig *t = r->own;

	assert_int_equal(tr_put(t, tce_liobn[d], CONFORM_IOVA(page), 0), H_SUCCESS);
	return t->result;
}

static int tce_detach(struct conform_rig *r, unsigned d)
{
	struct tce_rig *t = r->own;

	assert_int_equal(tr_stuff(t, tce_liobn[d], CONFORM_IOVA(0), 0, CONFORM_PAGES), H_SUCCESS);
	return t->result;
}

static bool tce_told(struct conform_rig *r)
{
	const struct tce_rig *t = r->own;

	return t->result == VIOMMU_OK ||
	       (t->completions && t->completed[(t->completions - 1) % TR_LOG] == t->token);
}

static unsigned tce_faults(struct conform_rig *r)
{
	struct tce_rig *t = r->own;
	unsigned faults = t->faults;

	t->faults = 0;
	return faults;
}

static struct viommu *tce_another(struct conform_rig *r)
{
	return tr_another(r->own);
}

const struct conform_engine conform_tce = { "tce",	 tce_open,   tce_close, tce_map,
					    tce_unmap,	 tce_detach, tce_told,	tce_faults,
					    tce_another, true };
