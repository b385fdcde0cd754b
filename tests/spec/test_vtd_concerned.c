/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_vtd_concerned.c - context and PASID cache invalidations (6.5.2.1, 6.5.2.2) are told to the devices
 * that had such a context, or none, and to nobody else; and nobody is missed, whatever comes between reading a
 * context and using it (obligations 12, 16, 38, 41).
 */

#include <string.h>

#include "vtd_unit.h"

#define NONE VIOMMU_NO_PASID

/* Who is told, as a mask: UNIT_RID and UNIT_RID2 as in vtd_unit.h, and: */
#define ONE   1U
#define TWO   2U
#define THREE 4U /* domain 9 without PASID and with 6 */
#define BLANK 8U /* no PASID entry */
#define ALL   15U

#define RID3 0x0210U
#define RID4 0x0310U

static struct {
	struct unit *u;
	struct viommu_device *device[4];
	struct viommu_listener *listener[4];
	unsigned told;	/* mask, of everything */
	unsigned times; /* of any range */
	unsigned wrong; /* by another's listener */
} w;

static void on_unmap(void *opaque, struct viommu_device *device, uint32_t pasid, uint64_t first,
		     uint64_t last)
{
	unsigned n = 0;

	(void)pasid;
	while (w.device[n] != device)
		n++;
	w.times++;
	if (first == 0 && last == UINT64_MAX)
		w.told |= 1U << n;
	w.wrong += opaque != NULL && opaque != device;
}

static void listen_to(unsigned n)
{
	const struct viommu_listener_config config = { .size = sizeof(config),
						       .opaque = w.device[n],
						       .unmap = on_unmap };

	assert_int_equal(viommu_listener_new(w.u->g.iommu, w.device[n], &config, &w.listener[n]),
			 VIOMMU_OK);
}

static void third(struct unit *u)
{
	struct guest_pasid p = {
		.did = 9, .pgtt = VTD_PGTT_SECOND, .ss = u->ss2, .ss_levels = 4, .fs_levels = 4
	};

	guest_pasid(&u->g, RID3, 0, &p);
	p.pgtt = VTD_PGTT_FIRST;
	p.fs = u->fs;
	guest_pasid(&u->g, RID3, 6, &p);
}

/* All that there is has been asked for. */
static void use(void)
{
	for (unsigned n = 0; n < 4; n++)
		where(w.device[n], UNIT_IOVA, VIOMMU_READ);
	if (w.u->g.ecap & VTD_ECAP_SMTS) {
		where_pasid(w.device[0], UNIT_PASID, UNIT_IOVA, VIOMMU_READ);
		where_pasid(w.device[2], 6, UNIT_IOVA, VIOMMU_READ);
	}
	w.told = w.times = 0;
}

static void open_world(bool scalable)
{
	struct unit *u = unit_open(0, scalable ? GUEST_ECAP_SCALABLE : GUEST_ECAP_LEGACY);

	w.u = u;
	if (scalable) {
		unit_scalable_tables(u);
		third(u);
		guest_pasid_entry(&u->g, RID4, 0);
	} else {
		unit_legacy_tables(u);
		guest_legacy(&u->g, RID3, 9, u->ss2, 4);
	}
	guest_start(&u->g, scalable ? VTD_TTM_SCALABLE : VTD_TTM_LEGACY);
	w.device[0] = u->dev;
	w.device[1] = u->dev2;
	w.device[2] = guest_device(&u->g, RID3);
	w.device[3] = guest_device(&u->g, RID4);
	for (unsigned n = 0; n < 4; n++)
		listen_to(n);
	use();
}

static void close_world(void)
{
	row_equal(w.wrong, 0);
	for (unsigned n = 0; n < 4; n++)
		assert_int_equal(viommu_listener_free(w.listener[n]), VIOMMU_OK);
	unit_close(w.u);
}

/* Runs a descriptor; who was told everything. */
static unsigned told_of(uint64_t q0)
{
	w.told = w.times = 0;
	guest_submit(&w.u->g, q0, 0, 0, 0);
	guest_wait(&w.u->g);
	return w.told;
}

struct row {
	const char *name;
	uint64_t q0;
	unsigned told;
};

