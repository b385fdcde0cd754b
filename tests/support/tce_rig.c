/* SPDX-License-Identifier: BSD-3-Clause */
/* tce_rig.c - TCE tables for tests. */
#include "tce_rig.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "guest_internal.h"

/* ---- callbacks ---- */

static void note_work(void *opaque)
{
	struct tce_rig *r = opaque;

	guest_called(&r->g, GUEST_ON_WORK);
}

static void note_message(void *opaque, const char *text)
{
	struct tce_rig *r = opaque;

	guest_called(&r->g, GUEST_ON_MESSAGE);
	r->g.message = text;
}

static void note_complete(void *opaque, uint64_t token, int64_t status)
{
	struct tce_rig *r = opaque;

	r->completed[r->completions % TR_LOG] = token;
	r->status[r->completions++ % TR_LOG] = status;
}

static void note_fault(void *opaque, const struct viommu_tce_fault *fault)
{
	struct tce_rig *r = opaque;

	__atomic_fetch_add(&r->faults, 1, __ATOMIC_RELAXED);
	r->fault = *fault;
}

static int note_window(void *opaque, uint32_t pe, const struct viommu_tce_window *window,
		       uint32_t present)
{
	struct tce_rig *r = opaque;

	r->windows++;
	r->window = *window;
	r->window_pe = pe;
	r->window_present = present;
	return r->window_result;
}

static int owns(void *opaque, uint64_t gpa, uint64_t bytes)
{
	const struct tce_rig *r = opaque;

	return r->owns_last && gpa >= r->owns_first && gpa + (bytes - 1) <= r->owns_last;
}

/* ---- life ---- */

int tr_try_new(struct tce_rig *r, const struct viommu_tce_config *config)
{
	r->config = config ? *config : (struct viommu_tce_config){ 0 };
	if (!r->config.size)
		r->config.size = sizeof(r->config);
	if (!r->config.msi_bytes) {
		r->config.msi_first = TR_MSI;
		r->config.msi_bytes = GUEST_PAGE;
	}
	if (!r->config.pes)
		r->config.pes = 16;
	r->g.host = (struct viommu_host){ .size = sizeof(r->g.host),
					  .opaque = r,
					  .work = note_work,
					  .message = note_message,
					  .trace = r->g.trace };
	r->limits = config && config->limits ? *config->limits
					     : (struct viommu_limits){ .size = sizeof(r->limits),
								       .tlb_entries = 320,
								       .contexts = 64,
								       .domains = 64,
								       .devices = 64,
								       .channels = 64,
								       .outstanding = 16 };
	r->config.opaque = r;
	r->config.complete = note_complete;
	r->config.fault = note_fault;
	r->config.owns = owns;
	r->config.window = note_window;
	r->config.host = &r->g.host;
	r->config.limits = &r->limits;
	return viommu_tce_new(r->g.vm, &r->config, &r->g.iommu);
}

struct viommu_tce_pe tr_pe(uint32_t number)
{
	static const uint32_t more[] = { TR_LIOBN(TR_BRIDGE) + 1, TR_LIOBN(TR_BRIDGE) + 2 };
	static const uint32_t one_more[] = { TR_LIOBN(TR_SLOT) + 1 };
	struct viommu_tce_pe pe = { .size = sizeof(pe),
				    .number = number,
				    .buid = TR_BUID(number),
				    .window = { TR_LIOBN(number), 12, 0, TR_ENTRIES } };

	if (number == TR_BRIDGE) {
		pe.flags = VIOMMU_TCE_PE_DDW | VIOMMU_TCE_PE_LIMITED;
		pe.liobns = more;
		pe.liobn_count = 2;
		pe.page_sizes = 0x1211000;
	} else if (number == TR_VIO || number == TR_VIO_TOO) {
		pe.flags = VIOMMU_TCE_PE_VIO;
		pe.buid = TR_VIO_LIOBN + (number - TR_VIO);
		pe.window.liobn = TR_VIO_LIOBN;
	} else if (number == TR_SLOT) {
		pe.flags = VIOMMU_TCE_PE_DDW | VIOMMU_TCE_PE_SLOT | VIOMMU_TCE_PE_FIVE |
			   VIOMMU_TCE_PE_NO_RESET;
		pe.config_addr = TR_SLOT_ADDR;
		pe.liobns = one_more;
		pe.liobn_count = 1;
		pe.page_sizes = 0x11000;
	}
	return pe;
}

void tr_add_pes(struct tce_rig *r)
{
	for (uint32_t n = 1; n < TR_PES; n++) {
		struct viommu_tce_pe pe = tr_pe(n);
		int result;

		if (r->entries)
			pe.window.entries = r->entries;
		result = viommu_tce_add_pe(r->g.iommu, &pe);
		if (result)
			fail_msg("viommu_tce_add_pe(%u): %s", n, viommu_strerror(result));
	}
}

/* Without callbacks. */
static struct viommu_device *plain_device(struct tce_rig *r, uint32_t id)
{
	const struct viommu_device_config config = { .size = sizeof(config), .id = id };
	struct guest_requester *q = &r->g.device[r->g.devices++];

	q->guest = &r->g;
	q->id = id;
	assert_int_equal(viommu_device_new(r->g.iommu, &config, &q->device), VIOMMU_OK);
	return q->device;
}

