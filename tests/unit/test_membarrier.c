/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_membarrier.c - vm.h, VIOMMU_VM_MEMBARRIER: who calls the kernel, and how often. syscall() is this file's own: it
 * counts, and answers as a row says.
 */
#include "check.h"

#include <errno.h>
#include <string.h>

#include <sys/syscall.h>
#include <unistd.h>

#include "bits.h"
#include "epoch.h"
#include "guest.h"

/* membarrier(2) */
#define EXPEDITED (1 << 3)
#define REGISTER  (1 << 4)

static struct {
	unsigned fences;
	unsigned registrations;
	unsigned others;
	bool missing;
} kernel;

long syscall(long number, ...)
{
	va_list arguments;
	int command;

	va_start(arguments, number);
	command = va_arg(arguments, int);
	va_end(arguments);
	if (number == SYS_membarrier && command == EXPEDITED)
		kernel.fences++;
	else if (number == SYS_membarrier && command == REGISTER)
		kernel.registrations++;
	else
		kernel.others++;
	if (!kernel.missing)
		return 0;
	errno = ENOSYS;
	return -1;
}

static void registration(void **state)
{
	struct viommu_vm_config config = { .size = sizeof(config), .flags = VIOMMU_VM_MEMBARRIER };
	struct viommu_vm *vm = NULL;

	memset(&kernel, 0, sizeof(kernel));
	assert_int_equal(viommu_vm_new(&config, &vm), VIOMMU_OK);
	assert_int_equal(kernel.registrations, 1);
	assert_int_equal(viommu_vm_free(vm), VIOMMU_OK);
	kernel.missing = true;
	vm = NULL;
	assert_int_equal(viommu_vm_new(&config, &vm), VIOMMU_ENOTSUP);
	assert_null(vm);
	config.flags = 0;
	kernel.registrations = 0;
	assert_int_equal(viommu_vm_new(&config, &vm), VIOMMU_OK);
	assert_int_equal(kernel.registrations, 0);
	assert_int_equal(viommu_vm_free(vm), VIOMMU_OK);
}

/* Whoever starts an epoch, and whoever begins to wait, has everybody fenced; readers never. */
static void epochs(void **state)
{
	for (unsigned membarrier = 0; membarrier < 2; membarrier++) {
		struct epoch_section section = { 0 };
		struct epoch e;
		uint64_t target;

		memset(&kernel, 0, sizeof(kernel));
		memset(&e, 0, sizeof(e));
		epoch_init(&e, membarrier);
		epoch_add(&e, &section);
		epoch_enter(&e, &section);
		assert_int_equal(kernel.fences, 0);
		target = epoch_start(&e);
		assert_int_equal(kernel.fences, membarrier);
		assert_false(epoch_passed(&e, target, NULL));
		assert_int_equal(kernel.fences, membarrier);
		assert_false(epoch_wait(&e, target, NULL));
		assert_int_equal(kernel.fences, 2 * membarrier);
		assert_true(epoch_leave(&e, &section));
		assert_int_equal(kernel.fences, 2 * membarrier);
		/* nothing to wait for, nothing to ask for */
		assert_true(epoch_wait(&e, target, NULL));
		epoch_done(&e);
		epoch_visit_end(&e, epoch_visit(&e));
		assert_int_equal(kernel.fences, 2 * membarrier);
		assert_int_equal(kernel.registrations + kernel.others, 0);
		epoch_remove(&e, &section);
		epoch_fini(&e);
	}
}

/* Obligation 34: the kernel refuses after it had agreed. A section that was opened without a fence may be
 * invisible, so what reads as closed is not believed before its reader has come by with a fence. */
static void refused(void **state)
{
	(void)state;
	for (unsigned again = 0; again < 2; again++) {
		struct epoch_section a = { 0 }, b = { 0 }, later = { 0 }, rare = { .rare = true };
		struct epoch e;
		uint64_t target;

		memset(&kernel, 0, sizeof(kernel));
		memset(&e, 0, sizeof(e));
		epoch_init(&e, true);
		epoch_add(&e, &a);
		epoch_add(&e, &b);
		epoch_add(&e, &rare);
		epoch_enter(&e, &a);
		kernel.missing = true;
		target = epoch_start(&e);
		assert_int_equal(kernel.fences, 1);
		assert_false(epoch_wait(&e, target, NULL));
		epoch_leave(&e, &a);
		/* both read as closed */
		assert_false(epoch_wait(&e, target, NULL));
		/* readers have fences, and say so: who completes need not ask the kernel */
		epoch_enter(&e, &a);
		assert_false(epoch_passed(&e, target, NULL));
		assert_true(epoch_leave(&e, &a)); /* whoever closes one tells who waits */
		assert_false(epoch_wait(&e, target, NULL));
		epoch_visit_end(&e, epoch_visit(&e));
		epoch_add(&e, &later); /* has fences from the first */
		assert_false(epoch_wait(&e, target, NULL));
		if (again) {
			kernel.missing = false;
			assert_true(epoch_wait(&e, target, NULL));
		} else {
			epoch_enter(&e, &b);
			assert_true(epoch_leave(&e, &b)); /* the last one wakes */
			assert_true(epoch_passed(&e, target, NULL));
		}
		/* from here on as if there had never been another way */
		kernel.fences = 0;
		epoch_enter(&e, &b);
		target = epoch_start(&e);
		assert_false(epoch_wait(&e, target, NULL));
		assert_true(epoch_leave(&e, &b));
		assert_true(epoch_wait(&e, target, NULL));
		assert_int_equal(kernel.fences, 0);
		epoch_fini(&e);
	}
}

