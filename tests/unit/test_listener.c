/* SPDX-License-Identifier: BSD-3-Clause */
/* test_listener.c - listeners: their lifetime, whom they hear of, and replays from inside them. */
#include "check.h"

#include <string.h>

#include "bits.h"
#include "guest.h"

struct heard {
	struct viommu_device *device;
	uint32_t pasid;
	uint64_t first, last;
};

struct ears {
	struct heard unmap[32];
	unsigned unmaps, modes, interrupts;
	uint32_t mode;
	struct viommu_device *mode_of;
};

static void on_unmap(void *opaque, struct viommu_device *device, uint32_t pasid, uint64_t first,
		     uint64_t last)
{
	struct ears *e = opaque;

	if (e->unmaps < ARRAY_COUNT(e->unmap))
		e->unmap[e->unmaps] = (struct heard){ device, pasid, first, last };
	e->unmaps++;
}

static void on_mode(void *opaque, struct viommu_device *device, uint32_t mode)
{
	struct ears *e = opaque;

	e->modes++;
	e->mode = mode;
	e->mode_of = device;
}

static void on_interrupts(void *opaque, uint32_t source, uint32_t first, uint32_t last)
{
	struct ears *e = opaque;

	assert_int_equal(source, VIOMMU_ANY_SOURCE);
	e->interrupts++;
}

static struct viommu_listener *listen(struct guest *g, struct viommu_device *device, struct ears *e)
{
	struct viommu_listener_config config = { .size = sizeof(config),
						 .opaque = e,
						 .unmap = on_unmap,
						 .mode = on_mode,
						 .interrupts = device ? NULL : on_interrupts };
	struct viommu_listener *listener = NULL;

	memset(e, 0, sizeof(*e));
	assert_int_equal(viommu_listener_new(g->iommu, device, &config, &listener), VIOMMU_OK);
	assert_non_null(listener);
	return listener;
}

static void lifetime(void **state)
{
	struct viommu_listener_config config = { .size = sizeof(config),
						 .interrupts = on_interrupts };
	struct viommu_listener *a, *b, *none = NULL;
	struct viommu_device *device;
	struct ears all, one;
	struct guest g;

	guest_init(&g, GUEST_REGION, 64);
	guest_vtd(&g, GUEST_CAP, GUEST_ECAP_LEGACY);
	device = guest_device(&g, 8);
	g.devices = 0; /* freed below */
	guest_legacy(&g, 8, 5, guest_table(&g), 4);
	a = listen(&g, device, &one);
	b = listen(&g, NULL, &all);
	assert_int_equal(viommu_listener_new(g.iommu, device, &config, &none), VIOMMU_EINVAL);
	assert_null(none);
	assert_int_equal(viommu_device_free(device), VIOMMU_EBUSY);
	guest_start(&g, VTD_TTM_LEGACY);
	assert_true(one.unmaps && all.unmaps && one.modes && all.modes);
	assert_int_equal(one.mode, VIOMMU_MODE_TRANSLATE);
	assert_int_equal(viommu_listener_free(a), VIOMMU_OK);
	memset(&one, 0, sizeof(one));
	guest_command(&g, VTD_G_TE, false);
	assert_int_equal(one.unmaps + one.modes, 0);
	assert_int_equal(all.mode, VIOMMU_MODE_BYPASS);
	assert_ptr_equal(all.mode_of, device);
	assert_int_equal(viommu_device_free(device), VIOMMU_OK);
	assert_int_equal(viommu_free(g.iommu), VIOMMU_EBUSY);
	assert_int_equal(viommu_listener_free(b), VIOMMU_OK);
	assert_int_equal(viommu_listener_free(NULL), VIOMMU_OK);
	guest_fini(&g);
}

