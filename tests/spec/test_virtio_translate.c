/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_virtio_translate.c - accesses (virtio 1.3, 5.13.6.9): permissions, ranges over several
 * mappings, bypass, reserved regions, host pointers, replays (obligations 5, 6, 7, 8, 10, 32).
 */
#include "check.h"

#include <string.h>

#include "trace.h"
#include "virtio_rig.h"

#define R	 VIOMMU_READ
#define W	 VIOMMU_WRITE
#define RW	 (R | W)
#define NOWHERE	 VR_FAULT(VR_DOMAIN)
#define UNMAPPED VR_FAULT(VR_MAPPING)
#define MAX	 UINT64_MAX

/* ---- permissions, cold and warm (vr_where() asks five times) ---- */

static const struct vr_step permission_steps[] = {
	ATTACH("setup", 7, 1, 0, IS(OK)),
	MAP("setup", 7, 0x1000, 0x1fff, 0x11000, VR_READ, IS(OK)),
	MAP("setup", 7, 0x2000, 0x2fff, 0x12000, VR_WRITE, IS(OK)),
	MAP("setup", 7, 0x3000, 0x3fff, 0x13000, VR_RW, IS(OK)),
	MAP("setup", 7, 0x4000, 0x4fff, 0x14000, 0, IS(OK)),
	WHERE("7 read-only refuses a write, cold", 1, 0x1000, W, UNMAPPED),
	WHERE("7 read-only", 1, 0x1000, R, 0x11000),
	WHERE("8 read-only refuses a write, warm", 1, 0x1000, W, UNMAPPED),
	WHERE("7 read-only refuses both", 1, 0x1000, RW, UNMAPPED),
	WHERE("7 read-only, again", 1, 0x1000, R, 0x11000),
	WHERE("7 write-only refuses a read, cold", 1, 0x2000, R, UNMAPPED),
	WHERE("7 write-only", 1, 0x2000, W, 0x12000),
	WHERE("8 write-only refuses a read, warm", 1, 0x2000, R, UNMAPPED),
	WHERE("7 write-only refuses both", 1, 0x2000, RW, UNMAPPED),
	WHERE("7 read-write", 1, 0x3000, RW, 0x13000),
	WHERE("7 read-write", 1, 0x3fff, R, 0x13fff),
	WHERE("7 read-write", 1, 0x3fff, W, 0x13fff),
	WHERE("7 nothing", 1, 0x4000, R, UNMAPPED),
	WHERE("7 nothing", 1, 0x4000, W, UNMAPPED),
	UNMAP("12 unmapped while warm", 7, 0x1000, 0x4fff, IS(OK)),
	WHERE("12 unmapped while warm", 1, 0x1000, R, UNMAPPED),
	WHERE("12 unmapped while warm", 1, 0x2000, W, UNMAPPED),
	WHERE("12 unmapped while warm", 1, 0x3000, RW, UNMAPPED),
	MAP("31 mapped again, elsewhere and less", 7, 0x3000, 0x3fff, 0x23000, VR_READ, IS(OK)),
	WHERE("31 mapped again, elsewhere", 1, 0x3000, R, 0x23000),
	WHERE("31 mapped again, less", 1, 0x3000, W, UNMAPPED),
	MAP("12 a miss is not kept", 7, 0x1000, 0x1fff, 0x31000, VR_READ, IS(OK)),
	WHERE("12 a miss is not kept", 1, 0x1000, R, 0x31000),
	DETACH("12 detached while warm", 7, 1, IS(OK)),
	WHERE("12 detached while warm", 1, 0x1000, R, NOWHERE),
	ATTACH("12 the domain is new", 7, 1, 0, IS(OK)),
	WHERE("12 the domain is new", 1, 0x1000, R, UNMAPPED),
	NEW("10 the same address in two domains"),
	ATTACH("10", 1, 1, 0, IS(OK)),
	ATTACH("10", 0x10001, 2, 0, IS(OK)),
	MAP("10", 1, 0x1000, 0x1fff, 0x5000, VR_READ, IS(OK)),
	MAP("10", 0x10001, 0x1000, 0x1fff, 0x6000, VR_WRITE, IS(OK)),
	WHERE("10 not mixed up", 1, 0x1000, R, 0x5000),
	WHERE("10 not mixed up", 2, 0x1000, W, 0x6000),
	WHERE("10 not mixed up", 1, 0x1000, W, UNMAPPED),
	WHERE("10 not mixed up", 2, 0x1000, R, UNMAPPED),
	MAP("10 upper halves", 1, 0x100001000, 0x100001fff, 0x7000, VR_READ, IS(OK)),
	WHERE("10 upper halves", 1, 0x100001000, R, 0x7000),
	WHERE("10 upper halves", 1, 0x200001000, R, UNMAPPED),
	WHERE("10 upper halves", 1, 0x8000000100001000, R, UNMAPPED),
};

