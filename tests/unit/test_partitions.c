/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_partitions.c - devices that are told apart: what one partition does is not to be seen in the window of another, and
 * its completions wait for its own sections only.
 */
#include "check.h"

#include <libvirtiommu/dirty.h>

#include <stdlib.h>
#include <string.h>

#include "amdvi_rig.h"
#include "channel.h"
#include "guest.h"
#include "smmuv3_rig.h"
#include "tce_rig.h"

#define IOVA UINT64_C(0x40000000)
#define RID0 0x10U
#define DID0 7U

enum { MINE, OTHER, DEVICES };

struct world {
	struct guest g;
	struct viommu_device *device[DEVICES];
	struct viommu_channel *channel[DEVICES];
	uint64_t page[DEVICES];
};

static struct world world;

static struct viommu_device *device_in(struct guest *g, uint32_t id, uint32_t partition)
{
	const struct viommu_device_config config = { .size = sizeof(config),
						     .id = id,
						     .partition = partition };
	struct viommu_device *device;

	assert_int_equal(viommu_device_new(g->iommu, &config, &device), VIOMMU_OK);
	return device;
}

static struct world *open_unit(uint32_t partitions, uint64_t cap, uint64_t ecap)
{
	const struct viommu_limits limits = { .size = sizeof(limits),
					      .tlb_entries = 320,
					      .contexts = 64,
					      .domains = 64,
					      .devices = 64,
					      .channels = 64,
					      .partitions = partitions };
	struct viommu_vtd_config config = {
		.size = sizeof(config), .limits = &limits, .cap = cap, .ecap = ecap
	};
	struct world *w = &world;

	memset(w, 0, sizeof(*w));
	guest_init(&w->g, GUEST_REGION, 64);
	assert_int_equal(guest_try_vtd_config(&w->g, &config), VIOMMU_OK);
	for (unsigned i = 0; i < DEVICES; i++) {
		uint64_t ss = guest_table(&w->g);

		w->page[i] = guest_alloc(&w->g, 1);
		guest_ss_map(&w->g, ss, 4, IOVA, w->page[i], 12, GUEST_RW);
		guest_legacy(&w->g, (uint16_t)(RID0 + i), (uint16_t)(DID0 + i), ss, 4);
	}
	guest_start(&w->g, VTD_TTM_LEGACY);
	for (unsigned i = 0; i < DEVICES; i++) {
		w->device[i] = device_in(&w->g, RID0 + i, i % partitions);
		assert_int_equal(viommu_channel_new(w->device[i], VIOMMU_NO_PASID, &w->channel[i]),
				 VIOMMU_OK);
	}
	return w;
}

static struct world *open_world(uint32_t partitions)
{
	return open_unit(partitions, 0, 0);
}

static void close_world(struct world *w)
{
	for (unsigned i = 0; i < DEVICES; i++) {
		assert_int_equal(viommu_channel_free(w->channel[i]), VIOMMU_OK);
		assert_int_equal(viommu_device_free(w->device[i]), VIOMMU_OK);
	}
	guest_fini(&w->g);
}

static void use(struct world *w, unsigned who)
{
	struct guest_dma d = guest_channel_dma(w->channel[who], VIOMMU_NO_PASID, IOVA, VIOMMU_READ);

	assert_int_equal(d.result, VIOMMU_OK);
	assert_int_equal(d.f.gpa, w->page[who]);
	assert_int_equal(guest_dma(w->device[who], IOVA, VIOMMU_READ).result, VIOMMU_OK);
}

/* ---- what an invalidation moves ---- */

static const struct moves_row {
	const char *name;
	bool contexts;
	unsigned gran;
	uint64_t address;
	bool mine; /* it is about both */
} moves_rows[] = {
	{ "6.5.2.2 a page", false, VTD_GRAN_LOCAL, IOVA, false },
	{ "6.5.2.2 a domain", false, VTD_GRAN_DOMAIN, 0, false },
	{ "6.5.2.2 all", false, VTD_GRAN_GLOBAL, 0, true },
	{ "6.5.2.1 a device", true, VTD_GRAN_LOCAL, 0, false },
	{ "6.5.2.1 contexts of a domain", true, VTD_GRAN_DOMAIN, 0, false },
	{ "6.5.2.1 all contexts", true, VTD_GRAN_GLOBAL, 0, true },
};