/* Devices that come later are heard of by those who listen to all; another IOMMU's by nobody. */
static void devices_that_come_later(void **state)
{
	struct viommu_vtd_config vtd = { .size = sizeof(vtd) };
	struct viommu_listener_config config = { .size = sizeof(config) };
	struct viommu_listener *listener, *none = NULL;
	struct viommu_device *device;
	struct viommu *second;
	struct ears all;
	struct guest g;

	guest_init(&g, GUEST_REGION, 64);
	guest_vtd(&g, GUEST_CAP, GUEST_ECAP_LEGACY);
	listener = listen(&g, NULL, &all);
	guest_start(&g, VTD_TTM_LEGACY);
	assert_int_equal(all.unmaps + all.modes, 0);
	device = guest_device(&g, 8);
	assert_int_equal(viommu_run(g.iommu), VIOMMU_OK);
	assert_int_equal(all.modes, 1);
	assert_int_equal(all.mode, VIOMMU_MODE_BLOCK); /* no context entry */
	guest_command(&g, VTD_G_TE, false);
	assert_int_equal(all.modes, 2);
	assert_int_equal(all.unmap[all.unmaps - 1].first, 0);
	assert_int_equal(all.unmap[all.unmaps - 1].last, UINT64_MAX);
	assert_int_equal(all.unmap[all.unmaps - 1].pasid, VIOMMU_ANY_PASID);
	assert_int_equal(viommu_vtd_new(g.vm, &vtd, &second), VIOMMU_OK);
	assert_int_equal(viommu_listener_new(second, device, &config, &none), VIOMMU_EINVAL);
	assert_int_equal(viommu_free(second), VIOMMU_OK);
	assert_int_equal(viommu_listener_free(listener), VIOMMU_OK);
	guest_fini(&g);
}

/* ---- whom an invalidation of a domain concerns ---- */

static bool told(const struct ears *e, const struct viommu_device *device, uint64_t first,
		 uint64_t last)
{
	for (unsigned i = 0; i < e->unmaps && i < ARRAY_COUNT(e->unmap); i++) {
		if (e->unmap[i].device == device && e->unmap[i].first <= first &&
		    e->unmap[i].last >= last)
			return true;
	}
	return false;
}

/* Devices of the domain are told; one of another domain is not. */
static void domains_in_legacy_mode(void **state)
{
	struct viommu_listener *listener;
	struct viommu_device *device[2];
	struct ears all;
	struct guest g;

	guest_init(&g, GUEST_REGION, 64);
	guest_vtd(&g, GUEST_CAP, GUEST_ECAP_LEGACY);
	for (unsigned i = 0; i < 2; i++)
		guest_legacy(&g, (uint16_t)(8 + i), (uint16_t)(5 + i), guest_table(&g), 4);
	guest_start(&g, VTD_TTM_LEGACY);
	device[0] = guest_device(&g, 8);
	device[1] = guest_device(&g, 9);
	listener = listen(&g, NULL, &all);
	guest_submit(&g, GUEST_IOTLB(VTD_GRAN_LOCAL, 6), 0x5000 | 1, 0, 0);
	guest_wait(&g);
	assert_false(told(&all, device[0], 0x4000, 0x5fff));
	assert_true(told(&all, device[1], 0x4000, 0x5fff));
	memset(&all, 0, sizeof(all));
	guest_submit(&g, GUEST_IOTLB(VTD_GRAN_DOMAIN, 5), 0, 0, 0);
	guest_wait(&g);
	assert_true(told(&all, device[0], 0, UINT64_MAX));
	assert_false(told(&all, device[1], 0x5000, 0x5000));
	assert_int_equal(viommu_listener_free(listener), VIOMMU_OK);
	guest_fini(&g);
}

/* What was translated through a domain is told of its invalidations, also when the context entry
 * names another by now that nobody has invalidated yet (obligation 17). */
