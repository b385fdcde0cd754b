/* SPDX-License-Identifier: BSD-3-Clause */
/* amdvi_machine.c - a guest with an AMD IOMMU that does what a fuzzer's input says. */
#include "amdvi_machine.h"

#include <libvirtiommu/routes.h>

#include <stdlib.h>
#include <string.h>

#define ROUTES 4U
#define RW     (AMD_DTE_IR | AMD_DTE_IW)

/* Functions that a call may enter for each step, and beside. */
enum { WORK_EACH = 20, WORK_BASE = 40000 };

/* ---- memory ---- */

static uint64_t page_at(uint64_t n)
{
	return RAM_BASE + n % RAM_PAGES * 4096;
}

static bool fails(struct amdvi_machine *m, uint64_t gpa, uint32_t bytes)
{
	m->accesses++;
	return gpa < RAM_BASE || gpa - RAM_BASE >= RAM_PAGES * 4096 ||
	       bytes > RAM_PAGES * 4096 - (gpa - RAM_BASE) || (m->failing && m->accesses % 7 == 0);
}

static int ram_read(void *opaque, uint64_t gpa, void *to, uint32_t bytes)
{
	struct amdvi_machine *m = opaque;

	if (fails(m, gpa, bytes))
		return 1;
	memcpy(to, m->ram + (gpa - RAM_BASE), bytes);
	return 0;
}

static int ram_write(void *opaque, uint64_t gpa, const void *from, uint32_t bytes)
{
	struct amdvi_machine *m = opaque;

	if (fails(m, gpa, bytes))
		return 1;
	memcpy(m->ram + (gpa - RAM_BASE), from, bytes);
	return 0;
}

static void put(struct amdvi_machine *m, uint64_t gpa, uint64_t value)
{
	memcpy(m->ram + (gpa - RAM_BASE), &value, sizeof(value));
}

/* ---- callbacks ---- */

static void on_msi(void *opaque, uint64_t address, uint32_t data)
{
	(void)opaque;
	(void)address;
	(void)data;
}

static void on_work(void *opaque)
{
	((struct amdvi_machine *)opaque)->works++;
}

static int on_invalidate(void *opaque, const struct viommu_device_invalidation *what)
{
	struct amdvi_machine *m = opaque;

	CHECK(what->first <= what->last);
	if (m->owes == 4)
		return VIOMMU_OK;
	m->owed[m->owes++] = what->token;
	return VIOMMU_PENDING;
}

static void on_response(void *opaque, const struct viommu_page_response *response)
{
	(void)opaque;
	CHECK(response->code == 0 || response->code == 1 || response->code == 15);
	CHECK(response->group < 512);
}

/* ---- life ---- */

static void open_vm(struct amdvi_machine *m)
{
	struct viommu_vm_config config = { .size = sizeof(config),
					   .opaque = m,
					   .read = ram_read,
					   .write = ram_write,
					   .hash_key = { 1, 2 } };
	const struct viommu_region ram = {
		.size = sizeof(ram), .gpa = RAM_BASE, .bytes = RAM_PAGES * 4096, .host = m->ram
	};

	CHECK(viommu_vm_new(&config, &m->vm) == VIOMMU_OK);
	if (m->region)
		CHECK(viommu_vm_add_region(m->vm, &ram) == VIOMMU_OK);
}

static void open_devices(struct amdvi_machine *m)
{
	for (uint32_t i = 0; i < AMDVI_DEVICES; i++) {
		const struct viommu_device_config config = { .size = sizeof(config),
							     .id = i,
							     .opaque = m,
							     .invalidate = on_invalidate,
							     .page_response = on_response };

		CHECK(viommu_device_new(m->iommu, &config, &m->device[i]) == VIOMMU_OK);
	}
	for (unsigned i = 0; i < AMDVI_CHANNELS; i++)
		CHECK(viommu_channel_new(m->device[i % AMDVI_DEVICES], i < 2 ? VIOMMU_NO_PASID : 1,
					 &m->channel[i]) == VIOMMU_OK);
}

