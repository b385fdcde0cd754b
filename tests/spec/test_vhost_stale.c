/* SPDX-License-Identifier: BSD-3-Clause */
/* test_vhost_stale.c - invalidations that come while an update is being made (obligations 12, 29). */

#include <stdlib.h>

#include "vhost_backend.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stale),
		cmocka_unit_test(test_stale_neighbours),
		cmocka_unit_test(test_restored_completion),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
