/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_virtio_events.c - fault records (virtio 1.3, 5.13.6.12): each byte, order, buffers that are
 * too small, a full ring, what records nothing (obligations 8, 24).
 */
#include "check.h"

#include <string.h>

#include "trace.h"
#include "virtio_rig.h"

#define R VIOMMU_READ
#define W VIOMMU_WRITE

/* ---- the 24 bytes ---- */

static const struct {
	const char *name;
	uint64_t address;
	unsigned id; /* 1: attached, 3: not */
	unsigned access;
	uint8_t record[VIOMMU_VIRTIO_EVENT_BYTES];
} records
	[] = {
		{ "5.13.6.12 read, not mapped",
		  0x1122334455667788,
		  1,
		  R,
		  { 2, 0, 0, 0, 1,    1,    0,	  0,	1,    0,    0,	  0,
		    0, 0, 0, 0, 0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11 } },
		{ "5.13.6.12 write, not mapped",
		  UINT64_MAX,
		  1,
		  W,
		  { 2, 0, 0, 0, 2,   1,	  0,   0,   1,	 0,   0,   0,
		    0, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255 } },
		{ "5.13.6.12 read, not attached", 0x123, 3, R, { 1,    0, 0, 0, 1, 1, 0, 0,
								 3,    0, 0, 0, 0, 0, 0, 0,
								 0x23, 1, 0, 0, 0, 0, 0, 0 } },
		{ "5.13.6.12 write, not attached",
		  0,
		  3,
		  W,
		  { 1, 0, 0, 0, 2, 1, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 } },
		{ "5.13.6.12 write to what is read-only",
		  0x1008,
		  1,
		  W,
		  { 2, 0, 0, 0, 2, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 8, 0x10, 0, 0, 0, 0, 0, 0 } },
		{ "5.13.6.12 read of what is write-only", 0x2fff, 1, R, { 2, 0, 0, 0, 1,    1,
									  0, 0, 1, 0, 0,    0,
									  0, 0, 0, 0, 0xff, 0x2f,
									  0, 0, 0, 0, 0,    0 } },
	};

static struct virtio_rig *open_events(uint32_t events)
{
	const struct viommu_virtio_config config = { .events = events };
	struct virtio_rig *r = vr_open(&config);

	row_equal(vr_attach(r, 7, 1, 0), ST_OK);
	row_equal(vr_map(r, 7, 0x1000, 0x1fff, 0x5000, VR_READ), ST_OK);
	row_equal(vr_map(r, 7, 0x2000, 0x2fff, 0x6000, VR_WRITE), ST_OK);
	return r;
}

static void test_records(void **state)
{
	struct virtio_rig *r = open_events(0);

	for (unsigned warm = 0; warm < 2; warm++) {
		for (size_t i = 0; i < VR_ROWS(records); i++) {
			uint8_t buffer[VIOMMU_VIRTIO_EVENT_BYTES];

			row_name = records[i].name;
			vr_peek(r, records[i].id, records[i].address, records[i].access);
			row_equal(viommu_virtio_event(r->g.iommu, buffer, sizeof(buffer)),
				  VIOMMU_OK);
			for (unsigned k = 0; k < sizeof(buffer); k++) {
				if (buffer[k] != records[i].record[k])
					print_error("byte %u\n", k);
				row_equal(buffer[k], records[i].record[k]);
			}
			vr_rows_run++;
		}
		/* what is permitted there is cached from here on */
		row_equal(vr_peek(r, 1, 0x1008, R), 0x5008);
		row_equal(vr_peek(r, 1, 0x2fff, W), 0x6fff);
	}
	vr_close(r);
}

/* ---- buffers ---- */

