/* SPDX-License-Identifier: BSD-3-Clause */
/* test_smmuv3_listener.c - who is told of what an SMMU's commands take away, and what viommu_replay() reports. */
#include "check.h"

#include "smmuv3_rig.h"

#define IOVA   UINT64_C(0x7000)
#define TARGET UINT64_C(0x40000000)

enum { A, B, STREAMS };

static struct smmu_rig r;
static struct viommu_device *device[STREAMS];
static struct viommu_listener *listener[STREAMS];
static uint64_t root[STREAMS];
static struct {
	unsigned calls;
	uint64_t first;
	uint64_t last;
} told[STREAMS];

static void note(void *opaque, struct viommu_device *of, uint32_t pasid, uint64_t first,
		 uint64_t last)
{
	unsigned n = of == device[B];

	(void)opaque;
	/* of what was replayed, by PASID */
	assert_true(pasid == VIOMMU_ANY_PASID || pasid == VIOMMU_NO_PASID);
	told[n].calls++;
	told[n].first = first;
	told[n].last = last;
}

static int see(void *opaque, uint64_t iova, const struct viommu_fragment *f)
{
	uint64_t *bytes = opaque;

	assert_int_equal(f->gpa - TARGET, iova - IOVA);
	*bytes += f->length;
	return 0;
}

static uint64_t replay(unsigned n)
{
	uint64_t first = 0, bytes = 0;
	int result;

	do
		result = viommu_replay(device[n], VIOMMU_NO_PASID, &first, UINT64_MAX, 0, see,
				       &bytes);
	while (result == VIOMMU_MORE);
	assert_int_equal(result, VIOMMU_OK);
	return bytes;
}

/* Both translate, so that they are told of ranges as they are. */
static void listen(void)
{
	const struct viommu_listener_config config = { .size = sizeof(config), .unmap = note };

	for (unsigned n = 0; n < STREAMS; n++) {
		device[n] = guest_device(&r.g, 1 + n);
		guest_dma(device[n], IOVA, VIOMMU_READ);
		assert_int_equal(viommu_listener_new(r.g.iommu, device[n], &config, &listener[n]),
				 VIOMMU_OK);
		told[n].calls = 0;
	}
}

static void close_all(void)
{
	for (unsigned n = 0; n < STREAMS; n++)
		assert_int_equal(viommu_listener_free(listener[n]), VIOMMU_OK);
	sm_close(&r);
}

static void open_stage1(uint64_t bits)
{
	sm_open(&r, NULL);
	sm_start(&r);
	for (unsigned n = 0; n < STREAMS; n++) {
		root[n] = guest_alloc(&r.g, 1);
		sm_map(&r, root[n], IOVA, TARGET, bits);
		sm_stage1(&r, 1 + n, 5 + n, root[n]);
	}
}

static void pages_of_an_asid(void **state)
{
	open_stage1(SM_S1_RW);
	listen();
	sm_do(&r, SM_ASID(CMD_NH_VA, 0, 5), IOVA);
	assert_int_equal(told[A].calls, 1);
	assert_int_equal(told[A].first, IOVA);
	assert_int_equal(told[A].last, IOVA + GUEST_PAGE - 1);
	assert_int_equal(told[B].calls, 0);
	sm_do(&r, SM_ASID(CMD_NH_VAA, 0, 0), IOVA);
	assert_int_equal(told[A].calls, 2);
	assert_int_equal(told[B].calls, 1);
	close_all();
}

/* 4.4.2.4: NH_VA takes global pages of the address away from every ASID. */
static void global_pages(void **state)
{
	open_stage1(SM_S1_RW & ~BIT(11));
	listen();
	assert_int_equal(replay(B), GUEST_PAGE);
	sm_do(&r, SM_ASID(CMD_NH_VA, 0, 5), IOVA);
	assert_int_equal(told[B].calls, 1);
	assert_int_equal(told[B].first, IOVA);
	close_all();
}

/* The same of one that was only replayed: what is gone is told. */
static void global_pages_of_a_shadow(void **state)
{
	const struct viommu_listener_config config = { .size = sizeof(config), .unmap = note };

	open_stage1(SM_S1_RW & ~BIT(11));
	for (unsigned n = 0; n < STREAMS; n++) {
		device[n] = guest_device(&r.g, 1 + n);
		assert_int_equal(viommu_listener_new(r.g.iommu, device[n], &config, &listener[n]),
				 VIOMMU_OK);
		assert_int_equal(replay(n), GUEST_PAGE);
		told[n].calls = 0;
	}
	sm_map(&r, root[B], IOVA, 0, 0);
	sm_do(&r, SM_ASID(CMD_NH_VA, 0, 5), IOVA);
	assert_int_equal(told[A].calls, 0); /* it stays as it is */
	assert_int_equal(told[B].calls, 1);
	close_all();
}

static uint64_t leaf;

/* Memory is behind callbacks here: no SYNC writes to it. */
static int invalidate(unsigned asid)
{
	sm_command(&r, SM_ASID(CMD_NH_VA, 0, asid), IOVA);
	sm_command(&r, CMD_SYNC, 0);
	return sm_ring(&r);
}

