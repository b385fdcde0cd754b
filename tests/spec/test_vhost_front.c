/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_vhost_front.c - the VMM's side of a device IOTLB: what an update covers, what is invalidated
 * and when the guest learns of it (obligations 13, 17, 19, 28, 31, 32).
 */

#include <stdlib.h>

#include <libvirtiommu/vhost.h>

#include "vtd_unit.h"

#define NONE  VIOMMU_NO_PASID
#define R     VIOMMU_READ
#define W     VIOMMU_WRITE
#define RW    (R | W)
#define PAGES 64U
#define AT(i) (UINT64_C(0x80000000) + (i)*GUEST_PAGE)

/* ---- a backend that remembers, page by page, all that it may ---- */

struct known {
	uint64_t uaddr; /* 0: nothing */
	uint32_t perm;
};

enum { LOG = 512 };

struct backend {
	struct unit *u;
	struct viommu_vhost *v;
	struct viommu_iotlb_msg log[LOG];
	unsigned count;
	int answer; /* of send, to invalidations */
	int answer_updates;
	unsigned unacknowledged;
	struct known page[PAGES];
	void (*inside)(struct backend *b, const struct viommu_iotlb_msg *message);
	bool waited; /* the wait was complete when a message came */
	unsigned scratch;
};

static struct backend backends[3];

static int on_send(void *opaque, const struct viommu_iotlb_msg *m)
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
	for (unsigned i = 0; i < PAGES; i++) {
		if (AT(i) < m->iova || AT(i) > last)
			continue;
		b->page[i].uaddr = update ? m->uaddr + (AT(i) - m->iova) : 0;
		b->page[i].perm = m->perm;
	}
	if (b->inside)
		b->inside(b, m);
	b->unacknowledged += answer == VIOMMU_PENDING;
	return answer;
}

static struct backend *attach(struct unit *u, unsigned nth, struct viommu_device *device,
			      uint32_t pasid, uint64_t reach, uint64_t ahead)
{
	struct backend *b = &backends[nth];
	struct viommu_vhost_config config = { .size = sizeof(config),
					      .pasid = pasid,
					      .asid = 40 + nth,
					      .reach = reach,
					      .ahead = ahead,
					      .opaque = b,
					      .send = on_send };

	*b = (struct backend){ .u = u };
	assert_int_equal(viommu_vhost_new(device, &config, &b->v), VIOMMU_OK);
	return b;
}

static void detach(struct backend *b)
{
	assert_int_equal(viommu_vhost_free(b->v), VIOMMU_OK);
}

static struct viommu_vhost_statistics statistics(const struct backend *b)
{
	struct viommu_vhost_statistics s = { .size = sizeof(s) };

	assert_int_equal(viommu_vhost_get_statistics(b->v, &s), VIOMMU_OK);
	return s;
}

static void acknowledge(struct backend *b)
{
	row_equal(viommu_vhost_acknowledged(b->v, b->unacknowledged), VIOMMU_OK);
	b->unacknowledged = 0;
}

/* ---- pages AT(0) to AT(63) of the device ---- */

struct layout {
	uint64_t target[PAGES]; /* page number from u->target */
	uint64_t perm[PAGES];	/* R, W as in the table; 0: not mapped */
};

static uint64_t target_base;

static uint64_t target(const struct layout *l, unsigned i)
{
	return target_base + l->target[i] * GUEST_PAGE;
}

static void map(struct unit *u, const struct layout *l, unsigned i)
{
	uint64_t entry = guest_entry(&u->g, u->ss, 4, AT(i), 0, 3);

	guest_put64(&u->g, entry, l->perm[i] ? target(l, i) | l->perm[i] : 0);
}

static struct unit *open_layout(struct layout *l)
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

static uint64_t host(struct unit *u, uint64_t gpa)
{
	return (uint64_t)(uintptr_t)guest_at(&u->g, gpa);
}

static void expect_update(struct backend *b, unsigned nth, uint64_t iova, uint64_t bytes,
			  uint64_t uaddr, uint32_t perm)
{
	row_equal(nth < b->count, true);
	row_equal(b->log[nth].type, VIOMMU_IOTLB_UPDATE);
	row_equal(b->log[nth].iova, iova);
	row_equal(b->log[nth].size, bytes);
	row_equal(b->log[nth].uaddr, uaddr);
	row_equal(b->log[nth].perm, perm);
	row_equal(b->log[nth].asid, 40 + (unsigned)(b - backends));
}

static void expect_invalidate(struct backend *b, unsigned nth, uint64_t first, uint64_t last)
{
	row_equal(nth < b->count, true);
	row_equal(b->log[nth].type, VIOMMU_IOTLB_INVALIDATE);
	row_equal(b->log[nth].iova, first);
	row_equal(b->log[nth].size, last - first + 1);
	row_equal(b->log[nth].uaddr, 0);
	row_equal(b->log[nth].perm, 0);
}

/* The run around a page, by looking at every border. */
static void expect_run(struct backend *b, unsigned nth, const struct layout *l, unsigned page,
		       unsigned reach)
{
	unsigned first = page;
	unsigned last = page;

#define JOINS(i)                                                                                   \
	(l->perm[i] == l->perm[(i) + 1] && l->target[i] + 1 == l->target[(i) + 1] &&               \
	 (i) / reach == ((i) + 1) / reach)
	while (first > 0 && JOINS(first - 1))
		first--;
	while (last + 1 < PAGES && JOINS(last))
		last++;
	expect_update(b, nth, AT(first), (last - first + 1) * GUEST_PAGE,
		      host(b->u, target(l, first)), (uint32_t)l->perm[page]);
}

/* ---- updates ---- */

static void test_borders(void **state)
{
	struct layout l;
	struct unit *u = open_layout(&l);
	struct backend *b = attach(u, 0, u->dev, NONE, 0, 0);

	(void)state;
	row_name = "32 all of it";
	row_equal(viommu_vhost_miss(b->v, AT(5) + 7, R), VIOMMU_OK);
	expect_update(b, 0, AT(0), PAGES * GUEST_PAGE, host(u, target(&l, 0)), RW);
	for (unsigned at = 1; at < PAGES; at++) {
		for (unsigned kind = 0; kind < 4; kind++) {
			const unsigned from[] = { 0, at - 1, at, PAGES - 1 };

			row_name = kind == 0   ? "32 the target jumps"
				   : kind == 1 ? "32 the target goes back by a page"
				   : kind == 2 ? "another permission"
					       : "not mapped";
			for (unsigned i = 0; i < PAGES; i++) {
				l.target[i] = i < at	  ? i
					      : kind == 0 ? i + 1
					      : kind == 1 ? i - 1
							  : i;
				l.perm[i] = i >= at && kind == 2   ? R
					    : i == at && kind == 3 ? 0
								   : RW;
				map(u, &l, i);
			}
			submit(u, Q_IOTLB(2, UNIT_DID), 0);
			guest_wait(&u->g);
			for (size_t i = 0; i < ROWS(from); i++) {
				b->count = 0;
				row_equal(viommu_vhost_miss(b->v, AT(from[i]), R),
					  l.perm[from[i]] ? VIOMMU_OK : VIOMMU_FAULT);
				if (l.perm[from[i]])
					expect_run(b, 0, &l, from[i], PAGES);
				row_equal(b->count, l.perm[from[i]] != 0);
			}
			guest_take_faults(&u->g);
		}
	}
	detach(b);
	unit_close(u);
}

