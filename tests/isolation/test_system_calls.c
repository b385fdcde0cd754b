/* SPDX-License-Identifier: BSD-3-Clause */
/* test_system_calls.c - docs/system.md, seccomp: what a filter has to permit that is installed before the first VM is made, in a second
 * thread too, and that it is less with an allocator and a hash key of the VMM's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <libvirtiommu/vm.h>
#include <libvirtiommu/vtd.h>

#include <pthread.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "no_syscalls.h"

enum { VMS = 8, DEVICES = 40, RAM = 1 << 16 };

static _Alignas(4096) uint8_t ram[RAM];
static _Alignas(4096) uint8_t arena[96 << 20];
static _Atomic(size_t) arena_used;

struct life {
	struct viommu_vm_config config;
	atomic_int *ended;
	pthread_barrier_t *start;
};

static void *arena_alloc(void *opaque, uint64_t bytes, uint64_t align)
{
	uint64_t at = atomic_fetch_add(&arena_used, (bytes + 2 * 4096 - 1) & ~UINT64_C(4095));

	(void)opaque, (void)align; /* at most 4096 */
	return at + bytes <= sizeof(arena) ? arena + at : NULL;
}

static void arena_free(void *opaque, void *block, uint64_t bytes)
{
	(void)opaque, (void)block, (void)bytes;
}

static bool use_device(struct viommu *iommu, uint32_t id, struct viommu_device **device,
		       struct viommu_channel **channel)
{
	struct viommu_device_config config = { .size = sizeof(config), .id = id };
	struct viommu_request request = {
		.first = 0x2000, .last = 0x2fff, .pasid = VIOMMU_NO_PASID, .access = VIOMMU_WRITE
	};
	struct viommu_fragment fragment;
	struct viommu_answer answer;

	return viommu_device_new(iommu, &config, device) == VIOMMU_OK &&
	       viommu_channel_new(*device, VIOMMU_NO_PASID, channel) == VIOMMU_OK &&
	       viommu_enter(*channel) == VIOMMU_OK &&
	       viommu_translate(*channel, &request, &fragment, 1, &answer) == VIOMMU_OK &&
	       viommu_leave(*channel) == VIOMMU_OK;
}

/* A VM from beginning to end. */
static bool live(const struct viommu_vm_config *config)
{
	struct viommu_region region = { .size = sizeof(region), .bytes = RAM, .host = ram };
	struct viommu_limits limits = { .size = sizeof(limits),
					.tlb_entries = 512,
					.devices = DEVICES,
					.channel_entries = 64 };
	struct viommu_vtd_config vtd = { .size = sizeof(vtd), .limits = &limits };
	struct viommu_device *device[DEVICES];
	struct viommu_channel *channel[DEVICES];
	struct viommu_vm *vm;
	struct viommu *iommu;
	bool good = viommu_vm_new(config, &vm) == VIOMMU_OK &&
		    viommu_vm_add_region(vm, &region) == VIOMMU_OK &&
		    viommu_vtd_new(vm, &vtd, &iommu) == VIOMMU_OK;

	for (uint32_t i = 0; good && i < DEVICES; i++)
		good = use_device(iommu, i, &device[i], &channel[i]);
	for (uint32_t i = 0; good && i < DEVICES; i++)
		good = viommu_channel_free(channel[i]) == VIOMMU_OK &&
		       viommu_device_free(device[i]) == VIOMMU_OK;
	return good && viommu_flush(iommu) == VIOMMU_OK && viommu_free(iommu) == VIOMMU_OK &&
	       viommu_vm_free(vm) == VIOMMU_OK;
}

static void *live_often(void *opaque)
{
	struct life *life = opaque;
	bool good = true;

	pthread_barrier_wait(
		life->start); /* it runs, and has made the calls by which a thread begins */
	pthread_barrier_wait(life->start);
	for (unsigned i = 0; good && i < VMS; i++)
		good = live(&life->config);
	if (good)
		atomic_fetch_add(life->ended, 1);
	confined_end();
}

static void *live_beside(void *opaque)
{
	struct life *life = opaque;

	pthread_barrier_wait(
		life->start); /* it runs, and has made the calls by which a thread begins */
	return live_often(life);
}

static _Noreturn void live_confined(void *shared, const struct viommu_vm_config *config,
				    const int *calls, unsigned count)
{
	static pthread_barrier_t start;
	static struct life life;
	pthread_t thread;

	pthread_barrier_init(&start, NULL, 2);
	life = (struct life){ .config = *config, .ended = shared, .start = &start };
	if (pthread_create(&thread, NULL, live_beside, &life))
		_exit(98);
	pthread_barrier_wait(&start);
	confine_to(calls, count);
	live_often(&life);
	confined_end();
}

static void body_documented(void *shared)
{
	static const int calls[] = {
#ifdef SYS_brk
		SYS_brk,
#endif
		SYS_mmap,  SYS_munmap, SYS_mprotect, SYS_madvise, SYS_getrandom,
		SYS_futex, SYS_openat, SYS_read,     SYS_close,
	};
	const struct viommu_vm_config config = { .size = sizeof(config) };

	live_confined(shared, &config, calls, sizeof(calls) / sizeof(calls[0]));
}

static void body_own_memory(void *shared)
{
	static const int calls[] = { SYS_futex };
	const struct viommu_vm_config config = { .size = sizeof(config),
						 .alloc = arena_alloc,
						 .dealloc = arena_free,
						 .hash_key = { 1, 2 } };

	live_confined(shared, &config, calls, 1);
}

/* Exits are not of the process but of threads, whose last one's is its end. */
static void expect_life(const char *what, void (*body)(void *shared))
{
	atomic_int *ended = confined_share(sizeof(*ended));
	int status;

	skip_if_instrumented();
	status = confined_run(body, ended);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
		print_message("skipped: the kernel has no seccomp\n");
		skip();
	}
	if (WIFSIGNALED(status))
		print_message("%s: signal %d\n", what, WTERMSIG(status));
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_int_equal(atomic_load(ended), 2);
}

static void test_documented(void **state)
{
	(void)state;
	expect_life("the calls of docs/system.md", body_documented);
}

static void test_own_memory(void **state)
{
	(void)state;
	expect_life("an allocator and a key of the VMM's own: futex", body_own_memory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_documented),
		cmocka_unit_test(test_own_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