/* Who asks beside others has to be told of each that closes one, too: it may be the last that proves its fence. */
static void refused_asked_too(void **state)
{
	struct epoch_section a = { 0 };
	struct epoch e;
	uint32_t looks = 2;
	uint64_t target;

	(void)state;
	memset(&kernel, 0, sizeof(kernel));
	memset(&e, 0, sizeof(e));
	epoch_init(&e, true);
	epoch_add(&e, &a);
	kernel.missing = true;
	target = epoch_start(&e);
	assert_int_equal(epoch_wait_too(&e, target, &looks), EPOCH_HELD);
	epoch_enter(&e, &a); /* after the epoch had begun */
	assert_true(epoch_leave(&e, &a));
	assert_true(epoch_passed(&e, target, NULL));
	epoch_fini(&e);
}

/* A section that is open when the kernel refuses says when it closes that nothing is hidden: it may rest
 * afterwards. */
static void refused_while_open(void **state)
{
	struct epoch_section a = { 0 }, b = { 0 };
	struct epoch e;
	uint64_t target;

	(void)state;
	memset(&kernel, 0, sizeof(kernel));
	memset(&e, 0, sizeof(e));
	epoch_init(&e, true);
	epoch_add(&e, &a);
	epoch_add(&e, &b);
	epoch_enter(&e, &a);
	epoch_enter(&e, &b);
	kernel.missing = true;
	target = epoch_start(&e);
	assert_false(epoch_wait(&e, target, NULL));
	assert_true(epoch_leave(&e, &a));
	assert_false(epoch_wait(&e, target, NULL));
	assert_true(epoch_leave(&e, &b));
	assert_true(epoch_wait(&e, target, NULL));
	epoch_fini(&e);
}

static void open_unit(struct guest *g)
{
	guest_init(g, GUEST_REGION, 64);
	assert_int_equal(viommu_vm_free(g->vm), VIOMMU_OK);
	g->vm_config.flags = VIOMMU_VM_MEMBARRIER;
	assert_int_equal(viommu_vm_new(&g->vm_config, &g->vm), VIOMMU_OK);
	assert_int_equal(
		viommu_vm_add_region(g->vm,
				     &(struct viommu_region){ .size = sizeof(struct viommu_region),
							      .gpa = GUEST_BASE,
							      .bytes = g->bytes,
							      .host = g->ram }),
		VIOMMU_OK);
	guest_vtd(g, GUEST_CAP, GUEST_ECAP_LEGACY);
	guest_start(g, VTD_TTM_LEGACY);
}

/* Nobody but the owner of the registers has a section: he has had fences all along. */
static void refused_alone(void **state)
{
	struct guest g;

	(void)state;
	memset(&kernel, 0, sizeof(kernel));
	open_unit(&g);
	kernel.missing = true;
	guest_submit(&g, GUEST_IOTLB(VTD_GRAN_DOMAIN, 1), 0, 0, 0);
	guest_submit_wait(&g);
	assert_int_equal(guest_ring(&g), VIOMMU_OK);
	assert_true(guest_waited(&g));
	guest_fini(&g);
}

/* Some have been looked at before the kernel refused, for an epoch that had its fences: that passes, and the next one does
 * not without them. */
static void refused_in_the_middle(void **state)
{
	struct epoch_section a = { 0 }, b = { 0 };
	uint64_t first, second;
	struct epoch e;

	(void)state;
	memset(&kernel, 0, sizeof(kernel));
	memset(&e, 0, sizeof(e));
	epoch_init(&e, true);
	epoch_add(&e, &b);
	epoch_add(&e, &a); /* looked at first */
	epoch_enter(&e, &b);
	first = epoch_start(&e);
	assert_false(epoch_wait(&e, first, NULL));
	kernel.missing = true;
	second = epoch_start(&e);
	assert_true(epoch_leave(&e, &b));
	assert_true(epoch_wait(&e, first, NULL));
	assert_false(epoch_wait(&e, second, NULL));
	epoch_enter(&e, &a);
	assert_true(epoch_leave(&e, &a));
	assert_true(epoch_wait(&e, second, NULL));
	epoch_fini(&e);
}

