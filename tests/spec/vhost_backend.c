/* SPDX-License-Identifier: BSD-3-Clause */
/* vhost_backend.c - a backend for tests of the VMM's side of a device IOTLB. */

#include <stdlib.h>

#include "run.h"
#include "vhost_backend.h"

static struct backend backends[3];

/* Whether all of a message that it has, and nothing beside, is of one message. */
static bool one_piece(const struct backend *b, unsigned first, unsigned last)
{
	unsigned piece = b->page[first].piece;

	for (unsigned i = first; i <= last; i++) {
		if (b->page[i].piece != piece)
			return false;
	}
	return (first == 0 || b->page[first - 1].piece != piece) &&
	       (last == PAGES - 1 || b->page[last + 1].piece != piece);
}

/* 35: backends do not replace. The very same again changes nothing, if they have it as a whole. */
static void check_update(const struct backend *b, const struct viommu_iotlb_msg *m)
{
	uint64_t end = m->iova + m->size;
	unsigned known = PAGES;

	for (unsigned i = 0; i < PAGES; i++) {
		if (!b->page[i].uaddr || AT(i) < m->iova || AT(i) >= end)
			continue;
		row_equal(b->page[i].uaddr, m->uaddr + (AT(i) - m->iova));
		row_equal(b->page[i].perm, m->perm);
		known = i;
	}
	if (known < PAGES)
		row_equal(one_piece(b, (unsigned)((m->iova - AT(0)) / GUEST_PAGE),
				    (unsigned)((end - 1 - AT(0)) / GUEST_PAGE)),
			  true);
}

void lose(struct backend *b, unsigned page)
{
	unsigned piece = b->page[page].piece;

	for (unsigned i = 0; i < PAGES; i++) {
		if (b->page[i].piece == piece)
			b->page[i] = (struct known){ .uaddr = 0 };
	}
}

int backend_send(void *opaque, const struct viommu_iotlb_msg *m)
{
	struct backend *b = opaque;
	uint64_t last = m->iova + (m->size - 1);
	bool update = m->type == VIOMMU_IOTLB_UPDATE;
	int answer = update ? b->answer_updates : b->answer;

	assert_true(m->size != 0 && last >= m->iova);
	assert_true(m->type == (update ? VIOMMU_IOTLB_UPDATE : VIOMMU_IOTLB_INVALIDATE));
	assert_true(update ? m->perm && !(m->perm & ~RW) : !m->perm);
	assert_true(b->count < LOG);
	b->log[b->count++] = *m;
	b->waited = b->u->g.status && guest_waited(&b->u->g);
	if (update) {
		check_update(b, m);
		b->updates++;
	}
	for (unsigned i = 0; i < PAGES && (answer == VIOMMU_OK || answer == VIOMMU_PENDING); i++) {
		if (AT(i) < m->iova || AT(i) > last)
			continue;
		b->page[i] = (struct known){ update ? m->uaddr + (AT(i) - m->iova) : 0, m->perm,
					     update ? b->updates : 0 };
	}
	if (b->inside)
		b->inside(b, m);
	b->unacknowledged += answer == VIOMMU_PENDING;
	return answer;
}

struct backend *attach_as(struct unit *u, unsigned nth, struct viommu_device *device,
			  struct viommu_vhost_config config)
{
	struct backend *b = &backends[nth];

	*b = (struct backend){ .u = u };
	config.size = sizeof(config);
	config.asid = 40 + nth;
	config.opaque = b;
	config.send = backend_send;
	assert_int_equal(viommu_vhost_new(device, &config, &b->v), VIOMMU_OK);
	return b;
}

struct backend *attach(struct unit *u, unsigned nth, struct viommu_device *device, uint32_t pasid,
		       uint64_t reach, uint64_t ahead)
{
	return attach_as(
		u, nth, device,
		(struct viommu_vhost_config){ .pasid = pasid, .reach = reach, .ahead = ahead });
}

void detach(struct backend *b)
{
	assert_int_equal(viommu_vhost_free(b->v), VIOMMU_OK);
}

struct viommu_vhost_statistics statistics(const struct backend *b)
{
	struct viommu_vhost_statistics s = { .size = sizeof(s) };

	assert_int_equal(viommu_vhost_get_statistics(b->v, &s), VIOMMU_OK);
	return s;
}

