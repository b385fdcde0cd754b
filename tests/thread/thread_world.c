/* SPDX-License-Identifier: BSD-3-Clause */
/* thread_world.c - a guest whose memory, tables and queue may be used by several threads at once.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>
#include <string.h>

#include <cmocka.h>

#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

#include "run.h"
#include "thread_world.h"

#define RAM_BYTES (UINT64_C(64) << 20)

unsigned scaled(unsigned count)
{
	uint64_t result = run_scaled_anywhere(count);

#ifdef __SANITIZE_THREAD__
	result /= 4;
#endif
	return result ? (unsigned)result : 1;
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

struct pace pace_begin(unsigned count, unsigned parts)
{
	return (struct pace){ .count = count, .until = now() + 120.0 / parts };
}

bool pace_on(const struct pace *pace, unsigned done)
{
	if (done >= pace->count)
		return false;
	if (done < pace->count / 50 || now() < pace->until)
		return true;
	print_message("%u of %u rounds: the machine is busy\n", done, pace->count);
	return false;
}

void watchdog(void)
{
	alarm(280);
}

/* ---- failures ---- */

void world_fail(struct world *w, const char *format, ...)
{
	va_list args;

	if (atomic_exchange(&w->failed, true))
		return;
	va_start(args, format);
	vsnprintf(w->failure, sizeof(w->failure), format, args);
	va_end(args);
}

void world_check(struct world *w)
{
	if (atomic_load(&w->failed))
		fail_msg("%s", w->failure);
}

void world_start(pthread_t *thread, void *(*run)(void *), void *opaque)
{
	assert_int_equal(pthread_create(thread, NULL, run, opaque), 0);
}

/* ---- callbacks ---- */

static void on_work(void *opaque)
{
	struct world *w = opaque;

	atomic_fetch_add(&w->works, 1);
	pthread_mutex_lock(&w->work_lock);
	w->work++;
	pthread_cond_signal(&w->work_changed);
	pthread_mutex_unlock(&w->work_lock);
}

static void on_msi(void *opaque, uint64_t address, uint32_t data)
{
	struct world *w = opaque;

	if ((address & ~UINT64_C(0xfffff)) != 0xfee00000 || data > 3)
		world_fail(w, "message %llx %x", (unsigned long long)address, data);
	atomic_fetch_add(&w->msis, 1);
}

void world_await_work(struct world *w)
{
	pthread_mutex_lock(&w->work_lock);
	while (!w->work)
		pthread_cond_wait(&w->work_changed, &w->work_lock);
	w->work = 0;
	pthread_mutex_unlock(&w->work_lock);
}

bool world_take_work(struct world *w)
{
	bool had;

	pthread_mutex_lock(&w->work_lock);
	had = w->work != 0;
	w->work = 0;
	pthread_mutex_unlock(&w->work_lock);
	return had;
}

/* ---- memory ---- */

uint64_t world_alloc(struct world *w, unsigned pages)
{
	uint64_t gpa = atomic_fetch_add(&w->used, pages * PAGE);

	assert_true(gpa + pages * PAGE <= w->bytes);
	return gpa;
}

void world_put64(struct world *w, uint64_t gpa, uint64_t word)
{
	__atomic_store_n((uint64_t *)(void *)(w->ram + gpa), word, __ATOMIC_RELEASE);
}

uint64_t world_get64(struct world *w, uint64_t gpa)
{
	return __atomic_load_n((uint64_t *)(void *)(w->ram + gpa), __ATOMIC_ACQUIRE);
}

uint32_t world_get32(struct world *w, uint64_t gpa)
{
	return __atomic_load_n((uint32_t *)(void *)(w->ram + gpa), __ATOMIC_ACQUIRE);
}

uint64_t world_entry(struct world *w, uint64_t root, uint64_t iova, unsigned level, uint64_t table)
{
	uint64_t at = root;

	for (unsigned l = 3;; l--) {
		uint64_t entry = at + (iova >> (12 + 9 * l) & 511) * 8;

		if (l == level)
			return entry;
		if (!world_get64(w, entry))
			world_put64(w, entry, world_alloc(w, 1) | table);
		at = world_get64(w, entry) & BITS(51, 12);
	}
}

uint64_t world_map(struct world *w, uint64_t root, uint64_t iova, uint64_t gpa, unsigned lg2,
		   uint64_t bits)
{
	uint64_t entry = world_entry(w, root, iova, (lg2 - 12) / 9, bits & 7);

	world_put64(w, entry, gpa | bits | (lg2 > 12 ? GUEST_LARGE : 0));
	return entry;
}