static void test_reach(void **state)
{
	struct layout l;
	struct unit *u = open_layout(&l);

	(void)state;
	row_name = "an update stays within the aligned block";
	for (unsigned reach = 1; reach <= PAGES; reach *= 2) {
		struct backend *b = attach(u, 0, u->dev, NONE, reach * GUEST_PAGE, 0);

		for (unsigned i = 0; i < PAGES; i += 3) {
			b->count = 0;
			row_equal(viommu_vhost_miss(b->v, AT(i) + 0xfff, RW), VIOMMU_OK);
			expect_run(b, 0, &l, i, reach);
			row_equal(b->count, 1);
		}
		detach(b);
	}
	row_name = "reach 1: no further than the page";
	struct backend *b = attach(u, 0, u->dev, NONE, 1, 0);

	row_equal(viommu_vhost_miss(b->v, AT(9) + 5, W), VIOMMU_OK);
	expect_update(b, 0, AT(9), GUEST_PAGE, host(u, target(&l, 9)), RW);
	detach(b);
	unit_close(u);
}

static void test_ahead(void **state)
{
	struct layout l;
	struct unit *u = open_layout(&l);
	struct backend *b = attach(u, 0, u->dev, NONE, 8 * GUEST_PAGE, 12 * GUEST_PAGE);

	(void)state;
	l.perm[10] = 0;
	l.perm[12] = R;
	l.target[13] = 40;
	for (unsigned i = 0; i < PAGES; i++)
		map(u, &l, i);
	submit(u, Q_IOTLB(2, UNIT_DID), 0);
	guest_wait(&u->g);
	row_name = "read-ahead: in pieces, without faults";
	row_equal(viommu_vhost_miss(b->v, AT(2), R), VIOMMU_OK);
	expect_update(b, 0, AT(0), 8 * GUEST_PAGE, host(u, target(&l, 0)), RW);
	expect_update(b, 1, AT(8), 2 * GUEST_PAGE, host(u, target(&l, 8)), RW);
	expect_update(b, 2, AT(11), GUEST_PAGE, host(u, target(&l, 11)), RW);
	expect_update(b, 3, AT(12), GUEST_PAGE, host(u, target(&l, 12)), R);
	expect_update(b, 4, AT(13), GUEST_PAGE, host(u, target(&l, 13)), RW);
	expect_update(b, 5, AT(14), 6 * GUEST_PAGE, host(u, target(&l, 14)), RW);
	row_equal(b->count, 6);
	row_equal(recorded(u), 0);
	row_equal(statistics(b).updates, 6);
	row_name = "what was read ahead is invalidated, too";
	submit(u, Q_IOTLB(3, UNIT_DID), AT(19));
	guest_wait(&u->g);
	expect_invalidate(b, 6, AT(19), AT(19) + 0xfff);
	row_equal(b->count, 7);
	detach(b);

	row_name = "at most so many updates a miss";
	b = attach(u, 0, u->dev, NONE, 1, UINT64_MAX);
	for (unsigned i = 0; i < PAGES; i++) {
		l.perm[i] = i % 2 ? R : RW;
		map(u, &l, i);
	}
	submit(u, Q_IOTLB(2, UNIT_DID), 0);
	guest_wait(&u->g);
	row_equal(viommu_vhost_miss(b->v, AT(0), R), VIOMMU_OK);
	row_equal(b->count, 16);
	for (unsigned i = 0; i < 16; i++)
		expect_update(b, i, AT(i), GUEST_PAGE, host(u, target(&l, i)), i % 2 ? R : RW);
	detach(b);
	unit_close(u);
}

static uint8_t outside[24 * 4096] __attribute__((aligned(4096)));

static void add_region(struct unit *u, uint64_t gpa, unsigned page, unsigned pages, uint32_t flags)
{
	const struct viommu_region region = { .size = sizeof(region),
					      .flags = flags,
					      .gpa = gpa,
					      .bytes = pages * GUEST_PAGE,
					      .host = outside + page * GUEST_PAGE };

	assert_int_equal(viommu_vm_add_region(u->g.vm, &region), VIOMMU_OK);
}

static void test_regions(void **state)
{
	static const struct {
		const char *name;
		unsigned miss;
		uint32_t access;
		int result;
		unsigned first;
		unsigned pages;
		unsigned at; /* page of outside */
		uint32_t perm;
	} rows[] = {
		{ "32 host memory ends", 1, R, VIOMMU_OK, 0, 4, 0, RW },
		{ "32 host memory begins", 5, W, VIOMMU_OK, 4, 4, 8, RW },
		{ "ROM next to RAM", 8, R, VIOMMU_OK, 8, 2, 12, R },
		{ "RAM next to ROM", 10, R, VIOMMU_OK, 10, 2, 14, RW },
		{ "ROM is not written", 9, W, VIOMMU_ENOTSUP, 0, 0, 0, 0 },
		{ "no host memory", 13, R, VIOMMU_ENOTSUP, 0, 0, 0, 0 },
		{ "behind a hole in host memory", 14, R, VIOMMU_OK, 14, 2, 18, RW },
		{ "32 host memory continues, guest memory does not", 16, R, VIOMMU_OK, 16, 2, 20,
		  RW },
		{ "32 the same from above", 19, W, VIOMMU_OK, 18, 2, 22, RW },
	};
	const uint64_t gpa = UINT64_C(0x40000000);
	struct layout l;
	struct unit *u = open_layout(&l);
	struct backend *b;

	(void)state;
	add_region(u, gpa, 0, 4, 0);
	add_region(u, gpa + 4 * GUEST_PAGE, 8, 4, 0);
	add_region(u, gpa + 8 * GUEST_PAGE, 12, 2, VIOMMU_REGION_READONLY);
	add_region(u, gpa + 10 * GUEST_PAGE, 14, 2, 0);
	add_region(u, gpa + 14 * GUEST_PAGE, 18, 2, 0);
	add_region(u, gpa + 20 * GUEST_PAGE, 20, 2, 0);
	add_region(u, gpa + 30 * GUEST_PAGE, 22, 2, 0);
	for (unsigned i = 0; i < 20; i++)
		guest_put64(&u->g, guest_entry(&u->g, u->ss, 4, AT(i), 0, 3),
			    (gpa + (i < 16   ? i
				    : i < 18 ? i + 4
					     : i + 12) *
					   GUEST_PAGE) |
				    3);
	b = attach(u, 0, u->dev, NONE, 16 * GUEST_PAGE, 0);
	for (size_t i = 0; i < ROWS(rows); i++) {
		row_name = rows[i].name;
		b->count = 0;
		row_equal(viommu_vhost_miss(b->v, AT(rows[i].miss), rows[i].access),
			  rows[i].result);
		row_equal(b->count, rows[i].pages != 0);
		if (rows[i].pages)
			expect_update(b, 0, AT(rows[i].first), rows[i].pages * GUEST_PAGE,
				      (uint64_t)(uintptr_t)&outside[rows[i].at * GUEST_PAGE],
				      rows[i].perm);
	}
	row_equal(recorded(u), 0);
	detach(b);
	unit_close(u);
}

