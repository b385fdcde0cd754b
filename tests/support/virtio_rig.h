/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * virtio_rig.h - a virtio-iommu with endpoints 1 to 4, its driver, and scripts of requests.
 *
 *	struct virtio_rig *r = vr_open(NULL);
 *	row_equal(vr_attach(r, 7, 1, 0), ST_OK);
 *	row_equal(vr_map(r, 7, 0x1000, 0x1fff, 0x5000, VR_READ), ST_OK);
 *	row_equal(vr_where(r, 1, 0x1000, VIOMMU_READ), 0x5000);
 *	vr_close(r);
 *
 * Numbers and layouts are the specification's (virtio 1.3, 5.13.6), written here once more.
 */
#ifndef TESTS_VIRTIO_RIG_H
#define TESTS_VIRTIO_RIG_H

#include <libvirtiommu/virtio.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guest.h"

/* Status (5.13.6.2). ST_NOTHING: the buffer came back with used length 0, and nothing in it. */
enum {
	ST_OK,
	ST_IOERR,
	ST_UNSUPP,
	ST_DEVERR,
	ST_INVAL,
	ST_RANGE,
	ST_NOENT,
	ST_FAULT,
	ST_NOMEM,
	ST_NOTHING = 9
};

enum { VR_ATTACH = 1, VR_DETACH, VR_MAP, VR_UNMAP, VR_PROBE };

/* Flags of MAP, of ATTACH, and of a fault record. */
#define VR_READ	   1U
#define VR_WRITE   2U
#define VR_MMIO	   4U
#define VR_RW	   (VR_READ | VR_WRITE)
#define VR_BYPASS  1U
#define VR_ADDRESS 0x100U

enum { VR_UNKNOWN, VR_DOMAIN, VR_MAPPING }; /* reasons of faults */

enum { VR_ENDPOINTS = 4, VR_LOG = 64, VR_TAIL = 4, VR_PROBE_BYTES = 72 };
#define VR_UNTOUCHED 0xa5 /* what writable parts are filled with */

struct virtio_rig {
	struct guest g;
	struct viommu_limits limits;
	struct viommu_virtio_config config;
	struct viommu_device *device[VR_ENDPOINTS + 1]; /* by id, from 1 */
	struct viommu_channel *channel[VR_ENDPOINTS + 1];
	unsigned events; /* calls of the callback */
	uint64_t completed[VR_LOG];
	unsigned completions;
	void (*on_complete)(struct virtio_rig *r);
	uint64_t token; /* of the last request */
	int result;	/* of the last request */
	uint32_t used;
};

/* Of @config, what is not 0 is taken; endpoints 1 to 4 exist, each with a channel. */
struct virtio_rig *vr_open(const struct viommu_virtio_config *config);
/* Without endpoints; no_memory_in: of the guest. VIOMMU_OK or what viommu_virtio_new() says. */
int vr_try_open(struct virtio_rig *r, const struct viommu_virtio_config *config);
void vr_close(struct virtio_rig *r);
/* Drops channels and devices, and makes endpoints 1 to 4 again. */
void vr_endpoints(struct virtio_rig *r);
/* Frees endpoint id and its channel. */
void vr_drop(struct virtio_rig *r, unsigned id);
/* Gives endpoint id reserved regions. */
void vr_regions(struct virtio_rig *r, unsigned id, const struct viommu_virtio_region *regions,
		unsigned count);

/* ---- requests ---- */

struct vr_message {
	uint8_t bytes[96];
	uint32_t count;
};

void vr_put(struct vr_message *m, uint64_t value, unsigned bytes);
struct vr_message vr_make_head(unsigned type);
struct vr_message vr_make_attach(uint32_t domain, uint32_t endpoint, uint32_t flags);
struct vr_message vr_make_detach(uint32_t domain, uint32_t endpoint);
struct vr_message vr_make_map(uint32_t domain, uint64_t first, uint64_t last, uint64_t phys,
			      uint32_t flags);
struct vr_message vr_make_unmap(uint32_t domain, uint64_t first, uint64_t last);
struct vr_message vr_make_probe(uint32_t endpoint);

/* Sends in one readable part and one writable part of 4 bytes (PROBE: and probe_size). Whatever
 * does not look like an answer fails the test. */
unsigned vr_send(struct virtio_rig *r, const struct vr_message *m);
unsigned vr_attach(struct virtio_rig *r, uint32_t domain, uint32_t endpoint, uint32_t flags);
unsigned vr_detach(struct virtio_rig *r, uint32_t domain, uint32_t endpoint);
unsigned vr_map(struct virtio_rig *r, uint32_t domain, uint64_t first, uint64_t last, uint64_t phys,
		uint32_t flags);
unsigned vr_unmap(struct virtio_rig *r, uint32_t domain, uint64_t first, uint64_t last);
/* properties: probe_size bytes. */
unsigned vr_probe(struct virtio_rig *r, uint32_t endpoint, uint8_t *properties);

