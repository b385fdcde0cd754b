/* SPDX-License-Identifier: BSD-3-Clause */
/* harness.c - a machine for fuzzers: memory, callbacks, and checked calls. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guest.h" /* capabilities only */
#include "harness.h"

/* Loads of one page of a request: contexts four times over, and a nested walk whose every entry
 * changes under it as often as is allowed. */
#define LOADS_A_PAGE 4096U
#define BUDGET	     16U
#define RAM_BYTES    ((uint64_t)(RAM_PAGES + ROM_PAGES) * 4096)

void check_failed(const char *condition, const char *file, int line)
{
	fprintf(stderr, "%s:%d: CHECK failed: %s\n", file, line, condition);
	abort();
}

/* ---- memory ---- */

uint64_t machine_page(const struct machine *m, uint64_t n)
{
	n %= RAM_PAGES + ROM_PAGES;
	(void)m;
	return n < RAM_PAGES ? RAM_BASE + n * 4096 : ROM_BASE + (n - RAM_PAGES) * 4096;
}

static bool inside(uint64_t gpa, uint64_t bytes, uint64_t base, uint64_t pages)
{
	uint64_t size = pages * 4096;

	return bytes <= size && gpa >= base && gpa - base <= size - bytes;
}

static uint8_t *at(struct machine *m, uint64_t gpa, uint64_t bytes)
{
	if (inside(gpa, bytes, RAM_BASE, RAM_PAGES))
		return m->ram + (gpa - RAM_BASE);
	if (inside(gpa, bytes, ROM_BASE, ROM_PAGES))
		return m->ram + RAM_PAGES * 4096 + (gpa - ROM_BASE);
	return NULL;
}

uint64_t *machine_word(struct machine *m, uint64_t gpa)
{
	return (uint64_t *)(void *)at(m, gpa & ~UINT64_C(7), 8);
}

void machine_put(struct machine *m, uint64_t gpa, uint64_t value)
{
	uint64_t *word = machine_word(m, gpa);

	m->clean = false;
	if (word)
		*word = value;
}

/* What the schedule says of this access: 0 to 3 fail, 4 to 7 change; others are as they are. */
static unsigned misbehaviour(struct machine *m)
{
	if (!m->scheduled)
		return UINT8_MAX;
	return m->schedule[m->turn++ % m->scheduled];
}

static int on_read(void *opaque, uint64_t gpa, void *to, uint32_t bytes)
{
	struct machine *m = opaque;
	const uint8_t *from = at(m, gpa, bytes);
	unsigned how = misbehaviour(m);

	m->accesses++;
	CHECK(bytes >= 1 && bytes <= 64);
	CHECK(bytes > 16 || gpa % bytes == 0);
	if (!from || how < 4)
		return -1;
	memcpy(to, from, bytes);
	if (how < 8)
		((uint8_t *)to)[how % bytes] ^= (uint8_t)(1U << (m->turn & 7));
	return 0;
}

static int on_write(void *opaque, uint64_t gpa, const void *from, uint32_t bytes)
{
	struct machine *m = opaque;
	uint8_t *to = at(m, gpa, bytes);

	m->accesses++;
	CHECK(bytes >= 1 && bytes <= 64);
	if (!to || misbehaviour(m) < 4)
		return -1;
	memcpy(to, from, bytes);
	return 0;
}

static int on_swap(void *opaque, uint64_t gpa, uint64_t *expected, uint64_t desired)
{
	struct machine *m = opaque;
	uint64_t *word = (uint64_t *)(void *)at(m, gpa, 8);
	unsigned how = misbehaviour(m);
	uint64_t found;

	m->accesses++;
	CHECK(gpa % 8 == 0);
	if (!word || how < 4)
		return -1;
	if (how < 8)
		*word ^= UINT64_C(1) << (m->turn & 63);
	found = *word;
	if (found == *expected)
		*word = desired;
	*expected = found;
	return 0;
}

static void on_dirty(void *opaque, uint64_t gpa, uint64_t bytes)
{
	struct machine *m = opaque;

	m->writes++;
	CHECK(bytes >= 4 && bytes <= 64 && at(m, gpa, bytes));
}