#define EVERYTHING                                                                                 \
	((viommu_amdvi_default_efr() & ~(AMD_EFR_GLX | AMD_EFR_PASMAX)) | AMD_EFR_PREF |           \
	 AMD_EFR_HE | AMD_EFR_GAPPI | bits_put(AMD_EFR_GATS, 1) | bits_put(AMD_EFR_GLX, 2) |       \
	 bits_put(AMD_EFR_GAM, 1) | bits_put(AMD_EFR_PASMAX, 19) | bits_put(AMD_EFR_DEV_SEG, 3) |  \
	 AMD_EFR_PPR_AUTO | AMD_EFR_MSI_CAP | AMD_EFR_PERF_OPT | AMD_EFR_HD_DIS |                  \
	 AMD_EFR_INV_TYPE | AMD_EFR_GA_UPDATE)

bool amdvi_machine_open(struct amdvi_machine *m, struct input *in)
{
	uint64_t how = input_take(in, 1);
	const struct viommu_host host = {
		.size = sizeof(host), .opaque = m, .msi = on_msi, .work = on_work
	};
	const struct viommu_limits limits = { .size = sizeof(limits),
					      .tlb_entries = 320,
					      .contexts = 16,
					      .domains = 16,
					      .queue_budget = MACHINE_BUDGET,
					      .outstanding = 4,
					      .steps = how & 2 ? 16 : 0 };
	const struct viommu_amdvi_config config = {
		.size = sizeof(config),
		.efr = how & 8 ? EVERYTHING : viommu_amdvi_default_efr(),
		.efr2 = viommu_amdvi_default_efr2() & ~(how & 16 ? AMD_EFR2_HT_IGNORE : 0),
		.host = &host,
		.limits = &limits
	};
	const struct viommu_routes_config routes = { .size = sizeof(routes), .gsis = ROUTES };

	memset(m, 0, sizeof(*m));
	m->ram = calloc(RAM_PAGES, 4096);
	CHECK(m->ram);
	m->region = how & 1;
	open_vm(m);
	work_expect(how & 2 ? 16 : 4096, WORK_EACH, WORK_BASE);
	CHECK(viommu_amdvi_new(m->vm, &config, &m->iommu) == VIOMMU_OK);
	open_devices(m);
	CHECK(viommu_routes_new(m->iommu, &routes, &m->routes) == VIOMMU_OK);
	m->failing = how & 4;
	return true;
}

static void run(struct amdvi_machine *m)
{
	int result = viommu_run(m->iommu);

	CHECK(result == VIOMMU_OK || result == VIOMMU_PENDING);
}

void amdvi_machine_close(struct amdvi_machine *m)
{
	m->failing = false;
	for (unsigned i = 0; i < AMDVI_CHANNELS; i++) {
		viommu_leave(m->channel[i]);
		CHECK(viommu_channel_free(m->channel[i]) == VIOMMU_OK);
	}
	CHECK(viommu_routes_free(m->routes) == VIOMMU_OK);
	for (unsigned i = 0; i < AMDVI_DEVICES; i++)
		CHECK(viommu_device_free(m->device[i]) == VIOMMU_OK);
	CHECK(viommu_free(m->iommu) == VIOMMU_OK);
	CHECK(viommu_vm_free(m->vm) == VIOMMU_OK);
	free(m->ram);
}

/* ---- registers ---- */

static void write_register(struct amdvi_machine *m, uint64_t offset, uint32_t bytes, uint64_t value)
{
	int result = viommu_reg_write(m->iommu, offset, bytes, value);

	CHECK(result == VIOMMU_OK || result == VIOMMU_PENDING || result == VIOMMU_EINVAL);
}