static void test_clean(void **state)
{
	struct unit *u = unit_scalable();
	struct backend *b = attach(u, 0, u->dev, UNIT_PASID, 0, 0);
	uint64_t entry = guest_entry(&u->g, u->fs, 4, UNIT_IOVA, 0, 7);

	(void)state;
	row_name = "9 a clean page is not writable without asking";
	row_equal(viommu_vhost_miss(b->v, UNIT_IOVA, R), VIOMMU_OK);
	expect_update(b, 0, UNIT_IOVA, 2 * GUEST_PAGE, host(u, u->page[0]), R);
	row_equal(guest_get64(&u->g, entry) & 0x60, 0x20);
	row_equal(guest_get64(&u->g, entry + 8) & 0x40, 0);
	row_name = "9 writing records it, and runs do not mix";
	row_equal(viommu_vhost_miss(b->v, UNIT_IOVA, W), VIOMMU_OK);
	expect_update(b, 1, UNIT_IOVA, GUEST_PAGE, host(u, u->page[0]), RW);
	row_equal(guest_get64(&u->g, entry) & 0x60, 0x60);
	row_equal(guest_get64(&u->g, entry + 8) & 0x40, 0);
	row_equal(viommu_vhost_miss(b->v, UNIT_IOVA + GUEST_PAGE, R), VIOMMU_OK);
	expect_update(b, 2, UNIT_IOVA + GUEST_PAGE, GUEST_PAGE, host(u, u->page[1]), R);
	row_name = "both dirty: one run";
	row_equal(viommu_vhost_miss(b->v, UNIT_IOVA + GUEST_PAGE, W), VIOMMU_OK);
	expect_update(b, 3, UNIT_IOVA, 2 * GUEST_PAGE, host(u, u->page[0]), RW);
	row_equal(recorded(u), 0);
	row_name = "another PASID is another address space";
	struct backend *other = attach(u, 1, u->dev, NONE, 0, 0);

	row_equal(viommu_vhost_miss(other->v, UNIT_IOVA, R), VIOMMU_OK);
	expect_update(other, 0, UNIT_IOVA, 2 * GUEST_PAGE, host(u, u->page[0]), RW);
	row_name = "a PASID that does not exist";
	detach(other);
	other = attach(u, 1, u->dev, UNIT_PASID + 1, 0, 0);
	row_equal(viommu_vhost_miss(other->v, UNIT_IOVA, R), VIOMMU_FAULT);
	row_equal(other->count, 0);
	row_equal(recorded(u) != 0, true);
	detach(other);
	detach(b);
	unit_close(u);
}

static void test_refused(void **state)
{
	struct layout l;
	struct unit *u = open_layout(&l);
	struct backend *b;

	(void)state;
	l.perm[3] = 0;
	l.perm[4] = R;
	l.perm[5] = R;
	l.perm[6] = W;
	for (unsigned i = 3; i < 7; i++)
		map(u, &l, i);
	b = attach(u, 0, u->dev, NONE, 0, 0);
	row_name = "8 not mapped: recorded, nothing sent";
	row_equal(viommu_vhost_miss(b->v, AT(3), R), VIOMMU_FAULT);
	row_equal(recorded(u), VTD_FR_READ);
	row_equal(viommu_vhost_miss(b->v, AT(3), W), VIOMMU_FAULT);
	row_equal(recorded(u), VTD_FR_WRITE);
	row_equal(b->count, 0);
	row_name = "read-only: recorded, and the backend learns that it may read";
	row_equal(viommu_vhost_miss(b->v, AT(4), W), VIOMMU_FAULT);
	row_equal(recorded(u), VTD_FR_WRITE);
	expect_update(b, 0, AT(4), 2 * GUEST_PAGE, host(u, target(&l, 4)), R);
	row_equal(viommu_vhost_miss(b->v, AT(5), RW), VIOMMU_FAULT);
	row_equal(recorded(u), VTD_FR_WRITE);
	row_equal(b->count, 2);
	row_name = "8 again: recorded again";
	row_equal(viommu_vhost_miss(b->v, AT(5), W), VIOMMU_FAULT);
	row_equal(recorded(u), VTD_FR_WRITE);
	row_equal(b->count, 3);
	row_name = "write-only";
	row_equal(viommu_vhost_miss(b->v, AT(6), R), VIOMMU_FAULT);
	row_equal(recorded(u), VTD_FR_READ);
	row_equal(b->count, 3);
	row_equal(viommu_vhost_miss(b->v, AT(6), W), VIOMMU_OK);
	expect_update(b, 3, AT(6), GUEST_PAGE, host(u, target(&l, 6)), W);
	row_name = "interrupts are not memory";
	row_equal(viommu_vhost_miss(b->v, VTD_WINDOW_FIRST, W), VIOMMU_INTERRUPT);
	row_equal(recorded(u), 0);
	row_name = "misuse";
	row_equal(viommu_vhost_miss(b->v, AT(0), 0), (uint64_t)VIOMMU_EINVAL);
	row_equal(viommu_vhost_miss(b->v, AT(0), VIOMMU_EXEC), (uint64_t)VIOMMU_EINVAL);
	row_equal(viommu_vhost_miss(NULL, AT(0), R), (uint64_t)VIOMMU_EINVAL);
	row_equal(statistics(b).misses, 8);
	row_equal(statistics(b).faults, 6);
	row_equal(b->count, 4);
	detach(b);
	unit_close(u);
}

/* ---- no translation, pass-through ---- */

static void test_identity(void **state)
{
	struct unit *u = unit_open(0, GUEST_ECAP_LEGACY);
	struct backend *b;

	(void)state;
	unit_legacy_tables(u);
	b = attach(u, 0, u->dev, NONE, 0, 0);
	row_name = "remapping is off: as far as the region goes";
	row_equal(viommu_vhost_miss(b->v, u->page[0] + 9, RW), VIOMMU_OK);
	expect_update(b, 0, GUEST_BASE, 400 * GUEST_PAGE, host(u, GUEST_BASE), RW);
	row_equal(viommu_vhost_miss(b->v, GUEST_BASE - 1, R), (uint64_t)VIOMMU_ENOTSUP);
	row_name = "17 TE on: everything, as two messages";
	b->count = 0;
	guest_start(&u->g, VTD_TTM_LEGACY);
	expect_invalidate(b, 0, 0, UINT64_MAX / 2);
	expect_invalidate(b, 1, UINT64_MAX / 2 + 1, UINT64_MAX);
	row_equal(b->count, 2);
	row_equal(viommu_vhost_miss(b->v, u->page[0], R), VIOMMU_FAULT);
	guest_take_faults(&u->g);
	row_equal(viommu_vhost_miss(b->v, UNIT_IOVA, R), VIOMMU_OK);
	expect_update(b, 2, UNIT_IOVA, 2 * GUEST_PAGE, host(u, u->page[0]), RW);
	row_name = "17 TE off";
	guest_command(&u->g, VTD_G_TE, false);
	row_equal(b->count, 5);
	expect_invalidate(b, 3, 0, UINT64_MAX / 2);
	expect_invalidate(b, 4, UINT64_MAX / 2 + 1, UINT64_MAX);
	row_equal(viommu_vhost_miss(b->v, UNIT_IOVA, R), (uint64_t)VIOMMU_ENOTSUP);
	row_name = "17 reset";
	row_equal(viommu_vhost_miss(b->v, u->page[0], R), VIOMMU_OK);
	b->count = 0;
	row_equal(viommu_reset(u->g.iommu), VIOMMU_OK);
	row_equal(b->count, 2);
	row_name = "17 restore";
	uint64_t bytes = 0;
	void *saved;

	row_equal(viommu_save(u->g.iommu, NULL, &bytes), (uint64_t)VIOMMU_ENOSPC);
	saved = malloc(bytes);
	row_equal(viommu_save(u->g.iommu, saved, &bytes), VIOMMU_OK);
	row_equal(viommu_vhost_miss(b->v, u->page[0], R), VIOMMU_OK);
	b->count = 0;
	row_equal(viommu_restore(u->g.iommu, saved, bytes), VIOMMU_PENDING);
	row_equal(b->count, 2);
	free(saved);
	detach(b);
	unit_close(u);
}