static void test_permissions(void **state)
{
	vr_script(NULL, permission_steps, VR_ROWS(permission_steps));
}

/* ---- ranges ---- */

enum { PIECES = 4 };

struct span {
	const char *name;
	uint64_t first, last;
	unsigned access;
	int result;
	uint64_t next;
	unsigned count;
	struct {
		uint64_t gpa, length;
	} piece[PIECES];
};

static const struct vr_step span_setup[] = {
	ATTACH("setup", 7, 1, 0, IS(OK)),
	MAP("setup", 7, 0x1000, 0x1fff, 0x11000, VR_RW, IS(OK)),
	MAP("setup: continues", 7, 0x2000, 0x2fff, 0x12000, VR_RW, IS(OK)),
	MAP("setup: another target", 7, 0x3000, 0x3fff, 0x10000, VR_RW, IS(OK)),
	MAP("setup: continues, read-only", 7, 0x4000, 0x4fff, 0x11000, VR_READ, IS(OK)),
	MAP("setup: after a hole", 7, 0x6000, 0x9fff, 0x50000, VR_RW, IS(OK)),
	MAP("setup: the end", 7, MAX - 0x1fff, MAX, 0x60000, VR_RW, IS(OK)),
};

static const struct span spans[] = {
	{ "5.13.6.9 inside one", 0x1001, 0x1ffe, R, VIOMMU_OK, 0x1fff, 1, { { 0x11001, 0xffe } } },
	{ "5.13.6.9 one whole", 0x6000, 0x9fff, W, VIOMMU_OK, 0xa000, 1, { { 0x50000, 0x4000 } } },
	{ "32 contiguous targets",
	  0x1800,
	  0x27ff,
	  R,
	  VIOMMU_OK,
	  0x2800,
	  1,
	  { { 0x11800, 0x1000 } } },
	{ "32 targets are not contiguous",
	  0x2ff0,
	  0x300f,
	  W,
	  VIOMMU_OK,
	  0x3010,
	  2,
	  { { 0x12ff0, 0x10 }, { 0x10000, 0x10 } } },
	{ "7 permissions are not merged",
	  0x1000,
	  0x4fff,
	  R,
	  VIOMMU_OK,
	  0x5000,
	  3,
	  { { 0x11000, 0x2000 }, { 0x10000, 0x1000 }, { 0x11000, 0x1000 } } },
	{ "5.13.6.9 a write into what is read-only",
	  0x3ff8,
	  0x4007,
	  W,
	  VIOMMU_FAULT,
	  0x4000,
	  1,
	  { { 0x10ff8, 8 } } },
	{ "5.13.6.9 into a hole", 0x4fff, 0x5000, R, VIOMMU_FAULT, 0x5000, 1, { { 0x11fff, 1 } } },
	{ "5.13.6.9 over a hole",
	  0x4000,
	  0x6fff,
	  R,
	  VIOMMU_FAULT,
	  0x5000,
	  1,
	  { { 0x11000, 0x1000 } } },
	{ "5.13.6.9 from a hole", 0x5fff, 0x6000, R, VIOMMU_FAULT, 0x5fff, 0, { { 0, 0 } } },
	{ "5.13.6.9 below the first", 0xfff, 0x1000, R, VIOMMU_FAULT, 0xfff, 0, { { 0, 0 } } },
	{ "5 to the last byte", MAX - 0xfff, MAX, R, VIOMMU_OK, 0, 1, { { 0x61000, 0x1000 } } },
	{ "5 into the last mapping",
	  MAX - 0x2000,
	  MAX,
	  R,
	  VIOMMU_FAULT,
	  MAX - 0x2000,
	  0,
	  { { 0, 0 } } },
	{ "5 everything", 0, MAX, R, VIOMMU_FAULT, 0, 0, { { 0, 0 } } },
};