static void submit(struct world *w, const struct moves_row *row)
{
	guest_submit(&w->g,
		     row->contexts ? GUEST_CC(row->gran, DID0 + OTHER, RID0 + OTHER, 0)
				   : GUEST_IOTLB(row->gran, DID0 + OTHER),
		     row->address, 0, 0);
}

/* Every byte of a window is as it was, whatever is done about devices of the other partition. */
static void windows_tell_nothing(void **state)
{
	for (size_t i = 0; i < ARRAY_COUNT(moves_rows); i++) {
		const struct moves_row *row = &moves_rows[i];
		struct world *w = open_world(DEVICES);
		struct window *mine = w->device[MINE]->window;
		struct window *other = w->device[OTHER]->window;
		uint64_t now = atomic_load(&other->now);
		void *before = malloc(mine->bytes);

		assert_non_null(before);
		use(w, MINE);
		memcpy(before, mine, mine->bytes);
		use(w, OTHER);
		check_that(row->name, !memcmp(before, mine, mine->bytes));
		submit(w, row);
		guest_wait(&w->g);
		use(w, OTHER);
		check_eq(row->name, !memcmp(before, mine, mine->bytes), !row->mine);
		check_that(row->name, atomic_load(&other->now) > now);
		free(before);
		close_world(w);
	}
}

/* ---- the same in other engines ---- */

struct two {
	struct viommu_device *device[DEVICES];
	void *before;
};

/* Both have translated, and the window of MINE is kept. */
static void two_open(struct two *t, const uint64_t *iova)
{
	const struct window *mine = t->device[MINE]->window;

	for (unsigned i = 0; i < DEVICES; i++)
		assert_int_equal(guest_dma(t->device[i], iova[i], VIOMMU_READ).result, VIOMMU_OK);
	t->before = malloc(mine->bytes);
	assert_non_null(t->before);
	memcpy(t->before, mine, mine->bytes);
}

/* What was done since was about OTHER: its word has moved, and nothing in the window of MINE. */
static void two_close(struct two *t, const char *what, uint64_t other_now)
{
	const struct window *mine = t->device[MINE]->window;

	check_that(what, !memcmp(t->before, mine, mine->bytes));
	check_that(what, atomic_load(&t->device[OTHER]->window->now) > other_now);
	free(t->before);
}

static uint64_t now_of(const struct viommu_device *device)
{
	return atomic_load(&device->window->now);
}

static const struct viommu_limits two_limits = { .size = sizeof(two_limits),
						 .tlb_entries = 320,
						 .contexts = 64,
						 .domains = 64,
						 .devices = 64,
						 .channels = 64,
						 .partitions = DEVICES };

/* Contexts of a PASID come from tables of the guest. */
static void amdvi_guest_tables(void **state)
{
	const struct amdvi_rig_config config = { .efr = AR_EFR_ALL, .limits = &two_limits };
	const uint64_t iova[] = { IOVA, IOVA };
	struct amdvi_rig r;
	struct two t;
	uint64_t now;

	ar_open(&r, &config);
	for (uint32_t i = 0; i < DEVICES; i++) {
		uint64_t root = guest_table(&r.g);

		ar_map(&r, root, 4, IOVA, guest_alloc(&r.g, 1), 0, AR_RW);
		ar_dte(&r, RID0 + i, AR_V1(root, 4), DID0 + i, 0);
		t.device[i] = device_in(&r.g, RID0 + i, i);
	}
	two_open(&t, iova);
	now = now_of(t.device[OTHER]);
	ar_command(&r, AR_PAGES(DID0 + OTHER), AR_ALL | AMD_CMD_GN);
	ar_sync(&r);
	two_close(&t, "2.4.3 guest tables of a domain", now);
	for (unsigned i = 0; i < DEVICES; i++)
		assert_int_equal(viommu_device_free(t.device[i]), VIOMMU_OK);
	ar_close(&r);
}

