/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_section.c - completion after use (design, section 7; obligation 13): while a thread is
 * inside a section, the guest is not told that an invalidation is complete; when it leaves, the
 * host is told to go on, and no such call is ever lost. Nothing here polls on time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "epoch.h"
#include "thread_world.h"

#define RID  UINT16_C(0x10)
#define DID  7U
#define IOVA UINT64_C(0x40000000)

/* Everything here is done twice: readers with fences, and with VIOMMU_VM_MEMBARRIER. */
static bool membarrier;

/* A legacy-mode guest with one device, one page, and a thread that parks with it. */
struct parking {
	struct world w;
	struct viommu_device *device;
	struct viommu_channel *channel;
	uint64_t tree;
	uint64_t leaf;
	pthread_t thread;
	pthread_barrier_t inside;
	pthread_barrier_t leave;
};

static void open_parking(struct parking *p, const struct world_config *given)
{
	struct world_config config = given ? *given : (struct world_config){ .ttm = 0 };
	struct viommu_device_config device = { .size = sizeof(device), .id = RID };
	uint64_t context;

	config.membarrier = membarrier;
	world_open(&p->w, &config);
	p->tree = world_alloc(&p->w, 1);
	p->leaf = world_map(&p->w, p->tree, IOVA, PAGE * 0x100, 12, GUEST_RW);
	context = world_context(&p->w, RID);
	world_put64(&p->w, context + 8, bits_put(VTD_CE_AW, 2) | bits_put(VTD_CE_DID, DID));
	world_put64(&p->w, context, p->tree | VTD_CE_P);
	assert_int_equal(viommu_device_new(p->w.iommu, &device, &p->device), VIOMMU_OK);
	assert_int_equal(viommu_channel_new(p->device, VIOMMU_NO_PASID, &p->channel), VIOMMU_OK);
	pthread_barrier_init(&p->inside, NULL, 2);
	pthread_barrier_init(&p->leave, NULL, 2);
}

static void close_parking(struct parking *p)
{
	pthread_barrier_destroy(&p->inside);
	pthread_barrier_destroy(&p->leave);
	assert_int_equal(viommu_channel_free(p->channel), VIOMMU_OK);
	assert_int_equal(viommu_device_free(p->device), VIOMMU_OK);
	world_close(&p->w);
}

static int dma(struct viommu_channel *channel, uint64_t *gpa)
{
	struct viommu_request request = {
		.first = IOVA, .last = IOVA, .pasid = VIOMMU_NO_PASID, .access = VIOMMU_READ
	};
	struct viommu_fragment fragment;
	struct viommu_answer answer;
	int result = viommu_translate(channel, &request, &fragment, 1, &answer);

	*gpa = result == VIOMMU_OK ? fragment.gpa : UINT64_MAX;
	return result;
}

static void *park(void *opaque)
{
	struct parking *p = opaque;
	uint64_t gpa;

	if (viommu_enter(p->channel) != VIOMMU_OK || dma(p->channel, &gpa) != VIOMMU_OK)
		world_fail(&p->w, "cannot translate in a section");
	pthread_barrier_wait(&p->inside);
	pthread_barrier_wait(&p->leave);
	if (viommu_leave(p->channel) != VIOMMU_OK)
		world_fail(&p->w, "cannot leave");
	return NULL;
}

static void start_parked(struct parking *p)
{
	world_start(&p->thread, park, p);
	pthread_barrier_wait(&p->inside);
}

static void let_go(struct parking *p)
{
	pthread_barrier_wait(&p->leave);
}

/* ---- what may not complete while a section is open ---- */

struct held {
	const char *name;
	bool registers; /* without a queue */
	uint64_t q0;	/* a descriptor, and a wait; or */
	uint64_t q1;
	uint64_t set; /* GCMD; or */
	uint64_t clear;
	uint64_t reg; /* CCMD, or 1: IOTLB */
	uint64_t value;
};