void acknowledge(struct backend *b)
{
	row_equal(viommu_vhost_acknowledged(b->v, b->unacknowledged), VIOMMU_OK);
	b->unacknowledged = 0;
}

/* ---- pages ---- */

uint64_t target_base;

uint64_t target(const struct layout *l, unsigned i)
{
	return target_base + l->target[i] * GUEST_PAGE;
}

void map(struct unit *u, const struct layout *l, unsigned i)
{
	uint64_t entry = guest_entry(&u->g, u->ss, 4, AT(i), 0, 3);

	guest_put64(&u->g, entry, l->perm[i] ? target(l, i) | l->perm[i] : 0);
}

struct unit *open_layout(struct layout *l)
{
	struct unit *u = unit_legacy(GUEST_ECAP_LEGACY);

	target_base = guest_alloc(&u->g, 2 * PAGES);
	for (unsigned i = 0; i < PAGES; i++) {
		l->target[i] = i;
		l->perm[i] = RW;
		map(u, l, i);
	}
	return u;
}

uint64_t host(struct unit *u, uint64_t gpa)
{
	return (uint64_t)(uintptr_t)guest_at(&u->g, gpa);
}

void expect_update(struct backend *b, unsigned nth, uint64_t iova, uint64_t bytes, uint64_t uaddr,
		   uint32_t perm)
{
	row_equal(nth < b->count, true);
	row_equal(b->log[nth].type, VIOMMU_IOTLB_UPDATE);
	row_equal(b->log[nth].iova, iova);
	row_equal(b->log[nth].size, bytes);
	row_equal(b->log[nth].uaddr, uaddr);
	row_equal(b->log[nth].perm, perm);
	row_equal(b->log[nth].asid, 40 + (unsigned)(b - backends));
}

void expect_invalidate(struct backend *b, unsigned nth, uint64_t first, uint64_t last)
{
	row_equal(nth < b->count, true);
	row_equal(b->log[nth].type, VIOMMU_IOTLB_INVALIDATE);
	row_equal(b->log[nth].iova, first);
	row_equal(b->log[nth].size, last - first + 1);
	row_equal(b->log[nth].uaddr, 0);
	row_equal(b->log[nth].perm, 0);
}

/* ---- other memory ---- */

uint8_t outside[24 * 4096] __attribute__((aligned(4096)));

void add_region(struct unit *u, uint64_t gpa, unsigned page, unsigned pages, uint32_t flags)
{
	const struct viommu_region region = { .size = sizeof(region),
					      .flags = flags,
					      .gpa = gpa,
					      .bytes = pages * GUEST_PAGE,
					      .host = outside + page * GUEST_PAGE };

	assert_int_equal(viommu_vm_add_region(u->g.vm, &region), VIOMMU_OK);
}

struct unit *open_pass_through(void)
{
	struct unit *u = unit_open(0, GUEST_ECAP_LEGACY);

	unit_legacy_tables(u);
	guest_legacy_tt(&u->g, UNIT_RID, UNIT_DID, 0, 4, 2);
	guest_start(&u->g, VTD_TTM_LEGACY);
	return u;
}

struct unit *open_callbacks(struct layout *l)
{
	struct unit *u = &unit;

	guest_init(&u->g, GUEST_CALLBACKS, 400);
	guest_vtd(&u->g, GUEST_CAP, GUEST_ECAP_LEGACY);
	u->ss = guest_table(&u->g);
	guest_legacy(&u->g, UNIT_RID, UNIT_DID, u->ss, 4);
	u->dev = guest_device(&u->g, UNIT_RID);
	add_region(u, UINT64_C(0x40000000), 0, 24, 0);
	target_base = UINT64_C(0x40000000);
	for (unsigned i = 0; i < 4; i++) {
		l->target[i] = i;
		l->perm[i] = RW;
		map(u, l, i);
	}
	guest_start(&u->g, VTD_TTM_LEGACY);
	return u;
}

/* ---- random numbers ---- */

static uint64_t random_state;

unsigned choose(unsigned n)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (unsigned)(random_state % n);
}

unsigned random_rounds(unsigned rounds)
{
	random_state = run_seed(1) * 2 + 1;
	return (unsigned)run_scaled(rounds);
}
