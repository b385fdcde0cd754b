/* SPDX-License-Identifier: BSD-3-Clause */
/* harness.c - calls whose answers are checked. */
#include <string.h>

#include "harness.h"
#include "vtd_engine.h"

/* Loads of one page of a request: contexts four times over, and a nested walk whose every entry
 * changes under it as often as is allowed. */
#define LOADS_A_PAGE 4096U

/* ---- registers ---- */

/* Loads of a step: a parse of a context, or a page of a nested visit. What was replayed is compared in visits
 * of at least 64 entries, each of which is paid for afterwards. */
#define VISIT	     64U
#define LOADS_A_STEP 6U

/* Descriptors of a call, each with a parse of every device for every listener, and a wait; and steps.
 */
static void check_register_work(const struct machine *m)
{
	CHECK(m->accesses <= (MACHINE_BUDGET + 2) * (4 + 5 * DEVICES) + 64 +
				     LOADS_A_STEP * (m->steps + 2 * VISIT));
	CHECK(m->calls <= (MACHINE_BUDGET + 8) * 4 * DEVICES + 64);
}

static void begin(struct machine *m)
{
	m->accesses = 0;
	m->calls = 0;
}

/* How far the queue has been worked off. IQH shows it when that is complete, of several calls at once. */
static uint64_t queue_head(const struct machine *m)
{
	return vtd_of(m->iommu)->commands.head;
}

/* No more descriptors than the budget; it may have wrapped, or been switched on. */
static void check_budget(const struct machine *m, uint64_t before)
{
	uint64_t after = queue_head(m);

	CHECK(after <= before || after - before <= MACHINE_BUDGET);
}

int machine_write(struct machine *m, uint64_t offset, uint32_t bytes, uint64_t value)
{
	uint64_t head = queue_head(m);
	int result;

	begin(m);
	result = viommu_reg_write(m->iommu, offset, bytes, value);
	CHECK(result == VIOMMU_OK || result == VIOMMU_PENDING ||
	      (result == VIOMMU_EINVAL && (bytes < 1 || bytes > 8)));
	check_register_work(m);
	check_budget(m, head);
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
	uint64_t head = queue_head(m);
	int result;

	begin(m);
	result = viommu_run(m->iommu);
	CHECK(result == VIOMMU_OK || result == VIOMMU_PENDING);
	check_register_work(m);
	check_budget(m, head);
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
	const uint8_t *host = machine_at(m, f->gpa, 1);
	bool rom = host && f->gpa >= ROM_BASE && f->gpa < ROM_BASE + ROM_PAGES * 4096;

	if (!f->host)
		return;
	CHECK(m->region);
	CHECK(host == f->host && f->length <= RAM_BYTES && machine_at(m, f->gpa, f->length));
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
	return r->first <= r->last && (r->access & 0x17) && !(r->access & ~0x1f) &&
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
	uint64_t writes = m->writes;
	struct viommu_msi msi;
	int result;

	begin(m);
	result = viommu_remap_msi(m->iommu, source, address, data, flags, &msi);
	CHECK(m->accesses <= 200);
	CHECK(!(flags & VIOMMU_MSI_RESOLVE) || m->writes == writes);
	if ((flags & ~UINT32_C(7)) || (flags & 6) == VIOMMU_MSI_TRUSTED ||
	    (source > 0xffff && !(flags & VIOMMU_MSI_NO_SOURCE))) {
		CHECK(result == VIOMMU_EINVAL);
		return;
	}
	CHECK(result == VIOMMU_OK || result == VIOMMU_FAULT);
	CHECK(msi.kind == VIOMMU_MSI_KIND_MESSAGE && !msi.intid && !msi.cpu &&
	      msi.delivery_mode < 8);
	CHECK(msi.logical <= 1 && msi.level <= 1 && msi.redirection_hint <= 1);
	CHECK(msi.index < 65536 || msi.index == UINT32_MAX);
	if (result == VIOMMU_FAULT) {
		/* 0: remapping is off, and this is no interrupt message */
		CHECK((msi.reason >= VTD_FR_IR_REQUEST_RSVD && msi.reason <= VTD_FR_IR_PID_RSVD) ||
		      (msi.reason == 0 && !in_window(address, address)));
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