void amdvi_machine_register(struct amdvi_machine *m, struct input *in)
{
	static const uint16_t places[] = { 0x00,   0x08,   0x10,   0x18,   0x18,   0x18,
					   0x20,   0x28,   0x30,   0x38,   0x40,   0x50,
					   0xe0,   0xe8,   0x100,  0x130,  0x158,  0x15c,
					   0x170,  0x180,  0x2000, 0x2008, 0x2010, 0x2018,
					   0x2020, 0x2030, 0x2038, 0x2040, 0x2048, 0x2080 };
	uint64_t how = input_take(in, 1);
	uint32_t bytes = how & 0x40 ? (uint32_t)input_take(in, 1) % 10 : 8;
	uint64_t offset =
		how & 0x20 ? input_take(in, 2) : places[how % (sizeof(places) / sizeof(places[0]))];
	uint64_t value = 0;

	if (how & 0x80) {
		viommu_reg_read(m->iommu, offset, bytes, &value);
		return;
	}
	value = input_take(in, 8);
	write_register(m, offset, bytes, value);
}

void amdvi_machine_setup(struct amdvi_machine *m, struct input *in)
{
	uint64_t how = input_take(in, 4);
	unsigned levels = 1 + (how & 3);
	uint64_t kinds = how >> 2 & 3;
	uint64_t table = page_at(6);

	for (unsigned level = levels; level > 1; level--, table += 4096)
		put(m, table, (table + 4096) | RW | (uint64_t)(level - 1) << 9 | 1);
	for (unsigned i = 0; i < 512; i++)
		put(m, table + i * 8, page_at(i) | RW | 1);
	put(m, page_at(12), page_at(13) | 1); /* GCR3 */
	put(m, page_at(12) + 8, page_at(13) | 1);
	for (unsigned i = 13; i < 16; i++)
		put(m, page_at(i), page_at(i + 1) | 7);
	for (unsigned i = 0; i < 512; i++)
		put(m, page_at(16) + i * 8, page_at(i) | 7);
	for (unsigned i = 0; i < 256; i++) {
		put(m, page_at(20) + i * 16, 1 | (i & 1 ? 0x84 : 0));
		put(m, page_at(20) + i * 16 + 8, i | (i & 1 ? page_at(21) : 0));
	}
	for (unsigned i = 0; i < AMDVI_DEVICES; i++) {
		uint64_t w0 = 3 | RW | (kinds != 1 ? page_at(6) | (uint64_t)levels << 9 : 0) |
			      AMD_DTE_PPR | (how >> 4 & 3) << 7;
		uint64_t w1 = AMD_DTE_I | (i + 1);

		if (kinds) {
			w0 |= AMD_DTE_GV | bits_put(AMD_DTE_GCR3_LO, page_at(12) >> 12) |
			      (how & 0x40 ? AMD_DTE_GIOV : 0);
			w1 |= bits_put(AMD_DTE_GCR3_MID, page_at(12) >> 15);
		}
		put(m, page_at(0) + i * 32, w0);
		put(m, page_at(0) + i * 32 + 8, w1);
		put(m, page_at(0) + i * 32 + 16, 1 | 9 << 1 | page_at(20) | UINT64_C(2) << 60);
	}
	write_register(m, AMD_DEV_TABLE, 8, page_at(0));
	write_register(m, AMD_CMD_BASE, 8, page_at(1) | UINT64_C(8) << 56);
	write_register(m, AMD_EVT_BASE, 8, page_at(2) | UINT64_C(8) << 56);
	write_register(m, AMD_PPR_BASE, 8, page_at(3) | UINT64_C(8) << 56);
	write_register(m, AMD_GA_BASE, 8, page_at(4) | UINT64_C(8) << 56);
	write_register(m, AMD_GA_TAIL_ADDR, 8, page_at(5));
	write_register(m, AMD_CONTROL, 8, UINT64_C(0x4c0c0003217f01d) ^ (how >> 8) << 5);
}

void amdvi_machine_commands(struct amdvi_machine *m, struct input *in)
{
	uint64_t count = 1 + input_take(in, 1) % 24;

	for (uint64_t i = 0; i < count; i++) {
		uint64_t how = input_take(in, 1);
		uint64_t w0 = (how & 15) << 60;
		uint64_t w1 = 0;

		if ((how & 15) == AMD_COMPLETION_WAIT)
			w0 |= page_at(5) | (how >> 4 & 7);
		else if (how & 0x80)
			w0 |= input_take(in, 7);
		else
			w0 |= how >> 4 & 1 ? UINT64_C(1) << 32 : 0;
		if (how & 0x40)
			w1 = input_take(in, 8);
		else if (how & 0x20)
			w1 = 0x7ffffffffffff003;
		put(m, page_at(1) + m->tail, w0);
		put(m, page_at(1) + m->tail + 8, w1);
		m->tail = (m->tail + 16) % 4096;
	}
	write_register(m, AMD_CMD_TAIL, 8, m->tail);
}