static void smmuv3_streams(void **state)
{
	static const unsigned far[] = { 7, 8, 12 };
	const struct viommu_smmuv3_config config = { .size = sizeof(config),
						     .limits = &two_limits };

	for (size_t n = 0; n < ARRAY_COUNT(far); n++) {
		uint64_t sid[] = { 8, UINT64_C(1) << far[n] | 8 };
		const uint64_t iova[] = { 0x1000, 0x1000 };
		struct smmu_rig r;
		struct two t;
		uint64_t now;

		sm_open(&r, &config);
		sm_start(&r);
		for (uint32_t i = 0; i < DEVICES; i++) {
			uint64_t root = guest_table(&r.g);

			sm_map(&r, root, 0x1000, guest_alloc(&r.g, 1), SM_S1_RW);
			sm_stage1(&r, 8 + i, 5 + i, root);
			t.device[i] = device_in(&r.g, 8 + i, i);
		}
		two_open(&t, iova);
		/* the stream table has no more: it goes by another number from now on */
		viommu_device_set_id(t.device[OTHER], (uint32_t)sid[OTHER]);
		now = now_of(t.device[OTHER]);
		sm_do(&r, CMD_CFGI_RANGE | SM_PUT(CMD_SID, sid[OTHER]),
		      SM_PUT(CMD_CFGI_RANGE_OF, far[n] - 1));
		two_close(&t, "4.3.2 a range of streams", now);
		for (unsigned i = 0; i < DEVICES; i++)
			assert_int_equal(viommu_device_free(t.device[i]), VIOMMU_OK);
		sm_close(&r);
	}
}

/* LoPAR: ibm,set-tce-bypass of a unit */
static void tce_bypass(void **state)
{
	const struct viommu_tce_config config = { .size = sizeof(config), .limits = &two_limits };
	const uint64_t iova[] = { 0, 0 };
	struct tce_rig *r = tr_open(&config, 8);
	struct two t;
	uint64_t now;

	assert_int_equal(viommu_device_set_id(r->device[TR_VIO], VIOMMU_NO_ID), VIOMMU_OK);
	t.device[MINE] = r->device[TR_PLAIN];
	t.device[OTHER] = device_in(&r->g, TR_VIO, OTHER);
	assert_int_equal(tr_put(r, TR_LIOBN(TR_PLAIN), 0, GUEST_BASE | 3), 0);
	assert_int_equal(tr_put(r, TR_VIO_LIOBN, 0, GUEST_BASE | 3), 0);
	two_open(&t, iova);
	now = now_of(t.device[OTHER]);
	assert_int_equal(tr_bypass(r, TR_VIO_LIOBN, 1), 0);
	two_close(&t, "ibm,set-tce-bypass", now);
	assert_int_equal(viommu_device_free(t.device[OTHER]), VIOMMU_OK);
	tr_close(r);
}

/* The other's changes are seen by itself: its channel does not answer from before. */
static void who_is_concerned_sees_it(void **state)
{
	for (uint32_t partitions = 1; partitions <= DEVICES; partitions++) {
		struct world *w = open_world(partitions);
		uint64_t ss = guest_table(&w->g);

		use(w, MINE);
		use(w, OTHER);
		w->page[OTHER] = guest_alloc(&w->g, 1);
		guest_ss_map(&w->g, ss, 4, IOVA, w->page[OTHER], 12, GUEST_RW);
		guest_legacy(&w->g, RID0 + OTHER, DID0 + OTHER, ss, 4);
		guest_submit(&w->g, GUEST_CC(VTD_GRAN_LOCAL, DID0 + OTHER, RID0 + OTHER, 0), 0, 0,
			     0);
		guest_submit(&w->g, GUEST_IOTLB(VTD_GRAN_DOMAIN, DID0 + OTHER), 0, 0, 0);
		guest_wait(&w->g);
		use(w, MINE);
		use(w, OTHER);
		close_world(w);
	}
}

/* ---- whom a completion waits for ---- */

static void sections_of_the_concerned(void **state)
{
	for (size_t i = 0; i < ARRAY_COUNT(moves_rows); i++) {
		const struct moves_row *row = &moves_rows[i];

		for (unsigned open = 0; open < DEVICES; open++) {
			struct world *w = open_world(DEVICES);
			bool waits = open == OTHER || row->mine;
			int result;

			use(w, MINE);
			use(w, OTHER);
			assert_int_equal(viommu_enter(w->channel[open]), VIOMMU_OK);
			submit(w, row);
			guest_submit_wait(&w->g);
			result = guest_ring(&w->g);
			check_eq(row->name, result, waits ? VIOMMU_PENDING : VIOMMU_OK);
			check_eq(row->name, guest_waited(&w->g), !waits);
			assert_int_equal(viommu_leave(w->channel[open]), VIOMMU_OK);
			check_eq(row->name, viommu_run(w->g.iommu), VIOMMU_OK);
			check_that(row->name, guest_waited(&w->g));
			close_world(w);
		}
	}
}

