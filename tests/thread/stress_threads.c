/* SPDX-License-Identifier: BSD-3-Clause */
/* stress_threads.c - translations, interrupts, page requests, and memory that comes and goes. */
#include <stddef.h>
#include <stdint.h>

#include <sched.h>
#include <sys/mman.h>

#include "stress_threads.h"

static bool goes_on(struct stress *s)
{
	sched_yield();
	return !atomic_load(&s->stop) && !atomic_load(&s->w.failed);
}

static void check_memory(struct stress *s, const struct viommu_fragment *f)
{
	const uint64_t *word = f->host;

	if (word && __atomic_load_n(word, __ATOMIC_RELAXED) != f->gpa)
		world_fail(&s->w, "memory at %llx is another page's", (unsigned long long)f->gpa);
}

/* Reads through a channel, inside a section: the host pointer is good until it closes. */
void *stress_translate(void *opaque)
{
	struct stress *s = opaque;
	unsigned n = atomic_fetch_add(&s->started, 1) % TRANSLATORS;
	uint64_t random = s->seed + n + 1;

	while (goes_on(s)) {
		uint64_t r = world_random(&random);
		bool absent = r % 8 == 0;
		struct viommu_request request = { .first = (absent ? ABSENT : IOVA) +
							   (r >> 8) % POOL_PAGES * PAGE,
						  .pasid = VIOMMU_NO_PASID,
						  .access = r & 16 ? VIOMMU_READ : VIOMMU_WRITE };
		struct viommu_fragment f[2];
		struct viommu_answer answer;
		int result;

		request.last = request.first + 7;
		viommu_enter(s->channel[n]);
		result = viommu_translate(s->channel[n], &request, f, 2, &answer);
		if (result == VIOMMU_OK && !absent)
			check_memory(s, &f[0]);
		if (r & 32)
			sched_yield();
		if (result == VIOMMU_OK && !absent)
			check_memory(s, &f[0]);
		viommu_leave(s->channel[n]);
		if (s->strict && result != (absent ? VIOMMU_FAULT : VIOMMU_OK))
			world_fail(&s->w, "translation: %d, %x", result, answer.reason);
	}
	return NULL;
}

/* Interrupts, translation requests, and what has no channel. */
void *stress_interrupt(void *opaque)
{
	struct stress *s = opaque;
	uint64_t random = s->seed + 99;

	while (goes_on(s)) {
		uint64_t r = world_random(&random);
		unsigned index = (unsigned)(r >> 8) % IRTES;
		uint64_t least = atomic_load(&s->irte_completed[index]);
		struct viommu_request request = { .first = IOVA,
						  .last = IOVA + 3 * PAGE - 1,
						  .pasid = VIOMMU_NO_PASID,
						  .access = VIOMMU_READ,
						  .type = (uint16_t)(r & 1) };
		struct viommu_fragment f[3];
		struct viommu_answer answer;
		struct viommu_msi msi;
		int result = viommu_remap_msi(s->w.iommu, RID, 0xfee00010 | index << 5, 0,
					      r & 2 ? VIOMMU_MSI_RESOLVE : 0, &msi);
		uint64_t most = atomic_load(&s->irte_published[index]);

		if (s->strict && (result != VIOMMU_OK || msi.vector != 32 + index ||
				  msi.destination < least || msi.destination > most))
			world_fail(&s->w, "interrupt %u: %d, version %u, not %llu to %llu", index,
				   result, msi.destination, (unsigned long long)least,
				   (unsigned long long)most);
		result = viommu_device_translate(s->device, &request, f, 3, &answer);
		if (s->strict && result != VIOMMU_OK)
			world_fail(&s->w, "device: %d, %x", result, answer.reason);
	}
	return NULL;
}

static void request_page(struct stress *s, uint64_t r)
{
	struct viommu_page_request request = { .address = IOVA + (r >> 8) % 16 * PAGE,
					       .pasid = VIOMMU_NO_PASID,
					       .group = (uint16_t)(r & 511),
					       .access = VIOMMU_READ,
					       .last = (uint32_t)(r >> 9 & 1) };

	if (viommu_request_page(s->device, &request) == VIOMMU_OK)
		atomic_fetch_add(&s->pages_sent, 1);
}

/* Now and then more than the queue holds: what is refused has not been sent. */
void *stress_request_pages(void *opaque)
{
	struct stress *s = opaque;
	uint64_t random = s->seed + 199;

	while (goes_on(s)) {
		uint64_t r = world_random(&random);
		unsigned burst = r >> 20 & 31 ? 1 : 150;
		uint64_t token = 0;

		for (unsigned i = 0; i < burst; i++)
			request_page(s, r + i);
		pthread_mutex_lock(&s->owed_lock);
		if (s->owes)
			token = s->owed[--s->owes];
		pthread_mutex_unlock(&s->owed_lock);
		if (token && viommu_invalidation_done(s->device, token, VIOMMU_OK) != VIOMMU_OK)
			world_fail(&s->w, "an invalidation is not known any more");
	}
	return NULL;
}

/* A page of memory that shows its own gpa. */
static void *new_page(uint64_t gpa)
{
	uint64_t *page =
		mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (page == MAP_FAILED)
		return NULL;
	__atomic_store_n(page, gpa, __ATOMIC_RELAXED);
	return page;
}

/* Memory, devices and channels come and go. What was quiesced is unmapped: nobody may use it. */
void *stress_come_and_go(void *opaque)
{
	struct stress *s = opaque;
	void *host[POOL_PAGES] = { NULL };
	uint64_t random = s->seed + 299;

	while (goes_on(s)) {
		uint64_t r = world_random(&random);
		unsigned n = (unsigned)r % POOL_PAGES;
		struct viommu_region region = { .size = sizeof(region),
						.gpa = POOL + n * PAGE,
						.bytes = PAGE };
		struct viommu_device_config config = { .size = sizeof(config),
						       .id = (uint32_t)(0x20 + (r >> 8) % 8) };
		struct viommu_device *device;
		struct viommu_channel *channel;
		bool bad = false;

		if (!host[n]) {
			region.host = host[n] = new_page(region.gpa);
			bad = !host[n] || viommu_vm_add_region(s->w.vm, &region);
		} else {
			bad = viommu_vm_remove_region(s->w.vm, region.gpa);
			while (viommu_vm_quiesce(s->w.vm) == VIOMMU_PENDING)
				sched_yield();
			munmap(host[n], PAGE);
			host[n] = NULL;
		}
		bad = bad || viommu_device_new(s->w.iommu, &config, &device);
		bad = bad || viommu_channel_new(device, VIOMMU_NO_PASID, &channel);
		bad = bad || viommu_device_set_id(device, config.id + 8);
		bad = bad || viommu_channel_free(channel) || viommu_device_free(device);
		if (bad)
			world_fail(&s->w, "memory, devices or channels were refused");
	}
	for (unsigned n = 0; n < POOL_PAGES; n++) {
		if (host[n])
			viommu_vm_remove_region(s->w.vm, POOL + n * PAGE);
	}
	while (viommu_vm_quiesce(s->w.vm) == VIOMMU_PENDING)
		sched_yield();
	for (unsigned n = 0; n < POOL_PAGES; n++)
		munmap(host[n], PAGE);
	return NULL;
}