static void domain_of_before(void **state)
{
	struct viommu_request request = {
		.first = 0x5000, .last = 0x5fff, .pasid = VIOMMU_NO_PASID, .access = VIOMMU_READ
	};
	struct viommu_listener *listener;
	struct viommu_fragment fragment;
	struct viommu_device *device;
	struct viommu_answer answer;
	struct ears all;
	struct guest g;
	uint64_t ss;

	guest_init(&g, GUEST_REGION, 64);
	guest_vtd(&g, GUEST_CAP, GUEST_ECAP_LEGACY);
	ss = guest_table(&g);
	guest_ss_map(&g, ss, 4, 0x5000, guest_alloc(&g, 1), 12, GUEST_RW);
	guest_legacy(&g, 8, 5, ss, 4);
	guest_start(&g, VTD_TTM_LEGACY);
	device = guest_device(&g, 8);
	listener = listen(&g, NULL, &all);
	assert_int_equal(viommu_device_translate(device, &request, &fragment, 1, &answer),
			 VIOMMU_OK);
	guest_legacy(&g, 8, 6, ss, 4);
	guest_submit(&g, GUEST_IOTLB(VTD_GRAN_LOCAL, 5), 0x5000, 0, 0);
	guest_wait(&g);
	assert_true(told(&all, device, 0x5000, 0x5fff));
	assert_int_equal(viommu_listener_free(listener), VIOMMU_OK);
	guest_fini(&g);
}

/* A domain that a device uses only with a PASID is one of its domains too (obligation 17). */
static void domains_of_pasids(void **state)
{
	const struct {
		const char *name;
		uint64_t q0, q1;
	} rows[] = {
		{ "6.5.2.3 IOTLB, domain", GUEST_IOTLB(VTD_GRAN_DOMAIN, 9), 0 },
		{ "6.5.2.4 PASID-IOTLB, PASID", GUEST_PIOTLB(VTD_PIOTLB_PASID, 9, 77), 0 },
		{ "6.5.2.4 PASID-IOTLB, page", GUEST_PIOTLB(VTD_PIOTLB_PAGES, 9, 77), 0x5000 },
	};

	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		struct guest_pasid rid = { .did = 3, .pgtt = VTD_PGTT_SECOND, .ss_levels = 4 };
		struct guest_pasid other = { .did = 9, .pgtt = VTD_PGTT_FIRST, .fs_levels = 4 };
		struct viommu_listener *listener;
		struct viommu_device *device;
		struct ears all;
		struct guest g;

		guest_init(&g, GUEST_REGION, 128);
		guest_vtd(&g, GUEST_CAP_SCALABLE, GUEST_ECAP_SCALABLE);
		rid.ss = guest_table(&g);
		other.fs = guest_table(&g);
		guest_fs_map(&g, other.fs, 4, 0x5000, GUEST_BASE, 12, GUEST_FS);
		guest_pasid(&g, 8, 0, &rid);
		guest_pasid(&g, 8, 77, &other);
		guest_start(&g, VTD_TTM_SCALABLE);
		device = guest_device(&g, 8);
		assert_int_equal(guest_dma_pasid(device, 77, 0x5000, 1).result, VIOMMU_OK);
		listener = listen(&g, NULL, &all);
		guest_submit(&g, rows[i].q0, rows[i].q1, 0, 0);
		guest_wait(&g);
		check_that(rows[i].name, told(&all, device, 0x5000, 0x5fff));
		assert_int_equal(viommu_listener_free(listener), VIOMMU_OK);
		guest_fini(&g);
	}
}

/* ---- only those concerned ---- */

enum { MANY = 256 };

struct crowd {
	struct guest g;
	struct viommu_device *device[MANY];
	struct viommu_listener *listener;
	struct ears ears;
};

/* Devices, each with a domain of its own (its id + 1), and one who listens to all of them. */
static void crowd_open(struct crowd *c, uint64_t cap, uint32_t domains, bool used)
{
	struct viommu_limits limits = { .size = sizeof(limits), .domains = domains };
	struct viommu_vtd_config config = {
		.size = sizeof(config), .cap = cap, .ecap = GUEST_ECAP_LEGACY, .limits = &limits
	};

	guest_init(&c->g, GUEST_REGION, 64);
	assert_int_equal(guest_try_vtd_config(&c->g, &config), VIOMMU_OK);
	for (unsigned i = 0; i < MANY; i++) {
		struct viommu_device_config device = { .size = sizeof(device), .id = i };

		guest_legacy(&c->g, (uint16_t)i, (uint16_t)(i + 1), GUEST_BASE, 4);
		assert_int_equal(viommu_device_new(c->g.iommu, &device, &c->device[i]), VIOMMU_OK);
	}
	guest_start(&c->g, VTD_TTM_LEGACY);
	for (unsigned i = 0; used && i < MANY; i++)
		guest_dma(c->device[i], 0x5000, VIOMMU_READ);
	c->listener = listen(&c->g, NULL, &c->ears);
	memset(&c->ears, 0, sizeof(c->ears));
}