uint64_t world_context(struct world *w, uint16_t rid)
{
	uint64_t entry = w->root + (uint64_t)(rid >> 8) * 16;

	if (!world_get64(w, entry))
		world_put64(w, entry, world_alloc(w, 1) | VTD_RE_P);
	return (world_get64(w, entry) & VTD_RE_CTP) + (rid & 0xffU) * 16;
}

uint64_t world_pasid(struct world *w, uint16_t rid, uint32_t pasid)
{
	uint64_t half = w->root + (uint64_t)(rid >> 8) * 16 + (rid & 0x80 ? 8 : 0);
	uint64_t context;
	uint64_t entry;

	if (!world_get64(w, half))
		world_put64(w, half, world_alloc(w, 1) | VTD_RE_P);
	context = (world_get64(w, half) & VTD_RE_CTP) + (rid & 0x7fU) * 32;
	if (!world_get64(w, context))
		world_put64(w, context,
			    world_alloc(w, 1) | VTD_SCE_P | VTD_SCE_PASIDE | VTD_SCE_DTE |
				    VTD_SCE_PRE);
	entry = (world_get64(w, context) & VTD_SCE_PASIDDIRPTR) + (pasid >> 6) * 8;
	if (!world_get64(w, entry))
		world_put64(w, entry, world_alloc(w, 1) | VTD_PDE_P);
	return (world_get64(w, entry) & VTD_PDE_SMPTBLPTR) + (pasid & 63) * 64;
}

/* ---- memory behind callbacks: what is read may be old when it arrives ---- */

static void dawdle(struct world *w)
{
	if (atomic_fetch_add_explicit(&w->turns, 1, memory_order_relaxed) % 7 == 0)
		sched_yield();
}

static int slow_read(void *opaque, uint64_t gpa, void *to, uint32_t bytes)
{
	struct world *w = opaque;

	if (gpa >= w->bytes || gpa % 8 || bytes % 8)
		return -1;
	for (uint32_t i = 0; i < bytes; i += 8) {
		uint64_t word = world_get64(w, gpa + i);

		memcpy((uint8_t *)to + i, &word, sizeof(word));
	}
	dawdle(w);
	return 0;
}

static int slow_write(void *opaque, uint64_t gpa, const void *from, uint32_t bytes)
{
	struct world *w = opaque;

	if (gpa >= w->bytes || gpa % 4 || bytes % 4)
		return -1;
	dawdle(w);
	for (uint32_t i = 0; i < bytes; i += 4) {
		uint32_t word;

		memcpy(&word, (const uint8_t *)from + i, sizeof(word));
		__atomic_store_n((uint32_t *)(void *)(w->ram + gpa + i), word, __ATOMIC_RELEASE);
	}
	return 0;
}