static void run_rows(const struct row *row, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		row_name = row[i].name;
		row_equal(told_of(row[i].q0), row[i].told);
		/* whoever was told has used nothing since, and is told of whatever comes, until he has */
		use();
		row_equal(told_of(row[i].q0), row[i].told);
		use();
	}
}

static void test_scalable(void **state)
{
	static const struct row rows[] = {
		{ "6.5.2.1 global", Q_CC(1, 0, 0, 0), ALL },
		{ "6.5.2.1 domain", Q_CC(2, 7, 0, 0), ONE | BLANK },
		{ "6.5.2.1 domain, another", Q_CC(2, 8, 0, 0), TWO | BLANK },
		{ "6.5.2.1 domain of nobody", Q_CC(2, 33, 0, 0), BLANK },
		{ "6.5.2.2 domain", Q_PC(0, 7, 0), ONE | BLANK },
		{ "6.5.2.2 domain, PASID ignored", Q_PC(0, 9, 5), THREE | BLANK },
		{ "6.5.2.2 PASID", Q_PC(1, 7, 5), ONE },
		{ "6.5.2.2 PASID, another", Q_PC(1, 9, 6), THREE },
		{ "6.5.2.2 PASID of requests without", Q_PC(1, 8, 0), TWO | BLANK },
		{ "6.5.2.2 PASID in the domain of others", Q_PC(1, 8, 5), 0 },
		{ "6.5.2.2 PASID of nobody", Q_PC(1, 9, 7), 0 },
		{ "6.5.2.2 global", Q_PC(3, 0, 0), ALL },
		{ "6.5.2.4 PASID", Q_PIOTLB(2, 7, 5), ONE },
		{ "6.5.2.4 PASID in the domain of others", Q_PIOTLB(2, 8, 5), 0 },
		{ "6.5.2.4 PASID of requests without", Q_PIOTLB(2, 9, 0), THREE },
	};

	open_world(true);
	run_rows(rows, ROWS(rows));
	close_world();
}

static void test_legacy(void **state)
{
	static const struct row rows[] = {
		{ "6.5.2.1 domain", Q_CC(2, 7, 0, 0), ONE | BLANK },
		{ "6.5.2.1 domain, another", Q_CC(2, 9, 0, 0), THREE | BLANK },
		{ "6.5.2.1 domain of nobody", Q_CC(2, 33, 0, 0), BLANK },
	};

	open_world(false);
	run_rows(rows, ROWS(rows));
	row_name = "11.4.6.1 ICC domain";
	w.told = 0;
	row_equal(guest_write64(&w.u->g, VTD_CCMD, BIT(63) | BIT(62) | 8), VIOMMU_OK);
	row_equal(w.told, ALL);
	row_equal(guest_read64(&w.u->g, VTD_CCMD) >> 59 & 3, 1); /* what was done is global */
	close_world();
}

/* A context that moves to another domain: what is invalidated afterwards counts by the new one. */
static void test_moves(void **state)
{
	struct unit *u;
	struct guest_pasid p = { .did = 9, .pgtt = VTD_PGTT_FIRST, .fs_levels = 4 };

	open_world(true);
	u = w.u;
	p.fs = u->fs;
	guest_pasid(&u->g, UNIT_RID, UNIT_PASID, &p);
	row_name = "6.5.2.2 the domain of before";
	row_equal(told_of(Q_PC(1, 7, UNIT_PASID)), ONE);
	use();
	row_equal(told_of(Q_PIOTLB(2, 7, UNIT_PASID)), 0);
	row_equal(told_of(Q_PIOTLB(2, 9, UNIT_PASID)), ONE);
	row_equal(told_of(Q_IOTLB(2, 7)), ONE); /* without PASID */
	row_name = "6.5.2.2 one that was refused, and is present now";
	p = (struct guest_pasid){
		.did = 40, .pgtt = VTD_PGTT_SECOND, .ss = u->ss2, .ss_levels = 4
	};
	guest_pasid(&u->g, RID4, 0, &p);
	row_equal(told_of(Q_PC(1, 40, 0)), BLANK);
	use();
	row_equal(told_of(Q_PC(1, 41, 0)), 0);
	row_equal(told_of(Q_IOTLB(2, 40)), BLANK);
	close_world();
}