static void check_span(struct virtio_rig *r, const struct span *s, struct viommu_channel *channel)
{
	const struct viommu_request request = { .first = s->first,
						.last = s->last,
						.pasid = VIOMMU_NO_PASID,
						.access = (uint16_t)s->access };
	struct viommu_fragment f[PIECES];
	struct viommu_answer answer;
	struct vr_event event;

	row_equal(channel ? viommu_translate(channel, &request, f, PIECES, &answer)
			  : viommu_device_translate(r->device[1], &request, f, PIECES, &answer),
		  s->result);
	row_equal(answer.next, s->next);
	row_equal(answer.count, s->count);
	for (unsigned i = 0; i < s->count; i++) {
		row_equal(f[i].gpa, s->piece[i].gpa);
		row_equal(f[i].length, s->piece[i].length);
		row_equal(f[i].perm & s->access, s->access);
		row_equal((uintptr_t)f[i].host, 0);
	}
	if (s->result == VIOMMU_FAULT) {
		row_equal(answer.reason, VR_MAPPING);
		row_equal(vr_event(r, &event), true);
		row_equal(event.reason, VR_MAPPING);
		row_equal(event.address, s->next);
		row_equal(event.endpoint, 1);
	}
	row_equal(vr_event(r, &event), false);
	vr_rows_run++;
}

static void test_spans(void **state)
{
	struct virtio_rig *r = vr_open(NULL);

	vr_steps(r, span_setup, VR_ROWS(span_setup));
	for (unsigned warm = 0; warm < 2; warm++) {
		for (size_t i = 0; i < VR_ROWS(spans); i++) {
			row_name = spans[i].name;
			check_span(r, &spans[i], NULL);
			check_span(r, &spans[i], r->channel[1]);
		}
	}
	vr_close(r);
}

/* With room for fewer fragments than there are: MORE, and it goes on from there. */
static void test_more(void **state)
{
	struct virtio_rig *r = vr_open(NULL);
	struct viommu_request request = {
		.first = 0x1000, .last = 0x4fff, .pasid = VIOMMU_NO_PASID, .access = R
	};
	static const uint64_t next[] = { 0x3000, 0x4000, 0x5000 };
	struct viommu_answer answer;
	struct viommu_fragment f;

	vr_steps(r, span_setup, VR_ROWS(span_setup));
	row_name = "one fragment at a time";
	for (unsigned i = 0; i < 3; i++) {
		row_equal(viommu_device_translate(r->device[1], &request, &f, 1, &answer),
			  i < 2 ? VIOMMU_MORE : VIOMMU_OK);
		row_equal(answer.next, next[i]);
		row_equal(answer.count, 1);
		request.first = answer.next;
	}
	row_equal(vr_drain(r), 0);
	vr_close(r);
}

/* ---- bypass of everything ---- */

static void test_bypass_ranges(void **state)
{
	struct virtio_rig *r = vr_open(NULL);
	static const uint64_t at[] = { 0, 0xfff, 0x123456789, GUEST_BASE, MAX - 0xfff, MAX };

	row_name = "5.13.6.9 bypass domain: identity";
	row_equal(vr_attach(r, 7, 1, VR_BYPASS), ST_OK);
	for (size_t i = 0; i < VR_ROWS(at); i++) {
		row_equal(vr_where(r, 1, at[i], R), at[i]);
		row_equal(vr_where(r, 1, at[i], RW), at[i]);
		vr_rows_run += 2;
	}
	vr_close(r);
}

/* ---- reserved regions ---- */

static const struct viommu_virtio_region regions_of_1[] = {
	{ 0x8000, 0x8fff, VIOMMU_VIRTIO_RESV_RESERVED, 0 },
	{ 0xfee00000, 0xfeefffff, VIOMMU_VIRTIO_RESV_MSI, 0 },
	{ MAX - 0xfff, MAX, VIOMMU_VIRTIO_RESV_RESERVED, 0 },
	{ 0x20010, 0x20013, VIOMMU_VIRTIO_RESV_RESERVED, 0 },
};
static const struct viommu_virtio_region regions_of_2[] = {
	{ 0x10000, 0x10fff, VIOMMU_VIRTIO_RESV_RESERVED, 0 },
	{ 0x8000000, 0x8000fff, VIOMMU_VIRTIO_RESV_MSI, 0 },
};

static struct virtio_rig *open_reserved(void)
{
	struct virtio_rig *r = vr_open(NULL);

	vr_regions(r, 1, regions_of_1, VR_ROWS(regions_of_1));
	vr_regions(r, 2, regions_of_2, VR_ROWS(regions_of_2));
	return r;
}

