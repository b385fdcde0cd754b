/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * its_world.h - random ITSs and redistributors beside their oracle, with a guest that does what guests
 * do and what they should not; after each call both are compared.
 */
#ifndef ITS_WORLD_H
#define ITS_WORLD_H

#include <libvirtiommu/its.h>
#include <libvirtiommu/routes.h>

#include "guest.h"
#include "its_oracle.h"

enum { ITW_POOL = 16, ITW_ROUTES = 24, ITW_INTS = 28, ITW_TRACE = 256, ITW_STATE = 1 << 20 };

/* Guest memory: GUEST_BASE to ITW_END. */
#define ITW_QUEUE(u)	(UINT64_C(0x100000) + (u)*0x4000) /* 4 pages */
#define ITW_TABLE(u, n) (UINT64_C(0x110000) + ((n)*2 + (u)) * UINT64_C(0x10000))
#define ITW_L2(u, k)	(UINT64_C(0x180000) + ((u)*4 + (k)) * UINT64_C(0x10000))
#define ITW_PROP(k)	(UINT64_C(0x200000) + (k)*UINT64_C(0x10000))
#define ITW_PEND(c)	(UINT64_C(0x220000) + (c)*UINT64_C(0x10000))
#define ITW_VCONF	UINT64_C(0x260000)
#define ITW_VPT(v)	(UINT64_C(0x280000) + (v)*UINT64_C(0x10000))
#define ITW_ITT(u, k)	(UINT64_C(0x300000) + ((u)*32 + (k)) * UINT64_C(0x8000)) /* 12 bits */
#define ITW_LAST_PAGE	UINT64_C(0x50f000)
#define ITW_PAGES	1040

struct its_world;

struct itw_unit {
	struct its_world *w;
	struct viommu *its;
	uint32_t device[ITW_POOL]; /* DeviceIDs that are used */
	uint32_t event[ITW_POOL];
	uint32_t icid[ITW_POOL];
	struct viommu_routes *routes;
	struct {
		uint32_t device, event;
	} route[ITW_ROUTES];
	struct viommu_route_change kernel[ITW_ROUTES]; /* as it was told */
};

struct its_world {
	struct guest g;
	struct its_oracle *o;
	struct viommu *lpis;
	struct itw_unit unit[ITO_UNITS];
	struct viommu_lpis_config lpis_config;
	struct viommu_its_config its_config[ITO_UNITS];
	struct viommu_limits limits;
	struct viommu_host host;
	uint64_t seed, random;
	uint32_t intid[ITW_INTS];
	uint32_t config_bits; /* of PROPBASER, what the guest likes */
	bool plain;	      /* what tables in guest memory can hold */
	bool mixed;	      /* configuration tables differ, or may */
	struct ito_error error[ITO_ERRORS];
	uint32_t errors;
	uint16_t told[ITO_CPUS][ITO_INTIDS]; /* 0: nothing to forward; 1 | priority << 8 */
	/* The same for the vPE, since it became resident. */
	uint16_t told_virtual[ITO_VPES][ITO_INTIDS];
	char trace[ITW_TRACE][120];
	uint64_t traced;
};

struct itw_totals {
	uint64_t commands, refused, stalls, messages, delivered, registers, lpis, vlpis, told,
		saves, tables, refused_tables, mutated, resets, retries, enables, schedules, memory,
		routes, direct;
	uint64_t ops[64], refused_ops[64]; /* by the low bits of the opcode */
};
extern struct itw_totals itw_total;

uint64_t itw_random(struct its_world *w);
uint32_t itw_pick(struct its_world *w, uint32_t n);
bool itw_chance(struct its_world *w, uint32_t one_in);

void itw_open(struct its_world *w, uint64_t seed);
void itw_close(struct its_world *w);
/* LPIs and ITSs of the same configuration, in power-on state, in place of those that are there; those
 * are given back. */
void itw_renew(struct its_world *w, struct viommu **lpis, struct viommu **its);
void itw_free(struct its_world *w, struct viommu *lpis, struct viommu **its);

/* Says what happens, for whoever reads of a failure. */
void itw_trace(struct its_world *w, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Prints what has happened, and fails. */
void itw_fail(struct its_world *w, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Another event for a route. */
void itw_set_route(struct its_world *w, unsigned unit, uint32_t gsi, uint32_t device,
		   uint32_t event);
/* The kernel hears of what has changed. */
void itw_drain(struct itw_unit *u);

/* Guest writes to memory. */
void itw_put64(struct its_world *w, uint64_t gpa, uint64_t word);
void itw_put8(struct its_world *w, uint64_t gpa, uint8_t byte);

/* Registers of both; the engine's VIOMMU_PENDING is run to its end, but for itw_post(). */
void itw_write(struct its_world *w, unsigned unit, uint64_t offset, uint64_t value);
int itw_post(struct its_world *w, unsigned unit, uint64_t offset, uint64_t value);
void itw_rd_write(struct its_world *w, uint32_t cpu, uint64_t offset, uint64_t value);
void itw_settle(struct its_world *w);

/* One random thing, and comparisons. */
void itw_step(struct its_world *w);
/* What the guest does first: tables, queue, Enabled; PROPBASER, PENDBASER, EnableLPIs. */
void itw_boot(struct its_world *w);
/* Random commands, as far as there is room in the queue. */
void itw_commands(struct its_world *w, unsigned unit);

void itw_compare(struct its_world *w);
void itw_compare_memory(struct its_world *w);
void itw_message(struct its_world *w, unsigned unit, uint32_t device, uint32_t event, bool deliver);
void itw_compare_all(struct its_world *w);

/* Saves and goes on with what has restored it. */
void itw_save(struct its_world *w);
void itw_save_tables(struct its_world *w);

#endif
