/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * its_oracle.h - ITSs and redistributors as arrays and linear scans, from the architecture's sentences
 * (IHI 0069) and the choices of its.h. It caches nothing but what its.h says is cached, finishes
 * whatever it begins, and has a copy of guest memory of its own.
 */
#ifndef ITS_ORACLE_H
#define ITS_ORACLE_H

#include <stdbool.h>
#include <stdint.h>

enum {
	ITO_UNITS = 2,
	ITO_CPUS = 4,
	ITO_VPES = 8,
	ITO_DEVICES = 64,
	ITO_EVENTS = 1024,
	ITO_COLLECTIONS = 128,
	ITO_INTIDS = 65536,
	ITO_ERRORS = 2048,
	ITO_LPI = 8192, /* the first one */
	ITO_NO_DOORBELL = 1023
};

struct ito_memory {
	uint8_t *bytes;
	uint64_t base, size;
	bool broken; /* nothing can be read */
};

struct ito_device {
	bool used;
	uint32_t id, bits;
	uint64_t itt;
};

struct ito_event {
	bool used, is_virtual;
	uint32_t device, event, intid;
	uint32_t icid;		/* physical */
	uint32_t vpe, doorbell; /* virtual */
};

struct ito_collection {
	bool used;
	uint32_t icid, cpu;
};

struct ito_unit {
	uint64_t typer, base;
	uint32_t number, device_cap, event_cap;
	bool enabled, imde, stalled;
	uint64_t cbaser, baser[8], umsir;
	uint32_t cwriter, creadr, statusr;
	struct ito_device device[ITO_DEVICES];
	struct ito_event event[ITO_EVENTS];
	struct ito_collection collection[ITO_COLLECTIONS];
};

struct ito_cpu {
	bool enabled, ptz;
	uint64_t propbaser, pendbaser, vpropbaser, vpendbaser;
	uint8_t pending[ITO_INTIDS];
	/* What it has been told to forward: 0 nothing, else 1 | priority << 8. */
	uint16_t told[ITO_INTIDS];
};

struct ito_vpe {
	bool on[ITO_UNITS]; /* mapped by this ITS */
	uint32_t cpu, bits;
	uint64_t vpt, vconf;
	uint32_t doorbell; /* 4.1: the default one */
	bool armed;	   /* 4.1: it may ring, once */
	uint8_t pending[ITO_INTIDS];
	struct {
		bool pending, enabled;
		uint32_t priority;
	} sgi[16];
};

struct ito_error {
	uint32_t code;
	uint64_t command[4];
};

struct its_oracle {
	struct ito_memory memory;
	uint32_t cpus, intid_bits, vpes, units;
	bool v4, v41, no_writes, direct;
	uint64_t rd_base, rd_stride;
	struct ito_cpu cpu[ITO_CPUS];
	struct ito_vpe vpe[ITO_VPES];
	int16_t config[ITO_INTIDS]; /* configuration bytes; -1: not known */
	struct ito_unit unit[ITO_UNITS];
	struct ito_error error[ITO_ERRORS]; /* since the caller last set errors to 0 */
	uint32_t errors;
	bool beyond; /* more errors, devices, events or collections than there is room for */
};

/* Everything but memory and configuration as after power-on. */
void ito_reset_lpis(struct its_oracle *o);
void ito_reset_unit(struct its_oracle *o, unsigned unit);

/* ---- registers ---- */

/* 64-bit registers (or CTLR), whole. */
uint64_t ito_read(const struct its_oracle *o, unsigned unit, uint64_t offset);
void ito_write(struct its_oracle *o, unsigned unit, uint64_t offset, uint64_t value);
uint64_t ito_rd_read(const struct its_oracle *o, uint32_t cpu, uint64_t offset);
void ito_rd_write(struct its_oracle *o, uint32_t cpu, uint64_t offset, uint64_t value);

/* ---- messages ---- */

struct ito_answer {
	bool found;
	uint32_t reason; /* if not */
	bool is_virtual;
	uint32_t intid, cpu; /* or vPE */
};

struct ito_answer ito_message(struct its_oracle *o, unsigned unit, uint32_t device, uint32_t event,
			      bool deliver);

/* The same by the command INT: nothing is recorded. */
struct ito_answer ito_interrupt(struct its_oracle *o, unsigned unit, uint32_t device,
				uint32_t event, bool deliver);

/* ---- LPIs ---- */

struct ito_lpi {
	uint32_t pending, enabled, priority;
};