static const struct vr_step reserved_steps[] = {
	WHERE("5.13.6.9 reserved, not attached", 1, 0x8000, R, UNMAPPED),
	WHERE("5.13.6.9 MSI, not attached", 1, 0xfee00000, W, VR_INTERRUPT),
	WHERE("5.13.6.9 not reserved, not attached", 1, 0x7fff, R, NOWHERE),
	ATTACH("5.13.6.9 bypass", 3, 1, VR_BYPASS, IS(OK)),
	WHERE("5.13.6.9 reserved in a bypass domain", 1, 0x8000, R, UNMAPPED),
	WHERE("5.13.6.9 reserved in a bypass domain", 1, 0x8fff, W, UNMAPPED),
	WHERE("6 below", 1, 0x7fff, W, 0x7fff),
	WHERE("6 above", 1, 0x9000, W, 0x9000),
	WHERE("6 the last byte", 1, MAX, W, UNMAPPED),
	WHERE("6 below the last", 1, MAX - 0x1000, W, MAX - 0x1000),
	WHERE("6 small", 1, 0x2000f, R, 0x2000f),
	WHERE("6 small", 1, 0x20010, R, UNMAPPED),
	WHERE("6 small", 1, 0x20013, R, UNMAPPED),
	WHERE("6 small", 1, 0x20014, R, 0x20014),
	WHERE("5.13.6.9 MSI in a bypass domain", 1, 0xfee01234, W, VR_INTERRUPT),
	WHERE("6 MSI", 1, 0xfee00000, W, VR_INTERRUPT),
	WHERE("6 MSI", 1, 0xfeefffff, W, VR_INTERRUPT),
	WHERE("6 below MSI", 1, 0xfedfffff, W, 0xfedfffff),
	WHERE("6 above MSI", 1, 0xfef00000, W, 0xfef00000),
	ATTACH("5.13.6.8 to a domain", 7, 1, 0, IS(OK)),
	MAP("5.13.6.5 on a reserved region", 7, 0x8000, 0x8fff, 0, VR_RW, IS(INVAL)),
	MAP("5.13.6.5 around a reserved region", 7, 0x7000, 0x9fff, 0, VR_RW, IS(INVAL)),
	MAP("5.13.6.5 on MSI", 7, 0xfee00000, 0xfee00fff, 0, VR_WRITE | VR_MMIO, IS(INVAL)),
	MAP("5.13.6.5 on the last byte of MSI", 7, 0xfeeff000, 0xfef00fff, 0, VR_RW, IS(INVAL)),
	MAP("5.13.6.5 on a page with four reserved bytes", 7, 0x20000, 0x20fff, 0, 1, IS(INVAL)),
	MAP("5.13.6.5 on the end of all", 7, MAX - 0xfff, MAX, 0, VR_RW, IS(INVAL)),
	WHERE("5.13.6.5 nothing mapped", 1, 0x7000, R, UNMAPPED),
	WHERE("5.13.6.5 nothing mapped", 1, 0xfef00000, R, UNMAPPED),
	MAP("5.13.6.5 below a reserved region", 7, 0x7000, 0x7fff, 0x57000, VR_RW, IS(OK)),
	MAP("5.13.6.5 above a reserved region", 7, 0x9000, 0x9fff, 0x59000, VR_RW, IS(OK)),
	MAP("5.13.6.5 above MSI", 7, 0xfef00000, 0xfef00fff, 0x60000, VR_RW, IS(OK)),
	WHERE("5.13.6.9 reserved, warm beside it", 1, 0x7fff, W, 0x57fff),
	WHERE("5.13.6.9 reserved", 1, 0x8000, W, UNMAPPED),
	WHERE("5.13.6.9 beside it", 1, 0x9000, W, 0x59000),
	WHERE("5.13.6.9 MSI", 1, 0xfee00000, W, VR_INTERRUPT),
	MAP("5.13.6.8 of another endpoint", 7, 0x10000, 0x10fff, 0x70000, VR_RW, IS(OK)),
	MAP("5.13.6.8 of another endpoint, MSI", 7, 0x8000000, 0x8000fff, 0x80000, VR_RW, IS(OK)),
	WHERE("5.13.6.8 of another endpoint", 1, 0x10000, R, 0x70000),
	ATTACH("5.13.6.3 what it has reserved is mapped", 7, 2, 0, IS(OK) | IS(UNSUPP)),
	DETACH("back", 7, 2, IS(OK) | IS(INVAL)),
	UNMAP("back", 7, 0x10000, 0x8000fff, IS(OK)),
	ATTACH("5.13.6.8 shared, each with its own", 7, 2, 0, IS(OK)),
	MAP("5.13.6.5 reserved for one of two", 7, 0x10000, 0x10fff, 0, VR_RW, IS(INVAL)),
	MAP("5.13.6.5 MSI of one of two", 7, 0x8000000, 0x8000fff, 0, VR_RW, IS(INVAL)),
	MAP("5.13.6.5 reserved for the other", 7, 0x8000, 0x8fff, 0, VR_RW, IS(INVAL)),
	WHERE("5.13.6.9 not reserved for this one", 2, 0x8000, R, UNMAPPED),
	WHERE("5.13.6.9 MSI of the other only", 2, 0xfee00000, W, UNMAPPED),
	WHERE("5.13.6.9 MSI of this one", 2, 0x8000000, W, VR_INTERRUPT),
	WHERE("5.13.6.9 MSI of the other only", 1, 0x8000000, W, UNMAPPED),
	DETACH("5.13.6.8 one goes", 7, 2, IS(OK)),
	MAP("5.13.6.5 no longer reserved for anybody", 7, 0x10000, 0x10fff, 0x90000, 3, IS(OK)),
	WHERE("5.13.6.5 no longer reserved for anybody", 1, 0x10000, W, 0x90000),
};