static void crowd_close(struct crowd *c)
{
	assert_int_equal(viommu_listener_free(c->listener), VIOMMU_OK);
	for (unsigned i = 0; i < MANY; i++)
		assert_int_equal(viommu_device_free(c->device[i]), VIOMMU_OK);
	guest_fini(&c->g);
}

/* One page of a domain: how many devices are visited, which is counted in steps. */
static unsigned visits(struct crowd *c, unsigned domain)
{
	memset(&c->ears, 0, sizeof(c->ears));
	guest_submit(&c->g, GUEST_IOTLB(VTD_GRAN_LOCAL, domain), 0x5000, 0, 0);
	guest_wait(&c->g);
	return c->ears.unmaps;
}

/* Of 256 devices one is concerned, and one is visited, whether it was used or only might be. */
static void one_of_many(void **state)
{
	for (int used = 0; used < 2; used++) {
		static struct crowd c;

		crowd_open(&c, GUEST_CAP, 0, used);
		for (unsigned i = 0; i < MANY; i += 51) {
			assert_int_equal(visits(&c, i + 1), 1);
			assert_ptr_equal(c.ears.unmap[0].device, c.device[i]);
			assert_int_equal(c.ears.modes, 0);
		}
		assert_int_equal(visits(&c, MANY + 1), 0);
		/* a context invalidation of one: it is told everything, and of its domains again */
		memset(&c.ears, 0, sizeof(c.ears));
		guest_legacy(&c.g, 9, 500, GUEST_BASE, 4);
		guest_submit(&c.g, GUEST_CC(VTD_GRAN_LOCAL, 10, 9, 0), 0, 0, 0);
		guest_wait(&c.g);
		assert_int_equal(c.ears.unmaps, 1);
		assert_true(told(&c.ears, c.device[9], 0, UINT64_MAX));
		assert_int_equal(visits(&c, 10), 0);
		assert_int_equal(visits(&c, 500), 1);
		/* of all */
		guest_submit(&c.g, GUEST_CC(VTD_GRAN_GLOBAL, 0, 0, 0), 0, 0, 0);
		guest_wait(&c.g);
		assert_int_equal(c.ears.unmaps, 1 + MANY);
		assert_int_equal(visits(&c, 500), 1);
		assert_int_equal(visits(&c, 7), 1);
		crowd_close(&c);
	}
}

/* More devices than notes: those without are visited for every domain, and nobody is missed. Room
 * comes back when contexts have been invalidated (obligation 27). */
static void more_users_than_notes(void **state)
{
	static struct crowd c;
	bool precise = false;

	crowd_open(&c, GUEST_CAP, 64, true);
	for (unsigned i = 0; i < MANY; i++) {
		unsigned n = visits(&c, i + 1);

		assert_true(told(&c.ears, c.device[i], 0x5000, 0x5fff) || n > 32);
		assert_true(n >= MANY - 64 && n <= MANY - 63);
	}
	/* 200 devices leave */
	for (unsigned i = 0; i < 200; i++)
		guest_put64(&c.g, guest_legacy_entry(&c.g, (uint16_t)i), 0);
	guest_submit(&c.g, GUEST_CC(VTD_GRAN_GLOBAL, 0, 0, 0), 0, 0, 0);
	guest_wait(&c.g);
	for (unsigned i = 200; i < MANY; i++) {
		unsigned n = visits(&c, i + 1);

		assert_true(told(&c.ears, c.device[i], 0x5000, 0x5fff));
		precise |= n == 1;
	}
	assert_true(precise);
	crowd_close(&c);
}

