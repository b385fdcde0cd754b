/* SPDX-License-Identifier: BSD-3-Clause */
/* test_vhost_updates.c - what an update covers, and what comes before it (obligations 8, 9, 28, 32,
 * 35). */

#include <sys/mman.h>

#include "vhost_backend.h"

/* The run around a page, by looking at every border. @replaced: an invalidation comes first. */
static void expect_run(struct backend *b, unsigned nth, const struct layout *l, unsigned page,
		       unsigned reach, bool replaced)
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
	if (replaced)
		expect_invalidate(b, nth++, AT(first), AT(last) + 0xfff);
	expect_update(b, nth, AT(first), (last - first + 1) * GUEST_PAGE,
		      host(b->u, target(l, first)), (uint32_t)l->perm[page]);
}

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
					expect_run(b, 0, &l, from[i], PAGES, false);
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
		bool alone[PAGES] = { false };

		for (unsigned i = 0; i < PAGES; i += 3) {
			const unsigned block = i / reach;
			/* what goes on from the block before is one range of the record, until it
			 * is asked for again */
			bool replaced = b->page[i].uaddr != 0 && block && !alone[block] &&
					!alone[block - 1];

			alone[block] |= replaced;
			b->count = 0;
			row_equal(viommu_vhost_miss(b->v, AT(i) + 0xfff, RW), VIOMMU_OK);
			expect_run(b, 0, &l, i, reach, replaced);
			row_equal(b->count, 1 + replaced);
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
		{ "two regions that touch in host memory: the first", 20, R, VIOMMU_OK, 20, 1, 4,
		  RW },
		{ "the second", 21, R, VIOMMU_OK, 21, 2, 5, RW },
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
	add_region(u, gpa + 40 * GUEST_PAGE, 4, 1, 0);
	add_region(u, gpa + 41 * GUEST_PAGE, 5, 2, 0);
	for (unsigned i = 0; i < 23; i++)
		guest_put64(&u->g, guest_entry(&u->g, u->ss, 4, AT(i), 0, 3),
			    (gpa + (i < 16   ? i
				    : i < 18 ? i + 4
				    : i < 20 ? i + 12
					     : i + 20) *
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
	/* Linux vhost answers EPERM when a range lacks a permission, and asks no more: what it is
	 * given once has to be all that the tables grant. */
	row_name = "9 a clean page is made dirty when it is sent, and none beside it";
	row_equal(viommu_vhost_miss(b->v, UNIT_IOVA, R), VIOMMU_OK);
	expect_update(b, 0, UNIT_IOVA, GUEST_PAGE, host(u, u->page[0]), RW);
	row_equal(guest_get64(&u->g, entry) & 0x60, 0x60);
	row_equal(guest_get64(&u->g, entry + 8) & 0x40, 0);
	row_name = "9 runs do not mix; 35 what was sent is not sent again with its neighbour";
	row_equal(viommu_vhost_miss(b->v, UNIT_IOVA + GUEST_PAGE, W), VIOMMU_OK);
	expect_update(b, 1, UNIT_IOVA + GUEST_PAGE, GUEST_PAGE, host(u, u->page[1]), RW);
	row_equal(guest_get64(&u->g, entry + 8) & 0x60, 0x60);
	row_name = "35 asked for again, which was two messages: an invalidation first";
	row_equal(viommu_vhost_miss(b->v, UNIT_IOVA + GUEST_PAGE, W), VIOMMU_OK);
	expect_invalidate(b, 2, UNIT_IOVA, UNIT_IOVA + 2 * GUEST_PAGE - 1);
	expect_update(b, 3, UNIT_IOVA, 2 * GUEST_PAGE, host(u, u->page[0]), RW);
	row_equal(b->count, 4);
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
	expect_update(b, 1, AT(4), 2 * GUEST_PAGE, host(u, target(&l, 4)), R);
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

/* ---- 35: what comes before an update that overlaps what was sent ---- */

/* A miss, then tables that are what they are without an invalidation that the guest owes, then
 * another miss. */
static void test_overlaps(void **state)
{
	static const struct {
		const char *name;
		unsigned pages; /* mapped at first, the last of them read-only if .lacks */
		bool lacks;
		unsigned before; /* missed first */
		uint32_t access; /* of the second miss */
		unsigned mapped; /* then */
		unsigned missed;
		bool invalidated;
		unsigned inv_first, inv_last;
		unsigned first, last; /* of the update */
	} rows[] = {
		{ "the same page again", 1, false, 0, R, 1, 0, false, 0, 0, 0, 0 },
		{ "the same range, another page of it", 8, false, 2, R, 8, 5, false, 0, 0, 0, 7 },
		{ "a range that grew upwards, a new page", 4, false, 0, R, 6, 4, false, 0, 0, 4,
		  5 },
		{ "a range that grew upwards, an old page", 4, false, 0, R, 6, 1, true, 0, 3, 0,
		  5 },
		{ "read-only, then for writing", 4, true, 3, W, 4, 3, true, 3, 3, 0, 3 },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct layout l;
		struct unit *u = open_layout(&l);
		struct backend *b;

		for (unsigned n = 0; n < PAGES; n++) {
			l.perm[n] = n < rows[i].pages ? RW : 0;
			if (rows[i].lacks && n == rows[i].pages - 1)
				l.perm[n] = R;
			map(u, &l, n);
		}
		submit(u, Q_IOTLB(2, UNIT_DID), 0);
		b = attach(u, 0, u->dev, NONE, 0, 0);
		row_name = rows[i].name;
		row_equal(viommu_vhost_miss(b->v, AT(rows[i].before), R), VIOMMU_OK);
		row_equal(b->count, 1);
		for (unsigned n = 0; n < rows[i].mapped; n++) {
			l.perm[n] = RW;
			map(u, &l, n);
		}
		b->count = 0;
		row_equal(viommu_vhost_miss(b->v, AT(rows[i].missed), rows[i].access), VIOMMU_OK);
		row_equal(b->count, 1U + rows[i].invalidated);
		if (rows[i].invalidated)
			expect_invalidate(b, 0, AT(rows[i].inv_first),
					  AT(rows[i].inv_last) + 0xfff);
		expect_update(b, rows[i].invalidated, AT(rows[i].first),
			      (rows[i].last - rows[i].first + 1) * GUEST_PAGE,
			      host(u, target(&l, rows[i].first)), RW);
		row_equal(recorded(u), 0);
		detach(b);
		unit_close(u);
	}
}

/* Part of what was sent is made writable: the rest stays, and is invalidated when it has to be. */
static void test_overlap_inside(void **state)
{
	struct layout l;
	struct unit *u = open_layout(&l);
	struct backend *b = attach(u, 0, u->dev, NONE, 0, 0);

	(void)state;
	row_name = "35 a page in the middle";
	for (unsigned i = 0; i < 8; i++) {
		l.perm[i] = R;
		map(u, &l, i);
	}
	submit(u, Q_IOTLB(2, UNIT_DID), 0);
	row_equal(viommu_vhost_miss(b->v, AT(3), R), VIOMMU_OK);
	expect_update(b, 0, AT(0), 8 * GUEST_PAGE, host(u, target(&l, 0)), R);
	l.perm[3] = RW;
	map(u, &l, 3);
	row_equal(viommu_vhost_miss(b->v, AT(3), W), VIOMMU_OK);
	expect_invalidate(b, 1, AT(3), AT(3) + 0xfff);
	expect_update(b, 2, AT(3), GUEST_PAGE, host(u, target(&l, 3)), RW);
	row_name = "5 what is left of the old range is invalidated as it is";
	submit(u, Q_IOTLB(3, UNIT_DID), AT(2));
	submit(u, Q_IOTLB(3, UNIT_DID), AT(7));
	row_equal(b->count, 5);
	expect_invalidate(b, 3, AT(2), AT(2) + 0xfff);
	expect_invalidate(b, 4, AT(7), AT(7) + 0xfff);
	row_name = "35 a backend that lost more than it was told asks again";
	row_equal(viommu_vhost_miss(b->v, AT(5), R), VIOMMU_OK);
	expect_invalidate(b, 5, AT(4), AT(6) + 0xfff);
	expect_update(b, 6, AT(4), 4 * GUEST_PAGE, host(u, target(&l, 4)), R);
	row_equal(b->count, 7);
	detach(b);
	unit_close(u);
}

/* A page that was sent read-only is asked for, for writing. */
static void make_room(struct backend *b, struct layout *l, unsigned i, int result)
{
	l->perm[i] = R;
	map(b->u, l, i);
	submit(b->u, Q_IOTLB(3, UNIT_DID), AT(i));
	row_equal(viommu_vhost_miss(b->v, AT(i), R), VIOMMU_OK);
	l->perm[i] = RW;
	map(b->u, l, i);
	b->answer = result == VIOMMU_OK ? VIOMMU_PENDING : VIOMMU_ENOMEM;
	row_equal(viommu_vhost_miss(b->v, AT(i), W), (uint64_t)result);
}

/* An invalidation that makes room is none of the guest's: nobody waits for it. */
static void test_room_is_not_waited_for(void **state)
{
	struct layout l;
	struct unit *u = open_layout(&l);
	struct backend *b = attach(u, 0, u->dev, NONE, 1, 0);

	(void)state;
	row_name = "35 it holds back nothing";
	b->answer = VIOMMU_PENDING;
	b->answer_updates = VIOMMU_PENDING;
	make_room(b, &l, 0, VIOMMU_OK);
	row_equal(b->count, 3);
	row_equal(statistics(b).outstanding, 3);
	submit(u, Q_IOTLB(3, UNIT_DID), AT(50));
	guest_wait(&u->g);
	row_equal(guest_waited(&u->g), true);
	row_name = "13 and the guest's own, behind it, waits for all three";
	guest_submit(&u->g, Q_IOTLB(3, UNIT_DID), AT(0), 0, 0);
	guest_submit_wait(&u->g);
	row_equal(guest_ring(&u->g), VIOMMU_PENDING);
	row_equal(b->count, 4);
	row_equal(viommu_vhost_acknowledged(b->v, 3), VIOMMU_OK);
	row_equal(viommu_run(u->g.iommu), VIOMMU_PENDING);
	row_equal(viommu_vhost_acknowledged(b->v, 1), VIOMMU_OK);
	row_equal(viommu_run(u->g.iommu), VIOMMU_OK);
	row_equal(guest_waited(&u->g), true);
	row_name = "34 one that cannot be sent breaks the connection";
	b->count = 0;
	make_room(b, &l, 1, VIOMMU_ENOENT);
	row_equal(b->count, 2);
	expect_invalidate(b, 1, AT(1), AT(1) + 0xfff);
	guest_submit(&u->g, Q_IOTLB(3, UNIT_DID), AT(1), 0, 0);
	guest_submit_wait(&u->g);
	row_equal(guest_ring(&u->g), VIOMMU_PENDING);
	row_equal(viommu_run(u->g.iommu), VIOMMU_PENDING);
	detach(b);
	row_equal(viommu_run(u->g.iommu), VIOMMU_OK);
	unit_close(u);
}

/* Nothing is on record then, and the guest's own invalidation is not sent. */
static void test_room_for_nothing(void **state)
{
	struct layout l;
	struct unit *u = open_layout(&l);
	struct backend *b = attach(u, 0, u->dev, NONE, 1, 0);

	(void)state;
	row_name = "13 room was made, and the update not sent: the guest waits for the room";
	b->answer_updates = VIOMMU_PENDING;
	row_equal(viommu_vhost_miss(b->v, AT(1), R), VIOMMU_OK);
	b->answer_updates = VIOMMU_OK;
	row_equal(viommu_vhost_miss(b->v, AT(0), R), VIOMMU_OK);
	l.perm[0] = R;
	map(u, &l, 0);
	submit(u, Q_IOTLB(3, UNIT_DID), AT(0));
	guest_wait(&u->g);
	row_equal(viommu_vhost_miss(b->v, AT(0), R), VIOMMU_OK);
	l.perm[0] = RW;
	map(u, &l, 0);
	b->answer = VIOMMU_PENDING;
	b->answer_updates = VIOMMU_ENOMEM;
	row_equal(viommu_vhost_miss(b->v, AT(0), W), (uint64_t)VIOMMU_ENOMEM);
	guest_submit(&u->g, Q_IOTLB(3, UNIT_DID), AT(0), 0, 0);
	guest_submit_wait(&u->g);
	row_equal(guest_ring(&u->g), VIOMMU_PENDING);
	row_equal(viommu_run(u->g.iommu), VIOMMU_PENDING);
	row_equal(guest_waited(&u->g), false);
	row_equal(viommu_vhost_acknowledged(b->v, 2), VIOMMU_OK);
	row_equal(viommu_run(u->g.iommu), VIOMMU_OK);
	row_equal(guest_waited(&u->g), true);
	row_name = "an update that needed none holds back nothing";
	row_equal(viommu_vhost_miss(b->v, AT(2), R), (uint64_t)VIOMMU_ENOMEM);
	submit(u, Q_IOTLB(3, UNIT_DID), AT(50));
	guest_wait(&u->g);
	detach(b);
	unit_close(u);
}

/* ---- 35: the very same again ---- */

/* As a backend does whose threads ask for the same, or that asks for what it has. */
static void test_again(void **state)
{
	static const struct {
		const char *name;
		uint64_t reach;
		unsigned run;	  /* so many pages go on */
		unsigned message; /* so many are sent at once */
	} rows[] = {
		{ "35 asked for again and again: no invalidations, page by page", 0, 1, 1 },
		{ "35 the same, no further than the page", 1, 1, 1 },
		{ "35 the same, runs", 0, 4, 4 },
		{ "35 the same, runs as long as the reach", 8 * GUEST_PAGE, 8, 8 },
		{ "35 the same, all of it", 0, PAGES, PAGES },
	};

	(void)state;
	for (size_t r = 0; r < ROWS(rows); r++) {
		struct layout l;
		struct unit *u = open_layout(&l);
		struct backend *b = attach(u, 0, u->dev, NONE, rows[r].reach, 0);

		row_name = rows[r].name;
		for (unsigned i = 0; i < PAGES; i++) {
			l.target[i] = i + i / rows[r].run;
			map(u, &l, i);
		}
		submit(u, Q_IOTLB(2, UNIT_DID), 0);
		for (unsigned n = 0; n < 3 * PAGES; n++) {
			unsigned first = n % PAGES / rows[r].message * rows[r].message;

			b->count = 0;
			row_equal(viommu_vhost_miss(b->v, AT(n % PAGES), R), VIOMMU_OK);
			row_equal(b->count, 1);
			expect_update(b, 0, AT(first), rows[r].message * GUEST_PAGE,
				      host(u, target(&l, first)), RW);
			submit(u, Q_IOTLB(3, UNIT_DID2), AT(n % PAGES));
			row_equal(b->count, 1);
			if (n > 2 * PAGES)
				lose(b, n % PAGES);
		}
		row_equal(statistics(b).updates, 3 * PAGES);
		row_equal(statistics(b).invalidations, 0);
		for (unsigned i = 0; i < PAGES; i++) {
			b->count = 0;
			submit(u, Q_IOTLB(3, UNIT_DID), AT(i));
			row_equal(b->count, 1);
			expect_invalidate(b, 0, AT(i), AT(i) + 0xfff);
		}
		detach(b);
		unit_close(u);
	}
}

/* Two messages that go on are one range of the record: a backend may have lost one of them. */
static void test_again_joined(void **state)
{
	struct layout l;
	struct unit *u = open_layout(&l);
	struct backend *b = attach(u, 0, u->dev, NONE, 0, 0);

	(void)state;
	row_name = "35 what was two messages: an invalidation first";
	for (unsigned i = 1; i < PAGES; i++) {
		l.perm[i] = 0;
		map(u, &l, i);
	}
	submit(u, Q_IOTLB(2, UNIT_DID), 0);
	row_equal(viommu_vhost_miss(b->v, AT(0), R), VIOMMU_OK);
	l.perm[1] = RW;
	map(u, &l, 1);
	row_equal(viommu_vhost_miss(b->v, AT(1), R), VIOMMU_OK);
	row_equal(viommu_vhost_miss(b->v, AT(0), R), VIOMMU_OK);
	row_equal(b->count, 4);
	expect_invalidate(b, 2, AT(0), AT(1) + 0xfff);
	expect_update(b, 3, AT(0), 2 * GUEST_PAGE, host(u, target(&l, 0)), RW);
	row_name = "35 now it is one";
	row_equal(viommu_vhost_miss(b->v, AT(1), R), VIOMMU_OK);
	row_equal(b->count, 5);
	expect_update(b, 4, AT(0), 2 * GUEST_PAGE, host(u, target(&l, 0)), RW);
	row_name = "35 a part of it was invalidated: what is left, as it is";
	submit(u, Q_IOTLB(2, UNIT_DID), 0);
	for (unsigned i = 0; i < 8; i++) {
		l.target[i] = i;
		l.perm[i] = RW;
		map(u, &l, i);
	}
	row_equal(viommu_vhost_miss(b->v, AT(0), R), VIOMMU_OK);
	l.perm[3] = 0;
	map(u, &l, 3);
	submit(u, Q_IOTLB(3, UNIT_DID), AT(3));
	b->count = 0;
	row_equal(viommu_vhost_miss(b->v, AT(6), R), VIOMMU_OK);
	row_equal(viommu_vhost_miss(b->v, AT(1), R), VIOMMU_OK);
	row_equal(b->count, 2);
	expect_update(b, 0, AT(4), 4 * GUEST_PAGE, host(u, target(&l, 4)), RW);
	expect_update(b, 1, AT(0), 3 * GUEST_PAGE, host(u, target(&l, 0)), RW);
	detach(b);
	unit_close(u);
}

/* Messages that go on, and are together more than one message can be: the first to be asked for again is
 * invalidated, once. Other threads of the backend would lose it each time. */
static void test_again_longer_than_reach(void **state)
{
	enum { REACH = 8 };
	struct layout l;
	struct unit *u = open_layout(&l);
	struct backend *b = attach(u, 0, u->dev, NONE, REACH * GUEST_PAGE, 0);

	(void)state;
	row_name = "35 each block once";
	for (unsigned i = 0; i < PAGES; i += REACH)
		row_equal(viommu_vhost_miss(b->v, AT(i), R), VIOMMU_OK);
	row_equal(b->count, PAGES / REACH);
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < PAGES; i += REACH) {
			row_name = round ? "35 asked for again and again: no invalidation"
					 : "35 asked for again: an invalidation, of it alone";
			b->count = 0;
			row_equal(viommu_vhost_miss(b->v, AT(i + 3), R), VIOMMU_OK);
			row_equal(b->count, round ? 1 : 2);
			if (!round)
				expect_invalidate(b, 0, AT(i), AT(i + REACH) - 1);
			expect_update(b, !round, AT(i), REACH * GUEST_PAGE, host(u, target(&l, i)),
				      RW);
			if (round == 1)
				lose(b, i);
		}
	}
	row_name = "5 and all of it is invalidated as it is";
	b->count = 0;
	for (unsigned i = 0; i < PAGES; i += REACH) {
		submit(u, Q_IOTLB(3, UNIT_DID), AT(i + 1));
		row_equal(b->page[i + 1].uaddr, 0);
	}
	row_equal(b->count, PAGES / REACH);
	detach(b);
	unit_close(u);
}

/* What a backend had is not gone because it cannot be sent again. */
static void test_again_not_sent(void **state)
{
	struct layout l;
	struct unit *u = open_layout(&l);
	struct backend *b = attach(u, 0, u->dev, NONE, 1, 0);

	(void)state;
	row_name = "5 once more, and not sent: the guest's invalidation goes out";
	row_equal(viommu_vhost_miss(b->v, AT(0), R), VIOMMU_OK);
	b->answer_updates = VIOMMU_ENOMEM;
	row_equal(viommu_vhost_miss(b->v, AT(0), R), (uint64_t)VIOMMU_ENOMEM);
	row_equal(b->page[0].uaddr != 0, true);
	b->count = 0;
	submit(u, Q_IOTLB(3, UNIT_DID), AT(0));
	row_equal(b->count, 1);
	expect_invalidate(b, 0, AT(0), AT(0) + 0xfff);
	row_equal(b->page[0].uaddr, 0);
	row_name = "35 once more: it says that it has it";
	b->answer_updates = VIOMMU_OK;
	row_equal(viommu_vhost_miss(b->v, AT(0), R), VIOMMU_OK);
	b->answer_updates = VIOMMU_EEXIST;
	row_equal(viommu_vhost_miss(b->v, AT(0), R), VIOMMU_OK);
	row_equal(statistics(b).outstanding, 0);
	row_name = "which it cannot, if it was sent nothing";
	row_equal(viommu_vhost_miss(b->v, AT(2), R), (uint64_t)VIOMMU_EEXIST);
	b->count = 0;
	submit(u, Q_IOTLB(2, UNIT_DID), 0);
	row_equal(b->count, 2);
	row_equal(b->page[0].uaddr, 0);
	detach(b);
	unit_close(u);
}

static unsigned fails; /* which of the updates that wait is not sent */

static void fail_one(struct backend *b, const struct viommu_iotlb_msg *m)
{
	if (m->type == VIOMMU_IOTLB_INVALIDATE) {
		row_equal(viommu_vhost_miss(b->v, AT(0), R), VIOMMU_OK);
		row_equal(viommu_vhost_miss(b->v, AT(0), R), VIOMMU_OK);
		row_equal(statistics(b).outstanding, 3);
	}
	b->answer_updates = b->count == fails ? VIOMMU_ENOMEM : VIOMMU_OK;
}

/* Both wait behind the guest's invalidation. */
static void test_again_waits(void **state)
{
	static const char *const names[] = { "5 twice behind the guest's invalidation",
					     "5 the first of them is not sent",
					     "5 the second is not sent" };

	(void)state;
	for (unsigned i = 0; i < ROWS(names); i++) {
		struct layout l;
		struct unit *u = open_layout(&l);
		struct backend *b = attach(u, 0, u->dev, NONE, 1, 0);

		row_name = names[i];
		row_equal(viommu_vhost_miss(b->v, AT(0), R), VIOMMU_OK);
		b->count = 0;
		b->inside = fail_one;
		fails = i;
		submit(u, Q_IOTLB(3, UNIT_DID), AT(0));
		b->inside = NULL;
		row_equal(b->count, 3);
		expect_invalidate(b, 0, AT(0), AT(0) + 0xfff);
		expect_update(b, 1, AT(0), GUEST_PAGE, host(u, target(&l, 0)), RW);
		expect_update(b, 2, AT(0), GUEST_PAGE, host(u, target(&l, 0)), RW);
		row_equal(b->page[0].uaddr, host(u, target(&l, 0)));
		submit(u, Q_IOTLB(3, UNIT_DID), AT(0));
		row_equal(b->count, 4);
		row_equal(b->page[0].uaddr, 0);
		detach(b);
		unit_close(u);
	}
}

static void test_ahead_again(void **state)
{
	struct layout l;
	struct unit *u = open_layout(&l);
	struct backend *b = attach(u, 0, u->dev, NONE, 1, 4 * GUEST_PAGE);

	(void)state;
	row_name = "35 read-ahead ends at what has been sent";
	row_equal(viommu_vhost_miss(b->v, AT(3), R), VIOMMU_OK);
	expect_update(b, 0, AT(3), GUEST_PAGE, host(u, target(&l, 3)), RW);
	expect_update(b, 1, AT(4), 4 * GUEST_PAGE, host(u, target(&l, 4)), RW);
	row_equal(viommu_vhost_miss(b->v, AT(0), R), VIOMMU_OK);
	expect_update(b, 2, AT(0), GUEST_PAGE, host(u, target(&l, 0)), RW);
	expect_update(b, 3, AT(1), 2 * GUEST_PAGE, host(u, target(&l, 1)), RW);
	row_equal(b->count, 4);
	row_name = "35 what was read ahead and is asked for: evicted";
	row_equal(viommu_vhost_miss(b->v, AT(5), R), VIOMMU_OK);
	expect_invalidate(b, 4, AT(5), AT(5) + 0xfff);
	expect_update(b, 5, AT(5), GUEST_PAGE, host(u, target(&l, 5)), RW);
	row_equal(b->count, 6);
	detach(b);
	unit_close(u);
}

/* ---- the record is full ---- */

static void test_few_ranges(void **state)
{
	struct layout l;
	struct unit *u = open_layout(&l);
	struct backend *b =
		attach_as(u, 0, u->dev,
			  (struct viommu_vhost_config){ .pasid = NONE, .reach = 1, .ranges = 2 });

	(void)state;
	row_name = "27 more ranges than are remembered: more is invalidated, never less";
	for (unsigned i = 0; i < PAGES; i += 2)
		row_equal(viommu_vhost_miss(b->v, AT(i), R), VIOMMU_OK);
	row_equal(b->count, PAGES / 2);
	for (unsigned i = 0; i < PAGES; i++) {
		submit(u, Q_IOTLB(3, UNIT_DID), AT(i));
		row_equal(b->page[i].uaddr, 0);
	}
	row_equal(b->count <= PAGES / 2 + PAGES, true);
	row_name = "and nothing is left to be told";
	b->count = 0;
	submit(u, Q_IOTLB(2, UNIT_DID), 0);
	row_equal(b->count, 0);
	detach(b);
	unit_close(u);
}

/* ---- 38: what a miss costs ---- */

static unsigned reads;

static void count_reads(void *opaque, uint64_t gpa, void *bytes, uint32_t count)
{
	reads++;
}

/* Tables that are long, or empty as far as they go. */
static void test_hostile_tables(void **state)
{
	static const struct {
		const char *name;
		unsigned step; /* one of so many pages is mapped */
		uint64_t missed;
		uint64_t ahead;
	} rows[] = {
		{ "38 a miss at the end of a long range", 1, 32 * 512 - 1, 0 },
		{ "38 a miss at its beginning", 1, 0, 0 },
		{ "38 a miss in the middle", 1, 16 * 512, 0 },
		{ "38 holes that are read ahead", 512, 0, UINT64_MAX },
	};
	const uint64_t gpa = UINT64_C(1) << 34;
	const uint64_t bytes = 32 * 512 * GUEST_PAGE;
	struct viommu_region region = { .size = sizeof(region), .gpa = gpa, .bytes = bytes };

	(void)state;
	region.host = mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(region.host != MAP_FAILED);
	for (size_t r = 0; r < ROWS(rows); r++) {
		struct layout l;
		struct unit *u = open_callbacks(&l);
		struct backend *b = attach(u, 0, u->dev, NONE, 0, rows[r].ahead);

		assert_int_equal(viommu_vm_add_region(u->g.vm, &region), VIOMMU_OK);
		for (uint64_t i = 0; i < 32 * 512; i += rows[r].step)
			guest_put64(&u->g, guest_entry(&u->g, u->ss, 4, i * GUEST_PAGE, 0, 3),
				    (gpa + i * GUEST_PAGE) | 3);
		row_name = rows[r].name;
		reads = 0;
		u->g.alter = count_reads;
		row_equal(viommu_vhost_miss(b->v, rows[r].missed * GUEST_PAGE, R), VIOMMU_OK);
		print_message("%s: %u reads, %ju bytes\n", row_name, reads,
			      (uintmax_t)b->log[0].size);
		row_equal(reads > 1000, true);
		row_equal(reads < 4096 + 256, true);
		detach(b);
		guest_fini(&u->g);
	}
	munmap(region.host, bytes);
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
		cmocka_unit_test(test_overlaps),
		cmocka_unit_test(test_overlap_inside),
		cmocka_unit_test(test_room_is_not_waited_for),
		cmocka_unit_test(test_room_for_nothing),
		cmocka_unit_test(test_again),
		cmocka_unit_test(test_again_joined),
		cmocka_unit_test(test_again_longer_than_reach),
		cmocka_unit_test(test_again_not_sent),
		cmocka_unit_test(test_again_waits),
		cmocka_unit_test(test_ahead_again),
		cmocka_unit_test(test_few_ranges),
		cmocka_unit_test(test_hostile_tables),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
