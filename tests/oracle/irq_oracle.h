/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * irq_oracle.h - what Intel VT-d interrupt remapping makes of one interrupt request (5.1, 9.9 to
 * 9.11), step by step, from the manual's order of checks.
 *
 * Slow on purpose: no cache, every entry read when it is needed. It is compared with the engine and
 * shares no code, no types and no constants with it.
 *
 * Domain. A 4-byte write to 0xFEEx_xxxx with address bits 63:32 zero and a requester id of 16 bits.
 *
 * CHOICES, where the manual leaves latitude or could not be quoted:
 *   1  Order: interrupt remapping off, format (25), reserved data (20), index (21), address of the
 *      entry above HAW (21), fetch (23), P (22), reserved (24), source (26), descriptor fetch (27),
 *      its reserved bits (28), its update (27).
 *   2  Without SHV the data is ignored; address bits 1:0 are ignored.
 *   3  index = handle + subhandle; a sum above 65535 is 21, and FI has its low 16 bits. FI is 0
 *      when no index was computed (20, 25).
 *   4  IM=1 without CAP.PI is a reserved bit. A reserved delivery mode (3, 6) is not refused.
 *   5  The descriptor's address is not compared with HAW: nothing can be read there (27).
 *   6  With EIME=0 NDST outside bits 15:8 is ignored (DST outside of them is reserved).
 *   7  A bit that is set already is not stored again. The update of ON fails as that of PIR; PIR
 *      comes first and stays.
 *   8  The message out has address bits 1:0 clear, and bit 14 of data (level assert) set. One that
 *      was not remapped leaves as it came.
 *   9  Resolving stores nothing: no notification is due, and a descriptor that cannot be written is
 *      not found out.
 */
#ifndef IRQ_ORACLE_H
#define IRQ_ORACLE_H

#include <stdbool.h>
#include <stdint.h>

/* Guest memory, by naturally aligned 64-bit words. False: the access failed. */
struct io_memory {
	void *opaque;
	bool (*load64)(void *opaque, uint64_t gpa, uint64_t *value);
	bool (*store64)(void *opaque, uint64_t gpa, uint64_t value);
};

/* What the registers say. */
struct io_unit {
	uint64_t irta; /* as latched by SIRTP: base, EIME in bit 11, S in bits 3:0 */
	bool enabled;  /* GSTS.IRES */
	bool cfi;      /* GSTS.CFIS */
	bool posting;  /* CAP.PI */
	unsigned haw;
};

struct io_request {
	uint16_t source;
	uint32_t address;
	uint32_t data;
	bool resolve; /* leaves no trace */
};

struct io_answer {
	bool ok;
	uint8_t reason; /* with !ok: 0x20 to 0x28 */
	bool recorded;
	uint16_t fi;  /* FI bits 63:48 */
	bool indexed; /* an entry was read, or would have been: index */
	uint16_t index;

	/* With ok. */
	bool unremapped;
	bool posted;
	bool notify;
	uint8_t vector;
	uint32_t destination;
	uint8_t delivery_mode;
	bool logical;
	bool level;
	bool redirection_hint;
	uint64_t address; /* KVM form: destination 31:8 in bits 63:40 */
	uint32_t data;
};

void io_remap(const struct io_memory *mem, const struct io_unit *unit, const struct io_request *req,
	      struct io_answer *ans);

#endif