static int submit(struct world *w, const struct held *row)
{
	if (row->q0) {
		world_submit(w, row->q0, row->q1);
		world_submit_wait(w);
		return world_ring(w);
	}
	if (row->reg)
		return world_write(w, row->reg == 1 ? world_iotlb_offset(w) : row->reg, 8,
				   row->value | BIT(63));
	return world_command(w, row->set, row->clear);
}

static bool complete(struct world *w, const struct held *row)
{
	uint64_t gsts = world_read(w, VTD_GSTS, 4);

	if (row->q0)
		return world_waited(w) && world_read(w, VTD_IQH, 8) == w->tail;
	if (row->reg)
		return !(world_read(w, row->reg == 1 ? world_iotlb_offset(w) : row->reg, 8) &
			 BIT(63));
	return (gsts & row->set) == row->set && !(gsts & row->clear);
}

static void check_held(const struct held *row)
{
	const struct world_config config = { .registers = row->registers };
	struct parking p;

	print_message("%s\n", row->name);
	open_parking(&p, &config);
	start_parked(&p);
	world_take_work(&p.w);
	assert_int_equal(submit(&p.w, row), VIOMMU_PENDING);
	for (unsigned i = 0; i < 3; i++) {
		assert_false(complete(&p.w, row));
		assert_int_equal(viommu_run(p.w.iommu), VIOMMU_PENDING);
	}
	assert_false(world_take_work(&p.w));
	let_go(&p);
	world_await_work(&p.w);
	assert_int_equal(viommu_run(p.w.iommu), VIOMMU_OK);
	assert_true(complete(&p.w, row));
	pthread_join(p.thread, NULL);
	close_parking(&p);
}

/* Obligation 33: of a status bit that an earlier command has set already. */
static void check_held_again(const struct held *row)
{
	struct parking p;

	print_message("%s\n", row->name);
	open_parking(&p, NULL);
	world_command_sync(&p.w, row->set, row->clear);
	assert_true(complete(&p.w, row));
	start_parked(&p);
	/* the lasting ones: there and back, and there again, before the first is done */
	if (!(row->set & (VTD_G_RTP | VTD_G_IRTP)))
		assert_int_equal(world_command(&p.w, row->clear, row->set), VIOMMU_PENDING);
	assert_int_equal(submit(&p.w, row), VIOMMU_PENDING);
	assert_false(complete(&p.w, row));
	let_go(&p);
	pthread_join(p.thread, NULL);
	assert_int_equal(viommu_run(p.w.iommu), VIOMMU_OK);
	assert_true(complete(&p.w, row));
	close_parking(&p);
}

static void test_held_again(void **state)
{
	const struct held rows[] = {
		{ "11.4.4 SRTP again", .set = VTD_G_RTP },
		{ "11.4.4 SIRTP again", .set = VTD_G_IRTP },
		{ "11.4.4 TE on, off, on", .set = VTD_G_TE },
		{ "11.4.4 TE off, on, off", .clear = VTD_G_TE },
		{ "11.4.4 IRE on, off, on", .set = VTD_G_IRE },
		{ "11.4.4 IRE off, on, off", .clear = VTD_G_IRE },
		{ "11.4.4 CFI on, off, on", .set = VTD_G_CFI },
		{ "11.4.4 CFI off, on, off", .clear = VTD_G_CFI },
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_COUNT(rows); i++)
		check_held_again(&rows[i]);
}