/* ---- host ---- */

static void on_msi(void *opaque, uint64_t address, uint32_t data)
{
	struct machine *m = opaque;

	(void)address;
	(void)data;
	m->calls++;
}

static void on_work(void *opaque)
{
	struct machine *m = opaque;

	m->calls++;
}

static int on_invalidate(void *opaque, const struct viommu_device_invalidation *what)
{
	struct machine *m = opaque;
	bool later = m->invalidate_answers & 1;

	m->calls++;
	m->invalidate_answers = m->invalidate_answers >> 1 | (later ? 128U : 0);
	CHECK(what->first <= what->last);
	CHECK(what->first % 4096 == 0 && what->last % 4096 == 4095);
	CHECK(what->pasid == VIOMMU_NO_PASID || what->pasid < 1U << 20);
	if (!later || m->owes == OWED)
		return VIOMMU_OK;
	m->owed[m->owes++] = what->token;
	return VIOMMU_PENDING;
}

static void on_response(void *opaque, const struct viommu_page_response *response)
{
	struct machine *m = opaque;

	m->calls++;
	CHECK(response->code == 0 || response->code == 1 || response->code == 15);
	CHECK(response->group < 512);
}

static void on_unmap(void *opaque, struct viommu_device *device, uint32_t pasid, uint64_t first,
		     uint64_t last)
{
	struct machine *m = opaque;

	m->calls++;
	CHECK(device && first <= last);
	CHECK(pasid < 1U << 20 || pasid == VIOMMU_NO_PASID || pasid == VIOMMU_ANY_PASID);
}

static void on_mode(void *opaque, struct viommu_device *device, uint32_t mode)
{
	struct machine *m = opaque;

	m->calls++;
	CHECK(device && mode <= VIOMMU_MODE_TRANSLATE);
}

static void on_interrupts(void *opaque, uint32_t first, uint32_t last)
{
	struct machine *m = opaque;

	m->calls++;
	CHECK(first <= last);
}

/* ---- life ---- */

static void preset(struct viommu_vtd_config *config, unsigned which)
{
	const uint64_t none = VTD_ECAP_QI | VTD_ECAP_IR | VTD_ECAP_EIM | VTD_ECAP_MHMV;

	config->cap = GUEST_CAP;
	config->ecap = GUEST_ECAP_LEGACY;
	if (which == 0) {
		config->cap = GUEST_CAP_SCALABLE;
		config->ecap = GUEST_ECAP_SCALABLE;
	} else if (which == 1) { /* the default */
		config->cap = viommu_vtd_default_cap();
		config->ecap = viommu_vtd_default_ecap();
	} else if (which == 2) { /* no queue, protected memory */
		config->cap = viommu_vtd_default_cap() | VTD_CAP_PLMR | VTD_CAP_PHMR;
		config->ecap = viommu_vtd_default_ecap() & ~(none & ~VTD_ECAP_QI);
	}
}

static void open_devices(struct machine *m)
{
	struct viommu_listener_config listener = { .size = sizeof(listener),
						   .opaque = m,
						   .unmap = on_unmap,
						   .mode = on_mode,
						   .interrupts = on_interrupts };

	for (unsigned i = 0; i < DEVICES; i++) {
		struct viommu_device_config config = { .size = sizeof(config),
						       .id = i * 8,
						       .opaque = m,
						       .invalidate = on_invalidate,
						       .page_response = on_response };

		CHECK(viommu_device_new(m->iommu, &config, &m->device[i]) == VIOMMU_OK);
		CHECK(viommu_channel_new(m->device[i], i == 1 ? 1 : VIOMMU_NO_PASID,
					 &m->channel[i]) == VIOMMU_OK);
	}
	CHECK(viommu_listener_new(m->iommu, NULL, &listener, &m->listener) == VIOMMU_OK);
}