static void test_pass_through(void **state)
{
	struct unit *u = unit_open(0, GUEST_ECAP_LEGACY);
	struct backend *b;

	(void)state;
	unit_legacy_tables(u);
	guest_legacy_tt(&u->g, UNIT_RID, UNIT_DID, 0, 4, 2);
	guest_start(&u->g, VTD_TTM_LEGACY);
	b = attach(u, 0, u->dev, NONE, 0, 0);
	row_name = "pass-through: as far as the region goes";
	row_equal(viommu_vhost_miss(b->v, u->page[0] + 9, RW), VIOMMU_OK);
	expect_update(b, 0, GUEST_BASE, 400 * GUEST_PAGE, host(u, GUEST_BASE), RW);
	detach(b);
	unit_close(u);
}

/* ---- invalidations ---- */

static void test_gathering(void **state)
{
	static const struct {
		const char *name;
		unsigned count;
		unsigned page[6]; /* of the burst, in order */
		unsigned am[6];
		unsigned messages;
		struct {
			unsigned first;
			unsigned last;
		} sent[4];
		unsigned coalesced;
	} rows[] = {
		{ "one page", 1, { 3 }, { 0 }, 1, { { 3, 3 } }, 0 },
		{ "ascending pages", 4, { 3, 4, 5, 6 }, { 0 }, 1, { { 3, 6 } }, 3 },
		{ "descending pages", 3, { 6, 5, 4 }, { 0 }, 1, { { 4, 6 } }, 2 },
		{ "one page over and over", 3, { 6, 6, 6 }, { 0 }, 1, { { 6, 6 } }, 2 },
		{ "inside another", 2, { 8, 10 }, { 3, 0 }, 1, { { 8, 15 } }, 1 },
		{ "around another", 2, { 10, 8 }, { 0, 3 }, 1, { { 8, 15 } }, 1 },
		{ "apart", 3, { 3, 5, 7 }, { 0 }, 3, { { 3, 3 }, { 5, 5 }, { 7, 7 } }, 0 },
		{ "two runs", 6, { 3, 4, 5, 20, 21, 22 }, { 0 }, 2, { { 3, 5 }, { 20, 22 } }, 4 },
		{ "what the backend does not have", 2, { 40, 48 }, { 3, 2 }, 0, { { 0, 0 } }, 2 },
		{ "part of it it does", 1, { 24 }, { 3 }, 1, { { 24, 31 } }, 0 },
	};
	struct layout l;
	struct unit *u = open_layout(&l);

	(void)state;
	for (size_t r = 0; r < ROWS(rows); r++) {
		struct backend *b = attach(u, 0, u->dev, NONE, 1, 0);

		for (unsigned i = 0; i < 32; i++)
			row_equal(viommu_vhost_miss(b->v, AT(i), R), VIOMMU_OK);
		row_name = rows[r].name;
		b->count = 0;
		for (unsigned i = 0; i < rows[r].count; i++)
			guest_submit(&u->g, Q_IOTLB(3, UNIT_DID),
				     AT(rows[r].page[i]) | rows[r].am[i], 0, 0);
		guest_submit_wait(&u->g);
		row_equal(guest_ring(&u->g), VIOMMU_OK);
		row_equal(guest_waited(&u->g), true);
		row_equal(b->count, rows[r].messages);
		for (unsigned i = 0; i < rows[r].messages; i++)
			expect_invalidate(b, i, AT(rows[r].sent[i].first),
					  AT(rows[r].sent[i].last) + 0xfff);
		if (b->count) /* the guest did not know yet when the last went out */
			row_equal(b->waited, false);
		row_equal(statistics(b).coalesced, rows[r].coalesced);
		row_equal(statistics(b).invalidations, rows[r].messages);
		row_equal(statistics(b).updates, 32);
		row_name = "once is enough";
		for (unsigned i = 0; i < rows[r].count; i++)
			submit(u, Q_IOTLB(3, UNIT_DID), AT(rows[r].page[i]) | rows[r].am[i]);
		guest_wait(&u->g);
		row_equal(b->count, rows[r].messages);
		row_name = "without a wait it is sent at the end of the call";
		row_equal(viommu_vhost_miss(b->v, AT(30), R), VIOMMU_OK);
		b->count = 0;
		submit(u, Q_IOTLB(3, UNIT_DID), AT(30));
		row_equal(b->count, 1);
		detach(b);
	}
	unit_close(u);
}

/* Every command that can change what a device may do, by queue and by register. */
static void test_commands(void **state)
{
	static const struct {
		const char *name;
		uint64_t q[2];
		unsigned messages;
	} rows[] = {
		{ "CC global", { Q_CC(1, 0, 0, 0), 0 }, 2 },
		{ "CC domain", { Q_CC(2, UNIT_DID, 0, 0), 0 }, 2 },
		{ "CC device", { Q_CC(3, UNIT_DID, UNIT_RID, 0), 0 }, 2 },
		{ "CC another device", { Q_CC(3, UNIT_DID2, UNIT_RID2, 0), 0 }, 0 },
		{ "IOTLB global", { Q_IOTLB(1, 0), 0 }, 2 },
		{ "IOTLB domain", { Q_IOTLB(2, UNIT_DID), 0 }, 2 },
		{ "IOTLB another domain", { Q_IOTLB(2, UNIT_DID2), 0 }, 0 },
		{ "IOTLB page", { Q_IOTLB(3, UNIT_DID), AT(1) }, 1 },
		{ "IOTLB another page", { Q_IOTLB(3, UNIT_DID), AT(PAGES) }, 0 },
		{ "interrupts", { Q_IEC_GLOBAL, 0 }, 0 },
		{ "all at once", { Q_CC(1, 0, 0, 0), 0 }, 2 },
	};
	struct layout l;
	struct unit *u = open_layout(&l);
	struct backend *b = attach(u, 0, u->dev, NONE, 0, 0);

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		row_name = rows[i].name;
		row_equal(viommu_vhost_miss(b->v, AT(0), R), VIOMMU_OK);
		b->count = 0;
		submit(u, rows[i].q[0], rows[i].q[1]);
		guest_wait(&u->g);
		row_equal(b->count, rows[i].messages);
	}
	detach(b);
	unit_close(u);
	u = unit_open(0, GUEST_ECAP_LEGACY);
	unit_legacy_tables(u);
	guest_root(&u->g, VTD_TTM_LEGACY);
	guest_command(&u->g, VTD_G_TE, true); /* without a queue */
	b = attach(u, 0, u->dev, NONE, 0, 0);
	row_name = "ICC";
	row_equal(viommu_vhost_miss(b->v, UNIT_IOVA, R), VIOMMU_OK);
	b->count = 0;
	b->answer = VIOMMU_PENDING;
	row_equal(guest_write64(&u->g, VTD_CCMD, BIT(63) | BIT(61)), VIOMMU_PENDING);
	row_equal(b->count, 2);
	row_equal(guest_read64(&u->g, VTD_CCMD) >> 63, 1);
	acknowledge(b);
	row_equal(viommu_run(u->g.iommu), VIOMMU_OK);
	row_equal(guest_read64(&u->g, VTD_CCMD) >> 63, 0);
	row_name = "IVT";
	row_equal(viommu_vhost_miss(b->v, UNIT_IOVA, R), VIOMMU_OK);
	b->count = 0;
	row_equal(guest_write64(&u->g, 0xf8, BIT(63) | BIT(60)), VIOMMU_PENDING);
	row_equal(b->count, 2);
	row_equal(viommu_run(u->g.iommu), VIOMMU_PENDING);
	row_equal(guest_read64(&u->g, 0xf8) >> 63, 1);
	acknowledge(b);
	row_equal(viommu_run(u->g.iommu), VIOMMU_OK);
	row_equal(guest_read64(&u->g, 0xf8) >> 63, 0);
	row_name = "TE off waits for the backend, too";
	row_equal(viommu_vhost_miss(b->v, UNIT_IOVA, R), VIOMMU_OK);
	row_equal(gcmd(u, 0, VTD_G_TE), VIOMMU_PENDING);
	row_equal(gsts(u) & VTD_G_TE, VTD_G_TE);
	acknowledge(b);
	row_equal(viommu_run(u->g.iommu), VIOMMU_OK);
	row_equal(gsts(u) & VTD_G_TE, 0);
	detach(b);
	unit_close(u);
}