static int slow_swap(void *opaque, uint64_t gpa, uint64_t *expected, uint64_t desired)
{
	struct world *w = opaque;

	if (gpa >= w->bytes || gpa % 8)
		return -1;
	dawdle(w);
	__atomic_compare_exchange_n((uint64_t *)(void *)(w->ram + gpa), expected, desired, false,
				    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
	return 0;
}

/* ---- registers and queue ---- */

uint64_t world_read(struct world *w, uint64_t offset, uint32_t bytes)
{
	uint64_t value;

	assert_int_equal(viommu_reg_read(w->iommu, offset, bytes, &value), VIOMMU_OK);
	return value;
}

int world_write(struct world *w, uint64_t offset, uint32_t bytes, uint64_t value)
{
	int result = viommu_reg_write(w->iommu, offset, bytes, value);

	assert_true(result == VIOMMU_OK || result == VIOMMU_PENDING);
	return result;
}

int world_command(struct world *w, uint64_t set, uint64_t clear)
{
	const uint64_t lasting = VTD_G_TE | VTD_G_QIE | VTD_G_IRE | VTD_G_CFI;
	uint64_t gsts = world_read(w, VTD_GSTS, 4) & lasting;

	return world_write(w, VTD_GCMD, 4, (gsts | set) & ~clear);
}

void world_command_sync(struct world *w, uint64_t set, uint64_t clear)
{
	world_command(w, set, clear);
	while ((world_read(w, VTD_GSTS, 4) & (set | clear)) != set) {
		sched_yield();
		viommu_run(w->iommu);
	}
}

void world_submit(struct world *w, uint64_t q0, uint64_t q1)
{
	const uint64_t bytes = PAGE << WORLD_QUEUE_QS;

	world_put64(w, w->queue + w->tail, q0);
	world_put64(w, w->queue + w->tail + 8, q1);
	world_put64(w, w->queue + w->tail + 16, 0);
	world_put64(w, w->queue + w->tail + 24, 0);
	w->tail = (w->tail + 32) % bytes;
}

void world_submit_wait(struct world *w)
{
	world_submit(w, VTD_QI_WAIT | VTD_QI_WAIT_SW | bits_put(VTD_QI_WAIT_DATA, ++w->ticket),
		     w->status);
}

int world_ring(struct world *w)
{
	return world_write(w, VTD_IQT, 8, w->tail);
}

bool world_waited(struct world *w)
{
	return world_get32(w, w->status) == w->ticket;
}

void world_sync(struct world *w)
{
	world_submit_wait(w);
	world_ring(w);
	while (!world_waited(w)) {
		sched_yield();
		viommu_run(w->iommu);
	}
}

uint64_t world_iotlb_offset(struct world *w)
{
	return bits_get(world_read(w, VTD_ECAP, 8), VTD_ECAP_IRO) * 16 + 8;
}

void world_invalidate_register(struct world *w, uint64_t offset, uint64_t value)
{
	world_write(w, offset, 8, value | BIT(63));
	while (world_read(w, offset, 8) & BIT(63)) {
		sched_yield();
		viommu_run(w->iommu);
	}
}

/* ---- life ---- */

static void open_unit(struct world *w, const struct world_config *config)
{
	struct viommu_host host = {
		.size = sizeof(host), .opaque = w, .msi = on_msi, .work = on_work
	};
	struct viommu_limits limits = { .size = sizeof(limits),
					.tlb_entries = config->tiny ? 8 : 4096,
					.contexts = config->tiny ? 4 : 256,
					.domains = config->tiny ? 8 : 256,
					.queue_budget = config->budget,
					.outstanding = config->outstanding,
					.partitions = config->partitions };
	struct viommu_vtd_config vtd = { .size = sizeof(vtd),
					 .cap = config->cap ? config->cap : GUEST_CAP_SCALABLE,
					 .ecap = config->cap ? config->ecap : GUEST_ECAP_SCALABLE,
					 .haw = 52,
					 .host = &host,
					 .limits = &limits };

	assert_int_equal(viommu_vtd_new(w->vm, &vtd, &w->iommu), VIOMMU_OK);
}

static void open_registers(struct world *w, const struct world_config *config)
{
	for (unsigned i = 0; i < 2; i++) {
		const uint64_t control = i ? VTD_IECTL : VTD_FECTL;

		world_write(w, control + 4, 4, i + 1);
		world_write(w, control + 8, 4, WORLD_MSI_BASE);
		world_write(w, control, 4, 0);
	}
	world_write(w, VTD_RTADDR, 8, w->root | bits_put(VTD_RTADDR_TTM, w->ttm));
	world_command_sync(w, VTD_G_RTP, 0);
	if (!config->registers) {
		w->queue = world_alloc(w, 1U << WORLD_QUEUE_QS);
		w->status = world_alloc(w, 1);
		world_write(w, VTD_IQA, 8, w->queue | VTD_IQA_DW | WORLD_QUEUE_QS);
		world_command_sync(w, VTD_G_QIE, 0);
	}
	world_command_sync(w, VTD_G_TE, 0);
}

bool world_try_open(struct world *w, const struct world_config *config)
{
	struct viommu_vm_config vm = { .size = sizeof(vm),
				       .flags = config->membarrier ? VIOMMU_VM_MEMBARRIER : 0,
				       .opaque = w,
				       .read = slow_read,
				       .write = slow_write,
				       .cmpxchg = slow_swap };
	struct viommu_region region = { .size = sizeof(region), .bytes = RAM_BYTES };
	int result;

	memset(w, 0, sizeof(*w));
	watchdog();
	result = viommu_vm_new(&vm, &w->vm);
	if (result == VIOMMU_ENOTSUP && config->membarrier) {
		print_message("skipped: the kernel has no membarrier\n");
		return false;
	}
	assert_int_equal(result, VIOMMU_OK);
	w->bytes = RAM_BYTES;
	w->ram = mmap(NULL, w->bytes, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	assert_ptr_not_equal(w->ram, MAP_FAILED);
	region.host = w->ram;
	atomic_init(&w->used, PAGE);
	pthread_mutex_init(&w->work_lock, NULL);
	pthread_cond_init(&w->work_changed, NULL);
	if (!config->slow)
		assert_int_equal(viommu_vm_add_region(w->vm, &region), VIOMMU_OK);
	open_unit(w, config);
	w->ttm = config->ttm;
	w->root = world_alloc(w, 1);
	open_registers(w, config);
	return true;
}

void world_open(struct world *w, const struct world_config *config)
{
	assert_true(world_try_open(w, config));
}

void world_close(struct world *w)
{
	world_check(w);
	assert_int_equal(viommu_free(w->iommu), VIOMMU_OK);
	assert_int_equal(viommu_vm_free(w->vm), VIOMMU_OK);
	pthread_mutex_destroy(&w->work_lock);
	pthread_cond_destroy(&w->work_changed);
	munmap(w->ram, w->bytes);
}