static void test_buffers(void **state)
{
	struct virtio_rig *r = open_events(0);
	uint8_t buffer[64];
	struct vr_event event;

	row_name = "5.13.6.12 none waits";
	row_equal(viommu_virtio_event(r->g.iommu, buffer, 24), VIOMMU_ENOENT);
	vr_peek(r, 1, 0x7000, R);
	row_name = "5.13.6.12 buffer too small: the record stays";
	for (uint32_t capacity = 0; capacity < VIOMMU_VIRTIO_EVENT_BYTES; capacity++) {
		memset(buffer, VR_UNTOUCHED, sizeof(buffer));
		row_equal(viommu_virtio_event(r->g.iommu, buffer, capacity), VIOMMU_ENOSPC);
		for (unsigned i = 0; i < sizeof(buffer); i++)
			row_equal(buffer[i], VR_UNTOUCHED);
		vr_rows_run++;
	}
	row_equal(viommu_virtio_event(r->g.iommu, NULL, 24), VIOMMU_EINVAL);
	row_name = "5.13.6.12 a large buffer: 24 bytes of it";
	memset(buffer, VR_UNTOUCHED, sizeof(buffer));
	row_equal(viommu_virtio_event(r->g.iommu, buffer, sizeof(buffer)), VIOMMU_OK);
	for (unsigned i = VIOMMU_VIRTIO_EVENT_BYTES; i < sizeof(buffer); i++)
		row_equal(buffer[i], VR_UNTOUCHED);
	row_equal(buffer[17], 0x70);
	row_equal(vr_event(r, &event), false);
	vr_close(r);
}

/* ---- order, and a full ring ---- */

static void test_order(void **state)
{
	struct virtio_rig *r = open_events(16);
	struct vr_event event;

	row_name = "5.13.6.12 oldest first";
	for (unsigned round = 0; round < 20; round++) {
		for (uint64_t i = 0; i < 11; i++)
			vr_peek(r, 1, 0x100000 * (round + 1) + i, R);
		for (uint64_t i = 0; i < 11; i++) {
			row_equal(vr_event(r, &event), true);
			row_equal(event.address, 0x100000 * (round + 1) + i);
		}
		row_equal(vr_event(r, &event), false);
	}
	vr_close(r);
}

static void test_full(void **state)
{
	struct virtio_rig *r = open_events(4);
	struct vr_event event;

	for (unsigned round = 0; round < 5; round++) {
		row_name = "24 a full ring: drop";
		for (uint64_t i = 0; i < 11; i++)
			vr_peek(r, 1, 0x100000 + i, R);
		row_equal(vr_event(r, &event), true);
		for (uint64_t i = 1; i < 4; i++) {
			const uint64_t before = event.address;

			row_equal(vr_event(r, &event), true);
			row_equal(event.address, before + 1);
		}
		row_equal(vr_event(r, &event), false);
		vr_rows_run++;
	}
	vr_close(r);
}

/* The callback comes when there is something, and comes again. */
static void test_callback(void **state)
{
	struct virtio_rig *r = open_events(4);
	unsigned before;

	row_name = "5.13.6.12 told";
	row_equal(r->events, 0);
	row_equal(vr_peek(r, 1, 0x1000, R), 0x5000);
	row_equal(r->events, 0);
	for (unsigned round = 0; round < 3; round++) {
		before = r->events;
		vr_peek(r, 1, 0x7000, R);
		row_equal(r->events, before + 1);
		row_equal(vr_drain(r), 1);
	}
	row_name = "5.13.6.12 told after a full ring";
	for (unsigned i = 0; i < 9; i++)
		vr_peek(r, 1, 0x7000, R);
	row_equal(vr_drain(r), 4);
	before = r->events;
	vr_peek(r, 1, 0x7000, R);
	row_equal(r->events, before + 1);
	vr_close(r);
}

/* ---- what records nothing ---- */

static int no_step(void *opaque, const struct viommu_step *step)
{
	return 0;
}

static int no_range(void *opaque, uint64_t iova, const struct viommu_fragment *f)
{
	return 0;
}