static void test_domain_switch(void **state)
{
	struct layout l;
	struct unit *u = open_layout(&l);
	struct backend *b = attach(u, 0, u->dev, NONE, 0, 0);

	(void)state;
	row_name = "31 another context: nothing of the old domain stays";
	row_equal(viommu_vhost_miss(b->v, UNIT_IOVA, R), VIOMMU_OK);
	expect_update(b, 0, UNIT_IOVA, 2 * GUEST_PAGE, host(u, u->page[0]), RW);
	guest_legacy(&u->g, UNIT_RID, UNIT_DID2, u->ss2, 4);
	submit(u, Q_CC(3, UNIT_DID, UNIT_RID, 0), 0);
	submit(u, Q_IOTLB(2, UNIT_DID), 0);
	guest_wait(&u->g);
	expect_invalidate(b, 1, 0, UINT64_MAX / 2);
	expect_invalidate(b, 2, UINT64_MAX / 2 + 1, UINT64_MAX);
	row_equal(b->count, 3);
	row_equal(viommu_vhost_miss(b->v, UNIT_IOVA, R), VIOMMU_OK);
	expect_update(b, 3, UNIT_IOVA, 2 * GUEST_PAGE, host(u, u->page[2]), RW);
	detach(b);
	unit_close(u);
}

/* ---- completion ---- */

static void test_acknowledged(void **state)
{
	struct layout l;
	struct unit *u = open_layout(&l);
	struct backend *b = attach(u, 0, u->dev, NONE, 1, 0);

	(void)state;
	b->answer = VIOMMU_PENDING;
	b->answer_updates = VIOMMU_PENDING;
	row_name = "updates hold back nothing";
	for (unsigned i = 0; i < 8; i++)
		row_equal(viommu_vhost_miss(b->v, AT(i), R), VIOMMU_OK);
	row_equal(statistics(b).outstanding, 8);
	submit(u, Q_IOTLB(3, UNIT_DID), AT(50));
	guest_wait(&u->g);
	row_name = "13 the wait completes when the backend has acknowledged, in order";
	guest_submit(&u->g, Q_IOTLB(3, UNIT_DID), AT(0), 0, 0);
	guest_submit_wait(&u->g);
	row_equal(guest_ring(&u->g), VIOMMU_PENDING);
	row_equal(guest_waited(&u->g), false);
	row_equal(viommu_run(u->g.iommu), VIOMMU_PENDING);
	row_equal(viommu_vhost_acknowledged(b->v, 8), VIOMMU_OK);
	row_equal(viommu_run(u->g.iommu), VIOMMU_PENDING);
	row_equal(guest_waited(&u->g), false);
	row_name = "an update behind it does not count";
	row_equal(viommu_vhost_miss(b->v, AT(0), R), VIOMMU_OK);
	trace_clear(&u->t);
	row_equal(viommu_vhost_acknowledged(b->v, 1), VIOMMU_OK);
	row_equal(trace_count(&u->t, GUEST_ON_WORK) >= 1, true);
	row_equal(guest_waited(&u->g), false);
	row_equal(viommu_run(u->g.iommu), VIOMMU_OK);
	row_equal(guest_waited(&u->g), true);
	row_name = "more than are outstanding";
	row_equal(viommu_vhost_acknowledged(b->v, 2), (uint64_t)VIOMMU_EINVAL);
	row_equal(viommu_vhost_acknowledged(b->v, 1), VIOMMU_OK);
	row_equal(viommu_vhost_acknowledged(b->v, 1), (uint64_t)VIOMMU_EINVAL);
	row_equal(viommu_vhost_acknowledged(b->v, 0), VIOMMU_OK);
	row_equal(viommu_vhost_acknowledged(NULL, 0), (uint64_t)VIOMMU_EINVAL);
	row_name = "another invalidation while one is outstanding";
	b->unacknowledged = 0;
	submit(u, Q_IOTLB(3, UNIT_DID), AT(1));
	guest_submit(&u->g, Q_IOTLB(3, UNIT_DID), AT(3), 0, 0);
	guest_submit_wait(&u->g);
	row_equal(guest_ring(&u->g), VIOMMU_PENDING);
	row_equal(b->unacknowledged, 2);
	row_equal(viommu_vhost_acknowledged(b->v, 1), VIOMMU_OK);
	row_equal(viommu_run(u->g.iommu), VIOMMU_PENDING);
	row_equal(viommu_vhost_acknowledged(b->v, 1), VIOMMU_OK);
	row_equal(viommu_run(u->g.iommu), VIOMMU_OK);
	row_equal(guest_waited(&u->g), true);
	row_name = "a range in two messages: both";
	guest_submit(&u->g, Q_IOTLB(2, UNIT_DID), 0, 0, 0);
	guest_submit_wait(&u->g);
	row_equal(guest_ring(&u->g), VIOMMU_PENDING);
	row_equal(viommu_vhost_acknowledged(b->v, 1), VIOMMU_OK);
	row_equal(viommu_run(u->g.iommu), VIOMMU_PENDING);
	row_equal(viommu_vhost_acknowledged(b->v, 1), VIOMMU_OK);
	row_equal(viommu_run(u->g.iommu), VIOMMU_OK);
	row_equal(guest_waited(&u->g), true);
	detach(b);
	unit_close(u);
}

static void test_several(void **state)
{
	struct layout l;
	struct unit *u = open_layout(&l);
	struct backend *b[3];

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		b[i] = attach(u, i, i == 2 ? u->dev2 : u->dev, NONE, 0, 0);
		b[i]->answer = VIOMMU_PENDING;
		row_equal(viommu_vhost_miss(b[i]->v, UNIT_IOVA, R), VIOMMU_OK);
	}
	row_name = "two backends of a device, one of another";
	expect_update(b[2], 0, UNIT_IOVA, 2 * GUEST_PAGE, host(u, u->page[2]), RW);
	guest_submit(&u->g, Q_IOTLB(3, UNIT_DID), UNIT_IOVA, 0, 0);
	guest_submit_wait(&u->g);
	row_equal(guest_ring(&u->g), VIOMMU_PENDING);
	for (unsigned i = 0; i < 3; i++)
		row_equal(b[i]->count, i == 2 ? 1 : 2);
	row_name = "13 each has to acknowledge";
	acknowledge(b[0]);
	row_equal(viommu_run(u->g.iommu), VIOMMU_PENDING);
	row_name = "freed with a message outstanding: no longer waited for";
	row_equal(viommu_device_free(u->dev2), (uint64_t)VIOMMU_EBUSY);
	trace_clear(&u->t);
	detach(b[1]);
	row_equal(trace_count(&u->t, GUEST_ON_WORK) >= 1, true);
	row_equal(viommu_run(u->g.iommu), VIOMMU_OK);
	row_equal(guest_waited(&u->g), true);
	detach(b[2]);
	detach(b[0]);
	unit_close(u);
}