/* A burst for a domain with many devices takes more steps than a call has: nobody else is told, and nobody
 * of more than was asked for (obligation 41). */
static void many_of_one_domain(void **state)
{
	enum { SHARED = 200, BURST = 100 };
	static struct crowd c;

	crowd_open(&c, GUEST_CAP, 0, false);
	for (unsigned i = 0; i < SHARED; i++)
		guest_legacy(&c.g, (uint16_t)i, 1, GUEST_BASE, 4);
	guest_submit(&c.g, GUEST_CC(VTD_GRAN_GLOBAL, 0, 0, 0), 0, 0, 0);
	guest_wait(&c.g);
	memset(&c.ears, 0, sizeof(c.ears));
	for (unsigned i = 0; i < BURST; i++)
		guest_submit(&c.g, GUEST_IOTLB(VTD_GRAN_LOCAL, 1), 0x5000, 0, 0);
	guest_wait(&c.g);
	assert_int_equal(c.ears.unmaps, SHARED * BURST);
	assert_false(told(&c.ears, c.device[SHARED], 0, UINT64_MAX));
	crowd_close(&c);
}

/* More devices than a call has steps: the rest is told by viommu_run(), and before a wait is
 * complete (obligation 38). */
static void more_devices_than_steps(void **state)
{
	struct viommu_limits limits = { .size = sizeof(limits), .steps = 16 };
	struct viommu_vtd_config vtd = {
		.size = sizeof(vtd), .cap = GUEST_CAP, .ecap = GUEST_ECAP_LEGACY, .limits = &limits
	};
	static struct viommu_device *device[MANY];
	struct viommu_listener *listener;
	struct ears all;
	struct guest g;
	unsigned calls = 0;

	guest_init(&g, GUEST_REGION, 64);
	assert_int_equal(guest_try_vtd_config(&g, &vtd), VIOMMU_OK);
	guest_start(&g, VTD_TTM_LEGACY);
	for (unsigned i = 0; i < MANY; i++) {
		struct viommu_device_config config = { .size = sizeof(config), .id = i };

		guest_legacy(&g, (uint16_t)i, 5, GUEST_BASE, 4);
		assert_int_equal(viommu_device_new(g.iommu, &config, &device[i]), VIOMMU_OK);
	}
	listener = listen(&g, NULL, &all);
	assert_true(all.modes <= 16);
	assert_true(g.count[GUEST_ON_WORK] > 0);
	while (viommu_run(g.iommu) == VIOMMU_PENDING)
		assert_true(++calls < 100);
	assert_true(calls > 10 && all.modes == MANY);
	for (int page = 0; page < 2; page++) {
		memset(&all, 0, sizeof(all));
		calls = 0;
		guest_submit(&g,
			     page ? GUEST_IOTLB(VTD_GRAN_LOCAL, 5)
				  : GUEST_CC(VTD_GRAN_GLOBAL, 0, 0, 0),
			     0, 0, 0);
		guest_submit_wait(&g);
		assert_int_equal(guest_ring(&g), VIOMMU_PENDING);
		/* to look at a device's structures takes more than a step */
		assert_true(all.unmaps <= (page ? 64 : 4));
		assert_false(guest_waited(&g));
		while (!guest_waited(&g)) {
			assert_true(++calls < 100);
			viommu_run(g.iommu);
		}
		assert_true(all.unmaps >= MANY);
	}
	assert_int_equal(viommu_listener_free(listener), VIOMMU_OK);
	for (unsigned i = 0; i < MANY; i++)
		assert_int_equal(viommu_device_free(device[i]), VIOMMU_OK);
	guest_fini(&g);
}