/* Who comes and goes while something is held back does not wake the host: only the one that lets it go on. */
static void test_one_wake_up(void **state)
{
	struct viommu_channel *other;
	struct parking p;

	(void)state;
	open_parking(&p, NULL);
	assert_int_equal(viommu_channel_new(p.device, VIOMMU_NO_PASID, &other), VIOMMU_OK);
	start_parked(&p);
	world_submit(&p.w, GUEST_IOTLB(VTD_GRAN_DOMAIN, DID), 0);
	world_submit_wait(&p.w);
	assert_int_equal(world_ring(&p.w), VIOMMU_PENDING);
	world_take_work(&p.w);
	for (unsigned i = 0; i < 10000; i++) {
		uint64_t gpa;

		assert_int_equal(viommu_enter(other), VIOMMU_OK);
		assert_int_equal(dma(other, &gpa), VIOMMU_OK);
		assert_int_equal(viommu_leave(other), VIOMMU_OK);
	}
	assert_false(world_take_work(&p.w));
	let_go(&p);
	world_await_work(&p.w);
	pthread_join(p.thread, NULL);
	assert_int_equal(viommu_run(p.w.iommu), VIOMMU_OK);
	assert_true(world_waited(&p.w));
	assert_int_equal(viommu_channel_free(other), VIOMMU_OK);
	close_parking(&p);
}

/* What a message meant is answered in a section, if the caller has one open: an invalidation of its entry
 * is not complete before the message has been delivered. */
static void test_message_in_a_section(void **state)
{
	struct viommu_msi msi;
	struct parking p;

	(void)state;
	open_parking(&p, NULL);
	assert_int_equal(viommu_enter(p.channel), VIOMMU_OK);
	viommu_remap_msi(p.w.iommu, RID, 0xfee00010, 0, 0, &msi);
	world_submit(&p.w, GUEST_IEC(0, 0), 0);
	world_submit_wait(&p.w);
	assert_int_equal(world_ring(&p.w), VIOMMU_PENDING);
	assert_false(world_waited(&p.w));
	assert_int_equal(viommu_leave(p.channel), VIOMMU_OK);
	assert_int_equal(viommu_run(p.w.iommu), VIOMMU_OK);
	assert_true(world_waited(&p.w));
	close_parking(&p);
}

static void test_held(void **state)
{
	const struct held rows[] = {
		{ "6.5.2.8 wait after IOTLB page", .q0 = GUEST_IOTLB(VTD_GRAN_LOCAL, DID),
		  .q1 = IOVA },
		{ "6.5.2.8 wait after IOTLB domain", .q0 = GUEST_IOTLB(VTD_GRAN_DOMAIN, DID) },
		{ "6.5.2.8 wait after IOTLB global", .q0 = GUEST_IOTLB(VTD_GRAN_GLOBAL, 0) },
		{ "6.5.2.8 wait after context device",
		  .q0 = GUEST_CC(VTD_GRAN_LOCAL, DID, RID, 0) },
		{ "6.5.2.8 wait after context global", .q0 = GUEST_CC(VTD_GRAN_GLOBAL, 0, 0, 0) },
		{ "6.5.2.8 wait after interrupt entry", .q0 = GUEST_IEC(3, 0) },
		{ "11.4.4 SRTP", .set = VTD_G_RTP },
		{ "11.4.4 TE off", .clear = VTD_G_TE },
		{ "11.4.4 SIRTP", .set = VTD_G_IRTP },
		{ "11.4.4 IRE on", .set = VTD_G_IRE },
		{ "11.4.6 CCMD global", .registers = true, .reg = VTD_CCMD,
		  .value = bits_put(VTD_CCMD_CIRG, VTD_GRAN_GLOBAL) },
		{ "11.4.6 CCMD device", .registers = true, .reg = VTD_CCMD,
		  .value = bits_put(VTD_CCMD_CIRG, VTD_GRAN_LOCAL) | bits_put(VTD_CCMD_SID, RID) },
		{ "11.4.6 IOTLB global", .registers = true, .reg = 1,
		  .value = bits_put(VTD_IOTLB_IIRG, VTD_GRAN_GLOBAL) },
		{ "11.4.6 IOTLB domain", .registers = true, .reg = 1,
		  .value = bits_put(VTD_IOTLB_IIRG, VTD_GRAN_DOMAIN) |
			   bits_put(VTD_IOTLB_DID, DID) },
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_COUNT(rows); i++)
		check_held(&rows[i]);
}

/* A section that was opened after the invalidation was processed does not hold it back, however
 * often it is opened again. */