/* The same of sections without channel. */
static void device_sections(void **state)
{
	for (unsigned open = 0; open < DEVICES; open++) {
		struct viommu_section section = { .device = NULL };
		struct world *w = open_world(DEVICES);

		use(w, MINE);
		use(w, OTHER);
		assert_int_equal(viommu_device_enter(w->device[open], &section), VIOMMU_OK);
		guest_submit(&w->g, GUEST_IOTLB(VTD_GRAN_DOMAIN, DID0 + OTHER), 0, 0, 0);
		guest_submit_wait(&w->g);
		guest_ring(&w->g);
		assert_int_equal(guest_waited(&w->g), open == MINE);
		assert_int_equal(viommu_device_leave(&section), VIOMMU_OK);
		assert_int_equal(viommu_run(w->g.iommu), VIOMMU_OK);
		assert_true(guest_waited(&w->g));
		close_world(w);
	}
}

/* What the VMM changes by itself: it waits for all sections that are older, and the guest's completions do not. */
static void replace_memory(struct guest *g)
{
	const struct viommu_region region = {
		.size = sizeof(region), .gpa = GUEST_BASE, .bytes = g->bytes, .host = g->ram
	};

	assert_int_equal(viommu_vm_replace_region(g->vm, &region), VIOMMU_OK);
}

static void of_the_vmm_only(void **state)
{
	for (unsigned n = 0; n < 2; n++) {
		struct world *w = open_world(DEVICES);
		struct viommu_dirty *dirty = NULL;
		uint64_t bitmap[4] = { 0 };

		use(w, MINE);
		use(w, OTHER);
		assert_int_equal(viommu_enter(w->channel[MINE]), VIOMMU_OK);
		if (n == 0) {
			replace_memory(&w->g);
			assert_int_equal(viommu_vm_quiesce(w->g.vm), VIOMMU_PENDING);
		} else {
			assert_int_equal(viommu_dirty_start(w->g.iommu, NULL, 0, 0xfffff, &dirty),
					 VIOMMU_OK);
			assert_int_equal(viommu_dirty_collect(dirty, bitmap), VIOMMU_PENDING);
		}
		use(w, OTHER);
		guest_submit(&w->g, GUEST_IOTLB(VTD_GRAN_DOMAIN, DID0 + OTHER), 0, 0, 0);
		guest_submit_wait(&w->g);
		assert_int_equal(guest_ring(&w->g), VIOMMU_OK);
		assert_true(guest_waited(&w->g));
		/* what was looked up before still is */
		guest_submit(&w->g, GUEST_IOTLB(VTD_GRAN_DOMAIN, DID0 + MINE), 0, 0, 0);
		guest_submit_wait(&w->g);
		assert_int_equal(guest_ring(&w->g), VIOMMU_PENDING);
		assert_int_equal(viommu_leave(w->channel[MINE]), VIOMMU_OK);
		assert_int_equal(viommu_run(w->g.iommu), VIOMMU_OK);
		assert_true(guest_waited(&w->g));
		assert_int_equal(n ? viommu_dirty_collect(dirty, bitmap)
				   : viommu_vm_quiesce(w->g.vm),
				 VIOMMU_OK);
		assert_int_equal(viommu_dirty_stop(dirty), VIOMMU_OK);
		close_world(w);
	}
}

/* What has lost its place before the VMM changes something is waited for as before. */
static void lost_before_the_vmm(void **state)
{
	struct world *w = open_world(DEVICES);

	use(w, MINE);
	domains_lose(&w->device[MINE]->partition->domains, DID0 + OTHER);
	assert_int_equal(viommu_enter(w->channel[MINE]), VIOMMU_OK);
	replace_memory(&w->g);
	guest_submit(&w->g, GUEST_IOTLB(VTD_GRAN_DOMAIN, DID0 + OTHER), 0, 0, 0);
	guest_submit_wait(&w->g);
	assert_int_equal(guest_ring(&w->g), VIOMMU_PENDING);
	assert_false(guest_waited(&w->g));
	assert_int_equal(viommu_leave(w->channel[MINE]), VIOMMU_OK);
	assert_int_equal(viommu_run(w->g.iommu), VIOMMU_OK);
	assert_true(guest_waited(&w->g));
	close_world(w);
}

