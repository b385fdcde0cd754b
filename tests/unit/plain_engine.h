/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * plain_engine.h - the core with an engine that has no tables: what a context says and what is mapped is the
 * test's word. For what no architecture's tables show by themselves.
 */
#ifndef PLAIN_ENGINE_H
#define PLAIN_ENGINE_H

#include "guest.h"
#include "unit.h"

struct plain {
	struct viommu unit; /* first */
	struct context context;
	/* The page at an address, as the tables have it, and what of it is one piece. */
	struct translation (*page)(uint64_t iova);
	unsigned parses;
	unsigned walks;
};

struct plain_world {
	struct guest g;
	struct plain plain;
	struct engine engine; /* its flags may be changed before anyone asks */
	struct viommu_device *device;
};

/* A device in a domain without tables; page: what is mapped. */
void plain_open(struct plain_world *w, struct translation (*page)(uint64_t iova));
void plain_close(struct plain_world *w);

/* Where an address goes, and *extent, of the mapping that it is in; without PASID. */
uint64_t plain_ask(struct plain_world *w, uint64_t iova, uint32_t *extent_lg2);

/* The domain that the device has come to. */
struct domain *plain_domain(struct plain_world *w);

#endif
