/* SPDX-License-Identifier: BSD-3-Clause */
/* test_vhost_sent.c - the record of what a backend was sent: never less than there is (obligation
 * 5). */
#include "check.h"

#include <stdbool.h>

#include "machine.h"
#include "run.h"
#include "vhost_sent.h"

#define SPACE 1024U

static uint64_t state_of_random;

static unsigned choose(unsigned n)
{
	state_of_random ^= state_of_random << 13;
	state_of_random ^= state_of_random >> 7;
	state_of_random ^= state_of_random << 17;
	return (unsigned)(state_of_random % n);
}

/* The whole of it at 0, in the middle, and at the end of the address space. */
static const uint64_t bases[] = { 0, UINT64_C(1) << 40, UINT64_MAX - (SPACE - 1) };

enum { MAX_RANGES = 64 };

/* Memory is laid ready as the connection does it. */
static void make_room(struct vhost_sent *sent, struct viommu_vm *vm)
{
	while (!vhost_sent_reserve(sent))
		vhost_sent_lay_ready(sent, vm_alloc(vm, sent->wanted, VHOST_SENT_ALIGN),
				     sent->wanted);
}

/* What is removed was there, and it is said how much; what is around an address overlaps nothing
 * else. */
static void check_fit(const struct vhost_sent *sent, uint64_t base, const bool *there, bool exact)
{
	uint64_t iova = base + choose(SPACE);
	struct vhost_range range = { base, base + (SPACE - 1) };
	bool known = vhost_sent_fit(sent, iova, &range);

	assert_true(known || !there[iova - base]);
	assert_true(!exact || known == there[iova - base]);
	assert_true(range.first <= iova && iova <= range.last);
	if (known)
		return;
	assert_true(!vhost_sent_any(sent, range.first, range.last));
	assert_true(range.first == base || vhost_sent_any(sent, range.first - 1, iova));
	assert_true(range.last == base + (SPACE - 1) || vhost_sent_any(sent, iova, range.last + 1));
}

static void add(struct vhost_sent *sent, const struct vhost_range *range, uint64_t gpa)
{
	struct vhost_range removed;

	vhost_sent_remove(sent, range->first, range->last, &removed);
	assert_true(!vhost_sent_any(sent, range->first, range->last));
	vhost_sent_add(sent, range, gpa, 1 + choose(3), choose(4) == 0);
}

/* What can be sent again as it is: a message that is there as a whole, or what is left of one. @piece:
 * which message each address is of. */
static unsigned check_same(const struct vhost_sent *sent, uint64_t base, const unsigned *piece)
{
	struct range_item item;
	unsigned first, last;

	if (!range_map_next(sent->pool, &sent->map, base + choose(SPACE), &item) ||
	    !vhost_sent_same(sent, &(struct vhost_range){ item.first, item.last }, item.target,
			     item.perm & 3))
		return 0;
	first = (unsigned)(item.first - base);
	last = (unsigned)(item.last - base);
	for (unsigned i = first; i <= last; i++)
		assert_true(piece[i] && piece[i] == piece[first]);
	assert_true(first == 0 || piece[first - 1] != piece[first]);
	assert_true(last == SPACE - 1 || piece[last + 1] != piece[first]);
	return 1;
}

static void any_order(void **state)
{
	struct viommu_vm_config config = { .size = sizeof(config) };
	struct viommu_vm *vm;
	bool full = false;
	unsigned same = 0;

	(void)state;
	assert_int_equal(viommu_vm_new(&config, &vm), VIOMMU_OK);
	state_of_random = run_seed(1) | 1;
	for (unsigned round = 0; round < 3 * 8; round++) {
		uint64_t base = bases[round % 3];
		bool there[SPACE] = { false };
		unsigned piece[SPACE] = { 0 };
		struct vhost_sent sent;
		bool exact = true; /* until it has been full, or without memory */

		assert_int_equal(vhost_sent_init(&sent, vm, round % 2 ? MAX_RANGES : 1024), 0);
		for (unsigned step = 0; step < 600; step++) {
			unsigned first = choose(SPACE);
			unsigned last = first + choose(choose(64) ? 4 : 300);
			bool adds = choose(3) != 0;
			struct vhost_range range;

			last = last < SPACE ? last : SPACE - 1;
			range = (struct vhost_range){ base + first, base + last };
			if (adds || choose(2))
				make_room(&sent, vm);
			else
				exact = exact && vhost_sent_reserve(&sent);
			if (adds)
				add(&sent, &range, choose(2) ? base + first : choose(999));
			else
				vhost_sent_remove(&sent, range.first, range.last, NULL);
			for (unsigned i = first; i <= last; i++)
				there[i] = adds, piece[i] = adds ? step + 1 : 0;
			exact = exact && sent.map.count < sent.max;
			assert_true(sent.map.count <= sent.max);
			for (unsigned i = 0; i < SPACE; i++) {
				bool known = vhost_sent_any(&sent, base + i, base + i);

				assert_true(known || !there[i]);
				assert_true(!exact || known == there[i]);
			}
			check_fit(&sent, base, there, exact);
			same += check_same(&sent, base, piece);
		}
		full = full || (round % 2 && !exact);
		vhost_sent_remove(&sent, 0, UINT64_MAX, NULL);
		assert_int_equal(sent.map.count, 0);
		vhost_sent_fini(&sent);
	}
	assert_true(full);
	assert_true(same > 1000);
	assert_int_equal(viommu_vm_free(vm), VIOMMU_OK);
}