/* A register switches something off: what anybody may still use, whose partition it ever is. */
static void switches_wait_for_all(void **state)
{
	for (unsigned open = 0; open < DEVICES; open++) {
		struct world *w = open_world(DEVICES);

		use(w, open);
		assert_int_equal(viommu_enter(w->channel[open]), VIOMMU_OK);
		assert_int_equal(guest_write32(&w->g, VTD_GCMD,
					       guest_read32(&w->g, VTD_GSTS) & ~(uint32_t)VTD_G_TE),
				 VIOMMU_PENDING);
		assert_true(guest_read32(&w->g, VTD_GSTS) & VTD_G_TE);
		assert_int_equal(viommu_leave(w->channel[open]), VIOMMU_OK);
		assert_int_equal(viommu_run(w->g.iommu), VIOMMU_OK);
		assert_false(guest_read32(&w->g, VTD_GSTS) & VTD_G_TE);
		close_world(w);
	}
}

/* 7.10: page requests that are being queued at the moment may be any device's. */
static void drains_wait_for_all(void **state)
{
	for (unsigned open = 0; open < DEVICES; open++) {
		struct world *w =
			open_unit(DEVICES, GUEST_CAP_SCALABLE, GUEST_ECAP_SCALABLE | VTD_ECAP_PDS);

		use(w, open);
		assert_int_equal(viommu_enter(w->channel[open]), VIOMMU_OK);
		guest_submit(&w->g,
			     VTD_QI_WAIT | VTD_QI_WAIT_SW | VTD_QI_WAIT_PD |
				     bits_put(VTD_QI_WAIT_DATA, ++w->g.ticket),
			     w->g.status, 0, 0);
		assert_int_equal(guest_ring(&w->g), VIOMMU_PENDING);
		assert_false(guest_waited(&w->g));
		assert_int_equal(viommu_leave(w->channel[open]), VIOMMU_OK);
		assert_int_equal(viommu_run(w->g.iommu), VIOMMU_OK);
		assert_true(guest_waited(&w->g));
		close_world(w);
	}
}

/* A domain that has lost its place is known no more, but an open section may use it: of the group, everybody is concerned,
 * once. */
static void lost_domains(void **state)
{
	struct world *w = open_world(DEVICES);
	struct domains *d = &w->device[MINE]->partition->domains;
	struct window *mine = w->device[MINE]->window;
	uint64_t now;

	use(w, MINE);
	domains_lose(d, DID0 + OTHER);
	assert_int_equal(viommu_enter(w->channel[MINE]), VIOMMU_OK);
	now = atomic_load(&mine->now);
	guest_submit(&w->g, GUEST_IOTLB(VTD_GRAN_DOMAIN, DID0 + OTHER), 0, 0, 0);
	guest_submit_wait(&w->g);
	guest_ring(&w->g);
	assert_false(guest_waited(&w->g));
	assert_int_equal(atomic_load(&mine->now), now + 1);
	assert_int_equal(viommu_leave(w->channel[MINE]), VIOMMU_OK);
	assert_int_equal(viommu_run(w->g.iommu), VIOMMU_OK);
	assert_true(guest_waited(&w->g));
	guest_submit(&w->g, GUEST_IOTLB(VTD_GRAN_DOMAIN, DID0 + OTHER), 0, 0, 0);
	guest_wait(&w->g);
	assert_int_equal(atomic_load(&mine->now), now + 1);
	close_world(w);
}

/* A context was out of date each time it was parsed, and is used all the same: whichever domain's contexts are
 * invalidated, its section is waited for. */