static void open_memory(struct machine *m)
{
	struct viommu_vm_config config = { .size = sizeof(config),
					   .opaque = m,
					   .read = on_read,
					   .write = on_write,
					   .cmpxchg = on_swap,
					   .dirty = on_dirty,
					   .hash_key = { 1, 2 } };
	struct viommu_region ram = { .size = sizeof(ram),
				     .gpa = RAM_BASE,
				     .bytes = RAM_PAGES * 4096 };
	struct viommu_region rom = { .size = sizeof(rom),
				     .flags = VIOMMU_REGION_READONLY,
				     .gpa = ROM_BASE,
				     .bytes = ROM_PAGES * 4096 };

	m->ram = aligned_alloc(4096, RAM_BYTES);
	CHECK(m->ram);
	memset(m->ram, 0, RAM_BYTES);
	ram.host = m->ram;
	rom.host = m->ram + RAM_PAGES * 4096;
	CHECK(viommu_vm_new(&config, &m->vm) == VIOMMU_OK);
	if (m->region) {
		CHECK(viommu_vm_add_region(m->vm, &ram) == VIOMMU_OK);
		CHECK(viommu_vm_add_region(m->vm, &rom) == VIOMMU_OK);
	}
}

bool machine_open(struct machine *m, struct input *in)
{
	struct viommu_host host = {
		.size = sizeof(host), .opaque = m, .msi = on_msi, .work = on_work
	};
	struct viommu_limits limits = { .size = sizeof(limits),
					.tlb_entries = 16,
					.contexts = 4,
					.domains = 8,
					.queue_budget = BUDGET,
					.outstanding = 4 };
	struct viommu_vtd_config config = { .size = sizeof(config),
					    .host = &host,
					    .limits = &limits };
	uint64_t head = input_take(in, 1);
	int result;

	memset(m, 0, sizeof(*m));
	m->region = head & 0x10;
	preset(&config, head & 3);
	if (head & 4) { /* bits of both capabilities turned */
		config.cap ^= UINT64_C(1) << (input_take(in, 1) & 63);
		config.ecap ^= UINT64_C(1) << (input_take(in, 1) & 63);
	}
	if (head & 8)
		config.haw = (uint32_t)input_take(in, 1) % 64;
	config.version = head & 0x20 ? 0x40 : 0x10;
	open_memory(m);
	m->cap = config.cap;
	m->ecap = config.ecap;
	result = viommu_vtd_new(m->vm, &config, &m->iommu);
	if (result != VIOMMU_OK) {
		CHECK(result == VIOMMU_EINVAL || result == VIOMMU_ENOTSUP);
		machine_close(m);
		return false;
	}
	open_devices(m);
	return true;
}

void machine_close(struct machine *m)
{
	if (m->iommu) {
		CHECK(viommu_listener_free(m->listener) == VIOMMU_OK);
		for (unsigned i = 0; i < DEVICES; i++) {
			CHECK(viommu_channel_free(m->channel[i]) == VIOMMU_OK);
			CHECK(viommu_device_free(m->device[i]) == VIOMMU_OK);
		}
		CHECK(viommu_free(m->iommu) == VIOMMU_OK);
	}
	CHECK(viommu_vm_free(m->vm) == VIOMMU_OK);
	free(m->ram);
}

/* ---- registers ---- */

/* Descriptors of a call, each with a parse of every device for every listener, and a wait. */
static void check_register_work(const struct machine *m)
{
	CHECK(m->accesses <= (BUDGET + 2) * (4 + 5 * DEVICES) + 64);
	CHECK(m->calls <= (BUDGET + 8) * 4 * DEVICES + 64);
}

static void begin(struct machine *m)
{
	m->accesses = 0;
	m->calls = 0;
}

int machine_write(struct machine *m, uint64_t offset, uint32_t bytes, uint64_t value)
{
	int result;

	begin(m);
	result = viommu_reg_write(m->iommu, offset, bytes, value);
	CHECK(result == VIOMMU_OK || result == VIOMMU_PENDING ||
	      (result == VIOMMU_EINVAL && (bytes < 1 || bytes > 8)));
	check_register_work(m);
	return result;
}

uint64_t machine_read(struct machine *m, uint64_t offset, uint32_t bytes)
{
	uint64_t value = 0;
	int result;

	begin(m);
	result = viommu_reg_read(m->iommu, offset, bytes, &value);
	CHECK(result == VIOMMU_OK || (result == VIOMMU_EINVAL && (bytes < 1 || bytes > 8)));
	CHECK(bytes >= 8 || value >> 8 * bytes == 0);
	CHECK(m->accesses == 0 && m->calls == 0);
	return value;
}

