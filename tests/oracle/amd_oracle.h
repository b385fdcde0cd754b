/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * amd_oracle.h - what an AMD IOMMU answers to a DMA, straight from docs/amdvi-notes.md and the rules it refers to: no cache, no
 * parsed form, one function for one table. Bits are said by their numbers.
 */
#ifndef AMD_ORACLE_H
#define AMD_ORACLE_H

#include <stdbool.h>
#include <stdint.h>

#define AO_BASE	 UINT64_C(0x100000) /* of RAM */
#define AO_WORDS (256U * 512U)

struct ao_unit {
	uint64_t *ram; /* AO_WORDS of it */
	uint64_t efr;
	uint64_t control;
	uint64_t devices;   /* base of the device table; 128 entries */
	uint64_t exclusion; /* base register; limit: */
	uint64_t exclusion_limit;
};

struct ao_request {
	uint32_t id;
	bool has_pasid;
	uint32_t pasid;
	uint64_t address;
	bool read, write, execute, user;
};

enum ao_result { AO_DONE, AO_REFUSED, AO_INTERRUPT };

struct ao_answer {
	enum ao_result result;
	uint64_t gpa;
	bool may_read, may_write;
	/* The event, and which of its bits are certain. */
	bool event;
	uint64_t word[2];
	uint64_t sure[2];
};

struct ao_answer ao_translate(const struct ao_unit *u, const struct ao_request *q);

/* ---- interrupts (2.2.5) ---- */

struct ao_message {
	uint32_t id; /* of who sends it */
	uint64_t address;
	uint32_t data;
};

struct ao_interrupt {
	enum ao_result result;
	bool unchanged; /* it is delivered as it came */
	uint32_t destination;
	unsigned vector, delivery;
	bool logical, level, hint;
	/* In guest form: set in the virtual APIC's page, instead of delivered. @irr is the word's address, @bit its bit. */
	bool posted, notify, logged;
	uint64_t irr;
	uint32_t bit;
	uint64_t entry; /* of the guest virtual APIC log, if it is @logged */
	bool event;
	uint64_t word[2];
	uint64_t sure[2];
};

/* Leaves RAM as it is. */
struct ao_interrupt ao_remap(const struct ao_unit *u, const struct ao_message *m);

#endif
