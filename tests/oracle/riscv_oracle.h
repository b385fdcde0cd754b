/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * riscv_oracle.h - the RISC-V IOMMU as its specification's steps: every structure is read anew for each request, and nothing is
 * remembered. It shares no code with the library, and its memory is a copy of the guest's.
 */
#ifndef TESTS_RISCV_ORACLE_H
#define TESTS_RISCV_ORACLE_H

#include <stdbool.h>
#include <stdint.h>

#define RO_CAP_SV32	   8U
#define RO_CAP_SV39	   9U
#define RO_CAP_SV48	   10U
#define RO_CAP_SV57	   11U
#define RO_CAP_SVRSW60T59B 14U
#define RO_CAP_SVPBMT	   15U
#define RO_CAP_SV32X4	   16U
#define RO_CAP_SV39X4	   17U
#define RO_CAP_SV48X4	   18U
#define RO_CAP_SV57X4	   19U
#define RO_CAP_AMO_MRIF	   21U
#define RO_CAP_MSI_FLAT	   22U
#define RO_CAP_MSI_MRIF	   23U
#define RO_CAP_AMO_HWAD	   24U
#define RO_CAP_ATS	   25U
#define RO_CAP_T2GPA	   26U
#define RO_CAP_END	   27U
#define RO_CAP_PD8	   38U
#define RO_CAP_PD17	   39U
#define RO_CAP_PD20	   40U
#define RO_CAP_QOSID	   41U

/* The guest's memory: what lies outside cannot be accessed. */
struct ro_unit {
	uint8_t *ram;
	uint64_t base;
	uint64_t bytes;
	uint64_t capabilities;
	bool be;  /* fctl.BE */
	bool gxl; /* fctl.GXL */
	bool gxl_writable;
	uint64_t ddtp;
	uint32_t qosid_bits;
	uint64_t stores; /* of A and D bits */
};

enum ro_access { RO_EXEC, RO_READ, RO_WRITE };
enum ro_type { RO_UNTRANSLATED, RO_ATS, RO_TRANSLATED };

struct ro_request {
	uint32_t device;
	bool pv;
	uint32_t pid;
	bool priv; /* counts with pv only */
	enum ro_access access;
	enum ro_type type;
	bool no_write, exec; /* RO_ATS: NW, and whether execution is asked for */
	uint64_t iova;
};

enum ro_end { RO_OK, RO_FAULT, RO_MRIF };

struct ro_answer {
	enum ro_end end;
	/* RO_OK */
	uint64_t pa;
	unsigned size_lg2; /* 64: nothing is cut */
	bool r, w, x;	   /* RO_ATS */
	bool msi;
	/* RO_MRIF */
	uint64_t mrif;
	uint64_t notice; /* address */
	uint32_t nid;
	/* RO_FAULT */
	unsigned cause;
	uint64_t iotval2;
	bool logged;
	unsigned ats; /* RO_ATS: 0 success without permission, 1 UR, 4 CA */
};

struct ro_answer ro_translate(struct ro_unit *unit, const struct ro_request *request);

/* The record of a fault. */
void ro_record(const struct ro_unit *unit, const struct ro_request *request,
	       const struct ro_answer *answer, uint64_t record[4]);

/* A write of 4 bytes to an interrupt file in an MRIF page: it is ignored, there is a notice, or its memory cannot be accessed
 * (cause 264). */
enum ro_delivered { RO_IGNORED, RO_NOTICE, RO_MRIF_FAULT };
enum ro_delivered ro_deliver(struct ro_unit *unit, const struct ro_answer *answer, uint64_t address,
			     uint32_t data);

#endif