static void test_reserved(void **state)
{
	struct virtio_rig *r = open_reserved();

	vr_steps(r, reserved_steps, VR_ROWS(reserved_steps));
	vr_close(r);
}

/* A read of the MSI region is nobody's interrupt, and reaches no memory. */
static void test_msi_reads(void **state)
{
	struct virtio_rig *r = open_reserved();

	row_name = "5.13.6.9 a read of the MSI region";
	for (unsigned i = 0; i < 2; i++) {
		uint64_t answer = vr_peek(r, 1, 0xfee00000, R);

		row_equal(answer == VR_INTERRUPT || answer == UNMAPPED, true);
		vr_drain(r);
		row_equal(vr_attach(r, 7, 1, VR_BYPASS), ST_OK);
	}
	vr_close(r);
}

/* An access that runs into a region stops there. */
static void test_into_regions(void **state)
{
	struct virtio_rig *r = open_reserved();
	struct viommu_request request = {
		.first = 0x7000, .last = 0x9fff, .pasid = VIOMMU_NO_PASID, .access = W
	};
	struct viommu_answer answer;
	struct viommu_fragment f;

	row_equal(vr_attach(r, 7, 1, VR_BYPASS), ST_OK);
	row_name = "5.13.6.9 into a reserved region";
	row_equal(viommu_device_translate(r->device[1], &request, &f, 1, &answer), VIOMMU_FAULT);
	row_equal(answer.next, 0x8000);
	row_equal(answer.count, 1);
	row_equal(f.gpa, 0x7000);
	row_equal(f.length, 0x1000);
	row_equal(vr_drain(r), 1);
	row_name = "5.13.6.9 into the MSI region";
	request.first = 0xfedfffff;
	request.last = 0xfee00003;
	row_equal(viommu_device_translate(r->device[1], &request, &f, 1, &answer),
		  VIOMMU_INTERRUPT);
	row_equal(answer.next, 0xfee00000);
	row_equal(answer.count, 1);
	row_equal(f.length, 1);
	row_equal(vr_drain(r), 0);
	vr_close(r);
}

/* ---- an endpoint with larger pages ---- */

static void test_endpoint_granule(void **state)
{
	struct virtio_rig *r = vr_open(NULL);
	struct viommu_virtio_endpoint e = { .size = sizeof(e),
					    .page_size_mask = 0xfffffffffff0000 };
	unsigned status;

	row_name = "page sizes of an endpoint";
	row_equal(viommu_virtio_set_endpoint(r->device[1], &e), VIOMMU_OK);
	row_equal(vr_attach(r, 7, 1, 0), ST_OK);
	row_equal(vr_map(r, 7, 0x1000, 0x1fff, 0, VR_READ), ST_RANGE);
	row_equal(vr_map(r, 7, 0x10000, 0x10fff, 0, VR_READ), ST_RANGE);
	row_equal(vr_map(r, 7, 0x10000, 0x1ffff, 0x1000, VR_READ), ST_RANGE);
	row_equal(vr_map(r, 7, 0x10000, 0x1ffff, 0x30000, VR_READ), ST_OK);
	row_equal(vr_where(r, 1, 0x1ffff, R), 0x3ffff);
	row_equal(vr_attach(r, 8, 2, 0), ST_OK);
	row_equal(vr_map(r, 8, 0x1000, 0x1fff, 0x5000, VR_READ), ST_OK);
	row_name = "page sizes of an endpoint: into a domain with smaller mappings";
	status = vr_attach(r, 8, 1, 0);
	row_equal(status == ST_OK || status == ST_UNSUPP, true);
	row_equal(vr_where(r, 1, status == ST_OK ? 0x1000 : 0x1ffff, R),
		  status == ST_OK ? 0x5000 : 0x3ffff);
	vr_close(r);
}