static void test_send_fails(void **state)
{
	struct layout l;
	struct unit *u = open_layout(&l);
	struct backend *b = attach(u, 0, u->dev, NONE, 1, 0);

	(void)state;
	row_name = "an update that cannot be sent";
	b->answer_updates = VIOMMU_ENOMEM;
	row_equal(viommu_vhost_miss(b->v, AT(0), R), (uint64_t)VIOMMU_ENOMEM);
	b->answer_updates = VIOMMU_FAULT;
	row_equal(viommu_vhost_miss(b->v, AT(0), R), (uint64_t)VIOMMU_EINVAL);
	b->answer_updates = VIOMMU_OK;
	row_equal(viommu_vhost_miss(b->v, AT(0), R), VIOMMU_OK);
	row_equal(statistics(b).outstanding, 0);
	row_name = "13 an invalidation that cannot be sent: never complete";
	b->answer = VIOMMU_ENOMEM;
	guest_submit(&u->g, Q_IOTLB(2, UNIT_DID), 0, 0, 0);
	guest_submit_wait(&u->g);
	row_equal(guest_ring(&u->g), VIOMMU_PENDING);
	b->answer = VIOMMU_OK;
	row_equal(viommu_run(u->g.iommu), VIOMMU_PENDING);
	row_equal(viommu_vhost_miss(b->v, AT(0), R), (uint64_t)VIOMMU_ENOENT);
	row_equal(viommu_run(u->g.iommu), VIOMMU_PENDING);
	row_equal(b->count, 4);
	row_name = "until the backend is disconnected";
	detach(b);
	row_equal(viommu_run(u->g.iommu), VIOMMU_OK);
	row_equal(guest_waited(&u->g), true);
	unit_close(u);
}

/* ---- calls from inside send ---- */

/* The first update is not sent; while the second is, another miss comes and is refused. */
static void refuse_another(struct backend *b, const struct viommu_iotlb_msg *m)
{
	b->answer_updates = VIOMMU_OK; /* from the next one on */
	if (b->count == 2)
		row_equal(viommu_vhost_miss(b->v, AT(20), R), (uint64_t)VIOMMU_EBUSY);
}

static void test_refused_inside(void **state)
{
	struct layout l;
	struct unit *u = open_layout(&l);
	struct backend *b = attach(u, 0, u->dev, NONE, GUEST_PAGE, GUEST_PAGE);

	(void)state;
	row_name = "19 a miss that is refused changes nothing of the one under way";
	b->inside = refuse_another;
	b->answer_updates = VIOMMU_ENOMEM;
	row_equal(viommu_vhost_miss(b->v, AT(5), R), (uint64_t)VIOMMU_ENOMEM);
	row_equal(b->count, 2);
	row_equal(statistics(b).misses, 1);
	detach(b);
	unit_close(u);
}

static void call_everything(struct backend *b, const struct viommu_iotlb_msg *m)
{
	struct unit *u = b->u;
	bool update = m->type == VIOMMU_IOTLB_UPDATE;
	struct viommu_listener_config quiet = { .size = sizeof(quiet) };
	struct viommu_listener *listener;
	uint64_t value;

	row_name = update ? "19 inside a miss" : "19 inside a register access";
	b->inside = NULL;
	b->scratch++;
	row_equal(viommu_vhost_free(b->v), (uint64_t)VIOMMU_EBUSY);
	row_equal(statistics(b).outstanding, 1);
	row_equal(where(u->dev, AT(1), R), target_base + GUEST_PAGE);
	if (update) {
		row_equal(viommu_vhost_miss(b->v, AT(2), R), (uint64_t)VIOMMU_EBUSY);
		row_equal(viommu_reg_read(u->g.iommu, VTD_GSTS, 4, &value), VIOMMU_OK);
		row_equal(submit(u, Q_IOTLB(2, UNIT_DID), 0), VIOMMU_OK);
		guest_submit_wait(&u->g);
		row_name = "13 what is told inside a miss waits until it has been sent";
		row_equal(guest_ring(&u->g), VIOMMU_PENDING);
		row_equal(b->count, 1);
		row_equal(viommu_listener_new(u->g.iommu, u->dev, &quiet, &listener), VIOMMU_OK);
		row_equal(viommu_listener_free(listener), VIOMMU_OK);
	} else {
		row_equal(viommu_reg_read(u->g.iommu, VTD_GSTS, 4, &value), (uint64_t)VIOMMU_EBUSY);
		row_equal(viommu_run(u->g.iommu), (uint64_t)VIOMMU_EBUSY);
		row_equal(viommu_reset(u->g.iommu), (uint64_t)VIOMMU_EBUSY);
		row_equal(viommu_listener_new(u->g.iommu, u->dev, &quiet, &listener),
			  (uint64_t)VIOMMU_EBUSY);
		row_name = "a miss from inside send is left to the sender";
		row_equal(viommu_vhost_miss(b->v, AT(2), R), VIOMMU_OK);
	}
}

static void acknowledge_inside(struct backend *b, const struct viommu_iotlb_msg *m)
{
	row_equal(viommu_vhost_acknowledged(b->v, 1), VIOMMU_OK);
}

static void test_inside(void **state)
{
	struct layout l;
	struct unit *u = open_layout(&l);
	struct backend *b = attach(u, 0, u->dev, NONE, 1, 0);

	(void)state;
	b->inside = call_everything;
	row_equal(viommu_vhost_miss(b->v, AT(0), R), VIOMMU_OK);
	row_equal(b->scratch, 1);
	row_equal(b->count, 3);
	row_equal(viommu_run(u->g.iommu), VIOMMU_OK);
	row_equal(guest_waited(&u->g), true);
	row_equal(viommu_vhost_miss(b->v, AT(0), R), VIOMMU_OK);
	b->inside = call_everything;
	submit(u, Q_IOTLB(3, UNIT_DID), AT(0));
	row_equal(b->scratch, 2);
	row_equal(b->count, 6);
	expect_update(b, 5, AT(2), GUEST_PAGE, host(u, target(&l, 2)), RW);
	row_name = "acknowledged before send returns";
	b->inside = acknowledge_inside;
	b->answer = VIOMMU_PENDING;
	b->answer_updates = VIOMMU_PENDING;
	row_equal(viommu_vhost_miss(b->v, AT(7), R), VIOMMU_OK);
	guest_submit(&u->g, Q_IOTLB(2, UNIT_DID), 0, 0, 0);
	guest_submit_wait(&u->g);
	row_equal(guest_ring(&u->g), VIOMMU_OK);
	row_equal(guest_waited(&u->g), true);
	row_equal(statistics(b).outstanding, 0);
	detach(b);
	unit_close(u);
}

#define FLOOD 150U

static void flood(struct backend *b, const struct viommu_iotlb_msg *m)
{
	struct unit *u = b->u;

	b->inside = NULL;
	for (unsigned i = 0; i < FLOOD; i++)
		row_equal(submit(u, Q_IOTLB(3, UNIT_DID), GUEST_BASE + 2 * i * GUEST_PAGE),
			  VIOMMU_OK);
	guest_submit_wait(&u->g);
	row_equal(guest_ring(&u->g), VIOMMU_PENDING);
	row_equal(b->count, 1);
}