static void test_later_section(void **state)
{
	struct viommu_channel *later;
	struct parking p;
	uint64_t gpa;

	(void)state;
	open_parking(&p, NULL);
	assert_int_equal(viommu_channel_new(p.device, VIOMMU_NO_PASID, &later), VIOMMU_OK);
	start_parked(&p);
	world_put64(&p.w, p.leaf, PAGE * 0x200 | GUEST_RW);
	world_submit(&p.w, GUEST_IOTLB(VTD_GRAN_DOMAIN, DID), 0);
	world_submit_wait(&p.w);
	assert_int_equal(world_ring(&p.w), VIOMMU_PENDING);
	assert_int_equal(viommu_enter(later), VIOMMU_OK);
	assert_int_equal(dma(later, &gpa), VIOMMU_OK);
	assert_int_equal(gpa, PAGE * 0x200);
	let_go(&p);
	world_await_work(&p.w);
	assert_int_equal(viommu_run(p.w.iommu), VIOMMU_OK);
	assert_true(world_waited(&p.w));
	assert_int_equal(viommu_leave(later), VIOMMU_OK);
	assert_int_equal(viommu_channel_free(later), VIOMMU_OK);
	pthread_join(p.thread, NULL);
	close_parking(&p);
}

/* Two completions wait at once, the older one for a wait descriptor, the newer one for GSTS. That
 * the older one is due must not take away the wake-up of the newer one. */
static void test_two_waiters(void **state)
{
	struct parking p;
	uint64_t gpa;

	(void)state;
	open_parking(&p, NULL);
	world_command_sync(&p.w, 0, VTD_G_TE);
	world_command_sync(&p.w, VTD_G_TE, 0);
	assert_int_equal(viommu_enter(p.channel), VIOMMU_OK);
	world_submit(&p.w, GUEST_IOTLB(VTD_GRAN_DOMAIN, DID), 0);
	world_submit_wait(&p.w);
	assert_int_equal(world_ring(&p.w), VIOMMU_PENDING);
	assert_int_equal(viommu_leave(p.channel), VIOMMU_OK);
	/* Entered after the first: it holds back the second only. */
	assert_int_equal(viommu_enter(p.channel), VIOMMU_OK);
	assert_int_equal(dma(p.channel, &gpa), VIOMMU_OK);
	assert_int_equal(world_command(&p.w, 0, VTD_G_TE), VIOMMU_PENDING);
	assert_true(world_waited(&p.w));
	assert_true(world_read(&p.w, VTD_GSTS, 4) & VTD_G_TE);
	world_take_work(&p.w);
	assert_int_equal(viommu_leave(p.channel), VIOMMU_OK);
	/* leaving is what calls back, from the same thread: nothing to wait for */
	assert_true(world_take_work(&p.w));
	assert_int_equal(viommu_run(p.w.iommu), VIOMMU_OK);
	assert_false(world_read(&p.w, VTD_GSTS, 4) & VTD_G_TE);
	close_parking(&p);
}

/* Obligation 1: the guest writes another descriptor over a wait that is held back, behind it
 * another wait. That one is for the invalidation that came last, not for the first. */
static void test_overwritten_wait(void **state)
{
	struct viommu_channel *later;
	struct parking p;
	uint64_t at;
	uint64_t gpa;

	(void)state;
	open_parking(&p, NULL);
	assert_int_equal(viommu_channel_new(p.device, VIOMMU_NO_PASID, &later), VIOMMU_OK);
	start_parked(&p);
	world_submit(&p.w, GUEST_IOTLB(VTD_GRAN_DOMAIN, DID), 0);
	at = p.w.queue + p.w.tail;
	world_submit_wait(&p.w);
	assert_int_equal(world_ring(&p.w), VIOMMU_PENDING);
	assert_int_equal(viommu_enter(later), VIOMMU_OK);
	assert_int_equal(dma(later, &gpa), VIOMMU_OK);
	let_go(&p);
	world_await_work(&p.w);
	pthread_join(p.thread, NULL);
	world_put64(&p.w, at + 8, 0);
	world_put64(&p.w, at, GUEST_IOTLB(VTD_GRAN_DOMAIN, DID));
	world_submit_wait(&p.w);
	assert_int_equal(world_ring(&p.w), VIOMMU_PENDING);
	assert_false(world_waited(&p.w));
	assert_int_equal(viommu_leave(later), VIOMMU_OK);
	assert_int_equal(viommu_run(p.w.iommu), VIOMMU_OK);
	assert_true(world_waited(&p.w));
	assert_int_equal(viommu_channel_free(later), VIOMMU_OK);
	close_parking(&p);
}