/* The whole unit: no wait completes until every channel has come by, or is gone. */
static void refused_of_a_unit(void **state)
{
	struct guest g;
	unsigned works;
	struct viommu_channel *channel[2];
	struct viommu_device *device;

	(void)state;
	memset(&kernel, 0, sizeof(kernel));
	open_unit(&g);
	device = guest_device(&g, 8);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(viommu_channel_new(device, VIOMMU_NO_PASID, &channel[i]),
				 VIOMMU_OK);
	guest_wait(&g);
	kernel.missing = true;
	guest_submit(&g, GUEST_IOTLB(VTD_GRAN_GLOBAL, 0), 0, 0, 0);
	guest_submit_wait(&g);
	assert_int_equal(guest_ring(&g), VIOMMU_PENDING);
	assert_int_equal(viommu_enter(channel[0]), VIOMMU_OK);
	assert_int_equal(viommu_leave(channel[0]), VIOMMU_OK);
	assert_int_equal(viommu_run(g.iommu), VIOMMU_PENDING);
	assert_false(guest_waited(&g));
	works = g.count[GUEST_ON_WORK];
	assert_int_equal(viommu_channel_free(channel[1]), VIOMMU_OK);
	assert_int_equal(g.count[GUEST_ON_WORK], works + 1); /* 44: it was the last one */
	assert_int_equal(viommu_run(g.iommu), VIOMMU_OK);
	assert_true(guest_waited(&g));
	assert_int_equal(viommu_channel_free(channel[0]), VIOMMU_OK);
	guest_fini(&g);
}

/* A whole unit: translations and sections make no call, a completion does. */
static void of_a_unit(void **state)
{
	struct viommu_vm_config config = { .size = sizeof(config), .flags = VIOMMU_VM_MEMBARRIER };
	struct viommu_vtd_config vtd = { .size = sizeof(vtd) };
	struct viommu_device_config device = { .size = sizeof(device), .id = 8 };
	struct viommu_request r = { .pasid = VIOMMU_NO_PASID, .access = VIOMMU_READ };
	struct viommu_channel *channel;
	struct viommu_device *d;
	struct viommu_fragment f;
	struct viommu_answer a;
	struct viommu_vm *vm;
	struct viommu *u;

	memset(&kernel, 0, sizeof(kernel));
	assert_int_equal(viommu_vm_new(&config, &vm), VIOMMU_OK);
	assert_int_equal(viommu_vtd_new(vm, &vtd, &u), VIOMMU_OK);
	assert_int_equal(viommu_device_new(u, &device, &d), VIOMMU_OK);
	assert_int_equal(viommu_channel_new(d, VIOMMU_NO_PASID, &channel), VIOMMU_OK);
	kernel.fences = 0;
	for (unsigned i = 0; i < 10; i++) {
		uint32_t done;

		assert_int_equal(viommu_enter(channel), VIOMMU_OK);
		assert_int_equal(viommu_translate(channel, &r, &f, 1, &a), VIOMMU_OK);
		assert_int_equal(viommu_leave(channel), VIOMMU_OK);
		assert_int_equal(viommu_translate(channel, &r, &f, 1, &a), VIOMMU_OK);
		assert_int_equal(viommu_translate_list(channel, &r, 1, &f, 1, &a, &done),
				 VIOMMU_OK);
		assert_int_equal(viommu_device_translate(d, &r, &f, 1, &a), VIOMMU_OK);
	}
	assert_int_equal(kernel.fences, 0);
	assert_int_equal(viommu_reg_write(u, VTD_GCMD, 4, VTD_G_RTP), VIOMMU_OK);
	assert_int_not_equal(kernel.fences, 0);
	assert_int_equal(viommu_channel_free(channel), VIOMMU_OK);
	assert_int_equal(viommu_device_free(d), VIOMMU_OK);
	assert_int_equal(viommu_free(u), VIOMMU_OK);
	assert_int_equal(viommu_vm_free(vm), VIOMMU_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(registration),
		cmocka_unit_test(epochs),
		cmocka_unit_test(refused),
		cmocka_unit_test(refused_asked_too),
		cmocka_unit_test(refused_of_a_unit),
		cmocka_unit_test(refused_alone),
		cmocka_unit_test(refused_while_open),
		cmocka_unit_test(refused_in_the_middle),
		cmocka_unit_test(of_a_unit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