/* ---- requests ---- */

static bool in_window(uint64_t address)
{
	return address >= AMD_WINDOW_FIRST && address <= AMD_WINDOW_LAST;
}

static void check_fragments(const struct viommu_request *q, const struct viommu_fragment *f,
			    const struct viommu_answer *a)
{
	uint64_t covered = 0;

	CHECK(a->count <= 4);
	for (uint32_t i = 0; i < a->count; i++) {
		CHECK(f[i].length != 0);
		covered += f[i].length;
	}
	CHECK(covered == a->next - q->first);
}

static void translate(struct amdvi_machine *m, struct input *in)
{
	uint64_t how = input_take(in, 2);
	struct viommu_request q = { .first = page_at(how >> 8) - RAM_BASE + (how >> 4 & 15),
				    .pasid = VIOMMU_NO_PASID };
	struct viommu_fragment f[4];
	struct viommu_answer a;
	unsigned which = (unsigned)how % AMDVI_CHANNELS;
	int result;

	if (how & 0x80)
		q.first = input_take(in, 8);
	q.last = q.first + (how & 0x40 ? input_take(in, 2) : 0);
	if (q.last < q.first)
		q.last = q.first;
	q.access = (uint16_t)(1 + input_take(in, 1) % 31);
	q.type = (uint16_t)(how >> 2 & 3) % 3;
	if (which == 2 || (how & 0x20))
		q.pasid = 1;
	result = which == 2 || q.pasid == VIOMMU_NO_PASID
			 ? viommu_translate(m->channel[which], &q, f, 4, &a)
			 : viommu_device_translate(m->device[which % AMDVI_DEVICES], &q, f, 4, &a);
	CHECK(result == VIOMMU_OK || result == VIOMMU_MORE || result == VIOMMU_FAULT ||
	      result == VIOMMU_INTERRUPT || result == VIOMMU_EINVAL);
	if (result == VIOMMU_OK && q.type == VIOMMU_AT_UNTRANSLATED)
		check_fragments(&q, f, &a);
	if (result == VIOMMU_INTERRUPT)
		CHECK(in_window(a.next));
}

static int on_mapped(void *opaque, uint64_t iova, const struct viommu_fragment *f)
{
	(void)iova;
	CHECK(f->length != 0);
	return ++*(unsigned *)opaque > 100;
}

static int on_step(void *opaque, const struct viommu_step *step)
{
	(void)opaque;
	CHECK(step->what && step->words <= 8);
	return 0;
}

static void look(struct amdvi_machine *m, struct input *in)
{
	uint64_t how = input_take(in, 2);
	struct viommu_request q = { .first = page_at(how >> 8) - RAM_BASE,
				    .last = page_at(how >> 8) - RAM_BASE,
				    .access = VIOMMU_READ };
	uint64_t first = how & 0x80 ? input_take(in, 8) : 0;
	unsigned count = 0;

	q.pasid = how & 2 ? 1 : VIOMMU_NO_PASID;
	viommu_explain(m->device[how & 1], &q, VIOMMU_EXPLAIN_CACHES, on_step, NULL);
	viommu_explain_msi(m->iommu, how & 1, 0xfee00000, (uint32_t)(how >> 8),
			   VIOMMU_EXPLAIN_CACHES, on_step, NULL);
	viommu_replay(m->device[how & 1], q.pasid, &first, UINT64_MAX, 200, on_mapped, &count);
}