/* More than the queue has places for: less precise, never less. */
static void test_full_queue(void **state)
{
	struct unit *u = unit_open(0, GUEST_ECAP_LEGACY);
	struct backend *b;

	(void)state;
	unit_legacy_tables(u);
	guest_legacy_tt(&u->g, UNIT_RID, UNIT_DID, 0, 4, 2);
	guest_start(&u->g, VTD_TTM_LEGACY);
	b = attach(u, 0, u->dev, NONE, 0, 0);
	b->inside = flood;
	row_name = "27 more invalidations than the queue holds";
	row_equal(viommu_vhost_miss(b->v, GUEST_BASE, R), VIOMMU_OK);
	row_equal(b->count > 10 && b->count < FLOOD, true);
	for (unsigned i = 0; i < FLOOD; i++) {
		uint64_t iova = GUEST_BASE + 2 * i * GUEST_PAGE;
		bool covered = false;

		for (unsigned n = 1; n < b->count; n++)
			covered = covered || (b->log[n].iova <= iova &&
					      iova - b->log[n].iova < b->log[n].size);
		row_equal(covered, true);
	}
	row_equal(viommu_run(u->g.iommu), VIOMMU_OK);
	row_equal(guest_waited(&u->g), true);
	row_equal(statistics(b).outstanding, 0);
	detach(b);
	unit_close(u);
}

/* A guest that invalidates between translation and update: the update is made again; and when that
 * happens each time, the backend is told to forget it, and the guest waits for that. */
struct meddler {
	struct unit *u;
	struct layout *l;
	unsigned left;
	uint64_t entry;
	unsigned page; /* that changes when the entry is read */
};

static struct meddler meddler;

/* What is about to be returned is what was there before. */
static void meddle(void *opaque, uint64_t gpa, void *bytes, uint32_t count)
{
	struct meddler *m = opaque;
	struct unit *u = m->u;

	(void)bytes;
	(void)count;
	if (gpa != m->entry || !m->left)
		return;
	m->left--;
	m->l->target[m->page]++;
	map(u, m->l, m->page);
	guest_submit(&u->g, Q_IOTLB(3, UNIT_DID), AT(m->page), 0, 0);
	guest_submit_wait(&u->g);
	row_equal(guest_ring(&u->g), VIOMMU_PENDING);
}

static struct unit *open_callbacks(struct layout *l)
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

static void test_stale(void **state)
{
	(void)state;
	for (unsigned times = 0; times < 6; times++) {
		struct layout l;
		struct unit *u = open_callbacks(&l);
		struct backend *b;

		row_name = "12 an update that an invalidation overtook is not sent";
		b = attach(u, 0, u->dev, NONE, 1, 0);
		meddler = (struct meddler){ u, &l, times, guest_entry(&u->g, u->ss, 4, AT(1), 0, 3),
					    1 };
		u->g.alter = meddle;
		u->g.alter_opaque = &meddler;
		b->answer = VIOMMU_PENDING;
		row_equal(viommu_vhost_miss(b->v, AT(1), R), VIOMMU_OK);
		row_equal(meddler.left, times > 4 ? times - 4 : 0);
		meddler.left = 0;
		if (times < 4) {
			row_equal(b->count, 1);
			expect_update(b, 0, AT(1), GUEST_PAGE,
				      (uint64_t)(uintptr_t)outside + l.target[1] * GUEST_PAGE, RW);
			row_equal(viommu_run(u->g.iommu), VIOMMU_OK);
		} else {
			row_name = "12 not even then does the guest learn it too early";
			row_equal(b->count, 2);
			expect_invalidate(b, 1, AT(1), AT(1) + 0xfff);
			row_equal(viommu_run(u->g.iommu), VIOMMU_PENDING);
			row_equal(guest_waited(&u->g), false);
			acknowledge(b);
			row_equal(viommu_run(u->g.iommu), VIOMMU_OK);
		}
		row_equal(guest_waited(&u->g), true);
		detach(b);
		guest_fini(&u->g);
	}
}

/* What is read around the address and ahead of it may be overtaken as well. */
static void test_stale_neighbours(void **state)
{
	static const struct {
		const char *name;
		uint64_t reach;
		uint64_t ahead;
		unsigned read; /* when this page is looked at, */
		unsigned page; /* this one changes */
	} rows[] = {
		{ "12 above", 0, 0, 3, 2 },
		{ "12 below", 0, 0, 0, 0 },
		{ "12 read ahead", 1, 2 * GUEST_PAGE, 3, 2 },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct layout l;
		struct unit *u = open_callbacks(&l);
		struct backend *b = attach(u, 0, u->dev, NONE, rows[i].reach, rows[i].ahead);

		row_name = rows[i].name;
		meddler = (struct meddler){ u, &l, 1,
					    guest_entry(&u->g, u->ss, 4, AT(rows[i].read), 0, 3),
					    rows[i].page };
		u->g.alter = meddle;
		u->g.alter_opaque = &meddler;
		row_equal(viommu_vhost_miss(b->v, AT(1), R), VIOMMU_OK);
		row_equal(meddler.left, 0);
		row_equal(viommu_run(u->g.iommu), VIOMMU_OK);
		row_equal(guest_waited(&u->g), true);
		for (unsigned p = 0; p < 4; p++) {
			uint64_t right = (uint64_t)(uintptr_t)outside + l.target[p] * GUEST_PAGE;

			row_equal(b->page[p].uaddr == 0 || b->page[p].uaddr == right, true);
		}
		detach(b);
		guest_fini(&u->g);
	}
}

/* A completion that was saved does not overtake what the restore invalidates. */
static void test_restored_completion(void **state)
{
	struct unit *u = unit_open(0, GUEST_ECAP_LEGACY);
	struct viommu_channel *c;
	struct backend *b;
	uint64_t bytes = 0;
	void *saved;

	(void)state;
	row_name = "29 a restored completion waits for the backend";
	unit_legacy_tables(u);
	guest_root(&u->g, VTD_TTM_LEGACY);
	guest_command(&u->g, VTD_G_TE, true);
	c = guest_channel(&u->g, u->dev, NONE);
	viommu_enter(c);
	row_equal(guest_write64(&u->g, 0xf8, BIT(63) | BIT(60)), VIOMMU_PENDING);
	row_equal(viommu_save(u->g.iommu, NULL, &bytes), (uint64_t)VIOMMU_ENOSPC);
	saved = malloc(bytes);
	row_equal(viommu_save(u->g.iommu, saved, &bytes), VIOMMU_OK);
	viommu_leave(c);
	row_equal(viommu_run(u->g.iommu), VIOMMU_OK);
	b = attach(u, 0, u->dev, NONE, 0, 0);
	b->answer = VIOMMU_PENDING;
	row_equal(viommu_vhost_miss(b->v, UNIT_IOVA, R), VIOMMU_OK);
	row_equal(viommu_restore(u->g.iommu, saved, bytes), VIOMMU_PENDING);
	row_equal(statistics(b).outstanding, 2);
	row_equal(viommu_run(u->g.iommu), VIOMMU_PENDING);
	row_equal(guest_read64(&u->g, 0xf8) >> 63, 1);
	acknowledge(b);
	row_equal(viommu_run(u->g.iommu), VIOMMU_OK);
	row_equal(guest_read64(&u->g, 0xf8) >> 63, 0);
	free(saved);
	detach(b);
	unit_close(u);
}

