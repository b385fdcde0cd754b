/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * virtio_oracle.h - a virtio-iommu of arrays and linear scans, from the specification's sentences
 * (virtio 1.3, 5.13.6). It says which answers a request may get, is told which it got, and from
 * then on knows where every access goes.
 */
#ifndef TESTS_VIRTIO_ORACLE_H
#define TESTS_VIRTIO_ORACLE_H

#include <stdbool.h>
#include <stdint.h>

enum { VO_ENDPOINTS = 8, VO_DOMAINS = 64, VO_MAPPINGS = 256, VO_REGIONS = 4 };

/* Statuses, and used length 0 with nothing written; sets are made of 1 << these. */
enum { VO_OK, VO_IOERR, VO_UNSUPP, VO_DEVERR, VO_INVAL, VO_RANGE, VO_NOENT, VO_FAULT, VO_NOMEM };
#define VO_NOTHING 9
#define VO_ANY	   0x3ffU

struct vo_config {
	uint64_t granule, input_first, input_last, gpa_last;
	uint32_t domain_first, domain_last;
	uint32_t domains, mappings, domain_mappings;
	uint64_t offered;
	bool bypass; /* after a reset of the machine */
};

struct vo_region {
	uint64_t first, last;
	bool msi;
};

struct vo_endpoint {
	uint32_t id;
	struct vo_region region[VO_REGIONS];
	unsigned regions;
	bool attached;
	uint32_t domain;
};

struct vo_domain {
	bool used;
	bool bypass;
	uint32_t id;
};

struct vo_mapping {
	bool used;
	uint32_t domain;
	uint64_t first, last, phys;
	uint32_t flags;
};

struct virtio_oracle {
	struct vo_config config;
	uint64_t accepted; /* features */
	bool bypass;	   /* config.bypass */
	struct vo_endpoint endpoint[VO_ENDPOINTS];
	unsigned endpoints;
	struct vo_domain domain[VO_DOMAINS];
	struct vo_mapping mapping[VO_MAPPINGS];
};

/* Power-on; endpoints are added by the caller. */
void vo_init(struct virtio_oracle *o, const struct vo_config *config);
/* A reset of the device, and of the machine. */
void vo_reset(struct virtio_oracle *o);
void vo_machine_reset(struct virtio_oracle *o);

/* The set of answers that a request of so many bytes may get, if it has room for an answer. */
unsigned vo_judge(const struct virtio_oracle *o, const uint8_t *bytes, uint64_t count);
/* It got this one. */
void vo_apply(struct virtio_oracle *o, const uint8_t *bytes, uint64_t count, unsigned answer);

/* Index of the endpoint or domain with an id; -1: there is none. */
int vo_find_endpoint(const struct virtio_oracle *o, uint32_t id);
int vo_find_domain(const struct virtio_oracle *o, uint32_t id);

enum vo_kind { VO_TARGET, VO_UNMAPPED, VO_UNATTACHED, VO_MESSAGE };

struct vo_place {
	enum vo_kind kind;
	uint64_t gpa;
	uint64_t last;	/* of the addresses for which this continues */
	uint32_t perm;	/* 1 read, 2 write */
	bool anonymous; /* bypass */
};

/* Where an access to one byte goes. access: 1 read, 2 write. */
struct vo_place vo_access(const struct virtio_oracle *o, uint32_t endpoint, uint64_t address,
			  uint32_t access);
/* The first mapped address that is not below @address, with any permission; false: none. */
bool vo_next(const struct virtio_oracle *o, uint32_t endpoint, uint64_t address, uint64_t *found,
	     struct vo_place *place);

#endif