/* A removed region may be unmapped when the section that may use it has closed, not before. */
static void test_quiesce(void **state)
{
	static _Alignas(4096) uint8_t block[4096];
	struct viommu_region region = {
		.size = sizeof(region), .gpa = UINT64_C(1) << 40, .bytes = 4096, .host = block
	};
	struct parking p;

	(void)state;
	open_parking(&p, NULL);
	assert_int_equal(viommu_vm_add_region(p.w.vm, &region), VIOMMU_OK);
	start_parked(&p);
	assert_int_equal(viommu_vm_remove_region(p.w.vm, region.gpa), VIOMMU_OK);
	assert_int_equal(viommu_vm_quiesce(p.w.vm), VIOMMU_PENDING);
	let_go(&p);
	pthread_join(p.thread, NULL);
	assert_int_equal(viommu_vm_quiesce(p.w.vm), VIOMMU_OK);
	close_parking(&p);
}

/* Reset and restore give up what was held back, or complete it; and say, as does quiesce, that a section is
 * still open in which something of the old state may be in use (39). */
static void test_reset_and_restore(void **state)
{
	uint8_t buffer[8192];
	uint64_t bytes = sizeof(buffer);
	struct parking p;

	(void)state;
	open_parking(&p, NULL);
	start_parked(&p);
	assert_int_equal(world_command(&p.w, 0, VTD_G_TE), VIOMMU_PENDING);
	assert_int_equal(viommu_save(p.w.iommu, buffer, &bytes), VIOMMU_OK);
	assert_int_equal(viommu_reset(p.w.iommu), VIOMMU_PENDING);
	assert_int_equal(viommu_run(p.w.iommu), VIOMMU_PENDING);
	assert_int_equal(viommu_vm_quiesce(p.w.vm), VIOMMU_PENDING);
	assert_int_equal(world_read(&p.w, VTD_GSTS, 4), 0);
	assert_int_equal(viommu_restore(p.w.iommu, buffer, bytes), VIOMMU_PENDING);
	assert_true(world_read(&p.w, VTD_GSTS, 4) & VTD_G_TE);
	assert_int_equal(viommu_run(p.w.iommu), VIOMMU_PENDING);
	assert_int_equal(viommu_vm_quiesce(p.w.vm), VIOMMU_PENDING);
	world_take_work(&p.w);
	let_go(&p);
	world_await_work(&p.w);
	pthread_join(p.thread, NULL);
	assert_int_equal(viommu_run(p.w.iommu), VIOMMU_OK);
	assert_int_equal(viommu_vm_quiesce(p.w.vm), VIOMMU_OK);
	assert_false(world_read(&p.w, VTD_GSTS, 4) & VTD_G_TE);
	assert_int_equal(viommu_reset(p.w.iommu), VIOMMU_OK);
	assert_int_equal(viommu_run(p.w.iommu), VIOMMU_OK);
	close_parking(&p);
}

/* ---- no wake-up is lost ---- */

enum { STORM_CHANNELS = 3, STORM_VISITORS = EPOCH_VISITORS + 6 };

struct storm {
	struct parking p;
	_Atomic bool stop;
	struct member {
		struct storm *storm;
		struct viommu_channel *channel; /* NULL: a visitor, without a section of its own */
		pthread_t thread;
	} member[STORM_VISITORS];
};