static void contexts_that_do_not_stand(void **state)
{
	struct world *w = open_world(DEVICES);
	struct window *mine = w->device[MINE]->window;
	uint64_t generation = atomic_load(&mine->generation);

	use(w, MINE);
	domains_lose_any(&w->device[MINE]->partition->domains);
	assert_int_equal(viommu_enter(w->channel[MINE]), VIOMMU_OK);
	guest_submit(&w->g, GUEST_CC(VTD_GRAN_DOMAIN, DID0 + OTHER, 0, 0), 0, 0, 0);
	guest_submit_wait(&w->g);
	guest_ring(&w->g);
	assert_false(guest_waited(&w->g));
	assert_int_equal(atomic_load(&mine->generation), generation + 1);
	assert_int_equal(viommu_leave(w->channel[MINE]), VIOMMU_OK);
	assert_int_equal(viommu_run(w->g.iommu), VIOMMU_OK);
	assert_true(guest_waited(&w->g));
	guest_submit(&w->g, GUEST_CC(VTD_GRAN_DOMAIN, DID0 + OTHER, 0, 0), 0, 0, 0);
	guest_wait(&w->g);
	assert_int_equal(atomic_load(&mine->generation), generation + 1);
	close_world(w);
}

/* ---- what is in a window ---- */

static void keys_differ(void **state)
{
	struct world *w = open_world(DEVICES);
	const struct window *mine = w->device[MINE]->window, *other = w->device[OTHER]->window;

	assert_ptr_not_equal(mine, other);
	assert_memory_not_equal(mine->key, other->key, sizeof(mine->key));
	assert_memory_not_equal(mine->key, w->g.vm->key, sizeof(mine->key));
	assert_memory_not_equal(mine->key, w->g.vm->config.hash_key, sizeof(mine->key));
	close_world(w);
}

static bool within(uint64_t word, const void *from, uint64_t bytes)
{
	return word >= (uintptr_t)from && word < (uintptr_t)from + bytes;
}

/* No word of it leads to the library's memory, or the guest's; nor is it another's key, or the VM's. */
static void no_pointers(void **state)
{
	struct world *w = open_world(DEVICES);
	const struct window *mine = w->device[MINE]->window;
	const uint64_t *word = (const void *)mine;

	use(w, MINE);
	use(w, OTHER);
	for (uint64_t i = 0; i < mine->bytes / sizeof(*word); i++) {
		const struct window *other = w->device[OTHER]->window;

		assert_false(within(word[i], w->g.ram, w->g.bytes));
		assert_false(within(word[i], mine, mine->bytes));
		assert_false(within(word[i], w->g.iommu, sizeof(*w->g.iommu)));
		assert_false(within(word[i], w->device[MINE], sizeof(struct viommu_device)));
		assert_false(within(word[i], w->device[MINE]->partition, 4096));
		for (unsigned k = 0; k < 2; k++) {
			assert_int_not_equal(word[i], other->key[k]);
			assert_int_not_equal(word[i], w->g.vm->key[k]);
			assert_int_not_equal(word[i], w->g.vm->config.hash_key[k]);
		}
	}
	close_world(w);
}

/* Whoever has the window elsewhere finds in it what the owner has cached. */
static void window_elsewhere(void **state)
{
	struct world *w = open_world(DEVICES);
	struct viommu_device *device = w->device[MINE];
	uint64_t bytes = device->window->bytes;
	struct context_cache contexts;
	struct context_entry entry;
	struct translation found;
	struct window *copy;
	struct tlb tlb;

	use(w, MINE);
	copy = aligned_alloc(WINDOW_ALIGN, bytes);
	assert_non_null(copy);
	memcpy(copy, device->window, bytes);
	tlb_attach(&tlb, copy);
	context_cache_attach(&contexts, copy);
	assert_true(context_cache_find_domain(
		&contexts, translate_who(device, VIOMMU_NO_PASID, VIOMMU_AT_UNTRANSLATED), &entry));
	assert_true(within((uintptr_t)entry.domain, copy, bytes));
	assert_int_equal(atomic_load(&copy->generation) +
				 atomic_load(window_device(copy, device->place)) +
				 domain_life(entry.domain),
			 entry.generation);
	assert_true(tlb_find(&tlb, domain_space(entry.domain, atomic_load(&entry.domain->tag)),
			     atomic_load(&entry.domain->sizes), IOVA, &found));
	assert_int_equal(found.gpa, w->page[MINE]);
	free(copy);
	close_world(w);
}