/* ---- anything in any order ---- */

static uint64_t random_state;

static unsigned choose(unsigned n)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (unsigned)(random_state % n);
}

/* What the backend has, the tables grant. @all: also what has not been invalidated since. */
static void check_known(struct backend *b, const struct layout *l, const bool *changed)
{
	for (unsigned i = 0; i < PAGES; i++) {
		if (!b->page[i].uaddr || changed[i])
			continue;
		row_equal(b->page[i].uaddr, host(b->u, target(l, i)));
		row_equal(b->page[i].perm & ~l->perm[i], 0);
	}
}

static void change(struct unit *u, struct layout *l, bool *changed)
{
	unsigned first = choose(PAGES);
	unsigned count = 1 + choose(8);

	for (unsigned i = first; i < first + count && i < PAGES; i++) {
		l->target[i] = choose(4) ? i + choose(2) * 3 : choose(2 * PAGES);
		l->perm[i] = choose(5) ? RW : choose(4);
		map(u, l, i);
		changed[i] = true;
	}
}

static void invalidate(struct unit *u, bool *changed, const bool *before)
{
	if (choose(16) == 0) {
		guest_submit(&u->g, Q_IOTLB(2, UNIT_DID), 0, 0, 0);
		for (unsigned i = 0; i < PAGES; i++)
			changed[i] = false;
		return;
	}
	for (unsigned i = 0; i < PAGES; i++) {
		if (before[i] && choose(8)) {
			guest_submit(&u->g, Q_IOTLB(3, UNIT_DID), AT(i), 0, 0);
			changed[i] = false;
		}
	}
}

static void test_any_order(void **state)
{
	const char *seed = getenv("VIOMMU_SEED");
	const char *scale = getenv("VIOMMU_TEST_SCALE");
	unsigned rounds = 4000 * (scale ? (unsigned)atoi(scale) : 100U) / 100;
	bool changed[PAGES] = { false };
	struct layout l;
	struct unit *u = open_layout(&l);
	struct backend *b = attach(u, 0, u->dev, NONE, 16 * GUEST_PAGE, 4 * GUEST_PAGE);

	(void)state;
	random_state = seed ? strtoull(seed, NULL, 0) : 1;
	print_message("VIOMMU_SEED=%ju\n", (uintmax_t)random_state);
	random_state = random_state * 2 + 1;
	row_name = "31 the backend has nothing that the tables do not grant";
	for (unsigned r = 0; r < rounds; r++) {
		bool before[PAGES];

		for (unsigned i = choose(4); i > 0; i--)
			viommu_vhost_miss(b->v, AT(choose(PAGES)), 1 + choose(3));
		change(u, &l, changed);
		for (unsigned i = choose(3); i > 0; i--)
			viommu_vhost_miss(b->v, AT(choose(PAGES)), 1 + choose(3));
		for (unsigned i = 0; i < PAGES; i++)
			before[i] = changed[i];
		b->answer = choose(2) ? VIOMMU_OK : VIOMMU_PENDING;
		b->answer_updates = choose(2) ? VIOMMU_OK : VIOMMU_PENDING;
		invalidate(u, changed, before);
		guest_submit_wait(&u->g);
		guest_ring(&u->g);
		while (!guest_waited(&u->g)) {
			row_equal(b->unacknowledged > 0, true);
			row_equal(viommu_vhost_acknowledged(b->v, 1), VIOMMU_OK);
			b->unacknowledged--;
			viommu_run(u->g.iommu);
		}
		acknowledge(b);
		check_known(b, &l, changed);
		b->count = 0;
		guest_take_faults(&u->g);
	}
	print_message("%ju updates, %ju invalidations, %ju without a message of their own\n",
		      (uintmax_t)statistics(b).updates, (uintmax_t)statistics(b).invalidations,
		      (uintmax_t)statistics(b).coalesced);
	detach(b);
	unit_close(u);
}

/* ---- life ---- */

static void test_config(void **state)
{
	static const struct {
		const char *name;
		struct viommu_vhost_config config;
		int result;
	} rows[] = {
		{ "no size", { .send = on_send }, VIOMMU_ESIZE },
		{ "no send", { .size = sizeof(rows->config), .pasid = NONE }, VIOMMU_EINVAL },
		{ "flags",
		  { .size = sizeof(rows->config), .pasid = NONE, .flags = 1, .send = on_send },
		  VIOMMU_EINVAL },
		{ "PASID of 21 bits",
		  { .size = sizeof(rows->config), .pasid = 1 << 20, .send = on_send },
		  VIOMMU_EINVAL },
		{ "reach is no power of two",
		  { .size = sizeof(rows->config), .pasid = NONE, .reach = 12288, .send = on_send },
		  VIOMMU_EINVAL },
	};
	struct unit *u = unit_legacy(GUEST_ECAP_LEGACY);
	const struct viommu_vhost_config good = { .size = sizeof(good),
						  .pasid = NONE,
						  .send = on_send };
	struct viommu_vhost_statistics s = { .size = 8 };
	struct viommu_vhost *v = NULL;

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		row_name = rows[i].name;
		row_equal(viommu_vhost_new(u->dev, &rows[i].config, &v), (uint64_t)rows[i].result);
	}
	row_name = "misuse";
	row_equal(viommu_vhost_new(NULL, &good, &v), (uint64_t)VIOMMU_EINVAL);
	row_equal(viommu_vhost_new(u->dev, NULL, &v), (uint64_t)VIOMMU_EINVAL);
	row_equal(viommu_vhost_new(u->dev, &good, NULL), (uint64_t)VIOMMU_EINVAL);
	row_equal(viommu_vhost_free(NULL), VIOMMU_OK);
	row_equal(viommu_vhost_get_statistics(NULL, &s), (uint64_t)VIOMMU_EINVAL);
	row_name = "28 no memory: nothing is left behind";
	for (unsigned i = 1; i <= 2; i++) {
		u->g.no_memory_in = i;
		row_equal(viommu_vhost_new(u->dev, &good, &v), (uint64_t)VIOMMU_ENOMEM);
		u->g.no_memory_in = 0;
	}
	row_name = "a device that has a backend is not freed";
	row_equal(viommu_vhost_new(u->dev, &good, &v), VIOMMU_OK);
	row_equal(viommu_vhost_get_statistics(v, &s), (uint64_t)VIOMMU_ESIZE);
	row_equal(viommu_device_free(u->dev), (uint64_t)VIOMMU_EBUSY);
	row_equal(viommu_vhost_free(v), VIOMMU_OK);
	unit_close(u);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_borders),
		cmocka_unit_test(test_reach),
		cmocka_unit_test(test_ahead),
		cmocka_unit_test(test_regions),
		cmocka_unit_test(test_clean),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_identity),
		cmocka_unit_test(test_pass_through),
		cmocka_unit_test(test_gathering),
		cmocka_unit_test(test_commands),
		cmocka_unit_test(test_domain_switch),
		cmocka_unit_test(test_acknowledged),
		cmocka_unit_test(test_several),
		cmocka_unit_test(test_send_fails),
		cmocka_unit_test(test_inside),
		cmocka_unit_test(test_refused_inside),
		cmocka_unit_test(test_full_queue),
		cmocka_unit_test(test_stale),
		cmocka_unit_test(test_stale_neighbours),
		cmocka_unit_test(test_restored_completion),
		cmocka_unit_test(test_any_order),
		cmocka_unit_test(test_config),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