static void message(struct amdvi_machine *m, struct input *in)
{
	uint64_t how = input_take(in, 3);
	uint32_t source = how & 3;
	uint64_t address = AMD_WINDOW_FIRST | (how >> 2 & 3) << 2;
	const struct viommu_route route = { .size = sizeof(route),
					    .gsi = how % ROUTES,
					    .source = source,
					    .address = address,
					    .data = (uint32_t)(how >> 8) };
	struct viommu_route_change change;
	struct viommu_msi msi;
	int result = viommu_remap_msi(m->iommu, source, address, (uint32_t)(how >> 8),
				      how & 0x10 ? VIOMMU_MSI_RESOLVE : 0, &msi);

	CHECK(result == VIOMMU_OK || result == VIOMMU_FAULT);
	if (how & 0x20)
		viommu_routes_set(m->routes, &route);
	viommu_routes_lookup(m->routes, how % ROUTES, &change);
}

static void ask_page(struct amdvi_machine *m, struct input *in)
{
	uint64_t how = input_take(in, 2);
	const struct viommu_page_request request = { .address = page_at(how),
						     .pasid = how & 0x100 ? 1 : VIOMMU_NO_PASID,
						     .group = how & 0x1ff,
						     .access = how >> 9 & 15,
						     .last = how >> 13 & 1 };
	int result = viommu_request_page(m->device[how >> 15], &request);

	CHECK(result == VIOMMU_OK || result == VIOMMU_FAULT || result == VIOMMU_EBUSY ||
	      result == VIOMMU_EINVAL);
}

static void answer(struct amdvi_machine *m, struct input *in)
{
	uint64_t how = input_take(in, 1);

	if (m->owes) {
		uint64_t token = m->owed[--m->owes];
		int status = how & 4 ? VIOMMU_FAULT : VIOMMU_OK;

		if (viommu_invalidation_done(m->device[0], token, status) != VIOMMU_OK)
			viommu_invalidation_done(m->device[1], token, status);
	}
	if (how & 8)
		viommu_device_fail(m->device[how & 1]);
}

/* A state that was saved is one that restores, and says the same again. */
static void state(struct amdvi_machine *m, struct input *in)
{
	uint64_t how = input_take(in, 1);
	uint64_t bytes = sizeof(m->state);
	int result;

	if (how & 1) {
		CHECK(viommu_save(m->iommu, m->state, &bytes) == VIOMMU_OK);
		m->state_bytes = bytes;
	} else if (m->state_bytes) {
		result = viommu_restore(m->iommu, m->state, m->state_bytes);
		CHECK(result == VIOMMU_OK || result == VIOMMU_PENDING);
		m->tail = 0;
	} else if (how & 2) {
		result = viommu_reset(m->iommu);
		CHECK(result == VIOMMU_OK || result == VIOMMU_PENDING);
		m->tail = 0;
	} else {
		viommu_flush(m->iommu);
	}
}

static void memory(struct amdvi_machine *m, struct input *in)
{
	uint64_t how = input_take(in, 2);
	uint64_t gpa = page_at(how & 63) + (how >> 6 & 511) * 8;
	uint64_t value;

	if (how & 0x8000) {
		value = input_take(in, 8);
	} else {
		uint64_t bits = input_take(in, 2);

		value = page_at(bits) | (bits & 0x40 ? RW : 0) | (bits >> 8 & 7) << 9 |
			(bits >> 11 & 31) | (bits & 0x80 ? 1 : 0);
	}
	put(m, gpa, value);
}

void amdvi_machine_step(struct amdvi_machine *m, struct input *in)
{
	switch (input_take(in, 1) % 12) {
	case 0:
		memory(m, in);
		break;
	case 1:
	case 2:
		translate(m, in);
		break;
	case 3:
		amdvi_machine_commands(m, in);
		break;
	case 4:
		message(m, in);
		break;
	case 5:
		ask_page(m, in);
		break;
	case 6:
		answer(m, in);
		break;
	case 7:
		state(m, in);
		break;
	case 8:
		look(m, in);
		break;
	case 9:
		viommu_enter(m->channel[input_take(in, 1) % AMDVI_CHANNELS]);
		break;
	case 10:
		viommu_leave(m->channel[input_take(in, 1) % AMDVI_CHANNELS]);
		break;
	default:
		run(m);
		break;
	}
}