/* Behind the first reading of the page: it changes, and is invalidated with the ASID of the other stream. */
static void invalidate_behind(void *opaque, uint64_t gpa, void *bytes, uint32_t count)
{
	(void)opaque;
	(void)bytes;
	if (!leaf || leaf < gpa || leaf - gpa >= count)
		return;
	leaf = 0;
	sm_map(&r, root[B], IOVA, TARGET + GUEST_PAGE, SM_S1_RW & ~BIT(11));
	assert_int_equal(invalidate(5), VIOMMU_PENDING);
}

/* The first global page of all, taken away while it is read, before anyone knows that it is global. */
static void the_first_global_page(void **state)
{
	sm_open_memory(&r, NULL, GUEST_CALLBACKS);
	sm_start(&r);
	for (unsigned n = 0; n < STREAMS; n++) {
		root[n] = guest_alloc(&r.g, 1);
		sm_map(&r, root[n], IOVA, TARGET, SM_S1_RW);
		sm_stage1(&r, 1 + n, 5 + n, root[n]);
	}
	listen();
	sm_map(&r, root[B], IOVA, TARGET, SM_S1_RW & ~BIT(11));
	assert_int_equal(invalidate(6), VIOMMU_OK);
	told[B].calls = 0;
	leaf = sm_entry(&r, root[B], IOVA, 3);
	r.g.alter = invalidate_behind;
	assert_int_equal(guest_dma(device[B], IOVA, VIOMMU_READ).f.gpa, TARGET + GUEST_PAGE);
	r.g.alter = NULL;
	assert_int_equal(leaf, 0);
	assert_int_equal(sm_run(&r), VIOMMU_OK);
	assert_int_equal(sm_read(&r, SMMU_CMDQ_CONS, 4), r.prod);
	assert_int_equal(guest_dma(device[B], IOVA, VIOMMU_READ).f.gpa, TARGET + GUEST_PAGE);
	close_all();
}

/* 4.4.6: an intermediate address is that of the devices, as long as there is nothing on it. */
static void pages_of_stage2(void **state)
{
	for (unsigned nested = 0; nested < 2; nested++) {
		sm_open(&r, NULL);
		sm_start(&r);
		for (unsigned n = 0; n < STREAMS; n++) {
			root[n] = guest_alloc(&r.g, 1);
			sm_map(&r, root[n], IOVA, TARGET, SM_S2_RW);
			sm_stage2(&r, 1 + n, 2 + n, root[n]);
		}
		if (nested)
			sm_nested(&r, 2, 3, 5, root[B], root[B]);
		for (uint64_t at = GUEST_BASE; at < r.g.used; at += GUEST_PAGE)
			sm_map(&r, root[B], at, at, SM_S2_RW);
		listen();
		sm_do(&r, SM_ASID(CMD_S2_IPA, 2, 0), IOVA);
		assert_int_equal(told[A].calls, 1);
		assert_int_equal(told[A].last, nested ? UINT64_MAX : IOVA + GUEST_PAGE - 1);
		assert_int_equal(told[B].calls, 0);
		close_all();
	}
}

static void contexts_and_modes(void **state)
{
	open_stage1(SM_S1_RW);
	listen();
	sm_put_ste(&r, 1, SM_STE0(STE_CONFIG_BYPASS), 0, 0, 0);
	sm_do(&r, SM_CFGI_STE(1), CMD_LEAF);
	assert_int_equal(told[A].calls, 1);
	assert_int_equal(told[A].last, UINT64_MAX);
	assert_int_equal(told[B].calls, 0);
	sm_do(&r, CMD_CFGI_RANGE, CMD_CFGI_ALL);
	assert_int_equal(told[B].calls, 1);
	sm_write(&r, SMMU_CR0, 4, CR0_EVENTQEN | CR0_CMDQEN);
	sm_run(&r);
	assert_int_equal(told[B].calls, 2);
	close_all();
}

/* Nested, with a page of stage 1 larger than those of stage 2. */
static void replay_through_both(void **state)
{
	uint64_t first = 0, bytes = 0;

	sm_open(&r, NULL);
	sm_start(&r);
	root[A] = guest_alloc(&r.g, 1);
	root[B] = guest_alloc(&r.g, 1);
	for (uint64_t at = GUEST_BASE; at < GUEST_BASE + 64 * GUEST_PAGE; at += GUEST_PAGE)
		sm_map(&r, root[B], at, at, SM_S2_RW);
	guest_put64(&r.g, sm_entry(&r, root[A], 0, 2), 0x200000 | (SM_S1_RW & ~UINT64_C(2)));
	for (unsigned page = 7; page < 12; page++)
		sm_map(&r, root[B], 0x200000 + page * GUEST_PAGE, TARGET + (page - 7) * GUEST_PAGE,
		       SM_S2_RW);
	sm_nested(&r, 1, 2, 5, root[A], root[B]);
	device[A] = guest_device(&r.g, 1);
	/* one entry at a time */
	for (unsigned i = 0; i < 10000; i++) {
		if (viommu_replay(device[A], VIOMMU_NO_PASID, &first, UINT64_MAX, 1, see, &bytes) ==
		    VIOMMU_OK)
			break;
	}
	assert_int_equal(bytes, 5 * GUEST_PAGE);
	sm_close(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pages_of_an_asid),	    cmocka_unit_test(global_pages),
		cmocka_unit_test(global_pages_of_a_shadow), cmocka_unit_test(pages_of_stage2),
		cmocka_unit_test(contexts_and_modes),	    cmocka_unit_test(replay_through_both),
		cmocka_unit_test(the_first_global_page),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