static void test_silence(void **state)
{
	struct virtio_rig *r = open_events(0);
	struct viommu_request q = {
		.first = 0x7000, .last = 0x7000, .pasid = VIOMMU_NO_PASID, .access = R
	};
	struct viommu_fragment f;
	struct viommu_answer answer;
	uint64_t first = 0;

	row_name = "explanations record nothing";
	row_equal(viommu_explain(r->device[1], &q, 0, no_step, NULL), VIOMMU_FAULT);
	q.first = q.last = 0x1000;
	row_equal(viommu_explain(r->device[1], &q, 0, no_step, NULL), VIOMMU_OK);
	row_equal(viommu_explain(r->device[3], &q, 0, no_step, NULL), VIOMMU_FAULT);
	row_name = "replays record nothing";
	row_equal(viommu_replay(r->device[1], VIOMMU_NO_PASID, &first, UINT64_MAX, 0, no_range,
				NULL),
		  VIOMMU_OK);
	first = 0;
	row_equal(viommu_replay(r->device[3], VIOMMU_NO_PASID, &first, UINT64_MAX, 0, no_range,
				NULL),
		  VIOMMU_FAULT);
	row_name = "misuse records nothing";
	q.first = 0x2000;
	row_equal(viommu_device_translate(r->device[1], &q, &f, 1, &answer), VIOMMU_EINVAL);
	q.access = 0;
	q.first = q.last;
	row_equal(viommu_device_translate(r->device[1], &q, &f, 1, &answer), VIOMMU_EINVAL);
	row_name = "refused requests record nothing";
	row_equal(vr_map(r, 9, 0, 0xfff, 0, 1), ST_NOENT);
	row_equal(vr_attach(r, 9, 99, 0), ST_NOENT);
	row_equal(vr_drain(r), 0);
	row_equal(r->events, 0);
	row_name = "a reset of the device drops records";
	vr_peek(r, 1, 0x7000, R);
	row_equal(viommu_virtio_reset(r->g.iommu), VIOMMU_OK);
	row_equal(vr_drain(r), 0);
	vr_close(r);
}

/* ---- requests that the architecture does not have ---- */

static void test_strangers(void **state)
{
	static const struct {
		const char *name;
		uint32_t pasid;
		uint16_t type;
	} rows[] = {
		{ "reason 0: a PASID", 0, VIOMMU_AT_UNTRANSLATED },
		{ "reason 0: a PASID", 0xfffff, VIOMMU_AT_UNTRANSLATED },
		{ "reason 0: an address that is translated", VIOMMU_NO_PASID,
		  VIOMMU_AT_TRANSLATED },
	};
	struct virtio_rig *r = open_events(0);

	row_equal(vr_peek(r, 1, 0x1000, R), 0x5000); /* warm */
	row_equal(vr_attach(r, 8, 2, VR_BYPASS), ST_OK);
	for (size_t i = 0; i < VR_ROWS(rows); i++) {
		for (unsigned id = 1; id <= 3; id++) {
			const struct viommu_request q = { .first = 0x1000,
							  .last = 0x1000,
							  .pasid = rows[i].pasid,
							  .access = R,
							  .type = rows[i].type };
			struct viommu_fragment f;
			struct viommu_answer answer;
			struct vr_event event;

			row_name = rows[i].name;
			row_equal(viommu_device_translate(r->device[id], &q, &f, 1, &answer),
				  VIOMMU_FAULT);
			row_equal(answer.reason, VR_UNKNOWN);
			row_equal(vr_event(r, &event), true);
			row_equal(event.reason, VR_UNKNOWN);
			row_equal(event.endpoint, id);
			vr_rows_run++;
		}
	}
	vr_close(r);
}