/* The places of devices are the partition's for ever, and their words go on from where they are. */
static void places_of_devices(void **state)
{
	struct world *w = open_world(DEVICES);
	struct window *mine = w->device[MINE]->window;
	struct viommu_device *device = device_in(&w->g, 0x80, MINE);
	uint32_t place = device->place;
	uint64_t word;

	unit_forget_device(device, false);
	word = atomic_load(window_device(mine, place));
	assert_true(word > 0);
	assert_int_equal(viommu_device_free(device), VIOMMU_OK);
	/* whoever goes leaves nothing that stands */
	assert_true(atomic_load(window_device(mine, place)) > word);
	word = atomic_load(window_device(mine, place));
	device = device_in(&w->g, 0x81, OTHER);
	assert_ptr_not_equal(device->generation, window_device(mine, place));
	unit_forget_device(device, false);
	assert_int_equal(atomic_load(window_device(mine, place)), word);
	assert_int_equal(viommu_device_free(device), VIOMMU_OK);
	device = device_in(&w->g, 0x82, MINE);
	assert_int_equal(device->place, place);
	assert_int_equal(atomic_load(window_device(mine, place)), word);
	assert_int_equal(viommu_device_free(device), VIOMMU_OK);
	close_world(w);
}

/* ---- configuration ---- */

static void which_partitions(void **state)
{
	for (uint32_t partitions = 0; partitions <= DEVICES; partitions++) {
		const struct viommu_limits limits = { .size = sizeof(limits),
						      .partitions = partitions };
		struct viommu_vtd_config config = { .size = sizeof(config), .limits = &limits };
		uint32_t there = partitions ? partitions : 1;
		struct viommu_device *device;
		struct guest g;

		guest_init(&g, GUEST_REGION, 4);
		assert_int_equal(guest_try_vtd_config(&g, &config), VIOMMU_OK);
		for (uint32_t i = 0; i <= there; i++) {
			const struct viommu_device_config c = { .size = sizeof(c),
								.id = 8 + i,
								.partition = i };

			assert_int_equal(viommu_device_new(g.iommu, &c, &device),
					 i < there ? VIOMMU_OK : VIOMMU_EINVAL);
			if (i < there)
				assert_int_equal(viommu_device_free(device), VIOMMU_OK);
		}
		guest_fini(&g);
	}
}

/* The nth allocation of an IOMMU with partitions fails: nothing is left, and it comes to be when there is memory. */
static void no_memory(void **state)
{
	const struct viommu_limits limits = { .size = sizeof(limits),
					      .tlb_entries = 5,
					      .contexts = 2,
					      .domains = 8,
					      .devices = 8,
					      .channels = 8,
					      .tables = 2,
					      .shadow = 2,
					      .partitions = 3 };
	int result = VIOMMU_ENOMEM;
	unsigned nth = 0;
	struct guest g;

	guest_init(&g, GUEST_REGION, 4);
	while (result == VIOMMU_ENOMEM && nth++ < 200) {
		struct viommu_vtd_config config = { .size = sizeof(config), .limits = &limits };
		uint64_t blocks = g.blocks;

		g.no_memory_in = nth;
		result = guest_try_vtd_config(&g, &config);
		if (result)
			assert_int_equal(g.blocks, blocks);
	}
	g.no_memory_in = 0;
	assert_int_equal(result, VIOMMU_OK);
	assert_true(nth > 3 * 6);
	guest_fini(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(windows_tell_nothing),
		cmocka_unit_test(amdvi_guest_tables),
		cmocka_unit_test(smmuv3_streams),
		cmocka_unit_test(tce_bypass),
		cmocka_unit_test(who_is_concerned_sees_it),
		cmocka_unit_test(sections_of_the_concerned),
		cmocka_unit_test(device_sections),
		cmocka_unit_test(of_the_vmm_only),
		cmocka_unit_test(lost_before_the_vmm),
		cmocka_unit_test(switches_wait_for_all),
		cmocka_unit_test(drains_wait_for_all),
		cmocka_unit_test(lost_domains),
		cmocka_unit_test(contexts_that_do_not_stand),
		cmocka_unit_test(keys_differ),
		cmocka_unit_test(no_pointers),
		cmocka_unit_test(window_elsewhere),
		cmocka_unit_test(places_of_devices),
		cmocka_unit_test(which_partitions),
		cmocka_unit_test(no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