static int on_any(void *opaque, uint64_t iova, const struct viommu_fragment *f)
{
	(void)iova;
	(void)f;
	++*(unsigned *)opaque;
	return 0;
}

static unsigned replay(struct viommu_device *device, uint32_t pasid)
{
	uint64_t first = UNIT_IOVA;
	unsigned mapped = 0;

	assert_int_equal(viommu_replay(device, pasid, &first, UNIT_IOVA + 0x1fff, 0, on_any,
				       &mapped),
			 VIOMMU_OK);
	return mapped;
}

/* A shadow that is compared and found to be as before belongs to the domain that the context has now. */
static void test_shadow_moves(void **state)
{
	struct guest_pasid p = { .did = 9, .pgtt = VTD_PGTT_FIRST, .fs_levels = 4 };
	struct unit *u = unit_scalable();
	const struct viommu_listener_config config = { .size = sizeof(config), .unmap = on_unmap };
	struct viommu_listener *listener;

	row_name = "25 a shadow whose context has another domain";
	memset(&w, 0, sizeof(w));
	w.device[0] = u->dev;
	w.u = u;
	assert_int_equal(viommu_listener_new(u->g.iommu, u->dev, &config, &listener), VIOMMU_OK);
	row_equal(replay(u->dev, UNIT_PASID) > 0, true);
	p.fs = u->fs;
	guest_pasid(&u->g, UNIT_RID, UNIT_PASID, &p);
	row_equal(told_of(Q_PC(1, 7, UNIT_PASID)), 0);
	row_equal(w.times, 0); /* nothing differs */
	replay(u->dev, NONE);
	guest_put64(&u->g, guest_entry(&u->g, u->fs, 4, UNIT_IOVA, 0, GUEST_FS), 0);
	guest_submit(&u->g, Q_PIOTLB(3, 9, UNIT_PASID), UNIT_IOVA, 0, 0);
	guest_wait(&u->g);
	row_equal(w.times, 1);
	assert_int_equal(viommu_listener_free(listener), VIOMMU_OK);
	unit_close(u);
}

/* ---- cost ---- */

enum { CROWD = 300 };

/* Structures that are read for a selective invalidation, by how many devices there are; nobody else than one is
 * concerned. */
static unsigned reads_of(unsigned devices, uint64_t q0)
{
	static struct viommu_device *device[CROWD];
	static struct viommu_listener *listener[CROWD];
	const struct viommu_listener_config config = { .size = sizeof(config),
						       .opaque = NULL,
						       .unmap = on_unmap };
	const struct viommu_limits limits = { .size = sizeof(limits) };
	struct viommu_vtd_config vtd = { .size = sizeof(vtd),
					 .cap = GUEST_CAP_SCALABLE,
					 .ecap = GUEST_ECAP_SCALABLE,
					 .limits = &limits };
	struct guest_pasid p = { .pgtt = VTD_PGTT_SECOND, .ss_levels = 4 };
	unsigned reads;
	struct guest g;

	guest_init(&g, GUEST_CALLBACKS, 40 * CROWD);
	assert_int_equal(guest_try_vtd_config(&g, &vtd), VIOMMU_OK);
	p.ss = guest_table(&g);
	for (unsigned i = 0; i < devices; i++) {
		struct viommu_device_config c = { .size = sizeof(c), .id = i };

		p.did = (uint16_t)(i + 1);
		guest_pasid(&g, (uint16_t)i, 0, &p);
		assert_int_equal(viommu_device_new(g.iommu, &c, &device[i]), VIOMMU_OK);
	}
	guest_start(&g, VTD_TTM_SCALABLE);
	for (unsigned i = 0; i < devices; i++) {
		w.device[i ? 1 : 0] = device[i];
		assert_int_equal(viommu_listener_new(g.iommu, device[i], &config, &listener[i]),
				 VIOMMU_OK);
		where(device[i], UNIT_IOVA, VIOMMU_READ);
	}
	w.device[0] = device[0];
	w.times = w.told = 0;
	guest_submit(&g, q0, 0, 0, 0);
	guest_submit_wait(&g);
	reads = g.count[GUEST_ON_READ];
	assert_int_equal(guest_ring(&g), VIOMMU_OK);
	reads = g.count[GUEST_ON_READ] - reads;
	row_equal(w.times, 1);
	row_equal(w.told, ONE);
	for (unsigned i = 0; i < devices; i++) {
		assert_int_equal(viommu_listener_free(listener[i]), VIOMMU_OK);
		assert_int_equal(viommu_device_free(device[i]), VIOMMU_OK);
	}
	guest_fini(&g);
	return reads;
}