/* ---- translations ---- */

#define VR_FAULT(reason) (UINT64_C(0xdeadfa0100000000) | (uint64_t)(reason))
#define VR_INTERRUPT	 UINT64_C(0xdeadfa0200000000)

/*
 * Target of one byte, or one of the above: asked of the device twice, of its channel twice and of a
 * new channel, which must all answer the same and leave the same records; these are checked and
 * taken.
 */
uint64_t vr_where(struct virtio_rig *r, unsigned id, uint64_t iova, unsigned access);
/* Asked of the device once; records stay. */
uint64_t vr_peek(struct virtio_rig *r, unsigned id, uint64_t iova, unsigned access);
/* Permission of the fragment at iova, R and W; 0: refused. Takes the records. */
unsigned vr_perm(struct virtio_rig *r, unsigned id, uint64_t iova);

struct vr_range {
	uint64_t iova;
	uint64_t gpa;
	uint64_t last; /* of iova */
	uint64_t perm; /* no padding: compared as bytes */
};

/* Everything mapped in [first, last], by viommu_replay(), merged; returns how many, at most @max.
 * result: of the replay. */
unsigned vr_ranges(struct virtio_rig *r, unsigned id, uint64_t first, uint64_t last,
		   struct vr_range *ranges, unsigned max, int *result);

/* ---- events, configuration ---- */

struct vr_event {
	unsigned reason;
	uint32_t flags;
	uint32_t endpoint;
	uint64_t address;
};

/* The oldest record, its reserved bytes checked; false: none. */
bool vr_event(struct virtio_rig *r, struct vr_event *event);
unsigned vr_drain(struct virtio_rig *r);

unsigned vr_bypass(struct virtio_rig *r);
int vr_set_bypass(struct virtio_rig *r, unsigned value);

/* ---- scripts ---- */

enum vr_op { VR_OP_NEW = 16, VR_OP_WHERE, VR_OP_PERM, VR_OP_SET_BYPASS, VR_OP_RESET };

/* A step: a request by its type, or another. want: a set of statuses (1 << ST_*), or a target. */
struct vr_step {
	const char *name;
	unsigned op;
	uint32_t domain;
	uint32_t endpoint;
	uint64_t first;
	uint64_t last;
	uint64_t phys;
	uint32_t flags;
	uint64_t want;
};

/* Statuses of which any is right. */
#define IS(status)  (1U << ST_##status)
#define ANY_REFUSAL (IS(UNSUPP) | IS(INVAL) | IS(RANGE) | IS(NOENT))

#define NEW(text)                                                                                  \
	{                                                                                          \
		.name = text, .op = VR_OP_NEW                                                      \
	}
#define ATTACH(text, d, e, f, w)                                                                   \
	{                                                                                          \
		.name = text, .op = VR_ATTACH, .domain = d, .endpoint = e, .flags = f, .want = w   \
	}
#define DETACH(text, d, e, w)                                                                      \
	{                                                                                          \
		.name = text, .op = VR_DETACH, .domain = d, .endpoint = e, .want = w               \
	}
#define MAP(text, d, a, z, p, f, w)                                                                \
	{                                                                                          \
		.name = text, .op = VR_MAP, .domain = d, .first = a, .last = z, .phys = p,         \
		.flags = f, .want = w                                                              \
	}
#define UNMAP(text, d, a, z, w)                                                                    \
	{                                                                                          \
		.name = text, .op = VR_UNMAP, .domain = d, .first = a, .last = z, .want = w        \
	}
#define WHERE(text, e, a, f, w)                                                                    \
	{                                                                                          \
		.name = text, .op = VR_OP_WHERE, .endpoint = e, .first = a, .flags = f, .want = w  \
	}
#define PERM(text, e, a, w)                                                                        \
	{                                                                                          \
		.name = text, .op = VR_OP_PERM, .endpoint = e, .first = a, .want = w               \
	}
#define SET_BYPASS(text, v)                                                                        \
	{                                                                                          \
		.name = text, .op = VR_OP_SET_BYPASS, .flags = v                                   \
	}
#define RESET(text)                                                                                \
	{                                                                                          \
		.name = text, .op = VR_OP_RESET                                                    \
	}

#define VR_ROWS(rows) (sizeof(rows) / sizeof((rows)[0]))

/* NEW makes a new one of the same configuration; the first is implied. */
void vr_script(const struct viommu_virtio_config *config, const struct vr_step *steps,
	       size_t count);
/* On one that exists, without NEW. */
void vr_steps(struct virtio_rig *r, const struct vr_step *steps, size_t count);

/* Steps that have been run by this program. */
extern unsigned vr_rows_run;
/* A group's teardown: prints them. */
int vr_count_rows(void **state);

#endif