static struct tce_rig *open_rig(const struct viommu_tce_config *config, enum guest_memory memory,
				unsigned pages, uint64_t entries, bool caches)
{
	struct tce_rig *r = calloc(1, sizeof(*r));
	int result;

	assert_non_null(r);
	r->entries = entries;
	guest_init(&r->g, memory, pages);
	result = tr_try_new(r, config);
	if (result)
		fail_msg("viommu_tce_new: %s: %s", viommu_strerror(result),
			 r->g.message ? r->g.message : "no message");
	tr_add_pes(r);
	for (uint32_t n = 1; n < TR_PES; n++) {
		r->device[n] = caches ? guest_device(&r->g, n) : plain_device(r, n);
		r->channel[n] = guest_channel(&r->g, r->device[n], VIOMMU_NO_PASID);
	}
	return r;
}

struct tce_rig *tr_open_memory(const struct viommu_tce_config *config, enum guest_memory memory,
			       unsigned pages)
{
	return open_rig(config, memory, pages, 0, true);
}

struct tce_rig *tr_open_sized(const struct viommu_tce_config *config, unsigned pages,
			      uint64_t entries, bool caches)
{
	return open_rig(config, GUEST_REGION, pages, entries, caches);
}

struct tce_rig *tr_open(const struct viommu_tce_config *config, unsigned pages)
{
	return tr_open_memory(config, GUEST_REGION, pages);
}

void tr_close(struct tce_rig *r)
{
	guest_fini(&r->g);
	free(r);
}

struct viommu *tr_another(struct tce_rig *r)
{
	struct viommu *old = r->g.iommu;

	assert_int_equal(viommu_tce_new(r->g.vm, &r->config, &r->g.iommu), VIOMMU_OK);
	tr_add_pes(r);
	return old;
}

/* ---- calls ---- */

int64_t tr_hcall(struct tce_rig *r, uint64_t token, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
	uint64_t registers[VIOMMU_TCE_REGISTERS] = { token, a, b, c, d, 0 };

	r->result = viommu_tce_hcall(r->g.iommu, registers, ++r->token);
	r->r4 = registers[1];
	return (int64_t)registers[0];
}

int64_t tr_put(struct tce_rig *r, uint64_t liobn, uint64_t ioba, uint64_t tce)
{
	return tr_hcall(r, H_PUT_TCE, liobn, ioba, tce, 0);
}

int64_t tr_stuff(struct tce_rig *r, uint64_t liobn, uint64_t ioba, uint64_t tce, uint64_t count)
{
	return tr_hcall(r, H_STUFF_TCE, liobn, ioba, tce, count);
}

int64_t tr_indirect(struct tce_rig *r, uint64_t liobn, uint64_t ioba, uint64_t list, uint64_t count)
{
	return tr_hcall(r, H_PUT_TCE_INDIRECT, liobn, ioba, list, count);
}

int64_t tr_get(struct tce_rig *r, uint64_t liobn, uint64_t ioba)
{
	return tr_hcall(r, H_GET_TCE, liobn, ioba, 0, 0);
}

uint64_t tr_entry(struct tce_rig *r, uint64_t liobn, uint64_t ioba)
{
	assert_int_equal(tr_get(r, liobn, ioba), H_SUCCESS);
	return r->r4;
}

void tr_list(struct tce_rig *r, uint64_t gpa, const uint64_t *entries, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		uint64_t word = htobe64(entries[i]);

		memcpy((uint8_t *)guest_at(&r->g, gpa) + i * sizeof(word), &word, sizeof(word));
	}
}

int tr_rtas(struct tce_rig *r, uint32_t call, uint32_t nargs, uint32_t nret,
	    const uint32_t *arguments)
{
	memset(r->ret, 0xee, sizeof(r->ret));
	r->result = viommu_tce_rtas(r->g.iommu, call, arguments, nargs, r->ret, nret, ++r->token);
	return r->result < 0 || nret == 0 ? r->result : (int)r->ret[0];
}

/* A PE as RTAS calls name it, and behind that other arguments. */
static void name_pe(uint32_t pe, uint32_t *a)
{
	const struct viommu_tce_pe config = tr_pe(pe);

	a[0] = config.config_addr;
	a[1] = (uint32_t)(config.buid >> 32);
	a[2] = (uint32_t)config.buid;
}

int tr_query(struct tce_rig *r, uint32_t pe, uint32_t nret)
{
	uint32_t a[3];

	name_pe(pe, a);
	return tr_rtas(r, VIOMMU_TCE_RTAS_QUERY, 3, nret, a);
}

int tr_create(struct tce_rig *r, uint32_t pe, uint32_t page_shift, uint32_t window_shift)
{
	uint32_t a[5];

	name_pe(pe, a);
	a[3] = page_shift;
	a[4] = window_shift;
	return tr_rtas(r, VIOMMU_TCE_RTAS_CREATE, 5, 4, a);
}

int tr_remove(struct tce_rig *r, uint32_t liobn)
{
	return tr_rtas(r, VIOMMU_TCE_RTAS_REMOVE, 1, 1, &liobn);
}

int tr_reset_pe(struct tce_rig *r, uint32_t pe)
{
	uint32_t a[3];

	name_pe(pe, a);
	return tr_rtas(r, VIOMMU_TCE_RTAS_RESET, 3, 1, a);
}

int tr_bypass(struct tce_rig *r, uint32_t unit, uint32_t on)
{
	const uint32_t a[2] = { unit, on };

	return tr_rtas(r, VIOMMU_TCE_RTAS_BYPASS, 2, 1, a);
}

uint64_t tr_address(const struct tce_rig *r)
{
	return (uint64_t)r->ret[2] << 32 | r->ret[3];
}

bool tr_told(struct tce_rig *r)
{
	/* with sections closed nothing can hold it back for ever */
	for (unsigned i = 0; i < 100000; i++) {
		if (viommu_run(r->g.iommu) != VIOMMU_PENDING)
			break;
	}
	return r->result == VIOMMU_OK ||
	       (r->completions && r->completed[(r->completions - 1) % TR_LOG] == r->token);
}