struct ito_lpi ito_get(struct its_oracle *o, uint32_t cpu, uint32_t intid);
bool ito_acknowledge(struct its_oracle *o, uint32_t cpu, uint32_t intid);
bool ito_get_virtual(struct its_oracle *o, uint32_t vpe, uint32_t intid, struct ito_lpi *lpi);
bool ito_acknowledge_virtual(struct its_oracle *o, uint32_t vpe, uint32_t intid);
/* What viommu_restore() and new redistributors do to the configuration bytes. */
void ito_forget_config(struct its_oracle *o);
/* LPIs of this redistributor are below it; 0: there are none. */
uint32_t ito_limit(const struct its_oracle *o, uint32_t cpu);
int ito_resident(const struct its_oracle *o, uint32_t vpe);
bool ito_vpe_mapped(const struct its_oracle *o, uint32_t vpe);

/* ---- tables ---- */

/* 1: id has an entry in table n; 0: it has not; -1: that cannot be read. gpa, if not NULL, receives
 * where the entry is. */
int ito_slot(const struct its_oracle *o, const struct ito_unit *u, unsigned n, uint32_t id,
	     uint64_t *gpa);
uint64_t ito_table_bytes(const struct ito_unit *u, unsigned n);
uint64_t ito_table_gpa(const struct ito_unit *u, unsigned n);
uint32_t ito_device_bits(const struct ito_unit *u);
uint32_t ito_icid_bits(const struct ito_unit *u);
uint32_t ito_event_bits(const struct ito_unit *u);
uint32_t ito_hcc(const struct ito_unit *u);
uint64_t ito_page(const struct ito_unit *u, unsigned n);

/* ---- KVM's table ABI, revision 0 ---- */

enum { ITO_RANGES = 128 };
struct ito_range {
	uint64_t gpa, bytes;
};

struct ito_tables {
	int result; /* VIOMMU_OK, _FAULT or _ENOTSUP */
	bool vague; /* tables overlap, or are partly nowhere: what becomes of them is not defined */
	struct ito_range range[ITO_RANGES]; /* what may be written */
	unsigned ranges;
	uint64_t collections, collection_count; /* written in any order */
};

/* Writes the tables to the oracle's memory. */
void ito_save_tables(struct its_oracle *o, unsigned unit, struct ito_tables *t);
/* Objects from the tables in place of those that there are; none if it is not VIOMMU_OK. */
int ito_restore_tables(struct its_oracle *o, unsigned unit);
/* Pending tables of all that are enabled. */
void ito_save_pending(struct its_oracle *o);

/* ---- inside ---- */

bool ito_load(const struct its_oracle *o, uint64_t gpa, void *to, uint32_t bytes);
bool ito_store(struct its_oracle *o, uint64_t gpa, uint8_t byte);
bool ito_has(const struct its_oracle *o, uint64_t gpa, uint64_t bytes);
struct ito_device *ito_find_device(struct ito_unit *u, uint32_t id);
struct ito_event *ito_find_event(struct ito_unit *u, uint32_t device, uint32_t event);
struct ito_collection *ito_find_collection(struct ito_unit *u, uint32_t icid);
void ito_drop_device(struct ito_unit *u, uint32_t id);
/* Commands of the queue, until it is empty or stalls. */
void ito_run(struct its_oracle *o, unsigned unit);
void ito_pend(struct its_oracle *o, uint32_t cpu, uint32_t intid);
void ito_clear(struct its_oracle *o, uint32_t cpu, uint32_t intid);
void ito_invalidate_lpi(struct its_oracle *o, uint32_t cpu, uint32_t intid);
/* The first one that is pending, not below this one; ITO_INTIDS: there is none. */
uint32_t ito_next_pending(const struct its_oracle *o, uint32_t cpu, uint32_t intid);
/* Of all that is pending there. */
void ito_tell_all(struct its_oracle *o, uint32_t cpu);
void ito_invalidate_all(struct its_oracle *o, uint32_t cpu);
void ito_pend_virtual(struct its_oracle *o, uint32_t vpe, uint32_t intid, uint32_t doorbell);
void ito_pend_sgi(struct its_oracle *o, uint32_t vpe, uint32_t intid);
/* The configuration of one that is pending, or of all (vLPIs), may have changed. */
void ito_invalidate_vlpi(struct its_oracle *o, uint32_t vpe, uint32_t intid, uint32_t doorbell);
void ito_invalidate_vpe(struct its_oracle *o, uint32_t vpe);
void ito_invalidate_sgi(struct its_oracle *o, uint32_t vpe, uint32_t intid);
void ito_read_vpt(struct its_oracle *o, uint32_t vpe);
void ito_write_vpt(struct its_oracle *o, uint32_t vpe);
void ito_unmap_vpe(struct its_oracle *o, unsigned unit, uint32_t vpe);
/* The code that is reported, ITO_DONE, or VIOMMU_ITS_ERROR_MEMORY. */
#define ITO_DONE UINT32_C(0xfffffffe)
uint32_t ito_command(struct its_oracle *o, unsigned unit, const uint64_t *w);
/* The redistributor that an RDbase field means; -1: none. */
int ito_rdbase(const struct its_oracle *o, const struct ito_unit *u, uint64_t word);

#endif