/* With PASIDs: each device is told of the domains it uses, with or without one (cross-talk). */
static void domains_of_others_pasids(void **state)
{
	struct guest_pasid p = { .pgtt = VTD_PGTT_FIRST, .fs_levels = 4 };
	struct viommu_listener *listener;
	struct viommu_device *device[2];
	struct ears all;
	struct guest g;

	guest_init(&g, GUEST_REGION, 128);
	guest_vtd(&g, GUEST_CAP_SCALABLE, GUEST_ECAP_SCALABLE);
	p.fs = guest_table(&g);
	guest_fs_map(&g, p.fs, 4, 0x5000, GUEST_BASE, 12, GUEST_FS);
	for (unsigned i = 0; i < 2; i++) {
		p.did = (uint16_t)(10 + i);
		guest_pasid(&g, (uint16_t)(8 + i), 0, &p);
		p.did = (uint16_t)(20 + i);
		guest_pasid(&g, (uint16_t)(8 + i), 77, &p);
	}
	guest_start(&g, VTD_TTM_SCALABLE);
	for (unsigned i = 0; i < 2; i++) {
		device[i] = guest_device(&g, 8 + i);
		assert_int_equal(guest_dma_pasid(device[i], 77, 0x5000, 1).result, VIOMMU_OK);
	}
	listener = listen(&g, NULL, &all);
	for (unsigned i = 0; i < 2; i++) {
		for (unsigned did = 10 + i; did < 30; did += 10) {
			memset(&all, 0, sizeof(all));
			guest_submit(&g, GUEST_PIOTLB(VTD_PIOTLB_PAGES, did, did < 20 ? 0 : 77),
				     0x5000, 0, 0);
			guest_wait(&g);
			assert_true(told(&all, device[i], 0x5000, 0x5fff));
			assert_int_equal(all.unmaps, 1);
		}
	}
	assert_int_equal(viommu_listener_free(listener), VIOMMU_OK);
	guest_fini(&g);
}

/* Off, a listener costs nothing and hears nothing; interrupts and the mode it hears still. */
static void switched_off_and_on(void **state)
{
	for (int wide = 0; wide < 2; wide++) {
		struct viommu_listener *listener;
		struct viommu_device *device;
		struct ears e;
		struct guest g;

		guest_init(&g, GUEST_REGION, 64);
		guest_vtd(&g, GUEST_CAP, GUEST_ECAP_LEGACY);
		guest_legacy(&g, 8, 5, guest_table(&g), 4);
		guest_start(&g, VTD_TTM_LEGACY);
		device = guest_device(&g, 8);
		listener = listen(&g, wide ? NULL : device, &e);
		for (uint32_t on = 0; on < 2; on++) {
			assert_int_equal(viommu_listener_enable(listener, on), VIOMMU_OK);
			memset(&e, 0, sizeof(e));
			guest_submit(&g, GUEST_IOTLB(VTD_GRAN_LOCAL, 5), 0x5000, 0, 0);
			guest_submit(&g, GUEST_CC(VTD_GRAN_LOCAL, 5, 8, 0), 0, 0, 0);
			guest_wait(&g);
			assert_int_equal(e.unmaps, on ? 2 : 0);
			assert_int_equal(e.modes, 0);
			guest_command(&g, VTD_G_TE, false);
			guest_command(&g, VTD_G_TE, true);
			assert_int_equal(e.modes, 2);
		}
		assert_int_equal(viommu_listener_enable(NULL, 1), VIOMMU_EINVAL);
		assert_int_equal(viommu_listener_enable(listener, 2), VIOMMU_EINVAL);
		assert_int_equal(viommu_listener_free(listener), VIOMMU_OK);
		guest_fini(&g);
	}
}

/* ---- the mode ---- */

struct mode_log {
	unsigned count;
	struct viommu_device *device[8];
	uint32_t mode[8];
};

static void log_mode(void *opaque, struct viommu_device *device, uint32_t mode)
{
	struct mode_log *log = opaque;

	assert_true(log->count < ARRAY_COUNT(log->mode));
	log->device[log->count] = device;
	log->mode[log->count++] = mode;
}

static void expect_mode(struct mode_log *log, const struct viommu_device *device, uint32_t mode)
{
	assert_int_equal(log->count, 1);
	assert_ptr_equal(log->device[0], device);
	assert_int_equal(log->mode[0], mode);
	log->count = 0;
}

/* Each device's own: pass-through is bypass, no context is block; told when it changes, to who is
 * new, and of what is new. */