void machine_run(struct machine *m)
{
	int result;

	begin(m);
	result = viommu_run(m->iommu);
	CHECK(result == VIOMMU_OK || result == VIOMMU_PENDING);
	check_register_work(m);
}

bool machine_stable(const struct machine *m)
{
	return m->clean && !m->scheduled && m->writes == m->clean_writes;
}

void machine_flush(struct machine *m)
{
	uint64_t gsts = machine_read(m, VTD_GSTS, 4);

	machine_write(m, VTD_GCMD, 4, (gsts & ~(VTD_G_RTP | VTD_G_IRTP)) | VTD_G_RTP);
	m->clean = true;
	m->clean_writes = m->writes;
}

/* ---- translations ---- */

static bool in_window(uint64_t first, uint64_t last)
{
	return first <= VTD_WINDOW_LAST && last >= VTD_WINDOW_FIRST;
}

static void check_host(struct machine *m, const struct viommu_request *r,
		       const struct viommu_fragment *f)
{
	const uint8_t *host = at(m, f->gpa, 1);
	bool rom = host && f->gpa >= ROM_BASE && f->gpa < ROM_BASE + ROM_PAGES * 4096;

	if (!f->host)
		return;
	CHECK(m->region);
	CHECK(host == f->host && f->length <= RAM_BYTES && at(m, f->gpa, f->length));
	CHECK(!rom || !(r->access & VIOMMU_WRITE));
}

static void check_fragment(struct machine *m, const struct viommu_request *r,
			   const struct viommu_fragment *f)
{
	const unsigned rwx = VIOMMU_READ | VIOMMU_WRITE | VIOMMU_EXEC;

	CHECK(f->length && f->gpa + (f->length - 1) >= f->gpa);
	CHECK(!(f->perm & ~rwx) && !(f->flags & ~VIOMMU_FRAGMENT_CLEAN));
	CHECK(r->type == VIOMMU_AT_TRANSLATION || (f->perm & r->access & rwx) == (r->access & rwx));
	/* an answer without access to a translation request names no address */
	CHECK(!f->perm || !in_window(f->gpa, f->gpa + (f->length - 1)));
	check_host(m, r, f);
}

enum { FRAGMENTS = 4 };

struct reply {
	int result;
	struct viommu_answer answer;
	struct viommu_fragment f[FRAGMENTS];
};

static void check_reply(struct machine *m, const struct viommu_request *r,
			const struct reply *reply)
{
	const struct viommu_answer *a = &reply->answer;
	uint64_t sum = 0;

	CHECK(reply->result >= VIOMMU_OK && reply->result <= VIOMMU_INTERRUPT);
	CHECK(reply->result != VIOMMU_PENDING && a->count <= FRAGMENTS);
	for (uint32_t i = 0; i < a->count; i++) {
		check_fragment(m, r, &reply->f[i]);
		sum += reply->f[i].length;
	}
	CHECK(a->next - r->first == sum);
	if (reply->result == VIOMMU_OK)
		CHECK(a->next == r->last + 1);
	else
		CHECK(a->next >= r->first && a->next <= r->last);
	if (reply->result == VIOMMU_INTERRUPT)
		CHECK(in_window(a->next, a->next) && r->type == VIOMMU_AT_UNTRANSLATED);
	if (reply->result != VIOMMU_FAULT)
		CHECK(r->type == VIOMMU_AT_TRANSLATION || a->reason == 0);
	CHECK(a->ats == VIOMMU_ATS_SUCCESS || a->ats == VIOMMU_ATS_UNSUPPORTED ||
	      a->ats == VIOMMU_ATS_ABORT);
}

static bool well_formed(const struct viommu_request *r)
{
	return r->first <= r->last && (r->access & 7) && !(r->access & ~15) &&
	       r->type <= VIOMMU_AT_TRANSLATED &&
	       (r->pasid == VIOMMU_NO_PASID || r->pasid < 1U << 20);
}