/* Translation requests (PCIe ATS, iommu.h): an answer, and no record. */
static void test_ats(void **state)
{
	static const struct {
		const char *name;
		uint64_t address;
		unsigned id;
		unsigned access;
		int result;
		unsigned ats;
		unsigned perm; /* of what was asked, with VIOMMU_OK */
	} rows[] = {
		{ "ATS read-only", 0x1000, 1, R, VIOMMU_OK, VIOMMU_ATS_SUCCESS, R },
		{ "ATS read-only, to write", 0x1000, 1, R | W, VIOMMU_OK, VIOMMU_ATS_SUCCESS, R },
		{ "ATS write-only", 0x2000, 1, R | W, VIOMMU_OK, VIOMMU_ATS_SUCCESS, W },
		{ "ATS bypass", 0x5000, 2, R | W, VIOMMU_OK, VIOMMU_ATS_SUCCESS, R | W },
		{ "ATS not mapped", 0x9000, 1, R, VIOMMU_OK, VIOMMU_ATS_SUCCESS, 0 },
		{ "ATS not attached", 0, 3, R, VIOMMU_FAULT, VIOMMU_ATS_UNSUPPORTED, 0 },
	};
	struct virtio_rig *r = open_events(0);

	row_equal(vr_attach(r, 8, 2, VR_BYPASS), ST_OK);
	for (size_t i = 0; i < 2 * VR_ROWS(rows); i++) {
		const size_t k = i % VR_ROWS(rows);
		const struct viommu_request q = { .first = rows[k].address,
						  .last = rows[k].address,
						  .pasid = VIOMMU_NO_PASID,
						  .access = (uint16_t)rows[k].access,
						  .type = VIOMMU_AT_TRANSLATION };
		struct viommu_fragment f = { .perm = 0 };
		struct viommu_answer answer;

		row_name = rows[k].name;
		row_equal(viommu_device_translate(r->device[rows[k].id], &q, &f, 1, &answer),
			  rows[k].result);
		row_equal(answer.ats, rows[k].ats);
		row_equal(f.perm, rows[k].perm);
		row_equal(vr_drain(r), 0);
		vr_rows_run++;
	}
	vr_close(r);
}

/* ---- explanations say who and where ---- */

struct told {
	unsigned steps;
	uint64_t endpoint, domain;
	bool has_domain;
	uint32_t reason;
};

static int take_step(void *opaque, const struct viommu_step *step)
{
	struct told *t = opaque;

	row_equal(step->what && *step->what, true);
	if (!t->steps++ && step->words) {
		t->endpoint = step->raw[0];
		t->has_domain = step->words > 1;
		t->domain = step->raw[1];
	}
	t->reason = step->reason ? step->reason : t->reason;
	return 0;
}

static void test_explain(void **state)
{
	static const struct {
		const char *name;
		unsigned id;
		uint64_t address;
		unsigned access;
		int result;
		struct told want;
	} rows[] = {
		{ "explained: mapped", 1, 0x1000, R, VIOMMU_OK, { 0, 1, 7, true, 0 } },
		{ "explained: refused", 1, 0x1000, W, VIOMMU_FAULT, { 0, 1, 7, true, VR_MAPPING } },
		{ "explained: nothing", 1, 0x9000, R, VIOMMU_FAULT, { 0, 1, 7, true, VR_MAPPING } },
		{ "explained: nowhere", 3, 0, R, VIOMMU_FAULT, { 0, 3, 0, false, VR_DOMAIN } },
		{ "explained: bypass", 2, 0x9000, R, VIOMMU_OK, { 0, 2, 8, true, 0 } },
	};
	struct virtio_rig *r = open_events(0);

	row_equal(vr_attach(r, 8, 2, VR_BYPASS), ST_OK);
	for (size_t i = 0; i < VR_ROWS(rows); i++) {
		const struct viommu_request q = { .first = rows[i].address,
						  .last = rows[i].address,
						  .pasid = VIOMMU_NO_PASID,
						  .access = (uint16_t)rows[i].access };
		struct told told = { .steps = 0 };

		row_name = rows[i].name;
		row_equal(viommu_explain(r->device[rows[i].id], &q, 0, take_step, &told),
			  rows[i].result);
		row_equal(told.steps >= 1, true);
		row_equal(told.endpoint, rows[i].want.endpoint);
		row_equal(told.has_domain, rows[i].want.has_domain);
		if (told.has_domain)
			row_equal(told.domain, rows[i].want.domain);
		row_equal(told.reason, rows[i].want.reason);
		vr_rows_run++;
	}
	row_equal(vr_drain(r), 0);
	vr_close(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_records),	 cmocka_unit_test(test_buffers),
		cmocka_unit_test(test_order),	 cmocka_unit_test(test_full),
		cmocka_unit_test(test_callback), cmocka_unit_test(test_silence),
		cmocka_unit_test(test_explain),	 cmocka_unit_test(test_strangers),
		cmocka_unit_test(test_ats),
	};

	return cmocka_run_group_tests(tests, NULL, vr_count_rows);
}