static void mode_of_each(void **state)
{
	struct mode_log log = { .count = 0 }, late = { .count = 0 }, own = { .count = 0 };
	struct viommu_listener_config config = { .size = sizeof(config), .mode = log_mode };
	struct viommu_device *pass, *added;
	struct viommu_listener *listener[3];
	struct guest g;

	guest_init(&g, GUEST_REGION, 64);
	guest_vtd(&g, GUEST_CAP, GUEST_ECAP_LEGACY);
	guest_legacy_tt(&g, 8, 5, 0, 4, VTD_TT_PASS);
	guest_legacy(&g, 16, 6, guest_table(&g), 4);
	pass = guest_device(&g, 8);
	config.opaque = &log;
	assert_int_equal(viommu_listener_new(g.iommu, NULL, &config, &listener[0]), VIOMMU_OK);
	expect_mode(&log, pass, VIOMMU_MODE_BYPASS);
	guest_start(&g, VTD_TTM_LEGACY);
	assert_true(log.count > 0);
	for (unsigned i = 0; i < log.count; i++)
		assert_int_equal(log.mode[i], VIOMMU_MODE_BYPASS);
	log.count = 0;
	guest_submit(&g, GUEST_CC(VTD_GRAN_GLOBAL, 0, 0, 0), 0, 0, 0); /* nothing has changed */
	guest_wait(&g);
	assert_int_equal(log.count, 0);
	guest_put64(&g, guest_legacy_entry(&g, 8), 0);
	guest_submit(&g, GUEST_CC(VTD_GRAN_LOCAL, 5, 8, 0), 0, 0, 0);
	guest_wait(&g);
	expect_mode(&log, pass, VIOMMU_MODE_BLOCK);
	guest_legacy_tt(&g, 8, 5, 0, 4, VTD_TT_PASS);
	guest_submit(&g, GUEST_CC(VTD_GRAN_GLOBAL, 0, 0, 0), 0, 0, 0);
	guest_wait(&g);
	expect_mode(&log, pass, VIOMMU_MODE_BYPASS);
	added = guest_device(&g, 16); /* told by whoever owns the registers */
	assert_int_equal(g.count[GUEST_ON_WORK] > 0, true);
	assert_int_equal(viommu_run(g.iommu), VIOMMU_OK);
	expect_mode(&log, added, VIOMMU_MODE_TRANSLATE);
	config.opaque = &late;
	assert_int_equal(viommu_listener_new(g.iommu, NULL, &config, &listener[1]), VIOMMU_OK);
	assert_int_equal(late.count, 2);
	assert_int_equal(log.count, 0); /* knows already */
	config.opaque = &own;
	assert_int_equal(viommu_listener_new(g.iommu, added, &config, &listener[2]), VIOMMU_OK);
	expect_mode(&own, added, VIOMMU_MODE_TRANSLATE);
	assert_int_equal(log.count, 0);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(viommu_listener_free(listener[i]), VIOMMU_OK);
	guest_fini(&g);
}

/* Another id is another requester: everything may have changed. */
static void another_id(void **state)
{
	struct viommu_listener *own, *wide;
	struct viommu_device *device;
	struct ears one, all;
	struct guest g;

	guest_init(&g, GUEST_REGION, 64);
	guest_vtd(&g, GUEST_CAP, GUEST_ECAP_LEGACY);
	guest_legacy(&g, 8, 5, guest_table(&g), 4);
	guest_legacy_tt(&g, 9, 6, 0, 4, VTD_TT_PASS);
	device = guest_device(&g, 8);
	guest_start(&g, VTD_TTM_LEGACY);
	own = listen(&g, device, &one);
	wide = listen(&g, NULL, &all);
	memset(&one, 0, sizeof(one));
	memset(&all, 0, sizeof(all));
	assert_int_equal(viommu_device_set_id(device, 9), VIOMMU_OK);
	assert_int_equal(viommu_run(g.iommu), VIOMMU_OK);
	assert_true(told(&one, device, 0, UINT64_MAX) && told(&all, device, 0, UINT64_MAX));
	assert_int_equal(one.mode, VIOMMU_MODE_BYPASS);
	assert_int_equal(one.unmaps + one.modes + all.unmaps + all.modes, 4);
	/* the domain that it has now, and the one that it had before nobody speaks of */
	guest_submit(&g, GUEST_IOTLB(VTD_GRAN_LOCAL, 6), 0x5000, 0, 0);
	guest_wait(&g);
	assert_int_equal(one.unmaps, 2);
	assert_int_equal(viommu_listener_free(own), VIOMMU_OK);
	assert_int_equal(viommu_listener_free(wide), VIOMMU_OK);
	guest_fini(&g);
}