/* Pages looked at: blocks are at least that large. */
static uint64_t pages_of(const struct viommu_request *r)
{
	uint64_t pages = (r->last >> 12) - (r->first >> 12) + 1;

	return pages < 65536 ? pages : 65536;
}

static bool ask(struct machine *m, unsigned who, bool channel, const struct viommu_request *r,
		struct reply *reply)
{
	bool fits = well_formed(r) && (!channel || r->pasid == (who == 1 ? 1 : VIOMMU_NO_PASID));

	memset(reply, 0xa5, sizeof(*reply));
	begin(m);
	reply->result =
		channel ? viommu_translate(m->channel[who], r, reply->f, FRAGMENTS, &reply->answer)
			: viommu_device_translate(m->device[who], r, reply->f, FRAGMENTS,
						  &reply->answer);
	if (!fits) {
		CHECK(reply->result == VIOMMU_EINVAL);
		return false;
	}
	CHECK(m->accesses <= pages_of(r) * LOADS_A_PAGE);
	check_reply(m, r, reply);
	return true;
}

static void check_same(const struct reply *a, const struct reply *b)
{
	CHECK(a->result == b->result);
	CHECK(memcmp(&a->answer, &b->answer, sizeof(a->answer)) == 0);
	for (uint32_t i = 0; i < a->answer.count; i++)
		CHECK(memcmp(&a->f[i], &b->f[i], sizeof(a->f[i])) == 0);
}

/* Asks until asking leaves no trace in memory: tables may lie in one another's accessed bits. */
static bool settle(struct machine *m, unsigned who, const struct viommu_request *r,
		   struct reply *reply)
{
	for (unsigned i = 0; i < 4; i++) {
		if (!ask(m, who, false, r, reply))
			return false;
		if (machine_stable(m) || !m->clean)
			break;
		machine_flush(m);
	}
	return true;
}

void machine_translate(struct machine *m, unsigned who, const struct viommu_request *request)
{
	struct viommu_request r = *request;
	struct reply first;
	struct reply again;

	who %= DEVICES;
	/* what a large range costs is bounded too, but not worth the time */
	if (r.first <= r.last && r.last - r.first > 32 * 4096)
		r.last = r.first + 32 * 4096;
	if (!settle(m, who, &r, &first))
		return;
	/* cold and warm, shared and private: the same answer (obligations 7, 8) */
	for (unsigned i = 0; i < 3; i++) {
		bool stable = machine_stable(m);

		if (ask(m, who, i > 0, &r, &again) && stable && machine_stable(m))
			check_same(&first, &again);
	}
}

/* ---- interrupts ---- */

void machine_remap(struct machine *m, uint32_t source, uint64_t address, uint32_t data,
		   uint32_t flags)
{
	struct viommu_msi msi;
	int result;

	begin(m);
	result = viommu_remap_msi(m->iommu, source, address, data, flags, &msi);
	CHECK(m->accesses <= 200);
	if ((flags & ~VIOMMU_MSI_RESOLVE) || source > 0xffff) {
		CHECK(result == VIOMMU_EINVAL);
		return;
	}
	CHECK(result == VIOMMU_OK || result == VIOMMU_FAULT);
	CHECK(msi.reserved == 0 && msi.delivery_mode < 8);
	CHECK(msi.logical <= 1 && msi.level <= 1 && msi.redirection_hint <= 1);
	CHECK(msi.index < 65536 || msi.index == UINT32_MAX);
	if (result == VIOMMU_FAULT) {
		CHECK(msi.reason >= 0x20 && msi.reason <= 0x28);
		return;
	}
	CHECK(msi.reason == 0);
	CHECK(!(msi.flags & VIOMMU_MSI_NOTIFY) ||
	      ((msi.flags & VIOMMU_MSI_POSTED) && !(flags & VIOMMU_MSI_RESOLVE)));
	if (msi.flags & VIOMMU_MSI_UNREMAPPED)
		CHECK(msi.address == address && msi.data == data);
	else
		CHECK((msi.address & UINT64_C(0xfff00000)) == 0xfee00000 &&
		      (msi.data & 0xff) == msi.vector);
}