static bool same(const struct vhost_sent *sent, uint64_t first, uint64_t last, uint64_t gpa,
		 uint32_t perm)
{
	return vhost_sent_same(sent, &(struct vhost_range){ first, last }, gpa, perm);
}

/* What goes on is one range, so that a ring that is mapped page by page costs one; but for what is to stay alone. */
static void joined(void **state)
{
	struct viommu_vm_config config = { .size = sizeof(config) };
	struct viommu_vm *vm;
	struct vhost_sent sent;

	assert_int_equal(viommu_vm_new(&config, &vm), VIOMMU_OK);
	assert_int_equal(vhost_sent_init(&sent, vm, 8), VIOMMU_OK);
	make_room(&sent, vm);
	vhost_sent_add(&sent, &(struct vhost_range){ 0x1000, 0x1fff }, 0x5000, 3, false);
	vhost_sent_add(&sent, &(struct vhost_range){ 0x3000, 0x3fff }, 0x7000, 3, false);
	assert_int_equal(sent.map.count, 2);
	vhost_sent_add(&sent, &(struct vhost_range){ 0x2000, 0x2fff }, 0x6000, 3, false);
	assert_int_equal(sent.map.count, 1);
	make_room(&sent, vm);
	vhost_sent_add(&sent, &(struct vhost_range){ 0x4000, 0x4fff }, 0x9000, 3, false);
	vhost_sent_add(&sent, &(struct vhost_range){ 0, 0xfff }, 0x4000, 1, false);
	assert_int_equal(sent.map.count, 3);
	make_room(&sent, vm);
	vhost_sent_add(&sent, &(struct vhost_range){ 0x5000, 0x5fff }, 0xa000, 3, true);
	vhost_sent_add(&sent, &(struct vhost_range){ 0x6000, 0x6fff }, 0xb000, 3, false);
	assert_int_equal(sent.map.count, 5);
	assert_true(same(&sent, 0x5000, 0x5fff, 0xa000, 3));
	vhost_sent_fini(&sent);
	assert_int_equal(viommu_vm_free(vm), VIOMMU_OK);
}

/* Only what was sent as it is, or is left of that. Without memory to say which part is gone, it is not
 * forgotten that one is. */
static void same_again(void **state)
{
	static const struct vhost_range cuts[] = { { 0x3000, 0x3fff },
						   { 0, 0x3fff },
						   { 0x3000, 0xffff } };
	struct viommu_vm_config config = { .size = sizeof(config) };
	struct viommu_vm *vm;

	assert_int_equal(viommu_vm_new(&config, &vm), VIOMMU_OK);
	for (unsigned n = 0; n < 2 * 3; n++) {
		const struct vhost_range *cut = &cuts[n / 2];
		const bool memory = n % 2;
		struct vhost_sent sent;

		assert_int_equal(vhost_sent_init(&sent, vm, 1024), VIOMMU_OK);
		make_room(&sent, vm);
		vhost_sent_add(&sent, &(struct vhost_range){ 0x1000, 0x8fff }, 0x5000, 3, false);
		for (uint64_t at = 0x100000; vhost_sent_reserve(&sent); at += 0x2000)
			vhost_sent_add(&sent, &(struct vhost_range){ at, at }, 0, 3, false);
		assert_true(same(&sent, 0x1000, 0x8fff, 0x5000, 3));
		assert_false(same(&sent, 0x1000, 0x8fff, 0x6000, 3));
		assert_false(same(&sent, 0x1000, 0x8fff, 0x5000, 1));
		assert_false(same(&sent, 0x1000, 0x7fff, 0x5000, 3));
		assert_false(same(&sent, 0x1000, 0x9fff, 0x5000, 3));
		assert_false(same(&sent, 0x2000, 0x8fff, 0x6000, 3));
		assert_false(same(&sent, 0x2000, 0x8fff, 0x5000, 3));
		if (memory)
			make_room(&sent, vm);
		assert_int_equal(vhost_sent_reserve(&sent), memory);
		vhost_sent_remove(&sent, cut->first, cut->last, NULL);
		assert_false(same(&sent, 0x1000, 0x8fff, 0x5000, 3));
		assert_int_equal(same(&sent, 0x1000, 0x2fff, 0x5000, 3),
				 memory && cut->first > 0x1000);
		assert_int_equal(same(&sent, 0x4000, 0x8fff, 0x8000, 3),
				 memory && cut->last < 0x8fff);
		assert_int_equal(vhost_sent_any(&sent, 0x1000, 0x2fff),
				 !memory || cut->first > 0x1000);
		vhost_sent_fini(&sent);
	}
	assert_int_equal(viommu_vm_free(vm), VIOMMU_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_order),
		cmocka_unit_test(joined),
		cmocka_unit_test(same_again),
	};

	return cmocka_run_group_tests_name("vhost_sent", tests, NULL, NULL);
}