static void *come_and_go(void *opaque)
{
	const struct member *member = opaque;
	struct storm *s = member->storm;
	struct viommu_channel *channel = member->channel;
	/* an absent page: what the caches answer needs no section */
	struct viommu_request request = { .first = IOVA + PAGE,
					  .last = IOVA + PAGE,
					  .pasid = VIOMMU_NO_PASID,
					  .access = VIOMMU_READ };
	struct viommu_fragment f;
	struct viommu_answer answer;
	uint64_t gpa;

	while (!atomic_load(&s->stop)) {
		bool bad;

		if (channel)
			bad = viommu_enter(channel) || dma(channel, &gpa) || viommu_leave(channel);
		else
			bad = viommu_device_translate(s->p.device, &request, &f, 1, &answer) !=
			      VIOMMU_FAULT;
		if (bad)
			world_fail(&s->p.w, "refused");
	}
	return NULL;
}

/* So many wake-ups are enough. On a processor that others use, too, whoever holds back a wait may not run for some
 * milliseconds, and each of 20000 waits may meet one. */
#define STORM_WORKS 2000U

/* Everybody comes and goes; the main thread goes on only when it is told to. */
static void storm(unsigned members, bool visitors, unsigned waits)
{
	static struct storm s;
	struct world *w = &s.p.w;

	atomic_init(&s.stop, false);
	open_parking(&s.p, NULL);
	for (unsigned i = 0; i < members; i++) {
		s.member[i].storm = &s;
		s.member[i].channel = NULL;
		if (!visitors)
			assert_int_equal(viommu_channel_new(s.p.device, VIOMMU_NO_PASID,
							    &s.member[i].channel),
					 VIOMMU_OK);
		world_start(&s.member[i].thread, come_and_go, &s.member[i]);
	}
	for (unsigned i = 0; i < waits && atomic_load(&w->works) < STORM_WORKS; i++) {
		int result;

		world_submit(w, GUEST_IOTLB(VTD_GRAN_DOMAIN, DID), 0);
		world_submit_wait(w);
		result = world_ring(w);
		while (result == VIOMMU_PENDING) {
			world_await_work(w);
			result = viommu_run(w->iommu);
		}
		assert_int_equal(result, VIOMMU_OK);
		assert_true(world_waited(w));
	}
	atomic_store(&s.stop, true);
	for (unsigned i = 0; i < members; i++) {
		pthread_join(s.member[i].thread, NULL);
		assert_int_equal(viommu_channel_free(s.member[i].channel), VIOMMU_OK);
	}
	print_message("%u waits, woken %u times\n", waits, atomic_load(&w->works));
	close_parking(&s.p);
}

static void test_storm_of_sections(void **state)
{
	(void)state;
	storm(STORM_CHANNELS, false, scaled(membarrier ? 5000 : 20000));
}

/* More threads than there are sections for visitors. */
static void test_storm_of_visitors(void **state)
{
	(void)state;
	storm(STORM_VISITORS, true, scaled(40));
}

static bool has_membarrier(void)
{
	const struct world_config config = { .membarrier = true };
	static struct world w;

	if (!world_try_open(&w, &config))
		return false;
	world_close(&w);
	return true;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_held),
		cmocka_unit_test(test_held_again),
		cmocka_unit_test(test_one_wake_up),
		cmocka_unit_test(test_message_in_a_section),
		cmocka_unit_test(test_later_section),
		cmocka_unit_test(test_two_waiters),
		cmocka_unit_test(test_overwritten_wait),
		cmocka_unit_test(test_quiesce),
		cmocka_unit_test(test_reset_and_restore),
		cmocka_unit_test(test_storm_of_sections),
		cmocka_unit_test(test_storm_of_visitors),
	};

	int failed = cmocka_run_group_tests_name("section", tests, NULL, NULL);

	membarrier = has_membarrier();
	if (membarrier)
		failed += cmocka_run_group_tests_name("section, membarrier", tests, NULL, NULL);
	return failed;
}