/* ---- replays ---- */

struct shadow {
	struct guest *g;
	struct viommu_device *device;
	unsigned mapped;
	uint64_t bytes;
	struct viommu_fragment last;
	uint64_t at;
};

static int on_mapped(void *opaque, uint64_t iova, const struct viommu_fragment *f)
{
	struct shadow *s = opaque;

	s->mapped++;
	s->bytes += f->length;
	s->last = *f;
	s->at = iova;
	return 0;
}

/* A shadow is built again from inside the notification, as VFIO does. */
static void replay_when_told(void *opaque, struct viommu_device *device, uint32_t pasid,
			     uint64_t first, uint64_t last)
{
	struct shadow *s = opaque;

	/* differences are told; here all of it is built again */
	assert_true(first == 0 || (first & ~UINT64_C(0xf000)) == 0);
	first = 0;
	last = UINT64_MAX;
	s->mapped = 0;
	s->bytes = 0;
	assert_int_equal(viommu_replay(device, VIOMMU_NO_PASID, &first, last, 0, on_mapped, s),
			 VIOMMU_OK);
}

static void replay_from_inside(void **state)
{
	struct shadow s = { .mapped = 0 };
	struct viommu_listener_config config = { .size = sizeof(config),
						 .opaque = &s,
						 .unmap = replay_when_told };
	struct viommu_listener *listener;
	struct guest g;
	uint64_t ss, page;

	guest_init(&g, GUEST_REGION, 64);
	guest_vtd(&g, GUEST_CAP, GUEST_ECAP_LEGACY);
	ss = guest_table(&g);
	page = guest_alloc(&g, 4);
	guest_legacy(&g, 8, 5, ss, 4);
	guest_start(&g, VTD_TTM_LEGACY);
	guest_device(&g, 8);
	assert_int_equal(viommu_listener_new(g.iommu, NULL, &config, &listener), VIOMMU_OK);
	for (unsigned i = 1; i <= 4; i++) {
		guest_ss_map(&g, ss, 4, 0x7000 + i * GUEST_PAGE, page + (i - 1) * GUEST_PAGE, 12,
			     GUEST_RW);
		guest_submit(&g, GUEST_IOTLB(VTD_GRAN_DOMAIN, 5), 0, 0, 0);
		guest_wait(&g);
		/* contiguous on both sides: one range */
		assert_int_equal(s.mapped, 1);
		assert_int_equal(s.bytes, i * GUEST_PAGE);
		assert_int_equal(s.at, 0x8000);
		assert_int_equal(s.last.gpa, page);
		assert_ptr_equal(s.last.host, guest_at(&g, page));
		assert_int_equal(s.last.perm & 3, 3);
	}
	assert_int_equal(viommu_listener_free(listener), VIOMMU_OK);
	guest_fini(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lifetime),
		cmocka_unit_test(devices_that_come_later),
		cmocka_unit_test(domains_in_legacy_mode),
		cmocka_unit_test(domain_of_before),
		cmocka_unit_test(domains_of_pasids),
		cmocka_unit_test(one_of_many),
		cmocka_unit_test(more_users_than_notes),
		cmocka_unit_test(many_of_one_domain),
		cmocka_unit_test(more_devices_than_steps),
		cmocka_unit_test(domains_of_others_pasids),
		cmocka_unit_test(switched_off_and_on),
		cmocka_unit_test(mode_of_each),
		cmocka_unit_test(another_id),
		cmocka_unit_test(replay_from_inside),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