static void test_cost(void **state)
{
	row_name = "38 PASID cache: as much as are concerned";
	row_equal(reads_of(CROWD, Q_PC(1, 1, 0)), reads_of(2, Q_PC(1, 1, 0)));
	row_name = "38 context cache: as much as are concerned";
	row_equal(reads_of(CROWD, Q_CC(2, 1, 0, 0)), reads_of(2, Q_CC(2, 1, 0, 0)));
}

/* Notes of devices that nobody hears are passed over, and that is paid for, too. */
static void test_unheard(void **state)
{
	enum { STEPS = 64, BURST = 40 };
	static struct viommu_device *device[CROWD];
	const struct viommu_limits limits = { .size = sizeof(limits), .steps = STEPS };
	const struct viommu_listener_config heard = { .size = sizeof(heard), .unmap = on_unmap };
	struct viommu_vtd_config vtd = {
		.size = sizeof(vtd), .cap = GUEST_CAP, .ecap = GUEST_ECAP_LEGACY, .limits = &limits
	};
	struct viommu_listener *listener;
	struct guest g;
	uint64_t ss;

	row_name = "38 users of a domain that nobody hears";
	guest_init(&g, GUEST_REGION, 64);
	assert_int_equal(guest_try_vtd_config(&g, &vtd), VIOMMU_OK);
	ss = guest_table(&g);
	guest_start(&g, VTD_TTM_LEGACY);
	for (unsigned i = 0; i < CROWD; i++) {
		struct viommu_device_config c = { .size = sizeof(c), .id = i };

		guest_legacy(&g, (uint16_t)i, 5, ss, 4);
		assert_int_equal(viommu_device_new(g.iommu, &c, &device[i]), VIOMMU_OK);
		where(device[i], UNIT_IOVA, VIOMMU_READ);
	}
	w.device[0] = device[0];
	w.times = 0;
	assert_int_equal(viommu_listener_new(g.iommu, device[0], &heard, &listener), VIOMMU_OK);
	for (unsigned i = 0; i < BURST; i++)
		guest_submit(&g, Q_IOTLB(2, 5), 0, 0, 0);
	row_equal(guest_ring(&g), VIOMMU_PENDING);
	/* four notes a step */
	row_equal(w.times <= STEPS * 4 / CROWD + 1, true);
	guest_wait(&g);
	row_equal(w.times, BURST);
	assert_int_equal(viommu_listener_free(listener), VIOMMU_OK);
	for (unsigned i = 0; i < CROWD; i++)
		assert_int_equal(viommu_device_free(device[i]), VIOMMU_OK);
	guest_fini(&g);
}

/* ---- in between ---- */

static struct {
	struct guest g;
	struct viommu_device *device;
	uint64_t entry; /* gpa of the PASID entry that is read */
	uint64_t page[2];
	uint64_t ss[2];
	unsigned entries; /* that were there before */
	unsigned times;	  /* it is to come in between */
	bool inside;
	unsigned told; /* of the last one */
	uint64_t mapped;
} x;

#define DID(n) ((uint16_t)(7 + (n)))

static void write_entry(void)
{
	const struct guest_pasid p = { .did = DID(x.entries),
				       .pgtt = VTD_PGTT_SECOND,
				       .ss = x.ss[x.entries % 2],
				       .ss_levels = 4 };

	guest_pasid(&x.g, 8, 0, &p);
}

/* Whoever has read the entry gets what it was; it changes to yet another domain, and what it was is
 * invalidated, at once. */