/* ---- host pointers ---- */

static void test_host_pointers(void **state)
{
	static uint8_t ram[0x4000] __attribute__((aligned(4096)));
	struct virtio_rig *r = vr_open(NULL);
	struct viommu_region region = {
		.size = sizeof(region), .gpa = 0x400000, .bytes = 0x4000, .host = ram
	};
	struct viommu_request request = {
		.first = 0x13000, .last = 0x14fff, .pasid = VIOMMU_NO_PASID, .access = RW
	};
	struct viommu_fragment f[2];
	struct viommu_answer answer;

	row_name = "host pointers, as far as there is memory";
	row_equal(viommu_vm_add_region(r->g.vm, &region), VIOMMU_OK);
	row_equal(vr_attach(r, 7, 1, 0), ST_OK);
	row_equal(vr_map(r, 7, 0x10000, 0x1ffff, 0x400000, VR_RW), ST_OK);
	for (unsigned warm = 0; warm < 2; warm++) {
		row_equal(viommu_device_translate(r->device[1], &request, f, 2, &answer),
			  VIOMMU_OK);
		row_equal(answer.count, 2);
		row_equal((uintptr_t)f[0].host, (uintptr_t)ram + 0x3000);
		row_equal(f[0].length, 0x1000);
		row_equal((uintptr_t)f[1].host, 0);
		row_equal(f[1].gpa, 0x404000);
	}
	vr_close(r);
}

/* ---- replays ---- */

static void test_replay(void **state)
{
	static const struct vr_range wanted[] = {
		{ 0x1000, 0x11000, 0x2fff, RW },    { 0x3000, 0x10000, 0x3fff, RW },
		{ 0x4000, 0x11000, 0x4fff, R },	    { 0x6000, 0x50000, 0x9fff, RW },
		{ MAX - 0x1fff, 0x60000, MAX, RW },
	};
	struct virtio_rig *r = vr_open(NULL);
	struct vr_range found[8];
	int result;

	vr_steps(r, span_setup, VR_ROWS(span_setup));
	row_name = "replay: everything, merged";
	row_equal(vr_ranges(r, 1, 0, MAX, found, 8, &result), VR_ROWS(wanted));
	row_equal(result, VIOMMU_OK);
	assert_memory_equal(found, wanted, sizeof(wanted));
	row_name = "replay: a part";
	row_equal(vr_ranges(r, 1, 0x2800, 0x3000, found, 8, &result), 2);
	row_equal(found[0].iova, 0x2800);
	row_equal(found[0].gpa, 0x12800);
	row_equal(found[1].last, 0x3000);
	row_name = "replay: one byte at the end";
	row_equal(vr_ranges(r, 1, MAX, MAX, found, 8, &result), 1);
	row_equal(found[0].gpa, 0x61fff);
	row_name = "replay: blocked";
	row_equal(vr_ranges(r, 2, 0, MAX, found, 8, &result), 0);
	row_equal(result, VIOMMU_FAULT);
	row_name = "replay: an empty domain";
	row_equal(vr_attach(r, 8, 2, 0), ST_OK);
	row_equal(vr_ranges(r, 2, 0, MAX, found, 8, &result), 0);
	row_equal(result, VIOMMU_OK);
	row_name = "replay: no trace";
	row_equal(vr_drain(r), 0);
	vr_close(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_permissions),   cmocka_unit_test(test_spans),
		cmocka_unit_test(test_more),	      cmocka_unit_test(test_bypass_ranges),
		cmocka_unit_test(test_reserved),      cmocka_unit_test(test_msi_reads),
		cmocka_unit_test(test_into_regions),  cmocka_unit_test(test_endpoint_granule),
		cmocka_unit_test(test_host_pointers), cmocka_unit_test(test_replay),
	};

	return cmocka_run_group_tests(tests, NULL, vr_count_rows);
}