static void in_between(void *opaque, uint64_t gpa, void *bytes, uint32_t count)
{
	(void)opaque;
	(void)bytes;
	(void)count;
	if (gpa != x.entry || !x.times || x.inside)
		return;
	x.times--;
	x.inside = true;
	x.told = 0;
	x.entries++;
	write_entry();
	guest_submit(&x.g, Q_PC(1, DID(x.entries - 1), 0), 0, 0, 0);
	guest_ring(&x.g);
	x.inside = false;
}

static void on_told(void *opaque, struct viommu_device *device, uint32_t pasid, uint64_t first,
		    uint64_t last)
{
	(void)opaque;
	(void)device;
	(void)pasid;
	x.told += first == 0 && last == UINT64_MAX;
}

static int on_mapped(void *opaque, uint64_t iova, const struct viommu_fragment *f)
{
	(void)opaque;
	if (iova <= UNIT_IOVA && UNIT_IOVA - iova < f->length)
		x.mapped = f->gpa + (UNIT_IOVA - iova);
	return 0;
}

static uint64_t asked(unsigned how)
{
	uint64_t first = UNIT_IOVA;
	struct viommu_channel *c;

	switch (how) {
	case 0:
		return where(x.device, UNIT_IOVA, VIOMMU_READ);
	case 1:
		c = guest_channel(&x.g, x.device, NONE);
		return where_channel(c, NONE, UNIT_IOVA, VIOMMU_READ);
	default:
		x.mapped = 0;
		assert_int_equal(viommu_replay(x.device, NONE, &first, UNIT_IOVA + 0xfff, 0,
					       on_mapped, NULL),
				 VIOMMU_OK);
		return x.mapped;
	}
}

/* When the listener comes, the device has another domain than it will have. */
static void between_open(void)
{
	struct guest_pasid p = { .did = 44, .pgtt = VTD_PGTT_SECOND, .ss_levels = 4 };

	memset(&x, 0, sizeof(x));
	guest_init(&x.g, GUEST_CALLBACKS, 100);
	guest_vtd(&x.g, GUEST_CAP_SCALABLE, GUEST_ECAP_SCALABLE);
	for (unsigned i = 0; i < 2; i++) {
		x.page[i] = guest_alloc(&x.g, 1);
		x.ss[i] = guest_table(&x.g);
		guest_ss_map(&x.g, x.ss[i], 4, UNIT_IOVA, x.page[i], 12, GUEST_RW);
	}
	p.ss = x.ss[0];
	guest_pasid(&x.g, 8, 0, &p);
	guest_start(&x.g, VTD_TTM_SCALABLE);
	x.device = guest_device(&x.g, 8);
}

/* An invalidation comes between reading a context and using it, once or so often that nobody tries again: the
 * answer is the new one, or the listener hears that it is old. */
static void test_in_between(void **state)
{
	static const char *const name[] = { "12 in between: device", "12 in between: channel",
					    "12 in between: replay" };

	for (unsigned how = 0; how < 3; how++) {
		for (unsigned times = 1; times <= 16; times *= 4) {
			const struct viommu_listener_config config = { .size = sizeof(config),
								       .unmap = on_told };
			struct viommu_listener *listener;
			uint64_t answer;

			row_name = name[how];
			between_open();
			assert_int_equal(viommu_listener_new(x.g.iommu, NULL, &config, &listener),
					 VIOMMU_OK);
			/* Nobody knows that it will use this domain: it has used another, and not asked. */
			guest_dma_pasid(x.device, 5, UNIT_IOVA, VIOMMU_READ);
			write_entry();
			x.entry = guest_pasid_entry(&x.g, 8, 0);
			x.told = 0;
			x.times = times;
			x.g.alter = in_between;
			answer = asked(how);
			x.g.alter = NULL;
			row_equal(x.entries > 0, true);
			row_equal(answer == x.page[x.entries % 2] || x.told, true);
			x.told = 0;
			guest_wait(&x.g);
			assert_int_equal(viommu_listener_free(listener), VIOMMU_OK);
			guest_fini(&x.g);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_scalable),   cmocka_unit_test(test_legacy),
		cmocka_unit_test(test_moves),	   cmocka_unit_test(test_shadow_moves),
		cmocka_unit_test(test_cost),	   cmocka_unit_test(test_unheard),
		cmocka_unit_test(test_in_between),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
